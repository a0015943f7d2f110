"""Which models suit which machine, and what a machine says that it has."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insight_app.library import machine
from insight_app.library.machine import Machine, memory, room
from insight_app.library.models_wanted import GB, WANTED, Fit, best, fit, size_of
from insight_app.library.names import model_name


@pytest.mark.parametrize(
    ("having", "expected"),
    [
        (Machine(2 * GB, 100 * GB, 8), "qwen2.5:0.5b"),
        (Machine(4 * GB, 100 * GB, 8), "llama3.2:1b"),
        (Machine(8 * GB, 100 * GB, 8), "gemma3:4b"),
        (Machine(16 * GB, 100 * GB, 8), "llama3"),
        (Machine(16 * GB, 100 * GB, 2), "llama3.2"),
        (Machine(16 * GB, 2 * GB, 8), "qwen2.5:0.5b"),
        (Machine(16 * GB, None, None), "llama3"),
    ],
)
def test_the_best_for_a_machine_is_the_best_that_fits(having: Machine, expected: str) -> None:
    found = best(having)
    assert found is not None
    # The table may grow; what must hold is that it is no worse than these.
    names = [each.name for each in WANTED]
    assert names.index(found.name) >= names.index(expected)
    assert fit(found, having) is Fit.FITS


def test_nothing_is_best_where_nothing_fits_or_nobody_knows() -> None:
    assert best(Machine(GB // 2, 100 * GB)) is None
    assert best(Machine()) is None


def test_what_only_just_fits_is_best_where_nothing_else_does() -> None:
    found = best(Machine(memory=GB, free=100 * GB), [each for each in WANTED if each.name == "smollm2:135m"])
    assert found is not None
    tight = next(each for each in WANTED if fit(each, Machine(memory=5 * GB)) is Fit.TIGHT)
    assert best(Machine(memory=5 * GB), [tight]) is tight


def test_a_machine_with_4_gb_is_told_what_runs_well_there_what_only_just_and_what_not() -> None:
    """Such a machine says that it has a little less: 3.8 GB is what programs see of it."""
    having = Machine(int(3.8 * GB), 100 * GB, 4)
    found = {each.name: fit(each, having) for each in WANTED}
    assert {name for name, word in found.items() if word is Fit.TOO_LARGE} == {
        "gemma3:4b",
        "codellama",
        "mistral",
        "llama3",
    }
    assert {name for name, word in found.items() if word is Fit.TIGHT} == {"llama3.2", "phi4-mini"}
    assert getattr(best(having), "name", "") == "llama3.2:1b"


@given(st.integers(0, 64 * GB), st.integers(0, 64 * GB))
def test_more_memory_never_makes_a_model_fit_less(one: int, more: int) -> None:
    order = [Fit.TOO_LARGE, Fit.TIGHT, Fit.FITS]
    for each in WANTED:
        worse, better = (fit(each, Machine(memory=have)) for have in (one, one + more))
        assert order.index(worse) <= order.index(better)


def test_what_does_not_fit_on_the_disk_says_so_and_some_of_it_stays_free() -> None:
    wanted = WANTED[-1]
    assert fit(wanted, Machine(64 * GB, wanted.size)) is Fit.NO_ROOM
    assert fit(wanted, Machine(64 * GB, wanted.size + GB)) is Fit.FITS
    assert Machine().has_room(10**15)


def test_the_table_has_names_that_can_be_fetched_and_each_once() -> None:
    names = [model_name(each.name) for each in WANTED]
    assert len(set(names)) == len(names)
    assert {"llama3:latest", "llama3.2:latest", "mistral:latest", "codellama:latest"} <= set(names)
    assert size_of("LLAMA3:latest") == size_of("llama3")
    assert size_of("nobody") is None


def test_a_container_has_the_memory_that_it_is_given(tmp_path: Path) -> None:
    everything = memory(limits=())
    assert everything is not None
    for said, expected in (
        ("1000000\n", 1_000_000),
        ("max\n", everything),
        (str(10**18), everything),
        ("?", everything),
    ):
        (tmp_path / "memory.max").write_text(said)
        assert memory([tmp_path / "memory.max", tmp_path / "not there"]) == expected


def test_a_system_that_does_not_say_is_not_guessed_about(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> int:
        raise ValueError

    monkeypatch.setattr(os, "sysconf", fails)
    assert memory() is None
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert machine.processors() == os.cpu_count()


def test_room_is_that_of_the_disk_of_the_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    asked: list[Path] = []
    real: Callable[[Path], object] = machine.shutil.disk_usage

    def usage(folder: Path) -> object:
        asked.append(folder)
        return real(folder)

    monkeypatch.setattr(machine.shutil, "disk_usage", usage)
    folder, free = room(str(tmp_path))
    assert (folder, bool(free)) == (str(tmp_path), True)
    assert room(str(tmp_path / "not there")) == ("", None)
    assert room(usual=[tmp_path / "not there", tmp_path])[0] == str(tmp_path)
    assert room(usual=[])[0] == "~/.ollama/models"  # where it will be made
    assert asked == [tmp_path, tmp_path / "not there", tmp_path / "not there", tmp_path, Path.home()]
