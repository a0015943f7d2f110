"""InsightSphere AI: a private chat with a model on one's own machine."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from insight_app.accounts.passwords import Outside
    from insight_app.config import Settings
    from insight_app.services import Services

__version__ = "0.1.0"

# What the app is made of: files with a `register`, in this order. Those with a page of the settings come last: first
# what each person sets for themselves, then what is everybody's.
PARTS = """
languages refusals assets packing telemetry.routes telemetry.trace_routes limits.rates
accounts.routes accounts.door_routes library.routes api.routes api.completion_routes
chat.routes chat.sending_routes chat.shelf_routes chat.search_routes chat.rating_routes
chat.attachment_routes chat.option_routes chat.saved_prompt_routes chat.draft_routes chat.streamed_routes
accounts.account_routes appearance.routes chat.preset_routes usage.routes privacy.routes privacy.copies_routes
chat.prompt_routes library.model_routes moderation.routes moderation.judge_routes
accounts.admin_routes accounts.role_routes health.routes api.examples_routes
"""


def create_app(
    settings: Settings | None = None, services: Services | None = None, outside: Outside[object] | None = None
) -> Flask:
    """The Flask app. Without settings the environment and .env decide. Raises ConfigError where it cannot start.

    `outside` is how work is done that would hold up all threads, where these are greenlets.
    """
    # Imported here so that `python -m insight_app.config` stays light.
    from flask import Flask

    from insight_app import web
    from insight_app.config import PROJECT, load
    from insight_app.services import build_services
    from insight_app.telemetry import logs

    settings = settings or load()
    logs.configure(settings.log_level)
    app = Flask("insight_app", root_path=str(PROJECT), static_folder=None)
    web.configure(app, settings)
    app.extensions["insight"] = services or (build_services(settings, outside) if outside else build_services(settings))
    for part in PARTS.split():
        import_module(f"insight_app.{part}").register(app)
    if settings.auth_mode == "oidc":  # its library is for nobody else to load
        import_module("insight_app.accounts.oidc_routes").register(app)
    return app
