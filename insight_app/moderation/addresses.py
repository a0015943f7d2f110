"""Addresses: where somebody gets mail, and where their machine is."""

from __future__ import annotations

import ipaddress
import re

from insight_app.moderation.detector import Detector

# Letters of the scripts that put spaces between words. In others a whole sentence would look like a name before an @.
BEYOND_ASCII = "\u00c0-\u052f"
LETTERS = f"A-Za-z{BEYOND_ASCII}"

MAIL = re.compile(
    rf"[{LETTERS}0-9_](?:[.]?[{LETTERS}0-9_%+'-])*@"
    rf"(?:[{LETTERS}0-9](?:[{LETTERS}0-9-]{{0,62}})[.]){{1,8}}(xn--[0-9A-Za-z-]{{2,59}}|[{LETTERS}]{{2,24}})(?![{LETTERS}(])"
)
# icon@2x.png, vue@3.prod.js: no name in the Internet ends so.
FILES = {"avif", "css", "gif", "html", "jpeg", "jpg", "js", "json", "png", "svg", "webp"}


def _mail(candidate: str) -> int:
    found = MAIL.match(candidate)
    # git@github.com is how everybody's repository is named, and x@w.mean(0) a product of matrices.
    if not found or found[1].lower() in FILES or candidate.lower().startswith("git@"):
        return 0
    return found.end()


def _version_4(candidate: str) -> int:
    """Somebody's address: not this machine itself, no mask, no broadcast; and no version number, which has letters."""
    try:
        address = ipaddress.IPv4Address(candidate)
    except ValueError:
        return 0
    return 0 if address.is_loopback or address.packed[0] in (0, *range(224, 256)) else len(candidate)


def _version_6(candidate: str) -> int:
    """With a digit: face::add is also a name in a program. A colon after it may belong to the sentence."""
    address = candidate if candidate.endswith("::") else candidate.removesuffix(":")
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        return 0
    return len(address) if any(sign.isdigit() for sign in address) else 0


_REST = rf"[{LETTERS}0-9_.%+'-]{{0,63}}@[{LETTERS}0-9][{LETTERS}0-9.-]{{1,120}}[(]?"
MAIL_ADDRESSES = (
    Detector("e-mail address", rf"\b[0-9A-Za-z_]{_REST}", _mail),
    Detector("e-mail address", rf"[{BEYOND_ASCII}]{_REST}", _mail),  # \b knows only the letters of ASCII
)
IP_ADDRESSES = (
    Detector("IP address", r"\b[vV]?[0-9]{1,3}(?:\.[0-9]{1,5}){3,30}(?:-?[A-Za-z_])?", _version_4),
    # What is given to machines begins with 2 or 3, at home with fc, fd or fe, and always with four digits: so neither
    # 12:30:45, nor a finger print, nor x[100::2] looks like one.
    Detector("IP address", r"\b[23fF][0-9A-Fa-f]{3}:[0-9A-Fa-f:]{1,190}[G-Zg-z_]?", _version_6, skip=len),
)
