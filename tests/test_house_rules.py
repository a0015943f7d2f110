"""The rules of the house that a machine can check: who may import what, and what the linters say."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "insight_app"
FILES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))

# The file name is the licence. Everything else in a capability's folder is pure: no Flask, no SQL, no HTTP.
WEB = {
    "flask",
    "flask_login",
    "authlib",
    "flask_babel",
    "flask_wtf",
    "flask_limiter",
    "wtforms",
    "werkzeug",
    "prometheus_flask_exporter",
}
SQL = {"sqlalchemy", "alembic"}
HTTP = {"requests", "urllib3", "http", "socket"}
REDIS = {"redis"}
TRACES = {"opentelemetry"}
LICENCES: dict[str, set[str]] = {
    "routes.py": WEB,
    "pages.py": {"flask"},
    "forms.py": {"flask_wtf", "wtforms"},
    "guards.py": {"flask", "flask_login"},
    "store.py": SQL,
    "storage/backup.py": SQL,
    "storage/columns.py": SQL,
    "storage/database.py": SQL,
    "storage/postgres.py": SQL,
    "storage/product.py": SQL,
    "storage/sqlite.py": SQL,
    "storage/upsert.py": SQL,
    "storage/tables.py": SQL,
    "storage/temporary.py": SQL,
    "storage/migrations/env.py": SQL,
    "storage/migrations/versions/0001_conversations.py": SQL,
    "storage/migrations/versions/0002_figures.py": SQL,
    "storage/migrations/versions/0003_moderation.py": SQL,
    "storage/migrations/versions/0004_indexes.py": SQL,
    "storage/migrations/versions/0005_accounts.py": SQL,
    "storage/migrations/versions/0006_chat.py": SQL,
    "storage/migrations/versions/0007_search.py": SQL,
    "storage/migrations/versions/0008_file_words.py": SQL,
    "chat/answer_store.py": SQL,
    "chat/conversation_store.py": SQL,
    "chat/prompt_routes.py": WEB,
    "chat/search_routes.py": WEB,
    "chat/search_store.py": SQL,
    "chat/shelf_routes.py": WEB,
    "chat/rating_routes.py": WEB,
    "chat/draft_pages.py": {"flask"},
    "chat/draft_routes.py": WEB,
    "privacy/copies_routes.py": WEB,
    "privacy/copies_store.py": SQL,
    "chat/rating_store.py": SQL,
    "chat/attachment_routes.py": WEB,
    "chat/attachment_store.py": SQL,
    "chat/context_store.py": SQL,
    "chat/list_pages.py": {"flask"},
    "chat/option_routes.py": WEB,
    "chat/option_pages.py": {"flask"},
    "chat/option_forms.py": {"flask_wtf", "wtforms"},
    "chat/option_store.py": SQL,
    "chat/preset_routes.py": WEB,
    "chat/kept_store.py": SQL,
    "chat/saved_prompt_routes.py": WEB,
    "chat/sending_routes.py": WEB,
    "chat/streamed_routes.py": WEB,
    "accounts/account_routes.py": WEB,
    "accounts/door_routes.py": WEB,
    "accounts/admin_routes.py": WEB,
    "accounts/oidc_routes.py": WEB,
    "accounts/key_store.py": SQL,
    "accounts/link_store.py": SQL,
    "accounts/session_store.py": SQL,
    "chat/redis_link.py": REDIS,
    "accounts/role_routes.py": WEB,
    "limits/rates.py": WEB | REDIS,
    "library/pull_store.py": SQL,
    "library/model_routes.py": WEB,
    "limits/usage_store.py": SQL,
    "telemetry/trace_routes.py": WEB,
    "telemetry/traces_collected.py": TRACES,
    "moderation/judge_routes.py": WEB,
    "moderation/judge_forms.py": {"flask_wtf", "wtforms"},
    "engines/ollama.py": HTTP,
    "engines/wire.py": HTTP,
    "engines/listening.py": HTTP,
    "engines/openai_compatible.py": HTTP,
    "engines/chunks.py": HTTP,
    "engines/interruptible.py": HTTP,
    "engines/embedded.py": HTTP,
    "engines/embedded_model.py": HTTP,
    "health/http_view.py": HTTP,
    "health/redis_view.py": REDIS,
    "verify_streaming.py": HTTP,
    "api/completion_routes.py": WEB,
    "api/examples_routes.py": WEB,
    "api/guards.py": {"flask", "socket"},
    "__init__.py": {"flask"},
    "web.py": WEB,
    "languages.py": WEB,
    "words.py": {"flask", "flask_babel"},
    "incoming.py": WEB,
    "refusals.py": WEB,
    "cli.py": WEB,
    "assets.py": WEB,
    "packing.py": WEB,
}
# Imports go downwards only; a folder may import those after it.
LAYERS = (
    ("api", "appearance", "privacy", "usage", "health"),
    ("chat", "library"),
    ("moderation", "accounts"),
    ("limits",),
    ("rendering", "engines", "telemetry"),
    ("storage",),
    ("config",),
    ("env_files",),
    ("errors",),
    ("amounts", "forms", "pauses", "sentences", "traceparent", "values"),
    ("words",),
)
# Above the layers: what puts the product together, and what all routes share.
TOP = {
    "__init__",
    "languages",
    "services",
    "web",
    "incoming",
    "refusals",
    "assets",
    "packing",
    "cli",
    "verify_streaming",
    "implementations",
}


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse((PACKAGE / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from insight_app import x` names a folder, `from insight_app.chat import x` a file of one.
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_file_imports_only_what_its_name_allows(path: Path) -> None:
    allowed = LICENCES.get(path.as_posix(), LICENCES.get(path.name, set()))
    used = {name.split(".")[0] for name in imports(path)} & (WEB | SQL | HTTP | REDIS | TRACES | {"gevent"})
    assert used <= allowed, f"{path} may not import {', '.join(sorted(used - allowed))}"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_go_downwards_only(path: Path) -> None:
    own = path.parts[0].removesuffix(".py")
    if own in TOP:
        return
    layer = next(number for number, names in enumerate(LAYERS) if own in names)
    for name in imports(path):
        if not name.startswith("insight_app."):
            continue
        other = name.split(".")[1]
        if other in TOP or name == "insight_app.limits" or name.startswith("insight_app.accounts.guards"):
            assert path.name.endswith(("routes.py", "pages.py", "guards.py", "rates.py")), f"{path} imports {name}"
        elif other != own:
            assert layer < next(number for number, names in enumerate(LAYERS) if other in names), (
                f"{path} imports {name}, which is not below it"
            )


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_file_says_in_one_sentence_what_it_is(path: Path) -> None:
    text = ast.get_docstring(ast.parse((PACKAGE / path).read_text(encoding="utf-8")))
    assert text, f"{path} has no docstring"


def test_the_map_of_moderation_names_every_file_of_it() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    there = {path.stem for path in (PACKAGE / "moderation").glob("*.py")} - {"__init__"}
    _, _, after = text.partition("`moderation/` in the order in which it is best read:")
    assert set(re.findall(r"`(\w+)`", after.partition("\n## ")[0])) == there


def test_only_the_tokens_hold_literal_colours() -> None:
    for sheet in (ROOT / "static" / "css").glob("*.css"):
        text = sheet.read_text(encoding="utf-8").lower()
        if sheet.name != "tokens.css":
            colours = [word for word in text.replace(";", " ").split() if word.startswith("#") and word[1:2].isdigit()]
            assert not colours, f"{sheet.name}: {colours}"
            assert "rgb(" not in text
            assert "hsl(" not in text


def test_what_is_made_on_a_machine_stays_there() -> None:
    """Not a folder's name with its slash: that would let a link of that name in, as which .venv came along once."""
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {".venv", ".env", "/data"} <= set(ignored)


def test_no_test_left_a_file_among_those_of_the_project() -> None:
    """A fault once wrote one into the working folder, under a name that nobody had given it."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert [name for name in done.stdout.split("\0") if not re.fullmatch(r"[\w./-]*", name, re.ASCII)] == []


def test_what_a_test_opens_is_closed() -> None:
    """What is left open is a warning, and so a failure, with Python 3.13 only, and of whichever test comes later."""
    left = []
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        closed = {id(each) for call in calls if ast.unparse(call.func) == "closing" for each in call.args}
        for call in calls:
            name = ast.unparse(call.func)
            if (name == "create_app" and path.name != "own_app.py") or (
                name in ("Database", "sqlite3.connect") and id(call) not in closed
            ):
                left.append(f"{path.name}:{call.lineno} {name}")
    assert left == []


def test_vendored_files_are_what_they_say_they_are() -> None:
    import hashlib

    folder = ROOT / "static" / "vendor"
    lines = (folder / "CHECKSUMS").read_text(encoding="utf-8").splitlines()
    listed = dict(reversed(line.split("  ", 1)) for line in lines if line and not line.startswith("#"))
    assert set(listed) == {path.name for path in folder.iterdir()} - {"CHECKSUMS"}
    for name, digest in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name


@pytest.mark.parametrize(
    "command", [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]], ids=["lint", "format", "types"]
)
def test_the_linters_find_nothing(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
