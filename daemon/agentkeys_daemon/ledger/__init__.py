"""What the daemon writes into the ledger, and how it keeps the head of its chain."""
