"""llama.cpp's own HTTP server, the one inside xllamacpp, with the built-in model: a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
NAME = "smollm2"
CONTEXT = 1024  # tokens, of each of its two slots
PATIENCE = 30  # seconds


@contextmanager
def llama_server() -> Iterator[str]:
    """Its address; it has loaded its model."""
    process = subprocess.Popen(
        [sys.executable, __file__],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout
    assert process.stdin
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(PATIENCE)
        process.stdout.close()


def main() -> None:
    import xllamacpp

    from insight_app.engines.embedded_model import weights

    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.model_alias = {NAME}
    params.n_parallel = 2
    params.n_ctx = 2 * CONTEXT
    params.n_batch = params.n_ubatch = 32  # between two batches it sees that somebody has gone
    params.cpuparams.n_threads = 1
    params.sampling.temp = 0.0  # the same prompt has the same answer
    params.endpoint_slots = True
    params.cache_ram_mib = 0
    params.ui = False
    params.verbosity = -1
    params.port = 0
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
