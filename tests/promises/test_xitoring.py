"""Xitoring: XI-1 to XI-15 of the checklist."""

from __future__ import annotations

import asyncio
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import built, planned
from mcp import Client

from mcpgen.mock import Recorded
from mcpgen.plan import json_bytes
from mcpgen.problems import Rejected

from .harness import (
    KEY,
    OTHER,
    ROOT,
    XITORING,
    Api,
    Readme,
    Reply,
    Server,
    Starter,
    body_of,
    document_of,
    hints,
    text_of,
)

VENDOR = XITORING
REMOTE = "https://app.xitoring.com/mcp"
WRITES = {
    "resolving incidents": ["resolve_incident"],
    "notes": ["add_incident_note", "update_incident_note"],
    "test notifications": ["send_test_notification"],
    "pause and unpause": ["pause_check", "unpause_check"],
    "create checks": ["create_heartbeat_check", "create_http_check", "create_ping_check", "create_ssl_check"],
    "maintenance": ["create_maintenance", "end_maintenance", "update_maintenance"],
    "update and test checks": ["test_check", "update_check"],
    "tickets": ["close_ticket", "create_ticket", "reply_to_ticket", "upload_ticket_attachment"],
    "invite contacts": ["invite_contact", "resend_contact_invite"],
}


def test_xi_01_one_endpoint_with_the_callers_bearer(start: Starter, api: Api) -> None:
    """Streamable HTTP without sessions; the key is each caller's, and a restart breaks no client."""
    server: Any
    with start.fresh("http", "--enable-write-tools") as server:
        for key in (KEY, OTHER):
            answer = server.post(authorization=f"Bearer {key}")
            assert (answer.status_code, "mcp-session-id" in answer.headers) == (200, False)
            assert "list_checks" in answer.text
        assert server.post().status_code == 401
        assert "list_checks" not in server.post().text
        for method in ("GET", "DELETE"):
            modern = {"Authorization": f"Bearer {KEY}", "MCP-Protocol-Version": "2026-07-28"}
            assert server.request(method, modern).status_code == 405
        clients = {key: server.client(key) for key in (KEY, OTHER)}

        async def many(clients: dict[str, Client]) -> None:
            calls = [(key, {"email": "a@example.com", "name": f"{key} {n}"}) for n in range(10) for key in clients]
            await asyncio.gather(*(clients[key].call_tool("invite_contact", given) for key, given in calls))

        server.loop.run(many(clients))
        assert len(api.requests) == 20
        server.stop()
        with start.fresh("http", "--enable-write-tools", "--port", str(server.port)):
            server.loop.run(many(clients))
    assert len(api.requests) == 40
    for request in api.requests:
        assert dict(request.headers)["authorization"] == f"Bearer {body_of(request)['name'].split()[0]}"


def test_xi_02_more_than_60_tools(server: Server) -> None:
    """Reads, reports and writes of every area, on pages that a client can take, each with a name of its own."""
    listed = server.tools()
    assert len(listed) > 60
    assert listed.keys() == VENDOR.entries.keys()
    areas = Readme(VENDOR).areas
    promised = (
        "servers triggers checks incidents notifications maintenances status_pages reports integrations tickets "
        "contacts groups locations account"
    )
    assert set(areas.values()) == set(promised.split())
    budget = int(re.findall(r"tool_bytes = ([\d_]+)", (VENDOR.specs / "mcpgen.toml").read_text())[0])
    assert sum(len(json_bytes(e)) for e in VENDOR.entries.values()) < budget <= 80_000


def test_xi_02_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    shutil.copytree(VENDOR.specs, tmp_path / "spec")
    with (tmp_path / "spec" / "mcpgen.toml").open("a") as file:
        file.write('\n[tools.getCheck]\nname = "list_checks"\n')
    with pytest.raises(Rejected, match="list_checks"):
        built(tmp_path / "spec")


def test_xi_03_the_curated_writes_and_no_other(server: Server, api: Api) -> None:
    """What the API deletes, and what else it writes, is not there; what is there works."""
    writes = {name for name, tool in server.tools().items() if hints(tool).startswith("R0")}
    assert writes == {name for names in WRITES.values() for name in names}
    for name in sorted(writes):
        result = server.call(name, VENDOR.examples[name])
        assert not result.is_error, text_of(result)
    assert api.problems == []
    methods = {r.method for r in api.requests}
    assert methods == {"POST", "PUT"}
    written = {o.node["operationId"] for o in document_of(VENDOR.document).operations() if o.method != "GET"}
    out = {o.operation_id: o.reason for o in planned(VENDOR.specs).left_out}
    assert len(written) == len(writes) + len(out)
    assert set(out.values()) == {"not included by the configuration"}  # a list of what may be, not of what may not
    for operation in out:
        with pytest.raises(Exception, match="unknown tool"):
            server.call(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).lower())


def test_xi_04_writes_are_said_to_be_real(server: Server) -> None:
    for name, tool in server.tools().items():
        assert ("This executes a real change in the account" in (tool.description or "")) is (
            hints(tool).startswith("R0")
        ), name
    assert "Tools that write execute real changes in your account." in Readme(VENDOR).section("Security")
    assert hints(VENDOR.entries["update_check"]) == "R0 D1 I1"
    assert hints(VENDOR.entries["add_incident_note"]) == "R0 D0 I0"


def test_xi_04_writes_are_off_until_they_are_switched_on(start: Starter, api: Api) -> None:
    with start.fresh("stdio") as server:
        assert api.requests == []  # XI-14: nothing at start either
        listed = server.tools()
        assert all(hints(tool) == "R1 D0 I1" for tool in listed.values())
        assert len(listed) == len(VENDOR.entries) - sum(map(len, WRITES.values()))
        with pytest.raises(Exception, match="--enable-write-tools"):
            server.call("pause_check", {"checkId": 1})


def test_xi_05_approval(server: Server) -> None:
    """Every hint is set, so that a client can tell; the README asks for a client that asks."""
    for tool in server.tools().values():
        stated = tool.model_dump(by_alias=True)["annotations"]
        assert all(isinstance(stated[f"{h}Hint"], bool) for h in ("readOnly", "destructive", "idempotent", "openWorld"))
    security = " ".join(Readme(VENDOR).section("Security").split())
    assert "Use a client that requires explicit approval for tool calls." in security


def test_xi_06_a_key_of_its_own_and_a_name(server: Server, api: Api) -> None:
    server.right("get_account")
    version = re.findall(r'(?m)^version = "(.*)"', VENDOR.text("pyproject.toml"))[0]
    agent = f"xitoring-mcp/{version}"
    assert dict(api.last.headers)["user-agent"] == agent
    readme = Readme(VENDOR)
    assert "Give the assistant a key of its own" in readme.section("Install")
    assert "Use a key of its own for this server" in readme.section("Security")
    assert agent in readme.section("Security")


def test_xi_07_the_header_is_exactly_so(start: Starter, api: Api) -> None:
    """Blanks around a key do not matter, another scheme is 401, and the 401 says what is right."""
    advice = "Make sure the header is exactly `Authorization: Bearer YOUR_API_KEY`: no extra spaces, no Token prefix."
    with start.fresh("stdio", env={VENDOR.variable: f"  {KEY}\t\n"}) as server:
        server.right("get_account")
    assert dict(api.last.headers)["authorization"] == f"Bearer {KEY}"
    for wrong in ("", "   ", f"a{chr(10)}b"):
        done = start.refused(env={VENDOR.variable: wrong})
        assert (done.returncode, done.stdout) == (2, "")
        assert VENDOR.variable in done.stderr
        assert "Traceback" not in done.stderr
    http: Any = start.shared("http")
    for header in (f"Token {KEY}", f"Token token={KEY}", KEY, "Bearer", f"Bearer Bearer {KEY}", f"Bearer a {KEY}"):
        answer = http.post(authorization=header)
        assert answer.status_code == 401
        assert advice in answer.json()["error"]["message"]
        assert KEY not in answer.text
    before = len(api.requests)
    assert http.post(authorization=f"Bearer   {KEY}").status_code == 200
    assert len(api.requests) == before
    api.reply(401, {"message": "Unauthenticated."})
    assert advice in text_of(http.call("get_account"))


def test_xi_08_the_rate_limit_is_shared(server: Server, api: Api) -> None:
    """A read waits as it is asked to, a few times; a write is never sent again; then the wait is told."""
    limit = {"message": "Too Many Attempts."}
    api.reply(429, limit, retry_after="0.3")
    begun = time.monotonic()
    server.right("get_account")
    assert len(api.requests) == 2
    assert time.monotonic() - begun >= 0.3
    api.reset()
    api.reply(429, limit, times=9, retry_after="0")
    refused = server.call("get_account")
    assert (refused.is_error, len(api.requests)) == (True, 3)
    api.reset()
    for tool, wait in (("get_account", "120"), ("add_incident_note", "7"), ("pause_check", "7")):
        api.reset()
        api.reply(429, limit, retry_after=wait)
        refused = server.call(tool, VENDOR.examples[tool])
        assert (refused.is_error, len(api.requests)) == (True, 1)
        assert "Too Many Attempts." in text_of(refused)
        assert f"Too many requests: wait before the next call (Retry-After: {wait})." in text_of(refused)
    assert "rate limit" in Readme(VENDOR).section("When something is wrong")


def pages(count: int) -> Any:
    """An account with so many checks."""

    def page(request: Recorded) -> Reply:
        query = {k: int(v[0]) for k, v in parse_qs(urlsplit(request.target).query).items()}
        number, size = query.get("page", 1), query.get("perPage", 25)
        items = [{"id": n} for n in range(1, count + 1)][(number - 1) * size : number * size]
        told = {"page": number, "perPage": size, "total": count, "totalPages": -(-count // size)}
        return Reply(200, {"data": items, "pagination": told})

    return page


def test_xi_09_large_lists_have_an_end(server: Server, api: Api) -> None:
    """As many as are asked for, with no needless request; at the cap the result says that there is more."""
    api.answering = pages(1_234)
    for arguments, count, requests, said in (
        ({}, 20, 1, "there are more"),
        ({"limit": 5}, 5, 1, "The first 5 of 1,234 items; there are more"),
        ({"limit": 1000}, 1000, 10, "the most that one call returns; there are more"),
    ):
        api.requests.clear()
        found = server.right("list_checks", arguments)
        assert [i["id"] for i in found["items"]] == list(range(1, count + 1))
        assert said in found["note"]
        assert len(api.requests) == requests
    api.requests.clear()
    refused = server.call("list_checks", {"limit": 1001})
    assert refused.is_error
    assert api.requests == []
    api.answering = pages(120)
    assert server.right("list_checks", {"limit": 500})["note"] == "120 items, all there are."
    assert len(api.requests) == 2
    assert api.problems == []


def test_xi_10_snippets_of_six_clients() -> None:
    """Each is read as its client reads it."""
    readme = Readme(VENDOR)
    header = {"Authorization": "Bearer YOUR_API_KEY"}
    local = {"command": "uvx", "args": ["xitoring-mcp"], "env": {"XITORING_API_KEY": "YOUR_API_KEY"}}
    _, claude = map(shlex.split, readme.commands("Claude Code"))
    assert claude[3:] == ["--transport", "http", "xitoring", REMOTE, "--header", "Authorization: Bearer YOUR_API_KEY"]
    desktop, bridge = readme.json("Claude Desktop")
    assert desktop == {"mcpServers": {"xitoring": local}}
    remote = {
        "command": "npx",
        "args": ["-y", "mcp-remote", REMOTE, "--header", "Authorization:${AUTH_HEADER}"],
        "env": {"AUTH_HEADER": "Bearer YOUR_API_KEY"},
    }
    assert bridge == {"mcpServers": {"xitoring": remote}}  # mcp-remote
    assert readme.json("Cursor") == [
        {"mcpServers": {"xitoring": local}},
        {"mcpServers": {"xitoring": {"url": REMOTE, "headers": header}}},
    ]
    for code, server in zip(
        readme.json("VS Code"),
        (
            {"type": "stdio", **local, "env": {"XITORING_API_KEY": "${input:xitoring-api-key}"}},
            {"type": "http", "url": REMOTE, "headers": {"Authorization": "Bearer ${input:xitoring-api-key}"}},
        ),
        strict=True,
    ):
        assert code["servers"] == {"xitoring": server}
        assert "mcpServers" not in code
        (asked,) = code["inputs"]
        assert (asked["type"], asked["id"], asked["password"]) == ("promptString", "xitoring-api-key", True)
    generic = readme.section("Any other client")
    assert REMOTE in generic
    assert "Streamable HTTP" in generic
    assert "Authorization: Bearer YOUR_API_KEY" in readme.section("Clients")


def test_xi_11_it_is_there_with_its_tools(server: Server) -> None:
    """What a picker shows: the name of the server, and the tools."""
    about = server.about()
    info = getattr(about, "server_info", None) or about.meta["io.modelcontextprotocol/serverInfo"]
    assert (info["name"] if isinstance(info, dict) else info.name) == "xitoring"
    assert about.capabilities.tools is not None
    assert len(server.tools()) == len(VENDOR.entries)


def test_xi_11_a_trial_over_both_transports() -> None:
    """`mcpgen try`: a client connects and lists over stdio and over HTTP, and calls tools."""
    command = [sys.executable, "-m", "mcpgen", "try", "xitoring", "--calls", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    count = len(VENDOR.entries)
    assert f"Xitoring: {count} tools over stdio and HTTP, MCP 20" in done.stdout
    assert "2 of 2 calls went through" in done.stdout


def test_xi_12_https(start: Starter, api: Api) -> None:
    assert all(s["url"].startswith("https://") for s in document_of(VENDOR.document).root["servers"])
    for refused in (
        start.refused("--base-url", "http://app.xitoring.com/api/v2"),
        start.refused(env={"XITORING_BASE_URL": "http://127.0.0.1.example.com"}),
        start.refused("--http", "--port", "0", "--base-url", "http://10.0.0.1"),
    ):
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "use https, or add --allow-insecure-http" in refused.stderr
    for fine in (("--base-url", "http://10.0.0.1", "--allow-insecure-http"), ("--base-url", "http://localhost:1")):
        with start.fresh("stdio", *fine, url="") as server:
            assert server.tools()
    assert api.requests == []


def test_xi_13_a_revoked_key_ends_at_the_next_call(server: Server, api: Api) -> None:
    server.right("get_account")
    api.reply(401, {"message": "Unauthenticated."})
    refused = server.call("get_account")
    assert refused.is_error
    assert "Unauthenticated." in text_of(refused)
    assert len(api.requests) == 2
    backend = Readme(VENDOR).section("What the service itself keeps")
    assert "Revoking a key at Xitoring ends its access at once" in backend


def test_xi_14_only_what_is_asked_for_is_read(server: Server, api: Api) -> None:
    """Nothing for the list, nothing in the background; one request for a call."""
    server.tools()
    server.about()
    time.sleep(0.1)
    assert api.requests == []
    server.right("get_account")
    time.sleep(0.1)
    assert [(r.method, r.target) for r in api.requests] == [("GET", "/api/v2/account")]


def test_xi_15_a_misspelt_argument_is_refused(server: Server, api: Api) -> None:
    """The API would disregard it, and the call would mean something else."""
    for name, tool in server.tools().items():
        assert tool.input_schema["additionalProperties"] is False
        refused = server.call(name, {**VENDOR.examples[name], "checkid": 1})
        assert refused.is_error
        assert "checkid: unknown argument" in text_of(refused)
    refused = server.call("get_check", {"checkid": 1})
    assert "did you mean 'checkId'?" in text_of(refused)
    assert api.requests == []
