"""An answer that is judged while it is written: what the rules let through is held until its sentence was judged.

Nothing that the judge refuses is ever shown. Where it is slower than the model writes, it reads several sentences at
once, and one by one only where it then refuses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from insight_app.engines.base import Stop
from insight_app.moderation.judge import SO_FAR, Judge, Verdict, last, named, says_something
from insight_app.moderation.judge_families import Fate
from insight_app.moderation.sentences import LONGEST, Sentences

# Of an answer, and whether each is reasoning.
Pieces = list[tuple[str, bool]]


class Judging:
    """The stage behind the rules, for one answer to `prompt`. `judge` tells who judges now; None lets all through."""

    def __init__(
        self,
        judge: Callable[[], Judge | None],
        prompt: str,
        thinking: str = "",
        text: str = "",
        stop: Stop | None = None,
    ) -> None:
        self._judge = judge
        self._prompt = prompt
        self._stop = stop
        self._sentences = {True: Sentences(thinking), False: Sentences(text)}
        self._so_far = {True: thinking, False: text}
        self._thought = True
        self._stopped = False
        self.flagged: set[str] = set()
        self.refusal: str | None = None
        self.refused_by = ""

    def feed(self, text: str, *, thought: bool) -> Pieces:
        """What may be shown now. Raises JudgeLate or JudgeFailed."""
        shown = self.rest() if thought is not self._thought else []
        self._thought = thought
        if self._judge() is None and not self._is_over:
            return [*shown, (self._sentences[thought].rest() + text, thought)]
        return shown + self._pass(self._sentences[thought].feed(text))

    def rest(self) -> Pieces:
        """What is held, since nothing more of its kind comes."""
        return self._pass([self._sentences[self._thought].rest()])

    @property
    def hits(self) -> Counter[str]:
        """As what is counted: each category once an answer, since each sentence is judged with those before it."""
        return Counter(named([*self.flagged, *([self.refused_by] if self.refused_by else [])]))

    @property
    def actions(self) -> Counter[str]:
        return Counter({Fate.REFUSE.value: int(bool(self.refused_by)), Fate.FLAG.value: len(self.flagged)})

    def _pass(self, sentences: Sequence[str]) -> Pieces:
        passed = "".join(self._passed(sentences))
        return [(passed, self._thought)] if passed else []

    def _passed(self, sentences: Sequence[str]) -> Iterator[str]:
        for batch in _batches(sentences):
            if self._is_over:
                return
            if self._lets_through("".join(batch), alone=len(batch) == 1):
                yield "".join(batch)
                continue
            for sentence in batch if len(batch) > 1 else ():
                if self._is_over or not self._lets_through(sentence, alone=True):
                    return
                yield sentence

    @property
    def _is_over(self) -> bool:
        return self._stopped or self.refusal is not None

    def _lets_through(self, text: str, *, alone: bool) -> bool:
        """Whether it may be shown; where it stands alone and may not, it is what ends the answer."""
        judge = self._judge()
        so_far = last(self._so_far[self._thought] + text, SO_FAR)
        verdict: Verdict | None = Verdict()
        if judge is not None and says_something(text):
            verdict = judge.of_answer(self._prompt, so_far, self._stop)
        if verdict is None:
            self._stopped = True
            return False
        if verdict.refused is None:
            self.flagged |= verdict.flagged
            self._so_far[self._thought] = so_far
            return True
        if alone:
            self.flagged |= verdict.flagged
            self.refused_by = verdict.refused.code
            self.refusal = verdict.refused.public_reason
        return False


def _batches(sentences: Sequence[str]) -> Iterator[list[str]]:
    """The sentences in as few parts as are not too long to be judged."""
    batch: list[str] = []
    for sentence in sentences:
        if batch and sum(map(len, batch)) + len(sentence) > LONGEST:
            yield batch
            batch = []
        batch.append(sentence)
    if batch:
        yield batch
