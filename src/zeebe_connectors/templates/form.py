"""Flatten a connector's input model into a form: fields in order, each with group and conditions.

The form is what the element template and the reference page have in common; neither looks at the model itself.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from zeebe_connectors.sdk.annotations import discriminator_of, leaf_types
from zeebe_connectors.sdk.connector import DefinitionError, Description, Group
from zeebe_connectors.sdk.docstrings import described_fields
from zeebe_connectors.sdk.fields import Format, Hint, Model, Secret, When, hint_of
from zeebe_connectors.sdk.provided import CONNECTION, ENVIRONMENT, PROVIDER, VALUES, is_hidden
from zeebe_connectors.templates.kinds import (
    Feel,
    Kind,
    choice_values,
    feel_of,
    humanised,
    is_model,
    kind_of,
    label_of,
)

WIRE_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$")


@dataclass(frozen=True, slots=True)
class Condition:
    """A field is shown only while another (by id) has one of these values."""

    field: str
    values: tuple[str | bool, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry of a dropdown: the value on the wire and what a person reads."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the form.

    Args:
        id: Unique within the form; the wire name wherever that is unique.
        path: Dotted name of the input on the wire.
        label: What stands above the field.
        kind: What the value is, and so which control the form uses.
        type_name: The type in words, for the page.
        group: Id of the group.
        required: The diagram must fill it in (when it is shown).
        default: The model's default as JSON; `None` when there is none worth telling.
        start: What the form starts with.
        conditions: All must hold for the field to be shown.
        secrets: Placeholders of secrets resolve in it.
    """

    id: str
    path: str
    label: str
    kind: Kind
    type_name: str
    group: str
    required: bool
    description: str = ""
    default: Any = None
    start: Any = None
    choices: tuple[Choice, ...] = ()
    feel: Feel | None = None
    conditions: tuple[Condition, ...] = ()
    secret: bool = False
    secrets: bool = False
    hidden: bool = False
    several_lines: bool = False
    language: str | None = None
    placeholder: str | None = None
    tooltip: str | None = None
    example: Any = None
    min_length: int | None = None
    max_length: int | None = None
    format: Format | None = None
    header: bool = False
    """Not an input but a task header: text of the diagram, which no process variable can be mistaken for."""


@dataclass(frozen=True, slots=True)
class Form:
    """The groups of a form and its fields, ordered by group; `accepted` are inputs that the form does not show."""

    groups: tuple[Group, ...]
    fields: tuple[Field, ...]
    accepted: tuple[Field, ...]

    def of(self, group: str) -> list[Field]:
        """Returns the fields of one group, in order."""
        return [item for item in self.fields if item.group == group]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the walk through the models is: what nested fields inherit from those around them."""

    path: str = ""
    names: str = ""
    group: str | None = None
    conditions: tuple[Condition, ...] = ()
    optional: bool = False
    secrets: bool = False
    hidden: bool = False

    def inside(self, info: FieldInfo, name: str, hint: Hint, conditions: tuple[Condition, ...]) -> _Place:
        """Returns the place of what is nested in a field."""
        return replace(
            self,
            path=_joined(self.path, info.alias or name),
            names=_joined(self.names, name),
            group=hint.group or self.group,
            conditions=conditions,
            optional=self.optional or (not info.is_required() and info.get_default() is None),
            secrets=self.secrets or bool(hint.secrets),
            hidden=self.hidden or hint.hidden,
        )


DEFAULT_GROUP = Group("input", "Input")
OPERATION_GROUP = Group("operation", "Operation")
CONNECTION_GROUP = Group(
    "provider", "Connection", "A provider is a remote system that the operator named, with its address and its rules."
)
_HERE = Condition(CONNECTION, ("here",))
_BY_PROVIDER = Condition(CONNECTION, (PROVIDER,))
_CONNECTION = (
    Field(
        id=CONNECTION,
        path=CONNECTION,
        label="Host and credentials",
        kind="choice",
        type_name="one of `here`, `provider`",
        group=CONNECTION_GROUP.id,
        required=False,
        description="Where to connect to, and how to sign in.",
        default="here",
        start="here",
        choices=(Choice("here", "In this form"), Choice(PROVIDER, "From a provider of the operator")),
        header=True,
    ),
    Field(
        id=PROVIDER,
        path=PROVIDER,
        label="Provider",
        kind="text",
        type_name="text",
        group=CONNECTION_GROUP.id,
        required=True,
        description="Name of the provider, as the operator defined it.",
        conditions=(_BY_PROVIDER,),
        placeholder="erp",
        header=True,
    ),
    Field(
        id=ENVIRONMENT,
        path=ENVIRONMENT,
        label="Environment",
        kind="text",
        type_name="text",
        group=CONNECTION_GROUP.id,
        required=False,
        description="If empty, the one in force. Only some providers let a task choose.",
        conditions=(_BY_PROVIDER,),
        header=True,
    ),
    Field(
        id=VALUES,
        path=VALUES,
        label="Values for its address",
        kind="context",
        type_name="context",
        group=CONNECTION_GROUP.id,
        required=False,
        description="Values for the placeholders in the provider's address and in the path below.",
        feel="required",
        conditions=(_BY_PROVIDER,),
        placeholder='={region: "eu"}',
    ),
)


def form_of(connector: Description) -> Form:
    """Lays out the form of a connector.

    Raises:
        DefinitionError: A group is used but not declared or declared but empty, a condition names a field that is
            unknown or comes later, or a name cannot stand in a diagram; the message says what to change.
    """
    return _Layout(connector).form()


@dataclass(slots=True)
class _Layout:
    connector: Description
    fields: list[Field] = field(default_factory=list)
    by_name: dict[str, list[Field]] = field(default_factory=dict)

    def form(self) -> Form:
        if self.connector.protocols:
            for item in _CONNECTION:
                self.fields.append(item)
                self.by_name[item.id] = [item]
        discriminator = discriminator_of(self.connector.input, None)
        if discriminator is None:
            self._walk(self.connector.models[0], _Place())
        else:
            top = replace(_Place(), group=OPERATION_GROUP.id)
            self._union(self.connector.models, discriminator, top, default=None, label="Operation", description="")
        shown = [item for item in self.fields if not item.hidden]
        accepted = tuple(item for item in self.fields if item.hidden)
        groups = self._groups(shown)
        order = {group.id: position for position, group in enumerate(groups)}
        shown.sort(key=lambda item: order[item.group])
        unticked = {condition.field for item in shown for condition in item.conditions if False in condition.values}
        shown = [_ticked(item, unticked) for item in shown]
        form = Form(groups, tuple(_unique(shown)), accepted)
        self._check(form)
        return form

    def _error(self, text: str) -> DefinitionError:
        return DefinitionError(f"the form of {self.connector.name!r}: {text}")

    def _groups(self, shown: Sequence[Field]) -> tuple[Group, ...]:
        used = dict.fromkeys(item.group for item in shown)
        groups = list(self.connector.groups)
        declared = {group.id for group in groups}
        for known in (DEFAULT_GROUP, OPERATION_GROUP, CONNECTION_GROUP):
            if known.id in used and known.id not in declared:
                groups.insert(0, known)
                declared.add(known.id)
        for name in used:
            if name not in declared:
                raise self._error(f"a field is in the group {name!r}, which is not declared; add Group({name!r}, ...)")
        for group in groups:
            if group.id not in used:
                raise self._error(f"no field is in the group {group.id!r}; remove it, or name it in a field's Hint")
        return tuple(groups)

    def _check(self, form: Form) -> None:
        seen: set[str] = set()
        for item in form.fields:
            if not WIRE_NAME.match(item.path):
                raise self._error(
                    f"the name {item.path!r} must be letters, digits and underscores, parts joined by dots"
                )
            for condition in item.conditions:
                if condition.field not in seen:
                    raise self._error(
                        f"{item.path} depends on {condition.field}, which comes later in the form; move it up, "
                        "or its group before the other"
                    )
            seen.add(item.id)

    def _walk(self, model: type[BaseModel], place: _Place, *, without: str | None = None) -> None:
        """Adds the fields of a model, except the one that tells the member of a union."""
        for name, info in described_fields(model).items():
            if name != without:
                self._field(name, info, place)

    def _field(self, name: str, info: FieldInfo, place: _Place) -> None:
        hint = hint_of(info)
        conditions = place.conditions if hint.when is None else self._when(hint.when, place)
        if self.connector.protocols and is_hidden(hint.provider):
            conditions = (*conditions, _HERE)
        inside = place.inside(info, name, hint, conditions)
        kinds = [kind for kind in leaf_types(info.annotation) if kind is not type(None)]
        models = [kind for kind in kinds if is_model(kind)]
        discriminator = discriminator_of(info.annotation, info)
        if inside.hidden:  # one line on the page is enough for what no form shows
            self._add(_simple(name, info, hint, inside, kinds, required=False), inside)
        elif discriminator is not None and len(models) == len(kinds):
            self._union(
                models,
                discriminator,
                inside,
                default=getattr(_default(info), discriminator, None),
                label=hint.label or label_of(name),
                description=info.description or "",
                hint=hint,
            )
        elif len(kinds) == 1 and models:
            self._walk(models[0], inside)
        else:
            self._add(
                _simple(name, info, hint, inside, kinds, required=info.is_required() and not place.optional), inside
            )

        if self.connector.protocols and hint.provider == "url" and not inside.hidden:
            self.fields.append(_path_of(self.fields[-1]))

    def _add(self, item: Field, place: _Place) -> None:
        """Adds a field, or widens the condition of one that is the same for another member of the union."""
        for position, other in enumerate(self.fields):
            merged = _merged(other, item) if other.path == item.path else None
            if merged is not None:
                self.fields[position] = merged
                names = self.by_name.setdefault(place.names, [])
                names[:] = [merged if known is other else known for known in names]
                return
        if any(other.path == item.path and other.id == item.id for other in self.fields):
            suffix = "_".join(str(value) for condition in item.conditions[-1:] for value in condition.values)
            item = replace(item, id=f"{item.path}:{suffix}")
        self.fields.append(item)
        self.by_name.setdefault(place.names, []).append(item)

    def _merge_again(self) -> None:
        """Merges what differed in two conditions until one of them was widened, as in a union that members share."""
        position = 0
        while position < len(self.fields):
            one = self.fields[position]
            for later, other in enumerate(self.fields[position + 1 :], position + 1):
                merged = _merged(one, other) if other.path == one.path else None
                if merged is not None:
                    self.fields[position] = merged
                    del self.fields[later]
                    for names in self.by_name.values():
                        names[:] = [merged if known is one else known for known in names if known is not other]
                    position = -1
                    break
            position += 1

    def _when(self, when: When, place: _Place) -> tuple[Condition, ...]:
        """Returns the condition that a hint names, with those of the field that it depends on."""
        sibling = _joined(place.names, when.field)
        others = self.by_name.get(sibling) or self.by_name.get(when.field) or []
        known = {condition.field for condition in place.conditions}
        fitting = [item for item in others if set(place.conditions) <= set(item.conditions)] or others
        if not fitting:
            raise self._error(
                f"a condition names {when.field!r}, but no field of that name comes before it; use the Python name of "
                "an earlier field of the same model, or the dotted name from the top"
            )
        other = fitting[-1]
        values: tuple[str | bool, ...] = when.values
        if other.kind == "flag":
            values = tuple(value == "true" for value in when.values)
        inherited = tuple(condition for condition in other.conditions if condition.field not in known)
        return (*place.conditions, *inherited, Condition(other.id, values))

    def _union(
        self,
        models: Sequence[type[BaseModel]],
        discriminator: str,
        place: _Place,
        *,
        default: Any,
        label: str,
        description: str,
        hint: Hint | None = None,
    ) -> None:
        """Adds the dropdown that chooses a member, then each member's fields, shown once it is chosen."""
        top = not place.path
        tags = {model: described_fields(model)[discriminator] for model in models}
        tag_hint = next((own for own in map(hint_of, tags.values()) if own != Hint()), Hint())
        labels = hint.choices if hint else {}
        choices = [choice for model, info in tags.items() for choice in _member_choices(model, info, labels)]
        description = description or next((info.description for info in tags.values() if info.description), "")
        first = models[0].model_fields[discriminator]
        path = _joined(place.path, first.alias or discriminator)
        start = (hint.form_default if hint else None) or tag_hint.form_default or default
        selector = Field(
            id=path,
            path=path,
            label=tag_hint.label or label,
            kind="choice" if len(choices) > 1 else "fixed",
            type_name="one of " + ", ".join(f"`{choice.value}`" for choice in choices),
            group=tag_hint.group or place.group or DEFAULT_GROUP.id,
            required=default is None and not place.optional,
            description=description,
            default=default,
            start=choices[0].value if start is None and (top or len(choices) == 1) else start,
            choices=tuple(choices),
            conditions=place.conditions,
            hidden=place.hidden,
            tooltip=tag_hint.tooltip or (hint.tooltip if hint else None),
        )
        self._add(selector, replace(place, names=_joined(place.names, discriminator)))
        offered = {choice.value for choice in choices}
        for model, info in tags.items():
            values = _tag_values(info)
            is_offered = not offered.isdisjoint(values)
            chosen = (Condition(path, values),) if is_offered and len(choices) > 1 else ()
            below = replace(
                place,
                conditions=(*place.conditions, *chosen),
                group=None if top else place.group,
                hidden=place.hidden or not is_offered,
            )
            self._walk(model, below, without=discriminator)
        self._merge_again()
        if len(choices) > 1:
            self.fields = [_without_always(item, path, offered) for item in self.fields]
            self.by_name = {
                name: [_without_always(item, path, offered) for item in items] for name, items in self.by_name.items()
            }


def _path_of(address: Field) -> Field:
    """Returns the same input again, as a path below the provider's address."""
    return replace(
        address,
        id=f"{address.path}:path",
        label="Path",
        required=False,
        format=None,
        description="Appended to the provider's address; `${name}` is replaced by a value from above, encoded.",
        tooltip=None,
        conditions=tuple(_BY_PROVIDER if condition == _HERE else condition for condition in address.conditions),
        secrets=False,
        placeholder="orders/${orderId}",
        example=None,
    )


def _ticked(item: Field, unticked: set[str]) -> Field:
    """Makes a box that starts empty write nothing, unless its `false` is required or a condition looks at it."""
    if item.kind == "flag" and not item.start:
        return replace(item, start=False if item.required or item.id in unticked else None)
    return item


def _without_always(item: Field, selector: str, offered: set[str]) -> Field:
    """Drops a condition that holds for every choice: what all members share is always shown."""
    remaining = tuple(
        condition
        for condition in item.conditions
        if not (condition.field == selector and offered <= {str(value) for value in condition.values})
    )
    return item if remaining == item.conditions else replace(item, conditions=remaining)


def _merged(one: Field, other: Field) -> Field | None:
    """Merges two fields that differ only in the values of one condition; returns None if they differ in more."""
    if replace(one, id="", conditions=()) != replace(other, id="", conditions=()):
        return None
    if len(one.conditions) != len(other.conditions):
        return None
    if [condition.field for condition in one.conditions] != [condition.field for condition in other.conditions]:
        return None
    different = [
        at for at, (a, b) in enumerate(zip(one.conditions, other.conditions, strict=True)) if a.values != b.values
    ]
    if len(different) > 1:
        return None
    conditions = list(one.conditions)
    for at in different:
        values = dict.fromkeys((*one.conditions[at].values, *other.conditions[at].values))
        conditions[at] = Condition(one.conditions[at].field, tuple(values))
    return replace(one, conditions=tuple(conditions))


def _unique(fields: Iterable[Field]) -> Iterator[Field]:
    """Yields the fields; the later of two with the same id (same name, other meaning) gets a number."""
    seen: dict[str, int] = {}
    for item in fields:
        seen[item.id] = seen.get(item.id, 0) + 1
        yield item if seen[item.id] == 1 else replace(item, id=f"{item.id}:{seen[item.id]}")


def _simple(name: str, info: FieldInfo, hint: Hint, place: _Place, kinds: Sequence[Any], *, required: bool) -> Field:
    """Returns a field that holds one value."""
    kind, type_name = kind_of(kinds)
    choices = tuple(
        Choice(value, hint.choices.get(value) or humanised(value)) for leaf in kinds for value in choice_values(leaf)
    )
    default = _json(_default(info))
    start = default if hint.form_default is None else _typed(hint.form_default, kind)
    if kind == "fixed":
        start = choices[0].value
    is_secret = Secret in kinds
    if start in ([], {}):
        start = None
    return Field(
        id=place.path,
        path=place.path,
        label=hint.label or label_of(name),
        kind=kind,
        type_name=type_name,
        group=place.group or DEFAULT_GROUP.id,
        required=required,
        description=info.description or "",
        default=default,
        start=start,
        choices=choices,
        feel=None if hint.feel == "none" else hint.feel or feel_of(kind),
        conditions=place.conditions,
        secret=is_secret,
        secrets=is_secret or (place.secrets and kind not in {"choice", "fixed", "flag"}),
        hidden=place.hidden,
        several_lines=hint.text or (kind == "any" and hint.feel != "required"),
        language=hint.language,
        placeholder=hint.placeholder or ("{{secrets.NAME}}" if is_secret else None),
        tooltip=hint.tooltip,
        example=hint.example,
        min_length=_constraint(info, "min_length"),
        max_length=_constraint(info, "max_length"),
        format=next((item for item in info.metadata if isinstance(item, Format)), None),
    )


def _default(info: FieldInfo) -> Any:
    value = info.get_default(call_default_factory=True, validated_data={})
    return None if value is PydanticUndefined else value


def _json(value: Any) -> Any:
    """Returns a default as JSON; None if it has no short form."""
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict) and all(isinstance(item, str | int | float | bool) for item in value.values()):
        return dict(value)
    if isinstance(value, list | tuple | set | frozenset) and all(isinstance(item, str | int | float) for item in value):
        return list(value)
    return None


def _typed(text: str, kind: Kind) -> Any:
    """Converts the hint's start value, which is text, to the control's type."""
    if kind == "flag":
        return text.casefold() == "true"
    if kind == "number" and not text.startswith("="):
        return float(text) if "." in text else int(text)
    return text


def _constraint(info: FieldInfo, name: str) -> int | None:
    return next((value for item in info.metadata if isinstance(value := getattr(item, name, None), int)), None)


def _joined(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _tag_values(info: FieldInfo) -> tuple[str, ...]:
    """Returns the values of a union's discriminator that mean one member."""
    return tuple(str(value) for value in get_args(info.annotation))


def _member_choices(model: type[BaseModel], info: FieldInfo, labels: Mapping[str, str]) -> list[Choice]:
    """Returns what the form offers for a member of a union; nothing for a hidden one."""
    own = hint_of(info)
    if own.hidden:
        return []
    labels = {**labels, **own.choices}
    values = _tag_values(info)
    return [Choice(value, labels.get(value) or _member_label(model, value, values)) for value in values]


def _member_label(model: type[BaseModel], value: str, values: Sequence[str]) -> str:
    """Returns a union member's name in the dropdown: its docstring if that is short, else its value."""
    text = (model.__dict__.get("__doc__") or "").strip().partition("\n")[0].rstrip(".")
    if len(values) == 1 and 0 < len(text) <= 50 and issubclass(model, Model):
        return text.replace("`", "")
    return humanised(value)
