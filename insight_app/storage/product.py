"""What one database product does otherwise than another; everything else is Database's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, Engine, Select
from sqlalchemy.exc import DatabaseError as Refusal

from insight_app.errors import DatabaseError

LOOK_AGAIN_SECONDS = 0.02  # while another program is in the way
TRACES = 1  # the bit of `deletions` that is set until everything is written anew


# Words that follow each other, as somebody wrote them, and whether the last one may go on.
Phrase = tuple[str, bool]


# Has a query give only those messages, or files that were sent with some, that have all these phrases. Gives it back
# with a column that grows with the ids of the messages.
WordIndex = Callable[[Select[Any], Sequence[Phrase]], tuple[Select[Any], ColumnElement[Any]]]


class Product(Protocol):
    """Times `until` are monotonic."""

    reader: Engine
    writer: Engine
    caretaker: Engine  # outside of transactions
    place: str  # which database this is, without anything secret
    hint: str  # what to look at where it cannot be used
    words: WordIndex
    file_words: WordIndex
    keeps_log: bool  # beside its tables, which `empty_log` empties

    def close(self) -> None: ...

    def write_through(self) -> None:
        """Has the disk keep, also without power, what was committed before."""

    def take_turn(self, until: float) -> None:
        """Before a connection is taken to write. Raises DatabaseBusy."""

    def end_turn(self) -> None: ...

    def transaction(self, alone: str, until: float, *, at_leisure: bool) -> AbstractContextManager[Connection]:
        """As Database.writing has it. `at_leisure`, SQLite follows no foreign keys."""

    def snapshot(self) -> Connection:
        """One that sees the database as it is now until it is closed, while others go on writing."""

    def prepare(self, connection: Connection) -> None:
        """Makes what no migration makes, in the transaction of the migrations. Raises ConfigError."""

    def deletions(self, connection: Connection) -> int:
        """Another number after each `note_deletion`; with the bit TRACES until `note_rewritten`."""

    def note_deletion(self, connection: Connection) -> None: ...

    def note_rewritten(self, connection: Connection, deletions: int) -> None: ...

    def rewritten(self, connection: Connection) -> bool:
        """Writes everything anew, on `caretaker`'s connection; False where somebody is in the way."""

    def forget_words(self, connection: Connection) -> None:
        """Takes words of what was deleted out of a small index at once; out of a large one `rewritten` does."""

    def empty_log(self, connection: Connection) -> bool:
        """On `caretaker`'s connection; False where somebody is in the way."""

    def size(self, connection: Connection) -> int:
        """In bytes."""

    def keep_out_writers(self, connection: Connection, tables: Sequence[str]) -> None:
        """Nobody else writes into them until the transaction ends; who reads sees what was there before."""

    def count_from(self, connection: Connection, table: str, last: int) -> None:
        """Gives the table's next row an id beyond `last`, and beyond any that it ever gave."""

    def counted_to(self, connection: Connection, table: str) -> int:
        """The last id that the table gave; 0 before the first."""

    def take_ids(self, connection: Connection, table: str, count: int) -> Sequence[int]:
        """So many ids for the table's next rows, rising, which nobody else gets."""

    def meaning(self, error: Refusal) -> DatabaseError | None:
        """What a person can do something about; None where it is a fault of ours."""
