"""What every form of a page is."""

from __future__ import annotations

from flask_wtf import FlaskForm


class Form(FlaskForm):  # type: ignore[misc]
    """One whose token is neither looked at nor made again: every post was checked before it came here (web.py)."""

    class Meta:
        csrf = False
