"""Who asks: one person as every route knows them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


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
THE_ONE_PERSON = Person("", "you", Role.ADMIN)
