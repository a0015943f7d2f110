"""The page Appearance, the sheet of shortcuts, and what a device asks for to install the product."""

from __future__ import annotations

from flask import Blueprint, Flask, Response, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from insight_app import languages
from insight_app.accounts.guards import for_everybody
from insight_app.appearance import shortcuts
from insight_app.appearance.forms import AppearanceForm
from insight_app.appearance.looks import Look, look_of
from insight_app.assets import asset
from insight_app.web import LONGEST_COOKIE_SECONDS, add_settings_page, from_htmx
from insight_app.words import N_

appearance = Blueprint("appearance", __name__)


@appearance.get("/settings/appearance")
@for_everybody
def page() -> str:
    return _page(_form())


@appearance.post("/settings/appearance")
@for_everybody
def choose() -> ResponseReturnValue:
    """Keeps it in the browser, where it is needed before anybody signs in."""
    form = _form()
    if not form.validate():
        return _page(form), 422
    response = redirect(url_for("appearance.page", done="saved"), 303)
    for name, value in form.cookies.items():
        if value:
            response.set_cookie(name, value, LONGEST_COOKIE_SECONDS, secure=request.is_secure, samesite="Lax")
        else:
            response.delete_cookie(name, secure=request.is_secure, samesite="Lax")
    return response


@appearance.get("/shortcuts")
@for_everybody
def sheet() -> str:
    """The shortcuts: a page of their own, or what a dialog holds."""
    template = "appearance/_shortcuts.html" if from_htmx() else "appearance/shortcuts.html"
    return render_template(template, single=shortcuts.SINGLE, in_the_message=shortcuts.IN_THE_MESSAGE)


@appearance.get("/manifest.webmanifest")
@for_everybody
def manifest() -> Response:
    response = jsonify(
        name="InsightSphere AI",
        short_name="InsightSphere",
        id="/",
        start_url=url_for("chat.home"),
        scope="/",
        display="standalone",
        background_color="#fff",
        theme_color="#fff",
        icons=[_icon("mark.svg", "any"), _icon("icon-192.png"), _icon("icon-512.png"), _icon("icon-whole-512.png")],
    )
    response.content_type = "application/manifest+json"
    response.headers["Cache-Control"] = "max-age=86400"
    return response


def register(app: Flask) -> None:
    app.register_blueprint(appearance)
    add_settings_page(app, N_("Appearance"), "appearance.page")
    app.jinja_env.globals["look"] = _look


def _look() -> Look:
    return look_of(request.cookies)


def _form() -> AppearanceForm:
    chosen = request.cookies.get(languages.COOKIE, "")
    known = languages.languages()
    return AppearanceForm(_look(), chosen if chosen in known else "", known)


def _page(form: AppearanceForm) -> str:
    return render_template("appearance/page.html", form=form, is_saved=request.args.get("done") == "saved")


def _icon(name: str, sizes: str = "") -> dict[str, str]:
    size = sizes or "{0}x{0}".format(name.removesuffix(".png").rpartition("-")[2])
    kind = "image/png" if name.endswith(".png") else "image/svg+xml"
    return {"src": asset(name), "sizes": size, "type": kind, "purpose": "maskable" if "whole" in name else "any"}
