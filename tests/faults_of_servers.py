"""What becomes of an answer when its server is killed, its clock set back or its Redis gone, as values with rows."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class RedisFault(Fault):
    """Redis goes in mid-answer and comes back, empty; `gone` and `back` are what the log says then."""

    gone: str = "redis is gone"
    back: str = "redis answers"
    gauge: str = "insight_redis_up"

    def row(self) -> tuple[str, ...]:
        name, sees, stored, counted, test = super().row()
        sees += " A page at another process waits, and has all of it when Redis is back."
        return name, sees, stored, f"`{self.gone}`, `{self.gauge}` 0; `{self.back}`, 1; {counted}", test


REDIS = RedisFault(
    "Redis gone and back",
    [BEGUN, silence],
    "done",
    kept=f"{BEGUN} and the rest.",
    keeps="all of it, by the process that writes",
    heartbeats=True,
    test="test_faults_of_servers.py",
)
