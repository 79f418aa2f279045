"""How a document in several files is read: what its references may name, what they lead to, and where that is."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mcpgen import spec as spec_module
from mcpgen.problems import Rejected
from mcpgen.spec import Spec, Unresolved, load

HEAD = "openapi: 3.0.3\ninfo: {title: T}\n"
Read = Callable[..., Spec]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Loads `text` as `repo/api/openapi.yaml`, with other files beside it, named from the folder `api`."""
    folder = tmp_path / "repo" / "api"
    folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "repo")

    def run(text: str, files: dict[str, str] | None = None) -> Spec:
        for name, content in {**(files or {}), "openapi.yaml": text}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return load(Path("api/openapi.yaml"))

    return run


def refusal(read: Read, text: str, files: dict[str, str] | None = None) -> str:
    with pytest.raises(Rejected) as caught:
        read(text, files)
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


def follow(spec: Spec, target: str, pointer: str = "#/x") -> str:
    """The canonical pointer of what a reference leads to, which resolves to the same node."""
    node, at = spec.deref({"$ref": target}, pointer)
    assert spec.resolve(at) is node
    return at


# -- what references lead to ------------------------------------------------------------------------------------------

PETS = "Pet: {type: object, properties: {owner: {$ref: 'people/all.json#/Owner'}, next: {$ref: '#/Pet'}}}\n"
PEOPLE = '{"Owner": {"a": {"$ref": "../pets.yaml#/Pet"},\n "b": {"$ref": "../../openapi.yaml#/x-root"}}}'


@pytest.fixture
def linked(read: Read) -> Spec:
    text = HEAD + "paths: {}\nx-root: {c: 1}\ncomponents: {schemas: {A: {$ref: 'common/pets.yaml#/Pet'}}}\n"
    return read(text, {"common/pets.yaml": PETS, "common/people/all.json": PEOPLE, "unused.yaml": "{"})


def test_references_are_relative_to_the_file_they_stand_in(linked: Spec) -> None:
    pet = "common/pets.yaml#/Pet"
    assert follow(linked, "./common/../common/pets.yaml#/Pet") == pet
    assert follow(linked, "#/components/schemas/A") == pet
    properties = linked.resolve(pet + "/properties")
    owner = "common/people/all.json#/Owner"
    assert linked.deref(properties["owner"], pet + "/properties/owner")[1] == owner
    assert linked.deref(properties["next"], pet + "/properties/next")[1] == pet
    node = linked.resolve(owner)
    assert linked.deref(node["a"], owner + "/a")[1] == pet
    assert linked.deref(node["b"], owner + "/b") == ({"c": 1}, "#/x-root")
    assert messages(linked) == []


def test_only_the_files_that_are_reached_are_read(linked: Spec) -> None:
    names = ("common/people/all.json", "common/pets.yaml", "openapi.yaml")
    assert linked.files == tuple(Path("api", n) for n in names)


def test_places_in_other_files(linked: Spec) -> None:
    assert linked.locate("common/people/all.json#/Owner/b/$ref") == (2, 8)
    assert linked.locate("common/pets.yaml#") == (1, 1)
    assert linked.locate("nowhere.yaml#/Pet") == linked.locate("common/pets.yaml#/No") == (0, 0)
    problem = linked.problem("broken", "common/people/all.json#/Owner/b", "mend it")
    shown = "api/common/people/all.json:2:2: broken (at common/people/all.json#/Owner/b)\n  mend it"
    assert str(problem) == shown


def test_a_reference_that_leads_nowhere_says_so(linked: Spec) -> None:
    for target, reason in (
        ("common/pets.yaml#/Dog", 'names nothing: there is no "Dog" in common/pets.yaml#'),
        ("common/pets.yaml#Pet", "is no JSON pointer, and no $anchor"),
        ("unused.yaml#/a", "is not in this document"),
    ):
        with pytest.raises(Unresolved) as caught:
            linked.deref({"$ref": target}, "#/x")
        assert (caught.value.reason, caught.value.pointer) == (f'"{target}" {reason}', "#/x")


def test_whole_files_names_with_spaces_and_circles(read: Read) -> None:
    spec = read(
        HEAD + "paths: {}\nx: [{$ref: my%20pet.yaml}, {$ref: 'my pet.yaml#'}, {$ref: a.yaml}, {$ref: 'p%41.yaml'}]\n",
        {"my pet.yaml": "type: string\n", "a.yaml": "$ref: b.yaml\n", "b.yaml": "$ref: a.yaml\n", "p%41.yaml": "1"},
    )
    assert follow(spec, "my%20pet.yaml") == follow(spec, "my pet.yaml#") == "my pet.yaml#"
    assert spec.deref(spec.root["x"][3], "#/x/3") == (1, "p%41.yaml#")
    with pytest.raises(Unresolved) as caught:
        follow(spec, "a.yaml")
    assert (caught.value.reason, caught.value.pointer) == ('"b.yaml" leads back to itself', "a.yaml#")
    assert follow(spec, "./openapi.yaml#/x/0") == "my pet.yaml#"


def test_paths_and_operations_in_files_of_their_own(read: Read) -> None:
    spec = read(
        HEAD + "paths:\n  /a: {$ref: 'paths/a.yaml'}\n  /b:\n    get: {$ref: 'paths/b.yaml#/list'}\n",
        {
            "paths/a.yaml": "parameters: [{$ref: '../common.yaml#/limit'}]\npost: {x: 1}\nPUT: {}\n",
            "paths/b.yaml": "list: {responses: {'200': {$ref: '../common.yaml#/ok'}}}\n",
            "common.yaml": "limit: {in: query}\nok: {description: Ok}\n",
        },
    )
    first, second = spec.operations()
    assert (first.pointer, first.item_pointer) == ("paths/a.yaml#/post", "paths/a.yaml#")
    assert (second.pointer, second.item_pointer) == ("paths/b.yaml#/list", "#/paths/~1b")
    limit = spec.deref(first.item["parameters"][0], first.item_pointer + "/parameters/0")
    assert limit == ({"in": "query"}, "common.yaml#/limit")
    said = '"PUT" is neither a method nor another field of a path (at paths/a.yaml#/PUT)'
    assert messages(spec) == [f"api/paths/a.yaml:3:1: {said}"]


def test_sections_in_files_of_their_own(read: Read) -> None:
    spec = read(
        HEAD + "paths: {$ref: paths.yaml}\ncomponents:\n  schemas: {$ref: 'schemas/index.yaml#/all'}\n"
        "tags: {$ref: '#/x-tags'}\nx-tags: [{name: t}]\n",
        {
            "paths.yaml": "/a:\n  get: {x: {$ref: 'schemas/index.yaml#/all/A'}}\n  put: {$ref: '#/~1a/get'}\n",
            "schemas/index.yaml": "all:\n  A: {$ref: '#/all/B'}\n  B: {$ref: 'c.yaml'}\n",
            "schemas/c.yaml": "type: object\nproperties: {d: {$ref: 'index.yaml#/all/A'}}\n",
        },
    )
    get, put = spec.operations()
    assert get.pointer == put.pointer == "#/paths/~1a/get"
    assert follow(spec, "#/components/schemas/A") == "schemas/c.yaml#"
    assert spec.deref(get.node["x"], get.pointer + "/x")[1] == "schemas/c.yaml#"
    assert spec.resolve("schemas/index.yaml#/all/A") == spec.resolve("#/components/schemas/A")
    assert spec.written("#/components/schemas/B") == "schemas/index.yaml#/all/B"
    assert str(spec.problem("m", "#/paths/~1a/put")) == "api/paths.yaml:3:3: m (at paths.yaml#/~1a/put)"
    assert spec.root["tags"] == [{"name": "t"}]


def test_components_as_a_whole(read: Read) -> None:
    spec = read(
        HEAD + "paths: {}\ncomponents: {$ref: all.yaml}\n",
        {"all.yaml": "schemas: {$ref: s.yaml}\nparameters: {}\n", "s.yaml": "A: {$ref: '#/B'}\nB: {type: string}\n"},
    )
    assert follow(spec, "#/components/schemas/A") == "#/components/schemas/B"
    assert spec.locate("#/components/schemas/B/type") == (2, 5)
    assert spec.written("#/components/parameters") == "all.yaml#/parameters"


def test_texts_in_files_of_their_own(read: Read) -> None:
    spec = read(
        HEAD + "paths: {}\ntags:\n- description: {$ref: 'texts/tag.md'}\n- description: {$ref: 'texts/all.yml#/a'}\n"
        "- description: {$ref: 'texts/all.yml'}\n- {description: {properties: {}}}\n",
        {"texts/tag.md": "# Not a *key*: [\n", "texts/all.yml": "a: A\n"},
    )
    assert [t["description"] for t in spec.root["tags"]] == ["# Not a *key*: [\n", "A", "", {"properties": {}}]
    told = "api/openapi.yaml:7:3: the reference leads to no text (at #/tags/2/description)"
    assert messages(spec) == [told]


def test_examples_are_read_and_never_cost_the_document(read: Read) -> None:
    spec = read(
        HEAD + "paths: {}\nx: {examples: {a: {$ref: e.yaml}, b: {$ref: 'http://far'}, c: {$ref: no.yaml}}}\n",
        {"e.yaml": "value: {$ref: 'http://data'}\n"},
    )
    assert follow(spec, "e.yaml") == "e.yaml#"
    assert messages(spec) == [
        'api/openapi.yaml:4:64: $ref to "no.yaml": there is no file no.yaml (at #/x/examples/c/$ref)'
    ]


def test_a_file_of_the_document_may_be_2_0_when_the_document_is(read: Read) -> None:
    spec = read(
        "swagger: '2.0'\ninfo: {title: T}\npaths:\n  /a: {$ref: 'paths/a.yaml'}\ndefinitions: {$ref: 'defs.yaml'}\n",
        {
            "paths/a.yaml": "post:\n  parameters:\n  - {$ref: '../parameters.json#/body'}\n"
            "  - {$ref: '../parameters.json#/tags'}\n  - {in: formData, name: f, type: file}\n"
            "  responses: {'200': {$ref: '../responses/ok.yaml'}}\n",
            "parameters.json": '{"body": {"in": "body", "name": "b", "schema": {"$ref": "defs.yaml#/Pet"}},\n'
            '"tags": {"in": "query", "name": "tags", "type": "array", "items": {"type": "string"}}}',
            "responses/ok.yaml": "description: Ok\nschema: {$ref: '../defs.yaml#/Pet'}\n",
            "defs.yaml": "Pet: {discriminator: kind, properties: {owner: {$ref: '#/Owner'}}}\nOwner: {type: object}\n",
        },
    )
    (raw,) = spec.operations()
    assert raw.pointer == "paths/a.yaml#/post"
    pet = spec.root["components"]["schemas"]["Pet"]
    assert pet["discriminator"] == {"propertyName": "kind"}
    for place in ("requestBody/content/application~1json/schema", "responses/200/content/application~1json/schema"):
        pointer = f"{raw.pointer}/{place}"
        assert spec.deref(spec.resolve(pointer), pointer) == (pet, "#/components/schemas/Pet")
    owner = "#/components/schemas/Pet/properties/owner"
    assert spec.deref(spec.resolve(owner), owner)[1] == "#/components/schemas/Owner"
    assert spec.written(owner) == "defs.yaml#/Pet/properties/owner"
    tags, at = spec.deref(raw.node["parameters"][0], f"{raw.pointer}/parameters/0")
    assert (at, tags["schema"]) == ("parameters.json#/tags", {"type": "array", "items": {"type": "string"}})
    assert spec.written(f"{at}/schema/items") == "parameters.json#/tags/items"
    body = f"{raw.pointer}/requestBody"
    assert str(spec.problem("m", body)) == "api/parameters.json:1:2: m (at parameters.json#/body)"
    response = f"{raw.pointer}/responses/200/description"
    assert str(spec.problem("m", response)) == "api/responses/ok.yaml:1:1: m (at responses/ok.yaml#/description)"
    assert messages(spec) == [
        'api/paths/a.yaml:5:5: POST /a has the body parameter "b" and the form field "f"; only "b" counts, '
        "which comes first (at paths/a.yaml#/post/parameters/2)"
    ]


# -- what is missing or refused ---------------------------------------------------------------------------------------


def test_a_missing_file_costs_what_refers_to_it(read: Read) -> None:
    text = (
        HEAD + "paths:\n  /a: {$ref: 'no.yaml#/a'}\n  /b: {get: {}, x-a: 1}\nx: {$ref: 'no.yaml#/b'}\ny: {$ref: sub}\n"
    )
    spec = read(text, {"sub/a.yaml": "{}"})
    assert [o.path for o in spec.operations()] == ["/b"]
    assert messages(spec) == [
        'api/openapi.yaml:4:8: $ref to "no.yaml#/a": there is no file no.yaml (at #/paths/~1a/$ref)',
        'api/openapi.yaml:7:5: $ref to "sub": there is no file sub (at #/y/$ref)',
        'api/openapi.yaml:4:3: the path is left out: "no.yaml#/a" names nothing: there is no file no.yaml '
        "(at #/paths/~1a)",
    ]


def test_paths_that_cannot_be_read(read: Read) -> None:
    text = refusal(read, HEAD + "components: {$ref: '#/no'}\npaths: {$ref: no.yaml}\n")
    assert text == (
        'api/openapi.yaml:4:1: "paths" cannot be read: "no.yaml" names nothing: there is no file no.yaml (at #/paths)'
    )


OUTSIDE = "\n  move the file into the folder of the document, or into one beside it"
SUFFIX = "mcpgen opens only .json, .yaml and .yml files (at #/x/$ref)\n  rename the file"
REFUSED = {
    "../../secret.yaml#/a": 'it is outside of the folder "repo" (at #/x/$ref)' + OUTSIDE,
    "../../../../../../etc/passwd": 'it is outside of the folder "repo" (at #/x/$ref)' + OUTSIDE,
    "%2e%2e/%2e%2e/secret.yaml": 'it is outside of the folder "repo" (at #/x/$ref)' + OUTSIDE,
    "link.yaml": 'a symbolic link leads out of the folder "repo" (at #/x/$ref)' + OUTSIDE,
    "links/secret.yaml": 'a symbolic link leads out of the folder "repo" (at #/x/$ref)' + OUTSIDE,
    "../.config/hosts.yml": "mcpgen opens no hidden file (at #/x/$ref)\n  move the file beside the document",
    ".hidden.yaml": "mcpgen opens no hidden file (at #/x/$ref)\n  move the file beside the document",
    "visible.yaml": "mcpgen opens no hidden file (at #/x/$ref)\n  move the file beside the document",
    "id_rsa": SUFFIX,
    "../../repo/api/a.tfstate": SUFFIX,
    "/etc/hosts.yaml": "mcpgen opens no absolute path (at #/x/$ref)\n  name the file relative to the document",
    "http://a.com/b.yaml": "mcpgen fetches nothing that nobody asked for (at #/x/$ref)\n"
    "  bundle the document into one file first, for example with: redocly bundle",
}


@pytest.mark.parametrize(("target", "expected"), REFUSED.items(), ids=REFUSED)
def test_what_is_not_opened(read: Read, tmp_path: Path, target: str, expected: str) -> None:
    (tmp_path / "secret.yaml").write_text("a: 1\n")
    api = tmp_path / "repo" / "api"
    (api / "link.yaml").symlink_to("../../secret.yaml")
    (api / "links").symlink_to("../..")
    (api / "visible.yaml").symlink_to(".hidden.yaml")
    files = {".hidden.yaml": "{}", "../.config/hosts.yml": "{}", "id_rsa": "x", "a.tfstate": "{}"}
    text = refusal(read, HEAD + f"paths: {{}}\nx: {{$ref: '{target}'}}\ny: {{$ref: '{target}'}}\n", files)
    assert text == f'api/openapi.yaml:4:5: $ref to "{target}": {expected}'


def test_the_folder_above_is_open(read: Read) -> None:
    spec = read(
        HEAD + "paths: {}\nx: {$ref: ../common/a.yaml}\n",
        {
            "../common/a.yaml": "a: {$ref: '../api/openapi.yaml#/info'}\nb: {$ref: ../other/b.yaml}\n",
            "../other/b.yaml": "1",
        },
    )
    assert spec.files == tuple(map(Path, ("api/openapi.yaml", "common/a.yaml", "other/b.yaml")))
    assert follow(spec, "../api/openapi.yaml#/info", "../common/a.yaml#/a") == "#/info"
    assert follow(spec, "../other/b.yaml", "../common/a.yaml#/b") == "../other/b.yaml#"


def test_the_home_folder_is_not_open_to_a_folder_in_it(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(Path.cwd()))
    text = refusal(read, HEAD + "paths: {}\nx: {$ref: ../mail.yaml}\n", {"../mail.yaml": "{}"})
    assert text == (
        'api/openapi.yaml:4:5: $ref to "../mail.yaml": it is outside of the folder "api" (at #/x/$ref)' + OUTSIDE
    )
    assert read(HEAD + "paths: {}\nx: {$ref: a.yaml}\n", {"a.yaml": "{}"}).problems == []


def test_everything_that_cannot_be_read_is_told_at_once(read: Read) -> None:
    text = refusal(
        read,
        HEAD + "paths: 1\nx: [{$ref: a.json}, {$ref: b.yaml}, {$ref: c.yaml}, {$ref: d.yaml}]\n",
        {
            "a.json": '{"a": 1,}',
            "b.yaml": "b: [1\n",
            "c.yaml": "",
            "d.yaml": "d: {$ref: /e}\nf:\n- " + "[" * 500 + "]" * 500,
        },
    )
    assert text == "\n".join(
        [
            'api/a.json:1:8: not valid JSON: a comma before the closing "}"\n  remove the comma',
            "api/b.yaml:2:1: not valid YAML: did not find expected ',' or ']' while parsing a flow sequence that "
            "starts in line 1",
            "api/c.yaml:1:1: the file is empty",
            "api/d.yaml:3:501: the document is nested more than 500 levels deep",
            'api/openapi.yaml:3:1: "paths" is a number, not an object (at #/paths)',
        ]
    )


def test_what_other_files_say_twice(read: Read) -> None:
    spec = read(
        HEAD + "paths: {}\nx: {$ref: a.json}\ny: {$ref: a.yaml}\n",
        {"a.json": '{"k": 1, "k": 2}', "a.yaml": "k: 1\nk: 2"},
    )
    assert sorted(messages(spec)) == [
        'api/a.json:1:10: the key "k" is there more than once; the last one counts (at a.json#/k)',
        'api/a.yaml:2:1: the key "k" is there more than once; the last one counts (at a.yaml#/k)',
    ]


BUNDLE = "\n  bundle the document into one file first, for example with: redocly bundle"


def test_bounds(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    text = HEAD + "paths: {}\nx: [{$ref: a.yaml}, {$ref: b.yaml}, {$ref: c.yaml}]\n"
    files = {"a.yaml": "1", "b.yaml": "2" * 300, "c.yaml": "3"}
    monkeypatch.setattr(spec_module.files, "MAX_FILES", 2)
    assert refusal(read, text, files) == "api/openapi.yaml: the document refers to more than 2 files" + BUNDLE


def test_the_bound_on_all_files_together(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec_module.files, "MAX_BYTES", 1_000_000)
    text = refusal(read, HEAD + "paths: {}\nx: {$ref: a.yaml}\n", {"a.yaml": "#" * 1_000_000})
    shown = "the document and the files it refers to are larger than 1 MB together"
    assert text == f"api/openapi.yaml: {shown}{BUNDLE}"
