"""Writing in a real browser: input methods, the clipboard, and a field that grows where no sheet makes it."""

from __future__ import annotations

from chat_page import Chat
from playwright.sync_api import expect
from scripted_ollama import ScriptedOllama

HEARD = """(area) => {
  window.heard = [];
  area.addEventListener("keydown", (event) => heard.push([event.key, event.isComposing]));
}"""
COPIED = """async () => {
  const canvas = new OffscreenCanvas(8, 8);
  canvas.getContext("2d").fillRect(0, 0, 8, 8);
  const picture = await canvas.convertToBlob({type: "image/png"});
  await navigator.clipboard.write([new ClipboardItem({"image/png": picture})]);
}"""


def test_enter_confirms_what_an_input_method_composes_and_only_then_sends(chat: Chat, ollama: ScriptedOllama) -> None:
    cdp = chat.page.context.new_cdp_session(chat.page)
    before = len(ollama.chats())
    chat.message.focus()
    chat.message.evaluate(HEARD)
    cdp.send("Input.imeSetComposition", {"text": "にほん", "selectionStart": 3, "selectionEnd": 3})
    # Browsers say 229 of every key that an input method takes, and then what it made of it.
    enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 229}
    cdp.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **enter})
    cdp.send("Input.insertText", {"text": "日本"})
    cdp.send("Input.dispatchKeyEvent", {"type": "keyUp", **enter})
    expect(chat.message).to_have_value("日本")
    assert chat.page.evaluate("heard") == [["Enter", True]], "it did compose"
    assert chat.page.url.endswith("/")
    assert len(ollama.chats()) == before
    chat.message.press("Enter")
    expect(chat.page.locator(".bubble")).to_have_text("日本")


def test_a_picture_and_a_million_characters_come_from_the_clipboard(chat: Chat) -> None:
    chat.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    chat.message.fill("Look at")
    chat.page.evaluate(COPIED)
    chat.message.press("ControlOrMeta+V")
    expect(chat.page.locator("#files [data-id]")).to_contain_text("image.png")
    expect(chat.message).to_have_value("Look at")
    chat.page.evaluate("navigator.clipboard.writeText(' word'.repeat(200_000))")
    chat.message.press("ControlOrMeta+V")
    expect(chat.message).to_have_attribute("dir", "ltr")
    assert chat.message.evaluate("(area) => area.value.length") == 1_000_007
    chat.message.press("Enter")
    expect(chat.page.get_by_role("heading", name="The message has 1,000,007 characters")).to_be_visible()
    assert chat.message.evaluate("(area) => area.value.length") == 1_000_007
    expect(chat.page.locator("#files [data-id]")).to_contain_text("image.png")
    chat.complaints.clear()  # Chromium notes the 413


def test_the_field_grows_with_its_lines_where_no_sheet_makes_it(chat: Chat) -> None:
    chat.page.set_viewport_size({"width": 360, "height": 640})
    chat.page.evaluate("() => { CSS.supports = () => false; }")
    chat.message.evaluate("(area) => { area.style.fieldSizing = 'fixed'; }")
    height = "(area) => area.clientHeight"
    chat.message.fill("one")
    one = chat.message.evaluate(height)
    chat.message.fill("many words that a narrow page breaks into some lines of its own " * 2)
    expect(chat.message).not_to_have_js_property("clientHeight", one)
    assert chat.message.evaluate("(area) => area.scrollHeight <= area.clientHeight + 1"), "all of it is seen"
    chat.message.fill("line\n" * 100)
    assert chat.message.evaluate("(area) => area.clientHeight <= innerHeight * 0.41"), "and there is an end to it"
    chat.message.fill("")
    assert chat.message.evaluate(height) == one
