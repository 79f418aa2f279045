"""Turns a plan into what is told of the server elsewhere: how each client is configured, and the registry's manifest.

Sources: the documentation of each client and of mcp-remote, read in November 2026; server.json of schema 2025-12-11.
Where a key belongs there is a placeholder.
"""

from __future__ import annotations

import base64
import json
import re
import shlex
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from .plan import KeyHeader, Plan, Variable

__all__ = ["Clients", "registry"]

_LOCAL_URL = "http://127.0.0.1:8000/mcp"


@dataclass(frozen=True, slots=True)
class Clients:
    """The snippets of a README. A line of each can be placed in a fenced block: none ends it."""

    plan: Plan

    @property
    def agent(self) -> str:
        """The User-Agent of the requests to the API."""
        stated = (value for name, value in self.plan.headers if name.lower() == "user-agent")
        return next(stated, f"{self.plan.name}-mcp/{self.plan.version}")

    # -- on this machine ------------------------------

    @property
    def exports(self) -> tuple[str, ...]:
        return tuple(f"export {name}={value}" for name, value in self._environment.items())

    @property
    def image(self) -> str:
        """The Docker image; without a published one that which the reader has built."""
        return self.plan.readme.image or self.plan.distribution

    @property
    def docker_run(self) -> str:
        return shlex.join(["docker", *self._docker])

    @property
    def docker_serve(self) -> str:
        return shlex.join(["docker", "run", "--rm", "-p", "127.0.0.1:8000:8000", *self._passed, self.image])

    @property
    def claude_code(self) -> str:
        # The name comes first: --env takes everything up to the next option or `--` (anthropics/claude-code#62332).
        variables = [word for n, v in self._environment.items() for word in ("--env", f"{n}={v}")]
        return shlex.join(["claude", "mcp", "add", self.plan.name, *variables, "--", "uvx", self.plan.distribution])

    @property
    def local(self) -> str:
        """The configuration of clients that read `mcpServers`."""
        return self._servers(self._local)

    @property
    def docker(self) -> str:
        return self._servers(self._started("docker", self._docker))

    @property
    def vscode(self) -> str:
        """The configuration of VS Code, which asks for secrets once and keeps them."""
        return _json({"inputs": self._inputs, "servers": {self.plan.name: self._vscode}})

    @property
    def cursor_link(self) -> str:
        server = self._remote("url", self._headers) if self.plan.readme.remote_url else self._local
        encoded = base64.b64encode(_compact(server).encode()).decode()
        return f"cursor://anysphere.cursor-deeplink/mcp/install?name={self.plan.name}&config={quote(encoded, safe='')}"

    @property
    def vscode_link(self) -> str:
        remote = bool(self.plan.readme.remote_url)
        server = self._vscode_remote if remote else self._vscode
        inputs = self._remote_inputs if remote else self._inputs
        told = {"name": self.plan.name, **server, **({"inputs": inputs} if inputs else {})}
        return f"vscode:mcp/install?{quote(_compact(told), safe='')}"

    # -- over HTTP ------------------------------

    @property
    def url(self) -> str:
        """Where the server answers: at the vendor's address, else where `--http` serves it on this machine."""
        return self.plan.readme.remote_url or _LOCAL_URL

    @property
    def web_address(self) -> str:
        """The address for a client that is not on this machine."""
        stated = self.plan.readme.remote_url
        return f"`{stated}`" if stated else "the one that you serve it at, with `https://`"

    @property
    def headers(self) -> tuple[str, ...]:
        """The headers with the caller's keys, as lines."""
        return tuple(f"{name}: {value}" for name, value in self._headers.items())

    @property
    def unless(self) -> str:
        """When it is not the caller's key that is used."""
        both = self.plan.http.credential == "auto"
        return (
            ", unless the server was started with a key in its environment, which then is everybody's" if both else ""
        )

    @property
    def origins(self) -> str:
        """Which web pages may call the server, as a sentence."""
        allowed = ", ".join(f"`{origin}`" for origin in self.plan.http.cors_origins)
        return f"Web pages may call it {f'from {allowed} only' if allowed else 'from nowhere'}, unless " + (
            "`--cors-origin` names theirs."
        )

    @property
    def claude_code_remote(self) -> str:
        command = f"claude mcp add --transport http {self.plan.name} {self.url}"
        return " ".join([command, *(f"--header {_shell(header)}" for header in self.headers)])

    @property
    def cursor_remote(self) -> str:
        return self._servers(self._remote("url", self._headers))

    @property
    def gemini_remote(self) -> str:
        return self._servers(self._remote("httpUrl", self._headers))

    @property
    def bridge(self) -> str:
        """The configuration of a client that starts mcp-remote, because it knows stdio alone."""
        args, env = ["-y", "mcp-remote", self.url], {}
        keys = {key.name: key for key in self.plan.key_headers}  # two schemes may take the same header
        for name, value in self._headers.items():
            key = keys[name]
            # Without a blank: some clients tear an argument apart there. A variable may hold one.
            variable = key.key if key.value == "{KEY}" else "AUTH_HEADER"
            args += ["--header", f"{name}:${{{variable}}}"]
            env[variable] = value
        return self._servers({"command": "npx", "args": args, **({"env": env} if env else {})})

    @property
    def vscode_remote(self) -> str:
        inputs = {"inputs": self._remote_inputs} if self._remote_inputs else {}
        return _json({**inputs, "servers": {self.plan.name: self._vscode_remote}})

    # -- what they are made of ------------------------------

    @property
    def _environment(self) -> dict[str, str]:
        """What a user sets, with placeholders."""
        prefix = f"{self.plan.env_prefix}_"
        return {v.name: f"YOUR_{v.name.removeprefix(prefix)}" for v in self.plan.setup_variables}

    @property
    def _docker(self) -> list[str]:
        return ["run", "-i", "--rm", *self._passed, self.image]

    @property
    def _passed(self) -> list[str]:
        return [word for name in self._environment for word in ("-e", name)]

    @property
    def _local(self) -> dict[str, Any]:
        return self._started("uvx", [self.plan.distribution])

    @property
    def _vscode(self) -> dict[str, Any]:
        env = {v.name: f"${{input:{_input(v)}}}" for v in self.plan.setup_variables}
        server = {"type": "stdio", "command": "uvx", "args": [self.plan.distribution]}
        return {**server, "env": env} if env else server

    @property
    def _inputs(self) -> list[dict[str, Any]]:
        return [_prompt(_input(v), v.name, v.secret) for v in self.plan.setup_variables]

    @property
    def _vscode_remote(self) -> dict[str, Any]:
        asked = {h.name: _filled(h, f"${{input:{self._asked(h)}}}") for h in self.plan.key_headers}
        return {"type": "http", **self._remote("url", asked)}

    @property
    def _remote_inputs(self) -> list[dict[str, Any]]:
        headers = self.plan.key_headers
        return [_prompt(self._asked(h), f"The key that is sent in the header {h.name}", True) for h in headers]

    def _asked(self, header: KeyHeader) -> str:
        # By the API and not by the server: another server for the same API asks for the same key.
        return f"{self.plan.env_prefix}_{header.key}".lower().replace("_", "-")

    @property
    def _headers(self) -> dict[str, str]:
        return {h.name: _filled(h, f"YOUR_{h.key}") for h in self.plan.key_headers}

    def _started(self, command: str, args: list[str]) -> dict[str, Any]:
        server: dict[str, Any] = {"command": command, "args": args}
        return {**server, "env": self._environment} if self._environment else server

    def _remote(self, key: str, headers: dict[str, str]) -> dict[str, Any]:
        return {key: self.url, **({"headers": headers} if headers else {})}

    def _servers(self, server: dict[str, Any]) -> str:
        return _json({"mcpServers": {self.plan.name: server}})


def registry(plan: Plan) -> dict[str, Any]:
    """Return the manifest of the MCP registry, server.json."""
    variables = [_variable(v) for v in plan.variables]
    started = {"transport": {"type": "stdio"}, "environmentVariables": variables}
    packages: list[dict[str, Any]] = [
        {"registryType": "pypi", "identifier": plan.distribution, "version": plan.version, **started}
    ]
    if plan.readme.image:
        packages.append({"registryType": "oci", "identifier": _reference(plan.readme.image, plan.version), **started})
    manifest = {
        "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
        "name": plan.registry,
        "title": plan.title[:100],
        "description": plan.description[:100],
        "version": plan.version,
        "packages": packages,
    }
    if plan.readme.remote_url:
        remote: dict[str, Any] = {"type": "streamable-http", "url": plan.readme.remote_url}
        if plan.key_headers:
            remote["headers"] = [_header(h) for h in plan.key_headers]
        manifest["remotes"] = [remote]
    return manifest


def _variable(variable: Variable) -> dict[str, Any]:
    item: dict[str, Any] = {"name": variable.name, "description": variable.description}
    item |= {"isRequired": variable.required, "isSecret": variable.secret}
    if variable.default:
        item["default"] = variable.default
    if variable.format:
        item["format"] = variable.format
    if variable.choices:
        item["choices"] = list(variable.choices)
    return item


def _header(header: KeyHeader) -> dict[str, Any]:
    about = {"description": "Your key for the API.", "isRequired": True, "isSecret": True}
    if header.value == "{KEY}":
        return {"name": header.name, **about}
    key = header.key.lower()
    return {"name": header.name, **about, "value": _filled(header, f"{{{key}}}"), "variables": {key: about}}


def _reference(image: str, version: str) -> str:
    """Return an image as the registry wants it: with its host and a tag or a digest."""
    host, slash, _ = image.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        image = f"docker.io/{image if slash else f'library/{image}'}"
    name = image.rpartition("/")[2]
    return image if ":" in name or "@" in name else f"{image}:{version}"


def _input(variable: Variable) -> str:
    return variable.name.lower().replace("_", "-")


def _prompt(id_: str, description: str, secret: bool) -> dict[str, Any]:
    return {"type": "promptString", "id": id_, "description": description, "password": secret}


_TEXT = r'"(?:[^"\\]|\\.)*"'
_SHORT = re.compile(rf"(?<=[\[{{])\n +({_TEXT}(?:,\n +{_TEXT})*|{_TEXT}: {_TEXT})\n +(?=[\]}}])")


def _json(value: Any) -> str:
    """Return JSON as a person lays it out: a list of texts, and an object with one text, on a line."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return _SHORT.sub(lambda m: re.sub(r",\n +", ", ", m[1]), text)


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _shell(text: str) -> str:
    """Return an argument of a shell's command, in double quotes where they are enough."""
    return shlex.quote(text) if re.search(r'["$`!\\]', text) else f'"{text}"'


def _filled(header: KeyHeader, key: str) -> str:
    """Return what a header holds, in one line."""
    return "".join(c if c.isprintable() else "?" for c in header.value).replace("{KEY}", key)
