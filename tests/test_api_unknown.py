"""What no door for programs knows is said as programs read it: with its status, its shape and a way on."""

from __future__ import annotations

import gzip
import json

import pytest
from flask import Flask
from flask.testing import FlaskClient
from scripted_ollama import ScriptedOllama

ASKED = {"messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/chat/completions/", "/v1/", "/v1", "/api", "/api/answers/a"])
def test_an_address_that_there_is_not_points_to_those_that_there_are(client: FlaskClient, path: str) -> None:
    for response in (client.get(path), client.post(path, json={"model": "a", "input": "b"})):
        assert response.status_code == 404
        assert response.json
        assert response.json["error"]["code"] == "address_unknown"
        assert "/api/openapi.json" in response.json["error"]["message"]
        assert "conversation" not in response.json["error"]["message"]


@pytest.mark.parametrize("path", ["/v1", "/v1/embeddings", "/api"])
def test_where_people_sign_in_it_needs_a_key_and_leads_to_no_page(shared: Flask, path: str) -> None:
    response = shared.test_client().get(path)
    assert (response.status_code, response.json and response.json["error"]["code"]) == (401, "key_refused")


def test_a_method_that_is_not_taken_is_told_with_those_that_are(client: FlaskClient) -> None:
    response = client.get("/v1/chat/completions")
    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}
    assert response.json
    assert "/api/openapi.json" in response.json["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/models", "/api/chat", "/healthz"])
def test_a_method_that_no_address_takes_is_no_fault_of_the_server(client: FlaskClient, path: str) -> None:
    assert client.open(path, method="TRACE").status_code == 405


@pytest.mark.parametrize(("path", "body"), [("/v1/chat/completions", ASKED), ("/api/chat", {"message": "Hi"})])
def test_a_compressed_body_is_said_to_be_that(
    client: FlaskClient, ollama: ScriptedOllama, path: str, body: dict[str, object]
) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    response = client.post(path, data=gzip.compress(json.dumps(body).encode()), headers=headers)
    assert response.status_code == 415
    assert response.json
    assert response.json["error"]["code"] == "body_compressed"
    assert not ollama.chats()


def test_a_body_that_says_that_it_is_not_compressed_is_taken(client: FlaskClient) -> None:
    assert client.post("/v1/chat/completions", json=ASKED, headers={"Content-Encoding": "identity"}).status_code == 200


@pytest.mark.parametrize("path", ["/v1/models", "/api/usage"])
def test_a_name_that_is_not_ours_is_told_in_the_same_shape(client: FlaskClient, path: str) -> None:
    response = client.get(path, headers={"Host": "evil.example"})
    assert response.status_code == 400
    assert response.json
    assert response.json["error"]["code"] == "unknown_host"
    assert "ALLOWED_HOSTS" in response.json["error"]["message"]
