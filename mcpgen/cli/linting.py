"""The command that judges a document and its configuration for a model: lint."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..problems import Problem, Rejected
from .inputs import all_names, count, document_of, plain, plan_of, progressing, read_document

if TYPE_CHECKING:
    from ..lint import Report

__all__ = ["lint"]

_COLOURS = {"error": "red", "warning": "yellow", "note": "blue"}
_SHOWN = 5
"""How many findings of a rule are shown without --all."""


@click.command(short_help="Say how good a document is for a model, and what would cure it.")
@click.argument("sources", metavar="[NAME|FILE]...", nargs=-1)
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "note", "never"]),
    default="error",
    show_default=True,
    help="Exit with 1 when something of that level, or graver, is found.",
)
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "sarif"]), default="text", show_default=True,
    help="For people, for programs, or for code scanning (SARIF 2.1.0).",
)  # fmt: skip
@click.option("--output", type=click.Path(path_type=Path), help="Write to a file; the totals are still told.")
@click.option("--all", "everything", is_flag=True, help=f"Show all findings of a rule, not the first {_SHOWN}.")
def lint(sources: tuple[str, ...], fail_on: str, form: str, output: Path | None, everything: bool) -> None:
    """Say what a model will get wrong with the tools of specs/NAME/ or of a document, and what endangers its user:
    each finding with its place, why it matters, and the lines of mcpgen.toml that cure it. Without a NAME: all specs/.

    What is not to be said, how grave the rest is, and how many tokens and tools there may be is said in mcpgen.toml,
    under [lint] and [budget].

    \b
    Examples:
      mcpgen lint openapi.yaml
      mcpgen lint pagerduty --fail-on warning
      mcpgen lint --format sarif --output mcpgen.sarif    in CI, for GitHub code scanning
    """
    from ..lint import LEVELS, as_json, as_sarif
    from ..spec import uncollected

    reports: list[Report] = []
    problems: list[Problem] = []
    for source in sources or all_names():
        try:
            with uncollected():
                reports.append(_report(source))
        except Rejected as rejected:
            problems += rejected.problems
    if problems:
        raise Rejected(problems)
    if form == "json":
        text = as_json(reports)
    elif form == "sarif":
        text = as_sarif(reports, _root())
    else:
        text = "\n".join(line for report in reports for line in _lines(report, everything)) + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        _write(output, text if form != "text" else click.unstyle(text))
        for report in reports:
            click.echo(_total(report))
        click.echo(f"written to {output}")
    level = next((each for each in LEVELS if each == fail_on), None)
    if level and any(report.reaches(level) for report in reports):
        sys.exit(1)


def _report(source: str) -> Report:
    from ..lint import lint as linted

    document, configuration = document_of(source)
    with progressing(source) as progress:
        loaded, config = read_document(document, configuration, progress)
        plan = plan_of(loaded, config, document, configuration, progress)
        return linted(plan, loaded.spec, config, progress)


def _lines(report: Report, everything: bool) -> Iterator[str]:
    """Yield the report for people: the gravest first, a rule after the other."""
    from ..lint import RULES

    for (level, rule), group in groupby(report.findings, lambda f: (f.level, f.rule)):
        findings = list(group)
        tools = len({t for f in findings for t in f.tools})
        number = count(len(findings), "finding") + (f" on {count(tools, 'tool')}" if tools else "")
        yield f"{click.style(level, fg=_COLOURS[level])} {click.style(rule, bold=True)}: {number}"
        yield f"  {RULES[rule].about}"
        yield f"  {RULES[rule].why}"
        for finding in findings if everything else findings[:_SHOWN]:
            problem = report.located(finding.problem)
            told = str(replace(problem, hint=""))
            yield f"  {plain(' '.join(told.split()))}"
            yield from (f"      {plain(line)}" for line in problem.hint.split("\n"))
        if len(findings) > _SHOWN and not everything:
            yield f"  and {len(findings) - _SHOWN:,} more: --all shows them"
        yield ""
    yield _total(report)


def _total(report: Report) -> str:
    found = ", ".join(count(number, level) for level, number in report.counts.items() if number) or "nothing found"
    ignored = f", {report.ignored} ignored" if report.ignored else ""
    cost = f"{count(report.tools, 'tool')}, about {report.tokens:,} tokens in tools/list"
    return f"{click.style(plain(report.name), bold=True)}: {found}{ignored}; {cost}"


def _root() -> Path:
    """Return the folder of the repository that the working directory is in, or that itself."""
    here = Path.cwd().resolve()
    return next((p for p in (here, *here.parents) if (p / ".git").exists()), here)


def _write(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.mcpgen")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)  # a full disk leaves the old one whole
    except OSError as error:
        raise Rejected([Problem(f"cannot be written: {error.strerror}", file=str(path))]) from None
