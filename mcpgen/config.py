"""Turns `mcpgen.toml` into a `Config`. Everything is strict: an unknown key or a wrong type is a problem with its line.

Whether an operationId, a tag or an argument that the file names exists is for the planner, which knows the document.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .problems import Problem, Rejected

__all__ = ["AuthConfig", "Config", "Selection", "ToolConfig", "load", "locate"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which operations are meant. Empty means none named; a name may be a shell pattern for `paths`."""

    tags: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tags or self.operations or self.paths or self.methods)


@dataclass(frozen=True, slots=True)
class ToolConfig:
    """What the file says of one operation, keyed by its operationId."""

    name: str = ""
    title: str = ""
    description: str = ""
    hide: tuple[str, ...] = ()
    annotations: Mapping[str, bool] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuthConfig:
    """How one security scheme's credential reaches the server: `{NAME}` in `value` is an environment variable."""

    value: str = ""
    env: str = ""
    username_env: str = ""
    password_env: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Config:
    """One `mcpgen.toml`."""

    file: str = ""
    name: str = ""
    package: str = ""
    title: str = ""
    version: str = "0.1.0"
    description: str = ""
    instructions: str = ""
    env_prefix: str = ""
    base_url: str = ""
    base_url_env: str = ""
    registry_name: str = ""
    document: str = ""
    strict: bool = False
    include: Selection = Selection()
    exclude: Selection = Selection()
    tools: Mapping[str, ToolConfig] = field(default_factory=dict)
    auth: Mapping[str, AuthConfig] = field(default_factory=dict)
    writes_destroy: bool = False
    schema_budget: int = 24_000
    text: str = ""

    def problem(self, key: str, message: str, hint: str = "") -> Problem:
        """Return a problem at `key`, a dotted path such as `tools.listUsers.hide`."""
        line = locate(self.text, key)
        return Problem(message, pointer="", hint=hint, file=self.file, line=line, column=1 if line else 0)


def load(path: Path) -> Config:
    """Read a `mcpgen.toml`. Errors: `Rejected` with everything that is wrong in it."""
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        line, column = (int(at[1]), int(at[2])) if at else (0, 0)
        message = re.sub(r" \(at .*\)$", "", str(error))
        raise Rejected([Problem(message, file=str(path), line=line, column=column)]) from None
    except UnicodeDecodeError:
        raise Rejected([Problem("the file is not UTF-8", file=str(path))]) from None
    reader = _Reader(Config(file=str(path), text=text))
    config = reader.config(data)
    if reader.problems:
        raise Rejected(reader.problems)
    return config


def locate(text: str, key: str) -> int:
    """Return the line (from 1) on which a dotted key of TOML stands; 0 when it is not found."""
    parts = key.split(".", 1) if not key.startswith(("tools.", "auth.")) else key.split(".")
    table: list[str] = []
    best = 0
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\[?\s*(.+?)\s*\]\]?\s*(#.*)?$", line):
            table = [p.strip().strip("\"'") for p in re.findall(r'"[^"]*"|\'[^\']*\'|[^.]+', header[1])]
            if table == parts:
                return number
            if len(table) < len(parts) and table == parts[: len(table)]:
                best = best or number
        elif assignment := re.match(r"\s*(\"[^\"]*\"|'[^']*'|[A-Za-z0-9_.-]+)\s*=", line):
            name = [*table, assignment[1].strip("\"'")]
            if ".".join(name) == key or name == parts:
                return number
            if len(name) < len(parts) and name == parts[: len(name)]:
                best = number
    return best


class _Reader:
    """Takes a parsed file apart, and keeps every problem."""

    def __init__(self, blank: Config) -> None:
        self._blank = blank
        self.problems: list[Problem] = []

    def _wrong(self, key: str, message: str, hint: str = "") -> None:
        self.problems.append(self._blank.problem(key, message, hint))

    def config(self, data: dict[str, Any]) -> Config:
        known: dict[str, Callable[[str, Any], Any]] = {
            "server": self._server,
            "document": self._text,
            "strict": self._flag,
            "include": self._selection,
            "exclude": self._selection,
            "tools": self._tools,
            "auth": self._auth,
            "annotations": self._policy,
            "limits": self._limits,
        }
        values: dict[str, Any] = {"file": self._blank.file, "text": self._blank.text}
        for name, value in self._known("", data, known):
            read = known[name](name, value)
            values.update(read if name in ("server", "annotations", "limits") else {name: read})
        return Config(**values)

    def _known(self, at: str, table: Any, known: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        if not isinstance(table, dict):
            self._wrong(at, f"`{at}` must be a table")
            return
        for name, value in table.items():
            if name in known:
                yield name, value
            else:
                key = f"{at}.{name}" if at else name
                self._wrong(key, f"unknown key `{key}`", "known here: " + ", ".join(sorted(known)))

    def _text(self, at: str, value: Any) -> str:
        if isinstance(value, str):
            return value.strip()
        self._wrong(at, f"`{at}` must be a string")
        return ""

    def _flag(self, at: str, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        self._wrong(at, f"`{at}` must be true or false")
        return False

    def _texts(self, at: str, value: Any) -> tuple[str, ...]:
        if isinstance(value, list) and all(isinstance(v, str) for v in value):
            return tuple(value)
        self._wrong(at, f"`{at}` must be a list of strings")
        return ()

    def _fields(self, at: str, table: Any, readers: Mapping[str, Callable[[str, Any], Any]]) -> dict[str, Any]:
        return {n: readers[n](f"{at}.{n}", v) for n, v in self._known(at, table, readers)}

    def _server(self, at: str, value: Any) -> dict[str, Any]:
        names = ["name", "package", "title", "version", "description", "instructions", "env_prefix"]
        names += ["base_url", "base_url_env", "registry_name"]
        read = self._fields(at, value, dict.fromkeys(names, self._text))
        for name, pattern, what in (
            ("name", r"[a-z][a-z0-9-]{0,62}", "lower-case letters, digits and dashes, starting with a letter"),
            ("package", r"[a-z][a-z0-9_]{0,62}", "lower-case letters, digits and underscores, starting with a letter"),
            ("env_prefix", r"[A-Z][A-Z0-9_]*", "upper-case letters, digits and underscores"),
            ("base_url_env", r"[A-Z][A-Z0-9_]*", "upper-case letters, digits and underscores"),
            ("version", r"[0-9]+(\.[0-9]+)*([abrc.+-][A-Za-z0-9.]*)?", "a version such as 1.4.0"),
        ):
            if name in read and not re.fullmatch(pattern, read[name]):
                self._wrong(f"{at}.{name}", f"`{at}.{name}` is {read[name]!r}", f"write {what}")
        return read

    def _selection(self, at: str, value: Any) -> Selection:
        names = ("tags", "operations", "paths", "methods")
        read = self._fields(at, value, dict.fromkeys(names, self._texts))
        if "methods" in read:
            read["methods"] = tuple(m.upper() for m in read["methods"])
        return Selection(**read)

    def _tools(self, at: str, value: Any) -> dict[str, ToolConfig]:
        if not isinstance(value, dict):
            self._wrong(at, "`tools` must be tables keyed by operationId: [tools.listUsers]")
            return {}
        found = {}
        for operation, table in value.items():
            where = f"{at}.{operation}"
            readers: dict[str, Callable[[str, Any], Any]] = {
                "name": self._text,
                "title": self._text,
                "description": self._text,
                "hide": self._texts,
                "annotations": self._annotations,
                "arguments": self._wordings,
            }
            found[operation] = ToolConfig(**self._fields(where, table, readers))
        return found

    def _annotations(self, at: str, value: Any) -> dict[str, bool]:
        names = ("read_only", "destructive", "idempotent", "open_world")
        read = self._fields(at, value, dict.fromkeys(names, self._flag))
        if read.get("read_only") and read.get("destructive"):
            self._wrong(at, "a tool cannot be read-only and destructive at once")
        return read

    def _wordings(self, at: str, value: Any) -> dict[str, str]:
        if not isinstance(value, dict):
            self._wrong(at, f"`{at}` must be a table of argument names and descriptions")
            return {}
        return {n: self._text(f"{at}.{n}", v) for n, v in value.items()}

    def _auth(self, at: str, value: Any) -> dict[str, AuthConfig]:
        if not isinstance(value, dict):
            self._wrong(at, "`auth` must be tables keyed by the security scheme: [auth.api_key]")
            return {}
        names = ("value", "env", "username_env", "password_env", "description")
        found = {}
        for scheme, table in value.items():
            where = f"{at}.{scheme}"
            read = self._fields(where, table, dict.fromkeys(names, self._text))
            for name in ("env", "username_env", "password_env"):
                if name in read and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", read[name]):
                    self._wrong(f"{where}.{name}", f"`{read[name]}` is no name of an environment variable")
            if "value" in read and not re.search(r"\{[A-Za-z_][A-Za-z0-9_]*\}", read["value"]):
                hint = 'write for example "Token token={API_KEY}"'
                self._wrong(f"{where}.value", "the template names no environment variable in braces", hint)
            found[scheme] = AuthConfig(**read)
        return found

    def _policy(self, at: str, value: Any) -> dict[str, Any]:
        read = self._fields(at, value, {"writes": self._text})
        if read.get("writes", "by-verb") not in ("by-verb", "destructive"):
            self._wrong(f"{at}.writes", f"`{at}.writes` is {read['writes']!r}", 'write "by-verb" or "destructive"')
        return {"writes_destroy": read.get("writes") == "destructive"}

    def _limits(self, at: str, value: Any) -> dict[str, Any]:
        read = self._fields(at, value, {"schema_bytes": self._count})
        return {"schema_budget": read["schema_bytes"]} if "schema_bytes" in read else {}

    def _count(self, at: str, value: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
        self._wrong(at, f"`{at}` must be a positive integer")
        return 24_000
