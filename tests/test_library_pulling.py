"""Models on their way: one run for all who want the same one, whichever process is at it, and however it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from scripted_ollama import (
    LICENCE,
    WEIGHTS,
    Answer,
    ScriptedOllama,
    cut,
    error,
    fetching,
    gate,
    pulled,
    reset,
    status,
    telling,
)
from sqlalchemy import select, update
from test_chat_replies import until

from insight_app.engines.ollama_library import OllamaLibrary
from insight_app.library import carrying, patience
from insight_app.library import pulling as pulling_module
from insight_app.library.jobs import STALE_SECONDS, Job, Pull, State
from insight_app.library.machine import RESERVE, Machine
from insight_app.library.pull_store import PullStore
from insight_app.library.pulling import Pulling
from insight_app.storage.database import Database
from insight_app.storage.tables import pulls

ON_BOTH_DATABASES = True
NAME = "new:latest"
Ended = list[tuple[str, str]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulling_module, "TELL_SECONDS", 0.02)
    monkeypatch.setattr(patience, "FIRST_SECONDS", 0.02)
    monkeypatch.setattr(patience, "LONGEST_SECONDS", 0.1)
    monkeypatch.setattr(carrying, "LOOK_SECONDS", 0.05)


@pytest.fixture
def store(database: Database) -> PullStore:
    return PullStore(database)


@pytest.fixture
def ended() -> Ended:
    return []


@pytest.fixture
def process(ollama: ScriptedOllama, store: PullStore, ended: Ended) -> Iterator[Callable[..., Pulling]]:
    """Makes what each process has of its own, before the one database and the one Ollama."""
    found: list[Pulling] = []

    def make(**given: object) -> Pulling:
        report = lambda state, problem, seconds: ended.append((state, problem))  # noqa: E731
        found.append(Pulling(OllamaLibrary(ollama.url), store, report=report, **given))  # type: ignore[arg-type]
        return found[-1]

    yield make
    for each in found:
        each.close()
    until(lambda: not [thread for thread in threading.enumerate() if thread.name == "pull"])


def one(store: PullStore) -> Pull:
    (found,) = store.all(time.time())
    return found


def reaches(store: PullStore, state: State) -> Pull:
    return until(lambda: one(store) if one(store).state is state else None)


def held(ollama: ScriptedOllama, here: int = 400, total: int = 1000) -> tuple[threading.Event, Answer]:
    """The next pull stops there until the event comes."""
    goes_on = threading.Event()
    script = (telling("pulling manifest"), fetching(WEIGHTS, total, here), gate(goes_on))
    return goes_on, ollama.script(
        *script, fetching(WEIGHTS, total, total), fetching(LICENCE, 10, 10), pulled, path="/api/pull"
    )


def test_a_pull_is_followed_to_its_end_and_then_the_model_is_told_of(
    process: Callable[..., Pulling], store: PullStore, ollama: ScriptedOllama, ended: Ended
) -> None:
    came = threading.Event()
    goes_on, _ = held(ollama)
    assert process(came=came.set).begin(NAME)
    seen = until(lambda: one(store) if one(store).completed else None)
    assert (seen.state, seen.completed, seen.total, seen.percent) == (State.PULLING, 400, 1000, 40)
    assert not came.is_set()
    goes_on.set()
    done = reaches(store, State.DONE)
    assert (done.completed, done.total, done.percent) == (1010, 1010, 100)
    assert came.wait(5)
    assert until(lambda: ended) == [("done", "")]


def test_all_who_want_the_same_model_share_one_run(
    process: Callable[..., Pulling], store: PullStore, ollama: ScriptedOllama
) -> None:
    goes_on, _ = held(ollama)
    processes = [process() for _ in range(4)]
    began: list[bool] = []
    threads = [threading.Thread(target=lambda each=each: began.append(each.begin(NAME))) for each in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(began) == [False, False, False, True]
    assert not processes[0].begin(NAME.upper())  # to Ollama it is the same
    goes_on.set()
    reaches(store, State.DONE)
    assert [request.path for request in ollama.requests] == ["/api/pull"]


def test_cancelling_in_another_process_closes_the_connection_to_ollama(
    process: Callable[..., Pulling], store: PullStore, ollama: ScriptedOllama, ended: Ended
) -> None:
    _, answer = held(ollama)
    process().begin(NAME)
    until(lambda: one(store).completed)
    process().cancel(NAME)
    assert one(store).state is State.CANCELLED
    assert answer.client_gone.wait(5)
    assert until(lambda: ended) == [("cancelled", "")]
    stopped = one(store)
    assert (stopped.state, stopped.completed, stopped.total) == (State.CANCELLED, 400, 1000)


def test_what_was_cancelled_goes_on_and_shows_meanwhile_what_there_was(
    process: Callable[..., Pulling], store: PullStore, ollama: ScriptedOllama
) -> None:
    held(ollama)
    found = process()
    found.begin(NAME)
    until(lambda: one(store).completed)
    found.cancel(NAME)
    before = one(store)
    silent = threading.Event()
    ollama.script(gate(silent), fetching(WEIGHTS, 1000, 500), pulled, path="/api/pull")
    assert process().begin(NAME)
    again = one(store)
    assert (again.state, again.completed) == (State.PULLING, before.completed)
    assert again.started_at > before.started_at
    silent.set()
    reaches(store, State.DONE)


@pytest.mark.parametrize(
    ("end", "state", "problem"),
    [
        (error("pull model manifest: file does not exist"), State.FAILED, "pull_unknown"),
        (error("no space left on device"), State.FAILED, "pull_no_room"),
        (error("digest mismatch, file must be downloaded again"), State.FAILED, "pull_damaged"),
    ],
)
def test_each_bad_end_has_its_name(
    process: Callable[..., Pulling],
    store: PullStore,
    ollama: ScriptedOllama,
    end: Callable[[Answer], None],
    state: State,
    problem: str,
    ended: Ended,
) -> None:
    ollama.script(telling("pulling manifest"), end, path="/api/pull")
    process().begin(NAME)
    assert reaches(store, state).problem == problem
    assert until(lambda: ended) == [(state.value, problem)]


@pytest.mark.parametrize(
    ("passes", "problem"),
    [
        ([telling("pulling manifest"), cut], "pull_cut"),
        ([error("max retries exceeded: dial tcp: lookup x: no such host")], "pull_offline"),
        ([status(502)], "engine_unreachable"),  # a proxy that finds no Ollama
        ([reset], "engine_unreachable"),
    ],
)
def test_what_passes_by_itself_is_waited_for_and_shown_meanwhile(
    process: Callable[..., Pulling],
    store: PullStore,
    ollama: ScriptedOllama,
    passes: list[Callable[[Answer], None]],
    problem: str,
    ended: Ended,
) -> None:
    ollama.script(telling("pulling manifest"), fetching(WEIGHTS, 1000, 400), cut, path="/api/pull")
    for _ in range(3):
        ollama.script(*passes, path="/api/pull")
    silent = threading.Event()
    ollama.script(gate(silent), fetching(WEIGHTS, 1000, 1000), pulled, path="/api/pull")
    process().begin(NAME)
    waits = until(lambda: one(store) if one(store).problem == problem and len(ollama.requests) == 5 else None)
    assert (waits.state, waits.completed, waits.percent) == (State.WAITING, 400, 40)
    silent.set()
    assert reaches(store, State.DONE).problem == ""
    assert until(lambda: ended) == [("done", "")]


def test_an_ollama_that_is_away_is_waited_for_until_somebody_cancels(
    process: Callable[..., Pulling], store: PullStore, ollama: ScriptedOllama, ended: Ended
) -> None:
    ollama.close()
    found = process()
    found.begin(NAME)
    assert reaches(store, State.WAITING).problem == "engine_unreachable"
    assert not process().begin(NAME)  # somebody is at it
    found.cancel(NAME)
    assert until(lambda: ended) == [("cancelled", "")]
    assert (one(store).state, one(store).problem) == (State.CANCELLED, "")


def test_what_does_not_pass_for_a_day_fails(
    process: Callable[..., Pulling], store: PullStore, ollama: ScriptedOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 0.0)
    ollama.close()
    process().begin(NAME)
    assert reaches(store, State.FAILED).problem == "engine_unreachable"


def test_a_server_that_ends_leaves_a_pull_and_the_next_one_goes_on_by_itself(
    process: Callable[..., Pulling], store: PullStore, ollama: ScriptedOllama
) -> None:
    _, answer = held(ollama)
    ending = process()
    ending.begin(NAME)
    until(lambda: one(store).completed)
    ending.close()
    assert answer.client_gone.wait(5)
    assert reaches(store, State.INTERRUPTED).completed == 400
    assert not ending.begin(NAME)
    process()
    reaches(store, State.DONE)


@pytest.mark.parametrize("end", [State.CANCELLED, State.FAILED, State.DONE])
def test_what_was_ended_stays_so_when_the_next_server_starts(
    process: Callable[..., Pulling],
    store: PullStore,
    ollama: ScriptedOllama,
    end: State,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(carrying, "STALE_SECONDS", 0.0)
    pull = store.begin(NAME, time.time() - 60)
    assert pull is not None
    job = Job()
    job.end(end, "pull_no_room" if end is State.FAILED else "")
    store.keep(pull, job, time.time())
    store.begin("other:latest", time.time() - 60)
    held(ollama)[0].set()
    process()
    until(lambda: [each for each in ollama.requests if each.body == {"model": "other:latest"}])
    until(lambda: {each.name: each for each in store.all(time.time())}["other:latest"].state is State.DONE)
    assert len(ollama.requests) == 1


def test_a_pull_of_a_killed_server_is_carried_on_by_one_process_and_that_of_a_living_one_by_none(
    process: Callable[..., Pulling], store: PullStore, ollama: ScriptedOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever watches goes by how long the row stays as it is: the killed one's clock was an hour ahead."""
    monkeypatch.setattr(carrying, "LOOK_SECONDS", 3600.0)  # they look when they are told to
    goes_on, _ = held(ollama)
    living, alive = process(), [process() for _ in range(3)]
    living.begin(NAME)
    assert store.begin("killed:latest", time.time() + 3600)
    look(alive, 1000.0)
    seen = living_since(store)
    until(lambda: living_since(store) > seen)
    look(alive, 1000.0 + STALE_SECONDS - 1)
    assert len(ollama.requests) == 1
    killed, _ = held(ollama)
    seen = living_since(store)
    until(lambda: living_since(store) > seen)
    look(alive, 1000.0 + STALE_SECONDS)
    goes_on.set()
    killed.set()
    until(lambda: [each.state for each in store.all(time.time())] == [State.DONE] * 2)
    assert [each.body["model"] for each in ollama.requests] == [NAME, "killed:latest"]


def look(processes: list[Pulling], now: float) -> None:
    """All at once."""
    threads = [threading.Thread(target=each._carrying.look, args=(now,)) for each in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def living_since(store: PullStore) -> float:
    """When the run of NAME was last heard of."""
    return max(each.updated_at for each in store.left(0) if each.name == NAME)


def test_a_pull_that_nobody_was_at_for_days_begins_when_somebody_wants_it(
    process: Callable[..., Pulling], store: PullStore, ollama: ScriptedOllama, database: Database
) -> None:
    store.begin(NAME, time.time())
    with database.writing() as connection:
        connection.execute(update(pulls).values(state="interrupted", updated_at=time.time() - 2 * 86_400))
    found = process()
    found._carrying.look(0.0)
    assert one(store).state is State.INTERRUPTED
    held(ollama)[0].set()
    assert found.begin(NAME)
    reaches(store, State.DONE)


def test_what_a_killed_process_was_at_is_interrupted_and_somebody_else_may_go_on(
    process: Callable[..., Pulling], store: PullStore, database: Database, ollama: ScriptedOllama
) -> None:
    """It said nothing more: its row is as old as its last second."""
    killed = store.begin(NAME, time.time() - STALE_SECONDS - 5)
    assert killed is not None
    assert one(store).state is State.INTERRUPTED
    goes_on, _ = held(ollama)
    assert process().begin(NAME)
    until(lambda: one(store).completed)
    # It was only asleep, and notices that it is no longer the one.
    assert not store.keep(killed, pulling_module.Job(), time.time())
    assert one(store).completed == 400
    goes_on.set()
    reaches(store, State.DONE)


def test_who_was_only_asleep_gives_in_to_who_went_on(
    process: Callable[..., Pulling], store: PullStore, database: Database, ollama: ScriptedOllama
) -> None:
    _, answer = held(ollama)
    asleep = process()
    asleep.begin(NAME)
    until(lambda: one(store).completed)
    with database.writing() as connection:
        connection.execute(update(pulls).values(started_at=pulls.c.started_at + 1))
    assert answer.client_gone.wait(5)
    assert one(store).state is State.PULLING


def test_what_is_larger_than_the_disk_is_not_fetched_to_its_bitter_end(
    process: Callable[..., Pulling], store: PullStore, ollama: ScriptedOllama
) -> None:
    _, answer = held(ollama, here=0, total=5 * 10**9)
    process(has_room=Machine(free=5 * 10**9 + RESERVE - 1).has_room).begin(NAME)
    assert reaches(store, State.FAILED).problem == "pull_no_room"
    assert answer.client_gone.wait(5)


def test_what_is_here_already_needs_no_room_any_more(
    process: Callable[..., Pulling], store: PullStore, ollama: ScriptedOllama
) -> None:
    goes_on, _ = held(ollama, here=4 * 10**9, total=5 * 10**9)
    goes_on.set()
    process(has_room=Machine(free=10**9 + RESERVE).has_room).begin(NAME)
    reaches(store, State.DONE)


def test_the_list_forgets_what_has_ended_when_somebody_wants_it_and_nothing_that_runs(
    process: Callable[..., Pulling], store: PullStore, ollama: ScriptedOllama
) -> None:
    goes_on, _ = held(ollama)
    process().begin(NAME)
    until(lambda: one(store).completed)
    store.forget(NAME, time.time())
    assert one(store).state is State.PULLING
    goes_on.set()
    reaches(store, State.DONE)
    store.forget(NAME, time.time())
    assert store.all(time.time()) == []


def test_what_has_come_is_told_for_a_while_and_then_its_row_goes(store: PullStore, database: Database) -> None:
    first = store.begin("a:latest", 1000.0)
    assert first is not None
    job = pulling_module.Job()
    job.end(State.DONE)
    store.keep(first, job, 1001.0)
    assert [each.name for each in store.all(1002.0)] == ["a:latest"]
    assert store.all(5000.0) == []
    store.begin("b:latest", 5000.0)
    with database.reading() as connection:
        assert [row.name for row in connection.execute(select(pulls))] == ["b:latest"]


def test_a_state_of_a_newer_version_reads_as_interrupted(store: PullStore, database: Database) -> None:
    store.begin(NAME, time.time())
    with database.writing() as connection:
        connection.execute(update(pulls).values(state="beamed"))
    assert one(store).state is State.INTERRUPTED


def test_a_fault_of_ours_ends_a_pull_too(store: PullStore, ended: Ended) -> None:
    class Broken:
        def pull(self, model: str, stop: object) -> Iterator[object]:
            raise RuntimeError("a fault")

    found = Pulling(Broken(), store, report=lambda state, problem, seconds: ended.append((state, problem)))  # type: ignore[arg-type]
    found.begin(NAME)
    assert reaches(store, State.FAILED).problem == "pull_failed"
    assert until(lambda: ended) == [("failed", "pull_failed")]
