"""What `mcpgen.spec` reads, what it refuses and in which words, and where it says things are."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcpgen.problems import Problem, Rejected
from mcpgen.spec import RawOperation, Spec, Unresolved, load

HEAD = '{"openapi": "3.0.3", "info": {"title": "T", "version": "1"}, '
YAML_HEAD = "openapi: 3.0.3\ninfo: {title: T, version: '1'}\n"

Read = Callable[..., Spec]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Loads a text or bytes as the file `name` of the current folder."""
    monkeypatch.chdir(tmp_path)

    def run(content: str | bytes, name: str = "api.json") -> Spec:
        path = Path(name)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load(path)

    return run


def refusal(read: Read, content: str | bytes, name: str = "api.json") -> str:
    with pytest.raises(Rejected) as caught:
        read(content, name)
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    return str(caught.value)


def messages(spec: Spec) -> list[str]:
    list(spec.operations())
    lost = [
        replace(
            o.problem, message=f"{f'{o.method} {o.path}' if o.method else 'the path'} is left out: {o.problem.message}"
        )
        for o in spec.lost
    ]
    return [str(p) for p in [*spec.problems, *lost]]


# -- problems ---------------------------------------------------------------------------------------------------------


def test_a_problem_leaves_out_the_parts_it_does_not_have() -> None:
    assert str(Problem("broken")) == "broken"
    assert str(Problem("broken", file="a.json")) == "a.json: broken"
    assert str(Problem("broken", "#/x", "mend it", "a.json", 3, 7)) == "a.json:3:7: broken (at #/x)\n  mend it"


def test_rejected_holds_all_problems_in_the_order_of_the_file() -> None:
    late, early = Problem("a", file="f", line=12, column=1), Problem("b", file="f", line=2, column=9)
    e = Rejected([late, early])
    assert e.problems == (early, late)
    assert str(e) == "f:2:9: b\nf:12:1: a"


# -- bytes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["api.json", "api.yaml"])
def test_encodings(read: Read, encoding: str, name: str) -> None:
    text = HEAD.replace("T", "Café 😀") + '"paths": {}}'
    assert read(text.encode(encoding), name).info["title"] == "Café 😀"


SAVE = "\n  save the document as UTF-8, for example: iconv -f latin1 -t utf-8"
REFUSED_BYTES = {
    "latin-1": (
        b"openapi: 3.0.3\ninfo: {title: Caf\xe9}\n",
        "api.json:2:18: byte 0xE9 is not valid UTF-8" + SAVE,
    ),
    "latin-1 behind a BOM and a wide character": (
        b"\xef\xbb\xbf{\xc3\xa9\xe9",
        "api.json:1:3: byte 0xE9 is not valid UTF-8" + SAVE,
    ),
    "nul": (b'{\n "a\0"', "api.json:2:4: there is a NUL byte\n  the file is damaged, or it is no text"),
    "empty": (b" \n", "api.json:1:1: this is not an OpenAPI document: the file is empty"),
    "html": (
        b"\n<!DOCTYPE html><html>",
        "api.json:2:1: this is not an OpenAPI document: it is HTML or XML\n"
        "  a page was probably saved in place of the document: download it again, signed in if need be",
    ),
    "null": (b"null", "api.json:1:1: this is not an OpenAPI document: it holds null, not an object"),
    "only a comment": (b"# soon", "api.json:1:1: this is not an OpenAPI document: it holds null, not an object"),
    "scalar": (b"Sign in", "api.json:1:1: this is not an OpenAPI document: it holds a single value, not an object"),
    "list": (b"[1]", "api.json:1:1: this is not an OpenAPI document: it holds a list, not an object"),
}


@pytest.mark.parametrize(("content", "expected"), REFUSED_BYTES.values(), ids=REFUSED_BYTES)
def test_what_is_no_document_is_refused(read: Read, content: bytes, expected: str) -> None:
    assert refusal(read, content) == expected


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path, what in ((tmp_path / "no.json", "there is no such file"), (tmp_path, "this is not a file")):
        with pytest.raises(Rejected) as caught:
            load(path)
        assert str(caught.value) == f"{path}: {what}"


# -- version and skeleton ---------------------------------------------------------------------------------------------

READS = "\n  mcpgen reads OpenAPI 2.0, 3.0, 3.1 and 3.2"
REFUSED_SKELETONS = {
    "no openapi": ('{"info": {}}', 'api.json:1:1: this is not an OpenAPI document: it has no "openapi" key' + READS),
    "4.0": ('{\n "openapi": "4.0.0"}', 'api.json:2:2: unknown OpenAPI version: "4.0.0" (at #/openapi)' + READS),
    "30": ('{\n "openapi": "30"}', 'api.json:2:2: unknown OpenAPI version: "30" (at #/openapi)' + READS),
    "null": ('{\n "openapi": null}', "api.json:2:2: unknown OpenAPI version: null (at #/openapi)" + READS),
    "swagger": ('{"swagger": "1.2"}', 'api.json:1:2: unknown Swagger version: "1.2" (at #/swagger)' + READS),
    "swagger 3": ('{"swagger": 3.0}', "api.json:1:2: unknown Swagger version: 3.0 (at #/swagger)" + READS),
    "both": (
        '{"openapi": "3.0.3",\n  "swagger": "2.0", "paths": {}}',
        'api.json:2:3: the document has both "openapi" and "swagger" (at #/swagger)\n  keep one',
    ),
    "no paths": (
        HEAD + '"servers": []}',
        'api.json:1:1: the document has no "paths"\n  without operations, say so: "paths": {}',
    ),
    "null paths": (HEAD + '\n"paths": null}', 'api.json:2:1: "paths" is null, not an object (at #/paths)'),
}


@pytest.mark.parametrize(("content", "expected"), REFUSED_SKELETONS.values(), ids=REFUSED_SKELETONS)
def test_refused_skeletons(read: Read, content: str, expected: str) -> None:
    assert refusal(read, content) == expected


@pytest.mark.parametrize("said", ["3.0.0", "3.0.4", "3.1.0", "3.1.1-rc0", "3.2.0"])
def test_versions_that_are_read(read: Read, said: str) -> None:
    assert read(f'{{"openapi": "{said}", "info": {{"title": "T"}}, "paths": {{}}}}').version == said


def test_a_version_without_quotes_is_a_number_in_yaml(read: Read) -> None:
    assert read("openapi: 3.0\ninfo: {title: T}\npaths: {}\n", "api.yaml").version == "3.0"


@pytest.mark.parametrize("said", ['"openapi": "3.1.0"', '"openapi": "3.0.0"', '"swagger": "2.0", "definitions": {}'])
def test_components_need_no_paths(read: Read, said: str) -> None:
    spec = read(f'{{{said}, "info": {{"title": "T"}}, "components": {{}}}}')
    assert list(spec.operations()) == []


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ("", 'api.json:1:1: the document has no "info"'),
        ('"info": [],', 'api.json:2:1: "info" is a list, not an object (at #/info)'),
        ('"info": {"title": " "},', 'api.json:2:1: the document has no title in "info" (at #/info)'),
    ],
)
def test_without_info_it_goes_on(read: Read, info: str, expected: str) -> None:
    spec = read(f'{{"openapi": "3.0.3",\n{info} "paths": {{}}}}')
    assert messages(spec) == [expected]
    assert isinstance(spec.info, dict)


# -- JSON -------------------------------------------------------------------------------------------------------------

REFUSED_JSON = {
    "trailing comma": (
        '{"a": 1,\n "b": 2,\n}',
        'api.json:2:8: not valid JSON: a comma before the closing "}"\n  remove the comma',
    ),
    "trailing comma in a list": (
        '{"a": [1 , ]}',
        'api.json:1:10: not valid JSON: a comma before the closing "]"\n  remove the comma',
    ),
    "comment": (
        '{\n // why\n "a": 1}',
        "api.json:2:2: not valid JSON: JSON has no comments\n  remove the comment, or name the file .yaml",
    ),
    "single quote": (
        "{'a': 1}",
        "api.json:1:2: not valid JSON: a single quote\n  JSON writes texts in double quotes",
    ),
    "cut off": ('{"a": ', "api.json:1:6: not valid JSON: the document ends too early\n  the file is cut off"),
    "two values": ('{"a": 1}\n{}', "api.json:2:1: not valid JSON: extra data"),
    "NaN": ('{"a": "NaN",\n "b": NaN}', "api.json:2:7: NaN is not a number that JSON can hold"),
    "infinite": ('{"a": -1e999}', "api.json:1:7: -1e999 is not a number that JSON can hold"),
    "digits": ('{"a": ' + "1" * 5000 + "}", "api.json:1:7: the number has thousands of digits"),
    "501 levels": (
        '{"a":\n' + "[" * 500 + "]" * 500 + "}",
        "api.json:2:500: the document is nested more than 500 levels deep",
    ),
    "100,000 levels": (
        '{"]]": ' + "[" * 100_000,
        "api.json:1:507: the document is nested more than 500 levels deep",
    ),
}


@pytest.mark.parametrize(("content", "expected"), REFUSED_JSON.values(), ids=REFUSED_JSON)
def test_refused_json(read: Read, content: str, expected: str) -> None:
    assert refusal(read, content) == expected


def test_500_levels_are_read(read: Read) -> None:
    spec = read(HEAD + '"paths": {}, "x-deep": ' + "[" * 499 + "]" * 499 + "}")
    assert spec.resolve("#/x-deep/0/0") == spec.root["x-deep"][0][0]
    assert spec.locate("#/x-deep" + "/0" * 498)[1] > 499


def test_doubled_keys_are_told_once_and_the_last_counts(read: Read) -> None:
    spec = read(HEAD + '\n"paths": {}, "x-a": [{"k/": 1, "b": 2,\n  "k/": 3, "k/": 4}]}')
    assert spec.resolve("#/x-a/0/k~1") == 4
    message = 'api.json:3:12: the key "k/" is there more than once; the last one counts (at #/x-a/0/k~1)'
    assert messages(spec) == [message]


def test_half_a_surrogate_pair_is_replaced(read: Read) -> None:
    spec = read(HEAD + '\n"paths": {}, "x-a": ["\\ud83d\\ude00", "\\\\ud800", "\\ud800", "\\uDC00!"]}')
    assert spec.root["x-a"] == ["😀", "\\ud800", "\ufffd", "\ufffd!"]
    assert messages(spec) == [
        "api.json:2:50: \\ud800 is half of a surrogate pair; read as U+FFFD",
        "api.json:2:60: \\uDC00 is half of a surrogate pair; read as U+FFFD",
    ]


def test_json_in_a_yaml_file_and_yaml_flow_in_a_yaml_file(read: Read) -> None:
    assert read(HEAD + '\t"paths": {}}', "api.yaml").version == "3.0.3"
    assert read("{openapi: 3.0.3, info: {title: T}, paths: {},} # fine", "api.yaml").version == "3.0.3"
    assert read(YAML_HEAD + "paths: {}", "api.json").version == "3.0.3"


# -- YAML -------------------------------------------------------------------------------------------------------------


def yaml_value(read: Read, text: str) -> Any:
    return read(f"{YAML_HEAD}paths: {{}}\nx-v: {text}\n", "api.yaml").root["x-v"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[
            (t, t)
            for t in ("no", "on", "=", "2001-01-01", "1_000", "12:30:45", "012345678912345678", "0b1", "1.2.3", "-a")
        ],
        *[("~", None), ("Null", None), ("", None), ("true", True), ("FALSE", False), ("tRUE", "tRUE")],
        *[("0", 0), ("-0", 0), ("+12", 12), ("0o17", 15), ("0x1F", 31), ("9223372036854775808", 2**63)],
        *[("1.10", 1.1), (".5", 0.5), ("1.", 1.0), ("1e3", 1000.0), ("-2.5E-1", -0.25)],
        *[("'1'", "1"), ('"no"', "no"), ("! 1", "1"), ("!!str 1", "1"), ("!!int '3'", 3), ("!!float 1", 1.0)],
        *[("!!null ''", None), ("!!map {a: 1}", {"a": 1}), ("!!seq [1]", [1])],
        *[("|\n  x\n  y", "x\ny\n"), (">-\n  x\n  y", "x y"), ('"\\u0041\\/"', "A/")],
    ],
)
def test_scalars_of_yaml_1_2(read: Read, text: str, value: Any) -> None:
    found = yaml_value(read, text)
    assert found == value
    assert type(found) is type(value)


def test_yaml_keys_stay_as_they_are_written(read: Read) -> None:
    found = yaml_value(read, "{200: a, 1.50: b, true: c, 1: d, 0x10: e, 2020-01-01: f, no: g, ~: h}")
    assert list(found) == ["200", "1.50", "true", "1", "0x10", "2020-01-01", "no", "null"]


def test_aliases_share_and_merge_keys_fill_up(read: Read) -> None:
    text = "\n  - &a {k: 1, l: [2]}\n  - &b {m: 3, k: 9}\n  - {<<: [*a, *b], l: own}\n  - {<<: *b, <<: {z: 1}}\n  - *a"
    first, _, both, two, alias = yaml_value(read, text)
    assert alias is first
    assert both == {"k": 1, "m": 3, "l": "own"}
    assert two == {"m": 3, "k": 9, "z": 1}
    assert yaml_value(read, "{'<<': 1}") == {"<<": 1}


REFUSED_YAML = {
    "unclosed quote": (
        'a: "x\nb: 1\n',
        "api.yaml:1:4: not valid YAML: the quote that opens here is never closed\n"
        "  close the quote, and indent the lines that belong to the text",
    ),
    "tab": ("a:\n\tb: 1\n", "api.yaml:2:1: not valid YAML: a tab where only spaces may stand\n  indent with spaces"),
    "indentation": (
        "a: b\n c: d\n",
        "api.yaml:2:3: not valid YAML: mapping values are not allowed in this context",
    ),
    "bracket": (
        "a: {b: [1,2}\n",
        "api.yaml:1:12: not valid YAML: did not find expected ',' or ']' while parsing a flow sequence",
    ),
    "control character": (
        "a: \x07\n",
        "api.yaml:1:4: not valid YAML: control characters are not allowed\n"
        "  remove the character or write it as an escape",
    ),
    "two documents": (
        "a: 1\n---\nb: 1\n",
        "api.yaml:2:1: a second YAML document starts here\n  a file holds one OpenAPI document: split it",
    ),
    "custom tag": (
        "a:\n  b: !Sub x\n",
        "api.yaml:2:6: the tag !Sub is not supported\n"
        "  OpenAPI allows only the tags of YAML's JSON schema: write the value itself",
    ),
    "python tag": (
        "a: !!python/object/apply:os.system [x]\n",
        "api.yaml:1:4: the tag !!python/object/apply:os.system is not supported\n"
        "  OpenAPI allows only the tags of YAML's JSON schema: write the value itself",
    ),
    "wrong tag": ("a: !!int x\n", 'api.yaml:1:4: "x" is no value of the tag !!int'),
    "key": (
        "? [a]\n: b\n",
        "api.yaml:1:3: a list or an object is used as a key\n  keys are texts; quote it if it is one",
    ),
    "not finite": ("a: -.inf\n", "api.yaml:1:4: -.inf is not a number that JSON can hold"),
    "too large": ("a: 1e999\n", "api.yaml:1:4: 1e999 is not a number that JSON can hold"),
    "unknown alias": ("a: *b\n", "api.yaml:1:4: the alias *b has no anchor before it"),
    "recursion": (
        "a: &a\n  b: *a\n",
        "api.yaml:2:6: the alias *a stands inside of what it names\n  write the recursion as a $ref",
    ),
    "merge": ("a: {<<: 1}\n", "api.yaml:1:9: the value of << is neither an object nor a list of objects"),
    "levels": (
        "a:\n " + "[" * 20_000,
        "api.yaml:2:501: the document is nested more than 500 levels deep",
    ),
    "levels through aliases": (
        "a: &a " + "[" * 300 + "]" * 300 + "\nb: " + "[" * 300 + "*a",
        "api.yaml:2:304: the document is nested more than 500 levels deep",
    ),
    "bomb": (
        "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)),
        "api.yaml:8:10: the aliases of this document stand for more than 2,000,000 nodes\n"
        "  use $ref for what is written once and used often",
    ),
}


@pytest.mark.parametrize(("content", "expected"), REFUSED_YAML.values(), ids=REFUSED_YAML)
def test_refused_yaml(read: Read, content: str, expected: str) -> None:
    assert refusal(read, content, "api.yaml") == expected


def test_doubled_yaml_keys(read: Read) -> None:
    spec = read(YAML_HEAD + "paths: {}\nx-a:\n  - b: 1\n    'b': 2\n", "api.yaml")
    assert spec.root["x-a"] == [{"b": 2}]
    message = 'api.yaml:6:5: the key "b" is there more than once; the last one counts (at #/x-a/0/b)'
    assert messages(spec) == [message]


# -- references -------------------------------------------------------------------------------------------------------

FETCHES = "mcpgen fetches nothing that nobody asked for"
BUNDLE = "\n  bundle the document into one file first, for example with: redocly bundle"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("http://169.254.169.254/x#/a", FETCHES + " (at #/x/$ref)" + BUNDLE),
        ("file:///etc/passwd", FETCHES + " (at #/x/$ref)" + BUNDLE),
        ("//host/a.json", FETCHES + " (at #/x/$ref)" + BUNDLE),
        (
            "/etc/hostname#/x",
            "mcpgen opens no absolute path (at #/x/$ref)\n  name the file relative to the document",
        ),
        (
            "C:\\\\a.json",
            "mcpgen opens no absolute path (at #/x/$ref)\n  name the file relative to the document",
        ),
    ],
)
def test_references_that_leave_the_document_are_refused(read: Read, target: str, expected: str) -> None:
    content = HEAD + f'"paths": {{}},\n "x": {{"$ref": "{target}"}}, "y": {{"$ref": "{target}"}}}}'
    assert refusal(read, content) == f'api.json:2:8: $ref to "{target}": {expected}'


def test_every_reason_is_told_at_once(read: Read) -> None:
    text = refusal(read, HEAD + '"paths": 1,\n "components": {"$ref": "/a"},\n "y": [{"$ref": "http://b"}]}')
    assert [line.split(": ")[0] for line in text.split("\n") if line.startswith("api")] == [
        *("api.json:1:62", "api.json:2:17", "api.json:3:9")
    ]


def test_what_only_looks_like_a_foreign_reference(read: Read) -> None:
    far = '{"$ref": "http://far"}'
    schema = f'{{"properties": {far}, "default": {far}, "enum": [{far}], "const": {far}, "x-a": {far}}}'
    media = f'{{"example": {far}, "examples": {{"a": {{"value": {far}}}}}, "$ref": {{"a": 1}}}}'
    own = '{"$ref": "./api.json#/components"}'
    spec = read(HEAD + f'"paths": {{}}, "components": {{"schemas": {{"A": {schema}}}, "y": {media}}}, "z": {own}}}')
    assert spec.deref(spec.root["z"], "#/z") == (spec.root["components"], "#/components")


def test_a_property_called_example_is_no_example(read: Read) -> None:
    far = '{"$ref": "http://far"}'
    content = HEAD + f'"paths": {{}}, "a": {{"properties": {{"example": {far}, "x-y": {{}}, "properties": {far}}}}}}}'
    assert "(at #/a/properties/example/$ref)" in refusal(read, content)


@pytest.fixture
def linked(read: Read) -> Spec:
    parts = {
        "A/B~C D%": {"type": "string"},
        "list": [{"a": 1}, {"$ref": "#/x/list/0"}],
        "loop": {"$ref": "#/x/pool"},
        "pool": {"$ref": "#/x/loop"},
        "self": {"$ref": "#/x/self"},
        "five": {"$ref": 5},
        "lost": {"$ref": "#/x/none"},
        "chain": {"$ref": "#/x/lost"},
        "anchor": {"$ref": "#name"},
        "empty": {"$ref": ""},
    }
    return read(HEAD + f'"paths": {{}}, "x": {json.dumps(parts)}}}')


def test_resolve(linked: Spec) -> None:
    assert linked.resolve("#") is linked.root
    assert linked.resolve("#/x/A~1B~0C%20D%25") == {"type": "string"}
    assert linked.resolve("#/x/A~1B~0C D%") == {"type": "string"}
    assert linked.resolve("#/x/list/1") == {"$ref": "#/x/list/0"}
    for pointer in ("#/x/list/2", "#/x/list/-1", "#/x/list/-", "#/x/list/x", "#/openapi/0", "#x", "x", "", "#/x/²"):
        with pytest.raises(Unresolved):
            linked.resolve(pointer)


def test_deref_ends_at_the_place_where_the_node_is_written(linked: Spec) -> None:
    node = {"no": "reference"}
    assert linked.deref(node, "#/here") == (node, "#/here")
    assert linked.deref({"$ref": "#/x/list/1"}, "#/here") == ({"a": 1}, "#/x/list/0")
    assert linked.deref({"$ref": "#/x/A~1B~0C%20D%25"}, "#/here")[1] == "#/x/A~1B~0C D%"


@pytest.mark.parametrize(
    ("name", "pointer", "reason"),
    [
        ("loop", "#/x/loop", '"#/x/pool" leads back to itself'),
        ("self", "#/x/self", '"#/x/self" leads back to itself'),
        ("five", "#/x/five", "$ref is a number, not a text"),
        ("lost", "#/x/lost", '"#/x/none" names nothing: there is no "none" in #/x'),
        ("chain", "#/x/lost", '"#/x/none" names nothing: there is no "none" in #/x'),
        ("anchor", "#/x/anchor", '"#name" is no JSON pointer, and no $anchor'),
        ("empty", "#/x/empty", '"" is no JSON pointer'),
    ],
)
def test_references_that_lead_nowhere(linked: Spec, name: str, pointer: str, reason: str) -> None:
    for _ in range(2):  # the second time from memory
        with pytest.raises(Unresolved) as caught:
            linked.deref(linked.root["x"][name], f"#/x/{name}")
        assert caught.value.reason == reason
    with pytest.raises(Unresolved) as caught:
        load(linked.path).deref(linked.root["x"][name], f"#/x/{name}")
    assert caught.value.pointer == pointer


def test_anchors(read: Read) -> None:
    """A plain name leads to the one schema that has it as its anchor; two of them are not told apart."""
    schemas = '{"A": {"$anchor": "a"}, "B": {"$dynamicAnchor": "b"}, "C": {"$anchor": "c"}, "D": {"$anchor": "c"}}'
    spec = read(f'{{"openapi": "3.1.0", "info": {{}}, "paths": {{}}, "components": {{"schemas": {schemas}}}}}')
    assert spec.deref({"$ref": "#a"}, "#") == ({"$anchor": "a"}, "#/components/schemas/A")
    assert spec.deref({"$ref": "#b"}, "#")[1] == "#/components/schemas/B"
    with pytest.raises(Unresolved, match="2 places have that anchor"):
        spec.deref({"$ref": "#c"}, "#")


def test_a_chain_of_ten_thousand_references(read: Read) -> None:
    links: dict[str, Any] = {str(i): {"$ref": f"#/x/{i + 1}"} for i in range(10_000)}
    spec = read(HEAD + f'"paths": {{}}, "x": {json.dumps({**links, "10000": {"end": 1}})}}}')
    for name, node in spec.root["x"].items():
        assert spec.deref(node, f"#/x/{name}") == ({"end": 1}, "#/x/10000")


# -- operations -------------------------------------------------------------------------------------------------------


def names(spec: Spec) -> list[str]:
    return [f"{o.method} {o.path} {o.pointer}" for o in spec.operations()]


def test_operations_in_the_order_of_the_document(read: Read) -> None:
    paths = '"/b": {"put": {}, "get": {"x": 1}, "parameters": []}, "x-no": {"get": {}}, "/a": {"trace": {}}'
    spec = read(HEAD + f'"paths": {{{paths}}}}}')
    assert names(spec) == ["PUT /b #/paths/~1b/put", "GET /b #/paths/~1b/get", "TRACE /a #/paths/~1a/trace"]
    item = spec.root["paths"]["/b"]
    assert list(spec.operations())[1] == RawOperation("/b", "GET", {"x": 1}, "#/paths/~1b/get", item, "#/paths/~1b")
    assert messages(spec) == []


def test_references_to_path_items_and_operations(read: Read) -> None:
    spec = read(
        HEAD + '"paths": {"/a": {"$ref": "#/x/item", "post": {"b": 1}}, "/b": {"get": {"$ref": "#/x/item/get"}}},'
        '"x": {"item": {"get": {"a": 1}, "parameters": []}}}'
    )
    assert names(spec) == ["GET /a #/x/item/get", "POST /a #/paths/~1a/post", "GET /b #/x/item/get"]
    first = next(spec.operations())
    assert (first.item_pointer, first.item["parameters"], first.node) == ("#/x/item", [], {"a": 1})


@pytest.mark.parametrize(
    ("paths", "kept", "told"),
    [
        (
            '\n"/a": {"$ref": "#/paths/~1b"},\n"/b": {"$ref": "#/paths/~1a"}, "/c": {"get": {}}',
            1,
            [
                'api.json:2:1: the path is left out: "#/paths/~1b" leads back to itself (at #/paths/~1a)',
                'api.json:3:1: the path is left out: "#/paths/~1b" leads back to itself (at #/paths/~1b)',
            ],
        ),
        ('\n"/a": null', 0, ["api.json:2:1: the path is left out: its value is null, not an object (at #/paths/~1a)"]),
        (
            '"/a": {\n"get": [], "put": {"$ref": "#/no"}, "post": {}}',
            1,
            [
                "api.json:2:1: GET /a is left out: it is a list, not an object (at #/paths/~1a/get)",
                'api.json:2:12: PUT /a is left out: "#/no" names nothing: there is no "no" in # (at #/paths/~1a/put)',
            ],
        ),
        ('\n"a": {"get": {}}', 1, ['api.json:2:1: the path "a" does not begin with "/" (at #/paths/a)']),
        (
            '"/a": {\n"GET": {}, "query": {}, "x-q": 1, "get": {}}',
            1,
            [
                'api.json:2:1: "GET" is neither a method nor another field of a path (at #/paths/~1a/GET)',
                'api.json:2:12: "query" is neither a method nor another field of a path (at #/paths/~1a/query)',
            ],
        ),
        (
            '"/a/{x}": {"get": {}},\n"/a/{y}": {"put": {}, "get": {}}',
            2,
            [
                'api.json:2:1: "/a/{y}" is the same path as "/a/{x}": only parameter names differ '
                "(at #/paths/~1a~1{y})",
                "api.json:2:23: GET /a/{y} is left out: GET /a/{x} is the same operation (at #/paths/~1a~1{y}/get)",
            ],
        ),
    ],
)
def test_a_defect_costs_one_operation(read: Read, paths: str, kept: int, told: list[str]) -> None:
    spec = read(HEAD + f'"paths": {{{paths}}}}}')
    assert len(list(spec.operations())) == kept
    assert messages(spec) == told


def test_3_2_has_more_methods(read: Read) -> None:
    item = '{"query": {}, "additionalOperations": {"COPY": {}}}'
    spec = read(f'{{"openapi": "3.2.0", "info": {{"title": "T"}}, "paths": {{"/a": {item}}}}}')
    assert names(spec) == ["QUERY /a #/paths/~1a/query", "COPY /a #/paths/~1a/additionalOperations/COPY"]


# -- positions --------------------------------------------------------------------------------------------------------


def test_positions_in_json(read: Read) -> None:
    spec = read(
        '\ufeff{"openapi" : "3.0.3",\r\n\t"é/~": {"😀": 1, "b" :[ 10,\n {"c": "}]\\""}, true ]},\n "paths": {}}'
    )
    places = {"#": (1, 1), "#/openapi": (1, 2), "#/é~1~0": (2, 2), "#/é~1~0/b": (2, 18), "#/é~1~0/b/0": (2, 25)}
    places |= {"#/é~1~0/b/1": (3, 2), "#/é~1~0/b/1/c": (3, 3), "#/é~1~0/b/2": (3, 17), "#/paths": (4, 2)}
    assert {pointer: spec.locate(pointer) for pointer in places} == places
    for nowhere in ("#/no", "#/openapi/a", "#/é~1~0/b/3", "#/é~1~0/b/x", "no", ""):
        assert spec.locate(nowhere) == (0, 0)


def test_positions_in_yaml_lead_through_aliases_and_merge_keys(read: Read) -> None:
    text = "paths: {}\nx-a: &a\n  é: {k: 1}\n  l:\n  - 1\nx-b: *a\nx-c:\n  <<: [*a]\n  m: 1\nx-d: &d [*a]\nx-e: *d\n"
    spec = read(YAML_HEAD + text, "api.yaml")
    assert spec.locate("#") == (1, 1)
    assert spec.locate("#/x-a/é/k") == (5, 7)
    assert spec.locate("#/x-a/l/0") == (7, 5)
    assert spec.locate("#/x-b") == (8, 1)
    assert spec.locate("#/x-b/l/0") == (7, 5)
    assert spec.locate("#/x-c/é/k") == (5, 7)
    assert spec.locate("#/x-c/m") == (11, 3)
    assert spec.locate("#/x-e/0/l") == (6, 3)
    assert spec.locate("#/x-b/no") == (0, 0)


# -- the defective documents of the corpus ----------------------------------------------------------------------------

BROKEN = Path(os.environ["MCPGEN_CORPUS"]) / "broken" if "MCPGEN_CORPUS" in os.environ else None
MANIFEST: list[dict[str, Any]] = json.loads((BROKEN / "manifest.json").read_text()) if BROKEN else []


@pytest.mark.skipif(BROKEN is None, reason="MCPGEN_CORPUS is not set: the folder with broken/manifest.json")
@pytest.mark.parametrize("case", MANIFEST, ids=lambda case: str(case["file"]))
def test_defective_documents_of_the_corpus(case: dict[str, Any]) -> None:
    assert BROKEN is not None
    path = BROKEN / case["file"]
    if case["expect"] == "refuse":
        with pytest.raises(Rejected) as caught:
            load(path)
        assert all(p.line and p.column and p.file for p in caught.value.problems)
        return
    try:
        spec = load(path)
    except Rejected:
        assert case["expect"] == "safe"
    else:
        assert all(o.node == spec.resolve(o.pointer) for o in spec.operations())
        assert all(p.line and p.column for p in spec.problems)
