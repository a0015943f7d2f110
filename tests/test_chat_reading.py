"""What is in a file: text in every common encoding, pictures made anew, PDFs as text; and what cannot be read."""

from __future__ import annotations

import zlib
from io import BytesIO

import pytest
from files import gif, jpeg, pdf, png
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from insight_app.chat import reading, reading_apart
from insight_app.chat.reading import decoded, read
from insight_app.errors import (
    FileEmpty,
    FileRefused,
    FileTooLong,
    FileTooMuch,
    FileUnreadable,
    ImageBroken,
    ImageTooLarge,
    PdfBroken,
    PdfLocked,
    PdfWithoutText,
)

LONGEST = 1000


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1", "cp1252"])
def test_a_text_is_known_by_what_it_is_and_not_by_its_name(encoding: str) -> None:
    found = read("picture.png", "Grüße, année".encode(encoding), LONGEST)
    assert (found.kind, found.media_type, found.text, found.body) == ("text", "text/plain", "Grüße, année", None)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_every_text_in_utf_8_and_utf_16_comes_back(text: str) -> None:
    assert decoded(text.encode("utf-16")) == text
    assert decoded(text.encode()) in (text, text.removeprefix("\ufeff"))


@given(st.binary(min_size=1, max_size=200))
def test_whatever_bytes_come_they_are_a_text_or_refused(data: bytes) -> None:
    """Those of pictures and PDFs go to another process, which has tests of its own."""
    text = decoded(data)
    assert text is None or isinstance(text, str)


@pytest.mark.parametrize("data", [b"PK\x03\x04\x14\x00\x00\x00", b"\x7fELF\x02\x01\x01\x00", b"\xff\xfe\x00"])
def test_what_is_no_text_is_refused(data: bytes) -> None:
    with pytest.raises(FileUnreadable, match=r"letter\.docx"):
        read("letter.docx", data, LONGEST)


@pytest.mark.parametrize("data", [b"", b" \n ", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(data: bytes) -> None:
    with pytest.raises(FileEmpty):
        read("empty.txt", data, LONGEST)


def test_a_text_as_long_as_a_message_may_be_is_taken_and_a_longer_one_is_not() -> None:
    assert len(read("a.txt", b"a" * LONGEST, LONGEST).text) == LONGEST
    with pytest.raises(FileTooLong, match="1,000"):
        read("a.txt", b"a" * (LONGEST + 1), LONGEST)


def test_markup_is_text() -> None:
    assert read("x.svg", b"<svg onload='alert(1)'/>", LONGEST).media_type == "text/plain"


def test_a_pdf_is_its_text() -> None:
    found = read("paper", pdf("First page", "Second page"), LONGEST)
    assert (found.kind, found.text, found.body) == ("pdf", "First page\n\nSecond page", None)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"%PDF-1.7\nnothing that follows", PdfBroken),
        (pdf("Text")[:200], PdfBroken),
        (pdf(""), PdfWithoutText),
        (pdf("Secret", password="open sesame"), PdfLocked),
        (pdf("a" * 600, "b" * 600), FileTooLong),
        (png(900, 900)[:300], ImageBroken),
        (b"\x89PNG\r\n\x1a\n", ImageBroken),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", ImageBroken),
    ],
    ids=["no pages", "cut", "scanned", "locked", "long", "cut picture", "beginning of a picture", "no picture"],
)
def test_a_broken_file_says_what_is_wrong_with_it(data: bytes, problem: type[FileRefused]) -> None:
    with pytest.raises(problem):
        read("file", data, LONGEST)


def test_a_pdf_that_opens_without_its_password_is_read() -> None:
    assert read("paper", pdf("For everybody", password=""), LONGEST).text == "For everybody"


def test_a_large_picture_is_made_smaller_and_loses_what_is_hidden_in_it() -> None:
    found = read("photo.jpg", jpeg(3000, 2000, place="51.5, -0.12"), LONGEST)
    assert found.body is not None
    assert (found.kind, found.media_type) == ("image", "image/jpeg")
    made = Image.open(BytesIO(found.body))
    assert made.size == (1568, 1045)
    assert not made.getexif()
    assert b"51.5" not in found.body
    assert "comment" not in made.info


def test_a_large_photograph_of_nothing_but_pixels_is_made_smaller_too() -> None:
    said = BytesIO()
    Image.new("RGB", (4000, 3000), (200, 120, 40)).save(said, "JPEG")
    found = read("photo.jpg", said.getvalue(), LONGEST)
    assert found.body is not None
    assert Image.open(BytesIO(found.body)).size == (1568, 1176)


def test_a_picture_that_was_taken_sideways_stands_upright() -> None:
    found = read("photo.jpg", jpeg(400, 200, orientation=6), LONGEST)
    assert found.body is not None
    assert Image.open(BytesIO(found.body)).size == (200, 400)


def test_what_shines_through_becomes_white_and_of_what_moves_the_first_picture_is_taken() -> None:
    clear = read("x.png", png(2, 2, (255, 0, 0, 0)), LONGEST)
    moving = read("x.gif", gif([(255, 0, 0), (0, 0, 255)]), LONGEST)
    assert clear.body is not None
    assert moving.body is not None
    assert Image.open(BytesIO(clear.body)).getpixel((0, 0)) == (255, 255, 255)
    first = Image.open(BytesIO(moving.body))
    assert (first.format, first.getpixel((0, 0))) == ("PNG", (255, 0, 0))


def test_a_picture_of_more_pixels_than_a_camera_makes_is_refused_before_it_is_unpacked() -> None:
    """60,000 by 60,000 pixels in a few hundred bytes: eleven gigabytes, unpacked."""
    header = b"\x00\x00\xea\x60" * 2 + b"\x08\x02\x00\x00\x00"
    body = zlib.compress(bytes(1000))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    with pytest.raises(ImageTooLarge):
        read("bomb.png", bomb, LONGEST)


def test_a_pdf_that_unpacks_to_far_more_is_refused() -> None:
    with pytest.raises(FileRefused):
        read("bomb.pdf", pdf("", unpacked=2**27), LONGEST)


def test_what_reads_for_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SECONDS", -4.999)  # five more are given to what stops by itself
    with pytest.raises(FileTooMuch):
        read("slow.pdf", pdf("Text"), LONGEST)


def test_who_reads_a_file_knows_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "not for readers")
    seen: list[dict[str, str]] = []

    def run(command: list[str], **given: object) -> object:
        seen.append(given["env"])  # type: ignore[arg-type]
        raise reading.subprocess.TimeoutExpired(command, 1)

    monkeypatch.setattr(reading.subprocess, "run", run)
    with pytest.raises(FileTooMuch):
        read("x.pdf", pdf("Text"), LONGEST)
    assert "SECRET_KEY" not in seen[0]


def test_the_process_that_reads_says_one_line_and_then_what_it_read(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(reading_apart, "_be_modest", lambda: None)
    for kind, data, said in (
        ("pdf", pdf("Hello"), b'{"type": "text/plain"}\nHello'),
        ("pdf", b"%PDF-", b'{"problem": "pdf_broken"}\n'),
        ("image", b"\xff\xd8\xff", b'{"problem": "image_broken"}\n'),
    ):
        monkeypatch.setattr("sys.stdin", type("Input", (), {"buffer": BytesIO(data)}))
        reading_apart.main(kind, LONGEST)
        assert capsysbinary.readouterr().out == said
