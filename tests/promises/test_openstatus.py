"""openstatus: OS-1 to OS-26 of the checklist.

The API is a small openstatus that keeps its state and every request, and fails when it is told to: what a mock of the
document answers says nothing of what was stored.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import mcp.types as t
import pytest
from conftest import built, place
from mcp import Client, MCPError

from mcpgen import spec
from mcpgen.mock import Mock
from mcpgen.problems import Rejected

from .harness import ACCEPT, KEY, NOW, OPENSTATUS, OTHER, Readme, Server, Starter, document_of, hints, text_of

VENDOR = OPENSTATUS
SPECS = VENDOR.specs
CORPUS = os.environ.get("MCPGEN_CORPUS", "")
VENDORS = Path(CORPUS, "openstatus-connectrpc.yaml") if CORPUS else None
READING = ["list_maintenances", "list_status_pages", "list_status_reports"]
NOTIFYING = ["add_status_report_update", "create_maintenance", "create_status_report", "resolve_status_report"]
NAMES = sorted([*READING, *NOTIFYING, "update_status_report"])
ACTIVE = [f"STATUS_REPORT_STATUS_{s}" for s in ("INVESTIGATING", "IDENTIFIED", "MONITORING")]
DATE = "2026-11-20T08:50:00.250Z"
GIVEN: dict[str, dict[str, Any]] = {
    "list_status_pages": {},
    "list_status_reports": {},
    "list_maintenances": {},
    "create_status_report": {
        "title": "Sign-in fails",
        "status": "investigating",
        "message": "Some users cannot sign in.",
        "pageId": 1,
        "pageComponentIds": [31, 32],
        "date": DATE,
        "notify": False,
    },
    "add_status_report_update": {
        "statusReportId": 7,
        "status": "monitoring",
        "message": "A fix is live.",
        "date": DATE,
        "notify": False,
    },
    "resolve_status_report": {"statusReportId": 7, "message": "All is well again.", "date": DATE, "notify": False},
    "update_status_report": {"statusReportId": 7, "title": "Sign-in is slow", "pageComponentIds": [32]},
    "create_maintenance": {
        "title": "Database upgrade",
        "message": "Billing is read-only.",
        "from": "2026-12-05T02:00:00.5Z",
        "to": "2026-12-05T06:00:00+02:00",
        "pageId": 1,
        "notify": False,
    },
}
"""Arguments with which each tool goes through."""
MUTATION = {
    "add_status_report_update": "AddStatusReportUpdate",
    "create_maintenance": "CreateMaintenance",
    "create_status_report": "CreateStatusReport",
    "resolve_status_report": "AddStatusReportUpdate",
    "update_status_report": "UpdateStatusReport",
}


# --- the API ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """A request that the API got."""

    method: str
    body: dict[str, Any]
    headers: dict[str, str]


class Fault(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.body = status, {"code": code, "message": message}


class Openstatus:
    """An openstatus with one workspace.

    `faults` are what methods answer instead, `late` what comes of a call when it has stored; without `timelines` the
    answer to a write has none, in a `crowded` one somebody else adds an update at the same time.
    """

    def __init__(self) -> None:
        self.url = ""
        self.reset()

    def reset(self) -> None:
        self.requests: list[Request] = []
        self.faults: dict[str, Fault] = {}
        self.late: Fault | None = None
        self.timelines, self.crowded = True, False
        self.pages = [self._page(1, "Acme", "acme"), self._page(2, "Acme Tools", "acme-tools")]
        self.reports: list[dict[str, Any]] = []
        self.maintenances: list[dict[str, Any]] = []
        self._report(5, "Invoices delayed", "RESOLVED", 1)
        self._report(7, "Slow answers", "IDENTIFIED", 1)
        self._report(8, "Emails delayed", "MONITORING", 2)

    def _page(self, number: int, title: str, slug: str) -> dict[str, Any]:
        secret = {"password": "s3cret-of-a-page", "authEmailDomains": ["acme.example"]}
        return {"id": str(number), "title": title, "slug": slug, "published": True, **secret}

    def _report(self, number: int, title: str, status: str, page: int) -> None:
        update = {"id": str(100 * number), "status": f"STATUS_REPORT_STATUS_{status}", "message": "We look at it."}
        update["date"] = "2026-11-19T10:05:00.000Z"
        report = {"id": str(number), "title": title, "status": update["status"], "updates": [update], "page": page}
        self.reports.append({**report, "createdAt": f"2026-11-{10 + number}T09:00:00.000Z"})

    def called(self, method: str = "") -> list[Request]:
        return [r for r in self.requests if method in ("", r.method)]

    def answer(self, method: str, body: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        self.requests.append(Request(method, body, headers))
        if method in self.faults:
            raise self.faults[method]
        if not 1 <= body.get("limit", 50) <= 100:
            raise Fault(400, "invalid_argument", "limit must be from 1 to 100")
        done: dict[str, Any] = getattr(self, method)(body)
        return done

    def _slice(self, key: str, items: list[dict[str, Any]], body: dict[str, Any]) -> dict[str, Any]:
        """As JSON of protocol buffers: what is empty is left out."""
        start = body.get("offset", 0)
        found = items[start : start + body.get("limit", 50)]
        return {k: v for k, v in {key: found, "totalSize": len(items)}.items() if v}

    def _found(self, body: dict[str, Any], key: str) -> dict[str, Any]:
        for report in self.reports:
            if report["id"] == body[key]:
                return report
        raise Fault(404, "not_found", f"status_report {body[key]} not found")

    def _shown(self, report: dict[str, Any], timeline: bool = True) -> dict[str, Any]:
        return {k: v for k, v in report.items() if k != "page" and (timeline or k != "updates")}

    def _written(self, report: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        number = 1 + max((int(u["id"]) for r in self.reports for u in r["updates"]), default=0)
        kept = {k: body[k] for k in ("status", "message")}
        update = {"id": str(number), "date": stored(body["date"]), **kept}
        other = {**update, "id": str(number + 1), "message": "Somebody else's."}
        report["updates"] += [update, other] if self.crowded else [update]
        report["updates"].sort(key=lambda u: u["date"], reverse=True)
        report["status"] = body["status"]
        if self.late:
            raise self.late
        return {"statusReport": self._shown(report, self.timelines)}

    def ListStatusPages(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._slice("statusPages", self.pages, body)

    def GetStatusPageOverview(self, body: dict[str, Any]) -> dict[str, Any]:
        page = next((p for p in self.pages if p["id"] == body["id"]), None)
        if page is None:
            raise Fault(404, "not_found", f"status_page {body['id']} not found")
        there = [self._shown(r) for r in reversed(self.reports) if str(r["page"]) == body["id"]]
        return {"statusPage": page, "statusReports": there}

    def ListStatusReports(self, body: dict[str, Any]) -> dict[str, Any]:
        wanted = body.get("statuses", [])
        reports = [self._shown(r, False) for r in reversed(self.reports) if not wanted or r["status"] in wanted]
        return self._slice("statusReports", reports, body)

    def GetStatusReport(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"statusReport": self._shown(self._found(body, "id"))}

    def CreateStatusReport(self, body: dict[str, Any]) -> dict[str, Any]:
        number = 1 + max(int(r["id"]) for r in self.reports)
        report = {"id": str(number), "title": body["title"], "updates": [], "page": body["pageId"]}
        report |= {"createdAt": "2026-11-20T09:00:00.000Z"}
        report |= {"pageComponentIds": ids} if (ids := body.get("pageComponentIds")) else {}
        self.reports.append(report)
        return self._written(report, body)

    def AddStatusReportUpdate(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._written(self._found(body, "statusReportId"), body)

    def UpdateStatusReport(self, body: dict[str, Any]) -> dict[str, Any]:
        report = self._found(body, "id")
        report |= {"title": body["title"]} if "title" in body else {}
        if body.get("updatePageComponentIds"):
            report["pageComponentIds"] = body.get("pageComponentIds", [])
        return {"statusReport": self._shown(report)}

    def ListMaintenances(self, body: dict[str, Any]) -> dict[str, Any]:
        there = [m for m in reversed(self.maintenances) if body.get("pageId") in (None, m["pageId"])]
        return self._slice("maintenances", there, body)

    def CreateMaintenance(self, body: dict[str, Any]) -> dict[str, Any]:
        kept = {k: v for k, v in body.items() if k != "notify" and v}
        found = {
            **kept,
            "id": str(900 + len(self.maintenances)),
            "from": stored(body["from"]),
            "to": stored(body["to"]),
        }
        self.maintenances.append(found)
        if self.late:
            raise self.late
        return {"maintenance": found}


def stored(date: str) -> str:
    """A date-time as the API gives it back: in UTC, without the fraction."""
    moment = datetime.fromisoformat(date).astimezone(UTC).replace(microsecond=0)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@contextmanager
def listening(api: Openstatus) -> Iterator[Openstatus]:
    """Serve the API on a port, in a thread."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                status, answer = 200, api.answer(self.path.rpartition("/")[2], body, headers)
            except Fault as fault:
                status, answer = fault.status, fault.body
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()


# --- the server -------------------------------------------------------------------------------------------------------


@cache
def entries() -> dict[str, dict[str, Any]]:
    return VENDOR.entries


@pytest.fixture(scope="module")
def mock() -> Iterator[Openstatus]:
    with listening(Openstatus()) as api:
        yield api


Body = Callable[[Client], Awaitable[None]]
Talk = Callable[[Body], None]


@pytest.fixture
def talk(server: Server) -> Talk:
    """Runs a body with a client, over each transport and in each era of the protocol."""

    def run(body: Body) -> None:
        async def main(client: Client) -> None:
            await body(client)

        server.asked(main)

    return run


@pytest.fixture
def ask(server: Server) -> Callable[..., Any]:
    """Calls a tool; its result, or the error of the protocol."""

    def call(name: str, arguments: dict[str, Any] | None = None, **more: Any) -> Any:
        try:
            return server.call(name, {**(GIVEN[name] if arguments is None else arguments), **more})
        except MCPError as error:
            return error

    return call


def right(result: Any) -> dict[str, Any]:
    """The structured content of a result that is no error, and the same as its text."""
    assert not result.is_error, text_of(result)
    value: dict[str, Any] = result.structured_content
    assert json.loads(result.content[0].text) == value
    return value


# --- which tools there are --------------------------------------------------------------------------------------------


def test_os_04_exactly_the_eight(talk: Talk) -> None:
    async def body(client: Client) -> None:
        listed = (await client.list_tools()).tools
        assert [t.name for t in listed] == NAMES
        for tool in listed:
            assert tool.model_dump(by_alias=True, exclude_none=True, mode="json") == entries()[tool.name]

    talk(body)


@pytest.mark.skipif(VENDORS is None, reason="MCPGEN_CORPUS is not set")
def test_os_04_the_vendors_document_gives_the_same(tmp_path: Path, start: Starter, api: Openstatus) -> None:
    """83 operations, 24 of them twins; the very same tools come out, and the same requests."""
    assert VENDORS is not None
    for name in ("mcpgen.toml", "custom.py"):
        shutil.copy(SPECS / name, tmp_path)
    shutil.copy(VENDORS, tmp_path / "openapi.yaml")
    loaded = spec.load(VENDORS)
    operations = list(loaded.operations())
    assert len(operations) == 83
    assert sum(o.method == "GET" for o in operations) == 24
    made, theirs = built(tmp_path)
    assert [t.name for t in made.tools] == NAMES
    assert theirs["openstatus_mcp/tools.json"] == VENDOR.text("openstatus_mcp/tools.json")
    with start.fresh("stdio", "--enable-write-tools", folder=place(theirs, tmp_path / "server")) as server:
        for name, arguments in GIVEN.items():
            right(server.call(name, arguments))
    sent = [(r.method, r.body) for r in api.requests]
    checked = asyncio.run(violations(loaded, sent))
    assert checked == []
    assert asyncio.run(violations(document_of(VENDOR.document), sent)) == []


async def violations(document: spec.Spec, sent: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """What a document has against requests."""
    mock = Mock(document)
    base = await mock.start()
    paths = {o.path.rpartition("/")[2]: o.path for o in document.operations()}
    try:
        async with httpx2.AsyncClient(headers={"x-openstatus-key": KEY}) as http:
            for method, body in sent:
                await http.post(base + paths[method], json=body)
    finally:
        await mock.stop()
    assert len(mock.requests) == len(sent)
    return [problem for r in mock.requests for problem in r.problems]


def test_os_10_annotations(server: Server) -> None:
    """All set, on every tool; the reads are POSTs whose path has a GET twin."""
    listed = server.tools()
    reads, writes = dict.fromkeys(READING, "R1 D0 I1"), dict.fromkeys(NOTIFYING, "R0 D1 I0")
    assert {n: hints(tool) for n, tool in listed.items()} == reads | writes | {"update_status_report": "R0 D1 I1"}
    for tool in listed.values():
        assert tool.annotations is not None
        assert tool.annotations.title == tool.title
        assert tool.annotations.open_world_hint is (tool.name in NOTIFYING)  # mail goes out to subscribers


def test_os_11_a_write_that_says_it_reads_is_refused(tmp_path: Path) -> None:
    text = (SPECS / "custom.py").read_text()
    begin = text.index("class CreateMaintenance(")
    wrong = text[begin:].replace(
        "read_only=False,\n        destructive=True", "read_only=True,\n        destructive=False"
    )
    with pytest.raises(Rejected) as caught:
        built(changed(tmp_path, text[:begin] + wrong))
    (problem,) = caught.value.problems
    assert problem.message == "CreateMaintenance is not read-only: it calls MaintenanceService_CreateMaintenance"
    assert (problem.file, problem.line) == ("custom.py", text[:begin].count("\n") + 1)


def changed(folder: Path, custom: str) -> Path:
    """The specs of openstatus with another custom.py."""
    shutil.copytree(SPECS, folder, dirs_exist_ok=True)
    (folder / "custom.py").write_text(custom)
    return folder


def test_os_12_the_server_does_not_ask_again(server: Server, api: Openstatus) -> None:
    """Its tools that write work with a client that cannot ask anybody."""
    for name in NAMES:
        right(server.call(name, GIVEN[name]))
    assert len(api.requests) == len(NAMES)


@pytest.mark.parametrize("way", ["stdio legacy", "http"])
def test_os_12_unless_the_operator_wants_it_to(start: Starter, api: Openstatus, way: str) -> None:
    asked = []

    async def user(context: Any, params: Any) -> t.ElicitResult:
        asked.append(params.message)
        return t.ElicitResult(action="accept")

    with start.fresh(way, "--enable-write-tools", "--ask-before-writes", elicitation_callback=user) as server:
        for name in NAMES:
            right(server.call(name, GIVEN[name]))
    assert len(asked) == len(MUTATION)
    assert len(api.requests) == len(NAMES)


@pytest.mark.parametrize("way", ["stdio legacy", "http"])
def test_os_26_without_the_switch_writes_are_not_there(start: Starter, api: Openstatus, way: str) -> None:
    with start.fresh(way) as server:
        assert list(server.tools()) == READING
        for name in MUTATION:
            with pytest.raises(MCPError, match="--enable-write-tools"):
                server.call(name, GIVEN[name])
    assert api.requests == []


# --- reading ----------------------------------------------------------------------------------------------------------


def test_os_06_pages_without_their_secrets(talk: Talk, api: Openstatus) -> None:
    entry = entries()["list_status_pages"]
    assert "Used to discover the pageId required by mutation tools." in entry["description"]
    assert entry["inputSchema"] == {"type": "object", "properties": {}, "additionalProperties": False}
    assert entry["outputSchema"]["properties"]["items"]["items"]["required"] == ["id", "slug", "title"]

    async def body(client: Client) -> None:
        result = await client.call_tool("list_status_pages", {})
        pages = [{"id": 1, "title": "Acme", "slug": "acme"}, {"id": 2, "title": "Acme Tools", "slug": "acme-tools"}]
        assert right(result) == {"items": pages}
        assert "s3cret" not in repr(result)

    talk(body)
    assert [(r.method, r.body) for r in api.requests] == [("ListStatusPages", {"limit": 100, "offset": 0})]


def test_all_pages_are_listed(ask: Callable[..., Any], api: Openstatus) -> None:
    api.pages = [api._page(n, f"Page {n}", f"page-{n}") for n in range(1, 251)]
    assert [p["id"] for p in right(ask("list_status_pages"))["items"]] == list(range(1, 251))
    assert [r.body for r in api.requests] == [
        {"limit": 100, "offset": 0},
        {"limit": 100, "offset": 100},
        {"limit": 100, "offset": 200},
    ]
    api.reset()
    api.pages = [api._page(n, f"Page {n}", f"page-{n}") for n in range(1, 101)]
    assert len(right(ask("list_status_pages"))["items"]) == 100
    assert len(api.requests) == 1
    api.pages = []
    assert right(ask("list_status_pages")) == {"items": []}
    api.pages = [api._page(n, "x", "x") for n in range(1, 1002)]
    refused = ask("list_status_pages")
    assert refused.is_error
    assert "1,001 status pages" in text_of(refused)


def test_os_07_active_reports_unless_all_are_wanted(talk: Talk, api: Openstatus) -> None:
    async def body(client: Client) -> None:
        found = right(await client.call_tool("list_status_reports", {}))
        assert [(r["id"], r["status"]) for r in found["items"]] == [(8, "monitoring"), (7, "identified")]
        whole = right(await client.call_tool("list_status_reports", {"filter": "all"}))
        assert [r["id"] for r in whole["items"]] == [8, 7, 5]
        assert whole["items"][2] == {
            "id": 5,
            "title": "Invoices delayed",
            "status": "resolved",
            "pageComponentIds": [],
            "createdAt": "2026-11-15T09:00:00.000Z",
            "updatedAt": None,
        }

    talk(body)
    assert [r.body for r in api.called("ListStatusReports")] == [
        {"limit": 50, "offset": 0, "statuses": ACTIVE},
        {"limit": 50, "offset": 0},
    ]
    schema = entries()["list_status_reports"]["inputSchema"]
    assert schema["properties"]["filter"]["default"] == "active"
    assert schema["properties"]["filter"]["enum"] == ["active", "all"]
    assert "required" not in schema


def test_reports_of_a_page(ask: Callable[..., Any], api: Openstatus) -> None:
    found = right(ask("list_status_reports", pageId=2))
    assert [r["id"] for r in found["items"]] == [8]
    assert found["pagination"] == {"page": 1, "perPage": 50, "totalSize": 1, "totalPages": 1}
    assert "s3cret" not in json.dumps(found)
    assert [(r.method, r.body) for r in api.requests] == [("GetStatusPageOverview", {"id": "2"})]
    assert [r["id"] for r in right(ask("list_status_reports", pageId=1))["items"]] == [7]
    second = right(ask("list_status_reports", pageId=2, page=2, perPage=1))
    assert (second["items"], second["pagination"]["totalPages"]) == ([], 1)
    unknown = ask("list_status_reports", pageId=9)
    assert unknown.is_error
    assert "status_page 9 not found" in text_of(unknown)
    count = len(api.requests)
    refused = ask("list_status_reports", pageId=2, filter="all")
    assert refused.is_error
    assert "active reports only" in text_of(refused)
    assert len(api.requests) == count


@pytest.mark.parametrize(
    ("name", "method", "kept"),
    [
        ("list_status_reports", "ListStatusReports", "reports"),
        ("list_maintenances", "ListMaintenances", "maintenances"),
    ],
)
def test_os_08_pages_with_their_metadata(
    ask: Callable[..., Any], api: Openstatus, name: str, method: str, kept: str
) -> None:
    more = {"statuses": ACTIVE} if kept == "reports" else {}
    api.reports.clear()
    for number in range(1, 121):
        api._report(number % 10 + 1, "Many", "IDENTIFIED", 1)
        api.CreateMaintenance(GIVEN["create_maintenance"])
    found = right(ask(name, page=2, perPage=50))
    assert found["pagination"] == {"page": 2, "perPage": 50, "totalSize": 120, "totalPages": 3}
    assert len(found["items"]) == 50
    assert right(ask(name, page=3, perPage=50))["pagination"]["totalPages"] == 3
    assert right(ask(name, page=4, perPage=40))["items"] == []
    assert right(ask(name, page=1, perPage=40))["pagination"]["totalPages"] == 3
    sent = [(r.body["limit"], r.body["offset"]) for r in api.called(method)]
    assert sent == [(50, 50), (50, 100), (40, 120), (40, 0)]
    assert all(r.body == {"limit": r.body["limit"], "offset": r.body["offset"], **more} for r in api.requests)
    getattr(api, kept).clear()
    assert right(ask(name))["pagination"] == {"page": 1, "perPage": 50, "totalSize": 0, "totalPages": 0}
    assert entries()[name]["outputSchema"]["properties"]["pagination"]["required"] == [
        "page",
        "perPage",
        "totalPages",
        "totalSize",
    ]


def test_os_09_limits(talk: Talk, api: Openstatus) -> None:
    for _ in range(330):
        api.CreateMaintenance(GIVEN["create_maintenance"])
    for name in ("list_status_reports", "list_maintenances"):
        stated = entries()[name]["inputSchema"]["properties"]
        whole = {"type": "integer", "minimum": 1}
        assert {**stated["page"], "description": ""} == {**whole, "default": 1, "description": ""}
        assert {**stated["perPage"], "description": ""} == {**whole, "default": 50, "maximum": 200, "description": ""}

    async def body(client: Client) -> None:
        for name in ("list_status_reports", "list_maintenances"):
            for wrong in ({"perPage": 201}, {"perPage": 0}, {"page": 0}, {"page": "2"}, {"pageId": None}):
                refused = await client.call_tool(name, wrong)
                assert refused.is_error, wrong
                assert next(iter(wrong)) in text_of(refused)
        assert api.requests == []
        # The API gives 100 at once: a page of 200 is two requests, the last page one and a short one.
        first = right(await client.call_tool("list_maintenances", {"perPage": 200}))
        second = right(await client.call_tool("list_maintenances", {"perPage": 200, "page": 2}))
        assert (len(first["items"]), len(second["items"])) == (200, 130)
        assert first["pagination"] == {"page": 1, "perPage": 200, "totalSize": 330, "totalPages": 2}
        assert len(right(await client.call_tool("list_maintenances", {"perPage": 150}))["items"]) == 150

    talk(body)
    sent = [(r.body["limit"], r.body["offset"]) for r in api.requests]
    assert sent == [(100, 0), (100, 100), (100, 200), (100, 300), (100, 0), (50, 100)]


def test_maintenances(ask: Callable[..., Any], api: Openstatus) -> None:
    ask("create_maintenance", pageComponentIds=[31])
    ask("create_maintenance", pageId=2)
    found = right(ask("list_maintenances", pageId=1))
    assert found["items"] == [
        {
            "id": 900,
            "title": "Database upgrade",
            "message": "Billing is read-only.",
            "from": "2026-12-05T02:00:00.000Z",
            "to": "2026-12-05T04:00:00.000Z",
            "pageId": 1,
            "pageComponentIds": [31],
        }
    ]
    assert api.requests[-1].body == {"limit": 50, "offset": 0, "pageId": "1"}
    assert len(right(ask("list_maintenances"))["items"]) == 2


# --- notify -----------------------------------------------------------------------------------------------------------


def test_os_13_notify_is_required(talk: Talk, api: Openstatus) -> None:
    for name in NOTIFYING:
        schema = entries()[name]["inputSchema"]
        assert "notify" in schema["required"]
        assert set(schema["properties"]["notify"]) == {"type", "description"}
        assert schema["properties"]["notify"]["type"] == "boolean"

    async def body(client: Client) -> None:
        for name in NOTIFYING:
            without = {k: v for k, v in GIVEN[name].items() if k != "notify"}
            for wrong in ({}, {"notify": None}, {"notify": "true"}, {"notify": 1}):
                refused = await client.call_tool(name, {**without, **wrong})
                assert refused.is_error
                assert "notify: " in text_of(refused)
                assert "nothing was sent" in text_of(refused)

    talk(body)
    assert api.requests == []


def test_os_14_an_update_never_notifies(ask: Callable[..., Any], api: Openstatus) -> None:
    assert "notify" not in entries()["update_status_report"]["inputSchema"]["properties"]
    refused = ask("update_status_report", notify=False)
    assert refused.is_error
    assert "notify: unknown argument" in text_of(refused)
    assert api.requests == []
    right(ask("update_status_report"))
    assert "notify" not in api.requests[-1].body


BROKEN = Fault(500, "internal", "the mail service is away")
LEFT: dict[str, dict[str, Any]] = {
    "create_status_report": {
        "statusReport": {
            "id": 9,
            "title": "Sign-in fails",
            "status": "investigating",
            "pageId": 1,
            "createdAt": "2026-11-20T09:00:00.000Z",
        },
        "initialUpdateId": 801,
    },
    "add_status_report_update": {"statusReportUpdateId": 801},
    "resolve_status_report": {"statusReportUpdateId": 801},
    "create_maintenance": {
        "id": 900,
        "title": "Database upgrade",
        "from": "2026-12-05T02:00:00.000Z",
        "to": "2026-12-05T04:00:00.000Z",
        "pageId": 1,
    },
}
"""What each tool answers, but for `notified`."""


@pytest.mark.parametrize("notify", [True, False])
def test_os_16_the_result_says_whether_anybody_was_notified(talk: Talk, api: Openstatus, notify: bool) -> None:
    for name in NOTIFYING:
        schema = entries()[name]["outputSchema"]
        assert "notified" in schema["required"]
        assert schema["properties"]["notified"]["type"] == "boolean"

    async def body(client: Client) -> None:
        for name, rest in LEFT.items():
            api.reset()
            found = right(await client.call_tool(name, {**GIVEN[name], "notify": notify}))
            assert found == {**rest, "notified": notify}
            assert [(r.method, r.body["notify"]) for r in api.requests] == [(MUTATION[name], notify)]

    talk(body)


def test_os_15_what_is_stored_stays_when_notifying_fails(talk: Talk, api: Openstatus) -> None:
    """The answer is no error, so that nobody repeats the call; and it is never sent a second time."""

    async def body(client: Client) -> None:
        for name, rest in LEFT.items():
            for status in (500, 503):
                api.reset()
                api.late = Fault(status, "internal", "the mail service is away")
                found = right(await client.call_tool(name, {**GIVEN[name], "notify": True}))
                assert found == {**rest, "notified": False}
                assert len(api.called(MUTATION[name])) == 1
                assert len(api.requests) <= 3

    talk(body)


def test_os_15_now_is_told_from_earlier(ask: Callable[..., Any], api: Openstatus) -> None:
    """Without a date of its own a report is found all the same, beside one that says nearly that."""
    given = {k: v for k, v in GIVEN["create_status_report"].items() if k != "date"}
    older = right(ask("create_status_report", {**GIVEN["create_status_report"], "notify": True}))
    api.late = BROKEN
    newer = right(ask("create_status_report", {**given, "notify": True}))
    assert (older["statusReport"]["id"], newer["statusReport"]["id"], newer["notified"]) == (9, 10, False)
    assert [r["id"] for r in api.reports].count("10") == 1


@pytest.mark.parametrize("name", NOTIFYING)
def test_os_15_only_what_is_stored_counts(ask: Callable[..., Any], api: Openstatus, name: str) -> None:
    def told(fault: Fault, notify: bool, stays: bool) -> tuple[str, list[str]]:
        api.reset()
        for nearly in ({"message": "Something else."}, {"date": "2026-11-20T08:50:02Z", "to": "2026-12-05T05:00:00Z"}):
            known = entries()[name]["inputSchema"]["properties"]
            right(ask(name, **{k: v for k, v in nearly.items() if k in known}))
        api.requests.clear()
        if stays:
            api.late = fault
        else:
            api.faults[MUTATION[name]] = fault
        if fault is lost:
            api.faults |= dict.fromkeys(("GetStatusReport", "ListStatusReports", "ListMaintenances"), fault)
        result = ask(name, notify=notify)
        methods = [r.method for r in api.requests]
        if isinstance(result, MCPError):
            return result.error.message, methods
        assert result.is_error
        return text_of(result), methods

    lost = Fault(500, "internal", "nothing works")
    # Nothing was stored; nothing could be looked up; nobody was to be notified; a gateway knows nothing.
    for fault, notify, stays in (
        (BROKEN, True, False),
        (lost, True, True),
        (BROKEN, False, True),
        (Fault(502, "unavailable", "no answer from behind"), True, True),
        (Fault(504, "deadline_exceeded", "no answer in time"), True, True),
        (Fault(400, "invalid_argument", "no such component"), True, False),
    ):
        message, methods = told(fault, notify, stays)
        assert str(fault) in message
        if fault.status >= 500:
            assert "check before repeating it" in message
        assert methods.count(MUTATION[name]) == 1
        assert len(methods) == 1 or fault.status == 500


# --- writing ----------------------------------------------------------------------------------------------------------


def test_what_is_sent(talk: Talk, api: Openstatus) -> None:
    """Ids are texts, statuses have the API's names, a component list of an update says that it counts."""

    async def body(client: Client) -> None:
        for name in MUTATION:
            right(await client.call_tool(name, GIVEN[name]))

    talk(body)
    sent = {(r.method, r.body.get("status", "")): r.body for r in api.requests}
    assert sent == {
        ("CreateStatusReport", "STATUS_REPORT_STATUS_INVESTIGATING"): {
            "title": "Sign-in fails",
            "status": "STATUS_REPORT_STATUS_INVESTIGATING",
            "message": "Some users cannot sign in.",
            "pageId": "1",
            "pageComponentIds": ["31", "32"],
            "date": DATE,
            "notify": False,
        },
        ("AddStatusReportUpdate", "STATUS_REPORT_STATUS_MONITORING"): {
            "statusReportId": "7",
            "status": "STATUS_REPORT_STATUS_MONITORING",
            "message": "A fix is live.",
            "date": DATE,
            "notify": False,
        },
        ("AddStatusReportUpdate", "STATUS_REPORT_STATUS_RESOLVED"): {
            "statusReportId": "7",
            "status": "STATUS_REPORT_STATUS_RESOLVED",
            "message": "All is well again.",
            "date": DATE,
            "notify": False,
        },
        ("UpdateStatusReport", ""): {
            "id": "7",
            "title": "Sign-in is slow",
            "pageComponentIds": ["32"],
            "updatePageComponentIds": True,
        },
        ("CreateMaintenance", ""): {
            "title": "Database upgrade",
            "message": "Billing is read-only.",
            "from": "2026-12-05T02:00:00.5Z",
            "to": "2026-12-05T06:00:00+02:00",
            "pageId": "1",
            "pageComponentIds": [],
            "notify": False,
        },
    }


def test_a_date_is_now_unless_it_is_given(ask: Callable[..., Any], api: Openstatus) -> None:
    for name in ("create_status_report", "add_status_report_update", "resolve_status_report"):
        schema = entries()[name]["inputSchema"]
        assert "date" not in schema["required"]
        right(ask(name, {k: v for k, v in GIVEN[name].items() if k != "date"}))
        date = api.requests[-1].body["date"]
        assert abs(datetime.fromisoformat(date) - datetime.now(UTC)) < timedelta(seconds=30)
        assert date.endswith("Z")


def test_the_id_of_an_update_in_an_answer_without_a_timeline(ask: Callable[..., Any], api: Openstatus) -> None:
    api.timelines = False
    assert right(ask("create_status_report"))["initialUpdateId"] == 801
    assert [r.method for r in api.requests] == ["CreateStatusReport", "GetStatusReport"]
    api.faults["GetStatusReport"] = BROKEN
    assert right(ask("resolve_status_report")) == {"statusReportUpdateId": None, "notified": False}
    api.reset()
    api.crowded = True
    assert right(ask("resolve_status_report"))["statusReportUpdateId"] == 801


def test_updates_of_a_report(ask: Callable[..., Any], api: Openstatus) -> None:
    assert right(ask("update_status_report")) == {"id": 7, "title": "Sign-in is slow", "status": "identified"}
    right(ask("update_status_report", {"statusReportId": 7, "pageComponentIds": []}))
    assert api.requests[-1].body == {"id": "7", "pageComponentIds": [], "updatePageComponentIds": True}
    right(ask("update_status_report", {"statusReportId": 7, "title": "Slow"}))
    assert api.requests[-1].body == {"id": "7", "title": "Slow"}
    api.reset()
    # Resolved is no status that it takes; another one than the present the API cannot set, so nothing is changed.
    schema = entries()["update_status_report"]["inputSchema"]
    assert schema["properties"]["status"]["enum"] == ["investigating", "identified", "monitoring"]
    refused = ask("update_status_report", status="resolved")
    assert refused.is_error
    assert "status: " in text_of(refused)
    assert api.requests == []
    refused = ask("update_status_report", status="monitoring")
    assert refused.is_error
    assert "nothing was changed: use add_status_report_update" in text_of(refused)
    assert api.called("UpdateStatusReport") == []
    right(ask("update_status_report", status="identified"))
    assert len(api.called("UpdateStatusReport")) == 1
    api.reset()
    assert right(ask("update_status_report", {"statusReportId": 7, "status": "identified"}))["title"] == "Slow answers"
    assert api.called("UpdateStatusReport") == []


def test_inputs_are_those_that_are_promised() -> None:
    """The seed's table of inputs: name, type, required, default."""
    seed = {
        "create_status_report": "title* status* message* pageId* pageComponentIds date notify*",
        "add_status_report_update": "statusReportId* status* message* date notify*",
        "update_status_report": "statusReportId* title status pageComponentIds",
        "resolve_status_report": "statusReportId* message* date notify*",
        "create_maintenance": "title* message* from* to* pageId* pageComponentIds notify*",
        "list_status_reports": "filter pageId page perPage",
        "list_maintenances": "pageId page perPage",
        "list_status_pages": "",
    }
    for name, said in seed.items():
        schema = entries()[name]["inputSchema"]
        required = set(schema.get("required", []))
        assert {k + "*" * (k in required) for k in schema["properties"]} == set(said.split())
        assert schema["additionalProperties"] is False
        for key, argument in schema["properties"].items():
            assert argument["description"], (name, key)
            if key == "title":
                assert (argument["minLength"], argument["maxLength"]) == (1, 256)
            elif key == "message":
                assert argument["minLength"] == 1
            elif key in ("pageId", "statusReportId"):
                assert argument["type"] == "integer"
            elif key == "pageComponentIds":
                assert (argument["type"], argument["items"]) == ("array", {"type": "integer"})
                assert argument.get("default", []) == []
        if "status" in schema["properties"] and name != "update_status_report":
            values = ["investigating", "identified", "monitoring", "resolved"]
            assert schema["properties"]["status"]["enum"] == values


# --- texts ------------------------------------------------------------------------------------------------------------

STEPS = """
1. Draft the title/status/message/components.
2. Show the draft to the user.
3. Ask explicitly whether to notify subscribers.
4. Only call the tool once both content and notify are confirmed.
"""


def test_os_17_draft_and_confirm(server: Server) -> None:
    for name in NOTIFYING:
        description = entries()[name]["description"]
        assert f"Before you call it:{STEPS}" in description
        assert "notified: false" in description
        assert len(description) <= 1200
        assert all("\n" not in part for part in description.split("\n\n") if "1. " not in part)
    assert "Draft the change, show it to the user" in entries()["update_status_report"]["description"]
    assert "ask whether subscribers are to be notified" in server.about().instructions


def test_os_18_look_up_before_writing(server: Server) -> None:
    listed = {name: tool.model_dump(by_alias=True) for name, tool in server.tools().items()}
    assert listed.keys() == {*NAMES}
    for name, entry in listed.items():
        if name != "list_status_pages":
            assert "list_status_pages" in entry["description"]
        if not entry["annotations"]["readOnlyHint"]:
            assert "never type a numeric id you don't know" in entry["description"]
        for key, lookup in (("pageId", "list_status_pages"), ("statusReportId", "list_status_reports")):
            if key in entry["inputSchema"]["properties"]:
                assert lookup in entry["inputSchema"]["properties"][key]["description"]
    assert "{tool:" not in json.dumps(listed)


def test_os_18_a_named_tool_must_exist(tmp_path: Path) -> None:
    text = (SPECS / "custom.py").read_text()
    wrong = text.replace("{tool:list_status_pages}", "{tool:list_pages}", 1)
    with pytest.raises(Rejected) as caught:
        built(changed(tmp_path, wrong))
    (problem,) = caught.value.problems
    assert problem.message == "there is no tool 'list_pages' to name in a description"
    line = wrong[: wrong.index("{tool:list_pages}")].count("\n") + 1
    assert (problem.file, problem.line) == ("custom.py", line)


def test_os_24_snippets() -> None:
    """Claude Desktop's and Cursor's, in the forms that these read."""
    readme = Readme(VENDOR)
    remote = "https://api.openstatus.dev/mcp"
    local = {"command": "uvx", "args": ["openstatus-mcp"], "env": {"OPENSTATUS_API_KEY": "YOUR_API_KEY"}}
    bridge = {
        "command": "npx",
        "args": ["-y", "mcp-remote", remote, "--header", "x-openstatus-key:${API_KEY}"],
        "env": {"API_KEY": "YOUR_API_KEY"},
    }
    assert [b["mcpServers"] for b in readme.json("Claude Desktop")] == [{"openstatus": local}, {"openstatus": bridge}]
    header = {"x-openstatus-key": "YOUR_API_KEY"}
    assert [b["mcpServers"] for b in readme.json("Cursor")] == [
        {"openstatus": local},
        {"openstatus": {"url": remote, "headers": header}},
    ]
    assert f'{remote} --header "x-openstatus-key: YOUR_API_KEY"' in readme.section("Claude Code")


# --- errors -----------------------------------------------------------------------------------------------------------


def test_os_19_an_unknown_id(talk: Talk, api: Openstatus) -> None:
    async def body(client: Client) -> None:
        for name in ("add_status_report_update", "resolve_status_report", "update_status_report"):
            result = await client.call_tool(name, {**GIVEN[name], "statusReportId": 4711})
            assert result.is_error
            assert "status_report 4711 not found" in text_of(result)

    talk(body)
    assert len(api.requests) == 3


@pytest.mark.parametrize("status", [400, 404, 409, 412, 422, 429])
def test_os_20_what_a_model_can_mend_is_a_result(talk: Talk, api: Openstatus, status: int) -> None:
    fault = Fault(status, "failed", f"the vendor's words for {status}")
    api.faults = dict.fromkeys({*MUTATION.values(), "ListStatusPages", "ListStatusReports", "ListMaintenances"}, fault)

    async def body(client: Client) -> None:
        for name in NAMES:
            before = len(api.requests)
            result = await client.call_tool(name, {**GIVEN[name], **({"notify": True} if name in NOTIFYING else {})})
            assert result.is_error
            assert f"the vendor's words for {status}" in text_of(result)
            assert len(api.requests) == before + 1

    talk(body)


@pytest.mark.parametrize(("status", "code"), [(401, -32600), (403, -32600), (500, -32603)])
def test_os_21_what_it_cannot_is_an_error_of_the_protocol(talk: Talk, api: Openstatus, status: int, code: int) -> None:
    fault = Fault(status, "failed", f"the vendor's words for {status}")
    api.faults = dict.fromkeys({*MUTATION.values(), "ListStatusPages", "ListStatusReports", "ListMaintenances"}, fault)

    async def body(client: Client) -> None:
        for name in NAMES:
            with pytest.raises(MCPError) as caught:
                await client.call_tool(name, GIVEN[name])
            assert caught.value.error.code == code
            assert f"the vendor's words for {status}" in caught.value.error.message
        with pytest.raises(MCPError) as caught:
            await client.call_tool("delete_status_page", {})
        assert caught.value.error.code == -32602

    talk(body)


def test_os_22_nothing_is_redacted_but_the_key(talk: Talk, api: Openstatus) -> None:
    api.faults["ListStatusPages"] = Fault(400, "failed", f"limit is wrong for {KEY}, row 0xCAFE of db-7.internal")

    async def body(client: Client) -> None:
        result = await client.call_tool("list_status_pages", {})
        assert "limit is wrong for ***, row 0xCAFE of db-7.internal" in text_of(result)
        assert KEY not in repr(result)

    talk(body)
    assert api.requests[0].headers["x-openstatus-key"] == KEY


def test_os_23_one_call_for_one_call(talk: Talk, api: Openstatus) -> None:
    async def body(client: Client) -> None:
        for name, arguments in GIVEN.items():
            before = len(api.requests)
            right(await client.call_tool(name, arguments))
            assert len(api.requests) == before + 1

    talk(body)
    assert asyncio.run(violations(document_of(VENDOR.document), [(r.method, r.body) for r in api.requests])) == []


def test_os_25_moments_are_iso_8601(talk: Talk, api: Openstatus) -> None:
    for name, keys in (("create_maintenance", ("from", "to")), ("create_status_report", ("date",))):
        for key in keys:
            stated = entries()[name]["inputSchema"]["properties"][key]
            assert stated["format"] == "date-time"
            assert re.fullmatch(stated["pattern"], "2026-12-05T02:00:00.5+02:00")

    async def body(client: Client) -> None:
        for key in ("from", "to"):
            for wrong in (
                "tomorrow",
                "2026-12-05",
                "2026-12-05 02:00",
                "2026-13-05T02:00:00Z",
                "2026-12-05T02:00:00",
                7,
            ):
                refused = await client.call_tool("create_maintenance", {**GIVEN["create_maintenance"], key: wrong})
                assert refused.is_error, wrong
                assert f"- {key}: " in text_of(refused)
        refused = await client.call_tool("create_status_report", {**GIVEN["create_status_report"], "date": "soon"})
        assert refused.is_error
        assert api.requests == []
        for right_ in ("2026-12-05T02:00:00Z", "2026-12-05T02:00:00.123456789+05:30"):
            given = {**GIVEN["create_maintenance"], "from": right_}
            right(await client.call_tool("create_maintenance", given))
            assert api.requests[-1].body["from"] == right_

    talk(body)


# --- serving ----------------------------------------------------------------------------------------------------------


def test_os_01_one_stateless_endpoint(start: Starter, api: Openstatus) -> None:
    """No session: two clients, a restart between two calls of each, and all three methods answered."""
    server: Any
    with start.fresh("http") as server:
        for key in (KEY, OTHER):
            answer = server.post(x_openstatus_key=key)
            assert (answer.status_code, "mcp-session-id" in answer.headers) == (200, False)
            assert "list_status_pages" in answer.text
        headers = {**ACCEPT, "x-openstatus-key": KEY}
        with httpx2.Client() as http, http.stream("GET", server.url, headers=headers) as stream:
            assert (stream.status_code, stream.headers["content-type"][:17]) == (200, "text/event-stream")
        assert server.request("DELETE", headers).status_code == 405
        for method in ("GET", "DELETE"):
            answer = server.request(method, {**headers, "MCP-Protocol-Version": NOW})
            assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
        for mode in (NOW, "legacy"):
            server.mode = mode
            right(server.call("list_status_pages"))
        server.stop()
        with start.fresh("http", "--port", str(server.port)):
            for mode in (NOW, "legacy"):
                server.mode = mode
                right(server.call("list_status_pages"))
    assert len(api.requests) == 4


@pytest.mark.parametrize("way", ["http", "http legacy"])
def test_os_02_the_callers_own_key(start: Starter, api: Openstatus, way: str) -> None:
    server: Any = start.shared(way)
    clients = {key: server.client(key) for key in (KEY, OTHER)}

    async def many() -> None:
        calls = [
            clients[key].call_tool(
                "create_status_report", {**GIVEN["create_status_report"], "title": f"{key} {number}"}
            )
            for number in range(20)
            for key in clients
        ]
        for result in await asyncio.gather(*calls):
            right(result)

    server.loop.run(many())
    assert len(api.requests) == 40
    assert all(r.body["title"].split()[0] == r.headers["x-openstatus-key"] for r in api.requests)
    assert not any("authorization" in r.headers for r in api.requests)


def test_os_02_the_environments_key_over_stdio(start: Starter, api: Openstatus) -> None:
    right(start.shared("stdio").call("list_status_pages"))
    assert api.requests[-1].headers["x-openstatus-key"] == KEY


def test_os_03_without_a_key_nothing_is_served(start: Starter, api: Openstatus) -> None:
    server: Any = start.shared("http")
    for headers in ({}, {"x_openstatus_key": ""}, {"authorization": f"Bearer {KEY}"}):
        answer = server.post(**headers)
        assert answer.status_code == 401
        assert "x-openstatus-key" in answer.json()["error"]["message"]
        assert "list_status_pages" not in answer.text
    refused = start.refused("--base-url", api.url, env={VENDOR.variable: None})
    assert (refused.returncode, refused.stdout) == (2, "")
    assert VENDOR.variable in refused.stderr
    assert api.requests == []


def test_os_05_changes_are_attributed(server: Server, api: Openstatus) -> None:
    """Upstream by the User-Agent, and here by a line for each: no other, and no key."""
    before = len(server.said)
    for name in NAMES:
        right(server.call(name, GIVEN[name]))
    said = server.told("tool=update_status_report", since=before)
    assert {r.headers["user-agent"] for r in api.requests} == {"openstatus-mcp/0.1.0 (transport=mcp)"}
    told = sorted(re.findall(r"(?m)^openstatus: audit (.*)$", said))
    assert [re.sub(r"request=\S+", "request=…", line) for line in told] == [
        "tool=add_status_report_update operation=StatusReportService_AddStatusReportUpdate request=… status=200",
        "tool=create_maintenance operation=MaintenanceService_CreateMaintenance request=… status=200",
        "tool=create_status_report operation=StatusReportService_CreateStatusReport request=… status=200",
        "tool=resolve_status_report operation=StatusReportService_AddStatusReportUpdate request=… status=200",
        "tool=update_status_report operation=StatusReportService_UpdateStatusReport request=… status=200",
    ]
    assert KEY not in said
    assert "metadata.transport is for the service to write" in Readme(VENDOR).section("What the service itself keeps")
