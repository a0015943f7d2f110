"""What a conversation is made of: messages in a tree, and the path through it that a person reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum


class State(str, Enum):
    """Where an answer is; the same word stands in the page, the log and the metric."""

    QUEUED = "queued"
    LOADING = "loading"
    READING = "reading"
    THINKING = "thinking"
    WRITING = "writing"
    DONE = "done"
    STOPPED = "stopped"
    REFUSED = "refused"
    FAILED = "failed"
    INTERRUPTED = "interrupted"

    @property
    def is_live(self) -> bool:
        return self in LIVE

    def __str__(self) -> str:
        return self.value


LIVE = frozenset({State.QUEUED, State.LOADING, State.READING, State.THINKING, State.WRITING})


@dataclass(frozen=True, slots=True)
class Conversation:
    """`updated_at` is when the last message came, in seconds since 1970, and never before that of an older message."""

    id: str
    title: str
    updated_at: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What an answer took. None where nobody knows, or where there was no such stage.

    Each stage's seconds are ours, by the clock; `answer_seconds` is what the engine itself says that it wrote for.
    `context_tokens` is how many tokens the model saw at once. Of `messages_before` messages it read
    `messages_read`, from message `memory_from` on (None: from the first).
    """

    queued_seconds: float | None = None
    loading_seconds: float | None = None
    reading_seconds: float | None = None
    thinking_seconds: float | None = None
    writing_seconds: float | None = None
    first_text_seconds: float | None = None
    answer_seconds: float | None = None
    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    context_tokens: int | None = None
    messages_before: int | None = None
    messages_read: int | None = None
    memory_from: int | None = None

    @property
    def was_cut(self) -> bool:
        """Whether the prompt was just as long as what Ollama leaves of one that is too long for the context.

        It keeps 4 tokens at the beginning (5 with a mark that begins the text) and half of the rest:
        `contextShiftPromptLimit` in ollama's llm/llama_server.go.
        """
        if not self.prompt_tokens or not self.context_tokens:
            return False
        return self.prompt_tokens in {self.context_tokens - (self.context_tokens - kept) // 2 for kept in (4, 5)}

    @property
    def tokens_per_second(self) -> float | None:
        seconds = self.answer_seconds or (self.thinking_seconds or 0) + (self.writing_seconds or 0)
        return self.answer_tokens / seconds if self.answer_tokens and seconds else None


@dataclass(frozen=True, slots=True)
class Message:
    """A prompt (role "user") or an answer (role "assistant").

    `choice` is the model that was asked for ("" = whichever comes first), `model` the one that answered; `problem` is
    the code of an error, or empty.
    """

    id: int
    conversation_id: str
    parent_id: int | None
    role: str
    state: State
    text: str
    thinking: str = ""
    model: str = ""
    choice: str = ""
    problem: str = ""
    created_at: float = 0.0
    finished_at: float | None = None
    figures: Figures = Figures()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an answer ended."""

    state: State
    text: str
    thinking: str = ""
    model: str = ""
    problem: str = ""
    figures: Figures = Figures()


def path(messages: Iterable[Message], through: int | None = None) -> list[Message]:
    """The messages from the root to the newest one; `through` a message, to the newest one that follows it.

    Empty where there is no such message.
    """
    by_id = {message.id: message for message in sorted(messages, key=lambda message: message.id)}
    if through is None:
        newest = max(by_id, default=None)
    else:
        below = {through} & by_id.keys()
        for message in by_id.values():  # oldest first, so a parent is met before its children
            if message.parent_id in below:
                below.add(message.id)
        newest = max(below, default=None)
    return ancestors(by_id, newest)


def ancestors(by_id: Mapping[int, Message], message_id: int | None) -> list[Message]:
    """The messages from the root to this one."""
    found: list[Message] = []
    while message_id is not None and (here := by_id.get(message_id)):
        found.append(here)
        message_id = here.parent_id
    return found[::-1]


def title_of(prompt: str, longest: int = 60) -> str:
    """A conversation's first title: the first words of its first prompt."""
    words = " ".join(prompt.split())
    if len(words) <= longest:
        return words
    cut = words[:longest]
    return (cut.rsplit(" ", 1)[0] if " " in cut else cut) + "…"
