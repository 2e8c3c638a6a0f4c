"""Pages for what a person does with their sessions: ``path("auth/", include("sessionkeeper.pages.urls"))``.

Django templates that a project overrides block by block. They need no JavaScript and no REST framework, and
hold no logic: the verbs are in :mod:`sessionkeeper.flows`, :mod:`sessionkeeper.auth.reauthentication` and
:mod:`sessionkeeper.auth.passwords`.
"""
