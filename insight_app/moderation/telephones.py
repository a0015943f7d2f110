"""Telephone numbers: international ones everywhere, a country's own where the rule names that country."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache, partial

from insight_app.moderation.detector import DASHES, GAPS, Detector, ends, plain

NAME = "telephone number"
_BETWEEN = rf"[{GAPS}.()/{DASHES}]{{0,3}}"
_DATE = re.compile(
    r"(?:[0-9]{1,2}([./-])[0-9]{1,2}\1(?:19|20)?[0-9]{2}|(?:19|20)[0-9]{2}([./-])[0-9]{1,2}\2[0-9]{1,2})(?![./-]?[0-9])"
)
# 1.234.567, 192.168.100.200, 45.123456, and years in a row.
_OTHER = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3})+|[0-9]+\.[0-9]+|(?:19|20)[0-9]{2}(?:[ -](?:19|20)[0-9]{2})+")


def _international(candidate: str) -> int:
    text = plain(candidate)
    for end in _ends(text):
        digits = re.sub("[^0-9]", "", text[:end])
        if text[0] != "+":
            digits = digits[2:]
            # Fractions and numbers that are filled up with zeros begin so too; those filled up often look American.
            if text[:end].isdigit() and (len(digits) > 13 or digits.startswith("1")):
                continue
        if 7 <= len(digits) <= 16 and _is_one("+" + digits, None):
            return end
    return 0


def _national(countries: tuple[str, ...], candidate: str) -> int:
    text = plain(candidate)
    if _DATE.match(text):
        return 0
    for end in _ends(text):
        if any(_is_dialled(text[:end], country) for country in countries):
            return end
    return 0


def _ends(text: str) -> Iterator[int]:
    """Where a number can end: not at a letter, nor at a single digit by itself, which is what comes next."""
    return (end for end in ends(text) if re.search(r"(?:[0-9]|[^ 0-9])[0-9]$", text[:end]))


def _is_dialled(text: str, country: str) -> bool:
    """Whether somebody in `country` would dial this. Digits in one piece are anything unless they begin with its 0."""
    groups = re.findall("[0-9]+", text)
    trunk = _trunk(country)
    if trunk == "0":
        likely = groups[0] != "0" and groups[0].startswith("0")
    else:
        # Groups of one digit are those of a book's number.
        own = groups[1:] if groups[0] == trunk else groups
        likely = len(groups) > 1 and min(map(len, own)) > 1 and not _OTHER.fullmatch(text)
    return likely and _is_one("".join(groups), country)


@lru_cache(maxsize=256)
def _is_one(digits: str, country: str | None) -> bool:
    import phonenumbers

    try:
        number = phonenumbers.parse(digits, country)
    except phonenumbers.NumberParseException:
        return False
    if country is None:
        return phonenumbers.is_valid_number(number)
    return phonenumbers.is_valid_number_for_region(number, country)


def _trunk(country: str) -> str | None:
    """What is dialled before a number within `country`."""
    from phonenumbers import PhoneMetadata

    about = PhoneMetadata.metadata_for_region(country)
    return about.national_prefix if about else None


INTERNATIONAL = (
    Detector(NAME, rf"\+[1-9](?:{_BETWEEN}[0-9]){{6,15}}[0-9A-Za-z_]?", _international),
    Detector(NAME, rf"\b00[{GAPS}]?[1-9](?:{_BETWEEN}[0-9]){{6,15}}[0-9A-Za-z_]?", _international),
)


@lru_cache(maxsize=64)
def telephones(countries: tuple[str, ...]) -> tuple[Detector, ...]:
    """Detectors of international numbers and of those that are dialled within `countries` ("DE", "US")."""
    if not countries:
        return INTERNATIONAL
    own = partial(_national, countries)
    return (
        *INTERNATIONAL,
        Detector(NAME, rf"\b[0-9](?:{_BETWEEN}[0-9]){{5,14}}[0-9A-Za-z_]?", own),
        Detector(NAME, rf"\([0-9]{{2,6}}\)(?:{_BETWEEN}[0-9]){{4,12}}[0-9A-Za-z_]?", own),
    )


def countries_with_telephones() -> frozenset[str]:
    import phonenumbers

    return frozenset(phonenumbers.SUPPORTED_REGIONS)
