"""Turns the document's servers and security schemes into base URLs, credentials and environment variables.

Sources: OpenAPI 3.1.1, "Server Object", "Security Scheme Object", "Security Requirement Object"; RFC 3986 section 5.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from openapi_pydantic.v3.v3_1 import OAuthFlow, SecurityScheme, Server
from pydantic import ValidationError

from .config import TOKEN_URL, AuthConfig, Config, Host
from .names import snake, words
from .plan import Credential, KeyHeader, Upstream, Variable
from .problems import Problem
from .schemas import clean
from .spec import RawOperation, Spec, Unresolved, escape

__all__ = ["Access", "Requirements"]

_SIGNING = ("dpop", "mutual", "negotiate", "ntlm", "scram-sha-1", "scram-sha-256")
"""HTTP authentication schemes whose credential is no text that could be sent as it is (IANA's registry of them)."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""The name of a header or cookie (RFC 9110 section 5.6.2)."""

_TRANSPORT = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "cookie", "host", "last-event-id"}
    | {"origin", "user-agent"}
)
"""Headers of Streamable HTTP itself; those that begin with Mcp- are too."""

_FORM = re.compile(r"\^?(?:\((?:\?:)?)?([A-Za-z][A-Za-z0-9-]*(?: [A-Za-z]+=| ))[\[(\\.]")
"""What a pattern of the header Authorization begins with: a word, or the word and a parameter, before the secret."""

Requirements = tuple[tuple[str, ...], ...]


class Access:
    """The ways to the API: filled while the operations are planned, because each may bring servers of its own."""

    def __init__(self, spec: Spec, config: Config, prefix: str) -> None:
        self.problems: list[Problem] = []
        self.upstreams: dict[str, Upstream] = {}
        self.credentials: dict[str, Credential] = {}
        self.unsupported: dict[str, str] = {}
        """Security schemes that the server cannot serve, with the reason."""
        self.wrong: list[Problem] = []
        """What the configuration says of a security scheme that has no use for it."""
        self._placements: dict[str, tuple[str, str]] = {}
        self._keys: dict[str, KeyHeader] = {}
        self._oauth: dict[str, dict[str, Any]] = {}
        self._spec, self._config, self._prefix = spec, config, prefix
        self._urls: dict[str, str] = {}
        self._variables: dict[str, Variable] = {}
        self._schemes()
        self._default = self.upstream(spec.root.get("servers"), "#/servers")

    # -- servers ------------------------------

    def upstream(self, servers: Any, pointer: str) -> str:
        """Return the key of the base URL that a list of Server Objects stands for: its first."""
        stated = servers[0] if isinstance(servers, list) and servers else None
        default = "#/servers"
        if stated is None and pointer != default:
            return ""
        url, variables = self._server(stated, pointer)
        if pointer == default and self._config.base_url:
            url, variables = self._config.base_url, []
        if not url:
            hint = 'write `base_url = "https://api.example.com"` under [server] in mcpgen.toml, or set '
            hint += f"{self._base_env('')} when the server starts"
            self.problems.append(Problem("the document names no server", pointer=default, hint=hint))
        if pointer == default:
            key = ""
        elif url in self._urls:
            return self._urls[url]
        else:
            key = snake(re.sub(r"^[^/]*//|[?#].*$", "", url), "host")  # host and path, of what may be no URL at all
        self._urls.setdefault(url, key)
        env = self._base_env(key)
        parts = [f"env={env!r}"]
        if variables:
            inner = ", ".join(
                f"Variable({v.name!r}, {v.default!r}, env={e!r}, enum={v.choices!r})" for e, v in variables
            )
            parts.append(f"variables=({inner},)")
        self.upstreams[key] = Upstream(
            key, url, env, tuple(e for e, _ in variables), f"Upstream({', '.join([repr(url), *parts])})"
        )
        what = "The base URL of the API" if not key else f"The base URL that replaces {url}"
        self._variables[env] = Variable(env, what + ".", required=not url, default=url if "{" not in url else "")
        for name, variable in variables:
            about = variable.description or f"`{variable.name}` in the base URL {url}."
            self._variables[name] = Variable(name, about, default=variable.default, choices=variable.choices)
        return key

    def host(self, key: str, stated: Host) -> str:
        """Return the key of a base URL that the configuration names."""
        env = stated.env or self._base_env(key)
        self.upstreams[key] = Upstream(key, stated.url, env, (), f"Upstream({stated.url!r}, env={env!r})")
        about = f"The base URL that replaces {stated.url}."
        self._variables[env] = Variable(env, about, default=stated.url)
        return key

    def _base_env(self, key: str) -> str:
        if not key and self._config.base_url_env:
            return self._config.base_url_env
        return f"{self._prefix}_BASE_URL" + (f"_{key.upper()}" if key else "")

    def _server(self, stated: Any, pointer: str) -> tuple[str, list[tuple[str, Variable]]]:
        """Return the URL template of a Server Object, and its variables by environment name."""
        if stated is None:
            return "", []
        try:
            server = Server.model_validate(_texts(stated))
        except ValidationError as error:
            where = "/".join(str(p) for p in error.errors()[0]["loc"])
            self.problems.append(
                Problem(f"the server is not usable: {where}: {error.errors()[0]['msg']}", f"{pointer}/0")
            )
            return "", []
        url = server.url.strip()
        variables = []
        for name in re.findall(r"\{([^{}]*)\}", url):
            known = server.variables.get(name) if server.variables else None
            if known is None:
                self.problems.append(Problem(f"the server's variable `{name}` has no default", f"{pointer}/0/url"))
                return "", []
            choices = tuple(str(c) for c in known.enum or ())
            about = clean(known.description or "", 200)
            env = f"{self._prefix}_{snake(name).upper()}"
            variables.append((env, Variable(name, about, default=str(known.default), choices=choices)))
        if not re.match(r"https?://|\{", url):
            # relative to where the document was, which is not known here
            return "", []
        return url.rstrip("/"), variables

    # -- security ------------------------------

    def _schemes(self) -> None:
        components = self._spec.root.get("components")
        stated = components.get("securitySchemes") if isinstance(components, dict) else None
        schemes: dict[str, Any] = stated if isinstance(stated, dict) else {}
        for name in sorted(schemes):
            pointer = f"#/components/securitySchemes/{escape(name)}"
            try:
                node, _ = self._spec.deref(schemes[name], pointer)
                scheme = SecurityScheme.model_validate(node)
            except Unresolved as error:
                self.unsupported[name] = error.reason
                continue
            except ValidationError as error:
                first = error.errors()[0]
                self.unsupported[name] = f"{'/'.join(str(p) for p in first['loc'])}: {first['msg']}"
                continue
            config = self._config.auth.get(name, AuthConfig())
            self._scheme(name, scheme, config)
            for key in ("token_url", "client_auth", "scopes"):
                if name not in self._oauth and not config.value and getattr(config, key):
                    message = f"no access token is fetched for the security scheme {name!r}"
                    hint = "it is neither oauth2, openIdConnect nor http bearer, or it lacks a `token_url`"
                    self.wrong.append(self._config.problem(f"auth.{name}.{key}", message, hint))

    def _scheme(self, name: str, scheme: SecurityScheme, config: AuthConfig) -> None:
        stem = f"{self._prefix}_{snake(name, 'key').upper()}"
        env = config.env or stem
        about = config.description or clean(scheme.description or "", 300)
        kind = scheme.type
        http = (scheme.scheme or "").lower()
        place = scheme.security_scheme_in
        if kind == "apiKey" and place in ("header", "cookie") and not _TOKEN.fullmatch(scheme.name or ""):
            self.unsupported[name] = f"{scheme.name!r} cannot be the name of a {place}"
        elif kind == "apiKey" and scheme.name and place in ("header", "query", "cookie"):
            self._api_key(name, place, scheme.name, config.value or f"{{{env}}}", about)
        elif kind == "http" and http in ("basic", "digest"):
            user = config.username_env or f"{env}_USERNAME"
            password = config.password_env or f"{env}_PASSWORD"
            variables = (
                Variable(user, about or "The user name for the API.", required=True, secret=True),
                Variable(password, "The password for the API; may be empty.", required=True, secret=True),
            )
            settings = (("username_env", user), ("password_env", password))
            source = f"{http.capitalize()}({user!r}, {password!r})"
            self._placements[name] = ("header", "authorization")
            if http == "basic" and not (self._config.http.header or self._config.http.value):
                self._keys[name] = KeyHeader("Authorization", "Basic {KEY}", "USER_AND_PASSWORD_IN_BASE64")
            self._credential(name, http, f"HTTP {http}", source, variables, settings)
        elif kind == "mutualTLS":
            certificate = config.cert_file_env or f"{env}_CERT_FILE"
            key = config.key_file_env or f"{env}_KEY_FILE"
            about = about or "The client certificate for the API."
            variables = (
                Variable(certificate, f"{about} The name of a PEM file.", required=True, format="filepath"),
                Variable(key, "The name of the PEM file with its private key.", required=True, format="filepath"),
            )
            settings = (("cert_file_env", certificate), ("key_file_env", key))
            source = f"MutualTls({certificate!r}, {key!r})"
            self._credential(name, "tls", "a client certificate", source, variables, settings)
        elif kind == "http" and http == "bearer" and config.token_url:
            self._access_token(name, scheme, config, env, stem)
        elif kind == "http" and http in _SIGNING and not config.value:
            self.unsupported[name] = f"HTTP {scheme.scheme} authentication is a proof made for each request"
        elif kind == "http" and http and not _TOKEN.fullmatch(http):
            # Braces in it would name a variable of the operator's environment.
            self.unsupported[name] = f"{scheme.scheme!r} is no authentication scheme (RFC 9110 section 11.1)"
        elif kind == "http" and http:
            word = "Bearer" if http == "bearer" else scheme.scheme or ""
            about = about or f"The {word} credential for the API."
            self._api_key(name, "header", "Authorization", config.value or f"{word} {{{env}}}", about)
        elif kind in ("oauth2", "openIdConnect"):
            token = config.env or (stem if words(stem)[-1] == "token" else f"{stem}_TOKEN")
            self._access_token(name, scheme, config, token, stem)
        else:
            self.unsupported[name] = f"the security scheme type {kind!r}{f' ({http})' if http else ''} is not supported"

    def _api_key(self, name: str, place: str, header: str, value: str, about: str) -> None:
        source = f"ApiKey({place!r}, {header!r}, {value!r})"
        names = tuple(dict.fromkeys(re.findall(r"\{([A-Za-z_][A-Za-z0-9_]*)\}", value)))
        about = about or f"The credential that is sent as {place} `{header}`."
        variables = tuple(Variable(n, about, required=True, secret=True) for n in names)
        if len(names) == 1 and value.count(f"{{{names[0]}}}") == 1:
            self._key(name, place, header, value.replace(f"{{{names[0]}}}", "{KEY}"))
        said = f"sent in the {place} {header}"
        self._placements[name] = (place, header.lower())
        self._credential(name, place, said, source, variables, (("value", value),))

    def parameters(self, raw: RawOperation) -> tuple[Requirements, tuple[tuple[str, str], ...]]:
        """Return the credentials and the constant headers that the header parameters of an MCP endpoint stand for.

        They belong to every message, so none of them can be an argument of a tool. A credential is called like its
        header; security schemes that the document declares take precedence.
        """
        requirements, reason = self.requirements(raw.node.get("security", self._spec.root.get("security")))
        if reason:
            self.wrong.append(self._spec.problem(f"the MCP endpoint cannot be called: {reason}", raw.pointer))
        found: dict[str, tuple[Mapping[str, Any], str]] = {}
        for holder, pointer in ((raw.item, raw.item_pointer), (raw.node, raw.pointer)):
            stated = holder.get("parameters")
            for index, item in enumerate(stated if isinstance(stated, list) else ()):
                node, at = self._spec.deref(item, f"{pointer}/parameters/{index}")
                if isinstance(node, Mapping) and node.get("in") == "header" and isinstance(node.get("name"), str):
                    found[node["name"].lower()] = node, at
        taken = {name for place, name in self.placements(requirements) if place == "header"}
        own, headers, optional = [], [], not requirements
        for lower, (node, at) in sorted(found.items()):
            name, required = node["name"], node.get("required") is True
            schema, _ = self._spec.deref(node.get("schema", {}), f"{at}/schema")
            if lower in taken or lower in _TRANSPORT or lower.startswith("mcp-") or not _TOKEN.fullmatch(name):
                continue
            if value := _constant(schema):
                headers.append((name, value))
            elif lower == "authorization" or required:
                self._header_credential(name, node, schema)
                own.append(name)
                optional = optional and not required
            else:
                self.problems.append(Problem(f"the optional header `{name}` is not sent", at))
        if own and requirements:
            return tuple(tuple(sorted((*a, *own))) for a in requirements), tuple(headers)
        if own:
            return ((tuple(sorted(own)), ()) if optional else (tuple(sorted(own)),)), tuple(headers)
        return requirements, tuple(headers)

    def _header_credential(self, name: str, node: Mapping[str, Any], schema: Any) -> None:
        config = self._config.auth.get(name, AuthConfig())
        env = config.env or f"{self._prefix}_{snake(name, 'key').upper()}"
        pattern = schema.get("pattern") if isinstance(schema, Mapping) else None
        form = _FORM.match(pattern) if isinstance(pattern, str) else None
        word = form[1] if form else "Bearer " if name.lower() == "authorization" else ""
        about = config.description or clean(str(node.get("description") or ""), 300)
        self._api_key(name, "header", name, config.value or f"{word}{{{env}}}", about)

    def _access_token(self, name: str, scheme: SecurityScheme, config: AuthConfig, token: str, stem: str) -> None:
        """Place an access token, with the ways to fetch one that the document or the configuration states."""
        about = config.description or "An OAuth 2.0 access token for the API."
        flows = {n: f for n, f in scheme.flows or () if isinstance(f, OAuthFlow)}
        client, code = flows.get("clientCredentials"), flows.get("authorizationCode")
        grants: tuple[str, ...] = ("refresh_token", "client_credentials")
        token_url, openid_url = config.token_url, ""
        if not token_url and scheme.openIdConnectUrl:
            openid_url = _private(scheme.openIdConnectUrl)
        elif not token_url and client is not None:
            token_url = _private(client.tokenUrl)
            if not token_url:
                message = f"the token URL of the client credentials of `{name}` is no complete https:// URL"
                hint = f'write `token_url = "https://…"` under [auth.{name}] in mcpgen.toml'
                at = f"#/components/securitySchemes/{escape(name)}/flows/clientCredentials"
                self.problems.append(Problem(message, at, f"{hint}, or set {stem}_TOKEN_URL when the server starts"))
        elif not token_url and code is not None:
            token_url, grants = _private(code.refreshUrl) or _private(code.tokenUrl), grants[:1]
        if config.value or not (token_url or openid_url or client):
            self._api_key(name, "header", "Authorization", config.value or f"Bearer {{{token}}}", about)
            return
        names = {
            "client_id": config.client_id_env or f"{stem}_CLIENT_ID",
            "client_secret": config.client_secret_env or f"{stem}_CLIENT_SECRET",
            "refresh_token": config.refresh_token_env or f"{stem}_REFRESH_TOKEN",
        }
        id_, secret, refresh = names.values()
        place, scopes = f"{stem}_TOKEN_URL", f"{stem}_SCOPES"
        self._oauth[name] = {
            "token": token,
            **names,
            "token_url": token_url,
            "token_url_env": place,
            "openid_url": openid_url,
            "scopes": config.scopes,
            "scopes_env": scopes,
            "grants": grants if len(grants) == 1 else (),
            "client_auth": config.client_auth.removeprefix("basic"),
        }
        way = (id_, secret) if len(grants) == 2 else (refresh, id_)
        unnamed = "" if token_url or openid_url else ", which the document does not name"
        told = f", where it is not the one that {openid_url} names" if openid_url else unnamed
        variables = (
            Variable(token, f"{about} Or set {' and '.join(way)}, and the server fetches one.", secret=True),
            Variable(id_, f"The id of the OAuth 2.0 client that fetches access tokens, in place of {token}."),
            Variable(secret, f"The secret of the client {id_}.", secret=True),
            Variable(refresh, f"A refresh token of the client {id_}, in place of {token}.", secret=True),
            Variable(place, f"The token endpoint{told}.", default=token_url),
            Variable(scopes, "The scopes to ask for, with blanks between them."),
        )
        setup = (token,) if client is None and not config.token_url else (*way, place) if unnamed else way
        settings = (("env", token), *((f"{n}_env", e) for n, e in names.items()))
        self._placements[name] = ("header", "authorization")
        self._key(name, "header", "Authorization", "Bearer {KEY}")
        self._credential(name, "oauth", "an OAuth 2.0 access token", "", variables, settings, setup)

    def ask(self, securities: Iterable[Any]) -> None:
        """Make the scopes that operations need those that are asked for.

        `securities` are the operations' security requirements; of several ways in, the first states the scopes.
        """
        needed: dict[str, set[str]] = {name: set() for name in self._oauth}
        for security in securities:
            seen: set[str] = set()
            for item in security if isinstance(security, list) else ():
                for name, scopes in item.items() if isinstance(item, Mapping) else ():
                    if name in needed and name not in seen and isinstance(scopes, list):
                        seen.add(name)
                        needed[name] |= {s for stated in scopes for s in str(stated).split() if s.isprintable()}
        for name, declared in self._oauth.items():
            scopes = declared["scopes"]
            if scopes is None:  # a refresh token has its own (RFC 6749, 6)
                scopes = () if declared["grants"] else tuple(sorted(needed[name]))
            lines = [f"{key}={value!r}," for key, value in {**declared, "scopes": scopes}.items() if value]
            credential = self.credentials[name]
            *others, last = credential.variables
            variables = (*others, replace(last, default=" ".join(scopes)))
            source = "\n".join(["OAuth(", "'Bearer',", *lines, ")"])
            self.credentials[name] = replace(credential, source=source, variables=variables)

    def _credential(
        self,
        name: str,
        kind: str,
        about: str,
        source: str,
        variables: tuple[Variable, ...],
        settings: tuple[tuple[str, str], ...],
        setup: tuple[str, ...] = (),
    ) -> None:
        setup = setup or tuple(v.name for v in variables)
        self.credentials[name] = Credential(name, kind, about, source, variables, settings, setup)

    def requirements(self, stated: Any) -> tuple[Requirements, str]:
        """Return an OR of ANDs of scheme names, and why the operation cannot be called (empty when it can)."""
        if not isinstance(stated, list) or not stated:
            return (), ""
        alternatives: list[tuple[str, ...]] = []
        reason = ""
        for item in stated:
            if not isinstance(item, Mapping):
                continue
            missing = [n for n in item if n not in self.credentials]
            if not missing:
                alternatives.append(tuple(sorted(str(n) for n in item)))
                continue
            name = str(missing[0])
            known = self.unsupported.get(name, "no security scheme of that name is declared")
            reason = reason or f"it needs the credential `{name}`: {known}"
        unique = tuple(dict.fromkeys(alternatives))
        return unique, "" if unique else reason

    def scopes(self, stated: Any) -> list[dict[str, list[str]]]:
        """Return the ways in that an operation states and that the server can go, each with the scopes it asks for."""
        found = []
        for item in stated if isinstance(stated, list) else ():
            if isinstance(item, Mapping) and all(name in self.credentials for name in item):
                asked = {n: sorted({str(s) for s in v}) if isinstance(v, list) else [] for n, v in sorted(item.items())}
                found.append(asked)
        return sorted(found, key=str)

    def key_headers(self, ways: Iterable[tuple[str, ...]]) -> tuple[KeyHeader, ...]:
        """Return what callers send over HTTP that have keys of their own, for the first of the ways in that admits it.

        As the runtime takes it (`http.Keys`), which reads the same configuration.
        """
        http = self._config.http
        for way in ways if http.credential != "environment" else ():
            found = [header for name in way if (header := self._keys.get(name))]
            if len(found) == len(way) and (len(way) == 1 or not http.header):
                several = len(way) > 1
                return tuple(replace(h, key=snake(h.name).upper() if several else h.key) for h in found)
        return ()

    def misconfigured(self) -> list[Problem]:
        """Return what the configuration says of credentials that these do not have."""
        if self._config.http.credential != "caller" or self._keys:
            return self.wrong
        hint = "a proof made for each request takes the secret itself: write `environment`"
        message = "the API takes no credential that a caller could send along"
        return [*self.wrong, self._config.problem("http.credential", message, hint)]

    def _key(self, name: str, place: str, header: str, template: str) -> None:
        """Note how a caller sends the key of a security scheme: as the API takes it, where that is a header."""
        http = self._config.http
        usual = header if place == "header" else "X-Api-Key"
        other = place != "header" or http.header.lower() not in ("", usual.lower())
        self._keys[name] = KeyHeader(http.header or usual, http.value or ("{KEY}" if other else template))

    def credential_headers(self) -> dict[str, str]:
        """Return the headers that credentials go into, in lower case, with the security schemes."""
        return {header: name for name, (place, header) in self._placements.items() if place == "header"}

    def placements(self, requirements: Requirements) -> set[tuple[str, str]]:
        """Return where credentials go (place, lower-case name): parameters there are no arguments."""
        return {self._placements[n] for alternative in requirements for n in alternative if n in self._placements}

    def variables(self, needs: Collection[Requirements]) -> tuple[Variable, ...]:
        """Return every variable that the server reads; `needs` are the requirements of its tools.

        A credential is required when no tool that takes credentials goes without it.
        """
        alternatives = [set(a) for need in needs for a in need]
        required = set.intersection(*alternatives) if alternatives else set()
        found = dict(self._variables)
        for name in sorted(set().union(*alternatives)):
            for variable in self.credentials[name].variables:
                found.setdefault(variable.name, replace(variable, required=variable.required and name in required))
        return tuple(found[n] for n in sorted(found))


def _constant(schema: Any) -> str:
    """Return the only value of a header, or its default."""
    if not isinstance(schema, Mapping):
        return ""
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    value = values[0] if isinstance(values, list) and len(values) == 1 else schema.get("default")
    return value if isinstance(value, str) and value.isprintable() and value.isascii() else ""


def _texts(server: Any) -> Any:
    """Return a Server Object whose variables have texts: a port of YAML without quotes is a number."""
    variables = server.get("variables") if isinstance(server, dict) else None
    if not isinstance(variables, dict):
        return server

    def text(value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    mended = {}
    for name, variable in variables.items():
        mended[name] = variable
        if isinstance(variable, dict):
            mended[name] = {k: text(v) for k, v in variable.items()}
            if isinstance(variable.get("enum"), list):
                mended[name]["enum"] = [text(v) for v in variable["enum"]]
    return {**server, "variables": mended}


def _private(url: str | None) -> str:
    """Return a URL of the document if a client's secret may be sent there, else nothing."""
    stated = (url or "").strip()
    return stated if TOKEN_URL.fullmatch(stated) else ""
