"""The tree of a conversation: the path a page shows, the part of it, and which messages stand in one place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insight_app.chat.tree import Part, Tree, part
from insight_app.errors import NotThere


def test_the_path_goes_from_the_root_to_the_newest_message() -> None:
    assert Tree({1: None, 2: 1, 3: 2, 4: 1, 5: 4}).path() == [1, 4, 5]
    assert Tree({}).path() == []


def test_a_path_through_a_message_goes_on_to_the_newest_below_it() -> None:
    tree = Tree({1: None, 2: 1, 3: 2, 4: 3, 5: 1, 6: None})
    assert tree.path(2) == [1, 2, 3, 4]
    assert tree.path(5) == [1, 5]
    assert tree.path(1) == [1, 5]
    assert tree.path() == [6]
    with pytest.raises(NotThere):
        tree.path(99)


def test_messages_after_one_message_are_tries_in_one_place() -> None:
    tree = Tree({1: None, 7: 1, 2: 1, 3: 2, 4: None})
    assert tree.tries(7) == [2, 7]
    assert tree.tries(3) == [3]
    assert tree.tries(1) == [1, 4]


def test_a_short_path_is_one_part() -> None:
    assert part([1, 2, 3], size=3) == Part([1, 2, 3])
    assert part([], size=3) == Part([])


def test_a_long_path_shows_its_end_and_what_comes_before_a_message() -> None:
    path = list(range(1, 11))
    assert part(path, size=4) == Part([7, 8, 9, 10], is_first=False)
    assert part(path, 7, size=4) == Part([3, 4, 5, 6], is_first=False, is_last=False)
    assert part(path, 3, size=4) == Part([1, 2], is_last=False, later=7)
    assert part(path, 1, size=4) == Part([], is_last=False, later=5)
    with pytest.raises(NotThere):
        part(path, 11, size=4)


def test_the_end_reaches_back_to_a_message_that_must_be_seen_and_to_its_prompt() -> None:
    path = list(range(1, 11))
    assert part(path, shown=4, size=4).ids == [3, 4, 5, 6, 7, 8, 9, 10]
    assert part(path, shown=1, size=4) == Part(path)
    assert part(path, shown=9, size=4).ids == [7, 8, 9, 10]


@given(st.integers(0, 100), st.integers(1, 12))
def test_the_parts_of_a_path_are_the_path_from_both_ends(length: int, size: int) -> None:
    path = list(range(10, 10 + length))
    seen = part(path, size=size)
    found = list(seen.ids)
    while not seen.is_first:
        seen = part(path, found[0], size=size)
        assert 0 < len(seen.ids) <= size
        found[:0] = seen.ids
    assert found == path
    shown = set(seen.ids)
    while not seen.is_last:
        seen = part(path, seen.later, size=size)
        shown.update(seen.ids)
    assert shown == set(path)
