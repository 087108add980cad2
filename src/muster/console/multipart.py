"""Reads forms with a file: multipart/form-data (RFC 7578)."""

import re
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser

from muster.scim.errors import ScimError

_MAX_PARTS = 200
_MAX_HEADERS = 4_000
_MALFORMED = "The form is malformed. Open the page again and resubmit it."
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{1,70}")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a form.

    Attributes:
        name: Its name on the sender's computer.
        data: Its content.
    """

    name: str
    data: bytes


def boundary_of(content_type: str) -> str | None:
    """Return the boundary of a multipart form; None for other content types."""
    message = Message()
    message["content-type"] = content_type
    if message.get_content_type() != "multipart/form-data":
        return None
    found = message.get_param("boundary")
    return found if isinstance(found, str) and _BOUNDARY.fullmatch(found) else None


def read_multipart(body: bytes, boundary: str) -> tuple[list[tuple[str, str]], dict[str, Upload]]:
    """Read a form.

    Returns:
        The fields in order, and the files by the name of their field.

    Raises:
        ScimError: 400 if it is malformed.
    """
    pieces = (b"\r\n" + body).split(f"\r\n--{boundary}".encode(), _MAX_PARTS + 1)
    # Before the first delimiter is nothing of interest; after the last are two hyphens.
    if len(pieces) < 2 or len(pieces) > _MAX_PARTS + 1 or not pieces[-1].startswith(b"--"):
        raise ScimError(400, _MALFORMED)
    fields: list[tuple[str, str]] = []
    files: dict[str, Upload] = {}
    for piece in pieces[1:-1]:
        padding, line_end, part = piece.partition(b"\r\n")
        head, separator, content = part.partition(b"\r\n\r\n")
        if padding.strip() or not line_end or not separator or len(head) > _MAX_HEADERS:
            raise ScimError(400, _MALFORMED)
        name, file_name = _names(head)
        if file_name is not None:
            files.setdefault(name, Upload(file_name, content))
            continue
        try:
            fields.append((name, content.decode()))
        except UnicodeDecodeError:
            raise ScimError(400, _MALFORMED) from None
    return fields, files


def _names(head: bytes) -> tuple[str, str | None]:
    """Return the name of a field, and that of its file if it is one."""
    # Browsers write names in UTF-8, and quotation marks in them percent-encoded.
    text = head.decode("utf-8", "replace").encode("ascii", "backslashreplace")
    headers = BytesHeaderParser().parsebytes(text)
    name = headers.get_param("name", header="content-disposition")
    file_name = headers.get_param("filename", header="content-disposition")
    if not isinstance(name, str) or headers.get_content_disposition() != "form-data":
        raise ScimError(400, _MALFORMED)
    shown = _file_name(head) if isinstance(file_name, str) else None
    return name, shown


def _file_name(head: bytes) -> str:
    found = re.search(r'filename="([^"]*)"', head.decode("utf-8", "replace"), re.IGNORECASE)
    name = found[1] if found else ""
    return re.split(r"[\\/]", name)[-1].replace("%22", '"')
