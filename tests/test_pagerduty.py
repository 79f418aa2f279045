"""PagerDuty: our server against PagerDuty's own, call by call, and what their README promises (PL-1 to PL-25).

The seeds hold what PagerDuty's local server took and sent for each of its 64 tools, recorded twice. Here the same facts
are given to our tools, which take them without wrappers, and what arrives at an API is compared: method, path, query
and body. The API is the mock of the document, so that each request is also held against that. Everything is done for
our own document and for PagerDuty's, with the same configuration.

What is equal for both sides is compared as it is meant: the pairs of a query have no order, and an instant may be
written with Z or with +00:00. Everything else that differs is an entry of `DEVIATIONS`, with its reason. One that is
not needed any more fails too.
"""

from __future__ import annotations

import asyncio
import copy
import json
import os
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from conftest import place
from mcp import Client, MCPError, StdioServerParameters

from mcpgen import config, corrections
from mcpgen.custom import completed
from mcpgen.mock import Mock, Recorded
from mcpgen.plan import json_bytes
from mcpgen.planner import plan
from mcpgen.render import render
from mcpgen.spec import Spec

SPECS = Path(__file__).parent.parent / "specs" / "pagerduty"
CORPUS = Path(os.environ["MCPGEN_CORPUS"]) if "MCPGEN_CORPUS" in os.environ else None
SEEDS = CORPUS.parent / "seeds" if CORPUS else None
pytestmark = pytest.mark.skipif(
    SEEDS is None or not (SEEDS / "pagerduty-wire.json").is_file(),
    reason="MCPGEN_CORPUS is not set, or has no seeds/pagerduty-wire.json beside it: NOTHING of PagerDuty is tested",
)
DOCUMENTS = ["ours", "theirs"]


@cache
def seeds(name: str) -> dict[str, Any]:
    assert SEEDS
    found: dict[str, Any] = json.loads((SEEDS / f"pagerduty-{name}.json").read_text(encoding="utf-8"))["tools"]
    return found


NAMES = sorted(seeds("tools")) if SEEDS and SEEDS.is_dir() else []
CALLS = ("minimal", "full")


# --- the same facts ---------------------------------------------------------------------------------------------------

WRAPPED = {
    "add_responders": "request",
    "add_team_member": "member_data",
    "append_event_orchestration_router_rule": "new_rule",
    "create_alert_grouping_setting": "create_model.alert_grouping_setting",
    "create_incident": "create_model.incident",
    "create_schedule": "create_model.schedule",
    "create_schedule_override": "override_request",
    "create_service": "service_data.service",
    "create_status_page_post": "create_model.post",
    "create_status_page_post_update": "create_model.post_update",
    "create_team": "create_model.team",
    "manage_incidents": "manage_request",
    "start_incident_workflow": "instance_request.incident_workflow_instance",
    "update_alert_grouping_setting": "update_model.alert_grouping_setting",
    "update_event_orchestration_router": "router_update.orchestration_path",
    "update_schedule": "update_model.schedule",
    "update_service": "service_data.service",
    "update_team": "update_model.team",
}
"""What stands around the arguments; `query_model` where nothing is said."""

RENAMED = {
    "list_incidents": {"status": "statuses", "teams_ids": "team_ids"},
    "list_services": {"teams_ids": "team_ids"},
    "list_users": {"teams_ids": "team_ids"},
    "manage_incidents": {"assignement": "assignment"},
    "start_incident_workflow": {"id": "instance_id"},
}

PLACEHOLDERS = {
    "create_schedule": {"PTYPE": "daily_restriction", "PSTARTT": "09:00:00"},
    "get_related_incidents": {"PADDITI": "incident"},
    "list_escalation_policies": {"PINCLUD": "teams"},
    "list_schedules": {"PINCLUD": "schedule_layers"},
    "update_schedule": {"PTYPE": "daily_restriction", "PSTARTT": "09:00:00"},
}
"""Of the recording's made-up values those that the document does not know, and one that it does instead."""


def facts(tool: str, call: str) -> dict[str, Any]:
    """The recorded arguments as our tool takes them, without those that are not told."""
    given = filled(tool, seeds("wire")[tool][call]["arguments"])
    for wrapper in WRAPPED.get(tool, "query_model").split("."):
        if wrapper in given:
            given = {k: v for k, v in given.items() if k != wrapper} | given[wrapper]
    for before, now in RENAMED.get(tool, {}).items():
        if before in given:
            given[now] = given.pop(before)
    for deviation in deviations(tool, call):
        for name in deviation.untold:
            assert name in given, f"{tool}, {call}: there is no {name} to leave out: {deviation.reason}"
            del given[name]
    return given


def filled(tool: str, value: Any) -> Any:
    """A recorded value with other placeholders."""
    if isinstance(value, dict):
        return {k: filled(tool, v) for k, v in value.items()}
    if isinstance(value, list):
        return [filled(tool, v) for v in value]
    return PLACEHOLDERS.get(tool, {}).get(value, value) if isinstance(value, str) else value


# --- what differs, and why --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Deviation:
    """What our tools send otherwise than was recorded, on purpose.

    `edits` change the recorded request: `-?name=value` takes a pair out of the query, `+?name=value` puts one in;
    `-path: value` takes the member at a path out of the body, wherever it has that value, `+path: value` sets one.
    `untold` are recorded arguments that our tool does not have; `pages`: only the first of the recorded requests is
    needed; `merged`: the recorded requests are one; `nothing`: none is sent, and the result says why.
    """

    tools: str
    reason: str
    edits: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()
    calls: tuple[str, ...] = CALLS
    pages: bool = False
    merged: bool = False
    nothing: bool = False


_MINIMAL, _FULL = ("minimal",), ("full",)

# The document says nothing of null here: its server fills in what nobody gave.
_ROUTER_NULLS = (
    "-orchestration_path.catch_all.actions.dynamic_route_to: null",
    "-orchestration_path.sets[].rules[].actions.dynamic_route_to: null",
)
_NEW_RULE_NULLS = (
    "-orchestration_path.sets[].rules[].actions.route_to: null",
    "-orchestration_path.sets[].rules[].label: null",
)
_SCHEDULE_NULLS = (
    "-schedule.description: null",
    "-schedule.schedule_layers[].end: null",
    "-schedule.schedule_layers[].restrictions: null",
    "-schedule.schedule_layers[].users[].user.summary: null",
)
_SERVICE_NULLS = (
    "-service.id: null",
    "-service.name: null",
    "-service.description: null",
    "-service.teams: null",
)
_NULLS = "What nobody gave is sent as null there, which the document does not allow."
_PAGE = '{"id": "PSTATUS", "type": "status_page"}'
_POST = '{"id": "PPOSTID", "type": "status_page_post"}'
_STATUS_PAGE_LISTS = (
    "list_status_pages list_status_page_impacts list_status_page_post_updates "
    "list_status_page_severities list_status_page_statuses"
)

DEVIATIONS = [
    # Queries
    Deviation(
        "list_incidents list_services list_users",
        "The document has `team_ids[]`. An API does not filter by `teams_ids[]`, which nobody declared.",
        ("-?teams_ids[]=PTEAMSI", "+?team_ids[]=PTEAMSI"),
        calls=_FULL,
    ),
    Deviation(
        "list_schedules",
        "The document has no `user_ids[]` for schedules.",
        ("-?user_ids[]=PUSERID",),
        untold=("user_ids",),
        calls=_FULL,
    ),
    Deviation(
        "get_past_incidents list_alert_grouping_settings list_change_events list_service_change_events",
        "`total` is a boolean of the document, so true; True is how Python writes it.",
        ("-?total=True", "+?total=true"),
        calls=_FULL,
    ),
    Deviation(
        "list_alert_grouping_settings",
        "The document pages this list by the cursors `after` and `before`; it has no `offset`.",
        ("-?offset=0",),
    ),
    Deviation(
        "list_event_orchestrations",
        "The document has `limit` and `offset` here, no `total`.",
        ("-?total=false",),
    ),
    Deviation(
        "list_incident_change_events",
        "The document has `limit` here, neither `offset` nor `total`.",
        ("-?offset=0", "-?total=false"),
    ),
    Deviation(
        _STATUS_PAGE_LISTS,
        "The document has neither `limit` nor `offset` nor `total` here: the list comes at once, and is cut here.",
        ("-?limit=20", "-?offset=0", "-?total=false"),
        calls=_MINIMAL,
    ),
    Deviation(
        _STATUS_PAGE_LISTS,
        "The document has neither `limit` nor `offset` nor `total` here: the list comes at once, and is cut here.",
        ("-?limit=7", "-?offset=0", "-?total=false"),
        calls=_FULL,
    ),
    Deviation(
        "list_users",
        "One page is all that is ever asked for there. Ours goes on to the next, and begins at 0.",
        ("+?offset=0",),
    ),
    Deviation(
        "list_alerts_from_incident list_incident_workflows list_incidents list_log_entries",
        "Page after page is asked for there with the `limit` of the last answer. Ours stops at what was asked for.",
        pages=True,
    ),
    Deviation(
        "list_incidents",
        "100 are asked for there and 7 kept.",
        ("-?limit=100", "+?limit=7"),
        calls=_FULL,
    ),
    # Nulls
    Deviation("create_schedule", _NULLS, _SCHEDULE_NULLS, calls=_MINIMAL),
    Deviation("create_schedule_override", _NULLS, ("-overrides[].user.summary: null",), calls=_MINIMAL),
    Deviation("create_service update_service", _NULLS, _SERVICE_NULLS, calls=_MINIMAL),
    Deviation("create_team update_team", _NULLS, ("-team.description: null",), calls=_MINIMAL),
    Deviation(
        "update_event_orchestration_router",
        _NULLS,
        (*_ROUTER_NULLS, *_NEW_RULE_NULLS, "-orchestration_path.catch_all.actions.route_to: null"),
        calls=_MINIMAL,
    ),
    Deviation("update_schedule", _NULLS, (*_SCHEDULE_NULLS, "-id: null"), calls=_MINIMAL),
    Deviation("append_event_orchestration_router_rule", _NULLS, (*_ROUTER_NULLS, *_NEW_RULE_NULLS), calls=_MINIMAL),
    Deviation("append_event_orchestration_router_rule", _NULLS, _ROUTER_NULLS, calls=_FULL),
    Deviation(
        "create_status_page_post",
        "The document allows null for `reported_at`, but does not require it; for `post` it does not allow null.",
        ("-post.updates[].reported_at: null", "-post.updates[].post: null"),
        calls=_MINIMAL,
    ),
    Deviation(
        "create_status_page_post_update",
        "The document allows null for `reported_at`, but does not require it.",
        ("-post_update.reported_at: null",),
        calls=_MINIMAL,
    ),
    # Bodies
    Deviation(
        "create_team update_team",
        "The document requires the `type` of a team.",
        ('+team.type: "team"',),
    ),
    Deviation(
        "create_service update_service",
        "`id` and `teams` of a service are readOnly in the document.",
        ('-service.id: "PID"', '-service.teams: [{"id": "PID", "summary": "PSUMMAR", "type": "team_reference"}]'),
        untold=("id", "teams"),
        calls=_FULL,
    ),
    Deviation(
        "update_schedule",
        "The document has nothing beside `schedule` in this body.",
        ('-id: "PID"',),
        untold=("id",),
        calls=_FULL,
    ),
    Deviation(
        "create_schedule update_event_orchestration_router update_schedule",
        "`type` has one value, which is sent and not asked for.",
        untold=("type",),
        calls=_FULL,
    ),
    Deviation(
        "add_responders",
        "`requester_id` is the current user, whatever a model says; PagerDuty's own server does the same.",
        untold=("requester_id",),
    ),
    Deviation(
        "create_status_page_post",
        "The page is that of the path; the recording names another one in the body.",
        ('-post.status_page: {"id": "PID", "type": "status_page"}', f"+post.status_page: {_PAGE}"),
        untold=("status_page",),
        calls=_MINIMAL,
    ),
    Deviation(
        "create_status_page_post",
        "The page is that of the path; the recording names another one in the body.",
        ('-post.status_page: {"id": "PID", "type": "PTYPE"}', f"+post.status_page: {_PAGE}"),
        untold=("status_page",),
        calls=_FULL,
    ),
    Deviation(
        "create_status_page_post_update",
        "The post is that of the path; the document requires it, and the recording has null.",
        ("-post_update.post: null", f"+post_update.post: {_POST}"),
        calls=_MINIMAL,
    ),
    Deviation(
        "create_status_page_post_update",
        "The post is that of the path; the recording names another one in the body.",
        ('-post_update.post: {"id": "PID", "type": "PTYPE"}', f"+post_update.post: {_POST}"),
        untold=("post",),
        calls=_FULL,
    ),
    Deviation(
        "manage_incidents",
        "Without a change nothing is sent. Ours says so; theirs answers as if all were well.",
        calls=_MINIMAL,
        nothing=True,
    ),
    Deviation(
        "manage_incidents",
        "One request with all changes, not four of which some may fail (PL-20). `at` is readOnly in the document.",
        ('-incidents[].assignments[].at: "2026-11-20T06:16:26.763119"',),
        calls=_FULL,
        merged=True,
    ),
]


def deviations(tool: str, call: str) -> list[Deviation]:
    return [d for d in DEVIATIONS if tool in d.tools.split() and call in d.calls]


@dataclass
class Sent:
    """A request as it is compared."""

    method: str
    path: str
    query: Counter[tuple[str, str]]
    body: Any

    def __str__(self) -> str:
        pairs = " ".join(f"{k}={v}" for k, v in sorted(self.query.elements()))
        return f"{self.method} {self.path}\n  query {pairs}\n  body {json.dumps(self.body, sort_keys=True)}"


def wanted(tool: str, call: str) -> list[Sent]:
    """The recorded requests, edited as the deviations say."""
    recorded = seeds("wire")[tool][call]["requests"]
    found = []
    for request in recorded:
        query = Counter((k, filled(tool, v)) for k, v in request["query"])
        found.append(Sent(request["method"], request["path"], query, filled(tool, copy.deepcopy(request["body"]))))
    stated = deviations(tool, call)
    if any(d.pages for d in stated):
        assert len(found) > 1, f"{tool}, {call}: there is one page only"
        assert all((s.method, s.path) == ("GET", found[0].path) for s in found)
        found = found[:1]
    if any(d.merged for d in stated):
        assert all((s.method, s.path) == (found[0].method, found[0].path) for s in found)
        incidents: dict[str, dict[str, Any]] = {}
        for one in found:
            for incident in one.body["incidents"]:
                incidents.setdefault(incident["id"], {}).update(incident)
        found = [Sent(found[0].method, found[0].path, found[0].query, {"incidents": list(incidents.values())})]
    for deviation in stated:
        assert not (deviation.nothing and found), f"{tool}, {call}: requests were recorded"
        for edit in deviation.edits:
            done = [edited(sent, edit) for sent in found]
            assert any(done), f"{tool}, {call}: nothing to do for {edit!r}: {deviation.reason}"
    return found


def edited(sent: Sent, edit: str) -> bool:
    """Do one edit; tell whether there was anything to do."""
    sign, rest = edit[0], edit[1:]
    if rest.startswith("?"):
        name, _, value = rest[1:].partition("=")
        if sign == "-" and not sent.query[name, value]:
            return False
        sent.query[name, value] += 1 if sign == "+" else -1
        sent.query = +sent.query
        return True
    path, _, text = rest.partition(": ")
    *way, last = re.findall(r"[^.\[\]]+|\[\]", path)
    level = [sent.body]
    for step in way:
        if step == "[]":
            level = [item for outer in level if isinstance(outer, list) for item in outer]
        else:
            level = [outer[step] for outer in level if isinstance(outer, dict) and step in outer]
    value, done = json.loads(text), False
    for holder in level:
        if not isinstance(holder, dict) or (last in holder) == (sign == "+"):
            continue
        if sign == "+":
            holder[last] = copy.deepcopy(value)
            done = True
        elif holder[last] == value:
            del holder[last]
            done = True
    return done


def meant(value: Any) -> Any:
    """A value in which the same instant is the same text."""
    if isinstance(value, dict):
        return {k: meant(v) for k, v in value.items()}
    if isinstance(value, list):
        return [meant(v) for v in value]
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", value):
        return datetime.fromisoformat(value).astimezone(UTC).isoformat()
    return value


def compared(sent: Sent) -> tuple[Any, ...]:
    return sent.method, sent.path, Counter((k, meant(v)) for k, v in sent.query.elements()), meant(sent.body)


# --- the conversation -------------------------------------------------------------------------------------------------


@dataclass
class Built:
    """A server, and the document that it was made of, with our corrections."""

    folder: Path
    spec: Spec
    tools: dict[str, Any]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Built]:
    """The servers of both documents."""
    assert CORPUS
    found = {}
    for name, document in zip(DOCUMENTS, (SPECS / "openapi.json", CORPUS / "pagerduty-rest.json"), strict=True):
        stated = config.load(SPECS / "mcpgen.toml")
        loaded = corrections.load(document, stated)
        made = plan(loaded.spec, stated, document=document.name, corrections=loaded.corrections)
        custom = SPECS / "custom.py"
        files = render(completed(made, stated, str(custom), custom.read_text(encoding="utf-8")))
        tools = json.loads(files["pagerduty_mcp/tools.json"])
        listed = tools["tools"] if isinstance(tools, dict) else tools
        folder = place(files, tmp_path_factory.mktemp(name))
        found[name] = Built(folder, loaded.spec, {t["name"]: t for t in listed})
    return found


@asynccontextmanager
async def connected(built: Built, host: str, *arguments: str) -> AsyncIterator[Client]:
    """A client of the server, whose API is at `host`."""
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "pagerduty_mcp", *arguments],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(built.folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PAGERDUTY_USER_API_KEY": "u+TESTKEY",
            "PAGERDUTY_API_HOST": host,
        },
    )
    async with Client(parameters, mode="2026-07-28") as client:
        yield client


@dataclass
class Record:
    """What came of a call: the requests, without the one that asks who the current user is."""

    requests: list[Recorded] = field(default_factory=list)
    is_error: bool = False
    text: str = ""
    structured: Any = None
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


def rehearsed(spec: Spec) -> None:
    """Have the mock of a document answer as the recorded API did where a request depends on it; a list has one page."""
    user = {"id": "PXPGF42", "email": "125.greenholt.earline@graham.name", "teams": [{"id": "PTEAM"}]}
    router = copy.deepcopy(seeds("wire")["append_event_orchestration_router_rule"]["minimal"]["requests"][1]["body"])
    [rules] = router["orchestration_path"]["sets"]
    rules["rules"] = [{**r, "actions": {"route_to": r["actions"]["route_to"]}} for r in rules["rules"][:-1]]
    del router["orchestration_path"]["catch_all"]["actions"]["dynamic_route_to"]
    for path, answer in (("/users/me", {"user": user}), ("/event_orchestrations/{id}/router", router)):
        content = {"application/json": {"example": answer}}
        spec.root["paths"][path]["get"]["responses"] = {"200": {"description": "", "content": content}}
    for item in spec.root["paths"].values():
        if (lists := item.get("get")) and str(lists.get("operationId", "")).startswith("list"):
            for shown in examples(lists["responses"].get("200", {})):
                shown.update(more=False)
                shown.pop("after", None)


def examples(response: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for media in response.get("content", {}).values():
        for holder, key in ((media, "example"), *((e, "value") for e in media.get("examples", {}).values())):
            if isinstance(holder.get(key), dict):
                yield holder[key]


@pytest.fixture(scope="module")
def records(servers: dict[str, Built]) -> dict[tuple[str, str, str], Record]:
    """What came of every recorded call, by document, tool and call; and of the first request for the current user."""

    async def converse(name: str) -> dict[tuple[str, str, str], Record]:
        found = {}
        spec = copy.copy(servers[name].spec)
        rehearsed(spec)
        mock = Mock(spec)
        host = await mock.start()
        try:
            async with connected(servers[name], host, "--enable-write-tools") as client:
                for tool in NAMES:
                    for call in CALLS:
                        before, at = len(mock.requests), datetime.now(UTC)
                        result: Any = await client.call_tool(tool, facts(tool, call))
                        sent = mock.requests[before:]
                        if not any(r[0] == name for r in found):
                            found[name, "", "context"] = Record([sent.pop(0)])
                        text = result.content[0].text if result.content else ""
                        found[name, tool, call] = Record(
                            sent, bool(result.is_error), text, result.structured_content, at
                        )
        finally:
            await mock.stop()
        return found

    async def both() -> dict[tuple[str, str, str], Record]:
        return await converse("ours") | await converse("theirs")

    return asyncio.run(asyncio.wait_for(both(), 120))


# --- wire parity (PL-8, PL-19, PL-20) ---------------------------------------------------------------------------------


def said(request: Recorded) -> Sent:
    target = urlsplit(request.target)
    pairs = Counter(parse_qsl(target.query, keep_blank_values=True))
    return Sent(request.method, target.path, pairs, json.loads(request.body) if request.body else None)


def from_now(sent: Sent, now: datetime | None) -> None:
    """Say `since` and `until` as distances from now, which is `until` where it is not known."""
    times = {k: datetime.fromisoformat(v) for k, v in sent.query if k in ("since", "until")}
    now = now or times["until"]
    for name, time in times.items():
        del sent.query[name, next(v for k, v in sent.query if k == name)]
        sent.query[name, f"now {round((time - now) / timedelta(minutes=1))} minutes"] = 1


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("tool", NAMES)
def test_wire_parity(tool: str, document: str, records: dict[tuple[str, str, str], Record]) -> None:
    """Both recorded calls of a tool send what PagerDuty's own server sent."""
    for call in CALLS:
        record = records[document, tool, call]
        refused = [p for r in record.requests for p in r.problems]
        assert not refused, f"{call}: the document does not allow the request: {refused}"
        expected, sent = wanted(tool, call), [said(r) for r in record.requests]
        nothing = any(d.nothing for d in deviations(tool, call))
        assert record.is_error == nothing, f"{call}: {record.text}"
        if (tool, call) == ("list_log_entries", "minimal"):
            for one in sent:
                from_now(one, record.at)
            for one in expected:
                from_now(one, None)
        if [compared(s) for s in sent] != [compared(s) for s in expected]:
            lists = ["\n".join(map(str, side)) or "nothing" for side in (sent, expected)]
            pytest.fail(f"{call}: sent\n{lists[0]}\nwanted\n{lists[1]}", pytrace=False)


def test_deviations_name_tools() -> None:
    for deviation in DEVIATIONS:
        assert set(deviation.tools.split()) <= set(NAMES)
        assert deviation.reason.endswith(".")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_headers(document: str, records: dict[tuple[str, str, str], Record]) -> None:
    """Each request has the recorded headers (PL-9); for the current user is asked once, before the first (PL-10)."""
    [context] = records[document, "", "context"].requests
    assert (context.method, context.target) == ("GET", "/users/me")
    assert "from" not in dict(context.headers)
    for tool in NAMES:
        for call in CALLS:
            recorded = seeds("wire")[tool][call]["requests"]
            for request in records[document, tool, call].requests:
                sent = dict(request.headers)
                for name, value in recorded[0]["headers"].items():
                    assert sent[name.lower()] == value or name == "Content-Type", (tool, name)
                assert sent.get("content-type") == ("application/json" if request.body else None)


# --- what is listed (PL-1 to PL-5, PL-9, PL-22, PL-23, done when 4) ---------------------------------------------------


@pytest.mark.parametrize("document", DOCUMENTS)
def test_tools(document: str, servers: dict[str, Built]) -> None:
    """The tools of the README's table, with its read-only column and the annotations of the code."""
    tools = servers[document].tools
    assert sorted(tools) == NAMES
    assert len(NAMES) == 64
    assert sum(seeds("tools")[name]["readOnly"] for name in NAMES) == 42
    for name, tool in tools.items():
        hints = {k: v for k, v in tool["annotations"].items() if k not in ("openWorldHint", "title")}
        assert hints == seeds("tools")[name]["annotations"], name
        assert tool["annotations"]["readOnlyHint"] == seeds("tools")[name]["readOnly"]
        arguments = {a.lower().replace("-", "_") for a in tool["inputSchema"]["properties"]}
        assert not arguments & {"accept", "content_type", "from", "query_model", "create_model"}
        assert not {"$ref", "$defs"} & set(keys(tool["inputSchema"])), name


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from keys(inner)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_schemas_are_small(document: str, servers: dict[str, Built]) -> None:
    reading = [t["inputSchema"] for t in servers[document].tools.values() if t["annotations"]["readOnlyHint"]]
    assert sum(len(json_bytes(schema)) for schema in reading) < 150_000


def test_both_documents_give_the_same_inputs(servers: dict[str, Built]) -> None:
    """Up to descriptions and titles."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: bare(v) for k, v in value.items() if k not in ("description", "title") or isinstance(v, dict)}
        return [bare(v) for v in value] if isinstance(value, list) else value

    ours, theirs = (servers[d].tools for d in DOCUMENTS)
    for name in NAMES:
        for part in ("inputSchema", "annotations"):
            assert bare(ours[name][part]) == bare(theirs[name][part]), name


# --- how it behaves ---------------------------------------------------------------------------------------------------


class Api:
    """An API that answers `METHOD /path` with a value, or with what a function makes of the query.

    `asked` are the requests, without those for the current user; `headers` and `body` those of the last one.
    """

    def __init__(self) -> None:
        self.values: dict[str, Any] = {"GET /users/me": {"user": {"id": "PME", "email": "me@example.com"}}}
        self.asked: list[str] = []
        self.headers: dict[str, str] = {}
        self.body = b""
        self.url = ""

    def _answer(self, head: str) -> bytes:
        line, *headers = head.strip().split("\r\n")
        method, target, _ = line.split(" ")
        path = urlsplit(target).path
        if path != "/users/me":
            self.asked.append(f"{method} {target}")
            self.headers = {name.lower(): value for name, _, value in (h.partition(": ") for h in headers)}
        value = self.values.get(f"{method} {path}", {})
        value = value(dict(parse_qsl(urlsplit(target).query))) if callable(value) else value
        if isinstance(value, int):
            body = b"{}" if value != 204 else b""
            lines = [f"HTTP/1.1 {value} Said", *([f"Content-Length: {len(body)}"] if body else [])]
        else:
            body = json.dumps(value).encode()
            lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", "Content-Type: application/json"]
        return "\r\n".join([*lines, "", ""]).encode() + body

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
                self.body = await reader.readexactly(int(length[1])) if length else b""
                writer.write(self._answer(head))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Api]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()


Body = Callable[[Client, Api], Awaitable[None]]


def talk(built: Built, body: Body, *arguments: str) -> None:
    async def main() -> None:
        async with Api().running() as api, connected(built, api.url, *arguments) as client:
            await body(client, api)

    asyncio.run(asyncio.wait_for(main(), 60))


async def called(client: Client, tool: str, **arguments: Any) -> tuple[str, Any]:
    """The text of a result and its structured content."""
    result: Any = await client.call_tool(tool, arguments)
    return result.content[0].text, None if result.is_error else result.structured_content


def test_writes_are_off_without_the_flag(servers: dict[str, Built]) -> None:
    """PL-2."""

    async def body(client: Client, api: Api) -> None:
        listed = [t.name for t in (await client.list_tools()).tools]
        assert sorted(listed) == [n for n in NAMES if seeds("tools")[n]["readOnly"]]
        with pytest.raises(MCPError, match="--enable-write-tools"):
            await client.call_tool("delete_team", {"team_id": "PTEAM"})
        assert not api.asked

    talk(servers["ours"], body)


def test_writes_are_on_with_the_flag(servers: dict[str, Built]) -> None:
    """PL-3; of a deleted thing the result says so in words (PL-17)."""

    async def body(client: Client, api: Api) -> None:
        assert sorted(t.name for t in (await client.list_tools()).tools) == NAMES
        api.values["DELETE /teams/PTEAM"] = 204
        assert (await called(client, "delete_team", team_id="PTEAM"))[0] == "Team PTEAM is deleted."

    talk(servers["ours"], body, "--enable-write-tools")


def test_a_key_of_the_account_does_for_the_rest(servers: dict[str, Built]) -> None:
    """PL-10: without a current user only what needs one is refused."""

    async def body(client: Client, api: Api) -> None:
        api.values["GET /users/me"] = 400
        api.values["GET /services/PSVC"] = {"service": {"id": "PSVC"}}
        assert (await called(client, "get_service", service_id="PSVC"))[1] == {"id": "PSVC"}
        assert "from" not in api.headers
        for tool, arguments in (
            ("list_incidents", {"request_scope": "assigned"}),
            ("list_incidents", {"request_scope": "teams"}),
            ("list_teams", {"scope": "my"}),
        ):
            text, structured = await called(client, tool, **arguments)
            assert structured is None
            assert "the key of a whole account has not" in text
        target = {"responder_request_target": {"id": "PUSER", "type": "user_reference"}}
        text, structured = await called(
            client, "add_responders", incident_id="PINC", message="Help.", responder_request_targets=[target]
        )
        assert structured is None
        assert "me.user.id" in text
        assert api.asked == ["GET /services/PSVC"]

    talk(servers["ours"], body, "--enable-write-tools")


def of(name: str, count: int) -> Callable[[dict[str, str]], dict[str, Any]]:
    """A list of `count` items in pages."""

    def page(query: dict[str, str]) -> dict[str, Any]:
        start, size = int(query.get("offset", 0)), int(query.get("limit", count))
        items = [{"id": f"P{n}"} for n in range(start, min(start + size, count))]
        return {name: items, "offset": start, "limit": size, "more": start + size < count, "total": None}

    return page


def test_paging(servers: dict[str, Built]) -> None:
    """PL-11: as many items as are asked for, no needless page, and the cap is told."""

    async def body(client: Client, api: Api) -> None:
        async def listed(**arguments: Any) -> tuple[int, str, list[str]]:
            api.asked.clear()
            _, structured = await called(client, "list_services", **arguments)
            asked = [a.replace("GET /services?", "").replace("&total=false", "") for a in api.asked]
            return len(structured["response"]), structured["response_summary"], [plain(a) for a in asked]

        def plain(query: str) -> str:
            return "&".join(sorted(p for p in query.split("&") if p != "total=false"))

        api.values["GET /services"] = of("services", 130)
        count, summary, asked = await listed(limit=5)
        assert (count, asked) == (5, ["limit=5&offset=0"])
        assert "there are more" in summary
        count, summary, asked = await listed()
        assert (count, asked) == (20, ["limit=20&offset=0"])
        count, summary, asked = await listed(limit=130)
        assert (count, asked) == (130, ["limit=100&offset=0", "limit=30&offset=100"])
        assert summary == "130 items, all there are."
        api.values["GET /services"] = of("services", 1200)
        count, summary, asked = await listed(limit=1000)
        assert (count, len(asked)) == (1000, 10)
        assert "the most that one call returns" in summary
        assert "1000" in (await called(client, "list_services", limit=1001))[0]

    talk(servers["ours"], body)


def test_lists_that_come_at_once(servers: dict[str, Built]) -> None:
    """What does not come in pages is cut here, and the result says so; so it does when the API gives no more."""

    async def body(client: Client, api: Api) -> None:
        api.values["GET /status_pages"] = of("status_pages", 30)
        _, structured = await called(client, "list_status_pages")
        assert len(structured["response"]) == 20
        assert "ask with a higher `limit`" in structured["response_summary"]
        _, structured = await called(client, "list_status_pages", limit=30)
        assert structured["response_summary"] == "30 items, all there are."
        api.values["GET /status_pages"] = lambda query: {"status_pages": [{"id": "P0"}], "more": True}
        _, structured = await called(client, "list_status_pages")
        assert structured["response_summary"] == "The first 1 item; not all, because the API gives no more at once."
        assert api.asked == ["GET /status_pages"] * 3
        path = "/incidents/PINC/related_change_events"
        api.values[f"GET {path}"] = lambda query: {"change_events": [{"id": "P0"}, {"id": "P1"}]}
        _, structured = await called(client, "list_incident_change_events", incident_id="PINC", limit=2)
        assert "there are more" in structured["response_summary"]
        _, structured = await called(client, "list_incident_change_events", incident_id="PINC", limit=3)
        assert structured["response_summary"] == "2 items, all there are."

    talk(servers["ours"], body)


def test_scopes(servers: dict[str, Built]) -> None:
    """PL-21: incidents and teams of the current user."""

    async def body(client: Client, api: Api) -> None:
        teams = [{"id": "P3"}, {"id": "P7"}, {"id": "P8"}]
        api.values["GET /users/me"] = {"user": {"id": "PME", "email": "me@example.com", "teams": teams}}
        api.values["GET /incidents"] = of("incidents", 0)
        api.values["GET /teams"] = of("teams", 120)

        async def sent(**arguments: Any) -> list[tuple[str, str]]:
            api.asked.clear()
            _, structured = await called(client, "list_incidents", **arguments)
            assert structured["response"] == []
            pairs = parse_qsl(urlsplit(api.asked[0]).query) if api.asked else []
            return sorted(p for p in pairs if p[0] not in ("limit", "offset", "total"))

        assert await sent() == []
        assert await sent(request_scope="assigned", statuses=["triggered", "acknowledged"]) == [
            ("statuses[]", "acknowledged"),
            ("statuses[]", "triggered"),
            ("user_ids[]", "PME"),
        ]
        assert await sent(request_scope="teams") == [("team_ids[]", t["id"]) for t in teams]
        assert await sent(sort_by=["urgency:desc", "created_at:asc"]) == [("sort_by", "urgency:desc,created_at:asc")]
        text, structured = await called(client, "list_incidents", request_scope="teams", team_ids=["P1"])
        assert (structured, "exclude each other" in text) == (None, True)
        _, structured = await called(client, "list_teams", scope="my", limit=2)
        assert [t["id"] for t in structured["response"]] == ["P3", "P7"]
        assert structured["response_summary"] == "2 items; there are 1 more."
        _, structured = await called(client, "list_teams", scope="my")
        assert structured["response_summary"] == "3 items, all there are."

    talk(servers["ours"], body)


def test_a_rule_is_appended_and_nothing_lost(servers: dict[str, Built]) -> None:
    """PL-19: what the document does not know of a router is written back as it was read."""
    before = {"id": "r1", "actions": {"route_to": "PA", "new": 1}, "disabled": True}
    catch_all = {"actions": {"route_to": "unrouted", "new": {"deep": [1.5]}}}
    router = {
        "type": "router",
        "sets": [{"id": "start", "rules": [before | {"label": None}]}],
        "catch_all": catch_all,
        "version": "v1",
    }

    async def body(client: Client, api: Api) -> None:
        api.values["GET /event_orchestrations/E1/router"] = {"orchestration_path": router}
        text, structured = await called(
            client,
            "append_event_orchestration_router_rule",
            orchestration_id="E1",
            conditions=[{"expression": "event.source exists"}],
            actions={"route_to": "PB"},
        )
        assert structured is not None, text
        sent = json.loads(api.body)["orchestration_path"]
        rule = {
            "id": "temp_id_will_be_replaced_by_api",
            "conditions": [{"expression": "event.source exists"}],
            "actions": {"route_to": "PB"},
            "disabled": False,
        }
        sets = [{"id": "start", "rules": [before, rule]}]
        assert sent == {"type": "router", "sets": sets, "catch_all": catch_all}

    talk(servers["ours"], body, "--enable-write-tools")


def test_arguments(servers: dict[str, Built]) -> None:
    """IDs are guarded (PL-18), JSON in a text is read (PL-24), a wrong name is answered with the right one (PL-25)."""

    async def body(client: Client, api: Api) -> None:
        for alert_id in ("", " ", ".", "..", "../x"):
            text, structured = await called(client, "get_alert_from_incident", incident_id="PINC", alert_id=alert_id)
            assert (structured, "alert_id" in text) == (None, True)
        text, _ = await called(client, "list_incidents", status=["triggered"])
        assert "did you mean 'statuses'?" in text
        assert not api.asked
        await called(client, "get_alert_from_incident", incident_id="PINC", alert_id="a/b c")
        assert api.asked.pop() == "GET /incidents/PINC/alerts/a%2Fb%20c"
        api.values["GET /incidents"] = of("incidents", 0)
        await called(client, "list_incidents", statuses='["triggered"]')
        assert "statuses%5B%5D=triggered" in api.asked[0]

    talk(servers["ours"], body)
