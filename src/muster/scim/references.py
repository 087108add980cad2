"""References to resources, as elements of `members` and `groups` (RFC 7643 sections 4.1.2 and 4.2)."""

import orjson


def element(location: str, resource_id: str, display: str | None, kind: str) -> bytes:
    """An element as JSON. location: the URI of the resource; kind: its `type`. Only what is called is escaped."""
    called = b"" if display is None else b'"display":%b,' % orjson.dumps(display)
    return b'{"value":"%b","$ref":"%b",%b"type":"%b"}' % (
        resource_id.encode(),
        location.encode(),
        called,
        kind.encode(),
    )
