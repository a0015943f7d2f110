"""A temporary chat is a chat like any other, and nothing of it is ever stored."""

from __future__ import annotations

import os
import re
import threading
import time
from pathlib import Path

import pytest
from faults_seen import written
from flask.testing import FlaskClient
from own_app import Start
from own_redis import OwnRedis
from scripted_ollama import ScriptedOllama, done, gate, thinking
from sqlalchemy import text
from visitor import Visitor

from insight_app.chat.messages import Outcome, State, is_temporary
from insight_app.chat.temporary import LONGEST_SECONDS, Conversations
from insight_app.config import Settings
from insight_app.errors import NotThere, TemporaryOver
from insight_app.services import Services
from insight_app.storage.temporary import InMemory, InSharedMemory, folder_in_memory

WORDS = "quetzalcoatl plays the xylophone"


@pytest.fixture
def temporary(visitor: Visitor) -> Visitor:
    """A visitor whose next prompt begins a temporary chat."""
    visitor.open("/temporary")
    return visitor


def begin(visitor: Visitor, message: str) -> int:
    """Sends the first prompt, opens the chat and returns the answer's id."""
    response = visitor.send("/temporary", message=message, key=visitor.field("key"))
    assert response.status_code == 303, response.text
    visitor.url = response.location
    return last_answer(visitor)


def begun(visitor: Visitor, message: str = "Hi") -> int:
    """The same with the answer read to its end."""
    answer_id = begin(visitor, message)
    visitor.watch(answer_id)
    visitor.open(visitor.url)
    return answer_id


def turns_of(ollama: ScriptedOllama) -> list[dict[str, str]]:
    """What the engine was last sent of a conversation."""
    return [turn for turn in ollama.chats()[-1]["messages"] if turn["role"] != "system"]


def last_answer(visitor: Visitor) -> int:
    return int(re.findall(r'<article id="a(\d+)" class="answer"', visitor.open(visitor.url))[-1])


def rows(found: Services) -> int:
    """How many conversations and messages the database has."""
    with found.database.reading() as connection:
        count = text("SELECT (SELECT count(*) FROM conversations) + (SELECT count(*) FROM messages)")
        return int(connection.execute(count).scalar_one())


def files_with(words: str, folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and words.encode() in path.read_bytes()]


def test_the_first_page_leads_to_it_and_every_page_says_what_it_is(visitor: Visitor, ollama: ScriptedOllama) -> None:
    assert '<a class="quiet" href="/temporary">' in visitor.open("/")
    page = visitor.open("/temporary")
    assert "<title>Temporary chat – InsightSphere AI</title>" in page
    assert "It is gone when you end it, a day after its last message, or when the server stops." in page
    begun(visitor, WORDS)
    assert "<title>Temporary chat – InsightSphere AI</title>" in visitor.page
    assert "<strong>Temporary chat.</strong> It is not kept." in visitor.page
    assert "End this chat" in visitor.page


def test_nothing_of_it_is_stored_and_nothing_lists_it(
    capfd: pytest.CaptureFixture[str], temporary: Visitor, services: Services, ollama: ScriptedOllama
) -> None:
    ollama.script(thinking(f"They say {WORDS}. "), f"In the answer {WORDS}.")
    begun(temporary, f"Why is it that {WORDS}?")
    assert temporary.page.count(WORDS) == 3
    assert rows(services) == 0
    services.database.forget()
    assert files_with("xylophone", services.settings.data_dir) == []
    for url in ("/", "/conversations?before=9999999999&id=z", "/metrics", "/readyz"):
        page = temporary.client.get(url).text
        assert "xylophone" not in page, url
        assert "temporary-" not in page, url
    said = capfd.readouterr()
    assert "xylophone" not in said.out + said.err
    assert '"event": "answer"' in said.err  # it is counted and logged as any other


def test_a_second_page_opened_in_mid_answer_gets_the_rest(
    temporary: Visitor, ollama: ScriptedOllama, services: Services
) -> None:
    goes_on = threading.Event()
    ollama.script("One.\n\nTwo", gate(goes_on), " and three.")
    answer_id = begin(temporary, "First")
    reply = services.replies.get(answer_id)
    assert reply is not None
    while not len(reply.answer):
        reply.wait(reply.version, 5)
    assert "<p>One.</p>" in temporary.open(temporary.url)
    refused = temporary.send(temporary.url + "/messages", htmx=True, message="too early", key="early")
    assert refused.status_code == 409
    goes_on.set()
    assert "Two and three." in temporary.watch(answer_id)


def test_tries_versions_stop_and_continue_are_as_in_a_kept_one(
    temporary: Visitor, ollama: ScriptedOllama, services: Services
) -> None:
    ollama.script("One.", done(done_reason="length"))
    first = begun(temporary, "First")
    chat = temporary.url
    temporary.send(f"/answers/{first}/continue")
    temporary.open(chat)
    temporary.watch(last_answer(temporary))
    assert ollama.chats()[-1]["messages"][-1] == {"role": "assistant", "content": "One."}
    assert "2 of 2" in temporary.open(chat)
    temporary.send(f"/answers/{first}/again")
    temporary.watch(last_answer(temporary))
    assert "3 of 3" in temporary.open(chat)
    assert 'data-temporary autocomplete="off"' in temporary.open(f"/prompts/{first - 1}/edit")
    temporary.open(chat)
    script = ollama.script("never", gate(threading.Event()))
    second = temporary.ask("Second")
    assert script.asked.wait(5)
    temporary.send(f"/answers/{second}/stop")
    temporary.watch(second)
    assert services.conversations.message(second).state is State.STOPPED
    temporary.send(f"/prompts/{second - 1}/delete")
    assert "Second" not in temporary.open(chat)
    assert rows(services) == 0


def test_who_ends_it_takes_all_of_it_away_at_once(temporary: Visitor, ollama: ScriptedOllama) -> None:
    goes_on = threading.Event()
    script = ollama.script("so far", gate(goes_on))
    answer_id = begin(temporary, WORDS)
    script.asked.wait(5)
    chat = temporary.url
    response = temporary.send(chat + "/delete")
    assert (response.status_code, response.location) == (303, "/")
    assert script.client_gone.wait(5)
    page = temporary.client.get(chat)
    assert page.status_code == 404
    assert "This temporary chat is over, and nothing of it was kept." in page.text
    assert "xylophone" not in page.text
    said = temporary.watch(answer_id)
    assert "This temporary chat is over" in said
    assert "event: done" in said


@pytest.mark.parametrize("htmx", [False, True])
def test_what_is_typed_into_one_that_is_over_goes_into_another(
    temporary: Visitor, ollama: ScriptedOllama, services: Services, htmx: bool
) -> None:
    begun(temporary)
    services.conversations.delete(temporary.url.removeprefix("/c/"))
    told = temporary.send(temporary.url + "/messages", htmx=htmx, message="My <b>words</b>", key="k", parent="5")
    assert told.status_code == 404
    assert "This temporary chat is over" in told.text
    assert 'action="/temporary" data-temporary autocomplete="off"' in told.text
    assert "My &lt;b&gt;words&lt;/b&gt;</textarea>" in told.text
    assert 'name="parent" value=""' in told.text


def test_a_day_after_its_last_message_it_is_gone_but_not_while_it_is_answered(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = services.conversations
    ended, answer = store.ask("Hi", model="", temporary=True)
    assert answer is not None
    store.finish(answer.id, Outcome(State.DONE, "Hello"))
    growing, _ = store.ask("Hi", model="", temporary=True)
    kept, _ = store.ask("Hi", model="")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + LONGEST_SECONDS - 60)
    store.end_idle()
    store.conversation(ended.conversation_id)
    monkeypatch.setattr(time, "time", lambda: now + LONGEST_SECONDS + 60)
    store.end_idle()
    with pytest.raises(TemporaryOver):
        store.conversation(ended.conversation_id)
    store.conversation(growing.conversation_id)
    store.conversation(kept.conversation_id)


def test_neither_a_record_nor_a_download_holds_it_and_deleting_everything_ends_it(
    temporary: Visitor, services: Services, ollama: ScriptedOllama
) -> None:
    services.personal.choose(diagnostics_until=time.time() + 600)
    services.diagnostics.of("").look()
    ollama.script(f"In the answer {WORDS}.")
    written(begun(temporary, WORDS))
    assert list(services.diagnostics.of("").entries()) == []
    assert "xylophone" not in temporary.client.get("/settings/privacy/download").text
    assert temporary.send("/settings/privacy/delete").status_code == 303
    assert "This temporary chat is over" in temporary.open(temporary.url)


def test_ids_tell_which_chats_are_temporary_and_are_not_given_twice(services: Services) -> None:
    store = services.conversations
    kept, _ = store.ask("Hi", model="")
    temporary, answer = store.ask("Hi", model="", temporary=True)
    assert answer is not None
    assert not is_temporary(kept.id)
    assert not is_temporary(kept.conversation_id)
    assert is_temporary(temporary.id)
    assert is_temporary(temporary.conversation_id)
    assert answer.id < 2**53  # a whole number to scripts too
    another_start = Conversations(services.database, InMemory())
    again, _ = another_start.ask("Hi", model="", temporary=True)
    assert again.id != temporary.id
    another_start.close()
    with pytest.raises(NotThere):
        store.history(kept.conversation_id, temporary.id)
    with pytest.raises(NotThere):
        store.history(temporary.conversation_id, kept.id)


def test_a_program_can_ask_for_one(client: FlaskClient, ollama: ScriptedOllama, services: Services) -> None:
    first = client.post("/api/chat", json={"message": "Hi", "temporary": True})
    assert first.get_data()
    chat = first.headers["X-Conversation-Id"]
    assert is_temporary(chat)
    second = client.post("/api/chat", json={"message": "More", "temporary": True, "conversation_id": chat})
    assert second.get_data()
    assert [turn["content"] for turn in turns_of(ollama)][::2] == ["Hi", "More"]
    assert rows(services) == 0
    kept, _ = services.conversations.ask("Hi", model="")
    mixed = {"message": "Hi", "temporary": True, "conversation_id": kept.conversation_id}
    assert client.post("/api/chat", json=mixed).status_code == 400
    assert client.post("/api/chat", json={"message": "Hi", "temporary": "yes"}).status_code == 400


def test_what_is_about_many_answers_is_about_temporary_ones_too(services: Services) -> None:
    store = services.conversations
    answers = [store.ask("Hi", model="", temporary=temporary)[1] for temporary in (False, True)]
    ids = [answer.id for answer in answers if answer is not None]
    assert sorted(store.unfinished()) == sorted(ids)
    store.checkpoint([(each, 0, "", f"so far {each}") for each in ids])
    assert {message.text for message in store.messages(ids)} == {f"so far {each}" for each in ids}
    for each in ids:
        assert store.left_behind(each) is not None
    assert {message.problem for message in store.messages(ids)} == {"server_stopped"}
    store.hand_over(ids)
    assert {message.problem for message in store.messages(ids)} == {""}
    store.finish(ids[1], Outcome(State.DONE, "the end"), 1)
    assert store.unfinished() == ids[:1]


@pytest.fixture
def memory(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for one in memory."""
    found = tmp_path_factory.mktemp("memory")
    monkeypatch.setattr("insight_app.implementations.folder_in_memory", lambda: found)
    return found


def test_several_processes_share_it_in_memory_and_the_last_one_takes_it_away(
    settings: Settings, redis: OwnRedis, memory: Path, start: Start, ollama: ScriptedOllama
) -> None:
    one, other = (start(redis_url=redis.url) for _ in range(2))
    goes_on = threading.Event()
    ollama.script("In the answer ", gate(goes_on), WORDS)
    here, there = Visitor(one.test_client()), Visitor(other.test_client())
    here.open("/temporary")
    answer_id = begin(here, WORDS)
    assert WORDS in there.open(here.url)
    goes_on.set()
    assert WORDS in there.watch(answer_id)
    assert there.asks_and_waits("More") > answer_id
    assert files_with("xylophone", settings.data_dir) == []
    files = files_with("xylophone", memory)
    assert files
    assert all(path.stat().st_mode & 0o077 == 0 for path in [*files, *memory.iterdir()])
    one.extensions["insight"].close()
    assert "More" in there.open(there.url)
    for redis_key in redis.client.scan_iter("*"):  # what has ended is there for a moment only
        assert redis.client.ttl(redis_key) != -1 or b"xylophone" not in redis.client.dump(redis_key), redis_key
    other.extensions["insight"].close()
    assert list(memory.rglob("temporary*")) == []
    third = Visitor(start(redis_url=redis.url).test_client())
    assert "This temporary chat is over" in third.open(here.url)


def test_what_a_killed_process_left_is_gone_when_the_next_one_begins(memory: Path) -> None:
    folder = memory / "mine"
    killed = InSharedMemory(folder)
    with killed.writing() as connection:
        connection.exec_driver_sql(
            "INSERT INTO conversations (id, title, created_at, updated_at) VALUES ('a', 'b', 0, 0)"
        )
    os.close(killed._alive)  # as the end of its process does
    after = InSharedMemory(folder)
    with after.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM conversations").scalar() == 0
    after.close()
    killed.product.reader.dispose()
    killed.product.writer.dispose()


def test_a_folder_that_others_can_look_into_is_not_used(memory: Path) -> None:
    (memory / "open").mkdir(mode=0o755)
    (memory / "elsewhere").symlink_to(memory / "open")
    for name in ("open", "elsewhere"):
        with pytest.raises(PermissionError):
            InSharedMemory(memory / name)


@pytest.mark.parametrize(
    ("line", "is_one"),
    [
        ("tmpfs {} tmpfs rw,nosuid 0 0", True),
        ("/dev/sda1 {} ext4 rw 0 0", False),
        ("tmpfs /elsewhere tmpfs rw 0 0", False),
        ("tmpfs {} tmpfs rw 0 0\n/dev/sda1 {} ext4 rw 0 0", False),
    ],
)
def test_a_folder_is_in_memory_where_the_machine_says_so(tmp_path: Path, line: str, is_one: bool) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(line.replace("{}", str(tmp_path)), encoding="utf-8")
    assert (folder_in_memory(tmp_path, mounts) is not None) is is_one
    assert folder_in_memory(tmp_path, tmp_path / "nothing") is None


def test_where_it_cannot_be_shared_it_is_not_offered_and_the_page_says_why(
    redis: OwnRedis, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("insight_app.implementations.folder_in_memory", lambda: None)
    visitor = Visitor(start(redis_url=redis.url).test_client())
    page = visitor.open("/temporary")
    assert "Temporary chats are not possible here." in page
    assert "this machine has no folder in memory" in page
    visitor.open("/")
    refused = visitor.send("/temporary", message="My words", key="k")
    assert refused.status_code == 503
    assert "My words</textarea>" in refused.text
    assert rows(visitor.client.application.extensions["insight"]) == 0


def test_what_a_database_sorts_does_not_go_to_a_disk_either(services: Services) -> None:
    with services.conversations._in_memory.reading() as connection:  # type: ignore[union-attr]
        assert connection.exec_driver_sql("PRAGMA temp_store").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA database_list").first()[2] == ""
