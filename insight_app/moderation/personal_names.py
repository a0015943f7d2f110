"""What kinds of personal data are called: rules keep them in English, people write and read them in their language."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping

from insight_app.words import N_, _

MAIL, TELEPHONE, CARD, IBAN, IP = N_("e-mail"), N_("telephone"), N_("payment card"), N_("IBAN"), N_("IP")
IDENTITY, API_KEY, PASSWORD = N_("national id"), N_("API key"), N_("password in an address")
PRIVATE_KEY, SECRETS, ALL = N_("private key"), N_("secrets"), N_("everything")
NAMES = (MAIL, TELEPHONE, CARD, IBAN, IP, IDENTITY, API_KEY, PASSWORD, PRIVATE_KEY, SECRETS, ALL)
# As people write them in English, without plural, hyphens and case.
_ENGLISH: Mapping[str, str] = {
    **dict.fromkeys(("e mail", "email", "mail", "e mail address", "email address", "mail address"), MAIL),
    **dict.fromkeys(("telephone", "phone", "tel", "mobile"), TELEPHONE),
    **dict.fromkeys(("telephone number", "phone number", "mobile number"), TELEPHONE),
    **dict.fromkeys(("card", "payment card", "credit card", "debit card", "card number"), CARD),
    **dict.fromkeys(("iban", "bank account"), IBAN),
    **dict.fromkeys(("ip", "ip address", "ipv4", "ipv6"), IP),
    **dict.fromkeys(("national id", "id", "identity"), IDENTITY),
    **dict.fromkeys(("id number", "national identity", "identity number"), IDENTITY),
    **dict.fromkeys(("api key", "key", "token", "access token", "access key"), API_KEY),
    **dict.fromkeys(("password", "password in an address", "password in a url", "password in url"), PASSWORD),
    "private key": PRIVATE_KEY,
    **dict.fromkeys(("secret", "credential"), SECRETS),
    **dict.fromkeys(("all", "everything"), ALL),
}
_MOST_WORDS = 10  # of a name
BETWEEN = "[\n,;\u060c\u061b\u3001]"  # what stands between two kinds, in Arabic and Japanese too


def said() -> list[str]:
    """All names, in the language of the page."""
    return [_(name) for name in NAMES]


def here() -> dict[str, str]:
    """The names of the page's language, with what rules call them."""
    return {_folded(_plain(_(name))): name for name in NAMES}


def begun_with(part: str, here: Mapping[str, str]) -> tuple[str, bool, list[str]]:
    """The kind that a part of a rule's text begins with ("": none), whether in English, and the words behind it.

    The longest name counts; where both languages have it, it is the English one, which rules are kept with.
    """
    words = _plain(part).split()
    for many in range(min(len(words), _MOST_WORDS), 0, -1):
        said = " ".join(words[:many]).lower()
        if said not in _ENGLISH and (folded := _folded(said)) in here:
            return here[folded], False, words[many:]
        for each in (said, said.removesuffix("s"), said.removesuffix("es")):  # German “alles” is no plural of “all”
            if each in _ENGLISH:
                return _ENGLISH[each], True, words[many:]
    return "", False, words


def as_kept(text: str) -> str:
    """A rule's text with English names in the place of those of the page's language."""
    return _renamed(text, lambda name, is_english: "" if is_english else name)


def as_said(text: str) -> str:
    """A rule's text with the names of the page's language; where that is English as it was written."""
    names = {name: "" if _(name) == name else _(name) for name in NAMES}
    return _renamed(text, lambda name, is_english: names[name])


def _renamed(text: str, anew: Callable[[str, bool], str]) -> str:
    known = here()
    return "".join(_part_renamed(part, known, anew) for part in re.split(f"({BETWEEN})", text))


def _part_renamed(part: str, known: Mapping[str, str], anew: Callable[[str, bool], str]) -> str:
    name, is_english, rest = begun_with(part, known)
    new = anew(name, is_english) if name else ""
    return part[: len(part) - len(part.lstrip())] + " ".join([new, *rest]) if new else part


def _plain(text: str) -> str:
    return re.sub(r"[\s_-]+", " ", text).strip()


def _folded(text: str) -> str:
    """As names are compared: case, accents, the Hindi nukta and the shape of an apostrophe are typed in many ways."""
    parts = unicodedata.normalize("NFKD", text.casefold().replace("’", "'"))
    return "".join(part for part in parts if not unicodedata.combining(part))
