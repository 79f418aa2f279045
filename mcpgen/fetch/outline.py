"""Turns a document into what two versions of it are compared by, cheaply: how it moved is for `mcpgen diff` to say."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .. import corrections, spec
from ..config import Config
from ..problems import Rejected
from ..spec import Remote, Spec
from ..spec.source import Source

__all__ = ["Outline", "outline"]

_TEXTS: Final = frozenset({"description", "summary", "title", "externalDocs", "example", "examples"})
_NAMES: Final = frozenset(
    "properties patternProperties dependentSchemas $defs definitions schemas responses parameters requestBodies "
    "headers securitySchemes links callbacks pathItems content encoding mapping scopes variables".split()
)
"""Keys of objects whose keys are names of the vendor's choice: one that is called description is no text."""


@dataclass(frozen=True, slots=True)
class Outline:
    """What two versions of a document are compared by."""

    family: str
    """Such as "OpenAPI 3.0"."""
    operations: Mapping[str, str]
    """Verb and path → a digest of everything but texts."""
    shape: str
    """The same of all files."""

    def since(self, before: Outline) -> str:
        """Return how the document moved, in a few words."""
        old, new = before.operations, self.operations
        gone, come = len(old.keys() - new.keys()), len(new.keys() - old.keys())
        other = sum(old[o] != new[o] for o in old.keys() & new.keys())
        said = " ".join(f"{sign}{n}" for sign, n in (("+", come), ("\u2212", gone)) if n)
        if said:
            return f"{said} operation{'' if gone + come == 1 else 's'}" + (f", {other} changed" if other else "")
        if other:
            return f"{other} operation{'' if other == 1 else 's'} changed"
        return "only texts or order changed" if before.shape == self.shape else "only shared parts changed"


def outline(document: Path, config: Config, remote: Remote) -> tuple[Outline, Spec]:
    """Return the outline of a document and the document. Errors: `Rejected` when it cannot be read."""
    roots: dict[str, Any] = {}

    def keep(source: Source) -> None:
        roots[source.name] = source.root

    try:
        loaded = spec.load(document, keep, remote)
    except Rejected as rejected:
        if not (config.fixes or config.overlays):
            raise
        # What makes it impossible to read may be what a correction is for; that others do not fit is for the build.
        try:
            loaded = corrections.load(document, config, remote).spec
        except Rejected:
            raise rejected from None
    operations = {}
    for operation in loaded.operations():
        shared = operation.item.get("parameters")
        operations[f"{operation.method} {operation.path}"] = _shape([_bare(operation.node), _bare(shared)])
    shape = _shape([[name, _bare(root)] for name, root in sorted(roots.items())])
    version = loaded.declared_version
    family = f"{'Swagger' if version == '2.0' else 'OpenAPI'} {'.'.join(version.split('.')[:2])}"
    return Outline(family, operations, shape), loaded


def _bare(node: Any, names: bool = False) -> Any:
    """Return a node without what is written for people. One level of the node is one call: it may be 500 deep."""
    if isinstance(node, list):
        items = []
        for item in node:
            items.append(_bare(item))
        return items
    if not isinstance(node, dict):
        return node
    kept = {}
    for key, value in node.items():
        if names or not (key in _TEXTS or key == "info"):
            kept[key] = _bare(value, not names and key in _NAMES)
    return kept


def _shape(node: Any) -> str:
    text = json.dumps(node, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
