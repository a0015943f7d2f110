"""An archive and a bin, options, attachments, ratings, presets, saved prompts, models on their way."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OLD_ORDER = "ix_conversations_owner_is_pinned_updated_at_id"
_ORDER = "ix_conversations_owner_is_archived_is_pinned_updated_at_id"


def _of_conversations() -> list[sa.Column[Any]]:
    return [
        sa.Column("is_archived", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("deleted_at", sa.Float),
        sa.Column("titled_by", sa.String(16), nullable=False, server_default="words"),
        sa.Column("options", sa.Text, nullable=False, server_default=""),
    ]


def upgrade() -> None:
    for column in _of_conversations():
        op.add_column("conversations", column)
    op.drop_index(_OLD_ORDER, "conversations")
    op.create_index(_ORDER, "conversations", ["owner", "is_archived", "is_pinned", "updated_at", "id"])
    op.create_index("ix_conversations_deleted_at", "conversations", ["deleted_at"])
    op.add_column("messages", sa.Column("rating", WHOLE))
    op.create_table(
        "attachments",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("owner", sa.String(32), nullable=False, server_default=""),
        sa.Column("message_id", WHOLE, sa.ForeignKey("messages.id", ondelete="CASCADE")),
        sa.Column("place", WHOLE, nullable=False, server_default="0"),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("media_type", sa.String(64), nullable=False),
        sa.Column("size", WHOLE, nullable=False),
        sa.Column("text", sa.Text, nullable=False, server_default=""),
        sa.Column("body", sa.LargeBinary),
        sa.Column("created_at", sa.Float, nullable=False),
    )
    op.create_index("ix_attachments_message_id", "attachments", ["message_id"])
    op.create_index("ix_attachments_owner", "attachments", ["owner"])
    op.create_table(
        "presets",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("owner", sa.String(32), nullable=False, index=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("instructions", sa.Text, nullable=False),
        sa.Column("options", sa.Text, nullable=False, server_default=""),
        sa.Column("created_at", sa.Float, nullable=False),
    )
    op.create_table(
        "saved_prompts",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("owner", sa.String(32), nullable=False, index=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
    )
    op.create_table(
        "pulls",
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("total", WHOLE, nullable=False, server_default="0"),
        sa.Column("completed", WHOLE, nullable=False, server_default="0"),
        sa.Column("problem", sa.String(32), nullable=False, server_default=""),
        sa.Column("owner", sa.String(32), nullable=False, server_default=""),
        sa.Column("started_at", sa.Float, nullable=False),
        sa.Column("updated_at", sa.Float, nullable=False),
    )


def downgrade() -> None:
    for table in ("pulls", "saved_prompts", "presets", "attachments"):
        op.drop_table(table)
    # What was deleted stays deleted where nothing knows of a bin.
    op.execute(
        "DELETE FROM messages WHERE conversation_id IN (SELECT id FROM conversations WHERE deleted_at IS NOT NULL)"
    )
    op.execute("DELETE FROM conversations WHERE deleted_at IS NOT NULL")
    op.drop_index("ix_conversations_deleted_at", "conversations")
    op.drop_index(_ORDER, "conversations")
    with op.batch_alter_table("messages") as altered:
        altered.drop_column("rating")
    with op.batch_alter_table("conversations") as altered:
        for column in _of_conversations():
            altered.drop_column(column.name)
    op.create_index(_OLD_ORDER, "conversations", ["owner", "is_pinned", "updated_at", "id"])
