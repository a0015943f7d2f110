"""Every error that can be shown says what happened and what to do, in words that fit the facts."""

from __future__ import annotations

import importlib
import pkgutil
import re
from types import ModuleType

import pytest

from insight_app import errors
from insight_app.errors import ConfigError, EngineError, InsightError, every_error, explain

FACTS = {"url": "http://127.0.0.1:11434", "model": "llama3.2", "seconds": "60", "length": "5", "limit": "4"}
FACTS |= {"context": "4,096 tokens", "reason": "It is against the rules.", "scope": "admin"}
FACTS |= {"param": "temperature", "problem": "must be a number"}
FACTS |= {"size": "4.7 GB", "free": "3 GB"}
FACTS |= {"wait": "3 hours"}
FACTS |= {"name": "notes.txt", "others": "llava"}
KINDS = every_error()
shown = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())


def placeholders(kind: type[InsightError]) -> set[str]:
    return set(re.findall(r"%\((\w+)\)s", f"{kind.cause} {kind.next_step}"))


def test_no_two_errors_share_a_code() -> None:
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, InsightError)]
    assert sorted(kind.code for kind in classes) == sorted(KINDS)


@shown
def test_an_error_is_one_plain_cause_and_one_next_step(kind: type[InsightError]) -> None:
    problem = explain(kind.code, **FACTS)
    assert re.fullmatch(r"[A-Z].*\.", problem.cause)
    assert re.fullmatch(r"[A-Z].*\.", problem.next_step)
    assert str(problem) == f"{problem.cause} {problem.next_step}"
    assert "%(" not in str(problem)


@shown
def test_a_text_asks_only_for_facts_that_are_known_to_exist(kind: type[InsightError]) -> None:
    assert placeholders(kind) <= FACTS.keys()


@shown
def test_a_missing_fact_never_prevents_an_error_from_being_shown(kind: type[InsightError]) -> None:
    assert "%(" not in str(explain(kind.code))


@shown
def test_facts_are_taken_as_they_are(kind: type[InsightError]) -> None:
    hostile = "{model}<script>%s%(model)s"
    problem = explain(kind.code, **dict.fromkeys(FACTS, hostile))
    assert (hostile in str(problem)) is bool(placeholders(kind))


@shown
def test_its_status_is_that_of_an_error(kind: type[InsightError]) -> None:
    assert 400 <= kind.status < 600


def test_an_error_shown_tomorrow_says_what_it_said_today() -> None:
    for kind in every_error(EngineError).values():
        today = kind(**FACTS)
        tomorrow = explain(today.code, **today.facts)
        assert (type(tomorrow), str(tomorrow)) == (type(today), str(today))


def test_an_unknown_code_reads_as_a_plain_error() -> None:
    assert type(explain("from a newer version")) is InsightError


def test_a_wrong_setting_says_what_is_wrong_and_how_to_mend_it() -> None:
    problem = ConfigError("APP_PORT is “abc”.", "Set it to a number.")
    assert str(problem) == "APP_PORT is “abc”. Set it to a number."


def test_a_missing_model_comes_with_the_command_that_gets_it() -> None:
    assert "ollama pull qwen3:8b" in errors.ModelMissing(model="qwen3:8b").next_step


def test_every_engine_has_its_own_words_for_the_same_things() -> None:
    assert {frozenset(words) for words in errors.ENGINE_WORDS.values()} == {frozenset(errors.ENGINE_WORDS["ollama"])}
    for kind in every_error(EngineError).values():
        problem = kind(**FACTS, **errors.ENGINE_WORDS["openai"])
        assert re.fullmatch(r"[A-Z].*\.", problem.next_step)
        assert "ollama" not in f"{problem} {problem.promise}".lower()


AREAS = [importlib.import_module(f"insight_app.errors.{area.name}") for area in pkgutil.iter_modules(errors.__path__)]


@pytest.mark.parametrize("area", AREAS, ids=lambda area: area.__name__.rpartition(".")[2])
def test_the_branches_that_a_file_draws_are_those_it_has(area: ModuleType) -> None:
    drawn: set[tuple[str, str]] = set()
    above: list[str] = []
    for indent, name in re.findall(r"^((?:[│ ]   )*(?:[├└]── )?)([A-Z]\w+)(?=  |$)", area.__doc__ or "", re.M):
        depth = len(indent) // 4
        above[depth:] = [name]
        if depth:
            drawn.add((name, above[depth - 1]))
    here = {kind for kind in KINDS.values() if kind.__module__ == area.__name__} - {InsightError}
    assert drawn == {(kind.__name__, base.__name__) for kind in here for base in kind.__bases__}


def test_the_map_of_errors_names_every_file_of_them() -> None:
    named = set(re.findall(r"^(\w+)\.py ", errors.__doc__ or "", re.M))
    assert named | {"base"} == {area.__name__.rpartition(".")[2] for area in AREAS}
