"""The page Privacy and the pins of the list, as somebody without JavaScript and a screen reader meet them."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest
from flask import Flask
from own_app import Start
from scripted_ollama import ScriptedOllama, gate
from test_privacy_retention import aged
from visitor import Visitor

from insight_app.config import Settings
from insight_app.rendering.markdown import render
from insight_app.services import Services


def keep(visitor: Visitor, **fields: str) -> str:
    """The page after the choice."""
    visitor.open("/settings/privacy")
    response = visitor.send("/settings/privacy/keep", **fields)
    return visitor.open(response.location) if response.status_code == 303 else response.text


def choices(page: str) -> dict[str, bool]:
    """Each way to keep, and whether it is chosen."""
    return {value: bool(checked) for value, checked in re.findall(r'name="keep" value="(\w+)"( checked)?', page)}


@pytest.fixture
def limited(start: Start) -> Visitor:
    """Somebody at a server that keeps nothing for longer than 30 days."""
    app = start(history_retention_days=30)
    visitor = Visitor(app.test_client())
    visitor.open("/")
    return visitor


def test_what_was_chosen_is_shown(visitor: Visitor, services: Services) -> None:
    page = visitor.open("/settings/privacy")
    assert choices(page) == {"server": True, "days": False}
    assert "kept until you delete them" in page
    page = keep(visitor, keep="days", days="14")
    assert choices(page) == {"server": False, "days": True}
    assert 'name="days"' in page
    assert 'value="14"' in page
    assert "deleted 14 days after their last message" in page
    assert services.retention.days_kept() == 14
    assert choices(keep(visitor, keep="server", days="")) == {"server": True, "days": False}
    assert services.retention.days_kept() is None


@pytest.mark.parametrize("days", ["", "0", "-3", "1.5", "36501", "many", "٣", "9" * 500, "<b>"])
def test_a_wrong_number_comes_back_with_what_is_right(days: str, visitor: Visitor, services: Services) -> None:
    page = keep(visitor, keep="days", days=days)
    assert "a number from 1 to 36,500." in page
    assert 'aria-invalid="true" aria-describedby="days-problem"' in page
    assert "<b>" not in page
    assert choices(page)["days"]
    assert services.personal.preferences().keep_days is None


@pytest.mark.parametrize("fields", [{}, {"keep": "for ever and ever"}, {"days": "5"}])
def test_a_choice_that_there_is_not_changes_nothing(
    fields: dict[str, str], visitor: Visitor, services: Services
) -> None:
    visitor.open("/settings/privacy")
    assert visitor.send("/settings/privacy/keep", **fields).status_code == 422
    assert services.personal.preferences().keep_days is None


def test_nobody_can_choose_more_than_the_server_sets(limited: Visitor) -> None:
    page = limited.open("/settings/privacy")
    assert choices(page) == {"server": True, "days": False}
    assert "As long as this server allows: 30 days" in page
    assert "fewer days, not more" in page
    assert "a number from 1 to 30." in keep(limited, keep="days", days="31")
    assert "deleted 7 days after" in keep(limited, keep="days", days="7")


def test_a_limit_that_came_later_counts(limited: Visitor) -> None:
    services: Services = limited.client.application.extensions["insight"]
    for own, chosen in ((0, "server"), (90, "days")):
        services.personal.choose(keep_days=own)
        page = limited.open("/settings/privacy")
        assert choices(page)[chosen]
        assert "deleted 30 days after" in page


def test_it_says_how_many_would_go_before_they_do(visitor: Visitor, services: Services) -> None:
    aged(services, 20)
    aged(services, 20, pinned=True)
    assert "<strong>1 conversation is older and will go within the hour.</strong>" in keep(
        visitor, keep="days", days="14"
    )


def titles(page: str) -> list[str]:
    """The list, as it is read out."""
    return [re.sub("<[^>]+>", "", title) for title in re.findall(r'<a class="title"[^>]*>(.*?)</a>', page, re.S)]


def test_pinned_conversations_stand_first_and_say_so(visitor: Visitor, services: Services) -> None:
    homes = [services.conversations.ask(name, model="")[0].conversation_id for name in ("one", "two", "three")]
    visitor.open(f"/c/{homes[0]}/edit")
    assert visitor.send(f"/c/{homes[0]}/pin", pinned="1").status_code == 303
    page = visitor.open(f"/c/{homes[0]}/edit")
    assert titles(page) == ["Pinned: one", "three", "two"]
    assert "Unpin" in page
    visitor.send(f"/c/{homes[0]}/pin", pinned="1")  # twice is once
    assert titles(visitor.open("/")) == ["Pinned: one", "three", "two"]
    visitor.send(f"/c/{homes[0]}/pin", pinned="")
    assert titles(visitor.open("/")) == ["three", "two", "one"]
    assert visitor.send("/c/nowhere/pin", pinned="1").status_code == 404


def test_a_page_gets_the_list_in_its_new_order_and_hears_of_it(visitor: Visitor, services: Services) -> None:
    homes = [services.conversations.ask(name, model="")[0].conversation_id for name in ("one", "two")]
    visitor.open("/")
    said = visitor.send(f"/c/{homes[0]}/pin", htmx=True, pinned="1").text
    assert titles(said) == ["Pinned: one", "two"]
    assert ">Pinned<" in said


def test_the_list_goes_on_to_its_end_with_any_number_of_pins(visitor: Visitor, services: Services) -> None:
    store = services.conversations
    for number in range(130):
        home = store.ask(str(number), model="")[0].conversation_id
        if number % 2:
            store.pin(home, is_pinned=True)
    page, found = visitor.open("/"), list[str]()
    while True:
        found += titles(page.partition("<main")[2] if found else page)
        more = re.search(r'class="quiet more" href="([^"]+)"', page.partition("<main")[2] if len(found) > 50 else page)
        if not more:
            break
        page = visitor.open(more[1].replace("&amp;", "&"))
    odd = [f"Pinned: {number}" for number in range(129, 0, -2)]
    assert found == odd + [str(number) for number in range(128, -1, -2)]


def test_who_takes_a_pin_away_hears_what_then_happens(limited: Visitor, settings: Settings) -> None:
    services: Services = limited.client.application.extensions["insight"]
    home = services.conversations.ask("Hi", model="")[0].conversation_id
    services.conversations.pin(home, is_pinned=True)
    assert "Without its pin it is deleted 30 days after its last message." in limited.open(f"/c/{home}/edit")


def test_no_page_may_load_anything_from_elsewhere(app: Flask, visitor: Visitor, ollama: ScriptedOllama) -> None:
    answer = visitor.asks_and_waits("Hi")
    known = {
        "conversation_id": visitor.url.rpartition("/")[2],
        "answer_id": answer,
        "prompt_id": answer - 1,
        "name": "x",
        "kind": "md",
    }
    with app.test_request_context():
        rules = [rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())]
        urls = [app.url_for(rule.endpoint, **{name: known.get(name, 1) for name in rule.arguments}) for rule in rules]
    assert len(urls) > 15
    for url in [*urls, "/nowhere"]:
        with visitor.client.get(url) as response:
            policy = response.headers["Content-Security-Policy"].split("; ")
            assert "default-src 'none'" in policy, url
            for directive in policy[1:]:
                assert set(directive.split()[1:]) <= {"'self'", "'none'"}, url


@pytest.mark.parametrize(
    "text",
    [
        "![a picture](https://elsewhere.example/x.png)",
        "![a picture][1]\n\n[1]: https://elsewhere.example/x.png",
        "[![a picture](https://elsewhere.example/x.png)](https://elsewhere.example)",
        '<img src="https://elsewhere.example/x.png">',
        "![](//elsewhere.example/x.png) ![](data:image/png;base64,AAAA)",
        '<video poster="https://elsewhere.example/x.png"></video><audio src=x></audio>',
        '<link rel="prefetch" href="https://elsewhere.example">',
    ],
)
def test_an_answer_loads_nothing(text: str) -> None:
    html = render(text)
    assert not re.search(r"<(img|video|audio|source|link|iframe|object|embed|picture|svg)\b", html), html
    assert not re.search(r"<[^>]*\s(src|srcset|poster|style|ping|background)\s*=", html), html


def test_the_document_is_a_page_too(visitor: Visitor) -> None:
    page = visitor.open("/settings/privacy/kept")
    assert "OLLAMA_DEBUG_LOG_REQUESTS" in page
    assert "<table>" in page


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="this system shows no processes as files")
def test_no_word_is_in_what_other_programs_see_of_the_process(visitor: Visitor, ollama: ScriptedOllama) -> None:
    opened = threading.Event()
    ollama.script("xylophage, ", gate(opened))
    answer = visitor.ask("Is it xylophage?")
    seen = [path.read_bytes() for name in ("cmdline", "environ", "comm") for path in Path("/proc/self").glob(name)]
    seen += [path.read_bytes() for path in Path("/proc/self/task").glob("*/comm")]
    names = [thread.name for thread in threading.enumerate()]
    assert f"answer-{answer}" in names
    assert b"xylophage" not in b"".join([*seen, *(name.encode() for name in names)])
    opened.set()
    visitor.watch(answer)


def test_what_is_deleted_is_asked_for_once(visitor: Visitor) -> None:
    page = visitor.open("/settings/privacy")
    assert re.search(r"<summary[^>]*>Delete everything about me</summary>\s*<form", page)
    assert visitor.client.get("/settings/privacy/delete").status_code == 405
    assert visitor.client.post("/settings/privacy/delete").status_code == 400  # without the page's token


def test_a_file_that_somebody_sends_is_never_put_on_the_disk(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    def on_disk(*_of: object, **_what: object) -> None:
        raise AssertionError("a file on the disk")

    for kind in ("TemporaryFile", "SpooledTemporaryFile"):
        monkeypatch.setattr(f"werkzeug.formparser.{kind}", on_disk, raising=False)
    visitor.open("/settings/moderation/import")
    part = '--cut\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n{}\r\n'
    body = part.format("csrf_token", "", visitor.field("csrf_token"))
    body += part.format("file", '; filename="rules.json"', f"[{' ' * 2_000_000}]") + "--cut--\r\n"
    kind = "multipart/form-data; boundary=cut"
    said = visitor.client.post("/settings/moderation/import", data=body.encode(), content_type=kind)
    assert "This is no file of rules" in said.text
