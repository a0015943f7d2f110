"""What foreign files hold becomes a tree of prompts and answers in turn, and what we export is what was imported."""

from __future__ import annotations

import json
import math
import time
import tracemalloc
from contextlib import closing, suppress
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_privacy_copies import without_ids

from insight_app.chat.prompts import clean
from insight_app.chat.store import ConversationStore
from insight_app.errors import NotThere
from insight_app.privacy import copies_store, export, importing, upload
from insight_app.privacy.copies_store import CopiesStore
from insight_app.privacy.imported import Imported, ImportedMessage, alternating, in_order, nearest
from insight_app.privacy.imported_files import looked_into
from insight_app.privacy.packed import Unreadable
from insight_app.privacy.store import PersonalStore
from insight_app.privacy.upload import MOST_BROKEN, opened
from insight_app.storage.database import Database, sqlite_url

ON_BOTH_DATABASES = True
words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
figure = st.none() | st.floats(0, 1e6) | st.integers(0, 10**6)
count = st.none() | st.integers(0, 10**9)
# Of a text that somebody attached; pictures are in test_privacy_copies_files.py.
files = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["notes.txt", "Ü.pdf"]),
        "size": st.integers(1, 10**9),
        "text": words.map(lambda text: clean(f"a{text}z")),
        "created_at": st.floats(0, 1.7e9),
    }
).flatmap(
    lambda file: st.sampled_from(
        [file | {"kind": "text", "media_type": "text/plain"}, file | {"kind": "pdf", "media_type": "application/pdf"}]
    )
)


@st.composite
def conversations(draw: st.DrawFn) -> dict[str, Any]:
    """One of ours: each prompt at the beginning or after an answer, each answer after a prompt."""
    messages: list[dict[str, Any]] = []
    for id in range(1, draw(st.integers(1, 8)) + 1):
        prompts = [each["id"] for each in messages if each["role"] == "user"]
        answers = [each["id"] for each in messages if each["role"] == "assistant"]
        is_answer = bool(prompts) and draw(st.booleans())
        message = {
            "id": id,
            "parent_id": draw(st.sampled_from(prompts if is_answer else [None, *answers])),
            "role": "assistant" if is_answer else "user",
            "text": draw(words),
            "state": "done",
            "created_at": draw(st.floats(0, 1.7e9)),
        }
        if not is_answer:
            message["attachments"] = draw(st.lists(files, max_size=2))
            for place, each in enumerate(message["attachments"]):
                each |= {"place": place, "body": None}
        if is_answer:
            message |= {
                "state": draw(st.sampled_from(["done", "stopped", "failed", "refused", "interrupted"])),
                "thinking": draw(words),
                "model": draw(words),
                "choice": draw(words),
                "problem": draw(st.sampled_from(["", "engine_silent"])),
                "reason": draw(words),
                "rating": draw(st.sampled_from([None, 1, -1])),
                "finished_at": draw(st.none() | st.floats(0, 1.7e9)),
                "thinking_seconds": draw(figure),
                "answer_tokens": draw(count),
            }
        messages.append(message)
    return {
        "id": "original",
        "title": draw(st.sampled_from(["A title", "Ü"])),
        "created_at": draw(st.floats(0, 1.7e9)),
        "updated_at": draw(st.floats(0, 1.7e9)),
        "is_pinned": draw(st.booleans()),
        "is_archived": draw(st.booleans()),
        "titled_by": draw(st.sampled_from(["words", "model", "person"])),
        "instructions": draw(words),
        "options": draw(st.sampled_from(["", '{"temperature": 0.5}'])),
        "messages": messages,
    }


def brought(database: Database, document: str, owner: str) -> dict[str, Any]:
    """The conversation that a document has, as it is exported once it was brought to that person."""
    upload = opened(document.encode(), 2**20)
    (found,) = importing.some(upload)
    assert isinstance(found, Imported)
    found = looked_into(found, upload.file, math.inf, owner, 2**20, 100)
    assert found.left_out == 0
    assert CopiesStore(database).add([found], owner) == [True]
    store = PersonalStore(database)
    (row,) = store.all_conversations(owner)
    made: dict[str, Any] = json.loads("".join(export.document(0.0, None, [(row, store.all_messages(row["id"]))], ())))
    return made


def many(messages: int) -> Imported:
    said = [
        {"id": place, "parent_id": place - 1 if place else None, "role": role, "text": f"{place}"}
        for place, role in zip(range(messages), cycle(("user", "assistant")), strict=False)
    ]
    (found,) = importing.some(opened(json.dumps([{"title": "Long", "messages": said}]).encode(), 10**6))
    assert isinstance(found, Imported)
    return found


def test_while_a_long_one_is_kept_others_are_answered_and_nobody_sees_the_half_of_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies_store, "AT_ONCE", 4)
    store, new, paused = ConversationStore(database), many(10).id_for("bob"), []

    def pause(seconds: float) -> None:
        paused.append(seconds)
        store.ask("In between", model="", owner="ann")
        with pytest.raises(NotThere):
            store.conversation(new)
        assert store.newest_conversations(owner="bob").conversations == []
        assert store.bin("bob") == []

    monkeypatch.setattr(copies_store.time, "sleep", pause)
    assert CopiesStore(database).add([many(10)], "bob") == [True]
    assert len(paused) == 2
    assert store.conversation(new).titled_by == "person"
    assert [each.text for each in store.history(new)] == [f"{place}" for place in range(10)]


@pytest.mark.parametrize("deleted", [False, True])
def test_a_long_one_of_which_half_is_there_is_brought_anew(
    deleted: bool, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies_store, "AT_ONCE", 4)
    copies, found = CopiesStore(database), many(10)

    def end(_seconds: float) -> None:
        if not deleted:
            raise KeyboardInterrupt
        PersonalStore(database).delete_everything("bob")

    with monkeypatch.context() as patched, suppress(KeyboardInterrupt):
        patched.setattr(copies_store.time, "sleep", end)
        assert copies.add([found], "bob") == [False]
    assert copies.add([found], "bob") == [True]
    assert len(ConversationStore(database).history(found.id_for("bob"))) == 10
    assert copies.add([found], "bob") == [False]


def test_every_conversation_survives_any_number_of_journeys(tmp_path: Path) -> None:
    with closing(Database(sqlite_url(tmp_path / "insight.db"))) as database:
        database.bring_up_to_date()
        people = iter(range(10**9))

        @given(conversations())
        def travels(given: dict[str, Any]) -> None:
            first = brought(database, json.dumps([given]), f"p{next(people)}")
            again = brought(database, json.dumps(first), f"p{next(people)}")
            here, there = without_ids(first["conversations"][0]), without_ids(again["conversations"][0])
            assert here == there
            for name in ("title", "is_pinned", "is_archived", "instructions", "options", "titled_by", "updated_at"):
                assert here[name] == given[name]
            for mine, theirs in zip(here["messages"], without_ids(given)["messages"], strict=True):
                assert {name: mine[name] for name in theirs if name != "finished_at"} == {
                    name: value for name, value in theirs.items() if name != "finished_at"
                }

        travels()


@st.composite
def tangles(draw: st.DrawFn) -> list[ImportedMessage]:
    keys = [str(number) for number in range(draw(st.integers(0, 12)))]
    return [
        ImportedMessage(
            key,
            draw(st.sampled_from([None, "gone", *keys])),
            draw(st.sampled_from(["user", "assistant"])),
            key,
            created_at=float(draw(st.integers(0, 3))),
        )
        for key in keys
    ]


@given(tangles(), st.booleans())
def test_whatever_follows_whatever_prompts_and_answers_come_in_turn(
    tangle: list[ImportedMessage], by_time: bool
) -> None:
    ordered = in_order(tangle, by_time=by_time)
    assert sorted(each.key for each in ordered) == sorted(each.key for each in tangle)
    made = alternating(ordered, "(nothing)")
    said = [part for each in made for part in each.text.split("\n\n") if part != "(nothing)"]
    assert sorted(said) == sorted(each.key for each in tangle)
    roles: dict[str | None, str] = {None: "assistant"}
    for each in made:
        assert roles[each.parent] != each.role  # and its parent came before it
        roles[each.key] = each.role


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.none() | st.sampled_from("abcdefg")),
    st.sets(st.sampled_from("abcdef")),
)
def test_the_nearest_that_is_kept_is_found_or_nothing(parents: dict[str, str | None], kept: set[str]) -> None:
    for key, found in nearest(parents, dict.fromkeys(kept)).items():
        at, seen = parents.get(key), {key}
        while at is not None and at not in kept and at not in seen:
            seen.add(at)
            at = parents.get(at)
        assert found == (at if at in kept else None)


@given(st.binary(max_size=60) | st.text(st.sampled_from('[]{}",:\\ ab1PK'), max_size=60).map(str.encode))
def test_any_bytes_are_opened_or_told_why_not(data: bytes) -> None:
    try:
        found = opened(data, 10**6)
    except Unreadable:
        return
    while some := importing.some(found):
        assert all(isinstance(each, Imported | str) for each in some)


@given(st.lists(st.dictionaries(st.text(max_size=4), st.text(max_size=4) | st.lists(st.text(max_size=3)))), st.data())
def test_a_list_is_cut_into_its_objects_wherever_it_ends(objects: list[dict[str, Any]], data: st.DataObject) -> None:
    text = json.dumps(objects, ensure_ascii=data.draw(st.booleans()))
    end = data.draw(st.integers(1, len(text)))
    if not objects and end == len(text):
        return
    found = opened(text[:end].encode(), 10**6)
    whole = found.some()
    assert found.some() == []
    assert found.is_cut == (end < len(text))
    assert whole == objects[: len(whole)]
    if end == len(text):
        assert whole == objects


def test_spaces_that_no_thought_ends_cost_no_more_than_other_text() -> None:
    content = '<details type="reasoning">' * 3 + " " * 200_000
    answer = {"id": "a", "role": "assistant", "content": content}
    began = time.process_time()
    [found] = importing.some(opened(json.dumps([{"chat": {"history": {"messages": {"a": answer}}}}]).encode(), 10**6))
    assert time.process_time() - began < 5
    assert isinstance(found, Imported)
    assert found.messages[-1].text == content


@pytest.mark.parametrize("item", ["x", "{x}", "nul", '{"a":}'])
def test_a_list_of_which_all_is_broken_is_left_soon(item: str) -> None:
    found, many = opened(f"[{f'{item},' * 200_000}]".encode(), 10**7), 0
    began = time.process_time()
    while some := importing.some(found):
        many += len(some)
    assert time.process_time() - began < 5
    assert many == MOST_BROKEN
    assert found.is_cut


@pytest.mark.parametrize("value", ["[]", "{}", "1", '""'])
def test_one_that_would_fill_the_memory_is_not_read_and_those_before_it_are(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """150 KB of a ZIP file had everybody wait for a minute, and took 4 GB."""
    monkeypatch.setattr(upload, "MOST_VALUES", 10_000)
    full = f'{{"mapping": {{}}, "x": [{f"{value}," * 100_000}{value}]}}'
    found = opened(f'[{{"messages": []}}, {full}, {{}}]'.encode(), 10**8)
    tracemalloc.start()
    told = importing.some(found)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert told == [importing.NO_MESSAGES, importing.BROKEN]
    assert found.is_cut
    assert most < 400_000


def test_one_with_much_in_it_is_read_where_all_of_them_together_have_too_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upload, "MOST_VALUES", 100)
    each = {"id": "a", "messages": [{"role": "user", "text": "a, b" * 10}] * 5}
    told = importing.some(found := opened(json.dumps([each] * 60).encode(), 10**8))
    assert len(told) == 60
    assert all(isinstance(each, Imported) for each in told)
    assert not found.is_cut


def test_thoughts_of_many_messages_in_a_row_are_joined_once() -> None:
    each = {"role": "assistant", "text": "a", "thinking": "b" * 3000}
    said = [{**each, "id": place, "parent_id": place - 1 if place else None} for place in range(10_000)]
    data = json.dumps([{"messages": said}]).encode()
    began = time.process_time()
    (found,) = importing.some(opened(data, 10**8))
    assert time.process_time() - began < 8
    assert isinstance(found, Imported)
    assert [len(each.thinking) for each in found.messages] == [0, 3002 * 10_000 - 2]


def test_of_a_list_without_an_end_so_many_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "MOST_CONVERSATIONS", 3)
    found = opened(json.dumps([{}] * 4).encode(), 10**6)
    assert found.some() == [{}] * 3
    assert found.is_cut
