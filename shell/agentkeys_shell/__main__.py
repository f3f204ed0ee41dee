"""`python -m agentkeys_shell`: the `agentkeys` program without its launcher."""

import sys

from agentkeys_shell.fast import main

sys.exit(main(sys.argv[1:]))
