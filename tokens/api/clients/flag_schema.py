"""The flags of a client as JSON Schema, made of their registry."""

from typing import Any

from clients_admin.flags import FLAGS, Flag, Kind


def flags_schema(*, is_patch: bool = False) -> dict[str, Any]:
    """The object `flags`: each known flag with its type, bounds, default and help.

    Unknown keys are kept as text. In a merge patch null takes a flag away.
    """
    others: Any = {"type": ["string", "null"] if is_patch else "string"}
    return {
        "type": ["object", "null"] if is_patch else "object",
        "description": "Settings of the client; one that is not set has its default. Keys that "
        "are unknown here are kept as text.",
        "properties": {flag.name: _schema(flag, is_patch=is_patch) for flag in FLAGS},
        "additionalProperties": others,
    }


def _schema(flag: Flag, *, is_patch: bool) -> dict[str, Any]:
    default = list(flag.default) if isinstance(flag.default, tuple) else flag.default
    said = {**_type(flag), "default": default, "description": described(flag)}
    if is_patch:
        said["type"] = [said["type"], "null"]
        if "enum" in said:
            said["enum"] = [*said["enum"], None]
    return said


def described(flag: Flag) -> str:
    return f"{flag.help} In seconds." if flag.kind is Kind.SECONDS else flag.help


def _type(flag: Flag) -> dict[str, Any]:
    match flag.kind:
        case Kind.SECONDS | Kind.COUNT:
            return {"type": "integer", "minimum": flag.minimum, "maximum": flag.maximum}
        case Kind.CHOICE:
            return {"type": "string", "enum": list(flag.choices)}
        case Kind.TEXT:
            return {"type": "string", "minLength": flag.minimum, "maxLength": flag.maximum}
        case Kind.WEB_ADDRESS:
            return {"type": "string", "pattern": "^https?://", "maxLength": flag.maximum}
        case Kind.SWITCH:
            return {"type": "boolean"}
        case Kind.NAMES:
            names = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
            return {**names, "maxItems": flag.maximum}
