"""Access rules and requests for hypothesis, from few names, so that they meet often."""

from __future__ import annotations

from hypothesis import strategies as st

from agentkeys.access_rules import AccessRule
from tests.support.policy_evaluator import Request

__all__ = ["READING", "WRITING", "access_rules", "requests"]

READING = ("s3:GetObject",)
WRITING = (
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
)
_OTHERS = ("s3:GetObjectVersion", "s3:PutObjectAcl", "s3:GetObjectTagging", "s3:*")
_OF_BUCKETS = (
    "s3:ListBucket",
    "s3:GetBucketLocation",
    "s3:ListBucketVersions",
    "s3:ListBucketMultipartUploads",
    "s3:DeleteBucket",
    "s3:GetBucketPolicy",
)
_BUCKETS = st.sampled_from(["bucket", "bucket2", "buc.ket"])
_NAMES = st.sampled_from(["data", "data2", "Data", "dat", "a b", 'q"', "x:y", "~#%2F+&'", "..."])
_PATHS = st.lists(_NAMES, max_size=3).map("/".join)


def _keys_of_rules() -> st.SearchStrategy[str]:
    return st.builds(lambda path, end: path and path + end, _PATHS, st.sampled_from(["", "/"]))


def access_rules() -> st.SearchStrategy[AccessRule]:
    """Whole buckets, prefixes and objects, to read and to write."""
    return st.builds(AccessRule, _BUCKETS, _keys_of_rules(), st.sampled_from(["ro", "rw"]))


def requests() -> st.SearchStrategy[Request]:
    """For objects in and out of such places, and for buckets."""
    keys = st.builds("{}{}".format, _keys_of_rules(), st.sampled_from(["", "x", "/", "/x", "2/x"]))
    of_objects = st.sampled_from([*READING, *WRITING, *_OTHERS])
    return st.builds(
        Request, of_objects | st.sampled_from(_OF_BUCKETS), _BUCKETS, keys
    ) | st.builds(
        Request, st.sampled_from(_OF_BUCKETS) | of_objects, _BUCKETS, st.none(), st.none() | keys
    )
