"""What is said to people, as gettext's tools find it in the code, and a language that shows where it is said."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_keywords, parse_mapping_cfg
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parent.parent
TRANSLATIONS = ROOT / "insight_app" / "translations"
TEMPLATE = TRANSLATIONS / "messages.pot"
# As docs/translating.md gives them to pybabel.
KEYWORDS = {**DEFAULT_KEYWORDS, **parse_keywords(["N_", "Said", "lazy", "marked"])}


def found() -> Catalog:
    """All messages of the code, as it is now."""
    with (ROOT / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    catalog = Catalog(fuzzy=False)
    for name, _line, message, comments, context in extract_from_dir(ROOT, methods, options, KEYWORDS):
        catalog.add(message, None, [(name, 0)], auto_comments=comments, context=context)
    return catalog


def read(path: Path, code: str | None = None) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=code)


def write_pseudo(path: Path, code: str) -> None:
    """A catalog in which each message stands in ⟦brackets⟧, with its placeholders."""
    catalog = Catalog(locale=code, fuzzy=False)
    for message in read(TEMPLATE):
        if not message.id:
            continue
        forms = message.id if isinstance(message.id, tuple) else (message.id,)
        said = tuple(f"⟦{form}⟧" for form in forms)
        all_forms = said[-1:] * catalog.num_plurals if len(forms) > 1 else said[0]
        catalog.add(message.id, all_forms, context=message.context)
    out = BytesIO()
    write_po(out, catalog, width=0)
    path.write_bytes(out.getvalue())
