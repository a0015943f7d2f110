"""Presets, options and saved prompts as somebody uses them, with JavaScript and without it."""

from __future__ import annotations

import pytest
from chat_page import Chat, chat_in
from playwright.sync_api import Browser, Page, expect
from scripted_ollama import ScriptedOllama

PROMPT = "Summarise in {{language=English}}, {{language}} only:\n\n{{text}}"


def save(chat: Chat, name: str, text: str) -> None:
    chat.open("/settings/presets/prompts/new")
    chat.page.get_by_label("Name", exact=True).fill(name)
    chat.page.get_by_label("Prompt", exact=True).fill(text)
    chat.page.get_by_role("button", name="Save", exact=True).click()
    expect(chat.page.get_by_text("Saved.")).to_be_focused()


@pytest.mark.parametrize("with_javascript", [True, False])
def test_a_chat_begins_with_a_preset_and_goes_on_with_options_of_its_own(
    browser: Browser, server: str, ollama: ScriptedOllama, *, with_javascript: bool
) -> None:
    context = browser.new_context(java_script_enabled=with_javascript)
    chat = chat_in(context, server)
    page = chat.page
    chat.open()
    presets = page.locator("nav.ways")
    # Without JavaScript the ways are buttons, which take along what is typed.
    way = "link" if with_javascript else "button"
    chat.message.fill("print(1)")
    presets.get_by_role(way, name="Review code").click()
    expect(presets.get_by_role(way, name="Review code")).to_have_attribute("aria-current", "true")
    expect(presets.get_by_role("button" if with_javascript else "link")).to_have_count(0)
    expect(chat.message).to_have_value("print(1)")
    page.get_by_role("button", name="Send").click()
    chat.answers.first.wait_for()
    expect(chat.answers.first).to_have_attribute("data-state", "done")
    assert ollama.chats()[-1]["options"] == {"num_predict": 2048, "temperature": 0.2}
    assert "Review the code" in ollama.chats()[-1]["messages"][0]["content"]

    chat.message.fill("Again")
    page.get_by_role(way, name="Options of this chat").click()
    expect(page.get_by_label("Thinking", exact=True)).to_be_disabled()
    expect(page.get_by_label("Thinking", exact=True)).to_have_accessible_description(
        "llama3.2:latest does not think before it answers."
    )
    page.get_by_label("Temperature").fill("1.3")
    page.get_by_label("Seed").fill("7")
    page.get_by_text("Keep as a preset").click()
    page.get_by_label("Name", exact=True).fill(f"Wild {with_javascript}")
    page.get_by_role("button", name="Keep it").click()
    expect(page.get_by_text(f"Kept as the preset “Wild {with_javascript}”.")).to_be_focused()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(chat.message).to_have_value("Again")
    page.get_by_role("button", name="Send").click()
    # Without JavaScript the one that grew is hidden by the finished one behind it.
    expect(page.locator('article[data-role="assistant"]:visible')).to_have_count(2)
    expect(chat.answers.last).to_have_attribute("data-state", "done")
    assert ollama.chats()[-1]["options"] == {"num_predict": 2048, "temperature": 1.3, "seed": 7}
    assert not chat.complaints
    context.close()


def test_a_saved_prompt_is_filled_in_above_the_page_by_keyboard_alone(chat: Chat, ollama: ScriptedOllama) -> None:
    page, asked = chat.page, len(ollama.chats())
    save(chat, "Summary <b>", PROMPT)
    save(chat, "مرحبا", "اكتب رسالة")
    chat.open()
    chat.message.fill("Please:")
    way = page.get_by_role("link", name="Saved prompts")
    way.focus()
    page.keyboard.press("Enter")
    picker = page.get_by_role("dialog", name="Saved prompts")
    expect(picker.get_by_role("link", name="Summary <b>")).to_be_focused()
    page.keyboard.press("Escape")
    expect(picker).to_be_hidden()
    expect(way).to_be_focused()
    page.keyboard.press("Enter")
    expect(picker.get_by_role("link", name="Summary <b>")).to_be_focused()
    page.keyboard.press("Enter")
    expect(picker.get_by_label("language")).to_be_focused()
    expect(picker.get_by_label("language")).to_have_value("English")
    page.keyboard.press("Tab")
    page.keyboard.type("{{language}} <i>x</i>")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(picker).to_be_hidden()
    expect(chat.message).to_be_focused()
    expect(chat.message).to_have_value("Please:\n\nSummarise in English, English only:\n\n{{language}} <i>x</i>")
    page.reload()
    expect(chat.message).to_have_value("Please:\n\nSummarise in English, English only:\n\n{{language}} <i>x</i>")
    assert len(ollama.chats()) == asked


def test_who_has_saved_no_prompt_is_in_the_dialog_too(chat: Chat) -> None:
    page = chat.page
    # As it is before anything is saved; the shared server may have some.
    nothing = '<h2>Saved prompts</h2><p><a href="/settings/presets/prompts/new">Save a new one</a></p>'
    page.route("**/saved-prompts", lambda route: route.fulfill(body=nothing, content_type="text/html"))
    chat.open()
    page.get_by_role("link", name="Saved prompts").press("Enter")
    expect(page.get_by_role("dialog").get_by_role("link", name="Save a new one")).to_be_focused()


def test_without_javascript_the_same_is_pages(browser: Browser, server: str, chat: Chat) -> None:
    save(chat, "Plain", PROMPT)
    context = browser.new_context(java_script_enabled=False)
    plain = chat_in(context, server)
    plain.open("/temporary")
    page = plain.page
    plain.message.fill("Please:")
    page.get_by_role("button", name="Saved prompts").click()
    page.get_by_role("button", name="Plain").click()
    page.get_by_label("text", exact=True).fill("Some text")
    page.get_by_role("button", name="Put into the message").click()
    expect(page.get_by_role("heading", name="A temporary chat")).to_be_visible()
    expect(plain.message).to_have_value("Please:\n\nSummarise in English, English only:\n\nSome text")
    context.close()


@pytest.mark.parametrize(
    "path", ["/", "/options", "/settings/presets", "/settings/presets/prompts/new", "/saved-prompts"]
)
def test_nothing_is_wider_than_a_small_phone_in_either_direction(chat: Chat, path: str) -> None:
    page = chat.page
    page.set_viewport_size({"width": 320, "height": 640})
    chat.open(path)
    for direction in ("ltr", "rtl"):
        page.evaluate("direction => { document.documentElement.dir = direction; }", direction)
        assert wide_things(page) == []
        assert small_targets(page) == []


def wide_things(page: Page) -> list[str]:
    return list(
        page.evaluate(
            """() => [...document.querySelectorAll("main *")].filter((one) => {
              const box = one.getBoundingClientRect();
              return box.width && !one.closest(".unseen") && (box.left < -1 || box.right > innerWidth + 1);
            }).map((one) => one.outerHTML.slice(0, 80))"""
        )
    )


def small_targets(page: Page) -> list[str]:
    return list(
        page.evaluate(
            """() => ["ways", "acts", "saved", "kept", "bar", "field"]
              .map((name) => `main .${name} :is(a, button, input, select, textarea)`)
              .flatMap((those) => [...document.querySelectorAll(those)])
              .filter((one) => one.offsetHeight && (one.offsetHeight < 24 || one.offsetWidth < 24))
              .map((one) => one.outerHTML.slice(0, 80))"""
        )
    )
