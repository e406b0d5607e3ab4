"""Find where in raw input a model lets secrets resolve, for jobs whose diagram is not known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from zeebe_connectors.sdk.annotations import leaf_types
from zeebe_connectors.sdk.fields import Secret, hint_of


@dataclass(frozen=True)
class SecretPlaces:
    """Where in raw input placeholders may resolve: a tree of wire names, for jobs whose diagram is not known.

    Args:
        everywhere: In the value here and all below it.
        whole: Only where the placeholder is the whole value.
        below: The places of the parts.
    """

    everywhere: bool = False
    whole: bool = False
    below: Mapping[str, SecretPlaces] = field(default_factory=dict)

    @classmethod
    def of(cls, kind: Any, *, hints: bool = True) -> SecretPlaces:
        """Reads the tree off a model: `Secret` fields and fields with `Hint(secrets=…)`, through nested models.

        Args:
            kind: The model, or any type.
            hints: Whether the hints count; without them the fields of type `Secret` are all.
        """
        below: dict[str, SecretPlaces] = {}
        for leaf in leaf_types(kind):
            if leaf is Secret:
                return cls(everywhere=True)
            if get_origin(leaf) in {list, tuple, dict}:
                inner = [cls.of(argument, hints=hints) for argument in get_args(leaf)]
                if any(place.everywhere for place in inner):
                    return cls(everywhere=True)
                for place in inner:
                    if place.below:
                        below["*"] = place
            if isinstance(leaf, type) and issubclass(leaf, BaseModel):
                for name, info in leaf.model_fields.items():
                    place = cls._of_field(info, hints=hints)
                    if place.everywhere or place.below:
                        wire = info.alias or name
                        known = below.get(wire)
                        below[wire] = place if known is None else known.merged(place)
        return cls(below=below)

    @classmethod
    def _of_field(cls, info: Any, *, hints: bool) -> SecretPlaces:
        inner = cls.of(info.annotation, hints=hints)
        marked = hint_of(info).secrets if hints else False
        if not marked:
            return inner
        return cls(everywhere=True, whole=marked == "whole", below=inner.whole_parts())

    def whole_parts(self) -> dict[str, SecretPlaces]:
        """Returns the parts that take only whole values, of a place that otherwise takes placeholders everywhere."""
        parts = {}
        for name, place in self.below.items():
            inner = place.whole_parts()
            if place.whole or inner:
                parts[name] = SecretPlaces(everywhere=True, whole=place.whole, below=inner)
        return parts

    def at(self, name: str) -> SecretPlaces | None:
        """Returns the place of a part; None where nothing resolves."""
        found = self.below.get(name) or self.below.get("*")
        return found if found is not None else self.item_of_all()

    def item(self) -> SecretPlaces | None:
        """Returns the place of a list's items."""
        return self.below.get("*") or self.item_of_all()

    def item_of_all(self) -> SecretPlaces | None:
        """Returns the place of any part that has none of its own."""
        if not self.everywhere:
            return None
        return SecretPlaces(everywhere=True, whole=self.whole) if self.below else self

    def allows(self, name: str) -> bool:  # noqa: ARG002 - places of diagrams tell secrets apart
        """Returns whether a secret resolves in a text here."""
        return self.everywhere

    def merged(self, other: SecretPlaces) -> SecretPlaces:
        """Merges two trees."""
        below = dict(self.below)
        for name, place in other.below.items():
            below[name] = below[name].merged(place) if name in below else place
        if self.everywhere or other.everywhere:
            sides = [side for side in (self, other) if side.everywhere]
            parts = SecretPlaces(below=below).whole_parts()
            return SecretPlaces(everywhere=True, whole=all(side.whole for side in sides), below=parts)
        return SecretPlaces(below=below)
