"""Turns references into nodes and pointers into places, because a document may be written in several files.

The files that the document's references reach are all read when it is loaded, by the same reader and within the same
bounds, so that everything which cannot be read is told at once. A pointer is canonical when it begins with the name of
its file: nothing for the document itself (`#/paths/~1a`), the way from the document's folder for another file
(`common/pets.yaml#/Pet`), the URL for a document of another host. Nothing of another host is read unless the
configuration allows it (`remote`), and no file is opened that is not a part of the document by its place.
"""

import json
import os
import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from mcpgen.problems import Problem, Rejected
from mcpgen.spec.remote import MAX_REMOTE, Remote, Unfetched, address, is_url
from mcpgen.spec.source import MAX_BYTES, MAX_DEPTH, Source, decode, escape, kind, quote, refuse_depth

MAX_FILES: Final = 2_000
"""DigitalOcean's document, the largest of our corpus in this respect, has 1,509."""
_LONGEST_NAME: Final = 250
"""Characters of a relative path; file systems take 255 bytes for a part of it."""

_NAMED_SCHEMAS: Final = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"})
_NAMED: Final = _NAMED_SCHEMAS.union(
    ("schemas", "responses", "parameters", "requestBodies", "headers", "securitySchemes", "links", "callbacks"),
    ("pathItems", "paths", "webhooks", "content", "encoding", "mapping", "scopes", "variables"),
)
"""Keys of objects that map names of the vendor's choice: the keys inside have no meaning of their own."""
_ENTRY_NOT_REFERENCE: Final = _NAMED_SCHEMAS.union(("mapping", "scopes"))
"""Those of them in which a text under `$ref` is an entry of that name. In the others no entry may be a text."""
_DATA: Final = frozenset({"example", "examples", "default", "enum", "const"})
"""Keys whose value is plain data, in which `$ref` means nothing."""
_TEXTS: Final = frozenset({"description", "summary"})
"""Keys whose text some vendors write in a file of its own, by a reference."""
_SECTIONS: Final = frozenset(
    {"info", "servers", "security", "tags", "externalDocs", "paths", "webhooks", "components"}
    | {"definitions", "parameters", "responses", "securityDefinitions"}
)
"""Members of the document that may as a whole be a reference, which is then replaced by what it leads to."""

_STRUCTURED: Final = (".json", ".yaml", ".yml")
_PLAIN: Final = (".md", ".txt")
"""Files that are one text."""
_UNASKED: Final = "mcpgen fetches nothing that nobody asked for"
_BUNDLE: Final = "bundle the document into one file first, for example with: redocly bundle"

Edit = Callable[[Source], None]
"""Changes the `root` of a file that was just read, before anything else looks at it."""

Moves = dict[str, tuple[str, int]]
"""What stands elsewhere: pointer → the pointer in its place, and how many of the tokens behind it to skip (-1: all)."""

_Link = tuple[Any, str] | None
"""The way to a node that is being looked at, from its end: the way before, and a token."""


class Unresolved(Exception):
    """A reference that leads to no node: `pointer` is where the chain broke, `reason` one sentence."""

    def __init__(self, pointer: str, reason: str) -> None:
        self.pointer = pointer
        self.reason = reason
        super().__init__(f"{reason} (at {pointer})")


class Canonical(str):
    """A canonical pointer that stands as a `$ref` where the document has none: it is not relative to its file."""


def moved(table: Moves, pointer: str) -> str:
    """`pointer` with the longest beginning that `table` knows replaced."""
    if not table:
        return pointer
    above, behind = pointer, list[str]()
    while True:
        if above in table:
            to, skip = table[above]
            return "/".join([to, *(behind[::-1][skip:] if skip >= 0 else ())])
        above, slash, token = above.rpartition("/")
        if not slash:
            return pointer
        behind.append(token)


class Files:
    """The document and the files that it refers to.

    Pointers are canonical unless it is said that they are as *written*. The two differ where a whole section is a
    reference (`spliced`) and in a document that was converted (`converted`); a `$ref` in such a document is as it was
    written, and `renamed` leads from there to what is canonical.
    """

    def __init__(self, path: Path, source: Source, edit: Edit | None, remote: Remote) -> None:
        self._remote = remote
        self.document = source
        self.notes: list[Problem] = []
        self.converted: Moves = {}
        self.renamed: Moves = {}
        self.spliced: Moves = {}
        self._unspliced: Moves = {}
        stated = source.root.get("$self") if isinstance(source.root, dict) else None
        self._self = stated.partition("#")[0] if isinstance(stated, str) else ""  # OpenAPI 3.2.0, 4.1: its own URI
        self._path = path
        self._edit = edit
        self._folder = path.parent
        self._real = Path(os.path.realpath(path.parent))
        self._sources = {"": source}
        self._named: dict[str, dict[str, list[str]]] = {}
        self._absent: dict[str, str] = {}  # name → why there is no such file
        self._bytes = len(source.text)
        self._fatal: list[Problem] = []
        self._refused: set[tuple[str, str]] = set()  # (file, what it refers to) that was told already
        self._names: dict[tuple[str, str], str] = {}
        # File, `$ref`, whether it is canonical → its target, or why there is none.
        self._targets: dict[tuple[str, str, bool], tuple[Any, str] | str] = {}

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file that was read, sorted."""
        return tuple(sorted([self._path, *(Path(s.file) for n, s in self._sources.items() if n)]))

    def replace(self, root: dict[str, Any], converted: Moves, renamed: Moves) -> None:
        """Puts the converted document in the place of the one that was read; see the class for the tables."""
        self.document.root = root
        self.converted, self.renamed = converted, renamed
        self._unspliced = {k: (moved(renamed, to), skip) for k, (to, skip) in self._unspliced.items()}
        self._targets.clear()

    # -- places ------------------------------

    def written(self, pointer: str) -> str:
        """The pointer at which a person finds in the files what `pointer` leads to."""
        pointer = self._unmoved(pointer)
        name, mark, fragment = pointer.partition("#")
        source = self._sources.get(name) if mark else None
        return name + source.written("#" + fragment) if source else pointer

    def _unmoved(self, pointer: str) -> str:
        return moved(self.spliced, moved(self.converted, pointer))

    def locate(self, pointer: str) -> tuple[int, int]:
        """Line and column, from 1, of the key or item at `pointer` in its file; (0, 0) when there is none."""
        name, mark, fragment = self.written(pointer).partition("#")
        source = self._sources.get(name if mark else "no file")
        if source is None:
            return 0, 0
        place = source.locate("#" + fragment)
        while place == (0, 0) and fragment and self.converted:  # made in conversion: what it was made of stands above
            fragment = fragment.rpartition("/")[0]
            place = source.locate("#" + fragment)
        return place

    def problem(self, message: str, pointer: str, hint: str = "") -> Problem:
        """The problem `message` at `pointer`, with the file, line and column where that is written."""
        shown = self.written(pointer)
        source = self._sources.get(shown.partition("#")[0], self.document)
        return Problem(message, shown, hint, source.file, *self.locate(pointer))

    def problem_as_written(self, message: str, pointer: str, hint: str = "") -> Problem:
        """The same for a pointer that is as written."""
        name, _, fragment = pointer.partition("#")
        return self._sources[name].problem_at(message, "#" + fragment, hint=hint)

    # -- references ------------------------------

    def resolve(self, pointer: str) -> tuple[Any, str]:
        """The node at `pointer`, and the canonical pointer; raises `Unresolved`. No reference is followed."""
        try:
            return self._find(pointer, "", written=False)
        except Unresolved:
            if not self.renamed:
                raise
            return self._find(pointer, "", written=True)

    def deref(self, node: Any, pointer: str) -> tuple[Any, str]:
        """The node that the chain of references at `node` ends with, and its own canonical pointer.

        `node`, which stands at `pointer`, comes back as it is when it has no `$ref`. Raises `Unresolved` when a
        reference of the chain is no text, leads out of the document, names nothing, or leads back into the chain.
        """
        if not (isinstance(node, dict) and "$ref" in node):
            return node, pointer
        seen: dict[tuple[str, str, bool], None] = {}
        end: tuple[Any, str] | str = node, pointer
        while isinstance(end, tuple) and isinstance(end[0], dict) and "$ref" in end[0]:
            target, at = end[0]["$ref"], end[1]
            canonical = isinstance(target, Canonical)
            key = "" if canonical else self._file_of(at), target, canonical
            if not isinstance(target, str):
                end = f"$ref is {kind(target)}, not a text"
            elif key in seen:
                end = f"{quote(target)} leads back to itself"
            elif key in self._targets:
                end = self._targets[key]
            else:
                seen[key] = None
                try:
                    end = self._find(target, key[0], written=not canonical)
                except Unresolved as e:
                    end = e.reason
            if isinstance(end, str):
                pointer = at
        self._targets.update(dict.fromkeys(seen, end))
        if isinstance(end, str):
            raise Unresolved(pointer, end)
        return end

    def _file_of(self, pointer: str) -> str:
        """The name of the file in which what stands at `pointer` is written."""
        if self.converted or self.spliced:
            pointer = self._unmoved(pointer)
        return pointer.partition("#")[0]

    def _find(self, target: str, base: str, *, written: bool) -> tuple[Any, str]:
        """What `target` leads to: a canonical pointer, or a reference that is `written` in the file called `base`."""
        file, mark, fragment = target.partition("#")
        name = base if not file else self._name(file, base) if written or file not in self._sources else file
        if name not in self._sources:
            why = self._absent.get(name)
            what = "is not followed" if is_url(name) else "names nothing"
            reason = f"{quote(target)} {what}: {why}" if why else f"{quote(target)} is not in this document"
            raise Unresolved(target, reason)
        if fragment and fragment[0] != "/" and mark:
            places = self._anchors(name).get(unquote(fragment), [])
            if len(places) != 1:
                many = f"{len(places)} places have that anchor, which the way to it would tell apart"
                raise Unresolved(
                    target, f"{quote(target)} " + (many if places else "is no JSON pointer, and no $anchor")
                )
            fragment = places[0]
        elif not mark and not file:
            raise Unresolved(target, f"{quote(target)} is no JSON pointer")
        pointer = f"{name}#{fragment}"
        if written:
            pointer = moved(self.renamed, pointer)
        found, _, rest = pointer.partition("#")
        node, found = self._sources[found].root, found + "#"
        for part in rest.split("/")[1:]:
            # As it is written first, so that a pointer of ours with a "%" in a key leads back to that key.
            plain = part.replace("~1", "/").replace("~0", "~")
            for token in (plain, unquote(part).replace("~1", "/").replace("~0", "~")):
                if isinstance(node, dict) and token in node:
                    node, found = node[token], f"{found}/{escape(token)}"
                    break
                if isinstance(node, list) and token.isascii() and token.isdigit() and int(token[:9]) < len(node):
                    node, found = node[int(token)], f"{found}/{token}"
                    break
            else:
                where = self.written(found)
                raise Unresolved(target, f"{quote(target)} names nothing: there is no {json.dumps(plain)} in {where}")
        return node, moved(self._unspliced, found)

    def _anchors(self, name: str) -> dict[str, list[str]]:
        """The places of a file that have a name of their own (JSON Schema 2020-12 core, 8.2.2), as written."""
        if name not in self._named:
            found: dict[str, list[str]] = {}
            todo: list[tuple[Any, str]] = [(self._sources[name].root, "")]
            while todo:
                node, pointer = todo.pop()
                if isinstance(node, dict):
                    for key in ("$anchor", "$dynamicAnchor"):
                        if isinstance(node.get(key), str) and pointer not in found.get(node[key], ()):
                            found.setdefault(node[key], []).append(pointer)
                    todo += [(value, f"{pointer}/{escape(key)}") for key, value in node.items()]
                elif isinstance(node, list):
                    todo += [(value, f"{pointer}/{index}") for index, value in enumerate(node)]
            self._named[name] = found
        return self._named[name]

    def _name(self, file: str, base: str) -> str:
        """The name of the file that a reference in the file called `base` names."""
        if file == self._self:
            return ""
        if is_url(base) or is_url(file):
            try:
                return address(base, file).url
            except Unfetched:
                return file
        folder = posixpath.dirname(base)
        if (folder, file) not in self._names:
            as_it_is = "%" not in file or (self._folder / folder / file).is_file()
            way = os.path.join(self._real, folder, file if as_it_is else unquote(file))
            name = os.path.relpath(way, self._real).replace(os.sep, "/")
            self._names[folder, file] = "" if name == self._path.name else name
        return self._names[folder, file]

    # -- reading ------------------------------

    def read(self, *, swagger: bool) -> list[Problem]:
        """Reads every file that the document's references reach; returns what makes that impossible.

        What is odd but leaves a readable document goes to `notes`. With `swagger`, the schemas that are met are
        brought from OpenAPI 2.0 into the form of 3.0 where the two differ.
        """
        seen: set[tuple[int, bool]] = set()
        todo: list[tuple[Any, str, _Link, str]] = [(self.document.root, "", None, "")]  # …, the key if it holds names
        while todo:
            node, file, link, names = todo.pop()
            if isinstance(node, list):
                todo.extend((v, file, (link, str(i)), "") for i, v in reversed(list(enumerate(node))))
                continue
            if not isinstance(node, dict):
                continue
            target = node.get("$ref")
            # The document is looked at from end to end; of other files only what a reference leads to.
            if isinstance(target, str) and names not in _ENTRY_NOT_REFERENCE and (file or target[:1] != "#"):
                there = self._target(target, file, (link, "$ref"))
                if there and there[1] and (id(there[0]), bool(names)) not in seen:
                    seen.add((id(there[0]), bool(names)))
                    todo.append((*there, names))
            if swagger and not names:
                _modernize(node)
            for key, value in reversed(node.items()):
                if not isinstance(value, dict | list):
                    continue
                way = (link, key)
                if names:
                    todo.append((value, file, way, ""))
                elif key in _TEXTS and isinstance(value, dict) and isinstance(value.get("$ref"), str):
                    node[key] = self._text(value, file, way)
                elif key == "examples" and isinstance(value, dict) and not swagger:
                    self._examples(value, file, way)
                elif not (key in _DATA or key.startswith("x-")):
                    todo.append((value, file, way, key if key in _NAMED else ""))
        return self._fatal

    def splice(self) -> list[Problem]:
        """Puts in place the sections of the document that are a reference; returns what makes that impossible."""
        root = self.document.root
        fatal = self._splice(root, "#", [key for key in root if key in _SECTIONS])
        components = root.get("components")
        if isinstance(components, dict):
            fatal += self._splice(components, "#/components", list(components))
        self._targets.clear()
        return fatal

    def _splice(self, holder: dict[str, Any], above: str, keys: list[str]) -> list[Problem]:
        fatal: list[Problem] = []
        for key in keys:
            value, pointer = holder[key], f"{above}/{escape(key)}"
            if not (isinstance(value, dict) and isinstance(value.get("$ref"), str)):
                continue
            try:
                holder[key], at = self.deref(value, pointer)
            except Unresolved as e:
                problem = self.problem(f"{quote(key)} cannot be read: {e.reason}", pointer)
                (fatal if key == "paths" else self.notes).append(problem)
                continue
            self.spliced[pointer] = at, 0
            self._unspliced[at] = pointer, 0
        return fatal

    def _target(self, target: str, file: str, link: _Link, *, quiet: bool = False) -> tuple[Any, str, _Link] | None:
        """What a reference in `file` leads to, its file and its way there; None when it leads nowhere."""
        other, _, fragment = target.partition("#")
        name = self._reach(target, file, link, quiet=quiet) if other else file
        if name is None:
            return None
        try:
            node, found = self._find(f"{name}#{fragment}", "", written=False)
        except Unresolved:
            return None
        way: _Link = None
        for token in found.partition("#")[2].split("/")[1:]:
            way = (way, token.replace("~1", "/").replace("~0", "~"))
        return node, name, way

    def _text(self, node: Any, file: str, link: _Link) -> Any:
        """The text that a description refers to; the node itself when there is none."""
        there = self._target(node["$ref"], file, (link, "$ref"))
        if there and isinstance(there[0], str):
            return there[0]
        if there or node["$ref"][:1] == "#":
            self.notes.append(self._problem("the reference leads to no text", file, link))
        return ""

    def _examples(self, entries: dict[str, Any], file: str, link: _Link) -> None:
        """Reads the files of examples. An example is worth no refusal: what cannot be read stays a reference."""
        for key, entry in entries.items():
            if isinstance(entry, dict) and isinstance(entry.get("$ref"), str) and entry["$ref"][:1] != "#":
                self._target(entry["$ref"], file, ((link, key), "$ref"), quiet=True)

    def _problem(self, message: str, file: str, link: _Link, hint: str = "") -> Problem:
        tokens: list[str] = []
        while link is not None:
            link, token = link
            tokens.append(escape(token))
        return self._sources[file].problem_at(message, "/".join(["#", *reversed(tokens)]), hint=hint)

    def _reach(self, target: str, file: str, link: _Link, *, quiet: bool) -> str | None:
        """The name of the file that `target`, written in `file`, names; it has been read then."""
        other = target.partition("#")[0]
        if other and other == self._self:
            return ""
        foreign = is_url(file) or is_url(other)
        name, message, hint = (self._reach_url if foreign else self._reach_file)(target, file, link, quiet=quiet)
        if message and not quiet and (file, other) not in self._refused:
            self._refused.add((file, other))
            self._fatal.append(self._problem(f"$ref to {quote(target)}: {message}", file, link, hint))
        return name

    def _reach_file(self, target: str, file: str, link: _Link, *, quiet: bool) -> tuple[str | None, str, str]:
        """The name as `_reach` has it; else the reason for which the document is refused, and the way out."""
        other = target.partition("#")[0]
        message, hint = _refusal(other)
        if not message and ("\0" in unquote(other) or len(other) > _LONGEST_NAME):
            message, hint = "that can be the name of no file", "write the path of a file beside the document"
        if not message:
            name = self._name(other, file)
            if name in self._sources:
                return name, "", ""
            if name in self._absent:
                return None, "", ""
            self._remote.bring(name, quiet)
            message, hint = self._closed(name)
            if not message and not (self._folder / name).is_file():
                self._lack(f"there is no file {name}", name, target, file, link)
                return None, "", ""
            if not message:
                opened = self._open(name, Path(os.path.normpath(self._folder / name)))
                return name if opened else None, "", ""
        return None, message, hint

    def _reach_url(self, target: str, file: str, link: _Link, *, quiet: bool) -> tuple[str | None, str, str]:
        """The same where the reference, or the file in which it stands, is of another host."""
        try:
            place = address(file, target)
        except Unfetched as e:
            return None, str(e), _BUNDLE
        name = place.url
        if name in self._sources:
            return name, "", ""
        if name in self._absent or quiet:  # an example is worth no connection
            return None, "", ""
        if not place.encrypted:
            known = self._remote.names(place)
            return None, "only https is fetched from another machine" if known else _UNASKED, _BUNDLE
        if not self._remote.allows(place):
            line = f"allow_hosts = [{quote(place.entry)}]"
            why = f"nothing is fetched from {place.entry} unless mcpgen.toml has under [source]: {line}"
            self._lack(why, name, target, file, link)
            return None, "", ""
        self._absent[name] = "it cannot be read"
        if sum(map(is_url, self._sources)) >= MAX_REMOTE:
            message = f"the document refers to more than {MAX_REMOTE} documents of other hosts"
            problem = Problem(message, file=self.document.file, hint=_BUNDLE)
            self._fatal += [problem] if problem not in self._fatal else []
            return None, "", ""
        try:
            path = self._remote.file(place, self._folder)
        except Unfetched as e:
            return None, str(e), e.hint
        if not self._open(name, path):
            return None, "", ""
        del self._absent[name]
        return name, "", ""

    def _lack(self, why: str, name: str, target: str, file: str, link: _Link) -> None:
        """Notes that there is no file called `name`, which costs what needs it."""
        self._absent[name] = why
        said = " is not followed" if is_url(name) else ""
        self.notes.append(self._problem(f"$ref to {quote(target)}{said}: {why}", file, link))

    def _closed(self, name: str) -> tuple[str, str]:
        """Why the file called `name` is not opened, and the way out; empty when it may be."""
        real = Path(os.path.realpath(self._folder / name))
        top = self._real.parent
        if Path(os.path.realpath(os.path.expanduser("~"))).is_relative_to(top):
            top = self._real  # a document that lies in the home folder does not open all of it to others
        if not real.is_relative_to(top):
            lexical = Path(os.path.normpath(self._real / name)).is_relative_to(top)
            what = "a symbolic link leads out of" if lexical else "it is outside of"
            hint = "move the file into the folder of the document, or into one beside it"
            return f"{what} the folder {quote(top.name or str(top))}", hint
        inner = real.relative_to(self._real if real.is_relative_to(self._real) else top)
        if any(part[:1] == "." for part in inner.parts):
            return "mcpgen opens no hidden file", "move the file beside the document"
        if inner.suffix.lower() in _PLAIN and not real.is_relative_to(self._real):
            return "a text outside of the document's folder is not copied into it", "move the text beside the document"
        if real.is_file() and inner.suffix.lower() not in (*_STRUCTURED, *_PLAIN):
            return "mcpgen opens only .json, .yaml and .yml files", "rename the file"
        return "", ""

    def _open(self, name: str, path: Path) -> bool:
        """Reads the file called `name`, which is at `path`; tells whether that could be done."""
        message = ""
        if len(self._sources) >= MAX_FILES:
            message = f"the document refers to more than {MAX_FILES:,} files"
        self._bytes += path.stat().st_size
        if self._bytes > MAX_BYTES:
            message = f"the document and the files it refers to are larger than {MAX_BYTES // 1_000_000} MB together"
        try:
            if message:
                raise Rejected([Problem(message, file=self.document.file, hint=_BUNDLE)])
            source = Source(str(path), decode(path, name), name)
            if path.suffix.lower() in _STRUCTURED:
                source.parse(prefer_yaml=path.suffix.lower() != ".json")
                if self._edit:
                    self._edit(source)
                survey(source)
            else:
                source.root = source.text
        except Rejected as e:
            self._absent[name] = f"{name} cannot be read"
            self._fatal += [p for p in e.problems if p not in self._fatal]
            return False
        self.notes += source.problems
        self._sources[name] = source
        return True


def _refusal(file: str) -> tuple[str, str]:
    """Why what `file` names cannot be a part of the document, and the way out; empty when it can."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:|//", file):
        return _UNASKED, _BUNDLE
    if re.match(r"[/\\~]|[A-Za-z]:", file):
        return "mcpgen opens no absolute path", "name the file relative to the document"
    return "", ""


def _modernize(node: dict[str, Any]) -> None:
    """Brings what OpenAPI 2.0 writes differently in a schema into the form of 3.0."""
    if isinstance(node.get("discriminator"), str):
        node["discriminator"] = {"propertyName": node["discriminator"]}
    if node.get("type") == "file" and "in" not in node:
        node |= {"type": "string", "format": "binary"}


def survey(source: Source) -> bool:
    """Whether any `$ref` may leave the file. Raises `Rejected` when it has more levels than allowed."""
    depth, leaves, level = 0, False, [source.root]
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            refuse_depth(source)
        below: list[Any] = []
        for node in level:
            if node.__class__ is dict:
                target = node.get("$ref")
                if target.__class__ is str and target[:1] != "#":
                    leaves = True
                below.extend([v for v in node.values() if v.__class__ is dict or v.__class__ is list])
            elif node.__class__ is list:
                below.extend([v for v in node if v.__class__ is dict or v.__class__ is list])
        level = below
    return leaves
