"""Remembers the sessions of each user, to end them when the user leaves."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.models import Session
from django.http import HttpRequest

from people.models import SignIn


def connect() -> None:
    """Remember each session from now on."""
    user_logged_in.connect(_remember, dispatch_uid="people.sessions")


def _remember(request: HttpRequest, user: AbstractBaseUser, **_: Any) -> None:
    key = request.session.session_key
    SignIn.objects.update_or_create(session_key=key, defaults={"user": user})


def end_sessions(user: AbstractBaseUser) -> None:
    """End all sessions of a user."""
    signed_in = SignIn.objects.filter(user=user)
    Session.objects.filter(session_key__in=signed_in.values("session_key")).delete()
    signed_in.delete()
