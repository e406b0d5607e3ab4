"""Describes input fields: hints for forms, secrets, and validation with one teachable error.

A connector's inputs are one `Model`. Its field types and defaults give validation, its docstrings give the
descriptions and its `Hint`s the form. Wire names are camelCase (`read_timeout` is `readTimeout` in the diagram).
Binding is as lenient as the official runtime's, because templates send text for numbers, empty text for what was left
out and one value where a list is meant.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import types
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, Literal, Self, TypeVar, Union, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, TypeAdapter, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

from zeebe_connectors.sdk.errors import InputError

_FINGERPRINT_KEY = secrets.token_bytes(32)  # per process: a fingerprint cannot be looked up or compared elsewhere


@dataclass(frozen=True, slots=True)
class When:
    """A field is shown only while another has one of these values.

    Args:
        field: Python name of a field of the same model (or dotted from the top).
        values: The values that show it.
    """

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hint:
    """How one input field looks in the Modeler and on the page; validation comes from the type.

    Args:
        group: Id of the group in the form; a nested model's fields inherit its field's group.
        label: Short name in the form; derived from the field name when left out.
        feel: Whether the Modeler offers (`optional`), demands (`required`), statically types (`static`) or does not
            offer (`none`) a FEEL expression; derived from the type when left out.
        text: Several lines.
        placeholder: Grey example inside the empty field.
        tooltip: Longer help behind the field's name.
        choices: Label of each allowed value, for a `Literal` field.
        when: Condition under which the field is shown.
        secrets: `{{secrets.NAME}}` placeholders resolve in this field (and all below it) although the diagram is not
            known. A `Secret` always does. `whole`: only as the whole value; for every URL, host and port, where text
            from outside could otherwise have a secret sent to an address of its choice.
        hidden: Not in the form (accepted from other templates only).
        form_default: Text that the form starts with, when it is to differ from the model's default.
        language: Editor language of a text field, such as `json`.
        example: Value shown on the page and used to try the template; must be valid.
        setting: Name of a setting by which the operator decides for all tasks that do not give this (top-level) input.
        provider: Dotted place in a provider's environment from which the input is filled when the task names one:
            `url`, `host`, `port`, `security`, `protocol`, `authentication` or a part of it, `tls` or a part of it. What
            stands under `options.` is a default; everything else is the provider's alone.
    """

    group: str | None = None
    label: str | None = None
    feel: Literal["optional", "required", "static", "none"] | None = None
    text: bool = False
    placeholder: str | None = None
    tooltip: str | None = None
    choices: Mapping[str, str] = field(default_factory=dict)
    when: When | None = None
    secrets: bool | Literal["whole"] = False
    hidden: bool = False
    form_default: str | None = None
    language: str | None = None
    example: Any = None
    setting: str = ""
    provider: str = ""


@dataclass(frozen=True, slots=True)
class Format:
    """What a field's text looks like, for the form, which marks what does not; stands beside the type.

    Args:
        pattern: A regular expression for the whole text, which browsers and Python read alike.
        message: What the form says of other text.
    """

    pattern: str
    message: str


URL = Format(r"\s*[hH][tT][tT][pP][sS]?://\S[\s\S]*", "must begin with http:// or https://")
DURATION = Format(
    r"\s*[pP](?=\d|[tT]\d)(\d+[dD])?([tT](?=\d)(\d+[hH])?(\d+[mM])?(\d+(\.\d+)?[sS])?)?\s*",
    "must be an ISO 8601 duration such as PT30S, PT5M or P1D",
)


class Secret:
    """A value that is never printed: `repr`, `str` and formatting show `***`.

    Use `reveal()` at the last moment. Two secrets are equal when their values are; a secret never equals plain text.
    """

    __slots__ = ("_digest", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        self._digest: bytes | None = None

    def reveal(self) -> str:
        """The value itself, for the call that needs it."""
        return self._value

    def fingerprint(self) -> bytes:
        """A keyed digest, equal for equal values within this process; safe to keep in a cache key."""
        if self._digest is None:  # a key of the client cache is hashed several times for each job
            self._digest = hmac.digest(_FINGERPRINT_KEY, self._value.encode(), hashlib.sha256)
        return self._digest

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self.fingerprint())

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    @classmethod
    def _from_text(cls, value: str, info: core_schema.ValidationInfo) -> Self:
        if info.context is not None:
            info.context(value)
        return cls(value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Accepts text or a number; gives a `Secret`. A validation context, if given, is called with each value."""
        text = core_schema.str_schema(coerce_numbers_to_str=True)
        from_text = core_schema.with_info_after_validator_function(cls._from_text, text)
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), from_text]),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda _: "***"),
        )


class Model(BaseModel):
    """Inputs or outputs of a connector; subclass it and write fields with docstrings below them."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
        extra="ignore",
        hide_input_in_errors=True,
        coerce_numbers_to_str=True,
        frozen=True,
    )

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """What is printed: nothing of a field where a secret may stand."""
        fields = type(self).model_fields
        for name, value in super().__repr_args__():
            yield name, _Hidden() if name in fields and hint_of(fields[name]).secrets else value

    @model_validator(mode="before")
    @classmethod
    def _lenient(cls, data: Any) -> Any:
        """Puts right what forms send for "nothing", truth values, choices and single-element lists."""
        if not isinstance(data, dict):
            return data
        mended = data
        for wire_names, mend in _mending(cls):
            for wire_name in wire_names:
                if wire_name in data:
                    value = data[wire_name]
                    new = mend(value)
                    if new is not value:
                        if mended is data:
                            mended = dict(data)
                        if new is _ABSENT:
                            del mended[wire_name]
                        else:
                            mended[wire_name] = new
        return mended


class _Hidden:
    """Stands for a value that is not printed."""

    def __repr__(self) -> str:
        return "***"


_ABSENT = object()
_TRUTH = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}


@dataclass(frozen=True, slots=True)
class _Mend:
    """Puts one field's raw value right, by what the field's type allows."""

    optional: bool
    accepts_none: bool
    is_flag: bool
    is_list: bool
    choices: Mapping[str, Any]
    drops_empty: bool = False
    """Whether a list's items that are null or empty text count as left out."""
    tag: str | None = None
    """The field that tells which member of a union is meant; then `choices` are its values."""

    def __call__(self, value: Any) -> Any:
        if value is None:
            return _ABSENT if self.optional or not self.accepts_none else value
        if isinstance(value, str):
            if not value.strip() and self.optional:
                return _ABSENT
            if self.is_flag:
                return _TRUTH.get(_without_braces(value).strip().casefold(), value)
            if self.choices and self.tag is None:
                return self.choices.get(value.strip().casefold(), value)
        if self.tag is not None and isinstance(value, dict):
            value_of_tag = value.get(self.tag)
            if isinstance(value_of_tag, str) and value_of_tag.strip():
                return {**value, self.tag: self.choices.get(value_of_tag.strip().casefold(), value_of_tag)}
            if (
                _is_empty(value_of_tag)
                and self.optional
                and not any(item not in {None, ""} for item in _scalars(value))
            ):
                return _ABSENT
        return self._listed(value) if self.is_list else value

    def _listed(self, value: Any) -> Any:
        """A list, without the items that count as left out; one value alone becomes a list of it."""
        if not isinstance(value, (list, tuple, set, frozenset)):
            return [value]
        if self.drops_empty and isinstance(value, list) and any(map(_is_empty, value)):
            return [item for item in value if not _is_empty(item)] or (_ABSENT if self.optional else [])
        return value


def _is_empty(item: Any) -> bool:
    return item is None or (isinstance(item, str) and not item.strip())


def _drops_empty(kind: Any) -> bool:
    """Whether a type is a list whose items cannot be null."""
    if (get_origin(kind) or kind) is not list:
        return False
    return not any(item in {Any, type(None)} for argument in get_args(kind) for item in leaf_types(argument))


@cache
def _mending(model: type[Model]) -> list[tuple[tuple[str, ...], _Mend]]:
    """Per field: the names it may come under, and what puts its value right."""
    plan = []
    for name, info in model.model_fields.items():
        kinds = leaf_types(info.annotation)
        tag = info.discriminator if isinstance(info.discriminator, str) else None
        tagged = [kind.model_fields[tag].annotation for kind in kinds if issubclass(kind, BaseModel)] if tag else kinds
        mend = _Mend(
            optional=not info.is_required(),
            accepts_none=type(None) in kinds or info.annotation is Any,
            is_flag=bool in kinds,
            is_list=any((get_origin(kind) or kind) in {list, tuple, set, frozenset} for kind in kinds),
            drops_empty=any(map(_drops_empty, kinds)),
            choices={str(value).casefold(): value for kind in tagged for value in literals(kind)},
            tag=kinds[0].model_fields[tag].alias or tag if tag else None,
        )
        plan.append((tuple(dict.fromkeys((info.alias or name, name))), mend))
    return plan


def _scalars(value: Mapping[str, Any]) -> list[Any]:
    """The values of a context, those that are contexts or lists counted as something."""
    return [item if isinstance(item, str | None) else True for item in value.values()]


def _without_braces(text: str) -> str:
    """`${true}` as older templates send it, without the braces."""
    return text[2:-1] if text.startswith("${") and text.endswith("}") else text


def leaf_types(annotation: Any) -> list[Any]:
    """Gives the members of a (nested, annotated) union, or the type itself."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return leaf_types(get_args(annotation)[0])
    if origin in {Union, types.UnionType}:
        return [leaf for member in get_args(annotation) for leaf in leaf_types(member)]
    return [annotation]


def literals(kind: Any) -> tuple[Any, ...]:
    """The values of a `Literal`; of any other type, none."""
    return get_args(kind) if get_origin(kind) is Literal else ()


ModelT = TypeVar("ModelT")


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def read_input(kind: type[ModelT], data: Mapping[str, Any], *, seen: Callable[[str], None] | None = None) -> ModelT:
    """Validates raw inputs against a model (or a discriminated union of models).

    Args:
        kind: The model.
        data: Values by wire name.
        seen: Called with the value of every `Secret`, so that it can be masked.

    Raises:
        InputError: One line per wrong field: its name in the diagram, what is wrong, what is expected. Values are never
            part of it.
    """
    try:
        return cast("ModelT", _adapter(cast("Hashable", kind)).validate_python(data, context=seen))
    except ValidationError as error:
        raise InputError(explain(error, kind, data)) from None


def explain(error: ValidationError, kind: Any = None, data: Any = None) -> str:
    """Says for people what is wrong with inputs: field, reason and remedy, without any value.

    Args:
        error: What pydantic raised.
        kind: The model that was validated; tells the tags of unions from the names of fields.
        data: What was validated; tells the position that a list's item has there, counted from 1.
    """
    reasons: dict[str, list[str]] = {}
    for item in error.errors(include_url=False, include_context=True, include_input=False):
        path = ".".join(_as_given(_field_path(item["loc"], kind), data)) or "the inputs"
        reason = _reason(item)
        if reason not in reasons.setdefault(path, []):
            reasons[path].append(reason)
    # A list that may also be one text fails as both; what is wrong with an item says it better.
    shown = {
        path: found for path, found in reasons.items() if not any(other.startswith(f"{path}.") for other in reasons)
    }
    lines = [f"{path}: {_either(found)}" for path, found in shown.items()]
    if len(lines) == 1:
        return f"Invalid input: {lines[0]}"
    return "Invalid input:\n" + "\n".join(f" - {line}" for line in lines)


_REASONS = {
    "missing": "is required; fill it in",
    "string_too_short": "must not be empty; fill it in",
    "too_short": "must not be empty; fill it in",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_type": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "string_type": "must be text",
    "is_instance_of": "must be text",
    "list_type": "must be a list",
    "dict_type": "must be a context (key-value pairs), for example ={name: value}",
    "model_attributes_type": "must be a context (key-value pairs)",
    "model_type": "must be a context (key-value pairs)",
    "union_tag_not_found": "is missing the field that tells its kind",
}


def _reason(item: Any) -> str:
    kind = item["type"]
    context = item.get("ctx") or {}
    if kind in {"value_error", "assertion_error"}:
        return str(context.get("error", item["msg"]))
    if kind == "literal_error":
        return f"must be one of {context['expected']}"
    if kind == "union_tag_invalid":
        return f"its field {context['discriminator']} must be one of {context['expected_tags']}"
    if kind == "union_tag_not_found":
        return f"needs the field {context['discriminator']}, which tells its kind"
    known = _REASONS.get(kind)
    if known and not (kind in {"string_too_short", "too_short"} and context.get("min_length", 1) > 1):
        return known
    text: str = item["msg"]
    return text[:1].lower() + text[1:]


def _either(reasons: list[str]) -> str:
    """One reason of the several that the members of a union gave."""
    if len(reasons) == 1 or not all(reason.startswith("must be ") for reason in reasons):
        return "; ".join(reasons)
    *first, last = (reason.removeprefix("must be ") for reason in reasons)
    return f"must be {', '.join(first)} or {last}"


def _as_given(path: list[str | int], data: Any) -> list[str]:
    """A field's path with the positions that its items have in the list that was given, counted from 1."""
    found = []
    for part in path:
        if isinstance(part, str):
            found.append(part)
            data = data.get(part) if isinstance(data, Mapping) else None
        elif isinstance(data, list):
            kept = [index for index, item in enumerate(data) if not _is_empty(item)]
            index = part if len(kept) == len(data) or part >= len(kept) else kept[part]
            found.append(str(index + 1))
            data = data[index] if index < len(data) else None
        elif data is None:
            found.append(str(part + 1))
    return found


_TYPE_TAGS = {"str", "int", "float", "bool", "none"}


def _field_path(location: tuple[int | str, ...], kind: Any) -> list[str | int]:
    """Pydantic's location without the tags of union members, which the modeler does not know."""
    path: list[str | int] = []
    kinds = leaf_types(kind)
    for part in location:
        models = [item for item in kinds if isinstance(item, type) and issubclass(item, BaseModel)]
        fields = [info for model in models for name, info in model.model_fields.items() if part in {info.alias, name}]
        if not fields:
            tags = {value for model in models for info in model.model_fields.values() for value in _tags(info)}
            if part in tags or (isinstance(part, str) and (part in _TYPE_TAGS or part[:1].isupper() or "[" in part)):
                continue
        path.append(part)
        inner = [info.annotation for info in fields] or [arg for item in kinds for arg in get_args(item)]
        kinds = [leaf for annotation in inner for leaf in leaf_types(annotation)]
    return path


def _tags(info: Any) -> list[Any]:
    return [value for leaf in leaf_types(info.annotation) for value in literals(leaf)]


def wire_names(kind: Any) -> list[str]:
    """The top-level variable names that a model, or any member of a union of models, reads."""
    names: dict[str, None] = {}
    for leaf in leaf_types(kind):
        if isinstance(leaf, type) and issubclass(leaf, BaseModel):
            for name, info in leaf.model_fields.items():
                names[info.alias or name] = None
    return list(names)


def settings_of(kind: Any) -> dict[str, tuple[str, Any]]:
    """The inputs for which an operator may decide: wire name -> the setting's name and the field's type."""
    return {
        info.alias or name: (setting, info.annotation)
        for leaf in leaf_types(kind)
        if isinstance(leaf, type) and issubclass(leaf, BaseModel)
        for name, info in leaf.model_fields.items()
        if (setting := hint_of(info).setting)
    }


def hint_of(info: Any) -> Hint:
    """The `Hint` of a pydantic field, or an empty one."""
    return next((item for item in info.metadata if isinstance(item, Hint)), Hint())


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
        """Those parts that take whole values only, for a place that otherwise takes placeholders everywhere."""
        parts = {}
        for name, place in self.below.items():
            inner = place.whole_parts()
            if place.whole or inner:
                parts[name] = SecretPlaces(everywhere=True, whole=place.whole, below=inner)
        return parts

    def at(self, name: str) -> SecretPlaces | None:
        """The place of a part; None where nothing resolves."""
        found = self.below.get(name) or self.below.get("*")
        return found if found is not None else self.item_of_all()

    def item(self) -> SecretPlaces | None:
        """The place of a list's items."""
        return self.below.get("*") or self.item_of_all()

    def item_of_all(self) -> SecretPlaces | None:
        """The place of any part that has none of its own."""
        if not self.everywhere:
            return None
        return SecretPlaces(everywhere=True, whole=self.whole) if self.below else self

    def allows(self, name: str) -> bool:  # noqa: ARG002 - places of diagrams tell secrets apart
        """Whether a secret resolves in a text here."""
        return self.everywhere

    def merged(self, other: SecretPlaces) -> SecretPlaces:
        """Both trees in one."""
        below = dict(self.below)
        for name, place in other.below.items():
            below[name] = below[name].merged(place) if name in below else place
        if self.everywhere or other.everywhere:
            sides = [side for side in (self, other) if side.everywhere]
            parts = SecretPlaces(below=below).whole_parts()
            return SecretPlaces(everywhere=True, whole=all(side.whole for side in sides), below=parts)
        return SecretPlaces(below=below)
