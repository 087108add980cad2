"""An oracle for PATCH, after RFC 7644 section 3.5.2 and RFC 7643 sections 2 and 7.

It runs the operations on a resource as GET shows it. If the RFCs and the documentation leave the result open, a run takes
one of a few alternatives, with the reason beside it. `predict` runs all combinations; every result of them is right.
"""

import copy
import itertools
import json
from dataclasses import dataclass
from typing import Any

from tests.oracles import filters
from tests.oracles.choices import Choices, Refused, outcomes
from tests.oracles.elements import Elements, drop, equal, twins
from tests.oracles.filters import Compare, Filter, Logical, fold
from tests.oracles.operations import NO_VALUE, Operation, Target, Unknown
from tests.oracles.reading import NOTHING, is_blank, named, value_of
from tests.oracles.schemas import Attribute, ResourceType

Json = Any


@dataclass(frozen=True, slots=True)
class Prediction:
    """The right answers: any of the documents, or any of the errors.

    An error is a status and a scimType.
    """

    documents: list[Json]
    errors: frozenset[tuple[int, str]]


def predict(
    document: Json,
    operations: list[Operation],
    kind: ResourceType,
    strict: bool,
    people: dict[str, Json],
    taken: frozenset[str],
) -> Prediction | None:
    """Predict the result of a PATCH; None if too many combinations are open.

    Args:
        people: The possible members of a group by id, as elements of `members`.
        taken: The user names of other users.
    """

    def run(choices: "Choices", some: list[Operation]) -> Json:
        return Run(copy.deepcopy(document), kind, strict, people, taken, choices).all(some)

    documents, errors = outcomes(lambda choices: run(choices, operations))
    if documents is None:
        return None
    if errors:  # a server may read all that it is sent before it carries out the first, and name any of the faults
        for part in itertools.chain.from_iterable(operation.parts() for operation in operations):
            errors |= outcomes(lambda choices, part=part: run(choices, [part]))[1]
    return Prediction(documents, errors)


class Run(Elements):
    """One run over a document, taking one alternative at each choice."""

    def __init__(
        self,
        document: Json,
        kind: ResourceType,
        strict: bool,
        people: dict[str, Json],
        taken: frozenset[str],
        choices: Choices,
    ) -> None:
        super().__init__(kind, strict, people, choices)
        self.document, self.taken = document, taken
        self.name = document.get("userName")

    def all(self, operations: list[Operation]) -> Json:
        for operation in operations:
            self.operation(operation)
        return self.finished()

    def finished(self) -> Json:
        document = self.document
        if document.get("userName") != self.name and fold(document["userName"]) in self.taken:
            raise Refused("uniqueness", status=409)
        if self.of_group and any(
            member["value"] not in self.people for member in document.get("members", ())
        ):
            raise Refused("invalidValue", "noTarget")
        urns = [urn for urn in self.kind.extensions if document.get(urn)]
        for holder in (document, *(document[urn] for urn in urns)):
            attributes = (
                self.kind.core
                if holder is document
                else self.kind.extensions[next(u for u in urns if document[u] is holder)]
            )
            for name, elements in list(holder.items()):
                if isinstance(elements, list) and name not in ("schemas", "members", "groups"):
                    holder[name] = self.without_twins(attributes[name], elements)
                    if (
                        sum(
                            isinstance(one, dict) and one.get("primary") is True
                            for one in holder[name]
                        )
                        > 1
                    ):
                        raise Refused("invalidValue")
        document["schemas"] = [self.kind.urn, *urns]
        return document

    def operation(self, operation: Operation) -> None:
        name = operation.op.lower()
        if name != operation.op and self.strict:
            raise Refused("invalidSyntax")  # dialect table: operation-case
        if name not in ("add", "remove", "replace"):
            raise Refused("invalidSyntax", "invalidValue")
        target, value = operation.target, operation.value
        if target is None and name == "remove":
            raise Refused("noTarget")  # section 3.5.2.2
        if name != "remove" and value is NO_VALUE:
            raise Refused("invalidValue", "invalidSyntax", *self._path_faults(target))
        if isinstance(target, Unknown):
            raise Refused(*target.kinds)
        if target is not None:
            self._read_dialect(target)
        if name == "remove":
            self.remove(target, value)
        elif target is None:
            self.pathless(name, value, operation.keys)
        else:
            self.put(name, target, value)

    def _path_faults(self, target: Target | Unknown | None) -> tuple[str, ...]:
        """The scimTypes of other faults of an operation without a value."""
        if isinstance(target, Unknown):
            return target.kinds
        return () if target is None else ("invalidPath", "mutability", "noTarget", "invalidFilter")

    def _read_dialect(self, target: Target) -> None:
        if target.dialect and self.strict:
            raise Refused("invalidPath")
        if target.dialect == "bare" and target.attribute.name != "manager":
            self.perhaps("invalidPath")  # the dialect table has manager

    def pathless(self, name: str, value: Json, keys: dict[str, Target]) -> None:
        if not isinstance(value, dict):
            raise Refused("invalidValue", "invalidSyntax")
        if not value:
            # an object of no attributes asks for no change; it may count as one that reads to nothing
            return self.perhaps("invalidValue", "invalidSyntax")
        places = [
            (target.urn, target.attribute, target.inner, target.sub)
            for key in value
            if (target := self._resolve(key) or keys.get(key)) is not None
        ]
        if any(place in places[:index] for index, place in enumerate(places)):
            self.perhaps("invalidSyntax")  # one attribute in two spellings
        read_only, unknown, done = False, False, False
        for key, item in value.items():
            target = self._resolve(key) or keys.get(key)
            if target is None:
                unknown = True
            elif target.attribute is not None and target.attribute.mutability == "readOnly":
                if self.strict:
                    raise Refused("mutability")
                read_only = True  # dialect table: read-only-key
            else:
                if self.strict and self._resolve(key) is None:
                    raise Refused(
                        "invalidPath"
                    )  # dialect table: dotted-key, urn-key, value-path-key
                self._read_dialect(target)
                self.put(name, target, item)
                done = True
        if done:
            if unknown:  # left out as POST may (RFC 7644 section 3.3), or refused as a path that is not there
                self.perhaps("invalidValue", "invalidPath", "invalidSyntax", "noTarget")
        elif read_only:
            # nothing of it may be written: the same as no operation, or an operation that reads to nothing
            self.perhaps("invalidValue", "mutability", "noTarget")
        else:
            raise Refused("invalidValue", "invalidPath", "noTarget")
        return None

    def _resolve(self, key: str) -> Target | None:
        for urn in self.kind.extensions:
            if urn.lower() == key.lower():
                return Target(urn, None)
        found = named(self.kind.core, key)
        return None if found is None else Target(None, found)

    def put(self, name: str, target: Target, value: Json) -> None:
        """Run add or replace at a path."""
        if target.attribute is None:
            return self.put_extension(name, target.urn, value)
        attribute = target.attribute
        self._hold_read_only(target)
        if target.inner is not None:
            return self.put_at_filter(name, target, value)
        if target.sub is not None:
            return self.put_sub(name, target, value)
        holder = self._holder(target.urn)
        if attribute.multi:
            self.put_multi(name, holder, attribute, value)
        elif attribute.type == "complex":
            self.put_complex(name, holder, attribute, value)
        else:
            self.put_simple(name, holder, attribute, value)
        return self._tidy(target.urn)

    def _hold_read_only(self, target: Target) -> None:
        if "readOnly" not in (
            target.attribute.mutability,
            target.sub.mutability if target.sub else "",
        ):
            return
        if target.inner is not None and not target.attribute.multi:
            raise Refused("mutability", "invalidFilter", "invalidPath")
        if target.inner is not None and filters.allowed(target.inner, self.strict) != filters.YES:
            raise Refused("mutability", "invalidFilter")
        raise Refused("mutability")

    def _holder(self, urn: str | None) -> Json:
        return self.document if urn is None else self.document.setdefault(urn, {})

    def _tidy(self, urn: str | None) -> None:
        if urn is not None and not self.document.get(urn):
            self.document.pop(urn, None)

    def put_extension(self, name: str, urn: str, value: Json) -> None:
        attributes = self.kind.extensions[urn]
        if value is None:
            # null is unassigned (RFC 7643 section 2.5); what adding it means is open
            action = "clear" if name == "replace" else self.one_of("clear", "keep", "refuse")
            return self._clear_extension(urn) if action == "clear" else self._keep_or_refuse(action)
        if not isinstance(value, dict):
            raise Refused("invalidValue")
        if not value:
            return self.perhaps("invalidValue")  # an object of no attributes asks for no change
        done = unknown = False
        for key, item in value.items():
            found = named(attributes, key)
            if found is None:
                unknown = True
                continue
            self.put(name, Target(urn, found), item)
            done = True
        if not done:
            raise Refused("invalidValue", "invalidPath", "noTarget")
        if unknown:
            self.perhaps("invalidValue", "invalidPath", "noTarget")
        return None

    def _clear_extension(self, urn: str) -> None:
        for key in self.document.get(urn, {}):
            if self.kind.extensions[urn][key].mutability == "immutable":
                raise Refused("mutability")
        self.document.pop(urn, None)

    def _keep_or_refuse(self, action: str, *kinds: str) -> None:
        if action == "refuse":
            raise Refused(*(kinds or ("invalidValue",)))

    def put_simple(self, name: str, holder: Json, attribute: Attribute, value: Json) -> None:
        if value == [] or value is None:
            return self._unassign(name, holder, attribute, value)
        read = (
            self._required_scalar(attribute, value)
            if attribute.required
            else self.scalar(attribute, value)
        )
        if read is None:
            return self._unassign(name, holder, attribute, None)
        if attribute.required and isinstance(read, str) and not read.strip():
            raise Refused("invalidValue")
        read = self.hold_immutable(attribute, holder.get(attribute.name), read)
        if attribute.returned != "never":
            holder[attribute.name] = read
        return None

    def _required_scalar(self, attribute: Attribute, value: Json) -> Json:
        try:
            return self.scalar(attribute, value)
        except Refused:  # a value that reads to nothing may count as an attempt to clear it
            raise Refused("invalidValue", "mutability") from None

    def _unassign(self, name: str, holder: Json, attribute: Attribute, value: Json) -> None:
        if attribute.required:
            if name == "replace" or value == [] or self.one_of(True, False):
                raise Refused("mutability", "invalidValue")
            return None
        if value == []:
            # an empty array is unassigned for multi-valued attributes; for a single one it may be a wrong type
            action = (
                self.one_of("clear", "refuse")
                if name == "replace"
                else self.one_of("clear", "keep", "refuse")
            )
        else:
            # RFC 7643 section 2.5: null is unassigned. Adding it may set it, add nothing, or be refused
            action = "clear" if name == "replace" else self.one_of("clear", "keep", "refuse")
        if action != "clear":
            return self._keep_or_refuse(action)
        return self.clear(holder, attribute)

    def put_complex(self, name: str, holder: Json, attribute: Attribute, value: Json) -> None:
        if value is None:
            return self._unassign(name, holder, attribute, None)
        if isinstance(value, str):
            value = self._reference(attribute, value)
        elif isinstance(value, list):
            if (
                self.strict
                or len(value) != 1
                or not value[0]
                or not isinstance(value[0], dict | str)
            ):
                raise Refused("invalidValue")
            self.perhaps(
                "invalidValue"
            )  # an array of one: taken as it is for simple attributes, or refused
            value = value[0] if isinstance(value[0], dict) else self._reference(attribute, value[0])
        if not isinstance(value, dict):
            raise Refused("invalidValue")
        if "$ref" in attribute.subs and any(
            k.lower() == "value" and isinstance(v, str) and not v.strip() for k, v in value.items()
        ):
            return self._no_reference(name, holder, attribute)
        changes = self.sub_values(attribute, value)
        made = dict(holder.get(attribute.name, {}))
        self._merge(name, attribute, made, changes)
        if made:
            holder[attribute.name] = made
        else:
            holder.pop(attribute.name, None)
        return None

    def _reference(self, attribute: Attribute, value: str) -> Json:
        if "value" not in attribute.subs or self.strict:
            raise Refused("invalidValue")
        return {"value": value}  # dialect table: manager-as-string

    def _no_reference(self, name: str, holder: Json, attribute: Attribute) -> None:
        if self.strict:
            raise Refused("invalidValue")
        # dialect table: manager-blank is no manager; adding none may as well add nothing
        if name == "replace" or self.one_of(True, False):
            holder.pop(attribute.name, None)

    def _merge(self, name: str, attribute: Attribute, made: Json, changes: dict[str, Json]) -> None:
        """Leave sub-attributes that are not given unchanged; clear those given as null.

        RFC 7644 section 3.5.2.3.
        """
        nulls = [sub for sub, value in changes.items() if value is None]
        if name == "add" and nulls:
            action = self.one_of("clear", "keep", "refuse")  # what adding null means is open
            self._keep_or_refuse(action)
            if action == "keep":
                changes = {sub: value for sub, value in changes.items() if value is not None}
        self._follow_reference(attribute, made, changes)
        for sub, value in changes.items():
            definition = attribute.subs[sub]
            if value is None:
                if definition.required:
                    raise Refused("mutability", "invalidValue")
                self.clear(made, definition)
            else:
                if definition.required and value == "":
                    raise Refused("invalidValue")
                made[sub] = self.hold_immutable(definition, made.get(sub), value)

    def _follow_reference(self, attribute: Attribute, made: Json, changes: dict[str, Json]) -> None:
        """Drop the `$ref` and `displayName` of the previous value if it changes."""
        if (
            attribute.multi
            or "$ref" not in attribute.subs
            or "value" not in changes
            or changes["value"] == made.get("value")
        ):
            return
        if "value" not in made and self.one_of(False, True):
            return  # the $ref of no value is not that of another: it goes too, or stays
        if (
            changes["value"] is None
            and "$ref" in made
            and "$ref" not in changes
            and self.one_of(False, True)
        ):
            return  # no value is not another value: what is left of the old one may stay
        made.pop("$ref", None)
        made.pop("displayName", None)

    def put_sub(self, name: str, target: Target, value: Json) -> None:
        attribute, sub = target.attribute, target.sub
        if attribute.multi:
            return self.put_sub_of_all(name, target, value)
        holder = self._holder(target.urn)
        made = dict(holder.get(attribute.name, {}))
        if (
            "$ref" in attribute.subs
            and sub.name == "value"
            and isinstance(value, str)
            and not value.strip()
        ):
            # dialect table: manager-blank, which has the object and the string alone
            self.perhaps("invalidValue")
            if self.strict:
                raise Refused("invalidValue")
            return self._no_reference(name, holder, attribute)
        before = dict(made)
        self.put_simple(name, made, sub, value)
        if made.get("value") != before.get("value"):
            new, made = made, before
            self._follow_reference(attribute, made, {"value": new.get("value")})
            made.pop("value", None)
            made |= {"value": new["value"]} if "value" in new else {}
        if made:
            holder[attribute.name] = made
        else:
            holder.pop(attribute.name, None)
        return self._tidy(target.urn)

    def put_multi(self, name: str, holder: Json, attribute: Attribute, value: Json) -> None:
        if value is None:
            if name == "replace":
                return self.clear(holder, attribute)
            return self.perhaps("invalidValue")  # adding null adds nothing, or is refused
        if value == []:
            return self.clear(holder, attribute) if name == "replace" else None
        if not isinstance(value, list):
            value = [self._alone(attribute, value)]
        given = self.elements(attribute, value)
        self.one_primary(attribute, given, holder.get(attribute.name, []) if name == "add" else [])
        if name == "add":
            made = copy.deepcopy(holder.get(attribute.name, []))
            again = attribute.type == "complex" and any(
                twins(attribute, one, other)
                for index, one in enumerate(given)
                for other in given[:index]
            )
            if again and self.one_of(True, False):  # one element, before it is added
                given = self.without_duplicates(attribute, given)
            for element in given:
                self.add_element(attribute, made, element)
        else:
            made = self.without_duplicates(attribute, given)
        if made:
            holder[attribute.name] = made
        return None

    def _alone(self, attribute: Attribute, value: Json) -> Json:
        if self.strict:
            self.perhaps(
                "invalidValue"
            )  # dialect table: element-alone. Section 3.5.2.1 shows no value of add but arrays
        elif not isinstance(value, str | dict):
            self.perhaps("invalidValue")
        return value

    def put_sub_of_all(self, name: str, target: Target, value: Json) -> None:
        holder, attribute, sub = self._holder(target.urn), target.attribute, target.sub
        if sub.name == "value" and is_blank(value) and self.named_by_value(attribute):
            raise Refused("invalidValue")  # names nothing, and would clear all of them
        elements = copy.deepcopy(holder.get(attribute.name, []))
        if not elements:
            if value is None or value == []:
                self.perhaps("noTarget", "invalidValue")
                return self._tidy(target.urn)
            self.perhaps(
                "noTarget"
            )  # a sub-attribute of no element: there is no target, or one is made
            made: Json = {}
            self.put_simple(name, made, sub, value)
            elements = [made]
        self._put_subs(name, attribute, elements, elements, sub, value)
        return self._store(target, elements)

    def _put_subs(
        self,
        name: str,
        attribute: Attribute,
        elements: list[Json],
        chosen: list[Json],
        sub: Attribute,
        value: Json,
    ) -> None:
        for element in chosen:
            self.put_simple(name, element, sub, value)
        if (
            value not in (None, [])
            and sub.name == "primary"
            and any(element.get("primary") is True for element in chosen)
        ):
            if len(chosen) > 1:
                raise Refused("invalidValue")
            self.only_primary(elements, chosen[0])

    def _store(self, target: Target, elements: list[Json]) -> None:
        holder, name = self._holder(target.urn), target.attribute.name
        elements = [element for element in elements if element != {}]
        for sub in target.attribute.subs.values():
            if sub.required and any(not element.get(sub.name) for element in elements):
                raise Refused("invalidValue", "mutability")
        if elements:
            holder[name] = elements
        else:
            holder.pop(name, None)
        self._tidy(target.urn)

    def _chosen(self, target: Target, elements: list[Json]) -> list[Json]:
        allowed = filters.allowed(target.inner, self.strict)
        if allowed == filters.NO:
            raise Refused("invalidFilter", "invalidPath")
        if allowed == filters.EITHER:
            self.perhaps("invalidFilter", "invalidPath")
        chosen = []
        for element in elements:
            answers = sorted(filters.holds_for(target.inner, element))
            if self.one_of(*answers) if len(answers) > 1 else answers[0]:
                chosen.append(element)
        return chosen

    def put_at_filter(self, name: str, target: Target, value: Json) -> None:
        attribute = target.attribute
        if not attribute.multi:
            return self._put_at_filter_of_one(name, target, value)
        if self.of_group:
            self.perhaps(
                "mutability", "noTarget", "invalidValue"
            )  # the sub-attributes of members are immutable
        if attribute.type != "complex":
            self.perhaps(
                "invalidPath", "invalidFilter"
            )  # section 3.5.2.2 has value paths of simple values for remove
        elements = copy.deepcopy(self._holder(target.urn).get(attribute.name, []))
        self._tidy(target.urn)
        chosen = self._chosen(target, elements)
        if chosen and self.of_group:
            return self._put_members(target, elements, chosen, value)
        if (
            target.sub is not None
            and target.sub.name == "value"
            and self.named_by_value(attribute)
            and is_blank(value)
        ):
            return self._clear_value(name, target, elements, chosen)
        if not chosen:
            return self._make_element(name, target, elements, value)
        if target.sub is not None:
            self._put_subs(name, attribute, elements, chosen, target.sub, value)
        else:
            self._put_elements(name, attribute, elements, chosen, value)
        return self._store(target, elements)

    def _clear_value(
        self, name: str, target: Target, elements: list[Json], chosen: list[Json]
    ) -> None:
        """Run add or replace of an empty `value` at a value path (value-blank)."""
        if self.strict:
            raise Refused("invalidValue", *(() if chosen else ("noTarget",)))
        if name == "replace":
            for element in chosen:
                element.pop("value", None)
        return self._store(target, elements)

    def _put_members(
        self, target: Target, elements: list[Json], chosen: list[Json], value: Json
    ) -> None:
        """Replace the chosen members by those given."""
        if target.sub is not None:
            value = {target.sub.name: value}
        given = self.elements(target.attribute, value if isinstance(value, list) else [value])
        for element in chosen:
            drop(elements, element)
        for element in given:
            self.add_element(target.attribute, elements, element)
        self._store(target, elements)

    def _put_at_filter_of_one(self, name: str, target: Target, value: Json) -> None:
        """Run add or replace at a value path of a single-valued attribute.

        The server may refuse it: value paths choose among several values (section 3.5.2).
        """
        self.perhaps("invalidPath", "invalidFilter", "noTarget")
        there = self._holder(target.urn).get(target.attribute.name)
        self._tidy(target.urn)
        if not self._chosen(target, [] if there is None else [there]):
            raise Refused("noTarget")
        self.put(name, Target(target.urn, target.attribute, None, target.sub), value)

    def _put_elements(
        self, name: str, attribute: Attribute, elements: list[Json], chosen: list[Json], value: Json
    ) -> None:
        if value is None:
            if name == "replace" and self.one_of(False, True):
                return self._drop_all(elements, chosen)
            return self.perhaps(
                "invalidValue"
            )  # null for a chosen element: none, no change, or refused
        if isinstance(value, list):
            if value == [] and name == "replace" and self.one_of(False, True):
                return self._drop_all(
                    elements, chosen
                )  # no value for them: they go, or it is refused
            if self.strict or len(value) != 1:
                raise Refused("invalidValue")
            value = value[0]  # dialect table: an array of one at a value path
        if attribute.type != "complex":
            return self._put_simple_elements(attribute, elements, chosen, value)
        if isinstance(value, str):
            if self.strict or "value" not in attribute.subs or not value.strip():
                raise Refused("invalidValue")
            self.perhaps("invalidValue")  # dialect table: element-as-string, of arrays
            value = {"value": value}
        if not isinstance(value, dict):
            raise Refused("invalidValue")
        value = self._without_blank(attribute, self.role(attribute, value))
        changes = self.sub_values(attribute, value)
        if not any(item is not None for item in changes.values()):
            self.perhaps("invalidValue")
        for element in chosen:
            # section 3.5.2.3 replaces all matching values; a complex value keeps what is not given: either
            if (
                name == "replace"
                and any(item is not None for item in changes.values())
                and self.one_of(False, True)
            ):
                self._forget(attribute, element, changes)
            self._merge(name, attribute, element, changes)
        if changes.get("primary") is True:
            if len(chosen) > 1:
                raise Refused("invalidValue")
            self.only_primary(elements, chosen[0])
        return None

    def _without_blank(self, attribute: Attribute, value: dict[str, Json]) -> dict[str, Json]:
        """Read an empty `value` beside others as null (dialect table: value-blank)."""
        if not self.named_by_value(attribute) or not is_blank(value_of(value)):
            return value
        others = [
            named(attribute.subs, key)
            for key, item in value.items()
            if key.lower() != "value" and item is not None
        ]
        if self.strict or not any(
            sub is not None and sub.mutability != "readOnly" for sub in others
        ):
            raise Refused("invalidValue")
        return {key: None if key.lower() == "value" else item for key, item in value.items()}

    def _forget(self, attribute: Attribute, element: Json, changes: dict[str, Json]) -> None:
        """Empty an element to replace it.

        The server may read this as a new element, or as a change of immutable sub-attributes.
        """
        immutable = [sub for sub in element if attribute.subs[sub].mutability == "immutable"]
        if any(element[sub] != changes.get(sub) for sub in immutable):
            self.perhaps("mutability")
        element.clear()

    def _drop_all(self, elements: list[Json], chosen: list[Json]) -> None:
        for element in chosen:
            drop(elements, element)

    def _put_simple_elements(
        self, attribute: Attribute, elements: list[Json], chosen: list[Json], value: Json
    ) -> None:
        read = self.simple_element(attribute, value)
        if read is NOTHING:
            raise Refused("invalidValue")
        made: list[Json] = []
        for element in elements:
            new = read if element in chosen else element
            if new not in made or self.one_of(False, True):
                made.append(new)
        elements[:] = made

    def _make_element(self, name: str, target: Target, elements: list[Json], value: Json) -> None:
        """Make the element that a value path describes (dialect table: value-path-made)."""
        terms = _eq_terms(target.inner)
        if self.strict or terms is None or target.attribute.type != "complex" or self.of_group:
            raise Refused(
                "noTarget", "invalidValue", "mutability"
            )  # the value may be looked at first
        if len(terms) != len({term.path.last.name for term in terms}) or target.sub is None:
            self.perhaps(
                "noTarget", "invalidValue"
            )  # the table has paths that end in a sub-attribute, and names one value for each
        element: Json = {}
        for term in terms:
            definition = term.path.last
            if definition.mutability == "readOnly":
                raise Refused("noTarget", "mutability")
            element[definition.name] = self.checked(definition, term.value)
        if self.named_by_value(target.attribute) and is_blank(element.get("value")):
            raise Refused("invalidValue", "noTarget")
        if target.sub is None:
            if isinstance(value, list) and len(value) == 1:
                value = value[0]
            if not isinstance(value, dict):
                raise Refused("invalidValue", "noTarget")
            element |= {
                sub: item
                for sub, item in self.sub_values(target.attribute, value).items()
                if item is not None
            }
        else:
            if value is None or value == []:
                # a value path made for no value: an element of the filter's terms, none, or no target
                self.perhaps("noTarget", "invalidValue")
                if self.one_of(False, True):
                    return None
            if target.sub.name in element:
                self.perhaps("noTarget", "invalidValue")  # other than the filter says
            self.put_simple(name, element, target.sub, value)
        for sub in target.attribute.subs.values():
            if sub.required and not element.get(sub.name):
                raise Refused("invalidValue", "noTarget")
        self.add_element(target.attribute, elements, element)
        return self._store(target, elements)

    def remove(self, target: Target, value: Json) -> None:
        attribute = target.attribute
        if attribute is None:
            self._ignored_value(value)
            return self._clear_extension(target.urn)
        self._hold_read_only(target)
        if target.inner is not None:
            self._ignored_value(value)
            return self.remove_at_filter(target, value)
        if target.sub is not None:
            self._ignored_value(value)
            return self.remove_sub(target, value)
        if value is not NO_VALUE and value is not None:
            return self.remove_values(target, value)
        if value is None:
            # some clients write out null for no value: everything, or refused, or nothing is named
            action = self.one_of("all", "keep", "refuse")
            if action != "all":
                return self._keep_or_refuse(action, "invalidValue", "invalidSyntax")
        if attribute.required:
            raise Refused("mutability")
        self.clear(self._holder(target.urn), attribute)
        return self._tidy(target.urn)

    def _ignored_value(self, value: Json) -> None:
        if value is not NO_VALUE:
            self.perhaps("invalidSyntax", "invalidValue")  # section 3.5.2.2 has no value of remove

    def remove_values(self, target: Target, value: Json) -> None:
        """Remove the values given (dialect table: remove-with-value)."""
        attribute, holder = target.attribute, self._holder(target.urn)
        if self.strict and attribute.multi:
            raise Refused("invalidSyntax", "invalidValue")
        if not attribute.multi:
            self.perhaps(
                "invalidSyntax", "invalidValue"
            )  # the table has values of multi-valued attributes
            if attribute.required:
                given = value[0] if isinstance(value, list) and len(value) == 1 else value
                same = isinstance(given, dict) or equal(attribute, holder[attribute.name], given)
                if same or self.one_of(True, False):
                    raise Refused("mutability", "invalidValue")
                return None  # another value than the attribute has: nothing to remove
            # of a single value it may remove that value alone, or the attribute
            if self.one_of(True, False):
                self.clear(holder, attribute)
            return self._tidy(target.urn)
        elements = copy.deepcopy(holder.get(attribute.name, []))
        self._tidy(target.urn)
        if value == []:
            return None
        if (
            isinstance(value, list)
            and sum(isinstance(item, dict) and item.get("primary") is True for item in value) > 1
        ):
            self.perhaps(
                "invalidValue"
            )  # two primary elements: no matter for those to be removed, or a wrong value
        if not isinstance(value, list):
            if not isinstance(value, str | dict):
                self.perhaps("invalidValue", "invalidSyntax")
            value = [value]
        for element in self.elements(attribute, value):
            self.remove_element(attribute, elements, element)
        return self._store(target, elements)

    def _spared(self, target: Target, element: Json, value: Json) -> bool:
        """Tell whether a remove with a value spares an element with another value.

        Section 3.5.2.2 has no value of remove: the server may ignore it.
        """
        sub = target.sub
        if value is NO_VALUE or value is None or not self.one_of(True, False):
            return False
        if sub is None:
            if value == []:
                return True
            left = [element]
            # it names elements as the value of a remove without a value path does
            for given in self.elements(
                target.attribute, value if isinstance(value, list) else [value]
            ):
                self.remove_element(target.attribute, left, given)
            return bool(left)
        return sub.name not in element or not equal(sub, element[sub.name], self.scalar(sub, value))

    def remove_sub(self, target: Target, value: Json) -> None:
        attribute, sub, holder = target.attribute, target.sub, self._holder(target.urn)
        if sub.required and holder.get(attribute.name):
            raise Refused("mutability", "invalidValue")
        elements = copy.deepcopy(holder.get(attribute.name, []))
        self._tidy(target.urn)
        if attribute.multi:
            if not elements:
                return self.perhaps("noTarget", "mutability")  # of no element
            for element in elements:
                if not self._spared(target, element, value):
                    self.clear(element, sub)
            return self._store(target, elements)
        if not elements:
            return None
        if self._spared(target, elements, value):
            holder[attribute.name] = elements
            return self._tidy(target.urn)
        had = "$ref" in elements
        self.clear(elements, sub)
        if sub.name == "value" and had and self.one_of(True, False):
            elements.pop("$ref", None)  # a reference without its value: it goes too, or stays
            elements.pop("displayName", None)
        if elements:
            holder[attribute.name] = elements
        else:
            holder.pop(attribute.name)
        return self._tidy(target.urn)

    def remove_at_filter(self, target: Target, value: Json) -> None:
        attribute, sub, holder = target.attribute, target.sub, self._holder(target.urn)
        there = copy.deepcopy(holder.get(attribute.name, []))
        self._tidy(target.urn)
        if not attribute.multi:
            self.perhaps("invalidPath", "invalidFilter", "noTarget")
            if not self._chosen(target, [there] if there else []):
                raise Refused("noTarget")
            return self.remove(Target(target.urn, attribute, None, sub), value)
        chosen = self._chosen(target, there)
        if not chosen:
            if not self.strict and self.one_of(False, True):
                return None  # removing what is not there: done already, or no target (section 3.12)
            raise Refused(
                "noTarget",
                *(("mutability",) if sub is not None and sub.mutability == "immutable" else ()),
            )
        for element in chosen:
            if self._spared(target, element, value):
                continue
            if sub is None:
                drop(there, element)
            else:
                if sub.required:
                    raise Refused("mutability", "invalidValue")
                self.clear(element, sub)
        return self._store(target, there)


def _eq_terms(inner: Filter) -> list[Compare] | None:
    """The terms of a conjunction of `eq` comparisons; None for any other filter."""
    if isinstance(inner, Compare):
        return [inner] if inner.operator == "eq" and inner.value is not None else None
    if isinstance(inner, Logical) and inner.operator == "and":
        parts = [_eq_terms(term) for term in inner.terms]
        return None if None in parts else [term for part in parts for term in part]
    return None


def normal(document: Json) -> Json:
    """Normalise a document for comparison.

    It has no `meta`, elements have no order, absent `primary` is false, and members are ids.
    """
    made = {}
    for key, value in document.items():
        if key == "meta":
            continue
        if key.startswith("urn:"):
            made[key] = normal(value)
        elif key == "schemas":
            made[key] = sorted(value)
        elif isinstance(value, list):
            members = [item["value"] for item in value if key == "members"]
            made[key] = sorted(members or map(_normal_element, value))
        else:
            made[key] = value
    if made.get("members") == []:
        made.pop("members")
    return made


def _normal_element(element: Json) -> str:
    if isinstance(element, dict):
        element = {
            sub: value
            for sub, value in element.items()
            if not (sub == "primary" and value is False)
        }
    return json.dumps(element, sort_keys=True)
