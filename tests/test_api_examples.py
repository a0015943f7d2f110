"""The examples for programs work as they are copied, with this server's own address."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
import requests
from chat_page import running
from flask.testing import FlaskClient
from scripted_ollama import ScriptedOllama

from insight_app.api.examples import KEY, examples


@pytest.fixture
def address(tmp_path: Path, ollama: ScriptedOllama) -> Iterator[str]:
    with running(tmp_path, OLLAMA_BASE_URL=ollama.url) as url:
        yield url


def code(example: str) -> str:
    return "\n".join(example.strip().split("\n")[1:-1])


def as_curl(command: str) -> str:
    """What curl would print: not every machine has one."""
    program, flag, address, *rest = shlex.split(command.replace("\\\n", " "))
    assert (program, flag) == ("curl", "-N")
    options = dict(zip(rest[::2], rest[1::2], strict=True))
    name, _, value = options["-H"].partition(": ")
    return requests.post(address, data=options["-d"].encode(), headers={name: value}, timeout=20).text


def test_what_is_copied_asks_and_gets_an_answer(address: str, ollama: ScriptedOllama, tmp_path: Path) -> None:
    shown = examples(address, "llama3.2:latest", with_key=False)
    ollama.script("Because of the air.")
    command = [sys.executable, "-c", code(shown["Python"])]
    # Somewhere else: whoever copies it has the client and nothing of ours.
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "Because of the air."
    ollama.script("Because of the air.")
    said = as_curl(code(shown["curl"]))
    assert '"content":"Because of the air."' in said
    assert said.endswith("data: [DONE]\n\n")
    ollama.script("Because of the air.")
    assert as_curl(code(shown["A conversation that is kept"])) == "Because of the air."
    assert [talk[0]["content"] for talk in ollama.talks()] == ["Why is the sky blue?"] * 3


@pytest.mark.parametrize("model", ["llama3.2", 'it\'s "odd"', "$(reboot)", "`x`"])
def test_no_name_of_a_model_breaks_out_of_its_place(model: str) -> None:
    shown = examples("http://127.0.0.1:1", model, with_key=False)
    sent = shlex.split(code(shown["curl"]))[-1]
    assert json.loads(sent)["model"] == model
    compile(code(shown["Python"]), "example", "exec")
    assert json.dumps(model) in shown["JavaScript"]


def test_where_keys_are_needed_each_example_has_a_place_for_one() -> None:
    assert all(KEY in text for text in examples("http://x", "m", with_key=True).values())
    assert not any("Bearer" in text for text in examples("http://x", "m", with_key=False).values())


def test_the_page_shows_them_with_buttons_to_copy(client: FlaskClient) -> None:
    page = client.get("/settings/api", base_url="http://127.0.0.1:8123").text
    text = unescape(re.sub(r"<[^>]*>", "", page))
    assert page.count('data-copy="code"') == 4
    for words in (
        "The address is http://127.0.0.1:8123/v1. No key is needed",
        'client = OpenAI(base_url="http://127.0.0.1:8123/v1"',
        'model="llama3.2:latest"',
        "await fetch(",
    ):
        assert words in text
    assert 'href="/api/openapi.json"' in page
