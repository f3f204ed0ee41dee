"""What `import agentkeys` offers, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import agentkeys


def test_importing_the_package_imports_nothing_else() -> None:
    """The fast paths import it too."""
    script = """if True:
        import sys
        before = set(sys.modules)
        import agentkeys
        print(sorted(set(sys.modules) - before))
    """
    printed = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True
    )
    assert printed.stdout == "['agentkeys']\n"


@pytest.mark.parametrize("name", agentkeys.__all__)
def test_what_it_offers_is_there(name: str) -> None:
    """Each name is found when it is first asked for, and is in dir() before that."""
    assert getattr(agentkeys, name)
    assert name in dir(agentkeys)


def test_what_it_does_not_offer_is_not_there() -> None:
    """As with any module."""
    assert not hasattr(agentkeys, "Clients")
    with pytest.raises(AttributeError, match="module 'agentkeys' has no attribute 'Clients'"):
        agentkeys.Clients  # noqa: B018


@pytest.mark.parametrize(
    ("function", "missing", "extra"),
    [
        ("boto3_session", "boto3", "boto3"),
        ("aiobotocore_session", "aiobotocore", "aiobotocore"),
        ("aiobotocore_session", "botocore", "aiobotocore"),
    ],
)
def test_a_missing_extra_is_named(function: str, missing: str, extra: str) -> None:
    """The error is an ImportError as well as one of ours, and says what to install."""
    script = f"""if True:
        import sys
        sys.modules[{missing!r}] = None
        sys.modules.setdefault("aiobotocore", None)
        import agentkeys
        try:
            agentkeys.{function}()
        except ImportError as problem:
            assert isinstance(problem, agentkeys.AgentkeysError)
            print(problem.code, problem.hint)
    """
    printed = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True
    )
    assert printed.stdout == f"extra_missing run: pip install 'agentkeys[{extra}]'\n"
