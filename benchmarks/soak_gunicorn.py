"""gunicorn's settings as they are delivered, and each worker says how many greenlets it has (for soak.py)."""

import gc
import os
from pathlib import Path
from typing import Any

import gevent
from greenlet import greenlet

DELIVERED = Path(__file__).resolve().parent.parent / "deploy" / "gunicorn.conf.py"
delivered: dict[str, Any] = {"__file__": str(DELIVERED), "__name__": "delivered"}
exec(compile(DELIVERED.read_text(encoding="utf-8"), str(DELIVERED), "exec"), delivered)
globals().update({name: value for name, value in delivered.items() if not name.startswith("__")})


def post_worker_init(worker: Any) -> None:
    delivered["post_worker_init"](worker)
    gevent.spawn(count_greenlets)


def count_greenlets() -> None:
    """Written anew each second; what is gone and not yet collected does not count."""
    file = Path(os.environ["SOAK_FOLDER"]) / str(os.getpid())
    while True:
        gc.collect()
        alive = sum(1 for each in gc.get_objects() if isinstance(each, greenlet) and not each.dead)
        file.with_suffix(".new").write_text(str(alive))
        file.with_suffix(".new").replace(file)  # whole, or not at all
        gevent.sleep(1)
