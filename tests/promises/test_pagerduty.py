"""PagerDuty's local server: PL-1 to PL-28 of the checklist; PL-8 is in test_pagerduty_wire."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from conftest import built, planned
from mcp import MCPError

from mcpgen import config, corrections
from mcpgen.mock import Recorded
from mcpgen.plan import json_bytes
from mcpgen.problems import Rejected

from .harness import (
    KEY,
    OTHER,
    PAGERDUTY,
    ROOT,
    Api,
    Loop,
    OverHttp,
    Readme,
    Reply,
    Server,
    Starter,
    body_of,
    environment,
    hints,
    text_of,
)

VENDOR = PAGERDUTY
READS = """
get_alert_from_incident get_alert_grouping_setting get_change_event get_escalation_policy get_event_orchestration
get_event_orchestration_global get_event_orchestration_router get_event_orchestration_service get_incident
get_incident_workflow get_log_entry get_outlier_incident get_past_incidents get_related_incidents get_schedule
get_service get_status_page_post get_team get_user_data list_alert_grouping_settings list_alerts_from_incident
list_change_events list_escalation_policies list_event_orchestrations list_incident_change_events
list_incident_notes list_incident_workflows list_incidents list_log_entries list_oncalls list_schedule_users
list_schedules list_service_change_events list_services list_status_page_impacts list_status_page_post_updates
list_status_page_severities list_status_page_statuses list_status_pages list_team_members list_teams list_users
""".split()
"""What the table of their README has in its column Read-only."""
WRITES = """
add_note_to_incident add_responders add_team_member append_event_orchestration_router_rule
create_alert_grouping_setting create_incident create_schedule create_schedule_override create_service
create_status_page_post create_status_page_post_update create_team delete_alert_grouping_setting delete_team
manage_incidents remove_team_member start_incident_workflow update_alert_grouping_setting
update_event_orchestration_router update_schedule update_service update_team
""".split()
ME = {"user": {"id": "PME", "email": "me@example.com", "teams": [{"id": "P3"}, {"id": "P7"}, {"id": "P8"}]}}


@pytest.fixture(scope="module")
def mock(loop: Loop) -> Iterator[Api]:
    """The mock of the document as the build reads it: with our corrections."""
    made = Api(corrections.load(VENDOR.document, config.load(VENDOR.specs / "mcpgen.toml")).spec)

    async def start() -> None:
        made.url = await made.start()

    loop.run(start())
    yield made
    loop.run(made.stop())


Answers = dict[str, Any]


def answering(answers: Answers) -> Callable[[Recorded], Reply | None]:
    """Answers to `METHOD /path`: JSON, a Reply, or a function that makes one of the query."""

    def answer(request: Recorded) -> Reply | None:
        target = urlsplit(request.target)
        found = answers.get(f"{request.method} {target.path}")
        found = found(dict(parse_qsl(target.query))) if callable(found) else found
        return found if found is None or isinstance(found, Reply) else Reply(200, found)

    return answer


def of(name: str, count: int) -> Callable[[dict[str, str]], dict[str, Any]]:
    """A list of `count` items in pages."""

    def page(query: dict[str, str]) -> dict[str, Any]:
        start, size = int(query.get("offset", 0)), int(query.get("limit", count))
        items = [{"id": f"P{n}"} for n in range(start, min(start + size, count))]
        return {name: items, "offset": start, "limit": size, "more": start + size < count, "total": None}

    return page


def sent(api: Api) -> list[str]:
    """The requests but for the one that asks who the current user is."""
    return [f"{r.method} {r.target}" for r in api.requests if r.target != "/users/me"]


def variant(folder: Path, old: str, new: str) -> Path:
    """The specs with one change of the configuration."""
    shutil.copytree(VENDOR.specs, folder / "spec")
    configuration = folder / "spec" / "mcpgen.toml"
    text = configuration.read_text(encoding="utf-8")
    assert old in text
    configuration.write_text(text.replace(old, new), encoding="utf-8")
    return folder / "spec"


# --- which tools there are --------------------------------------------------------------------------------------------


def test_pl_01_the_64_tools_of_the_table(server: Server) -> None:
    assert (len(READS), len(WRITES)) == (42, 22)
    assert list(server.tools()) == sorted(READS + WRITES)


@pytest.mark.parametrize("way", ["stdio legacy", "http"])
def test_pl_02_reading_tools_alone_by_default(start: Starter, api: Api, way: str) -> None:
    with start.fresh(way) as server:
        assert list(server.tools()) == READS
        for name in WRITES:
            with pytest.raises(MCPError, match="--enable-write-tools"):
                server.call(name, VENDOR.examples[name])
    assert api.requests == []


def test_pl_03_all_tools_with_the_switch(server: Server, api: Api) -> None:
    assert {name for name, tool in server.tools().items() if hints(tool).startswith("R0")} == set(WRITES)
    assert not server.call("create_team", {"name": "Night"}).is_error
    assert "POST /teams" in sent(api)
    assert api.problems == []


def test_pl_04_the_read_only_column(server: Server) -> None:
    for name, tool in server.tools().items():
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is (name in READS)


def test_pl_05_annotations(server: Server, tmp_path: Path) -> None:
    """Every write is said to be destructive; by the verb alone, without that policy, not all of them would be."""
    for name, tool in server.tools().items():
        assert hints(tool) == ("R1 D0 I1" if name in READS else "R0 D1 I0"), name
    if server.transport == "http" and server.mode != "legacy":
        made = planned(variant(tmp_path, '[annotations]\nwrites = "destructive"\n', ""))
        effects = {tool.name: tool.annotations for tool in made.tools}
        assert (effects["create_team"].destructive, effects["create_team"].idempotent) == (False, False)
        assert (effects["delete_team"].destructive, effects["delete_team"].idempotent) == (True, True)


@pytest.mark.parametrize(
    ("way", "arguments", "kept"),
    [
        ("stdio", ["--tools", "list_incidents,get_incident"], ["get_incident", "list_incidents"]),
        ("http", ["--tags", "users,teams", "--exclude-tools", "list_teams"], None),
        ("stdio", ["--enable-write-tools", "--tools", "delete_team"], ["delete_team"]),
    ],
)
def test_pl_16_tools_are_chosen_at_start(
    start: Starter, api: Api, way: str, arguments: list[str], kept: list[str] | None
) -> None:
    kept = kept or ["get_team", "get_user_data", "list_team_members", "list_users"]
    with start.fresh(way, *arguments) as server:
        assert list(server.tools()) == kept
        with pytest.raises(MCPError, match="switched off"):
            server.call("list_teams")
    assert api.requests == []


def test_pl_16_a_wrong_name_is_told(start: Starter) -> None:
    for arguments, said in (
        (["--tools", "list_incident"], "unknown tool 'list_incident'; did you mean 'list_incidents'?"),
        (["--tags", "user"], "unknown area 'user'; did you mean 'users'?"),
        (["--tools", "delete_team"], "delete_team can change something: add --enable-write-tools"),
    ):
        done = start.refused(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr


# --- the key, the host, the user --------------------------------------------------------------------------------------


def test_pl_06_the_key_is_in_the_environment(start: Starter, api: Api, tmp_path: Path) -> None:
    start.shared("stdio").right("get_team", {"team_id": "PTEAM"})
    with start.fresh("http", env={VENDOR.variable: OTHER}) as server:  # then it is everybody's
        server.right("get_team", {"team_id": "PTEAM"})
    keys = [dict(r.headers)["authorization"] for r in api.requests if r.target == "/teams/PTEAM"]
    assert keys == [f"Token token={KEY}", f"Token token={OTHER}"]
    for http in ([], ["--http", "--credential", "environment"]):
        done = start.refused(*http, env={VENDOR.variable: None})
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1
        assert f"set {VENDOR.variable}" in done.stderr
    other = planned(variant(tmp_path, "Token token={PAGERDUTY_USER_API_KEY}", "Token token={PD_KEY}"))
    assert [v.name for v in other.setup_variables] == ["PD_KEY"]


@pytest.mark.parametrize("way", ["stdio", "http"])
def test_pl_07_the_host_is_in_the_environment(start: Starter, api: Api, way: str) -> None:
    with start.fresh(way, url="", env={"PAGERDUTY_API_HOST": api.url}) as server:
        server.right("get_team", {"team_id": "PTEAM"})
    assert sent(api) == ["GET /teams/PTEAM"]
    assert "https://api.eu.pagerduty.com" in VENDOR.text("README.md")


def test_pl_09_headers_upstream(server: Server, api: Api) -> None:
    """Set by the server, and asked of nobody."""
    server.right("get_team", {"team_id": "PTEAM"})
    server.right("update_team", {"team_id": "PTEAM", "name": "Night"})
    user = server.right("get_user_data")["email"]
    for request in (r for r in api.requests if r.target == "/teams/PTEAM"):
        headers = dict(request.headers)
        assert headers["accept"] == "application/vnd.pagerduty+json;version=2"
        assert headers["authorization"] == f"Token token={KEY}"
        assert headers["from"] == user
        assert ("content-type" in headers) is bool(request.body)
    for tool in server.tools().values():
        arguments = {a.lower().replace("-", "_") for a in tool.input_schema["properties"]}
        assert not arguments & {"accept", "content_type", "from", "authorization"}
    assert api.problems == []


@pytest.mark.parametrize("way", ["stdio", "http"])
def test_pl_10_and_pl_21_the_current_user(start: Starter, api: Api, way: str) -> None:
    """Is asked for once for each key, when it is needed; incidents and teams may be that user's."""
    answers: Answers = {"GET /users/me": ME, "GET /incidents": of("incidents", 0), "GET /teams": of("teams", 120)}
    api.answering = answering(answers)
    with start.fresh(way) as server:

        def asked(**arguments: Any) -> list[tuple[str, str]]:
            assert server.right("list_incidents", arguments)["response"] == []
            pairs = parse_qsl(urlsplit(api.last.target).query)
            return sorted(p for p in pairs if p[0] not in ("limit", "offset", "total"))

        server.tools()
        assert api.requests == []
        assert asked() == asked(request_scope="all") == []
        mine = [("statuses[]", "triggered"), ("user_ids[]", "PME")]
        for _ in range(2):
            assert asked(request_scope="assigned", statuses=["triggered"]) == mine
        teams = [("team_ids[]", t) for t in ("P3", "P7", "P8")]
        assert asked(request_scope="teams") == teams
        both = server.call("list_incidents", {"request_scope": "teams", "team_ids": ["P1"]})
        assert both.is_error
        assert "exclude each other" in text_of(both)
        found = server.right("list_teams", {"scope": "my", "limit": 2})
        assert [t["id"] for t in found["response"]] == ["P3", "P7"]
        assert found["response_summary"] == "2 items; there are 1 more."
        if way == "http":
            server.call("get_team", {"team_id": "PTEAM"}, OTHER)
            server.call("get_team", {"team_id": "PTEAM"}, OTHER)
    keys = [dict(r.headers)["authorization"] for r in api.requests if r.target == "/users/me"]
    assert keys == [f"Token token={key}" for key in ([KEY] if way == "stdio" else [KEY, OTHER])]
    assert api.problems == []


@pytest.mark.parametrize("way", ["stdio", "http"])
def test_pl_10_a_key_of_the_account_does_for_the_rest(start: Starter, api: Api, way: str) -> None:
    """Without a current user only what needs one is refused."""
    api.answering = answering({"GET /users/me": Reply(400, {"error": {"message": "not a user"}})})
    target = {"responder_request_target": {"id": "PUSER", "type": "user_reference"}}
    responders = {"incident_id": "PINC", "message": "Help.", "responder_request_targets": [target]}
    with start.fresh(way, "--enable-write-tools") as server:
        assert server.right("get_service", {"service_id": "PSVC"})["id"]
        assert "from" not in dict(api.last.headers)
        for tool, arguments, said in (
            ("list_incidents", {"request_scope": "assigned"}, "the key of a whole account has not"),
            ("list_incidents", {"request_scope": "teams"}, "the key of a whole account has not"),
            ("list_teams", {"scope": "my"}, "the key of a whole account has not"),
            ("add_responders", responders, "me.user.id"),
        ):
            refused = server.call(tool, arguments)
            assert refused.is_error
            assert said in text_of(refused)
    assert sent(api) == ["GET /services/PSVC"]


# --- lists ------------------------------------------------------------------------------------------------------------


def test_pl_11_lists_end_where_they_were_asked_to(server: Server, api: Api) -> None:
    """As many rows as were asked for, no needless page, a cap of 1000, and a summary that tells of it."""

    def listed(count: int, **arguments: Any) -> tuple[int, str, list[str]]:
        api.reset()
        api.answering = answering({"GET /services": of("services", count)})
        found = server.right("list_services", arguments)
        assert found.keys() == {"response", "response_summary"}
        pages = [dict(parse_qsl(urlsplit(s).query)) for s in sent(api)]
        assert api.problems == []
        return len(found["response"]), found["response_summary"], [f"{p['offset']}+{p['limit']}" for p in pages]

    count, summary, pages = listed(130, limit=5)
    assert (count, pages) == (5, ["0+5"])
    assert "there are more" in summary
    assert listed(130)[::2] == (20, ["0+20"])
    assert listed(130, limit=130) == (130, "130 items, all there are.", ["0+100", "100+30"])
    assert listed(130, limit=1000)[::2] == (130, ["0+100", "100+100"])
    count, summary, pages = listed(1200, limit=1000)
    assert (count, len(pages)) == (1000, 10)
    assert "the most that one call returns; there are more" in summary
    api.reset()
    assert server.call("list_services", {"limit": 1001}).is_error
    assert api.requests == []


def test_pl_11_lists_that_come_at_once_are_cut(server: Server, api: Api) -> None:
    api.answering = answering({"GET /status_pages": of("status_pages", 30)})
    found = server.right("list_status_pages")
    assert len(found["response"]) == 20
    assert "ask with a higher `limit`" in found["response_summary"]
    assert server.right("list_status_pages", {"limit": 30})["response_summary"] == "30 items, all there are."
    assert sent(api) == ["GET /status_pages"] * 2


# --- more than one call -----------------------------------------------------------------------------------------------


def test_pl_19_a_rule_is_appended_and_nothing_lost(server: Server, api: Api) -> None:
    """GET, then PUT; what the document does not know is written back, but no null that it does not allow."""
    rule = {"id": "r1", "actions": {"route_to": "PA", "new": 1}}
    router = {
        "type": "router",
        "sets": [{"id": "start", "rules": [rule]}],
        "catch_all": {"actions": {"route_to": "unrouted", "new": {"deep": [1.5, None]}}},
    }
    there = {**router, "sets": [{"id": "start", "rules": [{**rule, "label": None}]}]}
    way = "/event_orchestrations/E1/router"
    api.answering = answering({f"GET {way}": {"orchestration_path": {**there, "version": "v1"}}})
    conditions = [{"expression": "event.source exists"}]
    arguments = {"orchestration_id": "E1", "conditions": conditions, "actions": {"route_to": "PB"}}
    server.right("append_event_orchestration_router_rule", arguments)
    assert sent(api) == [f"GET {way}", f"PUT {way}"]
    added = {
        "id": "temp_id_will_be_replaced_by_api",
        "conditions": conditions,
        "actions": {"route_to": "PB"},
        "disabled": False,
    }
    sets = [{"id": "start", "rules": [{**rule, "disabled": False}, added]}]
    assert body_of(api.last) == {"orchestration_path": {**router, "sets": sets}}


def test_pl_20_incidents_are_changed_in_one_request(server: Server, api: Api) -> None:
    """All that is to be changed of each; theirs sends four requests, of which some may fail."""
    arguments = {"incident_ids": ["P1", "P2"], "status": "acknowledged", "urgency": "high", "escalation_level": 2}
    server.right("manage_incidents", arguments)
    assert sent(api) == ["PUT /incidents"]
    changed = {"type": "incident_reference", "status": "acknowledged", "urgency": "high", "escalation_level": 2}
    assert body_of(api.last) == {"incidents": [{"id": i, **changed} for i in ("P1", "P2")]}
    assert api.problems == []
    nothing = server.call("manage_incidents", {"incident_ids": ["P1"]})
    assert nothing.is_error
    assert len(sent(api)) == 1


# --- stdio, Docker, packages ------------------------------------------------------------------------------------------


def test_pl_12_nothing_but_protocol_on_stdout(api: Api) -> None:
    """Whatever comes in, lines that are no JSON among it; what is to be said otherwise goes to standard error."""
    client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    call = {"name": "get_team", "arguments": {"team_id": "PTEAM"}}
    messages: list[Any] = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
        {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": call},
        {"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": {**call, "name": "no_such_tool"}},
        {"jsonrpc": "2.0", "id": 5, "method": "nothing"},
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", VENDOR.package, "--base-url", api.url, "--log-level", "debug"],
        env=environment(VENDOR.folder, **{VENDOR.variable: KEY}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        process.stdin.write("this is no message\n" + "".join(json.dumps(m) + "\n" for m in messages))
        process.stdin.flush()
        answered: set[Any] = set()
        while not answered >= {1, 2, 3, 4, 5}:
            message = json.loads(process.stdout.readline())
            assert message["jsonrpc"] == "2.0"
            answered.add(message.get("id"))
        process.stdin.close()
        rest, said = process.stdout.read(), process.stderr.read()
    assert process.returncode == 0
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in rest.splitlines())
    assert "DEBUG" in said


def test_pl_13_docker() -> None:
    """Without building it: not as root, arguments of `docker run` reach the command, a check of its health."""
    lines = [line for line in VENDOR.text("Dockerfile").split("\n") if line and not line.startswith("#")]
    said = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines}
    assert json.loads(said["ENTRYPOINT"]) == ["pagerduty-mcp"]
    assert "CMD" not in said
    assert json.loads(said["HEALTHCHECK"].split("CMD ")[1]) == ["pagerduty-mcp", "--version"]
    assert int(said["USER"]) > 0
    assert f"--uid {said['USER']}" in said["RUN"]
    order = [line.split()[0] for line in lines]
    assert order.index("FROM") < order.index("RUN") < order.index("USER") < order.index("ENTRYPOINT")
    for copied in (word for line in lines if line.startswith("COPY") for word in line.split()[1:-1]):
        assert (VENDOR.folder / copied).exists()
    assert VENDOR.variable not in "".join(lines)
    commands = [shlex.split(line, comments=True) for line in Readme(VENDOR).commands("Install")]
    run = ["docker", "run", "-i", "--rm", "-e", VENDOR.variable, "pagerduty-mcp"]
    assert run in commands
    assert [*run, "--enable-write-tools"] in commands


def test_pl_14_a_wheel_with_the_command(tmp_path: Path, api: Api) -> None:
    """What `uvx pagerduty-mcp` runs: the console script of the distribution's own name, from the wheel alone."""
    folder = shutil.copytree(VENDOR.folder, tmp_path / "server", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(tmp_path / "dist"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if re.search(r"No matching distribution|NewConnectionError|Name or service not known", done.stderr):
        pytest.skip("the build backend cannot be fetched: no package index")
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "dist").glob("pagerduty_mcp-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    (scripts,) = (tmp_path / "installed").glob("*.dist-info/entry_points.txt")
    assert "pagerduty-mcp = pagerduty_mcp.__main__:main" in scripts.read_text()
    script = "import sys; from pagerduty_mcp.__main__ import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", script, "--version"],
        env=environment(tmp_path / "installed"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    version = tomllib.loads(VENDOR.text("pyproject.toml"))["project"]["version"]
    assert (done.returncode, done.stdout.strip()) == (0, f"pagerduty-mcp {version}")


def test_pl_14_the_package_alone_serves(tmp_path: Path, api: Api, start: Starter) -> None:
    """Nothing outside of it is read: what the wheel has is enough."""
    shutil.copytree(VENDOR.folder / VENDOR.package, tmp_path / VENDOR.package)
    with start.fresh("stdio", "--enable-write-tools", folder=tmp_path) as server:
        assert len(server.tools()) == 64
        server.right("get_team", {"team_id": "PTEAM"})
    assert api.problems == []


def test_pl_15_snippets() -> None:
    """Each is JSON, which those of their README are not, and in the form that its client reads."""
    readme = Readme(VENDOR)
    env = {VENDOR.variable: "YOUR_USER_API_KEY"}
    local = {"command": "uvx", "args": ["pagerduty-mcp"], "env": env}
    for client in ("Claude Desktop", "Cursor"):
        assert readme.json(client)[0] == {"mcpServers": {"pagerduty": local}}
    (asked,) = readme.json("VS Code")[0]["inputs"]
    assert asked["password"] is True
    assert readme.json("VS Code")[0]["servers"]["pagerduty"] == {
        "type": "stdio",
        **local,
        "env": {VENDOR.variable: f"${{input:{asked['id']}}}"},
    }
    (docker,) = readme.json("Docker, in any of them")
    run = ["run", "-i", "--rm", "-e", VENDOR.variable, "pagerduty-mcp"]
    assert docker == {"mcpServers": {"pagerduty": {"command": "docker", "args": run, "env": env}}}
    assert '`"--enable-write-tools"`' in readme.section("Clients")


# --- arguments and results --------------------------------------------------------------------------------------------


def test_pl_17_what_is_deleted_is_said(server: Server, api: Api) -> None:
    api.answering = lambda r: Reply(204) if r.method == "DELETE" else None
    for tool, arguments, said in (
        ("delete_team", {"team_id": "PTEAM"}, "Team PTEAM is deleted."),
        ("remove_team_member", {"team_id": "PT", "user_id": "PU"}, "User PU is no longer in team PT."),
    ):
        result = server.call(tool, arguments)
        assert not result.is_error
        assert text_of(result) == said
        assert result.structured_content == {"status": 204}


def test_pl_18_ids_are_guarded(server: Server, api: Api) -> None:
    """What could address something else is refused before any request; the rest is encoded."""
    for wrong in ("", " ", "null", "undefined", "None", "a/b", "../x", "..", ".", "a%2Fb", "a b", "x?y", "x#y"):
        for tool, rest, key in (
            ("get_alert_from_incident", {"incident_id": "PINC"}, "alert_id"),
            ("delete_team", {}, "team_id"),
        ):
            refused = server.call(tool, {**rest, key: wrong})
            assert refused.is_error, wrong
            assert f"- {key}: must " in text_of(refused)
            assert "nothing was sent" in text_of(refused)
    assert sent(api) == []
    server.right("get_alert_from_incident", {"incident_id": "PINC", "alert_id": "é@:+"})
    assert sent(api) == ["GET /incidents/PINC/alerts/%C3%A9%40%3A%2B"]


def test_pl_22_inputs_without_references(server: Server) -> None:
    """And flat where something is looked up: texts, numbers, and lists of them."""
    for name, tool in server.tools().items():
        assert not {"$ref", "$defs"} & set(keys(tool.input_schema)), name
        for key, argument in tool.input_schema["properties"].items() if name in READS else ():
            scalar = argument["items"] if argument.get("type") == "array" else argument
            assert scalar.get("type") in ("string", "integer", "boolean"), (name, key)


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from keys(inner)


def test_pl_23_schemas_have_a_budget(server: Server, tmp_path: Path) -> None:
    """Below it is what is listed; what goes beyond is refused, and every tool's size is told."""
    inputs = [t.input_schema for name, t in server.tools().items() if name in READS]
    assert sum(len(json_bytes(schema)) for schema in inputs) < 150_000
    entries = VENDOR.entries
    assert sum(len(json_bytes(e)) for e in entries.values()) < 150_000
    if server.transport != "http" or server.mode == "legacy":
        return
    with pytest.raises(Rejected, match=r"may have 10,000"):
        built(variant(tmp_path, "tool_bytes = 150_000", "tool_bytes = 10_000"))
    done = subprocess.run(
        [sys.executable, "-m", "mcpgen", "list", "pagerduty", "--json"], cwd=ROOT, capture_output=True, check=True
    )
    sizes = {row["tool"]: row["bytes"] for row in json.loads(done.stdout) if row["tool"]}
    assert all(abs(size - len(json_bytes(entries[name]))) < 20 for name, size in sizes.items())
    assert set(WRITES) - {"manage_incidents", "append_event_orchestration_router_rule"} <= set(sizes)


def test_pl_24_json_in_a_text_is_read(server: Server, api: Api) -> None:
    """Flat arguments need none; of those that are objects or lists it is taken, or answered with what is wrong."""
    service = {"id": "PSVC", "type": "service_reference"}
    for given in (service, json.dumps(service)):
        server.right("create_incident", {"title": "Fire", "service": given})
        assert body_of(api.last)["incident"]["service"] == service
    server.right("list_services", {"team_ids": '["PT1", "PT2"]'})
    query = parse_qsl(urlsplit(api.last.target).query)
    assert [pair for pair in query if pair[0] == "team_ids[]"] == [("team_ids[]", "PT1"), ("team_ids[]", "PT2")]
    assert api.problems == []
    count = len(api.requests)
    for wrong, said in (
        ({"service": "{not json"}, "service: must be an object"),
        ({"query_model": json.dumps({"title": "Fire"})}, "query_model: unknown argument"),
    ):
        refused = server.call("create_incident", {"title": "Fire", "service": service, **wrong})
        assert refused.is_error
        assert said in text_of(refused)
    assert len(api.requests) == count


def test_pl_25_names_are_the_apis(server: Server, api: Api) -> None:
    """Without brackets; one that is nearly right is answered with the right one."""
    document = corrections.load(VENDOR.document, config.load(VENDOR.specs / "mcpgen.toml")).spec
    operations = {o.node["operationId"]: o for o in document.operations()}
    own = {"limit", "request_scope", "scope"}
    listed = server.tools()
    custom = {"list_incidents": "listIncidents", "list_teams": "listTeams"}
    tools = {t.name: t.operation_id for t in planned(VENDOR.specs).tools if t.name in READS} | custom
    assert tools.keys() == {*READS}
    for name, operation in tools.items():
        stated = [document.deref(p, "")[0] for p in operations[operation].node.get("parameters", ())]
        wire = {p["name"].removesuffix("[]") for p in stated if p["in"] == "query"}
        assert {a for a in listed[name].input_schema["properties"] if not a.endswith("_id")} <= wire | own, name
    for wrong, right in (("status", "statuses"), ("teams_ids", "team_ids"), ("service_id", "service_ids")):
        refused = server.call("list_incidents", {wrong: ["triggered"]})
        assert refused.is_error
        assert f"did you mean '{right}'?" in text_of(refused)
    assert api.requests == []


# --- the project ------------------------------------------------------------------------------------------------------


def test_pl_26_questions_for_every_tool(server: Server, api: Api) -> None:
    """Of the same catalogue as the tools: a question, the tool it leads to, and arguments that the server takes."""
    evals = json.loads(VENDOR.text("tests/evals.json"))
    assert [e["tool"] for e in evals] == list(server.tools())
    for entry in evals:
        title = VENDOR.entries[entry["tool"]]["title"]
        assert entry["question"].startswith(title)
        for value in (v for v in entry["arguments"].values() if isinstance(v, str)):
            assert value in entry["question"]
        assert "Invalid arguments" not in text_of(server.call(entry["tool"], entry["arguments"]))
    assert api.problems == []
    assert "tests/evals.json" in Readme(VENDOR).section("Tools")


def test_pl_27_one_version() -> None:
    """In the manifest of the registry, the project, the code, and what the server says of itself."""
    project = tomllib.loads(VENDOR.text("pyproject.toml"))["project"]
    manifest = json.loads(VENDOR.text("server.json"))
    assert manifest["version"] == project["version"]
    assert {p["version"] for p in manifest["packages"] if p["registryType"] == "pypi"} == {project["version"]}
    assert {p["identifier"] for p in manifest["packages"]} == {project["name"]}
    assert f'version="{project["version"]}"' in VENDOR.text(f"{VENDOR.package}/service.py")
    assert f"<!-- mcp-name: {manifest['name']} -->" in VENDOR.text("README.md")


def test_pl_27_the_server_says_it_too(server: Server) -> None:
    project = tomllib.loads(VENDOR.text("pyproject.toml"))["project"]
    about = server.about()
    info = getattr(about, "server_info", None) or about.meta["io.modelcontextprotocol/serverInfo"]
    assert (info["version"] if isinstance(info, dict) else info.version) == project["version"]


def test_pl_28_the_projects_own_tests_need_no_network(tmp_path: Path) -> None:
    """One for each tool at least; a socket that connects fails them."""
    forbid = """
import sys
def hook(event, args):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise OSError(f"no network: {args}")
sys.addaudithook(hook)
"""
    (tmp_path / "sitecustomize.py").write_text(forbid)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", "--rootdir", str(VENDOR.folder), "tests"],
        cwd=VENDOR.folder,
        env=environment(VENDOR.folder) | {"PYTHONPATH": f"{tmp_path}:{VENDOR.folder}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    for name in (*READS, *WRITES):
        assert f"test_declaration[{name}] PASSED" in done.stdout
        assert f"test_request[{name}] PASSED" in done.stdout


def test_pl_03_over_http_the_callers_own_key(start: Starter, api: Api) -> None:
    """What the local server of theirs cannot do: each caller brings a key, and 401 without one."""
    server = start.shared("http")
    assert isinstance(server, OverHttp)
    assert server.post().status_code == 401
    assert server.call("get_team", {"team_id": "PTEAM"}, OTHER).is_error is False
    assert dict(api.last.headers)["authorization"] == f"Token token={OTHER}"
