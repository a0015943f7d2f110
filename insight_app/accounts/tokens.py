"""Things that open something for whoever has them: sessions, links, keys. Only their digests are kept."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b32encode
from dataclasses import dataclass
from enum import Enum

KEY_PREFIX = "isk_"


def new_token() -> str:
    """256 bits, so that a plain digest of it says nothing."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def first_code(secret_key: str) -> str:
    """What opens the first account's page, the same for all processes and starts of one server."""
    code = b32encode(hmac.digest(secret_key.encode(), b"the first account", "sha256")).decode()[:12]
    return "-".join((code[:4], code[4:8], code[8:]))


class Scope(str, Enum):
    """What a key opens."""

    CHAT = "chat"
    MODELS = "models"
    ADMIN = "admin"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Key:
    """A program's key without its secret. Times are seconds since 1970; None: never."""

    id: str
    account_id: str
    label: str
    scopes: frozenset[Scope]
    created_at: float
    used_at: float | None = None
    expires_at: float | None = None

    @property
    def beginning(self) -> str:
        """What the key begins with, for who looks for it."""
        return f"{KEY_PREFIX}{self.id}_"


def new_key() -> tuple[str, str]:
    """The id of a key and the whole key, which is nowhere but in the answer to who made it."""
    id = secrets.token_hex(4)
    return id, f"{KEY_PREFIX}{id}_{secrets.token_urlsafe(32)}"
