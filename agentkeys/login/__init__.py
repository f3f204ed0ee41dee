"""Logging in at a broker, one file for each way; all of them end in a session JWT."""

from agentkeys.login.managed import take_managed_wallet
from agentkeys.login.polling import PendingLogin, await_login
from agentkeys.login.start import start_email_login, start_oauth2_login
from agentkeys.login.wallet import SiweChallenge, answer_challenge, start_wallet_login

__all__ = [
    "PendingLogin",
    "SiweChallenge",
    "answer_challenge",
    "await_login",
    "start_email_login",
    "start_oauth2_login",
    "start_wallet_login",
    "take_managed_wallet",
]
