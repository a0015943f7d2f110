"""Who asks is not known, not let in, or may not do this.

InsightError
├── SignInNeeded       nobody is signed in, or no longer
│   ├── SignedOut      somebody was, while a page of theirs showed an answer growing
│   └── NobodyVouches  no proxy says who it is
├── AdminsOnly         it is everybody's, so that only an admin may see or change it
├── LinkOver           an invitation, or a link to a new password, that holds no longer
├── SignUpClosed       nobody new is let in
├── AccountOff         an admin switched the account off
├── EmailUnverified    the provider does not say that an address is whose they say it is
└── ProviderFailed     the OpenID provider did not say who somebody is
InputError             (requests.py)
├── EmailTaken         there is an account with this address
│   └── OtherPerson    it is of somebody whom the provider calls otherwise
├── LastAdmin          nobody would be left who can let others in
└── TooManyKeys        more keys than anybody could keep apart
"""

from __future__ import annotations

from insight_app.errors.base import InsightError, Said
from insight_app.errors.requests import InputError


class SignInNeeded(InsightError):
    status = 401
    code = "sign_in_needed"
    cause = Said("You are not signed in, or no longer.")
    next_step = Said("Sign in, then send again: your text is kept.")


class SignedOut(SignInNeeded):
    code = "signed_out"
    cause = Said("You are not signed in here any more.")
    next_step = Said("An answer that was being written goes on: sign in, then load this page again.")


class NobodyVouches(SignInNeeded):
    code = "nobody_vouches"
    cause = Said("The proxy in front of this server did not say who you are.")
    next_step = Said("Open it by the proxy’s address; who runs it looks into TRUSTED_PROXIES and PROXY_USER_HEADER.")


class AdminsOnly(InsightError):
    status = 403
    code = "admins_only"
    cause = Said("Only admins of this server may see or change this.")
    next_step = Said("Ask one of them.")


class EmailTaken(InputError):
    code = "email_taken"
    cause = Said("There is an account with this address already.")
    next_step = Said("Sign in with it, or take another address.")


class OtherPerson(EmailTaken):
    status = 409
    code = "other_person"
    cause = Said("The account with your e-mail address is of somebody whom the sign-in provider knows by another name.")
    next_step = Said("Ask an admin of this server.")


class LastAdmin(InputError):
    status = 409
    code = "last_admin"
    cause = Said("This is the last admin: nobody would be left who can let others in.")
    next_step = Said("Make somebody else an admin first.")


class TooManyKeys(InputError):
    status = 409
    code = "too_many_keys"
    cause = Said("There are %(limit)s keys already.")
    next_step = Said("Revoke some that are no longer used.")


class LinkOver(InsightError):
    status = 410
    code = "link_over"
    cause = Said("This link holds no longer: it was used, withdrawn, or is too old.")
    next_step = Said("Ask an admin of this server for another one.")


class SignUpClosed(InsightError):
    status = 403
    code = "sign_up_closed"
    cause = Said("This server lets nobody new in by themselves.")
    next_step = Said("Ask an admin of it for an invitation.")


class AccountOff(InsightError):
    status = 403
    code = "account_off"
    cause = Said("Your account on this server is switched off.")
    next_step = Said("Ask an admin of it.")


class EmailUnverified(InsightError):
    status = 403
    code = "email_unverified"
    cause = Said("The sign-in provider does not say that your e-mail address is verified, so it could be anybody’s.")
    next_step = Said("Verify it there, then sign in again.")


class ProviderFailed(InsightError):
    status = 502
    code = "provider_failed"
    cause = Said("The sign-in provider did not say who you are.")
    next_step = Said("Try again; if it lasts, whoever runs this server can look into OIDC_ISSUER and its client.")
