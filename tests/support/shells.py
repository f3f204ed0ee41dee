"""Real shells with the hook in them: what they make of a half-written line."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.support.programs import Finished, Home

__all__ = ["COMPLETING", "SHELLS", "require", "source"]

SHELLS = ("bash", "zsh", "fish")
_BASH_COMPLETION = Path("/usr/share/bash-completion/bash_completion")
_EVAL = {
    "bash": 'eval "$(agentkeys hook bash)"',
    "zsh": 'eval "$(agentkeys hook zsh)"',
    "fish": "agentkeys hook fish | source",
}


def require(*names: str) -> None:
    """Fails the test where a shell is missing."""
    for name in names:
        if not shutil.which(name):
            pytest.fail(f"{name} is missing: apt-get install {name}")


def source(
    home: Home, shell: str, script: str, *, env: Mapping[str, str] | None = None
) -> Finished:
    """What a script does in `shell` after the hook has been read."""
    require(shell)
    bare = {"bash": ["--norc"], "zsh": ["-f"], "fish": []}[shell]
    return home.run(shell, *bare, "-c", f"{_EVAL[shell]}\n{script}", env=env)


# One key inserts all that is possible into the line, another tells what the line is then.
_BASHRC = """\
%s
%s
PS1='ready> '
answer() { printf '\\n<<%%s>>\\n' "$READLINE_LINE"; }
bind -x '"\\C-t": answer'
"""
_INPUTRC = """\
"\\C-o": insert-completions
set bell-style none
"""


def _in_bash(home: Home, line: str, *, first: str = "") -> list[str]:
    require("bash")
    (home.folder / "bashrc").write_text(_BASHRC % (first, _EVAL["bash"]), encoding="utf-8")
    (home.folder / "inputrc").write_text(_INPUTRC, encoding="utf-8")
    env = {"INPUTRC": str(home.folder / "inputrc")}
    with home.at_terminal("bash", "--rcfile", home.folder / "bashrc", "-i", env=env) as screen:
        screen.expect("ready> ")
        screen.type(f"{line}\x0f\x14")
        screen.expect("<<")
        whole = screen.expect(">>").removesuffix(">>")
        screen.type("\x15exit\n")
        screen.finish()
    before, _, last = line.rpartition(" ")
    assert whole.startswith(before), whole
    found = whole.removeprefix(before).split()
    # Where nothing is possible the word stays as it was.
    return [] if found == [last] else found


def _in_bash_with_its_completions(home: Home, line: str) -> list[str]:
    if not _BASH_COMPLETION.exists():
        pytest.fail("bash-completion is missing: apt-get install bash-completion")
    return _in_bash(home, line, first=f"source {_BASH_COMPLETION}")


# The first line that is read is the one in question; what is added to the matches is written down.
_ZSHRC = """\
autoload -Uz compinit
compinit -u -D
%s
compadd() {
    local -a hits
    builtin compadd -O hits "$@"
    print -rl -- $hits >>$ANSWER
    builtin compadd "$@"
}
answer() {
    BUFFER=$QUESTION
    CURSOR=$#BUFFER
    zle complete-word
    exit 0
}
zle -N zle-line-init answer
"""


def _in_zsh(home: Home, line: str) -> list[str]:
    require("zsh")
    folder = home.folder / "zsh"
    folder.mkdir(exist_ok=True)
    (folder / ".zshrc").write_text(_ZSHRC % _EVAL["zsh"], encoding="utf-8")
    answer = folder / "answer"
    answer.write_text("", encoding="utf-8")
    env = {"ZDOTDIR": str(folder), "ANSWER": str(answer), "QUESTION": line}
    with home.at_terminal("zsh", "-i", env=env) as screen:
        assert screen.finish().status == 0
    return answer.read_text(encoding="utf-8").split()


def _in_fish(home: Home, line: str) -> list[str]:
    done = source(home, "fish", 'complete --do-complete "$QUESTION"', env={"QUESTION": line})
    assert (done.status, done.stderr) == (0, ""), done
    return [re.split(r"\t", found)[0] for found in done.stdout.splitlines()]


COMPLETING: Mapping[str, Callable[[Home, str], list[str]]] = {
    "bash": _in_bash,
    "bash with bash-completion": _in_bash_with_its_completions,
    "zsh": _in_zsh,
    "fish": _in_fish,
}
"""What each of them offers for the last word of a line, in no order and perhaps twice."""
