"""What Ollama says of its models, of what it fetches and removes, whatever its version puts into it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_ollama import WEIGHTS, ScriptedOllama, closed, cut, error, fetching, gate, pulled, reset, status, telling

from insight_app import errors
from insight_app.engines.base import Stop
from insight_app.engines.lines import Lines
from insight_app.engines.ollama_library import OllamaLibrary
from insight_app.engines.ollama_models import Loaded, everything, loaded
from insight_app.engines.ollama_pulls import Step, meaning, steps
from insight_app.errors import EngineBroke, InsightError, PullFailed


@pytest.fixture
def library(ollama: ScriptedOllama) -> OllamaLibrary:
    return OllamaLibrary(ollama.url)


def pulled_by(library: OllamaLibrary, name: str = "new:latest") -> list[Step]:
    return list(library.pull(name, Stop()))


def test_a_pull_is_told_line_by_line(library: OllamaLibrary, ollama: ScriptedOllama) -> None:
    ollama.script(
        telling("pulling manifest"),
        fetching(WEIGHTS, 1000),
        fetching(WEIGHTS, 1000, 600),
        fetching(WEIGHTS, 1000, 1000),
        pulled,
        path="/api/pull",
    )
    assert pulled_by(library) == [
        Step("preparing"),
        Step("fetching", WEIGHTS, 1000, 0),
        Step("fetching", WEIGHTS, 1000, 600),
        Step("fetching", WEIGHTS, 1000, 1000),
        Step("checking"),
        Step("checking"),
        Step("done"),
    ]
    assert "new:latest" in ollama.models
    assert ollama.requests[-1].body == {"model": "new:latest"}


def test_stopping_closes_the_connection_and_is_no_error(library: OllamaLibrary, ollama: ScriptedOllama) -> None:
    answer = ollama.script(fetching(WEIGHTS, 1000, 10), gate(threading.Event()), path="/api/pull")
    stop, seen = Stop(), []
    for step in library.pull("new:latest", stop):
        seen.append(step)
        stop.ask()
    assert seen == [Step("fetching", WEIGHTS, 1000, 10)]
    assert answer.client_gone.wait(5)


@pytest.mark.parametrize("end", [closed, cut, reset], ids=["closed", "cut", "reset"])
def test_a_pull_that_breaks_off_says_so(
    library: OllamaLibrary, ollama: ScriptedOllama, end: Callable[..., None]
) -> None:
    ollama.script(fetching(WEIGHTS, 1000, 10), end, path="/api/pull")
    with pytest.raises(errors.PullCut):
        pulled_by(library)


def test_an_error_that_comes_behind_the_first_line_is_understood(
    library: OllamaLibrary, ollama: ScriptedOllama
) -> None:
    """As Ollama answers for a name that there is not: status 200, a line, and then the error."""
    ollama.script(telling("pulling manifest"), error("pull model manifest: file does not exist"), path="/api/pull")
    with pytest.raises(errors.PullUnknown):
        pulled_by(library)


@pytest.mark.parametrize(
    ("said", "code", "kind"),
    [
        ("pull model manifest: file does not exist", 200, errors.PullUnknown),
        ("invalid model name", 400, errors.PullUnknown),
        ("write /models/blobs/sha256-a1: no space left on device", 200, errors.PullNoRoom),
        (
            'get "https://registry.ollama.ai/v2/": dial tcp: lookup registry.ollama.ai: no such host',
            200,
            errors.PullOffline,
        ),
        ("max retries exceeded: unexpected eof", 200, errors.PullOffline),
        ("max retries exceeded: write blob: no space left on device", 200, errors.PullNoRoom),
        ("pull model manifest: 412: the model requires a newer version of ollama", 200, errors.PullOutdated),
        ("this model requires mlx support, but the mlx runtime is not available", 200, errors.PullOutdated),
        ("digest mismatch, file must be downloaded again", 200, errors.PullDamaged),
        ("unauthorized", 200, errors.PullForbidden),
        ("pull model manifest: 503: upstream", 200, errors.PullOffline),
        ("", 403, errors.EngineForbids),
        ("something that no version has said yet", 500, errors.PullFailed),
    ],
)
def test_what_ollama_says_becomes_a_cause_and_a_next_step(said: str, code: int, kind: type[InsightError]) -> None:
    assert type(meaning(said, code)) is kind


def test_no_text_of_ollama_gets_into_an_error() -> None:
    with pytest.raises(PullFailed) as raised:
        list(steps([json.dumps({"error": "zeugmatic"}).encode()]))
    assert "zeugmatic" not in f"{raised.value!r} {raised.value} {raised.value.facts}"


@pytest.mark.parametrize("line", [b"{", b"[]", b'"x"', b"\xff\xfe", b"[" * 100_000])
def test_a_line_that_is_not_ollamas_is_an_error_without_the_line(line: bytes) -> None:
    with pytest.raises(EngineBroke):
        list(steps([line]))


VALUES = st.one_of(st.none(), st.integers(), st.text(max_size=20), st.lists(st.integers(), max_size=2), st.floats())
KEYS = st.sampled_from(["status", "digest", "total", "completed", "x"])


@given(st.lists(st.dictionaries(KEYS, VALUES), max_size=8), st.integers(1, 30))
def test_whatever_a_line_holds_no_figure_is_impossible(said: list[dict[str, Any]], width: int) -> None:
    body = b"".join(json.dumps(each).encode() + b"\n" for each in said)
    lines = Lines()
    for start in range(0, len(body), width):
        for step in steps(lines.feed(body[start : start + width])):
            assert 0 <= step.completed <= step.total <= 2**53


def test_a_model_that_would_run_elsewhere_is_not_even_asked_for(library: OllamaLibrary, ollama: ScriptedOllama) -> None:
    with pytest.raises(errors.ModelElsewhere):
        pulled_by(library, "gpt-oss:120b-cloud")
    assert not ollama.requests
    allowed = OllamaLibrary(ollama.url, may_run_elsewhere=True)
    assert pulled_by(allowed, "gpt-oss:120b-cloud")[-1] == Step("done")


def test_a_model_is_removed_and_one_that_is_not_there_is_missing(
    library: OllamaLibrary, ollama: ScriptedOllama
) -> None:
    library.remove("llama3.2:latest")
    assert ollama.models == []
    assert (ollama.requests[-1].method, ollama.requests[-1].path) == ("DELETE", "/api/delete")
    with pytest.raises(errors.ModelMissing):
        library.remove("llama3.2:latest")


def test_a_model_is_taken_out_of_memory(library: OllamaLibrary, ollama: ScriptedOllama) -> None:
    ollama.script(status(200, {"done": True, "done_reason": "unload"}), path="/api/generate")
    library.unload("llama3.2:latest")
    assert ollama.requests[-1].body["keep_alive"] == 0
    assert "prompt" not in ollama.requests[-1].body
    ollama.script(status(500, {"error": "out of memory"}), path="/api/generate")
    with pytest.raises(errors.OutOfMemory):
        library.unload("llama3.2:latest")


def test_what_is_there_and_in_memory_is_looked_at(library: OllamaLibrary, ollama: ScriptedOllama) -> None:
    ollama.models, ollama.loaded = ["a:latest", "b:latest"], ["b:latest"]
    models, in_memory = library.look()
    assert [each.name for each in models] == ["a:latest", "b:latest"]
    assert [(each.name, each.context) for each in in_memory] == [("b:latest", 4096)]
    ollama.script(status(404), path="/api/ps")
    assert library.look()[1] == []
    ollama.script(status(200, b"<html>"), path="/api/tags")
    with pytest.raises(EngineBroke):
        library.look()
    ollama.close()
    with pytest.raises(errors.EngineUnreachable):
        library.look()


def test_a_model_that_only_makes_vectors_is_listed_too() -> None:
    entry = {
        "name": "e",
        "size": 5,
        "digest": "d",
        "capabilities": ["embedding"],
        "details": {"family": "bert", "context_length": 512},
    }
    (model,) = everything(json.dumps({"models": [entry]}).encode())
    assert (model.size, model.digest, model.family, model.context) == (5, "d", "bert", 512)


@pytest.mark.parametrize(
    ("expires", "until"),
    [
        ("2026-11-28T12:00:00.123456789Z", 1795867200.0),
        ("2026-11-28T13:00:00+01:00", 1795867200.0),
        ("2318-01-01T00:00:00Z", 10981785600.0),
        ("0001-01-01T00:00:00Z", -62135596800.0),
        ("soon", None),
        ("2026-99-99T00:00:00Z", None),
        (5, None),
        (None, None),
    ],
)
def test_what_is_in_memory_says_until_when(expires: object, until: float | None) -> None:
    body = json.dumps({"models": [{"name": "a", "expires_at": expires}]}).encode()
    assert loaded(body) == [Loaded("a", until=until)]


def test_no_more_is_on_the_graphics_card_than_there_is() -> None:
    body = json.dumps({"models": [{"name": "a", "size": 5, "size_vram": 9}, {"size": 3}, {"name": "b", "size": -1}]})
    assert loaded(body.encode()) == [Loaded("a", 5, 5), Loaded("b")]
