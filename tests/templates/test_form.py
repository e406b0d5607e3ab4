import re
from typing import Annotated, Literal

import pytest
from pydantic import Field, create_model

from zeebe_connectors import Context, Group, Hint, Model, When, outbound
from zeebe_connectors.sdk.connector import DefinitionError
from zeebe_connectors.templates.form import Choice, Condition, form_of
from zeebe_connectors.templates.kinds import humanised, label_of


def described(model, groups=()):
    async def call(given: model, context: Context) -> None:
        """Does it."""

    return outbound("case", title="Case", type="case", groups=groups)(call)


def by_path(form):
    return {item.path: item for item in form.fields}


def test_a_field_takes_wire_name_label_and_default_from_the_model(order):
    port = by_path(form_of(order))["port"]
    assert (
        port.id,
        port.label,
        port.kind,
        port.type_name,
        port.default,
        port.required,
    ) == ("port", "Port", "number", "whole number", 443, False)


def test_fields_stand_in_the_order_of_their_groups(order):
    form = form_of(order)
    order_of_groups = [item.group for item in form.fields]
    assert list(dict.fromkeys(order_of_groups)) == ["server", "authentication", "payload"]
    assert order_of_groups == sorted(order_of_groups, key=["server", "authentication", "payload"].index)


def test_a_union_becomes_a_dropdown_named_by_its_members_docstrings(order):
    scheme = by_path(form_of(order))["authentication.type"]
    assert (scheme.label, scheme.kind, scheme.start) == ("Scheme", "choice", "none")
    assert (
        Choice("none", "None"),
        Choice("basic", "User name and password"),
        Choice("digest", "Digest"),
        Choice("key", "API key"),
    ) == scheme.choices


def test_what_two_members_share_stands_once_and_is_shown_for_both(order):
    names = [item for item in form_of(order).fields if item.path == "authentication.username"]
    assert len(names) == 1
    assert (Condition("authentication.type", ("basic", "digest")),) == names[0].conditions


def test_conditions_of_nested_unions_all_hold(order):
    parameter = by_path(form_of(order))["authentication.place.parameter"]
    assert (
        Condition("authentication.type", ("key",)),
        Condition("authentication.place.where", ("query",)),
    ) == parameter.conditions


def test_fields_of_an_optional_model_are_not_required(order):
    certificate = by_path(form_of(order))["tls.certificate"]
    assert (certificate.required, certificate.group, certificate.several_lines) == (False, "server", True)


def test_a_condition_on_a_truth_value_is_a_truth_value(order):
    assert (Condition("strict", (True,)),) == by_path(form_of(order))["reason"].conditions


def test_a_box_that_starts_empty_writes_nothing(order):
    form = by_path(form_of(order))
    assert (form["dryRun"].start, form["strict"].start) == (None, True)


def test_the_forms_start_may_differ_from_the_models_default(order):
    seconds = by_path(form_of(order))["seconds"]
    assert (seconds.start, seconds.default) == (2.5, 20)


def test_a_hidden_field_is_accepted_but_not_shown(order):
    form = form_of(order)
    assert [item.path for item in form.accepted] == ["legacy"]
    assert "legacy" not in by_path(form)


def test_operations_come_first_and_a_hidden_one_is_not_offered(files):
    form = form_of(files)
    assert [group.id for group in form.groups] == ["operation", "input"]
    assert [choice.value for choice in form.fields[0].choices] == ["get", "put", "quit"]


def test_a_name_that_operations_use_differently_gets_ids_of_its_own(files):
    ids = [item.id for item in form_of(files).fields]
    assert len(ids) == len(set(ids))
    assert (Condition("operation", ("get", "quit")),) == by_path(form_of(files))["folder"].conditions


def test_same_name_of_different_meaning_stands_twice():
    class One(Model):
        kind: Literal["one"] = "one"
        value: int

    class Two(Model):
        kind: Literal["two"] = "two"
        value: str

    union = Annotated[One | Two, Field(discriminator="kind")]
    model = create_model("Both", __base__=Model, chosen=(union, ...))
    ids = {item.id: item.conditions for item in form_of(described(model)).fields}
    assert {
        "chosen.kind": (),
        "chosen.value": (Condition("chosen.kind", ("one",)),),
        "chosen.value:two": (Condition("chosen.kind", ("two",)),),
    } == ids


class Late(Model):
    early: Annotated[str, Hint(when=When("late", ("a",)))]
    late: str


class Crossed(Model):
    first: Annotated[str, Hint(group="two")]
    second: Annotated[str, Hint(group="one", when=When("first", ("a",)))]


class Grouped(Model):
    field: Annotated[str, Hint(group="other")]


@pytest.mark.parametrize(
    ("model", "groups", "message"),
    [
        (Late, (), "names 'late', but no field of that name comes before it"),
        (Crossed, (Group("one", "One"), Group("two", "Two")), "second depends on first, which comes later"),
        (Grouped, (), "group 'other', which is not declared; add Group('other'"),
        (Grouped, (Group("other", "Other"), Group("empty", "Empty")), "no field is in the group 'empty'"),
    ],
)
def test_an_author_learns_what_is_wrong_with_a_form(model, groups, message):
    with pytest.raises(DefinitionError, match=re.escape(message)):
        form_of(described(model, groups))


@pytest.mark.parametrize(
    ("value", "label"),
    [("GET", "GET"), ("lowPriority", "Low priority"), ("low-priority", "Low priority"), ("none", "None")],
)
def test_a_choice_without_a_label_is_humanised(value, label):
    assert label == humanised(value)


@pytest.mark.parametrize(
    ("name", "label"), [("read_timeout", "Read timeout"), ("url", "URL"), ("smtp_host", "SMTP host")]
)
def test_a_label_is_made_of_the_fields_name(name, label):
    assert label == label_of(name)


def test_a_union_that_the_members_of_another_share_stands_once():
    """Its fields are shown under two conditions each; a field of two of its members differs in both for a while."""

    class Simple(Model):
        """Password."""

        type: Literal["simple"]
        password: str

    class Client(Model):
        """Client."""

        type: Literal["client"]
        endpoint: str

    class Refresh(Model):
        """Refresh."""

        type: Literal["refresh"]
        endpoint: str

    login = Annotated[Simple | Client | Refresh, Field(discriminator="type")]

    def operation(value):
        return create_model(f"Op{value}", __base__=Model, kind=(Literal[value], ...), login=(login, ...))

    first, second, third = (operation(value) for value in ("one", "two", "three"))
    form = form_of(described(Annotated[first | second | third, Field(discriminator="kind")]))
    assert [item.path for item in form.fields] == ["kind", "login.type", "login.password", "login.endpoint"]
    fields = by_path(form)
    assert fields["login.type"].conditions == ()
    assert fields["login.endpoint"].conditions == (Condition("login.type", ("client", "refresh")),)
