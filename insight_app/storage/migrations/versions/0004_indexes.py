"""What the list of conversations and every delete look for is found without looking through everything."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"

PLACE = "ix_conversations_is_pinned_updated_at_id"
PARENT = "ix_messages_parent_id"


def upgrade() -> None:
    op.create_index(PLACE, "conversations", ["is_pinned", "updated_at", "id"])
    op.create_index(PARENT, "messages", ["parent_id"])


def downgrade() -> None:
    op.drop_index(PARENT, "messages")
    op.drop_index(PLACE, "conversations")
