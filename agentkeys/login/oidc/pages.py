"""What the browser shows once it has come back from the issuer."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

__all__ = ["DONE", "NOT_FOUND", "REFUSED", "STRANGE", "Page"]

_HEADERS = (
    ("content-type", "text/html; charset=utf-8"),
    ("cache-control", "no-store"),
    # The address holds the code, and no other page is to see it.
    ("referrer-policy", "no-referrer"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("x-content-type-options", "nosniff"),
    ("connection", "close"),
)

_HTML = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} – agentkeys</title>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{words}</p>
</main>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Page:
    """One whole answer."""

    status: int
    title: str
    words: str

    @property
    def body(self) -> bytes:
        return _HTML.format(title=escape(self.title), words=escape(self.words)).encode()

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [*_HEADERS, ("content-length", str(len(self.body)))]


DONE = Page(200, "Back to your terminal", "agentkeys has the answer. You can close this window.")
REFUSED = Page(
    200,
    "The login was refused",
    "agentkeys has been told so. You can close this window and try again in your terminal.",
)
STRANGE = Page(
    400,
    "Not the login that was begun",
    "agentkeys still waits for the one that it began. Open the address that your terminal shows.",
)
NOT_FOUND = Page(404, "Nothing here", "Go back to your terminal.")
