"""What keeps the product from starting: a setting that cannot be used.

InsightError
└── ConfigError  the environment or .env holds a value that cannot be used; the start stops
    └── NotYet   what it names is away just now; the start is tried again
"""

from __future__ import annotations

from insight_app.errors.base import InsightError


class ConfigError(InsightError):
    code = "config"


class NotYet(ConfigError):
    """It may be otherwise in a moment, without anybody's doing: a start is then worth another try."""

    code = "not_yet"
