"""The tables of faults in the documentation are those that are tested."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults import table
from faults_of_operation import OPERATION_FAULTS, Row, operation_table

TESTS = Path(__file__).parent
DOCS = TESTS.parent / "docs"


@pytest.mark.parametrize(
    ("page", "tested", "program"),
    [("faults.md", table(), "faults.py"), ("operating.md", operation_table(), "faults_of_operation.py")],
)
def test_the_table_in_the_documentation_is_the_one_that_is_tested(page: str, tested: str, program: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    found = "".join(entry + "\n" for entry in text.splitlines() if entry.startswith("|"))
    assert found == tested, f"docs/{page}: put there what “python tests/{program}” prints"


@pytest.mark.parametrize("row", OPERATION_FAULTS, ids=lambda row: f"{row.part}, {row.fault}")
def test_every_row_about_operation_names_a_test_that_there_is(row: Row) -> None:
    file, name = row.test
    assert f"def test_{name}(" in (TESTS / file).read_text(encoding="utf-8")
