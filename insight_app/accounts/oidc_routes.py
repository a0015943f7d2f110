"""Signing in with an OpenID provider: the way there, and the way back with a code that says who somebody is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import FlaskOAuth2App, OAuth
from flask import Blueprint, Flask, current_app, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from insight_app.accounts.forms import SignInForm
from insight_app.accounts.guards import for_everybody
from insight_app.accounts.people import clean_email
from insight_app.accounts.routes import let_in
from insight_app.accounts.vouching import subject_of
from insight_app.config import Settings
from insight_app.errors import EmailUnverified, ProviderFailed
from insight_app.limits import rates
from insight_app.web import services

PATIENCE_SECONDS = 5  # for each reply of the provider
FRESH_SECONDS = 3600.0  # how long what the provider says of itself is believed, its keys too
# Somebody who begins again and again must not fill their cookie, which browsers would refuse.
BEGUN_AT_MOST, BEGUN_SECONDS = 3, 900.0
LONGEST_WAY = 500
DENIED = ("access_denied", "login_required", "interaction_required", "consent_required", "account_selection_required")
# What is taken of what a provider says of itself; all of it becomes arguments of the library.
NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")
# What its tokens may be signed with: never nothing, nor what is no secret of its own.
SIGNED = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
oidc = Blueprint("oidc", __name__)


class Provider(FlaskOAuth2App):  # type: ignore[misc]
    """Authlib's client, which believes what is right in the provider's own description, for an hour."""

    server_metadata: dict[str, Any]

    def load_server_metadata(self) -> dict[str, Any]:
        if time.time() - self.server_metadata.get("_loaded_at", 0) > FRESH_SECONDS:
            with self._get_session() as asking:
                said = asking.request("GET", self._server_metadata_url, withhold_token=True)
            said.raise_for_status()
            self.server_metadata = _described(said.json(), _settings().oidc_issuer)
        return dict(self.server_metadata)

    def fetch_jwk_set(self, force: bool = False) -> Any:
        found = super().fetch_jwk_set(force)
        self.server_metadata["jwks"] = found  # the library keeps them in a copy
        return found


@oidc.get("/sign-in/provider")
@for_everybody
def begin() -> ResponseReturnValue:
    """To the provider, with what only this browser knows."""
    way_on = SignInForm(formdata=None, next=request.args.get("next", "")).way_on
    provider = _provider()
    with _asked():
        begun = provider.create_authorization_url(url_for("oidc.done", _external=True))
    _forget_all_but(BEGUN_AT_MOST - 1)
    where = begun.pop("url")
    way_on = way_on if len(way_on) <= LONGEST_WAY else "/"
    provider.save_authorize_data(redirect_uri=url_for("oidc.done", _external=True), **begun, next=way_on)
    return redirect(where, 303)


@oidc.get("/sign-in/provider/done")
@for_everybody
@rates.arriving
def done() -> ResponseReturnValue:
    """Back from the provider. Raises ProviderFailed, EmailUnverified, and what Vouching.account does."""
    begun = _begun(request.args.get("state", ""))
    if begun is None:
        return _back("over")
    if (said := request.args.get("error")) is not None:
        if said in DENIED:
            return _back("denied")
        raise ProviderFailed
    with _asked():
        found = _who()
    if found is None:
        return _back("over")
    name, email, is_verified = found
    if not is_verified or not email:
        raise EmailUnverified
    account = services().accounts.vouching.account(email, subject_of(_settings().oidc_issuer, name))
    return let_in(account, begun["next"])


def _who() -> tuple[str, str, bool] | None:
    """What the provider calls somebody, their address, and whether it says that it is theirs; None for an old code."""
    provider, settings = _provider(), _settings()
    ours = {"iss": settings.oidc_issuer, "aud": settings.oidc_client_id}
    options = {name: {"essential": True, "values": [value]} for name, value in ours.items()}
    try:
        token = provider.authorize_access_token(claims_options=options)
    except OAuthError as error:
        if error.error == "invalid_grant":
            return None
        raise
    person: dict[str, Any] = token["userinfo"]
    if "email" not in person:  # many tell it only when they are asked
        more = provider.userinfo(token=token)
        if more["sub"] != person["sub"]:
            raise ValueError("it speaks of somebody else")
        person = dict(more)
    name, email, verified = person["sub"], person.get("email"), person.get("email_verified")
    if not isinstance(name, str) or not name:
        raise ValueError("it names nobody")
    return name, clean_email(email) if isinstance(email, str) else "", verified is True or verified == "true"


@contextmanager
def _asked() -> Iterator[None]:
    """Around what is asked of the provider: whatever goes wrong with that is its failure, and logged without words."""
    try:
        yield
    except Exception as error:  # three libraries read what it says
        current_app.extensions["log"].warning("provider failed", exc_info=error)
        raise ProviderFailed from None


def _described(said: Any, issuer: str) -> dict[str, Any]:
    """What a provider's description says, as far as it is needed. Raises ValueError where it cannot be right."""
    if not isinstance(said, dict) or said.get("issuer") != issuer:
        raise ValueError("it is not the description of this provider")
    taken = {name: said.get(name) for name in NEEDED}
    if "userinfo_endpoint" in said:
        taken["userinfo_endpoint"] = said["userinfo_endpoint"]
    if not all(isinstance(each, str) and each.startswith(("https://", "http://")) for each in taken.values()):
        raise ValueError("it names addresses that are none")
    ways = said.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    if "client_secret_basic" not in ways and "client_secret_post" in ways and _settings().oidc_client_secret:
        taken["token_endpoint_auth_method"] = "client_secret_post"
    algorithms = [each for each in said.get("id_token_signing_alg_values_supported", ["RS256"]) if each in SIGNED]
    return {**taken, "issuer": issuer, "id_token_signing_alg_values_supported": algorithms, "_loaded_at": time.time()}


def _begun(state: str) -> dict[str, Any] | None:
    """What was kept when this browser began; None where it did not, or too long ago."""
    kept = session.get(f"_state_provider_{state}")
    if not kept or time.time() > kept["exp"] - _provider().framework.expires_in + BEGUN_SECONDS:
        return None
    return dict(kept["data"])


def _forget_all_but(count: int) -> None:
    """Of the ways that this browser began, all but the newest."""
    begun = [key for key in session if key.startswith("_state_provider_")]
    for key in sorted(begun, key=lambda key: float(session[key]["exp"]))[: max(0, len(begun) - count)]:
        del session[key]


def _back(said: str) -> ResponseReturnValue:
    return redirect(url_for("accounts.sign_in", said=said), 303)


def _provider() -> Provider:
    return cast(Provider, current_app.extensions["authlib.integrations.flask_client"].provider)


def _settings() -> Settings:
    return services().settings


def register(app: Flask) -> None:
    settings: Settings = app.extensions["insight"].settings
    OAuth(app).register(
        "provider",
        client_cls=Provider,
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret or None,
        server_metadata_url=f"{settings.oidc_issuer.rstrip('/')}/.well-known/openid-configuration",
        client_kwargs={
            "scope": "openid email",
            "code_challenge_method": "S256",
            "default_timeout": PATIENCE_SECONDS,
        },
    )
    app.register_blueprint(oidc)
