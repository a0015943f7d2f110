"""What this machine has: memory, processors, and room on the disk of the models."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# Where a container says how much memory it may have; the second one is older.
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
# Where Ollama keeps models unless OLLAMA_MODELS says otherwise: started by a person, or as a service on Linux.
USUAL = (Path("~/.ollama/models"), Path("/usr/share/ollama/.ollama/models"), Path("/var/lib/ollama/models"))


# Of the disk, in bytes, for everything else.
RESERVE = 10**9


@dataclass(frozen=True, slots=True)
class Machine:
    """In bytes, and a number of processors; None where nobody can say, or where Ollama runs elsewhere.

    `free` is the room where `folder` is, which is where Ollama keeps its models, as far as anybody here knows.
    """

    memory: int | None = None
    free: int | None = None
    processors: int | None = None
    folder: str = ""

    def has_room(self, size: int) -> bool:
        """Whether so much fits on the disk, as far as anybody knows."""
        return self.free is None or size + RESERVE <= self.free


def this_machine(models_folder: str = "") -> Machine:
    """`models_folder` is OLLAMA_MODELS, "" where it is not known."""
    folder, free = room(models_folder)
    return Machine(memory(), free, processors(), folder)


def memory(limits: Iterable[Path] = LIMITS) -> int | None:
    """All that programs may have, whoever has it now. Windows does not say."""
    try:
        found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
    for path in limits:
        with suppress(OSError, ValueError):  # no such file, or “max”
            found = min(found, int(path.read_text(encoding="ascii")))
    return found if found > 0 else None


def room(models_folder: str = "", usual: Iterable[Path] = USUAL) -> tuple[str, int | None]:
    """Where Ollama keeps its models, as far as it is known, and how much is free there."""
    for folder in [Path(models_folder)] if models_folder else usual:
        with suppress(OSError, RuntimeError):  # not there, not to be read, or nobody's home
            return str(folder), shutil.disk_usage(folder.expanduser()).free
    if not models_folder:
        with suppress(OSError, RuntimeError):  # it will be made there
            return str(USUAL[0]), shutil.disk_usage(Path.home()).free
    return "", None


def processors() -> int | None:
    """Those that we may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count()
