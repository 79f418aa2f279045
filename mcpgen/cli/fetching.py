"""The command that takes what is published elsewhere: fetch."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..problems import Problem, Rejected
from .inputs import all_names, bare, count, plain, progressing, read_document, shown, source_of

if TYPE_CHECKING:
    from ..config import Config
    from ..fetch import Fetched
    from ..plan import Plan
    from ..spec import Spec

__all__ = ["fetch"]

_EXAMPLE = """write in specs/{}/mcpgen.toml where the document is published:
  [source]
  url = "https://example.com/openapi.json"\
"""


@click.command(short_help="Take documents from where they are published.")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option(
    "--check", "checking", is_flag=True, help="Write nothing; exit 1 when what is published moved, and say how."
)
@click.option("--force", is_flag=True, help="Take a document that shrank, changed its version, or lacks files.")
def fetch(names: tuple[str, ...], checking: bool, force: bool) -> None:
    """Take what specs/NAME/mcpgen.toml says is published elsewhere, and keep it in specs/NAME/ for you to review and
    commit. Without a NAME: for all of them.

    \b
    The document and the files that it refers to, from the place under [source]:
      url = "https://api.example.com/openapi.json"
      url = "../api/openapi.yaml"                     a file, from the folder of mcpgen.toml
      url = "git+https://github.com/acme/api.git#main:spec/openapi.yaml"
      headers = { Authorization = "Bearer {VENDOR_TOKEN}" }

    source.lock keeps what was taken. What is no OpenAPI document, lost most of its operations or is of another version
    is refused, and the old one stays.

    Of a document that describes an MCP endpoint also the list of tools, as tools-list.json, with the credential from
    the variables that the server reads. Where that is not set the list is not taken, which is said.

    \b
    Examples:
      mcpgen fetch                        everything under specs/
      mcpgen fetch pagerduty              one of them; then: mcpgen build pagerduty
      mcpgen fetch --check                in CI: is there something new?
      VENDOR_TOKEN=… mcpgen fetch acme    where a header under [source] names {VENDOR_TOKEN}
    """
    _Fetching(names, checking, force).run()


@dataclass(frozen=True, slots=True)
class _Planned:
    """What is known of an MCP endpoint, and where its list is kept."""

    spec: Spec
    plan: Plan
    snapshot: Path


class _Fetching:
    """One run: every name is tried, and what is against one of them keeps no other one from being written."""

    def __init__(self, names: tuple[str, ...], checking: bool, force: bool) -> None:
        self._asked, self._names = bool(names), tuple(dict.fromkeys(names or all_names()))
        self._checking, self._force = checking, force
        self._problems: dict[str, list[Problem]] = {}
        self._done = 0
        """What was asked for and answered, whether it is new or not."""
        self._planned: dict[str, _Planned] = {}
        self._written = False
        self._moved = False

    def run(self) -> None:
        sourced = [name for name in self._names if self._tried(name, self._document)]
        endpoints = [name for name in self._names if name not in self._problems and self._tried(name, self._endpoint)]
        # Those without a credential last: they are refused only when there is nothing else to do.
        for name in sorted(endpoints, key=lambda n: bool(self._unset(n))):
            unset = self._unset(name)
            if unset and self._done and (name in sourced or not self._asked):
                said = f"{' and '.join(unset)} {'are' if unset[1:] else 'is'} not set"
                click.echo(f"{self._planned[name].snapshot}: not taken, {said}")
            else:
                self._tried(name, self._tools)
        if self._problems and not self._written:
            raise Rejected(p for problems in self._problems.values() for p in problems)
        if self._problems:
            problems = Rejected(p for problems in self._problems.values() for p in problems).problems
            for problem in problems:
                click.echo(f"{click.style('error', fg='red')}: {shown(problem)}", err=True)
            click.echo(
                f"{count(len(problems), 'problem')}; nothing was written for {', '.join(self._problems)}", err=True
            )
            sys.exit(2)
        if not self._done:
            click.echo("nothing to fetch: no mcpgen.toml here has a url under [source], no document is an MCP endpoint")
        if self._checking and self._moved:
            sys.exit(1)

    def _tried(self, name: str, step: Callable[[str], bool]) -> bool:
        """Do one step for a name; tell whether it applies. Its problems are kept."""
        try:
            return step(name)
        except Rejected as rejected:
            self._problems.setdefault(name, []).extend(rejected.problems)
            return False

    @staticmethod
    def _config(name: str) -> Config:
        from .. import config

        folder = Path("specs", name)
        if not folder.is_dir() or Path(name).name != name:
            source_of(name)  # says what there is
        file = folder / "mcpgen.toml"
        return config.load(file) if file.is_file() else config.Config()

    # -- the document ------------------------------

    def _document(self, name: str) -> bool:
        config = self._config(name)
        if not config.source.url:
            return False
        from ..fetch import take, write

        with progressing(name) as progress:
            fetched = take(Path("specs", name), config, force=self._force, progress=lambda step: progress(plain(step)))
        if not self._checking:
            write(fetched)
            self._written |= fetched.relock
        self._done += 1
        self._moved |= fetched.moved
        self._say(fetched)
        return True

    def _say(self, fetched: Fetched) -> None:
        path = fetched.folder / fetched.document
        if not fetched.moved:
            click.echo(f"{path}: up to date{'; source.lock is new' if fetched.relock and not self._checking else ''}")
        elif self._checking:
            click.echo(f"{path}: upstream moved: {fetched.how or 'it was never fetched'}")
        else:
            files = f" ({count(len(fetched.files), 'file')})" if len(fetched.files) > 1 else ""
            size = sum(map(len, fetched.files.values()))
            how = f": {fetched.how}" if fetched.how else ""
            click.echo(f"{path}: {_size(size)}, {_operations(fetched)}{files}{how}")
        for note in fetched.notes:
            click.echo(f"  {plain(note)}")

    # -- the tools of an endpoint ------------------------------

    def _endpoint(self, name: str) -> bool:
        """Plan the server of a document that is about an MCP endpoint; tell whether it is."""
        from .. import proxy
        from ..endpoint import alone

        sourced = bool(self._config(name).source.url)
        try:
            document, configuration, _ = source_of(name)
            with progressing(name) as progress:
                found = alone(read_document(document, configuration, progress)[0].spec)
        except Rejected:
            if sourced:
                return False  # there is none yet; or it was taken, and what is wrong with it is for the build to say
            raise
        if found is None and self._asked and not sourced:
            hint = _EXAMPLE.format(name)
            message = "the document describes no MCP endpoint, and nothing says where it is published"
            raise Rejected([Problem(message, hint=hint, file=str(document))])
        if found is not None:
            with progressing(name) as progress:
                spec, plan = bare(document, configuration, progress)
            self._planned[name] = _Planned(spec, plan, document.with_name(proxy.SNAPSHOT))
        return found is not None

    def _unset(self, name: str) -> list[str]:
        """Return the variables to set, when not one that holds a credential is."""
        plan = self._planned[name].plan
        known = {v.name for c in plan.credentials for v in c.variables}
        return [] if any(os.environ.get(n) for n in known) else [n for n in plan.environment_names if n in known]

    def _tools(self, name: str) -> bool:
        from .. import proxy
        from ..fetch import listed

        planned = self._planned[name]
        path = planned.snapshot
        with progressing(name) as progress:
            progress("asking the MCP endpoint")
            entries = listed(planned.plan)
        text = proxy.snapshot_text(entries)
        self._done += 1
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            click.echo(f"{path}: up to date, {count(len(entries), 'tool')}")
            return True
        changes = proxy.differences(proxy.known(planned.plan, planned.spec), entries)
        self._moved = True
        if not self._checking:
            beside = path.with_name(f".{path.name}.mcpgen")
            beside.write_text(text, encoding="utf-8")
            beside.replace(path)  # a full disk leaves the old list whole
            self._written = True
        click.echo(f"{path}: {'upstream moved: ' if self._checking else ''}{count(len(entries), 'tool')}")
        for change in changes:
            click.echo(f"  {plain(change)}")
        return True


def _size(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB" if size >= 100_000 else f"{size / 1_000:.1f} kB"


def _operations(fetched: Fetched) -> str:
    """Return how many operations there are, and how many there were."""
    assert fetched.after is not None, "what moved was read"
    has = len(fetched.after.operations)
    if fetched.before and len(fetched.before.operations) != has:
        return f"{len(fetched.before.operations)} \u2192 {count(has, 'operation')}"
    return count(has, "operation")
