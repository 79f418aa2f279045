"""Turns what was fetched into `source.lock` and back, because the next fetch must know which files are its own.

The text holds no clock and nothing secret, and it is written only when what was fetched changed: an ETag that is
another one on each server, or a commit that touched other files, is no reason for a pull request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..problems import Problem, Rejected

__all__ = ["LOCK", "Entry", "Lock", "dateless", "inside", "read"]

LOCK: Final = "source.lock"

_LONGEST_NAME: Final = 250
_LONGEST_PART: Final = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """One file as it came."""

    sha256: str
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Lock:
    """What an earlier fetch wrote; empty when there was none."""

    url: str = ""
    document: str = ""
    """Which of the files is the document."""
    commit: str = ""
    files: Mapping[str, Entry] = field(default_factory=dict)
    """By their path from the folder of the lock."""
    missing: tuple[str, ...] = ()
    """What the document refers to and is not there; somebody said that it may be so."""

    @property
    def text(self) -> str:
        """The file."""
        files = {n: {k: v for k, v in (("etag", e.etag), ("sha256", e.sha256)) if v} for n, e in self.files.items()}
        said = {"url": self.url, "document": self.document, "commit": self.commit, "files": files}
        said["missing"] = sorted(self.missing)
        return json.dumps({k: v for k, v in said.items() if v}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def read(folder: Path) -> Lock:
    """Return the lock in `folder`. Errors: `Rejected` when it is not as `Lock.text` wrote it."""
    path = folder / LOCK
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        files = {name: Entry(_text(e["sha256"]), _text(e.get("etag", ""))) for name, e in data["files"].items()}
        commit, missing = _text(data.get("commit", "")), tuple(map(_text, data.get("missing", ())))
        lock = Lock(_text(data["url"]), _text(data["document"]), commit, files, missing)
        if lock.document in files and all(map(inside, files)):
            return lock
    except FileNotFoundError:
        return Lock()
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        pass
    hint = "restore it from version control; or delete it with the files that were fetched, and fetch again"
    raise Rejected([Problem("the lock cannot be read", hint=hint, file=path.as_posix())])


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def inside(name: str) -> bool:
    """Tell whether `name` is that of a file below a folder on every system: no part climbs, hides or is a device."""
    parts = name.split("/")
    return len(name) <= _LONGEST_NAME and all(
        0 < len(p.encode("utf-8", "replace")) <= _LONGEST_PART
        and p.isprintable()
        and p[0] not in ".-~ "
        and p[-1] not in ". "
        and not re.search(r'[\\:*?"<>|]', p)
        for p in parts
    )


def dateless(etag: str) -> str:
    """Return an entity tag (RFC 9110, 8.8.3) that may be kept: not one that tells when its file was last written.

    Such a one is another one after every deployment and on every server, and would be a clock in the lock.
    """
    found = re.fullmatch(r'(?:W/)?"([\x21\x23-\x7e]{1,200})"', etag)
    return etag if found and not _dated(found[1]) else ""


_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)
_DAY: Final = re.compile(
    r"(?<![0-9a-f])(19|20)[0-9]{2}[-/_.]?(0[1-9]|1[0-2])[-/_.]?(0[1-9]|[12][0-9]|3[01])([0-2][0-9]([0-5][0-9]){2})?(?![0-9a-f])"
    r"|\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[ ,_-]|\bgmt\b",
    re.I,
)
_EPOCH: Final = range(946_684_800, 4_102_444_800)
"""Seconds from 1970 in this century."""


def _dated(tag: str) -> bool:
    """Tell whether a part of a tag reads as a point in time.

    In decimals: seconds, or finer by a thousand. In hexadecimals: seconds as nginx writes them, microseconds as Apache
    does, ticks since the year 1 (Azure).
    """
    if _UUID.fullmatch(tag):
        return False
    if _DAY.search(tag):
        return True
    for part in re.findall(r"[0-9a-z]+", tag.lower()):
        if re.fullmatch(r"[0-9]{10}([0-9]{3}){0,3}", part) and int(part[:10]) in _EPOCH:
            return True
        if re.fullmatch(r"[0-9a-f]{8}", part) and int(part, 16) in _EPOCH:
            return True
        if re.fullmatch(r"[0-9a-f]{13}", part) and int(part, 16) // 1_000_000 in _EPOCH:
            return True
        if re.fullmatch(r"0x8d[0-9a-f]{13}", part):
            return True
    return False
