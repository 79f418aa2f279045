"""Tables of what arguments look like on the wire: each row is markers, arguments, and the exact request.

The runtime is imported from `templates/` as the package `runtime`; in a generated server the same files are `_runtime`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path as FilePath
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

sys.path.insert(0, str(FilePath(__file__).parent.parent / "templates"))

from runtime import (
    Cookie,
    Form,
    Header,
    Json,
    JsonLines,
    JsonRest,
    Operation,
    Part,
    PartHeader,
    Path,
    Query,
    Raw,
    Xml,
    XmlNode,
)
from runtime.tool import InvalidArguments, Marker, schema_check
from runtime.wire import Wire, build, decode_file, text_of

RGB = {"R": 100, "G": 200}


def wire(path: str, markers: dict[str, Marker], arguments: dict[str, Any], **operation: Any) -> Wire:
    """The request of an operation with these markers; POST when there is a body."""
    method = "POST" if operation else "GET"
    return build(Operation("op", method, path, **operation), tuple(markers.items()), arguments)


@pytest.mark.parametrize(
    ("marker", "value", "path"),
    [
        (Path("v"), "blue", "/x/blue"),
        (Path("v"), "a/b ?c#é%", "/x/a%2Fb%20%3Fc%23%C3%A9%25"),
        (Path("v"), "-._~", "/x/-._~"),
        (Path("v"), 5.0, "/x/5"),
        (Path("v"), True, "/x/true"),
        (Path("v"), 12345678901234567890, "/x/12345678901234567890"),
        (Path("v"), "...", "/x/..."),
        (Path("v"), ["a,b", "c"], "/x/a%2Cb,c"),
        (Path("v", explode=True), ["a", "b"], "/x/a,b"),
        (Path("v"), RGB, "/x/R,100,G,200"),
        (Path("v", explode=True), RGB, "/x/R=100,G=200"),
        (Path("v", "label"), "blue", "/x/.blue"),
        (Path("v", "label"), ["a", "b"], "/x/.a,b"),
        (Path("v", "label", explode=True), ["a", "b"], "/x/.a.b"),
        (Path("v", "label"), RGB, "/x/.R,100,G,200"),
        (Path("v", "label", explode=True), RGB, "/x/.R=100.G=200"),
        (Path("v", "matrix"), "blue", "/x/;v=blue"),
        (Path("v", "matrix"), ["a", "b"], "/x/;v=a,b"),
        (Path("v", "matrix", explode=True), ["a", "b"], "/x/;v=a;v=b"),
        (Path("v", "matrix"), RGB, "/x/;v=R,100,G,200"),
        (Path("v", "matrix", explode=True), RGB, "/x/;R=100;G=200"),
        (Path("v", content="application/json"), {"a": 1}, "/x/%7B%22a%22%3A1%7D"),
        (Path("v", nested="pipeDelimited"), [[1, 2], [3]], "/x/1%7C2,3"),
        (Path("v"), [[1, 2], [3]], "/x/%5B1%2C2%5D,%5B3%5D"),
    ],
)
def test_path(marker: Path, value: Any, path: str) -> None:
    assert wire("/x/{v}", {"v": marker}, {"v": value}).target == path


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "\t",
        ".",
        "..",
        "%2e%2e",
        "%252E%252e",
        "a/../b",
        "..\\x",
        "%2e%2e%2fx",
        [],
        {},
        ["a", ""],
        ["..", "a"],
        None,
    ],
)
@pytest.mark.parametrize("style", ["simple", "matrix"])
def test_path_values_that_address_something_else(value: Any, style: str) -> None:
    with pytest.raises(InvalidArguments) as caught:
        wire("/x/{v}/y", {"v": Path("v", style)}, {"v": value})
    assert caught.value.problems[0].startswith("v: must not")


def test_path_template() -> None:
    two: dict[str, Marker] = {"a": Path("a"), "b": Path("b.c")}
    assert wire("/x/{a}...{b.c}/é d", two, {"a": "1", "b": "2"}).path == "/x/1...2/%C3%A9%20d"
    with pytest.raises(InvalidArguments, match="together"):
        wire("/x/{a}{b.c}/y", two, {"a": "%2", "b": "e"})
    with pytest.raises(InvalidArguments, match=r"b\.c: required"):
        wire("/x/{a}/{b.c}", two, {"a": "1"})
    literal = wire("/x?action=go&z", {"q": Query("q")}, {"q": "1"})
    assert literal.target == "/x?action=go&z&q=1"


@pytest.mark.parametrize(
    ("marker", "value", "query"),
    [
        (Query("k"), "a b&c=d+é", "k=a%20b%26c%3Dd%2B%C3%A9"),
        (Query("k"), "", "k="),
        (Query("k", null=True), None, "k="),
        (Query("k"), False, "k=false"),
        (Query("k"), 1e-7, "k=0.0000001"),
        (Query("k"), 1e300, "k=1e%2B300"),
        (Query("k"), 0.1, "k=0.1"),
        (Query("team_ids[]"), ["A", "B"], "team_ids%5B%5D=A&team_ids%5B%5D=B"),
        (Query("StartTime<"), "1", "StartTime%3C=1"),
        (Query("k"), [], ""),
        (Query("k"), {}, ""),
        (Query("k"), ["a", "b,c"], "k=a&k=b%2Cc"),
        (Query("k", explode=False), ["a", "b,c"], "k=a,b%2Cc"),
        (Query("k"), RGB, "R=100&G=200"),
        (Query("k", explode=False), RGB, "k=R,100,G,200"),
        (Query("k"), {"a": ["x,", "y"], "b": {"c": 1}}, "a=x%2C,y&b=%7B%22c%22%3A1%7D"),
        (Query("k"), [{"a": 1}], "k=%7B%22a%22%3A1%7D"),
        (Query("k", "spaceDelimited", explode=False), ["a", "b"], "k=a%20b"),
        (Query("k", "spaceDelimited"), ["a", "b"], "k=a&k=b"),
        (Query("k", "pipeDelimited", explode=False), ["a|", "b"], "k=a%7C%7Cb"),
        (Query("k", "pipeDelimited", explode=False), RGB, "k=R%7C100%7CG%7C200"),
        (Query("f", "deepObject"), {"a": 1, "b": {"c": "2 "}}, "f%5Ba%5D=1&f%5Bb%5D%5Bc%5D=2%20"),
        (Query("f", "deepObject"), {"a": [1, 2]}, "f%5Ba%5D%5B%5D=1&f%5Ba%5D%5B%5D=2"),
        (Query("f", "deepObject"), {"a": [{"x": 1}, {"x": 2}]}, "f%5Ba%5D%5B0%5D%5Bx%5D=1&f%5Ba%5D%5B1%5D%5Bx%5D=2"),
        (Query("f", "deepObject"), ["a", "b"], "f%5B%5D=a&f%5B%5D=b"),
        (Query("f", "deepObject"), {}, ""),
        (Query("f", "deepObject"), "x", "f=x"),
        (Query("k", allow_reserved=True), "a/b?c:d@e,f;g!$'()*", "k=a/b?c:d@e,f;g!$'()*"),
        (Query("k", allow_reserved=True), "a&b=c+d#e[f]", "k=a%26b%3Dc%2Bd%23e%5Bf%5D"),
        (Query("k", content="application/json"), {"a": ["é", 1]}, "k=%7B%22a%22%3A%5B%22%C3%A9%22%2C1%5D%7D"),
        (Query("k", nested="form"), [["a,", "b"], []], "k=a%2C,b&k="),
        (Query("k", "tabDelimited", explode=False, nested="spaceDelimited"), [[1, 2], [[3, 4]]], "k=1%202%093%204"),
        (Query("k", content="application/json"), "x", "k=%22x%22"),
        (Query("k", content="application/json", null=True), None, "k=null"),
    ],
)
def test_query(marker: Query, value: Any, query: str) -> None:
    assert wire("/", {"v": marker}, {"v": value}).target == (f"/?{query}" if query else "/")


def test_what_is_left_out_is_not_sent() -> None:
    empty = wire(
        "/", {"q": Query("q"), "h": Header("H"), "c": Cookie("c"), "j": Json("j")}, {}, body="application/json"
    )
    assert (empty.target, empty.headers, empty.cookies, empty.body) == ("/", [], [], None)


@pytest.mark.parametrize(
    ("marker", "value", "sent"),
    [
        (Header("X"), "plain, é", "plain, é".encode()),
        (Header("X"), [1, True, "c"], b"1,true,c"),
        (Header("X"), RGB, b"R,100,G,200"),
        (Header("X", explode=True), RGB, b"R=100,G=200"),
        (Header("X", "pipeDelimited", nested="spaceDelimited"), [[1, 2], [3]], b"1 2|3"),
        (Header("X", content="application/json"), {"a": 1}, b'{"a":1}'),
        (Header("X"), "  padded\t", b"padded"),
        (Header("X"), "", b""),
    ],
)
def test_header(marker: Header, value: Any, sent: bytes) -> None:
    assert wire("/", {"v": marker}, {"v": value}).headers == [("X", sent)]


@pytest.mark.parametrize("value", ["a\r\nEvil: 1", "a\nb", "a\0b", "a\x7fb", ["ok", "a\rb"]])
def test_header_injection(value: Any) -> None:
    with pytest.raises(InvalidArguments, match="line breaks"):
        wire("/", {"v": Header("X")}, {"v": value})


def test_constant_headers_yield_to_arguments() -> None:
    constant = (("Accept", "application/vnd.x+json"), ("X-Version", "1"))
    sent = wire("/", {"v": Header("x-version")}, {"v": "2"}, headers=constant).headers
    assert sent == [("x-version", b"2"), ("Accept", b"application/vnd.x+json")]


@pytest.mark.parametrize(
    ("marker", "value", "cookies"),
    [
        (Cookie("c"), "a b;c", ["c=a%20b%3Bc"]),
        (Cookie("c", explode=False), ["a", "b"], ["c=a,b"]),
        (Cookie("c"), ["a", "b"], ["c=a", "c=b"]),
        (Cookie("c", explode=False), RGB, ["c=R,100,G,200"]),
        (Cookie("c"), "a\r\nb", ["c=a%0D%0Ab"]),
    ],
)
def test_cookie(marker: Cookie, value: Any, cookies: list[str]) -> None:
    assert wire("/", {"v": marker}, {"v": value}).cookies == cookies


JSON = "application/json"


@pytest.mark.parametrize(
    ("markers", "arguments", "operation", "body"),
    [
        ({"a": Json("a"), "b": Json("b")}, {"b": 1, "a": "é"}, {}, '{"a":"é","b":1}'),
        ({"a": Json("a", null=True)}, {"a": None}, {}, '{"a":null}'),
        ({"a": Json("a")}, {"a": [5.0, 12345678901234567890, 1e-7]}, {}, '{"a":[5.0,12345678901234567890,1e-07]}'),
        ({"a": Json("a")}, {}, {}, None),
        ({"a": Json("a")}, {}, {"body_required": True}, "{}"),
        ({"a": Json("w", "a")}, {"a": 1}, {"wrapper": ("w",)}, '{"w":{"a":1}}'),
        ({"a": Json("w", "a")}, {}, {"wrapper": ("w",)}, None),
        ({"a": Json("w", "a")}, {}, {"wrapper": ("w",), "body_required": True}, '{"w":{}}'),
        ({"a": Json("v", "w", "a"), "b": Json("o")}, {"b": 1}, {"wrapper": ("v", "w")}, '{"o":1,"v":{"w":{}}}'),
        ({"a": Json("a"), "r": JsonRest()}, {"a": 1, "r": {"x": {"y": None}}}, {}, '{"a":1,"x":{"y":null}}'),
        ({"a": Json("w", "a"), "r": JsonRest("w")}, {"r": {"x": 2}}, {"wrapper": ("w",)}, '{"w":{"x":2}}'),
        ({"r": JsonRest()}, {"r": {}}, {}, "{}"),
        ({"b": Json()}, {"b": ["a", {"b": 1}]}, {}, '["a",{"b":1}]'),
        ({"b": Json()}, {"b": "text"}, {}, '"text"'),
        ({"b": Json(null=True)}, {"b": None}, {}, "null"),
        ({"b": Json()}, {"b": {}}, {}, "{}"),
        ({"b": Json()}, {"b": False}, {}, "false"),
        ({"b": Json()}, {}, {}, None),
    ],
)
def test_json_body(markers: dict[str, Marker], arguments: Any, operation: Any, body: str | None) -> None:
    sent = wire("/", markers, arguments, body="application/merge-patch+json", **operation)
    assert sent.body == (None if body is None else body.encode())
    assert sent.headers == ([] if body is None else [("Content-Type", b"application/merge-patch+json")])


def test_rest_does_not_replace_an_argument() -> None:
    with pytest.raises(InvalidArguments, match="'a', which is an argument"):
        wire("/", {"a": Json("a"), "r": JsonRest()}, {"r": {"a": 1}}, body=JSON)


@pytest.mark.parametrize(
    ("markers", "arguments", "body"),
    [
        ({"a": Form("a"), "b": Form("tags[]")}, {"a": "x y&", "b": ["1", "2"]}, "a=x%20y%26&tags%5B%5D=1&tags%5B%5D=2"),
        ({"a": Form("a", explode=False)}, {"a": ["1", "2"]}, "a=1,2"),
        ({"a": Form("a", "deepObject")}, {"a": {"b": {"c": 1}}}, "a%5Bb%5D%5Bc%5D=1"),
        ({"a": Form("a", content=JSON)}, {"a": {"b": 1}}, "a=%7B%22b%22%3A1%7D"),
        ({"a": Form("a", content=JSON)}, {"a": [{"b": 1}, {"b": 2}]}, "a=%7B%22b%22%3A1%7D&a=%7B%22b%22%3A2%7D"),
        ({"a": Form("a", null=True)}, {"a": None}, "a="),
        ({"a": Form("a")}, {"a": True}, "a=true"),
        ({"a": Form("a", allow_reserved=True)}, {"a": "x/?:@ &=+#"}, "a=x/?:@%20%26%3D%2B%23"),
        ({"a": Form("a", nested="form")}, {"a": [[1, 2], [3]]}, "a=1,2&a=3"),
        ({"a": Form("a")}, {}, None),
    ],
)
def test_urlencoded_body(markers: dict[str, Marker], arguments: Any, body: str | None) -> None:
    sent = wire("/", markers, arguments, body="application/x-www-form-urlencoded")
    assert sent.body == (None if body is None else body.encode())


def multipart(markers: dict[str, Marker], arguments: dict[str, Any]) -> str:
    """A multipart body with its boundary named B."""
    sent = wire("/", markers, arguments, body="multipart/form-data")
    content_type = dict(sent.headers)["Content-Type"].decode()
    match = re.fullmatch(r"multipart/form-data; boundary=([0-9a-f]{32})", content_type)
    assert match is not None
    assert sent.body is not None
    return sent.body.decode("latin-1").replace(match[1], "B")


@pytest.mark.parametrize(
    ("marker", "value", "parts"),
    [
        (Part("p"), "text é", [("", "text é")]),
        (Part("p"), 5, [("", "5")]),
        (Part("p"), {"a": 1}, [("\r\nContent-Type: application/json", '{"a":1}')]),
        (Part("p"), ["a", "b"], [("", "a"), ("", "b")]),
        (Part("p", explode=False), ["a", "b"], [("", "a,b")]),
        (Part("p", style="spaceDelimited", explode=False), ["a", "b"], [("", "a b")]),
        (Part("p", style="pipeDelimited", explode=False, nested="form"), [[1, 2], [3]], [("", "1,2|3")]),
        (Part("p", headers=(("X-A", "1"), ("X-B", "ü"))), "x", [("\r\nX-A: 1\r\nX-B: ü", "x")]),
        (Part("p", content="application/xml"), "<a/>", [("\r\nContent-Type: application/xml", "<a/>")]),
        (Part("p", content=JSON), "x", [("\r\nContent-Type: application/json", '"x"')]),
        (Part("p", file=True), "aGk=", [('; filename="p"\r\nContent-Type: application/octet-stream', "hi")]),
        (Part("p", file=True, content="image/png"), "aGk=", [('; filename="p"\r\nContent-Type: image/png', "hi")]),
        (
            Part("p", file=True, content="image/*"),
            "aGk=",
            [('; filename="p"\r\nContent-Type: application/octet-stream', "hi")],
        ),
        (
            Part("p", file=True),
            "data:text/csv;name=a%22%0D%0A.csv;base64,aGk=",
            [('; filename="a%22%0D%0A.csv"\r\nContent-Type: text/csv', "hi")],
        ),
        (
            Part("p", file=True),
            ["data:text/plain,hello%20w", "data:,x"],
            [
                ('; filename="p"\r\nContent-Type: text/plain', "hello w"),
                ('; filename="p"\r\nContent-Type: text/plain', "x"),
            ],
        ),
    ],
)
def test_multipart_body(marker: Part, value: Any, parts: list[tuple[str, str]]) -> None:
    expected = [f'--B\r\nContent-Disposition: form-data; name="p"{head}\r\n\r\n{text}\r\n' for head, text in parts]
    assert multipart({"v": marker}, {"v": value}).encode("latin-1").decode() == "".join(expected) + "--B--\r\n"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("not base64!", "not base64"),
        ("aGk", "not base64"),
        ("data:text/plain", "without a comma"),
        ("data:text/plain;base64,*", "not base64"),
        ("data:a\r\nb/c,x", "media type"),
        ("\ud800", "not base64"),
        (5, "must be a string"),
    ],
)
def test_files_that_are_none(value: Any, said: str) -> None:
    with pytest.raises(InvalidArguments, match=said):
        wire("/", {"v": Part("p", file=True)}, {"v": value}, body="multipart/form-data")


def test_headers_of_parts() -> None:
    """They are for every part of a name, and never without one; nothing in them ends the line."""
    markers: dict[str, Marker] = {"p": Part("p"), "h": PartHeader("p", "X-H"), "l": PartHeader("p", "X-L")}
    head = '--B\r\nContent-Disposition: form-data; name="p"\r\nX-H: a\r\nX-L: 1,2\r\n\r\n'
    assert multipart(markers, {"p": ["1", "2"], "h": "a", "l": [1, 2]}) == f"{head}1\r\n{head}2\r\n--B--\r\n"
    with pytest.raises(InvalidArguments, match="p: must be given too"):
        multipart(markers, {"h": "a"})
    with pytest.raises(InvalidArguments, match="h: must not hold line breaks"):
        multipart(markers, {"p": "1", "h": "a\r\n\r\nb"})


def test_the_root_of_multipart_related_comes_first() -> None:
    markers: dict[str, Marker] = {"a": Part("a", content="text/html"), "r": Part("r", content=JSON, root=True)}
    for arguments, kind in (({"a": "x", "r": 1}, JSON), ({"a": "x"}, "text/html")):
        sent = wire("/", markers, arguments, body="multipart/related")
        assert dict(sent.headers)["Content-Type"].startswith(f'multipart/related; type="{kind}"; boundary='.encode())
        assert sent.body is not None
        assert sent.body.index(kind.encode()) < 120


def test_data_url() -> None:
    assert decode_file("data:text/plain;charset=utf-8;name=n.txt,a%2Bb+c") == (
        "text/plain;charset=utf-8",
        "n.txt",
        b"a+b+c",
    )
    assert decode_file("DATA:;base64,aGk%3D") == ("text/plain", "", b"hi")
    assert decode_file("a\nGk=") == ("", "", b"hi")


@pytest.mark.parametrize(
    ("marker", "value", "media_type", "content_type", "body"),
    [
        (Raw(), "a,b\né", "text/csv", "text/csv", "a,b\né".encode()),
        (Raw(), "", "text/plain", "text/plain", b""),
        (Raw(base64=True), "aGk=", "application/octet-stream", "application/octet-stream", b"hi"),
        (Raw(base64=True), "data:image/png;base64,aGk=", "image/*", "image/png", b"hi"),
        (Raw(base64=True), "aGk=", "*/*", "application/octet-stream", b"hi"),
        (Raw(base64=True), "data:image/png;base64,aGk=", "image/jpeg", "image/jpeg", b"hi"),
    ],
)
def test_raw_body(marker: Raw, value: Any, media_type: str, content_type: str, body: bytes) -> None:
    sent = wire("/", {"v": marker}, {"v": value}, body=media_type)
    assert (sent.body, sent.headers) == (body, [("Content-Type", content_type.encode())])


@pytest.mark.parametrize(
    ("media_type", "value", "body"),
    [
        ("application/x-ndjson", [{"a": "x\ny\u2028"}, None, 5.0], '{"a":"x\\ny\u2028"}\nnull\n5.0\n'),
        ("application/geo+json-seq; a=b", [1, "a"], '\x1e1\n\x1e"a"\n'),
        ("application/jsonl", [], ""),
    ],
)
def test_json_lines(media_type: str, value: Any, body: str) -> None:
    assert wire("/", {"v": JsonLines()}, {"v": value}, body=media_type).body == body.encode()


DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
A, B = XmlNode("a"), XmlNode("b", kind="attribute")


@pytest.mark.parametrize(
    ("inside", "value", "xml"),
    [
        ([A], {"a": "x"}, "<r><a>x</a></r>"),
        ([A, B], {"a": True, "b": 5.0}, '<r b="5"><a>true</a></r>'),
        ([A, B], {"a": None, "b": None}, "<r/>"),
        ([A], {"a": ""}, "<r><a/></r>"),
        ([A, B], {}, "<r/>"),
        ([XmlNode("a", B, A)], {"a": {"a": 1, "b": 2}}, '<r><a b="2"><a>1</a></a></r>'),
        ([XmlNode("a", B, A, kind="none")], {"a": {"a": 1, "b": 2}}, '<r b="2"><a>1</a></r>'),
        ([XmlNode("a", B, kind="list")], {"a": []}, "<r/>"),
        ([XmlNode("a", A, name="w", kind="wrapped")], {"a": []}, "<r><w/></r>"),
        ([XmlNode("a", A, name="w", kind="wrapped")], {"a": [1, 2]}, "<r><w><a>1</a><a>2</a></w></r>"),
        ([XmlNode("a", XmlNode("i", B), kind="list")], {"a": [{"b": 1}, {}]}, '<r><i b="1"/><i/></r>'),
        ([XmlNode("a", name="p:a", xmlns=(("p", '"'),))], {"a": 1}, '<r><p:a xmlns:p="&quot;">1</p:a></r>'),
        ([XmlNode("a", kind="text")], {"a": "<&>"}, "<r>&lt;&amp;&gt;</r>"),
        ([XmlNode("a", kind="cdata")], {"a": "]]>"}, "<r><![CDATA[]]]]><![CDATA[>]]></r>"),
    ],
)  # fmt: skip
def test_xml_body(inside: list[XmlNode], value: Any, xml: str) -> None:
    """The same bytes whether the properties are arguments or the whole body is one."""
    root = XmlNode("r", *inside)
    apart = wire("/", {n.key: Xml(n.key) for n in inside}, value, body="text/xml", body_required=True, xml=root)
    whole = wire("/", {"v": Xml()}, {"v": value}, body="text/xml", xml=root)
    assert apart.body == whole.body == (DECLARATION + xml).encode()
    assert apart.headers == whole.headers == [("Content-Type", b"text/xml")]


@pytest.mark.parametrize("kind", ["element", "attribute", "text", "cdata"])
@given(text=st.text(st.characters(codec=None)))
@example("]]>\r\n\t ]]]>")
@example("\x00")
@example("\ud800")
@example("</r><!-- &lt; \" ' \u2028")
def test_xml_is_read_as_it_was_meant(kind: str, text: str) -> None:
    """Every text comes back as it was, or is refused: none becomes markup, none is changed on the way."""
    root = XmlNode("r", XmlNode("a", kind=kind))
    try:
        sent = wire("/", {"a": Xml("a")}, {"a": text}, body="text/xml", xml=root)
    except InvalidArguments:
        assert re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", text)
        return
    assert sent.body is not None
    read = ElementTree.fromstring(sent.body)
    if kind == "attribute":
        assert (read.attrib, len(read)) == ({"a": text}, 0)
    elif kind == "element":
        assert [(e.tag, e.text or "", len(e)) for e in read] == [("a", text, 0)]
    else:
        assert (read.text or "", len(read), read.attrib) == (text, 0, {})


def test_xml_that_nobody_described() -> None:
    with pytest.raises(InvalidArguments, match=r"a: holds the character U\+001B, which XML cannot carry; leave it out"):
        wire("/", {"a": Xml("a")}, {"a": "\x1b[0m"}, body="text/xml", xml=XmlNode("r", A))
    nested = XmlNode("r", XmlNode("a", XmlNode("b")))
    for value in ({"c": 1}, {"a": {"c": 1}}):
        with pytest.raises(InvalidArguments, match=r"v: (a: )?unknown property 'c'; leave it out"):
            wire("/", {"v": Xml()}, {"v": value}, body="text/xml", xml=nested)


def test_only_xml_bodies_import_what_writes_them() -> None:
    folder = FilePath(__file__).parent.parent / "templates"
    program = "import sys, runtime, runtime.wire; print('runtime.xmlbody' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


@pytest.mark.parametrize(
    "marker", [Path("v"), Query("v"), Query("v", "deepObject"), Header("v"), Cookie("v"), Form("v"), Part("v"), Raw()]
)
def test_half_a_surrogate_pair(marker: Marker) -> None:
    with pytest.raises(InvalidArguments, match="v: holds half of a surrogate pair"):
        wire("/{v}" if isinstance(marker, Path) else "/", {"v": marker}, {"v": "\ud800"}, body="text/plain")


def test_all_problems_at_once() -> None:
    with pytest.raises(InvalidArguments) as caught:
        wire("/{a}", {"a": Path("a"), "b": Header("b")}, {"a": "..", "b": "\n\0"})
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    ("value", "text"),
    [(5.0, "5"), (-0.5, "-0.5"), (1e22, "10000000000000000000000"), (1e-9, "0.000000001"), (10**30, "1" + "0" * 30)],
)
def test_numbers(value: Any, text: str) -> None:
    assert text_of(value) == text


# --- what a hostile value could do ------------------------------------------------------------------------------------


def test_many_items_are_told_apart_in_time() -> None:
    """jsonschema compares each object with all the others: 6,000 of them take 40 seconds."""
    check = schema_check({"properties": {"a": {"uniqueItems": True}}})
    assert check({"a": [*({"n": n} for n in range(50_000)), 1, True, "1", [1], [True]]}) == []
    same = ["a: breaks the rule uniqueItems: true"]
    for one, other in (({"a": 1, "b": [2]}, {"b": [2.0], "a": 1}), (1, 1.0), ("x", "x")):
        assert check({"a": [one, {}, other]}) == same


def test_steps_that_are_too_small_to_tell() -> None:
    check = schema_check({"properties": {"a": {"multipleOf": 0.01}}})
    assert check({"a": 1e30}) == []
    assert check({"a": 0.07}) == []
    assert check({"a": 0.075}) == ["a: 0.075 is not a multiple of 0.01"]


def test_what_is_filled_in_is_named_as_such() -> None:
    with pytest.raises(InvalidArguments, match=r"^From \(no argument\): must not hold line breaks"):
        wire("/x", {"\0" + "1": Header("From")}, {"\0" + "1": "a\r\nb"})
