"""Presets and saved prompts: each keeps their own, begins chats with them, and nothing of them is executed."""

from __future__ import annotations

import re
import tracemalloc
from html import unescape

import pytest
from flask import Flask
from people import BOB
from scripted_ollama import ScriptedOllama
from sqlalchemy import text as sql
from visitor import Visitor

from insight_app.chat import presets, saved_prompts
from insight_app.chat.options import Wishes
from insight_app.chat.presets import built_in
from insight_app.chat.saved_prompts import SavedPrompt, found
from insight_app.errors import DatabaseBusy, NotThere, TooManyKept
from insight_app.moderation.rulebook import as_json
from insight_app.moderation.rules import Action, Kind, Rule
from insight_app.moderation.store import Entry
from insight_app.services import Services

ODD = "<script>alert(1)</script>\"'> مرحبا {{ 7*7 }}"
PAGE = "/settings/presets"


def begin(visitor: Visitor, address: str) -> None:
    """The first prompt of a chat from that page, as its form carries along what it begins with."""
    page = visitor.open(address)
    visitor.url = "/"
    instructions = re.findall(r'<textarea name="instructions" hidden>\n(.*?)</textarea>', page, re.DOTALL)
    sent = {"options": visitor.field("options"), "preset": visitor.field("preset")}
    visitor.asks_and_waits("Hi", instructions=unescape(instructions[0]), **sent)


def test_the_first_page_offers_presets_and_a_chat_begins_with_the_chosen_one(
    visitor: Visitor, ollama: ScriptedOllama, services: Services
) -> None:
    page = visitor.open("/")
    for preset in built_in():
        assert f'href="/?preset={preset.id}"' in page
    assert "aria-current" not in page.partition('class="ways"')[2].partition("</nav>")[0]
    page = visitor.open("/?preset=translate")
    assert re.search(r'preset=translate" aria-current="true"', page)
    assert "This chat begins with “<bdi>Translate</bdi>”." in page
    begin(visitor, "/?preset=translate")
    chat = ollama.chats()[-1]
    assert "Translate each message" in chat["messages"][0]["content"]
    assert chat["options"]["temperature"] == 0.2
    conversation = visitor.url.rpartition("/")[2]
    assert services.conversations.instructions(conversation).startswith("Translate each message")


def test_what_a_chat_begins_with_is_stored_with_its_first_prompt(
    visitor: Visitor, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a server that ended just then, or a busy database, left a chat that answers otherwise than wished."""

    def busy(*_where: object, **_what: object) -> None:
        raise DatabaseBusy

    monkeypatch.setattr(services.options, "_set", busy)
    begin(visitor, "/?preset=translate")
    conversation = visitor.url.rpartition("/")[2]
    assert services.conversations.instructions(conversation).startswith("Translate each message")
    assert services.options.wishes(conversation).temperature == 0.2


def test_a_preset_of_ones_own_is_made_changed_chosen_and_deleted(visitor: Visitor, ollama: ScriptedOllama) -> None:
    visitor.open(PAGE + "/new")
    made = visitor.send(PAGE, name=ODD[:60], instructions=ODD, temperature="1.5", model="")
    assert made.status_code == 303
    page = visitor.open(PAGE)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    address = re.findall(rf'"({PAGE}/[\w-]{{10,}})"', page)[0]
    assert "Talk" not in visitor.open(address)
    assert visitor.send(address, name="Pirate", instructions="Talk like a pirate.", seed="3").status_code == 303
    preset = address.rpartition("/")[2]
    assert "Pirate" in visitor.open("/")
    begin(visitor, f"/?preset={preset}")
    assert "Talk like a pirate." in ollama.chats()[-1]["messages"][0]["content"]
    assert ollama.chats()[-1]["options"]["seed"] == 3
    visitor.open(address)
    assert visitor.send(address + "/delete").location == PAGE + "?done=deleted"
    assert "Pirate" not in visitor.open("/")
    assert "This chat begins with" not in visitor.open(f"/?preset={preset}")
    visitor.open("/")
    assert visitor.send(address, name="x").status_code == 404


def test_the_model_of_a_preset_is_the_one_that_is_picked(
    visitor: Visitor, ollama: ScriptedOllama, services: Services
) -> None:
    ollama.models = ollama.loaded = ["llama3.2:latest", "mistral:latest"]
    services.engine.look()
    preset = services.presets.add("", "Mine", "", Wishes(model="mistral:latest"))
    assert '<option value="mistral:latest" selected>' in visitor.open(f"/?preset={preset}")
    plain = services.presets.add("", "Any", "Be brief.", Wishes())
    assert "selected" not in visitor.open(f"/?preset={plain}").partition('id="model"')[2].partition("</select>")[0]


def test_a_conversation_takes_a_preset_over_only_when_it_is_saved(visitor: Visitor, services: Services) -> None:
    visitor.asks_and_waits("Hi")
    home = visitor.url
    page = visitor.open(home + "/options?preset=review")
    assert "Filled in from “<bdi>Review code</bdi>”. Nothing is changed until you save." in page
    assert "Name mistakes first" in page
    assert services.conversations.instructions(home.rpartition("/")[2]) == ""


def test_a_conversations_options_are_kept_as_a_preset(visitor: Visitor, services: Services) -> None:
    visitor.asks_and_waits("Hi")
    address = visitor.url + "/options"
    visitor.open(address)
    assert visitor.send(address + "/preset", instructions="Rhyme.").status_code == 422
    page = visitor.send(address + "/preset", instructions="Rhyme.", name="Verses", seed="8", model="").text
    assert "Kept as the preset “<bdi>Verses</bdi>”." in page
    (kept,) = services.presets.of("")
    assert (kept.name, kept.instructions, kept.wishes) == ("Verses", "Rhyme.", Wishes(seed=8))


def test_the_instructions_of_a_preset_are_held_to_the_rules_when_it_is_used(
    visitor: Visitor, services: Services
) -> None:
    preset = services.presets.add("", "Yaks", "Speak of the yak.", Wishes())
    rule = Rule("rule-y", "Yaks", Kind.PHRASE, "yak", action=Action.REFUSE, reason="No yaks, please.")
    services.rules.change("a test", {"rule-y": Entry("rule-y", 0, as_json(rule))})
    visitor.open(f"/?preset={preset}")
    refused = visitor.send("/messages", message="Hi", instructions="Speak of the yak.", preset=preset, options="")
    assert refused.status_code == 422
    assert "No yaks, please." in refused.text
    assert services.conversations.newest_conversations().conversations == []


def test_nobody_keeps_more_than_they_can_find_again(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services.presets, "most", 2)
    monkeypatch.setattr(services.saved_prompts, "most", 2)
    for number in range(2):
        services.presets.add("", f"{number}", "", Wishes())
        services.saved_prompts.add("", f"{number}", "x")
    with pytest.raises(TooManyKept):
        services.presets.add("", "3", "", Wishes())
    with pytest.raises(TooManyKept):
        services.saved_prompts.add("", "3", "x")
    services.saved_prompts.add("somebody else", "1", "x")


def test_what_there_is_no_room_for_comes_back(
    visitor: Visitor, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor.asks_and_waits("Hi")
    options = visitor.url + "/options"
    for kind in (services.presets, services.saved_prompts):
        monkeypatch.setattr(kind, "most", 0)
    typed = {"name": "Mine", "instructions": "Written for an hour.", "text": "Written for an hour."}
    for address in (PAGE, PAGE + "/prompts", options + "/preset"):
        visitor.open("/")
        refused = visitor.send(address, **typed)
        assert refused.status_code == 422
        assert "You keep 0 of these already. Delete some that you no longer need, then save again." in refused.text
        assert "Written for an hour." in refused.text


def test_they_are_their_owners_alone_and_go_with_everything(alice: Visitor, bob: Visitor, shared: Flask) -> None:
    services: Services = shared.extensions["insight"]
    account = services.accounts.store.of_email(BOB)
    assert account
    preset = services.presets.add(account.id, "Pirate", "Arr.", Wishes())
    saved = services.saved_prompts.add(account.id, "Hello", "Hello {{name}}")
    assert "Pirate" in bob.open("/")
    assert "Pirate" not in alice.open("/")
    assert "This chat begins" not in alice.open(f"/?preset={preset}")
    for address in (f"{PAGE}/{preset}", f"{PAGE}/prompts/{saved}", f"/saved-prompts/{saved}"):
        assert alice.client.get(address).status_code == 404
        assert bob.client.get(address).status_code == 200
        alice.open("/")
        assert alice.send(address, name="Mine", text="Mine").status_code == 404
    bob.open("/settings/privacy")
    assert bob.send("/settings/privacy/delete").status_code == 303
    for table in ("presets", "saved_prompts"):
        with services.database.reading() as connection:
            assert connection.execute(sql(f"SELECT count(*) FROM {table}")).scalar() == 0
    with pytest.raises(NotThere):
        services.presets.find(preset, account.id)


@pytest.mark.parametrize(
    ("place", "fields", "says"),
    [
        ("", {"name": " ", "instructions": "x"}, "Give it a name."),
        ("", {"name": "x" * (presets.LONGEST_NAME + 1)}, "At most 60 characters"),
        ("", {"name": "x", "temperature": "hot"}, "Write a number"),
        ("/prompts", {"name": "", "text": "x"}, "Give it a name."),
        ("/prompts", {"name": "x" * (saved_prompts.LONGEST_NAME + 1), "text": "x"}, "At most 120 characters"),
        ("/prompts", {"name": "x", "text": " \n "}, "Write the prompt."),
        ("/prompts", {"name": "x", "text": "ü" * 100_001}, "At most 100,000 characters"),
    ],
)
def test_what_cannot_be_kept_is_said_and_comes_back(
    visitor: Visitor, services: Services, place: str, fields: dict[str, str], says: str
) -> None:
    visitor.open(PAGE + place + "/new")
    response = visitor.send(PAGE + place, **fields)
    assert response.status_code == 422
    assert says in response.text
    assert (fields.get("text") or fields.get("instructions") or fields["name"]).strip()[:100] in response.text
    assert (services.presets.of(""), services.saved_prompts.of("")) == ([], [])


def save(visitor: Visitor, name: str, text: str) -> str:
    """Saves a prompt; its address where prompts are chosen."""
    visitor.open(PAGE + "/prompts/new")
    assert visitor.send(PAGE + "/prompts", name=name, text=text).status_code == 303
    page = visitor.open(PAGE)
    return "/saved-prompts/" + re.findall(rf'"{PAGE}/prompts/([\w-]{{10,}})"', page)[-1]


def test_a_saved_prompt_is_filled_in_and_put_where_one_writes_but_not_sent(
    visitor: Visitor, ollama: ScriptedOllama
) -> None:
    visitor.asks_and_waits("Hi")
    home, asked = visitor.url, len(ollama.chats())
    place = home.rpartition("/")[2]
    address = save(visitor, ODD, "In {{language=English}}: {{text}} ({{language}})\n")
    page = visitor.open(f"/saved-prompts?to={place}")
    assert f'href="{address}?to={place}"' in page
    assert "<script>alert" not in page
    page = visitor.open(f"{address}?to={place}")
    assert page.count('<label for="value-') == 2
    assert ">\nEnglish</textarea>" in page
    put = visitor.send(f"{address}?to={place}", **{"value-0": "Deutsch", "value-1": "<b>{{language}}</b>"}).text
    assert "In Deutsch: &lt;b&gt;{{language}}&lt;/b&gt; (Deutsch)</textarea>" in put
    assert f'action="{home}/messages"' in put
    # It is that chat's page in all else too.
    assert f'href="{home}/options"' in put
    assert f'href="/saved-prompts?to={place}"' in put
    assert f'href="{home}" dir="auto" aria-current="page"' in put
    assert len(ollama.chats()) == asked
    swapped = visitor.send(f"{address}?to={place}", htmx=True, **{"value-0": "x"}).text
    assert "<!doctype" not in swapped
    assert "In x:  (x)</textarea>" in swapped


@pytest.mark.parametrize(("to", "action"), [("", "/messages"), ("?to=temporary", "/temporary")])
def test_a_prompt_that_leaves_nothing_open_is_put_there_at_once(visitor: Visitor, to: str, action: str) -> None:
    address = save(visitor, "Hello", "Hello there")
    page = visitor.open(address + to)
    assert f'action="{action}"' in page
    assert "Hello there</textarea>" in page


def test_what_a_new_chat_begins_with_is_kept_on_the_way_to_a_saved_prompt(visitor: Visitor) -> None:
    address, way = save(visitor, "Hello", "Hello {{name}}"), "?to=temporary&amp;preset=translate"
    assert f'href="/saved-prompts{way}"' in visitor.open("/temporary?preset=translate")
    assert f'href="{address}{way}"' in visitor.open(f"/saved-prompts{unescape(way)}")
    assert f'action="{address}{way}"' in visitor.open(address + unescape(way))
    put = visitor.send(address + unescape(way), **{"value-0": "you"}).text
    assert "Hello you</textarea>" in put
    assert 'action="/temporary"' in put
    assert '<input type="hidden" name="preset" value="translate">' in put
    assert f'href="/saved-prompts{way}"' in put  # the next one is for the same chat, which is not kept


def test_a_prompt_for_a_chat_of_somebody_else_goes_nowhere(visitor: Visitor) -> None:
    address = save(visitor, "Hello", "Hello there")
    assert visitor.client.get(address + "?to=nobody").status_code == 404
    assert visitor.client.get(address + "?to=temporary-gone").status_code == 404


def test_a_prompt_that_becomes_too_long_is_said_and_what_was_written_comes_back(visitor: Visitor) -> None:
    address = save(visitor, "Twice", "{{text}} {{text}}")
    visitor.open(address)
    response = visitor.send(address, **{"value-0": "y" * 60_000})
    assert response.status_code == 422
    assert "y" * 60_000 in response.text


def test_a_prompt_that_would_fill_the_memory_is_not_made(visitor: Visitor) -> None:
    address = save(visitor, "Bomb", "{{a}}" * 4_000)
    visitor.open(address)
    tracemalloc.start()
    response = visitor.send(address, **{"value-0": "y" * 50_000})
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert response.status_code == 422
    assert "200,000,000" in response.text
    assert most < 50_000_000


def test_many_prompts_are_searched(visitor: Visitor, services: Services) -> None:
    for number in range(9):
        services.saved_prompts.add("", f"Number {number}", f"Text {'with a yak' if number == 4 else ''}")
    page = visitor.open("/saved-prompts?find=YAK+number")
    assert page.count('href="/saved-prompts/') == 1
    assert 'type="search"' in page
    assert "None has these words." in visitor.open(f"{PAGE}?find=zebra")
    listed = visitor.client.get("/saved-prompts?find=yak&part=list", headers={"HX-Request": "true"}).text
    assert listed.startswith('<div id="saved">')
    for number in range(60):
        services.saved_prompts.add("", f"Other {number}", "x" * 2000)
    page = visitor.open("/saved-prompts")
    assert page.count('href="/saved-prompts/') == 50
    assert "And 19 more: search for them." in page


def test_words_are_found_in_any_order_and_case() -> None:
    prompts = [SavedPrompt("1", "Straße", "To the sea"), SavedPrompt("2", "Other", "To the hills")]
    assert [each.id for each in found(prompts, "SEA strasse")] == ["1"]
    assert found(prompts, " ") == prompts


def test_a_changed_or_deleted_prompt_is_gone_from_every_file(visitor: Visitor, services: Services) -> None:
    folder = services.settings.data_dir

    def has(word: bytes) -> bool:
        return any(word in path.read_bytes() for path in folder.rglob("*") if path.is_file())

    services.pruning.close()
    saved = services.saved_prompts.add("", "Animal", "quetzalcoatl")
    preset = services.presets.add("", "Animal", "quetzalcoatl", Wishes())
    services.saved_prompts.change(saved, "", "Animal", "xylophone")
    services.presets.change(preset, "", "Animal", "xylophone", Wishes())
    services.pruning.look()
    assert not has(b"quetzalcoatl")
    services.saved_prompts.delete(saved, "")
    services.presets.delete(preset, "")
    services.pruning.look()
    assert not has(b"xylophone")


def test_of_many_presets_a_page_shows_a_few_with_the_chosen_one_and_folds_the_rest(
    visitor: Visitor, services: Services
) -> None:
    def ways(address: str) -> tuple[list[str], list[str]]:
        """What is seen at once, and what is folded."""
        nav = visitor.open(address).partition('<nav class="ways"')[2].partition("</nav>")[0]
        seen, _, folded = nav.partition("<details")
        return re.findall(r"href=.*preset=([\w-]+)\"", seen), re.findall(r"href=.*preset=([\w-]+)\"", folded)

    everybodys = [each.id for each in built_in()]
    assert ways("/") == (everybodys, [])
    mine = [services.presets.add("", f"Mine {number}", "", Wishes()) for number in range(2)]
    assert ways("/") == (mine + everybodys, []), "to fold one away would save nothing"
    mine += [services.presets.add("", f"Mine {number}", "", Wishes()) for number in (3, 4, 5)]
    assert ways("/") == (mine[:4], [mine[4], *everybodys])
    assert ways("/temporary?preset=review") == ([*mine[:4], "review"], [mine[4], "explain", "translate"])
    assert ways("/options?preset=review") == ([*mine[:4], "review"], [mine[4], "explain", "translate"])


@pytest.mark.parametrize(("code", "language"), [("en", "English"), ("de", "Deutsch"), ("ar", "العربية")])
def test_a_chat_that_translates_does_so_into_the_language_of_the_page(
    visitor: Visitor, ollama: ScriptedOllama, code: str, language: str
) -> None:
    visitor.client.set_cookie("language", code)
    begin(visitor, "/?preset=translate")
    assert language in ollama.chats()[-1]["messages"][0]["content"]
