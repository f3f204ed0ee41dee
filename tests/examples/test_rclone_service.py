"""examples/rclone-service: a backup by a real systemd, with client credentials at a provider."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from tests.examples.examples import adapt_file, commands_of, copy_example
from tests.support.federated_store import PEOPLE_ROLE, FederatedStore
from tests.support.oidc_client import OidcClient
from tests.support.oidc_provider import (
    RESOURCE,
    SERVICE,
    SERVICE_SECRET,
    OidcProvider,
    private_key_pem,
)
from tests.support.programs import Home
from tests.system.user_manager import UserManager

OWN = f"people/{SERVICE}/"
FILES = {"letter.txt": b"Dear all,\n", "pictures/sea & sky.bin": bytes(range(256)) * 40}


@pytest.fixture
def installed(machine: Home, oidc_provider: OidcProvider, federated_store: FederatedStore) -> Home:
    """The README's own commands, after what has to be changed was changed."""
    copy_example("rclone-service", machine.work)
    adapt_file(
        machine.work / "config.toml",
        {
            "https://login.example.com": oidc_provider.url,
            'client_id = "backup"': f'client_id = "{SERVICE}"',
            "urn:example:store": RESOURCE,
            "https://s3.example.com": federated_store.url,
            "arn:aws:iam::000000000001:role/people": PEOPLE_ROLE,
            'bucket = "backups"': 'bucket = "agentkeys"',
        },
    )
    adapt_file(machine.work / "README.md", {"what the issuer gave you": SERVICE_SECRET})
    commands = commands_of(machine.work, "install")
    assert len(commands) == 4
    for command in commands:
        machine.succeed("bash", "-euc", command)
    documents = Path(machine.environment["HOME"]) / "Documents"
    for name, content in FILES.items():
        (documents / name).parent.mkdir(parents=True, exist_ok=True)
        (documents / name).write_bytes(content)
    return machine


def kept(store: FederatedStore, provider: OidcProvider) -> dict[str, bytes]:
    """What the service has in the store, seen with a token that we fetch without agentkeys."""
    with OidcClient(provider) as client:
        answer = client.client_credentials(resource=RESOURCE)
    with closing(store.trade(answer.json()["access_token"])) as s3:
        found = s3.list_objects_v2(Bucket="agentkeys", Prefix=f"{OWN}documents/").get(
            "Contents", []
        )
        return {
            entry["Key"]: s3.get_object(Bucket="agentkeys", Key=entry["Key"])["Body"].read()
            for entry in found
        }


def test_the_units_are_sound(installed: Home) -> None:
    """systemd has nothing to say about them."""
    units = Path(installed.environment["XDG_CONFIG_HOME"]) / "systemd" / "user"
    # The socket that the service wants comes with `agentkeys daemon install`.
    installed.run("agentkeys", "daemon", "install")
    done = installed.run("systemd-analyze", "--user", "verify", *sorted(units.iterdir()))
    assert (done.status, done.stdout, done.stderr) == (0, "", "")


def test_the_service_copies_the_folder_and_later_changes(
    installed: Home,
    manager: UserManager,
    federated_store: FederatedStore,
    oidc_provider: OidcProvider,
) -> None:
    """What is new comes, what is gone goes; the daemon outlives the service."""
    [install] = commands_of(installed.work, "agentkeys")[:1]
    installed.succeed(*install.split())
    try:
        start(installed)
        expected = {f"{OWN}documents/{name}": content for name, content in FILES.items()}
        assert kept(federated_store, oidc_provider) == expected
        documents = Path(installed.environment["HOME"]) / "Documents"
        (documents / "letter.txt").unlink()
        (documents / "new.txt").write_bytes(b"new")
        daemon = manager.main_pid("agentkeys.service")
        start(installed)
        assert sorted(kept(federated_store, oidc_provider)) == [
            f"{OWN}documents/new.txt",
            f"{OWN}documents/pictures/sea & sky.bin",
        ]
        assert manager.main_pid("agentkeys.service") == daemon != 0
    finally:
        installed.run("agentkeys", "daemon", "uninstall")


def start(home: Home) -> None:
    """Runs the service to its end, as its timer does."""
    done = home.run("systemctl", "--user", "start", "agentkeys-sync.service")
    assert (done.status, done.stderr) == (0, ""), home.run(*EXEC, "./sync.sh", home.work)


EXEC = (
    *("agentkeys", "exec", "--profile", "backup", "--refresh"),
    *("--set", "RCLONE_S3_ENDPOINT=endpoint", "--set", "RCLONE_S3_REGION=region", "--"),
)
"""Of the unit, for what is not started by systemd."""
RCLONE = {
    "RCLONE_S3_PROVIDER": "Other",
    "RCLONE_S3_ENV_AUTH": "true",
    "RCLONE_S3_NO_CHECK_BUCKET": "true",
    "RCLONE_CONFIG": "/dev/null",
}


def test_the_service_has_no_other_place(installed: Home) -> None:
    """rclone is refused in anybody else's."""
    elsewhere = "AGENTKEYS_S3_PREFIX=people/alice/ exec ./sync.sh ."
    done = installed.run(*EXEC, "sh", "-c", elsewhere, env=RCLONE)
    assert done.status != 0
    assert "AccessDenied" in done.stderr or "403" in done.stderr, done


def test_a_key_takes_the_place_of_the_secret(installed: Home) -> None:
    """With private_key_file, as the commented line has it."""
    key = installed.config.with_name("backup.pem")
    key.touch(mode=0o600)
    key.write_text(private_key_pem(), encoding="ascii")
    adapt_file(
        installed.config,
        {
            "client_secret_file": "# client_secret_file",
            "# private_key_file": "private_key_file",
            f'client_id = "{SERVICE}"': 'client_id = "service-key"',
        },
    )
    installed.config.with_name("client-secret").unlink()
    done = installed.run(*EXEC, "./sync.sh", installed.work, env=RCLONE)
    assert done.status == 0, done


def test_a_wrong_secret_is_told(installed: Home) -> None:
    """By the issuer's own words, and without the secret."""
    installed.config.with_name("client-secret").write_text("wrong-secret\n", encoding="utf-8")
    done = installed.run(*EXEC, "true")
    assert (done.status, done.stdout) == (125, "")
    assert "invalid_client" in done.stderr
    assert "wrong-secret" not in done.stderr


def test_the_program_sees_no_client_secret(installed: Home) -> None:
    """Only the endpoint and its token."""
    done = installed.run(*EXEC, "env")
    assert done.status == 0
    assert SERVICE_SECRET not in done.stdout
    assert "AWS_SECRET_ACCESS_KEY" not in done.stdout
    ledger = (installed.state / "audit" / "ledger.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in ledger.splitlines()]
    assert {line["identity"] for line in lines if line["event"] == "mint"} == {"backup"}
