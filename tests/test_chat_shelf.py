"""The archive, and the bin with its way back."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import pytest
from sqlalchemy import update
from visitor import Visitor

from insight_app.chat import days
from insight_app.chat.messages import BIN_SECONDS
from insight_app.errors import NotThere
from insight_app.services import Services
from insight_app.storage.tables import conversations

ON_BOTH_DATABASES = True


@pytest.fixture
def home(visitor: Visitor) -> str:
    visitor.open("/")
    visitor.asks_and_waits("Tell me of the xylophage")
    return visitor.url.removeprefix("/c/")


def test_an_archived_conversation_leaves_the_list_and_comes_back(visitor: Visitor, home: str) -> None:
    assert "<p>This conversation is archived.</p>" not in visitor.page
    visitor.send(f"/c/{home}/archive", archived="1")
    assert f'id="c-{home}"' not in visitor.open("/")
    assert f'/c/{home}"' in visitor.open("/archived")
    assert "<p>This conversation is archived.</p>" in visitor.open(f"/c/{home}")
    visitor.send(f"/c/{home}/archive")
    assert f'id="c-{home}"' in visitor.open("/")
    assert f'/c/{home}"' not in visitor.open("/archived").partition("<main")[2]


def test_what_was_archived_or_brought_back_is_said_without_a_script(visitor: Visitor, home: str) -> None:
    def said(location: str) -> str:
        page = visitor.open(location)
        visitor.open("/")
        return page.partition('role="status" tabindex="-1" autofocus>')[2].partition("</div>")[0]

    assert "Archived: Tell me" in said(visitor.send(f"/c/{home}/archive", archived="1").location)
    back = visitor.send(f"/c/{home}/archive", stay="1").location
    assert back.startswith("/archived")
    assert "Back in the list: Tell me" in said(back)
    visitor.send(f"/c/{home}/archive", archived="1")
    assert "Back in the list: Tell me" in said(visitor.send(f"/c/{home}/archive").location)
    visitor.send(f"/c/{home}/delete")
    assert "Back in the list: Tell me" in said(visitor.send(f"/c/{home}/undo").location)
    assert [said(f"/archived?moved={odd}") for odd in ("", "no-such", "~gone", "<b>")] == [""] * 4


def test_who_writes_in_an_archived_conversation_brings_it_back(visitor: Visitor, home: str) -> None:
    visitor.send(f"/c/{home}/archive", archived="1")
    visitor.open(f"/c/{home}")
    visitor.asks_and_waits("And more of it")
    assert f'id="c-{home}"' in visitor.open("/")


def test_with_htmx_the_list_comes_anew_and_it_is_said(visitor: Visitor, home: str) -> None:
    part = visitor.send(f"/c/{home}/archive", htmx=True, archived="1").text
    assert "<html" not in part
    assert f'id="c-{home}"' not in part
    assert "Archived" in part
    # It was the only one: something must come to be swapped all the same, or its line would stay.
    assert part.lstrip().startswith("<li")


def test_what_is_deleted_is_hidden_at_once_and_comes_back_whole(
    visitor: Visitor, home: str, services: Services
) -> None:
    _, answer = services.conversations.history(home)
    before = visitor.open(f"/c/{home}")
    response = visitor.send(f"/c/{home}/delete")
    assert response.location.endswith(f"?deleted={home}")
    client = visitor.client
    for address in (f"/c/{home}", f"/c/{home}/edit", f"/answers/{answer.id}/text", f"/prompts/{answer.id - 1}"):
        assert client.get(address).status_code == 404
    assert client.get(f"/api/answers/{answer.id}").status_code == 404
    stream = client.get(f"/answers/{answer.id}/stream?from=0").text
    assert "scripted" not in stream.casefold()
    assert f'hx-target="#a{answer.id}"' in stream
    assert home not in client.get("/settings/privacy/download").text
    assert visitor.send(f"/c/{home}/messages", message="more").status_code == 404
    page = visitor.open(response.location)
    assert f'id="c-{home}"' not in page
    assert "Undo" in page
    assert "Undo" in visitor.open(response.location)  # it outlives a reload
    assert "Tell me of" in visitor.open("/bin")
    visitor.send(f"/c/{home}/undo")
    assert visitor.open(f"/c/{home}").count("<article") == before.count("<article")
    assert "Undo" not in visitor.open(response.location)
    assert visitor.send(f"/c/{home}/undo").status_code == 303  # twice is no fault
    visitor.send(f"/c/{home}/purge")  # of a page that does not know yet
    assert visitor.client.get(f"/c/{home}").status_code == 200


def test_nobody_need_wait_until_it_is_gone(visitor: Visitor, home: str, services: Services) -> None:
    visitor.send(f"/c/{home}/delete")
    visitor.open("/bin")
    visitor.send(f"/c/{home}/purge")
    assert services.conversations.bin() == []
    assert visitor.send(f"/c/{home}/undo").status_code == 404
    visitor.open("/")
    visitor.asks_and_waits("Another one")
    other = visitor.url.removeprefix("/c/")
    response = visitor.send(f"/c/{other}/delete", now="1")
    assert "deleted" not in response.location
    assert services.conversations.bin() == []


def test_after_a_while_it_is_gone_by_itself(visitor: Visitor, home: str, services: Services) -> None:
    visitor.send(f"/c/{home}/delete")
    services.retention.empty_bin()
    (binned,) = services.conversations.bin()
    assert 0 < binned.seconds_left(binned.deleted_at + 1) < BIN_SECONDS
    for moved in (-BIN_SECONDS - 1, BIN_SECONDS + 60):  # it is time; the clock was set back
        with services.database.writing() as connection:
            connection.execute(update(conversations).values(deleted_at=binned.deleted_at + moved))
        if moved > 0:
            continue
        services.retention.empty_bin()
        assert services.conversations.bin() == []
        with pytest.raises(NotThere):
            services.conversations.take_out_of_bin(home)
        visitor.open("/")
        visitor.asks_and_waits("One more")
        visitor.send(f"{visitor.url}/delete")
    services.retention.empty_bin()
    assert services.conversations.bin() == []


def test_deleting_everything_takes_the_bin_along(visitor: Visitor, home: str, services: Services) -> None:
    visitor.send(f"/c/{home}/delete")
    services.delete_everything_of("")
    assert services.conversations.bin() == []


def test_a_temporary_chat_is_gone_at_once_and_is_never_archived(visitor: Visitor, services: Services) -> None:
    visitor.open("/temporary")
    visitor.send("/temporary", message="hello", key="k")
    prompt = services.conversations.sent_with("k", temporary=True)
    assert prompt is not None
    assert visitor.send(f"/c/{prompt.conversation_id}/archive", archived="1").status_code == 404
    assert "deleted" not in visitor.send(f"/c/{prompt.conversation_id}/delete").location
    with pytest.raises(NotThere):
        services.conversations.conversation(prompt.conversation_id)


NOW = datetime(2026, 11, 28, 9, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        (timedelta(hours=-5), "Today"),
        (timedelta(hours=8), "Today"),
        (timedelta(hours=10), "Yesterday"),
        (timedelta(days=2), "Last 7 days"),
        (timedelta(days=7), "Last 7 days"),
        (timedelta(days=8), "Last 30 days"),
        (timedelta(days=30), "Last 30 days"),
        (timedelta(days=31), "October 2026"),
        (timedelta(days=400), "October 2025"),
    ],
)
def test_conversations_stand_under_their_day(ago: timedelta, said: str) -> None:
    at = (NOW - ago).timestamp()
    assert days.heading(days.group(at, False, NOW.date(), timezone.utc)) == said
    assert days.heading(days.group(at, True, NOW.date(), timezone.utc)) == "Pinned"


def test_the_day_is_the_one_where_the_reader_is() -> None:
    tokyo = days.zone_named("Asia/Tokyo")
    assert days.day_in(tokyo, datetime(2026, 11, 28, 16, tzinfo=timezone.utc).timestamp()).day == 29
    for odd in ("", "../../etc/passwd", "Europe", "Nowhere/At_all", "a" * 500, "Europe/\0", "/etc/localtime", "é"):
        assert days.zone_named(odd) is None
    for never in (float("nan"), 1e300, -1e300):
        days.heading(days.group(never, False, NOW.date(), tokyo))


def headings(page: str) -> list[str]:
    return re.findall(r'<li class="day"><h2>([^<]*)</h2>', page)


def test_a_heading_is_not_repeated_where_older_ones_come(visitor: Visitor, services: Services) -> None:
    for number in range(70):
        services.conversations.ask(f"Talk {number}", model="")
    page = visitor.open("/c/" + services.conversations.newest_conversations().conversations[0].id + "?before=123")
    assert headings(page) == ["Today"]
    url = re.findall(r'href="(/conversations[^"]*)"', page)[-1].replace("&amp;", "&")
    older = visitor.client.get(url, headers={"HX-Request": "true"}).text
    assert older.count("<li id=") == 20
    assert headings(older) == []
    with services.database.writing() as connection:
        connection.execute(update(conversations).values(updated_at=conversations.c.updated_at - 86_400 * 40))
    newest = services.conversations.newest_conversations().conversations[0]
    services.conversations.pin(newest.id, is_pinned=True)
    page = visitor.open("/")
    assert headings(page)[0] == "Pinned"
    assert len(headings(page)) in (2, 3)  # of one month, or of two
