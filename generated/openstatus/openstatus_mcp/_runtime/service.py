"""Turns the declaration of a service and the environment into settings, because a server reads nothing else.

Everything that can be wrong with them is said once, at start, in one sentence (ConfigurationError).
"""

from __future__ import annotations

import base64
import ipaddress
import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import quote, urlsplit

_NAMES = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_COOKIE_SAFE = "!#$&'()*+-./:<=>?@[]^_`{|}~%"  # RFC 6265 cookie-octets: no blank, comma, semicolon, quote, backslash

Requirements: TypeAlias = tuple[tuple[str, ...], ...]


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


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A credential sent in a header, in the query or as a cookie; `{NAME}` in the value is an environment variable."""

    place: str
    name: str
    value: str

    @property
    def variables(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_NAMES.findall(self.value)))

    def secret(self, values: Mapping[str, str]) -> str:
        """The value as it is sent."""
        text = _NAMES.sub(lambda match: values[match[1]], self.value)
        return quote(text, safe=_COOKIE_SAFE) if self.place == "cookie" else text


@dataclass(frozen=True, slots=True)
class Basic:
    """HTTP basic authentication (RFC 7617); both variables must be set, the password may be empty."""

    user: str
    password: str
    place = "header"
    name = "Authorization"

    @property
    def variables(self) -> tuple[str, ...]:
        return (self.user, self.password)

    def secret(self, values: Mapping[str, str]) -> str:
        """The value as it is sent."""
        pair = f"{values[self.user]}:{values[self.password]}"
        return "Basic " + base64.b64encode(pair.encode()).decode()


Scheme: TypeAlias = ApiKey | Basic


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

    def environment(self) -> Iterator[tuple[str, str]]:
        """Every environment variable that the server reads, with a word about it."""
        for scheme in self.security.values():
            for name in scheme.variables:
                yield name, _purpose(scheme, name)
        for key, upstream in self.servers.items():
            where = "the API" if key == "" else f"the API's server {key}"
            if upstream.env:
                yield upstream.env, f"base URL of {where} (default {upstream.url})"
            for variable in upstream.variables:
                if variable.env:
                    choice = f", one of {', '.join(variable.enum)}" if variable.enum else ""
                    yield variable.env, f"{variable.name} in {upstream.url} (default {variable.default!r}{choice})"


def _purpose(scheme: Scheme, name: str) -> str:
    if isinstance(scheme, Basic):
        return "user name" if name == scheme.user else "password, may be empty"
    return f"credential, sent in the {scheme.place} {scheme.name}"


class Mask:
    """Replaces credentials by `***` in a text, in the forms in which they turn up in messages."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms: set[str] = set()
        for secret in secrets:
            if len(secret) >= 4:  # a shorter one would blank out ordinary words
                encoded = base64.b64encode(secret.encode()).decode()
                forms |= {secret, quote(secret, safe=""), encoded, encoded.rstrip("="), json.dumps(secret)[1:-1]}
                forms.add(repr(secret.encode("latin-1", "replace"))[2:-1])  # as the HTTP client logs a header
        self._forms = sorted(forms, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, "***")
        return text


class MaskingFilter(logging.Filter):
    """Masks every record of the handler it sits on, its traceback included."""

    def __init__(self, mask: Mask) -> None:
        super().__init__()
        self._mask = mask

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._mask(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self._mask(record.exc_text)
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
                if _CONTROL.search(value) or not _is_latin_1(value):
                    raise ConfigurationError(f"{name} holds a line break or a character that no header can carry")
                # An empty variable is a missing one, except for the password of basic authentication.
                if value or (isinstance(scheme, Basic) and name == scheme.password and name in environ):
                    values[name] = value
            if all(name in values for name in scheme.variables):
                secrets += [scheme.secret(values), scheme.secret(values).removeprefix("Basic ")]
        servers = {
            key: _base_url(_url_of(key, upstream, environ, base_url), upstream, insecure_http)
            for key, upstream in service.servers.items()
        }
        return cls(service, values, servers, Mask([*values.values(), *secrets]))

    def has(self, alternative: tuple[str, ...]) -> bool:
        """Whether every credential of an alternative is there."""
        security = self.service.security
        return all(name in self.values for key in alternative for name in security[key].variables)

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
            needed = {name: _purpose(scheme, name) for scheme in schemes for name in scheme.variables}
            choices.append(" and ".join(f"{name} ({purpose})" for name, purpose in needed.items()))
        return "set " + ", or ".join(dict.fromkeys(choices))


def _is_latin_1(text: str) -> bool:
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


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
