"""`mcpgen.mock` over real HTTP: what it answers, what it refuses and in which words, and what it writes down."""

import asyncio
import json
import os
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import jsonschema_rs
import pytest

from mcpgen import mock
from mcpgen.mock import Mock, Recorded
from mcpgen.spec import Spec, load

CORPUS = os.environ.get("MCPGEN_CORPUS")

Talk = Callable[[httpx2.AsyncClient], Coroutine[Any, Any, None]]


class Vendor:
    """A document in a file, and what comes back from its mock."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "openapi.json"

    def spec(self, paths: dict[str, Any], **more: Any) -> Spec:
        document = {"openapi": "3.0.3", "info": {"title": "T", "version": "1"}, "paths": paths, **more}
        self._file.write_text(json.dumps(document))
        return load(self._file)

    def ask(
        self, spec: Spec, *requests: tuple[str, str] | tuple[str, str, dict[str, Any]]
    ) -> list[tuple[httpx2.Response, Recorded]]:
        """The response and the entry of the log for each (method, path with query, what else httpx takes)."""
        return asyncio.run(self._ask(Mock(spec), requests))

    async def _ask(self, server: Mock, requests: Any) -> list[tuple[httpx2.Response, Recorded]]:
        base = await server.start()
        try:
            async with httpx2.AsyncClient() as client:
                responses = [await client.request(r[0], base + r[1], **(r[2] if len(r) > 2 else {})) for r in requests]
        finally:
            await server.stop()
        return list(zip(responses, server.requests, strict=True))

    def refusal(self, spec: Spec, method: str, path: str, status: int = 400, **more: Any) -> list[str]:
        [(response, record)] = self.ask(spec, (method, path, more))
        assert response.status_code == record.status == status
        assert response.json()["problems"] == list(record.problems)
        assert record.problems
        return list(record.problems)

    def accepts(self, spec: Spec, method: str, path: str, **more: Any) -> None:
        [(response, record)] = self.ask(spec, (method, path, more))
        assert (response.status_code, record.problems, record.notes) == (200, (), ())


@pytest.fixture
def vendor(tmp_path: Path) -> Vendor:
    return Vendor(tmp_path)


def answers(content: Any, **more: Any) -> dict[str, Any]:
    return {"responses": {"200": {"description": "", "content": {"application/json": content}}}, **more}


def takes(*parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"parameters": list(parameters), "responses": {"200": {"description": ""}}, **more}


def query(name: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"in": "query", "name": name, "schema": schema, **more}


def posts(schema: dict[str, Any], media_type: str = "application/json", **more: Any) -> dict[str, Any]:
    body = {"required": True, "content": {media_type: {"schema": schema}}}
    return {"/x": {"post": {"requestBody": body, "responses": {"200": {"description": ""}}, **more}}}


def test_an_example_is_answered(vendor: Vendor) -> None:
    spec = vendor.spec(
        {
            "/one": {"get": answers({"example": {"a": 1}}, operationId="getOne")},
            "/many": {"get": answers({"examples": {"x": {"$ref": "#/components/examples/X"}}})},
            "/remote": {"get": answers({"examples": {"x": {"externalValue": "http://127.0.0.1:1/x"}}, "example": 3})},
            "/schema": {"get": answers({"schema": {"type": "string", "example": "from the schema"}})},
            "/text": {"get": answers({"schema": {"type": "object"}, "example": '{"written": "as a text"}'})},
        },
        components={"examples": {"X": {"value": ["by reference"]}}},
    )
    got = vendor.ask(spec, *(("GET", p) for p in ("/one", "/many", "/remote", "/schema", "/text")))
    assert [response.json() for response, _ in got] == [
        {"a": 1},
        ["by reference"],
        3,
        "from the schema",
        {"written": "as a text"},
    ]
    assert {record.source for _, record in got} == {"example"}
    assert str(got[0][1]) == "200 GET /one (getOne, example)"
    assert got[0][0].headers["content-type"] == "application/json"


def test_which_response_is_answered(vendor: Vendor) -> None:
    def described(**content: Any) -> dict[str, Any]:
        return {"description": "", "content": {k.replace("_", "/"): v for k, v in content.items()}}

    one = {"example": 1}
    spec = vendor.spec(
        {
            "/lowest": {"get": {"responses": {"400": {"description": ""}, "202": described(), "201": described()}}},
            "/range": {"get": {"responses": {"default": described(), "2XX": described(application_json=one)}}},
            "/default": {"get": {"responses": {"404": {"description": ""}, "default": {"description": ""}}}},
            "/none": {"get": {"responses": {"404": {"description": ""}}}},
            "/moved": {"get": {"responses": {"302": {"description": ""}}}},
            "/empty": {"get": {"responses": {"204": described(application_json=one)}}},
            "/json": {"get": {"responses": {"200": described(text_html={"example": "<p>"}, application_json=one)}}},
            "/image": {"get": {"responses": {"200": described(image_png={})}}},
            "/text": {"get": {"responses": {"200": described(text_csv={"example": "a,b\n"})}}},
            "/any": {"get": {"responses": {"200": described(**{"*_*": {"schema": {"type": "boolean"}}})}}},
        }
    )
    paths = ("/lowest", "/range", "/default", "/none", "/moved", "/empty", "/json", "/image", "/text", "/any")
    got = dict(zip(paths, vendor.ask(spec, *(("GET", p) for p in paths)), strict=True))
    assert [got[p][0].status_code for p in paths] == [201, 200, 200, 200, 302, 204, 200, 200, 200, 200]
    assert got["/none"][1].notes == ("the document has no answer for success",)
    assert got["/range"][0].text == got["/json"][0].text == "1"
    assert got["/empty"][0].content == b""
    assert got["/image"][0].content.startswith(b"\x89PNG\r\n")
    assert got["/text"][0].text == "a,b\n"
    assert got["/any"][0].headers["content-type"] == "application/json"


FORMATS = ("date", "date-time", "uuid", "email", "uri")
INTEGER = {"type": "integer"}
SAMPLED: dict[str, dict[str, Any]] = {
    "recursive": {"$ref": "#/components/schemas/Node"},
    "closed": {"allOf": [{"$ref": "#/components/schemas/Named"}, {"type": "object", "properties": {"b": INTEGER}}]},
    "choice": {"oneOf": [{"type": "object", "required": ["k"], "properties": {"k": {"enum": ["a"]}}}, INTEGER]},
    "bounds": {"type": "integer", "minimum": 3, "exclusiveMinimum": True, "maximum": 4},
    "pattern": {"type": "string", "pattern": "^[A-Z]{3}-[0-9]+$"},
    "formats": {
        "type": "object",
        "properties": {f: {"type": "string", "format": f} for f in (*FORMATS, "own")},
    },
    "nullable": {"type": "object", "nullable": True, "required": ["a"], "properties": {"a": {"type": "string"}}},
    "map": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "integer"}},
}


def sampled(vendor: Vendor) -> Spec:
    node = {
        "type": "object",
        "required": ["id", "children"],
        "properties": {
            "id": {"type": "string", "minLength": 1},
            "parent": {"$ref": "#/components/schemas/Node"},
            "children": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}},
        },
    }
    texts = {"a": {"type": "string"}}
    named = {"type": "object", "additionalProperties": False, "required": ["a"], "properties": texts}
    return vendor.spec(
        {f"/{name}": {"get": answers({"schema": schema})} for name, schema in SAMPLED.items()},
        components={"schemas": {"Node": node, "Named": named}},
    )


def test_a_sample_is_valid(vendor: Vendor) -> None:
    spec = sampled(vendor)
    got = {r.url.path[1:]: (r.json(), record) for r, record in vendor.ask(spec, *(("GET", f"/{n}") for n in SAMPLED))}
    assert {record.source for _, record in got.values()} == {"sample"}
    assert {record.notes for _, record in got.values()} == {()}
    value = {name: pair[0] for name, pair in got.items()}
    assert value["recursive"] == {"children": [], "id": "string"}
    assert value["closed"] == {"a": "string", "b": 0}
    assert value["choice"] == {"k": "a"}
    assert value["bounds"] == 4
    assert re.fullmatch("[A-Z]{3}-[0-9]+", value["pattern"])
    assert value["nullable"] == {"a": "string"}
    assert list(value["map"].values()) == [0]
    assert value["formats"].keys() == {*FORMATS, "own"}
    formats = {"properties": {f: {"format": f} for f in FORMATS}}
    jsonschema_rs.Draft202012Validator(formats, validate_formats=True).validate(value["formats"])


def test_the_same_document_gives_the_same_bytes(vendor: Vendor) -> None:
    spec = sampled(vendor)
    forth = vendor.ask(spec, *(("GET", f"/{name}") for name in SAMPLED))
    back = vendor.ask(sampled(vendor), *(("GET", f"/{name}") for name in reversed(SAMPLED)))
    assert [r.content for r, _ in forth] == [r.content for r, _ in reversed(back)]


@pytest.mark.parametrize(
    "schema",
    [
        {"oneOf": [{"required": ["a"]}, {"required": ["a", "b"]}], "properties": {"a": {"type": "string"}, "b": {}}},
        {"type": "object", "properties": {"a": {"const": 1}, "b": {"const": 2}}, "not": {"required": ["a", "b"]}},
        {"type": "string", "pattern": "^[a-z]+$", "minLength": 4, "maxLength": 6, "format": "uri"},
        {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 3, "uniqueItems": True},
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        {"type": "number", "multipleOf": 0.01, "minimum": 0.1},
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False, "minItems": 2},
        {"type": "array", "contains": {"const": 7}, "minItems": 2},
        {"type": "object", "minProperties": 2, "propertyNames": {"maxLength": 3}, "additionalProperties": INTEGER},
        {"type": "object", "minProperties": 1, "patternProperties": {"^x-": INTEGER}, "additionalProperties": False},
        {"type": ["null", "integer"], "allOf": [{"minimum": 5}, {"maximum": 6}]},
        {"type": "string", "enum": ["a", "b"], "not": {"const": "a"}},
    ],
)
def test_what_a_sample_cannot_be_built_for_is_searched(schema: dict[str, Any]) -> None:
    value, reason = mock.sample(mock.Bundle(schema))
    assert reason == ""
    jsonschema_rs.Draft202012Validator(schema).validate(value)
    assert mock.sample(mock.Bundle(schema)) == (value, "")


def test_examples_of_the_vendor_are_sampled_where_they_are_right() -> None:
    texts = {"a": {"type": "string", "examples": [7, "fine"]}, "b": {"type": "string", "examples": [7]}}
    value, _ = mock.sample(mock.Bundle({"type": "object", "properties": texts}))
    assert value == {"a": "fine", "b": "string"}


def test_a_schema_that_cannot_be_sampled_costs_only_the_sample(vendor: Vendor) -> None:
    here = {"$ref": "#/components/schemas/Endless"}
    endless = {"type": "object", "required": ["again"], "properties": {"again": here}}
    spec = vendor.spec({"/x": {"get": answers({"schema": here})}}, components={"schemas": {"Endless": endless}})
    [(response, record)] = vendor.ask(spec, ("GET", "/x"))
    assert (response.status_code, response.json()) == (200, {})
    assert record.notes == ("sampling failed: the schema never ends",)


@pytest.mark.parametrize(
    ("sent", "reasons"),
    [
        ("", ["query.status: the parameter is required"]),
        ("?status=a&statos=b", ["query.statos: the operation has no such parameter"]),
        ("?status=c", ['query.status: "c" is not one of "a" or "b"']),
        ("?status=a&limit=x", ['query.limit: "x" is not of type "integer"']),
        ("?status=a&limit=101", ["query.limit: 101 is greater than the maximum of 100"]),
        ("?status=a&limit=1&limit=2", ['query.limit: ["1","2"] is not of type "integer"']),
        ("?status=a&ids[]=1&ids[]=x", ['query.ids[][1]: "x" is not of type "integer"']),
        ("?status=a&csv=1,x", ['query.csv[1]: "x" is not of type "integer"']),
        ("?status=a&filter[size]=x", ['query.filter.size: "x" is not of type "integer"']),
        ("?status=a&where=x", ["query.where: not JSON: Expecting value: line 1 column 1"]),
        ("?status=a&where=[]", ['query.where: [] is not of type "object"']),
        ("?status=a&flag=yes", ['query.flag: "yes" is not of type "boolean"']),
    ],
)
def test_what_is_wrong_with_a_query(vendor: Vendor, sent: str, reasons: list[str]) -> None:
    got = vendor.refusal(vendor.spec({"/x": {"get": QUERY}}), "GET", f"/x{sent}")
    assert [re.sub(r" \(char \d+\)$", "", reason) for reason in got] == reasons


QUERY = takes(
    query("status", {"type": "string", "enum": ["a", "b"]}, required=True),
    query("limit", {"type": "integer", "maximum": 100}),
    query("ids[]", {"type": "array", "items": {"type": "integer"}}),
    query("csv", {"type": "array", "items": {"type": "integer"}}, explode=False),
    query("pipes", {"type": "array", "items": {"type": "integer"}}, explode=False, style="pipeDelimited"),
    query("filter", {"type": "object", "properties": {"size": {"type": "integer"}}}, style="deepObject"),
    query("flag", {"type": "boolean"}),
    query("either", {"oneOf": [{"type": "integer"}, {"type": "string", "enum": ["all"]}]}),
    query("digits", {"type": "string", "maxLength": 8}),
    query("maybe", {"type": "integer", "nullable": True}),
    {"in": "query", "name": "where", "content": {"application/json": {"schema": {"type": "object"}}}},
)


@pytest.mark.parametrize(
    "sent",
    [
        "limit=100",
        "ids[]=1&ids%5B%5D=2",
        "ids[]=1",
        "csv=1,2",
        "csv=1%2C2",
        "pipes=1|2",
        "pipes=1%7C2",
        "filter[size]=3&filter[more]=x",
        "filter%5Bsize%5D=3",
        "flag=true",
        "either=7",
        "either=all",
        "digits=007",
        "maybe=",
        "where=%7B%22a%22%3A1%7D",
    ],
)
def test_a_right_query_is_accepted(vendor: Vendor, sent: str) -> None:
    vendor.accepts(vendor.spec({"/x": {"get": QUERY}}), "GET", f"/x?status=a&{sent}")


def test_the_fields_of_an_exploded_object_are_declared(vendor: Vendor) -> None:
    page = query("page", {"type": "object", "properties": {"size": {"type": "integer"}}})
    spec = vendor.spec({"/x": {"get": takes(page)}})
    vendor.accepts(spec, "GET", "/x?size=3")
    assert vendor.refusal(spec, "GET", "/x?size=q") == ['query.page.size: "q" is not of type "integer"']
    assert vendor.refusal(spec, "GET", "/x?other=q") == ["query.other: the operation has no such parameter"]


def test_what_is_wrong_with_a_path_a_header_and_a_cookie(vendor: Vendor) -> None:
    parameters = (
        {"in": "path", "name": "id", "required": True, "schema": {"type": "integer"}},
        {"in": "header", "name": "X-Mode", "required": True, "schema": {"enum": ["fast", "slow"]}},
        {"in": "header", "name": "Authorization", "required": True, "schema": {"type": "string", "minLength": 99}},
        {"in": "cookie", "name": "theme", "schema": {"type": "string", "maxLength": 4}},
    )
    spec = vendor.spec({"/x/{id}": {"get": takes(*parameters)}})
    assert vendor.refusal(spec, "GET", "/x/abc", headers={"Cookie": "a=b; theme=purple"}) == [
        'path.id: "abc" is not of type "integer"',
        "header.X-Mode: the parameter is required",
        'cookie.theme: "purple" is longer than 4 characters',
    ]
    assert vendor.refusal(spec, "GET", "/x/1", headers={"x-mode": "idle"}) == [
        'header.X-Mode: "idle" is not one of "fast" or "slow"'
    ]
    vendor.accepts(spec, "GET", "/x/1", headers={"x-mode": "fast"})


INCIDENT = {
    "type": "object",
    "required": ["incident"],
    "properties": {
        "incident": {
            "type": "object",
            "required": ["id", "title"],
            "additionalProperties": False,
            "properties": {
                "id": {"type": "string", "readOnly": True},
                "title": {"type": "string"},
                "note": {"type": "string", "nullable": True},
                "service": {"nullable": True, "allOf": [{"$ref": "#/components/schemas/Service"}]},
                "tags": {"type": "array", "items": {"type": "string"}},
            },
        }
    },
}
POSITIVE = {"type": "integer", "minimum": 0, "exclusiveMinimum": True}
SERVICE = {"type": "object", "required": ["key"], "properties": {"key": POSITIVE}}


@pytest.mark.parametrize(
    ("incident", "reasons"),
    [
        ({}, ['body.incident: "title" is a required property']),
        ({"title": 3}, ['body.incident.title: 3 is not of type "string"']),
        ({"title": None}, ['body.incident.title: null is not of type "string"']),
        ({"title": "", "tags": ["a", 1]}, ['body.incident.tags[1]: 1 is not of type "string"']),
        (
            {"title": "", "service": {"key": 0}},
            ["body.incident.service.key: 0 is less than or equal to the minimum of 0"],
        ),
        ({"title": "", "x": 1}, ["body.incident: Additional properties are not allowed ('x' was unexpected)"]),
    ],
)
def test_what_is_wrong_with_a_body(vendor: Vendor, incident: Any, reasons: list[str]) -> None:
    spec = vendor.spec(posts(INCIDENT), components={"schemas": {"Service": SERVICE}})
    assert vendor.refusal(spec, "POST", "/x", json={"incident": incident}) == reasons


def test_a_right_body_is_accepted(vendor: Vendor) -> None:
    spec = vendor.spec(posts(INCIDENT), components={"schemas": {"Service": SERVICE}})
    for more in ({}, {"note": None}, {"service": None}, {"service": {"key": 1}}, {"id": "read-only, and sent"}):
        vendor.accepts(spec, "POST", "/x", json={"incident": {"title": "", **more}})
    big = '{"incident": {"title": "", "service": {"key": 123456789012345678901234567890}}}'
    vendor.accepts(spec, "POST", "/x", content=big, headers={"Content-Type": "application/json; charset=utf-8"})


def test_a_closed_object_takes_what_its_branches_declare(vendor: Vendor) -> None:
    branches = [{"type": "object", "required": [n], "properties": {n: {"type": "string"}}} for n in ("id", "slug")]
    for schema in ({"oneOf": branches}, {"allOf": [{"type": "object", "additionalProperties": False}, branches[0]]}):
        closed = {} if "allOf" in schema else {"additionalProperties": False}
        vendor.accepts(vendor.spec(posts({"type": "object", **schema, **closed})), "POST", "/x", json={"id": "1"})
    one_of = {"type": "object", "additionalProperties": False, "oneOf": branches}
    [reason] = vendor.refusal(vendor.spec(posts(one_of)), "POST", "/x", json={"id": "1", "x": 1})
    assert reason == "body: Unevaluated properties are not allowed ('x' was unexpected)"


def test_what_is_no_body(vendor: Vendor) -> None:
    spec = vendor.spec({**posts({"type": "object"}), "/none": {"get": takes()}})
    json_type = {"Content-Type": "application/json"}
    assert vendor.refusal(spec, "POST", "/x") == ["body: the operation needs one"]
    assert vendor.refusal(spec, "GET", "/none", content="x") == ["body: the operation takes none"]
    assert vendor.refusal(spec, "POST", "/x", content="{") == [
        "header.Content-Type: missing, expected application/json"
    ]
    assert vendor.refusal(spec, "POST", "/x", content="{", headers={"Content-Type": "text/plain"}) == [
        "header.Content-Type: text/plain is not one of application/json"
    ]
    assert vendor.refusal(spec, "POST", "/x", content='{"a": NaN}', headers=json_type) == [
        "body: not JSON: NaN is not a JSON number"
    ]
    [reason] = vendor.refusal(spec, "POST", "/x", content='{"a" 1}', headers=json_type)
    assert reason.startswith("body: not JSON: Expecting ':' delimiter: line 1 column 6")


def test_forms(vendor: Vendor) -> None:
    schema = {
        "type": "object",
        "required": ["n"],
        "additionalProperties": False,
        "properties": {
            "n": {"type": "integer"},
            "many": {"type": "array", "items": {"type": "string"}},
            "deep": {"type": "object", "properties": {"b": {"type": "boolean"}}},
            "file": {"type": "string", "format": "binary"},
        },
    }
    spec = vendor.spec(posts(schema, "application/x-www-form-urlencoded"))
    vendor.accepts(spec, "POST", "/x", data={"n": "1", "many": ["a", "b"], "deep[b]": "true"})
    vendor.accepts(spec, "POST", "/x", data={"n": "1", "many": "a", "deep": '{"b": true}'})
    assert vendor.refusal(spec, "POST", "/x", data={"n": "one", "deep[b]": "2"}) == [
        'body.deep.b: "2" is not of type "boolean"',
        'body.n: "one" is not of type "integer"',
    ]
    spec = vendor.spec(posts(schema, "multipart/form-data"))
    vendor.accepts(spec, "POST", "/x", data={"n": "1"}, files={"file": b"\x00\xff" * 600_000})
    assert vendor.refusal(spec, "POST", "/x", data={"m": "1"}, files={"file": b"\x00"}) == [
        "body: Additional properties are not allowed ('m' was unexpected)",
        'body: "n" is a required property',
    ]


@pytest.mark.parametrize(
    ("security", "sent", "reason"),
    [
        ([{"key": []}], {}, "header.X-Key is required"),
        ([{"key": []}], {"headers": {"X-Key": ""}}, "header.X-Key is required"),
        ([{"key": []}], {"headers": {"X-Key": "1"}}, ""),
        ([{"key": [], "arg": []}], {"headers": {"X-Key": "1"}}, "query.token is required"),
        ([{"key": []}, {"bearer": []}], {}, "header.X-Key or header.Authorization is required"),
        ([{"key": []}, {"bearer": []}], {"headers": {"Authorization": "Bearer t"}}, ""),
        ([{"bearer": []}], {"headers": {"Authorization": "Bearer"}}, "header.Authorization is required"),
        ([{"cookie": []}], {"headers": {"Cookie": "sid=1"}}, ""),
        ([{"cookie": []}], {}, "cookie.sid is required"),
        ([{"arg": []}], {"params": {"token": "1"}}, ""),
        ([{"key": []}, {}], {}, ""),
        ([{"nowhere": []}], {}, ""),
    ],
)
def test_credentials(vendor: Vendor, security: Any, sent: dict[str, Any], reason: str) -> None:
    schemes = {
        "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
        "arg": {"type": "apiKey", "in": "query", "name": "token"},
        "cookie": {"type": "apiKey", "in": "cookie", "name": "sid"},
        "bearer": {"type": "http", "scheme": "bearer"},
    }
    spec = vendor.spec({"/x": {"get": takes()}}, security=security, components={"securitySchemes": schemes})
    if reason:
        assert vendor.refusal(spec, "GET", "/x", 401, **sent) == [f"credentials: {reason}"]
    else:
        vendor.accepts(spec, "GET", "/x", **sent)


def test_paths_methods_and_the_base_path(vendor: Vendor) -> None:
    spec = vendor.spec(
        {
            "/a/{id}": {"get": takes(operationId="byId"), "delete": takes(operationId="drop")},
            "/a/mine": {"get": takes(operationId="mine")},
            "/files/{path}": {"get": takes(operationId="file")},
            "/do?action=go": {"post": takes(operationId="go")},
            "/do?action=stop": {"post": takes(operationId="stop")},
        },
        servers=[{"url": "https://{region}.x.com/{v}/", "variables": {"v": {"default": "v2"}}}],
    )
    gets = [("GET", path) for path in ("/a/7", "/a/mine", "/a/b%2Fc", "/files/b/c")]
    got = vendor.ask(spec, *gets, ("POST", "/do?action=stop"))
    assert [record.operation for _, record in got] == ["byId", "mine", "byId", "file", "stop"]
    assert got[0][1].target == "/v2/a/7"
    assert vendor.refusal(spec, "PATCH", "/a/7", 405) == ["method: PATCH is not one of GET, DELETE"]
    assert vendor.refusal(spec, "GET", "/b", 404) == ["path: the document has no such path"]
    assert vendor.refusal(spec, "GET", "/../a/7", 404) == ["path: the document's server has the base path /v2"]


def test_the_log(vendor: Vendor) -> None:
    spec = vendor.spec({"/x/{id}": {"post": takes(operationId="evil\x1b[31m\nname")}})
    traced = {"headers": {"X-Trace": "7"}}
    got = vendor.ask(spec, ("POST", "/x/1", traced), ("POST", "/x/1?y=1"), ("POST", "/nowhere", {"content": "b"}))
    first, second, third = (record for _, record in got)
    assert ("x-trace", "7") in first.headers
    assert str(first) == "200 POST /x/1 (evil\\x1b[31m\\nname, empty)"
    assert str(second) == "400 POST /x/1?y=1: query.y: the operation has no such parameter"
    assert (third.operation, third.body, third.status) == (None, b"b", 404)


def test_defects_of_the_document_refuse_nothing(vendor: Vendor) -> None:
    schema = {
        "type": "object",
        "required": "name",
        "properties": {
            "a": {"$ref": "#/components/schemas/Nowhere"},
            "b": {"type": "text"},
            "c": {"type": "string", "pattern": "(["},
            "d": {"type": "string", "enum": [1, 2]},
            "e": 7,
            "f": {"type": "integer", "minimum": "3"},
        },
    }
    spec = vendor.spec({**posts(schema), "/bad": {"get": {"parameters": 3, "responses": {"200": 4}, "security": 5}}})
    body = {"json": {"a": 1, "b": 1, "c": "x", "d": "x", "e": 1, "f": 1}}
    [(first, record), (second, _)] = vendor.ask(spec, ("POST", "/x", body), ("GET", "/bad"))
    assert (first.status_code, second.status_code) == (200, 200)
    assert len(record.notes) == 4
    assert any("Nowhere" in note for note in record.notes)
    assert vendor.refusal(spec, "POST", "/x", json={"f": "q"}) == ['body.f: "q" is not of type "integer"']


@pytest.mark.skipif(not CORPUS, reason="MCPGEN_CORPUS is not set: it names the folder of real documents")
def test_real_documents_answer_every_get() -> None:
    refused = asyncio.run(_refusals(sorted((Path(str(CORPUS)) / "small").iterdir())))
    assert refused == []


async def _refusals(files: list[Path]) -> list[str]:
    """What the mocks of the documents refuse of GETs with nothing but what is required, sampled."""
    refused: list[str] = []
    for file in files:
        server = Mock(load(file))
        schemes = load(file).root.get("components", {}).get("securitySchemes", {}).values()
        signed = {s["name"]: "k" for s in schemes if s.get("type") == "apiKey" and s["in"] == "header"}
        base = await server.start()
        async with httpx2.AsyncClient(timeout=60, headers={"Authorization": "Bearer t", **signed}) as client:
            for route in server._routes:
                operation = server._operation(route.operation)
                if route.operation.method == "GET" and not operation.body_required:
                    path, headers = _right(route.operation.path, operation)
                    await client.get(base + path, headers=headers)
        await server.stop()
        refused += [f"{file.name}: {record}" for record in server.requests if record.status >= 400]
    return refused


def _right(path: str, operation: mock._Operation) -> tuple[str, dict[str, str]]:
    """Path with query, and headers, of a request with which nothing is wrong."""
    pairs, headers = [], {}
    for parameter in operation.parameters:
        if parameter.required:
            value, _ = mock.sample(parameter.checked.bundle)
            single = value[0] if isinstance(value, list) and value else value
            text = single if isinstance(single, str) else json.dumps(single)
            if parameter.place == "path":
                path = path.replace(f"{{{parameter.name}}}", quote(text, safe="") or "x")
            elif parameter.place == "query":
                pairs.append(f"{quote(parameter.name)}={quote(text, safe='')}")
            elif parameter.place == "header":
                headers[parameter.name] = text
    return (f"{path}?{'&'.join(pairs)}" if pairs else path), headers
