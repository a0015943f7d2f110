"""The table of faults in the documentation is the one that is tested."""

from __future__ import annotations

from pathlib import Path

from faults import table

DOC = Path(__file__).parent.parent / "docs" / "faults.md"


def test_the_table_in_the_documentation_is_the_one_that_is_tested() -> None:
    found = "".join(entry + "\n" for entry in DOC.read_text(encoding="utf-8").splitlines() if entry.startswith("|"))
    assert found == table(), "docs/faults.md: put there what “python tests/faults.py” prints"
