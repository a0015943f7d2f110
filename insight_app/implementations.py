"""Which implementation of each part the settings ask for."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import structlog

from insight_app.chat.alone import Alone
from insight_app.chat.line import Line, LineInMemory
from insight_app.chat.option_store import OptionStore
from insight_app.chat.options import limits
from insight_app.chat.replies import Replies
from insight_app.chat.replies_memory import RepliesInMemory
from insight_app.chat.temporary import Conversations
from insight_app.chat.traced import TracedEngine, TracedModeration
from insight_app.config import Settings
from insight_app.engines.asking import Asking
from insight_app.engines.base import Engine, Options, Stop, Turn
from insight_app.engines.fallback import Fallback
from insight_app.engines.ollama import Ollama
from insight_app.engines.ollama_library import OllamaLibrary
from insight_app.engines.openai_compatible import OpenAICompatible
from insight_app.errors import ConfigError
from insight_app.library.library import Library, NotManaged, OllamaModels
from insight_app.library.pull_store import PullStore
from insight_app.limits import rates
from insight_app.moderation.judge import Ask
from insight_app.moderation.judge_families import Question
from insight_app.moderation.moderating import Moderating, Moderation, Unmoderated
from insight_app.moderation.store import ModerationStore
from insight_app.storage.database import NEWEST, Database
from insight_app.storage.temporary import InMemory, InSharedMemory, folder_in_memory
from insight_app.telemetry.metrics import Metrics
from insight_app.telemetry.traces import Tracing


def shared(settings: Settings) -> tuple[Replies, dict[str, Any], Metrics]:
    """What several processes share, if there may be several: replies, how rates are counted, and what tells of it."""
    if not settings.redis_url:
        alone = Alone(settings.data_dir / "writing.lock")
        return RepliesInMemory(alone, alone.leave), rates.in_memory(), Metrics()
    # Imported here: who has no Redis need not wait for its library, nor keep it in memory.
    from insight_app.chat.replies_redis import RepliesInRedis

    metrics = Metrics(redis_up=lambda: replies.connected())
    replies = RepliesInRedis(settings.redis_url, metrics.redis_seconds.observe)
    return replies, rates.in_redis(settings.redis_url), metrics


def line_of(settings: Settings, replies: Replies, conversations: Conversations) -> Line:
    """One for all processes that share their replies."""
    places, usual = settings.max_concurrent_answers, conversations.usual_turn_seconds
    most, several = settings.max_waiting_answers, settings.auth_mode != "local"
    if not settings.redis_url:
        return LineInMemory(places, most_waiting=most, shared=several, usual=usual)
    from insight_app.chat.line_redis import LineInRedis
    from insight_app.chat.replies_redis import RepliesInRedis

    assert isinstance(replies, RepliesInRedis)
    return LineInRedis(replies.link, replies.token, places, most_waiting=most, shared=several, usual=usual)


def in_memory(settings: Settings, address: str, metrics: Metrics) -> Database | None:
    """Where temporary chats are held; None where several processes would need it, and there is no folder in memory."""
    if not settings.redis_url:
        return InMemory(metrics.database_failed)
    # Processes that have all of this in common are one product; nobody else can guess the name.
    common = "\n".join((address, settings.redis_url, settings.secret_key, NEWEST))
    folder = folder_in_memory()
    try:
        name = f"insight-{sha256(common.encode()).hexdigest()[:24]}"
        return InSharedMemory(folder / name, metrics.database_failed) if folder else None
    except OSError as error:
        structlog.get_logger("temporary").error("no temporary chats", exc_info=error)
        return None


def engines_of(settings: Settings) -> list[Engine]:
    """What can write answers, the best first."""
    silence = float(settings.request_timeout_seconds)
    engines: list[Engine] = [
        OpenAICompatible(settings.openai_base_url, key=settings.openai_api_key, silence_seconds=silence)
        if settings.engine == "openai"
        else Ollama(settings.ollama_base_url, silence_seconds=silence, may_run_elsewhere=settings.allow_remote_models)
    ]
    if settings.key_is_open:
        structlog.get_logger("engine").warning(
            "OPENAI_API_KEY and everything that is asked go to another machine unencrypted: use https:// there"
        )
    if settings.embedded_base_url:
        engines.append(Ollama(settings.embedded_base_url, name="embedded", silence_seconds=silence))
    return engines


def library_of(settings: Settings, database: Database, engine: Fallback, metrics: Metrics) -> Library:
    """What fetches and removes models; another server than Ollama has its own ways."""
    if settings.engine != "ollama":
        return NotManaged(engine)
    return OllamaModels(
        OllamaLibrary(settings.ollama_base_url, may_run_elsewhere=settings.allow_remote_models),
        PullStore(database),
        engine,
        folder=settings.ollama_models,
        report=metrics.pull_ended,
    )


def tracing_of(settings: Settings) -> Tracing:
    """Raises ConfigError where traces are to be sent, and what sends them is not installed."""
    if not settings.otel_exporter_otlp_endpoint:
        return Tracing()
    # Imported here: who collects no traces need not have its libraries, nor keep them in memory.
    try:
        from insight_app.telemetry.traces_collected import Collecting
    except ModuleNotFoundError:
        raise ConfigError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but what sends traces is not installed.",
            "Run “.venv/bin/python -m pip install -r requirements-tracing.txt”, or leave the variable out.",
        ) from None
    return Collecting(settings.otel_exporter_otlp_endpoint)


def traced(engines: list[Engine], tracing: Tracing) -> list[Engine]:
    """The same engines, each asked in a span of its own where somebody collects traces."""
    return [TracedEngine(each, tracing) for each in engines] if tracing.is_on else engines


def moderation_of(
    settings: Settings, rules: ModerationStore, engine: Fallback, metrics: Metrics, tracing: Tracing
) -> Moderation:
    """What holds prompts and answers to the rules, or lets everything through."""
    if not settings.enable_moderation:
        moderation: Moderation = Unmoderated()
    else:
        moderation = Moderating(rules, _asking(engine, settings), metrics.rules_acted)
    return TracedModeration(moderation, tracing) if tracing.is_on else moderation


def _asking(engine: Fallback, settings: Settings) -> Ask:
    """How a judge is asked: past the line of answers, for a verdict is none."""
    asked = Asking(engine, settings.keep_alive or None)

    def ask(model: str, question: Question, seconds: float, stop: Stop | None) -> str | None:
        turns = [Turn(role, text) for role, text in question.turns]
        return asked(model, turns, raw=question.raw, seconds=seconds, stop=stop)

    return ask


def option_store(settings: Settings, database: Database, in_memory: Database | None) -> OptionStore:
    """Options of conversations, within what the server lets people wish."""
    within = limits(
        longest=settings.max_token_limit,
        context=settings.num_ctx,
        keep_alive=settings.keep_alive,
        is_shared=settings.auth_mode != "local",
        is_ollama=settings.engine == "ollama",
    )
    return OptionStore(database, in_memory, options_of(settings), within)


def options_of(settings: Settings) -> Options:
    """How the server itself asks for answers."""
    return Options(
        max_tokens=settings.max_token_limit or None,
        num_ctx=settings.num_ctx or None,
        keep_alive=settings.keep_alive or None,
        think={"on": True, "off": False}.get(settings.thinking),
    )
