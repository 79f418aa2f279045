"""Replays the history of a document: what each revision changed upstream, and what that changed in the server.

python bench/history.py [--removed] [FOLDER]    FOLDER has the revisions and a manifest.json, a list of objects: `file`,
                                                and the operations `added`, `removed`, `shape_changed` and
                                                `wording_changed`; default: $MCPGEN_CORPUS/history/pagerduty.
                                                --removed also prints the removed lines that are neither totals nor
                                                commas.

A row a step, in Markdown: lines added and removed upstream and in the server; how many of the removed ones are totals,
how many come back with a comma at their end, and how many are left; the operations of the manifest; and what
`mcpgen diff` reports, by class, with the operations in which the two differ. A step that is marked + took nothing away
upstream; exit 1 when one of those took something away from the server.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

TOTALS = {
    "README.md": re.compile(r".* with \d+ tools: \d+ read, \d+ write, \d+ may overwrite or remove\."),
    "TOOLS.md": re.compile(r"\d+ tools:|- \d+ (read|write|write and may overwrite or remove)"),
}
"""The lines of a server that count its tools, so that one more tool changes them. Its manifest, which is digests of the
files and no diff shows, is not looked at."""

OPERATIONS = ("added", "removed", "shape_changed", "wording_changed")
"""What a manifest says of the operations of a revision."""

COLUMNS = (
    *("step", "upstream", "ours", "totals", "commas", "rest", "added", "removed", "shape", "wording"),
    *("mcpgen diff", "only in it", "only in the manifest"),
)


def lacking(old: str, new: str, name: str = "") -> list[str]:
    """Return the lines of `old` from the first one on that `new` lacks; empty when `new` only adds lines to it.

    Two things do not count as lacking: a total of the file called `name`, and a line that comes back with a comma at
    its end, as the last item of JSON does when another one follows. Lines are taken in their order: nothing is lacking
    exactly when a diff of the two has no other removed line.
    """
    total = TOTALS.get(name)
    left = [line for line in old.splitlines() if not (total and total.fullmatch(line))]
    there = iter(new.splitlines())
    for index, line in enumerate(left):
        if not any(found in (line, line + ",") for found in there):
            return left[index:]
    return []


def server(document: Path) -> tuple[dict[str, str], Any]:
    """Return the files of the server for a document, as if it were called openapi.json, and its contract."""
    from mcpgen import contract, spec
    from mcpgen.config import Config
    from mcpgen.planner import plan
    from mcpgen.render import render

    with spec.uncollected():
        made = plan(spec.load(document), Config(), document="openapi.json")
        return render(made), contract.of_plan(made)


def changed(old: Path, new: Path) -> dict[str, tuple[list[str], list[str]]]:
    """Return the lines that were added and removed by file, of two folders or files, in the shortest diff."""
    command = ["git", "diff", "--no-index", "--no-color", "--no-renames", "-U0", "--minimal", str(old), str(new)]
    found: dict[str, tuple[list[str], list[str]]] = {}
    header = False
    for line in subprocess.run(command, capture_output=True, text=True, check=False).stdout.split("\n"):
        if line.startswith("diff --git "):
            header = True
            added: list[str] = []
            removed: list[str] = []
        elif header and line.startswith(("--- ", "+++ ")):
            if line[4:] != "/dev/null":
                path = Path("/", line[6:])
                root = old if path.is_relative_to(old) else new
                found[path.relative_to(root).as_posix()] = added, removed
        elif line.startswith("@@"):
            header = False
        elif not header and line.startswith(("+", "-")):
            (added if line[0] == "+" else removed).append(line[1:])
    return found


def sorted_out(name: str, added: list[str], removed: list[str]) -> tuple[int, int, list[str]]:
    """Return how many removed lines of a file are totals, how many come back with a comma, and those that are left."""
    total, back, left, totals = TOTALS.get(name), list(added), [], 0
    for line in removed:
        if total and total.fullmatch(line):
            totals += 1
        elif line + "," in back:
            back.remove(line + ",")
        else:
            left.append(line)
    return totals, len(removed) - totals - len(left), left


def reported(old: Any, new: Any, named: Mapping[str, Any]) -> list[str]:
    """Return what `mcpgen diff` reports by class; operations that only it names; those that only the manifest names.

    The manifest speaks of requests, so of what is reported neither answers nor tokens count for that.
    """
    from mcpgen import contract

    found = contract.diff("", "", old, new)
    ours = {c.operation for c in found.changes if c.operation and c.kind not in ("output", "cost")}
    theirs = {o for key in OPERATIONS for o in named[key]}
    classes = ", ".join(f"{n} {kind}" for kind, n in found.counts.items())
    return [classes, ", ".join(sorted(ours - theirs)), ", ".join(sorted(theirs - ours))]


def steps(folder: Path, revisions: list[dict[str, Any]], scratch: Path) -> Iterator[tuple[bool, list[str], list[str]]]:
    """Yield for each step whether it keeps the promise, its cells, and the removed lines that are left."""
    documents = [folder / revision["file"] for revision in revisions]
    with ProcessPoolExecutor() as pool:
        contracts = []
        for number, (files, contract) in enumerate(pool.map(server, documents)):
            contracts.append(contract)
            new, old = (scratch / f"{n:03}" for n in (number, number - 1))
            for name, text in files.items():
                (new / name).parent.mkdir(parents=True, exist_ok=True)
                (new / name).write_text(text, encoding="utf-8")
            if number:
                pair = documents[number - 1 : number + 1]
                additive = not lacking(*(d.read_text(encoding="utf-8") for d in pair))
                counts, left = counted(changed(old, new))
                upstream = counted(changed(*pair))[0][0]
                told = reported(contracts[-2], contracts[-1], revisions[number])
                named = [str(len(revisions[number][key])) for key in OPERATIONS]
                yield not (additive and left), [pair[1].stem + " +" * additive, upstream, *counts, *named, *told], left


def counted(files: Mapping[str, tuple[list[str], list[str]]]) -> tuple[list[str], list[str]]:
    """Return the cells for what changed, and the removed lines that are neither totals nor commas."""
    added = removed = totals = commas = 0
    left = []
    for name, (plus, minus) in files.items():
        of_totals, of_commas, rest = sorted_out(name, plus, minus)
        added, removed, totals, commas = added + len(plus), removed + len(minus), totals + of_totals, commas + of_commas
        left += [f"    {name}: {line[:160]}" for line in rest]
    return [f"+{added} -{removed}", str(totals), str(commas), str(len(left))], left


def main() -> None:
    given = [a for a in sys.argv[1:] if a != "--removed"]
    corpus = os.environ.get("MCPGEN_CORPUS", "")
    folder = Path(given[0]).absolute() if given else Path(corpus, "history", "pagerduty").absolute()
    if not (folder / "manifest.json").is_file():
        raise SystemExit("say where the history is: python bench/history.py FOLDER, or set MCPGEN_CORPUS")
    revisions = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
    broken = False
    with tempfile.TemporaryDirectory() as scratch:
        for kept, cells, left in steps(folder, revisions, Path(scratch).resolve()):
            broken |= not kept
            print(f"| {' | '.join(cells)} |", flush=True)
            if "--removed" in sys.argv:
                print("\n".join(left))
    raise SystemExit(broken)


if __name__ == "__main__":
    main()
