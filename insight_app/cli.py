"""flask --app wsgi COMMAND: what an operator does beside a server that runs, or without one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click
from flask import Flask

from insight_app.config import PROJECT, load
from insight_app.privacy.diagnostics import Records
from insight_app.privacy.retention import Retention
from insight_app.privacy.store import PersonalStore
from insight_app.storage.database import PATIENCE_SECONDS, Database, sqlite_url
from insight_app.telemetry import logs

# An app that does nothing but this: the whole one would go on with the answers that the server is writing.
app = Flask(__name__, root_path=str(PROJECT), static_folder=None)


def is_asked(arguments: Sequence[str]) -> bool:
    """Whether the program is Flask's own, with one of these commands."""
    return "FLASK_RUN_FROM_CLI" in os.environ and any(name in app.cli.commands for name in arguments)


@app.cli.command("prune")
def prune() -> None:
    """Delete conversations that are older than is kept, and write the database anew without a trace of them."""
    settings = load()
    logs.configure(settings.log_level)
    database = Database(settings.database_url or sqlite_url(Path(settings.data_dir) / "insight.db"))
    database.bring_up_to_date()
    personal = PersonalStore(database)
    diagnostics = Records(Path(settings.data_dir) / "diagnostics", lambda person: None)
    count = Retention(personal, diagnostics, settings.history_retention_days).prune()
    database.rewrite(PATIENCE_SECONDS)
    click.echo(f"{count} {'conversation was' if count == 1 else 'conversations were'} deleted.")
