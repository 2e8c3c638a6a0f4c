"""A small site for the client: the API, views of its own, and ways to go wrong."""

from __future__ import annotations

import ssl

from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.middleware.csrf import rotate_token
from django.urls import include, path
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from sessionkeeper.api.authentication import SessionAuthentication, TokenAuthentication
from sessionkeeper.api.scopes import HasScope

PASSWORD = "correct horse battery staple"
#: Whatever proxies this machine names, they are not for it; one TLS context, which is slow to make, for all.
HTTP = {"trust_env": False, "verify": ssl.create_default_context()}


class Notes(APIView):
    """Says who it was, what was sent and how."""

    authentication_classes = [SessionAuthentication, TokenAuthentication]
    permission_classes = [IsAuthenticated, HasScope("notes")]

    def answer(self, request):
        """Answer any method."""
        return Response(
            {
                "user": request.user.get_username(),
                "method": request.method,
                "data": request.data,
                "token": request.headers.get("X-CSRFToken") is not None,
            }
        )

    get = post = put = patch = delete = answer


def form(request):
    """What Django's own CSRF check guards."""
    return JsonResponse({"data": request.POST.dict()})


def rotate(request):
    """Give the visitor another CSRF token, as a sign-in in another tab does."""
    rotate_token(request)
    return JsonResponse({})


def remember(request):
    """Set a cookie, also for who came with a token."""
    request.session["basket"] = 1
    response = JsonResponse({})
    response.set_cookie("sessionid", "planted")
    return response


urlpatterns = [
    path("api/auth/", include("sessionkeeper.api.urls")),
    path("notes/", Notes.as_view()),
    path("form/", form),
    path("rotate/", rotate),
    path("remember/", remember),
    path("moved/", lambda request: HttpResponseRedirect("/notes/")),
    path("fails/", lambda request: HttpResponse("<h1>no</h1>", status=500)),
    path("list/", lambda request: JsonResponse([1], safe=False, status=400)),
    path("other/session/", lambda request: JsonResponse({"name": "somebody else's"})),
    path("page/api/auth/session/", lambda request: HttpResponse("<h1>Home</h1>")),
]
