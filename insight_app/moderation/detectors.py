"""Which kinds of personal data a rule looks for: all that there are, or those that its text names."""

from __future__ import annotations

import re

from insight_app.moderation import personal_names as names
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

# Telephones and ids depend on countries.
_DETECTORS: dict[str, tuple[Detector, ...]] = {
    names.MAIL: MAIL_ADDRESSES,
    names.CARD: (PAYMENT_CARD,),
    names.IBAN: (IBAN,),
    names.IP: IP_ADDRESSES,
    names.API_KEY: API_KEYS,
    names.PASSWORD: (PASSWORD,),
    names.PRIVATE_KEY: (PRIVATE_KEY,),
    names.SECRETS: SECRETS,
    names.ALL: DETECTORS,
}
_TAKES_COUNTRIES = (names.TELEPHONE, names.IDENTITY)


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
    """Kinds, with the countries behind each: "telephone DE, US" is one."""
    entries: list[tuple[str, tuple[str, ...]]] = []
    here = names.here()
    for part in re.split(names.BETWEEN, text):
        name, _is_english, words = names.begun_with(part, here)
        countries = tuple(_country(word) for word in words)
        if not name and not words:
            continue
        if not name and entries and entries[-1][0] in _TAKES_COUNTRIES and all(len(word) == 2 for word in countries):
            entries[-1] = (entries[-1][0], entries[-1][1] + countries)
        elif not name or (countries and name not in _TAKES_COUNTRIES):
            raise ValueError(
                _(
                    "“%(name)s” is no kind of personal data that is known here. There is: %(names)s.",
                    name=part.strip(),
                    names=listed(names.said()),
                )
            )
        else:
            entries.append((name, countries))
    return entries


def _country(word: str) -> str:
    return {"UK": "GB", "EL": "GR"}.get(word.upper(), word.upper())


def _named(name: str, countries: tuple[str, ...]) -> tuple[Detector, ...]:
    if name in _DETECTORS:
        return _DETECTORS[name]
    is_telephone = name == names.TELEPHONE
    known = countries_with_telephones if is_telephone else (lambda: COUNTRIES)
    unknown = sorted(set(countries) - known()) if countries else []
    if unknown:
        codes = listed(unknown)
        if is_telephone:
            told = _("No telephone is known for %(codes)s. Write codes of two letters, such as DE or US.", codes=codes)
        else:
            there = listed(sorted(COUNTRIES))
            told = _("No national id is known for %(codes)s. There is: %(countries)s.", codes=codes, countries=there)
        raise ValueError(told)
    of = tuple(sorted(set(countries)))
    return telephones(of) if is_telephone else identities(of)
