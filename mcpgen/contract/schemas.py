"""Turns two JSON Schemas, as mcpgen publishes them, into what a value may no longer be and what it may be now.

Both are read as cases (`cases`), and those of one type are compared rule by rule: a value has to satisfy all rules, so
a stricter rule narrows and a laxer one widens. Where a rule cannot be compared (another pattern, another condition, a
keyword that nobody knows) that is said, as undecided.

The words in `what`, each of a thing that a program may want to tell apart:
    property-removed, property-added, property-added-required (new and required: one finding, narrowed),
    required-added, required-dropped, extras-forbidden, extras-allowed (properties that are not described),
    pattern-property-added, pattern-property-removed, dependency-added, dependency-dropped,
    type-narrowed, type-widened, type-changed (once for what is lost, once for what is gained), null-dropped,
    null-added, value-removed, value-added, values-reordered (enum and const),
    limit-tightened, limit-loosened (bounds, lengths, numbers of items, multipleOf, uniqueItems),
    pattern-added, pattern-removed, pattern-changed, format-added, format-removed, format-changed (contentEncoding and
    contentMediaType too), items-added, items-removed (at one position), items-forbidden, items-allowed (all others),
    contains-added, contains-removed, union-member-added, union-member-removed, union-added, union-removed (beside
    other rules), overlap-forbidden, overlap-allowed (`oneOf` and `anyOf`), overlap-changed (whether two variants of a
    `oneOf` fit at once), not-added, not-removed, not-changed, condition-added, condition-removed, condition-changed,
    description-changed, title-changed, default-changed, examples-changed, deprecated-changed, access-changed
    (readOnly, writeOnly), annotation-changed, constraint-changed (the rest, always undecided).

Two readings are practical and not those of a validator. A property that comes to an object which is open anyhow was
allowed unchecked, and one that leaves it still is; it is told as widened and as narrowed all the same, since a caller
knows the properties that are described. A format counts as a rule, though validators may take it for an annotation.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import chain
from typing import Any, Literal, NamedTuple, TypeVar

from .cases import (
    ANY_NAME,
    ANY_OBJECT,
    TYPES,
    Case,
    Cell,
    Conj,
    Fields,
    Node,
    Rules,
    Side,
    Tuple,
    canonical,
    shown,
    whole,
)
from .rules import (
    SchemaChange,
    Verdict,
    are,
    cut,
    limit,
    listed,
    named,
    number,
    quoted,
    reworded,
    several,
    single,
    sizes,
    string,
)

__all__ = ["SchemaChange", "compare"]

_STEPS = 100_000
"""Pairs of places that are compared before what is left is given up."""

_PROOFS = 10_000
"""Pairs of places and of cases about which something is proven; what is asked then is not decided."""

_FINDINGS = 1_000
"""How many differences are told of one pair of schemas."""

_PLACES = 8
"""At how many places the same pair of components is told; what those use in turn is told at the first of them."""

_DEEPEST = 30
"""How many places below each other a proof follows."""

_NESTED = 200
"""How deep the JSON of a schema may be."""

_VARIANTS = 64
"""How many variants of a union are compared with how many others."""

_ALIKE = 0.3
"""The share of common features that makes two objects one that changed, and not two."""


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[SchemaChange]:
    """Return how `new` differs from `old`, by place; references are those into each side's own root.

    What stands in `$defs` is told where it is used, at the first few places if they are many. The work is bounded:
    where a schema is too large or too deep, an undecided finding says so.
    """
    if old is new:
        return []
    try:
        if repr(old) == repr(new):
            return []
    except RecursionError:
        pass  # they are too deep for that too
    if _deeper(old, _NESTED) or _deeper(new, _NESTED):
        return [SchemaChange("undecided", "constraint-changed", "", "nested too deeply to be compared")]
    findings: dict[tuple[str, ...], SchemaChange] = {}
    try:
        for found in _Comparison(_Work(Side(old), Side(new))).findings((old,), (new,)):
            findings.setdefault((found.place, found.what, found.verdict, found.reason), found)
            if len(findings) >= _FINDINGS:
                raise _Spent(f"there are more differences than these {_FINDINGS}")
    except _Spent as spent:
        told = SchemaChange("undecided", "constraint-changed", "", str(spent))
        findings["", told.what, told.verdict, told.reason] = told
    return [findings[key] for key in sorted(findings)]


class _Spent(Exception):
    """The bound of the work is reached; the message says what that means for the reader."""


@dataclass(slots=True)
class _Work:
    """What the readings of one comparison share: the sides, what is left to prove with, and what is known."""

    old: Side
    new: Side
    proofs: int = _PROOFS
    depth: int = 0
    """Of the proof that is being made."""
    trail: list[tuple[dict[Any, _Answer], Any]] = field(default_factory=list)
    """What was proven on the way to what is being proven, and where that is noted."""
    readings: dict[tuple[str, bool], _Comparison] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    looks: dict[Case, str] = field(default_factory=dict)
    _components: set[str] | None = None

    def text(self, schema: Any) -> str:
        return self.texts.get(id(schema)) or self.texts.setdefault(id(schema), repr(schema))

    def unchanged(self, old: Any, new: Any) -> bool:
        """Tell whether two places are written the same, and so is all that they refer to."""
        if self.text(old) != self.text(new):
            return False
        used = _used(self.text(old))
        return used is not None and (not used or used <= self.components)

    @property
    def components(self) -> set[str]:
        """The names of the components that are unchanged."""
        if self._components is None:
            before, now = (s.root.get("$defs") if isinstance(s.root, dict) else None for s in (self.old, self.new))
            before, now = (d if isinstance(d, dict) else {} for d in (before, now))
            used = {n: _used(self.text(d)) for n, d in before.items() if n in now and self.text(d) == self.text(now[n])}
            kept = {n: u for n, u in used.items() if u is not None}
            users: dict[str, list[str]] = {}
            for name, names in kept.items():
                for inner in names:
                    users.setdefault(inner, []).append(name)
            todo = [n for n in users if n not in kept]
            while todo:
                for name in users.get(todo.pop(), ()):
                    if kept.pop(name, None) is not None:
                        todo.append(name)
            self._components = set(kept)
        return self._components


def _used(text: str) -> set[str] | None:
    """Return the names of the components that a schema, written by `repr`, refers to; None if others are, or may be."""
    names = re.findall(r"'\$ref': '#/\$defs/([\w.-]*)'", text)
    return set(names) if len(names) == text.count("$ref") + text.count("$dynamicRef") else None


class _Below(NamedTuple):
    """Two places below the ones that are compared, to be compared as well."""

    place: str
    old: Conj
    new: Conj
    lossless: bool = False
    """Nothing is lost by what happens there, since something else takes the same values."""
    gainless: bool = False
    worded: bool = True
    """Whether what is told of the places themselves is compared as well."""


_Found = SchemaChange | _Below

_Place = TypeVar("_Place", Conj, Case)

_Answer = Literal["yes", "no", "unknown"]

_Way = tuple[Any, Any]
"""A pair of places, and the way to the place that it is below; None at the end."""


class _Comparison:
    """Compares places of two schemas, in one of three readings.

    reported: what a reader is told. exact: a proof that all values of the old are values of the new; only the findings
    narrowed and undecided count. lenient: the same, but properties that come to or leave an open object do not.
    """

    def __init__(self, work: _Work, reading: str = "reported", flipped: bool = False) -> None:
        self.old, self.new = (work.new, work.old) if flipped else (work.old, work.new)
        self._work = work
        self._reading = reading
        self._flipped = flipped
        self._told = reading == "reported"
        self._answers: dict[Any, _Answer] = {}
        self._names: dict[int, tuple[Node, dict[int, str]]] = {}

    # --- what a reader is told

    def findings(self, old: Conj, new: Conj) -> Iterator[SchemaChange]:
        """Yield the differences of two places and of all below, the nearest first.

        Nearest first, because components refer to each other in circles: so each is met at its shortest place.
        """
        todo: deque[tuple[_Below, _Way | None]] = deque([(_Below("", old, new), None)])
        known: dict[Any, list[_Found]] = {}
        times: Counter[Any] = Counter()
        steps = 0
        while todo:
            at, way = todo.popleft()
            key = self.old.key(at.old), self.new.key(at.new)
            above = way
            while above is not None and above[0] != key:
                above = above[1]
            times[key, at.lossless, at.gainless] += 1
            time = times[key, at.lossless, at.gainless]
            inside: list[_Found] = []
            if above is not None or time > _PLACES:
                words = self._beside(at.old, at.new) if at.worded else iter(())
            else:
                if (steps := steps + 1) > _STEPS:
                    raise _Spent("too large to be compared in full")
                words = self._worded(at.old, at.new) if at.worded else iter(())
                inside = known[key] if key in known else known.setdefault(key, list(self._node(at.old, at.new)))
            for found in chain(words, inside):
                told = _settled(found, at.lossless, at.gainless, at.place)
                if isinstance(told, SchemaChange):
                    yield replace(told, place=told.place.removeprefix("."))
                elif time == 1 or not (self.old.refers(told.old) or self.new.refers(told.new)):
                    todo.append((told, (key, way)))

    def _beside(self, old: Conj, new: Conj) -> Iterator[SchemaChange]:
        """Compare what is told of a component where it is used."""
        if list(map(self._work.text, old)) == list(map(self._work.text, new)):
            return
        sides = ([{k: v for k, v in s.items() if k != "$ref"} for s in c if isinstance(s, dict)] for c in (old, new))
        before, now = (side.words(tuple(own)) for side, own in zip((self.old, self.new), sides, strict=True))
        yield from reworded(before, now, "")

    # --- what is proven

    def _reads(self, reading: str, flipped: bool = False) -> _Comparison:
        """Return the comparison of the same schemas in another reading, or from the new to the old."""
        key = (reading, self._flipped != flipped)
        if key not in self._work.readings:
            self._work.readings[key] = _Comparison(self._work, *key)
        return self._work.readings[key]

    def _holds(self, old: _Place, new: _Place) -> _Answer:
        """Tell whether all values of `old` are values of `new`.

        A pair that is met again while it is being proven holds, if all else does: values are finite. When a proof
        fails, what was proven with its help is forgotten (Gapeyev, Levin, Pierce, "Recursive subtyping revealed").
        """
        if isinstance(old, Case) and isinstance(new, Case) and self._stand(old, new):
            return self._holds(old.member or (), new.member or ())
        key: Any = (old, new) if isinstance(old, Case) else (self.old.key(old), self.new.key(new))
        if key in self._answers:
            return self._answers[key]
        if self._work.depth >= _DEEPEST or self._work.proofs <= 0:
            return "unknown"
        self._work.proofs -= 1
        self._answers[key] = "yes"
        trail = self._work.trail
        mark = len(trail)
        trail.append((self._answers, key))
        self._work.depth += 1
        found = list(self._case(old, new, "") if isinstance(old, Case) else self._node(old, new))
        verdicts = {f.verdict for f in found if isinstance(f, SchemaChange)}
        below = [f for f in found if isinstance(f, _Below)]
        answer: _Answer = "no" if "narrowed" in verdicts or any(self._known(f) == "no" for f in below) else "yes"
        for pair in below if answer == "yes" else ():
            if (inner := self._holds(pair.old, pair.new)) != "yes":
                answer = inner
            if inner == "no":
                break
        if answer == "yes" and "undecided" in verdicts:
            answer = "unknown"
        self._work.depth -= 1
        if answer != "yes":
            for answers, proven in trail[mark:]:
                answers.pop(proven, None)
            del trail[mark:]
            self._answers[key] = answer
        return answer

    def _known(self, pair: _Below) -> _Answer | None:
        return self._answers.get((self.old.key(pair.old), self.new.key(pair.new)))

    def _implied(self, old: _Place, new: _Place) -> _Answer:
        return self._reads("exact")._holds(old, new)

    def _implied_back(self, old: _Place, new: _Place) -> _Answer:
        """Tell whether all values of `new` are values of `old`."""
        return self._reads("exact", True)._holds(new, old)

    def _same(self, old: _Place, new: _Place, reading: str = "exact") -> bool:
        return self._reads(reading)._holds(old, new) == self._reads(reading, True)._holds(new, old) == "yes"

    # --- one place

    def _node(self, o: Conj, n: Conj) -> Iterator[_Found]:
        old, new = self.old.node(o), self.new.node(n)
        types = list(self._types(old, new))
        yield from types
        for t in TYPES:
            # of what may be anything on one side and an object or an array on the other, all is said
            told_already = self._told and types and t in ("array", "object") and (old.anything or new.anything)
            if t in old.cells and t in new.cells and not told_already:
                yield from self._cells(old.cells[t], new.cells[t], (old, new), "")

    def _below(self, place: str, old: Conj, new: Conj) -> Iterator[_Below]:
        if len(old) == len(new) == 1 and self._work.unchanged(old[0], new[0]):
            return
        if old or new:
            yield _Below(place, old, new)

    def _worded(self, o: Conj, n: Conj) -> Iterator[SchemaChange]:
        old, new = self.old.node(o), self.new.node(n)
        before, now = self.old.words(o), self.new.words(n)
        if old.is_union != new.is_union:
            # what was said of the one variant may be said of it still, inside the union
            inner = self.old if old.is_union else self.new
            words = [inner.words(c.member or ()) for c in (old if old.is_union else new).members]
            few, many = (now, before) if old.is_union else (before, now)
            few = {k: v for k, v in few.items() if k in many or not any(w.get(k) == v for w in words)}
            before, now = (many, few) if old.is_union else (few, many)
        yield from reworded(before, now, "")

    def _types(self, old: Node, new: Node) -> Iterator[SchemaChange]:
        lost, gained = ([t for t in TYPES if t in a and t not in b] for a, b in _both_ways(old.cells, new.cells))
        if not lost and not gained:
            return
        before, now = _type_names(old), _type_names(new)
        shared = [t for t in TYPES if t in old.cells and t in new.cells and t != "null"]
        for types, one, other, narrowed in ((lost, old, new, True), (gained, new, old, False)):
            verdict: Verdict = "narrowed" if narrowed else "widened"
            values = [v for t in types if t != "null" and _in_lists(one, t, other) for v in _values(one.cells[t])]
            if values:
                reason = f"may no longer be {several(values)}" if narrowed else f"may be {several(values)} now"
                what = "value-removed" if narrowed else "value-added"
                yield SchemaChange(verdict, what, "", reason, *_sided(values, narrowed))
            rest = [t for t in types if t == "null" or not _in_lists(one, t, other)]
            everything = len(one.cells) == len(TYPES)
            if "null" in rest and not everything and one.cells.keys() != {"null"}:
                reason = "no longer takes null" if narrowed else "takes null now"
                yield SchemaChange(verdict, "null-dropped" if narrowed else "null-added", "", reason, before, now)
                rest.remove("null")
            if not rest:
                continue
            changed = bool(lost and gained and not shared and old.cells and new.cells)
            what = "type-changed" if changed else "type-narrowed" if narrowed else "type-widened"
            names = " or ".join(_article(n) for n in _type_names(one, rest))
            if narrowed:
                reason = f"no longer takes {names}"
                if not new.cells:
                    reason = "no value is valid any more"
                elif everything or changed:
                    reason = f"must be {' or '.join(map(_article, now))} now, was {_all_of(old)}"
            else:
                reason = f"takes {names} now"
                if not old.cells:
                    reason = f"takes {_all_of(new)} now, took no value"
                elif everything or changed:
                    reason = f"may be {_all_of(new)} now, was {' or '.join(map(_article, before))}"
            yield SchemaChange(verdict, what, "", reason, single(before), single(now))

    # --- the cases of one type

    def _cells(self, old: Cell, new: Cell, nodes: tuple[Node, Node], at: str) -> Iterator[_Found]:
        if (len(old.cases) > 1) != (len(new.cases) > 1):
            old, new = old.spread(), new.spread()
            nodes = (_node_of(old), _node_of(new))
        if len(old.cases) == len(new.cases) == 1:
            one, other = old.cases[0], new.cases[0]
            if self._told and nodes[0].is_union and nodes[1].is_union:
                yield from self._member_worded(one, other, at + self._branch(one, other, nodes))
            yield from self._member(one, other, at)
        elif not self._told:
            yield from self._cells_proven(old, new, at)
        else:
            yield from self._cells_told(old, new, nodes, at)

    def _member(self, one: Case, other: Case, at: str) -> Iterator[_Found]:
        """Compare two cases, as components if that is what they are: those are compared once, however often used."""
        if self._stand(one, other):
            for found in self._below(at, one.member or (), other.member or ()):
                yield found._replace(worded=False)
        else:
            yield from self._case(one, other, at)

    def _stand(self, one: Case, other: Case) -> bool:
        """Tell whether two cases are nothing but the members of unions that they were."""
        return bool(one.member and other.member) and self.old.stands(one) and self.new.stands(other)

    def _cells_proven(self, old: Cell, new: Cell, at: str) -> Iterator[SchemaChange]:
        if new.exclusive and not (old.exclusive and self._paired(old, new)):
            yield SchemaChange("undecided", "overlap-changed", at, "")
        if len(old.cases) * len(new.cases) > _VARIANTS**2:
            yield SchemaChange("undecided", "constraint-changed", at, "")
            return
        for case in old.cases:
            answers = [self._holds(case, other) for other in self._likely(case, new)]
            if "yes" not in answers:
                verdict: Verdict = "undecided" if "unknown" in answers else "narrowed"
                yield SchemaChange(verdict, "union-member-removed", at, "")

    def _likely(self, case: Case, cell: Cell) -> list[Case]:
        """Return the cases of a cell, the one that looks the same first."""
        text = self._look(case)
        return sorted(cell.cases, key=lambda c: self._look(c) != text)

    def _paired(self, old: Cell, new: Cell) -> bool:
        """Tell whether each variant has one that takes the same values, none of them twice."""
        left = list(new.cases)
        for case in old.cases:
            found = next((c for c in left if self._same(case, c, self._reading)), None)
            if found is None:
                return False
            left.remove(found)
        return not left

    def _cells_told(self, old: Cell, new: Cell, nodes: tuple[Node, Node], at: str) -> Iterator[_Found]:
        pairs, gone, come = self._aligned(old.cases, new.cases)
        pairs = [(a, b) for a, b in pairs if not self._unchanged(a, b)]
        if (len(pairs) + len(gone) + len(come)) * max(len(old.cases), len(new.cases)) > _VARIANTS**2:
            reason = f"one of {len(old.cases)} variants, of {len(new.cases)} now: too many to be compared"
            yield SchemaChange("undecided", "constraint-changed", at, reason)
            return
        exclusive = old.exclusive or new.exclusive
        changed: list[tuple[Case | None, Case | None]] = []
        before, now = (dict(zip(c.cases, s.tags(c.cases), strict=True)) for s, c in ((self.old, old), (self.new, new)))
        for one, other in pairs:
            lossless = gainless = False
            if not exclusive:
                rivals = (c for c in new.cases if c is not other and _may_meet(before[one], now[c]))
                lossless = any(self._implied(one, c) == "yes" for c in rivals)
                rivals = (c for c in old.cases if c is not one and _may_meet(before[c], now[other]))
                gainless = any(self._implied_back(c, other) == "yes" for c in rivals)
            elif not self._same(one, other, "lenient"):
                changed.append((one, other))
            place = at + self._branch(one, other, nodes)
            if None not in (one.member, other.member):
                yield from self._member_worded(one, other, place)
            for found in self._member(one, other, place):
                yield _settled(found, lossless, gainless)
        for case in gone:
            place = at + self._branch(case, None, nodes)
            changed.append((case, None))
            verdict, reason = _covered([self._implied(case, c) for c in new.cases], "is gone", exclusive)
            yield SchemaChange(verdict, "union-member-removed", place, f"this variant {reason}", _raw(case), None)
        for case in come:
            place = at + self._branch(None, case, nodes)
            changed.append((None, case))
            verdict, reason = _covered([self._implied_back(c, case) for c in old.cases], "is new", exclusive)
            if verdict == "narrowed":
                verdict = "widened"
            yield SchemaChange(verdict, "union-member-added", place, f"this variant {reason}", None, _raw(case))
        if old.exclusive != new.exclusive:
            if new.exclusive:
                reason = "what fits more than one variant is refused now"
                yield SchemaChange("narrowed", "overlap-forbidden", at, reason, "anyOf", "oneOf")
            else:
                reason = "what fits more than one variant is valid now"
                yield SchemaChange("widened", "overlap-allowed", at, reason, "oneOf", "anyOf")
        elif exclusive and not self._clear(old, new, changed):
            reason = "exactly one of the variants must fit, and whether another one fits as well may have changed"
            yield SchemaChange("undecided", "overlap-changed", at, reason)

    def _unchanged(self, one: Case, other: Case) -> bool:
        """Tell whether two variants are written the same, with all that they refer to."""
        return self._stand(one, other) and not list(self._below("", one.member or (), other.member or ()))

    def _clear(self, old: Cell, new: Cell, changed: list[tuple[Case | None, Case | None]]) -> bool:
        """Tell whether the variants that changed can never fit together with another one."""
        for one, other in changed:
            for side, cell, case in ((self.old, old, one), (self.new, new, other)):
                if case is not None and not all(c is case or side.apart(c, case) for c in cell.cases):
                    return False
        return True

    def _aligned(self, old: list[Case], new: list[Case]) -> tuple[list[tuple[Case, Case]], list[Case], list[Case]]:
        """Return which variants are the same ones, which are gone and which are new.

        Those that look the same first, then by title or component, by the value that tells them apart, by their
        properties, and then the most alike.
        """
        pairs: list[tuple[Case, Case]] = []
        gone, come = list(old), list(new)

        def pair(one: Case, other: Case) -> None:
            pairs.append((one, other))
            gone.remove(one)
            come.remove(other)

        before = dict(zip(map(id, old), self.old.tags(old), strict=True))
        now = dict(zip(map(id, new), self.new.tags(new), strict=True))
        keys: list[tuple[Any, Any]] = [
            (self._look, self._look),
            (lambda c: self.old.label(c.member or ()), lambda c: self.new.label(c.member or ())),
            (lambda c: before[id(c)], lambda c: now[id(c)]),
            (_outline, _outline),
        ]
        for of_old, of_new in keys:
            offered: dict[Any, list[Case]] = {}
            for case in come:
                offered.setdefault(of_new(case), []).append(case)
            for case in list(gone):
                key = of_old(case)
                if key and (found := offered.get(key)):
                    pair(case, found.pop(0))
        if len(gone) * len(come) > _VARIANTS**2:
            return pairs, gone, come
        features = [[(c, tags[id(c)], _features(c)) for c in cases] for cases, tags in ((gone, before), (come, now))]
        scores = [(-_alike(a, b), i, j) for i, a in enumerate(features[0]) for j, b in enumerate(features[1])]
        left, taken = (list(gone), list(come)), (set[int](), set[int]())
        for score, i, j in sorted(scores):
            if -score >= _ALIKE and i not in taken[0] and j not in taken[1]:
                taken[0].add(i)
                taken[1].add(j)
                pair(left[0][i], left[1][j])
        order = {id(c): i for i, c in enumerate(old)}
        return sorted(pairs, key=lambda p: order[id(p[0])]), gone, come

    def _look(self, case: Case) -> str:
        """Return what two variants share that are written in the same way."""
        if case not in self._work.looks:
            unions = "".join(f"[{','.join(map(self._look, u.cases))}]" for u in case.unions)
            text = f"{case.type} {sorted(case.rules.items())!r} {unions} {case.others!r}"
            # what is shared inside may stand there many times over
            self._work.looks[case] = sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
        return self._work.looks[case]

    def _branch(self, old: Case | None, new: Case | None, nodes: tuple[Node, Node]) -> str:
        """Return how to write which variant is meant, by what it is called now if it still is there."""
        for case, side, node in ((new, self.new, nodes[1]), (old, self.old, nodes[0])):
            if case is not None and (case.member is not None or new is None or old is None):
                names = self._names_of(side, node)
                if id(case) in names:
                    return f"({quoted(names[id(case)])})"
        case = new or old
        return f"({case.type})" if case is not None else ""

    def _names_of(self, side: Side, node: Node) -> dict[int, str]:
        """Return what each case is called, by its id."""
        if id(node) not in self._names:
            members = [c for t, cell in node.cells.items() if t != "null" for c in cell.cases]
            self._names[id(node)] = node, dict(zip(map(id, members), side.names(members), strict=True))
        return self._names[id(node)][1]

    def _member_worded(self, old: Case, new: Case, at: str) -> Iterator[SchemaChange]:
        yield from reworded(self.old.words(old.member or ()), self.new.words(new.member or ()), at)

    # --- one case

    def _case(self, old: Case, new: Case, at: str) -> Iterator[_Found]:
        a, b = old.rules, new.rules
        yield from listed(old, new, at)
        match old.type:
            case "number":
                yield from number(a, b, at)
            case "string":
                yield from string(a, b, at)
            case "array":
                yield from self._array(a, b, at)
            case "object":
                yield from self._object(a, b, at)
        yield from self._unions(old, new, at)
        yield from self._rest(old, new, at)

    def _array(self, a: Rules, b: Rules, at: str) -> Iterator[_Found]:
        yield from sizes(a, b, "Items", "item", at)
        if a.get("unique") != b.get("unique"):
            if "unique" in b:
                yield SchemaChange("narrowed", "limit-tightened", at, "no item may come twice now", False, True)
            else:
                yield SchemaChange("widened", "limit-loosened", at, "items may come twice now", True, False)
        before, now = a.get("items", Tuple((), ())), b.get("items", Tuple((), ()))
        closed, closing = self.old.never(before.rest), self.new.never(now.rest)
        for i in range(max(len(before.prefix), len(now.prefix))):
            place = f"{at}[{i}]"
            if i >= len(now.prefix) and closing:
                yield SchemaChange("narrowed", "items-removed", place, "the item is gone", _schema(before.at(i)), None)
            elif i >= len(before.prefix) and closed:
                yield SchemaChange("widened", "items-added", place, "the item is new", None, _schema(now.at(i)))
            else:
                yield from self._below(place, before.at(i), now.at(i))
        beyond = "no further items" if before.prefix or now.prefix else "no items"
        if closing and not closed:
            yield SchemaChange("narrowed", "items-forbidden", f"{at}[]", f"takes {beyond} now", None, False)
        elif closed and not closing:
            reason = f"takes {beyond.removeprefix('no ')} now"
            yield SchemaChange("widened", "items-allowed", f"{at}[]", reason, False, _schema(now.rest))
        elif not closed:
            yield from self._below(f"{at}[]", before.rest, now.rest)
        yield from self._contains(a.get("contains", []), b.get("contains", []), at + "{contains}")

    def _contains(self, before: list[Any], now: list[Any], at: str) -> Iterator[_Found]:
        if len(before) != len(now):
            if not before:
                yield SchemaChange("narrowed", "contains-added", at, "has to hold a certain item now")
            elif not now:
                yield SchemaChange("widened", "contains-removed", at, "need no longer hold a certain item")
            else:
                yield SchemaChange("undecided", "constraint-changed", at, "what it has to hold changed")
            return
        for (old, least, most), (new, least_now, most_now) in zip(before, now, strict=True):
            yield from limit("low", least or None, least_now or None, "such item", at)
            yield from limit("high", most, most_now, "such item", at)
            if most is None and most_now is None:
                yield from self._below(at, old, new)
            elif not self._same(old, new):
                yield SchemaChange("undecided", "constraint-changed", at, "which items are counted changed")

    def _object(self, a: Rules, b: Rules, at: str) -> Iterator[_Found]:
        described = [{n for f in r.get("fields", ()) for n in f.properties} for r in (a, b)]
        before, now = set(a.get("required", ())), set(b.get("required", ()))
        for name in sorted(before ^ now):
            place = f"{at}.{named(name)}"
            if name in before:
                if not self._told or name in described[1] or name not in described[0]:
                    yield SchemaChange("widened", "required-dropped", place, "is no longer required", True, False)
            elif name in described[1] and name not in described[0] and self._told:
                schema = next(f.properties[name] for f in b["fields"] if name in f.properties)
                reason = "the property is new and required"
                yield SchemaChange("narrowed", "property-added-required", place, reason, None, _schema(schema))
            else:
                yield SchemaChange("narrowed", "required-added", place, "is required now", False, True)
        yield from sizes(a, b, "Properties", "property", at, len(before), len(now))
        yield from self._dependent(a.get("dependent", {}), b.get("dependent", {}), at)
        yield from self._below(at + "{name}", a.get("names", ANY_NAME), b.get("names", ANY_NAME))
        for name in sorted({**a.get("dependentSchemas", {}), **b.get("dependentSchemas", {})}):
            one, other = (r.get("dependentSchemas", {}).get(name, ANY_OBJECT) for r in (a, b))
            yield from self._below(f"{at}{{with {named(name)}}}", one, other)
        nothing = [Fields({}, {}, ())]
        parts, parts_now = a.get("fields", nothing), b.get("fields", nothing)
        if len(parts) != len(parts_now):
            reason = "is described in other parts, which cannot be compared"
            yield SchemaChange("undecided", "constraint-changed", at, reason)
        for one, other in zip(parts, parts_now, strict=False):
            yield from self._fields(one, other, before, now, at)

    def _dependent(self, before: Mapping[str, Any], now: Mapping[str, Any], at: str) -> Iterator[SchemaChange]:
        for name in sorted({**before, **now}):
            one, other = before.get(name, ()), now.get(name, ())
            with_it = f"beside {shown(name)}"
            if added := sorted(set(other) - set(one)):
                reason = f"{with_it}, {several(added, '', ' and ')} {are(added)} required now"
                yield SchemaChange("narrowed", "dependency-added", at, reason, None, {name: added})
            if dropped := sorted(set(one) - set(other)):
                reason = f"{with_it}, {several(dropped, '', ' and ')} {are(dropped)} no longer required"
                yield SchemaChange("widened", "dependency-dropped", at, reason, {name: dropped}, None)

    def _fields(self, old: Fields, new: Fields, must: set[str], must_now: set[str], at: str) -> Iterator[_Found]:
        for name in sorted({**old.properties, **new.properties}):
            place = f"{at}.{named(name)}"
            if name in old.properties and name in new.properties:
                yield from self._below(place, old.properties[name], new.properties[name])
            elif not self._told:
                open_ = self._reading == "lenient" and not old.patterns and self.old.anything(old.extra)
                if name in new.properties and old.patterns:
                    yield SchemaChange("undecided", "property-added", place, "")
                elif name in old.properties or not open_:
                    yield from self._below(place, old.of(name), new.of(name))
            elif name in old.properties:
                yield from self._gone(name, old, new, name in must - must_now, place)
            else:
                yield from self._come(name, old, new, name in must_now - must, place)
        for pattern in sorted({**old.patterns, **new.patterns}):
            place = f"{at}./{cut(pattern)}/"
            if pattern in old.patterns and pattern in new.patterns:
                yield from self._below(place, old.patterns[pattern], new.patterns[pattern])
            else:
                yield self._pattern(pattern, old, new, place)
        closed, closing = self.old.never(old.extra), self.new.never(new.extra)
        others = "properties of other names" if old.properties or new.properties else "properties"
        if closing and not closed:
            reason = f"no longer takes {others}"
            yield SchemaChange("narrowed", "extras-forbidden", at, reason, _schema(old.extra), False)
        elif closed and not closing:
            reason = f"takes {others} now"
            yield SchemaChange("widened", "extras-allowed", at, reason, False, _schema(new.extra))
        elif not closed:
            yield from self._below(f"{at}.*", old.extra, new.extra)

    def _gone(self, name: str, old: Fields, new: Fields, required: bool, at: str) -> Iterator[SchemaChange]:
        reason = "the property is gone; it was required" if required else "the property is gone"
        yield SchemaChange("narrowed", "property-removed", at, reason, _schema(old.properties[name]), None)
        if new.patterns:
            yield SchemaChange("undecided", "property-removed", at, "a pattern of names may stand for it now")
        elif not self.new.never(new.extra) and not self.new.anything(new.extra):
            answer = self._implied_back(old.properties[name], new.extra)
            if answer != "yes":
                verdict: Verdict = "widened" if answer == "no" else "undecided"
                yield SchemaChange(verdict, "property-removed", at, "it is taken like any other property now")

    def _come(self, name: str, old: Fields, new: Fields, required: bool, at: str) -> Iterator[SchemaChange]:
        if not required:
            schema = _schema(new.properties[name])
            yield SchemaChange("widened", "property-added", at, "the property is new", None, schema)
        if old.patterns:
            yield SchemaChange("undecided", "property-added", at, "a pattern of names may have stood for it")
        elif not self.old.never(old.extra) and not self.old.anything(old.extra):
            answer = self._implied(old.extra, new.properties[name])
            if answer != "yes":
                verdict: Verdict = "narrowed" if answer == "no" else "undecided"
                yield SchemaChange(verdict, "property-added", at, "it was taken like any other property")

    def _pattern(self, pattern: str, old: Fields, new: Fields, at: str) -> SchemaChange:
        """Return what it means that a pattern of names came or went. Names that are described may match it as well."""
        added = pattern in new.patterns
        what = "pattern-property-added" if added else "pattern-property-removed"
        few, side = (old, self.old) if added else (new, self.new)
        verdict: Verdict = "undecided"
        alone = not {**old.properties, **new.properties} and not few.patterns
        if side.anything(few.extra):
            verdict = "narrowed" if added else "widened"
        elif side.never(few.extra) and alone:
            verdict = "widened" if added else "narrowed"
        reason = f"properties that match the pattern are {'' if added else 'no longer '}described"
        schemas = [_schema(f.patterns[pattern]) if pattern in f.patterns else None for f in (old, new)]
        return SchemaChange(verdict, what, at, reason + (" now" if added else ""), *schemas)

    def _unions(self, old: Case, new: Case, at: str) -> Iterator[_Found]:
        """Compare the unions of which a member has to fit beside the rules."""
        before, now = list(old.unions), list(new.unions)
        pairs: list[tuple[Cell, Cell]] = []
        for alike in (True, False):
            for one in list(before):
                look = [self._look(c) for c in one.cases]
                other = next((u for u in now if not alike or [self._look(c) for c in u.cases] == look), None)
                if other is not None:
                    pairs.append((one, other))
                    before.remove(one)
                    now.remove(other)
        for one, other in pairs:
            yield from self._cells(one, other, (_node_of(one), _node_of(other)), at)
        for union in now:
            reason = f"must also fit one of {len(union.cases)} variants now"
            yield SchemaChange("narrowed", "union-added", at, reason, None, [_raw(c) for c in union.cases])
        for union in before:
            reason = f"need no longer fit one of {len(union.cases)} variants as well"
            yield SchemaChange("widened", "union-removed", at, reason, [_raw(c) for c in union.cases], None)

    def _rest(self, old: Case, new: Case, at: str) -> Iterator[_Found]:
        """Compare what is neither a rule nor a union."""
        if not old.others and not new.others:
            return
        nots, nots_now, ifs, ifs_now = (
            [v for k, v in c.others if k == kind] for kind in ("not", "if") for c in (old, new)
        )
        yield from self._nots(nots, nots_now, at)
        yield from self._ifs(ifs, ifs_now, at)
        known: dict[str, tuple[list[Any], list[Any]]] = {}
        for side, case in enumerate((old, new)):
            for kind, value in case.others:
                if kind not in ("not", "if"):
                    known.setdefault(value[0] if kind == "keyword" else kind, ([], []))[side].append(value)
        for key, (one, other) in sorted(known.items()):
            if key == "unread":
                yield SchemaChange("undecided", "constraint-changed", at, "nested too deeply to be compared")
            elif not self._same_text(one, other):
                reason = f"{shown(key)} changed, and what that means is not known"
                if key == "unevaluated":
                    reason = "what is not described is refused, and what is described changed"
                sides = (single([v[1] if isinstance(v, tuple) else v for v in values]) for values in (one, other))
                yield SchemaChange("undecided", "constraint-changed", at, reason, *sides)

    def _nots(self, before: list[Conj], now: list[Conj], at: str) -> Iterator[SchemaChange]:
        """What may not be: the new forbids nothing new if each of its schemas lies within one of the old."""
        fresh = [self._answer([self._implied_back(o, n) for o in before]) for n in now]
        if (answer := self._answer(fresh, least=True)) != "yes":
            yield _forbidden(
                answer, "narrowed", "forbids more now" if before else "forbids something now", at, before, now
            )
        dropped = [self._answer([self._implied(o, n) for n in now]) for o in before]
        if (answer := self._answer(dropped, least=True)) != "yes":
            yield _forbidden(answer, "widened", "forbids less now", at, before, now)

    def _answer(self, answers: list[_Answer], least: bool = False) -> _Answer:
        """Return the best of the answers, or the least of them; of none at all "no", or "yes"."""
        order: list[_Answer] = ["no", "unknown", "yes"]
        if least:
            return min(answers, key=order.index, default="yes")
        return max(answers, key=order.index, default="no")

    def _ifs(self, before: list[Any], now: list[Any], at: str) -> Iterator[_Found]:
        if len(before) == len(now):
            for one, other in zip(before, now, strict=True):
                if self._same(one[0], other[0]):
                    yield from self._below(at + "{then}", one[1], other[1])
                    yield from self._below(at + "{else}", one[2], other[2])
                else:
                    yield SchemaChange("undecided", "condition-changed", at, "what holds on which condition changed")
        elif not before:
            yield SchemaChange("narrowed", "condition-added", at, "more holds on a condition now")
        elif not now:
            yield SchemaChange("widened", "condition-removed", at, "what held on a condition holds no longer")
        else:
            yield SchemaChange("undecided", "condition-changed", at, "what holds on which condition changed")

    def _same_text(self, old: list[Any], new: list[Any]) -> bool:
        """Tell whether what cannot be understood is the same, with all that it may refer to."""
        before, now = (sorted(map(canonical, values)) for values in (old, new))
        if before != now or not any(f'"{key}"' in text for text in now for key in ("$ref", "$dynamicRef")):
            return before == now
        return all(repr(self.old.root.get(k)) == repr(self.new.root.get(k)) for k in ("$defs", "definitions"))


def _settled(found: _Found, lossless: bool, gainless: bool, prefix: str = "") -> Any:
    """Return a finding below `prefix`, told as what it is where other variants take the values lost or gained."""
    place = prefix + found.place
    if isinstance(found, _Below):
        return found._replace(place=place, lossless=found.lossless or lossless, gainless=found.gainless or gainless)
    idle = {"narrowed": lossless, "widened": gainless, "undecided": lossless and gainless}
    if idle.get(found.verdict):
        reason = f"{found.reason}; another variant takes the same values"
        return replace(found, verdict="reworded", place=place, reason=reason)
    return replace(found, place=place)


def _covered(answers: list[_Answer], happened: str, exclusive: bool) -> tuple[Verdict, str]:
    """Return what it means that a variant is gone, when it is known for each of the others whether it takes all of its
    values."""
    if "yes" in answers:
        return "reworded", f"{happened}; another one takes the same values{' and more' if exclusive else ''}"
    if "unknown" in answers:
        return "undecided", f"{happened}; whether another one takes its values cannot be told"
    return "narrowed", happened


def _forbidden(
    answer: _Answer, verdict: Verdict, reason: str, at: str, before: list[Conj], now: list[Conj]
) -> SchemaChange:
    what = "not-changed" if before and now else "not-added" if now else "not-removed"
    if answer == "unknown":
        verdict, reason = "undecided", "what it forbids changed"
    old, new = (single([_schema(c) for c in side]) for side in (before, now))
    return SchemaChange(verdict, what, at, reason, old, new)


def _schema(conj: Conj) -> Any:
    """Return schemas that hold together as one."""
    return (conj[0] if len(conj) == 1 else {"allOf": list(conj)}) if conj else True


def _raw(case: Case) -> Any:
    """Return the schema of a variant."""
    if case.member:
        return _schema(case.member)
    return {"enum": case.rules["values"]} if case.listed else {"type": case.type}


def _both_ways(one: Any, other: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    return (one, other), (other, one)


def _type_names(node: Node, types: Iterable[str] = TYPES) -> list[str]:
    return [
        "integer" if t == "number" and all(whole(c.rules) for c in node.cells[t].cases) else t
        for t in types
        if t in node.cells
    ]


def _article(name: str) -> str:
    return name if name == "null" else f"an {name}" if name[0] in "aio" else f"a {name}"


def _all_of(node: Node) -> str:
    if len(node.cells) == len(TYPES):
        return "anything"
    return " or ".join(map(_article, _type_names(node)))


def _in_lists(node: Node, type_: str, other: Node) -> bool:
    """Tell whether a type that only one side has is one of several in lists of values on both."""
    return node.cells[type_].listed and any(c.listed for t, c in other.cells.items() if t != "null")


def _values(cell: Cell) -> list[Any]:
    return [v for c in cell.cases for v in c.rules["values"]]


def _sided(value: Any, old: bool) -> tuple[Any, Any]:
    return (value, None) if old else (None, value)


def _node_of(cell: Cell) -> Node:
    return Node({cell.cases[0].type: cell})


def _outline(case: Case) -> Any:
    """Return the names of the properties of an object, and which are required; None of what has none."""
    names = tuple(sorted({n for f in case.rules.get("fields", ()) for n in f.properties}))
    return (names, case.rules.get("required", ())) if names or "required" in case.rules else None


def _alike(one: tuple[Case, frozenset[str], set[str]], other: tuple[Case, frozenset[str], set[str]]) -> float:
    """Return how much two variants have in common, 0 to 1. Those that say that they are different ones are."""
    (case, tags, features), (_, tags_now, features_now) = one, other
    if not _may_meet(tags, tags_now):
        return 0.0
    common = len(features & features_now) / (len(features | features_now) or 1)
    return common if case.type == "object" else (1 + common) / 2


def _may_meet(tags: frozenset[str], others: frozenset[str]) -> bool:
    """Tell whether two variants may be the same one, by the values that say which they are."""
    return not tags or not others or bool(tags & others)


def _features(case: Case) -> set[str]:
    names = {f".{n}" for f in case.rules.get("fields", ()) for n in f.properties}
    rules = {f"{k}={v!r}" for k, v in case.rules.items() if k not in ("fields", "required")}
    return names | rules | {f"!{n}" for n in case.rules.get("required", ())}


def _deeper(value: Any, limit: int) -> bool:
    """Tell whether JSON is nested deeper than `limit`."""
    level = [value]
    for _ in range(limit):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True
