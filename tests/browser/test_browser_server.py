"""What only the real server shows: a program that closes its socket while the engine is silent."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import pytest
from scripted_ollama import ScriptedOllama, silence


@pytest.mark.parametrize("accept", ["text/plain", "text/event-stream"])
@pytest.mark.parametrize("begun", [[], ["Some words"]], ids=["before the first word", "after it"])
def test_a_program_that_goes_away_frees_its_place(
    server: str, ollama: ScriptedOllama, accept: str, begun: list[str]
) -> None:
    script = ollama.script(*begun, silence)
    body = json.dumps({"message": "Hi"}).encode()
    where = urlsplit(server)
    with socket.create_connection((where.hostname or "", where.port or 0)) as program:
        head = f"POST /api/chat HTTP/1.1\r\nHost: {where.netloc}\r\nAccept: {accept}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        program.sendall(head.encode() + body)
        assert script.asked.wait(5)
    assert script.client_gone.wait(5)
