"""Turns messages of MCP into answers, because the mock of an MCP endpoint is asked for tools and not for examples.

It has the tools that a proxy passes on, and made-up results that fit what each of them promises. It speaks 2026-07-28,
and the handshake with whoever is older.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .samples import Bundle, sample

__all__ = ["StandIn"]

_WHO = {"name": "mcpgen-mock", "version": "1"}


class StandIn:
    """A remote MCP server; `tools` are the entries of its `tools/list` by name."""

    def __init__(self, tools: Mapping[str, Mapping[str, Any]]) -> None:
        self._tools = tools
        self._results: dict[str, dict[str, Any]] = {}

    def answer(self, body: bytes) -> tuple[dict[str, Any] | None, list[str]]:
        """Return the message that answers one, None for a notification, and what is wrong with a call's arguments."""
        message = json.loads(body)
        if "id" not in message:
            return None, []
        params = message.get("params") or {}
        error: dict[str, Any] | None = None
        result: dict[str, Any] = {}
        problems: list[str] = []
        match message["method"]:
            case "server/discover":
                result = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, **_CACHE}
            case "initialize":
                version = params.get("protocolVersion", "")
                result = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": _WHO}
            case "tools/list":
                result = {"tools": [{**e, "name": n} for n, e in sorted(self._tools.items())], **_CACHE}
            case "tools/call" if params.get("name") in self._tools:
                problems = self._problems(params["name"], params.get("arguments") or {})
                result = self._result(params["name"])
            case "tools/call":
                error = {"code": -32602, "message": f"there is no tool {params.get('name')!r}"}
            case method:
                error = {"code": -32601, "message": f"there is no method {method!r}"}
        said = {"error": error} if error else {"result": {"resultType": "complete", **result}}
        return {"jsonrpc": "2.0", "id": message["id"], **said}, problems

    def _problems(self, name: str, arguments: dict[str, Any]) -> list[str]:
        validator = _bundle(self._tools[name]["inputSchema"]).validator()
        return [f"arguments: {e.message}" for e in validator.iter_errors(arguments)] if validator else []

    def _result(self, name: str) -> dict[str, Any]:
        if name not in self._results:
            schema = self._tools[name].get("outputSchema")
            value, _ = sample(_bundle(schema)) if schema else ("done", "")
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            self._results[name] = {"content": [{"type": "text", "text": text}]}
            if schema:
                self._results[name]["structuredContent"] = value
        return self._results[name]


_CACHE = {"ttlMs": 0, "cacheScope": "private"}


def _bundle(schema: Mapping[str, Any]) -> Bundle:
    return Bundle({k: v for k, v in schema.items() if k != "$defs"}, schema.get("$defs", {}))
