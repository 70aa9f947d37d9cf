"""`/oauth2/device` (RFC 8628 section 3.3): the user types a device's code, signs in, and decides.

One address for all three, told apart by what is posted. The code is in the query, as it is in the
`verification_uri_complete` that a device shows as a QR code.
"""

from datetime import timedelta
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters

from branding.forms import SignInForm, UserCodeForm
from branding.page_language import language_for
from branding.pages import render_page
from idp import net
from idp.accounts import second_factor as factor
from idp.accounts.assurance import ACR_VALUES, reaches
from idp.blocking import guard
from tokens import authorization, devices, scopes, wire
from tokens.endpoints.device_authorization import PAGE
from tokens.errors import ProtocolError, UnmetAuthenticationRequirements
from tokens.interaction import second_factor, session, shared
from tokens.interaction.consent import third_party
from tokens.interaction.pages import bad_request_page
from tokens.interaction.session import Visitor
from tokens.interaction.sign_in import sign_in_form, user_or_form
from tokens.models import DeviceAuthorization

# RFC 8628 section 5.1: "the server SHOULD rate-limit user code attempts". A code is one of 20^8,
# 34.6 bits, for ten minutes: ten attempts hit a given one in 2^31 cases. Who throws the session
# away and tries a thousand codes a second all the time, 2^19 of them, hits it in 2^15, and gains
# nothing that is the user's: the device is then signed in as the attacker.
ATTEMPTS = 10
ATTEMPTS_PERIOD = timedelta(minutes=10)
_WRONG_CODES = "wrong_user_codes"


@sensitive_post_parameters("password")
@csrf_protect
def device_page(request: HttpRequest) -> HttpResponse:
    try:
        wire.require_method(request, "GET", "HEAD", "POST")
        parameters = wire.read_query(wire.Call.of(request))
    except ProtocolError as error:
        return bad_request_page(request, error)
    is_typed = request.method == "POST" and "user_code" in request.POST
    in_query = parameters if "user_code" in parameters else None
    form = UserCodeForm(request.POST if is_typed else in_query)
    if not form.is_bound:
        return _code_page(request, form)
    device = _device_or_page(request, form)
    if isinstance(device, HttpResponse):
        return device
    if is_typed:
        return _redirect_to_itself(device)
    visitor = session.visitor_for(request, device.client)
    if visitor is None:
        return _sign_in(request, device)
    return _prove_more(request, device, visitor) or _decide(request, device, visitor)


def _device_or_page(request: HttpRequest, form: UserCodeForm) -> DeviceAuthorization | HttpResponse:
    """The device that waits for its user; else the first page again, and what was wrong."""
    if has_guessed_enough(request):
        return _code_page(request, UserCodeForm(), problem="too_many", status=429)
    if not form.is_valid():
        return _code_page(request, form, status=400)
    device = devices.waiting(form.cleaned_data["user_code"], timezone.now())
    if device is None:
        count_wrong_code(request)
        guard.failed(
            net.address_of(request),
            what=guard.Failure.USER_CODE,
            name=form.cleaned_data["user_code"],
        )
        return _code_page(request, form, problem="wrong", status=400)
    return device


def _code_page(
    request: HttpRequest, form: UserCodeForm, *, problem: str = "", status: int = 200
) -> HttpResponse:
    """Nobody knows yet whose device it is, so the page has no brand."""
    return render_page(
        request,
        "branding/device_code.html",
        None,
        status=status,
        title=_("Connect a device"),
        form=form,
        problem=problem,
    )


def _sign_in(request: HttpRequest, device: DeviceAuthorization) -> HttpResponse:
    waiting = session.waiting(request)
    if waiting and "username" not in request.POST:
        amr = second_factor.asked_for(
            request, waiting, device.client.brand, device.client.client_id
        )
        if isinstance(amr, HttpResponse):
            return amr
        session.begin(request, waiting, amr=amr)
        return _redirect_to_itself(device)
    if request.method != "POST":
        return sign_in_form(request, device.client, SignInForm())
    user = user_or_form(request, device.client, door="device page")
    if isinstance(user, HttpResponse):
        return user
    if factor.is_set_up(user):
        session.wait_for_second_factor(request, user)
    else:
        session.begin(request, user)
    return _redirect_to_itself(device)


def _prove_more(
    request: HttpRequest, device: DeviceAuthorization, visitor: Visitor
) -> HttpResponse | None:
    """What has to be done first where the client wants a second factor; None where all is well."""
    client, user = device.client, visitor.user
    required = client.effective_flags.required_acr
    if required not in ACR_VALUES or reaches(visitor.amr, required):
        return None
    if factor.is_set_up(user):
        amr = second_factor.asked_for(request, user, client.brand, client.client_id)
        if isinstance(amr, HttpResponse):
            return amr
        session.strengthen(request, user, amr)
        return _redirect_to_itself(device)
    if not factor.may_be_set_up(user):
        return bad_request_page(request, UnmetAuthenticationRequirements(), client.brand)
    codes = second_factor.set_up(request, user, client.brand)
    if isinstance(codes, HttpResponse):
        return codes
    session.strengthen(request, user, second_factor.TWO_FACTORS)
    go_on_url = request.get_full_path()
    return second_factor.recovery_codes_page(request, client.brand, codes, go_on_url)


def _decide(request: HttpRequest, device: DeviceAuthorization, visitor: Visitor) -> HttpResponse:
    """RFC 8628 section 5.4: an attacker may have started the device, so all users are asked, also
    those of our own clients, and the page shows the code to compare."""
    now, client = timezone.now(), device.client
    decision = request.POST.get("decision") if request.method == "POST" else None
    scope = _granted_scope(request, device)
    if decision == "allow" and not scope:
        decision = "deny"  # All was left out.
    if decision == "allow":
        is_done = devices.approve(device, visitor, scope, now)
    elif decision == "deny":
        is_done = devices.deny(device, visitor.user, now)
    else:
        return _confirm_page(request, device, visitor)
    if not is_done:
        return _code_page(request, UserCodeForm(), problem="wrong", status=400)
    return render_page(
        request,
        "branding/device_done.html",
        client.brand,
        title=_("Your device is connected") if decision == "allow" else _("You refused the device"),
        client_name=client.name or client.client_id,
        is_connected=decision == "allow",
    )


def _granted_scope(request: HttpRequest, device: DeviceAuthorization) -> str:
    if device.client.effective_flags.consent == "never":
        return scopes.as_granted(device.client, device.scope)
    asked = scopes.effective(device.client, device.scope)
    return scopes.as_text(shared.chosen(device.client, asked, request.POST.dict()))


def _confirm_page(
    request: HttpRequest, device: DeviceAuthorization, visitor: Visitor
) -> HttpResponse:
    client = device.client
    asked = scopes.effective(client, device.scope)
    return render_page(
        request,
        "branding/device_confirm.html",
        client.brand,
        title=client.name or client.client_id,
        client_name=client.name or client.client_id,
        user_name=visitor.user.get_full_name(),
        user_code=devices.shown(device.user_code),
        scopes=shared.lines(client, visitor.user, asked, language_for(request, client.brand)),
        third_party=third_party(client),
    )


def _redirect_to_itself(device: DeviceAuthorization) -> HttpResponse:
    query = urlencode({"user_code": devices.shown(device.user_code)})
    return authorization.redirect(f"{PAGE}?{query}")


# --- Wrong codes ----------------------------------------------------------------------------------


def has_guessed_enough(request: HttpRequest) -> bool:
    return len(_wrong_codes(request)) >= ATTEMPTS


def count_wrong_code(request: HttpRequest) -> None:
    request.session[_WRONG_CODES] = [*_wrong_codes(request), timezone.now().timestamp()]


def _wrong_codes(request: HttpRequest) -> list[float]:
    """When this browser has sent wrong codes of late."""
    earliest = (timezone.now() - ATTEMPTS_PERIOD).timestamp()
    return [moment for moment in request.session.get(_WRONG_CODES, []) if moment > earliest]
