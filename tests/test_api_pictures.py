"""Pictures that programs send, at both doors: made anew like those of the composer, and refused with the same words."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from files import jpeg, png
from flask.testing import FlaskClient
from own_app import running
from PIL import Image
from scripted_ollama import ScriptedOllama
from test_chat_attachment_routes import rows, seeing  # noqa: F401
from werkzeug.test import TestResponse

from insight_app.api import pictures
from insight_app.config import Settings
from insight_app.errors import TooLarge
from insight_app.services import Services

pytestmark = pytest.mark.usefixtures("seeing")
PHOTO = jpeg(2000, 1000, place="secret place")


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def chat(client: FlaskClient, *images: object, message: str = "What is it?", **more: Any) -> TestResponse:
    return client.post("/api/chat", json={"message": message, "images": list(images), **more})


def complete(client: FlaskClient, *urls: str, role: str = "user", **more: Any) -> TestResponse:
    parts = [{"type": "image_url", "image_url": {"url": url, "detail": "low"}} for url in urls]
    content = [*parts, {"type": "text", "text": "What is it?"}]
    return client.post("/v1/chat/completions", json={"messages": [{"role": role, "content": content}], **more})


def address_of(data: bytes) -> str:
    return f"data:image/jpeg;base64,{base64_of(data)}"


def expect_clean(turn: dict[str, Any]) -> None:
    [picture] = turn["images"]
    body = base64.b64decode(picture)
    assert b"secret place" not in body
    assert Image.open(BytesIO(body)).size == (1568, 784)


def told(response: TestResponse) -> tuple[int, str, str]:
    assert response.json is not None
    error = response.json["error"]
    return response.status_code, error["code"], error["message"]


def test_a_picture_at_api_chat_is_kept_with_its_message(
    client: FlaskClient, ollama: ScriptedOllama, services: Services
) -> None:
    first = chat(client, base64_of(PHOTO))
    assert first.status_code == 200
    first.close()
    [turn] = ollama.talks()[0]
    assert turn["content"] == "What is it?"
    expect_clean(turn)
    home = first.headers["X-Conversation-Id"]
    assert 'alt="Picture 1"' in client.get(f"/c/{home}").text
    assert client.post("/api/chat", json={"message": "And now?", "conversation_id": home}).text
    expect_clean(ollama.talks()[1][0])
    alone = chat(client, base64_of(png(3, 3)), base64_of(png(4, 4)), message="", temporary=True)
    assert alone.text
    assert (ollama.talks()[2][0]["content"], len(ollama.talks()[2][0]["images"])) == ("", 2)
    assert len(rows(services)) == 1, "nothing of a temporary chat is kept"


def test_a_picture_at_v1_is_kept_nowhere(client: FlaskClient, ollama: ScriptedOllama, services: Services) -> None:
    assert complete(client, address_of(PHOTO)).status_code == 200
    [turn] = ollama.talks()[0]
    assert turn["content"] == "What is it?"
    expect_clean(turn)
    assert complete(client, address_of(png(3, 3)), address_of(png(4, 4)), stream=True).text
    assert len(ollama.talks()[1][0]["images"]) == 2
    assert rows(services) == []


def test_a_model_that_sees_nothing_is_asked_nothing(client: FlaskClient, ollama: ScriptedOllama) -> None:
    for response in (
        chat(client, base64_of(PHOTO), model="llama3.2:latest"),
        complete(client, address_of(PHOTO), model="llama3.2:latest"),
    ):
        _, code, message = told(response)
        assert code == "model_blind"
        assert "“llama3.2:latest” sees no pictures. Remove the picture, or choose a model that sees: llava" in message
    assert not ollama.chats()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"only text", "not_a_picture"),
        (b"%PDF-1.4 some pages", "not_a_picture"),
        (b"\xff\xd8\xffcut off", "image_broken"),
        (b"", "not_a_picture"),
    ],
    ids=["text", "PDF", "broken", "nothing"],
)
def test_what_is_no_picture_is_said_to_be_none(
    client: FlaskClient, ollama: ScriptedOllama, services: Services, data: bytes, code: str
) -> None:
    for response, where in (
        (chat(client, base64_of(data)), "images[0]"),
        (complete(client, address_of(data)), "messages[0].content[0].image_url.url"),
    ):
        _, found, message = told(response)
        assert (found, where in message) == (code, True)
    assert not ollama.chats()
    assert rows(services) == []


def test_what_is_no_base64_and_no_data_address_is_refused(client: FlaskClient, ollama: ScriptedOllama) -> None:
    assert told(chat(client, "ä"))[:2] == (400, "not_a_picture")
    assert told(chat(client, 7))[:2] == (400, "not_a_picture")
    for url in (
        "https://example.org/photo.jpg",
        "file:///etc/passwd",
        "data:text/html;base64,aGk=",
        "data:image/png,x",
    ):
        assert told(complete(client, url))[:2] == (400, "not_a_picture")
    assert told(complete(client, address_of(PHOTO), role="system"))[:2] == (400, "invalid_request")
    assert told(chat(client, message=""))[:2] == (422, "empty_prompt")
    assert not ollama.chats()


@pytest.fixture
def small(settings: Settings) -> Iterator[FlaskClient]:
    """A program of a server whose files may have one MB."""
    with running(replace(settings, max_attachment_mb=1)) as app:
        yield app.test_client()


def test_sizes_are_those_of_files(small: FlaskClient, settings: Settings) -> None:
    noise = BytesIO()
    Image.effect_noise((900, 900), 90).save(noise, "PNG")
    large, some = b"\xff\xd8\xff" + bytes(2**20), noise.getvalue()
    for door in (
        lambda *data: chat(small, *map(base64_of, data)),
        lambda *data: complete(small, *map(address_of, data)),
    ):
        assert told(door(large))[:2] == (413, "file_too_large")
        assert told(door(some, some, some))[:2] == (413, "files_too_large")
        assert told(door(*[png(2, 2)] * 11))[1] == "too_many_files"
        assert told(door(*[large] * 6))[:2] == (413, "too_large"), "and is not read at all"
        assert door(some).status_code == 200
    with running(replace(settings, max_attachment_mb=0)) as app:
        assert told(chat(app.test_client(), base64_of(PHOTO)))[1] == "file_refused"


def test_only_pictures_make_a_request_large(client: FlaskClient) -> None:
    """Countless small things take long to read, for everybody."""
    many = {"message": "Hi", "more": [0] * (3 * 2**20)}
    for path in ("/api/chat", "/v1/chat/completions"):
        response = client.post(path, json=many)
        assert told(response)[:2] == (413, "too_large")


def test_rows_that_are_just_too_short_for_a_picture_are_counted_at_once() -> None:
    """A pattern looked through each of them once for each of its characters: 5 MB had everybody wait for 14 seconds."""
    few, most = b"A" * 999 + b" ", 2**20
    began = time.process_time()
    with pytest.raises(TooLarge):
        pictures.expect_little_else(few * 10_000, most)
    assert time.process_time() - began < 2
    pictures.expect_little_else(few * 1000 + b'"' + b"/9j+" * 10**6 + b'" ' + b"A=" * 500, most)
