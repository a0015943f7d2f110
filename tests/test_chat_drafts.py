"""What is typed and not sent, without JavaScript: it goes along to the pages around a chat, and comes back."""

from __future__ import annotations

import io
import re
import threading
from html import unescape

import pytest
from scripted_ollama import ScriptedOllama, gate, silence
from sqlalchemy import select
from test_chat_presets import save
from visitor import Visitor

from insight_app.services import Services
from insight_app.storage.tables import attachments

TYPED = "  <b>Half</b> a thought, \n\nwith a\ttab"


def goes(visitor: Visitor, name: str, **fields: object) -> str:
    """Presses the button of this name, which sends what the form that it belongs to has."""
    buttons = re.findall(r'<button [^>]*formaction="([^"]+)"([^>]*>.*?)</button>', visitor.page, re.DOTALL)
    address = next(address for address, rest in buttons if name in rest)
    return sends(visitor, unescape(address), **fields)


def sends(visitor: Visitor, url: str, **fields: object) -> str:
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', visitor.page))
    hidden |= {
        each: carried(visitor.page, each) for each in ("message", "instructions") if f'name="{each}"' in visitor.page
    }
    data = {name: unescape(value) for name, value in hidden.items()} | fields
    response = visitor.client.post(url, data=data)
    assert response.status_code == 200, response.status
    visitor.page = response.text
    return visitor.page


def carried(page: str, name: str = "message") -> str:
    """What the page has in its text field of this name."""
    found = re.search(rf'<textarea [^>]*name="{name}"[^>]*>\n?(.*?)</textarea>', page, re.DOTALL)
    assert found
    return unescape(found[1])


@pytest.mark.parametrize("place", ["/", "/temporary"])
def test_a_draft_goes_along_to_the_options_of_a_new_chat_and_back(visitor: Visitor, place: str) -> None:
    visitor.open(place)
    page = goes(visitor, "Options of this chat", message=TYPED)
    assert carried(page) == TYPED
    page = goes(visitor, "Translate", message=TYPED)
    assert "Filled in from" in page
    assert carried(page) == TYPED
    page = sends(visitor, "/options", temperature="0.5")
    assert carried(page) == TYPED
    assert "&#34;temperature&#34;: 0.5" in page
    assert f'action="{"/temporary" if place == "/temporary" else "/messages"}"' in page
    assert carried(goes(visitor, "Options of this chat")) == TYPED
    assert 'value="0.5"' in visitor.page
    assert carried(goes(visitor, "Cancel")) == TYPED


def test_a_draft_goes_along_to_the_options_of_a_conversation_and_back(visitor: Visitor, services: Services) -> None:
    visitor.asks_and_waits("Hi")
    home, place = visitor.url, visitor.url.rpartition("/")[2]
    goes(visitor, "Options of this chat", message=TYPED)
    assert (
        "cannot be used"
        in visitor.client.post(
            f"{home}/options", data={"csrf_token": visitor.field("csrf_token"), "message": TYPED, "temperature": "hot"}
        ).text
    )
    page = sends(visitor, f"{home}/options", temperature="0.5")
    assert services.options.wishes(place).temperature == 0.5
    assert carried(page) == TYPED
    assert f'action="{home}/messages"' in page


def test_a_saved_prompt_follows_the_draft(visitor: Visitor) -> None:
    address = save(visitor, "Hello", "Hello {{name}}")
    visitor.open("/temporary?preset=translate")
    page = goes(visitor, "Saved prompts", message=TYPED, model="llama3.2")
    assert carried(page) == TYPED
    assert carried(goes(visitor, "Hello")) == TYPED
    assert carried(goes(visitor, "Back")) == TYPED
    goes(visitor, "Hello")
    page = sends(visitor, address + "?to=temporary&preset=translate", **{"value-0": "you"})
    assert carried(page) == f"{TYPED}\n\nHello you"
    assert 'action="/temporary"' in page
    assert '<input type="hidden" name="preset" value="translate">' in page


def test_saved_prompts_are_searched_with_the_draft_and_without_it_in_an_address(
    visitor: Visitor, services: Services
) -> None:
    for number in range(9):
        services.saved_prompts.add("", f"Number {number}", "with a yak" if number == 4 else "none")
    visitor.open("/")
    goes(visitor, "Saved prompts", message=TYPED)
    page = sends(visitor, "/draft?for=saved", find="yak")
    assert page.count('class="one"') == 1
    assert carried(page) == TYPED
    assert "thought" not in "".join(re.findall(r'(?:href|action)="[^"]*"', page))


def test_a_preset_is_chosen_with_the_draft(visitor: Visitor) -> None:
    visitor.open("/")
    page = goes(visitor, "Translate", message=TYPED)
    assert carried(page) == TYPED
    assert "This chat begins with" in page


def test_files_go_along_and_one_that_cannot_be_read_loses_nothing(visitor: Visitor) -> None:
    visitor.open("/")
    page = goes(visitor, "Options of this chat", message="", files=(io.BytesIO(b"The plan."), "plan.txt"))
    assert len(re.findall(r'name="attachment" value="[\w-]+"', page)) == 1
    page = sends(visitor, "/options")
    assert 'name="attachment"' in page
    visitor.open("/")
    broken = {"message": TYPED, "files": (io.BytesIO(b"\x89PNG\r\n\x1a\n broken"), "a.png")}
    response = visitor.client.post("/draft?for=options", data={"csrf_token": visitor.field("csrf_token"), **broken})
    assert response.status_code == 422
    assert carried(response.text) == TYPED
    assert 'action="/messages"' in response.text


def test_what_is_typed_for_a_temporary_chat_stays_off_the_disk(visitor: Visitor, services: Services) -> None:
    visitor.open("/temporary")
    goes(visitor, "Options of this chat", message=TYPED, files=(io.BytesIO(b"The plan."), "plan.txt"))
    page = sends(visitor, "/options")
    assert carried(page) == TYPED
    assert 'value="temporary-' in page
    with services.database.reading() as connection:
        assert not connection.execute(select(attachments.c.id)).all()


def test_stop_keeps_what_is_typed_meanwhile(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.script("Begun", silence)
    answer_id = visitor.ask("Hi")
    place = visitor.url.removeprefix("/c/")
    page = sends(visitor, f"/answers/{answer_id}/stop?to={place}", message=TYPED)
    assert carried(page) == TYPED
    assert f'action="/c/{place}/messages"' in page
    assert 'data-state="stopped"' in page
    # With nothing typed the conversation has its own address.
    assert visitor.send(f"/answers/{answer_id}/stop?to={place}", message="").location == f"/c/{place}"


def test_who_comes_back_to_an_answer_that_is_being_written_reads_on_with_the_draft(
    visitor: Visitor, ollama: ScriptedOllama
) -> None:
    opened = threading.Event()
    ollama.script("Begun", gate(opened), " and ended.")
    visitor.ask("Hi")
    typed = {"csrf_token": visitor.field("csrf_token"), "message": TYPED}
    response = visitor.client.post(f"/draft?to={visitor.url.removeprefix('/c/')}", data=typed, buffered=False)
    parts = (part if isinstance(part, str) else part.decode() for part in response.response)
    assert carried(next(parts)) == TYPED
    opened.set()
    assert "Begun and ended." in "".join(parts)


def test_a_draft_for_a_chat_of_nobody_is_not_lost(visitor: Visitor) -> None:
    visitor.open("/")
    response = visitor.client.post(
        "/draft?to=nobody", data={"csrf_token": visitor.field("csrf_token"), "message": TYPED}
    )
    assert response.status_code == 404
    assert carried(response.text) == TYPED
