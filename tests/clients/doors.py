"""Runs a client's driver through one of the doors."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tests.clients.clients import Client, Door
from tests.clients.environments import command_of, programs_of
from tests.support.programs import Finished, Home, read_line

__all__ = [
    "FOREIGN",
    "HINT",
    "LEASE",
    "Place",
    "Played",
    "log_out",
    "open_door",
    "play",
    "play_after",
    "play_program",
]

LEASE = timedelta(seconds=8)
"""How long a short lease lasts."""
HINT = "run: agentkeys login"
"""What we tell whoever is not logged in."""
FOREIGN = "bots/0xdeadbeef/"
PROFILE = "for-clients"
"""Of ~/.aws/config."""
BUCKET = "agentkeys"
_PATIENCE = 240.0


@dataclass(frozen=True)
class Place:
    """A home that is logged in, or was, and the place in the store that it may use."""

    home: Home
    profile: str
    """Of agentkeys."""
    prefix: str
    endpoint: str

    def write_aws_files(self) -> None:
        """~/.aws/config as we write it, and for some clients the same line in another file."""
        self.home.succeed("agentkeys", "configure-aws", self.profile, "--as", PROFILE)
        lines = (self.aws_folder / "config").read_text(encoding="utf-8").splitlines()
        [line] = [line for line in lines if line.startswith("credential_process")]
        other = self.aws_folder / "only-credentials"
        other.write_text(f"[{PROFILE}]\n{line}\n", encoding="utf-8")

    @property
    def aws_folder(self) -> Path:
        return Path(self.home.environment["HOME"]) / ".aws"


@dataclass(frozen=True)
class Played:
    """What came of a job."""

    steps: Mapping[str, str]
    """Each step that was tried: the words of its failure, or nothing."""
    text: str
    """Everything that a person could have seen."""
    seconds: float


def play(place: Place, client: Client, door: Door, *job: str, **inherited: str) -> Played:
    """Does a job of drivers/job.py, with `inherited` in the environment as well."""
    argv, environment = open_door(place, client, door)
    began = time.monotonic()
    env = environment | inherited
    return _played(place.home.run(*argv, *job, env=env, patience=_PATIENCE), began)


def play_after(
    act: Callable[[Home], None], place: Place, client: Client, door: Door, *job: str
) -> Played:
    """Does a job in a run that has begun before `act`."""
    _, environment = open_door(place, client, door)
    began = time.monotonic()
    done = play_program(place, door, [*command_of(client), *job], environment, act=act)
    return _played(done, began)


def play_program(
    place: Place,
    door: Door,
    command: Sequence[str | Path],
    environment: Mapping[str, str] | None = None,
    *,
    act: Callable[[Home], None] | None = None,
) -> Finished:
    """Runs a program under `exec`; `act` comes after the run has begun, and before the program."""
    waiting = ["sh", "-c", 'echo begun; read -r go; exec "$@"', "sh", *command]
    with place.home.start(*_exec(place, door), *waiting, env=environment) as process:
        if act and read_line(process.stdout) == "begun":
            act(place.home)
        stdout, stderr = process.communicate("go\n", timeout=_PATIENCE)
    return Finished(process.returncode, stdout, stderr)


def log_out(home: Home) -> None:
    """The user has had enough of it."""
    assert home.run("agentkeys", "logout").status == 0


def _played(done: Finished, began: float) -> Played:
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return Played(
        {line["step"]: "" if line["outcome"] == "done" else line["words"] for line in lines},
        done.stdout.replace("\\n", "\n") + done.stderr,
        time.monotonic() - began,
    )


def open_door(
    place: Place, client: Client, door: Door
) -> tuple[Sequence[str | Path], dict[str, str]]:
    """The command that runs the client's driver through a door, and what it has to inherit."""
    command = command_of(client)
    environment = {
        "JOB_BUCKET": BUCKET,
        "JOB_PREFIX": place.prefix,
        "JOB_FOREIGN": FOREIGN,
        "JOB_ENDPOINT": place.endpoint,
        "JOB_DOOR": door,
        "JOB_NAME": f"{client.slug}-{door}-{os.urandom(4).hex()}",
    }
    for name, value in client.settings.items():
        environment[name] = value.format(endpoint=place.endpoint, bin=programs_of(client))
    if door == "process":
        environment |= {"AWS_PROFILE": PROFILE, "AWS_EC2_METADATA_DISABLED": "true"}
        if client.in_credentials_file:
            file = place.aws_folder / "only-credentials"
            environment |= {"AWS_SHARED_CREDENTIALS_FILE": str(file)}
            # Without credentials it would ask the machine's own metadata service.
            environment |= {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/none"}
        return command, environment
    return [*_exec(place, door), *command], environment


def _exec(place: Place, door: Door) -> list[str]:
    refresh = ["--refresh"] if door == "endpoint" else []
    return ["agentkeys", "exec", "--profile", place.profile, *refresh, "--"]
