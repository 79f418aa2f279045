"""Turns the arguments of an operation into those of a tool: what the configuration hides, renames, fixes and fills in.

What a model sees and what the API gets differ here and nowhere else. Everything that the configuration names must be
there, so that drift of the document is loud.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from .binding import Draft
from .config import Arguments, Config, Dynamic, Paging, PagingPolicy, ToolConfig
from .names import KEY, argument_key, named_tools
from .problems import Problem
from .replies import completed, lacking, page_style, reply
from .schemas import Defect, Key, Place, Schemas, Shape, fits, is_number, same
from .spec import RawOperation, Spec, escape

__all__ = ["Shaped", "Shaper"]

_RANK = {"path": 0, "query": 1, "header": 2, "cookie": 3, "body": 4, "paging": 5}

_UNPATHED = re.compile(r"[.\[\]]")
"""What a name must not have to be a step of a path such as `layers[].users[].type`."""
_HEAD = re.compile(r"[^.\[]+")

_NOTHING = ToolConfig()


@dataclass(slots=True)
class Shaped:
    """What a tool takes, and what is done with it: the entries of `fill`, `fixed`, … as Python source."""

    arguments: list[tuple[str, Draft]]
    fill: list[tuple[str, str]] = field(default_factory=list)
    fixed: list[tuple[str, str]] = field(default_factory=list)
    """A marker or a quoted path, and a value."""
    values: list[tuple[str, str]] = field(default_factory=list)
    join: list[tuple[str, str]] = field(default_factory=list)
    paging: str = ""
    items: str = ""
    """The path of a list's items in a page."""
    told: list[str] = field(default_factory=list)
    """What is filled in and fixed, in words for the reviewer."""


class Shaper:
    """Shapes the tools of one document; what is wrong in the configuration goes to `wrong`."""

    def __init__(self, spec: Spec, config: Config, schemas: Schemas, wrong: list[Problem]) -> None:
        self._spec, self._config, self._schemas, self._wrong = spec, config, schemas, wrong
        self._used: set[tuple[str, str]] = set()
        self._seen: set[str] = set()
        """The keys of all arguments."""
        self._common = bool(config.paging or config.headers or config.tags) or config.arguments != Arguments()

    def shape(
        self,
        label: str,
        config: ToolConfig,
        raw: RawOperation,
        tags: Iterable[str],
        drafts: Iterable[Draft],
        read: bool,
        *,
        bare: bool = False,
    ) -> Shaped:
        """Return what the tool `label` on an operation with `drafts` for arguments takes.

        `config` is its table under [tools], `tags` are those of the operation, `read` tells whether it only reads;
        `bare` that nothing is done with it.
        """
        if bare or (config == _NOTHING and not self._common):
            listed = list(drafts)
            keys = settle_arguments(listed)
            return Shaped(sorted(zip(keys, listed, strict=True), key=_order))
        return _One(self, label, config, raw, tags, list(drafts), read).shaped()

    def pin_single_values(self, tools: Iterable[Shaped]) -> None:
        """Take the required properties with a single value out of nested objects, and send them instead."""
        if not self._config.arguments.pin_single_values:
            return
        tools = list(tools)
        roots = [p for t in tools for _, d in t.arguments if not d.type_source for p in _roots(self._schemas, d)]
        reached = self._schemas.reachable(roots)
        # What a union tells its forms apart by, and what no path leads to, is left to the model.
        apart = self._schemas.reachable(p for s in reached.values() for p in self._unpathed(s))
        pinned: dict[Key, dict[str, Any]] = {}
        for key, shape in reached.items():
            if shape.is_class and key not in apart and not self._in_a_circle(key):
                needed = {n: p for n, p in shape.properties.items() if n in shape.required and not _UNPATHED.search(n)}
                found = {n: v for n, p in needed.items() for v in self._only_value(p)}
                if found and len(found) < len(shape.properties):
                    pinned[key] = found
        for tool in tools:
            for argument, draft in tool.arguments:
                if not draft.type_source:
                    for path, name, value in self._paths(draft, argument, pinned):
                        tool.fixed.append((repr(f"{path}.{name}"), repr(value)))
                        tool.told.append(f"{path}.{name} is always {_shown(value)}")
        for place, names in pinned.items():
            self._schemas.drop(place, names)
        for tool in tools:
            tool.arguments = [(k, self._renewed(d)) for k, d in tool.arguments]

    def _renewed(self, draft: Draft) -> Draft:
        return replace(draft, shape=self._schemas.shape(draft.site)) if draft.site.key else draft

    def _only_value(self, place: Place) -> list[Any]:
        shape = self._schemas.at(place.key)
        return list(shape.enum) if shape.enum is not None and len(shape.enum) == 1 and not shape.nullable else []

    def _unpathed(self, shape: Shape) -> Iterator[Place]:
        yield from shape.prefix
        yield from (p for n, p in shape.properties.items() if _UNPATHED.search(n))
        yield from self._schemas.aside(shape)
        if isinstance(shape.extra, Place):
            yield shape.extra
        for member in shape.members:
            yield from [member] if isinstance(member, Place) else self._schemas.children(member)

    def _in_a_circle(self, key: Key) -> bool:
        return key in self._schemas.reachable(self._schemas.children(self._schemas.at(key)))

    def _paths(self, draft: Draft, key: str, pinned: Mapping[Key, Mapping[str, Any]]) -> Iterator[tuple[str, str, Any]]:
        """Yield where an argument holds objects with pinned properties: path, property, value."""
        todo: list[tuple[str, Place, tuple[Key, ...]]] = [(key, p, ()) for p in [draft.site] if p.key]
        if not draft.site.key and draft.shape.items is not None:
            todo.append((f"{key}[]", draft.shape.items, ()))
        while todo:
            path, place, above = todo.pop()
            if place.key in above:
                continue
            shape = self._schemas.at(place.key)
            for name, value in sorted(pinned.get(place.key, {}).items()):
                yield path, name, value
            inside = (*above, place.key)
            if shape.items is not None:
                todo.append((f"{path}[]", shape.items, inside))
            todo += [(f"{path}.{n}", p, inside) for n, p in sorted(shape.properties.items(), reverse=True)]

    def check_used(self) -> None:
        """Hold that every argument that [arguments] and [tags] name is one of some tool."""
        for at, stated in self._tables():
            for kind in ("rename", "hide", "pin", "descriptions"):
                for name in getattr(stated, kind):
                    if (at, name) not in self._used:
                        message = f"no tool {'of that tag ' if at != 'arguments' else ''}has an argument {name!r}"
                        close = get_close_matches(name, self._seen - {name}, 1)
                        hint = f"did you mean {close[0]!r}?" if close else "take it out"
                        self._wrong.append(self._config.problem(f"{at}.{kind}.{name}", message, hint))

    def _tables(self) -> Iterator[tuple[str, Arguments]]:
        yield "arguments", self._config.arguments
        for tag, stated in self._config.tags.items():
            yield f"tags.{tag}", stated

    def tables(self, tags: Iterable[str]) -> list[tuple[str, Arguments]]:
        """Return what holds for the arguments of an operation with `tags`, the most particular first."""
        wanted = {f"tags.{t}" for t in tags}
        return [t for t in self._tables() if t[0] in wanted] + [("arguments", self._config.arguments)]


class _One:
    """One tool on its way."""

    def __init__(
        self,
        shaper: Shaper,
        label: str,
        config: ToolConfig,
        raw: RawOperation,
        tags: Iterable[str],
        drafts: list[Draft],
        read: bool,
    ) -> None:
        self._shaper, self._label, self._config, self._raw, self._read = shaper, label, config, raw, read
        self._schemas = shaper._schemas
        self._tables = shaper.tables(tags)
        self._drafts = drafts
        self._keys = settle_arguments(drafts)
        self._document_keys = tuple(self._keys)
        shaper._seen.update(self._keys)
        self._gone: set[int] = set()
        self._renamed: set[int] = set()
        self._fixed: list[tuple[int, str, Any]] = []
        """What is sent for an argument that is gone, and where that is said."""
        self._joined: list[tuple[int, str]] = []
        self._valued: list[tuple[int, Mapping[str, Any]]] = []
        self._limited: int | None = None
        self._placed: int | None = None
        """Of a list in pages the hidden argument for how many, and where it begins."""
        self._out = Shaped([])

    # -- names ------------------------------

    def _find(self, name: str) -> int | None:
        """Return the index of the argument that `name` means: its key, its name on the wire, or that as a key."""
        wires = [d.wire for d in self._drafts]
        left = [k if i not in self._gone else None for i, k in enumerate(self._keys)]
        for names in (left, self._document_keys, wires, [argument_key(w) for w in wires]):
            if name in names:
                return names.index(name)
        return None

    def _named(self, kind: str, name: str) -> int | None:
        """Return the index of an argument that the tool's own table names; without one that is a problem."""
        index = self._find(name)
        if index is None:
            known = sorted({*self._keys})
            close = get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]!r}?" if close else "known: " + (", ".join(known[:12]) or "none")
            self._problem(f"{kind}.{name}", f"{self._label} has no argument {name!r}", hint)
        return index

    def _problem(self, kind: str, message: str, hint: str = "") -> None:
        key = f"tools.{self._label}.{kind}"
        self._shaper._wrong.append(self._shaper._config.problem(key, message, hint))

    def _given(self, kind: str) -> Iterator[tuple[int, str, Any]]:
        """Yield what is stated of arguments, the tool's own words before those of its tags and of all tools."""
        seen: set[int] = set()
        own = getattr(self._config, "arguments" if kind == "descriptions" else kind)
        for name in own:
            index = self._named("arguments" if kind == "descriptions" else kind, name)
            if index is not None and index not in seen:
                seen.add(index)
                yield index, name, own[name] if isinstance(own, Mapping) else True
        if kind in ("hide", "pin"):  # the tool's own table has the last word
            said = (*self._config.only, *self._config.defaults, *(self._config.hide if kind == "pin" else ()))
            seen |= {i for n in said if (i := self._find(n)) is not None}
        for at, table in self._tables:
            stated = getattr(table, kind)
            for name in stated:
                index = self._find(name)
                if index is not None:
                    self._shaper._used.add((at, name))
                    if index not in seen:
                        seen.add(index)
                        yield index, name, stated[name] if isinstance(stated, Mapping) else False

    # -- steps ------------------------------

    def shaped(self) -> Shaped:
        self._gone |= {i for i, d in enumerate(self._drafts) if self._sent_anyway(d)}
        paging = self._paging()
        self._override()
        self._require()
        self._pin()
        self._single()
        self._hide()
        self._rename()
        if paging is not None:
            self._page(paging)
        self._default()
        for index, _, words_ in self._given("descriptions"):
            self._drafts[index] = described(self._drafts[index], named_tools(words_))
        for index, draft in enumerate(self._drafts):
            if index not in self._gone and draft.marker_source.endswith(", plain=True)"):
                self._out.told.append(f"{self._keys[index]} is one word: it has no slash and no blank, and is no null")
        for index, names in self._valued:
            pairs = ", ".join(f"{k} as {_shown(v)}" for k, v in names.items())
            self._out.told.append(f"of {self._keys[index]} is sent {pairs}")
        for index, separator in self._joined:
            self._out.told.append(
                f"{self._keys[index]} is sent as one text, with {_shown(separator)} between its items"
            )
        self._fix()
        out = self._out
        out.values = [(self._keys[i], repr(dict(v))) for i, v in self._valued]
        out.join = [(self._keys[i], v) for i, v in self._joined]
        kept = [(self._keys[i], self._drafts[i]) for i in range(len(self._drafts)) if i not in self._gone]
        out.arguments = sorted(kept, key=_order)
        return out

    def _sent_anyway(self, draft: Draft) -> bool:
        """Tell whether an argument is a header that every request has."""
        return draft.place == "header" and draft.wire.lower() in map(str.lower, self._shaper._config.headers)

    def _override(self) -> None:
        """Give arguments the schemas that the configuration says: narrower, of other names, or as lists."""
        for name, stated in self._config.schema.items():
            if (index := self._named("schema", name)) is not None:
                try:
                    self._drafts[index] = self._with_schema(index, stated)
                except Defect as defect:
                    self._problem(f"schema.{name}", f"the schema of {name!r} cannot be used: {defect.reason}")
        for name, names in self._config.values.items():
            if (index := self._named("values", name)) is not None:
                self._rename_values(index, name, names)
        if self._shaper._config.arguments.bracket_lists:
            for index, draft in enumerate(self._drafts):
                if draft.place == "query" and draft.wire.endswith("[]") and draft.shape.type != "array":
                    self._make_list(index)
        if self._shaper._config.arguments.plain_ids:
            for index, draft in enumerate(self._drafts):
                if draft.place == "path" and draft.shape.type not in ("integer", "number", "boolean"):
                    self._drafts[index] = replace(draft, marker_source=f"{draft.marker_source[:-1]}, plain=True)")
        for name, separator in self._config.join.items():
            if (index := self._named("join", name)) is not None:
                if self._drafts[index].shape.type != "array":
                    self._make_list(index)
                self._joined.append((index, separator))

    def _with_schema(self, index: int, stated: Mapping[str, Any]) -> Draft:
        """Return an argument with a schema in place of the document's, or on top of that if it names no type."""
        draft = self._drafts[index]
        where = f"{self._label} {self._keys[index]} schema"
        root = self._shaper._spec.root
        if not isinstance(root.get("x-mcpgen"), dict):  # a vendor may have an extension of that name
            root["x-mcpgen"] = {}
        root["x-mcpgen"][where] = stated
        own = self._schemas.place(f"#/x-mcpgen/{escape(where)}")
        key = own.key if "type" in stated or not draft.site.key else draft.site.key + own.key
        site = Place(key, own.description or draft.site.description, draft.site.default)
        if self._schemas.endless(site):
            raise Defect(site.key[0], "a value of it must hold another of its kind, without end")
        return replace(draft, site=site, shape=self._schemas.shape(site))

    def _make_list(self, index: int) -> None:
        draft = self._drafts[index]
        inner = draft.site._replace(description="", default=None) if draft.site.key else None
        shape = Shape((), "array", description=draft.site.description or draft.shape.description, items=inner)
        site = self._schemas.invent(f"{self._label} {self._keys[index]} list", shape)
        self._drafts[index] = replace(draft, site=site, shape=self._schemas.shape(site))

    def _rename_values(self, index: int, name: str, names: Mapping[str, Any]) -> None:
        if not names:
            hint = 'write for example { newest = "desc", oldest = "asc" }'
            self._problem(f"values.{name}", f"no value of {self._keys[index]!r} has a name", hint)
            return
        draft = self._drafts[index]
        many = draft.shape.type == "array" and draft.shape.items is not None
        shape = self._schemas.shape(draft.shape.items) if many and draft.shape.items else draft.shape
        for value in names.values():
            if shape.enum is not None and value not in shape.enum:
                known = ", ".join(map(str, shape.enum))
                message = f"{_shown(value)} is no value of {self._keys[index]!r}"
                self._problem(f"values.{name}", message, f"known: {known}")
        where = f"{self._label} {self._keys[index]} values"
        inner = Shape((), "string", enum=list(names), description=draft.shape.description)
        site = self._schemas.invent(where, inner)
        if many:
            listed = replace(draft.shape, items=site._replace(description=""))
            site = self._schemas.invent(f"{where} list", listed)
        site = site._replace(description=draft.site.description or draft.shape.description)
        self._drafts[index] = replace(draft, site=site, shape=self._schemas.shape(site))
        self._valued.append((index, names))

    def _require(self) -> None:
        for name in self._config.require:
            if (index := self._named("require", name)) is not None:
                draft = self._drafts[index]
                if not draft.shape.nullable and draft.shape.default is None and draft.site.default is None:
                    self._drafts[index] = replace(draft, required=True)
                    continue
                shape = replace(draft.shape, nullable=False, default=None)
                site = self._schemas.invent(f"{self._label} {self._keys[index]} required", shape)
                site = site._replace(description=draft.site.description or shape.description, default=None)
                marker = draft.marker_source.replace(", null=True", "")
                self._drafts[index] = replace(
                    draft, required=True, site=site, shape=self._schemas.shape(site), marker_source=marker
                )

    def _pin(self) -> None:
        """Fix values: the argument is gone, what it would hold is sent."""
        for index, name, value in self._given("pin"):
            self._gone.add(index)
            self._fixed.append((index, f"pin.{name}", value))
            self._check(f"pin.{name}", index, value)

    def _fix(self) -> None:
        """Say what is sent for the arguments that are gone, now that the others have their names."""
        hidden = self._gone - {i for i, *_ in self._fixed} - {self._limited, self._placed}
        if names := sorted(_where(self._drafts[i]) for i in hidden if not self._sent_anyway(self._drafts[i])):
            self._out.told.append(f"not offered, and not sent: {', '.join(names)}")
        for index, at, stated in self._fixed:
            draft, value = self._drafts[index], self._settled(at, stated)
            self._out.fixed.append((draft.marker_source, source(value)))
            self._out.told.append(f"{_where(draft)} is {_shown(value)}")

    def _settled(self, kind: str, value: Any) -> Any:
        """Return a value of the configuration whose arguments have their final keys; hold that they are there."""
        match value:
            case Dynamic(kind="argument"):
                index = self._find(value.text)
                if index is not None and index not in self._gone:
                    return replace(value, text=self._keys[index])
                known = ", ".join(sorted(k for i, k in enumerate(self._keys) if i not in self._gone))
                message = f"{self._label} takes no argument {value.text!r} whose value could be sent"
                self._problem(kind, message, f"known: {known or 'none'}")
            case Dynamic(kind="context"):
                name, _, rest = value.text.partition(".")
                if name not in self._shaper._config.contexts:
                    hint = f'declare it: [context.{name or "me"}] with operation = "…"'
                    self._problem(kind, f"there is no context {name!r}", hint)
                elif not rest:
                    hint = f'write what is taken of its answer: "{name}.user.id"'
                    self._problem(kind, f"the context {name!r} is a whole answer", hint)
            case dict():
                return {n: self._settled(kind, v) for n, v in value.items()}
            case list():
                return [self._settled(kind, v) for v in value]
        return value

    def _check(self, kind: str, index: int, value: Any) -> None:
        """Hold that a value is one that the argument takes, as far as that can be told."""
        shape, key = self._drafts[index].shape, self._keys[index]
        if any(_dynamics(value)) or (value is None and shape.nullable) or not shape.type or shape.type == "union":
            return
        low, high = (shape.limits.get(n) for n in ("minimum", "maximum"))
        if shape.enum is not None and not any(same(value, v) for v in shape.enum):
            self._problem(kind, f"{_shown(value)} is no value of {key!r}", f"known: {', '.join(map(str, shape.enum))}")
        elif not fits(value, shape.type):
            hint = "a [[fix]] or a `schema` corrects what the document says of it"
            self._problem(kind, f"{_shown(value)} cannot be the value of {key!r}: that is of type {shape.type}", hint)
        elif is_number(value) and ((is_number(low) and value < low) or (is_number(high) and value > high)):
            bound = f"at least {low}" if is_number(low) and value < low else f"at most {high}"
            self._problem(kind, f"{_shown(value)} cannot be the value of {key!r}: that is {bound}")

    def _single(self) -> None:
        if not self._shaper._config.arguments.pin_single_values:
            return
        for index, draft in enumerate(self._drafts):
            if index in self._gone or not draft.required or draft.shape.enum is None or len(draft.shape.enum) != 1:
                continue
            self._gone.add(index)
            self._fixed.append((index, "", draft.shape.enum[0]))

    def _hide(self) -> None:
        defaulted = {i for i in map(self._find, self._config.defaults) if i is not None}
        for index, name, own in self._given("hide"):
            if index in self._gone:
                continue
            if self._drafts[index].required and index not in defaulted:
                if own:
                    message = f"{self._label} cannot do without the argument {name!r}: it is required"
                    self._problem("hide", message, "give it a value with pin, or a default")
                continue
            self._gone.add(index)
        if self._config.only:
            kept = {i for i in (self._named("only", n) for n in self._config.only) if i is not None}
            for index, draft in enumerate(self._drafts):
                if index not in kept and index not in self._gone:
                    if draft.required:
                        message = f"{self._label} cannot do without the argument {self._keys[index]!r}: it is required"
                        self._problem("only", message, "name it, or give it a value with pin")
                    self._gone.add(index)

    def _rename(self) -> None:
        before = list(self._keys)
        # What is left settles anew: an argument that is gone takes no name.
        left = [i for i in range(len(self._drafts)) if i not in self._gone]
        for index, key in zip(left, settle_arguments([self._drafts[i] for i in left]), strict=True):
            self._keys[index] = key
        renamed: dict[int, str] = {}
        for index, old, new in self._given_before("rename", before):
            if index in self._gone:
                continue
            if not KEY.fullmatch(new):
                self._problem(f"rename.{old}", f"{new!r} is no name of an argument", "write 1 to 64 of a-z A-Z 0-9 _ -")
            renamed[index] = new
        final = {i: renamed.get(i, self._keys[i]).lower() for i in left}
        for index, new in renamed.items():
            if any(final[i] == new.lower() for i in left if i != index):
                hint = "choose another, rename that one too, or hide it"
                self._problem("rename", f"{self._label} has another argument {new!r}", hint)
        for index, new in renamed.items():
            self._keys[index] = new
        self._renamed = set(renamed)

    def _given_before(self, kind: str, keys: list[str]) -> list[tuple[int, str, Any]]:
        now, self._keys = self._keys, keys
        try:
            return list(self._given(kind))
        finally:
            self._keys = now

    def _default(self) -> None:
        for name, value in self._config.defaults.items():
            whole = self._find(name) is not None
            head = _HEAD.match(name)
            index = self._named("defaults", name if whole or not head else head[0])
            if index is None or index == self._limited:
                continue
            rest = "" if whole or not head else name[head.end() :]
            if index in self._gone:
                if rest:
                    hint = f"write what is sent for it: pin.{head[0] if head else name} = {{ … }}"
                    self._problem(f"defaults.{name}", f"{name} is in an argument that is hidden", hint)
                elif index in {i for i, *_ in self._fixed}:
                    message = f"{self._label} pins {name!r}, so that its default is never used"
                    self._problem(f"defaults.{name}", message, "take one of them out")
                else:
                    self._check(f"defaults.{name}", index, value)
                    self._fixed.append((index, f"defaults.{name}", value))
                continue
            draft, path = self._drafts[index], self._keys[index] + rest
            if rest:
                self._within(name, draft, rest)
            else:
                self._check(f"defaults.{name}", index, value)
                draft = replace(draft, required=False)
            settled = self._settled(f"defaults.{name}", value)
            self._out.fill.append((path, source(settled)))
            self._out.told.append(f"{path} is {_shown(settled)} unless it is given")
            if any(_dynamics(settled)):
                if not rest:
                    said = f"{draft.site.description or draft.shape.description} By default {_shown(settled)}."
                    draft = described(draft, said.strip())
            elif not rest and draft.site.key:
                site = draft.site._replace(default=value)
                draft = replace(draft, site=site, shape=self._schemas.shape(site))
            self._drafts[index] = draft

    def _within(self, name: str, draft: Draft, rest: str) -> None:
        """Hold that an argument has what a path leads to in it, as far as the document says what is in it."""
        shape = draft.shape
        for step in re.findall(r"[^.\[\]]+|\[\]", rest):
            inner = shape.items if step == "[]" else shape.properties.get(step)
            if inner is None:
                if shape.type in ("object", "array") and (shape.properties or shape.items is not None):
                    known = ", ".join(sorted(shape.properties)) if shape.type == "object" else "[]"
                    message = f"{self._label} has no {name!r} in its arguments"
                    self._problem(f"defaults.{name}", message, f"known where {step!r} is: {known}")
                return
            shape = self._schemas.at(inner.key)

    # -- pages ------------------------------

    def _paging(self) -> Paging | None:
        """Return how the tool's pages follow each other; None for a tool without pages."""
        stated, policy = self._config.paging, self._shaper._config.paging
        if stated is False or (stated is None and policy is None):
            return None
        spec, raw = self._shaper._spec, self._raw
        found = reply(spec, raw)
        names = {d.wire: d.shape.type for d in self._drafts if d.place in ("query", "body")}
        if isinstance(stated, Paging):
            paging = completed(stated, spec, raw, found, names)
        else:
            inferred = page_style(spec, raw, found, names) if self._read or stated else None
            if inferred is None:
                if stated:
                    self._problem(
                        "paging",
                        f"how the pages of {self._label} follow each other cannot be told",
                        'say it: paging = { style = "offset", limit = "…", place = "…", items = "…" }',
                    )
                return None
            paging = inferred
        for kind in ("limit", "place"):
            name = getattr(paging, kind)
            if name and name not in names:
                hint = f"known: {', '.join(sorted(names)[:12]) or 'none'}"
                self._problem(f"paging.{kind}", f"{self._label} has no parameter {name!r}", hint)
        for kind in ("items", "more", "total") if isinstance(stated, Paging) else ():
            if unknown := lacking(spec, found, getattr(paging, kind)):
                step, known = unknown
                if kind != "items" and not get_close_matches(step, known, 1):
                    continue  # documents forget to name what tells that there is more; this is no slip of the pen
                hint = f"known: {', '.join(known[:12])}"
                self._problem(f"paging.{kind}", f"the answer of {self._label} has no property {step!r}", hint)
        if paging.style not in ("none", "link") and not paging.place:
            self._problem(
                "paging", f"the parameter with which the pages of {self._label} start is missing", 'add place = "…"'
            )
        return paging

    def _page(self, paging: Paging) -> None:
        """Put an argument for how many items in the place of those for size and start."""
        policy = self._shaper._config.paging or PagingPolicy()
        most = paging.max_items or policy.max_items
        by_wire = {d.wire: i for i, d in enumerate(self._drafts) if d.place in ("query", "body")}
        limit, place = by_wire.get(paging.limit), by_wire.get(paging.place)
        for index in {limit, place} & {i for i, *_ in self._fixed}:
            hint = (
                "take the pin away; [paging] page_size says how large pages are, paging = false leaves the list alone"
            )
            self._problem("pin", f"the pages of {self._label} need {self._drafts[index or 0].wire!r}", hint)
        size, least = _page_size(
            paging.page_size or policy.page_size, self._drafts[limit].shape if limit is not None else None
        )
        start, first = "", None
        markers = {"limit": "", "place": ""}
        if place is not None:
            draft = self._drafts[place]
            markers["place"] = draft.marker_source
            first = _first_page(paging.style, draft.shape)
            start = self._keys[place] if place not in self._gone else ""
            local = f"Local({'null=True' if 'null=True' in draft.marker_source else ''})"
            self._drafts[place] = replace(draft, marker_source=local, place="paging", required=False)
            self._placed = place
        if limit is not None:
            markers["limit"] = self._drafts[limit].marker_source
        key = self._limit(limit, most, min(policy.default_items, most))
        if not key:  # nobody can ask for another number
            most = self._usual(limit, min(policy.default_items, most))
        names = (policy.items, policy.note)
        options = {
            **markers,
            "more": repr(paging.more) if paging.more else "",
            "total": repr(paging.total) if paging.total else "",
            "page_size": str(size) if size != 100 else "",
            "least": str(least) if least != 1 else "",
            "first": str(first) if first is not None else "",
            "max_items": str(most) if most != 1000 else "",
            "arguments": repr((key, start)) if (key, start) != ("limit", "") else "",
            "names": repr(names) if names != ("items", "note") else "",
        }
        said = "".join(f", {n}={v}" for n, v in options.items() if v)
        self._out.items = paging.items
        self._out.paging = f"Paging({paging.style!r}, {paging.items!r}{said})"
        way = {"link": "by the header Link", "none": "in one page"}.get(paging.style, f"by {paging.place}")
        self._out.told.append(f"the list is read {way}, up to {size:,} items at once and {most:,} in all")

    def _limit(self, index: int | None, most: int, usual: int) -> str:
        """Make the argument for how many items, and return its key; "" where it is hidden."""
        if index is not None and index in self._gone:
            self._limited = index
            return ""
        others = {k.lower() for i, k in enumerate(self._keys) if i not in self._gone and i != index}
        key = next((k for k in ("limit", "max_items") if k not in others), "paging_limit")
        if index is not None and index in self._renamed:
            key = self._keys[index]
        words_ = f"How many items at most, from all pages together; up to {most:,}."
        wire = None if index is None else self._drafts[index].wire
        bounds: dict[str, Any] = {"minimum": 1, "maximum": most}
        shape = Shape((), "integer", limits=bounds, description=words_, default=usual)
        site = self._schemas.invent(f"{self._label} {key} items", shape)
        made = Draft("paging", key if wire is None else wire, "Local()", site, False, self._schemas.shape(site))
        if index is None:
            index = len(self._drafts)
            self._drafts.append(made)
            self._keys.append(key)
        self._drafts[index] = made
        self._keys[index] = key
        if index not in map(self._find, self._config.defaults):
            self._out.fill.append((key, repr(usual)))
            self._out.told.append(f"{key} is {usual} unless it is given")
        return key

    def _usual(self, index: int | None, usual: int) -> int:
        """Return how many items are read where the argument for it is hidden."""
        stated = [v for n, v in self._config.defaults.items() if self._find(n) == index]
        return stated[0] if stated and isinstance(stated[0], int) else usual


def _page_size(wanted: int, shape: Shape | None) -> tuple[int, int]:
    """Return how many items are asked for at once: at most, and at least."""
    if shape is None:
        return wanted, 1
    sizes = sorted(v for v in shape.enum or () if isinstance(v, int))
    if sizes:
        size = max((v for v in sizes if v <= wanted), default=sizes[0])
        return size, size
    low, high = (shape.limits.get(n) for n in ("minimum", "maximum"))
    least = max(1, int(low)) if is_number(low) else 1
    return max(min(wanted, int(high)) if is_number(high) and high >= 1 else wanted, least), least


def _first_page(style: str, shape: Shape) -> int | None:
    """Return where a list begins, None for where its style usually does: offset 0, page 1."""
    usual = {"offset": 0, "page": 1}.get(style)
    low = shape.limits.get("minimum")
    stated = (
        shape.default if isinstance(shape.default, int) else int(low) if is_number(low) and low in (0, 1) else usual
    )
    return stated if usual is not None and stated != usual else None


def _where(draft: Draft) -> str:
    """Return an argument of the API for people: query page, body."""
    return f"{draft.place} {draft.wire}" if draft.wire != draft.place else draft.place


def _order(argument: tuple[str, Draft]) -> tuple[int, str]:
    return _RANK[argument[1].place], argument[1].wire


def settle_arguments(drafts: list[Draft]) -> list[str]:
    """Return a key for every argument; those that clash are qualified by their place, the path's keep theirs."""
    order = sorted(
        range(len(drafts)),
        key=lambda i: (_RANK[drafts[i].place], argument_key(drafts[i].wire) != drafts[i].wire, drafts[i].wire),
    )
    taken: set[str] = set()
    keys = [""] * len(drafts)
    for index in order:
        draft = drafts[index]
        key = argument_key(draft.wire)
        if key.lower() in taken:
            key = f"{draft.place}_{key}"[:64]
        if key.lower() in taken:
            key = argument_key(f"{draft.place}_{draft.wire}\0{draft.marker_source}")
        taken.add(key.lower())
        keys[index] = key
    return keys


def described(draft: Draft, text: str) -> Draft:
    """Return an argument with other words."""
    schema = {**draft.schema, "description": text} if draft.schema else None
    shape = draft.shape if draft.site.key else replace(draft.shape, description=text)
    return replace(draft, site=draft.site._replace(description=text), shape=shape, schema=schema)


def _roots(schemas: Schemas, draft: Draft) -> list[Place]:
    return list(schemas.children(draft.shape)) if not draft.site.key else [draft.site]


def source(value: Any) -> str:
    """Return a value of the configuration as Python."""
    match value:
        case Dynamic():
            name = {"argument": "Argument", "context": "Context", "now": "Now"}[value.kind]
            return f"{name}({value.text!r})"
        case dict():
            return "{" + ", ".join(f"{k!r}: {source(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ", ".join(source(v) for v in value) + "]"
    return repr(value)


def _dynamics(value: Any) -> Iterator[Dynamic]:
    if isinstance(value, Dynamic):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _dynamics(inner)


_SPOKEN = re.compile(r"([+-])([0-9]+)([smhdw])")
_UNITS = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week"}


def _distance(match: re.Match[str]) -> str:
    sign, number, unit = match.groups()
    some = f"{number} {_UNITS[unit]}{'' if number == '1' else 's'}"
    return f"{some} {'before' if sign == '-' else 'after'} the call"


def _shown(value: Any) -> str:
    match value:
        case None:
            return "null"
        case Dynamic(kind="argument"):
            return f"the argument {value.text}"
        case Dynamic(kind="context"):
            name, _, rest = value.text.partition(".")
            return f"{rest} of the context {name}"
        case Dynamic():
            return _SPOKEN.sub(_distance, value.text) if value.text else "the time of the call"
        case str():
            return f'"{value}"'
        case dict():
            return "{" + ", ".join(f"{k}: {_shown(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_shown, value)) + "]"
    return repr(value) if not isinstance(value, bool) else str(value).lower()
