"""Entries, their history, the way back, and counts that hold no text."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from insight_app.errors import ChangedMeanwhile, NotThere
from insight_app.moderation import store as store_file
from insight_app.moderation.rule_list import ATTEMPTS, RuleList, begin
from insight_app.moderation.rulebook import as_json, from_json, read
from insight_app.moderation.rules import Action, Kind, Rule, Scope
from insight_app.moderation.store import Entry, ModerationStore
from insight_app.storage.database import Database

ON_BOTH_DATABASES = True
RULE = Rule("rule-1", "Moons", Kind.WORDS, "moon", Scope.ANSWERS, Action.FLAG, is_on=False, reason="No moons.")
FIRST = Entry("rule-1", 0, as_json(RULE))


@pytest.fixture
def store(database: Database) -> ModerationStore:
    return ModerationStore(database)


def test_each_change_is_a_new_version(store: ModerationStore) -> None:
    assert store.version() == 0
    first = store.change("Ann", {"rule-1": FIRST})
    second = store.change("Bob", {"rule-1": None})
    assert 0 < first < second == store.version()
    assert store.entries() == (second, [])


def test_another_process_sees_a_change_at_once(store: ModerationStore, database: Database) -> None:
    with closing(Database(database.url)) as process:
        other = ModerationStore(process)
        store.change("Ann", {"rule-1": FIRST})
        assert other.version() == store.version()
        assert other.entries()[1] == [FIRST]


def test_a_change_is_kept_with_what_was_before_and_after(store: ModerationStore) -> None:
    store.change("Ann", {"rule-1": FIRST})
    second = Entry("rule-1", 3, {**FIRST.body, "name": "Suns"})
    store.change("Bob", {"rule-1": second, "prompt": Entry("prompt", 0, {"base": "Be kind."})})
    newest, oldest = store.changes()
    assert (newest.who, newest.before["rule-1"], newest.after["rule-1"]) == ("Bob", FIRST, second)
    assert newest.before["prompt"] is None
    assert (oldest.who, dict(oldest.before)) == ("Ann", {"rule-1": None})
    assert store.changes(before=newest.id) == [oldest]


def test_a_change_that_is_undone_leaves_what_was_before_and_can_be_undone_too(store: ModerationStore) -> None:
    made = store.change("Ann", {"rule-1": FIRST})
    undone = store.undo(made, "Bob")
    assert store.entries()[1] == []
    store.undo(undone, "Ann")
    assert store.entries()[1] == [FIRST]


def test_a_change_that_never_was_cannot_be_undone(store: ModerationStore) -> None:
    with pytest.raises(NotThere):
        store.undo(7, "Ann")


def test_the_first_change_is_made_once(store: ModerationStore) -> None:
    store.change("", {"rule-1": FIRST}, only_first=True)
    store.change("Ann", {"rule-1": None})
    store.change("", {"rule-1": FIRST}, only_first=True)
    assert store.entries()[1] == []


def test_counts_are_of_the_last_day_week_and_month(store: ModerationStore, monkeypatch: pytest.MonkeyPatch) -> None:
    hours = 100_000
    monkeypatch.setattr(store_file.time, "time", lambda: hours * 3600.0)
    store.count({"rule-1": 2})
    store.count({"rule-1": 1, "rule-2": 1})
    assert store.counted()["rule-1"] == {"day": 3, "week": 3, "month": 3}
    hours += 24
    assert store.counted()["rule-1"] == {"day": 0, "week": 3, "month": 3}
    hours += 7 * 24
    store.count({"rule-1": 1})
    assert store.counted()["rule-1"] == {"day": 1, "week": 1, "month": 4}
    hours += 61 * 24
    store.count({"rule-2": 5})
    assert store.counted() == {"rule-2": {"day": 5, "week": 5, "month": 5}}


def test_a_rule_survives_being_written_and_read() -> None:
    assert from_json("rule-1", as_json(RULE)) == RULE
    assert list(read(4, [FIRST, Entry("judge", 0, {"model": "x"})]).rules) == [RULE]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"name": "n", "kind": "words"}, "“text” is missing"),
        ({"name": "n", "kind": "wards", "text": "t"}, "“kind” must be one of these: words, phrase"),
        ({"name": "n", "kind": "words", "text": 5}, "“text” must be a text"),
        ({"name": "n", "kind": "words", "text": "t", "is_on": "yes"}, "“is_on” must be true or false"),
        ({"name": "n", "kind": "words", "text": "t", "colour": "red"}, "“colour” is nothing"),
        ({"name": "n", "kind": [], "text": "t"}, "“kind” must be"),
    ],
)
def test_what_is_no_rule_is_told_what_is_wrong(body: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        from_json("rule-1", body)


@pytest.mark.parametrize("body", [{"name": "n"}, {**FIRST.body, "kind": "of a newer version"}])
def test_a_rule_that_cannot_be_read_stops_everything_unless_it_is_switched_off(body: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="“"):
        read(1, [Entry("rule-2", 0, {**body, "is_on": True}), FIRST])
    assert list(read(1, [Entry("rule-2", 0, {**body, "is_on": False}), FIRST]).rules) == [RULE]


def test_a_change_of_what_somebody_else_changed_meanwhile_is_not_made(store: ModerationStore) -> None:
    seen = store.change("Ann", {"rule-1": FIRST})
    theirs = Entry("rule-1", 0, {**FIRST.body, "name": "Suns"})
    store.change("Bob", {"rule-1": theirs})
    with pytest.raises(ChangedMeanwhile):
        store.change("Ann", {"rule-1": None}, seen=seen)
    assert store.entries()[1] == [theirs]
    store.change("Ann", {"rule-2": Entry("rule-2", 1, FIRST.body)}, seen=seen)  # of which nobody else changed anything


class Busy(ModerationStore):
    """Somebody else changes the rule each time after it was read, so many times."""

    times = 0

    def as_kept(self) -> tuple[int, list[Entry]]:
        found = super().as_kept()
        if self.times:
            self.times -= 1
            self.change("Bob", {"rule-1": Entry("rule-1", 0, {**FIRST.body, "reason": f"{self.times} more."})})
        return found


def test_a_rule_that_others_change_meanwhile_is_switched_as_they_left_it(database: Database) -> None:
    store = Busy(database)
    store.change("Ann", {"rule-1": FIRST})
    store.times = 2
    RuleList(store, "Ann").switch("rule-1", is_on=True)
    assert store.entries()[1] == [Entry("rule-1", 0, {**FIRST.body, "reason": "0 more.", "is_on": True})]
    store.change("Ann", {"rule-1": FIRST})
    store.times = ATTEMPTS
    with pytest.raises(ChangedMeanwhile):
        RuleList(store, "Ann").switch("rule-1", is_on=True)


class TooLate(ModerationStore):
    """Another server begins in the moment after this one looked."""

    def version(self) -> int:
        return 0


def test_of_two_servers_that_begin_together_one_sets_the_first_rules(database: Database) -> None:
    store = ModerationStore(database)
    begin(store)
    (first,) = store.changes()
    begin(TooLate(database))
    assert store.changes() == [first]
