"""Measures mcpgen against its floors, as ratios in one run: no figure here is a test, a machine's load moves them.

python bench/run.py [CORPUS]           CORPUS holds pagerduty-rest.json and github-rest.json; default: $MCPGEN_CORPUS
python bench/run.py --sizes [CORPUS]   time, memory and start of every document in CORPUS and CORPUS/large, by size
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


def installed(out: Path) -> tuple[str, dict[str, str]]:
    """Compile a generated server as pip does; return its package and the environment in which it starts."""
    compileall.compile_dir(out, quiet=2)
    env = {"PYTHONPATH": str(out)}
    manifest = json.loads((out / "server.json").read_text())
    for variable in manifest["packages"][0]["environmentVariables"]:
        if variable["isSecret"] and not variable.get("format"):
            env[variable["name"]] = "bench"
        elif variable["isRequired"] or variable["name"].endswith("BASE_URL"):
            env[variable["name"]] = "https://bench.test"
    return next(p.parent.name for p in out.glob("*/service.py")), env


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
    package, env = installed(out)
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


def sizes(corpus: Path) -> None:
    """Print a line a document, the smallest first: what a build and a start cost."""
    documents = [p for folder in (corpus, corpus / "large") for p in folder.iterdir() if p.suffix in (".json", ".yaml")]
    skipped = {"manifest.json", "pagerduty-mcp.json"}
    documents = sorted((p for p in documents if p.name not in skipped), key=lambda p: p.stat().st_size)
    mcpgen = str(Path(sys.executable).parent / "mcpgen")
    print("document                        MB  tools  build s  s/MB  peak MB  list MB  list / bare")
    for spec in documents:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            seconds, peak = best(
                mcpgen, "build", "--quiet", "--force", "--spec", str(spec), "--out", str(out), rounds=2
            )
            package, env = installed(out)
            listing = (out / package / "tools.json").read_bytes()
            bare = first_list([sys.executable, str(HERE / "bare_server.py")], env, rounds=3)
            ours = first_list([sys.executable, "-m", package, "--enable-write-tools"], env, rounds=3)
            size, count = spec.stat().st_size / 1e6, len(json.loads(listing)["tools"])
            print(
                f"{spec.stem:28} {size:5.1f} {count:6} {seconds:8.2f} {seconds / size:5.2f} {peak:8.0f} "
                f"{len(listing) / 1e6:8.1f} {ours / bare:11.2f}",
                flush=True,
            )


def main() -> None:
    given = [a for a in sys.argv[1:] if a != "--sizes"]
    corpus = Path(given[0] if given else os.environ.get("MCPGEN_CORPUS", ""))
    if not (corpus / "pagerduty-rest.json").is_file():
        raise SystemExit("say where the corpus is: python bench/run.py FOLDER, or set MCPGEN_CORPUS")
    if "--sizes" in sys.argv:
        sizes(corpus)
        return
    with tempfile.TemporaryDirectory() as folder:
        document("pagerduty", corpus, Path(folder), "list_incidents", {})
        document("github", corpus, Path(folder), "repos_get", {"owner": "o", "repo": "r"})
    print(f"peak of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
