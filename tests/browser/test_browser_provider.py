"""Signing in with an OpenID provider, as somebody does it in a browser."""

from __future__ import annotations

from pathlib import Path

from chat_page import chat_in, free_port, running
from oidc_provider import CLIENT, PASSWORD, SECRET, provider
from people import ALICE
from playwright.sync_api import BrowserContext, expect
from scripted_ollama import ScriptedOllama


def test_somebody_signs_in_at_their_provider_and_out_again(
    context: BrowserContext, tmp_path: Path, ollama: ScriptedOllama
) -> None:
    with provider(free_port(), tmp_path) as known:
        told = {"OIDC_ISSUER": known.issuer, "OIDC_CLIENT_ID": CLIENT, "OIDC_CLIENT_SECRET": SECRET}
        with running(tmp_path, OLLAMA_BASE_URL=ollama.url, AUTH_MODE="oidc", **told) as server:
            known.knows("alice", ALICE)
            known.sends_back_to(f"{server}/sign-in/provider/done")
            chat = chat_in(context, server)
            page = chat.page
            chat.open("/settings/account")
            page.get_by_role("link", name="Sign in with 127.0.0.1").press("Enter")
            page.get_by_label("Username").fill(ALICE.partition("@")[0])
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            page.get_by_role("button", name="Agree").click()
            expect(page.get_by_text("You are alice@example.org")).to_be_visible()
            assert page.url == f"{server}/settings/account"
            chat.open()
            ollama.script("Hello Alice.")
            expect(chat.ask("Hi")).to_contain_text("Hello Alice.")
            chat.open("/settings/account")
            page.get_by_role("button", name="Sign out").first.click()
            expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
            # At the provider they are signed in still: nobody asked to end that.
            page.get_by_role("link", name="Sign in with 127.0.0.1").click()
            page.get_by_role("button", name="Refuse").click()
            expect(page.locator(".door .notice")).to_contain_text("said no there")
            assert not [each for each in chat.complaints if "Content Security Policy" in each]
