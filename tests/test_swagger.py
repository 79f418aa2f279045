"""How OpenAPI 2.0 is read: what its words become in 3.0, and that every place stays where the vendor wrote it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mcpgen.problems import Rejected
from mcpgen.spec import Spec, Unresolved, load

Read = Callable[..., Spec]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Loads the members of a 2.0 document, or its YAML text."""
    monkeypatch.chdir(tmp_path)

    def run(content: dict[str, Any] | str) -> Spec:
        path = Path("api.json" if isinstance(content, dict) else "api.yaml")
        whole: dict[str, Any] = {"swagger": "2.0", "info": {"title": "T"}, "paths": {}}
        path.write_text(json.dumps(whole | content, indent=1) if isinstance(content, dict) else HEAD + content)
        return load(path)

    return run


HEAD = "swagger: '2.0'\ninfo: {title: T}\n"


def operation(read: Read, node: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The Operation Object that a POST becomes."""
    (raw,) = read({"paths": {"/a": {"post": node}}, **more}).operations()
    return raw.node


def messages(spec: Spec) -> list[str]:
    list(spec.operations())
    return [str(p) for p in spec.problems]


def test_the_version(read: Read) -> None:
    spec = read("paths: {}\n")
    assert (spec.version, spec.declared_version, spec.root["openapi"]) == ("3.0.4", "2.0", "3.0.4")
    Path("number.yaml").write_text("swagger: 2.0\ninfo: {title: T}\npaths: {}\n")
    assert load(Path("number.yaml")).declared_version == "2.0"
    assert spec.files == (Path("api.yaml"),)
    assert messages(spec) == []


# -- servers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stated", "urls"),
    [
        ({"host": "a.com", "basePath": "/v1", "schemes": ["http", "https"]}, ["https://a.com/v1", "http://a.com/v1"]),
        ({"host": "a.com", "schemes": ["http"]}, ["http://a.com"]),
        ({"host": "a.com:81", "basePath": "v1/"}, ["https://a.com:81/v1"]),
        ({"host": "a.com", "basePath": "/", "schemes": ["wss"]}, ["https://a.com"]),
        ({"host": "http://a.com/"}, ["https://a.com"]),
        ({"basePath": "/v1", "schemes": ["http"]}, ["/v1"]),
        ({"basePath": "/"}, None),
        ({}, None),
    ],
)
def test_servers(read: Read, stated: dict[str, Any], urls: list[str] | None) -> None:
    servers = read(stated).root.get("servers")
    assert (servers and [s["url"] for s in servers]) == urls


def test_an_operation_with_schemes_of_its_own(read: Read) -> None:
    more = {"host": "a.com", "schemes": ["https"]}
    assert operation(read, {"schemes": ["http"]}, **more)["servers"] == [{"url": "http://a.com"}]
    assert "servers" not in operation(read, {"schemes": ["http", "https"]}, **more)
    assert "servers" not in operation(read, {"schemes": ["http"]})
    assert "servers" not in operation(read, {"schemes": ["https"]}, host="127.0.0.1:80", schemes=["http"])


# -- bodies -----------------------------------------------------------------------------------------------------------

BODY = {"in": "body", "name": "b", "description": "D", "required": True, "schema": {"type": "object"}}
PLAIN = {"in": "query", "name": "q", "type": "string"}


@pytest.mark.parametrize(
    ("own", "root", "types"),
    [
        (None, None, ["application/json"]),
        (None, ["text/plain"], ["text/plain"]),
        (["a/b", "c/d"], ["text/plain"], ["a/b", "c/d"]),
        ([], ["text/plain"], ["application/json"]),
    ],
)
def test_a_body_parameter(read: Read, own: list[str] | None, root: list[str] | None, types: list[str]) -> None:
    node = {"parameters": [BODY, PLAIN]} | ({"consumes": own} if own is not None else {})
    made = operation(read, node, **({"consumes": root} if root else {}))
    content = {t: {"schema": {"type": "object"}} for t in types}
    assert made["requestBody"] == {"content": content, "description": "D", "required": True}
    assert [p["name"] for p in made["parameters"]] == ["q"]


def test_a_body_behind_references(read: Read) -> None:
    spec = read(
        {
            "paths": {"/a": {"post": {"parameters": [{"$ref": "#/parameters/B"}]}, "put": {"$ref": "#/x-put"}}},
            "x-put": {"parameters": [{"$ref": "#/paths/~1a/post/parameters/0"}]},
            "parameters": {"B": BODY},
        }
    )
    for raw in spec.operations():
        assert raw.node["parameters"] == []
        schema = raw.node["requestBody"]["content"]["application/json"]["schema"]
        at = f"{raw.pointer}/requestBody/content/application~1json/schema"
        assert spec.deref(schema, at) == ({"type": "object"}, "#/components/parameters/B/schema")
    assert spec.written("#/components/parameters/B/schema") == "#/parameters/B/schema"


def test_a_body_of_the_path_belongs_to_every_operation(read: Read) -> None:
    spec = read({"paths": {"/a": {"parameters": [PLAIN, BODY], "post": {}, "put": {"parameters": [BODY | {"x": 1}]}}}})
    for raw in spec.operations():
        assert raw.node["requestBody"]["required"] is True
        assert [p["name"] for p in raw.item["parameters"]] == ["q"]
    assert spec.problems == []


def field(name: str, **more: Any) -> dict[str, Any]:
    return {"in": "formData", "name": name, "type": "string", **more}


@pytest.mark.parametrize(
    ("consumes", "file", "types"),
    [
        (None, False, ["application/x-www-form-urlencoded"]),
        (["application/json"], False, ["application/x-www-form-urlencoded"]),
        (["multipart/form-data", "application/x-www-form-urlencoded"], False, None),
        (None, True, ["multipart/form-data"]),
        (["application/x-www-form-urlencoded"], True, ["multipart/form-data"]),
    ],
)
def test_the_media_type_of_a_form(read: Read, consumes: list[str] | None, file: bool, types: list[str] | None) -> None:
    node: dict[str, Any] = {"parameters": [field("f", type="file" if file else "string")]}
    node |= {"consumes": consumes} if consumes else {}
    assert list(operation(read, node)["requestBody"]["content"]) == (types or consumes)


def test_a_form(read: Read) -> None:
    fields = [
        field("a", required=True, description="A", minLength=1, allowEmptyValue=True),
        field("f", type="file"),
        field("n", type="integer", format="int64", default=3, **{"x-nullable": True}),
        PLAIN,
    ]
    made = operation(read, {"parameters": fields})
    (media,) = made["requestBody"]["content"].values()
    assert media == {
        "schema": {
            "type": "object",
            "properties": {
                "a": {"type": "string", "minLength": 1, "description": "A"},
                "f": {"type": "string", "format": "binary"},
                "n": {"type": "integer", "format": "int64", "default": 3, "x-nullable": True},
            },
            "required": ["a"],
        }
    }
    assert made["requestBody"]["required"] is True
    assert [p["name"] for p in made["parameters"]] == ["q"]


FORMATS: list[tuple[str | None, dict[str, Any]]] = [
    (None, {"style": "form", "explode": False}),
    ("csv", {"style": "form", "explode": False}),
    ("multi", {"style": "form", "explode": True}),
    ("ssv", {"style": "spaceDelimited", "explode": False}),
    ("pipes", {"style": "pipeDelimited", "explode": False}),
    ("tsv", {"style": "form", "explode": False, "x-collection-format": "tsv"}),
]


@pytest.mark.parametrize(("stated", "style"), FORMATS)
def test_lists_in_queries_and_forms(read: Read, stated: str | None, style: dict[str, Any]) -> None:
    array = {"type": "array", "items": {"type": "integer"}} | ({"collectionFormat": stated} if stated else {})
    made = operation(read, {"parameters": [{"in": "query", "name": "q"} | array, field("f") | array]})
    (query,) = made["parameters"]
    assert query["schema"] == {"type": "array", "items": {"type": "integer"}}
    assert {k: query[k] for k in style} == style
    (media,) = made["requestBody"]["content"].values()
    assert media["encoding"] == {"f": style}
    assert media["schema"]["properties"]["f"] == query["schema"]


@pytest.mark.parametrize(("place", "stated"), [("path", "csv"), ("header", None), ("path", "multi"), ("header", "tsv")])
def test_lists_in_paths_and_headers(read: Read, place: str, stated: str | None) -> None:
    array = {"in": place, "name": "a", "type": "array", "items": {}} | ({"collectionFormat": stated} if stated else {})
    (made,) = operation(read, {"parameters": [array]})["parameters"]
    assert "style" not in made
    assert made.get("x-collection-format") == ("tsv" if stated == "tsv" else None)


def test_what_a_parameter_says_of_its_value_becomes_its_schema(read: Read) -> None:
    limits = {"enum": [1, 2], "minimum": 1, "exclusiveMinimum": True, "maximum": 9, "multipleOf": 1, "x-nullable": True}
    stated = {"in": "query", "name": "q", "required": True, "description": "D", "allowEmptyValue": True, "x-y": 1}
    (made,) = operation(read, {"parameters": [stated | {"type": "integer"} | limits]})["parameters"]
    assert made["schema"] == {"type": "integer", **limits}
    assert {k: made[k] for k in stated} == stated


def test_words_of_3_0_in_a_parameter_are_left_alone(read: Read) -> None:
    stated = {"in": "query", "name": "q", "schema": {"type": "array"}}
    assert operation(read, {"parameters": [stated]})["parameters"] == [stated]


@pytest.mark.parametrize(
    ("parameters", "kept", "told"),
    [
        (
            ["body one", "body two"],
            "application/json",
            'POST /a has the body parameters "one" and "two"; only "one" counts, which comes first',
        ),
        (
            ["body one", "formData two", "formData three"],
            "application/json",
            'POST /a has the body parameter "one" and the form field "two"; only "one" counts, which comes first',
        ),
        (
            ["formData two", "body one"],
            "application/x-www-form-urlencoded",
            'POST /a has the body parameter "one" and the form field "two"; only "two" counts, which comes first',
        ),
    ],
)
def test_two_bodies_contradict_each_other(read: Read, parameters: list[str], kept: str, told: str) -> None:
    lines = [f"    - {{in: {p.split()[0]}, name: {p.split()[1]}, type: string, schema: {{}}}}\n" for p in parameters]
    spec = read("paths:\n  /a:\n   post:\n    parameters:\n" + "".join(lines))
    (raw,) = spec.operations()
    assert list(raw.node["requestBody"]["content"]) == [kept]
    assert messages(spec) == [f"api.yaml:8:7: {told} (at #/paths/~1a/post/parameters/1)"]


# -- answers ----------------------------------------------------------------------------------------------------------


def test_responses(read: Read) -> None:
    stated = {
        "200": {
            "description": "Ok",
            "schema": {"type": "array"},
            "examples": {"a/b": [1], "z/z": 2},
            "headers": {"X-N": {"type": "integer", "description": "N"}},
        },
        "204": {"description": "None"},
        "400": {"$ref": "#/responses/Bad"},
        "500": {"description": "E", "examples": {"text/plain": "oh"}},
        "x-y": 1,
    }
    bad = {"description": "Bad", "schema": {"type": "object"}}
    made = operation(read, {"produces": ["a/b", "c/d"], "responses": stated}, responses={"Bad": bad})["responses"]
    assert made["200"]["content"] == {
        "a/b": {"schema": {"type": "array"}, "example": [1]},
        "c/d": {"schema": {"type": "array"}},
    }
    assert made["200"]["headers"]["X-N"]["schema"] == {"type": "integer"}
    assert made["204"] == {"description": "None"}
    assert made["400"]["description"] == "Bad"
    assert made["400"]["content"]["c/d"] == {"schema": {"$ref": "#/components/responses/Bad/schema"}}
    assert made["500"]["content"] == {"text/plain": {"example": "oh"}}


def test_an_answer_that_is_a_file(read: Read) -> None:
    stated = {"200": {"description": "", "schema": {"type": "file"}}}
    made = operation(read, {"responses": stated}, produces=["image/png"])
    assert made["responses"]["200"]["content"] == {"image/png": {"schema": {"type": "string", "format": "binary"}}}


# -- what is shared ---------------------------------------------------------------------------------------------------


def test_security(read: Read) -> None:
    scopes = {"a": "A"}
    auth, token = "https://a.com/auth", "https://a.com/token"
    oauth2 = {"type": "oauth2", "description": "D", "scopes": scopes}
    stated: dict[str, Any] = {
        "basic": {"type": "basic", "description": "B"},
        "key": {"type": "apiKey", "in": "query", "name": "k"},
        "implicit": {**oauth2, "flow": "implicit", "authorizationUrl": auth},
        "password": {**oauth2, "flow": "password", "tokenUrl": token},
        "application": {"type": "oauth2", "flow": "application", "tokenUrl": token},
        "code": {**oauth2, "flow": "accessCode", "authorizationUrl": auth, "tokenUrl": token},
    }
    made = read({"securityDefinitions": stated, "security": [{"key": []}]}).root
    assert made["security"] == [{"key": []}]

    def flows(**flow: Any) -> dict[str, Any]:
        return {"type": "oauth2", "description": "D", "flows": flow}

    assert made["components"]["securitySchemes"] == {
        "basic": {"type": "http", "scheme": "basic", "description": "B"},
        "key": stated["key"],
        "implicit": flows(implicit={"authorizationUrl": auth, "scopes": scopes}),
        "password": flows(password={"tokenUrl": token, "scopes": scopes}),
        "application": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": token, "scopes": {}}}},
        "code": flows(authorizationCode={"authorizationUrl": auth, "tokenUrl": token, "scopes": scopes}),
    }


def test_schemas(read: Read) -> None:
    pet = {
        "discriminator": "kind",
        "properties": {"kind": {"type": "string", "x-nullable": True}, "discriminator": {"type": "string"}},
        "example": {"discriminator": "kept"},
    }
    made = read({"definitions": {"Pet": pet, "file": {"type": "string"}}}).root["components"]["schemas"]
    assert made["Pet"] == pet | {"discriminator": {"propertyName": "kind"}}


LINKED = """
paths:
  /a:
    parameters:
    - {in: body, name: b, schema: {$ref: '#/definitions/Pet'}}
    - {$ref: '#/parameters/limit'}
    - {in: query, name: tags, type: array, items: {type: string, enum: [a]}}
    post:
      consumes: [application/json, text/x]
      responses:
        200: {description: Ok, schema: {type: object, properties: {x: {type: string}}}}
        400: {$ref: '#/responses/Bad'}
  /b:
    post:
      parameters:
      - {in: formData, name: n/m, type: array, items: {type: string}, collectionFormat: tsv}
      - {$ref: '#/paths/~1a/parameters/2'}
      - {in: header, name: H, type: string}
definitions:
  Pet: {type: object, properties: {owner: {$ref: '#/definitions/Own~1er'}, a: {$ref: '#/paths/~1a/parameters/2/items'}}}
  Own/er:
    allOf: [{$ref: '#/paths/~1a/post/responses/200/schema/properties/x'}]
  Lost: {$ref: '#/definitions/Nope'}
  Odd: {$ref: '#/paths/~1b/post/parameters/0'}
  Body: {$ref: '#/paths/~1a/parameters/0/schema'}
parameters:
  limit:
    in: query
    name: limit
    type: integer
    maximum: 5
responses:
  Bad:
    description: Bad
    schema: {type: object, properties: {y: {type: string}}}
host: a.com
"""


@pytest.fixture
def linked(read: Read) -> Spec:
    return read(LINKED.lstrip("\n"))


def line_of(text: str) -> int:
    lines = (HEAD + LINKED.lstrip("\n")).split("\n")
    (found,) = [i for i, line in enumerate(lines, 1) if text in line]
    return found


BODY_SCHEMA = "#/paths/~1a/post/requestBody/content/text~1x/schema"
FORM = "#/paths/~1b/post/requestBody/content/application~1x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("pointer", "written", "text"),
    [
        ("#/openapi", "#/swagger", "swagger:"),
        ("#/servers/0/url", "#/host", "host:"),
        ("#/components/schemas/Pet/properties/owner", "#/definitions/Pet/properties/owner", "  Pet:"),
        ("#/components/parameters/limit/schema/maximum", "#/parameters/limit/maximum", "maximum:"),
        ("#/components/responses/Bad/schema/properties/y", "#/responses/Bad/schema/properties/y", "properties: {y"),
        ("#/components/responses/Bad/content/application~1json/schema", "#/responses/Bad/schema", "properties: {y"),
        ("#/paths/~1a/parameters/1/schema/items/enum/0", "#/paths/~1a/parameters/2/items/enum/0", "name: tags"),
        ("#/paths/~1a/post/requestBody", "#/paths/~1a/parameters/0", "name: b,"),
        (BODY_SCHEMA, "#/paths/~1a/parameters/0/schema", "name: b,"),
        (
            "#/paths/~1a/post/responses/200/content/application~1json/schema/properties/x",
            "#/paths/~1a/post/responses/200/schema/properties/x",
            "200:",
        ),
        ("#/paths/~1a/post/responses/400/description", "#/responses/Bad/description", "description: Bad"),
        (FORM + "/schema/properties/n~1m/items", "#/paths/~1b/post/parameters/0/items", "name: n/m"),
        (FORM + "/encoding/n~1m/style", "#/paths/~1b/post/parameters/0/collectionFormat", "name: n/m"),
        ("#/paths/~1b/post/parameters/1/schema", "#/paths/~1b/post/parameters/2", "name: H"),
    ],
)
def test_every_place_is_where_the_vendor_wrote_it(linked: Spec, pointer: str, written: str, text: str) -> None:
    linked.resolve(pointer)
    assert linked.written(pointer) == written
    assert linked.locate(pointer)[0] == line_of(text)
    line, column = linked.locate(pointer)
    assert str(linked.problem("m", pointer)) == f"api.yaml:{line}:{column}: m (at {written})"
    assert linked.located(linked.problem("m", pointer)) == linked.problem("m", pointer)


def test_what_was_made_is_where_it_was_made_of(linked: Spec) -> None:
    place = linked.locate("#/paths/~1b/post/requestBody/content")
    assert place[0] == line_of("name: n/m") - 1
    assert linked.locate("#/components/securitySchemes") == linked.locate("#")


def test_references_mean_what_they_meant(linked: Spec) -> None:
    schemas = linked.root["components"]["schemas"]

    def follow(node: Any, pointer: str = "#/components/schemas/Pet") -> str:
        found, at = linked.deref(node, pointer)
        assert linked.resolve(at) == found
        return at

    assert follow({"$ref": "#/definitions/Pet"}) == "#/components/schemas/Pet"
    assert follow(schemas["Pet"]["properties"]["owner"]) == "#/components/schemas/Own~1er"
    assert follow(schemas["Pet"]["properties"]["a"]) == "#/paths/~1a/parameters/1/items"
    assert follow(schemas["Own/er"]["allOf"][0]) == "#/paths/~1a/post/responses/200/schema/properties/x"
    assert follow(schemas["Odd"]) == FORM + "/schema/properties/n~1m"
    assert follow(schemas["Body"]) == "#/components/schemas/Pet"
    assert follow(linked.root["paths"]["/b"]["post"]["parameters"][0]) == "#/paths/~1a/parameters/1"
    assert linked.resolve("#/definitions/Pet") is schemas["Pet"]
    with pytest.raises(Unresolved) as caught:
        linked.deref(schemas["Lost"], "#/components/schemas/Lost")
    assert caught.value.reason == '"#/definitions/Nope" names nothing: there is no "Nope" in #/definitions'


def test_operations_that_yaml_writes_once(read: Read) -> None:
    spec = read(
        "paths:\n  /a: &a\n    post: &p\n      parameters: [{in: body, name: b, schema: {type: string}}]\n"
        "  /b: *a\n  /c:\n    post: *p\n"
    )
    bodies = [o.node["requestBody"]["content"] for o in spec.operations()]
    assert bodies == [{"application/json": {"schema": {"type": "string"}}}] * 3


def test_defects_cost_nothing_in_conversion(read: Read) -> None:
    spec = read(
        {
            "paths": {
                "/a": {
                    "get": {"parameters": [None, {"$ref": "#/no"}, {"in": "body"}], "responses": [], "consumes": 1},
                    "post": {"parameters": {}, "responses": {"200": None, "201": {"$ref": "#/no"}}},
                    "put": None,
                },
                "/b": 1,
                "/c": {"$ref": "#/no", "get": {"parameters": [{"in": "body", "schema": {}}]}},
            },
            "definitions": [],
            "parameters": {"a": None},
            "responses": {"a": 1},
            "securityDefinitions": {"a": None, "b": {"type": "oauth2"}},
        }
    )
    assert [o.path for o in spec.operations()] == ["/a", "/a"]
    assert next(spec.operations()).node["requestBody"] == {"content": {"application/json": {}}}


def test_refusals(read: Read) -> None:
    with pytest.raises(Rejected) as caught:
        read("paths: []\nhost: a.com\n")
    assert str(caught.value) == 'api.yaml:3:1: "paths" is a list, not an object (at #/paths)'
    with pytest.raises(Rejected) as caught:
        read("host: a.com\n")
    assert str(caught.value) == ('api.yaml:1:1: the document has no "paths"\n  without operations, say so: "paths": {}')
