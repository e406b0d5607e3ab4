"""Evaluate FEEL, the expression language of Camunda 8, as the cluster's engine does.

    feel.evaluate("order.total > 100", {"order": {"total": 120}})     # True

    expression = feel.compile("response.body.items[price > 10].name")  # once, for many evaluations
    value, warnings = expression.run({"response": response})

Values are plain Python: None, bool, int, float, Decimal, str, list, dict and the `datetime` types. Durations are
`YearsMonths` and `DaysTime`, and what `datetime` can't hold (a time in a zone, nanoseconds, years beyond 9999) is
`Date`, `Time` or `DateTime`; `str()` of these is ISO text. `to_json` turns any value into JSON types.
"""

from zeebe_connectors.feel.cluster import CLUSTER_FUNCTIONS
from zeebe_connectors.feel.errors import (
    EvaluationWarning,
    FeelError,
    FeelEvaluationError,
    FeelLimitError,
    FeelSyntaxError,
)
from zeebe_connectors.feel.expression import (
    Expression,
    Result,
    UnaryTests,
    compile,  # noqa: A004 - feel.compile, like re.compile
    evaluate,
    evaluate_unary,
    parse_unary,
    strip_marker,
    value_of,
)
from zeebe_connectors.feel.limits import QUICK_LIMITS, Limits
from zeebe_connectors.feel.offload import offload
from zeebe_connectors.feel.temporal import Date, DateTime, DaysTime, Time, YearsMonths, make_temporal
from zeebe_connectors.feel.values import Function, HostFunction, HostFunctions, Range, to_json

__all__ = [
    "CLUSTER_FUNCTIONS",
    "QUICK_LIMITS",
    "Date",
    "DateTime",
    "DaysTime",
    "EvaluationWarning",
    "Expression",
    "FeelError",
    "FeelEvaluationError",
    "FeelLimitError",
    "FeelSyntaxError",
    "Function",
    "HostFunction",
    "HostFunctions",
    "Limits",
    "Range",
    "Result",
    "Time",
    "UnaryTests",
    "YearsMonths",
    "compile",
    "evaluate",
    "evaluate_unary",
    "make_temporal",
    "offload",
    "parse_unary",
    "strip_marker",
    "to_json",
    "value_of",
]
