"""The URLs of the Django project in mounted.py, as docs/dashboard-server.md has them."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/tasks/", include("dashboard.django")),
    path("admin/", admin.site.urls),
]
