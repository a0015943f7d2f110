"""What a conversation is made of: its messages, and the states that an answer goes through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from insight_app.chat import attachments
from insight_app.chat.attachments import Attachment


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


# What the id of a temporary conversation begins with; those of kept ones are shorter. Message ids tell it too.
TEMPORARY = "temporary-"
FIRST_TEMPORARY_MESSAGE = 2**40


def is_temporary(id: str | int) -> bool:
    """Whether the id of a conversation or a message is of a temporary chat, which is never stored."""
    return id >= FIRST_TEMPORARY_MESSAGE if isinstance(id, int) else id.startswith(TEMPORARY)


LIVE = frozenset({State.QUEUED, State.LOADING, State.READING, State.THINKING, State.WRITING})


@dataclass(frozen=True, slots=True)
class Conversation:
    """`updated_at` is when the last message came, in seconds since 1970, and never before that of an older message.

    `owner` is the id of the person whose it is, "" where nobody signs in. `titled_by` is "words" (its first ones),
    "model" or "person"; `options` is what is wished for it, as Wishes writes it.
    """

    id: str
    title: str
    updated_at: float
    is_pinned: bool = False
    owner: str = ""
    is_archived: bool = False
    titled_by: str = "words"
    options: str = ""

    @property
    def is_temporary(self) -> bool:
        return is_temporary(self.id)


@dataclass(frozen=True, slots=True)
class Listed:
    """Some conversations, pinned ones first, then the one with the newest message; `has_older`: whether more follow."""

    conversations: Sequence[Conversation]
    has_older: bool = False


# The run of what no server here wrote: it says nothing of this machine, whatever its figures are.
FROM_A_FILE = -1
# How long what somebody deleted stays in the bin, from where it can be brought back.
BIN_SECONDS = 600.0


# What `titled_by` begins with while a long conversation is being brought: in the bin, and not shown there.
COMING = "coming"


@dataclass(frozen=True, slots=True)
class Binned:
    """A conversation in the bin, since `deleted_at` (in seconds since 1970)."""

    id: str
    title: str
    deleted_at: float

    def seconds_left(self, now: float) -> float:
        """Until it is gone for good."""
        return min(max(0.0, self.deleted_at + BIN_SECONDS - now), BIN_SECONDS)


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
    the code of an error, or empty; `reason` is what a rule that ended it says in public. `run` counts the servers that
    went on with it after another one. `owner` is the person whose conversation it is, and `rating` 1 or -1 where they
    said what they think of the answer.
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
    reason: str = ""
    run: int = 0
    owner: str = ""
    created_at: float = 0.0
    finished_at: float | None = None
    rating: int | None = None
    figures: Figures = Figures()
    attached: tuple[Attachment, ...] = ()

    @property
    def is_temporary(self) -> bool:
        return is_temporary(self.id)

    @property
    def gist(self) -> str:
        """What it is called by: its text, or the names of its files where it has none."""
        return self.text or attachments.names(self.attached)

    @property
    def said(self) -> str:
        """What a model reads of it: its text, and those of its files where they were read along."""
        return attachments.said(self.text, self.attached) if self.attached else self.text

    @property
    def images(self) -> tuple[Attachment, ...]:
        return tuple(each for each in self.attached if each.is_image)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an answer ended."""

    state: State
    text: str
    thinking: str = ""
    model: str = ""
    problem: str = ""
    reason: str = ""
    figures: Figures = Figures()


def title_of(prompt: str, longest: int = 60) -> str:
    """A conversation's first title: the first words of its first prompt."""
    words = " ".join(prompt.split())
    if len(words) <= longest:
        return words
    cut = words[:longest]
    return (cut.rsplit(" ", 1)[0] if " " in cut else cut) + "…"
