"""Compare, add and remove elements of multi-valued attributes."""

from typing import Any

from tests.oracles import filters
from tests.oracles.choices import Refused
from tests.oracles.filters import fold
from tests.oracles.reading import Reader
from tests.oracles.schemas import Attribute

Json = Any


class Elements(Reader):
    """Adds and removes elements, taking one alternative at each choice."""

    def hold_immutable(self, attribute: Attribute, old: Json, new: Json) -> Json:
        """Refuse to change an immutable value. Returns the value to store."""
        if attribute.mutability != "immutable" or old is None or old == new:
            return new
        if not isinstance(new, str) or not equal(attribute, old, new):
            raise Refused("mutability")
        self.perhaps(
            "mutability"
        )  # the same but for case: no change, or one of an immutable attribute
        return self.one_of(old, new)

    def clear(self, holder: Json, attribute: Attribute) -> None:
        if attribute.name in holder and attribute.mutability == "immutable":
            raise Refused("mutability")
        holder.pop(attribute.name, None)
        if attribute.name == "active" and holder is self.document and self.one_of(False, True):
            holder["active"] = (
                True  # the default; whether it is assigned at once or counted when read is open
            )

    def one_primary(self, attribute: Attribute, elements: list[Json], there: list[Json]) -> None:
        primary = [
            element
            for element in elements
            if isinstance(element, dict) and element.get("primary") is True
        ]
        if len(primary) < 2:
            return None
        again = any(
            twins(attribute, one, other)
            for one in primary
            for other in elements
            if one is not other
        )
        if again and self.one_of(False, True):
            return None  # the same element several times is one: it may be counted after that
        known = [
            element
            for element in primary
            if any(whole(attribute, one) == whole(attribute, element) for one in there)
        ]
        if known and self.one_of(
            False, True
        ):  # one of them is there already and changes nothing: it may count, or not
            for element in known:
                del element["primary"]
            return self.one_primary(attribute, elements, [])
        if self.strict or len({fold(str(element.get("value"))) for element in primary}) > 1:
            raise Refused("invalidValue")
        # two primary elements of one value: Ping's defect, which a lenient workspace reads; which one stays primary is open
        self.perhaps("invalidValue")
        stays = self.one_of(0, len(primary) - 1)
        for index, element in enumerate(primary):
            element["primary"] = index == stays
        return None

    def add_element(self, attribute: Attribute, elements: list[Json], element: Json) -> None:
        """Add an element unless it is there already (RFC 7644 section 3.5.2.1).

        An element with the same value and type takes over the sub-attributes that the added one names.
        """
        if attribute.name == "members" and self.of_group:
            member = self._known_member(element)
            if member not in elements:
                elements.append(member)
            return
        if attribute.type != "complex":
            if not any(equal(attribute, one, element) for one in elements):
                elements.append(element)
            return
        there = self._find(attribute, elements, element)
        if there is None:
            elements.append(element)
            there = element
        else:
            self._update(attribute, there, element)
        if element.get("primary") is True:
            self.only_primary(elements, there)

    def _known_member(self, element: Json) -> Json:
        if "value" not in element:  # named by its display alone
            raise Refused("invalidValue", "noTarget")
        if element["value"] in self.people:
            return self.people[element["value"]]
        # a member that is not there: refused at once, or once it would be stored
        self.perhaps("invalidValue", "noTarget")
        return element

    def _update(
        self, attribute: Attribute, there: Json, element: Json, stored: bool = True
    ) -> None:
        """Take over what an element names; immutable values are held if they are stored."""
        for sub, value in element.items():
            definition = attribute.subs[sub]
            if (
                sub in there
                and isinstance(value, str)
                and value != there[sub]
                and equal(definition, there[sub], value)
            ):
                if self.one_of(True, False):  # the same but for case: either spelling
                    there[sub] = value
                continue
            there[sub] = self.hold_immutable(definition, there.get(sub), value) if stored else value

    def _find(self, attribute: Attribute, elements: list[Json], element: Json) -> Json:
        for one in elements:
            if whole(attribute, one) == whole(attribute, element):
                # without a value: one that an element before it in the list has made not primary may still count as another
                demoted = (
                    "value" not in element
                    and one.get("primary") is False
                    and not element.get("primary")
                )
                return None if demoted and self.one_of(False, True) else one
        if "value" not in element:
            return self._find_but_primary(attribute, elements, element)
        for one in elements:
            if "value" in one and equal(attribute.subs["value"], one["value"], element["value"]):
                types = [item.get("type") for item in (one, element)]
                if None not in types and equal(attribute.subs["type"], *types):
                    return one
                # one of them has no type: whether they are the same is open, as the other then has it or has not
                if types == [None, None] or (None in types and self.one_of(True, False)):
                    return one
        return None

    def _find_but_primary(self, attribute: Attribute, elements: list[Json], element: Json) -> Json:
        """Find an element that differs in `primary` alone."""
        for one in elements:
            same = whole(attribute, {**one, "primary": False}) == whole(
                attribute, {**element, "primary": False}
            )
            if same and "primary" in attribute.subs and self.one_of(False, True):
                return one
        return None

    def only_primary(self, elements: list[Json], chosen: Json) -> None:
        """Set `primary` of all other elements to false (RFC 7644 section 3.5.2)."""
        for one in elements:
            if one is not chosen and isinstance(one, dict) and one.get("primary") is True:
                one["primary"] = False

    def without_duplicates(self, attribute: Attribute, given: list[Json]) -> list[Json]:
        made: list[Json] = []
        for element in given:
            if attribute.name == "members" and self.of_group:
                self.add_element(attribute, made, element)
            elif attribute.type != "complex":
                twin = any(equal(attribute, one, element) for one in made)
                if not twin or self.one_of(
                    False, True
                ):  # whether a replaced list of simple values keeps duplicates is open
                    made.append(element)
            elif (
                twin := next((one for one in made if twins(attribute, one, element)), None)
            ) is None:
                made.append(element)
            else:  # the same (value, type) twice is one: the first, the last, or both in one
                self._choose_twin(attribute, made, twin, element)
        return made

    def _choose_twin(
        self, attribute: Attribute, made: list[Json], twin: Json, element: Json
    ) -> None:
        match self.one_of("first", "last", "both"):
            case "last":
                made[next(index for index, one in enumerate(made) if one is twin)] = element
            case "both":
                primary = twin.get("primary") is True
                self._update(attribute, twin, element, stored=False)
                if primary and self.one_of(True, False):
                    twin["primary"] = (
                        True  # that either of them is primary makes both in one primary
                    )

    def without_twins(self, attribute: Attribute, elements: list[Json]) -> list[Json]:
        """Handle elements that operations have given the same value and type.

        The server may keep both, either of them, or one with the sub-attributes of both.
        """
        kept: list[Json] = []
        for element in elements:
            at = next(
                (
                    index
                    for index, other in enumerate(kept)
                    if _are_twins(attribute, other, element)
                ),
                None,
            )
            if at is None:
                kept.append(element)
                continue
            one, other = kept[at], element
            action = (
                self.one_of("both", "first", "second", "merged", "merged back")
                if one != other
                else self.one_of("both", "first")
            )
            if action == "both":
                kept.append(element)
            else:
                kept[at] = self._merged(attribute, action, one, other)
        return kept

    def _merged(self, attribute: Attribute, action: str, one: Json, other: Json) -> Json:
        if not isinstance(one, dict):
            return one if action == "first" else other
        if action in ("merged back", "second"):
            one, other = other, one
        made = dict(one)
        if action in ("merged", "merged back"):
            for sub, value in other.items():
                folded = sub in made and equal(attribute.subs[sub], made[sub], value)
                made[sub] = (
                    self.one_of(made[sub], value) if folded and made[sub] != value else value
                )
        primary = one.get("primary") is True or other.get("primary") is True
        return made | {"primary": True} if primary else made

    def remove_element(self, attribute: Attribute, elements: list[Json], element: Json) -> None:
        if attribute.name == "members" and self.of_group:
            return self._remove_member(elements, element)
        if attribute.type != "complex":
            elements[:] = [one for one in elements if not equal(attribute, one, element)]
            return None
        if "value" not in element:
            # nothing to compare by: those that are the same in all that is given, or refused
            self.perhaps("invalidValue", "invalidSyntax")
            exactly = self.one_of(True, False)
            for one in list(elements):
                known = whole(attribute, one)
                given = whole(attribute, element)
                if known == given or (not exactly and given.items() <= known.items()):
                    drop(elements, one)
            return None
        for one in list(elements):
            if "value" not in one or not equal(
                attribute.subs["value"], one["value"], element["value"]
            ):
                continue
            types = [item.get("type") for item in (one, element)]
            if None not in types:
                same = equal(attribute.subs["type"], *types)
            else:  # one has no type: by value alone, or not the same
                same = types[1] is None or self.one_of(True, False)
                same = same and (types[0] is None or self.one_of(True, False))
            if same:
                drop(elements, one)
        return None

    def _remove_member(self, elements: list[Json], element: Json) -> None:
        if "value" in element:
            elements[:] = [one for one in elements if one["value"] != element["value"]]
            return
        called = [
            one for one in elements if fold(one.get("display", "")) == fold(element["display"])
        ]
        if len(called) != 1:
            raise Refused("invalidValue", "noTarget")
        self.perhaps(
            "invalidValue"
        )  # a member named by its display, which is unique among the members: it, or refused
        elements.remove(called[0])


def drop(elements: list[Json], element: Json) -> None:
    """Remove this very element, not an equal one."""
    for index, one in enumerate(elements):
        if one is element:
            del elements[index]
            return
    raise AssertionError(element)


def equal(attribute: Attribute, one: Json, other: Json) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        if attribute.type == "dateTime":
            return one == other or filters.moment(one) == filters.moment(other) is not None
        return one == other if attribute.case_exact else fold(one) == fold(other)
    return bool(one == other)


def whole(attribute: Attribute, element: Json) -> dict[str, Json]:
    """Normalise an element for comparison: absent `primary` is false."""
    made = {}
    for sub, value in element.items():
        if sub == "primary" and value is False:
            continue
        exact = (
            attribute.subs[sub].case_exact
            or not isinstance(value, str)
            or attribute.subs[sub].type == "dateTime"
        )
        made[sub] = value if exact else fold(value)
    return made


def twins(attribute: Attribute, one: Json, other: Json) -> bool:
    if "value" not in one or "value" not in other:
        return whole(attribute, one) == whole(attribute, other)
    if not equal(attribute.subs["value"], one["value"], other["value"]):
        return False
    types = [item.get("type") for item in (one, other)]
    return types == [None, None] or (None not in types and equal(attribute.subs["type"], *types))


def _are_twins(attribute: Attribute, one: Json, other: Json) -> bool:
    if attribute.type == "complex":
        return twins(attribute, one, other)
    return equal(attribute, one, other)
