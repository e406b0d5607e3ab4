"""Masking: texts and JSON values go in, the same with every used secret replaced by `***` come out."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

STARS = "***"
_MIN_ENCODED = 6  # below this, base64 pieces are too short to tell from ordinary text


class Mask:
    """Replaces the values that one job used, also where they stand encoded: for URLs, JSON, Python, XML, or in base64.

    The values are those resolved for this very job, so that a secret that changed meanwhile is masked as it was used.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        for value in values:
            self.add(value)

    def add(self, value: str) -> None:
        """Masks this value too, from now on. An empty value is ignored."""
        if value and value not in self._values:
            self._values.add(value)
            self._pattern = None

    def __bool__(self) -> bool:
        return bool(self._values)

    def text(self, text: str) -> str:
        """The text with every occurrence replaced."""
        if not self._values or not text:
            return text
        if self._pattern is None:
            forms = {form for value in self._values for form in _forms(value)}
            self._pattern = re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)))
        return self._pattern.sub(STARS, text)

    def value(self, value: Any) -> Any:
        """A JSON value with every text and key masked."""
        if not self._values:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value


def _forms(value: str) -> set[str]:
    forms = {value, quote(value, safe=""), quote(value), quote_plus(value)}
    forms |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    forms |= {repr(value)[1:-1], repr(value.encode())[2:-1], html.escape(value), html.escape(value, quote=False)}
    forms.add(quote(value, safe="%:/?[]@!$&'()*+,;="))  # as it stands in a URL that the modeler wrote around it
    raw = value.encode()
    if len(raw) >= _MIN_ENCODED:
        forms.update(_base64_pieces(raw))
        forms.add(raw.hex())
    return {form for form in forms if form}


def _base64_pieces(raw: bytes) -> Iterable[str]:
    """Gives how the bytes look within longer base64 text, at each alignment, without what depends on the neighbours."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw).decode().rstrip("=")
        start = (before * 8 + 5) // 6
        end = (before + len(raw)) * 8 // 6
        yield encoded[start:end]
        yield encoded[start:end].replace("+", "-").replace("/", "_")
