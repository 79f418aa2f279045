"""Turns a branch, tag or commit of a git repository into the bytes of its files; nothing of it is ever checked out.

git does the talking, as a child process that can ask nobody, runs no hook and may speak one protocol only. It takes one
commit without its files where the server can do that, and then the files that are wanted; that none of its names is an
option was seen to when the configuration was read.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ..config import GIT_URL
from ..spec import MAX_BYTES
from ..spec.remote import NotPublic, Unfetched, address, public

__all__ = ["Absent", "Repository"]

MAX_REPOSITORY_BYTES: Final = 500_000_000
"""Of what git puts on the disk: one commit, and its files where the server sends all of them unasked."""
_MOST_TOGETHER: Final = 20_000
"""Files that are brought at once, wanted or not; beside DigitalOcean's document there are 2,906, and it needs 1,507."""
_REF: Final = "refs/mcpgen/source"
_KEPT: Final = ("GIT_CONFIG", "GIT_EXEC_PATH", "GIT_SSH", "GIT_SSL")
"""What begins like this in the environment stays: how this machine reaches its servers."""


class Absent(Unfetched):
    """There is no such file."""


class Repository:
    """A commit. It is fetched when something of it is first asked for; to be closed by `with`."""

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        private: bool,
        deadline: float,
        seconds: float,
        progress: Callable[[str], None],
    ) -> None:
        found = GIT_URL.fullmatch(url)
        assert found is not None, "the configuration was read"
        self._url, self._path = url, found["path"]
        self.name = posixpath.basename(found["path"])
        self._remote, self._ref = found["url"], found["ref"]
        self._scheme, self._host = found["scheme"], found["host"]
        self._headers = headers
        self._private = private
        self._deadline, self._seconds = deadline, seconds
        self._progress = progress
        self._holder = tempfile.TemporaryDirectory(prefix="mcpgen-", ignore_cleanup_errors=True)
        self._folder = Path(self._holder.name)
        self._settings: list[tuple[str, str]] = []
        self._commit = ""
        self._blobs: dict[str, tuple[str, str]] = {}  # path → mode, object
        self._together: dict[str, bytes] = {}  # object → content

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._holder.cleanup()

    @property
    def commit(self) -> str:
        """The commit that the branch or the tag names now. Raises `Unfetched`."""
        if not self._commit:
            self._settings = [*self._fixed(), *self._pinned()]
            self._git("init", "--quiet", "--bare", "--template=", ".")
            wanted = f"+{self._ref}:{_REF}"
            self._git("fetch", *_QUIETLY, "--depth=1", "--filter=blob:none", "source", wanted)
            self._commit = self._git("rev-parse", "--verify", f"{_REF}^{{commit}}").decode().strip()
        return self._commit

    def where(self, name: str) -> str:
        """Return the place of a file, written as in the configuration."""
        return self._url.removesuffix(self._path) + self._inside(name)

    def etag(self, name: str) -> str:
        """Return nothing: a commit says more."""
        return ""

    def _inside(self, name: str) -> str:
        return posixpath.normpath(posixpath.join(posixpath.dirname(self._path), name)) if name else self._path

    def read(self, name: str) -> bytes:
        """Return a file by the way from the document. Raises `Absent` when there is none, else `Unfetched`."""
        path = self._inside(name)
        if not self._blobs:
            listed = self._git("ls-tree", "-r", "-z", "--full-tree", self.commit)
            for line in listed.decode("utf-8", "replace").split("\0")[:-1]:
                about, _, name = line.partition("\t")
                self._blobs[name] = about.split(" ")[0], about.split(" ")[2]
        mode, blob = self._blobs.get(path, ("", ""))
        if mode == "120000":
            raise Absent("it is a symbolic link", "name the file that it leads to")
        if not mode.startswith("100"):
            raise Absent(f"the commit {self.commit[:10]} has no such file")
        if name and not self._together:
            self._together = dict(self._all_below(posixpath.dirname(self._path))) or {"": b""}
        return self._together[blob] if blob in self._together else self._git("cat-file", "blob", blob)

    def _all_below(self, folder: str) -> Iterator[tuple[str, bytes]]:
        """Yield all objects that may belong to the document: one by one each costs a process, and a connection.

        Nothing when there are too many of them, or too large ones: those are others, then."""
        below = f"{folder}/" if folder else ""
        endings = (".json", ".yaml", ".yml", ".md", ".txt")
        wanted = sorted({b for n, (m, b) in self._blobs.items() if n.startswith(below) and n.lower().endswith(endings)})
        if len(wanted) > _MOST_TOGETHER:
            return
        here = self._git("cat-file", "--batch-all-objects", "--batch-check=%(objectname)").decode().split()
        if absent := sorted({*wanted} - {*here}):
            self._git("fetch", *_QUIETLY, "--filter=blob:none", "--stdin", "source", given=absent)
        sizes = self._git("cat-file", "--batch-check=%(objectsize)", given=wanted).decode().split()
        if sum(map(int, sizes)) > MAX_BYTES // 2:
            return
        contents = self._git("cat-file", "--batch=%(objectname)", given=wanted)
        at = 0
        for blob, size in zip(wanted, map(int, sizes), strict=True):
            at += len(blob) + 1
            yield blob, contents[at : at + size]
            at += size + 1

    # -- git ------------------------------

    def _fixed(self) -> Iterable[tuple[str, str]]:
        yield "remote.source.url", self._remote
        yield "core.hooksPath", os.devnull
        yield "core.askPass", ""
        yield "credential.interactive", "false"
        yield "fetch.negotiationAlgorithm", "noop"
        yield "gc.auto", "0"
        yield "maintenance.auto", "false"
        yield "protocol.version", "2"
        yield "http.followRedirects", "false"  # headers would go along, and the address was not checked
        yield "http.lowSpeedLimit", "1"
        yield "http.lowSpeedTime", "30"
        for name, value in self._headers.items():
            yield f"http.{self._scheme}://{self._host}/.extraHeader", f"{name}: {value}"

    def _pinned(self) -> Iterable[tuple[str, str]]:
        """What holds git to the addresses that were checked. Raises `Unfetched` when one of them is not public.

        ssh resolves the name itself: there, and in a git before 2.37, the key or the certificate of the host hold it.
        """
        if self._private or self._scheme == "file":
            return
        name, port = self._host, ""
        if self._scheme == "ssh" and (cut := self._host.rpartition(":"))[2].isdigit():
            name, port = cut[0], cut[2]
        place = address("", f"https://{name}:{port or 22}/" if self._scheme == "ssh" else self._remote)
        try:
            found = public(place, self._seconds, self._deadline)
        except NotPublic as e:
            raise Unfetched(str(e), "if that is meant, write under [source]: allow_private = true") from None
        if self._scheme != "ssh":
            yield "http.proxy", ""  # it would resolve the name again
            yield "http.curloptResolve", f"{place.host}:{place.port}:{','.join(dict.fromkeys(found))}"

    def _environment(self) -> dict[str, str]:
        kept = {n: v for n, v in os.environ.items() if not n.startswith("GIT_") or n.startswith(_KEPT)}
        told = kept.get("GIT_CONFIG_COUNT", "")
        first = int(told) if told.isascii() and told.isdigit() else 0
        for number, (name, value) in enumerate(self._settings, first):  # not as arguments, which everybody can see
            kept |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
        return kept | {
            "GIT_CONFIG_COUNT": str(first + len(self._settings)),
            "GIT_ALLOW_PROTOCOL": self._scheme,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "SSH_ASKPASS": "",
            "SSH_ASKPASS_REQUIRE": "never",
            "LC_ALL": "C",
        }

    def _git(self, *arguments: str, given: Sequence[str] = ()) -> bytes:
        """Return what git prints. Raises `Unfetched` when it fails, takes too long or too much room."""
        place, said, told, asked = (self._folder / n for n in ("repository", "out", "err", "in"))
        place.mkdir(exist_ok=True)
        asked.write_text("".join(f"{line}\n" for line in given), encoding="ascii")
        if not (git := shutil.which("git")):
            raise Unfetched("there is no git on this machine")
        with said.open("wb") as out, told.open("wb") as err, asked.open("rb") as ours:
            process = subprocess.Popen(
                [git, *arguments],
                cwd=place,
                env=self._environment(),
                stdin=ours,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        try:
            while process.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.2)
                self._watch()
        finally:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._watch()
        if process.returncode:
            raise Unfetched(*_explained(told.read_text(encoding="utf-8", errors="replace"), self._ref))
        if said.stat().st_size > MAX_BYTES:
            raise Unfetched(f"it is larger than {MAX_BYTES / 1_000_000:g} MB")
        return said.read_bytes()

    def _watch(self) -> None:
        if time.monotonic() > self._deadline:
            raise Unfetched(f"fetching it took longer than {self._seconds:g} s")
        size = 0
        for path in self._folder.rglob("*"):
            with suppress(OSError):  # git renames what it wrote
                size += path.stat().st_size
        if size > MAX_REPOSITORY_BYTES:
            raise Unfetched(f"one commit of the repository is larger than {MAX_REPOSITORY_BYTES / 1_000_000:g} MB")
        self._progress(f"fetching {self._remote}: {size / 1_000_000:.1f} MB so far")


_QUIETLY: Final = ("--quiet", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no")


def _explained(said: str, ref: str) -> tuple[str, str]:
    """Return what git said in one sentence, and the way out."""
    lines = [line.strip() for line in said.splitlines()]
    fatal = [line for line in lines if line.startswith(("fatal:", "error:", "remote:", "ERROR:"))] or lines
    if any("couldn't find remote ref" in line for line in fatal):
        return f"there is no {ref} in the repository", "name a branch, a tag or a whole commit"
    hint = ""
    if any("could not read Username" in line or "Authentication failed" in line for line in fatal):
        hint = 'name a credential under [source]: headers = { Authorization = "Basic {VENDOR_TOKEN}" }'
    return f"git says: {'; '.join(fatal)[:300] or 'nothing'}", hint
