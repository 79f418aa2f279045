"""The command that takes what is published elsewhere: fetch."""

from __future__ import annotations

import click

from ..problems import Problem, Rejected
from .inputs import all_names, bare, count, plain, progressing, source_of

__all__ = ["fetch"]


@click.command(short_help="Take the tools that a live MCP endpoint lists.")
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
    from .. import proxy
    from ..fetch import listed

    met = False
    for name in names or all_names():
        document, configuration, _ = source_of(name)
        with progressing(name) as progress:
            spec, plan = bare(document, configuration, progress)
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
            click.echo(f"{path}: up to date, {count(len(entries), 'tool')}")
            continue
        changes = proxy.differences(proxy.known(plan, spec), entries)
        beside = path.with_name(f".{path.name}.mcpgen")
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)  # a full disk leaves the old list whole
        click.echo(f"{path}: {count(len(entries), 'tool')}")
        for change in changes:
            click.echo(f"  {plain(change)}")
    if not met:
        click.echo("no document here describes an MCP endpoint")
