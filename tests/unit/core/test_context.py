"""What belongs to a request ends with it."""

from __future__ import annotations

from django.http import HttpRequest

from sessionkeeper.core import context

note = context.variable("a_note_of_the_tests")


def test_a_variable_is_empty_when_a_request_begins_and_after_it():
    note.set("of a request before")
    context.begin()
    assert note.get() is None
    note.set("of this request")
    context.end()
    assert note.get() is None


def test_last_steps_see_what_the_request_left_and_run_once():
    seen = []
    context.begin()
    note.set("of this request")
    context.at_end(lambda: seen.append(note.get()))
    context.at_end(lambda: seen.append("the second"))
    context.end()
    context.end()
    assert seen == ["of this request", "the second"]


def test_the_request_is_known_until_it_is_over():
    request = HttpRequest()
    context.begin(request)
    assert context.current_request() is request
    context.end()
    assert context.current_request() is None


def test_a_request_has_the_session_that_it_opened_first():
    one, other = HttpRequest(), HttpRequest()
    context.begin()
    context.current_session().claim(1, one)
    context.current_session().claim(2, other)
    assert context.current_session().id == 1
    context.end()
    context.current_session().claim(2, other)
    assert context.current_session().id == 2
