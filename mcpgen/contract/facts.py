"""Turns what a build wrote of a server, or its plan, into a `Contract`: all that two versions are compared by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, Field

from ..plan import Plan
from ..problems import Problem, Rejected

__all__ = ["PARTS", "TOOLS", "Contract", "of_files", "of_plan"]

TOOLS = "tools.json"
_FACTS = "contract.yaml"
_LEFT_OUT = "left-out.json"
PARTS = (TOOLS, _FACTS, _LEFT_OUT)
"""The files of a server that its contract is read from."""


@dataclass(frozen=True, slots=True)
class Contract:
    """What a server promises to those who call its tools."""

    entries: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The entries of `tools/list`, by name."""
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Of each tool what no entry says: request, credentials, what is sent, what is answered."""
    server: Mapping[str, Any] = field(default_factory=dict)
    schemas: Mapping[str, Any] = field(default_factory=dict)
    """The JSON Schemas that answers refer to, by name."""
    left_out: tuple[Mapping[str, str], ...] = ()
    """The operations that are no tools because of the document."""
    complete: bool = True
    """False of a list of tools alone, which tells nothing of requests, credentials and answers."""


def of_plan(plan: Plan) -> Contract:
    """Return the contract of a server that is planned."""
    facts = plan.contract
    left_out = tuple({"method": o.method, "path": o.path, "reason": o.reason} for o in plan.defects)
    return Contract(
        {t.name: t.entry() for t in plan.tools}, facts["tools"], facts["server"], facts["schemas"], left_out
    )


def of_files(texts: Mapping[str, str], where: str) -> Contract:
    """Return the contract in what a build wrote: `tools.json`, and if they are there `contract.yaml`, `left-out.json`.

    `where` is what a message calls the place. Errors: `Rejected` for what is no such file.
    """
    entries = _shaped(lambda: _entries(texts[TOOLS]), where, TOOLS)
    left_out = _shaped(lambda: tuple(dict(row) for row in json.loads(texts.get(_LEFT_OUT, "[]"))), where, _LEFT_OUT)
    if _FACTS not in texts:
        return Contract(entries, left_out=left_out, complete=False)
    facts = _shaped(lambda: _facts(texts[_FACTS]), where, _FACTS)
    return Contract(entries, facts["tools"], facts["server"], facts["schemas"], left_out)


class _Entry(BaseModel):
    """As much of an entry of `tools/list` as is looked into."""

    name: str
    inputSchema: dict[str, Any] = {}
    outputSchema: dict[str, Any] | None = None
    annotations: dict[str, Any] | None = None


class _Listed(BaseModel):
    tools: list[_Entry]


class _Tool(BaseModel):
    credentials: list[dict[str, list[str]]] = []
    arguments: dict[str, str] = {}
    sends: dict[str, str] = {}
    passes_on: dict[str, str] = Field({}, alias="passes on")


class _Server(BaseModel):
    hosts: dict[str, str] = {}
    credentials: dict[str, str] = {}
    headers: dict[str, str] = {}
    callers: dict[str, str] = {}
    needs: list[str] = []
    origins: list[str] = []


class _Facts(BaseModel):
    server: _Server = _Server()
    tools: dict[str, _Tool] = {}
    schemas: dict[str, Any] = {}


def _entries(text: str) -> dict[str, Any]:
    loaded = json.loads(text)
    _Listed.model_validate(loaded, strict=True)
    return {tool["name"]: tool for tool in loaded["tools"]}


def _facts(text: str) -> dict[str, Any]:
    import yaml

    loaded = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe loaders
    stated = {part: value for part, value in loaded.items() if value is not None}
    _Facts.model_validate(stated, strict=True)
    return {"server": {}, "tools": {}, "schemas": {}} | stated


def _shaped(read: Any, where: str, name: str) -> Any:
    try:
        return read()
    except Exception as error:  # whatever a file may hold that we did not write
        hint = "compare with a folder or a revision that `mcpgen build` wrote"
        message = f"{name} is none that mcpgen wrote ({type(error).__name__})"
        raise Rejected([Problem(message, hint=hint, file=where)]) from None
