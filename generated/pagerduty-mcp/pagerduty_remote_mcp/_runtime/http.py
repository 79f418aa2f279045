"""Turns the SDK's server into one on a port, because over HTTP each caller may have to bring a key, and browsers ask.

A key is the vendor's own and goes through to the API: here it is only read, what it may do is for the API to say, anew
at each call. It is kept nowhere, and the header that it came in is never logged.
"""

from __future__ import annotations

import base64
import binascii
import re
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response

from .service import (
    ANYONE,
    CONTROL,
    ApiKey,
    Basic,
    Caller,
    ConfigurationError,
    Mask,
    OAuth,
    Scheme,
    Service,
    Settings,
    is_loopback,
)

if TYPE_CHECKING:
    from mcp.server import Server, ServerRequestContext
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")
"""An origin as browsers send it (RFC 6454, 6.2)."""

_CALLER = "mcp.caller"
_KEY = "{KEY}"
_SHARED_HEADERS = (
    *("accept", "authorization", "content-type", "last-event-id"),
    *("mcp-method", "mcp-name", "mcp-protocol-version", "mcp-session-id"),
)


# --- keys -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Keyhole:
    """Where the credential of a scheme comes in: a header, and what it holds, `{KEY}` for the key."""

    scheme: ApiKey | Basic | OAuth
    header: str
    template: str

    @property
    def form(self) -> str:
        """What a caller sends, for a message: `Authorization: Bearer <key>`."""
        what = "<base64 of user:password>" if isinstance(self.scheme, Basic) else "<key>"
        return f"{self.header}: {self.template.replace(_KEY, what)}"

    @property
    def word(self) -> str:
        """The name of the authentication scheme before the key (RFC 9110, 11.4); empty when there is none."""
        word, blank, _ = self.template.partition(_KEY)[0].partition(" ")
        return word if blank else ""

    def values(self, text: str) -> Mapping[str, str] | None:
        """The values of the scheme's variables that a header holds; None when it is not of the form it should have."""
        before, _, after = self.template.partition(_KEY)
        text = text.strip(" \t")
        head, word = text[: len(before)], len(self.word)
        if (head[:word].lower(), head[word:]) != (before[:word].lower(), before[word:]) or not text.endswith(after):
            return None
        key = text[len(before) : len(text) - len(after)].strip(" \t")
        if not key or CONTROL.search(key) or (word and " " in key):
            return None
        if isinstance(self.scheme, Basic):
            return _user_and_password(self.scheme, key)
        return {(self.scheme.token if isinstance(self.scheme, OAuth) else self.scheme.variables[0]): key}


def _user_and_password(scheme: Basic, key: str) -> Mapping[str, str] | None:
    try:
        user, colon, password = base64.b64decode(key, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return {scheme.user: user, scheme.password: password} if colon and not CONTROL.search(user + password) else None


def _keyhole(scheme: Scheme, header: str, value: str) -> Keyhole | None:
    """How a caller can send a scheme's credential; None when it takes more than one text to make it.

    `header` and `value` are what the configuration says of it, empty for: as the API takes it.
    """
    match scheme:
        case Basic() if not header and not value:
            return Keyhole(scheme, scheme.name, f"Basic {_KEY}")
        case OAuth():
            own = f"{scheme.word} {_KEY}"
        case ApiKey() if len(scheme.variables) == 1 and scheme.value.count(f"{{{scheme.variables[0]}}}") == 1:
            own = scheme.value.replace(f"{{{scheme.variables[0]}}}", _KEY)
        case _:
            return None
    name = scheme.name if scheme.place == "header" else "X-Api-Key"
    if scheme.place != "header" or header.lower() not in ("", name.lower()):
        own = _KEY
    return Keyhole(scheme, header or name, value or own)


class Keys:
    """The ways in which callers can bring the credential that a service needs.

    False when there is none: a proof made for each request, as HTTP digest, takes the secret itself.
    """

    def __init__(self, service: Service) -> None:
        found = {key: _keyhole(s, service.http.header, service.http.value) for key, s in service.security.items()}
        holes = {key: hole for key, hole in found.items() if hole is not None}
        ways: list[tuple[str, ...]] = [way for way in service.requirements if way and holes.keys() >= {*way}]
        ways += [(key,) for key in holes if not any(key in way for way in ways)]  # an operation may have its own
        if service.http.header or service.http.value:  # it is said of one key
            ways = [way for way in ways if not way[1:]][:1]
        self._service = service
        self._ways = [[holes[key] for key in way] for way in ways]
        # Of two that come in one header, the one that says more: a bare key could be anything.
        self._holes = sorted(
            dict.fromkeys(hole for way in self._ways for hole in way), key=lambda hole: -len(hole.template)
        )
        self._optional = not all(service.requirements)
        forms = " or ".join(" and ".join(f"`{hole.form}`" for hole in way) for way in self._ways[:3])
        self.advice = f"send your {service.title} key as {forms}"

    def __bool__(self) -> bool:
        return bool(self._ways)

    @property
    def headers(self) -> list[str]:
        """The headers that keys come in, in lower case."""
        return sorted({hole.header.lower() for hole in self._holes})

    @property
    def challenge(self) -> str:
        """What a 401 says in WWW-Authenticate (RFC 9110, 11.6.1)."""
        hole, realm = self._ways[0][0], f'realm="{self._service.name}"'
        if hole.header.lower() == "authorization" and hole.word:
            return f"{hole.word} {realm}"
        return f'ApiKey {realm}, header="{hole.header.lower()}"'

    def caller(self, headers: Headers) -> Caller | None:
        """Who sent these headers; None when a key is needed and is not there in the form it should have."""
        values: dict[str, str] = {}
        forms: dict[str, str] = {}
        for hole in self._holes:
            stated = headers.getlist(hole.header)
            found = hole.values(stated[0]) if len(stated) == 1 else None
            if found and forms.setdefault(hole.header.lower(), hole.template) == hole.template:
                values.update(found)
        complete = any(all(values.keys() >= {*hole.scheme.ways[0]} for hole in way) for way in self._ways)
        if complete or (self._optional and not any(name in headers for name in self.headers)):
            return Caller(values, advice=self.advice)
        return None

    def secrets(self, caller: Caller) -> Iterable[str]:
        """What of a caller must not be shown to anybody."""
        for hole in self._holes:
            yield from hole.scheme.secrets(caller.values or {})


def caller_of(ctx: ServerRequestContext[Any, Any]) -> Caller:
    """Who sent an MCP request: over HTTP the one whose key came with it, if keys have to; else the operator."""
    caller: Caller = ANYONE if ctx.request is None else ctx.request.scope.get(_CALLER, ANYONE)
    return replace(caller, request="" if ctx.request_id is None else str(ctx.request_id))


# --- the gate ---------------------------------------------------------------------------------------------------------


class Gate:
    """Lets requests through to `app` that come from an allowed origin, if from a browser, and with a key, if needed.

    `keys` is None when the environment's credential is used for everybody. The pages of the origins in `shared` may
    read the answers (CORS); those in `origins` may only send, as their own.
    """

    def __init__(
        self,
        app: ASGIApp,
        service: Service,
        mask: Mask,
        keys: Keys | None,
        origins: Iterable[str],
        shared: Sequence[str],
    ) -> None:
        self._app = app
        self._service = service
        self._mask = mask
        self._keys = keys
        self._origins = {*origins, *shared}
        self._shared = frozenset(shared)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin", "")
        if self._shared:
            send = self._sharing(send, origin)
        preflight = scope["method"] == "OPTIONS" and "access-control-request-method" in headers
        if origin and origin not in (self._shared if preflight else self._origins):
            message = "the origin of this page is not among those that the operator of this server allows"
            await _refused(403, "forbidden", message)(scope, receive, send)
        elif origin and preflight:
            await self._preflight()(scope, receive, send)
        elif self._keys is None or scope["path"].startswith("/.well-known/"):  # where clients look for a way to log in
            await self._app(scope, receive, send)
        elif (caller := self._keys.caller(headers)) is None:
            said = f"this server uses the key of whoever calls it: {self._keys.advice}"
            message = " ".join(filter(None, (f"{said}.", self._service.errors.hints.get(401, ""))))
            refusal = _refused(401, "unauthorized", message, {"WWW-Authenticate": self._keys.challenge})
            await refusal(scope, receive, send)
        else:
            with self._mask.hiding(self._keys.secrets(caller)):
                await self._app({**scope, _CALLER: caller}, receive, send)

    def _preflight(self) -> Response:
        known = sorted({*_SHARED_HEADERS, *(self._keys.headers if self._keys is not None else ())})
        allowed = {
            "Access-Control-Allow-Methods": "GET, POST, DELETE, OPTIONS",
            "Access-Control-Allow-Headers": ", ".join(known),
            "Access-Control-Max-Age": "600",
        }
        return Response(status_code=204, headers=allowed)

    def _sharing(self, send: Send, origin: str) -> Send:
        """`send`, with what a browser has to read in an answer before it shows the rest to a page (Fetch, 3.3.3)."""

        async def sharing(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.add_vary_header("Origin")
                if origin in self._shared:
                    headers["Access-Control-Allow-Origin"] = origin
                    headers["Access-Control-Expose-Headers"] = "mcp-session-id, mcp-protocol-version, www-authenticate"
            await send(message)

        return sharing


def _refused(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers)


# --- the port ---------------------------------------------------------------------------------------------------------


def serve(
    server: Server[None],
    settings: Settings,
    keys: Keys | None,
    *,
    host: str,
    port: int,
    hosts: Iterable[str] = (),
    origins: Sequence[str] = (),
    shared: Sequence[str] = (),
) -> None:
    """Serve Streamable HTTP at /mcp until the process is asked to end.

    `hosts` and `origins` are accepted beside those of this machine; the pages of `shared` may call from a browser.
    Raises ConfigurationError when the address cannot be listened on.
    """
    import uvicorn
    from mcp.server.transport_security import TransportSecuritySettings

    listener = _listen(host, port)
    port = listener.getsockname()[1]
    own = [f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")]
    accepted = [f"http://{name}" for name in own] + [*origins]
    app = server.streamable_http_app(
        stateless_http=True,
        transport_security=TransportSecuritySettings(
            allowed_hosts=own + [form for name in hosts for form in _host_forms(name, port)],
            allowed_origins=[*accepted, *shared],
        ),
    )
    _announce(settings.service, keys, host, port)
    config = uvicorn.Config(
        Gate(app, settings.service, settings.mask, keys, accepted, shared),
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=5,
    )
    uvicorn.Server(config).run(sockets=[listener])


def _announce(service: Service, keys: Keys | None, host: str, port: int) -> None:
    lines = [f"serving http://{f'[{host}]' if ':' in host else host}:{port}/mcp"]
    proxy = "and name its host with --allowed-host"
    if keys is not None:
        lines.append(f"every request uses its caller's own key: {keys.advice}")
        if not is_loopback(host):
            lines.append(f"keys come to this port unencrypted; put a proxy that speaks https before it, {proxy}")
    elif service.security:
        lines.append("every request uses the credential in this server's environment")
    if keys is None and not is_loopback(host):
        lines.append(
            "anyone who reaches this port uses the server's credentials; put an authenticating proxy before "
            f"it, {proxy}"
        )
    for line in lines:
        print(f"{service.name}: {line}", file=sys.stderr, flush=True)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        raise ConfigurationError(f"cannot listen on {host} port {port}: {error.strerror or error}") from None
    return listener


def _host_forms(host: str, port: int) -> list[str]:
    """A host named without a port is accepted with the usual ones, as a proxy may or may not pass it on."""
    if host.rpartition("]")[2].count(":"):
        return [host]
    return [host, f"{host}:{port}"]
