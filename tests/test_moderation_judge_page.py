"""The page of the judge: who can be chosen, what each family looks for, and what is typed and wrong."""

from __future__ import annotations

import pytest
from scripted_ollama import ScriptedOllama
from visitor import Visitor

from insight_app.moderation.judge_families import Fate
from insight_app.moderation.judge_settings import JUDGE, JudgeSettings
from insight_app.moderation.store import Entry
from insight_app.services import Services

LLAMA, SHIELD = "llama-guard3:1b", "shieldgemma:2b"
PAGE = "/settings/moderation/judge"
CHOSEN = {"prompts": "y", "seconds": "9", "late": "flag"}


@pytest.fixture
def ollama(ollama: ScriptedOllama) -> ScriptedOllama:
    ollama.models = [LLAMA, "llama3.2:latest", SHIELD, "shieldgemma:cloud"]
    ollama.remote = {"shieldgemma:cloud"}
    return ollama


def kept(services: Services) -> JudgeSettings:
    return JudgeSettings.from_json(next(entry.body for entry in services.rules.entries()[1] if entry.id == JUDGE))


def test_only_installed_models_that_can_judge_here_can_be_chosen(visitor: Visitor, services: Services) -> None:
    page = visitor.open(PAGE)
    select = page.split('<select id="model"')[1].split("</select>")[0]
    assert [name in select for name in (LLAMA, SHIELD, "llama3.2", "cloud")] == [True, True, False, False]
    for model in ("llama3.2:latest", "shieldgemma:cloud", "llama-guard3:8b"):
        said = visitor.send(PAGE, model=model, **CHOSEN)
        assert said.status_code == 422
        assert "can judge." in said.text
    assert services.rules.changes()[0].who == "this server"


def test_what_is_saved_holds_and_is_shown_and_can_be_undone(visitor: Visitor, services: Services) -> None:
    visitor.open(PAGE)
    assert visitor.send(PAGE, model=LLAMA, fate_S1="flag", fate_S2="refuse", **CHOSEN).status_code == 303
    settings = kept(services)
    assert settings == JudgeSettings(LLAMA, True, False, 9, Fate.FLAG, {"S1": Fate.FLAG})
    page = visitor.open(PAGE + "?saved=")
    assert "Saved." in page
    assert "Violent crimes" in page
    assert '<option value="flag" selected>' in page.split('id="fate_S1"')[1].split("</select>")[0]
    services.rules.undo(services.rules.changes()[0].id, "you")
    assert JUDGE not in [entry.id for entry in services.rules.entries()[1]]


def test_what_another_family_was_set_to_stays(visitor: Visitor, services: Services) -> None:
    visitor.open(PAGE)
    visitor.send(PAGE, model=LLAMA, fate_S1="flag", **CHOSEN)
    visitor.send(PAGE, model=SHIELD, fate_hate="ignore", **CHOSEN)
    assert kept(services).fates == {"S1": Fate.FLAG, "hate": Fate.IGNORE}


def test_a_family_shows_what_it_looks_for_before_it_is_saved(visitor: Visitor, services: Services) -> None:
    visitor.open(PAGE)
    part = visitor.send(PAGE + "/categories", htmx=True, model=SHIELD, **CHOSEN).text
    assert part.startswith('<div id="categories">')
    assert "Harassment of somebody" in part
    assert "Violent crimes" not in part
    page = visitor.send(PAGE + "/categories", model=SHIELD, **CHOSEN).text
    assert "Harassment of somebody" in page
    assert f'<option value="{SHIELD}" selected>' in page
    assert "<li>" not in visitor.send(PAGE + "/categories", htmx=True, model="", **CHOSEN).text


@pytest.mark.parametrize("seconds", ["", "0", "51", "soon", "1e9", "9" * 5000])
def test_seconds_that_cannot_be_come_back_with_their_error(visitor: Visitor, seconds: str) -> None:
    visitor.open(PAGE)
    said = visitor.send(PAGE, model=LLAMA, prompts="y", answers="y", late="refuse", seconds=seconds)
    assert said.status_code == 422
    assert 'id="seconds-problem"' in said.text


def test_a_fate_that_nobody_knows_is_refused(visitor: Visitor, services: Services) -> None:
    visitor.open(PAGE)
    assert visitor.send(PAGE, model=LLAMA, fate_S1="shout", **CHOSEN).status_code == 422
    assert services.rules.changes()[0].who == "this server"


def test_a_model_that_was_removed_is_still_named(visitor: Visitor, services: Services, ollama: ScriptedOllama) -> None:
    services.rules.change("you", {JUDGE: Entry(JUDGE, 0, JudgeSettings(LLAMA).as_json())})
    ollama.models = ["llama3.2:latest"]
    services.engine.look()
    assert f"{LLAMA} (not installed)" in visitor.open(PAGE)
    assert visitor.send(PAGE, model=LLAMA, **CHOSEN).status_code == 303


def test_settings_that_cannot_be_used_can_be_set_anew(visitor: Visitor, services: Services) -> None:
    services.rules.change("an import", {JUDGE: Entry(JUDGE, 0, {"model": "llama3.2"})})
    assert "What is set cannot be read" in visitor.open(PAGE)
    assert "No judge" in visitor.page
    assert visitor.send(PAGE, model="", **CHOSEN).status_code == 303
    visitor.open("/")
    visitor.asks_and_waits("Hello")


def test_where_no_model_can_judge_one_is_fetched_with_a_button(
    visitor: Visitor, services: Services, ollama: ScriptedOllama
) -> None:
    ollama.models = ["llama3.2:latest"]
    services.engine.look()
    assert 'aria-label="Fetch: llama-guard3:1b"' in visitor.open(PAGE)
    assert visitor.send("/models/pull", name="llama-guard3:1b").status_code == 303
    assert "llama-guard3:1b" in visitor.open("/models")


def test_how_often_each_category_acted_is_shown(visitor: Visitor, services: Services) -> None:
    services.rules.change("you", {JUDGE: Entry(JUDGE, 0, JudgeSettings(LLAMA).as_json())})
    services.rules.count({"judge-S1": 3, "judge-failed": 2})
    page = visitor.open(PAGE)
    assert "3 in the last day · 3 in the last week · 3 in the last month" in page
    assert "Let through unread: 2 in the last day" in page


def test_while_a_message_is_judged_the_page_says_so(visitor: Visitor, services: Services) -> None:
    assert "Checking your message" not in visitor.open("/")
    services.rules.change("you", {JUDGE: Entry(JUDGE, 0, JudgeSettings(LLAMA).as_json())})
    services.moderation.refresh()
    assert "Checking your message" in visitor.open("/")


def test_a_judge_never_answers_unasked(visitor: Visitor, services: Services, ollama: ScriptedOllama) -> None:
    assert services.engine.standing.models[0].name == "llama3.2:latest"
    visitor.asks_and_waits("Hello")
    assert ollama.chats()[-1]["model"] == "llama3.2:latest"


def test_no_page_waits_for_the_judge(visitor: Visitor, services: Services, ollama: ScriptedOllama) -> None:
    services.rules.change("you", {JUDGE: Entry(JUDGE, 0, JudgeSettings(LLAMA).as_json())})
    for path in ("/settings/moderation", PAGE, "/settings/prompt", "/"):
        visitor.open(path)
    assert not ollama.chats()


def test_a_judge_that_is_saved_is_known_before_the_next_page_is_drawn(visitor: Visitor, services: Services) -> None:
    visitor.open(PAGE)
    services.answering.close()  # which else looks each second too
    assert visitor.send(PAGE, model=LLAMA, **CHOSEN).status_code == 303
    assert services.moderation.judges_prompts
