"""Elements of `members` and `groups` (RFC 7643 sections 4.1.2 and 4.2)."""

import orjson


def element(location: str, resource_id: str, display: str | None, type_name: str) -> bytes:
    """Serialise an element.

    Args:
        location: The URI of the resource.
        resource_id: Its id.
        display: Its display name, the only value that needs escaping; None for no `display`.
        type_name: The `type` of the element.
    """
    display_member = b"" if display is None else b'"display":%b,' % orjson.dumps(display)
    return b'{"value":"%b","$ref":"%b",%b"type":"%b"}' % (
        resource_id.encode(),
        location.encode(),
        display_member,
        type_name.encode(),
    )
