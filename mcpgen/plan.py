"""The intermediate representation: what a generated server is made of, with every name, type and text final.

The planner builds it, the templates place it. Fields called `*_source` hold Python source that is safe to place as it
is; every other string is text, and a template that places it says how it is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .problems import Problem

Effect = Literal["read", "write", "destructive"]
JsonSchema = Mapping[str, Any]


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
    def source(self) -> str:
        """The field: its type, its place in the request, what pydantic checks and tells."""
        parts = ", ".join(p for p in (self.type_source, self.marker_source, self.field_source) if p)
        return f"{self.field}: Annotated[{parts}]" + ("" if self.required else " = None")


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
    markers: tuple[str, ...]
    typing: tuple[str, ...]
    models: tuple[str, ...]

    def entry(self) -> dict[str, Any]:
        """Return the tool as `tools/list` shows it."""
        hints = self.annotations
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "inputSchema": self.input_schema,
            "annotations": {
                "title": self.title,
                "readOnlyHint": hints.read_only,
                "destructiveHint": hints.destructive,
                "idempotentHint": hints.idempotent,
                "openWorldHint": hints.open_world,
            },
        }


@dataclass(frozen=True, slots=True)
class Import:
    """One `from module import names`."""

    module: str
    names: tuple[str, ...]

    @property
    def source(self) -> str:
        """The statement: of our own modules one name a line, so that one more is one more line."""
        if not self.module.startswith("."):
            return f"from {self.module} import {', '.join(self.names)}"
        return f"from {self.module} import (\n" + "".join(f"    {n},\n" for n in self.names) + ")"


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


@dataclass(frozen=True, slots=True)
class Upstream:
    """One base URL of the API."""

    key: str
    url: str
    source: str


@dataclass(frozen=True, slots=True)
class Credential:
    """One security scheme and the Python that places its credential."""

    key: str
    kind: str
    source: str
    variables: tuple[Variable, ...]


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
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[Problem, ...] = ()
    registry_name: str = ""

    @property
    def distribution(self) -> str:
        """The name of the Python distribution and of its command."""
        return self.package.replace("_", "-")

    @property
    def service_imports_source(self) -> str:
        """The import of what `service.py` uses."""
        text = " ".join([*(u.source for u in self.upstreams), *(c.source for c in self.credentials)])
        names = ("ApiKey", "Basic", "Service", "Upstream", "Variable")
        return Import("._runtime", tuple(n for n in names if n == "Service" or f"{n}(" in text)).source

    @property
    def tools(self) -> tuple[Tool, ...]:
        """All tools, sorted by name."""
        return tuple(sorted((t for a in self.areas for t in a.tools), key=lambda t: t.name))
