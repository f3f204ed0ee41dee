"""Writes profiles into an AWS configuration file and takes them back, other writers in mind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import filelock

from agentkeys.errors import ConfigError
from agentkeys.private_files import private_folder
from agentkeys_shell.aws_config.files import AwsFile, Found
from agentkeys_shell.aws_config.ini import MalformedLine
from agentkeys_shell.aws_config.memory import Memory, MemoryFile, OwnProfile
from agentkeys_shell.aws_config.outcome import Outcome
from agentkeys_shell.aws_config.planning import Plan, plan_configure, plan_undo
from agentkeys_shell.aws_config.settings import AwsProfile, has_keys

__all__ = ["AwsConfig"]

PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds before another attempt, while another program writes the file."""
LOCK_SECONDS = 10.0

Planner = Callable[[str | None, Memory | None], Plan]


class AwsConfig:
    """One AWS configuration file.

    Whatever raises ConfigError has changed nothing.
    """

    def __init__(
        self,
        *,
        file: AwsFile,
        credentials: AwsFile,
        folder: Path,
        pause: Callable[[float], None] = time.sleep,
        patience: float = LOCK_SECONDS,
    ) -> None:
        """`folder` is a private one of ours, made when it is needed.

        `patience` is for another run of ours, in seconds.
        """
        self.file = file
        self._credentials = credentials
        self._folder = folder
        self._memory = MemoryFile(folder, file.target)
        self._pause = pause
        self._patience = patience

    def configure(self, profiles: Sequence[AwsProfile], *, dry: bool = False) -> Outcome:
        """Writes `profiles`; with `dry` tells what that would do. Raises ConfigError."""

        def plan(text: str | None, memory: Memory | None) -> Plan:
            return plan_configure(profiles, text, memory, file=self.file.path)

        outcome = self._run(plan, dry=dry)
        return replace(outcome, notes=(*outcome.notes, *self._rival_files(profiles)))

    def undo(self, is_meant: Callable[[str, OwnProfile], bool], *, dry: bool = False) -> Outcome:
        """Takes back the profiles that are meant; with `dry` tells what that would do.

        Raises ConfigError.
        """

        def plan(text: str | None, memory: Memory | None) -> Plan:
            return plan_undo(is_meant, text, memory)

        # Without anything to undo, nothing is locked, and no folder is made for the lock.
        return self._run(plan, dry=dry or self._memory.load() is None)

    def _run(self, plan: Planner, *, dry: bool) -> Outcome:
        if dry:
            return self._plan(plan, self.file.read(), self._memory.load()).outcome
        with self._locked():
            memory = self._memory.load()
            for pause in PAUSES:
                found = self.file.read()
                planned = self._plan(plan, found, memory)
                if self._carry_out(planned, found, memory):
                    return planned.outcome
                self._pause(pause)
        raise ConfigError(
            f"{self.file.path} keeps changing: another program is writing it",
            hint="run this again when that is done",
        )

    def _plan(self, plan: Planner, found: Found | None, memory: Memory | None) -> Plan:
        text = found.content.decode("utf-8", "surrogateescape") if found else None
        try:
            return plan(text, memory)
        except MalformedLine as problem:
            raise ConfigError(
                f"line {problem.number} of {self.file.path} {problem.why}",
                hint="mend that line first; AWS clients cannot read the file either",
            ) from problem

    def _carry_out(self, planned: Plan, found: Found | None, memory: Memory | None) -> bool:
        """Whether it was done; not where the file has changed since it was found."""
        after = planned.outcome.after
        if not planned.outcome.is_change:
            if planned.memory != memory:
                self._memory.save(planned.memory)
            return True
        done = False
        try:
            # First, so that a crash in between leaves nothing that cannot be undone.
            if planned.memory:
                self._memory.save(planned.memory)
            content = None if after is None else after.encode("utf-8", "surrogateescape")
            done = self.file.replace(found, content)
        finally:
            self._memory.save(planned.memory if done else memory)
        return done

    def _rival_files(self, profiles: Sequence[AwsProfile]) -> Iterator[str]:
        with suppress(ConfigError):
            found = self._credentials.read()
            text = found.content.decode("utf-8", "surrogateescape") if found else ""
            for profile in profiles:
                if has_keys(text, profile.name):
                    yield (
                        f"{self._credentials.path} has keys for {profile.name}, which AWS clients"
                        " prefer to these"
                    )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keeps out whoever else runs this."""
        private_folder(self._folder)
        lock = filelock.FileLock(self._folder / "lock", mode=0o600)
        try:
            lock.acquire(timeout=self._patience)
        except filelock.Timeout:
            raise ConfigError(
                "another agentkeys configure-aws is at work", hint="run this again when it is done"
            ) from None
        except OSError as problem:
            raise ConfigError(
                f"{lock.lock_file} cannot be locked: {problem.strerror or problem}",
                hint="make room, or remove what is there",
            ) from problem
        try:
            yield
        finally:
            lock.release()
