"""What a generated server promises to those who run it: whose key is used, who may call, what is told and written down.

The server is built from a small document and its mcpgen.toml, and run as a subprocess; the API is a socket that keeps
every byte.
"""

from __future__ import annotations

import asyncio
import base64
import contextvars
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from conftest import built, place
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from test_runtime_server import ERAS, RUNTIME, Upstream, environment, text_of

sys.path.insert(0, str(RUNTIME.parent))

from runtime.service import Caller, Mask

DOCUMENT = """
openapi: 3.0.3
info: {title: Desk, version: "1"}
servers: [{url: https://desk.test}]
security: [{desk_key: []}, {token: []}, {login: []}]
paths:
  /tickets:
    get:
      operationId: listTickets
      tags: [Tickets]
      parameters:
      - {name: X-Actor, in: header, schema: {type: string}}
      - {name: Accept, in: header, schema: {type: string, default: application/vnd.tickets+json}}
      responses: {"200": {description: Ok.}}
    post:
      operationId: createTicket
      tags: [Tickets]
      requestBody:
        required: true
        content: {application/json: {schema: {type: object, required: [title], properties: {title: {type: string}}}}}
      responses: {"201": {description: Ok.}}
  /tickets/search:
    post:
      operationId: searchTickets
      tags: [Tickets]
      requestBody:
        content: {application/json: {schema: {type: object, properties: {text: {type: string}}}}}
      responses: {"200": {description: Ok.}}
  /health:
    get: {operationId: getHealth, tags: [Health], security: [], responses: {"200": {description: Ok.}}}
  /tokens:
    get: {operationId: listTokens, tags: [Tokens], security: [{token: []}], responses: {"200": {description: Ok.}}}
components:
  securitySchemes:
    desk_key: {type: apiKey, in: header, name: x-desk-key}
    token: {type: http, scheme: bearer}
    login: {type: http, scheme: basic}
"""
CONFIG = """
[server]
name = "desk"
version = "2.0.0"
[tools.searchTickets.annotations]
read_only = true
destructive = false
[headers]
User-Agent = "desk-mcp/{version} (mcp)"
X-Actor = "mcp"
Accept = "application/vnd.desk+json"
[http]
cors_origins = ["https://app.example.com"]
[errors]
protocol = [401, 403, 500]
[errors.hints]
401 = "Your API key may be invalid or revoked: generate a fresh one."
404 = "Look it up with list_tickets."
"""
KEY, OTHER = "marker-k3y/ä+1", "another-k3y-2"
ACCEPT = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
LIST = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}


def make(folder: Path, document: str = DOCUMENT, config: str = CONFIG) -> Path:
    """Build the server; the folder that holds the package `desk_mcp`."""
    place({"openapi.yaml": document, "mcpgen.toml": config}, folder)
    return place(built(folder)[1], folder / "server")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("desk"))


class Server:
    """A server on a port: where it is, and what it wrote to standard error, line by line."""

    def __init__(self, url: str, port: int) -> None:
        self.url = url
        self.port = port
        self.said: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self.said)

    def audited(self) -> list[str]:
        return [line.partition("desk: audit ")[2].strip() for line in self.said if line.startswith("desk: audit ")]


@asynccontextmanager
async def serving(
    folder: Path, upstream: Upstream, *arguments: str, port: int = 0, **env: str
) -> AsyncIterator[Server]:
    """The server over HTTP, its notice of the start read."""
    command = [sys.executable, "-m", "desk_mcp", "--http", "--port", str(port), "--base-url", upstream.url, *arguments]
    process = await asyncio.create_subprocess_exec(
        *command, env=environment(folder, **env), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    errors = process.stderr
    server = Server("", 0)

    async def read() -> None:
        while line := (await errors.readline()).decode():
            server.said.append(line)

    reading = asyncio.create_task(read())
    try:
        while not any("serving http" in line for line in server.said) or len(server.said) < 2:
            assert process.returncode is None, server.text
            await asyncio.sleep(0.02)
        line = next(line for line in server.said if "serving http" in line)
        server.url, server.port = line.split()[-1], int(re.findall(r":(\d+)/", line)[0])
        yield server
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await reading


@asynccontextmanager
async def client(url: str, mode: str = "2026-07-28", **headers: str) -> AsyncIterator[Client]:
    """An MCP client that sends these headers with every request."""
    stated = {name.replace("_", "-").encode(): value.encode("latin-1") for name, value in headers.items()}
    async with (
        httpx2.AsyncClient(headers=list(stated.items()), timeout=60) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as made,
    ):
        yield made


Body = Callable[[Client, Upstream, list[str]], Awaitable[None]]


def over_stdio(folder: Path, body: Body, *arguments: str, mode: str = "2026-07-28") -> str:
    """Run `body` against the server as a subprocess; what that wrote to standard error."""
    log = folder / f"stderr-{time.monotonic_ns()}.txt"

    async def main() -> None:
        from mcp.client.stdio import stdio_client

        async with Upstream().running() as upstream:
            parameters = StdioServerParameters(
                command=sys.executable,
                args=["-m", "desk_mcp", "--base-url", upstream.url, "--enable-write-tools", *arguments],
                env=environment(folder, DESK_DESK_KEY=KEY),
            )
            with log.open("w") as errlog:
                async with Client(stdio_client(parameters, errlog), mode=mode) as made:
                    await body(made, upstream, log.read_text().splitlines())

    asyncio.run(asyncio.wait_for(main(), 120))
    return log.read_text()


def run(main: Awaitable[None], seconds: float = 120) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(main, seconds)

    asyncio.run(bounded())


def keys_seen(upstream: Upstream) -> list[str]:
    return [found[1] for r in upstream.requests if (found := re.search(r"(?i)x-desk-key: (.*)\r", r.decode("latin-1")))]


async def post(url: str, body: Any = PING, **headers: str) -> httpx2.Response:
    stated = {name.replace("_", "-"): value.encode("latin-1") for name, value in headers.items()}
    async with httpx2.AsyncClient() as http:
        return await http.post(url, json=body, headers={**ACCEPT, **stated})


async def raw_post(server: Server, body: Any, headers: dict[str, str], path: str = "/mcp") -> httpx2.Response:
    """A POST that no client would send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    stated = {"Host": f"127.0.0.1:{server.port}", "Connection": "close", **ACCEPT}
    stated |= {name.replace("_", "-"): value for name, value in headers.items()}
    content = json.dumps(body).encode()
    lines = [f"{name}: {value}" for name, value in {**stated, "Content-Length": str(len(content))}.items()]
    writer.write("\r\n".join([f"POST {path} HTTP/1.1", *lines, "", ""]).encode("latin-1") + content)
    head, _, text = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    first, *rest = head.decode("latin-1").split("\r\n")
    pairs = [(name, value) for name, _, value in (line.partition(": ") for line in rest)]
    return httpx2.Response(int(first.split()[1]), headers=pairs, content=text)


# --- whose key --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ERAS)
def test_two_clients_with_two_keys_never_mix(desk: Path, mode: str) -> None:
    """50 calls side by side, none of which sees the other's key, nor the API the wrong one."""

    async def main() -> None:
        async with Upstream().running() as upstream:
            async with (
                serving(desk, upstream, "--enable-write-tools") as server,
                client(server.url, mode, x_desk_key=KEY) as one,
                client(server.url, mode, x_desk_key=OTHER) as two,
            ):

                async def call(number: int) -> None:
                    made, title = (one, "one") if number % 2 else (two, "two")
                    result = await made.call_tool("create_ticket", {"title": f"{title}-{number}"})
                    assert not result.is_error, text_of(result)

                await asyncio.gather(*(call(number) for number in range(50)))
            assert len(upstream.requests) == 50
            for request in upstream.requests:
                text = request.decode("latin-1")
                sender = "one" if '"one-' in text else "two"
                assert f"x-desk-key: {KEY if sender == 'one' else OTHER}\r\n" in text
                assert (OTHER if sender == "one" else KEY) not in text

    run(main())


KEYLESS = [
    {},
    {"x_desk_key": ""},
    {"x_desk_key": "   "},
    {"x_desk_key": "a\x8eb"},
    {"authorization": "Token token=abcdef"},
    {"authorization": "Token abcdef"},
    {"authorization": "Bearer"},
    {"authorization": "Bearer "},
    {"authorization": "abcdef"},
    {"authorization": "Bearer Bearer abcdef"},
    {"authorization": "Basic !!!"},
    {"authorization": "Basic " + base64.b64encode(b"nobody").decode()},
    {"x_api_key": "abcdef"},
]


def test_without_a_key_nothing_is_served(desk: Path) -> None:
    """401 before any JSON-RPC, on every method, and with what a caller has to do."""

    async def main() -> None:
        async with (
            Upstream().running() as upstream,
            serving(desk, upstream) as server,
            httpx2.AsyncClient() as http,
        ):
            assert "every request uses its caller's own key" in server.text
            for headers in KEYLESS:
                for body in (PING, LIST, {"jsonrpc": "2.0", "id": 3, "method": "initialize", "params": {}}, [], "x"):
                    answer = await raw_post(server, body, headers)
                    assert answer.status_code == 401, (headers, answer.text)
                    error = answer.json()["error"]
                    assert error["code"] == "unauthorized"
                    assert "`x-desk-key: <key>`" in error["message"]
                    assert "generate a fresh one" in error["message"]
                    assert answer.headers["www-authenticate"] == 'ApiKey realm="desk", header="x-desk-key"'
                    assert "abcdef" not in answer.text
            for method in ("GET", "DELETE", "PUT", "HEAD", "OPTIONS"):
                assert (await http.request(method, server.url, headers=ACCEPT)).status_code == 401
            twice = [(b"x-desk-key", b"abcdef"), (b"x-desk-key", b"ghijkl"), *ACCEPT.items()]
            assert (await http.post(server.url, json=PING, headers=twice)).status_code == 401
            # Clients look there for a way to log in, and 401 would be taken for one.
            found = await http.get(server.url.replace("/mcp", "/.well-known/oauth-protected-resource"))
            assert found.status_code == 404
            for path, status in (("/.well-known/../mcp", 404), ("//mcp", 401), ("/mcp/", 401), ("/%6dcp", 401)):
                assert (await raw_post(server, LIST, {}, path)).status_code == status
            assert upstream.requests == []

    run(main())


def test_every_form_of_a_key(desk: Path) -> None:
    """The key goes through in the API's own form; what a call does not need is not sent."""
    login = base64.b64encode(b"me:p:w").decode()

    async def main() -> None:
        async with Upstream().running() as upstream, serving(desk, upstream) as server:
            assert (await raw_post(server, PING, {"x-desk-key": f"  {KEY}\t"})).status_code == 200
            for headers, sent in (
                ({"x_desk_key": KEY}, f"x-desk-key: {KEY}"),
                ({"authorization": "bEARER   abcdef"}, "Authorization: Bearer abcdef"),
                ({"authorization": f"basic {login}"}, f"Authorization: Basic {login}"),
                ({"x_desk_key": KEY, "authorization": "Bearer abcdef"}, f"x-desk-key: {KEY}"),
            ):
                async with client(server.url, **headers) as made:
                    await made.call_tool("list_tickets", {})
                    assert f"{sent}\r\n" in upstream.last, headers
                    assert len(re.findall(r"(?i)^(?:authorization|x-desk-key):", upstream.last, re.M)) == 1
                    await made.call_tool("get_health", {})
                    assert not re.search(r"(?i)^(authorization|x-desk-key):", upstream.last, re.M)
                    count = len(upstream.requests)
                    result = await made.call_tool("list_tokens", {})
                    if "earer" in str(headers).lower():
                        assert "Authorization: Bearer abcdef\r\n" in upstream.last
                    else:
                        assert result.is_error
                        assert "credential that did not come with this call: send your Desk key" in text_of(result)
                        assert len(upstream.requests) == count

    run(main())


def test_whose_key_is_used(desk: Path) -> None:
    """auto: the environment's where it is set; caller: never the environment's; environment: only that."""

    async def main() -> None:
        async with Upstream().running() as upstream:
            async with serving(desk, upstream, DESK_DESK_KEY=KEY) as server:
                assert "every request uses the credential in this server's environment" in server.text
                async with client(server.url, x_desk_key=OTHER) as made:
                    await made.call_tool("list_tickets", {})
            assert keys_seen(upstream) == [KEY]
            async with serving(
                desk, upstream, "--credential", "caller", DESK_DESK_KEY=KEY, DESK_TOKEN="t0ken"
            ) as server:
                assert (await post(server.url)).status_code == 401
                async with client(server.url, x_desk_key=OTHER) as made:
                    await made.call_tool("list_tickets", {})
                    # The environment's token would do, and is not this caller's.
                    assert (await made.call_tool("list_tokens", {})).is_error
            assert keys_seen(upstream) == [KEY, OTHER]
            assert len(upstream.requests) == 2

    run(main())


@pytest.mark.parametrize(
    ("env", "said"),
    [({}, "keys come to this port unencrypted"), ({"DESK_DESK_KEY": KEY}, "anyone who reaches this port uses the")],
)
def test_beyond_this_machine_it_warns(desk: Path, env: dict[str, str], said: str) -> None:
    async def main() -> None:
        async with Upstream().running() as upstream, serving(desk, upstream, "--host", "0.0.0.0", **env) as server:
            await asyncio.sleep(0.2)
            assert said in server.text
            assert "--allowed-host" in server.text
            assert (await post(f"http://127.0.0.1:{server.port}/mcp", x_desk_key=KEY)).status_code == 200
            stranger = await post(f"http://127.0.0.1:{server.port}/mcp", host="mcp.test", x_desk_key=KEY)
            assert stranger.status_code == 421

    run(main())


def started(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "desk_mcp", *arguments]
    return subprocess.run(
        command, env=environment(folder, **env), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--http", "--credential", "environment"], "set DESK_DESK_KEY"),
        ([], "set DESK_DESK_KEY"),
        (["--credential", "caller"], "--credential caller is for --http"),
        (["--http", "--cors-origin", "*"], "is not an origin"),
        (["--http", "--cors-origin", "https://app.example.com/x"], "is not an origin"),
        (["--http", "--credential", "mine"], "invalid choice: 'mine'"),
        (["--tags", "ticket"], "did you mean 'tickets'?"),
    ],
)
def test_refuses_to_start(desk: Path, arguments: list[str], said: str) -> None:
    done = started(desk, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_help_tells_of_callers(desk: Path) -> None:
    done = started(desk, "--help")
    for told in ("--credential", "--cors-origin ORIGIN", "--tags", "https://app.example.com", "`x-desk-key: <key>`"):
        assert told in done.stdout


PROOFS = """
openapi: 3.0.3
info: {title: Desk, version: "1"}
servers: [{url: https://desk.test}]
security: [{digest: []}]
paths: {/a: {get: {operationId: a, responses: {}}}}
components: {securitySchemes: {digest: {type: http, scheme: digest}}}
"""


def test_what_a_caller_cannot_send(tmp_path: Path) -> None:
    """HTTP digest is a proof for each request: refused at start, and at the build if the configuration wants it."""
    folder = make(tmp_path, PROOFS, "[server]\nname = 'desk'\n")
    done = started(folder, "--http", "--credential", "caller", DESK_DIGEST_USERNAME="a", DESK_DIGEST_PASSWORD="b")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "start with --credential environment" in done.stderr
    done = started(folder, "--http")
    assert "set DESK_DIGEST_USERNAME" in done.stderr
    from mcpgen.problems import Rejected

    with pytest.raises(Rejected) as caught:
        make(tmp_path, PROOFS, "[server]\nname = 'desk'\n[http]\ncredential = 'caller'\n")
    assert [p.line for p in caught.value.problems] == [4]


@pytest.mark.parametrize(
    ("scheme", "http", "given", "sent"),
    [
        ("type: apiKey, in: query, name: key", "", {"x_api_key": "a b&c"}, "GET /a?key=a%20b%26c HTTP"),
        ("type: apiKey, in: cookie, name: sid", "", {"x_api_key": "abcd"}, "Cookie: sid=abcd\r\n"),
        ("type: apiKey, in: query, name: key", 'header = "x-key"', {"x_key": "abcd"}, "GET /a?key=abcd HTTP"),
        (
            "type: apiKey, in: header, name: Authorization",
            'value = "Bearer {KEY}"',
            {"authorization": "Bearer abcd"},
            "Authorization: abcd\r\n",
        ),
        ("type: http, scheme: bearer", 'header = "x-key"', {"x_key": "abcd"}, "Authorization: Bearer abcd\r\n"),
    ],
)
def test_where_a_key_comes_in(tmp_path: Path, scheme: str, http: str, given: dict[str, str], sent: str) -> None:
    document = PROOFS.replace("type: http, scheme: digest", scheme)
    folder = make(tmp_path, document, f"[server]\nname = 'desk'\n[http]\ncredential = 'caller'\n{http}\n")
    shown = built(tmp_path)[0].key_headers

    async def main() -> None:
        async with Upstream().running() as upstream, serving(folder, upstream) as server:
            (header,) = shown  # what the README tells is what the server takes
            assert f"`{header.name}: {header.value.replace('{KEY}', '<key>')}`" in server.text
            async with client(server.url, **given) as made:
                await made.call_tool("a", {})
            assert sent in upstream.last
            assert (await post(server.url, authorization="Token abcd")).status_code == 401
            if "Bearer" in str(given):
                answer = await post(server.url)
                assert answer.headers["www-authenticate"] == 'Bearer realm="desk"'

    run(main())


def test_two_keys_that_belong_together(tmp_path: Path) -> None:
    """An alternative of two headers takes both."""
    document = PROOFS.replace("{digest: []}", "{app: [], key: []}").replace(
        "digest: {type: http, scheme: digest}",
        "app: {type: apiKey, in: header, name: x-app}, key: {type: apiKey, in: header, name: x-key}",
    )
    folder = make(tmp_path, document, "[server]\nname = 'desk'\n")

    async def main() -> None:
        async with Upstream().running() as upstream, serving(folder, upstream) as server:
            assert "`x-app: <key>` and `x-key: <key>`" in server.text
            assert (await post(server.url, x_app="abcd")).status_code == 401
            async with client(server.url, x_app="abcd", x_key="efgh") as made:
                await made.call_tool("a", {})
            assert "x-app: abcd\r\n" in upstream.last
            assert "x-key: efgh\r\n" in upstream.last

    run(main())


def test_a_key_that_is_optional(tmp_path: Path) -> None:
    """Where the API takes anonymous calls, so does the server; a key that is no key is refused all the same."""
    document = PROOFS.replace("{digest: []}", "{}, {digest: []}").replace("scheme: digest", "scheme: bearer")
    folder = make(tmp_path, document, "[server]\nname = 'desk'\n")

    async def main() -> None:
        async with Upstream().running() as upstream, serving(folder, upstream) as server:
            assert (await post(server.url)).status_code == 200
            assert (await post(server.url, authorization="Token abcd")).status_code == 401
            for headers in ({}, {"authorization": "Bearer abcd"}):
                async with client(server.url, **headers) as made:
                    await made.call_tool("a", {})
                    assert ("Authorization: Bearer abcd\r\n" in upstream.last) is bool(headers)

    run(main())


def test_a_revoked_key_is_refused_at_the_next_call(desk: Path) -> None:
    """Nothing is remembered of a key: the API's 401 is the very next answer, and tells the caller what to do."""

    async def main() -> None:
        async with (
            Upstream().running() as upstream,
            serving(desk, upstream) as server,
            client(server.url, x_desk_key=KEY) as made,
        ):
            assert not (await made.call_tool("list_tickets", {})).is_error
            upstream.queue('{"message": "revoked"}', status="401 Unauthorized")
            with pytest.raises(MCPError) as caught:
                await made.call_tool("list_tickets", {})
            message = caught.value.error.message
            assert (
                "does not accept the key that came with this call; whoever calls this server must renew it" in message
            )
            assert message.index("must renew it") < message.index("generate a fresh one")
            assert "DESK_" not in message
            assert len(upstream.requests) == 2

    run(main())


# --- one endpoint -----------------------------------------------------------------------------------------------------


def test_one_stateless_endpoint(desk: Path) -> None:
    """Two clients without sessions; GET and DELETE as the protocol has them; a restart in between breaks no client."""

    async def main() -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        async with Upstream().running() as upstream, httpx2.AsyncClient() as http:
            async with serving(desk, upstream, port=port) as server:
                for number in range(2):
                    answer = await post(server.url, LIST, x_desk_key=f"key-{number}")
                    assert answer.status_code == 200
                    assert "list_tickets" in answer.text
                    assert "mcp-session-id" not in answer.headers
                headers = {"x-desk-key": KEY.encode("latin-1"), **ACCEPT}
                async with http.stream("GET", server.url, headers=headers) as stream:
                    assert (stream.status_code, stream.headers["content-type"][:17]) == (200, "text/event-stream")
                assert (await http.delete(server.url, headers=headers)).status_code == 405
                modern = {**headers, "MCP-Protocol-Version": "2026-07-28"}
                for method in ("GET", "DELETE"):
                    answer = await http.request(method, server.url, headers=modern)
                    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
            for mode in ERAS:
                async with serving(desk, upstream, port=port) as server:
                    made = client(server.url, mode, x_desk_key=KEY)
                    connected = await made.__aenter__()
                    assert not (await connected.call_tool("list_tickets", {})).is_error
                async with serving(desk, upstream, port=port):
                    assert not (await connected.call_tool("list_tickets", {})).is_error
                    await made.__aexit__(None, None, None)

    run(main())


def test_pages_in_browsers(desk: Path) -> None:
    """CORS: a list of origins, and nothing for the others."""

    async def main() -> None:
        async with (
            Upstream().running() as upstream,
            serving(desk, upstream, "--cors-origin", "http://localhost:6274") as server,
            httpx2.AsyncClient() as http,
        ):

            async def preflight(origin: str, **more: str) -> httpx2.Response:
                asked = {"Origin": origin, "Access-Control-Request-Method": "POST", **more}
                return await http.options(server.url, headers=asked)

            for origin in ("https://app.example.com", "http://localhost:6274"):
                answer = await preflight(origin, **{"Access-Control-Request-Headers": "x-desk-key"})
                assert answer.status_code == 204
                assert answer.headers["access-control-allow-origin"] == origin
                assert answer.headers["vary"] == "Origin"
                methods = answer.headers["access-control-allow-methods"].split(", ")
                assert methods == ["GET", "POST", "DELETE", "OPTIONS"]
                allowed = answer.headers["access-control-allow-headers"].split(", ")
                needed = "accept authorization content-type last-event-id mcp-method mcp-name mcp-protocol-version "
                assert {*needed.split(), "mcp-session-id", "x-desk-key"} <= {*allowed}
                assert "access-control-allow-credentials" not in answer.headers

                for headers, status in (({"x_desk_key": KEY}, 200), ({}, 401)):
                    answer = await post(server.url, PING, origin=origin, **headers)
                    assert answer.status_code == status
                    assert answer.headers["access-control-allow-origin"] == origin
                    exposed = answer.headers["access-control-expose-headers"].split(", ")
                    assert {"mcp-session-id", "mcp-protocol-version", "www-authenticate"} <= {*exposed}
            for origin in ("https://evil.example.com", "https://app.example.com.evil.test", "null", "http://localhost"):
                for answer in (
                    await preflight(origin),
                    await post(server.url, PING, origin=origin, x_desk_key=KEY),
                    await post(server.url, PING, origin=origin),
                ):
                    assert answer.status_code == 403
                    assert not any(name.startswith("access-control-") for name in answer.headers)
            answer = await post(server.url, x_desk_key=KEY)
            assert (answer.status_code, answer.headers["vary"]) == (200, "Origin")
            assert "access-control-allow-origin" not in answer.headers
            own = f"http://127.0.0.1:{server.port}"
            assert (await post(server.url, origin=own, x_desk_key=KEY)).status_code == 200
            assert (await post(server.url, host="evil.test", x_desk_key=KEY)).status_code == 421

    run(main())


def test_no_page_may_call_by_default(tmp_path: Path) -> None:
    folder = make(tmp_path, config="[server]\nname = 'desk'\n")

    async def main() -> None:
        async with (
            Upstream().running() as upstream,
            serving(folder, upstream, DESK_DESK_KEY=KEY) as server,
            httpx2.AsyncClient() as http,
        ):
            asked = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}
            assert (await http.options(server.url, headers=asked)).status_code == 403
            answer = await post(server.url)
            assert (answer.status_code, "vary" in answer.headers) == (200, False)

    run(main())


# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "arguments", "waits", "attempts"),
    [
        ("list_tickets", {}, ["0"], 2),
        ("list_tickets", {}, ["0", "1"], 3),
        ("list_tickets", {}, ["0", "0", "0", "0"], 3),
        ("search_tickets", {"text": "x"}, ["0"], 2),
        ("list_tickets", {}, ["31"], 1),
        ("list_tickets", {}, ["-1"], 1),
        ("list_tickets", {}, ["soon"], 1),
        ("list_tickets", {}, [""], 1),
        ("list_tickets", {}, ["date-10"], 1),
        ("list_tickets", {}, ["date+4"], 2),
        ("list_tickets", {}, ["date+3600"], 1),
        ("create_ticket", {"title": "t"}, ["0"], 1),
    ],
)
@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
def test_reads_wait_as_the_api_asks(
    desk: Path, tool: str, arguments: dict[str, Any], waits: list[str], attempts: int, status: str
) -> None:
    async def body(made: Client, upstream: Upstream, _: list[str]) -> None:
        for wait in waits:
            if wait.startswith("date"):
                wait = formatdate(time.time() + int(wait[4:]), usegmt=True)
            upstream.queue("{}", status=status, more=f"Retry-After: {wait}\r\n")
        begun = time.monotonic()
        result = await made.call_tool(tool, arguments)
        assert len(upstream.requests) == attempts
        assert result.is_error is (attempts == 1 or len(waits) > 3)
        if attempts == 1 and tool == "list_tickets":
            assert f"(Retry-After: {wait})" in text_of(result) or not wait
        assert time.monotonic() - begun < 9

    over_stdio(desk, body)


def test_a_wait_ends_with_the_call(desk: Path) -> None:
    """It is not begun when it would outlast the call, and cancelled with it."""

    async def body(made: Client, upstream: Upstream, _: list[str]) -> None:
        upstream.queue("{}", status="429 Too Many Requests", more="Retry-After: 5\r\n")
        begun = time.monotonic()
        assert (await made.call_tool("list_tickets", {})).is_error
        assert time.monotonic() - begun < 2
        upstream.queue("{}", status="429 Too Many Requests", more="Retry-After: 2\r\n")
        with pytest.raises(MCPError):
            await made.call_tool("list_tickets", {}, read_timeout_seconds=0.5)
        await asyncio.sleep(2.5)
        assert len(upstream.requests) == 2

    over_stdio(desk, body, "--timeout", "4")


# --- audit ------------------------------------------------------------------------------------------------------------


def test_one_line_for_each_write(desk: Path) -> None:
    """Tool, operation, request, status, and the API's own id of the request; nothing else, and no line of its own."""

    async def main() -> None:
        async with Upstream().running() as upstream:
            async with (
                serving(desk, upstream, "--enable-write-tools", "--log-level", "error", "--timeout", "2") as server,
                client(server.url, x_desk_key=KEY) as made,
            ):
                await made.call_tool("list_tickets", {})
                await made.call_tool("search_tickets", {"text": "x"})
                upstream.queue("{}", status="201 Created", more="X-Request-Id: req-1\r\n")
                await made.call_tool("create_ticket", {"title": "t"})
                upstream.queue("{}", status="422 No", more=f"X-Request-Id: a b {KEY}\r\nRequest-Id: 7\r\n")
                await made.call_tool("create_ticket", {"title": "t"})
                upstream.queue("{}", status="201 Created", more=f"X-Amzn-RequestId: {OTHER}=x\r\n")
                await made.call_tool("create_ticket", {"title": "t"})
                upstream.answers = [None]
                await made.call_tool("create_ticket", {"title": "t"})
                upstream.delay = 30
                await made.call_tool("create_ticket", {"title": "t"})
                upstream.delay = 0
            begin = "tool=create_ticket operation=createTicket request="
            for line, end in zip(
                server.audited(),
                (
                    "status=201 upstream=req-1",
                    "status=422",
                    f'status=201 upstream="{OTHER}=x"',
                    "status=none reason=broken",
                    "status=none reason=timeout",
                ),
                strict=True,
            ):
                assert re.fullmatch(rf"{begin}[0-9]+ {re.escape(end)}", line)
            assert len(server.said) == 2 + 5

    run(main())


def test_no_line_can_be_made_up(desk: Path) -> None:
    """What a client or the API says is quoted, and masked."""

    async def main() -> None:
        async with Upstream().running() as upstream:
            async with serving(desk, upstream, "--enable-write-tools") as server:
                for number in ("1\ndesk: audit tool=evil", f"a {KEY}", "x\x7f\x1b[2J", "y" * 900):
                    params = {"name": "create_ticket", "arguments": {"title": "t"}}
                    call = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
                    assert (await post(server.url, call, x_desk_key=KEY)).status_code == 200
            one, two, three, four = server.audited()
            assert 'request="1\\ndesk: audit tool=evil" status=200' in one
            assert 'request="a ***" status=200' in two
            assert '"x\\u007f\\u001b[2J"' in three
            assert len(four) < 320

    run(main())


# --- nothing of a key is shown ----------------------------------------------------------------------------------------


def forms(key: str) -> list[bytes]:
    """What a key could look like in a log."""
    encoded = base64.b64encode(key.encode()).decode()
    latin = key.encode("latin-1")
    return [
        key.encode(),
        latin,
        repr(latin)[2:-1].encode(),
        json.dumps(key)[1:-1].encode(),
        encoded.rstrip("=").encode(),
    ]


@pytest.mark.parametrize("mode", ERAS)
def test_a_key_is_nowhere_to_be_seen(tmp_path: Path, mode: str) -> None:
    """All tools, all kinds of failures, side by side with another caller, everything logged: 0 hits."""
    folder = make(tmp_path)
    health = folder / "desk_mcp" / "tools" / "health.py"
    health.write_text(health.read_text().replace('id="getHealth"', 'server="nowhere"'))  # a mistake of ours
    results: list[str] = []

    async def main() -> str:
        async with Upstream().running() as upstream:
            options = ("--enable-write-tools", "--log-level", "debug", "--timeout", "3")
            async with (
                serving(folder, upstream, *options) as server,
                client(server.url, mode, x_desk_key=KEY) as one,
                client(server.url, mode, x_desk_key=OTHER) as two,
            ):

                async def call(made: Client, name: str, **arguments: Any) -> str:
                    try:
                        result = await made.call_tool(name, arguments)
                        told = f"{result.content} {result.structured_content}"
                    except MCPError as error:
                        told = f"{error.error.message} {error.error.data}"
                    if made is one:
                        results.append(told)
                    return told

                upstream.queue('{"secret": "shown-only-once"}')
                assert "shown-only-once" in await call(two, "list_tickets")
                both = json.dumps({"message": f"no {KEY} here", "key": KEY}, ensure_ascii=False)
                for name, arguments in (
                    ("list_tickets", {}),
                    ("create_ticket", {"title": "t"}),
                    ("search_tickets", {}),
                    ("get_health", {}),
                    ("create_ticket", {}),
                    ("create_ticket", {"title": "t", KEY: 1}),
                    ("no_such_tool", {}),
                ):
                    for status in ("400 Bad Request", "401 Unauthorized", "403 No", "404 No", "500 Oops", "302 There"):
                        upstream.answers.clear()
                        upstream.queue(both, status=status, more=f"X-Request-Id: {KEY}\r\nLocation: /x/{KEY}\r\n")
                        await call(one, name, **arguments)
                upstream.answers = [None, None]
                await call(one, "list_tickets")
                upstream.queue("junk", more="Content-Encoding: gzip\r\n")
                await call(one, "list_tickets")
                upstream.delay = 1
                upstream.answers.clear()
                for key in (KEY, OTHER):
                    upstream.queue(json.dumps({"message": f"bad {key}"}), status="400 Bad Request")
                first, count = asyncio.create_task(call(one, "list_tickets")), len(upstream.requests)
                while len(upstream.requests) == count:
                    await asyncio.sleep(0.01)
                assert "bad ***" in await call(two, "list_tickets")
                assert "bad ***" in await first
                upstream.delay = 30
                await call(one, "list_tickets")
                upstream.delay = 0
            return server.text

    logged = asyncio.run(asyncio.wait_for(main(), 120))
    assert "httpcore2" in logged
    assert "Traceback" in logged
    for form in forms(KEY):
        assert form not in logged.encode()
        assert not any(form in result.encode() for result in results)
    assert OTHER not in logged
    assert "shown-only-once" not in logged


def test_a_made_up_key_changes_nothing_for_others(desk: Path) -> None:
    """A caller may call its key `error`; nobody else's words are blanked out."""

    async def main() -> None:
        async with Upstream().running() as upstream:
            upstream.delay = 0.5
            for _ in range(2):
                upstream.queue('{"message": "an error of mine"}', status="400 Bad Request")
            async with (
                serving(desk, upstream) as server,
                client(server.url, x_desk_key="error") as one,
                client(server.url, x_desk_key=KEY) as two,
            ):
                results = await asyncio.gather(*(made.call_tool("list_tickets", {}) for made in (one, two)))
                assert "an *** of mine" in text_of(results[0])
                assert "an error of mine" in text_of(results[1])

    run(main())


def test_a_key_is_hidden_as_long_as_it_is_used() -> None:
    """In what its caller is told, and in whatever is logged anywhere; nothing is kept of it."""
    mask = Mask(["operator"])
    with mask.hiding(["caller-1"]), mask.hiding(["caller-2"]):
        assert mask("operator caller-1 caller-2") == "*** caller-1 ***"
        elsewhere = contextvars.Context()
        assert elsewhere.run(mask, "operator caller-1 caller-2") == "*** caller-1 caller-2"
        assert elsewhere.run(mask.log, "operator caller-1 caller-2") == "*** *** ***"
        with mask.hiding(["caller-1"]):
            pass
        assert elsewhere.run(mask.log, "caller-1") == "***"
    assert mask.log("operator caller-1 caller-2") == "*** caller-1 caller-2"
    assert "caller-" not in repr(vars(mask))
    assert "caller-1" not in repr(Caller({"KEY": "caller-1"}))


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ERAS)
@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_errors_of_the_protocol(desk: Path, mode: str, transport: str) -> None:
    """401, 403 and 500 are JSON-RPC errors here, everything else is a result; the vendor's words are in both."""

    async def check(made: Client, upstream: Upstream, _: list[str]) -> None:
        for status, code in ((401, -32600), (403, -32600), (500, -32603)):
            upstream.queue(f'{{"message": "said {status}", "n": 1}}', status=f"{status} Oops")
            with pytest.raises(MCPError) as caught:
                await made.call_tool("list_tickets", {})
            error = caught.value.error
            assert error.code == code
            assert f"answered {status} Oops: said {status}\n" in error.message
            assert error.data == {"status": status, "error": {"message": f"said {status}", "n": 1}}
            assert ("generate a fresh one" in error.message) is (status == 401)
        for status in (400, 404, 409, 412, 422, 429, 501, 503):
            upstream.queue(f'{{"message": "said {status}", "n": 1}}', status=f"{status} Oops")
            result = await made.call_tool("list_tickets", {})
            assert result.is_error
            assert f"said {status}\n" in text_of(result)
            assert result.structured_content == {"status": status, "error": {"message": f"said {status}", "n": 1}}
            assert ("Check the identifiers" in text_of(result)) is (status == 404)
            assert ("Look it up with list_tickets." in text_of(result)) is (status == 404)
        upstream.queue('{"message": "\\ud83d"}', status="500 Oops")
        with pytest.raises(MCPError) as caught:
            await made.call_tool("list_tickets", {})
        assert caught.value.error.code == -32603
        assert not (await made.call_tool("list_tickets", {})).is_error

    if transport == "stdio":
        over_stdio(desk, check, mode=mode)
        return

    async def main() -> None:
        async with (
            Upstream().running() as upstream,
            serving(desk, upstream) as server,
            client(server.url, mode, x_desk_key=KEY) as made,
        ):
            await check(made, upstream, [])

    run(main())


def test_one_call_is_one_request(desk: Path) -> None:
    async def body(made: Client, upstream: Upstream, _: list[str]) -> None:
        await made.list_tools()
        assert upstream.requests == []
        for count in range(1, 4):
            await made.call_tool("list_tickets", {})
            assert len(upstream.requests) == count

    assert over_stdio(desk, body) == ""


# --- headers of every request -----------------------------------------------------------------------------------------


def test_headers_of_every_request(desk: Path) -> None:
    """The configuration's, which nobody is asked for; one that the operation has of its own wins; none comes twice."""

    async def body(made: Client, upstream: Upstream, _: list[str]) -> None:
        for name, arguments, accept in (
            ("create_ticket", {"title": "t"}, "application/vnd.desk+json"),
            ("list_tickets", {}, "application/vnd.tickets+json"),
        ):
            await made.call_tool(name, arguments)
            for line in ("User-Agent: desk-mcp/2.0.0 (mcp)", "X-Actor: mcp", f"Accept: {accept}"):
                found = re.findall(f"(?im)^{line.partition(':')[0]}: [^\r]*", upstream.last)
                assert found == [line]
        assert (await made.call_tool("list_tickets", {"x_actor": "me"})).is_error

    over_stdio(desk, body)


# --- time, and what is sent again -------------------------------------------------------------------------------------

WAYS = """
openapi: 3.0.3
info: {title: Desk, version: "1"}
servers: [{url: https://desk.test}]
security: [{desk_key: []}]
paths:
  /me: {get: {operationId: getMe, responses: {"200": {description: Ok.}}}}
  /notes: {get: {operationId: listNotes, responses: {"200": {description: Ok.}}}}
  /run: {get: {operationId: runJob, responses: {"200": {description: Ok.}}}}
  /things:
    get:
      operationId: listThings
      parameters: [{name: page, in: query, schema: {type: integer}}]
      responses:
        "200": {description: Ok., content: {application/json: {schema: {type: array, items: {type: object}}}}}
components: {securitySchemes: {desk_key: {type: apiKey, in: query, name: "api key"}}}
"""
WAYS_CONFIG = """
[server]
name = "desk"
[context.me]
operation = "getMe"
[headers]
From = { context = "me.email" }
[tools.runJob.annotations]
read_only = false
[tools.listThings.paging]
style = "link"
"""


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("ways"), WAYS, WAYS_CONFIG)


def targets(upstream: Upstream) -> list[str]:
    return [r.split()[1].decode() for r in upstream.requests]


def test_a_get_that_writes_is_sent_once(ways: Path) -> None:
    """Neither a lost connection nor a redirect makes it two."""

    async def body(made: Client, upstream: Upstream, _: list[str]) -> None:
        upstream.queue('{"email": "a@desk.test"}')
        upstream.answers.append(None)
        result = await made.call_tool("run_job", {})
        assert "check before repeating it" in text_of(result)
        upstream.queue(status="302 Found", more="Location: /run?again=1\r\n")
        assert "follows no redirect" in text_of(await made.call_tool("run_job", {}))
        assert [target.partition("?")[0] for target in targets(upstream)] == ["/me", "/run", "/run"]

    over_stdio(ways, body)


def test_a_key_is_said_once(ways: Path) -> None:
    """Also where the API puts it into the link to a next page, or into a redirect."""

    async def body(made: Client, upstream: Upstream, _: list[str]) -> None:
        upstream.queue('{"email": "a@desk.test"}')
        upstream.queue('[{"id": 1}]', more="Link: </things?api%20key=k1&api+key=k2&page=2>; rel=next\r\n")
        upstream.queue(status="302 Found", more="Location: /things?page=3&api%20key=k3\r\n")
        upstream.queue('[{"id": 2}]')
        result = await made.call_tool("list_things", {})
        assert result.structured_content == {"items": [{"id": 1}, {"id": 2}], "note": "2 items, all there are."}
        key = "api%20key=" + quote(KEY, safe="")
        assert targets(upstream)[1:] == [f"/things?{key}", f"/things?api+key=k2&page=2&{key}", f"/things?page=3&{key}"]

    over_stdio(ways, body)


def test_a_context_is_asked_for_once(ways: Path) -> None:
    """Of several first calls side by side one asks; a cancelled one leaves it to another."""

    async def body(made: Client, upstream: Upstream, _: list[str]) -> None:
        for _ in range(9):
            upstream.queue('{"email": "a@desk.test"}')
        upstream.delay = 0.5
        first = asyncio.create_task(made.call_tool("list_notes", {}, read_timeout_seconds=0.2))
        await asyncio.sleep(0.1)
        await asyncio.gather(*(made.call_tool("list_notes", {}) for _ in range(4)))
        with pytest.raises(MCPError):
            await first
        assert targets(upstream).count(f"/me?api%20key={quote(KEY, safe='')}") == 2
        notes = [r for r in upstream.requests if b"/notes" in r]
        assert len(notes) == 4
        assert all(b"From: a@desk.test" in r for r in notes)

    over_stdio(ways, body)


def test_a_call_ends_in_time_with_all_its_requests(ways: Path) -> None:
    """A context that hangs leaves half of the time to the call itself."""

    async def body(made: Client, upstream: Upstream, _: list[str]) -> None:
        upstream.delay = 30
        begun = time.monotonic()
        calls = await asyncio.gather(*(made.call_tool("list_notes", {}) for _ in range(2)))
        assert all("within 4 seconds" in text_of(result) for result in calls)
        assert time.monotonic() - begun < 6.5
        assert sum("/notes" in target for target in targets(upstream)) == 2

    over_stdio(ways, body, "--timeout", "4")
