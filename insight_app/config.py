"""Settings: every environment variable with its type, default, check and help text, read once at the start.

The environment wins over `.env`; an empty value means the default; whatever cannot be used stops the start
with a sentence that names the variable and the place. No error text and no repr shows what may be a secret.
"""

from __future__ import annotations

import ipaddress
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from insight_app import env_files, values
from insight_app.errors import ConfigError
from insight_app.values import Check

PROJECT = Path(__file__).resolve().parent.parent


class Variable(NamedTuple):
    """One environment variable. `default` is written as in .env; None means that there is none."""

    name: str
    default: str | None
    check: Check
    help: str


def _variable(default: str | None, check: Check, help: str, *, secret: bool = False) -> Any:
    """A field of Settings whose variable has its name, in capitals."""
    about = {"default": default, "check": check, "help": help}
    if default is None:
        return field(repr=not secret, metadata=about)
    return field(default=check(default), repr=not secret, metadata=about)


def _folder(value: str) -> Path:
    try:
        return PROJECT / Path(value).expanduser()
    except RuntimeError:
        raise ValueError("a folder; there is nobody of the name after “~”") from None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a person can set. Values are checked by `load`; a Settings made in code is taken as it is."""

    app_host: str = _variable(
        "127.0.0.1", values.host, "The address to listen on. Only this machine can reach 127.0.0.1."
    )
    app_port: int = _variable("8000", values.whole(1, 65535), "The port to listen on.")
    allowed_hosts: tuple[str, ...] = _variable(
        "",
        values.hosts,
        "Other names or addresses by which browsers may call this server, separated by commas. "
        "APP_HOST, localhost and 127.0.0.1 always work.",
    )
    engine: str = _variable(
        "ollama",
        values.one_of("ollama", "openai"),
        "What writes the answers. ollama: Ollama. openai: another model server that speaks OpenAI's protocol (vLLM, "
        "llama.cpp's server, LM Studio).",
    )
    openai_base_url: str = _variable(
        "",
        values.server_url,
        "With ENGINE=openai: where that server answers, such as http://127.0.0.1:8080. It reads what is written here.",
    )
    openai_api_key: str = _variable("", values.header_value, "The key that it wants, if it wants one.", secret=True)
    ollama_base_url: str = _variable("http://127.0.0.1:11434", values.ollama_url, "Where Ollama answers.")
    ollama_models: str = _variable(
        "",
        values.text,
        "Where Ollama keeps its models, if it is told so by this variable of its own. To know how much room is free "
        "there, so that nothing is fetched that does not fit.",
    )
    ollama_model: str = _variable(
        "", values.text, "The model to start with, whatever ENGINE is. Empty: the first one that is there."
    )
    embedded_engine: str = _variable(
        "auto",
        values.one_of("auto", "on", "off"),
        "The small built-in model. auto: where ENGINE does not answer or has no model; on: always; off: never.",
    )
    embedded_base_url: str = _variable(
        "",
        values.engine_url,
        "Where the built-in engine answers. launch.py sets it when it has started one; leave it empty.",
    )
    max_token_limit: int = _variable("2048", values.whole(0, 1_000_000), "The longest answer, in tokens. 0: no limit.")
    num_ctx: int = _variable(
        "0",
        values.whole(0, 10_000_000),
        "How many tokens the model can see at once; more takes more memory. 0: as the engine decides. With "
        "ENGINE=openai no more than the server has.",
    )
    keep_alive: str = _variable(
        "",
        values.keep_alive,
        "How long Ollama keeps a model in memory: 10m, 1h, -1 for good. Empty: as Ollama decides.",
    )
    thinking: str = _variable(
        "auto",
        values.one_of("auto", "on", "off"),
        "Whether a reasoning model thinks before it answers. auto: as the model does by itself.",
    )
    titles: str = _variable(
        "auto",
        values.one_of("auto", "words"),
        "What a conversation is called. auto: by its model, after the first answer, when nobody waits for anything and "
        "the model is in memory anyway; never by the built-in one. words: always by its first words.",
    )
    request_timeout_seconds: int = _variable(
        "120",
        values.whole(1, 86_400),
        "How many seconds the engine may be silent, while it loads a model too, before an answer has failed.",
    )
    engine_wait_seconds: int = _variable(
        "600",
        values.whole(0, 86_400),
        "How many seconds an answer waits for an engine that is away or busy. 0: it fails at once.",
    )
    max_concurrent_answers: int = _variable(
        "1",
        values.whole(1, 1_000),
        "How many answers a model writes at a time, over all server processes; as many as OLLAMA_NUM_PARALLEL. "
        "Others wait in line.",
    )
    max_waiting_answers: int = _variable(
        "100",
        values.whole(1, 10_000),
        "How many answers may wait in line for a model. Whoever comes then is asked to try again later.",
    )
    max_import_mb: int = _variable(
        "40",
        values.whole(1, 2_000),
        "The largest file with conversations that somebody can bring, in MB. It is read into memory.",
    )
    max_prompt_chars: int = _variable("100000", values.whole(1, 10_000_000), "The longest message, in characters.")
    max_attachment_mb: int = _variable(
        "10",
        values.whole(0, 100),
        "The largest file that may go with a message, in MB; all files of one message may have twice as much. 0: no "
        "files. A proxy in front must let as much through.",
    )
    enable_moderation: bool = _variable(
        "true",
        values.yes_or_no,
        "Whether prompts and answers are checked against the rules that are set under Settings, Moderation.",
    )
    allow_remote_models: bool = _variable(
        "false",
        values.yes_or_no,
        "Whether models may be used that Ollama runs on other machines (its cloud). They read what is written here.",
    )
    history_retention_days: int = _variable(
        "0",
        values.whole(0, 36_500),
        "After how many days without a new message a conversation that is not pinned is deleted. 0: never.",
    )
    ratelimit_enabled: bool = _variable("true", values.yes_or_no, "Whether the five limits below count.")
    send_rate_limit: str = _variable(
        "30 per minute",
        values.rate,
        "How many messages one person may send, by pages and programs together, and how many files before them.",
    )
    key_rate_limit: str = _variable(
        "20 per minute",
        values.rate,
        "How many messages may be sent with one key, so that a program leaves its owner some.",
    )
    address_rate_limit: str = _variable(
        "300 per minute",
        values.rate,
        "How many messages all people behind one address may send together, where people sign in.",
    )
    search_rate_limit: str = _variable(
        "120 per minute",
        values.rate,
        "How often one person may search. Where there is JavaScript it is done with each pause while they type.",
    )
    sign_in_rate_limit: str = _variable(
        "10 per 5 minutes",
        values.rate,
        "How often signing in may be tried with one account from one address; with one account from everywhere, and "
        "from one address with all accounts, ten times as often.",
    )
    auth_mode: str = _variable(
        "local",
        values.one_of("local", "accounts", "proxy", "oidc"),
        "local: one person, on this machine only, without signing in. accounts: people sign in with e-mail and "
        "password. proxy: a reverse proxy says who they are. oidc: an OpenID provider does.",
    )
    sign_up: str = _variable(
        "invitation",
        values.one_of("open", "invitation", "closed"),
        "Who may make an account. open: anybody; invitation: who has a link from an admin; closed: nobody. Where a "
        "proxy or a provider vouches for people, open and invitation are the same.",
    )
    admin_emails: tuple[str, ...] = _variable(
        "",
        values.emails,
        "Who is an admin as soon as a proxy or a provider vouches for them: e-mail addresses, separated by commas.",
    )
    trusted_proxies: tuple[str, ...] = _variable(
        "",
        values.networks,
        "The addresses of the reverse proxies in front, separated by commas: only they are believed who asks "
        "(X-Forwarded-For, -Proto, -Host).",
    )
    proxy_user_header: str = _variable(
        "X-Forwarded-Email",
        values.header,
        "With AUTH_MODE=proxy: the header in which the proxy gives the e-mail address of who asks.",
    )
    oidc_issuer: str = _variable("", values.issuer, "With AUTH_MODE=oidc: the address of the OpenID provider.")
    oidc_client_id: str = _variable("", values.text, "The name by which the provider knows this server.")
    oidc_client_secret: str = _variable("", values.text, "The secret that goes with that name.", secret=True)
    secret_key: str = _variable(
        None,
        values.secret_key,
        "Signs cookies and forms; at least 16 characters that nobody knows. launch.py writes one into .env.",
        secret=True,
    )
    data_dir: Path = _variable(  # noqa: RUF009 - a Path never changes
        "data", _folder, "The folder for all that is stored, seen from the project's folder."
    )
    database_url: str = _variable(
        "",
        values.database,
        "Postgres 13 or newer, as postgresql://user:password@host/name, or an SQLite file, as "
        "sqlite:////path/to/file.db. Empty: insight.db in DATA_DIR.",
        secret=True,
    )
    redis_url: str = _variable(
        "",
        values.redis,
        "A Redis of your own (redis://, rediss:// or unix://) through which several server processes know what each is "
        "writing. It holds answers while they are written: keep it private and without persistence. "
        "Empty: one process, no Redis.",
        secret=True,
    )
    web_concurrency: int = _variable(
        "1", values.whole(1, 64), "How many server processes share the work. More than one need REDIS_URL."
    )
    graceful_seconds: int = _variable(
        "30",
        values.whole(0, 3_600),
        "How many seconds answers get to end when the server is asked to stop (SIGTERM). What is not ready then is "
        "kept, and another process, or the next start, goes on with it. Ctrl-C gives none.",
    )
    public_url: str = _variable(
        "",
        values.address("https://chat.example.org"),
        "The address by which people reach this server, such as https://chat.example.org. Settings, Health and "
        "“flask doctor” then look whether answers stream through it.",
    )
    metrics_token: str = _variable(
        "",
        values.metrics_token,
        "What Prometheus sends to read /metrics (Authorization: Bearer …), from wherever it asks; at least 16 "
        "characters. Empty: it is read on this machine only.",
        secret=True,
    )
    otel_exporter_otlp_endpoint: str = _variable(
        "",
        values.address("http://127.0.0.1:4318"),
        "Where an OpenTelemetry collector takes traces, such as http://127.0.0.1:4318. Never what people write. Needs "
        "requirements-tracing.txt. Empty: none.",
    )
    log_level: str = _variable(
        "info", values.one_of("debug", "info", "warning", "error"), "How much is logged. Prompts and answers never are."
    )

    @property
    def engine_url(self) -> str:
        """Where the engine answers that is wanted."""
        return self.openai_base_url if self.engine == "openai" else self.ollama_base_url

    @property
    def key_is_open(self) -> bool:
        """Whether OPENAI_API_KEY would go over a network as it is."""
        parts = urlsplit(self.openai_base_url)
        far = parts.scheme == "http" and not _is_loopback(parts.hostname or "")
        return self.engine == "openai" and bool(self.openai_api_key) and far

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every host name under which a browser may ask for a page."""
        return ("localhost", "127.0.0.1", self.app_host.lower(), *self.allowed_hosts)


def variables() -> dict[str, Variable]:
    """Every variable by the name of its field in Settings."""
    return {each.name: Variable(each.name.upper(), **each.metadata) for each in fields(Settings)}


def load(environ: Mapping[str, str] = os.environ, env_file: Path | None = PROJECT / ".env") -> Settings:
    """The settings of this start. Raises ConfigError; a file that is not there counts as empty."""
    known = {variable.name for variable in variables().values()}
    written = env_files.read(env_file, known) if env_file else {}
    checked: dict[str, Any] = {}
    for attribute, variable in variables().items():
        text, place = environ.get(variable.name, "").strip(), "environment"
        if not text:
            text, place = written.get(variable.name, ("", ""))
        if text:
            checked[attribute] = _checked(variable, text, place)
        elif variable.default is None:
            raise ConfigError(
                f"{variable.name} is not set.",
                "Start with “python3 launch.py”, which writes one into .env, or set it yourself.",
            )
    settings = Settings(**checked)
    _check_together(settings)
    return settings


def expect_redis(settings: Settings, processes: int, asked: str) -> None:
    """Raises ConfigError where so many processes, asked for in those words, would know nothing of each other."""
    if processes > 1 and not settings.redis_url:
        raise ConfigError(
            f"{asked} needs REDIS_URL: without Redis no process knows what another one writes.",
            "Set REDIS_URL to a Redis of your own, or run one process: it serves a thousand open pages.",
        )


def _check_together(settings: Settings) -> None:
    expect_redis(settings, settings.web_concurrency, f"WEB_CONCURRENCY={settings.web_concurrency}")
    if settings.engine == "openai" and not settings.openai_base_url:
        raise ConfigError(
            "ENGINE=openai needs to know where the model server is.",
            "Set OPENAI_BASE_URL to its address, for example http://127.0.0.1:8080, or leave ENGINE out to use Ollama.",
        )
    if settings.auth_mode == "local" and not _is_loopback(settings.app_host):
        raise ConfigError(
            f"APP_HOST={settings.app_host} would let anybody in, as AUTH_MODE=local knows no accounts.",
            "Set AUTH_MODE=accounts, or APP_HOST=127.0.0.1, and from another machine use a tunnel "
            f"(ssh -L {settings.app_port}:127.0.0.1:{settings.app_port} this-machine).",
        )
    if settings.auth_mode == "proxy" and not settings.trusted_proxies:
        raise ConfigError(
            "AUTH_MODE=proxy needs to know who the proxy is, or anybody could say who they are.",
            "Set TRUSTED_PROXIES to its address, for example 127.0.0.1.",
        )
    if settings.auth_mode == "oidc" and not (settings.oidc_issuer and settings.oidc_client_id):
        raise ConfigError(
            "AUTH_MODE=oidc needs an OpenID provider.",
            "Set OIDC_ISSUER to its address, and OIDC_CLIENT_ID and OIDC_CLIENT_SECRET to what it gave you.",
        )


def _checked(variable: Variable, text: str, place: str) -> Any:
    try:
        return variable.check(text)
    except ValueError as allowed:
        raise ConfigError(
            f"{variable.name} ({place}) must be {allowed}.", "Correct it there and start again."
        ) from None  # the cause would show the value


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def main() -> int:
    """Prints, as one JSON line, what launch.py must know; or why the product cannot start."""
    try:
        settings = load()
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    names = ("app_host", "app_port", "allowed_hosts", "engine", "engine_url", "embedded_engine", "graceful_seconds")
    print(json.dumps({name: getattr(settings, name) for name in names}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
