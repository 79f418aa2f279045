"""Turns the credentials of an OAuth 2.0 client into access tokens, because those of most APIs expire within the hour.

A token is fetched at the first call that needs it, by one call at a time, and kept in memory only. Sources: RFC 6749
(2.3.1 client authentication, 4.4 client credentials, 5 answers, 6 refresh), OpenID Connect Discovery 1.0.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import anyio

from .service import OAuth, Settings, is_private
from .tool import shorten
from .upstream import Unanswered

if TYPE_CHECKING:
    import httpx2

_ANSWER_LIMIT = 256 * 1024
_MARGIN = 60.0  # seconds before its end from which a token is not used any more, or a tenth of its life if less
_TOKEN = re.compile(r"[\x21-\x7e]+")  # RFC 6749 A.12 without the blank, which RFC 6750 does not allow in the header


class Tokens:
    """The access tokens of one scheme. `http` gives the pooled client, `agent` is the User-Agent."""

    def __init__(self, scheme: OAuth, settings: Settings, http: Callable[[], httpx2.AsyncClient], agent: bytes) -> None:
        self._scheme = scheme
        self._settings = settings
        self._http = http
        self._agent = agent
        values = settings.values
        self._endpoint = values.get(scheme.token_url_env, "") or scheme.token_url
        self._post = scheme.client_auth == "post"
        can_refresh = "refresh_token" in scheme.grants
        self._refresh_token = values.get(scheme.refresh_token, "") if can_refresh else ""
        self._token = ""
        self._until = 0.0  # by time.monotonic()
        self._failures, self._failure = 0, ""
        self._lock = anyio.Lock()

    @property
    def host(self) -> str:
        """The host that is asked for a token, as far as it is known."""
        return urlsplit(self._endpoint or self._scheme.openid_url).netloc

    async def get(self) -> str:
        """A token that has not expired. Raises Unanswered with what the operator has to do when there is none."""
        failures = self._failures
        if not self._is_fresh():
            async with self._lock:
                if self._failures > failures:  # while this call waited: it would not fare better
                    raise Unanswered(self._failure)
                if not self._is_fresh():
                    try:
                        await self._fetch()
                    except Unanswered as error:
                        self._failures, self._failure = self._failures + 1, str(error)
                        raise
        return self._token

    def refused(self, secret: str) -> None:
        """Forget the token that the API did not accept, unless another call has done so; the next `get` fetches one."""
        if secret == f"{self._scheme.word} {self._token}":
            self._until = 0.0

    def _is_fresh(self) -> bool:
        return time.monotonic() < self._until

    async def _fetch(self) -> None:
        import httpx2

        started = time.monotonic()
        if not self._endpoint:
            await self._discover()
        form, authorization = self._request()
        headers = {"Content-Type": "application/x-www-form-urlencoded", **authorization}
        status, value = await self._ask(
            httpx2.Request("POST", self._endpoint, content=urlencode(form), headers=headers)
        )
        token = value.get("access_token")
        if not 200 <= status < 300 or not isinstance(token, str):
            raise self._unanswered(*self._reason(status, value, form))
        self._settings.mask.learn(token)
        if not _TOKEN.fullmatch(token):
            raise self._unanswered("it answered with an access token that no header can carry")
        kind = value.get("token_type") or "bearer"
        if not isinstance(kind, str) or kind.lower() not in ("bearer", self._scheme.word.lower()):
            raise self._unanswered(f"it answered with a token of the type {shorten(repr(kind), 40)}, not Bearer")
        rotated = value.get("refresh_token")
        if self._refresh_token and isinstance(rotated, str) and rotated:
            self._settings.mask.learn(rotated)
            self._refresh_token = rotated
        self._token, self._until = token, started + _lifetime(value.get("expires_in"))

    def _request(self) -> tuple[dict[str, str], dict[str, str]]:
        """The form of a token request, and the header that authenticates the client."""
        scheme, values = self._scheme, self._settings.values
        scopes = values.get(scheme.scopes_env, "")
        if self._refresh_token:
            form = {"grant_type": "refresh_token", "refresh_token": self._refresh_token}
        else:
            form = {"grant_type": "client_credentials"}
            scopes = scopes or " ".join(scheme.scopes)
        if scopes:
            form["scope"] = scopes
        if scheme.client_secret in values and not self._post:
            return form, {"Authorization": scheme.client(values)}
        form["client_id"] = values[scheme.client_id]
        if scheme.client_secret in values:
            form["client_secret"] = values[scheme.client_secret]
        return form, {}

    async def _discover(self) -> None:
        """Read the token endpoint from the discovery document; only one of the same origin is believed."""
        import httpx2

        url = self._scheme.openid_url
        status, value = await self._ask(httpx2.Request("GET", url))
        endpoint = value.get("token_endpoint")
        way_out = f"ask the operator to set {self._scheme.token_url_env} to the token endpoint"
        if status != 200 or not isinstance(endpoint, str):
            said = f"it answered {_status(status)}" if status != 200 else "it names no token endpoint"
            raise self._unanswered(f"the discovery document {url} cannot be used: {said}", way_out)
        if not is_private(endpoint) or _origin(endpoint) != _origin(url):
            # It would decide where the client's secret goes.
            said = (
                f"the discovery document names the token endpoint {shorten(endpoint, 200)}, which is not of its origin"
            )
            raise self._unanswered(said, f"{way_out} if that is right")
        methods = value.get("token_endpoint_auth_methods_supported")
        if isinstance(methods, list) and "client_secret_post" in methods and "client_secret_basic" not in methods:
            self._post = True
        self._endpoint = endpoint

    async def _ask(self, request: httpx2.Request) -> tuple[int, dict[str, Any]]:
        """Status and JSON object of an answer; an empty object for any other text."""
        import httpx2

        request.headers.update({"Accept": "application/json", "Accept-Encoding": "identity"})
        request.headers["User-Agent"] = self._agent.decode("ascii")
        request.extensions["timeout"] = httpx2.Timeout(60.0, connect=15.0).as_dict()  # the caller waits less
        body = bytearray()
        try:
            response = await self._http().send(request, stream=True, auth=None, follow_redirects=False)
            try:
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > _ANSWER_LIMIT:
                        raise self._unanswered(f"its answer is larger than {_ANSWER_LIMIT // 1024} KiB")
            finally:
                await response.aclose()
        except httpx2.ConnectTimeout:
            raise self._unanswered("it did not accept a connection in time", _LATER) from None
        except httpx2.TimeoutException:
            raise TimeoutError from None
        except httpx2.RequestError as error:
            why = self._settings.mask(str(error)) or type(error).__name__
            raise self._unanswered(f"it could not be reached or broke off: {why}", _LATER) from None
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            value = None
        return response.status_code, value if isinstance(value, dict) else {}

    def _reason(self, status: int, value: dict[str, Any], form: dict[str, str]) -> tuple[str, str]:
        """Why there is no token in an answer (RFC 6749, 5.2), and what to do."""
        scheme, values = self._scheme, self._settings.values
        code, description = (value.get(key) for key in ("error", "error_description"))
        said = ": ".join(shorten(" ".join(part.split()), 300) for part in (code, description) if isinstance(part, str))
        what = f"it answered {_status(status)}" + (f", {said}" if said else "")
        way = [n for n in (scheme.client_id, scheme.client_secret) if n in values]
        check = f"ask the operator to check {' and '.join(way)}"
        if status < 300 and not said:
            return f"{what} without an access token", check
        if 300 <= status < 400:
            return f"{what}, and a token request is not redirected", f"ask the operator to set {scheme.token_url_env}"
        if status >= 500 or status == 429:
            return what, _LATER
        if code == "invalid_scope":
            asked = form.get("scope", "no scope")
            return what, f"it was asked for {shorten(asked, 300)}: the operator can set {scheme.scopes_env} to others"
        if code == "invalid_grant" and self._refresh_token:
            return what, f"ask the operator to set {scheme.refresh_token} to a new refresh token"
        if code in ("unauthorized_client", "unsupported_grant_type"):
            return what, f"this client may not use the grant {form['grant_type']}; {check}, or to set {scheme.token}"
        return what, check

    def _unanswered(self, what: str, way_out: str = "") -> Unanswered:
        where = self.host
        hint = f"; {way_out}" if way_out else ""
        return Unanswered(self._settings.mask(f"no access token from {where}: {what}; nothing was carried out{hint}"))


_LATER = "try again later"


def _lifetime(stated: Any) -> float:
    """Seconds for which a token is used; without a statement until the API refuses it."""
    try:
        seconds = float(stated)
    except (TypeError, ValueError, OverflowError):
        return math.inf
    return 0.0 if math.isnan(seconds) else seconds - min(_MARGIN, seconds / 10)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
