"""What `[[fix]]` tables and overlays make of a document, and that its places are still found.

What is refused, and in which words, stands in `refused/fix-*` and `refused/overlay-*`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mcpgen import config
from mcpgen.cli import main
from mcpgen.corrections import Corrected, load
from mcpgen.problems import Rejected

Correct = Callable[..., Corrected]

HEAD = 'openapi: 3.1.0\ninfo: {title: T, version: "1"}\n'
OVERLAY = 'overlay: 1.1.0\ninfo: {title: T, version: "1"}\nactions:\n'


@pytest.fixture
def correct(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Correct:
    """Loads the document `api.yaml` of the current folder with the corrections of a configuration."""
    monkeypatch.chdir(tmp_path)

    def run(document: str, toml: str = "", actions: str = "", **files: str) -> Corrected:
        for name, text in {"api.yaml": document, "o.yaml": OVERLAY + actions, **files}.items():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(text, encoding="utf-8")
        Path("mcpgen.toml").write_text(('overlay = ["o.yaml"]\n' if actions else "") + toml, encoding="utf-8")
        return load(Path("api.yaml"), config.load(Path("mcpgen.toml")))

    return run


def fix(at: str, **values: str) -> str:
    """A `[[fix]]`; the values are TOML."""
    lines = {"at": json.dumps(at), **values, "why": '"It is wrong."'}
    return "[[fix]]\n" + "".join(f"{k} = {v}\n" for k, v in lines.items())


def refusal(correct: Correct, *arguments: str, **files: str) -> str:
    with pytest.raises(Rejected) as caught:
        correct(*arguments, **files)
    return str(caught.value)


# -- fixes ------------------------------


def test_without_corrections_a_document_is_as_it_is(correct: Correct) -> None:
    made = correct(HEAD + "paths: {}\n")
    assert (made.corrections, made.files) == ((), ())
    assert made.spec.locate("#/paths/~1a") == (0, 0)


@pytest.mark.parametrize(
    ("toml", "x"),
    [
        (fix("#/x/a", was="1", now="2"), {"a": 2, "b": [1, 2, 3]}),
        (fix("#/x/a", was="1.0", now='"one"'), {"a": "one", "b": [1, 2, 3]}),
        (fix("#/x/a", was="1"), {"b": [1, 2, 3]}),
        (fix("#/x/c", now="[{ d = true }]"), {"a": 1, "b": [1, 2, 3], "c": [{"d": True}]}),
        (fix("#/x/a", was="1", now_json="'null'"), {"a": None, "b": [1, 2, 3]}),
        (fix("#/x/b", was_json="'[1, 2, 3]'", now_json="'{\"c\": [null]}'"), {"a": 1, "b": {"c": [None]}}),
        (fix("#/x/b/1", was="2"), {"a": 1, "b": [1, 3]}),
        (fix("#/x/b/3", now="4"), {"a": 1, "b": [1, 2, 3, 4]}),
        (fix("#/x/b/-", now="4"), {"a": 1, "b": [1, 2, 3, 4]}),
        (fix("#/x/b/0", was="1") + fix("#/x/b/2", was="3"), {"a": 1, "b": [2]}),
        (fix("#/x/b/2", was="3") + fix("#/x/b/3", now="4"), {"a": 1, "b": [1, 2, 4]}),
        (fix("#/x/c", now="{}") + fix("#/x/c/d", now="1"), {"a": 1, "b": [1, 2, 3], "c": {"d": 1}}),
    ],
)
def test_fixes_add_replace_and_remove(correct: Correct, toml: str, x: Any) -> None:
    made = correct(HEAD + "paths: {}\nx: {a: 1, b: [1, 2, 3]}\n", toml)
    assert made.spec.root["x"] == x
    assert len(made.corrections) == toml.count("[[fix]]")


def test_a_fix_may_repair_what_makes_a_document_unreadable(correct: Correct) -> None:
    toml = fix("#/openapi", was='"3.9"', now='"3.1.0"') + fix("#/paths", now="{}")
    made = correct("openapi: '3.9'\ninfo: {title: T, version: '1'}\n", toml)
    assert (made.spec.version, made.spec.root["paths"]) == ("3.1.0", {})


def test_a_fix_at_one_place_leaves_the_others_that_share_its_node(correct: Correct) -> None:
    document = HEAD + "paths: {}\nx: &a {deep: {type: strin}}\ny: *a\nz: {<<: *a}\n"
    root = correct(document, fix("#/y/deep/type", was='"strin"', now='"string"')).spec.root
    assert [root[k]["deep"]["type"] for k in "xyz"] == ["strin", "string", "strin"]


def test_a_fix_of_another_file_is_the_pointer_that_messages_print(correct: Correct) -> None:
    document = HEAD + "paths: {/a: {$ref: 'parts/a.yaml#/A'}}\n"
    part = "A:\n  get: {responses: {}}\n  pots: 1\n"
    before = correct(document, **{"parts/a.yaml": part}).spec
    list(before.operations())
    pointer = before.problems[0].pointer
    assert (pointer, before.problems[0].file) == ("parts/a.yaml#/A/pots", "parts/a.yaml")
    after = correct(document, fix(pointer, was="1"), **{"parts/a.yaml": part}).spec
    assert [(o.method, after.problems) for o in after.operations()] == [("GET", [])]


def test_what_a_fix_refers_to_is_read(correct: Correct) -> None:
    document = HEAD + "paths: {/a: {}}\n"
    toml = fix("#/paths/~1a/$ref", now='"a.yaml#/A"')
    spec = correct(document, toml, **{"a.yaml": "A: {get: {responses: {}}}\n"}).spec
    assert [o.pointer for o in spec.operations()] == ["a.yaml#/A/get"]
    said = refusal(correct, document, fix("#/paths/~1a/$ref", now='"http://elsewhere.test/a.yaml"'))
    assert said.startswith('api.yaml:3:9: $ref to "http://elsewhere.test/a.yaml": mcpgen fetches nothing')
    spec = correct(document, fix("#/paths/~1a/$ref", now='"https://elsewhere.test/a.yaml"')).spec
    assert list(spec.operations()) == []
    assert "nothing is fetched from elsewhere.test unless" in spec.lost[0].problem.message


def test_a_fix_of_swagger_names_places_as_they_are_written(correct: Correct) -> None:
    document = (
        "swagger: '2.0'\ninfo: {title: T, version: '1'}\nhost: a.test\npaths:\n  /a:\n    post:\n      parameters:\n"
        "        - {name: gone, in: nowhere, type: string}\n        - {name: b, in: body, schema: {type: objekt}}\n"
        "        - {name: q, in: query, type: strin}\n      responses: {}\n"
    )
    at = "#/paths/~1a/post/parameters"
    toml = (
        fix(f"{at}/0", was='{ name = "gone", in = "nowhere", type = "string" }')
        + fix(f"{at}/1/schema/type", was='"objekt"', now='"object"')
        + fix(f"{at}/2/type", was='"strin"', now='"string"')
    )
    spec = correct(document, toml).spec
    operation = next(spec.operations())
    assert operation.node["parameters"] == [
        {"name": "q", "in": "query", "type": "string", "schema": {"type": "string"}}
    ]
    assert operation.node["requestBody"]["content"]["application/json"]["schema"] == {"type": "object"}
    converted = f"{operation.pointer}/parameters/0"
    assert (spec.written(converted), spec.locate(converted)) == (f"{at}/2", (10, 11))


def test_a_fix_too_deep_is_refused_as_the_document_would_be(correct: Correct) -> None:
    deep = "[" * 600 + "]" * 600
    said = refusal(correct, HEAD + "paths: {}\n", fix("#/x", now_json=f"'{deep}'"))
    assert said == "api.yaml:1:1: the document is nested more than 500 levels deep"


# -- places ------------------------------


def test_corrected_places_are_found_in_the_text(correct: Correct) -> None:
    document = HEAD + "paths: {}\nx:\n  - a\n  - b: 1\n  - c\n"
    toml = fix("#/x/0", was='"a"') + fix("#/x/-", now="{ e = 1 }") + fix("#/y", now="{ f = [1] }")
    spec = correct(document, toml, "  - target: $.x\n    update: [d]\n").spec
    assert spec.root["x"] == [{"b": 1}, "c", "d", {"e": 1}]
    wanted = {
        "#/x/0": ("#/x/1", (6, 5)),
        "#/x/0/b": ("#/x/1/b", (6, 5)),
        "#/x/1": ("#/x/2", (7, 5)),
        "#/x/2": ("#/x/3", (4, 1)),  # the overlay's: the list is the nearest
        "#/x/3/e": ("#/x/4/e", (4, 1)),
        "#/y/f/0": ("#/y/f/0", (1, 1)),
        "#/nowhere": ("#/nowhere", (1, 1)),
        "#": ("#", (1, 1)),
    }
    assert {p: (spec.written(p), spec.locate(p)) for p in wanted} == wanted
    problem = spec.problem("broken", "#/x/0/b")
    assert str(problem) == "api.yaml:6:5: broken (at #/x/1/b)"


def test_places_of_json_are_found_too(correct: Correct) -> None:
    document = '{"openapi": "3.1.0", "info": {"title": "T", "version": "1"},\n "paths": {},\n "x": [1,\n 2]}'
    spec = correct(document, fix("#/x/0", was="1") + fix("#/z", now="1")).spec
    assert (spec.locate("#/x/0"), spec.locate("#/z/y")) == ((4, 2), (1, 1))


# -- overlays ------------------------------

DOCUMENT = """\
openapi: 3.1.0
info: {title: T, version: "1"}
paths: {}
x:
  shared: &s {tags: [a, b], about: {de: Eins}}
  same: *s
  list: [{n: 1, in: q}, {n: 2, in: h}, {n: 3, in: h, l: [{n: 4, in: h}, {n: 5, in: q}]}]
"""
X = {
    "shared": {"tags": ["a", "b"], "about": {"de": "Eins"}},
    "same": {"tags": ["a", "b"], "about": {"de": "Eins"}},
    "list": [
        {"n": 1, "in": "q"},
        {"n": 2, "in": "h"},
        {"n": 3, "in": "h", "l": [{"n": 4, "in": "h"}, {"n": 5, "in": "q"}]},
    ],
}


@pytest.mark.parametrize(
    ("action", "changed"),
    [
        ("target: $.x.same, update: {about: {en: One}}", {"same": {**X["same"], "about": {"de": "Eins", "en": "One"}}}),
        ("target: $.x.same, update: {tags: [c]}", {"same": {**X["same"], "tags": ["a", "b", "c"]}}),
        ("target: $.x.same.tags, update: [c, d]", {"same": {**X["same"], "tags": ["a", "b", "c", "d"]}}),
        ("target: $.x.same.tags, update: c", {"same": {**X["same"], "tags": ["a", "b", "c"]}}),
        ("target: $.x.same.about.de, update: null", {"same": {**X["same"], "about": {"de": None}}}),
        ("target: '$.x.same.tags[?@ == ''a'']', remove: true", {"same": {**X["same"], "tags": ["b"]}}),
        ("target: '$.x.same.tags[0, 1, 0]', remove: true", {"same": {**X["same"], "tags": []}}),
        ("target: '$.x.list..[?@.in == ''h'']', remove: true", {"list": X["list"][:1]}),
        ("target: $.x.list..n, remove: true", {
            "list": [{"in": "q"}, {"in": "h"}, {"in": "h", "l": [{"in": "h"}, {"in": "q"}]}]
        }),
        ("target: '$.x.list[0, 2][''n'', ''l'']', remove: true", {"list": [{"in": "q"}, X["list"][1], {"in": "h"}]}),
        ("target: $, update: {x: {new: 1}}", {"new": 1}),
        ("target: $.x.same.about, copy: '$.x.list[0]'", {
            "same": {**X["same"], "about": {"de": "Eins", "n": 1, "in": "q"}}
        }),
        ("target: $.x.same.tags, copy: '$.x.shared.tags[1]'", {"same": {**X["same"], "tags": ["a", "b", "b"]}}),
        ("target: $.x.same.tags, copy: $.x.same.tags", {"same": {**X["same"], "tags": ["a", "b", "a", "b"]}}),
        ("target: $.x.same.about, copy: $.x", {"same": {**X["same"], "about": {"de": "Eins", **X}}}),
    ],
)  # fmt: skip
def test_actions_change_what_they_say_and_nothing_else(correct: Correct, action: str, changed: dict[str, Any]) -> None:
    made = correct(DOCUMENT, "", f"  - {{{action}}}\n")
    assert made.spec.root["x"] == {**X, **changed}
    assert [str(f) for f in made.files] == ["o.yaml"]


def test_actions_are_applied_one_after_another(correct: Correct) -> None:
    actions = (
        "  - {target: $.x, update: {moved: {}}}\n  - {target: $.x.moved, copy: $.x.shared}\n"
        "  - {target: $.x.shared, remove: true, description: It has moved.}\n"
        "  - {target: $.x.moved.tags, update: c}\n  - {target: $.x.moved.tags, remove: true}\n"
        "  - {target: $.x.moved, update: {tags: d}, x-why: It is one text.}\n"
    )
    made = correct(DOCUMENT, "", actions)
    assert made.spec.root["x"] == {"same": X["same"], "list": X["list"], "moved": {**X["shared"], "tags": "d"}}
    assert [(c.at, c.why) for c in made.corrections][1:3] == [
        ("$.x.moved", "(o.yaml)"),
        ("$.x.shared", "It has moved. (o.yaml)"),
    ]


def test_overlays_come_before_fixes(correct: Correct) -> None:
    made = correct(DOCUMENT, fix("#/x/n", was="1", now="2"), "  - {target: $.x, update: {n: 1}}\n")
    assert made.spec.root["x"]["n"] == 2


def test_overlay_1_0_changes_objects_and_lists_only(correct: Correct) -> None:
    old = OVERLAY.replace("1.1.0", "1.0.1")
    made = correct(DOCUMENT, "", "-", **{"o.yaml": old + "  - {target: $.x.same.tags, remove: true, update: [c]}\n"})
    assert made.spec.root["x"] == {**X, "same": {"about": {"de": "Eins"}}}
    said = refusal(correct, DOCUMENT, "", "-", **{"o.yaml": old + "  - {target: $.x.same.about.de, remove: true}\n"})
    assert said == (
        'o.yaml:4:6: "$.x.same.about.de" selects single values, which Overlay 1.0 does not change'
        " (at o.yaml#/actions/0/target)\n"
        '  select the object that holds it, or write at the top: overlay: "1.1.0"'
    )


def test_an_overlay_of_a_document_that_is_as_deep_as_may_be(correct: Correct) -> None:
    deep = '{"a":' * 490 + "1" + "}" * 490
    made = correct(HEAD + f"paths: {{}}\nx: {deep}\n", "", "  - {target: '$..[?@.a == 1]', update: {b: 2}}\n")
    node = made.spec.root["x"]
    while isinstance(node["a"], dict):
        node = node["a"]
    assert node == {"a": 1, "b": 2}


def test_an_overlay_behind_a_link_is_outside(correct: Correct, tmp_path: Path) -> None:
    Path("real").mkdir()
    Path("real/o.yaml").write_text(OVERLAY)
    Path("specs").mkdir()
    Path("specs/o.yaml").symlink_to("../real/o.yaml")
    stated = config.Config(file="specs/mcpgen.toml", overlays=("o.yaml",))
    with pytest.raises(Rejected, match=r'the overlay "o\.yaml" is outside of specs/'):
        load(Path("api.yaml"), stated)


# -- the command line ------------------------------


def test_what_was_corrected_is_said(correct: Correct) -> None:
    """A build and a list say how many corrections there are; a change of the overlay is built."""
    document = HEAD + "servers: [{url: 'https://a.test'}]\n"
    document += "paths: {/a: {get: {operationId: getA, tags: [b], responses: {'200': {description: Ok.}}}}}\n"
    Path("specs/a").mkdir(parents=True)
    Path("specs/a/openapi.yaml").write_text(document)
    overlay = OVERLAY + "  - {target: '$.paths.*.get', update: {summary: Get it.}}\n"
    Path("specs/a/o.yaml").write_text(overlay)
    toml = 'overlay = ["o.yaml"]\n' + fix("#/paths/~1a/get/tags/0", was='"b"', now='"c"')
    Path("specs/a/mcpgen.toml").write_text(toml)
    run = CliRunner().invoke
    built = run(main, ["build"])
    assert (built.exit_code, built.stdout.splitlines()[2]) == (0, "  2 corrections of the document applied")
    tools = Path("generated/a/TOOLS.md").read_text(encoding="utf-8")
    assert tools.endswith(
        "## Corrections\n\nWhat was corrected in the document before anything was made of it, and why.\n\n"
        "- `$.paths.*.get`: (o.yaml)\n- `#/paths/~1a/get/tags/0`: It is wrong.\n"
    )
    listed = run(main, ["list", "a"])
    assert (listed.exit_code, listed.stderr) == (0, "2 corrections of the document applied\n")
    assert "up to date" in run(main, ["build"]).stdout
    Path("specs/a/o.yaml").write_text(overlay.replace("Get it", "Get them"))
    assert run(main, ["build", "--check"]).exit_code == 1
    assert run(main, ["build"]).exit_code == 0
    assert "> Get them." in Path("generated/a/TOOLS.md").read_text(encoding="utf-8")
