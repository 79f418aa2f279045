"""Builds every document of a corpus and holds the output to what its own folder promises; no figure, but a verdict.

python bench/corpus.py [CORPUS] [TEXT …]    CORPUS has a manifest.json; default: $MCPGEN_CORPUS. With TEXT, only the
                                            documents whose names hold one of them.

For each: `mcpgen build`, ruff with the folder's own configuration, the folder's own tests; then mypy --strict over all
the packages, in as few runs as their names allow. Exit 1, with the list, when something is not clean.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

BIN = Path(sys.executable).parent


def run(*command: str, cwd: Path, **variables: str) -> str:
    """Run a command; what it printed if it failed, else nothing."""
    environment = {**os.environ, **variables}
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]], cwd=cwd, env=environment, capture_output=True, text=True
    )
    return "" if done.returncode == 0 else (done.stdout + done.stderr)[-1500:] or f"exit {done.returncode}"


def check(spec: Path, out: Path) -> list[str]:
    """Build one document and return what is wrong with the output."""
    if refused := run("mcpgen", "build", "--quiet", "--spec", str(spec), "--out", str(out), cwd=out.parent):
        return [f"refused: {refused}"]
    return [
        f"{' '.join(command)}: {said}"
        for command in (
            ("ruff", "check", "--quiet", "."),
            ("ruff", "format", "--check", "--quiet", "."),
            ("python", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"),
        )
        if (said := run(*command, cwd=out))
    ]


def typed(packages: list[Path], folder: Path) -> list[str]:
    """Return what mypy says of generated packages: those of one name cannot be in one run."""
    found = []
    while packages:
        names: dict[str, Path] = {}
        packages = [p for p in packages if names.setdefault(p.name, p) is not p]
        chosen = [argument for name in names for argument in ("-p", name)]
        paths = os.pathsep.join(str(p.parent) for p in names.values())
        if said := run("mypy", "--strict", *chosen, cwd=folder, MYPYPATH=paths):
            found.append(said)
        print(f"mypy --strict: {len(names)} packages", flush=True)
    return found


def main() -> None:
    given = sys.argv[1:]
    corpus = Path(given.pop(0) if given else os.environ.get("MCPGEN_CORPUS", "")).absolute()
    if not (corpus / "manifest.json").is_file():
        raise SystemExit("say where the corpus is: python bench/corpus.py FOLDER, or set MCPGEN_CORPUS")
    names = [row["file"] for row in json.loads((corpus / "manifest.json").read_text())]
    names = [n for n in names if not given or any(text in n for text in given)]
    wrong: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        packages = []
        for name in names:
            out = Path(folder, name.rpartition(".")[0].replace("/", "-"))
            if found := check(corpus / name, out):
                wrong[name] = found
            packages += [p.parent for p in out.glob("*/service.py")]
            print(f"{name}: {'; '.join(f.splitlines()[0] for f in found) or 'clean'}", flush=True)
        if found := typed(packages, Path(folder)):
            wrong["mypy"] = found
    print("\n\n".join(f"{name}\n" + "\n".join(found) for name, found in wrong.items()))
    print(f"{len(names)} documents, {len(packages)} servers, {len(wrong)} with something wrong")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
