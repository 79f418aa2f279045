"""What the model says arrives: arguments go out through a generated server, and openapi-core reads them back.

Hypothesis draws a document, mcpgen builds the server, hypothesis draws arguments that the published schema admits, the
MCP client sends them, and an upstream keeps the request. openapi-core, which shares no code with mcpgen, reads it by
the same document. An argument and its place in the document know each other by a mark in the description, so that no
rule of ours about names is needed to tell what should have arrived where.

28 documents by default, the same ones on every run; MCPGEN_READBACK=400 reads that many.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import gc
import importlib
import json
import os
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, timezone
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import jsonschema_rs
import pytest
from conftest import built, place
from hypothesis import HealthCheck, Phase, Verbosity, assume, given, seed, settings
from hypothesis import strategies as st
from jsonschema_path import SchemaPath
from mcp import Client, StdioServerParameters
from openapi_core import V30RequestUnmarshaller, V31RequestUnmarshaller
from openapi_core.casting.schemas import oas30_write_schema_casters_factory, oas31_schema_casters_factory
from openapi_core.casting.schemas.casters import BooleanCaster, IntegerCaster, NumberCaster, TypesCaster
from openapi_core.casting.schemas.factories import SchemaCastersFactory
from openapi_core.datatypes import RequestParameters
from openapi_core.deserializing.styles import style_deserializers
from openapi_core.deserializing.styles.factories import StyleDeserializersFactory
from openapi_core.templating.paths.parsers import PathParser
from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator
from test_cases import Record, Request, Upstream, text_of
from werkzeug.datastructures import Headers, MultiDict
from werkzeug.formparser import MultiPartParser
from werkzeug.http import parse_cookie

COUNT = int(os.environ.get("MCPGEN_READBACK", "28"))
SUBPROCESS = 8
"""Each of so many documents is served by a process of its own over stdio, the others in this one."""

SHOWN = 12
"""How many differences are told; no document is tried after so many."""

UNSUPPORTED = {
    # by the specification
    "null in a parameter or form field": "has no form; it is sent as nothing",
    "[] or {} in a query, cookie or form": "has no form; it is not sent, so it is compared as left out",
    "[] or {} in a header, at the top": "has no form; an empty header is one empty text",
    "two exploded form objects side by side": "nothing says which of them a pair belongs to",
    "delimiters in a list or object in a header": "nothing is escaped there (OpenAPI 3.1.1, Appendix D)",
    "the blank in spaceDelimited, the bar in pipeDelimited": "are the delimiter (OpenAPI 3.1.1, Appendix E)",
    "the dot in a list or object of an exploded label": "is the delimiter, and never escaped (RFC 6570, 3.2.5)",
    "an empty text as a whole body": "cannot be told from no body",
    # by the server
    "blank texts, null, [], {} and dot segments in a path": "are refused (CVE-2026-32871), in JSON text too",
    # by openapi-core
    "a list in the type of a parameter": "is taken for no type; so nullable is drawn for 3.0 only",
    "maps of numbers or booleans in a parameter": "only declared properties are cast; maps of texts are drawn",
    "unions in a parameter": "the first branch that casts is taken; only integer or boolean cannot be confused",
    "5.0 as an integer in JSON": "is none for 3.0 (in JSON Schema it is); it is drawn where it becomes a text",
    "lists of objects in an urlencoded body": "of repeated pairs the first is read",
    "names other than letters, digits and _ in matrix and deepObject": "are put into a regular expression unescaped",
    "names and media types of the files of a multipart body": "are not passed on; the bytes are compared",
}
"""What is not drawn, or not compared, and why."""

# --- what can be drawn ------------------------------------------------------------------------------------------------

Draw = Callable[..., Any]

TOKENS = [
    *("a", "B", "7", "x.y", "é", "日", "😀", "null", "true", "%2C", "%", "+", "&", "=", " ", "#", "?", "/", ",", ";"),
    *(":", "@", "$", "!", "*", "'", '"', "\\", "<", "(", "-", "_", "~", "[", "]", "{", "}", "|", "\t", "\n"),
]
"""Texts are made of these: whatever means something in a URL, in a header, to JSON or to a careless reader."""

SCALARS = ("string", "integer", "number", "boolean", "either")
KINDS = (*SCALARS, "array", "object", "map")


@dataclass(frozen=True)
class Cell:
    """A place on the wire with the way a value is written there."""

    where: str
    style: str = ""
    explode: bool = False
    kind: str = "json"

    @cached_property
    def tokens(self) -> list[str]:
        """The pieces of text that come back from here."""
        gone: tuple[str, ...] = ()
        several = self.kind in ("array", "object", "map")
        match self.style:
            case "spaceDelimited":
                gone = (" ",)
            case "pipeDelimited":
                gone = ("|",)
            case "label":  # "./" is refused, whatever follows: decoded it would be a dot segment
                gone = ("/", "\\", *(("x.y",) if self.explode and several else ()))
        if self.where == "header":
            gone = ("\t", "\n", *((",", "=") if several else ()))
        return [t for t in TOKENS if t not in gone]

    def text(self, least: int = 0, most: int = 0) -> st.SearchStrategy[str]:
        """Texts of at least and at most so many characters; without a limit of a few pieces."""
        sized = least or most
        pieces = [t for t in self.tokens if len(t) == 1] if sized else self.tokens
        texts = st.lists(st.sampled_from(pieces), min_size=least, max_size=most or least + 4).map("".join)
        if self.where == "header":  # blanks around a value are not part of it (RFC 9110, 5.5)
            return texts.map(lambda t: t.strip(" ").ljust(least, "a"))
        if self.where == "path":
            return texts.map(lambda t: t if t.strip() else "a" + t[1:])
        return texts

    @property
    def empty(self) -> bool:
        """Whether an empty list can be told apart, or may at least be given."""
        return self.where not in ("path", "header")

    def __str__(self) -> str:
        way = f"{self.style}{'*' if self.explode else ''}" if self.style else ""
        return " ".join(filter(None, (self.where, way, self.kind)))


STYLES = {
    "path": ("simple", "label", "matrix"),
    "query": ("form",),
    "header": ("simple",),
    "cookie": ("form",),
}
CELLS = [Cell(w, s, e, k) for w, styles in STYLES.items() for s in styles for e in (False, True) for k in KINDS]
CELLS += [Cell("query", s, False, k) for s in ("spaceDelimited", "pipeDelimited") for k in ("array", "object", "map")]
CELLS += [Cell("query", "deepObject", True, k) for k in ("object", "map")]
CELLS += [Cell(where) for where in STYLES]  # `content`
TURN = 5
"""So many cells each document has for sure."""

BODIES = ("json", "urlencoded", "multipart", "text", "binary")
MEDIA = {
    "json": "application/json",
    "urlencoded": "application/x-www-form-urlencoded",
    "multipart": "multipart/form-data",
    "text": "text/plain",
    "binary": "application/octet-stream",
}
DEFAULTS = {"path": "simple", "header": "simple", "query": "form", "cookie": "form"}

PLAIN_NAMES = ["id", "class", "user_id", "from", "body", "query_id", "Tag"]
NAMES = {
    "path": PLAIN_NAMES,
    "query": [*PLAIN_NAMES, "team_ids[]", "filter.by", "a b", "$top", "é", "X-Id", "additional_properties", "c&d=e"],
    "header": ["X-Id", "If-Match", "x_trace", "Id", "Class", "From"],
    "cookie": ["id", "session.id", "X-Id", "class", "_c"],
}
PROPERTIES = ["R", "G", "kind", "size", "items_", "model_config", "id", "not-a-name", "né"]
FORMATS: dict[str, st.SearchStrategy[str]] = {
    "date": st.dates(date(1970, 1, 1), date(2099, 1, 1)).map(str),
    "date-time": st.builds(
        lambda t, zone: t.replace(microsecond=0, tzinfo=zone).isoformat(),
        st.datetimes(datetime(1970, 1, 1), datetime(2099, 1, 1)),
        st.sampled_from([UTC, timezone(timedelta(hours=2)), timezone(timedelta(hours=-3, minutes=-30))]),
    ),
    "uuid": st.uuids().map(str),
    "email": st.sampled_from(["ann@example.com", "o'neil+tag@example.org"]),
}
PATTERNS = {"^[a-z]{1,3}$": st.text("abz", min_size=1, max_size=3), "^\\d+-x$": st.integers(0, 999).map("{}-x".format)}
OPERATIONS = ["alpha", "beta", "gamma", "delta"]
MARK = re.compile(r"mark-(\d+)-")


@dataclass
class Spot:
    """A place of the document that an argument can stand for."""

    operation: str
    cell: Cell
    name: str = ""
    keys: tuple[str, ...] = ()
    """In a body, the way to the value."""


@dataclass
class Drawn:
    """A document, and what its marks stand for."""

    document: dict[str, Any]
    spots: dict[str, Spot] = field(default_factory=dict)

    def mark(self, spot: Spot) -> str:
        number = str(len(self.spots))
        self.spots[number] = spot
        return f"mark-{number}-"


def chance(draw: Draw, one_in: int = 2) -> bool:
    return bool(draw(st.integers(1, one_in)) == one_in)


def scalar(draw: Draw, kind: str, cell: Cell, new: bool) -> dict[str, Any]:
    """A schema of one value; `new` is OpenAPI 3.1."""
    schema: dict[str, Any] = {"type": kind}
    match kind:
        case "either":
            return {"anyOf": [{"type": "integer"}, {"type": "boolean"}]}
        case "string":
            match draw(st.sampled_from(["", "", "", "enum", "format", "pattern", "size"])):
                case "enum":
                    schema["enum"] = draw(st.lists(cell.text(1), min_size=1, max_size=3, unique=True))
                case "format":
                    schema["format"] = draw(st.sampled_from([*FORMATS]))
                    if schema["format"] == "email" and "x.y" not in cell.tokens:
                        schema["format"] = "date"
                case "pattern":
                    schema["pattern"] = draw(st.sampled_from([*PATTERNS]))
                case "size":
                    schema |= {"minLength": draw(st.integers(0, 2)), "maxLength": draw(st.integers(3, 5))}
        case "integer":
            match draw(st.sampled_from(["", "", "enum", "limits", "format"])):
                case "enum":
                    schema["enum"] = draw(st.lists(st.integers(-3, 3), min_size=1, max_size=3, unique=True))
                case "limits":
                    schema |= {"minimum": draw(st.integers(-5, 0)), "maximum": draw(st.integers(1, 9))}
                case "format":
                    schema["format"] = draw(st.sampled_from(["int32", "int64"]))
        case "number":
            if chance(draw, 3):
                schema |= {"minimum": draw(st.sampled_from([-2.5, 0])), "maximum": draw(st.sampled_from([0.5, 100]))}
    return schema


def flat_object(draw: Draw, cell: Cell, new: bool) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(PROPERTIES[:6]), min_size=1, max_size=3, unique=True))
    kinds = [k for k in SCALARS[:4] if not (k == "number" and cell.style == "label")]
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {n: scalar(draw, draw(st.sampled_from(kinds)), cell, new) for n in names},
    }
    if required := [n for n in names if chance(draw)]:
        schema["required"] = required
    if chance(draw, 3):
        schema["additionalProperties"] = False
    return schema


def value_schema(draw: Draw, cell: Cell, new: bool) -> dict[str, Any]:
    """A schema of the kind of a cell."""
    match cell.kind:
        case "array":
            kinds = [k for k in SCALARS[:4] if not (k == "number" and cell.style == "label")]
            schema = {"type": "array", "items": scalar(draw, draw(st.sampled_from(kinds)), cell, new)}
            if not cell.empty or chance(draw, 4):
                schema["minItems"] = 1
            return schema
        case "object":
            schema = flat_object(draw, cell, new)
            if not cell.empty:
                schema["required"] = [*schema["properties"]]
            return schema
        case "map":
            schema = {"type": "object", "additionalProperties": {"type": "string"}}
            return schema if cell.empty else {**schema, "minProperties": 1}
        case "json" if cell.where == "path":
            kind = draw(st.sampled_from([*SCALARS, "array", "object"]))
            return value_schema(draw, replace(cell, kind=kind), new)
        case "json":
            return json_schema(draw, cell, new, 2)
    return scalar(draw, cell.kind, cell, new)


def json_schema(draw: Draw, cell: Cell, new: bool, depth: int, kind: str = "") -> dict[str, Any]:
    """A schema of anything that JSON can say, or of one kind of it."""
    leaves, others = [*SCALARS, "nullable", "any"], ["object", "object", "array", "map", "union", "ref"]
    kind = kind or draw(st.sampled_from([*leaves, *others] if depth else leaves))

    def inner() -> dict[str, Any]:
        return json_schema(draw, cell, new, depth - 1)

    match kind:
        case "any":
            return {}
        case "ref":
            return {"$ref": "#/components/schemas/Shared"}
        case "nullable":
            schema = scalar(draw, draw(st.sampled_from(SCALARS[:4])), cell, new)
            if "enum" in schema:
                schema["enum"].append(None)
            if not new:
                return {**schema, "nullable": True}
            return {**schema, "type": draw(st.permutations([schema["type"], "null"]))}
        case "array":
            schema = {"type": "array", "items": inner()}
            return schema | ({"maxItems": 2, "minItems": draw(st.integers(0, 1))} if chance(draw, 3) else {})
        case "map":
            return {"type": "object", "additionalProperties": draw(st.booleans()) or inner()}
        case "object":
            names = draw(st.lists(st.sampled_from(PROPERTIES), min_size=1, max_size=3, unique=True))
            schema = {"type": "object", "properties": {n: markable(inner(), len(names)) for n in names}}
            if required := [n for n in names if chance(draw)]:
                schema["required"] = required
            if chance(draw, 3):
                schema["additionalProperties"] = draw(st.sampled_from([False, {"type": "integer"}]))
            return schema
        case "union":
            if chance(draw):
                return {"anyOf": [{"type": "string"}, {"type": "array", "items": inner()}]}
            return {
                "oneOf": [
                    {
                        "type": "object",
                        "properties": {"kind": {"type": "string", "enum": [tag]}, "value": inner()},
                        "required": ["kind"],
                    }
                    for tag in ("cat", "dog")
                ]
            }
    return scalar(draw, kind, cell, new)


def parameters(draw: Draw, drawn: Drawn, operation: str, new: bool, cells: list[Cell]) -> Iterator[dict[str, Any]]:
    """Parameters of an operation: one for each of the cells, and some others."""
    taken: set[tuple[str, str]] = set()
    spread: set[str] = set()
    for cell in [*cells, *draw(st.lists(st.sampled_from(CELLS), max_size=3))]:
        names = PLAIN_NAMES if cell.style in ("matrix", "deepObject") else NAMES[cell.where]
        name = draw(st.sampled_from([n for n in names if (cell.where, n.lower()) not in taken]))
        if cell.style == "form" and cell.explode and cell.kind in ("object", "map"):
            if cell.where in spread:
                continue
            spread.add(cell.where)
        taken.add((cell.where, name.lower()))
        stated: dict[str, Any] = {"name": name, "in": cell.where}
        stated["description"] = drawn.mark(Spot(operation, cell, name))
        if cell.where == "path" or chance(draw, 3):
            stated["required"] = True
        if cell.kind == "json":
            yield stated | {"content": {"application/json": {"schema": value_schema(draw, cell, new)}}}
            continue
        if cell.style != DEFAULTS[cell.where] or chance(draw):
            stated["style"] = cell.style
        if cell.explode != (cell.style == "form") or chance(draw):
            stated["explode"] = cell.explode
        if cell.where == "query" and cell.style == "form" and cell.explode and chance(draw, 4):
            stated["allowReserved"] = True
        schema = value_schema(draw, cell, new)
        if cell.kind in SCALARS[:4] and "enum" not in schema:
            if not new and chance(draw, 4):
                schema["nullable"] = True
            if chance(draw, 4) and not schema.keys() & {"format", "pattern", "minLength", "minimum"}:
                told = {"string": "told, not sent", "integer": 7, "number": 7.5, "boolean": True}
                schema["default"] = told[cell.kind]
        yield stated | {"schema": schema}


def body(draw: Draw, drawn: Drawn, operation: str, new: bool) -> dict[str, Any] | None:
    """A Request Body Object, or none."""
    kind = draw(st.sampled_from(["", "json", "json", "json", "urlencoded", "multipart", "text", "binary"]))
    if not kind:
        return None
    required = chance(draw)
    cell = Cell(kind, kind="body")
    media: dict[str, Any] = {}
    about = drawn.mark(Spot(operation, cell)) if kind in ("text", "binary") else ""
    match kind:
        case "json":
            shape = draw(st.sampled_from(["object", "object", "wrapped", "open", "any", "any"]))
            schema = json_schema(draw, cell, new, 2, "" if shape == "any" else "object")
            if shape == "wrapped":
                schema = {"type": "object", "required": ["thing"], "properties": {"thing": schema}}
            elif shape == "open":
                schema["additionalProperties"] = draw(st.sampled_from([True, {"type": "string"}]))
            media["schema"] = marked(drawn, operation, markable(schema, 1))
        case "urlencoded" | "multipart":
            media = form(draw, drawn, operation, cell, new, required)
        case "text":
            media["schema"] = {"type": "string", "description": about}
        case "binary":
            media["schema"] = {"type": "string", "format": "binary", "description": about}
    return {"required": required, "content": {MEDIA[kind]: media}}


def markable(schema: dict[str, Any], neighbours: int) -> dict[str, Any]:
    """A schema that a mark can stand beside, and that is not opened where its members have no place for one."""
    if "$ref" not in schema:
        return schema
    return {"type": "array", "items": schema} if neighbours == 1 else {"anyOf": [schema]}


def marked(drawn: Drawn, operation: str, schema: dict[str, Any], keys: tuple[str, ...] = ()) -> dict[str, Any]:
    """A schema of a JSON body with a mark at every object's property, as any of them may become an argument."""
    schema["description"] = drawn.mark(Spot(operation, Cell("json", kind="property" if keys else "body"), keys=keys))
    for name, inner in schema.get("properties", {}).items():
        marked(drawn, operation, inner, (*keys, name))
    return schema


def form(draw: Draw, drawn: Drawn, operation: str, cell: Cell, new: bool, required: bool) -> dict[str, Any]:
    """A Media Type Object of a form; of a form that must be sent, one field must be."""
    properties, encodings = {}, {}
    kinds = [*SCALARS[:4], "array", "object"] + (["file", "files", "objects"] if cell.where == "multipart" else [])
    for name in draw(st.lists(st.sampled_from(PROPERTIES), min_size=1, max_size=4, unique=True)):
        kind = draw(st.sampled_from(kinds))
        there = Cell(cell.where, kind=kind)
        match kind:
            case "file":
                schema: dict[str, Any] = {"type": "string", "format": "binary"}
            case "files":
                schema = {"type": "array", "items": {"type": "string", "format": "binary"}}
            case "objects":
                schema = {"type": "array", "items": flat_object(draw, there, new)}
            case _:
                schema = value_schema(draw, there, new)
        if cell.where == "urlencoded" and kind == "array":
            style = draw(st.sampled_from(["", "form", "form*", "spaceDelimited", "pipeDelimited"]))
            if style:
                encodings[name] = {"style": style.rstrip("*"), "explode": style.endswith("*")}
                there = Cell(cell.where, style.rstrip("*"), style.endswith("*"), kind)
                schema["items"] = scalar(draw, draw(st.sampled_from(SCALARS[:4])), there, new)
        elif kind in ("string", "integer") and chance(draw, 4):
            encodings[name] = {"contentType": "application/json"}
        properties[name] = {**schema, "description": drawn.mark(Spot(operation, there, keys=(name,)))}
    must = [n for i, n in enumerate(properties) if (required and not i) or chance(draw, 3)]
    schema = {"type": "object", "properties": properties, **({"required": must} if must else {})}
    return {"schema": schema, **({"encoding": encodings} if encodings else {})}


@st.composite
def documents(draw: Draw, number: int) -> Drawn:
    """A document; the numbers go through the cells in turn, everything else is drawn."""
    cells = [CELLS[(number * TURN + i) % len(CELLS)] for i in range(TURN)]
    version = draw(st.sampled_from(["3.1.0", "3.1.1", "3.0.3"]))
    new = version.startswith("3.1")
    paths: dict[str, Any] = {}
    drawn = Drawn({"openapi": version, "info": {"title": "", "version": "1"}, "paths": paths})
    operations = OPERATIONS[: draw(st.integers(3, 4))]
    for index, operation in enumerate(operations):
        method = draw(st.sampled_from(["get", "post", "post", "put", "patch", "delete"]))
        node: dict[str, Any] = {"operationId": operation, "responses": {"200": {"description": "."}}}
        stated = node["parameters"] = [*parameters(draw, drawn, operation, new, cells[index :: len(operations)])]
        if method in ("post", "put", "patch") and (sent := body(draw, drawn, operation, new)):
            node["requestBody"] = sent
        names = "".join(f"/{{{p['name']}}}" for p in stated if p["in"] == "path")
        paths[f"/{operation}{names}/end"] = {method: node}
    shared = flat_object(draw, Cell("json", kind="body"), new)
    drawn.document["components"] = {"schemas": {"Shared": shared}}
    return drawn


# --- arguments, of the published schema -------------------------------------------------------------------------------

TOLD = {"description", "title", "default", "examples", "deprecated", "contentMediaType"}
KNOWN = {
    *("type", "enum", "const", "anyOf", "oneOf", "properties", "required", "additionalProperties", "items", "minItems"),
    *("maxItems", "uniqueItems", "minLength", "maxLength", "minimum", "maximum", "pattern", "format"),
    *("contentEncoding", "minProperties"),
}


class Values:
    """Draws values of a published schema for one cell; `fill` says which optional members: all, some or none."""

    def __init__(self, draw: Draw, cell: Cell, fill: str) -> None:
        self._draw, self._cell, self._fill = draw, cell, fill

    def wanted(self) -> bool:
        return self._fill == "all" or (self._fill == "some" and bool(self._draw(st.booleans())))

    def of(self, schema: Mapping[str, Any], depth: int = 0) -> Any:
        unknown = schema.keys() - KNOWN - TOLD
        assert not unknown, f"a keyword that this test does not know: {unknown} in {json.dumps(schema)}"
        draw = self._draw
        allowed = schema.get("enum", [schema["const"]] if "const" in schema else None)
        if allowed is not None:
            return draw(st.sampled_from([v for v in allowed if v is not None or self.nulls]))
        for union in ("anyOf", "oneOf"):
            if union in schema and "properties" not in schema:
                branches = [b for b in schema[union] if b.get("type") != "null" or self.nulls]
                return self.of({**draw(st.sampled_from(branches))}, depth)
        types = schema.get("type", [*ANY] if depth < 3 else ["string", "null", "integer"])
        types = [types] if isinstance(types, str) else types
        match draw(st.sampled_from([t for t in types if t != "null" or self.nulls])):
            case "null":
                return None
            case "boolean":
                return draw(st.booleans())
            case "integer":
                bits = {"int32": 31, "int64": 63}.get(schema.get("format", ""), 63)
                low = schema.get("minimum", -(2**bits))
                high = schema.get("maximum", 2**bits - 1)
                some = [n for n in (0, 1, -1, 5, low, high) if low <= n <= high]
                if not schema.keys() & {"minimum", "maximum", "format"}:
                    some.append(10**20)
                    if self._cell.style:
                        some.append(5.0)  # an integer of JSON Schema; as a text it is 5
                return draw(st.sampled_from(some))
            case "number":
                low, high = schema.get("minimum", -1e300), schema.get("maximum", 1e300)
                some = [n for n in (0.1, 1, 5, 2.0, 1e-7, 1e21, -2.5, 12345678.875, 1e300) if low <= n <= high]
                return draw(st.sampled_from(some) | st.floats(low, high, allow_nan=False))
            case "string":
                return self._text(schema)
            case "array":
                least = schema.get("minItems", 0)
                count = draw(st.integers(least, max(least, min(schema.get("maxItems", 3), 3 - min(depth, 2)))))
                if not self._cell.empty and not depth:
                    count = max(count, 1)
                return [self.of(schema.get("items", {}), depth + 1) for _ in range(count)]
        return self._object(schema, depth)

    @property
    def nulls(self) -> bool:
        return self._cell.kind in ("json", "body", "property", "rest") and self._cell.where != "path"

    def _text(self, schema: Mapping[str, Any]) -> str:
        draw = self._draw
        if schema.get("format") == "binary" or schema.get("contentEncoding") == "base64":
            return base64.b64encode(draw(st.binary(min_size=1, max_size=8) | st.just(b"\r\n--\0\xff\r\n"))).decode()
        if schema.get("format") in FORMATS:
            return str(draw(FORMATS[schema["format"]]))
        if "pattern" in schema:
            return str(draw(PATTERNS[schema["pattern"]]))
        least = schema.get("minLength", int(self._cell.where == "text"))
        return str(draw(self._cell.text(least, schema.get("maxLength", 0))))

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, inner in schema.get("properties", {}).items():
            if name in schema.get("required", ()) or self.wanted():
                found[name] = self.of(inner, depth + 1)
        more = schema.get("additionalProperties", True)
        if more is False or (schema.get("properties") and not self.nulls):
            return found
        inner = more if isinstance(more, dict) else {}
        for _ in range(self._draw(st.integers(schema.get("minProperties", 0) or int(not self._cell.empty), 2))):
            found[self._key()] = self.of(inner, depth + 1)
        return found

    def _key(self) -> str:
        if self._cell.style == "deepObject":
            return str(self._draw(st.sampled_from(["k1", "k2", "k_é"])))
        text = self._draw(Cell(self._cell.where, self._cell.style, self._cell.explode, "map").text())
        return f"k{text}"


ANY = ("string", "integer", "number", "boolean", "null", "array", "object")


@dataclass
class Call:
    tool: str
    arguments: dict[str, Any]
    expected: dict[tuple[str, str], Any] = field(default_factory=dict)
    """By place and name, parameters; ("body", "") is the body."""
    cells: Counter[str] = field(default_factory=Counter)


MISSING = "left out"


def file_text(value: str) -> str:
    """The bytes of a file as openapi-core is given them: a text, as it takes no bytes for a string of 3.1."""
    return base64.b64decode(value).decode("latin-1")


def one_call(draw: Draw, drawn: Drawn, entry: dict[str, Any], fill: str) -> Call:
    """Arguments for a tool, and what should arrive."""
    schema = entry["inputSchema"]
    call = Call(entry["name"], {})
    tree: Any = MISSING
    spots = {}
    for name, inner in schema["properties"].items():
        if found := MARK.search(inner.get("description", "")):
            spots[name] = drawn.spots[found[1]]
    rest = set(schema["properties"]) - set(spots)
    assert len(rest) <= 1, f"{entry['name']}: {rest} have lost their descriptions"
    for name in rest:  # the undeclared members of the object that the declared ones are members of
        assert name.endswith("additional_properties")
        (parent,) = {spot.keys[:-1] for spot in spots.values() if spot.cell.kind == "property"}
        spots[name] = Spot(entry["name"], Cell("json", kind="rest"), keys=parent)
    for name, inner in schema["properties"].items():
        spot = spots[name]
        values = Values(draw, spot.cell, fill)
        if name not in schema.get("required", ()) and not values.wanted():
            continue
        value = call.arguments[name] = values.of(inner)
        call.cells[str(spot.cell)] += 1
        if spot.name:
            call.expected[spot.cell.where, spot.name] = value
        elif not spot.keys and spot.cell.kind != "rest":
            tree = file_text(value) if spot.cell.where == "binary" else value
        else:
            if spot.cell.kind in ("file", "files"):
                value = file_text(value) if isinstance(value, str) else [*map(file_text, value)]
            members = value if spot.cell.kind == "rest" else {spot.keys[-1]: value}
            tree = node = {} if tree is MISSING else tree
            for key in spot.keys if spot.cell.kind == "rest" else spot.keys[:-1]:
                node = node.setdefault(key, {})
            node.update(members)
    call.expected["body", ""] = tree
    return call


# --- the way back: openapi-core ---------------------------------------------------------------------------------------
# It splits values only after they were decoded, unless it is given them as they stand on the wire; so that is what it
# gets (what is not encoded there is encoded first), and each piece that it has split off is decoded.


def encoded(text: str) -> str:
    """Text of a header or a part, where nothing is escaped, as the others are; delimiters stay."""
    return quote(text, safe=",=", errors="surrogateescape")


def decoded(value: Any) -> Any:
    match value:
        case str():
            return unquote(value, errors="strict")
        case list():
            return [*map(decoded, value)]
        case dict():
            return {decoded(k): decoded(v) for k, v in value.items()}
    return value


def pairs(text: str, delimiter: str = "&") -> MultiDict[str, str]:
    """The pairs of a query or an urlencoded body, names decoded and values not; a plus is a blank."""
    split = [pair.partition("=") for pair in text.replace("+", "%20").split(delimiter) if pair]
    return MultiDict([(unquote(name, errors="strict"), value) for name, _, value in split])


def multipart(content: bytes, boundary: str = "", **_: str) -> MultiDict[str, Any]:
    fields, files = MultiPartParser().parse(BytesIO(content), boundary.encode(), len(content))
    found = [(name, encoded(text)) for name, text in fields.items(multi=True)]
    return MultiDict([*found, *((name, file.stream.read()) for name, file in files.items(multi=True))])


def strictly(caster: Any, *types: type) -> Any:
    """A caster of openapi-core that casts what JSON can say, not also True, yes, +5 and 1_000."""

    class Strict(caster):
        def validate(self, value: str) -> None:
            super().validate(value)
            if type(json.loads(value)) not in types or value != value.strip():
                raise ValueError(f"{value!r} is not as JSON writes it")

    return Strict


CASTERS = {
    "boolean": strictly(BooleanCaster, bool),
    "integer": strictly(IntegerCaster, int),
    "number": strictly(NumberCaster, int, float),
}
STYLE_READERS = {name: lambda *given, read=read: decoded(read(*given)) for name, read in style_deserializers.items()}
MEDIA_READERS: dict[str, Callable[..., Any]] = {
    "application/json": lambda value, **_: json.loads(decoded(value)),
    "text/plain": lambda value, **_: value.decode() if isinstance(value, bytes) else decoded(value),
    "application/octet-stream": lambda value, **_: value.decode("latin-1"),
    "application/x-www-form-urlencoded": lambda value, **_: pairs(value.decode().replace("%7C", "|")),
    "multipart/form-data": multipart,
}
STANDARD = {"host", "accept", "accept-encoding", "connection", "user-agent", "content-type", "content-length", "cookie"}


class Reader:
    """Reads requests by a document, with openapi-core."""

    def __init__(self, document: dict[str, Any]) -> None:
        new = document["openapi"].startswith("3.1")
        (OpenAPIV31SpecValidator if new else OpenAPIV30SpecValidator)(document).validate()
        self.parameters, self.templates = {}, {}
        for path, item in document["paths"].items():
            for node in item.values():
                stated = self.parameters[node["operationId"]] = node["parameters"]
                self.templates[node["operationId"]] = template(path, stated)
        casters = oas31_schema_casters_factory if new else oas30_write_schema_casters_factory
        types = casters.types_caster
        types = TypesCaster({**types.casters, **CASTERS}, types.default, types.multi)
        casters = SchemaCastersFactory(casters.schema_validators_factory, types)
        self._core = (V31RequestUnmarshaller if new else V30RequestUnmarshaller)(
            SchemaPath.from_dict(spelled_out(document)),
            style_deserializers_factory=StyleDeserializersFactory(casters, style_deserializers=STYLE_READERS),
            extra_media_type_deserializers=MEDIA_READERS,
            extra_format_validators={"binary": lambda value: True},
            extra_format_unmarshallers=dict.fromkeys(["date", "date-time", "binary", "uuid", "byte"], lambda v: v),
        )

    def read(self, operation: str, sent: Request) -> tuple[dict[tuple[str, str], Any], list[str]]:
        """The values by place and name, and what is wrong with the request."""
        path, _, text = sent.target.partition("?")
        stated = self.parameters[operation]
        locations: dict[str, Any] = {"query": pairs(text.replace("%7C", "|")), "cookie": MultiDict()}
        for name, values in parse_cookie(sent.headers.get("cookie")).lists():
            locations["cookie"].setlist(unquote(name, errors="strict"), values)
        locations["header"] = Headers({n: encoded(v) for n, v in sent.headers.items() if n not in STANDARD})
        matched = self.templates[operation].parse(path)
        if matched is None:
            return {}, [f"{path} is not the path"]
        locations["path"] = matched.named
        problems = [*unexpected(stated, locations)]
        for where in ("query", "cookie"):
            spread(stated, where, locations[where])
        request = CoreRequest(path, sent.method.lower(), RequestParameters(**locations), sent)
        result = self._core.unmarshal(request)
        for error in result.errors:
            problems.append(f"openapi-core: {error!r}; {error.__cause__!r}")
        got = {}
        for where in ("path", "query", "header", "cookie"):
            got |= {(where, name): value for name, value in getattr(result.parameters, where, {}).items()}
        got["body", ""] = result.body if sent.body else MISSING
        return got, problems


@dataclass
class CoreRequest:
    """A request as openapi-core wants it."""

    path: str
    method: str
    parameters: RequestParameters
    sent: Request
    host_url: str = "http://127.0.0.1"

    @property
    def content_type(self) -> str:
        return self.sent.headers.get("content-type", "")

    @property
    def body(self) -> bytes | None:
        return self.sent.body or None


def spelled_out(document: dict[str, Any]) -> dict[str, Any]:
    """The document with what openapi-core must be told, all of it said by the specification.

    A query parameter may be empty. Nothing is required, as what is missing shows in the comparison. Defaults are taken
    out, or they would be read where nothing was sent. Objects in forms are JSON (3.1.1, "Encoding Object"); other
    fields of a multipart body are texts, one part an item.
    """
    document = copy.deepcopy(document)
    for item in document["paths"].values():
        for node in item.values():
            for parameter in node.get("parameters", []):
                parameter.get("schema", {}).pop("default", None)
                parameter.pop("required", None) if parameter["in"] != "path" else None
                if parameter["in"] == "query":
                    parameter["allowEmptyValue"] = True
            node.get("requestBody", {})["required"] = False
            for media_type, media in node.get("requestBody", {}).get("content", {}).items():
                if "form" in media_type:
                    media["schema"].pop("required", None)
                for name, schema in media.get("schema", {}).get("properties", {}).items():
                    if "json" in media_type or name in media.get("encoding", {}):
                        continue
                    inner = schema.get("items", schema)
                    encodings = media.setdefault("encoding", {})
                    if inner["type"] == "object":
                        encodings[name] = {"contentType": "application/json"}
                    elif inner.get("format") != "binary":
                        encodings[name] = {"style": "form", "explode": True}
    return document


def template(path: str, stated: list[dict[str, Any]]) -> PathParser:
    """A path with the styles of its parameters, as RFC 6570 has them; by such names openapi-core looks them up."""
    for parameter in stated:
        first = {"label": ".", "matrix": ";"}.get(parameter.get("style", ""), "")
        if parameter["in"] == "path" and first:
            name, last = parameter["name"], "*" if parameter.get("explode") else ""
            path = path.replace(f"{{{name}}}", f"{{{first}{name}{last}}}")
    return PathParser(path)


def is_spread(parameter: dict[str, Any]) -> bool:
    """Whether the members of an object stand as pairs of their own, without the parameter's name."""
    return (
        parameter["in"] in ("query", "cookie")
        and parameter.get("schema", {}).get("type") == "object"
        and parameter.get("style", "form") == "form"
        and parameter.get("explode", True)
    )


def owner(stated: list[dict[str, Any]], where: str, key: str) -> dict[str, Any] | None:
    """The parameter that a pair belongs to."""
    here = [p for p in stated if p["in"] == where]
    for p in here:
        if p.get("style") == "deepObject" and re.fullmatch(re.escape(p["name"]) + r"\[[^\[\]]*\]", key):
            return p
    named = next((p for p in here if p["name"] == key and not is_spread(p) and p.get("style") != "deepObject"), None)
    return named or next(filter(is_spread, here), None)


def spread(stated: list[dict[str, Any]], where: str, found: MultiDict[str, str]) -> None:
    """Put the pairs of an exploded object under its name, as RFC 6570 writes them; there openapi-core looks."""
    for parameter in stated:
        if parameter["in"] == where and is_spread(parameter):
            own = [(k, v) for k, v in found.items(multi=True) if owner(stated, where, k) is parameter]
            for key, _ in own:
                found.poplist(key)
            if own:
                found[parameter["name"]] = "&".join(f"{quote(k, safe='')}={v}" for k, v in own)


def unexpected(stated: list[dict[str, Any]], locations: Mapping[str, Any]) -> Iterator[str]:
    """Yield what openapi-core does not look at: pairs and headers that nobody declared, pairs that came twice."""
    for where in ("query", "cookie"):
        for key, values in locations[where].lists():
            parameter = owner(stated, where, key)
            if parameter is None:
                yield f"nobody declared the {where} parameter {key!r}"
            elif len(values) > 1 and not (
                parameter.get("schema", {}).get("type") == "array" and parameter.get("explode", True)
            ):
                yield f"the {where} parameter {key!r} came {len(values)} times"
    names = {p["name"].lower() for p in stated if p["in"] == "header"}
    for key in locations["header"].keys():  # noqa: SIM118 - iterating over Headers gives pairs
        if key.lower() not in names:
            yield f"nobody declared the header {key!r}"


# --- the comparison ---------------------------------------------------------------------------------------------------


def same(expected: Any, got: Any, exact: bool) -> bool:
    """Whether two values are one, types included; `exact` tells 5 from 5.0, which a text does not."""
    if isinstance(expected, dict) and isinstance(got, dict):
        return expected.keys() == got.keys() and all(same(v, got[k], exact) for k, v in expected.items())
    if isinstance(expected, list) and isinstance(got, list):
        return len(expected) == len(got) and all(map(same, expected, got, [exact] * len(got)))
    if type(expected) is type(got):
        return bool(expected == got)
    numbers = {type(expected), type(got)} == {int, float}
    return numbers and not exact and bool(expected == got)


def left_out(value: Any) -> bool:
    return value is MISSING or value in ([], {})


def only_wrappers(value: Any, schema: Any) -> bool:
    """Whether a body holds nothing but objects that must be there."""
    required = schema.get("required", ()) if isinstance(schema, dict) else ()
    return isinstance(value, dict) and all(
        key in required and only_wrappers(inner, schema["properties"].get(key)) for key, inner in value.items()
    )


def body_schema(call: Call, drawn: Drawn) -> Any:
    operations = [o for item in drawn.document["paths"].values() for o in item.values() if isinstance(o, dict)]
    stated = next(o for o in operations if o.get("operationId") == call.tool).get("requestBody", {}).get("content", {})
    return next(iter(stated.values()), {}).get("schema")


def differences(call: Call, drawn: Drawn, got: dict[tuple[str, str], Any], sent: Request) -> Iterator[str]:
    """Yield where what arrived is not what was said."""
    spots = [s for s in drawn.spots.values() if s.operation == call.tool]
    json_places = {(s.cell.where, s.name) for s in spots if s.name and s.cell.kind == "json"}
    for key in sorted(call.expected.keys() | got.keys()):
        expected, found = call.expected.get(key, MISSING), got.get(key, MISSING)
        content_type = sent.headers.get("content-type", "")
        if key[0] == "body":
            if "form" in content_type:
                expected, found = (
                    {k: v for k, v in ({} if x is MISSING else x).items() if v != []} for x in (expected, found)
                )
            elif expected is MISSING and only_wrappers(found, body_schema(call, drawn)):
                continue  # a body that is asked for, and nothing to put into it
            exact = "json" in content_type
        else:
            exact = key in json_places
            if not exact and left_out(expected) and left_out(found):
                continue
        if not same(expected, found, exact):
            yield f"{' '.join(key)}: said {expected!r}, arrived {found!r}"


# --- the conversation -------------------------------------------------------------------------------------------------


class Made(Exception):
    """A server is ready to run."""


def in_process(package: str, arguments: list[str]) -> Any:
    """The SDK's server of a generated package, as its own command line makes it, not run."""
    main, server = (importlib.import_module(f"{package}._runtime.{name}") for name in ("main", "server"))
    make = server.ToolServer.server

    def made(tools: Any) -> Any:
        raise Made(make(tools))

    main._start_logging = lambda *_: None  # pytest has its own
    server.ToolServer.server = made
    try:
        raise AssertionError(main.run(importlib.import_module(f"{package}.service").SERVICE, arguments))
    except Made as found:
        return found.args[0]
    finally:
        gc.enable()  # which a server does when it is ready


async def converse(folder: Path, package: str, calls: list[Call], apart: bool) -> Any:
    """Make the calls; the records of them."""
    records = []
    async with Upstream().running() as upstream:
        arguments = ["--enable-write-tools", "--base-url", upstream.url]
        server: Any = StdioServerParameters(
            command=sys.executable,
            args=["-m", package, *arguments],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=folder,
        )
        if not apart:
            server = in_process(package, arguments)
        async with Client(server, mode="2026-07-28") as client:
            for call in calls:
                upstream.requests = []
                record = Record(upstream.requests)
                try:
                    record.result = await client.call_tool(call.tool, call.arguments)
                except Exception as error:
                    record.error = f"{type(error).__name__}: {error}"
                records.append(record)
    return records


@dataclass
class Survey:
    """What came of all documents."""

    folder: Path
    documents: int = 0
    calls: int = 0
    cells: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def look_at(self, drawn: Drawn, draw: Draw) -> None:
        """Build, call and read one document."""
        self.documents += 1
        document = drawn.document
        document["info"]["title"] = f"Readback n{self.documents}"
        folder = self.folder / str(self.documents)
        folder.mkdir()
        (folder / "openapi.json").write_text(json.dumps(document), encoding="utf-8")
        made, files = built(folder)
        self.problems += [f"left out: {o}" for o in made.left_out]
        place(files, folder)
        entries = json.loads(files[f"{made.package}/tools.json"])["tools"]
        reader = Reader(document)
        calls = [one_call(draw, drawn, entry, fill) for entry in entries for fill in ("all", "all", "some", "none")]
        schemas = {entry["name"]: jsonschema_rs.validator_for(entry["inputSchema"]) for entry in entries}
        for call in calls:
            schemas[call.tool].validate(call.arguments)
        sys.path.insert(0, str(folder))
        try:
            apart = self.documents % SUBPROCESS == 0
            records = asyncio.run(asyncio.wait_for(converse(folder, made.package, calls, apart), 120))
        finally:
            sys.path.remove(str(folder))
            for name in [n for n in sys.modules if n.partition(".")[0] == made.package]:
                del sys.modules[name]
        for call, record in zip(calls, records, strict=True):
            self.calls += 1
            self.cells += call.cells
            for said in self._compared(drawn, reader, call, record):
                node = next(
                    {f"{verb} {path}": node}
                    for path, item in document["paths"].items()
                    for verb, node in item.items()
                    if node["operationId"] == call.tool
                )
                self.problems.append(
                    f"{said}\n  arguments: {json.dumps(call.arguments, ensure_ascii=False)}\n  request: "
                    f"{record.requests[0].raw if record.requests else None!r}\n  document: {document['openapi']} "
                    f"{json.dumps(node, ensure_ascii=False)}"
                )

    def _compared(self, drawn: Drawn, reader: Reader, call: Call, record: Record) -> Iterator[str]:
        if record.error or record.result.is_error or len(record.requests) != 1:
            yield f"{len(record.requests)} requests: {record.error or text_of(record.result)}"
            return
        sent = record.requests[0]
        got, problems = reader.read(call.tool, sent)
        yield from problems or differences(call, drawn, got, sent)


def test_what_is_said_arrives(tmp_path: Path) -> None:
    """Every argument is read back as it was, with its type, from the place that the document says, and nothing else."""
    survey = Survey(tmp_path)

    def run(number: int) -> None:
        @seed(number)  # a run for each, as in one run hypothesis makes most documents of parts of others
        @settings(
            max_examples=1,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],  # one call is told, which is small already
            suppress_health_check=[*HealthCheck],
            verbosity=Verbosity.quiet,
        )
        @given(dice=st.integers(0, 99), drawn=documents(number), data=st.data())
        def look(dice: int, drawn: Drawn, data: st.DataObject) -> None:
            assume(dice)  # the first draw is the simplest of all, in every run
            survey.look_at(drawn, data.draw)

        look()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # openapi-core's, of allowEmptyValue
        for number in range(COUNT):
            if len(survey.problems) < SHOWN:
                run(number)
    if survey.problems:
        pytest.fail("\n\n".join(survey.problems[:SHOWN]), pytrace=False)
    print(f"{survey.documents} documents, {survey.calls} calls, {survey.cells.total()} arguments read back")
    print(*(f"{count:7} {cell}" for cell, count in sorted(survey.cells.items())), sep="\n")
    assert survey.documents == COUNT
    if COUNT >= 24:  # what is not read back holds nothing
        assert survey.cells.total() > 30 * COUNT
        assert not {*map(str, CELLS)} - survey.cells.keys()
        assert {*BODIES} <= {cell.partition(" ")[0] for cell in survey.cells}
