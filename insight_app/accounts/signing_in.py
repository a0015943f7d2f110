"""How people come to an account, into it, and to another password; the stores behind it in one place."""

from __future__ import annotations

import hmac

from insight_app.accounts.entries import Entries
from insight_app.accounts.key_store import KeyStore
from insight_app.accounts.link_store import Link, LinkStore
from insight_app.accounts.passwords import Passwords
from insight_app.accounts.people import Account, Role
from insight_app.accounts.session_store import SessionStore
from insight_app.accounts.store import AccountStore
from insight_app.accounts.tokens import first_code
from insight_app.accounts.vouching import Vouching
from insight_app.config import Settings
from insight_app.errors import EmailTaken
from insight_app.storage.database import Database


class Accounts:
    """`hasher` hashes passwords where that holds up nobody."""

    def __init__(self, database: Database, settings: Settings, hasher: Passwords) -> None:
        self.store = AccountStore(database)
        self.sessions = SessionStore(database)
        self.links = LinkStore(database)
        self.keys = KeyStore(database)
        self.entries = Entries(self.store, self.sessions, self.keys)
        self.vouching = Vouching(self.store, settings.admin_emails, is_open=settings.sign_up != "closed")
        self._passwords = hasher
        self._first_code = first_code(settings.secret_key)

    def is_first_code(self, code: str) -> bool:
        """Whether this is what the server's log says while there is no account."""
        given = code.strip().upper().encode("utf-8", "replace")
        return hmac.compare_digest(given, self._first_code.encode())

    @property
    def first_code(self) -> str | None:
        """What the first account is made with; None where there is one."""
        return None if self.store.any() else self._first_code

    def knows(self, email: str, password: str) -> Account | None:
        """The account, where the password is right; it takes as long to say that there is none."""
        account = self.store.of_email(email)
        is_usable = account is not None and not account.is_disabled
        is_right = self._passwords.is_right(password, account.password if account and is_usable else None)
        if account is None or not is_right:
            return None
        if self._passwords.is_outdated(account.password):
            self.store.change(account.id, password=self._passwords.hashed(password))
        return account

    def create(self, email: str, password: str, role: Role, *, only_first: bool = False) -> Account:
        """Raises EmailTaken, and NotThere where it is to be the only first one and is not."""
        return self.store.create(email, role, password=self._passwords.hashed(password), only_first=only_first)

    def accept(self, invitation: Link, email: str, password: str) -> Account:
        """The account of somebody who was invited. Raises EmailTaken, and LinkOver where somebody was faster."""
        hashed = self._passwords.hashed(password)
        if self.store.of_email(email) is not None:  # or the invitation would be used up for nothing
            raise EmailTaken
        self.links.use(invitation)
        return self.store.create(email, invitation.role, password=hashed)

    def renew_password(self, link: Link, password: str) -> Account:
        """Another password by a link that serves once; whoever is signed in with the old one is not any more."""
        hashed = self._passwords.hashed(password)
        self.links.use(link)
        account = self.store.one(link.account_id or "")
        self._set(account, hashed)
        return account

    def change_password(self, account: Account, password: str, *, but: str) -> None:
        """The same by whoever is signed in, who stays so in the session `but`."""
        self._set(account, self._passwords.hashed(password), but=but)

    def _set(self, account: Account, hashed: str, but: str = "") -> None:
        self.store.change(account.id, password=hashed)
        self.sessions.end_all(account.id, but=but)
