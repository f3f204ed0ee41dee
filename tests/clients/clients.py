"""The clients that are driven, and what each is expected to do at each door.

This table is what docs/clients.md shows; the tests beside it prove every cell of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["CLIENTS", "DOORS", "Answers", "Client", "Door", "Refuses", "cases", "client_named"]

Door = Literal["environment", "process", "endpoint"]
DOORS: tuple[Door, ...] = ("environment", "process", "endpoint")
"""`agentkeys exec`; a `credential_process` in ~/.aws/config; `agentkeys exec --refresh`."""


@dataclass(frozen=True)
class Answers:
    """The client works through a door, and for longer than one lease where the door refreshes."""

    tells: bool = False
    """Whether it shows our hint when we have no credentials for it."""


@dataclass(frozen=True)
class Refuses:
    """The client cannot use a door."""

    reason: str


@dataclass(frozen=True)
class Client:
    """One client: where it comes from, how it is driven, and what it is expected to do."""

    name: str
    version: str
    driver: str
    """A file in drivers/."""
    process: Answers | Refuses
    endpoint: Answers | Refuses
    environment: str | None = None
    """What of environments/ it is installed from; None for Debian's."""
    program: str | None = None
    """Debian's program."""
    package: str | None = None
    """The Debian package that has it, where it is called otherwise."""
    settings: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Variables that a person would have to set, and what its driver has to know.

    `{endpoint}` stands for the store's address, `{bin}` for the environment's programs.
    """
    needs: str = ""
    """What a person has to give it in a confined bucket of a store that is not AWS; Markdown."""
    in_credentials_file: bool = False
    """Whether the credential_process has to stand in ~/.aws/credentials."""

    reads_home: bool = False
    """Whether it reads ~/.aws whatever AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE say."""

    @property
    def slug(self) -> str:
        """Its name as a test's id and as a part of keys."""
        return self.name.lower().replace(" ", "-").replace("@", "").replace("/", "-")

    def at(self, door: Door) -> Answers | Refuses:
        """What is expected at `door`; every client takes variables."""
        return {"environment": Answers(), "process": self.process, "endpoint": self.endpoint}[door]


_TELLS = Answers(tells=True)
_SILENT = Answers(tells=False)
_NO_PROCESS = Refuses("has no credential_process")
_KEYS_ONLY = Refuses("takes keys only")
# Where object_store finds no other credentials it asks the machine's own metadata service.
_NO_METADATA = {"AWS_METADATA_ENDPOINT": "http://127.0.0.1:9"}
_RCLONE = {
    "RCLONE_S3_PROVIDER": "Other",
    "RCLONE_S3_ENV_AUTH": "true",
    "RCLONE_S3_ENDPOINT": "{endpoint}",
    "RCLONE_S3_NO_CHECK_BUCKET": "true",
}

CLIENTS: tuple[Client, ...] = (
    Client("boto3", "1.44.5", "with_boto3.py", _TELLS, _TELLS, environment="boto3"),
    Client("aioboto3", "15.5.0", "with_aioboto3.py", _TELLS, _TELLS, environment="aioboto3"),
    Client("s3fs", "2026.9.0", "with_s3fs.py", _TELLS, _TELLS, environment="s3fs"),
    Client(
        "AWS CLI 1",
        "1.46.3",
        "with_command.py",
        _TELLS,
        _TELLS,
        environment="awscli1",
        settings={"JOB_COMMAND": "awscli", "JOB_PROGRAM": "{bin}/aws"},
    ),
    Client(
        "AWS CLI 2",
        "2.9.19",
        "with_command.py",
        _TELLS,
        _TELLS,
        program="/usr/bin/aws",
        package="awscli",
        settings={
            "JOB_COMMAND": "awscli",
            "JOB_PROGRAM": "/usr/bin/aws",
            "JOB_ENDPOINT_OPTION": "yes",
        },
        needs='`--endpoint-url "$AWS_ENDPOINT_URL"` (before 2.13)',
    ),
    Client(
        "AWS SDK for JavaScript",
        "3.826.0",
        "with_sdk_js.mjs",
        _SILENT,
        _SILENT,
        environment="node",
        needs="`credentials: fromProcess()` to tell why it fails",
    ),
    Client(
        "pyarrow",
        "26.0.1",
        "with_pyarrow.py",
        _SILENT,
        _SILENT,
        environment="pyarrow",
        needs="`S3FileSystem(endpoint_override=…)`",
    ),
    Client(
        "polars with boto3",
        "2.1.0",
        "with_polars.py",
        _TELLS,
        _TELLS,
        environment="polars",
        settings={"JOB_POLARS": "boto3"},
    ),
    Client(
        "polars without boto3",
        "2.1.0",
        "with_polars.py",
        _NO_PROCESS,
        _TELLS,
        environment="polars",
        settings={"JOB_POLARS": "object_store", **_NO_METADATA},
        needs="no keys in `~/.aws`: at the endpoint they would win",
        reads_home=True,
    ),
    Client(
        "obstore",
        "0.12.1",
        "with_obstore.py",
        _NO_PROCESS,
        _TELLS,
        environment="obstore",
        settings=_NO_METADATA,
    ),
    Client(
        "duckdb",
        "1.5.5",
        "with_duckdb.py",
        _SILENT,
        _SILENT,
        environment="duckdb",
        needs="`CREATE SECRET (TYPE s3, PROVIDER credential_chain, REFRESH auto, ENDPOINT …)`",
    ),
    Client(
        "minio-py",
        "7.2.20",
        "with_minio.py",
        _NO_PROCESS,
        _SILENT,
        environment="minio",
        needs="its providers named: `EnvAWSProvider()`, `IamAwsProvider()`",
    ),
    Client(
        "rclone",
        "1.60.1",
        "with_command.py",
        _TELLS,
        _SILENT,
        program="/usr/bin/rclone",
        settings={"JOB_COMMAND": "rclone", **_RCLONE},
        needs="`RCLONE_S3_NO_CHECK_BUCKET=true`, `RCLONE_S3_ENV_AUTH=true`, `RCLONE_S3_ENDPOINT`",
    ),
    Client(
        "restic",
        "0.14.0",
        "with_command.py",
        _SILENT,
        _SILENT,
        program="/usr/bin/restic",
        settings={"JOB_COMMAND": "restic", **_RCLONE},
        needs="a repository made elsewhere and copied: `init` asks for the whole bucket;"
        " `credential_process` in `~/.aws/credentials`",
        in_credentials_file=True,
    ),
    Client(
        "s3cmd",
        "2.3.0",
        "with_command.py",
        _KEYS_ONLY,
        _KEYS_ONLY,
        program="/usr/bin/s3cmd",
        settings={"JOB_COMMAND": "s3cmd"},
        needs="`--host`, `--host-bucket`",
    ),
)


def cases(kind: type[Answers | Refuses], *doors: Door) -> list[tuple[Client, Door]]:
    """Every client at every door, or at `doors`, of which such an answer is expected."""
    return [
        (client, door)
        for client in CLIENTS
        for door in doors or DOORS
        if isinstance(client.at(door), kind)
    ]


def client_named(name: str) -> Client:
    """The one of that name."""
    return next(client for client in CLIENTS if client.name == name)
