"""PagerDuty: our server against PagerDuty's own, call by call (PL-8, PL-9 and PL-19 to PL-21 of the checklist).

The seeds hold what PagerDuty's local server took and sent for each of its 64 tools, recorded twice. Here the same facts
are given to our tools, which take them without wrappers, and what arrives at an API is compared: method, path, query
and body. The API is the mock of the document, so that each request is also held against that. Everything is done with
the server in generated/, over each transport, and with one made of PagerDuty's own document by the same configuration.

What is equal for both sides is compared as it is meant: the pairs of a query have no order, and an instant may be
written with Z or with +00:00. Everything else that differs is an entry of `DEVIATIONS`, with its reason. One that is
not needed any more fails too.
"""

from __future__ import annotations

import copy
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from conftest import place

from mcpgen import config, corrections
from mcpgen.custom import completed
from mcpgen.mock import Recorded
from mcpgen.plan import json_bytes
from mcpgen.planner import plan
from mcpgen.render import render
from mcpgen.spec import Spec

from .harness import KEY, PAGERDUTY, Api, Loop, Starter, hints, text_of

VENDOR = PAGERDUTY
SPECS = VENDOR.specs
CORPUS = Path(os.environ["MCPGEN_CORPUS"]) if "MCPGEN_CORPUS" in os.environ else None
SEEDS = CORPUS.parent / "seeds" if CORPUS else None
pytestmark = pytest.mark.skipif(
    SEEDS is None or not (SEEDS / "pagerduty-wire.json").is_file(),
    reason="MCPGEN_CORPUS is not set, or has no seeds/pagerduty-wire.json beside it: NOTHING of the wire is tested",
)
THEIRS = "stdio, their document"


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


def corrected(document: Path) -> Spec:
    """A document as the build reads it: with our corrections."""
    return corrections.load(document, config.load(SPECS / "mcpgen.toml")).spec


@cache
def theirs() -> tuple[Spec, dict[str, str]]:
    """PagerDuty's own document, and the server that our configuration makes of it."""
    assert CORPUS
    stated = config.load(SPECS / "mcpgen.toml")
    loaded = corrections.load(CORPUS / "pagerduty-rest.json", stated)
    made = plan(loaded.spec, stated, document="pagerduty-rest.json", corrections=loaded.corrections)
    custom = SPECS / "custom.py"
    return loaded.spec, render(completed(made, stated, str(custom), custom.read_text(encoding="utf-8")))


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


Records = dict[tuple[str, str], Record]


@pytest.fixture(scope="module", params=["stdio", "http legacy", THEIRS])
def records(request: pytest.FixtureRequest, loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Records]:
    """What came of every recorded call, by tool and call; and of the first request, for the current user."""
    found: Records = {}
    way, folder, document = request.param, VENDOR.folder, corrected(VENDOR.document)
    if way == THEIRS:
        way, folder = "stdio", place(theirs()[1], tmp_path_factory.mktemp("theirs"))
        document = corrected(CORPUS / "pagerduty-rest.json") if CORPUS else document
    rehearsed(document)
    mock = Api(document)

    async def listen() -> None:
        mock.url = await mock.start()

    loop.run(listen())
    try:
        with Starter(VENDOR, mock, loop).fresh(way, "--enable-write-tools", folder=folder) as server:
            for tool in NAMES:
                for call in CALLS:
                    before, at = len(mock.requests), datetime.now(UTC)
                    result = server.call(tool, facts(tool, call))
                    sent = mock.requests[before:]
                    if not found:
                        found["", "context"] = Record([sent.pop(0)])
                    structured = result.structured_content
                    found[tool, call] = Record(sent, bool(result.is_error), text_of(result), structured, at)
        yield found
    finally:
        loop.run(mock.stop())


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


@pytest.mark.parametrize("tool", NAMES)
def test_pl_08_wire_parity(tool: str, records: Records) -> None:
    """Both recorded calls of a tool send what PagerDuty's own server sent."""
    for call in CALLS:
        record = records[tool, call]
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


def test_pl_08_deviations_name_tools() -> None:
    for deviation in DEVIATIONS:
        assert set(deviation.tools.split()) <= set(NAMES)
        assert deviation.reason.endswith(".")


def test_pl_09_headers(records: Records) -> None:
    """Each request has the recorded headers; for the current user is asked once, before the first."""
    [context] = records["", "context"].requests
    assert (context.method, context.target) == ("GET", "/users/me")
    assert "from" not in dict(context.headers)
    for tool in NAMES:
        for call in CALLS:
            recorded = seeds("wire")[tool][call]["requests"]
            for request in records[tool, call].requests:
                sent = dict(request.headers)
                for name, value in recorded[0]["headers"].items():
                    assert sent[name.lower()] == value.replace("u+TESTKEY", KEY) or name == "Content-Type", (tool, name)
                assert sent.get("content-type") == ("application/json" if request.body else None)


# --- their document ---------------------------------------------------------------------------------------------------


def their_entries() -> dict[str, Any]:
    return {t["name"]: t for t in json.loads(theirs()[1]["pagerduty_mcp/tools.json"])["tools"]}


def test_pl_01_their_document_gives_the_same_tools() -> None:
    """The tools of the README's table, with its read-only column and the annotations of the code."""
    entries = their_entries()
    assert sorted(entries) == NAMES
    for name, tool in entries.items():
        stated = seeds("tools")[name]["annotations"]
        assert hints(tool) == hints({"annotations": stated}), name
        assert not {"$ref", "$defs"} & set(keys(tool["inputSchema"])), name
    reading = [t["inputSchema"] for t in entries.values() if t["annotations"]["readOnlyHint"]]
    assert sum(len(json_bytes(schema)) for schema in reading) < 150_000


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from keys(inner)


def test_pl_01_both_documents_give_the_same_inputs() -> None:
    """Up to descriptions and titles."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: bare(v) for k, v in value.items() if k not in ("description", "title") or isinstance(v, dict)}
        return [bare(v) for v in value] if isinstance(value, list) else value

    for name, entry in VENDOR.entries.items():
        for part in ("inputSchema", "annotations"):
            assert bare(entry[part]) == bare(their_entries()[name][part]), name
