"""Turns a `Plan` into a `Trial`: builds the server, starts it, and lets a real MCP client call it, against a mock.

Nothing leaves this machine: the API is `mock.Mock`, the credentials are made up, and the client is the SDK's own. This
is the only module of mcpgen that imports `mcp`.
"""

from __future__ import annotations

import ast
import asyncio
import re
import subprocess
import sys
import tempfile
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import output
from .mock import Mock, Recorded
from .plan import SEARCHING, Argument, CustomTool, Plan, Tool
from .render import render
from .samples import Bundle, sample
from .spec import Spec

__all__ = ["Call", "Request", "Trial", "run"]

_SECONDS = 60
"""For one answer of the server; its first one imports pydantic models."""

_FEW = 12
"""How many tools are looked at for each call before it is given up."""

_ROUTINE = frozenset(
    "accept-encoding baggage connection content-length host traceparent tracestate transfer-encoding user-agent".split()
)
"""Headers that every HTTP client sends."""

_ANYTHING = ("application/json, */*;q=0.8", "application/json", "*/*")
"""What a server accepts when the document asks for nothing else."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request of the server as the mock recorded it, without the headers that every client sends.

    Credentials are masked. `problems` is what the document has against the request.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: str
    status: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool: what went in, what reached the API, what the model got, and what was wrong with it."""

    tool: str
    effect: str
    arguments: Mapping[str, Any]
    requests: tuple[Request, ...]
    answer: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """How many tools a client was told of over a transport, and the revision of the protocol that it spoke."""

    transport: str
    protocol: str = ""
    tools: int = 0


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a trial; `problems` has the reasons why it did not go as it should."""

    base_url: str
    listings: tuple[Listing, ...]
    calls: tuple[Call, ...]
    problems: tuple[str, ...]


def run(
    spec: Spec,
    plan: Plan,
    *,
    calls: int = 4,
    keep: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Trial:
    """Build the server of `plan` into `keep`, or a folder that is removed again, and call `calls` of its tools.

    It is listed over stdio and over HTTP, and called over stdio.

    Errors: `Rejected` when `keep` cannot be written to. Whatever else fails is among the problems of the trial.
    """
    if not plan.tools:
        return Trial("", (), (), ("the document has no operation that can be a tool",))
    progress("rendering")
    files = render(plan)
    with tempfile.TemporaryDirectory(prefix="mcpgen-try-") as temporary:
        folder = keep or Path(temporary, "server")
        output.write(folder, files, output.Stamp())
        return asyncio.run(_Trial(spec, plan, progress).run(folder, Path(temporary), calls))


class _Trial:
    def __init__(self, spec: Spec, plan: Plan, progress: Callable[[str], None]) -> None:
        self._spec, self._plan, self._progress = spec, plan, progress
        self._mock = Mock(spec, tools=plan.remote_tools)
        self._operations = {o.pointer: o for o in spec.operations()}
        self._secrets: list[str] = []

    async def run(self, folder: Path, temporary: Path, calls: int) -> Trial:
        """Serve the mock, start the server in `folder`, and call it."""
        from mcp import Client, MCPError, StdioServerParameters
        from mcp.client.stdio import stdio_client

        base = await self._mock.start()
        command = ["-m", self._plan.package, "--enable-write-tools", "--base-url", base]
        environment = self._environment(folder, base, temporary)
        parameters = StdioServerParameters(command=sys.executable, args=command, env=environment, cwd=folder)
        log = temporary / "stderr.txt"
        self._progress("starting the server")
        # While the server starts, in processes of its own, its calls are thought of here.
        chosen = asyncio.create_task(asyncio.to_thread(lambda: list(self._chosen(calls))))
        http = asyncio.create_task(self._over_http(command, environment, folder))
        wanted = {t.name for t in self._plan.tools}
        listings, done = [Listing("stdio")], list[Call]()
        problems: list[str] = []
        try:
            with log.open("w", encoding="utf-8") as errlog:
                transport = stdio_client(parameters, errlog)
                async with Client(transport, read_timeout_seconds=_SECONDS) as client:
                    names = await _names(client)
                    listings = [Listing("stdio", str(client.protocol_version), len(names))]
                    problems += [f"the server does not list {name}" for name in sorted(wanted - names)]
                    for tool, arguments in await chosen:
                        self._progress(f"calling {tool.name}")
                        done.append(await self._call(client, tool, arguments))
        except (MCPError, OSError, ExceptionGroup, TimeoutError) as error:
            if chosen.done() and (ours := chosen.exception()):
                raise ours from None
            said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            problems.append(f"the server stopped: {said[-1] if said else _reason(error)}")
        finally:
            await asyncio.wait([chosen, http])
            await self._mock.stop()
        try:
            protocol, names = http.result()
            listings.append(Listing("HTTP", protocol, len(names)))
            problems += [f"the server does not list {name} over HTTP" for name in sorted(wanted - names)]
        except (MCPError, OSError, ExceptionGroup, TimeoutError) as error:
            listings.append(Listing("HTTP"))
            problems.append(f"the server does not answer over HTTP: {_reason(error)}")
        if not done and not problems:
            problems.append("no arguments could be made up for any tool")
        problems += [f"{call.tool}: {problem}" for call in done for problem in call.problems]
        return Trial(base, tuple(listings), tuple(done), tuple(problems))

    async def _over_http(
        self, command: list[str], environment: Mapping[str, str], folder: Path
    ) -> tuple[str, set[str]]:
        """Return the protocol and the tools of the server as it serves HTTP. Raises OSError when it does not."""
        import httpx2
        from mcp import Client
        from mcp.client.stdio import get_default_environment
        from mcp.client.streamable_http import streamable_http_client

        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *command, "--http", "--port", "0"),
            env={**get_default_environment(), **environment},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        # As Basic wants it, which does for anything else too.
        key = b64encode(b"trial:trial").decode()
        headers = {h.name: h.value.replace("{KEY}", key) for h in self._plan.key_headers}
        said = ""
        assert process.stderr is not None
        try:
            async with asyncio.timeout(_SECONDS):
                async for line in process.stderr:
                    said = line.decode(errors="replace").strip()
                    if url := re.search(r"serving (http://\S+)", said):
                        break
                else:
                    raise OSError(said or "it ended without a word")
            async with (
                httpx2.AsyncClient(headers=headers, timeout=_SECONDS) as http,
                Client(streamable_http_client(url[1], http_client=http), read_timeout_seconds=_SECONDS) as client,
            ):
                return str(client.protocol_version), await _names(client)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.communicate()

    def _environment(self, folder: Path, base: str, temporary: Path) -> dict[str, str]:
        """Return the server's environment: every base URL is the mock, every credential is made up."""
        environment = {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        # The first `env` of an upstream is the base URL as a whole; those of its variables come after it.
        bases = {found[1] for u in self._plan.upstreams if (found := re.search(r"env='([^']*)'", u.source))}
        credentials = {v for c in self._plan.credentials for v in c.variables}
        for variable in sorted({*self._plan.variables, *credentials}, key=lambda v: v.name):
            if variable.name in bases:
                environment[variable.name] = base
            elif variable.format == "filepath" and variable.required:
                environment[variable.name] = str(_certificate(temporary))
            elif variable.required or variable.secret:
                environment[variable.name] = f"trial-{variable.name.lower().replace('_', '-')}"
                self._secrets.append(environment[variable.name])
        return environment

    async def _call(self, client: Any, tool: Tool | CustomTool, arguments: dict[str, Any]) -> Call:
        from mcp import MCPError

        before = len(self._mock.requests)
        problems: list[str] = []
        try:
            result = await client.call_tool(tool.name, arguments)
        except MCPError as error:
            answer, failed = str(error), True
        else:
            answer, failed = "\n".join(_text(c) for c in result.content), bool(result.is_error)
        requests = tuple(self._request(r) for r in self._mock.requests[before:])
        for request in requests:
            problems += [f"the mock refused {request.method} {request.target}: {p}" for p in request.problems]
        if not requests:
            problems.append(f"no request reached the API: {answer}")
        elif failed and not problems:
            problems.append(f"the model was told of an error: {answer}")
        return Call(tool.name, tool.annotations.effect, arguments, requests, self._masked(answer), tuple(problems))

    def _request(self, recorded: Recorded) -> Request:
        headers = tuple(
            (name, self._masked(value))
            for name, value in recorded.headers
            if name not in _ROUTINE and not (name == "accept" and value in _ANYTHING)
        )
        try:
            body = recorded.body.decode()
        except UnicodeDecodeError:
            body = f"{len(recorded.body)} bytes"
        target = self._masked(recorded.target)
        return Request(recorded.method, target, headers, body, recorded.status, recorded.problems)

    def _masked(self, text: str) -> str:
        for word in re.findall(r"[A-Za-z0-9+/]{12,}={0,2}", text):
            if any(word == b64encode(f"{a}:{b}".encode()).decode() for a in self._secrets for b in self._secrets):
                text = text.replace(word, "***")
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    # -- which tools, with which arguments ------------------------------

    def _chosen(self, calls: int) -> Iterator[tuple[Tool | CustomTool, dict[str, Any]]]:
        """Yield tools and arguments that tell the most: a list, one of its members, a write, a search, then others."""
        taken: set[str] = set()
        area = ""
        for rank in [_list, _member, _write, _search, *[_other] * calls]:
            if len(taken) == calls:
                return
            tools = [t for t in self._plan.tools if isinstance(t, Tool) or t.module != SEARCHING]
            # Of custom tools, which have no path, those with few arguments.
            ranked = {t.name: (r, t.area != area, len(t.path) or len(_all(t)), t.name) for t in tools if (r := rank(t))}
            tools = sorted((t for t in tools if t.name in ranked), key=lambda t: ranked[t.name])
            candidates = [t for t in tools if t.name not in taken]
            for tool in candidates[:_FEW]:
                if (arguments := self._arguments(tool)) is not None:
                    taken.add(tool.name)
                    area = area or tool.area
                    yield tool, arguments
                    break

    def _stated(self, tool: Tool | CustomTool) -> Mapping[tuple[str, str], Any]:
        """Return the document's own values, by place and name; for a custom tool those of what it calls."""
        if isinstance(tool, Tool):
            return self._mock.example(self._operations[tool.pointer]) if tool.listed is None else {}
        called = [o for o in self._operations.values() if o.node.get("operationId") in tool.calls]
        bodies = [self._mock.example(o).get(("body", "")) for o in called]
        return {("", name): v for body in reversed(bodies) if isinstance(body, dict) for name, v in body.items()}

    def _arguments(self, tool: Tool | CustomTool) -> dict[str, Any] | None:
        """Return arguments that the published schema allows, the document's own values first; None: there are none."""
        schema = dict(tool.input_schema)
        definitions = schema.pop("$defs", {})
        whole = Bundle(schema, definitions)
        validator = whole.validator()
        stated = self._stated(tool)
        values: dict[str, Any] = {}
        for argument in _shown(tool):
            bundle = Bundle(schema["properties"][argument.key], definitions)
            fits = bundle.validator()
            found, value = _value(argument, stated)
            if fits and (usual := _USUAL.get(argument.key)) and fits.is_valid(usual):
                found, value = True, usual
            if not found or (fits and not fits.is_valid(value)):
                value, failed = sample(bundle)
                if failed and argument.required:
                    return None
                if failed:
                    continue
            values[argument.key] = value
        if validator is None or validator.is_valid(values):
            return values
        value, failed = sample(whole)
        return None if failed else value


def _certificate(folder: Path) -> Path:
    """Write a client certificate and its key into a file of `folder`; the mock, which speaks no TLS, never sees it."""
    from datetime import datetime, timedelta

    from cryptography import x509  # comes with the SDK
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    path = folder / "trial.pem"
    if not path.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "trial")])
        now = datetime.now()
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now)
            .not_valid_after(now + timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        kind = serialization.PrivateFormat.PKCS8
        path.write_bytes(key.private_bytes(pem, kind, serialization.NoEncryption()) + certificate.public_bytes(pem))
    return path


_USUAL: dict[str, Any] = dict.fromkeys(("limit", "per_page", "page_size", "size"), 10) | dict.fromkeys(
    ("query", "q", "search", "status", "statuses", "sort")
)
"""Optional arguments that a call of a reading tool shows, with the value where a sample would be a silly one."""


def _all(tool: Tool | CustomTool) -> tuple[Argument, ...]:
    return tool.arguments if isinstance(tool, Tool) else tool.arguments_sorted


def _shown(tool: Tool | CustomTool) -> list[Argument]:
    """The arguments that a call gives: what is required, and two or three that show what it is for."""
    required = [a for a in _all(tool) if a.required]
    optional = [a for a in _all(tool) if not a.required and a.schema.get("type") != "object"]
    if tool.annotations.read_only:
        optional = sorted((a for a in optional if a.key in _USUAL), key=lambda a: [*_USUAL].index(a.key))[:2]
    else:
        optional = [a for a in optional if a.place == "body"][: max(0, 3 - len(required))]
    return required + optional


def _value(argument: Argument, stated: Mapping[tuple[str, str], Any]) -> tuple[bool, Any]:
    """Whether the document has a value for an argument, and which."""
    if (key := (argument.place, argument.wire)) in stated:
        return True, stated[key]
    if not argument.marker_source:  # of a custom tool
        return False, None
    call = ast.parse(argument.marker_source, mode="eval").body
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.func.id != "Json":
        return False, None
    value = stated.get(("body", ""))
    for step in (a.value for a in call.args if isinstance(a, ast.Constant)):
        if not isinstance(value, dict) or step not in value:
            return False, None
        value = value[step]
    return ("body", "") in stated, value


def _words(tool: Tool | CustomTool) -> list[str]:
    return re.findall(r"[a-z0-9]+", tool.name.lower())


def _required(tool: Tool | CustomTool) -> int:
    return sum(a.required for a in _all(tool))


def _list(tool: Tool | CustomTool) -> int:
    """How good a first call a tool is, from 1; 0: not at all."""
    if not tool.annotations.read_only:
        return 0
    return 1 + 10 * _required(tool) + (0 if "list" in _words(tool) else 3 if tool.path.endswith("}") else 1)


def _member(tool: Tool | CustomTool) -> int:
    named = "}" in tool.path or (_words(tool)[0] == "get" and tool.method == "POST")
    if not tool.annotations.read_only or not named or not _required(tool):
        return 0
    return _required(tool) + (0 if tool.path.endswith("}") or tool.method == "POST" else 1)


def _write(tool: Tool | CustomTool) -> int:
    if tool.annotations.read_only or tool.method not in ("POST", "PUT", "PATCH", ""):
        return 0
    says_json = any(a.marker_source.startswith("Json(") for a in tool.arguments)
    return 1 + (20 if tool.annotations.destructive else 0) + (0 if says_json else 10) + 2 * tool.path.count("{")


def _search(tool: Tool | CustomTool) -> int:
    hints = {"search", "query", "find", "filter", "q"}
    keys = {a.key for a in _all(tool)}
    if not tool.annotations.read_only or not (hints & {*_words(tool), *keys}):
        return _other(tool)
    return 1 + (0 if hints & {*_words(tool)} else 1)


def _other(tool: Tool | CustomTool) -> int:
    return {"read": 100, "write": 200, "destructive": 300}[tool.annotations.effect] + _required(tool)


async def _names(client: Any) -> set[str]:
    names: set[str] = set()
    cursor: str | None = None
    while True:
        page = await client.list_tools(cursor=cursor)
        names |= {tool.name for tool in page.tools}
        cursor = page.next_cursor
        if not cursor:
            return names


def _text(content: Any) -> str:
    """One block of a result as text."""
    if content.type == "text":
        return str(content.text)
    kind = getattr(content, "mime_type", None) or getattr(getattr(content, "resource", None), "mime_type", None)
    return f"({content.type}, {kind})" if kind else f"({content.type})"


def _reason(error: BaseException) -> str:
    """The innermost exception in words."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__
