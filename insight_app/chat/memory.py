"""How much of a conversation the model reads: all of it, or the newest part that fits into its context.

Ollama would leave out the oldest messages without a word, so it is done here, and said. It counts no tokens for
anybody; but each answer brings the number that its prompt had, and so what two answers in a row read differs by the
messages between them. What no answer has counted yet is estimated from its length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from insight_app.chat.attachments import IMAGE_TOKENS, Attachment
from insight_app.chat.messages import Figures, Message
from insight_app.engines.base import Options, Turn
from insight_app.errors import ContextFull

# UTF-8 bytes a token. English prose has 4 to 5, code 3 to 4, other scripts about 3: what is left out is decided on
# the safe side, and what is refused only where it cannot fit in all likelihood.
FEW_BYTES, MANY_BYTES = 3.0, 4.5
# A count with more bytes a token than this is none: some versions of Ollama count only what they had not read before.
MOST_BYTES = 12.0
TEMPLATE_TOKENS = 6  # what a chat template adds to a message
ANSWER_PART = 4  # no more than this part of the context is kept free for the answer
# What is left after leaving something out, in parts of the room: if it were full again at once, each prompt would
# begin elsewhere, and the engine would have to read everything anew each time.
REFILL = 0.75


@dataclass(frozen=True, slots=True)
class Reading:
    """What is sent: `turns`, the system prompt and the newest `messages_read` of `messages_before` messages.

    `memory_from` is the id of the first of these, None where it is all; `tokens` is an estimate of the turns' length.
    """

    turns: tuple[Turn, ...]
    messages_before: int
    messages_read: int
    memory_from: int | None
    tokens: int

    @property
    def smaller_room(self) -> int | None:
        """The room for another try where the engine finds this too long; None where nothing can be left out."""
        return int(self.tokens * REFILL) if self.messages_read > 1 else None

    def receipt(self, context: int | None) -> Figures:
        """What will be read, of a model that sees so many tokens at once."""
        return Figures(
            context_tokens=context,
            messages_before=self.messages_before,
            messages_read=self.messages_read,
            memory_from=self.memory_from,
        )


def room(context: int | None, options: Options) -> int | None:
    """How many tokens a prompt may have; None where nobody knows how many the model sees."""
    if context is None:
        return None
    return context - min(options.max_tokens or context, context // ANSWER_PART)


def check(prompt: Message, context: int | None, system: str = "") -> None:
    """Raises ContextFull where this one message, with the system prompt, is longer than all that the model sees."""
    if context is not None and (_weight(prompt) + _length(system)) / MANY_BYTES > context:
        raise ContextFull


def choose(
    history: Sequence[Message],
    answer: Message,
    room: int | None,
    system: str = "",
    pictures: Callable[[Message], tuple[bytes, ...]] = lambda message: (),
) -> Reading:
    """The system prompt, and the newest messages that fit beside it: first a prompt, and always the last prompt.

    An answer that has begun goes along as the last turn, for the engine to go on with it. `pictures` gives those of a
    message; it is asked about what is read only.
    """
    messages = [message for message in [*history, answer] if message.text or message.attached]
    begun = 1 if answer.text else 0
    tokens = tokens_of(messages, system)
    taken = estimate(system) if system else 0
    first = _first(messages, tokens, None if room is None else room - taken)
    read = messages[first:]
    turns = [_turn(each, pictures) for each in read]
    return Reading(
        turns=(Turn("system", system), *turns) if system else tuple(turns),
        messages_before=len(messages) - begun,
        messages_read=len(read) - begun,
        memory_from=read[0].id if first else None,
        tokens=taken + sum(tokens[first:]),
    )


def tokens_of(messages: Sequence[Message], system: str = "") -> list[int]:
    """About how many tokens each message takes in a prompt: counted where answers tell it, else estimated.

    The first count is also one of the system prompt, of which no more is taken off than it surely had: it may have
    been another one then.
    """
    tokens = [estimate_of(message) for message in messages]
    before: Message | None = None
    start = 0
    for number, message in enumerate(messages):
        if message.role != "assistant" or not (read := message.figures.prompt_tokens) or message.figures.was_cut:
            continue
        if message.figures.messages_before not in (None, number):
            continue  # it read something that was deleted since
        if before is None:
            known = number if message.figures.memory_from is None else 0
            read -= int(_length(system) / MANY_BYTES)
        else:
            read -= before.figures.prompt_tokens or 0
            known = number - start if _read_on(before, message) else 0
            if read > sum(_weight(each) + TEMPLATE_TOKENS for each in messages[start:number]):
                known = 0  # no token is shorter than a byte: the system prompt has grown meanwhile
        if known:
            _share(tokens, messages, number - known, number, read)
        before, start = message, number
    return tokens


def estimate_of(message: Message) -> int:
    return estimate(message.said) + IMAGE_TOKENS * len(message.images)


def estimate(text: str) -> int:
    return int(_length(text) / FEW_BYTES) + TEMPLATE_TOKENS


def tokens_of_file(attached: Attachment) -> int:
    """About how many tokens a file takes, for who looks before it is sent."""
    return IMAGE_TOKENS if attached.is_image else likely(attached.text)


def likely(text: str) -> int:
    """About how many tokens a text had that a model wrote; neither side is the safe one."""
    return round(2 * _length(text) / (FEW_BYTES + MANY_BYTES))


def _first(messages: Sequence[Message], tokens: Sequence[int], room: int | None) -> int:
    """Where the part begins that is read."""
    if room is None or sum(tokens) <= room:
        return 0
    earlier = next((each.figures.memory_from for each in reversed(messages) if each.figures.messages_read), None)
    for number, message in enumerate(messages):
        if message.id == earlier and sum(tokens[number:]) <= room:
            return number
    prompts = [number for number, message in enumerate(messages) if message.role == "user"]
    fitting = (number for number in prompts if sum(tokens[number:]) <= room * REFILL)
    return next(fitting, prompts[-1] if prompts else 0)


def _read_on(before: Message, after: Message) -> bool:
    """Whether one answer read what the other had read, and then more."""
    return before.model == after.model and before.figures.memory_from == after.figures.memory_from


def _share(tokens: list[int], messages: Sequence[Message], start: int, end: int, counted: int) -> None:
    """Shares what was counted for messages[start:end] among them by their length; a count that cannot be is left."""
    lengths = [_weight(message) + 1 for message in messages[start:end]]
    if counted * MOST_BYTES < sum(lengths):
        return
    for number, length in enumerate(lengths, start):
        tokens[number] = max(1, round(counted * length / sum(lengths)))


def _turn(message: Message, pictures: Callable[[Message], tuple[bytes, ...]]) -> Turn:
    if message.role != "user":
        return Turn("assistant", message.text)
    if not message.images:
        return Turn("user", message.said)
    shown = pictures(message)
    unseen = (
        "" if shown else "".join(f"(The picture “{each.name}” cannot be shown to you.)\n" for each in message.images)
    )
    return Turn("user", unseen + message.said, images=shown)


def _weight(message: Message) -> int:
    """In bytes, a picture as if it were text of so many tokens."""
    return _length(message.said) + int(IMAGE_TOKENS * FEW_BYTES) * len(message.images)


def _length(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
