"""Conversations and messages in the database."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from statistics import median
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    Row,
    Select,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy.exc import IntegrityError

from insight_app.chat import attachment_store
from insight_app.chat.attachments import Attachment
from insight_app.chat.messages import LIVE, Conversation, Figures, Listed, Message, Outcome, State, title_of
from insight_app.chat.tree import Tree
from insight_app.errors import NotThere, ServerStopped, StillAnswering
from insight_app.storage.database import Database
from insight_app.storage.tables import conversations, messages

JUST_NOW_SECONDS = 60.0
_FIGURES = Figures.__dataclass_fields__
_PARTS = ("figures", "attached")
_MESSAGE = [messages.c[name] for name in (*Message.__dataclass_fields__, *_FIGURES) if name not in _PARTS]
_CONVERSATION = [conversations.c[name] for name in Conversation.__dataclass_fields__]
_IS_LIVE = messages.c.state.in_([state.value for state in LIVE])


def _history() -> Select[Any]:
    """The messages from a conversation's first one to `last` or, where that is None, to its newest one."""
    step = select(messages.c.id, messages.c.parent_id)
    mine = messages.c.conversation_id == bindparam("conversation_id")
    newest = select(func.max(messages.c.id)).where(mine).scalar_subquery()
    end = func.coalesce(bindparam("last", type_=messages.c.id.type), newest)
    line = step.where(mine, messages.c.id == end).cte(recursive=True)
    line = line.union_all(step.where(messages.c.id == line.c.parent_id))
    return select(*_MESSAGE).join(line, messages.c.id == line.c.id).order_by(messages.c.id)


# What every prompt and answer needs is composed once: that takes three times as long as running it.
_BY_ID = messages.c.id == bindparam("message_id")
_FIND = select(*_MESSAGE).where(_BY_ID)
_FIND_SENT = select(*_MESSAGE).where(
    messages.c.form_key == bindparam("form_key"), messages.c.owner == bindparam("owner")
)
_FIND_TRIES = select(messages.c.id).where(
    messages.c.conversation_id == bindparam("conversation_id"),
    messages.c.role == bindparam("role"),
    messages.c.parent_id.is_not_distinct_from(bindparam("parent_id")),
)
_FIND_SOME = select(*_MESSAGE).where(messages.c.id.in_(bindparam("ids", expanding=True))).order_by(messages.c.id)
_FIND_HISTORY = _history()
_FIND_TREE = select(messages.c.id, messages.c.parent_id).where(
    messages.c.conversation_id == bindparam("conversation_id")
)
_FIND_CONVERSATION = select(*_CONVERSATION).where(conversations.c.id == bindparam("conversation_id"))
_FIND_INSTRUCTIONS = select(conversations.c.instructions).where(conversations.c.id == bindparam("conversation_id"))
_PLACE = (conversations.c.is_pinned, conversations.c.updated_at, conversations.c.id)
_FIND_NEWEST = (
    select(*_CONVERSATION)
    .where(conversations.c.owner == bindparam("owner"))
    .order_by(*(each.desc() for each in _PLACE))
    .limit(bindparam("most"))
)
_FIND_OLDER = _FIND_NEWEST.where(tuple_(*_PLACE) < tuple_(*(bindparam(each.name, type_=each.type) for each in _PLACE)))
_FIND_LIVE = select(messages.c.id).where(_IS_LIVE)
_FIND_LIVE_IN = _FIND_LIVE.where(messages.c.conversation_id == bindparam("conversation_id"))
_STAGES = ("loading", "reading", "thinking", "writing")
_TURN = sum(func.coalesce(messages.c[f"{stage}_seconds"], 0.0) for stage in _STAGES)
_LAST_TURNS = (
    select(messages.c.model, messages.c.state, type_coerce(_TURN, Float).label("seconds"))
    .order_by(messages.c.id.desc())
    .limit(400)
    .subquery()
)
_FIND_TURNS = (
    select(_LAST_TURNS.c.seconds)
    .where(_LAST_TURNS.c.model == bindparam("model"), _LAST_TURNS.c.state == State.DONE.value)
    .limit(20)
)
_LATEST = select(func.max(conversations.c.updated_at))
_BEGIN = insert(conversations)
_ADD = insert(messages).returning(messages.c.id)
# An answer that is still this run's to write: a process that was taken for dead may come back.
_FILL = update(messages).where(_BY_ID, messages.c.finished_at.is_(None), messages.c.run == bindparam("of_run"))
_MOVE = update(conversations).where(
    conversations.c.id == bindparam("conversation_id"), conversations.c.owner == bindparam("whose")
)


class ConversationStore:
    """Everything about conversations that is kept. Raises NotThere for an id that is not (or no more) there."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def conversation(self, conversation_id: str) -> Conversation:
        with self._database.reading() as connection:
            row = connection.execute(_FIND_CONVERSATION, {"conversation_id": conversation_id}).first()
        if row is None:
            raise NotThere
        return Conversation(*row)

    def newest_conversations(
        self, older_than: tuple[bool, float, str] | None = None, limit: int = 50, *, owner: str = ""
    ) -> Listed:
        """At most `limit` of a person's, pinned first; those after the one with these `is_pinned`, `updated_at`, id."""
        query = _FIND_NEWEST if older_than is None else _FIND_OLDER
        last = zip((each.name for each in _PLACE), older_than or (), strict=False)
        place = {**dict(last), "owner": owner, "most": limit + 1}
        with self._database.reading() as connection:
            found = [Conversation(*row) for row in connection.execute(query, place)]
        return Listed(found[:limit], has_older=len(found) > limit)

    def tree(self, conversation_id: str) -> Tree:
        with self._database.reading() as connection:
            rows = connection.execute(_FIND_TREE, {"conversation_id": conversation_id})
            return Tree({row.id: row.parent_id for row in rows})

    def messages(self, ids: Iterable[int]) -> list[Message]:
        """These messages, oldest first, without the texts of their files; those that are gone are not among them."""
        with self._database.reading() as connection:
            found = [_message(row) for row in connection.execute(_FIND_SOME, {"ids": list(ids)})]
            return _with_files(connection, found)

    def history(self, conversation_id: str, last: int | None = None) -> list[Message]:
        """From the first message of a conversation to this one or, without it, to the newest one; files with texts."""
        place = {"conversation_id": conversation_id, "last": last}
        with self._database.reading() as connection:
            found = [_message(row) for row in connection.execute(_FIND_HISTORY, place)]
            found = _with_files(connection, found, with_text=True)
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
            return _with_files(connection, [_message(row)])[0]

    def tries(self, message: Message) -> list[int]:
        """The ids of this message and of the others in its place: answers to one prompt, versions of one prompt."""
        place = {name: getattr(message, name) for name in ("conversation_id", "role", "parent_id")}
        with self._database.reading() as connection:
            return sorted(connection.execute(_FIND_TRIES, place).scalars())

    def sent_with(self, form_key: str, owner: str = "") -> Message | None:
        """The prompt of this person that came with this form, if it came before."""
        with self._database.reading() as connection:
            row = connection.execute(_FIND_SENT, {"form_key": form_key, "owner": owner}).first()
        return None if row is None else _message(row)

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
    ) -> tuple[Message, Message | None]:
        """Adds a prompt and its empty answer, at the end of a conversation of the owner or as a new one's beginning.

        Returns both; where a prompt with this `form_key` is there already, that one and None. Raises StillAnswering
        where an answer of the conversation is being written. `attached` goes with it, with the texts that it has here.
        """
        try:
            with self._database.writing() as connection:
                if conversation_id is None:
                    home = _begin(connection, *self._new(text), owner)
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

    def checkpoint(self, written: Iterable[tuple[int, int, str, str]]) -> None:
        """Keeps what is written so far: (message id, run, thinking, text) of any number of answers at once.

        An answer that has ended meanwhile stays as it is: what comes here late is older than its end.
        """
        rows = [
            {"message_id": message_id, "of_run": run, "thinking": thinking, "text": text}
            for message_id, run, thinking, text in sorted(written)  # so that no two wait for each other
        ]
        with self._database.writing() as connection:
            connection.execute(_FILL, rows)

    def finish(self, message_id: int, outcome: Outcome, run: int = 0) -> None:
        """Keeps an answer's end; does nothing where another process goes on with it."""
        values: dict[str, Any] = {name: getattr(outcome, name) for name in outcome.__dataclass_fields__}
        values |= {**asdict(values.pop("figures")), "state": outcome.state.value, "finished_at": time.time()}
        with self._database.writing() as connection:
            connection.execute(_FILL, {"message_id": message_id, "of_run": run, **values})

    def usual_loading_seconds(self, model: str) -> float | None:
        """How long this model took to load here, in the median of its last loads; None where nobody has seen it."""
        query = (
            select(messages.c.loading_seconds)
            .where(messages.c.model == model, messages.c.loading_seconds.is_not(None))
            .order_by(messages.c.id.desc())
            .limit(5)
        )
        with self._database.reading() as connection:
            seen = list(connection.execute(query).scalars())
        return median(seen) if seen else None

    def usual_turn_seconds(self, model: str) -> float | None:
        """How long this model held its turn, in the median of its answers among the last ones here; None: nobody knows.

        An index would lead to all of its answers; the last ones of any model are few, and lie together.
        """
        with self._database.reading() as connection:
            seen = list(connection.execute(_FIND_TURNS, {"model": model}).scalars())
        return median(seen) if seen else None

    def unfinished(self, conversation_id: str | None = None) -> list[int]:
        """The answers that have not ended, of one conversation or of all."""
        query = _FIND_LIVE if conversation_id is None else _FIND_LIVE_IN
        with self._database.reading() as connection:
            return list(connection.execute(query, {"conversation_id": conversation_id}).scalars())

    def unfinished_of(self, owner: str) -> list[int]:
        """The same of one person."""
        with self._database.reading() as connection:
            return list(connection.execute(_FIND_LIVE.where(messages.c.owner == owner)).scalars())

    def left_behind(self, message_id: int) -> Message | None:
        """An answer whose writer is gone, as it left it; from now on it is its next run's. None where it has ended.

        One that has `problem` server_stopped already has met the sudden end of two servers.
        """
        left = and_(messages.c.id == message_id, _IS_LIVE)
        with self._database.writing() as connection:
            row = connection.execute(select(*_MESSAGE).where(left).with_for_update()).first()
            connection.execute(update(messages).where(left).values(problem=ServerStopped.code, run=messages.c.run + 1))
        return None if row is None else _message(row)

    def taken(self, runs: Mapping[int, int]) -> list[int]:
        """Those of these answers, each given with its run, that are another run's by now."""
        query = select(messages.c.id, messages.c.run).where(messages.c.id.in_(runs))
        with self._database.reading() as connection:
            return [found for found, run in connection.execute(query) if run != runs[found]]

    def hand_over(self, answers: Iterable[int]) -> None:
        """Notes that these are not to blame for the end of their server."""
        with self._database.writing() as connection:
            connection.execute(update(messages).where(messages.c.id.in_(answers), _IS_LIVE).values(problem=""))

    def instructions(self, conversation_id: str) -> str:
        """What the model is told in every turn of this conversation; "" for nothing, or where it is gone."""
        with self._database.reading() as connection:
            return connection.execute(_FIND_INSTRUCTIONS, {"conversation_id": conversation_id}).scalar() or ""

    def instruct(self, conversation_id: str, instructions: str) -> None:
        with self._database.writing() as connection:
            mine = update(conversations).where(conversations.c.id == conversation_id)
            connection.execute(mine.values(instructions=instructions))
        self._database.forget()  # the old ones too

    def rename(self, conversation_id: str, title: str) -> None:
        with self._database.writing() as connection:
            connection.execute(update(conversations).where(conversations.c.id == conversation_id).values(title=title))
        self._database.forget()  # the old name too

    def pin(self, conversation_id: str, *, is_pinned: bool) -> None:
        mine = conversations.c.id == conversation_id
        with self._database.writing() as connection:
            if not connection.execute(update(conversations).where(mine).values(is_pinned=is_pinned)).rowcount:
                raise NotThere

    def delete(self, conversation_id: str) -> list[int]:
        """Returns the answers that went with it and may have been written until just now."""
        with self._database.writing() as connection:
            answers = remove(connection, conversations.c.id == conversation_id)
        self._database.forget()
        return answers

    def delete_idle(self, before: float) -> None:
        """Deletes the conversations whose last message came before that time, but none that is being answered."""
        live = select(messages.c.conversation_id).where(_IS_LIVE)
        idle = and_(conversations.c.updated_at < before, conversations.c.id.not_in(live))
        with self._database.reading() as connection:
            if connection.execute(select(conversations.c.id).where(idle).limit(1)).first() is None:
                return
        with self._database.writing() as connection:
            remove(connection, idle)
        self._database.forget()

    def _new(self, prompt: str) -> tuple[str, str]:
        """The id and the first title of a conversation that begins with this prompt."""
        return secrets.token_urlsafe(9), title_of(prompt)


def remove(connection: Connection, which: ColumnElement[bool]) -> list[int]:
    """Deletes conversations; returns the answers that went with them and may have been written until just now."""
    theirs = messages.c.conversation_id.in_(select(conversations.c.id).where(which))
    just_now = messages.c.finished_at.is_(None) | (messages.c.finished_at > time.time() - JUST_NOW_SECONDS)
    # Whoever is just keeping what grew goes first, in the same order.
    connection.execute(select(messages.c.id).where(theirs, _IS_LIVE).order_by(messages.c.id).with_for_update()).all()
    answers = list(
        connection.execute(select(messages.c.id).where(theirs, messages.c.role == "assistant", just_now)).scalars()
    )
    # A message takes those after it along, and SQLite follows that for a thousand of them and then gives up.
    connection.execute(update(messages).where(theirs).values(parent_id=None))
    connection.execute(delete(conversations).where(which))
    return answers


def _name_anew(connection: Connection, deleted: Message) -> None:
    """A conversation that had the first words of this prompt as its title gets those of another one."""
    is_so_named = and_(conversations.c.id == deleted.conversation_id, conversations.c.title == title_of(deleted.text))
    first = select(messages.c.text).where(
        messages.c.conversation_id == deleted.conversation_id, messages.c.role == "user"
    )
    text = connection.execute(first.order_by(messages.c.id).limit(1)).scalar()
    title = title_of(text) if text else "Nothing left"
    connection.execute(update(conversations).where(is_so_named).values(title=title))


def _begin(connection: Connection, new: str, title: str, owner: str) -> str:
    values = {"id": new, "owner": owner, "title": title, "created_at": time.time(), "updated_at": _latest(connection)}
    connection.execute(_BEGIN, values)
    return new


def _moved(connection: Connection, conversation_id: str, owner: str) -> str:
    """The conversation of that owner, which now is the newest. Raises NotThere."""
    moved = {"conversation_id": conversation_id, "whose": owner, "updated_at": _latest(connection)}
    if not connection.execute(_MOVE, moved).rowcount:
        raise NotThere
    return conversation_id


def _expect_idle(connection: Connection, conversation_id: str) -> None:
    """Looks in the transaction that writes: two who send at the same moment must not both find it idle."""
    if connection.execute(_FIND_LIVE_IN, {"conversation_id": conversation_id}).first() is not None:
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


def _with_files(connection: Connection, found: list[Message], *, with_text: bool = False) -> list[Message]:
    prompts = [each.id for each in found if each.role == "user"]
    files = attachment_store.of_messages(connection, prompts, with_text=with_text) if prompts else {}
    return [replace(each, attached=files[each.id]) if each.id in files else each for each in found] if files else found


def _message(row: Row[Any]) -> Message:
    values = dict(row._mapping)
    figures = Figures(**{name: values.pop(name) for name in _FIGURES})
    values["state"] = State(values["state"])
    return Message(**values, figures=figures)
