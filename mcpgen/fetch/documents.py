"""Turns what is published at `source.url` into the files of `specs/<name>/`, or into the reasons not to take it.

What is there is loaded as a build loads it, in a folder of its own, which is filled with the files that the document
refers to as the loader comes to them. Only a document that can be read, and that is still the one it was, replaces what
is here: all of its files, or none.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ..config import ENVIRONMENT, Config
from ..problems import Problem, Rejected
from ..spec import MAX_BYTES, MAX_FILES
from ..spec.remote import FOLDER, Remote, Unfetched
from .lock import LOCK, Entry, Lock, dateless, inside, read
from .origins import Known, Origin, opened
from .outline import Outline, outline
from .repository import Absent

__all__ = ["Fetched", "take", "write"]

_DOCUMENTS: Final = ("openapi.json", "openapi.yaml", "openapi.yml")
_OURS: Final = ("custom.py", "mcpgen.toml", "source.lock", "tools-list.json", *_DOCUMENTS)
_ENDINGS: Final = (".json", ".yaml", ".yml", ".md", ".txt")
_MOST_PROBLEMS: Final = 5
"""After so many files that cannot be had no other one is asked for."""
_ELSEWHERE: Final = 'with document = "api/openapi.yaml" in mcpgen.toml it gets a folder of its own below this one'


@dataclass(frozen=True, slots=True)
class Fetched:
    """What is published now, and what it changes here. Nothing was written."""

    folder: Path
    document: str
    files: Mapping[str, bytes]
    """All that belongs to the document, by their way from the folder."""
    lock: Lock
    changed: tuple[str, ...] = ()
    """The files that are new here, or others than before."""
    stale: tuple[str, ...] = ()
    """What an earlier fetch left and nothing refers to any more."""
    relock: bool = False
    """Whether the lock has to be written."""
    before: Outline | None = None
    after: Outline | None = None
    notes: tuple[str, ...] = ()

    @property
    def moved(self) -> bool:
        """Whether what is published is something else than what is here."""
        return bool(self.changed or self.stale)

    @property
    def how(self) -> str:
        """How it moved, in a few words; nothing for a first fetch."""
        return self.after.since(self.before) if self.before and self.after else ""


def take(
    folder: Path, config: Config, *, force: bool = False, progress: Callable[[str], None] = lambda _: None
) -> Fetched:
    """Return what is published at `source.url` of the configuration of `folder`.

    Errors: `Rejected` when it cannot be had, cannot be read, or is no longer the document that it was (unless `force`).
    """
    secrets, headers = _headers(config)

    def hidden(text: str) -> str:
        for name, value in secrets.items():
            text = text.replace(value, f"{{{name}}}") if len(value) >= 4 else text
        return text

    try:
        return _Taking(folder, config, headers, secrets, force, lambda step: progress(hidden(step))).taken()
    except Rejected as rejected:
        raise Rejected(
            replace(p, message=hidden(p.message), hint=hidden(p.hint), file=hidden(p.file)) for p in rejected.problems
        ) from None


def _headers(config: Config) -> tuple[dict[str, str], dict[str, str]]:
    """Return the environment variables that the headers name, and the headers with their values."""
    problems, secrets, headers = [], dict[str, str](), dict[str, str]()
    for header, text in config.source.headers.items():
        for name in dict.fromkeys(re.findall(ENVIRONMENT, text)):
            value = os.environ.get(name, "").strip()
            if not re.fullmatch(r"[ -~]+", value):
                wrong = "is not set" if not value else "holds what no header can hold"
                at, hint = f"source.headers.{header}", f"the header {header} is made of it"
                problems.append(config.problem(at, f"the environment variable {name} {wrong}", hint))
            secrets[name] = value
        headers[header] = re.sub(ENVIRONMENT, lambda m: secrets[m[1]], text)
    if problems:
        raise Rejected(problems)
    return secrets, headers


class _Taking:
    """One fetch. Names of files are their ways from `folder`, if nothing else is said."""

    def __init__(
        self,
        folder: Path,
        config: Config,
        headers: Mapping[str, str],
        secrets: Mapping[str, str],
        force: bool,
        progress: Callable[[str], None],
    ) -> None:
        self._folder, self._config = folder, config
        self._headers, self._secrets = headers, secrets
        self._force, self._progress = force, progress
        self._lock = read(folder)
        self._present = {name: _bytes(folder / name) for name in self._lock.files}
        self._edited = [
            n for n, c in self._present.items() if c is not None and _digest(c) != self._lock.files[n].sha256
        ]
        self._problems: list[Problem] = []
        self._contents: dict[str, bytes | Absent] = {}
        self._size = 0
        self._tried: set[str] = set()
        self._missing: set[str] = set()
        self._before = self._current()
        self._document = self._before or _DOCUMENTS[0]
        self._origin: Origin
        self._deadline: float

    def _current(self) -> str:
        """The document that is here; empty when there is none."""
        stated = posixpath.normpath(self._config.document) if self._config.document else ""
        if stated and not inside(stated):
            raise Rejected([self._config.problem("document", "a document that is fetched goes below this folder")])
        if stated and (self._folder / stated).is_file():
            return stated
        if self._present.get(self._lock.document) is not None:
            return self._lock.document
        found = [n for n in _DOCUMENTS if (self._folder / n).is_file()] if not stated else []
        if len(found) > 1:
            problem = Problem(
                "there are several documents: which one is fetched?", hint=f"keep one of {', '.join(found)}"
            )
            raise Rejected([replace(problem, file=self._folder.as_posix())])
        return "".join(found)

    def taken(self) -> Fetched:
        lock = self._lock
        known = {
            _way(n, lock.document): Known(e.etag, content)
            for n, e in lock.files.items()
            if (content := self._present[n]) is not None and n not in self._edited and lock.url == self._url
        }
        try:
            with opened(self._config, self._headers, known, self._progress) as (self._origin, self._deadline):
                return self._same() or self._other()
        except Unfetched as e:
            raise Rejected([self._config.problem("source.url", str(e), e.hint)]) from None

    @property
    def _url(self) -> str:
        return self._config.source.url

    def _where(self, name: str) -> str:
        return self._origin.where(_way(name, self._document))

    def _foreign(self, name: str) -> bool:
        """Tell whether a file is in the folder for documents of other hosts."""
        return name.startswith(posixpath.join(posixpath.dirname(self._document), FOLDER, ""))

    def _unfetched(self, name: str, error: Unfetched) -> Problem:
        return Problem(str(error), hint=error.hint, file=self._where(name))

    # -- is it another one? ------------------------------

    def _same(self) -> Fetched | None:
        """What is here, when that is what is published; None when all of it has to be looked at."""
        lock = self._lock
        whole = not self._edited and None not in self._present.values() and lock.document == self._before
        stated = posixpath.normpath(self._config.document) if self._config.document else lock.document
        if not whole or not self._before or lock.url != self._url or stated != lock.document:
            return None
        kept = Fetched(self._folder, lock.document, {n: c for n, c in self._present.items() if c is not None}, lock)
        if lock.commit and self._origin.commit == lock.commit:
            return kept
        if any(map(self._foreign, lock.files)):
            return None  # other hosts have to be asked too
        for name in (lock.document, *sorted({*lock.files} - {lock.document}), *lock.missing):
            try:
                content: bytes | None = self._content(name)
            except Absent:
                content = None
            except Unfetched as e:
                raise Rejected([self._unfetched(name, e)]) from None
            if content != self._present.get(name):
                return None
        return kept

    def _content(self, name: str) -> bytes:
        """A file as it is published; each is asked for once. Raises `Unfetched`, or `Absent` when there is none."""
        found = self._contents.get(name)
        if found is None:
            try:
                found = self._origin.read(_way(name, self._document))
            except Absent as e:
                found = e
            else:
                self._size += len(found)
            self._contents[name] = found
        if isinstance(found, Absent):
            raise found
        if self._size > MAX_BYTES:
            raise Unfetched(f"the document and the files it refers to are larger than {MAX_BYTES // 1_000_000} MB")
        for variable, value in self._secrets.items():
            if len(value) >= 8 and value.encode() in found:
                raise Unfetched(f"the answer holds the value of {variable}", "it would be stored: tell its operator")
        return found

    # -- another one ------------------------------

    def _other(self) -> Fetched:
        try:
            content = self._content(self._document)
            if content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
                raise Unfetched(
                    "it is HTML or XML, and no OpenAPI document", _page_hint(self._url, bool(self._headers))
                )
        except Unfetched as e:
            raise Rejected([self._unfetched(self._document, e)]) from None
        self._document = self._named(content)
        self._contents[self._document] = content
        with tempfile.TemporaryDirectory(prefix="mcpgen-") as top:
            root = Path(os.path.realpath(top), "specs", self._folder.name)
            after, files = self._loaded(root)
        before = self._outline_here()
        self._still_the_one(before, after)
        self._refuse_strangers(files)
        if self._problems:
            raise Rejected(self._problems)
        changed = tuple(n for n, c in sorted(files.items()) if _bytes(self._folder / n) != c)
        stale = {n for n in (*self._lock.files, self._before) if n and n not in files and (self._folder / n).is_file()}
        entries = {n: Entry(_digest(c), self._etag(n)) for n, c in files.items()}
        lock = Lock(self._url, self._document, self._origin.commit, entries, tuple(sorted(self._missing)))
        made = Fetched(self._folder, self._document, files, lock, changed, tuple(sorted(stale)))
        relock = made.moved or self._said(lock) != self._said(self._lock)
        return replace(made, relock=relock, before=before, after=after, notes=tuple(self._notes(made)))

    @staticmethod
    def _said(lock: Lock) -> tuple[Any, ...]:
        """What of a lock is worth a change of it."""
        return lock.url, lock.document, lock.missing, {n: e.sha256 for n, e in lock.files.items()}

    def _etag(self, name: str) -> str:
        """The ETag of a file that may be kept: it names no time, and nothing that we sent."""
        tag = "" if self._foreign(name) else dateless(self._origin.etag(_way(name, self._document)))
        return "" if any(value in tag for value in self._secrets.values()) else tag

    def _named(self, content: bytes) -> str:
        """What the document is called here: as the configuration says, else by what it holds."""
        if self._config.document:
            return posixpath.normpath(self._config.document)
        wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
        text = content.decode("utf-16" if wide else "utf-8-sig", "replace").lstrip()
        is_json = text[:1] in ("{", "[")
        if is_json and self._origin.name.lower().endswith((".yaml", ".yml")):
            try:
                json.loads(text)
            except (ValueError, RecursionError):
                is_json = False
        if not is_json and self._before.endswith(".yml"):
            return self._before
        return "openapi.json" if is_json else "openapi.yaml"

    def _loaded(self, root: Path) -> tuple[Outline, dict[str, bytes]]:
        """The outline and the files of the document, which is laid out in `root`."""
        document = _put(root, self._document, self._content(self._document))
        base = posixpath.dirname(self._document)

        def bring(name: str, quiet: bool) -> None:
            steps = name.split("/")
            if not (steps[:2] == ["..", ".."] or any(s[:1] == "." and s != ".." for s in steps)):
                # The loader itself says what is wrong with two steps up, and with what is hidden.
                self._bring(root, posixpath.normpath(posixpath.join(base, name)), quiet)

        remote = Remote(self._config.allow_hosts, "again", self._progress, bring, self._deadline)
        self._progress(f"reading {self._origin.name or self._document}")
        try:
            after, loaded = outline(document, self._config, remote)
        except Rejected as rejected:
            self._problems += [self._as_published(p, root) for p in rejected.problems]
            raise Rejected(self._problems) from None
        names = sorted(p.relative_to(root).as_posix() for p in loaded.files)
        files = {name: (root / name).read_bytes() for name in names}
        self._refuse_twins(files)
        return after, files

    def _bring(self, root: Path, name: str, quiet: bool) -> None:
        """Lay out a file that the document refers to, if it is one that may be had; keep what is against it."""
        over = self._problems and (len(self._problems) >= _MOST_PROBLEMS or time.monotonic() > self._deadline)
        if name in self._tried or len(self._tried) >= MAX_FILES or over:
            return
        self._tried.add(name)
        try:
            if reason := self._unwanted(name):
                raise Absent(*reason)
            _put(root, name, self._content(name))
        except Absent as e:
            if quiet:
                return
            self._missing.add(name)
            if not self._force and name not in self._lock.missing:
                hint = (f"{e.hint}\n" if e.hint else "") + f"to take the document without it: {self._forced}"
                self._problems.append(Problem(f"the document refers to it: {e}", hint=hint, file=self._where(name)))
        except Unfetched as e:
            self._problems.append(self._unfetched(name, e))
        except OSError as e:
            self._problems.append(Problem(f"it cannot be stored as {name}: {e.strerror}", file=self._where(name)))

    def _unwanted(self, name: str) -> tuple[str, str] | None:
        """Why a file is not fetched, and the way out."""
        if name.startswith("../"):
            return "it is not below the folder of the document", _ELSEWHERE
        if not inside(name):
            return "that is no name for a file here", ""
        if not name.lower().endswith(_ENDINGS):
            return f"mcpgen fetches only {', '.join(_ENDINGS)}", ""
        taken = {posixpath.normpath(o) for o in self._config.overlays}.union(_OURS) - {self._document}
        if name.lower() in {t.lower() for t in taken} or self._foreign(name.lower()):
            return f"{name} is the name of another file here", _ELSEWHERE
        return None

    @property
    def _forced(self) -> str:
        return f"mcpgen fetch {self._folder.name} --force"

    def _as_published(self, problem: Problem, root: Path) -> Problem:
        """A problem of a file that was laid out in `root`, at the place where it is published."""
        said = problem.message.replace(f"{root.as_posix()}/", "")
        file = Path(problem.file)
        if problem.file and file.is_relative_to(root):
            name = file.relative_to(root).as_posix()
            place = name if self._foreign(name) else self._where(name)
            return replace(problem, message=said, file=place)
        return replace(problem, message=said)

    # -- is it still the one? ------------------------------

    def _outline_here(self) -> Outline | None:
        """The outline of the document that is here; None when there is none, or none that can be read."""
        if not self._before:
            return None
        try:
            return outline(self._folder / self._before, self._config, Remote(self._config.allow_hosts))[0]
        except Rejected:
            return None

    def _still_the_one(self, before: Outline | None, after: Outline) -> None:
        if before is None or self._force:
            return
        hint = f"if it is meant, take it with: {self._forced}"
        had, has = len(before.operations), len(after.operations)
        if has * 2 < had:
            message = f"the document shrank from {had:,} to {has:,} operations, which is hardly meant"
            self._problems.append(Problem(message, hint=hint, file=self._where(self._document)))
        if before.family != after.family:
            message = f"the document changed from {before.family} to {after.family}"
            self._problems.append(Problem(message, hint=hint, file=self._where(self._document)))

    def _refuse_strangers(self, files: Mapping[str, bytes]) -> None:
        for name, content in files.items():
            path = self._folder / name
            if not Path(os.path.realpath(path.parent)).is_relative_to(os.path.realpath(self._folder)):
                self._problems.append(Problem("a symbolic link leads out of this folder", file=path.parent.as_posix()))
            elif name in (self._before, *self._lock.files) or self._foreign(name):
                continue
            elif os.path.lexists(path) and _bytes(path) != content:
                message = f"the file is in the way of one that the document refers to, and is not in {LOCK}"
                hint = f"move it away; or {_ELSEWHERE}"
                self._problems.append(Problem(message, hint=hint, file=path.as_posix()))

    def _refuse_twins(self, files: Mapping[str, bytes]) -> None:
        """Names that differ in case alone are one file on some machines."""
        seen: dict[str, str] = {}
        for name in files:
            first = seen.setdefault(name.casefold(), name)
            if first != name:
                message = f"the document refers to {first} too, which is the same file where case does not count"
                self._problems.append(Problem(message, file=self._where(name)))

    def _notes(self, made: Fetched) -> Iterator[str]:
        for name in sorted(self._edited):
            if name in made.changed or name in made.stale:
                yield f"{name} had been changed here since it was fetched; a correction that stays is a [[fix]]"
        for name in made.lock.missing:
            yield f"{name} is not there, and the document refers to it"
        called = posixpath.normpath(posixpath.join(posixpath.dirname(made.document), self._origin.name or "."))
        if called != made.document and called in made.files:
            yield f'other files call the document {called}: with document = "{called}" in mcpgen.toml it is here once'


def _way(name: str, document: str) -> str:
    """Return the way from the document to a file; empty for the document itself."""
    return "" if name == document else posixpath.relpath(name, posixpath.dirname(document) or ".")


def _page_hint(url: str, signed_in: bool) -> str:
    if re.match(r"https://github\.com/[^/]+/[^/]+/blob/", url):
        return "that is GitHub's page about the file: take the URL of the button Raw"
    if signed_in:
        return "a page for signing in, probably: are the headers under [source] the ones that it takes?"
    said = 'headers = { Authorization = "Bearer {VENDOR_TOKEN}" }'
    return f"a page for people or for signing in, probably: name the file itself, or write under [source]: {said}"


def _put(root: Path, name: str, content: bytes) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# -- writing ------------------------------


def write(fetched: Fetched) -> None:
    """Write what was fetched, and remove what is stale. Errors: `Rejected` when the disk refuses.

    Every file is on the disk beside its place before one is moved there; the lock is the last.
    """
    folder = fetched.folder
    contents = {name: fetched.files[name] for name in fetched.changed}
    if fetched.relock:
        contents[LOCK] = fetched.lock.text.encode()
    pending: list[tuple[Path, Path]] = []
    made: list[Path] = []
    try:
        for name, content in contents.items():
            target = folder / name
            for parent in reversed([p for p in target.parents if not p.exists()]):
                parent.mkdir()
                made.append(parent)
            beside = target.with_name(f".{target.name}.mcpgen")
            pending.append((beside, target))
            beside.write_bytes(content)
        for name in fetched.stale:
            if name not in contents:
                _remove(folder, name)
        for beside, target in pending:
            beside.replace(target)
    except OSError as error:
        for beside, _ in pending:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
        for parent in reversed(made):
            with suppress(OSError):
                parent.rmdir()
        problem = Problem(f"cannot write: {error.strerror or error}", file=str(error.filename or folder))
        raise Rejected([problem]) from None


def _remove(folder: Path, name: str) -> None:
    """Remove a file of an earlier fetch, and the folders that are empty then."""
    path = folder / name
    if not Path(os.path.realpath(path.parent)).is_relative_to(os.path.realpath(folder)):
        return  # somebody put a symbolic link there
    path.unlink(missing_ok=True)
    for parent in path.parents:
        if parent == folder or any(parent.iterdir()):
            break
        parent.rmdir()
