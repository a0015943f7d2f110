"""The table of faults as docs/faults.md has it: for each what is then to be seen, stored, logged and counted.

`python tests/faults.py` prints it.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

from faults_of_databases import DATABASE_FAULTS, GONE
from faults_of_engines import ENGINE_FAULTS
from faults_of_moderation import MODERATION_FAULTS
from faults_of_pulls import CANCELLED, PULL_FAULTS, SERVER_KILLED, TWICE
from faults_of_servers import KILLED, KILLED_TWICE, REDIS, SET_BACK

COLUMNS = ("fault", "what the person sees", "what is stored", "what the log and the metric say", "test")


def table() -> str:
    """The table as docs/faults.md has it."""
    rows = [COLUMNS, ("---",) * len(COLUMNS), *(fault.row() for fault in ENGINE_FAULTS)]
    rows += [row for fault in DATABASE_FAULTS for row in fault.rows()]
    rows += [GONE.page_row()]
    rows += [row for fault in MODERATION_FAULTS for row in fault.rows()]
    rows += [fault.row() for fault in (REDIS, KILLED, KILLED_TWICE, SET_BACK)]
    rows += [fault.row() for fault in (*PULL_FAULTS, SERVER_KILLED, TWICE, CANCELLED)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


if __name__ == "__main__":
    print(table(), end="")
