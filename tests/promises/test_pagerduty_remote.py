"""PagerDuty's remote MCP API: PR-1 to PR-13 of the checklist, kept by a proxy.

Behind the proxy is a stand-in for the remote server, made with the SDK, that speaks one era of the protocol alone and
keeps every request as it came.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from conftest import built, place, planned
from mcp import MCPError
from test_proxy import ANSWER, CALL, INCIDENT, LIST, NEW, OLD, Remote, bare, message, same_json

from mcpgen import spec
from mcpgen.cli import main

from .harness import KEY, OTHER, PAGERDUTY_REMOTE, Readme, Server, Starter, text_of

VENDOR = PAGERDUTY_REMOTE
CORPUS = os.environ.get("MCPGEN_CORPUS", "")
DOCUMENTS = [VENDOR.document, *([Path(CORPUS, "pagerduty-mcp.json")] if CORPUS else [])]
TOOL = "list_incidents"


class StandIn(Remote):
    """The remote server, as it is at the beginning after `reset`."""

    def reset(self) -> None:
        self.posts.clear()
        self.raw.clear()
        self.era, self.result, self.after = NEW, ANSWER, 0.0


@pytest.fixture(scope="module")
def mock() -> Iterator[StandIn]:
    with StandIn().running() as remote:
        assert isinstance(remote, StandIn)
        yield remote


@pytest.fixture(params=[OLD, NEW])
def era(request: pytest.FixtureRequest, api: StandIn) -> str:
    """The revision of MCP that the remote server speaks."""
    api.era = request.param
    return api.era


def shown(document: Path) -> dict[str, Any]:
    """The entry of the tool that a document shows, as it is in there."""

    def entries(node: Any) -> Iterator[dict[str, Any]]:
        if isinstance(node, dict) and {"name", "inputSchema"} <= node.keys():
            yield node
        for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            yield from entries(inner)

    return next(entries(json.loads(document.read_text(encoding="utf-8"))))


@pytest.mark.parametrize("document", DOCUMENTS, ids=["ours", "theirs"][: len(DOCUMENTS)])
def test_pr_01_the_document_loads(document: Path) -> None:
    read = spec.load(document)
    assert (read.version, next(iter(read.operations())).path, read.problems) == ("3.0.2", "/mcp", [])
    for status in ("401", "403", "429"):
        at = f"#/paths/~1mcp/post/responses/{status}/content/application~1json/schema"
        node, place_ = read.deref(read.resolve(at), at)
        assert place_.endswith("/responses/500/content/application~1json/schema")
        assert "error" in node["properties"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=["ours", "theirs"][: len(DOCUMENTS)])
def test_pr_02_it_is_recognised_as_mcp(tmp_path: Path, document: Path) -> None:
    """One endpoint becomes the tools behind it, and says why."""
    place({"openapi.json": document.read_text(encoding="utf-8")}, tmp_path)
    made = planned(tmp_path)
    assert [tool.name for tool in made.tools] == [TOOL]
    assert made.endpoint is not None
    assert "its body is a request of JSON-RPC 2.0" in made.endpoint.evidence
    assert any("is an MCP endpoint" in n.message for n in made.notes)


def test_pr_02_no_tool_is_called_mcp_root(server: Server) -> None:
    assert list(server.tools()) == [TOOL]
    assert "It is a proxy" in VENDOR.text("README.md")


def test_pr_03_header_parameters_are_no_inputs(server: Server, api: StandIn) -> None:
    """Authorization is the key's, in the vendor's form; Accept and Content-Type are the transport's."""
    assert list(server.tools()[TOOL].input_schema["properties"]) == ["query_model"]
    server.right(TOOL, CALL)
    assert {p.headers["authorization"] for p in api.posts} == {f"Token token={KEY}"}
    if server.transport == "http":
        assert server.post(authorization=KEY).status_code == 401  # type: ignore[attr-defined]
        api.reset()
        result = server.call(TOOL, CALL, OTHER)
        assert not result.is_error
        assert {p.headers["authorization"] for p in api.posts} == {f"Token token={OTHER}"}


@pytest.mark.parametrize("way", ["stdio", "http"])
def test_pr_03_the_other_form_by_a_line_of_configuration(
    start: Starter, api: StandIn, tmp_path: Path, way: str
) -> None:
    shutil.copytree(VENDOR.specs, tmp_path / "spec")
    configuration = tmp_path / "spec" / "mcpgen.toml"
    text = configuration.read_text(encoding="utf-8")
    configuration.write_text(re.sub(r'value = "Token token=', 'value = "Bearer ', text, count=1), encoding="utf-8")
    folder = place(built(tmp_path / "spec")[1], tmp_path / "out")
    env = {VENDOR.variable: KEY}
    with start.fresh(way, folder=folder, env=env) as server:
        server.right(TOOL, CALL)
    assert {p.headers["authorization"] for p in api.posts} == {f"Bearer {KEY}"}


def test_pr_04_json_and_events_are_both_accepted(server: Server, api: StandIn, era: str) -> None:
    assert server.right(TOOL, CALL) == LIST  # as events
    api.raw.append(message({"result": {**ANSWER, **({"resultType": "complete"} if era == NEW else {})}}))
    assert server.right(TOOL, CALL) == LIST  # as JSON
    for post in api.posts:
        if post.method == "POST":
            assert {"application/json", "text/event-stream"} <= set(re.split(r",\s*", post.headers["accept"]))
            assert post.headers["content-type"] == "application/json"


@pytest.mark.parametrize("document", DOCUMENTS, ids=["ours", "theirs"][: len(DOCUMENTS)])
def test_pr_05_tools_come_from_the_example(document: Path) -> None:
    """Its `x-$ref` are references; the rest is as it was. The vendor's own document differs in its words alone."""
    text = json.dumps(shown(document))
    assert '"x-$ref"' in text
    mended = json.loads(text.replace('"x-$ref"', '"$ref"'))
    mended.pop("_meta", None)  # what the remote server noted for its own sake
    if document == VENDOR.document:
        assert same_json(VENDOR.entries[TOOL], mended)
    assert bare(VENDOR.entries[TOOL]) == bare(mended)


def test_pr_05_what_is_listed_is_what_is_committed(server: Server) -> None:
    listed = [t.model_dump(by_alias=True, exclude_none=True, mode="json") for t in server.tools().values()]
    assert bare(listed) == bare([*VENDOR.entries.values()])


@pytest.fixture
def vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api: StandIn) -> Path:
    """A folder with specs/pagerduty-mcp, in which commands run against the stand-in."""
    shutil.copytree(VENDOR.specs, tmp_path / "specs" / VENDOR.name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VENDOR.variable, KEY)
    monkeypatch.setenv("PAGERDUTY_MCP_HOST", api.url)
    return tmp_path


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert KEY not in result.output
    return result


def listed(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "description": name, "inputSchema": {"type": "object"}, **more}


def test_pr_05_tools_come_from_the_live_list(vendor: Path, api: StandIn) -> None:
    """`mcpgen fetch` takes all of it with the user's key, which is kept nowhere."""
    api.entries = [listed("b"), VENDOR.entries[TOOL], listed("a")]
    assert run("fetch", VENDOR.name).exit_code == 0
    snapshot = (vendor / "specs" / VENDOR.name / "tools-list.json").read_text()
    assert [e["name"] for e in json.loads(snapshot)["tools"]] == ["a", "b", TOOL]
    assert KEY not in snapshot
    assert "3 tools (1 read" in run("build").stdout
    assert {p.headers["authorization"] for p in api.posts} == {f"Token token={KEY}"}


def test_pr_06_a_call_arrives_unchanged(server: Server, api: StandIn, era: str) -> None:
    """Name and arguments, in their order, also those that the simplified schema does not know; so does the result."""
    undeclared = {**CALL, "unknown": [None, {"b": 1, "a": 2**60}]}
    assert "request_scope" not in json.dumps(server.tools()[TOOL].input_schema)
    for arguments in (CALL, undeclared):
        result = server.call(TOOL, arguments)
        params = api.last.message["params"]
        assert set(params) <= {"name", "arguments", "_meta"}
        assert params["name"] == TOOL
        assert same_json(params["arguments"], arguments)
        assert not result.is_error
        assert result.structured_content == LIST
        assert [c.model_dump(exclude_none=True) for c in result.content] == ANSWER["content"]


def test_pr_07_annotations_are_the_upstreams(server: Server) -> None:
    annotations = server.tools()[TOOL].annotations
    assert annotations is not None
    stated = {"readOnlyHint": True, "destructiveHint": False, "idempotentHint": True}
    assert annotations.model_dump(by_alias=True, exclude_none=True) == stated


def test_pr_08_the_output_schema_is_kept(server: Server, api: StandIn, era: str) -> None:
    """A result that does not fit it is told, with what arrived; nothing breaks."""
    example = shown(VENDOR.document)
    schema = server.tools()[TOOL].output_schema
    assert schema is not None
    assert schema["required"] == example["outputSchema"]["required"]
    assert "response_summary" in schema["properties"]
    assert '"const": "incident"' in json.dumps(schema)
    assert server.right(TOOL, CALL) == LIST
    for structured, said in (
        ({"response": [{**INCIDENT, "type": "service"}], "response_summary": "x"}, "response[0].type"),
        ({"response": []}, "response_summary"),
        ([1, 2], "is no object"),
        (None, "left out the structured content"),
    ):
        body = {"content": [{"type": "text", "text": "as text"}], "isError": False}
        body |= {"structuredContent": structured} if structured is not None else {}
        api.raw.append(message({"result": {**body, **({"resultType": "complete"} if era == NEW else {})}}))
        result = server.call(TOOL, CALL)
        assert result.is_error
        assert result.structured_content is None
        assert said in text_of(result)
        assert "as text" in text_of(result)
        assert structured is None or json.dumps(structured, ensure_ascii=False)[1:-1] in text_of(result)


@pytest.mark.parametrize("id_", [42, "42", None])
def test_pr_09_ids_of_answers(server: Server, api: StandIn, id_: Any) -> None:
    """An answer belongs to the request on whose connection it comes, whether its id is a number or a text."""
    api.raw.append(message({"result": {**ANSWER, "resultType": "complete"}}, id_))
    assert server.right(TOOL, CALL) == LIST


@pytest.mark.parametrize("status", [200, 400])
def test_pr_10_errors_of_json_rpc_are_passed_on(server: Server, api: StandIn, era: str, status: int) -> None:
    error = {"code": -32602, "message": "Invalid params", "data": {"details": f"'x' of {KEY} is missing."}}
    api.raw.append(message({"error": error}, None, status))
    with pytest.raises(MCPError) as caught:
        server.call(TOOL, CALL)
    assert (caught.value.code, caught.value.message) == (-32602, "Invalid params")
    assert caught.value.data == {"details": "'x' of *** is missing."}


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_pr_10_errors_of_the_rest_api_are_told(server: Server, api: StandIn, era: str, status: int) -> None:
    error = {"code": 2010, "message": f"Not for {KEY}", "errors": ["The team is unknown.", "Ask ☃."]}
    api.raw.append((status, {"content-type": "application/json"}, json.dumps({"error": error}).encode()))
    result = server.call(TOOL, CALL)
    assert result.is_error
    for words in (str(status), "Not for ***", "2010", "The team is unknown.", "Ask ☃."):
        assert words in text_of(result)
    assert KEY not in text_of(result)
    assert len(api.calls()) == 1
    if status == 401:
        whose = VENDOR.variable if server.transport == "stdio" else "the key that came with this call"
        assert whose in text_of(result)


def test_pr_11_the_rate_limit_is_waited_out(server: Server, api: StandIn, era: str) -> None:
    """A reading call is sent again after the time that a 429 asks for; one that asks for too much is told."""
    limit = json.dumps({"error": {"code": 2020, "message": "Rate limit", "errors": []}}).encode()
    server.right(TOOL, CALL)
    api.posts.clear()
    api.raw.append((429, {"content-type": "application/json", "retry-after": "0.3"}, limit))
    started = time.monotonic()
    assert server.right(TOOL, CALL) == LIST
    assert time.monotonic() - started >= 0.3
    assert len(api.calls()) == 2
    api.raw.append((429, {"content-type": "application/json", "retry-after": "100"}, limit))
    result = server.call(TOOL, CALL)
    assert result.is_error
    assert "Rate limit" in text_of(result)
    assert "100" in text_of(result)
    assert len(api.calls()) == 3


@pytest.mark.parametrize("way", ["stdio", "http"])
def test_pr_11_a_write_is_never_sent_twice(start: Starter, api: StandIn, tmp_path: Path, way: str) -> None:
    shutil.copytree(VENDOR.specs, tmp_path / "spec")
    (tmp_path / "spec" / "tools-list.json").write_text(json.dumps({"tools": [listed("add_note")]}))
    folder = place(built(tmp_path / "spec")[1], tmp_path / "out")
    api.raw.append((429, {"content-type": "application/json", "retry-after": "0"}, b'{"error":{"message":"Slow"}}'))
    with start.fresh(way, "--enable-write-tools", folder=folder) as server:
        result = server.call("add_note")
    assert result.is_error
    assert "Slow" in text_of(result)
    assert len(api.calls()) == 1


def test_pr_12_vs_code_asks_for_the_key() -> None:
    local, remote = Readme(VENDOR).json("VS Code")
    asked = {"type": "promptString", "id": "pagerduty-api-key", "password": True}
    assert {k: v for k, v in remote["inputs"][0].items() if k != "description"} == asked
    (server,) = remote["servers"].values()
    assert server["type"] == "http"
    assert server["url"].endswith("/mcp")
    assert server["headers"] == {"Authorization": "Token token=${input:pagerduty-api-key}"}
    assert local["inputs"][0]["password"] is True
    assert local["servers"]["pagerduty-remote"]["env"] == {VENDOR.variable: "${input:pagerduty-user-api-key}"}


def test_pr_13_drift_is_found(vendor: Path, api: StandIn) -> None:
    """`mcpgen build --check --live` compares with the live list: 0 where it is the same, else 1 and the differences."""
    api.entries = [listed("a"), listed("b")]
    assert run("fetch").exit_code == 0
    assert run("build").exit_code == 0
    done = run("build", "--check", "--live")
    assert done.exit_code == 0, done.output
    api.entries = [listed("b", description="Other."), listed("c")]
    done = run("build", "--check", "--live")
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-3:] == [
        "specs/pagerduty-mcp: a: no longer listed",
        "specs/pagerduty-mcp: b: description changed",
        "specs/pagerduty-mcp: c: new",
    ]
    assert run("build", "--check").exit_code == 0
    (vendor / "specs" / VENDOR.name / "tools-list.json").unlink()
    assert run("build", "--check").exit_code == 1, "without the snapshot the server would be another one"
    assert run("build", "--live").exit_code == 2
