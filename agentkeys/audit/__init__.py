"""The ledger: one line for everything that concerns credentials, and never a secret in it."""

from agentkeys.audit.chain import Link
from agentkeys.audit.head import FileHeadKeeper, HeadKeeper, VaultHeadKeeper, head_account
from agentkeys.audit.ledger import ChainedLedger, FileLedger, Ledger
from agentkeys.audit.record import AuditRecord

__all__ = [
    "AuditRecord",
    "ChainedLedger",
    "FileHeadKeeper",
    "FileLedger",
    "HeadKeeper",
    "Ledger",
    "Link",
    "VaultHeadKeeper",
    "head_account",
]
