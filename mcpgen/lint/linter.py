"""Turns a plan into what is wrong with it for a model, because the model sees the plan and not the document.

What the configuration rewords, hides and pins is judged as it became; the place that is shown is where a text was
written: the document, the configuration, or custom.py. Work is linear in the size of the document and of tools/list.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from ..config import Config
from ..plan import Plan
from ..spec import Spec
from . import arguments, texts, tools
from .rules import LEVELS, RULES, Finding, Report
from .server import Server

__all__ = ["lint"]

Check = Callable[[Server], Iterator[Finding]]


def lint(plan: Plan, spec: Spec, config: Config, progress: Callable[[str], None] = lambda _: None) -> Report:
    """Return what was found. Errors: `Rejected` for rules that [lint] names and that are none."""
    server = Server(plan, spec, config)
    found: list[Finding] = []
    checks: list[Check] = [*texts.CHECKS, *tools.CHECKS, *arguments.CHECKS, _unused]
    for check in checks:
        progress("looking for what a model gets wrong")
        found += check(server)
    rank = {rule: number for number, rule in enumerate(RULES)}
    found.sort(key=lambda f: (LEVELS.index(f.level), rank[f.rule], -len(f.tools), f.tools, f.argument, f.problem))
    return Report(
        name=plan.name,
        document=spec.path.as_posix(),
        tools=len(plan.tools),
        tokens=server.tokens,
        findings=tuple(found),
        ignored=server.ignored,
        located=server.located,
    )


def _unused(server: Server) -> Iterator[Finding]:
    for entry in server.unused():
        message = f"`ignore` has {json.dumps(entry, ensure_ascii=False)}, and there is no such finding"
        at = server.config.problem("lint.ignore", "")
        yield from server.finding("unused-ignore", at, message, "take it out of [lint] ignore", subject=entry)
