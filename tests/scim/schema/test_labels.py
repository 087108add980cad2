"""Labels of attributes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.scim.schema.labels import title_of
from muster.scim.schema.model import registry


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("givenName", "Given name"),
        ("externalId", "External ID"),
        ("profileUrl", "Profile URL"),
        ("id", "ID"),
        ("x509Certificates", "X.509 certificates"),
        ("ims", "Instant messaging"),
        ("active", "Active"),
    ],
)
def test_a_name_is_read_as_words(name, label):
    assert title_of(name) == label


@given(st.from_regex(r"[A-Za-z][A-Za-z0-9_$-]{0,12}", fullmatch=True))
def test_any_name_has_a_label_that_begins_with_a_capital(name):
    label = title_of(name)
    assert label.strip()
    assert label[0] == label[0].upper()


def test_attributes_of_one_type_have_labels_of_their_own():
    for kind in registry().types.values():
        labels = [title_of(attribute.name) for _, attribute in kind.attributes()]
        assert len(set(labels)) == len(labels)
