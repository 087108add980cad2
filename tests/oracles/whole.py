"""An oracle for POST and PUT, after RFC 7644 sections 3.3 and 3.5.1."""

import copy
from typing import Any

from tests.oracles.choices import Choices, Refused, outcomes
from tests.oracles.elements import equal
from tests.oracles.operations import Target
from tests.oracles.patch import Prediction, Run
from tests.oracles.reading import is_blank, named, value_of
from tests.oracles.schemas import Attribute, ResourceType

Json = Any


def predict(
    before: Json | None,
    body: Json,
    kind: ResourceType,
    strict: bool,
    people: dict[str, Json],
    taken: frozenset[str],
) -> Prediction | None:
    """Predict the result of a POST (before is None) or a PUT; None if too open."""

    def run(choices: Choices, body: Json) -> Json:
        return Whole({}, kind, strict, people, taken, choices).read(copy.deepcopy(body), before)

    documents, errors = outcomes(lambda choices: run(choices, body))
    if documents is None:
        return None
    if errors:  # a server may name any of the faults
        for key in body:
            less = {
                name: value
                for name, value in body.items()
                if name in (key, "schemas", "userName", "displayName")
            }
            errors |= outcomes(lambda choices, less=less: run(choices, less))[1]
    return Prediction(documents, errors)


class Whole(Run):
    """One run over a document, taking one alternative at each choice."""

    def read(self, body: Json, before: Json | None) -> Json:
        """Read a document as a resource, ignoring read-only and unknown attributes."""
        for key, value in body.items():
            urn = next((urn for urn in self.kind.extensions if urn.lower() == key.lower()), None)
            if urn is None:
                self._assign(None, self.kind.core, key, value)
            elif value is not None:
                self._extension(urn, value)
        self._keep(body, before or {})
        self._required()
        self.name = None if before is None else before.get("userName")
        if before is not None:
            self._immutable(before)
        return self.finished()

    def _extension(self, urn: str, value: Json) -> None:
        if not isinstance(value, dict):
            if value == []:
                return self.perhaps("invalidValue")  # no value at all, or of a wrong type
            raise Refused("invalidValue", "invalidSyntax")
        if value and not any(named(self.kind.extensions[urn], key) for key in value):
            return self.perhaps(
                "invalidValue"
            )  # of unknown keys alone: ignored as those of a document are, or read to nothing
        for key, item in value.items():
            self._assign(urn, self.kind.extensions[urn], key, item)
        return None

    def _assign(
        self, urn: str | None, attributes: dict[str, Attribute], key: str, value: Json
    ) -> None:
        attribute = named(attributes, key)
        if attribute is None or attribute.name == "schemas" or attribute.mutability == "readOnly":
            return None
        if value is None or (value == [] and attribute.multi):
            return None  # unassigned (RFC 7643 section 2.5)
        if value in ([], {}) and not attribute.multi:
            return self.perhaps("invalidValue")  # unassigned as well, or of a wrong type
        subs = (
            {named(attribute.subs, sub) for sub in value} - {None}
            if isinstance(value, dict)
            else set()
        )
        if subs and all(sub.mutability == "readOnly" for sub in subs):
            return self.perhaps(
                "invalidValue", "mutability"
            )  # read-only sub-attributes alone are ignored, or read to nothing
        if self._is_template(attribute, value):
            return None  # dialect table: value-blank
        return self.put("replace", Target(urn, attribute), value)

    def _is_template(self, attribute: Attribute, value: Json) -> bool:
        """Whether all elements have an empty `value` beside other sub-attributes."""
        if self.strict or not self.named_by_value(attribute):
            return False
        listed = value if isinstance(value, list) else [value]
        return all(
            isinstance(item, dict)
            and is_blank(value_of(item))
            and any(other is not None for key, other in item.items() if key.lower() != "value")
            for item in listed
        )

    def _keep(self, body: Json, before: Json) -> None:
        """Fill in `active` and `members` if the document does not mention them.

        A user without `active` is active. In lenient workspaces a PUT leaves both attributes as they are.

        Whether null counts as mentioning them is open: some clients write null for every attribute without a value.
        """
        nulls = any(body.get(name, "") is None for name in ("active", "members")) and self.one_of(
            False, True
        )
        mentioned = {key.lower() for key, value in body.items() if value is not None or nulls}
        if self.of_group:
            if not self.strict and "members" not in mentioned and "members" in before:
                self.document["members"] = before["members"]
        elif "active" not in self.document:
            if not self.strict and "active" not in mentioned and before:
                self.document["active"] = before.get("active", True)
            elif not before or self.one_of(
                True, False
            ):  # by PUT it may be cleared, or be given its default (section 3.5.1)
                self.document["active"] = True

    def _required(self) -> None:
        for attribute in self.kind.core.values():
            if (
                attribute.required
                and attribute.name not in ("id", "schemas")
                and not self.document.get(attribute.name)
            ):
                raise Refused("invalidValue", "mutability")

    def _immutable(self, before: Json) -> None:
        """Hold immutable attributes to their values (RFC 7644 section 3.5.1).

        The server may keep one that a PUT does not mention, or refuse the PUT.
        """
        for urn, attributes in self.kind.extensions.items():
            for attribute in attributes.values():
                old = before.get(urn, {}).get(attribute.name)
                if attribute.mutability != "immutable" or old is None:
                    continue
                new = self.document.get(urn, {}).get(attribute.name)
                if new is None:
                    self.perhaps("mutability")
                    self.document.setdefault(urn, {})[attribute.name] = old
                elif new != old:
                    if not isinstance(new, str) or not equal(attribute, new, old):
                        raise Refused("mutability")
                    self.perhaps("mutability")  # the same but for case
                    self.document[urn][attribute.name] = self.one_of(new, old)
