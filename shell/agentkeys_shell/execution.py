"""`agentkeys exec`: becomes the program, with a run's credentials in its environment.

A real execve: signals, exit status, terminal and stdin are the program's own.
"""

from __future__ import annotations

import errno
import posix

from agentkeys.client import read_environment
from agentkeys.protocol import NOTICE_HEADER, TERMINAL_HEADER, region_header
from agentkeys_shell.asked_run import asked_run, check_options
from agentkeys_shell.daemon import ask, enable_packages, profile_path
from agentkeys_shell.environment import child_environment
from agentkeys_shell.subreaper import become_subreaper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["run"]

OUR_FAILURE = 125
CANNOT_RUN = 126
NOT_FOUND = 127


def run(options: Mapping[str, str], command: Sequence[str]) -> int:
    """Becomes `command`; returns only on failure, with the status that `env` would give.

    `options` are those of the table, as the fast parser gives them.
    """
    environ = read_environment()
    try:
        child = _prepare(options, command, environ)
        if "explain" in options:
            from agentkeys_shell.explaining import explain  # noqa: PLC0415 - for people

            return explain(environ, child, as_json="json" in options)
    except Exception as problem:  # noqa: BLE001 - whatever it is, 125 says that it was ours
        _complain(problem)
        return OUR_FAILURE
    if "no_subreaper" not in options:
        become_subreaper()
    return _become(command, child, environ)


def _prepare(
    options: Mapping[str, str], command: Sequence[str], environ: Mapping[str, str]
) -> dict[str, str]:
    """The environment of a new run's program, or of one that is only explained."""
    wanted = {}
    check_options(options, command)
    if "set" in options:
        from agentkeys_shell.own_names import own_names, parse_settings  # noqa: PLC0415 - rare

        wanted = parse_settings(options["set"].split("\0"), has_keys="refresh" not in options)
    if "break_glass" in options:
        from agentkeys_shell.break_glass import announce  # noqa: PLC0415 - rare

        announce(options, environ)
    given = _begin(options, asked_run(options, command), environ)
    child = child_environment(
        environ,
        given,
        keep=options.get("keep_env", "").split("\0"),
        inherit_aws="inherit_aws" in options,
    )
    return child | own_names(wanted, given) if wanted else child


def _begin(options: Mapping[str, str], asked: bytes, environ: Mapping[str, str]) -> bytes:
    """The variables of a new run, after a login where a person is there to do it."""
    profile = options.get("profile")
    path = profile_path(profile, "runs", environ)
    headers = _headers(environ)
    try:
        answer = ask("POST", path, environ=environ, headers=headers, body=asked)
    except Exception as problem:
        if getattr(problem, "code", "") != "login_required" or not _person_is_there():
            raise
        _complain(problem)
        _offer_login(profile, environ)
        answer = ask("POST", path, environ=environ, headers=headers, body=asked)
    notice = answer.header(NOTICE_HEADER)
    if notice:
        _tell(notice)
    return answer.body


def _headers(environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    headers = region_header(environ)
    # Nobody reads notes in a log, and a program may take them for its child's.
    return (*headers, (TERMINAL_HEADER, "yes")) if posix.isatty(2) else headers


def _tell(notice: str) -> None:
    from urllib.parse import unquote  # noqa: PLC0415 - once in a daemon's life

    from agentkeys_shell.failure import say  # noqa: PLC0415

    message, _, hint = unquote(notice).partition("\n")
    say(f"note: {message}")
    say(f"hint: {hint}")


def _complain(problem: Exception) -> None:
    from agentkeys_shell.failure import complain  # noqa: PLC0415 - costs what failing costs

    complain(problem)


def _person_is_there() -> bool:
    return posix.isatty(0) and posix.isatty(2)


def _offer_login(profile: str | None, environ: Mapping[str, str]) -> None:
    """Asks, and logs in for the profile's identity. Raises what the login raises."""
    enable_packages()
    from agentkeys_shell.commands.login import offer_login  # noqa: PLC0415

    offer_login(profile, environ)


def _become(command: Sequence[str], child: dict[str, str], environ: Mapping[str, str]) -> int:
    name = command[0]
    _restore_signals()
    problem = None
    for argv, path in _candidates(command, environ):
        found = _execute(path, argv, child)
        if found.errno not in (errno.ENOENT, errno.ENOTDIR):
            problem = found
    from agentkeys_shell.failure import say  # noqa: PLC0415 - costs what failing costs

    if problem is None:
        say(f"error: {name}: command not found")
        say("hint: check the spelling, or give the program's path")
        return NOT_FOUND
    say(f"error: {name} cannot be run: {(problem.strerror or 'unknown reason').lower()}")
    say("hint: check that it is executable and that its #! line names a program")
    return CANNOT_RUN


def _restore_signals() -> None:
    """Python ignores these from its start, and what is ignored stays so through an execve."""
    # The `signal` module would have to import `enum` first.
    import _signal  # type: ignore[import-not-found]  # noqa: PLC0415 - not in typeshed

    for number in (_signal.SIGPIPE, _signal.SIGXFSZ):
        _signal.signal(number, _signal.SIG_DFL)


def _execute(path: str, argv: list[str], child: dict[str, str]) -> OSError:
    """Returns only with the reason why `path` did not run."""
    try:
        posix.execve(path, argv, child)
    except OSError as problem:
        if problem.errno != errno.ENOEXEC or path.endswith(".py"):
            return problem
    # A text file without a #! line is the shell's, as for execvp and env.
    return _execute("/bin/sh", ["/bin/sh", path, *argv[1:]], child)


def _candidates(
    command: Sequence[str], environ: Mapping[str, str]
) -> Iterator[tuple[list[str], str]]:
    """What to try, in order: PATH as execvp does, then a Python script in the current folder."""
    name = command[0]
    argv = list(command)
    if "/" in name:
        yield argv, name
        return
    folders = [folder or "." for folder in environ.get("PATH", _DEFAULT_PATH).split(":")]
    for folder in folders:
        yield argv, f"{folder}/{name}"
    if name.endswith(".py") and _is_file(f"./{name}"):
        yield argv, f"./{name}"
        yield from _interpreted(argv, folders)


_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


def _interpreted(argv: list[str], folders: list[str]) -> Iterator[tuple[list[str], str]]:
    """A script that is not executable: its #! line's interpreter, or else PATH's python3."""
    script = [f"./{argv[0]}", *argv[1:]]
    shebang = _shebang(script[0])
    if shebang:
        yield [*shebang, *script], shebang[0]
        return
    for folder in folders:
        yield ["python3", *script], f"{folder}/python3"


def _shebang(path: str) -> list[str]:
    """The interpreter and its one argument, split as the kernel does; empty without a #! line."""
    try:
        descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return []
    first = posix.read(descriptor, 256).partition(b"\n")[0]
    posix.close(descriptor)
    if not first.startswith(b"#!"):
        return []
    return first[2:].decode("utf-8", "surrogateescape").strip().split(None, 1)


def _is_file(path: str) -> bool:
    try:
        return posix.stat(path).st_mode & 0o170000 == 0o100000
    except OSError:
        return False
