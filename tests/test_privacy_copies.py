"""What is exported can be brought back as it was, and other chats' files come whole, once, and whatever is in them."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from own_app import running
from scripted_ollama import ScriptedOllama, thinking
from sqlalchemy import event
from test_chat_attachment_routes import posted_form
from test_chat_queries import counted
from visitor import Visitor
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse

from insight_app.chat.context_store import last_context
from insight_app.config import Settings
from insight_app.privacy import copies_routes, importing, upload
from insight_app.privacy.imported import Imported
from insight_app.services import Services

ON_BOTH_DATABASES = True

# What is another in a copy: ids, and what a person's forms were called.
OF_THE_PLACE = {"id", "conversation_id", "parent_id", "memory_from", "owner", "form_key", "run"}


def bring(visitor: Visitor, data: bytes | str, name: str = "conversations.json") -> TestResponse:
    visitor.open("/settings/copies")
    content = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    return posted_form(
        visitor,
        "/settings/copies",
        {"csrf_token": visitor.field("csrf_token"), "file": FileStorage(io.BytesIO(content), name)},
    )


def exported(visitor: Visitor) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(visitor.client.get("/settings/copies/conversations.json").text)
    return found


def without_ids(conversation: dict[str, Any]) -> dict[str, Any]:
    """Each message with the place of the one before it, instead of ids."""
    ids = [each["id"] for each in conversation["messages"]]
    made = {name: value for name, value in conversation.items() if name not in OF_THE_PLACE}
    made["messages"] = [
        {name: value for name, value in each.items() if name not in OF_THE_PLACE}
        | {"after": None if each["parent_id"] is None else ids.index(each["parent_id"])}
        | {
            "attachments": [
                {name: value for name, value in file.items() if name not in {"id", "owner", "message_id"}}
                for file in each.get("attachments", [])
            ]
        }
        for each in conversation["messages"]
    ]
    return made


def chatgpt(**changes: Any) -> dict[str, Any]:
    def node(key: str, parent: str | None, role: str, text: str, **more: Any) -> dict[str, Any]:
        content = {"content_type": "text", "parts": [text]}
        message = {"id": key, "author": {"role": role}, "create_time": 1.7e9, "content": content, **more}
        return {"id": key, "parent": parent, "children": [], "message": message}

    mapping = {
        "root": {"id": "root", "message": None, "parent": None, "children": ["s"]},
        "s": node("s", "root", "system", "", metadata={"is_visually_hidden_from_conversation": True}),
        "u": node("u", "s", "user", "A <b>question</b>"),
        "t": node("t", "u", "assistant", "search()", recipient="browser"),
        "r": node("r", "t", "tool", "found"),
        "a": node("a", "r", "assistant", "An *answer*", metadata={"model_slug": "gpt-4o"}),
        "b": node("b", "u", "assistant", "Another"),
    }
    return {"title": "Old <script>", "create_time": 1.7e9, "conversation_id": "x", "mapping": mapping, **changes}


def open_webui() -> dict[str, Any]:
    thought = (
        '<details type="reasoning" done="true" duration="3">\n<summary>Thought</summary>\n&gt; Hm.\n</details>\nHi'
    )
    nodes = {
        "1": {"id": "1", "parentId": None, "role": "user", "content": "Hello", "timestamp": 1_700_000_000},
        "2": {"id": "2", "parentId": "1", "role": "assistant", "content": thought, "model": "llama3.2", "timestamp": 1},
    }
    nodes["2"]["annotation"] = {"rating": 1}
    history = {"messages": nodes, "currentId": "2"}
    return {"id": "w", "title": "W", "chat": {"history": history, "params": {"system": "Be kind"}}, "pinned": True}


def test_what_was_exported_comes_back_as_it_was(visitor: Visitor, ollama: ScriptedOllama, services: Services) -> None:
    ollama.script(thinking("Hm."), "The *first* answer.")
    answer = visitor.asks_and_waits("Who is “Ödipus”?\nالسلام\0")
    visitor.send(f"/answers/{answer}/rating", rating="1")
    ollama.script("The second.")
    visitor.send(f"/answers/{answer}/again")
    visitor.watch(answer + 1)
    visitor.send(visitor.url + "/edit", title="Named")
    visitor.send(visitor.url + "/options", instructions="Be brief")
    visitor.send(visitor.url + "/pin", pinned="1")
    before = exported(visitor)
    assert "here already" in bring(visitor, json.dumps(before)).text
    assert exported(visitor)["conversations"] == before["conversations"]
    services.conversations.delete(before["conversations"][0]["id"])
    for told in ("1 conversation is here", "here already"):
        assert told in bring(visitor, json.dumps(before)).text
        after = exported(visitor)["conversations"]
        assert [without_ids(each) for each in after] == [without_ids(each) for each in before["conversations"]]
    assert "The second." in visitor.open(f"/c/{after[0]['id']}")


def test_everything_about_somebody_brings_their_conversations_back(visitor: Visitor, services: Services) -> None:
    visitor.asks_and_waits("Mine")
    everything = visitor.client.get("/settings/privacy/download").text
    services.conversations.delete(json.loads(everything)["conversations"][0]["id"])
    assert "1 conversation is here" in bring(visitor, everything).text


def test_what_is_in_the_bin_comes_back_with_its_file(visitor: Visitor) -> None:
    visitor.asks_and_waits("Mine")
    home, before = visitor.url, exported(visitor)
    visitor.send(home + "/delete")
    assert "1 conversation is here" in bring(visitor, json.dumps(before)).text
    assert exported(visitor)["conversations"] == before["conversations"]
    assert "Mine" in visitor.open(home)


def test_no_file_tells_others_how_this_machine_is(visitor: Visitor, services: Services) -> None:
    visitor.asks_and_waits("Mine")
    model = services.engine.resolved("")
    told = {"role": "assistant", "text": "No", "model": model, "state": "done", "loading_seconds": 9e9}
    told |= {"context_tokens": 77, "reading_seconds": 9e9}
    lie = {"title": "Lie", "messages": [{"role": "user", "text": "So?"}, told]}
    before = services.conversations.usual_turn_seconds(model), last_context(services.database, model)
    assert "1 conversation is here" in bring(visitor, json.dumps([lie])).text
    assert services.conversations.usual_loading_seconds(model) is None
    assert (services.conversations.usual_turn_seconds(model), last_context(services.database, model)) == before


def test_a_file_of_chatgpt_is_taken(visitor: Visitor) -> None:
    page = bring(visitor, json.dumps([chatgpt()])).text
    assert "From ChatGPT: 1" in page
    (found,) = exported(visitor)["conversations"]
    assert [(each["role"], each["text"]) for each in found["messages"]] == [
        ("user", "A <b>question</b>"), ("assistant", "An *answer*"), ("assistant", "Another"),
    ]  # fmt: skip
    assert [each["parent_id"] for each in found["messages"]] == [None, *[found["messages"][0]["id"]] * 2]
    assert found["messages"][1]["model"] == "gpt-4o"
    page = visitor.open(f"/c/{found['id']}")
    assert "<b>question" not in page
    assert "Old <script>" not in page
    assert "2 of 2" in page


def test_what_is_brought_opens_where_it_was_left(visitor: Visitor) -> None:
    webui = open_webui()
    again = {"id": "3", "parentId": "1", "role": "assistant", "content": "Hello again", "timestamp": 1_700_000_009}
    webui["chat"]["history"]["messages"]["3"] = again
    for found, shown, other in (
        (chatgpt(current_node="a"), "<em>answer</em>", "Another"),
        (webui, "Hi", "Hello again"),
    ):
        assert "1 conversation is here" in bring(visitor, json.dumps([found])).text
        (home,) = [each["id"] for each in exported(visitor)["conversations"] if each["title"] == found["title"]]
        page = visitor.open(f"/c/{home}")
        assert shown in page.partition("<main")[2]
        assert other not in page
        assert "2 of 2" in page
    # What goes on below is shown to its end, and what is no message shows the newest as ever.
    for number, (left, shown) in enumerate(
        [("u", "Another"), ("r", "Another"), ("nowhere", "Another"), (["a"], "Another")]
    ):
        found = chatgpt(current_node=left, conversation_id=str(number), title=f"Number {number}")
        (made,) = [importing.conversation(found)]
        assert isinstance(made, Imported)
        assert made.in_turn()[-1].text == shown
        assert sorted(each.key for each in made.in_turn()) == sorted(each.key for each in made.messages)


def test_a_zip_file_of_chatgpt_is_taken(visitor: Visitor) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("user.json", "{}")
        archive.writestr("conversations.json", json.dumps([chatgpt(), chatgpt(conversation_id="y")]))
    assert "2 conversations are here" in bring(visitor, packed.getvalue(), "export.zip").text
    assert "2 were here already" in bring(visitor, packed.getvalue(), "export.zip").text
    assert "damaged or cut off" in bring(visitor, packed.getvalue()[:-30], "export.zip").text


def test_a_file_of_open_webui_is_taken(visitor: Visitor) -> None:
    assert "From Open WebUI: 1" in bring(visitor, json.dumps([open_webui()])).text
    (found,) = exported(visitor)["conversations"]
    answer = found["messages"][1]
    assert (answer["thinking"], answer["text"], answer["rating"]) == ("Hm.", "Hi", 1)
    assert (found["is_pinned"], found["instructions"]) == (True, "Be kind")


def test_a_file_that_is_cut_off_gives_what_is_whole(visitor: Visitor) -> None:
    text = json.dumps([chatgpt(conversation_id=str(number)) for number in range(3)])
    page = bring(visitor, text[:-50]).text
    assert "2 conversations are here" in page
    assert "cut off" in page
    page = bring(visitor, text).text
    assert "1 conversation is here" in page
    assert "2 were here already" in page


def test_one_that_is_broken_costs_the_others_nothing(visitor: Visitor) -> None:
    deep = '{"mapping": ' + "[" * 100_000 + "]" * 100_000 + "}"
    texts = [json.dumps(chatgpt()), '{"mapping": nonsense}', deep, '{"a": 1}', json.dumps(open_webui())]
    page = bring(visitor, f"[{', '.join(texts)}]").text
    assert "2 conversations are here" in page
    assert "numbers 2 and 3. It is damaged." in page
    assert "number 4. It is no conversation" in page


def test_a_circle_and_a_beginning_without_a_prompt_are_taken(visitor: Visitor) -> None:
    found = chatgpt()
    found["mapping"]["u"]["parent"] = "a"
    assert "1 conversation is here" in bring(visitor, json.dumps([found])).text
    found = chatgpt(mapping={"a": {**chatgpt()["mapping"]["a"], "parent": "a"}})
    assert "1 conversation is here" in bring(visitor, json.dumps([found])).text
    for each in exported(visitor)["conversations"]:
        assert each["messages"][0]["role"] == "user"
        assert "data-role" in visitor.open(f"/c/{each['id']}")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "file is empty"),
        (b" \n", "file is empty"),
        (b"\xff\xd8\xff\xe0 a picture", "not text in UTF-8"),
        (b"<html>", "neither JSON nor a ZIP"),
        (b"[]", "no conversations in this file"),
        (b'{"format": "insightsphere-export", "version": 2, "conversations": []}', "newer version"),
        (b"PK\x03\x04 and so on", "damaged or cut off"),
        (json.dumps([chatgpt()]).encode("utf-16"), "1 conversation is here"),
        (b"\xef\xbb\xbf" + json.dumps([chatgpt()]).encode(), "1 conversation is here"),
    ],
)
def test_every_file_is_answered_in_words(visitor: Visitor, data: bytes, told: str) -> None:
    assert told in bring(visitor, data).text


@pytest.mark.parametrize("odd", [[], {}, [1], {"a": []}, None, True, 1e300, "x"])
def test_what_has_another_shape_than_it_should_costs_nothing_else(visitor: Visitor, odd: Any) -> None:
    asked = {"id": odd, "parent_id": odd, "role": "user", "text": "a", "created_at": odd}
    answered = {"role": "assistant", "text": "b", "parent_id": odd, "memory_from": odd, "attachments": odd}
    answered |= dict.fromkeys(("state", "rating", "problem", "answer_tokens", "finished_at", "thinking", "model"), odd)
    own = {"title": odd, "options": odd, "titled_by": odd, "is_pinned": odd, "messages": [asked, answered, odd]}
    other = chatgpt(title=odd, is_archived=odd)
    for name in ("create_time", "metadata", "recipient", "author"):
        other["mapping"]["b"]["message"][name] = odd
    other["mapping"]["a"]["message"]["content"] = {"content_type": odd, "parts": [odd, "kept"]}
    third = open_webui()
    third["chat"]["history"]["messages"]["2"] |= dict.fromkeys(("annotation", "timestamp", "model", "files"), odd)
    told = bring(visitor, json.dumps([own, other, third])).text
    assert "3 conversations are here" in told


def test_what_no_file_holds_is_said(visitor: Visitor) -> None:
    visitor.open("/settings/copies")
    response = visitor.send("/settings/copies")
    assert response.status_code == 422
    assert "Choose a file first" in response.text


def test_a_zip_bomb_is_given_up(visitor: Visitor, app: Flask) -> None:
    app.extensions["insight"].settings = replace(app.extensions["insight"].settings, max_import_mb=1)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("conversations.json", b"[" + b" " * 5 * 2**20 + b"]")
    lying = bytearray(packed.getvalue())
    at = lying.rindex(b"PK\x01\x02") + 24
    lying[at : at + 4] = (1000).to_bytes(4, "little")
    assert "too large" in bring(visitor, packed.getvalue()).text
    assert bring(visitor, bytes(lying)).status_code == 422
    with zipfile.ZipFile(packed := io.BytesIO(), "w") as archive:
        archive.writestr("nested.zip", b"PK")
    assert "no conversations.json" in bring(visitor, packed.getvalue()).text
    many = bytearray(packed.getvalue())
    many[-10:-6] = (2**31).to_bytes(4, "little")
    assert "too many files" in bring(visitor, bytes(many)).text


def test_of_very_many_only_so_many_are_looked_at_and_that_is_said(
    visitor: Visitor, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies_routes, "MOST", 5)
    many = json.dumps([chatgpt(conversation_id=str(number)) for number in range(6)])
    page = bring(visitor, many).text
    assert "5 conversations are here" in page
    assert "Only the first 5 conversations of the file were looked at." in page
    assert len(exported(visitor)["conversations"]) == 5
    assert "Only the first" not in bring(visitor, many[:-1].rpartition(", {")[0] + "]").text


def test_very_many_small_conversations_are_kept_by_a_few_statements(visitor: Visitor) -> None:
    many = [{"id": str(number), "messages": [{"role": "user", "text": f"Hello {number}"}]} for number in range(300)]
    bring(visitor, json.dumps(many[:1]))
    with counted() as sent:
        assert "299 conversations are here" in bring(visitor, json.dumps(many)).text
    assert len([each for each in sent if each.startswith("INSERT")]) <= 6
    assert len([each for each in sent if "FROM conversations" in each]) <= 10


def test_a_file_that_is_read_takes_the_room_that_it_needs(
    visitor: Visitor, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    took, needs = list[tuple[str, int]](), list[int]()
    taken, opened = services.uploads.taken, upload.opened

    def watched(person: str, need: int) -> AbstractContextManager[None]:
        took.append((person, need))
        return taken(person, need)

    def opening(data: bytes, most: int) -> upload.Upload:
        needs.append(services.uploads.free())
        return opened(data, most)

    monkeypatch.setattr(services.uploads, "taken", watched)
    monkeypatch.setattr(upload, "opened", opening)
    whole = services.uploads.free()
    text = json.dumps([chatgpt()]).encode()
    with zipfile.ZipFile(packed := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("conversations.json", text * 20)
    sent = (text, packed.getvalue(), b"no", b"[]")
    assert [bring(visitor, data).status_code for data in sent] == [200, 200, 422, 422]
    assert took == [("", len(text)), ("", 20 * len(text)), ("", 2), ("", 2)]
    assert needs == [whole - need for _, need in took]
    assert services.uploads.free() == whole


def test_a_file_that_is_too_large_is_refused_before_it_is_read(settings: Settings) -> None:
    class Unread(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise AssertionError("it was read")

    with running(replace(settings, max_import_mb=1)) as app:
        visitor = Visitor(app.test_client())
        visitor.open("/settings/copies")
        response = visitor.client.post(
            "/settings/copies",
            input_stream=Unread(),
            content_type="multipart/form-data; boundary=x",
            environ_overrides={"CONTENT_LENGTH": str(50 * 2**20)},
        )
    assert response.status_code == 413
    assert "This file is larger than" in response.text


def test_a_download_holds_no_connection_while_its_reader_waits(visitor: Visitor, services: Services) -> None:
    bring(visitor, json.dumps([chatgpt(conversation_id=str(number)) for number in range(3)]))
    pool, mine, held = services.database.product.reader.pool, threading.get_ident(), set[object]()

    def take(_connection: object, record: object, _proxy: object) -> None:
        if threading.get_ident() == mine:  # the server's own threads may look at any moment
            held.add(record)

    event.listen(pool, "checkout", take)
    event.listen(pool, "checkin", lambda _connection, record: held.discard(record))
    for path in ("copies/conversations.json", "copies/conversations.zip", "privacy/download"):
        with visitor.client.get(f"/settings/{path}", buffered=False) as response:
            assert response.status_code == 200
            assert {len(held) for _ in response.response} == {0}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_file_is_a_fault_of_ours(visitor: Visitor, data: st.DataObject) -> None:
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(10**400),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    )

    def spoiled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: spoiled(each) for key, each in value.items() if data.draw(st.integers(0, 20))}
        if isinstance(value, list) and data.draw(st.integers(0, 5)):
            return [spoiled(each) for each in value]
        return value if data.draw(st.integers(0, 4)) else data.draw(values)

    own = {"id": "o", "title": "t", "created_at": 1.0, "is_pinned": True, "options": "{}", "messages": [
        {"id": 1, "parent_id": None, "role": "user", "text": "a", "created_at": 1.0, "attachments": [{"name": "x"}]},
        {"id": 2, "parent_id": 1, "role": "assistant", "text": "b", "state": "done", "answer_tokens": 3, "rating": 1,
         "memory_from": 1, "problem": "too_large", "thinking": "c", "choice": "m", "finished_at": 2.0},
    ]}  # fmt: skip
    text = json.dumps([spoiled(data.draw(st.sampled_from([own, chatgpt(), open_webui()]))), data.draw(values)])
    cut = data.draw(st.integers(0, len(text)))
    assert bring(visitor, data.draw(st.sampled_from([text, text[:cut]]))).status_code in (200, 422)
    for each in exported(visitor)["conversations"]:
        assert visitor.client.get(f"/c/{each['id']}").status_code == 200
        assert visitor.client.get(f"/c/{each['id']}/export.md").status_code == 200


def test_markdown_says_who_said_what(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.script(thinking("# Hm"), "Look:\n\n```python\nopen")
    visitor.asks_and_waits("# A heading\n\n```\nopen\u2028# there")
    text = visitor.client.get(f"{visitor.url}/export.md").text
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# \\# A heading \\`\\`\\` open \\# there", "## You", "## Answer",
    ]  # fmt: skip
    assert "> # A heading\n>\n> ```\n> open\n> # there" in text
    assert text.endswith("```python\nopen\n```\n")


def test_all_of_it_is_a_zip_file_of_markdown(visitor: Visitor) -> None:
    for title in ("../../etc/passwd", "Ünïcode <b>", "CON", ""):
        visitor.open("/")
        visitor.asks_and_waits("Hi")
        visitor.send(visitor.url + "/edit", title=title)
    with zipfile.ZipFile(io.BytesIO(visitor.client.get("/settings/copies/conversations.zip").data)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert all("## You" in archive.read(name).decode() for name in names)
    assert len(set(names)) == 4
    assert all(name.isascii() and not set(name) & set("/\\<>:") for name in names)


def test_a_temporary_chat_is_exported_and_nothing_of_it_kept(visitor: Visitor) -> None:
    visitor.open("/temporary")
    response = visitor.send("/temporary", message="Between us", key=visitor.field("key"))
    page = visitor.open(response.location)
    visitor.watch(int(page.rpartition('class="answer"')[0].rpartition('<article id="a')[2].partition('"')[0]))
    assert f"{response.location}/export.md" in visitor.open(response.location)
    assert "> Between us" in visitor.client.get(f"{response.location}/export.md").text
    assert json.loads(visitor.client.get(f"{response.location}/export.json").text)["conversations"]
    assert exported(visitor)["conversations"] == []


def test_nobody_takes_along_what_is_somebody_elses(alice: Visitor, bob: Visitor) -> None:
    alice.asks_and_waits("Alice's own")
    for kind in ("md", "json"):
        assert bob.client.get(f"{alice.url}/export.{kind}").status_code == 404
    assert exported(bob)["conversations"] == []
    text = json.dumps(exported(alice))
    assert "1 conversation is here" in bring(bob, text).text
    assert "here already" in bring(alice, text).text
    assert len(exported(bob)["conversations"]) == len(exported(alice)["conversations"]) == 1


def test_instructions_that_a_rule_forbids_do_not_come_along(visitor: Visitor) -> None:
    visitor.open("/settings/moderation/rules/new")
    rule = {"name": "no", "kind": "words", "text": "kind", "scope": "prompts", "action": "refuse", "is_on": "y"}
    assert visitor.send("/settings/moderation/rules", **rule).status_code == 303
    assert "without its instructions" in bring(visitor, json.dumps([open_webui()])).text
    assert exported(visitor)["conversations"][0]["instructions"] == ""
