"""Every change can be read and undone, and rules go into a file and come back whole or not at all."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from test_moderation_routes import PAGE, TYPED, add, names, page, rules, words_of
from visitor import Visitor

from insight_app.moderation.rule_files import BadFile, as_file, from_file
from insight_app.moderation.rulebook import entry
from insight_app.moderation.rules import Action, Kind, Rule, Scope
from insight_app.moderation.wording import in_words
from insight_app.services import Services

__all__ = ["page"]
MOONS = Rule("rule-1", "Moons", Kind.PHRASE, "blue moon", Scope.BOTH, Action.MASK)


def test_the_history_says_who_changed_what(page: Visitor, services: Services) -> None:
    id = add(page)
    page.open(f"{PAGE}/rules/{id}/edit")
    page.send(f"{PAGE}/rules/{id}", **{**TYPED, "action": "refuse", "text": "moon", "seen": page.field("seen")})
    page.send(f"{PAGE}/rules/{id}/switch", is_on="no")
    page.send(f"{PAGE}/rules/{id}/delete")
    said = words_of(page.open(PAGE + "/history"))
    assert "UTC · By you" in said
    assert "New: “Moons” · Phrases: “blue moon” and “red moon” · Masked in messages and answers" in said
    changed = (
        "Changed: “Moons” · Added: “moon” · Taken out: “blue moon” and “red moon” · Action: from “Mask” to “Refuse”"
    )
    assert changed in said
    assert said.index("Deleted: “Moons”") < said.index("Switched off: “Moons”") < said.index("New: “Moons”")


def test_a_change_in_the_middle_is_undone_as_another_change(page: Visitor, services: Services) -> None:
    id = add(page)
    page.send(f"{PAGE}/rules/{id}/switch", is_on="no")
    add(page, name="Suns")
    page.open(PAGE + "/history")
    undo = re.findall(r'action="([^"]+/undo)"', page.page)[1]
    page.send(undo)
    assert [(rule.name, rule.is_on) for rule in rules(services)] == [("Moons", True), ("Suns", True)]
    assert "Switched on: “Moons”" in words_of(page.open(PAGE + "/history"))


def test_a_long_history_is_read_part_by_part(page: Visitor, services: Services) -> None:
    id = add(page)
    for number in range(40):
        page.send(f"{PAGE}/rules/{id}/switch", is_on="no" if number % 2 == 0 else "yes")
    page.open(PAGE + "/history")
    assert page.page.count("/undo") == 30
    page.open(re.findall(r'href="([^"]+before=\d+)"', page.page)[0])
    assert "New: “Moons”" in words_of(page.page)
    assert "Older changes" not in page.page


def test_an_order_is_said_as_one_thing() -> None:
    rules = [MOONS.named(f"rule-{number}") for number in range(3)]
    before = {rule.id: entry(rule, place) for place, rule in enumerate(rules)}
    after = {rule.id: entry(rule, 2 - place) for place, rule in enumerate(rules)}
    assert in_words(before, {id: after[id] for id in ("rule-0", "rule-2")}) == ["Changed places: “Moons” and “Moons”"]
    assert in_words({}, {"rule-1": None}) == ["Deleted: a rule that was not there"]


def test_rules_come_back_from_a_file_as_they_were(page: Visitor, services: Services) -> None:
    add(page, name="כללים", text="ירח\nmoon")
    add(page, name="Suns", action="refuse", reason="No suns.")
    before = rules(services)
    sent = page.client.get(PAGE + "/export")
    assert sent.headers["Content-Disposition"].startswith("attachment")
    assert from_file(sent.text) == before
    services.rules.change("a test", {rule.id: None for rule in before})
    page.open(PAGE + "/import")
    seen = page.send(PAGE + "/import", pasted=sent.text)
    assert "New: “Suns”" in words_of(seen.text)
    assert rules(services) == []
    assert page.send(PAGE + "/import", pasted=sent.text, seen="yes").status_code == 303
    assert rules(services) == before


def test_a_file_is_chosen_and_replaces_all_others_where_asked(page: Visitor, services: Services) -> None:
    add(page, name="Suns")
    page.open(PAGE + "/import")
    token = page.field("csrf_token")
    file = (io.BytesIO(b"\xef\xbb\xbf" + as_file([MOONS]).encode()), "rules.json")
    data = {"csrf_token": token, "file": file, "instead": "y"}
    seen = page.client.post(PAGE + "/import", data=data, content_type="multipart/form-data")
    assert "Deleted: “Suns”" in words_of(seen.text)
    page.page = seen.text
    pasted = re.findall(r'<textarea name="pasted" hidden>\n(.*?)</textarea>', seen.text, re.S)[0]
    from html import unescape

    page.send(PAGE + "/import", pasted=unescape(pasted), seen="yes", instead="y")
    assert names(page) == ["Moons"]


def document(*listed: Any) -> str:
    return json.dumps({"format": "insightsphere rules", "version": 1, "rules": list(listed)})


GOOD = {"name": "Moons", "kind": "phrase", "text": "moon"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Line 1, column 1: This is no JSON: a value is missing."),
        ('{"format": 1,\n  "rules": [,]}', "Line 2, column 13: This is no JSON: a value is missing."),
        ("[" * 100_000, "brackets too deep"),
        ("1" * 5_000, "number is too long"),
        ("[]", "This is no file of rules"),
        (json.dumps({"format": "insightsphere rules", "version": 2, "rules": []}), "another version"),
        (document(5), "Line 1, rule 1: This is not an object"),
        (document(GOOD, {**GOOD, "kind": "wards"}), "Line 1, rule 2: “kind” must be one of these: words"),
        (document({**GOOD, "name": ""}), "Line 1, rule 1: Name: Give it a name"),
        (document({**GOOD, "text": "a\x00b"}), "Line 1, rule 1 (“Moons”): Text: Character 2"),
        (document({**GOOD, "id": "rule-1"}, {**GOOD, "id": "rule-1"}), "Line 1, rule 2 (“Moons”): Another rule"),
        (document({**GOOD, "id": "judge"}), "Line 1, rule 1: “id” must begin with “rule-”"),
        (document({**GOOD, "id": 5}), "Line 1, rule 1: “id” must begin"),
        (document({**GOOD, "colour": "red"}), "Line 1, rule 1: “colour” is nothing"),
        (document(GOOD, {"name": 5}).replace("{", "\n{"), "Line 4, rule 2: “kind” is missing"),
        (document(*[GOOD] * 2001), "2,001 rules; at most 2,000"),
        (document(*[{**GOOD, "name": ""}] * 30), "And 10 more faults."),
    ],
)
def test_a_bad_file_is_refused_whole_with_the_place_and_the_reason(text: str, said: str) -> None:
    with pytest.raises(BadFile) as caught:
        from_file(text)
    assert any(said in problem for problem in caught.value.problems), caught.value.problems


def test_what_was_pasted_comes_back_with_what_is_wrong(page: Visitor, services: Services) -> None:
    page.open(PAGE + "/import")
    said = page.send(PAGE + "/import", pasted=document(GOOD, {"name": "<b>"}))
    assert said.status_code == 422
    assert "Nothing was imported" in said.text
    assert "Line 1, rule 2: “kind” is missing" in said.text
    assert "&lt;b&gt;" in said.text
    assert rules(services) == []


def test_a_file_that_is_no_text_is_told(page: Visitor) -> None:
    page.open(PAGE + "/import")
    data = {"csrf_token": page.field("csrf_token"), "file": (io.BytesIO(b"PK\xff\xfe"), "rules.zip")}
    said = page.client.post(PAGE + "/import", data=data, content_type="multipart/form-data")
    assert said.status_code == 422
    assert "byte 3 is not UTF-8" in said.text


def test_nothing_chosen_and_nothing_pasted_is_told(page: Visitor) -> None:
    page.open(PAGE + "/import")
    assert "Choose a file" in page.send(PAGE + "/import").text
