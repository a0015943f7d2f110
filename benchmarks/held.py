"""How long one answer can hold up everybody else: the longest time between two ticks of the server's event loop.

    python benchmarks/held.py

The product runs in a process of its own, under gevent, while one page follows an answer that comes in an extreme way.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
FIELD = 'name="{}" value="([^"]*)"'


def serve(engine: str) -> None:
    """Serves until standard input ends; each line of it is answered by the longest pause since the last one, in ms."""
    from gevent import get_hub, monkey, sleep, spawn

    monkey.patch_all()
    from gevent.pywsgi import WSGIServer

    from insight_app import create_app
    from insight_app.config import Settings

    longest = 0.0

    def tick() -> None:
        nonlocal longest
        last = time.perf_counter()
        while True:
            sleep(0.001)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now

    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(secret_key="of no use", data_dir=Path(folder), ollama_base_url=engine, log_level="error")
        app = create_app(settings)
        app.extensions["insight"].engine.look()
        server = WSGIServer(("127.0.0.1", 0), app, log=None)
        server.start()
        spawn(tick)
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        while get_hub().threadpool.apply(sys.stdin.readline):
            print(longest * 1000, flush=True)
            longest = 0.0


def follow(server: str) -> None:
    """Asks, opens the page, follows the answer to its end."""
    import requests

    with requests.Session() as session:
        page = session.get(server).text
        form = {name: re.findall(FIELD.format(name), page)[-1] for name in ("csrf_token", "key")}
        page = session.post(server + "/messages", data={**form, "message": "Go"}).text
        answer = re.findall(r'<article id="a(\d+)" class="answer"', page)[-1]
        assert "event: done" in session.get(f"{server}/answers/{answer}/stream").text


def held(steps: Sequence[object]) -> tuple[float, float]:
    """The longest pause in milliseconds, and the growth of the most memory ever used in megabytes."""
    from scripted_ollama import ScriptedOllama

    command = [sys.executable, __file__, "serve"]
    with ScriptedOllama() as ollama:
        child = subprocess.Popen([*command, ollama.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert child.stdin is not None
        assert child.stdout is not None
        server = child.stdout.readline().strip()
        pauses = []
        for script in (["Hello"], steps):
            before = most_memory(child.pid)
            ollama.script(lambda _: time.sleep(0.5), *script)  # until its page is open
            follow(server)
            print(file=child.stdin, flush=True)
            pauses.append(float(child.stdout.readline()))
        grown = most_memory(child.pid) - before
        child.stdin.close()
        child.wait(timeout=20)
        return pauses[-1], grown


def most_memory(pid: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def main() -> None:
    from faults_of_engines import BURST, UNBROKEN, at_once, said
    from scripted_ollama import done

    extremes: dict[str, Sequence[object]] = {
        "one word": ["Hello"],
        "10,000 tokens in one burst": [at_once(BURST), done()],
        "50,000 tokens without a newline": [at_once(UNBROKEN), done()],
        "the same, each sent alone": [*map(said, UNBROKEN), done()],
        "5 MB in one line": [said("word " * 1_000_000), done()],
        "5 MB of short paragraphs in one line": [said("word word\\n\\n" * 400_000), done()],
    }
    print("| an answer of | longest pause (ms) | memory (MB) |\n|---|---|---|")
    for name, steps in extremes.items():
        pause, memory = held(steps)
        print(f"| {name} | {pause:.0f} | {memory:.0f} |", flush=True)


if __name__ == "__main__":
    serve(sys.argv[2]) if sys.argv[1:2] == ["serve"] else main()
