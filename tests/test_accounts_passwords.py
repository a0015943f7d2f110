"""Passwords: hashed with care, outside the event loop, and as slow to refuse as to accept."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from insight_app.accounts import passwords
from insight_app.accounts.passwords import AT_ONCE, Passwords, problem

PASSWORD = "correct horse battery staple"


class Counted:
    """Runs work as it comes, and notes how much of it at a time."""

    def __init__(self) -> None:
        self.runs = self.now = self.most = 0
        self._lock = threading.Lock()

    def __call__(self, work: Callable[[], object]) -> object:
        with self._lock:
            self.runs += 1
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            return work()
        finally:
            with self._lock:
                self.now -= 1


def test_a_hash_says_nothing_and_fits_its_password_alone() -> None:
    found = Passwords()
    one, other = found.hashed(PASSWORD), found.hashed(PASSWORD)
    assert one != other
    assert one.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert PASSWORD not in one
    assert found.is_right(PASSWORD, one)
    assert not found.is_right(PASSWORD + " ", one)


@pytest.mark.parametrize("hashed", [None, "", "no hash", "$argon2id$v=19$m=8,t=1,p=1$broken"])
def test_what_is_no_hash_fits_nothing(hashed: str | None) -> None:
    assert not Passwords().is_right(PASSWORD, hashed)
    assert not Passwords().is_right("nobody has this password", hashed)


def test_it_takes_as_much_work_to_refuse_a_stranger_as_a_wrong_password() -> None:
    outside = Counted()
    found = Passwords(outside)
    hashed = found.hashed(PASSWORD)
    found.is_right("wrong", hashed)  # whoever comes first pays for the hash that nobody has
    runs = []
    for given in (hashed, None, ""):
        before = outside.runs
        found.is_right("wrong", given)
        runs.append(outside.runs - before)
    assert runs == [1, 1, 1]


def test_hashing_is_done_outside_and_by_few_at_a_time() -> None:
    outside = Counted()
    found = Passwords(outside)
    threads = [threading.Thread(target=found.hashed, args=(f"{PASSWORD}{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outside.runs == 8
    assert outside.most <= AT_ONCE


def test_a_hash_of_less_care_is_known_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    from argon2 import PasswordHasher

    assert Passwords().is_outdated(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("x"))
    assert not Passwords().is_outdated(Passwords().hashed("x"))


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("", "at least"),
        ("short", "at least"),
        ("x" * (passwords.LONGEST + 1), "at most"),
        ("aaaaaaaaaaaa", "easy to guess"),
        ("alice@example.org", "easy to guess"),
        ("ALICE@example.org", "easy to guess"),
        (PASSWORD, ""),
        ("пароль-из-слов", ""),
    ],
)
def test_what_is_wrong_with_a_new_password_is_said(password: str, said: str) -> None:
    assert (said in problem(password, "alice@example.org")) if said else problem(password, "alice@example.org") == ""
