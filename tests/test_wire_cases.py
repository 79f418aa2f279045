"""The 26 requests that a generated server must get right, by number, and six answers that it must survive.

One document holds all of them. Its server runs over stdio behind the real `mcp.Client`; two upstreams, one for the
document's server and one for the server of operation 26, keep every byte of what they are sent.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import place
from mcp import Client, StdioServerParameters
from test_cases import Record, Upstream, text_of

from mcpgen import spec
from mcpgen.config import Config
from mcpgen.planner import plan
from mcpgen.render import render

JSON = "application/json"
STRINGS = {"type": "array", "items": {"type": "string"}}
STRING = {"type": "string"}
INTEGER = {"type": "integer"}
NODE = {"$ref": "#/components/schemas/Node"}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def parameter(name: str, schema: Any, place: str = "query", **more: Any) -> dict[str, Any]:
    return {"name": name, "in": place, "schema": schema, "required": place == "path", **more}


def body(schema: Any, media_type: str = JSON, required: bool = True, **media: Any) -> dict[str, Any]:
    return {"requestBody": {"required": required, "content": {media_type: {"schema": schema, **media}}}}


def object_(required: str = "", **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, **({"required": required.split()} if required else {})}


# number: method, path, operation, arguments, target, headers besides those of every request, body
CASES: dict[int, tuple[str, str, dict[str, Any], dict[str, Any], str, dict[str, str], str]] = {
    1: ("GET", "/1", {"parameters": [parameter("ids", STRINGS)]}, {"ids": ["a", "b"]}, "/1?ids=a&ids=b", {}, ""),
    2: (
        "GET", "/2", {"parameters": [parameter("ids", STRINGS, explode=False)]},
        {"ids": ["a", "b,c"]}, "/2?ids=a,b%2Cc", {}, "",
    ),
    3: (
        "GET", "/3", {"parameters": [parameter("ids", STRINGS, style="pipeDelimited", explode=False)]},
        {"ids": ["a", "b"]}, "/3?ids=a%7Cb", {}, "",
    ),
    4: (
        "GET", "/4",
        {"parameters": [parameter("filter", object_(a=STRING, b=object_(c=STRING)), style="deepObject", explode=True)]},
        {"filter": {"a": "1", "b": {"c": "2"}}}, "/4?filter%5Ba%5D=1&filter%5Bb%5D%5Bc%5D=2", {}, "",
    ),
    5: ("GET", "/5", {"parameters": [parameter("dry", {"type": "boolean"})]}, {"dry": True}, "/5?dry=true", {}, ""),
    6: (
        "GET", "/6",
        {"parameters": [{"name": "filter", "in": "query", "content": {JSON: {"schema": object_(a=INTEGER)}}}]},
        {"filter": {"a": 1}}, "/6?filter=%7B%22a%22%3A1%7D", {}, "",
    ),
    7: (
        "GET", "/7", {"parameters": [parameter("team_ids[]", STRINGS)]},
        {"team_ids": ["A", "B"]}, "/7?team_ids%5B%5D=A&team_ids%5B%5D=B", {}, "",
    ),
    8: ("GET", "/8/{ids}", {"parameters": [parameter("ids", STRINGS, "path")]}, {"ids": ["a", "b"]}, "/8/a,b", {}, ""),
    9: (
        "GET", "/9/{id}", {"parameters": [parameter("id", STRING, "path")]},
        {"id": "a/b ?c"}, "/9/a%2Fb%20%3Fc", {}, "",
    ),
    10: (
        "GET", "/10", {"parameters": [parameter("X-Tags", STRINGS, "header")]},
        {"X-Tags": ["a", "b"]}, "/10", {"x-tags": "a,b"}, "",
    ),
    11: (
        "GET", "/11", {"parameters": [parameter("session", STRING, "cookie")]},
        {"session": "s1"}, "/11", {"cookie": "session=s1"}, "",
    ),
    12: (
        "POST", "/12/{id}",
        {"parameters": [parameter("id", STRING, "path"), parameter("id", STRING)], **body(object_("id", id=STRING))},
        {"id": "P", "query_id": "Q", "body_id": "B"}, "/12/P?id=Q", {"content-type": JSON}, '{"id":"B"}',
    ),
    13: ("POST", "/13", body(STRINGS), {"body": ["a", "b"]}, "/13", {"content-type": JSON}, '["a","b"]'),
    14: ("POST", "/14", body(STRING), {"body": "hi \"é\""}, "/14", {"content-type": JSON}, '"hi \\"é\\""'),
    15: (
        "POST", "/15", body(object_("name", name=STRING, tags=STRINGS), "application/x-www-form-urlencoded"),
        {"name": "a b&c", "tags": ["x", "y"]}, "/15",
        {"content-type": "application/x-www-form-urlencoded"}, "name=a%20b%26c&tags=x&tags=y",
    ),
    16: (
        "POST", "/16",
        body(object_("file", file={"type": "string", "format": "binary"}, note=STRING), "multipart/form-data"),
        {"file": "data:text/plain;name=a.txt;base64,aGVsbG8=", "note": "é"}, "/16",
        {"content-type": "multipart/form-data; boundary=BOUNDARY"},
        '--BOUNDARY\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain\r\n'
        '\r\nhello\r\n--BOUNDARY\r\nContent-Disposition: form-data; name="note"\r\n\r\né\r\n--BOUNDARY--\r\n',
    ),
    17: (
        "PUT", "/17", body({"type": "string", "format": "binary"}, "application/octet-stream"),
        {"body": "aGVsbG8A"}, "/17", {"content-type": "application/octet-stream"}, "hello\0",
    ),
    18: (
        "POST", "/18", body(STRING, "text/csv"),
        {"body": 'a,b\r\n1,"é"\r\n'}, "/18", {"content-type": "text/csv"}, 'a,b\r\n1,"é"\r\n',
    ),
    19: (
        "POST", "/19", body(NODE),
        {"name": "r", "children": [{"name": "c", "children": [{"name": "g"}]}]}, "/19",
        {"content-type": JSON}, '{"children":[{"name":"c","children":[{"name":"g"}]}],"name":"r"}',
    ),
    20: ("POST", "/20", body(object_(a=STRING), required=False), {}, "/20", {}, ""),
    21: (
        "POST", "/21",
        {
            "parameters": [parameter("dry", {"type": "boolean"})],
            **body({"oneOf": [object_("cat", cat=STRING), object_("dog", dog=STRING)]}),
        },
        {"body": {"dog": "d"}, "dry": False}, "/21?dry=false", {"content-type": JSON}, '{"dog":"d"}',
    ),
    22: (
        "PUT", "/22",
        body(object_("id note", id={"type": "string", "readOnly": True}, note={"type": ["string", "null"]})),
        {"note": None}, "/22", {"content-type": JSON}, '{"note":null}',
    ),
    23: (
        "PATCH", "/23", body(object_(a={"type": ["string", "null"]}, b=STRING), "application/merge-patch+json"),
        {"a": None}, "/23", {"content-type": "application/merge-patch+json"}, '{"a":null}',
    ),
    24: (
        "DELETE", "/24/{id}",
        {"parameters": [parameter("id", STRING, "path")], **body(object_("reason", reason=STRING))},
        {"id": "1", "reason": "old"}, "/24/1", {"content-type": JSON}, '{"reason":"old"}',
    ),
    25: (
        "POST", "/25", body({"type": "object", "additionalProperties": {"type": "integer"}}),
        {"body": {"x": 1, "y z": 2}}, "/25", {"content-type": JSON}, '{"x":1,"y z":2}',
    ),
    26: ("GET", "/26", {"servers": [{"url": "https://up.test/v9"}]}, {}, "/v9/26", {}, ""),
}  # fmt: skip

THING = object_("id", id=INTEGER, name=STRING)
BIG = [{"id": n, "name": f"thing {n} " + "é" * 40} for n in range(20_000)]

# name: answer
ANSWERS: dict[str, dict[str, Any]] = {
    "array": {"headers": {"Content-Type": JSON}, "body": '[1, {"a": "b"}]'},
    "png": {"headers": {"Content-Type": "image/png"}, "base64": PNG},
    "big": {"headers": {"Content-Type": JSON}, "body": json.dumps(BIG, ensure_ascii=False)},
    "missing": {"status": 404, "headers": {"Content-Type": JSON}, "body": '{"message": "no such thing"}'},
    "busy": {"status": 429, "headers": {"Content-Type": JSON, "Retry-After": "31"}, "body": '{"message": "slow down"}'},
    "lie": {"headers": {"Content-Type": JSON}, "body": '{"id": "not a number", "name": null, "more": [1]}'},
}

DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Wire", "version": "1"},
    "servers": [{"url": "https://wire.test"}],
    "paths": {
        **{
            path: {method.lower(): {"operationId": f"case{n}", "responses": {"200": {"description": "."}}, **operation}}
            for n, (method, path, operation, *_) in CASES.items()
        },
        "/thing": {
            "get": {
                "operationId": "thing",
                "responses": {"200": {"description": ".", "content": {JSON: {"schema": THING}}}},
            }
        },
    },
    "components": {"schemas": {"Node": object_("name", name=STRING, children={"type": "array", "items": NODE})}},
}


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", **more}


async def converse(folder: Path) -> dict[int | str, tuple[Record, Record]]:
    """Build the server, make every call; return what the two upstreams received for each, and its result."""
    (folder / "openapi.json").write_text(json.dumps(DOCUMENT), encoding="utf-8")
    made = plan(spec.load(folder / "openapi.json"), Config(version="0.1.0"))
    assert not made.left_out
    place(render(made), folder)
    records: dict[int | str, tuple[Record, Record]] = {}
    async with Upstream().running() as upstream, Upstream().running() as other:
        (variable,) = (v.name for v in made.variables if v.default == "https://up.test/v9")
        parameters = StdioServerParameters(
            command=sys.executable,
            args=["-m", made.package, "--enable-write-tools", "--base-url", upstream.url],
            env=environment(folder, **{variable: f"{other.url}/v9"}),
            cwd=folder,
        )
        async with Client(parameters, mode="2026-07-28") as client:
            calls = [(n, f"case{n}", case[3], {}) for n, case in CASES.items()]
            for key, tool, arguments, answer in [*calls, *((k, "thing", {}, a) for k, a in ANSWERS.items())]:
                upstream.answers, upstream.requests, other.requests = [answer] if answer else [], [], []
                record = Record(upstream.requests)
                try:
                    record.result = await client.call_tool(tool, arguments)
                except Exception as error:
                    record.error = f"{type(error).__name__}: {error}"
                records[key] = record, Record(other.requests)
    return records


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[int | str, tuple[Record, Record]]:
    return asyncio.run(asyncio.wait_for(converse(tmp_path_factory.mktemp("wire")), 60))


def test_there_are_26() -> None:
    assert sorted(CASES) == list(range(1, 27))


@pytest.mark.parametrize("number", CASES)
def test_case(number: int, records: dict[int | str, tuple[Record, Record]]) -> None:
    """One request arrives, with exactly this method, target, headers and body; and it comes back as a result."""
    method, *_, target, headers, sent_body = CASES[number]
    record, elsewhere = records[number]
    assert not record.error
    assert not record.result.is_error, text_of(record.result)
    right, wrong = (elsewhere, record) if number == 26 else (record, elsewhere)
    assert wrong.requests == []
    (sent,) = right.requests
    assert (sent.method, sent.target) == (method, target)
    got = dict(sent.headers)
    assert re.fullmatch(r"127\.0\.0\.1:\d+", got.pop("host"))
    content = sent.body
    if boundary := re.search(r"boundary=([0-9a-f]+)$", got.get("content-type", "")):
        content = content.replace(boundary[1].encode(), b"BOUNDARY")
        got["content-type"] = got["content-type"].replace(boundary[1], "BOUNDARY")
    always = {
        "accept": "application/json, */*;q=0.8",
        "accept-encoding": "gzip, deflate",
        "user-agent": "wire-mcp/0.1.0",
    }
    length = got.pop("content-length", None)
    assert length == (str(len(sent.body)) if sent.body or method in ("POST", "PUT", "PATCH") else None)
    assert got.pop("connection", "keep-alive") == "keep-alive"
    assert got == always | headers
    assert content == sent_body.encode()
    assert record.result.structured_content == {"ok": True}


def test_array_answer(records: dict[int | str, tuple[Record, Record]]) -> None:
    """Structured content must be an object, so an array is wrapped there; the text is the array itself."""
    result = records["array"][0].result
    assert not result.is_error
    assert result.structured_content == {"result": [1, {"a": "b"}]}
    assert [c.type for c in result.content] == ["text"]
    assert json.loads(text_of(result)) == [1, {"a": "b"}]


def test_png_answer(records: dict[int | str, tuple[Record, Record]]) -> None:
    """An image stays an image, byte for byte."""
    result = records["png"][0].result
    assert not result.is_error
    assert [c.type for c in result.content] == ["text", "image"]
    image = result.content[1]
    assert (image.mime_type, base64.b64decode(image.data)) == ("image/png", base64.b64decode(PNG))


def test_big_answer(records: dict[int | str, tuple[Record, Record]]) -> None:
    """Of 2.3 MB come the first items, once as text and once as structured content, and a word on the rest."""
    record = records["big"][0]
    assert 2_000_000 < len(ANSWERS["big"]["body"].encode()) < 3_000_000
    assert not record.error
    assert not record.result.is_error
    text = record.result.content[0].text
    items = json.loads(text)
    assert 100 < len(items) < len(BIG)
    assert items == BIG[: len(items)]
    assert 45_000 < len(text) <= 50_000
    assert text.count(": ") == 0, "text is compact"
    note = record.result.content[1].text
    assert f"here are the first {len(items):,} of {len(BIG):,} items" in note
    assert record.result.structured_content == {"result": items, "_not_all": note}


def test_404(records: dict[int | str, tuple[Record, Record]]) -> None:
    """An error with the status, the API's own words, and what to do; asked once."""
    record = records["missing"][0]
    assert record.result.is_error
    assert "404" in text_of(record.result)
    assert "no such thing" in text_of(record.result)
    assert record.result.structured_content == {"status": 404, "error": {"message": "no such thing"}}
    assert len(record.requests) == 1


def test_429(records: dict[int | str, tuple[Record, Record]]) -> None:
    """An error with how long to wait and the API's own words; asked once, as it is too long to wait here."""
    record = records["busy"][0]
    assert record.result.is_error
    for piece in ("429", "Retry-After: 31", "slow down"):
        assert piece in text_of(record.result)
    assert len(record.requests) == 1


def test_answer_that_violates_its_schema(records: dict[int | str, tuple[Record, Record]]) -> None:
    """What the API says arrives, whatever its document claims; the client has no output schema to reject it by."""
    record = records["lie"][0]
    assert not record.error
    assert not record.result.is_error
    assert record.result.structured_content == {"id": "not a number", "name": None, "more": [1]}
