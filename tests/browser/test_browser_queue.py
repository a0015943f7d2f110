"""The line in front of the model as people see it, and as one over several server processes."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import requests
from chat_page import Chat, chat_in, running
from own_redis import OwnRedis
from people import ALICE, BOB, PASSWORD, ROLES
from playwright.sync_api import Browser, BrowserContext, Locator, expect
from scripted_ollama import Answer, ScriptedOllama, Step, gate
from test_browser_processes import Server, two_servers

from insight_app.accounts.passwords import Passwords
from insight_app.accounts.store import AccountStore
from insight_app.chat.messages import Figures, Outcome, State
from insight_app.chat.store import ConversationStore
from insight_app.storage.database import Database, sqlite_url


@pytest.fixture
def busy(tmp_path: Path, ollama: ScriptedOllama) -> Iterator[str]:
    """A server that writes one answer at a time, and knows that one takes 40 seconds."""
    with closing(Database(sqlite_url(tmp_path / "insight.db"))) as database:
        database.bring_up_to_date()
        store = ConversationStore(database)
        _, answer = store.ask("Before", model="")
        assert answer is not None
        took = Figures(reading_seconds=10.0, writing_seconds=30.0)
        store.finish(answer.id, Outcome(State.DONE, "x", model=ollama.models[0], figures=took))
    with running(tmp_path, OLLAMA_BASE_URL=ollama.url, MAX_CONCURRENT_ANSWERS="1", MAX_WAITING_ANSWERS="2") as url:
        yield url


def status_of(answer: Locator) -> Locator:
    return answer.locator(".status")


def seconds_in(answer: Locator) -> int:
    found = re.search(r"about (?:(\d+)\smin\s)?(\d+)\ss", status_of(answer).inner_text())
    assert found
    return 60 * int(found[1] or 0) + int(found[2])


def test_everybody_sees_their_place_and_when_it_is_their_turn(
    context: BrowserContext, busy: str, ollama: ScriptedOllama
) -> None:
    goes_on = threading.Event()
    first = ollama.script(gate(goes_on), "The first.")
    pages = [chat_in(context, busy) for _ in range(3)]
    for chat in pages:
        chat.open()
    pages[0].ask("One")
    assert first.asked.wait(10)
    waiting = [pages[1].ask("Two")]
    expect(status_of(waiting[0])).to_contain_text("Waiting for a free place, number 1 in line · time left: about")
    waiting.append(pages[2].ask("Three"))
    expect(status_of(waiting[1])).to_contain_text("number 2 in line · time left: about 1\u00a0min")
    heard = pages[2].page.locator("#announcer")
    expect(heard).to_have_text("The answer waits for a free place, number 2 in line")
    before = seconds_in(waiting[0])
    expect(status_of(waiting[0])).not_to_contain_text(f"about {before}\u00a0s")  # it counts down
    assert before - 5 < seconds_in(waiting[0]) < before
    pages[2].page.reload()
    expect(status_of(pages[2].answers.first)).to_contain_text("number 2 in line · time left: about 1\u00a0min")
    pages[2].page.set_viewport_size({"width": 360, "height": 640})
    assert pages[2].page.evaluate("document.documentElement.scrollWidth") <= 360
    # A fourth finds the line full, and keeps the words.
    fourth = chat_in(context, busy)
    fourth.open()
    fourth.message.fill("Four")
    fourth.message.press("Enter")
    expect(fourth.page.get_by_role("heading", level=1)).to_have_text(
        "Too many answers are waiting for this model already."
    )
    expect(fourth.message).to_have_value("Four")
    fourth.complaints.clear()  # the browser notes the status
    # Who stops leaves the line at once, and is seen to.
    pages[1].page.get_by_role("button", name="Stop").click()
    expect(pages[1].answers.first).to_have_attribute("data-state", "stopped")
    expect(status_of(pages[2].answers.first)).to_contain_text("number 1 in line")
    fourth.message.press("Enter")
    expect(status_of(fourth.answers.first)).to_contain_text("number 2 in line")
    ollama.script("The third.")
    ollama.script("The fourth.")
    goes_on.set()
    for chat, said in ((pages[0], "The first."), (pages[2], "The third."), (fourth, "The fourth.")):
        expect(chat.answers.first.locator('[data-part="answer"]')).to_have_text(said)
        assert not chat.complaints
    assert [chat["messages"][-1]["content"] for chat in ollama.chats()[-3:]] == ["One", "Three", "Four"]


@pytest.fixture
def team(tmp_path: Path, ollama: ScriptedOllama) -> Iterator[str]:
    """A server where Alice and Bob sign in, which writes one answer at a time."""
    with closing(Database(sqlite_url(tmp_path / "insight.db"))) as database:
        database.bring_up_to_date()
        for email in (ALICE, BOB):
            AccountStore(database).create(email, ROLES[email], password=Passwords().hashed(PASSWORD))
    settings = {"AUTH_MODE": "accounts", "MAX_CONCURRENT_ANSWERS": "1"}
    with running(tmp_path, OLLAMA_BASE_URL=ollama.url, **settings) as url:
        yield url


def enters(browser: Browser, server: str, email: str) -> Chat:
    """A page of a browser of their own, signed in."""
    chat = chat_in(browser.new_context(), server)
    chat.open("/sign-in")
    chat.page.get_by_label("E-mail").fill(email)
    chat.page.get_by_label("Password").fill(PASSWORD)
    chat.page.get_by_role("button", name="Sign in").click()
    expect(chat.message).to_be_visible()
    return chat


def test_five_prompts_of_alice_do_not_starve_one_of_bob(browser: Browser, team: str, ollama: ScriptedOllama) -> None:
    opened = threading.Event()
    first = ollama.script(gate(opened), "For Alice.")
    for _ in range(5):
        ollama.script("For whoever is next.")
    alice, bob = (enters(browser, team, email) for email in (ALICE, BOB))
    pages = [alice] + [chat_in(alice.page.context, team) for _ in range(4)]
    for number, chat in enumerate(pages):
        chat.open()
        answer = chat.ask(f"Alice {number}")
        if number == 0:
            assert first.asked.wait(10)
        else:
            expect(status_of(answer)).to_contain_text(f"number {number} in line")
    mine = bob.ask("Bob 0")
    expect(status_of(mine)).to_contain_text("number 1 in line")
    for number, chat in enumerate(pages[1:], 2):
        expect(status_of(chat.answers.first)).to_contain_text(f"number {number} in line")
    # Neither sees anything of the other's.
    theirs = alice.page.url.removeprefix(team)
    assert bob.page.request.get(team + theirs).status == 404
    stream = bob.page.request.get(f"{team}/answers/{str(alice.answers.first.get_attribute('id'))[1:]}/stream").text()
    assert 'hx-swap="delete' in stream
    assert "Alice" not in bob.page.get_by_role("navigation").inner_text()
    opened.set()
    for chat in (bob, *pages):
        expect(chat.answers.first).to_have_attribute("data-state", "done")
        assert not chat.complaints
    asked = [chat["messages"][-1]["content"] for chat in ollama.chats()[-6:]]
    assert asked == ["Alice 0", "Bob 0", *(f"Alice {number}" for number in range(1, 5))]
    for chat in (alice, bob):
        chat.page.context.close()


@pytest.fixture
def two(tmp_path: Path, redis: OwnRedis, ollama: ScriptedOllama) -> Iterator[tuple[Server, Server]]:
    """Two server processes that write one answer at a time between them."""
    yield from two_servers(tmp_path, OLLAMA_BASE_URL=ollama.url, REDIS_URL=redis.url, MAX_CONCURRENT_ANSWERS="1")


class AtOnce:
    """How many answers the engine was asked for at once, at most."""

    def __init__(self) -> None:
        self.most = self._now = 0
        self._lock = threading.Lock()

    def script(self) -> list[Step]:
        return [self._begin, "A ", "word.", self._end]

    def _begin(self, answer: Answer) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)

    def _end(self, answer: Answer) -> None:
        with self._lock:
            self._now -= 1


def test_two_processes_have_one_line(two: tuple[Server, Server], ollama: ScriptedOllama) -> None:
    at_once = AtOnce()
    for _ in range(16):
        ollama.script(*at_once.script())

    def asks(number: int) -> str:
        return requests.post(f"{two[number % 2].url}/api/chat", json={"message": f"{number}"}, timeout=30).text

    with ThreadPoolExecutor(16) as programs:
        assert list(programs.map(asks, range(16))) == ["A word."] * 16
    assert at_once.most == 1
    for server in two:
        figures = requests.get(f"{server.url}/metrics", timeout=5).text
        assert 'insight_stage_seconds_count{stage="queued"} 8.0' in figures


def test_the_turn_of_a_killed_process_goes_to_another(
    context: BrowserContext, two: tuple[Server, Server], ollama: ScriptedOllama
) -> None:
    one, other = (chat_in(context, server.url) for server in two)
    killed = ollama.script("The first ", gate(threading.Event()))
    one.open()
    one.ask("One")
    assert killed.asked.wait(10)
    other.open()
    mine = other.ask("Two")
    expect(status_of(mine)).to_contain_text("number 1 in line")
    figures = requests.get(f"{two[1].url}/metrics", timeout=5).text
    assert "insight_waiting_answers 1.0" in figures
    assert "insight_running_answers 1.0" in figures
    ollama.script("The second.")
    ollama.script("answer.")
    two[0].kill()
    expect(mine.locator('[data-part="answer"]')).to_have_text("The second.", timeout=12_000)
    other.open(one.page.url.removeprefix(one.server))  # which goes on in the line of those who live
    expect(other.answers.first).to_have_attribute("data-state", "done", timeout=30_000)
    assert not other.complaints
