"""A Postgres of the tests' own, on a unix socket in a short folder; it can be stopped and started again."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg
import pytest
from own_server import OwnServer

# Nothing here has to be there after a power cut.
FAST = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}
SMALL = {"shared_buffers": "32MB", "max_connections": "60", "listen_addresses": ""}
EMPTY = "empty"  # a database with all tables and no rows; new ones are copies of it


MEMORY, ROOM = Path("/dev/shm"), 2**30


def has_room(folder: Path) -> bool:
    return folder.is_dir() and shutil.disk_usage(folder).free > ROOM


class OwnPostgres(OwnServer):
    """Has at each start what it had."""

    start_seconds = 20
    ends_at = signal.SIGQUIT

    def __init__(self, settings: dict[str, str] = FAST) -> None:
        self._settings = settings | SMALL
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres")) or [shutil.which("postgres")]
        if found[-1] is None:
            pytest.skip("Postgres is not installed (Debian's package postgresql)")
        self._programs = Path(found[-1]).parent
        self._user = self._somebody()
        # A socket's path must be short, and pytest's folders are not. In memory each new database costs no disk's time.
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir=MEMORY if has_room(MEMORY) else None))
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        self.folder.chmod(0o755)
        self._run("initdb", "-D", self.data, "-U", "insight", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")

    @property
    def data(self) -> str:
        return str(self.folder / "data")

    def url(self, database: str) -> str:
        return f"postgresql://insight:never-shown@/{database}?host={self.folder}"

    def _begun(self) -> subprocess.Popen[bytes]:
        options = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        command = [str(self._programs / "postgres"), "-D", self.data, "-k", str(self.folder), *options]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, user=self._user)

    def _said(self) -> str:
        return (self.folder / "log").read_text()

    def create(self, template: str = "template0") -> str:
        """A new database, as a copy; returns its name."""
        name = f"test_{secrets.token_hex(6)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return name

    def drop(self, name: str) -> None:
        self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def run(self, statement: str, database: str = "postgres") -> None:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement)

    def _somebody(self) -> str | None:
        """Postgres does not run as root."""
        if os.geteuid():
            return None
        return "postgres" if any(each.pw_name == "postgres" for each in pwd.getpwall()) else "nobody"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, user=self._user, cwd=self.folder)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True
