"""Prompts that a person keeps to ask them again."""

from __future__ import annotations

from dataclasses import dataclass

MOST_SAVED = 500  # of one person
LONGEST_NAME = 120  # characters


@dataclass(frozen=True, slots=True)
class SavedPrompt:
    """`text` may have places that are filled in when it is used (variables.py)."""

    id: str
    name: str
    text: str

    @property
    def begins(self) -> str:
        """What a list shows of it."""
        return " ".join(self.text[:300].split())[:140]


def found(prompts: list[SavedPrompt], wanted: str) -> list[SavedPrompt]:
    """Those that have each of the wanted words in their name or text."""
    words = wanted[:200].casefold().split()
    return [each for each in prompts if _has(f"{each.name}\n{each.text}".casefold(), words)] if words else prompts


def _has(text: str, words: list[str]) -> bool:
    return all(word in text for word in words)
