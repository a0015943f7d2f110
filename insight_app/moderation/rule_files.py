"""Rules as a file: written so that people can read it, read back whole or not at all, with what is wrong and where."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import replace
from json.decoder import JSONObject  # type: ignore[attr-defined]
from json.scanner import py_make_scanner  # type: ignore[attr-defined]
from typing import Any

from insight_app.moderation import checking
from insight_app.moderation.personal_names import as_kept
from insight_app.moderation.rulebook import RULE, as_json, from_json
from insight_app.moderation.rules import Kind, Rule
from insight_app.moderation.wording import FIELDS
from insight_app.words import N_, _, ngettext, said_number

FORMAT = "insightsphere rules"
VERSION = 1
MOST_TOLD = 20
_ID = re.compile(rf"{RULE}[0-9a-z-]{{1,27}}")


_NO_JSON = N_("This is no JSON.")
# What Python says of a text that is no JSON, as it begins, and in words.
_FAULTS = {
    "Expecting value": N_("This is no JSON: a value is missing."),
    "Expecting property name": N_("This is no JSON: a name in double quotes is missing."),
    "Expecting ':'": N_("This is no JSON: a colon is missing."),
    "Expecting ','": N_("This is no JSON: a comma is missing."),
    "Unterminated string": N_("This is no JSON: the text that begins here has no end."),
    "Invalid control character": N_("This is no JSON: a text stands on one line, and has \\n where another begins."),
    "Invalid \\": N_("This is no JSON: a backslash stands where it means nothing."),
    "Extra data": N_("This is no JSON: something follows after its end."),
    "Illegal trailing comma": N_("This is no JSON: nothing follows after the comma."),
}


class BadFile(Exception):
    """What is wrong with a file of rules, a sentence each."""

    def __init__(self, *problems: str) -> None:
        super().__init__()
        self.problems = problems


def as_file(rules: Iterable[Rule]) -> str:
    kept = [{"id": rule.id, **as_json(rule)} for rule in rules]
    return json.dumps({"format": FORMAT, "version": VERSION, "rules": kept}, ensure_ascii=False, indent=2) + "\n"


def from_file(text: str) -> list[Rule]:
    """The rules of a file, those without an id with a new one. Raises BadFile."""
    listed = _listed(_parsed(text))
    if len(listed) > checking.MOST_RULES:
        raise BadFile(
            _(
                "It holds %(count)s rules; at most %(limit)s are possible.",
                count=said_number(len(listed)),
                limit=said_number(checking.MOST_RULES),
            )
        )
    rules: dict[str, Rule] = {}
    wrong: list[tuple[int, str, str]] = []
    for number, body in enumerate(listed, 1):
        time.sleep(0)  # patterns may take long to be made ready: others get a turn
        rule, problems = _rule(body)
        name = rule.name[: checking.LONGEST_NAME] if rule else ""
        if rule and rule.id in rules:
            problems.append(_("Another rule of this file has the same id."))
        wrong += [(number, name, problem) for problem in problems]
        if rule:
            rules[rule.id] = rule
    if wrong:
        lines = _lines(text)
        left = len(wrong) - MOST_TOLD
        more = [ngettext("And %(num)s more fault.", "And %(num)s more faults.", left)] if left > 0 else []
        raise BadFile(*(_told(lines[number - 1], number, *what) for number, *what in wrong[:MOST_TOLD]), *more)
    return list(rules.values())


def _told(line: int, number: int, name: str, problem: str) -> str:
    """One thing that is wrong, and where."""
    if name:
        return _(
            "Line %(line)s, rule %(number)s (“%(rule)s”): %(problem)s",
            line=line,
            number=number,
            rule=name,
            problem=problem,
        )
    return _("Line %(line)s, rule %(number)s: %(problem)s", line=line, number=number, problem=problem)


class _Noting(json.JSONDecoder):
    """Reads JSON and notes where each object begins, by its identity. Slower: the reader in C does not tell."""

    def __init__(self) -> None:
        super().__init__()
        self.begins: dict[int, int] = {}
        read = JSONObject

        def noting(text_and_place: tuple[str, int], *rest: Any) -> tuple[Any, int]:
            found, end = read(text_and_place, *rest)
            self.begins[id(found)] = text_and_place[1] - 1
            return found, end

        self.parse_object = noting
        self.scan_once = py_make_scanner(self)


def _lines(text: str) -> list[int]:
    """In which line each rule of a file begins; one that is no object is said to be where the file begins."""
    decoder = _Noting()
    listed = decoder.decode(text)["rules"]
    return [text.count("\n", 0, decoder.begins.get(id(body), 0)) + 1 for body in listed]


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        fault = next((said for begin, said in _FAULTS.items() if error.msg.startswith(begin)), _NO_JSON)
        told = _(
            "Line %(line)s, column %(column)s: %(problem)s", line=error.lineno, column=error.colno, problem=_(fault)
        )
        raise BadFile(told) from None
    except (ValueError, RecursionError):
        raise BadFile(
            _("This is no JSON that anybody would write: a number is too long, or brackets too deep.")
        ) from None


def _listed(content: Any) -> list[Any]:
    if not isinstance(content, dict) or content.get("format") != FORMAT or not isinstance(content.get("rules"), list):
        begins = f'{{"format": "{FORMAT}", …}}'
        raise BadFile(
            _("This is no file of rules: one begins with %(beginning)s, and has a list “rules”.", beginning=begins)
        )
    if content.get("version") != VERSION:
        raise BadFile(_("This file was made by another version of InsightSphere, which this one does not know."))
    return list(content["rules"])


def _rule(body: Any) -> tuple[Rule | None, list[str]]:
    if not isinstance(body, dict):
        return None, [_("This is not an object in braces.")]
    values = dict(body)
    id = values.pop("id", None) or new_id()
    if not isinstance(id, str) or not _ID.fullmatch(id):
        return None, [
            _("“id” must begin with “%(start)s”, then up to 27 small letters, digits and hyphens.", start=RULE)
        ]
    try:
        read = from_json(id, values)
    except ValueError as error:
        return None, [str(error)]
    if read.kind is Kind.PERSONAL:
        read = replace(read, text=as_kept(read.text))
    wrong = checking.problems(read).items()
    return read, [_("%(field)s: %(problem)s", field=_(FIELDS[field]), problem=problem) for field, problem in wrong]


def new_id() -> str:
    return RULE + secrets.token_hex(8)
