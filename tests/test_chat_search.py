"""Search: whatever is typed, on both databases, and nothing that somebody deleted or that is somebody else's."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import pytest
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st
from own_app import running
from sqlalchemy import select
from visitor import Visitor

from insight_app.chat.attachment_store import AttachmentStore
from insight_app.chat.messages import Outcome, State
from insight_app.chat.reading import Read
from insight_app.chat.search_store import SearchStore
from insight_app.chat.searching import excerpt, folded, parse
from insight_app.chat.store import ConversationStore
from insight_app.config import Settings
from insight_app.services import Services
from insight_app.storage.database import Database
from insight_app.storage.tables import attachments

ON_BOTH_DATABASES = True


@pytest.fixture
def store(database: Database) -> ConversationStore:
    return ConversationStore(database)


@pytest.fixture
def search(database: Database) -> SearchStore:
    return SearchStore(database)


def talk(store: ConversationStore, prompt: str, answer: str = "", owner: str = "") -> tuple[int, int]:
    """The ids of a prompt and its answer, which has ended."""
    asked, empty = store.ask(prompt, model="", owner=owner)
    assert empty is not None
    store.finish(empty.id, Outcome(State.DONE, answer))
    return asked.id, empty.id


def found(search: SearchStore, typed: str, owner: str = "") -> list[int]:
    return [hit.id for hit in search.messages(parse(typed), owner).hits]


TEXTS = {
    "The Café in Zürich opens at seven, foo_bar(x) too": ("cafe", "CAFÉ", "zurich", "Zür", "foo_bar", "foo bar", "sev"),
    "Der Ärger mit der Straße": ("arger", "ärger", '"mit der"', '"mit der" arger', "straße"),
    "Привет, мир! Ёлка": ("привет", "ПРИВЕТ", "ёлка", "ми"),
    "हिन्दी में लिखो": ("हिन्दी", "लिखो"),
    "مرحبا بالعالم": ("مرحبا", "بالع"),
    "显卡的价格是多少？GPU价格": ("价格", "显卡", "gpu价格", "GPU价", "显卡 价格", "多少？"),
    "東京でラーメンを食べた": ("ラーメン", "東京", "食"),
    "ภาษาไทยไม่มีช่องว่าง": ("ไม่มี",),
    "Well done 🎉🎉 see https://example.com/some/page?q=1": (
        "🎉",
        "done 🎉",
        "example.com",
        "https://example.com/some",
        "page",
    ),
    "a\u0301rbol decomposed": ("árbol", "arbol", "ÁRB"),
    "C++ and 100% sure": ("c++", "100%", '"100% sure"'),
}


def test_words_are_found_without_case_and_accents_in_any_script(store: ConversationStore, search: SearchStore) -> None:
    ids = {text: talk(store, text) for text in TEXTS}
    missing = [
        (text, typed)
        for text, all_typed in TEXTS.items()
        for typed in all_typed
        if ids[text][0] not in found(search, typed)
    ]
    assert missing == []
    for text, all_typed in TEXTS.items():
        for typed in all_typed:
            assert any(is_hit for _, is_hit in excerpt(text, parse(typed)).pieces), (text, typed)


def test_all_words_must_be_there_and_only_the_last_may_be_begun(store: ConversationStore, search: SearchStore) -> None:
    one, answer = talk(store, "apples and pears", "oranges and pears")
    assert found(search, "pears") == [answer, one]
    assert found(search, "apples pea") == [one]
    assert found(search, "appl pears") == []
    assert found(search, '"and pears"') == [answer, one]
    assert found(search, '"pears and"') == []
    assert found(search, '"and pea"') == []
    for phrase in ("“pears and”", "„pears and“", "«pears and»"):
        assert found(search, phrase) == []
    assert found(search, "apples oranges") == []


ODD = (
"", " ", '"', '""', '"""', "AND", "NEAR(", "NEAR(a b, 2)", "a OR", "-x", "text:", "rowid:1", "*", "^a", "(", ")",
    "a*b", "'", "';--", "\\", "%", "_", "\0", "a\0b", "\ud800", "&", "|", "!", "<->", ":*", "a:*", "{text}: a",
    "x" * 10_000, "word " * 2000, '"' * 999, "🎉", "中", "NOT", "+", "'a':*&", "a & !b", "\u0301", "\u0301" * 40,
)  # fmt: skip


def test_nothing_that_is_typed_is_an_error(store: ConversationStore, search: SearchStore) -> None:
    talk(store, "something")
    for typed in ODD:
        search.messages(parse(typed))
        search.titles(parse(typed))


@trying(max_examples=150)
@given(st.text(max_size=300), st.text(max_size=20))
def test_an_excerpt_is_of_the_text_and_folding_keeps_places(text: str, typed: str) -> None:
    assert len(folded(text)) == len(text)
    pieces = excerpt(text, parse(typed)).pieces
    said = "".join(piece for piece, _ in pieces).strip("…")
    assert re.sub(r"\s+", "", said) in re.sub(r"\s+", "", text)


def test_an_answer_is_found_once_it_has_ended(store: ConversationStore, search: SearchStore) -> None:
    _, answer = store.ask("Tell me", model="")
    assert answer is not None
    store.checkpoint([(answer.id, 0, "", "growing xylophage")])
    assert found(search, "xylophage") == []
    store.finish(answer.id, Outcome(State.DONE, "growing xylophage, whole"))
    assert found(search, "xylophage whole") == [answer.id]


def test_what_is_deleted_or_in_the_bin_is_not_found(store: ConversationStore, search: SearchStore) -> None:
    prompt, answer = talk(store, "xylophage one", "xylophage two")
    home = store.message(prompt).conversation_id
    store.archive(home, is_archived=True)
    assert [hit.is_archived for hit in search.messages(parse("xylophage")).hits] == [True, True]
    assert [each.is_archived for each in search.titles(parse("xylo"))] == [True]
    store.put_into_bin(home)
    assert found(search, "xylophage") == []
    assert search.titles(parse("xylophage")) == []
    store.take_out_of_bin(home)
    assert found(search, "xylophage") == [answer, prompt]
    store.delete_pair(store.message(prompt))
    assert found(search, "xylophage") == []


def test_people_find_only_what_is_theirs(store: ConversationStore, search: SearchStore) -> None:
    mine, _ = talk(store, "xylophage", owner="ann")
    theirs, _ = talk(store, "xylophage 中文", owner="bob")
    assert found(search, "xylophage", "ann") == [mine]
    assert found(search, "xylophage", "bob") == [theirs]
    assert found(search, "中文", "ann") == []
    assert [each.owner for each in search.titles(parse("xylophage"), "ann")] == ["ann"]


def test_a_text_too_long_for_an_index_is_kept_and_found_by_its_beginning(
    store: ConversationStore, search: SearchStore
) -> None:
    prompt, _ = talk(store, "beginning " + " ".join(f"word{number}" for number in range(200_000)))
    assert found(search, "beginning word7") == [prompt]


def test_a_page_of_hits_leads_to_the_next(store: ConversationStore, search: SearchStore) -> None:
    ids = [talk(store, f"apple {number}")[0] for number in range(45)]
    seen: list[int] = []
    before = None
    while True:
        part = search.messages(parse("apple"), before=before)
        seen += [hit.id for hit in part.hits]
        if not part.has_more:
            break
        before = seen[-1]
    assert seen == ids[::-1]


def test_the_page_shows_hits_in_context_and_leads_to_them(visitor: Visitor, services: Services) -> None:
    store = services.conversations
    prompt, _ = talk(store, "<script>alert(1)</script> " + "before " * 60 + "the xylophage </mark> eats", "fine")
    store.ask("a newer version", model="", conversation_id=store.message(prompt).conversation_id)
    visitor.open("/search?q=xylophage")
    assert "<mark>xylophage</mark> &lt;/mark&gt; eats" in visitor.page
    assert "<script>alert" not in visitor.page
    address = unescape(re.findall(r'href="(/c/[^"]*#a\d+)"', visitor.page)[0])
    assert address.endswith(f"?at={prompt}#a{prompt}")
    assert f'id="a{prompt}"' in visitor.open(address.partition("#")[0])
    assert "Nothing has all of these words." in visitor.open("/search?q=xylophages")
    assert "Archived" not in visitor.open("/search?q=xylophage").partition('id="found"')[2]
    services.conversations.archive(store.message(prompt).conversation_id, is_archived=True)
    assert "Archived" in visitor.open("/search?q=xylophage").partition('id="found"')[2]
    part = visitor.client.get("/search?q=xylophage", headers={"HX-Request": "true"}).text
    assert "<html" not in part
    assert "<mark>xylophage</mark>" in part
    assert "found</" in part


def test_a_hit_far_up_in_a_long_conversation_is_on_the_page_it_leads_to(visitor: Visitor, services: Services) -> None:
    store = services.conversations
    prompt, answer = talk(store, "the first xylophage")
    home = store.message(prompt).conversation_id
    for number in range(150):
        _, made = store.ask(f"more {number}", model="", conversation_id=home, parent_id=answer)
        assert made is not None
        store.finish(made.id, Outcome(State.DONE, "yes"))
        answer = made.id
    page = visitor.open(f"/c/{home}?at={prompt}")
    assert f'id="a{prompt}"' in page
    assert page.count("<article") < 60
    assert "Later messages" in page


def test_a_temporary_chat_is_never_found(visitor: Visitor, services: Services) -> None:
    services.conversations.ask("the xylophage", model="", temporary=True)
    visitor.open("/search?q=xylophage")
    assert "<mark>" not in visitor.page


def with_file(database: Database, store: ConversationStore, name: str, text: str, owner: str = "") -> tuple[int, str]:
    """The id of a prompt that a file went with, and its conversation's."""
    file = AttachmentStore(database, None).add(owner, name, 1, Read("text", "text/plain", text))
    asked, empty = store.ask("Look at this", model="", owner=owner, attached=[file])
    assert empty is not None
    store.finish(empty.id, Outcome(State.DONE, "Fine"))
    return asked.id, asked.conversation_id


def test_what_stands_in_a_file_is_found_with_its_message_and_says_which_file(
    database: Database, store: ConversationStore, search: SearchStore
) -> None:
    unsent = AttachmentStore(database, None).add("", "unsent.txt", 1, Read("text", "text/plain", "xylophage"))
    assert found(search, "xylophage") == []
    first, home = with_file(database, store, "Bericht_März.pdf", "far " * 500 + "the **xylophage** 木食い")
    second, _ = talk(store, "no xylophage here")
    theirs, _ = with_file(database, store, "xylophage.txt", "theirs", owner="bob")
    assert found(search, "xylophage") == [second, first]
    assert next(iter(search.messages(parse("xylophage")).hits)).files == ()
    (file,) = search.messages(parse("xylophage"), before=second).hits[0].files
    assert file.text is not None
    assert ("xylophage", True) in file.text.pieces
    assert [found(search, typed) for typed in ("bericht marz pdf", "木食い", "PDF xylo")] == [[first]] * 3
    (hit,) = search.messages(parse("marz")).hits
    assert (hit.excerpt, hit.files[0].text, hit.title) == (None, None, "Look at this")
    assert list(hit.files[0].name.pieces) == [("Bericht_", False), ("März", True), (".pdf", False)]
    assert found(search, "xylophage", "bob") == [theirs]
    again, answer = store.ask("And again", model="", conversation_id=home, attached=[unsent])
    assert answer is not None
    store.finish(answer.id, Outcome(State.DONE, "Fine"))
    assert found(search, "xylophage") == [again.id, second, first]
    store.put_into_bin(home)
    assert found(search, "xylophage") == [second]
    store.take_out_of_bin(home)
    store.delete_pair(store.message(first))
    assert found(search, "xylophage") == [again.id, second]
    store.delete(home)
    assert found(search, "xylophage") == [second]
    theirs_too, _ = database.product.file_words(
        select(attachments.c.id, attachments.c.message_id), [("xylophage", False)]
    )
    with database.reading() as connection:
        assert len(connection.execute(theirs_too).all()) == 1  # bob's


def test_a_page_of_hits_in_texts_and_files_leads_to_the_next(
    database: Database, store: ConversationStore, search: SearchStore
) -> None:
    ids = [
        with_file(database, store, f"{number}.txt", "apple")[0] if number % 3 else talk(store, "apple")[0]
        for number in range(25)
    ]
    first = search.messages(parse("apple"))
    assert first.has_more
    rest = search.messages(parse("apple"), before=first.hits[-1].id)
    assert [hit.id for hit in (*first.hits, *rest.hits)] == ids[::-1]
    assert not rest.has_more


def test_the_page_says_in_which_file_it_is_and_leads_to_its_message(visitor: Visitor, services: Services) -> None:
    store = services.conversations
    prompt, _ = with_file(services.database, store, "<b>x.txt", "the <i>xylophage</i>")
    page = visitor.open("/search?q=xylophage")
    assert "In a file: <bdi>&lt;b&gt;x.txt</bdi>" in page
    assert "the &lt;i&gt;<mark>xylophage</mark>&lt;/i&gt;" in page
    assert f"?at={prompt}#a{prompt}" in page
    talk(store, "So?", "It is a **xylophage**, see [this](http://a.b/c)")
    assert "It is a <mark>xylophage</mark>, see this" in visitor.open("/search?q=xylophage")


def test_who_searches_too_often_is_told_to_wait_and_opening_the_page_counts_nothing(settings: Settings) -> None:
    with running(replace(settings, search_rate_limit="2 per hour")) as app:
        visitor = Visitor(app.test_client())
        for _ in range(4):
            assert "Search your conversations" in visitor.open("/search")
        assert [visitor.client.get("/search?q=apple").status_code for _ in range(3)] == [200, 200, 429]
        refused = visitor.client.get("/search?q=apple", headers={"HX-Request": "true"})
        assert refused.status_code == 429
        assert "You searched often in a short time." in refused.text
        visitor.open("/")
        assert visitor.asks_and_waits("Sending is another thing")
