"""Each folder of `refused/` is one problem: inputs that `mcpgen build` refuses, and what it says about them.

Everything that is wrong is said at once, with its place; nothing is written.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import TESTS, Compare

from mcpgen.cli import main

PROBLEMS = sorted(p.name for p in (TESTS / "refused").iterdir() if p.is_dir())


@pytest.mark.parametrize("problem", PROBLEMS)
def test_refused(problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, golden: Compare) -> None:
    """The build of a vendor's folder says what is wrong, exits with 2 and leaves nothing behind."""
    folder = tmp_path / "specs" / problem
    shutil.copytree(TESTS / "refused" / problem, folder, ignore=shutil.ignore_patterns("stderr.txt"))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["build"])
    assert (done.exit_code, done.stdout) == (2, ""), done.output
    assert not (tmp_path / "generated").exists()
    golden(TESTS / "refused" / problem, {"stderr.txt": done.stderr}, files="stderr.txt")
