"""Each file of `changes/` is one kind of change: what is different in a pair of documents, and all that `diff` finds.

A pair starts from `changes/base.yaml`. `old` and `new` in the file of a kind are what one side says instead, by JSON
Pointer (RFC 6901): null removes, `-` adds to a list; `move` gives a place of the new side another one. `old_config` and
`new_config` are an `mcpgen.toml` each, and then the old side is a committed server, as in a vendor's repository.
"""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from conftest import TESTS

from mcpgen.cli import main
from mcpgen.contract import CLASSES, Change, Contract, Diff
from mcpgen.contract import diff as compared
from mcpgen.report import as_markdown

BASE = yaml.safe_load((TESTS / "changes" / "base.yaml").read_text(encoding="utf-8"))
KINDS = sorted(p.stem for p in (TESTS / "changes").glob("*.yaml") if p.stem != "base")


def changed(document: Any, changes: Mapping[str, Any], moves: Mapping[str, str]) -> Any:
    """Return a document with other values at JSON Pointers. Errors: KeyError, IndexError for what is not there."""
    document = copy.deepcopy(document)

    def holder(pointer: str) -> tuple[Any, Any]:
        *path, last = (w.replace("~1", "/").replace("~0", "~") for w in pointer.split("/")[1:])
        node = document
        for word in path:
            node = node[int(word) if isinstance(node, list) else word]
        return node, len(node) if last == "-" else int(last) if isinstance(node, list) else last

    for pointer, value in changes.items():
        node, key = holder(pointer)
        if value is None:
            del node[key]
        elif isinstance(node, list):
            node[key : key + 1] = [value]
        else:
            node[key] = value
    for source, target in moves.items():
        node, key = holder(source)
        value = node.pop(key)
        node, key = holder(target)
        node[key] = value
    return document


def write(path: Path, document: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(w) for w in words])


def git(*words: str) -> None:
    name = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *name, *words], check=True, capture_output=True)


def committed(document: Any, configuration: str = "") -> None:
    """Make the working directory a vendor's repository: specs/tickets/ and what is generated of it, committed."""
    write(Path("specs/tickets/openapi.yaml"), document)
    Path("specs/tickets/mcpgen.toml").write_text(configuration, encoding="utf-8")
    done = run("build", "-q")
    assert done.exit_code == 0, done.output
    if not Path(".git").exists():
        git("init", "-q", "-b", "main")
    git("add", "-A")
    git("commit", "-q", "-m", "The tools as they are")


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty folder, where no variable of a CI system says what the main branch is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_BASE_REF", raising=False)


def prepared(kind: Mapping[str, Any]) -> tuple[str, ...]:
    """Write both sides of a kind; return the command that compares them."""
    old = changed(BASE, kind.get("old", {}), {})
    new = changed(old, kind.get("new", {}), kind.get("move", {}))
    if "old_config" not in kind and "new_config" not in kind:
        return "diff", str(write(Path("new.yaml"), new)), "--against", str(write(Path("old.yaml"), old))
    committed(old, kind.get("old_config", ""))
    write(Path("specs/tickets/openapi.yaml"), new)
    Path("specs/tickets/mcpgen.toml").write_text(kind.get("new_config", ""), encoding="utf-8")
    return "diff", "tickets"


def lines(changes: list[dict[str, Any]]) -> list[str]:
    return [f"{c['class']} {c['what']} {c['tool'] or '-'} {c['place'] or '-'}" for c in changes]


@pytest.mark.parametrize("name", KINDS)
def test_kind(name: str) -> None:
    """All that `diff` finds is what is expected, and `--fail-on` stops at that class and at no graver one.

    What a change costs in tokens follows from its words, and is compared only where the kind expects a cost.
    """
    kind = kind_of(name)
    assert kind.keys() <= {"says", "old", "new", "move", "old_config", "new_config", "expected", "told"}
    command = prepared(kind)
    expected = kind["expected"]
    gravest = min((CLASSES.index(line.split()[0]) for line in expected), default=None)
    level = "never" if gravest is None else CLASSES[gravest]
    done = run(*command, "--format", "json", "--fail-on", level)
    assert done.exit_code == (0 if gravest is None else 1), done.output
    (server,) = json.loads(done.stdout)["servers"]
    costs = [c for c in server["changes"] if c["class"] == "cost"]
    priced = any(line.startswith("cost ") for line in expected)
    found = [c for c in server["changes"] if priced or c not in costs]
    assert sorted(lines(found)) == sorted(expected), json.dumps(found, indent=1)
    assert {c["tool"] for c in costs} <= {line.split()[2] for line in expected}
    said = " ".join(c["reason"] for c in found)
    assert [words for words in kind.get("told", ()) if words not in said] == []
    if gravest:
        assert run(*command, "--fail-on", CLASSES[gravest - 1]).exit_code == 0


def kind_of(name: str) -> dict[str, Any]:
    kind: dict[str, Any] = yaml.safe_load((TESTS / "changes" / f"{name}.yaml").read_text(encoding="utf-8"))
    return kind


SEVERAL = (
    "answer-property-removed",
    "argument-added-optional",
    "argument-removed",
    "description-of-a-nested-property",
    "enum-value-added",
    "host-changed",
    "maximum-tightened",
    "nested-property-removed",
    "nullable-dropped",
    "scope-added",
    "security-dropped",
    "tool-added-destructive",
    "union-branch-narrowed",
)
"""Kinds that touch different places of a document."""


def several() -> tuple[Any, Any, list[str]]:
    """Return a pair of documents that differs in many kinds at once, and what is to be found."""
    new, expected = BASE, []
    for kind in map(kind_of, SEVERAL):
        new = changed(new, kind["new"], {})
        expected += kind["expected"]
    return BASE, new, sorted(expected)


def findings(*words: str | Path) -> list[str]:
    """Return what `mcpgen diff` finds in one server, but for costs."""
    done = run("diff", *words, "--format", "json")
    assert done.exit_code == 0, done.output
    (server,) = json.loads(done.stdout)["servers"]
    return sorted(line for line in lines(server["changes"]) if not line.startswith("cost "))


def test_many_kinds_at_once() -> None:
    """What is found of many changes at once is what is found of each, whichever way the old side is read."""
    old, new, expected = several()
    assert findings(write(Path("new.yaml"), new), "--against", write(Path("old.yaml"), old)) == expected
    committed(old)
    write(Path("specs/tickets/openapi.yaml"), new)
    assert findings("tickets") == expected
    assert findings("tickets", "--against", "old.yaml") == expected


def test_back_again() -> None:
    """What comes one way goes the other: the same places, and nothing that is more or less grave by accident."""
    old, new, _ = several()
    there = findings(write(Path("new.yaml"), new), "--against", write(Path("old.yaml"), old))
    back = findings("old.yaml", "--against", "new.yaml")
    assert {line.split()[3] for line in there} == {line.split()[3] for line in back}
    assert "breaking tool-removed delete_labels -" in back
    assert "additive argument-added list_tickets arguments.labels" in back
    assert findings("old.yaml", "--against", "old.yaml") == []


def reordered(value: Any, key: str = "") -> Any:
    """Return a document with everything in the opposite order that has none: keys, parameters, what is required."""
    if isinstance(value, dict):
        return {k: reordered(value[k], k) for k in reversed(value)}
    if isinstance(value, list):
        items = [reordered(v) for v in value]
        return items[::-1] if key in ("parameters", "required", "tags", "security", "type", "anyOf", "oneOf") else items
    return value


def test_order_of_everything() -> None:
    """A document in which everything stands elsewhere has the same tools."""
    write(Path("new.yaml"), reordered(BASE))
    assert Path("new.yaml").read_text() != write(Path("old.yaml"), BASE).read_text()
    done = run("diff", "new.yaml", "--against", "old.yaml", "--fail-on", "cost")
    assert (done.exit_code, "no tool changed" in done.stdout) == (0, True), done.output


# -- the old side ------------------------------


def narrowed(value: str = "closed") -> Any:
    """Return the document without a value of an enum."""
    values = [v for v in ("open", "pending", "closed") if v != value]
    return changed(BASE, {"/components/parameters/Status/schema/enum": values}, {})


NARROWED = ["breaking value-removed list_tickets arguments.status"]


def against(*words: str | Path) -> tuple[str, str]:
    """Return what `mcpgen diff` says in JSON of the one server: what it is compared with, and what cannot be."""
    (server,) = json.loads(run("diff", *words, "--format", "json").stdout)["servers"]
    return server["against"], " ".join(server["limits"])


def test_old_side_is_where_the_branch_began() -> None:
    """Without --against the old side is the merge base: what has come to the main branch since is not told."""
    committed(BASE)
    git("checkout", "-q", "-b", "narrowing")
    committed(narrowed())
    git("checkout", "-q", "main")
    committed(narrowed("open"))
    git("checkout", "-q", "narrowing")
    assert findings("tickets") == NARROWED
    assert against("tickets")[0].startswith("main (")


def test_old_side_is_the_base_of_the_pull_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """In GitHub Actions it is the branch that the pull request goes to."""
    committed(BASE)
    git("update-ref", "refs/remotes/origin/release/2", "HEAD")
    committed(narrowed("open"))
    git("update-ref", "refs/remotes/origin/main", "HEAD")
    committed(narrowed())
    monkeypatch.setenv("GITHUB_BASE_REF", "release/2")
    assert findings("tickets") == NARROWED
    assert against("tickets")[0].startswith("origin/release/2 (")


def test_old_side_is_a_tag() -> None:
    committed(BASE)
    git("tag", "v1.4.0")
    committed(narrowed())
    assert findings("tickets") == []  # the main branch has it already
    assert findings("tickets", "--against", "v1.4.0") == NARROWED
    assert findings("tickets", "--against", "HEAD~1") == NARROWED


def test_old_side_in_a_folder_of_a_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    """specs/ and generated/ need not be at the top of the repository."""
    git("init", "-q", "-b", "main")
    Path("mcp").mkdir()
    monkeypatch.chdir("mcp")
    write(Path("specs/tickets/openapi.yaml"), BASE)
    assert run("build", "-q").exit_code == 0
    git("add", "-A")
    git("commit", "-q", "-m", "The tools as they are")
    write(Path("specs/tickets/openapi.yaml"), narrowed())
    assert findings("tickets") == NARROWED


def test_old_side_is_a_folder() -> None:
    """A generated server, and a checkout that holds one."""
    committed(BASE)
    shutil.copytree("generated", "checkout/generated")
    committed(narrowed())
    for folder in ("checkout", "checkout/generated", "checkout/generated/tickets"):
        assert findings("tickets", "--against", folder) == NARROWED
        assert against("tickets", "--against", folder)[0] == folder


def test_old_side_is_a_document() -> None:
    """The configuration of today is that of both sides, so that only what upstream did is told."""
    write(Path("specs/tickets/openapi.yaml"), narrowed())
    Path("specs/tickets/mcpgen.toml").write_text('[tools.listTickets]\nname = "find"\n', encoding="utf-8")
    write(Path("old.yaml"), BASE)
    assert findings("tickets", "--against", "old.yaml") == ["breaking value-removed find arguments.status"]


def test_old_side_is_a_list_of_tools() -> None:
    """A list alone says nothing of requests and answers, and that is told; what it says is compared all the same."""
    old, new, expected = several()
    committed(old)
    write(Path("new.yaml"), new)
    tools = Path("generated/tickets/tickets_mcp/tools.json")
    wanted = [e for e in expected if not e.startswith("output ") and e.split()[3] not in ("hosts", "credentials")]
    assert findings("new.yaml", "--against", tools) == wanted
    assert against("new.yaml", "--against", tools)[1] == (
        "the old side has no contract.yaml: requests, hosts, credentials, answers and renames were not compared"
    )
    assert "note: the old side has no contract.yaml" in run("diff", "new.yaml", "--against", str(tools)).stdout


def test_server_that_has_come_or_gone() -> None:
    """Without a name every server is compared, with those that were there before."""
    committed(BASE)
    shutil.copytree("specs/tickets", "specs/desk")
    shutil.rmtree("specs/tickets")
    done = run("diff", "--format", "json")
    desk, tickets = json.loads(done.stdout)["servers"]
    assert (desk["name"], tickets["name"]) == ("desk", "tickets")
    assert {c["what"] for c in desk["changes"]} == {"tool-added"}
    assert [c["tool"] for c in desk["changes"] if c["class"] == "danger"] == [
        "delete_ticket",
        "set_labels",
        "update_ticket",
    ]
    assert {(c["class"], c["what"]) for c in tickets["changes"]} == {("breaking", "tool-removed")}
    assert len(tickets["changes"]) == len(desk["changes"]) == 7


def refusal(*words: str | Path) -> str:
    """Return what `mcpgen diff` says where it refuses the command line or the input."""
    done = run("diff", *words)
    assert (done.exit_code, done.stdout) == (2, ""), done.output
    assert "Traceback" not in done.stderr
    return done.stderr


def test_refused_without_a_repository() -> None:
    write(Path("specs/tickets/openapi.yaml"), BASE)
    assert "this is no git repository" in refusal()
    assert "--against FOLDER" in refusal("tickets", "--against", "v1")
    assert "desk: no such file" in refusal("desk")
    assert "a document alone has no earlier version" in refusal("specs/tickets/openapi.yaml")


@pytest.mark.parametrize("name", ["v9", "no such thing", "--help", "-x", "HEAD:specs", "", "../old.yaml"])
def test_refused_revision(name: str) -> None:
    """What is no revision, no folder and no file is refused, and git takes none of it for an option."""
    committed(BASE)
    assert "there is no revision, folder or file called" in refusal("tickets", f"--against={name}")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("old.yaml", "a: [", "old.yaml:1"),
        ("old.yaml", "just words", "old.yaml"),
        ("old.json", "{}", "old.json"),
        ("tools.json", '{"tools": [{"title": "x"}]}', "none that mcpgen wrote"),
        ("tools.json", '{"tools": ["x"]}', "none that mcpgen wrote"),
        (
            "tools.json",
            '{"tools": [{"name": "list_tickets", "inputSchema": 3}]}',
            "none that mcpgen wrote",
        ),
        (
            "tools.json",
            '{"tools": [{"name": "list_tickets", "annotations": 3}]}',
            "none that mcpgen wrote",
        ),
        ("folder/README.md", "nothing", "there is no generated server in the folder"),
        ("folder/.mcpgen.json", "[]", "the manifest cannot be read"),
    ],
)
def test_refused_old_side(name: str, text: str, says: str) -> None:
    """A file or a folder that holds no tools is refused, with its name and what would do."""
    write(Path("specs/tickets/openapi.yaml"), BASE)
    path = Path(name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    assert says in refusal("tickets", "--against", path.parts[0])


@pytest.mark.parametrize(
    "text", ["[]", "tools: {list_tickets: 3}", "a: [", "tools: {list_tickets: {credentials: 5}}", "server: {hosts: 5}"]
)
def test_refused_contract(text: str) -> None:
    """A contract.yaml that somebody broke is refused, and is not compared by half."""
    committed(BASE)
    Path("generated/tickets/contract.yaml").write_text(text, encoding="utf-8")
    git("commit", "-q", "-a", "-m", "By hand")
    assert "contract.yaml is none that mcpgen wrote" in refusal("tickets")


# -- what is shown ------------------------------

HOSTILE = (
    "</details></summary></td> <script>alert(1)</script> <img src=x onerror=alert(1)> @ada cc @org/team #1 "
    "| cell | cell | `tick` ``` ![i](https://evil.example/i.png) [l](javascript:x) https://evil.example "
    "www.evil.example &lt;b&gt; <!-- mcpgen diff --> "
    "\x1b[2J\x1b]0;owned\x07\x1b[8m\x9b31m \u202egnp.exe\r\n::error::owned\n"
    "::stop-commands::x\n## Heading\n- item\n> quote\n\n    code\n~~~\n---\n" + "word " * 40 + "::warning::owned"
)


def hostile() -> Any:
    """Return a document with a text that attacks wherever a report may show one."""
    key = HOSTILE.replace("~", "~0").replace("/", "~1")
    return changed(
        BASE,
        {
            "/info/title": HOSTILE,
            "/paths/~1tickets/get/summary": HOSTILE,
            "/paths/~1tickets~1{ticket_id}/get/description": HOSTILE,
            "/paths/~1tickets~1{ticket_id}~1labels/put/tags": [HOSTILE],
            "/paths/~1tickets~1{ticket_id}/patch/security": [{"login": ["tickets.write", HOSTILE]}],
            "/paths/~1tickets~1{ticket_id}/delete/operationId": HOSTILE,
            "/components/parameters/Status/schema/enum": ["open", HOSTILE],
            "/components/parameters/Since/name": HOSTILE,
            "/components/parameters/Text/description": HOSTILE,
            "/components/schemas/Address/properties/city": None,
            f"/components/schemas/Address/properties/{key}": {"type": "string"},
            "/components/schemas/TicketList/properties/total": {"type": "string", "const": HOSTILE},
            "/components/schemas/Labels/properties/labels/items/default": HOSTILE,
        },
        {},
    )


def markdown(*words: str | Path) -> str:
    done = run("diff", *words, "--format", "markdown")
    assert done.exit_code == 0, done.output
    return done.stdout


def test_markdown_is_what_we_wrote() -> None:
    """Text of a document opens and closes nothing, notifies nobody, loads nothing and commands no runner."""
    write(Path("old.yaml"), BASE)
    text = markdown(write(Path("new.yaml"), hostile()), "--against", "old.yaml")
    assert "owned" in text
    assert text.startswith("<!-- mcpgen diff -->\n")
    prose = re.sub(r"(?<!\\)`[^`\n]*`", "", text)  # between backticks nothing is markup
    assert prose.count("<details") == prose.count("</details>") == prose.count("<summary>") == prose.count("</summary>")
    ours = {"!-- mcpgen diff --", "details", "details open", "/details", "summary", "/summary", "b", "/b"}
    assert set(re.findall(r"<([a-zA-Z/!?][^>]*)>", prose)) <= ours
    assert "@" not in prose
    assert not re.search(r"(?<!\\)\[[^\]\n]*\]\(|://|www\.", prose)
    assert all(c.isprintable() or c == "\n" for c in text)
    for line in text.splitlines():
        assert not line.strip().startswith("::"), line
        if line.lstrip().startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) in (3, 4), line
        assert re.match(r"$|<|#{2,3} |\||- \*\*|  \||  $|\*\*|[A-Za-z0-9>]", line), line


def test_text_of_a_document_moves_no_cursor() -> None:
    """On a terminal only our own colours are escape sequences, and no line commands the runner of a CI job."""
    write(Path("old.yaml"), BASE)
    write(Path("new.yaml"), hostile())
    for words in (("new.yaml", "--against", "old.yaml"), ("old.yaml", "--against", "new.yaml")):
        done = CliRunner().invoke(main, ["diff", *words], color=True)
        assert done.exit_code == 0, done.output
        ours = re.sub(r"\x1b\[(0|1|2|22|3[0-7])m", "", done.stdout)
        assert all(c.isprintable() or c == "\n" for c in ours)
        assert "owned" in ours
        assert not [line for line in ours.splitlines() if line.strip().startswith("::")]
        done = run("diff", *words, "--output", "diff.txt")
        assert Path("diff.txt").read_text(encoding="utf-8") == ours
        assert all(c.isprintable() or c == "\n" for c in done.stdout)


def test_json_is_stable() -> None:
    """Programs read it: the keys are these, and a version says when they change."""
    write(Path("old.yaml"), BASE)
    write(Path("new.yaml"), several()[1])
    report = json.loads(run("diff", "new.yaml", "--against", "old.yaml", "--format", "json").stdout)
    assert report.keys() == {"version", "servers"}
    assert report["version"] == 1
    (server,) = report["servers"]
    assert server.keys() == {"name", "title", "against", "counts", "tokens", "limits", "changes", "tools"}
    assert (server["name"], server["title"], server["against"]) == ("new.yaml", "Tickets", "old.yaml")
    for change in server["changes"]:
        assert change.keys() == {"class", "what", "tool", "place", "reason", "area", "operation", "old", "new"}
    ranks = [CLASSES.index(c["class"]) for c in server["changes"]]
    assert ranks == sorted(ranks)
    assert server["counts"] == {c: ranks.count(i) for i, c in enumerate(CLASSES) if i in ranks}
    assert server["tokens"].keys() == {"old", "new"}
    summed = sum(t["old"] or 0 for t in server["tools"])  # each rounded down, without what stands between them
    assert summed <= server["tokens"]["old"] <= summed + len(server["tools"])
    costs = {c["tool"]: (c["old"], c["new"]) for c in server["changes"] if c["class"] == "cost"}
    both = {t["tool"]: (t["old"], t["new"]) for t in server["tools"] if None not in (t["old"], t["new"])}
    assert costs == {tool: sizes for tool, sizes in both.items() if sizes[0] != sizes[1]}


def test_markdown_begins_with_the_gravest() -> None:
    """The number of the gravest changes is the headline; what has to be judged is open, and the rest is folded."""
    write(Path("old.yaml"), BASE)
    text = markdown(write(Path("new.yaml"), several()[1]), "--against", "old.yaml")
    assert text.splitlines()[1] == "## 4 dangerous changes in the tools"
    blocks = re.findall(r"<details( open)?><summary><b>(\w+)</b>", text)
    kinds = [kind for _, kind in blocks]
    assert kinds == sorted(kinds, key=CLASSES.index)
    assert {kind for opened, kind in blocks if opened} == {"danger", "breaking"}
    assert "customer.address.country" in text
    assert "In two letters" in text
    assert "In three letters" in text
    assert markdown("old.yaml", "--against", "old.yaml").splitlines()[1] == "## The tools have not changed"


def many(number: int, reason: str = "it takes less", title: str = "Many") -> Diff:
    changes = tuple(
        Change("breaking", "value-removed", f"tool_{at // 2}", f"arguments.a{at}", f"{reason} {at}", old=["x"])
        for at in range(number)
    )
    return Diff("many", title, changes, (), {})


@pytest.mark.parametrize("number", [1, 300, 5000])
def test_markdown_fits_into_a_comment(number: int) -> None:
    """However much has changed, it is a comment that GitHub takes, and what is not in it is counted."""
    text = as_markdown([many(number)])
    assert len(text) <= 60_000
    left = re.search(r"\*\*([\d,]+) more\*\*", text)
    assert text.count("\n- **") + (int(left[1].replace(",", "")) if left else 0) == number
    assert (left is None) == (number < 1000)
    assert text.count("<details") == text.count("</details>") > 0


@pytest.mark.parametrize("diffs", [[many(2, title="T" * 200_000)], [many(2, "r" * 200_000)], [many(1)] * 900])
def test_markdown_fits_whatever_is_long(diffs: list[Diff]) -> None:
    """A title, a reason, and servers without number: still a comment that GitHub takes."""
    text = as_markdown(diffs)
    assert len(text) <= 60_000
    assert text.count("<details") == text.count("</details>")
    assert "- **`tool_0`**" in text


def test_markdown_shows_the_gravest_of_all_servers() -> None:
    """What has little weight in one server does not take the room of what has much in another."""
    wordy = tuple(Change("wording", "title-changed", f"tool_{at}", "title", f"words {at}") for at in range(5_000))
    grave = (Change("danger", "host-changed", "", "hosts", "another host"),)
    text = as_markdown([Diff("a", "A", wordy, (), {}), Diff("b", "B", grave, (), {})])
    assert "another host" in text
    assert text.index("another host") < text.index("words 0")


def test_what_is_left_out_is_counted_in_changes() -> None:
    """The same change in many tools is told once, and counts as many where it has no room."""
    changes = tuple(
        Change("breaking", "value-removed", f"tool_{at % 50}", "arguments.a", f"it takes less {at // 50}")
        for at in range(50_000)
    )
    text = as_markdown([Diff("many", "Many", changes, (), {})])
    left = re.search(r"\*\*([\d,]+) more\*\*", text)
    assert left
    assert text.count("\n- **") * 50 + int(left[1].replace(",", "")) == 50_000


def test_reports_are_the_same_on_every_machine() -> None:
    """Neither the hash seed nor the zone of time changes a byte of any format."""
    write(Path("old.yaml"), BASE)
    write(Path("new.yaml"), several()[1])
    code = "import sys; from mcpgen.cli import main; main()"
    seen: dict[str, set[bytes]] = {}
    for seed, zone in (("1", "UTC"), ("2", "UTC+9")):
        environment = {"PATH": os.environ["PATH"], "PYTHONHASHSEED": seed, "TZ": zone, "COLUMNS": "100"}
        for form in ("text", "markdown", "json", "html"):
            command = [sys.executable, "-c", code, "diff", "new.yaml", "--against", "old.yaml", "--format", form]
            done = subprocess.run(command, capture_output=True, env=environment, check=True)
            seen.setdefault(form, set()).add(done.stdout)
    assert {form: len(outputs) for form, outputs in seen.items()} == dict.fromkeys(seen, 1)


def test_answers_that_lead_to_everything_are_compared_schema_by_schema() -> None:
    """As in some APIs every answer leads to every schema: what changed is told once for each tool, by the schema."""
    schemas = {
        f"S{n}": {"properties": {"next": {"$ref": f"#/$defs/S{(n + 1) % 80}"}, "x": {"type": "string"}}}
        for n in range(80)
    }
    changed = schemas | {"S40": {"properties": {**schemas["S40"]["properties"], "x": {"type": "integer"}}}}
    names = [f"get_{n}" for n in range(80)]
    entries = {name: {"name": name, "inputSchema": {}} for name in names}
    facts = {name: {"operation": name, "answer": {"$ref": f"#/$defs/S{n}"}} for n, name in enumerate(names)}
    found = compared("s", "S", Contract(entries, facts, {}, schemas), Contract(entries, facts, {}, changed))
    assert {(c.kind, c.tool, c.place) for c in found.changes} == {("output", n, "answer(S40).x") for n in names}
    same = compared("s", "S", Contract(entries, facts, {}, schemas), Contract(entries, facts, {}, schemas))
    assert same.changes == ()
