"""Collect FEEL's built-in functions: their declarations, by name.

To add one, write a Python function in the module of its topic and declare it with `@builtin`: the signature as FEEL's
users read it, a line that explains it, and examples, which are run as tests. The rest follows from that: the checks
of argument types, calls with names, the page of functions in the documentation.
"""

from zeebe_connectors.feel.builtins import (
    boolean,
    context,
    conversion,
    listing,
    numeric,
    ranges,
    string,
    temporal,
)
from zeebe_connectors.feel.builtins.declare import Builtin, all_builtins, overloads

TOPICS = (conversion, boolean, string, numeric, listing, context, temporal, ranges)
"""The modules, in the order of the documentation."""

__all__ = ["TOPICS", "Builtin", "all_builtins", "overloads"]
