"""Passwords become Argon2 hashes, outside the event loop: a hash takes 30 ms and 19 MB on purpose."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from insight_app.words import _

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST, LONGEST = 10, 500  # characters
# At a time, by each process: who tries passwords must not fill the memory, nor all cores.
AT_ONCE = 2
T = TypeVar("T")
# Runs a piece of work where it holds up nobody, and gives its result.
Outside = Callable[[Callable[[], T]], T]


class Passwords:
    """`outside` runs the hashing; on its own a thread of gevent's would stop all others meanwhile."""

    def __init__(self, outside: Outside[object] = lambda work: work()) -> None:
        self._outside = outside
        self._turns = threading.Semaphore(AT_ONCE)
        self._nobodys = ""

    def hashed(self, password: str) -> str:
        return str(self._run(lambda: _hasher().hash(password)))

    def is_right(self, password: str, hashed: str | None) -> bool:
        """Whether this is the password of that hash. None or "": there is none, which takes as long to find out."""
        if not self._nobodys:  # for whoever comes first, known or not
            self._nobodys = self.hashed("nobody has this password")
        return bool(self._run(lambda: _fits(hashed or self._nobodys, password))) and bool(hashed)

    def is_outdated(self, hashed: str) -> bool:
        """Whether it was hashed with less care than now, and is to be hashed anew where it is known."""
        return _hasher().check_needs_rehash(hashed)

    def _run(self, work: Callable[[], object]) -> object:
        with self._turns:
            return self._outside(work)


@cache
def _hasher() -> PasswordHasher:
    """Imported here: where nobody signs in, nobody needs to wait for it."""
    from argon2 import PasswordHasher

    # What OWASP's Password Storage Cheat Sheet asks for at least: 19 MiB, two passes, one lane.
    return PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


def _fits(hashed: str, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False


def problem(password: str, email: str) -> str:
    """What is wrong with a new password, in words; "" for nothing."""
    if len(password) < SHORTEST:
        return _("Take at least %(count)s characters; several words are good.", count=SHORTEST)
    if len(password) > LONGEST:
        return _("Take at most %(count)s characters.", count=LONGEST)
    if len(set(password)) < 4 or password.casefold() in (email, email.partition("@")[0]):
        return _("That is too easy to guess.")
    return ""
