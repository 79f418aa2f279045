"""The reference page of mcpgen.toml: every key that is read is on it, and every example is one that is taken."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import TESTS

from mcpgen import config

PAGE = (TESTS.parent / "specs" / "README.md").read_text(encoding="utf-8")


class Spy(config._Reader):
    """Keeps which keys are known where; a name that is free is x, a number of a list 1."""

    def __init__(self) -> None:
        super().__init__(config.Config())
        self.known: dict[str, set[str]] = {}

    def _known(self, at: str, table: Any, known: Any) -> Iterator[tuple[str, Any]]:
        self.known.setdefault(at, set()).update(known)
        return super()._known(at, table, known)


def known_keys() -> dict[str, set[str]]:
    """Return the keys that a file may have, by table: what is read is found by offering tables everywhere."""
    found: dict[str, set[str]] = {}
    todo: list[tuple[str, ...]] = [()]
    while todo:
        way = todo.pop()
        for leaf in ({}, {"x": {}}, [{}]):
            data: Any = leaf
            for step in reversed(way):
                data = [data] if step == "1" else {step: data}
            if not isinstance(data, dict):
                continue
            spy = Spy()
            spy.config(data)
            for at, names in spy.known.items():
                if at not in found:
                    found[at] = names
                    todo += [(*filter(None, at.split(".")), name) for name in names]
    found["include"] |= {"collapse_twins", "only_configured"}
    return found


def sections() -> dict[str, list[list[str]]]:
    """Return the rows of the page's tables by the table of the file that their heading names: `[tools.x]`."""
    found: dict[str, list[list[str]]] = {}
    headers = [""]
    for line in PAGE.splitlines():
        if line.startswith("#"):
            headers = re.findall(r"`(\[[^`]*\])`", line) or [""]
        elif row := re.fullmatch(r"\| (.*) \|", line):
            for header in headers:
                found.setdefault(header, []).append([cell.strip() for cell in row[1].split(" | ")])
    return found


def generic(header: str) -> str:
    """Return a heading's table as `Spy` names it: what is free to choose is x."""
    steps = header.strip("[]").split(".")
    free = {"auth", "tools", "context", "tags", "hosts"}
    steps = ["x" if i and steps[i - 1] in free else s for i, s in enumerate(steps)]
    return ".".join(filter(None, [*steps, "1" if header.startswith("[[") else ""]))


def examples() -> list[str]:
    blocks = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for header, rows in sections().items():
        for row in rows:
            blocks += [f"{header}\n{e}\n" for e in re.findall(r"`([^`]+)`", row[2])] if len(row) > 2 else []
    return blocks


def test_every_key_is_on_the_page() -> None:
    told: dict[str, set[str]] = {}
    for header, rows in sections().items():
        told.setdefault(generic(header), set()).update(k for row in rows for k in re.findall(r"`([a-z_]+)`", row[0]))
    for at, names in sorted(known_keys().items()):
        if at:
            assert names <= told.get(at, set()), f"[{at}] {sorted(names - told.get(at, set()))}"
        else:
            tables = {h.strip("[]").split(".")[0] for h in sections()}
            assert names <= tables | told[""], sorted(names - tables - told[""])


def test_no_key_is_made_up() -> None:
    known = known_keys()
    for header, rows in sections().items():
        for row in rows:
            for name in re.findall(r"`([a-z_]+)`", row[0]):
                assert name in known.get(generic(header), {name} if header == "" else set()), f"{header} {name}"


@pytest.mark.parametrize("example", examples())
def test_every_example_is_taken(example: str, tmp_path: Path) -> None:
    file = tmp_path / "mcpgen.toml"
    file.write_text(example, encoding="utf-8")
    assert tomllib.loads(example), example
    config.load(file)


def test_its_links_lead_somewhere() -> None:
    lines = re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    headings = {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        if target.startswith("#"):
            assert target[1:] in headings, target
        elif not target.startswith("https://"):
            assert (TESTS.parent / "specs" / target).exists(), target


def test_the_sample_of_the_readme_is_taken(tmp_path: Path) -> None:
    readme = (TESTS.parent / "README.md").read_text(encoding="utf-8")
    (sample,) = re.findall(r"^```toml\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    file = tmp_path / "mcpgen.toml"
    file.write_text(sample, encoding="utf-8")
    config.load(file)
