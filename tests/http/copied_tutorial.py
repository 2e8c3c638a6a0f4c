"""What people copy from session-authentication tutorials into their project, unchanged."""

import json

from django.contrib.auth import authenticate, login
from django.http import JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView


@csrf_exempt
def login_view(request):
    if request.method == "POST":
        data = json.loads(request.body)
        username = data.get("username")
        password = data.get("password")
        user = authenticate(request, username=username, password=password)
        if user is not None:
            login(request, user)
            return JsonResponse({"message": "Logged in successfully"})
        return JsonResponse({"error": "Invalid credentials"}, status=401)
    return JsonResponse({"error": "Only POST requests are allowed"}, status=405)


class DashboardView(APIView):
    authentication_classes = [SessionAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response({"user": request.user.username})

    def post(self, request):
        return Response({"saved": request.data})


class ProfileView(APIView):
    authentication_classes = [SessionAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response({"email": request.user.email})


urlpatterns = [
    path("login/", login_view),
    path("dashboard/", DashboardView.as_view()),
    path("api/profile/", ProfileView.as_view()),
]
