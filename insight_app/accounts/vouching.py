"""Accounts of people that a proxy or an OpenID provider vouches for."""

from __future__ import annotations

from collections.abc import Collection
from hashlib import sha256

from insight_app.accounts.people import Account, Role, clean_email
from insight_app.accounts.store import AccountStore
from insight_app.errors import AccountOff, EmailTaken, OtherPerson, SignUpClosed

LONGEST_SUBJECT = 255


class Vouching:
    """`admins` are the addresses of those who are admins from the first time on; `is_open` whether anybody may come."""

    def __init__(self, accounts: AccountStore, admins: Collection[str], *, is_open: bool) -> None:
        self._accounts = accounts
        self._admins = frozenset(map(clean_email, admins)) - {""}
        self._is_open = is_open

    def account(self, email: str, subject: str | None = None) -> Account:
        """The account of somebody with this address, or with the provider's name for them; a new one the first time.

        Raises SignUpClosed; OtherPerson where the address is of somebody whom the provider calls otherwise; AccountOff.
        """
        known = self._known(email, subject)
        if known is None:
            return self._new(email, subject)
        if known.is_disabled:
            raise AccountOff
        is_theirs = known.email == email or self._accounts.of_email(email) is None
        if email in self._admins and is_theirs and known.role is not Role.ADMIN:
            self._accounts.change(known.id, role=Role.ADMIN)
            return self._accounts.one(known.id)
        return known

    def _known(self, email: str, subject: str | None) -> Account | None:
        if subject is None:
            return self._accounts.of_email(email)
        if (known := self._accounts.of_subject(subject)) is not None:
            return known
        if (known := self._accounts.of_email(email)) is None:
            return None
        if known.subject is not None:
            raise OtherPerson
        self._accounts.change(known.id, subject=subject)
        return known

    def _new(self, email: str, subject: str | None) -> Account:
        is_admin = email in self._admins
        if not (self._is_open or is_admin):
            raise SignUpClosed
        try:
            return self._accounts.create(email, Role.ADMIN if is_admin else Role.MEMBER, subject=subject)
        except EmailTaken:  # by the same person's other request, just now
            known = self._accounts.of_email(email)
            if known is None or known.subject != subject:
                raise
            return known


def subject_of(issuer: str, name: str) -> str:
    """What an account is found by: who vouches, and what they call the person; names may be of any length."""
    subject = f"{issuer} {name}"
    return subject if len(subject) <= LONGEST_SUBJECT else sha256(subject.encode("utf-8", "replace")).hexdigest()
