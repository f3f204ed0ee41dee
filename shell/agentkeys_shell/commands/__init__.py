"""One module for each command; what they share is in `agentkeys_shell`."""
