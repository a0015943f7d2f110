"""flask --app wsgi create-account: what an operator types, and what comes of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result
from own_app import Start
from people import ALICE, BOB, PASSWORD

from insight_app import cli
from insight_app.accounts.people import Account, Role
from insight_app.accounts.signing_in import Accounts
from insight_app.config import Settings
from insight_app.storage.database import Database, sqlite_url

Types = Callable[..., Result]


@pytest.fixture
def types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Types:
    """Somebody at a terminal of the server."""
    environ = {"SECRET_KEY": "only for these tests", "DATA_DIR": str(tmp_path), "AUTH_MODE": "accounts"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str, typed: str = f"{PASSWORD}\n{PASSWORD}\n") -> Result:
        return cli.app.test_cli_runner().invoke(args=["create-account", *arguments], input=typed)

    return run


def there(folder: Path) -> list[Account]:
    with closing(Database(sqlite_url(folder / "insight.db"))) as database:
        settings = Settings(secret_key="only for these tests")
        return Accounts(database, settings, None).store.all()  # type: ignore[arg-type]


def test_the_first_account_is_an_admins_and_others_are_as_asked(types: Types, tmp_path: Path) -> None:
    done = types(f" {ALICE.upper()} ")
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, f"{ALICE} has an account now, as an admin.")
    assert PASSWORD not in done.output
    assert "as a member" in types(BOB).output
    assert "as an admin" in types("carol@example.org", "--admin").output
    assert [each.role for each in there(tmp_path)] == [Role.ADMIN, Role.MEMBER, Role.ADMIN]


def test_the_password_is_the_one_that_was_typed(types: Types, start: Start, tmp_path: Path) -> None:
    types(ALICE, "--password-stdin", typed=f"{PASSWORD}\r\nand something else\n")
    app = start()
    accounts = app.extensions["insight"].accounts
    assert accounts.knows(ALICE, PASSWORD)
    assert not accounts.knows(ALICE, PASSWORD + "\r")


def test_the_first_one_has_what_was_written_before(types: Types, start: Start) -> None:
    app = start()
    services = app.extensions["insight"]
    home = services.conversations.ask("Before", model="")[0].conversation_id
    types(ALICE)
    assert services.conversations.conversation(home).owner == services.accounts.store.of_email(ALICE).id


@pytest.mark.parametrize(
    ("arguments", "typed", "said"),
    [
        (("alice",), f"{PASSWORD}\n{PASSWORD}\n", "That is no e-mail address"),
        ((ALICE,), "short\nshort\n", "Take at least 10 characters"),
        ((ALICE, "--password-stdin"), "", "Take at least 10 characters"),
        ((ALICE, "--password-stdin"), f"{ALICE}\n", "too easy to guess"),
        ((ALICE,), f"{PASSWORD}\nanother one\n{PASSWORD}\n", "do not match"),
        ((), "", "Missing argument 'EMAIL'"),
    ],
)
def test_what_cannot_be_is_said_in_plain_words(
    types: Types, tmp_path: Path, arguments: tuple[str, ...], typed: str, said: str
) -> None:
    done = types(*arguments, typed=typed)
    assert done.exit_code != 0
    assert said in done.output
    assert "Traceback" not in done.output
    assert not (tmp_path / "insight.db").exists() or not there(tmp_path)


def test_an_address_that_is_taken_asks_for_no_password(types: Types) -> None:
    types(ALICE)
    done = types(ALICE, typed="")
    assert (done.exit_code, "There is an account with this address already." in done.output) == (1, True)
    assert "Password" not in done.output


def test_settings_that_cannot_be_are_said(types: Types, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_PORT", "many")
    done = types(ALICE)
    assert (done.exit_code, "APP_PORT" in done.output) == (1, True)


def test_it_is_a_command_of_flasks(tmp_path: Path) -> None:
    environ = {**os.environ, "SECRET_KEY": "only for these tests", "DATA_DIR": str(tmp_path), "AUTH_MODE": "local"}
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "create-account", "--admin", "--password-stdin", ALICE]
    root = Path(__file__).parent.parent
    done = subprocess.run(command, input=PASSWORD, cwd=root, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        f"{ALICE} has an account now, as an admin.",
        "AUTH_MODE is local: people sign in with passwords once it is accounts.",
    ]
    assert there(tmp_path)[0].role is Role.ADMIN


def test_a_backup_comes_back_and_nothing_is_replaced_unasked(
    types: Types, new_database: Callable[..., Database], tmp_path: Path
) -> None:
    run, file = cli.app.test_cli_runner().invoke, str(tmp_path / "backup")
    types(ALICE)
    done = run(args=["backup", file])
    assert (done.exit_code, done.output.splitlines()[-1].split(":")[0]) == (0, "1 row of 16 tables")
    again = run(args=["backup", file])
    assert (again.exit_code, "give --overwrite" in again.output) == (1, True)
    assert run(args=["backup", file, "--overwrite"]).exit_code == 0
    types(BOB)
    asked = run(args=["restore", file], input="n\n")
    assert (asked.exit_code, "Replace everything in" in asked.output) == (1, True)
    assert len(there(tmp_path)) == 2
    done = run(args=["restore", file, "--yes"])
    assert (done.exit_code, done.output.splitlines()[-1].split(",")[0]) == (0, "1 row of 16 tables")
    assert [each.email for each in there(tmp_path)] == [ALICE]
    Path(file).write_bytes(b"something else")
    refused = run(args=["restore", file, "--yes"])
    assert (refused.exit_code, "This is no backup of this program." in refused.output) == (1, True)
    assert [each.email for each in there(tmp_path)] == [ALICE]


def test_a_restore_into_a_new_database_asks_nothing_and_may_be_of_another_kind(
    types: Types, new_database: Callable[..., Database], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, file = cli.app.test_cli_runner().invoke, str(tmp_path / "backup")
    types(ALICE)
    run(args=["backup", file])
    database = new_database("postgres", is_ready=False)
    monkeypatch.setenv("DATABASE_URL", database.url.render_as_string(hide_password=False))
    done = run(args=["restore", file])
    assert done.exit_code == 0, done.output
    assert "never-shown" not in done.output
    assert types(ALICE).exit_code == 1  # the address is taken
    assert run(args=["prune"]).output == "0 conversations were deleted.\n"
