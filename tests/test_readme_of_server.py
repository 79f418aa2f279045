"""What the README, the manifest and the image of a generated server tell its users, in the form that each client takes.

Nothing is compared with a golden: every snippet is read as its client reads it.
"""

from __future__ import annotations

import base64
import json
import re
import shlex
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import jsonschema_rs
import pytest
from conftest import TESTS, built, case, place

CASES = sorted(p.name for p in (TESTS / "cases").iterdir() if p.is_dir())

DOCUMENT = """
openapi: 3.1.0
info: {title: Zoo, version: "1"}
servers: [{url: "https://zoo.test"}]
security: [SECURITY]
paths:
  /animals:
    get: {operationId: listAnimals, tags: [Animals], responses: {}}
    post: {operationId: addAnimal, tags: [Animals], responses: {}}
  /animals/{id}:
    delete:
      operationId: removeAnimal
      tags: [Animals]
      parameters: [{name: id, in: path, required: true, schema: {type: string}}]
      responses: {}
components: {securitySchemes: {key: SCHEME}}
"""
BEARER = "{type: http, scheme: bearer}"
OWN = "{type: apiKey, in: header, name: x-zoo-key}"
REMOTE = """
[readme]
remote_url = "https://mcp.zoo.test/mcp"
image = "ghcr.io/zoo/zoo-mcp"
key = "Settings, API keys: see https://zoo.test/docs/keys#new."
security = ["Keys expire after 90 days."]
backend = ["A revoked key is refused at once.", "<script>alert(1)</script>"]
"""


def zoo(tmp_path: Path, scheme: str = OWN, config: str = "") -> dict[str, str]:
    """The server of a small API with one security scheme, or with none."""
    document = DOCUMENT.replace("SECURITY", "{key: []}" if scheme else "").replace("SCHEME", scheme or OWN)
    return built(place({"openapi.yaml": document, "mcpgen.toml": config}, tmp_path))[1]


class Readme:
    """A README as a reader takes it apart: the blocks of code below each heading."""

    def __init__(self, files: dict[str, str]) -> None:
        self.text = files["README.md"]
        self.blocks: dict[str, list[tuple[str, str]]] = {}
        heading = ""
        language, lines = "", None
        for line in self.text.split("\n"):
            if lines is None and line.startswith("#"):
                heading = line.strip("# ")
            elif lines is None and line.startswith("```"):
                language, lines = line[3:], []
            elif lines is not None and line == "```":
                self.blocks.setdefault(heading, []).append((language, "\n".join(lines)))
                lines = None
            elif lines is not None:
                lines.append(line)
        assert lines is None, "a fenced block is not closed"

    def code(self, heading: str, language: str) -> list[str]:
        return [code for kind, code in self.blocks[heading] if kind == language]

    def json(self, heading: str) -> list[Any]:
        return [json.loads(code) for code in self.code(heading, "json")]

    def commands(self, heading: str) -> list[list[str]]:
        return [shlex.split(line, comments=True) for code in self.code(heading, "sh") for line in code.split("\n")]

    def section(self, heading: str) -> str:
        return re.split(r"\n##+ ", self.text.split(f"# {heading}\n", 1)[1])[0]


@pytest.mark.parametrize("name", CASES)
def test_every_block_can_be_read(name: str) -> None:
    """Whatever the document says, JSON is JSON and a command is a command."""
    readme = Readme(case(name)[1])
    read = [json.loads(code) for blocks in readme.blocks.values() for kind, code in blocks if kind == "json"]
    assert len(read) == 9
    assert len(readme.commands("Claude Code")) == 2


CLIENTS = {
    "Claude Desktop": ("mcpServers", [{"command", "args", "env"}, {"command", "args", "env"}]),
    "Cursor": ("mcpServers", [{"command", "args", "env"}, {"url", "headers"}]),
    "VS Code": ("servers", [{"type", "command", "args", "env"}, {"type", "url", "headers"}]),
    "Gemini CLI": ("mcpServers", [{"command", "args", "env"}, {"httpUrl", "headers"}]),
    "Docker, in any of them": ("mcpServers", [{"command", "args", "env"}]),
}


@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_finds_its_own_keys(client: str, tmp_path: Path) -> None:
    root, wanted = CLIENTS[client]
    found = Readme(zoo(tmp_path, config=REMOTE)).json(client)
    assert [set(block[root]["zoo"]) for block in found] == wanted
    for block in found:
        assert set(block) == ({root, "inputs"} if client == "VS Code" else {root})


HEADERS = [
    (OWN, "", "x-zoo-key", "YOUR_API_KEY"),
    (BEARER, "", "Authorization", "Bearer YOUR_API_KEY"),
    (OWN, '[auth.key]\nvalue = "Token token={ZOO_KEY}"\n', "x-zoo-key", "Token token=YOUR_API_KEY"),
    (OWN, '[http]\nvalue = "Key {KEY}"\n', "x-zoo-key", "Key YOUR_API_KEY"),
    (BEARER, '[http]\nheader = "x-zoo-key"\nvalue = "{KEY}"\n', "x-zoo-key", "YOUR_API_KEY"),
    ("{type: oauth2, flows: {}}", "", "Authorization", "Bearer YOUR_API_KEY"),
    ("{type: apiKey, in: query, name: key}", "", "X-Api-Key", "YOUR_API_KEY"),
    ("{type: apiKey, in: query, name: key}", '[http]\nheader = "x-key"\n', "x-key", "YOUR_API_KEY"),
    ("{type: http, scheme: basic}", "", "Authorization", "Basic YOUR_USER_AND_PASSWORD_IN_BASE64"),
]


def accepted(files: dict[str, str], folder: Path) -> str:
    """The form in which the server itself says that it takes a caller's key."""
    place({n: t for n, t in files.items() if n.startswith("zoo_mcp/")}, folder)
    told = "from zoo_mcp._runtime.http import Keys; from zoo_mcp.service import SERVICE; print(Keys(SERVICE).advice)"
    done = subprocess.run([sys.executable, "-c", told], cwd=folder, capture_output=True, text=True, check=True)
    return re.sub(r"<[^>]*>", "<key>", done.stdout.strip().partition(" key as ")[2])


@pytest.mark.parametrize(("scheme", "config", "name", "value"), HEADERS)
def test_every_client_sends_the_same_header(scheme: str, config: str, name: str, value: str, tmp_path: Path) -> None:
    """As the API takes the key, or as the configuration says; each client writes it in its own way."""
    files = zoo(tmp_path, scheme, config + REMOTE)
    readme = Readme(files)
    url = "https://mcp.zoo.test/mcp"
    sent = {name: value}
    assert accepted(files, tmp_path) == re.sub(r"YOUR_\w+", "<key>", f"`{name}: {value}`")
    assert readme.json("Cursor")[1]["mcpServers"]["zoo"] == {"url": url, "headers": sent}
    assert readme.json("Gemini CLI")[1]["mcpServers"]["zoo"] == {"httpUrl": url, "headers": sent}
    add = ["claude", "mcp", "add", "--transport", "http", "zoo", url, "--header", f"{name}: {value}"]
    assert readme.commands("Claude Code")[1] == add
    code = readme.json("VS Code")[1]
    (asked,) = code["inputs"]
    assert (asked["type"], asked["password"]) == ("promptString", True)
    hidden = {name: re.sub(r"YOUR_\w+", f"${{input:{asked['id']}}}", value)}
    assert code["servers"]["zoo"] == {"type": "http", "url": url, "headers": hidden}
    bridge = readme.json("Claude Desktop")[1]["mcpServers"]["zoo"]
    *start, flag, header = bridge["args"]
    assert [bridge["command"], *start, flag] == ["npx", "-y", "mcp-remote", url, "--header"]
    assert " " not in header, "some clients tear an argument apart at a blank"
    expanded = re.sub(r"\$\{(\w+)\}", lambda m: bridge["env"][m[1]], header)
    assert expanded == f"{name}:{value}"
    assert f"`{name}: {value}`" in readme.section("When something is wrong")


def test_two_keys_come_in_two_headers(tmp_path: Path) -> None:
    """An API that takes a key and the key of an application."""
    document = DOCUMENT.replace("SECURITY", "{one: [], two: []}").replace(
        "{key: SCHEME}",
        "{one: {type: apiKey, in: header, name: ZOO-KEY}, two: {type: apiKey, in: header, name: ZOO-APP}}",
    )
    files = built(place({"openapi.yaml": document}, tmp_path))[1]
    readme = Readme(files)
    sent = {"ZOO-KEY": "YOUR_ZOO_KEY", "ZOO-APP": "YOUR_ZOO_APP"}
    assert readme.json("Cursor")[1]["mcpServers"]["zoo"]["headers"] == sent
    assert readme.commands("Claude Code")[1][-4:] == [
        *("--header", "ZOO-KEY: YOUR_ZOO_KEY"),
        *("--header", "ZOO-APP: YOUR_ZOO_APP"),
    ]
    code = readme.json("VS Code")[1]
    assert len({i["id"] for i in code["inputs"]}) == 2
    assert accepted(files, tmp_path) == "`ZOO-KEY: <key>` and `ZOO-APP: <key>`"
    bridge = readme.json("Claude Desktop")[1]["mcpServers"]["zoo"]
    assert bridge["env"] == {"ZOO_KEY": "YOUR_ZOO_KEY", "ZOO_APP": "YOUR_ZOO_APP"}


@pytest.mark.parametrize(("scheme", "config"), [("", ""), (OWN, '[http]\ncredential = "environment"\n')])
def test_without_a_key_of_ones_own_no_header_is_shown(scheme: str, config: str, tmp_path: Path) -> None:
    readme = Readme(zoo(tmp_path, scheme, config))
    url = "http://127.0.0.1:8000/mcp"
    assert readme.json("Cursor")[1]["mcpServers"]["zoo"] == {"url": url}
    assert readme.json("VS Code")[1] == {"servers": {"zoo": {"type": "http", "url": url}}}
    assert readme.json("Claude Desktop")[1]["mcpServers"]["zoo"] == {
        "command": "npx",
        "args": ["-y", "mcp-remote", url],
    }
    assert readme.commands("Claude Code")[1] == ["claude", "mcp", "add", "--transport", "http", "zoo", url]
    assert "everybody sends a key" not in readme.text
    assert ("proxy before it" in readme.section("Security")) == bool(scheme)


def test_the_server_is_started_on_this_machine(tmp_path: Path) -> None:
    readme = Readme(zoo(tmp_path))
    env = {"ZOO_KEY": "YOUR_KEY"}
    for client in ("Claude Desktop", "Cursor", "Gemini CLI"):
        assert readme.json(client)[0]["mcpServers"]["zoo"] == {"command": "uvx", "args": ["zoo-mcp"], "env": env}
    name_first = ["claude", "mcp", "add", "zoo", "--env", "ZOO_KEY=YOUR_KEY", "--", "uvx", "zoo-mcp"]
    assert readme.commands("Claude Code")[0] == name_first
    code = readme.json("VS Code")[0]
    (asked,) = code["inputs"]
    assert asked["password"] is True
    assert code["servers"]["zoo"]["env"] == {"ZOO_KEY": f"${{input:{asked['id']}}}"}
    run = ["run", "-i", "--rm", "-e", "ZOO_KEY", "zoo-mcp"]
    assert readme.json("Docker, in any of them")[0]["mcpServers"]["zoo"] == {
        "command": "docker",
        "args": run,
        "env": env,
    }
    assert ["docker", *run, "--enable-write-tools"] in readme.commands("Install")
    assert ["docker", "build", "-t", "zoo-mcp", "."] in readme.commands("Install")


def test_a_published_image_is_pulled_and_not_built(tmp_path: Path) -> None:
    commands = Readme(zoo(tmp_path, config=REMOTE)).commands("Install")
    assert ["docker", "pull", "ghcr.io/zoo/zoo-mcp"] in commands
    assert not [c for c in commands if c[:2] == ["docker", "build"]]


def cursor(readme: Readme) -> tuple[str, Any]:
    (link,) = readme.code("Cursor", "text")
    parts = urlsplit(link)
    assert (parts.scheme, parts.netloc, parts.path) == ("cursor", "anysphere.cursor-deeplink", "/mcp/install")
    assert re.fullmatch(r"name=[a-z-]+&config=[A-Za-z0-9%]+", parts.query), "a + would be a blank"
    query = parse_qs(parts.query, strict_parsing=True)
    return query["name"][0], json.loads(base64.b64decode(query["config"][0], validate=True))


def vscode(readme: Readme) -> Any:
    (link,) = readme.code("VS Code", "text")
    start, _, told = link.partition("?")
    assert start == "vscode:mcp/install"
    return json.loads(unquote(told, errors="strict"))


@pytest.mark.parametrize("name", ["zoo", "zoos", "zoo-two"])  # of different lengths, for the padding of base64
@pytest.mark.parametrize("config", ["", REMOTE])
def test_links_install_what_the_json_says(config: str, name: str, tmp_path: Path) -> None:
    """The vendor's own address where there is one, else the server on this machine."""
    readme = Readme(zoo(tmp_path, BEARER, f'[server]\nname = "{name}"\n{config}'))
    which = int(bool(config))
    assert cursor(readme) == (name, readme.json("Cursor")[which]["mcpServers"][name])
    code = readme.json("VS Code")[which]
    assert vscode(readme) == {"name": name, **code["servers"][name], "inputs": code["inputs"]}


def test_a_hostile_header_is_only_an_argument(tmp_path: Path) -> None:
    """All that the name of a header may hold (RFC 9110, 5.6.2), seen by a real shell."""
    hostile = "x-`id`$HOME!#%&'*+.^_|~"
    readme = Readme(zoo(tmp_path, json.dumps({"type": "apiKey", "in": "header", "name": hostile})))
    line = readme.code("Claude Code", "sh")[0].split("\n")[1]
    told = subprocess.run(["sh", "-c", line.replace("claude", "printf '%s\\n'", 1)], capture_output=True, text=True)
    assert told.stdout.split("\n")[:-1][-1] == f"{hostile}: YOUR_API_KEY"
    assert readme.json("Cursor")[1]["mcpServers"]["zoo"]["headers"] == {hostile: "YOUR_API_KEY"}


def test_a_reader_is_told_what_to_know(tmp_path: Path) -> None:
    """Effects of tools, what to do when something is wrong, what is safe and what is the service's own promise."""
    readme = Readme(zoo(tmp_path, config=REMOTE + '[http]\ncors_origins = ["https://app.zoo.test"]\n'))
    tools = readme.section("Tools")
    assert "| `list_animals` | animals | read |" in tools
    assert "| `add_animal` | animals | write |" in tools
    assert "| `remove_animal` | animals | destructive, idempotent |" in tools
    wrong = readme.section("When something is wrong")
    for row in ("`401`", "a tool is missing", "`429`", "an empty result"):
        assert re.search(rf"^\| {row}", wrong, re.MULTILINE), row
    security = readme.section("Security")
    for words in ("key of its own", "explicit approval", "real changes", "not stored", "`https://app.zoo.test`"):
        assert words in security, words
    assert "- Keys expire after 90 days." in security
    assert "- A revoked key is refused at once." in readme.section("What the service itself keeps")
    assert "Settings, API keys: see <https://zoo.test/docs/keys#new>." in readme.section("Install")
    assert "<script" not in readme.text
    for client in ("Claude on the web", "ChatGPT"):
        steps = re.findall(r"^(\d)\. ", readme.section(client), re.MULTILINE)
        assert steps == ["1", "2", "3", "4"]
        assert "https://mcp.zoo.test/mcp" in readme.section(client)


def test_the_requests_are_marked_as_the_server_marks_them(tmp_path: Path) -> None:
    assert "User-Agent `zoo-mcp/0.1.0`" in Readme(zoo(tmp_path)).section("Security")
    own = zoo(tmp_path, config='[headers]\nUser-Agent = "zoo-assistant/7"\n')
    assert "User-Agent `zoo-assistant/7`" in Readme(own).section("Security")


def test_what_nobody_promised_is_not_told(tmp_path: Path) -> None:
    text = Readme(zoo(tmp_path)).text
    assert "What the service itself keeps" not in text
    assert "Your key:" not in text


# --- the registry, the image, the distribution ------------------------------------------------------------------------


def test_the_manifest_names_every_way_to_the_server(tmp_path: Path) -> None:
    files = zoo(tmp_path, BEARER, '[server]\nversion = "2.3.4"\nregistry_name = "test.zoo/zoo"\n' + REMOTE)
    manifest = json.loads(files["server.json"])
    assert manifest["version"] == tomllib.loads(files["pyproject.toml"])["project"]["version"] == "2.3.4"
    pypi, oci = manifest["packages"]
    assert (pypi["registryType"], pypi["identifier"], pypi["version"]) == ("pypi", "zoo-mcp", "2.3.4")
    # An image has its version in its tag, and the registry refuses one beside it.
    assert (oci["registryType"], oci["identifier"], "version" in oci) == ("oci", "ghcr.io/zoo/zoo-mcp:2.3.4", False)
    assert pypi["environmentVariables"] == oci["environmentVariables"]
    (remote,) = manifest["remotes"]
    assert (remote["type"], remote["url"]) == ("streamable-http", "https://mcp.zoo.test/mcp")
    (header,) = remote["headers"]
    assert header["name"] == "Authorization"
    assert header["isSecret"] is header["isRequired"] is True
    assert header["value"] == "Bearer {api_key}"
    assert header["variables"]["api_key"]["isSecret"] is True
    assert "<!-- mcp-name: test.zoo/zoo -->\n" in files["README.md"]


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ("zoo/mcp", "docker.io/zoo/mcp:0.1.0"),
        ("zoo/mcp:7", "docker.io/zoo/mcp:7"),
        ("zoo", "docker.io/library/zoo:0.1.0"),
        ("registry.zoo.test:5000/mcp", "registry.zoo.test:5000/mcp:0.1.0"),
        ("quay.io/zoo/mcp@sha256:ab", "quay.io/zoo/mcp@sha256:ab"),
    ],
)
def test_an_image_has_its_host_and_its_tag(image: str, reference: str, tmp_path: Path) -> None:
    files = zoo(tmp_path, config=f'[readme]\nimage = "{image}"\n')
    assert json.loads(files["server.json"])["packages"][1]["identifier"] == reference


INPUT = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "description": {"type": "string"},
        "isRequired": {"type": "boolean"},
        "isSecret": {"type": "boolean"},
        "format": {"enum": ["string", "number", "boolean", "filepath"]},
        "value": {"type": "string"},
        "default": {"type": "string"},
        "choices": {"type": "array", "items": {"type": "string"}},
        "variables": {"type": "object", "additionalProperties": {"type": "object"}},
    },
    "additionalProperties": False,
}
MANIFEST = {
    "type": "object",
    "required": ["name", "description", "version"],
    "properties": {
        "name": {"type": "string", "pattern": "^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$", "minLength": 3, "maxLength": 200},
        "title": {"type": "string", "minLength": 1, "maxLength": 100},
        "description": {"type": "string", "minLength": 1, "maxLength": 100},
        "version": {"type": "string", "maxLength": 255},
        "packages": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["registryType", "identifier", "transport"],
                "properties": {
                    "version": {"type": "string", "minLength": 1, "not": {"const": "latest"}},
                    "environmentVariables": {"type": "array", "items": INPUT},
                },
            },
        },
        "remotes": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "url"],
                "properties": {"headers": {"type": "array", "items": INPUT}},
            },
        },
    },
}
"""What the registry's schema of 2025-12-11 asks of what we write."""


@pytest.mark.parametrize("name", CASES)
def test_the_manifest_is_one_of_the_registry(name: str) -> None:
    jsonschema_rs.validator_for(MANIFEST).validate(json.loads(case(name)[1]["server.json"]))


def test_the_image_runs_the_command_as_nobody_special(tmp_path: Path) -> None:
    files = zoo(tmp_path, config='[server]\nregistry_name = "test.zoo/zoo"\n')
    lines = [line for line in files["Dockerfile"].split("\n") if line and not line.startswith("#")]
    said = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines}
    (command,) = tomllib.loads(files["pyproject.toml"])["project"]["scripts"]
    # In its exec form, so that arguments of `docker run` reach the command.
    assert json.loads(said["ENTRYPOINT"]) == [command]
    assert json.loads(said["HEALTHCHECK"].split("CMD ")[1]) == [command, "--version"]
    assert said["USER"].isdecimal()
    assert int(said["USER"]) > 0, "a number, so that Kubernetes can see that it is not root"
    assert f"--uid {said['USER']}" in said["RUN"]
    order = [line.split()[0] for line in lines]
    assert order.index("RUN") < order.index("USER") < order.index("ENTRYPOINT")
    assert said["LABEL"] == 'io.modelcontextprotocol.server.name="test.zoo/zoo"'
    for copied in said["COPY"].split()[:-1]:
        assert any(path.startswith(copied) for path in files)


def test_a_wheel_has_the_command_and_all_that_it_reads(tmp_path: Path) -> None:
    """`uvx` takes the console script of the distribution's own name."""
    folder = place(zoo(tmp_path / "spec"), tmp_path / "server")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(tmp_path / "dist"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if re.search(r"No matching distribution|NewConnectionError|Name or service not known", done.stderr):
        pytest.skip("the build backend cannot be fetched: no package index")
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "dist").glob("zoo_mcp-0.1.0-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        scripts = archive.read("zoo_mcp-0.1.0.dist-info/entry_points.txt").decode()
    assert "zoo-mcp = zoo_mcp.__main__:main" in scripts
    assert {"zoo_mcp/tools.json", "zoo_mcp/_runtime/main.py", "zoo_mcp/tools/animals.py"} <= names
