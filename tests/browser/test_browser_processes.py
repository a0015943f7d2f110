"""Two server processes with one database and one Redis: what one writes, the other shows, stops and carries on."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
import requests
from chat_page import Chat, chat_in, free_port, running, started
from own_redis import OwnRedis
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from scripted_ollama import ScriptedOllama, gate


class Server(NamedTuple):
    url: str
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=20)


def two_servers(folder: Path, **environ: str) -> Iterator[tuple[Server, Server]]:
    found = []
    for _ in range(2):
        port = free_port()
        found.append(Server(f"http://127.0.0.1:{port}", started(folder, port, **environ)))
    yield found[0], found[1]
    for server in found:
        if server.process.poll() is None:
            server.process.terminate()
            server.process.wait(timeout=20)


@pytest.fixture
def two(tmp_path: Path, redis: OwnRedis, ollama: ScriptedOllama) -> Iterator[tuple[Server, Server]]:
    """The one that is asked, and the one that is looked at."""
    yield from two_servers(tmp_path, OLLAMA_BASE_URL=ollama.url, REDIS_URL=redis.url)


def asked_and_looked_at(context: BrowserContext, two: tuple[Server, Server]) -> tuple[Chat, Chat, Locator, Locator]:
    """A page of each server with the same answer."""
    one, other = (chat_in(context, server.url) for server in two)
    one.open()
    mine = one.ask("Hi")
    other.open(one.page.url.removeprefix(one.server))
    theirs = other.answers.first
    return one, other, text_of(mine), text_of(theirs)


def text_of(answer: Locator) -> Locator:
    return answer.locator('[data-part="answer"]')


@pytest.fixture
def plain(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that runs no scripts."""
    context = browser.new_context(java_script_enabled=False)
    context.set_default_timeout(15_000)
    yield context
    context.close()


def without_javascript(plain: BrowserContext, server: Server, page: Page) -> tuple[Chat, Locator]:
    """The same conversation at that server while its answer is written, and the answer as it is seen there."""
    chat = chat_in(plain, server.url)
    chat.page.goto(f"{server.url}{urlsplit(page.url).path}/streamed", wait_until="commit")
    return chat, chat.page.locator('article[data-role="assistant"]:visible')


def test_an_answer_is_seen_and_stopped_from_another_process(
    context: BrowserContext, plain: BrowserContext, two: tuple[Server, Server], ollama: ScriptedOllama
) -> None:
    goes_on = threading.Event()
    script = ollama.script("The first paragraph.\n\nThe ", gate(goes_on), "second ", gate(threading.Event()))
    one, other, mine, theirs = asked_and_looked_at(context, two)
    expect(theirs).to_contain_text("The first paragraph.")
    _, seen = without_javascript(plain, two[1], one.page)
    expect(seen).to_contain_text("The first paragraph.")
    goes_on.set()
    expect(theirs).to_contain_text("The second")
    expect(mine).to_contain_text("The second")
    expect(seen).to_contain_text("The second")
    other.page.get_by_role("button", name="Stop").click()
    assert script.client_gone.wait(5)
    for chat in (one, other):
        expect(chat.answers.first).to_have_attribute("data-state", "stopped")
        assert not chat.complaints
    assert one.messages_html() == other.messages_html()
    expect(seen).to_have_attribute("data-state", "stopped")
    expect(text_of(seen).locator("p")).to_have_text(["The first paragraph.", "The second"])


def test_another_process_carries_on_what_a_killed_one_wrote(
    context: BrowserContext, plain: BrowserContext, two: tuple[Server, Server], ollama: ScriptedOllama
) -> None:
    never = threading.Event()
    script = ollama.script("The first paragraph.\n\nThe second ", gate(never))
    _, other, _, theirs = asked_and_looked_at(context, two)
    expect(theirs).to_contain_text("The second")
    reader, seen = without_javascript(plain, two[1], other.page)
    expect(seen).to_contain_text("The second")
    reader.message.fill("And then?")
    address = f"{other.server}/answers/{str(other.answers.first.get_attribute('id'))[1:]}/text"
    while "The second" not in other.page.request.get(address).text():
        pass  # until the checkpoint has it
    ollama.script("goes on.\n\nAnd ends.")
    two[0].kill()
    assert script.client_gone.wait(5)
    expect(other.answers.first).to_have_attribute("data-state", "done", timeout=30_000)
    expect(theirs.locator("p")).to_have_text(["The first paragraph.", "The second goes on.", "And ends."])
    assert ollama.chats()[-1]["messages"][-1]["role"] == "assistant"
    fresh = chat_in(context, other.server)
    fresh.page.goto(other.page.url)
    assert other.messages_html() == fresh.messages_html()
    expect(seen).to_have_attribute("data-state", "done")
    expect(text_of(seen).locator("p")).to_have_text(["The first paragraph.", "The second goes on.", "And ends."])
    expect(reader.message).to_have_value("And then?")


def test_redis_may_go_and_come_back_empty_in_mid_answer(
    context: BrowserContext,
    plain: BrowserContext,
    two: tuple[Server, Server],
    ollama: ScriptedOllama,
    redis: OwnRedis,
    tmp_path: Path,
) -> None:
    goes_on, ends = threading.Event(), threading.Event()
    ollama.script("The first paragraph.\n\n", gate(goes_on), "The second.\n\n", gate(ends), "And ends.")
    one, other, mine, theirs = asked_and_looked_at(context, two)
    expect(theirs).to_contain_text("The first paragraph.")
    _, seen = without_javascript(plain, two[1], one.page)
    expect(seen).to_contain_text("The first paragraph.")
    redis.stop()
    goes_on.set()
    expect(mine).to_contain_text("The second.")
    elsewhere = chat_in(context, two[0].url)
    elsewhere.open()
    elsewhere.message.fill("Hello?")
    elsewhere.message.press("Enter")
    expect(elsewhere.page.get_by_role("heading", name="Redis does not answer")).to_be_visible()
    expect(elsewhere.message).to_have_value("Hello?")
    for server in two:
        while "insight_redis_up 0.0" not in requests.get(f"{server.url}/metrics", timeout=5).text:
            pass  # until it is noticed: within a second
    _, late = without_javascript(plain, two[1], one.page)
    expect(late).to_contain_text("The first paragraph.")
    redis.start()
    expect(theirs).to_contain_text("The second.")
    for page in (seen, late):
        expect(page).to_contain_text("The second.")
    ends.set()
    expect(other.answers.first).to_have_attribute("data-state", "done")
    expect(theirs.locator("p")).to_have_text(["The first paragraph.", "The second.", "And ends."])
    assert one.messages_html() == other.messages_html()
    for page in (seen, late):
        expect(page).to_have_attribute("data-state", "done")
        expect(text_of(page).locator("p")).to_have_text(["The first paragraph.", "The second.", "And ends."])
    ollama.script("Redis is back.")
    elsewhere.page.get_by_role("button", name="Send").click()
    expect(text_of(elsewhere.answers.first)).to_have_text("Redis is back.")
    assert "insight_redis_up 1.0" in requests.get(f"{two[1].url}/metrics", timeout=5).text
    log = (tmp_path / "server.log").read_text()
    assert log.count("redis is gone") >= 2  # in each process; one that is short of time may miss an answer too
    assert log.count("redis answers") == log.count("redis is gone") + 2
    assert "paragraph" not in log


def test_the_workers_of_one_server_share_its_answers(
    context: BrowserContext, tmp_path: Path, redis: OwnRedis, ollama: ScriptedOllama
) -> None:
    """Which of them answers is chance, so that each page and stream is asked for by several connections."""
    ends = threading.Event()
    with running(tmp_path, OLLAMA_BASE_URL=ollama.url, REDIS_URL=redis.url, WEB_CONCURRENCY="2") as url:
        while len(redis.client.keys("insight:process:*")) < 2:
            pass  # until both workers are there
        ollama.script("The first paragraph.\n\nThe ", gate(ends), "second.")
        with requests.post(f"{url}/api/chat", json={"message": "Hi"}, stream=True, timeout=20) as writing:
            where = writing.headers["X-Conversation-Id"], writing.headers["X-Answer-Id"]
            pages = [requests.get(f"{url}/c/{where[0]}", timeout=20).text for _ in range(12)]
            assert not [page for page in pages if "stream?from=-" in page]
            streams = [
                requests.get(f"{url}/answers/{where[1]}/stream", stream=True, timeout=20).iter_lines()
                for _ in range(12)
            ]
            for stream in streams:
                while b"The first paragraph." not in next(stream):
                    pass
            ends.set()
            for stream in streams:
                assert b"event: done" in list(stream)
            assert writing.text.endswith("The second.")
        fresh = chat_in(context, url)
        fresh.page.goto(f"{url}/c/{where[0]}")
        expect(text_of(fresh.answers.first).locator("p")).to_have_text(["The first paragraph.", "The second."])
