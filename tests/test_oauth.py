"""Credentials that take a conversation: access tokens that are fetched, HTTP digest, client certificates.

A miniature generated server as in test_runtime_server.py, run for real at the log level debug; on the other side one
asyncio server that is the token endpoint, the discovery document and the API. Nothing secret may stand in the log.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

RUNTIME = Path(__file__).parent.parent / "templates" / "runtime"
SECRET, REFRESH, ISSUED = "s3cr&t m/rk", "refr3sh-mark", "issu3d-mark"
CLIENT = {"X_ID": "the id", "X_SECRET": SECRET}
OAUTH = """OAuth(
    "Bearer", token="X_TOKEN", client_id="X_ID", client_secret="X_SECRET", refresh_token="X_REFRESH",
    token_url_env="X_TOKEN_URL", scopes=("a", "b"), scopes_env="X_SCOPES", {more})"""
TOOLS = """
from typing import Annotated, Any, ClassVar
from .._runtime import Json, Operation, Path, Query, Tool

class Get(Tool):
    OPERATION: ClassVar = Operation("get", "GET", "/things/{id}")
    id: Annotated[str, Path("id")]
    q: Annotated[str | None, Query("q")] = None

class Add(Tool):
    OPERATION: ClassVar = Operation("add", "POST", "/things", body="application/json")
    name: Annotated[str | None, Json("name")] = None
"""


@dataclass
class Request:
    """A request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode()))


Answer = tuple[int, Any] | tuple[int, Any, str]


class Peer:
    """Issues tokens at /token and takes the newest at /things; what is queued in `tokens` or `things` comes first."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.tokens: list[Answer | None] = []
        self.things: list[Answer] = []
        self.discovery: Any = {}
        self.valid: set[str] = set()
        self.issued = 0
        self.more: dict[str, Any] = {"expires_in": 3600}
        self.delay = 0.0
        self.url = ""

    def at(self, path: str) -> list[Request]:
        return [r for r in self.requests if r.target.startswith(path)]

    async def answer(self, request: Request) -> Answer | None:
        if request.target == "/token":
            await asyncio.sleep(self.delay)
            if self.tokens:
                return self.tokens.pop(0)
            self.issued += 1
            self.valid = {f"{ISSUED}-{self.issued}"}
            return 200, {"access_token": f"{ISSUED}-{self.issued}", "token_type": "bearer", **self.more}
        if request.target == "/.well-known/openid-configuration":
            return 200, self.discovery
        if self.things:
            return self.things.pop(0)
        if request.headers.get("authorization", "").removeprefix("Bearer ") in self.valid:
            return 200, {"ok": True}
        return 401, {"error": "no"}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
                headers = {n.lower(): v for n, _, v in (line.partition(": ") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                method, target, _ = first.split(" ")
                self.requests.append(Request(method, target, headers, body))
                answer = await self.answer(self.requests[-1])
                if answer is None:
                    break
                status, value, *more = answer
                data = value if isinstance(value, bytes) else json.dumps(value).encode()
                head = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(data)}", "Content-Type: application/json"]
                writer.write("\r\n".join([*head, *more, "", ""]).encode() + data)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def running(self, context: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context, limit=2**20)
        self.url = f"http{'s' if context else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()


Write = Callable[[str], Path]


@pytest.fixture
def package(tmp_path: Path) -> Write:
    """Writes the package `x_mcp` with one security scheme, and returns the folder that holds it."""

    def write(scheme: str) -> Path:
        root = tmp_path / "x_mcp"
        shutil.copytree(RUNTIME, root / "_runtime", ignore=shutil.ignore_patterns("__pycache__"))
        (root / "tools").mkdir()
        text = {"type": "string"}
        entries = [
            {
                "name": name,
                "description": name,
                "inputSchema": {"type": "object", "properties": properties, "additionalProperties": False},
                "annotations": {"readOnlyHint": name == "get"},
            }
            for name, properties in (("add", {"name": text}), ("get", {"id": text, "q": text}))
        ]
        files = {
            "__init__.py": "",
            "__main__.py": "from ._runtime import run\nfrom .service import SERVICE\nraise SystemExit(run(SERVICE))\n",
            "service.py": f"""
from ._runtime import Digest, MutualTls, OAuth, Service, Upstream
SERVICE = Service(
    name="x", title="X", version="1", package="x_mcp", servers={{"": Upstream("https://x.test", env="X_URL")}},
    security={{"login": {scheme}}}, requirements=(("login",),),
)
""",
            "tools/all.py": TOOLS,
            "tools/__init__.py": 'TOOLS = {"add": "all:Add", "get": "all:Get"}\nREADING = ("get",)\n',
            "tools.json": '{"tools": [\n' + ",\n".join(json.dumps(e, indent=1) for e in entries) + "\n]}\n",
        }
        for name, content in files.items():
            (root / name).write_text(textwrap.dedent(content), encoding="utf-8")
        return tmp_path

    return write


def environment(folder: Path, **variables: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder), "PYTHONUTF8": "1", **variables}


def start(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the server with nothing on stdin."""
    command = [sys.executable, "-m", "x_mcp", *arguments]
    stdin = subprocess.DEVNULL
    return subprocess.run(
        command, env=environment(folder, **variables), stdin=stdin, capture_output=True, text=True, timeout=30
    )


Call = Callable[..., Awaitable[Any]]


def talk(
    folder: Path,
    body: Callable[[Call, Peer], Awaitable[None]],
    *arguments: str,
    context: ssl.SSLContext | None = None,
    **variables: str,
) -> str:
    """Run `body` against the server and return the server's log, which holds no secret."""

    async def main() -> None:
        async with Peer().running(context) as peer:
            told = {name: value.replace("{peer}", peer.url) for name, value in variables.items()}
            parameters = StdioServerParameters(
                command=sys.executable,
                args=["-m", "x_mcp", "--enable-write-tools", "--log-level", "debug", *arguments],
                env=environment(folder, **{"X_URL": peer.url, **told}),
            )
            with (folder / "log").open("w", encoding="utf-8") as log:
                async with Client(stdio_client(parameters, log), mode="2026-07-28") as client:
                    await body(client.call_tool, peer)

    asyncio.run(asyncio.wait_for(main(), 60))
    logged = (folder / "log").read_text(encoding="utf-8")
    assert "httpcore2" in logged
    assert_hidden(logged)
    return logged


def assert_hidden(text: str) -> None:
    pair = base64.b64encode(b"the+id:s3cr%26t+m%2Frk").decode()
    for form in (SECRET, "s3cr%26t", REFRESH, ISSUED, pair, base64.b64encode(ISSUED.encode()).decode()[:12]):
        assert form not in text


def text_of(result: Any) -> str:
    assert_hidden(str(result.content))
    return str(result.content[0].text)


# --- tokens -----------------------------------------------------------------------------------------------------------


def test_one_token_for_ten_calls(package: Write) -> None:
    async def body(call: Call, peer: Peer) -> None:
        peer.delay = 0.3
        results = await asyncio.gather(*(call("get", {"id": str(n)}) for n in range(10)))
        assert [r.structured_content for r in results] == [{"ok": True}] * 10
        await call("add", {})
        (request,) = peer.at("/token")
        assert request.method == "POST"
        assert request.headers["content-type"] == "application/x-www-form-urlencoded"
        assert request.headers["accept"] == "application/json"
        assert request.form == {"grant_type": "client_credentials", "scope": "a b"}
        pair = base64.b64encode(b"the+id:s3cr%26t+m%2Frk").decode()  # RFC 6749, 2.3.1: encoded as a form first
        assert request.headers["authorization"] == f"Basic {pair}"
        assert {r.headers["authorization"] for r in peer.at("/things")} == {f"Bearer {ISSUED}-1"}

    talk(package(OAUTH.format(more="")), body, X_TOKEN_URL="{peer}/token", **CLIENT)


def test_nothing_is_fetched_before_a_call_needs_it(package: Write) -> None:
    done = start(package(OAUTH.format(more='token_url="https://127.0.0.1:9/token"')), **CLIENT)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_token_is_renewed_when_it_expires(package: Write) -> None:
    async def body(call: Call, peer: Peer) -> None:
        peer.more = {"expires_in": "1"}
        for _ in range(3):
            assert not (await call("get", {"id": "1"})).is_error
        assert len(peer.at("/token")) == 1
        await asyncio.sleep(1)
        peer.more = {}
        assert not (await call("get", {"id": "1"})).is_error
        assert len(peer.at("/token")) == 2
        assert len(peer.at("/things")) == 4, "a token that has expired is not sent"

    talk(package(OAUTH.format(more="")), body, X_TOKEN_URL="{peer}/token", X_SCOPES="c", **CLIENT)


def test_a_token_is_renewed_once_when_it_is_refused(package: Write) -> None:
    async def body(call: Call, peer: Peer) -> None:
        await call("get", {"id": "1"})
        peer.valid = set()
        result = await call("add", {"name": "n"})
        assert result.structured_content == {"ok": True}
        assert [r.headers["authorization"][-1] for r in peer.at("/things")] == ["1", "1", "2"]
        assert [r.body for r in peer.requests if r.target == "/things"] == [b'{"name":"n"}'] * 2
        peer.valid = set()
        peer.delay = 0.2
        assert not any(r.is_error for r in await asyncio.gather(*(call("get", {"id": str(n)}) for n in range(10))))
        assert len(peer.at("/token")) == 3, "ten calls renew it once"

        peer.requests.clear()
        peer.things = [(401, {"error": f"not you, {ISSUED}-3"}), (401, {"error": f"nor you, {ISSUED}-4"})]
        result = await call("get", {"id": "1"})
        assert result.is_error
        assert "nor you, ***" in text_of(result)
        assert "X_ID and X_SECRET" in text_of(result)
        assert [r.target for r in peer.requests] == ["/things/1", "/token", "/things/1"]
        peer.things = [(403, {})]
        peer.requests.clear()
        await call("get", {"id": "1"})
        assert [r.target for r in peer.requests] == ["/things/1"]
        peer.things, peer.tokens = [(401, {})], [(503, {})]
        assert "no access token" in text_of(await call("get", {"id": "1"}))

    talk(package(OAUTH.format(more="")), body, X_TOKEN_URL="{peer}/token", **CLIENT)


def test_refresh_token(package: Write) -> None:
    async def body(call: Call, peer: Peer) -> None:
        peer.more = {"refresh_token": f"{REFRESH}-2"}
        assert not (await call("get", {"id": "1"})).is_error
        peer.valid = set()
        assert not (await call("get", {"id": "1"})).is_error
        first, second = peer.at("/token")
        client = {"client_id": "the id", "client_secret": SECRET}
        assert first.form == {"grant_type": "refresh_token", "refresh_token": REFRESH, **client}
        assert second.form["refresh_token"] == f"{REFRESH}-2", "the newest is used"
        assert "authorization" not in first.headers
        peer.valid, peer.tokens = set(), [(400, {"error": "invalid_grant", "error_description": f"{REFRESH}-2 used"})]
        said = text_of(await call("get", {"id": "1"}))
        assert (
            "400 Bad Request, invalid_grant: *** used; nothing was carried out; ask the operator to set X_REF" in said
        )

    folder = package(OAUTH.format(more='client_auth="post"'))
    talk(folder, body, X_TOKEN_URL="{peer}/token", X_REFRESH=REFRESH, **CLIENT)


def test_refresh_token_of_a_public_client(package: Write) -> None:
    async def body(call: Call, peer: Peer) -> None:
        assert not (await call("get", {"id": "1"})).is_error
        form = {"grant_type": "refresh_token", "refresh_token": REFRESH, "client_id": "the id", "scope": "c d"}
        assert peer.at("/token")[0].form == form
        assert "authorization" not in peer.at("/token")[0].headers

    folder = package(OAUTH.format(more='grants=("refresh_token",)'))
    assert "set X_TOKEN" in start(folder, X_TOKEN_URL="https://x.test/token", **CLIENT).stderr
    talk(folder, body, X_TOKEN_URL="{peer}/token", X_REFRESH=REFRESH, X_ID="the id", X_SCOPES="c d")


def test_a_given_token_wins(package: Write) -> None:
    async def body(call: Call, peer: Peer) -> None:
        peer.things = [(200, {})]
        assert not (await call("get", {"id": "1"})).is_error
        result = await call("get", {"id": "1"})
        assert result.is_error
        assert "The API does not accept the credential in X_TOKEN;" in text_of(result)
        assert [r.headers["authorization"] for r in peer.requests] == [f"Bearer {ISSUED}"] * 2

    talk(package(OAUTH.format(more="")), body, X_TOKEN_URL="{peer}/token", X_TOKEN=ISSUED, **CLIENT)


WRONG: list[tuple[Answer | None, str]] = [
    ((400, {"error": "invalid_client", "error_description": f"bad\n{SECRET}"}), "invalid_client: bad ***; nothing was"),
    ((401, {"error": "invalid_client"}), "401 Unauthorized, invalid_client; nothing was carried out; ask the operator"),
    ((400, {"error": "invalid_scope"}), "it was asked for a b: the operator can set X_SCOPES"),
    ((400, {"error": "unauthorized_client"}), "may not use the grant client_credentials"),
    (
        (400, {"error": ["x"], "error_description": 5}),
        "400 Bad Request; nothing was carried out; ask the operator to check",
    ),
    ((403, b"<html>"), "403 Forbidden; nothing"),
    ((429, {}), "try again later"),
    ((503, b""), "503 Service Unavailable; nothing was carried out; try again later"),
    ((200, b""), "200 OK without an access token"),
    ((200, {"ok": False, "error": "invalid_auth"}), "200 OK, invalid_auth"),
    ((200, b"[" * 100_000), "without an access token"),
    ((200, [ISSUED]), "without an access token"),
    ((200, {"access_token": ""}), "no header can carry"),
    ((200, {"access_token": f"{ISSUED}\r\nX: y"}), "no header can carry"),
    ((200, {"access_token": 7}), "without an access token"),
    ((200, {"access_token": ISSUED, "token_type": "mac"}), "type 'mac', not Bearer"),
    ((200, b" " * 300_000), "larger than 256 KiB"),
    ((302, b"", "Location: /elsewhere"), "302 Found, and a token request is not redirected"),
    ((200, b"junk", "Content-Encoding: gzip"), "broke off"),
    (None, "broke off"),
]


def test_wrong_answers_of_the_token_endpoint(package: Write) -> None:
    async def body(call: Call, peer: Peer) -> None:
        for answer, said in WRONG:
            peer.tokens = [answer]
            result = await call("add", {})
            assert result.is_error
            text = text_of(result)
            assert text.startswith(f"add: no access token from {peer.url.removeprefix('http://')}: "), text
            assert said in text
            assert len(text) < 900
        assert peer.at("/things") == []
        assert peer.at("/elsewhere") == []
        peer.delay, peer.tokens = 0.3, [(503, {})]
        results = await asyncio.gather(*(call("get", {"id": str(n)}) for n in range(10)))
        assert all(r.is_error for r in results)
        assert len(peer.at("/token")) == len(WRONG) + 1, "those who waited for a failure do not repeat it"
        assert not (await call("add", {})).is_error

    talk(package(OAUTH.format(more="")), body, X_TOKEN_URL="{peer}/token", **CLIENT)


def test_nobody_issues_tokens(package: Write) -> None:
    async def body(call: Call, peer: Peer) -> None:
        assert "no access token from 127.0.0.1:9: it could not be reached" in text_of(await call("add", {}))

    talk(package(OAUTH.format(more="")), body, X_TOKEN_URL="http://127.0.0.1:9", **CLIENT)


def test_a_slow_token_endpoint(package: Write) -> None:
    async def body(call: Call, peer: Peer) -> None:
        peer.delay = 30
        result = await call("add", {})
        assert "gave no access token in time; nothing was carried out" in text_of(result)
        peer.delay = 0
        assert not (await call("add", {})).is_error

    talk(package(OAUTH.format(more="")), body, "--timeout", "1", X_TOKEN_URL="{peer}/token", **CLIENT)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "x: set X_TOKEN (access token, sent in the header Authorization), or X_REFRESH (refresh token, to fetch"),
        ({}, ", or X_ID (client id, to fetch access tokens with) and X_SECRET (client secret) and start again\n"),
        ({"X_ID": "a"}, "set X_TOKEN"),
        ({"X_SECRET": "a", "X_REFRESH": "b"}, "set X_TOKEN"),
        ({**CLIENT, "X_TOKEN_URL": "http://x.test/token"}, "X_TOKEN_URL must be a complete https:// URL"),
        ({**CLIENT, "X_TOKEN_URL": "https://me:pw@x.test/token"}, "X_TOKEN_URL must be"),
        ({**CLIENT, "X_TOKEN_URL": "/token"}, "X_TOKEN_URL must be"),
        ({"X_ID": "a\nb", "X_SECRET": "c"}, "X_ID holds a line break"),
        ({"X_TOKEN": "€"}, "X_TOKEN holds a line break or a character that no header can carry"),
    ],
)
def test_refuses_to_start(package: Write, variables: dict[str, str], said: str) -> None:
    done = start(package(OAUTH.format(more='token_url="https://x.test/token"')), **variables)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_help_names_every_variable(package: Write) -> None:
    said = start(package(OAUTH.format(more='token_url="https://x.test/token"')), "--help").stdout
    for line in (
        "X_TOKEN      access token, sent in the header Authorization",
        "X_ID         client id, to fetch access tokens with",
        "X_SECRET     client secret",
        "X_REFRESH    refresh token, to fetch access tokens with",
        "X_SCOPES     scopes to ask for, default a b",
        "X_TOKEN_URL  token endpoint, default https://x.test/token",
    ):
        assert f"  {line}\n" in said
    assert "  X_TOKEN=… x-mcp\n" in said


# --- OpenID Connect ---------------------------------------------------------------------------------------------------


def test_discovery(package: Write) -> None:
    """The document is read once; only an endpoint of its own origin is believed."""
    folder = package("None")
    service = folder / "x_mcp/service.py"
    service.write_text(
        "import os\n"
        + service.read_text().replace(
            '"login": None',
            '"login": ' + OAUTH.format(more='openid_url=os.environ["X_URL"] + "/.well-known/openid-configuration"'),
        )
    )

    async def body(call: Call, peer: Peer) -> None:
        other = peer.url.replace("127.0.0.1", "localhost")
        for document, said in (
            ({}, "it names no token endpoint"),
            ([], "it names no token endpoint"),
            ({"token_endpoint": f"{other}/token"}, "which is not of its origin; nothing was carried out; ask the op"),
            ({"token_endpoint": "https://evil.test/token"}, "set X_TOKEN_URL to the token endpoint if that is right"),
            ({"token_endpoint": "file:///etc/passwd"}, "not of its origin"),
            ({"token_endpoint": peer.url.replace("//", "//me@") + "/token"}, "not of its origin"),
        ):
            peer.discovery = document
            result = await call("add", {})
            assert result.is_error
            assert said in text_of(result)
        assert peer.at("/token") == []
        peer.discovery = {
            "token_endpoint": f"{peer.url}/token",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }
        peer.requests.clear()
        peer.more = {"expires_in": 0}
        for _ in range(2):
            assert not (await call("add", {})).is_error
        assert len(peer.at("/.well-known")) == 1
        assert [r.form["client_secret"] for r in peer.at("/token")] == [SECRET] * 2

    talk(folder, body, **CLIENT)


# --- digest -----------------------------------------------------------------------------------------------------------


def test_digest(package: Write) -> None:
    """The response is that of RFC 7616, 3.4.1, over the request line as it was sent."""

    def proof(request: Request, algorithm: str, password: str) -> str:
        def digest(text: str) -> str:
            return hashlib.new(algorithm.replace("-", "").lower(), text.encode()).hexdigest()

        stated = dict(re.findall(r'(\w+)="?([^",]*)"?', request.headers["authorization"].removeprefix("Digest ")))
        assert stated["uri"] == request.target
        first = digest(f"ä nn:lamp room:{password}")
        second = digest(f"{request.method}:{request.target}")
        right = digest(":".join([first, stated["nonce"], stated["nc"], stated["cnonce"], stated["qop"], second]))
        assert stated["response"] == right
        return f"{stated['nonce']} {stated['nc']}"

    async def body(call: Call, peer: Peer) -> None:
        def challenge(nonce: str, algorithm: str) -> Answer:
            fields = f'Digest realm="lamp room", nonce="{nonce}", qop="auth", algorithm={algorithm}, opaque="o"'
            return 401, {}, f"WWW-Authenticate: Basic realm=x\r\nWWW-Authenticate: {fields}"

        peer.things = [challenge("n1", "SHA-256"), (200, {"n": 1}), (200, {"n": 2})]
        result = await call("add", {"name": "n"})
        assert result.structured_content == {"n": 1}
        assert "authorization" not in peer.requests[0].headers
        assert [r.body for r in peer.requests] == [b'{"name":"n"}'] * 2
        assert proof(peer.requests[1], "SHA-256", SECRET) == "n1 00000001"
        result = await call("get", {"id": "a/b", "q": "ö &"})
        assert result.structured_content == {"n": 2}
        assert peer.requests[2].target == "/things/a%2Fb?q=%C3%B6%20%26"
        assert proof(peer.requests[2], "SHA-256", SECRET) == "n1 00000002"

        peer.things = [challenge("n2", "MD5"), (200, {"n": 3})]
        assert (await call("add", {})).structured_content == {"n": 3}
        assert proof(peer.requests[4], "MD5", SECRET) == "n2 00000001"
        peer.things = [challenge("n3", "MD5"), challenge("n4", "MD5")]
        result = await call("add", {})
        assert "does not accept the credential in X_USER and X_PASSWORD" in text_of(result)
        for fields in ('Digest realm="r"', "Digest realm", 'Digest realm="r", nonce="n", qop="auth-int"'):
            peer.things = [(401, {}, f"WWW-Authenticate: {fields}")]
            assert "asks for HTTP digest authentication in a way" in text_of(await call("add", {}))

    folder = package('Digest("X_USER", "X_PASSWORD")')
    talk(folder, body, X_USER="ä nn", X_PASSWORD=SECRET)
    for user, said in (('a"b', "X_USER holds a quote"), ("", "set X_USER (user name) and X_PASSWORD")):
        assert said in start(folder, X_USER=user, X_PASSWORD="x").stderr


# --- client certificates ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, a server for 127.0.0.1 and a client, each in NAME.pem and NAME.key; one key is encrypted too."""
    if not (openssl := shutil.which("openssl")):
        pytest.skip("no openssl to make certificates with")
    folder = tmp_path_factory.mktemp("certificates")

    def run(command: str) -> None:
        subprocess.run([openssl, *command.split()], cwd=folder, check=True, capture_output=True)

    new = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    run(f"req -x509 {new} -keyout ca.key -out ca.pem -subj /CN=authority -days 2")
    (folder / "server.ext").write_text("subjectAltName=IP:127.0.0.1\n")
    (folder / "client.ext").write_text("extendedKeyUsage=clientAuth\n")
    for name in ("server", "client"):
        run(f"req {new} -keyout {name}.key -out {name}.csr -subj /CN=the-{name}")
        signed = "-CA ca.pem -CAkey ca.key -CAcreateserial -days 2"
        run(f"x509 -req -in {name}.csr {signed} -extfile {name}.ext -out {name}.pem")
    run("pkey -in client.key -aes256 -passout pass:x -out client.locked.key")
    (folder / "both.pem").write_text((folder / "client.pem").read_text() + (folder / "client.key").read_text())
    return folder


def test_mutual_tls(package: Write, certificates: Path) -> None:
    folder = package('MutualTls("X_CERT_FILE", "X_KEY_FILE")')
    # What the server trusts is the system's; here the system has one authority more.
    (folder / "sitecustomize.py").write_text(
        "import ssl\n"
        "paths = ssl.get_default_verify_paths()\n"
        f"ssl.get_default_verify_paths = lambda: paths._replace(openssl_cafile={str(certificates / 'ca.pem')!r})\n"
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    context.load_verify_locations(certificates / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED

    async def body(call: Call, peer: Peer) -> None:
        peer.things = [(200, {"n": 1}), (200, {"n": 2})]
        assert (await call("add", {})).structured_content == {"n": 1}
        assert (await call("get", {"id": "1"})).structured_content == {"n": 2}
        assert len(peer.requests) == 2

    for certificate, key in (("client.pem", "client.key"), ("both.pem", "both.pem")):
        files = {"X_CERT_FILE": str(certificates / certificate), "X_KEY_FILE": str(certificates / key)}
        talk(folder, body, context=context, **files)

    async def without(call: Call, peer: Peer) -> None:
        assert (await call("add", {})).is_error
        assert peer.requests == []

    shutil.copytree(certificates, folder / "gone")
    files = {"X_CERT_FILE": str(folder / "gone/client.pem"), "X_KEY_FILE": str(folder / "gone/client.key")}

    async def gone(call: Call, peer: Peer) -> None:
        assert "required, but missing" in text_of(await call("get", {}))  # it has started
        (folder / "gone/client.key").unlink()
        said = text_of(await call("add", {}))
        assert "X_KEY_FILE names a file that cannot be read: No such file or directory; nothing was sent" in said
        (folder / "gone/client.key").write_bytes((certificates / "client.key").read_bytes())
        peer.things = [(200, {"n": 1})]
        assert (await call("add", {})).structured_content == {"n": 1}

    talk(folder, gone, context=context, **files)
    service = folder / "x_mcp/service.py"
    service.write_text(service.read_text().replace('requirements=(("login",),)', "requirements=((),)"))
    talk(folder, without, context=context, **files)


@pytest.mark.parametrize(
    ("certificate", "key", "said"),
    [
        ("client.pem", "none.key", "X_KEY_FILE names a file that cannot be read: No such file or directory"),
        ("none.pem", "client.key", "X_CERT_FILE names a file that cannot be read: No such file or directory"),
        (".", "client.key", "X_CERT_FILE names a file that cannot be read: Is a directory"),
        ("client.pem", "server.key", "X_CERT_FILE and X_KEY_FILE name are not a certificate and its private key"),
        ("client.ext", "client.key", "are not a certificate and its private key in PEM"),
        ("client.pem", "client.locked.key", "without a passphrase"),
    ],
)
def test_certificates_are_looked_at_when_the_server_starts(
    package: Write, certificates: Path, certificate: str, key: str, said: str
) -> None:
    folder = package('MutualTls("X_CERT_FILE", "X_KEY_FILE")')
    files = {"X_CERT_FILE": str(certificates / certificate), "X_KEY_FILE": str(certificates / key)}
    done = start(folder, **files)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert start(folder, X_CERT_FILE=str(certificates / "client.pem")).stderr.startswith("x: set X_CERT_FILE (file of")


# --- start ------------------------------------------------------------------------------------------------------------


def test_starting_imports_nothing_for_it(package: Write) -> None:
    """The SDK's own import decides how fast a server starts."""
    folder = package(OAUTH.format(more='token_url="https://x.test/token"'))
    code = "import sys, x_mcp._runtime, x_mcp.service; print([m for m in sys.modules if 'oauth' in m or m == 'httpx2'])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(folder), capture_output=True, text=True, timeout=30
    )
    assert done.stdout == "[]\n", done.stderr
