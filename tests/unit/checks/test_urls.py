"""The check that walks the URL configuration for views that take the session cookie without a CSRF check."""

from functools import partial, wraps

import pytest
from django.contrib import admin, auth
from django.contrib.auth import authenticate, login
from django.contrib.auth import logout as sign_out
from django.contrib.auth.decorators import login_required
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.urls import clear_url_caches, include, path, re_path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt, csrf_protect, ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from ninja import NinjaAPI
from ninja.security import django_auth
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, TokenAuthentication
from rest_framework.decorators import action, api_view, authentication_classes
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from sessionkeeper import checks
from sessionkeeper.api.authentication import CheckedSessionAuthentication
from sessionkeeper.api.authentication import SessionAuthentication as OurAuthentication
from sessionkeeper.checks import urls


@pytest.fixture
def messages(routed):
    """A function: the messages that a list of routes is met with."""

    def run(*patterns):
        routed(*patterns)
        return checks.guarded(urls.check_csrf_exempt)()

    return run


def ids(found):
    return [message.id.partition(".")[2] for message in found]


def logged(view):
    @wraps(view)
    def inner(request, *args, **kwargs):
        return view(request, *args, **kwargs)

    return inner


@csrf_exempt
def tutorial_login(request):
    user = authenticate(request, username="x", password="y")
    if user is not None:
        login(request, user)
    return HttpResponse()


@csrf_exempt
def through_the_module(request):
    auth.login(request, None)
    return HttpResponse()


@csrf_exempt
def imported_inside(request):
    from django.contrib.auth import logout

    logout(request)
    return HttpResponse()


@csrf_exempt
def under_another_name(request):
    sign_out(request)
    return HttpResponse()


@csrf_exempt
def reads_user(request):
    return HttpResponse(request.user.pk)


@csrf_exempt
def reads_session(request):
    request.session["x"] = 1
    return HttpResponse()


@csrf_exempt
async def reads_user_async(request):
    return HttpResponse((await request.auser()).pk)


@csrf_exempt
def reads_in_an_inner_function(request):
    def inner():
        return request.user

    return HttpResponse(inner())


@csrf_exempt
@login_required
def guarded_view(request):
    return HttpResponse()


@logged
@csrf_exempt
@logged
@require_POST
def wrapped_many_times(request):
    return HttpResponse(request.user)


@method_decorator(csrf_exempt, name="dispatch")
class ClassView(View):
    def post(self, request):
        return self.answer()

    def answer(self):
        return HttpResponse(self.request.user)


@method_decorator(csrf_exempt, name="dispatch")
class MixinView(LoginRequiredMixin, View):
    def put(self, request):
        return HttpResponse()


class ExemptLoginAPI(APIView):
    authentication_classes = []

    def post(self, request):
        login(request, None)


class TokenAPIWithSession(APIView):
    authentication_classes = [TokenAuthentication]

    def post(self, request):
        request.session["x"] = 1


@pytest.mark.parametrize(
    "view",
    [
        tutorial_login,
        through_the_module,
        imported_inside,
        under_another_name,
        reads_user,
        reads_session,
        reads_user_async,
        reads_in_an_inner_function,
        guarded_view,
        wrapped_many_times,
        partial(reads_user),
        ClassView.as_view(),
        csrf_exempt(ClassView.as_view()),
        MixinView.as_view(),
        ExemptLoginAPI.as_view(),
        TokenAPIWithSession.as_view(),
        csrf_exempt(ensure_csrf_cookie(reads_user)),
    ],
)
def test_an_exempt_view_that_uses_the_session_is_a_warning(messages, view):
    if isinstance(view, partial):
        view.csrf_exempt = True
    found = messages(path("here/", view))
    assert ids(found) == ["W040"]
    assert "'/here/'" in found[0].msg
    assert found[0].obj.startswith(__name__)


@csrf_exempt
def webhook(request):
    event = request.POST
    return HttpResponse(event.user)


@csrf_exempt
def token_endpoint(request):
    return HttpResponse(authenticate(request, username="x", password="y"))


@csrf_exempt
@require_GET
def only_get(request):
    return HttpResponse(request.user)


@csrf_exempt
@require_http_methods(["GET", "HEAD"])
def only_reads(request):
    return HttpResponse(request.user)


@csrf_exempt
def checks_by_hand(request):
    CsrfViewMiddleware(lambda request: None).process_view(request, None, (), {})
    return HttpResponse(request.user)


def not_exempt(request):
    return HttpResponse(request.user)


def exemption_lost(request):
    return reads_user(request)


@method_decorator(csrf_exempt, name="dispatch")
class OnlyGet(View):
    def get(self, request):
        return HttpResponse(request.user)


@method_decorator(csrf_protect, name="dispatch")
class ProtectedLoginAPI(APIView):
    authentication_classes = []

    def post(self, request):
        login(request, None)


class StockAPI(APIView):
    authentication_classes = [SessionAuthentication]

    def post(self, request):
        request.session["x"] = 1


class CheckedAPI(APIView):
    authentication_classes = [CheckedSessionAuthentication]

    def post(self, request):
        login(request, None)


class ChecksItself(SessionAuthentication):
    def authenticate(self, request):
        self.enforce_csrf(request)
        return super().authenticate(request)


class OwnCheckAPI(CheckedAPI):
    authentication_classes = [ChecksItself]


class TokenAPI(APIView):
    authentication_classes = [TokenAuthentication]

    def post(self, request):
        return HttpResponse(request.user)


class OwnChoiceAPI(APIView):
    def get_authenticators(self):
        return [OurAuthentication()]

    authentication_classes = []

    def post(self, request):
        login(request, None)


@api_view(["GET"])
@authentication_classes([])
def reading_api(request):
    return HttpResponse(request.session)


@pytest.mark.parametrize(
    "view",
    [
        webhook,
        token_endpoint,
        only_get,
        only_reads,
        checks_by_hand,
        not_exempt,
        exemption_lost,
        csrf_exempt(csrf_protect(reads_user)),
        OnlyGet.as_view(),
        ProtectedLoginAPI.as_view(),
        csrf_protect(ExemptLoginAPI.as_view()),
        StockAPI.as_view(),
        CheckedAPI.as_view(),
        OwnCheckAPI.as_view(),
        TokenAPI.as_view(),
        OwnChoiceAPI.as_view(),
        reading_api,
    ],
)
def test_a_view_that_is_safe_or_cannot_be_told_is_left_alone(messages, view):
    assert messages(path("here/", view)) == []


class CsrfExemptSessionAuthentication(SessionAuthentication):
    def enforce_csrf(self, request):
        return


class DocumentedExemption(SessionAuthentication):
    def enforce_csrf(self, request):
        """Skip it."""
        return None  # noqa: RET501


class HomeMade(BaseAuthentication):
    def authenticate(self, request):
        user = getattr(request._request, "user", None)
        return (user, None) if user else None


class HomeMadeByAttribute(BaseAuthentication):
    def authenticate(self, request):
        return (request._request.user, None)


class Logging(SessionAuthentication):
    def enforce_csrf(self, request):
        return super().enforce_csrf(request)

    def authenticate(self, request):
        return super().authenticate(request)


class HomeMadeChecked(SessionAuthentication):
    def authenticate(self, request):
        user = request._request.user
        self.enforce_csrf(request)
        return (user, None)


def api(*kinds, base=APIView):
    return type("API", (base,), {"authentication_classes": kinds, "post": lambda self, request: None})


@pytest.mark.parametrize(
    "kind", [CsrfExemptSessionAuthentication, DocumentedExemption, HomeMade, HomeMadeByAttribute]
)
def test_an_authenticator_that_takes_the_session_without_a_csrf_check_is_a_warning(messages, kind):
    found = messages(path("a/", api(kind, TokenAuthentication).as_view()), path("b/", api(kind).as_view()))
    assert set(ids(found)) == {"W041"}
    assert found[0].obj == f"{__name__}.{kind.__name__}"


@pytest.mark.parametrize("kind", [OurAuthentication, SessionAuthentication, Logging, HomeMadeChecked])
def test_an_authenticator_that_checks_csrf_is_fine(messages, kind):
    assert messages(path("a/", api(kind).as_view())) == []


def test_authenticators_given_to_as_view_count(messages):
    view = APIView.as_view(authentication_classes=[CsrfExemptSessionAuthentication])
    assert messages(path("a/", view)) == []  # it answers no method that changes something
    view = api().as_view(authentication_classes=[CsrfExemptSessionAuthentication])
    assert ids(messages(path("a/", view))) == ["W041"]


class Things(ViewSet):
    authentication_classes = [CsrfExemptSessionAuthentication]

    def list(self, request):
        return HttpResponse()

    @action(detail=False, methods=["post"])
    def change(self, request):
        return HttpResponse()


def test_a_viewset_is_found_by_the_actions_that_change_something(messages):
    assert messages(path("a/", Things.as_view({"get": "list"}))) == []
    router = SimpleRouter()
    router.register("things", Things, basename="things")
    assert ids(messages(*router.urls)) == ["W041"]


def test_function_views_of_the_framework_are_read(messages):
    @api_view(["POST"])
    @authentication_classes([])
    def sign_in(request):
        login(request._request, None)

    assert ids(messages(path("a/", sign_in))) == ["W040"]


def test_included_and_namespaced_views_are_found_once_and_with_their_route(messages):
    inner = [re_path(r"^deep/$", reads_user, name="deep"), path("again/", reads_user)]
    found = messages(path("a/", include((inner, "app"), namespace="one")), path("b/", include(inner)))
    assert ids(found) == ["W040"]
    assert found[0].obj.endswith(".reads_user")
    assert "/a/" in found[0].msg


def test_the_views_of_django_and_our_own_are_fine(messages):
    assert (
        messages(
            path("admin/", admin.site.urls),
            path("accounts/", include("django.contrib.auth.urls")),
            path("api-auth/", include("rest_framework.urls")),
            path("api/auth/", include("sessionkeeper.api.urls")),
        )
        == []
    )


def test_a_url_configuration_that_does_not_import_is_left_to_django(messages, settings):
    messages()
    settings.ROOT_URLCONF = "no.such.module"
    clear_url_caches()
    assert checks.guarded(urls.check_csrf_exempt)() == []


def test_a_project_with_another_engine_is_left_alone(messages, settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    assert messages(path("a/", reads_user)) == []


def test_the_login_view_that_people_copy_from_tutorials_is_pointed_at(messages):
    found = messages(path("t/", include("tests.http.copied_tutorial")))
    assert ids(found) == ["W040"]
    assert found[0].obj.endswith("copied_tutorial.login_view")


class OtherPeoplesLogin(APIView):
    """As dj-rest-auth has it: visitors are asked for no token."""

    def post(self, request):
        return self.process()

    def process(self):
        login(self.request, None)


@pytest.mark.parametrize("kinds", [[SessionAuthentication], [OurAuthentication, TokenAuthentication]])
@pytest.mark.parametrize("package", [__name__, "dj_rest_auth.views", "allauth.somewhere.views"])
def test_a_sign_in_of_any_package_is_named_although_the_session_authenticates_there(messages, kinds, package):
    members = {"authentication_classes": kinds, "__module__": package}
    found = messages(path("a/", type("LoginView", (OtherPeoplesLogin,), members).as_view()))
    assert ids(found) == ["W040"]
    assert found[0].obj == f"{package}.LoginView"
    assert "signs users in" in found[0].msg


@pytest.mark.parametrize("name", ["djangosaml2.views.AssertionConsumerServiceView", "shop.views.Answer"])
def test_what_takes_answers_of_identity_providers_is_left_alone(messages, settings, name):
    settings.SESSIONKEEPER = {"CROSS_SITE_VIEWS": ["shop.views.Answer"]}
    module, _, kind = name.rpartition(".")
    view = type(kind, (ClassView,), {"__module__": module, "answer": lambda self: login(self.request, None)})
    assert messages(path("a/", view.as_view())) == []
    assert messages(path("a/", type("Own", (view,), {}).as_view())) == []


def test_the_functions_behind_django_ninja_are_read(messages):
    api = NinjaAPI(urls_namespace="checked")

    @api.post("/in")
    def sign_in(request):
        login(request, None)

    @api.post("/in/checked", auth=django_auth)
    def change(request):
        return request.user.pk

    @api.get("/user")
    def read(request):
        return request.user.pk

    @api.post("/hook")
    def hook(request):
        return {}

    found = messages(path("a/", api.urls))
    assert ids(found) == ["W040"]
    assert found[0].obj.endswith(".sign_in")


def test_a_listed_view_that_nobody_has_is_named(messages, settings):
    def check(*listed):
        settings.SESSIONKEEPER = {"CROSS_SITE_VIEWS": listed}
        return checks.guarded(urls.check_cross_site_views)()

    inner = [path("deep/", ClassView.as_view(), name="deep")]
    messages(path("a/", include((inner, "app"), namespace="one")), path("b/", reads_user, name="plain"))
    assert check("plain", "one:deep", f"{__name__}.reads_user", f"{__name__}.ClassView") == []
    found = check("deep", "one:deep", "shop.views.Acs")
    assert ids(found) == ["W042", "W042"]
    assert "'shop.views.Acs'" in found[1].msg
    assert check() == []
