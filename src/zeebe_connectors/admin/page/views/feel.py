"""Draw the playground for expressions: value, warnings, the place of an error, the effect on a job."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

from zeebe_connectors.admin.access import Refused, Role
from zeebe_connectors.admin.api.feel import Evaluation
from zeebe_connectors.admin.page.visit import Drawn, Visit
from zeebe_connectors.feel.versions import CLUSTERS
from zeebe_connectors.sdk.errors import ConnectorError
from zeebe_connectors.sdk.fields import read_input

MAX_SHOWN = 20_000
"""Maximum characters of a value on the page; the API has all."""
MAX_IN_ADDRESS = 4000
_MAX_SAMPLE = 200_000
_MAIL = """{
  "id": "INBOX/1/4711",
  "subject": "Order 4711",
  "from": {"address": "anna@example.com", "name": "Anna"},
  "text": "Please send ten of them.",
  "attachments": []
}"""
_RESULT = """{
  "status": 200,
  "headers": {"content-type": "application/json"},
  "body": {
    "id": "4711",
    "date": "2026-11-26",
    "items": [{"price": 12.5}, {"price": 7.25}]
  }
}"""
_ERROR = """{
  "type": "io.camunda.connector.api.error.ConnectorException",
  "code": "404",
  "message": "Not Found"
}"""
KINDS = {
    "expression": "Expression",
    "result": "Result expression",
    "error": "Error expression",
    "unary": "Unary tests",
}
"""Kinds of expressions, and their tabs."""
_SAMPLES: Mapping[str, Mapping[str, str]] = {
    "expression": {
        "expression": 'if order.total > 100 then "check" else "pass"',
        "variables": '{\n  "order": {"id": "4711", "total": 120}\n}',
    },
    "result": {
        "expression": "{orderId: response.body.id,\n total: sum(response.body.items.price)}",
        "response": _RESULT,
    },
    "error": {
        "expression": 'if error.code = "404" then bpmnError("ORDER_UNKNOWN", error.message) else null',
        "error": _ERROR,
        "response": "",
        "retries": "3",
    },
    "unary": {"expression": "> 100, [10..20]", "variables": "{}", "input": "15"},
}
"""Initial values of the fields of each kind."""
_JSON_FIELDS = ("variables", "response", "error", "input")


async def ask(visit: Visit) -> Drawn:
    """Draws `/feel`; the address may hold the kind (`as`) and the expression (`e`), never a variable."""
    kind = _kind(visit.query.get("as", ""))
    fields = dict(_SAMPLES[kind])
    if given := visit.query.get("e", "")[:MAX_IN_ADDRESS]:
        fields["expression"] = given
    if kind == "expression" and visit.query.get("with") == "mail":
        fields |= {"variables": f'{{"mail": {_MAIL}}}'} | ({} if given else {"expression": "mail.from.address"})
    return _drawn(visit, kind, fields)


async def evaluate(visit: Visit) -> Drawn:
    """Carries out `POST /feel`."""
    kind = _kind(visit.form.get("kind", [""])[0])
    fields = {name: visit.form.get(name, [""])[0] for name in (*_SAMPLES[kind], "cluster")}
    given: dict[str, Any] = {"kind": kind, "expression": fields["expression"], "cluster": fields["cluster"]}
    for name in _JSON_FIELDS:
        text = fields.get(name, "").strip()
        if not text:
            continue
        try:
            given[name] = await asyncio.to_thread(_json, text)
        except (ValueError, RecursionError) as error:
            wrong = f"This is not JSON: {error}"
            return _drawn(visit, kind, fields, wrong={name: wrong}, status=400)
        if name in {"variables", "error"} and not isinstance(given[name], dict):
            return _drawn(visit, kind, fields, wrong={name: 'It must be a JSON object, such as {"a": 1}'}, status=400)
    if text := fields.get("retries", "").strip():
        if not text.isascii() or not text.isdecimal() or len(text) > 9:
            return _drawn(visit, kind, fields, wrong={"retries": "It must be a whole number"}, status=400)
        given["retries"] = int(text)
    try:
        found = await visit.api.playground.evaluate(read_input(Evaluation, given))
    except (Refused, ConnectorError) as error:
        return _drawn(visit, kind, fields, trouble=str(error), status=getattr(error, "status", 400))
    found["text"] = await asyncio.to_thread(_pretty, found["value"])
    if found["outcome"] and found["outcome"].get("variables"):
        found["variables"] = await asyncio.to_thread(_pretty, found["outcome"]["variables"])
    return _drawn(visit, kind, fields, found=found)


def _drawn(
    visit: Visit,
    kind: str,
    fields: Mapping[str, str],
    *,
    wrong: Mapping[str, str] | None = None,
    trouble: str = "",
    found: Mapping[str, Any] | None = None,
    status: int = 200,
) -> Drawn:
    query = {"as": kind, "e": fields["expression"]}
    values = {
        "kind": kind,
        "kinds": [(name, word, f"/feel?as={name}") for name, word in KINDS.items()],
        "fields": fields,
        "wrong": wrong or {},
        "trouble": trouble,
        "found": found,
        "clusters": CLUSTERS,
        "max_sample": _MAX_SAMPLE,
        "link": "" if len(query["e"]) > MAX_IN_ADDRESS else f"/feel?{urlencode(query, quote_via=quote)}",
        "may": visit.session.role >= Role.MODELER,
    }
    return Drawn("feel.html", values, "feel", status)


def _kind(text: str) -> str:
    return text if text in KINDS else "expression"


def _json(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def _pretty(value: Any) -> str:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return (
        text
        if len(text) <= MAX_SHOWN
        else f"{text[:MAX_SHOWN]}…\n(the first {MAX_SHOWN:,} of {len(text):,} characters)"
    )
