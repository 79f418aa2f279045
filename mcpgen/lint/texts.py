"""Turns the vendor's own texts and examples into those that deceive: orders, hidden words, examples that do not fit.

The texts are read as the document has them, not as they are published: what mcpgen would take out is a sign too. The
configuration's own words are not judged: whoever writes them may give orders.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..names import digest
from ..plan import Tool
from ..spec import Unresolved, escape
from .examples import Examples
from .rules import Finding
from .server import Server, toml, toml_key
from .wording import hidden, orders

__all__ = ["CHECKS"]


def texts(server: Server) -> Iterator[Finding]:
    """Look at every text and example of a request; what several tools share is told of the first of them."""
    known = {t.name for t in server.plan.tools}
    examples = Examples(server.spec)
    for tool in server.plan.operations:
        for pointer, text in _of_tool(server, tool):
            yield from _judged(server, tool, known, pointer, text, "")
        for pointer, media in server.places.bodies(tool):
            yield from _misfits(server, tool, examples, pointer, media, "")
        for argument in tool.arguments if tool.listed is None else ():
            root = server.places.argument(tool, argument)
            reworded = bool(server.worded(tool, argument))
            for pointer, node in server.places.schemas(root) if root else ():
                for at, text in _of_schema(pointer, node):
                    if not (reworded and at == f"{root}/description"):
                        yield from _judged(server, tool, known, at, text, argument.key)
                yield from _misfits(server, tool, examples, pointer, node, argument.key)


def _of_tool(server: Server, tool: Tool) -> Iterator[tuple[str, str]]:
    """Yield what the vendor says of a tool as a whole, with its pointers; of one of another server, all it says."""
    stated = server.stated(tool).description
    silenced = ("description", "summary") if stated and "{text}" not in stated else ()
    if tool.listed is not None:
        for way, text in _strings(tool.listed):
            if way[0] not in silenced:
                yield "/".join([tool.pointer, *map(escape, way)]), text
        return
    raw = server.places.operation(tool)
    for key in ("summary", "description"):
        if raw and key not in silenced and isinstance(raw.node.get(key), str):
            yield f"{raw.pointer}/{key}", raw.node[key]


def _of_schema(pointer: str, node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in ("title", "description", "default", "const"):
        if isinstance(text := node.get(key), str):
            yield f"{pointer}/{key}", text
    for index, value in enumerate(node["enum"] if isinstance(node.get("enum"), list) else ()):
        if isinstance(value, str):
            yield f"{pointer}/enum/{index}", value


def _strings(node: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the texts in a value of JSON, with the way to each."""
    todo: list[tuple[tuple[str, ...], Any]] = [((), node)]
    while todo:
        at, value = todo.pop()
        if isinstance(value, str):
            yield at, value
        elif isinstance(value, dict):
            todo += reversed([((*at, str(k)), v) for k, v in value.items()])
        elif isinstance(value, list):
            todo += reversed([((*at, str(i)), v) for i, v in enumerate(value)])


def _judged(server: Server, tool: Tool, known: set[str], pointer: str, text: str, argument: str) -> Iterator[Finding]:
    for rule, said, does in (
        ("hidden-text", hidden(text), "hides"),
        ("instruction-like-text", orders(text, known, tool.name), "says"),
    ):
        if said:
            where = f"`{argument}` of {tool.name}" if argument else tool.name
            kind = "value" if "/enum/" in pointer else pointer.rpartition("/")[2]
            message = f"the {kind} for {where} {does} {said}"
            subject = f"{server.labels[tool.name]} {argument} {digest(text)}"
            cure = _reworded(server, tool, pointer, argument)
            yield from server.finding(rule, pointer, message, cure, [tool.name], argument, subject=subject)
            return


def _reworded(server: Server, tool: Tool, pointer: str, argument: str) -> str:
    if tool.listed is not None and "/inputSchema" in pointer:
        return f"[exclude]\noperations = {toml([tool.operation_id])}"
    if not argument:
        return server.table(tool, 'description = "…"')
    if pointer == f"{server.places.argument(tool, _named(tool, argument))}/description":
        return server.table(tool, f'arguments = {{ {toml_key(argument)} = "…" }}')
    return server.fix(pointer, "# was = what stands there", 'now = "…"')


def _named(tool: Tool, key: str) -> Any:
    return next(a for a in tool.arguments if a.key == key)


def _misfits(
    server: Server, tool: Tool, examples: Examples, pointer: str, node: Mapping[str, Any], argument: str
) -> Iterator[Finding]:
    for at, reason in examples.misfits(pointer, node):
        kind = "a default" if at.endswith("/default") else "an example"
        where = f"`{argument}` of {tool.name}" if argument else f"the body of {tool.name}"
        message = f"{kind} for {where} does not fit its schema: {reason}"
        try:
            value = json.dumps(server.spec.resolve(at), ensure_ascii=False)
        except (Unresolved, ValueError):
            value = ""
        was = f"was_json = {toml(value)}" if 0 < len(value) <= 160 else "# was_json = what stands there"
        cure = server.fix(at, was, 'now_json = "…"') + "\n# or correct the schema"
        subject = at if at.startswith("#/components/") else ""
        yield from server.finding("example-violates-schema", at, message, cure, [tool.name], argument, subject=subject)


CHECKS = (texts,)
