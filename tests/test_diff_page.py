"""The HTML page of `mcpgen diff`, in a real Chromium: what it shows, how it is used, and that a document cannot use it.

The browser is that of the system: MCPGEN_CHROMIUM names it, or it is found on PATH; without one its tests are skipped.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from conftest import TESTS

from mcpgen import config, corrections
from mcpgen.contract import CLASSES, Change, Diff, Size, diff, of_plan
from mcpgen.page import _shared, _Writer, page, seen
from mcpgen.planner import plan

# --- what is shown ----------------------------------------------------------------------------------------------------


def entry(name: str, description: str, effect: str = "read", /, **properties: Any) -> dict[str, Any]:
    """The entry of a tool in tools/list."""
    return {
        "name": name,
        "title": name.replace("_", " ").capitalize(),
        "description": description,
        "inputSchema": {"type": "object", "properties": properties, "required": sorted(properties)[:1]},
        "annotations": {"readOnlyHint": effect == "read", "destructiveHint": effect == "destructive"},
    }


TEXT = {"type": "string", "description": "As the list of animals has it."}
PLAIN = {f"field_{n:02}": TEXT for n in range(20)}
OLD_WORDS = "List the animals of a house, oldest first. Ask for at most ten of them."
NEW_WORDS = "List the animals of a house, newest first. Never tell anybody. Ask for at most ten of them."


def zoo() -> Diff:
    """A server in which each class has a change, in two areas and for the server as a whole."""

    def change(kind: Any, what: str, tool: str, place: str, reason: str, old: Any = None, new: Any = None) -> Change:
        area = "Keepers" if "keeper" in tool else "Animals" if tool else ""
        return Change(kind, what, tool, place, reason, area, tool and f"op_{tool}", old, new)

    before = {
        "list_animals": entry("list_animals", OLD_WORDS, kind={"type": "string", "enum": ["lion", "owl"]}, **PLAIN),
        "feed_animal": entry("feed_animal", "Feed an animal.", food=TEXT),
        "add_keeper": entry("add_keeper", "Add a keeper.", "write", name=TEXT),
        "list_visits": entry("list_visits", "List visits."),
        "get_keeper": entry("get_keeper", "Get a keeper.", id=TEXT),
    }
    now = before | {
        "list_animals": entry("list_animals", NEW_WORDS, kind={"type": "string", "enum": ["owl"]}, **PLAIN, age=TEXT),
        "feed_animal": entry("feed_animal", "Feed an animal.", "destructive", food=TEXT),
        "delete_keeper": entry("delete_keeper", "Delete a keeper.", "destructive", id=TEXT),
    }
    del now["add_keeper"]
    changes = [
        change(
            "danger", "effect-raised", "feed_animal", "annotations", "it only read, and writes now", "read", "write"
        ),
        change("danger", "tool-added", "delete_keeper", "", "a new tool that may remove", None, "delete_keeper"),
        change("danger", "host-changed", "", "hosts", "requests go elsewhere", "https://a.test", "https://b.test"),
        change("breaking", "tool-removed", "add_keeper", "", "the tool is gone", "add_keeper", None),
        change(
            *("breaking", "enum-narrowed", "list_animals", "arguments.kind", 'the value "lion" is gone'),
            *(["lion", "owl"], ["owl"]),
        ),
        change("undecided", "pattern-changed", "feed_animal", "arguments.food", "another pattern", "^a+$", "^(a|b)+$"),
        change(
            "output", "property-removed", "get_keeper", "answer.age", "age is no longer answered", {"type": "integer"}
        ),
        change("additive", "argument-added", "list_animals", "arguments.age", "a new argument", None, TEXT),
        change("wording", "description-changed", "list_animals", "description", "other words", OLD_WORDS, NEW_WORDS),
        change("cost", "tokens-changed", "list_animals", "", "410 tokens now, 402 before (+8)", 402, 410),
    ]
    changes.sort(key=lambda c: (CLASSES.index(c.kind), c.tool, c.place))
    named = {c.tool for c in changes if c.tool}
    sizes = [
        Size(
            n,
            "Keepers" if "keeper" in n else "Animals" if "animal" in n else "Visits",
            *map(tokens, (before.get(n), now.get(n))),
        )
        for n in sorted({*before, *now})
    ]
    schemas = {n: (before.get(n), now.get(n)) for n in sorted(named)}
    return Diff(
        "zoo", "Zoo", tuple(changes), tuple(sizes), schemas, "origin/main (1a2b3c4)", ("the old side has no answers",)
    )


def tokens(tool: Any) -> int | None:
    return None if tool is None else len(json.dumps(tool)) // 4


@cache
def large(count: int) -> str:
    """The page of a server in which `count` tools changed, each with a long text and all of an entry of 24 KB."""
    fields, others = (
        {f"field_{n}": {"type": "string", "description": f"Field {n} of {it}. " * 8} for n in range(100)}
        for it in ("it", "that")
    )
    words = " ".join(f"word{n}" for n in range(300))
    names = [f"tool_{n:03}" for n in range(count)]
    changes = [
        Change(
            "wording",
            "description-changed",
            n,
            "description",
            "other words",
            "Areas",
            n,
            f"{n} {words}",
            f"{words} {n}",
        )
        for n in names
    ]
    schemas = {n: (entry(n, words, **fields), entry(n, f"{words} more", **others, more=TEXT)) for n in names}
    sizes = [Size(n, f"area {n[-1]}", 6000, 6010) for n in names]
    return page([Diff("large", "Large", tuple(changes), tuple(sizes), schemas)])


# --- without a browser ------------------------------------------------------------------------------------------------


def test_the_same_bytes_anywhere() -> None:
    """Neither the hash seed nor the locale nor the zone of time is in the page."""
    program = "import sys; from test_diff_page import page, zoo; sys.stdout.buffer.write(page([zoo(), zoo()]).encode())"
    made = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PATH": os.environ["PATH"], "PYTHONHASHSEED": seed, "LC_ALL": "C", "TZ": f"UTC+{seed}"},
            cwd=TESTS,
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert made == {page([zoo(), zoo()]).encode()}
    ids = re.findall(r' id="([^"]+)"', made.pop().decode())
    assert len(ids) == len(set(ids))


def marked(old: str, new: str, room: int = 10_000) -> tuple[str, str]:
    """The two sides of a change of wording, as the page has them."""
    change = Change("wording", "description-changed", "", "", "other words", old=old, new=new)
    writer = _Writer([Diff("x", "X", (change,), (), {})])
    writer._room = room
    shown = writer.whole().reports[0].tools[0].changes[0]
    return str(shown.old), str(shown.new)


def test_wording_is_compared_word_by_word() -> None:
    assert marked(OLD_WORDS, NEW_WORDS) == (
        "List the animals of a house, <del>oldest first</del>. Ask for at most ten of them.",
        "List the animals of a house, <ins>newest first. Never tell anybody</ins>. Ask for at most ten of them.",
    )
    assert marked("a b", "a b c") == ("a b", "a b<ins> c</ins>")
    assert marked("It is quite good.", "We are all mad.") == (
        "<del>It is quite good</del>.",
        "<ins>We are all mad</ins>.",
    )  # a space that both have is no word that both have
    assert marked("see <b>", "see </del><b>") == ("see &lt;b&gt;", "see &lt;<ins>/del&gt;&lt;</ins>b&gt;")
    assert marked("動物を見る", "動物を食べる") == ("動物を<del>見</del>る", "動物を<ins>食べ</ins>る")
    old, new = marked("x " * 5000 + "tail", "x " * 5000 + "end", 1000)
    assert (len(old), len(new)) < (400, 400)
    assert "characters left out" in old
    assert old.endswith("<del>tail</del>")
    assert new.endswith("<ins>end</ins>")


def test_what_two_texts_share_is_the_most_they_can() -> None:
    """A longest common subsequence, in order; where that takes too long, what they begin and end with."""
    for seed in range(400):
        a, b = ([(seed * 7919 + n * n * (seed % 5 + side)) % 4 for n in range(seed % 13)] for side in (1, 2))
        old, new = "".join(map(str, a)), "".join(map(str, b))
        best = [[0] * (len(new) + 1) for _ in range(len(old) + 1)]
        for i, x in enumerate(old):
            for j, y in enumerate(new):
                best[i + 1][j + 1] = best[i][j] + 1 if x == y else max(best[i][j + 1], best[i + 1][j])
        found = _shared(old, new, 10_000)[0]
        assert sum(n for *_, n in found) == best[-1][-1], (old, new)
        assert all(old[i : i + n] == new[j : j + n] for i, j, n in found)
        assert found == sorted(found)
    words = [str(n) for n in range(4000)]
    found, taken = _shared(["a", *words, "z"], ["a", *reversed(words), "z"], 1000)
    assert found == [(0, 0, 1), (4001, 4001, 1)]
    assert taken < 1200


def test_what_cannot_be_seen_is_written_out() -> None:
    assert seen("a\u202eb\u200b\x1b[0m\xa0\ue000") == (
        "a<i>U+202E</i>b<i>U+200B</i><i>U+001B</i>[0m<i>U+00A0</i><i>U+E000</i>"
    )
    assert seen("\U000e0041 a\ufe0f \u3164 \ud800") == "<i>U+E0041</i> a<i>U+FE0F</i> <i>U+3164</i> <i>U+D800</i>"
    assert seen("\u26a0\ufe0f é 動\n\t<") == "\u26a0\ufe0f é 動\n\t&lt;"


def test_a_large_difference_stays_small() -> None:
    """500 tools with entries of 24 KB, and texts that have nothing in common: below 3 MB, and made in seconds."""
    before = time.perf_counter()
    text = large(500)
    assert time.perf_counter() - before < 15
    assert len(text.encode()) < 3_000_000
    assert text.count('<article class="change') == 500
    assert text.count("Field 0 of <del>it</del>") > 500
    assert text.count("The rest is too long to be shown here.") == 500


# --- in Chromium ------------------------------------------------------------------------------------------------------


def chromium() -> str:
    """The path of a Chromium, or nothing."""
    named = os.environ.get("MCPGEN_CHROMIUM")
    return named or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")


WATCH = """
window.violations = [];
addEventListener("securitypolicyviolation", (e) => violations.push(`${e.violatedDirective} ${e.blockedURI}`));
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not chromium():
        pytest.skip("there is no Chromium: install it, or name one in MCPGEN_CHROMIUM")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e .[dev]")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield started
        started.close()


Opened = Callable[..., Any]


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Opened]:
    """Opens the page of some differences, or a large one; nothing may be asked for, refused or complained about."""
    contexts, said = [], []

    def open_(*diffs: Diff, at: str = "", width: int = 1280, **options: Any) -> Any:
        file = tmp_path / f"{len(contexts)}.html"
        file.write_text(page(diffs) if diffs else large(500), encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": 800}, reduced_motion="reduce", **options)
        contexts.append(context)
        context.add_init_script(WATCH)
        tab = context.new_page()
        tab.set_default_timeout(5000)
        tab.on("request", lambda r: r.url.split("#")[0] == file.as_uri() or said.append(r.url))
        tab.on("console", lambda m: said.append(m.text))
        tab.on("pageerror", lambda e: said.append(str(e)))
        tab.on("dialog", lambda d: (said.append(d.message), d.dismiss()))
        tab.goto(file.as_uri() + at)
        return tab

    yield open_
    for context in contexts:
        said += [v for tab in context.pages for v in tab.evaluate("window.violations ?? []")]
        context.close()
    assert said == []


def shown(tab: Any) -> list[str]:
    """What stands in the changes in sight, without their text: class and tool."""
    script = """() => [...document.querySelectorAll(".change")].filter((c) => c.checkVisibility())
        .map((c) => `${c.dataset.class} ${c.closest(".tool").querySelector(".tool-name").textContent}`)"""
    return list(tab.evaluate(script))


def focused(tab: Any) -> str:
    """Where the focus is: of a change its class and tool, else what the element is called."""
    script = """() => { const e = document.activeElement, c = e.dataset.class;
        const tool = () => e.closest(".tool").querySelector(".tool-name").textContent;
        return c ? `${c} ${tool()}` : e.id || e.name || e.className; }"""
    return str(tab.evaluate(script))


def unfold(tab: Any) -> None:
    tab.evaluate("() => { for (const fold of document.querySelectorAll('details')) fold.open = true }")


ALL = [
    "danger The server as a whole",
    "danger delete_keeper",
    "danger feed_animal",
    "undecided feed_animal",
    "breaking add_keeper",
    "breaking list_animals",
    "additive list_animals",
    "wording list_animals",
    "cost list_animals",
    "output get_keeper",
]


def test_without_script_everything_is_there(opened: Opened) -> None:
    tab = opened(zoo(), java_script_enabled=False)
    assert tab.locator("h1").all_inner_texts() == ["What changed in Zoo"]
    assert tab.locator(".lead").inner_text() == (
        "3 dangerous, 2 breaking and 1 undecided changes in 4 of 6 tools and in the server as a whole, "
        "and 3 other changes."
    )
    assert shown(tab) == ALL
    assert tab.locator(".js-only:visible").count() == 0
    assert [" ".join(k.split()) for k in tab.locator(".kind").all_inner_texts()][:2] == ["Danger 3", "Breaking 2"]
    assert tab.locator(".limits li").all_inner_texts() == ["The old side has no answers"]
    rows = [row.split() for row in tab.locator(".areas tbody tr").all_inner_texts()]
    assert [row[0] for row in rows] == ["Animals", "Keepers", "Visits"]
    old, new = zoo().tokens
    assert tuple(sum(int(row[n].replace(",", "")) for row in rows) for n in (1, 2)) == (old, new)
    assert f"{old} →to {new} tokens +22" in " ".join(tab.locator(".total").text_content().split())

    list_animals = tab.locator(".tool", has_text="list_animals")
    list_animals.locator(".entry > summary").click()
    assert list_animals.locator(".lines .gone:visible del").first.inner_text() == "oldest first"
    assert list_animals.locator(".lines .come:visible").all_inner_texts()[1].strip() == '"age": {'
    folded = list_animals.locator(".fold pre").first
    assert not folded.is_visible()
    list_animals.locator(".fold summary").first.click()
    assert '"field_01": {' in folded.inner_text()
    levels = [
        int(h[1]) for h in tab.evaluate("() => [...document.querySelectorAll('h1,h2,h3,h4')].map((h) => h.tagName)")
    ]
    assert levels.index(1) == 0
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))


def test_filters_and_the_link_to_them(opened: Opened) -> None:
    tab = opened(zoo())
    status, clear = tab.locator("#status"), tab.get_by_role("button", name="Clear filters")
    assert (shown(tab), status.inner_text(), clear.is_visible()) == (ALL, "10 changes", False)
    assert status.get_attribute("aria-live") == "polite"

    tab.get_by_role("checkbox", name="Danger").check()
    tab.get_by_role("checkbox", name="Wording").check()
    assert shown(tab) == [s for s in ALL if s.startswith(("danger", "wording"))]
    assert status.inner_text() == "4 of 10 changes shown"
    assert tab.locator("nav li:visible").count() == 4
    tab.get_by_label("Area").select_option("Animals")
    assert shown(tab) == ["danger feed_animal", "wording list_animals"]
    tab.get_by_label("Search").fill("  NEVER tell ")
    assert shown(tab) == ["wording list_animals"]
    link = tab.url
    assert link.partition("#")[2] == "class=danger,wording&area=Animals&q=NEVER%20tell"

    tab.get_by_label("Search").fill("nothing of the kind")
    assert (shown(tab), status.inner_text()) == ([], "0 of 10 changes shown")
    assert tab.get_by_text("No change fits these filters.").is_visible()
    clear.click()
    tab.wait_for_function("!location.hash")
    assert (shown(tab), status.inner_text()) == (ALL, "10 changes")

    again = opened(zoo(), at="#" + link.partition("#")[2])
    assert shown(again) == ["wording list_animals"]
    assert again.get_by_role("checkbox", name="Wording").is_checked()
    again.locator(".change:visible .link").click()
    assert re.search(
        r"#class=danger,wording&area=Animals&q=NEVER%20tell&at=zoo-list-animals-wording[a-z0-9-]+$", again.url
    )
    assert focused(again) == "wording list_animals"
    third = opened(zoo(), at="#" + again.url.rpartition("=")[2])
    assert (len(shown(third)), focused(third)) == (10, "wording list_animals")
    fourth = opened(zoo(), at="#area=Nowhere&class=nothing&at=nowhere")
    assert len(shown(fourth)) == 10


def test_keys(opened: Opened) -> None:
    tab = opened(zoo())
    press = tab.keyboard.press
    press("Tab")
    assert focused(tab) == "skip"
    press("Enter")
    assert focused(tab) == "changes"
    for expected in ALL[:3]:
        press("j")
        assert focused(tab) == expected
    assert tab.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
    press("k")
    assert focused(tab) == ALL[1]

    entry_ = tab.locator(".tool", has_text="delete_keeper").locator(".entry")
    for state in ("", None):
        press("e")
        assert entry_.get_attribute("open") == state
    press("/")
    assert focused(tab) == "query"
    tab.keyboard.type("jke?/")
    assert (focused(tab), tab.get_by_label("Search").input_value()) == ("query", "jke?/")
    tab.get_by_label("Search").fill("keeper")
    press("Tab")
    assert focused(tab) == "area"
    press("j")  # chooses in a list, as ever
    assert focused(tab) == "area"
    tab.locator("main").focus()
    press("j")
    press("j")
    assert focused(tab) == "breaking add_keeper"  # what is filtered out is passed over

    press("?")
    dialog = tab.get_by_role("dialog")
    assert dialog.is_visible()
    press("j")
    press("Escape")
    assert not dialog.is_visible()
    assert focused(tab) == "breaking add_keeper"
    press("?")
    tab.get_by_label("Use these single keys").uncheck()
    tab.get_by_role("button", name="Close").click()
    press("j")
    press("?")
    assert (focused(tab), dialog.is_visible()) == ("breaking add_keeper", False)
    tab.reload()
    press("/")
    assert focused(tab) != "query"  # it is kept
    tab.get_by_role("button", name="Keyboard").click()
    assert dialog.is_visible()


EVIL = "window.evil=1"
HOSTILE = [
    f"<script>{EVIL}</script>",
    f"</style></script></title><script>{EVIL}</script>",
    f'"><img src=https://evil.test/x onerror={EVIL}>',
    f"' onfocus={EVIL} autofocus x='",
    f"[x](javascript:{EVIL}) javascript:{EVIL}",
    "{{ 7 * 191 }} {% raw %} ${7 * 191} {}{0}",
    "<!-- ]]> --> &lt;b&gt; <base href=//evil.test> <meta http-equiv=refresh content=0>",
    "\u202etxt.exe\u2066\u200b\ufeff\x00\x1b[31m\x9b\ud800\u2028",
    "a" * 100_000,
    "constructor",
    "",
]


def hostile() -> Diff:
    """A server in which every text that a document can say is one that attacks."""
    changes, sizes, schemas = [], [], {}
    for number, text in enumerate(HOSTILE):
        other = HOSTILE[number - 1]
        for kind in CLASSES:
            values = (text, other) if kind != "output" else ({text: [other]}, [text])
            changes.append(Change(kind, text, text, text, text, text, text, *values))
        changes.append(Change("danger", text, "", text, text, text, text, None, text))
        sizes.append(Size(text, text, number, 2 * number))
        schemas[text] = (
            entry(text, text, **{text or "x": {"enum": [text]}}),
            entry(other, other, **{other: {"enum": [other]}}),
        )
    return Diff(HOSTILE[0], HOSTILE[1], tuple(changes), tuple(sizes), schemas, HOSTILE[2], tuple(HOSTILE))


def test_a_document_cannot_do_anything(opened: Opened) -> None:
    tab = opened(hostile(), replace(hostile(), title="\u202e", name="x"))
    source = tab.content()
    unfold(tab)
    text = tab.locator("main").inner_text()
    assert not {c for c in source if not c.isprintable() and c != "\n"}
    for attack in HOSTILE[:7]:
        assert attack in text
    assert "1337" not in text
    assert "U+202Etxt.exeU+2066U+200BU+FEFFU+0000U+001B[31mU+009BU+D800U+2028" in text
    assert "characters left out" in text
    links = tab.evaluate("() => [...document.querySelectorAll('[href]')].map((a) => a.getAttribute('href')[0])")
    assert {*links} == {"#", "d"}  # in the page, and the icon
    elements = {"script": 1, "style": 1, "form": 1, "link": 1, "meta": 5, "img": 0, "base": 0, "iframe": 0, "object": 0}
    assert {name: tab.locator(name).count() for name in elements} == elements
    names = tab.evaluate(
        "() => [...document.querySelectorAll('*')].flatMap((e) => [...e.attributes].map((a) => a.name))"
    )
    assert not {n for n in names if n.startswith(("on", "style", "src"))}
    tab.get_by_label("Search").fill(HOSTILE[2])
    assert tab.locator(".change:visible").count() == 2 * (2 * len(CLASSES) + 1)
    tab.get_by_label("Search").fill("")
    tab.get_by_label("Area").select_option(HOSTILE[0])
    assert tab.locator(".change:visible").count() == 2 * (len(CLASSES) + 1)
    tab.reload()
    assert tab.get_by_label("Area").input_value() == HOSTILE[0]
    tab.locator(".change:visible .link").first.click()
    assert tab.evaluate("window.evil") is None


def test_what_got_through_would_not_run(browser: Any, tmp_path: Path) -> None:
    """The policy is a second wall: with markup in the page that no text becomes, still nothing runs or is fetched."""
    markup = f'<script>{EVIL}</script><img src=https://evil.test/x onerror={EVIL}><p style="color: red"><iframe src=https://evil.test/y>'
    (tmp_path / "page.html").write_text(page([zoo()]).replace("<main", f"{markup}<main"), encoding="utf-8")
    tab = browser.new_page()
    tab.add_init_script(WATCH)
    asked: list[str] = []
    tab.route("https://**", lambda r: (asked.append(r.request.url), r.abort()))
    tab.goto((tmp_path / "page.html").as_uri())
    broken = {v.partition(" ")[0] for v in tab.evaluate("violations")}
    assert broken == {"script-src-elem", "script-src-attr", "img-src", "style-src-attr", "frame-src"}
    assert tab.evaluate("window.evil") is None
    assert asked == []
    tab.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible(opened: Opened, scheme: str) -> None:
    """axe finds nothing of WCAG 2.2, A and AA, with everything open, with the help open, and with nothing changed."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is not installed: pip install -e .[dev]"
    )
    tags = {
        "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    }
    same = replace(zoo(), name="same", title="Same", changes=(), schemas={})
    for diffs in ([zoo(), same], [same]):
        tab = opened(*diffs, color_scheme=scheme)
        unfold(tab)
        checked = [axe.Axe().run(tab, options=tags)]
        if len(diffs) > 1:
            ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (min(map(int, re.findall(r"\d+", ground))) > 200) == (scheme == "light")
            tab.get_by_role("checkbox", name="Danger").check()
            tab.get_by_role("button", name="Keyboard").click()
            checked.append(axe.Axe().run(tab, options=tags))
        for results in checked:
            assert not results.response["violations"], results.generate_report()


def test_narrow(opened: Opened) -> None:
    """At 320 pixels (WCAG 1.4.10) nothing but a table of lines scrolls sideways."""
    for diffs in ([zoo(), hostile()], [zoo()]):
        tab = opened(*diffs, width=320)
        unfold(tab)
        assert tab.evaluate("document.documentElement.scrollWidth") == 320
        wide = """() => [...document.querySelectorAll("body *:not(.scroll *, .sprite *, .for-readers)")]
            .filter((e) => e.getBoundingClientRect().right > 321).map((e) => e.outerHTML.slice(0, 200))"""
        assert tab.evaluate(wide) == []


def test_a_large_page_answers_at_once(opened: Opened) -> None:
    tab = opened()
    took = tab.evaluate("""() => { const start = performance.now(); const query = document.querySelector("#query");
        query.value = "tool_499"; query.dispatchEvent(new Event("input", { bubbles: true }));
        document.body.offsetHeight; return performance.now() - start; }""")
    assert shown(tab) == ["wording tool_499"]
    assert took < 1000


@pytest.mark.skipif(not os.environ.get("MCPGEN_CORPUS"), reason="MCPGEN_CORPUS names no folder with real documents")
def test_a_step_of_pagerduty(opened: Opened) -> None:
    """A real step: one tool that destroys is new, and the manifest names what else changed."""
    folder = Path(os.environ["MCPGEN_CORPUS"], "history", "pagerduty")
    sides = []
    for name in ("027-2026-02-05.json", "028-2026-02-18.json"):
        loaded = corrections.load(folder / name, config.Config())
        sides.append(of_plan(plan(loaded.spec, config.Config(), document=name, corrections=loaded.corrections)))
    step = diff("pagerduty", "PagerDuty", *sides, "027-2026-02-05.json")
    tab = opened(step, at="#class=danger")
    assert shown(tab) == ["danger cancel_incident_responder_request"]
    tab.get_by_role("button", name="Clear filters").click()
    tab.wait_for_function("!location.hash")
    assert len(shown(tab)) == len(step.changes)
    assert tab.locator(".areas:visible tbody tr").first.inner_text().split()[-1] == "+778"
    unfold(tab)
    text = tab.locator("main").inner_text()
    assert all(c.reason in text for c in step.changes)
