"""What two do at the same moment comes out as if one had been first, in either database."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rows import everything
from sqlalchemy import event

from insight_app.accounts.key_store import MOST, KeyStore
from insight_app.accounts.people import Role
from insight_app.accounts.store import AccountStore
from insight_app.accounts.tokens import Scope
from insight_app.chat.messages import Outcome, State
from insight_app.chat.store import ConversationStore
from insight_app.errors import LastAdmin, NotThere, StillAnswering, TooManyKeys
from insight_app.limits.quotas import Allowance
from insight_app.limits.store import LimitStore, RoleRules, Use
from insight_app.limits.usage_store import UsageStore
from insight_app.moderation.store import Entry, ModerationStore
from insight_app.privacy.store import PersonalStore
from insight_app.storage.database import Database
from insight_app.storage.tables import messages

ON_BOTH_DATABASES = True
AT_ONCE = 6


def together(*works: Callable[[], object]) -> Counter[str]:
    """Does all at the same moment; counts what came of each: the name of its error, or "done"."""
    start, seen = threading.Barrier(len(works)), list[str]()

    def run(work: Callable[[], object]) -> None:
        start.wait()
        try:
            work()
            seen.append("done")
        except Exception as error:
            seen.append(type(error).__name__)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Counter(seen)


def test_of_prompts_in_one_conversation_one_is_answered(database: Database) -> None:
    store = ConversationStore(database)
    prompt, answer = store.ask("Hi", model="")
    assert answer is not None
    store.finish(answer.id, Outcome(State.DONE, "Yes"))
    home = prompt.conversation_id
    asked = together(*[lambda: store.ask("on", model="", conversation_id=home, parent_id=answer.id)] * AT_ONCE)
    assert asked == {"done": 1, StillAnswering.__name__: AT_ONCE - 1}
    assert len(everything(database)["messages"]) == 4


def test_the_same_form_is_one_prompt(database: Database) -> None:
    store = ConversationStore(database)
    assert together(*[lambda: store.ask("Hi", model="", form_key="k")] * AT_ONCE) == {"done": AT_ONCE}
    assert len(everything(database)["messages"]) == 2


def test_an_answer_is_taken_over_by_one_after_the_other(database: Database) -> None:
    store = ConversationStore(database)
    _, answer = store.ask("Hi", model="")
    assert answer is not None
    runs: list[int] = []

    def take() -> None:
        left = store.left_behind(answer.id)
        assert left is not None
        runs.append(left.run)

    together(*[take] * AT_ONCE)
    assert sorted(runs) == list(range(AT_ONCE))


def test_what_is_deleted_while_it_is_written_ends_one_way_or_the_other(database: Database) -> None:
    store = ConversationStore(database)
    answers = [answer.id for _ in range(4) if (answer := store.ask("Hi", model="")[1])]
    written = [(id, 0, "", "so far") for id in answers]
    homes = [store.message(id).conversation_id for id in answers]
    deleting = [lambda home=home: store.delete(home) for home in homes]  # type: ignore[misc]
    keeping = [lambda: store.checkpoint(written), lambda: store.checkpoint(written[::-1])]
    assert together(*deleting, *keeping) == {"done": 6}
    assert store.newest_conversations().conversations == []


def test_who_deletes_everything_waits_for_who_is_keeping_it_and_holds_up_nobody(database: Database) -> None:
    store = ConversationStore(database)
    first, second = (answer.id for _ in range(2) if (answer := store.ask("Hi", model="")[1]))
    for _ in range(3):  # the first one's row stands behind the second one's now, and is met after it
        store.checkpoint([(first, 0, "", "so far")])
    deleting = threading.Thread(target=PersonalStore(database).delete_everything, args=("",))

    def come(*statement: Any) -> None:
        if statement[2].startswith("UPDATE messages") and deleting.ident is None:
            deleting.start()
            deleting.join(0.2)  # it has to wait longer than that

    event.listen(database.product.writer, "after_cursor_execute", come)
    with database.writing() as connection:
        for id in (first, second):
            connection.execute(messages.update().where(messages.c.id == id).values(text="so far"))
    deleting.join(20)
    assert everything(database)["messages"] == []


def test_a_prompt_that_comes_while_what_it_follows_is_deleted_is_refused_or_stays(database: Database) -> None:
    store = ConversationStore(database)
    prompt, answer = store.ask("Hi", model="")
    assert answer is not None
    store.finish(answer.id, Outcome(State.DONE, "Yes"))
    asked: list[int] = []

    def ask() -> None:
        with suppress(NotThere):
            sent, _ = store.ask("on", model="", conversation_id=prompt.conversation_id, parent_id=answer.id)
            asked.append(sent.id)

    late = threading.Thread(target=ask)

    def come(*statement: Any) -> None:
        if statement[2].startswith("DELETE") and late.ident is None:
            late.start()
            late.join(0.2)  # it has to wait longer than that

    event.listen(database.product.writer, "before_cursor_execute", come)
    store.delete_pair(prompt)
    late.join(20)
    assert [store.message(id).text for id in asked] == ["on"] * len(asked)


@pytest.mark.parametrize("first", ["SELECT conversations.id", "UPDATE conversations"])
def test_a_prompt_that_comes_while_old_conversations_are_deleted_is_refused_or_stays(
    first: str, database: Database
) -> None:
    store = ConversationStore(database)
    prompt, answer = store.ask("Hi", model="")
    assert answer is not None
    store.finish(answer.id, Outcome(State.DONE, "Yes"))
    old, asked = time.time(), list[int]()

    def ask() -> None:
        with suppress(NotThere):
            sent, _ = store.ask("on", model="", conversation_id=prompt.conversation_id, parent_id=answer.id)
            asked.append(sent.id)

    works = [lambda: PersonalStore(database).delete_outdated(old), ask]
    own, other = works if first.startswith("SELECT") else works[::-1]
    beside = threading.Thread(target=other)

    def come(*statement: Any) -> None:
        if statement[2].startswith(first) and beside.ident is None:
            beside.start()
            beside.join(0.3)  # it may have to wait longer than that

    event.listen(database.product.writer, "after_cursor_execute", come)
    own()
    beside.join(20)
    kept = [each.text for each in store.history(prompt.conversation_id)]
    assert kept == (["Hi", "Yes", "on", ""] if asked else [])


def test_two_admins_cannot_take_the_last_place_from_each_other(database: Database) -> None:
    store = AccountStore(database)
    ann, bob = (store.create(f"{name}@example.org", Role.ADMIN) for name in ("ann", "bob"))
    works = (lambda: store.change(ann.id, is_disabled=True), lambda: store.delete(bob.id))
    assert together(*works) == {"done": 1, LastAdmin.__name__: 1}


def test_of_first_accounts_one_is_made(database: Database) -> None:
    store = AccountStore(database)
    names = iter("abcdef")
    made = together(
        *[lambda: store.create(f"{next(names)}@example.org", Role.ADMIN, only_first=True) for _ in range(AT_ONCE)]
    )
    assert made == {"done": 1, NotThere.__name__: AT_ONCE - 1}


def test_no_account_has_more_keys_than_it_may(database: Database) -> None:
    ann, keys = AccountStore(database).create("ann@example.org", Role.MEMBER), KeyStore(database)
    for _ in range(MOST - 1):
        keys.make(ann.id, "l", [Scope.CHAT], None)
    made = together(*[lambda: keys.make(ann.id, "l", [Scope.CHAT], None)] * AT_ONCE)
    assert made == {"done": 1, TooManyKeys.__name__: AT_ONCE - 1}


def test_rows_that_are_not_there_yet_are_made_once_and_nothing_is_lost(database: Database) -> None:
    limits, personal, rules = LimitStore(database), PersonalStore(database), ModerationStore(database)
    places = [("ann", 1, "m"), ("bob", 1, "m")]
    uses = [(place, Use(answers=1)) for place in places]
    assert together(*[lambda: limits.add(uses), lambda: limits.add(uses[::-1])] * 3) == {"done": 6}
    assert [line.use.answers for line in UsageStore(database).lines(0)] == [6, 6]
    assert together(*[lambda: personal.choose("ann", keep_days=7)] * AT_ONCE) == {"done": AT_ONCE}
    member = RoleRules(Allowance(answers_per_day=1))
    assert together(*[lambda: limits.set_role("member", member)] * AT_ONCE) == {"done": AT_ONCE}
    assert together(*[lambda: rules.count({"a": 1, "b": 2}), lambda: rules.count({"b": 2, "a": 1})] * 3) == {"done": 6}
    assert {name: counted["day"] for name, counted in rules.counted().items()} == {"a": 6, "b": 12}


def test_rules_of_a_new_server_are_set_once_and_each_change_is_a_version(database: Database) -> None:
    rules = ModerationStore(database)
    entry = Entry("a", 0, {})
    together(*[lambda: rules.change("server", {"a": entry}, only_first=True)] * AT_ONCE)
    assert len(rules.changes()) == 1
    together(*[lambda: rules.change("ann", {"a": entry})] * AT_ONCE)
    assert len(rules.changes()) == AT_ONCE + 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.text(st.characters(exclude_categories=()), max_size=40))
def test_whatever_was_written_is_kept_and_found(database: Database, words: str) -> None:
    """But for what no database takes: NUL, and halves of characters."""
    store = ConversationStore(database)
    said = words.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    prompt, answer = store.ask(words, model="")
    assert answer is not None
    store.finish(answer.id, Outcome(State.DONE, words, thinking=words))
    assert [each.text for each in store.history(prompt.conversation_id)] == [said, said]
    store.instruct(prompt.conversation_id, words)
    assert store.instructions(prompt.conversation_id) == said


def test_ids_that_cannot_be_are_not_there(database: Database) -> None:
    store = ConversationStore(database)
    for message_id in (0, 2**31, 2**53, 2**63, 10**40):
        with pytest.raises(NotThere):
            store.message(message_id)
    for name in ("\0", "\ud800", "a" * 1_000):
        with pytest.raises(NotThere):
            store.conversation(name)
        assert store.sent_with(name) is None
