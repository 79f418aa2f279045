"""A miniature generated server, run for real: `mcp.Client` over stdio and HTTP on one side, a raw socket on the other.

The package is built in a temporary folder with a copy of `templates/runtime` as its `_runtime`, as in a generated
server; the upstream is a plain asyncio server that keeps every byte it receives.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, MCPError, StdioServerParameters

RUNTIME = Path(__file__).parent.parent / "templates" / "runtime"
ERAS = ["legacy", "2026-07-28"]
SECRET = "s3cret-käy"

TOOLS = '''
from typing import Annotated, Any, ClassVar, Literal
from pydantic import Field
from .._runtime import Cookie, Header, Json, JsonRest, Operation, Path, Query, Tool
from ..models import Label

class GetThing(Tool):
    """Get a thing."""
    OPERATION: ClassVar = Operation("get_thing", "GET", "/things/{id}", headers=(("Accept", "application/x+json"),))
    id: Annotated[str, Path("id"), Field(description="Its id.")]
    tags: Annotated[list[Literal["red", "blue"]] | None, Query("tags[]")] = None
    count: Annotated[int | None, Query("count"), Field(ge=1, le=9)] = None
    from_: Annotated[str | None, Header("From"), Field(alias="from")] = None

class HeadThing(Tool):
    OPERATION: ClassVar = Operation("head_thing", "HEAD", "/things/{id}")
    id: Annotated[str, Path("id")]

class Open(Tool):
    OPERATION: ClassVar = Operation("open_door", "GET", "/open", security=((),))

class CreateThing(Tool):
    OPERATION: ClassVar = Operation(
        "create_thing", "POST", "/things", body="application/json", body_required=True, wrapper=("thing",),
    )
    name: Annotated[str, Json("thing", "name")]
    note: Annotated[str | None, Json("thing", "note", null=True)] = None
    size: Annotated[float | None, Json("thing", "size")] = None
    label: Annotated[Label | None, Json("thing", "label")] = None
    labels: Annotated[list[Label] | None, Json("thing", "labels")] = None
    pick: Annotated[dict[str, Any] | None, Json("thing", "pick")] = None

class Broken(Tool):
    OPERATION: ClassVar = Operation("broken", "GET", "/", server="nowhere")
'''
MODELS = """
from __future__ import annotations
from typing import Annotated
from pydantic import ConfigDict, Field
from ._runtime import Model

class Label(Model):
    model_config = ConfigDict(extra="forbid")
    text: Annotated[str, Field(min_length=1)]
    colour: str | None = None
    note: Annotated[str | None, Field(json_schema_extra={"x-null": True})] = None
    inner: Label | None = None
"""
SERVICE = """
from ._runtime import ApiKey, Basic, Service, Upstream, Variable
SERVICE = Service(
    name="mini", title="Mini", version="1.2.3", package="mini_mcp", instructions="Mini things.",
    servers={"": Upstream(
        "https://{region}.mini.test/v2", env="MINI_BASE_URL",
        variables=(Variable("region", "eu", env="MINI_REGION", enum=("eu", "us")),),
    )},
    security={"key": ApiKey("header", "Authorization", "Token token={MINI_KEY}"),
              "query": ApiKey("query", "key", "{MINI_KEY}"), "basic": Basic("MINI_USER", "MINI_PASSWORD")},
    requirements=(("key",), ("basic",)),
)
"""


def entry(name: str, read: bool = True, /, **properties: Any) -> dict[str, Any]:
    """One entry of tools.json."""
    required = [key for key in ("id", "name") if key in properties]
    return {
        "name": name,
        "title": name,
        "description": f"{name}.",
        "inputSchema": {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        },
        "annotations": {"readOnlyHint": read, "destructiveHint": False, "idempotentHint": read, "openWorldHint": True},
    }


TEXT = {"type": "string"}
ENTRIES = [
    entry("broken"),
    entry(
        "create_thing",
        False,
        name=TEXT,
        note={"type": ["string", "null"]},
        size={"type": "number"},
        label={"type": "object"},
        labels={"type": "array"},
        pick={
            "type": "object",
            "minProperties": 1,
            "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
            "patternProperties": {"^n_(a+)+$": {"type": "number"}},
        },
    ),
    entry("get_thing", id=TEXT, tags={"type": "array"}, count={"type": "integer"}, **{"from": TEXT}),
    entry("head_thing", id=TEXT),
    entry("open_door"),
]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder that holds the generated package `mini_mcp`."""
    root = tmp_path / "mini_mcp"
    shutil.copytree(RUNTIME, root / "_runtime", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "tools").mkdir()
    files = {
        "__init__.py": "",
        "__main__.py": "import sys\nfrom ._runtime import run\nfrom .service import SERVICE\nsys.exit(run(SERVICE))\n",
        "service.py": SERVICE,
        "models.py": MODELS,
        "tools/things.py": TOOLS,
        "tools.json": '{"tools": [\n' + ",\n".join(json.dumps(e, indent=1) for e in ENTRIES) + "\n]}\n",
        "tools/__init__.py": 'TOOLS = {"broken": "things:Broken", "create_thing": "things:CreateThing", '
        '"get_thing": "things:GetThing", "head_thing": "things:HeadThing", "open_door": "things:Open"}\n'
        'READING = ("broken", "get_thing", "head_thing", "open_door")\n',
    }
    for name, text in files.items():
        (root / name).write_text(textwrap.dedent(text), encoding="utf-8")
    return tmp_path


class Upstream:
    """Answers each request with the bytes queued for it (or a small object), and keeps what it received."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.answers: list[bytes | None] = []
        self.delay = 0.0
        self.url = ""

    def queue(
        self, body: bytes | str = b"", kind: str = "application/json", status: str = "200 OK", more: str = ""
    ) -> None:
        """Queue an answer."""
        content = body.encode() if isinstance(body, str) else body
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n" + (
            f"Content-Type: {kind}\r\n" if kind else ""
        )
        self.answers.append(f"{head}{more}\r\n".encode() + content)

    @property
    def last(self) -> str:
        """The newest request as text."""
        return self.requests[-1].decode("latin-1")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(length[1])) if length else b""
                self.requests.append(head + body)
                answer = (
                    self.answers.pop(0)
                    if self.answers
                    else b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\nContent-Type: application/json\r\n\r\n{"ok":true}'
                )
                await asyncio.sleep(self.delay)
                if answer is None:
                    break
                if head.startswith(b"HEAD"):
                    answer = answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Upstream]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()


def environment(package: Path, **variables: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(package), "PYTHONUTF8": "1", **variables}


def start(package: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the server with nothing on stdin."""
    return subprocess.run(
        [sys.executable, "-m", "mini_mcp", *arguments],
        env=environment(package, **variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


Body = Callable[[Client, Upstream], Awaitable[None]]


def over_stdio(package: Path, body: Body, *arguments: str, mode: str = "2026-07-28", **variables: str) -> None:
    """Run `body` against the server as a subprocess."""

    async def main() -> None:
        async with Upstream().running() as upstream:
            parameters = StdioServerParameters(
                command=sys.executable,
                args=["-m", "mini_mcp", *arguments],
                env=environment(package, **({"MINI_KEY": SECRET, "MINI_BASE_URL": f"{upstream.url}/v2/"} | variables)),
            )
            async with Client(parameters, mode=mode) as client:
                await body(client, upstream)

    asyncio.run(asyncio.wait_for(main(), 60))


def text_of(result: Any) -> str:
    return str(result.content[0].text)


# --- start ------------------------------------------------------------------------------------------------------------


def test_help_teaches(package: Path) -> None:
    done = start(package, "--help")
    assert done.returncode == 0
    for word in (
        "MINI_KEY",
        "MINI_PASSWORD",
        "MINI_BASE_URL",
        "MINI_REGION",
        "--enable-write-tools",
        "mini-mcp --http",
    ):
        assert word in done.stdout
    assert start(package, "--version").stdout == "mini-mcp 1.2.3\n"


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (
            [],
            {},
            "mini: set MINI_KEY (credential, sent in the header Authorization), or MINI_USER (user name) and MINI_P",
        ),
        ([], {"MINI_KEY": "  "}, "set MINI_KEY"),
        ([], {"MINI_USER": "me"}, "set MINI_KEY"),
        ([], {"MINI_KEY": "a\nb"}, "MINI_KEY holds a line break"),
        ([], {"MINI_KEY": "€"}, "MINI_KEY holds"),
        (["--tools", "get_thin"], {"MINI_KEY": "x"}, "unknown tool 'get_thin'; did you mean 'get_thing'?"),
        (["--exclude-tools", "zzz"], {"MINI_KEY": "x"}, "unknown tool 'zzz'"),
        (["--areas", "thing"], {"MINI_KEY": "x"}, "did you mean 'things'?"),
        (["--tools", "create_thing"], {"MINI_KEY": "x"}, "add --enable-write-tools"),
        (["--base-url", "http://mini.test"], {"MINI_KEY": "x"}, "--allow-insecure-http"),
        (["--base-url", "ftp://mini.test"], {"MINI_KEY": "x"}, "not a complete http(s) URL"),
        (["--base-url", "https://u:p@mini.test"], {"MINI_KEY": "x"}, "must not hold a user name"),
        ([], {"MINI_KEY": "x", "MINI_REGION": "mars"}, "MINI_REGION must be one of eu, us"),
    ],
)
def test_refuses_to_start(package: Path, arguments: list[str], variables: dict[str, str], said: str) -> None:
    done = start(package, *arguments, **variables)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        ([], {"MINI_KEY": "x"}),
        ([], {"MINI_USER": "me", "MINI_PASSWORD": ""}),
        (["--tools", "open_door"], {}),
        (["--base-url", "http://mini.test", "--allow-insecure-http"], {"MINI_KEY": "x"}),
    ],
)
def test_starts_and_ends_with_stdin(package: Path, arguments: list[str], variables: dict[str, str]) -> None:
    done = start(package, *arguments, **variables)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# --- listing and calling ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ERAS)
def test_lists_reading_tools_only(package: Path, mode: str) -> None:
    async def body(client: Client, upstream: Upstream) -> None:
        listed = (await client.list_tools()).tools
        assert [tool.name for tool in listed] == ["broken", "get_thing", "head_thing", "open_door"]
        assert listed[1].annotations is not None
        assert listed[1].annotations.read_only_hint is True
        assert listed[1].input_schema == ENTRIES[2]["inputSchema"]
        for name, said in (("create_thing", "--enable-write-tools"), ("get_thin", "did you mean 'get_thing'?")):
            with pytest.raises(MCPError) as caught:
                await client.call_tool(name, {})
            assert caught.value.error.code == -32602
            assert name in caught.value.error.message
            assert said in caught.value.error.message
        assert upstream.requests == []

    over_stdio(package, body, mode=mode)


@pytest.mark.parametrize("mode", ERAS)
def test_calls(package: Path, mode: str) -> None:
    async def body(client: Client, upstream: Upstream) -> None:
        upstream.queue('{ "a": null, "n": 12345678901234567890123, "d": 0.10000000000000000000001, "é": "\\u00e9" }')
        result = await client.call_tool(
            "get_thing", {"id": "a/b ?c", "tags": ["red", "blue"], "count": 5.0, "from": "ö"}
        )
        assert upstream.last.startswith(
            "GET /v2/things/a%2Fb%20%3Fc?tags%5B%5D=red&tags%5B%5D=blue&count=5 HTTP/1.1\r\n"
        )
        head = upstream.requests[0].lower().split(b"\r\n")
        assert b"authorization: token token=" + SECRET.encode("latin-1") in head
        assert b"accept: application/x+json" in head
        assert b"user-agent: mini-mcp/1.2.3" in head
        assert b"from: \xc3\xb6" in head
        assert not any(line.startswith((b"content-type", b"cookie")) for line in head)
        assert not result.is_error
        assert result.structured_content is not None
        assert result.structured_content["a"] is None
        assert result.structured_content["n"] == 12345678901234567890123
        assert '"d":0.10000000000000000000001' in text_of(result)

        result = await client.call_tool(
            "create_thing", {"name": "x", "note": None, "size": 5.0, "labels": '[{"text":"t","note":null}]'}
        )
        assert upstream.last.endswith(
            '\r\n\r\n{"thing":{"name":"x","note":null,"size":5.0,"labels":[{"text":"t","note":null}]}}'
        )
        assert "content-type: application/json\r\n" in upstream.last.lower()
        assert (text_of(result), result.structured_content) == ('{"ok":true}', {"ok": True})

    over_stdio(package, body, "--enable-write-tools", mode=mode)


def test_invalid_arguments_are_explained(package: Path) -> None:
    async def body(client: Client, upstream: Upstream) -> None:
        result = await client.call_tool(
            "get_thing", {"tags": ["green"], "count": "5", "form": "x", "from": None, "tagz": 1}
        )
        assert result.is_error
        assert text_of(result).split("\n") == [
            "Invalid arguments for get_thing, nothing was sent:",
            "- id: required, but missing",
            "- tags[0]: must be 'red' or 'blue' (got \"green\")",
            '- count: must be a valid integer (got "5")',
            "- from: null is not allowed here; leave it out instead, or give a value",
            "- form: unknown argument; did you mean 'from'?",
            "- tagz: unknown argument; did you mean 'tags'?",
        ]
        result = await client.call_tool(
            "create_thing", {"name": "x" * 50_000, "label": {"text": "", "inner": None, "x": 1}}
        )
        assert text_of(result).split("\n")[1:] == [
            '- label.text: String should have at least 1 character (got "")',
            "- label.inner: null is not allowed here; leave it out instead, or give a value",
            "- label.x: unknown property; leave it out",
        ]
        result = await client.call_tool("create_thing", {"name": 5, "size": "y" * 50_000})
        assert len(text_of(result)) < 400
        for pick, said in (
            ({}, "minProperties"),
            ({"a": 1, "b": 1}, "matches several"),
            ({"a": 1, "n_aa": "x"}, "pick.n_aa: 'x' is not of type 'number'"),
            ({"a": 1, "n_" + "a" * 40 + "!": "x"}, ""),
        ):
            result = await client.call_tool("create_thing", {"name": "x", "pick": pick})
            assert result.is_error is bool(said), text_of(result)
            assert said in text_of(result)
        for name in ("..", "%2e%2e", "a/../b", " ", ""):
            result = await client.call_tool("get_thing", {"id": name})
            assert result.is_error
            assert "id: must not" in text_of(result)
        assert len(upstream.requests) == 1

    over_stdio(package, body, "--enable-write-tools")


def test_a_mistake_of_ours_is_told_as_such(package: Path) -> None:
    async def body(client: Client, upstream: Upstream) -> None:
        result = await client.call_tool("broken", {})
        assert result.is_error
        assert text_of(result).startswith("broken: internal error in the server, not in your arguments")

    over_stdio(package, body)


def test_credentials_and_nothing_else(package: Path) -> None:
    """Every kind of credential on the wire; no proxy, netrc or cookie setting of the environment is used."""
    things = package / "mini_mcp/tools/things.py"
    text = things.read_text(encoding="utf-8")
    for old, new in (
        ('"GET", "/open", security=((),)', '"GET", "/open?a=1", security=(("query", "cookie"), ())'),
        ('"HEAD", "/things/{id}"', '"DELETE", "/things/{id}", security=(("basic",),), body="application/json"'),
        (
            '"create_thing", "POST", "/things", body="application/json", body_required=True',
            '"create_thing", "POST", "/t"',
        ),
        ("nowhere", ""),
    ):
        assert old in text
        text = text.replace(old, new)
    text = text.replace(
        'id: Annotated[str, Path("id")]', 'id: Annotated[str, Path("id")]\n    why: Annotated[Any, Json()] = None'
    )
    things.write_text(text, encoding="utf-8")
    service = package / "mini_mcp/service.py"
    text = service.read_text(encoding="utf-8").replace(
        '"basic": Basic', '"cookie": ApiKey("cookie", "sid", "{MINI_SID}"), "basic": Basic'
    )
    service.write_text(text, encoding="utf-8")
    (package / "netrc").write_text("machine 127.0.0.1 login me password hidden\n", encoding="utf-8")
    (package / "netrc").chmod(0o600)
    listing = package / "mini_mcp/tools.json"
    listing.write_text(
        listing.read_text(encoding="utf-8").replace('"id": {"type": "string"}}', '"id": {"type": "string"}, "why": {}}')
    )

    async def body(client: Client, upstream: Upstream) -> None:
        upstream.queue("{}", more="Set-Cookie: tracker=1; Path=/\r\n")
        await client.call_tool("open_door", {})
        assert upstream.last.startswith("GET /v2/open?a=1&key=k%26y%2F1234 HTTP/1.1\r\n")
        assert "Cookie: sid=a%20b=1234\r\n" in upstream.last
        assert "uthorization" not in upstream.last
        await client.call_tool("head_thing", {"id": "1", "why": {"a": None}})
        assert upstream.last.startswith("DELETE /v2/things/1 HTTP")
        assert upstream.last.endswith('\r\n\r\n{"a":null}')
        expected = base64.b64encode(b"me:").decode()
        assert f"Authorization: Basic {expected}\r\n" in upstream.last
        assert "tracker" not in upstream.last
        await client.call_tool("head_thing", {"id": "1"})
        assert "ontent-" not in upstream.last
        upstream.queue('{"message": "key=k%26y%2F1234 k&y/1234"}', status="400 Bad Request")
        result = await client.call_tool("open_door", {})
        assert text_of(result).startswith(f"GET {upstream.url}/v2/open?a=1 answered 400 Bad Request: key=*** ***\n")

    over_stdio(
        package,
        body,
        MINI_KEY=" k&y/1234\n",
        MINI_SID="a b=1234",
        MINI_USER="me",
        MINI_PASSWORD="",
        HTTP_PROXY="http://127.0.0.1:9",
        ALL_PROXY="http://127.0.0.1:9",
        NETRC=str(package / "netrc"),
        HOME=str(package),
    )


def test_logs_hold_no_credential(package: Path) -> None:
    request = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {
            "name": "get_thing",
            "arguments": {"id": "1"},
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    }

    async def main() -> tuple[bytes, bytes, float]:
        async with Upstream().running() as upstream:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "mini_mcp", "--log-level", "debug"),
                env=environment(package, MINI_KEY=SECRET, MINI_BASE_URL=upstream.url),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(request).encode() + b"\n")
            first = await process.stdout.readline()
            upstream.delay = 30
            process.stdin.write(json.dumps(request | {"id": 2}).encode() + b"\n")
            await process.stdin.drain()
            while len(upstream.requests) < 2:
                await asyncio.sleep(0.05)
            started = asyncio.get_running_loop().time()
            process.stdin.close()  # while a call is running
            _, logged = await process.communicate()
            return first, logged, asyncio.get_running_loop().time() - started

    answer, logged, seconds = asyncio.run(asyncio.wait_for(main(), 60))
    assert json.loads(answer)["result"]["structuredContent"] == {"ok": True}
    assert b"httpcore2" in logged
    for form in (SECRET.encode(), SECRET.encode("latin-1"), repr(SECRET.encode("latin-1"))[2:-1].encode()):
        assert form not in logged
    assert seconds < 5


def test_missing_credential_at_call(package: Path) -> None:
    text = (package / "mini_mcp/tools/things.py").read_text(encoding="utf-8")
    (package / "mini_mcp/tools/things.py").write_text(
        text.replace('"HEAD", "/things/{id}"', '"HEAD", "/things/{id}", security=(("basic",),)'), encoding="utf-8"
    )

    async def body(client: Client, upstream: Upstream) -> None:
        result = await client.call_tool("head_thing", {"id": "1"})
        assert result.is_error
        assert "MINI_USER" in text_of(result)
        assert "MINI_PASSWORD" in text_of(result)
        result = await client.call_tool("open_door", {})
        assert not result.is_error
        assert "authorization" not in upstream.last.lower()

    over_stdio(package, body)


# --- answers ----------------------------------------------------------------------------------------------------------


def test_kinds_of_answers(package: Path) -> None:
    async def body(client: Client, upstream: Upstream) -> None:
        async def get(*queued: Any, **more: Any) -> Any:
            upstream.queue(*queued, **more)
            return await client.call_tool("get_thing", {"id": "1"})

        result = await get("[1,2]")
        assert (text_of(result), result.structured_content) == ("[1,2]", {"result": [1, 2]})
        result = await get("null")
        assert (text_of(result), result.structured_content) == ("null", {"result": None})
        result = await get('{"a":1}', kind="")
        assert result.structured_content == {"a": 1}
        result = await get("<html>", kind="application/json")
        assert (text_of(result), result.structured_content) == ("<html>", None)
        result = await get('{"a":NaN}')
        assert (text_of(result), result.structured_content) == ('{"a":NaN}', None)
        result = await get('{"a":1e999}')
        assert result.structured_content is None
        result = await get('{"a":"\\ud83d"}')
        assert (text_of(result), result.structured_content) == ('{"a":"\ufffd"}', {"a": "\ufffd"})
        result = await get("[" * 5000 + "]" * 5000)
        assert result.structured_content is None
        assert text_of(result).startswith("[[[")
        result = await get('{"a":' * 150 + "1" + "}" * 150)
        assert result.structured_content is None
        result = await get("a,b\né".encode("latin-1"), kind="text/csv; charset=iso-8859-1")
        assert text_of(result) == "a,b\né"
        result = await get(b"\xff", kind="text/plain; charset=nonsense")
        assert text_of(result) == "\ufffd"
        result = await get(b"hex", kind="text/plain; charset=hex")
        assert text_of(result) == "hex"
        result = await get("data: 1\n\n", kind="text/event-stream")
        assert (text_of(result), result.structured_content) == ('{"events":[{"data":1}]}', {"events": [{"data": 1}]})
        result = await get(b"\x89PNG\0", kind="image/png")
        assert result.content[1].type == "image"
        assert base64.b64decode(result.content[1].data) == b"\x89PNG\0"
        result = await get(b"\0", kind="audio/mpeg")
        assert result.content[1].type == "audio"
        result = await get(b"%PDF\0", kind="application/pdf")
        assert result.content[1].resource.mime_type == "application/pdf"
        assert str(result.content[1].resource.uri) == f"{upstream.url}/v2/things/1"
        result = await get(b"\0\1", kind="")
        assert result.content[1].resource.mime_type == "application/octet-stream"
        result = await get(status="204 No Content", kind="")
        assert (text_of(result), result.structured_content) == ("204 No Content", {"status": 204})
        for body, more in ((b"x" * (9 * 2**20), ""), (gzip.compress(b"x" * (9 * 2**20)), "Content-Encoding: gzip\r\n")):
            result = await get(body, kind="text/plain", more=more)
            assert text_of(result) == "x" * 50_000
            assert "because it is larger than 8 MiB and a result" in result.content[1].text
            assert not result.is_error
        result = await get(b"\0" * (9 * 2**20), kind="application/zip")
        assert result.is_error
        assert "cannot be passed on, because it is larger than 8 MiB" in text_of(result)
        result = await get(b"junk", kind="text/plain", more="Content-Encoding: gzip\r\n")
        assert result.is_error
        assert "cannot be read" in text_of(result)
        upstream.queue(more='ETag: "1"\r\nX-Total: 7\r\nServer: s\r\n')
        result = await client.call_tool("head_thing", {"id": "1"})
        assert result.structured_content == {
            "status": 200,
            "headers": {"content-length": "0", "content-type": "application/json", "etag": '"1"', "x-total": "7"},
        }

    over_stdio(package, body)


def test_answers_that_are_too_long(package: Path) -> None:
    """What is left out is told part by part, with the arguments that get at it; the rest stays JSON."""

    async def body(client: Client, upstream: Upstream) -> None:
        async def get(value: Any, kind: str = "application/json", tool: str = "get_thing") -> Any:
            upstream.queue(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), kind=kind)
            return await client.call_tool(tool, {"id": "1"} if tool == "get_thing" else {"name": "n"})

        fits = {"things": ["x" * 8] * 80}
        result = await get(fits)
        assert (result.structured_content, len(result.content)) == (fits, 1)

        things = [{"id": n, "name": "x" * 20} for n in range(375)]
        result = await get({"things": things, "more": True, "total": 375})
        value = json.loads(text_of(result))
        shown = len(value["things"])
        assert 10 < shown < 40
        assert value == {"things": things[:shown], "more": True, "total": 375}
        note = result.content[1].text
        assert note == (
            "This is not all of the answer, because a result of this server holds at most 1,000 characters: of "
            f"`things` here are the first {shown} of 375 items. Ask for less at once with `count`."
        )
        assert result.structured_content == {**value, "_not_all": note}
        assert len(text_of(result)) <= 1_000

        result = await get(things)
        assert (
            result.structured_content["result"]
            == json.loads(text_of(result))
            == things[: len(json.loads(text_of(result)))]
        )
        assert "of the answer here are the first" in result.content[1].text
        result = await get([{"text": "é" * 5_000, "id": 1}])
        assert json.loads(text_of(result))[0]["id"] == 1
        assert "of `[0].text` here are the first" in result.content[1].text
        result = await get({"a": {"b": {"c": ["y" * 300] * 9, "d": 1}}, "e": "z" * 900})
        value = json.loads(text_of(result))
        assert value["a"]["b"]["d"] == 1
        assert value["a"]["b"]["c"] == ["y" * 300]
        assert value["e"] == "z" * len(value["e"])
        assert len(value["e"]) > 300
        result = await get({f"key{n}": "v" * 10 for n in range(900)})
        assert 0 < len(json.loads(text_of(result))) < 60
        assert "of 900 properties" in result.content[1].text
        result = await get("word " * 1_000, kind="text/plain")
        assert text_of(result) == ("word " * 1_000)[:1_000]
        assert "here are the first 1,000 of 5,000 characters" in result.content[1].text
        result = await get(things, tool="create_thing")
        assert result.content[1].text.endswith("Another tool may read the rest of it.")
        result = await get({"a": 1.000000000000000001, "b": ["x" * 50] * 100})
        assert json.loads(text_of(result))["a"] == 1

    over_stdio(package, body, "--enable-write-tools", "--result-limit", "1000")


def test_streams(package: Path) -> None:
    """A stream is collected until it ends, or for half of the time that a call has."""

    async def body(client: Client, upstream: Upstream) -> None:
        async def get(content: str, kind: str, ends: bool = True) -> Any:
            if ends:
                upstream.queue(content, kind=kind)
            else:
                chunk = f"{len(content.encode()):x}\r\n{content}\r\n" if content else ""
                head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
                upstream.answers.append((head + chunk).encode())
            return await client.call_tool("get_thing", {"id": "1"})

        events = ': hello\nevent: made\nid: 7\ndata: {"a":\ndata: 1}\n\nretry: 5\n\ndata: plain\r\n\r\ndata:last'
        result = await get(events, "text/event-stream; charset=utf-8")
        expected = {"events": [{"event": "made", "id": "7", "data": {"a": 1}}, {"data": "plain"}, {"data": "last"}]}
        assert (json.loads(text_of(result)), result.structured_content) == (expected, expected)
        result = await get(events, "text/event-stream", ends=False)
        assert json.loads(text_of(result)) == {"events": expected["events"][:2]}
        assert "it is a stream that was still open after 1 seconds" in result.content[1].text
        result = await get('{"a":1}\n\n[2]\n', "application/x-ndjson")
        assert result.structured_content == {"items": [{"a": 1}, [2]]}
        result = await get('\x1e{"a":1}\n\x1e2\n', "application/json-seq")
        assert result.structured_content == {"items": [{"a": 1}, 2]}
        result = await get('{"a":1}\n{"b"', "application/jsonl", ends=False)
        assert json.loads(text_of(result)) == {"items": [{"a": 1}]}
        assert "still open" in result.structured_content["_not_all"]
        result = await get("no JSON\n", "application/x-ndjson")
        assert (text_of(result), result.structured_content) == ("no JSON\n", None)
        result = await get("", "text/event-stream", ends=False)
        assert result.structured_content["events"] == []
        assert "still open" in result.content[1].text

    over_stdio(package, body, "--timeout", "2")


def test_failures(package: Path) -> None:
    async def body(client: Client, upstream: Upstream) -> None:
        async def call(*queued: Any, tool: str = "get_thing", **more: Any) -> Any:
            upstream.queue(*queued, **more)
            return await client.call_tool(tool, {"id": "1"} if tool != "create_thing" else {"name": "n"})

        result = await call('{"error":{"message":"Not there","code":7}}', status="404 Not Found")
        assert result.is_error
        assert text_of(result).startswith(f"GET {upstream.url}/v2/things/1 answered 404 Not Found: Not there\n")
        assert result.structured_content == {"status": 404, "error": {"error": {"message": "Not there", "code": 7}}}
        for vendor, told in (
            ('{"errors":[{"detail":"one"},{"message":"two"}]}', "one; two"),
            ('{"error":"invalid","error_description":"Why"}', "invalid: Why"),
            ('{"title":"T","detail":"D"}', "D: T"),
            ('"oops"', "oops"),
        ):
            assert f"Bad Request: {told}\n" in text_of(await call(vendor, status="400 Bad Request"))
        assert "MINI_KEY" in text_of(await call("{}", status="401 Unauthorized"))
        assert "MINI_KEY" in text_of(await call("{}", status="403 Forbidden"))
        result = await call("slow", kind="text/plain", status="429 Too Many Requests", more="Retry-After: 31\r\n")
        assert "Retry-After: 31" in text_of(result)
        assert "Answer: slow" in text_of(result)
        result = await call("x" * 100_000, kind="text/html", status="500 Internal Server Error")
        assert len(text_of(result)) < 2_500
        assert "try again later" in text_of(result)
        result = await call("{}", status="503 Service Unavailable", tool="create_thing")
        assert "check before repeating" in text_of(result)
        result = await call(json.dumps({"message": f"bad {SECRET}"}), status="400 Bad Request")
        assert SECRET not in str(result)
        assert "bad ***" in text_of(result)
        result = await call(b"\0\1", kind="image/png", status="500 Oops")
        assert result.is_error
        assert "500 Oops" in text_of(result)

    over_stdio(package, body, "--enable-write-tools")


def test_redirects(package: Path) -> None:
    async def body(client: Client, upstream: Upstream) -> None:
        def moved(location: str, status: str = "302 Found") -> None:
            upstream.queue(status=status, more=f"Location: {location}\r\n")

        moved("/v2/other?x=1")
        result = await client.call_tool("get_thing", {"id": "1"})
        assert upstream.last.startswith("GET /v2/other?x=1 HTTP")
        assert SECRET.encode("latin-1").decode("latin-1") in upstream.last
        assert result.structured_content == {"ok": True}
        moved("https://user:pw@evil.test/x")
        result = await client.call_tool("get_thing", {"id": "1"})
        assert "https://evil.test/x" in text_of(result)
        assert len(upstream.requests) == 3
        assert result.structured_content == {"status": 302, "location": "https://evil.test/x"}
        for _ in range(6):
            moved("/loop")
        result = await client.call_tool("get_thing", {"id": "1"})
        assert result.is_error
        assert "more than 5 times" in text_of(result)
        count = len(upstream.requests)
        moved("/v2/other", "307 Temporary Redirect")
        result = await client.call_tool("create_thing", {"name": "n"})
        assert result.is_error
        assert len(upstream.requests) == count + 1
        upstream.queue(status="304 Not Modified", kind="")
        result = await client.call_tool("get_thing", {"id": "1"})
        assert not result.is_error
        assert "304 Not Modified" in text_of(result)

    over_stdio(package, body, "--enable-write-tools")


def test_lost_connections_and_time(package: Path) -> None:
    async def body(client: Client, upstream: Upstream) -> None:
        upstream.answers = [None]
        result = await client.call_tool("get_thing", {"id": "1"})
        assert result.structured_content == {"ok": True}
        assert len(upstream.requests) == 2
        upstream.answers = [None]
        result = await client.call_tool("create_thing", {"name": "n"})
        assert result.is_error
        assert "check before repeating" in text_of(result)
        assert len(upstream.requests) == 3
        upstream.delay = 0.4
        started = asyncio.get_running_loop().time()
        await asyncio.gather(*(client.call_tool("get_thing", {"id": str(n)}) for n in range(5)))
        assert asyncio.get_running_loop().time() - started < 1.5, "calls run side by side"
        upstream.delay = 30
        result = await client.call_tool("create_thing", {"name": "n"})
        assert "within 2 seconds" in text_of(result)
        assert "check before repeating" in text_of(result)
        result = await client.call_tool("get_thing", {"id": "1"})
        assert "can be repeated" in text_of(result)

    over_stdio(package, body, "--enable-write-tools", "--timeout", "2")


def test_nobody_there(package: Path) -> None:
    async def body(client: Client, upstream: Upstream) -> None:
        result = await client.call_tool("get_thing", {"id": "1"})
        assert result.is_error
        assert "could not connect to 127.0.0.1:9" in text_of(result)

    over_stdio(package, body, "--base-url", "http://127.0.0.1:9")


PAGES = """
import asyncio, pkgutil
from mcp import Client, MCPError
from mini_mcp._runtime.server import Entries, ToolServer
from mini_mcp._runtime.service import Settings
from mini_mcp.service import SERVICE
from mini_mcp.tools import TOOLS

async def talk():
    entries = Entries(pkgutil.get_data("mini_mcp", "tools.json"), TOOLS, [n for n in TOOLS if n != "broken"])
    pages = entries.pages(700)
    print(pages)
    settings = Settings.load(SERVICE, {"MINI_KEY": "x"})
    async with Client(ToolServer(settings, entries, {}, TOOLS, 5.0, pages=pages).server()) as client:
        cursor, seen = None, []
        while True:
            listed = await client.list_tools(cursor=cursor)
            seen.append([tool.name for tool in listed.tools])
            cursor = listed.next_cursor
            if not cursor:
                break
        print(seen)
        try:
            await client.list_tools(cursor="broken")
        except MCPError as error:
            print(error)

asyncio.run(talk())
"""


def test_a_long_list_has_pages(package: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PAGES], env=environment(package), capture_output=True, text=True, timeout=30, check=True
    )
    stated, listed, wrong = done.stdout.splitlines()
    assert stated == listed == "[['create_thing'], ['get_thing'], ['head_thing', 'open_door']]"
    assert "unknown cursor" in wrong


# --- HTTP -------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def serving(package: Path, *arguments: str, **variables: str) -> AsyncIterator[str]:
    """The server over HTTP on a free port: yields its URL."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "mini_mcp",
        "--http",
        "--port",
        "0",
        *arguments,
        env=environment(package, MINI_KEY=SECRET, **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        line = (await asyncio.wait_for(process.stderr.readline(), 20)).decode()
        yield line.split()[-1]
    finally:
        process.terminate()
        out, _ = await process.communicate()
        assert out == b""


@pytest.mark.parametrize("mode", ERAS)
def test_over_http(package: Path, mode: str) -> None:
    async def main() -> None:
        async with (
            Upstream().running() as upstream,
            serving(package, MINI_BASE_URL=upstream.url) as url,
            Client(url, mode=mode) as client,
        ):
            assert len((await client.list_tools()).tools) == 4
            assert (await client.call_tool("get_thing", {"id": "1"})).structured_content == {"ok": True}
            with pytest.raises(MCPError) as caught:
                await client.call_tool("create_thing", {"name": "n"})
            assert caught.value.error.code == -32602

    asyncio.run(asyncio.wait_for(main(), 60))


def test_http_checks_host_and_origin(package: Path) -> None:
    async def main() -> None:
        options = ("--allowed-host", "mcp.example.com", "--allowed-origin", "https://app.example.com")
        async with serving(package, *options, MINI_BASE_URL="https://mini.test") as url, httpx2.AsyncClient() as http:
            request = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
            accept = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
            for headers, status in (
                ({}, 200),
                ({"Host": "evil.test"}, 421),
                ({"Origin": "https://evil.test"}, 403),
                ({"Host": "mcp.example.com"}, 200),
                ({"Origin": "https://app.example.com"}, 200),
            ):
                answer = await http.post(url, json=request, headers=accept | headers)
                assert answer.status_code == status, (headers, answer.text)

            hostile = '{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"%s","arguments":%s}}'
            for name, arguments in (("\\ud83d", "{}"), ("get_thing", '{"id":"\\ud83d"}'), ("get_thing", '{"id":NaN}')):
                answer = await http.post(url, content=hostile % (name, arguments), headers=accept)
                assert answer.status_code in (200, 400)
                assert "Internal" not in answer.text

    asyncio.run(asyncio.wait_for(main(), 60))
