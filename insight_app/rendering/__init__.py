"""Markdown that is still being written becomes safe HTML, piece by piece: pure functions of text."""
