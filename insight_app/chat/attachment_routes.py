"""Files that go with a prompt: sent before it (by a script) or with it (by a plain form), and looked at after it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from urllib.parse import quote

from flask import Blueprint, Flask, Response, g, render_template, request
from flask.typing import ResponseReturnValue
from flask_limiter import RateLimitExceeded
from werkzeug.datastructures import FileStorage

from insight_app.accounts.guards import me
from insight_app.amounts import in_bytes
from insight_app.chat import memory, option_pages, reading
from insight_app.chat.attachments import MOST_FILES, Attachment, expect_few, name_of
from insight_app.chat.context_store import last_context
from insight_app.chat.messages import is_temporary
from insight_app.errors import (
    DatabaseError,
    FileGone,
    FileRefused,
    FilesTooLarge,
    FileTooLarge,
    InsightError,
    ModelBlind,
    NotThere,
    TemporaryOver,
)
from insight_app.limits import rates
from insight_app.limits.guards import allowed
from insight_app.sentences import listed
from insight_app.web import allow_large, largest_with_files, services
from insight_app.words import _, said_number

attachments = Blueprint("attachments", __name__, url_prefix="/attachments")


@attachments.post("")
@rates.bringing
def add() -> ResponseReturnValue:
    """One file that is to go with a prompt, `file`; returns what the composer shows of it, or why not as plain text."""
    try:
        found = _added(request.files.get("file"), temporary=request.form.get("temporary") == "1")
    except InsightError as error:
        return _plainly(error)
    return render_template("chat/_files_chosen.html", chosen=[found])


@attachments.errorhandler(RateLimitExceeded)
def too_soon(error: RateLimitExceeded) -> Response:
    return _plainly(rates.too_often(error))


@attachments.get("")
def chosen() -> str:
    """What the composer shows of those ?id= that are still there: for a page that was loaded again."""
    return render_template("chat/_files_chosen.html", chosen=_still_there(request.args.getlist("id")))


@attachments.post("/<attachment_id>/delete")
def remove(attachment_id: str) -> ResponseReturnValue:
    found = services().attachments.find(me().id, attachment_id)
    services().attachments.remove_unsent(me().id, found.id)
    return "", 204


@attachments.get("/<attachment_id>")
def show(attachment_id: str) -> Response:
    """The picture, or the text as a model reads it; never as what it says of itself."""
    found = services().attachments.find(me().id, attachment_id)
    body = services().attachments.picture(found.id) if found.is_image else found.text.encode("utf-8", "replace")
    kind = found.media_type if found.is_image else "text/plain; charset=utf-8"
    return Response(
        body,
        content_type=kind,
        headers={
            "Content-Disposition": f"inline; filename*=UTF-8''{quote(found.name)}",
            "Content-Security-Policy": "default-src 'none'; sandbox",
        },
    )


def sent_along(*, temporary: bool) -> list[Attachment]:
    """The files that the form brings or names, with their texts.

    Raises FileRefused; what could be read is then in the composer that comes back.
    """
    ids = list(dict.fromkeys(request.form.getlist("attachment")))
    new = [each for each in request.files.getlist("files") if each.filename]
    expect_few(len(ids) + len(new))
    g.chosen = found = [_sendable(each, temporary=temporary) for each in ids]
    problem: FileRefused | None = None
    for each in new:
        try:
            found.append(_added(each, temporary=temporary))
        except FileRefused as refused:
            problem = problem or refused
    if problem:
        raise problem
    most = 2 * services().settings.max_attachment_mb
    if sum(each.size for each in found) > most * 2**20:
        raise FilesTooLarge(limit=in_bytes(most * 2**20))
    return found


def typed_along() -> Sequence[Attachment]:
    """What was attached to a prompt that could not be sent."""
    known: Sequence[Attachment] = g.get("chosen", ())
    return known or _still_there(request.form.getlist("attachment"))


def expect_seen(attached: Iterable[Attachment], model: str) -> None:
    """Raises ModelBlind where there is a picture among them, and the model is known to see none."""
    if any(each.is_image for each in attached):
        expect_eyes(model)


def expect_eyes(model: str) -> None:
    """Raises ModelBlind where the model ("" = the first) is known to see no pictures."""
    engine = services().engine
    if engine.sees(model) is False:
        seeing = [each.name for each in allowed(engine.standing.models) if engine.sees(each.name) and not each.refused]
        others = listed(seeing[:5]) or _("there is none here yet; llava and llama3.2-vision are such models")
        raise ModelBlind(model=engine.resolved(model), others=others)


def held(attached: Iterable[Attachment]) -> tuple[Attachment, ...]:
    """Those with their names and texts as they may be sent. Raises PromptRefused, and as Moderation.prompt() does.

    Nobody looks into pictures: no rule knows them.
    """
    hold, every = services().moderation.prompt, tuple(attached)
    names = [each.name for each in every]
    told = hold("\n".join(names)).split("\n") if every else []  # at once: a judge reads them all together
    if len(told) != len(names):  # a rule found something over the end of one
        told = [hold(name) for name in names]
    return tuple(
        replace(each, name=each.name if name == each.name else name_of(name), text=each.text and hold(each.text))
        for name, each in zip(told, every, strict=True)
    )


def _added(file: FileStorage | None, *, temporary: bool) -> Attachment:
    """The file, read and kept. Raises FileRefused."""
    most = services().settings.max_attachment_mb
    if file is None or not most:
        raise FileRefused(name="")
    name = name_of(file.filename or "")
    data = file.read(most * 2**20 + 1)
    if len(data) > most * 2**20:
        raise FileTooLarge(name=name, limit=in_bytes(most * 2**20))
    read = reading.read(name, data, services().settings.max_prompt_chars, me().id)
    return services().attachments.add(me().id, name, len(data), read, temporary=temporary)


def _plainly(error: InsightError) -> Response:
    return Response(str(error), error.status, content_type="text/plain; charset=utf-8")


def _sendable(id: str, *, temporary: bool) -> Attachment:
    try:
        if is_temporary(id) is temporary:
            return services().attachments.find(me().id, id)
    except (NotThere, TemporaryOver):
        pass
    raise FileGone


def _still_there(ids: Iterable[str]) -> list[Attachment]:
    found = []
    for each in list(dict.fromkeys(ids))[:20]:
        try:
            found.append(services().attachments.find(me().id, each))
        except NotThere:
            continue
    return found


def _context_of(model: str) -> int | None:
    """How much the model chosen will see in a new chat, or saw last; a page that tells of a database that is away
    has to do without.
    """
    try:
        if (begins := option_pages.beginning()) and (wished := services().options.context(begins.wishes)):
            return wished
        return last_context(services().database, services().engine.resolved(model))
    except DatabaseError:
        return None


def register(app: Flask) -> None:
    app.register_blueprint(attachments)
    for endpoint in ("attachments.add", "chat.begin", "chat.begin_temporary", "chat.send", "drafts.go"):
        allow_large(app, endpoint, largest_with_files(app.extensions["insight"].settings))
    app.jinja_env.globals["size_in_words"] = in_bytes
    app.jinja_env.globals["tokens_of"] = memory.tokens_of_file
    app.jinja_env.globals["largest_file_mb"] = app.extensions["insight"].settings.max_attachment_mb
    app.jinja_env.globals["most_files"] = MOST_FILES
    app.jinja_env.globals["said_number"] = said_number
    app.jinja_env.globals["context_of"] = _context_of
