"""Without Redis one process at a time goes on with unfinished answers, and the next as soon as that one is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from insight_app.chat.alone import Alone
from insight_app.chat.replies_memory import RepliesInMemory

HOLD = "import sys; from pathlib import Path; from insight_app.chat.alone import Alone; "
HOLD += "print(Alone(Path(sys.argv[1]))(), flush=True); sys.stdin.read()"


def test_one_process_is_alone_at_a_time_even_where_the_last_one_was_killed(tmp_path: Path) -> None:
    file = tmp_path / "new" / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "True\n"
        second = Alone(file)
        replies = RepliesInMemory(second, second.leave)
        assert replies.orphans({7}) == []
        first.kill()
    assert replies.orphans({7}) == [7]
    third = Alone(file)
    assert not third()
    replies.leave()
    assert third()
    third.leave()
    assert file.stat().st_mode & 0o077 == 0


def test_where_there_can_be_no_lock_nobody_waits_for_it() -> None:
    assert Alone(Path(os.devnull) / "lock")()
