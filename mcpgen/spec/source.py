"""Turns the bytes of one file into JSON values whose places can be found again.

JSON is read by `json`, YAML by a builder over libyaml's events: no YAML package gives at once what is needed, namely
the scalars of YAML 1.2 (`no` and `2020-01-01` are texts), keys as they are written (`200`, `1.50`), duplicate keys and
foreign tags with their line, aliases that share one object, and a bound on what these expand to. Nothing here opens
another file or a connection. Positions are computed only when somebody asks for one.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined]
from pathlib import Path
from typing import Any, Final, NoReturn

import yaml

from mcpgen.problems import Problem, Rejected

MAX_BYTES: Final = 100_000_000
"""The largest document of our corpus has 20 MB."""
MAX_DEPTH: Final = 500
"""Levels of objects and lists. Later passes recurse over schemas."""
MAX_ALIAS_NODES: Final = 2_000_000
"""How many nodes the aliases of a YAML document may stand for together (a "billion laughs" stays small)."""


def escape(token: str) -> str:
    """`token` as one part of a JSON pointer (RFC 6901, section 3)."""
    return token.replace("~", "~0").replace("/", "~1")


def quote(text: str) -> str:
    """`text` in quotation marks, as messages show it."""
    return json.dumps(text, ensure_ascii=False)


def kind(value: Any) -> str:
    """What a JSON value is, in the words of a message."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return (
        "an object"
        if isinstance(value, dict)
        else "a list"
        if isinstance(value, list)
        else "a text"
        if isinstance(value, str)
        else "a number"
    )


def decode(path: Path, name: str = "") -> str:
    """The text of the file at `path`, UTF-8 or (with a byte order mark) UTF-16; `name` as in `Source`."""
    file = str(path)
    try:
        if not path.is_file():
            raise Rejected([Problem("this is not a file" if path.exists() else "there is no such file", file=file)])
        if path.stat().st_size > MAX_BYTES:
            raise Rejected([Problem(f"the file is larger than {MAX_BYTES // 1_000_000} MB", file=file)])
        raw = path.read_bytes()
    except OSError as e:
        raise Rejected([Problem(f"the file cannot be read: {e.strerror}", file=file)]) from None
    wide = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
    body = raw if wide else raw.removeprefix(b"\xef\xbb\xbf")
    try:
        text = body.decode("utf-16" if wide else "utf-8")
    except UnicodeDecodeError as e:
        good = body[: e.start].decode("utf-16" if wide else "utf-8", "replace")
        source = Source(file, good, name)
        message = f"byte 0x{body[e.start]:02X} is not valid {'UTF-16' if wide else 'UTF-8'}"
        source.refuse(message, len(good), hint="save the document as UTF-8, for example: iconv -f latin1 -t utf-8")
    source = Source(file, text, name)
    if (at := text.find("\0")) >= 0:
        source.refuse("there is a NUL byte", at, hint="the file is damaged, or it is no text")
    if not text.strip():
        source.refuse(f"{source.alien}the file is empty", 0)
    return text


class Source:
    """A decoded file: its text, what was read from it, and how to find a place in it again.

    `file` is what messages call it. `name` stands before the "#" of its pointers: nothing for the document itself,
    the way from the document's folder for the others. The pointers that the methods take have no name.
    """

    def __init__(self, file: str, text: str, name: str = "") -> None:
        self.file = file
        self.text = text
        self.name = name
        self.alien = "" if name else "this is not an OpenAPI document: "
        self.root: Any = None
        self.problems: list[Problem] = []
        self.is_json = False
        self.trace: Callable[[str], str] | None = None  # of what was corrected: a pointer into `root` → one of the text
        self._places: _JsonPlaces | _YamlPlaces | None = None
        self._lines: list[int] = []  # where each line begins; filled with the first place that is asked for

    def problem(self, message: str, at: int, *, hint: str = "", pointer: str = "") -> Problem:
        """The problem `message` at the character offset `at`."""
        line = self.text.count("\n", 0, at) + 1
        shown = self.name + pointer if pointer else ""
        return Problem(message, shown, hint, self.file, line, at - self.text.rfind("\n", 0, at))

    def problem_at(self, message: str, pointer: str, *, hint: str = "") -> Problem:
        """The problem `message` at the node that `pointer` names."""
        pointer = self.written(pointer)
        return Problem(message, self.name + pointer, hint, self.file, *self.locate(pointer))

    def refuse(self, message: str, at: int, *, hint: str = "") -> NoReturn:
        raise Rejected([self.problem(message, at, hint=hint)])

    def parse(self, *, prefer_yaml: bool) -> None:
        """Fills `root`; raises `Rejected` when the text is neither JSON nor YAML."""
        start = self.text.lstrip()[:1]
        if start == "<":
            hint = "a page was probably saved in place of the document: download it again, signed in if need be"
            self.refuse(f"{self.alien}it is HTML or XML", self.text.index("<"), hint=hint)
        if start in ("{", "["):
            try:
                self.is_json = True
                _parse_json(self)
                return
            except Rejected:
                if not prefer_yaml:
                    raise
                # In a YAML file this may be a flow mapping with what JSON has not: comments, plain texts, a last comma.
                self.is_json = False
                self.problems.clear()
        self.root = _YamlBuilder(self).build()

    def written(self, pointer: str) -> str:
        """The pointer at which the text has what `pointer` leads to; the two differ where lists were corrected."""
        return self.trace(pointer) if self.trace else pointer

    def locate(self, pointer: str) -> tuple[int, int]:
        """Line and column of the key (of the item, in a list) that `pointer` names in the text; (0, 0) without one.

        What a correction put there is found where the nearest node above it stands.
        """
        place = self._locate(pointer)
        while place == (0, 0) and self.trace and "/" in pointer:
            pointer = pointer.rpartition("/")[0]
            place = self._locate(pointer)
        return place

    def _locate(self, pointer: str) -> tuple[int, int]:
        if self._places is None:
            self._places = _JsonPlaces(self.text) if self.is_json else _YamlPlaces(self)
            self._lines = [0, *(m.end() for m in re.finditer("\n", self.text))]
        at = self._places.find(pointer)
        if at is None:
            return 0, 0
        line = bisect_right(self._lines, at)
        return line, at - self._lines[line - 1] + 1


# ---------------------------------------------------------------------------------------------------------------- JSON

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_STRING: Final = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_BRACKET: Final = re.compile(_STRING + r"|([\[{])|([\]}])", re.S)
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_LONE_SURROGATE: Final = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.S
)


class _NotFinite(ValueError):
    pass


def _parse_json(source: Source) -> None:
    text = source.text
    if _SURROGATE.search(text):
        text = source.text = _without_lone_surrogates(source)
    doubled: list[tuple[dict[str, Any], set[str]]] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        node = dict(pairs)
        if len(node) != len(pairs):
            seen: set[str] = set()
            doubled.append((node, {key for key, _ in pairs if key in seen or seen.add(key)}))  # type: ignore[func-returns-value]
        return node

    def finite(number: str) -> float:
        value = float(number)
        if value - value != 0:  # only for NaN and the infinities
            raise _NotFinite(number)
        return value

    try:
        source.root = json.loads(text, object_pairs_hook=members, parse_float=finite, parse_constant=finite)
    except json.JSONDecodeError as e:
        _refuse_json(source, e)
    except _NotFinite as e:
        outside = re.finditer(rf"{_STRING}|({re.escape(str(e))})", text, re.S)
        at = next((m.start() for m in outside if m[1]), 0)
        source.refuse(f"{e} is not a number that JSON can hold", at)
    except RecursionError:
        refuse_depth(source)
    except ValueError:  # int() reads no more digits than sys.get_int_max_str_digits()
        at = next((m.start() for m in re.finditer(rf"{_STRING}|(\d{{4000,}})", text, re.S) if m[1]), 0)
        source.refuse("the number has thousands of digits", at)
    if doubled:
        _report_doubled(source, doubled)


def _without_lone_surrogates(source: Source) -> str:
    """The text with half a surrogate pair, which no UTF-8 output can hold, replaced by U+FFFD (of the same length)."""

    def replace(m: re.Match[str]) -> str:
        if m[1] is None:
            return m[0]
        message = f"\\{m[1]} is half of a surrogate pair; read as U+FFFD"
        source.problems.append(source.problem(message, m.start()))
        return "\\ufffd"

    return _LONE_SURROGATE.sub(replace, source.text)


def _refuse_json(source: Source, e: json.JSONDecodeError) -> NoReturn:
    text, at = source.text, e.pos
    rest = text[at : at + 2]
    before = text[:at].rstrip()
    if rest[:1] in ("}", "]") and before.endswith(","):  # Python 3.13 points to the comma itself
        at = len(before) - 1
    if text[at : at + 1] == "," and text[at + 1 :].lstrip()[:1] in ("}", "]"):
        closing = text[at + 1 :].lstrip()[0]
        source.refuse(f'not valid JSON: a comma before the closing "{closing}"', at, hint="remove the comma")
    if rest in ("//", "/*"):
        source.refuse("not valid JSON: JSON has no comments", at, hint="remove the comment, or name the file .yaml")
    if rest[:1] == "'":
        source.refuse("not valid JSON: a single quote", at, hint="JSON writes texts in double quotes")
    if not text[at:].strip():
        source.refuse("not valid JSON: the document ends too early", len(text.rstrip()), hint="the file is cut off")
    source.refuse(f"not valid JSON: {e.msg[:1].lower()}{e.msg[1:]}", at)


def refuse_depth(source: Source) -> NoReturn:
    depth = at = 0
    for m in _BRACKET.finditer(source.text):
        depth += 1 if m[1] else -1 if m[2] else 0
        if depth > MAX_DEPTH:
            at = m.start()
            break
    source.refuse(f"the document is nested more than {MAX_DEPTH} levels deep", at)


def _report_doubled(source: Source, doubled: list[tuple[dict[str, Any], set[str]]]) -> None:
    keys = {id(node): names for node, names in doubled}
    stack: list[tuple[Any, str]] = [(source.root, "#")]
    while stack:
        node, pointer = stack.pop()
        if isinstance(node, dict):
            for key in sorted(keys.get(id(node), ())):
                place = f"{pointer}/{escape(key)}"
                source.problems.append(source.problem_at(_doubled_message(key), place))
            stack.extend((v, f"{pointer}/{escape(k)}") for k, v in node.items() if isinstance(v, dict | list))
        else:
            stack.extend((v, f"{pointer}/{i}") for i, v in enumerate(node) if isinstance(v, dict | list))


def _doubled_message(key: str) -> str:
    return f"the key {quote(key)} is there more than once; the last one counts"


class _JsonPlaces:
    """Finds a pointer in JSON that is known to be valid; `json`'s C code skips what lies before it."""

    def __init__(self, text: str) -> None:
        self._text = text
        # Objects are read as None: nothing of what is skipped is kept.
        self._skip = json.JSONDecoder(object_pairs_hook=lambda _: None).raw_decode
        self._members: dict[str, dict[str, tuple[int, int]]] = {}

    def find(self, pointer: str) -> int | None:
        at = value = _end(_SPACE, self._text, 0)
        above, *tokens = pointer.split("/")
        if above != "#":
            return None
        for token in tokens:
            if above not in self._members:
                self._members[above] = self._walk(value)
            if token not in self._members[above]:
                return None
            at, value = self._members[above][token]
            above += "/" + token
        return at

    def _walk(self, start: int) -> dict[str, tuple[int, int]]:
        """The members of the object or list at `start`: token → (offset of the key or item, offset of the value)."""
        text, found = self._text, dict[str, tuple[int, int]]()
        if text[start] not in "{[":
            return found
        at = _end(_SPACE, text, start + 1)
        while text[at] not in "}]":
            token, value = str(len(found)), at
            if text[start] == "{":
                key, behind = scanstring(text, at + 1)
                value = _end(_SPACE, text, _end(_SPACE, text, behind) + 1)
                token = escape(key)
            found[token] = at, value
            behind = _end(_SPACE, text, self._skip(text, value)[1])
            at = _end(_SPACE, text, behind + 1) if text[behind] == "," else behind
        return found


def _end(pattern: re.Pattern[str], text: str, start: int) -> int:
    m = pattern.match(text, start)
    return m.end() if m else start


# ---------------------------------------------------------------------------------------------------------------- YAML

_CORE: Final = "tag:yaml.org,2002:"
_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_BASED: Final = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


def _plain(text: str) -> Any:
    """The value of a plain scalar in the core schema of YAML 1.2 (section 10.3.2).

    Digits with a leading zero stay a text: they are an identifier, and 1.1 and 1.2 read them as different numbers.
    Raises `_NotFinite` or `ValueError` (thousands of digits).
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _INTEGER.fullmatch(text):
        digits = text.lstrip("+-")
        return text if digits[0] == "0" and len(digits) > 1 else int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        value = float(text)
        if value - value != 0:
            raise _NotFinite(text)
        return value
    if _NOT_FINITE.fullmatch(text):
        raise _NotFinite(text)
    return text


class _Frame:
    """A list or object that is still open."""

    __slots__ = ("anchor", "height", "key", "merge", "merged", "node", "pointer", "size", "wants_key")

    def __init__(self, node: Any, anchor: str | None, pointer: str) -> None:
        self.node = node
        self.anchor = anchor
        self.pointer = pointer  # known only when positions are wanted or the node has an anchor
        self.wants_key = node.__class__ is dict
        self.key = ""  # the last key that was read; it stays until the next
        self.merge = False  # that key is `<<`
        self.merged: list[tuple[Any, int]] = []  # the values of `<<` and where they begin
        self.size = 1  # nodes in here, an alias counted as all that it stands for
        self.height = 1  # levels in here


@dataclass(frozen=True, slots=True)
class _Anchored:
    node: Any
    size: int
    height: int
    pointer: str


class _YamlBuilder:
    """Builds the value of one YAML document from libyaml's events: one pass, no recursion."""

    def __init__(self, source: Source, places: "_YamlPlaces | None" = None) -> None:
        self._source = source
        self._places = places
        self._root: Any = None
        self._stack: list[_Frame] = []
        self._anchors: dict[str, _Anchored | None] = {}  # None: the node is still open
        self._aliased = 0  # nodes that aliases stand for
        self._names: dict[str, str] = {}  # one object for each different key, as in `json`

    def build(self) -> Any:
        """The document's value. Raises `Rejected` with the place of what is no YAML, too deep or too large."""
        try:
            self._run(yaml.CSafeLoader(self._source.text))
        except yaml.YAMLError as e:
            _refuse_yaml(self._source, e)
        return self._root

    def _run(self, parser: Any) -> None:
        documents = 0
        while (event := parser.get_event()) is not None:
            kind = event.__class__
            if kind is yaml.ScalarEvent:
                self._scalar(event)
            elif kind is yaml.MappingStartEvent:
                self._open(event, {}, "map")
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                self._close()
            elif kind is yaml.SequenceStartEvent:
                self._open(event, [], "seq")
            elif kind is yaml.AliasEvent:
                self._alias(event)
            elif kind is yaml.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    hint = "a file holds one OpenAPI document: split it"
                    self._source.refuse("a second YAML document starts here", event.start_mark.index, hint=hint)

    def _scalar(self, event: Any) -> None:
        at = event.start_mark.index
        plain = event.implicit[0]
        value: Any = event.value
        if self._stack and self._stack[-1].wants_key:
            # A key stays as it is written (`200`, `1.50`, `true`), except that an empty one and "~" are null.
            name = "null" if plain and value in ("", "~") else value
            self._key(name, at, merge=plain and value == "<<")
        else:
            if event.tag is not None:
                value = self._tagged(event)
            elif plain:
                value = self._resolved(event)
            self._put(value, at)
            if self._stack:
                self._grow(1, 1)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(value, 1, 0, self._pointer())

    def _resolved(self, event: Any) -> Any:
        try:
            return _plain(event.value)
        except _NotFinite:
            self._source.refuse(f"{event.value} is not a number that JSON can hold", event.start_mark.index)
        except ValueError:
            self._source.refuse("the number has thousands of digits", event.start_mark.index)

    def _tagged(self, event: Any) -> Any:
        kind = event.tag.removeprefix(_CORE)
        if event.tag == "!" or kind == "str":
            return event.value
        wanted = {"int": int, "float": float, "bool": bool, "null": type(None)}.get(kind)
        if wanted is None:
            self._refuse_tag(event)
        value = self._resolved(event)
        if wanted is float and value.__class__ is int:
            value = float(value)
        if value.__class__ is not wanted:
            message = f"{quote(event.value)} is no value of the tag !!{kind}"
            self._source.refuse(message, event.start_mark.index)
        return value

    def _refuse_tag(self, event: Any) -> NoReturn:
        tag = event.tag
        shown = "!!" + tag.removeprefix(_CORE) if tag.startswith(_CORE) else tag
        hint = "OpenAPI allows only the tags of YAML's JSON schema: write the value itself"
        self._source.refuse(f"the tag {shown} is not supported", event.start_mark.index, hint=hint)

    def _open(self, event: Any, node: Any, tag: str) -> None:
        at = event.start_mark.index
        if event.tag is not None and event.tag not in ("!", _CORE + tag):
            self._refuse_tag(event)
        if len(self._stack) >= MAX_DEPTH:
            self._source.refuse(f"the document is nested more than {MAX_DEPTH} levels deep", at)
        self._put(node, at)
        wanted = event.anchor is not None or self._places is not None
        self._stack.append(_Frame(node, event.anchor, self._pointer() if wanted else ""))
        if event.anchor is not None:
            self._anchors[event.anchor] = None

    def _close(self) -> None:
        frame = self._stack.pop()
        if frame.merged:
            self._merge(frame)
        if frame.anchor is not None:
            self._anchors[frame.anchor] = _Anchored(frame.node, frame.size, frame.height, frame.pointer)
        if self._stack:
            self._grow(frame.size, frame.height + 1)

    def _grow(self, size: int, height: int) -> None:
        above = self._stack[-1]
        above.size += size
        if height > above.height:
            above.height = height

    def _alias(self, event: Any) -> None:
        at = event.start_mark.index
        if event.anchor not in self._anchors:
            self._source.refuse(f"the alias *{event.anchor} has no anchor before it", at)
        anchored = self._anchors[event.anchor]
        if anchored is None:
            hint = "write the recursion as a $ref"
            self._source.refuse(f"the alias *{event.anchor} stands inside of what it names", at, hint=hint)
        self._spend(anchored.size, at)
        if len(self._stack) + anchored.height > MAX_DEPTH:
            self._source.refuse(f"the document is nested more than {MAX_DEPTH} levels deep", at)
        if self._stack and self._stack[-1].wants_key:
            if not isinstance(anchored.node, str):
                self._refuse_key(at)
            self._key(anchored.node, at, merge=False)
            return
        self._put(anchored.node, at)
        self._grow(anchored.size, anchored.height + 1)
        if self._places is not None:
            self._places.stands_for[self._pointer()] = anchored.pointer

    def _spend(self, nodes: int, at: int) -> None:
        self._aliased += nodes
        if self._aliased > MAX_ALIAS_NODES:
            message = f"the aliases of this document stand for more than {MAX_ALIAS_NODES:,} nodes"
            self._source.refuse(message, at, hint="use $ref for what is written once and used often")

    def _refuse_key(self, at: int) -> NoReturn:
        self._source.refuse("a list or an object is used as a key", at, hint="keys are texts; quote it if it is one")

    def _key(self, name: str, at: int, *, merge: bool) -> None:
        frame = self._stack[-1]
        frame.key = name = self._names.setdefault(name, name)
        frame.merge = merge
        frame.wants_key = False
        if merge:
            return
        if self._places is not None:
            self._places.at[f"{frame.pointer}/{escape(name)}"] = at
        elif name in frame.node:
            self._source.problems.append(self._source.problem(_doubled_message(name), at, pointer=self._pointer()))

    def _put(self, value: Any, at: int) -> None:
        """Places `value`, which begins at `at`, where the document has it."""
        if not self._stack:
            self._root = value
            if self._places is not None:
                self._places.at["#"] = at
            return
        frame = self._stack[-1]
        if frame.node.__class__ is list:
            if self._places is not None:
                self._places.at[f"{frame.pointer}/{len(frame.node)}"] = at
            frame.node.append(value)
        elif frame.wants_key:
            self._refuse_key(at)
        else:
            if frame.merge:
                frame.merged.append((value, at))
            else:
                frame.node[frame.key] = value
            frame.wants_key = True

    def _pointer(self) -> str:
        """The pointer of the node that was placed last, or of the key that was read last."""
        parts = (f.key if f.node.__class__ is dict else str(len(f.node) - 1) for f in self._stack)
        return "/".join(("#", *map(escape, parts)))

    def _merge(self, frame: _Frame) -> None:
        """Gives the object the members that `<<` names: its own win, then those of the first base."""
        own = dict(frame.node)
        frame.node.clear()
        for value, at in frame.merged:
            for place, base in (
                [(f"/{i}", v) for i, v in enumerate(value)] if isinstance(value, list) else [("", value)]
            ):
                if not isinstance(base, dict):
                    self._source.refuse("the value of << is neither an object nor a list of objects", at)
                for key, node in base.items():
                    if self._places is not None and key not in frame.node and key not in own:
                        name = escape(key)
                        self._places.stands_for[f"{frame.pointer}/{name}"] = f"{frame.pointer}/<<{place}/{name}"
                    frame.node.setdefault(key, node)
        frame.node.update(own)


class _YamlPlaces:
    """Finds a pointer in YAML that is known to be valid; the first question reads the document again."""

    def __init__(self, source: Source) -> None:
        self.at: dict[str, int] = {}
        self.stands_for: dict[str, str] = {}  # pointer of an alias → pointer of the node with the anchor
        _YamlBuilder(source, self).build()

    def find(self, pointer: str) -> int | None:
        for _ in range(MAX_DEPTH):  # an alias may lead to another alias
            if pointer in self.at:
                return self.at[pointer]
            above = pointer
            while above and above not in self.stands_for:
                above = above.rpartition("/")[0]
            if not above:
                return None
            pointer = self.stands_for[above] + pointer[len(above) :]
        return None


def _refuse_yaml(source: Source, e: yaml.YAMLError) -> NoReturn:
    if isinstance(e, yaml.reader.ReaderError):
        at = min(e.position, len(source.text))
        source.refuse(f"not valid YAML: {e.reason}", at, hint="remove the character or write it as an escape")
    if not isinstance(e, yaml.MarkedYAMLError) or e.problem_mark is None:
        source.refuse(f"not valid YAML: {e}", 0)
    at = e.problem_mark.index
    if source.text[at : at + 1] == "\t":
        source.refuse("not valid YAML: a tab where only spaces may stand", at, hint="indent with spaces")
    if e.context == "while scanning a quoted scalar" and e.context_mark is not None:
        hint = "close the quote, and indent the lines that belong to the text"
        source.refuse("not valid YAML: the quote that opens here is never closed", e.context_mark.index, hint=hint)
    message = f"not valid YAML: {e.problem}"
    if e.context:
        message += f" {e.context}"
        if e.context_mark is not None and e.context_mark.line != e.problem_mark.line:
            message += f" that starts in line {e.context_mark.line + 1}"
    source.refuse(message, at)
