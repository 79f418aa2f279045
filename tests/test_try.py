"""`mcpgen try` and `mcpgen mock` as a person runs them: a process, its output, its exit code, and what it leaves."""

from __future__ import annotations

import ast
import functools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent

PET = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "id": {"type": "string", "readOnly": True, "example": "p-1"},
        "name": {"type": "string", "example": "Rex"},
        "age": {"type": "integer", "minimum": 0},
    },
}
PET_HERE = {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}
ID = {"in": "path", "name": "id", "required": True, "schema": {"type": "string"}, "example": "p-1"}
SECURITY = {
    "basic": {"type": "http", "scheme": "basic"},
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-Key"},
    "query": {"type": "apiKey", "in": "query", "name": "token"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "sid"},
    "oauth": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://a.b/t", "scopes": {}}}},
}


def answers(content: Any, **more: Any) -> dict[str, Any]:
    return {"responses": {"200": {"description": "", "content": content}}, **more}


def document(folder: Path, **more: Any) -> Path:
    """A shop of pets; every operation asks for another kind of credential."""
    pets = {"application/json": {"example": [{"name": "Rex"}, {"name": "Tom"}]}}
    paths = {
        "/pets": {
            "get": answers(pets, operationId="listPets", security=[{"query": []}]),
            "post": answers(
                PET_HERE,
                operationId="addPet",
                requestBody={"required": True, "content": PET_HERE},
                security=[{"header": [], "cookie": []}],
            ),
        },
        "/pets/{id}": {
            "get": answers(PET_HERE, operationId="getPet", parameters=[ID], security=[{"basic": []}]),
            "delete": answers(PET_HERE, operationId="dropPet", parameters=[ID], security=[{"bearer": []}]),
        },
        "/search": {
            "servers": [{"url": "https://search.example.com/v9"}],
            "get": answers(
                pets,
                operationId="searchPets",
                parameters=[{"in": "query", "name": "q", "required": True, "schema": {"enum": ["dog"]}}],
                security=[{"oauth": []}],
            ),
        },
    }
    file = folder / "pets.json"
    stated = {
        "openapi": "3.0.3",
        "info": {"title": "Pets", "version": "1"},
        "servers": [{"url": "https://pets.example.com/v2"}],
        "paths": paths,
        "components": {"schemas": {"Pet": PET}, "securitySchemes": SECURITY},
    }
    file.write_text(json.dumps(stated | more))
    return file


def mcpgen(*arguments: str, folder: Path = ROOT, temporary: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | ({"TMPDIR": str(temporary)} if temporary else {})
    command = [sys.executable, "-m", "mcpgen", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def running(text: str) -> list[str]:
    """The command lines of processes with `text` in them."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found


def test_a_trial_shows_tools_requests_and_answers(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    done = mcpgen("try", str(document(tmp_path)), temporary=temporary)
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout
    assert re.match(
        r"Pets: 5 tools over stdio and HTTP, MCP 20..-..-..; the API is a mock at http://127\.0\.0\.1:\d+/v2\n",
        said,
    )
    calls = [block.splitlines()[0] for block in said.split("\n\n")[1:5]]
    assert calls == ["1. list_pets  read", "2. get_pet  read", "3. add_pet  write", "4. search_pets  read"]
    assert "request    GET /v2/pets?token=***\n" in said
    assert '{"name": "Tom"}]' in said
    assert 'arguments  {"id": "p-1"}\n   request    GET /v2/pets/p-1\n              authorization: Basic ***\n' in said
    assert re.search(r"POST /v2/pets\n(.*\n)*? +x-key: \*\*\*\n", said)
    assert "cookie: sid=***\n" in said
    assert '{"age": 0, "name": "Rex"}' in said
    assert "GET /v2/search?q=dog\n              authorization: Bearer ***\n" in said
    assert "\n4 of 4 calls went through; " in said
    assert max(map(len, said.splitlines())) <= 100
    assert "trial-" not in said
    assert "\x1b" not in said
    assert list(temporary.iterdir()) == []
    assert running("pets_mcp") == []


def test_a_trial_of_openstatus() -> None:
    done = mcpgen("try", "openstatus", "--calls", "2")
    assert (done.returncode, done.stderr) == (0, "")
    assert "1. list_status_pages  read" in done.stdout
    assert "x-openstatus-key: ***" in done.stdout
    assert "2 of 2 calls went through" in done.stdout


def test_a_kept_server_stays(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    done = mcpgen("try", str(document(tmp_path)), "--calls", "1", "--keep", str(kept))
    assert done.returncode == 0
    assert (kept / "pets_mcp" / "tools.json").is_file()
    assert str(kept) in done.stdout


def test_a_refused_request_is_a_problem(tmp_path: Path) -> None:
    # The toys of the pet called "mine" are, for the API, a thing of mine, and that has a number.
    number = {"in": "path", "name": "number", "required": True, "schema": {"type": "integer"}}
    paths = {
        "/pets/{id}/toys": {"get": answers(PET_HERE, operationId="listToys", parameters=[ID | {"example": "mine"}])},
        "/pets/mine/{number}": {"get": answers(PET_HERE, operationId="getMine", parameters=[number])},
    }
    done = mcpgen("try", str(document(tmp_path, paths=paths)))
    assert done.returncode == 1
    assert "status     400" in done.stdout
    reason = 'the mock refused GET /v2/pets/mine/toys: path.number: "toys" is not of type "integer"'
    assert f"problem: list_toys: {reason}\n1 of 2 calls went through" in done.stdout


def test_a_server_that_does_not_start_is_a_problem(tmp_path: Path) -> None:
    folder = tmp_path / "specs" / "pets"
    folder.mkdir(parents=True)
    document(folder).rename(folder / "openapi.json")
    (folder / "mcpgen.toml").write_text('[server]\npackage = "json"\n')
    done = mcpgen("try", "pets", folder=tmp_path)
    assert done.returncode == 1
    assert "problem: the server stopped: " in done.stdout
    assert "problem: the server does not answer over HTTP: " in done.stdout


def test_nothing_to_call_is_a_problem(tmp_path: Path) -> None:
    done = mcpgen("try", str(document(tmp_path, paths={})))
    assert done.returncode == 1
    assert "problem: the document has no operation that can be a tool\n" in done.stdout


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_the_mock_runs_until_it_is_interrupted(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-u", "-m", "mcpgen", "mock", str(document(tmp_path)), "--port", str(port)]
    # A shell that runs in the background hands on an interrupt that is ignored.
    heeded = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heeded,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            base = f"http://127.0.0.1:{port}/v2"
            assert process.stdout.readline() == f"pets.json is mocked at {base}\n"
            assert f"--base-url {base}" in process.stdout.readline()
            with urllib.request.urlopen(f"{base}/pets?token=t") as response:
                assert json.load(response) == [{"name": "Rex"}, {"name": "Tom"}]
            assert process.stdout.readline() == "200 GET /v2/pets?token=t (listPets, example)\n"
            taken = mcpgen("mock", str(tmp_path / "pets.json"), "--port", str(port))
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
            assert process.stderr.read() == ""
        finally:
            process.kill()
    assert taken.returncode == 2
    assert f"cannot listen on 127.0.0.1 port {port}" in taken.stderr


@pytest.mark.parametrize("command", ["try", "mock"])
def test_help_has_an_example(command: str) -> None:
    done = mcpgen(command, "--help")
    assert done.returncode == 0
    assert f"  mcpgen {command} openapi.yaml" in done.stdout
    assert command in mcpgen("--help").stdout


def test_only_the_trial_imports_mcp() -> None:
    importing = set()
    for file in (ROOT / "mcpgen").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            if any(name.partition(".")[0] == "mcp" for name in names):
                importing.add(file.name)
    assert importing == {"tryout.py"}
