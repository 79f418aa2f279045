"""Documents that describe an MCP endpoint, and the proxies that are made of them.

The proxy runs for real: `mcp.Client` over stdio or HTTP on one side; on the other a stand-in for the remote server,
made with the SDK, that speaks one era alone and keeps every request as it came. What the checklist promises (PR-1 to
PR-13) is tested in promises/test_pagerduty_remote.py.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import mcp.types as t
import pytest
import uvicorn
from click.testing import CliRunner, Result
from conftest import TESTS, built, place, planned
from mcp import Client, MCPError, StdioServerParameters
from mcp.server import Server

from mcpgen import spec
from mcpgen.cli import main
from mcpgen.config import Config
from mcpgen.endpoint import alone, evidence
from mcpgen.mock import Mock
from mcpgen.planner import plan
from mcpgen.problems import Rejected
from mcpgen.proxy import completed

SPECS = TESTS.parent / "specs"
PACKAGE = "pagerduty_remote_mcp"
KEY = "pdSECRETkey0123456789"
OLD, NEW = "2025-11-25", "2026-07-28"
CALL = {"query_model": {"request_scope": "all", "status": ["triggered", "acknowledged"], "limit": 10}}
INCIDENT = {
    "resolved_at": None,
    "incident_number": 7,
    "status": "triggered",
    "type": "incident",
    "id": "P1",
    "summary": "Düsseldorf ☃",
}
LIST = {"response": [INCIDENT], "response_summary": "One incident."}
ANSWER = {"content": [{"type": "text", "text": json.dumps(LIST)}], "structuredContent": LIST, "isError": False}

corpus = pytest.mark.skipif(
    not os.environ.get("MCPGEN_CORPUS"), reason="MCPGEN_CORPUS names no folder with the corpus of real documents"
)


# --- a stand-in for the remote server ---------------------------------------------------------------------------------


class Post:
    """One HTTP request as it came."""

    def __init__(self, method: str, headers: Mapping[str, str], body: bytes) -> None:
        self.method, self.headers, self.body = method, headers, body
        self.message: Any = json.loads(body) if body else None

    @property
    def asked(self) -> str:
        return str(self.message.get("method")) if isinstance(self.message, dict) else self.method


class Remote:
    """A server of the SDK that speaks one era alone, with JSON or events as answers, with or without sessions."""

    def __init__(self, era: str = NEW, *, json_answers: bool = False, stateless: bool = False) -> None:
        self.era = era
        self.posts: list[Post] = []
        self.entries: list[dict[str, Any]] = []
        self.result: dict[str, Any] | MCPError = ANSWER
        self.raw: list[tuple[int, dict[str, str], bytes]] = []
        """Answers to tools/call that come before the SDK sees the request."""
        self.after: float = 0.0
        server: Server[Any] = Server("remote", version="1", on_list_tools=self._list, on_call_tool=self._call)
        self._app = server.streamable_http_app(stateless_http=stateless, json_response=json_answers)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else an answer waits for 40 ms
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    async def _list(self, ctx: Any, params: Any) -> Any:
        start = int(params.cursor) if params and params.cursor else 0
        page: dict[str, Any] = {"tools": self.entries[start : start + 2]}
        if self.era == NEW:
            page |= {"resultType": "complete", "ttlMs": 0, "cacheScope": "public"}
        return page | ({"nextCursor": str(start + 2)} if len(self.entries) > start + 2 else {})

    async def _call(self, ctx: Any, params: Any) -> Any:
        await asyncio.sleep(self.after)
        if isinstance(self.result, MCPError):
            raise self.result
        return {"resultType": "complete", **self.result}

    def calls(self, method: str = "tools/call") -> list[Post]:
        return [p for p in self.posts if p.asked == method]

    @property
    def last(self) -> Post:
        return self.calls()[-1]

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = b""
        while True:
            part = await receive()
            body += part.get("body", b"")
            if not part.get("more_body"):
                break
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
        post = Post(scope["method"], headers, body)
        self.posts.append(post)
        if self.raw and post.asked == "tools/call":
            await answer(send, *self.raw.pop(0))
        elif (refusal := self._refusal(post)) is not None:
            await answer(send, 400, {"content-type": "application/json"}, json.dumps(refusal).encode())
        else:
            parts = iter([{"type": "http.request", "body": body, "more_body": False}])

            async def again() -> Any:
                return next(parts, None) or await receive()

            await self._app(scope, again, send)

    def _refusal(self, post: Post) -> dict[str, Any] | None:
        """What a server says to a request of the other era, as the SDK's own of that time do."""
        version = post.headers.get("mcp-protocol-version", "")
        if self.era == OLD and version == NEW:
            error: dict[str, Any] = {"code": -32600, "message": f"Bad Request: Unsupported protocol version: {NEW}"}
        elif self.era == NEW and version != NEW:
            data = {"supported": [NEW], "requested": version}
            error = {"code": -32022, "message": "Unsupported protocol version", "data": data}
        else:
            return None
        return {"jsonrpc": "2.0", "id": "server-error", "error": error}

    @contextmanager
    def running(self) -> Iterator[Remote]:
        config = uvicorn.Config(
            self._serve, log_config=None, interface="asgi3", lifespan="on", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [self._listener]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        try:
            yield self
        finally:
            server.should_exit = True
            thread.join(10)


async def answer(send: Any, status: int, headers: Mapping[str, str], body: bytes) -> None:
    stated = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": stated})
    await send({"type": "http.response.body", "body": body})


# --- the proxy --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the server of specs/pagerduty-mcp."""
    _, files = built(SPECS / "pagerduty-mcp")
    return place(files, tmp_path_factory.mktemp("proxy"))


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder), "PYTHONUTF8": "1", **more}


@asynccontextmanager
async def over_stdio(
    folder: Path, remote: Remote, *arguments: str, mode: str = "auto", package: str = PACKAGE, key: str = KEY
) -> AsyncIterator[Client]:
    variables = environment(folder, PAGERDUTY_USER_API_KEY=key)
    command = ["-m", package, "--base-url", remote.url, *arguments]
    parameters = StdioServerParameters(command=sys.executable, args=command, env=variables)
    async with Client(parameters, mode=mode) as client:
        yield client


@asynccontextmanager
async def over_http(folder: Path, remote: Remote, *arguments: str, **variables: str) -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", PACKAGE, "--http", "--port", "0", "--base-url", remote.url, *arguments),
        env=environment(folder, **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        line = (await asyncio.wait_for(process.stderr.readline(), 30)).decode()
        yield re.findall(r"http://\S+/mcp", line)[0]
    finally:
        process.terminate()
        await process.communicate()


def call(folder: Path, remote: Remote, arguments: Any = CALL, *options: str, mode: str = "auto") -> t.CallToolResult:
    """The result of list_incidents, called once over stdio."""

    async def talk() -> t.CallToolResult | MCPError:
        async with over_stdio(folder, remote, *options, mode=mode) as client:
            try:
                return await client.call_tool("list_incidents", arguments)
            except MCPError as error:  # not through the task groups of the SDK
                return error

    with remote.running():
        result = asyncio.run(asyncio.wait_for(talk(), 60))
    if isinstance(result, MCPError):
        raise result
    return result


def text_of(result: t.CallToolResult) -> str:
    return "\n".join(c.text for c in result.content if isinstance(c, t.TextContent))


def same_json(one: Any, other: Any) -> bool:
    """Equal, with the keys in the same order."""
    return json.dumps(one, ensure_ascii=False) == json.dumps(other, ensure_ascii=False)


# --- recognition ------------------------------------------------------------------------------------------------------


def document(**changes: Any) -> dict[str, Any]:
    """A small document of an MCP endpoint; `changes` replace parts of its operation."""
    body = {"type": "object", "properties": {"jsonrpc": {"const": "2.0"}, "method": {"type": "string"}}}
    operation: dict[str, Any] = {
        "operationId": "mcpRoot",
        "requestBody": {"content": {"application/json": {"schema": body}}},
        "responses": {"200": {"description": "Ok."}},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Far away", "version": "1"},
        "servers": [{"url": "https://far.test"}],
        "paths": {"/mcp": {"post": {**operation, **changes}}},
    }


def loaded(tmp_path: Path, stated: dict[str, Any]) -> spec.Spec:
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(stated), encoding="utf-8")
    return spec.load(path)


def test_pr_2_recognised_as_mcp() -> None:
    """One operation is no tool; its tools are. The evidence is told."""
    made = planned(SPECS / "pagerduty-mcp")
    assert [tool.name for tool in made.tools] == ["list_incidents"]
    assert made.left_out == ()
    assert made.endpoint is not None
    assert made.endpoint.evidence == (
        "its body is a request of JSON-RPC 2.0",
        "its Accept header names both JSON and event streams",
        "it is shown with the method tools/call and tools/list",
        "its path ends in /mcp",
    )
    said = [n.message for n in made.notes]
    assert said[0].startswith("POST /mcp is an MCP endpoint: its body is a request of JSON-RPC 2.0; ")
    assert "may be stale" in said[1]


def test_pr_2_evidence_is_needed(tmp_path: Path) -> None:
    """JSON-RPC alone is not MCP, neither is a path; each further sign makes it so."""
    elsewhere = document()
    elsewhere["paths"] = {"/rpc": elsewhere["paths"]["/mcp"]}
    assert alone(loaded(tmp_path, elsewhere)) is None
    operation = elsewhere["paths"]["/rpc"]["post"]
    media = operation["requestBody"]["content"]["application/json"]
    media["examples"] = {"a": {"value": {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}}}
    assert alone(loaded(tmp_path, elsewhere)) is not None
    media["examples"] = {"a": {"value": {"jsonrpc": "2.0", "id": 1, "method": "sum"}}}
    assert alone(loaded(tmp_path, elsewhere)) is None
    media["schema"]["properties"]["method"] = {"enum": ["tools/list", "tools/call"]}
    assert alone(loaded(tmp_path, elsewhere)) is not None
    del media["schema"]["properties"]["method"]["enum"]
    operation["parameters"] = [
        {"name": "Accept", "in": "header", "schema": {"default": "application/json, text/event-stream"}}
    ]
    assert alone(loaded(tmp_path, elsewhere)) is not None
    plain = document(requestBody={"content": {"application/json": {"schema": {"type": "object"}}}})
    assert alone(loaded(tmp_path, plain)) is None
    get = document()
    get["paths"]["/mcp"] = {"get": get["paths"]["/mcp"]["post"]}
    assert alone(loaded(tmp_path, get)) is None


def test_a_body_is_read_once(tmp_path: Path) -> None:
    """Forms that lead to each other many times over are no more work than once."""
    many = {"oneOf": [{"$ref": "#/components/schemas/Many"}] * 100}
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Many"}}}}
    paths = {"/x": {"post": {"operationId": "x", "requestBody": body, "responses": {}}}}
    info = {"title": "Many", "version": "1"}
    made = {"openapi": "3.1.0", "info": info, "paths": paths, "components": {"schemas": {"Many": many}}}
    assert alone(loaded(tmp_path, made)) is None


def test_pr_2_among_other_operations(tmp_path: Path) -> None:
    """Where the document is about more, the endpoint is left out with the advice."""
    stated = document()
    stated["paths"]["/things"] = {"get": {"operationId": "listThings", "responses": {}}}
    read = loaded(tmp_path, stated)
    made = plan(read, Config())
    assert [tool.name for tool in made.tools] == ["list_things"]
    assert [(o.label, o.reason) for o in made.left_out] == [
        (
            "mcpRoot",
            "it is an MCP endpoint (its body is a request of JSON-RPC 2.0; its path ends in /mcp), and no tool: its "
            "tools become a server of their own when a document is about nothing else",
        )
    ]
    assert evidence(read, list(read.operations())[1]) == ()


def test_no_known_tool_is_refused_with_the_way_out(tmp_path: Path) -> None:
    read = loaded(tmp_path, document())
    with pytest.raises(Rejected) as caught:
        completed(plan(read, Config()), read, Config())
    assert "no tool of the MCP endpoint is known" in str(caught.value)
    assert "mcpgen fetch" in str(caught.value)


@corpus
def test_pr_1_and_2_of_the_original() -> None:
    """The vendor's document gives the same tools as ours: names, schemas and annotations; only the words differ."""
    read = spec.load(Path(os.environ["MCPGEN_CORPUS"], "pagerduty-mcp.json"))
    assert read.problems == []
    theirs = completed(plan(read, Config()), read, Config())
    ours = planned(SPECS / "pagerduty-mcp")
    assert [bare(tool.entry()) for tool in theirs.tools] == [bare(tool.entry()) for tool in ours.tools]
    assert theirs.endpoint is not None
    assert ours.endpoint is not None
    assert theirs.endpoint.evidence == ours.endpoint.evidence


def bare(node: Any) -> Any:
    """Without the words."""
    if isinstance(node, list):
        return [bare(v) for v in node]
    return {k: bare(v) for k, v in node.items() if k != "description"} if isinstance(node, dict) else node


# --- tools and credentials --------------------------------------------------------------------------------------------


def test_pr_3_header_parameters_are_no_inputs() -> None:
    """Authorization becomes a credential in the form of its pattern, or of the configuration; Accept nothing at all."""
    made = planned(SPECS / "pagerduty-mcp")
    (tool,) = made.tools
    assert [a.key for a in tool.arguments_sorted] == ["query_model"]
    assert [c.source for c in made.credentials] == [
        "ApiKey('header', 'Authorization', 'Token token={PAGERDUTY_USER_API_KEY}')"
    ]
    assert made.requirements_source == "(('Authorization',),)"
    assert [v.name for v in made.setup_variables] == ["PAGERDUTY_USER_API_KEY"]
    read = spec.load(SPECS / "pagerduty-mcp" / "openapi.json")
    assert plan(read, Config()).credentials[0].source == (
        "ApiKey('header', 'Authorization', 'Token token={PAGERDUTY_MCP_AUTHORIZATION}')"
    )


def test_header_parameters(tmp_path: Path) -> None:
    """A constant is sent, what is required becomes a credential, what is optional is told; MCP's own are left alone."""
    headers = [
        {"name": "X-Version", "in": "header", "required": True, "schema": {"type": "string", "enum": ["7"]}},
        {"name": "X-Tenant", "in": "header", "required": True, "schema": {"type": "string"}},
        {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
        {"name": "Mcp-Session-Id", "in": "header", "schema": {"type": "string"}},
        {"name": "Accept", "in": "header", "required": True, "schema": {"type": "string"}},
    ]
    made = plan(loaded(tmp_path, document(parameters=headers)), Config())
    assert made.endpoint is not None
    assert made.endpoint.source == "Operation('tools/list', 'POST', '/mcp', headers=(('X-Version', '7'),))"
    assert [c.source for c in made.credentials] == ["ApiKey('header', 'X-Tenant', '{FAR_AWAY_X_TENANT}')"]
    assert [n.message for n in made.notes if "X-" in n.message] == ["the optional header `X-Trace` is not sent"]


ENTRY: dict[str, Any] = {
    "name": "add_note",
    "description": "Add a note.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "text": {"type": "string", "minLength": 1},
            "tags": {"type": ["array", "null"], "items": {"type": "string"}, "default": None},
            "target": {"$ref": "#/$defs/Target"},
        },
        "required": ["text"],
        "$defs": {
            "Target": {
                "type": "object",
                "properties": {"kind": {"const": "user"}, "inner": {"$ref": "#/$defs/Target"}},
                "required": ["kind"],
            }
        },
    },
    "_meta": {"vendor": {"internal": True}},
}


def proxied(tmp_path: Path, *entries: Any, toml: str = "", stated: dict[str, Any] | None = None) -> Any:
    """The plan and the files of a proxy for a snapshot."""
    files = {"openapi.json": json.dumps(stated or document()), "tools-list.json": json.dumps({"tools": entries})}
    return built(place({**files, **({"mcpgen.toml": toml} if toml else {})}, tmp_path))


def test_pr_5_tools_come_from_the_snapshot(tmp_path: Path) -> None:
    """A snapshot beside the document counts alone; what clients get of an entry is exactly what it says."""
    other = {**ENTRY, "name": "list_notes", "annotations": {"readOnlyHint": True}, "title": "Notes"}
    made, files = proxied(tmp_path, other, ENTRY)
    entries = json.loads(files["far_away_mcp/tools.json"])["tools"]
    assert [e["name"] for e in entries] == ["add_note", "list_notes"]
    assert same_json(entries[0], {k: v for k, v in ENTRY.items() if k != "_meta"})
    assert set(entries[1]) == {"name", "title", "description", "inputSchema", "annotations"}
    assert [n.message for n in made.notes if "stale" in n.message] == []
    assert "the snapshot tools-list.json" in files["TOOLS.md"]
    source = files["far_away_mcp/tools/remote.py"]
    assert 'class AddNote(ProxiedTool):\n    """Add a note."""\n\n    REMOTE: ClassVar = "add_note"\n' in source
    assert "text: Annotated[str, Field(min_length=1)]" in source


def test_a_missing_annotation_counts_as_a_write(tmp_path: Path) -> None:
    """What is not said is what MCP says of it; tools.json stays as it came."""
    reading = {**ENTRY, "name": "a", "annotations": {"readOnlyHint": True}}
    adding = {**ENTRY, "name": "b", "annotations": {"destructiveHint": False}}
    unclear = {**ENTRY, "name": "c", "annotations": {"readOnlyHint": True, "destructiveHint": True}}
    made, files = proxied(tmp_path, reading, adding, unclear, ENTRY)
    effects = {tool.name: tool.annotations.effect for tool in made.tools}
    assert effects == {"a": "read", "b": "write", "c": "destructive", "add_note": "destructive"}
    assert [tool.annotations.reason for tool in made.tools if tool.name == "add_note"] == [
        "the remote does not say that it only reads"
    ]
    assert "annotations" not in json.loads(files["far_away_mcp/tools.json"])["tools"][1]
    assert (
        'READING: list[str] = [\n    # offered without --enable-write-tools\n    "a",\n]'
        in files["far_away_mcp/tools/__init__.py"]
    )


def test_the_configuration_speaks_of_listed_tools(tmp_path: Path) -> None:
    other = {**ENTRY, "name": "list_notes", "description": "List notes."}
    toml = """
    [exclude]
    operations = ["gone"]
    [tools.list_notes]
    name = "notes"
    title = "Notes"
    description = "{text} Newest first."
    annotations = { read_only = true }
    """
    made, files = proxied(tmp_path, other, ENTRY, {**ENTRY, "name": "gone"}, toml=toml)
    assert [tool.name for tool in made.tools] == ["add_note", "notes"]
    entry = json.loads(files["far_away_mcp/tools.json"])["tools"][1]
    assert (entry["title"], entry["description"]) == ("Notes", "List notes. Newest first.")
    assert entry["annotations"] == {"readOnlyHint": True}
    assert 'REMOTE: ClassVar = "list_notes"' in files["far_away_mcp/tools/remote.py"]
    assert [(o.label, o.chosen) for o in made.left_out] == [("gone", True)]

    wrong = '[include]\ntags = ["x"]\n[tools.list_note]\ntitle = "x"\n[tools.add_note]\nhide = ["text"]\n'
    with pytest.raises(Rejected) as caught:
        proxied(tmp_path, other, ENTRY, toml=wrong)
    said = str(caught.value)
    for words in ("have no tags", "'list_notes'?", "passed on as they are"):
        assert words in said
    assert said.count("mcpgen.toml:") == 3


def test_what_has_no_effect_on_a_proxy_is_refused(tmp_path: Path) -> None:
    idle = ("[results]\nunwrap = true", "[paging]", '[describe]\nwrites = "x"', "[arguments]\nplain_ids = true")
    idle += ('[annotations]\nwrites = "destructive"', "[include]\nonly_configured = true\ncollapse_twins = true")
    with pytest.raises(Rejected) as caught:
        proxied(tmp_path, ENTRY, toml="\n".join(idle))
    assert str(caught.value).count("has no effect on the tools of an MCP endpoint") == 7


def test_a_description_names_tools_as_everywhere(tmp_path: Path) -> None:
    """`{tool:name}` is ours where the configuration says it; where the remote does, it is a text."""
    remote = {**ENTRY, "description": "Not {tool:ours}."}
    toml = '[tools.add_note]\ndescription = "{text} See {tool:add_note} and {tool:gone}."'
    made, _ = proxied(tmp_path, remote, toml=toml)
    assert made.tools[0].description == "Not {tool:ours}. See add_note and gone."
    assert [name for _, name in made.mentions] == ["add_note", "gone"]


def test_defects_of_entries(tmp_path: Path) -> None:
    """What would break clients costs the tool, or the part of it that would, and is named with its place."""
    schema = {"type": "object"}
    entries = [
        {"name": "no_schema"},
        {"name": "no_object", "inputSchema": {}},
        {"name": "away", "inputSchema": {**schema, "properties": {"a": {"$ref": "https://evil.test/x"}}}},
        {"name": "nowhere", "inputSchema": {**schema, "properties": {"a": {"$ref": "#/$defs/No"}}}},
        {"name": "invalid", "inputSchema": {**schema, "properties": {"a": {"type": "strin"}}}},
        {"name": "endless", "inputSchema": {**schema, "properties": {"a": {"$ref": "#"}}, "required": ["a"]}},
        {"name": "deep", "inputSchema": {**schema, "default": json.loads("[" * 150 + "]" * 150)}},
        {"name": "bad name!\n", "inputSchema": schema},
        {"inputSchema": schema},
        "text",
        {"name": "kept", "inputSchema": schema, "outputSchema": {"type": "array"}, "annotations": {"readOnlyHint": 1}},
        {"name": "kept", "inputSchema": schema},
        {"name": "dotted.name", "inputSchema": schema},
    ]
    made, files = proxied(tmp_path, *entries)
    assert [tool.name for tool in made.tools] == ["dotted_name", "kept"]
    reasons = {o.label: o.reason for o in made.left_out if o.label not in ("a tool", "kept")}
    assert reasons == {
        "no_schema": "its inputSchema is no object",
        "no_object": 'its inputSchema does not say "type": "object"',
        "away": 'its inputSchema has a reference that is no pointer into it: "https://evil.test/x"',
        "nowhere": 'its inputSchema has a reference to nothing: "#/$defs/No"',
        "invalid": "its inputSchema is no valid JSON Schema",
        "deep": "its inputSchema is nested more than 100 levels deep",
        "endless": "a value of its inputSchema must hold another of its kind, without end",
    }
    assert sum(o.label == "a tool" for o in made.left_out) == 3
    assert all(re.search(r"tools-list\.json:\d+:\d+$", o.place) for o in made.left_out), [
        o.place for o in made.left_out
    ]
    assert json.loads(files["far_away_mcp/tools.json"])["tools"][1] == {"name": "kept", "inputSchema": schema}
    said = "\n".join(n.message for n in made.notes)
    assert 'kept: its outputSchema does not say "type": "object"; it is left out' in said
    assert "kept: its annotations are not what MCP makes them; it is left out" in said
    assert "clients do not take the name 'dotted.name'; the tool is dotted_name" in said


def test_references_of_examples(tmp_path: Path) -> None:
    """References to places of the document are expanded, without end or in masses they cost the tool."""
    masses: dict[str, Any] = {f"M{i}": {"items": [{"$ref": f"#/components/schemas/M{i + 1}"}] * 10} for i in range(8)}
    components = {
        "schemas": {
            "In": {"type": "object", "properties": {"a": {"$ref": "#/components/schemas/A"}}},
            "A": {"type": "string", "enum": ["x"]},
            "Loop": {"type": "object", "properties": {"a": {"$ref": "#/components/schemas/Loop"}}},
            **masses,
            "M8": {"type": "string"},
        },
        "examples": {
            "One": {"value": {"name": "one", "inputSchema": {"$ref": "#/components/schemas/In"}}},
            "Loop": {"value": {"name": "loop", "inputSchema": {"$ref": "#/components/schemas/Loop"}}},
            "Mass": {"value": {"name": "mass", "inputSchema": {"$ref": "#/components/schemas/M0"}}},
        },
    }
    tools = [{"$ref": f"#/components/examples/{n}"} for n in ("One", "Loop", "Mass", "None")]
    shown = {"application/json": {"example": {"jsonrpc": "2.0", "id": 1, "result": {"tools": tools}}}}
    stated = document(responses={"200": {"description": "Ok.", "content": shown}}) | {"components": components}
    read = loaded(tmp_path, stated)
    made = completed(plan(read, Config()), read, Config())
    assert [tool.entry() for tool in made.tools] == [
        {"name": "one", "inputSchema": {"type": "object", "properties": {"a": {"type": "string", "enum": ["x"]}}}}
    ]
    reasons = "; ".join(sorted(o.reason for o in made.left_out))
    for said in ('there is no "None"', "leads back to itself", "stand for too much"):
        assert said in reasons
    assert len(made.left_out) == 3


def test_hostile_entries_stay_text(tmp_path: Path) -> None:
    """Names, texts and keys of another server become neither code nor markup."""
    evil = '"""\nimport os; os.abort()\n"""<script>`|{{ 7*7 }}'
    schema = {
        "type": "object",
        "properties": {"class": {"type": "string", "description": evil}, "x-$ref": {"type": "string"}, evil: {}},
        "required": ["class"],
    }
    entry = {"name": "a", "title": evil, "description": evil, "inputSchema": schema, "annotations": {"title": evil}}
    made, files = proxied(tmp_path, entry)
    (listed,) = json.loads(files["far_away_mcp/tools.json"])["tools"]
    assert same_json(listed, entry)
    assert "x-$ref" in listed["inputSchema"]["properties"]
    compile(files["far_away_mcp/tools/remote.py"], "remote.py", "exec")
    assert "<script>" not in re.sub(r"`[^`\n]*`", "", files["TOOLS.md"])
    assert "49" not in files["far_away_mcp/tools/remote.py"]
    check_code(files, tmp_path / "out", made.package)


def check_code(files: Mapping[str, str], folder: Path, package: str) -> None:
    """Hold that generated code is clean and that the tests that come with it pass."""
    place(files, folder)
    for command in (
        ["ruff", "check", "--isolated", "--line-length=120", "--exclude=_runtime", package, "tests"],
        ["ruff", "format", "--isolated", "--line-length=120", "--exclude=_runtime", "--check", package],
        ["mypy", "--strict", package],
        ["pytest", "-q", "-p", "no:cacheprovider", "tests"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=folder,
            env=environment(folder),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_generated_code_is_clean(tmp_path: Path) -> None:
    made, files = proxied(tmp_path, ENTRY, {**ENTRY, "name": "list_notes", "annotations": {"readOnlyHint": True}})
    check_code(files, tmp_path / "out", made.package)


# --- calls ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("json_answers", [False, True], ids=["events", "json"])
@pytest.mark.parametrize("era", [OLD, NEW])
@pytest.mark.parametrize("mode", ["legacy", NEW])
def test_pr_6_and_7_a_call_arrives_unchanged_over_stdio(proxy: Path, mode: str, era: str, json_answers: bool) -> None:
    """Name and arguments as they were given, in their order, also those that the simplified schema does not know; the
    result as it came; the annotations the upstream's."""
    remote = Remote(era, json_answers=json_answers)

    async def talk() -> None:
        async with over_stdio(proxy, remote, mode=mode) as client:
            (tool,) = (await client.list_tools()).tools
            assert tool.annotations is not None
            assert tool.annotations.model_dump(by_alias=True, exclude_none=True) == {
                "readOnlyHint": True,
                "destructiveHint": False,
                "idempotentHint": True,
            }
            result = await client.call_tool("list_incidents", CALL)
            unchanged(remote, result)

    with remote.running():
        asyncio.run(asyncio.wait_for(talk(), 60))


@pytest.mark.parametrize("era", [OLD, NEW])
def test_pr_6_and_7_a_call_arrives_unchanged_over_http(proxy: Path, era: str) -> None:
    """With the key of the caller, forwarded for that request alone."""
    remote = Remote(era)

    async def talk() -> None:
        import httpx2
        from mcp.client.streamable_http import streamable_http_client

        async with over_http(proxy, remote) as url:
            keys = ("callerONE12345", "callerTWO67890")
            for key in (*keys, *keys):
                headers = {"Authorization": f"Token token={key}"}
                async with (
                    httpx2.AsyncClient(headers=headers) as http,
                    Client(streamable_http_client(url, http_client=http)) as client,
                ):
                    result = await client.call_tool("list_incidents", CALL)
                    unchanged(remote, result, key)
            bare_ = httpx2.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
            assert bare_.status_code == 401

    with remote.running():
        asyncio.run(asyncio.wait_for(talk(), 90))
    if era == OLD:  # the remote keeps sessions: each caller's is its own, and ends with its call
        by_session: dict[str, set[str]] = {}
        for post in remote.posts:
            if session := post.headers.get("mcp-session-id"):
                by_session.setdefault(session, set()).add(post.headers["authorization"])
        assert len(by_session) == 4
        assert all(len(keys) == 1 for keys in by_session.values())
        assert sum(p.method == "DELETE" for p in remote.posts) == 4


def unchanged(remote: Remote, result: t.CallToolResult, key: str = KEY) -> None:
    params = remote.last.message["params"]
    assert params["name"] == "list_incidents"
    assert same_json(params["arguments"], CALL)
    assert set(params) <= {"name", "arguments", "_meta"}
    assert remote.last.headers["authorization"] == f"Token token={key}"
    assert result.structured_content == LIST
    assert [c.model_dump(exclude_none=True) for c in result.content] == ANSWER["content"]
    assert not result.is_error


def test_the_era_is_settled_once(proxy: Path) -> None:
    """One request for each further call; a session is kept for the environment's key, and renewed when it is lost."""

    async def talk(remote: Remote, calls: int) -> None:
        async with over_stdio(proxy, remote) as client:
            for _ in range(calls):
                result = await client.call_tool("list_incidents", CALL)
                assert not result.is_error, text_of(result)

    for remote, wanted in (
        (Remote(NEW), ["server/discover", *["tools/call"] * 3]),
        (
            Remote(OLD, stateless=True),
            ["server/discover", "initialize", "notifications/initialized", *["tools/call"] * 3],
        ),
        (
            Remote(OLD),
            ["server/discover", "initialize", "notifications/initialized", *["tools/call"] * 3, "DELETE"],
        ),
    ):
        with remote.running():
            asyncio.run(asyncio.wait_for(talk(remote, 3), 60))
        assert [p.asked for p in remote.posts] == wanted

    async def lose(remote: Remote) -> None:
        async with over_stdio(proxy, remote) as client:
            await client.call_tool("list_incidents", CALL)
            remote.raw.append(
                (
                    404,
                    {"content-type": "application/json"},
                    b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Session not found"}}',
                )
            )
            result = await client.call_tool("list_incidents", CALL)
            assert not result.is_error

    remote = Remote(OLD)
    with remote.running():
        asyncio.run(asyncio.wait_for(lose(remote), 60))
    assert len(remote.calls("initialize")) == 2
    sessions = [p.headers["mcp-session-id"] for p in remote.calls()]
    assert sessions[0] == sessions[1] != sessions[2]


def test_a_remote_that_changes_its_era(proxy: Path) -> None:
    async def talk(remote: Remote) -> None:
        async with over_stdio(proxy, remote) as client:
            for era in (NEW, OLD, NEW):
                remote.era = era
                result = await client.call_tool("list_incidents", CALL)
                assert not result.is_error, text_of(result)

    remote = Remote(NEW, stateless=True)
    with remote.running():
        asyncio.run(asyncio.wait_for(talk(remote), 60))
    assert len(remote.calls()) == 5  # two were refused, before anything was done


def test_only_what_contradicts_the_schema_is_refused(proxy: Path) -> None:
    remote = Remote()

    async def talk() -> None:
        async with over_stdio(proxy, remote) as client:
            for wrong, said in (
                ({}, "query_model: required, but missing"),
                ({"query_model": {"status": ["open"]}}, "query_model.status[0]: must be 'triggered', 'acknow"),
                ({"query_model": 7}, "query_model: must be an object"),
            ):
                result = await client.call_tool("list_incidents", wrong)
                assert result.is_error
                assert said in text_of(result), text_of(result)
            assert remote.posts == []
            for right in ({"query_model": {}}, {"query_model": {"status": None, "since": 1.5}, "more": [None, 2**60]}):
                result = await client.call_tool("list_incidents", right)
                assert not result.is_error, text_of(result)
                assert same_json(remote.last.message["params"]["arguments"], right)

    with remote.running():
        asyncio.run(asyncio.wait_for(talk(), 60))


def test_a_credential_of_digits_in_an_error(proxy: Path) -> None:
    remote = Remote()
    remote.result = MCPError(code=-32000, message="no 12345678", data={"account": 12345678})

    async def talk() -> MCPError:
        async with over_stdio(proxy, remote, key="12345678") as client:
            try:
                raise AssertionError(await client.call_tool("list_incidents", CALL))
            except MCPError as error:
                return error

    with remote.running():
        error = asyncio.run(asyncio.wait_for(talk(), 60)).error
    assert (error.code, error.message, error.data) == (-32000, "no ***", '{"account": ***}')


def test_a_tool_that_contradicts_itself_is_asked_for(tmp_path: Path) -> None:
    """What says that it only reads and destroys is a write, for --ask-before-writes too."""
    unclear = {**ENTRY, "annotations": {"readOnlyHint": True, "destructiveHint": True}}
    folder = place(proxied(tmp_path, unclear)[1], tmp_path / "out")
    remote = Remote()

    async def talk() -> None:
        options = ("--enable-write-tools", "--ask-before-writes")
        async with over_stdio(folder, remote, *options, package="far_away_mcp") as client:
            result = await client.call_tool("add_note", {"text": "x", "target": {"kind": "user"}})
            assert "this client cannot ask" in text_of(result)

    with remote.running():
        asyncio.run(asyncio.wait_for(talk(), 60))
    assert remote.calls() == []


def test_writes_are_gated(tmp_path: Path) -> None:
    """A tool that does not say that it only reads is there with --enable-write-tools alone; its call is audited."""
    _, files = proxied(tmp_path, ENTRY, {**ENTRY, "name": "list_notes", "annotations": {"readOnlyHint": True}})
    folder = place(files, tmp_path / "out")
    remote = Remote()
    remote.result = {"content": [{"type": "text", "text": "done"}]}

    async def talk() -> None:
        async with over_stdio(folder, remote, package="far_away_mcp") as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == ["list_notes"]
            with pytest.raises(MCPError, match="enable-write-tools"):
                await client.call_tool("add_note", {"text": "x"})
        async with over_stdio(folder, remote, "--enable-write-tools", package="far_away_mcp") as client:
            assert len((await client.list_tools()).tools) == 2
            result = await client.call_tool("add_note", {"text": "x", "tags": None, "target": {"kind": "user"}})
            assert text_of(result) == "done"

    with remote.running():
        asyncio.run(asyncio.wait_for(talk(), 60))
    assert [p.message["params"]["name"] for p in remote.calls()] == ["add_note"]


def test_pr_8_the_example_of_the_document_is_no_result_of_mcp(proxy: Path) -> None:
    remote = Remote()
    remote.raw.append(message({"result": {"response": {"properties": {"items": [INCIDENT]}}}}))
    found = call(proxy, remote)
    assert found.is_error
    assert "is no result of MCP (content: Field required)" in text_of(found)
    assert "Düsseldorf ☃" in text_of(found)


def test_an_error_result_is_passed_on(proxy: Path) -> None:
    """Without the structured content that only a success promises."""
    remote = Remote()
    remote.result = {"content": [{"type": "text", "text": "No such team."}], "isError": True}
    found = call(proxy, remote)
    assert found.is_error
    assert text_of(found) == "No such team."


def message(stated: dict[str, Any], id_: Any = 1, status: int = 200) -> tuple[int, dict[str, str], bytes]:
    body = json.dumps({"jsonrpc": "2.0", "id": id_, **stated}).encode()
    return status, {"content-type": "application/json"}, body


def test_pr_10_a_wrong_key_is_told_before_any_era_is_settled(proxy: Path) -> None:
    """The other era would be refused too, so it is not tried."""
    posts: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            posts.append(json.loads((await receive())["body"])["method"])
            body = json.dumps({"error": {"code": 2006, "message": "Unknown token", "errors": []}}).encode()
            await answer(send, 401, {"content-type": "application/json"}, body)

    remote = Remote()
    remote._serve = app  # type: ignore[method-assign]
    found = call(proxy, remote)
    assert found.is_error
    assert "Unknown token" in text_of(found)
    assert posts == ["server/discover"]


@pytest.mark.parametrize(
    ("status", "kind", "body", "said"),
    [
        (200, "text/html", b"<html>Sign in</html>", "gave no answer to the call: Unexpected content type: text/html"),
        (200, "application/json", b"{", "Failed to parse JSON response"),
        (200, "application/json", b'{"jsonrpc":"2.0","id":1}', "gave no answer to the call"),
        (200, "text/event-stream", b"event: message\ndata: {}\n\n", "gave no answer to the call"),
        (202, "", b"", "server answered a request with 202 Accepted"),
        (302, "text/plain", b"", "302"),
        (502, "text/html", b"<h1>Bad gateway</h1>", "502"),
    ],
)
def test_answers_that_are_no_mcp(proxy: Path, status: int, kind: str, body: bytes, said: str) -> None:
    remote = Remote()
    headers = {"content-type": kind} if kind else {}
    if status == 302:
        headers["location"] = "https://evil.test/mcp"
    remote.raw.append((status, headers, body))
    found = call(proxy, remote)
    assert found.is_error
    assert said in text_of(found)


def test_a_result_in_events_is_not_waited_on(proxy: Path) -> None:
    """Notifications before it are no answer; a stream that stays open behind it is left."""
    remote = Remote()

    async def app(scope: Any, receive: Any, send: Any, inner: Any = remote._serve) -> None:
        if scope["type"] != "http":
            await inner(scope, receive, send)
            return
        part = await receive()
        if json.loads(part["body"] or b"{}").get("method") != "tools/call":
            parts = [part]

            async def again() -> Any:
                return parts.pop() if parts else await receive()

            await inner(scope, again, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        progress = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 1}}
        result = {"jsonrpc": "2.0", "id": 99, "result": {**ANSWER, "resultType": "complete"}}
        for event in (progress, result):
            await send(
                {"type": "http.response.body", "body": f"data: {json.dumps(event)}\n\n".encode(), "more_body": True}
            )
            await asyncio.sleep(0.05)
        await asyncio.sleep(20)

    remote._serve = app  # type: ignore[method-assign]
    started = time.monotonic()
    found = call(proxy, remote)
    assert found.structured_content == LIST
    assert time.monotonic() - started < 15


def test_a_greeting_that_cannot_be_taken_is_no_result(proxy: Path) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        asked = json.loads((await receive())["body"])
        who = {"capabilities": {}, "serverInfo": {"name": "x", "version": "1"}}
        if asked["method"] == "initialize":
            await answer(send, *message({"result": {"protocolVersion": "1999-01-01", **who}}, asked["id"]))
        else:
            await answer(send, 404, {}, b"")

    remote = Remote()
    remote._serve = app  # type: ignore[method-assign]
    found = call(proxy, remote)
    assert found.is_error
    assert "Unsupported protocol version from the server: 1999-01-01" in text_of(found)


def test_many_events_before_the_answer(proxy: Path) -> None:
    """Each of them is looked at once."""
    remote = Remote()
    progress = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 1}}
    event = f"event: message\r\ndata: {json.dumps(progress)}\r\n\r\n".encode()
    result = {"jsonrpc": "2.0", "id": 1, "result": {**ANSWER, "resultType": "complete"}}
    body = event * 50_000 + b"data: " + json.dumps(result).encode() + b"\n\n"
    remote.raw.append((200, {"content-type": "text/event-stream"}, body))
    started = time.monotonic()
    assert call(proxy, remote).structured_content == LIST
    assert time.monotonic() - started < 20


def test_limits(proxy: Path) -> None:
    """An answer that is too large, too deep, too late or no text at all does no harm."""
    remote = Remote()
    huge = {**ANSWER, "content": [{"type": "text", "text": "x" * (9 * 2**20)}]}
    remote.raw.append(message({"result": huge}))
    found = call(proxy, remote)
    assert found.is_error
    assert "larger than 8 MiB" in text_of(found)

    deep: Any = "x"
    for _ in range(150):
        deep = [deep]
    remote = Remote()
    remote.raw.append(message({"result": {**ANSWER, "structuredContent": {"deep": deep}}}))
    found = call(proxy, remote)
    assert found.is_error
    assert "nested too deeply" in text_of(found)

    # In an error it used to end the whole server; a number beyond all was an internal error.
    for stated in ({"code": -1, "message": "m", "data": deep}, {"code": -1, "message": "m", "data": "BEYOND"}):
        remote = Remote()
        status, headers, body = message({"error": stated})
        remote.raw.append((status, headers, body.replace(b'"BEYOND"', b"1e999")))
        found = call(proxy, remote)
        assert found.is_error
        assert "cannot be passed on" in text_of(found)

    remote = Remote()
    half = json.dumps(
        {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": "\ud83d"}], "isError": True}}
    )
    remote.raw.append((200, {"content-type": "application/json"}, half.encode()))
    assert text_of(call(proxy, remote)) == "\ufffd"

    remote = Remote()
    remote.after = 5
    started = time.monotonic()
    found = call(proxy, remote, CALL, "--timeout", "1")
    assert found.is_error
    assert "within 1 seconds" in text_of(found)
    assert time.monotonic() - started < 8


def test_no_connection(proxy: Path) -> None:
    async def talk(url: str) -> t.CallToolResult:
        variables = environment(proxy, PAGERDUTY_USER_API_KEY=KEY)
        parameters = StdioServerParameters(
            command=sys.executable, args=["-m", PACKAGE, "--base-url", url], env=variables
        )
        async with Client(parameters) as client:
            return await client.call_tool("list_incidents", CALL)

    found = asyncio.run(asyncio.wait_for(talk("http://127.0.0.1:9"), 60))
    assert found.is_error
    assert "could not connect to 127.0.0.1:9" in text_of(found)


def test_input_that_the_remote_asks_for_is_told(proxy: Path) -> None:
    remote = Remote()
    asked = {"resultType": "input_required", "inputRequests": {}, "requestState": "s"}
    remote.raw.append(message({"result": asked}))
    found = call(proxy, remote)
    assert found.is_error
    assert "wants input in the middle of the call" in text_of(found)


def test_what_is_reserved_in_meta_is_this_servers_own(proxy: Path) -> None:
    """The rest of a result's _meta is passed on."""
    remote = Remote()
    stamp = {"io.modelcontextprotocol/serverInfo": {"name": "remote", "version": "1"}, "pagerduty/trace": "t1"}
    remote.raw.append(message({"result": {**ANSWER, "resultType": "complete", "_meta": stamp}}))
    found = call(proxy, remote)
    assert found.meta is not None
    assert found.meta["pagerduty/trace"] == "t1"
    assert found.meta["io.modelcontextprotocol/serverInfo"]["name"] == "pagerduty-remote"


def test_arguments_that_belong_into_headers(tmp_path: Path) -> None:
    """2026-07-28: what a schema marks with x-mcp-header is mirrored, or the remote refuses the call."""
    schema = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
    entry = {"name": "ping", "inputSchema": schema, "annotations": {"readOnlyHint": True}}
    folder = place(proxied(tmp_path, entry)[1], tmp_path / "out")
    remote = Remote()
    remote.result = {"content": []}

    async def talk() -> None:
        async with over_stdio(folder, remote, package="far_away_mcp") as client:
            await client.call_tool("ping", {"region": "eu"})

    with remote.running():
        asyncio.run(asyncio.wait_for(talk(), 60))
    assert remote.last.headers["mcp-param-region"] == "eu"
    assert (remote.last.headers["mcp-method"], remote.last.headers["mcp-name"]) == ("tools/call", "ping")


# --- fetch, and drift -------------------------------------------------------------------------------------------------


@pytest.fixture
def vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with specs/pagerduty-mcp, in which commands run."""
    shutil.copytree(SPECS / "pagerduty-mcp", tmp_path / "specs" / "pagerduty-mcp")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAGERDUTY_USER_API_KEY", KEY)
    return tmp_path


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert KEY not in result.output
    return result


def listed_tool(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "description": name, "inputSchema": {"type": "object"}, **more}


@pytest.mark.parametrize("era", [OLD, NEW])
def test_fetch_takes_what_is_listed(vendor: Path, monkeypatch: pytest.MonkeyPatch, era: str) -> None:
    """All pages, sorted by name, with the user's key, which is kept nowhere; again without a change it says so."""
    remote = Remote(era)
    shown = json.loads((SPECS / "pagerduty-mcp" / "openapi.json").read_text())
    example = shown["components"]["examples"]["ListIncidentsTool"]["value"]
    same = json.loads(json.dumps(example).replace("x-$ref", "$ref"))
    remote.entries = [listed_tool(n) for n in ("z", "c", "a", "b")] + [{**same, "_meta": {"x": 1}}]
    monkeypatch.setenv("PAGERDUTY_MCP_HOST", remote.url)
    snapshot = vendor / "specs/pagerduty-mcp/tools-list.json"
    with remote.running():
        assert run("build").exit_code == 0
        assert "1 tool " in run("build", "--force").output
        done = run("fetch")
        assert done.exit_code == 0, done.output
        assert done.stdout.splitlines() == [
            "specs/pagerduty-mcp/tools-list.json: 5 tools",
            "  a: new",
            "  b: new",
            "  c: new",
            "  z: new",
        ]
        entries = json.loads(snapshot.read_text())["tools"]
        assert [e["name"] for e in entries] == ["a", "b", "c", "list_incidents", "z"]
        assert entries[3] == {**same, "_meta": {"x": 1}}
        before = snapshot.read_bytes()
        assert "up to date, 5 tools" in run("fetch", "pagerduty-mcp").stdout
        assert snapshot.read_bytes() == before
    assert KEY.encode() not in before
    assert {p.headers["authorization"] for p in remote.posts} == {f"Token token={KEY}"}
    built_ = run("build")
    assert "5 tools (1 read, 0 write, 4 destructive)" in built_.stdout
    assert "stale" not in built_.stdout


def test_pr_13_without_a_snapshot_the_example_is_compared(vendor: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = Remote()
    remote.entries = [listed_tool("list_services")]
    monkeypatch.setenv("PAGERDUTY_MCP_HOST", remote.url)
    run("build")
    with remote.running():
        done = run("build", "--check", "--live")
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-2:] == [
        "specs/pagerduty-mcp: list_incidents: no longer listed",
        "specs/pagerduty-mcp: list_services: new",
    ]


def test_fetch_says_what_went_wrong(vendor: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = vendor / "specs/pagerduty-mcp/tools-list.json"
    for url, key, said in (
        ("http://127.0.0.1:9", KEY, "could not connect to 127.0.0.1:9"),
        ("http://far.test", KEY, "would send credentials and data unencrypted"),
        ("http://127.0.0.1:9", "", "PAGERDUTY_USER_API_KEY"),
    ):
        monkeypatch.setenv("PAGERDUTY_MCP_HOST", url)
        monkeypatch.setenv("PAGERDUTY_USER_API_KEY", key)
        done = run("fetch")
        assert done.exit_code == 2
        assert said in done.stderr, done.stderr
        assert not snapshot.exists()
    place({"specs/zoo/openapi.json": json.dumps({"openapi": "3.0.0", "info": {"title": "Zoo"}, "paths": {}})}, vendor)
    done = run("fetch", "zoo")
    assert (done.exit_code, "describes no MCP endpoint" in done.stderr) == (2, True)


def test_a_broken_snapshot_is_refused(vendor: Path) -> None:
    snapshot = vendor / "specs/pagerduty-mcp/tools-list.json"
    for text, said in (
        ("{", "not valid JSON"),
        ("{}", "the snapshot has no list `tools`"),
        ("[]", "no tool of the MCP"),
    ):
        snapshot.write_text(text, encoding="utf-8")
        done = run("build")
        assert done.exit_code == 2
        assert said in done.stderr
        assert "tools-list.json" in done.stderr


# --- init, try and mock -----------------------------------------------------------------------------------------------


def test_init_states_what_a_proxy_can_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("init", str(SPECS / "pagerduty-mcp" / "openapi.json"))
    assert done.stdout.startswith("specs/pagerduty-mcp/openapi.json: an MCP endpoint; ")
    stated = (tmp_path / "specs/pagerduty-mcp/mcpgen.toml").read_text(encoding="utf-8")
    assert 'value = "Token token={PAGERDUTY_MCP_AUTHORIZATION}"' in stated
    assert "mcpgen fetch pagerduty-mcp" in stated
    assert "[results]" not in stated
    assert run("build", "-q").exit_code == 0
    assert (tmp_path / "generated/pagerduty-mcp/pagerduty_mcp/tools/remote.py").is_file()


def test_try_calls_a_stand_in(tmp_path: Path) -> None:
    """The mock of an MCP endpoint lists the tools and answers calls with what they promise."""
    writes = {**ENTRY, "outputSchema": {"type": "object", "properties": {"n": {"const": 7}}, "required": ["n"]}}
    place({"openapi.json": json.dumps(document()), "tools-list.json": json.dumps([writes])}, tmp_path)
    done = run("try", str(tmp_path / "openapi.json"))
    assert done.exit_code == 0, done.output
    assert "1. add_note  destructive" in done.stdout
    assert "request    POST /mcp" in done.stdout
    assert '"method": "tools/call"' in done.stdout
    assert '{"n": 7}' in done.stdout
    assert "1 of 1 calls went through" in done.stdout


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_the_mock_is_a_remote(mode: str) -> None:
    made = planned(SPECS / "pagerduty-mcp")
    mock = Mock(spec.load(SPECS / "pagerduty-mcp" / "openapi.json"), tools=made.remote_tools)

    async def talk() -> None:
        import httpx2
        from mcp.client.streamable_http import streamable_http_client

        url = await mock.start() + "/mcp"
        try:
            async with (
                httpx2.AsyncClient(headers={"Authorization": f"Token token={KEY}"}) as http,
                Client(streamable_http_client(url, http_client=http), mode=mode) as client,
            ):
                assert [tool.name for tool in (await client.list_tools()).tools] == ["list_incidents"]
                result = await client.call_tool("list_incidents", CALL)
                assert result.structured_content is not None
                with pytest.raises(MCPError):
                    await client.call_tool("no_such_tool", {})
        finally:
            await mock.stop()

    asyncio.run(asyncio.wait_for(talk(), 60))
