"""What every answer goes through, kept or not: its turn, the engine, the rules, and its end as an outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from typing import Any

from insight_app.chat import memory
from insight_app.chat.attachments import IMAGE_TOKENS
from insight_app.chat.line import Line
from insight_app.chat.messages import Figures, Outcome, State
from insight_app.chat.reply import Activity, Reply
from insight_app.engines.base import Done, Options, Piece, Stage, Stop, Task, Turn
from insight_app.engines.fallback import Fallback
from insight_app.engines.tools import ToolCall, each_text
from insight_app.errors import AnswerRefused, ContextEnded, EngineError, InsightError, LengthReached
from insight_app.moderation.judging import Pieces
from insight_app.moderation.moderating import Moderation
from insight_app.telemetry.traces import Tracing

# Told of every answer's end: state, problem, seconds in all, the figures that are known, and the model, "" where no
# engine has it: then it is what somebody typed. Never of its text.
Report = Callable[[str, str, float, Mapping[str, Any], str], None]
# Told 1 when an answer begins, and -1 when it is over, before anybody else hears of its end.
Living = Callable[[int], object]
# Told of every answer's end too: whose it was, the model, and the figures that are known or estimated.
Count = Callable[[str, str, Mapping[str, Any]], None]


class Writing:
    """Has the engine write into replies."""

    def __init__(
        self,
        *,
        engine: Fallback,
        moderation: Moderation,
        line: Line,
        report: Report,
        count: Count,
        tracing: Tracing,
    ) -> None:
        self.tracing = tracing
        self._engine = engine
        self._moderation = moderation
        self._line = line
        self._report = report
        self._count = count

    @contextmanager
    def turn(self, reply: Reply, choice: str) -> Iterator[bool]:
        """The reply's turn in the line of its model, once it comes, for the block; False where it was stopped first."""
        waiting = self.tracing.span("queue")
        try:
            with self._line.turn(reply.owner, self._engine.resolved(choice), reply.stop, reply.queue_at) as my_turn:
                waiting.end()
                yield my_turn
        finally:
            waiting.end()

    def prepare(
        self, reply: Reply, model: str, options: Options, usual: Callable[[str], float | None] = lambda model: None
    ) -> Stage | None:
        """Has the engine ready to read; None where the reply was stopped first. Raises EngineError.

        `usual` says how many seconds a model usually loads here.
        """
        stage: Stage | None = None
        for stage in self._engine.prepare(model, options, reply.stop):
            usual_seconds = usual(stage.model) if stage.name == "loading" else None
            reply.enter(Activity(State(stage.name), stage.model, usual_seconds=usual_seconds))
        if stage is None or stage.name != "reading":
            return None
        reply.receipt = Figures(context_tokens=stage.context)
        return stage

    def follow(self, reply: Reply, task: Task, prompt: str) -> Outcome:
        """Shows what the rules let through of the answer to `prompt`, from the engine's first piece to its last."""
        done: Done | None = None
        broken: EngineError | None = None
        refusal: str | None = None
        begun = reply.thinking.since(0), reply.answer.since(0)
        images = sum(len(turn.images) for turn in task.turns)
        reply.prompt_tokens = sum(memory.estimate(turn.text) for turn in task.turns) + images * IMAGE_TOKENS
        with closing(self._moderation.answer(*begun, prompt=prompt, stop=reply.stop)) as screen:
            try:
                with closing(self._engine.stream(task, reply.stop)) as events:
                    for event in events:
                        if isinstance(event, Piece):
                            _show(reply, screen.feed(event.text, thought=event.thought))
                            refusal = screen.refusal
                        elif isinstance(event, Done):
                            done = event
                        else:
                            refusal = self._call(reply, event, prompt)
                        if refusal:
                            break
            except EngineError as error:
                broken = error
            if not reply.lost:  # else whoever goes on writes it anew, and what was held back must not be seen
                _show(reply, screen.end())
        if refusal := refusal or screen.refusal:
            return reply.outcome(State.REFUSED, problem=AnswerRefused.code, reason=refusal)
        if broken:
            raise broken
        if done is None:
            return reply.outcome(State.STOPPED)
        return reply.outcome(State.DONE, done, problem=_early_end(done, reply.receipt.context_tokens))

    def report(self, reply: Reply, outcome: Outcome, seconds: float) -> None:
        """Tells of a reply's end, so long after its beginning, and counts what it took."""
        figures, model = _known(outcome.figures), self.known(outcome.model)
        reply.span.note(state=outcome.state.value, problem=outcome.problem or None, model=model or None, **figures)
        self._report(outcome.state.value, outcome.problem, seconds, figures, model)
        if reply.prompt_tokens and outcome.state is not State.FAILED:
            # Else nothing was read, and perhaps there is no such model.
            self._count(reply.owner, outcome.model, _known(_taken(reply, outcome)))

    def report_left(self, outcome: Outcome, seconds: float) -> None:
        """The same of an answer that was left behind, so long after its beginning: what it took was counted before."""
        self._report(outcome.state.value, outcome.problem, seconds, {}, self.known(outcome.model))

    def known(self, model: str) -> str:
        """A model as an engine names it, "" where none has it."""
        return self._engine.resolved(model) if model and self._engine.has(model) else ""

    def _call(self, reply: Reply, call: ToolCall, prompt: str) -> str | None:
        """Shows a call as the rules let it through; returns what a rule or the judge that refuses it says."""
        held = _Held(self._moderation, prompt, reply.stop)
        call = replace(call, name=held(call.name), arguments=each_text(call.arguments, held))
        if held.refusal is None and not reply.stop.asked:
            reply.call(call)
        return held.refusal


class _Held:
    """Holds each text of a call to the rules for answers, as if it were one."""

    def __init__(self, moderation: Moderation, prompt: str, stop: Stop) -> None:
        self._moderation = moderation
        self._prompt = prompt
        self._stop = stop
        self.refusal: str | None = None

    def __call__(self, text: str) -> str:
        if self.refusal is not None or not text:
            return ""
        with closing(self._moderation.answer(prompt=self._prompt, stop=self._stop)) as screen:
            shown = screen.feed(text, thought=False)
            shown += screen.end()
        self.refusal = screen.refusal
        return "".join(piece for piece, _ in shown)


def last_prompt(turns: Sequence[Turn]) -> str:
    """What somebody said last; "" where nobody did."""
    return next((turn.text for turn in reversed(turns) if turn.role == "user"), "")


def broken(reply: Reply, error: InsightError) -> Outcome:
    """The end of a reply that an error broke off, or kept from beginning."""
    begun = reply.position or reply.tool_calls
    return reply.outcome(State.INTERRUPTED if begun else State.FAILED, problem=error.code)


def _known(figures: Figures) -> dict[str, Any]:
    return {name: value for name, value in asdict(figures).items() if value is not None}


def _taken(reply: Reply, outcome: Outcome) -> Figures:
    """What an answer took, estimated where the engine did not come to its end mark: who stops early has asked too."""
    if outcome.figures.answer_tokens is not None:
        return outcome.figures
    text = (outcome.thinking + outcome.text)[reply.begun :]
    return replace(outcome.figures, prompt_tokens=reply.prompt_tokens, answer_tokens=memory.likely(text))


def _early_end(done: Done, context: int | None) -> str:
    """Why the engine ended before the answer's own end; "" where it did not. Ollama has one word for both reasons."""
    if done.reason != "length":
        return ""
    filled = (done.prompt_tokens or 0) + (done.answer_tokens or 0)
    return ContextEnded.code if context and filled >= context - 1 else LengthReached.code


def _show(reply: Reply, pieces: Pieces) -> None:
    for text, thought in pieces:
        reply.append(text, thought=thought)
