"""Write a connector's reference page: inputs, result, errors and examples."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel

from zeebe_connectors.sdk.annotations import leaf_types
from zeebe_connectors.sdk.connector import Description, Inbound, Outbound
from zeebe_connectors.sdk.docstrings import described_fields
from zeebe_connectors.templates.element_template import templates_of
from zeebe_connectors.templates.form import Condition, Field, Form, form_of
from zeebe_connectors.templates.kinds import type_words

NOTICE = "<!-- Generated from the connector by `make generate`; edit the connector instead. -->"

NOTICE_OF_OTHERS = (
    "<!-- Generated from the connector by `zeebe-connectors template page {name}`; edit the connector instead. -->"
)


def page_of(connector: Description, *, example: str | None = None) -> str:
    """Returns the reference page of a connector.

    Args:
        connector: The connector.
        example: Path of a diagram that uses it, relative to the page.
    """
    form = form_of(connector)
    parts = [
        f"# {connector.title}",
        NOTICE if connector.is_own else NOTICE_OF_OTHERS.format(name=connector.name),
        connector.summary,
        _facts(connector, example),
        connector.details,
        *_inputs(form),
    ]
    if isinstance(connector, Outbound):
        parts += [_output(connector), _expressions(connector)]
    parts += [_errors(connector)]
    if isinstance(connector, Outbound):
        parts += [_try(connector, form)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _facts(connector: Description, example: str | None) -> str:
    rows = [("Name", f"`{connector.name}`")]
    if isinstance(connector, Inbound):
        rows.append(("Inbound type", f"`{connector.type}`"))
    else:
        rows.append(("Job type", f"`{connector.type}`"))
    if isinstance(connector, Outbound) and connector.also:
        rows.append(("Also answers", ", ".join(f"`{kind}`" for kind in connector.also)))
    files = [
        f"[`{name}.json`](../../element-templates/{name}.json)" if connector.is_own else f"`{name}.json`"
        for name in templates_of(connector)
    ]
    if files:
        rows.append(("Element template", "<br>".join(files)))
    if example:
        rows.append(("Example", f"[`{example.rpartition('/')[2]}`]({example})"))
    return table(("", ""), rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a Markdown table; line breaks and bars in its cells are escaped."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _cell(text: str) -> str:
    """Returns text for a table's cell: one line, bars escaped."""
    return " ".join(text.replace("``", "`").split()).replace("|", "\\|")


_HEAD = ("Field", "Input", "Type", "Required", "Default", "Secrets", "Description")


def _inputs(form: Form) -> list[str]:
    parts = ["## Inputs"]
    if any(item.secrets for item in form.fields):
        parts.append(
            "Where the column *Secrets* says yes, `{{secrets.NAME}}` is replaced by the secret of that name if the "
            "diagram's author wrote it there, never in data from outside."
        )
    for group in form.groups:
        parts.append(f"### {group.label}")
        if group.tooltip:
            parts.append(group.tooltip)
        parts.append(table(_HEAD, [_row(item, form) for item in form.of(group.id)]))
    accepted = [item for item in form.accepted if item.kind != "fixed"]
    if accepted:
        parts += [
            "### Accepted as well",
            "No form shows these inputs; diagrams made with other templates send them.",
            table(("Input", "Type", "Description"), [(f"`{i.path}`", i.type_name, i.description) for i in accepted]),
        ]
    return parts


def _row(item: Field, form: Form) -> tuple[str, ...]:
    description = item.description
    if item.choices and any(choice.label.casefold() != choice.value.casefold() for choice in item.choices):
        labels = "; ".join(f"`{choice.value}`: {choice.label}" for choice in item.choices)
        description = f"{_stopped(description)} {labels}." if description else f"{labels}."
    if item.conditions:
        description = f"{_stopped(description)} *Shown when {_when(item.conditions, form)}.*".strip()
    return (
        item.label,
        f"`{item.path}`",
        item.type_name,
        "yes" if item.required else "",
        _shown(item.default),
        "yes" if item.secrets else "",
        description,
    )


def _stopped(text: str) -> str:
    text = text.strip()
    return text if not text or text.endswith((".", "!", "?", ":")) else text + "."


def _when(conditions: Sequence[Condition], form: Form) -> str:
    labels = {item.id: item.label for item in form.fields}
    parts = []
    for condition in conditions:
        values = [("yes" if value else "no") if isinstance(value, bool) else f"`{value}`" for value in condition.values]
        parts.append(f"{labels[condition.field]} is {' or '.join(values)}")
    return " and ".join(parts)


def _shown(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return ""
    return f"`{json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value}`"


def _fields_of(output: Any) -> list[tuple[str, str, str]]:
    rows: dict[str, tuple[str, str, str]] = {}
    for leaf in leaf_types(output):
        if isinstance(leaf, type) and issubclass(leaf, BaseModel):
            for name, info in described_fields(leaf).items():
                wire = info.serialization_alias or info.alias or name
                rows.setdefault(wire, (f"`{wire}`", type_words(info.annotation), info.description or ""))
    return list(rows.values())


def _output(connector: Outbound) -> str:
    rows = _fields_of(connector.output)
    parts = [
        "## Result",
        (
            "*Result variable* takes the whole result; in *Result expression* its fields are available by name, and "
            "the whole as `response`."
        ),
    ]
    if rows:
        parts.append(table(("Field", "Type", "Description"), rows))
    return "\n\n".join(parts)


_WHAT_IS_SEEN = (
    "An error expression is evaluated on success, too. It then sees the variables that result variable and result "
    "expression set, and the same under `response`; only where the task has neither does `response` hold the whole "
    "result. Whatever it decides on must therefore be mapped: with a result variable `r`, a test of "
    "`response.body.status` is null and the job completes; write `r.body.status`, or map `{body: response.body}`."
)


def _expressions(connector: Outbound) -> str:
    fields = [name.strip("`") for name, _, _ in _fields_of(connector.output)]
    result = connector.result_expression or (f"{{{fields[0]}: response.{fields[0]}}}" if fields else "{all: response}")
    codes = list(connector.errors)
    code = next((code for code in codes if code.replace("_", "").isalnum()), "404")
    name = f'"{code}"'
    error = (
        f"=if error.code = {name}\n"
        f" then bpmnError({name}, error.message)\n"
        ' else if job.retries > 1 then jobError(error.message, {}, job.retries - 1, duration("PT1M"))\n'
        " else null"
    )
    return "\n\n".join((
        "### Example expressions",
        "Result expression:",
        f"```feel\n={result.removeprefix('=')}\n```",
        "Error expression: a BPMN error that a boundary event catches, else a minute's wait before the next try:",
        f"```feel\n{error}\n```",
        _WHAT_IS_SEEN,
    ))  # fmt: skip


def _errors(connector: Description) -> str:
    if not connector.errors:
        return ""
    rows = [(f"`{code}`", text) for code, text in connector.errors.items()]
    return "## Error codes\n\n" + table(("`error.code`", "Meaning and remedy"), rows)


def _try(connector: Outbound, form: Form) -> str:
    sample = example_input(form)
    if not sample:
        return ""
    return "\n\n".join((
        "## Try it without an engine",
        f"```console\n$ zeebe-connectors try {connector.name} input.json\n```",
        "with `input.json`:",
        f"```json\n{json.dumps(sample, indent=2, ensure_ascii=False)}\n```",
        *_test(connector),
    ))  # fmt: skip


def _test(connector: Outbound) -> list[str]:
    if connector.test is None:
        return []
    what = (inspect.getdoc(connector.test) or "").partition("\n\n")[0]
    what = what[:1].lower() + what[1:]
    return [f"With `--test` it only tests address and login, as `zeebe-connectors check --connect` does: it {what}"]


def example_input(form: Form) -> dict[str, Any]:
    """Returns an input made of the hints' examples, for the fields that are shown with them; nested as on the wire."""
    chosen: dict[str, Any] = {}
    sample: dict[str, Any] = {}
    for item in form.fields:
        if not all(chosen.get(condition.field) in condition.values for condition in item.conditions):
            continue
        value = item.example if item.example is not None else item.start if item.kind in {"choice", "fixed"} else None
        shown = value if value is not None else item.default
        chosen[item.id] = shown
        if item.example is None and not item.required and not (item.kind == "choice" and item.default != item.start):
            continue
        if value is None and item.required:
            value = placeholder(item)
        if value is not None:
            _put(sample, item.path.split("."), value)
    return sample


def placeholder(item: Field) -> Any:
    """Returns a value of the right kind for a required field without an example."""
    if item.secret:
        return "{{secrets." + item.path.rpartition(".")[2].upper() + "}}"
    return {"number": 1, "flag": False, "list": [], "context": {}}.get(item.kind, item.label)


def _put(into: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for part in path[:-1]:
        into = into.setdefault(part, {})
    into[path[-1]] = value.model_dump(mode="json", by_alias=True) if isinstance(value, BaseModel) else value
