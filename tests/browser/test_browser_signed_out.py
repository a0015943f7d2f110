"""Somebody is signed out elsewhere while an answer grows on their page."""

from __future__ import annotations

import re
import threading
from pathlib import Path

from chat_page import chat_in, running
from people import ALICE, PASSWORD
from playwright.sync_api import Browser, BrowserContext, expect
from scripted_ollama import ScriptedOllama, gate


def test_a_page_says_that_its_person_is_signed_out_and_asks_no_more(
    browser: Browser, context: BrowserContext, tmp_path: Path, ollama: ScriptedOllama
) -> None:
    opened = threading.Event()
    with running(tmp_path, OLLAMA_BASE_URL=ollama.url, AUTH_MODE="accounts") as server:
        chat = chat_in(context, server)
        page = chat.page
        chat.open("/first-account")
        code = re.findall(r'"code": "([A-Z2-7-]+)"', (tmp_path / "server.log").read_text())[-1]
        page.get_by_label("Code").fill(code)
        page.get_by_label("E-mail").fill(ALICE)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Make the account").press("Enter")
        ollama.script("some words ", gate(opened), "and more")
        answer = chat.ask("Hi")
        expect(answer).to_contain_text("some words")

        elsewhere = browser.new_context()
        other = chat_in(elsewhere, server)
        other.open("/sign-in")
        other.page.get_by_label("E-mail").fill(ALICE)
        other.page.get_by_label("Password").fill(PASSWORD)
        other.page.get_by_role("button", name="Sign in").press("Enter")
        other.page.wait_for_url(f"{server}/")
        other.open("/settings/account")
        other.page.get_by_role("button", name="Sign out everywhere else").click()

        notice = page.get_by_role("alert")
        expect(notice).to_contain_text("You are not signed in here any more.")
        expect(notice.get_by_role("link", name="Sign in")).to_be_visible()
        expect(page.locator("[id$=-stream]")).to_have_count(0)  # or it would ask every two seconds
        expect(answer).to_contain_text("some words")

        opened.set()
        with context.expect_page() as signing_in:
            notice.get_by_role("link", name="Sign in").click()
        again = signing_in.value
        again.get_by_label("E-mail").fill(ALICE)
        again.get_by_label("Password").fill(PASSWORD)
        again.get_by_role("button", name="Sign in").press("Enter")
        again.wait_for_url(f"{server}/")
        page.reload()
        expect(chat.answers.last).to_contain_text("some words and more")
        assert not chat.complaints
        elsewhere.close()
