"""Warn, once per element, of expressions that are silently null, as in the official runtime.

Error expressions see the variables that `resultVariable` and `resultExpression` made, and the whole result only if
there are neither: otherwise one on `response.body` is null. So is one that calls a function by a wrong name or with
wrong arguments, such as `bpmnError(code: "x")`, or compares the error's code with a number.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from zeebe_connectors import feel
from zeebe_connectors.feel import tree
from zeebe_connectors.runtime.expressions import ERROR_EXPRESSION
from zeebe_connectors.sdk.context import Job

_MAX_WARNED = 10_000
_CACHED_EXPRESSIONS = 512
_RESPONSE = "response"
_log = logging.getLogger("zeebe_connectors.jobs")


class ExpressionWarnings:
    """Remembers the elements it has warned about; one instance for each connector of a runtime."""

    def __init__(self) -> None:
        self._warned: OrderedDict[tuple[str, str, str], None] = OrderedDict()

    def of_response(self, job: Job, expression: str, variables: Mapping[str, Any]) -> None:
        """Logs one line for an element whose error expression cannot see what it reads.

        Args:
            job: Its element is warned about.
            expression: Its error expression, without the `=`.
            variables: The variables that the result was mapped to; empty if the expression sees the whole result.
        """
        if not variables or _RESPONSE not in expression:
            return
        missing = [name for name in _requested(expression) if name not in variables]
        if missing and self._is_new(job, _RESPONSE):
            _log.warning(
                "%s of element %s in process %s reads response.%s, but sees only the mapped variables (%s): it is "
                "null. Map it in the result expression too, or leave out result variable and result expression",
                ERROR_EXPRESSION,
                job.element_id,
                job.bpmn_process_id,
                missing[0],
                ", ".join(variables),
            )

    def of_calls(self, job: Job, doubts: Sequence[str]) -> None:
        """Logs one line for an element with expressions of which a part has no value.

        Args:
            job: Its element is warned about.
            doubts: See `ResultMapping.check`.
        """
        if doubts and self._is_new(job, "calls"):
            _log.warning(
                "A part of the expressions of element %s in process %s is always null. %s",
                job.element_id,
                job.bpmn_process_id,
                "; ".join(doubts),
            )

    def _is_new(self, job: Job, what: str) -> bool:
        key = (job.bpmn_process_id, job.element_id, what)
        if key in self._warned:
            return False
        self._warned[key] = None
        if len(self._warned) > _MAX_WARNED:
            self._warned.popitem(last=False)
        return True


@lru_cache(maxsize=_CACHED_EXPRESSIONS)
def _requested(expression: str) -> tuple[str, ...]:
    """Returns the entries of `response` that an expression reads."""
    try:
        nodes = tree.walk(feel.compile(expression).tree)
        names = [node.names for node in nodes if isinstance(node, tree.Ref)]
    except feel.FeelError:
        return ()
    return tuple(dict.fromkeys(name[1] for name in names if len(name) > 1 and name[0] == _RESPONSE))
