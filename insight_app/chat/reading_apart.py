"""Reads one picture or PDF that comes on the standard input, in a process that may use little and know nothing.

    python -m insight_app.chat.reading_apart image|pdf LONGEST < file

Says a line of JSON, {"type": …} or {"problem": the code of an error}, and then the picture made anew, or the text.
"""

from __future__ import annotations

import json
import re
import sys
from contextlib import suppress
from io import BytesIO

SECONDS = 20  # of computing
MEMORY = 1536 * 2**20  # bytes
MOST_PAGES = 1000
MOST_PIXELS = 50_000_000  # a camera's largest pictures have so many
LARGEST_SIDE = 1568  # pixels: models that see more make it smaller themselves
LARGEST_PNG = 2**20  # bytes; what is larger is no drawing but a photograph
_JFIF, _PIXELS, _NEEDED = 0xE0, 0xDA, (0xDB, 0xC0, 0xC4)  # tables, and the size
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7]", re.DOTALL)  # none that belongs to the pixels


class _Problem(Exception):
    """`str()` is the code of an error of errors.files."""


def picture(data: bytes) -> tuple[str, bytes]:
    """The picture, upright, small enough, and without anything that was said in it beside what is seen."""
    import warnings

    from PIL import Image, ImageOps

    warnings.simplefilter("error", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    try:
        with Image.open(BytesIO(data), formats=("PNG", "JPEG", "WEBP", "GIF")) as found:
            was_photograph, is_small = found.format == "JPEG", max(found.size) <= LARGEST_SIDE
            if was_photograph:
                found.draft("RGB", (LARGEST_SIDE, LARGEST_SIDE))  # decodes no more than is needed
            upright = ImageOps.exif_transpose(found)  # the first frame of those that move
            if upright.mode == "P" or "transparency" in upright.info:
                upright = upright.convert("RGBA")
            elif upright.mode.startswith(("I", "F")):
                upright = upright.convert("L")
            upright.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.LANCZOS)
            # A new one on white: what a library keeps beside the pixels (EXIF, comments, profiles) does not come along.
            clean = Image.new("RGB", upright.size, "white")
            clean.paste(upright.convert("RGB"), mask=upright.getchannel("A") if "A" in upright.getbands() else None)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _Problem("image_too_large") from None
    except (OSError, ValueError, SyntaxError, TypeError, KeyError, EOFError, IndexError):
        raise _Problem("image_broken") from None
    if was_photograph and is_small and _is_only_pixels(data):
        return "image/jpeg", data  # as it was made here: it would lose a little with each journey
    said = BytesIO()
    if not was_photograph:
        clean.save(said, "PNG", optimize=False)
        if said.tell() <= LARGEST_PNG:
            return "image/png", said.getvalue()
        said = BytesIO()
    clean.save(said, "JPEG", quality=85)
    return "image/jpeg", said.getvalue()


def _is_only_pixels(data: bytes) -> bool:
    """Whether a JPEG has nothing but what is needed to draw it, up to its last byte."""
    at = 2
    while data[at : at + 1] == b"\xff":
        kind, end = data[at + 1], at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if kind == _PIXELS:
            found = _MARKER.search(data, end)
            return found is not None and found.start() == len(data) - 2
        if kind not in _NEEDED and not (kind == _JFIF and end - at == 18):
            return False
        at = end
    return False


def text_of_pdf(data: bytes, longest: int) -> str:
    """The text of its pages, a blank line between them."""
    import logging

    from pypdf import PdfReader
    from pypdf.errors import FileNotDecryptedError, PyPdfError

    logging.disable(logging.CRITICAL)
    try:
        reader = PdfReader(BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise _Problem("pdf_locked")
        pages, length = list[str](), 0
        for number, page in enumerate(reader.pages):
            found = page.extract_text().strip()
            length += len(found)
            if number >= MOST_PAGES or length > longest:
                raise _Problem("file_too_long")
            if found:
                pages.append(found)
    except FileNotDecryptedError:
        raise _Problem("pdf_locked") from None
    except (PyPdfError, ValueError, TypeError, KeyError, AttributeError, IndexError, OSError, AssertionError):
        raise _Problem("pdf_broken") from None
    if not pages:
        raise _Problem("pdf_without_text")
    return "\n\n".join(pages)


def main(kind: str, longest: int) -> None:
    """Reads the standard input; everything that goes wrong is a problem that can be told."""
    _be_modest()
    data = sys.stdin.buffer.read()
    about, body = {"type": "text/plain"}, b""
    try:
        if kind == "image":
            about["type"], body = picture(data)
        else:
            body = text_of_pdf(data, longest).encode("utf-8", "replace")
    except _Problem as problem:
        about = {"problem": str(problem)}
    except (MemoryError, RecursionError):
        about = {"problem": "file_too_much"}
    except Exception:  # a fault of a library: nobody hears what it was about, since that may quote the file
        about = {"problem": "image_broken" if kind == "image" else "pdf_broken"}
    sys.stdout.buffer.write(json.dumps(about).encode() + b"\n" + body)


def _be_modest() -> None:
    """Where the system lets processes say so (a service that may not has its own limits): little memory, no files."""
    with suppress(ImportError):  # Windows has no such thing
        import resource

        for what, most in (
            (resource.RLIMIT_AS, MEMORY),
            (resource.RLIMIT_CPU, SECONDS),
            (resource.RLIMIT_FSIZE, 0),
            (resource.RLIMIT_CORE, 0),
        ):
            with suppress(OSError, ValueError):
                resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
