"""The page Models: what it lists, what it lets be done, and what it says when it cannot."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from own_app import Start, running
from own_redis import OwnRedis
from scripted_ollama import WEIGHTS, ScriptedOllama, error, fetching, gate, pulled, status, telling
from scripted_openai import ScriptedOpenAI
from test_chat_line import Answer
from test_chat_replies import until
from visitor import Visitor

from insight_app.chat.line_redis import LineInRedis
from insight_app.chat.replies_redis import RepliesInRedis
from insight_app.config import Settings
from insight_app.engines import wire
from insight_app.errors import DatabaseBusy
from insight_app.library import library as library_module
from insight_app.library import shelf
from insight_app.library.machine import Machine
from insight_app.limits.quotas import Allowance
from insight_app.limits.store import RoleRules
from insight_app.services import Services

ELSEWHERE = "gpt-oss:120b-cloud"
HOSTILE = '<script>alert("x")</script>'


@pytest.fixture(autouse=True)
def roomy(monkeypatch: pytest.MonkeyPatch) -> list[Machine]:
    """What the machine is said to have; a test may put another one in."""
    found = [Machine(16 * 10**9, 100 * 10**9, 8, "/models")]
    monkeypatch.setattr(library_module, "this_machine", lambda folder: found[0])
    return found


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stalls for a moment has no page that knows nothing yet."""
    monkeypatch.setattr(shelf, "PATIENCE_SECONDS", 5.0)


def here(page: str) -> str:
    """What the page says of the models that are here."""
    return plain(page.partition('id="here"')[2].partition('id="wanted"')[0])


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", html)))


def test_the_page_lists_what_is_here_with_all_that_is_known(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.capabilities["llama3.2:latest"] = ["completion", "vision", "tools", "thinking", "whatever"]
    said = here(visitor.open("/models"))
    for words in ("llama3.2:latest", "4 GB", "8.0B", "Q4_K_M", "Chats", "Sees images", "Uses tools", "Thinks before"):
        assert words in said
    assert "whatever" not in said
    assert "In memory" in said
    assert "Free on the disk of the models (/models): 100 GB." in said
    assert "Memory of this machine: 16 GB." in said


def test_what_is_in_memory_says_how_long_and_how_much_of_it_is_on_the_card(
    visitor: Visitor, ollama: ScriptedOllama
) -> None:
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 240))
    entry = {"name": "llama3.2:latest", "size": 5 * 10**9, "size_vram": 3 * 10**9, "expires_at": soon}
    ollama.script(status(200, {"models": [entry]}), path="/api/ps")
    said = here(visitor.open("/models"))
    assert "In memory. Time left, if nobody asks it: 4 minutes." in said
    assert "It takes 5 GB, 60 percent of it on the graphics card." in said


def test_what_runs_elsewhere_says_so_and_whether_it_may(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.models.append(ELSEWHERE)
    ollama.remote.add(ELSEWHERE)
    assert "runs on another machine and is not allowed here" in here(visitor.open("/models"))


def test_the_page_does_not_wait_for_an_ollama_that_hangs(
    visitor: Visitor, ollama: ScriptedOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "QUICK_SECONDS", 60.0)
    goes_on = threading.Event()
    for _ in range(2):  # the engine may be looked at just now too
        ollama.script(gate(goes_on), path="/api/tags")
    assert "Looking for models…" in plain(visitor.open("/models"))
    goes_on.set()
    until(lambda: "llama3.2:latest" in here(visitor.open("/models")))


def test_an_ollama_that_is_away_is_told_with_what_to_do(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.close()
    said = plain(visitor.open("/models"))
    assert "Start Ollama" in said
    assert "get it from ollama.com" in said
    assert visitor.client.get("/models/now").status_code == 200


def test_no_model_yet_leads_to_one(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.models.clear()
    page = visitor.open("/models")
    assert "There is no model yet. Fetch one below" in here(page)
    assert len(re.findall("Best for this machine", page)) == 1


def test_nothing_has_the_focus_before_somebody_does_something(visitor: Visitor) -> None:
    assert "autofocus" not in visitor.open("/models")


def test_the_recommended_ones_say_how_they_fit(visitor: Visitor, roomy: list[Machine]) -> None:
    roomy[0] = Machine(4 * 10**9, 100 * 10**9, 2)
    said = plain(visitor.open("/models").partition('id="wanted"')[2])
    best = re.search(r"(\S+) Best for this machine", said)
    assert best is not None
    assert best[1] == "llama3.2:1b"
    assert re.search(r"llama3 Too large for the memory here", said)
    assert re.search(r"smollm2:135m Fits this machine", said)
    roomy[0] = Machine(64 * 10**9, 3 * 10**9, 8)
    page = visitor.open("/models")
    assert re.search(r"llama3 No room on the disk", plain(page))
    assert 'value="llama3"' not in page


def test_a_model_is_fetched_and_then_in_the_picker(
    visitor: Visitor, ollama: ScriptedOllama, services: Services
) -> None:
    goes_on = threading.Event()
    script = (telling("pulling manifest"), fetching(WEIGHTS, 10**9, 4 * 10**8), gate(goes_on), pulled)
    ollama.script(*script, path="/api/pull")
    visitor.open("/models")
    response = visitor.send("/models/pull", name="mistral")
    assert (response.status_code, response.location) == (303, "/models?done=begun")
    assert "is being fetched" in visitor.open(response.location)

    def now(query: str = "") -> str:
        return str(visitor.client.get(f"/models/now{query}").text)

    seen = until(lambda: now() if "40&nbsp;%" in now() else "")
    assert '<progress value="40" max="100"' in seen
    assert "400 MB of 1 GB" in seen
    assert 'hx-trigger="every 1s"' in seen
    again = visitor.send("/models/pull", name="mistral:latest")
    assert again.location == "/models?done=under-way"
    goes_on.set()
    done = until(lambda: found if "ready to answer" in (found := now("?at=40+pulling+mistral:latest")) else "")
    assert "mistral:latest is here, and ready to answer." in done
    assert 'hx-trigger="every 5s"' in done
    assert "It is here." in plain(done)
    until(lambda: 'value="mistral:latest"' in visitor.client.get("/models/picker").text)
    assert [request.body for request in ollama.requests if request.path == "/api/pull"] == [{"model": "mistral:latest"}]


def test_a_page_hears_of_the_begin_each_quarter_and_the_end_and_of_nothing_in_between(
    visitor: Visitor, ollama: ScriptedOllama
) -> None:
    goes_on = threading.Event()
    ollama.script(fetching(WEIGHTS, 1000, 560), gate(goes_on), pulled, path="/api/pull")
    visitor.open("/models")
    visitor.send("/models/pull", name="mistral")

    def said(query: str) -> str:
        found = visitor.client.get(f"/models/now{query}").text
        return plain(
            found.partition('hx-target="#announcer"')[2].partition("</hx-partial>")[0].partition(">")[2]
        ).strip()

    until(lambda: "56&nbsp;%" in visitor.client.get("/models/now").text)
    assert said("") == "mistral:latest is being fetched."
    assert said("?at=30+pulling+mistral:latest") == "mistral:latest: 56 percent are here."
    assert said("?at=51+pulling+mistral:latest") == ""
    for broken in ("?at=", "?at=5", "?at=x+y+z", f"?at=99999999999+pulling+mistral:latest&at={'9' * 400}"):
        assert said(broken) == "mistral:latest is being fetched."
    stopped = visitor.send("/models/cancel", name="mistral:latest")
    assert "autofocus>Fetching it is stopped.</p>" in visitor.client.get(stopped.location).text
    assert said("?at=56+pulling+mistral:latest") == "Fetching mistral:latest was stopped."
    assert said("?at=56+cancelled+mistral:latest") == ""


def test_what_failed_says_why_and_can_be_gone_on_with_or_taken_off(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.script(telling("pulling manifest"), error("pull model manifest: file does not exist"), path="/api/pull")
    visitor.open("/models")
    visitor.send("/models/pull", name="lama3")
    until(lambda: "Failed" in visitor.open("/models"))
    said = plain(visitor.page)
    assert "The library has no model of this name. Look it up at ollama.com/library" in said
    assert "Go on" not in said  # it would not be there the next time either
    forgotten = visitor.send("/models/forget", name="lama3:latest")
    assert "lama3:latest" not in visitor.open(forgotten.location)
    assert "autofocus>It is off the list.</p>" in visitor.page
    ollama.script(fetching(WEIGHTS, 1000, 500), error("no space left on device"), path="/api/pull")
    visitor.send("/models/pull", name="llama3")
    until(lambda: "Failed" in visitor.open("/models"))
    said = plain(visitor.page)
    assert "not enough room for this model" in said
    assert "Go on" in said


@pytest.mark.parametrize("name", ["", HOSTILE, "a b", "x" * 5000])
def test_what_can_be_no_name_is_told_beside_the_field_and_is_not_sent(
    visitor: Visitor, ollama: ScriptedOllama, name: str
) -> None:
    visitor.open("/models")
    response = visitor.send("/models/pull", name=name)
    assert response.status_code == 422
    assert "No model can have this name." in response.text
    assert "<script>alert" not in response.text
    assert not [request for request in ollama.requests if request.path == "/api/pull"]


def test_a_model_of_the_cloud_is_refused_unless_that_is_allowed(
    visitor: Visitor, ollama: ScriptedOllama, settings: Settings, tmp_path: Path
) -> None:
    visitor.open("/models")
    response = visitor.send("/models/pull", name=ELSEWHERE)
    assert response.status_code == 403
    assert "would run on another machine" in plain(response.text)
    allowing = replace(settings, allow_remote_models=True, data_dir=tmp_path / "other", database_url="")
    with running(allowing) as app:
        other = Visitor(app.test_client())
        other.open("/models")
        assert other.send("/models/pull", name=ELSEWHERE).status_code == 303


def test_what_is_larger_than_the_disk_is_refused_before_it_begins(
    visitor: Visitor, ollama: ScriptedOllama, roomy: list[Machine]
) -> None:
    roomy[0] = Machine(64 * 10**9, 3 * 10**9, 8)
    visitor.open("/models")
    response = visitor.send("/models/pull", name="llama3")
    assert response.status_code == 507
    assert "This model takes 4.7 GB, and 3 GB are free" in plain(response.text)


def test_removing_asks_first_says_what_it_frees_and_does_it(visitor: Visitor, ollama: ScriptedOllama) -> None:
    visitor.open("/models")
    assert "This frees up to 4 GB" in here(visitor.page)
    response = visitor.send("/models/remove", name="llama3.2:latest")
    assert response.location == "/models?done=removed"
    assert ollama.models == []
    assert "llama3.2:latest" not in here(visitor.open("/models"))
    # Sent twice, it is as gone as before.
    assert visitor.send("/models/remove", name="llama3.2:latest").status_code == 303


def test_a_second_name_of_a_model_frees_nothing(visitor: Visitor, ollama: ScriptedOllama) -> None:
    two = [{"name": name, "size": 5, "digest": "d"} for name in ("mine:latest", "llama3.2:latest")]
    ollama.script(status(200, {"models": two}), path="/api/tags")
    assert "It is the same as mine:latest, so removing it frees nothing." in here(visitor.open("/models"))


def test_a_model_that_answers_just_now_is_not_removed(visitor: Visitor, ollama: ScriptedOllama) -> None:
    goes_on = threading.Event()
    ollama.script("Once ", gate(goes_on))
    answer = visitor.ask("Hi", model="llama3.2:latest")
    until(lambda: "Once" in visitor.client.get(f"/answers/{answer}/text").text or ollama.answers)
    visitor.open("/models")
    response = visitor.send("/models/remove", name="llama3.2")
    assert response.status_code == 409
    assert "is writing an answer just now" in response.text
    assert ollama.models == ["llama3.2:latest"]
    goes_on.set()


def test_a_model_that_answers_a_program_is_not_removed(
    visitor: Visitor, ollama: ScriptedOllama, services: Services
) -> None:
    goes_on = threading.Event()
    ollama.script("Once ", gate(goes_on))
    body = {"model": "llama3.2", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    response = visitor.client.post("/v1/chat/completions", json=body, buffered=False)
    until(lambda: "llama3.2:latest" in services.line.models())
    visitor.open("/models")
    assert visitor.send("/models/remove", name="llama3.2").status_code == 409
    goes_on.set()
    response.close()


def test_a_model_that_answers_somebody_at_another_process_is_not_removed(
    redis: OwnRedis, start: Start, ollama: ScriptedOllama, at_end: ExitStack
) -> None:
    other = RepliesInRedis(redis.url)
    at_end.callback(other.leave)
    line = LineInRedis(other.link, other.token, 1)
    at_end.callback(line.leave)
    answer = Answer(line, "somebody", "llama3.2:latest").settled()
    app = start(redis_url=redis.url)
    visitor = Visitor(app.test_client())
    visitor.open("/models")
    until(app.extensions["insight"].line.models)
    assert visitor.send("/models/remove", name="llama3.2").status_code == 409
    answer.end()
    until(lambda: visitor.send("/models/remove", name="llama3.2:latest").status_code == 303)
    assert ollama.models == []


def test_a_page_keeps_what_it_shows_while_the_database_is_away(
    visitor: Visitor, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise DatabaseBusy

    monkeypatch.setattr(services.models, "pulls", away)
    response = visitor.client.get("/models/now", headers={"HX-Request": "true"})
    assert (response.status_code, response.headers["HX-Reswap"], response.text) == (503, "none", "")


def test_a_model_is_taken_out_of_memory(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.script(status(200, {"done": True}), path="/api/generate")
    visitor.open("/models")
    assert visitor.send("/models/unload", name="llama3.2:latest").location == "/models?done=unloaded"
    assert ollama.requests[-1].body == {"model": "llama3.2:latest", "keep_alive": 0, "stream": False}


@pytest.mark.parametrize("action", ["pull", "cancel", "forget", "remove", "unload"])
def test_only_admins_change_what_is_here(alice: Visitor, bob: Visitor, ollama: ScriptedOllama, action: str) -> None:
    bob.open("/")
    assert bob.send(f"/models/{action}", name="llama3.2").status_code == 403
    assert not [request for request in ollama.requests if request.path in ("/api/pull", "/api/delete", "/api/generate")]
    ollama.script(status(200, {"done": True}), path="/api/generate")
    alice.open("/models")
    assert alice.send(f"/models/{action}", name="llama3.2:latest").status_code == 303


def test_a_member_sees_the_models_that_they_may_use_and_nothing_to_press(
    shared: Flask, bob: Visitor, ollama: ScriptedOllama
) -> None:
    services: Services = shared.extensions["insight"]
    ollama.models.append("secret:latest")
    services.limits.set_role("member", RoleRules(Allowance(), ("llama3.2:latest",)))
    page = bob.open("/models")
    assert "llama3.2:latest" in page
    assert "secret" not in page
    assert "<form" not in page.partition('class="library"')[2]
    assert 'id="wanted"' not in page


def test_a_form_of_another_site_changes_nothing(visitor: Visitor, ollama: ScriptedOllama) -> None:
    for action in ("pull", "cancel", "forget", "remove", "unload"):
        assert visitor.client.post(f"/models/{action}", data={"name": "llama3.2:latest"}).status_code == 400
    assert ollama.models == ["llama3.2:latest"]


def test_names_of_models_are_shown_as_text(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.models.append(HOSTILE)
    page = visitor.open("/models")
    assert HOSTILE not in page
    assert unescape("&lt;script&gt;") in here(page)


def test_a_server_with_models_of_its_own_is_shown_and_left_alone(start: Start, at_end: ExitStack) -> None:
    server = at_end.enter_context(ScriptedOpenAI(models=["qwen"]))
    app = start(engine="openai", openai_base_url=server.url)
    visitor = Visitor(app.test_client())
    page = visitor.open("/models")
    assert "qwen" in here(page)
    assert "cannot be fetched or removed from here" in here(page)
    assert "<form" not in page.partition('class="library"')[2]
    visitor.open("/settings/prompt")
    for action in ("pull", "cancel", "forget", "remove", "unload"):
        response = visitor.send(f"/models/{action}", name="qwen")
        assert (response.status_code, "not managed from here" in response.text) == (409, True)


def test_an_ollama_on_another_machine_has_room_that_nobody_knows(
    visitor: Visitor, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library_module, "is_near", lambda url: False)
    said = plain(visitor.open("/models"))
    assert "nobody here knows how much memory and disk it has" in said
    assert "Best for this machine" not in said


@pytest.fixture
def built_in() -> Iterator[ScriptedOllama]:
    with ScriptedOllama(models=["smollm2:135m"]) as server:
        yield server


def test_the_built_in_model_is_listed_and_stays(settings: Settings, built_in: ScriptedOllama, ollama: Any) -> None:
    with running(replace(settings, embedded_base_url=built_in.url)) as app:
        said = here(Visitor(app.test_client()).open("/models"))
    assert "smollm2:135m Built in" in said
    assert "Remove: smollm2" not in said


def test_no_model_leads_from_the_first_page_to_this_one(
    visitor: Visitor, ollama: ScriptedOllama, services: Services
) -> None:
    ollama.models.clear()
    services.engine.look()
    assert 'href="/models"' in visitor.open("/").partition('id="engine"')[2].partition("</div>")[0]
