"""Which runs there are, and which of them a process is in."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

from agentkeys.errors import AgentkeysError, UnknownRun
from agentkeys.processes import ProcessId
from agentkeys_daemon.peers import Peer
from agentkeys_daemon.process_tree import AncestryUnknown, ancestors, initial_run
from agentkeys_daemon.runs.files import RunFiles
from agentkeys_daemon.runs.run import Run
from agentkeys_daemon.watches import ProcessWatch

__all__ = ["Inside", "RunRegistry"]

log = logging.getLogger("agentkeys.daemon")


@dataclass(frozen=True, slots=True)
class Inside:
    """A process is in a run: `run`, or one that is not known or has ended."""

    run: Run | None
    words: str
    """For people: why it counts as inside."""


class RunRegistry:
    """Watches every run until its process ends, and tells which run a peer is in."""

    def __init__(
        self, *, files: RunFiles, watch: ProcessWatch, ended: Callable[[Run], None]
    ) -> None:
        """`ended` hears of every run's end, once, when it is no longer in the registry."""
        self._files = files
        self._watch = watch
        self._ended = ended
        self._runs: dict[str, Run] = {}
        self._by_process: dict[ProcessId, Run] | None = None
        """Made when it is needed: every request asks who is in which run."""
        self._cancels: dict[str, Callable[[], None]] = {}

    @property
    def runs(self) -> Collection[Run]:
        """All whose process lives, forgotten ones among them."""
        return self._runs.values()

    @property
    def live(self) -> list[Run]:
        """Those that have credentials to lose."""
        return [run for run in self._runs.values() if not run.is_forgotten]

    def restore(self, handed: Iterable[Run] = ()) -> None:
        """Takes over what an earlier daemon has left on record, and what it has `handed` over.

        Those that have ended are reported soon.
        """
        found = {run.id: run for run in (*self._files.load(), *handed)}
        for run in sorted(found.values(), key=lambda run: (run.started_at, len(run.outer))):
            self._add(run)

    def begin(self, run: Run) -> None:
        """Raises RunError where one that has a token cannot be put on record."""
        try:
            self._record(run)
        except AgentkeysError:
            self._files.remove(run)
            raise
        self._add(run)

    def find(self, run_id: str) -> Run:
        """Raises UnknownRun."""
        run = self._runs.get(run_id)
        if run is None:
            raise UnknownRun(f"there is no run {run_id[:40]!r}", hint="run: agentkeys runs")
        return run

    def forget(self, run: Run) -> list[Run]:
        """Marks and returns it and those begun in it; their processes still count as inside."""
        gone = [each for each in self.live if each.id == run.id or run.id in each.outer]
        for each in gone:
            # Where no room is found for the new record, the old one must not bring it back.
            self._files.remove(each)
            self._runs[each.id] = forgotten = replace(each, is_forgotten=True, token_hash=None)
            self._record(forgotten)
        self._by_process = None
        return gone

    def around(self, peer: Peer) -> Inside | None:
        """The innermost run that `peer` is in, None where it is in none.

        Whoever's place cannot be told is taken to be inside.
        """
        if peer.is_elsewhere:
            return Inside(None, "it comes from another pid namespace, such as a container")
        if peer.process is None:
            # macOS does not tell who it is; Linux does, as long as it lives.
            return None if sys.platform == "darwin" else Inside(None, "its process has ended")
        try:
            return self._in_tree(peer) or self._by_environment(peer)
        except AncestryUnknown:
            return Inside(None, "its process tree cannot be read")

    def close(self) -> None:
        """Watches no longer; what is on record stays there."""
        for cancel in self._cancels.values():
            cancel()
        self._cancels.clear()

    def _in_tree(self, peer: Peer) -> Inside | None:
        if not self._runs or peer.process is None:
            return None
        if self._by_process is None:
            # A program that has become another run's is in the later one, which is no wider.
            self._by_process = {run.process: run for run in self._runs.values()}
        for process in ancestors(peer.process):
            if run := self._by_process.get(process):
                return Inside(run, f"it is inside run {run.id}")
        return None

    def _by_environment(self, peer: Peer) -> Inside | None:
        """One that has left its run's process tree and kept its environment."""
        run_id = initial_run(peer.process) if peer.process else None
        if not run_id:  # clients take an empty one for none, too
            return None
        run = self._runs.get(run_id)
        words = f"it was started inside run {run_id[:40]!r}"
        return Inside(run, words if run else f"{words}, which has ended")

    def _record(self, run: Run) -> None:
        try:
            self._files.save(run)
        except AgentkeysError as problem:
            if run.has_token:
                raise
            # Its keys are its own: a full disk is no reason not to start it.
            log.warning("%s", problem.message)

    def _add(self, run: Run) -> None:
        self._runs[run.id] = run
        self._by_process = None
        self._cancels[run.id] = self._watch.watch(run.process, lambda: self._end(run.id))

    def _end(self, run_id: str) -> None:
        run = self._runs.pop(run_id)
        self._by_process = None
        self._cancels.pop(run_id, None)
        self._files.remove(run)
        self._ended(run)
