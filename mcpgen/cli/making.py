"""The commands that write a server, or the start of one: build and init."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .. import __version__
from ..output import Difference, Stamp, check, read_stamp, refuse_hand_edits, unchanged, write
from ..problems import Problem, Rejected
from ..shipped import templates
from .inputs import (
    all_names,
    bare,
    corrected,
    count,
    plain,
    plan_of,
    progressing,
    read_document,
    readable,
    report_left_out,
    shown,
    source_of,
)

if TYPE_CHECKING:
    from ..plan import Plan

__all__ = ["build", "init", "is_current"]


@click.command(short_help="Generate servers from their documents.")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--spec", "document", type=click.Path(path_type=Path), help="One document, without any configuration.")
@click.option("--out", type=click.Path(path_type=Path), help="Where the server goes; with --spec.")
@click.option("--check", "checking", is_flag=True, help="Write nothing; exit 1 with the list of what differs.")
@click.option("--force", is_flag=True, help="Build even when nothing changed, and replace files edited by hand.")
@click.option("--refresh-remote", "refresh", is_flag=True, help="Fetch again what is stored in specs/NAME/remote/.")
@click.option("--live", is_flag=True, help="With --check: ask MCP endpoints too whether they list what is known.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing unless something is wrong.")
def build(
    names: tuple[str, ...],
    document: Path | None,
    out: Path | None,
    checking: bool,
    force: bool,
    refresh: bool,
    live: bool,
    quiet: bool,
) -> None:
    """Generate every specs/NAME/ into generated/NAME/, or one document given with --spec into --out.

    Only files that change are written; files of an earlier build that are no longer made are removed. A file that
    somebody edited by hand stops the build.

    \b
    Examples:
      mcpgen build                                    everything under specs/
      mcpgen build pagerduty                          one of them
      mcpgen build --check                            in CI: is what is committed up to date?
      mcpgen build --spec openapi.json --out my-mcp   a document, as it is
    """
    if document is not None and (names or out is None):
        raise click.UsageError("--spec FILE goes with --out FOLDER, and without a NAME")
    if document is None and out is not None:
        raise click.UsageError("--out goes with --spec")
    if refresh and (checking or document is not None):
        raise click.UsageError("--refresh-remote goes with a NAME or none, and without --check, which fetches nothing")
    if live and not checking:
        raise click.UsageError("--live goes with --check; what is listed now is taken with: mcpgen fetch")
    fetching = "never" if checking else "again" if refresh else "missing"
    pairs = [(document, None, out)] if document and out else [source_of(n) for n in names or all_names()]
    finished: list[Callable[[], bool]] = []
    problems: list[Problem] = []
    for source, configuration, folder in pairs:  # all of them before anything is written: one may be refused
        try:
            finished.append(_made(source, configuration, folder, checking, force, quiet, fetching))
        except Rejected as rejected:
            problems += rejected.problems
    if problems:
        raise Rejected(problems)
    differing = False
    for finish in finished:
        differing |= finish()
    for source, configuration, _ in pairs if live else ():
        differing |= _drifted(source, configuration)
    if differing and checking:
        sys.exit(1)


def is_current(document: Path, folder: Path) -> bool:
    """Tell whether a server is what a build would make of the document: nothing that it depends on has changed."""
    stamp = read_stamp(folder)
    return bool(stamp.sources) and stamp == _stamp(document, map(Path, stamp.sources)) and unchanged(folder)


def _stamp(document: Path, sources: Iterable[Path]) -> Stamp:
    """Return what a build depends on: the document and all other files read, our templates, our own code, and the
    tools whose bytes are our bytes."""
    from importlib.metadata import version

    digest = hashlib.sha256(__version__.encode())
    for tool in ("ruff", "datamodel-code-generator"):
        digest.update(f"{tool} {version(tool)}\0".encode())
    own = sorted(Path(__file__).parents[1].rglob("*.py"))
    placed = sorted(p for p in templates().rglob("*") if p.suffix in (".py", ".j2"))
    read = sorted({Path(os.path.relpath(p)).as_posix() for p in sources})
    for path in [*map(Path, read), *own, *placed]:
        content = path.read_bytes() if path.is_file() else b""
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(content).digest())
    digest.update(document.as_posix().encode())
    return Stamp(digest.hexdigest(), tuple(read))


def _made(
    document: Path, configuration: Path | None, folder: Path, checking: bool, force: bool, quiet: bool, fetching: str
) -> Callable[[], bool]:
    """Make one server; return what writes or checks it, says so, and tells whether anything differs."""
    started = time.monotonic()

    def up_to_date() -> bool:
        if not quiet:
            click.echo(f"{folder}: up to date ({time.monotonic() - started:.1f} s)")
        return False

    readable(document)
    if not force and fetching != "again" and is_current(document, folder):
        return up_to_date
    from ..render import render
    from ..spec import uncollected

    with progressing(f"{folder}") as progress, uncollected():
        loaded, config = read_document(document, configuration, progress, fetching)
        plan = plan_of(loaded, config, document, configuration, progress)
        progress("rendering")
        files = render(plan)
    if checking:
        differences = check(folder, files)
        return partial(_differ, folder, differences) if differences else up_to_date
    refuse_hand_edits(folder, files, force=force)
    sources = [*loaded.spec.files, *loaded.files, *([configuration] if configuration else [])]
    if configuration:
        sources.append(configuration.parent / "custom.py")  # also when it is not there: it may come
    if plan.endpoint:
        from ..proxy import SNAPSHOT

        sources.append(document.with_name(SNAPSHOT))
    made_of = _stamp(document, sources)

    def put() -> bool:
        differences = write(folder, files, made_of, force=force)
        if not quiet:
            _report(folder, plan, files, differences, time.monotonic() - started)
        return bool(differences)

    return put


def _differ(folder: Path, differences: list[Difference]) -> bool:
    for difference in differences:
        click.echo(f"{folder / difference.path}: {_WOULD[difference.kind]}")
    return True


def _drifted(document: Path, configuration: Path | None) -> bool:
    """Tell how a live MCP endpoint differs from what is known of it; return whether it does."""
    from .. import proxy
    from ..fetch import listed

    with progressing(f"{document.parent}") as progress:
        spec, plan = bare(document, configuration, progress)
        if plan.endpoint is None:
            return False
        progress("asking the MCP endpoint")
        found = proxy.differences(proxy.known(plan, spec), listed(plan))
    for difference in found:
        click.echo(f"{document.parent}: {plain(difference)}")
    return bool(found)


_WOULD = {"added": "would be added", "changed": "would change", "removed": "would be removed"}


def _report(folder: Path, plan: Plan, files: dict[str, str], differences: list[Difference], seconds: float) -> None:
    """Say what a build did, in a few lines."""
    from ..plan import json_bytes

    effects = [t.annotations.effect for t in plan.tools]
    counts = ", ".join(f"{effects.count(e)} {e}" for e in ("read", "write", "destructive"))
    click.echo(f"{click.style(str(folder), bold=True)}: {count(len(plan.tools), 'tool')} ({counts})")
    size = len(json_bytes([t.entry() for t in plan.tools]))
    click.echo(
        f"  tools/list: {size:,} bytes, about {size // 4:,} tokens (the client decides how many of them it loads)"
    )
    if plan.corrections:
        click.echo(f"  {corrected(plan)}")
    report_left_out(plan)
    _report_notes(plan)
    kinds = [d.kind for d in differences]
    done = (
        ", ".join(f"{kinds.count(k)} {k}" for k in ("added", "changed", "removed") if k in kinds) or "no file changed"
    )
    click.echo(f"  {len(files)} files: {done}; {seconds:.1f} s")


def _report_notes(plan: Plan) -> None:
    if plan.notes:
        click.echo(f"  {click.style(count(len(plan.notes), 'note'), fg='yellow')} on the document:")
        for note in plan.notes[:5]:
            click.echo("    " + shown(note).replace("\n", "\n    "))
        if len(plan.notes) > 5:
            click.echo(f"    and {len(plan.notes) - 5} more: mcpgen list shows each with its operation")


@click.command(short_help="Start a configuration for a document.")
@click.argument("document", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--name", help="The folder under specs/; default: from the document's title.")
def init(document: Path, name: str | None) -> None:
    """Make specs/NAME/ with a copy of FILE and a commented mcpgen.toml that states what was inferred from it.

    \b
    Examples:
      mcpgen init openapi.yaml
      mcpgen init https-downloads/github.json --name github
    """
    from ..config import Config
    from ..planner import inferred
    from ..planner import plan as planned
    from ..render import starter
    from ..spec import load

    readable(document)
    spec = load(document)
    plan = planned(spec, Config(name=name or ""))
    folder = Path("specs", plan.name)
    target = folder / ("openapi.json" if document.suffix.lower() == ".json" else "openapi.yaml")
    taken = [p for p in (target, folder / "mcpgen.toml") if p.exists()]
    if taken:
        raise Rejected(Problem("the file is there already", hint="choose another --name", file=str(p)) for p in taken)
    folder.mkdir(parents=True, exist_ok=True)
    target.write_bytes(document.read_bytes())
    (folder / "mcpgen.toml").write_text(starter(plan, inferred(spec, plan)), encoding="utf-8")
    if plan.endpoint:
        click.echo(f"{target}: an MCP endpoint; what it lists now is taken with: mcpgen fetch {plan.name}")
    else:
        click.echo(f"{target}: {count(len(plan.tools), 'operation')}, {count(len(plan.tags), 'tag')}")
    click.echo(f"{folder / 'mcpgen.toml'}: read it, then: mcpgen build {plan.name}")
    report_left_out(plan)
