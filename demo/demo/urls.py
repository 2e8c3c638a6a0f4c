"""Addresses of the demo site."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import TemplateView
from drf_spectacular.views import SpectacularAPIView

from demo import views

urlpatterns = [
    path("", TemplateView.as_view(template_name="demo/home.html"), name="home"),
    path("login/", views.LoginView.as_view(), name="login"),
    path("logout/", views.LogoutView.as_view(), name="logout"),
    path("dashboard/", views.DashboardView.as_view(), name="dashboard"),
    path("javascript/", views.JavaScriptView.as_view(), name="javascript"),
    path("api/profile/", views.ProfileView.as_view(), name="profile"),
    path("api/notes/", include("notes.urls")),
    path("api/auth/", include("sessionkeeper.api.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),  # OpenAPI 3.1
    path("api/", include("demo.other_tokens")),
    path("auth/", include("sessionkeeper.pages.urls")),  # devices, password change and reset, as pages
    path("api-auth/", include("rest_framework.urls")),  # login and logout of the browsable API
    path("admin/", admin.site.urls),
]
