"""The list, its archive and bin, and the search, in a browser: with and without JavaScript."""

from __future__ import annotations

from chat_page import Chat
from playwright.sync_api import Browser, expect


def test_what_is_archived_or_deleted_is_found_and_comes_back(chat: Chat) -> None:
    expect(chat.ask("Where do xylophages live?")).to_have_attribute("data-state", "done")
    page, list_ = chat.page, chat.page.locator(".conversations")
    expect(list_.get_by_role("heading", name="Today")).to_be_visible()
    mine = list_.locator("li[id]").first
    mine.hover()
    mine.get_by_role("link", name="rename or delete").click()
    list_.get_by_role("button", name="Archive").click()
    expect(list_.locator(".editing")).to_have_count(0)
    expect(list_.get_by_role("link", name="Where do xylophages live?", exact=True)).to_have_count(0)
    expect(page.locator("#announcer")).to_have_text("Archived")
    assert page.evaluate("document.activeElement !== document.body")

    page.get_by_role("link", name="Search").click()
    box = page.get_by_role("searchbox", name="Search your conversations")
    expect(box).to_be_focused()
    box.press_sequentially("xyloph")
    hit = page.locator("#found mark").first
    expect(hit).to_have_text("xyloph")
    expect(page.locator("#announcer")).to_contain_text("found")
    expect(page.locator("#found").get_by_text("Archived").first).to_be_visible()
    box.fill("xyloph nothing-like-it")
    expect(page.get_by_text("Nothing has all of these words.")).to_be_visible()
    box.fill("xylophages live")
    page.locator("#found .shelf:last-of-type a").last.click()
    expect(page.get_by_text("This conversation is archived.")).to_be_visible()
    page.get_by_role("button", name="Bring back").click()
    expect(page.get_by_text("This conversation is archived.")).to_have_count(0)


def test_without_javascript_and_on_a_phone_a_deletion_is_undone(browser: Browser, server: str, chat: Chat) -> None:
    expect(chat.ask("Something about gnus")).to_have_attribute("data-state", "done")
    home = chat.page.url
    context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 640})
    page = context.new_page()
    try:
        page.goto(f"{home}/edit")
        alone = page.locator(".alone")
        alone.get_by_text("Delete", exact=True).click()
        alone.get_by_role("button", name="Delete it").click()
        expect(page.get_by_text("Deleted: Something about gnus")).to_be_visible()
        page.reload()
        page.get_by_role("button", name="Undo").click()
        expect(page.locator("#main h1")).to_have_text("Something about gnus")
        page.goto(f"{server}/search")
        page.get_by_role("searchbox").fill("gnus")
        page.get_by_role("searchbox").press("Enter")
        expect(page.locator("#found mark").first).to_have_text("gnus")
        for path in ("/archived", "/bin", "/search?q=gnus", "/"):
            page.goto(server + path)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    finally:
        context.close()


def test_a_line_and_a_hit_are_in_order_in_every_language(chat: Chat, server: str) -> None:
    page, list_ = chat.page, chat.page.locator(".conversations")
    page.set_input_files("#attach", {"name": "zurf.txt", "mimeType": "text/plain", "buffer": b"Of quaggas."})
    expect(page.locator("#files [data-id]")).to_have_count(1)
    expect(chat.ask("Who knows them?")).to_have_attribute("data-state", "done")
    mine = "#c-" + page.url.rpartition("/")[2]
    for language in ("de", "ar", "en"):
        page.context.add_cookies([{"name": "language", "value": language, "url": server}])
        page.reload()
        page.locator(mine).hover()
        page.locator(f"{mine} .edit").click()
        does = list_.locator(".editing .does")
        expect(does).to_be_visible()
        assert does.evaluate("it => it.scrollWidth <= it.clientWidth"), language
        archive, delete = does.locator("form").nth(1).locator("button"), does.locator("summary")
        above, below = archive.bounding_box(), delete.bounding_box()
        assert above
        assert below
        assert above["y"] == below["y"] or below["y"] > above["y"] + above["height"], (language, above, below)

    # What a screen reader is told of a pin does not turn the name round.
    list_.get_by_role("button", name="Pin").click()
    page.context.add_cookies([{"name": "language", "value": "ar", "url": server}])
    page.reload()
    assert page.locator(f"{mine} .title").evaluate("it => getComputedStyle(it).direction") == "ltr"

    page.context.add_cookies([{"name": "language", "value": "en", "url": server}])
    page.goto(f"{server}/search?q=quaggas")
    title, file = page.locator("#found .shelf p").nth(0).bounding_box(), page.get_by_text("In a file:").bounding_box()
    assert title
    assert file
    assert file["y"] >= title["y"] + title["height"], "a file's name stands beside the title"
