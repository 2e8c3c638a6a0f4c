"""The session in a file: kept between runs, readable by its owner alone, never half written."""

from __future__ import annotations

import json
import os
import stat

import pytest

from client_site import HTTP, PASSWORD
from sessionkeeper_client.client import Client
from sessionkeeper_client.errors import NotSignedIn, SessionFileError
from sessionkeeper_client.secret import Secret

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def file(tmp_path):
    """Where the session is kept."""
    return tmp_path / "session.json"


@pytest.fixture(params=["cookie", "bearer"])
def signed_in(request, make, alice, file):
    """A function that makes a client with that file; alice is signed in there."""

    def function(**options):
        return make(**{"transport": request.param, "file": file, **options})

    function().login(alice.get_username(), PASSWORD)
    return function


def mode(path):
    """The permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def test_the_next_run_is_signed_in(signed_in, alice):
    assert signed_in().whoami()["user"]["username"] == alice.get_username()
    assert signed_in().post("/notes/", json={}).status_code == 200


def test_it_is_for_its_owner_alone_whatever_the_umask(make, alice, file, monkeypatch):
    seen = []
    replace = type(file).replace

    def looked_at(self, target):
        seen.append(mode(self))
        return replace(self, target)

    monkeypatch.setattr(type(file), "replace", looked_at)
    before = os.umask(0)
    try:
        make(file=file).login(alice.get_username(), PASSWORD)
    finally:
        os.umask(before)
    assert mode(file) == 0o600
    assert set(seen) == {0o600}
    assert list(file.parent.iterdir()) == [file]


def test_a_file_that_others_can_use_is_refused(signed_in, file):
    for wrong in (0o644, 0o640, 0o620, 0o604, 0o666):
        file.chmod(wrong)
        with pytest.raises(SessionFileError, match=f"mode {wrong:04o}.*chmod 600"):
            signed_in()
    file.chmod(0o600)
    assert signed_in().whoami()


def test_signing_out_removes_it(signed_in, file):
    client = signed_in()
    client.logout()
    assert not file.exists()
    with pytest.raises(NotSignedIn):
        signed_in().whoami()


def test_another_key_is_written_at_once(make, alice, file):
    client = make(file=file)
    client.login(alice.get_username(), PASSWORD)
    before = file.read_text()
    client.reauthenticate(PASSWORD)
    assert file.read_text() != before
    assert make(file=file).whoami()["user"]["username"] == alice.get_username()


def test_nothing_is_written_where_nothing_changed(signed_in, file):
    client = signed_in()
    before = file.stat().st_ino, file.stat().st_mtime_ns
    client.whoami()
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == before


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 50_000,
        b"\xff\x00",
        "{}",
        '{"version": 1, "site": "http://x", "transport": "cookie", "token": 5, "cookies": []}',
        '{"version": 1, "site": "http://x", "transport": "cookie", "token": null, "cookies": [{}]}',
        '{"version": 1, "site": "http://x", "transport": "cookie", "token": null, "cookies": 5}',
    ],
)
def test_a_damaged_file_is_refused_and_kept(file, content):
    content = content if isinstance(content, bytes) else content.encode()
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(SessionFileError, match=r"damaged\. Remove it and sign in again"):
        Client("https://example.org", file=file, http_options=HTTP)
    assert file.read_bytes() == content


def test_a_cookie_that_is_none_is_damage(signed_in, file):
    content = json.loads(file.read_text())
    content["cookies"] = [
        {"name": "a", "value": 5, "domain": "", "path": "/", "secure": False, "expires": None}
    ]
    file.write_text(json.dumps(content))
    with pytest.raises(SessionFileError, match="damaged"):
        signed_in()


def test_a_file_of_another_site_is_not_sent_there(signed_in):
    with pytest.raises(SessionFileError, match=r"holds a session at http://.* not at https://evil\.example"):
        signed_in(url="https://evil.example")


def test_a_file_of_the_other_transport_is_refused(signed_in, file):
    other = {"cookie": "bearer", "bearer": "cookie"}[json.loads(file.read_text())["transport"]]
    with pytest.raises(SessionFileError, match="Use another file"):
        signed_in(transport=other)


def test_a_folder_a_pipe_and_a_place_that_is_not_there_are_errors(tmp_path, file, make, alice):
    os.mkfifo(file)
    for path in (tmp_path, file):
        with pytest.raises(SessionFileError, match=r"is not a file|cannot be read"):
            Client("https://example.org", file=path, http_options=HTTP)
    client = make(file=tmp_path / "missing" / "session.json")
    with pytest.raises(SessionFileError, match="cannot be written: No such file or directory"):
        client.login(alice.get_username(), PASSWORD)


def test_a_disk_that_is_full_leaves_the_file_as_it_was(signed_in, file, monkeypatch):
    client, before = signed_in(), file.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    client._talk.token = Secret("sess_another")
    with pytest.raises(SessionFileError, match="No space left"):
        client.whoami()
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]
