"""Addresses of what the pages load. Include at the root of the site."""

from django.urls import path

from branding import views

app_name = "branding"

urlpatterns = [
    path("brand/<slug:slug>.css", views.stylesheet, name="stylesheet"),
    path("brand/files/<str:name>", views.file, name="file"),
]
