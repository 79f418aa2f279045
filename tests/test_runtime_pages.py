"""What follows a page of a list, and the places that a path such as `layers[].users[].type` leads to."""

from __future__ import annotations

import copy
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "templates"))

from runtime.calls import _holders
from runtime.pages import Following, Pages, next_link, onward, parsed
from runtime.tool import InvalidArguments, Json, Paging, Query
from runtime.upstream import Answer
from runtime.values import dump

END = Following(False)
UNREACHABLE = Following(True, why="the API gives no more at once")
IN_QUERY = Paging("cursor", "a", place=Query("c"), more="n")


def answer(value: Any = None, link: str = "", url: str = "https://api.test/v1/things?per_page=2") -> Answer:
    headers = {"content-type": "application/json", **({"link": link} if link else {})}
    return Answer("GET", url, 200, "OK", headers, json.dumps(value).encode())


# --- what follows a page ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paging", "value", "size", "place", "total", "expected"),
    [
        # offset: what the API says, else the count of all, else whether the page was full
        (Paging("offset", "a", more="more"), {"a": [1, 2], "more": True}, 5, 4, None, Following(True, 6)),
        (Paging("offset", "a", more="more"), {"a": [1, 2], "more": False}, 2, 4, 99, END),
        (Paging("offset", "a", more="more"), {"a": [1, 2], "more": None}, 2, 0, None, Following(True, 2)),
        (Paging("offset", "a", more="more"), {"a": [], "more": True}, 2, 0, None, END),
        (Paging("offset", "a"), {"a": [1, 2]}, 2, 4, 6, END),
        (Paging("offset", "a"), {"a": [1, 2]}, 2, 4, 7, Following(True, 6)),
        (Paging("offset", "a"), {"a": [1]}, 2, 4, None, END),
        (Paging("offset", "a"), {"a": [1, 2, 3]}, 2, 4, None, Following(True, 7)),  # more than was asked for
        (Paging("offset", "a", first=1), {"a": [1, 2]}, 2, 1, 2, END),
        (Paging("offset", "a", first=1), {"a": [1, 2]}, 2, 1, 3, Following(True, 3)),
        # page: a number of pages, or what an offset goes by
        (Paging("page", "a", more="pages"), {"a": [1], "pages": 3}, 2, 2, None, Following(True, 3)),
        (Paging("page", "a", more="pages"), {"a": [1], "pages": 3}, 2, 3, None, END),
        (Paging("page", "a", more="pages", first=0), {"a": [1], "pages": 3}, 2, 2, None, END),
        (Paging("page", "a", more="pages"), {"a": [1], "pages": True}, 2, 3, None, Following(True, 4)),
        (Paging("page", "a"), {"a": [1, 2]}, 2, 2, 4, END),
        (Paging("page", "a"), {"a": [1, 2]}, 2, 2, 5, Following(True, 3)),
        (Paging("page", "a", first=0), {"a": [1, 2]}, 2, 1, 4, END),
        (Paging("page", "a"), {"a": [1, 2]}, 2, 1, None, Following(True, 2)),
        # cursor: a text or a number that is not the one that led here; an empty page is none of the end
        (Paging("cursor", "a", more="m.next"), {"a": [1], "m": {"next": "x"}}, 2, None, None, Following(True, "x")),
        (Paging("cursor", "a", more="m.next"), {"a": [], "m": {"next": 7}}, 2, "x", None, Following(True, 7)),
        (Paging("cursor", "a", more="m.next"), {"a": [1], "m": {"next": "x"}}, 2, "x", None, END),
        (Paging("cursor", "a", more="m.next"), {"a": [1], "m": {"next": ""}}, 2, None, None, END),
        (Paging("cursor", "a", more="m.next"), {"a": [1], "m": {"next": True}}, 2, None, None, END),
        (Paging("cursor", "a", more="m.next"), {"a": [1], "m": {"next": {"id": 1}}}, 2, None, None, END),
        (Paging("cursor", "a", more="m.next"), {"a": [1], "m": [1]}, 2, None, None, END),
        # a URL has the cursor as its parameter; without that it may be a cursor
        (IN_QUERY, {"a": [1], "n": "/x?c=%3D"}, 2, None, None, Following(True, "=")),
        (IN_QUERY, {"a": [1], "n": "a?b"}, 2, None, None, Following(True, "a?b")),
        (IN_QUERY, {"a": [1], "n": "http://[?c=1"}, 2, None, None, Following(True, "http://[?c=1")),
        (replace(IN_QUERY, place=Json("c")), {"a": [1], "n": "/x?c=1"}, 2, None, None, Following(True, "/x?c=1")),
        # none: there may be more, and no way to it
        (Paging("none", "a"), {"a": [1]}, 1, None, None, END),
        (Paging("none", "a", more="more"), {"a": [1], "more": True}, 1, None, None, UNREACHABLE),
        (Paging("none", "a", total="t"), {"a": [1], "t": 2}, 1, None, 2, UNREACHABLE),
    ],
)  # fmt: skip
def test_onward(
    paging: Paging, value: dict[str, Any], size: int, place: Any, total: int | None, expected: Following
) -> None:
    assert onward(paging, answer(value), value, value["a"], size, place, total) == expected


ELSEWHERE = Following(True, why="the link to the next page leads elsewhere")


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("", END),
        ('<https://api.test/v1/things?page=2>; rel="next"', Following(True, query=["page=2"])),
        ("<?a=1&page=2>;rel=next", Following(True, query=["a=1", "page=2"])),
        ("<things?page=2>; REL=Next", Following(True, query=["page=2"])),
        ("</v1/things?page=2>; title=x; rel=next", Following(True, query=["page=2"])),
        ('<?page=1>; rel="prev", <?page=3>; rel="last next"', Following(True, query=["page=3"])),
        ('<?page=2,3>; rel="next", <?page=9>; rel="last"', Following(True, query=["page=2,3"])),
        ("<http://api.test:8080/v1/things?page=2>; rel=next", Following(True, query=["page=2"])),  # behind a proxy
        ("<?page=2#top>; rel=next", Following(True, query=["page=2"])),
        # No next one at all.
        ('<?page=9>; rel="last"', END),
        ('<?page=9>; rel="not-next"', END),
        ('<?page=9>; rel="first"; title="rel=next"', END),
        ("<?page=2>", END),
        ("?page=2; rel=next", END),
        # A next one to which nothing is sent.
        ("<https://evil.test/v1/things?page=2>; rel=next", ELSEWHERE),
        ("<//evil.test/v1/things?page=2>; rel=next", ELSEWHERE),
        ("<https://api.test@evil.test/v1/things?page=2>; rel=next", ELSEWHERE),
        ("</v1/secrets?page=2>; rel=next", ELSEWHERE),
        ("<../v1/things/../secrets?page=2>; rel=next", ELSEWHERE),
        ("<https://api.test/v1/things>; rel=next", ELSEWHERE),
        ("<?page=2 3>; rel=next", ELSEWHERE),
        ("<?page=2\r\nX: 1>; rel=next", ELSEWHERE),
        ("<?page=ä>; rel=next", ELSEWHERE),
        ("<http://[::1?page=2>; rel=next", ELSEWHERE),
        ("<javascript:alert(1)?page=2>; rel=next", ELSEWHERE),
    ],
)
def test_next_link(link: str, expected: Following) -> None:
    assert next_link(answer(link=link)) == expected


# --- a list as a whole ------------------------------------------------------------------------------------------------


def test_an_endless_list_ends() -> None:
    """However few items an API gives, and whatever it says of more: a hundred requests are enough."""
    pages = Pages(Paging("cursor", "a", more="n", place=Query("c")), {"limit": 1000})
    asked = 1
    assert pages.take(answer({"a": [], "n": "cursor-0"}))
    while pages.going:
        assert pages.take(answer({"a": [], "n": f"cursor-{asked}"}))
        asked += 1
    assert asked == 100
    assert pages.note() == "The first 0 items; not all, because it took 100 pages to get so far."


def test_huge_pages_end() -> None:
    """Pages are not collected without bound, unless that is all that was wanted."""
    page = answer({"a": [{"text": "x" * 5_000_000}], "n": "on"})
    pages = Pages(Paging("cursor", "a", more="n"), {"limit": 3})
    other = replace(page, body=page.body.replace(b"on", b"by").replace(b"xx", b"yx", 1))
    assert [pages.take(p) and pages.going for p in (page, other)] == [True, False]
    assert pages.note() == "The first 2 items; not all, because what was read so far is larger than 8 MiB."
    pages = Pages(Paging("cursor", "a", more="n"), {"limit": 2})
    assert [pages.take(p) and pages.going for p in (page, other)] == [True, False]
    assert pages.note() == "The first 2 items; there are more: ask with a higher `limit`, up to 1,000."


@pytest.mark.parametrize("given", ["", "1; drop", None, [1], {"a": 1}])
def test_where_a_list_begins(given: Any) -> None:
    paging = Paging("offset", "a", place=Query("offset"), arguments=("limit", "offset"))
    if given is None:
        assert Pages(paging, {"offset": given}).request()[1]["\0place"] == 0
    else:
        with pytest.raises(InvalidArguments, match="offset: must be a whole number"):
            Pages(paging, {"offset": given})


def test_sizes() -> None:
    """No more is asked for than is wanted; of numbered pages all have one size; an API's own bounds hold."""

    def sizes(paging: Paging, limit: Any, taken: int) -> list[int]:
        pages = Pages(paging, {"limit": limit})
        found = []
        while pages.going:
            found.append(pages.request()[1]["\0limit"])
            pages.take(answer({"a": [{"id": f"{len(found)}.{n}"} for n in range(taken)], "more": True}))
        return found

    offset = Paging("offset", "a", limit=Query("limit"), more="more", page_size=4)
    assert sizes(offset, 10, 4) == [4, 4, 2]
    assert sizes(offset, 10.0, 3) == [4, 4, 4, 1]
    assert sizes(offset, 1, 1) == [1]
    assert sizes(Paging("page", "a", limit=Query("limit"), more="more", page_size=4), 10, 4) == [4, 4, 4]
    assert sizes(Paging("offset", "a", limit=Query("limit"), more="more", page_size=4, least=3), 5, 4) == [4, 3]
    assert sizes(Paging("offset", "a", limit=Query("limit"), more="more", max_items=6), 99, 4) == [6, 2]


def test_what_a_result_cannot_hold_is_left_for_the_next_call() -> None:
    """An offset goes on where the items end; without one, fewer are to be asked for."""

    def note(style: str, given: dict[str, Any], start: str = "") -> str:
        paging = Paging(style, "a", place=Query("p"), total="t", more="n", arguments=("limit", start))
        pages = Pages(paging, given)
        assert pages.take(answer({"a": [{"id": n} for n in range(5)], "t": 5, "n": "x"}))
        pages.keep(2, "it is full")
        assert len(pages.items) == 2
        return pages.note()

    assert (
        note("offset", {}, "p") == "The first 2 of 5 items; not all, because it is full. To go on, continue with `p` 2."
    )
    assert note("offset", {"p": 3}, "p").endswith("To go on, continue with `p` 5.")
    fewer = "The first 2 of 5 items; not all, because it is full: ask for fewer with `limit`."
    assert [note("offset", {}), note("cursor", {}, "p"), note("page", {})] == [fewer] * 3


def test_a_flag_is_no_count() -> None:
    pages = Pages(Paging("offset", "a", total="t"), {"limit": 3})
    pages.request()
    assert pages.take(answer({"a": [1, 2], "t": True}))
    assert pages.note() == "2 items, all there are."


@pytest.mark.parametrize("body", [b'{"a": 1e999}', b"[" * 150 + b"]" * 150, b"[" * 9_000 + b"]" * 9_000, b'{"a": NaN}'])
def test_what_would_break_a_client_is_no_value(body: bytes) -> None:
    assert parsed(replace(answer(), body=body)) is None


def test_digits_are_kept() -> None:
    text = '{"a":0.123456789012345678901,"b":[1.5,-1.00000000000000000001E+30,5e-324],"c":"0.123456789012345678901"}'
    value = parsed(replace(answer(), body=text.encode()), exact=True)
    assert dump(value) == text
    assert parsed(replace(answer(), body=text.encode()))["a"] == 0.12345678901234568


# --- paths into arguments ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value", "after"),
    [
        ("type", {}, {"type": "x"}),
        ("service.type", {"service": {}}, {"service": {"type": "x"}}),
        ("layers[].type", {"layers": [{}, {"type": "old"}, 5]}, {"layers": [{"type": "x"}, {"type": "x"}, 5]}),
        ("a[].b[].c", {"a": [{"b": [{}, {"d": 1}]}, {}]}, {"a": [{"b": [{"c": "x"}, {"d": 1, "c": "x"}]}, {}]}),
        ("a[][].b", {"a": [[{}], [{}]]}, {"a": [[{"b": "x"}], [{"b": "x"}]]}),
        ("include[]", {"include": [1]}, {"include": [1]}),  # items that are no objects hold nothing
        # What is not there, or is something else, is left alone.
        ("service.type", {}, {}),
        ("service.type", {"service": None}, {"service": None}),
        ("service.type", {"service": [{}]}, {"service": [{}]}),
        ("layers[].type", {"layers": {"type": 1}}, {"layers": {"type": 1}}),
        ("layers[].type", {"layers": "x"}, {"layers": "x"}),
    ],
)
def test_holders(path: str, value: dict[str, Any], after: dict[str, Any]) -> None:
    given = copy.deepcopy(value)
    for holder, key in _holders(given, path):
        holder[key] = "x"
    assert given == after
