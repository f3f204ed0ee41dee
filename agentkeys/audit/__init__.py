"""The ledger: one line for everything that concerns credentials, and never a secret in it."""

from agentkeys.audit.ledger import FileLedger, Ledger
from agentkeys.audit.record import AuditRecord

__all__ = ["AuditRecord", "FileLedger", "Ledger"]
