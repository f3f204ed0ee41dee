"""The whole job in one go, on real parts: what `agentkeys demo` shows."""
