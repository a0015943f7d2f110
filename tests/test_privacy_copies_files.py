"""Files that went with messages come back with them, from our exports and, as far as those go, from other chats'."""

from __future__ import annotations

import base64
import io
import json
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from files import jpeg, pdf, png
from flask import Flask
from test_privacy_copies import bring, chatgpt, exported, open_webui, without_ids
from visitor import Visitor

from insight_app.chat import reading
from insight_app.chat.messages import Outcome, State
from insight_app.errors import FileWaits
from insight_app.privacy import imported_files
from insight_app.privacy.packed import Packed
from insight_app.services import Services

ON_BOTH_DATABASES = True
FILES = {"a photo.jpg": jpeg(60, 40), "drawn.png": png(30, 20), "notes.txt": b"My notes", "paper.pdf": pdf("A paper")}


def talked_of_files(services: Services, text: str = "Look") -> str:
    """The id of a conversation with a prompt of this text that all of these went with."""
    attached = [
        services.attachments.add("", name, len(data), reading.read(name, data, 1000)) for name, data in FILES.items()
    ]
    asked, answer = services.conversations.ask(text, model="", attached=attached)
    assert answer is not None
    services.conversations.finish(answer.id, Outcome(State.DONE, "Fine"))
    return asked.conversation_id


def zipped(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


def files_of(visitor: Visitor, title: str = "") -> list[tuple[str, str, str]]:
    """Of all messages, or those of one conversation: each file's name and kind, and its text."""
    return [
        (file["name"], file["kind"], file["text"])
        for each in exported(visitor)["conversations"]
        if title in each["title"]
        for message in each["messages"]
        for file in message.get("attachments", [])
    ]


@pytest.mark.parametrize("text", ["Look", ""])
def test_an_export_brings_its_files_back_byte_by_byte_and_as_often_as_one_likes(
    visitor: Visitor, services: Services, text: str
) -> None:
    home = talked_of_files(services, text)
    before = exported(visitor)
    first = before["conversations"][0]["messages"][0]["attachments"]
    assert [each["kind"] for each in first] == ["image", "image", "text", "pdf"]
    for data in (json.dumps(before), zipped({"all.json": json.dumps(before).encode()})):
        services.conversations.delete(home)
        page = bring(visitor, data).text
        assert "1 conversation is here" in page
        assert "left out" not in page
        (after,) = exported(visitor)["conversations"]
        assert without_ids(after) == without_ids(before["conversations"][0])
        home = after["id"]
    pictures = [each["id"] for each in after["messages"][0]["attachments"][:2]]
    assert visitor.client.get(f"/attachments/{pictures[0]}").data == base64.b64decode(first[0]["body"])
    page = visitor.open(f"/c/{home}")
    assert all(f"/attachments/{picture}" in page for picture in pictures)
    assert "In a file: <bdi><mark>paper</mark>.pdf" in visitor.open("/search?q=paper")


def test_a_prompt_whose_files_cannot_be_kept_is_called_by_their_names(visitor: Visitor, services: Services) -> None:
    home = talked_of_files(services, "")
    before = json.dumps(exported(visitor))
    services.conversations.delete(home)
    services.settings = replace(services.settings, max_attachment_mb=0)
    assert "4 files or pictures were left out" in bring(visitor, before).text
    (after,) = exported(visitor)["conversations"]
    assert after["messages"][0]["text"] == ", ".join(FILES)


def test_a_file_is_read_where_a_process_can_be_begun(
    visitor: Visitor, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gevent begins none in the threads in which it runs what would hold up everybody."""
    home = talked_of_files(services)
    files = {"conversations.json": json.dumps(exported(visitor)).encode()}
    services.conversations.delete(home)
    read, is_outside = reading.read, False

    def outside(work: Callable[[], object]) -> object:
        nonlocal is_outside
        is_outside = True
        try:
            return work()
        finally:
            is_outside = False

    def read_here(*given: Any) -> reading.Read:
        assert not is_outside
        return read(*given)

    monkeypatch.setattr(services, "outside", outside)
    monkeypatch.setattr(reading, "read", read_here)
    bring(visitor, zipped(files))
    assert [name for name, _, _ in files_of(visitor)] == list(FILES)


def test_what_cannot_be_kept_of_files_is_counted_and_costs_nothing_else(visitor: Visitor, app: Flask) -> None:
    services: Services = app.extensions["insight"]
    services.settings = replace(services.settings, max_attachment_mb=1, max_prompt_chars=50)
    talked_of_files(services)
    own = exported(visitor)["conversations"]
    photo, drawn, notes, paper = own[0]["messages"][0]["attachments"]
    photo["body"] = photo["body"][:99]
    drawn["body"] = base64.b64encode(drawn["body"].encode() + b"x" * 2**20).decode()
    notes["text"] = "x" * 51
    own[0]["messages"][0]["attachments"] += [paper | {"name": "\u202e../<b>.pdf"}, *[paper] * 9, {"kind": "sound"}, 7]
    own[0]["messages"][1]["attachments"] = [paper]
    own[0] |= {"id": "", "title": "Other"}
    page = bring(visitor, json.dumps(own)).text
    assert "1 conversation is here" in page
    assert "6 files or pictures were left out" in page
    assert [name for name, _, _ in files_of(visitor, "Other")] == ["paper.pdf", "<b>.pdf", *["paper.pdf"] * 8]


def asked_with_files(**more: Any) -> dict[str, Any]:
    """A conversation of ChatGPT's with a picture, which is named twice, a PDF, and one that a tool drew."""
    found = chatgpt(**more)
    asked = found["mapping"]["u"]["message"]
    picture = {"content_type": "image_asset_pointer", "asset_pointer": "sediment://file_00ab", "size_bytes": 9}
    asked["content"] = {"content_type": "multimodal_text", "parts": [picture, "What is this?"]}
    named = [("file_00ab", "seen.jpg"), ("file-Xy9", "paper.pdf"), ("file-none", "gone.txt"), ("file-big", "big.txt")]
    asked["metadata"] = {"attachments": [{"id": id, "name": name, "size": 5} for id, name in named]}
    drawn = {"content_type": "image_asset_pointer", "asset_pointer": "file-service://file-Dalle"}
    found["mapping"]["r"]["message"]["content"] = {"content_type": "multimodal_text", "parts": [drawn]}
    thoughts = {"content_type": "thoughts", "thoughts": [{"summary": "Looking", "content": "It is blue."}]}
    thought = {"id": "h", "author": {"role": "assistant"}, "create_time": 1.7e9, "content": thoughts}
    found["mapping"]["h"] = {"id": "h", "parent": "r", "children": ["a"], "message": thought}
    found["mapping"]["a"]["parent"] = "h"
    return found


def test_a_zip_file_of_chatgpt_has_files_too(visitor: Visitor) -> None:
    files = {
        "conversations-000.json": json.dumps([asked_with_files()]).encode(),
        "file_00ab-sanitized.dat": jpeg(9, 9),
        "paper/file-Xy9-paper.pdf": pdf("A paper"),
        "dalle-generations/file-Dalle-1.webp": png(3, 3),
        "file-big-x.txt": b"x" * 11 * 2**20,
    }
    page = bring(visitor, zipped(files), "export.zip").text
    assert "3 files or pictures were left out" in page
    assert files_of(visitor) == [("seen.jpg", "image", ""), ("paper.pdf", "pdf", "A paper")]
    (found,) = exported(visitor)["conversations"]
    assert {(each["text"], each["thinking"], each["model"]) for each in found["messages"]} == {
        ("What is this?", "", ""), ("An *answer*", "It is blue.", "gpt-4o"), ("Another", "", ""),
    }  # fmt: skip
    page = bring(visitor, json.dumps([asked_with_files(conversation_id="y")])).text
    assert "5 files or pictures were left out" in page


def test_files_in_a_zip_file_count_for_its_limit(visitor: Visitor, app: Flask) -> None:
    services: Services = app.extensions["insight"]
    services.settings = replace(services.settings, max_import_mb=1, max_attachment_mb=2)
    found = asked_with_files()
    names = [f"file-{number}" for number in range(9)]
    found["mapping"]["u"]["message"]["metadata"] = {"attachments": [{"id": name, "name": "x.txt"} for name in names]}
    files = dict.fromkeys(names, b"x " * 2**19) | {"conversations.json": json.dumps([found]).encode()}
    services.settings = replace(services.settings, max_prompt_chars=2**21)
    bring(visitor, zipped(files))
    assert len(files_of(visitor)) == 3


def test_files_of_open_webui_come_along_as_far_as_its_export_has_them(visitor: Visitor) -> None:
    found = open_webui()
    about = {"content_type": "application/pdf", "size": 7}
    text = {"filename": "paper.pdf", "data": {"content": "A paper"}, "meta": about}
    found["chat"]["history"]["messages"]["1"]["files"] = [
        {"type": "image", "url": f"data:image/png;base64,{base64.b64encode(png(4, 4)).decode()}"},
        {"type": "file", "id": "f", "url": "f", "name": "paper.pdf", "file": text},
        {"type": "image", "url": "an-id-on-that-server"},
    ]
    assert "1 file or picture was left out" in bring(visitor, json.dumps([found])).text
    assert files_of(visitor) == [("picture", "image", ""), ("paper.pdf", "pdf", "A paper")]


def test_files_are_looked_into_where_one_may_wait_for_a_process(
    visitor: Visitor, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gevent waits for processes in its first thread only: in others it raises TypeError."""
    is_outside, really = [False], reading.read

    def outside(work: Callable[[], object]) -> object:
        is_outside[0] = True
        try:
            return work()
        finally:
            is_outside[0] = False

    def read(*about: Any) -> reading.Read:
        assert not is_outside[0]
        return really(*about)

    monkeypatch.setattr(services, "outside", outside)
    monkeypatch.setattr(reading, "read", read)
    archive = {"conversations.json": json.dumps([asked_with_files()]).encode(), "file_00ab-x.png": png(30, 20)}
    assert "1 conversation is here" in bring(visitor, zipped(archive)).text
    assert [kind for _, kind, _ in files_of(visitor)] == ["image"]


def test_an_upload_with_ever_more_pictures_takes_no_longer_than_others_wait(
    visitor: Visitor, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = talked_of_files(services)
    own = exported(visitor)
    services.conversations.delete(home)
    monkeypatch.setattr(imported_files, "MOST_SECONDS", -1.0)
    page = bring(visitor, json.dumps(own)).text
    assert "1 conversation is here" in page
    assert "2 files or pictures were left out" in page
    assert [kind for _, kind, _ in files_of(visitor)] == ["text", "pdf"], "which need no process"


def test_a_file_that_others_stand_before_is_read_when_it_is_its_turn(
    visitor: Visitor, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = talked_of_files(services)
    own = exported(visitor)
    services.conversations.delete(home)
    really, refused, pauses = reading.read, [0], list[float]()

    def read(name: str, *about: Any) -> reading.Read:
        refused[0] += 1
        if refused[0] <= 12:
            raise FileWaits(name=name)
        return really(name, *about)

    monkeypatch.setattr(reading, "read", read)
    monkeypatch.setattr(imported_files, "pause", lambda: pauses.append(1))
    assert "left out" not in bring(visitor, json.dumps(own)).text
    assert sorted(kind for _, kind, _ in files_of(visitor)) == ["image", "image", "pdf", "text"]
    assert len(pauses) == 12


def test_no_more_is_unpacked_of_a_file_than_it_may_hold_however_often_it_is_named(visitor: Visitor) -> None:
    packed = Packed(zipped({"conversations.json": b"[]", "file_00ab-x": bytes(2**21)}), 2**20)
    assert [len(packed.file("file_00ab", 2**22)) for _ in range(3)] == [2**21, 2**21, 0]


def test_names_in_a_zip_file_cost_no_more_than_their_length() -> None:
    """A name of 60,000 letters took ten seconds, and a list may have sixty such."""
    began = time.process_time()
    packed = Packed(zipped({f"file-{'a' * 60_000}/x": b"", "dalle/file-1a.png": b"drawn"}), 10**6)
    assert time.process_time() - began < 2
    assert packed.file("file-1a", 10) == b"drawn"
