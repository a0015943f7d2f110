"""The messages of conversations: how they are read, and how prompts and their answers come to be."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from insight_app.chat import attachment_store
from insight_app.chat.answer_store import BY_ID, FIND_LIVE_IN, MESSAGE, AnswerStore, message_of
from insight_app.chat.attachments import Attachment, names
from insight_app.chat.conversation_store import IS_THERE, WholeStore
from insight_app.chat.messages import Message, State, title_of
from insight_app.chat.tree import Tree
from insight_app.errors import NotThere, StillAnswering
from insight_app.storage.tables import attachments, conversations, messages

# Files are looked for only where there are any: to ask for all of them costs each page and prompt a query.
_HAS_FILES = select(attachments.c.id).where(attachments.c.message_id == messages.c.id).exists().label("has_files")
_WHOLE = (*MESSAGE, _HAS_FILES)


def _history() -> Select[Any]:
    """The messages from a conversation's first one to `last` or, where that is None, to its newest one."""
    step = select(messages.c.id, messages.c.parent_id)
    mine = messages.c.conversation_id == bindparam("conversation_id")
    newest = select(func.max(messages.c.id)).where(mine).scalar_subquery()
    end = func.coalesce(bindparam("last", type_=messages.c.id.type), newest)
    line = step.where(mine, messages.c.id == end).cte(recursive=True)
    line = line.union_all(step.where(messages.c.id == line.c.parent_id))
    return select(*_WHOLE).join(line, messages.c.id == line.c.id).order_by(messages.c.id)


# What every prompt and answer needs is composed once: that takes three times as long as running it.
_FIND = select(*_WHOLE).join(conversations).where(BY_ID, IS_THERE)
_FIND_SENT = (
    select(*MESSAGE)
    .join(conversations)
    .where(IS_THERE, messages.c.form_key == bindparam("form_key"), messages.c.owner == bindparam("owner"))
)
_FIND_TRIES = select(messages.c.id).where(
    messages.c.conversation_id == bindparam("conversation_id"),
    messages.c.role == bindparam("role"),
    messages.c.parent_id.is_not_distinct_from(bindparam("parent_id")),
)
_FIND_SOME = select(*_WHOLE).where(messages.c.id.in_(bindparam("ids", expanding=True))).order_by(messages.c.id)
_FIND_HISTORY = _history()
_FIND_TREE = select(messages.c.id, messages.c.parent_id).where(
    messages.c.conversation_id == bindparam("conversation_id")
)
_LATEST = select(func.max(conversations.c.updated_at))
_BEGIN = insert(conversations)
_ADD = insert(messages).returning(messages.c.id)
# Whoever goes on with an archived one brings it back.
_MOVE = (
    update(conversations)
    .where(conversations.c.id == bindparam("conversation_id"), conversations.c.owner == bindparam("whose"), IS_THERE)
    .values(is_archived=False, updated_at=bindparam("moved_at"))
)


class ConversationStore(WholeStore, AnswerStore):
    """Everything about conversations that is kept. Raises NotThere for an id that is not (or no more) there."""

    def tree(self, conversation_id: str) -> Tree:
        with self._database.reading() as connection:
            rows = connection.execute(_FIND_TREE, {"conversation_id": conversation_id})
            return Tree({row.id: row.parent_id for row in rows})

    def messages(self, ids: Iterable[int]) -> list[Message]:
        """These messages, oldest first, without the texts of their files; those that are gone are not among them."""
        with self._database.reading() as connection:
            return _with_files(connection, connection.execute(_FIND_SOME, {"ids": list(ids)}).all())

    def history(self, conversation_id: str, last: int | None = None) -> list[Message]:
        """From the first message of a conversation to this one or, without it, to the newest one; files with texts."""
        place = {"conversation_id": conversation_id, "last": last}
        with self._database.reading() as connection:
            found = _with_files(connection, connection.execute(_FIND_HISTORY, place).all(), with_text=True)
        if last is not None and not found:
            raise NotThere
        return found

    def message(self, message_id: int) -> Message:
        if message_id >= 2**63:  # more than a database can count to
            raise NotThere
        with self._database.reading() as connection:
            row = connection.execute(_FIND, {"message_id": message_id}).first()
            if row is None:
                raise NotThere
            return _with_files(connection, [row])[0]

    def tries(self, message: Message) -> list[int]:
        """The ids of this message and of the others in its place: answers to one prompt, versions of one prompt."""
        place = {name: getattr(message, name) for name in ("conversation_id", "role", "parent_id")}
        with self._database.reading() as connection:
            return sorted(connection.execute(_FIND_TRIES, place).scalars())

    def sent_with(self, form_key: str, owner: str = "") -> Message | None:
        """The prompt of this person that came with this form, if it came before."""
        with self._database.reading() as connection:
            row = connection.execute(_FIND_SENT, {"form_key": form_key, "owner": owner}).first()
        return None if row is None else message_of(row)

    def ask(
        self,
        text: str,
        *,
        model: str,
        owner: str = "",
        form_key: str | None = None,
        conversation_id: str | None = None,
        parent_id: int | None = None,
        attached: Sequence[Attachment] = (),
        begins: Mapping[str, str] | None = None,
    ) -> tuple[Message, Message | None]:
        """Adds a prompt and its empty answer, at the end of a conversation of the owner or as a new one's beginning.

        Returns both; where a prompt with this `form_key` is there already, that one and None. Raises StillAnswering
        where an answer of the conversation is being written. `attached` goes with it, with the texts that it has here;
        `begins` are the `options` and `instructions` of a new one.
        """
        try:
            with self._database.writing() as connection:
                if conversation_id is None:
                    home = _begin(connection, *self._new(text or names(attached)), owner, begins or {})
                else:
                    home = _moved(connection, conversation_id, owner)
                prompt = _add(connection, home, parent_id, "user", State.DONE, owner, text=text, form_key=form_key)
                _expect_idle(connection, home)
                files = attachment_store.attach(connection, prompt.id, owner, attached) if attached else ()
                return replace(prompt, attached=files), _add_answer(connection, prompt, model)
        except IntegrityError:
            if form_key is None or (sent := self.sent_with(form_key, owner)) is None:
                raise NotThere from None  # what it comes after was deleted just now
            if sent.text == text:
                return sent, None
        # The same form with another text, from a page that the browser brought back: it is another prompt.
        return self.ask(
            text,
            model=model,
            owner=owner,
            conversation_id=conversation_id,
            parent_id=parent_id,
            attached=attached,
            begins=begins,
        )

    def add_answer(self, prompt: Message, model: str, so_far: Message | None = None) -> Message:
        """Another answer to a prompt, beside those that are there: empty, or beginning with what one has so far.

        Raises StillAnswering where an answer of the conversation is being written.
        """
        try:
            with self._database.writing() as connection:
                _moved(connection, prompt.conversation_id, prompt.owner)
                _expect_idle(connection, prompt.conversation_id)
                return _add_answer(connection, prompt, model, so_far)
        except IntegrityError:
            raise NotThere from None  # the prompt was deleted just now

    def delete_pair(self, prompt: Message) -> list[int]:
        """Deletes a prompt with all its answers, and returns those; what followed them follows what was before them.

        Raises StillAnswering where an answer of the conversation is being written.
        """
        home = select(conversations.c.id).where(conversations.c.id == prompt.conversation_id)
        with self._database.writing() as connection:
            connection.execute(home.with_for_update())  # nobody asks in it meanwhile
            _expect_idle(connection, prompt.conversation_id)
            answers = list(connection.execute(select(messages.c.id).where(messages.c.parent_id == prompt.id)).scalars())
            connection.execute(
                update(messages).where(messages.c.parent_id.in_(answers)).values(parent_id=prompt.parent_id)
            )
            connection.execute(delete(messages).where(messages.c.id == prompt.id))
            _name_anew(connection, prompt)
        self._database.forget()
        return answers

    def _new(self, prompt: str) -> tuple[str, str]:
        """The id and the first title of a conversation that begins with this prompt."""
        return secrets.token_urlsafe(9), title_of(prompt)


def _name_anew(connection: Connection, deleted: Message) -> None:
    """A conversation that had the first words of this prompt as its title gets those of another one."""
    by_words = conversations.c.title == title_of(deleted.gist)
    if deleted.parent_id is None:  # a title of the model's is about this one
        by_words = or_(by_words, conversations.c.titled_by == "model")
    is_so_named = and_(conversations.c.id == deleted.conversation_id, by_words)
    first = select(*_WHOLE).where(messages.c.conversation_id == deleted.conversation_id, messages.c.role == "user")
    found = _with_files(connection, connection.execute(first.order_by(messages.c.id).limit(1)).all())
    title = title_of(found[0].gist) if found else "Nothing left"
    connection.execute(update(conversations).where(is_so_named).values(title=title, titled_by="words"))


def _begin(connection: Connection, new: str, title: str, owner: str, begins: Mapping[str, str]) -> str:
    values = {"id": new, "owner": owner, "title": title, "created_at": time.time(), "updated_at": _latest(connection)}
    connection.execute(_BEGIN, {**values, **begins})
    return new


def _moved(connection: Connection, conversation_id: str, owner: str) -> str:
    """The conversation of that owner, which now is the newest. Raises NotThere."""
    moved = {"conversation_id": conversation_id, "whose": owner, "moved_at": _latest(connection)}
    if not connection.execute(_MOVE, moved).rowcount:
        raise NotThere
    return conversation_id


def _expect_idle(connection: Connection, conversation_id: str) -> None:
    """Looks in the transaction that writes: two who send at the same moment must not both find it idle."""
    if connection.execute(FIND_LIVE_IN, {"conversation_id": conversation_id}).first() is not None:
        raise StillAnswering


def _latest(connection: Connection) -> float:
    """Now, or just after every time there is where a clock was set back: what came last stands first in the list."""
    return max(time.time(), (connection.execute(_LATEST).scalar() or 0.0) + 0.000_001)


def _add_answer(connection: Connection, prompt: Message, model: str, so_far: Message | None = None) -> Message:
    begun = {"text": so_far.text, "thinking": so_far.thinking} if so_far else {}
    home, after = prompt.conversation_id, prompt.id
    return _add(connection, home, after, "assistant", State.QUEUED, prompt.owner, choice=model, **begun)


def _add(
    connection: Connection, home: str, parent_id: int | None, role: str, state: State, owner: str, **values: Any
) -> Message:
    values = {
        "conversation_id": home,
        "parent_id": parent_id,
        "owner": owner,
        "role": role,
        "state": state.value,
        "created_at": time.time(),
        "text": "",
        **values,
    }
    message_id = connection.execute(_ADD, values).scalar_one()
    values.pop("form_key", None)
    return Message(id=message_id, **{**values, "state": state})


def _with_files(connection: Connection, rows: Sequence[Row[Any]], *, with_text: bool = False) -> list[Message]:
    found, with_some = [message_of(row) for row in rows], [row.id for row in rows if row.has_files]
    if not with_some:
        return found
    files = attachment_store.of_messages(connection, with_some, with_text=with_text)
    return [replace(each, attached=files.get(each.id, ())) for each in found]
