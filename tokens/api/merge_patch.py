"""JSON merge patch (RFC 7396)."""

from typing import Any


def merged(target: Any, patch: Any) -> Any:
    """The target as the patch changes it: section 2. Neither is changed itself."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result
