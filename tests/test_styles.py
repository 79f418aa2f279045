"""Every cell of the "Style Examples" table of OpenAPI 3.1.1, from the document to the bytes and back.

A document with one operation a cell is built into a server; its tools are imported, check the specification's own
values, and make the request. What was sent is compared with the table, and read back by a decoder of its own, written
from RFC 6570 (section 3.2) and not from our code.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from itertools import product
from typing import Any
from urllib.parse import unquote

import pytest
from conftest import place

from mcpgen import spec
from mcpgen.config import Config
from mcpgen.planner import plan
from mcpgen.render import render

STYLES = ("matrix", "label", "simple", "form", "spaceDelimited", "pipeDelimited", "deepObject")
PLACES = {"matrix": ["path"], "label": ["path"], "simple": ["path", "header"], "form": ["query", "cookie"]}
VALUES: dict[str, Any] = {
    "empty": "",
    "string": "blue",
    "array": ["blue", "black", "brown"],
    "object": {"R": 100, "G": 200, "B": 150},
}
INTEGER = {"type": "integer"}
SCHEMAS: dict[str, list[dict[str, Any]]] = {
    "empty": [{"type": "string"}],
    "string": [{"type": "string"}],
    "array": [{"type": "array", "items": {"type": "string"}}],
    "object": [
        {"type": "object", "properties": dict.fromkeys("RGB", INTEGER)},
        {"type": "object", "additionalProperties": INTEGER},
    ],
}

Cell = tuple[str, bool, str]

# (style, explode): empty, string, array, object
TABLE: dict[tuple[str, bool], tuple[str | None, str | None, str | None, str | None]] = {
    ("matrix", False): (";color", ";color=blue", ";color=blue,black,brown", ";color=R,100,G,200,B,150"),
    ("matrix", True): (";color", ";color=blue", ";color=blue;color=black;color=brown", ";R=100;G=200;B=150"),
    ("label", False): (".", ".blue", ".blue,black,brown", ".R,100,G,200,B,150"),
    ("label", True): (".", ".blue", ".blue.black.brown", ".R=100.G=200.B=150"),
    ("simple", False): ("", "blue", "blue,black,brown", "R,100,G,200,B,150"),
    ("simple", True): ("", "blue", "blue,black,brown", "R=100,G=200,B=150"),
    ("form", False): ("color=", "color=blue", "color=blue,black,brown", "color=R,100,G,200,B,150"),
    ("form", True): ("color=", "color=blue", "color=blue&color=black&color=brown", "R=100&G=200&B=150"),
    ("spaceDelimited", False): (None, None, "color=blue%20black%20brown", "color=R%20100%20G%20200%20B%20150"),
    ("spaceDelimited", True): (None, None, None, None),
    ("pipeDelimited", False): (None, None, "color=blue%7Cblack%7Cbrown", "color=R%7C100%7CG%7C200%7CB%7C150"),
    ("pipeDelimited", True): (None, None, None, None),
    ("deepObject", False): (None, None, None, None),
    ("deepObject", True): (None, None, None, "color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150"),
}

_DELIMITED = "a delimiter is for arrays and objects; the specification gives no form for a single value"
_EXPLODED = "exploded there is nothing to delimit; the specification says to use form"
NOT_APPLICABLE: dict[Cell, str] = {
    **{(s, False, t): _DELIMITED for s in ("spaceDelimited", "pipeDelimited") for t in ("empty", "string")},
    **{(s, True, t): _EXPLODED for s in ("spaceDelimited", "pipeDelimited") for t in VALUES},
    **{("deepObject", False, t): "deepObject is exploded by nature" for t in VALUES},
    **{("deepObject", True, t): "deepObject is for objects only" for t in ("empty", "string", "array")},
}
"""The cells that the specification calls n/a: what is sent there is nobody's promise."""


def sent_as(cell: Cell) -> str | None:
    style, explode, kind = cell
    return TABLE[style, explode][list(VALUES).index(kind)]


CELLS = [cell for cell in product(STYLES, (False, True), VALUES) if sent_as(cell) is not None]
ROWS = [
    (*cell, where, form)
    for cell in CELLS
    for where in PLACES.get(cell[0], ["query"])
    for form in range(len(SCHEMAS[cell[2]]))
]


def test_the_table_is_whole() -> None:
    """56 cells: 33 have a form, 23 are n/a, and each of these has its reason."""
    every = set(product(STYLES, (False, True), VALUES))
    assert len(every) == 56
    assert set(NOT_APPLICABLE) == every - set(CELLS)


# --- the way out: a generated server ----------------------------------------------------------------------------------


def name_of(row: tuple[str, bool, str, str, int]) -> str:
    style, explode, kind, where, form = row
    return f"{style.lower()}_{str(explode).lower()}_{kind}_{where}_{'abc'[form]}"


def operation(name: str, where: str, **parameter: Any) -> tuple[str, dict[str, Any]]:
    stated = {"name": "color", "in": where, "required": True, **parameter}
    answers = {"200": {"description": "."}}
    path = f"/{name}/{{color}}/end" if where == "path" else f"/{name}"
    return path, {"get": {"operationId": name, "parameters": [stated], "responses": answers}}


DEFAULTS = {"path": "simple", "query": "form", "header": "simple", "cookie": "form"}
HARD = ["a,b", "c d|e", "é;f=g&h", "%2C", "😀", "+", "i.j"]


class Server:
    """The tools of a generated server, without the server."""

    def __init__(self, folder: Any) -> None:
        paths = dict(
            operation(name_of(row), row[3], style=row[0], explode=row[1], schema=SCHEMAS[row[2]][row[4]])
            for row in ROWS
        )
        for where, kind in product(DEFAULTS, VALUES):
            paths.update([operation(f"default_{where}_{kind}", where, schema=SCHEMAS[kind][-1])])
        for style in STYLES:
            where = PLACES.get(style, ["query"])[0]
            kind = "object" if style == "deepObject" else "array"
            paths.update([operation(f"default_explode_{style.lower()}", where, style=style, schema=SCHEMAS[kind][-1])])
        for row in ROUND_TRIPS:
            map_of = {"type": "object", "additionalProperties": {"type": "string"}}
            schema = map_of if row[2] == "object" else SCHEMAS[row[2]][0]
            paths.update([operation(f"round_{name_of(row)}", row[3], style=row[0], explode=row[1], schema=schema)])
        document = {"openapi": "3.1.1", "info": {"title": "Style table", "version": "1"}, "paths": paths}
        (folder / "openapi.json").write_text(json.dumps(document), encoding="utf-8")
        made = plan(spec.load(folder / "openapi.json"), Config())
        assert not made.left_out
        files = render(made)
        sys.path.insert(0, str(place(files, folder / "out")))
        self.entries = {e["name"]: e for e in json.loads(files[f"{made.package}/tools.json"])["tools"]}
        self.package = made.package
        self.tools = importlib.import_module(f"{made.package}.tools").TOOLS
        self.tool = importlib.import_module(f"{made.package}._runtime.tool")
        self.wire = importlib.import_module(f"{made.package}._runtime.wire")

    def send(self, name: str, value: Any) -> Any:
        """Return the request (`Wire`) of a tool for `color`."""
        known = {n.replace("_", ""): n for n in self.tools}
        name = known[name.replace("_", "")]
        module, class_ = self.tools[name].split(":")
        declared = getattr(importlib.import_module(f"{self.package}.tools.{module}"), class_)
        contract = self.tool.Contract(declared, self.entries[name]["inputSchema"])
        return self.wire.build(contract.tool.OPERATION, contract.bindings, contract.check({"color": value}))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("styles")
    made = Server(folder)
    yield made
    sys.path.remove(str(folder / "out"))
    for name in [n for n in sys.modules if n.partition(".")[0] == made.package]:
        del sys.modules[name]


def in_place(wire: Any, where: str) -> str:
    """Return the text that stands for the parameter, and hold that nothing else was made of it."""
    (*_, name, last, end) = wire.path.split("/") if where == "path" else (wire.path, "", "end")
    others = {"query": wire.query, "cookie": wire.cookies, "header": wire.headers}
    assert not any(found for key, found in others.items() if key != where)
    assert wire.body is None
    assert end == "end"
    if where == "path":
        return str(last)
    if where == "query":
        return "&".join(wire.query)
    if where == "cookie":
        return "; ".join(wire.cookies)
    ((name, value),) = wire.headers
    assert name == "color"
    return str(value.decode())


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_cell(row: tuple[str, bool, str, str, int], server: Server) -> None:
    """The value goes out as the table says, and comes back as it was."""
    style, explode, kind, where, _ = row
    value = VALUES[kind]
    if kind == "empty" and where == "path":
        # Stricter than the table on purpose: an empty path value addresses another resource (CVE-2026-32871).
        with pytest.raises(server.tool.InvalidArguments, match="color: must not be empty"):
            server.send(name_of(row), value)
        return
    sent = in_place(server.send(name_of(row), value), where)
    expected = sent_as((style, explode, kind))
    # The table's `&` is a query's; pairs of a cookie are delimited by "; " (RFC 6265, 4.2.1; OpenAPI 3.2, "cookie").
    assert sent == (expected.replace("&", "; ") if where == "cookie" else expected)
    assert decode(sent, style, explode, kind, where) == (
        {k: str(v) for k, v in value.items()} if kind == "object" else value
    )


@pytest.mark.parametrize(("where", "kind"), list(product(DEFAULTS, VALUES)))
def test_default_style(where: str, kind: str, server: Server) -> None:
    """A parameter that says neither style nor explode is simple in a path or header, exploded form elsewhere."""
    if (where, kind) == ("path", "empty"):
        return
    style = DEFAULTS[where]
    expected = sent_as((style, style == "form", kind))
    assert expected is not None
    sent = in_place(server.send(f"default_{where}_{kind}", VALUES[kind]), where)
    assert sent == (expected.replace("&", "; ") if where == "cookie" else expected)


@pytest.mark.parametrize("style", STYLES)
def test_default_explode(style: str, server: Server) -> None:
    """`explode` is true by default for form, false for every other style (deepObject knows no other way)."""
    kind = "object" if style == "deepObject" else "array"
    where = PLACES.get(style, ["query"])[0]
    sent = in_place(server.send(f"default_explode_{style.lower()}", VALUES[kind]), where)
    assert sent == sent_as((style, style in ("form", "deepObject"), kind))


# Delimiters of a style stay literal and those inside a value are escaped, so that hard values come back too. It cannot
# be so in a header (nothing is escaped there), nor where the delimiter is itself an escaped character.
ROUND_TRIPS = [
    row
    for row in ROWS
    if row[2] in ("array", "object")
    and row[3] != "header"
    and row[0] not in ("spaceDelimited", "pipeDelimited")
    and row[4] == 0
    and (row[0], row[1]) != ("label", True)  # its delimiter, the dot, is never escaped (RFC 3986, unreserved)
]


@pytest.mark.parametrize("row", ROUND_TRIPS, ids=name_of)
def test_hard_values_come_back(row: tuple[str, bool, str, str, int], server: Server) -> None:
    style, explode, kind, where, _ = row
    value: Any = HARD if kind == "array" else {f"k{text}": text for text in HARD}
    sent = in_place(server.send(f"round_{name_of(row)}", value), where)
    assert sent.isascii()
    assert decode(sent, style, explode, kind, where) == value


# --- the way back: RFC 6570 read from right to left -------------------------------------------------------------------


def decode(text: str, style: str, explode: bool, kind: str, where: str) -> Any:
    """Return the value that `text` stands for; object values as text, since a URL has no numbers."""
    joint = {"query": "&", "cookie": "; "}.get(where, "")
    plain = (lambda t: t) if where == "header" else unquote
    if style == "deepObject":
        pairs = [pair.split("=", 1) for pair in text.split("&")]
        keys = [unquote(key) for key, _ in pairs]
        assert all(key.startswith("color[") and key.endswith("]") for key in keys)
        return {key[6:-1]: unquote(value) for key, (_, value) in zip(keys, pairs, strict=True)}
    first, separator, named = {
        "simple": ("", ",", False),
        "label": (".", "." if explode else ",", False),
        "matrix": (";", ";" if explode else ",", True),
        "form": ("", joint if explode else ",", True),
        "spaceDelimited": ("", "%20", True),
        "pipeDelimited": ("", "%7C", True),
    }[style]
    assert text.startswith(first)
    text = text.removeprefix(first)
    if kind in ("empty", "string"):
        return plain(bare(text) if named else text)
    if kind == "array":
        if explode and named:
            return [plain(bare(item)) for item in text.split(separator)]
        return [plain(item) for item in (bare(text) if named else text).split(separator)]
    if explode:
        return dict(map(plain, item.split("=", 1)) for item in text.split(separator))
    members = [plain(item) for item in (bare(text) if named else text).split(separator)]
    return dict(zip(members[::2], members[1::2], strict=True))


def bare(text: str) -> str:
    """Return what follows the name of the parameter."""
    name, _, value = text.partition("=")
    assert name == "color"
    return value
