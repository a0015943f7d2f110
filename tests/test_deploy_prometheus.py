"""The dashboard and the alerts: every figure that they name exists, and promtool agrees with all of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from test_telemetry_metrics import documented

ROOT = Path(__file__).parent.parent
PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "insight.json").read_text(encoding="utf-8"))
ALERTS = (PROMETHEUS / "insight-alerts.yml").read_text(encoding="utf-8")
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]


def there() -> dict[str, set[str]]:
    """Every series that can be asked for, with its labels."""
    found: dict[str, set[str]] = {}
    for name, (kind, labels) in documented().items():
        for end in ("_bucket", "_sum", "_count") if kind == "histogram" else ("",):
            found[name + end] = labels | ({"le"} if end == "_bucket" else set())
    return found


def test_every_figure_that_they_name_exists_with_its_labels() -> None:
    series = there()
    for text in (*QUERIES, ALERTS):
        for name in re.findall(r"\b(?:insight|flask)_[a-z_]+", re.sub(r"job(_name: |=\")insight", "", text)):
            assert name in series or f"{name}_bucket" in series, name
        for name, selected in re.findall(r"\b((?:insight|flask)_[a-z_]+)\{([^}]*)\}", text):
            labels = set(re.findall(r"(\w+)(?:=~?|!=~?)\"", selected)) - {"instance"}
            assert labels <= series[name], f"{name} has no {labels - series[name]}"


def test_every_figure_of_ours_is_on_the_dashboard() -> None:
    shown = " ".join(QUERIES)
    assert not [name for name in documented() if name.startswith("insight_") and name not in shown]


def test_the_dashboard_has_no_two_panels_in_one_place() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        mine = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not mine & cells, panel["title"]
        assert at["x"] + at["w"] <= 24
        cells |= mine
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))


def test_every_alert_says_what_is_seen_why_and_what_to_do() -> None:
    alerts = ALERTS.split("- alert: ")[1:]
    for alert in alerts:
        for word in ("severity: ", "summary: ", "cause: ", "next_step: ", "runbook: docs/operating.md#"):
            assert word in alert, alert
    assert len(alerts) == len({alert.split()[0] for alert in alerts})


def test_every_alert_leads_to_its_section() -> None:
    guide = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", guide, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert len(anchors) == len(headings)
    for file in (ALERTS, guide):
        for anchor in re.findall(r"(?:operating\.md|\()#([a-z0-9-]+)", file):
            assert anchor in anchors, anchor
    assert set(re.findall(r"operating\.md#([a-z-]+)", ALERTS)) == {
        re.sub(" ", "-", heading.lower()) for heading in re.findall(r"^### (.+)$", guide, re.MULTILINE)
    }


@pytest.mark.parametrize(
    "command",
    [
        ["check", "rules", "insight-alerts.yml"],
        ["check", "config", "prometheus.yml"],
        ["test", "rules", "insight-alerts.test.yml"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_promtool_finds_nothing_wrong(command: list[str]) -> None:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian's package prometheus)")
    done = subprocess.run([program, *command], cwd=PROMETHEUS, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_reads_every_query_of_the_dashboard(tmp_path: Path) -> None:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian's package prometheus)")
    rules = [
        {"record": f"query:{number}", "expr": query.replace("$__rate_interval", "1m").replace("$instance", ".*")}
        for number, query in enumerate(QUERIES)
    ]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    done = subprocess.run(
        [program, "check", "rules", str(file)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
