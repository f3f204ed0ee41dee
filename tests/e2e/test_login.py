"""Logging in, being somebody, and logging out, at a real development broker."""

from __future__ import annotations

import html
import json
import re
import shlex
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from agentkeys.sandbox_record import SandboxRecord
from agentkeys_shell.sandbox.iam import ROLE_ARN
from agentkeys_shell.sandbox.processes import wait_until
from tests.support.dev_broker import BrokerClient, RunningBroker, running_broker
from tests.support.programs import Finished, Home, read_line
from tests.support.samples import broker_sample

SHIM = "agentkeys-credential-process"
WALLET = broker_sample("vectors")["wallet"]
MANAGED = re.compile(r"0x[0-9a-f]{40}")

SIGNER = """\
import sys
from eth_account import Account
from eth_account.messages import encode_defunct

message = encode_defunct(primitive=sys.stdin.buffer.read())
print("0x" + bytes(Account.sign_message(message, "KEY").signature).hex())
"""


def configuration(broker: str, store: str, *, signer: bool) -> str:
    signer_line = f'signer_url = "{broker}"\n' if signer else ""
    return (
        f'[identities.me]\nsource = "broker"\nurl = "{broker}"\n{signer_line}\n'
        f'[stores.lab]\nkind = "seaweedfs"\nsts_endpoint = "{store}"\ns3_endpoint = "{store}"\n\n'
        f'[profiles.data]\nidentity = "me"\nstore = "lab"\nrole_arn = "{ROLE_ARN}"\n'
        'bucket = "agentkeys"\n'
    )


@pytest.fixture
def person(home: Home, sandbox: SandboxRecord) -> Home:
    """Whose configuration leads to the sandbox's broker, where nobody is logged in by itself."""
    home.configure(configuration(sandbox.broker.url, sandbox.store.url, signer=True))
    return home


@pytest.fixture
def wallet_owner(home: Home, sandbox: SandboxRecord) -> Home:
    """Who signs with a wallet of their own."""
    home.configure(configuration(sandbox.broker.url, sandbox.store.url, signer=False))
    (home.work / "sign.py").write_text(
        SIGNER.replace("KEY", WALLET["private_key_hex"]), encoding="utf-8"
    )
    return home


@pytest.fixture(scope="module")
def strict_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    """One that waits for people to follow their links, and whose sessions are not the sandbox's."""
    with running_broker(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@contextmanager
def at_broker(home: Home, url: str) -> Iterator[BrokerClient]:
    """With a configuration for the broker at `url`, whose tokens no store takes."""
    home.configure(configuration(url, "http://127.0.0.1:9", signer=False))
    with BrokerClient(url) as client:
        yield client


def login(home: Home, *arguments: str, stdin: str = "") -> Finished:
    return home.run("agentkeys", "login", *arguments, stdin=stdin)


def whoami(home: Home) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(home.succeed("agentkeys", "whoami", "--json"))
    return document


def session_state(home: Home) -> str:
    status = json.loads(home.succeed("agentkeys", "status", "--json"))
    return str(status["identities"][0]["session"])


def s3_prefix(home: Home) -> str:
    return home.succeed("agentkeys", "exec", "--", "printenv", "AGENTKEYS_S3_PREFIX").strip()


def assert_nobody_is_logged_in(home: Home, words: str) -> None:
    """At both doors, each with its own status."""
    for argv, status in (
        (["agentkeys", "exec", "--", "true"], 125),
        ([SHIM], 3),
        (["agentkeys", "whoami"], 3),
    ):
        done = home.run(*argv)
        assert (done.status, done.stdout) == (status, "")
        assert done.complaint() == (words, "run: agentkeys login me")


# by e-mail


def test_an_e_mail_login_ends_in_a_wallet(person: Home) -> None:
    """Who it is and until when is printed, the session never; then a program can run."""
    done = login(person, "--email", "ada@example.com")
    assert done.status == 0
    first, second = done.stdout.splitlines()
    found = whoami(person)
    assert first == f"logged in: me as {found['prefix_id']}"
    assert second.startswith(f"until {found['session_expires_at']}; ")
    assert "ada@example.com" in done.stderr
    assert "eyJ" not in done.stdout + done.stderr
    assert s3_prefix(person) == f"bots/{found['wallet']}/"


def test_login_waits_until_the_link_is_followed(home: Home, strict_broker: RunningBroker) -> None:
    """By whoever reads the mail, in any browser."""
    with (
        at_broker(home, strict_broker.url) as broker,
        home.start("agentkeys", "login", "--email", "grace@example.com") as process,
    ):
        mail = strict_broker.output_line()
        assert mail.startswith("mail to grace@example.com: ")
        assert process.poll() is None
        broker.answer("/v1/auth/email/verify", {"token": mail.partition("#t=")[2]})
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out.startswith("logged in: me as ")
    assert whoami(home)["wallet"] is None


def test_a_rate_limit_says_how_long_to_wait(home: Home, strict_broker: RunningBroker) -> None:
    """The broker's limit is told in our words."""
    with at_broker(home, strict_broker.url) as broker:
        for _ in range(5):
            broker.answer("/v1/auth/email/request", {"email": "busy@example.com"})
            strict_broker.output_line()
        done = login(home, "--email", "busy@example.com")
    assert (done.status, done.stdout) == (1, "")
    error, hint = done.complaint()
    assert error == "the broker limits how often this may be asked"
    assert re.fullmatch(r"wait \d+ s and try again", hint)


def test_login_asks_for_the_address_at_a_terminal(person: Home) -> None:
    """A person needs to know no option."""
    with person.at_terminal("agentkeys", "login") as terminal:
        terminal.expect("e-mail address: ")
        terminal.type("asked@example.com\n")
        terminal.expect("logged in: me as 0x")
        assert terminal.finish().status == 0


def test_ctrl_c_at_the_question_ends_a_login(person: Home) -> None:
    """With the status of an interrupted program, and without a traceback."""
    with person.at_terminal("agentkeys", "login") as terminal:
        terminal.expect("e-mail address: ")
        done = terminal.interrupt()
    assert done.status == 130
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize("kind", ["xterm", "dumb"])
def test_ctrl_c_ends_the_wait_for_a_link(
    home: Home, strict_broker: RunningBroker, kind: str
) -> None:
    """Whether there is a spinner or, where none can turn, a line that says what is waited for."""
    argv = ["agentkeys", "login", "--email", "gone@example.com"]
    with (
        at_broker(home, strict_broker.url),
        home.at_terminal(*argv, env={"TERM": kind}) as terminal,
    ):
        terminal.expect("follow the link mailed to gone@example.com")
        strict_broker.output_line()
        terminal.type("\x03")
        done = terminal.finish()
    assert done.status == 130
    assert "Traceback" not in done.stdout


def test_without_a_terminal_a_login_needs_an_option(person: Home) -> None:
    """The hint names them all."""
    done = login(person)
    assert (done.status, done.stdout) == (3, "")
    _, hint = done.complaint()
    for option in ("--email", "--oauth2", "--wallet", "--session-stdin"):
        assert option in hint


# by OAuth2


def page_link(page: str, name: str) -> str:
    """Where one of the pretend provider's links leads."""
    found = re.search(rf'id="{name}" href="([^"]+)"', page)
    assert found
    return html.unescape(found[1])


@pytest.mark.parametrize("answer", ["approve", "refuse"])
def test_an_oauth2_login_follows_the_persons_answer(person: Home, answer: str) -> None:
    """The address is printed; what the person clicks there decides."""
    with person.start("agentkeys", "login", "--oauth2", "--no-browser") as process:
        words, _, url = read_line(process.stderr).rpartition(" ")
        assert words == "log in at"
        page = httpx.get(url, trust_env=False).text
        httpx.get(page_link(page, answer), trust_env=False).raise_for_status()
        out, err = process.communicate(timeout=60)
    if answer == "approve":
        assert process.returncode == 0
        assert out.startswith("logged in: me as 0x")
        assert s3_prefix(person) == f"bots/{whoami(person)['wallet']}/"
    else:
        assert (process.returncode, out) == (3, "")
        assert "agentkeys: error: the login failed: access_denied" in err


# by wallet


def test_a_wallet_login_signs_by_command(wallet_owner: Home) -> None:
    """The command reads the message and prints the signature; the prefix is the wallet's."""
    done = login(wallet_owner, "--wallet", WALLET["address"], "--signer-command", "python3 sign.py")
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout.startswith(f"logged in: me as {WALLET['address']}\n")
    assert s3_prefix(wallet_owner) == f"bots/{WALLET['address']}/"


def test_a_wallet_login_takes_a_pasted_signature(wallet_owner: Home) -> None:
    """The message is shown exactly as it has to be signed."""
    address = WALLET["address"].upper().replace("0X", "0x")
    with wallet_owner.at_terminal("agentkeys", "login", "--wallet", address) as terminal:
        terminal.expect("exactly as it is:\n\n")
        message = terminal.expect("\n\nsignature: ").removesuffix("\n\nsignature: ")
        signature = subprocess.run(
            [wallet_owner.program("python3"), "sign.py"],
            input=message.encode(),
            cwd=wallet_owner.work,
            stdout=subprocess.PIPE,
            check=True,
        ).stdout.decode()
        terminal.type(signature)
        terminal.expect(f"logged in: me as {WALLET['address']}")
        assert terminal.finish().status == 0


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("sh -c 'echo no key here >&2; exit 5'", "the signer command ended with status 5"),
        ("no-such-signer", "the signer command could not be run (FileNotFoundError)"),
        ("echo 0x1234", "that is not a signature of 65 bytes in hex"),
        ("true", "that is not a signature of 65 bytes in hex"),
    ],
)
def test_a_signer_that_fails_is_told(wallet_owner: Home, command: str, error: str) -> None:
    """With what it did wrong; what it said itself stays visible."""
    done = login(wallet_owner, "--wallet", WALLET["address"], "--signer-command", command)
    assert (done.status, done.stdout) == (3, "")
    assert f"agentkeys: error: {error}\n" in done.stderr
    assert ("no key here" in done.stderr) == ("no key here" in command)
    assert_nobody_is_logged_in(wallet_owner, "nobody is logged in as me")


def test_a_signature_by_another_key_is_refused(wallet_owner: Home) -> None:
    """By the broker."""
    other = broker_sample("vectors")["device"]["private_key_hex"]
    (wallet_owner.work / "other.py").write_text(SIGNER.replace("KEY", other), encoding="utf-8")
    done = login(
        wallet_owner, "--wallet", WALLET["address"], "--signer-command", "python3 other.py"
    )
    assert (done.status, done.stdout) == (1, "")
    assert "the broker refused (unauthorized)" in done.complaint()[0]


def test_what_is_no_wallet_address_is_refused(wallet_owner: Home) -> None:
    """Before anything is sent or signed."""
    done = login(wallet_owner, "--wallet", "0x1234", "--signer-command", "touch signed")
    assert (done.status, done.stdout) == (3, "")
    assert done.complaint()[0] == "'0x1234' is not a wallet address"
    assert not (wallet_owner.work / "signed").exists()


# with a session from elsewhere


def managed_session(sandbox: SandboxRecord, email: str) -> str:
    with BrokerClient(sandbox.broker.url) as broker:
        return str(broker.managed_login(email)["session_jwt"])


def test_a_session_from_elsewhere_is_read_from_standard_input(
    person: Home, sandbox: SandboxRecord
) -> None:
    """With or without a newline; never from an argument, which others could see."""
    session = managed_session(sandbox, "elsewhere@example.com")
    for stdin in (session, f"\n{session}\n"):
        done = login(person, "--session-stdin", stdin=stdin)
        assert (done.status, done.stderr) == (0, "")
        assert session not in done.stdout
    assert MANAGED.fullmatch(whoami(person)["wallet"])


def test_a_session_can_be_pasted_unseen(person: Home, sandbox: SandboxRecord) -> None:
    """At a terminal it is asked for and not shown."""
    session = managed_session(sandbox, "pasted@example.com")
    with person.at_terminal("agentkeys", "login", "--session-stdin") as terminal:
        terminal.expect("session JWT: ")
        terminal.type(f"{session}\n")
        shown = terminal.expect("logged in: me as 0x")
        assert session[:40] not in shown
        assert terminal.finish().status == 0


def test_what_is_no_session_is_refused(person: Home, sandbox: SandboxRecord) -> None:
    """Nothing, noise, too much of it, and a token of another kind; none of it is repeated."""
    session = managed_session(sandbox, "kinds@example.com")
    with BrokerClient(sandbox.broker.url) as broker:
        token = broker.mint(session)["jwt"]
    for stdin in (
        "",
        "\n",
        "noise",
        "a.b.c",
        token,
        session[:-40].rpartition(".")[0],
        "x" * 50_000,
    ):
        done = login(person, "--session-stdin", stdin=stdin)
        assert (done.status, done.stdout) == (3, ""), stdin[:20]
        done.complaint()
        assert "eyJ" not in done.stderr
    assert_nobody_is_logged_in(person, "nobody is logged in as me")


def test_an_expired_session_is_not_taken(home: Home, tmp_path: Path) -> None:
    """Nor one that is about to: no mint may race its end."""
    options = ("--follow-links", "--session-seconds", "20")
    with running_broker(tmp_path, *options) as running, at_broker(home, running.url) as broker:
        session = broker.managed_login("late@example.com")["session_jwt"]
        done = login(home, "--session-stdin", stdin=session)
    assert (done.status, done.stdout) == (3, "")
    assert done.complaint()[0] == "that session has already expired"


def test_a_session_that_expires_ends_everything_but_its_memory(home: Home, tmp_path: Path) -> None:
    """`status` tells it, and whoever needs a token is told to log in."""
    options = ("--follow-links", "--session-seconds", "33")
    with running_broker(tmp_path, *options) as running, at_broker(home, running.url):
        assert login(home, "--email", "short@example.com").status == 0
        assert session_state(home) == "live"
        assert wait_until(lambda: session_state(home) == "expired", seconds=60)
        for argv, status in ((["agentkeys", "exec", "--", "true"], 125), ([SHIM], 3)):
            done = home.run(*argv)
            assert (done.status, done.stdout) == (status, "")
            assert done.complaint() == ("the session of me has expired", "run: agentkeys login me")


def test_a_session_of_another_broker_is_refused_when_it_is_used(
    person: Home, strict_broker: RunningBroker
) -> None:
    """Only the broker can check it; `status` remembers what the broker said."""
    with BrokerClient(strict_broker.url) as broker:
        challenge = broker.start_wallet_login(WALLET["address"])
        script = SIGNER.replace("KEY", WALLET["private_key_hex"])
        signed = person.run("python3", "-c", script, stdin=challenge["siwe_message"])
        proof = {"request_id": challenge["request_id"], "signature": signed.stdout.strip()}
        session = broker.answer("/v1/auth/wallet/verify", proof)["session_jwt"]
    assert login(person, "--session-stdin", stdin=session).status == 0
    done = person.run(SHIM)
    assert (done.status, done.stdout) == (3, "")
    assert done.complaint()[0] == "the broker no longer accepts the session"
    assert session_state(person) == "refused"
    assert person.run("agentkeys", "exec", "--", "true").status == 125


# who it is


def test_whoami_has_a_documented_schema(person: Home) -> None:
    """The same keys for everybody, absent values null."""
    login(person, "--email", "ada@example.com")
    found = whoami(person)
    assert re.fullmatch(r"[0-9a-f]{64}", found["omni"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["session_expires_at"])
    assert found == {
        "version": 1,
        "identity": "me",
        "source": "broker",
        "subject": found["wallet"],
        "wallet": found["wallet"],
        "omni": found["omni"],
        "prefix_id": found["wallet"],
        "session_expires_at": found["session_expires_at"],
        "role_arn": ROLE_ARN,
    }
    shown = person.succeed("agentkeys", "whoami", "me")
    assert found["wallet"] in shown
    assert ROLE_ARN in shown


def test_a_login_by_json_answers_the_same_document(person: Home) -> None:
    """With how the session is kept beside it."""
    done = login(person, "--email", "ada@example.com", "--json")
    answer = json.loads(done.stdout)
    kept = answer.pop("kept")
    assert "keyring" in kept
    assert answer == whoami(person)


def test_somebody_without_a_wallet_is_known_by_their_omni(
    wallet_owner: Home, sandbox: SandboxRecord
) -> None:
    """As the broker's tokens have it."""
    login(wallet_owner, "--email", "plain@example.com")
    found = whoami(wallet_owner)
    assert found["wallet"] is None
    assert found["prefix_id"] == found["subject"] == found["omni"]
    assert s3_prefix(wallet_owner) == f"bots/{found['omni']}/"


def test_another_login_replaces_the_first_and_its_leases(person: Home) -> None:
    """Nothing of the first user's is ever served to the second."""
    seen = []
    for email in ("first@example.com", "second@example.com", "first@example.com"):
        assert login(person, "--email", email).status == 0
        document = json.loads(person.succeed(SHIM))
        assert s3_prefix(person) == f"bots/{whoami(person)['wallet']}/"
        seen.append((s3_prefix(person), document["AccessKeyId"]))
    assert seen[0][0] == seen[2][0] != seen[1][0]
    assert len({key for _, key in seen}) == 3


def test_an_unknown_identity_names_the_nearest_one(person: Home) -> None:
    """Whatever it is asked for."""
    for argv in (
        ["login", "mee", "--email", "a@example.com"],
        ["logout", "mee"],
        ["whoami", "mee"],
    ):
        done = person.run("agentkeys", *argv)
        assert (done.status, done.stdout) == (1, "")
        assert done.complaint() == ("there is no identity 'mee'", "did you mean me?")


# logging out


def test_logging_out_ends_what_is_held(person: Home) -> None:
    """And says that what was handed out lives on."""
    login(person, "--email", "ada@example.com")
    expiration = json.loads(person.succeed(SHIM))["Expiration"]
    said = person.succeed("agentkeys", "logout")
    assert said.startswith("logged out: me\n")
    assert f"live until {expiration}" in said
    assert_nobody_is_logged_in(person, "nobody is logged in as me")
    assert session_state(person) == "none"


def test_logging_out_twice_does_no_harm(person: Home) -> None:
    """As JSON too."""
    for _ in range(2):
        answer = json.loads(person.succeed("agentkeys", "logout", "--json"))
        assert answer == {"version": 1, "identity": "me", "credentials_live_until": None}


# exec's offer


def test_exec_offers_to_log_in_and_goes_on(person: Home) -> None:
    """At a terminal: one question, the login, and then the program."""
    command = ["agentkeys", "exec", "--", "sh", "-c", "echo prefix=$AGENTKEYS_S3_PREFIX; exit 6"]
    with person.at_terminal(*command) as terminal:
        terminal.expect("nobody is logged in as me")
        terminal.expect("log in as me now? [Y/n]: ")
        terminal.type("\n")
        terminal.expect("e-mail address: ")
        terminal.type("offered@example.com\n")
        terminal.expect("prefix=bots/0x")
        assert terminal.finish().status == 6


def test_who_declines_the_offer_gets_125(person: Home) -> None:
    """And the program is not run."""
    with person.at_terminal("agentkeys", "exec", "--", "touch", "ran") as terminal:
        terminal.expect("log in as me now? [Y/n]: ")
        terminal.type("n\n")
        done = terminal.finish()
    assert done.status == 125
    assert "agentkeys: hint: run: agentkeys login me" in done.stdout
    assert not (person.work / "ran").exists()


def test_who_interrupts_the_offer_runs_nothing(person: Home) -> None:
    """Ctrl-C at the question."""
    with person.at_terminal("agentkeys", "exec", "--", "touch", "ran") as terminal:
        terminal.expect("log in as me now? [Y/n]: ")
        done = terminal.interrupt()
    assert done.status != 0
    assert "Traceback" not in done.stdout
    assert not (person.work / "ran").exists()


# brokers that are none


def test_a_broker_that_is_down_is_told(home: Home) -> None:
    """With what may help."""
    home.configure(configuration("http://127.0.0.1:9", "http://127.0.0.1:9", signer=False))
    done = login(home, "--email", "ada@example.com")
    assert (done.status, done.stdout) == (1, "")
    assert done.complaint()[0].startswith("the broker did not answer: ")


class SignInPage(BaseHTTPRequestHandler):
    """What a proxy shows instead of the broker."""

    def do_POST(self) -> None:
        body = b"<html>Please sign in</html>"
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


def test_a_page_instead_of_a_broker_is_told(home: Home) -> None:
    """HTML is no answer, whatever its status."""
    with HTTPServer(("127.0.0.1", 0), SignInPage) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_port}"
        home.configure(configuration(url, url, signer=False))
        done = login(home, "--email", "ada@example.com")
        server.shutdown()
    assert (done.status, done.stdout) == (1, "")
    error, hint = done.complaint()
    assert "answered something else than JSON" in error
    assert "sign-in page" in hint


@pytest.mark.parametrize(
    "arguments",
    [
        ["--email", "a@example.com", "--oauth2"],
        ["--wallet", WALLET["address"], "--session-stdin"],
        ["--signer-command", "true"],
        ["--signer-command", "true", "--email", "a@example.com"],
        ["--email"],
        ["me", "too"],
    ],
    ids=shlex.join,
)
def test_options_that_do_not_go_together_are_a_mistake(person: Home, arguments: list[str]) -> None:
    """Status 2, and nothing is begun."""
    done = login(person, *arguments)
    assert (done.status, done.stdout) == (2, "")
    assert done.complaint()[1] == "see agentkeys login --help"
