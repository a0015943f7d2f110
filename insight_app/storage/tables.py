"""The tables, as SQLAlchemy Core sees them; a change here needs a migration beside it."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, LargeBinary, MetaData, Table, false

from insight_app.storage.columns import Name, Whole, Words

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
    Column("id", Name(32), primary_key=True),
    Column("owner", Name(32), nullable=False, default="", server_default=""),  # as in preferences
    Column("title", Words, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False, index=True),
    Column("is_pinned", Boolean, nullable=False, default=False, server_default=false()),
    # What the model is told in every turn of this conversation.
    Column("instructions", Words, nullable=False, default="", server_default=""),
    Column("is_archived", Boolean, nullable=False, default=False, server_default=false()),
    Column("deleted_at", Float, index=True),  # in the bin since then: nobody sees it, and soon it is gone for good
    Column("titled_by", Name(16), nullable=False, default="words", server_default="words"),  # or "model", "person"
    Column("options", Words, nullable=False, default="", server_default=""),  # JSON: how answers are asked for here
    # The order of the list, which is on every page.
    Index(
        "ix_conversations_owner_is_archived_is_pinned_updated_at_id",
        "owner",
        "is_archived",
        "is_pinned",
        "updated_at",
        "id",
    ),
)

# A tree: each message points to the one before it, and two children of one message are two tries. Rows are
# only ever added; an answer's row is filled while it is written and never changed after its end.
messages = Table(
    "messages",
    metadata,
    Column("id", Whole, primary_key=True, autoincrement=True),
    Column("conversation_id", Name(32), ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("parent_id", Whole, ForeignKey("messages.id", ondelete="CASCADE")),
    # Its conversation's: who asks for one message by its id need not read the conversation too.
    Column("owner", Name(32), nullable=False, default="", server_default=""),
    Column("role", Name(16), nullable=False),
    Column("state", Name(16), nullable=False),
    Column("text", Words, nullable=False, default=""),
    Column("thinking", Words, nullable=False, default=""),
    Column("model", Name(255), nullable=False, default=""),
    Column("choice", Name(255), nullable=False, default=""),
    Column("problem", Name(32), nullable=False, default=""),
    # Where a rule ended it: what the rule says in public.
    Column("reason", Words, nullable=False, default="", server_default=""),
    # How many servers went on with it after another one; -1: no server here wrote it, it was brought in a file.
    Column("run", Whole, nullable=False, default=0, server_default="0"),
    # The key of the form that sent a prompt: the same form sent twice is one prompt.
    Column("form_key", Name(64), unique=True),
    Column("created_at", Float, nullable=False),
    Column("finished_at", Float),
    Column("rating", Whole),  # 1 or -1, as the one thinks who owns it
    # What the answer took: chat/messages.py's Figures.
    Column("queued_seconds", Float),
    Column("loading_seconds", Float),
    Column("reading_seconds", Float),
    Column("thinking_seconds", Float),
    Column("writing_seconds", Float),
    Column("first_text_seconds", Float),
    Column("answer_seconds", Float),
    Column("prompt_tokens", Whole),
    Column("answer_tokens", Whole),
    Column("context_tokens", Whole),
    Column("messages_before", Whole),
    Column("messages_read", Whole),
    Column("memory_from", Whole),  # a message's id; no key, since that message may be deleted
    Index("ix_messages_conversation_id", "conversation_id"),
    Index("ix_messages_parent_id", "parent_id"),  # each delete looks for what points to the row
    Index("ix_messages_model_loading_seconds", "model", "loading_seconds"),
    sqlite_autoincrement=True,  # an id is never used again, not even after a delete and a restart
)

# What was sent with a prompt (`message_id` is NULL until then): the text that models read of it, or the picture.
attachments = Table(
    "attachments",
    metadata,
    Column("id", Name(32), primary_key=True),
    Column("owner", Name(32), nullable=False, default="", server_default="", index=True),
    Column("message_id", Whole, ForeignKey("messages.id", ondelete="CASCADE"), index=True),
    Column("place", Whole, nullable=False, default=0, server_default="0"),  # among those of its message
    Column("name", Words, nullable=False),
    Column("kind", Name(16), nullable=False),  # text, pdf, image
    Column("media_type", Name(64), nullable=False),
    Column("size", Whole, nullable=False),  # in bytes, as it came
    Column("text", Words, nullable=False, default="", server_default=""),
    Column("body", LargeBinary),
    Column("created_at", Float, nullable=False),
)

# What a person keeps to begin conversations with: how the model shall be, and what to ask it.
presets = Table(
    "presets",
    metadata,
    Column("id", Name(32), primary_key=True),
    Column("owner", Name(32), nullable=False, index=True),
    Column("name", Words, nullable=False),
    Column("instructions", Words, nullable=False),
    Column("options", Words, nullable=False, default="", server_default=""),  # as a conversation's
    Column("created_at", Float, nullable=False),
)
saved_prompts = Table(
    "saved_prompts",
    metadata,
    Column("id", Name(32), primary_key=True),
    Column("owner", Name(32), nullable=False, index=True),
    Column("name", Words, nullable=False),
    Column("text", Words, nullable=False),
    Column("created_at", Float, nullable=False),
)

# Models that are on their way to this machine, or did not arrive; sizes in bytes.
pulls = Table(
    "pulls",
    metadata,
    Column("name", Name(255), primary_key=True),
    Column("state", Name(16), nullable=False),
    Column("total", Whole, nullable=False, default=0, server_default="0"),
    Column("completed", Whole, nullable=False, default=0, server_default="0"),
    Column("problem", Name(32), nullable=False, default="", server_default=""),
    Column("owner", Name(32), nullable=False, default="", server_default=""),
    Column("started_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
)

# What is set for everybody, each a JSON object under a name: the rules in their order, and other entries.
moderation_entries = Table(
    "moderation_entries",
    metadata,
    Column("id", Name(32), primary_key=True),
    Column("place", Whole, nullable=False),
    Column("body", Words, nullable=False),
)

# Each change of entries, with what was there before and after: {id: [place, body] or null}. The newest id is the
# version of all entries.
moderation_changes = Table(
    "moderation_changes",
    metadata,
    Column("id", Whole, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("who", Name(255), nullable=False),
    Column("before", Words, nullable=False),
    Column("after", Words, nullable=False),
    sqlite_autoincrement=True,
)

# How often each entry acted in each hour (since 1970): no more than that, and never on what.
moderation_counts = Table(
    "moderation_counts",
    metadata,
    Column("entry_id", Name(32), primary_key=True),
    Column("hour", Whole, primary_key=True),
    Column("times", Whole, nullable=False),
)

# What a person chose about their own words: by the id of their account, "" where nobody signs in.
preferences = Table(
    "preferences",
    metadata,
    Column("person", Name(64), primary_key=True),
    Column("keep_days", Whole),  # 0: for ever; NULL: as the server does
    Column("diagnostics_until", Float),
)


def _limits() -> list[Column[int]]:
    """How much may be asked: 0 is no limit, NULL leaves it to what stands above (the role, then nothing)."""
    names = ("answers_per_day", "answers_per_month", "tokens_per_day", "tokens_per_month")
    return [Column(name, Whole) for name in names]


def _of_account(*, nullable: bool = False) -> Column[str]:
    key = ForeignKey("accounts.id", ondelete="CASCADE")
    return Column("account_id", Name(32), key, nullable=nullable, index=True)


# People who sign in. `password` is an Argon2 hash, "" where others vouch for them (a proxy, an OpenID provider, whose
# name for them is `subject`).
accounts = Table(
    "accounts",
    metadata,
    Column("id", Name(32), primary_key=True),
    Column("email", Name(255), nullable=False, unique=True),
    Column("password", Name(255), nullable=False, default="", server_default=""),
    Column("subject", Name(255), unique=True),
    Column("role", Name(16), nullable=False),
    Column("is_disabled", Boolean, nullable=False, default=False, server_default=false()),
    Column("created_at", Float, nullable=False),
    *_limits(),
)

# Browsers in which somebody is signed in, each by the digest of what its cookie holds.
account_sessions = Table(
    "account_sessions",
    metadata,
    Column("digest", Name(64), primary_key=True),
    _of_account(),
    Column("created_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
    Column("agent", Name(100), nullable=False, default="", server_default=""),
    Column("address", Name(64), nullable=False, default="", server_default=""),
)

# Links that serve once: invitations (for an e-mail address, or for whoever has it) and new passwords (of an account).
account_links = Table(
    "account_links",
    metadata,
    Column("digest", Name(64), primary_key=True),
    Column("kind", Name(16), nullable=False),
    _of_account(nullable=True),
    Column("email", Name(255), nullable=False, default="", server_default=""),
    Column("role", Name(16), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
)

# Keys of programs; the key itself is nowhere, `id` is its beginning.
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Name(16), primary_key=True),
    Column("digest", Name(64), nullable=False, unique=True),
    _of_account(),
    Column("label", Name(100), nullable=False),
    Column("scopes", Name(64), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("used_at", Float),
    Column("expires_at", Float),
)

# What people of a role may do; `models` is a JSON list of names, NULL for all.
roles = Table("roles", metadata, Column("role", Name(16), primary_key=True), Column("models", Words), *_limits())

# How much each person asked of each model in each hour (since 1970), without a word of it. No key to the account: what
# was used stays in the sums when it is gone.
usage = Table(
    "usage",
    metadata,
    Column("person", Name(32), primary_key=True),
    Column("hour", Whole, primary_key=True),
    Column("model", Name(255), primary_key=True),
    Column("answers", Whole, nullable=False, default=0, server_default="0"),
    Column("prompt_tokens", Whole, nullable=False, default=0, server_default="0"),
    Column("answer_tokens", Whole, nullable=False, default=0, server_default="0"),
    Column("busy_seconds", Float, nullable=False, default=0, server_default="0"),  # at the engine, loading included
    Column("writing_seconds", Float, nullable=False, default=0, server_default="0"),
    Index("ix_usage_hour", "hour"),
    Index("ix_usage_model_hour", "model", "hour"),
)
