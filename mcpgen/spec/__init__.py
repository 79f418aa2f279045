"""The OpenAPI document: bytes (JSON or YAML, one file or several, OpenAPI 2.0 to 3.2) → `Spec`, with its places."""

from mcpgen.spec.document import METHODS, RawOperation, Spec, load, uncollected
from mcpgen.spec.files import MAX_FILES, Unresolved
from mcpgen.spec.remote import NOTHING, Remote
from mcpgen.spec.source import MAX_ALIAS_NODES, MAX_BYTES, MAX_DEPTH, escape

__all__ = [
    "MAX_ALIAS_NODES",
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_FILES",
    "METHODS",
    "NOTHING",
    "RawOperation",
    "Remote",
    "Spec",
    "Unresolved",
    "escape",
    "load",
    "uncollected",
]
