"""Where the measured views are."""

from __future__ import annotations

from django.urls import path

from benchmarks.site import views

urlpatterns = [
    path("whoami/", views.WhoAmI.as_view()),
    path("awhoami/", views.awhoami),
    path("write/<name>/", views.write),
    path("sign-in/", views.sign_in),
]
