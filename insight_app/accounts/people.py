"""Who asks: one person as every route knows them, and their account as it is kept."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from insight_app.words import N_

LONGEST_EMAIL = 200


class Role(str, Enum):
    """What somebody may do: members what is theirs, admins also what is everybody's."""

    ADMIN = "admin"
    MEMBER = "member"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Person:
    """`id` is what rows are owned by, "" where nobody signs in; `name` is their e-mail address."""

    id: str
    name: str
    role: Role = Role.MEMBER

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN


# Whoever sits at a server that only its own machine can reach.
THE_ONE_PERSON = Person("", N_("you"), Role.ADMIN)


@dataclass(frozen=True, slots=True)
class Account:
    """An account as it is kept. `password` is a hash, "" where others vouch for the person.

    `subject` is what an OpenID provider calls them, None where none does.
    """

    id: str
    email: str
    role: Role
    password: str = ""
    subject: str | None = None
    is_disabled: bool = False
    created_at: float = 0.0

    @property
    def person(self) -> Person:
        return Person(self.id, self.email, self.role)


def clean_email(given: str) -> str:
    """The address as accounts are found by it; "" where this is none."""
    email = "".join(map(_small, given.strip()))
    if len(email) > LONGEST_EMAIL or not re.fullmatch(
        r"[^@\s<>\"'(),:;\x00-\x1f\x7f]+@[^@\s<>\"'(),:;\x00-\x1f\x7f]+", email
    ):
        return ""
    return email if email.isprintable() else ""


def _small(letter: str) -> str:
    """The small letter of a capital. Never one that others would be too: "ß" is not "ss", and no sign is a "k"."""
    small = letter.lower()
    return small if len(small) == 1 and small.isascii() == letter.isascii() else letter
