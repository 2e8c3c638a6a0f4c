"""Routes of the API: ``path("api/auth/", include("sessionkeeper.api.urls"))``."""

from __future__ import annotations

from django.urls import path

from sessionkeeper.api import views

app_name = "sessionkeeper-api"
urlpatterns = [
    path("csrf/", views.CsrfView.as_view(), name="csrf"),
    path("login/", views.LoginView.as_view(), name="login"),
    path("logout/", views.LogoutView.as_view(), name="logout"),
    path("session/", views.SessionView.as_view(), name="session"),
]
