"""The forms by which people come in, change their password, make keys, and let others in."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

from wtforms import BooleanField, HiddenField, PasswordField, SelectField, StringField
from wtforms.validators import ValidationError

from insight_app.accounts import passwords
from insight_app.accounts.people import Role, clean_email
from insight_app.accounts.tokens import Scope
from insight_app.forms import Form
from insight_app.words import N_, _, lazy

NO_EMAIL = N_("Write an e-mail address, such as name@example.org.")
ROLES = {Role.MEMBER.value: N_("Member"), Role.ADMIN.value: N_("Admin")}


class SignInForm(Form):
    """`next` is the page to go on with, "" for the first one."""

    email = StringField(lazy("E-mail"))
    password = PasswordField(lazy("Password"))
    next = HiddenField()

    @property
    def address(self) -> str:
        return clean_email(self.email.data or "")

    @property
    def way_on(self) -> str:
        """A page of this server and of no other."""
        given = self.next.data or ""
        is_ours = given.startswith("/") and not given.startswith("//") and "\\" not in given and given.isprintable()
        return given if is_ours else "/"


class _NewPasswordForm(Form):
    """What has a field for a new password; `address` says whose."""

    new_password = PasswordField(lazy("New password"))

    @property
    def address(self) -> str:
        return ""

    def validate_new_password(self, field: PasswordField) -> None:
        if said := passwords.problem(field.data or "", self.address):
            raise ValidationError(said)


class SignUpForm(_NewPasswordForm):
    """A new account."""

    email = StringField(lazy("E-mail"))
    new_password = PasswordField(lazy("Password"))

    @property
    def address(self) -> str:
        return clean_email(self.email.data or "")

    def validate_email(self, field: StringField) -> None:
        if not self.address:
            raise ValidationError(_(NO_EMAIL))


class FirstAccountForm(SignUpForm):
    """The first account of all, with the code that the server's log says."""

    code = StringField(lazy("Code from the server’s log"))


class NewPasswordForm(_NewPasswordForm):
    """Another password, by a link."""


class ChangePasswordForm(_NewPasswordForm):
    """Another password, by who knows the old one."""

    password = PasswordField(lazy("Password now"))
    new_password = PasswordField(lazy("New password"))


class KeyForm(Form):
    """A new key."""

    label = StringField(lazy("Name"))
    chat = BooleanField(lazy("Ask and get answers"), default=True)
    models = BooleanField(lazy("List models"), default=True)
    admin = BooleanField(lazy("See everybody’s use"))
    expires = StringField(lazy("Holds until"))

    def validate_label(self, field: StringField) -> None:
        if not self.name:
            raise ValidationError(_("Give it a name, so that you know later what it is for."))

    def validate_chat(self, _field: BooleanField) -> None:
        if not self.scopes:
            raise ValidationError(_("Choose at least one thing that it is for."))

    def validate_expires(self, field: StringField) -> None:
        if not (field.data or "").strip():
            return
        day = self._day
        if day is None or not date.today() <= day <= date.today() + timedelta(days=3650):
            raise ValidationError(_("Choose a day from today on, within ten years; or leave it empty."))

    @property
    def name(self) -> str:
        return " ".join("".join(each for each in self.label.data or "" if each.isprintable()).split())[:100]

    @property
    def scopes(self) -> list[Scope]:
        return [scope for scope in Scope if self[scope.value].data]

    @property
    def expires_at(self) -> float | None:
        """The end of that day (UTC), in seconds since 1970; None where it is to hold for good."""
        if self._day is None:
            return None
        return datetime.combine(self._day + timedelta(days=1), datetime.min.time(), timezone.utc).timestamp()

    @property
    def _day(self) -> date | None:
        try:
            return date.fromisoformat((self.expires.data or "").strip())
        except ValueError:
            return None


class InvitationForm(Form):
    """A link for somebody new; with an address it serves that one only."""

    email = StringField(lazy("E-mail"))
    role = SelectField(lazy("Role"), choices=list(ROLES))

    @property
    def labels(self) -> dict[str, str]:
        """The roles in words."""
        return {role: _(said) for role, said in ROLES.items()}

    @property
    def address(self) -> str:
        return clean_email(self.email.data or "")

    def validate_email(self, field: StringField) -> None:
        if (field.data or "").strip() and not self.address:
            raise ValidationError(_(NO_EMAIL))
