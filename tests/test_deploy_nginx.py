"""deploy/nginx as a real Nginx runs it: nothing is held back, nobody is taken for somebody else, nothing is lost."""

from __future__ import annotations

import gzip
import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from chat_page import free_port, running, started
from own_app import Start
from own_nginx import FILES, ROOT, InsightNginx, OwnNginx, free_ports
from people import ALICE, PASSWORD
from scripted_ollama import TEXT, ScriptedOllama, Step, cut, gate, silence, status
from test_accounts_keys import made
from test_verify_streaming import step_by_step
from visitor import Visitor

from insight_app import assets
from insight_app.config import Settings, variables
from insight_app.web import HEADERS, largest_with_files

ONCE = {*HEADERS, "Strict-Transport-Security", "Cache-Control"}
CANARY = "kanarienvogel"


OPENED: list[Browser] = []


@pytest.fixture(autouse=True)
def close_browsers() -> Iterator[None]:
    """Those that a test opened; what several tests share closes its own."""
    before = len(OPENED)
    yield
    while len(OPENED) > before:
        OPENED.pop().http.close()


class Browser:
    """What a visitor needs of Flask's client, through TLS, with a browser's headers and an address of its own."""

    def __init__(self, url: str, *, http2: bool = False, address: str = "127.0.0.1", **headers: str) -> None:
        transport = httpx2.HTTPTransport(verify=False, http2=http2, http1=not http2, local_address=address)
        self.http = httpx2.Client(
            base_url=url,
            transport=transport,
            timeout=20,
            headers={"Referer": f"{url}/", "Accept-Encoding": "gzip, br", **headers},
        )
        OPENED.append(self)

    def get(self, url: str, headers: Mapping[str, str] = {}) -> Any:
        return self._with_location(self.http.get(url, headers=headers))

    def post(self, url: str, data: Mapping[str, str], headers: Mapping[str, str] = {}) -> Any:
        return self._with_location(self.http.post(url, data=dict(data), headers=headers))

    @staticmethod
    def _with_location(response: Any) -> Any:
        response.location = response.headers.get("Location", "")
        return response


@pytest.fixture(scope="module")
def engine() -> Iterator[ScriptedOllama]:
    with ScriptedOllama() as server:
        yield server


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder above the assets, written as the service does it."""
    folder = tmp_path_factory.mktemp("run")
    subprocess.run([sys.executable, "-m", "insight_app.assets", str(folder / "assets")], cwd=ROOT, check=True)
    return folder


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, engine: ScriptedOllama) -> Iterator[str]:
    """The address of the app itself."""
    folder = tmp_path_factory.mktemp("app")
    with running(folder, OLLAMA_BASE_URL=engine.url, TRUSTED_PROXIES="127.0.0.1") as url:
        yield url


@contextmanager
def in_front(upstream: str, files: Path, **how: Any) -> Iterator[InsightNginx]:
    nginx = InsightNginx(upstream, files, **how)
    try:
        yield nginx
    finally:
        nginx.close()


@pytest.fixture(scope="module")
def ways(app: str, files: Path) -> Iterator[dict[str, InsightNginx]]:
    """The Nginx that is reached, by how many stand in a row."""
    with ExitStack() as stack:
        upstream = app.removeprefix("http://")
        one = stack.enter_context(in_front(upstream, files))
        inner = stack.enter_context(in_front(upstream, files, behind=True))
        two = stack.enter_context(in_front(f"127.0.0.1:{inner.port}", files, tls=True))
        yield {"one": one, "two": two}


@pytest.fixture
def one(ways: dict[str, InsightNginx]) -> InsightNginx:
    return ways["one"]


# ---- Streams ----


def pieces(ollama: ScriptedOllama, count: int = 4) -> list[threading.Event]:
    """Scripts an answer of which each piece comes when its gate opens for the one before."""
    gates = [threading.Event() for _ in range(count)]
    script: list[Step] = []
    for number, each in enumerate(gates):
        script += [f"piece{number} ", gate(each)]
    ollama.script(*script)
    return gates


def in_step(chunks: Iterable[bytes], gates: list[threading.Event]) -> list[float]:
    """When each piece was seen; none is sent before the one before it was. What is held back never comes."""
    text, seen = b"", []
    until = time.monotonic() + 20  # signs of life come all the same
    for chunk in chunks:
        assert time.monotonic() < until, f"only {len(seen)} pieces came"
        text += chunk
        while len(seen) < len(gates) and b"piece%d" % len(seen) in text:
            gates[len(seen)].set()
            seen.append(time.monotonic())
    return seen


def asked_by_page(browser: Browser) -> tuple[str, str, dict[str, Any]]:
    visitor = Visitor(browser)  # type: ignore[arg-type]
    visitor.open("/")
    return "GET", f"/answers/{visitor.ask('Hi')}/stream", {}


def asked_without_javascript(browser: Browser) -> tuple[str, str, dict[str, Any]]:
    visitor = Visitor(browser)  # type: ignore[arg-type]
    visitor.open("/")
    visitor.ask("Hi")
    return "GET", f"{visitor.url}/streamed", {}


def asked_for_text(_: Browser) -> tuple[str, str, dict[str, Any]]:
    return "POST", "/api/chat", {"json": {"message": "Hi"}}


def asked_for_events(_: Browser) -> tuple[str, str, dict[str, Any]]:
    return "POST", "/api/chat", {"json": {"message": "Hi"}, "headers": {"Accept": "text/event-stream"}}


def asked_as_openai(_: Browser) -> tuple[str, str, dict[str, Any]]:
    body = {"model": "llama3.2", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    return "POST", "/v1/chat/completions", {"json": body}


@pytest.mark.parametrize(
    "ask", [asked_by_page, asked_without_javascript, asked_for_text, asked_for_events, asked_as_openai]
)
@pytest.mark.parametrize("way", ["one", "two"])
@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
def test_no_piece_waits_for_the_next_one(
    ways: dict[str, InsightNginx], engine: ScriptedOllama, way: str, http2: bool, ask: Any
) -> None:
    gates = pieces(engine)
    browser = Browser(ways[way].url, http2=http2)
    method, address, more = ask(browser)
    with browser.http.stream(method, address, **more) as response:
        # A page may be packed, but what is packed must come at once too.
        seen = in_step(response.iter_bytes() if ask is asked_without_javascript else response.iter_raw(), gates)
    assert response.status_code == 200
    assert response.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
    assert "Content-Encoding" not in response.headers or ask is asked_without_javascript
    assert response.headers["X-Accel-Buffering"] == "no"  # for whatever stands in front
    assert len(seen) == len(gates)
    assert seen == sorted(seen)


@pytest.mark.parametrize("way", ["one", "two"])
def test_the_streaming_check_passes_through_it(
    ways: dict[str, InsightNginx], engine: ScriptedOllama, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ssl

    from insight_app import verify_streaming

    # The certificate is nobody's; what else it checks is as it is.
    monkeypatch.setattr(ssl, "_create_default_https_context", ssl._create_unverified_context)
    step_by_step(monkeypatch, pieces(engine, 8))
    assert verify_streaming.main([ways[way].url]) == 0


@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
def test_who_hangs_up_stops_the_model(one: InsightNginx, engine: ScriptedOllama, http2: bool) -> None:
    answer = engine.script("piece0 ", silence)
    browser = Browser(one.url, http2=http2)
    _, address, more = asked_as_openai(browser)
    with browser.http.stream("POST", address, **more) as response:
        assert next(chunk for chunk in response.iter_raw() if b"piece0" in chunk)
        browser.http.close()
    assert answer.client_gone.wait(10)


# ---- Pages and files ----


def test_pages_are_packed(one: InsightNginx) -> None:
    response = Browser(one.url, http2=True).get("/")
    assert response.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in response.headers["Vary"]
    assert "<title>InsightSphere AI</title>" in response.text


def files_of(browser: Browser) -> list[str]:
    return sorted(set(re.findall(r"/assets/[^\"]+", browser.get("/").text)))


@pytest.mark.parametrize("packing", ["gzip", "identity"])
def test_files_come_from_the_disk_just_as_the_app_sends_them(
    one: InsightNginx, app: str, files: Path, packing: str
) -> None:
    browser = Browser(one.url, http2=True)
    addresses = files_of(browser)
    assert len(addresses) == 4
    for address in addresses:
        assert (files / address[1:]).stat().st_mode & 0o777 == 0o644
        own = httpx2.get(app + address, headers={"Accept-Encoding": packing})
        response = browser.get(address, headers={"Accept-Encoding": packing})
        assert response.content == own.content
        assert "Last-Modified" in response.headers  # a file
        for name in {*HEADERS, "Cache-Control", "Content-Type", "Vary"}:
            assert response.headers.get(name) == own.headers.get(name), name
        assert response.headers.get("Content-Encoding") == own.headers.get("Content-Encoding")


def test_a_file_that_is_not_there_comes_from_the_app_and_no_other_under_its_name(
    app: str, tmp_path: Path, files: Path
) -> None:
    with in_front(app.removeprefix("http://"), tmp_path) as nginx:
        browser = Browser(nginx.url)
        address = files_of(browser)[0]
        response = browser.get(address)
        assert "Last-Modified" not in response.headers
        assert response.content == (files / address[1:]).read_bytes()
        assert response.headers["Cache-Control"] == assets.FOR_EVER
        missing = browser.get("/assets/site-000000000000.css")
        assert missing.status_code == 404
        assert missing.headers["Cache-Control"] == "no-store"


def test_files_of_before_an_upgrade_are_there_still(tmp_path: Path) -> None:
    source, folder = tmp_path / "static", tmp_path / "assets"
    for part in {part for parts in assets.BUNDLES.values() for part in parts}:
        (source / part).parent.mkdir(parents=True, exist_ok=True)
        (source / part).write_text(part)
    assets.write(source, folder)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    (source / "css" / "tokens.css").write_text("changed")
    assets.write(source, folder)
    after = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert before.items() < after.items()
    assert {gzip.decompress(after[f"{name}.gz"]) == after[name] for name in after if not name.endswith(".gz")} == {True}
    assert len(after) == len(before) + 2


@pytest.mark.parametrize("way", ["one", "two"])
@pytest.mark.parametrize(
    "address",
    ["/", "/assets/mark", "/healthz", "/no-such-page", "/metrics", "/assets/no", "/api/chat", "/away/away.css"],
)
def test_each_security_header_is_there_once(ways: dict[str, InsightNginx], way: str, address: str) -> None:
    browser = Browser(ways[way].url, http2=True)
    if address == "/assets/mark":
        address = next(each for each in files_of(browser) if "mark" in each)
    names = [name.lower() for name, _ in browser.get(address).headers.multi_items()]
    assert {name: names.count(name.lower()) for name in ONCE} == dict.fromkeys(ONCE, 1)
    response = browser.get(address)
    assert {name: response.headers[name] for name in HEADERS} == HEADERS


@pytest.mark.parametrize("way", ["one", "two"])
def test_the_doctor_finds_that_it_holds_no_stream_back(
    ways: dict[str, InsightNginx], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ssl

    from insight_app.health import http_view, streaming

    path = streaming.address("only for these tests")  # the app's key
    with pytest.raises(http_view.AddressAway, match="certificate is not valid"):
        http_view.streamed(ways[way].url, path)
    monkeypatch.setattr(ssl, "_create_default_https_context", ssl._create_unverified_context)
    found = http_view.streamed(ways[way].url, path)
    assert len(found.pieces) == streaming.PIECES
    assert streaming.held_back(found.pieces) < 2 * streaming.GAP_SECONDS
    assert abs(found.ahead_seconds or 99) < 2


def test_figures_are_not_for_the_public(one: InsightNginx, app: str) -> None:
    assert Browser(one.url).get("/metrics").status_code == 404
    assert httpx2.get(f"{app}/metrics").status_code == 200


def test_without_tls_it_leads_to_tls_and_a_post_stays_one(one: InsightNginx) -> None:
    for method in ("GET", "POST"):
        host = {"Host": "chat.example.org"}
        response = httpx2.request(method, f"http://127.0.0.1:{one.plain}/c/1?at=2", headers=host)
        assert response.status_code == 308
        assert response.headers["Location"] == "https://chat.example.org/c/1?at=2"


# ---- Who asks ----


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, engine: ScriptedOllama, files: Path) -> Iterator[dict[str, Any]]:
    """An app that people sign in to, behind one Nginx and behind two; `visitor` is its admin."""
    folder = tmp_path_factory.mktemp("shared")
    with ExitStack() as stack:
        environ = {"AUTH_MODE": "accounts", "TRUSTED_PROXIES": "127.0.0.1", "SIGN_IN_RATE_LIMIT": "2 per minute"}
        url = stack.enter_context(running(folder, OLLAMA_BASE_URL=engine.url, **environ))
        upstream = url.removeprefix("http://")
        one = stack.enter_context(in_front(upstream, files))
        inner = stack.enter_context(in_front(upstream, files, behind=True))
        two = stack.enter_context(in_front(f"127.0.0.1:{inner.port}", files, tls=True))
        visitor = Visitor(Browser(one.url, http2=True, address="127.0.0.77"))  # type: ignore[arg-type]
        visitor.open("/first-account")
        code = re.findall(r'"code": "([A-Z2-7-]+)"', (folder / "server.log").read_text())[-1]
        response = visitor.send("/first-account", code=code, email=ALICE, new_password=PASSWORD)
        assert response.status_code == 303, response.text
        stack.callback(OPENED.pop().http.close)
        yield {"one": one, "two": two, "visitor": visitor, "response": response}


FORGED = {"X-Forwarded-For": "203.0.113.66", "Forwarded": "for=203.0.113.66", "X-Real-IP": "203.0.113.66"}


@pytest.mark.parametrize(("way", "address"), [("one", "127.0.0.7"), ("one", "127.0.0.1"), ("two", "127.0.0.8")])
def test_sessions_have_the_address_of_who_came_whatever_they_say(
    shared: dict[str, Any], way: str, address: str
) -> None:
    visitor = Visitor(Browser(shared[way].url, http2=True, address=address, **FORGED))  # type: ignore[arg-type]
    visitor.open("/sign-in")
    response = visitor.send("/sign-in", email=ALICE, password=PASSWORD)
    assert response.status_code == 303, response.text
    page = visitor.open("/settings/account")
    assert f"<bdi>{address}</bdi>" in page
    assert "203.0.113.66" not in page


def test_who_tries_passwords_is_counted_by_the_address_they_have(shared: dict[str, Any]) -> None:
    tries = []
    for number in range(3):
        said = {"X-Forwarded-For": f"198.51.100.{number}"}
        visitor = Visitor(Browser(shared["one"].url, address="127.0.0.9", **said))  # type: ignore[arg-type]
        visitor.open("/sign-in")
        tries.append(visitor.send("/sign-in", email="dora@example.org", password="wrong").status_code)
    assert tries == [422, 422, 429]


def test_cookies_are_for_tls_only(shared: dict[str, Any]) -> None:
    (cookie,) = shared["response"].headers.get_list("Set-Cookie")
    assert {"Secure", "HttpOnly", "SameSite=Lax"} <= {part.strip() for part in cookie.split(";")}


def test_nobody_says_themselves_who_they_are(tmp_path: Path, engine: ScriptedOllama, files: Path) -> None:
    environ = {"AUTH_MODE": "proxy", "TRUSTED_PROXIES": "127.0.0.1"}
    forged = {variables()["proxy_user_header"].default or "": ALICE}
    with running(tmp_path, OLLAMA_BASE_URL=engine.url, **environ) as url:
        assert httpx2.get(url, headers=forged).status_code == 200
        with in_front(url.removeprefix("http://"), files) as nginx:
            assert Browser(nginx.url, **forged).get("/").status_code == 401


def test_a_key_opens_the_door_for_programs_and_its_owner_sees_no_stranger(
    shared: dict[str, Any], engine: ScriptedOllama
) -> None:
    key = made(shared["visitor"], chat="y")
    gates = pieces(engine)
    _, address, more = asked_as_openai(Browser(shared["one"].url))
    with Browser(shared["one"].url, Authorization=f"Bearer {key}").http.stream("POST", address, **more) as response:
        assert len(in_step(response.iter_raw(), gates)) == len(gates)


# ---- What is too large ----


def test_what_is_too_large_is_said_by_the_app_and_beyond_that_by_nginx(one: InsightNginx) -> None:
    browser = Browser(one.url)
    visitor = Visitor(browser)  # type: ignore[arg-type]
    visitor.open("/")
    response = visitor.send("/messages", message="x" * 5 * 2**20, key="k")
    assert response.status_code == 413
    assert "What was sent is larger than 4 MB." in response.text
    response = visitor.send("/messages", message="x" * 33 * 2**20, key="k")
    assert response.status_code == 413
    assert "more than this server takes at once" in response.text
    response = browser.http.post("/api/chat", json={"message": "x" * 33 * 2**20})
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")


def test_nginx_takes_more_than_the_app_does() -> None:
    limit, of_imports = re.findall(r"client_max_body_size (\d+)m;", (FILES / "insight.conf").read_text())
    assert int(of_imports) > int(variables()["max_import_mb"].default or 0)
    assert int(limit) * 2**20 > largest_with_files(Settings(secret_key="only for these tests"))


# ---- Away, and back ----


def test_while_the_app_is_away_everybody_hears_it_in_their_own_way(tmp_path: Path, files: Path) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    with in_front(nobody, files) as nginx:
        browser = Browser(nginx.url, http2=True)
        page = browser.get(f"/c/1?next={CANARY}", headers={"Referer": f"{nginx.url}/?q={CANARY}"})
        assert page.status_code == 502
        assert '<meta http-equiv="refresh" content="5">' in page.text
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert page.headers["Cache-Control"] == "no-store"
        assert {name: page.headers.get_list(name) for name in HEADERS} == {
            name: [value] for name, value in HEADERS.items()
        }
        sheet = browser.get(re.findall(r'href="(/away/[^"]+)"', page.text)[0])
        assert (sheet.status_code, sheet.headers["Content-Type"]) == (200, "text/css; charset=utf-8")
        form = browser.post("/messages", data={"message": CANARY})
        assert form.status_code == 502
        assert "refresh" not in form.text
        assert "it sends what you typed once more" in form.text
        part = browser.post("/messages", data={"message": CANARY}, headers={"HX-Request": "true"})
        assert (part.status_code, part.text.split(">")[0]) == (
            502,
            '<hx-partial hx-target="#notice" hx-swap="innerHTML"',
        )
        for address in ("/api/chat", "/v1/chat/completions"):
            program = browser.http.post(address, json={"message": CANARY})
            assert program.status_code == 502
            assert program.json()["error"]["code"] == "server_away"
            assert program.headers["Content-Type"].startswith("application/json")
        browser.get(f"/invitations/{CANARY}")
        assert browser.get("/away/away-page.html").status_code == 404
        written = nginx.written()
        assert '"GET /c/1" 502' in written
        assert '"GET /invitations/..." 502' in written
        assert CANARY not in written


def test_an_address_that_has_all_of_its_connections_hears_so(files: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as app,
        in_front(f"127.0.0.1:{app.getsockname()[1]}", files, connections=1) as nginx,
        ssl._create_unverified_context().wrap_socket(socket.create_connection(("127.0.0.1", nginx.port))) as held,
    ):
        held.sendall(b"GET /held HTTP/1.1\r\nHost: chat.example.org\r\n\r\n")
        app.settimeout(10)
        with app.accept()[0]:  # so it is there, and nobody answers it
            browser = Browser(nginx.url)
            page = browser.get("/")
            assert (page.status_code, "Too many pages are open" in page.text) == (429, True)
            program = browser.http.post("/v1/chat/completions", json={})
            assert (program.status_code, program.json()["error"]["code"]) == (429, "too_many_connections")


def test_every_reader_has_a_file_for_every_trouble() -> None:
    text = (FILES / "insight.conf").read_text()
    readers = set(re.findall(r"(\w+\.(?:html|json));", text.partition("$insight_reader {")[2].partition("}")[0]))
    troubles = set(re.findall(r"/away/([a-z-]+)-\$insight_reader", text))
    there = {file.name for file in (FILES / "away").iterdir()} - {"away.css"}
    assert there == {f"{trouble}-{reader}" for trouble in troubles for reader in readers}
    for file in there:
        if file.endswith(".json"):
            assert json.loads((FILES / "away" / file).read_text())["error"].keys() == {
                "message",
                "type",
                "param",
                "code",
            }


def test_an_answer_of_the_app_itself_is_not_replaced(one: InsightNginx, engine: ScriptedOllama) -> None:
    """Its own 4xx and 5xx say more than those pages."""
    engine.script(status(500, {"error": "broken"}))
    _, address, more = asked_as_openai(Browser(one.url))
    response = Browser(one.url).http.post(address, json={**more["json"], "stream": False})
    assert response.status_code >= 500
    assert response.json()["error"]["code"] != "server_away"


def test_an_answer_goes_on_over_a_restart_of_the_app(tmp_path: Path, files: Path) -> None:
    with ScriptedOllama() as ollama, ExitStack() as stack:
        port = free_port()
        environ = {"OLLAMA_BASE_URL": ollama.url, "TRUSTED_PROXIES": "127.0.0.1"}
        first = started(tmp_path, port, **environ)
        nginx = stack.enter_context(in_front(f"127.0.0.1:{port}", files))
        browser = Browser(nginx.url, http2=True)
        visitor = Visitor(browser)  # type: ignore[arg-type]
        visitor.open("/")
        ollama.script("The first half ", silence)
        answer_id = visitor.ask("Hi")
        while "first half" not in browser.get(f"/answers/{answer_id}/text").text:
            pass  # until the checkpoint has it
        with browser.http.stream("GET", f"/answers/{answer_id}/stream") as stream:
            chunks = stream.iter_text()
            assert "first half" in next(chunk for chunk in chunks if "first half" in chunk)
            first.send_signal(signal.SIGTERM)
            for _ in chunks:
                pass  # it ends, and is not an error
        first.wait(timeout=20)
        assert browser.get(f"/answers/{answer_id}/stream").status_code == 502
        ollama.script("and the second.")
        second = started(tmp_path, port, **environ)
        stack.callback(second.wait, timeout=20)
        stack.callback(second.terminate)
        assert "event: done" in browser.get(f"/answers/{answer_id}/stream").text
        assert browser.get(f"/answers/{answer_id}/text").text == "The first half and the second."


def test_a_reload_in_mid_answer_loses_nothing(one: InsightNginx, engine: ScriptedOllama) -> None:
    gates = pieces(engine)
    browser = Browser(one.url)
    method, address, more = asked_by_page(browser)
    with browser.http.stream(method, address, **more) as response:

        def reloaded(chunks: Iterator[bytes]) -> Iterator[bytes]:
            yield next(chunks)
            one.reload()
            yield from chunks

        assert len(in_step(reloaded(response.iter_raw()), gates)) == len(gates)
    assert Browser(one.url, http2=True).get("/healthz").status_code == 200


def test_an_answer_goes_on_over_a_restart_of_nginx(app: str, files: Path, engine: ScriptedOllama) -> None:
    """The page connects again, with its place, and has what it lacks and nothing twice."""
    with in_front(app.removeprefix("http://"), files) as nginx:
        browser, goes_on = Browser(nginx.url), threading.Event()
        visitor = Visitor(browser)  # type: ignore[arg-type]
        visitor.open("/")
        engine.script("The first part.\n\nThe second ", gate(goes_on), "part.")
        answer_id = visitor.ask("Hi")
        place = ""
        with suppress(httpx2.HTTPError), browser.http.stream("GET", f"/answers/{answer_id}/stream") as stream:
            for line in stream.iter_lines():
                place = line.removeprefix("id: ") if line.startswith("id: ") else place
                if place and "The second" in line:
                    nginx.stop()
        with pytest.raises(httpx2.ConnectError):
            browser.get("/")
        nginx.start()
        goes_on.set()
        rest = browser.get(f"/answers/{answer_id}/stream", headers={"Last-Event-ID": place}).text
        assert rest.count("The first part.") == 1  # in the finished article, which comes last
        assert "event: done" in rest
        assert browser.get(f"/answers/{answer_id}/text").text == "The first part.\n\nThe second part."


# ---- Several Ollamas ----


@pytest.fixture
def pool() -> Iterator[tuple[str, list[ScriptedOllama], OwnNginx]]:
    """The pool's address, its two servers, and its Nginx."""
    servers = [ScriptedOllama() for _ in range(2)]
    (port,) = free_ports(1)
    nginx = OwnNginx(
        {
            "ollama-pool.conf": {
                "127.0.0.1:11435": f"127.0.0.1:{port}",
                "10.0.0.21:11434": servers[0].url.removeprefix("http://"),
                "10.0.0.22:11434": servers[1].url.removeprefix("http://"),
                "/var/log/nginx/": "logs/",
            }
        },
        port,
    )
    yield f"http://127.0.0.1:{port}", servers, nginx
    nginx.close()
    for server in servers:
        server.close()


CHAT = {"model": "llama3.2", "messages": [{"role": "user", "content": CANARY}]}


def test_the_server_with_the_fewest_answers_gets_the_next_one_and_nothing_is_held_back(
    pool: tuple[str, list[ScriptedOllama], OwnNginx],
) -> None:
    url, servers, nginx = pool
    gates = [pieces(server) for server in servers]
    with ExitStack() as stack:
        streams, order = [], []
        for _ in servers:
            streams.append(stack.enter_context(httpx2.stream("POST", f"{url}/api/chat", json=CHAT)))
            order += [number for number, server in enumerate(servers) if server.chats() and number not in order]
            assert len(order) == len(streams)  # each at a server of its own
        for stream, number in zip(streams, order, strict=True):
            assert len(in_step(stream.iter_raw(), gates[number])) == 4
    for server in servers:
        (request,) = [request for request in server.requests if request.path == "/api/chat"]
        assert request.headers["host"] == "localhost:11434"
    assert CANARY not in nginx.written()


def test_a_dead_server_gets_nothing_any_more(pool: tuple[str, list[ScriptedOllama], OwnNginx]) -> None:
    url, servers, _ = pool
    servers[0].close()
    answers = [httpx2.post(f"{url}/api/chat", json=CHAT) for _ in range(6)]
    assert {answer.status_code for answer in answers} == {200}
    assert len(servers[1].chats()) == 6


@pytest.mark.parametrize("said", [(), ("Half ",)], ids=["before a byte", "in mid-answer"])
def test_a_prompt_that_a_server_has_had_is_not_given_to_another_one(
    pool: tuple[str, list[ScriptedOllama], OwnNginx], said: tuple[str, ...]
) -> None:
    url, servers, _ = pool
    for server in servers:
        server.script(*said, cut)
    with ExitStack() as stack:
        stream = stack.enter_context(httpx2.stream("POST", f"{url}/api/chat", json=CHAT))
        if said:
            with pytest.raises(httpx2.RemoteProtocolError):
                stream.read()
        else:
            assert stream.status_code == 502
    assert sum(len(server.chats()) for server in servers) == 1


def test_stop_reaches_the_server_behind_the_pool(pool: tuple[str, list[ScriptedOllama], OwnNginx]) -> None:
    url, servers, _ = pool
    answers = [server.script("piece0 ", silence) for server in servers]
    with httpx2.stream("POST", f"{url}/api/chat", json=CHAT) as stream:
        assert b"piece0" in next(stream.iter_raw())
    until = time.monotonic() + 10
    while not any(answer.client_gone.is_set() for answer in answers):
        assert time.monotonic() < until, "the model goes on for nobody"


def test_models_are_changed_on_each_server_and_not_on_one_by_chance(
    pool: tuple[str, list[ScriptedOllama], OwnNginx],
) -> None:
    url, servers, _ = pool
    refused = httpx2.post(f"{url}/api/pull", json={"model": "llama3.2"})
    assert refused.status_code == 403
    assert "each of them" in refused.json()["error"]
    assert not [server.requests for server in servers if server.requests]


def test_the_app_asks_again_where_one_of_the_pool_dies(
    pool: tuple[str, list[ScriptedOllama], OwnNginx], start: Start
) -> None:
    url, servers, _ = pool
    died = threading.Event()

    def reply(asked: Any) -> list[Step]:
        """Whichever is asked first dies."""
        if died.is_set():
            return [TEXT]
        died.set()
        return [cut]

    for server in servers:
        server.replies["llama3.2:latest"] = reply
    visitor = Visitor(start(ollama_base_url=url, engine_wait_seconds=30).test_client())
    visitor.open("/")
    answer_id = visitor.ask("Hi")
    assert "event: done" in visitor.watch(answer_id)
    assert visitor.client.get(f"/answers/{answer_id}/text").text == TEXT
    assert died.is_set()
