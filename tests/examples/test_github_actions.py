"""examples/github-actions: the workflow's own commands, with an issuer and a store on loopback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.examples.examples import EXAMPLES, adapt, copy_example
from tests.examples.runners import Job, load_workflow, sign_job_token
from tests.support.programs import Home
from tests.support.signing_issuer import SigningIssuer
from tests.support.trusting_store import Trust

FOLDER = EXAMPLES / "github-actions"
WORKFLOW = Path(".github/workflows/publish.yaml")
SETTINGS = Path(".github/agentkeys.toml")
AUDIENCE = "s3.example.com"
REPOSITORY = "octo-org/site"
SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def trust() -> Trust:
    """Each repository gets at its own place."""
    return Trust(
        audience=AUDIENCE,
        role="arn:aws:iam::000000000001:role/ci",
        keys="ci/${jwt:repository}/*",
    )


@pytest.fixture
def job(home: Home, store: str) -> Job:
    """On a fresh machine, with the repository checked out."""
    copy_example("github-actions", home.work)
    settings = home.work / SETTINGS
    changes = {"https://s3.example.com": store, 'bucket = "sites"': 'bucket = "agentkeys"'}
    settings.write_text(adapt(settings.read_text(encoding="utf-8"), changes), encoding="utf-8")
    return Job(home, load_workflow(home.work / WORKFLOW), "publish", SHA)


def test_the_workflow_asks_for_no_more_than_it_needs() -> None:
    """A token and the sources; no secret, and no key of AWS's."""
    workflow = load_workflow(FOLDER / WORKFLOW)
    assert workflow["permissions"] == {"contents": "read", "id-token": "write"}
    text = (FOLDER / WORKFLOW).read_text(encoding="utf-8")
    assert "secrets." not in text
    assert "AWS_" not in text
    # What the tests do not run, because the wheel is installed already.
    [install] = [s for s in workflow["jobs"]["publish"]["steps"] if s.get("name") == "Install"]
    assert install["run"] == "pip install agentkeys"


def test_the_job_publishes_below_its_own_repository(job: Job, issuer: SigningIssuer) -> None:
    """Each step as it stands there; a second one needs no second login of any kind."""
    job.give_tokens(issuer, sign_job_token(issuer, REPOSITORY, AUDIENCE))
    for step in ("Build", "Publish", "Look at it"):
        done = job.run(step)
        assert (done.status, done.stderr) == (0, ""), done
    assert done.stdout == f"<h1>{SHA}</h1>\n"
    assert job.asked(issuer) == {("Bearer a-bearer-of-this-job", AUDIENCE)}


def test_another_repositorys_job_cannot_read_it(
    job: Job, home: Home, issuer: SigningIssuer
) -> None:
    """The same workflow, role and bucket; the token names another repository."""
    job.give_tokens(issuer, sign_job_token(issuer, "octo-org/other", AUDIENCE))
    workflow = home.work / WORKFLOW
    text = workflow.read_text(encoding="utf-8")
    changes = {"$AGENTKEYS_S3_PREFIX$GITHUB_SHA": f"ci/{REPOSITORY}/$GITHUB_SHA"}
    workflow.write_text(adapt(text, changes), encoding="utf-8")
    job.spec = load_workflow(workflow)["jobs"]["publish"]
    for step in ("Build", "Publish", "Look at it"):
        done = job.run(step)
    assert done.status != 0
    assert "Forbidden" in done.stderr or "AccessDenied" in done.stderr, done


def test_a_job_without_tokens_is_told_why(job: Job) -> None:
    """As in a pull request from a fork; nothing runs."""
    assert job.run("Build").status == 0
    done = job.run("Publish")
    assert done.status == 125
    assert "id-token: write" in done.complaint()[1]


def test_a_step_does_not_see_what_fetches_tokens(
    job: Job, home: Home, issuer: SigningIssuer
) -> None:
    """What runs under exec has credentials, and not the means to get any for somewhere else."""
    job.give_tokens(issuer, sign_job_token(issuer, REPOSITORY, AUDIENCE))
    job.spec = {"steps": [{"name": "Print", "run": "agentkeys exec -- env"}]}
    done = job.run("Print")
    assert done.status == 0
    assert "AWS_ACCESS_KEY_ID=" in done.stdout
    assert "ACTIONS_ID_TOKEN" not in done.stdout
