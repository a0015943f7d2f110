"""Search finds the same after the index was taken away and made anew, and after everything was restored elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_chat_search import found, talk, with_file
from test_storage_backup import nobody, restored
from test_storage_database import New, each_kind, step

from insight_app.chat.search_store import SearchStore
from insight_app.chat.store import ConversationStore
from insight_app.storage.backup import back_up
from insight_app.storage.database import Database

TYPED = ("xylophage", "cafe", '"eats wood"', "bericht pdf", "木食い", "eats xylo")


def filled(database: Database) -> ConversationStore:
    store = ConversationStore(database)
    for number in range(5):
        talk(store, f"the Café {number}", "A xylophage eats wood 木食い", owner="ann")
    with_file(database, store, "Bericht.pdf", "all of the xylophage 木食い", owner="ann")
    store.ask("still being answered, xylophage", model="", owner="ann")
    return store


def all_found(database: Database) -> list[list[int]]:
    search = SearchStore(database)
    made = [found(search, typed, "ann") for typed in TYPED]
    assert all(made)
    return made


@each_kind
def test_all_is_found_again_after_the_index_went_and_came(kind: str, new_database: New) -> None:
    database = new_database(kind)
    store = filled(database)
    before = all_found(database)
    for down in ("0007", "0006"):
        step(database, down, down=True)
        database.bring_up_to_date()
        assert all_found(database) == before
    new, _ = with_file(database, store, "new.txt", "a newer xylophage", owner="ann")
    assert found(SearchStore(database), "xylophage newer", "ann") == [new]
    store.delete(store.message(new).conversation_id)
    assert all_found(database) == before


@pytest.mark.parametrize(("source", "target"), [("sqlite", "sqlite"), ("sqlite", "postgres"), ("postgres", "sqlite")])
def test_all_is_found_in_an_empty_database_after_a_restore(
    source: str, target: str, new_database: New, tmp_path: Path
) -> None:
    there, here = new_database(source), new_database(target, is_ready=False)
    store = filled(there)
    before = all_found(there)
    back_up(there, tmp_path / "now", nobody)
    step(there, "0006", down=True)
    back_up(there, tmp_path / "older", nobody)
    for name in ("now", "older", "now"):
        restored(here, tmp_path / name)
        assert all_found(here) == before
    store = ConversationStore(here)
    (newest, *_), *_ = before
    store.delete(store.message(newest).conversation_id)
    assert newest not in found(SearchStore(here), "xylophage", "ann")
