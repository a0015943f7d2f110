"""Which kinds of personal data a rule looks for: all that there are, or those that its text names."""

from __future__ import annotations

import re

from insight_app.moderation.addresses import IP_ADDRESSES, MAIL_ADDRESSES
from insight_app.moderation.detector import Detector
from insight_app.moderation.identities import COUNTRIES, identities
from insight_app.moderation.keys import API_KEYS, PASSWORD, PRIVATE_KEY
from insight_app.moderation.payments import IBAN, PAYMENT_CARD
from insight_app.moderation.telephones import INTERNATIONAL, countries_with_telephones, telephones
from insight_app.sentences import listed
from insight_app.words import _

__all__ = ["DETECTORS", "Detector", "chosen"]

DETECTORS: tuple[Detector, ...] = (
    *MAIL_ADDRESSES,
    *INTERNATIONAL,
    PAYMENT_CARD,
    IBAN,
    *IP_ADDRESSES,
    *identities(()),
    *API_KEYS,
    PASSWORD,
    PRIVATE_KEY,
)
SECRETS = (*API_KEYS, PASSWORD, PRIVATE_KEY)

# As people write them, without plural, hyphens and case. Telephones and ids depend on countries.
_NAMES: dict[str, tuple[Detector, ...]] = {
    **dict.fromkeys(("e mail", "email", "mail", "e mail address", "email address", "mail address"), MAIL_ADDRESSES),
    **dict.fromkeys(("card", "payment card", "credit card", "debit card", "card number"), (PAYMENT_CARD,)),
    **dict.fromkeys(("iban", "bank account"), (IBAN,)),
    **dict.fromkeys(("ip", "ip address", "ipv4", "ipv6"), IP_ADDRESSES),
    **dict.fromkeys(("api key", "key", "token", "access token", "access key"), API_KEYS),
    **dict.fromkeys(("password", "password in an address", "password in a url", "password in url"), (PASSWORD,)),
    "private key": (PRIVATE_KEY,),
    **dict.fromkeys(("secret", "credential"), SECRETS),
    **dict.fromkeys(("all", "everything"), DETECTORS),
}
_TELEPHONES = frozenset({"telephone", "phone", "tel", "mobile", "telephone number", "phone number", "mobile number"})
_IDENTITIES = frozenset({"national id", "id", "identity", "id number", "national identity", "identity number"})
_THERE_IS = ["e-mail", "telephone", "card", "IBAN", "IP", "national id", "API key", "password in an address"]
_THERE_IS += ["private key", "secrets"]


def chosen(text: str) -> tuple[Detector, ...]:
    """The detectors that a rule's `text` names, a line or comma each; all of them where it is empty.

    Behind telephone and national id may stand countries: "telephone DE US". ValueError, in a plain sentence, where a
    name or country is not known.
    """
    found: dict[Detector, None] = {}
    for name, countries in _entries(text):
        for detector in _named(name, countries):
            found[detector] = None
    return tuple(found) or DETECTORS


def _entries(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """Names, as they stand in the tables above, with the countries behind each: "telephone DE, US" is one."""
    entries: list[tuple[str, tuple[str, ...]]] = []
    for part in re.split(r"[\n,;]", text):
        words = re.sub(r"[\s_-]+", " ", part).strip().split()
        at = len(words)
        while at and _name(words[:at]) not in _KNOWN:
            at -= 1
        name, countries = _name(words[:at]), tuple(_country(word) for word in words[at:])
        takes_countries = _TELEPHONES | _IDENTITIES
        if not words:
            continue
        if not at and entries and entries[-1][0] in takes_countries and all(len(word) == 2 for word in countries):
            entries[-1] = (entries[-1][0], entries[-1][1] + countries)
        elif not at or (countries and name not in takes_countries):
            raise ValueError(
                _(
                    "“%(name)s” is no kind of personal data that is known here. There is: %(names)s.",
                    name=part.strip(),
                    names=listed(_THERE_IS),
                )
            )
        else:
            entries.append((name, countries))
    return entries


_KNOWN = _NAMES.keys() | _TELEPHONES | _IDENTITIES


def _name(words: list[str]) -> str:
    name = " ".join(words).lower()
    return next((each for each in (name, name.removesuffix("s"), name.removesuffix("es")) if each in _KNOWN), name)


def _country(word: str) -> str:
    return {"UK": "GB", "EL": "GR"}.get(word.upper(), word.upper())


def _named(name: str, countries: tuple[str, ...]) -> tuple[Detector, ...]:
    if name in _NAMES:
        return _NAMES[name]
    kind, known = (
        ("telephone", countries_with_telephones) if name in _TELEPHONES else ("national id", lambda: COUNTRIES)
    )
    unknown = sorted(set(countries) - known()) if countries else []
    if unknown:
        codes = listed(unknown)
        if kind == "telephone":
            told = _("No telephone is known for %(codes)s. Write codes of two letters, such as DE or US.", codes=codes)
        else:
            there = listed(sorted(COUNTRIES))
            told = _("No national id is known for %(codes)s. There is: %(countries)s.", codes=codes, countries=there)
        raise ValueError(told)
    return (
        telephones(tuple(sorted(set(countries)))) if kind == "telephone" else identities(tuple(sorted(set(countries))))
    )
