"""Every token source keeps the promises that the leases rely upon."""

from __future__ import annotations

from agentkeys.errors import LoginFailed, LoginRequired, SourceAbsent, SourceFailed
from tests.contracts.token_source_suite import ChangingSourceContract, TokenSourceContract
from tests.support.source_stages import (
    BrokerStage,
    CommandStage,
    FileStage,
    GithubStage,
    HandedFileStage,
    OidcStage,
    SandboxStage,
    ServiceStage,
)


class TestBroker(ChangingSourceContract):
    stage = BrokerStage
    absence = LoginRequired


class TestSandbox(ChangingSourceContract):
    stage = SandboxStage
    absence = LoginFailed


class TestFile(ChangingSourceContract):
    stage = FileStage
    absence = SourceFailed


class TestFileOfTheEnvironment(ChangingSourceContract):
    stage = HandedFileStage
    absence = SourceAbsent


class TestCommand(ChangingSourceContract):
    stage = CommandStage
    absence = SourceFailed


class TestGithub(ChangingSourceContract):
    stage = GithubStage
    absence = SourceAbsent


class TestOidc(ChangingSourceContract):
    stage = OidcStage
    absence = LoginRequired


class TestClientCredentials(TokenSourceContract):
    """A client is who it is, and never becomes anybody else."""

    stage = ServiceStage
    absence = SourceFailed
