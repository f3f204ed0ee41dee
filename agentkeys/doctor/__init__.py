"""What is wrong between a user and a store, step by step.

Each step yields one finding and stops no other: `finding` is what a step says, the modules beside
it are the steps, `walk` takes them in their order. Pure rules wherever that is possible, over what
`probes` have brought; the daemon, which alone may fetch tokens, walks.

The finding is all that is imported here: whoever shows findings needs nothing of what makes them.
"""

from agentkeys.doctor.finding import STEPS, Finding, Outcome, parse_finding, worst

__all__ = ["STEPS", "Finding", "Outcome", "parse_finding", "worst"]
