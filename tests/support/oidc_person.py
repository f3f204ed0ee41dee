"""A person at the pages of the OpenID Connect provider, without the weight of a browser."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx

__all__ = ["Person"]

_REDIRECTS = (301, 302, 303, 307, 308)
_LIMIT = 30

Answers = dict[str, dict[str, str]]
"""For a form, by its id: what the person puts into it."""


class Person:
    """Somebody called `name`, whose browser remembers that they have logged in.

    Takes HTTP and forms alone: no page of the provider needs more.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._http = httpx.Client(timeout=30, trust_env=False)

    def __enter__(self) -> Person:
        return self

    def __exit__(self, *exception: object) -> None:
        self._http.close()

    def log_in(self, address: str) -> str:
        """Logs in and consents; returns where the provider sends the browser then, unvisited."""
        return self._leave(address, {"login": {"login": self.name}, "consent": {}})

    def refuse(self, address: str) -> str:
        """Logs in if asked, and cancels at consent; returns where the browser is sent then."""
        return self._leave(address, {"login": {"login": self.name}, "cancel": {}})

    def visit(self, address: str) -> str:
        """Logs in, consents and goes where the browser is sent; returns the page that is there."""
        return self._http.get(self.log_in(address)).raise_for_status().text

    def approve(self, verification_uri: str, user_code: str) -> None:
        """Types the code that a device shows, and says that it is their own."""
        answers = self._device(user_code, "op.deviceConfirmForm", {})
        page = self._follow(verification_uri, answers)
        assert "The device is logged in" in page, page

    def deny(self, verification_uri: str, user_code: str) -> None:
        """Types the code that a device shows, and says that it is not their own."""
        answers = self._device(user_code, "op.deviceConfirmForm", {"abort": "yes"})
        page = self._follow(verification_uri, answers, until="op.deviceInputForm")
        assert 'id="complaint"' in page, page

    def _device(self, user_code: str, form: str, answer: dict[str, str]) -> Answers:
        return {
            "op.deviceInputForm": {"user_code": user_code},
            form: answer,
            "login": {"login": self.name},
            "consent": {},
        }

    def _leave(self, address: str, answers: Answers) -> str:
        left = self._follow(address, answers)
        assert left.startswith("http"), left
        return left

    def _follow(self, address: str, answers: Answers, until: str = "") -> str:
        """Answers every form; the address outside where it ends, or the page without a form."""
        request = self._http.build_request("GET", address)
        answered: set[str] = set()
        for _ in range(_LIMIT):
            response = self._http.send(request)
            if response.status_code in _REDIRECTS:
                target = urljoin(str(response.url), response.headers["Location"])
                if not _same_site(target, address):
                    return target
                request = self._http.build_request("GET", target)
                continue
            forms = _forms_in(response.raise_for_status().text)
            if not forms or (until in forms and until in answered):
                return response.text
            request = self._answer(forms, answers, str(response.url))
            answered.update(forms)
        raise AssertionError(f"{address} leads nowhere")

    def _answer(self, forms: dict[str, _Form], answers: Answers, page: str) -> httpx.Request:
        for name, answer in answers.items():
            if form := forms.get(name):
                return self._submit(form, answer, page)
        # oidc-provider has a form that submits itself and has no name.
        assert list(forms) == [""], f"{self.name} has no answer to {list(forms)}"
        return self._submit(forms[""], {}, page)

    def _submit(self, form: _Form, answer: dict[str, str], page: str) -> httpx.Request:
        fields = {**form.fields, **answer}
        return self._http.build_request("POST", urljoin(page, form.action), data=fields)


@dataclass
class _Form:
    action: str
    fields: dict[str, str] = field(default_factory=dict)


class _Forms(HTMLParser):
    """Every form of a page with what it holds, by its id."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, _Form] = {}
        self._form: _Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = self.found[values.get("id", "")] = _Form(values["action"])
        elif tag == "input" and self._form and "name" in values:
            self._form.fields[values["name"]] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None


def _forms_in(page: str) -> dict[str, _Form]:
    parser = _Forms()
    parser.feed(page)
    return parser.found


def _same_site(one: str, other: str) -> bool:
    first, second = httpx.URL(one), httpx.URL(other)
    return (first.host, first.port) == (second.host, second.port)
