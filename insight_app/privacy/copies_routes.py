"""Conversations as files: one or all taken along as Markdown or JSON, or brought here from this and other chats."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flask import Blueprint, Flask, Response, render_template, request
from flask.typing import ResponseReturnValue

from insight_app.accounts.guards import me
from insight_app.chat.guards import own_conversation
from insight_app.errors import ImportTooLarge, NotThere, PromptRefused
from insight_app.limits import rates
from insight_app.pauses import Pauses
from insight_app.privacy import export, export_markdown, imported_files, importing, upload
from insight_app.privacy.copies_store import CopiesStore
from insight_app.privacy.imported import Imported
from insight_app.privacy.packed import Unreadable
from insight_app.privacy.store import PersonalStore
from insight_app.privacy.zipped import zipped
from insight_app.web import add_settings_page, allow_large, as_file, services
from insight_app.words import N_, _

copies = Blueprint("copies", __name__)
MB = 2**20
# What a form takes besides the file that it brings.
OF_THE_FORM = 2**16
NO_FILE = N_("Choose a file first.")
MOST_TOLD = 20
MOST = 100_000  # conversations of one file: the smallest would fill the disk, and the day
# So many characters and bytes are kept in one transaction, which others wait for; a message has LENGTH more.
AT_ONCE, LENGTH = 200_000, 1_000


@dataclass(slots=True)
class Result:
    """What became of an upload. `skipped` has for each reason how many there were, and the first numbers, from 1."""

    taken: int = 0
    known: int = 0
    left_out: int = 0
    uninstructed: int = 0
    is_cut: bool = False
    has_more: bool = False
    skipped: Counter[str] = field(default_factory=Counter)
    numbers: dict[str, list[int]] = field(default_factory=dict)
    sources: Counter[str] = field(default_factory=Counter)


@copies.get("/settings/copies")
def page() -> str:
    return _page()


@copies.post("/settings/copies")
@rates.sending
def bring() -> ResponseReturnValue:
    """Takes the conversations of a `file`, or of a `pasted` text; each whole or not at all, and none twice."""
    file = request.files.get("file")
    data = file.read() if file else request.form.get("pasted", "").encode("utf-8", "replace")
    if not data:
        return _page(problem=_(NO_FILE) if not file or not file.filename else _(upload.EMPTY)), 422
    most = _most()
    try:
        # What a small ZIP file holds may take many times its size: others wait where there is no room beside it.
        with services().uploads.taken(me().id, upload.needs(data, most)):
            found = services().outside(lambda: upload.opened(data, most))
            assert isinstance(found, upload.Upload)
            return _page(result=_brought(found))
    except Unreadable as why:
        return _page(problem=_(str(why))), 422


def _brought(found: upload.Upload) -> Result:
    result = Result()
    store, opening = CopiesStore(services().database), _(importing.OPENING)
    settings = services().settings
    until = time.monotonic() + imported_files.MOST_SECONDS
    of_files = until, me().id, settings.max_attachment_mb * MB, settings.max_prompt_chars

    def inside(name: str, most: int) -> bytes:
        unpacked = services().outside(lambda: found.file(name, most))
        assert isinstance(unpacked, bytes)
        return unpacked

    waiting, size, pauses = list[Imported](), 0, Pauses()
    for number, each in enumerate(_made(found, opening), 1):
        if number > MOST:
            result.has_more = True
            break
        pauses.take()
        if isinstance(each, str):
            result.skipped[each] += 1
            if result.skipped[each] <= MOST_TOLD:
                result.numbers.setdefault(each, []).append(number)
            continue
        # Not outside: where threads are greenlets, only they can begin the process that reads a file.
        waiting.append(_instructed(imported_files.looked_into(each, inside, *of_files), result))
        size += sum(LENGTH + message.size for message in waiting[-1].messages)
        if size >= AT_ONCE:
            _keep(store, waiting, result)
            waiting, size = [], 0
    _keep(store, waiting, result)
    result.is_cut = found.is_cut
    return result


def _made(found: upload.Upload, opening: str) -> Iterator[Imported | str]:
    while made := services().outside(lambda: importing.some(found, opening)):
        assert isinstance(made, list)
        yield from made


def _instructed(found: Imported, result: Result) -> Imported:
    """With the instructions that are allowed, as if they were written here.

    What was said is held to the rules when it is sent to a model again.
    """
    try:
        instructions = services().moderation.prompt(found.instructions) if found.instructions else ""
    except PromptRefused:
        instructions = ""
        result.uninstructed += 1
    return replace(found, instructions=instructions)


def _keep(store: CopiesStore, some: Sequence[Imported], result: Result) -> None:
    for found, is_taken in zip(some, store.add(some, me().id) if some else (), strict=True):
        if is_taken:
            result.taken += 1
            result.left_out += found.left_out
            result.sources[found.source] += 1
        else:
            result.known += 1


@copies.get("/settings/copies/conversations.json")
def all_as_json() -> Response:
    """As docs/privacy.md describes it, with the conversations alone."""
    store = services().personal
    rows = ((each, store.all_messages(each["id"])) for each in store.all_conversations(me().id))
    return as_file(
        export.document(time.time(), None, rows, ()), "application/json; charset=utf-8", "conversations.json"
    )


@copies.get("/settings/copies/conversations.zip")
def all_as_markdown() -> Response:
    """A ZIP file with a document of each conversation."""
    store = services().personal
    files = (
        (export_markdown.file_name(each["title"], each["id"], "md"), _markdown(store, each))
        for each in store.all_conversations(me().id)
    )
    return as_file(zipped(files), "application/zip", "conversations.zip")


@copies.get("/c/<conversation_id>/export.<any(json, md):kind>")
def one(conversation_id: str, kind: str) -> Response:
    """A conversation as JSON or Markdown; a temporary one too, as long as it is there."""
    found = own_conversation(conversation_id)
    database = services().conversations.database_of(found.id)
    store = PersonalStore(database)
    row = next(CopiesStore(database).one(found.id), None)
    if row is None:
        raise NotThere
    name = export_markdown.file_name(found.title, "" if found.is_temporary else found.id, kind)
    if kind == "json":
        pieces = export.document(time.time(), None, [(row, store.all_messages(found.id))], ())
        return as_file(pieces, "application/json; charset=utf-8", name)
    return as_file(_markdown(store, row), "text/markdown; charset=utf-8", name)


def _markdown(store: PersonalStore, row: Mapping[str, Any]) -> Iterator[str]:
    tree = services().conversations.tree(row["id"])

    def placed() -> Iterator[dict[str, Any]]:
        for each in store.all_messages(row["id"], whole=False):
            tries = tree.tries(each["id"])
            others = {"number": tries.index(each["id"]) + 1, "others": len(tries)} if len(tries) > 1 else {}
            yield {**each, **others}

    return export_markdown.document(row, placed())


def _page(**names: object) -> str:
    days_kept = services().retention.days_kept(me().id)
    told = {"problem": None, "result": None, **names}
    return render_template(
        "privacy/copies.html", most=_most() // MB, most_conversations=MOST, days_kept=days_kept, **told
    )


def _most() -> int:
    """How many bytes a file may have."""
    return services().settings.max_import_mb * MB


def register(app: Flask) -> None:
    app.register_blueprint(copies)
    add_settings_page(app, N_("Import and export"), "copies.page")
    largest = app.extensions["insight"].settings.max_import_mb * MB + OF_THE_FORM
    allow_large(app, "copies.bring", largest, ImportTooLarge)
