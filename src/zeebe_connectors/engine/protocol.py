"""Load the generated stubs of the gateway's protocol without the rest of pyzeebe.

Importing any module of pyzeebe imports its client, worker and credentials, which a server does not need: a third of the
program's startup time and 10 MiB. The stubs are separate modules, so they are loaded below an empty package of the same
name; pyzeebe itself can still be imported normally, before or after.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

_PACKAGE = "pyzeebe"


def _load() -> tuple[Any, Any]:
    if _PACKAGE in sys.modules:
        return import_module(f"{_PACKAGE}.proto.gateway_pb2"), import_module(f"{_PACKAGE}.proto.gateway_pb2_grpc")
    spec = find_spec(_PACKAGE)
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(f"No module named {_PACKAGE!r}", name=_PACKAGE)
    empty = ModuleType(_PACKAGE)
    empty.__path__ = list(spec.submodule_search_locations)
    sys.modules[_PACKAGE] = empty
    try:
        return import_module(f"{_PACKAGE}.proto.gateway_pb2"), import_module(f"{_PACKAGE}.proto.gateway_pb2_grpc")
    finally:
        del sys.modules[_PACKAGE]


messages, services = _load()
