"""Turns a text of the document into a judgement on it: does it say anything, does it explain, does it give orders?

What is taken for an order to the model was tried on every description of the real documents in our corpus: a pattern
stays only if it is silent on all of them, because a linter that cries wolf is switched off. Gaps in patterns are
bounded, so that they run in linear time.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Collection, Iterable
from typing import Any

from ..names import words

__all__ = ["codes", "explains", "hidden", "known_codes", "orders", "repeats", "same_words", "says_it_destroys"]

# -- does it say anything? ------------------------------

_EMPTY = frozenset(
    "a all an and any api at be by can current each endpoint existing for from given has have id identifier ids if in "
    "info information into is it its list of on one only operation or other resource single some specific specified "
    "that the their this to use used using via which will with you your".split()
)
"""Words that tell nothing about a tool."""

_ALIKE = {
    word: group.split()[0]
    for group in (
        "get fetch retrieve return show view read obtain find lookup index query search",
        "create add new post make insert register",
        "update modify edit patch change put set replace",
        "delete remove destroy",
    )
    for word in group.split()
}


def _content(texts: Iterable[str]) -> frozenset[str]:
    """Return the words that carry meaning, in one form each: no plural, no synonym."""
    found = set()
    for text in texts:
        for word in words(text):
            bare = word.rstrip("0123456789") or word
            bare = _ALIKE.get(bare) or _ALIKE.get(bare.removesuffix("s")) or bare
            if word not in _EMPTY and bare not in _EMPTY:
                found.add(bare[:-3] + "y" if bare.endswith("ies") else bare.removesuffix("s"))
    return frozenset(found)


def repeats(text: str, names: Iterable[str]) -> bool:
    """Tell whether a description says nothing beyond the names of a tool: "Get a user." for `get_user`."""
    if len(text) > 200:
        return False
    return _content([re.sub(r"'s\b", "", text)]) <= _content(names) | {"get"}


def same_words(text: str) -> str:
    """Return a text without what makes no difference to a reader: case, signs, blanks."""
    return " ".join(re.findall(r"\w+", text.casefold()))


# -- does it explain? ------------------------------

_KNOWN_CODES = frozenset(
    "age algorithm bytes compression count countries country currencies currency day days direction duration encoding "
    "frequency hash height hour hours http interval lang language languages length limit lng locale locales minute "
    "minutes page percent period port precision quality quantity rate region regions resolution retention second "
    "seconds size sizes state states time timeout timezone ttl tz unit units version width zoom".split()
)
"""Words in the names of arguments whose values everybody knows, or which are quantities: an ISO code, seconds."""

_UNDERSTOOD = frozenset("no ok on up us eu id ip or and xs sm md lg xl s m l am pm gb mb kb tb v1 v2 v3 ca qa".split())


def codes(values: Collection[Any], name: str) -> list[Any]:
    """Return the values of an enum that nobody understands without being told; `name` is what they are values of."""
    found = [v for v in values if _is_code(v)]
    statuses = all(isinstance(v, int) and 100 <= v < 600 for v in values) and {"status", "code"} & {*words(name)}
    return found if 2 * len(found) > len(values) > 1 and not known_codes(name) and not statuses else []


def known_codes(name: str) -> bool:
    """Tell whether the name of an argument says that its values are quantities, or codes that everybody knows."""
    return bool(_KNOWN_CODES & {*words(name)})


def _is_code(value: Any) -> bool:
    if isinstance(value, bool) or value is None:
        return False
    if isinstance(value, int | float):
        return True
    if not isinstance(value, str):
        return False
    if re.fullmatch(r"[0-9]+", value):
        return True
    return bool(re.fullmatch(r"[A-Za-z]{1,2}|[A-Za-z][0-9]{1,4}", value)) and value.lower() not in _UNDERSTOOD


def explains(text: str, values: Collection[Any]) -> bool:
    """Tell whether a text speaks of at least half of the values by name, with words around them."""
    said = [v for v in values if v is not None]
    if len(re.findall(r"[^\W\d_]{2,}", text)) < 2 * min(len(said), 4):
        return False
    named = [v for v in said if re.search(rf"(?<!\w){re.escape(str(v))}(?!\w)", text)]
    return 2 * len(named) >= len(said)


_DESTROYS = re.compile(
    r"(?i)\A\W*(?:permanently |irreversibly |bulk[ -]|immediately )?"
    r"(?:deletes?|destroys?|erases?|purges?|wipes?|permanently removes?|removes?|revokes?|cancels?|terminates?)\b"
    r"|\b(?:cannot|can ?not|can't) be (?:undone|reversed|reverted|restored|recovered)\b|\birreversibl[ey]\b"
)


def says_it_destroys(text: str) -> str:
    """Return the words in which a description says that something is taken away; empty when there are none."""
    found = _DESTROYS.search(text[:600])
    return found[0].strip(" *_`#") if found else ""


# -- does it hide something? ------------------------------

_TAGS = re.compile("[\U000e0001-\U000e007f]")
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f")
"""The flag of a region, such as Scotland's: the one lawful use of tag characters (UTS #51)."""
_TURNED = re.compile("[\u202a-\u202e\u2066-\u2069]")
_ZERO = re.compile("[\u200b\u200c\u200d\u2060-\u2064\ufeff]{4,}")
_SELECTORS = re.compile("(?:[\ufe00-\ufe0f]|[\U000e0100-\U000e01ef]){3,}")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
_COMMENT = re.compile(r"<!--(.*?)(?:-->|\Z)", re.DOTALL)
_BLOB = re.compile(
    r"(?<![A-Za-z0-9+/])(?<![A-Za-z0-9+/]\n)[A-Za-z0-9+/]{40,4000}={0,2}(?![A-Za-z0-9+/=])(?!\n[A-Za-z0-9+/]{20})"
)
"""Not a line of many, as in a certificate."""
_FAR_BELOW = re.compile(r"\n(?:[ \t]*\n){25}|[ \t]{300}")


def hidden(text: str) -> str:
    """Return what a text hides from people, in words; empty for an honest one."""
    if not text.isascii():
        if found := _TAGS.findall(_FLAG.sub("", text)):
            spelled = "".join(chr(ord(c) - 0xE0000) for c in found)
            return f"{len(found)} invisible tag characters, which spell {_shown(spelled)}"
        if match := _TURNED.search(text):
            return f"U+{ord(match[0]):04X}, which turns the direction in which the text is shown"
        if match := _ZERO.search(text):
            return f"{len(match[0])} characters without width in a row"
        if match := _SELECTORS.search(text):
            return f"{len(match[0])} variation selectors in a row, which can carry any text unseen"
    if not text.isprintable() and (match := _CONTROL.search(text)):
        return f"the control character U+{ord(match[0]):04X}"
    if "<!--" in text:
        for match in _COMMENT.finditer(text):
            if order := _order(match[1]):
                return f"an HTML comment that says {_shown(order)}"
    if len(text) > 40:
        for match in _BLOB.finditer(text):
            said = _decoded(match[0])
            if len(re.findall(r"[A-Za-z]{2,} ", said)) >= 4:
                return f"Base64 that reads {_shown(said)}"
        if (match := _FAR_BELOW.search(text)) and (order := _order(text[match.end() :])):
            return f"far below what an editor shows: {_shown(order)}"
    return ""


def _decoded(blob: str) -> str:
    try:
        said = base64.b64decode(blob + "=" * (-len(blob) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return said if said.isprintable() and not said.lstrip().startswith(("{", "[", "<")) else ""


# -- does it give orders? ------------------------------

_MODEL = r"(?:AI|LLM|chatbot|language model)s?(?: (?:agent|assistant|model|system|client)s?)?"
_FILES = (
    r"(?:~/\.\w|\.ssh\b|id_rsa\b|id_ed25519\b|/etc/(?:passwd|shadow)|\.aws/credentials|\.cursor/|mcp\.json|\.env file)"
)
_TALK = r"(?:system prompt|(?:conversation|chat) history|previous messages|(?:full|entire|whole) conversation)"
_ORDERS = tuple(
    (tuple(needles.split("|")), re.compile(pattern, re.IGNORECASE))
    for needles, pattern in (
        # It takes what was said before out of force.
        (
            "ignor|disregard|forget|overrid",
            r"\b(?:ignor|disregard|forget|overrid)(?:es|s|e|ing)?\b[^.\n]{0,30}\b(?:previous|prior|above|earlier|preceding|original|"
            r"your|system)\b[^.\n]{0,20}\b(?:instruction|prompt|rule|guideline|training)s?\b"
            r"|\b(?:ignor|disregard|overrid)(?:es|s|e|ing)?\b[^.\n]{0,20}\btool descriptions?\b",
        ),
        # It keeps something from the user.
        (
            "user|human",
            r"\b(?:do not|don't|never|without)\s+(?:tell|inform|alert)(?:ing)?\s+(?:the |your )?(?:user|human)s?\b"
            r"|\b(?:do not|don't|never|without)\s+(?:mention|reveal|disclos|show|tell)(?:e|ing)?\b[^.\n]{0,40}"
            r"\bto (?:the |your )?(?:user|human)\b"
            r"|\b(?:hide|conceal|keep) (?:this|it|that)\b[^.\n]{0,20}\bfrom (?:the |your )?(?:user|human)s?\b",
        ),
        # It plays another role of the conversation.
        (
            "<|[",
            r"<\s*/?\s*(?:IMPORTANT|system|system[-_ ]?prompt|assistant|instructions?|tool_call|function_calls?)\s*>"
            r"|<\|(?:im_start|start_header_id|system|user|assistant)\|>|\[/?INST\]|<<SYS>>",
        ),
        ("system|assistant", r"(?m:^\W{0,4}(?:SYSTEM|ASSISTANT)(?: (?:PROMPT|MESSAGE|INSTRUCTIONS?))?:\s)"),
        # It speaks to the model, and says what it must do.
        (
            "ai|llm|chatbot|language model",
            rf"\b{_MODEL}\b[^.\n,;:`-]{{0,30}}"
            r"\b(?:must|should always|should never|shall|needs? to|(?:is|are) required to)\b",
        ),
        (
            "tool",
            r"\b(?:when(?:ever)?|before|after|each time) (?:you(?:'re| are)? )?"
            r"(?:use|using|call|calling|invoke|invoking) (?:this|any|any other|another|other) tools?\b",
        ),
        (
            "you are",
            r"\byou are (?:now|no longer) (?:an? |in )?(?:\w+ )?(?:AI|assistant|language model|chatbot|DAN|mode)\b",
        ),
        # It asks for what no call needs.
        (
            "~/|.ssh|id_|/etc/|.aws|.cursor|mcp.json|.env",
            rf"\b(?:read|open|cat|load|include|attach|send|upload|pass|copy|paste|append)\b[^.\n]{{0,60}}{_FILES}",
        ),
        (
            "prompt|history|messages|conversation",
            rf"\b(?:include|attach|send|upload|pass|copy|paste|append|forward)\b[^.\n]{{0,50}}\b{_TALK}\b",
        ),
        (
            "http|@",
            r"\b(?:send|forward|upload|exfiltrate|transmit|post|copy|leak)\b[^.\n]{0,30}\b(?:conversation|messages?|prompts?|"
            r"context|responses?|results?|answers?|credentials?|secrets?|history)\b[^.\n]{0,20}\bto\b[^.,;\n]{0,20}"
            r"(?:https?://|\b[\w.-]{1,40}@[\w-]{1,40}\.\w)",
        ),
    )
)
"""Patterns, each with words of which a text must have one: most texts have none, and need no search."""


def _order(text: str) -> str:
    low = text.lower()
    for needles, pattern in _ORDERS:
        if any(n in low for n in needles):
            for shape in (text, " ".join(text.split())):  # lines matter to roles, and to nothing else
                if found := pattern.search(shape):
                    return found[0]
    return ""


_MENTION = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[_-][A-Za-z0-9]+)+")
_COMMANDED = re.compile(r"(?i)\b(?:call|invoke|run|execute|use)(?: the)?(?: tool)? [`\"']?\w+[_-]")
_COMMANDS = re.compile(
    r"(?i)\b(?:you must|must|always|never|first|be sure to|make sure to|instead of this(?: tool)?,?)\s+"
    r"(?:always |first |also |then |never )?(?:call|invoke|run|execute|use)(?: the)?(?: tool)? [`\"']?\Z"
)


def orders(text: str, tools: Collection[str], own: str = "") -> str:
    """Return the words in which a text orders the model about; empty for one that describes.

    `tools` are the names of all tools, `own` that of the one described: an order to call another one counts too.
    """
    if order := _order(text):
        return _shown(order)
    if _COMMANDED.search(text):
        for match in _MENTION.finditer(text):
            before = text[max(0, match.start() - 60) : match.start()]
            if match[0] != own and match[0] in tools and (said := _COMMANDS.search(before)):
                return _shown(said[0] + match[0])
    return ""


def _shown(text: str) -> str:
    flat = " ".join(text.split())
    return json.dumps(flat if len(flat) <= 80 else f"{flat[:79]}…", ensure_ascii=False)
