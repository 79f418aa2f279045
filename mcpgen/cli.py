"""The command line: the only place that prints or exits.

Exit codes: 0 done; 1 a check found differences, or a trial did not go as it should; 2 the input or the command line
was refused; 3 mcpgen itself failed.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import textwrap
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import __version__
from .output import Difference, Stamp, check, read_stamp, refuse_hand_edits, unchanged, write
from .problems import Problem, Rejected

if TYPE_CHECKING:
    from .config import Config
    from .corrections import Corrected
    from .mock import Recorded
    from .plan import Plan
    from .spec import Spec
    from .tryout import Call

__all__ = ["main"]

_DOCUMENTS = ("openapi.json", "openapi.yaml", "openapi.yml")


class Group(click.Group):
    """Lists commands in the order in which a newcomer meets them, and turns refusals into messages."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [n for n in ("try", "init", "list", "build", "fetch", "mock") if n in self.commands]

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Rejected as rejected:
            for problem in rejected.problems:
                click.echo(f"{click.style('error', fg='red')}: {shown(problem)}", err=True)
            click.echo(f"{_count(len(rejected.problems), 'problem')}; nothing was written", err=True)
            ctx.exit(2)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except BrokenPipeError:
            os._exit(0)
        except Exception:
            if os.environ.get("MCPGEN_DEBUG"):
                raise
            last = traceback.format_exc().strip().splitlines()
            click.echo(f"mcpgen failed, and that is its fault, not yours: {last[-1]}", err=True)
            click.echo("run it again with MCPGEN_DEBUG=1 in the environment for the whole traceback", err=True)
            ctx.exit(3)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="mcpgen %(version)s")
def main() -> None:
    """Turn an OpenAPI document into a complete, typed, reviewable MCP server in Python.

    \b
    First steps:
      mcpgen try openapi.yaml                       see the server work against a mock of the API
      mcpgen build --spec openapi.yaml --out my-mcp the whole document, no configuration
      mcpgen init openapi.yaml                      start a configuration: specs/<name>/mcpgen.toml
      mcpgen build                                  every specs/<name>/ into generated/<name>/
    """


# -- build ------------------------------


@main.command(short_help="Generate servers from their documents.")
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
    pairs = [(document, None, out)] if document and out else [_source(n) for n in names or _all_names()]
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


def _all_names() -> tuple[str, ...]:
    folder = Path("specs")
    found = tuple(sorted(p.name for p in folder.iterdir() if p.is_dir())) if folder.is_dir() else ()
    if not found:
        hint = "start one with: mcpgen init openapi.yaml, or give a document: mcpgen build --spec FILE --out FOLDER"
        raise Rejected([Problem("there is no specs/<name>/ here", hint=hint)])
    return found


def _source(name: str) -> tuple[Path, Path | None, Path]:
    """Return the document, the configuration and the output folder of specs/NAME/."""
    folder = Path("specs", name)
    if not folder.is_dir() or Path(name).name != name:
        folders = Path("specs").iterdir() if Path("specs").is_dir() else ()
        known = ", ".join(sorted(p.name for p in folders if p.is_dir())) or "none"
        raise Rejected([Problem(f"there is no specs/{name}/", hint=f"there are: {known}")])
    configuration = folder / "mcpgen.toml"
    stated = None
    if configuration.is_file():
        from .config import load

        stated = load(configuration).document
    candidates = [folder / stated] if stated else [folder / n for n in _DOCUMENTS]
    documents = [c for c in candidates if c.is_file()]
    if len(documents) != 1:
        wanted = " or ".join(c.as_posix() for c in candidates)
        message = "there are several documents" if documents else "there is no document"
        raise Rejected([Problem(f"{message}: specs/{name}/ needs {wanted}")])
    return documents[0], configuration if configuration.is_file() else None, Path("generated", name)


def _stamp(document: Path, sources: Iterable[Path]) -> Stamp:
    """Return what a build depends on: the document and all other files read, our templates and our own code."""
    from .render import templates

    digest = hashlib.sha256(__version__.encode())
    own = sorted(Path(__file__).parent.rglob("*.py"))
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

    _readable(document)
    stamp = read_stamp(folder)
    known = stamp.sources and not force and fetching != "again"
    if known and stamp == _stamp(document, map(Path, stamp.sources)) and unchanged(folder):
        return up_to_date
    from .render import render
    from .spec import uncollected

    with _progress(f"{folder}") as progress, uncollected():
        loaded, config = _loaded(document, configuration, progress, fetching)
        plan = _planned(loaded, config, document, configuration, progress)
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
        from .proxy import SNAPSHOT

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
    from . import proxy
    from .fetch import listed

    with _progress(f"{document.parent}") as progress:
        spec, plan = _bare(document, configuration, progress)
        if plan.endpoint is None:
            return False
        progress("asking the MCP endpoint")
        found = proxy.differences(proxy.known(plan, spec), listed(plan))
    for difference in found:
        click.echo(f"{document.parent}: {_plain(difference)}")
    return bool(found)


_WOULD = {"added": "would be added", "changed": "would change", "removed": "would be removed"}


def _readable(document: Path) -> None:
    if not document.is_file():
        raise Rejected([Problem("no such file" if not document.exists() else "not a file", file=str(document))])


def _planned(
    loaded: Corrected, config: Config, document: Path, configuration: Path | None, progress: Callable[[str], None]
) -> Plan:
    from . import proxy
    from .custom import completed
    from .planner import plan

    name = document.as_posix() if configuration else document.name
    planned = plan(loaded.spec, config, document=name, progress=progress, corrections=loaded.corrections)
    if planned.endpoint:
        planned = proxy.completed(planned, loaded.spec, config)
    custom = configuration.parent / "custom.py" if configuration else None
    if custom is None or not custom.is_file():
        return completed(planned, config, config.file, None)
    progress("reading custom.py")
    try:
        text = custom.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Rejected([Problem("the file is not UTF-8", file=str(custom))]) from None
    return completed(planned, config, str(custom), text)


def _bare(document: Path, configuration: Path | None, progress: Callable[[str], None]) -> tuple[Spec, Plan]:
    """Return a document and its plan without the tools that an MCP endpoint lists."""
    from .planner import plan

    loaded, config = _loaded(document, configuration, progress)
    return loaded.spec, plan(loaded.spec, config, document=document.as_posix())


def _loaded(
    document: Path, configuration: Path | None, progress: Callable[[str], None], fetching: str = "never"
) -> tuple[Corrected, Config]:
    """Return the document with its corrections, and the configuration; only a build opens a connection."""
    from . import config, corrections, spec

    _readable(document)
    progress(f"reading {document.name}")
    stated = config.load(configuration) if configuration else config.Config()
    remote = spec.Remote(stated.allow_hosts, fetching, progress)
    return corrections.load(document, stated, remote), stated


@contextmanager
def _progress(what: str) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows the present step on a terminal, once the work has taken a second."""
    started = last = time.monotonic()
    shown_once = False
    terminal = sys.stderr.isatty()

    def show(step: str) -> None:
        nonlocal last, shown_once
        now = time.monotonic()
        if terminal and now - started > 1 and now - last > 0.1:
            last, shown_once = now, True
            click.echo(f"\r\x1b[K{what}: {step}", err=True, nl=False)

    try:
        yield show
    finally:
        if shown_once:
            click.echo("\r\x1b[K", err=True, nl=False)


def _report(folder: Path, plan: Plan, files: dict[str, str], differences: list[Difference], seconds: float) -> None:
    """Say what a build did, in a few lines."""
    from .plan import json_bytes

    effects = [t.annotations.effect for t in plan.tools]
    counts = ", ".join(f"{effects.count(e)} {e}" for e in ("read", "write", "destructive"))
    click.echo(f"{click.style(str(folder), bold=True)}: {_count(len(plan.tools), 'tool')} ({counts})")
    size = len(json_bytes([t.entry() for t in plan.tools]))
    click.echo(
        f"  tools/list: {size:,} bytes, about {size // 4:,} tokens (the client decides how many of them it loads)"
    )
    if plan.corrections:
        click.echo(f"  {_corrected(plan)}")
    _report_left_out(plan)
    _report_notes(plan)
    kinds = [d.kind for d in differences]
    done = (
        ", ".join(f"{kinds.count(k)} {k}" for k in ("added", "changed", "removed") if k in kinds) or "no file changed"
    )
    click.echo(f"  {len(files)} files: {done}; {seconds:.1f} s")


def _corrected(plan: Plan) -> str:
    return f"{_count(len(plan.corrections), 'correction')} of the document applied"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _report_left_out(plan: Plan) -> None:
    defects = [o for o in plan.left_out if not o.chosen]
    chosen = len(plan.left_out) - len(defects)
    if chosen:
        click.echo(f"  {_count(chosen, 'operation')} not selected by the configuration")
    if defects:
        click.echo(f"  {click.style(_count(len(defects), 'operation') + ' left out', fg='yellow')}, see left-out.json:")
        for left in defects[:10]:
            place = f"{left.place}: " if left.place else ""
            click.echo(f"    {_plain(f'{place}{left.label}: {left.reason} (at {left.pointer})')}")
        if len(defects) > 10:
            click.echo(f"    and {len(defects) - 10} more")


def _report_notes(plan: Plan) -> None:
    if plan.notes:
        click.echo(f"  {click.style(_count(len(plan.notes), 'note'), fg='yellow')} on the document:")
        for note in plan.notes[:5]:
            click.echo("    " + shown(note).replace("\n", "\n    "))
        if len(plan.notes) > 5:
            click.echo(f"    and {len(plan.notes) - 5} more: mcpgen list shows each with its operation")


# -- fetch ------------------------------


@main.command(short_help="Take the tools that a live MCP endpoint lists.")
@click.argument("names", metavar="[NAME]...", nargs=-1)
def fetch(names: tuple[str, ...]) -> None:
    """Take the list of tools from the MCP endpoint that the document in specs/NAME/ describes, and keep it there as
    tools-list.json, for you to review and commit: the next build makes the server of it. Without a NAME: of every
    document that describes one.

    The credential is read from the environment variables that the server reads too, and goes to that host only.

    \b
    Examples:
      PAGERDUTY_USER_API_KEY=… mcpgen fetch pagerduty-mcp
      mcpgen build --check --live       in CI: does it still list what is committed?
    """
    from . import proxy
    from .fetch import listed

    met = False
    for name in names or _all_names():
        document, configuration, _ = _source(name)
        with _progress(name) as progress:
            spec, plan = _bare(document, configuration, progress)
            if plan.endpoint is None:
                if names:
                    hint = "only the tools of such a document are fetched"
                    raise Rejected([Problem("the document describes no MCP endpoint", hint=hint, file=str(document))])
                continue
            met = True
            progress("asking the MCP endpoint")
            entries = listed(plan)
        path = document.with_name(proxy.SNAPSHOT)
        text = proxy.snapshot_text(entries)
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            click.echo(f"{path}: up to date, {_count(len(entries), 'tool')}")
            continue
        changes = proxy.differences(proxy.known(plan, spec), entries)
        beside = path.with_name(f".{path.name}.mcpgen")
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)  # a full disk leaves the old list whole
        click.echo(f"{path}: {_count(len(entries), 'tool')}")
        for change in changes:
            click.echo(f"  {_plain(change)}")
    if not met:
        click.echo("no document here describes an MCP endpoint")


# -- init ------------------------------


@main.command(short_help="Start a configuration for a document.")
@click.argument("document", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--name", help="The folder under specs/; default: from the document's title.")
def init(document: Path, name: str | None) -> None:
    """Make specs/NAME/ with a copy of FILE and a commented mcpgen.toml that states what was inferred from it.

    \b
    Examples:
      mcpgen init openapi.yaml
      mcpgen init https-downloads/github.json --name github
    """
    from .config import Config
    from .planner import inferred
    from .planner import plan as planned
    from .render import starter
    from .spec import load

    _readable(document)
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
        click.echo(f"{target}: {_count(len(plan.tools), 'operation')}, {_count(len(plan.tags), 'tag')}")
    click.echo(f"{folder / 'mcpgen.toml'}: read it, then: mcpgen build {plan.name}")
    _report_left_out(plan)


# -- list ------------------------------


@main.command("list", short_help="Show every operation, and the tool it becomes.")
@click.argument("source", metavar="NAME|FILE")
@click.option("--json", "as_json", is_flag=True, help="One JSON array for other programs.")
def list_(source: str, as_json: bool) -> None:
    """Show every operation of a document: its tool, area, request, annotation and the reason for it, the size of its
    entry in tools/list, or why it is no tool.

    \b
    Examples:
      mcpgen list openapi.yaml
      mcpgen list pagerduty --json | jq '.[] | select(.effect == "destructive") | .tool'
    """
    document, configuration = _document(source)
    with _progress(source) as progress:
        loaded, config = _loaded(document, configuration, progress)
        plan = _planned(loaded, config, document, configuration, progress)
    rows = [*_tool_rows(plan), *_left_out_rows(plan)]
    rows.sort(key=lambda r: (r["path"], r["method"]))
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    headings = ("tool", "area", "request", "effect", "bytes", "why")
    table = [[_plain(str(c)).replace("\n", " ") for c in _cells(r)] for r in rows]
    widths = [min(max(len(r[i]) for r in [list(headings), *table]), 100) for i in range(5)]
    click.echo(
        click.style("  ".join(h.ljust(w) for h, w in zip(headings, [*widths, 0], strict=True)).rstrip(), bold=True)
    )
    for cells in table:
        line = "  ".join(c.ljust(w) for c, w in zip(cells, [*widths, 0], strict=True)).rstrip()
        click.echo(click.style(line, fg=_COLOURS.get(cells[3])))
    if plan.corrections:
        click.echo(_corrected(plan), err=True)
    for note in plan.notes:
        click.echo(f"{click.style('note', fg='yellow')}: {shown(note)}", err=True)


_COLOURS = {"destructive": "red", "left out": "bright_black", "not selected": "bright_black"}


def _cells(row: dict[str, Any]) -> tuple[Any, ...]:
    request = f"{row['method']} {row['path']}"
    return row["tool"] or "-", row["area"], request, row["effect"], row["bytes"] or "", row["reason"]


def _tool_rows(plan: Plan) -> list[dict[str, Any]]:
    from .plan import json_bytes

    return [
        {
            "tool": t.name,
            "area": t.area,
            "operation": t.operation_id,
            "method": t.method,
            "path": t.path,
            "effect": t.annotations.effect,
            "reason": t.annotations.reason,
            "bytes": len(json_bytes(t.entry())),
            "selected": True,
        }
        for t in plan.tools
    ]


def _left_out_rows(plan: Plan) -> list[dict[str, Any]]:
    return [
        {
            "tool": None,
            "area": "",
            "operation": o.operation_id,
            "method": o.method,
            "path": o.path,
            "effect": "not selected" if o.chosen else "left out",
            "reason": o.reason if o.chosen else f"{o.reason} (at {o.pointer})",
            "bytes": 0,
            "selected": False,
        }
        for o in plan.left_out
    ]


# -- try, mock ------------------------------


@main.command("try", short_help="See the server work against a mock of the API.")
@click.argument("source", metavar="NAME|FILE")
@click.option("--calls", type=click.IntRange(1, 50), default=4, show_default=True, help="How many tools are called.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Keep the server in this folder.")
def try_(source: str, calls: int, keep: Path | None) -> None:
    """Build the server, start it over stdio and over HTTP, and call some of its tools through a real MCP client. The
    API is a mock that refuses what the document does not allow; nothing leaves this machine, and no credential is
    needed.

    For each call: the tool and its arguments, the HTTP request, and what the model gets. Exit 1 when one goes wrong.

    \b
    Examples:
      mcpgen try openapi.yaml
      mcpgen try pagerduty --calls 10 --keep pagerduty-mcp
    """
    started = time.monotonic()
    document, configuration = _document(source)
    with _progress(source) as progress:
        loaded, config = _loaded(document, configuration, progress)
        plan = _planned(loaded, config, document, configuration, progress)
        from .tryout import run

        trial = run(loaded.spec, plan, calls=calls, keep=keep, progress=progress)
    over: dict[tuple[int, str], list[str]] = {}
    for listing in trial.listings:
        over.setdefault((listing.tools, listing.protocol or "-"), []).append(listing.transport)
    told = [f"{tools} tools over {' and '.join(names)}, MCP {protocol}" for (tools, protocol), names in over.items()]
    told.append(f"the API is a mock at {trial.base_url or '-'}")
    click.echo(f"{click.style(_plain(plan.title), bold=True)}: {'; '.join(told)}")
    for number, call in enumerate(trial.calls, 1):
        click.echo()
        _show_call(number, call)
    click.echo()
    if trial.problems:
        for problem in trial.problems:
            click.echo(f"{click.style('problem', fg='red')}: {_plain(problem)}")
    _report_left_out(plan)
    went = sum(not c.problems for c in trial.calls)
    click.echo(f"{went} of {len(trial.calls)} calls went through; {time.monotonic() - started:.1f} s")
    if keep:
        click.echo(f"the server is in {keep}: its README.md tells how to run it")
    if trial.problems:
        sys.exit(1)


def _show_call(number: int, call: Call) -> None:
    """Show one call of a trial on 100 columns."""
    effect = click.style(call.effect, fg=_COLOURS.get(call.effect, "green"))
    click.echo(f"{number}. {click.style(call.tool, bold=True)}  {effect}")
    _show("arguments", json.dumps(call.arguments), 4)
    for request in call.requests:
        _show("request", f"{request.method} {request.target}", 3)
        for name, value in request.headers:
            _show("", f"{name}: {value}", 1)
        if request.body:
            _show("", request.body, 4)
        _show("status", click.style(str(request.status), fg="red" if request.status >= 400 else "green"), 1)
    _show("answer", call.answer, 5)


def _show(label: str, text: str, lines: int) -> None:
    with suppress(ValueError):
        # Blanks where the lines may end; what is sent and answered has none.
        text = json.dumps(json.loads(text), ensure_ascii=False)
    wrapped = textwrap.wrap(text, 85, max_lines=lines, placeholder=" …", break_on_hyphens=False) or ["(nothing)"]
    for index, line in enumerate(wrapped):
        click.echo(f"   {'' if index else label:<10} {_plain(line) if label != 'status' else line}")


@main.command(short_help="Serve a mock of the API, for a server to be pointed at.")
@click.argument("source", metavar="NAME|FILE")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 takes a free one.")
def mock(source: str, host: str, port: int) -> None:
    """Serve a mock of the API until Ctrl-C: it answers with the document's examples, else with samples, and refuses
    what the document does not allow, with the reason. One line a request.

    \b
    Examples:
      mcpgen mock openapi.yaml
      mcpgen mock pagerduty --port 9000
    """
    document, configuration = _document(source)
    loaded, config = _loaded(document, configuration, lambda _: None)
    from .endpoint import alone
    from .mock import serve

    tools = None
    if alone(loaded.spec):
        tools = _planned(loaded, config, document, configuration, lambda _: None).remote_tools

    def ready(base: str) -> None:
        click.echo(f"{click.style(document.name, bold=True)} is mocked at {base}")
        click.echo(f"point a server at it with --base-url {base} and any credentials; Ctrl-C ends it")

    try:
        serve(loaded.spec, host, port, ready=ready, echo=_echo_request, tools=tools)
    except OSError as error:
        hint = "choose another --port, or 0 for a free one"
        message = f"cannot listen on {host} port {port}: {error.strerror or error}"
        raise Rejected([Problem(message, hint=hint)]) from None


def _echo_request(recorded: Recorded) -> None:
    click.echo(click.style(str(recorded), fg="red" if recorded.problems else None))


def _document(source: str) -> tuple[Path, Path | None]:
    """Return the document and the configuration for a name under specs/ or a file."""
    if Path("specs", source).is_dir() and Path(source).name == source:
        document, configuration, _ = _source(source)
        return document, configuration
    _readable(Path(source))
    return Path(source), None


def shown(problem: Problem) -> str:
    """Return a problem as the terminal may show it: text of the document cannot move the cursor."""
    return _plain(str(problem))


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


if __name__ == "__main__":
    main()
