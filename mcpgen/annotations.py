"""Turns evidence into the four hints of a tool: read-only, destructive, idempotent, open world.

The order of evidence: the configuration; `x-mcp-annotations` or `x-mcp` in the document; a GET twin of the same path
and name; the verb (RFC 9110 section 9.2). Names, paths and scopes may only raise the danger, never lower it: a POST
that looks like a read is reported, with the line that would make it one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from .names import words
from .plan import Annotations

__all__ = ["READING_METHODS", "adopted", "annotate", "looks_like_a_read", "says_write"]

_BY_VERB = {
    "GET": (True, False, True),
    "HEAD": (True, False, True),
    "OPTIONS": (True, False, True),
    "TRACE": (True, False, True),
    "QUERY": (True, False, True),
    "POST": (False, False, False),
    "PUT": (False, True, True),
    "PATCH": (False, True, False),
    "DELETE": (False, True, True),
}
"""Read-only, destructive, idempotent."""

READING_METHODS = frozenset(method for method, (reads, _, _) in _BY_VERB.items() if reads)
"""Methods that only read (RFC 9110 section 9.2.1), as the runtime has them too."""

_DESTRUCTIVE = frozenset(
    "archive cancel clear deactivate delete destroy detach disable disassociate dismiss drop erase expire flush kill "
    "merge modify overwrite patch purge redact remove replace reset revoke rotate shutdown stop suspend terminate "
    "transfer unassign uninstall unlink unpublish unsubscribe update wipe".split()
)
"""Verbs that take something away or overwrite it. A name counts when it starts with one of them."""

_READING = frozenset(
    "analyze calculate check compare compute count describe diff estimate evaluate explain fetch find "
    "get inspect list lookup preview query read render resolve retrieve scroll search show validate "
    "verify view".split()
)

_EXTENSION_KEYS = {
    "readOnlyHint": "read_only",
    "destructiveHint": "destructive",
    "idempotentHint": "idempotent",
    "openWorldHint": "open_world",
}


def annotate(
    method: str,
    path: str,
    operation_id: str,
    *,
    scopes: Collection[str] = (),
    extension: Mapping[str, Any] | None = None,
    twin: bool = False,
    override: Mapping[str, bool] | None = None,
    writes_destroy: bool = False,
) -> Annotations:
    """Return the hints of one operation with the reason for them.

    `extension` is what the document says itself, `override` what the configuration says (keys `read_only`,
    `destructive`, `idempotent`, `open_world`), `twin` that the same path and name is also served by GET.
    """
    read_only, destructive, idempotent = _BY_VERB.get(method, (False, True, False))
    found = Annotations(read_only, destructive, idempotent, True, f"verb {method}")
    if twin and not read_only:
        found = Annotations(True, False, True, True, "the same path and name is served by GET")
    found = _raised(found, path, operation_id, scopes)
    stated = {_EXTENSION_KEYS[k]: v for k, v in (extension or {}).items() if k in _EXTENSION_KEYS and _is_bool(v)}
    if stated:
        found = _stated(found, stated, "x-mcp-annotations of the document")
    if writes_destroy and not found.read_only:
        found = replace(found, destructive=True, idempotent=False, reason="policy: every write is destructive")
    return _stated(found, override, "configuration") if override else found


def adopted(stated: Mapping[str, Any], override: Mapping[str, bool]) -> tuple[Annotations, dict[str, Any]]:
    """Return the hints of a tool of another MCP server, and its annotations as they are passed on.

    What it leaves open is what MCP says (2025-11-25, ToolAnnotations): not read-only, destructive, not idempotent, open
    world. Only what `override` states is passed on otherwise than it came.
    """
    said = {_EXTENSION_KEYS[k]: v for k, v in stated.items() if k in _EXTENSION_KEYS and _is_bool(v)}
    destructive = said.get("destructive", not said.get("read_only", False))
    read_only = said.get("read_only", False) and not destructive
    reason = "the remote's annotations" if "read_only" in said else "the remote does not say that it only reads"
    found = Annotations(read_only, destructive, said.get("idempotent", False), said.get("open_world", True), reason)
    if not override:
        return found, dict(stated)
    found = _stated(found, override, "configuration")
    hints = {k: getattr(found, v) for k, v in _EXTENSION_KEYS.items() if v in override or v in said}
    return found, {**stated, **hints}


def _stated(found: Annotations, stated: Mapping[str, bool], who: str) -> Annotations:
    """Apply what somebody stated. Read-only implies not destructive and idempotent unless that is stated too."""
    values: dict[str, Any] = dict(stated)
    if values.get("read_only") is True:
        values = {"destructive": False, "idempotent": True, **values}
    elif values.get("read_only") is False and found.read_only:
        values = {"destructive": True, "idempotent": False, **values}
    elif values.get("destructive") is True:
        values = {"read_only": False, **values}
    return replace(found, reason=who, **values)


def _raised(found: Annotations, path: str, operation_id: str, scopes: Collection[str]) -> Annotations:
    verb = _leading_verb(path, operation_id, found.read_only)
    if verb in _DESTRUCTIVE and not found.destructive:
        return Annotations(False, True, False, True, f"{found.reason}, raised: its name says {verb}")
    if found.read_only and scopes and all(says_write(s) for s in scopes):
        return Annotations(False, True, False, True, f"{found.reason}, raised: its scopes say write")
    return found


def _leading_verb(path: str, operation_id: str, read_only: bool) -> str:
    """Return the verb of a name: the first word after the last `/` of an operationId, or the path's last word.

    `actions/create-remove-token` creates; `teams/remove` and POST /x/{id}/unsubscribe take away.
    """
    known = _DESTRUCTIVE | _READING | _MAKING
    for name in (operation_id.rsplit("/", 1)[-1], re.split(r"[/._:]", operation_id)[-1]):
        named = words(name)
        if named and named[0] in known:
            return named[0]
    last = path.split("?")[0].rstrip("/").rsplit("/", 1)[-1]
    tail = words(last.rsplit(":", 1)[-1])
    said = _DESTRUCTIVE - _NOUNS if read_only else _DESTRUCTIVE
    return tail[0] if len(tail) == 1 and tail[0] in said and "{" not in last else ""


_NOUNS = frozenset("archive drop flush merge reset stop transfer".split())
"""What a path of a read may end in without taking anything away: GET /repos/x/archive."""

_MAKING = frozenset(
    "add assign associate create enable generate import insert invite make new post register set".split()
)


def says_write(scope: str) -> bool:
    """Tell whether a scope allows to change something."""
    said = words(scope)
    return any(w in ("write", "admin", "manage", "delete") for w in said) and "read" not in said


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def looks_like_a_read(method: str, path: str, operation_id: str) -> str:
    """Return the word that makes a POST look like a read, else "". Evidence for a report, never for a decision."""
    if method != "POST":
        return ""
    named = words(operation_id.rsplit("/", 1)[-1])
    candidates = named[:1] + [w for w in named if w in ("preview", "search")]
    last = [w for w in words(path.rstrip("/").rsplit("/", 1)[-1]) if w in ("search", "query", "preview", "render")]
    return next((w for w in candidates + last if w in _READING), "")
