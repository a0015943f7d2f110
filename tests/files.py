"""Files as people attach them: pictures and PDFs, small and whole."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from io import BytesIO

from PIL import Image
from pypdf import PdfReader, PdfWriter


def png(width: int, height: int, colour: tuple[int, ...] = (20, 90, 160)) -> bytes:
    said = BytesIO()
    Image.new("RGBA" if len(colour) == 4 else "RGB", (width, height), colour).save(said, "PNG")
    return said.getvalue()


def jpeg(width: int, height: int, *, place: str = "", orientation: int = 1) -> bytes:
    """A photograph that tells where it was taken."""
    made, exif, said = Image.new("RGB", (width, height), (200, 120, 40)), Image.Exif(), BytesIO()
    exif[0x0112] = orientation
    exif[0x010E] = place
    made.save(said, "JPEG", exif=exif, comment=place.encode())
    return said.getvalue()


def gif(colours: Sequence[tuple[int, int, int]]) -> bytes:
    first, *others = (Image.new("RGB", (4, 4), colour) for colour in colours)
    said = BytesIO()
    first.save(said, "GIF", save_all=True, append_images=others)
    return said.getvalue()


def pdf(*pages: str, password: str | None = None, unpacked: int = 0) -> bytes:
    """A PDF with a line of text on each page; `unpacked`: how many bytes of blanks stand before it, packed well."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "", "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    body: list[bytes] = [each.encode() for each in objects]
    kids = []
    for text in pages:
        kids.append(f"{len(body) + 1} 0 R")
        body.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Resources << /Font << /F1 3 0 R >> >> "
            b"/Contents %d 0 R >>" % (len(body) + 2)
        )
        drawn = f"BT /F1 12 Tf 50 700 Td ({text}) Tj ET".encode() if text else b""
        packed = zlib.compress(b" " * unpacked + drawn)
        body.append(b"<< /Length %d /Filter /FlateDecode >>\nstream\n%b\nendstream" % (len(packed), packed))
    body[1] = f"<< /Type /Pages /Count {len(pages)} /Kids [{' '.join(kids)}] >>".encode()
    said, places = b"%PDF-1.4\n", []
    for number, each in enumerate(body, 1):
        places.append(len(said))
        said += b"%d 0 obj\n%b\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    said += b"xref\n0 %d\n0000000000 65535 f \n%btrailer\n" % (len(body) + 1, table)
    said += b"<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(body) + 1, len(said.split(b"xref\n0 ")[0]))
    if password is None:
        return said
    locked, written = PdfWriter(clone_from=PdfReader(BytesIO(said))), BytesIO()
    locked.encrypt(user_password=password, owner_password="owner", algorithm="AES-256")
    locked.write(written)
    return written.getvalue()
