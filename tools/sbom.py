"""The bill of materials of a release: what is installed with it, as the lock has it.

CycloneDX 1.6 in JSON, with the hashes of every file that an index has of a package, and its licence
where it is installed here. No date and no random number: the same lock makes the same bytes.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterable
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.spdx import fixup_id, is_expression
from cyclonedx.validation.json import JsonStrictValidator
from packaging.utils import canonicalize_name

from tools.pins import Pin

__all__ = ["bill_of_materials"]

_CLASSIFIER = "License :: OSI Approved :: "


def bill_of_materials(version: str, pins: Iterable[Pin], asked: Collection[str]) -> str:
    """For agentkeys of `version` itself, which requires the packages in `asked`.

    Raises ValueError where the result would not be CycloneDX.
    """
    pins = sorted(pins, key=lambda pin: (pin.name, pin.version))
    itself = _purl("agentkeys", version)
    main = {
        "type": "application",
        "bom-ref": itself,
        "name": "agentkeys",
        "version": version,
        "purl": itself,
        "licenses": [{"expression": "Apache-2.0"}],
    }
    bill: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": main},
        "components": [_component(pin) for pin in pins],
        "dependencies": [
            _edges(itself, [pin for pin in pins if pin.name in asked]),
            *(_edges(_ref(pin), [p for p in pins if pin.name in p.wanted_by]) for pin in pins),
        ],
    }
    bill["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(bill)).urn
    text = json.dumps(bill, indent=2) + "\n"
    if problem := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise ValueError(f"this is not CycloneDX: {problem}")
    return text


def _component(pin: Pin) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": _ref(pin),
        "name": pin.name,
        "version": pin.version,
        "purl": _purl(pin.name, pin.version),
        "externalReferences": [
            {
                "type": "distribution",
                "url": f"https://pypi.org/project/{pin.name}/{pin.version}/#files",
                "hashes": [{"alg": "SHA-256", "content": digest} for digest in pin.sha256],
            }
        ],
    }
    if pin.requirement.marker:
        marker = {"name": "agentkeys:marker", "value": str(pin.requirement.marker)}
        component["properties"] = [marker]
    if licenses := _licenses(pin):
        component["licenses"] = licenses
    return component


def _licenses(pin: Pin) -> list[dict[str, Any]]:
    """What the package says of itself; nothing where this version of it is not installed."""
    try:
        told = metadata(pin.name)
    except PackageNotFoundError:
        return []
    if told["Version"] != pin.version:
        return []
    if expression := _expression(told):
        return [{"expression": expression}]
    classifiers = sorted(told.get_all("Classifier") or [])
    names = [one.removeprefix(_CLASSIFIER) for one in classifiers if one.startswith(_CLASSIFIER)]
    return [{"license": {"name": name}} for name in names]


def _expression(told: PackageMetadata) -> str | None:
    """In SPDX's words."""
    for field in ("License-Expression", "License"):
        words: str = (told.get_all(field) or [""])[0]
        known: str | None = fixup_id(words)
        if known or is_expression(words):
            return known or words
    return None


def _edges(ref: str, needed: Iterable[Pin]) -> dict[str, Any]:
    return {"ref": ref, "dependsOn": [_ref(pin) for pin in needed]}


def _ref(pin: Pin) -> str:
    return _purl(pin.name, pin.version)


def _purl(name: str, version: str) -> str:
    return f"pkg:pypi/{canonicalize_name(name)}@{version}"
