"""Turns a request without a host into an answer, because hosts, credentials and limits are the operator's affair.

One pooled client for the process. It reads no proxy, certificate or netrc settings of its own, keeps no cookies, and
follows a redirect only for a reading request that stays on the same origin.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import anyio

from .service import Settings
from .tool import Operation, Refused
from .wire import Wire

if TYPE_CHECKING:
    import httpx2

ANSWER_LIMIT = 8 * 1024 * 1024
_REDIRECTS = 5
_SAFE = ("GET", "HEAD")
_READS = ("GET", "HEAD", "OPTIONS", "QUERY", "TRACE")


class Unanswered(Refused):
    """The API gave no answer that can be passed on; the text says what is known and what may have happened."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API answered. `url` carries no credential; `credentials` names the variables that were used."""

    method: str
    url: str
    status: int
    reason: str
    headers: dict[str, str] = field(default_factory=dict)  # names in lower case
    body: bytes = b""
    credentials: tuple[str, ...] = ()


class Client:
    """Sends requests to the service's servers with the operator's credentials. Close it at the end."""

    def __init__(self, settings: Settings, timeout: float) -> None:
        self._settings = settings
        self._timeout = timeout
        self._http: httpx2.AsyncClient | None = None
        self._lock = threading.Lock()
        self._agent = f"{settings.service.name}-mcp/{settings.service.version}".encode("ascii", "replace")

    async def aclose(self) -> None:
        """Close the pooled connections."""
        if self._http is not None:
            await self._http.aclose()

    def prepare(self) -> httpx2.AsyncClient:
        """Make the pooled client, once; safe in any thread. It connects to nothing.

        Not made at start, because loading the certificates takes longer than listing the tools.
        """
        with self._lock:
            if self._http is None:
                from http.cookiejar import CookieJar, DefaultCookiePolicy

                import httpx2

                self._http = httpx2.AsyncClient(
                    trust_env=False,
                    follow_redirects=False,
                    cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                    limits=httpx2.Limits(max_connections=100, max_keepalive_connections=20),
                )
            return self._http

    async def send(self, operation: Operation, wire: Wire) -> Answer:
        """Send a request and read its answer whole, within the time and size limits.

        Raises Unanswered when a credential is missing, or when no complete answer came.
        """
        service = self._settings.service
        requirements = service.requirements if operation.security is None else operation.security
        alternative = self._settings.choose(requirements)
        if alternative is None:
            raise Unanswered(
                f"{operation.name} needs a credential that this server was started without; ask the operator to "
                f"{self._settings.missing(requirements)} in the server's environment and to start it again"
            )
        base = self._settings.servers[operation.server]
        host = base.host
        try:
            with anyio.fail_after(self._timeout):
                return await self._follow(base.origin, base.path, wire, alternative)
        except TimeoutError:
            after = f"{host} gave no complete answer to {wire.method} within {self._timeout:g} seconds"
            raise Unanswered(f"{after}; {_aftermath(wire.method)}") from None

    async def _follow(self, origin: str, base_path: str, wire: Wire, alternative: tuple[str, ...]) -> Answer:
        import httpx2

        query, headers = self._authorize(wire, alternative)
        target = base_path + wire.path
        public = "&".join(wire.query)
        hops = 0
        while True:
            public_url = f"{origin}{target}" + (f"?{public}" if public else "")
            pairs = "&".join(filter(None, [public, *query]))
            answer = await self._once(origin, f"{target}?{pairs}" if pairs else target, public_url, wire, headers)
            location = answer.headers.get("location", "")
            if answer.status not in (301, 302, 303, 307, 308) or wire.method not in _SAFE or not location:
                break
            try:
                here = httpx2.URL(public_url)
                there = here.join(location)
            except (httpx2.InvalidURL, ValueError):
                break
            if (there.scheme, there.host, there.port) != (here.scheme, here.host, here.port) or there.userinfo:
                break
            if hops == _REDIRECTS:
                raise Unanswered(f"{here.host} redirected {wire.method} more than {_REDIRECTS} times; gave up")
            hops += 1
            path, _, public = there.raw_path.decode("ascii").partition("?")
            target = path
        names = [name for key in alternative for name in self._settings.service.security[key].variables]
        return Answer(wire.method, answer.url, answer.status, answer.reason, answer.headers, answer.body, tuple(names))

    def _authorize(self, wire: Wire, alternative: tuple[str, ...]) -> tuple[list[str], list[tuple[str, bytes]]]:
        """Query pairs and headers with the credentials of an alternative, which win over an argument of that name."""
        query: list[str] = []
        headers = list(wire.headers)
        cookies = list(wire.cookies)
        for key in alternative:
            scheme = self._settings.service.security[key]
            secret = scheme.secret(self._settings.values)
            if scheme.place == "query":
                query.append(f"{quote(scheme.name, safe='')}={quote(secret, safe='')}")
            elif scheme.place == "cookie":
                cookies.append(f"{scheme.name}={secret}")
            else:
                headers = [header for header in headers if header[0].lower() != scheme.name.lower()]
                headers.append((scheme.name, secret.encode("latin-1")))
        present = {name.lower() for name, _ in headers}
        if "accept" not in present:
            headers.append(("Accept", b"application/json, */*;q=0.8"))
        if "user-agent" not in present:
            headers.append(("User-Agent", self._agent))
        headers = [header for header in headers if header[0].lower() != "accept-encoding"]
        headers.append(("Accept-Encoding", b"gzip, deflate"))
        if cookies:
            headers.append(("Cookie", "; ".join(cookies).encode("latin-1")))
        return query, headers

    async def _once(
        self, origin: str, target: str, public_url: str, wire: Wire, headers: list[tuple[str, bytes]]
    ) -> Answer:
        import httpx2

        client = self.prepare()
        seconds = self._timeout
        extensions: dict[str, Any] = {
            # The request line exactly as built: the client would normalise a URL.
            "target": target.encode("ascii"),
            "timeout": httpx2.Timeout(seconds, connect=min(seconds, 15.0)).as_dict(),
        }
        host = origin.partition("://")[2]
        attempts = 2 if wire.method in _SAFE else 1
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
                    raise self._broken(host, wire.method, error) from None
        try:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > ANSWER_LIMIT:
                    raise Unanswered(
                        f"{wire.method} was answered with {response.status_code}, but the answer is larger than "
                        f"{ANSWER_LIMIT // 2**20} MiB and was not read to its end; ask for less, for example with a "
                        "filter or a smaller page"
                    )
        except httpx2.TimeoutException:
            raise TimeoutError from None
        except httpx2.RequestError as error:
            raise self._broken(host, wire.method, error) from None
        finally:
            await response.aclose()
        known = {name.lower(): value for name, value in response.headers.items()}
        return Answer(wire.method, public_url, response.status_code, response.reason_phrase, known, bytes(body))

    def _broken(self, host: str, method: str, error: Exception) -> Unanswered:
        why = self._settings.mask(str(error)) or type(error).__name__
        return Unanswered(f"the answer of {host} broke off or cannot be read: {why}; {_aftermath(method)}")


def _aftermath(method: str) -> str:
    if method in _READS:
        return "nothing was changed, the call can be repeated"
    return "the API may have carried the request out all the same: check before repeating it"
