"""Conversations that were put away: the archive, and the bin with its way back."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from flask import Blueprint, Flask, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from insight_app.accounts.guards import me
from insight_app.chat import list_pages, pages
from insight_app.chat.guards import own_conversation
from insight_app.chat.messages import Binned, Conversation
from insight_app.errors import NotThere, TemporaryOver
from insight_app.web import from_htmx, services
from insight_app.words import _

shelf = Blueprint("shelf", __name__)


@shelf.get("/archived")
def archived() -> str:
    """The archived conversations, or those after the one of ?before=, ?id= and ?pinned=1, as in the list."""
    listed = services().conversations.newest_conversations(list_pages.place(), owner=me().id, archived=True)
    return render_template("chat/archived.html", listed=listed)


@shelf.post("/c/<conversation_id>/archive")
def archive(conversation_id: str) -> ResponseReturnValue:
    """Puts a conversation into the archive, or, without an `archived` of 1, brings it back."""
    found = own_conversation(conversation_id)
    if found.is_temporary:
        raise NotThere
    is_archived = request.form.get("archived") == "1"
    services().conversations.archive(conversation_id, is_archived=is_archived)
    if from_htmx():
        return list_pages.listed_anew(_("Archived") if is_archived else _("No longer archived"))
    if is_archived or request.form.get("stay") == "1":
        return redirect(url_for("shelf.archived", moved=conversation_id), 303)
    return redirect(url_for("chat.conversation", conversation_id=conversation_id, moved=conversation_id), 303)


@shelf.get("/bin")
def bin() -> str:
    """What was deleted and can still be brought back."""
    return render_template("chat/bin.html", binned=services().conversations.bin(me().id), now=time.time())


@shelf.post("/c/<conversation_id>/delete")
def delete(conversation_id: str) -> ResponseReturnValue:
    """Puts a conversation into the bin; deletes it for good with a `now` of 1, and a temporary one always."""
    found = own_conversation(conversation_id)
    conversations, answering = services().conversations, services().answering
    is_for_good = found.is_temporary or request.form.get("now") == "1"
    if not is_for_good:
        conversations.put_into_bin(conversation_id)
    # After that, so that no answer begins which nobody stops.
    answering.stop_conversation(conversation_id)
    if is_for_good:
        answering.forget(conversations.delete(conversation_id))
    pages.forget()
    came_from = urlsplit(request.referrer or "").path
    stays = came_from.startswith("/c/") and conversation_id not in came_from and "edit" not in came_from
    back = came_from if stays else url_for("chat.home")
    return redirect(back if is_for_good else f"{back}?deleted={conversation_id}", 303)


@shelf.post("/c/<conversation_id>/undo")
def undo(conversation_id: str) -> ResponseReturnValue:
    """Brings a conversation back out of the bin; one that is back already is shown."""
    if _is_binned(conversation_id):
        services().conversations.take_out_of_bin(conversation_id)
    return redirect(url_for("chat.conversation", conversation_id=conversation_id, moved=conversation_id), 303)


@shelf.post("/c/<conversation_id>/purge")
def purge(conversation_id: str) -> ResponseReturnValue:
    """Deletes for good what is in the bin; what was brought back meanwhile stays, and is shown."""
    if not _is_binned(conversation_id):
        return redirect(url_for("chat.conversation", conversation_id=conversation_id), 303)
    services().answering.forget(services().conversations.delete(conversation_id))
    pages.forget()
    return redirect(url_for("shelf.bin" if services().conversations.bin(me().id) else "chat.home"), 303)


def _is_binned(conversation_id: str) -> bool:
    """Whether it is in the bin; False for one that can be seen. Raises NotThere."""
    if services().conversations.bin(me().id, conversation_id):
        return True
    own_conversation(conversation_id)
    return False


def _just_deleted() -> Binned | None:
    """The conversation that ?deleted= names, as long as it can be brought back."""
    name = request.args.get("deleted", "")[:32]
    found = services().conversations.bin(me().id, name) if name else []
    return found[0] if found else None


def _just_moved() -> Conversation | None:
    """The conversation that ?moved= names: it was brought back or archived just now, whichever it is."""
    name = request.args.get("moved", "")[:32]
    try:
        return own_conversation(name) if name else None
    except (NotThere, TemporaryOver):
        return None


def register(app: Flask) -> None:
    app.register_blueprint(shelf)
    app.jinja_env.globals["just_moved"] = _just_moved
    app.jinja_env.globals["just_deleted"] = _just_deleted
