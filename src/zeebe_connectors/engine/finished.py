"""Keep the process instances that ended last, for queries, within a bound."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from zeebe_connectors.engine.flow.instances import ProcessInstance
from zeebe_connectors.engine.payloads import is_large

MAX_INSTANCES = 1_000
MAX_VISITS = 100_000
"""Elements in the paths of all of them: about 20 MiB."""


class Finished:
    """The instances that ended last, the oldest first."""

    def __init__(self) -> None:
        self._instances: OrderedDict[int, ProcessInstance] = OrderedDict()
        self._visits = 0

    def __iter__(self) -> Iterator[ProcessInstance]:
        return iter(self._instances.values())

    def get(self, key: int) -> ProcessInstance | None:
        """Return an instance by its key."""
        return self._instances.get(key)

    def add(self, process: ProcessInstance) -> None:
        """Keep an instance, without its variables if they are large; the oldest go for it where there are too many."""
        root = process.root
        if root.variables and is_large(root.variables):
            root.variables = None
        self._instances[process.key] = process
        self._visits += len(process.path)
        while len(self._instances) > MAX_INSTANCES or (self._visits > MAX_VISITS and len(self._instances) > 1):
            oldest = self._instances.popitem(last=False)[1]
            self._visits -= len(oldest.path)
            oldest.dissolve()
