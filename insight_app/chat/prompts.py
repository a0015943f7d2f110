"""What a person typed, made fit to be stored, shown and sent."""

from __future__ import annotations

from insight_app.errors import EmptyPrompt, PromptTooLarge


def clean(text: str) -> str:
    """`text` with \\n as line end, and with U+FFFD for what no database holds (NUL, lone surrogates)."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def check(text: str, longest: int) -> str:
    """The prompt as it will be sent. Raises EmptyPrompt or PromptTooLarge (`longest` is in characters)."""
    text = clean(text).strip("\n").rstrip()
    if not text.strip():
        raise EmptyPrompt
    if len(text) > longest:
        raise PromptTooLarge(length=f"{len(text):,}", limit=f"{longest:,}")
    return text
