"""Turns strings and places of a document into Python and tool names.

A name comes from the place it names, never from a counter or from the order in which things were met, so that an
addition upstream leaves every other name alone. Names that fold into one are told apart by more of their place.
"""

from __future__ import annotations

import hashlib
import keyword
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Hashable, Iterable, Mapping
from functools import lru_cache
from typing import TypeVar

K = TypeVar("K", bound=Hashable)

__all__ = [
    "argument_key",
    "ascii_of",
    "field_name",
    "mentioned_tools",
    "named_tools",
    "pascal",
    "settle",
    "slug",
    "snake",
    "title_of",
    "tool_name",
    "words",
]

TOOL_NAME_LIMIT = 56
"""Clients prefix the server's name; the API's own limit is 64 (MCP, and the OpenAI and Gemini tool APIs)."""

_PREFERRED = 40
"""Names above this lose letters in long words that everybody abbreviates."""

KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What every model API takes as a property key."""

TOOL_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
"""What somebody may call a tool, as every model API takes it; `TOOL_NAME_HINT` says so."""

TOOL_NAME_HINT = "write a letter, then up to 63 of a-z 0-9 _ -"

_MENTION = re.compile(r"\{tool:([A-Za-z0-9_-]+)\}")

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+[0-9]*|[A-Z]+[0-9]*|[0-9]+")

_SHORT = {
    "administrator": "admin",
    "administrators": "admins",
    "application": "app",
    "applications": "apps",
    "authentication": "auth",
    "authorization": "authz",
    "configuration": "config",
    "configurations": "configs",
    "environment": "env",
    "environments": "envs",
    "information": "info",
    "notification": "notif",
    "notifications": "notifs",
    "organization": "org",
    "organizations": "orgs",
    "permission": "perm",
    "permissions": "perms",
    "repositories": "repos",
    "repository": "repo",
    "subscription": "sub",
    "subscriptions": "subs",
}

_FIELD_RESERVED = (
    frozenset(keyword.kwlist)
    | {"bool", "dict", "float", "int", "list", "str"}
    | {"Annotated", "Any", "ClassVar", "ConfigDict", "Field", "Literal", "RootModel", "Union"}
    | {"self", "cls", "root", "copy", "json", "schema", "validate", "construct", "parse_obj", "parse_raw"}
    | {"parse_file", "from_orm", "fields", "update_forward_refs", "schema_json", "OPERATION"}
)


def ascii_of(text: str) -> str:
    """Return `text` in ASCII: accents are dropped (NFKD), other scripts vanish."""
    return unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode()


def digest(text: str, length: int = 6) -> str:
    """Return a short stable hexadecimal digest of `text`."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def words(text: str) -> list[str]:
    """Split an identifier of any style into lower-case words: `listIPAddresses2` → list, ip, addresses2."""
    return [w.lower() for w in _WORD.findall(ascii_of(text).replace("OAuth", "Oauth"))]


def snake(text: str, otherwise: str = "x") -> str:
    """Return `text` as a snake_case identifier that starts with a letter; `otherwise` when nothing is left of it."""
    parts = words(text)
    if not parts:
        return f"{otherwise}_{digest(text)}" if text.strip() else otherwise
    joined = "_".join(parts)
    return joined if joined[0].isalpha() else f"{otherwise}_{joined}"


def slug(text: str, otherwise: str = "api") -> str:
    """Return `text` as a lower-case, dash-separated name, for packages and folders."""
    return snake(text, otherwise).replace("_", "-")


def pascal(text: str, otherwise: str = "Model") -> str:
    """Return `text` as a PascalCase class name; digests stand in for scripts that ASCII cannot write."""
    parts = words(text)
    if not parts:
        return otherwise + digest(text).upper() if text.strip() else otherwise
    joined = "".join(p.capitalize() for p in parts)
    return joined if joined[0].isalpha() else otherwise + joined


def title_of(name: str) -> str:
    """Return a snake_case name as a title for people: `list_incidents` → List incidents."""
    return " ".join(words(name)).capitalize() or name


def tool_name(text: str) -> str:
    """Return a tool name of at most `TOOL_NAME_LIMIT` characters out of an operationId or of a verb and a path.

    Names above 40 characters lose letters in known long words, those above the limit their last words to a digest of
    the whole.
    """
    name = snake(text, "call")
    if len(name) <= _PREFERRED:
        return name
    short = "_".join(_SHORT.get(w, w) for w in name.split("_"))
    if len(short) <= TOOL_NAME_LIMIT:
        return short
    tail = "_" + digest(text)
    kept = ""
    for word in short.split("_"):
        longer = f"{kept}_{word}" if kept else word
        if len(longer) + len(tail) > TOOL_NAME_LIMIT:
            break
        kept = longer
    return (kept or short[: TOOL_NAME_LIMIT - len(tail)]) + tail


@lru_cache(maxsize=100_000)
def argument_key(wire: str) -> str:
    """Return the property key under which the model sees a wire name.

    A name that every model API takes stays as it is; `team_ids[]` loses its brackets, `filter[name]` becomes
    `filter_name`, `StartTime<` and `StartTime>` say `_lt` and `_gt`.
    """
    bare = wire.removesuffix("[]")
    if KEY.fullmatch(bare):
        return bare
    text = bare
    for sign, word in (("<=", "_lte"), (">=", "_gte"), ("!=", "_ne"), ("<", "_lt"), (">", "_gt"), ("=", "_eq")):
        text = text.replace(sign, word)
    text = re.sub(r"[^A-Za-z0-9_-]+", "_", ascii_of(text)).strip("_")
    if not text:
        return f"arg_{digest(wire)}"
    return text if len(text) <= 64 else f"{text[:57]}_{digest(wire)}"


def field_name(key: str, taken: Container[str] = ()) -> str:
    """Return the Python attribute for a property key: an identifier that pydantic, Python and `taken` leave alone."""
    name = re.sub(r"\W", "_", ascii_of(key)).lstrip("_")
    if not name or not name.strip("_"):
        name = f"field_{digest(key)}"
    if not name[0].isalpha():
        name = f"field_{name}"
    if name in _FIELD_RESERVED or name in taken or name.startswith("model_") or keyword.issoftkeyword(name):
        name += "_"
    return name


def named_tools(text: str) -> str:
    """Return a text of the configuration in which `{tool:name}` is the name of a tool."""
    return _MENTION.sub(r"\1", text)


def mentioned_tools(text: str) -> list[str]:
    """Return the tools that a text of the configuration names with `{tool:name}`."""
    return _MENTION.findall(text)


def settle(
    wanted: Mapping[K, str], ladders: Callable[[K], Iterable[str]], taken: Iterable[str] = (), joint: str = "_"
) -> dict[K, str]:
    """Give every key a name of its own.

    `wanted` maps keys to the names they would like; keys whose names fold into one (case is ignored) all move to
    their next name in `ladders(key)`, and at the ladder's end to that end and a digest of the key. Keys that do not
    collide keep their names. The result does not depend on the order of `wanted`.
    """
    used = {t.lower() for t in taken}
    names = dict(wanted)
    steps = {k: iter(ladders(k)) for k in wanted}
    for _ in range(8):
        groups: defaultdict[str, list[K]] = defaultdict(list)
        for key, name in names.items():
            groups[name.lower()].append(key)
        clashing = [k for n, ks in groups.items() if len(ks) > 1 or n in used for k in ks]
        if not clashing:
            return names
        for key in clashing:
            names[key] = next(steps[key], f"{names[key]}{joint}{digest(repr(key))}")
    raise AssertionError("names that cannot be told apart: " + ", ".join(sorted(Counter(names.values()))))
