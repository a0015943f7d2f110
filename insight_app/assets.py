"""The files a browser needs: style sheets, a script, a mark and icons, compressed once and named by their content.

The style sheets and scripts are separate files for their readers and few files for the network, without what is for
readers alone; a name that holds the content's digest can be kept by a browser for ever. `python -m insight_app.assets
FOLDER` writes them for a web server in front.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from flask import Flask, Response, abort, current_app, request

from insight_app.accounts.guards import for_everybody
from insight_app.config import PROJECT

# Every page has the first sheet, and one of the first two scripts; the others are for those that need them.
BUNDLES = {
    "site.css": ("css/tokens.css", "css/base.css", "css/composer.css", "css/presets.css"),
    "site.js": (
        "vendor/htmx-4.0.1-with-sse.js",
        "js/page.js",
        "js/app.js",
        "js/more.js",
        "js/drafts.js",
        "js/composer.js",
        "js/files.js",
        "js/prompts.js",
        "js/keys.js",
    ),
    "outside.js": ("js/page.js",),
    "conversation.css": ("css/prose.css", "css/code.css", "css/chat.css"),
    "conversation.js": ("js/follow.js", "js/growing.js", "js/latest.js", "js/rewrite.js"),
    "settings.css": ("css/code.css", "css/settings.css", "css/moderation.css", "css/library.css"),
    "shelf.css": ("css/shelf.css",),
    "streamed.css": ("css/streamed.css",),
    "mark.svg": ("img/mark.svg",),
    **{f"icon-{name}.png": (f"img/icon-{name}.png",) for name in ("192", "512", "whole-180", "whole-512")},
}
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
# Comments that have their lines for themselves, and indentation.
FOR_READERS = re.compile(rb"^[ \t]*(?://.*|/\*.*\*/)\n|^[ \t]+", re.MULTILINE)
FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    name: str  # "site-0123456789ab.css"
    plain: bytes
    packed: bytes
    type: str


def as_sent(path: Path) -> bytes:
    """A file without what is for readers. That needs no parser: no line of our sheets and scripts begins in a text."""
    content = path.read_bytes()
    return FOR_READERS.sub(b"", content) if path.parent.name in ("css", "js") else content


def read_bundle(folder: Path, name: str) -> Asset:
    plain = b"\n".join(as_sent(folder / part) for part in BUNDLES[name])
    stem, _, ending = name.partition(".")
    digest = hashlib.sha256(plain).hexdigest()[:12]
    return Asset(f"{stem}-{digest}.{ending}", plain, gzip.compress(plain, 9, mtime=0), TYPES["." + ending])


def write(source: Path, folder: Path) -> None:
    """Puts every asset of `source` into `folder`, plain and packed (NAME.gz), for everybody to read.

    Those of earlier versions stay: pages of before an upgrade ask for them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    for asset in (read_bundle(source, name) for name in BUNDLES):
        for name, content in ((asset.name, asset.plain), (f"{asset.name}.gz", asset.packed)):
            unfinished = folder / f".{name}.{os.getpid()}"
            unfinished.write_bytes(content)
            unfinished.chmod(0o644)
            unfinished.replace(folder / name)  # whole or not at all, as it may be asked for just now


def asset(name: str) -> str:
    """The address of that one of BUNDLES."""
    return f"{request.script_root}/assets/{current_app.extensions['assets'][name].name}"


def register(app: Flask) -> None:
    """Serves /assets/NAME and gives templates `asset("site.css")`, its address."""
    folder = Path(app.root_path) / "static"
    bundles = {name: read_bundle(folder, name) for name in BUNDLES}
    by_name = {asset.name: asset for asset in bundles.values()}

    @app.get("/assets/<name>")
    @for_everybody
    def asset_file(name: str) -> Response:
        asset = by_name.get(name) or abort(404)
        packed = request.accept_encodings["gzip"] > 0
        response = Response(asset.packed if packed else asset.plain, content_type=asset.type)
        if packed:
            response.headers["Content-Encoding"] = "gzip"
        response.headers["Vary"] = "Accept-Encoding"
        response.headers["Cache-Control"] = FOR_EVER
        return response

    app.extensions["assets"] = bundles
    app.jinja_env.globals["asset"] = asset


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m insight_app.assets FOLDER")
    write(PROJECT / "static", Path(sys.argv[1]))
