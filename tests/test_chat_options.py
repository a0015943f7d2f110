"""How answers are asked for is each conversation's own matter, within what the server allows."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import asdict, replace
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from own_app import running
from scripted_ollama import ScriptedOllama, Step, gate, status
from visitor import Visitor

from insight_app.chat.options import (
    FOR_EVER,
    KEEP_ALIVES,
    LARGEST_SEED,
    LONGEST_ANSWER,
    LONGEST_CONTEXT,
    NOTHING,
    SHORTEST_CONTEXT,
    THINKING,
    Limits,
    Wishes,
    limits,
    seconds_of,
)
from insight_app.chat.prompts import LONGEST_OWN
from insight_app.config import Settings
from insight_app.engines.base import Options
from insight_app.engines.ollama_models import shown
from insight_app.moderation.rulebook import as_json
from insight_app.moderation.rules import Action, Kind, Rule
from insight_app.moderation.store import Entry
from insight_app.services import Services

words = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=255)
wishes_of_any_kind = st.builds(
    Wishes,
    model=st.none() | words,
    temperature=st.none() | st.floats(0, 2),
    context=st.none() | st.integers(SHORTEST_CONTEXT, LONGEST_CONTEXT),
    keep_alive=st.none() | st.sampled_from(KEEP_ALIVES),
    thinking=st.none() | st.sampled_from(list(THINKING)),
    seed=st.none() | st.integers(0, LARGEST_SEED),
    longest=st.none() | st.integers(1, LONGEST_ANSWER),
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(wishes_of_any_kind)
def test_what_is_kept_is_read_as_it_was(wishes: Wishes) -> None:
    assert Wishes.from_json(wishes.as_json()) == wishes
    assert Wishes.from_json(json.dumps({**json.loads(wishes.as_json() or "{}"), "later": [1]})) == wishes


@given(st.text() | anything.map(json.dumps) | st.just("[" * 100_000) | st.just('{"seed": ' + "9" * 5000 + "}"))
def test_what_cannot_be_read_wishes_nothing_that_cannot_be(text: str) -> None:
    assert isinstance(Wishes.from_json(text), Wishes)


@given(st.dictionaries(st.sampled_from(list(Wishes.__dataclass_fields__)), anything))
def test_of_bad_values_nothing_stays(said: dict[str, Any]) -> None:
    read = Wishes.from_json(json.dumps(said))
    assert Wishes.from_json(read.as_json()) == read
    for name, value in asdict(read).items():
        assert value is None or (value == said[name] and not isinstance(value, bool))


@given(wishes_of_any_kind, st.integers(0, 10**6), st.integers(0, 10**6), st.sampled_from(["", "10m", "1h", "-1"]))
def test_no_wish_goes_beyond_what_the_server_allows(wishes: Wishes, longest: int, context: int, kept: str) -> None:
    server = Options(max_tokens=longest or None, num_ctx=context or None, keep_alive=kept or None)
    within = limits(longest=longest, context=context, keep_alive=kept, is_shared=True, is_ollama=True)
    options = wishes.over(server, within)
    assert longest == 0 or (options.max_tokens or 0) <= longest
    assert options.num_ctx is None if context == 0 else (options.num_ctx or 0) <= context
    if wishes.keep_alive and options.keep_alive:
        assert seconds_of(options.keep_alive) <= seconds_of(kept or "5m")
    assert NOTHING.over(server, within) == server


def test_whoever_is_alone_with_a_server_may_keep_a_model_and_widen_its_context() -> None:
    alone = limits(longest=2048, context=0, keep_alive="5m", is_shared=False, is_ollama=True)
    assert (alone.context, alone.keep_alive, alone.longest) == (LONGEST_CONTEXT, FOR_EVER, 2048)
    assert limits(longest=0, context=0, keep_alive="", is_shared=True, is_ollama=True).context is None
    other = limits(longest=0, context=4096, keep_alive="", is_shared=False, is_ollama=False)
    assert (other.context, other.keep_alives) == (None, ())


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("5m", 300), ("1h30m", 5400), ("300", 300), ("0", 0), ("-1", FOR_EVER), ("-5m", FOR_EVER), ("500ms", 0.5)],
)
def test_a_duration_is_read_as_ollama_reads_it(said: str, seconds: float) -> None:
    assert seconds_of(said) == seconds


def test_each_try_has_a_seed_of_its_own() -> None:
    seeds = [Wishes(seed=LARGEST_SEED).over(Options(), Limits(), number).seed for number in range(3)]
    assert seeds == [LARGEST_SEED, 0, 1]


def test_what_ollama_says_of_a_model_is_read_loosely() -> None:
    body = {
        "parameters": 'stop   "<|x|>"\ntemperature                    0.7\nnum_ctx 4096\n',
        "model_info": {"llama.context_length": 131072},
        "capabilities": ["completion", "thinking"],
    }
    about = shown(json.dumps(body).encode())
    assert (about.temperature, about.num_ctx, about.longest_context, about.thinks) == (0.7, 4096, 131072, True)
    for odd in (
        b"",
        b"[]",
        b'{"parameters": 3, "model_info": [], "capabilities": "x"}',
        b'{"parameters": "num_ctx ..."}',
    ):
        assert (shown(odd).temperature, shown(odd).thinks) == (None, None)


ALL = {"temperature": "0.3", "longest": "100", "seed": "42", "context": "2048", "keep_alive": "30m", "thinking": "off"}


def shown_value(page: str, name: str) -> str:
    """What the page's input of this name has."""
    (found,) = re.findall(rf'<input[^>]* name="{name}"[^>]*>', page)
    return unescape(re.findall(r'value="([^"]*)"', found)[0])


def conversation_of(visitor: Visitor) -> str:
    return visitor.url.rpartition("/")[2]


def test_what_is_wished_is_what_the_engine_is_asked(visitor: Visitor, ollama: ScriptedOllama) -> None:
    visitor.asks_and_waits("Hi")
    page = visitor.open(visitor.url)
    address = re.findall(r'href="(/c/[^"]+/options)"', page)[0]
    visitor.open(address)
    response = visitor.send(address, instructions="Rhyme.", model="llama3.2:latest", **ALL)
    assert (response.status_code, response.location) == (303, address.removesuffix("/options"))
    visitor.open(response.location)
    answer = visitor.asks_and_waits("Again")
    chat = ollama.chats()[-1]
    wanted = {"temperature": 0.3, "num_predict": 100, "seed": 42, "num_ctx": 2048}
    assert (chat["options"], chat["keep_alive"], chat["think"]) == (wanted, "30m", False)
    assert "<instructions>\nRhyme.\n</instructions>" in chat["messages"][0]["content"]
    visitor.send(f"/answers/{answer}/again")
    visitor.watch(answer + 1)
    assert ollama.chats()[-1]["options"]["seed"] == 43  # the same again would be the same answer
    visitor.open(address)
    assert [shown_value(visitor.page, name) for name in ("temperature", "seed", "context")] == ["0.3", "42", "2048"]
    visitor.open("/")
    visitor.asks_and_waits("Another chat")
    assert ollama.chats()[-1]["options"] == {"num_predict": 2048}


@pytest.mark.parametrize(("level", "sent"), [("on", True), ("low", "low"), ("medium", "medium"), ("high", "high")])
def test_how_long_to_think_is_what_the_engine_is_told(
    visitor: Visitor, ollama: ScriptedOllama, level: str, sent: Any
) -> None:
    ollama.capabilities = {"llama3.2:latest": ["completion", "thinking"]}
    visitor.open("/options")
    visitor.page = visitor.send("/options", thinking=level, longest="7").text
    visitor.url = "/"
    visitor.asks_and_waits("Hi", options=visitor.field("options"), preset="", instructions="")
    assert (ollama.chats()[-1]["think"], ollama.chats()[-1]["options"]["num_predict"]) == (sent, 7)


def with_context(ollama: ScriptedOllama, tokens: int) -> Step:
    """The model is loaded with such a context."""
    return lambda answer: setattr(ollama, "context", tokens)


def test_a_context_of_its_own_loads_the_model_anew_once_and_back_for_others(
    visitor: Visitor, ollama: ScriptedOllama, services: Services
) -> None:
    def loads() -> list[Any]:
        return [each.body["options"].get("num_ctx") for each in ollama.requests if each.path == "/api/generate"]

    visitor.asks_and_waits("Hi")
    services.options.wish(conversation_of(visitor), Wishes(context=2048))
    assert 'data-context="2048"' in visitor.open(visitor.url), "it is counted against what was wished"
    ollama.script(with_context(ollama, 2048), status(200, {"done": True}), path="/api/generate")
    visitor.asks_and_waits("In a small one")
    visitor.asks_and_waits("Once more")
    assert loads() == [2048]
    assert services.conversations.history(conversation_of(visitor))[-1].figures.context_tokens == 2048
    ollama.script(with_context(ollama, 4096), status(200, {"done": True}), path="/api/generate")
    visitor.open("/")
    visitor.asks_and_waits("As usual")
    assert loads() == [2048, None]
    assert services.conversations.history(conversation_of(visitor))[-1].figures.context_tokens == 4096


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("temperature", "2.5", "Write a number from 0 to 2."),
        ("temperature", "nan", "Write a number"),
        ("temperature", "1e9", "Write a number"),
        ("longest", "2049", "from 1 to 2,048"),
        ("longest", "9" * 100_000, "from 1 to 2,048"),
        ("seed", "-1", "from 0 to 2,147,483,647"),
        ("seed", "<script>alert(1)</script>", "from 0 to"),
        ("context", "100", "from 512"),
        ("thinking", "<b>", "Choose one of the list."),
        ("keep_alive", "9h", "Choose one of the list."),
        ("model", "m" * 300, "Choose one of the list."),
        ("instructions", "ab\n" * (LONGEST_OWN // 3 + 1), "At most 4,000 characters"),
    ],
)
def test_what_cannot_be_is_said_at_its_field_and_nothing_is_lost(
    visitor: Visitor, services: Services, name: str, value: str, says: str
) -> None:
    visitor.asks_and_waits("Hi")
    address = visitor.url + "/options"
    visitor.open(address)
    kept = services.options.wishes(address.split("/")[2])
    response = visitor.send(address, **{"temperature": "0.5", "instructions": "Rhyme.", name: value})
    assert response.status_code == 422
    assert says in unescape(response.text)
    assert "<script>alert" not in response.text
    if name not in ("thinking", "keep_alive", "model"):
        assert value[:2000] in unescape(response.text)
    assert services.options.wishes(address.split("/")[2]) == kept
    visitor.open("/options")
    assert visitor.send("/options", **{name: value}).status_code == 422


def test_a_comma_is_a_point_too(visitor: Visitor, services: Services) -> None:
    visitor.asks_and_waits("Hi")
    visitor.send(visitor.url + "/options", temperature="0,7")
    assert services.options.wishes(conversation_of(visitor)).temperature == 0.7


def test_the_model_is_the_conversations(visitor: Visitor, ollama: ScriptedOllama, services: Services) -> None:
    ollama.models = ollama.loaded = ["llama3.2:latest", "mistral:latest"]
    services.engine.look()
    visitor.open("/")
    visitor.asks_and_waits("Hi", model="llama3.2:latest")
    visitor.open(visitor.url + "/options")
    assert '<option value="llama3.2:latest" selected>' in visitor.page
    home = "/c/" + visitor.url.split("/")[2]
    visitor.send(home + "/options", model="mistral:latest")
    visitor.open(home)
    assert '<option value="mistral:latest" selected>' in visitor.page
    first = int(re.findall(r'<article id="a(\d+)" class="answer"', visitor.page)[-1])
    visitor.send(f"/answers/{first}/again")
    visitor.watch(first + 1)
    assert ollama.chats()[-1]["model"] == "mistral:latest"
    visitor.open(home)
    visitor.asks_and_waits("Now another", model="llama3.2:latest")
    assert services.options.wishes(home.split("/")[2]).model == "llama3.2:latest"


def test_what_a_model_cannot_do_is_said_and_kept_for_another_one(
    visitor: Visitor, ollama: ScriptedOllama, services: Services
) -> None:
    visitor.asks_and_waits("Hi")
    services.options.wish(conversation_of(visitor), Wishes(thinking="high"))
    page = visitor.open(visitor.url + "/options")
    assert "llama3.2:latest does not think before it answers." in page
    assert re.search(r'<select id="thinking"[^>]* disabled', page)
    home = visitor.url.removesuffix("/options")
    visitor.send(home + "/options", temperature="1")  # browsers send no field that is switched off
    assert services.options.wishes(home.split("/")[2]).thinking == "high"
    ollama.capabilities = {"llama3.2:latest": ["completion", "thinking"]}
    assert not re.search(r'<select id="thinking"[^>]* disabled', visitor.open(home + "/options"))


def test_the_page_says_what_the_model_says_and_what_a_reload_takes(
    visitor: Visitor, ollama: ScriptedOllama, services: Services
) -> None:
    loaded = threading.Event()
    ollama.loaded = []
    ollama.script(gate(loaded), status(200, {"done": True}), path="/api/generate")
    answer = visitor.ask("Hi")
    threading.Timer(1.1, loaded.set).start()
    visitor.watch(answer)
    ollama.script(
        status(200, {"parameters": "temperature 0.65", "model_info": {"x.context_length": 8192}}), path="/api/show"
    )
    page = unescape(visitor.open(visitor.url + "/options"))
    assert "as the model says: 0.65." in page
    assert "can see 8,192." in page
    usual = re.search("Usual time: ([0-9]+)\u00a0s\\.", page)
    assert usual
    assert int(usual[1]) >= 2
    said = [re.sub("<[^>]+>", "", each) for each in re.findall(r'class="hint">(.*?)</div>', page, re.DOTALL)]
    loads = [" ".join(each.split()) for each in said if "load" in each]
    assert len(loads) == 3, "the model, its context, how long it is kept"
    assert loads[0] == "One that is not in memory is loaded first, before it answers."


def test_an_ollama_that_hangs_holds_up_no_page_of_options(visitor: Visitor, ollama: ScriptedOllama) -> None:
    visitor.asks_and_waits("Hi")
    ollama.script(gate(threading.Event()), path="/api/show")
    assert 'name="temperature"' in visitor.open(visitor.url + "/options")


def test_options_without_a_conversation_begin_the_next_chat(visitor: Visitor, ollama: ScriptedOllama) -> None:
    assert 'href="/options"' in visitor.open("/")
    visitor.open("/options")
    visitor.page = visitor.send("/options", instructions="Rhyme <b>well</b>.", temperature="0.1", seed="5").text
    assert "This chat begins with options of its own." in visitor.page
    visitor.url = "/"
    sent = {"options": visitor.field("options"), "preset": "", "instructions": "Rhyme <b>well</b>."}
    assert "Rhyme &lt;b&gt;well&lt;/b&gt;." in visitor.page
    visitor.asks_and_waits("Hi", **sent)
    chat = ollama.chats()[-1]
    assert (chat["options"]["temperature"], chat["options"]["seed"]) == (0.1, 5)
    assert "Rhyme <b>well</b>." in chat["messages"][0]["content"]


def test_a_message_that_is_refused_keeps_what_its_chat_begins_with(visitor: Visitor) -> None:
    refused = visitor.send("/messages", message=" ", options='{"seed": 7}', instructions="Rhyme.", preset="explain")
    assert refused.status_code == 422
    page = visitor.send("/messages", message="x" * 100_001, options='{"seed": 7}', instructions="Rhyme.").text
    assert unescape(re.findall('name="options" value="([^"]*)"', page)[0]) == '{"seed": 7}'
    assert '<textarea name="instructions" hidden>\nRhyme.</textarea>' in page


def test_a_temporary_chat_has_options_and_nothing_of_them_is_stored(
    visitor: Visitor, ollama: ScriptedOllama, services: Services, settings: Settings
) -> None:
    assert 'href="/options?temporary=1"' in visitor.open("/temporary")
    visitor.open("/options?temporary=1")
    visitor.page = visitor.send("/options", temporary="1", instructions="Quetzalcoatl.", seed="5").text
    assert 'action="/temporary"' in visitor.page
    begun = visitor.send("/temporary", message="Hi", options='{"seed": 5}', instructions="Quetzalcoatl.")
    visitor.open(begun.location)
    home = begun.location
    answer = int(re.findall(r'<article id="a(\d+)" class="answer"', visitor.page)[-1])
    visitor.watch(answer)
    assert ollama.chats()[-1]["options"]["seed"] == 5
    assert "Quetzalcoatl." in ollama.chats()[-1]["messages"][0]["content"]
    visitor.send(home + "/options", temperature="0", instructions="Quetzalcoatl!")
    assert services.options.wishes(home.split("/")[2]).temperature == 0
    found = [path for path in settings.data_dir.rglob("*") if path.is_file() and b"Quetzal" in path.read_bytes()]
    assert found == []


def test_instructions_are_held_to_the_rules_wherever_they_come_from(visitor: Visitor, services: Services) -> None:
    rule = Rule("rule-y", "Yaks", Kind.PHRASE, "yak", action=Action.REFUSE, reason="No yaks, please.")
    services.rules.change("a test", {"rule-y": Entry("rule-y", 0, as_json(rule))})
    visitor.asks_and_waits("Hi")
    refused = visitor.send(visitor.url + "/options", instructions="A yak.")
    assert refused.status_code == 422
    assert "No yaks, please." in refused.text
    visitor.open("/options")
    assert "No yaks, please." in visitor.send("/options", instructions="A yak.").text
    visitor.open("/")
    begun = visitor.send("/messages", message="Hi", instructions="A yak.")
    assert begun.status_code == 422
    assert "No yaks, please." in begun.text
    assert "A yak." in begun.text


def test_a_broken_row_is_no_broken_page(visitor: Visitor, services: Services) -> None:
    visitor.asks_and_waits("Hi")
    with services.database.writing() as connection:
        connection.exec_driver_sql("UPDATE conversations SET options = '[{\"seed\":'")
    assert 'name="seed"' in visitor.open(visitor.url + "/options")
    visitor.url = visitor.url.removesuffix("/options")
    visitor.open(visitor.url)
    visitor.asks_and_waits("Again")


def test_where_people_share_a_server_nobody_changes_what_everybody_waits_for(
    bob: Visitor, ollama: ScriptedOllama
) -> None:
    bob.asks_and_waits("Hi")
    home = bob.url
    page = bob.open(home + "/options")
    assert "Whoever runs this server decides it (NUM_CTX)" in page
    assert re.search(r'<input[^>]* disabled[^>]* id="context"|<input[^>]* id="context"[^>]* disabled', page)
    assert re.findall('<option value="([^"]*)"', page.partition('id="keep_alive"')[2]) == ["", "0", "5m"]
    bob.send(home + "/options", context="100000", keep_alive="24h", temperature="1")
    bob.send(home + "/options", context="100000", temperature="1")
    bob.open(home)
    bob.asks_and_waits("Again")
    assert ollama.chats()[-1]["options"] == {"num_predict": 2048, "temperature": 1.0}
    assert "keep_alive" not in ollama.chats()[-1]


def test_programs_that_go_on_with_a_conversation_have_its_options_and_others_their_own(
    visitor: Visitor, client: FlaskClient, ollama: ScriptedOllama, services: Services
) -> None:
    visitor.asks_and_waits("Hi")
    services.options.wish(conversation_of(visitor), Wishes(seed=9))
    client.post("/api/chat", json={"message": "On", "conversation_id": conversation_of(visitor)}).get_data()
    assert ollama.chats()[-1]["options"]["seed"] == 9
    client.post("/v1/chat/completions", json={"model": "", "messages": [{"role": "user", "content": "x"}], "seed": 3})
    assert ollama.chats()[-1]["options"]["seed"] == 3


def test_with_another_model_server_the_page_says_what_it_decides_itself(settings: Settings) -> None:
    from scripted_openai import ScriptedOpenAI

    with ScriptedOpenAI() as server:
        other = replace(settings, engine="openai", openai_base_url=server.url, embedded_engine="off")
        with running(other) as app:
            asked_of_openai(app, server)


def asked_of_openai(app: Flask, server: Any) -> None:
    visitor = Visitor(app.test_client())
    visitor.open("/")
    visitor.asks_and_waits("Hi")
    home = visitor.url
    page = visitor.open(home + "/options")
    assert page.count("The model server decides it by itself.") == 2
    visitor.send(home + "/options", temperature="0.4", seed="4", longest="50", thinking="low", context="600")
    visitor.open(home)
    visitor.asks_and_waits("Again")
    asked = server.chats()[-1]
    assert (asked["temperature"], asked["seed"], asked["max_tokens"]) == (0.4, 4, 50)
    assert asked["reasoning_effort"] == "low"
    assert "num_ctx" not in json.dumps(asked)
