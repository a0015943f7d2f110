"""Words that nobody else uses, every form in which a program could write them, and the places where it could."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from redis import Redis

# Letters that each encoding writes differently, around some that none changes: cut off anywhere, a part is left.
WORD = "zq7kanarie-ö-⟨vögel⟩-zq7zwitschern"
WORDS = f'Tell nobody of {WORD} <b>&"please"</b>'
PARTS = ("zq7kanarie", "zq7zwitschern")
# Not a letter of it can be changed: for headers, methods and names of files.
PLAIN = "zq7kanarie-zq7zwitschern"


def _in_base64(text: str) -> Iterator[bytes]:
    """Base64 of a text that has it, wherever it begins: without the letters that its neighbours change."""
    for offset in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * offset + text.encode())[4 if offset else 0 : -4]


def forms() -> dict[str, set[bytes]]:
    """Every way of writing the words down, by name, each with what is to be looked for."""
    found: dict[str, set[bytes]] = {
        "plain": {part.encode() for part in PARTS},
        "backwards": {part[::-1].encode() for part in PARTS},
        "UTF-16": {part.encode(code) for part in PARTS for code in ("utf-16-le", "utf-16-be")},
        "UTF-32": {part.encode(code) for part in PARTS for code in ("utf-32-le", "utf-32-be")},
        "hexadecimal": {part.encode().hex().encode() for part in PARTS},
        "base64": {form for part in PARTS for form in _in_base64(part)},
        "percent": {quote(WORD, safe="").encode(), "".join(f"%{byte:02x}" for byte in PARTS[0].encode()).encode()},
        "JSON escapes": {
            json.dumps("-ö-⟨v").strip('"').encode(),
            "".join(f"\\u{ord(x):04x}" for x in PARTS[0]).encode(),
        },
        "HTML escapes": {b"-&ouml;-", b"-&#246;-", b"-&#xf6;-", html.escape(WORDS[-20:]).encode()},
        "bytes as Python shows them": {repr("-ö-⟨v".encode())[2:-1].encode(), ascii("-ö-⟨v")[1:-1].encode()},
        "the rest of it": {"⟨vögel⟩".encode(), "⟨vögel⟩".encode("utf-16-le")},
    }
    return {name: {form.lower() for form in some} for name, some in found.items()}


FORMS = forms()


def found_in(data: bytes) -> list[str]:
    """The names of the forms in which the words stand there."""
    data = data.lower()
    return [name for name, some in FORMS.items() if any(form in data for form in some)]


def expect_none(places: Mapping[str, bytes]) -> None:
    """Fails with the place where the words are, and a little of what stands around them."""
    for place, data in places.items():
        if names := found_in(data):
            at = min(position for name in names for form in FORMS[name] if (position := data.lower().find(form)) >= 0)
            raise AssertionError(f"{place} holds the words ({', '.join(names)}): {data[max(0, at - 300) : at + 100]!r}")


def in_files(folder: Path, but: Callable[[Path], bool] = lambda path: False) -> dict[str, bytes]:
    """What the files of a folder hold, and their names."""
    paths = [path for path in folder.rglob("*") if not but(path)]
    found = {str(path): path.read_bytes() for path in paths if path.is_file()}
    return {f"the names in {folder}": "\n".join(map(str, paths)).encode(), **found}


def is_kept(path: Path) -> bool:
    """Whether it is a place for conversations: the database, and the record that a person asked for."""
    return path.name.startswith("insight.db") or path.parent.name == "diagnostics"


def in_redis(client: Redis) -> dict[str, bytes]:
    """All keys and what they hold."""
    found = {}
    for key in client.scan_iter("*"):
        kind = client.type(key)
        if kind == b"string":
            held = client.get(key) or b""
        elif kind == b"hash":
            held = b"\n".join(part for pair in client.hgetall(key).items() for part in pair)
        elif kind == b"set":
            held = b"\n".join(client.smembers(key))
        else:
            raise AssertionError(f"nothing of ours was a {kind!r} so far: say here how it is read")
        found[f"Redis, {key!r}"] = key + b"\n" + held
    return found


def in_processes(pid: int) -> dict[str, bytes]:
    """What other programs can read of a process and those it started: title, command line, environment, threads."""
    here = Path(f"/proc/{pid}")
    places = [here / name for name in ("cmdline", "environ", "status", "comm", "wchan")]
    found = {str(place): _read(place) for place in [*places, *here.glob("task/*/comm")]}
    for child in _children(pid):
        found |= in_processes(child)
    return found


def _read(place: Path) -> bytes:
    """b"" where it is gone: processes and threads end while one looks."""
    try:
        return place.read_bytes()
    except OSError:
        return b""


def _children(pid: int) -> list[int]:
    # Not by task/PID/children: that list may lack one that has just begun.
    stats = {place: _read(place).rpartition(b")")[2].split() for place in Path("/proc").glob("[0-9]*/stat")}
    return [int(place.parent.name) for place, stat in stats.items() if stat and int(stat[1]) == pid]
