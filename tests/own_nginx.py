"""A real Nginx of the tests' own, on the files of deploy/nginx; only addresses, certificates and folders are others.

What a test puts in the place of something must be there: a line of the files that is no longer what a test thinks it is
fails it, so nothing is tested that is not delivered.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ROOT = Path(__file__).parent.parent
FILES = ROOT / "deploy" / "nginx"
NAME = "chat.example.org"


def free_ports(count: int) -> list[int]:
    """Ports that nobody has, all different."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def replaced(text: str, places: dict[str, str]) -> str:
    for old, new in places.items():
        assert old in text, f"nothing reads {old!r} any more"
        text = text.replace(old, new)
    return text


@cache
def certificate() -> tuple[bytes, bytes]:
    """A certificate that nobody signed, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = [x509.DNSName(NAME), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain, form = serialization.NoEncryption(), serialization.PrivateFormat.PKCS8
    return (
        signed.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, form, plain),
    )


class OwnNginx:
    """Nginx on nginx.conf and some files of deploy/nginx, each with what stands in for what; ends with `close()`."""

    def __init__(self, files: dict[str, dict[str, str]], listens: int) -> None:
        program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
        if program is None:
            pytest.skip("Nginx is not installed (Debian's package nginx-light)")
        self._listens = listens
        self.folder = Path(tempfile.mkdtemp(prefix="nginx-"))
        (self.folder / "logs").mkdir()
        for name, content in zip(("fullchain.pem", "privkey.pem"), certificate(), strict=True):
            (self.folder / name).write_bytes(content)
        conf = replaced(
            (FILES / "nginx.conf").read_text(encoding="utf-8"),
            {
                "worker_processes auto;": "worker_processes 2;",
                "pid /run/nginx.pid;": f"pid {self.folder}/pid;\n{'user root;' if os.geteuid() == 0 else ''}",
                "error_log stderr warn;": f"error_log {self.folder}/logs/main.log warn;",
                "default_type": f"{self._folders()}\n    default_type",
                "/etc/nginx/conf.d": str(self.folder),
            },
        )
        for name, places in files.items():
            text = replaced((FILES / name).read_text(encoding="utf-8"), places)
            (self.folder / name).write_text(text, encoding="utf-8")
        (self.folder / "nginx").write_text(conf, encoding="utf-8")
        self._command = [program, "-c", str(self.folder / "nginx"), "-p", str(self.folder)]
        self.start()

    def start(self) -> None:
        """Also again, after `stop()`."""
        said = self.folder / "logs" / "start.log"
        with said.open("ab") as log:
            self._process = subprocess.Popen([*self._command, "-g", "daemon off;"], stdout=log, stderr=log)
        until = time.monotonic() + 10
        try:
            while not self._answers():
                assert self._process.poll() is None, said.read_text()
                assert time.monotonic() < until, "Nginx does not answer"
        except AssertionError:
            self._process.kill()
            raise

    def _folders(self) -> str:
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        return " ".join(f"{kind}_temp_path {self.folder}/{kind};" for kind in kinds)

    def _answers(self) -> bool:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self._listens), timeout=1).close()
            return True
        return False

    @property
    def pid(self) -> int:
        return self._process.pid

    def workers(self) -> set[int]:
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        return {int(each) for each in children.split()}

    def reload(self) -> None:
        """As `nginx -s reload` does it: returns when there are new workers; the old ones finish what they have."""
        before = self.workers()
        subprocess.run([*self._command, "-s", "reload"], check=True, capture_output=True)
        until = time.monotonic() + 10
        while len(self.workers() - before) < 2:
            assert self._process.poll() is None
            assert time.monotonic() < until, "Nginx starts no new workers"

    def written(self) -> str:
        """All that it logged."""
        return "".join(file.read_text() for file in (self.folder / "logs").iterdir())

    def stop(self) -> None:
        """At once, with every connection."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(timeout=20)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)


class InsightNginx(OwnNginx):
    """insight.conf before `upstream`, an address with its port; answers at `url`, with TLS.

    `behind` is whether another proxy on this machine stands in front, as the comment in the file has it; `tls` whether
    what is behind it is another Nginx with these files; `connections` how many one address may have.
    """

    def __init__(
        self, upstream: str, assets: Path, *, behind: bool = False, tls: bool = False, connections: int = 500
    ) -> None:
        self.plain, self.port = free_ports(2)
        self.url = f"https://127.0.0.1:{self.port}"
        # Paths of a folder that is not known before Nginx is started are seen from it.
        places = {
            "listen 80;": f"listen 127.0.0.1:{self.plain};",
            "listen [::]:80;": "",
            "listen 443 ssl http2;": f"listen 127.0.0.1:{self.port} ssl http2;",
            "listen [::]:443 ssl http2;": "",
            "/etc/letsencrypt/live/chat.example.org/": "",
            "/var/log/nginx/": "logs/",
            "/opt/insightsphere": str(ROOT),
            "root /run/insight;": f"root {assets};",
            "limit_conn insight_address 500;": f"limit_conn insight_address {connections};",
        }
        if behind:
            places["#     set_real_ip_from 203.0.113.9; real_ip"] = "set_real_ip_from 127.0.0.1; real_ip"
        if tls:
            places["proxy_pass http://insight;"] = "proxy_pass https://insight;"
        files = {"insight.conf": places, "insight-upstream.conf": {"127.0.0.1:8000": upstream}}
        super().__init__(files, self.port)
