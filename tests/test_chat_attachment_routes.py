"""Files that go with prompts, from the form to the engine, and who may see them."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from files import jpeg, pdf, png
from flask import Flask
from own_app import running
from PIL import Image
from scripted_ollama import ScriptedOllama, done
from sqlalchemy import select, update
from visitor import Visitor
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import TestResponse, encode_multipart

from insight_app.accounts.people import Role
from insight_app.chat import attachment_store
from insight_app.config import Settings
from insight_app.errors import NotThere
from insight_app.moderation.rulebook import Entry, as_json
from insight_app.moderation.rules import Action, Kind, Rule, Scope
from insight_app.services import Services
from insight_app.storage.tables import attachments


def file(name: str, data: bytes | str) -> FileStorage:
    return FileStorage(BytesIO(data.encode() if isinstance(data, str) else data), name)


def sent(visitor: Visitor, *files: FileStorage, message: str = "Look", **fields: Any) -> TestResponse:
    """Posts the composer of the page that is open, as a browser does it without scripts."""
    url = visitor.url + "/messages" if visitor.url.startswith("/c/") else fields.pop("to", "/messages")
    data = {"csrf_token": visitor.field("csrf_token"), "key": visitor.field("key"), "message": message, **fields}
    return posted_form(visitor, url, {**data, "files": list(files)})


def asked(visitor: Visitor, *files: FileStorage, **fields: Any) -> int:
    """The id of the answer, once it is written."""
    response = sent(visitor, *files, **fields)
    assert response.status_code == 303, response.text
    visitor.open(response.location)
    answer = int(re.findall(r'<article id="a(\d+)" class="answer"', visitor.page)[-1])
    visitor.watch(answer)
    visitor.open(visitor.url)
    return answer


def uploaded(visitor: Visitor, name: str, data: bytes | str, **fields: str) -> TestResponse:
    data = {"csrf_token": visitor.field("csrf_token"), "file": file(name, data), **fields}
    return posted_form(visitor, "/attachments", data)


def posted_form(visitor: Visitor, url: str, data: dict[str, Any]) -> TestResponse:
    """In memory: a client would put a large file on the disk."""
    boundary, body = encode_multipart(MultiDict(data))
    return visitor.client.post(url, data=body, content_type=f"multipart/form-data; boundary={boundary}")


def id_of(response: TestResponse) -> str:
    assert response.status_code == 200, response.text
    return re.findall(r'data-id="([^"]+)"', response.text)[0]


def rows(services: Services) -> list[Any]:
    with services.database.reading() as connection:
        return list(connection.execute(select(attachments).order_by(attachments.c.created_at)))


@pytest.fixture
def seeing(ollama: ScriptedOllama, services: Services) -> ScriptedOllama:
    """An Ollama whose first model sees pictures, and whose second one does not."""
    ollama.models[:] = ["llava:latest", "llama3.2:latest"]
    ollama.loaded[:] = ollama.models
    ollama.capabilities |= {"llava:latest": ["completion", "vision"]}
    services.engine.look()
    return ollama


def test_a_text_goes_to_the_model_in_a_fence_before_the_question(visitor: Visitor, ollama: ScriptedOllama) -> None:
    asked(visitor, file("notes.md", "# Plan\n```\ncode\n```"), message="What is planned?")
    [talk] = ollama.talks()
    assert talk == [
        {"role": "user", "content": "File “notes.md”:\n````\n# Plan\n```\ncode\n```\n````\n\nWhat is planned?"}
    ]
    assert '<div class="bubble" dir="auto">What is planned?</div>' in visitor.page
    assert "notes.md" in visitor.page


def test_later_turns_send_a_file_again_as_a_part_of_its_message(visitor: Visitor, ollama: ScriptedOllama) -> None:
    asked(visitor, file("a.txt", "alpha"))
    asked(visitor, message="And now?")
    assert "alpha" in ollama.talks()[1][0]["content"]
    assert ollama.talks()[1][2] == {"role": "user", "content": "And now?"}


def test_another_answer_and_a_changed_prompt_have_the_file_too(visitor: Visitor, ollama: ScriptedOllama) -> None:
    answer = asked(visitor, file("a.txt", "alpha"), file("b.txt", "beta"))
    visitor.send(f"/answers/{answer}/again")
    visitor.open(visitor.url)
    visitor.watch(int(re.findall(r'<article id="a(\d+)" class="answer"', visitor.page)[-1]))
    assert "alpha" in ollama.talks()[1][0]["content"]
    prompt = int(re.findall(r'<article id="a(\d+)" class="prompt"', visitor.page)[0])
    conversation = visitor.url
    visitor.open(f"/prompts/{prompt}/edit")
    kept = re.findall(r'name="attachment" value="([^"]+)"[^>]* checked', visitor.page)
    assert len(kept) == 2
    visitor.send(f"{conversation}/messages", message="Look again", key="edited", parent="0", attachment=kept[0])
    visitor.open(conversation)
    visitor.watch(int(re.findall(r'<article id="a(\d+)" class="answer"', visitor.page)[-1]))
    changed = ollama.talks()[2][0]["content"]
    assert "alpha" in changed
    assert "beta" not in changed
    assert "b.txt" in visitor.open(f"{conversation}?at={prompt}"), "the first version has what it had"


def test_a_file_alone_is_a_message_and_is_called_by_its_name(
    visitor: Visitor, seeing: ScriptedOllama, services: Services
) -> None:
    answer = asked(visitor, file("plan.txt", "alpha"), file("photo.jpg", jpeg(9, 9)), message=" ")
    [turn] = seeing.talks()[0]
    assert turn["content"] == "File “plan.txt”:\n```\nalpha\n```"
    assert len(turn["images"]) == 1
    assert "<title>plan.txt, photo.jpg – " in visitor.page
    assert 'class="bubble"' not in visitor.page, "there is nothing to stand in it"
    assert "plan.txt" in visitor.open("/search?q=photo")
    home = services.conversations.message(answer).conversation_id
    assert "Attached: plan" in visitor.client.get(f"/c/{home}/export.md").text
    visitor.open(f"/c/{home}")
    asked(visitor, message="And now?")
    prompt = min(services.conversations.tree(home).path(None))
    visitor.send(f"/prompts/{prompt}/delete")
    assert services.conversations.conversation(home).title == "And now?", "it was called by what is gone"
    visitor.open("/")
    nothing = sent(visitor, message=" ")
    assert nothing.status_code == 422
    assert "The message is empty" in nothing.text
    asked(visitor, file("x.png", png(9, 9)), message="")
    assert seeing.talks()[-1] == [{"role": "user", "content": "", "images": [seeing.talks()[-1][0]["images"][0]]}]


def test_a_conversation_is_called_by_a_file_that_is_left(visitor: Visitor, services: Services) -> None:
    answer = asked(visitor, message="First words")
    asked(visitor, file("b.txt", "beta"), message="")
    home = services.conversations.message(answer).conversation_id
    prompt = min(services.conversations.tree(home).path(None))
    visitor.send(f"/prompts/{prompt}/delete")
    assert services.conversations.conversation(home).title == "b.txt"


def test_a_file_that_is_added_to_an_edited_prompt_goes_with_the_new_version(
    visitor: Visitor, ollama: ScriptedOllama
) -> None:
    asked(visitor, file("a.txt", "alpha"))
    [prompt] = set(re.findall(r"/prompts/(\d+)/edit", visitor.page))
    home = visitor.url
    visitor.open(f"/prompts/{prompt}/edit")
    response = sent(
        visitor, file("b.txt", "beta"), to=f"{home}/messages", parent="0", attachment=visitor.field("attachment")
    )
    visitor.open(response.location)
    visitor.watch(int(re.findall(r'<article id="a(\d+)" class="answer"', visitor.page)[-1]))
    assert re.findall("alpha|beta", ollama.talks()[-1][0]["content"]) == ["alpha", "beta"]


def test_a_picture_goes_to_a_model_that_sees_as_base64(visitor: Visitor, seeing: ScriptedOllama) -> None:
    asked(visitor, file("photo.jpg", jpeg(2000, 1000, place="secret place")), message="What is it?")
    [turn] = seeing.talks()[0]
    assert turn["content"] == "What is it?"
    body = base64.b64decode(turn["images"][0])
    assert Image.open(BytesIO(body)).size == (1568, 784)
    [address] = re.findall(r'<img src="(/attachments/[^"]+)" alt="photo.jpg"', visitor.page)
    shown = visitor.client.get(address)
    assert (shown.data, shown.content_type) == (body, "image/jpeg")
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert shown.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert "inline" in shown.headers["Content-Disposition"]


def test_a_model_that_sees_nothing_is_sent_no_picture_and_says_which_one_sees(
    visitor: Visitor, seeing: ScriptedOllama, services: Services
) -> None:
    response = sent(visitor, file("x.png", png(9, 9)), model="llama3.2:latest", message="What is it?")
    assert response.status_code == 422
    assert "“llama3.2:latest” sees no pictures" in response.text
    assert "llava:latest" in response.text
    assert "What is it?" in response.text, "the text comes back"
    assert 'data-name="x.png"' in response.text, "and so does the file"
    assert not seeing.chats()
    visitor.page = response.text
    asked(visitor, attachment=visitor.field("attachment"), model="llava:latest", message="What is it?")
    assert seeing.talks()[0][0]["images"]
    asked(visitor, message="Thanks", model="llama3.2:latest")
    first = seeing.talks()[1][0]
    assert "images" not in first
    assert "The picture “x.png” cannot be shown to you" in first["content"]


def test_a_script_sends_a_file_first_and_then_names_it(visitor: Visitor, ollama: ScriptedOllama) -> None:
    chip = uploaded(visitor, "<b>hi</b>.txt", "alpha")
    assert "&lt;b&gt;hi&lt;/b&gt;.txt" not in chip.text, "a slash is a folder's"
    assert "b&gt;.txt" in chip.text
    assert chip.text == visitor.client.get(f"/attachments?id={id_of(chip)}").text, "what a page shows after a reload"
    asked(visitor, attachment=id_of(chip))
    assert "alpha" in ollama.talks()[0][0]["content"]


def test_what_was_removed_is_gone_and_what_was_sent_is_not_removed(visitor: Visitor, services: Services) -> None:
    one = id_of(uploaded(visitor, "a.txt", "alpha"))
    assert visitor.send(f"/attachments/{one}/delete").status_code == 204
    assert rows(services) == []
    assert visitor.client.get(f"/attachments/{one}").status_code == 404
    asked(visitor, file("b.txt", "beta"))
    [row] = rows(services)
    assert visitor.send(f"/attachments/{row.id}/delete").status_code == 204
    assert visitor.client.get(f"/attachments/{row.id}").text == "beta"


def test_a_prompt_with_a_file_that_is_gone_says_so_and_keeps_the_text(visitor: Visitor) -> None:
    response = sent(visitor, attachment="nothing", message="My text")
    assert response.status_code == 410
    assert "kept for an hour" in response.text
    assert "My text" in response.text


def test_what_is_not_sent_goes_after_an_hour(
    visitor: Visitor, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachment_store, "LOOK_SECONDS", 0.0)
    old, new = (id_of(uploaded(visitor, name, "alpha")) for name in ("old.txt", "new.txt"))
    asked(visitor, file("sent.txt", "beta"))
    with services.database.writing() as connection:
        long_ago = update(attachments).where(attachments.c.id != new)
        connection.execute(long_ago.values(created_at=time.time() - 3601))
    services.attachments._look_at = 0.0
    services.attachments.prune()
    assert {row.name for row in rows(services)} == {"new.txt", "sent.txt"}
    assert visitor.client.get(f"/attachments/{old}").status_code == 404


def test_the_same_form_sent_twice_is_one_prompt_with_its_file(visitor: Visitor, services: Services) -> None:
    key, chip = visitor.field("key"), id_of(uploaded(visitor, "a.txt", "alpha"))
    fields = {"message": "Look", "key": key, "attachment": chip}
    first, second = (visitor.send("/messages", **fields) for _ in range(2))
    assert first.location == second.location
    assert len(rows(services)) == 1


def test_other_people_see_nothing_of_a_file(alice: Visitor, bob: Visitor, shared: Flask) -> None:
    alice.open("/")
    bob.open("/")
    unsent = id_of(uploaded(alice, "a.txt", "alpha"))
    asked(alice, file("b.txt", "beta"))
    [_, was_sent] = rows(shared.extensions["insight"])
    for one in (unsent, was_sent.id):
        assert bob.client.get(f"/attachments/{one}").status_code == 404
        assert bob.send(f"/attachments/{one}/delete").status_code == 404
        assert "a.txt" not in bob.client.get(f"/attachments?id={one}").text
        assert sent(bob, attachment=one).status_code == 410
        assert alice.client.get(f"/attachments/{one}").status_code == 200


def test_the_first_admin_has_the_files_of_who_was_alone_before(settings: Settings, ollama: ScriptedOllama) -> None:
    with running(settings) as app:
        alone = Visitor(app.test_client())
        alone.open("/")
        unsent = id_of(uploaded(alone, "a.txt", "alpha"))
        asked(alone, file("b.txt", "beta"))
        [_, was_sent] = rows(app.extensions["insight"])
    with running(replace(settings, auth_mode="accounts")) as app:
        found: Services = app.extensions["insight"]
        admin = found.accounts.store.create("boss@example.org", Role.ADMIN)
        member = found.accounts.store.create("bob@example.org", Role.MEMBER)
        for one, text in ((unsent, "alpha"), (was_sent.id, "beta")):
            assert found.attachments.find(admin.id, one).text == text
            for other in ("", member.id):
                with pytest.raises(NotThere):
                    found.attachments.find(other, one)


def of_bluebirds(services: Services, action: Action) -> None:
    """A rule does this to a word in messages from now on."""
    rule = Rule("rule-x", "Code name", Kind.WORDS, "bluebird", Scope.PROMPTS, action, reason="That is secret.")
    services.rules.change("test", {rule.id: Entry(rule.id, 9, as_json(rule))})


def test_a_rule_reads_files_too(visitor: Visitor, services: Services, ollama: ScriptedOllama) -> None:
    of_bluebirds(services, Action.REFUSE)
    refused = sent(visitor, file("plan.txt", "Operation bluebird begins"), message="Sum it up")
    assert refused.status_code == 422
    assert "That is secret." in refused.text
    assert not ollama.chats()
    of_bluebirds(services, Action.MASK)
    visitor.page = refused.text
    asked(visitor, file("plan.txt", "Operation bluebird begins"), message="Sum it up")
    assert "bluebird" not in ollama.talks()[0][0]["content"]
    assert "bluebird" not in rows(services)[-1].text, "and what is kept is what was sent"


def test_a_rule_reads_the_names_of_files_too(visitor: Visitor, services: Services, ollama: ScriptedOllama) -> None:
    of_bluebirds(services, Action.REFUSE)
    named = file("a.txt", "One"), file("bluebird begins.txt", "Two")
    refused = sent(visitor, *named, message="")
    assert refused.status_code == 422
    assert "That is secret." in refused.text
    assert not ollama.chats()
    of_bluebirds(services, Action.MASK)
    visitor.page = refused.text
    chosen = re.findall(r'data-id="([^"]+)"', visitor.page)
    assert len(chosen) == 2, "they are still there, also with no words beside them"
    asked(visitor, message="", attachment=chosen)
    assert "bluebird" not in ollama.talks()[0][0]["content"]
    assert "File “a.txt”" in ollama.talks()[0][0]["content"]
    assert "bluebird" not in str(rows(services)), "and what is kept is what was sent"
    assert "bluebird" not in visitor.page, "also in the title"


@pytest.mark.parametrize(
    ("name", "data", "status", "words"),
    [
        ("empty.txt", b"", 422, "“empty.txt” is empty"),
        ("tool.zip", b"PK\x03\x04\x00\x00", 415, "neither text nor a PDF nor a picture"),
        ("x.png", b"\x89PNG\r\n\x1a\nnot really", 422, "damaged or cut off"),
        ("large.txt", b"a" * (2**20 + 1), 413, "larger than 1 MB"),
        ("long.txt", b"a" * 100_001, 413, "more text than a message may have (100,000"),
    ],
    ids=["empty", "no text", "no picture", "large", "long"],
)
def test_what_cannot_be_attached_says_why_and_loses_nothing(
    small: Visitor, name: str, data: bytes, status: int, words: str
) -> None:
    told = uploaded(small, name, data)
    assert (told.status_code, told.content_type) == (status, "text/plain; charset=utf-8")
    assert words in told.text
    response = sent(small, file("good.txt", "alpha"), file(name, data), message="My text")
    assert response.status_code == status
    assert "My text" in response.text
    assert 'data-name="good.txt"' in response.text


@pytest.fixture
def small(settings: Settings) -> Iterator[Visitor]:
    """A visitor of a server that takes files of one MB."""
    with running(replace(settings, max_attachment_mb=1)) as app:
        found = Visitor(app.test_client())
        found.open("/")
        yield found


class Body(BytesIO):
    """What somebody goes on sending; `most` is how much may be read of it."""

    def __init__(self, most: int) -> None:
        super().__init__(b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"x" * 2 * most)
        self._most = most

    def read(self, size: int | None = -1) -> bytes:
        assert self.tell() <= self._most, "nobody shall read on"
        return super().read(min(size, 2**16) if size and size > 0 else 2**16)


def posted(visitor: Visitor, path: str, body: Body, **environ: Any) -> TestResponse:
    kind = "multipart/form-data; boundary=x"
    environ = {"wsgi.input": body, "CONTENT_TYPE": kind, **environ}
    return visitor.client.post(path, environ_overrides=environ)


@pytest.mark.parametrize("path", ["/messages", "/attachments"])
def test_fifty_megabytes_are_refused_before_they_are_read(small: Visitor, path: str) -> None:
    response = posted(small, path, Body(-1), CONTENT_LENGTH=str(50 * 2**20))
    assert response.status_code == 413
    assert "larger than 6 MB" in response.text


def test_a_body_without_a_length_is_refused_as_soon_as_it_is_too_large(small: Visitor) -> None:
    response = posted(small, "/attachments", Body(7 * 2**20), CONTENT_LENGTH="", **{"wsgi.input_terminated": True})
    assert response.status_code == 413


def test_too_many_files_are_refused(visitor: Visitor) -> None:
    response = sent(visitor, *(file(f"{number}.txt", "alpha") for number in range(11)))
    assert response.status_code == 422
    assert "At most 10 files" in response.text


def test_all_files_of_a_message_together_have_a_limit(small: Visitor) -> None:
    noise = BytesIO()
    Image.effect_noise((900, 900), 90).save(noise, "PNG")
    ids = [id_of(uploaded(small, f"{number}.png", noise.getvalue())) for number in range(3)]
    response = sent(small, attachment=ids)
    assert response.status_code == 413
    assert "All files of a message together may have 2 MB" in response.text
    assert response.text.count("data-name=") == 3


def test_no_files_are_offered_where_the_server_takes_none(settings: Settings) -> None:
    with running(replace(settings, max_attachment_mb=0)) as app:
        found = Visitor(app.test_client())
        assert 'type="file"' not in found.open("/")
        assert uploaded(found, "a.txt", "alpha").status_code == 422


def test_the_file_of_a_temporary_chat_is_in_memory_only(
    visitor: Visitor, services: Services, ollama: ScriptedOllama
) -> None:
    visitor.open("/temporary")
    chip = id_of(uploaded(visitor, "a.txt", "alpha", temporary="1"))
    asked(visitor, file("b.txt", "beta"), attachment=chip, to="/temporary")
    assert "alpha" in ollama.talks()[0][0]["content"]
    assert "beta" in ollama.talks()[0][0]["content"]
    assert rows(services) == []
    assert visitor.client.get(f"/attachments/{chip}").text == "alpha"
    visitor.open("/")
    assert sent(visitor, attachment=chip).status_code == 410, "nothing of it gets into a chat that is kept"
    services.delete_everything_of("")
    assert visitor.client.get(f"/attachments/{chip}").status_code == 404


def test_files_of_temporary_chats_have_so_much_memory_of_a_person_and_in_all(
    alice: Visitor, bob: Visitor, shared: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachment_store, "MOST_IN_MEMORY_OF_ONE", 100)
    monkeypatch.setattr(attachment_store, "MOST_IN_MEMORY", 150)
    for visitor in (alice, bob):
        visitor.open("/temporary")
    # Bytes are counted, and not letters; and what was sent is still held.
    asked(alice, attachment=id_of(uploaded(alice, "a.txt", "ä" * 40, temporary="1")), to="/temporary")
    assert alice.url.startswith("/c/temporary-")
    refused = uploaded(alice, "b.txt", "x" * 21, temporary="1")
    assert refused.status_code == 413
    assert "no room for “b.txt”" in refused.text
    assert uploaded(alice, "b.txt", "x" * 21).status_code == 200, "in a chat that is kept there is room"
    [prompt] = set(re.findall(r"/prompts/(\d+)/edit", alice.page))
    place = alice.url
    alice.open(f"/prompts/{prompt}/edit")
    again = sent(alice, to=f"{place}/messages", parent="0", attachment=alice.field("attachment"))
    assert again.status_code == 413, "another version of a prompt has copies"
    last = id_of(uploaded(alice, "b.txt", "x" * 20, temporary="1"))
    assert uploaded(bob, "c.txt", "x" * 51, temporary="1").status_code == 413, "all together"
    alice.send(f"/attachments/{last}/delete")
    assert uploaded(bob, "c.txt", "x" * 51, temporary="1").status_code == 200


def test_a_deleted_conversation_takes_its_files_along(visitor: Visitor, services: Services) -> None:
    asked(visitor, file("a.txt", "alpha"))
    visitor.send(f"{visitor.url}/delete", now="1")
    assert rows(services) == []


def test_a_file_goes_into_the_bin_with_its_conversation(visitor: Visitor, services: Services) -> None:
    asked(visitor, file("a.txt", "alpha"))
    [row], home = rows(services), visitor.url
    visitor.send(home + "/delete")
    assert visitor.client.get(f"/attachments/{row.id}").status_code == 404
    assert "a.txt" not in visitor.client.get(f"/attachments?id={row.id}").text
    visitor.open("/")
    assert "is not there any more" in sent(visitor, attachment=row.id).text
    visitor.send(home + "/undo")
    assert visitor.client.get(f"/attachments/{row.id}").text == "alpha"


def test_files_have_a_limit_beside_that_of_messages(settings: Settings) -> None:
    with running(replace(settings, send_rate_limit="2 per hour")) as app:
        visitor = Visitor(app.test_client())
        visitor.open("/")
        assert [uploaded(visitor, "a.txt", "alpha").status_code for _ in range(2)] == [200, 200]
        refused = uploaded(visitor, "a.txt", "alpha")
        assert (refused.status_code, refused.mimetype) == (429, "text/plain")
        assert refused.text.startswith("You sent a lot in a short time.")
        visitor.ask("Hello")


def test_who_deletes_everything_deletes_what_was_not_sent_too(visitor: Visitor, services: Services) -> None:
    id_of(uploaded(visitor, "a.txt", "alpha"))
    services.delete_everything_of("")
    assert rows(services) == []


def test_what_is_downloaded_has_the_files(visitor: Visitor, seeing: ScriptedOllama) -> None:
    asked(visitor, file("a.txt", "alpha"), file("x.png", png(3, 3)))
    [conversation] = visitor.client.get("/settings/privacy/download").get_json()["conversations"]
    text, picture = conversation["messages"][0]["attachments"]
    assert (text["name"], text["text"], text["body"]) == ("a.txt", "alpha", None)
    assert base64.b64decode(picture["body"]).startswith(b"\x89PNG")


def test_a_pdf_is_read_as_its_text(visitor: Visitor, ollama: ScriptedOllama) -> None:
    asked(visitor, file("paper.pdf", pdf("The treasure is in the garden")))
    assert "File “paper.pdf”:\n```\nThe treasure is in the garden\n```" in ollama.talks()[0][0]["content"]


def test_the_page_says_how_much_of_the_context_is_used(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.script("Hi", done(prompt_eval_count=1000, eval_count=234))
    asked(visitor, message="Hi")
    assert "about 1,234 of 4,096 tokens" in visitor.page
    assert 'data-context="4096"' in visitor.open("/"), "a new chat knows how much the model saw last"


def test_a_picture_counts_in_what_the_model_can_read(visitor: Visitor, seeing: ScriptedOllama) -> None:
    seeing.context = 4096
    asked(visitor, *(file(f"{number}.png", png(3, 3)) for number in range(3)), message="These")
    seeing.script("Fine", done(prompt_eval_count=None))
    asked(visitor, *(file(f"{number}.png", png(3, 3)) for number in range(3)), message="And these")
    assert len(seeing.talks()[1]) == 1, "both would be 4,600 tokens"
