"""List the parts of an expression that an older cluster does not support, for `zeebe-connectors feel --cluster`."""

from __future__ import annotations

import re

from zeebe_connectors.feel import builtins, tree

CLUSTERS = ("8.5", "8.6", "8.7", "8.8", "8.9", "8.10")
"""The supported versions of clusters, oldest first."""
_OFFSET_AND_ZONE = re.compile(r"(?:Z|[+-]\d\d:\d\d(?::\d\d)?)\[")
_OFFSET_AND_ZONE_SINCE = "8.9"


def unknown_to(node: tree.Node, cluster: str) -> list[str]:
    """Returns what a cluster evaluates to null although newer ones and this engine support it, one sentence each.

    Args:
        node: the expression.
        cluster: one of `CLUSTERS`.
    """
    found: dict[str, None] = {}
    for each in tree.walk(node):
        match each:
            case tree.Call((), name):
                since = _since(name)
                if since and _is_older(cluster, since):
                    found[f"{name}() is null there: clusters know it from {since} on"] = None
            case tree.Temporal(_, text) if _OFFSET_AND_ZONE.search(text) and _is_older(cluster, _OFFSET_AND_ZONE_SINCE):
                found[f'"{text}" is null there: clusters read an offset before a zone from 8.9 on; leave it out'] = None
    return list(found)


def _since(name: str) -> str:
    known = builtins.overloads(name)
    return known[0].since if known and all(overload.since for overload in known) else ""


def _is_older(cluster: str, since: str) -> bool:
    return CLUSTERS.index(cluster) < CLUSTERS.index(since)
