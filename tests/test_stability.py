"""A server changes as its document does: what is added adds lines, what says nothing of the tools changes none.

What counts as a removed line is said in one place, `lacking` in bench/history.py: neither a total nor a comma does.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import TESTS, built
from test_build import CASES, DOCUMENT, comparable, corpus

from mcpgen import spec
from mcpgen.names import pascal

sys.path.append(str(TESTS.parent / "bench"))
import history

Document = dict[str, Any]

SHOP = """
openapi: 3.0.3
info: {title: Shop, version: "1"}
servers: [{url: https://shop.test}]
tags: [{name: Orders, description: What was bought.}, {name: Stock}]
security: [{key: []}]
paths:
  /orders:
    get:
      operationId: listOrders
      tags: [Orders]
      parameters: [{name: state, in: query, schema: {type: array, items: {type: string, enum: [open, paid]}}}]
      responses:
        "200": {description: Orders., content: {application/json: {schema: {$ref: "#/components/schemas/Page"}}}}
    post:
      operationId: createOrder
      tags: [Orders]
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Order"}}}, required: true}
      responses:
        "201": {description: Made., content: {application/json: {schema: {$ref: "#/components/schemas/Order"}}}}
  /orders/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    get: {operationId: getOrder, tags: [Orders], responses: {"200": {description: One., content: {}}}}
    delete: {operationId: deleteOrder, tags: [Orders], responses: {"204": {description: Gone.}}}
    put:
      operationId: replaceOrder
      tags: [Orders]
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Order"}}}}
      responses: {"200": {description: Set.}}
  /shops:
    post:
      operationId: openShop
      tags: [Stock]
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Shop"}}}}
      responses: {"201": {description: Open.}}
  /stock:
    put:
      operationId: setStock
      tags: [Stock]
      requestBody:
        content:
          application/json:
            schema:
              type: object
              required: [address, count]
              properties:
                address: {$ref: "#/components/schemas/Address"}
                count: {type: integer, minimum: 0}
                shelf: {type: object, properties: {row: {type: string, example: A}}}
      responses: {"200": {description: Set.}}
components:
  securitySchemes: {key: {type: apiKey, in: header, name: X-Key}}
  schemas:
    Address: {type: object, properties: {town: {type: string, example: Ulm}}, example: {town: Bonn}}
    Card: {type: object, required: [number], properties: {number: {type: string}}}
    Cash: {type: object, required: [coins], properties: {coins: {type: integer}}}
    Line:
      type: object
      properties:
        by: {$ref: "#/components/schemas/Pay"}
        note: {type: string, enum: [a, b]}
        of: {$ref: "#/components/schemas/Line"}
    Order:
      type: object
      required: [address, pay]
      properties:
        address: {$ref: "#/components/schemas/Address"}
        lines: {type: array, items: {$ref: "#/components/schemas/Line"}}
        pay: {$ref: "#/components/schemas/Pay"}
    Pay: {oneOf: [{$ref: "#/components/schemas/Card"}, {$ref: "#/components/schemas/Cash"}]}
    Shop:
      type: object
      required: [address]
      properties: {address: {$ref: "#/components/schemas/Address"}, name: {type: string}}
    Page: {type: object, properties: {orders: {type: array, items: {$ref: "#/components/schemas/Order"}}}}
"""

BARE = """
openapi: 3.1.0
info: {title: Bare, version: "1"}
paths:
  /state: {get: {responses: {default: {description: The state.}}}}
  /switch: {post: {responses: {default: {description: Switched.}}}}
  /lamps/{n}:
    put:
      parameters: [{name: n, in: path, required: true, schema: {type: integer}}]
      requestBody: {content: {application/json: {schema: {type: object, properties: {on: {type: boolean}, hue: {}}}}}}
      responses: {default: {description: Set.}}
"""

DOCUMENTS = {"zoo": DOCUMENT, "shop": SHOP, "bare": BARE}


def files_of(folder: Path, document: Document) -> Mapping[str, str]:
    """Return the server made of a document with the configuration and `custom.py` that are in `folder`."""
    (folder / "openapi.json").write_text(json.dumps(document), encoding="utf-8")
    return built(folder)[1]


def lost(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """Return the first line that is gone of every file of `before` that has lines which `after` lacks."""
    gaps = {name: history.lacking(text, after.get(name, ""), name) for name, text in before.items()}
    return {name: lines[0] for name, lines in gaps.items() if lines}


def copied(document: Document) -> Document:
    copy: Document = json.loads(json.dumps(document))
    return copy


def copied_case(folder: Path, target: Path) -> Document:
    """Return the document of a case; what stands beside it is copied into `target`."""
    for path in (folder / "mcpgen.toml", folder / "custom.py", *folder.glob("*.overlay.yaml")):
        if path.is_file():
            shutil.copy(path, target)
    return copied(dict(spec.load(next(folder.glob("openapi.*"))).root))


# --- what is added ----------------------------------------------------------------------------------------------------

VERBS = ("get", "put", "post", "delete", "patch", "head", "options", "query")


def operations(document: Document) -> Iterator[Document]:
    for item in document.get("paths", {}).values():
        if isinstance(item, dict):
            yield from (item[verb] for verb in VERBS if isinstance(item.get(verb), dict))


def schemas(node: Any, key: str) -> Iterator[Document]:
    """Yield what has `key` in a part of a document: schemas, if the key is theirs."""
    if isinstance(node, dict):
        if key in node:
            yield node
        for name, inner in node.items():
            if name not in ("const", "default", "discriminator", "enum", "example", "examples", "servers"):
                yield from schemas(inner, key)
    elif isinstance(node, list):
        for inner in node:
            yield from schemas(inner, key)


def add_operations(document: Document) -> None:
    """A reading one in an area of its own and a writing one in an old area, with credentials as others have them."""
    stated = [o for o in operations(document) if isinstance(o, dict)]
    tags = next((o["tags"] for o in stated if isinstance(o.get("tags"), list) and o["tags"]), ["Others"])
    security = next(({"security": o["security"]} for o in stated if "security" in o), {})
    body = {"a": {"type": "string"}, "of": {"type": "object", "properties": {"x": {"type": "string"}}}}
    document["paths"]["/added"] = {
        "get": {
            "operationId": "readAdded",
            "tags": ["Added"],
            "responses": {"200": {"description": "Read."}},
            **security,
        },
        "post": {
            "operationId": "addAdded",
            "tags": tags,
            "requestBody": {"content": {"application/json": {"schema": {"type": "object", "properties": body}}}},
            "responses": {"201": {"description": "Added."}},
            **security,
        },
    }


def add_parameters(document: Document) -> None:
    """An optional one to every operation."""
    for operation in operations(document):
        if isinstance(operation.setdefault("parameters", []), list):
            operation["parameters"].append({"name": "zExtra", "in": "query", "schema": {"enum": ["a", "b"]}})


def add_properties(document: Document) -> None:
    """An optional one to every object, in requests and in answers, however deep."""
    for schema in schemas(document, "properties"):
        if isinstance(schema["properties"], dict) and not isinstance(schema.get("$ref"), str):
            schema["properties"]["zExtra"] = {"type": "string"}


def add_responses(document: Document) -> None:
    """An answer of its own kind to every operation."""
    content = {"application/json": {"schema": {"type": "object", "properties": {"steam": {"type": "integer"}}}}}
    for operation in operations(document):
        if isinstance(operation.setdefault("responses", {}), dict):
            operation["responses"]["418"] = {"description": "A teapot.", "content": content}


def add_values(document: Document) -> None:
    """One more to each that is one of several."""
    for schema in schemas(document, "enum"):
        if isinstance(schema["enum"], list) and len([v for v in schema["enum"] if v is not None]) > 1:
            schema["enum"].append("other" if isinstance(schema["enum"][0], str) else 4711)


ADDITIONS: list[Callable[[Document], None]] = [
    add_operations,
    add_parameters,
    add_properties,
    add_responses,
    add_values,
]

OPENED = "an object with one property is opened for the model; with a second one it is another tool"
NOT_ADDITIVE = {
    "arguments-named": ({add_parameters, add_properties}, "what the configuration hides is listed in one line"),
    "json-body-wrapper": ({add_properties}, OPENED),
    "output-schemas": ({add_properties}, OPENED),
    "results": ({add_properties}, OPENED),
    "search-docs": (
        {*ADDITIONS} - {add_operations},
        "docs.json is the text of the document itself, an operation a line",
    ),
    "single-values": ({add_properties}, OPENED),
    "xml-body": ({add_properties}, "the elements of an XML body are one setting of its request"),
    "xml-text": ({add_properties}, OPENED),
}
"""Cases whose tools an addition changes, by which, and why."""


@pytest.mark.parametrize("add", ADDITIONS, ids=lambda a: a.__name__)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_added_adds_lines(name: str, add: Callable[[Document], None], tmp_path: Path) -> None:
    document = yaml.safe_load(DOCUMENTS[name])
    before = files_of(tmp_path, document)
    add(document)
    after = files_of(tmp_path, document)
    assert lost(before, after) == {}
    assert after != before or add in (add_responses, add_values)


@pytest.mark.parametrize("folder", CASES, ids=lambda c: c.name)
def test_all_additions_at_once_add_lines(folder: Path, tmp_path: Path) -> None:
    """To every case, with its configuration."""
    document = copied_case(folder, tmp_path)
    before = files_of(tmp_path, document)
    changing, _ = NOT_ADDITIVE.get(folder.name, (set(), ""))
    for add in ADDITIONS:
        if add not in changing:
            add(document)
    assert lost(before, files_of(tmp_path, document)) == {}


@pytest.mark.parametrize("name", NOT_ADDITIVE)
def test_what_is_not_additive_is_known(name: str, tmp_path: Path) -> None:
    """Each exception still is one: whoever makes it additive takes it off the list."""
    document = copied_case(TESTS / "cases" / name, tmp_path)
    before = files_of(tmp_path, document)
    for add in NOT_ADDITIVE[name][0]:
        more = copied(document)
        add(more)
        assert lost(before, files_of(tmp_path, more)), add.__name__


def test_a_union_gains_a_member(tmp_path: Path) -> None:
    """In arguments and in a class."""
    document = yaml.safe_load(SHOP)
    before = files_of(tmp_path, document)
    schemas = document["components"]["schemas"]
    schemas["Bill"] = {"type": "object", "properties": {"to": {"type": "string"}}}
    schemas["Pay"]["oneOf"].append({"$ref": "#/components/schemas/Bill"})
    after = files_of(tmp_path, document)
    assert lost(before, after) == {}
    for module, count in (("tools", 2), ("models", 1)):
        assert after[f"shop_mcp/{module}/orders.py"].count("            Bill,\n") == count


def test_a_class_that_a_second_area_uses_moves(tmp_path: Path) -> None:
    """The one addition that takes lines away: a class goes to `models/shared.py`, as it is; nothing else changes."""
    document = yaml.safe_load(SHOP)
    before = files_of(tmp_path, document)
    schema = {"type": "object", "required": ["x"], "properties": {"x": {"$ref": "#/components/schemas/Cash"}}}
    document["paths"]["/stock"]["post"] = {
        "operationId": "payStock",
        "tags": ["Stock"],
        "requestBody": {"content": {"application/json": {"schema": {**schema, "minProperties": 1}}}},
        "responses": {"201": {"description": "Paid."}},
    }
    after = files_of(tmp_path, document)
    assert {*lost(before, after)} == {"shop_mcp/models/orders.py", "shop_mcp/tools/orders.py"}
    moved = pieces(before["shop_mcp/models/orders.py"])["Cash"]
    assert pieces(after["shop_mcp/models/shared.py"])["Cash"] == moved
    assert (
        history.lacking(
            before["shop_mcp/models/orders.py"].replace(f"{moved}\n\n\n", ""), after["shop_mcp/models/orders.py"]
        )
        == []
    )
    assert (
        history.lacking(
            before["shop_mcp/tools/orders.py"].replace("    Cash,\n", "", 1), after["shop_mcp/tools/orders.py"]
        )
        == []
    )


# --- what is removed --------------------------------------------------------------------------------------------------


def pieces(text: str) -> dict[str, str]:
    """Return the classes of a module by name."""
    return {n.name: ast.get_source_segment(text, n) or "" for n in ast.parse(text).body if isinstance(n, ast.ClassDef)}


def tools_of(files: Mapping[str, str]) -> dict[str, tuple[Any, ...]]:
    """Return all that a server says of each tool: its entry, its section for people, its class, its further facts."""
    package = next(n for n in files if n.endswith("/tools.json")).rpartition("/")[0]
    entries = {t["name"]: t for t in json.loads(files[f"{package}/tools.json"])["tools"]}
    facts = yaml.safe_load(files["contract.yaml"])["tools"]
    evals = {e["tool"]: e for e in json.loads(files["tests/evals.json"])}
    told = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^##|\Z)", files["TOOLS.md"], re.MULTILINE | re.DOTALL))
    places = dict(re.findall(r'^    "(\w+)": "(\w+:\w+)",$', files[f"{package}/tools/__init__.py"], re.MULTILINE))
    found = {}
    for name in entries:
        module, _, class_name = places[name].partition(":")
        source = pieces(files[f"{package}/tools/{module}.py"])[class_name]
        found[name] = entries[name], told[name].strip(), source, facts[name], evals[name]
    return found


@pytest.mark.parametrize("name", DOCUMENTS)
def test_an_operation_is_removed_and_added_back(name: str, tmp_path: Path) -> None:
    """Only its own lines go; and they come back as they were, wherever in the document it is put."""
    document = yaml.safe_load(DOCUMENTS[name])
    before = files_of(tmp_path, document)
    for path, verb in [(p, v) for p, item in document["paths"].items() for v in VERBS if v in item]:
        rest = copied(document)
        item = rest["paths"].pop(path)
        operation = item.pop(verb)
        rest["paths"][path] = item
        after = files_of(tmp_path, rest)
        gone, stays = tools_of(before), tools_of(after)
        assert [n for n in gone if n not in stays] == [n for n in gone if gone[n] != stays.get(n)]
        assert len(gone) == len(stays) + 1
        assert lost(after, before) == {}
        item[verb] = operation
        assert files_of(tmp_path, rest) == before


# --- what says nothing of the tools -----------------------------------------------------------------------------------


def retold(node: Any, path: tuple[str, ...] = ()) -> Any:
    """Return a part of a document with other examples and with other words for its responses."""
    if isinstance(node, list):
        return [retold(inner, (*path, "")) for inner in node]
    if not isinstance(node, dict):
        return node
    named = path[-1:] in (("properties",), ("patternProperties",), ("$defs",), ("schemas",), ("responses",))
    found = {}
    for name, inner in node.items():
        if not named and name in ("example", "examples"):
            found[name] = (
                {"other": {"value": {"x": 1}}} if isinstance(inner, dict) and name == "examples" else [{"x": 1}]
            )
        elif name == "description" and path[-2:-1] == ("responses",):
            found[name] = "In other words."
        else:
            found[name] = retold(inner, (*path, name))
    return found


@pytest.mark.parametrize("folder", [c for c in CASES if c.name != "search-docs"], ids=lambda c: c.name)
def test_examples_and_words_of_responses_change_nothing(folder: Path, tmp_path: Path) -> None:
    """But where the configuration has a tool that searches the document itself."""
    document = copied_case(folder, tmp_path)
    assert comparable(tmp_path, retold(document)) == comparable(tmp_path, document)


# --- what is renamed --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "component"), [("zoo", "Keeper"), ("shop", "Address"), ("shop", "Cash")])
def test_a_renamed_component_touches_what_names_it(name: str, component: str, tmp_path: Path) -> None:
    """Its class and what refers to that: no tool for the model, no word of the documentation."""
    renamed = component[:-1] + "q"
    document = yaml.safe_load(DOCUMENTS[name])
    before = files_of(tmp_path, document)
    schemas = document["components"]["schemas"]
    schemas[renamed] = schemas.pop(component)
    text = json.dumps(document).replace(f'#/components/schemas/{component}"', f'#/components/schemas/{renamed}"')
    after = files_of(tmp_path, json.loads(text))
    changed = {n for n in before if before[n] != after.get(n)}
    assert changed <= {n for n, t in before.items() if pascal(component) in t}
    assert before.keys() == after.keys()
    assert not [n for n in changed if n.endswith((".md", "tools.json", "evals.json", "__init__.py"))]
    for file in changed:
        restored = after[file].replace(pascal(renamed), pascal(component)).replace(renamed, component)
        assert sorted(restored.splitlines()) == sorted(before[file].splitlines()), file
    assert changed


# --- real histories ---------------------------------------------------------------------------------------------------


@corpus
def test_history() -> None:
    """Every revision builds; one that only adds adds lines; one with other examples or prose alone changes none."""
    for folder in sorted(p.parent for p in Path(os.environ["MCPGEN_CORPUS"], "history").glob("*/manifest.json")):
        revisions = [folder / r["file"] for r in json.loads((folder / "manifest.json").read_text(encoding="utf-8"))]
        with ProcessPoolExecutor() as pool:
            servers = [files for files, _ in pool.map(history.server, revisions)]
        additive, silent = [], []
        for step in range(1, len(revisions)):
            old, new = (r.read_text(encoding="utf-8") for r in revisions[step - 1 : step + 1])
            if not history.lacking(old, new):
                additive.append(revisions[step].name)
                assert lost(servers[step - 1], servers[step]) == {}, revisions[step].name
            if retold(json.loads(old)) == retold(json.loads(new)):
                silent.append(revisions[step].name)
                assert servers[step - 1] == servers[step], revisions[step].name
        assert len(additive) > len(revisions) / 4
        assert silent


# --- a check ----------------------------------------------------------------------------------------------------------


def test_a_check_of_what_did_not_change_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads and compares: neither what plans and renders is imported, nor what those need."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "openapi.yaml").write_text(SHOP, encoding="utf-8")
    program = """
import sys
from mcpgen.cli import main
main(["build", "--spec", "openapi.yaml", "--out", "out", "-q", *sys.argv[1:]], standalone_mode=False)
print(sorted({"mcpgen.planner", "mcpgen.render", "mcpgen.spec", "pydantic", "jinja2", "yaml"} & {*sys.modules}))
"""
    built_, checked = (
        subprocess.run([sys.executable, "-c", program, *more], capture_output=True, text=True, check=True, timeout=60)
        for more in ([], ["--check"])
    )
    assert "mcpgen.planner" in built_.stdout
    assert checked.stdout == "[]\n"
