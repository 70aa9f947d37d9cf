"""What all endpoints of the API have in common."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import translation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from tokens import wire
from tokens.api import reading, refusals
from tokens.api.authentication import BearerAuthentication
from tokens.api.rights import Caller, Right


class Endpoint(APIView):
    """A view that says of each of its methods what a caller needs for it.

    Nothing of this is left to settings, so that no endpoint is opened by a slip in them.
    """

    needs: ClassVar[Mapping[str, Right]]

    authentication_classes = (BearerAuthentication,)
    permission_classes = ()
    throttle_classes = ()
    parser_classes = (reading.StrictJSON,)
    renderer_classes = (JSONRenderer,)
    content_negotiation_class = reading.OnlyJSON
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]

    def check_permissions(self, request: Request) -> None:
        """Raises what `Caller.require` does, and MethodNotAllowed for a method that needs nothing:
        it is not offered, also where somebody has written it."""
        method = "GET" if request.method == "HEAD" else str(request.method)
        if method not in self.needs:
            self.http_method_not_allowed(request)
        self.caller.require(self.needs[method])

    @property
    def caller(self) -> Caller:
        caller = self.request.auth
        assert isinstance(caller, Caller)  # noqa: S101 - there is one way to get here
        return caller

    def get_exception_handler(self) -> Callable[..., Any]:
        return refusals.answer

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # What Django says is wrong is said in the language of our own texts.
        with translation.override("en"):
            return super().dispatch(request, *args, **kwargs)

    def finalize_response(  # type: ignore[override] # Refusals are plain responses of Django's.
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        final = super().finalize_response(request, response, *args, **kwargs)
        wire.let_nobody_keep(final.headers)
        return wire.for_programs(final)
