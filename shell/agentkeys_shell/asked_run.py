"""What `exec` asks the daemon for, as JSON, written without the module that would cost a start."""

from __future__ import annotations

from agentkeys_shell.environment import CLIENT_SECRET, CREDENTIALS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["asked_run", "check_options"]

_SWITCHES = ("refresh", "read_only", "explain", "break_glass")


def check_options(options: Mapping[str, str], command: Sequence[str]) -> None:
    """Raises AgentkeysError for what can be told to be wrong before anybody is asked."""
    if command and not command[0]:
        raise _wrong("the name of the program is empty", "an unset shell variable may be the cause")
    if "json" in options and "explain" not in options:
        raise _wrong("--json is for --explain", "leave it out: the program's output is its own")
    if "break_glass" in options or "reason" in options:
        from agentkeys_shell.break_glass import check_breaking  # noqa: PLC0415 - rare

        check_breaking(options)
    if "keep_env" in options:
        _check_kept(options["keep_env"].split("\0"))
    if "legacy_mint" in options:
        from agentkeys_shell.own_names import check_apart, parse_minting  # noqa: PLC0415 - rare

        minting = parse_minting(options["legacy_mint"])
        check_apart(minting, options.get("set", "").split("\0"))
    if "refresh" in options and "inherit_aws" in options:
        raise _wrong(
            "--refresh and --inherit-aws exclude each other: AWS clients would take your own keys"
            " before they ask the endpoint",
            "leave one of them out, or keep single variables with --keep-env",
        )


def _check_kept(names: list[str]) -> None:
    mixing = CREDENTIALS.intersection(names)
    if mixing:
        raise _wrong(
            f"{min(mixing)} would mix with the credentials that the program is given",
            "leave out this --keep-env",
        )
    for name in names:
        if name.startswith(CLIENT_SECRET):
            raise _wrong(
                f"{name} holds the secret of an identity, which no program under exec is given",
                "leave out this --keep-env; what needs the secret itself runs without exec",
            )


def asked_run(options: Mapping[str, str], command: Sequence[str]) -> bytes:
    """The body of the request that begins a run; `options` as the fast parser gives them."""
    pairs = [f'"{name}":true' for name in _SWITCHES if name in options]
    if command:
        pairs.append(f'"program":{_string(command[0])}')
    if "reason" in options:
        pairs.append(f'"reason":{_string(options["reason"])}')
    if "allow" in options:
        rules = ",".join(map(_string, options["allow"].split("\0")))
        pairs.append(f'"allow":[{rules}]')
    if "legacy_mint" in options:
        variables = ",".join(map(_string, options["legacy_mint"].split(":")))
        pairs.append(f'"legacy_mint":[{variables}]')
    return f"{{{','.join(pairs)}}}".encode("ascii")


def _string(text: str) -> str:
    """A JSON string; what is no plain ASCII becomes escapes of UTF-16."""
    return f'"{"".join(map(_character, text))}"'


def _character(letter: str) -> str:
    if " " <= letter <= "~" and letter not in '"\\':
        return letter
    units = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _wrong(message: str, hint: str) -> Exception:
    from agentkeys.errors import AgentkeysError  # noqa: PLC0415 - costs what failing costs

    return AgentkeysError(message, hint=hint)
