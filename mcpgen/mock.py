"""Turns a `Spec` into a local HTTP server that stands in for the API, because tools are tried before they meet it.

A request is held against the document (path, method, credentials, parameters, body) and refused with the place and the
words of the violation; a right one is answered with an example of the document, else with a value sampled from the
schema of the answer. A right request must never be refused: wherever the document is defective or contradicts itself
the mock is lenient and says so in `Recorded.notes`.

Only what an operation reaches is translated and compiled, and only when it is called.
"""

import asyncio
import contextlib
import json
import re
import socket
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote, unquote_plus, urlsplit

from mcpgen.samples import Bundle, Definitions, JsonSchema, Node, Outline, Translator, outline, sample
from mcpgen.spec import RawOperation, Spec, Unresolved
from mcpgen.standin import StandIn

if TYPE_CHECKING:
    import jsonschema_rs
    import uvicorn
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

# -- from text to JSON ------------------------------


def _read(raw: Any, schemas: list[JsonSchema], definitions: Definitions, plain: bool) -> Any:
    """`raw` (a text, or a list or dict of such) as the JSON value that the schemas expect at its place.

    `plain`: a text stays a text wherever it may be one. Nothing is judged here: what cannot be read stays a text.
    """
    shape = outline(schemas, definitions)
    if isinstance(raw, dict):
        if shape.types == {"array"} and all(k.isdigit() for k in raw):
            return _read(list(raw.values()), schemas, definitions, plain)
        others = shape.others
        return {k: _read(v, shape.properties.get(k, others), definitions, plain) for k, v in raw.items()}
    if isinstance(raw, list):
        if shape.types and "array" not in shape.types and len(raw) == 1:
            return _read(raw[0], schemas, definitions, plain)
        return [_read(v, shape.items, definitions, plain) for v in raw]
    if shape.types == {"array"}:
        return [_read(raw, shape.items, definitions, plain)]
    if isinstance(raw, str) and raw[:1] in ("{", "[") and shape.types & {"object", "array"} and not plain:
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(raw)  # as forms carry objects by default (OpenAPI 3.0.4, "Encoding Object")
    if not isinstance(raw, str) or (plain and (not shape.types or "string" in shape.types)):
        return raw
    if raw in ("true", "false") and (not shape.types or "boolean" in shape.types):
        return raw == "true"
    if raw in ("", "null") and "null" in shape.types:
        return None
    if _NUMBER.fullmatch(raw) and (not shape.types or shape.types & {"number", "integer"}):
        return json.loads(raw)
    return raw


_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,999})(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")


class _Checked(NamedTuple):
    """A schema that values of requests are held against."""

    bundle: Bundle
    validator: "jsonschema_rs.Draft202012Validator | None"
    examples: tuple[Any, ...] = ()

    def shape(self) -> Outline:
        return outline([self.bundle.schema], self.bundle.definitions)

    def example(self) -> Any:
        """The first example of the vendor that the schema allows, else a sample."""
        for value in self.examples:
            if not self.problems(value, ""):
                return value
        return sample(self.bundle)[0]

    def problems(self, value: Any, place: str) -> list[str]:
        """What is wrong with a JSON value, each as `place: the words of the violation`."""
        if self.validator is None:
            return []
        import jsonschema_rs

        kinds = jsonschema_rs.ValidationErrorKind
        # A pattern that the engine gave up on says nothing about the value.
        found = (e for e in self.validator.iter_errors(value) if not isinstance(e.kind, kinds.BacktrackLimitExceeded))
        return [line for e in found for line in _explain(e, place)]

    def read(self, raw: Any, place: str) -> list[str]:
        """What is wrong with a value that came as text: nothing, when any way to read it is right."""
        both = [_read(raw, [self.bundle.schema], self.bundle.definitions, plain) for plain in (True, False)]
        found = [self.problems(value, place) for value in both]
        return [] if [] in found else found[0]


def _explain(error: "jsonschema_rs.ValidationError", place: str) -> list[str]:
    """One violation in words; of an `anyOf` the branch that was meant, if only one can have been."""
    kind = error.kind
    if kind.name in ("anyOf", "oneOf") and (branches := getattr(kind, "context", [])):
        here = list(error.instance_path)
        meant = [b for b in branches if not any(e.kind.name == "type" and list(e.instance_path) == here for e in b)]
        if len(meant) == 1 and meant[0]:
            return [line for e in meant[0] for line in _explain(e, place)]
    at = place
    for key in error.instance_path:
        at += f"[{key}]" if isinstance(key, int) else f".{key}"
    words = error.message
    if len(words) > _WORDS:
        words = f"{words[: _WORDS // 2]} … {words[-_WORDS // 2 :]}"
    return [f"{at}: {words}"]


_WORDS: Final = 300
"""A message repeats the value; of a large one the two ends say enough."""


# ----------------------------------------------------------------------------------------------------------- operations

_IGNORED_HEADERS: Final = frozenset({"accept", "content-type", "authorization"})
"""Header parameters with these names mean nothing (OpenAPI 3.0.4, "Parameter Object")."""


@dataclass(frozen=True)
class _Parameter:
    """A Parameter Object; `content` is the media type when the value is serialized by one."""

    place: str
    name: str
    required: bool
    style: str
    explode: bool
    may_be_empty: bool
    content: str
    checked: _Checked

    @property
    def label(self) -> str:
        return f"{self.place}.{self.name}"

    def problems(self, raw: Any) -> list[str]:
        """What is wrong with the value as it came; None is an absent one."""
        if raw is None:
            return [f"{self.label}: the parameter is required"] if self.required else []
        if raw == "" and self.may_be_empty:
            return []
        if not self.content:
            return self.checked.read(raw, self.label)
        if not _is_json(self.content) or not isinstance(raw, str):
            return []
        value, reason = _json(raw)
        return [f"{self.label}: {reason}"] if reason else self.checked.problems(value, self.label)

    def split(self, raw: str) -> Any:
        """The items of a value that holds several; a text that is one value comes back as it is, decoded."""
        types = self.checked.shape().types
        decode = unquote_plus if self.place == "query" else unquote
        if self.content or not types & {"array", "object"}:
            return decode(raw)
        if self.style in ("spaceDelimited", "pipeDelimited"):
            items = re.split(r"\+|%20| " if self.style == "spaceDelimited" else r"(?i)\||%7C", raw)
        elif self.place == "query" and self.explode:
            items = [raw]
        else:
            # Some clients encode the comma that separates; most servers do not see the difference.
            items = raw.split(",") if "," in raw else decode(raw).split(",")
        items = [decode(i).strip() if self.place == "header" else decode(i) for i in items]
        if "array" in types or (self.place == "query" and self.explode):
            return items if len(items) > 1 or "string" not in types else items[0]
        if all("=" in i for i in items):
            return dict(i.split("=", 1) for i in items)
        return dict(zip(items[::2], items[1::2], strict=False)) if len(items) % 2 == 0 else items[0]


class _Answer(NamedTuple):
    status: int
    media_type: str
    body: bytes
    source: str
    """Where the body is from: "example", "sample", "empty" or "fixed" (a media type that has no sample)."""
    notes: tuple[str, ...] = ()


@dataclass
class _Operation:
    """What an operation asks of a request and how it answers; made when it is called first."""

    parameters: list[_Parameter]
    bodies: dict[str, _Checked] | None
    """Schema by media type; None: the operation has no body."""
    body_required: bool
    security: list[dict[str, Any]]
    """One of these has to be met, each name in it; empty: no credentials are needed."""
    notes: list[str]


class _Compiler:
    """Turns the operations of a document into `_Operation`. A defect costs one check or one sample, and a note."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._requests = Translator(spec, "readOnly")
        self._answers = Translator(spec, "writeOnly")

    def operation(self, raw: RawOperation) -> _Operation:
        notes: list[str] = []
        parameters = {(p.place, p.name): p for p in self._parameters(raw, notes)}
        bodies, required = self._bodies(raw, notes)
        stated = raw.node.get("security", self._spec.root.get("security", []))
        security = [s for s in stated if isinstance(s, dict)] if isinstance(stated, list) else []
        return _Operation([*parameters.values()], bodies, required, security, [*dict.fromkeys(notes)])

    def _members(self, node: Any, pointer: str, notes: list[str]) -> Iterator[tuple[str, dict[str, Any], str]]:
        """The objects in a list or dict of references or objects; what is none is noted."""
        entries = enumerate(node) if isinstance(node, list) else node.items() if isinstance(node, dict) else ()
        for key, entry in entries:
            try:
                found, at = self._spec.deref(entry, Node(pointer).at(key))
            except Unresolved as e:
                notes.append(f"{e.reason} (at {e.pointer}): not checked")
                continue
            if isinstance(found, dict):
                yield str(key), found, at

    def _checked(self, translator: Translator, holder: dict[str, Any], at: str, notes: list[str]) -> _Checked:
        """The schema and the examples of a Parameter, Header or Media Type Object."""
        examples = tuple(self._examples(holder, at, notes))
        if "schema" not in holder:
            return _Checked(Bundle(True), None, examples)
        try:
            bundle = translator.bundle(f"{at}/schema")
        except (Unresolved, RecursionError) as e:
            bundle = Bundle(True, notes=(f"the schema cannot be read ({e or 'nested too deeply'}): not checked",))
        validator = bundle.validator()
        notes += bundle.notes
        if validator is None:
            notes.append(f"the schema cannot be compiled: not checked (at {at}/schema)")
        return _Checked(bundle, validator, examples)

    def _parameters(self, raw: RawOperation, notes: list[str]) -> Iterator[_Parameter]:
        for owner, pointer in ((raw.item, raw.item_pointer), (raw.node, raw.pointer)):
            for _, node, at in self._members(owner.get("parameters"), f"{pointer}/parameters", notes):
                place, name = node.get("in"), node.get("name")
                if place not in ("path", "query", "header", "cookie") or not isinstance(name, str):
                    continue
                if place == "header" and name.lower() in _IGNORED_HEADERS:
                    continue
                style = str(node.get("style", "form" if place in ("query", "cookie") else "simple"))
                content = node["content"] if isinstance(node.get("content"), dict) else {}
                media_type = next(iter(content), "")
                holder, holder_at = node, at
                if media_type and isinstance(content[media_type], dict):
                    holder, holder_at = content[media_type], Node(at).at("content", media_type)
                yield _Parameter(
                    place,
                    name,
                    place == "path" or node.get("required") is True,
                    style,
                    node.get("explode", style == "form") is True,
                    node.get("allowEmptyValue") is True,
                    media_type,
                    self._checked(self._requests, holder, holder_at, notes),
                )

    def _bodies(self, raw: RawOperation, notes: list[str]) -> tuple[dict[str, _Checked] | None, bool]:
        body = {k: v for k, v in raw.node.items() if k == "requestBody"}
        for _, node, at in self._members(body, raw.pointer, notes):
            bodies: dict[str, _Checked] = {}
            for media_type, content, content_at in self._members(node.get("content"), f"{at}/content", notes):
                bodies[media_type] = self._checked(self._requests, content, content_at, notes)
            return bodies, node.get("required") is True
        # A body that is declared but cannot be read may hold anything.
        return ({} if body else None), False

    def answer(self, raw: RawOperation) -> _Answer:
        notes: list[str] = []
        found = list(self._members(raw.node.get("responses"), f"{raw.pointer}/responses", notes))
        rank = {key: _rank(key) for key, _, _ in found}
        chosen = min((f for f in found if rank[f[0]] < 1000), key=lambda f: rank[f[0]], default=None)
        if chosen is None:
            return _Answer(200, "", b"", "empty", (*notes, "the document has no answer for success"))
        key, node, at = chosen
        status = int(key) if key.isdigit() else 200
        contents = list(self._members(node.get("content"), f"{at}/content", notes))
        if status in (204, 205) or 300 <= status < 400 or not contents or raw.method == "HEAD":
            return _Answer(status, "", b"", "empty", tuple(notes))
        media_type, content, content_at = min(contents, key=lambda c: not _is_json(c[0]))
        return self._content(status, media_type, content, content_at, notes)

    def _content(self, status: int, media_type: str, content: dict[str, Any], at: str, notes: list[str]) -> _Answer:
        """The body for one Media Type Object: its example, the example of its schema, or a sample."""
        checked = self._checked(self._answers, content, at, notes)
        is_json, sent = _is_json(media_type), media_type
        if "*" in media_type:
            is_json = self._schema(content, at).get("format") not in ("binary", "byte")
            sent = "application/json" if is_json else "application/octet-stream"
        source = "example"
        if checked.examples:
            value = checked.examples[0]
            if is_json and isinstance(value, str) and checked.problems(value, ""):
                # JSON that the vendor wrote as a text.
                parsed, reason = _json(value)
                value = value if reason else parsed
        elif is_json:
            source = "sample"
            value, reason = sample(checked.bundle) if "schema" in content else ({}, "")
            notes += [reason] if reason else []
        else:
            value, source = _FIXED.get(_bare(sent).partition("/")[0], "sample"), "fixed"
        if not isinstance(value, bytes):
            as_it_is = isinstance(value, str) and not is_json
            value = (value if as_it_is else _dump(value)).encode("utf-8", "replace")
        return _Answer(status, sent, value, source, tuple(notes))

    def _schema(self, content: dict[str, Any], at: str) -> dict[str, Any]:
        with contextlib.suppress(Unresolved):
            schema = self._spec.deref(content.get("schema"), f"{at}/schema")[0]
            return schema if isinstance(schema, dict) else {}
        return {}

    def _examples(self, content: dict[str, Any], at: str, notes: list[str]) -> Iterator[Any]:
        if "example" in content:
            yield content["example"]
        for _, node, _ in self._members(content.get("examples"), f"{at}/examples", notes):
            for key in ("value", "dataValue"):  # the second is OpenAPI 3.2
                if key in node:
                    yield node[key]
        schema = self._schema(content, at)
        if "example" in schema:
            yield schema["example"]
        yield from schema["examples"] if isinstance(schema.get("examples"), list) else ()


def operation_label(raw: RawOperation) -> str:
    """What an operation is called in the log: its operationId, else method and path."""
    name = raw.node.get("operationId")
    return name if isinstance(name, str) and name else f"{raw.method} {raw.path}"


def _rank(key: str) -> int:
    """The order in which answers are preferred: the lowest 2xx, "2XX", "default", the lowest 3xx."""
    if re.fullmatch(r"[23][0-9]{2}", key):
        return int(key) if key[0] == "2" else int(key) + 100
    return {"2XX": 300, "2xx": 300, "default": 301}.get(key, 1000)


def _bare(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


def _is_json(media_type: str) -> bool:
    return bool(re.fullmatch(r"[^/]+/(?:[^/]+\+)?json", _bare(media_type)))


def _dump(value: Any) -> str:
    return json.dumps(value, default=str)


def _json(text: str | bytes) -> tuple[Any, str]:
    """The value and why there is none."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not a JSON number")

    try:
        return json.loads(text, parse_constant=refuse), ""
    except (ValueError, RecursionError) as e:
        return None, f"not JSON: {e}"


_FIXED: Final = {
    "image": b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNgAAAAAgAB5Sfe/AAAAABJRU5ErkJggg==")
}
"""A PNG of one transparent pixel; other media types that are not JSON are answered with the word "sample"."""


# ----------------------------------------------------------------------------------------------------------- the server


@dataclass(frozen=True)
class Recorded:
    """One request and how it was answered.

    `target` is path and query as they came; `operation` the operationId, else "GET /path/{id}", else None when no
    operation fits; `problems` the reasons of a refusal; `source` where the body is from (see `_Answer`); `notes` what
    the mock could not check or sample, and why.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    operation: str | None
    status: int
    problems: tuple[str, ...] = ()
    source: str = ""
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The line of the log; what the document or the request brought in cannot break it or steer a terminal."""
        line = f"{self.status} {self.method} {self.target}"
        if self.problems:
            line += f": {'; '.join(self.problems)}"
        elif self.operation:
            line += f" ({self.operation}, {self.source})"
        line += "".join(f" [{note}]" for note in self.notes)
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


@dataclass(frozen=True)
class _Route:
    pattern: re.Pattern[str]
    loose: re.Pattern[str]
    """The same with slashes in the last parameter: for GitHub's `/contents/{path}`."""
    names: tuple[str, ...]
    query: tuple[tuple[str, str], ...]
    """A query that the path of the document holds: part of the address, not a parameter."""
    bases: tuple[str, ...]
    operation: RawOperation


_SLASH: Final = "\0"
"""Stands for an encoded slash while a path is taken apart."""


@dataclass(frozen=True)
class _Request:
    """A request as it came: in `path` an encoded slash is `_SLASH`, the values of `query` are still encoded."""

    http: "Request"
    path: str
    query: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        values = self.http.headers.getlist(name)
        return ", ".join(values) if values else None


class _Refusal(Exception):
    def __init__(self, status: int, problems: list[str], headers: dict[str, str] | None = None) -> None:
        self.status, self.problems, self.headers = status, problems, headers
        super().__init__("; ".join(problems))


class Mock:
    """The API of `spec` on a local port. `requests` is the log, oldest first; `echo` is told every entry.

    With `base_path_from_servers` the paths are below the path of the document's first server, as at the vendor's.
    The same document gives the same answers, byte for byte. A document that is about an MCP endpoint has `tools`: what
    is listed there, by name.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        base_path_from_servers: bool = True,
        echo: Callable[[Recorded], None] | None = None,
        tools: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._remote = StandIn(tools) if tools is not None else None
        self.requests: list[Recorded] = []
        self._spec = spec
        self._echo = echo
        self._base = _base_path(spec.root.get("servers")) if base_path_from_servers else ""
        self._routes = [_route(o, self._bases(o) if base_path_from_servers else ("",)) for o in spec.operations()]
        self._routes.sort(key=lambda r: (not r.query, ["{" in part for part in r.operation.path.split("/")]))
        self._compiler = _Compiler(spec)
        self._operations: dict[str, _Operation] = {}
        self._answers: dict[str, _Answer] = {}
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listens; returns the base URL with the base path and without a slash at its end. `OSError`: port in use."""
        import uvicorn

        class Server(uvicorn.Server):
            def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
                return contextlib.nullcontext()  # signals belong to whoever runs the event loop

        # Bound here, because uvicorn ends the process when the port is taken.
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        # asyncio would do it for a socket of its own; without it every answer waits 40 ms for an acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        config = uvicorn.Config(
            self, lifespan="off", log_config=None, access_log=False, ws="none", http="h11", timeout_graceful_shutdown=1
        )
        self._server = Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))
        while not self._server.started and not self._task.done():
            await asyncio.sleep(0.005)
        if self._task.done():
            self._task.result()
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{listener.getsockname()[1]}{self._base}"

    async def stop(self) -> None:
        """Closes the port; without effect when the server does not run."""
        if self._server and self._task:
            self._server.should_exit = True
            await self._task
        self._server = self._task = None

    async def serve_forever(self) -> None:
        """Returns when the server was stopped, by `stop` or by cancelling this."""
        if self._task:
            try:
                await asyncio.shield(self._task)
            finally:
                await self.stop()

    def example(self, operation: RawOperation) -> dict[tuple[str, str], Any]:
        """Values of a right request by place and name, the vendor's before samples; `("body", "")` is the JSON body."""
        needs = self._operation(operation)
        values = {(p.place, p.name): p.checked.example() for p in needs.parameters}
        body = next((checked for name, checked in (needs.bodies or {}).items() if _is_json(name)), None)
        return values | ({("body", ""): body.example()} if body else {})

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """The ASGI application."""
        from starlette.requests import Request
        from starlette.responses import JSONResponse, Response

        http = Request(scope, receive)
        path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
        pairs = (part.partition("=") for part in query.split("&") if part)
        request = _Request(
            http,
            re.sub("(?i)%2f", _SLASH, path),
            [(unquote_plus(name), value) for name, _, value in pairs],
            await http.body(),
        )
        label, problems, source, notes = None, list[str](), "", list[str]()
        try:
            route, values = self._find(request)
            label = operation_label(route.operation)
            await self._check(self._operation(route.operation), route, request, values, notes)
            remote = self._remote
            answer = self._message(remote, request.body) if remote else self._answer(route.operation)
            notes += answer.notes
            source = answer.source
            # A key of `content` may be any text; only what is a media type may become a header.
            fine = re.fullmatch(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(;[ -~]*)?", answer.media_type, re.ASCII)
            kind = answer.media_type if fine else "application/octet-stream"
            response = Response(answer.body, answer.status, {"content-type": kind} if answer.media_type else None)
        except _Refusal as e:
            problems = e.problems
            response = JSONResponse({"error": str(e), "problems": problems}, e.status, e.headers)
        record = Recorded(
            http.method,
            f"{path}?{query}" if query else path,
            tuple(http.headers.items()),
            request.body,
            label,
            response.status_code,
            tuple(problems),
            source,
            tuple(dict.fromkeys(notes)),
        )
        self.requests.append(record)
        if self._echo:
            self._echo(record)
        await response(scope, receive, send)

    def _bases(self, operation: RawOperation) -> tuple[str, ...]:
        """The base paths at which the operation answers: the mock's, and those of servers of its own."""
        own = operation.node.get("servers", operation.item.get("servers"))
        found = [self._base, *(_base_path([s]) for s in (own if isinstance(own, list) else ()))]
        return tuple(dict.fromkeys(found))

    def _operation(self, raw: RawOperation) -> _Operation:
        if raw.pointer not in self._operations:
            self._operations[raw.pointer] = self._compiler.operation(raw)
        return self._operations[raw.pointer]

    def _answer(self, raw: RawOperation) -> _Answer:
        if raw.pointer not in self._answers:
            self._answers[raw.pointer] = self._compiler.answer(raw)
        return self._answers[raw.pointer]

    def _message(self, remote: StandIn, body: bytes) -> _Answer:
        message, problems = remote.answer(body)
        if problems:
            raise _Refusal(400, problems)
        if message is None:
            return _Answer(202, "", b"", "empty")
        return _Answer(200, "application/json", json.dumps(message, ensure_ascii=False).encode(), "sample")

    def _find(self, request: _Request) -> tuple[_Route, dict[str, str]]:
        """The route and the texts of its path parameters; refuses with 404 or 405."""
        sent = {(name, unquote_plus(value)) for name, value in request.query}
        for loose in (False, True):
            allowed: dict[str, None] = {}
            for route in self._routes:
                for base in route.bases if sent.issuperset(route.query) else ():
                    path = request.path.removeprefix(base)
                    found = (route.loose if loose else route.pattern).fullmatch(path)
                    if found and request.path.startswith(f"{base}/"):
                        if route.operation.method == request.http.method:
                            return route, dict(zip(route.names, found.groups(), strict=True))
                        allowed[route.operation.method] = None
            if allowed:
                methods = ", ".join(allowed)
                raise _Refusal(405, [f"method: {request.http.method} is not one of {methods}"], {"allow": methods})
        reason = "path: the document has no such path"
        if self._base and not request.path.startswith(f"{self._base}/"):
            reason = f"path: the document's server has the base path {self._base}"
        raise _Refusal(404, [reason])

    async def _check(
        self, operation: _Operation, route: _Route, request: _Request, values: dict[str, str], notes: list[str]
    ) -> None:
        """Refuses with 401 or 400 what the document does not allow."""
        notes += operation.notes
        if missing := self._missing_credentials(operation, request):
            raise _Refusal(401, [missing], {"www-authenticate": "Bearer"})
        problems: list[str] = []
        schemes = self._security_schemes()
        used = {str(s.get("name")) for s in schemes.values() if isinstance(s, dict) and s.get("in") == "query"}
        used |= {name for name, _ in route.query}
        anything = False
        # A document may be wrong in ways nobody thought of; that must not refuse a right request.
        for parameter in operation.parameters:
            try:
                if parameter.place == "query":
                    raw, open_ended = _query_value(parameter, request.query, used)
                    anything |= open_ended
                    problems += parameter.problems(raw)
                elif parameter.place != "path" or parameter.name in values:
                    # A parameter that the path does not mention is the document's mistake.
                    problems += parameter.problems(_single_value(parameter, request, values))
            except Exception as e:
                notes.append(f"{parameter.label} not checked: {type(e).__name__} {e}")
        if not anything:
            unknown = dict.fromkeys(n for n, _ in request.query if n not in used)
            problems += [f"query.{name}: the operation has no such parameter" for name in unknown]
        try:
            problems += await _check_body(operation, request)
        except Exception as e:
            notes.append(f"body not checked: {type(e).__name__} {e}")
        if problems:
            raise _Refusal(400, problems)

    def _missing_credentials(self, operation: _Operation, request: _Request) -> str:
        """What is missing for every way to sign in; empty when one is complete. Only presence is looked at."""
        wanted: list[str] = []
        for requirement in operation.security:
            missing = [m for name in requirement if (m := self._missing_credential(str(name), request))]
            if not missing:
                return ""
            wanted.append(" and ".join(missing))
        return f"credentials: {' or '.join(dict.fromkeys(wanted))} is required" if wanted else ""

    def _security_schemes(self) -> dict[str, Any]:
        components = self._spec.root.get("components")
        stated = components.get("securitySchemes") if isinstance(components, dict) else None
        schemes: dict[str, Any] = stated if isinstance(stated, dict) else {}
        found = {}
        for name in schemes:
            at = Node("#/components/securitySchemes").at(name)
            with contextlib.suppress(Unresolved):
                found[name] = self._spec.deref(schemes[name], at)[0]
        return found

    def _missing_credential(self, name: str, request: _Request) -> str:
        scheme: Any = None
        with contextlib.suppress(Unresolved):
            at = Node("#/components/securitySchemes").at(name)
            scheme, _ = self._spec.deref(self._spec.resolve(at), at)
        if not isinstance(scheme, dict):
            return ""
        place, key = scheme.get("in"), str(scheme.get("name"))
        if str(scheme.get("scheme")).lower() == "digest":
            return ""  # it comes after a challenge only, and the document states none
        if scheme.get("type") in ("http", "oauth2", "openIdConnect"):
            place, key = "header", "Authorization"
        elif scheme.get("type") != "apiKey":
            return ""
        # Which scheme comes before the value is not held against a request: documents are often wrong there.
        sent = {
            "header": (request.header(key) or "").strip(),
            "query": next((v for n, v in request.query if n == key and v), ""),
            "cookie": request.http.cookies.get(key, ""),
        }.get(str(place), "unknown")
        return "" if sent and sent.lower() not in ("bearer", "basic") else f"{place}.{key}"


def _base_path(servers: Any) -> str:
    """The path of the first server's URL, variables at their default, without a slash at its end."""
    first = servers[0] if isinstance(servers, list) and servers else None
    if not isinstance(first, dict) or not isinstance(first.get("url"), str):
        return ""
    raw = first.get("variables")
    variables = raw if isinstance(raw, dict) else {}

    def default(found: re.Match[str]) -> str:
        variable = variables.get(found[1])
        return str(variable.get("default", found[1])) if isinstance(variable, dict) else found[1]

    path = ""
    with contextlib.suppress(ValueError):
        path = urlsplit(re.sub(r"\{([^{}]*)\}", default, first["url"])).path.rstrip("/")
    return path if path.startswith("/") or not path else f"/{path}"


def _route(operation: RawOperation, bases: tuple[str, ...]) -> _Route:
    path, _, query = operation.path.partition("#")[0].partition("?")
    parts = re.split(r"\{([^{}]*)\}", path if path.startswith("/") else f"/{path}")
    names = tuple(parts[1::2])
    literals = [re.escape(unquote(p)) for p in parts[::2]]
    strict = "([^/]+)".join(literals)
    loose = pattern = re.compile(strict)
    if names and not literals[-1]:
        loose = re.compile(f"{strict.removesuffix('([^/]+)')}(.+)")
    pairs = (part.partition("=") for part in query.split("&") if part)
    literal = tuple((unquote_plus(name), unquote_plus(value)) for name, _, value in pairs)
    return _Route(pattern, loose, names, literal, bases, operation)


def _single_value(parameter: _Parameter, request: _Request, values: dict[str, str]) -> Any:
    """The text or texts of a parameter in the path, a header or a cookie; None: absent."""
    if parameter.place != "path":
        header, name = parameter.place == "header", parameter.name
        raw = request.header(name) if header else request.http.cookies.get(name)
        return None if raw is None else parameter.split(raw)
    raw = values[parameter.name].replace(_SLASH, "%2F")
    if parameter.style == "label":
        raw = raw.removeprefix(".").replace(".", ",") if parameter.explode else raw.removeprefix(".")
    elif parameter.style == "matrix":
        raw = raw.removeprefix(";").replace(f"{parameter.name}=", "").replace(";", ",")
    return parameter.split(raw)


def _query_value(parameter: _Parameter, pairs: list[tuple[str, str]], used: set[str]) -> tuple[Any, bool]:
    """The text or texts of a query parameter (None: absent), and whether it takes names that nobody declared.

    Styles after OpenAPI 3.0.4, "Style Values". `used` grows by the names that belong to the parameter.
    """
    name = parameter.name
    used.add(name)
    mine = [v for n, v in pairs if n == name]
    if not parameter.content:
        shape = parameter.checked.shape()
        fields: list[tuple[str, str]] = []
        free = False
        if parameter.style == "deepObject":
            fields = [(n, v) for n, v in pairs if n.startswith(f"{name}[")]
        elif "object" in shape.types and parameter.explode and parameter.style == "form" and not mine:
            free = bool(shape.others) or not shape.properties
            fields = [(n, v) for n, v in pairs if n in shape.properties or (free and n not in used)]
        if fields or free:
            used |= {n for n, _ in fields}
            nested = _nested([(n, unquote_plus(v)) for n, v in fields])
            return (nested.get(name) if parameter.style == "deepObject" else nested) or None, free
    values = [parameter.split(v) for v in mine]
    return (None if not values else values[0] if len(values) == 1 else values), False


def _nested(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """`a[b][c]=1&a[d][]=2` as `{"a": {"b": {"c": "1"}, "d": ["2"]}}`; texts that come several times become a list."""
    root: dict[str, Any] = {}
    for name, value in pairs:
        key, *inner = re.split(r"\]?\[", name.removesuffix("]"))
        node = root
        for step in inner[:20]:
            below = node.setdefault(key, {}) if step else None
            if not isinstance(below, dict):
                break
            node, key = below, step
        if key in node or inner[-1:] == [""]:
            before = node.get(key, [])
            node[key] = [*(before if isinstance(before, list) else [before]), value]
        else:
            node[key] = value
    return root


async def _check_body(operation: _Operation, request: _Request) -> list[str]:
    if not request.body:
        return ["body: the operation needs one"] if operation.body_required else []
    if operation.bodies is None:
        return ["body: the operation takes none"]
    if not operation.bodies:
        return []
    sent = request.header("content-type")
    if sent is None:
        return [f"header.Content-Type: missing, expected {' or '.join(operation.bodies)}"]
    bare = _bare(sent)
    declared = {_bare(key): checked for key, checked in reversed(operation.bodies.items())}
    ranges = (bare, f"{bare.partition('/')[0]}/*", "*/*", "*")
    checked = next((declared[r] for r in ranges if r in declared), None)
    if checked is None:
        return [f"header.Content-Type: {bare} is not one of {', '.join(operation.bodies)}"]
    if _is_json(bare):
        value, reason = _json(request.body)
        return [f"body: {reason}"] if reason else checked.problems(value, "body")
    if bare in ("application/x-www-form-urlencoded", "multipart/form-data"):
        return await _check_form(checked, request, bare)
    if bare.startswith("text/") and checked.shape().types == {"string"}:
        return checked.problems(request.body.decode("utf-8", "replace"), "body")
    return []


async def _check_form(checked: _Checked, request: _Request, media_type: str) -> list[str]:
    """What is wrong with a form; brackets are part of a name that the document declares, else they nest."""
    from starlette.formparsers import MultiPartException

    try:
        form = await request.http.form(max_part_size=len(request.body) + 1)
    except (MultiPartException, KeyError) as e:
        return [f"body: not {media_type}: {e}"]
    pairs = [
        (name, part if isinstance(part, str) else (await part.read()).decode("utf-8", "replace"))
        for name, part in form.multi_items()
    ]
    await form.close()
    declared = checked.shape().properties
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in declared:
            before = fields.get(name)
            many = [*before, value] if isinstance(before, list) else [before, value]
            fields[name] = value if before is None else many
    return checked.read(_nested([(n, v) for n, v in pairs if n not in declared]) | fields, "body")


def serve(
    spec: Spec,
    host: str,
    port: int,
    *,
    ready: Callable[[str], None],
    echo: Callable[[Recorded], None],
    tools: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Runs the mock until it is interrupted; `ready` is told the base URL. `OSError`: port in use."""

    async def run() -> None:
        mock = Mock(spec, echo=echo, tools=tools)
        ready(await mock.start(host, port))
        await mock.serve_forever()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run())
