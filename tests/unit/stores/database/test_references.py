"""Sessions to which a project's models refer: they end, and what refers to them does what it says."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.apps import apps
from django.db import connection, models
from django.db.models import F
from django.db.models.signals import post_delete, pre_delete
from django.test import Client
from django.test.utils import CaptureQueriesContext

from sessionkeeper.core import keys
from sessionkeeper.engine import registry
from sessionkeeper.models import Session
from sessionkeeper.stores.database import references, shortcut
from sessionkeeper.stores.database.store import DatabaseStore
from sessionkeeper.stores.factory import get_store
from tests.conftest import PASSWORD
from tests.stores import insert

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.attacks.site"),
    pytest.mark.promise("P-02"),
    pytest.mark.database_store_only("a foreign key to the table of the database store"),
]
#: An application without models of its own, so that Django finds those of a test.
LABEL = "staticfiles"


def by_code(collector, field, rows, using):
    """An ``on_delete`` of a project's own."""
    collector.add_field_update(field, None, rows)


@pytest.fixture
def make_model():
    """A function that makes a model with a foreign key, and its table."""
    made = []

    def make(name, on_delete, to="sessionkeeper.Session", **options):
        options = {"null": True, "related_name": "+", **options}
        attributes = {
            "__module__": __name__,
            "Meta": type("Meta", (), {"app_label": LABEL}),
            "of": models.ForeignKey(to, on_delete=on_delete, **options),
        }
        model = type(name, (models.Model,), attributes)
        with connection.schema_editor() as editor:
            editor.create_model(model)
        made.append(model)
        references.relations.cache_clear()
        return model

    yield make
    for model in reversed(made):
        with connection.schema_editor() as editor:
            editor.delete_model(model)
        del apps.all_models[LABEL][model._meta.model_name]
    apps.clear_cache()
    references.relations.cache_clear()


@pytest.fixture
def signed_in(make_user):
    """A browser that is signed in, its user, and its session."""
    client, user = Client(headers={"Sec-Fetch-Site": "same-origin"}), make_user()
    body = {"username": user.get_username(), "password": PASSWORD}
    assert client.post("/api/auth/login/", body, content_type="application/json").status_code == 200
    client.user, client.number = user, keys.parse(client.cookies["sessionid"].value).id
    return client


def is_out(client, key):
    client.cookies["sessionid"] = key
    return client.get("/private/").status_code == 302


#: What happens to the row that refers, and to the row of the session. ``_`` stands for the row's own value.
CASES = {
    "cascade": (models.CASCADE, {}, None, False),
    "set-null": (models.SET_NULL, {}, [None], False),
    "set-default": (models.SET_DEFAULT, {"default": None}, [None], False),
    "set": (models.SET(None), {}, [None], False),
    "code": (by_code, {}, [None], False),
    "protect": (models.PROTECT, {}, ["_"], True),
    "restrict": (models.RESTRICT, {}, ["_"], True),
    "do-nothing": (models.DO_NOTHING, {}, ["_"], True),
    "no-constraint": (models.DO_NOTHING, {"db_constraint": False}, ["_"], False),
}


@pytest.fixture(params=CASES)
def case(request, make_model):
    """Each ``on_delete``: the model, what is left of its row, and whether the session's row stays."""
    on_delete, options, left, stays = CASES[request.param]
    return make_model("Basket", on_delete, **options), left, stays


def left_of(model, number):
    rows = [row.of_id if row.of_id != number else "_" for row in model.objects.all()]
    return rows or None


@pytest.mark.parametrize("fast", [True, False], ids=["", "by-the-orm"])
def test_a_sign_out_ends_the_session_and_does_what_on_delete_says(case, signed_in, fast):
    model, left, stays = case
    model.objects.create(of_id=signed_in.number)
    key = signed_in.cookies["sessionid"].value
    if not fast:
        shortcut.reasons.append(RuntimeError())
    try:
        assert signed_in.post("/api/auth/logout/").status_code == 204
    finally:
        shortcut.turn_on()
    assert left_of(model, signed_in.number) == left
    assert Session.objects.filter(pk=signed_in.number).exists() == stays
    assert is_out(signed_in, key)


def test_a_row_that_stays_is_no_session_and_says_nothing(make_model, signed_in):
    make_model("Basket", models.PROTECT).objects.create(of_id=signed_in.number)
    key = keys.parse(signed_in.cookies["sessionid"].value)
    store = get_store()
    assert registry.revoke(signed_in.number)
    assert not registry.revoke(signed_in.number)
    assert store.find(signed_in.number) is None
    assert store.list_for(signed_in.user.pk) == store.scan(10) == []
    assert store.count() == 0
    assert not store.touch(key.id, key.secret_hash)
    [row] = Session.objects.all()
    assert (row.user_id, row.data, row.user_agent, row.ip_address) == (None, {}, "", None)
    assert key.secret_hash not in {bytes(row.secret_hash), row.previous_hash}


@pytest.mark.parametrize("change", ["disable", "delete", "password", "end-all"])
def test_whatever_ends_all_sessions_of_a_user_ends_those(make_model, signed_in, change):
    make_model("Basket", models.PROTECT).objects.create(of_id=signed_in.number)
    key, user = signed_in.cookies["sessionid"].value, signed_in.user
    free = insert(DatabaseStore(), user_id=user.pk)
    if change == "disable":
        user.is_active = False
        user.save()
    elif change == "delete":
        user.delete()
    elif change == "password":
        user.set_password("another staple")
        user.save()
    else:
        assert registry.revoke_all(user) == 2
    assert is_out(signed_in, key)
    assert list(Session.objects.exclude(pk=signed_in.number)) == []
    assert get_store().find(free.id) is None


def test_a_purge_goes_on_after_a_protected_row_and_removes_it_when_it_can(make_model):
    model, store = make_model("Basket", models.PROTECT), DatabaseStore()
    old = [insert(store, lifetime=timedelta(seconds=-1)) for _ in range(5)]
    live = insert(store)
    model.objects.create(of_id=old[1].id)
    assert sum(registry.purge(batch=2)) == 5
    assert set(Session.objects.values_list("pk", flat=True)) == {old[1].id, live.id}
    assert sum(registry.purge(batch=2)) == 0
    model.objects.all().delete()
    assert sum(registry.purge(batch=2)) == 0
    assert list(Session.objects.values_list("pk", flat=True)) == [live.id]


def test_rows_that_stayed_go_also_when_no_model_refers_any_more(make_model):
    store = DatabaseStore()
    key = insert(store)
    Session.objects.filter(pk=key.id).update(family_hash=references.ENDED, expires_at=F("created_at"))
    assert store.find(key.id) is None
    list(registry.purge())
    assert not Session.objects.exists()


def test_what_is_restricted_goes_with_what_is_deleted_anyway(make_model):
    basket = make_model("Basket", models.CASCADE)
    line = make_model("Line", models.RESTRICT)
    with connection.schema_editor() as editor:
        field = models.ForeignKey(basket, on_delete=models.CASCADE, null=True, related_name="+")
        field.contribute_to_class(line, "basket")
        editor.add_field(line, field)
    key = insert(DatabaseStore())
    mine = basket.objects.create(of_id=key.id)
    line.objects.create(of_id=key.id, basket=mine)
    assert registry.revoke(key.id)
    assert [model.objects.count() for model in (line, basket, Session)] == [0, 0, 0]


def test_what_a_deletion_further_on_forbids_stays(make_model):
    basket = make_model("Basket", models.CASCADE)
    order = make_model("Order", models.PROTECT, to=basket)
    key, other = insert(DatabaseStore()), insert(DatabaseStore())
    mine = basket.objects.create(of_id=key.id)
    order.objects.create(of=mine)
    assert len(get_store().revoke_many([key.id, other.id])) == 2
    assert list(Session.objects.values_list("pk", flat=True)) == [key.id]
    assert basket.objects.get().of_id == key.id


def test_signals_are_sent_of_the_other_model_only(make_model):
    model, heard = make_model("Basket", models.CASCADE), []

    def note(sender, **_):
        heard.append(sender)

    for signal in (pre_delete, post_delete):
        signal.connect(note)
    key = insert(DatabaseStore())
    model.objects.create(of_id=key.id)
    try:
        registry.revoke(key.id)
    finally:
        for signal in (pre_delete, post_delete):
            signal.disconnect(note)
    assert heard == [model, model]


def test_a_receiver_that_fails_keeps_nobody_signed_in(make_model, signed_in, caplog):
    model = make_model("Basket", models.CASCADE)
    model.objects.create(of_id=signed_in.number)
    key = signed_in.cookies["sessionid"].value

    def fail(**_):
        raise ValueError("a mistake of the project")

    pre_delete.connect(fail, sender=model)
    try:
        assert signed_in.post("/api/auth/logout/").status_code == 204
    finally:
        pre_delete.disconnect(fail, sender=model)
    assert is_out(signed_in, key)
    assert model.objects.exists()
    assert "The session has ended" in caplog.text


def test_where_nothing_refers_to_sessions_an_end_is_one_statement():
    assert references.relations() == ()
    store = DatabaseStore()
    key = insert(store)
    with CaptureQueriesContext(connection) as queries:
        assert store.revoke(key.id).id == key.id
    assert len(queries) == 1 if connection.features.can_return_rows_from_bulk_insert else 2
