"""Declare functions of contexts: read entries, and make contexts with other entries."""

from typing import Any

from zeebe_connectors.feel.builtins.declare import builtin
from zeebe_connectors.feel.limits import Run
from zeebe_connectors.feel.values import CONTEXT, LIST, STRING, kind

TITLE = "Context functions"


@builtin(
    "get value(context: context, key: string|list): any",
    "The value of an entry; null if there is none.",
    ('get value({foo: 123}, "foo")', "123"),
    ('get value({a: 1}, "b")', "null"),
    aliases=["m, key"],
)
def _get_value(context: Any, key: Any) -> Any:
    keys = [key] if kind(key) == STRING else key
    if not keys:
        return None
    value = context
    for name in keys:
        if kind(value) != CONTEXT or kind(name) != STRING:
            return None
        value = value.get(name)
    return value


@builtin(
    "get value(context: context, keys: list): any",
    "The value of the nested entry at a path of keys; null if there is none.",
    ('get value({x: {y: {z: 0}}}, ["x", "y", "z"])', "0"),
)
def _get_nested_value(context: Any, keys: Any) -> Any:
    return _get_value(context, keys)


@builtin(
    "get entries(context: context): list",
    "The entries of a context as a list of contexts with `key` and `value`.",
    ("get entries({foo: 123})", '[{key: "foo", value: 123}]'),
    aliases=["m"],
)
def _get_entries(run: Run, context: Any) -> Any:
    run.space(len(context))
    run.hold(232 * len(context))
    return [{"key": key, "value": value} for key, value in context.items()]


@builtin(
    "context put(context: context, key: string|list, value: any): context",
    "The context with an entry added or replaced.",
    ('context put({x: 1}, "y", 2)', "{x: 1, y: 2}"),
)
def _context_put(run: Run, context: Any, key: Any, value: Any) -> Any:
    keys = [key] if kind(key) == STRING else list(key)
    if not keys or not all(kind(name) == STRING for name in keys):
        return None
    run.entries(len(context) + len(keys))
    return _put(run, context, keys, value)


def _put(run: Run, context: Any, keys: list[Any], value: Any) -> Any:
    changed: dict[str, Any] = dict(context)
    result, inner = changed, changed
    for name in keys[:-1]:
        nested = inner.get(name)
        copied: dict[str, Any] = dict(nested) if kind(nested) == CONTEXT else {}  # type: ignore[arg-type]
        run.entries(len(copied))
        inner[name] = copied
        inner = copied
    inner[keys[-1]] = value
    return result


@builtin(
    "context put(context: context, keys: list, value: any): context",
    "The context with the nested entry at a path of keys added or replaced.",
    ('context put({x: 1}, ["y", "z"], 2)', "{x: 1, y: {z: 2}}"),
)
def _context_put_nested(run: Run, context: Any, keys: Any, value: Any) -> Any:
    return _context_put(run, context, keys, value)


@builtin(
    "put(context: context, key: string|list, value: any): context",
    "The older name of `context put`.",
    ('put({x: 1}, "y", 2)', "{x: 1, y: 2}"),
)
def _put_older(run: Run, context: Any, key: Any, value: Any) -> Any:
    return _context_put(run, context, key, value)


@builtin(
    "context merge(contexts: any...): context",
    "All contexts merged into one; where a key occurs more than once, the last value counts.",
    ("context merge([{x: 1}, {y: 2}])", "{x: 1, y: 2}"),
    ("context merge({x: 1, y: 0}, {y: 2})", "{x: 1, y: 2}"),
)
def _context_merge(run: Run, contexts: Any) -> Any:
    if kind(contexts) != LIST or not all(kind(context) == CONTEXT for context in contexts):
        return None
    merged: dict[str, Any] = {}
    for context in contexts:
        run.entries(len(context) + 1)
        merged.update(context)
    return merged


@builtin(
    "put all(contexts: any...): context",
    "The older name of `context merge`.",
    ("put all({x: 1}, {y: 2})", "{x: 1, y: 2}"),
)
def _put_all(run: Run, contexts: Any) -> Any:
    return _context_merge(run, contexts)


@builtin(
    "context(entries: any): context",
    "The context made of a list of contexts with `key` and `value`; the inverse of `get entries`.",
    ('context([{key: "a", value: 1}, {key: "b", value: 2}])', "{a: 1, b: 2}"),
    ('context([{key: "a"}])', "null"),
)
def _context(run: Run, entries: Any) -> Any:
    if kind(entries) != LIST:
        return None
    run.tick(len(entries))
    run.entries(len(entries))
    for entry in entries:
        if kind(entry) != CONTEXT or "value" not in entry or kind(entry.get("key")) != STRING:
            return None
    return {entry["key"]: entry["value"] for entry in entries}
