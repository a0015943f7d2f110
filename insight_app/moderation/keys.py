"""Keys that open something: of programs, in addresses, and private ones in PEM."""

from __future__ import annotations

import re

from insight_app.moderation.detector import Detector

# As the vendors document them, or their scanners look for them: how it begins, and all of it.
FORMATS = (
    (r"A(?:KIA|SIA)", r"[A-Z0-9]{16}"),  # AWS
    (r"gh[opsur]_", r"[0-9A-Za-z_]{36,}"),  # GitHub
    (r"github_pat_", r"[0-9A-Za-z_]{50,}"),
    (r"gl(?:pat|dt|rt|ptt|cbt|soat|imt|agent)-", r"[0-9A-Za-z_.-]{19,}[0-9A-Za-z_-]"),  # GitLab
    (r"xox[abeoprs]-", r"[0-9A-Za-z-]{20,}"),  # Slack
    (r"xapp-", r"[0-9]-[0-9A-Za-z-]{20,}"),
    (r"AIza", r"[0-9A-Za-z_-]{35}"),  # Google
    (r"GOCSPX-", r"[0-9A-Za-z_-]{28}"),
    (r"sk-", r"(?:[a-z0-9]+-)*[0-9A-Za-z_-]{20,}"),  # OpenAI, Anthropic, OpenRouter, DeepSeek
    (r"[rs]k_(?:live|test)_", r"[0-9A-Za-z]{16,}"),  # Stripe
    (r"whsec_", r"[0-9A-Za-z+/=]{24,}"),
    (r"hf_", r"[0-9A-Za-z]{30,}"),  # Hugging Face
    (r"npm_", r"[0-9A-Za-z]{36}"),
    (r"pypi-", r"AgE[0-9A-Za-z_-]{50,}"),
    (r"SG\.", r"[0-9A-Za-z_-]{22}\.[0-9A-Za-z_-]{43}"),  # SendGrid
    (r"gsk_", r"[0-9A-Za-z]{40,}"),  # Groq
    (r"xai-", r"[0-9A-Za-z]{60,}"),
    (r"dop_v1_", r"[0-9a-f]{64}"),  # DigitalOcean
    (r"shp(?:at|ca|pa|ss)_", r"[0-9A-Fa-f]{32}"),  # Shopify
    (r"dapi", r"[0-9a-f]{32}"),  # Databricks
    (r"glsa_", r"[0-9A-Za-z]{32}_[0-9a-f]{8}"),  # Grafana
)
_TOKENS = [re.compile(rf"({begins})({rest})(?![0-9A-Za-z_])") for begins, rest in FORMATS]


def _token(candidate: str) -> int:
    for pattern in _TOKENS:
        found = pattern.match(candidate)
        if found and _is_random(found[2]):
            return found.end()
    return 0


def _is_random(text: str) -> bool:
    """Whether a machine wrote this: words between hyphens are a name, and xxxxxxxx stands for a key."""
    longest = max(re.split("[-_.]", text), key=len)
    return (
        len(longest) >= 8
        and len(set(text)) > 7
        and bool(re.search("[0-9]", text))
        and bool(re.search("[A-Za-z]", text))
    )


# Who explains an address writes a word for the password, or a place to put it.
_NO_PASSWORD = re.compile(r"(?i:pass|passwd|password|pw|pwd|secret|token|\*+|x+|\.+)|[<{$\[%].*")


def _with_password(candidate: str) -> int:
    password = candidate[:-1].split("://", 1)[1].split(":", 1)[1]
    return 0 if _NO_PASSWORD.fullmatch(password) else len(candidate)


_BREAK = r"(?:\r?\n|\\r\\n|\\n)"  # also written as two characters, as in JSON and .env
_HEADER = r"(?:Proc-Type|DEK-Info|Version|Comment): [^\r\n\\]{0,100}"
_PEM = re.compile(
    rf"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
    rf"(?P<lines>(?:{_BREAK}{_HEADER})*(?:(?:{_BREAK}[ \t]*)+[0-9A-Za-z+/=]{{40,}})*)"
    rf"(?P<last>{_BREAK}[ \t]*[0-9A-Za-z+/=]{{1,39}}(?![0-9A-Za-z+/=]))?"
    rf"(?P<end>{_BREAK}[ \t]*-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----)?"
)


def _private(candidate: str) -> int:
    """The first line alone counts; prose after it does not, so a short line must look like the rest of a key."""
    found = _PEM.match(candidate)
    if not found:
        return 0
    last = found["last"] or ""
    if found["end"] or (found["lines"] and re.search("[0-9+/=]", last)):
        return found.end()
    return found.end("lines")


_BEGINNINGS = "|".join(begins for begins, _ in FORMATS)
_BASE64URL = "[0-9A-Za-z_-]"
API_KEYS = (
    Detector("API key", rf"\b(?:{_BEGINNINGS})[0-9A-Za-z_.+/=-]{{14,240}}", _token, 260),
    Detector(  # a JSON Web Token: its first two parts begin with {"
        "API key",
        rf"\beyJ{_BASE64URL}{{8,}}\.eyJ{_BASE64URL}{{8,}}(?:\.{_BASE64URL}*)?",
        len,
        3300,
    ),
)
PASSWORD = Detector(
    "password in an address",
    r"\b[A-Za-z][0-9A-Za-z+.-]{1,20}://[0-9A-Za-z._~%!$&*+;=-]{0,64}:[^ \t\r\n\"'`/@]{1,100}@",
    _with_password,
)
PRIVATE_KEY = Detector(
    "private key",
    r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    rf"(?:{_BREAK}{_HEADER}){{0,4}}(?:{_BREAK}[ \t]{{0,8}}[0-9A-Za-z+/=]*)*"
    r"(?:-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----)?",
    _private,
    10_000,
    len,
)
