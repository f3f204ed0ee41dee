"""What GitHub's runner does with a job, as far as the job's commands can tell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import yaml

from tests.support.programs import Finished, Home
from tests.support.signing_issuer import SigningIssuer

__all__ = ["ID_TOKENS", "Job", "load_workflow", "sign_job_token"]

ID_TOKENS = "/id-token"
_BEARER = "a-bearer-of-this-job"


def load_workflow(path: Path) -> dict[str, Any]:
    """Its document, without `on`, which YAML 1.1 takes for a truth value."""
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def sign_job_token(issuer: SigningIssuer, repository: str, audience: str) -> str:
    """As GitHub's issuer signs them for a push to the main branch."""
    claims = {
        "sub": f"repo:{repository}:ref:refs/heads/main",
        "aud": audience,
        "repository": repository,
        "repository_owner": repository.partition("/")[0],
        "ref": "refs/heads/main",
        "event_name": "push",
        "job_workflow_ref": f"{repository}/.github/workflows/publish.yaml@refs/heads/main",
    }
    return issuer.sign(claims, seconds=300)


class Job:
    """One job of a workflow, run in a home's `work` as if it were the repository's checkout."""

    def __init__(self, home: Home, workflow: Mapping[str, Any], name: str, sha: str) -> None:
        self._home = home
        self._workflow = workflow
        self.spec: dict[str, Any] = workflow["jobs"][name]
        self._variables = {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(home.work),
            "GITHUB_SHA": sha,
            **self.spec.get("env", {}),
        }
        # A runner's machine has nothing of ours; only what the workflow itself sets.
        for variable in [v for v in home.environment if v.startswith("AGENTKEYS_")]:
            del home.environment[variable]
        home.environment |= self._ours()
        home.socket = Path(home.environment["XDG_RUNTIME_DIR"]) / "agentkeys" / "daemon.sock"

    def _ours(self) -> dict[str, str]:
        return {k: v for k, v in self._variables.items() if k.startswith("AGENTKEYS_")}

    def give_tokens(self, issuer: SigningIssuer, token: str) -> None:
        """The variables of a job that may have tokens, if the workflow asks for that."""
        assert self._workflow["permissions"]["id-token"] == "write"
        issuer.pages.asked.clear()
        answer = {"count": 1, "value": token}
        issuer.pages.content[ID_TOKENS] = json.dumps(answer).encode()
        self._variables |= {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{issuer.url}{ID_TOKENS}?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": _BEARER,
        }

    def asked(self, issuer: SigningIssuer) -> set[tuple[str, str]]:
        """With which bearer and for which audience tokens were asked for."""
        asked = [(urlsplit(path), headers) for path, headers in issuer.pages.asked]
        return {
            (headers["authorization"], dict(parse_qsl(target.query))["audience"])
            for target, headers in asked
            if target.path == ID_TOKENS
        }

    def run(self, step: str) -> Finished:
        """Runs a step by its name, as a shell script of its own."""
        [found] = [one for one in self.spec["steps"] if one.get("name") == step]
        script = self._home.folder / "step.sh"
        script.write_text(found["run"], encoding="utf-8")
        return self._home.run("bash", "-e", script, env=self._variables)
