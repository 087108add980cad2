"""Forms with a file: multipart/form-data."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.console.multipart import Upload, boundary_of, read_multipart
from muster.scim.errors import ScimError

BOUNDARY = "----x7"
_names = st.text("abcäö-_[]", min_size=1, max_size=5)
_file_names = st.text('ab ä.";%', max_size=6)
_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_contents = st.binary(max_size=12) | st.sampled_from((b"\r\n", b"--", b"\r\n--", b"\r\n\r\n"))
_parts = st.lists(
    st.tuples(_names, st.none(), _texts) | st.tuples(_names, _file_names, _contents), max_size=5
)


def written(name):
    """A name as browsers write it."""
    return name.replace('"', "%22")


def form(parts):
    body = b""
    for name, file_name, content in parts:
        head = f'Content-Disposition: form-data; name="{written(name)}"'
        if file_name is not None:
            head += f'; filename="{written(file_name)}"\r\nContent-Type: text/csv'
            data = content
        else:
            data = content.encode()
        body += f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + data + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


@given(_parts)
def test_fields_and_files_are_read_as_they_were_sent(parts):
    fields, files = read_multipart(form(parts), BOUNDARY)
    expected = [(name, content) for name, file_name, content in parts if file_name is None]
    assert [content for _, content in fields] == [content for _, content in expected]
    sent = {}
    for name, file_name, content in parts:
        if file_name is not None:
            sent.setdefault(name, Upload(file_name, content))
    assert sorted(files.values(), key=repr) == sorted(sent.values(), key=repr)
    if all(name.isascii() for name, _, _ in parts):
        assert fields == expected
        assert files == sent


@given(
    st.binary(max_size=60)
    | st.lists(
        st.sampled_from(
            (
                *(
                    b"--",
                    BOUNDARY.encode(),
                    b"\r\n",
                    b"\r\n\r\n",
                    b'name="a"',
                    b"Content-Disposition: form-data; ",
                ),
                *(b'filename="', b"\xff", b"x", b"\0"),
            )
        ),
        max_size=14,
    ).map(b"".join)
)
def test_any_other_body_is_the_clients_mistake_or_a_form(body):
    for whole in (body, f"--{BOUNDARY}\r\n".encode() + body):
        with contextlib.suppress(ScimError):
            fields, files = read_multipart(whole, BOUNDARY)
            assert all(isinstance(text, str) for field in fields for text in field)
            assert all(isinstance(file.data, bytes) for file in files.values())


@pytest.mark.parametrize(
    ("sent", "shown"),
    [("people.csv", "people.csv"), (r"C:\\docs\\people.csv", "people.csv"), ("a/b/c.csv", "c.csv")],
)
def test_a_file_is_shown_by_its_name_without_folders(sent, shown):
    _, files = read_multipart(form([("file", sent, b"x")]), BOUNDARY)
    assert files["file"].name == shown


def test_the_number_of_parts_is_limited():
    fields, _ = read_multipart(form([("a", None, "x")] * 199), BOUNDARY)
    assert len(fields) == 199
    with pytest.raises(ScimError):
        read_multipart(form([("a", None, "x")] * 201), BOUNDARY)


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=x7", "x7"),
        ('Multipart/Form-Data; charset=utf-8; boundary="a b"', "a b"),
        ("multipart/form-data", None),
        ("multipart/form-data; boundary=", None),
        (f"multipart/form-data; boundary={'x' * 71}", None),
        ("multipart/form-data; boundary=a\tb", None),
        ("multipart/mixed; boundary=x7", None),
        ("application/x-www-form-urlencoded", None),
        ("", None),
    ],
)
def test_the_boundary_of_a_content_type(content_type, boundary):
    assert boundary_of(content_type) == boundary
