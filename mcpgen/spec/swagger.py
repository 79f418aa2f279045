"""Turns an OpenAPI 2.0 document into the form of 3.0, because then everything later knows one form only.

The conversion keeps what is written where it stands as far as it can: parameters and headers get a `schema` beside
what they have, definitions only move under `components`. What does change its place is entered in the tables of
`Files`, so that every pointer leads back to the line in the vendor's file, and a `$ref` still means what it meant.

Sources: OpenAPI 2.0 ("Swagger RESTful API Documentation Specification"), OpenAPI 3.0.4.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from mcpgen.spec.files import Canonical, Files, Moves, Unresolved, moved
from mcpgen.spec.source import escape, quote

DIALECT: Final = "3.0.4"
"""The version of what `convert` makes."""

_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch")
_SECTIONS: Final = {
    "definitions": "schemas",
    "parameters": "parameters",
    "responses": "responses",
    "securityDefinitions": "securitySchemes",
}
_GONE: Final = {*_SECTIONS, "swagger", "host", "basePath", "schemes", "consumes", "produces", "components", "servers"}

_NOT_SCHEMA: Final = frozenset(
    {"name", "in", "description", "required", "allowEmptyValue", "collectionFormat", "schema", "$ref", "deprecated"}
)
"""Members of a parameter that say nothing about its value."""

_QUERY_STYLES: Final = {"csv": "form", "ssv": "spaceDelimited", "pipes": "pipeDelimited"}
_FLOWS: Final = {"application": "clientCredentials", "accessCode": "authorizationCode"}
_JSON: Final = "application/json"
_URLENCODED: Final = "application/x-www-form-urlencoded"
_MULTIPART: Final = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class _Entry:
    """One item of a list of parameters: as it stands there, what it leads to, and both places as written."""

    raw: Any
    place: str
    node: dict[str, Any]
    pointer: str

    @property
    def kind(self) -> str:
        return str(self.node.get("in"))

    @property
    def name(self) -> str:
        return str(self.node.get("name"))

    @property
    def leaves(self) -> bool:
        """Whether it is the request body, or a part of it."""
        return self.kind in ("body", "formData")


def convert(files: Files) -> None:
    """Replaces the root of the document in `files` by its 3.0 form; what contradicts itself goes to `files.notes`."""
    _Converter(files).run()


class _Converter:
    def __init__(self, files: Files) -> None:
        self._files = files
        self._root: dict[str, Any] = files.document.root
        # Nothing that a reference may lead to changes before all of them were followed; nor do the tables of `files`.
        self._converted: Moves = {}
        self._renamed: Moves = {}
        self._changes: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self._references: list[tuple[dict[str, Any], str]] = []
        self._schemas: list[tuple[str, str]] = []
        self._done: set[int] = set()

    def run(self) -> None:
        files, root = self._files, self._root
        for old, new in _SECTIONS.items():
            self._converted[f"#/components/{new}"] = f"#/{old}", 0
            self._renamed[f"#/{old}"] = f"#/components/{new}", 0
        for path, raw in root.get("paths", {}).items():
            if not path.startswith("x-"):
                self._path(path, raw, f"#/paths/{escape(path)}")
        components = self._components()
        for node, change in self._changes:
            node |= change
        for node, pointer in self._references:
            node["$ref"] = Canonical(moved(self._renamed, pointer))
        for pointer, written in self._schemas:
            self._converted[moved(self._renamed, pointer) + "/schema"] = written, 0
        converted = {"openapi": DIALECT, **{k: v for k, v in root.items() if k not in _GONE}}
        if servers := self._servers(root.get("schemes")):
            converted["servers"] = servers
            at = next((k for k in ("host", "basePath", "schemes") if k in root), "swagger")
            self._converted["#/servers"] = f"#/{at}", -1
        converted["components"] = components
        self._converted["#/openapi"] = "#/swagger", 0
        files.replace(converted, self._converted, self._renamed)

    def _follow(self, node: Any, pointer: str) -> tuple[Any, str] | None:
        try:
            return self._files.deref(node, pointer)
        except Unresolved:
            return None  # who asks for it later is told why

    def _first_time(self, node: Any) -> bool:
        """Whether `node` is met for the first time: references and YAML's aliases lead to one more than once."""
        if id(node) in self._done:
            return False
        self._done.add(id(node))
        return True

    # -- paths ------------------------------

    def _path(self, path: str, raw: Any, pointer: str) -> None:
        found = self._follow(raw, pointer)
        for item, at in (found, (raw, pointer)) if found and found[0] is not raw else (found,) if found else ():
            if not isinstance(item, dict) or not self._first_time(item):
                continue
            shared = self._entries(item.get("parameters"), f"{at}/parameters")
            for method in _METHODS:
                operation = self._follow(item.get(method), f"{at}/{method}")
                if operation and isinstance(operation[0], dict) and self._first_time(operation[0]):
                    self._operation(f"{method.upper()} {path}", *operation, shared)
            self._changes.append((item, self._without_body(item, f"{at}/parameters", shared)))

    def _operation(self, label: str, node: dict[str, Any], at: str, shared: list[_Entry]) -> None:
        own = self._entries(node.get("parameters"), f"{at}/parameters")
        stated = {(e.kind, e.name) for e in own}
        effective = [e for e in (*own, *(e for e in shared if (e.kind, e.name) not in stated)) if e.leaves]
        change = self._without_body(node, f"{at}/parameters", own)
        if effective:
            first = effective[0]
            if first.kind == "body":
                self._contradictions(label, first, effective[1:])
                change["requestBody"] = self._body(first, self._types(node, "consumes"), at)
            else:
                fields = [e for e in effective if e.kind == "formData"]
                self._contradictions(label, first, [e for e in effective if e.kind == "body"])
                change["requestBody"] = self._form(fields, self._types(node, "consumes"), at)
        if isinstance(node.get("responses"), dict):
            change["responses"] = self._responses(node["responses"], self._types(node, "produces"), at)
        if isinstance(node.get("schemes"), list) and not self._is_local():
            here = self._servers(node["schemes"])
            if here[:1] != self._servers(self._root.get("schemes"))[:1]:
                change["servers"] = here
                self._converted[f"{at}/servers"] = f"{at}/schemes", -1
        self._changes.append((node, change))

    def _entries(self, stated: Any, at: str) -> list[_Entry]:
        """The parameters in a list. Those that are no part of a body get their `schema`."""
        entries = []
        for index, raw in enumerate(stated if isinstance(stated, list) else ()):
            found = self._follow(raw, f"{at}/{index}")
            if found and isinstance(found[0], dict):
                entry = _Entry(raw, f"{at}/{index}", *found)
                if not entry.leaves:
                    self._parameter(entry.node, entry.pointer)
            else:
                entry = _Entry(raw, f"{at}/{index}", {}, f"{at}/{index}")
            entries.append(entry)
        return entries

    def _without_body(self, holder: dict[str, Any], at: str, entries: list[_Entry]) -> dict[str, Any]:
        """The change that takes bodies out of a list of parameters; the others close up."""
        if not any(e.leaves for e in entries):
            return {}
        kept = [e for e in entries if not e.leaves]
        for index, entry in enumerate(kept):
            if entry.place != f"{at}/{index}":
                self._converted[f"{at}/{index}"] = entry.place, 0
                self._renamed[entry.place] = f"{at}/{index}", 0
        return {"parameters": [e.raw for e in kept]}

    def _contradictions(self, label: str, first: _Entry, others: list[_Entry]) -> None:
        for other in {e.kind: e for e in reversed(others)}.values():
            if first.kind == other.kind:
                message = f"{label} has the body parameters {quote(first.name)} and {quote(other.name)}"
            else:
                names = {e.kind: quote(e.name) for e in (first, other)}
                message = f"{label} has the body parameter {names['body']} and the form field {names['formData']}"
            message += f"; only {quote(first.name)} counts, which comes first"
            self._files.notes.append(self._files.problem_as_written(message, other.pointer))

    def _types(self, node: dict[str, Any], key: str) -> list[str]:
        """The media types of an operation; where it says nothing, those of the document."""
        stated = node.get(key) if isinstance(node.get(key), list) else self._root.get(key)
        return list(dict.fromkeys(t for t in stated if isinstance(t, str) and t)) if isinstance(stated, list) else []

    # -- bodies ------------------------------

    def _body(self, entry: _Entry, consumes: list[str], at: str) -> dict[str, Any]:
        node = entry.node
        types = consumes or [_JSON]
        media: dict[str, Any] = {}
        if "schema" in node:
            media["schema"] = self._shared(node["schema"], f"{entry.pointer}/schema", entry.pointer != entry.place)
        self._converted[f"{at}/requestBody"] = entry.pointer, 0
        self._converted[f"{at}/requestBody/content"] = entry.pointer, 1
        self._renamed.setdefault(entry.place, (f"{at}/requestBody/content/{escape(types[0])}", 0))
        body: dict[str, Any] = {"content": dict.fromkeys(types, media)}
        if isinstance(node.get("description"), str):
            body["description"] = node["description"]
        if node.get("required") is True:
            body["required"] = True
        return body

    def _form(self, fields: list[_Entry], consumes: list[str], at: str) -> dict[str, Any]:
        has_file = any(e.node.get("type") == "file" for e in fields)
        types = [t for t in consumes if t.split(";")[0].strip().lower() in (_URLENCODED, _MULTIPART)]
        multipart = [t for t in types if "multipart" in t.lower()]
        if has_file:  # what is urlencoded holds no file
            types = multipart or [_MULTIPART]
        types = types or [_URLENCODED]
        schema: dict[str, Any] = {"type": "object", "properties": {}}
        encoding: dict[str, Any] = {}
        self._converted[f"{at}/requestBody"] = f"{at}/parameters", -1
        for field in fields:
            property_ = _schema(field.node)
            if isinstance(field.node.get("description"), str):
                property_["description"] = field.node["description"]
            schema["properties"][field.name] = property_
            name = escape(field.name)
            for media_type in types:
                content = f"{at}/requestBody/content/{escape(media_type)}"
                self._converted[f"{content}/schema/properties/{name}"] = field.pointer, 0
                self._converted[f"{content}/encoding/{name}"] = f"{field.pointer}/collectionFormat", -1
                self._renamed.setdefault(field.place, (f"{content}/schema/properties/{name}", 0))
            if style := _style(field.node, "formData"):
                encoding[field.name] = style
        if required := [e.name for e in fields if e.node.get("required") is True]:
            schema["required"] = required
        media = {"schema": schema, **({"encoding": encoding} if encoding else {})}
        return {"content": dict.fromkeys(types, media), **({"required": True} if required else {})}

    def _shared(self, schema: Any, pointer: str, elsewhere: bool) -> Any:
        """A schema for a second place: itself, or, where it stands behind a reference, a reference to it."""
        if not elsewhere:
            return schema
        node: dict[str, Any] = {}
        self._references.append((node, pointer))
        return node

    # -- answers ------------------------------

    def _responses(self, stated: dict[str, Any], produces: list[str], at: str) -> dict[str, Any]:
        responses = {}
        for code, raw in stated.items():
            responses[code] = raw
            place = f"{at}/responses/{escape(code)}"
            found = None if code.startswith("x-") else self._follow(raw, place)
            if found and isinstance(found[0], dict):
                node, pointer = found
                content = self._content(node, produces, pointer, pointer != place)
                if content:
                    responses[code] = {**node, "content": content}
                    if pointer != place:
                        self._converted[place] = pointer, 0
                    self._converted[f"{place}/content"] = pointer, 1
        return responses

    def _content(self, node: dict[str, Any], produces: list[str], at: str, elsewhere: bool) -> dict[str, Any]:
        """The `content` of a response; its headers get their `schema`."""
        headers = node.get("headers")
        for name, header in headers.items() if isinstance(headers, dict) else ():
            if isinstance(header, dict):
                self._parameter(header, f"{at}/headers/{escape(name)}")
        examples = node.get("examples")
        examples = examples if isinstance(examples, dict) else {}
        types = (produces or [_JSON]) if "schema" in node else list(examples)
        content = {}
        for media_type in types:
            content[media_type] = media = dict[str, Any]()
            if "schema" in node:
                media["schema"] = self._shared(node["schema"], f"{at}/schema", elsewhere)
            if media_type in examples:
                media["example"] = examples[media_type]
        return content

    # -- what is shared ------------------------------

    def _components(self) -> dict[str, Any]:
        root = self._root
        stated = root.get("components")
        components: dict[str, Any] = dict(stated) if isinstance(stated, dict) else {}
        for old, new in _SECTIONS.items():
            if isinstance(root.get(old), dict):
                components[new] = root[old]
        for name, node in _objects(root.get("parameters")):
            if node.get("in") not in ("body", "formData"):
                self._parameter(node, f"#/parameters/{escape(name)}")
        for name, node in _objects(root.get("responses")):
            at = f"#/responses/{escape(name)}"
            if content := self._content(node, self._types({}, "produces"), at, elsewhere=False):
                self._changes.append((node, {"content": content}))
                self._converted[f"#/components/responses/{escape(name)}/content"] = at, 1
        if isinstance(root.get("securityDefinitions"), dict):
            schemes = _objects(root["securityDefinitions"])
            components["securitySchemes"] = root["securityDefinitions"] | {n: _scheme(s) for n, s in schemes}
        return components

    def _parameter(self, node: dict[str, Any], pointer: str) -> None:
        """Gives a parameter or header the `schema` and the `style` that 3.0 asks for, beside what it has."""
        if not self._first_time(node) or (isinstance(node.get("schema"), dict) and "type" not in node):
            return
        node["schema"] = _schema(node)
        node |= _style(node, str(node.get("in", "header")))
        self._schemas.append((pointer, pointer))

    def _is_local(self) -> bool:
        """Whether the host is this machine: a copy for tests, where one transport is as good as another."""
        return bool(re.match(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:|$)", str(self._root.get("host")).strip()))

    def _servers(self, schemes: Any) -> list[dict[str, Any]]:
        """The Server Objects for some schemes, https before http."""
        host, base = self._root.get("host"), self._root.get("basePath")
        path = "/" + base.strip().strip("/") if isinstance(base, str) and base.strip(" /") else ""
        if not isinstance(host, str) or not host.strip():
            return [{"url": path}] if path else []
        host = host.strip().rpartition("://")[2].rstrip("/")
        offered = schemes if isinstance(schemes, list) else []
        return [{"url": f"{s}://{host}{path}"} for s in ("https", "http") if s in offered] or [
            {"url": f"https://{host}{path}"}
        ]


def _objects(stated: Any) -> list[tuple[str, dict[str, Any]]]:
    """The members of an object that are objects, and no references."""
    members = stated.items() if isinstance(stated, dict) else ()
    return [(name, node) for name, node in members if isinstance(node, dict) and "$ref" not in node]


def _schema(node: dict[str, Any]) -> dict[str, Any]:
    """What a parameter, a header or a form field of 2.0 says about its value."""
    kept = {k: v for k, v in node.items() if k not in _NOT_SCHEMA and (k[:2] != "x-" or k == "x-nullable")}
    return kept | {"type": "string", "format": "binary"} if kept.get("type") == "file" else kept


def _style(node: dict[str, Any], place: str) -> dict[str, Any]:
    """How the list that a parameter holds is written, in the words of 3.0 (OpenAPI 2.0, `collectionFormat`)."""
    if node.get("type") != "array":
        return {}
    stated = node.get("collectionFormat", "csv")
    inside = _inside(node)
    if place not in ("query", "formData"):
        return inside | ({"x-collection-format": stated} if stated in ("ssv", "tsv", "pipes") else {})
    if stated == "multi":
        return {"style": "form", "explode": True, **inside}
    style = {"style": _QUERY_STYLES.get(stated, "form"), "explode": False, **inside}
    return style | {"x-collection-format": "tsv"} if stated == "tsv" else style


def _inside(node: dict[str, Any]) -> dict[str, Any]:
    """How the lists in a list are written, level by level (OpenAPI 2.0, "Items Object")."""
    formats = []
    items = node.get("items")
    while isinstance(items, dict) and items.get("type") == "array":
        formats.append(str(items.get("collectionFormat", "csv")))
        items = items.get("items")
    return {"x-collection-format-items": formats} if formats else {}


def _scheme(node: dict[str, Any]) -> dict[str, Any]:
    """A Security Scheme Object."""
    if node.get("type") == "basic":
        return {**node, "type": "http", "scheme": "basic"}
    if node.get("type") != "oauth2":
        return node
    flow = str(node.get("flow"))
    inside = {k: node[k] for k in ("authorizationUrl", "tokenUrl", "scopes") if k in node}
    rest = {k: v for k, v in node.items() if k not in inside and k != "flow"}
    return {**rest, "flows": {_FLOWS.get(flow, flow): {"scopes": {}, **inside}}}
