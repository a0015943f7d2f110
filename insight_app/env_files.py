"""What stands in a file of settings: each name with its value and its place, so that what is wrong can be named."""

from __future__ import annotations

import re
from collections.abc import Container
from pathlib import Path

from dotenv.parser import parse_stream

from insight_app.errors import ConfigError


def read(file: Path, known: Container[str]) -> dict[str, tuple[str, str]]:
    """Each name in `file` with its value and its place; the last one counts where a name is written twice.

    A file that is not there is empty. Raises ConfigError for one that cannot be read, a line that cannot, and a name
    among those `known` without a value.
    """
    try:
        with file.open(encoding="utf-8-sig") as stream:
            bindings = list(parse_stream(stream))
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError:
        raise ConfigError(f"{file} is not UTF-8 text.", "Save it as UTF-8 and start again.") from None
    except OSError as error:
        raise ConfigError(f"{file} cannot be read ({error.strerror}).", "Check who may read it.") from None
    found: dict[str, tuple[str, str]] = {}
    for binding in bindings:
        # The parser counts from the blank lines above; universal newlines leave only \n.
        blank = re.match(r"\s*", binding.original.string)
        line = binding.original.line + (blank.group().count("\n") if blank else 0)
        place = f"{file.name} line {line}"
        if binding.error or (binding.key in known and binding.value is None):
            raise ConfigError(
                f"{place} cannot be read.",
                "Write it as NAME=value, with both quotation marks or none, and start again.",
            )
        if binding.key:
            found[binding.key] = ((binding.value or "").strip(), place)
    return found
