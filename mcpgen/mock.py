"""Turns a `Spec` into a local HTTP server that stands in for the vendor's API, because tools are tried before they meet it.

A request is held against the document (path, method, credentials, parameters, body) and refused with the place and the
words of the violation; a right one is answered with an example of the document, else with a value sampled from the
schema of the answer. A right request must never be refused: wherever the document is defective or contradicts itself
the mock is lenient and says so in `Recorded.notes`.

`jsonschema-rs` validates, `hypothesis-jsonschema` samples, uvicorn speaks HTTP. They are imported by the first request
that needs them, so that no other command of mcpgen pays for them. Schemas of OpenAPI 3.0 become JSON Schema 2020-12 on
the way; only what an operation reaches is translated, and only when it is called.
"""

import asyncio
import contextlib
import json
import math
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote, unquote_plus, urlsplit

from mcpgen.spec import RawOperation, Spec, Unresolved

if TYPE_CHECKING:
    import jsonschema_rs
    import uvicorn
    from starlette.types import Receive, Scope, Send

JsonSchema = dict[str, Any] | bool
Definitions = Mapping[str, JsonSchema]

# ------------------------------------------------------------------------------------------------- schemas of the document

_TYPES: Final = ("string", "number", "integer", "boolean", "array", "object", "null")
_BOUNDS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_SIZES: Final = (
    *("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
    *("minContains", "maxContains"),
)
_ONE: Final = (
    *("additionalProperties", "unevaluatedProperties", "items", "unevaluatedItems", "contains", "propertyNames"),
    *("not", "if", "then", "else"),
)
_MANY: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED: Final = ("properties", "patternProperties", "dependentSchemas")
_CLOSING: Final = ("additionalProperties", "unevaluatedProperties")


class _Place(NamedTuple):
    """What one translated schema depends on: where it stands, and what the `allOf` around it says about it."""

    pointer: str
    optional: frozenset[str] = frozenset()
    """Names that are not required, because a neighbour in the `allOf` declares them read-only."""
    opened: bool = False
    """`additionalProperties: false` is not applied: by the letter nothing fits two closed branches of an `allOf`."""

    def at(self, *tokens: str | int) -> str:
        return "/".join([self.pointer, *(str(t).replace("~", "~0").replace("/", "~1") for t in tokens)])


class _Bundle(NamedTuple):
    """A self-contained schema: `schema` refers into `definitions` with `#/$defs/<name>`."""

    schema: JsonSchema
    definitions: Definitions
    notes: tuple[str, ...]

    def validator(self) -> "jsonschema_rs.Draft202012Validator | None":
        """The compiled schema; None when the library refuses it, which leaves the value unchecked."""
        import jsonschema_rs

        whole = {"allOf": [self.schema], "$defs": self.definitions}
        try:
            return jsonschema_rs.Draft202012Validator(whole, validate_formats=False, offline=True)
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, RecursionError):
            return None


class _Translator:
    """Schemas of the document as JSON Schema 2020-12; each place is translated once.

    `hidden` is the keyword whose properties are not required in this direction: "readOnly" for a request, "writeOnly"
    for an answer (OpenAPI 3.0.4, "Schema Object"). A part that cannot be represented becomes `true`, with a note.
    """

    def __init__(self, spec: Spec, hidden: str) -> None:
        self._spec = spec
        self._hidden = hidden
        self._names: dict[_Place, str] = {}
        self._places: dict[_Place, tuple[JsonSchema, list[_Place], list[str]]] = {}
        self._patterns: dict[str, bool] = {}

    def bundle(self, pointer: str) -> _Bundle:
        """The schema at `pointer` with every definition that it reaches."""
        definitions: dict[str, JsonSchema] = {}
        notes: list[str] = []
        start = _Place(pointer)
        todo = [start]
        while todo:
            place = todo.pop()
            name = self._name(place)
            if name in definitions:
                continue
            if place not in self._places:
                reached: list[_Place] = []
                said: list[str] = []
                schema = self._translate(self._spec.resolve(place.pointer), place, reached, said)
                self._places[place] = schema, reached, said
            definitions[name], reached, said = self._places[place]
            notes += said
            todo += reached
        return _Bundle({"$ref": f"#/$defs/{self._name(start)}"}, definitions, tuple(notes))

    def _name(self, place: _Place) -> str:
        return self._names.setdefault(place, f"d{len(self._names)}")

    def _translate(self, node: Any, place: _Place, reached: list[_Place], notes: list[str]) -> JsonSchema:
        if isinstance(node, bool):
            return node
        if not isinstance(node, dict):
            notes.append(f"{place.pointer} is no schema: anything is accepted there")
            return True
        out: dict[str, Any] = {}
        if "$ref" in node:
            try:
                target = _Place(self._spec.deref(node, place.pointer)[1], place.optional, place.opened)
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
                    str(name): self._translate(sub, _Place(place.at(key, name)), reached, notes)
                    for name, sub in node[key].items()
                    if key != "patternProperties" or self._compiles(str(name))
                }
        for key in _ONE:
            if key in node and not (place.opened and key in _CLOSING and node[key] is False):
                if isinstance(node[key], dict | bool):
                    out[key] = self._translate(node[key], _Place(place.at(key)), reached, notes)
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
                self._translate(sub, _Place(place.at(key, i), optional_there, opened), reached, notes)
                for i, sub in enumerate(branches)
            ]
        if node.get("nullable") is True or node.get("x-nullable") is True:
            return _or_null(out)
        return out

    def _scalars(self, node: dict[str, Any], place: _Place, out: dict[str, Any], notes: list[str]) -> None:
        """Copies the keywords without schemas inside; what 2020-12 would refuse is left out or brought into its form."""
        raw = node.get("type")
        types = [t for t in _TYPES if t in (raw if isinstance(raw, list) else [raw])]
        if types:
            out["type"] = types[0] if len(types) == 1 else types
        for key in _BOUNDS:
            if _is_number(node.get(key)) and (key != "multipleOf" or node[key] > 0):
                out[key] = node[key]
        for exclusive, inclusive in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
            if node.get(exclusive) is True and inclusive in out:
                out[exclusive] = out.pop(inclusive)
        for key in _SIZES:
            if _is_number(node.get(key)) and node[key] >= 0 and node[key] == int(node[key]):
                out[key] = int(node[key])
        if node.get("uniqueItems") is True:
            out["uniqueItems"] = True
        if isinstance(node.get("format"), str):
            out["format"] = node["format"]
        if "pattern" in node:
            if isinstance(node["pattern"], str) and self._compiles(node["pattern"]):
                out["pattern"] = node["pattern"]
            else:
                notes.append(f"the pattern is no regular expression: it is not checked (at {place.pointer})")
        if isinstance(enum := node.get("enum"), list) and enum:
            # `enum: [1, 2]` under `type: string` would refuse everything.
            if fitting := [v for v in enum if not types or any(_has_type(v, t) for t in types)]:
                out["enum"] = fitting
            else:
                notes.append(f"no value of the enum has the type of the schema: it is not checked (at {place.pointer})")
        if "const" in node:
            out["const"] = node["const"]
        if isinstance(dependent := node.get("dependentRequired"), dict):
            out["dependentRequired"] = {str(k): [*map(str, v)] for k, v in dependent.items() if isinstance(v, list)}
        examples = [*node["examples"]] if isinstance(node.get("examples"), list) else []
        examples += [node[k] for k in ("example", "default") if node.get(k) is not None]
        if examples:
            out["examples"] = examples

    def _compiles(self, pattern: str) -> bool:
        """Whether `pattern` is a regular expression; "/x/i" is a vendor's mistake for one."""
        import jsonschema_rs

        if pattern not in self._patterns:
            try:
                jsonschema_rs.Draft202012Validator({"pattern": pattern})
                self._patterns[pattern] = not re.fullmatch(r"/\^.*\$/[a-z]*", pattern, re.DOTALL)
            except (jsonschema_rs.ValidationError, ValueError):
                self._patterns[pattern] = False
        return self._patterns[pattern]

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


def _name(schema: Mapping[str, Any]) -> str:
    """The definition that a translated schema refers to."""
    return str(schema["$ref"]).rpartition("/")[2]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _has_type(value: Any, name: str) -> bool:
    match name:
        case "number":
            return _is_number(value)
        case "integer":
            return _is_number(value) and value == int(value)
        case "null":
            return value is None
    return isinstance(value, {"string": str, "boolean": bool, "array": list, "object": dict}[name])


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


# ---------------------------------------------------------------------------------------------------------------- sampling

_ROOM: Final = 3
"""How many objects deep optional properties are sampled; deeper ones are left out, which keeps an answer readable."""

_LARGEST: Final = 120
"""From so many schemas on an outline takes only what is required: the time that sampling costs grows faster than it."""


def sample(bundle: _Bundle) -> tuple[Any, str]:
    """A value for the schema, the same in every run; the second part is empty, or says why it is only a stub.

    The library knows no recursive references and answers with the emptiest value it can, so it is given an outline:
    references replaced, recursion cut where it may end, optional properties asked for, examples of the vendor fixed.
    An outline that leads to nothing valid is replaced by a plainer one.
    """
    validator = bundle.validator()
    reason = "the schema never ends"
    for room, fixed, branch in ((_ROOM, True, 0), (_ROOM, True, 1), (_ROOM, False, 0), (1, True, 2), (0, False, 0)):
        outline = _Outline(bundle.definitions, fixed, branch).of(bundle.schema, room, frozenset())
        if outline is None:
            continue
        try:
            value = _draw(outline)
        except Exception as e:
            # The library raises whatever its own passes run into (TypeError, RecursionError, Unsatisfiable, re.error …)
            # and a sample that cannot be had must not cost the answer.
            reason = type(e).__name__
            continue
        for candidate in (_filled(value), value):
            if validator is None or validator.is_valid(candidate):
                return candidate, ""
        reason = "no sample fits the schema"
    kinds = _shape([bundle.schema], bundle.definitions).types
    stubs = {"object": {}, "array": [], "string": ""}
    return next((v for kind, v in stubs.items() if kind in kinds), {}), f"sampling failed: {reason}"


def _filled(value: Any) -> Any:
    """`value` with "string" in place of empty texts, as a reader of the answer expects it."""
    if isinstance(value, dict):
        return {k: _filled(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_filled(v) for v in value]
    return "string" if value == "" else value


def _draw(outline: JsonSchema) -> Any:
    import hypothesis
    from hypothesis_jsonschema import from_schema

    drawn: list[Any] = []

    @hypothesis.seed(0)
    @hypothesis.settings(
        max_examples=1,  # the first one is the simplest, not a random one
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
        verbosity=hypothesis.Verbosity.quiet,
    )
    @hypothesis.given(from_schema(outline, allow_x00=False, codec="ascii"))
    def take(value: Any) -> None:
        drawn.append(value)

    take()
    return drawn[0]


class _Outline:
    """Turns a bundle into one schema without references that asks for everything worth showing.

    `fixed`: examples and defaults of the vendor become constants; `branch`: which of an `anyOf` or `oneOf` is taken.
    """

    def __init__(self, definitions: Definitions, fixed: bool, branch: int) -> None:
        self._definitions = definitions
        self._fixed = fixed
        self._branch = branch
        self._size = 0

    def of(
        self, schema: JsonSchema, room: int, trail: frozenset[str], needed: frozenset[str] = frozenset()
    ) -> JsonSchema | None:
        """The outline; None where a reference comes back to itself, which the schema around it has to leave out.

        `trail` holds the references that lead here, `needed` what the schema that this one is a part of requires.
        """
        if isinstance(schema, bool):
            return schema
        self._size += 1
        if self._size > _LARGEST:
            room = 0
        needed |= set(schema.get("required", []))
        for sub in schema.get("allOf", []):
            if isinstance(sub, dict):
                target = self._definitions[_name(sub)] if "$ref" in sub else sub
                needed |= set(target.get("required", [])) if isinstance(target, dict) else set()
        out = {k: v for k, v in schema.items() if k not in ("$ref", "examples", *_MANY, *_ONE, *_NAMED)}
        parts = [self.of(sub, room, trail, needed) for sub in schema.get("allOf", [])]
        for key in ("anyOf", "oneOf"):
            if branches := schema.get(key):
                turned = branches[self._branch % len(branches) :] + branches[: self._branch % len(branches)]
                possible = (p for sub in turned if (p := self.of(sub, room, trail, needed)) is not None)
                parts.append(next(possible, None))
        if "$ref" in schema:
            name = _name(schema)
            parts.append(None if name in trail else self.of(self._definitions[name], room, trail | {name}, needed))
        if None in parts:
            return None
        if isinstance(types := out.get("type"), list):
            out["type"] = next(t for t in types if t != "null")
        if not self._object(schema, out, room, trail, needed) or not self._array(schema, out, room, trail):
            return None
        if parts:
            if not out and len(parts) == 1:
                out = {"allOf": parts} if isinstance(parts[0], bool) else parts[0]
            else:
                out["allOf"] = parts
        return self._fix(schema, out) if self._fixed else out

    def _object(
        self, schema: dict[str, Any], out: dict[str, Any], room: int, trail: frozenset[str], needed: frozenset[str]
    ) -> bool:
        required = schema.get("required", [])
        properties: dict[str, Any] = {}
        for name, sub in schema.get("properties", {}).items():
            if name in needed or room > 0:
                part = self.of(sub, room - 1, trail)
                if part is None and name in needed:
                    return False
                if part is not None and part is not False:
                    properties[name] = part
        if properties:
            out["properties"] = properties
            if schema.get("maxProperties", math.inf) >= len(properties):
                out["required"] = [*dict.fromkeys([*required, *properties])]
        if schema.get("minProperties", 0) > len(properties) or any(n not in properties for n in required):
            rest = self.of(schema.get("additionalProperties", True), room - 1, trail)
            if rest is not None:
                out["additionalProperties"] = rest
        return True

    def _array(self, schema: dict[str, Any], out: dict[str, Any], room: int, trail: frozenset[str]) -> bool:
        if "items" not in schema:
            return True
        part = self.of(schema["items"], room, trail)
        least = schema.get("minItems", 0)
        if part is None:
            out["maxItems"] = 0
            return not least
        out["items"] = part
        if schema.get("maxItems", 1) and room >= 0:
            out["minItems"] = max(least, 1)
        return True

    def _fix(self, schema: dict[str, Any], out: dict[str, Any]) -> JsonSchema:
        import jsonschema_rs

        for example in schema.get("examples", []):
            with contextlib.suppress(jsonschema_rs.ValidationError, ValueError):
                if jsonschema_rs.Draft202012Validator(out, validate_formats=False, offline=True).is_valid(example):
                    return {"const": example}
        return out


# ------------------------------------------------------------------------------------------------------- from text to JSON


@dataclass
class _Shape:
    """What a value may be, whatever branch of the schema it takes: decides how a text is read, never whether it is right."""

    types: set[str] = field(default_factory=set)
    properties: dict[str, list[JsonSchema]] = field(default_factory=dict)
    items: list[JsonSchema] = field(default_factory=list)
    others: list[JsonSchema] = field(default_factory=list)


def _shape(schemas: list[JsonSchema], definitions: Definitions) -> _Shape:
    shape = _Shape()
    todo, seen = list(schemas), set[int]()
    while todo:
        schema = todo.pop(0)
        if not isinstance(schema, dict) or id(schema) in seen:
            continue
        seen.add(id(schema))
        if "$ref" in schema:
            todo.append(definitions[_name(schema)])
        for key in ("allOf", "anyOf", "oneOf"):
            todo += schema.get(key, [])
        types = schema.get("type", [])
        shape.types |= {types} if isinstance(types, str) else set(types)
        for value in [*schema.get("enum", []), *([schema["const"]] if "const" in schema else [])]:
            shape.types |= {t for t in _TYPES if not types and _has_type(value, t)}
        if "properties" in schema:
            shape.types |= set() if types else {"object"}
            for name, sub in schema["properties"].items():
                shape.properties.setdefault(name, []).append(sub)
        if "items" in schema:
            shape.types |= set() if types else {"array"}
            shape.items.append(schema["items"])
        if isinstance(others := schema.get("additionalProperties"), dict):
            shape.types |= set() if types else {"object"}
            shape.others.append(others)
    return shape


def _read(raw: Any, schemas: list[JsonSchema], definitions: Definitions, plain: bool) -> Any:
    """`raw` (a text, or a list or dict of such) as the JSON value that the schemas expect at its place.

    `plain`: a text stays a text wherever it may be one. Nothing is judged here: what cannot be read stays a text.
    """
    shape = _shape(schemas, definitions)
    if isinstance(raw, dict):
        if shape.types == {"array"} and all(k.isdigit() for k in raw):
            return _read(list(raw.values()), schemas, definitions, plain)
        others = shape.others
        return {k: _read(v, shape.properties.get(k, others), definitions, plain) for k, v in raw.items()}
    if isinstance(raw, list):
        if shape.types and "array" not in shape.types and len(raw) == 1:
            return _read(raw[0], schemas, definitions, plain)
        return [_read(v, shape.items, definitions, plain) for v in raw]
    if shape.types == {"array"}:
        return [_read(raw, shape.items, definitions, plain)]
    if isinstance(raw, str) and raw[:1] in ("{", "[") and shape.types & {"object", "array"} and not plain:
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(raw)  # as forms carry objects by default (OpenAPI 3.0.4, "Encoding Object")
    if not isinstance(raw, str) or (plain and (not shape.types or "string" in shape.types)):
        return raw
    if raw in ("true", "false") and (not shape.types or "boolean" in shape.types):
        return raw == "true"
    if raw in ("", "null") and "null" in shape.types:
        return None
    if _NUMBER.fullmatch(raw) and (not shape.types or shape.types & {"number", "integer"}):
        return json.loads(raw)
    return raw


_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,999})(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")


class _Checked(NamedTuple):
    """A schema that values of requests are held against."""

    bundle: _Bundle
    validator: "jsonschema_rs.Draft202012Validator | None"

    def problems(self, value: Any, place: str) -> list[str]:
        """What is wrong with a JSON value, each as `place: the words of the violation`."""
        if self.validator is None:
            return []
        import jsonschema_rs

        kinds = jsonschema_rs.ValidationErrorKind
        # A pattern that the engine gave up on says nothing about the value.
        found = (e for e in self.validator.iter_errors(value) if not isinstance(e.kind, kinds.BacktrackLimitExceeded))
        return [line for e in found for line in _explain(e, place)]

    def read(self, raw: Any, place: str) -> list[str]:
        """What is wrong with a value that came as text: nothing, when any way to read it is right."""
        both = [_read(raw, [self.bundle.schema], self.bundle.definitions, plain) for plain in (True, False)]
        found = [self.problems(value, place) for value in both]
        return [] if [] in found else found[0]


def _explain(error: "jsonschema_rs.ValidationError", place: str) -> list[str]:
    """One violation in words; of an `anyOf` the branch that was meant, if only one can have been."""
    kind = error.kind
    if kind.name in ("anyOf", "oneOf") and (branches := getattr(kind, "context", [])):
        here = list(error.instance_path)
        meant = [b for b in branches if not any(e.kind.name == "type" and list(e.instance_path) == here for e in b)]
        if len(meant) == 1 and meant[0]:
            return [line for e in meant[0] for line in _explain(e, place)]
    at = place
    for key in error.instance_path:
        at += f"[{key}]" if isinstance(key, int) else f".{key}"
    words = error.message
    if len(words) > _WORDS:
        words = f"{words[: _WORDS // 2]} … {words[-_WORDS // 2 :]}"
    return [f"{at}: {words}"]


_WORDS: Final = 300
"""A message repeats the value; of a large one the two ends say enough."""


# -------------------------------------------------------------------------------------------------------------- operations

_IGNORED_HEADERS: Final = frozenset({"accept", "content-type", "authorization"})
"""Header parameters with these names mean nothing (OpenAPI 3.0.4, "Parameter Object")."""


@dataclass(frozen=True)
class _Parameter:
    """A Parameter Object; `content` is the media type when the value is serialized by one."""

    place: str
    name: str
    required: bool
    style: str
    explode: bool
    may_be_empty: bool
    content: str
    checked: _Checked

    @property
    def label(self) -> str:
        return f"{self.place}.{self.name}"

    def shape(self) -> _Shape:
        return _shape([self.checked.bundle.schema], self.checked.bundle.definitions)

    def problems(self, raw: Any) -> list[str]:
        """What is wrong with the value as it came; None is an absent one."""
        if raw is None:
            return [f"{self.label}: the parameter is required"] if self.required else []
        if raw == "" and self.may_be_empty:
            return []
        if not self.content:
            return self.checked.read(raw, self.label)
        if not _is_json(self.content) or not isinstance(raw, str):
            return []
        value, reason = _json(raw)
        return [f"{self.label}: {reason}"] if reason else self.checked.problems(value, self.label)

    def split(self, raw: str) -> Any:
        """The items of a value that holds several; a text that is one value comes back as it is, decoded."""
        types = self.shape().types
        decode = unquote_plus if self.place == "query" else unquote
        if self.content or not types & {"array", "object"}:
            return decode(raw)
        if self.style in ("spaceDelimited", "pipeDelimited"):
            items = re.split(r"\+|%20| " if self.style == "spaceDelimited" else r"(?i)\||%7C", raw)
        elif self.place == "query" and self.explode:
            items = [raw]
        else:
            # Some clients encode the comma that separates; most servers do not see the difference.
            items = raw.split(",") if "," in raw else decode(raw).split(",")
        items = [decode(i).strip() if self.place == "header" else decode(i) for i in items]
        if "array" in types or self.place == "query" and self.explode:
            return items if len(items) > 1 or "string" not in types else items[0]
        if all("=" in i for i in items):
            return dict(i.split("=", 1) for i in items)
        return dict(zip(items[::2], items[1::2], strict=False)) if len(items) % 2 == 0 else items[0]


@dataclass(frozen=True)
class _Answer:
    status: int
    media_type: str
    body: bytes
    source: str
    """Where the body is from: "example", "sample", "empty" or "fixed" (a media type that has no sample)."""
    notes: tuple[str, ...] = ()


@dataclass
class _Operation:
    """What an operation asks of a request and how it answers; made when it is called first."""

    raw: RawOperation
    label: str
    parameters: list[_Parameter]
    bodies: dict[str, _Checked] | None
    """Schema by media type; None: the operation has no body."""
    body_required: bool
    security: list[dict[str, Any]]
    answer: _Answer
    notes: list[str]


class _Compiler:
    """Turns the operations of a document into `_Operation`. A defect costs one check or one sample, and a note."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._requests = _Translator(spec, "readOnly")
        self._answers = _Translator(spec, "writeOnly")

    def operation(self, raw: RawOperation) -> _Operation:
        notes: list[str] = []
        parameters = {(p.place, p.name): p for p in self._parameters(raw, notes)}
        bodies, required = self._bodies(raw, notes)
        security = raw.node.get("security", self._spec.root.get("security", []))
        return _Operation(
            raw,
            operation_label(raw),
            list(parameters.values()),
            bodies,
            required,
            [s for s in security if isinstance(s, dict)] if isinstance(security, list) else [],
            self._answer(raw),
            list(dict.fromkeys(notes)),
        )

    def _members(self, node: Any, pointer: str, notes: list[str]) -> Iterator[tuple[str, dict[str, Any], str]]:
        """The objects in a list or dict of references or objects; what is none is noted."""
        entries = enumerate(node) if isinstance(node, list) else node.items() if isinstance(node, dict) else ()
        for key, entry in entries:
            try:
                found, at = self._spec.deref(entry, _Place(pointer).at(key))
            except Unresolved as e:
                notes.append(f"{e.reason} (at {e.pointer}): not checked")
                continue
            if isinstance(found, dict):
                yield str(key), found, at

    def _checked(self, translator: _Translator, pointer: str, notes: list[str]) -> _Checked:
        try:
            bundle = translator.bundle(pointer)
        except (Unresolved, RecursionError) as e:
            bundle = _Bundle(True, {}, (f"the schema cannot be read ({e or 'nested too deeply'}): not checked",))
        validator = bundle.validator()
        notes += bundle.notes
        if validator is None:
            notes.append(f"the schema cannot be compiled: not checked (at {pointer})")
        return _Checked(bundle, validator)

    def _parameters(self, raw: RawOperation, notes: list[str]) -> Iterator[_Parameter]:
        for owner, pointer in ((raw.item, raw.item_pointer), (raw.node, raw.pointer)):
            for _, node, at in self._members(owner.get("parameters"), f"{pointer}/parameters", notes):
                place, name = node.get("in"), node.get("name")
                if place not in ("path", "query", "header", "cookie") or not isinstance(name, str):
                    continue
                if place == "header" and name.lower() in _IGNORED_HEADERS:
                    continue
                style = str(node.get("style", "form" if place in ("query", "cookie") else "simple"))
                content = node["content"] if isinstance(node.get("content"), dict) else {}
                media_type = next(iter(content), "")
                schema_at = _Place(at).at("schema")
                if media_type:
                    schema_at = _Place(at).at("content", media_type, "schema")
                has_schema = "schema" in (content[media_type] if media_type else node)
                checked = _Checked(_Bundle(True, {}, ()), None)
                if has_schema:
                    checked = self._checked(self._requests, schema_at, notes)
                yield _Parameter(
                    place,
                    name,
                    place == "path" or node.get("required") is True,
                    style,
                    node.get("explode", style == "form") is True,
                    node.get("allowEmptyValue") is True,
                    media_type,
                    checked,
                )

    def _bodies(self, raw: RawOperation, notes: list[str]) -> tuple[dict[str, _Checked] | None, bool]:
        body = {k: v for k, v in raw.node.items() if k == "requestBody"}
        for _, node, at in self._members(body, raw.pointer, notes):
            bodies: dict[str, _Checked] = {}
            for media_type, content, content_at in self._members(node.get("content"), f"{at}/content", notes):
                bodies[media_type] = _Checked(_Bundle(True, {}, ()), None)
                if "schema" in content:
                    bodies[media_type] = self._checked(self._requests, f"{content_at}/schema", notes)
            return bodies, node.get("required") is True
        # A body that is declared but cannot be read may hold anything.
        return ({} if body else None), False

    def _answer(self, raw: RawOperation) -> _Answer:
        notes: list[str] = []
        found = list(self._members(raw.node.get("responses"), f"{raw.pointer}/responses", notes))
        rank = {key: _rank(key) for key, _, _ in found}
        chosen = min((f for f in found if rank[f[0]] < 1000), key=lambda f: rank[f[0]], default=None)
        if chosen is None:
            return _Answer(200, "", b"", "empty", (*notes, "the document has no answer for success"))
        key, node, at = chosen
        status = int(key) if key.isdigit() else 200
        contents = list(self._members(node.get("content"), f"{at}/content", notes))
        if status in (204, 205) or 300 <= status < 400 or not contents or raw.method == "HEAD":
            return _Answer(status, "", b"", "empty", tuple(notes))
        media_type, content, content_at = min(contents, key=lambda c: not _is_json(c[0]))
        return self._content(status, media_type, content, content_at, notes)

    def _content(self, status: int, media_type: str, content: dict[str, Any], at: str, notes: list[str]) -> _Answer:
        """The body for one Media Type Object: its example, the example of its schema, or a sample."""
        checked = None
        if "schema" in content:
            checked = self._checked(self._answers, f"{at}/schema", notes)
        wild = "*" in media_type
        binary = checked is not None and self._is_binary(content, at)
        is_json = _is_json(media_type) or (wild and not binary)
        sent = ("application/json" if is_json else "application/octet-stream") if wild else media_type
        for value in self._examples(content, at, notes):
            if not is_json:
                body = value if isinstance(value, str) else _dump(value)
                return _Answer(status, sent, body.encode("utf-8", "replace"), "example", tuple(notes))
            if isinstance(value, str) and checked and checked.problems(value, ""):
                # JSON that the vendor wrote as a text.
                parsed, reason = _json(value)
                value = value if reason else parsed
            return _Answer(status, sent, _dump(value).encode(), "example", tuple(notes))
        if not is_json:
            body, source = _FIXED.get(_bare(sent).partition("/")[0], b"sample"), "fixed"
            return _Answer(status, sent, body, source, tuple(notes))
        if checked is None:
            return _Answer(status, sent, b"{}", "sample", tuple(notes))
        value, reason = sample(checked.bundle)
        notes += [reason] if reason else []
        return _Answer(status, sent, _dump(value).encode(), "sample", tuple(notes))

    def _is_binary(self, content: dict[str, Any], at: str) -> bool:
        with contextlib.suppress(Unresolved):
            schema = self._spec.deref(content["schema"], f"{at}/schema")[0]
            return isinstance(schema, dict) and schema.get("format") in ("binary", "byte")
        return False

    def _examples(self, content: dict[str, Any], at: str, notes: list[str]) -> Iterator[Any]:
        if "example" in content:
            yield content["example"]
        for _, node, _ in self._members(content.get("examples"), f"{at}/examples", notes):
            for key in ("value", "dataValue"):  # the second is OpenAPI 3.2
                if key in node:
                    yield node[key]
        with contextlib.suppress(Unresolved):
            schema = self._spec.deref(content.get("schema"), f"{at}/schema")[0]
            if isinstance(schema, dict):
                if "example" in schema:
                    yield schema["example"]
                yield from schema["examples"] if isinstance(schema.get("examples"), list) else ()


def operation_label(raw: RawOperation) -> str:
    """What an operation is called in the log: its operationId, else method and path."""
    name = raw.node.get("operationId")
    return name if isinstance(name, str) and name else f"{raw.method} {raw.path}"


def _rank(key: str) -> int:
    """The order in which answers are preferred: the lowest 2xx, "2XX", "default", the lowest 3xx."""
    if re.fullmatch(r"[23][0-9]{2}", key):
        return int(key) if key[0] == "2" else int(key) + 100
    return {"2XX": 300, "2xx": 300, "default": 301}.get(key, 1000)


def _bare(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


def _is_json(media_type: str) -> bool:
    return bool(re.fullmatch(r"[^/]+/(?:[^/]+\+)?json", _bare(media_type)))


def _dump(value: Any) -> str:
    return json.dumps(value, default=str)


def _json(text: str | bytes) -> tuple[Any, str]:
    """The value and why there is none."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not a JSON number")

    try:
        return json.loads(text, parse_constant=refuse), ""
    except (ValueError, RecursionError) as e:
        return None, f"not JSON: {e}"


_FIXED: Final = {
    "image": bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060"
        "00000005000"
        "1a5f645400000000049454e44ae426082"
    ),
}
"""A PNG of one transparent pixel; other media types that are not JSON are answered with the word "sample"."""
