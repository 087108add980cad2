"""The pages, and the webhook."""

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from standardwebhooks import Webhook, WebhookVerificationError

from people.events import apply_event
from people.models import Person


@csrf_exempt
@require_POST
def receive(request: HttpRequest) -> HttpResponse:
    """Receive an event from muster. A status from 400 makes muster send it again later."""
    try:
        message = Webhook(settings.WEBHOOK_SECRET).verify(request.body, dict(request.headers))
    except WebhookVerificationError:
        return HttpResponse("The signature is not valid.", status=401)
    apply_event(message["data"])
    return HttpResponse(status=204)


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Show the people who may use the product."""
    people = Person.objects.filter(user__is_active=True).order_by("user__first_name")
    return render(request, "people/home.html", {"people": people.select_related("user")})


def sign_in(request: HttpRequest) -> HttpResponse:
    """Begin a session. A real product leaves this to the customer's single sign-on."""
    error = ""
    if request.method == "POST":
        asked = {"user_name__iexact": request.POST.get("user_name", ""), "user__is_active": True}
        person = Person.objects.filter(**asked).select_related("user").first()
        if person is not None:
            login(request, person.user)
            return redirect("home")
        error = "You are not a user of this product."
    status = 403 if error else 200
    return render(request, "people/sign_in.html", {"error": error}, status=status)
