"""What a kubelet does for a pod, as far as its programs can tell.

Containers are processes here. Where a manifest mounts something, there is a folder instead, and
its path stands wherever the manifest has the other one.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.support.programs import BIN, Finished

__all__ = ["Container", "Pod", "load_manifests", "pod_of"]

Manifest = dict[str, Any]
_PATIENCE = 60


def load_manifests(text: str) -> list[Manifest]:
    """Every document of a file."""
    return list(yaml.safe_load_all(text))


def pod_of(manifests: list[Manifest]) -> Manifest:
    """The pod's own part of the one Deployment."""
    [deployment] = [found for found in manifests if found["kind"] == "Deployment"]
    spec: Manifest = deployment["spec"]["template"]["spec"]
    return spec


class Pod:
    """The folders of a pod whose manifest is `spec`, all below `folder`."""

    def __init__(self, folder: Path, spec: Manifest, configuration: str) -> None:
        self.spec = spec
        self._paths: dict[str, Path] = {}
        self._token = folder / "token"
        # As everywhere: /dev/shm has the sticky bit, and an emptyDir has not.
        self._make("/dev/shm", folder / "shm", 0o1777)  # noqa: S108 - a name to be mapped
        self._make("/app", folder / "app", 0o755)
        self._make("/run/agentkeys", folder / "shared", 0o777)
        self._make("/etc/agentkeys", folder / "config", 0o755)
        self._make("/var/run/secrets/agentkeys", self._token, 0o755)
        (folder / "config" / "config.toml").write_text(self.map(configuration), encoding="utf-8")
        self.app = folder / "app"
        self.shared = folder / "shared"
        self._turn = 0

    def _make(self, mount: str, folder: Path, mode: int) -> None:
        folder.mkdir()
        folder.chmod(mode)
        self._paths[mount] = folder

    def map(self, text: str) -> str:
        """`text` with our folders in the place of the container's paths."""
        for mount, folder in self._paths.items():
            text = text.replace(mount, str(folder))
        return text

    def project(self, token: str) -> None:
        """Lays the token down, or takes a new one in its place, as the kubelet does: by a link."""
        self._turn += 1
        folder = self._token / f"..turn-{self._turn}"
        folder.mkdir(mode=0o755)
        (folder / "token").touch(mode=0o600)
        (folder / "token").write_text(token, encoding="ascii")
        link = self._token / "..data_tmp"
        link.symlink_to(folder.name)
        old = (self._token / "..data").resolve() if self._turn > 1 else None
        link.rename(self._token / "..data")
        if old is None:
            (self._token / "token").symlink_to("..data/token")
        else:
            (old / "token").unlink()
            old.rmdir()

    def container(self, name: str) -> Container:
        """One of its containers, by name."""
        every = [*self.spec.get("initContainers", ()), *self.spec["containers"]]
        [found] = [container for container in every if container["name"] == name]
        return Container(self, found)


class Container:
    """One container of a pod."""

    def __init__(self, pod: Pod, spec: Manifest) -> None:
        self._pod = pod
        self._spec = spec

    @property
    def environment(self) -> dict[str, str]:
        """What a runtime gives it, and what the manifest says."""
        own = {entry["name"]: self._pod.map(entry["value"]) for entry in self._spec.get("env", ())}
        # A container has no /run/user; here there may be one, with a daemon that is no pod's.
        socket = self._pod.map("/dev/shm/agentkeys/run/daemon.sock")  # noqa: S108 - to be mapped
        return {
            "PATH": f"{BIN}:/usr/bin:/bin",
            "HOME": "/",
            "HOSTNAME": "reporter-7d9f",
            "AGENTKEYS_SOCKET": socket,
            **own,
        }

    @contextmanager
    def running(self, more: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
        """Its command as a process; told to end on the way out, as the kubelet does."""
        argv = [self._pod.map(word) for word in (*self._spec["command"], *self._spec["args"])]
        process = subprocess.Popen(
            argv,
            env={**self.environment, **(more or {})},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                yield process
            finally:
                process.terminate()
                try:
                    process.wait(_PATIENCE)
                finally:
                    process.kill()

    def probe(
        self, kind: str, change: Callable[[str], str] = lambda word: word, *, at: Path | None = None
    ) -> Finished:
        """What a probe of it says, after a `change` to each word of its command."""
        command = self._spec[kind]["exec"]["command"]
        done = subprocess.run(
            [change(self._pod.map(word)) for word in command],
            env=self.environment,
            cwd=at or "/",
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)
