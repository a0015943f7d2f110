"""Pictures as each protocol wants them."""

from __future__ import annotations

import base64
import json
from typing import Any

from files import jpeg, png
from scripted_ollama import ScriptedOllama

from insight_app.engines.base import Stop, Task, Turn
from insight_app.engines.fallback import Fallback
from insight_app.engines.ollama import Ollama
from insight_app.engines.openai_request import request

DRAWING, PHOTO = png(3, 3), jpeg(3, 3)
TURNS = (Turn("user", "What is it?", images=(DRAWING, PHOTO)), Turn("assistant", "A square."), Turn("user", "Sure?"))


def test_ollama_gets_base64_beside_the_text(ollama: ScriptedOllama) -> None:
    list(Ollama(ollama.url, silence_seconds=5).stream(Task("llama3.2", TURNS), Stop()))
    first, _, last = ollama.chats()[0]["messages"]
    assert [base64.b64decode(each) for each in first["images"]] == [DRAWING, PHOTO]
    assert first["content"] == "What is it?"
    assert "images" not in last


def test_openai_servers_get_parts_and_a_plain_text_where_there_is_no_picture() -> None:
    said: dict[str, Any] = json.loads(request(Task("m", TURNS), "m", "", None, None))
    drawing, photo, text = said["messages"][0]["content"]
    assert drawing["image_url"]["url"] == f"data:image/png;base64,{base64.b64encode(DRAWING).decode()}"
    assert photo["image_url"]["url"].startswith("data:image/jpeg;base64,")
    assert text == {"type": "text", "text": "What is it?"}
    assert said["messages"][2]["content"] == "Sure?"


def test_it_is_known_of_a_model_whether_it_sees_where_its_engine_says_so(ollama: ScriptedOllama) -> None:
    ollama.models[:] = ["llava:latest", "llama3.2:latest", "old:latest"]
    ollama.capabilities |= {"llava:latest": ["completion", "vision"], "old:latest": None}
    engine = Fallback([Ollama(ollama.url, silence_seconds=5)])
    engine.look()
    assert [engine.sees(each) for each in ("llava", "llama3.2", "old", "unknown", "")] == [
        True,
        False,
        None,
        None,
        True,
    ]
