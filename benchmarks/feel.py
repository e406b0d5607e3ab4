"""Measures FEEL beside plain Python that does the same: `python benchmarks/feel.py`.

For each expression: microseconds to parse and compile it, to evaluate it once it is compiled, and for Python to do the
same by hand. The best of several rounds counts, since other work on the machine only makes a round slower. It ends with
1 if one of the first four takes longer than we promise, with `--check`.
"""

from __future__ import annotations

import sys
import timeit
from collections.abc import Callable
from typing import Any

from zeebe_connectors import feel
from zeebe_connectors.feel.expression import new_program
from zeebe_connectors.feel.limits import DEFAULT_LIMITS

EVALUATION_US, COMPILATION_US = 8.0, 400.0
ROUNDS = 7

VARIABLES: dict[str, Any] = {
    "response": {
        "status": 200,
        "body": {
            "id": 7,
            "items": [
                {"name": "pen", "price": 5},
                {"name": "book", "price": 15},
                {"name": "lamp", "price": 25},
                {"name": "cup", "price": 7},
                {"name": "chair", "price": 31},
            ],
        },
    },
    "error": {"code": "404", "message": "Not Found"},
    "orderNumber": 12,
}


def body() -> dict[str, Any]:
    return VARIABLES["response"]["body"]


# The first four are typical of result and error expressions.
MEASURED: tuple[tuple[str, Callable[[], Any]], ...] = (
    ("response.body.id", lambda: VARIABLES["response"]["body"]["id"]),
    (
        "{orderId: response.body.id, total: sum(response.body.items.price)}",
        lambda: {"orderId": body()["id"], "total": sum(item["price"] for item in body()["items"])},
    ),
    (
        'if error.code = "404" then {errorType: "NOT_FOUND", message: error.message} else null',
        lambda: (
            {"errorType": "NOT_FOUND", "message": VARIABLES["error"]["message"]}
            if VARIABLES["error"]["code"] == "404"
            else None
        ),
    ),
    ("response.body.items[price > 10].name", lambda: [item["name"] for item in body()["items"] if item["price"] > 10]),
    ('"order-" + string(orderNumber)', lambda: "order-" + str(VARIABLES["orderNumber"])),
    ("some i in response.body.items satisfies i.price > 30", lambda: any(i["price"] > 30 for i in body()["items"])),
    (
        "for i in response.body.items return {name: i.name, gross: i.price * 2}",
        lambda: [{"name": i["name"], "gross": i["price"] * 2} for i in body()["items"]],
    ),
    (
        'response.status >= 200 and response.status < 300 and not(contains(error.message, "x"))',
        lambda: 200 <= VARIABLES["response"]["status"] < 300 and "x" not in VARIABLES["error"]["message"],
    ),
)


def microseconds(call: Callable[[], Any], number: int) -> float:
    return min(timeit.repeat(call, number=number, repeat=ROUNDS)) / number * 1e6


def main() -> int:
    slow = 0
    print(f"{'compile':>9} {'evaluate':>9} {'Python':>9} {'ratio':>6}  microseconds")
    for index, (text, by_hand) in enumerate(MEASURED):
        expression = feel.compile(text)
        if expression.evaluate(VARIABLES) != by_hand():
            raise SystemExit(f"{text}: {expression.evaluate(VARIABLES)!r} is not what Python gives")
        compiling = microseconds(lambda text=text: new_program(text, DEFAULT_LIMITS), 200)
        evaluating = microseconds(lambda run=expression.run: run(VARIABLES), 5_000)
        python = microseconds(by_hand, 20_000)
        too_slow = index < 4 and (evaluating > EVALUATION_US or compiling > COMPILATION_US)
        slow += too_slow
        mark = "  too slow" if too_slow else ""
        print(f"{compiling:9.1f} {evaluating:9.2f} {python:9.2f} {evaluating / python:6.1f}  {text}{mark}")
    print(f"promised for the first four: {COMPILATION_US:g} to compile, {EVALUATION_US:g} to evaluate")
    return 1 if slow and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
