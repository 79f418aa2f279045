"""Turns a document into entries that a tool can search, because a model that knows the API asks less and errs less.

There is one for every operation (those that are no tools too), component schema, security scheme and tag, and one for
every section of the document's own introduction. An entry has a kind, a name and a text; an operation also its method
and its path. A value of an entry is a text of the document, cleaned, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .plan import Entry
from .schemas import clean
from .spec import RawOperation, Spec, Unresolved, escape

__all__ = ["ABOUT", "ARGUMENTS", "RESULTS", "entries"]

ABOUT = """
Search the docs of {title}: its operations with their parameters and answers, its schemas, sign-in and guides.

Use it to answer questions about the API, or to find the tool for a task, without making any changes: it reads a copy
of the documentation that is part of this server, and sends no request. A result has an operation's method and path,
and the tool that calls it where there is one.
"""
"""What the tool that searches the entries says of itself."""

ARGUMENTS: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "query": {
            "type": "string",
            "minLength": 1,
            "maxLength": 200,
            "description": "Key words, such as the name of a thing and what is to be done with it.",
        },
        "limit": {
            "type": "integer",
            "minimum": 1,
            "maximum": 20,
            "default": 5,
            "description": "How many results to return, the best ones first.",
        },
    },
    "required": ["query"],
    "additionalProperties": False,
}
"""Those of `SearchDocs` in the runtime."""

RESULTS: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "results": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "kind": {"type": "string", "description": "operation, schema, security, tag or guide."},
                    **{key: {"type": "string"} for key in ("name", "method", "path", "tool", "text")},
                },
                "required": ["kind", "name", "text"],
            },
        },
        "note": {"type": "string", "description": "How many more there are, or what was not found."},
    },
    "required": ["results"],
}
"""What it answers."""

TOTAL = 4_000_000
"""Characters that the texts of all entries may have together; above it every text is cut shorter."""
_TEXTS = (2_000, 1_000, 500, 250)
_OWN = ("accept", "authorization", "content-type")
"""Headers that the server sends by itself (OpenAPI 3.1.1, "Parameter Object", has documents leave them out)."""
_DEPTH = 4
"""How far members of allOf, oneOf and anyOf are followed for their properties."""


def entries(spec: Spec) -> tuple[Entry, ...]:
    """Return the entries of a document by kind and name."""
    reader = _Reader(spec)
    found = [
        *reader.sections(),
        *map(reader.operation, spec.operations()),
        *reader.components("schemas", "schema"),
        *reader.components("securitySchemes", "security"),
        *reader.tags(),
    ]
    room = next((n for n in _TEXTS if sum(min(len(e["text"]), n) for e in found) <= TOTAL), _TEXTS[-1])
    cut = [{k: v if k != "text" else clean(v, room) for k, v in e.items() if v or k == "text"} for e in found]
    return tuple(sorted(cut, key=lambda e: (e["kind"], e["name"], *(e.get(k, "") for k in ("path", "method", "text")))))


class _Reader:
    def __init__(self, spec: Spec) -> None:
        self._spec = spec

    def sections(self) -> Iterator[Entry]:
        """Yield the introduction: what the API is and where, and what stands under each heading of its description."""
        info = self._spec.info
        urls = [_text(s, "url") for s in _dicts(self._spec.root.get("servers"))]
        lines = [_text(info, "summary"), *(f"Base URL: {u}" for u in urls if u)]
        before, *parts = re.split(r"^#{1,6}[ \t]+(.+)$", _text(info, "description"), flags=re.MULTILINE)
        yield _entry("guide", _text(info, "title") or "API", _joined(*lines, before))
        for heading, text in zip(parts[::2], parts[1::2], strict=True):
            yield _entry("guide", heading.strip("# \t"), text.strip())

    def tags(self) -> Iterator[Entry]:
        for tag in _dicts(self._spec.root.get("tags")):
            yield _entry("tag", _text(tag, "name"), _text(tag, "description"))

    def operation(self, raw: RawOperation) -> Entry:
        node = raw.node
        said = [_text(node, "summary"), _text(node, "description")]
        parameters = [
            (_text(p, "name"), f"- {_text(p, 'name')} ({_text(p, 'in')}{_demand(p)}){_told(p)}")
            for holder, pointer in ((raw.item, raw.item_pointer), (node, raw.pointer))
            for p in self._members(holder.get("parameters"), f"{pointer}/parameters")
            if _text(p, "name").lower() not in _OWN
        ]
        body = self._node(node.get("requestBody"), f"{raw.pointer}/requestBody")
        answers = _dict(node.get("responses"))
        text = _joined(
            "This operation is deprecated." if node.get("deprecated") is True else "",
            *dict.fromkeys(said),
            _list("Parameters:", [line for _, line in sorted(parameters)]),
            _list("Body:", sorted({*self._content(body, f"{raw.pointer}/requestBody/content")})),
            _list("Answers:", sorted(self._answer(s, a, raw.pointer) for s, a in answers.items())),
        )
        name = _text(node, "operationId") or f"{raw.method} {raw.path}"
        return _entry("operation", name, text, method=raw.method, path=raw.path)

    def components(self, place: str, kind: str) -> Iterator[Entry]:
        components = _dict(self._spec.root.get("components"))
        for name, stated in _dict(components.get(place)).items():
            pointer = f"#/components/{place}/{escape(name)}"
            node = self._node(stated, pointer)
            title, described = _text(node, "title"), _text(node, "description")
            facts = ("type", "scheme", "in", "name") if kind == "security" else ()
            text = _joined(
                *dict.fromkeys([title if title != name else "", described]),
                ", ".join(f"{key}: {_text(node, key)}" for key in facts if _text(node, key)),
                _values(node),
                _list("Properties:", sorted({*self._fields(node, pointer)})),
            )
            yield _entry(kind, name, text)

    def _answer(self, status: str, stated: Any, pointer: str) -> str:
        answer = self._node(stated, f"{pointer}/responses/{escape(str(status))}")
        return f"- {status}{_told(answer)}"

    def _content(self, holder: Mapping[str, Any], pointer: str) -> Iterator[str]:
        """Yield the properties of a body, in all of its media types."""
        for name, media in _dict(holder.get("content")).items():
            yield from self._fields(_dict(media).get("schema"), f"{pointer}/{escape(name)}/schema")

    def _fields(self, stated: Any, pointer: str) -> Iterator[str]:
        """Yield a line for each property of a schema and of those that it is made of, each of them once."""
        todo, seen = [(stated, pointer, _DEPTH)], set()
        for inner, place, depth in todo:
            node, at = self._found(inner, place)
            if at in seen:
                continue
            seen.add(at)
            yield from self._lines(node, at)
            for key in ("allOf", "oneOf", "anyOf") if depth else ():
                parts = node.get(key)
                found = enumerate(parts if isinstance(parts, list) else ())
                todo += [(part, f"{at}/{key}/{index}", depth - 1) for index, part in found]
            if depth and node.get("type") == "array":
                todo.append((node.get("items"), f"{at}/items", depth - 1))

    def _lines(self, node: Mapping[str, Any], pointer: str) -> Iterator[str]:
        """Yield a line for each property that an object of the document states itself."""
        required = node.get("required")
        for name, inner in _dict(node.get("properties")).items():
            if isinstance(inner, dict):
                seen = self._node(inner, f"{pointer}/properties/{escape(name)}")
                kind = _kind(inner, seen)
                needed = {"required": isinstance(required, list) and name in required}
                told = inner if _text(inner, "description") else seen
                values = _values(seen)
                yield f"- {name} ({kind}{_demand(needed)}){_told(told)}{' ' if values else ''}{values}"

    def _members(self, stated: Any, pointer: str) -> Iterator[Mapping[str, Any]]:
        for index, item in enumerate(stated if isinstance(stated, list) else ()):
            yield self._node(item, f"{pointer}/{index}")

    def _node(self, stated: Any, pointer: str) -> Mapping[str, Any]:
        """Return the object that stands somewhere or is referred to there; an empty one for anything else."""
        return self._found(stated, pointer)[0]

    def _found(self, stated: Any, pointer: str) -> tuple[Mapping[str, Any], str]:
        try:
            node, at = self._spec.deref(stated, pointer)
        except Unresolved:
            return {}, pointer
        return _dict(node), at


def _entry(kind: str, name: str, text: str, **more: str) -> Entry:
    flat = {key: clean(value, 300).replace("\n", " ") for key, value in {"name": name, **more}.items()}
    return {"kind": kind, **flat, "name": flat["name"] or kind, "text": clean(text, _TEXTS[0])}


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[Mapping[str, Any]]:
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def _text(node: Mapping[str, Any], key: str) -> str:
    value = node.get(key)
    return value.strip() if isinstance(value, str) else ""


def _flat(text: str) -> str:
    return " ".join(clean(text, 400).split())


def _told(node: Mapping[str, Any]) -> str:
    text = _flat(_text(node, "description"))
    return f": {text}" if text else ""


def _demand(node: Mapping[str, Any]) -> str:
    return ", required" if node.get("required") is True else ""


def _kind(stated: Mapping[str, Any], node: Mapping[str, Any]) -> str:
    """Return the type of a property in a word: that of the component it refers to, else what the schema says."""
    if isinstance(stated.get("$ref"), str):
        return str(stated["$ref"]).rsplit("/", 1)[-1]
    said = node.get("type")
    return " or ".join(map(str, said)) if isinstance(said, list) else str(said or "any")


def _values(node: Mapping[str, Any]) -> str:
    values = node.get("enum")
    return f"One of: {_flat(', '.join(map(str, values)))}." if isinstance(values, list) else ""


def _list(heading: str, lines: Sequence[str]) -> str:
    return "\n".join(filter(None, [heading, *lines])) if lines else ""


def _joined(*parts: str) -> str:
    return "\n".join(filter(None, parts))
