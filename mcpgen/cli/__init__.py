"""The command line: the only place that prints or exits.

Exit codes: 0 done; 1 a check found differences, or a trial did not go as it should; 2 the input or the command line
was refused; 3 mcpgen itself failed.
"""

from __future__ import annotations

import os
import traceback
from typing import Any

import click

from .. import __version__
from ..problems import Rejected
from .fetching import fetch
from .inputs import count, shown
from .linting import lint
from .looking import list_, mock, try_
from .making import build, init
from .reviewing import diff

__all__ = ["main"]


class Group(click.Group):
    """Lists commands in the order in which a newcomer meets them, and turns refusals into messages."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [n for n in ("try", "init", "list", "build", "lint", "diff", "fetch", "mock") if n in self.commands]

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Rejected as rejected:
            for problem in rejected.problems:
                click.echo(f"{click.style('error', fg='red')}: {shown(problem)}", err=True)
            click.echo(f"{count(len(rejected.problems), 'problem')}; nothing was written", err=True)
            ctx.exit(2)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except BrokenPipeError:
            os._exit(141)  # as of a program that SIGPIPE ends: nobody takes it for a check that passed
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
      mcpgen diff                                   what changed in the tools since the main branch
    """


for _command in (build, diff, fetch, init, lint, list_, mock, try_):
    main.add_command(_command)
