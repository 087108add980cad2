"""New ids for imported resources, to copy a workspace beside its original."""

import hashlib
from typing import Any

from muster.scim.document import Document
from muster.scim.schema.model import Attribute, ResourceType
from muster.storage.ids import id_of, key_of

_COUNTER_BITS = 21
_SHIFT_BITS = 27
"""An id moves back by up to 2^27 milliseconds, a day and a half.

That is room enough that two of a million ids do not meet.
"""
_TAIL_BITS = 53


class NewIds:
    """Maps each id to a new one that depends only on the id and the workspace.

    So an import that is repeated finds the resources that it created before, and a reference can be
    mapped before its target is read. Ids that muster did not generate stay as they are.
    """

    def __init__(self, workspace: str) -> None:
        self._workspace = hashlib.blake2b(workspace.encode(), digest_size=16).digest()

    def of(self, resource_id: str) -> str:
        """Return the new id for an id."""
        key = key_of(resource_id)
        if key is None:
            return resource_id
        digest = hashlib.blake2b(
            resource_id.lower().encode(), key=self._workspace, digest_size=16
        ).digest()
        bits = int.from_bytes(digest, "big")
        shift, bits = bits & ((1 << _SHIFT_BITS) - 1), bits >> _SHIFT_BITS
        counter, tail = (
            bits & ((1 << _COUNTER_BITS) - 1),
            (bits >> _COUNTER_BITS) & ((1 << _TAIL_BITS) - 1),
        )
        millis = max(0, (key >> _COUNTER_BITS) - shift)
        return id_of((millis << _COUNTER_BITS) | counter, tail)

    def relink(self, document: Document, kind: ResourceType) -> None:
        """Map the references of a canonical document, in place.

        They are `value` and `$ref` of attributes that have both, such as `manager`.
        """
        for schema, attribute in kind.attributes():
            holder: Any = document if schema is None else document.get(schema) or {}
            if "$ref" in attribute.sub_attributes and attribute.name in holder:
                self._relink_elements(holder[attribute.name], attribute)

    def _relink_elements(self, value: Any, attribute: Attribute) -> None:
        for element in value if attribute.multi_valued else [value]:
            if isinstance(element.get("value"), str):
                element["value"] = self.of(element["value"])
            if isinstance(element.get("$ref"), str):
                before, slash, resource_id = element["$ref"].rpartition("/")
                element["$ref"] = f"{before}{slash}{self.of(resource_id)}"
