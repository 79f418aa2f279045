"""Turns a document and what `mcpgen.toml` says is wrong with it into the `Spec` of the corrected document.

Overlays first (OpenAPI Overlay Specification 1.0 and 1.1), each action on what the ones before left, then the fixes.
Drift is loud: a target that matches nothing, or a value that is no longer the one that a fix was written for, is a
problem. Messages go on naming the places of the vendor's text: an item of a list keeps its number when others are taken
out, and what a correction put there is found where the nearest node above it stands.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import spec
from .config import Config, Fix
from .problems import Problem, Rejected
from .spec import MAX_DEPTH, Spec
from .spec.source import Source, decode, escape, kind, quote

if TYPE_CHECKING:
    from jsonpath_rfc9535 import JSONPathEnvironment, JSONPathQuery

__all__ = ["Corrected", "Correction", "load"]

Location = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Correction:
    """One change of the document: the JSON pointer of a fix or the JSONPath of an overlay's action, and the reason."""

    at: str
    why: str


@dataclass(frozen=True, slots=True)
class Corrected:
    """A document as the configuration corrects it; `files` are the overlays that were read."""

    spec: Spec
    corrections: tuple[Correction, ...] = ()
    files: tuple[Path, ...] = ()


def load(document: Path, config: Config, remote: spec.Remote = spec.NOTHING) -> Corrected:
    """Return the document with its corrections; it may refer to the documents of other hosts that `remote` allows.

    Errors: `Rejected` with all that is wrong with it and with them.
    """
    if not config.overlays and not config.fixes:
        return Corrected(spec.load(document, remote=remote))
    corrector = _Corrector(config)
    if corrector.problems:
        raise Rejected(corrector.problems)
    problems: list[Problem] = []
    loaded = None
    try:
        loaded = spec.load(document, corrector.edit, remote)
    except Rejected as rejected:
        problems += rejected.problems
    if loaded:
        corrector.finish(loaded)
    if loaded is None or corrector.problems:
        raise Rejected([*corrector.problems, *problems])
    return Corrected(loaded, tuple(corrector.corrections()), tuple(corrector.files))


class _Corrector:
    """Applies what the configuration says to each file of a document, and keeps every problem."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.problems: list[Problem] = []
        self.files: list[Path] = []
        self._names: set[str] = set()
        self._overlays = list(self._read_overlays())

    def edit(self, source: Source) -> None:
        """Correct a file that was just read."""
        self._names.add(source.name)
        tree = _Tree(source.root)
        for overlay in self._overlays if not source.name else ():
            self.problems += overlay.apply(tree)
        source.trace = str  # what is not there is found above
        for fix in self._config.fixes:
            if fix.at.partition("#")[0] == source.name:
                self.problems += self._fixed(fix, tree, source)
        source.trace = tree.trace() if tree.root is not source.root else None
        source.root = tree.root

    def corrections(self) -> Iterator[Correction]:
        """Yield what is corrected, in the order of the configuration."""
        for overlay in self._overlays:
            yield from overlay.corrections()
        for fix in self._config.fixes:
            yield Correction(fix.at, fix.why)

    def finish(self, loaded: Spec) -> None:
        """Note the fixes of files that are no part of the document, now that all of it was read."""
        for fix in self._config.fixes:
            name = fix.at.partition("#")[0]
            if name not in self._names:
                hint = _meant(name, self._names - {""})
                message = f"{fix.at} leads nowhere: {quote(name)} is no file of {loaded.path.name}"
                self.problems.append(self._config.problem(f"{fix.key}.at", message, hint))

    # -- fixes ------------------------------

    def _fixed(self, fix: Fix, tree: _Tree, source: Source) -> Iterator[Problem]:
        """Apply one fix; yield what is against it."""
        tokens = [t.replace("~1", "/").replace("~0", "~") for t in fix.at.partition("#")[2].split("/")[1:]]
        location = tree.find(tokens)
        pointer = fix.at[fix.at.index("#") :]

        def place() -> str:
            line, column = source.locate(pointer)
            return f"{source.file}:{line}:{column}"

        if len(location) < len(tokens) - 1 or not isinstance(tree.at(location[: len(tokens) - 1]), dict | list):
            yield self._lost(fix, tokens, location, tree)
        elif len(location) == len(tokens):
            present = tree.at(location)
            if not fix.was:
                hint = _stated(present, "state what it replaces")
                yield self._config.problem(f"{fix.key}.at", f"there is something at {fix.at} already ({place()})", hint)
            elif not _same(present, json.loads(fix.was)):
                said = f"{_short(_json(present))} ({place()})"
                message = f"the document no longer says {_short(fix.was)} at {fix.at}: it says {said}"
                done = fix.now and _same(present, json.loads(fix.now))
                hint = "that is what the fix wants: remove it" if done else _stated(present, "if it is still wrong")
                yield self._config.problem(f"{fix.key}.was", message, hint)
            elif fix.now:
                tree.put(location, json.loads(fix.now))
            else:
                tree.remove(location)
        elif fix.was:
            message = f"the document no longer says {_short(fix.was)} at {fix.at}: nothing is there ({place()})"
            hint = _meant(tokens[-1], tree.keys(location), _above(fix.at)) or "if nothing is missing: remove the fix"
            yield self._config.problem(f"{fix.key}.was", message, hint)
        elif isinstance(tree.at(location), dict):
            tree.put((*location, tokens[-1]), json.loads(fix.now))
        elif tokens[-1] in ("-", str(tree.next_number(location))):
            tree.append(location, [json.loads(fix.now)])
        else:
            message = f"{fix.at} leads nowhere: the list has no item {quote(tokens[-1])} ({place()})"
            yield self._config.problem(f"{fix.key}.at", message, f"to add one to it: {_above(fix.at)}-")

    def _lost(self, fix: Fix, tokens: list[str], location: Location, tree: _Tree) -> Problem:
        """Return the problem of a pointer with a place on its way that does not exist."""
        above = fix.at.partition("#")[0] + "/".join(["#", *map(escape, tokens[: len(location)])])
        found = tree.at(location)
        if not isinstance(found, dict | list):
            return self._config.problem(f"{fix.key}.at", f"{fix.at} leads nowhere: {above} is {kind(found)}")
        message = f"{fix.at} leads nowhere: there is no {quote(tokens[len(location)])} in {above}"
        return self._config.problem(
            f"{fix.key}.at", message, _meant(tokens[len(location)], tree.keys(location), f"{above}/")
        )

    # -- overlays ------------------------------

    def _read_overlays(self) -> Iterator[_Overlay]:
        folder = Path(self._config.file).parent
        real = Path(os.path.realpath(folder))
        for name in self._config.overlays:
            path = folder / name
            if not Path(os.path.realpath(path)).is_relative_to(real):
                hint = "put it beside mcpgen.toml"
                message = f"the overlay {quote(name)} is outside of {folder.as_posix()}/"
                self.problems.append(self._config.problem("overlay", message, hint))
            elif not path.is_file():
                there = {p.name for p in folder.iterdir() if p.is_file()}
                message = f"there is no overlay {quote(name)} in {folder.as_posix()}/"
                self.problems.append(self._config.problem("overlay", message, _meant(name, there)))
            else:
                self.files.append(path)
                try:
                    source = Source(str(path), decode(path, name), name)
                    source.parse(prefer_yaml=path.suffix.lower() != ".json")
                except Rejected as rejected:
                    self.problems += rejected.problems
                    continue
                overlay = _Overlay(source)
                self.problems += [*source.problems, *overlay.problems]
                yield overlay


def _meant(wrong: str, known: Iterable[str], before: str = "") -> str:
    """Return "did you mean …?" when something known is close; `before` is a pointer that ends in "/"."""
    close = get_close_matches(wrong, sorted(known), n=1)
    return f"did you mean {before}{escape(close[0]) if before else close[0]}?" if close else ""


def _above(pointer: str) -> str:
    return pointer.rpartition("/")[0] + "/"


def _json(value: Any) -> str:
    """Return JSON in which every character is seen, and which a string of TOML can hold."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}…"


_STATABLE = 300
"""Characters of a value that a message tells to state."""


def _stated(value: Any, why: str) -> str:
    """Return the line of a fix that states a value of the document, and why; where it is too long, the way out."""
    text = _json(value)
    if len(text) > _STATABLE:
        return "it is too long to be stated: correct a place inside of it, or use an overlay"
    if value is None or isinstance(value, dict | list):
        return f"{why}: was_json = {_json(text)}" if "'" in text else f"{why}: was_json = '{text}'"
    return f"{why}: was = {text}"


def _same(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are equal; true is not 1, and 1.0 is."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(v, other[k]) for k, v in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


# -- what is edited ------------------------------


class _Tree:
    """A JSON value that is edited while what it was made of stays: a container is copied before its first change.

    That is for YAML's aliases, by which places share a node, and for values that a correction puts in several places.
    A location is the way to a node by keys and indices. The items of a list also have numbers, which they keep: those
    of the text, and behind them those that were added.
    """

    def __init__(self, root: Any) -> None:
        self.root = root
        self._mine: dict[int, Any] = {}  # id → a container that only this tree holds, in one place
        self._numbers: dict[int, tuple[list[Any], list[int], int]] = {}  # id → a list, its numbers, the next one

    def at(self, location: Location) -> Any:
        node = self.root
        for token in location:
            node = node[token]
        return node

    def pointer(self, location: Location) -> str:
        """Return the pointer into the text that names a location."""
        return self.trace()("/".join(["#", *(escape(str(token)) for token in location)]))

    def keys(self, location: Location) -> list[str]:
        """Return the tokens that may follow in a pointer."""
        node = self.at(location)
        return list(node) if isinstance(node, dict) else [str(n) for n in self._numbered(node)[0]]

    def next_number(self, location: Location) -> int:
        return self._numbered(self.at(location))[1]

    def find(self, tokens: Sequence[str]) -> Location:
        """Return the location that a pointer into the text names, as far as there is one."""
        node, location = self.root, list[str | int]()
        for token in tokens:
            if isinstance(node, dict) and token in node:
                location.append(token)
            elif isinstance(node, list) and token in map(str, numbers := self._numbered(node)[0]):
                location.append(numbers.index(int(token)))
            else:
                break
            node = node[location[-1]]
        return tuple(location)

    def put(self, location: Location, value: Any) -> None:
        """Place `value` at a key, or in the place of an item."""
        self._own(location[:-1])[location[-1]] = value

    def append(self, location: Location, values: Sequence[Any]) -> None:
        """Add `values` to the list at `location`."""
        node = self._own(location)
        numbers, following = self._numbered(node)
        self._numbers[id(node)] = node, [*numbers, *range(following, following + len(values))], following + len(values)
        node.extend(values)

    def remove(self, location: Location) -> None:
        node, token = self._own(location[:-1]), location[-1]
        if isinstance(node, list):
            numbers, following = self._numbered(node)
            self._numbers[id(node)] = node, [n for i, n in enumerate(numbers) if i != token], following
        del node[token]

    def share(self) -> None:
        """Let the nodes be placed a second time: none of them is changed any more, only copies are."""
        self._mine.clear()

    def trace(self) -> _Trace:
        """Return what leads from pointers into the tree to pointers into the text."""
        lists: dict[str, Sequence[int]] = {}
        if any(n != list(range(len(n))) for _, n, _ in self._numbers.values()):
            todo = [("#", self.root)]
            while todo:
                pointer, node = todo.pop()
                if id(node) in self._numbers:
                    lists[pointer] = self._numbers[id(node)][1]
                inner = node.items() if isinstance(node, dict) else enumerate(node)
                todo.extend((f"{pointer}/{escape(str(k))}", v) for k, v in inner if isinstance(v, dict | list))
        return _Trace(lists)

    def _numbered(self, node: list[Any]) -> tuple[Sequence[int], int]:
        _, numbers, following = self._numbers.get(id(node), (None, range(len(node)), len(node)))
        return numbers, following

    def _own(self, location: Location) -> Any:
        """Return the container at `location`, which may be changed now."""
        node = self.root = self._copied(self.root)
        for token in location:
            node[token] = self._copied(node[token])
            node = node[token]
        return node

    def _copied(self, node: Any) -> Any:
        if id(node) in self._mine:
            return node
        copy = node.copy()
        self._mine[id(copy)] = copy
        if id(node) in self._numbers:
            self._numbers[id(copy)] = copy, *self._numbers[id(node)][1:]
        return copy


@dataclass(frozen=True, slots=True)
class _Trace:
    """Leads from a pointer into the corrected document to one into the text."""

    lists: Mapping[str, Sequence[int]]
    """Pointer of a list → the numbers of its items."""

    def __call__(self, pointer: str) -> str:
        if not self.lists:
            return pointer
        above, *tokens = pointer.split("/")
        shown = [above]
        for token in tokens:
            numbers = self.lists.get(above, ())
            shown.append(str(numbers[int(token)]) if token.isdecimal() and int(token) < len(numbers) else token)
            above += "/" + token
        return "/".join(shown)


# -- overlays ------------------------------

_MODIFIERS = ("update", "copy", "remove")


@dataclass(frozen=True, slots=True)
class _Action:
    """One action of an overlay; `modifier` is update, copy or remove."""

    pointer: str
    target: str
    query: JSONPathQuery
    modifier: str
    value: Any
    description: str


class _Overlay:
    """An overlay document, read and checked (Overlay Specification 1.0.0 and 1.1.0, section "Schema").

    In two points it is stricter than the specification: a target that matches nothing is a problem, and so is an
    action that changes nothing. Where 1.0 is silent it is read as 1.1 says: an update that is a list is appended item
    by item.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.problems: list[Problem] = []
        self._actions: list[_Action] = []
        self._targets_values = True
        self._environment: JSONPathEnvironment | None = None
        self._check(source.root)

    def corrections(self) -> Iterator[Correction]:
        for action in self._actions:
            why = f"{action.description} " if action.description else ""
            yield Correction(action.target, f"{why}({self._source.name})")

    def _wrong(self, message: str, pointer: str, hint: str = "") -> None:
        self.problems.append(self._source.problem_at(message, pointer, hint=hint))

    def _check(self, root: Any) -> None:
        if not isinstance(root, dict) or "overlay" not in root:
            self._wrong("this is no overlay", "#", 'an overlay begins with: overlay: "1.1.0"')
            return
        version = root["overlay"]
        if not (isinstance(version, str) and re.fullmatch(r"1\.[01]\.\d+", version)):
            shown = json.dumps(version, ensure_ascii=False)
            self._wrong(f"unknown Overlay version: {shown}", "#/overlay", "mcpgen reads Overlay 1.0.0 and 1.1.0")
            return
        self._targets_values = version.startswith("1.1")
        self._known(root, "#", ("overlay", "info", "extends", "actions"))
        info = root.get("info")
        for name in ("title", "version"):
            if not (isinstance(info, dict) and isinstance(info.get(name), str)):
                self._wrong(f'the overlay has no text "{name}" in "info"', "#/info" if "info" in root else "#")
        actions = root.get("actions")
        if not isinstance(actions, list) or not actions:
            self._wrong('the overlay has no "actions"', "#/actions" if "actions" in root else "#")
            return
        for index, action in enumerate(actions):
            self._action(action, f"#/actions/{index}")

    def _known(self, node: Mapping[str, Any], at: str, names: Sequence[str]) -> None:
        for name in node:
            if name not in names and not name.startswith("x-"):
                self._wrong(f"unknown key {quote(name)}", f"{at}/{escape(name)}", "known here: " + ", ".join(names))

    def _action(self, node: Any, at: str) -> None:
        if not isinstance(node, dict):
            self._wrong(f"the action is {kind(node)}, not an object", at)
            return
        before = len(self.problems)
        self._known(node, at, ("target", "description", *_MODIFIERS))
        if not isinstance(node.get("remove", False), bool):
            self._wrong('"remove" must be true or false', f"{at}/remove")
        stated = [m for m in _MODIFIERS if m in node and (m != "remove" or node[m] is True)]
        if not self._targets_values:
            if "copy" in stated:
                self._wrong('"copy" came with Overlay 1.1', f"{at}/copy", 'write at the top: overlay: "1.1.0"')
            if "remove" in stated:  # "This field has no impact if the `remove` field of this action object is `true`."
                stated = ["remove"]
        if not stated:
            self._wrong("the action changes nothing", at, 'state one of "update", "copy" and "remove: true"')
        elif len(stated) > 1:
            self._wrong("the action has " + " and ".join(map(quote, stated)), at, "make an action of each")
        query = self._query(node.get("target"), "target", f"{at}/target" if "target" in node else at)
        value = node[stated[0]] if stated else None
        if stated == ["copy"]:
            value = self._query(value, "copy", f"{at}/copy")
        if query is not None and len(self.problems) == before:
            text = node.get("description")
            about = " ".join(text.split()) if isinstance(text, str) else ""
            self._actions.append(_Action(at, node["target"], query, stated[0], value, about))

    def _query(self, text: Any, name: str, at: str) -> JSONPathQuery | None:
        from jsonpath_rfc9535 import JSONPathEnvironment, JSONPathError

        if self._environment is None:
            self._environment = JSONPathEnvironment()
            self._environment.max_recursion_depth = MAX_DEPTH + 1
        if not isinstance(text, str):
            self._wrong(f'"{name}" must be a JSONPath', at)
            return None
        try:
            return self._environment.compile(text)
        except JSONPathError as error:
            hint = "it is read by RFC 9535; a key with other signs than letters, digits and _ stands in ['…']"
            self._wrong(f"{quote(text)} is no JSONPath: {error}", at, hint)
            return None

    # -- applying ------------------------------

    def apply(self, tree: _Tree) -> list[Problem]:
        """Change `tree` by every action; return what is against it."""
        self.problems = []
        for action in self._actions:
            self._apply(action, tree)
        return self.problems

    def _apply(self, action: _Action, tree: _Tree) -> None:
        at = f"{action.pointer}/target"
        found = {n.location: n.value for n in action.query.find(tree.root)}
        if not found:
            self._wrong(f"{quote(action.target)} matches nothing", at, self._closest(action.query, tree))
            return
        kinds = {_sort(v) for v in found.values()}
        if "single values" in kinds and not self._targets_values:
            hint = 'select the object that holds it, or write at the top: overlay: "1.1.0"'
            self._wrong(f"{quote(action.target)} selects single values, which Overlay 1.0 does not change", at, hint)
        elif action.modifier == "remove":
            self._remove(action, found, tree)
        elif len(kinds) > 1:
            self._wrong(f"{quote(action.target)} selects {' and '.join(sorted(kinds))}", at, "make an action of each")
        else:
            value, place = action.value, f"{action.pointer}/{action.modifier}"
            if action.modifier == "copy":
                sources = action.value.find(tree.root)
                if len(sources) != 1:
                    hint = "" if sources else self._closest(action.value, tree)
                    self._wrong(f'"copy" must select one node, and selects {len(sources) or "nothing"}', place, hint)
                    return
                value = sources[0].value
                tree.share()
            if kinds == {"lists"} and not isinstance(value, list):
                value = [value]
            before = len(self.problems)
            for location in found:
                self._merge(tree, location, value, place, action.modifier == "update")
                if len(self.problems) > before:  # what is wrong with one node is wrong with most
                    break

    def _remove(self, action: _Action, found: Mapping[Location, Any], tree: _Tree) -> None:
        if () in found:
            self._wrong("an action cannot remove the whole document", f"{action.pointer}/target")
            return
        # What stood inside of something else goes with it. Last ones first, so that the indices of the others hold.
        kept = [where for where in found if not any(where[:n] in found for n in range(1, len(where)))]
        for where in sorted(kept, reverse=True):
            tree.remove(where)

    def _merge(self, tree: _Tree, location: Location, value: Any, place: str, literal: bool) -> None:
        """Merge `value`, which the overlay has at `place`, or copies from there, into the node at `location`."""
        node = tree.at(location)
        if isinstance(node, dict) and isinstance(value, dict):
            for key, inner in value.items():
                if key in node:
                    at = f"{place}/{escape(key)}" if literal else place
                    self._merge(tree, (*location, key), inner, at, literal)
                else:
                    tree.put((*location, key), inner)
        elif isinstance(node, list) and isinstance(value, list):
            tree.append(location, value)
        elif isinstance(node, dict | list) or isinstance(value, dict | list):
            hint = "to replace it, remove it by an action before"
            message = f"{kind(value)} cannot be merged into {kind(node)}, which is at {tree.pointer(location)}"
            self._wrong(message, place, hint)
        else:
            tree.put(location, value)

    def _closest(self, query: JSONPathQuery, tree: _Tree) -> str:
        """Return how far the target leads, and what was meant there, for a target that matches nothing."""
        from jsonpath_rfc9535 import JSONPathQuery
        from jsonpath_rfc9535.selectors import NameSelector

        for length in reversed(range(len(query.segments))):
            found = JSONPathQuery(env=query.env, segments=query.segments[:length]).find(tree.root)
            if not found:
                continue
            way = "$" + "".join(map(str, query.segments[:length]))
            said = f"{way} is there" if length else ""
            selectors = query.segments[length].selectors
            if len(selectors) == 1 and isinstance(selectors[0], NameSelector):
                known = {k for n in found if isinstance(n.value, dict) for k in n.value}
                if close := get_close_matches(selectors[0].name, sorted(known), n=1):
                    meant = f"did you mean {quote(close[0])} in place of {quote(selectors[0].name)}?"
                    return f"{said}; {meant}" if said else meant
            return said
        return ""


def _sort(value: Any) -> str:
    return "objects" if isinstance(value, dict) else "lists" if isinstance(value, list) else "single values"
