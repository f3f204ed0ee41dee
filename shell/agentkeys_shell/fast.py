"""Where the `agentkeys` program begins: the commands that must be fast, and click for the rest.

Runs without site packages, and what it imports here every command pays for.
"""

from __future__ import annotations

from agentkeys_shell.options import FAST_COMMANDS, parse_fast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str]) -> int:
    """The whole program; returns its exit status, or becomes the program that `exec` runs."""
    try:
        command = arguments[0] if arguments else ""
        parsed = parse_fast(FAST_COMMANDS.get(command, ()), arguments[1:])
        if command in FAST_COMMANDS and parsed is not None:
            status = _run_fast(command, *parsed)
            if status is not None:
                return status
        from agentkeys_shell.full import run_click  # noqa: PLC0415 - the commands that may be slow

        return run_click(arguments)
    except KeyboardInterrupt:
        return 130
    except Exception as problem:  # noqa: BLE001 - the program's top
        from agentkeys_shell.failure import complain  # noqa: PLC0415 - costs what failing costs

        return complain(problem)


def _run_fast(  # noqa: PLR0911 - one return for each command
    command: str, options: dict[str, str], rest: list[str]
) -> int | None:
    """None where click has to have a look after all."""
    if command == "exec" and rest:
        from agentkeys_shell.execution import run  # noqa: PLC0415

        return run(options, rest)
    if command == "credential-process" and not rest:
        from agentkeys_shell.credential_process import print_document  # noqa: PLC0415

        return print_document(options.get("profile"))
    if command == "env" and not rest:
        from agentkeys_shell.printing_env import print_environment  # noqa: PLC0415

        return print_environment(options.get("profile"), options.get("format"))
    if command == "status" and not rest and "json" in options:
        from agentkeys_shell.status_json import print_status  # noqa: PLC0415

        return print_status(options.get("profile"))
    if command == "prompt" and not rest:
        from agentkeys_shell.prompt_segment import print_segment  # noqa: PLC0415

        return print_segment(options.get("profile"), options.get("format"))
    if command == "hook" and len(rest) == 1:
        from agentkeys_shell.hook_script import print_hook  # noqa: PLC0415

        return print_hook(rest[0])
    return None
