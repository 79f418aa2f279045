"""The GitHub action as a runner plays it: the steps of action.yml, a vendor's web server, a repository, GitHub's API.

GitHub is a stand-in on this machine, with a real repository behind git's own HTTP server: it wants the token, and
refuses what GitHub refuses. What is sent to its API is held against GitHub's own document too, where the corpus is.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
import yaml
from click.testing import CliRunner
from conftest import TESTS

from mcpgen import report
from mcpgen.cli import main
from mcpgen.contract import CLASSES
from mcpgen.mock import Mock
from mcpgen.spec import load

ROOT = TESTS.parent
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = ACTION["runs"]["steps"]
TOKEN = "ghs_zoo"
BOT = "github-actions[bot]"
BRANCH = "refs/heads/mcpgen/update"
BIN = Path(sys.executable).parent

ZOO = """
openapi: 3.0.3
info: {title: Zoo, version: "1"}
servers: [{url: https://zoo.test}]
paths:
  /animals:
    get:
      operationId: listAnimals
      summary: List animals.
      tags: [Animals]
      parameters: [{name: kind, in: query, description: Only these., schema: {type: string}}]
      responses: {"200": {description: Ok.}}
    post:
      operationId: addAnimal
      summary: Add an animal.
      tags: [Animals]
      requestBody:
        required: true
        content: {application/json: {schema: {type: object, properties: {name: {type: string}}}}}
      responses: {"201": {description: Ok.}}
"""


def read(path: str, name: str, summary: str = "Read it.") -> str:
    """An operation more."""
    return f"""\
  {path}:
    get:
      operationId: {name}
      summary: {json.dumps(summary)}
      tags: [Keepers]
      responses: {{"200": {{description: Ok.}}}}
"""


KEEPERS = ZOO + read("/keepers", "listKeepers")
"""Additive."""
FEEDING = KEEPERS + read("/feedings", "listFeedings")
"""Additive again."""
NO_ADDING = ZOO[: ZOO.index("    post:")] + read("/keepers", "listKeepers")
"""Breaking: a tool less."""


# -- GitHub, and the vendor ------------------------------


class Requested(NamedTuple):
    method: str
    path: str
    body: Any


@dataclass
class Scene:
    """What the servers serve: the vendor a document, GitHub a repository with its pull requests and comments."""

    folder: Path
    document: str = ZOO
    status: int = 200
    rights: str = "write"
    """Of the token."""
    pulls: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    asked: list[Requested] = field(default_factory=list)
    """Of the API."""
    pushes: int = 0

    @property
    def origin(self) -> Path:
        return self.folder / "zoo" / "servers.git"

    def branch(self, name: str = BRANCH) -> str:
        """Return the commit of a branch; empty when there is none."""
        found = subprocess.run(["git", "-C", self.origin, "rev-parse", "--verify", "-q", name], capture_output=True)
        return found.stdout.decode().strip()

    def wrote(self) -> list[str]:
        return [f"{r.method} {r.path.partition('?')[0]}" for r in self.asked if r.method != "GET"]


class Refusal(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    """The vendor under /docs/, GitHub's API under /api/v3/, git anywhere else."""

    protocol_version = "HTTP/1.1"
    scene: Scene

    def log_message(self, *_: Any) -> None:
        pass

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/docs/"):
            status = self.scene.status if self.path == "/docs/openapi.yaml" else 404
            self._answer(status, self.scene.document.encode(), "application/yaml")
        elif self.path.startswith("/api/v3/"):
            payload = json.loads(body) if body else None
            self.scene.asked.append(Requested(self.command, self.path.removeprefix("/api/v3"), payload))
            try:
                if self.headers.get_all("Authorization") != [f"Bearer {TOKEN}"]:
                    raise Refusal(401, "Bad credentials")
                status, answer = self._api(urlsplit(self.path.removeprefix("/api/v3")), payload)
            except Refusal as refusal:
                status, answer = refusal.status, {"message": str(refusal)}
            self._answer(status, json.dumps(answer).encode(), "application/json")
        else:
            self._git(body)

    do_GET = do_POST = do_PATCH = _any

    def _answer(self, status: int, body: bytes, kind: str, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _git(self, body: bytes) -> None:
        wanted = "Basic " + b64encode(f"x-access-token:{TOKEN}".encode()).decode()
        given = self.headers.get_all("Authorization") or []
        if given != [wanted]:  # GitHub answers 400 to two of them, 401 to none or another
            self._answer(400 if len(given) > 1 else 401, b"", "text/plain", {"WWW-Authenticate": "Basic"})
            return
        url = urlsplit(self.path)
        push = "git-receive-pack" in self.path
        if push and self.scene.rights == "read":
            self._answer(403, b"", "text/plain")
            return
        self.scene.pushes += self.command == "POST" and push
        done = subprocess.run(
            ["git", "http-backend"],
            input=body,
            capture_output=True,
            env={
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(self.scene.folder),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "safe.directory",
                "GIT_CONFIG_VALUE_0": "*",
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "REQUEST_METHOD": self.command,
                "PATH_INFO": url.path,
                "QUERY_STRING": url.query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "REMOTE_USER": "token",
            },
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        self._answer(int(headers.pop("Status", "200")[:3]), content, headers.pop("Content-Type", "text/plain"), headers)

    def _api(self, url: Any, sent: Any) -> tuple[int, Any]:
        scene = self.scene
        if url.path == "/user":
            raise Refusal(403, "Resource not accessible by integration")
        if not url.path.startswith("/repos/zoo/servers/"):
            raise Refusal(404, "Not Found")
        if self.command != "GET" and scene.rights == "read":
            raise Refusal(403, "Resource not accessible by integration")
        parts = url.path.split("/")[4:]
        query = {k: v[0] for k, v in parse_qs(url.query).items()}
        match [self.command, *parts]:
            case ["GET", "pulls"]:
                owner, _, head = query["head"].partition(":")
                assert (owner, query["state"]) == ("zoo", "open")
                wanted = (head, query["base"], "open")
                return 200, [p for p in scene.pulls if (p["head"]["ref"], p["base"]["ref"], p["state"]) == wanted]
            case ["POST", "pulls"]:
                return 201, self._opened(**sent)
            case ["PATCH", "pulls", number]:
                assert sent.keys() <= {"title", "body", "state"}
                pull = next(p for p in scene.pulls if p["number"] == int(number))
                pull.update(sent)
                return 200, pull
            case ["POST", "issues", number, "labels"]:
                pull = next(p for p in scene.pulls if p["number"] == int(number))
                pull["labels"] += [{"name": name} for name in sent["labels"]]
                return 200, pull["labels"]
            case ["GET", "issues", _, "comments"]:
                size = int(query["per_page"])
                assert size <= 100
                return 200, scene.comments[(int(query["page"]) - 1) * size :][:size]
            case ["POST", "issues", _, "comments"]:
                comment = said(sent["body"], len(scene.comments) + 1, BOT, "Bot")
                scene.comments.append(comment)
                return 201, comment
            case ["PATCH", "issues", "comments", number]:
                comment = next(c for c in scene.comments if c["id"] == int(number))
                comment["body"] = sent["body"]
                return 200, comment
            case ["GET", "git", "commits", sha]:
                form = "%T%n%P%n%ae%n%ce"
                shown = git(scene.origin, "show", "-s", f"--format={form}", sha).split("\n")
                parents = [{"sha": parent} for parent in shown[1].split()]
                people = {"author": {"email": shown[2]}, "committer": {"email": shown[3]}}
                return 200, {"sha": sha, "tree": {"sha": shown[0]}, "parents": parents, **people}
        raise Refusal(404, "Not Found")

    def _opened(self, title: str, body: str, head: str, base: str) -> dict[str, Any]:
        scene = self.scene
        if scene.rights == "no pull requests":
            raise Refusal(403, "GitHub Actions is not permitted to create or approve pull requests.")
        assert len(title) <= 256
        assert len(body) <= 65_536
        if not scene.branch(f"refs/heads/{head}") or not scene.branch(f"refs/heads/{base}"):
            raise Refusal(422, "Validation Failed")
        if any(p["head"]["ref"] == head and p["state"] == "open" for p in scene.pulls):
            raise Refusal(422, "A pull request already exists")
        number = len(scene.pulls) + 1
        pull = {"title": title, "body": body, "head": {"ref": head}, "base": {"ref": base}, "number": number}
        address = f"https://github.test/zoo/servers/pull/{number}"
        scene.pulls.append({**pull, "state": "open", "labels": [], "html_url": address})
        return scene.pulls[-1]


def said(body: str, number: int, login: str, kind: str = "User") -> dict[str, Any]:
    """A comment."""
    return {"id": number, "body": body, "user": {"login": login, "type": kind}}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of the vendor and of GitHub."""
    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{served.server_port}"
    served.shutdown()
    served.server_close()


PEOPLE = {f"GIT_{who}_{what}": "ada@zoo.test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def git(folder: Path, *words: str) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        **PEOPLE,
    }
    done = subprocess.run(["git", *words], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def mcpgen(folder: Path, *words: str) -> str:
    done = subprocess.run([BIN / "mcpgen", *words], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, server: str) -> Path:
    """A folder with the repository of somebody who has built the vendor's document; not to be changed."""
    folder = tmp_path_factory.mktemp("published")
    Handler.scene = Scene(folder)
    work = folder / "work"
    (work / "specs" / "zoo").mkdir(parents=True)
    (work / "README.md").write_text("Our servers.\n")
    source = f'[source]\nurl = "{server}/docs/openapi.yaml"\nallow_private = true\n'
    (work / "specs" / "zoo" / "mcpgen.toml").write_text(source)
    mcpgen(work, "fetch")
    mcpgen(work, "build")
    git(work, "init", "--quiet", "--initial-branch=main")
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message", "The zoo.")
    git(folder, "clone", "--quiet", "--bare", "work", "zoo/servers.git")
    shutil.rmtree(work)
    return folder


@pytest.fixture
def scene(tmp_path: Path, published: Path) -> Scene:
    shutil.copytree(published, tmp_path / "github")
    Handler.scene = Scene(tmp_path / "github")
    return Handler.scene


# -- the runner ------------------------------


@dataclass(frozen=True)
class Run:
    """What came of a job."""

    code: int
    log: str
    outputs: Mapping[str, str]
    summary: str
    folder: Path
    """The checkout."""

    @property
    def commands(self) -> list[str]:
        """What the runner takes for commands: `::name …::` at the start of a line, `##[name]` anywhere in it."""
        found, stopped = [], ""
        for line in re.split(r"\r\n|\r|\n", self.log):
            if stopped:
                stopped = "" if line.strip() == f"::{stopped}::" else stopped
            elif match := re.match(r"\s*::stop-commands::(.+)", line):
                stopped = match[1]
            elif re.match(r"\s*::[^:]+::", line) or "##[" in line:
                found.append(line)
        assert not stopped
        return found


Play = Callable[..., Run]


@pytest.fixture
def play(scene: Scene, server: str, tmp_path: Path) -> Play:
    """Runs a job in a fresh checkout of main, after `prepare` had it; inputs by name, with _ for -."""
    number = 0

    def play(
        mode: str,
        prepare: Callable[[Path], object] = lambda _: None,
        event: Mapping[str, Any] | None = None,
        **inputs: str,
    ) -> Run:
        nonlocal number
        number += 1
        place = tmp_path / f"job{number}"
        checkout = place / "checkout"
        place.mkdir()
        git(place, "clone", "--quiet", str(scene.origin), "checkout")
        git(checkout, "remote", "set-url", "origin", f"{server}/zoo/servers.git")
        # As actions/checkout leaves it, with a token that may not push.
        git(checkout, "config", f"http.{server}/.extraheader", "AUTHORIZATION: basic b2xkOm9sZA==")
        prepare(checkout)
        files = {name: place / name.lower() for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_EVENT_PATH")}
        for file in files.values():
            file.touch()
        files["GITHUB_EVENT_PATH"].write_text(json.dumps(event or {}))
        given = {"version": "installed", "mode": mode, **{k.replace("_", "-"): v for k, v in inputs.items()}}
        assert given.keys() <= ACTION["inputs"].keys()
        values = {f"inputs.{n}": given.get(n, i.get("default", "")) for n, i in ACTION["inputs"].items()}
        environment = {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "HOME": str(place),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_API_URL": f"{server}/api/v3",
            "GITHUB_BASE_REF": "main" if event else "",
            "GITHUB_REPOSITORY": "zoo/servers",
            "GITHUB_RUN_ID": "7",
            "GITHUB_SERVER_URL": server,
            "RUNNER_TEMP": str(place / "temp"),
            **{name: str(file) for name, file in files.items()},
        }
        (place / "temp").mkdir()
        log, code = "", 0
        for step in STEPS:
            if code:
                break
            script = place / "step.sh"
            script.write_text(step["run"])
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", script],
                cwd=checkout / placed(step.get("working-directory", "."), values),
                env={**environment, **{k: placed(v, values) for k, v in step.get("env", {}).items()}},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            log, code = log + done.stdout.decode(), done.returncode
        set_ = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())
        values = {f"steps.run.outputs.{name}": value for name, value in set_.items()}
        outputs = {name: placed(o["value"], values) for name, o in ACTION["outputs"].items()}
        assert TOKEN not in log
        return Run(code, log, outputs, files["GITHUB_STEP_SUMMARY"].read_text(), checkout)

    return play


def placed(text: str, values: Mapping[str, str]) -> str:
    """Put values into `${{ … }}` as the runner does; what there is no value for is empty."""
    text = re.sub(r"\$\{\{ (inputs\.[\w-]+) \}\}", lambda m: values[m[1]], text)
    text = re.sub(r"\$\{\{ (steps\.run\.outputs\.[\w-]+) \}\}", lambda m: values.get(m[1], ""), text)
    return text.replace("${{ github.token }}", TOKEN)


# -- every night ------------------------------


def test_nothing_new_is_no_branch(scene: Scene, play: Play) -> None:
    done = play("update")
    assert done.code == 0, done.log
    assert done.outputs["changed"] == "false"
    assert (scene.branch(), scene.asked, scene.pushes) == ("", [], 0)
    assert git(done.folder, "log", "--format=%s") == "The zoo."
    assert "Nothing has changed" in done.summary


def test_an_addition_becomes_a_pull_request(scene: Scene, play: Play) -> None:
    main_ = scene.branch("main")
    scene.document = KEEPERS
    done = play("update", labels="api update, mcp")
    assert done.code == 0, done.log
    assert git(scene.origin, "log", "--format=%P %ae", BRANCH).split("\n")[0].split() == [
        main_,
        "41898282+github-actions[bot]@users.noreply.github.com",
    ]
    files = git(scene.origin, "diff", "--name-only", "main", BRANCH).split("\n")
    assert {"specs/zoo/openapi.yaml", "specs/zoo/source.lock", "generated/zoo/TOOLS.md"} <= {*files}
    assert all(f.startswith(("specs/zoo/", "generated/zoo/")) for f in files)
    assert scene.branch("main") == main_
    [pull] = scene.pulls
    assert pull["title"] == "API update: zoo (additive)"
    assert (pull["head"]["ref"], pull["base"]["ref"]) == ("mcpgen/update", "main")
    assert [label["name"] for label in pull["labels"]] == ["api update", "mcp"]
    assert done.outputs["changed"] == "true"
    assert done.outputs["level"] == "additive"
    assert done.outputs["pull-request"] == pull["html_url"]
    assert pull["body"] == Path(done.outputs["diff-file"]).read_text()
    assert "list_keepers" in Path(done.outputs["report"]).read_text()
    assert pull["html_url"] in done.summary

    # What the job says is what anybody is told who asks for it.
    review = done.folder.with_name("review")
    git(done.folder.parent, "clone", "--quiet", "--branch=mcpgen/update", str(scene.origin), str(review))
    assert pull["body"] == mcpgen(review, "diff", "--against", main_, "--format", "markdown")
    mcpgen(review, "build", "--check")


def test_the_next_nights_keep_one_pull_request(scene: Scene, play: Play) -> None:
    scene.document = KEEPERS
    play("update")
    first, pushes = scene.branch(), scene.pushes
    scene.asked.clear()

    same = play("update")
    assert same.code == 0, same.log
    assert (scene.branch(), scene.pushes, scene.wrote()) == (first, pushes, [])
    assert same.outputs["pull-request"] == scene.pulls[0]["html_url"]

    scene.document = FEEDING
    assert play("update").code == 0
    [pull] = scene.pulls
    assert scene.wrote() == [f"PATCH /repos/zoo/servers/pulls/{pull['number']}"]
    assert scene.branch() != first
    assert git(scene.origin, "rev-list", "--count", f"main..{BRANCH}") == "1"
    assert "list_feedings" in pull["body"]
    assert "list_keepers" in pull["body"]

    scene.document = ZOO  # the vendor took it back
    scene.asked.clear()
    done = play("update")
    assert done.code == 0, done.log
    assert (pull["state"], done.outputs["changed"]) == ("closed", "false")
    assert "nothing to merge" in scene.comments[0]["body"]


def test_a_merged_branch_is_used_again(scene: Scene, play: Play) -> None:
    """Also where nobody deletes it; and main may have gone on in the meantime."""
    scene.document = KEEPERS
    play("update")
    git(scene.origin, "update-ref", "refs/heads/main", BRANCH)
    scene.pulls[0]["state"] = "closed"
    scene.asked.clear()
    assert play("update").outputs["changed"] == "false"
    assert scene.wrote() == []
    scene.document = FEEDING
    assert play("update").code == 0
    assert [p["state"] for p in scene.pulls] == ["closed", "open"]
    assert git(scene.origin, "rev-parse", f"{BRANCH}^") == scene.branch("main")


def test_a_breaking_change_fails_after_the_pull_request_is_there(scene: Scene, play: Play) -> None:
    scene.document = NO_ADDING
    done = play("update")
    assert done.code == 1
    [pull] = scene.pulls
    assert (pull["state"], pull["title"]) == ("open", "API update: zoo (breaking)")
    assert scene.branch()
    assert done.outputs["level"] == "breaking"
    assert done.commands == [
        f"::error::the gravest change is breaking, and this job fails on breaking: {pull['html_url']}"
    ]


@pytest.mark.parametrize(
    ("document", "status", "why"),
    [
        (ZOO, 503, "the answer is 503"),
        ("openapi: 3.0.3\npaths: [", 200, "not valid YAML"),
        (ZOO[: ZOO.index("paths:")] + "paths: {}\n", 200, "openapi.yaml"),
        ("<html>Moved</html>", 200, "HTML"),
    ],
    ids=["down", "broken", "shrunk", "page"],
)
def test_a_document_that_is_refused_changes_nothing(
    scene: Scene, play: Play, document: str, status: int, why: str
) -> None:
    scene.document, scene.status = document, status
    done = play("update")
    assert done.code == 2, done.log
    assert done.commands == ["::error::mcpgen fetch ended with exit code 2"]
    assert why in done.summary
    assert "nothing was written" in done.summary
    assert (scene.branch(), scene.asked, scene.pushes) == ("", [], 0)
    assert git(done.folder, "status", "--porcelain") == ""


def test_a_document_that_is_refused_holds_up_no_other(scene: Scene, play: Play) -> None:
    def with_park(checkout: Path) -> None:
        park = shutil.copytree(checkout / "specs/zoo", checkout / "specs/park")
        (park / "source.lock").unlink()
        configuration = (park / "mcpgen.toml").read_text()
        (park / "mcpgen.toml").write_text(configuration.replace("openapi.yaml", "gone.yaml"))
        mcpgen(checkout, "build")
        git(checkout, "add", "--all")
        git(checkout, "commit", "--quiet", "--message", "A park.")

    scene.document = KEEPERS
    done = play("update", with_park)
    assert done.code == 2
    assert [pull["title"] for pull in scene.pulls] == ["API update: zoo (additive)"]
    assert "404" in done.summary
    assert done.commands == ["::error::mcpgen fetch ended with exit code 2"]
    scene.document = ZOO
    assert play("update", with_park).code == 2
    assert scene.pulls[0]["state"] == "open", "what was not fetched may still differ"


def test_what_reads_a_document_has_no_token(scene: Scene, play: Play) -> None:
    def curious(checkout: Path) -> None:
        with (checkout / "specs/zoo/mcpgen.toml").open("a") as file:
            file.write('headers = { X-Token = "{INPUT_TOKEN}" }\n')

    done = play("update", curious)
    assert done.code == 2
    assert "INPUT_TOKEN" in done.summary
    assert "not set" in done.summary


def test_a_build_that_is_refused_proposes_nothing(scene: Scene, play: Play) -> None:
    def corrected(checkout: Path) -> None:
        with (checkout / "specs/zoo/mcpgen.toml").open("a") as file:
            file.write('[tools.addAnimal]\nname = "admit_animal"\n')

    scene.document = NO_ADDING
    done = play("update", corrected)
    assert done.code == 2, done.log
    assert "addAnimal" in done.summary
    assert (scene.branch(), scene.asked) == ("", [])


def test_the_work_of_a_person_on_the_branch_stays(scene: Scene, play: Play, tmp_path: Path) -> None:
    """Not what GitHub's button makes to update a branch: there is nothing of anybody in it."""
    scene.document = KEEPERS
    play("update")
    tree = git(scene.origin, "rev-parse", f"{BRANCH}^{{tree}}")
    made = subprocess.run(
        ["git", "-C", scene.origin, "commit-tree", tree, "-p", BRANCH, "-p", "main", "-m", "Merge main"],
        env={**os.environ, **PEOPLE, "GIT_COMMITTER_EMAIL": "noreply@github.com"},
        capture_output=True,
        text=True,
    )
    git(scene.origin, "update-ref", BRANCH, made.stdout.strip())
    scene.document = FEEDING
    assert play("update").code == 0
    assert git(scene.origin, "rev-list", "--count", f"main..{BRANCH}") == "1"

    git(tmp_path, "clone", "--quiet", "--branch=mcpgen/update", str(scene.origin), "ada")
    (tmp_path / "ada" / "README.md").write_text("Our servers, and what Ada says.\n")
    git(tmp_path / "ada", "commit", "--quiet", "--all", "--message", "More.")
    git(tmp_path / "ada", "push", "--quiet")
    theirs = scene.branch()
    scene.document = KEEPERS
    done = play("update")
    assert done.code == 1
    assert "a commit that is not of this job" in done.commands[0]
    assert scene.branch() == theirs


def test_pull_requests_that_are_not_allowed(scene: Scene, play: Play) -> None:
    """The message says which setting; once it is changed, the next night goes on from there."""
    scene.document, scene.rights = KEEPERS, "no pull requests"
    done = play("update")
    assert done.code == 1
    assert "Allow GitHub Actions to create and approve pull requests" in done.commands[0]
    scene.rights = "write"
    assert play("update").code == 0
    assert (len(scene.pulls), scene.pushes) == (1, 1)


def test_another_base(scene: Scene, play: Play) -> None:
    """The branch that is named, whatever is checked out; without a name there must be a branch."""
    git(scene.origin, "branch", "release", "main")
    scene.document = KEEPERS

    def detached(checkout: Path) -> None:
        git(checkout, "checkout", "--quiet", "--detach")

    nameless = play("update", detached)
    assert nameless.code == 2
    assert "with the input `base`" in nameless.commands[0]
    assert play("update", detached, base="release").code == 0
    assert scene.pulls[0]["base"]["ref"] == "release"
    assert play("update", branch="main").code == 2


def test_servers_in_a_folder_of_the_repository(scene: Scene, play: Play) -> None:
    def moved(checkout: Path) -> None:
        (checkout / "mcp").mkdir()
        git(checkout, "mv", "specs", "generated", "mcp")
        git(checkout, "commit", "--quiet", "--message", "In a folder.")

    scene.document = KEEPERS
    assert play("update", moved, working_directory="mcp", names="zoo").code == 0
    assert scene.pulls[0]["title"] == "API update: zoo (additive)"
    files = git(scene.origin, "diff", "--name-only", f"{BRANCH}^", BRANCH).split("\n")
    assert "mcp/specs/zoo/openapi.yaml" in files
    assert all(f.startswith(("mcp/specs/zoo/", "mcp/generated/zoo/")) for f in files)


# -- on a pull request ------------------------------


def proposing(document: str, *, built: bool = True) -> Callable[[Path], None]:
    """Check out a branch with another document."""

    def prepare(checkout: Path) -> None:
        git(checkout, "checkout", "--quiet", "-b", "proposal")
        (checkout / "specs/zoo/openapi.yaml").write_text(document)
        if built:
            mcpgen(checkout, "build")
        git(checkout, "commit", "--quiet", "--all", "--message", "A proposal.")

    return prepare


EVENT = {"pull_request": {"number": 5, "labels": []}}


def test_one_comment_is_edited_in_place(scene: Scene, play: Play) -> None:
    """Ours: who knows our mark can write it, and edit what we would write below it."""
    scene.comments = [said("So many.", n, "ada") for n in range(1, 121)]
    scene.comments.append(said(f"{report.MARK}\nNothing has changed, trust me.", 121, "mallory"))
    done = play("review", proposing(KEEPERS), EVENT)
    assert done.code == 0, done.log
    ours = scene.comments[-1]
    assert (ours["user"]["login"], len(scene.comments)) == (BOT, 122)
    told = Path(done.outputs["diff-file"]).read_text()
    assert ours["body"].startswith(told.rstrip("\n"))
    assert told.startswith(f"{report.MARK}\n## 1 additive change in the tools\n")
    assert "list_keepers" in ours["body"]
    assert "/zoo/servers/actions/runs/7" in ours["body"]
    assert done.summary == ours["body"]
    assert (done.outputs["changed"], done.outputs["level"]) == ("true", "additive")
    assert "list_keepers" in Path(done.outputs["report"]).read_text()
    assert done.commands == []

    assert play("review", proposing(FEEDING), EVENT).code == 0
    assert len(scene.comments) == 122
    assert "list_feedings" in ours["body"]
    assert "trust me" in scene.comments[120]["body"]


def test_a_review_fails_on_what_nobody_accepted(scene: Scene, play: Play) -> None:
    done = play("review", proposing(NO_ADDING), EVENT, accept_label="breaking-accepted")
    assert done.code == 1
    assert done.commands == ["::error::the gravest change is breaking, and this job fails on breaking"]
    labelled = {"pull_request": {"number": 5, "labels": [{"name": "breaking-accepted"}]}}
    accepted = play("review", proposing(NO_ADDING), labelled, accept_label="breaking-accepted")
    assert accepted.code == 0, accepted.log
    assert "Accepted by the label `breaking-accepted`." in scene.comments[0]["body"]
    assert len(scene.comments) == 1


def test_a_review_of_what_was_not_built(scene: Scene, play: Play) -> None:
    """And of what `mcpgen lint` finds: a job may fail for several reasons, which are told together."""
    done = play("review", proposing(KEEPERS, built=False), EVENT, lint_fail_on="note")
    assert done.code == 1
    assert "generated/zoo/TOOLS.md: would change" in done.log
    assert "run `mcpgen build`" in scene.comments[0]["body"]
    assert "list_keepers" in scene.comments[0]["body"]
    assert done.commands == [
        "::error::mcpgen lint has findings of the level note, or graver ones",
        "::error::generated/ is not what specs/ gives: run mcpgen build, and commit what it writes",
    ]
    [run] = json.loads(Path(done.outputs["sarif"]).read_text())["runs"]
    places = {r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in run["results"]}
    assert "specs/zoo/openapi.yaml" in places


def test_a_review_of_what_cannot_be_built(scene: Scene, play: Play) -> None:
    done = play("review", proposing("openapi: 3.0.3\npaths: {'```\n::error::x': [", built=False), EVENT)
    assert done.code == 2
    [comment] = scene.comments
    assert comment["body"].startswith(f"{report.MARK}\n## mcpgen cannot build this\n")
    assert "specs/zoo/openapi.yaml" in comment["body"]
    assert comment["body"] in done.summary
    assert done.commands == ["::error::mcpgen build ended with exit code 2"]


def test_a_fork_is_told_on_the_page_of_the_run(scene: Scene, play: Play) -> None:
    scene.rights = "read"
    done = play("review", proposing(NO_ADDING), EVENT)
    assert done.code == 1
    assert scene.comments == []
    assert "add_animal" in done.summary
    assert "as in a pull request from a fork" in done.summary
    assert done.commands == ["::error::the gravest change is breaking, and this job fails on breaking"]


# -- hostile documents ------------------------------

COMMANDS = "::add-mask::e\n::set-output name=level::none\n##[error]pwned\n::stop-commands::x\n::x::\n::error::pwned"


def hostile(touched: Path) -> str:
    """A document whose texts are written for a shell, a runner, and GitHub's Markdown."""
    shell = f"$(touch {touched}) `touch {touched}` ${{{{ github.token }}}}"
    text = f"@octocat {shell} </details>\n{COMMANDS}\n{report.MARK}\n```\n# heading\n<img src=x onerror=alert(1)>"
    quoted = json.dumps(text)
    zoo = ZOO.replace("title: Zoo", f"title: {quoted}").replace("summary: List animals.", f"summary: {quoted}")
    return f"""{zoo.replace("description: Only these.", f"description: {quoted}")}
  /hostile:
    get:
      operationId: {quoted}
      tags: [{quoted}]
      parameters: [{{name: {quoted}, in: query, schema: {{enum: [{quoted}]}}}}]
      responses: {{"200": {{description: Ok.}}}}
  {json.dumps("/defective/" + text)}:
    get:
      operationId: {json.dumps("defective" + text)}
      parameters: [{{name: a, in: {quoted}}}]
      responses: {{"200": {{description: Ok.}}}}
"""


@pytest.mark.parametrize("mode", ["update", "review"])
def test_hostile_text_is_only_text(scene: Scene, play: Play, tmp_path: Path, mode: str) -> None:
    touched = tmp_path / "touched"
    scene.document = hostile(touched)
    if mode == "update":
        done = play("update", fail_on="never")
        assert [pull["title"] for pull in scene.pulls] == [f"API update: zoo ({done.outputs['level']})"]
        told = scene.pulls[0]["body"]
        assert "::add-mask::e" in done.log, "what the runner must not read is not in the log"
        assert not re.search(r"^\s*::(?!stop-commands::[0-9a-f]{32}$|[0-9a-f]{32}::$)", done.log, re.M)
    else:
        done = play("review", proposing(scene.document), EVENT, fail_on="never")
        told = scene.comments[0]["body"]
    assert done.code == 0, done.log
    assert not touched.exists()
    assert done.commands == []
    assert done.outputs["level"] in CLASSES
    assert "octocat" in told
    assert "set-output" in told
    for text in (told, done.summary):
        assert "@octocat" not in text
        assert "<img" not in text
        assert text.count(report.MARK) == 1
        assert text.count("<details") == text.count("</details>")
        assert not re.search(r"^\W*heading", text, re.M)


# -- what is written down ------------------------------


def test_inputs_reach_the_shell_by_environment_only() -> None:
    assert not any("${{" in step["run"] for step in STEPS)
    used = re.findall(r"\$\{\{ inputs\.([\w-]+) \}\}", (ROOT / "action.yml").read_text(encoding="utf-8"))
    assert sorted(used) == sorted(ACTION["inputs"])


def test_what_the_action_knows_of_mcpgen() -> None:
    module = importlib.util.spec_from_file_location("action", ROOT / ".ci" / "action.py")
    assert module is not None
    assert module.loader is not None
    action = importlib.util.module_from_spec(module)
    sys.modules["action"] = action
    module.loader.exec_module(action)
    assert (action.LEVELS, action.MARK) == (CLASSES, report.MARK)
    assert action.fenced("a ```` b\n```") == "`````text\na ```` b\n```\n`````"


@pytest.mark.parametrize("name", ["mcpgen-update.yml", "mcpgen-review.yml"])
def test_the_workflows_to_copy(name: str) -> None:
    text = (ROOT / "templates" / "ci" / name).read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {}
    [job] = workflow["jobs"].values()
    own = [step for step in job["steps"] if step.get("uses") == "OWNER/mcpgen@COMMIT"]
    assert len(own) == 1
    assert own[0]["with"].keys() <= ACTION["inputs"].keys()
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", s["uses"]) for s in job["steps"] if s not in own)
    assert {*re.findall(r"steps\.mcpgen\.outputs\.([\w-]+)", text)} <= ACTION["outputs"].keys()


def test_the_hooks_and_the_job_for_gitlab_name_commands_that_exist() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert [hook["id"] for hook in hooks] == ["mcpgen-build-check", "mcpgen-lint"]
    assert all((hook["language"], hook["pass_filenames"]) == ("python", False) for hook in hooks)
    job = yaml.safe_load((ROOT / "templates" / "ci" / "gitlab-ci.yml").read_text(encoding="utf-8"))["mcpgen"]
    lines = [hook["entry"] for hook in hooks] + [line for line in job["script"] if line.startswith("mcpgen ")]
    assert len(lines) == 6
    for line in lines:
        _, command, *words = line.split()
        told = CliRunner().invoke(main, [command, "--help"])
        assert told.exit_code == 0, told.output
        assert all(re.search(rf"{word}\b", told.output) for word in words if word.startswith("--")), line


# -- GitHub's own words ------------------------------


@pytest.mark.skipif(not os.environ.get("MCPGEN_CORPUS"), reason="MCPGEN_CORPUS names no folder of real documents")
def test_requests_are_as_github_documents_them(scene: Scene, play: Play) -> None:
    scene.document = KEEPERS
    play("update", labels="mcp")
    scene.document = ZOO
    play("update")
    play("review", proposing(KEEPERS), EVENT)
    play("review", proposing(FEEDING), EVENT)
    kinds = {re.sub(r"[0-9a-f]{40}|\d+", "N", wrote) for wrote in scene.wrote()}
    assert len(kinds) == 5, kinds
    refused = asyncio.run(refusals(Path(os.environ["MCPGEN_CORPUS"], "github-rest.json"), scene.asked))
    assert refused == []


async def refusals(document: Path, asked: list[Requested]) -> list[str]:
    mock = Mock(load(document))
    base = await mock.start()
    async with httpx2.AsyncClient(timeout=60) as client:
        for request in asked:
            await client.request(request.method, base + request.path, json=request.body)
    await mock.stop()
    assert len(mock.requests) == len(asked)
    return [str(record) for record in mock.requests if record.status >= 400]
