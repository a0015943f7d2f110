"""Signing in as people meet it: in several tabs, by keyboard, without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_page import chat_in, running
from people import ALICE, PASSWORD
from playwright.sync_api import Browser, BrowserContext, Page, expect
from scripted_ollama import ScriptedOllama


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def people(place: Path, ollama: ScriptedOllama) -> Iterator[str]:
    """A server that people sign in to."""
    with running(place, OLLAMA_BASE_URL=ollama.url, AUTH_MODE="accounts") as url:
        yield url


def makes_first_account(page: Page, server: str, place: Path, email: str) -> None:
    page.goto(server)
    code = re.findall(r'"code": "([A-Z2-7-]+)"', (place / "server.log").read_text())[-1]
    page.get_by_label("Code from the server’s log").fill(code)
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    expect(page.get_by_role("textbox", name="Message")).to_be_visible()


def test_who_is_signed_out_elsewhere_hears_it_and_keeps_the_text(
    context: BrowserContext, people: str, place: Path
) -> None:
    chat = chat_in(context, people)
    makes_first_account(chat.page, people, place, ALICE)
    chat.ask("Hi")
    expect(chat.answers.first).to_have_attribute("data-state", "done")
    settings = context.new_page()
    settings.goto(f"{people}/settings/account")
    settings.get_by_role("button", name="Sign out").click()
    chat.message.fill("What I typed")
    chat.message.press("Enter")
    notice = chat.page.get_by_role("alert")
    expect(notice).to_contain_text("You are not signed in, or no longer.")
    expect(chat.message).to_have_value("What I typed")
    with context.expect_page() as opened:
        notice.get_by_role("link", name="Sign in").click()
    door = opened.value
    door.get_by_label("E-mail").fill(ALICE)
    door.get_by_label("Password").fill(PASSWORD)
    door.get_by_role("button", name="Sign in").click()
    expect(door.get_by_role("textbox", name="Message")).to_be_visible()
    chat.message.press("Enter")  # the form is of the old session
    expect(notice).to_contain_text("Your text is kept: send it again.")
    chat.message.press("Enter")
    expect(chat.answers).to_have_count(2)
    expect(chat.message).to_have_value("")


def test_all_of_it_works_by_keyboard_and_without_scripts(browser: Browser, people: str, place: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    makes_first_account(page, people, place, ALICE)
    page.goto(f"{people}/settings/account")
    page.get_by_text("Make a key", exact=True).press("Enter")
    page.get_by_label("Name").fill("a program")
    page.get_by_label("Name").press("Enter")
    expect(page.get_by_text("Your new key.")).to_be_visible()
    expect(page.get_by_text("a program")).to_be_visible()
    page.goto(f"{people}/settings/people")
    page.get_by_label("E-mail").fill("dora@example.org")
    page.get_by_label("E-mail").press("Enter")
    link = page.locator("#new-link code").inner_text()
    page.goto(f"{people}/settings/account")
    page.get_by_role("button", name="Sign out").press("Enter")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto(link)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Password").press("Enter")
    expect(page.get_by_role("textbox", name="Message")).to_be_visible()
    context.close()


def test_what_went_wrong_and_what_was_done_has_the_focus(context: BrowserContext, people: str, place: Path) -> None:
    page = context.new_page()
    makes_first_account(page, people, place, ALICE)
    page.goto(f"{people}/settings/people")
    page.get_by_label("E-mail").fill("nobody")
    page.get_by_role("button", name="Make a link").click()
    email = page.get_by_label("E-mail")
    expect(email).to_be_focused()
    expect(email).to_have_accessible_description(re.compile("Write an e-mail address, such as"))
    email.fill("dora@example.org")
    email.press("Enter")
    link = page.get_by_role("group", name="A link for dora@example.org")
    expect(link).to_be_focused()
    page.keyboard.press("Tab")
    expect(link.locator("code")).to_be_focused()
    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("The invitation is withdrawn.")).to_be_focused()
    page.get_by_role("link", name=ALICE, exact=True).click()
    page.get_by_label("Answers a day").fill("many")
    page.get_by_role("button", name="Save").nth(1).click()
    expect(page.get_by_label("Answers a day")).to_be_focused()
    page.goto(f"{people}/settings/roles")
    members = page.get_by_role("region", name="Members")
    members.get_by_label("Only these").check()
    members.get_by_role("button", name="Save").click()
    expect(members.get_by_label("Only these")).to_be_focused()
    members.get_by_label("All models").check()
    members.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved. It holds from the next question on.")).to_be_focused()
    page.goto(f"{people}/settings/account")
    page.get_by_text("Make a key", exact=True).click()
    page.get_by_label("Name").fill("a program")
    page.get_by_label("Ask and get answers").uncheck()
    page.get_by_label("List models").uncheck()
    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_label("Ask and get answers")).to_be_focused()
    page.get_by_label("List models").check()
    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_role("group", name="Your new key.")).to_be_focused()
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("The key is revoked.")).to_be_focused()
