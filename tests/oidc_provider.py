"""An OpenID provider as a process of its own: Django OAuth Toolkit, which is nobody's fake, with people tests name.

    python tests/oidc_provider.py PORT FOLDER

It asks for a password and for consent as providers do, and insists on PKCE. Tests tell it who there is (POST /people)
and where its one client may be sent back to (POST /client).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

CLIENT, SECRET, PASSWORD = "insightsphere", "known to the two of us", "a password at the provider"


class Provider:
    """The process, seen from a test."""

    def __init__(self, process: subprocess.Popen[bytes], address: str) -> None:
        self.process = process
        self.address = address
        self.issuer = f"{address}/o"

    def knows(self, name: str, email: str, *, verified: bool = True, at_once: bool = True) -> None:
        """Somebody with this address; without `at_once` it is told only who asks for it (userinfo)."""
        self._tell("people", {"name": name, "email": email, "verified": verified, "at_once": at_once})

    def sends_back_to(self, *addresses: str) -> None:
        self._tell("client", {"addresses": addresses})

    def end(self) -> None:
        self.process.kill()
        self.process.wait()

    def _tell(self, what: str, said: dict[str, Any]) -> None:
        requests.post(f"{self.address}/{what}", json=said, timeout=10).raise_for_status()


@contextmanager
def provider(port: int, folder: Path) -> Iterator[Provider]:
    with (folder / "provider.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, __file__, str(port), str(folder)], stdout=log, stderr=log)
    found = Provider(process, f"http://127.0.0.1:{port}")
    try:
        until = time.monotonic() + 60
        while True:
            assert process.poll() is None, (folder / "provider.log").read_text()
            try:
                requests.get(f"{found.issuer}/.well-known/openid-configuration", timeout=5).raise_for_status()
                break
            except requests.ConnectionError:
                assert time.monotonic() < until, "the provider did not start"
                time.sleep(0.05)
        yield found
    finally:
        found.end()


def main(port: int, folder: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    import django
    from django.conf import settings

    login = '<form method="post">{% csrf_token %}{{ form }}<button>Sign in</button></form>'
    consent = (
        '<form method="post">{% csrf_token %}{% for field in form %}{% if field.is_hidden %}{{ field }}{% endif %}'
        '{% endfor %}<button name="allow" value="yes">Agree</button><button>Refuse</button></form>'
    )
    pages = {"registration/login.html": login, "oauth2_provider/authorize.html": consent}
    settings.configure(
        SECRET_KEY="only for these tests",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF="__main__",
        USE_TZ=True,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "provider.db")}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],  # nobody's real password
        LOGIN_URL="/login",
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "oauth2_provider",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {
                    "loaders": [
                        ("django.template.loaders.locmem.Loader", pages),
                        "django.template.loaders.app_directories.Loader",
                    ],
                    "context_processors": ["django.template.context_processors.request"],
                },
            }
        ],
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_ISS_ENDPOINT": f"http://127.0.0.1:{port}/o",
            "OIDC_RSA_PRIVATE_KEY": key.decode(),
            "OAUTH2_VALIDATOR_CLASS": "__main__.Validator",
            "SCOPES": {"openid": "Who you are", "email": "Your e-mail address"},
            "PKCE_REQUIRED": True,
        },
    )
    django.setup()

    from django.contrib.auth.models import User
    from django.contrib.auth.views import LoginView
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpRequest, HttpResponse
    from django.urls import include, path
    from django.views.decorators.csrf import csrf_exempt
    from oauth2_provider.models import Application
    from oauth2_provider.oauth2_validators import OAuth2Validator

    class Validator(OAuth2Validator):  # type: ignore[misc]
        def get_additional_claims(self, request: Any) -> dict[str, Any]:
            said = {"sub": request.user.username}
            return said | (_address(request.user) if request.user.last_name == "at once" else {})

        def get_userinfo_claims(self, request: Any) -> dict[str, Any]:
            return {"sub": request.user.username, **_address(request.user)}

    def _address(user: Any) -> dict[str, Any]:
        return {"email": user.email, "email_verified": user.first_name == "verified"}

    @csrf_exempt
    def people(request: HttpRequest) -> HttpResponse:
        said = json.loads(request.body)
        user, _ = User.objects.get_or_create(username=said["name"])
        user.email, user.first_name = said["email"], "verified" if said["verified"] else ""
        user.last_name = "at once" if said["at_once"] else ""
        user.set_password(PASSWORD)
        user.save()
        return HttpResponse()

    @csrf_exempt
    def client(request: HttpRequest) -> HttpResponse:
        application, _ = Application.objects.get_or_create(
            client_id=CLIENT,
            defaults={
                "client_secret": SECRET,
                "client_type": "confidential",
                "authorization_grant_type": "authorization-code",
                "algorithm": "RS256",
                "name": "InsightSphere",
            },
        )
        application.redirect_uris = " ".join(json.loads(request.body)["addresses"])
        application.save()
        return HttpResponse()

    routes = [
        path("login", LoginView.as_view()),
        path("people", people),
        path("client", client),
        path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    ]
    globals().update(Validator=Validator, urlpatterns=routes)
    call_command("migrate", verbosity=0)
    from socketserver import ThreadingMixIn
    from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

    class Server(ThreadingMixIn, WSGIServer):
        daemon_threads = True

    class Handler(WSGIRequestHandler):
        def address_string(self) -> str:
            return "somebody"

    with make_server("127.0.0.1", port, get_wsgi_application(), Server, Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
