"""`python manage.py catch_up`."""

from typing import Any

import httpx
from django.conf import settings
from django.core.management.base import BaseCommand

from people.events import catch_up
from people.models import Person


class Command(BaseCommand):
    """Runs before the product starts."""

    help = "Apply the changes of muster since the last time."

    def handle(self, **_: Any) -> None:
        """Apply the changes."""
        headers = {"Authorization": f"Bearer {settings.DIRECTORY_KEY}"}
        with httpx.Client(base_url=settings.DIRECTORY_URL, headers=headers, timeout=30) as muster:
            catch_up(muster)
        active = Person.objects.filter(user__is_active=True).count()
        self.stdout.write(f"Caught up. Active people: {active}")
