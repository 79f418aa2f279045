"""Turns a request without a host into an answer, because hosts, credentials and limits are the operator's affair.

One pooled client for the process. It reads no proxy, certificate or netrc settings of its own, keeps no cookies, and
follows a redirect only for a reading request that stays on the same origin. What a caller brings of its own, a key, is
for that call only.
"""

from __future__ import annotations

import json
import logging
import math
import re
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, unquote

import anyio

from .service import ANYONE, ApiKey, BaseUrl, Basic, Caller, ConfigurationError, Digest, MutualTls, OAuth, Settings
from .tool import Operation, Refused
from .wire import Wire

if TYPE_CHECKING:
    import httpx2

    from .oauth import Tokens

audit = logging.getLogger(f"{__package__}.audit")
"""One line for each request that may change something."""

ANSWER_LIMIT = 8 * 1024 * 1024
_REDIRECTS = 5
_TOKEN_SECONDS = 30.0
_SAFE = ("GET", "HEAD")
_ATTEMPTS = 3
_PATIENCE = 30.0
"""Seconds that a reading call waits in all, where the API says how long."""
_REQUEST_IDS = ("x-request-id", "x-amzn-requestid", "request-id")
STREAMS = (
    "text/event-stream",
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonl",
    "application/jsonlines",
    "application/x-jsonlines",
    "application/json-lines",
    "application/json-seq",
    "application/stream+json",
)
"""Media types that may go on for ever: they are read for half of a call's time, because clients wait no longer."""


def is_json(media_type: str) -> bool:
    """Whether a media type holds JSON."""
    return media_type.endswith(("/json", "+json", "/x-json")) or media_type == "application/problem"


class Unanswered(Refused):
    """The API gave no answer that can be passed on; the text says what is known and what may have happened."""


class _Broken(Exception):
    """An answer that ended too early or cannot be read; the request may have been carried out."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API answered. `url` carries no credential; `credentials` names the variables that were used.

    `by_caller` tells whether they are a caller's own; `reads` whether the request could not change anything.
    """

    method: str
    url: str
    status: int
    reason: str
    headers: dict[str, str] = field(default_factory=dict)  # names in lower case
    body: bytes = b""
    credentials: tuple[str, ...] = ()
    by_caller: bool = False
    reads: bool = False
    cut: str = ""
    """Why `body` is not all: a clause that follows "it is not all, because"."""
    text: str = ""
    """What is said where there is no body."""


@dataclass(frozen=True, slots=True)
class _Grant:
    """What the credentials of an alternative add to a request."""

    query: list[str]
    headers: list[tuple[str, bytes]]
    digest: httpx2.DigestAuth | None = None
    certificate: MutualTls | None = None


class Client:
    """Sends requests to the service's servers with the operator's or a caller's credentials. Close it at the end.

    `timeout` is the time for one call in seconds.
    """

    def __init__(self, settings: Settings, timeout: float) -> None:
        self._settings = settings
        self.timeout = timeout
        self._http: dict[MutualTls | None, httpx2.AsyncClient] = {}
        self._tokens: dict[str, Tokens] = {}
        self._digests: dict[str, httpx2.DigestAuth] = {}
        self._lock = threading.Lock()
        agent = f"{settings.service.name}-mcp/{settings.service.version}".encode("ascii", "replace")
        stated = [(name, value.encode("ascii")) for name, value in settings.service.headers]
        self._agent = next((value for name, value in stated if name.lower() == "user-agent"), agent)
        self._headers = [*stated, ("Accept", b"application/json, */*;q=0.8"), ("User-Agent", agent)]

    async def aclose(self) -> None:
        """Close the pooled connections."""
        for client in self._http.values():
            await client.aclose()

    def prepare(self, certificate: MutualTls | None = None) -> httpx2.AsyncClient:
        """Make the pooled client for a client certificate or none, once; safe in any thread. It connects to nothing.

        Not made at start, because loading the certificates takes longer than listing the tools. Raises
        ConfigurationError for a client certificate that cannot be used (any more).
        """
        with self._lock:
            if certificate not in self._http:
                from http.cookiejar import CookieJar, DefaultCookiePolicy

                import httpx2

                context = httpx2.create_ssl_context(trust_env=False)
                if certificate is not None:
                    certificate.load(context, self._settings.values)
                self._http[certificate] = httpx2.AsyncClient(
                    verify=context,
                    trust_env=False,
                    follow_redirects=False,
                    cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                    limits=httpx2.Limits(max_connections=100, max_keepalive_connections=20),
                )
            return self._http[certificate]

    async def send(self, operation: Operation, wire: Wire, caller: Caller = ANYONE) -> Answer:
        """Send a request and read its answer within the time and size limits.

        It is sent again only where that changes nothing twice: once after a 401, with an access token that was fetched
        anew; and when it only reads, after the time that a 429 or 503 asks for. Raises Unanswered when a
        credential is missing, or when no complete answer came.
        """
        settings = self._settings.of(caller)
        service = settings.service
        requirements = service.requirements if operation.security is None else operation.security
        alternative = settings.choose(requirements)
        if alternative is None and caller.values is not None:
            raise Unanswered(f"{operation.name} needs a credential that did not come with this call: {caller.advice}")
        if alternative is None:
            raise Unanswered(
                f"{operation.name} needs a credential that this server was started without; ask the operator to "
                f"{settings.missing(requirements)} in the server's environment and to start it again"
            )
        if why := settings.unusable.get(operation.server):
            raise Unanswered(f"{operation.name} cannot be sent: {why}; that is for the operator of this server to do")
        base = settings.servers[operation.server]
        names = tuple(name for key in alternative for name in settings.way(service.security[key]) or ())
        now = anyio.current_time()
        deadline = min(now + self.timeout, caller.deadline)
        if deadline <= now:
            raise Unanswered(f"{operation.name} was not sent, because the {self.timeout:g} seconds of a call are over")
        renewed, attempts, waited = False, 1, 0.0
        while True:
            secrets = await self._secrets(settings, alternative, deadline)
            grant = self._authorize(wire, alternative, secrets)
            answer = await self._attempt(operation, base, wire, grant, deadline, caller)
            by_caller = caller.values is not None
            answer = replace(answer, credentials=names, by_caller=by_caller, reads=operation.reading)
            fetched = [key for key in alternative if key in self._tokens and not by_caller]
            if answer.status == 401 and fetched and not renewed:
                renewed = True
                for key in fetched:
                    self._tokens[key].refused(secrets[key])
                continue
            wait = _retry_after(answer) if operation.reading and attempts < _ATTEMPTS else None
            if wait is None or waited + wait > _PATIENCE or anyio.current_time() + wait >= deadline:
                return answer
            attempts, waited = attempts + 1, waited + wait
            await anyio.sleep(wait)

    async def _attempt(
        self, operation: Operation, base: BaseUrl, wire: Wire, grant: _Grant, deadline: float, caller: Caller
    ) -> Answer:
        """The answer to a request; whatever comes of one that may change something is in the audit log."""
        outcome: Answer | str = "cancelled"
        try:
            with anyio.fail_after(deadline - anyio.current_time()):
                outcome = await self._follow(base, wire, grant, operation.reading and wire.method in _SAFE)
            return outcome
        except TimeoutError:
            outcome = "timeout"
            after = f"{base.host} gave no complete answer to {wire.method} within {self.timeout:g} seconds"
            raise Unanswered(f"{after}; {_aftermath(operation)}") from None
        except _Broken as error:
            outcome = "broken"
            raise Unanswered(f"{error}; {_aftermath(operation)}") from None
        except Unanswered:
            outcome = "unsent"
            raise
        finally:
            if not operation.reading:
                self._audit(operation, caller, outcome)

    def _audit(self, operation: Operation, caller: Caller, outcome: Answer | str) -> None:
        known = {
            "tool": caller.tool or operation.name,
            "operation": operation.id or f"{operation.method} {operation.path}",
            "request": self._settings.mask(caller.request),
        }
        if isinstance(outcome, Answer):
            known["status"] = str(outcome.status)
            stated = next((outcome.headers[name] for name in _REQUEST_IDS if name in outcome.headers), "")
            if re.fullmatch(r"[!-~]{1,128}", stated):
                known["upstream"] = self._settings.mask(stated)
        else:
            known |= {"status": "none", "reason": outcome}
        audit.info(" ".join(["audit", *(f"{key}={_word(value)}" for key, value in known.items())]))

    async def _secrets(self, settings: Settings, alternative: tuple[str, ...], deadline: float) -> dict[str, str]:
        """What is sent for each credential that is sent as it is; a token is fetched here if there is none."""
        values = settings.values
        secrets: dict[str, str] = {}
        for key in alternative:
            scheme = settings.service.security[key]
            if isinstance(scheme, ApiKey | Basic):
                secrets[key] = scheme.secret(values)
            elif isinstance(scheme, OAuth) and scheme.token in values:
                secrets[key] = f"{scheme.word} {values[scheme.token]}"
            elif isinstance(scheme, OAuth):  # the operator's: a caller brings the token itself
                if key not in self._tokens:
                    from .oauth import Tokens

                    self._tokens[key] = Tokens(scheme, self._settings, self.prepare, self._agent)
                tokens = self._tokens[key]
                try:
                    with anyio.fail_after(min(_TOKEN_SECONDS, deadline - anyio.current_time())):
                        secrets[key] = f"{scheme.word} {await tokens.get()}"
                except TimeoutError:
                    raise Unanswered(
                        f"{tokens.host} gave no access token in time; nothing was carried out, the call can be repeated"
                    ) from None
        return secrets

    async def _follow(self, base: BaseUrl, wire: Wire, grant: _Grant, safe: bool) -> Answer:
        """The answer to a request; one that is `safe` follows redirects, and is repeated when a connection is lost."""
        import httpx2

        origin = base.origin
        target = base.path + wire.path
        public = _without(grant, wire.query)
        hops = 0
        while True:
            public_url = f"{origin}{target}" + (f"?{public}" if public else "")
            pairs = "&".join(filter(None, [public, *grant.query]))
            answer = await self._answer(origin, f"{target}?{pairs}" if pairs else target, public_url, wire, grant, safe)
            location = answer.headers.get("location", "")
            if answer.status not in (301, 302, 303, 307, 308) or not safe or not location:
                return answer
            try:
                here = httpx2.URL(public_url)
                there = here.join(location)
            except (httpx2.InvalidURL, ValueError):
                return answer
            if (there.scheme, there.host, there.port) != (here.scheme, here.host, here.port) or there.userinfo:
                return answer
            if hops == _REDIRECTS:
                raise Unanswered(f"{here.host} redirected {wire.method} more than {_REDIRECTS} times; gave up")
            hops += 1
            target, _, query = there.raw_path.decode("ascii").partition("?")
            public = _without(grant, query.split("&"))

    def _authorize(self, wire: Wire, alternative: tuple[str, ...], secrets: Mapping[str, str]) -> _Grant:
        """A request's credentials, all its headers among them.

        They win over an argument of that name, and that over a header of every request.
        """
        query: list[str] = []
        headers = list(wire.headers)
        cookies = list(wire.cookies)
        digest: httpx2.DigestAuth | None = None
        certificate: MutualTls | None = None
        for key in alternative:
            scheme = self._settings.service.security[key]
            secret = secrets.get(key, "")
            if isinstance(scheme, MutualTls):
                certificate = scheme
            elif isinstance(scheme, Digest):
                digest = self._digest(key, scheme)
                headers = [header for header in headers if header[0].lower() != "authorization"]
            elif scheme.place == "query":
                query.append(f"{quote(scheme.name, safe='')}={quote(secret, safe='')}")
            elif scheme.place == "cookie":
                cookies.append(f"{scheme.name}={secret}")
            else:
                headers = [header for header in headers if header[0].lower() != scheme.name.lower()]
                headers.append((scheme.name, secret.encode("latin-1")))
        present = {name.lower() for name, _ in headers}
        for name, value in self._headers:
            if name.lower() not in present:
                present.add(name.lower())
                headers.append((name, value))
        headers = [header for header in headers if header[0].lower() != "accept-encoding"]
        headers.append(("Accept-Encoding", b"gzip, deflate"))
        if cookies:
            headers.append(("Cookie", "; ".join(cookies).encode("latin-1")))
        return _Grant(query, headers, digest, certificate)

    def _digest(self, key: str, scheme: Digest) -> httpx2.DigestAuth:
        """Of a scheme there is one, because it remembers the newest challenge."""
        if key not in self._digests:
            import httpx2

            user, password = (self._settings.values[name] for name in scheme.variables)
            self._digests[key] = httpx2.DigestAuth(user, password)
        return self._digests[key]

    async def _answer(self, origin: str, target: str, public_url: str, wire: Wire, grant: _Grant, safe: bool) -> Answer:
        """The answer to one request, or to its repetition when HTTP digest is challenged."""
        client = self._client(grant)
        if grant.digest is None:
            return (await self._once(client, origin, target, public_url, wire, grant.headers, safe))[0]
        import httpx2

        # What the flow reads and writes of a request; the client's own has the origin instead of the target.
        request = SimpleNamespace(method=wire.method, url=SimpleNamespace(raw_path=target.encode("ascii")), headers={})
        try:
            flow = grant.digest.auth_flow(cast(httpx2.Request, request))
            next(flow)
            while True:
                digest = [(name, value.encode()) for name, value in request.headers.items()]
                headers = [*grant.headers, *digest]
                answer, received = await self._once(client, origin, target, public_url, wire, headers, safe)
                challenges = [("WWW-Authenticate", line) for line in received.get_list("www-authenticate")]
                flow.send(httpx2.Response(answer.status, headers=challenges))
        except StopIteration:
            return answer
        except (httpx2.ProtocolError, NotImplementedError, ValueError) as error:
            host = origin.partition("://")[2]
            raise Unanswered(
                f"{host} answered 401 and asks for HTTP digest authentication in a way that this server does not "
                f"know: {error}; nothing was carried out"
            ) from None

    def _client(self, grant: _Grant) -> httpx2.AsyncClient:
        try:
            return self.prepare(grant.certificate)
        except ConfigurationError as error:
            raise Unanswered(f"{error}; nothing was sent, and the operator of this server must correct it") from None

    async def _once(
        self,
        client: httpx2.AsyncClient,
        origin: str,
        target: str,
        public_url: str,
        wire: Wire,
        headers: list[tuple[str, bytes]],
        safe: bool,
    ) -> tuple[Answer, httpx2.Headers]:
        import httpx2

        seconds = self.timeout
        extensions: dict[str, Any] = {
            # The request line exactly as built: the client would normalise a URL.
            "target": target.encode("ascii"),
            "timeout": httpx2.Timeout(seconds, connect=min(seconds, 15.0)).as_dict(),
        }
        host = origin.partition("://")[2]
        attempts = 2 if safe else 1
        while True:
            attempts -= 1
            request = httpx2.Request(
                wire.method,
                origin,
                headers=[(name.encode("ascii"), value) for name, value in headers],
                content=wire.body,
                extensions=extensions,
            )
            try:
                response = await client.send(request, stream=True, auth=None)
                break
            except httpx2.ConnectTimeout:
                raise Unanswered(f"{host} did not accept a connection in time; nothing was carried out") from None
            except httpx2.ConnectError as error:
                why = self._settings.mask(str(error)) or type(error).__name__
                raise Unanswered(f"could not connect to {host}: {why}; nothing was carried out") from None
            except httpx2.LocalProtocolError as error:
                why = self._settings.mask(str(error))
                raise Unanswered(f"the request cannot be written as HTTP: {why}; nothing was sent") from None
            except httpx2.TimeoutException:
                raise TimeoutError from None
            except httpx2.RequestError as error:
                if attempts == 0:
                    raise self._broken(host, error) from None
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        streams = media_type in STREAMS
        window = seconds / 2 if streams and wire.complete is None else math.inf
        body = bytearray()
        cut = ""
        try:
            with anyio.move_on_after(window) as clock:
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > ANSWER_LIMIT:
                        cut = f"it is larger than {ANSWER_LIMIT // 2**20} MiB"
                        break
                    if streams and wire.complete is not None and wire.complete(body):
                        break
            if clock.cancelled_caught:
                cut = f"it is a stream that was still open after {window:g} seconds"
        except httpx2.TimeoutException:
            raise TimeoutError from None
        except httpx2.RequestError as error:
            if not body or not streams:
                raise self._broken(host, error) from None
            cut = "the connection broke off"
        finally:
            await response.aclose()
        known = {name.lower(): value for name, value in response.headers.items()}
        status, reason = response.status_code, response.reason_phrase
        return Answer(wire.method, public_url, status, reason, known, bytes(body), cut=cut), response.headers

    def _broken(self, host: str, error: Exception) -> _Broken:
        why = self._settings.mask(str(error)) or type(error).__name__
        return _Broken(f"the answer of {host} broke off or cannot be read: {why}")


def _without(grant: _Grant, query: Iterable[str]) -> str:
    """A query without what the credentials say of it: an API may have put its own into the link to a next page."""
    own = {pair.partition("=")[0] for pair in grant.query}
    return "&".join(pair for pair in query if quote(unquote(pair.partition("=")[0]), safe="") not in own)


def _aftermath(operation: Operation) -> str:
    if operation.reading:
        return "nothing was changed, the call can be repeated"
    return "the API may have carried the request out all the same: check before repeating it"


def _retry_after(answer: Answer) -> float | None:
    """The seconds after which a 429 or 503 asks to be asked again (RFC 9110, 10.2.3); None if it does not."""
    if answer.status not in (429, 503):
        return None
    stated = answer.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", stated):  # a fraction is not in the RFC, and sent all the same
        return float(stated)
    try:
        wait = parsedate_to_datetime(stated).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return wait if wait >= 0 else None


def _word(value: str) -> str:
    """A value for a line of `key=value`, quoted where it holds anything that could be taken for something else."""
    if re.fullmatch(r"[A-Za-z0-9_.:/@+*-]{1,200}", value):
        return value
    return json.dumps(value[:200]).replace("\x7f", "\\u007f")
