"""How references to documents of other hosts are followed: only where the configuration says so, and within bounds.

The other host is a server in a thread of the test, on the loopback interface; nothing here leaves the machine.
"""

from __future__ import annotations

import gzip
import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from conftest import place

from mcpgen import config
from mcpgen.cli import main
from mcpgen.problems import Rejected
from mcpgen.spec import Remote, load, remote

Answer = tuple[int, dict[str, str], bytes] | Callable[[BaseHTTPRequestHandler], None]

DOCUMENT = """
openapi: 3.0.3
info: {{title: Zoo, version: "1"}}
servers: [{{url: https://zoo.test}}]
paths:
  /animals:
    get: {{operationId: listAnimals, tags: [Animals], responses: {{"200": {{description: Ok.}}}}}}
    post:
      operationId: addAnimal
      tags: [Animals]
      requestBody:
        required: true
        content: {{application/json: {{schema: {{$ref: "{url}"}}}}}}
      responses: {{"201": {{description: Ok.}}}}
"""
COMMON = """Animal:
  type: object
  required: [name]
  properties:
    name: {type: string, description: What it answers to.}
    keeper: {$ref: "people/all.json#/Keeper"}
"""
PEOPLE = '{"Keeper": {"type": "object", "properties": {"home": {"$ref": "../common.yaml?v=2#/Town"}}}}'
TOWN = "Town: {type: string, description: Where the keeper lives.}\n"


class Host:
    """A host with documents; `asked` are the requests that reached it."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.over = threading.Event()
        """Set when the test is over: what an answer that never ends waits for."""
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
                answer = host.answers.get(self.path, (404, {}, b""))
                if callable(answer):
                    answer(self)
                    return
                status, headers, body = answer
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:  # the other side hung up, as it should
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.name = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.name}"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.over.set()
        if self._thread.is_alive():
            self.server.shutdown()
            self._thread.join()
            self.server.server_close()

    def serve(self, **documents: str) -> None:
        """Serve documents by path; the slash before it is added."""
        for path, text in documents.items():
            self.answers["/" + path] = 200, {}, text.encode()

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host()
    made.serve(**{"v1/common.yaml": COMMON, "v1/people/all.json": PEOPLE, "v1/common.yaml?v=2": TOWN})
    yield made
    made.stop()


@pytest.fixture
def other() -> Iterator[Host]:
    made = Host()
    made.serve(**{"x.yaml": "Animal: {type: object}\n"})
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder; `specs/zoo/` in it is the vendor's."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "specs" / "zoo"


def write(folder: Path, url: str, *hosts: str) -> None:
    toml = f"[source]\nallow_hosts = {json.dumps(hosts)}\n" if hosts else "# nothing is allowed\n"
    place({"openapi.yaml": DOCUMENT.format(url=url), "mcpgen.toml": toml}, folder)


def run(*arguments: str, code: int = 0) -> Result:
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def output() -> dict[str, bytes]:
    return {name: content for name, content in files(Path("generated/zoo")).items() if name != ".mcpgen.stamp"}


def tools() -> dict[str, Any]:
    listed = json.loads(Path("generated/zoo/zoo_mcp/tools.json").read_text())
    return {t["name"]: t for t in (listed["tools"] if isinstance(listed, dict) else listed)}


def refused(folder: Path, url: str, *hosts: str) -> str:
    """Build with a reference to `url`, which must be refused with nothing stored; return what is said of it."""
    write(folder, url, *hosts)
    said = run("build", code=2).stderr
    assert not Path("generated").exists()
    assert not (folder / "remote").exists()
    first, *hint, count = said.splitlines()
    assert count == "1 problem; nothing was written"
    place_ = "error: specs/zoo/openapi.yaml:13:47: $ref to "
    assert first.startswith(place_ + json.dumps(url) + ": ")
    at = " (at #/paths/~1animals/post/requestBody/content/application~1json/schema/$ref)"
    assert first.endswith(at)
    return "\n".join([first.removeprefix(place_ + json.dumps(url) + ": ").removesuffix(at), *hint])


# -- what is followed -------------------------------------------------------------------------------------------------


def test_without_permission_the_operation_is_left_out_with_the_line_that_allows_it(folder: Path, host: Host) -> None:
    url = f"{host.url}/v1/common.yaml#/Animal"
    for hosts in ((), ("schemas.example.com", "127.0.0.1", "127.0.0.1:1")):
        write(folder, url, *hosts)
        run("build", "--force")
        assert list(tools()) == ["list_animals"]
        (left,) = json.loads(Path("generated/zoo/left-out.json").read_text())
        assert left["reason"] == (
            f'"{url}" is not followed: nothing is fetched from {host.name} unless mcpgen.toml has under [source]: '
            f'allow_hosts = ["{host.name}"]'
        )
        assert host.name in Path("generated/zoo/TOOLS.md").read_text()
    assert (host.asked, (folder / "remote").exists()) == ([], False)


def test_the_line_that_the_reason_names_allows_it(folder: Path, host: Host) -> None:
    write(folder, f"{host.url}/v1/common.yaml#/Animal")
    reason = json.loads(run("list", "zoo", "--json").stdout)[1]["reason"]
    line = reason[reason.index("allow_hosts") :].partition("]")[0] + "]"
    (folder / "mcpgen.toml").write_text(f"[source]\n{line}\n")
    run("build")
    assert sorted(tools()) == ["add_animal", "list_animals"]


def test_https_of_another_host_is_left_out_without_a_connection(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", None)
    write(folder, "https://schemas.example.com/common.yaml#/A")
    run("build")
    (left,) = json.loads(Path("generated/zoo/left-out.json").read_text())
    assert left["reason"].endswith('under [source]: allow_hosts = ["schemas.example.com"]')
    assert list(tools()) == ["list_animals"]


def test_strict_makes_it_a_refusal(folder: Path, host: Host) -> None:
    write(folder, f"{host.url}/v1/common.yaml#/Animal")
    (folder / "mcpgen.toml").write_text("strict = true\n")
    assert "addAnimal cannot be a tool" in run("build", code=2).stderr


def test_what_is_fetched_is_stored_and_read_from_there_ever_after(
    folder: Path, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    (tmp_path / ".netrc").write_text("default login me password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    write(folder, f"{host.url}/v1/common.yaml#/Animal", host.name)
    run("build")
    assert host.paths == ["/v1/common.yaml", "/v1/people/all.json", "/v1/common.yaml?v=2"]
    assert all(
        headers.keys() == {"host", "accept", "accept-encoding", "user-agent", "connection"}
        and headers["accept-encoding"] == "identity"
        for _, headers in host.asked
    )
    place_ = f"remote/127.0.0.1_{host.server.server_port}/v1"
    stored = {n: c for n, c in files(folder).items() if n.startswith("remote/")}
    digest = next(n for n in stored if "common-" in n)
    assert stored == {
        f"{place_}/common.yaml": COMMON.encode(),
        f"{place_}/people/all.json": PEOPLE.encode(),
        digest: TOWN.encode(),
    }
    schema = tools()["add_animal"]["inputSchema"]["properties"]
    assert schema["name"]["description"] == "What it answers to."
    assert schema["keeper"]["properties"]["home"]["description"] == "Where the keeper lives."

    host.stop()
    before = output()
    assert str(tmp_path).encode() not in b"".join(before.values())
    run("build", "--force")
    run("build", "--check", "--force")
    shutil.rmtree("generated")
    run("build")
    assert output() == before
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(folder, elsewhere / "specs" / "zoo")
    monkeypatch.chdir(elsewhere)
    run("build")
    assert output() == before
    assert len(host.asked) == 3


def test_refresh_fetches_again_and_only_when_asked(folder: Path, host: Host) -> None:
    write(folder, f"{host.url}/v1/common.yaml#/Animal", host.name)
    run("build")
    before = output()
    host.serve(**{"v1/common.yaml": COMMON.replace("What it answers to.", "What it is called.")})
    run("build", "--force")
    assert (len(host.asked), output() == before) == (3, True)
    run("build", "--refresh-remote")
    assert len(host.asked) == 6
    assert tools()["add_animal"]["inputSchema"]["properties"]["name"]["description"] == "What it is called."
    assert not [n for n in files(folder) if n.endswith(".part")]
    host.answers.clear()
    stored = files(folder)
    run("build", "--refresh-remote", code=2)
    assert files(folder) == stored


@pytest.mark.parametrize("more", [("--check",), ("--spec", "a.yaml", "--out", "b")], ids=["check", "spec"])
def test_refresh_goes_with_a_build_of_a_folder_only(more: tuple[str, ...]) -> None:
    assert "--refresh-remote goes with" in run("build", "--refresh-remote", *more, code=2).stderr


@pytest.mark.parametrize(
    "command",
    [("build", "--check"), ("list", "zoo"), ("try", "zoo"), ("mock", "zoo")],
    ids=lambda command: " ".join(command),
)
def test_only_a_build_that_writes_fetches(folder: Path, host: Host, command: tuple[str, ...]) -> None:
    write(folder, f"{host.url}/v1/common.yaml#/Animal", host.name)
    said = run(*command, code=2).stderr
    copy = f"specs/zoo/remote/127.0.0.1_{host.server.server_port}/v1/common.yaml"
    assert f": there is no stored copy {copy} (at #/paths" in said
    assert "\n  run mcpgen build, without --check: it fetches the document; then commit that file\n" in said
    assert (host.asked, (folder / "remote").exists()) == ([], False)


def test_check_misses_a_stored_copy_that_is_gone(folder: Path, host: Host) -> None:
    write(folder, f"{host.url}/v1/common.yaml#/Animal", host.name)
    run("build")
    run("build", "--check")
    copy = next(Path("specs").rglob("all.json"))
    copy.unlink()
    asked = len(host.asked)
    said = run("build", "--check", code=2).stderr
    common = (copy.parent.parent / "common.yaml").as_posix()
    assert said.startswith(f'error: {common}:6:14: $ref to "people/all.json#/Keeper": there is no stored copy {copy}')
    assert len(host.asked) == asked


def test_a_document_without_configuration_fetches_nothing(folder: Path, host: Host) -> None:
    write(folder, f"{host.url}/v1/common.yaml#/Animal", host.name)
    run("build", "--spec", "specs/zoo/openapi.yaml", "--out", "alone")
    (left,) = json.loads(Path("alone/left-out.json").read_text())
    assert "allow_hosts" in left["reason"]
    assert host.asked == []
    run("build")  # a stored copy is no permission
    asked = len(host.asked)
    assert asked
    run("build", "--spec", "specs/zoo/openapi.yaml", "--out", "alone", "--force")
    assert len(json.loads(Path("alone/left-out.json").read_text())) == 1
    assert len(host.asked) == asked


def test_a_stored_copy_is_no_permission(folder: Path, host: Host) -> None:
    write(folder, f"{host.url}/v1/common.yaml#/Animal", host.name)
    run("build")
    (folder / "mcpgen.toml").write_text("")
    run("build")
    assert list(tools()) == ["list_animals"]


def test_problems_in_a_remote_document_show_the_stored_file(folder: Path, host: Host) -> None:
    write(folder, f"{host.url}/v1/common.yaml#/Animal", host.name)
    stored = f"specs/zoo/remote/127.0.0.1_{host.server.server_port}/v1/common.yaml"
    host.serve(**{"v1/common.yaml": "Animal:\n  type: object\n  properties: {a: {type: strin}}\n"})
    run("build")
    (left,) = json.loads(Path("generated/zoo/left-out.json").read_text())
    assert left["pointer"].startswith(f"{host.url}/v1/common.yaml#/Animal/properties/a")
    assert f"{stored}:3:20: " in run("build", "--force").stdout
    host.serve(**{"v1/common.yaml": "Animal: [\n"})
    assert f"error: {stored}:2:1: not valid YAML" in run("build", "--refresh-remote", code=2).stderr


def test_a_fix_reaches_a_remote_document_by_the_pointer_that_messages_print(folder: Path, host: Host) -> None:
    write(folder, f"{host.url}/v1/common.yaml#/Animal", host.name)
    host.serve(**{"v1/common.yaml": "Animal:\n  type: object\n  properties: {a: {type: strin}}\n"})
    at = f"{host.url}/v1/common.yaml#/Animal/properties/a/type"
    with (folder / "mcpgen.toml").open("a") as toml:
        toml.write(f'[[fix]]\nat = "{at}"\nwas = "strin"\nnow = "string"\nwhy = "A slip."\n')
    run("build")
    assert tools()["add_animal"]["inputSchema"]["properties"]["a"] == {"type": "string"}


def test_a_remote_document_of_swagger_is_brought_into_the_form_of_3_0(folder: Path, host: Host) -> None:
    body = f"{{in: body, name: b, schema: {{$ref: '{host.url}/v1/common.yaml#/Animal'}}}}"
    document = (
        "swagger: '2.0'\ninfo: {title: Zoo, version: '1'}\nhost: zoo.test\nschemes: [https]\npaths:\n  /a:\n"
        f"    post: {{operationId: a, parameters: [{body}], responses: {{'200': {{description: Ok.}}}}}}\n"
    )
    place({"openapi.yaml": document, "mcpgen.toml": f'[source]\nallow_hosts = ["{host.name}"]\n'}, folder)
    host.serve(**{"v1/common.yaml": "Animal: {type: object, discriminator: k, properties: {k: {type: string}}}\n"})
    run("build")
    assert list(tools()["a"]["inputSchema"]["properties"]) == ["k"]


def test_a_remote_document_reaches_no_local_file(folder: Path, host: Host) -> None:
    place({"secret.yaml": "Animal: {type: object}\n"}, folder)
    for target in ("/secret.yaml#/Animal", "../../../../secret.yaml#/Animal"):
        host.serve(**{"v1/common.yaml": f"Animal: {{$ref: '{target}'}}\n"})
        write(folder, f"{host.url}/v1/common.yaml#/Animal", host.name)
        host.asked.clear()
        assert "the answer is 404, not 200" in run("build", "--refresh-remote", code=2).stderr
        assert host.paths == ["/v1/common.yaml", "/secret.yaml"]
    for target in ("file:///etc/passwd", f"file://{folder}/secret.yaml#/Animal"):
        host.serve(**{"v1/common.yaml": f"Animal: {{$ref: '{target}'}}\n"})
        said = run("build", "--refresh-remote", code=2).stderr
        assert f'$ref to "{target}": mcpgen fetches nothing that nobody asked for' in said


def test_an_example_is_worth_no_connection(folder: Path, host: Host) -> None:
    write(folder, f"{host.url}/v1/common.yaml#/Animal", host.name)
    document = (folder / "openapi.yaml").read_text()
    more = f'application/json: {{examples: {{e: {{$ref: "{host.url}/e.yaml"}}}}, schema: '
    (folder / "openapi.yaml").write_text(document.replace("application/json: {schema: ", more))
    assert "/e.yaml" in (folder / "openapi.yaml").read_text()
    run("build")
    assert len(host.asked) == 3
    assert "/e.yaml" not in host.paths


# -- what is refused --------------------------------------------------------------------------------------------------


def test_plain_http_is_for_this_machine_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", None)
    url = "http://schemas.example.com/a.yaml"
    said = refused(folder, url, "schemas.example.com")
    assert said.startswith("only https is fetched from another machine\n  bundle")
    assert refused(folder, url).startswith("mcpgen fetches nothing that nobody asked for\n  bundle")


def test_a_url_with_a_password_is_refused(folder: Path, host: Host) -> None:
    said = refused(folder, f"http://me:secret@{host.name}/v1/common.yaml", host.name)
    assert said.startswith("a URL with a user name or a password is not fetched\n")
    assert host.asked == []


def test_redirects_lead_to_allowed_hosts_only(folder: Path, host: Host, other: Host) -> None:
    host.answers["/a.yaml"] = 302, {"Location": f"{other.url}/x.yaml", "Set-Cookie": "c=1"}, b""
    url = f"{host.url}/a.yaml#/Animal"
    said = refused(folder, url, host.name)
    assert said == f"it redirects to {other.url}/x.yaml, and allow_hosts does not name {other.name}"
    assert (host.paths, other.asked) == (["/a.yaml"], [])
    write(folder, url, host.name, other.name)
    run("build")
    ((path, headers),) = other.asked
    assert (path, "cookie" in headers) == ("/x.yaml", False)
    assert [n for n in files(folder) if "remote/" in n] == [f"remote/127.0.0.1_{host.server.server_port}/a.yaml"]


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("http://schemas.example.com/a.yaml", "it redirects to http://schemas.example.com/a.yaml, which is not https"),
        ("file:///etc/passwd", "it redirects to 'file:///etc/passwd', which is not followed"),
        ("http://a:b@127.0.0.1/", "it redirects to 'http://a:b@127.0.0.1/', which is not followed"),
    ],
)
def test_redirects_that_are_refused(folder: Path, host: Host, location: str, expected: str) -> None:
    host.answers["/a.yaml"] = 301, {"Location": location}, b""
    assert refused(folder, f"{host.url}/a.yaml", host.name, "schemas.example.com") == expected
    assert host.paths == ["/a.yaml"]


def test_the_number_of_redirects_is_bounded(folder: Path, host: Host) -> None:
    for i in range(10):
        host.answers[f"/{i}.yaml"] = 307, {"Location": f"{i + 1}.yaml"}, b""
    assert refused(folder, f"{host.url}/0.yaml", host.name) == "it redirects more than 3 times"
    assert host.paths == ["/0.yaml", "/1.yaml", "/2.yaml", "/3.yaml"]
    host.serve(**{"3.yaml": "type: object"})
    run("build")
    assert sorted(tools()) == ["add_animal", "list_animals"]


def endless(host: Host) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not host.over.is_set():
            handler.wfile.write(b"#" * 10_000)

    return answer


def test_size_is_bounded(folder: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "MAX_REMOTE_BYTES", 100_000)
    url = f"{host.url}/a.yaml"
    exact = b"type: object\n".ljust(100_000, b"#")
    for answer in (
        (200, {}, exact + b"#"),
        (200, {"Content-Length": "900000000000"}, b"#"),
        (200, {"Content-Encoding": "gzip"}, gzip.compress(exact + b"#")),
        (200, {"Content-Encoding": "gzip"}, gzip.compress(b"\0" * 50_000_000)),
        endless(host),
    ):
        host.answers["/a.yaml"] = answer
        assert refused(folder, url, host.name) == "it is larger than 0.1 MB"
    for answer in ((200, {}, exact), (200, {"Content-Encoding": "gzip"}, gzip.compress(exact))):
        host.answers["/a.yaml"] = answer
        run("build", "--refresh-remote")
        assert next(folder.rglob("a.yaml")).read_bytes() == exact
    assert len(host.asked) == 7


@pytest.mark.parametrize("speaks", [False, True], ids=["silent", "dripping"])
def test_time_is_bounded(folder: Path, host: Host, monkeypatch: pytest.MonkeyPatch, speaks: bool) -> None:
    """Neither answer ends before the test does: without the bound this test would never end."""
    monkeypatch.setattr(remote, "MAX_SECONDS", 1.0)

    def slow(handler: BaseHTTPRequestHandler) -> None:
        if speaks:
            handler.send_response(200)
            handler.end_headers()
        while not host.over.wait(0.02):
            if speaks:
                handler.wfile.write(b"#")

    host.answers["/a.yaml"] = slow
    assert refused(folder, f"{host.url}/a.yaml", host.name) == "fetching it took longer than 1 s"
    assert host.paths == ["/a.yaml"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((404, {}, b"a: 1"), "the answer is 404, not 200"),
        ((206, {}, b"a: 1"), "the answer is 206, not 200"),
        ((200, {"Content-Length": "9"}, b"a: 1"), "the answer breaks off"),
        ((200, {"Content-Encoding": "gzip"}, gzip.compress(b"a: 1")[:-3]), "the answer breaks off"),
        ((200, {"Content-Encoding": "gzip"}, b"a: 1"), "fetching it failed: Error -3 while decompressing"),
        ((200, {"Content-Encoding": "br"}, b"a: 1"), "it is packed as 'br', which nobody asked for"),
    ],
)
def test_answers_that_are_refused(folder: Path, host: Host, answer: Answer, expected: str) -> None:
    host.answers["/a.yaml"] = answer
    assert refused(folder, f"{host.url}/a.yaml", host.name).startswith(expected)
    assert host.paths == ["/a.yaml"]


def test_a_host_that_is_not_there(folder: Path, host: Host) -> None:
    host.stop()
    assert refused(folder, f"{host.url}/a.yaml", host.name).startswith("fetching it failed: ")


def test_the_number_of_documents_is_bounded(folder: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcpgen.spec.files.MAX_REMOTE", 5)
    for i in range(20):
        host.serve(**{f"{i}.yaml": f"anyOf: [{{$ref: {i + 1}.yaml}}, {{$ref: {i + 2}.yaml}}]"})
    write(folder, f"{host.url}/0.yaml", host.name)
    said = run("build", code=2).stderr
    assert said.startswith(
        "error: specs/zoo/openapi.yaml: the document refers to more than 5 documents of other hosts\n  bundle"
    )
    assert said.endswith("\n1 problem; nothing was written\n")
    assert len(host.asked) == 5


def test_a_remote_document_is_read_within_the_bounds_of_all_files(folder: Path, host: Host) -> None:
    write(folder, f"{host.url}/a.yaml", host.name)
    laughs = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9))
    for text, expected in (
        ("[" * 600 + "]" * 600, ":1:501: the document is nested more than 500 levels deep"),
        (laughs, "the aliases of this document stand for more than 2,000,000 nodes"),
        ("<html>", ":1:1: it is HTML or XML"),
        ("a: !!python/object:os.system x\n", ":1:4: the tag !!python/object:os.system is not supported"),
    ):
        host.serve(**{"a.yaml": text})
        said = run("build", "--refresh-remote", code=2).stderr
        assert said.startswith(f"error: specs/zoo/remote/127.0.0.1_{host.server.server_port}/a.yaml:")
        assert expected in said


def test_a_name_that_leads_to_a_private_address_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when only one of its addresses is private; nothing is connected to, and no name is resolved twice."""
    resolved: list[str] = []
    leads_to: list[str] = []

    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        resolved.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in leads_to]

    connected: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], *_: Any) -> socket.socket:
        connected.append(address)
        raise OSError("no way")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket, "create_connection", connect)
    for private in ("10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1", "fe80::1%eth0"):
        leads_to[:] = ["93.184.216.34", private]
        said = refused(folder, "https://schemas.example.com/a.yaml", "schemas.example.com")
        assert said == f"schemas.example.com leads to {private}, which is no public address"
    assert connected == []
    leads_to[:] = ["93.184.216.34", "93.184.216.35"]
    resolved.clear()
    assert refused(folder, "https://schemas.example.com/a.yaml", "schemas.example.com") == "fetching it failed: no way"
    assert connected == [("93.184.216.34", 443), ("93.184.216.35", 443)]
    assert resolved == ["schemas.example.com"]
    leads_to[:] = ["93.184.216.34"]
    said = refused(folder, "http://localhost:8080/a.yaml", "localhost:8080")
    assert said == "localhost leads to 93.184.216.34, which is no public address"


def test_https_is_held_to_its_certificate(folder: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (openssl := shutil.which("openssl")):
        pytest.skip("no openssl to make a certificate with")
    new = "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=zoo -addext"
    subprocess.run([openssl, *new.split(), "subjectAltName=IP:127.0.0.1,DNS:a.test"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("cert.pem", "key.pem")
    host.server.socket = context.wrap_socket(host.server.socket, server_side=True)
    url = f"https://{host.name}/v1/common.yaml#/Animal"
    assert "CERTIFICATE_VERIFY_FAILED" in refused(folder, url, host.name)
    assert host.asked == []
    monkeypatch.setenv("SSL_CERT_FILE", str(Path("cert.pem").resolve()))
    named = f"https://localhost:{host.server.server_port}/v1/common.yaml#/Animal"
    assert "CERTIFICATE_VERIFY_FAILED" in refused(folder, named, f"localhost:{host.server.server_port}")
    write(folder, url, host.name)
    run("build")
    assert sorted(tools()) == ["add_animal", "list_animals"]

    # A name is resolved once, and the connection goes to the address that was checked.
    write(folder, "https://a.test/v1/common.yaml#/Town", "a.test")
    host.serve(**{"v1/common.yaml": "Town: {type: object}"})
    host.asked.clear()
    resolved: list[str] = []
    connected: list[tuple[str, int]] = []

    def getaddrinfo(name: str, port: int, **_: Any) -> list[Any]:
        resolved.append(name)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", port))]

    def create_connection(address: tuple[str, int], *_: Any) -> socket.socket:
        connected.append(address)
        taken = socket.socket()
        taken.connect(host.server.server_address[:2])
        return taken

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket, "create_connection", create_connection)
    run("build")
    assert (resolved, connected) == (["a.test"], [("93.184.216.34", 443)])
    assert [(path, headers["host"]) for path, headers in host.asked] == [("/v1/common.yaml", "a.test")]
    assert (folder / "remote/a.test/v1/common.yaml").is_file()


# -- names ------------------------------------------------------------------------------------------------------------

STORED = {
    "https://a.test/v1/common.yaml": "a.test/v1/common.yaml",
    "HTTPS://A.TEST:443/v1/./x/../common.yaml": "a.test/v1/common.yaml",
    "https://a.test:8443/b.json": "a.test_8443/b.json",
    "https://a.test/../../x.yaml": "a.test/x.yaml",
    "https://a.test/%2e%2e/%2E%2e/x.yaml": "a.test/x.yaml",
    "https://a.test/..": "a.test/index-*.yaml",
    "https://a.test": "a.test/index-*.yaml",
    "https://a.test/..%2f..%2fx.yaml": "a.test/__.._x-*.yaml",
    "https://a.test/..%5c..%5cx.yaml": "a.test/__.._x-*.yaml",
    "https://a.test/%252e%252e/x.yaml": "a.test/_2e_2e/x-*.yaml",
    "https://a.test//etc//x.yaml": "a.test/etc/x-*.yaml",
    "https://a.test/.ssh/.hidden.yaml": "a.test/_ssh/_hidden-*.yaml",
    "https://a.test/x.yaml?../../y": "a.test/x-*.yaml",
    "https://a.test/x.yaml?": "a.test/x.yaml",
    "https://a.test/x.yaml/y.yaml": "a.test/x_yaml/y-*.yaml",
    "https://a.test/x.sh": "a.test/x.sh-*.yaml",
    "https://a.test/x%00y\n.yaml": "a.test/x_y_-*.yaml",
    "https://a.test/\u00e4 b.yaml": "a.test/__b-*.yaml",
    "https://[2606:4700::1111]/x.yaml": "_2606_4700__1111_/x.yaml",
    "https://a.test/" + "x" * 300 + ".yaml": "a.test/" + "x" * 80 + "-*.yaml",
    "https://a.test/" + "x/" * 300 + "y.yaml": "a.test/" + "x/" * 12 + "y-*.yaml",
}


@pytest.mark.parametrize(("url", "expected"), STORED.items(), ids=[u[:40] for u in STORED])
def test_where_a_document_is_stored(folder: Path, url: str, expected: str) -> None:
    stored = remote.address("", url).stored
    start, star, end = expected.partition("*")
    assert stored.startswith(start)
    assert stored.endswith(end)
    assert len(stored) == len(start) + len(end) + (12 if star else 0)
    top = folder / "remote"
    assert (top / stored).resolve().is_relative_to(top.resolve())


def test_different_urls_are_stored_apart() -> None:
    urls = ["x.yaml", "x.yaml?a", "x.yaml?b", "x", "x.yml", "x%2fy.yaml", "x_y.yaml", "x/y.yaml", "x.yaml/y.yaml", "."]
    assert len({remote.address("", f"https://a.test/{url}").stored for url in urls}) == len(urls)


def test_traversal_asks_and_stores_within_the_folder(folder: Path, host: Host) -> None:
    host.serve(**{"x.yaml": "Animal: {type: object}", "..%2F..%2Fy.yaml": "Animal: {type: object}"})
    for way in ("/../../x.yaml", "/%2e%2e/%2e%2e/x.yaml", "/..%2f..%2fy.yaml"):
        write(folder, f"{host.url}{way}#/Animal", host.name)
        before = {n for n in files(Path.cwd()) if not n.startswith("generated/")}
        run("build", "--refresh-remote")
        assert "add_animal" in tools()
        new = {n for n in files(Path.cwd()) if not n.startswith("generated/")} - before
        assert all(n.startswith(f"specs/zoo/remote/127.0.0.1_{host.server.server_port}/") for n in new)
    assert host.paths == ["/x.yaml", "/x.yaml", "/..%2F..%2Fy.yaml"]


def test_a_symbolic_link_does_not_lead_out_of_the_folder(folder: Path, host: Host, tmp_path: Path) -> None:
    write(folder, f"{host.url}/v1/common.yaml#/Animal", host.name)
    (tmp_path / "outside").mkdir()
    (folder / "remote").symlink_to(tmp_path / "outside")
    said = run("build", code=2).stderr
    assert "a symbolic link leads out of the folder remote" in said
    assert (host.asked, list((tmp_path / "outside").iterdir())) == ([], [])


# -- configuration ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["", "https://a.test", "a.test/x", "*", "*.a.test", "a.test:", "a.test:x", "me@a.test", "a b", "[::1", ".a", "a."],
)
def test_what_is_no_host(folder: Path, host: str) -> None:
    write(folder, "https://a.test/x.yaml", "fine.test", host)
    with pytest.raises(Rejected) as caught:
        config.load(folder / "mcpgen.toml")
    (problem,) = caught.value.problems
    assert (problem.line, problem.message) == (2, f"{json.dumps(host)} is no host")


def test_the_configuration_of_hosts_is_strict(folder: Path) -> None:
    for toml, expected in (
        ('[source]\nallow_hosts = "a.test"\n', ":2:1: `source.allow_hosts` must be a list of strings"),
        ("[source]\nallow_host = []\n", ":2:1: unknown key `source.allow_host`\n  did you mean `allow_hosts`?"),
        ("source = 1\n", ":1:1: `source` must be a table"),
    ):
        place({"mcpgen.toml": toml}, folder)
        with pytest.raises(Rejected) as caught:
            config.load(folder / "mcpgen.toml")
        assert str(caught.value).endswith("mcpgen.toml" + expected)
    place({"mcpgen.toml": '[source]\nallow_hosts = ["A.Test", "127.0.0.1:80", "[::1]:8080"]\n'}, folder)
    assert config.load(folder / "mcpgen.toml").allow_hosts == ("a.test", "127.0.0.1:80", "[::1]:8080")


def test_an_entry_without_a_port_is_for_the_port_of_the_scheme() -> None:
    for entry, allowed, others in (
        ("a.test", ["https://a.test/", "https://a.test:443/"], ["https://a.test:8443/", "https://b.a.test/"]),
        ("a.test:443", ["https://a.test/"], ["https://a.test:8443/", "http://a.test:443/"]),
        ("127.0.0.1", ["http://127.0.0.1/", "https://127.0.0.1/"], ["http://127.0.0.1:8080/", "http://127.1/"]),
        ("[::1]:8080", ["http://[::1]:8080/"], ["http://[::1]/"]),
        ("10.0.0.1", ["https://10.0.0.1/"], ["http://10.0.0.1/"]),
    ):
        said = Remote((entry,))
        assert [u for u in allowed + others if said.allows(remote.address("", u))] == allowed


def test_nothing_is_allowed_unasked(folder: Path, host: Host) -> None:
    write(folder, f"{host.url}/v1/common.yaml#/Animal")
    assert len(load(folder / "openapi.yaml", remote=Remote((host.name,), "missing")).files) == 4
    asked = len(host.asked)
    assert len(load(folder / "openapi.yaml").files) == 1
    assert len(host.asked) == asked == 3
