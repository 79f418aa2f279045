"""Turns the pages of a list into one, because a model asks for items and an API gives pages.

What an answer says of the next page is read here; asking for it is `calls`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urljoin, urlsplit

from .tool import InvalidArguments, Marker, Paging, Query, show
from .upstream import ANSWER_LIMIT, Answer, is_json
from .values import load

_MOST_PAGES = 100
"""Requests that one list is read with, however few items an API gives at once."""


def at(value: Any, path: str) -> Any:
    """The value at a path of keys with dots; None where there is none. An empty path is the value itself."""
    for key in filter(None, path.split(".")):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def parsed(answer: Answer, *, exact: bool = False) -> Any:
    """The JSON value of an answer, None when it is none; with `exact`, numbers as `values` has them."""
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if answer.cut or not (is_json(media_type) or not media_type):
        return None
    try:
        return load(answer.body, exact=exact)
    except ValueError:
        return None


class Following(NamedTuple):
    """What follows a page: whether there is more, and where, as far as it can be asked for.

    `query` is the next page's as a whole; `why` is why it is not read: a clause after "because".
    """

    there: bool
    place: Any = None
    query: list[str] | None = None
    why: str = ""


class Pages:
    """A list that is being read, from where a tool's arguments begin up to as many items as they ask for.

    With `exact`, the numbers of its items are as `values` has them.
    """

    def __init__(self, paging: Paging, given: Mapping[str, Any], *, exact: bool = False) -> None:
        count, start = paging.arguments
        self._paging = paging
        self._exact = exact
        self._wanted = min(int(given.get(count, paging.max_items)), paging.max_items)
        self._begun = _begun(paging, start, given.get(start)) if start else None
        if self._begun == _first(paging):
            self._begun = None
        self._total: int | None = None
        self._read: list[Any] = []
        self._bytes = 0
        self._size = 0
        self._following = Following(True, _first(paging) if self._begun is None else self._begun)
        self.items: list[Any] = []

    @property
    def query(self) -> list[str] | None:
        """The whole query of the next page, where the API gave it."""
        return self._following.query

    @property
    def going(self) -> bool:
        """Whether another page is wanted, and can be had."""
        there, place, query, why = self._following
        return there and not why and len(self.items) < self._wanted and (place is not None or query is not None)

    def request(self) -> tuple[list[tuple[str, Marker]], dict[str, Any]]:
        """What asks for the next page, and where it goes."""
        paging, rest = self._paging, self._wanted - len(self.items)
        size = self._wanted if paging.style in ("page", "none") else rest
        self._size = max(paging.least, min(size, paging.page_size))
        said = [("\0limit", paging.limit, self._size), ("\0place", paging.place, self._following.place)]
        sent = [(key, marker) for key, marker, value in said if marker is not None and value is not None]
        return sent, {key: value for key, _, value in said if value is not None}

    def take(self, answer: Answer) -> bool:
        """Add the items of a page and see what follows it; False when the answer has no items."""
        paging = self._paging
        value = parsed(answer, exact=self._exact) if 200 <= answer.status < 300 else None
        items = at(value, paging.items)
        if not isinstance(items, list):
            self.stop(_no_page(answer))
            return False
        if items and items == self.items[-len(items) :] and isinstance(items[0], dict):
            self._following = Following(True, why="the API gave the same page again")
            return True
        self.items += items
        stated = at(value, paging.total) if paging.total else None
        self._total = stated if isinstance(stated, int) and not isinstance(stated, bool) else self._total
        self._bytes += len(answer.body)
        place, query = self._following.place, self._following.query
        self._read.append(query or place)
        following = onward(paging, answer, value, items, self._size, place, self._total)
        step = following.query or following.place
        if step is not None and step in self._read:
            following = Following(True, why="the API led back to a page that was read already")
        elif len(self.items) >= self._wanted or not following.there:
            pass
        elif self._bytes > ANSWER_LIMIT:
            following = following._replace(why=f"what was read so far is larger than {ANSWER_LIMIT // 2**20} MiB")
        elif len(self._read) >= _MOST_PAGES:
            following = following._replace(why=f"it took {_MOST_PAGES} pages to get so far")
        if len(self.items) > self._wanted:  # more than was asked for: the rest of this page is still to be had
            offset = paging.style == "offset"
            following = Following(True, place + len(items) - len(self.items) + self._wanted if offset else None)
        self._following = following
        del self.items[self._wanted :]
        return True

    def stop(self, why: str) -> None:
        """Read no further: a clause after "because"."""
        self._following = self._following._replace(why=why)

    def keep(self, count: int, why: str) -> None:
        """Leave the items behind the first `count` for another call: a clause after "because"."""
        del self.items[count:]
        place = (self._begun or _first(self._paging) or 0) + count if self._paging.style == "offset" else None
        limit, start = self._paging.arguments
        if limit and not (start and place is not None):
            why += f": ask for fewer with `{limit}`"
        self._following = Following(True, place, why=why)

    def note(self) -> str:
        """The sentence about the items."""
        return _told(self._paging, len(self.items), self._total, self._begun, self._following)


def _first(paging: Paging) -> int | None:
    usual = {"offset": 0, "page": 1}.get(paging.style)
    return usual if paging.first is None else paging.first


def _begun(paging: Paging, key: str, value: Any) -> Any:
    """Where a model wants a list to begin; None for its beginning."""
    if paging.style not in ("offset", "page") or value is None:
        return value
    try:
        return int(value)
    except (TypeError, ValueError):
        raise InvalidArguments([f"{key}: must be a whole number (got {show(value)})"]) from None


def _no_page(answer: Answer) -> str:
    if not 200 <= answer.status < 300:
        return f"the next page answered {answer.status} {answer.reason}".strip()
    return f"the next page cannot be read: {answer.cut}" if answer.cut else "the next page is no list like the first"


def onward(
    paging: Paging, answer: Answer, value: Any, items: list[Any], size: int, place: Any, total: int | None
) -> Following:
    """What follows the page at `place` that has these items, of the `size` that was asked for."""
    said = at(value, paging.more) if paging.more else None
    match paging.style:
        case "cursor":
            cursor = _cursor(said, paging.place)
            return Following(False) if cursor in (None, "", place) else Following(True, cursor)
        case "link":
            return next_link(answer)
        case "offset" | "page":
            offset = paging.style == "offset"
            following = place + (len(items) if offset else 1)
            read = following - (_first(paging) or 0)  # items, or pages
            if isinstance(said, bool):
                going = said
            elif isinstance(said, int) and not offset:
                going = read < said  # a number of pages
            elif total is not None:
                going = (read if offset else read * size) < total
            else:
                going = len(items) >= size
            return Following(True, following) if going and items else Following(False)
    full = paging.limit is not None and len(items) >= size
    more = said if isinstance(said, bool) else full if total is None else len(items) < total
    return Following(more, why="" if full or not more else "the API gives no more at once")


def _cursor(said: Any, marker: Marker | None) -> Any:
    """The cursor that an answer names, or that a URL in it has as its parameter; None when there is none."""
    if isinstance(said, bool) or not isinstance(said, str | int):
        return None
    if isinstance(said, str) and isinstance(marker, Query) and "?" in said:
        try:
            named = parse_qs(urlsplit(said).query).get(marker.name)
        except ValueError:
            named = None
        return named[0] if named else said
    return said


def next_link(answer: Answer) -> Following:
    """What `rel="next"` in the header Link (RFC 8288) leads to, as far as it is another page of the same resource."""
    for target, rest in re.findall(r"<([^<>]*)>([^<]*)", answer.headers.get("link", "")):
        relations = re.search(r"""(?i);\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))""", rest)
        if relations is None or "next" not in (relations[1] or relations[2] or "").lower().split():
            continue
        try:
            here, there = urlsplit(answer.url), urlsplit(urljoin(answer.url, target))
            # Behind a proxy an API may not know its own scheme and port; only the query is taken.
            same = (there.hostname, there.path) == (here.hostname, here.path)
        except ValueError:
            same = False
        if same and re.fullmatch(r"[!-~]+", there.query):
            return Following(True, query=there.query.split("&"))
        return Following(True, why="the link to the next page leads elsewhere")
    return Following(False)


def _told(paging: Paging, count: int, total: int | None, begun: Any, following: Following) -> str:
    """The sentence about the items of a result, which begin where the model wanted (`begun`)."""
    noun = "item" if count == 1 else "items"
    some = f"{count:,} of {total:,} items" if total is not None and total > count else f"{count:,} {noun}"
    some = some if begun is not None else f"The first {some}"
    limit, start = paging.arguments
    way = ""
    if start and following.place is not None:
        same = f" and the same `{limit}`" if paging.style == "page" and limit else ""
        way = f"continue with `{start}` {json.dumps(following.place)}{same}"
    if following.why:
        return f"{some}; not all, because {following.why}.{f' To go on, {way}.' if way else ''}"
    if not following.there:
        end = "all there are" if begun is None else "up to the end of the list"
        return f"{count:,} {noun}, {end}." if count else "No items." if begun is None else "No more items."
    rest = f" To go on, {way}." if way else " Narrow the search to see the others."
    if count >= paging.max_items:
        return f"{some}, the most that one call returns; there are more.{rest}"
    if not limit:
        return f"{some}; there are more.{rest}"
    wider = f"ask with a higher `{limit}`, up to {paging.max_items:,}"
    return f"{some}; there are more: {wider}{f', or {way}' if way else ''}."
