"""Turns an OpenAPI document into a `Spec`, because everything later asks for nodes, places and operations.

What later modules see is OpenAPI 3.0, 3.1 or 3.2 in one piece: a document of 2.0 was converted, other files are read.
"""

import gc
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mcpgen.problems import Problem, Rejected
from mcpgen.spec.files import Edit, Files, Unresolved, survey
from mcpgen.spec.remote import NOTHING, Remote
from mcpgen.spec.source import Source, decode, escape, kind, quote
from mcpgen.spec.swagger import DIALECT, convert

METHODS: Final = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
"""The fields of a Path Item Object that hold an operation (OpenAPI 3.0 and 3.1). 3.2 adds `query`."""
_ITEM_FIELDS: Final = frozenset({"$ref", "summary", "description", "servers", "parameters"})
_READS: Final = "mcpgen reads OpenAPI 2.0, 3.0, 3.1 and 3.2"


@dataclass(frozen=True)
class RawOperation:
    """One operation as the document has it.

    `path` is the key under `paths`, `method` is upper case. `node` is the Operation Object and `pointer` the place
    where it is written (in the referenced path item, where the path is a reference); `item` is the Path Item Object.
    """

    path: str
    method: str
    node: dict[str, Any]
    pointer: str
    item: dict[str, Any]
    item_pointer: str


@contextmanager
def uncollected() -> Iterator[None]:
    """Make millions of small objects, all of which stay: the cycle collector would only walk them in vain."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def load(path: Path, edit: Edit | None = None, remote: Remote = NOTHING) -> "Spec":
    """The document at `path`: OpenAPI 2.0 to 3.2, JSON or YAML 1.2, in UTF-8 or (with a byte order mark) UTF-16.

    Files that it refers to are read too: those in its own folder and in the folder above, but nothing hidden; and those
    of other hosts that `remote` allows. Raises `Rejected` with every reason for which it cannot be read: encoding,
    syntax, nesting, version, missing paths, or a reference to what is not opened. Defects that leave a readable
    document are in `Spec.problems`. `edit` is called with each file once it is parsed, and may change its `root`.
    """
    source = Source(str(path), decode(path))
    with uncollected():
        source.parse(prefer_yaml=path.suffix.lower() in (".yaml", ".yml"))
        return _complete(path, source, edit, remote)


def _complete(path: Path, source: Source, edit: Edit | None, remote: Remote) -> "Spec":
    root = source.root
    if not isinstance(root, dict):
        held = "a list" if isinstance(root, list) else "null" if root is None else "a single value"
        source.refuse(f"{source.alien}it holds {held}, not an object", 0)
    if edit:
        edit(source)
    leaves = survey(source)
    declared = _version(source)
    files = Files(path, source, edit, remote)
    fatal = files.read(swagger=declared == "2.0") if leaves or declared == "2.0" else []
    if fatal := [*fatal, *(files.splice() if leaves else ()), *_skeleton(files)]:
        raise Rejected(fatal)
    if declared == "2.0":
        convert(files)
    return Spec(path, files, DIALECT if declared == "2.0" else declared, declared)


def _version(source: Source) -> str:
    """The version that the document names. This is the one place that decides which versions are read."""
    root = source.root
    if "openapi" in root and "swagger" in root:
        message = 'the document has both "openapi" and "swagger"'
        raise Rejected([source.problem_at(message, "#/swagger", hint="keep one")])
    key = "swagger" if "swagger" in root else "openapi"
    if key not in root:
        source.refuse(f'{source.alien}it has no "openapi" key', 0, hint=_READS)
    said = root[key]
    # `openapi: 3.0` without quotes is a number in YAML.
    version = str(said).strip() if isinstance(said, str | float) else ""
    if re.fullmatch(r"2\.0" if key == "swagger" else r"3\.[012](?:[.-]\S*)?", version):
        return version
    shown = json.dumps(said, ensure_ascii=False) if isinstance(said, str | int | float) else kind(said)
    what = "Swagger" if key == "swagger" else "OpenAPI"
    raise Rejected([source.problem_at(f"unknown {what} version: {shown}", f"#/{key}", hint=_READS)])


def _skeleton(files: Files) -> Iterator[Problem]:
    """What makes a document useless; what it can do without is noted."""
    source, root = files.document, files.document.root
    if "paths" in root and not isinstance(root["paths"], dict):
        yield source.problem_at(f'"paths" is {kind(root["paths"])}, not an object', "#/paths")
    elif "paths" not in root and not {"webhooks", "components", "definitions"} & root.keys():
        yield source.problem('the document has no "paths"', 0, hint='without operations, say so: "paths": {}')
    info = root.get("info")
    if not isinstance(info, dict):
        message = 'the document has no "info"' if "info" not in root else f'"info" is {kind(info)}, not an object'
        files.notes.append(source.problem_at(message, "#/info") if "info" in root else source.problem(message, 0))
    elif not isinstance(info.get("title"), str) or not info["title"].strip():
        files.notes.append(files.problem('the document has no title in "info"', "#/info"))


@dataclass(frozen=True, slots=True)
class Lost:
    """An operation that is no object, or a path without one (`method` is empty), and what is wrong with it."""

    path: str
    method: str
    problem: Problem


class Spec:
    """A document that could be read.

    `root` is the document in the form of the OpenAPI version `version`; `declared_version` is what it says of itself,
    which differs for 2.0 only. `files` are all the files that it was read from. `problems` are the located defects
    that cost nothing or one operation, `lost` the operations, and whole paths, that cannot be read; both are complete
    once `operations` was called.

    Pointers are RFC 6901, with a "#" before, and before that, for other files, the way there from the document's
    folder. They go by `root`; `written` says where a person finds the place.
    """

    def __init__(self, path: Path, files: Files, version: str, declared: str) -> None:
        self.path = path
        self.root: dict[str, Any] = files.document.root
        self.version = version
        self.declared_version = declared
        self.files = files.paths
        self.problems: list[Problem] = [*files.document.problems, *files.notes]
        self.lost: list[Lost] = []
        self._files = files
        self._operations: list[RawOperation] | None = None

    @property
    def info(self) -> dict[str, Any]:
        """The Info Object; empty when the document has none."""
        info = self.root.get("info")
        return info if isinstance(info, dict) else {}

    def written(self, pointer: str) -> str:
        """The pointer at which the vendor's files have what `pointer` leads to."""
        return self._files.written(pointer)

    def locate(self, pointer: str) -> tuple[int, int]:
        """Line and column, from 1, of the key (of the item, in a list) at `pointer`; (0, 0) when there is none.

        They count in the file that `pointer` belongs to, see `problem`.
        """
        return self._files.locate(pointer)

    def problem(self, message: str, pointer: str, hint: str = "") -> Problem:
        """The problem `message` at the node that `pointer` names: its file, line, column, and pointer as written."""
        return self._files.problem(message, pointer, hint)

    def located(self, problem: Problem) -> Problem:
        """`problem` with its place in the files, when it has a pointer of ours and no place yet."""
        if not problem.pointer or problem.file:
            return problem
        return self.problem(problem.message, problem.pointer, problem.hint)

    def resolve(self, pointer: str) -> Any:
        """The node at `pointer`; raises `Unresolved`. References on the way are not followed."""
        return self._files.resolve(pointer)[0]

    def deref(self, node: Any, pointer: str) -> tuple[Any, str]:
        """The node that the chain of references at `node` ends with, and its own pointer.

        `node`, which stands at `pointer`, comes back as it is when it has no `$ref`. Raises `Unresolved` when a
        reference of the chain is no text, leads out of the document, names nothing, or leads back into the chain.
        """
        return self._files.deref(node, pointer)

    def operations(self) -> Iterator[RawOperation]:
        """The operations under `paths` in the document's order. What is none is told in `lost`."""
        if self._operations is None:
            self._operations = list(self._read_paths())
        return iter(self._operations)

    def _read_paths(self) -> Iterator[RawOperation]:
        templates: dict[str, str] = {}  # path without its parameter names → first path
        taken: dict[tuple[str, str], str] = {}
        for path, raw in self.root.get("paths", {}).items():
            if path.startswith("x-"):
                continue
            pointer = f"#/paths/{escape(path)}"
            item = self._path_item(path, raw, pointer)
            if item is None:
                continue
            if not path.startswith("/"):
                self._report(f'the path {quote(path)} does not begin with "/"', pointer)
            template = re.sub(r"\{[^{}]*\}", "{}", path)
            same = templates.setdefault(template, path)
            if same != path:
                self._report(f"{quote(path)} is the same path as {quote(same)}: only parameter names differ", pointer)
            for operation in self._item_operations(path, *item):
                first = taken.setdefault((template, operation.method), path)
                if first == path:
                    yield operation
                else:
                    reason = f"{operation.method} {first} is the same operation"
                    self._lose(path, operation.method, reason, operation.pointer)

    def _path_item(self, path: str, raw: Any, pointer: str) -> tuple[dict[str, Any], str, dict[str, str]] | None:
        """The Path Item Object, its pointer, and the pointer of each of its members."""
        try:
            item, place = self.deref(raw, pointer)
        except Unresolved as e:
            self._lose(path, "", e.reason, e.pointer)
            return None
        if not isinstance(item, dict):
            self._lose(path, "", f"its value is {kind(item)}, not an object", place)
            return None
        places = {key: f"{place}/{escape(key)}" for key in item}
        if item is not raw:
            # Members beside `$ref` join those of the referenced item (OpenAPI 3.0 and 3.1, Path Item Object; where both
            # have the same one the specification leaves it open, and what stands here wins).
            beside = {key: value for key, value in raw.items() if key != "$ref"}
            item = {**item, **beside}
            places |= {key: f"{pointer}/{escape(key)}" for key in beside}
        return item, place, places

    def _item_operations(
        self, path: str, item: dict[str, Any], place: str, places: dict[str, str]
    ) -> Iterator[RawOperation]:
        methods = METHODS | {"query"} if self.version.startswith("3.2") else METHODS
        candidates: list[tuple[str, Any, str]] = []
        for key, value in item.items():
            if key in methods:
                candidates.append((key.upper(), value, places[key]))
            elif key == "additionalOperations" and self.version.startswith("3.2") and isinstance(value, dict):
                candidates.extend((name, v, f"{places[key]}/{escape(name)}") for name, v in value.items())
            elif key not in _ITEM_FIELDS and not key.startswith("x-"):
                self._report(f"{quote(key)} is neither a method nor another field of a path", places[key])
        for method, node, pointer in candidates:
            try:
                operation, where = self.deref(node, pointer)
            except Unresolved as e:
                self._lose(path, method, e.reason, e.pointer)
                continue
            if isinstance(operation, dict):
                yield RawOperation(path, method, operation, where, item, place)
            else:
                self._lose(path, method, f"it is {kind(operation)}, not an object", where)

    def _lose(self, path: str, method: str, reason: str, pointer: str) -> None:
        self.lost.append(Lost(path, method, self.problem(reason, pointer)))

    def _report(self, message: str, pointer: str) -> None:
        self.problems.append(self.problem(message, pointer))
