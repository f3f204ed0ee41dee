"""examples/systemd: the template, in both of systemd's managers."""

from __future__ import annotations

import json
import re
from contextlib import closing
from pathlib import Path

import pytest

from agentkeys.processes import ProcessId
from agentkeys_shell.sandbox.processes import wait_until
from tests.examples.examples import EXAMPLES, adapt_file, copy_example
from tests.support.federated_store import PEOPLE_ROLE, FederatedStore
from tests.support.oidc_client import OidcClient
from tests.support.oidc_provider import RESOURCE, SERVICE, SERVICE_SECRET, OidcProvider
from tests.support.programs import BIN, Home
from tests.system.user_manager import UserManager

FOLDER = EXAMPLES / "systemd"
SERVICE_UNIT = "agentkeys-job@.service"
TIMER_UNIT = "agentkeys-job@.timer"
JOB = "agentkeys-job@report.service"
MOST_EXPOSED = 20
"""Of 100, as `systemd-analyze security` counts; a unit without any of it has 96."""


@pytest.fixture
def units(machine: Home) -> Path:
    """A copy of the example in which the programs' folder is ours."""
    folder = copy_example("systemd", machine.work / "units")
    adapt_file(folder / SERVICE_UNIT, {"/opt/agentkeys/bin": str(BIN)})
    return folder


def test_systemd_has_nothing_to_say_against_it(machine: Home, units: Path) -> None:
    """Neither the system's manager, with what only it can do, nor a person's own."""
    files = (units / SERVICE_UNIT, units / TIMER_UNIT)
    done = machine.run("systemd-analyze", "verify", *files)
    assert (done.status, done.stdout, done.stderr) == (0, "", "")
    drop_in = units / f"{SERVICE_UNIT}.d" / "system.conf"
    drop_in.unlink()
    done = machine.run("systemd-analyze", "--user", "verify", *files)
    assert (done.status, done.stdout, done.stderr) == (0, "", "")


def test_a_job_can_do_little_else(machine: Home, units: Path) -> None:
    """As systemd itself counts what is left open."""
    done = machine.run(
        *("systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}"),
        units / SERVICE_UNIT,
    )
    assert done.status == 0, done.stdout


def test_machines_start_at_minutes_of_their_own() -> None:
    """Spread over most of the hour, and the same minute every time."""
    timer = (FOLDER / TIMER_UNIT).read_text(encoding="utf-8")
    assert re.search(r"^RandomizedDelaySec=45min$", timer, re.MULTILINE)
    assert re.search(r"^FixedRandomDelay=yes$", timer, re.MULTILINE)


@pytest.fixture
def installed(
    machine: Home, units: Path, oidc_provider: OidcProvider, federated_store: FederatedStore
) -> Home:
    """The files where a person's own manager looks for them."""
    config = Path(machine.environment["XDG_CONFIG_HOME"])
    own, systemd = config / "agentkeys", config / "systemd" / "user"
    for folder in (own / "jobs", systemd):
        folder.mkdir(parents=True)
    adapt_file(
        units / "config.toml",
        {
            "https://login.example.com": oidc_provider.url,
            "urn:example:store": RESOURCE,
            "https://s3.example.com": federated_store.url,
            "arn:aws:iam::000000000001:role/machines": PEOPLE_ROLE,
            "s3://machines/machines/machine-0001/": f"s3://agentkeys/people/{SERVICE}/",
            'client_id = "machine-0001"': f'client_id = "{SERVICE}"',
            'bucket = "machines"': 'bucket = "agentkeys"',
            'prefix = "machines/': 'prefix = "people/',
        },
    )
    adapt_file(units / "client-secret.env", {"what-the-issuer-gave-this-machine": SERVICE_SECRET})
    for name in ("config.toml", "client-secret.env", "jobs/report"):
        (units / name).rename(own / name)
    for name in (SERVICE_UNIT, TIMER_UNIT):
        (units / name).rename(systemd / name)
    # This home is in /tmp, which a job sees nothing of; what it is about here is the rest.
    restrict(machine, "PrivateTmp=no")
    return machine


def restrict(home: Home, *lines: str) -> None:
    """Settings of a machine's own, as a drop-in."""
    systemd = Path(home.environment["XDG_CONFIG_HOME"]) / "systemd" / "user"
    drop_in = systemd / f"{SERVICE_UNIT}.d" / f"{len(lines)}-{abs(hash(lines))}.conf"
    drop_in.parent.mkdir(exist_ok=True)
    drop_in.write_text("\n".join(["[Service]", *lines, ""]), encoding="utf-8")


def test_a_job_runs_with_credentials_of_its_own(
    installed: Home,
    manager: UserManager,
    federated_store: FederatedStore,
    oidc_provider: OidcProvider,
) -> None:
    """Under all restrictions; its daemon ends with it, and the ledger stays."""
    done = installed.run("systemctl", "--user", "start", JOB)
    assert (done.status, done.stderr) == (0, ""), journal(installed)
    with OidcClient(oidc_provider) as client:
        token = client.client_credentials(resource=RESOURCE).json()
    with closing(federated_store.trade(token["access_token"])) as s3:
        listed = s3.list_objects_v2(Bucket="agentkeys", Prefix=f"people/{SERVICE}/reports/")
        [report] = listed["Contents"]
        body = s3.get_object(Bucket="agentkeys", Key=report["Key"])["Body"].read()
    assert set(json.loads(body)) == {"host", "load", "disk_free"}
    # Its runtime folder is removed as well, but only from a tmpfs, which this one is not in.
    folder = Path(installed.environment["XDG_RUNTIME_DIR"]) / "agentkeys-job-report"
    pid = int((folder / "daemon.sock.pid").read_text(encoding="ascii"))
    assert wait_until(lambda: ProcessId.of(pid) is None, seconds=60)
    assert not manager.is_active(JOB)
    [ledger] = installed.folder.rglob("ledger.jsonl")
    events = [json.loads(line)["event"] for line in ledger.read_text("utf-8").splitlines()]
    assert "mint" in events
    assert SERVICE_SECRET not in ledger.read_text(encoding="utf-8")


def test_a_job_gets_no_more_than_its_profile_allows(installed: Home, manager: UserManager) -> None:
    """Its place has other folders, which the rule leaves out; nor does it see the secret."""
    job = Path(installed.environment["XDG_CONFIG_HOME"]) / "agentkeys" / "jobs" / "report"
    said = installed.folder / "said"
    job.write_text(
        "#!/bin/sh\n"
        'aws s3 cp - "s3://$AGENTKEYS_S3_BUCKET/${AGENTKEYS_S3_PREFIX}elsewhere" '
        f"</dev/null >{said} 2>&1 || {{ env >>{said}; exit 1; }}\n",
        encoding="utf-8",
    )
    # A job that writes into somebody's home has to say so.
    restrict(installed, f"ReadWritePaths={installed.folder}")
    done = installed.run("systemctl", "--user", "start", JOB)
    assert done.status != 0
    text = said.read_text(encoding="utf-8")
    assert "AccessDenied" in text, journal(installed)
    assert "AWS_CONTAINER_CREDENTIALS_FULL_URI" in text
    assert SERVICE_SECRET not in text


def journal(home: Home) -> str:
    """What there is to be told when a job fails."""
    done = home.run("systemctl", "--user", "status", "--no-pager", "--full", JOB)
    logs = [path.read_text("utf-8", "replace") for path in home.folder.rglob("daemon.log")]
    return "\n".join([done.stdout, done.stderr, *logs])
