"""What becomes of an answer when its server is killed or its clock is set back, as values like those of engines."""

from __future__ import annotations

from faults_of_engines import BEGUN, Fault, pause
from scripted_ollama import silence

KILLED = Fault(
    "worker killed with -9",
    [BEGUN, silence],
    "done",
    kept=f"{BEGUN} and the rest.",
    keeps="all of it: the next worker goes on from the last second",
    heartbeats=True,
    test="test_faults_of_servers.py",
)
KILLED_TWICE = Fault(
    "worker killed with -9, twice in one answer",
    [BEGUN, silence],
    "interrupted",
    "server_stopped",
    kept=BEGUN,
    keeps="what was written before the first time",
    test="test_faults_of_servers.py",
)
SET_BACK = Fault(
    "clock set back an hour",
    [BEGUN, pause, " and the rest."],
    "done",
    kept=f"{BEGUN} and the rest.",
    keeps="all of it; what comes later stays in front in the list",
    heartbeats=True,
    test="test_faults_of_servers.py",
)
