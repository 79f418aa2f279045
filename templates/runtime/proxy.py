"""Turns a call of a tool into the same call of another MCP server, because an API may be one itself.

The SDK's client speaks to it, in the era that it knows; each of its HTTP requests is one of `upstream`, with the same
credentials, hosts, limits and audit lines as any other. What comes back is passed on as it is, unless it would break
the client of this server: then the model is told what came, and why it is an error.

Sources: MCP 2025-11-25 and 2026-07-28, "Streamable HTTP", "Lifecycle", "Tools".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast

import anyio
import httpx2
import mcp.types as t
from mcp import MCPError
from mcp.client.session import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.inbound import mcp_param_headers, x_mcp_header_map
from pydantic import ValidationError

from .answers import result_of
from .service import ANYONE, Caller, Settings
from .tool import Operation, Refused, schema_check, shorten
from .upstream import STREAMS, Answer, Client, Unanswered, is_json
from .values import load
from .wire import Wire

_SESSION = "mcp-session-id"
_OWN_HEADERS = ("host", "content-length", "connection", "user-agent", "accept-encoding", "cookie")
"""What `upstream` says of a request itself."""
_BARRED = (401, 403, 407, 429, 503)
"""Statuses that say nothing about the era that a server speaks: it would answer the other one in the same way."""
_FAILURES = (MCPError, ValidationError, RuntimeError)
"""What the SDK's client raises for an answer that it cannot take."""
_STALE = (t.HEADER_MISMATCH, t.UNSUPPORTED_PROTOCOL_VERSION)
_LOST = re.compile(r"session|initiali[sz]ed|protocol.version", re.IGNORECASE)
"""What the SDKs say with a 400 to a request that does not fit what was settled."""
_PAGES = 1_000
_LONE = re.compile("[\ud800-\udfff]")

Greeting: TypeAlias = t.DiscoverResult | t.InitializeResult
Message: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Known:
    """What the first exchange told of the other server, so that later ones are a single request."""

    greeting: Greeting
    session: str = ""


class Remote:
    """The MCP server at a service's endpoint. Close it at the end.

    `timeout` is the time for a call, in seconds, with all the requests that it takes.
    """

    def __init__(self, settings: Settings, client: Client, timeout: float) -> None:
        self._settings = settings
        self._client = client
        self._timeout = timeout
        self._known: _Known | None = None
        self._output_checks: dict[str, Callable[[Mapping[str, Any]], list[str]]] = {}
        service = settings.service
        self._info = t.Implementation(name=f"{service.name}-mcp", version=service.version)

    async def aclose(self) -> None:
        """End the session of the environment's credential, if the other server keeps one."""
        if self._known and self._known.session:
            line = _Line(self._client, self._endpoint, ANYONE, self._known.session)
            with suppress(Exception), anyio.move_on_after(2):
                await line.send("DELETE", [], None, self._endpoint)

    @property
    def _endpoint(self) -> Operation:
        """What asks for the list; a call is like it but for its name, and it may write."""
        endpoint = self._settings.service.endpoint
        if endpoint is None:
            raise AssertionError("a service without an MCP endpoint has no tools that are passed on")
        return replace(endpoint, reads=True)

    async def call(
        self, name: str, entry: Mapping[str, Any], arguments: Mapping[str, Any], caller: Caller
    ) -> t.CallToolResult | Answer:
        """The result of a tool that `entry` lists, as it came; or the HTTP answer that is no MCP.

        Raises MCPError for an error of JSON-RPC, with its code, message and data; Refused when nothing can be sent or
        nothing came that can be passed on.
        """
        operation = replace(self._endpoint, name=entry["name"], id=f"tools/call {name}", reads=only_reads(entry))
        headers = mcp_param_headers(x_mcp_header_map(entry["inputSchema"]), arguments)
        request = t.CallToolRequest(params=t.CallToolRequestParams(name=name, arguments=dict(arguments)))
        result = await self._exchange(operation, request, caller, headers)
        return result if isinstance(result, Answer) else self._passed_on(result, entry)

    async def tools(self) -> list[Message] | Answer:
        """What `tools/list` answers, all pages of it; or the HTTP answer that is no MCP. Raises what `call` does."""
        found: list[Message] = []
        cursors: list[str | None] = [None]
        while len(cursors) <= _PAGES:
            request = t.ListToolsRequest(params=t.PaginatedRequestParams(cursor=cursors[-1]))
            page = await self._exchange(self._endpoint, request, ANYONE)
            if isinstance(page, Answer):
                return page
            entries = page.get("tools")
            if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
                raise Unanswered(f"{self._host} answered tools/list without a list of tools")
            found += entries
            cursor = page.get("nextCursor")
            if not isinstance(cursor, str) or cursor in cursors:
                break
            cursors.append(cursor)
        return found

    @property
    def _host(self) -> str:
        return self._settings.servers[self._endpoint.server].host

    # -- exchanges ------------------------------

    async def _exchange(
        self,
        operation: Operation,
        request: t.CallToolRequest | t.ListToolsRequest,
        caller: Caller,
        headers: Mapping[str, str] | None = None,
    ) -> Message | Answer:
        """The result of one request. Nothing was carried out where it is sent again: the other server had changed."""
        kept = self._known
        if kept and kept.session and caller.values is not None:
            kept = None  # the session is that of the environment's credential
        try:
            with anyio.fail_after(self._timeout):
                for known in (kept, None):
                    session = known.session if known else ""
                    line = _Line(self._client, operation, caller, session, headers or {})
                    await self._talk(line, request, known, caller)
                    if known is None or not line.outdated:
                        return self._outcome(line)
                    self._known = None
        except TimeoutError:
            after = "" if operation.reading else "; it may have carried the call out all the same"
            said = f"{self._host} gave no complete answer within {self._timeout:g} seconds{after}"
            raise Unanswered(said) from None
        raise AssertionError("the second exchange knows nothing, so it is the last")

    async def _talk(
        self, line: _Line, request: t.CallToolRequest | t.ListToolsRequest, known: _Known | None, caller: Caller
    ) -> None:
        """Send a request, after a greeting if nothing is known of the other server; `line` has what came of it."""
        # No connection goes to this URL: `line` is what sends.
        place = "http://remote.invalid/mcp"
        kept = caller.values is None  # a caller's session ends with the call: nothing of a caller is kept
        async with (
            httpx2.AsyncClient(transport=line, trust_env=False) as http,
            streamable_http_client(
                place, http_client=http, terminate_on_close=not kept, max_sse_event_size=None
            ) as streams,
            ClientSession(*streams, client_info=self._info) as session,
        ):
            try:
                greeting = await _greeted(session, line, known)
            except _FAILURES as error:
                line.give_up(error)
                return
            if kept or not line.session:
                self._known = _Known(greeting, line.session)
            try:
                await session.send_request(request, t.Result)
            except _FAILURES as error:  # what came is judged by `_outcome`, which knows more of it
                line.said = shorten(str(error), 300)

    def _outcome(self, line: _Line) -> Message | Answer:
        if line.trouble is not None:
            if isinstance(line.trouble, Answer):
                return line.trouble
            raise line.trouble
        error = line.reply.get("error")
        if isinstance(error, dict) and error.get("code") in _STALE:
            raise Unanswered(
                f"{self._host} refused the call, as what this server knows of it is out of date "
                f"({shorten(self._settings.mask(str(error.get('message'))), 300)}); that is for its operator to renew"
            )
        if isinstance(error, dict):
            mask = self._settings.mask
            code, message = error.get("code"), mask(str(error.get("message", "")))
            data = mask(json.dumps(error.get("data")))
            with suppress(ValueError):  # a credential of digits may have been a number
                data = json.loads(data)
            raise MCPError(code=code if isinstance(code, int) else t.INTERNAL_ERROR, message=message, data=data)
        result = line.reply.get("result")
        if not isinstance(result, dict):
            raise Unanswered(f"{self._host} gave no answer to the call: {line.said or 'the answer holds no result'}")
        return result

    # -- results ------------------------------

    def _passed_on(self, result: Message, entry: Mapping[str, Any]) -> t.CallToolResult:
        """A result for the client of this server; in wire form, which the SDK takes as it takes its own type."""
        if (kind := result.get("resultType", "complete")) != "complete":
            what = "input in the middle of the call" if kind == "input_required" else f"a result of the type {kind!r}"
            raise Refused(f"{self._host} wants {shorten(what, 100)}, which this server does not pass on")
        if problem := self._problem(result, entry):
            return _told(result, f"{self._host} answered the call, but {problem}. What it answered follows.")
        passed = {"resultType": "complete", **result}  # what the revisions before 2026-07-28 do not say
        # What is reserved there speaks of the other server's connection, not of this one's.
        meta = passed.pop("_meta", None) or {}
        if kept := {k: v for k, v in meta.items() if not k.startswith("io.modelcontextprotocol/")}:
            passed["_meta"] = kept
        return cast(t.CallToolResult, passed)

    def _problem(self, result: Message, entry: Mapping[str, Any]) -> str:
        """What of a result would break the client of this server; empty when nothing would."""
        try:
            t.CallToolResult.model_validate(result, by_name=False)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(step) for step in first["loc"])
            return f"what it answered is no result of MCP ({where}: {first['msg']})"
        structured = result.get("structuredContent")
        if structured is not None and not isinstance(structured, dict):
            return "its structured content is no object"
        schema = entry.get("outputSchema")
        if schema is None or result.get("isError") is True:
            return ""
        if structured is None:
            return "it left out the structured content that its outputSchema promises"
        name = entry["name"]
        if name not in self._output_checks:
            self._output_checks[name] = schema_check(schema)
        wrong = self._output_checks[name](structured)
        if not wrong:
            return ""
        rest = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        return f"its structured content does not fit its own outputSchema: {'; '.join(wrong[:3])}{rest}"


def only_reads(entry: Mapping[str, Any]) -> bool:
    """Whether a tool says that it changes nothing, and does not contradict itself."""
    hints = entry.get("annotations") or {}
    return hints.get("readOnlyHint") is True and hints.get("destructiveHint") is not True


async def listed(settings: Settings, timeout: float) -> list[Message]:
    """What the server at a service's endpoint lists to the environment's credential. Raises Refused with a reason."""
    client = Client(settings, timeout)
    remote = Remote(settings, client, timeout)
    try:
        found = await remote.tools()
    except MCPError as error:
        raise Refused(f"tools/list was answered with the error {error.code}: {error.message}") from None
    finally:
        await remote.aclose()
        await client.aclose()
    if isinstance(found, Answer):
        first = result_of(found, settings.mask).content[0]
        raise Refused(first.text if isinstance(first, t.TextContent) else f"the answer was {found.status}")
    return found


async def _greeted(session: ClientSession, line: _Line, known: _Known | None) -> Greeting:
    """Settle the era: the known one, else 2026-07-28 or later, else the handshake of the revisions before."""
    if known is not None:
        session.adopt(known.greeting)
        return known.greeting
    try:
        return await session.discover()
    except (MCPError, ValidationError, RuntimeError):
        if line.barred:
            raise
    return await session.initialize()


def _told(result: Message, note: str) -> t.CallToolResult:
    """A result that says what is wrong with another one, and all that this one holds, as text."""
    content: list[t.TextContent] = [t.TextContent(type="text", text=note)]
    blocks = result.get("content")
    texts = [b["text"] for b in blocks if _is_text(b)] if isinstance(blocks, list) else []
    rest = {k: v for k, v in result.items() if k not in ("_meta", "resultType", "isError")}
    if isinstance(blocks, list) and len(texts) == len(blocks):
        del rest["content"]
    structured = rest.get("structuredContent")
    if structured is not None and any(_same(text, structured) for text in texts):
        del rest["structuredContent"]
    content += [t.TextContent(type="text", text=text) for text in texts]
    if rest:
        content.append(t.TextContent(type="text", text=json.dumps(rest, ensure_ascii=False)))
    return t.CallToolResult(content=list(content), is_error=True)


def _is_text(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") == "text" and isinstance(block.get("text"), str)


def _same(text: str, value: Any) -> bool:
    with suppress(ValueError, RecursionError):
        return bool(json.loads(text) == value)
    return False


# --- the HTTP requests of one exchange --------------------------------------------------------------------------------


class _Line(httpx2.AsyncBaseTransport):
    """What the SDK's client sends its requests through, and what remembers why there is no result.

    `trouble` is the answer that is no MCP, or why there was none; `reply` the message of JSON-RPC that answered, `said`
    what the SDK says of an answer that holds none.
    """

    def __init__(
        self,
        client: Client,
        operation: Operation,
        caller: Caller,
        session: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._client, self._operation, self._caller = client, operation, caller
        self._around = replace(operation, reads=True)  # what is sent before and after a call
        self._headers = headers or {}
        self._sent_session = session
        self.session = session
        self._turn = 0
        self._begin()

    def _begin(self) -> int:
        """Forget what came of the messages before, also of those whose answer is still to come."""
        self.trouble: Answer | Refused | None = None
        self.reply: Message = {}
        self.said = ""
        self._status = 0
        self._turn += 1
        return self._turn

    def give_up(self, error: Exception) -> None:
        """There was no way to talk with the other server, because of an answer that the SDK cannot take."""
        self.said = shorten(str(error), 300)
        self.reply.pop("result", None)  # of a greeting

    @property
    def barred(self) -> bool:
        """Whether the other era would get no further."""
        return isinstance(self.trouble, Refused) or self._status in _BARRED

    @property
    def outdated(self) -> bool:
        """Whether the other server no longer takes what was settled with it before: its session, or its era."""
        error = self.reply.get("error")
        stated = error if isinstance(error, dict) else {}
        lost = self._status == 400 and _LOST.search(str(stated.get("message")))
        return self._status == 404 or bool(lost) or stated.get("code") == t.UNSUPPORTED_PROTOCOL_VERSION

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request of the SDK's client. Whatever goes wrong is an answer too, and is remembered."""
        if request.method == "GET" and "last-event-id" not in request.headers:
            return httpx2.Response(405)  # a stream of what the other server has to say unasked
        message: Any = json.loads(request.content) if request.method == "POST" else None
        asked = isinstance(message, dict) and "id" in message and "method" in message
        turn = self._begin() if asked else self._turn
        called = asked and message["method"] == "tools/call"
        headers = [(k, v) for k, v in request.headers.multi_items() if k.lower() not in _OWN_HEADERS]
        headers += self._headers.items() if called else ()
        operation = self._operation if called else self._around
        try:
            answer = await self.send(request.method, headers, request.content or None, operation)
            self.session = answer.headers.get(_SESSION, self.session)
            found = next((m for m in _messages(answer) if "result" in m or "error" in m), None)
        except Refused as error:
            if asked and turn == self._turn:
                self.trouble = error
            return httpx2.Response(502)
        if found is not None and turn == self._turn:
            self.reply = found
        if asked and turn == self._turn:
            self._status = answer.status
            # An error of JSON-RPC may come with any status; without one, a status says what went wrong.
            if found is None and (answer.cut or not 200 <= answer.status < 300):
                self.trouble = answer
        told = {_SESSION: self.session} if self.session else {}
        if asked and found is not None:  # under the id that was asked with: some say "1" for 1, or null in an error
            return httpx2.Response(200, headers=told, json={**found, "id": message["id"]})
        told["content-type"] = answer.headers.get("content-type", "")
        status = answer.status if not 300 <= answer.status < 400 else 502  # no redirect is followed
        return httpx2.Response(status, headers=told, content=answer.body)

    async def send(
        self, method: str, headers: Iterable[tuple[str, str]], body: bytes | None, operation: Operation
    ) -> Answer:
        """The answer to one HTTP request. Raises Refused when there is none."""
        stated = list(headers)
        names = {name.lower() for name, _ in stated}
        if self._sent_session and _SESSION not in names:
            stated.append((_SESSION, self._sent_session))
        stated += [(name, value) for name, value in operation.headers if name.lower() not in names]
        path, _, query = operation.path.partition("?")
        fields = [(name, value.encode("latin-1")) for name, value in stated]
        wire = Wire(method, path, [query] if query else [], fields, body=body, complete=_Waiting())
        return await self._client.send(operation, wire, self._caller)


def _messages(answer: Answer) -> Iterator[Message]:
    """The messages of JSON-RPC that an answer holds, as JSON or as a stream of events.

    Raises Unanswered for one that would break the client of this server.
    """
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = answer.body.decode("utf-8", "replace")
    for part in _events(body) if kind == STREAMS[0] else [body] if is_json(kind) else ():
        try:
            message = load(part)
        except json.JSONDecodeError:
            continue
        except ValueError as error:
            raise Unanswered(f"what the other server answered cannot be passed on: {error}") from None
        if "\\u" in part and _LONE.search(text := json.dumps(message, ensure_ascii=False)):
            message = json.loads(_LONE.sub("\ufffd", text))  # half a character would break the transport
        for one in message if isinstance(message, list) else [message]:
            if isinstance(one, dict) and one.get("jsonrpc") == "2.0":
                yield one


class _Waiting:
    """Tells when a stream of events has brought the answer: what comes after it is not waited for.

    Each event is looked at once, as there may be a hundred thousand before it.
    """

    def __init__(self) -> None:
        self._judged = self._searched = 0

    def __call__(self, body: bytearray) -> bool:
        start = max(self._judged, self._searched - 3)
        self._searched = len(body)
        end = max((at + len(s) for s in _BLANKS if (at := body.rfind(s, start)) >= 0), default=0)
        if not end:
            return False
        events = Answer("POST", "", 200, "", {"content-type": STREAMS[0]}, bytes(body[self._judged : end]))
        self._judged = end
        try:
            return any("method" not in message for message in _messages(events))
        except Unanswered:
            return True


_BLANKS = (b"\n\n", b"\r\n\r\n", b"\r\r")
"""What ends an event."""


def _events(text: str) -> Iterator[str]:
    """The data of each event of a stream (WHATWG HTML, 9.2.6, "Interpreting an event stream")."""
    data: list[str] = []
    for line in [*re.split(r"\r\n|\n|\r", text), ""]:
        field, _, value = line.partition(":")
        if field == "data":
            data.append(value.removeprefix(" "))
        elif not line and data:
            yield "\n".join(data)
            data = []
