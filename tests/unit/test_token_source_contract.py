"""Every token source keeps the promises that the leases rely upon."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from agentkeys.errors import LoginFailed, LoginRequired, SourceAbsent, SourceFailed
from tests.contracts.token_source_suite import (
    ChangingSourceContract,
    SetStage,
    TokenSourceContract,
)
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
    absence = LoginRequired

    @pytest.fixture
    def set_stage(self) -> SetStage:
        return BrokerStage.set


class TestSandbox(ChangingSourceContract):
    absence = LoginFailed

    @pytest.fixture
    def set_stage(self) -> SetStage:
        return SandboxStage.set


class TestFile(ChangingSourceContract):
    absence = SourceFailed

    @pytest.fixture
    def set_stage(self, tmp_path: Path) -> SetStage:
        return partial(FileStage.set, tmp_path)


class TestFileOfTheEnvironment(ChangingSourceContract):
    absence = SourceAbsent

    @pytest.fixture
    def set_stage(self, tmp_path: Path) -> SetStage:
        return partial(HandedFileStage.set, tmp_path)


class TestCommand(ChangingSourceContract):
    absence = SourceFailed

    @pytest.fixture
    def set_stage(self, tmp_path: Path) -> SetStage:
        return partial(CommandStage.set, tmp_path)


class TestGithub(ChangingSourceContract):
    absence = SourceAbsent

    @pytest.fixture
    def set_stage(self) -> SetStage:
        return GithubStage.set


class TestOidc(ChangingSourceContract):
    absence = LoginRequired

    @pytest.fixture
    def set_stage(self) -> SetStage:
        return OidcStage.set


class TestClientCredentials(TokenSourceContract):
    """A client is who it is, and never becomes anybody else."""

    absence = SourceFailed

    @pytest.fixture
    def set_stage(self) -> SetStage:
        return ServiceStage.set
