"""How somebody came in, and whether that still holds: streams last for minutes, and sessions and keys end meanwhile."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass

from insight_app.accounts.key_store import KeyStore
from insight_app.accounts.people import Person
from insight_app.accounts.session_store import SessionStore
from insight_app.accounts.store import AccountStore
from insight_app.accounts.tokens import Scope, digest
from insight_app.errors import DatabaseError, NotThere

# An entry that was good so short a time ago is: a thousand streams must not ask a thousand times a second.
FRESH_SECONDS = 1.0
EVERYTHING = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Entry:
    """Who came in, by a session or by a key (their digests), or because somebody vouches for them.

    `scopes` is what they may do by it, `key_id` names the key in counts.
    """

    person: Person
    session_id: str = ""
    key_digest: str = ""
    key_id: str = ""
    scopes: frozenset[Scope] = EVERYTHING


class Entries:
    """Thread-safe."""

    def __init__(self, accounts: AccountStore, sessions: SessionStore, keys: KeyStore) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._keys = keys
        self._seen: dict[Entry, tuple[float, bool]] = {}
        self._cleared = 0.0
        self._looking = threading.Lock()

    def by_session(self, token: str) -> Entry | None:
        """Who has the session of this cookie; None where it is over."""
        session_id = digest(token)
        person = self._sessions.person(session_id)
        return None if person is None else Entry(person, session_id=session_id)

    def by_key(self, token: str) -> Entry | None:
        """Whose key this is; None where it is none, or one that holds no longer."""
        key_digest = digest(token)
        if (found := self._keys.find(key_digest)) is None:
            return None
        key, person = found
        scopes = (
            key.scopes if person.is_admin else key.scopes - {Scope.ADMIN}
        )  # they may have been one when it was made
        return Entry(person, key_digest=key_digest, key_id=key.id, scopes=scopes)

    def holds(self, entry: Entry) -> bool:
        """Whether who came in so may still be here, as of a second ago at most, or when that could last be known."""
        now = time.monotonic()
        at, held = self._seen.get(entry, (-FRESH_SECONDS, True))
        if now - at < FRESH_SECONDS:
            return held
        with suppress(DatabaseError):  # nobody is put out through a database that does not answer
            held = self._look(entry)
        with self._looking:
            if now - self._cleared >= FRESH_SECONDS:
                self._seen = {each: seen for each, seen in self._seen.items() if now - seen[0] < FRESH_SECONDS}
                self._cleared = now
            self._seen[entry] = now, held
        return held

    def _look(self, entry: Entry) -> bool:
        if entry.session_id:
            return self._sessions.person(entry.session_id) is not None
        if entry.key_digest:
            return self._keys.find(entry.key_digest) is not None
        if not entry.person.id:
            return True
        try:
            return not self._accounts.one(entry.person.id).is_disabled
        except NotThere:
            return False
