"""Measures mcpgen against its floors, as ratios in one run: no figure here is a test, a machine's load moves them.

python bench/run.py [CORPUS]     CORPUS holds pagerduty-rest.json and github-rest.json; default: $MCPGEN_CORPUS
"""

from __future__ import annotations

import asyncio
import compileall
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

HERE = Path(__file__).parent
ROUNDS = 5


def timed(*command: str, cwd: Path | None = None) -> tuple[float, float]:
    """Return the wall seconds and the peak megabytes of a command."""
    started = time.perf_counter()
    code = (
        "import resource,subprocess,sys; c=subprocess.run(sys.argv[1:],stdout=subprocess.DEVNULL,"
        "stderr=subprocess.DEVNULL).returncode; print(c, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True, cwd=cwd)
    seconds = time.perf_counter() - started
    status, peak = done.stdout.split()
    if status != "0":
        raise SystemExit(f"failed: {' '.join(command)}")
    return seconds, int(peak) / 1024


def best(*command: str, rounds: int = ROUNDS) -> tuple[float, float]:
    runs = [timed(*command) for _ in range(rounds)]
    return min(r[0] for r in runs), max(r[1] for r in runs)


def first_list(command: list[str], env: dict[str, str], rounds: int = ROUNDS) -> float:
    """Return the seconds from the spawn to the answer of the first tools/list, over stdio, spoken raw."""
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
    lines = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
    ]
    found = []
    for _ in range(rounds):
        started = time.perf_counter()
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, **env}
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            for line in lines:
                process.stdin.write(json.dumps(line).encode() + b"\n")
            process.stdin.flush()
            while json.loads(process.stdout.readline()).get("id") != 2:
                pass
            found.append(time.perf_counter() - started)
            process.kill()
    return min(found)


class Api(BaseHTTPRequestHandler):
    """Answers everything with a small JSON object."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one segment an answer: two would wait for the delayed acknowledgement

    def do_GET(self) -> None:
        body = b'{"ok": true}'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


async def calls(
    command: str, args: list[str], env: dict[str, str], tool: str, arguments: dict[str, object]
) -> list[float]:
    """Return the seconds of the first, the second, and the median of 300 further calls of a tool."""
    parameters = StdioServerParameters(command=command, args=args, env={**os.environ, **env})
    async with Client(stdio_client(parameters)) as client:
        await client.list_tools()  # as every client does before it calls
        found = []
        for _ in range(302):
            started = time.perf_counter()
            result = await client.call_tool(tool, arguments)
            found.append(time.perf_counter() - started)
            assert not result.is_error, result
        return [found[0], found[1], statistics.median(found[2:])]


def upstream_alone(url: str) -> float:
    """Return the median seconds of the HTTP request alone, on one kept connection, in this process."""
    import httpx2

    async def talk() -> float:
        async with httpx2.AsyncClient(trust_env=False) as client:
            found = []
            for _ in range(300):
                started = time.perf_counter()
                await client.get(url)
                found.append(time.perf_counter() - started)
            return statistics.median(found)

    return asyncio.run(talk())


def document(name: str, corpus: Path, work: Path, tool: str, arguments: dict[str, object]) -> None:
    spec = corpus / f"{name}-rest.json"
    out = work / name
    scripts = Path(sys.executable).parent
    build = [str(scripts / "mcpgen"), "build", "--quiet", "--force", "--spec", str(spec), "--out", str(out)]
    full, peak = best(*build, rounds=3)
    nothing, _ = best(*[a for a in build if a != "--force"], rounds=3)
    codegen = [str(scripts / "datamodel-codegen"), "--input", str(spec), "--input-file-type", "openapi"]
    codegen += ["--output", str(work / "models.py"), "--output-model-type", "pydantic_v2.BaseModel"]
    alone, codegen_peak = best(*codegen, "--formatters", "builtin", rounds=2)
    print(f"{name}: build {full:.2f} s, {peak:.0f} MB; datamodel-codegen alone {alone:.2f} s, {codegen_peak:.0f} MB:")
    print(f"  build / datamodel-codegen      {full / alone:5.2f}   (at most 1)")
    print(f"  nothing to do / full build     {nothing / full:5.2f}   (at most 0.5)")
    compileall.compile_dir(out, quiet=2)  # as pip leaves it
    package = next(p.parent.name for p in out.glob("*/service.py"))
    env = {"PYTHONPATH": str(out)}
    manifest = json.loads((out / "server.json").read_text())
    for variable in manifest["packages"][0]["environmentVariables"]:
        if variable["isRequired"]:
            env[variable["name"]] = "bench"
    bare = first_list([sys.executable, str(HERE / "bare_server.py")], env)
    command = [sys.executable, "-m", package, "--enable-write-tools"]
    ours = first_list(command, env)
    count = len(json.loads((out / package / "tools.json").read_text())["tools"])
    ratio = f"{ours / bare:5.2f}   (at most 1.25; {ours:.2f} s, {bare:.2f} s)"
    print(f"  first tools/list, {count} tools / bare server  {ratio}")
    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as api:
        threading.Thread(target=api.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{api.server_address[1]}"
        args = ["-m", package, "--base-url", url]
        floor = asyncio.run(calls(sys.executable, [str(HERE / "bare_server.py")], env, "ping", {}))[2]
        first, second, usual = asyncio.run(calls(sys.executable, args, env, tool, arguments))
        http = upstream_alone(url + "/x")
        api.shutdown()
    added = (usual - floor - http) * 1000
    floors = f"SDK alone {floor * 1000:.2f} ms, HTTP alone {http * 1000:.2f} ms"
    print(f"  tools/call {usual * 1000:.2f} ms; {floors}: added {added:.2f} ms (at most 1)")
    print(f"  first call after start {(first - second) * 1000:.0f} ms more than the second   (at most 150)")


def main() -> None:
    corpus = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("MCPGEN_CORPUS", ""))
    if not (corpus / "pagerduty-rest.json").is_file():
        raise SystemExit("say where the corpus is: python bench/run.py FOLDER, or set MCPGEN_CORPUS")
    with tempfile.TemporaryDirectory() as folder:
        document("pagerduty", corpus, Path(folder), "list_incidents", {})
        document("github", corpus, Path(folder), "repos_get", {"owner": "o", "repo": "r"})
    print(f"peak of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
