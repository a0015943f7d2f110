"""Whoever works long lets others go on meanwhile, where threads are greenlets too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

MANY = 200


def test_others_are_heard_while_very_many_conversations_come_go_and_are_taken_along(tmp_path: Path) -> None:
    program = Path(__file__).with_name("gevent_others.py")
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path)],
        cwd=program.parent.parent,
        env={"PYTHONPATH": str(program.parent.parent)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = {what: int(there) for what, _, there in (line.rpartition(" ") for line in done.stdout.splitlines())}
    assert said.keys() == {"brought", "taken along", "deleted"}
    assert 0 < said["brought"] < 40
    assert 0 < said["taken along"] < 50
    assert MANY / 2 < said["deleted"] < MANY
