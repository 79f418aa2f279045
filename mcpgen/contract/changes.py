"""Turns two contracts of a server into the list of what changed for a model that calls its tools, each with its class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

__all__ = ["CLASSES", "Change", "Class", "Diff", "Size"]

Class = Literal["danger", "breaking", "undecided", "output", "additive", "wording", "cost"]
"""What a change means, gravest first.

danger: a model may do what it could not do before, or do it where nobody asked for it: a read that writes, a write that
destroys, a new destructive tool, a wider scope, another host. breaking: a call that worked may be refused or do
something else. undecided: the two are not the same, and which calls that touches cannot be told. output: what comes
back has another shape. additive: more is possible, and nothing less. wording: the same calls, told in other words,
which steer a model all the same. cost: the size of the entry in `tools/list`.
"""

CLASSES: tuple[Class, ...] = get_args(Class)


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that changed. `tool` is its name now, or before if it is gone; empty for the whole server."""

    kind: Class
    what: str
    """What happened, as a stable word for programs: tool-removed, argument-narrowed, host-changed."""
    tool: str
    place: str
    """Where in the tool: `arguments.incident.priority.id`, `annotations`, `request`, `answer.items[].id`; may be empty."""
    reason: str
    """What changed and why that is of this class: one sentence without markup; text of the document may be in it."""
    area: str = ""
    operation: str = ""
    """The operationId, or method and path of an operation without one."""
    old: Any = None
    """What was there, as JSON; of wording the text. None for nothing."""
    new: Any = None


@dataclass(frozen=True, slots=True)
class Size:
    """What a tool costs in `tools/list`, in tokens (a quarter of its UTF-8 bytes), before and now; None where it is not."""

    tool: str
    area: str
    old: int | None
    new: int | None


@dataclass(frozen=True, slots=True)
class Diff:
    """All that changed in one server: gravest first, then by tool and place."""

    name: str
    title: str
    changes: tuple[Change, ...]
    sizes: tuple[Size, ...]
    """Of every tool on either side, by name."""
    schemas: Mapping[str, tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]]
    """Of every tool that a change names, by that name: its entry in `tools/list` before and now; None where it is not."""
    against: str = ""
    """What it was compared with, in words: `origin/main (1a2b3c4)`, `old/openapi.json`."""
    limits: tuple[str, ...] = ()
    """What could not be compared, in words: the old side has no contract.yaml."""

    @property
    def counts(self) -> dict[Class, int]:
        """How many changes there are of each class, gravest first; those without any are left out."""
        found = Counter(c.kind for c in self.changes)
        return {c: found[c] for c in CLASSES if found[c]}

    @property
    def tokens(self) -> tuple[int, int]:
        """What the whole of `tools/list` costs before and now."""
        return sum(s.old or 0 for s in self.sizes), sum(s.new or 0 for s in self.sizes)

    def reaches(self, level: Class) -> bool:
        """Tell whether a change is of that class or a graver one."""
        return any(CLASSES.index(c.kind) <= CLASSES.index(level) for c in self.changes)
