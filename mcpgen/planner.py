"""Turns a document and its configuration into a `Plan`: which tools there are, and everything final about them.

A defect of the document costs the operations that it touches, each with its reason; a mistake in the configuration
costs the run. Nothing is guessed: what the document leaves open is open for the model too, or is reported.
"""

from __future__ import annotations

import json
import keyword
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

import jmespath

from . import docs, endpoint
from . import schemas as sch
from .annotations import READING_METHODS, annotate, looks_like_a_read, says_write
from .binding import Binder, Body, Draft, plain_path
from .config import Config, Dynamic, PagingPolicy, Selection, ToolConfig
from .corrections import Correction
from .names import (
    TOOL_NAME,
    TOOL_NAME_HINT,
    ascii_of,
    field_name,
    mentioned_tools,
    named_tools,
    pascal,
    settle,
    slug,
    snake,
    title_of,
    tool_name,
    words,
)
from .plan import (
    SEARCHING,
    Annotations,
    Area,
    Argument,
    CustomTool,
    Endpoint,
    Import,
    LeftOut,
    Models,
    Plan,
    Tool,
    json_bytes,
)
from .problems import Problem, Rejected
from .replies import Answers, Outlines, Reply, may_be_empty, page_style, reply
from .schemas import Defect, Document, Key, Place, Schemas, clean
from .shaping import Shaped, Shaper
from .spec import RawOperation, Spec, Unresolved
from .upstream import Access, Requirements

__all__ = ["Inferred", "inferred", "plan"]

Progress = Callable[[str], None]

DESCRIPTION_LIMIT = 2048
"""Claude Code cuts a tool's description there."""


_SENDS = ("headers", "body", "body_required", "wrapper", "xml", "fill", "values", "join", "fixed")
"""The settings of an `Operation(…)` that decide what is sent,"""
_PASSES_ON = ("paging", "unwrap", "drops", "select", "empty")
"""and those that decide what is made of the answer."""


@dataclass(frozen=True, slots=True)
class _Sketch:
    """One operation, read but not yet named or written."""

    raw: RawOperation
    operation_id: str
    area: str
    config: ToolConfig
    drafts: tuple[Draft, ...]
    body: Body
    headers: tuple[tuple[str, str], ...]
    server: str
    security: tuple[tuple[str, ...], ...]
    own_security: bool
    annotations: Annotations
    label: str
    """What the configuration calls the tool: its operationId, or the key of a table with `operation`."""
    internal: bool
    """No tool, but a class for custom tools and contexts."""

    @property
    def key(self) -> str:
        """What tells it from the others: paths may share a path item, tools an operation."""
        suffix = f" {self.label}" if self.config.operation else ""
        return f"{self.raw.path} {self.raw.method}{suffix}"


def plan(
    spec: Spec,
    config: Config,
    *,
    document: str = "",
    progress: Progress | None = None,
    corrections: tuple[Correction, ...] = (),
) -> Plan:
    """Return the plan of the server for `spec`.

    `document` is how generated files name the document, `corrections` are those that `spec` has. Errors: `Rejected`
    with every mistake of the configuration, with the defects of operations that it names, or with all defects when it
    says `strict = true`.
    """
    found = endpoint.alone(spec)
    if found:  # what the configuration says of operations, it says of the tools that are listed there: see `proxy`
        config = replace(config, tools={}, include=Selection(), exclude=Selection())
    made = _Planner(spec, config, document or spec.path.name, progress or (lambda _: None)).plan(found)
    return replace(made, corrections=corrections)


@dataclass(frozen=True, slots=True)
class Inferred:
    """What a document allows to be inferred of its tools, for a configuration to start from."""

    wrappers: int
    """Answers that are an object with one property."""
    lists: tuple[tuple[str, str], ...]
    """How lists come in pages, and how many, with some of their names."""
    brackets: int
    """Parameters `x[]` that are no lists in the document."""
    twins: int
    """Operations that are there for GET and for POST."""


def inferred(spec: Spec, made: Plan) -> Inferred:
    """Return what can be inferred of the tools of a plan."""
    by_pointer = {o.pointer: o for o in spec.operations()}
    wrappers = brackets = twins = 0
    lists: defaultdict[str, list[str]] = defaultdict(list)
    for tool in made.operations:
        raw = by_pointer[tool.pointer]
        found = reply(spec, raw)
        names = {a.wire: str(a.schema.get("type", "")) for a in tool.arguments if a.place in ("query", "body")}
        style = page_style(spec, raw, found, names) if tool.annotations.read_only else None
        if style is not None:
            lists[f"{style.style} ({style.place or style.limit})"].append(_label(raw))
        elif found.wrapper:
            wrappers += 1
        brackets += sum(a.wire.endswith("[]") and a.schema.get("type") != "array" for a in tool.arguments)
        twins += _has_twin(raw, "post")
    told = {
        how: f"{len(names)}: {', '.join(sorted(names)[:3])}{' …' * (len(names) > 3)}" for how, names in lists.items()
    }
    return Inferred(wrappers, tuple(sorted(told.items())), brackets, twins)


_FULL = 4
"""How many budgets a schema may take before the objects that are deepest in it lose their optional properties."""

_TAKEN = frozenset(
    "Annotated Any Argument BaseModel ClassVar ConfigDict Context Cookie DocumentRoot False Field Form Header Json "
    "JsonLines JsonRest Literal Local Model None Now OneOf Operation Paging Part PartHeader Path Query Raw RootModel "
    "Tool True Union Xml XmlNode".split()
)
"""Names that the generated modules import, or that Python keeps."""


class _Planner:
    def __init__(self, spec: Spec, config: Config, document: str, progress: Progress) -> None:
        info = spec.root.get("info")
        self._info: Mapping[str, Any] = info if isinstance(info, dict) else {}
        self._spec, self._config, self._progress = spec, config, progress
        self._document = re.sub(r"[^\w./+ -]|--+", "_", document)  # stands in comments of every kind
        self._schemas = Schemas(spec)
        self._publisher = sch.Publisher(self._schemas)
        self._name = config.name or _server_name(str(self._info.get("title") or spec.path.stem))
        self._title = config.title or clean(str(self._info.get("title") or self._name), 100).replace("\n", " ")
        self._prefix = config.env_prefix or self._name.replace("-", "_").upper()
        self._access = Access(spec, config, self._prefix)
        self._notes: list[Problem] = []
        self._left_out: list[LeftOut] = []
        self._wrong: list[Problem] = []
        self._definitions: dict[tuple[Key, bool], tuple[dict[str, Any], int]] = {}
        self._binder = Binder(spec, self._schemas, self._notes)
        self._answers = Answers(spec, config.schema_budget)
        self._outlines = Outlines(spec)
        self._replies: dict[str, Reply] = {}
        self._shaper = Shaper(spec, config, self._schemas, self._wrong)
        self._tags = _tags(spec.root.get("tags"))

    # -- the whole ------------------------------

    def plan(self, found: tuple[RawOperation, tuple[str, ...]] | None = None) -> Plan:
        """Return the plan; of a document that is about an MCP endpoint, all but the tools that are listed there."""
        operations = list(self._spec.operations()) if not found else []
        listing, own = self._endpoint(*found) if found else (None, ())
        self._check_names(operations)
        for lost in self._spec.lost:
            self._leave_out(f"{lost.method} {lost.path}".strip(), "", lost.method, lost.path, lost.problem)
        if not operations and not listing:
            self._notes.append(Problem("the document has no operations, so there are no tools", "#/paths"))
        chosen = list(self._chosen(operations))
        sketches = []
        for index, (raw, label, internal) in enumerate(chosen, 1):
            self._progress(f"reading operation {index} of {len(chosen)}")
            if (sketch := self._try(raw, label, internal)) is not None:
                sketches.append(sketch)
        tools = self._tools(sketches)
        self._shaper.check_used()
        contexts = self._contexts(tools)
        if self._config.strict:
            self._wrong += self._spec.problems
        if self._wrong:
            raise Rejected(self._located(self._wrong))
        self._progress("writing models")
        areas, models = self._areas(tools)
        needs = {s.security for s in sketches if s.security} | ({own} if own else set())
        used = {n for need in needs for alternative in need for n in alternative}
        stated, _ = self._access.requirements(self._spec.root.get("security"))
        default = own or tuple(a for a in stated if used.issuperset(a))  # every operation may have one of its own
        ways = [a for need in (default, *sorted(needs)) for a in need if a]
        self._access.ask(s.raw.node.get("security", self._spec.root.get("security")) for s in sketches)
        return Plan(
            name=self._name,
            package=self._config.package or self._name.replace("-", "_").removesuffix("_mcp") + "_mcp",
            title=self._title,
            version=self._config.version,
            description=self._config.description or f"{self._title} as tools for language models.",
            instructions=named_tools(self._config.instructions),
            document=self._document,
            document_version=str(self._info.get("version", "")),
            env_prefix=self._prefix,
            areas=areas,
            models=models,
            upstreams=tuple(self._access.upstreams[k] for k in sorted(self._access.upstreams)),
            credentials=tuple(self._access.credentials[k] for k in sorted(self._access.credentials) if k in used),
            requirements_source=repr(default),
            variables=self._access.variables(needs),
            first_choice=next(iter(ways), ()),
            tags=tuple(sorted(Counter(t for o in operations for t in _tag_names(o)).items())),
            left_out=tuple(sorted(self._left_out, key=lambda o: (o.path, o.method))),
            notes=tuple(self._located([*self._spec.problems, *self._notes, *self._access.problems])),
            registry_name=self._config.registry_name,
            contexts=contexts,
            context_headers=tuple(
                (n, v.text) for n, v in sorted(self._config.headers.items()) if isinstance(v, Dynamic)
            ),
            mentions=tuple(self._mentions(tools)),
            readme=self._config.readme,
            custom=self._search(),
            docs=docs.entries(self._spec) if self._config.search.name else (),
            key_headers=self._access.key_headers(ways),
            http=self._config.http,
            errors=replace(
                self._config.errors, hints={s: named_tools(t) for s, t in self._config.errors.hints.items()}
            ),
            headers=tuple(
                (name, value.replace("{version}", self._config.version))
                for name, value in sorted(self._config.headers.items())
                if isinstance(value, str)
            ),
            answers=dict(sorted(self._outlines.schemas.items())),
            endpoint=listing,
        )

    def _endpoint(self, raw: RawOperation, evidence: tuple[str, ...]) -> tuple[Endpoint, Requirements]:
        """Return the endpoint that the document is about, and the credentials that it takes."""
        requirements, headers = self._access.parameters(raw)
        if set("{}?#") & set(raw.path):
            hint = "write the whole address without it as `base_url` under [server], and the rest as a [[fix]]"
            self._wrong.append(
                Problem("the path of an MCP endpoint must be the same for every call", raw.pointer, hint)
            )
        server = ""
        for holder, pointer in ((raw.node, raw.pointer), (raw.item, raw.item_pointer)):
            if isinstance(holder.get("servers"), list) and holder["servers"]:
                server = self._access.upstream(holder["servers"], f"{pointer}/servers")
                break
        said = [repr("tools/list"), repr("POST"), repr(raw.path)]
        said += [f"headers={headers!r}"] if headers else []
        said += [f"server={server!r}"] if server else []
        message = f"POST {raw.path} is an MCP endpoint: {'; '.join(evidence)}. The server passes calls on to it"
        self._notes.append(Problem(message, raw.pointer))
        return Endpoint(raw.path, raw.pointer, f"Operation({', '.join(said)})", evidence), requirements

    def _contexts(self, tools: list[Tool]) -> tuple[tuple[str, str], ...]:
        """Return the contexts, each with the place of the class that is called for it."""
        # Of several tools on one operation the one without a name of its own comes first.
        by_id = {t.operation_id or f"{t.method} {t.path}": t for t in reversed(tools)}
        found = []
        for name, context in sorted(self._config.contexts.items()):
            tool = by_id.get(context.operation)
            if tool is None:
                continue  # a defect has cost it, which is said
            if not tool.annotations.read_only or any(a.required for a in tool.arguments):
                message = f"{context.operation} is no read without required arguments, so it gives no context"
                hint = "name another, or pin those arguments under [tools]"
                self._wrong.append(self._config.problem(f"context.{name}.operation", message, hint))
            elif "Context" in _declared(tool.operation_source):
                message = f"{context.operation} needs a context itself, so it gives none"
                self._wrong.append(self._config.problem(f"context.{name}.operation", message, "take its pin away"))
            found.append((name, tool.place))
        return tuple(found)

    def _mentions(self, tools: list[Tool]) -> Iterator[tuple[Problem, str]]:
        """Yield the tools that the configuration's texts name; custom ones are not known yet."""
        config = self._config
        texts = {"server.instructions": config.instructions, "describe.writes": config.describe.writes}
        texts |= {f"describe.tags.{t}": text for t, text in config.describe.tags.items()}
        for label, stated in config.tools.items():
            texts[f"tools.{label}.description"] = stated.description
            texts |= {f"tools.{label}.arguments.{n}": text for n, text in stated.arguments.items()}
        for at, arguments in (("arguments", config.arguments), *((f"tags.{t}", a) for t, a in config.tags.items())):
            texts |= {f"{at}.descriptions.{n}": text for n, text in arguments.descriptions.items()}
        texts["search.description"] = config.search.description
        texts |= {f"errors.hints.{s}": text for s, text in config.errors.hints.items()}
        for key, text in texts.items():
            for name in mentioned_tools(text):
                yield config.problem(key, ""), name

    def _search(self) -> tuple[CustomTool, ...]:
        """Return the tool that searches the document, when the configuration names one."""
        stated = self._config.search
        if not stated.name:
            return ()
        usual = re.sub(r"(?<!\n)\n(?!\n)", " ", docs.ABOUT.strip()).format(title=self._title)
        description = clean(named_tools(stated.description) or usual, DESCRIPTION_LIMIT)
        tool = CustomTool(
            name=stated.name,
            class_name="ApiDocs",
            area=SEARCHING,
            title=stated.title or "Search the API docs",
            description=description,
            docstring_source=docstring(description),
            annotations=Annotations(True, False, True, False, reason="it reads docs.json and sends nothing"),
            input_schema=docs.ARGUMENTS,
            output_schema=docs.RESULTS,
            calls=(),
            module=SEARCHING,
        )
        return (tool,)

    def _located(self, problems: list[Problem]) -> list[Problem]:
        """Give problems their place in the document."""
        out = [self._spec.located(p) if p.pointer and not p.line else p for p in problems]
        return sorted(out, key=lambda p: (p.file, p.line, p.column, p.pointer, p.message))

    def _try(self, raw: RawOperation, label: str, internal: bool) -> _Sketch | None:
        """Return the sketch of one operation; None when the document's defects cost it."""
        try:
            return self._sketch(raw, label, internal)
        except Defect as defect:
            reason, pointer = defect.reason, defect.pointer
        except Unresolved as error:
            reason, pointer = error.reason, error.pointer
        self._drop(raw, reason, pointer)
        return None

    def _drop(self, raw: RawOperation, reason: str, pointer: str) -> None:
        problem = self._spec.located(Problem(reason, pointer))
        self._leave_out(_label(raw), _operation_id(raw), raw.method, raw.path, problem)

    def _leave_out(self, label: str, operation_id: str, method: str, path: str, problem: Problem) -> None:
        """Leave an operation out for a located `problem`; that is an error for one that the configuration wants."""
        wanted = (*self._config.include.operations, *self._config.custom_operations)
        wanted += tuple(c.operation for c in self._config.contexts.values())
        if self._config.strict or label in wanted or (self._config.only_configured and label in self._config.tools):
            hint = "correct the document, or exclude the operation"
            self._wrong.append(replace(problem, message=f"{label} cannot be a tool: {problem.message}", hint=hint))
        place = f"{problem.file}:{problem.line}:{problem.column}" if problem.line else problem.file
        self._left_out.append(
            LeftOut(label, operation_id, method, path, problem.pointer, problem.message, chosen=False, place=place)
        )

    # -- selection ------------------------------

    def _chosen(self, operations: list[RawOperation]) -> Iterator[tuple[RawOperation, str, bool]]:
        """Yield every operation that becomes a class, what the configuration calls it, and whether it is no tool."""
        others: defaultdict[str, list[str]] = defaultdict(list)
        for label, config in self._config.tools.items():
            if config.operation:
                others[config.operation].append(label)
        internal = {*self._config.custom_operations, *(c.operation for c in self._config.contexts.values())}
        for raw in operations:
            label = _label(raw)
            aliases = others.get(label, [])
            if self._selected(raw, silent=bool(aliases) or label in internal):
                yield raw, label, False
            elif label in internal:
                yield raw, label, True
            elif label in self._config.tools and not self._config.tools[label].operation:
                message = f"{label} is not selected, so what is said of it has no effect"
                hint = "take the table out, or the operation in: see [include] and [exclude]"
                self._wrong.append(self._config.problem(f"tools.{label}", message, hint))
            for alias in sorted(aliases):
                yield raw, alias, False

    def _selected(self, raw: RawOperation, *, silent: bool) -> bool:
        """Tell whether an operation becomes a tool; one that does not is left out, unless it is used otherwise."""
        include, exclude = self._config.include, self._config.exclude
        label = _label(raw)
        own = label in self._config.tools and label not in self._config.custom_operations
        configured = self._config.only_configured and own
        reason = ""
        if (include or self._config.only_configured) and not (configured or _matches(include, raw)):
            reason = "not included by the configuration"
        elif exclude and _matches(exclude, raw):
            reason = "excluded by the configuration"
        elif self._config.collapse_twins and raw.method == "GET" and _has_twin(raw, "post"):
            reason = "the POST of the same path and name is the tool"
        if reason and silent:
            return False
        if reason:
            id_ = _operation_id(raw)
            out = LeftOut(_label(raw), id_, raw.method, raw.path, raw.pointer, reason, chosen=True)
            self._left_out.append(out)
        return not reason

    def _check_names(self, operations: list[RawOperation]) -> None:
        """Hold that every name in the configuration is one of the document."""
        labels = {_label(o) for o in operations}
        tags = {t for o in operations for t in _tag_names(o)}
        methods = {o.method for o in operations}
        selections = {"include": self._config.include, "exclude": self._config.exclude}
        selections |= {f"hosts.{name}": host.operations for name, host in self._config.hosts.items()}
        for name, selection in selections.items():
            for kind, known, values in (
                ("operations", labels, selection.operations),
                ("tags", tags, selection.tags),
                ("methods", methods, selection.methods),
            ):
                for value in values:
                    if value not in known:
                        self._unknown(f"{name}.{kind}", value, kind.removesuffix("s"), known)
            for pattern in selection.paths:
                if not any(fnmatchcase(o.path, pattern) for o in operations):
                    key = f"{name}.paths"
                    self._wrong.append(self._config.problem(key, f"no path of the document matches {pattern!r}"))
        for key, config in self._config.tools.items():
            if (config.operation or key) not in labels:
                at = f"tools.{key}.operation" if config.operation else f"tools.{key}"
                self._unknown(at, config.operation or key, "operation", labels)
            elif config.operation and key in labels:
                message = f"{key!r} is an operation itself; a further tool on {config.operation} needs another key"
                self._wrong.append(self._config.problem(f"tools.{key}", message))
        for name in self._config.custom_operations:
            if name not in labels:
                self._unknown("custom.operations", name, "operation", labels)
        for key, context in self._config.contexts.items():
            if context.operation not in labels:
                self._unknown(f"context.{key}.operation", context.operation, "operation", labels)
        for kind, stated in (("tags", self._config.tags), ("describe.tags", self._config.describe.tags)):
            for tag in stated:
                if tag not in tags:
                    self._unknown(f"{kind}.{tag}", tag, "tag", tags)
        credentials = self._access.credential_headers()
        for header, value in self._config.headers.items():
            name, _, rest = value.text.partition(".") if isinstance(value, Dynamic) else ("", "", "")
            problem = hint = ""
            if header.lower() in credentials:
                problem = f"the header `{header}` is a credential of the document"
                hint = f"see [auth.{_toml_key(credentials[header.lower()])}], which says what it holds"
            elif name and name not in self._config.contexts:
                problem, hint = f"there is no context {name!r}", f'declare it: [context.{name}] with operation = "…"'
            elif name and not rest:
                problem, hint = (
                    f"the context {name!r} is a whole answer",
                    f'write what is taken of it: "{name}.user.id"',
                )
            if problem:
                self._wrong.append(self._config.problem(f"headers.{header}", problem, hint))
        for scheme in self._config.auth:
            known = set(self._access.credentials) | set(self._access.unsupported)
            if scheme not in known:
                self._unknown(f"auth.{scheme}", scheme, "security scheme", known)
        self._wrong += self._access.misconfigured()

    def _unknown(self, key: str, value: str, kind: str, known: set[str], whose: str = "the document") -> None:
        close = get_close_matches(value, known, 1)
        hint = f"did you mean {close[0]!r}?" if close else "known: " + (", ".join(sorted(known)[:12]) or "none")
        self._wrong.append(self._config.problem(key, f"{whose} has no {kind} {value!r}", hint))

    # -- one operation ------------------------------

    def _sketch(self, raw: RawOperation, label: str, internal: bool) -> _Sketch:
        node = raw.node
        config = self._config.tools.get(label, ToolConfig())
        if not re.fullmatch(r"[A-Z][A-Z0-9_-]{0,30}", raw.method):
            raise Defect(raw.pointer, f"{json.dumps(raw.method)[:60]} is no method that can be sent")
        if said := endpoint.evidence(self._spec, raw):
            way = "its tools become a server of their own when a document is about nothing else"
            raise Defect(raw.pointer, f"it is an MCP endpoint ({'; '.join(said)}), and no tool: {way}")
        requirements, reason = self._access.requirements(node.get("security", self._spec.root.get("security")))
        if reason:
            raise Defect(f"{raw.pointer}/security" if "security" in node else "#/security", reason)
        parameters, headers = self._binder.parameters(raw, self._access.placements(requirements))
        body = self._binder.body(raw, self._pinned(raw, label, config))
        server = ""
        for holder, pointer in ((node, raw.pointer), (raw.item, raw.item_pointer)):
            if isinstance(holder.get("servers"), list) and holder["servers"]:
                server = self._access.upstream(holder["servers"], f"{pointer}/servers")
                break
        if chosen := [key for key, host in sorted(self._config.hosts.items()) if _matches(host.operations, raw)]:
            server = self._access.host(chosen[0], self._config.hosts[chosen[0]])
        operation_id = _operation_id(raw)
        annotations = annotate(
            raw.method,
            raw.path,
            operation_id,
            scopes=_scopes(node.get("security", self._spec.root.get("security"))),
            extension=_extension(node),
            twin=_has_twin(raw),
            override=config.annotations or None,
            writes_destroy=self._config.writes_destroy,
        )
        if config.annotations.get("read_only") and raw.method in ("PUT", "PATCH", "DELETE"):
            message = f"{label} cannot be read-only: it is a {raw.method}, which changes what it names"
            hint = "take it out of the annotations; a read that needs such a verb is for the vendor to mend"
            self._wrong.append(self._config.problem(f"tools.{label}.annotations", message, hint))
        elif config.annotations.get("read_only") and raw.method not in READING_METHODS and (scope := _all_write(node)):
            message = f"{label} cannot be read-only: it asks for the scope {scope}"
            self._wrong.append(self._config.problem(f"tools.{label}.annotations", message))
        stated = config.annotations or _extension(node)
        if not stated and not annotations.read_only and (word := looks_like_a_read(raw.method, raw.path, operation_id)):
            line = f"[tools.{_toml_key(_label(raw))}]\n  annotations = {{ read_only = true }}"
            message = f"{_label(raw)} may only read (its name says {word}), but POST counts as a write"
            self._notes.append(Problem(message, raw.pointer, f"if it only reads, write in mcpgen.toml:\n  {line}"))
        return _Sketch(
            raw, operation_id, self._area(raw), config, tuple(parameters), body, headers, server,
            requirements, "security" in node, annotations, label, internal,
        )  # fmt: skip

    def _pinned(self, raw: RawOperation, label: str, config: ToolConfig) -> str:
        """Return the media type that the configuration wants a body to have; empty without a wish that can be met."""
        if not config.media_type:
            return ""
        known = set(self._binder.media_types(raw))
        if config.media_type in known:
            return config.media_type
        self._unknown(f"tools.{label}.media_type", config.media_type, f"media type of {_label(raw)}", known)
        return ""

    def _area(self, raw: RawOperation) -> str:
        tags = _tag_names(raw)
        if tags:
            return tags[0]
        literal = [p for p in raw.path.split("?")[0].split("/") if p and "{" not in p]
        return literal[0] if literal else "api"

    # -- names and tools ------------------------------

    def _tools(self, sketches: list[_Sketch]) -> list[Tool]:
        by_place = {s.key: s for s in sketches}
        self._area_names = {s.area for s in sketches}
        wanted, fixed = {}, {}
        for place, sketch in by_place.items():
            if sketch.config.name:
                fixed[place] = sketch.config.name
                if not TOOL_NAME.fullmatch(sketch.config.name):
                    key = f"tools.{sketch.label}.name"
                    message = f"{sketch.config.name!r} is no tool name"
                    self._wrong.append(self._config.problem(key, message, TOOL_NAME_HINT))
            else:
                said = sketch.label if sketch.config.operation else sketch.operation_id
                wanted[place] = tool_name(said or _spoken(sketch.raw))
        doubled = [p for p, n in fixed.items() if list(fixed.values()).count(n) > 1]
        for place in doubled:
            key = f"tools.{by_place[place].label}.name"
            self._wrong.append(self._config.problem(key, f"two tools are called {fixed[place]!r}"))

        for place in (p for p, n in wanted.items() if n in fixed.values()):
            key = f"tools.{next(by_place[p].label for p, n in fixed.items() if n == wanted[place])}.name"
            message = f"{wanted[place]!r} is the name of the tool for {by_place[place].label}"
            self._wrong.append(self._config.problem(key, message, "choose another, or name that tool too"))

        def ladder(place: str) -> Iterator[str]:
            sketch = by_place[place]
            if sketch.operation_id:
                yield tool_name(f"{sketch.area} {sketch.operation_id}")
            yield tool_name(f"{sketch.raw.method.lower()} {sketch.raw.path}")

        names = settle(wanted, ladder, fixed.values()) | fixed
        for place in (p for p in wanted if names[p] != wanted[p]):
            message = f"other operations would be called {wanted[place]} too; this tool is {names[place]}"
            hint = "give it an operationId, or a name in mcpgen.toml, of its own"
            self._notes.append(Problem(message, by_place[place].raw.pointer, hint))
        classes = settle(
            {p: pascal(n, "Tool") for p, n in names.items()}, lambda p: (pascal(names[p]) + "Tool",), _TAKEN, joint="X"
        )
        self._shaped = {p: self._shape(s) for p, s in sorted(by_place.items())}
        self._shaper.pin_single_values(self._shaped.values())
        self._arguments = {p: s.arguments for p, s in self._shaped.items()}
        self._model_names = self._name_models(by_place, classes)
        # A field hides what stands in annotations under its name.
        self._taken = {*_TAKEN, *self._model_names.values()}
        self._classes = sch.model_classes(self._schemas, self._model_names)
        tools = []
        for index, (place, sketch) in enumerate(sorted(by_place.items()), 1):
            self._progress(f"writing tool {index} of {len(by_place)}")
            try:
                tools.append(self._tool(sketch, names[place], classes[place], _module(sketch.area)))
            except Defect as defect:
                self._drop(sketch.raw, defect.reason, defect.pointer)
        return tools

    def _shape(self, sketch: _Sketch) -> Shaped:
        drafts = (*sketch.drafts, *sketch.body.drafts)
        tags = _tag_names(sketch.raw)
        if sketch.internal and sketch.label not in self._config.tools:  # for whoever writes custom.py, as it is
            return self._shaper.shape(sketch.label, ToolConfig(paging=False), sketch.raw, (), drafts, False, bare=True)
        read = sketch.annotations.read_only
        return self._shaper.shape(sketch.label, sketch.config, sketch.raw, tags, drafts, read)

    def _name_models(self, sketches: Mapping[str, _Sketch], classes: Mapping[str, str]) -> dict[Key, str]:
        """Name every nested object that a tool's arguments lead to, after its place in the document."""
        roots = [
            p for settled in self._arguments.values() for _, d in settled if not d.type_source for p in self._roots(d)
        ]
        reached = self._schemas.reachable(roots, typed_only=True)
        keys = [k for k in reached if self._schemas.needs_name(k)]
        places = PlaceNames(self._spec, {s.raw.pointer: classes[p] for p, s in sorted(sketches.items())})
        wanted = {k: places.name(k) for k in keys}
        taken = {*classes.values(), *_TAKEN}
        return settle(wanted, lambda k: (places.name(k, longer=True),), taken, joint="X")

    def _roots(self, draft: Draft) -> list[Place]:
        return list(self._schemas.children(draft.shape)) if not draft.site.key else [draft.site]

    def _tool(self, sketch: _Sketch, name: str, class_name: str, area: str) -> Tool:
        described = self._arguments[sketch.key]
        input_schema = self._input_schema(name, described)
        fields = settle({k: field_name(k, self._taken) for k, _ in described}, lambda k: ())
        arguments = [self._argument(k, fields[k], d, input_schema["properties"][k]) for k, d in described]
        used = " ".join(a.type_source for a in arguments)
        node, raw = sketch.raw.node, sketch.raw
        summary = clean(str(node.get("summary") or ""), 200).replace("\n", " ")
        title = sketch.config.title or (summary.rstrip(".") if 0 < len(summary) <= 60 else title_of(name))
        description = self._described(sketch, _description(node, title, raw))
        operation = self._operation(sketch, name)
        output = self._output_schema(sketch)
        markers = {a.marker_source.split("(")[0] for a in arguments} | _declared(operation)
        known = set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", re.sub(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", "", used)))
        return Tool(
            name=name,
            class_name=class_name,
            area=area,
            title=title,
            description=description,
            operation_id=sketch.operation_id,
            method=raw.method,
            path=raw.path,
            pointer=raw.pointer,
            operation_source=operation,
            docstring_source=docstring(description),
            arguments=tuple(arguments),
            annotations=sketch.annotations,
            input_schema=input_schema,
            deprecated=node.get("deprecated") is True,
            internal=sketch.internal,
            filled=(*self._shaped[sketch.key].told, *self._told_of_answer(sketch, output)),
            output_schema=output,
            facts=self._facts(sketch, operation, arguments),
            markers=tuple(sorted(markers | (known & {"OneOf"}))),
            typing=tuple(sorted((known & {"Any", "Literal"}) | ({"Annotated"} if arguments else set()))),
            models=tuple(sorted((known & self._taken) - _TAKEN)),
        )

    def _reply(self, raw: RawOperation) -> Reply:
        """Return what is known of an operation's answers, which several settings of a tool depend on."""
        if raw.pointer not in self._replies:
            self._replies[raw.pointer] = reply(self._spec, raw)
        return self._replies[raw.pointer]

    def _facts(self, sketch: _Sketch, operation: tuple[str, ...], arguments: list[Argument]) -> dict[str, Any]:
        """Return what no entry of `tools/list` says of a tool, for a later version to be compared with."""
        raw = sketch.raw
        settings = dict(line.partition("=")[::2] for line in operation[3:])
        facts = {
            "operation": sketch.operation_id,
            "request": f"{raw.method} {raw.path}",
            "host": sketch.server,
            "credentials": self._access.scopes(raw.node.get("security", self._spec.root.get("security"))),
            "arguments": {a.key: a.marker_source for a in arguments},
            "sends": {k: settings[k] for k in _SENDS if k in settings},
            "passes on": {k: settings[k] for k in _PASSES_ON if k in settings},
            "answer": None if sketch.internal else self._outlines.of(self._reply(raw)),
        }
        return {k: v for k, v in facts.items() if v not in ("", None, {}, [])}

    def _output_schema(self, sketch: _Sketch) -> dict[str, Any] | None:
        """Return the schema of the structured content, if one is wanted and can be told."""
        stated = sketch.config.output_schema
        if not (self._config.results.output_schemas if stated is None else stated) or sketch.internal:
            return None
        found = self._reply(sketch.raw)
        shaped = self._shaped[sketch.key]
        policy = self._config.paging or PagingPolicy()
        paging = (shaped.items, policy.items, policy.note) if shaped.paging else None
        schema = None if sketch.config.select else self._answers.schema(found, self._wrapper(sketch), paging)
        if schema is None and stated:
            message = f"what {sketch.label} answers cannot be told from the document"
            hint = "take output_schema out" + (", or select" if sketch.config.select else "")
            self._wrong.append(self._config.problem(f"tools.{sketch.label}.output_schema", message, hint))
        return schema

    def _described(self, sketch: _Sketch, text: str) -> str:
        """Return the description that the configuration makes of `text`."""
        describe = self._config.describe
        templates = [sketch.config.description, *(describe.tags.get(t, "") for t in _tag_names(sketch.raw))]
        if not sketch.annotations.read_only:
            templates.append(describe.writes)
        for template in map(named_tools, filter(None, templates)):  # ours alone: what a vendor writes is text
            room = DESCRIPTION_LIMIT - len(template) + len("{text}")
            text = template.replace("{text}", clean(text, max(room, 200)))
        return clean(text, DESCRIPTION_LIMIT) if any(templates) else text

    def _input_schema(self, name: str, drafts: list[tuple[str, Draft]]) -> dict[str, Any]:
        """Return the published schema of a tool; over the budget its repeated pieces move to `$defs`."""
        budget = self._config.schema_budget
        required = sorted(k for k, d in drafts if d.required)
        ordered = sorted(drafts, key=lambda item: (not item[1].required, item[0]))

        def assemble(properties: dict[str, Any]) -> dict[str, Any]:
            schema: dict[str, Any] = {"type": "object", "properties": properties}
            if required:
                schema["required"] = required
            return {**schema, "additionalProperties": False}

        try:
            schema = assemble({k: self._published(d, None, budget) for k, d in ordered})
            if len(json_bytes(schema)) <= budget:
                return schema
        except sch.TooLarge:
            pass
        roots = [p for _, d in ordered if not d.schema for p in self._roots(d)]
        schema = assemble({k: self._published(d, self._model_names, 0) for k, d in ordered})
        defined, bare = self._defined(roots, _FULL * budget)
        if not defined:
            return schema
        schema["$defs"] = defined
        size = len(json_bytes(schema))
        deep = sorted(k for k, d in ordered if not d.required and d.shape.type in ("object", "array", "union"))
        hint = f"raise [limits] schema_bytes, or hide = [{', '.join(repr(k) for k in deep[:4])}] under [tools.…]"
        cut = f", the deepest {bare} of them with their required properties only" if bare else ""
        message = (
            f"{name}: its schema inlined would pass {budget:,} bytes; its objects stay in $defs{cut} ({size:,} bytes)"
        )
        self._notes.append(Problem(message, hint=hint))
        return schema

    def _defined(self, roots: list[Place], room: int) -> tuple[dict[str, Any], int]:
        """Return the `$defs` of a tool, the nearest objects first, and how many had to be bare for want of room."""
        found: dict[str, Any] = {}
        bare = 0
        seen: set[Key] = set()
        level = roots
        while level:
            following: list[Place] = []
            for key in sorted({p.key for p in level} - seen):
                seen.add(key)
                shape = self._schemas.at(key)
                inner = list(self._schemas.children(shape))
                if name := self._model_names.get(key):
                    found[name], size = self._definition(key, bare=False)
                    if room < size and shape.type == "object":
                        found[name], size = self._definition(key, bare=True)
                        inner = [shape.properties[n] for n in shape.required if n in shape.properties]
                        bare += 1
                    room -= size
                following += inner
            level = following
        return dict(sorted(found.items())), bare

    def _definition(self, key: Key, *, bare: bool) -> tuple[dict[str, Any], int]:
        """Return an entry of `$defs` and its size in bytes; the tools of a document share them."""
        if (key, bare) not in self._definitions:
            definition = self._publisher.define(key, self._model_names, bare=bare)
            self._definitions[key, bare] = (definition, len(json_bytes(definition)))
        return self._definitions[key, bare]

    def _published(self, draft: Draft, names: Mapping[Key, str] | None, room: int) -> dict[str, Any]:
        if draft.schema is not None:
            return draft.schema
        return self._publisher.publish(draft.site if draft.site.key else draft.shape, names, room=room)

    def _argument(self, key: str, field: str, draft: Draft, schema: dict[str, Any]) -> Argument:
        where = draft.site if draft.site.key else draft.shape
        type_ = draft.type_source or sch.type_expression(self._schemas, where, self._model_names)
        if not draft.required and type_ != "Any" and not type_.endswith("None"):
            type_ += " | None"
        options: dict[str, Any] = {} if field == key else {"alias": key}
        if not draft.type_source:
            options.update(sch.constraints(draft.shape))
        if description := str(schema.get("description", "")):
            options["description"] = description
        field_source = f"Field({', '.join(f'{k}={v!r}' for k, v in options.items())})" if options else ""
        return Argument(
            key, field, draft.wire, draft.place, type_, draft.marker_source, field_source, draft.required, schema
        )

    def _operation(self, sketch: _Sketch, name: str) -> tuple[str, ...]:
        """Return the arguments of the `Operation(…)` of a tool, one a line."""
        raw, body = sketch.raw, sketch.body
        path = plain_path(raw.path).split("#")[
            0
        ]  # some vendors tell operations on one path apart by a fragment, which is not sent
        lines = [repr(name), repr(raw.method), repr(path if path.startswith("/") else "/" + path)]
        if sketch.operation_id:
            lines.append(f"id={sketch.operation_id!r}")
        if sketch.annotations.read_only != (raw.method in READING_METHODS):
            lines.append(f"reads={sketch.annotations.read_only}")
        if sketch.headers:
            lines.append(f"headers={sketch.headers!r}")
        if sketch.own_security:
            lines.append(f"security={sketch.security!r}")
        if sketch.server:
            lines.append(f"server={sketch.server!r}")
        if body.media_type:
            lines.append(f"body={body.media_type!r}")
            if body.required:
                lines.append("body_required=True")
            if body.wrapper:
                lines.append(f"wrapper={body.wrapper!r}")
            if body.xml:
                lines.append(f"xml={body.xml}")
        shaped = self._shaped[sketch.key]
        for field_, entries in (("fill", shaped.fill), ("values", shaped.values), ("join", shaped.join)):
            if entries:
                pairs = (f"({k!r}, {v if field_ != 'join' else repr(v)})" for k, v in entries)
                lines.append(f"{field_}=({', '.join(pairs)},)")
        if shaped.fixed:
            lines.append(f"fixed=({', '.join(f'({k}, {v})' for k, v in shaped.fixed)},)")
        if shaped.paging:
            lines.append(f"paging={shaped.paging}")
        return (*lines, *self._passed_on(sketch))

    def _wrapper(self, sketch: _Sketch) -> str:
        """Return the property that the answer is opened at, "" for an answer that is passed on as it is."""
        wanted = self._config.results.unwrap if sketch.config.unwrap is None else sketch.config.unwrap
        if not wanted or self._shaped[sketch.key].paging:
            return ""
        return wanted if isinstance(wanted, str) else self._reply(sketch.raw).wrapper

    def _passed_on(self, sketch: _Sketch) -> Iterator[str]:
        """Yield what is said of the answer in an `Operation(…)`."""
        config, results = sketch.config, self._config.results
        if sketch.internal and sketch.label not in self._config.tools:
            return
        if config.unwrap:
            self._check_unwrap(sketch, config.unwrap)
        if wrapper := self._wrapper(sketch):
            yield f"unwrap={wrapper!r}"
            if wrapper == config.unwrap:
                yield "drops=True"
        if config.select:
            try:
                parsed = jmespath.compile(config.select).parsed
            except jmespath.exceptions.JMESPathError as error:
                why = str(error).splitlines()[0].removeprefix("Invalid jmespath expression: ").rstrip(":")
                message = f"`select` is no JMESPath expression: {why}"
                hint = 'write for example "[].{id: id, name: name}", see jmespath.org'
                self._wrong.append(self._config.problem(f"tools.{sketch.label}.select", message, hint))
            else:
                for name in sorted(_functions(parsed) - jmespath.functions.Functions.FUNCTION_TABLE.keys()):
                    known = set(jmespath.functions.Functions.FUNCTION_TABLE)
                    self._unknown(f"tools.{sketch.label}.select", name, "function", known, "JMESPath")
            yield f"select={config.select!r}"
        if empty := config.empty or (results.empty if may_be_empty(self._spec, sketch.raw) else ""):
            known = {k for k, _ in self._arguments[sketch.key]}
            for name in re.findall(r"\{([A-Za-z0-9_-]+)\}", config.empty):
                if name not in known:
                    self._unknown(f"tools.{sketch.label}.empty", name, "argument", known, sketch.label)
            yield f"empty={empty!r}"

    def _told_of_answer(self, sketch: _Sketch, output: Mapping[str, Any] | None) -> Iterator[str]:
        """Yield what is done with the answer, in words for the reviewer."""
        config = sketch.config
        if sketch.internal and sketch.label not in self._config.tools:
            return
        if wrapper := self._wrapper(sketch):
            yield f"of the answer {wrapper} is passed on" + (
                "" if config.unwrap == wrapper else ", unless there is more in it"
            )
        if config.select:
            yield (
                f"of {'the items' if self._shaped[sketch.key].paging else 'that' if wrapper else 'the answer'} "
                f"this is passed on: {config.select}"
            )
        if config.empty:
            yield f'an answer without a body is told as "{config.empty}"'
        if output:
            yield "structured content has an output schema"

    def _check_unwrap(self, sketch: _Sketch, wanted: str | bool) -> None:
        """Hold that an answer has what it is to be opened at, as far as the document says what it has."""
        at, found = f"tools.{sketch.label}.unwrap", self._reply(sketch.raw)
        known = ", ".join(found.properties or ()) or "none"
        if wanted is True and not found.wrapper and not self._shaped[sketch.key].paging:
            message = f"the answer of {sketch.label} is no object with one property"
            hint = f'name the one that is passed on: unwrap = "…"; known: {known}'
            self._wrong.append(self._config.problem(at, message, hint))
        elif isinstance(wanted, str) and self._shaped[sketch.key].paging:
            message = f"{sketch.label} is read page by page, and passes on the items alone"
            hint = f'write paging = {{ items = "{wanted}" }}, or paging = false'
            self._wrong.append(self._config.problem(at, message, hint))
        elif isinstance(wanted, str) and found.properties is not None and wanted not in found.properties:
            self._unknown(at, wanted, "property", set(found.properties), f"the answer of {sketch.label}")

    def _areas(self, tools: list[Tool]) -> tuple[tuple[Area, ...], tuple[Models, ...]]:
        """Group the tools and the classes they use: a class that two areas use is shared."""
        groups: defaultdict[str, list[Tool]] = defaultdict(list)
        for tool in tools:
            groups[tool.area].append(tool)
        by_name = {n: k for k, n in self._model_names.items()}
        homes: dict[str, str] = {}
        for name, members in sorted(groups.items()):
            direct = [Place(by_name[m]) for t in members for m in t.models]
            for key in self._schemas.reachable(direct, typed_only=True):
                if model := self._model_names.get(key):
                    homes[model] = "shared" if homes.get(model, name) != name else name
        classes = self._classes()
        about = {_module(t): (t, self._tags.get(t, "")) for t in sorted({*self._tags, *self._area_names}, reverse=True)}
        areas = []
        for name, members in sorted(groups.items()):
            title, text = about[name]
            imports = self._imports(members, homes)
            ordered = tuple(sorted(members, key=lambda t: t.name))
            title = clean(title, 80).replace("\n", " ")
            doc = docstring(f"{title}: tools of {self._title}.")
            areas.append(Area(name, title, clean(text, 300), doc, ordered, imports))
        return tuple(areas), tuple(self._models(n, classes, homes) for n in sorted(set(homes.values())))

    def _imports(self, tools: list[Tool], homes: Mapping[str, str]) -> tuple[Import, ...]:
        """Return what a module of tools imports."""
        used = {m for t in tools for m in t.models}
        found = [
            Import("typing", tuple(sorted({"ClassVar", *(n for t in tools for n in t.typing)}))),
            Import(".._runtime", tuple(sorted({"Operation", "Tool", *(m for t in tools for m in t.markers)}))),
        ]
        if any(a.field_source for t in tools for a in t.arguments):
            found.insert(1, Import("pydantic", ("Field",)))
        for home in sorted({homes[m] for m in used}):
            found.append(Import(f"..models.{home}", tuple(sorted(m for m in used if homes[m] == home))))
        return tuple(found)

    def _models(self, home: str, classes: Mapping[str, sch.ModelClass], homes: Mapping[str, str]) -> Models:
        """Return one module of models, its classes by name."""
        shared = {n for n in homes if homes[n] == "shared"} if home != "shared" else set()
        users = "the tools of several areas" if home == "shared" else f"the {home} tools"
        return models_module(home, users, [classes[n] for n in sorted(homes) if homes[n] == home], shared)


def models_module(home: str, users: str, members: list[sch.ModelClass], shared: set[str]) -> Models:
    """Return a module of the classes that `users` take; `shared` are those of the shared module."""
    used = set().union(*(m.uses for m in members))
    imports = []
    for module, names in (
        ("typing", {"Annotated", "Any", "Literal", "Union"}),
        ("pydantic", {"ConfigDict", "Field", "RootModel"}),
        (".._runtime", {"Model", "OneOf"}),
        (".shared", shared),
    ):
        if found := sorted(used & names):
            imports.append(Import(module, tuple(found)))
    return Models(home, docstring(f"Objects that {users} take."), tuple(imports), tuple(m.source for m in members))


def _tags(stated: Any) -> dict[str, str]:
    found = {}
    for tag in stated if isinstance(stated, list) else []:
        if isinstance(tag, dict) and isinstance(tag.get("name"), str):
            found[tag["name"]] = str(tag.get("description") or "")
    return found


_NOISE = frozenset(
    "api apis rest restful openapi swagger specification spec definition public http service v version the of".split()
)


def _server_name(title: str) -> str:
    """Return the server's name for a document's title: `PagerDuty API` → pagerduty."""
    bare = re.sub(r"'s\b", "", ascii_of(title.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")))
    said = [w.lower() for w in re.split(r"[^A-Za-z0-9]+", bare) if w]
    kept = [w for w in said if w not in _NOISE and not re.fullmatch(r"v?[0-9]+", w)]
    name = "-".join(kept or said)[:40].strip("-") or slug(title, "server")
    return name if name[0].isalpha() else f"api-{name}"


def _module(area: str) -> str:
    """Return the module of an area; areas that fold into one share it."""
    name = snake(area, "area")[:50].strip("_")
    return f"{name}_" if keyword.iskeyword(name) or name in ("shared", "custom", SEARCHING) else name


def _operation_id(raw: RawOperation) -> str:
    stated = raw.node.get("operationId")
    return stated if isinstance(stated, str) and stated.strip() else ""


def _label(raw: RawOperation) -> str:
    """Return what the configuration calls an operation: its operationId, else `GET /path`."""
    return _operation_id(raw) or f"{raw.method} {raw.path}"


def _spoken(raw: RawOperation) -> str:
    """Return a name for an operation without an operationId: verb, fixed parts of the path, a last parameter."""
    parts = [p for p in raw.path.split("?")[0].split("/") if p]
    said = [p for p in parts if "{" not in p]
    if parts and "{" in parts[-1]:
        said.append("by " + parts[-1])
    return " ".join([raw.method.lower(), *said])


def _tag_names(raw: RawOperation) -> list[str]:
    tags = raw.node.get("tags")
    return [t for t in tags if isinstance(t, str) and t.strip()] if isinstance(tags, list) else []


def _matches(selection: Selection, raw: RawOperation) -> bool:
    return (
        _label(raw) in selection.operations
        or any(t in selection.tags for t in _tag_names(raw))
        or raw.method in selection.methods
        or any(fnmatchcase(raw.path, p) for p in selection.paths)
    )


def _scopes(security: Any) -> list[str]:
    """Return the OAuth scopes that a security requirement names."""
    items = [i for i in security if isinstance(i, dict)] if isinstance(security, list) else []
    return [s for i in items for v in i.values() if isinstance(v, list) for s in v if isinstance(s, str)]


def _extension(node: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the hints that the document states itself."""
    for name in ("x-mcp-annotations", "x-mcp"):
        stated = node.get(name)
        if isinstance(stated, dict):
            inner = stated.get("annotations", stated)
            return inner if isinstance(inner, dict) else None
    return None


def _has_twin(raw: RawOperation, verb: str = "get") -> bool:
    """Tell whether `verb` serves the same path under the same name, as ConnectRPC does where nothing is changed."""
    other = raw.item.get(verb)
    if raw.method != ("POST" if verb == "get" else "GET") or not isinstance(other, dict):
        return False
    mine, theirs = _operation_id(raw), other.get("operationId")
    if not isinstance(theirs, str) or not mine:
        return False
    return re.sub(r"[._-]?(get|post)$", "", theirs.lower()) == re.sub(r"[._-]?(get|post)$", "", mine.lower())


def _all_write(node: Mapping[str, Any]) -> str:
    """Return a scope that says write when all scopes do that an operation itself asks for."""
    scopes = _scopes(node.get("security"))
    return scopes[0] if scopes and all(says_write(s) for s in scopes) else ""


def _functions(node: Mapping[str, Any]) -> set[str]:
    """Return the functions that a parsed expression of JMESPath calls."""
    found = {node["value"]} if node["type"] == "function_expression" else set()
    return found.union(*(_functions(n) for n in node["children"] if isinstance(n, dict)))


def _declared(operation: tuple[str, ...]) -> set[str]:
    """Return the classes that the source of an `Operation(…)` names beside itself."""
    bare = re.sub(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", "", " ".join(operation))
    return set(re.findall(r"\b([A-Z][A-Za-z]+)\(", bare))


def _toml_key(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else json.dumps(text, ensure_ascii=False)


def _description(node: Mapping[str, Any], title: str, raw: RawOperation) -> str:
    """Return what the model reads about a tool: the summary, then the description."""
    summary = clean(str(node.get("summary") or ""), 300)
    text = clean(str(node.get("description") or ""), DESCRIPTION_LIMIT)
    if summary and text and not text.lower().startswith(summary.lower().rstrip(".")):
        text = f"{summary.rstrip('.')}.\n\n{text}"
    text = text or summary or f"{title} ({raw.method} {raw.path})."
    if node.get("deprecated") is True:
        text = f"[DEPRECATED] {text}"
    return clean(text, DESCRIPTION_LIMIT)


def docstring(text: str) -> str:
    """Return text of the document as the source of a docstring, in which it can only be text."""
    safe = re.sub(r'"""|"\Z', lambda m: '\\"' * len(m[0]), text.replace("\\", "\\\\"))
    lines = [
        s if s.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in s) for s in safe.split("\n")
    ]
    body = "\n".join([lines[0], *(f"    {line}" if line else "" for line in lines[1:])])
    return f'"""{body}{chr(10) + "    " if len(lines) > 1 else ""}"""'


_LONG_NAME = 60
"""Class names above this keep only the last two steps of the way to their place."""


class PlaceNames:
    """Names classes after the place of their schema: component or tool, then the properties on the way."""

    def __init__(self, spec: Document, classes: Mapping[str, str]) -> None:
        self._spec = spec
        self._classes = classes

    def name(self, key: Key, longer: bool = False) -> str:
        parts = [self._part(p.removesuffix("\0base"), longer) for p in key]
        kept = [p for i, p in enumerate(parts) if p and p not in parts[:i]]
        return "".join(kept) or "Model" + pascal(repr(key))

    def _part(self, pointer: str, longer: bool) -> str:
        file, _, fragment = pointer.partition("#")
        tokens = [t.replace("~1", "/").replace("~0", "~") for t in fragment.split("/")[1:]]
        way = pointer.split("/")
        above = ("/".join(way[:end]) for end in range(1, len(way)))
        operation = next((p for p in above if p in self._classes), "")
        if operation:
            at = len(operation.partition("#")[2].split("/")) - 1
            base = self._classes[operation] + (pascal(tokens[at - 1]) if longer else "")
        elif tokens[:1] == ["components"] and len(tokens) > 2:
            at = 3
            base = pascal(tokens[2]) + (pascal(tokens[1]) if longer or tokens[1] != "schemas" else "")
        elif tokens[:1] == ["definitions"] and len(tokens) > 1:
            at, base = 2, pascal(tokens[1])
        elif file:
            at, base = (1, pascal(tokens[0])) if len(tokens) == 1 else (0, pascal(PurePosixPath(file).stem))
        else:
            return pascal(" ".join(tokens[-2:]))
        steps = list(self._steps(pointer, tokens[at:], at))
        if longer and file:
            base = pascal(PurePosixPath(file).stem) + base
        if not longer and len(base) + sum(map(len, steps)) > _LONG_NAME:
            steps = steps[-2:]
        return base + "".join(steps)

    def _steps(self, pointer: str, rest: list[str], at: int) -> Iterator[str]:
        """Yield the words for the way down from a component or an operation."""
        raw = pointer.split("/")
        index = 0
        while index < len(rest):
            token, following = rest[index], rest[index + 1] if index + 1 < len(rest) else ""
            here = "/".join(raw[: at + index + 3])
            if token in ("properties", "$defs", "definitions") and following:
                yield pascal(following)
                index += 1
            elif token in ("oneOf", "anyOf") and following:
                yield self._option(here, following)
                index += 1
            elif token == "parameters" and following:
                node = self._spec.resolve(here)
                yield pascal(str(node.get("name", following)) if isinstance(node, dict) else following)
                index += 1
            elif token in ("items", "additionalProperties"):
                yield "Item" if token == "items" else "Value"
            elif token in ("allOf", "content", "prefixItems", "patternProperties", "dependentSchemas"):
                index += 1
            index += 1

    def _option(self, pointer: str, index: str) -> str:
        """Name a branch of a union: by its title, by the one value that marks it, else by its place in the list."""
        try:
            node = self._spec.resolve(pointer)
        except Unresolved:
            node = None
        if isinstance(node, dict):
            if isinstance(node.get("title"), str) and words(node["title"]):
                return pascal(node["title"])
            properties = node.get("properties")
            for inner in properties.values() if isinstance(properties, dict) else ():
                values = inner.get("enum", [inner.get("const")]) if isinstance(inner, dict) else []
                if isinstance(values, list) and len(values) == 1 and isinstance(values[0], str):
                    return pascal(values[0])
        return f"Option{index}"
