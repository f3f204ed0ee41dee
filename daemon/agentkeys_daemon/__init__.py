"""The per-user daemon: holds sessions and leases, and answers on a Unix socket."""
