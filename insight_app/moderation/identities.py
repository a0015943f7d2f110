"""National ids that carry a checksum, as python-stdnum knows them.

Some forms are strong: hardly one random number in two hundred that is written so would pass, because there is a date,
two check digits or (as in Spain, with one letter of 23) a rare form in it. Those are looked for always. The weak ones,
mostly nine to eleven digits in one piece with one check digit, would mark one ordinary number in ten, and telephone
numbers from the USA would be health numbers from England. They are looked for only where the rule names the country,
and so are two that have no checksum any more but a form and a date, those of the USA and of Denmark.
"""

from __future__ import annotations

import re
from functools import lru_cache, partial
from importlib import import_module

from insight_app.moderation.detector import DASHES, GAPS, Detector, plain

NAME = "national id"
# Country, module of stdnum, how it is written when it is looked for always ("": never), and where the country is named.
# 9 stands for a digit, A for a letter, X for either, ? after a sign: not everywhere.
FORMS = (
    ("AR", "ar.cuit", "99-99999999-9", "99-?99999999-?9"),
    ("AT", "at.vnr", "9999 999999", "9999 ?999999"),
    ("AU", "au.tfn", "", "999 ?999 ?999"),
    ("BE", "be.nn", "99.99.99-999.99|99 99 99 999 99|99999999999", ""),
    ("BG", "bg.egn", "", "9999999999"),
    ("BR", "br.cpf", "999.999.999-99", "999.?999.?999-?99"),
    ("CA", "ca.sin", "", "999[ -]?999[ -]?999"),
    ("CH", "ch.ssn", "756.9999.9999.99|7569999999999", ""),
    ("CL", "cl.rut", "99?.999.999-X", "99?.?999.?999-?X"),
    ("CN", "cn.ric", "99999999999999999X", ""),
    ("CO", "co.nit", "", "999.?999.?999-?9"),
    ("CZ", "cz.rc", "999999/9999", "999999/?9999?"),
    ("DE", "de.idnr", "99 999 999 999|99999999999", ""),
    ("DK", "dk.cpr", "", "999999-?9999"),
    ("DO", "do.cedula", "", "999-?9999999-?9"),
    ("EC", "ec.ci", "", "999999999-?9"),
    ("EE", "ee.ik", "99999999999", ""),
    ("ES", "es.dni", "99999999-?A", ""),
    ("ES", "es.nie", "A-?9999999-?A", ""),
    ("FI", "fi.hetu", "999999[-A-FU-Y]999X", ""),
    ("FR", "fr.nir", "[1-478] 99 [01]9 99 999 999 99|[1-478]99[01]99999999999", ""),
    ("GB", "gb.nhs", "", "999[ -]?999[ -]?9999"),
    ("GR", "gr.amka", "99999999999", ""),
    ("HR", "hr.oib", "", "99999999999"),
    ("IE", "ie.pps", "", "9999999AA?"),
    ("IL", "il.idnr", "", "9999999-9|99999999-?9"),
    ("IN", "in_.aadhaar", "", "9999[ -]?9999[ -]?9999"),
    ("IS", "is_.kennitala", "999999-9999", "9999999999"),
    ("IT", "it.codicefiscale", "AAAAAA99A99A999A", "AAAAAAXXAXXAXXXA"),
    ("KR", "kr.rrn", "999999-9999999", "9999999999999"),
    ("LT", "lt.asmens", "", "99999999999"),  # those with a date are as in Estonia
    ("LV", "lv.pvn", "", "999999-99999"),
    ("MX", "mx.curp", "AAAA999999AAAAAAXX", ""),
    ("NL", "nl.bsn", "9999.99.999", "999999999|9999.99.999"),
    ("NO", "no.fodselsnummer", "999999 ?99999", ""),
    ("PE", "pe.cui", "", "99999999-X"),
    ("PL", "pl.pesel", "", "99999999999"),
    ("PT", "pt.cc", "99999999 ?9 ?AA9", ""),
    ("PT", "pt.nif", "", "999 ?999 ?999"),
    ("RO", "ro.cnp", "9999999999999", ""),
    ("SE", "se.personnummer", "999999[-+]9999|99999999[-+]9999", "9999999999|999999999999"),
    ("SI", "si.emso", "", "9999999999999"),
    ("SK", "sk.rc", "999999/9999", "999999/?9999?"),
    ("TH", "th.pin", "9-9999-99999-99-9", "9999999999999"),
    ("TR", "tr.tckimlik", "", "99999999999"),
    ("UA", "ua.rntrc", "", "9999999999"),
    ("US", "us.ssn", "", "999-99-9999"),
    ("ZA", "za.idnr", "9999999999999", ""),
)
COUNTRIES = frozenset(country for country, *_ in FORMS)
_SIGNS = {"9": "[0-9]", "A": "[A-Za-z]", "X": "[0-9A-Za-z]", ".": r"\."}


def _pattern(form: str) -> re.Pattern[str]:
    # What stands in brackets is a class already; no digit stands for itself but those of Switzerland.
    parts = re.split(r"(\[[^]]*\]|756)", form)
    written = [part if part[:1] in ("[", "7") else "".join(_SIGNS.get(sign, sign) for sign in part) for part in parts]
    return re.compile(f"(?:{''.join(written)})(?![0-9A-Za-z_])")


@lru_cache(maxsize=64)
def _forms(countries: tuple[str, ...]) -> tuple[tuple[re.Pattern[str], str], ...]:
    forms = []
    for country, module, always, named in FORMS:
        if country in countries:
            forms += [(_pattern(form), module) for form in (always, named) if form]
        elif always and not countries:
            forms.append((_pattern(always), module))
    return tuple(forms)


def _identity(countries: tuple[str, ...], candidate: str) -> int:
    text = plain(candidate)
    found = ((pattern.match(text), module) for pattern, module in _forms(countries))
    return max((match.end() for match, module in found if match and _is_one(match[0], module)), default=0)


@lru_cache(maxsize=256)
def _is_one(text: str, module: str) -> bool:
    if module == "cn.ric":  # its table of birthplaces takes 4 MB, and the date and the check digit say enough
        from stdnum.cn import ric
        from stdnum.exceptions import ValidationError

        try:
            ric.get_birth_date(text)
        except ValidationError:
            return False
        return ric.calc_check_digit(text) == text[-1].upper()
    return bool(import_module(f"stdnum.{module}").is_valid(text))


@lru_cache(maxsize=64)
def identities(countries: tuple[str, ...]) -> tuple[Detector, ...]:
    """Detectors of the ids of `countries` ("DE", "FR") in every form; without any, of every country's strong ones."""
    own = partial(_identity, countries)
    return (
        Detector(
            NAME,
            rf"\b[0-9](?:[{GAPS}./{DASHES}]?[0-9]){{5,19}}"
            rf"(?:[{DASHES}]?[A-Za-z][0-9A-Za-z]{{0,3}}|\+[0-9]{{4}}| [A-Z]{{2}}[0-9])?[0-9A-Za-z_]?",
            own,
        ),
        Detector(
            NAME,
            rf"\b[A-Za-z](?:[{DASHES}]?[0-9]{{7}}[{DASHES}]?[A-Za-z]|[A-Za-z]{{3,5}}[0-9]{{2}}[0-9A-Za-z]{{8,12}})"
            r"[0-9A-Za-z_]?",
            own,
        ),
    )
