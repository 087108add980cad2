"""Values that are never returned: sealed, extracted and named."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.scim import secrets
from muster.scim.dialects import Dialect
from muster.scim.errors import ScimError
from muster.scim.patch import PATCH_OP, prepare
from muster.scim.schema.custom import extended, read_schema
from muster.scim.schema.model import USER, registry
from muster.scim.values import Sealed

VAULT = "urn:example:params:scim:schemas:extension:vault:2.0:User"
NEVER = {"returned": "never"}
KIND = extended(
    registry(),
    [
        read_schema(
            {
                "id": VAULT,
                "name": "Vault",
                "extends": ["User"],
                "attributes": [
                    {"name": "codes", "multiValued": True, **NEVER},
                    {
                        "name": "box",
                        "type": "complex",
                        "subAttributes": [
                            {"name": "label"},
                            {"name": "pin", **NEVER},
                            {"name": "spare", "multiValued": True, **NEVER},
                        ],
                    },
                    {
                        "name": "keys",
                        "type": "complex",
                        "multiValued": True,
                        "subAttributes": [
                            {"name": "value"},
                            {"name": "type"},
                            {"name": "pin", **NEVER},
                        ],
                    },
                ],
            },
            registry(),
        )
    ],
    [],
    unique_group_names=False,
).types["/Users"]

_texts = st.text("abc", min_size=1, max_size=3)


@st.composite
def vaults(draw):
    """The extension of a document, with secrets; some elements have none."""
    box = draw(
        st.fixed_dictionaries(
            {"label": _texts},
            optional={"pin": _texts, "spare": st.lists(_texts, min_size=1, max_size=3)},
        )
    )
    key = st.fixed_dictionaries({"value": _texts}, optional={"type": _texts, "pin": _texts})
    keys = draw(st.lists(key, max_size=4, unique_by=lambda item: (item["value"], item.get("type"))))
    return {"box": box} | ({"keys": keys} if keys else {})


def document(vault):
    return {"schemas": [USER, VAULT], "userName": "a", VAULT: copy.deepcopy(vault)}


def visible(vault):
    """The extension without its secrets."""
    shown = {"box": {"label": vault["box"]["label"]}}
    if "keys" in vault:
        shown["keys"] = [
            {name: value for name, value in item.items() if name != "pin"} for item in vault["keys"]
        ]
    return shown


def given_secrets(vault):
    box = vault["box"]
    return sorted(
        [
            *([box["pin"]] if "pin" in box else []),
            *box.get("spare", ()),
            *(item["pin"] for item in vault.get("keys", ()) if "pin" in item),
        ]
    )


def sealed(vault):
    """A document whose secrets are sealed with hashes of the form #secret."""
    made = document(vault)
    for slot in secrets.slots_of_document(made, KIND):
        slot.seal([f"#{text}" for text in slot.values])
    return made


def apply(stored, hashes):
    """Return the hashes that are stored after a write, as the storage keeps them."""
    kept = dict(stored)
    for name, hashed in hashes.items():
        if hashed is None:
            kept = {
                other: value
                for other, value in kept.items()
                if other != name and not other.startswith(f"{name}[")
            }
        else:
            kept[name] = hashed
    return kept


@given(vaults())
def test_every_secret_is_extracted_once_and_the_rest_stays(vault):
    whole = sealed(vault)
    before = copy.deepcopy(whole)
    shown, hashes = secrets.extract(whole, KIND)
    assert whole == before
    assert shown[VAULT] == visible(vault)
    kept = [hashed for hashed in hashes.values() if hashed is not None]
    assert sorted(hashed[1:] for hashed in kept) == given_secrets(vault)
    assert secrets.first_secret(shown, KIND) is None
    assert (secrets.first_secret(document(vault), KIND) is None) == (given_secrets(vault) == [])


@given(vaults(), st.randoms())
def test_names_do_not_depend_on_the_order_of_elements_or_on_primary(vault, random):
    _, hashes = secrets.extract(sealed(vault), KIND)
    if "keys" in vault:
        random.shuffle(vault["keys"])
    _, again = secrets.extract(sealed(vault), KIND)
    assert again == hashes


@given(vaults(), vaults())
def test_an_element_that_is_gone_loses_its_secrets_and_the_others_keep_them(before, after):
    shown, hashes = secrets.extract(sealed(before), KIND)
    now, new = secrets.extract(sealed(after), KIND)
    lost = secrets.lost_with_elements(shown, now, KIND)
    assert set(lost.values()) <= {None}

    def identities(vault):
        return {(item["value"], item.get("type")) for item in vault.get("keys", ())}

    assert len(lost) == len(identities(before) - identities(after))
    left = apply(apply(hashes, lost), new)
    pins = {name for name in left if ".pin" in name and ":keys[" in name}
    for item in after.get("keys", ()):
        if "pin" in item:
            assert f"#{item['pin']}" in [left[name] for name in pins]
    assert len(pins) <= len(identities(after))


_single = st.tuples(
    st.sampled_from(("pin", "box.pin", "keys[1].pin", "keys[2].pin")), st.none() | _texts
)
_several = st.tuples(st.sampled_from(("codes[1]", "codes[2]", "keys[1].spare[1]")), _texts)
_forgotten = st.tuples(st.sampled_from(("codes", "keys", "keys[1].spare", "keys[1]")), st.none())
_changes = st.lists(_single | _several | _forgotten, max_size=6)


def collected(changes):
    found = {}
    for name, hashed in changes:
        secrets.add(found, {name: hashed})
    return found


@given(_changes, _changes, _changes)
def test_changes_added_together_leave_what_they_leave_one_after_the_other(first, second, third):
    stored = apply({}, collected(first))
    together = collected(second)
    secrets.add(together, collected(third))
    assert apply(stored, together) == apply(apply(stored, collected(second)), collected(third))


def test_several_values_are_kept_beside_each_other():
    hashes = {}
    secrets.keep_all(hashes, "codes", ["a", "b"])
    secrets.keep_all(hashes, "codes", ["a"])
    assert sorted(hashes.values()) == ["a", "a", "b"]
    assert all(name.startswith("codes[") for name in hashes)
    secrets.forget(hashes, "codes")
    assert hashes == {"codes": None}


@pytest.mark.parametrize(("value", "text"), [("a", "a"), (7, "7"), (True, "true"), (1.5, "1.5")])
def test_the_text_of_a_secret(value, text):
    assert secrets.as_text(value) == text


def test_the_number_of_secrets_is_limited():
    secrets.check_number(secrets.MAX_SECRETS)
    with pytest.raises(ScimError, match=str(secrets.MAX_SECRETS + 1)):
        secrets.check_number(secrets.MAX_SECRETS + 1)


def test_an_element_needs_a_value_that_is_returned():
    made = document({"keys": [{"pin": Sealed("#x")}]})
    with pytest.raises(ScimError, match=r"keys: an element needs at least one value"):
        secrets.extract(made, KIND)


def test_an_extension_of_secrets_alone_leaves_the_document():
    made = document({"box": {"pin": Sealed("#x")}})
    shown, hashes = secrets.extract(made, KIND)
    assert shown == {"schemas": [USER], "userName": "a"}
    assert hashes == {f"{VAULT}:box.pin": "#x"}


def steps(*operations):
    message = {"schemas": [PATCH_OP], "Operations": list(operations)}
    return prepare(message, KIND, Dialect())


@pytest.mark.parametrize(
    ("operation", "values"),
    [
        ({"op": "replace", "path": f"{VAULT}:box", "value": {"label": "L", "pin": "a"}}, ["a"]),
        ({"op": "replace", "path": f"{VAULT}:box.pin", "value": "a"}, ["a"]),
        ({"op": "add", "path": f"{VAULT}:box.spare", "value": ["a", "b"]}, ["a", "b"]),
        ({"op": "add", "path": f"{VAULT}:keys", "value": [{"value": "k", "pin": "a"}]}, ["a"]),
        ({"op": "replace", "path": f'{VAULT}:keys[value eq "k"].pin', "value": "a"}, ["a"]),
        ({"op": "replace", "path": f"{VAULT}:keys", "value": [{"value": "k"}]}, []),
        ({"op": "replace", "path": "title", "value": "a"}, []),
        ({"op": "remove", "path": f"{VAULT}:keys"}, []),
    ],
)
def test_secrets_of_a_patch_are_found_and_sealed_in_place(operation, values):
    made = steps(operation)
    slots = secrets.slots_of_steps(made)
    assert [text for slot in slots for text in slot.values] == values
    for slot in slots:
        slot.seal([f"#{text}" for text in slot.values])
    assert [slot.values for slot in secrets.slots_of_steps(made)] == [
        [f"#{text}" for text in slot.values] for slot in slots
    ]


def test_a_remove_cannot_name_a_secret():
    operation = {"op": "remove", "path": f"{VAULT}:keys", "value": [{"value": "k", "pin": "a"}]}
    with pytest.raises(ScimError, match=r"pin is never returned"):
        secrets.slots_of_steps(steps(operation))


@pytest.mark.parametrize(
    ("path", "names"),
    [
        (VAULT, {"codes", "box.pin", "box.spare", "keys"}),
        (f"{VAULT}:box", {"box.pin", "box.spare"}),
        (f"{VAULT}:box.label", set()),
        (f"{VAULT}:keys", set()),
        ("title", set()),
    ],
)
def test_removing_an_attribute_forgets_the_secrets_within(path, names):
    """The elements of `keys` are forgotten one by one when they are gone."""
    (step,) = steps({"op": "remove", "path": path})
    assert {name.removeprefix(f"{VAULT}:") for name in secrets.removed_by(step, KIND)} == names
