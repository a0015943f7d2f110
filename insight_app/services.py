"""What the routes work with; the only place that picks implementations."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import structlog

from insight_app.accounts.passwords import Outside, Passwords
from insight_app.accounts.people import Account
from insight_app.accounts.signing_in import Accounts
from insight_app.chat.alone import Alone
from insight_app.chat.answering import Answering
from insight_app.chat.attachment_store import AttachmentStore
from insight_app.chat.instructions import Instructions
from insight_app.chat.line import Line, LineInMemory
from insight_app.chat.option_store import AskedFor, OptionStore
from insight_app.chat.options import limits
from insight_app.chat.passing import Passing
from insight_app.chat.preset_store import PresetStore
from insight_app.chat.replies import Replies, RepliesInMemory
from insight_app.chat.saved_prompt_store import SavedPromptStore
from insight_app.chat.search_store import SearchStore
from insight_app.chat.temporary import Conversations
from insight_app.chat.titling import Titling
from insight_app.chat.traced import TracedEngine, TracedModeration
from insight_app.config import Settings
from insight_app.engines.asking import Asking
from insight_app.engines.base import Engine, Options, Stop, Turn
from insight_app.engines.fallback import Fallback
from insight_app.engines.ollama import Ollama
from insight_app.engines.ollama_library import OllamaLibrary
from insight_app.engines.openai_compatible import OpenAICompatible
from insight_app.errors import ENGINE_WORDS, ConfigError
from insight_app.library.library import Library, NotManaged, OllamaModels
from insight_app.library.pull_store import PullStore
from insight_app.limits import rates
from insight_app.limits.counting import Counting
from insight_app.limits.store import LimitStore
from insight_app.limits.usage_store import UsageStore
from insight_app.moderation import rule_list
from insight_app.moderation.judge import Ask
from insight_app.moderation.judge_families import Question
from insight_app.moderation.moderating import Moderating, Moderation, Unmoderated
from insight_app.moderation.store import ModerationStore
from insight_app.privacy.diagnostics import Records
from insight_app.privacy.pruning import Pruning
from insight_app.privacy.retention import Retention
from insight_app.privacy.store import PersonalStore
from insight_app.storage.database import NEWEST, Database, address_of
from insight_app.storage.temporary import InMemory, InSharedMemory, folder_in_memory
from insight_app.telemetry.metrics import Metrics
from insight_app.telemetry.traces import Tracing
from insight_app.words import _, ngettext

# How often the end of a server looks whether its answers have ended.
LOOK_SECONDS = 0.05


@dataclass
class Services:
    """One running product. `draining`: it begins no answers any more; `closing`: what it writes goes on elsewhere."""

    settings: Settings
    database: Database
    accounts: Accounts
    conversations: Conversations
    search: SearchStore
    attachments: AttachmentStore
    options: OptionStore
    presets: PresetStore
    saved_prompts: SavedPromptStore
    replies: Replies
    engine: Fallback
    rules: ModerationStore
    moderation: Moderation
    instructions: Instructions
    line: Line
    limits: LimitStore
    counting: Counting
    usage: UsageStore
    answering: Answering
    passing: Passing
    models: Library
    titling: Titling
    personal: PersonalStore
    diagnostics: Records
    retention: Retention
    pruning: Pruning
    metrics: Metrics
    tracing: Tracing
    rates: dict[str, Any]  # how Flask-Limiter counts
    outside: Outside[object]  # runs what would hold up all threads, where they are greenlets
    draining: bool = False
    closing: bool = False
    _ending: threading.Lock = field(default_factory=threading.Lock)
    _closed: bool = False

    def engine_facts(self, model: str, context: int | None = None) -> dict[str, object]:
        """What the texts of engine errors need to know; `context` is how many tokens the model sees."""
        return {
            "context": ngettext("%(num)s token", "%(num)s tokens", context) if context else _("its context"),
            "model": model or self.settings.ollama_model or "llama3.2",
            "url": self.settings.engine_url,
            "seconds": self.settings.request_timeout_seconds,
            **ENGINE_WORDS[self.settings.engine],
        }

    def delete_everything_of(self, person: str) -> None:
        """All that somebody wrote and chose; what is being written for them is stopped."""
        self.answering.stop_all(person)
        self.answering.forget(self.conversations.end_all_temporary(person))
        self.attachments.end_unsent_temporary(person)
        self.answering.forget(self.personal.delete_everything(person))
        self.diagnostics.of(person).delete()

    def delete_person(self, account: Account) -> None:
        """An account, and then all that was theirs: nobody can write any more under it. Raises LastAdmin."""
        self.accounts.store.delete(account.id)
        self.delete_everything_of(account.id)

    def drain(self, seconds: float) -> None:
        """Takes nothing new, has streams of what others write end, and gives what is written here so long to end."""
        self.answering.take_no_more()
        self.draining = True
        self.replies.wake()
        until = time.monotonic() + seconds
        while (self.replies.here() or self.passing.count()) and not self.closing and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)

    def close(self) -> None:
        """Lets every stream end and keeps what is written; done once, however often it is asked for."""
        self.closing = True
        with self._ending:
            if not self._closed:
                self._close()
            self._closed = True

    def _close(self) -> None:
        self.answering.close()
        self.replies.wake()
        self.passing.wake()
        self.pruning.close()
        self.models.close()
        self.titling.close()
        self.engine.close()
        self.counting.close()
        self.conversations.close()
        with suppress(OSError):  # the system will do it, unless the power goes first
            self.database.write_through()
        self.line.leave()
        self.replies.leave()  # after the last checkpoint: others go on from there
        self.tracing.close()


def build_services(settings: Settings, outside: Outside[object] = lambda work: work()) -> Services:
    """Raises ConfigError where the database, or the address of Redis, cannot be used.

    `outside` runs what would hold up all threads, where they are greenlets.
    """
    replies, counting, metrics = _shared(settings)
    address = address_of(settings)
    database = Database(address, metrics.database_failed, metrics.database_took, outside)
    database.bring_up_to_date()
    in_memory = _in_memory(settings, address, metrics)
    conversations = Conversations(database, in_memory)
    attachments = AttachmentStore(database, in_memory)
    options = _option_store(settings, database, in_memory)
    tracing = _tracing(settings)
    engines = _traced(engines_of(settings), tracing)
    engine = Fallback(engines, preferred=settings.ollama_model, report=metrics.engine_failed)
    engine.start()
    rules = ModerationStore(database)
    rule_list.begin(rules)
    moderation: Moderation = (
        Moderating(rules, _asking(engine, settings), metrics.rules_acted)
        if settings.enable_moderation
        else Unmoderated()
    )
    if tracing.is_on:
        moderation = TracedModeration(moderation, tracing)
    instructions = Instructions(rules, conversations)
    personal = PersonalStore(database)
    diagnostics = Records(
        settings.data_dir / "diagnostics", lambda person: personal.preferences(person).diagnostics_until
    )
    retention = Retention(personal, diagnostics, settings.history_retention_days)
    line = _line(settings, replies, conversations)
    metrics.follow_line(line.waiting, line.running)
    limits = LimitStore(database)
    tally = Counting(limits)
    titling = Titling(engine, conversations, moderation, is_idle=lambda: not (line.waiting() or line.running()))
    if settings.titles == "auto":
        titling.start()
    answering = Answering(
        engine=engine,
        store=conversations,
        replies=replies,
        moderation=moderation,
        instructions=instructions,
        asked_for=AskedFor(options, conversations.tries),
        line=line,
        patience_seconds=settings.engine_wait_seconds,
        report=metrics.answer_ended,
        refused=metrics.too_many_waiting.inc,
        count=tally.ended,
        watching=diagnostics.watching,
        write_through=database.write_through,
        living=metrics.live.inc,
        ended=titling.consider,
        tracing=tracing,
        picture=attachments.picture,
    )
    passing = Passing(
        writing=answering.writing,
        moderation=moderation,
        instructions=instructions,
        options=_options(settings),
        living=metrics.live.inc,
    )
    answering.carry_on()
    pruning = Pruning(database, retention, is_idle=lambda: not replies.count(), also=attachments.prune)
    pruning.start()
    return Services(
        settings=settings,
        database=database,
        accounts=Accounts(database, settings, Passwords(outside)),
        conversations=conversations,
        search=SearchStore(database),
        attachments=attachments,
        options=options,
        presets=PresetStore(database),
        saved_prompts=SavedPromptStore(database),
        replies=replies,
        engine=engine,
        rules=rules,
        moderation=moderation,
        instructions=instructions,
        line=line,
        limits=limits,
        counting=tally,
        usage=UsageStore(database),
        answering=answering,
        passing=passing,
        models=_library(settings, database, engine, metrics),
        titling=titling,
        personal=personal,
        diagnostics=diagnostics,
        retention=retention,
        pruning=pruning,
        metrics=metrics,
        tracing=tracing,
        rates=counting,
        outside=outside,
    )


def _shared(settings: Settings) -> tuple[Replies, dict[str, Any], Metrics]:
    """What several processes share, if there may be several: replies, how rates are counted, and what tells of it."""
    if not settings.redis_url:
        alone = Alone(settings.data_dir / "writing.lock")
        return RepliesInMemory(alone, alone.leave), rates.in_memory(), Metrics()
    # Imported here: who has no Redis need not wait for its library, nor keep it in memory.
    from insight_app.chat.replies_redis import RepliesInRedis

    metrics = Metrics(redis_up=lambda: replies.connected())
    replies = RepliesInRedis(settings.redis_url, metrics.redis_seconds.observe)
    return replies, rates.in_redis(settings.redis_url), metrics


def _line(settings: Settings, replies: Replies, conversations: Conversations) -> Line:
    """One for all processes that share their replies."""
    places, usual = settings.max_concurrent_answers, conversations.usual_turn_seconds
    most, shared = settings.max_waiting_answers, settings.auth_mode != "local"
    if not settings.redis_url:
        return LineInMemory(places, most_waiting=most, shared=shared, usual=usual)
    from insight_app.chat.line_redis import LineInRedis
    from insight_app.chat.replies_redis import RepliesInRedis

    assert isinstance(replies, RepliesInRedis)
    return LineInRedis(replies.link, replies.token, places, most_waiting=most, shared=shared, usual=usual)


def _in_memory(settings: Settings, address: str, metrics: Metrics) -> Database | None:
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


def _library(settings: Settings, database: Database, engine: Fallback, metrics: Metrics) -> Library:
    if settings.engine != "ollama":
        return NotManaged(engine)
    return OllamaModels(
        OllamaLibrary(settings.ollama_base_url, may_run_elsewhere=settings.allow_remote_models),
        PullStore(database),
        engine,
        folder=settings.ollama_models,
        report=metrics.pull_ended,
    )


def _tracing(settings: Settings) -> Tracing:
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


def _traced(engines: list[Engine], tracing: Tracing) -> list[Engine]:
    return [TracedEngine(each, tracing) for each in engines] if tracing.is_on else engines


def _asking(engine: Fallback, settings: Settings) -> Ask:
    """How a judge is asked: past the line of answers, for a verdict is none."""
    asking = Asking(engine, settings.keep_alive or None)

    def ask(model: str, question: Question, seconds: float, stop: Stop | None) -> str | None:
        turns = [Turn(role, text) for role, text in question.turns]
        return asking(model, turns, raw=question.raw, seconds=seconds, stop=stop)

    return ask


def _option_store(settings: Settings, database: Database, in_memory: Database | None) -> OptionStore:
    within = limits(
        longest=settings.max_token_limit,
        context=settings.num_ctx,
        keep_alive=settings.keep_alive,
        is_shared=settings.auth_mode != "local",
        is_ollama=settings.engine == "ollama",
    )
    return OptionStore(database, in_memory, _options(settings), within)


def _options(settings: Settings) -> Options:
    return Options(
        max_tokens=settings.max_token_limit or None,
        num_ctx=settings.num_ctx or None,
        keep_alive=settings.keep_alive or None,
        think={"on": True, "off": False}.get(settings.thinking),
    )
