"""Turns two sets of rules for values without parts, and two sets of words, into what changed between them.

A rule that is stricter narrows and one that is laxer widens: so the findings say which, with both sides in words that
a reviewer understands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from .cases import ANNOTATIONS, Bound, Case, Rules, admits, canonical, common_step, shown, stepped

__all__ = [
    "SchemaChange",
    "Verdict",
    "are",
    "cut",
    "json_of",
    "limit",
    "listed",
    "named",
    "number",
    "quoted",
    "reworded",
    "several",
    "single",
    "sizes",
    "string",
]

Verdict = Literal["narrowed", "widened", "undecided", "reworded"]
"""narrowed: a value that was valid may be no longer; widened: all that were valid are, and more; undecided: they
differ, and neither can be shown; reworded: the same values, told in other words or in another order."""

_VALUES = 100
"""Up to how many integers between two bounds are compared with a list of values."""

_SHOWN = 8
"""How many values a reason shows."""

_WITHIN = {
    ("int8", "int16"), ("int8", "int32"), ("int8", "int64"), ("int16", "int32"), ("int16", "int64"),
    ("int32", "int64"), ("float", "double"), ("email", "idn-email"), ("hostname", "idn-hostname"), ("uri", "iri"),
    ("uri", "uri-reference"), ("uri", "iri-reference"), ("uri-reference", "iri-reference"), ("iri", "iri-reference"),
}  # fmt: skip
"""Formats of which all values are also of the other (validation, 7.3; the OpenAPI format registry)."""


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """One difference.

    `place` is the path of it as a person writes it: `incident.assignments[].assignee.id`; "" for the whole. `labels.*`
    is the value of any property that is not named, `labels./^x-/` of one that matches, `pair[0]` the first item,
    `contact(Phone)` the variant Phone of a union, and braces hold what is neither: `labels{name}` is what a property
    may be called, `tags{contains}` an item that has to be there, `{then}` what holds on a condition. A name that could
    be taken for something else is written as JSON: `"a.b"`.
    """

    verdict: Verdict
    what: str
    """A stable word; `schemas` has the list."""
    place: str
    reason: str
    """What changed, in words, with the values: `may no longer be "low"`."""
    old: Any = None
    """The JSON that was there: the values that are gone, a bound, a text, a schema. None for nothing."""
    new: Any = None


def listed(old: Case, new: Case, at: str) -> Iterator[SchemaChange]:
    """Compare the values that are listed, where one of the two lists them."""
    a, b = old.rules, new.rules
    if "values" not in a and "values" not in b:
        return
    before, now = _all_values(a), _all_values(b)
    if before is None and now is not None:
        reason = f"must be {several(now, 'one of ')} now"
        yield SchemaChange("narrowed", "value-removed", at, reason, None, now)
        gained = [v for v in now if not admits(a, v)]
        if gained:
            yield SchemaChange("widened", "value-added", at, f"may be {several(gained)} now", None, gained)
    elif before is not None and now is None:
        reason = f"is no longer limited to {several(before)}"
        yield SchemaChange("widened", "value-added", at, reason, before, None)
        lost = [v for v in before if not admits(b, v)]
        if lost:
            yield SchemaChange("narrowed", "value-removed", at, f"may no longer be {several(lost)}", lost, None)
    elif before is not None and now is not None:
        values, values_now = ({canonical(v): v for v in side} for side in (before, now))
        lost = [v for k, v in values.items() if k not in values_now]
        gained = [v for k, v in values_now.items() if k not in values]
        if lost:
            yield SchemaChange("narrowed", "value-removed", at, f"may no longer be {several(lost)}", lost, None)
        if gained:
            reason = f"takes {len(gained)} more values: {several(gained, '')}"
            if len(gained) == 1:
                reason = f"may be {several(gained)} now"
            yield SchemaChange("widened", "value-added", at, reason, None, gained)
        shared = [k for k in values if k in values_now]
        if shared != [k for k in values_now if k in values]:
            yield SchemaChange("reworded", "values-reordered", at, "the values stand in another order", before, now)
        for key in sorted(set(shared) & {*old.told, *new.told}):
            if old.told.get(key) != new.told.get(key):
                reason = f"what {shown(json.loads(key))} means is told in other words"
                yield SchemaChange("reworded", "description-changed", at, reason, old.told.get(key), new.told.get(key))


def number(a: Rules, b: Rules, at: str) -> Iterator[SchemaChange]:
    """Compare the rules of numbers; what is listed has its own (`listed`)."""
    yield from _texts(a, b, "formats", "format", at)
    if "values" in a or "values" in b:
        return
    step, step_now = a.get("multiple"), b.get("multiple")
    if step != step_now:
        old, new = json_of(step), json_of(step_now)
        if not _within(step, step_now):
            if step_now == 1:
                yield SchemaChange("narrowed", "type-narrowed", at, "takes integers only now", "number", "integer")
            else:
                reason = f"must be a multiple of {shown(json_of(step_now))} now{_was(step if step != 1 else None)}"
                yield SchemaChange("narrowed", "limit-tightened", at, reason, old, new)
        if not _within(step_now, step):
            if step == 1:
                reason = "takes numbers that are not integers now"
                yield SchemaChange("widened", "type-widened", at, reason, "integer", "number")
            else:
                reason = f"need no longer be a multiple of {shown(json_of(step))}"
                yield SchemaChange("widened", "limit-loosened", at, reason, old, new)
    # a bound that lies between two values that are valid anyhow is the same as the next one
    both = common_step(step, step_now) if step and step_now else step or step_now
    for name in ("low", "high"):
        one, other = (r.get(name) and (stepped(name, r[name], both) if both else r[name]) for r in (a, b))
        if one != other:
            yield _bound(name, one, other, at, a.get(name), b.get(name))


def string(a: Rules, b: Rules, at: str) -> Iterator[SchemaChange]:
    """Compare the rules of strings; what is listed has its own (`listed`)."""
    yield from _texts(a, b, "patterns", "pattern", at)
    yield from _texts(a, b, "formats", "format", at)
    yield from _texts(a, b, "encodings", "format", at)
    if "values" not in a and "values" not in b:
        yield from sizes(a, b, "Length", "character", at)


def _texts(a: Rules, b: Rules, rule: str, word: str, at: str) -> Iterator[SchemaChange]:
    """Compare patterns, formats or encodings: one more is a rule more, but what it says is not looked into."""
    before, now = a.get(rule, ()), b.get(rule, ())
    dropped, added = [t for t in before if t not in now], [t for t in now if t not in before]
    if not dropped and not added:
        return
    old, new = (", ".join(map(shown, texts)) for texts in (dropped, added))
    kind = {"patterns": "match", "formats": "have the format", "encodings": "hold"}[rule]
    sides = single(dropped), single(added)
    if dropped and added:
        verdict: Verdict = "undecided"
        pair = (dropped[0], added[0]) if len(dropped) == len(added) == 1 else None
        if rule == "formats" and pair is not None:
            verdict = "widened" if pair in _WITHIN else "narrowed" if pair[::-1] in _WITHIN else verdict
        yield SchemaChange(verdict, f"{word}-changed", at, f"must {kind} {new} now, was {old}", *sides)
    elif added:
        # values that are listed may all have it
        verdict = "undecided" if "values" in a else "narrowed"
        yield SchemaChange(verdict, f"{word}-added", at, f"must {kind} {new} now", *sides)
    else:
        verdict = "undecided" if "values" in b else "widened"
        yield SchemaChange(verdict, f"{word}-removed", at, f"need no longer {kind} {old}", *sides)


def _bound(name: str, one: Bound | None, other: Bound | None, at: str, old: Any, new: Any) -> SchemaChange:
    """Return what it means that a bound of a number moved from `one` to `other`; `old` and `new` are what is shown."""
    if one is None or other is None:
        tightened = one is None
    elif name == "low":
        tightened = other > one
    else:
        tightened = (other[0], not other[1]) < (one[0], not one[1])

    def said(bound: Bound) -> str:
        words = {"low": ("at least", "more than"), "high": ("at most", "less than")}[name]
        return f"{words[bound[1]]} {shown(json_of(bound[0]))}"

    side = "lower" if name == "low" else "upper"
    if new is None:
        reason = f"no {side} limit now, was {said(old)}"
    elif old is None:
        reason = f"{said(new)} now, had no {side} limit"
    else:
        reason = f"{said(new)} now, was {shown(json_of(old[0])) if old[1] == new[1] else said(old)}"
    values = (None if bound is None else json_of(bound[0]) for bound in (old, new))
    if tightened:
        return SchemaChange("narrowed", "limit-tightened", at, reason, *values)
    return SchemaChange("widened", "limit-loosened", at, reason, *values)


def sizes(
    a: Rules, b: Rules, name: str, unit: str, at: str, least: int = 0, least_now: int = 0
) -> Iterator[SchemaChange]:
    """Compare lengths and numbers; `least` and `least_now` are those that follow from other rules."""
    low, low_now = a.get(f"min{name}"), b.get(f"min{name}")
    if (low_now or 0) > max(low or 0, least) or (low or 0) > max(low_now or 0, least_now):
        yield from limit("low", low, low_now, unit, at)
    yield from limit("high", a.get(f"max{name}"), b.get(f"max{name}"), unit, at)


def limit(name: str, old: int | None, new: int | None, unit: str, at: str) -> Iterator[SchemaChange]:
    """Compare the least (`low`) or the greatest (`high`) number of units; None is no limit."""
    if old == new:
        return

    def said(count: int) -> str:
        units = unit if count == 1 else f"{unit.removesuffix('y')}ies" if unit.endswith("y") else f"{unit}s"
        return f"{'at least' if name == 'low' else 'at most'} {shown(count)} {units}"

    side = "lower" if name == "low" else "upper"
    if new is None:
        reason, tightened = f"no {side} limit now, was {said(old or 0)}", False
    elif old is None:
        reason, tightened = f"{said(new)} now, had no {side} limit", True
    else:
        reason, tightened = f"{said(new)} now, was {shown(old)}", (new > old) == (name == "low")
    verdict: Verdict = "narrowed" if tightened else "widened"
    yield SchemaChange(
        verdict, "limit-tightened" if tightened else "limit-loosened", at, reason, json_of(old), json_of(new)
    )


def _within(step: Fraction | None, other: Fraction | None) -> bool:
    """Tell whether all multiples of `step` are multiples of `other`; None is any number."""
    return other is None or (step is not None and (step / other).denominator == 1)


def _all_values(rules: Rules) -> list[Any] | None:
    """Return the values that are valid, if they are listed or a few numbers between two bounds."""
    if "values" in rules:
        return list(rules["values"])
    if rules.keys() == {"multiple", "low", "high"}:
        step, low, high = rules["multiple"], rules["low"][0], rules["high"][0]
        if (high - low) / step <= _VALUES:
            return [json_of(low + i * step) for i in range(int((high - low) / step) + 1)]
    return None


# --- what is told


def reworded(before: Mapping[str, Any], now: Mapping[str, Any], at: str) -> Iterator[SchemaChange]:
    """Compare annotations: what is told of a value, and changes nothing of what is valid."""
    for key in sorted({**before, **now}):
        old, new = before.get(key), now.get(key)
        if key in before and key in now and canonical(old) == canonical(new):
            continue
        what = ANNOTATIONS.get(key, "annotation-changed")
        verdict: Verdict = "undecided" if what == "access-changed" else "reworded"
        match key:
            case "description" | "title":
                noun = {"description": "a description", "title": "a title"}[key]
                reason = f"has another {key}"
                if key not in before or key not in now:
                    reason = f"has {noun} now" if key in now else f"has no {key} any more"
            case "default":
                reason = f"the default is told as {shown(new)} now, was {shown(old)}"
                if key not in before or key not in now:
                    reason = f"the default is told now: {shown(new)}" if key in now else "the default is no longer told"
            case "example" | "examples":
                reason = "has other examples"
            case "deprecated" | "readOnly" | "writeOnly":
                if bool(old) == bool(new):
                    continue
                word = {"deprecated": "deprecated", "readOnly": "read-only", "writeOnly": "write-only"}[key]
                reason = f"is {word} now" if new else f"is no longer {word}"
            case _:
                reason = f"{shown(key)} changed"
        yield SchemaChange(verdict, what, at, reason, old, new)


def several(values: Iterable[Any], before: str = "", last: str = ", ") -> str:
    """Return values as JSON, the first few of many; `before` stands before more than one."""
    texts = [shown(v) for v in values]
    if len(texts) > _SHOWN:
        return f"{before}{', '.join(texts[:_SHOWN])} and {len(texts) - _SHOWN} more"
    return (before if len(texts) > 1 else "") + ", ".join(texts[:-1]) + (last if len(texts) > 1 else "") + texts[-1]


def are(values: list[Any]) -> str:
    """Return the verb for as many values."""
    return "is" if len(values) == 1 else "are"


def _was(step: Fraction | None) -> str:
    return "" if step is None else f", was {shown(json_of(step))}"


def json_of(value: Any) -> Any:
    """Return a number as JSON has it; of one that Python would not write, as a multiple of many may be, that it is."""
    if not isinstance(value, Fraction):
        return value
    if abs(value) >= 10**300:
        return int(value) if abs(value) < 10**4000 else "a number of more than 4000 digits"
    return int(value) if value.denominator == 1 else float(value)


def single(values: list[Any]) -> Any:
    """Return the only one of the values, or the list of them; None of none."""
    return (values[0] if len(values) == 1 else values) if values else None


def named(name: str) -> str:
    """Return the name of a property as it stands in a path: as JSON if it could be taken for something else."""
    return name if re.fullmatch(r"[\w$@-]+", name) else shown(name, 200)


def quoted(name: str) -> str:
    """Return what a variant is called as it stands in a path."""
    return cut(name) if re.fullmatch(r"[\w$@:|,/ #.-]+", name) else shown(name)


def cut(text: str) -> str:
    """Return text on one line, cut when long, with what does not print escaped."""
    return shown(text)[1:-1] if len(text) < 60 else shown(text)[1:]
