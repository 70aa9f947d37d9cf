"""In which language a page is written."""

from django.http import HttpRequest, HttpResponseBase
from django.middleware.locale import LocaleMiddleware


class PageLanguageMiddleware(LocaleMiddleware):
    """Says the language of pages. What programs read has none, whatever their request accepts."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if getattr(response, "speaks_no_language", False):
            return response
        return super().process_response(request, response)
