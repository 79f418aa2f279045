"""Turns `{path: text}` into files and back: writing, checking, and the manifest that says which files are ours.

Nothing else reads or writes generated files. A folder is replaced file by file only after every new text is on the
disk beside its target, so that a full disk leaves the old output whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from . import __version__
from .problems import Problem, Rejected

__all__ = [
    "MANIFEST",
    "Difference",
    "Manifest",
    "Stamp",
    "check",
    "read_manifest",
    "read_stamp",
    "refuse_hand_edits",
    "unchanged",
    "write",
]

MANIFEST = ".mcpgen.json"

_STAMP = ".mcpgen.stamp"
"""Says what the folder was made from, so that a build with nothing to do does nothing. Not under version control: a
change of the document that changes no output shows no change, and a fresh checkout is checked in full."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What mcpgen wrote into a folder: path → sha256."""

    files: Mapping[str, str]
    generator: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One file that is not as it would be written: `kind` is added, changed, removed or edited."""

    path: str
    kind: str


def _digest(text: str | bytes) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of a generated folder; None when there is none. Errors: `Rejected` when it is unreadable."""
    path = folder / MANIFEST
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        files = {str(k): str(v) for k, v in data["files"].items()}
        return Manifest(files, str(data["generator"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        hint = "delete the folder, or restore the manifest from version control, and build again"
        raise Rejected([Problem("the manifest cannot be read", hint=hint, file=str(path))]) from None


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a folder was made from: the files read, and the digest of all that matters."""

    digest: str = ""
    sources: tuple[str, ...] = ()


def read_stamp(folder: Path) -> Stamp:
    """Return the stamp of a generated folder; an empty one when there is none that can be read."""
    try:
        digest, *sources = (folder / _STAMP).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return Stamp()
    return Stamp(digest, tuple(sources))


def unchanged(folder: Path) -> bool:
    """Tell whether `folder` is as mcpgen wrote it. Errors: `Rejected` when its manifest is unreadable."""
    manifest = read_manifest(folder)
    return manifest is not None and not any(True for _ in _edited(folder, manifest))


def _edited(folder: Path, manifest: Manifest) -> Iterable[Difference]:
    for name, digest in sorted(manifest.files.items()):
        try:
            found = _digest((folder / name).read_bytes())
        except FileNotFoundError:
            yield Difference(name, "removed")
        else:
            if found != digest:
                yield Difference(name, "edited")


def check(folder: Path, files: Mapping[str, str]) -> list[Difference]:
    """Return how the files on the disk differ from `files`; empty when a build would change nothing."""
    manifest = read_manifest(folder)
    ours = set(manifest.files) if manifest else set()
    found = []
    for name in sorted(set(files) | ours):
        path = folder / name
        current = path.read_bytes() if path.is_file() else None
        wanted = files[name].encode() if name in files else None
        if wanted is None and current is not None:
            found.append(Difference(name, "removed"))
        elif wanted is not None and current is None:
            found.append(Difference(name, "added"))
        elif wanted is not None and current != wanted:
            found.append(Difference(name, "changed"))
    return found


def write(folder: Path, files: Mapping[str, str], stamp: Stamp, *, force: bool = False) -> list[Difference]:
    """Write `files` into `folder`, remove what an earlier build wrote and this one does not; return what changed.

    `stamp` says what the files were made from. Errors: `Rejected` when a file of ours was
    edited by hand (unless `force`), when a file that is not ours stands in the way, or when the disk refuses.
    """
    for name in files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or not name.isprintable():
            raise AssertionError(f"a generated path leaves its folder: {name!r}")
    refuse_hand_edits(folder, files, force=force)
    manifest = read_manifest(folder)
    differences = check(folder, files)
    digests = {name: _digest(text) for name, text in sorted(files.items())}
    record = {"generator": __version__, "files": digests}
    texts = {d.path: files[d.path] for d in differences if d.kind != "removed"}
    text = json.dumps(record, indent=1) + "\n"
    if manifest is None or (folder / MANIFEST).read_text(encoding="utf-8") != text:
        texts[MANIFEST] = text
    try:
        _replace(folder, texts, [d.path for d in differences if d.kind == "removed"])
        (folder / _STAMP).write_text("\n".join([stamp.digest, *stamp.sources]), encoding="utf-8")
    except OSError as error:
        hint = "nothing was changed" if not isinstance(error, _HalfWritten) else "run the build again"
        message = f"cannot write: {error.strerror or error}"
        raise Rejected([Problem(message, hint=hint, file=str(error.filename or folder))]) from None
    return differences


def _discard(pending: Iterable[tuple[Path, Path]]) -> None:
    for beside, _ in pending:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


class _HalfWritten(OSError):
    """The disk refused a rename after others had been made."""


def _same(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()


def refuse_hand_edits(folder: Path, files: Mapping[str, str], *, force: bool = False) -> None:
    """Raise `Rejected` where writing would lose what somebody wrote, unless `force` says that it may."""
    if force:
        return
    manifest = read_manifest(folder)
    ours = manifest.files if manifest else {}
    foreign = [n for n in sorted(files) if n not in ours and (folder / n).exists() and not _same(folder / n, files[n])]
    if foreign:
        hint = "choose an empty folder, or say --force to replace it"
        message = "the file is in the way, and mcpgen did not write it"
        raise Rejected(Problem(message, hint=hint, file=str(folder / n)) for n in foreign[:20])
    if manifest is None:
        return
    edited = [
        d.path
        for d in _edited(folder, manifest)
        if d.kind == "edited" and not (d.path in files and _same(folder / d.path, files[d.path]))
    ]
    if edited:
        hint = "move the change into mcpgen.toml or the document, or say --force to drop it"
        message = "the file was edited by hand since mcpgen wrote it"
        raise Rejected(Problem(message, hint=hint, file=str(folder / n)) for n in edited[:20])


def _replace(folder: Path, texts: Mapping[str, str], stale: Iterable[str]) -> None:
    """Write all texts beside their targets, then move them into place, the manifest last, and remove what is stale."""
    pending: list[tuple[Path, Path]] = []
    made: list[Path] = []
    try:
        for name, text in sorted(texts.items(), key=lambda item: (item[0] == MANIFEST, item[0])):
            target = folder / name
            for parent in reversed([p for p in target.parents if not p.exists()]):
                parent.mkdir()
                made.append(parent)
            beside = target.with_name(f".{target.name}.mcpgen")
            pending.append((beside, target))
            beside.write_bytes(text.encode())
    except OSError:
        _discard(pending)
        for parent in reversed(made):
            with contextlib.suppress(OSError):
                parent.rmdir()
        raise
    done = 0
    try:
        for name in stale:
            (folder / name).unlink(missing_ok=True)
            done += 1
            for parent in (folder / name).parents:
                if parent == folder or not parent.is_dir() or any(parent.iterdir()):
                    break
                parent.rmdir()
        for beside, target in pending:
            beside.replace(target)
            done += 1
    except OSError as error:
        _discard(pending)
        if done:
            raise _HalfWritten(error.errno, error.strerror, error.filename) from error
        raise
