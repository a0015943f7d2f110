"""flask --app wsgi COMMAND: what an operator does beside a server that runs, or without one."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click
from flask import Flask
from flask_babel import Babel

from insight_app.accounts import passwords
from insight_app.accounts.passwords import Passwords
from insight_app.accounts.people import Role, clean_email
from insight_app.accounts.signing_in import Accounts
from insight_app.config import PROJECT, Settings, load
from insight_app.errors import ConfigError, EmailTaken, InsightError
from insight_app.health import findings
from insight_app.health.checks import Parts, all_checks
from insight_app.health.findings import Checked, State, wrong
from insight_app.implementations import engines_of
from insight_app.privacy.diagnostics import Records
from insight_app.privacy.retention import Retention
from insight_app.privacy.store import PersonalStore
from insight_app.storage.backup import back_up, is_empty
from insight_app.storage.backup import restore as restore_all
from insight_app.storage.backup_file import Backup
from insight_app.storage.database import PATIENCE_SECONDS, Database, address_of, file_of
from insight_app.telemetry import logs
from insight_app.words import counted

# An app that does nothing but this: the whole one would go on with the answers that the server is writing.
app = Flask(__name__, root_path=str(PROJECT), static_folder=None)
Babel(app, configure_jinja=False)  # which has English for what pages say, too


def is_asked(arguments: Sequence[str]) -> bool:
    """Whether the program is Flask's own, with one of these commands."""
    return "FLASK_RUN_FROM_CLI" in os.environ and any(name in app.cli.commands for name in arguments)


@app.cli.command("prune")
def prune() -> None:
    """Delete conversations that are older than is kept, and write the database anew without a trace of them."""
    settings, database = _opened()
    personal = PersonalStore(database)
    diagnostics = Records(settings.data_dir / "diagnostics", lambda person: None)
    count = Retention(personal, diagnostics, settings.history_retention_days).prune()
    database.rewrite(PATIENCE_SECONDS)
    click.echo(f"{count} {'conversation was' if count == 1 else 'conversations were'} deleted.")


@app.cli.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--overwrite", is_flag=True, help="Replace a file of that name.")
def backup(file: Path, overwrite: bool) -> None:
    """Write everything in the database into FILE, while the server runs, for “restore”."""
    if file.exists() and not overwrite:
        raise click.ClickException(f"There is a file {file}. Name another one, or give --overwrite.")
    _, database = _connected()
    with _said():
        counts = back_up(database, file, _told)
    size = file.stat().st_size / 2**20
    click.echo(f"{counted(sum(counts.values()), 'row')} of {counted(len(counts), 'table')}: {file}, {size:.1f} MB.")


@app.cli.command("restore")
@click.argument("file", type=click.File("rb"))
@click.option("--yes", is_flag=True, help="Replace what is there without asking.")
def restore(file: BinaryIO, yes: bool) -> None:
    """Put what FILE holds in the place of everything in the database, all or nothing. Stop the server before it."""
    _, database = _connected()
    with _said():
        made = time.strftime("%d %B %Y, %H:%M", time.localtime(Backup(file).made_at))
        if not (yes or is_empty(database)):
            click.confirm(f"Replace everything in {database.product.place} by what there was on {made}?", abort=True)
        counts = restore_all(database, file, _told)
    click.echo(f"{counted(sum(counts.values()), 'row')} of {counted(len(counts), 'table')}, as of {made}.")


@app.cli.command("create-account")
@click.argument("email")
@click.option("--admin", is_flag=True, help="Who can let others in, and set what is everybody's; the first one always.")
@click.option("--password-stdin", is_flag=True, help="Take the password from the first line of standard input.")
def create_account(email: str, admin: bool, password_stdin: bool) -> None:
    """Make an account with a password, for AUTH_MODE=accounts.

    The first one has what was written on this server before.
    """
    settings, database = _opened()
    accounts = Accounts(database, settings, Passwords())
    address = clean_email(email)
    if not address:
        raise click.ClickException("That is no e-mail address, such as name@example.org.")
    if accounts.store.of_email(address) is not None:
        raise click.ClickException(EmailTaken.cause)
    password = _from_stdin() if password_stdin else click.prompt("Password", hide_input=True, confirmation_prompt=True)
    if said := passwords.problem(password, address):
        raise click.ClickException(said)
    role = Role.ADMIN if admin or not accounts.store.any() else Role.MEMBER
    try:
        accounts.create(address, password, role)
    except InsightError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{address} has an account now, as {'an admin' if role is Role.ADMIN else 'a member'}.")
    if settings.auth_mode != "accounts":
        click.echo(f"AUTH_MODE is {settings.auth_mode}: people sign in with passwords once it is accounts.")


@app.cli.command("doctor")
@click.option("--url", default="", help="The address by which people reach the server; else PUBLIC_URL.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON for each check.")
@click.option("--seconds", default=findings.PATIENCE_SECONDS, help="How long to wait for each check.")
def doctor(url: str, as_json: bool, seconds: float) -> None:
    """Look at everything that the server stands on, and say what is wrong and what to do. Status 1 where it is."""
    try:
        settings = load()
        logs.configure("error")
        checked = findings.run(all_checks(_parts(settings, url)), seconds)
    except ConfigError as error:
        checked = [Checked("Settings", wrong(error.cause, error.next_step), 0.0)]
    for each in checked:
        click.echo(json.dumps(each.as_json()) if as_json else _line(each))
    if findings.worst(checked) is State.WRONG:
        raise click.exceptions.Exit(1)


def _line(each: Checked) -> str:
    found = each.finding
    step = f"\n{'':9}{found.next_step}" if found.next_step else ""
    return f"{found.state.value:<8} {each.name}: {found.said} ({each.seconds * 1000:.0f} ms){step}"


def _parts(settings: Settings, url: str) -> Parts:
    """What the doctor looks at: nothing is set up or brought up to date by looking."""
    context = click.get_current_context()  # each check has a thread of its own, which knows of none

    def database() -> Database:
        if not settings.database_url and not file_of(settings).exists():
            raise ConfigError(f"There is no database in {settings.data_dir} yet.", "Start the server: it makes one.")
        opened = Database(address_of(settings))
        context.call_on_close(opened.close)
        return opened

    return Parts(settings, database, engines_of(settings), (url or settings.public_url).rstrip("/"))


def _from_stdin() -> str:
    return sys.stdin.buffer.readline().decode("utf-8", "replace").rstrip("\r\n")


def _opened() -> tuple[Settings, Database]:
    """What a command begins with that works with the tables."""
    settings, database = _connected()
    with _said():
        database.bring_up_to_date()
    return settings, database


def _connected() -> tuple[Settings, Database]:
    """The database as it is: before an upgrade a backup is one of what was there."""
    with _said():
        settings = load()
        logs.configure(settings.log_level)
        database = Database(address_of(settings))
    click.get_current_context().call_on_close(database.close)
    return settings, database


@contextmanager
def _said() -> Iterator[None]:
    """What cannot be done is told in a sentence."""
    try:
        yield
    except InsightError as error:
        raise click.ClickException(str(error)) from None


def _told(table: str, rows: int) -> None:
    click.echo(f"{table}: {counted(rows, 'row')}", err=True)
