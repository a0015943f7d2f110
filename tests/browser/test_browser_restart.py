"""A server that ends in mid-answer, killed or asked to: the page goes on when the next one is there."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
from chat_page import chat_in, free_port, started
from files import png
from playwright.sync_api import BrowserContext, expect
from scripted_ollama import ScriptedOllama, gate


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "asked to end"])
def test_an_answer_goes_on_over_the_end_of_its_server(
    context: BrowserContext, tmp_path: Path, ending: signal.Signals
) -> None:
    opened = threading.Event()
    with ScriptedOllama(capabilities={"llama3.2:latest": ["completion", "vision"]}) as ollama:
        port = free_port()
        first = started(tmp_path, port, OLLAMA_BASE_URL=ollama.url)
        assert all(file.stat().st_mode & 0o077 == 0 for file in tmp_path.glob("insight.db*"))
        chat = chat_in(context, f"http://127.0.0.1:{port}")
        chat.open()
        some = [("plan.txt", b"The word is zeugma."), ("x.png", png(3, 3))]
        chat.page.set_input_files("#attach", [{"name": name, "mimeType": "", "buffer": data} for name, data in some])
        expect(chat.page.locator("#files [data-id]")).to_have_count(2)
        script = ollama.script("The first paragraph.\n\nThe second ", gate(opened))
        answer = chat.ask("Hi")
        text = answer.locator('[data-part="answer"]')
        expect(text).to_contain_text("The second")
        late = chat_in(context, chat.server)
        expect_kept = "The first paragraph."
        while expect_kept not in late.page.request.get(f"{chat.server}/answers/{_number(answer)}/text").text():
            pass  # until the checkpoint has it
        os.killpg(first.pid, ending)
        first.wait(timeout=20)
        assert script.client_gone.wait(5)
        ollama.script("goes on.\n\nAnd ends.")
        second = started(tmp_path, port, OLLAMA_BASE_URL=ollama.url)
        expect(answer).to_have_attribute("data-state", "done", timeout=30_000)
        expect(text.locator("p")).to_have_text(["The first paragraph.", "The second goes on.", "And ends."])
        late.page.goto(chat.page.url)
        assert chat.messages_html() == late.messages_html()
        *_, asked, begun = ollama.chats()[-1]["messages"]
        assert begun["role"] == "assistant"
        assert "The word is zeugma." in asked["content"]
        assert len(asked["images"]) == 1, "what goes with the prompt is read again"
        second.terminate()
        second.wait(timeout=20)


def _number(answer: object) -> str:
    return str(answer.get_attribute("id"))[1:]  # type: ignore[attr-defined]
