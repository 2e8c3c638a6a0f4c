"""How the Valkey/Redis store connects: encrypted, as a user, and what it says when it cannot."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import contextmanager
from datetime import timedelta
from urllib.parse import quote, urlsplit

import pytest
import redis
import trustme

from sessionkeeper.checks import store as checks
from sessionkeeper.conf import redis_url
from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.core.records import SessionLimit, SessionPatch
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.stores.redis.store import RedisStore
from tests.demo_server import ROOT
from tests.servers import valkey_groups
from tests.stores import insert, of_this_site, server_url
from tools import valkey
from tools.servers import free_port

DOCUMENTED = ROOT.joinpath("docs/howto/valkey.md").read_text(encoding="utf-8")
#: The rights that the documentation tells to give, beside the name and the password.
ALLOWED = re.search(r"ACL SETUSER \S+ on >\S+ (.*)", DOCUMENTED)[1].split()


def opened(url):
    """Return the store at a URL."""
    return of_this_site(RedisStore(redis_url.parse(valkey.with_options(url))))


def reported(settings, url):
    """Return the messages of the checks about a URL, but for the one that nothing is saved to disk."""
    settings.SESSIONKEEPER = {"STORE": valkey.with_options(url)}
    return [message for message in checks.check_redis() if message.id != "sessionkeeper.W024"]


# Encrypted


@pytest.fixture(scope="module")
def authority():
    """Who makes the certificates."""
    return trustme.CA()


@pytest.fixture(scope="module")
def files(authority, tmp_path_factory):
    """Files of the authority's certificate, of one of the server and of one of a client, by name."""
    folder = tmp_path_factory.mktemp("tls")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificates = {
        "server": authority.issue_cert("127.0.0.1"),
        "other": authority.issue_cert("elsewhere.example"),
        "client": authority.issue_cert("client@example.org"),
    }
    for name, certificate in certificates.items():
        certificate.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
        certificate.private_key_pem.write_to_path(folder / f"{name}.key")
    return folder


@contextmanager
def encrypted_server(files, name, *options):
    """Start a server with an encrypted port; give that port."""
    program, port = valkey.programs().get("redis"), free_port()
    if program is None:
        reason = "NOT RUN: the packaged Valkey does not encrypt, and there is no redis-server."
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    tls = ["--tls-port", str(port), "--tls-ca-cert-file", str(files / "ca.pem")]
    tls += ["--tls-cert-file", str(files / f"{name}.pem"), "--tls-key-file", str(files / f"{name}.key")]
    with valkey.private_server(program, *tls, *options):
        yield port


@pytest.fixture(scope="module")
def encrypted(files):
    """The port of a server that asks clients for no certificate."""
    with encrypted_server(files, "server", "--tls-auth-clients", "no") as port:
        yield port


def test_sessions_are_kept_over_an_encrypted_connection(encrypted, files, settings, db):
    url = f"rediss://127.0.0.1:{encrypted}/0?ssl_ca_certs={quote(str(files / 'ca.pem'))}"
    assert reported(settings, url) == []
    session = SessionStore()
    session["a"] = 1
    session.save()
    assert SessionStore(session.session_key)["a"] == 1


@pytest.mark.parametrize("query", ["", "ssl_ca_certs={other}"])
def test_a_server_whose_certificate_nobody_vouches_for_is_an_outage(encrypted, tmp_path, settings, query):
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    url = f"rediss://127.0.0.1:{encrypted}/0?{query.format(other=tmp_path / 'other.pem')}"
    with pytest.raises(StoreUnavailable):
        opened(url).find(1)
    [message] = reported(settings, url)
    assert message.id == "sessionkeeper.W023"
    assert "certificate verify failed" in message.msg


def test_a_certificate_of_another_name_is_refused_unless_names_do_not_count(files, settings):
    with encrypted_server(files, "other", "--tls-auth-clients", "no") as port:
        url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={files / 'ca.pem'}"
        with pytest.raises(StoreUnavailable):
            opened(url).find(1)
        [message] = reported(settings, url)
        assert "certificate verify failed" in message.msg
        assert opened(f"{url}&ssl_check_hostname=false").find(1) is None


def test_a_server_that_asks_for_a_certificate_is_given_one(files):
    with encrypted_server(files, "server", "--tls-auth-clients", "yes") as port:
        url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={files / 'ca.pem'}"
        with pytest.raises(StoreUnavailable):
            opened(url).find(1)
        own = f"&ssl_certfile={files / 'client.pem'}&ssl_keyfile={files / 'client.key'}"
        assert opened(url + own).find(1) is None


@pytest.mark.django_db
def test_an_encrypted_cluster(files):
    options = ["--tls-auth-clients", "no", "--cluster-enabled", "yes", "--tls-cluster", "yes"]
    with encrypted_server(files, "server", *options, "--cluster-port", str(free_port())) as port:
        ca = str(files / "ca.pem")
        with redis.Redis(port=port, host="127.0.0.1", ssl=True, ssl_ca_certs=ca) as node:
            node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            valkey_groups.until(lambda: node.cluster("INFO")["cluster_state"] == "ok", "the Cluster is whole")
        store = opened(f"rediss+cluster://127.0.0.1:{port}?ssl_ca_certs={ca}")
        key = insert(store, user_id=5)
        assert [record.id for record in store.list_for(5)] == [key.id]


def test_an_encrypted_url_at_a_server_that_does_not_encrypt_is_an_outage(settings):
    url = server_url("valkey").replace("redis://", "rediss://") + "?timeout=0.2&connect_timeout=0.2"
    with pytest.raises(StoreUnavailable):
        opened(url).find(1)
    assert [message.id for message in reported(settings, url)] == ["sessionkeeper.W023"]


# A user of the server's


@pytest.fixture(params=["valkey", "redis"])
def place(request):
    """Host and port of a server with a user ``keeper`` who may do what the documentation says."""
    url = server_url(request.param)
    with redis.Redis.from_url(url) as client:
        client.execute_command("ACL", "SETUSER", "keeper", "reset", "on", ">p@ss:word", *ALLOWED)
        client.delete(*client.keys("sk:*"), "other")
        client.set("other", "x")
        yield urlsplit(url).netloc
        client.execute_command("ACL", "DELUSER", "keeper")
        client.delete("other", *client.keys("sk:*"))


@pytest.mark.django_db
def test_a_user_with_no_more_rights_than_documented_does_everything(place, settings):
    url = f"redis://keeper:p%40ss%3Aword@{place}/0"
    assert reported(settings, url) == []
    store = opened(url)
    key = insert(store, user_id=5, limit=SessionLimit(3))
    store.merge(key.id, key.secret_hash, SessionPatch('{"a": 1}', lifetime=timedelta(hours=1)), None)
    assert store.renew(key.id, key.secret_hash, b"x" * 32, key.family_hash)
    store.rotate(key.id, b"x" * 32, b"y" * 32, b"z" * 32)
    assert store.touch(key.id, b"y" * 32)
    assert [record.id for record in store.list_for(5)] == [record.id for record in store.scan(5)] == [key.id]
    assert store.purge(5) == (0, 0, None)
    assert store.count() == 1
    other = insert(store, user_id=5)
    assert len(store.revoke_all(5, except_=other.id)) == 1
    assert store.revoke(other.id)
    with pytest.raises(redis.exceptions.NoPermissionError):
        store.client.connection.get("other")
    with pytest.raises(redis.exceptions.NoPermissionError):
        store.client.connection.flushall()


@pytest.mark.django_db
def test_a_user_with_these_rights_finds_its_way_in_a_cluster():
    url = server_url("cluster")
    with redis.RedisCluster.from_url(url.partition(",")[0].replace("redis+cluster", "redis")) as cluster:
        for node in cluster.get_nodes():
            client = cluster.get_redis_connection(node)
            client.execute_command("ACL", "SETUSER", "keeper", "reset", "on", ">word", *ALLOWED)
        store = opened(url.replace("://", "://keeper:word@"))
        keys_made = [insert(store, user_id=5).id for _ in range(8)]
        assert [record.id for record in store.list_for(5)] == sorted(keys_made, reverse=True)
        assert len(store.revoke_all(5)) == len(keys_made)
        assert store.client.information()
        for node in cluster.get_nodes():
            cluster.get_redis_connection(node).execute_command("ACL", "DELUSER", "keeper")


@pytest.mark.parametrize("user", ["keeper:wrong", "keeper", "nobody:p%40ss%3Aword"])
def test_a_wrong_password_is_an_outage_and_the_check_says_why(place, settings, user):
    url = f"redis://{user}@{place}/0"
    if user == "keeper":
        url = f"redis://{place}/0?username=keeper&password=wrong"
    with pytest.raises(StoreUnavailable):
        opened(url).find(1)
    [message] = reported(settings, url)
    assert message.id == "sessionkeeper.W023"
    assert "AuthenticationError" in message.msg
    assert "word" not in message.msg.replace("password", "")


def test_a_user_who_may_not_is_an_outage_and_the_check_says_why(place, settings):
    with redis.Redis.from_url(f"redis://{place}/0") as client:
        client.execute_command("ACL", "SETUSER", "keeper", "-@all")
    url = f"redis://keeper:p%40ss%3Aword@{place}/0"
    with pytest.raises(StoreUnavailable):
        opened(url).find(1)
    [message] = reported(settings, url)
    assert "NoPermissionError" in message.msg


# Without the package


WITHOUT = """
import sys
sys.modules["redis"] = None
import django
from django.conf import settings
from tests import settings as base
options = {name: getattr(base, name) for name in dir(base) if name.isupper()}
settings.configure(**options, SESSIONKEEPER={"STORE": "redis://127.0.0.1/0"})
django.setup()
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from sessionkeeper.core import keys
from sessionkeeper.engine import SessionStore
try:
    call_command("check")
except Exception as error:
    print(error)
try:
    SessionStore(keys.mint().text).get("a")
except ImproperlyConfigured as error:
    print("request:", error)
"""


def test_without_the_package_the_check_and_a_request_say_what_to_install():
    result = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=False)
    told = 'pip install "django-sessionkeeper[redis]"'
    assert "sessionkeeper.E012" in result.stdout, result.stderr
    assert result.stdout.count(told) == 2
    assert "request:" in result.stdout
