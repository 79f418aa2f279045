"""Turns JSON text into values and back, because what an API sends may be legal JSON and still break a client.

No value is infinite or no number, none is nested deeper than the SDK can pass on, and digits are not lost in passing.
"""

from __future__ import annotations

import json
import re
import secrets
from decimal import Decimal, InvalidOperation
from typing import Any

_LEVELS = 100  # the SDK's serialiser gives up at about 250
_LITERAL = secrets.token_hex(8)
"""What marks the text of a number on its way through `dump`; no API can know it."""


def load(text: str | bytes, *, exact: bool = False) -> Any:
    """The value of a JSON text. Raises ValueError for what is none, or cannot be passed on.

    With `exact`, a number that has more digits than a float is a Decimal, which `dump` writes as it came.
    """

    def number(literal: str) -> float | Decimal:
        value = float(literal)
        if abs(value) == float("inf"):
            raise ValueError("beyond what a number can hold")
        return Decimal(literal) if exact and not holds(value, literal) else value

    try:
        value = json.loads(text, parse_float=number, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if deep(value):
        raise ValueError("nested too deeply")
    return value


def dump(value: Any) -> str:
    """The JSON text of a value, with Decimals as the numbers that they are."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_marked)
    return re.sub(f'"{_LITERAL}([^"]*)"', r"\1", text) if _LITERAL in text else text


def holds(value: float, literal: str) -> bool:
    """Whether a number has all the digits of its text."""
    try:
        return len(literal) <= 15 or Decimal(literal) == Decimal(repr(value))
    except InvalidOperation:  # an exponent beyond all: it is zero
        return True


def deep(value: Any) -> bool:
    """Whether a value has more levels than can be passed on."""
    level = [value]
    for _ in range(_LEVELS):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def _marked(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{_LITERAL}{value}"
    raise TypeError(f"{type(value).__name__} is not JSON")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
