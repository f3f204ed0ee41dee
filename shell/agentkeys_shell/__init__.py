"""The command line, exec and the credential_process shim."""
