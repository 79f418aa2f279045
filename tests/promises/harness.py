"""Generated servers as their users start them, before a mock of their API that can be told what to answer.

A server is a process of its own, reached by a real MCP client over stdio or over HTTP; tests share it. The clients and
the mock live in one event loop in a thread, so that a test is a plain function.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import mcp.types as t
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from mcpgen import spec
from mcpgen.mock import Mock, Recorded

ROOT = Path(__file__).parent.parent.parent
NOW = "2026-07-28"
WAYS = ("stdio", "http", "stdio legacy", "http legacy")
"""Each transport in each era of the protocol; without a word it is the newer one."""
KEY, OTHER = "marker-k3y-4711-abcdef", "another-k3y-0815-ghijkl"
ACCEPT = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
_SECONDS = 60
_T = TypeVar("_T")


@dataclass(frozen=True)
class Vendor:
    """A generated server: its folder, package, the variable of its key, and the header in which a caller sends one."""

    name: str
    package: str
    variable: str
    header: str = "Authorization"
    value: str = "Bearer {}"

    @property
    def specs(self) -> Path:
        return ROOT / "specs" / self.name

    @property
    def folder(self) -> Path:
        return ROOT / "generated" / self.name

    @property
    def document(self) -> Path:
        return next(p for p in (self.specs / "openapi.yaml", self.specs / "openapi.json") if p.is_file())

    def headers(self, key: str) -> dict[str, str]:
        return {self.header: self.value.format(key)} if key else {}

    def text(self, name: str) -> str:
        """A file of the generated server."""
        return (self.folder / name).read_text(encoding="utf-8")

    @property
    def entries(self) -> dict[str, dict[str, Any]]:
        """The contract, tools.json, by name."""
        return {e["name"]: e for e in json.loads(self.text(f"{self.package}/tools.json"))["tools"]}

    @property
    def examples(self) -> dict[str, dict[str, Any]]:
        """Arguments with which each tool can be called."""
        return {e["tool"]: e.get("arguments", {}) for e in json.loads(self.text("tests/evals.json"))}


STATUSPAL = Vendor("statuspal", "statuspal_mcp", "STATUSPAL_API_KEY")
XITORING = Vendor("xitoring", "xitoring_mcp", "XITORING_API_KEY")
OPENSTATUS = Vendor("openstatus", "openstatus_mcp", "OPENSTATUS_API_KEY", "x-openstatus-key", "{}")
PAGERDUTY = Vendor("pagerduty", "pagerduty_mcp", "PAGERDUTY_USER_API_KEY", value="Token token={}")
PAGERDUTY_REMOTE = Vendor("pagerduty-mcp", "pagerduty_remote_mcp", "PAGERDUTY_USER_API_KEY", value="Token token={}")


# --- the loop ---------------------------------------------------------------------------------------------------------


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _T], seconds: float = _SECONDS) -> _T:
        return asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, seconds), self._loop).result()

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


# --- the API ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reply:
    """What the API answers: JSON, unless the body is bytes."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Api(Mock):
    """The mock of a document, with answers that a test wants instead. Every request is still held to the document.

    `replies` are for the next requests, one each; `answering` may have one for any other.
    """

    def __init__(self, document: spec.Spec) -> None:
        super().__init__(document)
        self.url = ""
        self.reset()

    def reset(self) -> None:
        self.requests.clear()
        self.replies: list[Reply] = []
        self.answering: Callable[[Recorded], Reply | None] = lambda _: None

    def reply(self, status: int, body: Any = None, times: int = 1, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.replies += [Reply(status, body, named)] * times

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        sent: list[Any] = []

        async def keep(message: Any) -> None:
            sent.append(message)

        await super().__call__(scope, receive, keep)
        reply = self.replies.pop(0) if self.replies else self.answering(self.requests[-1])
        if reply is not None:
            body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            body = b"" if reply.body is None else body
            headers = {"content-type": "application/json", "content-length": str(len(body)), **reply.headers}
            stated = [(name.encode(), value.encode()) for name, value in headers.items()]
            sent = [
                {"type": "http.response.start", "status": reply.status, "headers": stated},
                {"type": "http.response.body", "body": body},
            ]
        for message in sent:
            await send(message)

    @property
    def last(self) -> Recorded:
        return self.requests[-1]

    @property
    def problems(self) -> list[str]:
        """What the document has against the requests."""
        return [f"{r.method} {r.target}: {p}" for r in self.requests for p in r.problems]


@cache
def document_of(path: Path) -> spec.Spec:
    return spec.load(path)


def body_of(request: Recorded) -> Any:
    return json.loads(request.body)


# --- the server -------------------------------------------------------------------------------------------------------


def environment(folder: Path, **variables: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder), "PYTHONUTF8": "1", **variables}


class Server:
    """A running server, reached over one transport in one era of the protocol."""

    def __init__(self, vendor: Vendor, way: str, loop: Loop) -> None:
        transport, _, era = way.partition(" ")
        self.vendor, self.transport, self.mode, self.loop = vendor, transport, era or NOW, loop

    @property
    def said(self) -> str:
        """What it wrote to standard error so far."""
        raise NotImplementedError

    def asked(self, work: Callable[[Client], Coroutine[Any, Any, _T]], key: str = KEY) -> _T:
        """What comes of a conversation. Over HTTP the client sends `key`, over stdio it is the server's."""
        raise NotImplementedError

    def call(self, tool: str, arguments: Mapping[str, Any] | None = None, key: str = KEY) -> t.CallToolResult:
        """The result of a tool; MCPError for an error of the protocol."""
        return self.asked(lambda client: client.call_tool(tool, dict(arguments or {})), key)

    def right(self, tool: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """The structured content of a result that is no error."""
        result = self.call(tool, arguments)
        assert not result.is_error, text_of(result)
        return result.structured_content

    def tools(self) -> dict[str, t.Tool]:
        """What tools/list says, all of its pages."""

        async def pages(client: Client) -> dict[str, t.Tool]:
            found: dict[str, t.Tool] = {}
            cursor: str | None = None
            while True:
                page = await client.list_tools(cursor=cursor)
                found |= {tool.name: tool for tool in page.tools}
                if not (cursor := page.next_cursor):
                    return found

        return self.asked(pages)

    def about(self) -> Any:
        """What the server says of itself: `capabilities`, `instructions`, `server_info`."""

        async def said(client: Client) -> Any:
            if client.session.initialize_result:
                return client.session.initialize_result
            return t.DiscoverResult.model_validate(await client.session.send_discover(NOW))

        return self.asked(said)

    def told(self, words: str, since: int = 0) -> str:
        """What it wrote to standard error, from a place on, as soon as `words` are in it."""
        until = time.monotonic() + 5
        while words not in (said := self.said[since:]) and time.monotonic() < until:
            time.sleep(0.02)
        assert words in said
        return said

    def close(self) -> None:
        raise NotImplementedError


class Connection:
    """A client that is connected until it is closed, in a task of its own, as its task groups want it."""

    def __init__(self, loop: Loop, make: Callable[[], AbstractAsyncContextManager[Client]]) -> None:
        self._loop = loop
        self._stop = asyncio.Event()
        self._ended = threading.Event()
        ready = threading.Event()
        failed: list[BaseException] = []

        async def hold() -> None:
            try:
                async with make() as self.client:
                    ready.set()
                    await self._stop.wait()
            except BaseException as error:
                failed.append(error)
            finally:
                ready.set()
                self._ended.set()

        loop.start(hold())
        assert ready.wait(_SECONDS)
        assert not failed, failed

    def close(self) -> None:
        async def stop() -> None:
            self._stop.set()

        self._loop.run(stop())
        assert self._ended.wait(30)


class OverStdio(Server):
    """A server whose client is connected all the time, as there is but one."""

    def __init__(
        self, vendor: Vendor, way: str, loop: Loop, command: Sequence[str], env: Mapping[str, str], options: Any
    ) -> None:
        super().__init__(vendor, way, loop)
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
        parameters = StdioServerParameters(command=command[0], args=list(command[1:]), env=dict(env))

        def make() -> Client:
            return Client(stdio_client(parameters, self._log), mode=self.mode, **options)

        self._connection = Connection(loop, make)

    @property
    def said(self) -> str:
        return os.pread(self._log.fileno(), 50_000_000, 0).decode("utf-8", "replace")

    def asked(self, work: Callable[[Client], Coroutine[Any, Any, _T]], key: str = KEY) -> _T:
        assert key == KEY, "over stdio the key is the server's"
        return self.loop.run(work(self._connection.client))

    def close(self) -> None:
        self._connection.close()
        self._log.close()


class OverHttp(Server):
    """A server on a port, with a client for each key."""

    def __init__(
        self, vendor: Vendor, way: str, loop: Loop, command: Sequence[str], env: Mapping[str, str], options: Any
    ) -> None:
        super().__init__(vendor, way, loop)
        self._options = options
        self._connections: dict[tuple[str, str], Connection] = {}
        port = [] if "--port" in command else ["--port", "0"]
        self._process = subprocess.Popen([*command, "--http", *port], env=dict(env), stderr=subprocess.PIPE, text=True)
        self._said: list[str] = []
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()
        until = time.monotonic() + _SECONDS
        while not (found := re.search(r"serving (http://\S+:(\d+)/mcp)", self.said)):
            assert self._process.poll() is None, self.said
            assert time.monotonic() < until
            time.sleep(0.01)
        self.url, self.port = found[1], int(found[2])

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said.append(line)

    @property
    def said(self) -> str:
        return "".join(self._said)

    def asked(self, work: Callable[[Client], Coroutine[Any, Any, _T]], key: str = KEY) -> _T:
        return self.loop.run(work(self.client(key)))

    def client(self, key: str) -> Client:
        """A client that sends `key` with every request."""
        mode = self.mode

        @asynccontextmanager
        async def make() -> AsyncIterator[Client]:
            async with (
                httpx2.AsyncClient(headers=self.vendor.headers(key), timeout=_SECONDS, verify=False) as http,
                Client(streamable_http_client(self.url, http_client=http), mode=mode, **self._options) as client,
            ):
                yield client

        if (key, mode) not in self._connections:
            self._connections[key, mode] = Connection(self.loop, make)
        return self._connections[key, mode].client

    def post(self, body: Any = LIST, **headers: str) -> httpx2.Response:
        """A request as no client sends it; `x_key` is the header X-Key."""
        return self.request("POST", headers, body)

    def request(self, method: str, headers: Mapping[str, str], body: Any = None) -> httpx2.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with httpx2.Client(timeout=30, verify=False) as http:
            return http.request(method, self.url, headers={**ACCEPT, **named}, json=body)

    def stop(self) -> None:
        """End the process; its clients know nothing of it."""
        self._process.terminate()
        self._process.wait(20)

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()
        self.stop()
        self._reading.join(10)
        assert self._process.stderr is not None
        self._process.stderr.close()


class Starter:
    """Starts servers of one vendor before one API. Those that are asked for twice are the same one."""

    def __init__(self, vendor: Vendor, api: Any, loop: Loop, *switches: str) -> None:
        self.vendor, self.api, self._loop = vendor, api, loop
        self.switches = ("--enable-write-tools", *switches)
        self._running: dict[Any, Server] = {}

    def shared(self, way: str, *arguments: str) -> Server:
        """A server that runs until the end of the module; by default with the tools that write."""
        arguments = arguments or self.switches
        transport, _, era = way.partition(" ")
        if transport == "http" and (other := self._running.get(("http", *arguments))):
            other.mode = era or NOW  # the same process serves both eras
            return other
        key = (transport if transport == "http" else way, *arguments)
        if key not in self._running:
            self._running[key] = self._start(way, arguments, {}, None, None, {})
        return self._running[key]

    @contextmanager
    def fresh(
        self,
        way: str,
        *arguments: str,
        env: Mapping[str, str | None] | None = None,
        folder: Path | None = None,
        url: str | None = None,
        **options: Any,
    ) -> Iterator[Any]:
        """A server of one's own. `env` is added to what it is started with, None for without."""
        server = self._start(way, arguments, env or {}, folder, url, options)
        try:
            yield server
        finally:
            server.close()

    def _start(
        self,
        way: str,
        arguments: Sequence[str],
        env: Mapping[str, str | None],
        folder: Path | None,
        url: str | None,
        options: Any,
    ) -> Server:
        vendor = self.vendor
        own = {vendor.variable: KEY} if way.startswith("stdio") else {}
        stated = environment(folder or vendor.folder, **own) | dict(env)
        variables = {name: value for name, value in stated.items() if value is not None}
        base = ["--base-url", self.api.url if url is None else url] if url != "" else []
        command = [sys.executable, "-m", vendor.package, *base, *arguments]
        kind = OverStdio if way.startswith("stdio") else OverHttp
        return kind(vendor, way, self._loop, command, variables, options)

    def refused(self, *arguments: str, env: Mapping[str, str | None] | None = None) -> subprocess.CompletedProcess[str]:
        """What comes of a start that is expected to fail."""
        stated = environment(self.vendor.folder, **{self.vendor.variable: KEY}) | dict(env or {})
        variables = {name: value for name, value in stated.items() if value is not None}
        command = [sys.executable, "-m", self.vendor.package, *arguments]
        return subprocess.run(
            command, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False
        )

    def close(self) -> None:
        for server in self._running.values():
            server.close()


# --- results ----------------------------------------------------------------------------------------------------------


def text_of(result: t.CallToolResult) -> str:
    return "\n".join(c.text for c in result.content if isinstance(c, t.TextContent))


def hints(tool: t.Tool | Mapping[str, Any]) -> str:
    """The annotations in short: R1 D0 I1."""
    stated = tool.model_dump(by_alias=True)["annotations"] if isinstance(tool, t.Tool) else tool["annotations"]
    return " ".join(f"{h[0].upper()}{int(stated[f'{h}Hint'])}" for h in ("readOnly", "destructive", "idempotent"))


# --- the README -------------------------------------------------------------------------------------------------------


class Readme:
    """The README of a generated server, taken apart at its headings."""

    def __init__(self, vendor: Vendor) -> None:
        self.text = vendor.text("README.md")

    def section(self, heading: str) -> str:
        found = re.search(rf"(?ms)^(#+) {re.escape(heading)}\n(.*?)(?=^#{{1,6}} |\Z)", self.text)
        assert found, f"the README has no section {heading!r}"
        return found[2]

    def json(self, heading: str) -> list[Any]:
        return [json.loads(block) for block in re.findall(r"(?ms)^```json\n(.*?)^```", self.section(heading))]

    def commands(self, heading: str) -> list[str]:
        return "".join(re.findall(r"(?ms)^```sh\n(.*?)^```", self.section(heading))).splitlines()

    @property
    def areas(self) -> dict[str, str]:
        """The area of each tool."""
        return dict(re.findall(r"(?m)^\| `(\w+)` \| (\w+) \|", self.section("Tools")))
