"""Turns a schema of the document into JSON Schema 2020-12, and that into a value: what the mock says and checks.

This reading of OpenAPI is the mock's own, apart from the one that the generator has, so that each can find the other's
mistakes. `jsonschema-rs` validates and `hypothesis` samples; both are imported when they are first needed, so that no
other command of mcpgen pays for them.
"""

from __future__ import annotations

import contextlib
import math
import re
import string
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mcpgen.spec import Spec, Unresolved

if TYPE_CHECKING:
    import jsonschema_rs

JsonSchema = dict[str, Any] | bool
Definitions = Mapping[str, JsonSchema]

# ---------------------------------------------------------------------------------------------- schemas of the document

TYPES: Final = ("string", "number", "integer", "boolean", "array", "object", "null")
_ONE: Final = (
    *("additionalProperties", "unevaluatedProperties", "items", "unevaluatedItems", "contains", "propertyNames"),
    *("not", "if", "then", "else"),
)
_MANY: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED: Final = ("properties", "patternProperties", "dependentSchemas")


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_size(value: Any) -> bool:
    return is_number(value) and value >= 0 and value == int(value)


_PLAIN: Final[dict[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), is_number),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minContains", "maxContains"), _is_size),
    **dict.fromkeys(("minProperties", "maxProperties"), _is_size),
    "multipleOf": lambda value: is_number(value) and value > 0,
    "uniqueItems": lambda value: value is True,
    "format": lambda value: isinstance(value, str),
    "contentEncoding": lambda value: isinstance(value, str),
    "const": lambda value: True,
}
"""Keywords that hold no schema, with what 2020-12 allows as their value; any other value is left out."""


class Node(NamedTuple):
    """What one translated schema depends on: where it stands, and what the `allOf` around it says about it."""

    pointer: str
    optional: frozenset[str] = frozenset()
    """Names that are not required, because a neighbour in the `allOf` declares them read-only."""
    opened: bool = False
    """`additionalProperties: false` is not applied: by the letter nothing fits two closed branches of an `allOf`."""

    def at(self, *tokens: str | int) -> str:
        return "/".join([self.pointer, *(str(t).replace("~", "~0").replace("/", "~1") for t in tokens)])


class Bundle(NamedTuple):
    """A self-contained schema: `schema` refers into `definitions` with `#/$defs/<name>`."""

    schema: JsonSchema
    definitions: Definitions = MappingProxyType({})
    notes: tuple[str, ...] = ()

    def validator(self) -> jsonschema_rs.Draft202012Validator | None:
        """The compiled schema; None when the library refuses it, which leaves the value unchecked."""
        import jsonschema_rs

        whole = {"allOf": [self.schema], "$defs": dict(self.definitions)}
        try:
            return jsonschema_rs.Draft202012Validator(whole, validate_formats=False, offline=True)
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, RecursionError):
            return None


class Translator:
    """Schemas of the document as JSON Schema 2020-12; each place is translated once.

    `hidden` is the keyword whose properties are not required in this direction: "readOnly" for a request, "writeOnly"
    for an answer (OpenAPI 3.0.4, "Schema Object"). A part that cannot be represented becomes `true`, with a note.
    """

    def __init__(self, spec: Spec, hidden: str) -> None:
        self._spec = spec
        self._hidden = hidden
        self._names: dict[Node, str] = {}
        self._places: dict[Node, tuple[JsonSchema, list[Node], list[str]]] = {}

    def bundle(self, pointer: str) -> Bundle:
        """The schema at `pointer` with every definition that it reaches."""
        definitions: dict[str, JsonSchema] = {}
        notes: list[str] = []
        start = Node(pointer)
        todo = [start]
        while todo:
            place = todo.pop()
            name = self._name(place)
            if name in definitions:
                continue
            if place not in self._places:
                reached: list[Node] = []
                said: list[str] = []
                schema = self._translate(self._spec.resolve(place.pointer), place, reached, said)
                self._places[place] = schema, reached, said
            definitions[name], reached, said = self._places[place]
            notes += said
            todo += reached
        return Bundle({"$ref": f"#/$defs/{self._name(start)}"}, definitions, tuple(notes))

    def _name(self, place: Node) -> str:
        return self._names.setdefault(place, f"d{len(self._names)}")

    def _translate(self, node: Any, place: Node, reached: list[Node], notes: list[str]) -> JsonSchema:
        if isinstance(node, bool):
            return node
        if not isinstance(node, dict):
            notes.append(f"{place.pointer} is no schema: anything is accepted there")
            return True
        out: dict[str, Any] = {}
        if "$ref" in node:
            try:
                target = Node(self._spec.deref(node, place.pointer)[1], place.optional, place.opened)
            except Unresolved as e:
                notes.append(f"{e.reason} (at {place.pointer}): anything is accepted there")
                return True
            reached.append(target)
            out["$ref"] = f"#/$defs/{self._name(target)}"
            if self._spec.version.startswith("3.0"):
                # The neighbours of a reference mean nothing in 3.0, but vendors write this one and mean it.
                node = {k: node[k] for k in ("nullable", "example") if k in node}
        self._scalars(node, place, out, notes)

        optional = place.optional
        if "required" in node or "allOf" in node:
            optional |= self._hidden_names(node, place.pointer, set())
        if isinstance(required := node.get("required"), list):
            out["required"] = [n for n in dict.fromkeys(map(str, required)) if n not in optional]
        for key in _NAMED:
            if isinstance(node.get(key), dict):
                out[key] = {
                    str(name): self._translate(sub, Node(place.at(key, name)), reached, notes)
                    for name, sub in node[key].items()
                    if key != "patternProperties" or compiles(str(name))
                }
        for key in _ONE:
            closes = node.get(key) is False and key in ("additionalProperties", "unevaluatedProperties")
            if isinstance(node.get(key), dict | bool) and not (place.opened and closes):
                out[key] = self._translate(node[key], Node(place.at(key)), reached, notes)
        if out.get("additionalProperties") is False and node.keys() & {"$ref", "allOf", "anyOf", "oneOf"}:
            # Vendors mean "and nothing else than what the branches declare" (protobuf's oneof comes out like this); by
            # the letter nothing but the properties beside the keyword would be allowed.
            out["unevaluatedProperties"] = out.pop("additionalProperties")
        for key in ("allOf", "anyOf", "oneOf", "prefixItems", "items"):
            branches = node.get(key)
            if not isinstance(branches, list) or not branches:
                continue
            into, optional_there, opened = key, frozenset[str](), False
            if key == "allOf":
                optional_there, opened = optional, place.opened or len(branches) > 1 or "properties" in node
            elif key == "items":  # a tuple of the drafts before 2020-12
                into = "prefixItems"
            elif key == "oneOf" and "discriminator" in node and "anyOf" not in node:
                into = "anyOf"  # the vendor says which one is meant; that several fit is then no mistake
            out[into] = [
                self._translate(sub, Node(place.at(key, i), optional_there, opened), reached, notes)
                for i, sub in enumerate(branches)
            ]
        if node.get("nullable") is True or node.get("x-nullable") is True:
            return _or_null(out)
        return out

    def _scalars(self, node: dict[str, Any], place: Node, out: dict[str, Any], notes: list[str]) -> None:
        """Copies the keywords that hold no schema; what 2020-12 would refuse is left out or brought into its form."""
        raw = node.get("type")
        types = [t for t in TYPES if t in (raw if isinstance(raw, list) else [raw])]
        if types:
            out["type"] = types[0] if len(types) == 1 else types
        out |= {key: node[key] for key, allowed in _PLAIN.items() if key in node and allowed(node[key])}
        for exclusive, inclusive in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
            if node.get(exclusive) is True and inclusive in out:  # OpenAPI 3.0
                out[exclusive] = out.pop(inclusive)
        if "pattern" in node:
            if isinstance(node["pattern"], str) and compiles(node["pattern"]):
                out["pattern"] = node["pattern"]
            else:
                notes.append(f"the pattern is no regular expression: it is not checked (at {place.pointer})")
        if isinstance(enum := node.get("enum"), list) and enum:
            # `enum: [1, 2]` under `type: string` would refuse everything.
            if fitting := [v for v in enum if not types or any(has_type(v, t) for t in types)]:
                out["enum"] = fitting
            else:
                notes.append(f"no value of the enum has the type of the schema: it is not checked (at {place.pointer})")
        if isinstance(dependent := node.get("dependentRequired"), dict):
            out["dependentRequired"] = {str(k): [*map(str, v)] for k, v in dependent.items() if isinstance(v, list)}
        examples = [*node["examples"]] if isinstance(node.get("examples"), list) else []
        examples += [node[k] for k in ("example", "default") if node.get(k) is not None]
        if examples:
            out["examples"] = examples

    def _hidden_names(self, node: Any, pointer: str, seen: set[str]) -> frozenset[str]:
        """The properties of `node` and of the branches of its `allOf` that this direction does not carry."""
        try:
            node, pointer = self._spec.deref(node, pointer)
        except Unresolved:
            return frozenset()
        if not isinstance(node, dict) or pointer in seen:
            return frozenset()
        seen.add(pointer)
        names: set[str] = set()
        properties = node.get("properties")
        for name, sub in properties.items() if isinstance(properties, dict) else ():
            with contextlib.suppress(Unresolved):
                for said in (sub, self._spec.deref(sub, pointer)[0]):
                    if isinstance(said, dict) and said.get(self._hidden) is True:
                        names.add(str(name))
        branches = node.get("allOf")
        for i, sub in enumerate(branches if isinstance(branches, list) else ()):
            names |= self._hidden_names(sub, f"{pointer}/allOf/{i}", seen)
        return frozenset(names)


@cache
def compiles(pattern: str) -> bool:
    """Whether `pattern` is a regular expression; "/^x$/i" is a vendor's mistake for one."""
    return Bundle({"pattern": pattern}).validator() is not None and not re.fullmatch(r"(?s)/\^.*\$/[a-z]*", pattern)


def definition_name(schema: Mapping[str, Any]) -> str:
    """The definition that a translated schema refers to."""
    return str(schema["$ref"]).rpartition("/")[2]


def has_type(value: Any, name: str) -> bool:
    if name in ("number", "integer"):
        return is_number(value) and (name == "number" or value == int(value))
    kinds = {"string": str, "boolean": bool, "array": list, "object": dict, "null": type(None)}
    return isinstance(value, kinds[name])


def _or_null(schema: dict[str, Any]) -> JsonSchema:
    """`nullable: true` of OpenAPI 3.0 in the words of 2020-12."""
    if not {"type", "enum"} & schema.keys() or {"$ref", "allOf", "anyOf", "oneOf", "not", "const"} & schema.keys():
        return {"anyOf": [schema, {"type": "null"}]}
    if "type" in schema:
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        schema["type"] = [*dict.fromkeys([*types, "null"])]
    if None not in schema.get("enum", [None]):
        schema["enum"] = [*schema["enum"], None]
    return schema


# ------------------------------------------------------------------------------------------------------------- sampling

_ROOM: Final = 3
"""How many objects deep optional properties are sampled; deeper ones are left out, which keeps an answer readable."""

_LARGEST: Final = 120
"""From so many values on a sample takes only what is required."""

_TEXTS: Final = {
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "email": "ann@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    **dict.fromkeys(("byte", "base64"), "c2FtcGxl"),
    **dict.fromkeys(("uri", "url", "iri"), "https://example.com/"),
}
"""The text for a `format` or `contentEncoding`."""


def sample(bundle: Bundle) -> tuple[Any, str]:
    """A value for the schema, the same in every run; the second part is empty, or says why it is only a stub."""
    import hypothesis
    from hypothesis.configuration import set_hypothesis_home_dir

    validator = bundle.validator()
    settings = hypothesis.settings(
        max_examples=40,  # the first one is the simplest; the others are random, with the same seed in every run
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        verbosity=hypothesis.Verbosity.quiet,
    )
    judged: dict[tuple[int, ...], list[Any]] = {}
    reason = "no sample fits the schema"
    # Else it would leave its tables in `.hypothesis` in the folder of whoever runs the mock.
    with tempfile.TemporaryDirectory() as home:
        set_hypothesis_home_dir(home)
        try:
            for room in (_ROOM, 1, 0):
                made = hypothesis.strategies.composite(_Sampler.value)(bundle, room, judged)
                try:
                    fits = validator.is_valid if validator else lambda _: True
                    return hypothesis.find(made, fits, settings=settings, random=Random(0)), ""  # noqa: S311
                except _DeadEnd:
                    reason = "the schema never ends"
                except (hypothesis.errors.NoSuchExample, hypothesis.errors.Unsatisfiable):
                    continue
                except Exception as e:
                    # A pattern of another dialect, numbers beyond a float …: it must not cost the answer.
                    reason = type(e).__name__
        finally:
            set_hypothesis_home_dir(None)
    stubs = {"object": {}, "array": [], "string": ""}
    kinds = outline([bundle.schema], bundle.definitions).types
    return next((v for kind, v in stubs.items() if kind in kinds), {}), f"sampling failed: {reason}"


class _DeadEnd(Exception):
    """No value ends here: a reference comes back to itself, or the schema is `false`."""


_Trail = frozenset[str]
"""The references that lead to a schema."""
_Schemas = list[tuple[JsonSchema, _Trail]]
"""What one value has to meet at once."""
_Parts = list[tuple[dict[str, Any], _Trail]]
"""The same with references followed and branches chosen."""
_Said = dict[str, list[Any]]
"""The same by keyword."""


class _Sampler:
    """Makes one value for a schema; every choice is drawn, so that `hypothesis` can look for a value that fits.

    The simplest draw is the first branch, the vendor's example, every optional property while there is room. What is
    not constructed here (`not`, `if`, one branch of `oneOf` only …) is left to the search.
    """

    def __init__(self, draw: Callable[..., Any], definitions: Definitions, judged: dict[Any, list[Any]]) -> None:
        from hypothesis import strategies

        self._draw, self._st, self._definitions, self._judged = draw, strategies, definitions, judged
        self._size = 0

    @staticmethod
    def value(draw: Callable[..., Any], bundle: Bundle, room: int, judged: dict[Any, list[Any]]) -> Any:
        """A value for `bundle`, which may or may not fit; raises `_DeadEnd`. `judged` keeps which examples fit."""
        return _Sampler(draw, bundle.definitions, judged)._value([(bundle.schema, frozenset())], room)

    def _pick(self, values: list[Any]) -> Any:
        return self._draw(self._st.sampled_from(values))

    def _parts(self, schema: JsonSchema, trail: _Trail) -> Iterator[tuple[dict[str, Any], _Trail]]:
        if schema is False:
            raise _DeadEnd
        if not isinstance(schema, dict):
            return
        if "$ref" in schema:
            name = definition_name(schema)
            if name in trail:
                raise _DeadEnd
            yield from self._parts(self._definitions[name], trail | {name})
        for sub in schema.get("allOf", []):
            yield from self._parts(sub, trail)
        for branches in filter(None, (schema.get("anyOf"), schema.get("oneOf"))):
            first = self._pick([*range(len(branches))])
            for sub in branches[first:] + branches[:first]:
                with contextlib.suppress(_DeadEnd):
                    yield from [*self._parts(sub, trail)]
                    break
            else:
                raise _DeadEnd
        yield schema, trail

    def _value(self, schemas: _Schemas, room: int) -> Any:
        self._size += 1
        room = room if self._size <= _LARGEST else 0
        parts = [part for schema, trail in schemas for part in self._parts(schema, trail)]
        said: _Said = {}
        for part, _ in parts:
            for key, value in part.items():
                said.setdefault(key, []).append(value)
        allowed = [[v] for v in said.get("const", [])] + said.get("enum", [])
        if allowed and (common := [v for v in allowed[0] if all(v in values for values in allowed)]):
            return self._pick(common)
        if examples := [e for values in said.get("examples", []) for e in values]:
            place = tuple(id(part) for part, _ in parts)
            if place not in self._judged:
                validator = Bundle({"allOf": [schema for schema, _ in schemas]}, self._definitions).validator()
                self._judged[place] = [e for e in examples if validator is None or validator.is_valid(e)]
            if self._judged[place] and self._pick([True, False]):
                return self._judged[place][0]
        match kind := self._pick(_kinds(said)):
            case "object":
                return self._object(parts, said, room)
            case "array":
                return self._array(parts, said, room)
            case "string":
                return self._text(said)
            case "boolean" | "null":
                return self._pick([False, True]) if kind == "boolean" else None
        return self._number(said, kind == "integer")

    def _object(self, parts: _Parts, said: _Said, room: int) -> dict[str, Any]:
        required = {name for names in said.get("required", []) for name in names}
        properties: dict[str, _Schemas] = {}
        for part, trail in parts:
            for name, sub in part.get("properties", {}).items():
                properties.setdefault(name, []).append((sub, trail))
        patterns = [(k, s, t) for p, t in parts for k, s in p.get("patternProperties", {}).items()][:1]
        others: _Schemas = [(s, t) for _, s, t in patterns]
        others = others or [(p["additionalProperties"], t) for p, t in parts if "additionalProperties" in p]
        most = min(said.get("maxProperties", [math.inf]))
        made: dict[str, Any] = {}
        for name in dict.fromkeys([*properties, *sorted(required)]):
            if name in required or (room > 0 and len(made) < most and self._pick([True, False])):
                try:
                    made[name] = self._value(properties.get(name, others), room - 1)
                except _DeadEnd:
                    if name in required:
                        raise
        while len(made) < max(said.get("minProperties", [0])):
            names: _Schemas = [(p["propertyNames"], t) for p, t in parts if "propertyNames" in p]
            names += [({"type": "string", "pattern": pattern}, frozenset()) for pattern, _, _ in patterns]
            key = str(self._value([*names, ({"type": "string"}, frozenset())], 0))
            made[key if key not in made else f"{key}{len(made)}"] = self._value(others, room - 1)
        return made

    def _array(self, parts: _Parts, said: _Said, room: int) -> list[Any]:
        first: _Schemas = [(sub, t) for p, t in parts for sub in p.get("prefixItems", [])]
        rest: _Schemas = [(p[key], t) for p, t in parts for key in ("items", "contains") if key in p]
        least = max(said.get("minItems", [0]))
        wanted = least if first or not rest else min(max(least, 1), *said.get("maxItems", []), math.inf)
        made: list[Any] = []
        try:
            made += [self._value([item], room) for item in first]
            for _ in range(100):
                if len(made) >= wanted:
                    break
                item = self._value(rest, room)
                if item not in made or True not in said.get("uniqueItems", []):
                    made.append(item)
        except _DeadEnd:
            if len(made) < least:
                raise
        return made

    def _text(self, said: _Said) -> str:
        low, high = max(said.get("minLength", [0])), min(said.get("maxLength", [math.inf]))
        patterns = said.get("pattern", [])
        usual = _TEXTS.get([*said.get("format", []), *said.get("contentEncoding", []), ""][0], "string")
        letters = self._st.sampled_from(string.ascii_lowercase)
        texts = self._st.lists(letters, min_size=low, max_size=int(min(high, low + 20))).map("".join)
        if patterns:
            texts = self._st.from_regex(patterns[0], alphabet=self._st.characters(codec="ascii", min_codepoint=32))
            texts = texts.filter(lambda t: low <= len(t) <= high)
        if low <= len(usual) <= high and all(re.search(p, usual) for p in patterns):
            texts = self._st.just(usual) | texts
        return str(self._draw(texts))

    def _number(self, said: _Said, whole: bool) -> float:
        """A multiple of the step, which is 1 unless the document says otherwise, or any number where none fits."""
        step = Decimal(str(max(said.get("multipleOf", [1]))))
        at_least, above = ([Decimal(str(n)) for n in said.get(k, [])] for k in ("minimum", "exclusiveMinimum"))
        at_most, below = ([Decimal(str(n)) for n in said.get(k, [])] for k in ("maximum", "exclusiveMaximum"))
        low = max([math.ceil(n / step) for n in at_least] + [math.floor(n / step) + 1 for n in above], default=None)
        high = min([math.floor(n / step) for n in at_most] + [math.ceil(n / step) - 1 for n in below], default=None)
        if whole or low is None or high is None or low <= high:
            value = self._draw(self._st.integers(low, high)) * step
            return int(value) if value == int(value) else float(value)
        return float(self._draw(self._st.floats(float(max(at_least + above)), float(min(at_most + below)))))


def _kinds(said: _Said) -> list[str]:
    """The JSON types to choose from; what says nothing of its type is a text, as most untyped parameters are."""
    kinds: list[str] = []
    for types in said.get("type", []):
        types = [types] if isinstance(types, str) else types
        kinds = [t for t in types if not kinds or t in kinds or (t == "integer" and "number" in kinds)]
    hints = {"object": {"properties", "required", "additionalProperties", "minProperties"}, "array": {"items"}}
    hints |= {"string": {"pattern", "format", "minLength"}, "integer": {"minimum", "maximum", "multipleOf"}}
    kinds = kinds or [kind for kind, keys in hints.items() if keys & said.keys()] or ["string"]
    return [t for t in kinds if t != "null"] or kinds


# -- what a value may be ------------------------------


@dataclass
class Outline:
    """What a value may be, whatever branch of the schema it takes: says how a text is read, not whether it is right."""

    types: set[str] = field(default_factory=set)
    properties: dict[str, list[JsonSchema]] = field(default_factory=dict)
    items: list[JsonSchema] = field(default_factory=list)
    others: list[JsonSchema] = field(default_factory=list)


def outline(schemas: list[JsonSchema], definitions: Definitions) -> Outline:
    shape = Outline()
    todo, seen = list(schemas), set[int]()
    while todo:
        schema = todo.pop(0)
        if not isinstance(schema, dict) or id(schema) in seen:
            continue
        seen.add(id(schema))
        if "$ref" in schema:
            todo.append(definitions[definition_name(schema)])
        for key in ("allOf", "anyOf", "oneOf"):
            todo += schema.get(key, [])
        types = schema.get("type", [])
        shape.types |= {types} if isinstance(types, str) else set(types)
        if not types:
            values = [*schema.get("enum", []), *([schema["const"]] if "const" in schema else [])]
            shape.types |= {t for t in TYPES for value in values if has_type(value, t)}
            hints = {"properties": "object", "additionalProperties": "object", "items": "array"}
            shape.types |= {kind for key, kind in hints.items() if isinstance(schema.get(key), dict)}
        for name, sub in schema.get("properties", {}).items():
            shape.properties.setdefault(name, []).append(sub)
        shape.items += [schema["items"]] if "items" in schema else []
        shape.others += [others] if isinstance(others := schema.get("additionalProperties"), dict) else []
    return shape
