"""Whether an STS answers where the configuration says, and an S3 beside it."""

from __future__ import annotations

from agentkeys.clock import Clock
from agentkeys.doctor.finding import Finding, failed, from_error, ok
from agentkeys.doctor.probes import Page
from agentkeys.errors import ConfigError, StsAnswerInvalid, StsBusy, StsError
from agentkeys.stores import StoreKind
from agentkeys.sts.answer import parse_answer

__all__ = ["PING", "S3_UNREACHABLE", "examine_store"]

S3_UNREACHABLE = "s3_unreachable"

PING = {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15"}
"""A request that no STS grants, since it shows no token, and that every one answers."""


def examine_store(sts: Page, s3: Page | None, *, store: StoreKind, clock: Clock) -> Finding:
    """`sts` is what came for a PING, `s3` what the S3 said, where that is another server."""
    title = store.title
    if isinstance(sts.problem, ConfigError):
        return from_error("store", sts.problem, sts=sts.url)
    if sts.problem or sts.answer is None:
        return failed(
            "store",
            "store_unreachable",
            f"the STS of {title} does not answer: {sts.problem and sts.problem.message}",
            (sts.problem and sts.problem.hint) or "check sts_endpoint",
            sts=sts.url,
        )
    facts = {"sts": sts.url, "s3": s3 and s3.url, "status": sts.status}
    answer = sts.answer
    try:
        parse_answer(answer.status, answer.headers, answer.body, store=store, now=clock.now())
    except StsAnswerInvalid as problem:
        code = "sts_redirects" if 300 <= answer.status < 400 else "not_an_sts"
        return failed("store", code, problem.message, problem.hint, **facts)
    except StsBusy as problem:
        return failed("store", "sts_busy", problem.message, problem.hint, **facts)
    except StsError:
        pass  # as it should be
    if s3 and s3.problem:
        return failed(
            "store",
            S3_UNREACHABLE,
            f"the S3 of {title} does not answer: {s3.problem.message}",
            s3.problem.hint or "check s3_endpoint",
            **facts,
        )
    return ok("store", f"the STS of {title} answers", **facts)
