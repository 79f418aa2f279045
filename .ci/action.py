"""Turns commands of mcpgen into a pull request that a person judges: this is what action.yml runs.

`update` takes what the vendors publish now, builds, and keeps one branch and one pull request of it. `review` tells, on
a pull request, what it changes in the tools. Everything is passed by environment: the action's inputs as `INPUT_…`, the
rest by GitHub. It needs git, mcpgen and nothing but the standard library.

What stands in a vendor's document is hostile. It reaches three places: the log, where the runner is told to take no
line of it for a command; Markdown in which it is text; and files that are committed. Branch, title and labels come from
the workflow and from names of folders. The token is taken out of the environment before anything else runs.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

MARK = "<!-- mcpgen diff -->"
"""The first line of the Markdown of `mcpgen diff`, by which our comment is found again."""
LEVELS = ("danger", "breaking", "undecided", "output", "additive", "wording", "cost")
"""The classes of changes, gravest first: those of `mcpgen diff`."""
NAME, EMAIL = "github-actions[bot]", "41898282+github-actions[bot]@users.noreply.github.com"
BUTTON = "noreply@github.com"
"""Who commits when a person presses a button of GitHub, as “Update branch”."""
_LARGEST_EXCERPT = 20_000


class Stopped(Exception):
    """Why the job ends here, in words of ours; `output` is what a command said, which may hold text of a document."""

    def __init__(self, message: str, code: int = 1, output: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.output = output


class Refused(Stopped):
    """An answer of GitHub that is an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Comparison:
    """What `mcpgen diff` found, and where it wrote it."""

    level: str
    """The gravest class among the changes, or none."""
    reached: bool
    """Whether that is what the job is to fail on, or graver."""
    markdown: str


@dataclass(frozen=True, slots=True)
class Job:
    """The inputs of the action, and the repository that it works in."""

    mode: str
    names: tuple[str, ...]
    fail_on: str
    lint_fail_on: str
    base: str
    branch: str
    labels: tuple[str, ...]
    accept_label: str
    token: str = field(repr=False)
    repository: str
    folder: Path
    """Where reports are written."""

    # -- commands ------------------------------

    def mcpgen(self, *words: str) -> tuple[int, str]:
        """Run mcpgen; return its exit code and what it said, which is in the log too."""
        command = ["mcpgen", *words]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "NO_COLOR": "1"}, check=False
        )
        said = done.stdout.decode("utf-8", "replace")
        log(f"$ {' '.join(command)}\n{said}")
        return done.returncode, said

    def done(self, *words: str) -> str:
        """Run mcpgen where only success leads on; return what it said. Errors: `Stopped`."""
        code, said = self.mcpgen(*words)
        if code:
            raise Stopped(f"mcpgen {words[0]} ended with exit code {code}", code, said)
        return said

    def git(self, *words: str) -> str:
        """Return what git answers, without the line's end. Errors: `Stopped`."""
        server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
        basic = b64encode(f"x-access-token:{self.token}".encode()).decode()
        environment = {
            **os.environ,
            **{
                f"GIT_{who}_{what}": v
                for who in ("AUTHOR", "COMMITTER")
                for what, v in (("NAME", NAME), ("EMAIL", EMAIL))
            },
            "GIT_TERMINAL_PROMPT": "0",
            # By environment, as others may read a command line. The empty one takes away what actions/checkout may have
            # left: GitHub refuses two credentials in one request.
            "GIT_CONFIG_COUNT": "2",
            "GIT_CONFIG_KEY_0": f"http.{server}/.extraheader",
            "GIT_CONFIG_VALUE_0": "",
            "GIT_CONFIG_KEY_1": f"http.{server}/.extraheader",
            "GIT_CONFIG_VALUE_1": f"Authorization: Basic {basic}",
        }
        done = subprocess.run(["git", *words], capture_output=True, env=environment, check=False)  # noqa: S607
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace")
            log(f"$ git {' '.join(words)}\n{said}")
            raise Stopped(f"git {words[0]} failed", output=said)
        return done.stdout.decode("utf-8", "replace").strip("\n")

    def github(self, method: str, path: str, payload: Any = None) -> Any:
        """Return what GitHub's REST API answers for `path` below the repository. Errors: `Refused`, `Stopped`."""
        base = os.environ.get("GITHUB_API_URL", "https://api.github.com")
        request = urllib.request.Request(  # noqa: S310 - the runner says where its API is
            f"{base}/repos/{self.repository}/{path}" if path != "/user" else f"{base}/user",
            None if payload is None else json.dumps(payload).encode(),
            {
                "Accept": "application/vnd.github+json",
                "Content-Type": "application/json",
                "X-GitHub-Api-Version": "2022-11-28",
                "User-Agent": "mcpgen-action",
            },
            method=method,
        )
        request.add_unredirected_header("Authorization", f"Bearer {self.token}")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as error:
            try:
                said = str(json.load(error)["message"])
            except (ValueError, KeyError, TypeError):
                said = str(error.reason)
            raise Refused(
                error.code, f"GitHub refused {method} {path.partition('?')[0]}: {error.code} {said}"
            ) from None
        except (OSError, ValueError) as error:
            raise Stopped(f"GitHub's API did not answer: {error}") from None

    def compare(self, *against: str) -> Comparison:
        """Compare the tools of now with those of before, and tell the steps that come after where the reports are."""
        paths = {
            form: self.folder / f"diff.{end}" for form, end in (("json", "json"), ("html", "html"), ("markdown", "md"))
        }
        for form in ("json", "html"):
            self.done("diff", *self.names, *against, "--format", form, "--output", str(paths[form]))
        told = ("--format", "markdown", "--output", str(paths["markdown"]), "--fail-on", self.fail_on)
        code, said = self.mcpgen("diff", *self.names, *against, *told)
        if code > 1:
            raise Stopped(f"mcpgen diff ended with exit code {code}", code, said)
        servers = json.loads(paths["json"].read_text(encoding="utf-8"))["servers"]
        level = next((level for level in LEVELS if any(level in s["counts"] for s in servers)), "none")
        output("level", level)
        output("diff-file", str(paths["markdown"]))
        output("report", str(paths["html"]))
        return Comparison(level, code == 1, paths["markdown"].read_text(encoding="utf-8"))


# -- update ------------------------------


def update(job: Job) -> int:
    """Bring servers up to date in a pull request; return 1 when it has what the job is to fail on.

    A document that is refused stops only its own server: the job fails after the others have their pull request.
    """
    base = based(job)
    start = job.git("rev-parse", "HEAD")
    refused = None
    try:
        job.done("fetch", *job.names)
    except Stopped as stopped:
        if stopped.code != 2:
            raise
        refused = stopped
    job.done("build", *job.names)
    tip = job.git("ls-remote", "origin", f"refs/heads/{job.branch}").partition("\t")[0]
    changed = changes(job)
    output("changed", "true" if changed else "false")
    if not changed and refused:
        raise refused
    if not changed:
        if tip and (old := pull_request(job, base)):
            told = f"What is published now is what `{base}` has: there is nothing to merge any more."
            job.github("POST", f"issues/{old['number']}/comments", {"body": told})
            job.github("PATCH", f"pulls/{old['number']}", {"state": "closed"})
        summary("Nothing has changed upstream.")
        return 0
    found = job.compare("--against", start)
    title = f"API update: {listed(changed)} ({found.level if found.level != 'none' else 'no tool changed'})"
    job.git("checkout", "--quiet", "--detach")
    job.git("add", "--all", "--", *folders(job))
    job.git("commit", "--quiet", "--no-verify", "--message", title)
    if not tip or not holds(job, tip, start):
        job.git(
            "push",
            "--quiet",
            f"--force-with-lease=refs/heads/{job.branch}:{tip}",
            "origin",
            f"HEAD:refs/heads/{job.branch}",
        )
    url = proposed(job, base, title, found.markdown)
    output("pull-request", url)
    summary(f"{title}: {url}\n\n{found.markdown}")
    if found.reached:
        error(f"the gravest change is {found.level}, and this job fails on {job.fail_on}: {url}")
    if refused:
        raise refused
    return int(found.reached)


def based(job: Job) -> str:
    """Return the branch that the pull request goes into, which is checked out then. Errors: `Stopped`."""
    current = job.git("branch", "--show-current")
    if not (job.base or current):
        raise Stopped("no branch is checked out: say which one the pull request goes into, with the input `base`", 2)
    if job.branch in ("", job.base or current):
        raise Stopped("the input `branch` must name a branch of its own: it is overwritten", 2)
    if job.base and job.base != current:
        job.git("fetch", "--quiet", "--no-tags", "origin", f"refs/heads/{job.base}")
        job.git("checkout", "--quiet", "--detach", "FETCH_HEAD")
    return job.base or current


def folders(job: Job) -> list[str]:
    """Return the folders, among those that are there, which belong to the servers of the job."""
    named = [f"{root}/{name}" for name in job.names for root in ("specs", "generated")] or ["specs", "generated"]
    return [path for path in named if Path(path).exists()]


def changes(job: Job) -> list[str]:
    """Return the names of the servers whose files are not those of the last commit, sorted."""
    told = job.git("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", *folders(job))
    top = job.git("rev-parse", "--show-prefix")
    paths = [entry[3:].removeprefix(top) for entry in told.split("\0") if entry]
    return sorted({path.split("/")[1] for path in paths if path.count("/") > 1})


def listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def holds(job: Job, tip: str, start: str) -> bool:
    """Tell whether the branch at `tip` has what was committed now. Errors: `Stopped` where it has another's work."""
    commit = job.github("GET", f"git/commits/{tip}")
    made = (job.git("rev-parse", "HEAD^{tree}"), [start])
    same = (commit["tree"]["sha"], [parent["sha"] for parent in commit["parents"]]) == made
    while len(commit["parents"]) == 2 and commit["committer"]["email"] == BUTTON:
        commit = job.github("GET", f"git/commits/{commit['parents'][0]['sha']}")
    if {commit["author"]["email"], commit["committer"]["email"]} != {EMAIL}:
        raise Stopped(f"{job.branch} has a commit that is not of this job: merge it, or delete the branch")
    return same


def pull_request(job: Job, base: str) -> dict[str, Any] | None:
    """Return the open pull request of the branch, if there is one."""
    owner = job.repository.partition("/")[0]
    asked = urlencode({"state": "open", "head": f"{owner}:{job.branch}", "base": base})
    found: list[dict[str, Any]] = job.github("GET", f"pulls?{asked}")
    return found[0] if found else None


def proposed(job: Job, base: str, title: str, body: str) -> str:
    """Return the address of the pull request, which is opened, or says now what it holds."""
    told = {"title": title, "body": body}
    if old := pull_request(job, base):
        if (old["title"], old["body"]) != (title, body):
            job.github("PATCH", f"pulls/{old['number']}", told)
        return str(old["html_url"])
    try:
        new = job.github("POST", "pulls", {**told, "head": job.branch, "base": base})
    except Refused as refused:
        if refused.status == 403:
            where = "Settings, Actions, General: Allow GitHub Actions to create and approve pull requests"
            raise Stopped(f"{refused}. Is it allowed? {where}") from None
        raise
    if job.labels:
        job.github("POST", f"issues/{new['number']}/labels", {"labels": list(job.labels)})
    return str(new["html_url"])


# -- review ------------------------------


def review(job: Job) -> int:
    """Tell on a pull request what it changes in the tools; return 1 when that is what the job is to fail on."""
    event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
    pull = event.get("pull_request") or {}
    code, said = job.mcpgen("build", "--check", *job.names)
    if code > 1:
        comment(job, pull, f"{MARK}\n## mcpgen cannot build this\n\n{fenced(said)}")
        raise Stopped(f"mcpgen build ended with exit code {code}", code)
    found = job.compare(*(("--against", f"origin/{job.base}") if job.base else ()))
    output("changed", "true" if found.level != "none" else "false")
    linted = lint(job)
    accepted = bool(job.accept_label) and job.accept_label in {label["name"] for label in pull.get("labels", ())}
    notes = []
    if code:
        notes.append("**`generated/` is not what `specs/` gives**: run `mcpgen build`, and commit what it writes.")
        error("generated/ is not what specs/ gives: run mcpgen build, and commit what it writes")
    if found.reached and accepted:
        notes.append(f"Accepted by the label `{job.accept_label}`.")
    elif found.reached:
        error(f"the gravest change is {found.level}, and this job fails on {job.fail_on}")
    if run := os.environ.get("GITHUB_RUN_ID"):
        address = f"{os.environ.get('GITHUB_SERVER_URL', '')}/{job.repository}/actions/runs/{run}"
        notes.append(f"Log and reports: [this run]({address}).")
    comment(job, pull, "\n\n".join([found.markdown.rstrip("\n"), *notes]) + "\n")
    return int(bool(code) or linted or (found.reached and not accepted))


def lint(job: Job) -> bool:
    """Write what is wrong with the documents for GitHub's code scanning; tell whether the job is to fail on it."""
    path = job.folder / "lint.sarif"
    told = ("--format", "sarif", "--output", str(path), "--fail-on", job.lint_fail_on)
    code, said = job.mcpgen("lint", *job.names, *told)
    if code > 1:
        raise Stopped(f"mcpgen lint ended with exit code {code}", code, said)
    output("sarif", str(path))
    if code:
        error(f"mcpgen lint has findings of the level {job.lint_fail_on}, or graver ones")
    return code == 1


def comment(job: Job, pull: dict[str, Any], body: str) -> None:
    """Write the one comment of ours on the pull request, or edit it; where that is not allowed, the summary has it."""
    if not pull:
        summary(body)
        return
    try:
        old = our_comment(job, pull["number"])
        if old is None:
            job.github("POST", f"issues/{pull['number']}/comments", {"body": body})
        else:
            job.github("PATCH", f"issues/comments/{old['id']}", {"body": body})
    except Refused as refused:
        if refused.status not in (401, 403, 404):
            raise
        why = "The token of this run may not comment, as in a pull request from a fork: it is told here only."
        print(why)
        body = f"{body}\n{why}\n"
    summary(body)


def our_comment(job: Job, number: int) -> dict[str, Any] | None:
    """Return the comment that an earlier run wrote: anybody can write our mark, and edit what is written below it."""
    try:
        who = job.github("GET", "/user")["login"]
    except Refused:
        who = ""  # the token of an app, as that of every run, is of no user
    for page in range(1, 100):
        found = job.github("GET", f"issues/{number}/comments?per_page=100&page={page}")
        for one in found:
            user = one["user"] or {}
            ours = user.get("login") == who if who else user.get("type") == "Bot"
            if ours and (one["body"] or "").partition("\n")[0].strip() == MARK:
                return dict(one)
        if len(found) < 100:
            break
    return None


# -- what the runner is told ------------------------------


def log(text: str) -> None:
    """Print text of anybody: no line of it is a workflow command."""
    word = secrets.token_hex(16)
    print(f"::stop-commands::{word}\n{text.rstrip()}\n::{word}::", flush=True)


def error(message: str) -> None:
    """Print what is shown beside the run."""
    print(f"::error::{message.replace('%', '%25').replace(chr(13), '%0D').replace(chr(10), '%0A')}", flush=True)


def output(name: str, value: str) -> None:
    """Set an output of the action."""
    if "\n" in value or "\r" in value:
        raise Stopped(f"the output {name} has more than a line")
    appended("GITHUB_OUTPUT", f"{name}={value}\n")


def summary(markdown: str) -> None:
    """Add to the page of the run."""
    appended("GITHUB_STEP_SUMMARY", markdown.rstrip() + "\n")


def appended(variable: str, text: str) -> None:
    with Path(os.environ[variable]).open("a", encoding="utf-8") as file:
        file.write(text)


def fenced(text: str) -> str:
    """Return text of anybody as a block of Markdown that it cannot end."""
    cut = text if len(text) <= _LARGEST_EXCERPT else text[:_LARGEST_EXCERPT] + "\n…"
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", cut))])
    return f"{fence}text\n{cut.rstrip()}\n{fence}"


def main() -> int:
    def given(name: str) -> str:
        return os.environ.get(f"INPUT_{name}", "").strip()

    job = Job(
        mode=given("MODE"),
        names=tuple(given("NAMES").split()),
        fail_on=given("FAIL_ON"),
        lint_fail_on=given("LINT_FAIL_ON"),
        base=given("BASE"),
        branch=given("BRANCH"),
        labels=tuple(label for part in given("LABELS").split(",") if (label := part.strip())),
        accept_label=given("ACCEPT_LABEL"),
        token=os.environ.pop("INPUT_TOKEN", ""),
        repository=quote(os.environ.get("GITHUB_REPOSITORY", "")),
        folder=Path(os.environ["RUNNER_TEMP"]) / "mcpgen-reports",
    )
    try:
        if job.mode not in ("update", "review"):
            raise Stopped("the input `mode` is update or review", 2)
        return update(job) if job.mode == "update" else review(job)
    except Stopped as stopped:
        error(f"{stopped}")
        summary(f"**{stopped}**\n\n{fenced(stopped.output)}" if stopped.output else f"**{stopped}**")
        return stopped.code


if __name__ == "__main__":
    sys.exit(main())
