"""A pull's way from its first line to its end: every edge there is, and that what is shown never goes back."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insight_app.engines.ollama_pulls import Step
from insight_app.library.jobs import STALE_SECONDS, TOLD_SECONDS, Job, Pace, Pull, State

WAIT = "pull_cut"
PREPARING, CHECKING, DONE = Step("preparing"), Step("checking"), Step("done")
ENDS = [state for state in State if not state.runs]


def fetching(part: str, total: int, completed: int) -> Step:
    return Step("fetching", part, total, completed)


def job_after(*steps: Step | str) -> Job:
    """After steps, and codes of what it had to wait for."""
    job = Job()
    for step in steps:
        job.wait(step) if isinstance(step, str) else job.feed(step)
    return job


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], State.PULLING),
        ([PREPARING], State.PULLING),
        ([fetching("a", 10, 5)], State.PULLING),
        ([fetching("a", 10, 10)], State.PULLING),
        ([CHECKING], State.CHECKING),
        ([CHECKING, PREPARING], State.CHECKING),
        ([CHECKING, fetching("a", 10, 5)], State.CHECKING),
        ([CHECKING, WAIT], State.WAITING),
        ([WAIT, PREPARING], State.WAITING),
        ([WAIT, fetching("a", 10, 5)], State.PULLING),
        ([CHECKING, WAIT, fetching("a", 10, 5)], State.PULLING),
        ([WAIT, CHECKING], State.CHECKING),
        ([WAIT, DONE], State.DONE),
        ([DONE, WAIT], State.DONE),
        ([DONE], State.DONE),
        ([fetching("a", 10, 5), CHECKING, DONE], State.DONE),
    ],
)
def test_lines_lead_from_state_to_state(steps: list[Step | str], expected: State) -> None:
    job = job_after(*steps)
    assert job.state is expected
    assert job.problem == ("pull_cut" if expected is State.WAITING else "")


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("before", [[PREPARING], [CHECKING]])
def test_whatever_runs_can_end_in_every_way_and_nothing_changes_it_then(before: list[Step], end: State) -> None:
    job = job_after(*before)
    job.end(end, "pull_cut")
    job.end(State.FAILED if end is not State.FAILED else State.DONE, "other")
    for step in (PREPARING, fetching("a", 10, 5), CHECKING, DONE):
        job.feed(step)
    assert (job.state, job.problem, job.total) == (end, "pull_cut", 0)


def test_all_parts_count_and_what_is_done_is_all_of_it() -> None:
    job = job_after(fetching("a", 100, 40), fetching("b", 50, 0), fetching("a", 100, 60))
    assert (job.completed, job.total) == (60, 150)
    job.feed(DONE)
    assert (job.completed, job.total) == (150, 150)


def test_what_ollama_counts_back_is_not_shown_as_a_loss() -> None:
    assert job_after(fetching("a", 100, 60), fetching("a", 100, 20)).completed == 60


PARTS = st.builds(
    lambda part, total, completed: fetching(part, total, min(total, completed)),
    st.sampled_from("abc"),
    st.integers(0, 2**53),
    st.integers(0, 2**53),
)
WHATEVER = st.one_of(PARTS, st.sampled_from([PREPARING, CHECKING, DONE, WAIT]), st.sampled_from(ENDS))


@given(st.lists(WHATEVER, max_size=40))
def test_for_any_lines_cuts_and_cancels_it_never_goes_back_and_ends_once(happens: list[Step | State | str]) -> None:
    job, ended = Job(), None
    shown = (0, 0)
    for each in happens:
        if isinstance(each, State):
            job.end(each)
        elif isinstance(each, str):
            job.wait(each)
        else:
            job.feed(each)
        assert job.completed >= shown[0]
        assert job.total >= shown[1]
        assert job.completed <= job.total
        shown = (job.completed, job.total)
        pull = Pull("it", job.state, job.total, job.completed)
        assert (pull.percent == 100) is (job.state is State.DONE)
        if ended is None and not job.state.runs:
            ended = job.state
        assert ended in (None, job.state)
    job.end(State.INTERRUPTED)
    assert not job.state.runs


def test_percent_is_of_what_is_known_and_never_too_much() -> None:
    assert Pull("it").percent == 0
    assert Pull("it", total=1000, completed=999).percent == 99
    assert Pull("it", total=1000, completed=1000).percent == 99
    assert Pull("it", State.DONE).percent == 100


def test_what_nobody_has_fetched_for_a_while_is_interrupted() -> None:
    pull = Pull("it", updated_at=100.0)
    assert pull.as_of(100.0 + STALE_SECONDS) == pull
    assert pull.as_of(101.0 + STALE_SECONDS).state is State.INTERRUPTED
    ended = replace(pull, state=State.CANCELLED)
    assert ended.as_of(1e9) == ended


def test_what_has_come_is_told_for_a_while_and_what_has_not_until_somebody_takes_it_off() -> None:
    done = Pull("it", State.DONE, updated_at=100.0)
    assert done.is_told(100.0 + TOLD_SECONDS)
    assert not done.is_told(101.0 + TOLD_SECONDS)
    assert replace(done, state=State.FAILED).is_told(1e9)


def test_how_long_it_takes_is_known_after_a_moment_and_goes_by_the_last_while() -> None:
    pace, pull = Pace(), Pull("it", total=1000, started_at=1.0)

    def at(second: float, completed: int) -> float | None:
        return pace.left(replace(pull, updated_at=second, completed=completed))

    assert at(10, 0) is None
    assert at(11, 10) is None
    assert at(12, 20) == pytest.approx(98.0)
    assert at(12, 20) == pytest.approx(98.0)
    for second in range(13, 60):
        at(second, 20 + second)
    assert at(60, 80) == pytest.approx(920.0)
    assert pace.left(replace(pull, state=State.CHECKING)) is None
    # A run that begins anew is no slower for what was before it.
    assert pace.left(replace(pull, started_at=2.0, updated_at=61.0)) is None


def test_a_pull_that_stands_still_has_no_end_in_sight() -> None:
    pace = Pace()
    pulls = [Pull("it", total=1000, completed=5, updated_at=second) for second in (1.0, 4.0)]
    assert [pace.left(each) for each in pulls] == [None, None]
    pulls = [replace(pulls[0], updated_at=second, completed=6) for second in range(5, 17)]
    lefts = [pace.left(each) for each in pulls]
    assert lefts[-1] == math.inf
    assert math.inf not in lefts[:-1]
    assert pace.left(replace(pulls[0], updated_at=17.0, completed=7)) not in (None, math.inf)  # it goes on
