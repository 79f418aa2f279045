"""Turns `mcpgen.toml` into a `Config`. Everything is strict: an unknown key or a wrong type is a problem with its line.

Whether an operationId, a tag or an argument that the file names exists is for the planner, which knows the document.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from .problems import Problem, Rejected

__all__ = [
    "ENVIRONMENT",
    "GIT_URL",
    "TOKEN_URL",
    "Arguments",
    "AuthConfig",
    "Budget",
    "Config",
    "ContextConfig",
    "Describe",
    "Dynamic",
    "Errors",
    "Fix",
    "Host",
    "Http",
    "Lint",
    "Paging",
    "PagingPolicy",
    "Readme",
    "Results",
    "Search",
    "Selection",
    "Source",
    "ToolConfig",
    "load",
    "locate",
]


TOKEN_URL = re.compile(
    r"(https://[A-Za-z0-9._~-]+|http://(localhost|127\.0\.0\.1|\[::1\]))(:[0-9]{1,5})?([/?][A-Za-z0-9._~:/?@!$&()*+,;=%-]*)?"
)
"""A URL to which a client's secret may be sent (RFC 6749, 3.2): https, or this machine."""
GIT_URL = re.compile(
    r"git\+(?P<url>(?P<scheme>https?|ssh|file)://(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9._-]*)@)?(?P<host>[^\s/?#@]*)/[^\s#]+)"
    r"#(?P<ref>[^\s:]+):(?P<path>.+)"
)
"""A file in a git repository: git+URL#REF:PATH, where REF is a branch, a tag or a whole commit."""
_WEB_URL = re.compile(
    r"(?:https://[^\s/?#@]+|http://(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]{1,5})?)(?:[/?][^\s#]*)?", re.I
)
_GIT_EXAMPLE = "git+https://github.com/acme/api.git#main:spec/openapi.yaml"
_TRANSPORT = ("content-type", "content-length", "host", "accept-encoding", "connection", "transfer-encoding", "te")
ENVIRONMENT = r"\{([A-Za-z_][A-Za-z0-9_]*)\}"
"""An environment variable in a text, in braces."""
_HEADER = 'write letters, digits and dashes: "X-Api-Key"'
_HOST = re.compile(r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?")


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
class Dynamic:
    """A value that is only known when a tool is called: `kind` is argument, context or now.

    `text` is the argument's key, `context.path` into a context's answer, or a distance from now: -7d, +30m, "".
    """

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Paging:
    """How the pages of one list follow each other; what is empty is inferred from the document."""

    style: str = ""
    """offset, page, cursor, link, or none: the whole list comes at once."""
    limit: str = ""
    """The parameter for the size of a page."""
    place: str = ""
    """The parameter for where a page starts: an offset, a page's number or a cursor."""
    items: str = ""
    """The property of the answer that holds the items, as a path with dots."""
    more: str = ""
    """The property that tells that there is more: a boolean, a cursor, or a number of pages."""
    total: str = ""
    """The property that counts the items of all pages."""
    page_size: int = 0
    max_items: int = 0


@dataclass(frozen=True, slots=True)
class PagingPolicy:
    """Lists that are read page by page, up to what the model asks for."""

    max_items: int = 1000
    default_items: int = 100
    page_size: int = 100
    items: str = "items"
    """What a result calls the items."""
    note: str = "note"
    """What a result calls the sentence about them."""


@dataclass(frozen=True, slots=True)
class ToolConfig:
    """What the file says of one operation, keyed by its operationId, or by a name of its own with `operation`."""

    operation: str = ""
    name: str = ""
    title: str = ""
    description: str = ""
    only: tuple[str, ...] = ()
    """What is offered. What is named here or in `defaults`, [arguments] and [tags] neither hide nor pin."""
    hide: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    pin: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    require: tuple[str, ...] = ()
    join: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    schema: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    media_type: str = ""
    """Of several that the body may have, the one to send."""
    annotations: Mapping[str, bool] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)
    unwrap: str | bool | None = None
    select: str = ""
    empty: str = ""
    paging: Paging | bool | None = None
    output_schema: bool | None = None


@dataclass(frozen=True, slots=True)
class Arguments:
    """What holds for the arguments of every tool, or of every tool of a tag, that has them."""

    rename: Mapping[str, str] = field(default_factory=dict)
    hide: tuple[str, ...] = ()
    pin: Mapping[str, Any] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)
    pin_single_values: bool = False
    """A property whose only value the document names is sent and not asked for."""
    bracket_lists: bool = False
    """A parameter `x[]` takes a list, even where the document names the type of its items."""
    plain_ids: bool = False
    """What goes into a path is a word: it has no slash and no blank, and is no null that became a text."""


@dataclass(frozen=True, slots=True)
class ContextConfig:
    """An operation without arguments that is called once for the values that other calls need."""

    operation: str = ""


@dataclass(frozen=True, slots=True)
class Results:
    """What holds for the results of every tool."""

    unwrap: bool = False
    empty: str = ""
    output_schemas: bool = False


@dataclass(frozen=True, slots=True)
class Http:
    """Serving over HTTP: whose credential is used, and who may call."""

    credential: str = "auto"
    """caller, environment, or auto: the environment's where it is set, else the caller's."""
    header: str = ""
    """The header in which a caller's key comes; by default the one in which the API takes it."""
    value: str = ""
    """What that header holds, `{KEY}` for the key; by default what the API takes."""
    cors_origins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Host:
    """A base URL for some operations, instead of the document's; `env` is the variable that replaces it."""

    url: str = ""
    env: str = ""
    operations: Selection = Selection()


@dataclass(frozen=True, slots=True)
class Errors:
    """What becomes of an error of the API."""

    protocol: tuple[int, ...] = ()
    """Statuses that are JSON-RPC errors; every other one is a result that says so."""
    hints: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Describe:
    """Templates of descriptions: `{text}` is what would be said, `{tool:name}` a tool that must exist."""

    tags: Mapping[str, str] = field(default_factory=dict)
    writes: str = ""


@dataclass(frozen=True, slots=True)
class Search:
    """A tool that searches the document itself, without any request."""

    name: str = ""
    title: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Budget:
    """What all tools may cost together before `mcpgen lint` says that it is too much; 0: no budget."""

    tokens: int = 0
    """Of tools/list, a quarter of its bytes."""
    tools: int = 0


@dataclass(frozen=True, slots=True)
class Lint:
    """What `mcpgen lint` is not to say, and how grave the rest is."""

    ignore: tuple[str, ...] = ()
    """Rules, or rule:tool."""
    levels: Mapping[str, Any] = field(default_factory=dict)
    """By rule: error, warning or note."""


@dataclass(frozen=True, slots=True)
class Readme:
    """What the generated README says that no document knows."""

    remote_url: str = ""
    """Where the vendor serves this server over HTTP."""
    image: str = ""
    """The Docker image that the vendor publishes."""
    key: str = ""
    """Where a user gets a key."""
    security: tuple[str, ...] = ()
    backend: tuple[str, ...] = ()
    """What the vendor's backend promises, and this server does not break."""


@dataclass(frozen=True, slots=True)
class AuthConfig:
    """How one security scheme's credential reaches the server: `{NAME}` in `value` is an environment variable."""

    value: str = ""
    env: str = ""
    username_env: str = ""
    password_env: str = ""
    token_url: str = ""
    client_auth: str = ""
    scopes: tuple[str, ...] | None = None
    client_id_env: str = ""
    client_secret_env: str = ""
    refresh_token_env: str = ""
    cert_file_env: str = ""
    key_file_env: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the document is published."""

    url: str = ""
    """A URL, the path of a file from the folder of the configuration, or a `GIT_URL`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent to the host of `url` alone; `{NAME}` is an environment variable."""
    allow_private: bool = False
    """Whether that host may have an address that is not public."""


@dataclass(frozen=True, slots=True)
class Fix:
    """One correction of the document. `was` and `now` are JSON text, empty for: nothing there."""

    key: str
    """How `Config.problem` finds it: fix.1"""
    at: str
    was: str = ""
    now: str = ""
    why: str = ""


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
    source: Source = Source()
    allow_hosts: tuple[str, ...] = ()
    overlays: tuple[str, ...] = ()
    fixes: tuple[Fix, ...] = ()
    include: Selection = Selection()
    exclude: Selection = Selection()
    tools: Mapping[str, ToolConfig] = field(default_factory=dict)
    auth: Mapping[str, AuthConfig] = field(default_factory=dict)
    collapse_twins: bool = False
    """Of two operations that differ in GET and POST alone, only the POST becomes a tool."""
    only_configured: bool = False
    """Only operations with a table under [tools] become tools."""
    custom_operations: tuple[str, ...] = ()
    """Operations that only custom.py calls."""
    arguments: Arguments = Arguments()
    tags: Mapping[str, Arguments] = field(default_factory=dict)
    """What holds for the tools of a tag."""
    headers: Mapping[str, Any] = field(default_factory=dict)
    contexts: Mapping[str, ContextConfig] = field(default_factory=dict)
    paging: PagingPolicy | None = None
    results: Results = Results()
    hosts: Mapping[str, Host] = field(default_factory=dict)
    http: Http = Http()
    errors: Errors = Errors()
    describe: Describe = Describe()
    search: Search = Search()
    budget: Budget = Budget()
    lint: Lint = Lint()
    readme: Readme = Readme()
    writes_destroy: bool = False
    schema_budget: int = 24_000
    tool_bytes: int = 0
    """What all entries of tools/list may have together; 0: any size."""
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


def _no_git(url: str) -> str:
    """Return what is wrong with a `GIT_URL`; nothing when git and ssh can take no part of it for an option."""
    found = GIT_URL.fullmatch(url)
    if found is None or not url.isprintable():
        return "is no git+URL#REF:PATH"
    if not re.fullmatch("" if found["scheme"] == "file" else _HOST.pattern, found["host"], re.I):
        return f"names {json.dumps(found['host'])}, which is no host"
    if not re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9_@+-]|[./](?![./]|$))*", found["ref"]):
        return f"names {json.dumps(found['ref'])}, which is no branch, tag or commit"
    steps = found["path"].split("/")
    if {"", ".", ".."} & {*steps} or steps[0][:1] == "-" or "\\" in found["path"]:
        return f"names {json.dumps(found['path'])}, which is no path in a repository"
    return ""


def locate(text: str, key: str) -> int:
    """Return the line (from 1) on which a dotted key of TOML stands, or what holds it; 0 when neither is found."""
    table = ""
    counts: Counter[str] = Counter()
    best, length = 0, 0
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\[?\s*([^\[\]]+?|[^=]+?)\s*\]\]?\s*(#.*)?$", line):
            name = table = _dotted(header[1])
            if line.lstrip().startswith("[["):
                counts[table] += 1
                if table == key:
                    return number
                name = table = f"{table}.{counts[table]}"
        elif assignment := re.match(rf"\s*({_TOML_KEY}(?:\s*\.\s*{_TOML_KEY})*)\s*=", line):
            name = f"{table}.{_dotted(assignment[1])}" if table else _dotted(assignment[1])
        else:
            continue
        if name == key:
            return number
        if key.startswith(f"{name}.") and len(name) > length:
            best, length = number, len(name)
    return best


_TOML_KEY = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)"""


def _dotted(key: str) -> str:
    """Return a dotted key without its quotes."""
    return ".".join(p.strip("\"'") for p in re.findall(_TOML_KEY, key))


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
            "source": self._source,
            "overlay": self._overlays,
            "fix": self._fixes,
            "include": self._include,
            "exclude": self._selection,
            "tools": self._tools,
            "auth": self._auth,
            "annotations": self._policy,
            "limits": self._limits,
            "custom": self._custom,
            "arguments": self._all_arguments,
            "tags": self._all_tags,
            "headers": self._headers,
            "context": self._contexts,
            "paging": self._paging_policy,
            "results": self._results,
            "hosts": self._hosts,
            "http": self._http,
            "errors": self._errors,
            "describe": self._describe,
            "search": self._search,
            "budget": self._budget,
            "lint": self._lint,
            "readme": self._readme,
        }
        values: dict[str, Any] = {"file": self._blank.file, "text": self._blank.text}
        for name, value in self._known("", data, known):
            read = known[name](name, value)
            several = name in (
                "server",
                "source",
                "overlay",
                "fix",
                "annotations",
                "limits",
                "include",
                "custom",
                "context",
            )
            values.update(read if several else {name: read})
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
                close = get_close_matches(name, known, 1)
                hint = f"did you mean `{close[0]}`?" if close else "known here: " + ", ".join(sorted(known))
                self._wrong(key, f"unknown key `{key}`", hint)

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
        if not re.fullmatch(r"https?://[^\s{}?#]+", read.get("base_url", "https://a")):
            self._wrong(f"{at}.base_url", f"`{at}.base_url` is no https:// URL")
        return read

    def _include(self, at: str, value: Any) -> dict[str, Any]:
        flags = dict.fromkeys(("collapse_twins", "only_configured"), self._flag)
        read = self._fields(at, value, self._of_selection() | flags)
        said = {n: read.pop(n) for n in flags if n in read}
        return {"include": Selection(**read), **said}

    def _selection(self, at: str, value: Any) -> Selection:
        return Selection(**self._fields(at, value, self._of_selection()))

    def _of_selection(self) -> dict[str, Callable[[str, Any], Any]]:
        return {**dict.fromkeys(("tags", "operations", "paths"), self._texts), "methods": self._methods}

    def _methods(self, at: str, value: Any) -> tuple[str, ...]:
        return tuple(m.upper() for m in self._texts(at, value))

    def _source(self, at: str, value: Any) -> dict[str, Any]:
        readers: dict[str, Callable[[str, Any], Any]] = {
            "url": self._source_url,
            "headers": self._source_headers,
            "allow_private": self._flag,
            "allow_hosts": self._texts,
        }
        read = self._fields(at, value, readers)
        hosts = tuple(host.lower() for host in read.pop("allow_hosts", ()))
        for host in hosts:
            if not _HOST.fullmatch(host):
                hint = 'write for example "schemas.example.com" or "127.0.0.1:8080": no https://, no path, no pattern'
                self._wrong(f"{at}.allow_hosts", f"{json.dumps(host)} is no host", hint)
        if read.get("headers") and not re.match(r"(git\+)?https?:", read.get("url", "https:"), re.I):
            self._wrong(f"{at}.headers", f"`{at}.headers` goes with https:// only", "take it out")
        return {"allow_hosts": hosts, "source": Source(**read)}

    def _source_url(self, at: str, value: Any) -> str:
        url = self._text(at, value)
        if not isinstance(value, str):
            return ""
        plain = url.removeprefix("git+").partition("#")[0]
        if re.match(r"(git\+)?https?://[^/?#]*@", url, re.I):
            hint = 'write headers = { Authorization = "Bearer {VENDOR_TOKEN}" } instead'
            self._wrong(at, f"`{at}` has a user name or a password", hint)
        elif plain[:5].lower() == "http:" and not _WEB_URL.fullmatch(plain):
            self._wrong(at, f"`{at}` is http, and only https is fetched from another machine")
        elif url.startswith("git+") or re.match(r"(ssh|git)://|[\w.-]+@[\w.-]+:", url):
            if reason := _no_git(url):
                hint = f'write "{_GIT_EXAMPLE}", or the same with git+ssh://git@… or git+file:///…'
                self._wrong(at, f"`{at}` {reason}", hint)
        elif re.match(r"https?:", url, re.I):
            if not _WEB_URL.fullmatch(url) or not url.isprintable():
                self._wrong(at, f"`{at}` is no https:// URL", "it has no blank and no #")
        elif not url or not url.isprintable() or re.match(r"(?!file:///)[A-Za-z][A-Za-z0-9+.-]+:", url):
            hint = f'write "https://…", the path of a file such as "../api/openapi.yaml", or "{_GIT_EXAMPLE}"'
            self._wrong(at, f"`{at}` is {json.dumps(url)}, which mcpgen cannot fetch", hint)
        return url

    def _source_headers(self, at: str, value: Any) -> dict[str, str]:
        found = self._wordings(at, value)
        for name, content in found.items():
            where, lower = f"{at}.{name}", name.lower()
            if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
                self._wrong(where, f"{json.dumps(name)} is no name of a header (RFC 9110 section 5.1)", _HEADER)
            elif lower in (*_TRANSPORT, "if-none-match", "range"):
                self._wrong(where, f"the header `{name}` follows from the request", "take it out")
            elif isinstance(value[name], str) and not re.fullmatch(r"[ -~]+", content):
                self._wrong(where, f"`{where}` must be printable ASCII", 'write for example "Bearer {VENDOR_TOKEN}"')
            elif lower in ("authorization", "proxy-authorization", "cookie") and not re.search(ENVIRONMENT, content):
                hint = f'name the environment variable that holds it: {name} = "Bearer {{VENDOR_TOKEN}}"'
                self._wrong(where, f"the header `{name}` is a credential, and this file is no place for one", hint)
        return found

    def _overlays(self, at: str, value: Any) -> dict[str, Any]:
        return {"overlays": self._texts(at, value)}

    def _fixes(self, at: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, list):
            self._wrong(at, f"`{at}` must be a list of tables: [[fix]]")
            return {}
        fixes = [self._fix(f"{at}.{number}", table) for number, table in enumerate(value, 1)]
        for number, fix in enumerate(fixes, 1):
            if fix.at and any(f.at == fix.at for f in fixes[: number - 1]):
                self._wrong(f"{at}.{number}.at", f"another fix is for {fix.at} too", "make one of them")
        return {"fixes": tuple(fixes)}

    def _fix(self, at: str, table: Any) -> Fix:
        before = len(self.problems)
        readers: dict[str, Callable[[str, Any], str]] = {
            "at": self._pointer,
            "was": self._json,
            "was_json": self._json_text,
            "now": self._json,
            "now_json": self._json_text,
            "why": self._text,
        }
        read = self._fields(at, table, readers)
        if not isinstance(table, dict):
            return Fix(at, "")
        for name in ("was", "now"):
            if name in table and f"{name}_json" in table:
                self._wrong(f"{at}.{name}_json", f"the fix has both `{name}` and `{name}_json`", "keep one")
            read[name] = read.pop(f"{name}_json", read.get(name, ""))
        if "at" not in table:
            self._wrong(at, "the fix has no `at`", "copy the JSON pointer that the error message printed")
        if not table.get("why"):
            self._wrong(at, "the fix has no `why`", "say in a sentence what is wrong with the document")
        if not table.keys() & {"was", "was_json", "now", "now_json"}:
            hint = "`now` alone adds, `was` alone removes, both replace"
            self._wrong(at, "the fix has neither `was` nor `now`", hint)
        elif read["was"] == read["now"] and len(self.problems) == before:
            self._wrong(at, "the fix changes nothing: `was` and `now` are the same")
        return Fix(at, **{"at": "", **read})

    def _pointer(self, at: str, value: Any) -> str:
        if isinstance(value, str) and re.fullmatch(r"[^#]*#/([^~]|~[01])*", value, re.DOTALL):
            return value
        hint = 'copy it from the error message, for example "#/paths/~1users/get/parameters/0"'
        self._wrong(at, f"`{at}` must be a JSON pointer", hint)
        return ""

    def _json(self, at: str, value: Any) -> str:
        try:
            text = json.dumps(value, ensure_ascii=False, allow_nan=False)
            text.encode()  # refuses half a surrogate pair
            return text
        except (TypeError, ValueError):
            hint = "write a date and a time in quotes; there is no nan and no inf"
            self._wrong(at, f"`{at}` has a value that JSON has not", hint)
            return ""

    def _json_text(self, at: str, value: Any) -> str:
        text = self._text(at, value)
        try:
            return self._json(at, json.loads(text)) if text or isinstance(value, str) else ""
        except (ValueError, RecursionError) as error:
            self._wrong(at, f"`{at}` is not valid JSON: {error}", "for what TOML can say, write it without _json")
            return ""

    def _tools(self, at: str, value: Any) -> dict[str, ToolConfig]:
        if not isinstance(value, dict):
            self._wrong(at, "`tools` must be tables keyed by operationId: [tools.listUsers]")
            return {}
        found = {}
        for operation, table in value.items():
            readers: dict[str, Callable[[str, Any], Any]] = {
                **dict.fromkeys(
                    ("operation", "name", "title", "description", "media_type", "select", "empty"), self._text
                ),
                **dict.fromkeys(("only", "hide", "require"), self._texts),
                **dict.fromkeys(("rename", "arguments"), self._wordings),
                "join": self._separators,
                **dict.fromkeys(("pin", "defaults"), self._values),
                **dict.fromkeys(("values", "schema"), self._tables),
                "annotations": self._annotations,
                "unwrap": self._unwrap,
                "paging": self._paging,
                "output_schema": self._flag,
            }
            found[operation] = ToolConfig(**self._fields(f"{at}.{operation}", table, readers))
        return found

    def _unwrap(self, at: str, value: Any) -> str | bool:
        return value if isinstance(value, bool) else self._text(at, value)

    def _values(self, at: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._wrong(at, f"`{at}` must be a table of names and values")
            return {}
        return {n: self._value(f"{at}.{n}", v) for n, v in value.items()}

    def _value(self, at: str, value: Any) -> Any:
        """Return a value of JSON in which a table with the one key argument, context or now is a `Dynamic`.

        One with the key json is JSON text for what TOML cannot say: `{ json = "null" }`.
        """
        if isinstance(value, dict):
            kind, text = next(iter(value.items())) if len(value) == 1 else ("", "")
            if kind == "json":
                return json.loads(self._json_text(at, text) or "null")
            if kind not in ("argument", "context", "now"):
                return {n: self._value(f"{at}.{n}", v) for n, v in value.items()}
            if kind == "now" and not re.fullmatch(r"([+-][0-9]{1,5}[smhdw])?", text if isinstance(text, str) else "x"):
                self._wrong(at, f"`{at}` is no distance from now", 'write "-7d", "+30m", or "" for now')
            return Dynamic(kind, self._text(at, text))
        if isinstance(value, list):
            return [self._value(at, v) for v in value]
        return json.loads(self._json(at, value) or "null")

    def _tables(self, at: str, value: Any) -> dict[str, dict[str, Any]]:
        if not isinstance(value, dict) or not all(isinstance(v, dict) for v in value.values()):
            self._wrong(at, f"`{at}` must be a table of names and tables")
            return {}
        return {n: json.loads(self._json(f"{at}.{n}", v) or "{}") for n, v in value.items()}

    def _paging(self, at: str, value: Any) -> Paging | bool:
        if isinstance(value, bool):
            return value
        readers: dict[str, Callable[[str, Any], Any]] = {
            **dict.fromkeys(("style", "limit", "place", "items", "more", "total"), self._text),
            **dict.fromkeys(("page_size", "max_items"), self._count),
        }
        read = self._fields(at, value, readers)
        if read.get("style", "offset") not in ("offset", "page", "cursor", "link", "none"):
            self._wrong(f"{at}.style", f"`{at}.style` is {read['style']!r}", "write offset, page, cursor, link or none")
        return Paging(**read)

    def _paging_policy(self, at: str, value: Any) -> PagingPolicy:
        readers: dict[str, Callable[[str, Any], Any]] = {
            **dict.fromkeys(("items", "note"), self._text),
            **dict.fromkeys(("page_size", "max_items", "default_items"), self._count),
        }
        return PagingPolicy(**self._fields(at, value, readers))

    def _custom(self, at: str, value: Any) -> dict[str, Any]:
        read = self._fields(at, value, {"operations": self._texts})
        return {"custom_operations": read.get("operations", ())}

    def _all_tags(self, at: str, value: Any) -> dict[str, Arguments]:
        if not isinstance(value, dict):
            self._wrong(at, '`tags` must be tables keyed by tag: [tags."Status Pages"]')
            return {}
        return {
            tag: Arguments(**self._fields(f"{at}.{tag}", table, self._of_arguments())) for tag, table in value.items()
        }

    def _of_arguments(self) -> dict[str, Callable[[str, Any], Any]]:
        readers: dict[str, Callable[[str, Any], Any]] = {"hide": self._texts, "pin": self._values}
        return readers | dict.fromkeys(("rename", "descriptions"), self._wordings)

    def _all_arguments(self, at: str, value: Any) -> Arguments:
        flags = dict.fromkeys(("pin_single_values", "bracket_lists", "plain_ids"), self._flag)
        return Arguments(**self._fields(at, value, self._of_arguments() | flags))

    def _headers(self, at: str, value: Any) -> dict[str, Any]:
        found = self._values(at, value)
        for name, content in found.items():
            if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
                self._wrong(
                    f"{at}.{name}", f"{json.dumps(name)} is no name of a header (RFC 9110 section 5.1)", _HEADER
                )
            elif name.lower() in ("authorization", "proxy-authorization", "cookie"):
                hint = "the variables of [auth.…] hold it, see the reference"
                self._wrong(f"{at}.{name}", f"the header `{name}` is a credential", hint)
            elif name.lower() in _TRANSPORT:
                self._wrong(f"{at}.{name}", f"the header `{name}` follows from the request", "take it out")
            elif isinstance(content, Dynamic) and content.kind == "context":
                continue
            elif not isinstance(content, str) or not re.fullmatch(r"[\t -~]*", content):
                hint = 'write for example "mcp" or { context = "me.user.email" }'
                self._wrong(f"{at}.{name}", f"`{at}.{name}` must be printable ASCII, or a value of a context", hint)
        return found

    def _contexts(self, at: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._wrong(at, '`context` must be tables: [context.me] with operation = "getCurrentUser"')
            return {}
        found = {}
        for name, table in value.items():
            read = self._fields(f"{at}.{name}", table, {"operation": self._text})
            if not read.get("operation"):
                self._wrong(f"{at}.{name}", f"`{at}.{name}` names no operation", "write the operationId of a read")
            found[name] = ContextConfig(**read)
        return {"contexts": found}

    def _results(self, at: str, value: Any) -> Results:
        readers = {"unwrap": self._flag, "empty": self._text, "output_schemas": self._flag}
        read = self._fields(at, value, readers)
        if re.search(r"\{[A-Za-z0-9_-]+\}", read.get("empty", "")):
            hint = "write it as `empty` of a tool"
            self._wrong(f"{at}.empty", f"`{at}.empty` is for all tools, and can name no argument", hint)
        return Results(**read)

    def _hosts(self, at: str, value: Any) -> dict[str, Host]:
        if not isinstance(value, dict):
            self._wrong(at, "`hosts` must be tables keyed by a name: [hosts.uploads]")
            return {}
        found = {}
        for name, table in value.items():
            where = f"{at}.{name}"
            texts = dict.fromkeys(("url", "env"), self._text)
            read = self._fields(where, table, texts | self._of_selection())
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", name):
                self._wrong(where, f"{name!r} is no name for a host", "write lower-case letters, digits, underscores")
            if not TOKEN_URL.fullmatch(read.get("url", "")):
                self._wrong(where, f"`{where}.url` is no https:// URL")
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", read.get("env", "A")):
                self._wrong(f"{where}.env", f"`{read['env']}` is no name of an environment variable")
            chosen = Selection(**{n: v for n, v in read.items() if n not in texts})
            if not chosen:
                self._wrong(where, f"`{where}` says of no operation that it is there", "name operations, tags or paths")
            found[name] = Host(read.get("url", "").rstrip("/"), read.get("env", ""), chosen)
        return found

    def _http(self, at: str, value: Any) -> Http:
        readers: dict[str, Callable[[str, Any], Any]] = {
            **dict.fromkeys(("credential", "header", "value"), self._text),
            "cors_origins": self._texts,
        }
        read = self._fields(at, value, readers)
        if read.get("credential", "auto") not in ("auto", "caller", "environment"):
            self._wrong(f"{at}.credential", f"`{at}.credential` is none of auto, caller, environment")
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]*", read.get("header", "")):
            self._wrong(f"{at}.header", f"`{at}.header` is no name of a header (RFC 9110 section 5.1)", _HEADER)
        if read.get("value", "{KEY}").count("{KEY}") != 1:
            self._wrong(f"{at}.value", f"`{at}.value` must have {{KEY}} once", 'write for example "Bearer {KEY}"')
        for origin in read.get("cors_origins", ()):
            if not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?", origin):
                hint = 'write for example "https://app.example.com", without a path'
                self._wrong(f"{at}.cors_origins", f"{json.dumps(origin)} is no origin", hint)
        return Http(**read)

    def _errors(self, at: str, value: Any) -> Errors:
        read = self._fields(at, value, {"protocol": self._statuses, "hints": self._hints})
        return Errors(**read)

    def _statuses(self, at: str, value: Any) -> tuple[int, ...]:
        if isinstance(value, list) and all(isinstance(v, int) and 400 <= v < 600 for v in value):
            return tuple(sorted(value))
        self._wrong(at, f"`{at}` must be a list of statuses from 400 to 599")
        return ()

    def _hints(self, at: str, value: Any) -> dict[int, str]:
        texts = self._wordings(at, value)
        for status in texts:
            if not re.fullmatch(r"[45][0-9][0-9]", status):
                self._wrong(f"{at}.{status}", f"`{status}` is no status of an error", "write a number from 400 to 599")
        return {int(s): t for s, t in texts.items() if s.isdecimal()}

    def _describe(self, at: str, value: Any) -> Describe:
        return Describe(**self._fields(at, value, {"tags": self._wordings, "writes": self._text}))

    def _search(self, at: str, value: Any) -> Search:
        read = self._fields(at, value, dict.fromkeys(("name", "title", "description"), self._text))
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,63}", read.get("name", "")):
            self._wrong(f"{at}.name", f"`{at}.name` must be the tool's name", 'write for example "search_api_docs"')
        return Search(**read)

    def _budget(self, at: str, value: Any) -> Budget:
        return Budget(**self._fields(at, value, dict.fromkeys(("tokens", "tools"), self._count)))

    def _lint(self, at: str, value: Any) -> Lint:
        read = self._fields(at, value, {"ignore": self._texts, "levels": self._wordings})
        for rule, level in read.get("levels", {}).items():
            if level not in ("error", "warning", "note"):
                hint = "write error, warning or note; what is not to be said at all goes into `ignore`"
                self._wrong(f"{at}.levels.{rule}", f"`{at}.levels.{rule}` is {level!r}", hint)
        return Lint(**read)

    def _readme(self, at: str, value: Any) -> Readme:
        readers: dict[str, Callable[[str, Any], Any]] = {
            **dict.fromkeys(("remote_url", "image", "key"), self._text),
            **dict.fromkeys(("security", "backend"), self._texts),
        }
        read = self._fields(at, value, readers)
        if read.get("remote_url") and not re.fullmatch(r"https://[A-Za-z0-9._~:/-]+", read["remote_url"]):
            self._wrong(f"{at}.remote_url", f"`{at}.remote_url` is no https:// URL")
        if read.get("image") and not re.fullmatch(r"[a-z0-9][a-z0-9._:/@-]*", read["image"]):
            self._wrong(f"{at}.image", f"`{at}.image` is no reference of a Docker image")
        return Readme(**read)

    def _annotations(self, at: str, value: Any) -> dict[str, bool]:
        names = ("read_only", "destructive", "idempotent", "open_world")
        read = self._fields(at, value, dict.fromkeys(names, self._flag))
        if read.get("read_only") and read.get("destructive"):
            self._wrong(at, "a tool cannot be read-only and destructive at once")
        return read

    def _wordings(self, at: str, value: Any) -> dict[str, str]:
        if not isinstance(value, dict):
            self._wrong(at, f"`{at}` must be a table of names and texts")
            return {}
        return {n: self._text(f"{at}.{n}", v) for n, v in value.items()}

    def _separators(self, at: str, value: Any) -> dict[str, str]:
        found = self._wordings(at, value)
        for name in found:
            if not value[name]:
                hint = 'write what stands between the items, for example "," or " "'
                self._wrong(f"{at}.{name}", f"`{at}.{name}` is empty", hint)
        return {n: value[n] for n in found}  # a blank is a separator too

    def _auth(self, at: str, value: Any) -> dict[str, AuthConfig]:
        if not isinstance(value, dict):
            self._wrong(at, "`auth` must be tables keyed by the security scheme: [auth.api_key]")
            return {}
        variables = ["env", "username_env", "password_env", "client_id_env", "client_secret_env", "refresh_token_env"]
        variables += ["cert_file_env", "key_file_env"]
        readers: dict[str, Callable[[str, Any], Any]] = {"scopes": self._texts}
        readers |= dict.fromkeys([*variables, "value", "token_url", "client_auth", "description"], self._text)
        found = {}
        for scheme, table in value.items():
            where = f"{at}.{scheme}"
            read = self._fields(where, table, readers)
            for name in variables:
                if name in read and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", read[name]):
                    self._wrong(f"{where}.{name}", f"`{read[name]}` is no name of an environment variable")
            if "value" in read and not re.search(r"\{[A-Za-z_][A-Za-z0-9_]*\}", read["value"]):
                hint = 'write for example "Token token={API_KEY}"'
                self._wrong(f"{where}.value", "the template names no environment variable in braces", hint)
            for name in ("token_url", "client_auth", "scopes"):
                if name in read and "value" in read:
                    message = f"`{name}` is for access tokens that the server fetches, `value` for what it is given"
                    self._wrong(f"{where}.{name}", message, "write one of the two")
            if not TOKEN_URL.fullmatch(read.get("token_url", "https://a")):
                self._wrong(f"{where}.token_url", f"`{where}.token_url` is no https:// URL")
            if read.get("client_auth", "basic") not in ("basic", "post"):
                self._wrong(f"{where}.client_auth", f'`{where}.client_auth` is neither "basic" nor "post"')
            found[scheme] = AuthConfig(**read)
        return found

    def _policy(self, at: str, value: Any) -> dict[str, Any]:
        read = self._fields(at, value, {"writes": self._text})
        if read.get("writes", "by-verb") not in ("by-verb", "destructive"):
            self._wrong(f"{at}.writes", f"`{at}.writes` is {read['writes']!r}", 'write "by-verb" or "destructive"')
        return {"writes_destroy": read.get("writes") == "destructive"}

    def _limits(self, at: str, value: Any) -> dict[str, Any]:
        names = {"schema_bytes": "schema_budget", "tool_bytes": "tool_bytes"}
        read = self._fields(at, value, dict.fromkeys(names, self._count))
        return {names[n]: v for n, v in read.items()}

    def _count(self, at: str, value: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
        self._wrong(at, f"`{at}` must be a positive integer")
        return 24_000
