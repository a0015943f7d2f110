"""Somebody who uses the app without a browser: opens pages, sends their forms, follows answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape

import requests
from flask.testing import FlaskClient
from werkzeug.test import TestResponse


class Visitor:
    """Somebody who opens pages and sends their forms, without JavaScript."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.page = ""
        self.url = "/"

    def open(self, url: str) -> str:
        response = self.client.get(url)
        self.url, self.page = url, response.text
        response.close()
        return self.page

    def field(self, name: str) -> str:
        """The value of the page's (last) field of this name."""
        return unescape(re.findall(rf'name="{name}" value="([^"]*)"', self.page)[-1])

    def send(self, url: str, *, htmx: bool = False, **fields: str) -> TestResponse:
        """Posts a form of the page that is open."""
        data = {"csrf_token": self.field("csrf_token"), **fields}
        return self.client.post(url, data=data, headers={"HX-Request": "true"} if htmx else {})

    def ask(self, message: str, **fields: str) -> int:
        """Sends a prompt from the page that is open, opens its conversation, and returns the answer's id."""
        url = self.url + "/messages" if self.url.startswith("/c/") else "/messages"
        response = self.send(url, message=message, key=self.field("key"), **fields)
        assert response.status_code == 303, response.text
        self.open(response.location)
        return int(re.findall(r'<article id="a(\d+)" class="answer"', self.page)[-1])

    def watch(self, answer_id: int) -> str:
        """Follows an answer to its end; returns everything its stream said."""
        return self.client.get(f"/answers/{answer_id}/stream").text

    def asks_and_waits(self, message: str, **fields: str) -> int:
        answer_id = self.ask(message, **fields)
        self.watch(answer_id)
        self.open(self.url)
        return answer_id


class RealClient:
    """What a visitor needs of Flask's client, over a real connection to a server of its own."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Connection"] = "close"  # a killed server's is of no use

    def get(self, url: str) -> requests.Response:
        return self._ask("GET", url)

    def post(self, url: str, data: Mapping[str, str] | bytes, headers: Mapping[str, str]) -> requests.Response:
        return self._ask("POST", url, data=data, headers=headers)

    def _ask(self, method: str, url: str, **given: object) -> requests.Response:
        response = self._session.request(method, self._server + url, allow_redirects=False, timeout=30, **given)
        response.location = response.headers.get("Location", "")
        return response
