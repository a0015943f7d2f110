"""Settings, Appearance: what is chosen is kept in the browser, for a year, and drawn into every page."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from own_app import running
from people import add_people
from visitor import Visitor

from insight_app import languages
from insight_app.appearance.looks import PAPERS, THEMES, look_of
from insight_app.appearance.shortcuts import SINGLE
from insight_app.config import PROJECT, Settings

PAGE = "/settings/appearance"


def chooses(client: FlaskClient, **form: str) -> Visitor:
    visitor = Visitor(client)
    visitor.open(PAGE)
    visitor.send(PAGE, **{"theme": "system", "language": "", "keys": "y", **form})
    return visitor


def start_of(client: FlaskClient) -> str:
    return client.get("/").text.partition("<body")[0]


@pytest.mark.parametrize(("theme", "scheme"), [("light", "light"), ("dark", "dark"), ("contrast", "light dark")])
def test_a_theme_is_on_every_page_for_a_year(client: FlaskClient, theme: str, scheme: str) -> None:
    chooses(client, theme=theme)
    cookie = client.get_cookie("theme")
    assert cookie is not None
    assert (cookie.value, cookie.max_age, cookie.path) == (theme, 365 * 86_400, "/")
    assert f' data-theme="{theme}"' in start_of(client)
    assert f'<meta name="color-scheme" content="{scheme}">' in start_of(client)
    assert f'content="{PAPERS[theme][1]}" media="(prefers-color-scheme: dark)"' in start_of(client)


def test_cookies_are_not_sent_along_from_other_sites(client: FlaskClient) -> None:
    visitor = Visitor(client)
    visitor.open(PAGE)
    response = visitor.send(PAGE, theme="dark", language="en")
    for cookie in response.headers.getlist("Set-Cookie"):
        assert "SameSite=Lax" in cookie


def test_who_goes_with_the_device_keeps_nothing(client: FlaskClient) -> None:
    chooses(client, theme="dark", language="en", keys="")
    chooses(client)
    assert not [name for name in ("theme", "language", "keys") if client.get_cookie(name)]
    assert "data-theme" not in start_of(client)
    assert "data-keys" not in start_of(client)


def test_a_language_is_kept_and_the_page_is_in_it(client: FlaskClient) -> None:
    for code in languages.languages():
        chooses(client, language=code)
        cookie = client.get_cookie("language")
        assert cookie is not None
        assert cookie.value == code
        assert f'<html lang="{code}"' in start_of(client)


def test_keys_are_off_for_who_said_so(client: FlaskClient) -> None:
    chooses(client, keys="")
    assert ' data-keys="off"' in start_of(client)


@pytest.mark.parametrize("form", [{"theme": "pink"}, {"language": "<b>"}, {"theme": ""}])
def test_what_is_no_choice_is_refused_in_words(client: FlaskClient, form: dict[str, str]) -> None:
    visitor = Visitor(client)
    visitor.open(PAGE)
    response = visitor.send(PAGE, **{"theme": "dark", "language": "en", "keys": "y", **form})
    assert response.status_code == 422
    assert "Choose one of these." in response.text
    assert "Set-Cookie" not in response.headers


def test_cookies_that_say_anything_else_say_nothing() -> None:
    for theme in ("pink", '"><script>', "DARK", ""):
        assert look_of({"theme": theme, "sidebar": theme, "keys": theme}) == look_of({})


def test_who_is_not_signed_in_chooses_too(tmp_path: Path) -> None:
    settings = Settings(secret_key="only for these tests", data_dir=tmp_path, auth_mode="accounts")
    with running(settings) as app:
        add_people(app.extensions["insight"])
        client = app.test_client()
        chooses(client, theme="contrast")
        assert ' data-theme="contrast"' in client.get("/sign-in").text
        assert PAGE in client.get("/sign-in").text


def test_the_colours_around_the_page_are_those_of_the_page() -> None:
    tokens = (PROJECT / "static" / "css" / "tokens.css").read_text(encoding="utf-8")
    papers = re.findall(r"--paper: light-dark\((#\w+), (#\w+)\)", tokens)
    assert papers == [PAPERS[""], PAPERS["contrast"]]
    assert PAPERS["light"] == (papers[0][0],) * 2
    assert PAPERS["dark"] == (papers[0][1],) * 2
    assert set(PAPERS) == set(THEMES)


@pytest.mark.parametrize("side", [0, 1], ids=["light", "dark"])
def test_edges_stand_out_three_to_one(side: int) -> None:
    tokens = (PROJECT / "static" / "css" / "tokens.css").read_text(encoding="utf-8")
    colours = {name: pair[side] for name, *pair in re.findall(r"--(\w+): light-dark\((#\w+), (#\w+)\)", tokens)[:9]}
    for edge in ("edge", "accent", "danger"):
        assert contrast(colours[edge], colours["paper"]) >= 3, edge


def contrast(one: str, other: str) -> float:
    """As WCAG reckons it, of two colours like "#111" or "#8a8a8a"."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * each for each in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_a_device_finds_all_that_it_installs(client: FlaskClient) -> None:
    page = start_of(client)
    assert '<link rel="manifest" href="/manifest.webmanifest"' in page
    response = client.get("/manifest.webmanifest")
    assert response.mimetype == "application/manifest+json"
    assert "manifest-src 'self'" in response.headers["Content-Security-Policy"]
    said = response.get_json()
    assert (said["start_url"], said["display"], said["short_name"]) == ("/", "standalone", "InsightSphere")
    purposes = [(icon["sizes"], icon["purpose"]) for icon in said["icons"]]
    assert purposes == [("any", "any"), ("192x192", "any"), ("512x512", "any"), ("512x512", "maskable")]
    touch = re.findall(r'rel="apple-touch-icon" href="([^"]+)"', page)
    for address, sizes in [(icon["src"], icon["sizes"]) for icon in said["icons"][1:]] + [(touch[0], "180x180")]:
        icon = client.get(address)
        assert icon.mimetype == "image/png"
        width, height = struct.unpack(">II", icon.data[16:24])
        assert f"{width}x{height}" == sizes


def test_shortcuts_are_a_page_and_what_a_dialog_holds(client: FlaskClient) -> None:
    page, held = client.get("/shortcuts"), client.get("/shortcuts", headers={"HX-Request": "true"})
    assert "<!doctype html>" in page.text
    assert "<html" not in held.text
    for key in SINGLE:
        assert f"<kbd>{key}</kbd>" in page.text
        assert f"<kbd>{key}</kbd>" in held.text


def test_every_key_of_the_sheet_does_something() -> None:
    script = (PROJECT / "static" / "js" / "keys.js").read_text(encoding="utf-8")
    for key in SINGLE:
        named = f"{key.lower()}:" if key.isalpha() else f'"{key}":'
        assert named in script or f'key === "{key.lower()}"' in script, key


def test_the_page_of_the_settings_is_there_for_members_too(app: Flask) -> None:
    assert ("Appearance", "appearance.page", False) in app.extensions["settings_pages"]
