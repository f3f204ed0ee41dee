"""The names of the token claims that say whose a session is.

Sources: the broker's client contract, and AWS's documentation of session tags in tokens.
"""

__all__ = ["AWS_TAGS_CLAIM", "OMNI_CLAIM", "WALLET_CLAIM"]

WALLET_CLAIM = "agentkeys_user_wallet"
OMNI_CLAIM = "agentkeys_actor_omni"
AWS_TAGS_CLAIM = "https://aws.amazon.com/tags"
