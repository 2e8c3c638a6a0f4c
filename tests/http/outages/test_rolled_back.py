"""A refusal that rolls the view's transaction back does not bring an ended session back."""

import pytest
from django.db import connection
from django.test import Client
from django.urls import path
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from sessionkeeper.api.authentication import SessionAuthentication
from sessionkeeper.models import Session

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]


class Who(APIView):
    authentication_classes = [SessionAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response({"user": str(request.user)})


urlpatterns = [path("who/", Who.as_view())]


@pytest.fixture
def atomic_requests():
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    yield
    connection.settings_dict["ATOMIC_REQUESTS"] = False


@pytest.mark.usefixtures("atomic_requests")
def test_a_disabled_user_stays_signed_out_after_a_refusal_that_rolled_back(django_user_model):
    """DRF rolls back on its 401; the session that was revoked on sight stays revoked."""
    user = django_user_model.objects.create_user("ann", password="x")
    client = Client()
    client.force_login(user)
    django_user_model.objects.update(is_active=False)
    assert client.get("/who/").status_code == 401
    assert Session.objects.count() == 0
