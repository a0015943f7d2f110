"""Rules with their history and counts, why an answer was refused, and what each person chose about their words."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "moderation_entries",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("place", WHOLE, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "moderation_changes",
        sa.Column("id", WHOLE, primary_key=True, autoincrement=True),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("who", sa.String(255), nullable=False),
        sa.Column("before", sa.Text, nullable=False),
        sa.Column("after", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "moderation_counts",
        sa.Column("entry_id", sa.String(32), primary_key=True),
        sa.Column("hour", WHOLE, primary_key=True),
        sa.Column("times", WHOLE, nullable=False),
    )
    op.create_table(
        "preferences",
        sa.Column("person", sa.String(64), primary_key=True),
        sa.Column("keep_days", WHOLE),
        sa.Column("diagnostics_until", sa.Float),
    )
    op.add_column("messages", sa.Column("reason", sa.Text, nullable=False, server_default=""))
    op.add_column("conversations", sa.Column("is_pinned", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("conversations", sa.Column("instructions", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    with op.batch_alter_table("conversations") as table:
        table.drop_column("instructions")
        table.drop_column("is_pinned")
    with op.batch_alter_table("messages") as table:
        table.drop_column("reason")
    for name in ("preferences", "moderation_counts", "moderation_changes", "moderation_entries"):
        op.drop_table(name)
