"""StatusPal Next: SP-1 to SP-17 of the checklist, but for SP-6 and SP-7 (see test_every_row)."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import mcp.types as t
import pytest
from conftest import built, place
from mcp import MCPError

from .harness import (
    KEY,
    OTHER,
    STATUSPAL,
    Api,
    OverHttp,
    Readme,
    Reply,
    Server,
    Starter,
    body_of,
    document_of,
    hints,
    text_of,
)

VENDOR = STATUSPAL
SWITCHES = ("--log-level", "debug")
HINT = "The API key may be invalid or revoked: generate a fresh one in the settings of StatusPal Next."
SEARCH = "search_api_docs"


def variant(folder: Path, *, added: str = "", without: str = "") -> Path:
    """The server that comes of another mcpgen.toml: with more lines, or without an operation."""
    shutil.copytree(VENDOR.specs, folder / "spec")
    configuration = folder / "spec" / "mcpgen.toml"
    said = f'\n[exclude]\noperations = ["{without}"]\n' if without else ""
    configuration.write_text(configuration.read_text(encoding="utf-8") + said + added, encoding="utf-8")
    return place(built(folder / "spec")[1], folder / "server")


def test_sp_01_every_resource_has_its_tools(server: Server, api: Api) -> None:
    """One tool an operation, in the area of its tag; each sends its method and path, and what the document allows."""
    operations = {o.node["operationId"]: o for o in document_of(VENDOR.document).operations()}
    names = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", id_).lower(): o for id_, o in operations.items()}
    listed = server.tools()
    assert listed.keys() == {*names, SEARCH}
    areas = Readme(VENDOR).areas
    for name, arguments in VENDOR.examples.items():
        if name == SEARCH:
            continue
        assert areas[name] == names[name].node["tags"][0].lower().replace(" ", "_")
        result = server.call(name, arguments)
        assert not result.is_error, text_of(result)
        way = re.escape(names[name].path).replace("\\{", "{").replace("\\}", "}")
        assert api.last.method == names[name].method
        assert re.fullmatch("/api/v1" + re.sub(r"\{\w+\}", "[^/]+", way), api.last.target.split("?")[0])
        assert api.last.operation == names[name].node["operationId"]
    assert api.problems == []
    assert Counter(r.method for r in api.requests)["PATCH"] == 8
    promised = {
        "status_pages": "list get create update delete",
        "services": "list get create update delete",
        "containers": "list get create update delete",
        "webhooks": "list get create update delete regenerate",
        "notices": "list get create update delete resolve close post edit",
    }
    for area, verbs in promised.items():
        assert {n.split("_")[0] for n, a in areas.items() if a == area} == set(verbs.split())


def test_sp_02_docs_are_searched_without_a_request(server: Server, api: Api) -> None:
    tool = server.tools()[SEARCH]
    assert (tool.title, hints(tool)) == ("Search the API docs", "R1 D0 I1")
    assert tool.annotations is not None
    assert tool.annotations.open_world_hint is False
    found = server.right(SEARCH, {"query": "rotate the secret of a webhook"})["results"]
    assert "regenerate_webhook_secret" in [r.get("tool") for r in found]
    assert server.right(SEARCH, {"query": "display_response_time_chart"})["results"]
    assert server.right(SEARCH, {"query": "xyzzy"})["results"] == []
    assert api.requests == []


@pytest.mark.parametrize("way", ["stdio legacy", "http"])
def test_sp_03_no_ai_and_no_other_host(start: Starter, api: Api, tmp_path: Path, way: str) -> None:
    """Whatever is called: the client is never asked to sample, and no socket leads anywhere but to the API."""
    log = tmp_path / "sockets.txt"
    spy = f"""
import sys
def hook(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        with open({str(log)!r}, "a") as file:
            print(event, args[1] if event == "socket.connect" else args[:2], file=file)
sys.addaudithook(hook)
"""
    (tmp_path / "sitecustomize.py").write_text(spy)

    async def sample(*_: Any) -> Any:
        raise AssertionError("the server asked the client's model")

    env = {"PYTHONPATH": f"{tmp_path}:{VENDOR.folder}"}
    with start.fresh(way, "--enable-write-tools", env=env, sampling_callback=sample) as server:
        for name, arguments in VENDOR.examples.items():
            assert not server.call(name, arguments).is_error
    port = int(re.findall(r":(\d+)", api.url)[0])
    used = {line for line in log.read_text().splitlines() if not line.startswith("socket.getaddrinfo (None")}
    allowed = {f"socket.connect ('127.0.0.1', {port})", f"socket.getaddrinfo ('127.0.0.1', {port})"}
    allowed.add("socket.getaddrinfo ('127.0.0.1', 0)")  # the port that it listens on
    assert f"socket.connect ('127.0.0.1', {port})" in used
    assert used <= allowed
    source = "".join(p.read_text() for p in (VENDOR.folder / VENDOR.package).rglob("*.py"))
    assert not re.search(r"create_message|CreateMessage|anthropic|openai", source)


def test_sp_04_and_sp_05_the_key_is_the_callers(start: Starter, api: Api) -> None:
    """Of two callers at a time each uses its own bearer upstream, per request; the server has none."""
    server: Any = start.shared("http")
    clients = {key: server.client(key) for key in (KEY, OTHER)}

    async def many() -> None:
        async def call(key: str, number: int) -> None:
            arguments = {"name": f"{key} {number}", "subdomain": "lumen"}
            result = await clients[key].call_tool("create_container", arguments)
            assert not result.is_error

        await asyncio.gather(*(call(key, number) for number in range(10) for key in (KEY, OTHER)))

    server.loop.run(many())
    assert len(api.requests) == 20
    for request in api.requests:
        assert dict(request.headers)["authorization"] == f"Bearer {body_of(request)['name'].split()[0]}"
    backend = Readme(VENDOR).section("What the service itself keeps")
    assert "the server acts on the status pages that the key may see" in backend


def test_sp_05_the_key_of_the_environment_over_stdio(start: Starter, api: Api) -> None:
    start.shared("stdio").right("list_status_pages")
    assert dict(api.last.headers)["authorization"] == f"Bearer {KEY}"


def test_sp_08_no_key_is_logged(server: Server, api: Api) -> None:
    """All tools at DEBUG, in success and in every kind of failure: the marker is nowhere, nor is it in a result."""
    told = []
    echo = {"error": "x", "message": f"Bearer {KEY} is wrong", "headers": {"Authorization": f"Bearer {KEY}"}}
    for name, arguments in VENDOR.examples.items():
        told.append(server.call(name, arguments))
        for status in (401, 422, 500):
            api.replies = [Reply(status, echo, {"X-Request-Id": KEY})]
            told.append(server.call(name, arguments))
            assert told[-1].is_error is (name != SEARCH)
    api.replies = [Reply(200, b"no json", {"content-encoding": "gzip"})]
    told.append(server.call("list_containers", {"subdomain": "x"}))
    told.append(server.call("create_service", {"subdomain": KEY, "name": 7}))
    if isinstance(server, OverHttp):
        server.post(authorization=f"Token {KEY}")
        server.post({"jsonrpc": "2.0", "id": KEY, "method": "nothing"}, authorization=f"Bearer {KEY}")
    assert server.said.count("DEBUG") > 100
    assert KEY not in server.said
    assert all(KEY not in repr(result) for result in told)
    assert sum("***" in text_of(result) for result in told) == 3 * (len(VENDOR.examples) - 1) + 1


def test_sp_08_no_key_is_in_a_traceback(start: Starter, api: Api, tmp_path: Path) -> None:
    """Of a server with a mistake of ours in it, which shows the key in an exception; nor where nothing answers."""
    folder = shutil.copytree(VENDOR.folder, tmp_path / "server")
    module = folder / VENDOR.package / "tools" / "services.py"
    module.write_text(module.read_text().replace('id="listServices"', f'server="{KEY}"'))
    with start.fresh("stdio", "--log-level", "debug", folder=folder, url="https://127.0.0.1:9") as server:
        told = [server.call("list_services", {"subdomain": "x"}), server.call("list_status_pages")]
        assert "KeyError: '***'" in server.told("Traceback")
        assert KEY not in server.said
    assert "internal error in the server" in text_of(told[0])
    assert "could not connect" in text_of(told[1])
    assert all(result.is_error and KEY not in repr(result) for result in told)


def test_sp_09_a_revoked_key_ends_at_the_next_call(server: Server, api: Api) -> None:
    server.right("list_status_pages")
    api.reply(401, {"error": "unauthorized"})
    refused = server.call("list_status_pages")
    assert refused.is_error
    assert len(api.requests) == 2
    assert "cuts off access with the next call" in Readme(VENDOR).section("What the service itself keeps")


def test_sp_10_pages_of_listed_origins_only(start: Starter, api: Api, tmp_path: Path) -> None:
    """By default of none; of those that the configuration lists, or the operator."""
    page, stranger = "https://app.example.com", "https://evil.example.com"

    def preflight(server: Any, origin: str) -> tuple[int, str | None]:
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        answer = server.request("OPTIONS", headers)
        return answer.status_code, answer.headers.get("access-control-allow-origin")

    server: Any = start.shared("http")
    assert preflight(server, page) == preflight(server, stranger) == (403, None)
    assert server.post(origin=page, authorization=f"Bearer {KEY}").status_code == 403
    folder = variant(tmp_path, added=f'\n[http]\ncors_origins = ["{page}"]\n')
    for way in ({"folder": folder}, {}):
        with start.fresh("http", *(() if way else ("--cors-origin", page)), **way) as server:
            assert preflight(server, page) == (204, page)
            assert preflight(server, stranger) == (403, None)
            answer = server.post(origin=page, authorization=f"Bearer {KEY}")
            assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, page)
            assert server.post(origin=stranger, authorization=f"Bearer {KEY}").status_code == 403
    assert api.requests == []


def test_sp_11_confirmation(server: Server) -> None:
    """Annotations of every write, the words in its description and in the instructions of the server."""
    methods = dict(re.findall(r"(?ms)^### `(\w+)`\n\n[^`]*`([A-Z]+) /", VENDOR.text("TOOLS.md")))
    for name, tool in server.tools().items():
        stated = hints(tool)
        assert stated.startswith("R1 D0") is (name == SEARCH or methods[name] == "GET"), name
        if methods.get(name) in ("PATCH", "DELETE"):
            assert stated.startswith("R0 D1")
        if stated.startswith("R0"):
            assert "Ask the user for confirmation before you call this" in (tool.description or "")
    assert "Ask the user for confirmation before anything that changes or deletes data" in server.about().instructions


@pytest.mark.parametrize("way", ["stdio", "stdio legacy"])
def test_sp_11_the_server_asks_if_it_is_told_to(start: Starter, api: Api, way: str) -> None:
    action = "decline"
    asked = []

    async def user(context: Any, params: Any) -> t.ElicitResult:
        asked.append(params.message)
        return t.ElicitResult(action=action)  # type: ignore[arg-type]

    with start.fresh(way, "--enable-write-tools", "--ask-before-writes", elicitation_callback=user) as server:
        server.right("list_status_pages")
        assert not asked
        api.reset()
        assert server.call("delete_status_page", {"subdomain": "lumen"}).is_error
        assert api.requests == []
        action = "accept"
        server.right("delete_status_page", {"subdomain": "lumen"})
    assert len(asked) == 2
    assert '"lumen"' in asked[0]
    assert [r.method for r in api.requests] == ["DELETE"]


def test_sp_12_the_list_is_the_same_until_it_is_made_anew(server: Server, start: Starter, tmp_path: Path) -> None:
    assert server.about().capabilities.tools.list_changed is False
    names = list(server.tools())
    assert names == sorted(VENDOR.entries)
    assert list(server.tools()) == names
    if server.transport == "http" and server.mode != "legacy":
        with start.fresh("http", "--enable-write-tools", folder=variant(tmp_path, without="deleteStatusPage")) as other:
            assert list(other.tools()) == [n for n in names if n != "delete_status_page"]


def test_sp_13_a_wrong_key_is_told_what_to_do(server: Server, api: Api) -> None:
    api.reply(401, {"error": "unauthorized", "message": "Invalid API key"})
    refused = server.call("list_status_pages")
    assert refused.is_error
    assert "Invalid API key" in text_of(refused)
    assert HINT in text_of(refused)
    if server.transport == "http":
        answer = server.post()  # type: ignore[attr-defined]
        assert answer.status_code == 401
        assert HINT in answer.json()["error"]["message"]
        assert "list_status_pages" not in answer.text


def test_sp_14_claude_code() -> None:
    local, remote = map(shlex.split, Readme(VENDOR).commands("Claude Code"))
    assert remote == [
        *("claude", "mcp", "add", "--transport", "http", "statuspal", "https://mcp.next.statuspal.io/mcp"),
        *("--header", "Authorization: Bearer YOUR_API_KEY"),
    ]
    assert local[-3:] == ["--", "uvx", "statuspal-mcp"]
    assert local[3:6] == ["statuspal", "--env", "STATUSPAL_API_KEY=YOUR_API_KEY"]


WEB = """
1. Open Customize, Connectors, and choose Add custom connector.
2. Name it `statuspal` and give the server's address, `https://mcp.next.statuspal.io/mcp`.
3. Sign in when the server asks for it; or, where Request headers are offered, add the one with your key.
4. In a chat, switch the connector on, and choose which tools may run without asking.
"""
CHATGPT = """
1. Open Settings, Apps (or Connectors), Advanced settings, and turn Developer mode on.
2. Choose Create app, name it `statuspal` and give the server's address, `https://mcp.next.statuspal.io/mcp`.
3. As authentication choose OAuth, and sign in when the server asks for it.
4. In a chat, choose the app from the + menu. ChatGPT asks before it calls a tool that writes.
"""


def test_sp_15_claude_on_the_web_chatgpt_and_cursor() -> None:
    readme = Readme(VENDOR)
    assert WEB in readme.section("Claude on the web")
    assert CHATGPT in readme.section("ChatGPT")
    local, remote = (block["mcpServers"]["statuspal"] for block in readme.json("Cursor"))
    assert local == {"command": "uvx", "args": ["statuspal-mcp"], "env": {"STATUSPAL_API_KEY": "YOUR_API_KEY"}}
    headers = {"Authorization": "Bearer YOUR_API_KEY"}
    assert remote == {"url": "https://mcp.next.statuspal.io/mcp", "headers": headers}
    assert "~/.cursor/mcp.json" in readme.section("Cursor")
    assert "cursor://anysphere.cursor-deeplink/mcp/install?name=statuspal&config=" in readme.section("Cursor")


def test_sp_16_an_explicit_null_is_sent(server: Server, api: Api) -> None:
    check = {"check_id": "mck_1"}
    assert server.right("update_monitoring_check", {**check, "automation": None})["automation"] is None
    server.right("update_monitoring_check", {**check, "name": "Door"})
    assert [body_of(r) for r in api.requests] == [{"automation": None}, {"name": "Door"}]
    refused = server.call("update_monitoring_check", {**check, "name": None})
    assert refused.is_error
    assert "name: null is not allowed here" in text_of(refused)
    assert len(api.requests) == 2
    assert api.problems == []


def test_sp_17_a_secret_is_shown_once(server: Server, api: Api) -> None:
    """It reaches the caller, whole, and is in no log."""
    secrets = ["whs-marker-of-create-8c1f", "whs-marker-of-regenerate-2b7d"]
    webhook = {"id": "wbk_1", "name": "x", "url": "https://example.com/x", "events": ["notice.created"]}
    before = len(server.said)
    for secret, tool in zip(secrets, ("create_webhook", "regenerate_webhook_secret"), strict=True):
        api.reply(200, {"data": {**webhook, "secret": secret}})
        result = server.call(tool, VENDOR.examples[tool])
        assert result.structured_content is not None
        assert result.structured_content["secret"] == secret
        assert json.loads(text_of(result))["secret"] == secret
    logged = server.told("operation=regenerateWebhookSecret", since=before)
    assert "DEBUG" in logged
    for secret in secrets:
        assert secret not in logged
    for tool in ("create_webhook", "regenerate_webhook_secret"):
        assert "shown" in VENDOR.entries[tool]["description"]
    with pytest.raises(MCPError):
        server.call("reveal_webhook_secret")
