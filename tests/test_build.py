"""What `mcpgen build` does to a folder, what its output is made of, and that the same input gives the same bytes."""

from __future__ import annotations

import ast
import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import unified_diff
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from conftest import TESTS, built, place, planned
from conftest import case as build_case

import mcpgen
from mcpgen import spec
from mcpgen.cli import main
from mcpgen.config import Config
from mcpgen.plan import Plan
from mcpgen.planner import plan

ROOT = TESTS.parent
STAMP = ".mcpgen.stamp"
CASES = sorted(p for p in (TESTS / "cases").iterdir() if p.is_dir())

DOCUMENT = """
openapi: 3.0.3
info: {title: Zoo, version: "1"}
servers: [{url: https://zoo.test}]
paths:
  /animals:
    get:
      operationId: listAnimals
      tags: [Animals]
      parameters: [{name: kind, in: query, schema: {type: string}}]
      responses: {"200": {description: Ok.}}
    post:
      operationId: addAnimal
      tags: [Animals]
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: "#/components/schemas/Animal"}}}
      responses: {"201": {description: Ok.}}
  /keepers:
    post:
      operationId: addKeeper
      tags: [Keepers]
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: "#/components/schemas/Keeper"}}}
      responses: {"201": {description: Ok.}}
components:
  schemas:
    Animal:
      type: object
      required: [name]
      properties:
        name: {type: string, description: What it answers to.}
        kind: {type: string, enum: [lion, owl]}
        parts: {type: array, items: {$ref: "#/components/schemas/Part"}}
    Part: {type: object, properties: {name: {type: string}, count: {type: integer}}}
    Keeper:
      type: object
      properties:
        name: {type: string}
        home: {type: object, properties: {town: {type: string}}}
"""


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a document in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "zoo.yaml").write_text(DOCUMENT, encoding="utf-8")
    return tmp_path


def build(*more: str, out: str = "out", document: str = "zoo.yaml") -> Result:
    result = CliRunner().invoke(main, ["build", "--spec", document, "--out", out, *more], catch_exceptions=False)
    assert result.exit_code in (0, 1, 2), result.output
    return result


def change(old: str, new: str) -> None:
    """Change the document."""
    assert old in DOCUMENT
    Path("zoo.yaml").write_text(DOCUMENT.replace(old, new), encoding="utf-8")


KEEPERS = DOCUMENT[DOCUMENT.index("  /keepers:") : DOCUMENT.index("components:")]


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != STAMP
    }


def state(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_mtime_ns, p.stat().st_ino) for p in folder.rglob("*") if p.name != STAMP}


# --- writing and checking ---------------------------------------------------------------------------------------------


def test_builds_from_nothing(zoo: Path) -> None:
    """One document, no configuration: a whole server, and a manifest with the digest of each of its files."""
    done = build(out="deep/out")
    assert done.exit_code == 0, done.output
    assert "3 tools (1 read, 2 write, 0 destructive)" in done.stdout
    files = files_of(zoo / "deep" / "out")
    manifest = json.loads(files.pop(".mcpgen.json"))
    assert manifest["generator"] == mcpgen.__version__
    assert manifest["files"] == {n: hashlib.sha256(t).hexdigest() for n, t in files.items()}
    assert {"pyproject.toml", "zoo_mcp/tools.json", "zoo_mcp/tools/animals.py", "zoo_mcp/_runtime/wire.py"} <= {*files}
    assert not any(mcpgen.__version__.encode() in t for n, t in files.items() if n.endswith("tools.json"))


def test_check_lists_what_differs_and_writes_nothing(zoo: Path) -> None:
    first = build("--check")
    assert first.exit_code == 1
    assert "out/zoo_mcp/tools/animals.py: would be added\n" in first.stdout
    assert not (zoo / "out").exists()

    build()
    assert build("--check").exit_code == 0

    (zoo / "out/zoo_mcp/tools/animals.py").unlink()
    (zoo / "out/zoo_mcp/tools/keepers.py").write_text("# mine\n")
    before = state(zoo)
    second = build("--check")
    assert (second.exit_code, second.stdout) == (
        1,
        "out/zoo_mcp/tools/animals.py: would be added\nout/zoo_mcp/tools/keepers.py: would change\n",
    )
    assert state(zoo) == before

    build("--force")
    change(KEEPERS, "")
    third = build("--check")
    assert third.exit_code == 1
    assert "out/zoo_mcp/tools/keepers.py: would be removed\n" in third.stdout
    assert "out/zoo_mcp/models/keepers.py: would be removed\n" in third.stdout
    assert "out/zoo_mcp/tools.json: would change\n" in third.stdout
    assert "out/zoo_mcp/tools/animals.py" not in third.stdout


def test_a_second_build_touches_nothing(zoo: Path) -> None:
    build()
    before = state(zoo)
    again = build()
    assert "up to date" in again.stdout
    assert state(zoo) == before
    assert "no file changed" in build("--force").stdout
    assert state(zoo) == before
    assert build("-q").output == ""


def test_a_file_edited_by_hand_stops_the_build(zoo: Path) -> None:
    build()
    edited = zoo / "out/zoo_mcp/tools/animals.py"
    original = edited.read_text()
    edited.write_text(original + "# by hand\n")
    for document in (DOCUMENT, DOCUMENT.replace("What it answers to.", "Its name.")):
        Path("zoo.yaml").write_text(document)
        before = state(zoo)
        done = build()
        assert done.exit_code == 2
        assert "out/zoo_mcp/tools/animals.py: the file was edited by hand" in done.stderr
        assert "mcpgen.toml" in done.stderr
        assert "--force" in done.stderr
        assert "nothing was written" in done.stderr
        assert state(zoo) == before
    assert build("--force").exit_code == 0
    assert edited.read_text() == original.replace("What it answers to.", "Its name.")


def test_a_file_that_was_deleted_comes_back(zoo: Path) -> None:
    build()
    (zoo / "out/zoo_mcp/service.py").unlink()
    assert "1 added" in build().stdout
    assert (zoo / "out/zoo_mcp/service.py").is_file()


def test_files_of_a_removed_operation_disappear(zoo: Path) -> None:
    build()
    (zoo / "out/notes.txt").write_text("mine")
    change(KEEPERS, "")
    assert "removed" in build().stdout
    assert not (zoo / "out/zoo_mcp/tools/keepers.py").exists()
    assert not (zoo / "out/zoo_mcp/models/keepers.py").exists()
    assert (zoo / "out/zoo_mcp/models/animals.py").exists()
    change(DOCUMENT[DOCUMENT.index("    post:\n      operationId: addAnimal") : DOCUMENT.index("components:")], "")
    build()
    assert not (zoo / "out/zoo_mcp/models").exists(), "a folder of which nothing is left goes too"
    assert (zoo / "out/notes.txt").read_text() == "mine"
    assert build("--check").exit_code == 0


def test_a_stale_file_edited_by_hand_is_not_removed(zoo: Path) -> None:
    build()
    with (zoo / "out/zoo_mcp/tools/keepers.py").open("a") as file:
        file.write("# by hand\n")
    change(KEEPERS, "")
    done = build()
    assert (done.exit_code, (zoo / "out/zoo_mcp/tools/keepers.py").exists()) == (2, True)
    assert "keepers.py: the file was edited by hand" in done.stderr


def test_a_file_that_is_not_ours_is_never_replaced_unasked(zoo: Path) -> None:
    place({"out/pyproject.toml": "[project]\n", "out/src/main.py": "print()\n"}, zoo)
    before = state(zoo)
    done = build()
    assert done.exit_code == 2
    assert "out/pyproject.toml: the file is in the way, and mcpgen did not write it" in done.stderr
    assert state(zoo) == before
    assert build("--force").exit_code == 0
    assert (zoo / "out/src/main.py").read_text() == "print()\n"


def test_a_new_file_meets_one_that_is_not_ours(zoo: Path) -> None:
    """A later build makes a file where somebody has put one since."""
    Path("zoo.yaml").write_text(DOCUMENT.replace(KEEPERS, ""))
    build()
    place({"out/zoo_mcp/tools/keepers.py": "# by hand\n"}, zoo)
    change("What it answers to.", "Its name.")
    done = build()
    assert done.exit_code == 2
    assert "out/zoo_mcp/tools/keepers.py: the file is in the way" in done.stderr
    assert (zoo / "out/zoo_mcp/tools/keepers.py").read_text() == "# by hand\n"


def test_a_broken_manifest_is_refused(zoo: Path) -> None:
    build()
    (zoo / "out/.mcpgen.json").write_text("{")
    done = build()
    assert (done.exit_code, "the manifest cannot be read" in done.stderr) == (2, True)


TICKETS = "  /tickets:\n    post: {operationId: sellTicket, tags: [Tickets], responses: {}}\n"


@pytest.mark.parametrize(("step", "times"), [("write_bytes", 2), ("mkdir", 0), ("replace", 0), ("replace", 2)])
def test_a_full_disk_leaves_the_old_output_whole(
    zoo: Path, monkeypatch: pytest.MonkeyPatch, step: str, times: int
) -> None:
    """The disk refuses after some calls. Only between two renames can new be mixed with old, and that is said."""
    build()
    if step == "mkdir":
        shutil.rmtree("out/zoo_mcp/models")
    before = files_of(zoo / "out")
    change("  /keepers:", f"{TICKETS}  /keepers:")
    original = getattr(Path, step)
    left = times

    def failing(self: Path, *args: Any, **kwargs: Any) -> Any:
        nonlocal left
        if self.is_relative_to("out"):
            left -= 1
            if left < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
        return original(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Path, step, failing)
        done = build()
    assert done.exit_code == 2
    assert "No space left on device" in done.stderr
    half = step == "replace" and times > 0
    assert ("run the build again" if half else "nothing was changed") in done.stderr
    if not half:
        assert files_of(zoo / "out") == before
    assert build().exit_code == 0
    assert build("--check").exit_code == 0
    assert not list(zoo.rglob("*.mcpgen"))


def test_names_select_vendors(zoo: Path) -> None:
    """Of several vendors a name selects one; an unknown name is told with those there are."""
    for name in ("ape", "bee"):
        place({f"specs/{name}/openapi.yaml": DOCUMENT.replace("Zoo", name)}, zoo)
    run = CliRunner()
    assert run.invoke(main, ["build", "bee"]).exit_code == 0
    assert (zoo / "generated/bee").is_dir()
    assert not (zoo / "generated/ape").exists()
    done = run.invoke(main, ["build", "cat"])
    assert (done.exit_code, "there are: ape, bee" in done.stderr) == (2, True)
    assert run.invoke(main, ["build", "../specs/ape"]).exit_code == 2
    assert run.invoke(main, ["build", "--check"]).exit_code == 1
    assert run.invoke(main, ["build"]).exit_code == 0
    assert run.invoke(main, ["build", "--check"]).exit_code == 0
    for wrong in (["--out", "x"], ["--spec", "zoo.yaml"], ["ape", "--spec", "zoo.yaml", "--out", "x"]):
        assert run.invoke(main, ["build", *wrong]).exit_code == 2


def test_init_states_what_a_document_says_as_comments(zoo: Path) -> None:
    """A line break in the vendor's text ends no comment: what init writes is what mcpgen says, and builds."""
    lines = "\n[evil]\nx = 1"
    parameters = [{"name": f"{n}{lines}", "in": "query", "schema": {"type": "integer"}} for n in ("limit", "offset")]
    items = {"type": "object", "properties": {"data": {"type": "array"}, "more": {"type": "boolean"}}}
    document = {
        "openapi": "3.1.0",
        "info": {"title": f"Evil{lines}", "version": "1"},
        "servers": [{"url": f"https://evil.test{lines}"}],
        "tags": [{"name": f"Tag{lines}"}],
        "security": [{f"key{lines}": []}],
        "components": {"securitySchemes": {f"key{lines}": {"type": "apiKey", "in": "query", "name": f"key{lines}"}}},
        "paths": {
            "/data": {
                "get": {
                    "operationId": f"list{lines}",
                    "tags": [f"Tag{lines}"],
                    "parameters": parameters,
                    "responses": {"200": {"content": {"application/json": {"schema": items}}}},
                },
                "post": {"operationId": f"search{lines}", "responses": {}},
            }
        },
    }
    place({"evil.json": json.dumps(document)}, zoo)
    done = CliRunner().invoke(main, ["init", "evil.json", "--name", "e"])
    assert done.exit_code == 0, done.output
    stated = tomllib.loads((zoo / "specs/e/mcpgen.toml").read_text())
    assert sorted(stated) == ["auth", "server"]
    assert sorted(stated["server"]) == ["name", "title", "version"]
    assert CliRunner().invoke(main, ["build", "e"]).exit_code == 0


def test_one_that_is_refused_stops_all(zoo: Path) -> None:
    """What is wrong with any of them is said at once, and none is written: half a build is no build."""
    for name, toml in (("ape", ""), ("bee", "[tools.nope]\n"), ("cow", "[tools.none]\n")):
        place({f"specs/{name}/openapi.yaml": DOCUMENT.replace("Zoo", name), f"specs/{name}/mcpgen.toml": toml}, zoo)
    done = CliRunner().invoke(main, ["build"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "specs/bee/mcpgen.toml:1:1" in done.stderr
    assert "specs/cow/mcpgen.toml:1:1" in done.stderr
    assert "2 problems; nothing was written" in done.stderr
    assert not (zoo / "generated").exists()
    assert CliRunner().invoke(main, ["build", "ape"]).exit_code == 0
    place({"specs/bee/mcpgen.toml": "", "specs/ape/mcpgen.toml": '[server]\ntitle = "Ape"\n'}, zoo)
    before = files_of(zoo / "generated/ape")
    place({"generated/bee/README.md": "by hand"}, zoo)
    assert CliRunner().invoke(main, ["build", "ape", "bee"]).exit_code == 2
    assert files_of(zoo / "generated/ape") == before


# --- the same input, the same bytes -----------------------------------------------------------------------------------


ORDERED = ("xml-body", "xml-text", "multipart-headers")
"""Cases where the order of properties is on the wire: elements of XML, and the root of multipart/related."""


def reordered(value: Any, properties: bool = True) -> Any:
    """The same document with the members of every object in the opposite order; those of `properties` only if told."""
    if isinstance(value, dict):
        inner = {k: reordered(v, properties) for k, v in reversed(value.items())}
        if not properties and isinstance(kept := value.get("properties"), dict):
            inner["properties"] = {k: reordered(v, properties) for k, v in kept.items()}
        return inner
    return [reordered(v, properties) for v in value] if isinstance(value, list) else value


def comparable(folder: Path, document: Any) -> Plan:
    """The plan of a document in place of the one in `folder`, without what speaks of lines."""
    path = folder / "openapi.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    made = planned(folder)
    notes = sorted((replace(n, line=0, column=0) for n in made.notes), key=str)
    left_out = [replace(o, place="") for o in made.left_out]
    return replace(made, notes=tuple(notes), left_out=tuple(left_out))


@pytest.mark.parametrize("folder", CASES, ids=lambda c: c.name)
def test_the_order_of_the_document_does_not_matter(folder: Path, tmp_path: Path) -> None:
    """A reshuffle upstream gives an empty diff."""
    for path in (folder / "mcpgen.toml", *folder.glob("*.overlay.yaml")):
        if path.is_file():
            shutil.copy(path, tmp_path)
    document = next(folder.glob("openapi.*"))
    loaded = spec.load(document).root
    one, other = comparable(tmp_path, loaded), comparable(tmp_path, reordered(loaded, folder.name not in ORDERED))
    for name in Plan.__dataclass_fields__:
        assert getattr(one, name) == getattr(other, name)


def test_nothing_around_the_document_matters(zoo: Path) -> None:
    """Neither the hash seed nor the working directory nor the environment."""
    build()
    expected = files_of(zoo / "out")
    (zoo / "elsewhere").mkdir()
    for number, seed in enumerate(("0", "1")):
        command = [sys.executable, "-m", "mcpgen", "build", "--spec", "../zoo.yaml", "--out", f"../out{number}", "-q"]
        environment = {"PATH": os.environ["PATH"], "PYTHONHASHSEED": seed, "LC_ALL": "C", "TZ": f"UTC+{number}"}
        subprocess.run(command, env=environment, cwd=zoo / "elsewhere", check=True, timeout=60)
        found = files_of(zoo / f"out{number}")
        assert found.keys() == expected.keys()
        assert found == expected


ADDITIONS = [
    (["paths", "/animals", "patch"], {"operationId": "auditAnimals", "tags": ["Animals"], "responses": {}}),
    (["paths", "/visitors"], {"get": {"operationId": "listVisitors", "tags": ["Visitors"], "responses": {}}}),
    (["paths", "/animals", "get", "parameters", 0], {"name": "age", "in": "query", "schema": {"type": "string"}}),
    (["components", "schemas", "Animal", "properties", "mood"], {"type": "string"}),
    (["components", "schemas", "Part", "properties", "amount"], {"type": "integer"}),
    (["components", "schemas", "Animal", "properties", "cage"], {"$ref": "#/components/schemas/Cage"}),
    (["components", "schemas", "Cage"], {"type": "object", "properties": {"number": {"type": "integer"}}}),
    (["components", "schemas", "Another"], {"type": "object", "properties": {"unused": {"type": "integer"}}}),
]


def added(document: Any, additions: list[tuple[list[Any], Any]]) -> Any:
    document = json.loads(json.dumps(document))
    for path, value in additions:
        node = document
        for step in path[:-1]:
            node = node[step]
        if isinstance(node, list):
            node.insert(path[-1], value)
        else:
            node[path[-1]] = value
    return document


def test_an_additive_change_gives_an_additive_diff(tmp_path: Path) -> None:
    """New operations, areas, parameters, properties and schemas take no line away from tools and models."""
    document = yaml.safe_load(DOCUMENT)

    def now(content: Any) -> Mapping[str, str]:
        (tmp_path / "openapi.json").write_text(json.dumps(content))
        files = built(tmp_path)[1]
        return {n: t for n, t in files.items() if n.startswith(("zoo_mcp/tools/", "zoo_mcp/models/"))}

    before, after = now(document), now(added(document, ADDITIONS))
    assert before.keys() <= after.keys()
    diff = [
        line
        for name in before
        for line in unified_diff(before[name].splitlines(), after[name].splitlines(), name, name, lineterm="", n=0)
    ]
    assert [line for line in diff if line.startswith("-") and not line.startswith("---")] == []
    assert len([line for line in diff if line.startswith("+") and not line.startswith("+++")]) > 15


# --- what the output is made of ---------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def servers() -> dict[str, tuple[Plan, dict[str, str]]]:
    """Every case, built."""
    return {c.name: build_case(c.name) for c in CASES}


THIRD_PARTY = {"anyio", "httpx2", "jsonschema", "mcp", "pydantic", "pydantic_core", "starlette", "uvicorn"}
DECLARATIONS = {
    *("ApiKey", "Basic", "ConfigDict", "Cookie", "Digest", "Field", "Form", "Header", "Json", "JsonLines"),
    *("About", "Argument", "Context", "Local", "Now", "Paging"),
    *("Errors", "Http", "JsonRest", "MutualTls", "PartHeader", "Xml", "XmlNode"),
    *("OAuth", "Operation", "Part", "Path", "Query", "Raw", "Service", "Upstream", "Variable"),
}


def imports(source: str) -> Iterator[tuple[str, int]]:
    """Yield the modules that a source imports, and how many levels up."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.level


def test_generated_packages_import_what_they_declare(servers: dict[str, tuple[Plan, dict[str, str]]]) -> None:
    """The standard library, the dependencies of their pyproject.toml, themselves; never mcpgen."""
    for case, (made, files) in servers.items():
        for name, text in files.items():
            if not name.endswith(".py"):
                continue
            allowed = {*sys.stdlib_module_names, *THIRD_PARTY}
            allowed |= {"pytest", made.package} if name.startswith("tests/") else set()
            for module, level in imports(text):
                assert level or module.split(".")[0] in allowed, f"{case}: {name} imports {module}"
            if name.startswith(f"{made.package}/") and "/_runtime/" not in name:
                outside = {m.split(".")[0] for m, level in imports(text) if not level}
                assert outside <= {"__future__", "pydantic", "sys", "typing"}, f"{case}: {name} imports {outside}"


def test_generated_code_is_declarations(servers: dict[str, tuple[Plan, dict[str, str]]]) -> None:
    """Tools, models and the service call nothing but the words of the binding language."""
    for case, (made, files) in servers.items():
        for name, text in files.items():
            parts = name.split("/")
            if parts[0] != made.package or not name.endswith(".py") or parts[1] in ("_runtime", "__main__.py"):
                continue
            if parts[1:] == ["tools", "custom.py"]:  # not generated: the vendor's own
                continue
            for node in ast.walk(ast.parse(text)):
                where = f"{case}: {name}:{getattr(node, 'lineno', 0)}"
                if isinstance(node, ast.Call):
                    assert isinstance(node.func, ast.Name), where
                    assert node.func.id in DECLARATIONS, where
                assert not isinstance(
                    node, ast.Attribute | ast.Lambda | ast.FunctionDef | ast.JoinedStr | ast.comprehension | ast.Await
                ), where


def test_contracts_keep_what_every_client_takes(servers: dict[str, tuple[Plan, dict[str, str]]]) -> None:
    """Root object without combinators, no boolean schemas, no type arrays, legal names and keys, all four hints."""
    for case, (made, files) in servers.items():
        tools = json.loads(files[f"{made.package}/tools.json"])["tools"]
        names = [t["name"] for t in tools]
        assert names == sorted(names)
        assert len(names) == len({n.lower() for n in names})
        for tool in tools:
            where = f"{case}: {tool['name']}"
            assert all(c.isascii() and (c.isalnum() or c in "_-") for c in tool["name"]), where
            assert tool["name"][0].isalpha(), where
            assert len(tool["name"]) <= 64, where
            assert len(tool["description"]) <= 2048, where
            assert tool["description"].strip(), where
            assert tool["title"].strip(), where
            assert {type(v) for k, v in tool["annotations"].items() if k != "title"} == {bool}, where
            assert len(tool["annotations"]) == 5, where
            schema = tool["inputSchema"]
            assert set(schema) <= {"type", "properties", "required", "additionalProperties", "$defs"}, where
            assert (schema["type"], schema["additionalProperties"]) == ("object", False), where
            for key in schema["properties"]:
                assert len(key) <= 64, where
                assert all(c.isascii() and (c.isalnum() or c in "_-") for c in key), where
            for inner in subschemas(schema):
                assert isinstance(inner, dict), where
                assert isinstance(inner.get("type", ""), str), where
                assert not {"$schema", "title", "exclusiveMinimum", "exclusiveMaximum", "nullable"} & inner.keys(), (
                    where
                )
                assert inner.get("type") != "array" or "items" in inner, where


def subschemas(schema: Any) -> Iterator[Any]:
    yield schema
    if isinstance(schema, dict):
        for key in ("properties", "patternProperties", "$defs", "dependentSchemas"):
            for inner in schema.get(key, {}).values():
                yield from subschemas(inner)
        for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
            for inner in schema.get(key, ()):
                yield from subschemas(inner)
        for key in ("items", "not", "if", "then", "else", "contains", "propertyNames"):
            if key in schema:
                yield from subschemas(schema[key])
        if isinstance(schema.get("additionalProperties"), dict):
            yield from subschemas(schema["additionalProperties"])


def test_generated_code_is_clean(
    servers: dict[str, tuple[Plan, dict[str, str]]], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """`mypy --strict` and ruff have nothing to say about any case. They share one runtime, so that it is read once."""
    shutil.copytree(ROOT / "templates" / "runtime", tmp_path / "runtime")
    shared = (tmp_path / "runtime" / "__init__.py").read_text().replace("from .", "from runtime.")
    packages = []
    for made, files in servers.values():
        place({n: t for n, t in files.items() if n.startswith(f"{made.package}/") and "/_runtime/" not in n}, tmp_path)
        search = 'from runtime.search import SearchDocs\n\n__all__ = ["SearchDocs"]\n'
        place({f"{made.package}/_runtime/__init__.py": shared, f"{made.package}/_runtime/search.py": search}, tmp_path)
        packages.append(made.package)
    for command in (
        ["ruff", "check", "--isolated", "--line-length=120", "--ignore=E501", *sorted(set(packages))],
        ["ruff", "format", "--isolated", "--line-length=120", "--check", *sorted(set(packages))],
        ["mypy", "--strict", "--cache-dir", str(request.config.cache.mkdir("mypy")), *sorted(set(packages))],
    ):
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_generated_tests_pass(servers: dict[str, tuple[Plan, dict[str, str]]], tmp_path: Path) -> None:
    """The tests that a server brings along pass with no network: those of all cases, in one run."""
    folders = [place(files, tmp_path / name) for name, (_, files) in servers.items()]
    command = [sys.executable, "-m", "pytest", "-q", "--import-mode=importlib", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *(f"{name}/tests" for name in servers)],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, folders))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# --- the house --------------------------------------------------------------------------------------------------------

ORDER = [
    *(
        "problems",
        "shipped",
        "config",
        "spec.source",
        "spec.remote",
        "spec.files",
        "spec.swagger",
        "spec.document",
        "spec",
        "corrections",
        "names",
        "plan",
        "schemas.shapes",
        "schemas.publish",
        "schemas.generator",
        "schemas.models",
        "schemas",
    ),
    *(
        "annotations",
        "docs",
        "endpoint",
        "upstream",
        "xmlnodes",
        "binding",
        "replies",
        "shaping",
        "planner",
        "proxy",
        "clients",
        "markdown",
        "render",
        "custom",
        "fetch.lock",
        "fetch.outline",
        "fetch.repository",
        "fetch.origins",
        "fetch.documents",
        "fetch.tools",
        "fetch",
        "output",
        "contract.cases",
        "contract.rules",
        "contract.schemas",
        "contract.facts",
        "contract.changes",
        "contract",
        "report",
        "page",
        "revisions",
        "samples",
        "lint.rules",
        "lint.places",
        "lint.wording",
        "lint.examples",
        "lint.server",
        "lint.tools",
        "lint.arguments",
        "lint.texts",
        "lint.linter",
        "lint.machine",
        "lint",
        "standin",
        "mock",
        "tryout",
        "cli.inputs",
        "cli.making",
        "cli.fetching",
        "cli.linting",
        "cli.looking",
        "cli.reviewing",
        "cli",
        "__main__",
    ),
]
"""A module imports only from those before it."""


def ours(path: Path) -> Iterator[str]:
    """Yield the modules of mcpgen that one of them imports, without the package's name."""
    package = ["mcpgen", *path.relative_to(Path(mcpgen.__file__).parent).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) + 1 - node.level], *filter(None, [node.module])] if node.level else []
            stem = ".".join(base) or node.module or ""
            named = [f"{stem}.{a.name}" if stem == "mcpgen" or not node.module else stem for a in node.names]
        else:
            continue
        yield from (n.removeprefix("mcpgen.") for n in named if n.startswith("mcpgen."))


def test_modules_import_downwards_only() -> None:
    root = Path(mcpgen.__file__).parent
    for path in sorted(root.rglob("*.py")):
        name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        if name == "__init__":
            continue
        assert name in ORDER, f"give {name} its place in the order of modules"
        for module in ours(path):
            if module != "__version__":
                assert ORDER.index(module) < ORDER.index(name), f"{name} imports {module}"


def test_a_build_never_imports_the_sdk(zoo: Path) -> None:
    """mcpgen does not need `mcp` to generate, and an import of half a second would be felt."""
    program = (
        "import sys\nfrom mcpgen.cli import main\n"
        "early = sorted({'pydantic', 'jinja2', 'datamodel_code_generator', 'yaml'} & set(sys.modules))\n"
        "main(['build', '--spec', 'zoo.yaml', '--out', 'out', '-q'], standalone_mode=False)\n"
        "print(early, sorted({'mcp', 'httpx2', 'anyio', 'hypothesis'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[] []\n"


NOTED = ("auth-oauth", "custom-tools", "json-body-flat", "multipart-file", "names", "pages-cursor", "unions")
"""Cases whose output stands for every server's."""


def test_every_change_of_the_output_is_noted() -> None:
    """Whoever takes a new mcpgen reads in CHANGELOG.md, under a heading of its own, why the generated bytes change."""
    digest = hashlib.sha256()
    for name in NOTED:
        for path, text in sorted(build_case(name)[1].items()):
            digest.update(f"{name}/{path}\0{hashlib.sha256(text.encode()).hexdigest()}\n".encode())
    newest = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").split("\n## ")[1]
    output = newest.partition("### Output\n")[2].partition("\n### ")[0]
    line = f"Digest of the output: `{digest.hexdigest()[:16]}`."
    assert line in output, f"say in CHANGELOG.md under Output what changed in generated servers, and then: {line}"


# --- real documents ---------------------------------------------------------------------------------------------------

corpus = pytest.mark.skipif(
    not os.environ.get("MCPGEN_CORPUS"), reason="MCPGEN_CORPUS names no folder with the corpus of real documents"
)


def real(name: str) -> Plan:
    return plan(spec.load(Path(os.environ["MCPGEN_CORPUS"], name)), Config())


TAKING_AWAY = {
    "deleteServiceDependency",  # /service_dependencies/disassociate
    "dismissRecommendedRule",
    "removeBusinessServiceNotificationSubscriber",  # …/unsubscribe, as the next three
    "removeIncidentNotificationSubscribers",
    "removeTeamNotificationSubscriptions",
    "unsubscribeUserNotificationSubscriptions",
}


@corpus
def test_pagerduty() -> None:
    """465 operations; the writes that take away without saying DELETE; the POSTs that only read, reported."""
    made = real("pagerduty-rest.json")
    assert (len(made.tools), made.left_out) == (465, ())
    by_id = {t.operation_id: t for t in made.tools}
    for name in (*TAKING_AWAY, "mergeIncidents", "cancelIncidentResponderRequest"):
        assert by_id[name].annotations.destructive, name
    assert {i for i, t in by_id.items() if t.method == "POST" and t.annotations.destructive} == TAKING_AWAY
    reported = [n.message.split()[0] for n in made.notes if "may only read" in n.message]
    assert len(reported) == 17
    analytics = [o for o in reported if o.startswith("getAnalytics")]
    assert len(analytics) == 14
    assert {*reported} - {*analytics} == {"queryEnrichmentData", "renderTemplate", "createSchedulePreview"}
    assert by_id["listIncidentWorkflowTriggers"].annotations.effect == "read"


@corpus
def test_github() -> None:
    made = real("github-rest.json")
    assert (len(made.tools), made.left_out) == (1223, ())
    by_id = {t.operation_id: t.annotations for t in made.tools}
    for name in ("credentials/revoke", "repos/transfer", "orgs/delete-attestations-bulk"):
        assert by_id[name].destructive, name
    assert not by_id["actions/create-remove-token-for-org"].destructive
