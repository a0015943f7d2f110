"""The page where rules are set, as somebody uses it with and without JavaScript."""

from __future__ import annotations

import re
from html import unescape

import pytest
from sqlalchemy import insert
from visitor import Visitor

from insight_app.moderation import checking
from insight_app.moderation.rulebook import as_json
from insight_app.moderation.rules import Action, Kind, Rule, Scope
from insight_app.moderation.store import Entry
from insight_app.services import Services
from insight_app.storage.tables import moderation_entries

PAGE = "/settings/moderation"
TYPED = {
    "name": "Moons",
    "kind": "phrase",
    "text": "blue moon\r\nred moon",
    "scope": "both",
    "action": "mask",
    "reason": "",
    "is_on": "y",
    "seen": "",
}


@pytest.fixture
def page(visitor: Visitor, services: Services) -> Visitor:
    """Somebody on the page, where there is no rule yet."""
    services.rules.change("a test", {entry.id: None for entry in services.rules.entries()[1]})
    visitor.open(PAGE)
    return visitor


def rules(services: Services) -> list[Rule]:
    return list(services.moderation.book().rules)  # type: ignore[attr-defined]


def add(page: Visitor, **typed: str) -> str:
    """Adds a rule and returns its id; the page is open then."""
    said = page.send(PAGE + "/rules", **{**TYPED, **typed})
    assert said.status_code == 303, said.text
    page.open(said.location.split("#")[0])
    return str(said.location.split("#")[1])


def words_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def names(page: Visitor) -> list[str]:
    return re.findall(r"<h3><bdi>([^<]+)<", page.open(PAGE).split('<ol id="rules"')[1].split("</ol>")[0])


def test_the_page_is_reached_from_every_page(visitor: Visitor) -> None:
    settings = re.search(r'class="settings-link" href="([^"]+)"', visitor.page)
    assert settings
    visitor.open(settings[1])
    assert f'href="{PAGE}"' in visitor.page


def test_a_rule_is_added_and_holds_at_once(page: Visitor, services: Services) -> None:
    add(page)
    assert [(rule.name, rule.kind, rule.text) for rule in rules(services)] == [
        ("Moons", Kind.PHRASE, "blue moon\nred moon")
    ]
    assert services.moderation.prompt("a red moon") == "a ⟦Moons⟧"
    assert "New: “Moons”" in page.page


def test_with_htmx_the_new_rule_comes_into_the_list_and_is_announced(page: Visitor, services: Services) -> None:
    said = page.send(PAGE + "/rules", htmx=True, **TYPED)
    assert 'hx-target="#rules" hx-swap="beforeend' in said.text
    assert 'hx-target="#announcer"' in said.text
    assert "Add a rule" in said.text
    assert "<html" not in said.text
    assert len(rules(services)) == 1


@pytest.mark.parametrize("htmx", [True, False])
def test_a_form_with_an_error_comes_back_with_all_that_was_typed(page: Visitor, services: Services, htmx: bool) -> None:
    typed = {**TYPED, "name": " ", "text": "<b>mine</b>", "reason": "Be kind & brief", "scope": "answers"}
    typed |= {"action": "flag", "try_text": "tried"}
    said = page.send(PAGE + "/rules", htmx=htmx, **typed)
    assert said.status_code == 422
    assert ("<html" in said.text) is not htmx
    assert "Give it a name" in said.text
    assert 'aria-describedby="new-name-problem"' in said.text
    assert "&lt;b&gt;mine&lt;/b&gt;</textarea>" in said.text
    assert 'value="Be kind &amp; brief"' in said.text
    assert '<option value="answers" selected>' in said.text
    assert '<option value="flag" selected>' in said.text
    assert "tried</textarea>" in said.text
    assert rules(services) == []


def test_a_text_of_many_lines_is_kept_and_not_drawn_whole_in_the_list(page: Visitor, services: Services) -> None:
    text = "\n".join(f"line {number}" for number in range(22_000))
    add(page, text=text)
    assert rules(services)[0].text == text
    assert len(page.page) < 30_000
    assert "more" in page.page


def test_a_text_beyond_a_megabyte_comes_back_whole(page: Visitor, services: Services) -> None:
    text = "é" * 2**19
    said = page.send(PAGE + "/rules", htmx=True, **{**TYPED, "text": text})
    assert said.status_code == 422
    assert "It has 524,288 characters" in said.text
    assert text in said.text


def test_a_binary_text_is_told_from_a_text(page: Visitor, services: Services) -> None:
    said = page.send(PAGE + "/rules", htmx=True, **{**TYPED, "text": "GIF89a\x00\x01"})
    assert said.status_code == 422
    assert "Character 7 is no text" in said.text


def test_a_rule_is_edited_in_its_place(page: Visitor, services: Services) -> None:
    add(page)
    id = add(page, name="Suns", text="sun")
    add(page, name="Stars", text="star")
    page.open(f"{PAGE}/rules/{id}/edit")
    said = page.send(f"{PAGE}/rules/{id}", **{**TYPED, "name": "Sun", "text": "sun", "seen": page.field("seen")})
    assert said.status_code == 303
    assert [rule.name for rule in rules(services)] == ["Moons", "Sun", "Stars"]


def test_who_edits_what_somebody_else_changed_meanwhile_sees_both(page: Visitor, services: Services) -> None:
    id = add(page)
    page.open(f"{PAGE}/rules/{id}/edit")
    before = page.field("seen")
    theirs = Rule(id, "Theirs", Kind.WORDS, "their own words", Scope.BOTH, Action.REFUSE)
    services.rules.change("another", {id: Entry(id, 0, as_json(theirs))})
    said = page.send(f"{PAGE}/rules/{id}", **{**TYPED, "name": "Mine", "text": "my own words", "seen": before})
    assert said.status_code == 409
    assert "their own words" in said.text
    assert "my own words" in said.text
    assert rules(services) == [theirs]
    page.page = said.text
    again = page.send(f"{PAGE}/rules/{id}", **{**TYPED, "name": "Mine", "seen": page.field("seen")})
    assert again.status_code == 303
    assert [rule.name for rule in rules(services)] == ["Mine"]


@pytest.mark.parametrize("htmx", [True, False])
def test_who_edits_what_somebody_else_deleted_meanwhile_loses_nothing(
    page: Visitor, services: Services, htmx: bool
) -> None:
    id = add(page)
    page.open(f"{PAGE}/rules/{id}/edit")
    services.rules.change("another", {id: None})
    said = page.send(f"{PAGE}/rules/{id}", htmx=htmx, **{**TYPED, "seen": page.field("seen")})
    assert said.status_code == 409
    assert "blue moon" in said.text
    page.page = said.text
    assert page.send(f"{PAGE}/rules/{id}", **TYPED).status_code == 303
    assert [rule.id for rule in rules(services)] == [id]


def test_rules_are_moved_switched_deleted_and_brought_back(page: Visitor, services: Services) -> None:
    first, second = add(page), add(page, name="Suns")
    page.send(f"{PAGE}/rules/{second}/move", way="up")
    assert names(page) == ["Suns", "Moons"]
    page.send(f"{PAGE}/rules/{second}/move", way="up")
    page.send(f"{PAGE}/rules/{second}/move", way="down")
    assert names(page) == ["Moons", "Suns"]
    page.send(f"{PAGE}/rules/{first}/switch", is_on="no")
    assert [rule.is_on for rule in rules(services)] == [False, True]
    page.send(f"{PAGE}/rules/{first}/switch", is_on="yes")
    said = page.send(f"{PAGE}/rules/{first}/delete")
    assert names(page) == ["Suns"]
    page.open(said.location)
    assert "Deleted: “Moons”" in page.page
    page.send(re.findall(r'action="([^"]+/undo)"', page.page)[0])
    assert names(page) == ["Moons", "Suns"]


def test_with_htmx_a_row_is_moved_without_touching_the_others(page: Visitor, services: Services) -> None:
    add(page)
    id = add(page, name="Suns")
    said = page.send(f"{PAGE}/rules/{id}/move", htmx=True, way="up").text
    assert f"""hx-target="[id='{id}']" hx-swap="delete""" in said
    assert "beforebegin" in said
    assert "Moons" not in said
    assert "number 1 of 2" in said
    assert "is the first rule already" in page.send(f"{PAGE}/rules/{id}/move", htmx=True, way="up").text


def test_with_htmx_a_deleted_row_offers_the_way_back(page: Visitor, services: Services) -> None:
    id = add(page)
    gone = page.send(f"{PAGE}/rules/{id}/delete", htmx=True).text
    back = page.send(re.findall(r'action="([^"]+/undo)"', gone)[0], htmx=True).text
    assert f'<li id="{id}" class="rule"' in back
    assert [rule.id for rule in rules(services)] == [id]


def test_a_text_is_tried_on_the_rule_as_it_stands_in_the_form(page: Visitor, services: Services) -> None:
    add(page, name="Suns", text="sun")
    typed = {**TYPED, "name": "", "action": "refuse", "reason": "No moons.", "editing": "new"}
    said = page.send(PAGE + "/try", htmx=True, **typed, try_text="The sun and a blue moon", try_scope="prompts").text
    assert "It would not be sent. No moons." in words_of(said)
    assert '<mark class="refuse">blue moon' in said
    assert '<mark class="mask">sun' in said
    assert "the same comes out" in said
    assert len(rules(services)) == 1


def test_a_try_without_javascript_keeps_the_form_as_it_is(page: Visitor, services: Services) -> None:
    said = page.send(PAGE + "/try", **TYPED, editing="new", try_text="a blue moon", try_scope="answers").text
    assert "It would be shown with masks" in words_of(said)
    assert "a ⟦Moons⟧" in said
    assert "blue moon\nred moon</textarea>" in said.replace("\r\n", "\n")
    assert rules(services) == []


def test_a_try_of_a_rule_that_is_switched_off_finds_nothing(page: Visitor, services: Services) -> None:
    typed = {name: value for name, value in TYPED.items() if name != "is_on"}
    said = page.send(PAGE + "/try", htmx=True, **typed, editing="new", try_text="a blue moon", try_scope="answers").text
    assert "It would be shown as it is" in words_of(said)


def test_a_try_of_nothing_and_of_too_much_is_told(page: Visitor) -> None:
    assert "Write or paste something" in page.send(PAGE + "/try", htmx=True, try_text=" ").text
    assert "at most 20,000" in page.send(PAGE + "/try", htmx=True, try_text="x" * 20_001).text


def test_a_rule_that_cannot_be_read_is_shown_and_can_be_removed(page: Visitor, services: Services) -> None:
    add(page)
    services.rules.change("by hand", {"rule-x": Entry("rule-x", 5, {"name": "Odd", "kind": "wards", "text": "a"})})
    assert page.client.post("/api/chat", json={"message": "hello"}).status_code == 503
    assert "“Odd” cannot be used." in words_of(page.send(PAGE + "/try", htmx=True, try_text="a").text)
    page.open(PAGE)
    assert "nothing is let through" in page.page
    assert "It cannot be used: “kind” must be one of these: words" in words_of(page.page)
    page.send(PAGE + "/rules/rule-x/switch", is_on="no")
    assert services.moderation.prompt("hello") == "hello"
    page.send(PAGE + "/rules/rule-x/switch", is_on="yes")
    assert page.client.post("/api/chat", json={"message": "hello"}).status_code == 503
    page.open(PAGE + "/rules/rule-x/edit")
    typed = {**TYPED, "name": "Odd", "seen": page.field("seen")}
    assert page.send(PAGE + "/rules/rule-x", **typed).status_code == 303
    assert [rule.name for rule in rules(services)] == ["Moons", "Odd"]


def test_a_rule_that_cannot_be_applied_is_shown_with_the_reason(page: Visitor, services: Services) -> None:
    odd = Rule("rule-z", "Odd", Kind.PATTERN, "(?=never)")
    services.rules.change("by hand", {odd.id: Entry(odd.id, 5, as_json(odd))})
    assert page.client.post("/api/chat", json={"message": "hello"}).status_code == 503
    said = words_of(page.open(PAGE))
    assert "cannot be applied, so nothing is let through" in said
    assert "It cannot be used: " in said
    assert "“Odd” cannot be used." in words_of(page.send(PAGE + "/try", htmx=True, try_text="a").text)
    page.send(PAGE + "/rules/rule-z/delete")
    assert services.moderation.prompt("hello") == "hello"


def test_an_entry_that_is_no_json_at_all_is_shown_and_can_be_removed(page: Visitor, services: Services) -> None:
    with services.database.writing() as connection:
        connection.execute(insert(moderation_entries).values(id="rule-y", place=0, body="{"))
    page.open(PAGE)
    assert "A rule without a name" in page.page
    assert page.client.get(f"{PAGE}/rules/rule-y/edit").status_code == 200
    assert page.send(PAGE + "/rules/rule-y/delete").status_code == 303
    assert services.moderation.prompt("hello") == "hello"
    assert page.client.get(PAGE + "/history").status_code == 200


def test_more_rules_than_are_possible_are_told_in_words(
    page: Visitor, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "MOST_RULES", 1)
    add(page)
    said = page.send(PAGE + "/rules", **TYPED)
    assert said.status_code == 422
    assert "more than 1 rules" in said.text
    assert "blue moon" in said.text


def test_a_rule_that_is_not_there_is_told(page: Visitor) -> None:
    for way in ("edit", ""):
        assert page.client.get(f"{PAGE}/rules/rule-none/{way}".rstrip("/")).status_code in (303, 404)
    for way in ("move", "switch", "delete"):
        assert page.send(f"{PAGE}/rules/rule-none/{way}").status_code == 404
    assert page.client.get(f"{PAGE}?done=77").status_code == 404
