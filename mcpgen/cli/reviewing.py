"""The command that shows a person what changed in the tools: diff."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import click

from ..output import read_manifest
from ..problems import Problem, Rejected
from .inputs import all_names, document_of, plain, plan_of, progressing, read_document
from .making import is_current

if TYPE_CHECKING:
    from ..contract import Contract
    from ..revisions import Revision

__all__ = ["diff"]

_LEVELS = ("danger", "breaking", "undecided", "output", "additive", "wording", "cost")


@click.command(short_help="Show what changed in the tools, for a person to judge.")
@click.argument("sources", metavar="[NAME|FILE]...", nargs=-1)
@click.option("--against", metavar="REV|DIR|FILE", help="The old side; default: where this branch left the main one.")
@click.option(
    "--format", "form", type=click.Choice(["text", "markdown", "json", "html"]), default="text", show_default=True
)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it there.")
@click.option(
    "--fail-on",
    type=click.Choice(["never", *_LEVELS]),
    default="never",
    show_default=True,
    help="Exit 1 when a change is of that class or a graver one.",
)
def diff(sources: tuple[str, ...], against: str | None, form: str, output: Path | None, fail_on: str) -> None:
    """Compare the tools that specs/NAME/ gives now with those that were committed, or one document with another.

    Not files are compared but what a model can call: tools, arguments and everything nested in them, effects,
    requests, hosts, credentials, scopes, answers, words and tokens. A renamed tool is recognised by its operation.

    \b
    Each change has a class, gravest first:
      danger     a read writes, a write destroys, a new destructive tool, a wider scope, another host
      breaking   a call that worked may be refused, or do something else
      undecided  changed, and not decided which calls that touches
      output     what comes back has another shape
      additive   more is possible, and nothing less
      wording    the same calls, told to the model in other words
      cost       tokens of tools/list

    \b
    The old side:
      a revision of git            generated/NAME there; default: the merge base with the main branch
      a folder                     a generated server, or one that holds generated/NAME
      a file                       an OpenAPI document, or a tools.json

    \b
    Examples:
      mcpgen diff                                              every server, against the main branch
      mcpgen diff pagerduty --against v1.4.0 --format html --output diff.html
      mcpgen diff new/openapi.json --against old/openapi.json  two documents, as they are
      mcpgen diff --format markdown --fail-on breaking         in CI, for a comment
    """
    from .. import report
    from ..contract import diff as compared

    found = [_sides(source, against) for source in sources] if sources else _everything(against)
    diffs = [compared(name, title, old, new, where) for name, title, old, new, where in found]
    if form == "text":
        width = min(max(shutil.get_terminal_size((100, 24)).columns, 60), 160)
        text = "".join(plain(line) + "\n" for line in report.as_text(diffs, lambda t, _: t, width))
        if output is None:
            for line in report.as_text(diffs, _styled, width):
                click.echo(line)
    elif form == "html":
        from ..page import page

        text = page(diffs)
    else:
        text = report.as_markdown(diffs) if form == "markdown" else report.as_json(diffs)
    if output is not None:
        _write(output, text)
        for one in diffs:
            click.echo(f"{plain(one.name)}: {report.summary(one)}")
        click.echo(f"{output}: written")
    elif form != "text":
        click.echo(text, nl=False)
    if fail_on != "never" and any(one.reaches(fail_on) for one in diffs):  # type: ignore[arg-type]
        sys.exit(1)


_COLOURS = {"danger": "red", "breaking": "yellow", "undecided": "magenta", "output": "cyan", "additive": "green"}


def _styled(text: str, role: str) -> str:
    text = plain(text)
    if role in ("title", "faint"):
        return click.style(text, bold=role == "title", dim=role == "faint")
    return click.style(text, fg=_COLOURS.get(role), bold=True)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Rejected([Problem(f"cannot write: {error.strerror or error}", file=str(path))]) from None


# -- the two sides ------------------------------

_Sides: TypeAlias = "tuple[str, str, Contract, Contract, str]"
"""Name and title of a server, its old and its new contract, and in words what the old one is."""


def _everything(against: str | None) -> list[_Sides]:
    """Return the two sides of every server under specs/, and of those that were there before."""
    from ..contract import Contract

    problems: list[Problem] = []
    found: list[_Sides] = []
    names = all_names()
    for name in names:
        try:
            found.append(_sides(name, against))
        except Rejected as rejected:
            problems += (p for p in rejected.problems if p not in problems)
    if problems:
        raise Rejected(problems)
    if against and Path(against).exists():
        return found
    base = _revision(against)
    for name in sorted({p.split("/")[1] for p in base.files("generated") if p.count("/") > 1}):
        if name not in names:
            found.append((name, name, _committed(base, name), Contract(), str(base)))
    return found


def _sides(source: str, against: str | None) -> _Sides:
    document, configuration = document_of(source)
    if against is None and not Path("specs", source).is_dir():
        hint = "say which document to compare it with: --against old.json"
        raise Rejected([Problem("a document alone has no earlier version", hint=hint, file=source)])
    title, new = _now(document, configuration, source)
    old, where = _old(source, against, configuration)
    return source, title, old, new, where


def _now(document: Path, configuration: Path | None, source: str) -> tuple[str, Contract]:
    """Return title and contract of what a build would make now."""
    from ..contract import of_files, of_plan

    folder = Path("generated", source)
    if configuration is not None and is_current(document, folder):
        contract = of_files(_texts(folder), str(folder))
        return str(contract.server.get("title", source)), contract
    with progressing(source) as progress:
        loaded, config = read_document(document, configuration, progress)
        plan = plan_of(loaded, config, document, configuration, progress)
    return plan.title, of_plan(plan)


def _old(source: str, against: str | None, configuration: Path | None) -> tuple[Contract, str]:
    """Return the contract to compare with, and in words what it is of."""
    from ..contract import TOOLS, of_files

    path = Path(against) if against else None  # an empty one is no folder, and no revision either
    if path is None or not path.exists():
        base = _revision(against)
        return _committed(base, source), str(base)
    if path.is_dir():
        for folder in (path, path / "generated" / source, path / source):
            if texts := _texts(folder):
                return of_files(texts, str(folder)), str(path)
        hint = f"it must hold tools.json of a generated server, or generated/{source}/"
        raise Rejected([Problem("there is no generated server in the folder", hint=hint, file=str(path))])
    if _lists_tools(path):
        return of_files({TOOLS: path.read_text(encoding="utf-8")}, str(path)), str(path)
    return _now(path, configuration, "")[1], str(path)


def _lists_tools(path: Path) -> bool:
    if path.suffix != ".json":
        return False
    try:
        data = json.loads(path.read_bytes())
    except ValueError:
        return False
    return isinstance(data, dict) and isinstance(data.get("tools"), list) and "paths" not in data


def _revision(against: str | None) -> Revision:
    from ..revisions import main_branch_base, revision

    return main_branch_base(Path.cwd()) if against is None else revision(against, Path.cwd())


def _parts(names: Iterable[str]) -> dict[str, str]:
    """Return those files of a server that its contract is read from: their names, and their ways from its folder."""
    from ..contract import PARTS

    return {name.rpartition("/")[2]: name for name in names if name.rpartition("/")[2] in PARTS and name.count("/") < 2}


def _texts(folder: Path) -> dict[str, str]:
    """Return what a build wrote of a contract; nothing of a folder that is no generated server."""
    manifest = read_manifest(folder) if folder.is_dir() else None
    parts = _parts(manifest.files if manifest else ())
    return {part: (folder / n).read_text(encoding="utf-8") for part, n in parts.items() if (folder / n).is_file()}


def _committed(base: Revision, name: str) -> Contract:
    """Return the contract of a server at a revision; an empty one where it was not there."""
    from ..contract import TOOLS, Contract, of_files

    folder = f"generated/{name}"
    parts = _parts(p.removeprefix(f"{folder}/") for p in base.files(folder))
    if TOOLS not in parts:
        return Contract()
    texts = base.texts(f"{folder}/{p}" for p in parts.values())
    return of_files({part: texts[f"{folder}/{p}"] for part, p in parts.items()}, f"{folder} at {base}")
