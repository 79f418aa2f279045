"""Each folder of `lint/` is one rule, or one habit of all: a document with what it finds and what it leaves alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from conftest import TESTS, Compare

from mcpgen.cli import main

FOLDERS = sorted(p.name for p in (TESTS / "lint").iterdir() if p.is_dir())


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["lint", *arguments])


@pytest.mark.parametrize("name", FOLDERS)
def test_findings(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, golden: Compare) -> None:
    shutil.copytree(TESTS / "lint" / name, tmp_path / "specs" / name, ignore=shutil.ignore_patterns("expected.txt"))
    monkeypatch.chdir(tmp_path)
    done = run("--all", "--fail-on", "never")
    assert (done.exit_code, done.stderr) == (0, ""), done.output
    golden(TESTS / "lint" / name, {"expected.txt": done.stdout}, files="expected.txt")
