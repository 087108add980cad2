"""The application `people`."""

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    """Connects the signal that remembers sessions."""

    name = "people"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the signal."""
        from people import sessions

        sessions.connect()
