"""The commands that show a document and its server, and write nothing: list, try and mock."""

from __future__ import annotations

import json
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..problems import Problem, Rejected
from .inputs import COLOURS, corrected, document_of, plain, plan_of, progressing, read_document, report_left_out, shown

if TYPE_CHECKING:
    from ..mock import Recorded
    from ..plan import Plan
    from ..tryout import Call

__all__ = ["list_", "mock", "try_"]


@click.command("list", short_help="Show every operation, and the tool it becomes.")
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
    document, configuration = document_of(source)
    with progressing(source) as progress:
        loaded, config = read_document(document, configuration, progress)
        plan = plan_of(loaded, config, document, configuration, progress)
    rows = [*_tool_rows(plan), *_left_out_rows(plan)]
    rows.sort(key=lambda r: (r["path"], r["method"]))
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    headings = ("tool", "area", "request", "effect", "bytes", "why")
    table = [[plain(str(c)).replace("\n", " ") for c in _cells(r)] for r in rows]
    widths = [min(max(len(r[i]) for r in [list(headings), *table]), 100) for i in range(5)]
    click.echo(
        click.style("  ".join(h.ljust(w) for h, w in zip(headings, [*widths, 0], strict=True)).rstrip(), bold=True)
    )
    for cells in table:
        line = "  ".join(c.ljust(w) for c, w in zip(cells, [*widths, 0], strict=True)).rstrip()
        click.echo(click.style(line, fg=COLOURS.get(cells[3])))
    if plan.corrections:
        click.echo(corrected(plan), err=True)
    for note in plan.notes:
        click.echo(f"{click.style('note', fg='yellow')}: {shown(note)}", err=True)


def _cells(row: dict[str, Any]) -> tuple[Any, ...]:
    request = f"{row['method']} {row['path']}"
    return row["tool"] or "-", row["area"], request, row["effect"], row["bytes"] or "", row["reason"]


def _tool_rows(plan: Plan) -> list[dict[str, Any]]:
    from ..plan import json_bytes

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


@click.command("try", short_help="See the server work against a mock of the API.")
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
    document, configuration = document_of(source)
    with progressing(source) as progress:
        loaded, config = read_document(document, configuration, progress)
        plan = plan_of(loaded, config, document, configuration, progress)
        from ..tryout import run

        trial = run(loaded.spec, plan, calls=calls, keep=keep, progress=progress)
    over: dict[tuple[int, str], list[str]] = {}
    for listing in trial.listings:
        over.setdefault((listing.tools, listing.protocol or "-"), []).append(listing.transport)
    told = [f"{tools} tools over {' and '.join(names)}, MCP {protocol}" for (tools, protocol), names in over.items()]
    told.append(f"the API is a mock at {trial.base_url or '-'}")
    click.echo(f"{click.style(plain(plan.title), bold=True)}: {'; '.join(told)}")
    for number, call in enumerate(trial.calls, 1):
        click.echo()
        _show_call(number, call)
    click.echo()
    if trial.problems:
        for problem in trial.problems:
            click.echo(f"{click.style('problem', fg='red')}: {plain(problem)}")
    report_left_out(plan)
    went = sum(not c.problems for c in trial.calls)
    click.echo(f"{went} of {len(trial.calls)} calls went through; {time.monotonic() - started:.1f} s")
    if keep:
        click.echo(f"the server is in {keep}: its README.md tells how to run it")
    if trial.problems:
        sys.exit(1)


def _show_call(number: int, call: Call) -> None:
    """Show one call of a trial on 100 columns."""
    effect = click.style(call.effect, fg=COLOURS.get(call.effect, "green"))
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
        click.echo(f"   {'' if index else label:<10} {plain(line) if label != 'status' else line}")


@click.command(short_help="Serve a mock of the API, for a server to be pointed at.")
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
    document, configuration = document_of(source)
    loaded, config = read_document(document, configuration, lambda _: None)
    from ..endpoint import alone
    from ..mock import serve

    tools = None
    if alone(loaded.spec):
        tools = plan_of(loaded, config, document, configuration, lambda _: None).remote_tools

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
