"""The class of a tool and the schema that the model sees say the same, for documents that nobody thought of.

What the class accepts is valid under the published schema; what the published schema admits the class accepts, where
nothing was cut. Documents are drawn, and the arguments for each of their tools: some that the schema admits, and some
that are one step away from it.
"""

from __future__ import annotations

import importlib
import itertools
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from conftest import TESTS, built, case, place
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from mcpgen.schemas import checkable_pattern

sys.path.insert(0, str(TESTS.parent / "templates"))

from runtime.tool import Contract, InvalidArguments

SHARED = (
    (TESTS.parent / "templates" / "runtime" / "__init__.py")
    .read_text(encoding="utf-8")
    .replace("from .", "from runtime.")
)


# --- documents --------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "class", "a-b", "x y", "Model"])
BOUNDS = st.integers(-2, 5)


def kept(**choices: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Some of the keywords."""
    return st.fixed_dictionaries({}, optional=choices)


def typed(name: str, **keywords: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return kept(**keywords).map(lambda found: {"type": name, **found})


LEAVES = st.one_of(
    typed("string", minLength=st.integers(0, 2), maxLength=st.integers(2, 4), pattern=st.sampled_from(["^a", "b$"])),
    typed("integer", minimum=BOUNDS, maximum=st.integers(6, 9), multipleOf=st.sampled_from([1, 2])),
    typed("number", exclusiveMinimum=BOUNDS, maximum=st.sampled_from([6, 7.5]), multipleOf=st.sampled_from([0.1, 0.5])),
    st.just({"type": "boolean"}),
    st.just({}),
    st.just({"type": ["string", "null"]}),
    st.lists(st.sampled_from(["a", "b", 0, 1, 1.5, True, None]), min_size=1, max_size=3).map(lambda v: {"enum": v}),
    st.builds(lambda v: {"const": v}, st.sampled_from(["a", 0, True, {"a": 1}])),
    st.sampled_from(["Node", "Leaf"]).map(lambda n: {"$ref": f"#/components/schemas/{n}"}),
)


def compound(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    properties = st.dictionaries(NAMES, inner, min_size=1, max_size=3)
    objects = st.builds(
        lambda props, required, more: {
            "type": "object",
            "properties": props,
            "required": sorted(r for r in required if r in props),
            **more,
        },
        properties,
        st.sets(NAMES, max_size=2),
        kept(additionalProperties=st.one_of(st.booleans(), inner), minProperties=st.integers(0, 2)),
    )
    few = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        objects,
        typed("array", items=inner, minItems=st.integers(0, 1), maxItems=st.integers(1, 3), uniqueItems=st.booleans()),
        typed("object", additionalProperties=inner, maxProperties=st.integers(1, 2)),
        st.builds(lambda kind, members: {kind: members}, st.sampled_from(["anyOf", "oneOf"]), few),
        st.builds(lambda a, b: {"allOf": [a, b]}, objects, objects),
        st.builds(lambda one: {"anyOf": [one, {"type": "null"}]}, inner),
    )


SCHEMAS = st.recursive(LEAVES, compound, max_leaves=5)

COMPONENTS = {
    "Leaf": {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer", "minimum": 0}}},
    "Node": {
        "type": "object",
        "properties": {
            "leaf": {"$ref": "#/components/schemas/Leaf"},
            "next": {"$ref": "#/components/schemas/Node"},
            "all": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}},
        },
        "additionalProperties": False,
    },
}


def document(number: int, schemas: list[Any]) -> dict[str, Any]:
    """A document with one operation a schema: as a property of the body, as the whole body, and as a parameter."""
    paths = {}
    for index, schema in enumerate(schemas):
        body = {"type": "object", "required": ["a"], "properties": {"a": schema, "b": schema}}
        whole = schema if index % 3 == 0 else body
        paths[f"/x{index}"] = {
            "post": {
                "operationId": f"op{index}",
                "tags": ["all"],
                "parameters": [{"name": "q", "in": "query", "schema": schema}] if index % 2 else [],
                "requestBody": {"required": True, "content": {"application/json": {"schema": whole}}},
                "responses": {},
            }
        }
    info = {"title": f"Drawn {number}", "version": "1"}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": {"schemas": COMPONENTS}}


# --- values -----------------------------------------------------------------------------------------------------------

SCALARS: list[Any] = [
    "",
    "a",
    "ab",
    "b",
    "bbbbb",
    "1",
    0,
    1,
    2,
    -3,
    6,
    8,
    0.1,
    0.3,
    0.5,
    7.5,
    5.0,
    100,
    True,
    False,
    None,
]


class Values:
    """Draws values for a schema: mostly such as it admits, now and then one that is a step away."""

    def __init__(self, root: Any, dice: random.Random) -> None:
        self._root, self._dice = root, dice

    def of(self, schema: Any, odd: float, depth: int = 0) -> Any:
        dice = self._dice
        if dice.random() < odd:
            return dice.choice([*SCALARS, [], {}, ["a"], {"a": 1}, [1, 1], {"a": "a", "b": "b"}])
        if "$ref" in schema:
            schema = self._root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
        if "enum" in schema:
            return dice.choice(schema["enum"])
        for kind in ("anyOf", "oneOf"):
            if kind in schema and "properties" not in schema:
                return self.of(dice.choice(schema[kind]), odd, depth)
        match schema.get("type"):
            case "object":
                return self._object(schema, odd, depth)
            case "array":
                most = 1 if depth > 3 else min(schema.get("maxItems", 3), 3)
                count = max(dice.randint(0, most), schema.get("minItems", 0))
                return [self.of(schema["items"], odd, depth + 1) for _ in range(count)]
            case "integer":
                low = schema.get("minimum", -3)
                return dice.randint(low, max(low, schema.get("maximum", low + 9)))
            case "number":
                return dice.choice([n for n in SCALARS if isinstance(n, int | float) and not isinstance(n, bool)])
            case "boolean":
                return dice.random() < 0.5
            case "null":
                return None
            case "string":
                return dice.choice([s for s in SCALARS if isinstance(s, str)])
        return dice.choice(SCALARS)

    def _object(self, schema: Any, odd: float, depth: int) -> Any:
        dice = self._dice
        found = {}
        for key, inner in schema.get("properties", {}).items():
            required = key in schema.get("required", ())
            if (required and dice.random() >= odd) or (depth < 4 and dice.random() < 0.4):
                found[key] = self.of(inner, odd, depth + 1)
        more = schema.get("additionalProperties", {})
        if (more is not False and dice.random() < 0.3) or dice.random() < odd:
            inner = more if isinstance(more, dict) else {}
            found[dice.choice(["a", "extra", "class"])] = self.of(inner, odd, depth + 1)
        return found


def told_apart(branches: list[Any]) -> bool:
    """Tell whether a value that fits two of the branches mixes them up."""
    if all(branch.keys() <= {"required", "not", "type"} for branch in branches):
        return True
    needs = [set(branch.get("required", ())) for branch in branches]
    return not any(one <= other for one, other in itertools.permutations(needs, 2))


def decided(schema: Any) -> Any:
    """Return a schema without what the model is told and only the API checks (README, "The rules").

    Those are patterns with a look-around, and that a value fits no second branch of a `oneOf` which leaves that open.
    """
    if isinstance(schema, list):
        return [decided(v) for v in schema]
    if not isinstance(schema, dict):
        return schema
    found = {}
    for key, value in schema.items():
        open_ = key == "oneOf" and isinstance(value, list) and "anyOf" not in schema and not told_apart(value)
        if key != "pattern" or not isinstance(value, str) or checkable_pattern(value):
            found["anyOf" if open_ else key] = decided(value)
    return found


def disagreements(contract: Contract, schema: Any, dice: random.Random, count: int) -> Iterator[str]:
    """Yield arguments about which the class and the published schema do not agree."""
    schema = decided(schema)
    valid = jsonschema_rs.validator_for(schema).is_valid
    cut = "in the same way" in json.dumps(schema)
    values = Values(schema, dice)
    for number in range(count):
        arguments = values.of(schema, 0.0 if number % 2 else 0.1)
        if not isinstance(arguments, dict):
            continue
        try:
            taken = contract.check(arguments)
        except InvalidArguments as error:
            if valid(arguments) and not cut:
                yield f"the schema admits, the class refuses {json.dumps(arguments)}: {'; '.join(error.problems)}"
        else:
            if not valid(taken):
                reason = next(iter(jsonschema_rs.validator_for(schema).iter_errors(taken))).message
                yield f"the class accepts, the schema refuses {json.dumps(arguments)}: {reason}"


_number = itertools.count()


def contracts(files: dict[str, str], package: str, folder: Path) -> Iterator[tuple[str, Contract, Any]]:
    """Import a generated package under a name of its own, with the runtime that the tests share."""
    name = f"drawn{next(_number)}"
    kept_files = {n.replace(package, name, 1): t for n, t in files.items() if n.startswith(f"{package}/")}
    kept_files = {n: t for n, t in kept_files.items() if "/_runtime/" not in n}
    search = "from runtime.search import SearchDocs\n"
    place({**kept_files, f"{name}/_runtime/__init__.py": SHARED, f"{name}/_runtime/search.py": search}, folder)
    importlib.invalidate_caches()
    for entry in json.loads(files[f"{package}/tools.json"])["tools"]:
        module, _, class_name = importlib.import_module(f"{name}.tools").TOOLS[entry["name"]].partition(":")
        tool = getattr(importlib.import_module(f"{name}.tools.{module}"), class_name)
        yield entry["name"], Contract(tool, entry["inputSchema"]), entry["inputSchema"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("drawn")
    sys.path.insert(0, str(path))
    yield path
    sys.path.remove(str(path))


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # one operation is told, which is small already
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(schemas=st.lists(SCHEMAS, min_size=1, max_size=6), seed=st.integers(0, 99))
def test_drawn_documents(folder: Path, schemas: list[Any], seed: int) -> None:
    """Class and published schema agree on every tool of a drawn document."""
    drawn = document(seed, schemas)
    (folder / "openapi.json").write_text(json.dumps(drawn), encoding="utf-8")
    made, files = built(folder)
    note("left out: " + "; ".join(o.reason for o in made.left_out))
    for name, contract, schema in contracts(files, made.package, folder):
        for said in disagreements(contract, schema, random.Random(seed), 60):
            mine = next(p["post"] for p in drawn["paths"].values() if p["post"]["operationId"] == name)
            pytest.fail(f"{said}\n  published: {json.dumps(schema)}\n  document: {json.dumps(mine)}", pytrace=False)


@pytest.mark.parametrize("name", sorted(p.name for p in (TESTS / "cases").iterdir() if p.is_dir()))
def test_cases(name: str, folder: Path) -> None:
    """Class and published schema agree on every tool of the cases."""
    made, files = case(name)
    found = []
    for tool, contract, schema in contracts(files, made.package, folder):
        found += [f"{tool}: {said}" for said in disagreements(contract, schema, random.Random(0), 300)][:5]
    if found:
        pytest.fail("\n".join(found), pytrace=False)
