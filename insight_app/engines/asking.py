"""A few words of a model within a time: for who needs a verdict and no answer that somebody reads."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import closing

from insight_app.engines.base import Done, Engine, Options, Piece, Stop, Task, Turn

# Always the same: another size of the context would load the model anew.
CONTEXT = 4096
MOST_TOKENS = 48


class Asking:
    """Asks models of `engine`, in the same words always in the same way."""

    def __init__(self, engine: Engine, keep_alive: str | None = None) -> None:
        self._engine = engine
        self._options = Options(
            max_tokens=MOST_TOKENS, num_ctx=CONTEXT, keep_alive=keep_alive, think=False, temperature=0.0
        )

    def __call__(
        self, model: str, turns: Sequence[Turn], *, raw: str = "", seconds: float, stop: Stop | None = None
    ) -> str | None:
        """What the model says to `turns`, or to `raw` as it is; None where `stop` was asked.

        Raises TimeoutError after so many seconds, loading the model included, and EngineError.
        """
        own = Stop()
        forget = stop.then(own.ask) if stop else None
        limit = threading.Timer(seconds, own.ask)
        limit.daemon = True
        limit.start()
        try:
            said, ended = [], False
            with closing(self._engine.stream(Task(model, tuple(turns), self._options, raw), own)) as events:
                for event in events:
                    if isinstance(event, Done):
                        ended = True
                    elif isinstance(event, Piece) and not event.thought:
                        said.append(event.text)
        finally:
            limit.cancel()
            if forget:
                forget()
        if ended:
            return "".join(said)
        if stop and stop.asked:
            return None
        raise TimeoutError
