"""`mcpgen fetch`: documents from where they are published, taken whole or not at all.

The vendor is a web server in a thread of the test, a git repository in its folder, or a file. Nothing leaves the
machine.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from conftest import place
from test_remote import Host, endless, files

from mcpgen import config, fetch
from mcpgen.cli import main
from mcpgen.fetch import documents, origins, repository
from mcpgen.fetch.lock import dateless, inside
from mcpgen.problems import Rejected
from mcpgen.spec import remote

SECRET = "s3cret-t0ken-of-the-vendor"


def openapi(*names: str, version: str = "3.0.3", words: str = "", **more: Any) -> str:
    """Return a document with a GET for each name."""
    key = "swagger" if version == "2.0" else "openapi"
    paths = {f"/{n}": {"get": {"operationId": n, "summary": words, "responses": {}}} for n in names}
    return json.dumps({key: version, "info": {"title": "Zoo", "version": "1"}, "paths": paths, **more}, indent=1)


ONE = openapi("animals", "keepers", "visitors")
MANY = """openapi: 3.0.3
info: {title: Zoo, version: "1"}
paths:
  /animals:
    get:
      operationId: listAnimals
      responses: {"200": {description: Ok., content: {application/json: {schema: {$ref: common/animal.yaml#/Animal}}}}}
"""
ANIMAL = 'Animal: {type: object, properties: {home: {$ref: "deep/town.json#/Town"}}}\n'
TOWN = '{"Town": {"type": "string"}}'


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host()
    made.serve(**{"openapi.json": ONE})
    yield made
    made.stop()


@pytest.fixture
def other() -> Iterator[Host]:
    made = Host()
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder; `specs/zoo/` in it is the vendor's."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("VENDOR_TOKEN", SECRET)
    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{name}_NAME", "Zoo")
        monkeypatch.setenv(f"{name}_EMAIL", "zoo@zoo.test")
    return Path("specs/zoo")


def state(folder: Path, url: str, *lines: str, top: str = "") -> None:
    """Write `mcpgen.toml` with this source."""
    text = "\n".join([top, "[source]", f"url = {json.dumps(url)}", *lines, ""]).lstrip()
    place({"mcpgen.toml": text}, folder)


def run(*arguments: str, code: int = 0) -> Result:
    done = CliRunner().invoke(main, ["fetch", *arguments], catch_exceptions=False)
    assert done.exit_code == code, done.output
    assert SECRET not in done.output
    return done


def sizeless(text: str) -> str:
    return re.sub(r"\b[0-9]+\.[0-9] [kM]B", "(size)", text)


def told(*arguments: str, code: int = 0) -> list[str]:
    return sizeless(run(*arguments, code=code).stdout).splitlines()


def stored(folder: Path) -> dict[str, bytes]:
    """Return what is there beside the configuration."""
    return {name: content for name, content in files(folder).items() if name != "mcpgen.toml"}


def lock(folder: Path) -> Any:
    return json.loads((folder / "source.lock").read_text())


def sha(text: str | bytes) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def refused(folder: Path, *arguments: str) -> str:
    """Fetch what must be refused with nothing touched; return what is said."""
    before = files(Path.cwd())
    done = run(*arguments, code=2)
    assert files(Path.cwd()) == before
    assert done.stdout == ""
    return done.stderr


def tagged(text: str, etag: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """An answer with an ETag, or that nothing else is there."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        same = handler.headers.get("If-None-Match") == etag
        body = b"" if same else text.encode()
        handler.send_response(304 if same else 200)
        handler.send_header("ETag", etag)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


# -- from a web server ------------------------------------------------------------------------------------------------


def test_the_bytes_are_stored_as_they_came(folder: Path, host: Host) -> None:
    odd = ONE.replace("\n", "\r\n").encode() + b"\n\n"
    host.answers["/openapi.json"] = tagged(odd.decode(), '"v1"')
    state(folder, f"{host.url}/openapi.json")
    assert run().stdout == f"specs/zoo/openapi.json: {len(odd) / 1000:.1f} kB, 3 operations\n"
    expected = {
        "document": "openapi.json",
        "files": {"openapi.json": {"etag": '"v1"', "sha256": sha(odd)}},
        "url": f"{host.url}/openapi.json",
    }
    text = json.dumps(expected, indent=1, sort_keys=True) + "\n"
    assert stored(folder) == {"openapi.json": odd, "source.lock": text.encode()}
    ((_, headers),) = host.asked
    assert headers.keys() == {"host", "accept", "accept-encoding", "user-agent", "connection"}
    CliRunner().invoke(main, ["build"], catch_exceptions=False)
    assert Path("generated/zoo/TOOLS.md").is_file()


def test_what_is_here_is_asked_for_by_its_etag(folder: Path, host: Host) -> None:
    host.answers["/openapi.json"] = tagged(ONE, 'W/"v1"')
    state(folder, f"{host.url}/openapi.json")
    run()
    before = stored(folder)
    assert told("zoo") == ["specs/zoo/openapi.json: up to date"]
    assert [h.get("if-none-match") for _, h in host.asked] == [None, 'W/"v1"']
    assert stored(folder) == before
    host.answers["/openapi.json"] = tagged(openapi("animals", "keepers", "visitors", "tickets"), '"v2"')
    assert told() == ["specs/zoo/openapi.json: (size), 3 \u2192 4 operations: +1 operation"]
    assert lock(folder)["files"]["openapi.json"]["etag"] == '"v2"'


def test_a_304_is_believed_only_where_the_file_is_the_one_of_the_lock(folder: Path, host: Host) -> None:
    host.answers["/openapi.json"] = tagged(ONE, '"v1"')
    state(folder, f"{host.url}/openapi.json")
    run()
    before = stored(folder)
    (folder / "openapi.json").write_text(openapi("animals", "keepers"))
    said = told()
    assert said[0] == "specs/zoo/openapi.json: (size), 2 \u2192 3 operations: +1 operation"
    assert said[1].startswith("  openapi.json had been changed here since it was fetched")
    assert "if-none-match" not in host.asked[-1][1]
    assert stored(folder) == before
    (folder / "openapi.json").unlink()
    run()
    assert stored(folder) == before


def test_a_304_that_nobody_asked_for_is_refused(folder: Path, host: Host) -> None:
    host.answers["/openapi.json"] = 304, {}, b""
    state(folder, f"{host.url}/openapi.json")
    assert refused(folder).startswith(f"error: {host.url}/openapi.json: the answer is 304, not 200\n")


def test_another_url_is_not_asked_with_the_etag_of_the_last(folder: Path, host: Host) -> None:
    host.answers["/openapi.json"] = host.answers["/v2.json"] = tagged(ONE, '"v1"')
    state(folder, f"{host.url}/openapi.json")
    run()
    state(folder, f"{host.url}/v2.json")
    assert told("--check") == ["specs/zoo/openapi.json: up to date"]
    assert lock(folder)["url"].endswith("/openapi.json")
    assert told() == ["specs/zoo/openapi.json: up to date; source.lock is new"]
    assert "if-none-match" not in host.asked[-1][1]
    assert lock(folder)["url"] == f"{host.url}/v2.json"


def test_an_etag_alone_changes_nothing(folder: Path, host: Host) -> None:
    """Servers behind one name have an ETag each: a nightly job must not see a change in that."""
    state(folder, f"{host.url}/openapi.json")
    for number in range(3):
        host.answers["/openapi.json"] = tagged(ONE, f'"server-{number}"')
        run()
    assert lock(folder)["files"]["openapi.json"]["etag"] == '"server-0"'


@pytest.mark.parametrize(
    ("etag", "kept"),
    [
        ('"33a64df551425fcc55e4d42a148795d9f25f89d4"', True),
        ('W/"0815"', True),
        ('"d41d8cd98f00b204e9800998ecf8427e-3"', True),
        ('W/"3b80-9f2c1e"', True),
        ('"5f2b8c1e-7d4a-4e1b-9c3d-2a1b3c4d5e6f"', True),
        ('"a20240131b20250203c998ecf8427e00"', True),
        ("33a64df5", False),
        ('"a b"', False),
        ('"' + "x" * 201 + '"', False),
        ('"x\r\nSet-Cookie: a"', False),
        ("", False),
        ('"2024-01-31"', False),
        ('W/"20240131T101500Z"', False),
        ('"20240131101500"', False),
        ('"v3-2024.12.01"', False),
        ('"1706695200"', False),
        ('"1706695200123-7"', False),
        ('"65ba1f20-3b80"', False),
        ('"3b80-61024f1a3c5c0"', False),
        ('"0x8DC21A5B7E3F4A1"', False),
        ('"Wed,31-Jan-2024"', False),
    ],
)
def test_an_etag_that_tells_a_time_is_not_kept(etag: str, kept: bool) -> None:
    assert dateless(etag) == (etag if kept else "")


def test_no_clock_comes_into_the_lock(folder: Path, host: Host) -> None:
    host.answers["/openapi.json"] = tagged(ONE, '"65ba1f20-3b80"')
    state(folder, f"{host.url}/openapi.json")
    run()
    assert lock(folder)["files"]["openapi.json"] == {"sha256": sha(ONE)}
    assert told() == ["specs/zoo/openapi.json: up to date"]


def test_a_packed_answer_is_unpacked(folder: Path, host: Host) -> None:
    host.answers["/openapi.json"] = 200, {"Content-Encoding": "gzip"}, gzip.compress(ONE.encode())
    state(folder, f"{host.url}/openapi.json")
    run()
    assert (folder / "openapi.json").read_text() == ONE
    assert host.asked[0][1]["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("api", ONE, "openapi.json"),
        ("api.yaml", ONE, "openapi.json"),
        ("api.json", MANY.replace("{$ref: common/animal.yaml#/Animal}", "{}"), "openapi.yaml"),
        ("api.yaml", "{openapi: 3.0.0, info: {title: Zoo}, paths: {}}", "openapi.yaml"),
        ("", "\ufeff" + ONE, "openapi.json"),
    ],
)
def test_its_name_says_what_it_holds(folder: Path, host: Host, path: str, text: str, expected: str) -> None:
    host.serve(**{path: text})
    state(folder, f"{host.url}/{path}")
    run()
    assert set(stored(folder)) == {expected, "source.lock"}


def test_the_name_in_the_configuration_wins(folder: Path, host: Host) -> None:
    state(folder, f"{host.url}/openapi.json", top='document = "api/zoo.yaml"')
    assert told() == ["specs/zoo/api/zoo.yaml: (size), 3 operations"]
    assert set(stored(folder)) == {"api/zoo.yaml", "source.lock"}
    assert told() == ["specs/zoo/api/zoo.yaml: up to date"]
    state(folder, f"{host.url}/openapi.json", top='document = "../zoo.yaml"')
    assert "specs/zoo/mcpgen.toml:1:1: a document that is fetched goes below this folder" in refused(folder)


def test_a_document_that_was_here_before_is_replaced(folder: Path, host: Host) -> None:
    """Also by one in another format: there must not be two."""
    place({"openapi.yaml": openapi("animals", "keepers", "birds")}, folder)
    state(folder, f"{host.url}/openapi.json")
    assert told() == ["specs/zoo/openapi.json: (size), 3 operations: +1 \u22121 operations"]
    assert set(stored(folder)) == {"openapi.json", "source.lock"}
    (folder / "source.lock").unlink()
    place({"openapi.yaml": ONE}, folder)
    assert "there are several documents" in refused(folder)


# -- headers ----------------------------------------------------------------------------------------------------------

HEADERS = 'headers = { Authorization = "Bearer {VENDOR_TOKEN}", Accept = "application/vnd.oai.openapi+json" }'


def test_headers_come_from_the_environment_and_stay_there(folder: Path, host: Host) -> None:
    host.answers["/openapi.json"] = tagged(ONE, '"v1"')
    state(folder, f"{host.url}/openapi.json", HEADERS)
    run()
    run("--check")
    for _, headers in host.asked:
        assert headers["authorization"] == f"Bearer {SECRET}"
        assert headers["accept"] == "application/vnd.oai.openapi+json"
    assert SECRET.encode() not in b"".join(files(Path.cwd()).values())


def test_a_variable_that_is_not_set_is_named(folder: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VENDOR_TOKEN")
    state(folder, f"{host.url}/openapi.json", 'headers = { Authorization = "Bearer {VENDOR_TOKEN}", X = "{ZOO_X}" }')
    said = refused(folder)
    for name in ("VENDOR_TOKEN", "ZOO_X"):
        assert f"specs/zoo/mcpgen.toml:3:1: the environment variable {name} is not set\n" in said
    assert said.endswith("2 problems; nothing was written\n")
    for value in ("a\r\nX-Other: b", "a\x00b", "\u00e4"):
        if "\0" not in value:
            monkeypatch.setenv("VENDOR_TOKEN", value)
            assert "the environment variable VENDOR_TOKEN holds what no header can hold" in refused(folder)
    assert host.asked == []


def test_no_header_follows_to_another_host(folder: Path, host: Host, other: Host) -> None:
    host.answers["/moved.json"] = 302, {"Location": f"{host.url}/there.json"}, b""
    host.answers["/there.json"] = 307, {"Location": f"{other.url}/openapi.json", "Set-Cookie": "c=1"}, b""
    other.serve(**{"openapi.json": ONE})
    state(folder, f"{host.url}/moved.json", HEADERS, f'allow_hosts = ["{other.name}"]')
    run()
    assert [(p, h.get("authorization")) for p, h in host.asked] == [
        ("/moved.json", f"Bearer {SECRET}"),
        ("/there.json", f"Bearer {SECRET}"),
    ]
    ((_, headers),) = other.asked
    assert headers.keys() == {"host", "accept", "accept-encoding", "user-agent", "connection"}
    assert (headers["accept"].startswith("application/yaml"), headers["accept-encoding"]) == (True, "identity")


@pytest.mark.parametrize("echoed", ["body", "etag", "location"])
def test_a_server_that_says_the_secret_back_does_not_get_it_stored(folder: Path, host: Host, echoed: str) -> None:
    if echoed == "body":
        host.serve(**{"openapi.json": openapi("animals", words=f"for {SECRET}")})
    elif echoed == "etag":
        host.answers["/openapi.json"] = tagged(ONE, f'"{SECRET}"')
    else:
        host.answers["/openapi.json"] = 302, {"Location": f"ftp://a.test/{SECRET}"}, b""
    state(folder, f"{host.url}/openapi.json", HEADERS)
    if echoed == "etag":
        run()
        assert lock(folder)["files"]["openapi.json"] == {"sha256": sha(ONE)}
    else:
        expected = "holds the value of VENDOR_TOKEN" if echoed == "body" else "ftp://a.test/{VENDOR_TOKEN}"
        assert expected in refused(folder)
    assert SECRET.encode() not in b"".join(files(Path.cwd()).values())


@pytest.mark.parametrize("status", [401, 403])
def test_where_a_credential_is_wanted(folder: Path, host: Host, status: int) -> None:
    host.answers["/openapi.json"] = status, {}, b"no"
    state(folder, f"{host.url}/openapi.json")
    said = refused(folder)
    assert said.startswith(f"error: {host.url}/openapi.json: the answer is {status}, not 200\n")
    assert 'write under [source]: headers = { Authorization = "Bearer {VENDOR_TOKEN}" }' in said
    state(folder, f"{host.url}/openapi.json", HEADERS)
    assert f"is what VENDOR_TOKEN holds still good for {host.name}?" in refused(folder)


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.fixture
def here(folder: Path, host: Host) -> Path:
    """The folder of a vendor with ten operations, fetched."""
    host.serve(**{"openapi.json": openapi(*"abcdefghij")})
    state(folder, f"{host.url}/openapi.json")
    run()
    return folder


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<!doctype html><title>Sign in</title>", "it is HTML or XML, and no OpenAPI document\n  a page for people or"),
        ("\n <?xml version='1.0'?><a/>", "it is HTML or XML, and no OpenAPI document\n"),
        ('{"error": "who are you?"}', 'this is not an OpenAPI document: it has no "openapi" key'),
        ("", "this is not an OpenAPI document: the file is empty"),
        ('{"openapi": "3.0.0", "paths": {', ":1:32: not valid JSON"),
        ("openapi: 3.0.0\npaths: [\n", "not valid YAML"),
        ('{"openapi": "4.0.0", "info": {}, "paths": {}}', 'unknown OpenAPI version: "4.0.0"'),
        ('{"a": ' * 600 + "1" + "}" * 600, "nested more than 500 levels deep"),
        ("\x00", "there is a NUL byte"),
    ],
)
def test_what_is_no_document(here: Path, host: Host, text: str, expected: str) -> None:
    host.serve(**{"openapi.json": text})
    said = refused(here)
    assert said.startswith(f"error: {host.url}/openapi.json:")
    assert expected in said
    assert refused(here, "--force") == said


@pytest.mark.parametrize(("left", "fine"), [("", False), ("abcd", False), ("abcde", True), ("abcdefghi", True)])
def test_a_document_that_shrank(here: Path, host: Host, left: str, fine: bool) -> None:
    host.serve(**{"openapi.json": openapi(*left)})
    if not fine:
        said = refused(here)
        assert said.splitlines() == [
            f"error: {host.url}/openapi.json: the document shrank from 10 to {len(left)} operations, which is hardly "
            "meant",
            "  if it is meant, take it with: mcpgen fetch zoo --force",
            "1 problem; nothing was written",
        ]
    plural = "s" if len(left) != 1 else ""
    run("zoo", "--check", *([] if fine else ["--force"]), code=1)
    line = told("zoo", *([] if fine else ["--force"]))[0]
    assert f"10 \u2192 {len(left)} operation{plural}: \u2212{10 - len(left)} operation" in line
    assert (here / "openapi.json").read_text() == openapi(*left)


@pytest.mark.parametrize("version", ["2.0", "3.1.0", "3.2.0"])
def test_another_version(here: Path, host: Host, version: str) -> None:
    host.serve(**{"openapi.json": openapi(*"abcdefghij", version=version)})
    named = "Swagger 2.0" if version == "2.0" else f"OpenAPI {version[:3]}"
    said = refused(here)
    assert f"the document changed from OpenAPI 3.0 to {named}\n  if it is meant, take it with: mcpgen fetch zoo" in said
    run("--force")
    assert (here / "openapi.json").read_text() == openapi(*"abcdefghij", version=version)
    host.serve(**{"openapi.json": openapi(*"abcdefghij", version="3.0.0")})
    assert f"from {named} to OpenAPI 3.0" in refused(here)


def test_a_patch_of_the_version_is_no_other_one(here: Path, host: Host) -> None:
    host.serve(**{"openapi.json": openapi(*"abcdefghij", version="3.0.4")})
    assert told() == ["specs/zoo/openapi.json: (size), 10 operations: only shared parts changed"]


def test_all_that_is_against_it_is_said_at_once(here: Path, host: Host) -> None:
    host.serve(**{"openapi.json": openapi("a", version="3.1.0")})
    said = refused(here)
    assert "shrank" in said
    assert "changed from" in said
    assert said.endswith("2 problems; nothing was written\n")


@pytest.mark.parametrize("answer", [(500, {}, b""), (206, {}, ONE.encode()), (200, {"Content-Length": "9999"}, b"{")])
def test_answers_that_are_no_documents(here: Path, host: Host, answer: Any) -> None:
    host.answers["/openapi.json"] = answer
    expected = "the answer breaks off" if answer[0] == 200 else f"the answer is {answer[0]}, not 200"
    assert expected in refused(here)


def test_a_document_that_is_gone(here: Path, host: Host) -> None:
    host.answers.clear()
    assert "the answer is 404, not 200\n  if it needs a credential: headers = " in refused(here)
    host.stop()
    assert "fetching it failed: " in refused(here)


def test_size_is_bounded(here: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origins, "MAX_BYTES", 100_000)
    packed = gzip.compress(b" " * 50_000_000)
    for answer in (
        endless(host),
        (200, {"Content-Encoding": "gzip"}, packed),
        (200, {"Content-Length": "99999999"}, b""),
    ):
        host.answers["/openapi.json"] = answer
        assert "it is larger than 0.1 MB" in refused(here)


@pytest.mark.parametrize("speaks", [False, True], ids=["silent", "dripping"])
def test_time_is_bounded(here: Path, host: Host, monkeypatch: pytest.MonkeyPatch, speaks: bool) -> None:
    """Neither answer ends before the test does: without the bound this test would never end."""
    monkeypatch.setattr(origins, "MAX_SECONDS", 1.0)

    def slow(handler: BaseHTTPRequestHandler) -> None:
        if speaks:
            handler.send_response(200)
            handler.end_headers()
        while not host.over.wait(0.02):
            if speaks:
                handler.wfile.write(b" ")

    host.answers["/openapi.json"] = slow
    assert "fetching it took longer than 1 s" in refused(here)


def test_silence_is_bounded_where_there_is_time(here: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "MAX_SILENCE", 0.3)
    host.answers["/openapi.json"] = lambda handler: host.over.wait() and None
    assert "nothing came for 0.3 s" in refused(here)


def test_redirects_are_bounded(here: Path, host: Host) -> None:
    host.answers["/openapi.json"] = 307, {"Location": "/openapi.json?again"}, b""
    host.answers["/openapi.json?again"] = host.answers["/openapi.json"]
    host.asked.clear()
    assert "it redirects more than 3 times" in refused(here)
    assert len(host.asked) == 4


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("http://a.test/x.json", "it redirects to http://a.test/x.json, which is not https"),
        ("file:///etc/passwd", "it redirects to 'file:///etc/passwd', which is not followed"),
        ("https://10.0.0.1/x.json", "10.0.0.1 leads to 10.0.0.1, which is no public address"),
        ("https://169.254.169.254/latest", "169.254.169.254 leads to 169.254.169.254, which is no public address"),
        ("http://127.0.0.1:1/x.json", "127.0.0.1 leads to 127.0.0.1, which is no public address"),
        ("http://localhost:1/x.json", ", which is no public address"),
        ("https://[::1]/x.json", "[::1] leads to ::1, which is no public address"),
        ("ftp://a.test/\x1b[2J", "it redirects to 'ftp://a.test/"),
    ],
)
def test_redirects_that_are_refused(here: Path, host: Host, location: str, expected: str) -> None:
    host.answers["/openapi.json"] = 302, {"Location": location}, b""
    said = refused(here)
    assert expected in said
    assert "\x1b" not in said


class Names:
    """Stands in for the resolver; `resolved` and `connected` are what happened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, to: tuple[str, int]) -> None:
        self.leads_to: list[str] = []
        self.resolved: list[str] = []
        self.connected: list[str] = []

        def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
            self.resolved.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in self.leads_to]

        def connect(address: tuple[str, int], *_: Any) -> socket.socket:
            self.connected.append(address[0])
            if to[1]:
                made = socket.socket()
                made.connect(to)
                return made
            raise OSError("no way")

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        monkeypatch.setattr(socket, "create_connection", connect)


def test_a_private_address_has_to_be_allowed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch, ("", 0))
    state(folder, "https://docs.corp.test/openapi.json")
    for private in ("10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1", "fe80::1%eth0"):
        names.leads_to = ["93.184.216.34", private]
        said = refused(folder)
        assert f"docs.corp.test leads to {private}, which is no public address\n" in said
        assert "if that is meant, write under [source]: allow_private = true" in said
    assert names.connected == []
    state(folder, "https://docs.corp.test/openapi.json", "allow_private = true")
    names.leads_to = ["10.0.0.1"]
    names.resolved.clear()
    assert "fetching it failed: no way" in refused(folder)
    assert (names.resolved, names.connected) == (["docs.corp.test"], ["10.0.0.1"])


def test_what_is_allowed_is_one_host(folder: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch, host.server.server_address[:2])
    names.leads_to = ["10.0.0.1"]
    monkeypatch.setattr(remote.Address, "encrypted", True)  # the server of the test speaks no TLS
    place({"mcpgen.toml": ""}, folder)
    source = config.Source("http://docs.corp.test/a.json", allow_private=True)
    host.answers["/a.json"] = 302, {"Location": "http://other.corp.test/b.json"}, b""
    with pytest.raises(Rejected) as caught:
        fetch.take(folder, config.Config(file=str(folder / "mcpgen.toml"), source=source))
    (problem,) = caught.value.problems
    assert problem.message == "other.corp.test leads to 10.0.0.1, which is no public address"
    assert problem.hint == ""
    assert (names.connected, host.paths) == (["10.0.0.1"], ["/a.json"])


def test_the_connection_goes_to_the_address_that_was_checked(folder: Path, host: Host, monkeypatch: Any) -> None:
    names = Names(monkeypatch, host.server.server_address[:2])
    names.leads_to = ["93.184.216.34"]
    monkeypatch.setattr(remote.Address, "encrypted", True)
    place({"mcpgen.toml": ""}, folder)
    made = config.Config(file=str(folder / "mcpgen.toml"), source=config.Source("http://zoo.test/openapi.json"))
    assert fetch.take(folder, made).files == {"openapi.json": ONE.encode()}
    assert (names.resolved, names.connected) == (["zoo.test"], ["93.184.216.34"])


# -- several files ----------------------------------------------------------------------------------------------------


def serve_many(host: Host) -> None:
    host.serve(**{"v1/openapi.yaml": MANY, "v1/common/animal.yaml": ANIMAL, "v1/common/deep/town.json": TOWN})


@pytest.fixture
def many(folder: Path, host: Host) -> Path:
    """The folder of a vendor whose document has three files."""
    serve_many(host)
    state(folder, f"{host.url}/v1/openapi.yaml")
    return folder


def test_the_files_that_it_refers_to_come_too(many: Path, host: Host) -> None:
    assert told() == ["specs/zoo/openapi.yaml: (size), 1 operation (3 files)"]
    assert host.paths == ["/v1/openapi.yaml", "/v1/common/animal.yaml", "/v1/common/deep/town.json"]
    texts = {"openapi.yaml": MANY, "common/animal.yaml": ANIMAL, "common/deep/town.json": TOWN}
    found = stored(many)
    assert {n: c.decode() for n, c in found.items() if n != "source.lock"} == texts
    assert lock(many)["files"] == {n: {"sha256": sha(t)} for n, t in texts.items()}
    assert told() == ["specs/zoo/openapi.yaml: up to date"]
    assert stored(many) == found
    CliRunner().invoke(main, ["build"], catch_exceptions=False)
    assert "list_animals" in Path("generated/zoo/TOOLS.md").read_text()


def test_each_file_is_asked_for_by_its_own_etag(many: Path, host: Host) -> None:
    for path, text in (
        ("/v1/openapi.yaml", MANY),
        ("/v1/common/animal.yaml", ANIMAL),
        ("/v1/common/deep/town.json", TOWN),
    ):
        host.answers[path] = tagged(text, f'"{len(text)}"')
    run()
    host.asked.clear()
    assert told("--check") == ["specs/zoo/openapi.yaml: up to date"]
    assert [h["if-none-match"] for _, h in host.asked] == [f'"{len(t)}"' for t in (MANY, ANIMAL, TOWN)]
    host.answers["/v1/common/deep/town.json"] = tagged('{"Town": {"type": "integer"}}', '"new"')
    assert told("--check", code=1) == ["specs/zoo/openapi.yaml: upstream moved: only shared parts changed"]
    assert told() == ["specs/zoo/openapi.yaml: (size), 1 operation (3 files): only shared parts changed"]
    assert "integer" in (many / "common/deep/town.json").read_text()


def test_what_is_no_longer_referred_to_is_removed(many: Path, host: Host) -> None:
    run()
    place({"common/mine.yaml": "mine: 1\n", "notes.md": "mine\n", "custom.py": "# mine\n"}, many)
    host.serve(**{"v1/common/animal.yaml": "Animal: {type: object}\n"})
    run()
    assert set(stored(many)) == {
        *("openapi.yaml", "common/animal.yaml", "source.lock"),
        *("common/mine.yaml", "notes.md", "custom.py"),
    }
    assert not (many / "common/deep").exists()
    host.serve(**{"v1/openapi.yaml": openapi("animals")})
    run()
    assert set(stored(many)) == {"openapi.json", "source.lock", "common/mine.yaml", "notes.md", "custom.py"}


@pytest.mark.parametrize(
    "answer", [(500, {}, b""), (200, {}, b"Town: ["), (200, {"Content-Length": "99"}, b"{"), (404, {}, b"")]
)
def test_nothing_is_half_written(many: Path, host: Host, answer: Any) -> None:
    """Neither where nothing was before, nor where a new document comes with a file that cannot be had."""
    host.answers["/v1/common/deep/town.json"] = answer
    said = refused(many)
    assert said.startswith(f"error: {host.url}/v1/common/deep/town.json:")
    serve_many(host)
    run()
    host.serve(**{"v1/openapi.yaml": MANY.replace("listAnimals", "animals")})
    host.answers["/v1/common/deep/town.json"] = answer
    assert refused(many) == said


def test_a_file_that_is_not_there_can_be_done_without(many: Path, host: Host) -> None:
    """With --force, and ever after; when it comes, or another one goes, that is a change."""
    del host.answers["/v1/common/deep/town.json"]
    said = refused(many)
    assert "town.json: the document refers to it: the answer is 404, not 200\n" in said
    assert "to take the document without it: mcpgen fetch zoo --force\n" in said
    said = told("--force")[1]
    assert said == "  common/deep/town.json is not there, and the document refers to it"
    assert lock(many)["missing"] == ["common/deep/town.json"]
    assert told() == ["specs/zoo/openapi.yaml: up to date"]
    host.serve(**{"v1/common/deep/town.json": TOWN})
    assert told("--check", code=1) == ["specs/zoo/openapi.yaml: upstream moved: only shared parts changed"]
    del host.answers["/v1/common/deep/town.json"]
    host.serve(**{"v1/openapi.yaml": MANY.replace("listAnimals", "animals")})
    assert told()[0] == "specs/zoo/openapi.yaml: (size), 1 operation (2 files): 1 operation changed"
    host.answers["/v1/common/animal.yaml"] = 404, {}, b""
    assert "animal.yaml: the document refers to it" in refused(many)
    serve_many(host)
    assert told("--check", code=1) == ["specs/zoo/openapi.yaml: upstream moved: 1 operation changed"]
    assert told()[0].startswith("specs/zoo/openapi.yaml: (size), 1 operation (3 files)")
    assert "missing" not in lock(many)


def test_an_example_is_worth_no_refusal(many: Path, host: Host) -> None:
    examples = "examples: {a: {$ref: examples/a.json}, b: {$ref: examples/b.json}}, schema: "
    host.serve(**{"v1/openapi.yaml": MANY.replace("{schema: ", "{" + examples), "v1/examples/a.json": '{"value": 1}'})
    run()
    assert {n for n in stored(many) if n.startswith("examples/")} == {"examples/a.json"}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("../common.yaml", "it is not below the folder of the document\n"),
        ("%2e%2e/common.yaml", "it is not below the folder of the document\n"),
        ("../../common.yaml", "it is outside of the folder"),
        ("/etc/passwd", "mcpgen opens no absolute path"),
        ("file:///etc/passwd", "mcpgen fetches nothing that nobody asked for"),
        (".git/config.yaml", "mcpgen opens no hidden file"),
        ("common/.hidden.yaml", "mcpgen opens no hidden file"),
        ("tools-list.json", "tools-list.json is the name of another file here\n"),
        ("Tools-List.JSON", "Tools-List.JSON is the name of another file here\n"),
        ("ours.overlay.yaml", "ours.overlay.yaml is the name of another file here\n"),
        ("openapi.json", "openapi.json is the name of another file here\n"),
        ("remote/a.test/x.yaml", "remote/a.test/x.yaml is the name of another file here\n"),
        ("custom.py", "mcpgen fetches only .json, .yaml, .yml, .md, .txt\n"),
        ("common.yaml?v=2", "that is no name for a file here"),
        ("a\\b.yaml", "that is no name for a file here"),
        ("1:x.yaml", "that is no name for a file here"),
        ("x" * 120 + ".yaml", "that is no name for a file here"),
        ("a%00.yaml", "that can be the name of no file"),
    ],
)
def test_references_to_what_is_no_part_of_it(many: Path, host: Host, target: str, expected: str) -> None:
    """Each is asked of nobody, and written nowhere."""
    state(many, f"{host.url}/v1/openapi.yaml", top='overlay = ["ours.overlay.yaml"]')
    host.serve(**{"v1/openapi.yaml": MANY.replace("common/animal.yaml#/Animal", json.dumps(f"{target}#/Animal"))})
    said = refused(many)
    assert expected in said
    assert host.paths == ["/v1/openapi.yaml"]
    assert "/tmp" not in said
    if "to take the document without it" in said:
        run("--force")
        assert set(stored(many)) == {"openapi.yaml", "source.lock"}


def test_a_folder_of_its_own_gives_room_above(many: Path, host: Host) -> None:
    host.serve(**{"v1/openapi.yaml": MANY.replace("common/", "../shared/"), "shared/animal.yaml": "Animal: {}\n"})
    assert 'with document = "api/openapi.yaml" in mcpgen.toml it gets a folder of its own' in refused(many)
    state(many, f"{host.url}/v1/openapi.yaml", top='document = "api/openapi.yaml"')
    run()
    assert set(stored(many)) == {"api/openapi.yaml", "shared/animal.yaml", "source.lock"}
    assert told() == ["specs/zoo/api/openapi.yaml: up to date"]
    host.serve(**{"v1/openapi.yaml": MANY.replace("common/", "../api/../tools-list.json?")})
    assert "that is no name for a file here" in refused(many)


def test_references_by_url_follow_the_rule_of_allow_hosts(many: Path, host: Host, other: Host) -> None:
    """What build would fetch for a host that is named is fetched again; what nobody named is not asked for."""
    other.serve(**{"x.yaml": "Animal: {type: object}\n"})
    host.serve(**{"v1/openapi.yaml": MANY.replace("common/animal.yaml", f"{other.url}/x.yaml")})
    run()
    assert (other.asked, set(stored(many))) == ([], {"openapi.yaml", "source.lock"})
    state(many, f"{host.url}/v1/openapi.yaml", HEADERS, f'allow_hosts = ["{other.name}"]')
    (many / "source.lock").unlink()
    run()
    copy = f"remote/127.0.0.1_{other.server.server_port}/x.yaml"
    assert set(stored(many)) == {"openapi.yaml", "source.lock", copy}
    assert "authorization" not in other.asked[0][1]
    assert told() == ["specs/zoo/openapi.yaml: up to date"]
    assert set(host.paths) == {"/v1/openapi.yaml"}
    other.serve(**{"x.yaml": "Animal: {type: string}\n"})
    assert told("--check", code=1) == ["specs/zoo/openapi.yaml: upstream moved: only shared parts changed"]
    run()
    assert (many / copy).read_text() == "Animal: {type: string}\n"
    other.answers["/x.yaml"] = 500, {}, b""
    assert f'$ref to "{other.url}/x.yaml#/Animal": the answer is 500, not 200' in refused(many)
    host.serve(**{"v1/openapi.yaml": MANY.replace("common/animal.yaml#/Animal", "")})
    host.serve(**{"v1/openapi.yaml": openapi("animals")})
    run()
    assert set(stored(many)) == {"openapi.json", "source.lock"}


def test_other_hosts_have_a_folder_beside_the_document(many: Path, host: Host, other: Host) -> None:
    """And nothing else goes in there: what the vendor's own host has is no document of another one."""
    other.serve(**{"x.yaml": "Animal: {type: object}\n"})
    host.serve(**{"v1/openapi.yaml": MANY.replace("common/animal.yaml", f"{other.url}/x.yaml")})
    state(many, f"{host.url}/v1/openapi.yaml", f'allow_hosts = ["{other.name}"]', top='document = "api/openapi.yaml"')
    run()
    copy = f"api/remote/127.0.0.1_{other.server.server_port}/x.yaml"
    assert set(stored(many)) == {"api/openapi.yaml", "source.lock", copy}
    other.serve(**{"x.yaml": "Animal: {type: string}\n"})
    assert told("--check", code=1) == ["specs/zoo/api/openapi.yaml: upstream moved: only shared parts changed"]
    host.serve(**{"v1/openapi.yaml": MANY.replace("common/", "remote/a.test/")})
    assert "api/remote/a.test/animal.yaml is the name of another file here" in refused(many)


def test_a_stranger_in_the_way(many: Path, host: Host) -> None:
    place({"common/animal.yaml": "Animal: mine\n"}, many)
    said = refused(many)
    assert "specs/zoo/common/animal.yaml: the file is in the way of one that the document refers to" in said
    assert refused(many, "--force") == said
    (many / "common/animal.yaml").write_text(ANIMAL)  # the same one is none
    run()


def test_a_symbolic_link_leads_nowhere(many: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (many / "common").symlink_to(tmp_path / "outside")
    assert "a symbolic link leads out of this folder" in refused(many)
    assert list((tmp_path / "outside").iterdir()) == []


def test_names_that_differ_in_case(many: Path, host: Host) -> None:
    both = "Animal: {type: object, properties: {a: {$ref: Town.json#/Town}, b: {$ref: town.json#/Town}}}\n"
    host.serve(**{"v1/common/animal.yaml": both, "v1/common/Town.json": TOWN, "v1/common/town.json": TOWN})
    assert "is the same file where case does not count" in refused(many)


def test_the_number_of_files_is_bounded(many: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_FILES", 5)
    monkeypatch.setattr("mcpgen.spec.files.MAX_FILES", 5)
    for i in range(20):
        host.serve(
            **{f"v1/common/{i}.yaml": f"A: {{anyOf: [{{$ref: '{i + 1}.yaml#/A'}}, {{$ref: '{i + 2}.yaml#/A'}}]}}"}
        )
    host.serve(**{"v1/openapi.yaml": MANY.replace("animal.yaml#/Animal", "0.yaml#/A")})
    assert "the document refers to more than 5 files" in refused(many)
    assert len(host.asked) <= 6


def test_the_size_of_all_files_is_bounded(many: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_BYTES", len(MANY) + len(ANIMAL))
    assert "the document and the files it refers to are larger than " in refused(many)


def test_the_time_for_all_files_is_bounded(many: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer is in time, all together are not: without the bound they would take 40 seconds."""
    monkeypatch.setattr(origins, "MAX_SECONDS", 1.0)

    def slow(number: int) -> Callable[[BaseHTTPRequestHandler], None]:
        def answer(handler: BaseHTTPRequestHandler) -> None:
            host.over.wait(0.4)
            body = f"A: {{$ref: '{number + 1}.yaml#/A'}}".encode()
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)

        return answer

    for i in range(100):
        host.answers[f"/v1/common/{i}.yaml"] = slow(i)
    host.serve(**{"v1/openapi.yaml": MANY.replace("animal.yaml#/Animal", "0.yaml#/A")})
    started = time.monotonic()
    assert "fetching it took longer than 1 s" in refused(many)
    assert time.monotonic() - started < 10


def test_not_every_file_is_tried_when_none_can_be_had(many: Path, host: Host) -> None:
    names = [f"f{i}.yaml" for i in range(50)]
    some = ", ".join(f"{{$ref: '{n}#/A'}}" for n in names)
    host.serve(**{"v1/common/animal.yaml": f"Animal: {{anyOf: [{some}]}}\n"})
    for name in names:
        host.answers[f"/v1/common/{name}"] = 500, {}, b""
    said = refused(many)
    assert said.count("the answer is 500, not 200") == 5
    assert len(host.asked) == 7


def test_a_document_that_its_files_refer_back_to(many: Path, host: Host) -> None:
    host.serve(**{"v1/zoo.yaml": MANY + "components: {schemas: {Town: {type: string}}}\n"})
    host.serve(**{"v1/common/animal.yaml": "Animal: {$ref: '../zoo.yaml#/components/schemas/Town'}\n"})
    state(many, f"{host.url}/v1/zoo.yaml")
    said = told()
    assert said[1] == (
        '  other files call the document zoo.yaml: with document = "zoo.yaml" in mcpgen.toml it is here once'
    )
    state(many, f"{host.url}/v1/zoo.yaml", top='document = "zoo.yaml"')
    run()
    assert set(stored(many)) == {"zoo.yaml", "common/animal.yaml", "source.lock"}


@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_a_full_disk_leaves_what_was_there(many: Path, host: Host, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    run()
    before = files(Path.cwd())
    for path, text in (("openapi.yaml", MANY), ("common/animal.yaml", ANIMAL), ("common/deep/town.json", TOWN)):
        host.serve(**{f"v1/{path}": text.replace("type", "type ") + "\n"})
    made = config.load(many / "mcpgen.toml")
    fetched = fetch.take(many, made)
    plain, calls = Path.write_bytes, iter(range(9))

    def full(path: Path, content: bytes) -> int:
        if next(calls) == at:
            raise OSError(28, "No space left on device", str(path))
        return plain(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(Rejected, match="No space left on device"):
        fetch.write(fetched)
    assert files(Path.cwd()) == before


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"url": "x", "document": "a.json", "files": {}}']
    + [
        f'{{"url": "x", "document": "{n}", "files": {{"{n}": {{"sha256": "0"}}}}}}'
        for n in ("../../a.json", "/a.json", ".a")
    ]
    + [
        '{"url": 1, "document": "a", "files": {"a": {"sha256": "0"}}}',
        '{"url": "", "document": "a", "files": {"a": 1}}',
    ],
)
def test_a_lock_that_was_tampered_with(many: Path, text: str) -> None:
    """It says what may be removed, so it is held to its own folder."""
    (many / "source.lock").write_text(text)
    assert "error: specs/zoo/source.lock: the lock cannot be read\n" in refused(many)


@pytest.mark.parametrize("name", ["a.json", "a/b c/d.yaml", "\u00e4.yaml", "_a", "a@2/x+y.json"])
def test_names_inside(name: str) -> None:
    assert inside(name)


@pytest.mark.parametrize(
    "name", ["", "/a", "a//b", "a/", ".", "..", "a/../b", ".a", "a/.b", "-a", "~", "a.", "a ", "a\\b"]
)
def test_names_outside(name: str) -> None:
    assert not inside(name)


# -- from a file ------------------------------------------------------------------------------------------------------


def test_a_file_outside_of_specs(folder: Path, tmp_path: Path) -> None:
    place({"openapi.yaml": MANY, "common/animal.yaml": ANIMAL, "common/deep/town.json": TOWN}, tmp_path / "api")
    state(folder, "../../../api/openapi.yaml")
    assert told() == ["specs/zoo/openapi.yaml: (size), 1 operation (3 files)"]
    assert told() == ["specs/zoo/openapi.yaml: up to date"]
    (tmp_path / "api/common/animal.yaml").write_text("Animal: {type: string}\n")
    assert told("--check", code=1) == ["specs/zoo/openapi.yaml: upstream moved: only shared parts changed"]
    run()
    assert set(stored(folder)) == {"openapi.yaml", "common/animal.yaml", "source.lock"}
    for url in (str(tmp_path / "api/openapi.yaml"), (tmp_path / "api/openapi.yaml").as_uri()):
        state(folder, url)
        assert told() == ["specs/zoo/openapi.yaml: up to date; source.lock is new"]


def test_a_document_is_not_its_own_source(folder: Path) -> None:
    place({"openapi.yaml": ONE}, folder)
    state(folder, "openapi.yaml")
    assert "mcpgen.toml:2:1: the document would be fetched into the folder where it is\n" in refused(folder)


def test_files_that_cannot_be_taken(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state(folder, "../../../api/openapi.yaml")
    assert "error: ../api/openapi.yaml: there is no such file\n" in refused(folder)
    (tmp_path / "api/openapi.yaml").mkdir(parents=True)
    assert "error: ../api/openapi.yaml: this is not a file\n" in refused(folder)
    place({"secret.yaml": ANIMAL, "api2/openapi.yaml": MANY}, tmp_path)
    (tmp_path / "api2/common").mkdir()
    (tmp_path / "api2/common/animal.yaml").symlink_to(tmp_path / "secret.yaml")
    state(folder, "../../../api2/openapi.yaml")
    assert "a symbolic link leads out of the folder of the document" in refused(folder)
    monkeypatch.setattr(origins, "MAX_BYTES", 10)
    assert "it is larger than 1e-05 MB" in refused(folder)


# -- from a git repository --------------------------------------------------------------------------------------------


def git(where: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=where, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(where: Path, texts: dict[str, str]) -> str:
    place(texts, where)
    git(where, "add", "-A")
    git(where, "commit", "-qm", "more", "--allow-empty")
    return git(where, "rev-parse", "HEAD")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository with a document of three files below api/."""
    made = tmp_path / "repo"
    git(tmp_path, "init", "-q", "-b", "main", "repo")
    texts = {"api/openapi.yaml": MANY, "api/common/animal.yaml": ANIMAL, "api/common/deep/town.json": TOWN}
    commit(made, {**texts, "README.md": "A zoo.\n"})
    return made


def at(repo: Path, ref: str = "main", path: str = "api/openapi.yaml") -> str:
    return f"git+{repo.as_uri()}#{ref}:{path}"


@pytest.mark.parametrize("sends", ["all", "what is asked for"])
def test_a_branch_of_a_repository(folder: Path, repo: Path, sends: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that send all of a commit, and such that send only the files that are wanted."""
    git(repo, "config", "uploadpack.allowFilter", "true" if sends != "all" else "false")
    first = git(repo, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(folder / "nowhere"))  # as in a hook of git
    state(folder, at(repo))
    assert told() == ["specs/zoo/openapi.yaml: (size), 1 operation (3 files)"]
    assert set(stored(folder)) == {"openapi.yaml", "common/animal.yaml", "common/deep/town.json", "source.lock"}
    assert lock(folder)["commit"] == first
    assert told() == ["specs/zoo/openapi.yaml: up to date"]
    monkeypatch.delenv("GIT_DIR")
    before = stored(folder)
    commit(repo, {"README.md": "A big zoo.\n"})
    assert told() == ["specs/zoo/openapi.yaml: up to date"]
    assert stored(folder) == before, "a commit that touches other files is no change"
    second = commit(repo, {"api/common/deep/town.json": '{"Town": {"type": "integer"}}'})
    assert told("--check", code=1) == ["specs/zoo/openapi.yaml: upstream moved: only shared parts changed"]
    run()
    assert lock(folder)["commit"] == second
    assert "integer" in (folder / "common/deep/town.json").read_text()


def test_only_what_is_asked_for_is_sent(folder: Path, repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large file elsewhere in the repository costs nothing."""
    git(repo, "config", "uploadpack.allowFilter", "true")
    (repo / "film.bin").write_bytes(os.urandom(2_000_000))
    commit(repo, {})
    monkeypatch.setattr(repository, "MAX_REPOSITORY_BYTES", 1_000_000)
    state(folder, at(repo))
    run()
    git(repo, "config", "uploadpack.allowFilter", "false")
    state(folder, at(repo, "HEAD"))
    assert "one commit of the repository is larger than 1 MB" in refused(folder)


def test_tags_and_commits(folder: Path, repo: Path) -> None:
    first = git(repo, "rev-parse", "HEAD")
    git(repo, "tag", "-a", "v1", "-m", "one")
    commit(repo, {"api/openapi.yaml": openapi("animals", "keepers")})
    for ref in ("v1", "refs/tags/v1", first):
        state(folder, at(repo, ref))
        run()
        assert (folder / "openapi.yaml").read_text() == MANY
        assert lock(folder)["commit"] == first
    state(folder, at(repo, "HEAD"))
    run()
    assert set(stored(folder)) == {"openapi.json", "source.lock"}


@pytest.mark.parametrize(
    ("ref", "path", "expected"),
    [
        ("next", "api/openapi.yaml", "there is no next in the repository\n  name a branch, a tag or a whole commit"),
        ("main", "api/nothing.yaml", " has no such file"),
        ("main", "api", " has no such file"),
        ("main", "api/link.yaml", "it is a symbolic link"),
        ("main", "api/page.yaml", "it is HTML or XML"),
    ],
)
def test_what_a_repository_has_not(folder: Path, repo: Path, ref: str, path: str, expected: str) -> None:
    (repo / "api/link.yaml").symlink_to("/etc/passwd")
    commit(repo, {"api/page.yaml": "<html>"})
    state(folder, at(repo, ref, path))
    assert expected in refused(folder)
    shutil.rmtree(repo)
    assert "git says: fatal: " in refused(folder)


def test_a_repository_climbs_nowhere(folder: Path, repo: Path) -> None:
    (repo / "api/common/animal.yaml").unlink()
    (repo / "api/common/animal.yaml").symlink_to("../../README.md")
    commit(repo, {})
    state(folder, at(repo))
    assert "animal.yaml: the document refers to it: it is a symbolic link" in refused(folder)
    commit(repo, {"api/openapi.yaml": MANY.replace("common/animal.yaml", "../README.md")})
    assert "it is not below the folder of the document" in refused(folder)


def test_no_hook_runs_and_nobody_is_asked(folder: Path, repo: Path, tmp_path: Path, monkeypatch: Any) -> None:
    home = tmp_path / "home"
    hooks = {
        n: f"#!/bin/sh\ntouch {tmp_path}/ran-{n}\n" for n in ("post-checkout", "reference-transaction", "post-merge")
    }
    place({f"template/hooks/{n}": t for n, t in hooks.items()}, home)
    for name in hooks:
        (home / "template/hooks" / name).chmod(0o755)
    template = (home / "template").as_posix()
    place({".gitconfig": f"[init]\ntemplateDir = {template}\n[core]\nhooksPath = {template}/hooks\n"}, home)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_ASKPASS", str(home / "template/hooks/post-merge"))
    state(folder, at(repo))
    run()
    assert list(tmp_path.glob("ran-*")) == []


class Smart:
    """Serves repositories over HTTP by git's own program; `asked` are the requests."""

    def __init__(self, host: Host, root: Path, credential: str = "") -> None:
        self.asked: list[tuple[str, str]] = []
        smart = self

        def answer(handler: BaseHTTPRequestHandler) -> None:
            given = handler.headers.get("Authorization", "")
            path, _, query = handler.path.partition("?")
            smart.asked.append((path, given))
            if credential and given != credential:
                handler.send_response(401)
                handler.send_header("WWW-Authenticate", "Basic")
                handler.send_header("Content-Length", "0")
                handler.end_headers()
                return
            size = int(handler.headers.get("Content-Length") or 0)
            body = handler.rfile.read(size)
            if handler.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            asked = {
                "GIT_PROJECT_ROOT": str(root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROTOCOL": handler.headers.get("Git-Protocol", ""),
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": handler.command,
                "CONTENT_TYPE": handler.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
            }
            done = subprocess.run(["git", "http-backend"], input=body, env={**os.environ, **asked}, capture_output=True)
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            lines = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
            handler.send_response(int(lines.pop("Status", "200").split()[0]))
            for name, value in {**lines, "Content-Length": str(len(content))}.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(content)

        class Any_(dict[str, Any]):
            def get(self, *_: Any) -> Any:
                return answer

        host.answers = Any_()
        host.server.RequestHandlerClass.do_POST = host.server.RequestHandlerClass.do_GET  # type: ignore[attr-defined]


def test_a_repository_behind_a_credential(folder: Path, repo: Path, host: Host, monkeypatch: Any) -> None:
    """The header reaches git without being an argument; without it nobody is asked for a password."""
    token = base64.b64encode(b"me:secret").decode()
    smart = Smart(host, repo.parent, f"Basic {token}")
    monkeypatch.setenv("VENDOR_TOKEN", token)
    url = f"git+{host.url}/repo/.git#main:api/openapi.yaml"
    git(repo, "config", "uploadpack.allowFilter", "true")
    state(folder, url)
    said = refused(folder)
    assert "terminal prompts disabled" in said
    assert 'name a credential under [source]: headers = { Authorization = "Basic {VENDOR_TOKEN}" }' in said
    state(folder, url, 'headers = { Authorization = "Basic {VENDOR_TOKEN}" }')
    smart.asked.clear()
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert told() == ["specs/zoo/openapi.yaml: (size), 1 operation (3 files)"]
    assert {given for _, given in smart.asked} == {f"Basic {token}"}
    assert token.encode() not in b"".join(files(Path.cwd()).values())


def test_git_follows_no_redirect(folder: Path, host: Host, other: Host) -> None:
    class Elsewhere(dict[str, Any]):
        def get(self, path: str, *_: Any) -> Any:
            return 302, {"Location": other.url + path}, b""

    host.answers = Elsewhere()
    state(
        folder, f"git+{host.url}/repo.git#main:api/openapi.yaml", 'headers = { Authorization = "Basic {VENDOR_TOKEN}" }'
    )
    assert "git says: fatal: " in refused(folder)
    assert (len(host.asked), other.asked) == (1, [])


def test_a_repository_on_a_private_address(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch, ("", 0))
    names.leads_to = ["10.0.0.1"]
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("git was started"))
    for url in ("https://git.corp.test/a.git", "ssh://git@git.corp.test/a.git", "ssh://git@git.corp.test:2222/a.git"):
        state(folder, f"git+{url}#main:openapi.yaml")
        said = refused(folder)
        assert "git.corp.test leads to 10.0.0.1, which is no public address\n" in said
        assert "if that is meant, write under [source]: allow_private = true" in said


def test_git_is_held_to_the_address_that_was_checked(folder: Path, host: Host, monkeypatch: Any) -> None:
    """Both names would lead elsewhere, or nowhere, if git asked again."""
    made = repository.Repository(
        "git+https://git.zoo.test/a.git#main:openapi.yaml",
        {},
        private=False,
        deadline=time.monotonic() + 60,
        seconds=60,
        progress=lambda _: None,
    )
    names = Names(monkeypatch, ("", 0))
    names.leads_to = ["93.184.216.34", "2606:4700::1111", "93.184.216.34"]
    with made:
        pinned = dict(made._pinned())
    assert pinned == {"http.proxy": "", "http.curloptResolve": "git.zoo.test:443:93.184.216.34,2606:4700::1111"}


def test_git_has_a_bound_in_time(folder: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that never answers: git would wait for it."""
    monkeypatch.setattr(origins, "MAX_SECONDS", 1.0)

    class Silent(dict[str, Any]):
        def get(self, *_: Any) -> Any:
            return lambda handler: host.over.wait() and None

    host.answers = Silent()
    state(folder, f"git+{host.url}/repo.git#main:openapi.yaml")
    assert "fetching it took longer than 1 s" in refused(folder)


def test_git_may_speak_one_protocol_only(folder: Path, repo: Path, tmp_path: Path, monkeypatch: Any) -> None:
    home = tmp_path / "home"
    place(
        {".gitconfig": f'[url "ext::touch {tmp_path}/ran;"]\ninsteadOf = file://\n[protocol]\nallow = always\n'}, home
    )
    monkeypatch.setenv("HOME", str(home))
    state(folder, at(repo))
    assert "transport 'ext' not allowed" in refused(folder)
    assert not (tmp_path / "ran").exists()


# -- several names, and --check ---------------------------------------------------------------------------------------


def test_every_name_is_tried(folder: Path, host: Host) -> None:
    """A name with a problem is left as it was; the others are written, and it is said which is which."""
    for name in ("ape", "bear", "cat", "dog"):
        state(folder.parent / name, f"{host.url}/{name}.json")
    host.serve(**{"ape.json": ONE, "cat.json": ONE, "dog.json": "<html>"})
    place({"mcpgen.toml": "[source]\nurl = 1\n"}, folder.parent / "elk")
    place({"openapi.json": ONE}, folder.parent / "fox")
    done = run(code=2)
    assert sizeless(done.stdout).splitlines() == [
        f"specs/{n}/openapi.json: (size), 3 operations" for n in ("ape", "cat")
    ]
    assert done.stderr.splitlines() == [
        f"error: {host.url}/bear.json: the answer is 404, not 200",
        '  if it needs a credential: headers = { Authorization = "Bearer {VENDOR_TOKEN}" }',
        f"error: {host.url}/dog.json: it is HTML or XML, and no OpenAPI document",
        done.stderr.splitlines()[3],
        "error: specs/elk/mcpgen.toml:2:1: `source.url` must be a string",
        "3 problems; nothing was written for bear, dog, elk",
    ]
    assert {p.parent.name for p in folder.parent.glob("*/source.lock")} == {"ape", "cat"}
    assert "nothing was written\n" in run("bear", "dog", code=2).stderr


def test_a_name_that_is_not_there(folder: Path, host: Host) -> None:
    state(folder, f"{host.url}/openapi.json")
    done = run("zoo", "zooo", "../zoo", code=2)
    assert "there is no specs/zooo/\n  there are: zoo" in done.stderr
    assert "there is no specs/../zoo/" in done.stderr
    assert sizeless(done.stdout) == "specs/zoo/openapi.json: (size), 3 operations\n"


def test_check_writes_nothing(folder: Path, host: Host) -> None:
    state(folder, f"{host.url}/openapi.json")
    assert told("--check", code=1) == ["specs/zoo/openapi.json: upstream moved: it was never fetched"]
    assert stored(folder) == {}
    run()
    before = stored(folder)
    assert told("--check") == ["specs/zoo/openapi.json: up to date"]
    schema = {"components": {"schemas": {"A": {"type": "object", "description": "An animal."}}}}
    for text, how in (
        (openapi("animals", "keepers", "visitors", words="Other."), "only texts or order changed"),
        (openapi("visitors", "keepers", "animals"), "only texts or order changed"),
        (openapi("animals", "keepers", "tickets", "shops"), "+2 \u22121 operations"),
        (openapi("animals", "keepers"), "\u22121 operation"),
        (ONE.replace('"responses": {}', '"responses": {}, "deprecated": true', 1), "1 operation changed"),
        (openapi("animals", "keepers", "visitors", **schema), "only shared parts changed"),
    ):
        host.serve(**{"openapi.json": text})
        assert told("--check", code=1) == [f"specs/zoo/openapi.json: upstream moved: {how}"]
        assert stored(folder) == before


def test_a_document_as_deep_as_may_be(folder: Path, host: Host) -> None:
    for leaf, code in (("string", 1), ("integer", 1)):
        deep = json.loads('{"items": ' * 490 + json.dumps({"type": leaf}) + "}" * 490)
        host.serve(**{"openapi.json": openapi("a", components={"schemas": {"A": deep}})})
        state(folder, f"{host.url}/openapi.json")
        run("--check", code=code)
        run()


def test_a_property_called_description_is_no_text(folder: Path, host: Host) -> None:
    def schemas(kind: str) -> Any:
        properties = {n: {"type": kind} for n in ("description", "title", "example", "info")}
        return {"components": {"schemas": {"A": {"type": "object", "properties": properties}}}}

    host.serve(**{"openapi.json": openapi("a", **schemas("string"))})
    state(folder, f"{host.url}/openapi.json")
    run()
    host.serve(**{"openapi.json": openapi("a", **schemas("integer"))})
    assert told("--check", code=1) == ["specs/zoo/openapi.json: upstream moved: only shared parts changed"]


def test_a_problem_goes_before_a_change(folder: Path, host: Host) -> None:
    state(folder, f"{host.url}/openapi.json")
    state(folder.parent / "bear", f"{host.url}/bear.json")
    run("--check", code=2)


def test_without_a_source(folder: Path) -> None:
    place({"openapi.json": ONE}, folder)
    assert told() == ["nothing to fetch: no mcpgen.toml here has a url under [source], no document is an MCP endpoint"]
    said = refused(folder, "zoo")
    assert said.splitlines()[:4] == [
        "error: specs/zoo/openapi.json: the document describes no MCP endpoint, and nothing says where it is published",
        "  write in specs/zoo/mcpgen.toml where the document is published:",
        "    [source]",
        '    url = "https://example.com/openapi.json"',
    ]


def test_a_fix_that_no_longer_fits_is_for_the_build(folder: Path, host: Host) -> None:
    """A document that only a correction makes readable is taken; drift is loud afterwards."""
    fix = '[[fix]]\nat = "#/openapi"\nwas = "9.9.9"\nnow = "3.0.3"\nwhy = "A slip."\n'
    host.serve(**{"openapi.json": ONE.replace("3.0.3", "9.9.9")})
    state(folder, f"{host.url}/openapi.json", fix)
    assert told() == ["specs/zoo/openapi.json: (size), 3 operations"]
    host.serve(**{"openapi.json": ONE})
    assert told() == ["specs/zoo/openapi.json: (size), 3 operations: only shared parts changed"]
    assert "the document no longer says" in CliRunner().invoke(main, ["build"]).stderr


def test_downloads_say_how_far_they_are(folder: Path, host: Host) -> None:
    steps: list[str] = []
    host.serve(**{"openapi.json": ONE + " " * 3_000_000})
    state(folder, f"{host.url}/openapi.json", HEADERS)
    fetch.take(folder, config.load(folder / "mcpgen.toml"), progress=steps.append)
    assert f"fetching {host.url}/openapi.json: 3.0 of 3.0 MB" in steps
    host.answers["/openapi.json"] = 200, {"Content-Encoding": "gzip"}, gzip.compress(ONE.encode())
    assert not any(SECRET in step for step in steps)


# -- the document and the tools of an endpoint ------------------------------------------------------------------------

PROXY = Path(__file__).parents[1] / "specs" / "pagerduty-mcp"


def test_what_was_not_taken_is_said(folder: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint without a credential keeps no document from being fetched."""
    monkeypatch.delenv("PAGERDUTY_USER_API_KEY", raising=False)
    shutil.copytree(PROXY, folder.parent / "pagerduty-mcp")
    state(folder, f"{host.url}/openapi.json")
    assert told() == [
        "specs/zoo/openapi.json: (size), 3 operations",
        "specs/pagerduty-mcp/tools-list.json: not taken, PAGERDUTY_USER_API_KEY is not set",
    ]
    assert "PAGERDUTY_USER_API_KEY" in run("pagerduty-mcp", code=2).stderr
    done = run("zoo", "pagerduty-mcp", code=2)
    assert done.stdout == "specs/zoo/openapi.json: up to date\n"


def test_the_document_of_an_endpoint_comes_first(folder: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PAGERDUTY_USER_API_KEY", raising=False)
    text = (PROXY / "openapi.json").read_text()
    host.serve(**{"mcp.json": text})
    state(folder, f"{host.url}/mcp.json", '[auth.Authorization]\nvalue = "Token token={PAGERDUTY_USER_API_KEY}"')
    said = told("zoo")
    assert (folder / "openapi.json").read_text() == text
    assert said[-1] == "specs/zoo/tools-list.json: not taken, PAGERDUTY_USER_API_KEY is not set"
    monkeypatch.setenv("PAGERDUTY_USER_API_KEY", "y" * 20)
    listed = [{"name": "list_things", "inputSchema": {"type": "object"}}]
    monkeypatch.setattr(fetch, "listed", lambda _: listed)
    assert told("zoo", "--check", code=1)[1] == "specs/zoo/tools-list.json: upstream moved: 1 tool"
    assert not (folder / "tools-list.json").exists()
    assert told("zoo")[:2] == ["specs/zoo/openapi.json: up to date", "specs/zoo/tools-list.json: 1 tool"]
    assert told("zoo", "--check")[1] == "specs/zoo/tools-list.json: up to date, 1 tool"


# -- the configuration ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", '`source.url` is "", which mcpgen cannot fetch'),
        ("s3://bucket/openapi.json", '`source.url` is "s3://bucket/openapi.json", which mcpgen cannot fetch'),
        ("file://host/openapi.json", "which mcpgen cannot fetch"),
        ("http://docs.test/openapi.json", "is http, and only https is fetched from another machine"),
        ("git+http://docs.test/a.git#main:a.yaml", "is http, and only https is fetched from another machine"),
        ("https://me:pw@docs.test/openapi.json", "has a user name or a password"),
        ("git+https://me@docs.test/a.git#main:a.yaml", "has a user name or a password"),
        ("https://docs.test/a b.json", "is no https:// URL"),
        ("https://docs.test/a.json#/paths", "is no https:// URL"),
        ("git+https://docs.test/a.git", "is no git+URL#REF:PATH"),
        ("git+ext::sh -c x#main:a.yaml", "is no git+URL#REF:PATH"),
        ("git://docs.test/a.git#main:a.yaml", "is no git+URL#REF:PATH"),
        ("git@github.com:acme/api.git", "is no git+URL#REF:PATH"),
        ("git+ssh://-oProxyCommand=x/a.git#main:a.yaml", 'names "-oProxyCommand=x", which is no host'),
        ("git+ssh://git@-x/a.git#main:a.yaml", 'names "-x", which is no host'),
        ("git+file://host/a.git#main:a.yaml", 'names "host", which is no host'),
        ("git+https://docs.test/a.git#--upload-pack=x:a.yaml", "which is no branch, tag or commit"),
        ("git+https://docs.test/a.git#a..b:a.yaml", "which is no branch, tag or commit"),
        ("git+https://docs.test/a.git#main:--x", "which is no path in a repository"),
        ("git+https://docs.test/a.git#main:../a.yaml", "which is no path in a repository"),
        ("git+https://docs.test/a.git#main:/a.yaml", "which is no path in a repository"),
    ],
)
def test_urls_that_are_refused(folder: Path, url: str, expected: str) -> None:
    state(folder, url)
    with pytest.raises(Rejected) as caught:
        config.load(folder / "mcpgen.toml")
    (problem,) = caught.value.problems
    assert problem.line == 2
    assert expected in problem.message


@pytest.mark.parametrize(
    "url",
    [
        *("https://docs.test/openapi.json?format=json&v=2", "HTTPS://DOCS.TEST", "http://localhost:8080/a.json"),
        *("http://[::1]/a.yaml", "../api/openapi.yaml", "openapi 2.yaml", "file:///srv/openapi.yaml"),
        *("git+ssh://git@github.com/acme/api.git#v2:openapi.yaml", "git+file:///srv/a.git#feature/x-1:a/b.yaml"),
        *("git+https://docs.test:8443/a.git#HEAD:a b/c.yaml", "git+http://127.0.0.1:80/a#main:a.yaml"),
    ],
)
def test_urls_that_are_taken(folder: Path, url: str) -> None:
    state(folder, url)
    assert config.load(folder / "mcpgen.toml").source.url == url


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            'Authorization = "Bearer abc"',
            "the header `Authorization` is a credential, and this file is no place for one",
        ),
        ('cookie = "a=b"', "the header `cookie` is a credential"),
        ('Host = "a.test"', "the header `Host` follows from the request"),
        ('If-None-Match = "*"', "the header `If-None-Match` follows from the request"),
        ('"a b" = "c"', '"a b" is no name of a header'),
        ('X = "a\\nb"', "`source.headers.X` must be printable ASCII"),
        ('X = ""', "`source.headers.X` must be printable ASCII"),
        ("X = 1", "`source.headers.X` must be a string"),
    ],
)
def test_headers_that_are_refused(folder: Path, headers: str, expected: str) -> None:
    state(folder, "https://docs.test/openapi.json", "[source.headers]", headers)
    with pytest.raises(Rejected) as caught:
        config.load(folder / "mcpgen.toml")
    (problem,) = caught.value.problems
    assert problem.line == 4
    assert problem.message.startswith(expected)


@pytest.mark.parametrize("url", ["../openapi.yaml", "git+ssh://git@a.test/a.git#main:a.yaml", "git+file:///a#main:a"])
def test_headers_go_with_https_only(folder: Path, url: str) -> None:
    state(folder, url, 'headers = { X = "{Y}" }')
    with pytest.raises(Rejected, match=r"`source\.headers` goes with https:// only"):
        config.load(folder / "mcpgen.toml")


# --- real documents --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not os.environ.get("MCPGEN_CORPUS"), reason="MCPGEN_CORPUS names no folder with real documents")
def test_a_real_document_of_many_files(folder: Path) -> None:
    """Exactly the files that a build reads are taken."""
    there = Path(os.environ["MCPGEN_CORPUS"], "multi", "digitalocean")
    real = Path(shutil.copytree(there, Path.cwd() / "there"), "DigitalOcean-public.v2.yaml")  # a corpus may be links
    state(folder, str(real))
    assert told() == ["specs/zoo/openapi.yaml: (size), 659 operations (1508 files)"]
    for name, content in stored(folder).items():
        if name not in ("openapi.yaml", "source.lock"):
            assert (real.parent / name).read_bytes() == content
    assert told() == ["specs/zoo/openapi.yaml: up to date"]
