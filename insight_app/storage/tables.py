"""The tables, as SQLAlchemy Core sees them; a change here needs a migration beside it."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text, false

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Times are seconds since 1970 in UTC.
conversations = Table(
    "conversations",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("title", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False, index=True),
    Column("is_pinned", Boolean, nullable=False, default=False, server_default=false()),
    # What the model is told in every turn of this conversation.
    Column("instructions", Text, nullable=False, default="", server_default=""),
    # The order of the list, which is on every page.
    Index("ix_conversations_is_pinned_updated_at_id", "is_pinned", "updated_at", "id"),
)

# A tree: each message points to the one before it, and two children of one message are two tries. Rows are
# only ever added; an answer's row is filled while it is written and never changed after its end.
messages = Table(
    "messages",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("conversation_id", String(32), ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("parent_id", Integer, ForeignKey("messages.id", ondelete="CASCADE")),
    Column("role", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("text", Text, nullable=False, default=""),
    Column("thinking", Text, nullable=False, default=""),
    Column("model", String(255), nullable=False, default=""),
    Column("choice", String(255), nullable=False, default=""),
    Column("problem", String(32), nullable=False, default=""),
    # Where a rule ended it: what the rule says in public.
    Column("reason", Text, nullable=False, default="", server_default=""),
    # How many servers went on with it after another one.
    Column("run", Integer, nullable=False, default=0, server_default="0"),
    # The key of the form that sent a prompt: the same form sent twice is one prompt.
    Column("form_key", String(64), unique=True),
    Column("created_at", Float, nullable=False),
    Column("finished_at", Float),
    # What the answer took: chat/messages.py's Figures.
    Column("queued_seconds", Float),
    Column("loading_seconds", Float),
    Column("reading_seconds", Float),
    Column("thinking_seconds", Float),
    Column("writing_seconds", Float),
    Column("first_text_seconds", Float),
    Column("answer_seconds", Float),
    Column("prompt_tokens", Integer),
    Column("answer_tokens", Integer),
    Column("context_tokens", Integer),
    Column("messages_before", Integer),
    Column("messages_read", Integer),
    Column("memory_from", Integer),  # a message's id; no key, since that message may be deleted
    Index("ix_messages_conversation_id", "conversation_id"),
    Index("ix_messages_parent_id", "parent_id"),  # each delete looks for what points to the row
    Index("ix_messages_model_loading_seconds", "model", "loading_seconds"),
    sqlite_autoincrement=True,  # an id is never used again, not even after a delete and a restart
)

# What is set for everybody, each a JSON object under a name: the rules in their order, and other entries.
moderation_entries = Table(
    "moderation_entries",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("place", Integer, nullable=False),
    Column("body", Text, nullable=False),
)

# Each change of entries, with what was there before and after: {id: [place, body] or null}. The newest id is the
# version of all entries.
moderation_changes = Table(
    "moderation_changes",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("who", String(255), nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    sqlite_autoincrement=True,
)

# How often each entry acted in each hour (since 1970): no more than that, and never on what.
moderation_counts = Table(
    "moderation_counts",
    metadata,
    Column("entry_id", String(32), primary_key=True),
    Column("hour", Integer, primary_key=True),
    Column("times", Integer, nullable=False),
)

# What a person chose about their own words; "" is the person of a server without accounts.
preferences = Table(
    "preferences",
    metadata,
    Column("person", String(64), primary_key=True),
    Column("keep_days", Integer),  # 0: for ever; NULL: as the server does
    Column("diagnostics_until", Float),
)
