"""Apply providers' usage rules: when a request may begin, for all tasks, sources and runtimes together."""

from zeebe_connectors.runtime.limits.limit import Busy, Counts, Limit, Waiting

__all__ = ["Busy", "Counts", "Limit", "Waiting"]
