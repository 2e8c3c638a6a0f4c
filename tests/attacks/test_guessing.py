"""Guessing: the attacker knows a name, has accounts, browsers and addresses, and looks for one more guess."""

from __future__ import annotations

import json

import pytest
from django.contrib import auth
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.base_user import BaseUserManager
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import include, path

from sessionkeeper import flows
from sessionkeeper.auth import erasure, lockout
from sessionkeeper.core.errors import InvalidCredentials, TooManyTries
from sessionkeeper.models import AuditEvent, LoginAttempt
from tests.conftest import PASSWORD
from tests.unit.auth.guessing import TRIES, api, browser, is_refused, stopped_clock

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

OURS = "sessionkeeper.backends.ModelBackend"
MANY = 24
OWN = "the attacker's own pass phrase"


class ByEmail(ModelBackend):
    """A backend as people write it: by e-mail address, and the first whose password fits."""

    def authenticate(self, request, username=None, password=None, email=None, **kwargs):
        """Look at each account with the address."""
        for user in auth.get_user_model().objects.filter(email__iexact=email or username):
            if user.check_password(password):
                return user
        return None


def by_json(request):
    """A view that passes on whatever it was sent."""
    user = auth.authenticate(request, **json.loads(request.body))
    if user is None:
        return HttpResponse("no", status=401)
    auth.login(request, user)
    return HttpResponse("yes")


urlpatterns = [
    path("auth/", include("sessionkeeper.api.urls")),
    path("json/", by_json),
]


@pytest.fixture(autouse=True)
def clock(monkeypatch, settings):
    """Time stands still until it is moved, and our backend stands first."""
    return stopped_clock(monkeypatch, settings)


@pytest.fixture
def by_email(settings):
    """A site on which an e-mail address signs in too."""
    settings.AUTHENTICATION_BACKENDS = [OURS, f"{__name__}.ByEmail"]


@pytest.fixture
def victim():
    """Whom the attacker is after."""
    return _user("alice", email="alice@example.org")


def _user(name, password=PASSWORD, **fields):
    return auth.get_user_model().objects.create_user(name, password=password, **fields)


def send(client, **given):
    """Send these as JSON."""
    return client.post("/json/", json.dumps(given), content_type="application/json")


def guess(name, times=MANY, between=lambda: None, **extra):
    """Guess from many networks; return how many guesses were looked at."""
    looked_at = 0
    for number in range(times):
        answer = send(browser(f"198.51.{number}.1"), username=name, password="wrong", **extra)
        assert answer.status_code in {401, 429}
        looked_at += answer.status_code == 401
        between()
    return looked_at


# What forgives


LOOKALIKES = {
    "accent": ("alicé", {}, "alice"),
    "address": ("mallory", {"email": "alice@example.org"}, "alice"),
    "address as name": ("mallory", {"email": "alice@example.org"}, "alice@example.org"),
    "name like the address": ("alicé@example.org", {}, "alice@example.org"),
}


@pytest.mark.rule("R55")
@pytest.mark.usefixtures("by_email", "victim")
@pytest.mark.parametrize("case", LOOKALIKES)
def test_signing_in_as_somebody_else_between_guesses_gives_no_more_of_them(case):
    name, fields, target = LOOKALIKES[case]
    own = _user(name, OWN, **fields)
    doors = [own.username, own.email] if own.email else [own.username]

    def sign_in():
        for number, door in enumerate(doors):
            send(browser(f"203.0.{number}.1"), username=door, password=OWN)

    assert guess(target, between=sign_in) == TRIES


@pytest.mark.rule("R55")
@pytest.mark.usefixtures("victim")
def test_a_lookalike_where_only_names_sign_in_gives_no_more_of_them():
    _user("alicé")
    assert guess("alice", between=lambda: api(browser("203.0.113.5"), "alicé", PASSWORD)) == TRIES


@pytest.mark.rule("R55")
@pytest.mark.usefixtures("victim")
def test_a_lookalike_still_signs_in_while_nobody_has_guessed():
    _user("alicé")
    for _ in range(2):
        assert guess("alice", TRIES - 1) == TRIES - 1
        assert api(browser(), "alice", PASSWORD).status_code == 200
        assert api(browser(), "alicé", PASSWORD).status_code == 200


@pytest.mark.rule("R55")
@pytest.mark.usefixtures("by_email", "victim")
@pytest.mark.parametrize("case", LOOKALIKES)
def test_the_device_of_somebody_else_is_not_known(case):
    name, fields, target = LOOKALIKES[case]
    own, here = _user(name, OWN, **fields), browser("203.0.113.5")
    for door in filter(None, [own.username, own.email]):
        assert send(here, username=door, password=OWN).status_code == 200
        here.post("/auth/logout/")
    assert guess(target) == TRIES
    assert is_refused(send(here, username=target, password="wrong"))


@pytest.mark.rule("R55")
@pytest.mark.usefixtures("by_email", "victim")
@pytest.mark.parametrize("case", LOOKALIKES)
def test_the_new_password_of_somebody_else_lifts_no_lock(case):
    name, fields, target = LOOKALIKES[case]
    own = _user(name, OWN, **fields)
    assert guess(target) == TRIES
    own.set_password("another pass phrase")
    own.save()
    assert guess(target) == 0


@pytest.mark.rule("R55")
@pytest.mark.usefixtures("by_email", "victim")
@pytest.mark.parametrize("case", LOOKALIKES)
def test_erasing_somebody_else_lifts_no_lock(case):
    name, fields, target = LOOKALIKES[case]
    own = _user(name, OWN, **fields)
    assert guess(target) == TRIES
    erasure.erase(own)
    own.delete()
    assert guess(target) == 0


@pytest.mark.rule("R55")
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("by_email")
def test_who_signs_in_by_a_field_of_their_own_begins_anew_and_has_known_devices(victim):
    here = browser()
    for _ in range(2):
        assert guess(victim.email, TRIES - 1) == TRIES - 1
        assert send(here, username=victim.email, password=PASSWORD).status_code == 200
    here.post("/auth/logout/")
    assert guess(victim.email) == TRIES
    assert is_refused(send(browser(), username=victim.email, password=PASSWORD))
    assert send(here, username=victim.email, password=PASSWORD).status_code == 200
    victim.set_password("another pass phrase")
    victim.save()
    assert send(browser(), username=victim.email, password="another pass phrase").status_code == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("by_email", "victim")
def test_a_name_that_finds_two_accounts_by_two_fields_is_limited_whoever_signs_in():
    """The name of the one is the address of the other, so that a failure may be either's."""
    own, here = _user("alice@example.org", OWN), browser("203.0.113.5")

    def sign_in():
        assert send(here, username=own.username, password=OWN).status_code == 200

    assert guess(own.username, between=sign_in) == 2 * TRIES + 7


# One account, many spellings


@pytest.fixture
def collation(monkeypatch):
    """The look-up of the default collations of MySQL and MariaDB."""

    def find(self, name):
        return self.get(username=name.replace("\u0131", "i").replace("\u0142", "l"))

    monkeypatch.setattr(BaseUserManager, "get_by_natural_key", find)


SPELLINGS = ["alice", "al\u0131ce", "a\u0142ice", "a\u0142\u0131ce"]


@pytest.mark.rule("R56")
@pytest.mark.usefixtures("collation", "victim")
def test_all_spellings_that_find_an_account_share_its_tries():
    assert sum(guess(spelling, 12) for spelling in SPELLINGS) == TRIES
    assert all(is_refused(api(browser(), spelling, PASSWORD)) for spelling in SPELLINGS)


@pytest.mark.rule("R34")
def test_a_try_counts_in_as_many_rows_whether_somebody_has_the_name_or_not(victim):
    kinds = []
    for name in (victim.username, "nobody"):
        LoginAttempt.objects.all().delete()
        api(browser(), name, "wrong")
        kinds.append(sorted(LoginAttempt.objects.values_list("kind", flat=True)))
    assert kinds[0] == kinds[1] == ["account", "name", "source"]


# Names of all types


def count_of(**given):
    """Authenticate often, as code may; return how many tries were looked at."""
    looked_at = 0
    for number in range(MANY):
        request = RequestFactory(REMOTE_ADDR=f"198.51.{number}.1").post("/")
        lockout.under_way.set(None)
        try:
            lockout.begin(request, given)
        except TooManyTries:
            continue
        looked_at += 1
        auth.signals.user_login_failed.send(sender=__name__, credentials=given, request=request)
    return looked_at


@pytest.mark.rule("R56")
@pytest.mark.parametrize("name", [123, 1.5, True, ["a"], {"a": "b"}, b"bytes", "", "x" * 100_000, "\0"])
def test_a_name_of_any_type_is_counted(name):
    assert count_of(username=name, password="wrong") == TRIES


@pytest.mark.rule("R56")
def test_a_number_is_the_name_with_these_digits():
    _user("123")
    assert guess(123, 3) + guess("123", 12) == TRIES


@pytest.mark.rule("R56")
@pytest.mark.usefixtures("by_email", "victim")
@pytest.mark.parametrize("junk", [{"username": 7}, {"login": "x"}, {"phone": ["x"]}, {"username": "made up"}])
def test_a_made_up_name_beside_the_one_that_is_looked_up_hides_nothing(junk):
    looked_at = 0
    for number in range(MANY):
        given = {name: f"{value}{number}" if name != "phone" else [number] for name, value in junk.items()}
        answer = send(browser(f"198.51.{number}.1"), **given, email="alice@example.org", password="wrong")
        looked_at += answer.status_code == 401
    assert looked_at == TRIES


@pytest.mark.rule("R56")
def test_a_try_whose_name_stands_in_a_field_that_nobody_knows_is_counted_by_its_source(settings):
    settings.SESSIONKEEPER = {"SOURCE_TRIES": 3}
    answers = [send(browser(), member=number, password="wrong").status_code for number in range(5)]
    assert answers == [401] * 3 + [429] * 2


@pytest.mark.parametrize("password", [12345, True, ["x"], {"a": 1}])
def test_a_password_that_is_no_text_is_wrong(password):
    auth.get_user_model().objects.create_user("bob", password="12345")
    assert send(browser(), username="bob", password=password).status_code == 401
    assert LoginAttempt.objects.filter(kind="account", failures=1).exists()


# Neighbours


@pytest.fixture
def neighbour(victim):
    """A browser that is signed in, and one that was, in a network from which somebody tries made-up names."""
    signed_in, known = browser("192.0.2.7"), browser("192.0.2.8")
    assert api(signed_in, victim.username, PASSWORD).status_code == 200
    assert api(known, victim.username, PASSWORD).status_code == 200
    known.post("/auth/logout/")
    for number in range(100):
        assert api(browser("192.0.2.66"), f"junk{number}", "x").status_code == 401
    assert is_refused(api(browser("192.0.2.66"), "junk", "x"))
    return signed_in, known


def post(client, page, **fields):
    """Send this to a page of the API."""
    return client.post(f"/auth/{page}/", json.dumps(fields), content_type="application/json")


@pytest.mark.rule("R57")
def test_made_up_names_from_a_network_lock_no_neighbour_out(neighbour, victim):
    signed_in, known = neighbour
    assert api(known, victim.username, PASSWORD).status_code == 200
    assert post(signed_in, "reauthenticate", password=PASSWORD).status_code == 200
    new = "another pass phrase"
    changed = post(signed_in, "password/change", current_password=PASSWORD, new_password=new)
    assert changed.status_code == 204


@pytest.mark.rule("R57")
def test_failures_of_a_session_or_a_known_device_are_not_charged_to_the_network(victim, settings):
    settings.SESSIONKEEPER = {"SOURCE_TRIES": 1}
    here = browser()
    assert api(here, victim.username, PASSWORD).status_code == 200
    for _ in range(2):
        assert post(here, "reauthenticate", password="wrong").status_code == 401
    here.post("/auth/logout/")
    for _ in range(2):
        assert api(here, victim.username, "wrong").status_code == 401
    assert not LoginAttempt.objects.filter(kind="source", failures__gt=0).exists()


# Sessions


def test_a_session_vouches_for_its_own_account_alone(victim):
    """A view that passes names on to the reauthentication is no way around the lockout."""
    own, looked_at = _user("mallory"), 0
    for number in range(MANY):
        client = browser(f"198.51.{number}.1")
        assert api(client, own.username, PASSWORD).status_code == 200
        request = client.get("/auth/session/").wsgi_request
        assert request.user == own
        lockout.under_way.set(None)
        try:
            flows.reauthenticate(request, {"username": victim.username, "password": "wrong"})
        except TooManyTries:
            continue
        except InvalidCredentials:
            looked_at += 1
    assert looked_at == TRIES


def test_the_right_password_of_somebody_else_counts_like_a_wrong_one(victim):
    own, client = _user("mallory"), browser()
    assert api(client, own.username, PASSWORD).status_code == 200
    request = client.get("/auth/session/").wsgi_request
    assert request.user == own
    before = AuditEvent.objects.filter(kind="refused").count()
    with pytest.raises(InvalidCredentials):
        flows.reauthenticate(request, {"username": victim.username, "password": PASSWORD})
    lockout.settle()
    assert LoginAttempt.objects.get(kind="account", failures=1)
    assert AuditEvent.objects.filter(kind="refused").count() == before + 1


# Devices


def test_each_of_the_people_who_share_a_browser_is_known_there():
    people = [_user(f"person{number}", email=f"{number}@example.org") for number in range(6)]
    here = browser()
    for person in people:
        assert api(here, person.username, PASSWORD).status_code == 200
        here.post("/auth/logout/")
    for person in people:
        guess(person.username, TRIES)
        assert api(here, person.username, PASSWORD).status_code == 200
        here.post("/auth/logout/")


@pytest.mark.parametrize("same_site", ["Lax", "Strict", "None"])
def test_the_cookie_of_a_device_goes_where_the_session_cookie_goes(victim, settings, same_site):
    settings.SESSION_COOKIE_SAMESITE = same_site
    cookies = api(browser(), victim.username, PASSWORD).cookies
    assert {cookies[name]["samesite"] for name in ("sessionid", "sessionid-device-key")} == {same_site}
