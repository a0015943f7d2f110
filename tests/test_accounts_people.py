"""By which address an account is found: the same one in any case, and never somebody else's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insight_app.accounts.people import clean_email
from insight_app.config import load

SECRET = {"SECRET_KEY": "only for these tests"}
# Other addresses, of which Python's own casefold() or lower() makes boss@kiss.example.
OTHERS = [
    "boſſ@kiss.example",
    "boß@kiss.example",
    "boss@kiß.example",
    "boss@\u212aiss.example",
    "boss@ki\u1e9e.example",
]


@pytest.mark.parametrize("email", ["Boss@Kiss.Example", " boss@kiss.example ", "BOSS@KISS.EXAMPLE"])
def test_an_address_is_the_same_in_capitals(email: str) -> None:
    assert clean_email(email) == "boss@kiss.example"


@pytest.mark.parametrize("email", OTHERS)
def test_letters_that_only_fold_to_those_of_another_address_are_another_address(email: str) -> None:
    assert clean_email(email) not in ("", "boss@kiss.example")
    assert load({**SECRET, "ADMIN_EMAILS": email}, None).admin_emails != ("boss@kiss.example",)


@given(st.text(min_size=1, max_size=8), st.text(min_size=1, max_size=8))
def test_only_what_is_written_in_plain_letters_is_an_address_of_plain_letters(name: str, host: str) -> None:
    email = f"{name}@{host}"
    found = clean_email(email)
    assert clean_email(found) == found
    assert not found or found.isascii() == email.strip().isascii()


def test_capitals_of_other_scripts_are_capitals_too() -> None:
    assert clean_email("ÉMILE@БОБ.example") == "émile@боб.example"
