"""The whole product on Postgres and Redis: two processes that start on an empty database, answer, and are backed up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from chat_page import ROOT, free_port, started
from own_redis import OwnRedis
from rows import everything
from scripted_ollama import ScriptedOllama, gate
from visitor import RealClient, Visitor

from insight_app.chat.store import ConversationStore
from insight_app.storage.database import Database, sqlite_url


def test_two_processes_answer_and_are_backed_up_meanwhile(
    tmp_path: Path, ollama: ScriptedOllama, redis: OwnRedis, new_database: Callable[..., Database]
) -> None:
    database, port, go_on = new_database("postgres", is_ready=False), free_port(), threading.Event()
    environ = {
        "OLLAMA_BASE_URL": ollama.url,
        "DATABASE_URL": database.url.render_as_string(hide_password=False),
        "REDIS_URL": redis.url,
        "WEB_CONCURRENCY": "2",
        "SECRET_KEY": "only for these tests",
    }
    master = started(tmp_path, port, **environ)
    try:
        visitor = Visitor(RealClient(f"http://127.0.0.1:{port}"))  # type: ignore[arg-type]
        visitor.open("/")
        ollama.script("Begun.\n\n", gate(go_on), "And ended.")
        answer_id = visitor.ask("Tell me")
        while "Begun." not in visitor.client.get(f"/answers/{answer_id}/text").text:
            pass  # until the checkpoint has it
        done = flask(tmp_path, environ, "backup", str(tmp_path / "backup"))
        assert "16 tables" in done
        go_on.set()
        assert "event: done" in visitor.watch(answer_id)
        assert "And ended." in visitor.open(visitor.url)
        taken = json.loads(visitor.client.get("/settings/privacy/download").text)
        assert [each["text"] for each in taken["conversations"][0]["messages"]] == ["Tell me", "Begun.\n\nAnd ended."]
        here = {**environ, "DATABASE_URL": sqlite_url(tmp_path / "moved.db")}
        flask(tmp_path, here, "restore", str(tmp_path / "backup"))
        with closing(Database(here["DATABASE_URL"])) as moved:
            store = ConversationStore(moved)
            assert store.unfinished() == [answer_id]  # the server that starts there goes on with it
            assert store.message(answer_id).text.startswith("Begun.")
        visitor.open("/temporary")
        begun = visitor.send("/temporary", message="Xylophage", key=visitor.field("key"))
        assert begun.location.startswith("/c/temporary-")
        assert "Xylophage" in visitor.open(begun.location)
        assert "Xylophage" not in str(everything(database))
        visitor.open("/settings/privacy")
        assert visitor.send("/settings/privacy/delete").status_code == 303
    finally:
        master.terminate()
        master.wait(timeout=20)
    assert everything(database)["messages"] == []
    assert "never-shown" not in (tmp_path / "server.log").read_text()


def flask(folder: Path, environ: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "flask", "--app", "wsgi", *arguments]
    env = {**os.environ, **environ, "DATA_DIR": str(folder)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
