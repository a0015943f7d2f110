"""What an answer took: its run, the seconds of its stages, its tokens, and how much of the conversation was read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

SECONDS = ("queued", "loading", "reading", "thinking", "writing", "answer")
COUNTS = ("context_tokens", "messages_before", "messages_read", "memory_from")


def upgrade() -> None:
    op.add_column("messages", sa.Column("run", WHOLE, nullable=False, server_default="0"))
    for stage in SECONDS:
        op.add_column("messages", sa.Column(f"{stage}_seconds", sa.Float))
    for name in COUNTS:
        op.add_column("messages", sa.Column(name, WHOLE))
    op.create_index("ix_messages_model_loading_seconds", "messages", ["model", "loading_seconds"])


def downgrade() -> None:
    with op.batch_alter_table("messages") as table:
        table.drop_index("ix_messages_model_loading_seconds")
        for stage in SECONDS:
            table.drop_column(f"{stage}_seconds")
        for name in ("run", *COUNTS):
            table.drop_column(name)
