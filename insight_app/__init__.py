"""InsightSphere AI: a private chat with a model on one's own machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from insight_app.accounts.passwords import Outside
    from insight_app.config import Settings
    from insight_app.services import Services

__version__ = "0.1.0"


def create_app(
    settings: Settings | None = None, services: Services | None = None, outside: Outside[object] | None = None
) -> Flask:
    """The Flask app. Without settings the environment and .env decide. Raises ConfigError where it cannot start.

    `outside` is how work is done that would hold up all threads, where these are greenlets.
    """
    # Imported here so that `python -m insight_app.config` stays light.
    from flask import Flask

    from insight_app import assets, languages, packing, refusals, web
    from insight_app.accounts import account_routes as account
    from insight_app.accounts import admin_routes as people
    from insight_app.accounts import door_routes as doors
    from insight_app.accounts import role_routes as roles
    from insight_app.accounts import routes as accounts
    from insight_app.api import completion_routes as completions
    from insight_app.api import examples_routes as programs
    from insight_app.api import routes as api
    from insight_app.appearance import routes as appearance
    from insight_app.chat import attachment_routes as attachments
    from insight_app.chat import draft_routes as drafts
    from insight_app.chat import option_routes as options
    from insight_app.chat import preset_routes as presets
    from insight_app.chat import prompt_routes as instructions
    from insight_app.chat import rating_routes as ratings
    from insight_app.chat import routes as chat
    from insight_app.chat import saved_prompt_routes as saved_prompts
    from insight_app.chat import search_routes as search
    from insight_app.chat import shelf_routes as shelf
    from insight_app.chat import streamed_routes as streamed
    from insight_app.config import PROJECT, load
    from insight_app.health import routes as health
    from insight_app.library import model_routes as models
    from insight_app.library import routes as library
    from insight_app.limits import rates
    from insight_app.moderation import judge_routes as judge
    from insight_app.moderation import routes as moderation
    from insight_app.privacy import copies_routes as copies
    from insight_app.privacy import routes as privacy
    from insight_app.services import build_services
    from insight_app.telemetry import logs
    from insight_app.telemetry import routes as telemetry
    from insight_app.telemetry import trace_routes as traces
    from insight_app.usage import routes as usage

    settings = settings or load()
    logs.configure(settings.log_level)
    app = Flask("insight_app", root_path=str(PROJECT), static_folder=None)
    web.configure(app, settings)
    app.extensions["insight"] = services or (build_services(settings, outside) if outside else build_services(settings))
    parts = (
        languages,
        refusals,
        assets,
        packing,
        telemetry,
        traces,
        rates,
        accounts,
        doors,
        chat,
        shelf,
        search,
        ratings,
        attachments,
        options,
        saved_prompts,
        drafts,
        streamed,
        library,
    )
    of_each = (account, appearance, presets, usage, privacy, copies)
    of_the_server = (instructions, models, moderation, judge, people, roles, health, api)
    for part in (*parts, *of_each, *of_the_server, completions, programs):
        part.register(app)
    if settings.auth_mode == "oidc":  # its library is for nobody else to load
        from insight_app.accounts import oidc_routes

        oidc_routes.register(app)
    return app
