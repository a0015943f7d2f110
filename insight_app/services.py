"""What the routes work with, put together once; implementations.py says which parts the settings ask for."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from insight_app import implementations
from insight_app.accounts.passwords import Outside, Passwords
from insight_app.accounts.people import Account
from insight_app.accounts.signing_in import Accounts
from insight_app.chat.answering import Answering
from insight_app.chat.attachment_store import AttachmentStore
from insight_app.chat.conversing import Conversing
from insight_app.chat.instructions import Instructions
from insight_app.chat.kept_store import PresetStore, SavedPromptStore
from insight_app.chat.line import Line
from insight_app.chat.option_store import AskedFor, OptionStore
from insight_app.chat.passing import Passing
from insight_app.chat.replies import Replies
from insight_app.chat.search_store import SearchStore
from insight_app.chat.temporary import Conversations
from insight_app.chat.titling import Titling
from insight_app.chat.writing import Writing
from insight_app.config import Settings
from insight_app.engines.fallback import Fallback
from insight_app.errors import ENGINE_WORDS
from insight_app.library.library import Library
from insight_app.limits.counting import Counting
from insight_app.limits.store import LimitStore
from insight_app.limits.usage_store import UsageStore
from insight_app.moderation import rule_list
from insight_app.moderation.moderating import Moderation
from insight_app.moderation.store import ModerationStore
from insight_app.privacy.diagnostics import Records
from insight_app.privacy.packed import MOST_INFLATED
from insight_app.privacy.pruning import Pruning
from insight_app.privacy.retention import Retention
from insight_app.privacy.room import Room
from insight_app.privacy.store import PersonalStore
from insight_app.storage.database import Database, address_of
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
    uploads: Room  # for what is brought in files
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
    replies, counting, metrics = implementations.shared(settings)
    address = address_of(settings)
    database = Database(address, metrics.database_failed, metrics.database_took, outside)
    database.bring_up_to_date()
    in_memory = implementations.in_memory(settings, address, metrics)
    conversations = Conversations(database, in_memory)
    attachments = AttachmentStore(database, in_memory)
    options = implementations.option_store(settings, database, in_memory)
    tracing = implementations.tracing_of(settings)
    engines = implementations.traced(implementations.engines_of(settings), tracing)
    engine = Fallback(engines, preferred=settings.ollama_model, report=metrics.engine_failed)
    engine.start()
    rules = ModerationStore(database)
    rule_list.begin(rules)
    moderation = implementations.moderation_of(settings, rules, engine, metrics, tracing)
    instructions = Instructions(rules, conversations)
    personal = PersonalStore(database)
    diagnostics = Records(
        settings.data_dir / "diagnostics", lambda person: personal.preferences(person).diagnostics_until
    )
    retention = Retention(personal, diagnostics, settings.history_retention_days)
    line = implementations.line_of(settings, replies, conversations)
    metrics.follow_line(line.waiting, line.running)
    limits = LimitStore(database)
    tally = Counting(limits)
    titling = Titling(engine, conversations, moderation, is_idle=lambda: not (line.waiting() or line.running()))
    if settings.titles == "auto":
        titling.start()
    writing = Writing(
        engine=engine,
        moderation=moderation,
        line=line,
        report=metrics.answer_ended,
        count=tally.ended,
        tracing=tracing,
    )
    conversing = Conversing(
        writing=writing,
        engine=engine,
        store=conversations,
        moderation=moderation,
        instructions=instructions,
        asked_for=AskedFor(options, conversations.tries),
        watching=diagnostics.watching,
        picture=attachments.picture,
    )
    answering = Answering(
        writing=writing,
        conversing=conversing,
        engine=engine,
        store=conversations,
        replies=replies,
        moderation=moderation,
        line=line,
        patience_seconds=settings.engine_wait_seconds,
        refused=metrics.too_many_waiting.inc,
        write_through=database.write_through,
        living=metrics.live.inc,
        ended=titling.consider,
    )
    passing = Passing(
        writing=writing,
        moderation=moderation,
        instructions=instructions,
        options=implementations.options_of(settings),
        living=metrics.live.inc,
    )
    answering.left_behind.carry_on()
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
        models=implementations.library_of(settings, database, engine, metrics),
        titling=titling,
        personal=personal,
        diagnostics=diagnostics,
        retention=retention,
        pruning=pruning,
        metrics=metrics,
        tracing=tracing,
        uploads=Room(MOST_INFLATED * settings.max_import_mb * 2**20),
        rates=counting,
        outside=outside,
    )
