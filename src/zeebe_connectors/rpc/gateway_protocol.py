"""Load the messages of Zeebe's gateway protocol from pyzeebe's wheel, without the rest of it, and list its methods.

Importing `pyzeebe.proto` imports pyzeebe's package as well, whose client, worker and `requests` cost 9 MiB and a tenth
of a second in a process that uses none of them. So the one generated module is loaded by its path.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf.message_factory import GetMessageClass

if TYPE_CHECKING:
    from pyzeebe.proto import gateway_pb2 as pb

__all__ = ["METHODS", "pb"]

_NAME = "pyzeebe.proto.gateway_pb2"


def _load() -> Any:
    if (loaded := sys.modules.get(_NAME)) is not None:
        return loaded
    package = importlib.util.find_spec("pyzeebe")
    if package is None or not package.submodule_search_locations:
        raise ImportError("pyzeebe is not installed, whose messages the gateway needs; install it with pip")
    path = Path(package.submodule_search_locations[0]) / "proto" / "gateway_pb2.py"
    spec = importlib.util.spec_from_file_location(_NAME, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path}: pyzeebe has its messages elsewhere; use pyzeebe 4.7")
    module = importlib.util.module_from_spec(spec)
    # A later import of the whole of pyzeebe finds these same messages.
    sys.modules[_NAME] = module
    spec.loader.exec_module(module)
    return module


if not TYPE_CHECKING:
    pb = _load()


@dataclass(frozen=True, slots=True)
class GatewayMethod:
    """One method of the gateway.

    Args:
        path: Where it is called.
        parse_request: Reads a request.
        parse_answer: Reads an answer.
        streams: Whether there may be any number of answers.
    """

    path: str
    parse_request: Callable[[bytes], Any]
    parse_answer: Callable[[bytes], Any]
    streams: bool


def _methods() -> Mapping[str, GatewayMethod]:
    service = pb.DESCRIPTOR.services_by_name["Gateway"]
    return {
        method.name: GatewayMethod(
            f"/{service.full_name}/{method.name}",
            GetMessageClass(method.input_type).FromString,
            GetMessageClass(method.output_type).FromString,
            method.server_streaming,
        )
        for method in service.methods
    }


METHODS = _methods()
"""By their names in the protocol."""
