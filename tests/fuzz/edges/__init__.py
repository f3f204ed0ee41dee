"""The ways in, by name."""

from __future__ import annotations

from tests.fuzz.edges.allow_rules import ALLOW_RULES
from tests.fuzz.edges.configuration import CONFIGURATION
from tests.fuzz.edges.edge import Edge, Finding
from tests.fuzz.edges.endpoint_http import ENDPOINT_HTTP
from tests.fuzz.edges.jwt import JWT
from tests.fuzz.edges.ledger import LEDGER
from tests.fuzz.edges.socket_http import SOCKET_HTTP
from tests.fuzz.edges.sts_xml import STS_XML

__all__ = ["EDGES", "Edge", "Finding"]

EDGES = {
    edge.name: edge
    for edge in (STS_XML, JWT, CONFIGURATION, SOCKET_HTTP, ENDPOINT_HTTP, LEDGER, ALLOW_RULES)
}
