"""What `exec` asks the daemon for, as JSON, written without the module that would cost a start."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["asked_run"]

_SWITCHES = ("refresh", "read_only", "explain")


def asked_run(options: Mapping[str, str], command: Sequence[str]) -> bytes:
    """The body of the request that begins a run; `options` as the fast parser gives them."""
    pairs = [f'"{name}":true' for name in _SWITCHES if name in options]
    if command:
        pairs.append(f'"program":{_string(command[0])}')
    if "allow" in options:
        rules = ",".join(map(_string, options["allow"].split("\0")))
        pairs.append(f'"allow":[{rules}]')
    return f"{{{','.join(pairs)}}}".encode("ascii")


def _string(text: str) -> str:
    """A JSON string; what is no plain ASCII becomes escapes of UTF-16."""
    return f'"{"".join(map(_character, text))}"'


def _character(letter: str) -> str:
    if " " <= letter <= "~" and letter not in '"\\':
        return letter
    units = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
