"""Conversations: what is asked, the answer while it is written, and how both are shown."""
