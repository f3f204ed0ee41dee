"""examples/kubernetes: the manifests, and what their containers do."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agentkeys.config import parse_config
from tests.examples.examples import EXAMPLES, adapt
from tests.examples.pods import Container, Pod, load_manifests, pod_of
from tests.support.killing import wait_until
from tests.support.programs import new_home
from tests.support.signing_issuer import SigningIssuer
from tests.support.trusting_store import Trust

FOLDER = EXAMPLES / "kubernetes"
DEPLOYMENTS = ("under-exec.yaml", "sidecar.yaml")
SUBJECT = "system:serviceaccount:reports:reporter"
AUDIENCE = "s3.example.com"
OWN = f"pods/{SUBJECT}/"
FOREIGN = "pods/system:serviceaccount:reports:another/"
LEASE = timedelta(seconds=8)
TOKEN_SECONDS = 14
"""That the first token is good for: the leases after that need another one."""


def read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def configuration() -> str:
    """The config.toml in the ConfigMap."""
    [found] = [m for m in load_manifests(read("configuration.yaml")) if m["kind"] == "ConfigMap"]
    text: str = found["data"]["config.toml"]
    return text


def every_container(name: str) -> list[dict[str, Any]]:
    spec = pod_of(load_manifests(read(name)))
    return [*spec.get("initContainers", ()), *spec["containers"]]


# What the manifests say


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_containers_can_change_nothing_but_what_they_need(name: str) -> None:
    """A plain user, a read-only root, no capabilities, bounded memory."""
    pod = pod_of(load_manifests(read(name)))["securityContext"]
    assert pod["runAsNonRoot"] is True
    assert pod["runAsUser"] > 0
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in every_container(name):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_no_manifest_holds_a_key(name: str) -> None:
    """Neither AWS's nor that of the cluster's own API, and no Secret."""
    text = read(name) + read("configuration.yaml")
    assert not re.search(r"AWS_(ACCESS|SECRET|SESSION)|secretKeyRef|kind: Secret", text)
    assert pod_of(load_manifests(read(name)))["automountServiceAccountToken"] is False


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_every_mount_has_its_volume(name: str) -> None:
    """And the token's audience is the one that the configuration expects."""
    spec = pod_of(load_manifests(read(name)))
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    mounted = {mount["name"] for c in every_container(name) for mount in c["volumeMounts"]}
    assert mounted == set(volumes)
    [source] = volumes["agentkeys-token"]["projected"]["sources"]
    assert source["serviceAccountToken"]["audience"] == AUDIENCE
    config = parse_config(configuration(), file="config.toml", origin="config.toml", path=None)
    profile = config.profile(None)
    assert profile.identity.audience == AUDIENCE
    assert profile.expect_subject == SUBJECT


# What the containers do


@pytest.fixture(scope="module")
def trust() -> Trust:
    """Each service account gets at its own place, for a few seconds."""
    return Trust(
        audience=AUDIENCE,
        role="arn:aws:iam::000000000001:role/pods",
        keys="pods/${jwt:sub}/*",
        max_session=LEASE,
    )


@pytest.fixture
def folder() -> Iterator[Path]:
    """With a short path, as sockets need it; whatever daemon runs there is gone afterwards."""
    with new_home() as home:
        yield home.work
        state = home.work / "shm" / "agentkeys"
        # It ended with its container, or would in a real one.
        home.socket = state / "run" / "daemon.sock"
        home.environment |= {
            "AGENTKEYS_STATE_DIR": str(state),
            "AGENTKEYS_SOCKET": str(home.socket),
            "AGENTKEYS_CONFIG": str(home.work / "config" / "config.toml"),
        }


@contextmanager
def scheduled(folder: Path, store: str, name: str, text: str | None = None) -> Iterator[Pod]:
    """A pod of a manifest, with the store's real address."""
    changes = {"https://s3.example.com": store, '"reports"\nprefix': '"agentkeys"\nprefix'}
    pod = Pod(folder, pod_of(load_manifests(read(name))), adapt(text or configuration(), changes))
    (pod.app / "reporter.py").write_text(read("reporter.py"), encoding="utf-8")
    yield pod


def token(issuer: SigningIssuer, seconds: float = 3600) -> str:
    """One as a cluster signs it."""
    account = {"name": "reporter", "uid": "6b7c"}
    pod = {"namespace": "reports", "serviceaccount": account}
    claims = {"sub": SUBJECT, "aud": [AUDIENCE], "kubernetes.io": pod}
    return issuer.sign(claims, seconds=seconds)


def assert_goes_on(program: Any, seconds: float) -> None:
    """It reports to its own place, and nothing fails, for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        line = program.stdout.readline()
        assert line.startswith(f"s3://agentkeys/{OWN}"), program.communicate(timeout=60)
    assert program.poll() is None


@contextmanager
def reporting(pod: Pod, **more: str) -> Iterator[Any]:
    """The pod's reporter, when everything that it waits for is there."""
    more = {"REPORT_SECONDS": "0.3", "AWS_MAX_ATTEMPTS": "1", **more}
    if not pod.spec.get("initContainers"):
        with pod.container("reporter").running(more) as program:
            yield program
        return
    sidecar = pod.container("agentkeys")
    with sidecar.running() as running:
        wait_until(lambda: sidecar.probe("startupProbe").status == 0 or running.poll() is not None)
        assert running.poll() is None, running.communicate()
        with pod.container("reporter").running(more) as program:
            yield program


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_pod_goes_on_with_the_token_that_the_kubelet_brings(
    folder: Path, store: str, issuer: SigningIssuer, name: str
) -> None:
    """Its first token is over, and so are several leases; no report has failed."""
    with scheduled(folder, store, name) as pod:
        pod.project(token(issuer, TOKEN_SECONDS))
        began = time.monotonic()
        with reporting(pod) as program:
            assert_goes_on(program, LEASE.total_seconds() + 2)
            pod.project(token(issuer))
            assert_goes_on(
                program, began + TOKEN_SECONDS + LEASE.total_seconds() + 1 - time.monotonic()
            )


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_another_accounts_place_is_closed(
    folder: Path, store: str, issuer: SigningIssuer, name: str
) -> None:
    """The store refuses it, and the program says so."""
    with scheduled(folder, store, name) as pod:
        pod.project(token(issuer))
        with reporting(pod, REPORT_PREFIX=FOREIGN) as program:
            out, err = program.communicate(timeout=60)
            assert (program.returncode, out) == (1, "")
            assert "AccessDenied" in err


def test_a_token_file_named_by_the_environment(
    folder: Path, store: str, issuer: SigningIssuer
) -> None:
    """As clusters at AWS do it: no path in the configuration, and the variable in the pod."""
    path = "/var/run/secrets/agentkeys/token"
    text = adapt(configuration(), {f'path = "{path}"\n': ""})
    with scheduled(folder, store, "under-exec.yaml", text) as pod:
        pod.project(token(issuer))
        with reporting(pod, AWS_WEB_IDENTITY_TOKEN_FILE=pod.map(path)) as program:
            assert_goes_on(program, 1)


def test_an_emptydir_is_no_place_for_its_state(
    folder: Path, store: str, issuer: SigningIssuer
) -> None:
    """As the manifests' comments say: another container could put its own things there."""
    with scheduled(folder, store, "under-exec.yaml") as pod:
        pod.project(token(issuer))
        with reporting(pod, AGENTKEYS_STATE_DIR=str(pod.shared / "state")) as program:
            out, err = program.communicate(timeout=60)
            assert (program.returncode, out) == (125, "")
            assert "where others could put another in its place" in err


def test_the_shared_file_is_closed_and_holds_no_key(
    folder: Path, store: str, issuer: SigningIssuer
) -> None:
    """Only where to fetch, and the endpoint's token; the liveness probe tells a new address."""
    with scheduled(folder, store, "sidecar.yaml") as pod:
        pod.project(token(issuer))
        with reporting(pod) as program:
            assert_goes_on(program, 1)
            [shared] = pod.shared.iterdir()
            assert shared.stat().st_mode & 0o777 == 0o600
            text = shared.read_text(encoding="utf-8")
            assert "AWS_CONTAINER_CREDENTIALS_FULL_URI" in text
            assert "AWS_SECRET_ACCESS_KEY" not in text
            assert is_alive(pod.container("reporter"), program.pid)
            shared.write_text(re.sub(r"/runs/\w+/", "/runs/another/", text), encoding="utf-8")
            assert not is_alive(pod.container("reporter"), program.pid)


def is_alive(container: Container, pid: int) -> bool:
    """What the liveness probe says; in its own container the program is process 1."""
    probe = container.probe("livenessProbe", lambda word: word.replace("/proc/1/", f"/proc/{pid}/"))
    assert probe.stderr == ""
    return probe.status == 0
