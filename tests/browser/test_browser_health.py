"""The page Health as an admin sees it, and the stream that they see with their own eyes."""

from __future__ import annotations

from chat_page import Chat
from playwright.sync_api import Browser, expect


def test_the_page_says_how_each_part_is_and_looks_again(chat: Chat) -> None:
    chat.open("/settings/health")
    page = chat.page
    expect(page.get_by_role("heading", name="Health", exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="Database ✓ Good")).to_be_visible()
    expect(page).to_have_title("Health: something could be better – InsightSphere AI")
    page.get_by_role("link", name="Look again").press("Enter")
    expect(page.get_by_role("heading", name="Database ✓ Good")).to_be_visible()
    assert not chat.complaints


def test_the_test_page_shows_its_lines_one_by_one_without_javascript(browser: Browser, server: str) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 800})
    page = context.new_page()
    lines = page.get_by_role("listitem").filter(has_text="sent at")
    for _ in range(5):  # who looks too late sees all of them at once, but not each time
        page.goto(f"{server}/settings/health/streamed", wait_until="commit")
        expect(lines.first).to_be_visible()
        seen = lines.count()
        expect(lines).to_have_count(6)
        if seen < 6:
            break
    assert 1 <= seen < 6, "the first line was there before the last one was sent"
    context.close()
