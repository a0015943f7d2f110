"""What is recorded only with consent, for as long as it holds, in a file of one's own, and never in the log."""

from __future__ import annotations

import json
import stat
import threading
import time
from pathlib import Path

import pytest
from scripted_ollama import ScriptedOllama, gate, status, thinking
from visitor import Visitor

from insight_app.config import Settings
from insight_app.engines.base import Options, Task
from insight_app.privacy import diagnostics as privacy
from insight_app.services import Services

WORDS = "xylophage"


@pytest.fixture
def file(settings: Settings) -> Path:
    return Path(settings.data_dir) / "diagnostics" / "local.jsonl"


def begin(visitor: Visitor, seconds: str = "900") -> None:
    visitor.open("/settings/privacy")
    assert visitor.send("/settings/privacy/diagnostics", seconds=seconds).status_code == 303
    visitor.open("/")


def test_nothing_is_recorded_unasked(visitor: Visitor, file: Path) -> None:
    visitor.asks_and_waits(WORDS)
    assert not file.parent.exists()


def test_what_was_sent_and_written_is_recorded(
    visitor: Visitor, ollama: ScriptedOllama, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(visitor)
    ollama.script(thinking("Hm."), f"{WORDS} it is.")
    answer = visitor.asks_and_waits(f"Is it {WORDS}?")
    (entry,) = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert entry["sent"]["turns"][-1] == {"role": "user", "text": f"Is it {WORDS}?"}
    assert (entry["thinking"], entry["answer"], entry["problem"]) == ("Hm.", f"{WORDS} it is.", "")
    assert entry["answer_id"] == answer
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    said = capsys.readouterr()
    assert WORDS not in said.out + said.err


def test_what_went_wrong_is_recorded_by_its_name(visitor: Visitor, ollama: ScriptedOllama, services: Services) -> None:
    begin(visitor)
    ollama.script(status(500, {"error": "no"}))
    visitor.asks_and_waits("Hi")
    (entry,) = services.diagnostics.of("").entries()
    assert entry["problem"]


def test_it_ends_by_itself(visitor: Visitor, ollama: ScriptedOllama, services: Services) -> None:
    begin(visitor)
    services.personal.choose(diagnostics_until=time.time() - 1)
    services.diagnostics.of("").look()
    visitor.asks_and_waits("Hi")
    assert not list(services.diagnostics.of("").entries())
    assert services.diagnostics.of("").seconds_left() == 0


def test_an_answer_that_ends_after_the_consent_is_not_in_it(
    visitor: Visitor, ollama: ScriptedOllama, services: Services
) -> None:
    begin(visitor)
    opened = threading.Event()
    ollama.script("so far", gate(opened), " and on")
    answer = visitor.ask("Hi")
    visitor.open("/settings/privacy")
    visitor.send("/settings/privacy/diagnostics/delete")
    opened.set()
    visitor.watch(answer)
    assert not list(services.diagnostics.of("").entries())


def test_an_answer_that_ends_when_the_time_is_over_is_not_in_it(
    visitor: Visitor, ollama: ScriptedOllama, services: Services
) -> None:
    begin(visitor)
    opened = threading.Event()
    asked = ollama.script("so far", gate(opened), " and on").asked
    answer = visitor.ask("Hi")
    assert asked.wait(5)
    services.personal.choose(diagnostics_until=time.time() - 1)
    opened.set()
    visitor.watch(answer)
    assert not list(services.diagnostics.of("").entries())


def test_what_was_recorded_in_the_moment_of_the_deletion_is_deleted(tmp_path: Path, services: Services) -> None:
    ends = [time.time() + 60, time.time() + 60, None]
    diagnostics = privacy.Diagnostics(tmp_path, lambda: ends.pop(0))
    with diagnostics.watching(services.replies.open(1, "c", "m"), Task("m", (), Options())):
        pass
    assert not ends
    assert diagnostics.count() == 0


def test_an_answer_that_began_before_the_consent_is_not_in_it(
    visitor: Visitor, ollama: ScriptedOllama, services: Services
) -> None:
    opened = threading.Event()
    scripted = ollama.script("so far", gate(opened), " and on")
    answer = visitor.ask("Hi")
    assert scripted.asked.wait(5)
    begin(visitor)
    opened.set()
    visitor.watch(answer)
    assert not list(services.diagnostics.of("").entries())


def test_a_clock_that_was_set_back_does_not_make_it_last(services: Services) -> None:
    services.personal.choose(diagnostics_until=time.time() + 2 * privacy.CHOICES_SECONDS[-1])
    assert services.diagnostics.of("").seconds_left() == 0


def test_a_week_after_it_began_it_is_deleted(visitor: Visitor, services: Services, file: Path) -> None:
    begin(visitor)
    visitor.asks_and_waits("Hi")
    services.retention.prune()
    (entry,) = services.diagnostics.of("").entries()
    days_ago = time.time() - 6 * privacy.DAY_SECONDS
    file.write_text(json.dumps({**entry, "at_seconds": days_ago}) + "\n")
    services.retention.prune()
    assert file.exists()
    file.write_text(json.dumps({**entry, "at_seconds": days_ago - privacy.DAY_SECONDS}) + "\n")
    services.retention.prune()
    assert not file.exists()


def test_it_is_not_kept_for_longer_than_conversations(visitor: Visitor, services: Services, file: Path) -> None:
    begin(visitor)
    visitor.asks_and_waits("Hi")
    (entry,) = services.diagnostics.of("").entries()
    file.write_text(json.dumps({**entry, "at_seconds": time.time() - 2 * privacy.DAY_SECONDS}) + "\n")
    services.personal.choose(keep_days=2)
    services.retention.prune()
    assert not file.exists()


def test_a_line_that_was_cut_hides_no_other(visitor: Visitor, services: Services, file: Path) -> None:
    begin(visitor)
    visitor.asks_and_waits("Hi")
    with file.open("a") as record:
        record.write('{"at": "2026')
    assert len(list(services.diagnostics.of("").entries())) == 1


def test_a_record_that_cannot_be_kept_costs_nobody_their_answer(
    visitor: Visitor, ollama: ScriptedOllama, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(visitor)
    file.mkdir(parents=True)
    ollama.script(f"{WORDS}, of course.")
    visitor.asks_and_waits("Hi")
    assert f"{WORDS}, of course." in visitor.page
    said = capsys.readouterr().err
    assert "not recorded" in said
    assert WORDS not in said


def test_it_is_downloaded_and_deleted_on_the_page(visitor: Visitor, ollama: ScriptedOllama, file: Path) -> None:
    begin(visitor)
    ollama.script("Yes.")
    visitor.asks_and_waits("Hi")
    page = visitor.open("/settings/privacy")
    assert "1 answer is recorded." in page
    assert "Time left: 15 minutes" in page
    got = visitor.client.get("/settings/privacy/diagnostics/download")
    assert json.loads(got.text)["answer"] == "Yes."
    visitor.send("/settings/privacy/diagnostics/delete")
    assert not file.exists()
    page = visitor.open("/settings/privacy")
    assert "Start recording" in page
    assert "recorded." not in page
