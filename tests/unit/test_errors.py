"""The tree of errors: what programs can rely on about every one of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from agentkeys import errors
from agentkeys.errors import AgentkeysError, RemoteError, StsError


def _tree(root: type[AgentkeysError]) -> Iterator[type[AgentkeysError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _tree(child)


ALL = list(_tree(AgentkeysError))


def _indented(kind: type[AgentkeysError]) -> bool:
    return f"── {kind.__name__}" in (errors.__doc__ or "")


@pytest.mark.parametrize("kind", ALL[1:], ids=lambda kind: kind.__name__)
def test_the_tree_in_the_docstring_is_whole(kind: type[AgentkeysError]) -> None:
    """Whoever reads the top of the module sees every error there is."""
    assert _indented(kind)


def test_codes_name_one_error_each() -> None:
    """A program that tells errors apart by code never mixes two of them up."""
    codes = [kind.code for kind in ALL if kind is not RemoteError]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch("[a-z_]+", code) for code in codes)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_only_a_person_s_part_exits_with_3_and_a_missing_daemon_with_4(
    kind: type[AgentkeysError],
) -> None:
    """Everything else that is ours exits with 1."""
    special = {"VaultLocked": 3, "LoginRequired": 3, "LoginFailed": 3, "DaemonNotRunning": 4}
    assert kind.exit_status == special.get(kind.__name__, 1)


def test_what_may_be_asked_again() -> None:
    """Only failures that can pass by themselves are retryable."""
    retryable = {kind.__name__ for kind in ALL if kind.retryable}
    assert retryable == {
        "BrokerUnreachable",
        "IssuerUnreachable",
        "StsUnreachable",
        "StsBusy",
        "DaemonTimeout",
    }


def test_an_error_carries_message_and_hint() -> None:
    """The message is what str() gives; the hint is empty unless one is given."""
    problem = AgentkeysError("it broke", hint="mend it")
    assert (str(problem), problem.message, problem.hint) == ("it broke", "it broke", "mend it")
    assert AgentkeysError("it broke").hint == ""


def test_an_sts_error_keeps_the_store_s_own_words() -> None:
    """Its code and request id are what the store's support will ask for."""
    problem = StsError("no", sts_code="AccessDenied", request_id="r-1", retry_after=2.5)
    assert (problem.sts_code, problem.request_id, problem.retry_after) == (
        "AccessDenied",
        "r-1",
        2.5,
    )
    assert StsError("no").sts_code is None


@pytest.mark.parametrize(
    ("code", "status"),
    [
        pytest.param("vault_locked", 3, id="locked"),
        pytest.param("login_required", 3, id="logged out"),
        pytest.param("login_failed", 3, id="login failed"),
        pytest.param("sts_refused", 1, id="refused"),
        pytest.param("something_newer", 1, id="a code of a newer daemon"),
    ],
)
def test_a_remote_error_exits_as_its_code_asks(code: str, status: int) -> None:
    """A client exits as if the daemon's error had been its own."""
    problem = RemoteError(code, "no", hint="h", retryable=True)
    assert (problem.code, problem.hint, problem.retryable) == (code, "h", True)
    assert problem.exit_status == status
