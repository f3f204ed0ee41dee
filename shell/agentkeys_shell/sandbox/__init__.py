"""A broker and a store on this machine, to try agentkeys with: made-up users, throw-away data."""
