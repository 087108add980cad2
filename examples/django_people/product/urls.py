"""The pages of the product."""

from django.urls import path

from people import views

urlpatterns = [
    path("", views.home, name="home"),
    path("sign-in", views.sign_in, name="sign-in"),
    path("webhooks/muster", views.receive),
]
