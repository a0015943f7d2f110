"""What Ollama says while it fetches a model: lines become steps, and its errors become the product's own.

Its wordings come from the network, the disk and the library alike, so they are matched loosely and never passed on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import msgspec

from insight_app import errors
from insight_app.engines.ollama_models import MOST_BYTES
from insight_app.errors import EngineBroke, InsightError

# Each with the words that tell it; the first that fits counts.
_MEANINGS: tuple[tuple[type[errors.PullFailed], tuple[str, ...]], ...] = (
    (errors.PullNoRoom, ("no space left", "not enough space", "disk quota", "disk full", "insufficient storage")),
    (errors.PullOutdated, ("requires a newer version", "newer version of ollama", "requires mlx", "412")),
    (errors.PullDamaged, ("digest mismatch",)),
    (errors.PullForbidden, ("unauthorized", "authentication", "access denied", "401", "403", "gated")),
    (
        errors.PullOffline,
        (
            "no such host",
            "dial tcp",
            "lookup ",
            "i/o timeout",
            "connection refused",
            "connection reset",
            "network is unreachable",
            "no route to host",
            "tls:",
            "x509",
            "proxyconnect",
            "max retries exceeded",
            "deadline exceeded",
            "unexpected eof",
            "502",
            "503",
            "504",
            "429",
        ),
    ),
    (errors.PullUnknown, ("file does not exist", "not found", "404", "repository", "invalid model name", "is invalid")),
)


@dataclass(frozen=True, slots=True)
class Step:
    """One line: how much of a part is here, in bytes; or what is done when all parts are."""

    kind: Literal["preparing", "fetching", "checking", "done"]
    part: str = ""  # by its digest
    total: int = 0
    completed: int = 0


class _Line(msgspec.Struct, gc=False):
    status: object = ""
    digest: object = ""
    total: object = 0
    completed: object = 0
    error: object = None


_decode = msgspec.json.Decoder(_Line).decode


def steps(lines: Iterable[bytes]) -> Iterator[Step]:
    """What the lines say, up to the end mark. Raises the PullFailed that an error line means, and EngineBroke."""
    for raw in lines:
        if not raw or raw.isspace():
            continue
        line = _read(raw)
        if line.error:
            raise meaning(str(line.error).lower())
        step = _step(line)
        if step is not None:
            yield step
        if step == Step("done"):
            return


def meaning(text: str, status: int = 200) -> InsightError:
    """The error that a lower case `text` stands for; an error line in a stream has the status 200."""
    for kind, words in _MEANINGS:
        if any(word in text for word in words):
            return kind()
    if status in (401, 403):
        return errors.EngineForbids()
    return errors.PullUnknown() if status in (400, 404) else errors.PullFailed()


def _read(raw: bytes) -> _Line:
    try:
        return _decode(raw)
    except (ValueError, RecursionError):
        pass
    try:
        return msgspec.convert(json.loads(raw.decode("utf-8", "replace")), _Line, strict=False)
    except (ValueError, RecursionError):
        raise EngineBroke(because="a line that is not Ollama's") from None


def _step(line: _Line) -> Step | None:
    """None for what no version of Ollama has said so far."""
    status = line.status if isinstance(line.status, str) else ""
    if status == "success":
        return Step("done")
    if isinstance(line.digest, str) and line.digest:
        return Step("fetching", line.digest, _bytes(line.total), min(_bytes(line.completed), _bytes(line.total)))
    if status.startswith("pulling"):
        return Step("preparing")
    if status.startswith(("verifying", "writing", "removing", "couldn't remove")):
        return Step("checking")
    return None


def _bytes(said: object) -> int:
    return said if isinstance(said, int) and 0 <= said <= MOST_BYTES else 0
