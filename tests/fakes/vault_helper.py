"""A keyring helper that does as a test tells it: `vault_helper.py FOLDER ACT [ACT …]`.

The first start plays the first act, the second the second, and so on; the last one repeats.
FOLDER keeps what was saved and a line for each start: its pid.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

Request = dict[str, str]


def main(folder: Path, *acts: str) -> None:
    act = acts[min(count_this_start(folder), len(acts)) - 1]
    if act == "mute":
        signal.pause()
    say({"ready": True} if act != "unready" else {"hello": "world"})
    if act == "deaf":
        signal.pause()
    for line in sys.stdin:
        PLAYS.get(act, refuse)(folder, act, json.loads(line))


def count_this_start(folder: Path) -> int:
    with (folder / "starts").open("a+") as starts:
        starts.write(f"{os.getpid()}\n")
        starts.seek(0)
        return len(starts.readlines())


def say(answer: object) -> None:
    print(json.dumps(answer), flush=True)


def answer(folder: Path, act: str, request: Request) -> None:
    kind = "kwallet" if act == "kwallet" else "secret-service"
    if request.get("kind", kind) == kind:
        say({"id": request["id"], "kind": kind, "blob": keep(folder / "kept", request)})
    else:
        refuse(folder, "missing", request)


def keep(file: Path, request: Request) -> str | None:
    kept: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    match request["do"]:
        case "load":
            return kept.get(request["account"])
        case "save":
            kept[request["account"]] = request["blob"]
        case "delete":
            kept.pop(request["account"], None)
    file.write_text(json.dumps(kept))
    return None


def refuse(folder: Path, act: str, request: Request) -> None:
    kind = None if act in ("missing", "failed") else "secret-service"
    say({"id": request["id"], "kind": kind, "refused": act, "because": "the test says so"})


def work_in_steps(folder: Path, act: str, request: Request) -> None:
    for _ in range(4):
        time.sleep(0.7)
        say({"working": True})
    answer(folder, "answer", request)


def answer_and_die(folder: Path, act: str, request: Request) -> None:
    answer(folder, act, request)
    sys.exit(0)


def refuse_and_die(folder: Path, act: str, request: Request) -> None:
    refuse(folder, "locked", request)
    sys.exit(0)


def wait_at_the_gate(folder: Path, act: str, request: Request) -> None:
    """Answers once the test has opened the named pipe for writing and closed it again."""
    gate = folder / "gate"
    if gate.exists():
        gate.read_text()
    answer(folder, act, request)


def show_surroundings(folder: Path, act: str, request: Request) -> None:
    seen = {"argv": sys.argv, "environment": dict(os.environ), "session": os.getsid(0)}
    say({"id": request["id"], "kind": "secret-service", "blob": json.dumps(seen)})


def answer_another(folder: Path, act: str, request: Request) -> None:
    say({"id": request["id"] + "0", "kind": "secret-service", "blob": "somebody else's"})


def answer_half(folder: Path, act: str, request: Request) -> None:
    print('{"id": 1, "bl', end="", flush=True)
    sys.exit(0)


PLAYS: dict[str, Callable[[Path, str, Request], object]] = {
    "answer": answer,
    "kwallet": answer,
    "gate": wait_at_the_gate,
    "steps": work_in_steps,
    "surroundings": show_surroundings,
    "hang": lambda *_: signal.pause(),
    "die": lambda *_: sys.exit(1),
    "answer once": answer_and_die,
    "locked once": refuse_and_die,
    "garbage": lambda *_: print("Gtk-WARNING: cannot open display", flush=True),
    "flood": lambda *_: print("x" * (1 << 22), flush=True),
    "a list": lambda *_: say([]),
    "another id": answer_another,
    "no blob": lambda _folder, _act, request: say({"id": request["id"], "kind": "kwallet"}),
    "half": answer_half,
}

if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
