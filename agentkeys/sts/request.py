"""What we ask of AssumeRoleWithWebIdentity, in the limits of the AWS STS API reference."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from agentkeys.errors import ConfigError, TokenInvalid
from agentkeys.models import RoleArn
from agentkeys.secret import Secret
from agentkeys.stores import StoreKind

__all__ = ["AssumeRoleRequest", "check_request", "form", "spell_range"]

API_VERSION = "2011-06-15"

_SESSION_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]{2,64}")
_TOKEN = re.compile(r"[\x21-\x7e]{4,20000}")


@dataclass(frozen=True, slots=True)
class AssumeRoleRequest:
    """One call; raises ConfigError for a field, TokenInvalid for a token, that no STS takes."""

    role_arn: RoleArn | None
    role_session_name: str
    """For the store's trail; `role_session_name()` makes one."""
    token: Secret
    duration: timedelta | None = None
    """Whole seconds; None leaves it to the store."""
    policy: str | None = None
    """A session policy, JSON: the session may do what this and the role both allow."""
    policy_arns: tuple[str, ...] = ()
    """Managed policies that narrow the session in the same way, on AWS only."""

    def __post_init__(self) -> None:
        if not _SESSION_NAME.fullmatch(self.role_session_name):
            raise ConfigError(
                f"{self.role_session_name!r} is not a role session name",
                hint="use 2 to 64 ASCII letters, digits and _+=,.@-",
            )
        if not _TOKEN.fullmatch(self.token.reveal()):
            raise TokenInvalid(
                "the web identity token is not 4 to 20000 printable ASCII characters",
                hint="look at what the token source gives",
            )
        if self.duration is not None and self.duration % timedelta(seconds=1):
            raise ConfigError("a session duration has a fraction", hint="use whole seconds")
        self._check_policies()

    def _check_policies(self) -> None:
        if self.policy is not None and not 1 <= len(self.policy) <= 2048:
            raise ConfigError(
                f"a session policy of {len(self.policy)} characters",
                hint="write it with 1 to 2048 characters",
            )
        if len(self.policy_arns) > 10:
            raise ConfigError(
                f"{len(self.policy_arns)} policy_arns", hint="a session takes at most 10"
            )
        for arn in self.policy_arns:
            if not 20 <= len(arn) <= 2048 or not arn.startswith("arn:"):
                raise ConfigError(
                    f"{arn[:100]!r} is not a policy ARN",
                    hint="write it as arn:aws:iam::<account>:policy/<name>",
                )


def check_request(request: AssumeRoleRequest, store: StoreKind) -> None:
    """Raises ConfigError for what this kind of store would refuse or, worse, ignore."""
    if store.needs_role_arn and request.role_arn is None:
        raise ConfigError(f"{store.title} needs a role ARN", hint="set role_arn to the role's ARN")
    if request.policy is not None and not store.takes_policy:
        raise ConfigError(
            f"{store.title} knows no session policies and would not narrow the session",
            hint="leave out policy, and with it a profile's allow and a command's rules",
        )
    if request.policy_arns and not store.takes_policy_arns:
        raise ConfigError(
            f"{store.title} knows no policy_arns and would not narrow the session by them",
            hint="take policy_arns out and use policy",
        )
    if request.duration is None:
        return
    if not store.min_duration <= request.duration <= store.max_duration:
        raise ConfigError(
            f"{store.title} gives no session of {int(request.duration.total_seconds())} s",
            hint=f"set duration to {spell_range(store)}",
        )


def spell_range(store: StoreKind) -> str:
    """The durations that `store` gives, for people: `900 s to 43200 s`."""
    bounds = (store.min_duration, store.max_duration)
    return " to ".join(f"{int(bound.total_seconds())} s" for bound in bounds)


def form(request: AssumeRoleRequest) -> dict[str, str]:
    """The form's fields, the token among them in clear: for the request's body, nothing else."""
    fields = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": API_VERSION,
        "RoleSessionName": request.role_session_name,
        "WebIdentityToken": request.token.reveal(),
    }
    if request.role_arn is not None:
        fields["RoleArn"] = request.role_arn.arn
    if request.duration is not None:
        fields["DurationSeconds"] = str(int(request.duration.total_seconds()))
    if request.policy is not None:
        fields["Policy"] = request.policy
    for number, arn in enumerate(request.policy_arns, start=1):
        fields[f"PolicyArns.member.{number}.arn"] = arn
    return fields
