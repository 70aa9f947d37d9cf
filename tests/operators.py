"""A browser of an operator, which sends what a page of the admin holds hidden, as browsers do."""

import re
from typing import Any

from django.test import Client as Browser

_HIDDEN = re.compile(r'<input type="hidden"\s+name="(opened_\w+)"\s+value="([^"]*)"')


def opened(browser: Browser, address: str) -> dict[str, str]:
    """What the page at the address says of the version that it was opened with."""
    return dict(_HIDDEN.findall(browser.get(address).content.decode()))


class OperatorBrowser(Browser):
    """Opens the page of an object before it saves it, unless the form says what was opened."""

    def post(self, path: str, data: Any = None, *args: Any, **kwargs: Any) -> Any:
        if (
            path.endswith(("/change/", "/propose/"))
            and isinstance(data, dict)
            and "opened_version" not in data
        ):
            data = {**opened(self, path), **data}
        return super().post(path, data, *args, **kwargs)
