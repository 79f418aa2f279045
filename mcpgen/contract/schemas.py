"""Turns two JSON Schemas, as mcpgen publishes them, into what a value may no longer be and what it may be now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["SchemaChange", "compare"]

Verdict = Literal["narrowed", "widened", "undecided", "reworded"]
"""narrowed: a value that was valid may be no longer; widened: all that were valid are, and more; undecided: they differ,
and neither can be shown; reworded: the same values, told in other words or in another order."""


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """One difference. `place` is the path of it as a person writes it: `incident.assignments[].assignee.id`."""

    verdict: Verdict
    what: str
    """A stable word: property-removed, property-added, required-added, type-narrowed, enum-narrowed, limit-tightened …"""
    place: str
    reason: str
    """What changed, in words, with the values: the value "low" is gone."""
    old: Any = None
    new: Any = None


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[SchemaChange]:
    """Return how `new` differs from `old`, by place; references are those into `$defs` of each side's own root."""
    raise NotImplementedError
