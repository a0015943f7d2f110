"""People with their sessions, links and keys; what roles may do; who owns which conversation; what each used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OLD_ORDER, _ORDER = "ix_conversations_is_pinned_updated_at_id", "ix_conversations_owner_is_pinned_updated_at_id"


def _limits() -> list[sa.Column[int]]:
    names = ("answers_per_day", "answers_per_month", "tokens_per_day", "tokens_per_month")
    return [sa.Column(name, WHOLE) for name in names]


def _of_account(*, nullable: bool = False) -> sa.Column[str]:
    key = sa.ForeignKey("accounts.id", ondelete="CASCADE")
    return sa.Column("account_id", sa.String(32), key, nullable=nullable, index=True)


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("email", sa.String(255), nullable=False, unique=True),
        sa.Column("password", sa.String(255), nullable=False, server_default=""),
        sa.Column("subject", sa.String(255), unique=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("is_disabled", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("created_at", sa.Float, nullable=False),
        *_limits(),
    )
    op.create_table(
        "account_sessions",
        sa.Column("digest", sa.String(64), primary_key=True),
        _of_account(),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("seen_at", sa.Float, nullable=False),
        sa.Column("agent", sa.String(100), nullable=False, server_default=""),
        sa.Column("address", sa.String(64), nullable=False, server_default=""),
    )
    op.create_table(
        "account_links",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        _of_account(nullable=True),
        sa.Column("email", sa.String(255), nullable=False, server_default=""),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        _of_account(),
        sa.Column("label", sa.String(100), nullable=False),
        sa.Column("scopes", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("used_at", sa.Float),
        sa.Column("expires_at", sa.Float),
    )
    op.create_table(
        "roles", sa.Column("role", sa.String(16), primary_key=True), sa.Column("models", sa.Text), *_limits()
    )
    op.create_table(
        "usage",
        sa.Column("person", sa.String(32), primary_key=True),
        sa.Column("hour", WHOLE, primary_key=True),
        sa.Column("model", sa.String(255), primary_key=True),
        sa.Column("answers", WHOLE, nullable=False, server_default="0"),
        sa.Column("prompt_tokens", WHOLE, nullable=False, server_default="0"),
        sa.Column("answer_tokens", WHOLE, nullable=False, server_default="0"),
        sa.Column("busy_seconds", sa.Float, nullable=False, server_default="0"),
        sa.Column("writing_seconds", sa.Float, nullable=False, server_default="0"),
    )
    op.create_index("ix_usage_hour", "usage", ["hour"])
    op.create_index("ix_usage_model_hour", "usage", ["model", "hour"])
    op.add_column("conversations", sa.Column("owner", sa.String(32), nullable=False, server_default=""))
    op.add_column("messages", sa.Column("owner", sa.String(32), nullable=False, server_default=""))
    op.drop_index(_OLD_ORDER, "conversations")
    op.create_index(_ORDER, "conversations", ["owner", "is_pinned", "updated_at", "id"])


def downgrade() -> None:
    op.drop_index(_ORDER, "conversations")
    op.create_index(_OLD_ORDER, "conversations", ["is_pinned", "updated_at", "id"])
    for table in ("messages", "conversations"):
        with op.batch_alter_table(table) as altered:
            altered.drop_column("owner")
    for table in ("usage", "roles", "api_keys", "account_links", "account_sessions", "accounts"):
        op.drop_table(table)
