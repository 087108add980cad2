"""The Django example: events in any order, forged events, and what it missed."""

import io
import os
import sys
from pathlib import Path
from unittest import mock

import pytest

from muster.access.permissions import READ
from tests.examples.forgetful import ForgetfulMuster
from tests.examples.test_fastapi_people import SECRET, feed
from tests.support.people import person, replace

pytestmark = pytest.mark.parametrize("server", ["sqlite"], indirect=True)
FOLDER = Path(__file__).parents[2] / "examples" / "django_people"


@pytest.fixture(scope="module")
def django(tmp_path_factory):
    """Django with the settings of the example, which a process can load once."""
    environment = {
        "DIRECTORY_URL": "http://127.0.0.1",
        "DIRECTORY_KEY": "set by each test",
        "WEBHOOK_SECRET": SECRET,
        "PRODUCT_DATABASE": str(tmp_path_factory.mktemp("django") / "product.db"),
        "DJANGO_SETTINGS_MODULE": "product.settings",
    }
    sys.modules.pop("people", None)
    sys.path.insert(0, str(FOLDER))
    with mock.patch.dict(os.environ, environment):
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        yield django
        from django.db import connections

        connections.close_all()
    sys.path.remove(str(FOLDER))


@pytest.fixture
def product(django, fresh, server):
    """The product, connected to a workspace of its own."""
    from django.conf import settings
    from django.core.management import call_command
    from django.test import override_settings

    key = fresh.api.post("/keys", json={"name": "product", "permissions": [READ]}).json()
    call_command("flush", verbosity=0, interactive=False)
    hosts = [*settings.ALLOWED_HOSTS, "testserver"]
    with override_settings(
        DIRECTORY_URL=server.url, DIRECTORY_KEY=key["token"], ALLOWED_HOSTS=hosts
    ):
        yield


def browser():
    from django.test import Client

    return Client()


def sign_in(visitor, user):
    return visitor.post("/sign-in", {"user_name": user["userName"]}).status_code


class Deliveries:
    """Posts events to the product as muster does."""

    def post(self, path, content, headers):
        from django.test import Client

        return Client(enforce_csrf_checks=True).post(
            path, content, content_type="application/json", headers=headers
        )


def deliver(event, secret=SECRET):
    from tests.examples import test_fastapi_people

    return test_fastapi_people.deliver(Deliveries(), event, secret)


def catch_up():
    from django.core.management import call_command

    call_command("catch_up", stdout=io.StringIO())


def test_sessions_end_when_their_person_leaves(product, fresh):
    user = fresh.scim.post("/Users", json=person()).json()
    catch_up()
    laptop, phone = browser(), browser()
    assert [sign_in(laptop, user), sign_in(phone, user)] == [302, 302]
    assert user["userName"] in laptop.get("/").content.decode()
    fresh.scim.patch(f"/Users/{user['id']}", json=replace("active", False))
    assert [deliver(event) for event in feed(fresh)] == [204] * len(feed(fresh))
    assert [each.get("/").status_code for each in (laptop, phone)] == [302, 302]
    assert sign_in(laptop, user) == 403
    fresh.scim.patch(f"/Users/{user['id']}", json=replace("active", True))
    catch_up()
    assert phone.get("/").status_code == 302, "the old session stays ended"
    assert sign_in(laptop, user) == 302
    assert laptop.get("/").status_code == 200


def test_events_in_reverse_order_leave_the_newest_state(product, fresh):
    stays, leaves, gone = (fresh.scim.post("/Users", json=person()).json() for _ in range(3))
    fresh.scim.patch(f"/Users/{leaves['id']}", json=replace("active", False))
    fresh.scim.patch(f"/Users/{gone['id']}", json=replace("title", "Pilot"))
    fresh.scim.delete(f"/Users/{gone['id']}")
    for event in [*reversed(feed(fresh)), *feed(fresh), *reversed(feed(fresh))]:
        assert deliver(event) == 204
    assert [sign_in(browser(), one) for one in (stays, leaves, gone)] == [302, 403, 403]


def test_a_forged_event_is_refused(product, fresh):
    user = fresh.scim.post("/Users", json=person()).json()
    [event] = feed(fresh)
    assert deliver(event, "whsec_" + "A" * 32) == 401
    assert sign_in(browser(), user) == 403


def test_catching_up_finds_what_was_missed(product, fresh):
    early = fresh.scim.post("/Users", json=person()).json()
    catch_up()
    assert sign_in(browser(), early) == 302
    late = fresh.scim.post("/Users", json=person()).json()
    fresh.scim.delete(f"/Users/{early['id']}")
    catch_up()
    assert [sign_in(browser(), one) for one in (late, early)] == [302, 403]


def test_a_feed_that_does_not_go_back_far_enough_is_replaced_by_the_users(product, fresh):
    from people.events import catch_up as apply_all
    from people.models import FeedPosition

    early = fresh.scim.post("/Users", json=person()).json()
    catch_up()
    fresh.scim.delete(f"/Users/{early['id']}")
    late = fresh.scim.post("/Users", json=person()).json()
    muster = ForgetfulMuster(fresh)
    apply_all(muster)
    assert muster.answers == [410]
    assert FeedPosition.objects.count() == 1
    assert [sign_in(browser(), one) for one in (late, early)] == [302, 403]


def test_the_models_have_all_their_migrations(django, server):
    from django.core.management import call_command

    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
