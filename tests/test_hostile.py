"""Documents that attack: whatever stands in a text of a document, it stays text, or the build says no with its place.

Hypothesis (derandomized: the same documents on every run) puts hostile texts into every text position of a document.
Each document goes through `mcpgen build`; what comes out is parsed, walked and imported under an audit hook. 60
documents by default; MCPGEN_HOSTILE=10000 runs that many.
"""

from __future__ import annotations

import ast
import io
import json
import keyword
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import tokenize
import tomllib
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from mcpgen import config
from mcpgen.cli import main
from mcpgen.shipped import templates

COUNT = int(os.environ.get("MCPGEN_HOSTILE", "60"))
SECONDS = 5.0
MARK = "zqEVILx"

Say = Callable[[str, str], Any]

# --- hostile texts ----------------------------------------------------------------------------------------------------

TEXTS = [
    MARK,
    f"'{MARK}'",
    f'"{MARK}"',
    f'"""\nimport os; {MARK} = os.system("touch {MARK}")\n"""',
    f"'''\nimport os\n{MARK} = 1\n'''",
    f'{MARK}"',
    f"{MARK}\\",
    f'{MARK}\\"',
    f'\\"""{MARK}',
    f'{MARK}\\\\"""',
    f"\\N{{BULLET}}\\x41\\u0041{MARK}",
    f"{MARK}\nimport os\nos.system('touch {MARK}')",
    f"{MARK}\r\nX-Evil: {MARK}",
    f"{MARK}\r{MARK} = 1",
    f"a\x00{MARK}\x07\x1b[31m\x7f\x0b\x0c\x1c{MARK}",
    f"\x85{MARK}\u2028{MARK}\u2029{MARK}",
    f"\u202e{MARK}\u2066\u200b\ufeff\u00ad{MARK}",
    f"{{{{7*7}}}}{{{{ {MARK} }}}}",
    f"{{% raw %}}{MARK}{{% endraw %}}{{# {MARK} #}}",
    f"{{% include '/etc/passwd' %}}{MARK}",
    f"{{{MARK}}}",
    f"{{0}}{{x!r}}%({MARK})s%s${{{MARK}}}#{{{MARK}}}",
    f"$(touch {MARK})`touch {MARK}`; touch {MARK} | touch {MARK} && touch {MARK}",
    f"../../{MARK}",
    f"/{MARK}",
    f"C:\\{MARK}\\..\\x",
    f"..%2f..%2f{MARK}",
    f"</script><script>{MARK}()</script>",
    f"<img src=x onerror={MARK}>",
    f"<!-- {MARK} -->{MARK}",
    f"--> {MARK} <!--",
    f"[{MARK}](javascript:{MARK})![i](http://{MARK}.test/x.png)",
    f"http://{MARK}.test/ www.{MARK}.test",
    f"`{MARK}`` ```\n{MARK}\n```",
    f"a | {MARK} | b |\n|---|---|\n| {MARK} |",
    f"\n\n# {MARK}\n\n- {MARK}\n1. {MARK}\n> {MARK}\n",
    f"    {MARK} = 1",
    f"# type: ignore {MARK}",
    f"# -*- coding: utf-7 -*- {MARK}",
    f'\n[tool.hatch.build]\nx = "{MARK}"\n',
    f"\nRUN touch {MARK}\n",
    f"__import__('os').system('touch {MARK}')",
    f"]; import os; {MARK} = [",
    f"'), {MARK}=({MARK}",
    f'"), x=__import__("os").system("touch {MARK}"), y=("',
    f"{MARK}: int = 1",
    f"lambda: {MARK}",
    f"😀{MARK}\U0010ffff",
    f"\ud800{MARK}\udfff",
    f"é日本{MARK}ß",
    f"\uff45\uff58\uff45\uff43{MARK}ª",
    f"({MARK}+)+$",
    f"(?<{MARK}>a)(?={MARK})",
    f"\\p{{L}}(?i:{MARK})",
    f"[[a-z]{MARK}&&--",
    f"Bearer {{{MARK}}}",
    "[" * 40 + MARK,
    f"{MARK}@evil.test",
    f"https://{MARK}@evil.test/?a=1#{MARK}",
    MARK * 700,
    f"{MARK} " * 3000,
    "",
    " ",
    "\n",
    ".",
    "..",
    "-",
    "0",
    "True",
    "None",
    "class",
    "match",
    "__init__",
    "__class__",
    "__import__",
    "__pydantic_validator__",
    "model_config",
    "model_fields",
    "OPERATION",
    "self",
    "str",
    "Field",
    "Tool",
    "Model",
    "Annotated",
    "shared",
    "con",
    "$ref",
    "$defs",
    "{}",
    "{a/b}",
    "*",
    "*/*",
    "text/*",
    "xml",
    "xmlns",
    f"a:{MARK}",
    "http://www.w3.org/2000/xmlns/",
    "Content-Type",
    "multi",
    "tsv",
]

# --- a document with every text position ------------------------------------------------------------------------------


def escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a mapping of all pairs: a name that two positions share gets a tail."""
    out: dict[str, Any] = {}
    for key, value in pairs:
        while key in out:
            key += "2"
        out[key] = value
    return out


def schema(say: Say, where: str, itself: str = "") -> dict[str, Any]:
    """Return a schema that has texts wherever a schema may have them; `itself` is a reference to it."""
    return {
        "title": say(f"{where}.title", "A title"),
        "description": say(f"{where}.description", "A thing."),
        "type": "object",
        "required": [say(f"{where}.required", "size")],
        "properties": unique(
            [
                (
                    say(f"{where}.property", "name"),
                    {
                        "type": "string",
                        "title": say(f"{where}.property.title", "Name"),
                        "description": say(f"{where}.property.description", "Its name."),
                        "pattern": say(f"{where}.pattern", "^[a-z]+$"),
                        "format": say(f"{where}.format", "uuid"),
                        "default": say(f"{where}.default", "x"),
                        "example": say(f"{where}.example", "x"),
                        "$comment": say(f"{where}.comment", "c"),
                        "x-text": say(f"{where}.extension", "x"),
                    },
                ),
                ("size", {"type": "integer", "minimum": 1, "format": say(f"{where}.integer.format", "int32")}),
                (
                    say(f"{where}.property.enum", "kind"),
                    {"enum": [say(f"{where}.enum", "a"), say(f"{where}.enum2", "b"), 1, True, None, 1.5]},
                ),
                (
                    "encoded",
                    {
                        "type": "string",
                        "contentEncoding": say(f"{where}.contentEncoding", "base64"),
                        "contentMediaType": say(f"{where}.contentMediaType", "image/png"),
                        "contentSchema": {"const": say(f"{where}.contentSchema", "x")},
                    },
                ),
                ("flag", {"type": "boolean", "enum": [True], "default": say(f"{where}.bool.default", "true")}),
                (
                    "inner",
                    {
                        "type": "object",
                        "properties": unique(
                            [
                                (say(f"{where}.inner.property", "deep"), {"type": "string"}),
                                ("list", {"type": "array", "items": {"enum": [say(f"{where}.items.enum", "i")]}}),
                            ]
                        ),
                        "patternProperties": {say(f"{where}.patternProperties", "^x"): {"type": "string"}},
                        "propertyNames": {"pattern": say(f"{where}.propertyNames", "^[a-z]")},
                        "dependentRequired": {say(f"{where}.dependent", "a"): [say(f"{where}.dependent.on", "b")]},
                        "dependentSchemas": {say(f"{where}.dependentSchemas", "a"): {"required": ["list"]}},
                        "if": {"properties": {say(f"{where}.if", "a"): {"const": say(f"{where}.if.const", "x")}}},
                        "then": {"required": [say(f"{where}.then", "list")]},
                        "else": {"not": {"required": [say(f"{where}.else", "b")]}},
                    },
                ),
                (
                    "one",
                    {
                        "oneOf": [
                            {
                                "title": say(f"{where}.oneOf.title", "First"),
                                "type": "object",
                                "properties": {"k": {"const": say(f"{where}.const", "one")}},
                                "required": ["k"],
                            },
                            {
                                "type": "array",
                                "items": {"type": "string", "pattern": say(f"{where}.items.pattern", "a")},
                            },
                        ],
                        "discriminator": {
                            "propertyName": say(f"{where}.discriminator", "k"),
                            "mapping": {say(f"{where}.mapping", "one"): say(f"{where}.mapping.to", "#/x")},
                        },
                    },
                ),
                *([("self", {"$ref": itself})] if itself else []),
            ]
        ),
        "examples": [say(f"{where}.examples", "x")],
        "externalDocs": {"url": say(f"{where}.docs", "https://docs.test")},
    }


def xml_schema(say: Say) -> dict[str, Any]:
    """Return a schema of an XML body; all its properties are required, so that its example has them."""

    def node(where: str, type_: str, name: str, prefix: str = "p", /, **more: Any) -> dict[str, Any]:
        stated = {
            "name": say(f"{where}.name", name),
            "prefix": say(f"{where}.prefix", prefix),
            "namespace": say(f"{where}.namespace", f"urn:{prefix}"),
        }
        kept = {k: more.pop(k) for k in ("attribute", "wrapped", "nodeType") if k in more}
        return {"type": type_, "xml": {**stated, **kept}, **more}

    def described(where: str, otherwise: str, properties: list[tuple[str, Any]]) -> dict[str, Any]:
        made = unique(properties)
        return node(where, "object", otherwise, required=[*made], properties=made)

    leaf = node("xml.leaf", "string", "leaf", description=say("xml.leaf.description", "A leaf."))
    written = {"type": "string", "xml": {"nodeType": say("xml.nodeType", "element")}}
    return described(
        "xml.root",
        "root",
        [
            (say("xml.attribute.key", "id"), node("xml.attribute", "string", "id", attribute=True)),
            (say("xml.attribute2.key", "no"), node("xml.attribute2", "string", "no", "q", attribute=True)),
            (say("xml.plain.key", "lang"), {"type": "string", "xml": {"attribute": True}}),
            (say("xml.inner.key", "inner"), described("xml.inner", "inner", [(say("xml.leaf.key", "leaf"), leaf)])),
            (
                say("xml.wrapped.key", "many"),
                node("xml.wrapped", "array", "many", wrapped=True, items=node("xml.item", "string", "item", "r")),
            ),
            (say("xml.list.key", "some"), {"type": "array", "items": node("xml.some", "string", "some")}),
            (say("xml.written.key", "written"), written),
        ],
    )


def document(say: Say, version: str) -> dict[str, Any]:
    """Return a document whose texts are what `say(position, otherwise)` returns."""
    component, shared_parameter = say("component", "Thing"), say("component.parameter", "Limit")
    reference = {"$ref": f"#/components/schemas/{escape(component)}"}
    part, part_header, oauth = say("part", "note"), say("part.header", "X-Part"), say("scheme.oauth", "login")
    scheme, other, name = say("scheme", "key"), say("scheme.other", "web"), say("path.parameter", "id")
    variable = say("server.variable", "region")
    tag, tag2 = say("tag", "Things"), say("operation.tag", "Others")

    def answers(where: str) -> dict[str, Any]:
        return {
            "200": {
                "description": say(f"{where}.response", "Ok."),
                "headers": {say(f"{where}.response.header", "X-A"): {"schema": {"type": "string"}}},
                "content": {
                    say(f"{where}.response.media", "application/json"): {
                        "schema": reference,
                        "examples": {say(f"{where}.example.name", "e"): {"value": say(f"{where}.example", "v")}},
                    }
                },
                "links": {
                    say(f"{where}.link", "next"): {
                        "operationId": say(f"{where}.link.to", "getThing"),
                        "parameters": {say(f"{where}.link.parameter", "id"): say(f"{where}.link.value", "$url")},
                        "description": say(f"{where}.link.description", "The next."),
                    }
                },
            }
        }

    def operation(where: str, **more: Any) -> dict[str, Any]:
        return {
            "operationId": say(f"{where}.operationId", f"{where}Thing"),
            "summary": say(f"{where}.summary", "Does it."),
            "description": say(f"{where}.description", "Does it well."),
            "tags": [tag if where in ("get", "post") else tag2],
            "responses": answers(where),
            "x-extension": say(f"{where}.extension", "x"),
            "externalDocs": {"url": say(f"{where}.docs", "https://docs.test")},
            **more,
        }

    def parameter(where: str, in_: str, otherwise: str, **more: Any) -> dict[str, Any]:
        stated = {"schema": {"type": "string", "default": say(f"{where}.default", "d")}, **more}
        return {
            "name": say(where, otherwise),
            "in": in_,
            "description": say(f"{where}.description", "One of them."),
            "example": say(f"{where}.example", "e"),
            **({k: v for k, v in stated.items() if k != "schema"} if "content" in stated else stated),
        }

    def body(media_type: str, media: dict[str, Any]) -> dict[str, Any]:
        return {"required": True, "content": {media_type: media}}

    item: dict[str, Any] = {
        "summary": say("path.summary", "A path"),
        "description": say("path.description", "A path."),
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}},
            {"$ref": f"#/components/parameters/{escape(shared_parameter)}"},
        ],
        "get": operation(
            "get",
            parameters=[
                parameter("query", "query", "q"),
                parameter("query.enum", "query", "e", schema={"enum": [say("query.enum.value", "x"), "y"]}),
                parameter(
                    "query.array", "query", "many[]",
                    schema={"type": "array", "items": {"type": "string", "format": say("query.array.format", "date")}},
                ),
                parameter("query.deep", "query", "filter", style="deepObject", schema=reference),
                parameter(
                    "query.content", "query", "json",
                    content={say("query.content.media", "application/json"): {"schema": reference}},
                ),
                parameter("query.style", "query", "styled", style=say("style", "form")),
                parameter(
                    "required", "query", "must", required=True,
                    schema={"type": "string", "minLength": 4, "pattern": say("required.pattern", "^[a-z]+$")},
                ),
                parameter("header", "header", "X-Header"),
                parameter(
                    "header.enum", "header", "X-Kind", required=True,
                    schema={"enum": [say("header.enum.value", "x"), "y"]},
                ),
                parameter(
                    "cookie", "cookie", "crumb",
                    **({"style": say("cookie.style", "cookie")} if version.startswith("3.2") else {}),
                ),
                parameter(
                    "accept", "header", "Accept", schema={"type": "string", "default": say("accept.value", "a/b")}
                ),
            ],
            security=[{other: [say("scope", "read")]}],
        ),
        "post": operation(
            "post", requestBody={"required": True, "content": {"application/json": {"schema": reference}}}
        ),
        "put": operation(
            "put",
            servers=[
                {
                    "url": say("operation.server", "https://up.test/v2"),
                    "description": say("operation.server.about", "Up."),
                }
            ],
            requestBody={
                "description": say("body.description", "The body."),
                "content": {
                    "multipart/form-data": {
                        "schema": {
                            "type": "object",
                            "properties": unique(
                                [
                                    ("file", {"type": "string", "format": "binary"}),
                                    (part, {"type": "string", "description": say("part.description", "n")}),
                                    (say("encoding", "more"), {"type": "string"}),
                                ]
                            ),
                            "required": [part, say("encoding", "more")],
                        },
                        "encoding": {
                            "file": {"contentType": say("part.media", "image/png")},
                            say("encoding", "more"): {"contentType": say("encoding.media", "text/plain")},
                            part: {
                                "headers": unique(
                                    [
                                        (
                                            part_header,
                                            {
                                                "description": say("part.header.description", "A header."),
                                                "required": True,
                                                "schema": {
                                                    "type": "string",
                                                    "default": say("part.header.default", "d"),
                                                    "enum": [say("part.header.enum", "a"), "b"],
                                                },
                                            },
                                        ),
                                        (
                                            say("part.header.constant", "X-Constant"),
                                            {"schema": {"enum": [say("part.header.value", "v")]}},
                                        ),
                                        (
                                            say("part.header.other", "X-Other"),
                                            {"schema": {"type": "string", "default": say("part.header.usual", "u")}},
                                        ),
                                    ]
                                )
                            },
                        },
                    }
                },
            },
        ),
        "patch": operation(
            "patch",
            requestBody={
                "required": True,
                "content": {
                    say("body.media", "text/csv"): {
                        "schema": {"type": "string", "description": say("raw.description", "r")}
                    }
                },
            },
            **{"x-mcp-annotations": {"title": say("annotation", "t"), "readOnlyHint": say("annotation.hint", "true")}},
        ),
        "delete": operation(
            "delete",
            requestBody={
                "required": True,
                "content": {"application/x-www-form-urlencoded": {"schema": schema(say, "form"), "encoding": {}}},
            },
        ),
    }  # fmt: skip
    lines: dict[str, Any] = {"schema": {"type": "array", "items": schema(say, "line")}}
    if version.startswith("3.2"):
        item["additionalOperations"] = {say("method", "COPY"): operation("copy")}
        lines = {"itemSchema": schema(say, "line")}
    more = {
        "/xml": {"post": operation("xml", requestBody=body("application/xml", {"schema": xml_schema(say)}))},
        "/lines": {
            "post": operation(
                "lines",
                requestBody=body("application/x-ndjson", lines),
                security=[{oauth: [say("oauth.asked", "read")]}, {say("scheme.openid", "id"): [], oauth: []}],
                callbacks={say("callback", "done"): {say("callback.to", "{$url}"): {"post": operation("callback")}}},
            ),
        },
    }
    if version.startswith("3.2"):
        media = {say("querystring.media", "application/x-www-form-urlencoded"): {"schema": schema(say, "querystring")}}
        asked = parameter("querystring.name", "querystring", "all", content=media, required=True)
        more["/asked"] = {"get": operation("asked", parameters=[asked])}
    named: list[tuple[str, Any]] = []
    if not version.startswith("3.0"):
        target = say("anchored", "Anchored")
        ways = {
            "plain": {"$ref": f"#{say('anchor', 'plain')}"},
            "dynamic": {"$dynamicRef": f"#{say('dynamicAnchor', 'node')}"},
            "nowhere": {"type": "string", "$dynamicAnchor": say("anchor.nowhere", "x")},
        }
        named = [
            (target, {"type": "object", "$dynamicAnchor": say("dynamicAnchor", "node"), "properties": ways}),
            (f"{target}2", {"type": "string", "$anchor": say("anchor", "plain"), "$id": say("schema.id", "")}),
        ]
        there = {"$ref": f"#{say('anchor.reference', 'node')}"}
        one = {"$ref": f"#/components/schemas/{escape(target)}"}
        more["/named"] = {
            "post": operation("named", requestBody=body("application/json", {"schema": one})),
            "put": operation("reaching", requestBody=body("application/json", {"schema": there})),
        }
    return {
        "openapi": version,
        **({"$self": say("$self", "https://docs.test/openapi.json")} if version.startswith("3.2") else {}),
        "info": {
            "title": say("title", "Hostile"),
            "version": say("version", "1"),
            "summary": say("info.summary", "s"),
            "description": say("info.description", "d"),
            "termsOfService": say("terms", "https://x.test"),
            "contact": {"name": say("contact", "Ann"), "email": say("email", "a@x.test")},
            "license": {"name": say("license", "MIT")},
        },
        "servers": [
            {
                "url": say("server", "https://api.test/{region}").replace("{region}", f"{{{variable}}}"),
                "description": say("server.description", "The API."),
                "variables": {
                    variable: {
                        "default": say("server.default", "eu"),
                        "enum": [say("server.default", "eu"), say("server.enum", "us")],
                        "description": say("server.variable.description", "Where."),
                    }
                },
            }
        ],
        "tags": [
            {"name": tag, "description": say("tag.description", "Things.")},
            {"name": tag2, "description": say("tag2.description", "Others.")},
        ],
        "security": [{scheme: []}],
        "paths": unique(
            [
                (f"/things{say('path', '')}/{{{name}}}", item),
                (say("path.whole", "/plain"), {"get": {"responses": {}, "summary": say("plain.summary", "Plain.")}}),
                ("/reached/{id}", {"post": {**operation("last"), "parameters": [{"$ref": say("reference", "#/x")}]}}),
                *more.items(),
            ]
        ),
        **({} if version.startswith("3.0") else {"webhooks": {say("webhook", "told"): {"post": operation("webhook")}}}),
        "components": {
            "schemas": unique(
                [
                    (component, schema(say, "schema", reference["$ref"])),
                    (say("component.other", "Other"), {"enum": ["a"]}),
                    *named,
                ]
            ),
            "parameters": {
                shared_parameter: {
                    "name": say("shared.parameter", "limit"),
                    "in": "query",
                    "schema": {"type": "integer"},
                }
            },
            "securitySchemes": unique(
                [
                    (
                        scheme,
                        {
                            "type": "apiKey",
                            "in": say("scheme.in", "header"),
                            "name": say("scheme.name", "X-Key"),
                            "description": say("scheme.description", "A key."),
                        },
                    ),
                    (
                        other,
                        {
                            "type": "http",
                            "scheme": say("scheme.http", "bearer"),
                            "bearerFormat": say("bearerFormat", "JWT"),
                            "description": say("other.description", "A token."),
                        },
                    ),
                    (
                        oauth,
                        {
                            "type": "oauth2",
                            "description": say("oauth.description", "A login."),
                            "flows": {
                                say("oauth.flow", "clientCredentials"): {
                                    "tokenUrl": say("oauth.url", "https://login.test/token"),
                                    "refreshUrl": say("oauth.refresh", "https://login.test/again"),
                                    "scopes": {say("oauth.scope", "read"): say("oauth.scope.description", "Reads.")},
                                }
                            },
                        },
                    ),
                    (
                        say("scheme.openid", "id"),
                        {"type": "openIdConnect", "openIdConnectUrl": say("openid", "https://id.test/.well-known/o")},
                    ),
                ]
            ),
        },
        say("extension", "x-logo"): {"url": say("extension.value", "https://x.test/logo.png")},
    }


def swagger_document(say: Say) -> dict[str, Any]:
    """Return such a document of OpenAPI 2.0."""
    component, missing = say("component", "Thing"), say("component.response", "Missing")
    limit, note = say("component.parameter", "Limit"), say("component.body", "Note")
    name, tag = say("path.parameter", "id"), say("tag", "Things")
    reference = {"$ref": f"#/definitions/{escape(component)}"}
    flows = ("implicit", "password", "application", "accessCode")
    schemes = {kind: say(f"scheme.{kind}", kind) for kind in ("basic", "key", *flows)}

    def value(where: str, **more: Any) -> dict[str, Any]:
        return {
            "type": "string",
            "description": say(f"{where}.description", "One of them."),
            "default": say(f"{where}.default", "d"),
            "pattern": say(f"{where}.pattern", "^[a-z]+$"),
            "format": say(f"{where}.format", "date"),
            "x-example": say(f"{where}.extension", "e"),
            **more,
        }

    def listed(where: str, format_: str) -> dict[str, Any]:
        inner = {"type": "array", "items": {"type": "string"}, "collectionFormat": say(f"{where}.inner", "pipes")}
        return {"type": "array", "items": inner, "collectionFormat": say(f"{where}.collectionFormat", format_)}

    def parameter(where: str, in_: str, otherwise: str, **more: Any) -> dict[str, Any]:
        return {"name": say(where, otherwise), "in": in_, **value(where, **more)}

    def payload(where: str, **more: Any) -> dict[str, Any]:
        about = say(f"{where}.description", "The body.")
        return {"name": say(where, "body"), "in": "body", "required": True, "description": about, **more}

    def operation(where: str, *parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
        answer = {
            "description": say(f"{where}.response", "Ok."),
            "schema": reference,
            "headers": {say(f"{where}.header", "X-A"): value(f"{where}.header", **listed(f"{where}.header", "ssv"))},
            "examples": {say(f"{where}.example.media", "application/json"): say(f"{where}.example", "v")},
        }
        return {
            "operationId": say(f"{where}.operationId", f"{where}Thing"),
            "summary": say(f"{where}.summary", "Does it."),
            "description": say(f"{where}.description", "Does it well."),
            "tags": [tag],
            "parameters": [*parameters],
            "responses": {"200": answer, say(f"{where}.code", "404"): {"$ref": f"#/responses/{escape(missing)}"}},
            "externalDocs": {"url": say(f"{where}.docs", "https://docs.test")},
            **more,
        }

    item = {
        "parameters": [
            {"name": name, "in": "path", "required": True, **value("path.value")},
            {"$ref": f"#/parameters/{escape(limit)}"},
        ],
        "get": operation(
            "get",
            parameter("query", "query", "q"),
            parameter("query.enum", "query", "e", enum=[say("query.enum.value", "x"), "y"]),
            parameter("query.array", "query", "many[]", required=True, **listed("query.array", "multi")),
            parameter("header", "header", "X-Header", required=True, **listed("header.array", "tsv")),
            parameter("type", "query", "t", type=say("type", "integer")),
            parameter("in", say("in", "query"), "i"),
            security=[{schemes["accessCode"]: [say("scope.asked", "read")]}, {schemes["key"]: []}],
            produces=[say("get.produces", "application/json")],
        ),
        "post": operation("post", payload("body", schema=reference), schemes=[say("post.scheme", "http")]),
        "put": operation(
            "put",
            parameter("file", "formData", "file", type="file", required=True, pattern=say("file.pattern", ".")),
            parameter("part", "formData", "note", required=True),
            parameter("part.array", "formData", "list", **listed("part.array", "csv")),
            consumes=["multipart/form-data", say("put.consumes", "text/plain")],
        ),
        "patch": operation(
            "patch",
            parameter("field", "formData", "note", required=True),
            parameter("field.array", "formData", "list", required=True, **listed("field.array", "pipes")),
            security=[{schemes["application"]: [say("scope.asked", "read")], schemes["basic"]: []}],
        ),
        "delete": operation(
            "delete",
            payload("raw", schema={"type": "string", "description": say("raw.schema", "r")}),
            consumes=[say("raw.consumes", "text/csv")],
        ),
    }
    urls = {
        "authorizationUrl": say("oauth.authorization", "https://login.test/ask"),
        "tokenUrl": say("oauth.url", "https://login.test/token"),
    }
    return {
        "swagger": "2.0",
        "info": {
            "title": say("title", "Hostile"),
            "version": say("version", "1"),
            "description": say("info.description", "d"),
            "contact": {"name": say("contact", "Ann"), "email": say("email", "a@x.test")},
            "license": {"name": say("license", "MIT")},
        },
        "host": say("host", "api.test"),
        "basePath": say("basePath", "/v1"),
        "schemes": [say("schemes", "https")],
        "consumes": [say("consumes", "application/json")],
        "produces": [say("produces", "application/json")],
        "tags": [{"name": tag, "description": say("tag.description", "Things.")}],
        "security": [{schemes["key"]: []}],
        "paths": unique(
            [
                (f"/things{say('path', '')}/{{{name}}}", item),
                (say("path.whole", "/plain"), {"get": {"responses": {}, "summary": say("plain.summary", "Plain.")}}),
                (
                    "/xml",
                    {"post": operation("xml", payload("xml", schema=xml_schema(say)), consumes=["application/xml"])},
                ),
                ("/noted", {"post": operation("noted", {"$ref": f"#/parameters/{escape(note)}"})}),
                ("/reached", {"post": operation("reached", {"$ref": say("reference", "#/x")})}),
            ]
        ),
        "definitions": unique(
            [
                (component, schema(say, "schema", reference["$ref"])),
                (say("component.other", "Other"), {"enum": ["a"]}),
            ]
        ),
        "parameters": unique(
            [
                (limit, parameter("shared.parameter", "query", "limit", type="integer", default=1)),
                (note, payload("shared.body", schema=schema(say, "shared"))),
            ]
        ),
        "responses": {missing: {"description": say("shared.response", "No."), "schema": reference}},
        "securityDefinitions": unique(
            [
                (schemes["basic"], {"type": "basic", "description": say("basic.description", "A user.")}),
                (
                    schemes["key"],
                    {"type": "apiKey", "in": say("scheme.in", "header"), "name": say("scheme.name", "X-Key")},
                ),
                *(
                    (
                        schemes[flow],
                        {
                            "type": "oauth2",
                            "flow": say(f"flow.{flow}", flow),
                            "description": say(f"{flow}.description", "A login."),
                            "scopes": {say(f"{flow}.scope", "read"): say(f"{flow}.scope.description", "Reads.")},
                            **urls,
                        },
                    )
                    for flow in flows
                ),
            ]
        ),
        say("extension", "x-logo"): {"url": say("extension.value", "https://x.test/logo.png")},
    }


VERSIONS = ("2.0", "3.0.3", "3.1.0", "3.2.0")


def written(say: Say, version: str) -> dict[str, Any]:
    return swagger_document(say) if version == "2.0" else document(say, version)


def positions(version: str) -> list[str]:
    """Return the names of all text positions of a version."""
    found: dict[str, None] = {}

    def say(position: str, otherwise: str) -> str:
        found[position] = None
        return otherwise

    written(say, version)
    return list(found)


POSITIONS = {version: positions(version) for version in VERSIONS}


def hostile(seed: int) -> tuple[dict[str, Any], dict[str, str], str]:
    """Return a document, what is hostile in it by position, and the name of its file."""
    random = Random(seed)
    version = random.choice(VERSIONS)
    few = set(random.sample(POSITIONS[version], random.randint(1, 4)))
    share = random.choice([0, 0, 0, 0.05, 0.3, 1])  # of the other positions, how many are hostile too
    said: dict[str, str] = {}

    def say(position: str, otherwise: str) -> str:
        if position not in said:
            if position not in few and random.random() >= share:
                return otherwise
            said[position] = "".join(random.choices(TEXTS, k=random.choice([1, 1, 1, 2, 3])))
        return said[position]

    made = written(say, version)
    return made, said, random.choice(["openapi.json", "openapi.json", "openapi.json", "openapi.yaml"])


# --- what the output may be -------------------------------------------------------------------------------------------

HEADER = re.compile(
    r"# Generated by mcpgen from openapi\.(json|yaml)\. Do not edit\.|# offered without --enable-write-tools"
)
TYPES = {"str", "int", "float", "bool", "list", "dict"}
MARKERS = {
    "Path": "style explode content null nested plain",
    "Query": "style explode allow_reserved content null nested",
    "Header": "style explode content null nested",
    "Cookie": "style explode content null",
    "Json": "null",
    "JsonRest": "null",
    "JsonLines": "null",
    "Xml": "null",
    "Form": "style explode allow_reserved content null nested",
    "Part": "file content style explode headers root null nested",
    "PartHeader": "style explode content null nested",
    "Raw": "base64 null",
}
SCHEMES = {
    "ApiKey": "",
    "Basic": "",
    "OAuth": "token client_id client_secret refresh_token token_url token_url_env openid_url scopes scopes_env grants "
    "client_auth",
}
CALLS = {
    **MARKERS,
    **SCHEMES,
    "Field": "alias description min_length max_length pattern ge le multiple_of json_schema_extra default examples",
    "ConfigDict": "extra validate_by_name",
    "Operation": "id reads headers security server body body_required wrapper xml fixed paging unwrap empty fill",
    "Paging": "limit place more total page_size max_items arguments names",
    "Local": "",
    "About": "title read_only destructive idempotent open_world area name",
    "XmlNode": "name kind xmlns",
    "Service": "name title version package instructions servers security requirements headers",
    "Upstream": "env variables",
    "Variable": "env enum",
}
"""What may be called, and with which keywords."""
INSIDE = {
    "Operation": {"XmlNode", "Paging", *MARKERS},
    "Paging": {*MARKERS},
    "XmlNode": {"XmlNode"},
    "Service": {"Upstream", *SCHEMES},
    "Upstream": {"Variable"},
}
"""The calls that may stand among the arguments of a call, which otherwise are literals."""
IMPORTS = {
    "typing": {"Annotated", "Any", "ClassVar", "Literal", "Union"},
    "pydantic": {"ConfigDict", "Field", "RootModel"},
    ".._runtime": {"About", "Local", "Model", "OneOf", "Operation", "Paging", "Tool", "XmlNode", *MARKERS},
    ".._runtime.search": {"SearchDocs"},
    "._runtime": {"Service", "Upstream", "Variable", "run", *SCHEMES},
    "__future__": {"annotations"},
}
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def code_problems(name: str, text: str) -> Iterator[str]:
    """Yield what in a generated module is more than declarations."""
    try:
        tree = ast.parse(text, name)
    except (SyntaxError, ValueError) as error:
        yield f"does not parse: {error}"
        return
    for token in tokenize.tokenize(io.BytesIO(text.encode()).readline):
        if token.type == tokenize.COMMENT and not HEADER.fullmatch(token.string):
            yield f"a comment: {token.string[:80]!r}"
        elif token.type == tokenize.NAME and not token.string.isascii():
            yield f"a name outside ASCII: {token.string[:80]!r}"
    if unseen := {c for c in text if not c.isprintable() and c != "\n"}:
        yield f"characters that nobody sees: {sorted(map(ascii, unseen))[:5]}"
    known = set(TYPES)
    for statement in tree.body:
        if isinstance(statement, ast.ImportFrom):
            module = "." * statement.level + (statement.module or "")
            names = {a.name for a in statement.names}
            models = re.fullmatch(r"\.\.models\.[a-z][a-z0-9_]*|\.shared", module)
            if not (models or names <= IMPORTS.get(module, set())) or any(a.asname for a in statement.names):
                yield f"an import: {ast.unparse(statement)[:80]}"
            known |= names
        elif isinstance(statement, ast.ClassDef):
            known.add(statement.name)
    for index, statement in enumerate(tree.body):
        if is_text(statement) and index == 0:
            continue
        if isinstance(statement, ast.ClassDef):
            yield from class_problems(statement, known)
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            yield from assignment_problems(statement, {"SERVICE", "TOOLS", "READING"}, known)
        elif not isinstance(statement, ast.ImportFrom):
            yield f"a statement: {ast.unparse(statement)[:80]}"


def is_text(statement: ast.stmt) -> bool:
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def class_problems(class_: ast.ClassDef, known: set[str]) -> Iterator[str]:
    if class_.decorator_list or class_.keywords or len(class_.bases) != 1:
        yield f"a class with more than a base: {class_.name[:80]}"
    for base in class_.bases:
        root = base.value if isinstance(base, ast.Subscript) else base
        if not isinstance(root, ast.Name) or root.id not in ("Tool", "Model", "RootModel", "SearchDocs"):
            yield f"a base: {ast.unparse(base)[:80]}"
        yield from expression_problems(base, known)
    for index, statement in enumerate(class_.body):
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            yield from assignment_problems(statement, None, known)
        elif not isinstance(statement, ast.Pass) and not (is_text(statement) and index == 0):
            yield f"in a class: {ast.unparse(statement)[:80]}"


def assignment_problems(
    statement: ast.Assign | ast.AnnAssign, names: set[str] | None, known: set[str]
) -> Iterator[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    for target in targets:
        if not isinstance(target, ast.Name) or (names is not None and target.id not in names):
            yield f"an assignment to {ast.unparse(target)[:80]}"
    if isinstance(statement, ast.AnnAssign):
        yield from expression_problems(statement.annotation, known)
    if statement.value is not None:
        yield from expression_problems(statement.value, known)


def expression_problems(node: ast.expr, known: set[str]) -> Iterator[str]:
    """Yield what in an expression is more than names that were imported, constants, and calls that declare."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            if inner.id not in known:
                yield f"a name from nowhere: {inner.id[:80]}"
        elif isinstance(inner, ast.Call):
            if not (isinstance(inner.func, ast.Name) and inner.func.id in CALLS):
                yield f"a call: {ast.unparse(inner)[:80]}"
                continue
            for argument in [*inner.args, *(k.value for k in inner.keywords)]:
                if not is_literal(argument, INSIDE.get(inner.func.id, set())):
                    yield f"an argument: {ast.unparse(argument)[:80]}"
            if wrong := {str(k.arg) for k in inner.keywords} - set(CALLS[inner.func.id].split()):
                yield f"keywords of {inner.func.id}: {sorted(wrong)}"
        elif isinstance(inner, ast.BinOp):
            if not isinstance(inner.op, ast.BitOr):
                yield f"an operation: {ast.unparse(inner)[:80]}"
        elif isinstance(inner, ast.UnaryOp):
            if not (isinstance(inner.op, ast.USub) and isinstance(inner.operand, ast.Constant)):
                yield f"an operation: {ast.unparse(inner)[:80]}"
        elif not isinstance(inner, (*PURE, ast.keyword)):
            yield f"an expression: {type(inner).__name__} {ast.unparse(inner)[:80]}"


PURE = (ast.Constant, ast.Tuple, ast.List, ast.Dict, ast.Subscript, ast.expr_context, ast.operator, ast.unaryop)


def is_literal(node: ast.expr, calls: set[str]) -> bool:
    """Tell whether a value consists of constants, and of these calls, which are looked at for themselves."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in calls
    inner = [n for n in ast.iter_child_nodes(node) if isinstance(n, ast.expr)]
    return isinstance(node, LITERAL) and all(is_literal(n, calls) for n in inner)


LITERAL = (ast.Constant, ast.Tuple, ast.List, ast.Dict, ast.UnaryOp)

# --- Markdown: what a reader's program would make of it ---------------------------------------------------------------

_SECTIONS = ("Install", "Clients", "Settings", "Tools", "When something is wrong", "Security")
_CLIENTS = (
    *("Claude Code", "Claude Desktop", "Claude on the web", "ChatGPT", "Cursor", "VS Code", "Gemini CLI"),
    *("Docker, in any of them", "Any other client"),
)
_OURS = (
    "[Model Context Protocol](https://modelcontextprotocol.io)",
    "[TOOLS.md](TOOLS.md)",
    "[uv](https://docs.astral.sh/uv/)",
    "[mcp-remote](https://www.npmjs.com/package/mcp-remote)",
    *(f"[{at}](#{at.lower().replace(' ', '-')})" for at in _SECTIONS),
    "**Use a key of its own for this server**",
    "**Use a client that requires explicit approval for tool calls.**",
    "**Writing tools execute real changes**",
    "Generated by mcpgen from openapi.json. Do not edit.",
    "Generated by mcpgen from openapi.yaml. Do not edit.",
)
_BLOCKS = {
    "README.md": r"<!--  -->|<!-- mcp-name: [a-z0-9./-]+ -->|# [a-z0-9-]+|\| .*\||\|---.*\|"
    rf"|## ({'|'.join(_SECTIONS)})|### ({'|'.join(_CLIENTS)})|[1-4]\. .*|(- |  )[A-Za-z`, ].*|( · *)+",
    "TOOLS.md": r"<!--  -->|# Tools of .*|## .*|### `[A-Za-z0-9_-]{1,64}`|- [0-9]+ (read|write).*|> .*|>|(  )?- `.*"
    r"|- (structured content|a list|the limit|query|body|path|header|pages|of the answer|an answer|result) .*"
    r"|- [^<>]* is .*",
}
"""Lines that begin a block, as the templates have them; all others are paragraphs."""
_DOCKERFILE = "# FROM LABEL WORKDIR COPY COPY RUN USER # HEALTHCHECK ENTRYPOINT".split()
_PARAGRAPH = re.compile(r"(?![#>|<=+`\s-]).*|`--tools`, .*|`[A-Za-z0-9_-]+` .*")


def outside_code(line: str) -> tuple[str, str]:
    """Return a line of Markdown without its code spans and escaped characters, and what is wrong with its backticks."""
    out, index = "", 0
    while index < len(line):
        if line[index] == "\\" and line[index + 1 : index + 2] and not line[index + 1].isalnum():
            index += 2
        elif line[index] == "`":
            run = re.match(r"`+", line[index:])
            assert run is not None
            end = re.search(rf"(?<!`)`{{{len(run[0])}}}(?!`)", line[index + len(run[0]) :])
            if end is None:
                return out, "a backtick that opens nothing"
            index += len(run[0]) + end.end()
        else:
            out += line[index]
            index += 1
    return out, ""


def is_snippet(language: str, lines: list[str]) -> bool:
    """Tell whether a fenced block is what it says: JSON, commands of ours, or lines of text."""
    try:
        if language == "```json":
            return json.loads("\n".join(lines)).keys() <= {"mcpServers", "servers", "inputs"}
        if language == "```sh":
            words = [shlex.split(line, comments=True) for line in lines]
            told = all(" # " not in line or MARK not in line.split(" # ")[1] for line in lines)
            return told and all(w[0] in ("claude", "docker", "export", "pip") or w[0].endswith("mcp") for w in words)
        return language == "```text" and not any("<" in line for line in lines)
    except ValueError:
        return False


def markdown_problems(name: str, text: str) -> Iterator[str]:
    if unseen := {c for c in text if not c.isprintable() and c != "\n"}:
        yield f"characters that nobody sees: {sorted(map(ascii, unseen))[:5]}"
    fence: list[str] | None = None
    columns = 0
    for line in text.split("\n"):
        for ours in _OURS:
            line = line.replace(ours, "")
        if line.startswith("```") and fence is None:
            fence = [line]
            continue
        if fence is not None:
            fence.append(line)
            if line.startswith("```"):
                if name != "README.md" or not is_snippet(fence[0], fence[1:-1]) or line != "```":
                    yield f"a fence: {fence!r}"
                fence = None
            continue
        if line and not re.fullmatch(_BLOCKS[name], line) and not _PARAGRAPH.fullmatch(line):
            yield f"a line of its own: {line[:80]!r}"
        if re.fullmatch(r"<!-- (mcp-name: [a-z0-9./-]+)? ?-->", line):
            continue
        plain, wrong = outside_code(line)
        if wrong:
            yield f"{wrong}: {line[:120]!r}"
        quoted = plain.startswith("> ")
        plain = plain.removeprefix("> ") if plain != ">" else ""
        if quoted and re.match(r"[-+=]", plain) and not line.startswith("> \\"):
            yield f"a block in a quotation: {line[:120]!r}"
        if found := re.search(r"[<\[\]*]|://|www\.|&(?!(lt|gt|amp|#47|#46);)|>", plain):
            yield f"markup {found[0]!r}: {line[:120]!r}"
        if line.startswith("|"):
            cells = plain.count("|")
            columns = cells if "---" in line or columns == 0 else columns
            if cells != columns and "---" not in line:
                yield f"a table row of {cells} bars among rows of {columns}: {line[:120]!r}"
        else:
            columns = 0
    if fence is not None:
        yield f"a fence without an end: {fence!r}"


_TEXT = r'"(\\.|[^"\\])*"'
_YAML = re.compile(rf" *({_TEXT}:|-)( ({_TEXT}|-?[0-9][0-9.eE+-]*|true|false|null|\{{\}}|\[\]))?")


def yaml_problems(text: str) -> Iterator[str]:
    """Yield what in `contract.yaml` is more than keys and values as JSON has them."""
    header, *lines, end = text.split("\n")
    if end or not HEADER.match(header):
        yield f"not the template: {header[:80]!r}"
    for line in lines:
        if not line.isprintable() or not _YAML.fullmatch(line):
            yield f"a line of its own: {line[:80]!r}"


# --- the whole folder -------------------------------------------------------------------------------------------------

RUNTIME = {p.name: p.read_bytes() for p in (templates() / "runtime").glob("*.py")}
FIXED = [
    r"\.gitignore|\.gitattributes|\.mcpgen\.json|\.mcpgen\.stamp|Dockerfile|README\.md|TOOLS\.md|left-out\.json"
    r"|pyproject\.toml|server\.json|contract\.yaml|tests/(evals\.json|test_tools\.py)",
    r"[a-z][a-z0-9_]*_mcp/((__init__|__main__|service)\.py|py\.typed|(tools|docs)\.json)",
    r"[a-z][a-z0-9_]*_mcp/_runtime/[a-z_]+\.(py|typed)",
    r"[a-z][a-z0-9_]*_mcp/_runtime/py\.typed",
    r"[a-z][a-z0-9_]*_mcp/(tools|models)/[a-z_][a-z0-9_]*\.py",
]


def output_problems(folder: Path) -> Iterator[str]:
    """Yield what is wrong with a server that was built."""
    (package,) = (p.name for p in folder.iterdir() if p.name.endswith("_mcp"))
    prefix = package.removesuffix("mcp").upper()
    for stated in json.loads((folder / "server.json").read_bytes())["packages"][0]["environmentVariables"]:
        if not re.fullmatch(rf"{prefix}[A-Z0-9_]+", stated["name"]):
            yield f"server.json: reads a variable that is not its own: {stated['name'][:80]!r}"
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir():
            continue
        if path.is_symlink() or not any(re.fullmatch(p, name) for p in FIXED):
            yield f"{name[:80]}: a file of no template"
            continue
        text = path.read_bytes().decode()
        if "/_runtime/" in name:
            if path.suffix == ".py" and path.read_bytes() != RUNTIME[path.name]:
                yield f"{name}: not the runtime"
        elif name == "tests/test_tools.py" or name.endswith("/__main__.py"):
            yield from (f"{name}: {p}" for p in fixed_problems(path.name, text, package))
        elif name.endswith(".py"):
            yield from (f"{name}: {p}" for p in code_problems(name, text))
        elif name.endswith(".json"):
            yield from (f"{name}: {p}" for p in json_problems(text))
        elif name == "contract.yaml":
            yield from (f"{name}: {p}" for p in yaml_problems(text))
        elif name.endswith(".toml"):
            try:
                stated = tomllib.loads(text)
            except tomllib.TOMLDecodeError as error:
                yield f"{name}: does not parse: {error}"
                continue
            if set(stated) != {"build-system", "project", "tool"} or set(stated["tool"]) != {
                "hatch",
                "mypy",
                "ruff",
                "pytest",
            }:
                yield f"{name}: more than the template: {sorted(stated)}"
        elif name.endswith(".md"):
            yield from (f"{name}: {p}" for p in markdown_problems(name, text))
        elif name == "Dockerfile":
            words = [line.split(" ")[0] for line in text.splitlines()]
            if words != _DOCKERFILE or MARK in text:
                yield f"{name}: not the template: {words}"
        elif MARK in text:
            yield f"{name}: holds the mark"


def fixed_problems(name: str, text: str, package: str) -> Iterator[str]:
    """Yield how a module that no text of the document belongs in differs from its template."""
    source = next((templates() / "server").rglob(f"{name}.j2")).read_text(encoding="utf-8")
    wanted = ast.parse(source.replace("{{ plan.package }}", package).replace("{{ plan.trial_environment }}", "{}"))
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ENVIRONMENT":
            environment = ast.literal_eval(node.value)
            for key, value in environment.items():
                if not re.fullmatch(r"[A-Z][A-Z0-9_]*", key) or value not in ("x", "http://127.0.0.1:9"):
                    yield f"an environment variable {key[:80]!r}: {value[:80]!r}"
            node.value = ast.Dict(keys=[], values=[])
    comments = [t.string for t in tokenize.tokenize(io.BytesIO(text.encode()).readline) if t.type == tokenize.COMMENT]
    if len(comments) != 1 or not HEADER.fullmatch(comments[0]):
        yield f"comments: {comments}"
    if sorted(map(ast.dump, tree.body)) != sorted(map(ast.dump, wanted.body)):
        yield "not its template"


def json_problems(text: str) -> Iterator[str]:
    try:
        value = json.loads(text)
    except ValueError as error:
        yield f"does not parse: {error}"
        return
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:
        yield f"no client could be sent this: {error}"
    if unseen := {c for c in text if not c.isprintable() and c != "\n"}:
        yield f"characters that nobody sees: {sorted(map(ascii, unseen))[:5]}"


# --- importing it -----------------------------------------------------------------------------------------------------

PROBE = r'''
import importlib, importlib.util, json, os, pyexpat, re, sys, warnings
from pathlib import Path

warnings.simplefilter("ignore")
import jsonschema, mcp, mcp.server, pydantic, pytest, email.message, httpx2  # what any server imports, once

NEVER = ("subprocess.", "socket.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.remove",
         "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.chown", "os.truncate",
         "os.putenv", "os.kill", "shutil.", "ctypes.", "tempfile.", "urllib.", "ftplib.", "smtplib.", "pty.",
         "sys.addaudithook", "code.__new__", "marshal.loads", "pickle.", "webbrowser.", "glob.")
seen, here = [], ""

def hook(event, args):
    if not here:
        return
    if event == "open":
        path, mode, flags = args
        writing = (isinstance(mode, str) and any(c in mode for c in "wax+")) or (
            isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if writing:
            seen.append(f"open {path!r} {mode}")
    elif event in ("exec", "compile"):
        frame = sys._getframe(1)
        if frame.f_code.co_filename.startswith(here) and "/_runtime/" not in frame.f_code.co_filename:
            seen.append(f"{event} {str(args[0])[:80]}")
    elif event.startswith(NEVER) and event != "marshal.loads":
        seen.append(f"{event} {str(args)[:80]}")

sys.addaudithook(hook)

def probe(folder):
    global here
    problems = []
    before = set(os.listdir("."))
    files = {str(p) for p in Path(folder).rglob("*")}
    package = next(p.name for p in Path(folder).iterdir() if p.name.endswith("_mcp"))
    old = set(sys.modules)
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    seen.clear()
    here = folder
    try:
        for path in sorted(Path(folder).rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            name = ".".join(parts).removesuffix(".__init__")
            try:
                importlib.import_module(name)
            except BaseException as error:
                problems.append(f"import {name}: {type(error).__name__}: {str(error)[:200]}")
        if not problems:
            problems += [*service(package), *tools(folder, package)]
    except BaseException as error:
        problems.append(f"{type(error).__name__}: {str(error)[:200]}")
    finally:
        here = ""
        sys.path.remove(folder)
        for name in set(sys.modules) - old:
            if name.partition(".")[0] in (package, "tests"):
                del sys.modules[name]
    problems += [f"audit: {event}" for event in seen]
    problems += [f"a file appeared: {n}" for n in set(os.listdir(".")) - before]
    problems += [f"a file appeared: {n}" for n in {str(p) for p in Path(folder).rglob("*")} - files]
    return problems

def service(package):
    """Every base URL has its variables, and a client's secret goes nowhere in the open."""
    module, said = (importlib.import_module(f"{package}.{n}") for n in ("_runtime.service", "service"))
    for upstream in said.SERVICE.servers.values():
        named = set(re.findall(r"\{([^{}]*)\}", upstream.url))
        if named != {v.name for v in upstream.variables} or not re.match(r"https?://|\{|$", upstream.url):
            yield f"service: the base URL {upstream.url[:80]!r}"
    for scheme in said.SERVICE.security.values():
        url = getattr(scheme, "token_url", "") or getattr(scheme, "openid_url", "")
        if url and not module.is_private(url):
            yield f"service: the token URL {url[:80]!r}"

# What the fifth edition of XML 1.0 lets into names; the reader in Python knows the fourth.
NAMING = re.compile("[\xc0-\xd6\xd8-\xf6\xf8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f"
                    "\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff]")

def plain(text):
    return NAMING.sub(lambda match: f"x{ord(match[0]):x}", text)

def body_problems(operation, bindings, sent):
    """What of the document stands in a body beyond its place."""
    kind, body = dict(sent.headers).get("Content-Type", b"").decode("latin-1"), sent.body or b""
    if kind.startswith("multipart/"):
        markers = [marker for _, marker in bindings]
        known = {h.lower() for m in markers for h, _ in getattr(m, "headers", ())} | {"content-type"}
        known |= {m.name.lower() for m in markers if type(m).__name__ == "PartHeader"}
        boundary = b"--" + kind.rpartition("boundary=")[2].encode()
        parts = body.split(boundary)
        if parts[0] or parts[-1] != b"--\r\n":
            yield f"its parts are not told apart: {kind!r}"
        for part in parts[1:-1]:
            first, *rest = part.partition(b"\r\n\r\n")[0].decode().removeprefix("\r\n").split("\r\n")
            if not re.fullmatch(r'Content-Disposition: form-data; name="[^"\r\n]*"(; filename="[^"\r\n]*")?', first):
                yield f"a part begins {first!r}"
            for line in rest:
                if line.partition(": ")[0].lower() not in known or re.search("[\0-\x08\x0a-\x1f\x7f]", line):
                    yield f"the header of a part {line!r}"
    if operation.xml is not None:
        names, declared, todo = set(), set(), [operation.xml]
        while todo:
            node = todo.pop()
            names.add(plain(node.name))
            declared |= {(plain(f"xmlns:{prefix}" if prefix else "xmlns"), plain(uri)) for prefix, uri in node.xmlns}
            todo += node.inside
        strange = []
        def start(name, attributes):
            spaces = {n: v for n, v in attributes.items() if re.match("xmlns(:|$)", n)}
            strange.extend([*(spaces.items() - declared), *({name, *attributes} - spaces.keys() - names)])
        reader = pyexpat.ParserCreate()
        reader.StartElementHandler = start
        try:
            reader.Parse(plain(body.decode()), True)
            pyexpat.ParserCreate(namespace_separator="\n").Parse(plain(body.decode()), True)
        except pyexpat.ExpatError as error:
            yield f"its body is no XML: {error}: {body[:200]!r}"
        if strange:
            yield f"its XML has {strange[:3]}"

def tools(folder, package):
    """The declaration of every tool is its contract; an example of its arguments becomes a request, or is refused."""
    tool = importlib.import_module(f"{package}._runtime.tool")
    wire = importlib.import_module(f"{package}._runtime.wire")
    load = importlib.import_module(f"{package}._runtime.server").load_tool
    places = importlib.import_module(f"{package}.tools").TOOLS
    entries = json.loads((Path(folder) / package / "tools.json").read_bytes())["tools"]
    evals = json.loads((Path(folder) / "tests" / "evals.json").read_bytes())
    examples = {e["tool"]: e["arguments"] for e in evals if "arguments" in e}
    if sorted(places) != sorted(e["name"] for e in entries):
        yield "tools.json and TOOLS differ"
        return
    for entry in entries:
        name, schema = entry["name"], entry["inputSchema"]
        try:
            contract = tool.Contract(load(package, places[name]), schema)
            if not issubclass(contract.tool, tool.Tool):
                contract.check({"query": "a"})
                continue
            if {key for key, _ in contract.bindings} != set(schema["properties"]):
                yield f"tool {name}: its arguments are not those of tools.json"
            if name in examples:
                arguments = contract.check(examples[name])
                bindings = [b for b in contract.bindings if not isinstance(b[1], tool.Local)]
                for number, (target, value) in enumerate(contract.tool.OPERATION.fixed):
                    if not isinstance(target, str):
                        bindings.append((f"\0{number}", target))
                        arguments = {**arguments, f"\0{number}": value}
                sent = wire.build(contract.tool.OPERATION, bindings, arguments)
                head = [sent.path, *sent.query, *sent.cookies, *(n for n, _ in sent.headers)]
                head += [value.decode("latin-1") for _, value in sent.headers]
                for problem in body_problems(contract.tool.OPERATION, contract.bindings, sent):
                    yield f"tool {name}: {problem}"[:400]
                if any(c in text for text in head for c in "\r\n\0"):
                    yield f"tool {name}: a line break or NUL in the head of the request: {head!r}"[:300]
                if "%7B" in sent.path or "{" in contract.tool.OPERATION.path.partition("?")[2]:
                    yield f"tool {name}: a variable of the path is not filled: {sent.target[:80]!r}"
                if not sent.target.startswith("/") or not sent.target.isascii() or " " in sent.target:
                    yield f"tool {name}: the target {sent.target[:80]!r}"
        except tool.InvalidArguments as error:
            yield f"tool {name}: its example is refused: {str(error)[:200]}"
        except BaseException as error:
            yield f"tool {name}: {type(error).__name__}: {str(error)[:200]}"

print("ready", flush=True)
for line in sys.stdin:
    print(json.dumps(probe(json.loads(line))), flush=True)
'''


class Prober:
    """A subprocess that imports servers, one after another, under an audit hook."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._used = folder, 0
        self._process: subprocess.Popen[str] | None = None
        self.cwd = folder / "empty"
        self.cwd.mkdir()
        (folder / "probe.py").write_text(PROBE, encoding="utf-8")

    def probe(self, server: Path) -> list[str]:
        if self._process is None or self._used >= 300:
            self.close()
            self._process = subprocess.Popen(
                [sys.executable, "-B", str(self._folder / "probe.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=self.cwd,
                text=True,
            )
            assert self._process.stdout is not None
            assert self._process.stdout.readline() == "ready\n"
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._used += 1
        self._process.stdin.write(json.dumps(str(server)) + "\n")
        self._process.stdin.flush()
        said = self._process.stdout.readline()
        return (
            list(json.loads(said)) if said.startswith("[") else [f"the import wrote to stdout, or ended: {said[:200]}"]
        )

    def close(self) -> None:
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait(10)
        self._process, self._used = None, 0


# --- the test ---------------------------------------------------------------------------------------------------------

LOCATED = re.compile(r"error: \S*openapi\.(json|yaml)(:\d+:\d+)?: .*", re.DOTALL)


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in what takes longer."""

    def ring(*_: object) -> None:
        raise TimeoutError(f"not done after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


SHAPED = config.Config(
    paging=config.PagingPolicy(),
    results=config.Results(unwrap=True, output_schemas=True, empty="Done."),
    arguments=config.Arguments(pin_single_values=True, bracket_lists=True),
    search=config.Search(name="search_the_docs"),
    describe=config.Describe(writes="{text} Ask first."),
    headers={"User-Agent": "fuzz"},
    collapse_twins=True,
)
"""What looks into every corner of a document that nothing of mcpgen.toml names."""
PLAIN = config.Config()


def build_problems(
    source: Path, out: Path, prober: Prober, tally: Counter[str], stated: config.Config | None = None
) -> Iterator[str]:
    """Build one document, with a configuration or without, and yield what should not be."""
    started = time.monotonic()
    with (
        at_most(4 * SECONDS),
        warnings.catch_warnings(record=True) as warned,
        patch("mcpgen.config.Config", lambda: stated or PLAIN),
    ):
        warnings.simplefilter("always")
        done = CliRunner(env={"MCPGEN_DEBUG": "1"}).invoke(main, ["build", "--spec", str(source), "--out", str(out)])
    seconds = time.monotonic() - started
    for category in {w.category for w in warned}:
        yield f"Python's {category.__name__} goes to the terminal"
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        yield f"traceback: {type(done.exception).__name__}: {str(done.exception)[:300]}"
        tally["failed"] += 1
        return
    if seconds > SECONDS:
        yield f"slow: {seconds:.1f} s"
    if unseen := {c for c in done.output if not c.isprintable() and c != "\n"}:
        yield f"the terminal is sent {sorted(map(ascii, unseen))[:5]}"
    if done.exit_code == 2:
        tally["refused"] += 1
        if "error: " not in done.stderr or not LOCATED.match(done.stderr):
            yield f"refused without a place: {done.stderr[:300]}"
        if out.exists():
            yield "refused, and something was written"
        return
    if done.exit_code != 0:
        yield f"exit code {done.exit_code}: {done.output[:300]}"
        return
    tally["built"] += 1
    for left in json.loads((out / "left-out.json").read_text(encoding="utf-8")):
        tally["operations left out"] += 1
        if not left["pointer"].startswith("#/") or not left["reason"]:
            yield f"left out without a place or reason: {left}"
    tally["tools"] += len(json.loads(next(out.glob("*_mcp/tools.json")).read_bytes())["tools"])
    yield from output_problems(out)
    yield from prober.probe(out)


def signature(problem: str) -> str:
    """Return a problem without what differs between two documents that have it."""
    problem = re.sub(r"^[a-z0-9_]*_mcp/", "", re.sub(r"^tool \S+", "tool", problem))
    return re.sub(r"(?<=: )['\"<\[].*|0x[0-9a-f]+|\d+", "_", problem)[:90]


@pytest.fixture(scope="module")
def prober(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prober]:
    made = Prober(tmp_path_factory.mktemp("prober"))
    yield made
    made.close()


def test_hostile_documents(tmp_path: Path, prober: Prober) -> None:
    """No text of a document becomes code, markup, a path, a fetch or a traceback."""
    found: defaultdict[str, list[tuple[int, str, dict[str, str]]]] = defaultdict(list)
    tally: Counter[str] = Counter()

    @settings(
        max_examples=COUNT,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 2**64))
    def attack(seed: int) -> None:
        made, said, name = hostile(seed)
        version, tools = made.get("swagger") or made["openapi"], tally["tools"]
        tally["documents"] += 1
        tally[version] += 1
        home = tmp_path / "one"
        home.mkdir()
        source = home / name
        source.write_text(json.dumps(made), encoding="utf-8")
        try:
            shaped = SHAPED if seed % 3 == 0 else None
            tally["shaped"] += shaped is not None
            for problem in set(build_problems(source, home / "out", prober, tally, shaped)):
                found[signature(problem)].append((len(said), problem, said))
                keep = os.environ.get("MCPGEN_HOSTILE_KEEP")
                if keep and len(found[signature(problem)]) == 1:
                    shutil.copy(source, Path(keep, f"{len(found)}-{name}"))
            tally[f"{version} with tools"] += tally["tools"] > tools
            tally["files outside"] += len(list(home.iterdir())) - 1 - (home / "out").exists()
        finally:
            shutil.rmtree(home)

    started = time.monotonic()
    attack()
    print(f"{dict(tally)}, {time.monotonic() - started:.0f} s")
    assert tally["files outside"] == 0
    assert not list(prober.cwd.iterdir())
    assert not list(Path.cwd().glob(f"*{MARK}*"))
    if found:
        lines = [f"{dict(tally)}"]
        for problems in sorted(found.values(), key=len, reverse=True):
            _, problem, said = min(problems, key=lambda p: (p[0], len(str(p[2]))))
            lines.append(
                f"\n{len(problems)} times: {problem}\n   with { ({k: v[:120] for k, v in said.items()})!r}"[:1500]
            )
        pytest.fail("\n".join(lines), pytrace=False)
    for version in VERSIONS:  # most documents must come through for this to say anything
        assert tally[f"{version} with tools"] > tally[version] / 2, (version, tally)


@pytest.mark.parametrize("version", VERSIONS)
def test_positions(version: str, tmp_path: Path, prober: Prober) -> None:
    """As they are, the documents lose nothing but what a reference to nothing costs, so that every text gets far."""
    made = written(lambda _, otherwise: otherwise, version)
    (tmp_path / "openapi.json").write_text(json.dumps(made), encoding="utf-8")
    tally: Counter[str] = Counter()
    assert not list(build_problems(tmp_path / "openapi.json", tmp_path / "out", prober, tally))
    assert tally["operations left out"] == 1
    evals = json.loads((tmp_path / "out" / "tests" / "evals.json").read_bytes())
    assert tally["tools"] == sum("arguments" in e for e in evals)
    package = tmp_path / "out" / "hostile_mcp"
    source = "".join(p.read_text(encoding="utf-8") for p in [package / "service.py", *package.glob("tools/*.py")])
    new = {"XmlNode", "Xml", "OAuth", *(["Basic"] if version == "2.0" else ["JsonLines", "PartHeader"])}
    assert new <= set(re.findall(r"\b(\w+)\(", source))


# --- what takes a document of its own ---------------------------------------------------------------------------------


BUILDER = """
import json, os, resource, signal, sys, time
from click.testing import CliRunner
from mcpgen.cli import main

def ring(*_):
    raise TimeoutError("not done after 5 s")

resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
signal.signal(signal.SIGALRM, ring)
for number, (name, document) in enumerate(json.load(sys.stdin)):
    folder = str(number)
    os.mkdir(folder)
    with open(os.path.join(folder, name), "w") as file:
        file.write(json.dumps(document))
    signal.alarm(5)
    command = ["build", "--spec", os.path.join(folder, name), "--out", os.path.join(folder, "out")]
    done = CliRunner(env={"MCPGEN_DEBUG": "1"}).invoke(main, command)
    signal.alarm(0)
    error = done.exception
    failed = "" if error is None or isinstance(error, SystemExit) else f"{type(error).__name__}: {error}"[:300]
    print(json.dumps([done.exit_code, failed, done.output]), flush=True)
"""


def one_parameter(**stated: Any) -> dict[str, Any]:
    """Return a document of one operation whose one required parameter has this schema."""
    parameter = {"name": "q", "in": "query", "required": True, "schema": stated}
    operation = {"operationId": "ask", "parameters": [parameter], "responses": {}}
    return {"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": {"/a": {"get": operation}}}


def refers(reference: str) -> dict[str, Any]:
    made = one_parameter(type="string")
    made["paths"]["/b"] = {"$ref": reference}
    return made


def chain(length: int, link: Callable[[dict[str, str]], dict[str, Any]]) -> dict[str, Any]:
    """Return a document of schemas each of which names the next one several times."""
    to = [{"$ref": f"#/components/schemas/S{n}"} for n in range(length + 1)]
    made = one_parameter(**to[0])
    schemas: dict[str, Any] = {f"S{n}": link(to[n + 1]) for n in range(length)}
    return {**made, "components": {"schemas": {**schemas, f"S{length}": {"type": "string"}}}}


def both_ways(following: dict[str, str]) -> dict[str, Any]:
    inner = {"type": "object", "properties": {"q": following}}
    return {"allOf": [{"oneOf": [following, inner]}, {"oneOf": [following, {"type": "object"}]}]}


FILE_NAME = f"a\n{MARK} = __import__('os').system('true')\n#`<b>.json"
ALONE: dict[str, tuple[str, dict[str, Any]]] = {
    "file name": (FILE_NAME, one_parameter(type="string")),
    **{
        name: ("openapi.json", one_parameter(**stated))
        for name, stated in {
            "long text": {"type": "string", "minLength": 10**10},
            "long array": {"type": "array", "items": {"type": "string"}, "minItems": 10**10},
            "slow pattern": {"type": "string", "pattern": "(x+x+)+y", "minLength": 40},
            "named group": {"type": "string", "pattern": "(?<year>[0-9]{4})"},
            "nested pattern": {"type": "string", "pattern": "(" * 500 + "a" + ")" * 500},
            "large pattern": {"type": "string", "pattern": "a{1,60000}{1,60000}"},
            "huge integer": {"type": "integer", "minimum": 10**400},
            "tiny step": {"type": "number", "multipleOf": 1e-320, "minimum": 1e308},
        }.items()
    },
    **{
        name: ("openapi.json", refers(reference))
        for name, reference in {
            "long reference": "a" * 300,
            "NUL in a reference": "a\0b.yaml",
            "NUL in an escaped reference": "%00",
            "reference of many steps": "a/" * 5000 + "b#/c",
            "line break in a reference": "\n#/x",
            "reference to a device": "/dev/zero",
            "reference to a URL": "file:///etc/passwd",
        }.items()
    },
    "properties of properties": (
        "openapi.json",
        chain(60, lambda to: {"type": "object", "properties": {"a": to, "b": to, "c": to}}),
    ),
    "unions of lists": ("openapi.json", chain(30, lambda to: {"anyOf": [to, {"type": "array", "items": to}]})),
    "tuples of tuples": ("openapi.json", chain(30, lambda to: {"type": "array", "prefixItems": [to, to]})),
    "unions in allOf": ("openapi.json", chain(8, both_ways)),
}
"""name: file name, document: what costs the build its memory, its time or its composure."""


@pytest.fixture(scope="module")
def built_alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, int, str, str]]:
    """Build all of ALONE in a process that has 2 GB, and 5 s for each: folder, exit code, exception, output."""
    folder = tmp_path_factory.mktemp("alone")
    done = subprocess.run(
        [sys.executable, "-c", BUILDER],
        input=json.dumps(list(ALONE.values())),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == len(ALONE), done.stderr[-500:]
    return {name: (folder / str(n), *line) for n, (name, line) in enumerate(zip(ALONE, lines, strict=True))}


@pytest.mark.parametrize("name", ALONE)
def test_alone(name: str, built_alone: dict[str, tuple[Path, int, str, str]]) -> None:
    """A limit, a pattern, a reference or a file name: the build succeeds, or refuses with the place."""
    folder, code, failed, output = built_alone[name]
    assert not failed
    assert code in (0, 2), output
    if code == 2:
        assert name == "file name" or re.search(r"openapi\.json:\d+:\d+: ", output), output
        assert "reference" in name or name == "file name", "no reason to refuse the whole document"
    elif name == "file name":
        tomllib.loads((folder / "out" / "pyproject.toml").read_text(encoding="utf-8"))
        for path in (folder / "out" / "t_mcp").glob("*.py"):
            assert f"\n{MARK} = " not in path.read_text(encoding="utf-8"), path.name
        for path in (folder / "out").glob("*.md"):
            assert "<b>" not in path.read_text(encoding="utf-8"), path.name


# --- does it look? ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "import os",
        "from os import path",
        "from .._runtime import Tool, run",
        "x = 1",
        "print('x')",
        "class A(Tool):\n    x: str = __import__('os')",
        "class A(Tool):\n    x: Annotated[str, Field(default_factory=list)]",
        "class A(Tool):\n    def f(self): ...",
        "class A(Tool, metaclass=M):\n    pass",
        "class A(object):\n    pass",
        "class A(Model):\n    x: f'{str}'",
        "class A(Model):\n    x: str.mro",
        "class A(Tool):\n    x: Annotated[str, Query(str)]",
        "class A(Tool):\n    x: Annotated[str, Query('x', xml='y')]",
        "class A(Tool):\n    x: Annotated[str, Query(XmlNode('x'))]",
        "class A(Tool):\n    x: Annotated[str, Query(*('x', 'y'))]",
        "class A(Tool):\n    x = Operation('a', xml=XmlNode(Query))",
        "class A(Tool):\n    x = Operation('a', xml=XmlNode(Query('a')))",
        "class A(Tool):\n    x = Operation('a', xml=XmlNode('a', XmlNode('b', name=f'c')))",
        "class A(Tool):\n    x = Operation('a', xml=XmlNode('a', **{'kind': 'text'}))",
        "class A(Model):\n    x: zqEVILx",
        "class A(Model):\n    '''text'''\n    '''more'''",
        "# zqEVILx",
        "'\u202e'",
        "'text'\n'more'",
        "TOOLS = [x for x in ()]",
        "if True: pass",
        "TOOLS = (",
    ],
)
def test_code_that_is_seen(source: str) -> None:
    known = "from .._runtime import Model, Operation, Query, Tool, XmlNode\n"
    known += "from typing import Annotated\nfrom pydantic import Field\n"
    assert list(code_problems("x.py", source if source.startswith("'text") else known + source))


@pytest.mark.parametrize(
    "text",
    [
        "<b>x",
        "[x](y)",
        "see `a`b`",
        "http://x",
        "> > x",
        "> - x",
        "# x",
        "  x",
        "| a |\n|---|\n| a | b |",
        "`a\nb`",
        "```python",
        "\u202e",
        "&copy;",
    ],
)
def test_markup_that_is_seen(text: str) -> None:
    assert list(markdown_problems("TOOLS.md", text))


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("open('made', 'w')", "audit: open"),
        ("import os; os.system('true')", "audit: os.system"),
        ("import subprocess; subprocess.run(['true'])", "audit: subprocess"),
        ("import socket; socket.socket()", "audit: socket"),
        ("exec('x = 1')", "audit: compile"),
        ("1/0", "ZeroDivisionError"),
    ],
)
def test_effects_that_are_seen(source: str, seen: str, prober: Prober, tmp_path: Path) -> None:
    (tmp_path / "x_mcp").mkdir()
    (tmp_path / "x_mcp" / "__init__.py").write_text(source, encoding="utf-8")
    said = prober.probe(tmp_path)
    assert any(seen in problem for problem in said), said
    for made in prober.cwd.iterdir():
        made.unlink()


# --- names that Python, pydantic or the generator keep for themselves -------------------------------------------------

WORDS = sorted(
    {
        *keyword.kwlist,
        *keyword.softkwlist,
        *dir(BaseModel),
        *"True False None true none BaseModel DocumentRoot Model Tool Operation OPERATION Any Literal".split(),
        *"Annotated Union".split(),
        *"ClassVar ConfigDict Field RootModel Path Query Header".split(),
        *"Cookie Json JsonRest Form Part Raw Enum Optional".split(),
        *"str int list dict bool float object type Self shared tools models custom main service runtime init".split(),
        *"$ref $id $schema $defs enum const default title items root x-null".split(),
        *"a.b a/b a~1b a%20b a#b a:b - _ __ 0 1a".split(),
        *("a b", "a\nb", "a\\b", "a'b", 'a"b', "é", "日本", "\N{KELVIN SIGN}", "ﬁ", "x" * 300),
    }
)


def of_components() -> dict[str, Any]:
    uses = {f"p{n}": {"$ref": f"#/components/schemas/{quote(escape(word))}"} for n, word in enumerate(WORDS)}
    made = of_arguments(uses)
    schemas = {w: {"type": "object", "properties": {"a": {"type": "string"}, "b": uses["p0"]}} for w in WORDS}
    return {**made, "components": {"schemas": schemas}}


def of_arguments(properties: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties}
    body = {"content": {"application/json": {"schema": schema}}}
    operation = {"operationId": "send", "responses": {}, "requestBody": body}
    return {"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": {"/a": {"post": operation}}}


def of_operations() -> dict[str, Any]:
    made = of_arguments({})
    made["paths"] = {f"/{n}": {"get": {"operationId": w, "tags": [w], "responses": {}}} for n, w in enumerate(WORDS)}
    return made


@pytest.mark.parametrize(
    ("made", "tools"),
    [
        pytest.param(of_components(), 1, id="components"),
        pytest.param(of_arguments({w: {"type": "string", "enum": [w, "b"]} for w in WORDS}), 1, id="arguments"),
        pytest.param(
            of_arguments({"thing": {"type": "object", "properties": {w: {"type": "string"} for w in WORDS}}, "b": {}}),
            1,
            id="properties",
        ),
        pytest.param(of_operations(), len(WORDS), id="operations"),
    ],
)
def test_names(made: dict[str, Any], tools: int, tmp_path: Path, prober: Prober) -> None:
    """Any word may be the name of anything."""
    (tmp_path / "openapi.json").write_text(json.dumps(made), encoding="utf-8")
    tally: Counter[str] = Counter()
    assert not list(build_problems(tmp_path / "openapi.json", tmp_path / "out", prober, tally))
    assert tally["tools"] == tools


def of_texts() -> dict[str, Any]:
    """Return a document in which every text has every position of an operation once."""
    made = of_arguments({})
    made["paths"] = {}
    for n, text in enumerate(TEXTS):
        inner = {"type": "object", "description": text, "properties": {"a": {"type": "string", "description": text}}}
        schema = {"type": "object", "properties": {"o": inner, "e": {"type": "string", "enum": [text, "other"]}}}
        made["paths"][f"/t{n}"] = {
            "get": {"operationId": f"described{n}", "tags": [f"t{n}"], "description": text, "responses": {}},
            "put": {"operationId": f"summed{n}", "tags": [f"t{n}"], "summary": text, "responses": {}},
            "post": {
                "operationId": f"asked{n}",
                "tags": [f"t{n}"],
                "parameters": [{"name": "q", "in": "query", "description": text, "schema": {"type": "string"}}],
                "requestBody": {"content": {"application/json": {"schema": schema}}},
                "responses": {},
            },
        }
    made["tags"] = [{"name": f"t{n}", "description": text} for n, text in enumerate(TEXTS)]
    return made


def test_every_text(tmp_path: Path, prober: Prober) -> None:
    """Each hostile text as it is, in the positions that become code and Markdown."""
    (tmp_path / "openapi.json").write_text(json.dumps(of_texts()), encoding="utf-8")
    tally: Counter[str] = Counter()
    assert not list(build_problems(tmp_path / "openapi.json", tmp_path / "out", prober, tally))
    assert tally["tools"] == 3 * len(TEXTS)


@pytest.mark.parametrize(
    "path",
    [
        *("/x?y={z}", "/x?y={z}&v={v}", "/x/{z/b}", "/x/{}", "/x/{{z}}", "/x/{z", "/x/../{z}", "/x/%2e%2e/{z}", "/x/."),
        *("/x%2f..%2fy/{z}", "/x/%252e%252e/{z}", "/x\\..\\y/{z}"),
    ],
)
def test_paths_that_cannot_be_filled(path: str, tmp_path: Path, prober: Prober) -> None:
    """Such an operation is left out with its place, or it works; a tool that cannot be called is neither."""
    made = of_arguments({})
    names = sorted({n for n in re.findall(r"\{([^{}]*)\}", path) if n})
    parameters = [{"name": n, "in": "path", "required": True, "schema": {"type": "string"}} for n in names]
    made["paths"] = {path: {"get": {"operationId": "ask", "parameters": parameters, "responses": {}}}}
    (tmp_path / "openapi.json").write_text(json.dumps(made), encoding="utf-8")
    assert not list(build_problems(tmp_path / "openapi.json", tmp_path / "out", prober, Counter()))


PAIR = {k: {"type": "string", "xml": {"attribute": True, "name": "a", "prefix": k, "namespace": "urn:a"}} for k in "pq"}


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        pytest.param({"xmlns": {"type": "string", "xml": {"attribute": True}}}, {}, id="declaration"),
        pytest.param({"xmlns": {"type": "string", "xml": {"attribute": True}}}, {"namespace": "urn:a"}, id="twice"),
        pytest.param(PAIR, {}, id="prefixes"),
        pytest.param({"": {"type": "string", "xml": {"name": "a"}}}, {}, id="empty"),
        pytest.param({}, {"namespace": "http://www.w3.org/2000/xmlns/"}, id="xmlns"),
        pytest.param({}, {"prefix": "p", "namespace": "http://www.w3.org/2000/xmlns/"}, id="xmlns-prefix"),
        pytest.param({}, {"namespace": "http://www.w3.org/XML/1998/namespace"}, id="xml"),
    ],
)
def test_xml_that_cannot_be_read(
    properties: dict[str, Any], said: dict[str, str], tmp_path: Path, prober: Prober
) -> None:
    """Names that XML keeps for itself are not written, or they mean what they mean."""
    stated = {"b": {"type": "string"}, **properties}
    schema = {"type": "object", "required": [*stated], "properties": stated, "xml": {"name": "root", **said}}
    made = of_arguments({})
    made["paths"]["/a"]["post"]["requestBody"] = {"required": True, "content": {"application/xml": {"schema": schema}}}
    (tmp_path / "openapi.json").write_text(json.dumps(made), encoding="utf-8")
    assert not list(build_problems(tmp_path / "openapi.json", tmp_path / "out", prober, Counter()))


@pytest.mark.parametrize("scheme", ["Bearer {AWS_SECRET_ACCESS_KEY}", "{HOME}", "x {T_KEY}", "a\r\nb", "é"])
def test_credentials_are_their_own(scheme: str, tmp_path: Path, prober: Prober) -> None:
    """The text of a security scheme reads no other variable of the operator's environment."""
    made = one_parameter(type="string")
    made["components"] = {"securitySchemes": {"key": {"type": "http", "scheme": scheme}}}
    made["security"] = [{"key": []}]
    (tmp_path / "openapi.json").write_text(json.dumps(made), encoding="utf-8")
    assert not list(build_problems(tmp_path / "openapi.json", tmp_path / "out", prober, Counter()))
    said = (tmp_path / "out" / "t_mcp" / "service.py").read_text(encoding="utf-8")
    assert "{AWS" not in said
    assert "{HOME" not in said


@pytest.mark.parametrize(
    "title",
    [f"😀{MARK}\U0010ffff", f"\x7f{MARK}\x1b", f'{MARK}\\"""', f"\ud800{MARK}\u2028"],
    ids=["emoji", "controls", "quotes", "surrogate"],
)
def test_titles(title: str, tmp_path: Path, prober: Prober) -> None:
    """The title reaches pyproject.toml, server.json, README.md and service.py, each with its own quoting."""
    made = one_parameter(type="string")
    made["info"]["title"] = title
    (tmp_path / "openapi.json").write_text(json.dumps(made), encoding="utf-8")
    assert not list(build_problems(tmp_path / "openapi.json", tmp_path / "out", prober, Counter()))


@pytest.mark.parametrize("url", ["https://[[[x", "https://a.test:zq/x?y#z", "//", "https://\u2028/{", "x"])
def test_a_server_of_an_operation_that_is_none(url: str, tmp_path: Path, prober: Prober) -> None:
    """What may be no URL at all names a base URL, and is never taken apart as one."""
    made = one_parameter(type="string")
    (item,) = made["paths"].values()
    next(iter(item.values()))["servers"] = [{"url": url}]
    (tmp_path / "openapi.json").write_text(json.dumps(made), encoding="utf-8")
    problems = list(build_problems(tmp_path / "openapi.json", tmp_path / "out", prober, Counter()))
    assert not [p for p in problems if "service: the base URL" not in p]
