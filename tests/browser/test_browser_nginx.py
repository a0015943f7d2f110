"""A browser behind Nginx, as deploy/nginx has it: TLS, HTTP/2, and an answer that nothing breaks off."""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack
from pathlib import Path

from chat_page import chat_in, free_port, started
from own_nginx import InsightNginx
from playwright.sync_api import Browser, expect
from scripted_ollama import ScriptedOllama, gate

from insight_app import assets
from insight_app.config import PROJECT


def test_an_answer_goes_on_over_a_reload_of_nginx_and_a_restart_of_the_app(browser: Browser, tmp_path: Path) -> None:
    assets.write(PROJECT / "static", tmp_path / "assets")
    with ScriptedOllama() as ollama, ExitStack() as stack:
        port = free_port()
        environ = {"OLLAMA_BASE_URL": ollama.url, "TRUSTED_PROXIES": "127.0.0.1"}
        first = started(tmp_path, port, **environ)
        nginx = InsightNginx(f"127.0.0.1:{port}", tmp_path)
        stack.callback(nginx.close)
        context = browser.new_context(ignore_https_errors=True)
        stack.callback(context.close)
        context.set_default_timeout(15_000)
        chat = chat_in(context, nginx.url)
        chat.open()
        assert chat.page.evaluate("performance.getEntriesByType('navigation')[0].nextHopProtocol") == "h2"

        reloaded, ended = threading.Event(), threading.Event()
        ollama.script("One ", gate(reloaded), "two ", gate(ended))
        text = chat.ask("Hi").locator('[data-part="answer"]')
        expect(text).to_contain_text("One")
        nginx.reload()
        reloaded.set()
        expect(text).to_contain_text("One two")
        assert not chat.complaints, chat.complaints

        without = browser.new_context(ignore_https_errors=True, java_script_enabled=False)
        stack.callback(without.close)
        plain = without.new_page()
        plain.goto(nginx.url)
        first.send_signal(signal.SIGTERM)
        first.wait(timeout=20)
        # What the page asks meanwhile gets Nginx's own page, and a message is not lost.
        before = chat.page.locator("article").count()
        chat.message.fill("Are you there?")
        chat.message.press("Enter")
        expect(chat.page.get_by_role("alert")).to_contain_text("The server is starting, or away. Your text is kept")
        expect(chat.message).to_have_value("Are you there?")
        assert chat.page.locator("article").count() == before
        late = chat_in(context, nginx.url)
        late.page.goto(chat.page.url)
        expect(late.page.get_by_role("heading")).to_have_text("The server is starting, or away.")
        plain.get_by_role("textbox", name="Message").fill("And without a script?")
        plain.get_by_role("button", name="Send").click()
        expect(plain.get_by_role("main")).to_contain_text("it sends what you typed once more")

        ollama.script("three.")
        ollama.script("I am.")
        second = started(tmp_path, port, **environ)
        stack.callback(second.wait, timeout=20)
        stack.callback(second.terminate)
        expect(text).to_have_text("One two three.", timeout=30_000)
        expect(late.answers.first).to_have_attribute("data-state", "done", timeout=15_000)  # that page tried again
        chat.message.press("Enter")
        expect(chat.answers.nth(1).locator('[data-part="answer"]')).to_have_text("I am.")
        plain.reload()
        expect(plain.locator('article[data-role="user"]')).to_contain_text("And without a script?")
        late.page.goto(chat.page.url)
        assert chat.messages_html() == late.messages_html()
        too_large = "fetch('/messages', {method: 'POST', body: 'x'.repeat(5e6)}).then(said => said.status)"
        assert chat.page.evaluate(too_large) == 413
        foreseen = ("status of 502", "status 502", "status of 413")
        said = chat.complaints + late.complaints
        assert not [each for each in said if not any(words in each for words in foreseen)], said
