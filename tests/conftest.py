"""What the tests of behaviour share: a build in memory, goldens, and the switch that rewrites them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pytest

from mcpgen import config, corrections, custom, proxy
from mcpgen.plan import Plan
from mcpgen.planner import plan
from mcpgen.render import render

TESTS = Path(__file__).parent

Compare = Callable[..., None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="rewrite the goldens; review the change with git diff")


def planned(folder: Path) -> Plan:
    """Return the plan of `folder/openapi.(yaml|json)` with the `mcpgen.toml` beside it, if there is one."""
    document = next(p for p in (folder / "openapi.yaml", folder / "openapi.json") if p.is_file())
    configuration = folder / "mcpgen.toml"
    stated = config.load(configuration) if configuration.is_file() else config.Config()
    loaded = corrections.load(document, stated)
    made = plan(loaded.spec, stated, document=document.name, corrections=loaded.corrections)
    return proxy.completed(made, loaded.spec, stated)


def built(folder: Path) -> tuple[Plan, dict[str, str]]:
    """Return the plan of a folder, with the `custom.py` in it, and the server made of it."""
    made = planned(folder)
    own = folder / "custom.py"
    if own.is_file():
        made = custom.completed(made, config.load(folder / "mcpgen.toml"), own.name, own.read_text(encoding="utf-8"))
    return made, render(made)


@cache
def case(name: str) -> tuple[Plan, dict[str, str]]:
    """Return the plan of a folder of `cases/` and the server made of it. Do not change them."""
    return built(TESTS / "cases" / name)


def place(files: Mapping[str, str], folder: Path) -> Path:
    """Write `{path: text}` below `folder`, which is returned."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return folder


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Compare:
    """Compares `{path: text}` with the files of a folder, byte for byte; with --update it rewrites them instead."""

    def compare(folder: Path, texts: Mapping[str, str], files: str = "*") -> None:
        there = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob(files) if p.is_file()}
        wanted = {name: text.encode() for name, text in texts.items()}
        if request.config.getoption("--update"):
            for name in there.keys() - wanted.keys():
                (folder / name).unlink()
            place({n: t for n, t in texts.items() if there.get(n) != wanted[n]}, folder)
            return
        said: list[str] = []
        for name in sorted(there.keys() | wanted.keys()):
            if there.get(name) != wanted.get(name):
                before, after = (x.get(name, b"").decode().splitlines(keepends=True) for x in (there, wanted))
                said += difflib.unified_diff(before, after, f"expected/{name}", f"now/{name}")
        if said:
            pytest.fail(
                "not as expected; if the change is meant: pytest --update, then git diff\n" + "".join(said), False
            )

    return compare
