"""docs/accessibility.md: every criterion of WCAG 2.2 A and AA is in it, and every test that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

from insight_app.config import PROJECT

REPORT = (PROJECT / "docs" / "accessibility.md").read_text(encoding="utf-8")
# How many criteria each guideline has at A and AA, without 4.1.1, which WCAG 2.2 took out.
CRITERIA = {"1.1": 1, "1.2": 5, "1.3": 5, "1.4": 9, "2.1": 3, "2.2": 2, "2.3": 1, "2.4": 8, "2.5": 6}
CRITERIA |= {"3.1": 2, "3.2": 5, "3.3": 6, "4.1": 2}


def test_every_criterion_is_in_the_report_once() -> None:
    found = re.findall(r"^\| (\d\.\d)\.(\d+) ", REPORT, re.M)
    assert len(set(found)) == len(found) == 55
    assert {guideline: [each for each, _ in found].count(guideline) for guideline in CRITERIA} == CRITERIA


def test_every_test_that_the_report_names_is_there() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in (Path(__file__).parent).rglob("test_*.py"))
    there = set(re.findall(r"def (test_\w+)\(", tests))
    named = set(re.findall(r"`(test_\w+)`", REPORT))
    assert named
    assert named <= there, named - there


def test_what_is_said_to_be_met_says_how() -> None:
    rows = re.findall(r"^\| \d\.\d\.\d+ [^|]*\|[^|]*\| (\w[^|]*?) \| ([^|]*)\|", REPORT, re.M)
    assert len(rows) == 55
    for result, how in rows:
        assert result in ("met", "in part", "none here")
        assert how.strip() or result == "none here"
