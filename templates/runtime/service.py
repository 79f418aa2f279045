"""Turns the declaration of a service and the environment into settings, because a server reads nothing else.

Everything that can be wrong with them is said once, at start, in one sentence (ConfigurationError).
"""

from __future__ import annotations

import base64
import ipaddress
import json
import logging
import math
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote, quote_plus, urlsplit

if TYPE_CHECKING:
    import ssl

    from .tool import Operation

_NAMES = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_COOKIE_SAFE = "!#$&'()*+-./:<=>?@[]^_`{|}~%"  # RFC 6265 cookie-octets: no blank, comma, semicolon, quote, backslash

Requirements: TypeAlias = tuple[tuple[str, ...], ...]
Names: TypeAlias = tuple[str, ...]


class ConfigurationError(Exception):
    """The server cannot start like this; the text is one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a server URL, which the operator may set in the environment."""

    name: str
    default: str = ""
    env: str = ""
    enum: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Upstream:
    """A base URL of the API; `env` names the environment variable that replaces it as a whole."""

    url: str
    env: str = ""
    variables: tuple[Variable, ...] = ()


# Every scheme says which environment variables it reads, which of them together are enough (`ways`, the first complete
# one is used), what each is for, and what of their values must never be shown.


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A credential sent in a header, in the query or as a cookie; `{NAME}` in the value is an environment variable."""

    place: str
    name: str
    value: str

    @property
    def variables(self) -> Names:
        return tuple(dict.fromkeys(_NAMES.findall(self.value)))

    @property
    def ways(self) -> tuple[Names, ...]:
        return (self.variables,)

    def purpose(self, name: str) -> str:
        return f"credential, sent in the {self.place} {self.name}"

    def secret(self, values: Mapping[str, str]) -> str:
        """The value as it is sent."""
        text = _NAMES.sub(lambda match: values[match[1]], self.value)
        return quote(text, safe=_COOKIE_SAFE) if self.place == "cookie" else text

    def secrets(self, values: Mapping[str, str]) -> Iterator[str]:
        yield from (values[name] for name in self.variables if name in values)
        if all(name in values for name in self.variables):
            yield self.secret(values)


@dataclass(frozen=True, slots=True)
class Basic:
    """HTTP basic authentication (RFC 7617); both variables must be set, the password may be empty."""

    user: str
    password: str
    place = "header"
    name = "Authorization"

    @property
    def variables(self) -> Names:
        return (self.user, self.password)

    @property
    def ways(self) -> tuple[Names, ...]:
        return (self.variables,)

    def purpose(self, name: str) -> str:
        return "user name" if name == self.user else "password, may be empty"

    def secret(self, values: Mapping[str, str]) -> str:
        """The value as it is sent."""
        return _basic(values[self.user], values[self.password])

    def secrets(self, values: Mapping[str, str]) -> Iterator[str]:
        yield from (values[name] for name in self.variables if name in values)
        if all(name in values for name in self.variables):
            yield self.secret(values)
            yield self.secret(values).removeprefix("Basic ")


@dataclass(frozen=True, slots=True)
class Digest:
    """HTTP digest authentication (RFC 7616); both variables must be set, the password may be empty."""

    user: str
    password: str

    @property
    def variables(self) -> Names:
        return (self.user, self.password)

    @property
    def ways(self) -> tuple[Names, ...]:
        return (self.variables,)

    def purpose(self, name: str) -> str:
        return "user name" if name == self.user else "password, may be empty"

    def secrets(self, values: Mapping[str, str]) -> Iterator[str]:
        yield from (values[name] for name in self.variables if name in values)


@dataclass(frozen=True, slots=True)
class MutualTls:
    """A client certificate and its private key, each a file in PEM; both may be in one file."""

    certificate: str
    key: str

    @property
    def variables(self) -> Names:
        return (self.certificate, self.key)

    @property
    def ways(self) -> tuple[Names, ...]:
        return (self.variables,)

    def purpose(self, name: str) -> str:
        return "file of the client certificate, PEM" if name == self.certificate else "file of its private key, PEM"

    def secrets(self, values: Mapping[str, str]) -> Iterator[str]:
        return iter(())

    def load(self, context: ssl.SSLContext, values: Mapping[str, str]) -> None:
        """Read both files into a TLS context. Raises ConfigurationError when that fails."""
        for name in self.variables:
            try:
                with open(values[name], "rb"):
                    pass
            except (OSError, ValueError) as error:
                why = getattr(error, "strerror", None) or "not a file name"
                raise ConfigurationError(f"{name} names a file that cannot be read: {why}") from None
        try:
            # Without the password, OpenSSL would ask on the terminal.
            context.load_cert_chain(values[self.certificate], values[self.key], password=lambda: "")
        except (OSError, ValueError):  # an SSLError is an OSError
            raise ConfigurationError(
                f"the files that {self.certificate} and {self.key} name are not a certificate and its private key in "
                "PEM without a passphrase"
            ) from None


@dataclass(frozen=True, slots=True)
class OAuth:
    """An OAuth 2.0 access token, sent as `word TOKEN`: given in the environment, or fetched by this server.

    It is fetched with a refresh token or the client's own credentials (RFC 6749, 6 and 4.4), whichever of `grants` has
    its variables set, from `token_url`, or from the endpoint that the discovery document at `openid_url` names.
    `scopes` are asked for unless the variable `scopes_env` says otherwise; `client_auth` is "basic" or "post"
    (RFC 6749, 2.3.1).
    """

    word: str
    token: str
    client_id: str = ""
    client_secret: str = ""
    refresh_token: str = ""
    token_url: str = ""
    token_url_env: str = ""
    openid_url: str = ""
    scopes: tuple[str, ...] = ()
    scopes_env: str = ""
    grants: tuple[str, ...] = ("refresh_token", "client_credentials")
    client_auth: str = "basic"
    place = "header"
    name = "Authorization"

    @property
    def variables(self) -> Names:
        fetching = (self.client_id, self.client_secret, self.refresh_token, self.scopes_env, self.token_url_env)
        return (self.token, *filter(None, fetching))

    @property
    def ways(self) -> tuple[Names, ...]:
        place: Names = () if self.token_url or self.openid_url else (self.token_url_env,)
        fetching = {
            "refresh_token": (self.refresh_token, self.client_id, *place),
            "client_credentials": (self.client_id, self.client_secret, *place),
        }
        return ((self.token,), *(fetching[grant] for grant in self.grants if all(fetching[grant])))

    def purpose(self, name: str) -> str:
        endpoint = self.token_url or (f"as {self.openid_url} says" if self.openid_url else "")
        scopes = " ".join(self.scopes)
        scopes = scopes if len(scopes) <= 200 else f"{scopes[:199]}…"
        return {
            self.token: f"access token, sent in the {self.place} {self.name}",
            self.client_id: "client id, to fetch access tokens with",
            self.client_secret: "client secret",
            self.refresh_token: "refresh token, to fetch access tokens with",
            self.scopes_env: f"scopes to ask for{f', default {scopes}' if scopes else ''}",
            self.token_url_env: f"token endpoint{f', default {endpoint}' if endpoint else ''}",
        }[name]

    def client(self, values: Mapping[str, str]) -> str:
        """What authenticates the client at the token endpoint with `client_auth` "basic"."""
        return _basic(quote_plus(values[self.client_id]), quote_plus(values[self.client_secret]))

    def secrets(self, values: Mapping[str, str]) -> Iterator[str]:
        for name in (self.token, self.client_secret, self.refresh_token):
            if name in values:
                yield values[name]
                yield quote_plus(values[name])
        if self.client_id in values and self.client_secret in values:
            yield self.client(values).removeprefix("Basic ")


Scheme: TypeAlias = ApiKey | Basic | Digest | MutualTls | OAuth


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """Serving over HTTP: whose credential is used, and which pages may call.

    `credential` is caller, environment, or auto: the environment's where it is set, else each caller's own. A caller's
    key comes in `header`, `value` is what is in there, `{KEY}` for the key; both are by default as the API takes it.
    """

    credential: str = "auto"
    header: str = ""
    value: str = ""
    cors_origins: Names = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """What becomes of an error of the API.

    Statuses in `protocol` are JSON-RPC errors, every other one is a result that says so; `hints` are added to what is
    said of a status.
    """

    protocol: tuple[int, ...] = ()
    hints: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """All that differs between two generated servers, apart from their tools.

    `requirements` is an OR of ANDs of names in `security`; `()` means no credential, an empty inner tuple that
    anonymous calls are allowed too.
    """

    name: str
    title: str
    version: str
    package: str
    instructions: str = ""
    servers: Mapping[str, Upstream] = field(default_factory=dict)
    security: Mapping[str, Scheme] = field(default_factory=dict)
    requirements: Requirements = ()
    headers: tuple[tuple[str, str], ...] = ()
    """Headers of every request, where neither its operation nor a credential has one of that name."""
    http: Http = Http()
    errors: Errors = Errors()
    contexts: Mapping[str, str] = field(default_factory=dict)
    """Operations that are called once for values that others need: name → place of the class, `users:GetUser`."""
    context_headers: tuple[tuple[str, str], ...] = ()
    """Headers of every request whose value is in the answer of a context: From → me.user.email."""
    endpoint: Operation | None = None
    """The MCP server to which calls of the tools are passed on; None for an API."""

    def environment(self) -> Iterator[tuple[str, str]]:
        """Every environment variable that the server reads, with a word about it."""
        for scheme in self.security.values():
            for name in scheme.variables:
                yield name, scheme.purpose(name)
        for key, upstream in self.servers.items():
            where = "the API" if key == "" else f"the API's server {key}"
            if upstream.env:
                default = f"default {upstream.url}" if upstream.url else "required"
                yield upstream.env, f"base URL of {where} ({default})"
            for variable in upstream.variables:
                if variable.env:
                    choice = f", one of {', '.join(variable.enum)}" if variable.enum else ""
                    yield variable.env, f"{variable.name} in {upstream.url} (default {variable.default!r}{choice})"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls a tool: the values of the variables of its credential, None for the environment's, and its request.

    `advice` is how callers send their key: a clause for one who did not. `tool` is the name of a tool that calls
    operations of other names. `deadline` is when the call must have ended, on the clock of the event loop.
    """

    values: Mapping[str, str] | None = field(default=None, repr=False)
    request: str = ""
    advice: str = ""
    tool: str = ""
    deadline: float = math.inf


ANYONE = Caller()


_OWN: ContextVar[tuple[str, ...]] = ContextVar("own", default=())
"""What the present caller's secrets look like."""


class Mask:
    """Replaces credentials by `***` in a text, in the forms in which they turn up in messages."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._fixed = {form for secret in secrets for form in _forms(secret)}
        self._learned: deque[str] = deque(maxlen=32)
        self._known = frozenset(self._fixed)
        self._callers: Counter[str] = Counter()

    def learn(self, secret: str) -> None:
        """Hide one more, that came while the server runs; the newest of them stay hidden."""
        if secret not in self._learned:
            self._learned.append(secret)
            self._known = frozenset(self._fixed.union(*map(_forms, self._learned)))

    @contextmanager
    def hiding(self, secrets: Iterable[str]) -> Iterator[None]:
        """Hide a caller's too until the end of the block: in what that caller is told, and in whatever is logged.

        What other callers are told is left alone, or a made-up key could blank out their words.
        """
        forms = tuple({form for secret in secrets for form in _forms(secret)})
        outer = _OWN.set(forms)
        self._callers.update(forms)
        try:
            yield
        finally:
            self._callers -= Counter(forms)
            _OWN.reset(outer)

    def __call__(self, text: str) -> str:
        return _hidden(text, self._known.union(_OWN.get()))

    def log(self, text: str) -> str:
        """The text without the secrets of anyone whose request is being served."""
        return _hidden(text, self._known.union(_OWN.get(), list(self._callers)))


def _hidden(text: str, forms: Iterable[str]) -> str:
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, "***")
    return text


def _forms(secret: str) -> set[str]:
    if len(secret) < 4:  # it would blank out ordinary words
        return set()
    encoded = base64.b64encode(secret.encode()).decode()
    logged = repr(secret.encode("latin-1", "replace"))[2:-1]  # as the HTTP client logs a header
    return {secret, quote(secret, safe=""), encoded, encoded.rstrip("="), json.dumps(secret)[1:-1], logged}


class MaskingFilter(logging.Filter):
    """Masks every record of the handler it sits on, its traceback included."""

    def __init__(self, mask: Mask) -> None:
        super().__init__()
        self._mask = mask

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._mask.log(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self._mask.log(record.exc_text)
        return True


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """`https://host:port` and the path that every request starts with (no slash at its end)."""

    origin: str
    path: str

    @property
    def host(self) -> str:
        return self.origin.partition("://")[2]


@dataclass(frozen=True, slots=True)
class Settings:
    """A service as this process runs it."""

    service: Service
    values: Mapping[str, str]
    servers: Mapping[str, BaseUrl]
    unusable: Mapping[str, str]
    """Why a server that only some operations use has no URL."""
    mask: Mask

    @classmethod
    def load(
        cls, service: Service, environ: Mapping[str, str], *, base_url: str = "", insecure_http: bool = False
    ) -> Settings:
        """Read the environment; `base_url` replaces the default upstream.

        Raises ConfigurationError for a value that cannot be used, never showing it, and for a base URL that is not
        one or would send credentials over plain HTTP.
        """
        values: dict[str, str] = {}
        secrets: list[str] = []
        for scheme in service.security.values():
            for name in scheme.variables:
                value = environ.get(name, "").strip()
                if CONTROL.search(value) or not _fits(scheme, name, value):
                    raise ConfigurationError(f"{name} holds a line break or a character that no header can carry")
                # An empty variable is a missing one, except for a password.
                if value or (isinstance(scheme, Basic | Digest) and name == scheme.password and name in environ):
                    values[name] = value
            _check(scheme, values)
            secrets += scheme.secrets(values)
        servers: dict[str, BaseUrl] = {}
        unusable: dict[str, str] = {}
        for key, upstream in service.servers.items():
            try:
                servers[key] = _base_url(_url_of(key, upstream, environ, base_url), upstream, insecure_http)
            except ConfigurationError as error:
                # A server of few operations costs their calls, unless somebody meant to set it.
                if key == "" or any(environ.get(name) for name in (upstream.env, *(v.env for v in upstream.variables))):
                    raise
                unusable[key] = str(error)
        return cls(service, values, servers, unusable, Mask(secrets))

    def of(self, caller: Caller) -> Settings:
        """These settings with the credential of a caller, and none of the environment's."""
        return self if caller.values is None else replace(self, values=caller.values)

    def way(self, scheme: Scheme) -> Names | None:
        """The variables that a scheme's credential is made from; None if none of its ways is complete."""
        return next((way for way in scheme.ways if all(name in self.values for name in way)), None)

    def has(self, alternative: tuple[str, ...]) -> bool:
        """Whether every credential of an alternative is there."""
        return all(self.way(self.service.security[key]) is not None for key in alternative)

    def choose(self, requirements: Requirements) -> tuple[str, ...] | None:
        """The first alternative whose credentials are all there, anonymous ones last; None if there is none."""
        for alternative in sorted(requirements, key=lambda alternative: not alternative):
            if self.has(alternative):
                return alternative
        return None if requirements else ()

    def missing(self, requirements: Requirements) -> str:
        """`set A (…), or B (…) and C (…)`: what would satisfy the requirements."""
        choices: list[str] = []
        for alternative in filter(None, requirements):
            schemes = [self.service.security[key] for key in alternative]
            for ways in product(*(scheme.ways for scheme in schemes)):
                chosen = zip(schemes, ways, strict=True)
                needed = {name: scheme.purpose(name) for scheme, way in chosen for name in way}
                choices.append(" and ".join(f"{name} ({purpose})" for name, purpose in needed.items()))
        return "set " + ", or ".join(dict.fromkeys(choices))

    def check_certificates(self) -> None:
        """Raise ConfigurationError for a client certificate that cannot be used."""
        for scheme in self.service.security.values():
            if isinstance(scheme, MutualTls) and self.way(scheme):
                import ssl

                scheme.load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), self.values)


def _fits(scheme: Scheme, name: str, value: str) -> bool:
    """Whether a value can go where its scheme puts it: into a header as it is, somewhere encoded, or nowhere."""
    if isinstance(scheme, MutualTls):
        return True
    encoded = isinstance(scheme, Digest) or (isinstance(scheme, OAuth) and name != scheme.token)
    try:
        value.encode("utf-8" if encoded else "latin-1")
    except UnicodeEncodeError:
        return False
    return True


def _check(scheme: Scheme, values: Mapping[str, str]) -> None:
    if isinstance(scheme, Digest) and re.search(r'["\\]', values.get(scheme.user, "")):
        raise ConfigurationError(f"{scheme.user} holds a quote or a backslash, which HTTP digest cannot carry")
    if isinstance(scheme, OAuth) and (url := values.get(scheme.token_url_env)) and not is_private(url):
        raise ConfigurationError(f"{scheme.token_url_env} must be a complete https:// URL, without a user name")


def _url_of(key: str, upstream: Upstream, environ: Mapping[str, str], base_url: str) -> str:
    override = base_url.strip() if key == "" else ""
    override = override or environ.get(upstream.env, "").strip()
    if override:
        return override
    url = upstream.url
    for variable in upstream.variables:
        value = environ.get(variable.env, "").strip() or variable.default
        if variable.enum and value not in variable.enum:
            raise ConfigurationError(f"{variable.env} must be one of {', '.join(variable.enum)}, not {value!r}")
        if not value or re.search(r"[\s@?#\\{}]", value):
            raise ConfigurationError(f"{variable.env or variable.name} must be set to a part of the URL {upstream.url}")
        url = url.replace(f"{{{variable.name}}}", value)
    return url


def _base_url(url: str, upstream: Upstream, insecure_http: bool) -> BaseUrl:
    way_out = f"set {upstream.env} or --base-url" if upstream.env else "set --base-url"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in ("http", "https") or re.search(r"[\s{}\\]", url):
        raise ConfigurationError(f"the base URL {url!r} is not a complete http(s) URL; {way_out}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigurationError(f"the base URL at {host} must not hold a user name, a query or a fragment; {way_out}")
    if parts.scheme == "http" and not insecure_http and not is_loopback(host):
        raise ConfigurationError(
            f"the base URL http://{host} would send credentials and data unencrypted; "
            "use https, or add --allow-insecure-http if that is what you want"
        )
    name = f"[{host}]" if ":" in host else host
    origin = f"{parts.scheme}://{name}" + ("" if port is None else f":{port}")
    return BaseUrl(origin, quote(parts.path, safe="/:@!$&'()*+,;=~%").rstrip("/"))


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only be this machine."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_private(url: str) -> bool:
    """Whether a URL is complete and what is sent to it cannot be read on the way: https, or to this machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username or parts.password or parts.fragment or re.search(r"[\s{}\\]", url):
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
