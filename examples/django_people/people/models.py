"""People as muster knows them, beside the users that Django signs in."""

from django.conf import settings
from django.db import models


class Person(models.Model):
    """A user of muster.

    The id in muster never changes, while a user name can. A person who is deleted stays as a row
    without a name, which remembers the version, so that a late event does not bring them back.
    """

    muster_id = models.CharField(max_length=64, unique=True)
    version = models.PositiveBigIntegerField()
    gone = models.BooleanField()
    user_name = models.CharField(max_length=1000, db_index=True)
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)


class SignIn(models.Model):
    """A session of a user, by its key."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    session_key = models.CharField(max_length=40, unique=True)


class FeedPosition(models.Model):
    """The position in the feed of muster up to which changes are applied: one row."""

    cursor = models.TextField()
