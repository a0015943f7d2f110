"""The environment and .env become Settings, or one sentence that names the variable and the place."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insight_app.config import PROJECT, Settings, load, variables
from insight_app.errors import ConfigError

KEY = "k3y-that-nobody-guesses"


def loaded(environ: dict[str, str] | None = None, file: Path | None = None) -> Settings:
    return load({"SECRET_KEY": KEY, **(environ or {})}, file)


def refusal(environ: dict[str, str] | None = None, file: Path | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(environ, file)
    return str(caught.value)


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def test_without_any_setting_but_the_key_every_default_is_used() -> None:
    settings = loaded()
    assert (settings.app_host, settings.app_port, settings.max_token_limit) == ("127.0.0.1", 8000, 2048)
    assert settings.enable_moderation is True
    assert settings.data_dir == PROJECT / "data"
    assert settings == Settings(secret_key=KEY)


def test_the_environment_wins_over_the_file(env_file: Path) -> None:
    env_file.write_text("APP_PORT=8001\nLOG_LEVEL=debug\n")
    settings = loaded({"APP_PORT": "8002"}, env_file)
    assert (settings.app_port, settings.log_level) == (8002, "debug")


def test_an_empty_value_means_the_default(env_file: Path) -> None:
    env_file.write_text("LOG_LEVEL=\nTHINKING=   \n")
    settings = loaded({"APP_PORT": ""}, env_file)
    assert (settings.app_port, settings.log_level, settings.thinking) == (8000, "info", "auto")


def test_a_file_that_is_not_there_counts_as_empty(env_file: Path) -> None:
    assert loaded(file=env_file) == loaded()


def test_quotes_comments_export_and_a_byte_order_mark_are_understood(env_file: Path) -> None:
    env_file.write_bytes(
        b"\xef\xbb\xbfAPP_PORT=8003 # ours\r\n# a comment\r\nexport SEND_RATE_LIMIT='5 per hour'\r\n"
        b'OLLAMA_MODEL="qwen3:8b"\r\n'
    )
    settings = loaded(file=env_file)
    assert (settings.app_port, settings.send_rate_limit, settings.ollama_model) == (
        8003,
        "5 per hour",
        "qwen3:8b",
    )


def test_names_that_are_not_ours_are_ignored(env_file: Path) -> None:
    env_file.write_text("APP_PROT=8001\nHTTPS_PROXY\n")
    assert loaded(file=env_file).app_port == 8000


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("APP_PORT=8000\n\n\n  LOG_LEVEL='info\n", 4),
        ("this is not a setting\n", 1),
        ('# one\n# two\nSECRET_KEY="never closed\nAPP_PORT=8001\n', 3),
        ("\nAPP_PORT\n", 2),
    ],
)
def test_a_broken_line_stops_the_start_and_is_named_but_not_shown(env_file: Path, text: str, line: int) -> None:
    env_file.write_text(text)
    said = refusal(file=env_file)
    assert f".env line {line} cannot be read" in said
    assert "never closed" not in said


@pytest.mark.parametrize("content", [b"\xff\xfeA\x00P\x00P\x00", b"OLLAMA_MODEL=\xe9\n"])
def test_a_file_that_is_not_utf8_says_so(env_file: Path, content: bytes) -> None:
    env_file.write_bytes(content)
    assert "UTF-8" in refusal(file=env_file)


def test_a_folder_in_place_of_the_file_is_an_error_with_a_reason(env_file: Path) -> None:
    env_file.mkdir()
    assert f"{env_file} cannot be read" in refusal(file=env_file)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATA_DIR", "~nobody-of-this-name/data"),
        ("APP_PORT", "0"),
        ("APP_PORT", "65536"),
        ("APP_PORT", "\uff18\uff10\uff10\uff10"),
        ("APP_PORT", "80 80"),
        ("APP_HOST", "http://127.0.0.1"),
        ("APP_HOST", "::1"),
        ("ALLOWED_HOSTS", "https://chat.example"),
        ("MAX_TOKEN_LIMIT", "-1"),
        ("NUM_CTX", "4k"),
        ("THINKING", "maybe"),
        ("EMBEDDED_ENGINE", "yes"),
        ("ENABLE_MODERATION", "2"),
        ("LOG_LEVEL", "loud"),
        ("REQUEST_TIMEOUT_SECONDS", "0"),
        ("MAX_CONCURRENT_ANSWERS", "0"),
        ("KEEP_ALIVE", "a while"),
        ("SEND_RATE_LIMIT", "often"),
        ("SEND_RATE_LIMIT", "0 per minute"),
        ("AUTH_MODE", "none"),
        ("OLLAMA_BASE_URL", "ftp://127.0.0.1"),
        ("OLLAMA_BASE_URL", "http://me:word@host"),
        ("OLLAMA_BASE_URL", "http://host:port"),
        ("OLLAMA_BASE_URL", "http://[::1"),
        ("OLLAMA_BASE_URL", "http://"),
        ("OLLAMA_BASE_URL", "two words"),
        ("REDIS_URL", "127.0.0.1:6379"),
        ("REDIS_URL", "http://127.0.0.1"),
        ("REDIS_URL", "redis://host:port"),
        ("REDIS_URL", "redis://"),
        ("REDIS_URL", "unix://socket"),
        ("WEB_CONCURRENCY", "0"),
        ("TRUSTED_PROXIES", "the proxy"),
        ("ADMIN_EMAILS", "alice"),
        ("PROXY_USER_HEADER", "two words"),
        ("OIDC_ISSUER", "id.example.org"),
        ("SIGN_UP", "maybe"),
    ],
)
def test_a_value_that_is_not_allowed_names_its_variable_and_its_place(env_file: Path, name: str, value: str) -> None:
    assert f"{name} (environment) must be " in refusal({name: value})
    env_file.write_text(f"# first\n{name}={value}\n")
    assert f"{name} (.env line 2) must be " in refusal(file=env_file)


@pytest.mark.parametrize(
    ("missing", "given_too"),
    [
        ("AUTH_MODE=accounts", {"APP_HOST": "0.0.0.0"}),
        ("TRUSTED_PROXIES", {"AUTH_MODE": "proxy"}),
        ("OIDC_ISSUER", {"AUTH_MODE": "oidc"}),
        ("OIDC_CLIENT_ID", {"AUTH_MODE": "oidc", "OIDC_ISSUER": "https://id.example.org"}),
    ],
)
def test_what_a_way_to_sign_in_needs_is_asked_for(missing: str, given_too: dict[str, str]) -> None:
    assert missing in refusal(given_too)


@pytest.mark.parametrize("mode", ["accounts", "proxy", "oidc"])
def test_where_people_sign_in_others_may_reach_the_server(mode: str) -> None:
    needs = {
        "TRUSTED_PROXIES": "10.0.0.1, 10.1.0.0/16",
        "OIDC_ISSUER": "https://id.example.org/",
        "OIDC_CLIENT_ID": "me",
    }
    settings = loaded({"AUTH_MODE": mode, "APP_HOST": "0.0.0.0", **needs})
    assert (settings.app_host, settings.trusted_proxies) == ("0.0.0.0", ("10.0.0.1/32", "10.1.0.0/16"))
    assert settings.oidc_issuer == "https://id.example.org/"  # to the letter, as its tokens have it


@pytest.mark.parametrize(
    ("given_url", "meant"),
    [
        ("http://127.0.0.1:11434/", "http://127.0.0.1:11434"),
        ("localhost", "http://localhost:11434"),
        ("localhost:1234", "http://localhost:1234"),
        ("[::1]", "http://[::1]:11434"),
        ("http://host/v1/", "http://host"),
        ("host:11434/api", "http://host:11434"),
        ("https://host/behind/a/proxy/api//", "https://host/behind/a/proxy"),
        ("https://host/apiary", "https://host/apiary"),
    ],
)
def test_ollamas_address_is_taken_in_every_form_people_write_it(given_url: str, meant: str) -> None:
    assert loaded({"OLLAMA_BASE_URL": given_url}).ollama_base_url == meant
    assert loaded({"OLLAMA_BASE_URL": meant}).ollama_base_url == meant


@pytest.mark.parametrize(
    "url",
    ["redis://127.0.0.1:6379/0", "redis://:word@cache", "rediss://me:word@cache:6380", "unix:///run/redis.sock?db=1"],
)
def test_redis_may_be_a_host_or_a_socket(url: str) -> None:
    assert loaded({"REDIS_URL": url}).redis_url == url


@pytest.mark.parametrize(("value", "meant"), [("300", "300s"), ("-1", "-1s"), ("10m", "10m"), ("", "")])
def test_keep_alive_always_has_a_unit(value: str, meant: str) -> None:
    assert loaded({"KEEP_ALIVE": value}).keep_alive == meant


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "chat.example"])
def test_without_accounts_only_this_machine_may_be_listened_to(host: str) -> None:
    said = refusal({"APP_HOST": host})
    assert "AUTH_MODE=local" in said
    assert "ssh -L" in said


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.5", "localhost"])
def test_every_address_of_this_machine_alone_may_be_listened_to(host: str) -> None:
    settings = loaded({"APP_HOST": host, "ALLOWED_HOSTS": "Chat.Example, other"})
    assert settings.app_host == host
    assert {host, "127.0.0.1", "localhost", "chat.example", "other"} <= set(settings.hosts)


def test_a_missing_key_says_that_the_launcher_writes_one() -> None:
    with pytest.raises(ConfigError, match=r"launch\.py"):
        load({}, None)


def test_a_short_key_is_refused_without_showing_it() -> None:
    said = refusal({"SECRET_KEY": "hunter2"})
    assert "SECRET_KEY (environment) must be at least 16 characters" in said
    assert "hunter2" not in said


def test_several_processes_need_redis() -> None:
    said = refusal({"WEB_CONCURRENCY": "2"})
    assert said.startswith(
        "WEB_CONCURRENCY=2 needs REDIS_URL: without Redis no process knows what another one writes. "
    )
    assert "run one process" in said
    assert loaded({"WEB_CONCURRENCY": "2", "REDIS_URL": "redis://cache"}).web_concurrency == 2


def test_secrets_never_appear_in_the_repr() -> None:
    settings = loaded({"DATABASE_URL": "sqlite:///pa55.db", "REDIS_URL": "redis://:pa55@cache"})
    assert "pa55" not in repr(settings)
    assert KEY not in repr(settings)


def _said(environ: dict[str, str], file: Path | None = None) -> str | None:
    """The refusal's words, or None where the settings could be read; any other error is a fault."""
    try:
        loaded(environ, file)
    except ConfigError as error:
        return str(error)
    return None


@given(st.sampled_from([v.name for v in variables().values()]), st.text().filter(lambda text: "\0" not in text))
def test_any_text_in_the_environment_is_a_value_or_is_refused_by_name(name: str, text: str) -> None:
    said = _said({name: text})
    assert said is None or said.startswith(name)


@given(st.text())
def test_any_file_is_read_or_refused_by_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / ".env"
    file.write_text(text, encoding="utf-8", errors="replace")
    said = _said({}, file)
    assert said is None or re.search(r"\.env line [0-9]+", said)


def _example() -> dict[str, tuple[str, str]]:
    """Each variable of .env.example with its default and the help above it."""
    found = {}
    for block in (PROJECT / ".env.example").read_text(encoding="utf-8").split("\n\n")[1:]:
        *help_lines, assignment = block.strip().splitlines()
        name, _, default = assignment.removeprefix("#").partition("=")
        found[name] = (default, " ".join(line.removeprefix("# ") for line in help_lines))
    return found


def _readme() -> dict[str, str]:
    """Each variable of the README's table with the rest of its row."""
    rows = re.findall(r"^\| `([A-Z_]+)` \|(.*)$", (PROJECT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    return dict(rows)


def test_the_example_file_lists_every_variable_with_its_default_and_help() -> None:
    assert _example() == {v.name: (v.default or "", v.help) for v in variables().values()}


def test_the_readme_lists_every_variable_with_its_default() -> None:
    rows = _readme()
    assert set(rows) == {v.name for v in variables().values()}
    assert [v.name for v in variables().values() if v.default and f"`{v.default}`" not in rows[v.name]] == []


def _run(**environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "insight_app.config"]
    kept = {name: value for name, value in os.environ.items() if name not in {v.name for v in variables().values()}}
    return subprocess.run(command, cwd=PROJECT, env={**kept, **environ}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("http://127.0.0.1:8080/v1/", "http://127.0.0.1:8080"),
        ("https://models.example.org/api/v1", "https://models.example.org/api"),
        ("http://host:8080", "http://host:8080"),
    ],
)
def test_a_model_server_is_meant_without_what_its_protocol_adds(given: str, meant: str) -> None:
    assert loaded({"OPENAI_BASE_URL": given}).openai_base_url == meant


@pytest.mark.parametrize(
    "given",
    [
        {"ENGINE": "openai"},
        {"ENGINE": "vllm"},
        {"OPENAI_BASE_URL": "host:8080"},
        {"OPENAI_BASE_URL": "http://ann:secret@host"},
        {"OPENAI_API_KEY": "two words"},
    ],
)
def test_a_model_server_that_cannot_be_asked_stops_the_start(given: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(given)
    assert next(iter(given)) in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "two words" not in str(caught.value)


def test_the_command_prints_what_the_launcher_needs_as_one_line() -> None:
    ran = _run(SECRET_KEY=KEY, APP_HOST="localhost", APP_PORT="8123", OLLAMA_BASE_URL="host:1", EMBEDDED_ENGINE="off")
    assert json.loads(ran.stdout) == {
        "app_host": "localhost",
        "app_port": 8123,
        "allowed_hosts": [],
        "engine": "ollama",
        "engine_url": "http://host:1",
        "embedded_engine": "off",
        "graceful_seconds": 30,
    }
    assert (ran.returncode, ran.stdout.count("\n"), KEY in ran.stdout) == (0, 1, False)


def test_the_command_says_what_is_wrong_in_one_line_and_ends_with_2() -> None:
    ran = _run(SECRET_KEY=KEY, APP_PORT="many")
    assert ran.returncode == 2
    assert ran.stderr.startswith("APP_PORT (environment) must be")
    assert (ran.stderr.count("\n"), ran.stdout) == (1, "")
