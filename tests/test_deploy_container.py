"""The Dockerfile's own steps, done in an empty folder; and deploy/compose.yaml, held to what it names."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from chat_page import free_port
from own_nginx import OwnNginx, certificate, free_ports

from insight_app.config import load, variables

ROOT = Path(__file__).parent.parent
COMPOSE = ROOT / "deploy" / "compose.yaml"
TOOLS = Path(sys.executable).parent


class Step(NamedTuple):
    does: str
    what: str


def steps() -> list[Step]:
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.M).replace("\\\n", " ")
    return [Step(*line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


def of(does: str) -> list[str]:
    return [step.what for step in steps() if step.does == does]


def is_sent(path: str) -> bool:
    """Whether .dockerignore lets this into the build: everything is out but what is named there."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    return any(path == line[1:] or path.startswith(f"{line[1:]}/") for line in lines if line.startswith("!"))


class Image:
    """A folder in which the Dockerfile's steps are done, one after the other; `env` is what they left."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.env: dict[str, str] = {}
        self.at = root
        # Packages that are installed already are not fetched again; that pip is content with the list is what counts.
        packages = next(path for path in sys.path if path.endswith("site-packages"))
        self._world = {"PATH": f"{TOOLS}:/usr/bin:/bin", "PYTHONPATH": packages, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        for step in steps():
            getattr(self, f"do_{step.does.lower()}", lambda what: None)(step.what)

    def moved(self, text: str) -> str:
        """Absolute paths of the image, in the folder."""
        here = f"{self.root}\\g<0>"
        text = re.sub(r"(?<![\w.:/])/(venv|data|run|app|build)\b", here, text)
        text = text.replace("-m venv ", "-m venv --without-pip ")  # it is among those packages, and takes long
        return text.replace("chown 10001:10001", f"chown {os.getuid()}:{os.getgid()}")

    def do_workdir(self, what: str) -> None:
        self.at = self.root / what.strip("/")
        self.at.mkdir(parents=True, exist_ok=True)

    def do_copy(self, what: str) -> None:
        *sources, target = what.split()
        if sources[0].startswith("--from="):
            assert (self.root / sources[1].strip("/")).is_dir()  # all stages share this folder
            return
        for source in sources:
            assert is_sent(source), f"{source} is not sent to the build"
            there = self.at / target / Path(source).name if target.endswith("/") or target == "." else self.at / target
            there.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, there, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / source, there)

    def do_run(self, what: str) -> None:
        done = subprocess.run(
            ["sh", "-ec", self.moved(what)],
            cwd=self.at,
            env={**self._world, **self.env},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def do_env(self, what: str) -> None:
        for pair in shlex.split(what):
            name, _, value = pair.partition("=")
            self.env[name] = self.moved(value)

    def command(self, instruction: str, port: int) -> list[str]:
        """A command in the form of a list, on another port."""
        words = json.loads(re.findall(r"\[.*\]", of(instruction)[-1])[0])
        assert "8000" in " ".join(words)
        return [self.moved(word).replace("8000", str(port)) for word in words]

    def environ(self, **more: str) -> dict[str, str]:
        return {**self._world, **self.env, **more}

    def files(self) -> set[Path]:
        return {path.relative_to(self.root) for path in self.root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return Image(tmp_path_factory.mktemp("image"))


def test_what_its_steps_make_starts_is_healthy_and_writes_nowhere_but_where_it_may(image: Image) -> None:
    port = free_port()
    before = image.files()
    env = image.environ(SECRET_KEY="only for these tests", GRACEFUL_SECONDS="0")
    health = image.command("HEALTHCHECK", port)
    assert subprocess.run(health, env=env, capture_output=True, check=False).returncode != 0
    process = subprocess.Popen(image.command("CMD", port), cwd=image.at, env=env, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while subprocess.run(health, env=env, capture_output=True, check=False).returncode != 0:
            assert process.poll() is None, f"it ended with {process.returncode}"
            assert time.monotonic() < until, "it does not become healthy"
        written = {path.parts[0] for path in image.files() - before}
        assert written == {"data"}
    finally:
        process.terminate()
        process.wait(timeout=60)


def test_assets_can_be_written_where_nginx_finds_them(image: Image) -> None:
    words = compose()["services"]["assets"]["command"]
    subprocess.run([image.moved(word) for word in words], cwd=image.at, env=image.environ(), check=True)
    assert list((image.root / "run/insight/assets").glob("site-*.css.gz"))


def test_nothing_secret_is_sent_to_the_build() -> None:
    for path in (".env", "data/insight.db", ".git/config", "tests/people.py", "deploy/.env", "deploy/tls/privkey.pem"):
        assert not is_sent(path)


def test_it_is_nobody_special_and_refuses_to_let_anybody_in(image: Image) -> None:
    (user,) = of("USER")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
    settings = load({**image.env, "SECRET_KEY": "only for these tests"}, None)
    assert (settings.app_host, settings.auth_mode) == ("0.0.0.0", "accounts")
    assert set(image.env) - {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"} <= names_of_settings()
    assert of("EXPOSE") == ["8000"]
    assert {what.split()[0] for what in of("FROM")} == {"python:3.11-slim"}


def test_hadolint_finds_nothing() -> None:
    done = subprocess.run([TOOLS / "hadolint", "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


# ---- compose.yaml ----


def compose() -> dict[str, Any]:
    return dict(yaml.safe_load(COMPOSE.read_text(encoding="utf-8")))


def names_of_settings() -> set[str]:
    return {variable.name for variable in variables().values()}


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("compose-spec", ["deploy/compose.yaml"]),
        ("github-workflows", [".github/workflows/ci.yml", ".github/workflows/release.yml"]),
    ],
)
def test_files_are_what_their_specification_says(schema: str, files: list[str]) -> None:
    command = [TOOLS / "check-jsonschema", "--builtin-schema", f"vendor.{schema}", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_all_that_a_service_names_is_there() -> None:
    whole = compose()
    services = whole["services"]
    for name, service in services.items():
        for other, how in (service.get("depends_on") or {}).items():
            assert other in services
            checked = "healthcheck" in services[other] or (other == "app" and of("HEALTHCHECK"))
            assert how["condition"] != "service_healthy" or checked
        for volume in service.get("volumes", ()):
            source, target, *_ = volume.split(":")
            if not source.startswith("."):
                assert source in whole["volumes"]
            elif source != "./tls":
                assert (COMPOSE.parent / source).exists(), source
            assert target.startswith("/")
        for config in service.get("configs", ()):
            assert config["source"] in whole["configs"]
        if "build" not in service:
            assert re.search(r":\d[\w.-]+$", service["image"]), f"{name} has no version"
        assert "ports" not in service or name == "nginx"  # nobody else is reached from outside


def test_the_app_of_compose_has_settings_that_hold() -> None:
    app = compose()["services"]["app"]
    environ = {name: re.sub(r"\$\{\w+(:[-?]([^}]*))?\}", r"\2", value) for name, value in app["environment"].items()}
    assert set(environ) <= names_of_settings()
    environ |= {"SECRET_KEY": "only for these tests", "ALLOWED_HOSTS": "chat.example.org", "AUTH_MODE": "accounts"}
    settings = load(environ, None)
    addresses = {name: net["ipv4_address"] for name, net in fixed_addresses()}
    assert settings.trusted_proxies == (f"{addresses['nginx']}/32",)
    assert f"server {addresses['app']}:8000;" in compose()["configs"]["upstream"]["content"]
    stop = int(app["stop_grace_period"].removesuffix("s"))
    assert stop > settings.graceful_seconds + 10


def fixed_addresses() -> Iterator[tuple[str, dict[str, str]]]:
    for name, service in compose()["services"].items():
        if isinstance(service.get("networks"), dict):
            yield name, service["networks"]["inside"]


def test_nginx_takes_the_files_that_compose_gives_it(tmp_path: Path) -> None:
    nginx = compose()["services"]["nginx"]
    given = dict(volume.split(":")[:2] for volume in nginx["volumes"])
    assert given["./nginx/nginx.conf"] == "/etc/nginx/nginx.conf"
    conf = (ROOT / "deploy/nginx/insight.conf").read_text()
    assert f"root {Path(given['./nginx/away']).parent};" in conf
    assert f"{given['./tls']}/fullchain.pem" in conf
    assert f"root {Path(given['assets']).parent};" in conf
    (upstream,) = (config["source"] for config in nginx["configs"])
    (port, plain) = free_ports(2)
    (tmp_path / "upstream.conf").write_text(compose()["configs"][upstream]["content"])
    places = {
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "listen [::]:80;": "",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{port} ssl http2;",
        "listen [::]:443 ssl http2;": "",
        "/etc/letsencrypt/live/chat.example.org/": f"{tmp_path}/",
        "/var/log/nginx/": "logs/",
        "limit_conn_zone": f"include {tmp_path}/upstream.conf;\nlimit_conn_zone",
    }
    for name, content in zip(("fullchain.pem", "privkey.pem"), certificate(), strict=True):
        (tmp_path / name).write_bytes(content)
    OwnNginx({"insight.conf": places}, port).close()


# ---- Workflows ----


@pytest.mark.parametrize("file", sorted((ROOT / ".github" / "workflows").iterdir()), ids=lambda file: file.name)
def test_a_workflow_uses_only_what_cannot_change_and_may_do_little(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    for used in re.findall(r"uses: (\S+)", text):
        assert used.startswith("./") or re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", used), used
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}
    for written in re.findall(r"run: (.*(?:\n {10,}.*)*)", text):
        assert "${{ " not in written.replace("{{.", ""), "what others write could be run"


def test_all_pythons_that_we_name_are_tested() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    assert jobs["tests"]["strategy"]["matrix"]["python"] == ["3.10", "3.11", "3.12", "3.13"]
    assert 'requires-python = ">=3.10"' in (ROOT / "pyproject.toml").read_text()
    assert jobs["tests"]["steps"][-1]["run"] == "FORBID_SKIPS=1 python3 launch.py test"
