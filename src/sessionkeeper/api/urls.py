"""Routes of the API: ``path("api/auth/", include("sessionkeeper.api.urls"))``."""

from __future__ import annotations

from django.urls import path

from sessionkeeper import problem_index
from sessionkeeper.api.views import passwords, session, sessions, tokens

app_name = "sessionkeeper-api"
urlpatterns = [
    path("csrf/", session.CsrfView.as_view(), name="csrf"),
    path("login/", session.LoginView.as_view(), name="login"),
    path("logout/", session.LogoutView.as_view(), name="logout"),
    path("session/", session.SessionView.as_view(), name="session"),
    path("sessions/", sessions.SessionsView.as_view(), name="sessions"),
    path("sessions/history/", sessions.HistoryView.as_view(), name="history"),
    path("sessions/revoke-others/", sessions.RevokeOthersView.as_view(), name="revoke-others"),
    path("sessions/revoke-all/", sessions.RevokeAllView.as_view(), name="revoke-all"),
    path("sessions/<str:session_id>/", sessions.OneSessionView.as_view(), name="one-session"),
    path("reauthenticate/", passwords.ReauthenticateView.as_view(), name="reauthenticate"),
    path("password/change/", passwords.PasswordChangeView.as_view(), name="password-change"),
    path("password/reset/", passwords.PasswordResetView.as_view(), name="password-reset"),
    path(
        "password/reset/confirm/", passwords.PasswordResetConfirmView.as_view(), name="password-reset-confirm"
    ),
    path("tokens/", tokens.TokensView.as_view(), name="tokens"),
    path("problems/", problem_index.index, name="problems"),
]
