"""What an operation says of its answers, read as a wrapper, as a list, and as pages of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mcpgen import replies
from mcpgen.config import Paging
from mcpgen.replies import Reply, reply
from mcpgen.spec import RawOperation, Spec, load

LIST = {"type": "array", "items": {"type": "integer"}}
OBJECT = {"type": "object", "properties": {"id": {"type": "integer"}}}
TEXT = {"type": "string"}
FLAG = {"type": "boolean"}
NUMBER = {"type": "integer"}


def of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def operation(
    folder: Path, responses: Any, path: str = "/things", components: Any = None
) -> tuple[Spec, RawOperation, Reply]:
    node = {"get": {"responses": responses}}
    document = {"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": {path: node}}
    document["components"] = {"schemas": components or {}}
    file = folder / "openapi.json"
    file.write_text(json.dumps(document))
    spec = load(file)
    (raw,) = spec.operations()
    return spec, raw, reply(spec, raw)


def ok(schema: Any, media_type: str = "application/json", **response: Any) -> dict[str, Any]:
    return {"200": {"description": "", "content": {media_type: {"schema": schema}}, **response}}


# --- wrappers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("responses", "wrapper", "is_list"),
    [
        (ok(of(user=OBJECT)), "user", False),
        (ok(of(users=LIST)), "users", False),
        (ok(of(user={"allOf": [OBJECT]})), "user", False),
        (ok(of(user={"type": ["object", "null"]})), "user", False),
        (ok({"allOf": [of(user=OBJECT)]}), "user", False),
        (ok({"$ref": "#/components/schemas/Wrapped"}), "user", False),
        (ok(of(user=OBJECT), "application/vnd.x+json; version=2"), "user", False),
        (ok(of(id=NUMBER)), "", False),  # a value alone is no wrapper
        (ok(of(user=OBJECT, meta=OBJECT)), "", False),
        (ok({"oneOf": [of(user=OBJECT), of(team=OBJECT)]}), "", False),
        (ok({"allOf": [of(user=OBJECT), of(meta=OBJECT)]}), "", False),
        (ok(LIST), "", True),
        (ok({"items": {}}), "", True),
        (ok(of(user=OBJECT), "text/html"), "", False),
        ({"default": ok(of(user=OBJECT))["200"]}, "", False),  # an error, as far as anybody knows
        ({"404": ok(of(user=OBJECT))["200"]}, "", False),
        ({"2XX": ok(of(user=OBJECT))["200"]}, "user", False),
        ({"204": {"description": ""}, "201": ok(of(user=OBJECT))["200"]}, "user", False),
        (ok(of(user={"$ref": "#/components/schemas/Gone"})), "", False),
        (ok({"type": [{}], "properties": 5}), "", False),
        ({"200": 5}, "", False),
        ([], "", False),
    ],
)
def test_reply(responses: Any, wrapper: str, is_list: bool, tmp_path: Path) -> None:
    *_, found = operation(tmp_path, responses, components={"Wrapped": of(user=OBJECT)})
    assert (found.wrapper, found.is_list) == (wrapper, is_list)


# --- pages ------------------------------------------------------------------------------------------------------------


def offset(limit: str, place: str, items: str, more: str = "", total: str = "") -> Paging:
    return Paging("offset", limit, place, items, more, total)


@pytest.mark.parametrize(
    ("parameters", "schema", "expected"),
    [
        # What says size and place, in many spellings.
        ({"limit": "integer", "offset": "integer"}, of(things=LIST), offset("limit", "offset", "things")),
        ({"$top": "integer", "$skip": "integer", "$count": "boolean"}, LIST, offset("$top", "$skip", "")),
        ({"maxResults": "integer", "startAt": "integer"}, of(a=LIST), offset("maxResults", "startAt", "a")),
        ({"per_page": "integer", "page": "integer"}, LIST, Paging("page", "per_page", "page")),
        ({"page[size]": "", "page[number]": ""}, LIST, Paging("page", "page[size]", "page[number]")),
        # What looks like it and is of another type.
        ({"limit": "string", "offset": "string"}, LIST, None),
        ({"size": "string", "page": "integer"}, LIST, None),
        ({"limit": "boolean", "offset": "integer"}, LIST, None),
        ({"limit": "integer", "from": "integer"}, LIST, None),  # a number, or a date, or a place
        # What the answer says of more: at the top, or in an object about pages.
        (
            {"limit": "integer", "offset": "integer"},
            of(things=LIST, more=FLAG, total={"type": ["integer", "null"]}),
            offset("limit", "offset", "things", "more", "total"),
        ),
        (
            {"offset": "integer"},
            of(things=LIST, pagination=of(has_more=FLAG, total_count=NUMBER)),
            offset("", "offset", "things", "pagination.has_more", "pagination.total_count"),
        ),
        (
            {"page": "integer"},
            of(things=LIST, meta={"$ref": "#/components/schemas/Meta"}),
            Paging("page", "", "page", "things", "meta.totalPages"),
        ),
        ({"offset": "integer"}, of(things=LIST, other=of(more=FLAG)), None),
        # A cursor needs the next one in the answer.
        ({"cursor": "string"}, of(data=LIST, next_cursor=TEXT), Paging("cursor", "", "cursor", "data", "next_cursor")),
        (
            {"after": "string", "first": "integer"},
            of(data=LIST, pageInfo=of(endCursor=TEXT)),
            Paging("cursor", "first", "after", "data", "pageInfo.endCursor"),
        ),
        ({"cursor": "string", "limit": "integer"}, of(data=LIST), None),
        ({"cursor": "string", "limit": "integer"}, of(data=LIST, next=OBJECT), None),
        # Both: an offset can be told from what came, so it goes before a cursor.
        (
            {"limit": "integer", "offset": "integer", "cursor": "string"},
            of(data=LIST, next=TEXT),
            offset("limit", "offset", "data"),
        ),
        # Which of several lists has the items: the one called like the path, or by a usual name; else nobody knows.
        ({"limit": "integer", "offset": "integer"}, of(things=LIST, others=LIST), offset("limit", "offset", "things")),
        ({"limit": "integer", "offset": "integer"}, of(data=LIST, errors=LIST), offset("limit", "offset", "data")),
        ({"limit": "integer", "offset": "integer"}, of(a=LIST, b=LIST), None),
        ({"limit": "integer", "offset": "integer"}, of(thing=OBJECT), None),
        # A path has dots between its steps, so none can lead to a name with a dot.
        ({"limit": "integer", "offset": "integer"}, of(**{"odata.value": LIST}), None),
        (
            {"limit": "integer", "offset": "integer"},
            of(**{"things": LIST, "has.more": FLAG, "page.info": of(total=NUMBER)}),
            offset("limit", "offset", "things"),
        ),
        # Nothing but a size is no pages, nor is a place without anything else.
        ({"limit": "integer"}, of(things=LIST, more=FLAG), None),
        ({"page": "integer"}, LIST, None),
        ({}, LIST, None),
    ],
)
def test_page_style(parameters: dict[str, str], schema: Any, expected: Paging | None, tmp_path: Path) -> None:
    spec, raw, found = operation(tmp_path, ok(schema), components={"Meta": of(totalPages=NUMBER)})
    assert replies.page_style(spec, raw, found, parameters) == expected


def test_a_schema_is_read_once(tmp_path: Path) -> None:
    """Parts that lead to each other many times over are no more work than once."""
    part = {"$ref": "#/components/schemas/Part"}
    parts = {"Part": {"allOf": [part] * 30, "properties": {"user": {"type": "string"}}}}
    schema = {"allOf": [part] * 30, "properties": {"user": OBJECT}}
    _, _, found = operation(tmp_path, ok(schema), components=parts)
    assert found.wrapper == "user"  # its own word before that of its parts


def test_links(tmp_path: Path) -> None:
    """A header Link tells it where a size is all that can be said; a place goes before it."""
    headers = {"link": {"schema": TEXT}}
    spec, raw, found = operation(tmp_path, ok(LIST, headers=headers))
    assert replies.page_style(spec, raw, found, {"per_page": "integer"}) == Paging("link", "per_page")
    assert replies.page_style(spec, raw, found, {}) is None
    both = {"per_page": "integer", "page": "integer"}
    assert replies.page_style(spec, raw, found, both) == Paging("page", "per_page", "page")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", None),
        ("a", None),
        ("a.b", None),
        ("a.c", ("c", ["b"])),
        ("d", ("d", ["a", "u"])),
        ("u.anything", None),  # what a union has is not known
    ],
)
def test_lacking(path: str, expected: tuple[str, list[str]] | None, tmp_path: Path) -> None:
    spec, _, found = operation(tmp_path, ok(of(a=of(b=LIST), u={"oneOf": [of(x=TEXT)]})))
    assert replies.lacking(spec, found, path) == expected


@pytest.mark.parametrize(
    ("stated", "parameters", "schema", "expected"),
    [
        # What is not stated is inferred, for the style that is stated.
        (Paging(), {"limit": "integer", "offset": "integer"}, of(a=LIST), offset("limit", "offset", "a")),
        (
            Paging("cursor"),
            {"limit": "integer", "offset": "integer", "cursor": "string"},
            of(a=LIST, next=TEXT),
            Paging("cursor", "limit", "cursor", "a", "next"),
        ),
        (
            Paging("none", max_items=5),
            {"limit": "integer"},
            of(a=LIST, more=FLAG),
            Paging("none", "limit", "", "a", "more", max_items=5),
        ),
        (Paging(items="b.c"), {}, of(a=LIST), Paging("none", items="b.c")),
    ],
)
def test_completed(stated: Paging, parameters: dict[str, str], schema: Any, expected: Paging, tmp_path: Path) -> None:
    spec, raw, found = operation(tmp_path, ok(schema))
    assert replies.completed(stated, spec, raw, found, parameters) == expected
