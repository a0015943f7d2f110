"""Files in the composer of a real browser: chosen, dropped, pasted, on their way, refused, and there after a reload."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_page import Chat, chat_in, running
from files import jpeg, png
from playwright.sync_api import Browser, BrowserContext, Locator, expect
from scripted_ollama import ScriptedOllama, done

MB = 2**20
DROP = """([names, kind, sizes]) => {
  const data = new DataTransfer();
  names.forEach((name, n) => data.items.add(new File(["x".repeat(sizes?.[n] ?? 5)], name)));
  document.body.dispatchEvent(new DragEvent("dragenter", {dataTransfer: data, bubbles: true}));
  if (kind === "drop") document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true}));
  const pasted = new ClipboardEvent("paste", {clipboardData: data, bubbles: true});
  if (kind === "paste") document.activeElement.dispatchEvent(pasted);
}"""


@pytest.fixture(scope="module")
def seeing() -> Iterator[ScriptedOllama]:
    abilities: dict[str, list[str] | None] = {"llava:latest": ["completion", "vision"]}
    with ScriptedOllama(models=["llava:latest", "llama3.2:latest"], capabilities=abilities) as server:
        yield server


@pytest.fixture(scope="module")
def files_server(tmp_path_factory: pytest.TempPathFactory, seeing: ScriptedOllama) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("files"), OLLAMA_BASE_URL=seeing.url) as url:
        yield url


@pytest.fixture
def chat(context: BrowserContext, files_server: str) -> Iterator[Chat]:
    found = chat_in(context, files_server)
    found.open()
    yield found
    # Chromium notes each refusal.
    assert not [each for each in found.complaints if "Failed to load resource" not in each], found.complaints


def chips(chat: Chat) -> Locator:
    return chat.page.locator("#files [data-id]")


def choose(chat: Chat, *files: tuple[str, bytes]) -> None:
    some = [{"name": name, "mimeType": "", "buffer": data} for name, data in files]
    chat.page.set_input_files("#attach", some)  # type: ignore[arg-type]


def test_a_file_is_sent_at_once_survives_a_reload_and_goes_with_the_prompt(chat: Chat, seeing: ScriptedOllama) -> None:
    choose(chat, ("plan.txt", b"The word is zeugma."), ("photo.jpg", jpeg(900, 600)))
    expect(chips(chat)).to_have_count(2)
    expect(chat.page.locator("#announcer")).to_have_text("photo.jpg is attached")
    expect(chat.page.locator("#context")).to_contain_text(re.compile(r"about 77\d"))
    chat.message.fill("Not yet")
    chat.page.reload()
    expect(chips(chat)).to_have_count(2)
    expect(chat.message).to_have_value("Not yet")
    seeing.script("It is **zeugma**.", done(prompt_eval_count=1000, eval_count=234))
    expect(chat.ask("Which word?")).to_have_attribute("data-state", "done")
    sent = seeing.talks()[-1][-1]
    assert "The word is zeugma." in sent["content"]
    assert len(sent["images"]) == 1
    expect(chips(chat)).to_have_count(0)
    picture = chat.page.get_by_role("img", name="photo.jpg")
    expect(picture).to_be_visible()
    assert picture.evaluate("async (img) => { await img.decode(); return img.naturalWidth }") == 900
    expect(chat.page.locator("#context")).to_contain_text("about 1,234 of 4,096 tokens")
    with chat.page.context.expect_page() as opened:
        chat.page.get_by_role("link", name="plan.txt").click()
    expect(opened.value.locator("body")).to_have_text("The word is zeugma.")
    chat.page.reload()
    expect(chips(chat)).to_have_count(0)
    # In the conversation's own page too, which is not loaded anew.
    choose(chat, ("more.txt", b"More."))
    expect(chips(chat)).to_have_count(1)
    chat.message.fill("And this?")
    chat.message.press("Enter")
    expect(chat.answers).to_have_count(2)
    expect(chat.answers.last).to_have_attribute("data-state", "done")
    expect(chips(chat)).to_have_count(0)
    assert "More." in seeing.talks()[-1][-1]["content"]


def test_files_are_dropped_and_pasted_and_removed_by_keyboard(chat: Chat) -> None:
    page = chat.page
    page.evaluate(DROP, [["a.txt"], "enter"])
    expect(page.get_by_text("Drop files here to attach them")).to_be_visible()
    page.evaluate(DROP, [["a.txt", "<img src=x onerror=alert(1)>.txt"], "drop"])
    expect(page.get_by_text("Drop files here to attach them")).to_be_hidden()
    expect(chips(chat)).to_have_count(2)
    expect(chips(chat).last).to_contain_text("<img src=x onerror=alert(1)>.txt")
    chat.message.focus()
    page.evaluate(DROP, [["b.txt"], "paste"])
    expect(chips(chat)).to_have_count(3)
    page.evaluate(DROP, [["b.txt"], "drop"])
    expect(page.locator("#announcer")).to_have_text("b.txt is attached already")
    page.get_by_role("button", name="Remove b.txt").focus()
    page.keyboard.press("Enter")
    expect(chips(chat)).to_have_count(2)
    expect(chips(chat).last.get_by_role("button")).to_be_focused()
    expect(page.locator("#announcer")).to_have_text("b.txt is removed")


def test_what_cannot_be_attached_says_why_beside_what_can(chat: Chat) -> None:
    names = [f"{number}.txt" for number in range(10)]
    chat.message.fill("My text")
    choose(chat, ("empty.txt", b""), ("x.png", b"\x89PNG\r\n\x1a\nno"), ("large.txt", b"x" * (10 * MB + 1)))
    failed = chat.page.locator("#files .failed")
    expect(failed).to_have_count(3)
    expect(failed.filter(has_text="“large.txt” is larger than 10 MB.")).to_have_count(1)
    expect(failed.filter(has_text="“empty.txt” is empty.")).to_have_count(1)
    expect(failed.filter(has_text="The picture “x.png” is damaged or cut off.")).to_have_count(1)
    chat.page.evaluate(DROP, [[*names, "11.txt"], "drop", list(range(1, 12))])
    expect(chips(chat)).to_have_count(10)
    expect(failed.filter(has_text="At most 10 files can go with one message.")).to_have_count(1)
    expect(chat.message).to_have_value("My text")


def test_who_sends_while_a_file_is_on_its_way_sends_it_along(chat: Chat, seeing: ScriptedOllama) -> None:
    arrived = threading.Event()
    held = []
    chat.page.route("**/attachments", lambda route: (held.append(route), arrived.set()))
    choose(chat, ("slow.txt", b"At last."))
    chat.message.fill("Read it")
    expect(chat.page.locator("#files progress")).to_be_visible()
    chat.message.press("Enter")
    expect(chat.page.locator("#announcer")).to_have_text("It is sent as soon as the files are there")
    assert arrived.is_set()
    held[0].continue_()
    expect(chat.answers.last).to_have_attribute("data-state", "done")
    assert "At last." in seeing.talks()[-1][-1]["content"]


def test_a_connection_that_is_lost_in_mid_upload_can_be_tried_again(chat: Chat) -> None:
    chat.page.route("**/attachments", lambda route: route.abort("connectionreset"), times=1)
    choose(chat, ("a.txt", b"alpha"))
    expect(chat.page.locator("#files .failed")).to_contain_text("“a.txt” did not get through.")
    chat.page.get_by_role("button", name="Try again").click()
    expect(chips(chat)).to_have_count(1)
    held = []
    chat.page.route("**/attachments", lambda route: held.append(route), times=1)
    choose(chat, ("b.txt", b"beta"))
    chat.page.get_by_role("button", name="Remove", exact=True).click()
    expect(chat.page.locator("#files > li")).to_have_count(1)
    choose(chat, ("c.txt", b"gamma"))
    expect(chips(chat)).to_have_count(2)
    # What takes its time is told so; the server itself says nothing until it is done.
    chat.page.clock.install()
    sends = "function () { this.upload.dispatchEvent(new ProgressEvent('load')) }"
    chat.page.evaluate(f"() => {{ XMLHttpRequest.prototype.send = {sends} }}")
    choose(chat, ("d.pdf", b"%PDF-"))
    expect(chat.page.locator("#files .hint").last).to_have_text("Being read")
    chat.page.clock.fast_forward(3000)
    expect(chat.page.locator("#announcer")).to_have_text("Still being read. Files of others may come first.")


def test_files_alone_are_sent_and_an_edited_prompt_keeps_some_and_gets_others(
    chat: Chat, seeing: ScriptedOllama
) -> None:
    page = chat.page
    chat.message.press("Enter")
    assert page.url.endswith("/"), "nothing is no message"
    choose(chat, ("a.txt", b"alpha"), ("b.txt", b"beta"))
    expect(chips(chat)).to_have_count(2)
    chat.message.press("Enter")
    expect(chat.answers.last).to_have_attribute("data-state", "done")
    expect(page).to_have_title(re.compile("a.txt, b.txt"))
    expect(page.locator(".bubble")).to_have_count(0)

    def edited() -> Locator:
        page.locator("article.prompt").hover()
        page.get_by_role("link", name="Edit").click()
        expect(page.get_by_role("textbox", name="Edit your message")).to_be_focused()
        return page.locator(".rewrite [data-id]")

    files = edited()
    expect(files).to_have_count(2)
    page.get_by_role("button", name="Remove a.txt").click()
    page.get_by_role("textbox", name="Edit your message").focus()
    page.evaluate(DROP, [["c.txt"], "paste"])
    expect(files.last).to_contain_text("c.txt")
    expect(chips(chat)).to_have_count(0)
    page.reload()
    files = edited()
    expect(files.last).to_contain_text("c.txt")
    expect(files).to_have_count(2)
    page.keyboard.press("Escape")
    expect(page.locator("article.prompt").get_by_role("link", name="a.txt")).to_be_visible()
    files = edited()
    expect(files.first).to_contain_text("a.txt")
    page.get_by_role("button", name="Remove a.txt").click()
    page.set_input_files(".rewrite [type=file]", {"name": "d.txt", "mimeType": "", "buffer": b"delta"})  # type: ignore[arg-type]
    expect(files).to_have_count(2)
    page.get_by_role("button", name="Send again").click()
    expect(page.locator("article.prompt").get_by_role("link", name="d.txt")).to_be_visible()
    expect(chat.answers.last).to_have_attribute("data-state", "done")
    assert re.findall("alpha|beta|delta", seeing.talks()[-1][0]["content"]) == ["beta", "delta"]
    page.get_by_role("link", name="Previous").click()
    expect(page.locator("article.prompt").get_by_role("link", name="a.txt")).to_be_visible()


def test_a_model_that_sees_nothing_is_refused_with_a_next_step_and_everything_kept(
    chat: Chat, seeing: ScriptedOllama
) -> None:
    expect(chat.ask("Hi")).to_have_attribute("data-state", "done")
    choose(chat, ("x.png", png(9, 9)))
    expect(chips(chat)).to_have_count(1)
    chat.page.get_by_label("Model").select_option("llama3.2:latest")
    chat.message.fill("What is it?")
    chat.message.press("Enter")
    expect(chat.page.locator("#notice")).to_contain_text("“llama3.2:latest” sees no pictures.")
    expect(chat.message).to_have_value("What is it?")
    chat.page.get_by_role("button", name="Remove x.png").click()
    chat.message.press("Enter")
    expect(chat.answers).to_have_count(2)
    expect(chat.answers.last).to_have_attribute("data-state", "done")


def test_arrow_up_in_the_empty_composer_edits_the_last_prompt_and_escape_leads_back(chat: Chat) -> None:
    for prompt in ("First", "Second"):
        expect(chat.ask(prompt)).to_have_attribute("data-state", "done")
    expect(chat.message).to_be_focused()
    chat.message.fill("Not empty")
    chat.message.press("ArrowUp")
    expect(chat.message).to_be_focused()
    chat.message.fill("")
    chat.message.press("ArrowUp")
    field = chat.page.get_by_role("textbox", name="Edit your message")
    expect(field).to_be_focused()
    expect(field).to_have_value("Second")
    chat.page.keyboard.press("Escape")
    expect(field).to_have_count(0)
    expect(chat.message).to_be_focused()


def test_a_million_characters_are_refused_with_the_text_kept(chat: Chat) -> None:
    """Their direction is not looked for with each key (dir="auto"), which would take six seconds each time."""
    expect(chat.ask("Hi")).to_have_attribute("data-state", "done")
    typed = "area.value = 'word '.repeat(200000); area.dispatchEvent(new Event('input', {bubbles: true}))"
    chat.message.evaluate(f"(area) => {{ {typed} }}")
    expect(chat.message).to_have_attribute("dir", "ltr")
    expect(chat.page.locator("#context-warning")).to_contain_text("more than the model can read at once")
    chat.message.press("Enter")
    expect(chat.page.locator("#notice")).to_contain_text("has 999,999 characters; at most 100,000")
    assert chat.message.evaluate("(area) => area.value.length") == 1_000_000
    chat.message.fill("")
    expect(chat.message).to_have_attribute("dir", "auto")


def test_without_javascript_files_go_with_the_form_and_fifty_megabytes_are_refused(
    browser: Browser, files_server: str, seeing: ScriptedOllama, tmp_path: Path
) -> None:
    context = browser.new_context(java_script_enabled=False)
    chat = chat_in(context, files_server)
    chat.open()
    choose(chat, ("a.txt", b"alpha"), ("b.zip", b"PK\x03\x04\x00"))
    chat.message.fill("Read it")
    chat.page.get_by_role("button", name="Send").click()
    expect(chat.page.get_by_role("heading", name="“b.zip” is neither text nor")).to_be_visible()
    expect(chat.message).to_have_value("Read it")
    expect(chat.page.get_by_role("checkbox", name="Send a.txt")).to_be_checked()
    chat.page.get_by_role("button", name="Send").click()
    expect(chat.page.get_by_role("link", name="a.txt Text")).to_be_visible()
    expect(chat.page.get_by_role("button", name="Try again")).to_be_visible()  # it has been answered
    assert "alpha" in seeing.talks()[-1][-1]["content"]
    chat.open()
    huge = tmp_path / "huge.bin"
    huge.write_bytes(b"x" * 50 * MB)
    chat.page.set_input_files("#attach", huge)
    chat.message.fill("Too much")
    chat.page.get_by_role("button", name="Send").click()
    expect(chat.page.get_by_role("heading", name="What was sent is larger than 24 MB.")).to_be_visible()
    chat.page.go_back()
    expect(chat.message).to_have_value("Too much")
    context.close()
