"""What each person chose, the deletion of what is too old or of everything, and all rows for who takes them along."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, exists, func, or_, select

from insight_app.chat.attachment_store import remove_unsent_of
from insight_app.chat.conversation_store import IS_THERE, remove
from insight_app.chat.messages import BIN_SECONDS, LIVE
from insight_app.errors import DatabaseError
from insight_app.pauses import Pauses
from insight_app.privacy.preferences import Preferences
from insight_app.storage import upsert
from insight_app.storage.database import Database
from insight_app.storage.tables import (
    account_sessions,
    accounts,
    api_keys,
    attachments,
    conversations,
    messages,
    presets,
    saved_prompts,
    usage,
)
from insight_app.storage.tables import preferences as chosen

# So many conversations go in one transaction, which keeps others from writing.
AT_ONCE = 20
_OF_FILE = ("name", "kind", "media_type", "size")


class PersonalStore:
    """A person's choices, and all that is theirs as a whole."""

    def __init__(self, database: Database) -> None:
        self._database = self.database = database

    def preferences(self, person: str = "") -> Preferences:
        names = Preferences.__dataclass_fields__
        query = select(*(chosen.c[name] for name in names)).where(chosen.c.person == person)
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        return Preferences() if row is None else Preferences(*row)

    def choose(self, person: str = "", **values: float | None) -> None:
        """Sets those of a person's preferences that are named."""
        with self._database.writing() as connection:
            upsert.put(connection, chosen, {"person": person}, values)

    def people(self) -> list[str]:
        """The ids of those who have conversations."""
        with self._database.reading() as connection:
            return list(connection.execute(select(conversations.c.owner).distinct()).scalars())

    def count_outdated(self, before: float, person: str = "") -> int:
        """How many conversations `delete_outdated` would delete."""
        outdated = select(func.count()).select_from(conversations).where(_is_outdated(before, person), IS_THERE)
        with self._database.reading() as connection:
            return int(connection.execute(outdated).scalar_one())

    def delete_outdated(self, before: float, person: str = "") -> int:
        """Deletes what is not pinned, not being written, and has no message since then; returns how many went."""
        return self._delete(_is_outdated(before, person))[0]

    def empty_bin(self, now: float) -> None:
        """Deletes what somebody put into the bin long enough ago; or in the future, where a clock was set back."""
        since = conversations.c.deleted_at
        is_due = or_(since < now - BIN_SECONDS, since > now + BIN_SECONDS)
        with self._database.reading() as connection:
            if connection.execute(select(conversations.c.id).where(is_due).limit(1)).first() is None:
                return
        self._delete(is_due)

    def delete_everything(self, person: str = "") -> list[int]:
        """Returns the answers that may have been written until just now."""
        _, answers = self._delete(conversations.c.owner == person)
        with self._database.writing() as connection:
            connection.execute(delete(chosen).where(chosen.c.person == person))
            remove_unsent_of(connection, person)
            for table in (presets, saved_prompts):
                connection.execute(delete(table).where(table.c.owner == person))
            if not person:  # whoever has an account would have a new allowance
                connection.execute(delete(usage).where(usage.c.person == person))
        self._database.forget()
        if not person:  # where others would wait for it, whoever deletes must not say when: it is done a little later
            with suppress(DatabaseError):  # what counts is deleted
                self._database.rewrite()
        return answers

    def delete_usage(self, before_hour: int) -> None:
        """What was counted in hours (since 1970) before that one, of everybody."""
        with self._database.writing() as connection:
            connection.execute(delete(usage).where(usage.c.hour < before_hour))

    def _delete(self, which: ColumnElement[bool]) -> tuple[int, list[int]]:
        """How many conversations went, and what `remove` tells of their answers."""
        count, answers, pauses = 0, list[int](), Pauses()
        some = select(conversations.c.id).where(which).order_by(conversations.c.id).limit(AT_ONCE).with_for_update()
        while True:
            with self._database.writing() as connection:
                # Once nobody writes in them any more it is looked again: somebody may just have gone on with one.
                are_held = conversations.c.id.in_(connection.execute(some).scalars().all())
                ids = list(connection.execute(select(conversations.c.id).where(are_held, which)).scalars())
                answers += remove(connection, conversations.c.id.in_(ids))
            count += len(ids)
            if len(ids) < AT_ONCE:
                break
            pauses.take()  # others may write in between
        if count:
            self._database.forget()
        return count, answers

    def all_preferences(self, person: str = "") -> dict[str, Any] | None:
        """The person's row as it is; None where they never chose anything."""
        with self._database.reading() as connection:
            row = connection.execute(select(chosen).where(chosen.c.person == person)).first()
        return None if row is None else dict(row._mapping)

    def all_about_account(self, person: str = "") -> dict[str, Any] | None:
        """The person's account with its `sessions` and `keys`, without what lets anybody in; None: there is none."""
        with self._database.reading() as connection:
            row = connection.execute(select(accounts).where(accounts.c.id == person)).first()
            if row is None:
                return None
            found = _telling(row)
            for name, table in (("sessions", account_sessions), ("keys", api_keys)):
                mine = select(table).where(table.c.account_id == person).order_by(table.c.created_at)
                found[name] = [_telling(each) for each in connection.execute(mine)]
        return found

    def all_usage(self, person: str = "") -> Iterator[dict[str, Any]]:
        """What was counted of the person, oldest first."""
        return self._database.rows(select(usage).where(usage.c.person == person), (usage.c.hour, usage.c.model))

    def all_presets(self, person: str = "") -> Iterator[dict[str, Any]]:
        """Every row with every column, oldest first."""
        mine = select(presets).where(presets.c.owner == person)
        return self._database.rows(mine, (presets.c.created_at, presets.c.id))

    def all_saved_prompts(self, person: str = "") -> Iterator[dict[str, Any]]:
        """The same of what they saved to ask it again."""
        mine = select(saved_prompts).where(saved_prompts.c.owner == person)
        return self._database.rows(mine, (saved_prompts.c.created_at, saved_prompts.c.id))

    def all_conversations(self, person: str = "") -> Iterator[dict[str, Any]]:
        """Every row with every column, oldest first, but nothing that is in the bin.

        Read in parts, so that nobody waits and no memory is filled.
        """
        mine = select(conversations).where(conversations.c.owner == person, IS_THERE)
        return self._database.rows(mine, (conversations.c.created_at, conversations.c.id))

    def all_messages(self, conversation_id: str, *, whole: bool = True) -> Iterator[dict[str, Any]]:
        """The same of a conversation's messages, with `attachments` where some were sent with one.

        These are `whole`, a picture as base64; else their name, kind, media_type and size.
        """
        has_files = exists().where(attachments.c.message_id == messages.c.id).label("has_files")
        mine = select(messages, has_files).where(messages.c.conversation_id == conversation_id)
        for row in self._database.rows(mine, (messages.c.id,)):
            yield {**row, "attachments": self._files(row["id"], whole=whole)} if row.pop("has_files") else row

    def _files(self, message_id: int, *, whole: bool) -> list[dict[str, Any]]:
        columns = list(attachments.c) if whole else [attachments.c[name] for name in _OF_FILE]
        theirs = select(*columns).where(attachments.c.message_id == message_id).order_by(attachments.c.place)
        with self._database.reading() as connection:
            found = [dict(each._mapping) for each in connection.execute(theirs)]
        for each in found:
            if body := each.get("body"):
                each["body"] = base64.b64encode(body).decode("ascii")
        return found


def _telling(row: Row[Any]) -> dict[str, Any]:
    """The row without its secrets; a digest would not open anything, but is nobody's business either."""
    return {name: value for name, value in row._mapping.items() if name not in ("password", "digest")}


def _is_outdated(before: float, person: str) -> ColumnElement[bool]:
    """By the times of the messages themselves: the one that orders the list never goes back, whatever the clock did."""
    is_live = messages.c.state.in_([state.value for state in LIVE])
    is_new = or_(messages.c.created_at >= before, messages.c.finished_at >= before, is_live)
    newer = exists().where(messages.c.conversation_id == conversations.c.id, is_new)
    is_old = conversations.c.is_pinned.is_(False) & (conversations.c.created_at < before) & ~newer
    return (conversations.c.owner == person) & is_old
