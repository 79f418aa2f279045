"""Turns the list of tools of an MCP endpoint into the tools of a proxy, because a document shows but one operation.

The list is the snapshot beside the document, which `mcpgen fetch` takes, else what the document's examples show. An
entry is passed on as it stands; the classes that are made of it only judge what certainly contradicts its schema.

Sources: MCP 2025-11-25 and 2026-07-28, "Tools"; JSON Schema 2020-12 core, section 8.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema_rs

from . import schemas as sch
from .annotations import adopted
from .config import Config, ToolConfig
from .endpoint import examples
from .names import (
    KEY,
    TOOL_NAME,
    TOOL_NAME_HINT,
    field_name,
    mentioned_tools,
    named_tools,
    pascal,
    settle,
    title_of,
    tool_name,
)
from .plan import Area, Argument, Endpoint, Import, LeftOut, Models, Plan, Tool, json_bytes
from .planner import DESCRIPTION_LIMIT, PlaceNames, docstring, models_module
from .problems import Problem, Rejected
from .schemas import Defect, Key, Place, Schemas, Shape, clean
from .spec import Spec, Unresolved, escape
from .spec.source import Source, decode

__all__ = ["SNAPSHOT", "completed", "differences", "known", "snapshot_text"]

SNAPSHOT = "tools-list.json"
"""The file beside the document that holds what `tools/list` answered."""

_AREA = "remote"
_SHOWN = ("name", "title", "description", "inputSchema", "outputSchema", "annotations")
"""What is passed on of an entry. `_meta`, `icons` and `execution` speak of what a proxy does not have."""

_NODES = 100_000
"""How many nodes the references of an example may stand for."""

_DEPTH = 100
"""Levels of a schema; the SDK's serialiser gives up at about 250, and with it the whole list."""

_NAMELESS = "a tool"
"""What an entry is called whose name is not known."""

_IDLE = {
    "results": "results",
    "paging": "paging",
    "describe": "describe",
    "arguments": "arguments",
    "writes_destroy": "annotations.writes",
    "only_configured": "include.only_configured",
    "collapse_twins": "include.collapse_twins",
}
"""What the configuration can say of operations and not of a proxy: fields of `Config`, and what they are called."""

_TAKEN = frozenset("Annotated Any ClassVar Field Literal Model ProxiedTool None True False Union".split())
"""Names that the generated modules import, or that Python keeps."""


def completed(plan: Plan, spec: Spec, config: Config) -> Plan:
    """Return the plan of a document that is about an MCP endpoint with the tools that are listed there.

    A plan without an endpoint comes back as it is. Errors: `Rejected` when no tool is known, for names in the
    configuration that are not listed, and for a snapshot that cannot be read.
    """
    if plan.endpoint is None:
        return plan
    return _Proxy(plan, config, _listing(spec, plan.endpoint)).plan()


def known(plan: Plan, spec: Spec) -> list[dict[str, Any]]:
    """Return the entries that the tools of a proxy are made of. Errors: `Rejected` for an unreadable snapshot."""
    entries = _listing(spec, plan.endpoint).entries() if plan.endpoint else ()
    return [e for _, e in entries if isinstance(e, dict)]


def _listing(spec: Spec, endpoint: Endpoint) -> _Snapshot | _Shown:
    path = spec.path.with_name(SNAPSHOT)
    return _Snapshot(path) if path.is_file() else _Shown(spec, endpoint)


def snapshot_text(entries: Iterable[Mapping[str, Any]]) -> str:
    """Return the text of a snapshot: the entries of `tools/list` by name, and nothing that changes by itself."""
    known = {k: i for i, k in enumerate(_SHOWN)}
    ordered = [
        {k: e[k] for k in sorted(e, key=lambda k: (known.get(k, len(known)), k))}
        for e in sorted(entries, key=lambda e: str(e.get("name")))
    ]
    return json.dumps({"tools": ordered}, ensure_ascii=False, indent=1) + "\n"


def differences(known: Iterable[Mapping[str, Any]], listed: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return what became of tools that were known, of all that a proxy passes on: a line a tool, sorted by name."""
    before, after = (
        {str(e.get("name")): {k: _mended(e[k]) for k in _SHOWN if k in e} for e in entries}
        for entries in (known, listed)
    )
    found = []
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            found.append(f"{name}: no longer listed")
        elif name not in before:
            found.append(f"{name}: new")
        else:
            old, new = ({k: json.dumps(v, sort_keys=True) for k, v in e[name].items()} for e in (before, after))
            if changed := [k for k in _SHOWN if old.get(k) != new.get(k)]:
                found.append(f"{name}: {', '.join(changed)} changed")
    return found


# -- where the list comes from ------------------------------


class _Snapshot:
    """The entries of a file: an object with `tools`, an answer of JSON-RPC around it, or the list alone."""

    origin = f"the snapshot {SNAPSHOT}"
    note: tuple[str, str] | None = None

    def __init__(self, path: Path) -> None:
        self._source = Source(str(path), decode(path))
        self._source.parse(prefer_yaml=False)

    def entries(self) -> Iterator[tuple[str, Any]]:
        """Yield each entry with its pointer."""
        node, at = self._source.root, "#"
        for key in ("result", "tools"):
            if isinstance(node, dict) and key in node:
                node, at = node[key], f"{at}/{key}"
        if not isinstance(node, list):
            hint = "take it with: mcpgen fetch"
            raise Rejected([self._source.problem_at("the snapshot has no list `tools`", "#", hint=hint)])
        for index, entry in enumerate(node):
            yield f"{at}/{index}", entry

    def located(self, problem: Problem) -> Problem:
        return self._source.problem_at(problem.message, problem.pointer, hint=problem.hint)


class _Shown:
    """The entries that a document's examples show, with its own references in them expanded."""

    origin = "the examples of the document"
    note = (
        "the tools are those that the examples of the document show, which may be stale or simplified",
        "take a snapshot of what is listed now: mcpgen fetch",
    )

    def __init__(self, spec: Spec, endpoint: Endpoint) -> None:
        self._spec, self._endpoint = spec, endpoint

    def entries(self) -> Iterator[tuple[str, Any]]:
        """Yield each entry with its pointer, or the reason why there is none; what is shown twice, once."""
        seen = set()
        for pointer, value in self._values():
            result = value.get("result")
            tools = result.get("tools") if isinstance(result, dict) else None
            for index, tool in enumerate(tools if isinstance(tools, list) else ()):
                at = f"{pointer}/result/tools/{index}"
                try:
                    node, at = self._value(tool, at)
                    if at not in seen:
                        seen.add(at)
                        yield at, self._expanded(node, at, (), [_NODES])
                except Unresolved as error:
                    yield error.pointer, error.reason

    def located(self, problem: Problem) -> Problem:
        return self._spec.located(problem)

    def _values(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the examples of the endpoint's answers, then all others."""
        operation = self._spec.resolve(self._endpoint.pointer)
        answers = operation.get("responses")
        for status, answer in sorted(answers.items()) if isinstance(answers, dict) else ():
            yield from examples(self._spec, answer, f"{self._endpoint.pointer}/responses/{escape(status)}")
        components = self._spec.root.get("components")
        stated = components.get("examples") if isinstance(components, dict) else None
        for name, example in sorted(stated.items()) if isinstance(stated, dict) else ():
            with suppress(Unresolved):
                node, at = self._spec.deref(example, f"#/components/examples/{escape(name)}")
                if isinstance(node, dict) and isinstance(node.get("value"), dict):
                    yield f"{at}/value", node["value"]

    def _value(self, node: Any, pointer: str) -> tuple[Any, str]:
        """Follow references; one to an Example Object means its value."""
        known, at = self._spec.deref(node, pointer)
        if at != pointer and "/examples/" in at and isinstance(known, dict) and "value" in known:
            return known["value"], f"{at}/value"
        return known, at

    def _expanded(self, node: Any, pointer: str, above: tuple[str, ...], room: list[int]) -> Any:
        """Return a node in which the references to places of the document are what they lead to."""
        room[0] -= 1
        if room[0] < 0:
            raise Unresolved(pointer, "its references stand for too much")
        if isinstance(node, list):
            return [self._expanded(v, f"{pointer}/{i}", above, room) for i, v in enumerate(node)]
        if not isinstance(node, dict):
            return node
        if str(node.get("$ref", "")).startswith("#/components/"):
            known, at = self._value(node, pointer)
            if at in above:
                raise Unresolved(pointer, "a reference of the example leads back to itself")
            return self._expanded(known, at, (*above, at), room)
        return {k: self._expanded(v, f"{pointer}/{escape(k)}", above, room) for k, v in node.items()}


# -- what is listed, as a document that schemas are read from ------------------------------


@dataclass(frozen=True, slots=True)
class _Remote:
    """A tool of the endpoint."""

    pointer: str
    entry: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.entry["name"])

    @property
    def schema(self) -> str:
        """The pointer of what it takes."""
        return f"{self.pointer}/inputSchema"


class _Entries:
    """Resolves pointers into entries, and the references of each schema inside that schema."""

    version = "3.1.0"

    def __init__(self, remotes: Iterable[_Remote]) -> None:
        self._roots = {r.schema: r.entry["inputSchema"] for r in remotes}

    def resolve(self, pointer: str) -> Any:
        """The node at `pointer`. Errors: `Unresolved`."""
        root = self._root(pointer)
        return _walked(self._roots[root], pointer[len(root) :], pointer)

    def deref(self, node: Any, pointer: str) -> tuple[Any, str]:
        """The node that the chain of references at `node` ends with, and its pointer. Errors: `Unresolved`."""
        seen = [pointer]
        while isinstance(node, dict) and "$ref" in node:
            reference = node["$ref"]
            if not isinstance(reference, str) or not re.match(r"#(/|\Z)", reference):
                raise Unresolved(pointer, f"the reference {json.dumps(reference)[:80]} leads out of the schema")
            pointer = self._root(pointer) + unquote(reference[1:])
            if pointer in seen:
                raise Unresolved(pointer, "the reference leads back to itself")
            seen.append(pointer)
            node = self.resolve(pointer)
        return node, pointer

    def _root(self, pointer: str) -> str:
        root = pointer
        while root not in self._roots:
            root = root.rpartition("/")[0]
            if not root:
                raise Unresolved(pointer, "there is nothing at that place")
        return root


def _walked(node: Any, way: str, pointer: str) -> Any:
    for token in way.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(node, dict) and key in node:
            node = node[key]
        elif isinstance(node, list) and key.isdecimal() and int(key) < len(node):
            node = node[int(key)]
        else:
            raise Unresolved(pointer, "the reference leads to nothing")
    return node


def _mended(node: Any) -> Any:
    """Return a schema in which `x-$ref`, as documents write a reference that their tools shall not follow, is one."""
    if isinstance(node, list):
        return [_mended(v) for v in node]
    if not isinstance(node, dict):
        return node
    return {"$ref" if k == "x-$ref" and isinstance(v, str) else k: _mended(v) for k, v in node.items()}


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (node[k] for k in ("$ref", "$dynamicRef") if isinstance(node.get(k), str))
        node = list(node.values())
    for inner in node if isinstance(node, list) else ():
        yield from _references(inner)


def _wrong_schema(schema: Any) -> str:
    """Return why a schema cannot be listed; empty when it can.

    A root that does not say that it is an object makes clients before 2026-07-28 refuse the whole list.
    """
    if not isinstance(schema, dict):
        return "is no object"
    if schema.get("type") != "object":
        return 'does not say "type": "object"'
    if _deep(schema):
        return f"is nested more than {_DEPTH} levels deep"
    if not jsonschema_rs.meta.is_valid(schema):
        return "is no valid JSON Schema"
    for reference in _references(schema):
        if not re.match(r"#(/|\Z)", reference):
            return f"has a reference that is no pointer into it: {json.dumps(reference)[:80]}"
        try:
            _walked(schema, unquote(reference[1:]), reference)
        except Unresolved:
            return f"has a reference to nothing: {json.dumps(reference)[:80]}"
    return ""


def _deep(node: Any) -> bool:
    level = [node]
    for _ in range(_DEPTH):
        inner = [v for n in level if isinstance(n, dict | list) for v in (n.values() if isinstance(n, dict) else n)]
        if not (level := inner):
            return False
    return True


def _unusual(schema: dict[str, Any]) -> str:
    """Return what in a schema makes the APIs of some models refuse it, and with it all tools; empty for nothing."""
    if found := sorted({"oneOf", "anyOf", "allOf"} & schema.keys()):
        return f"{found[0]} at the root of its inputSchema"
    properties = schema.get("properties")
    odd = [k for k in properties if not KEY.fullmatch(k)] if isinstance(properties, dict) else []
    return f"the property {json.dumps(odd[0])[:80]}" if odd else ""


def _fits(hints: Any) -> bool:
    """Tell whether clients take annotations: the title is a text, a hint is true or false."""
    if not isinstance(hints, dict) or not isinstance(hints.get("title", ""), str):
        return False
    return all(isinstance(v, bool) for k, v in hints.items() if k.endswith("Hint"))


# -- the plan ------------------------------


class _Proxy:
    def __init__(self, plan: Plan, config: Config, listing: _Snapshot | _Shown) -> None:
        self._plan, self._config, self._listing = plan, config, listing
        self._notes: list[Problem] = []
        self._left_out: list[LeftOut] = []
        self._wrong: list[Problem] = []

    def plan(self) -> Plan:
        remotes = sorted(self._read(), key=lambda r: r.name)
        self._check_names({r.name for r in remotes} | {o.operation_id for o in self._left_out} - {_NAMELESS})
        chosen = [r for r in remotes if self._chosen(r)]
        if not remotes and not self._wrong:
            hint = f"take the list with: mcpgen fetch {Path(self._plan.document).parent.name}".rstrip()
            message = f"no tool of the MCP endpoint is known: there is no {SNAPSHOT}, and no example shows a list"
            self._wrong.append(self._listing.located(Problem(message, self._endpoint.pointer, hint)))
        tools, models = self._tools(chosen)
        lost = [o for o in self._left_out if not o.chosen] if self._config.strict else []
        self._wrong += [Problem(f"{o.label} cannot be a tool: {o.reason} ({o.place})", o.pointer) for o in lost]
        if self._wrong:
            raise Rejected(self._wrong)
        if self._listing.note:
            message, hint = self._listing.note
            self._notes.append(Problem(message, self._endpoint.pointer, hint))
        title = f"{self._plan.title}: tools of the remote server."
        area = Area(_AREA, self._plan.title, "", docstring(title), tuple(tools), self._imports(tools))
        notes = [*self._plan.notes, *(self._listing.located(n) for n in self._notes)]
        return replace(
            self._plan,
            areas=(area,) if tools else (),
            models=models,
            endpoint=replace(self._endpoint, origin=self._listing.origin),
            left_out=(*self._plan.left_out, *sorted(self._left_out, key=lambda o: o.label)),
            notes=tuple(sorted(notes, key=lambda p: (p.file, p.line, p.column, p.pointer, p.message))),
            mentions=(*self._plan.mentions, *self._mentions()),
        )

    @property
    def _endpoint(self) -> Endpoint:
        if self._plan.endpoint is None:
            raise AssertionError("a plan without an endpoint")
        return self._plan.endpoint

    # -- reading the list ------------------------------

    def _read(self) -> Iterator[_Remote]:
        seen: set[str] = set()
        for pointer, entry in self._listing.entries():
            if isinstance(entry, str):
                self._leave_out(_NAMELESS, pointer, entry)
                continue
            name = entry.get("name") if isinstance(entry, dict) else None
            if not isinstance(name, str) or not re.fullmatch(r"[!-~]{1,128}", name):
                self._leave_out(_NAMELESS, pointer, "it has no name of up to 128 printable characters")
                continue
            if name in seen:
                self._leave_out(name, pointer, "another one with that name is listed before it")
                continue
            seen.add(name)
            schema = _mended(entry.get("inputSchema"))
            if problem := _wrong_schema(schema):
                at = f"{pointer}/inputSchema" if "inputSchema" in entry else pointer
                self._leave_out(name, at, f"its inputSchema {problem}")
            else:
                if problem := _unusual(schema):
                    hint = f"where that matters, leave it out: [exclude] operations = [{json.dumps(name)}]"
                    self._notes.append(Problem(f"{name}: the APIs of some models refuse {problem}", pointer, hint))
                yield _Remote(pointer, dict(self._passed_on(name, entry, pointer)))

    def _passed_on(self, name: str, entry: dict[str, Any], pointer: str) -> Iterator[tuple[str, Any]]:
        """Yield the members of an entry that clients get; a note tells of each that would make them refuse it."""
        for key in _SHOWN:
            if key not in entry:
                continue
            value = _mended(entry[key]) if key.endswith("Schema") else entry[key]
            problem = ""
            if key == "outputSchema":
                problem = _wrong_schema(value)
            elif key == "annotations":
                problem = "" if _fits(value) else "are not what MCP makes them"
            elif key != "inputSchema" and not isinstance(value, str):
                problem = "is no text"
            if problem:
                self._notes.append(Problem(f"{name}: its {key} {problem}; it is left out", f"{pointer}/{key}"))
            else:
                yield key, value

    def _leave_out(self, name: str, pointer: str, reason: str, chosen: bool = False) -> None:
        place = self._listing.located(Problem(reason, pointer))
        at = f"{place.file}:{place.line}:{place.column}" if place.line else place.file
        path = self._endpoint.path
        self._left_out.append(LeftOut(name, name, "POST", path, place.pointer, reason, chosen, at))

    # -- the configuration ------------------------------

    def _check_names(self, known: set[str]) -> None:
        """Hold that the configuration speaks of tools that are listed, and of nothing that a proxy cannot change."""
        config = self._config
        for name in ("include", "exclude"):
            selection = getattr(config, name)
            for kind in ("tags", "paths", "methods"):
                if getattr(selection, kind):
                    message = f"the tools of an MCP endpoint have no {kind}"
                    self._wrong.append(config.problem(f"{name}.{kind}", message, "name them under `operations`"))
            for value in selection.operations:
                self._check_name(f"{name}.operations", value, known)
        usual = Config()
        for name, key in _IDLE.items():
            if getattr(config, name) != getattr(usual, name):
                hint = "say it of a tool, if it is about its name, title, description or annotations"
                self._wrong.append(config.problem(key, f"`{key}` has no effect on the tools of an MCP endpoint", hint))
        for name, stated in config.tools.items():
            self._check_name(f"tools.{name}", name, known)
            plain = ToolConfig(name=stated.name, title=stated.title, description=stated.description)
            if stated != replace(plain, annotations=stated.annotations):
                hint = "name, title, description and annotations can be said; the rest is the remote's affair"
                message = f"the arguments and the answer of {name!r} are passed on as they are"
                self._wrong.append(config.problem(f"tools.{name}", message, hint))
            if stated.name and not TOOL_NAME.fullmatch(stated.name):
                message = f"{stated.name!r} is no tool name"
                self._wrong.append(config.problem(f"tools.{name}.name", message, TOOL_NAME_HINT))

    def _mentions(self) -> Iterator[tuple[Problem, str]]:
        """Yield the tools that descriptions of the configuration name."""
        for label, stated in self._config.tools.items():
            for name in mentioned_tools(stated.description):
                yield self._config.problem(f"tools.{label}.description", ""), name

    def _check_name(self, key: str, value: str, known: set[str]) -> None:
        if value not in known:
            close = get_close_matches(value, known, 1)
            hint = f"did you mean {close[0]!r}?" if close else "listed: " + (", ".join(sorted(known)[:12]) or "none")
            self._wrong.append(self._config.problem(key, f"no tool {value!r} is listed", hint))

    def _chosen(self, remote: _Remote) -> bool:
        include, exclude = self._config.include, self._config.exclude
        reason = ""
        if include.operations and remote.name not in include.operations:
            reason = "not included by the configuration"
        elif remote.name in exclude.operations:
            reason = "excluded by the configuration"
        if reason:
            self._leave_out(remote.name, remote.pointer, reason, chosen=True)
        return not reason

    # -- tools ------------------------------

    def _tools(self, remotes: list[_Remote]) -> tuple[list[Tool], tuple[Models, ...]]:
        entries = _Entries(remotes)
        schemas = Schemas(entries)
        shapes = {}
        for remote in remotes:
            try:
                site = schemas.place(remote.schema)
                if schemas.endless(site):
                    raise Defect(remote.schema, "a value of its inputSchema must hold another of its kind, without end")
                shapes[remote.name] = schemas.shape(site)
            except Defect as defect:
                self._leave_out(remote.name, defect.pointer, defect.reason)
        kept = [r for r in remotes if r.name in shapes]
        names = self._names(kept)
        classes = settle(
            {n: pascal(names[n], "Tool") for n in shapes}, lambda n: (pascal(names[n]) + "Tool",), _TAKEN, joint="X"
        )
        models = _named_models(schemas, entries, kept, shapes, classes)
        written = sch.model_classes(schemas, models)
        taken = {*_TAKEN, *models.values()}
        publisher = sch.Publisher(schemas)
        tools = []
        for remote in kept:
            shape = shapes[remote.name]
            published = _published(publisher, remote, shape, self._config.schema_budget)
            fields = settle({k: field_name(k, taken) for k in shape.properties}, lambda k: ())
            arguments = [
                _argument(schemas, key, fields[key], place, key in shape.required, published, models)
                for key, place in sorted(shape.properties.items())
            ]
            tools.append(self._tool(remote, names[remote.name], classes[remote.name], published, arguments, models))
        return sorted(tools, key=lambda t: t.name), _models(written, models)

    def _names(self, remotes: list[_Remote]) -> dict[str, str]:
        """Return what each remote tool is called: as it is there, unless clients would not take it."""
        stated = {r.name: self._config.tools.get(r.name, ToolConfig()).name for r in remotes}
        fixed = {r.name: stated[r.name] or r.name for r in remotes if stated[r.name] or TOOL_NAME.fullmatch(r.name)}
        for name in sorted({n for n in fixed.values() if list(fixed.values()).count(n) > 1}):
            keys = [k for k in fixed if fixed[k] == name and stated[k]]
            self._wrong.append(self._config.problem(f"tools.{keys[0]}.name", f"two tools are called {name!r}"))
        others = {r.name: tool_name(r.name) for r in remotes if r.name not in fixed}
        settled = settle(others, lambda n: (), fixed.values())
        for remote in (r for r in remotes if r.name in settled):
            message = f"clients do not take the name {remote.name!r}; the tool is {settled[remote.name]}"
            self._notes.append(Problem(message, f"{remote.pointer}/name"))
        return fixed | settled

    def _tool(
        self,
        remote: _Remote,
        name: str,
        class_name: str,
        published: dict[str, Any],
        arguments: list[Argument],
        models: Mapping[Key, str],
    ) -> Tool:
        config = self._config.tools.get(remote.name, ToolConfig())
        entry = {**remote.entry, "name": name}
        hints = remote.entry.get("annotations", {})
        if config.title:
            entry["title"] = config.title
        if config.description:
            said = remote.entry.get("description", "")
            entry["description"] = clean(named_tools(config.description).replace("{text}", said), DESCRIPTION_LIMIT)
        annotations, stated = adopted(hints, config.annotations)
        if stated or "annotations" in entry:
            entry["annotations"] = stated
        title = entry.get("title") or hints.get("title") or title_of(name)
        description = entry.get("description") or title
        used = " ".join(a.type_source for a in arguments)
        known = set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", re.sub(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", "", used)))
        typing = known & {"Any", "Literal"} | {"Annotated" for a in arguments if a.field_source}
        return Tool(
            name=name,
            class_name=class_name,
            area=_AREA,
            title=clean(title, 200).replace("\n", " "),
            description=description,
            operation_id=remote.name,
            method="POST",
            path=self._endpoint.path,
            pointer=remote.pointer,
            operation_source=(repr(remote.name),),
            docstring_source=docstring(clean(description, DESCRIPTION_LIMIT)),
            arguments=tuple(arguments),
            annotations=annotations,
            input_schema=published,
            deprecated=False,
            internal=False,
            filled=(),
            markers=tuple(known & {"OneOf"}),
            typing=tuple(sorted(typing)),
            models=tuple(sorted(known & set(models.values()))),
            listed={k: entry[k] for k in _SHOWN if k in entry},
            facts={"operation": remote.name, "request": f"tools/call {remote.name}"},
        )

    def _imports(self, tools: list[Tool]) -> tuple[Import, ...]:
        """Return what the module of tools imports."""
        found = [Import("typing", tuple(sorted({"ClassVar", *(n for t in tools for n in t.typing)})))]
        if any(a.field_source for t in tools for a in t.arguments):
            found.append(Import("pydantic", ("Field",)))
        found.append(Import(".._runtime", tuple(sorted({"ProxiedTool", *(m for t in tools for m in t.markers)}))))
        if used := sorted({m for t in tools for m in t.models}):
            found.append(Import(f"..models.{_AREA}", tuple(used)))
        return tuple(found)


def _published(publisher: sch.Publisher, remote: _Remote, shape: Shape, budget: int) -> dict[str, Any]:
    """Return the schema for people and examples: inlined where that is not too large, else as it is listed."""
    try:
        properties = {k: publisher.publish(p, room=budget) for k, p in sorted(shape.properties.items())}
    except sch.TooLarge:
        return dict(remote.entry["inputSchema"])
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if len(json_bytes(schema)) > budget:
        return dict(remote.entry["inputSchema"])
    if shape.required:
        schema["required"] = sorted(shape.required)
    return schema


def _argument(
    schemas: Schemas,
    key: str,
    field: str,
    place: Place,
    required: bool,
    published: Mapping[str, Any],
    models: Mapping[Key, str],
) -> Argument:
    shape = schemas.shape(place)
    type_ = sch.type_expression(schemas, place, models)
    options: dict[str, Any] = {} if field == key else {"alias": key}
    if not required and type_ != "Any" and not type_.endswith("None"):
        type_ += " | None"
    elif not required and shape.nullable:
        options["json_schema_extra"] = {"x-null": True}  # what may be left out is `| None` as it is
    options.update(sch.constraints(shape))
    schema = published["properties"].get(key, {})
    if description := clean(str(schema.get("description", "")), 1000):
        options["description"] = description
    source = f"Field({', '.join(f'{k}={v!r}' for k, v in options.items())})" if options else ""
    return Argument(key, field, key, "", type_, "", source, required, schema)


def _named_models(
    schemas: Schemas, entries: _Entries, remotes: list[_Remote], shapes: Mapping[str, Shape], classes: Mapping[str, str]
) -> dict[Key, str]:
    """Name every object that arguments lead to after its tool and its place there."""
    roots = [place for r in remotes for place in shapes[r.name].properties.values()]
    keys = [k for k in schemas.reachable(roots, typed_only=True) if schemas.needs_name(k)]
    places = PlaceNames(entries, {r.schema: classes[r.name] for r in remotes})
    wanted = {k: places.name(k) for k in keys}
    return settle(wanted, lambda k: (places.name(k, longer=True),), {*classes.values(), *_TAKEN}, joint="X")


def _models(written: Callable[[], dict[str, sch.ModelClass]], names: Mapping[Key, str]) -> tuple[Models, ...]:
    """Return the module of models, its classes by name."""
    if not names:
        return ()
    classes = written()
    return (models_module(_AREA, "the remote's tools", [classes[n] for n in sorted(names.values())], set()),)
