"""Finds what the API's document says about something, because a model should be able to ask before it acts.

Ranked by BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009), summed over the fields of an
entry. Words are cut at capitals and signs, so that `list status pages` finds `listStatusPages`. No request is sent.
"""

from __future__ import annotations

import json
import math
import pkgutil
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Annotated, Any

import anyio.to_thread
from pydantic import Field

from .custom import Api, CustomTool
from .tool import Local

_ROOM = 12_000
"""Characters that the texts of all results have together."""
_WORD = re.compile(r"[^\W\d_]+|\d+")
_CAPITAL = re.compile(r"(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_IGNORED = frozenset(
    [
        "a",
        "about",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "by",
        "can",
        "do",
        "does",
        "for",
        "from",
        "get",
        "has",
        "have",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "it",
        "its",
        "me",
        "my",
        "no",
        "not",
        "of",
        "on",
        "or",
        "our",
        "should",
        "that",
        "the",
        "their",
        "there",
        "these",
        "this",
        "to",
        "was",
        "we",
        "what",
        "when",
        "where",
        "which",
        "who",
        "why",
        "will",
        "with",
        "you",
    ]
)
_WEIGHTS = {"name": 5.0, "tool": 5.0, "path": 2.0, "kind": 1.0, "text": 1.0}
"""How much a word counts that stands in a field."""
_K1, _B = 1.2, 0.75


class SearchDocs(CustomTool):
    """The tool that searches docs.json of its package."""

    query: Annotated[str, Local(), Field(min_length=1, max_length=200)]
    limit: Annotated[int | None, Local(), Field(ge=1, le=20)] = None

    async def run(self, api: Api) -> dict[str, Any]:
        """The entries of the documentation that fit the query; nothing is sent for it."""
        index = await anyio.to_thread.run_sync(_index, __name__.partition(".")[0])
        return index.search(self.query, self.limit or 5)


@cache
def _index(package: str) -> Index:
    """The documentation of a package; it takes a second for the largest APIs, so it is made when it is first needed."""
    data = pkgutil.get_data(package, "docs.json")
    return Index(json.loads(data)["entries"] if data else [])


class Index:
    """The entries of docs.json, ready to be searched."""

    def __init__(self, entries: Sequence[Mapping[str, str]]) -> None:
        self._entries = entries
        self._found: defaultdict[str, dict[int, float]] = defaultdict(dict)
        """For a word the entries in which it stands, each with its weight there."""
        for field, weight in _WEIGHTS.items():
            read = [Counter(_words(entry.get(field, ""))) for entry in entries]
            average = sum(map(Counter.total, read)) / (sum(map(bool, read)) or 1)
            for number, counts in enumerate(read):
                # A word says more among few than among many, and the tenth time it says hardly more than the second.
                length = _K1 * (1 - _B + _B * counts.total() / (average or 1.0))
                for word, count in counts.items():
                    places = self._found[word]
                    places[number] = places.get(number, 0.0) + weight * count / (count + length)

    def search(self, query: str, limit: int) -> dict[str, Any]:
        """The `limit` best entries for a query, as `results`, and as `note` what is to be said about them, if anything.

        The texts of the entries are cut to the lines that have a word of the query where they are long.
        """
        words = list(dict.fromkeys(_words(query)))
        known = [w for w in words if w in self._found and w not in _IGNORED]
        scores: defaultdict[int, float] = defaultdict(float)
        for word in known:
            places = self._found[word]
            rarity = math.log(1 + (len(self._entries) - len(places) + 0.5) / (len(places) + 0.5))
            for number, weight in places.items():
                scores[number] += rarity * weight
        best = sorted(scores, key=lambda number: (-scores[number], number))[:limit]
        room = max(400, _ROOM // max(1, len(best)))
        results = [{**e, "text": _excerpt(e["text"], known, room)} for e in (self._entries[n] for n in best)]
        note = self._note(words, len(scores), len(results))
        return {"results": results, "note": note} if note else {"results": results}

    def _note(self, words: Sequence[str], total: int, shown: int) -> str:
        unknown = [w for w in words if w not in self._found and w not in _IGNORED][:5]
        said = []
        if not total:
            said.append("Nothing in the documentation matches.")
        elif total > shown:
            said.append(f"{shown} of {total} matches, the best first; ask for more with limit, or more exactly.")
        if unknown:
            near = list(dict.fromkeys(n for w in unknown for n in self._near(w)))
            said.append(f"These words do not occur: {', '.join(w[:40] for w in unknown)}.")
            said += [f"Near to them: {', '.join(near)}."] if near else []
        return " ".join(said)

    def _near(self, word: str) -> list[str]:
        """The words of the documentation that look like one that does not occur."""
        from difflib import get_close_matches  # only ever needed for a mistake

        # Of a large API's 20,000 words only those that can be close: comparing all takes a second.
        likely = [w for w in self._found if w[:1] == word[:1] and abs(len(w) - len(word)) <= 3]
        return get_close_matches(word[:40], sorted(likely), 3)


def _words(text: str) -> Iterator[str]:
    """The words of a text in lower case and, where English has one, in the singular."""
    for run in _WORD.findall(text):
        for word in _CAPITAL.split(run):
            yield _singular(word.lower())


def _singular(word: str) -> str:
    """The word without its plural (the S stemmer of Harman, "How effective is suffixing?", 1991)."""
    if len(word) < 4 or word.endswith(("us", "ss")):
        return word
    if word.endswith("ies") and not word.endswith(("aies", "eies")):
        return word[:-3] + "y"
    if word.endswith("es") and not word.endswith(("aes", "ees", "oes")):
        return word[:-1]
    return word.removesuffix("s")


def _excerpt(text: str, words: Sequence[str], room: int) -> str:
    """The text, or where it is longer than `room` its beginning and the lines that have one of the words."""
    if len(text) <= room:
        return text
    wanted = set(words)
    first, *lines = text.split("\n")
    kept = [first[: room // 2]]
    left = room - len(kept[0])
    for line in lines:
        if left > len(line) and not wanted.isdisjoint(_words(line)):
            kept.append(line)
            left -= len(line) + 1
    return "\n".join([*kept, "…"])
