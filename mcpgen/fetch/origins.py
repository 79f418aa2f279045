"""Turns `source.url` into the bytes of a document and of the files beside it, from wherever it is published."""

from __future__ import annotations

import os
import posixpath
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import quote, unquote, urlsplit

from ..config import ENVIRONMENT, Config, Source
from ..spec import MAX_BYTES, Remote
from ..spec.remote import NotPublic, Request, Unfetched, address, ask
from .repository import Absent, Repository

__all__ = ["MAX_SECONDS", "Known", "Origin", "opened"]

MAX_SECONDS: Final = 300.0
"""For one document with all its files."""

_HEADERS: Final = 'headers = { Authorization = "Bearer {VENDOR_TOKEN}" }'


@dataclass(frozen=True, slots=True)
class Known:
    """A file that an earlier fetch left here, unchanged since, and its ETag."""

    etag: str
    content: bytes


class Origin(Protocol):
    """Where a document is published. Its files go by the way from the document's folder; it has no name itself."""

    name: str
    """What the document is called there."""

    def read(self, name: str) -> bytes:
        """Return a file as it is there. Raises `Absent` when there is none, else `Unfetched`."""

    def where(self, name: str) -> str:
        """Return what people call the place of a file."""

    def etag(self, name: str) -> str:
        """Return the ETag of a file that was read."""

    @property
    def commit(self) -> str:
        """The commit that all files are from; empty where there are none. Raises `Unfetched`."""


@contextmanager
def opened(
    config: Config, headers: Mapping[str, str], known: Mapping[str, Known], progress: Callable[[str], None]
) -> Iterator[tuple[Origin, float]]:
    """Yield where the configuration says that the document is, and when its time is over, on the monotonic clock."""
    source, deadline = config.source, time.monotonic() + MAX_SECONDS
    if source.url.startswith("git+"):
        with Repository(
            source.url,
            headers,
            private=source.allow_private,
            deadline=deadline,
            seconds=MAX_SECONDS,
            progress=progress,
        ) as repository:
            yield repository, deadline
    elif re.match(r"https?:", source.url, re.I):
        yield _Web(source, headers, Remote(config.allow_hosts), known, deadline, progress), deadline
    else:
        path = unquote(source.url.removeprefix("file://")) if source.url.startswith("file://") else source.url
        folder = Path(config.file).parent
        if (folder / path).resolve().is_relative_to(folder.resolve()):
            raise Unfetched("the document would be fetched into the folder where it is", "move it elsewhere")
        yield _Disk(folder / path), deadline


class _Web:
    """A web server."""

    commit = ""

    def __init__(
        self,
        source: Source,
        headers: Mapping[str, str],
        remote: Remote,
        known: Mapping[str, Known],
        deadline: float,
        progress: Callable[[str], None],
    ) -> None:
        self._source = source
        self._place = address("", source.url)
        self._headers = tuple(headers.items())
        self._remote = remote
        self._known = known
        self._deadline = deadline
        self._progress = progress
        self._etags: dict[str, str] = {}
        self.name = unquote(posixpath.basename(urlsplit(self._place.url).path))

    def where(self, name: str) -> str:
        try:
            return address(self._place.url, quote(name)).url if name else self._place.url
        except Unfetched:  # too long for a URL
            return name

    def etag(self, name: str) -> str:
        return self._etags.get(name, "")

    def read(self, name: str) -> bytes:
        known = self._known.get(name, Known("", b""))
        where = self.where(name)

        def progress(got: int, whole: int) -> None:
            self._progress(f"fetching {where}: {_megabytes(got, whole)}")

        request = Request(
            address("", where),
            self._remote,
            anywhere=True,
            private=self._source.allow_private,
            headers=(("Accept-Encoding", "gzip"), *self._headers),
            etag=known.etag,
            max_bytes=MAX_BYTES,
            seconds=MAX_SECONDS,
            deadline=self._deadline,
            progress=progress,
        )
        try:
            answer = ask(request)
        except NotPublic as e:
            hint = "if that is meant, write under [source]: allow_private = true"
            raise Unfetched(str(e), "" if self._source.allow_private else hint) from None
        except Unfetched as e:
            if e.status in (404, 410):
                raise Absent(str(e), "" if self._headers else f"if it needs a credential: {_HEADERS}") from None
            raise Unfetched(str(e), self._advice(e.status) or e.hint, e.status) from None
        self._etags[name] = answer.etag
        return known.content if answer.content is None else answer.content

    def _advice(self, status: int) -> str:
        if status not in (401, 403, 407):
            return ""
        used = sorted({n for text in self._source.headers.values() for n in re.findall(ENVIRONMENT, text)})
        if used:
            return f"is what {' and '.join(used)} {'hold' if used[1:] else 'holds'} still good for {self._place.entry}?"
        return f"if it needs a credential, write under [source]: {_HEADERS}"


def _megabytes(got: int, whole: int) -> str:
    shown = f"{got / 1_000_000:.1f}"
    return f"{shown} of {whole / 1_000_000:.1f} MB" if whole else f"{shown} MB so far"


class _Disk:
    """A folder of this machine. The configuration names the document; what that refers to lies below or is not read."""

    commit = ""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.name = file.name

    def where(self, name: str) -> str:
        return Path(os.path.normpath(self.file.parent / name if name else self.file)).as_posix()

    def etag(self, name: str) -> str:
        return ""

    def read(self, name: str) -> bytes:
        path = Path(self.where(name))
        top = Path(os.path.realpath(self.file.parent), *[".."] * name.split("/").count("..")).resolve()
        if name and not Path(os.path.realpath(path)).is_relative_to(top):
            raise Absent("a symbolic link leads out of the folder of the document")
        try:
            if not path.is_file():
                raise Absent("this is not a file" if path.exists() else "there is no such file")
            if path.stat().st_size > MAX_BYTES:
                raise Unfetched(f"it is larger than {MAX_BYTES / 1_000_000:g} MB")
            return path.read_bytes()
        except OSError as e:
            raise Unfetched(f"it cannot be read: {e.strerror}") from None
