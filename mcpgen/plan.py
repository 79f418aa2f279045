"""The intermediate representation: what a generated server is made of, with every name, type and text final.

The planner builds it, the templates place it. Fields called `*_source` hold Python source that is safe to place as it
is; every other string is text, and a template that places it says how it is escaped.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic_core import to_json

from .config import Errors, Http, Readme
from .corrections import Correction
from .problems import Problem

Effect = Literal["read", "write", "destructive"]
JsonSchema = Mapping[str, Any]
Entry = Mapping[str, str]
"""Something that the document says: its kind, name and text, and an operation's method, path and tools."""


def json_bytes(value: Any, indent: int | None = None) -> bytes:
    """Return JSON in UTF-8: compact, as the wire has it, or with an `indent` in blanks.

    Half a surrogate pair, which is no UTF-8, is encoded all the same ("surrogatepass").
    """
    try:
        return to_json(value, indent=indent)  # ten times as fast as `json` with an indent
    except ValueError:
        separators = (",", ":") if indent is None else None
        text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
        return text.encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Annotations:
    """The four hints of MCP (2025-11-25, tools: ToolAnnotations) and the evidence for them."""

    read_only: bool
    destructive: bool
    idempotent: bool
    open_world: bool
    reason: str

    @property
    def effect(self) -> Effect:
        return "read" if self.read_only else "destructive" if self.destructive else "write"

    @property
    def brief(self) -> str:
        """The hints in a column of a table."""
        return self.effect + (", idempotent" if self.idempotent and not self.read_only else "")

    @property
    def words(self) -> str:
        """The hints as a person reads them."""
        said = {"read": "Reads", "write": "Writes, adds only", "destructive": "Writes, may overwrite or remove"}
        return said[self.effect] + (
            "; repeating it changes nothing more" if self.idempotent and not self.read_only else ""
        )


def _kind(schema: JsonSchema) -> str:
    """Return the type of a published schema in words: list of string, one of these; `_values` has those."""
    if "enum" in schema:
        return "one of " + ("these" if len(schema["enum"]) > 1 else "".join(map(_shown, schema["enum"])))
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(_kind(s) for s in schema[key]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    limits = ", ".join(f"{k} {schema[k]}" for k in ("minimum", "maximum", "minLength", "maxLength") if k in schema)
    name = str(schema.get("format") or schema.get("type") or "anything")
    return f"{name}, {limits}" if limits else name


def _values(schema: JsonSchema) -> Iterator[str]:
    """Yield the values that `_kind` calls these."""
    if "enum" in schema:
        yield from map(_shown, schema["enum"] if len(schema["enum"]) > 1 else ())
        return
    for key in ("anyOf", "oneOf"):
        if key in schema:
            for branch in schema[key]:
                yield from _values(branch)
            return
    if schema.get("type") == "array":
        yield from _values(schema.get("items", {}))


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a tool and where its value goes in the HTTP request."""

    key: str
    field: str
    wire: str
    place: str
    type_source: str
    marker_source: str
    field_source: str
    required: bool
    schema: JsonSchema

    @property
    def description(self) -> str:
        return str(self.schema.get("description", ""))

    @property
    def kind(self) -> str:
        """The type in words."""
        return _kind(self.schema)

    @property
    def values(self) -> tuple[str, ...]:
        """The values that it is one of, where there are several: a line each, so that one more is one more line."""
        return tuple(dict.fromkeys(_values(self.schema)))

    @property
    def demand(self) -> str:
        return ", required" if self.required else ""

    @property
    def colon(self) -> str:
        return ": " if self.description else ""

    @property
    def source(self) -> str:
        """The field: its type, its place in the request, what pydantic checks and tells."""
        parts = [p for p in (self.type_source, self.marker_source, self.field_source) if p]
        type_ = f"Annotated[{', '.join(parts)}]" if len(parts) > 1 else self.type_source
        return f"{self.field}: {type_}" + ("" if self.required else " = None")


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool: one operation of the document."""

    name: str
    class_name: str
    area: str
    title: str
    description: str
    operation_id: str
    method: str
    path: str
    pointer: str
    operation_source: tuple[str, ...]
    docstring_source: str
    arguments: tuple[Argument, ...]
    annotations: Annotations
    input_schema: JsonSchema
    deprecated: bool
    internal: bool
    """A class for custom tools and contexts, and no tool."""
    filled: tuple[str, ...]
    """What the configuration fills in and fixes, in words."""
    markers: tuple[str, ...]
    typing: tuple[str, ...]
    models: tuple[str, ...]
    output_schema: JsonSchema | None = None
    listed: Mapping[str, Any] | None = None
    """What another MCP server lists, of a tool that is passed on to it."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What no entry of `tools/list` says, for a later version to be compared with: request, credentials, answer."""

    @property
    def description_lines(self) -> tuple[str, ...]:
        return tuple(self.description.split("\n"))

    @property
    def arguments_sorted(self) -> tuple[Argument, ...]:
        """Required ones first, as in the published schema."""
        return tuple(sorted(self.arguments, key=lambda a: (not a.required, a.key)))

    @property
    def place(self) -> str:
        """Where the class is: module and name below the package's `tools`."""
        return f"{self.area}:{self.class_name}"

    @property
    def called(self) -> str:
        """The request, for people."""
        return f"{self.method} {self.path}" if self.listed is None else f"tools/call {self.operation_id}"

    def entry(self) -> dict[str, Any]:
        """Return the tool as `tools/list` shows it."""
        if self.listed is not None:
            return dict(self.listed)
        output = {"outputSchema": self.output_schema} if self.output_schema else {}
        return _entry(self.name, self.title, self.description, self.input_schema, self.annotations) | output


def _entry(name: str, title: str, description: str, schema: JsonSchema, hints: Annotations) -> dict[str, Any]:
    return {
        "name": name,
        "title": title,
        "description": description,
        "inputSchema": schema,
        "annotations": {
            "title": title,
            "readOnlyHint": hints.read_only,
            "destructiveHint": hints.destructive,
            "idempotentHint": hints.idempotent,
            "openWorldHint": hints.open_world,
        },
    }


SEARCHING = "api_docs"
"""The module of the tool that searches the document, and its area."""


@dataclass(frozen=True, slots=True)
class CustomTool:
    """One tool that is no operation: of custom.py, or the search of the document."""

    name: str
    class_name: str
    area: str
    title: str
    description: str
    docstring_source: str
    annotations: Annotations
    input_schema: JsonSchema
    output_schema: JsonSchema | None
    calls: tuple[str, ...]
    """The operations that it calls, by operationId."""
    deprecated: bool = False
    operation_id: str = ""
    method: str = ""
    path: str = ""
    arguments: tuple[Argument, ...] = ()
    filled: tuple[str, ...] = ()
    module: str = "custom"

    @property
    def place(self) -> str:
        """Where the class is: module and name below the package's `tools`."""
        return f"{self.module}:{self.class_name}"

    @property
    def description_lines(self) -> tuple[str, ...]:
        return tuple(self.description.split("\n"))

    @property
    def called(self) -> str:
        """The request, for people."""
        if self.module == SEARCHING:
            return "docs.json, no request"
        return "custom.py" + (f", which calls {', '.join(self.calls)}" if self.calls else "")

    @property
    def arguments_sorted(self) -> tuple[Argument, ...]:
        """Required ones first, as in the published schema."""
        required = self.input_schema.get("required", ())
        properties = self.input_schema.get("properties", {})
        return tuple(Argument(k, k, k, "", "", "", "", k in required, v) for k, v in properties.items())

    def entry(self) -> dict[str, Any]:
        """Return the tool as `tools/list` shows it."""
        output = {"outputSchema": self.output_schema} if self.output_schema else {}
        return _entry(self.name, self.title, self.description, self.input_schema, self.annotations) | output


@dataclass(frozen=True, slots=True)
class Import:
    """One `from module import names`."""

    module: str
    names: tuple[str, ...]

    @property
    def source(self) -> str:
        """The statement, one name a line, so that one more is one more line."""
        return f"from {self.module} import (\n" + "".join(f"    {n},\n" for n in self.names) + ")"


def _call(value: Http | Errors, usual: Http | Errors) -> str:
    """Return the call that makes `value`, with what differs from the usual one; empty when nothing does."""
    stated = {n: getattr(value, n) for n in value.__dataclass_fields__ if getattr(value, n) != getattr(usual, n)}
    inner = ", ".join(f"{n}={v!r}" for n, v in stated.items())
    return f"{type(value).__name__}({inner})" if inner else ""


def _block(imports: tuple[Import, ...]) -> str:
    """Return imports with a blank line between the standard library, packages, and our own modules."""
    groups = ["typing"], ["pydantic"]
    kinds = [[i.source for i in imports if i.module in g] for g in groups]
    kinds.append([i.source for i in imports if i.module.startswith(".")])
    return "\n\n".join("\n".join(k) for k in kinds if k)


@dataclass(frozen=True, slots=True)
class Area:
    """The tools of one tag: one module of tools and, if they need any, one of models."""

    name: str
    title: str
    description: str
    docstring_source: str
    tools: tuple[Tool, ...]
    imports: tuple[Import, ...]

    @property
    def imports_source(self) -> str:
        return _block(self.imports)

    @property
    def listed(self) -> tuple[Tool, ...]:
        """Those that a model can call; the other classes are for custom tools."""
        return tuple(t for t in self.tools if not t.internal)


@dataclass(frozen=True, slots=True)
class Section:
    """The tools of an area, for people."""

    name: str
    title: str
    description: str
    tools: tuple[Tool | CustomTool, ...]


@dataclass(frozen=True, slots=True)
class Models:
    """One module of nested objects, as datamodel-code-generator wrote them."""

    name: str
    docstring_source: str
    imports: tuple[Import, ...]
    classes_source: tuple[str, ...]

    @property
    def imports_source(self) -> str:
        return _block(self.imports)


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable that the server reads."""

    name: str
    description: str
    required: bool = False
    secret: bool = False
    default: str = ""
    choices: tuple[str, ...] = ()
    format: str = ""
    """"filepath" when it names a file, as in the registry's server.json."""

    @property
    def need(self) -> str:
        return "yes" if self.required else "no"

    @property
    def told_default(self) -> str:
        shown = "".join(c if c.isprintable() and c != "`" else "?" for c in self.default).replace("|", "\\|")
        return f" Default: `{shown}`." if shown else ""


@dataclass(frozen=True, slots=True)
class Upstream:
    """One base URL of the API."""

    key: str
    url: str
    env: str
    """The variable that replaces it as a whole."""
    parts: tuple[str, ...]
    """The variables that fill in parts of it."""
    source: str

    @property
    def named(self) -> str:
        return f" {self.key}" if self.key else ""


@dataclass(frozen=True, slots=True)
class Credential:
    """One security scheme and the Python that places its credential."""

    key: str
    kind: str
    about: str
    """What the document says of it: apiKey in header X-Key."""
    source: str
    variables: tuple[Variable, ...]
    settings: tuple[tuple[str, str], ...]
    """The keys under [auth.…] in mcpgen.toml that give what was inferred, with their values."""
    setup: tuple[str, ...]
    """The variables that a reader is told to set: of several ways the one that lasts."""


@dataclass(frozen=True, slots=True)
class KeyHeader:
    """An HTTP header in which a caller sends a key of their own, `{KEY}` in its value."""

    name: str
    value: str
    key: str = "API_KEY"
    """What the key is, for a placeholder."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The MCP endpoint that the whole document is about: the server is a proxy for it."""

    path: str
    pointer: str
    source: str
    evidence: tuple[str, ...]
    origin: str = ""
    """Where its tools are known from."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An operation that is no tool, and why."""

    label: str
    operation_id: str
    method: str
    path: str
    pointer: str
    reason: str
    chosen: bool
    """True when the configuration left it out, False when the document did."""
    place: str = ""
    """File, line and column; changes with every edit of the document, so only the terminal shows it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole generated server."""

    name: str
    package: str
    title: str
    version: str
    description: str
    instructions: str
    document: str
    document_version: str
    env_prefix: str
    areas: tuple[Area, ...]
    models: tuple[Models, ...]
    upstreams: tuple[Upstream, ...]
    credentials: tuple[Credential, ...]
    requirements_source: str
    variables: tuple[Variable, ...]
    first_choice: tuple[str, ...]
    """The security schemes of the first way in that the document names: what a reader is told to set."""
    tags: tuple[tuple[str, int], ...]
    """The tags of the document, with the number of their operations."""
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[Problem, ...] = ()
    registry_name: str = ""
    readme: Readme = field(default_factory=Readme)
    key_headers: tuple[KeyHeader, ...] = ()
    """What a caller sends all of; empty where callers have no keys of their own."""
    http: Http = field(default_factory=Http)
    errors: Errors = field(default_factory=Errors)
    headers: tuple[tuple[str, str], ...] = ()
    """Headers of every request to the API."""
    contexts: tuple[tuple[str, str], ...] = ()
    """Operations that are called once for values that others need, and the places of their classes."""
    context_headers: tuple[tuple[str, str], ...] = ()
    custom: tuple[CustomTool, ...] = ()
    custom_source: str = ""
    """The text of custom.py."""
    docs: tuple[Entry, ...] = ()
    """What the document says, for the tool that searches it; empty without one."""
    mentions: tuple[tuple[Problem, str], ...] = ()
    """The tools that descriptions name, each with a problem at the place that names it."""
    answers: Mapping[str, Any] = field(default_factory=dict)
    """The JSON Schemas that what tools answer refers to, by name, for a later version to be compared with."""
    corrections: tuple[Correction, ...] = ()
    """What the configuration changed in the document before anything was made of it."""
    endpoint: Endpoint | None = None

    @property
    def told_headers(self) -> tuple[tuple[str, str], ...]:
        """The headers of every request and where their values come from, for people."""
        asked = dict(self.contexts)
        calls = {t.place: t.called for a in self.areas for t in a.tools}
        found = list(self.headers)
        for header, path in self.context_headers:
            name, _, rest = path.partition(".")
            found.append((header, f"{rest} in the answer to {calls[asked[name]]}, which is asked for once"))
        return tuple(sorted(found))

    @property
    def counts(self) -> dict[str, int]:
        """How many tools there are of each effect."""
        effects = [t.annotations.effect for t in self.tools]
        return {"total": len(effects), **{e: effects.count(e) for e in ("read", "write", "destructive")}}

    @property
    def defects(self) -> tuple[LeftOut, ...]:
        """What the document, and not the configuration, left out."""
        return tuple(sorted((o for o in self.left_out if not o.chosen), key=lambda o: (o.path, o.method)))

    @property
    def setup_variables(self) -> tuple[Variable, ...]:
        """What somebody must set who follows the README."""
        chosen = {
            v.name for c in self.credentials if c.key in self.first_choice for v in c.variables if v.name in c.setup
        }
        return tuple(v for v in self.variables if v.required or v.name in chosen)

    @property
    def token_hosts(self) -> str:
        """What the README says of credentials that go elsewhere than to the API; empty when there are none."""
        if not any(c.kind == "oauth" for c in self.credentials):
            return ""
        return " A client secret and a refresh token go to the token endpoint only."

    @property
    def environment_names(self) -> list[str]:
        return [v.name for v in self.setup_variables]

    @property
    def trial_environment(self) -> dict[str, str]:
        """Variables with which the server starts and reaches nothing."""
        parts = {name for u in self.upstreams for name in u.parts}
        urls = {n for n in self.environment_names if n.endswith("_URL") and n not in parts}
        urls |= {u.env for u in self.upstreams}
        return {name: "http://127.0.0.1:9" if name in urls else "x" for name in self.environment_names}

    @property
    def readings(self) -> tuple[str, ...]:
        """The operations that may only read although their verb says otherwise."""
        return tuple(n.hint.split("\n")[1].strip() for n in self.notes if n.hint.startswith("if it only reads"))

    @property
    def registry(self) -> str:
        """The name in the MCP registry."""
        return self.registry_name or f"io.github.example/{self.distribution}"

    @property
    def distribution(self) -> str:
        """The name of the Python distribution and of its command."""
        return self.package.replace("_", "-")

    @property
    def serving_source(self) -> tuple[str, ...]:
        """What the service says of itself beyond what every one says, an argument each."""
        hints = dict(sorted(self.errors.hints.items()))
        said = {
            "endpoint": self.endpoint.source if self.endpoint else "",
            "headers": self.headers,
            "http": _call(self.http, Http()),
            "errors": _call(replace(self.errors, hints=hints), Errors()),
            "contexts": dict(self.contexts),
            "context_headers": self.context_headers,
        }
        return tuple(f"{k}={v if isinstance(v, str) else repr(v)}" for k, v in said.items() if v)

    @property
    def service_imports_source(self) -> str:
        """The import of what `service.py` uses."""
        sources = (*(u.source for u in self.upstreams), *(c.source for c in self.credentials), *self.serving_source)
        text = " ".join(sources)
        names = "ApiKey Basic Digest Errors Http MutualTls OAuth Operation Service Upstream Variable".split()
        return Import("._runtime", tuple(n for n in names if n == "Service" or f"{n}(" in text)).source

    @property
    def operations(self) -> tuple[Tool, ...]:
        """The tools that are an operation each, sorted by name."""
        return tuple(sorted((t for a in self.areas for t in a.listed), key=lambda t: t.name))

    @property
    def remote_tools(self) -> dict[str, Mapping[str, Any]] | None:
        """What the MCP endpoint lists of the tools that are passed on, by its own names; None without an endpoint."""
        if self.endpoint is None:
            return None
        return {t.operation_id: t.listed for t in self.operations if t.listed is not None}

    @property
    def tools(self) -> tuple[Tool | CustomTool, ...]:
        """All tools, sorted by name."""
        return tuple(sorted((*self.operations, *self.custom), key=lambda t: t.name))

    @property
    def searches(self) -> tuple[CustomTool, ...]:
        """The tool that searches the document, if there is one."""
        return tuple(t for t in self.custom if t.module == SEARCHING)

    @property
    def documentation(self) -> tuple[Entry, ...]:
        """What the document says, with the tools that call its operations."""
        tools: dict[tuple[str, str], list[str]] = {}
        for tool in self.operations:
            tools.setdefault((tool.method, tool.path), []).append(tool.name)
        for custom in self.custom:
            for called in custom.calls:
                tools.setdefault(("", called), []).append(custom.name)
        found = []
        for entry in self.docs:
            keys = ((entry.get("method", ""), entry.get("path", "")), ("", entry["name"]))
            names = [n for key in keys for n in tools.get(key, ())] if entry["kind"] == "operation" else []
            told = {"tool": ", ".join(names), "text": entry["text"]} if names else {}
            found.append({k: v for k, v in entry.items() if k not in told} | told)
        return tuple(found)

    @property
    def contract(self) -> dict[str, Any]:
        """What the server promises beyond its entries in `tools/list`, for a later version to be compared with."""
        defaults = {v.name: v.default for v in self.variables}
        hosts = {
            u.key: " with ".join([u.url, *(f"{name}={defaults.get(name, '')}" for name in u.parts)])
            for u in self.upstreams
        }
        tokens = {v.name: v.default for c in self.credentials for v in c.variables if "://" in v.default}
        server = {
            "title": self.title,
            "instructions": self.instructions,
            "hosts": hosts | tokens,
            "credentials": {c.key: ", ".join([c.about, *(v.name for v in c.variables)]) for c in self.credentials},
            "headers": dict(self.told_headers),
            "needs": [v.name for v in self.variables if v.required],
            "callers": {h.name: h.value for h in self.key_headers},
            "origins": sorted(self.http.cors_origins),
            "endpoint": self.endpoint.path if self.endpoint else "",
        }
        tools = {t.name: {"area": t.area, **t.facts} for t in self.operations}
        tools |= {t.name: {"area": t.area, "request": t.called} for t in self.custom}
        return {"server": {k: v for k, v in server.items() if v}, "tools": tools, "schemas": self.answers}

    @property
    def selects(self) -> bool:
        """Whether a tool passes on a part of an answer, for which the server needs JMESPath."""
        return any(line.startswith("select=") for a in self.areas for t in a.tools for line in t.operation_source)

    @property
    def sections(self) -> tuple[Section, ...]:
        """The tools as a reader finds them: by area, those written by hand among them."""
        known = {"custom": ("Custom", ""), SEARCHING: ("API docs", "")}
        known |= {a.name: (a.title, a.description) for a in self.areas}
        found: defaultdict[str, list[Tool | CustomTool]] = defaultdict(list)
        for tool in self.tools:
            found[tool.area].append(tool)
        return tuple(Section(name, *known.get(name, (name, "")), tuple(found[name])) for name in sorted(found))

    @property
    def other_areas(self) -> tuple[tuple[str, str], ...]:
        """The areas of tools that are defined in another module."""
        return tuple((t.name, t.area) for t in self.tools if t.place.partition(":")[0] != t.area)
