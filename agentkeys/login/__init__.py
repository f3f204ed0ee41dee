"""Logging in at a broker, one file for each way; all of them end in a session JWT."""

from agentkeys.login.device_key import prove_possession, read_device_key
from agentkeys.login.managed import take_managed_wallet
from agentkeys.login.pairing import Pairing, await_claim, known_device, request_pairing
from agentkeys.login.polling import PendingLogin, await_login
from agentkeys.login.start import start_email_login, start_oauth2_login
from agentkeys.login.wallet import SiweChallenge, answer_challenge, start_wallet_login

__all__ = [
    "Pairing",
    "PendingLogin",
    "SiweChallenge",
    "answer_challenge",
    "await_claim",
    "await_login",
    "known_device",
    "prove_possession",
    "read_device_key",
    "request_pairing",
    "start_email_login",
    "start_oauth2_login",
    "start_wallet_login",
    "take_managed_wallet",
]
