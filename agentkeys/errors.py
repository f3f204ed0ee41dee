"""Everything that can go wrong, as one tree.

AgentkeysError
├── ConfigError                 the configuration is wrong, and where
│   ├── UnknownProfile
│   ├── UnknownIdentity
│   ├── AccessRuleInvalid       s3://bucket/prefix/:ro as nobody can keep it
│   ├── ConfigMismatch          client and daemon were started with different settings
│   ├── ScopeRefused            a run asks for access that its profile cannot give it
│   ├── BreakGlassRequired      a profile that is served on purpose alone, never along the way
│   └── BreakGlassRefused       break-glass where it is not meant, or with nobody to answer for it
├── VaultError                  the OS keyring
│   ├── VaultLocked
│   └── VaultUnavailable
├── TokenError                  no web identity token could be had, or it must not be used
│   ├── LoginRequired
│   ├── LoginFailed
│   ├── BrokerUnreachable
│   ├── BrokerRefused
│   ├── IssuerUnreachable       an OpenID Connect issuer
│   ├── IssuerRefused
│   ├── IssuerInvalid           an issuer that is not what the configuration says, or broken
│   ├── SourceAbsent            what the tokens come from is not there: it does not apply here
│   ├── SourceFailed            it is there, and gave no token
│   ├── TokenInvalid            not a token that any store could take
│   ├── TokenUnconfined         a good token that would not confine its user
│   └── WrongIdentity           a good token of somebody else than the profile is pinned to
├── StsError                    the STS call
│   ├── StsUnreachable
│   ├── StsBusy                 asked to come back later
│   ├── StsTokenRefused         a fresh token may help
│   ├── StsRefused              only a person can help
│   └── StsAnswerInvalid        an answer that is none
├── AuditError
├── SandboxError
├── ExtraMissing                an optional part of agentkeys is not installed
├── RunError                    programs under exec
│   ├── UnknownRun
│   ├── InsideRun               a program inside a run asks for more than the run has
│   └── RunsLive                what was asked would end the credentials of programs that run
└── DaemonError                 between a client and the daemon
    ├── DaemonNotRunning
    ├── DaemonTimeout           no answer in time, from the daemon or to it
    ├── ProtocolError           an answer or a request that breaks the local protocol
    ├── PeerRefused
    └── RemoteError             whatever the daemon answered, as it said it

Every error says what happened (`message`), what to do about it (`hint`), a stable `code` for
programs, and whether asking again can help (`retryable`). Messages are lower case, have no full
stop and never hold a secret.
"""

from __future__ import annotations

EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_USER_MUST_ACT = 3
EXIT_NO_DAEMON = 4


class AgentkeysError(Exception):
    """The root; `except AgentkeysError` catches whatever this library raises on purpose."""

    code = "error"
    retryable = False
    exit_status = EXIT_ERROR

    def __init__(self, message: str, *, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.retry_after = retry_after
        """Seconds that a server asked us to wait, or None."""


class ConfigError(AgentkeysError):
    """The configuration cannot be used; the message names the file and the key."""

    code = "config_invalid"


class UnknownProfile(ConfigError):
    code = "unknown_profile"


class UnknownIdentity(ConfigError):
    code = "unknown_identity"


class AccessRuleInvalid(ConfigError):
    code = "access_rule_invalid"


class ConfigMismatch(ConfigError):
    code = "config_mismatch"


class ScopeRefused(ConfigError):
    code = "scope_refused"


class BreakGlassRequired(ConfigError):
    code = "break_glass_required"


class BreakGlassRefused(ConfigError):
    code = "break_glass_refused"


class VaultError(AgentkeysError):
    """The OS keyring did not do what it was asked."""

    code = "vault_error"


class VaultLocked(VaultError):
    code = "vault_locked"
    exit_status = EXIT_USER_MUST_ACT


class VaultUnavailable(VaultError):
    code = "vault_unavailable"


class TokenError(AgentkeysError):
    """No usable web identity token."""

    code = "token_error"


class LoginRequired(TokenError):
    code = "login_required"
    exit_status = EXIT_USER_MUST_ACT


class LoginFailed(TokenError):
    code = "login_failed"
    exit_status = EXIT_USER_MUST_ACT


class BrokerUnreachable(TokenError):
    code = "broker_unreachable"
    retryable = True


class BrokerRefused(TokenError):
    code = "broker_refused"


class IssuerUnreachable(TokenError):
    code = "issuer_unreachable"
    retryable = True


class IssuerRefused(TokenError):
    code = "issuer_refused"


class IssuerInvalid(TokenError):
    code = "issuer_invalid"


class SourceAbsent(TokenError):
    code = "source_absent"


class SourceFailed(TokenError):
    code = "source_failed"


class TokenInvalid(TokenError):
    code = "token_invalid"


class TokenUnconfined(TokenError):
    code = "token_unconfined"


class WrongIdentity(TokenError):
    code = "wrong_identity"


class StsError(AgentkeysError):
    """AssumeRoleWithWebIdentity gave no credentials.

    `sts_code` and `request_id` are the store's own words, where it said any; `reason` is what they
    mean, whatever the store calls it, such as `wrong_audience`.
    """

    code = "sts_error"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        sts_code: str | None = None,
        request_id: str | None = None,
        reason: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint, retry_after=retry_after)
        self.sts_code = sts_code
        self.request_id = request_id
        self.reason = reason


class StsUnreachable(StsError):
    code = "sts_unreachable"
    retryable = True


class StsBusy(StsError):
    code = "sts_busy"
    retryable = True


class StsTokenRefused(StsError):
    code = "sts_token_refused"


class StsRefused(StsError):
    code = "sts_refused"


class StsAnswerInvalid(StsError):
    code = "sts_answer_invalid"


class AuditError(AgentkeysError):
    """The ledger could not be written or read."""

    code = "audit_error"


class SandboxError(AgentkeysError):
    """The local broker and store could not be started, or are not what they should be."""

    code = "sandbox_error"


class ExtraMissing(AgentkeysError, ImportError):
    """Also an ImportError, for programs that go on without."""

    code = "extra_missing"


class RunError(AgentkeysError):
    """It concerns a program that runs under exec."""

    code = "run_error"


class UnknownRun(RunError):
    code = "unknown_run"


class InsideRun(RunError):
    code = "inside_run"


class RunsLive(RunError):
    code = "runs_live"


class DaemonError(AgentkeysError):
    """A client and the daemon did not understand each other."""

    code = "daemon_error"


class DaemonNotRunning(DaemonError):
    code = "daemon_not_running"
    exit_status = EXIT_NO_DAEMON


class DaemonTimeout(DaemonError):
    code = "daemon_timeout"
    retryable = True


class ProtocolError(DaemonError):
    code = "protocol_error"


class PeerRefused(DaemonError):
    code = "peer_refused"


class RemoteError(DaemonError):
    """A refusal as the daemon worded it."""

    def __init__(self, code: str, message: str, *, hint: str = "", retryable: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.retryable = retryable
        if code in USER_MUST_ACT:
            self.exit_status = EXIT_USER_MUST_ACT


USER_MUST_ACT = frozenset(leaf.code for leaf in (VaultLocked, LoginRequired, LoginFailed))
"""The codes that only a person can answer, by logging in or unlocking."""
