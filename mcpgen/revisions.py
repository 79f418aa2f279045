"""Reads what a git repository holds at a revision, because that is what a change is compared with."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .problems import Problem, Rejected

__all__ = ["Revision", "main_branch_base", "revision"]

_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Revision:
    """A commit of the repository around `folder`."""

    folder: Path
    commit: str
    name: str
    """What it was asked for as."""

    def __str__(self) -> str:
        return f"{self.name} ({self.commit[:7]})" if self.name != self.commit else self.commit[:7]

    def files(self, under: str) -> tuple[str, ...]:
        """Return the paths of the files below a folder, both relative to `folder`, sorted."""
        listed = _git(self.folder, "ls-tree", "-r", "-z", "--name-only", self.commit, "--", under.rstrip("/") + "/")
        return tuple(sorted(filter(None, listed.decode("utf-8", "replace").split("\0"))))

    def texts(self, paths: Iterable[str]) -> Mapping[str, str]:
        """Return the texts of files, by path."""
        return {p: _git(self.folder, "show", f"{self.commit}:./{p}").decode("utf-8", "replace") for p in paths}


def revision(name: str, folder: Path) -> Revision:
    """Return the commit that a name stands for. Errors: `Rejected` where there is no such commit."""
    found = _ask(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if found:
        return Revision(folder, found, name)
    if not _ask(folder, "rev-parse", "--git-dir"):
        hint = "say what to compare with: --against FOLDER, or --against FILE"
        raise Rejected([Problem("this is no git repository, so there is no earlier version here", hint=hint)])
    hint = "give a branch, a tag, a commit, a folder or a file; a shallow clone has few commits: git fetch --unshallow"
    raise Rejected([Problem(f"there is no revision, folder or file called {name!r}", hint=hint)])


def main_branch_base(folder: Path) -> Revision:
    """Return the commit at which the present branch left the main one: that of the pull request in GitHub Actions, else
    the remote's default branch, else main or master; `HEAD` where there is none of them. Errors: `Rejected`.
    """
    asked = os.environ.get("GITHUB_BASE_REF")
    default = _ask(folder, "symbolic-ref", "--quiet", "refs/remotes/origin/HEAD").removeprefix("refs/remotes/")
    for name in filter(None, (asked and f"origin/{asked}", default, "origin/main", "origin/master", "main", "master")):
        if _ask(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"):
            if base := _ask(folder, "merge-base", name, "HEAD"):
                return Revision(folder, base, name)
            hint = "fetch the history (in GitHub Actions: actions/checkout with fetch-depth: 0), or say --against"
            raise Rejected([Problem(f"nothing joins this branch and {name}", hint=hint)])
    return revision("HEAD", folder)


def _ask(folder: Path, *words: str) -> str:
    """Return what git answers, without the line's end; empty when it has no answer."""
    try:
        return _git(folder, *words).decode("utf-8", "replace").strip()
    except Rejected:
        return ""


def _git(folder: Path, *words: str) -> bytes:
    command = ["git", "-C", str(folder), *words]
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=True, env=environment)
    except FileNotFoundError:
        raise Rejected([Problem("git is not installed", hint="compare with a folder or a file: --against")]) from None
    except subprocess.TimeoutExpired:
        raise Rejected([Problem(f"git {words[0]} took longer than {_SECONDS} s")]) from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode("utf-8", "replace").strip().splitlines()
        raise Rejected([Problem(f"git {words[0]} failed: {said[0] if said else error.returncode}")]) from None
    return done.stdout
