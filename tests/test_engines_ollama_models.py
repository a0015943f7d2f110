"""Ollama's lists of models are read whatever its version puts into them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from insight_app.engines.base import Model, full_name
from insight_app.engines.ollama_models import Running, installed, running, runs_elsewhere


def listed(*models: Any) -> bytes:
    return json.dumps({"models": list(models)}).encode()


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"name": "a"}, Model("a")),
        ({"model": "a"}, Model("a")),
        ({"name": "a", "size": "big", "details": None, "capabilities": None}, Model("a")),
        ({"name": "a", "details": {"parameter_size": "8B", "quantization_level": ""}}, Model("a", details="8B")),
        ({"name": "a", "remote_host": "https://ollama.com"}, Model("a", remote=True)),
        ({"name": "a", "remote_model": "a"}, Model("a", remote=True)),
        ({"name": "a:120b-cloud"}, Model("a:120b-cloud", remote=True)),
        ({"name": "<b>a</b>"}, Model("<b>a</b>")),
        ({"name": "a\ud800"}, Model("a\ufffd")),
    ],
)
def test_an_entry_is_read(entry: dict[str, Any], expected: Model) -> None:
    assert installed(listed(entry)) == [expected]


@pytest.mark.parametrize(
    "entry", [{}, {"name": ""}, {"name": 5}, "a", None, {"name": "e", "capabilities": ["embedding"]}]
)
def test_what_cannot_be_asked_is_not_listed(entry: Any) -> None:
    assert installed(listed(entry, {"name": "b"})) == [Model("b")]


@pytest.mark.parametrize("body", [b'{"models":null}', b"{}", b'{"models":{}}', b'{"models":[]}'])
def test_no_models_is_an_empty_list(body: bytes) -> None:
    assert installed(body) == []


def test_a_model_is_found_by_its_name_without_the_tag_and_in_any_case() -> None:
    body = listed({"name": "Llama3.2:latest", "context_length": 4096}, {"name": "hf.co/me/it:latest"})
    assert running("llama3.2", body) == Running(4096)
    assert running("hf.co/me/it", body) == Running(None)
    assert running("llama3.2:1b", body) is None


def test_a_context_that_no_database_could_keep_is_not_known() -> None:
    for length in (-1, 0, 2**31, 10**30):
        assert running("it", listed({"name": "it", "context_length": length})) == Running(None)


def test_a_tag_is_not_mistaken_for_the_port_of_a_registry() -> None:
    assert full_name("localhost:5000/me/it") == "localhost:5000/me/it:latest"
    assert full_name("it:1b") == "it:1b"


@pytest.mark.parametrize(("name", "elsewhere"), [("a:cloud", True), ("a:1b-cloud", True), ("cloudy:1b", False)])
def test_cloud_models_are_known_by_name(name: str, elsewhere: bool) -> None:
    assert runs_elsewhere(name) is elsewhere
