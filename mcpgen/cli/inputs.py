"""Finds what a command line names, reads it, and says what is said by several commands."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..problems import Problem, Rejected

if TYPE_CHECKING:
    from ..config import Config
    from ..corrections import Corrected
    from ..plan import Plan
    from ..spec import Spec

__all__ = [
    "COLOURS",
    "all_names",
    "bare",
    "corrected",
    "count",
    "document_of",
    "plain",
    "plan_of",
    "progressing",
    "read_document",
    "readable",
    "report_left_out",
    "shown",
    "source_of",
]

COLOURS = {"destructive": "red", "left out": "bright_black", "not selected": "bright_black"}


_DOCUMENTS = ("openapi.json", "openapi.yaml", "openapi.yml")


def all_names() -> tuple[str, ...]:
    folder = Path("specs")
    found = tuple(sorted(p.name for p in folder.iterdir() if p.is_dir())) if folder.is_dir() else ()
    if not found:
        hint = "start one with: mcpgen init openapi.yaml, or give a document: mcpgen build --spec FILE --out FOLDER"
        raise Rejected([Problem("there is no specs/<name>/ here", hint=hint)])
    return found


def source_of(name: str) -> tuple[Path, Path | None, Path]:
    """Return the document, the configuration and the output folder of specs/NAME/."""
    folder = Path("specs", name)
    if not folder.is_dir() or Path(name).name != name:
        folders = Path("specs").iterdir() if Path("specs").is_dir() else ()
        known = ", ".join(sorted(p.name for p in folders if p.is_dir())) or "none"
        raise Rejected([Problem(f"there is no specs/{name}/", hint=f"there are: {known}")])
    configuration = folder / "mcpgen.toml"
    stated = None
    if configuration.is_file():
        from ..config import load

        stated = load(configuration).document
    candidates = [folder / stated] if stated else [folder / n for n in _DOCUMENTS]
    documents = [c for c in candidates if c.is_file()]
    if len(documents) != 1:
        wanted = " or ".join(c.as_posix() for c in candidates)
        message = "there are several documents" if documents else "there is no document"
        raise Rejected([Problem(f"{message}: specs/{name}/ needs {wanted}")])
    return documents[0], configuration if configuration.is_file() else None, Path("generated", name)


def document_of(source: str) -> tuple[Path, Path | None]:
    """Return the document and the configuration for a name under specs/ or a file."""
    if Path("specs", source).is_dir() and Path(source).name == source:
        document, configuration, _ = source_of(source)
        return document, configuration
    readable(Path(source))
    return Path(source), None


def readable(document: Path) -> None:
    if not document.is_file():
        raise Rejected([Problem("no such file" if not document.exists() else "not a file", file=str(document))])


def plan_of(
    loaded: Corrected, config: Config, document: Path, configuration: Path | None, progress: Callable[[str], None]
) -> Plan:
    from .. import proxy
    from ..custom import completed
    from ..planner import plan

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


def bare(document: Path, configuration: Path | None, progress: Callable[[str], None]) -> tuple[Spec, Plan]:
    """Return a document and its plan without the tools that an MCP endpoint lists."""
    from ..planner import plan

    loaded, config = read_document(document, configuration, progress)
    return loaded.spec, plan(loaded.spec, config, document=document.as_posix())


def read_document(
    document: Path, configuration: Path | None, progress: Callable[[str], None], fetching: str = "never"
) -> tuple[Corrected, Config]:
    """Return the document with its corrections, and the configuration; only a build opens a connection."""
    from .. import config, corrections, spec

    readable(document)
    progress(f"reading {document.name}")
    stated = config.load(configuration) if configuration else config.Config()
    remote = spec.Remote(stated.allow_hosts, fetching, progress)
    return corrections.load(document, stated, remote), stated


@contextmanager
def progressing(what: str) -> Iterator[Callable[[str], None]]:
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


def corrected(plan: Plan) -> str:
    return f"{count(len(plan.corrections), 'correction')} of the document applied"


def count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def report_left_out(plan: Plan) -> None:
    defects = [o for o in plan.left_out if not o.chosen]
    chosen = len(plan.left_out) - len(defects)
    if chosen:
        click.echo(f"  {count(chosen, 'operation')} not selected by the configuration")
    if defects:
        click.echo(f"  {click.style(count(len(defects), 'operation') + ' left out', fg='yellow')}, see left-out.json:")
        for left in defects[:10]:
            place = f"{left.place}: " if left.place else ""
            click.echo(f"    {plain(f'{place}{left.label}: {left.reason} (at {left.pointer})')}")
        if len(defects) > 10:
            click.echo(f"    and {len(defects) - 10} more")


def shown(problem: Problem) -> str:
    """Return a problem as the terminal may show it; only our own hints have lines of their own."""
    said = plain(str(replace(problem, hint="")))
    return "\n  ".join([said, *map(plain, problem.hint.splitlines())])


def plain(text: str) -> str:
    """Return text of the document as one line: it cannot move the cursor, and begins no line, which a CI runner might
    take for a command (`::error::`)."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
