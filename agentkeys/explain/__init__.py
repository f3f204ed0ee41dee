"""What a store needs for a profile, and how its sessions end early: texts that can be pasted.

One file for each kind of store, pure functions of what is known of the installation.
"""

from __future__ import annotations

from datetime import datetime

from agentkeys.explain import aws, ceph, minio, seaweedfs
from agentkeys.explain.choosing import choose_profile
from agentkeys.explain.part import Part
from agentkeys.explain.setting import Setting, setting_of
from agentkeys.stores import AWS, CEPH, MINIO, SEAWEEDFS, StoreKind

__all__ = ["Part", "Setting", "choose_profile", "explain_ending", "explain_needs", "setting_of"]

_NEEDS = {
    AWS.name: aws.needs,
    MINIO.name: minio.needs,
    CEPH.name: ceph.needs,
    SEAWEEDFS.name: seaweedfs.needs,
}
_ENDINGS = {
    AWS.name: aws.ending,
    MINIO.name: minio.ending,
    CEPH.name: ceph.ending,
    SEAWEEDFS.name: seaweedfs.ending,
}


def explain_needs(kind: StoreKind, setting: Setting) -> list[Part]:
    """In the order in which it is set up.

    Raises ConfigError where that kind of store cannot confine as the setting says.
    """
    return list(_NEEDS[kind.name](setting))


def explain_ending(kind: StoreKind, setting: Setting, *, now: datetime) -> list[Part]:
    """How sessions that began before `now` are ended before they expire, as far as they can be."""
    return list(_ENDINGS[kind.name](setting, now))
