"""`--ask-before-writes`: the user is asked through the client, in both eras, before a call that may change anything."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import mcp.types as t
import pytest
from mcp import Client, StdioServerParameters
from test_runtime_server import ERAS, SECRET, Upstream, environment, package, serving, text_of

__all__ = ["package"]

ON = ("--enable-write-tools", "--ask-before-writes")


class User:
    """Somebody who answers every question the same way."""

    def __init__(self, action: Any) -> None:
        self.action = action
        self.asked: list[str] = []

    async def __call__(self, context: Any, params: Any) -> t.ElicitResult:
        self.asked.append(params.message)
        return t.ElicitResult(action=self.action)


async def call(package: Path, mode: str, user: User | None, *arguments: str) -> tuple[Any, Any, list[bytes]]:
    """What a read and a write give, and the requests that the API got, over stdio."""
    async with Upstream().running() as upstream:
        variables = environment(package, MINI_KEY=SECRET, MINI_BASE_URL=upstream.url)
        server = StdioServerParameters(command=sys.executable, args=["-m", "mini_mcp", *arguments], env=variables)
        async with Client(server, mode=mode, elicitation_callback=user) as client:
            read = await client.call_tool("get_thing", {"id": "1"})
            return read, await client.call_tool("create_thing", {"name": f"n {SECRET}"}), upstream.requests


@pytest.mark.parametrize("mode", ERAS)
def test_an_agreed_write_is_sent_once(package: Path, mode: str) -> None:
    user = User("accept")
    read, written, requests = asyncio.run(asyncio.wait_for(call(package, mode, user, *ON), 60))
    assert not read.is_error
    assert not written.is_error
    assert [r.split()[0] for r in requests] == [b"GET", b"POST"]
    assert len(user.asked) == 1  # not for the read
    assert '"name"' in user.asked[0]
    assert SECRET not in user.asked[0]


@pytest.mark.parametrize("mode", ERAS)
@pytest.mark.parametrize("action", ["decline", "cancel"])
def test_without_agreement_nothing_is_sent(package: Path, mode: str, action: str) -> None:
    _, written, requests = asyncio.run(asyncio.wait_for(call(package, mode, User(action), *ON), 60))
    assert written.is_error
    assert "did not agree" in text_of(written)
    assert len(requests) == 1


@pytest.mark.parametrize("mode", ERAS)
def test_a_client_that_cannot_ask_is_refused(package: Path, mode: str) -> None:
    _, written, requests = asyncio.run(asyncio.wait_for(call(package, mode, None, *ON), 60))
    assert written.is_error
    assert "cannot ask" in text_of(written)
    assert len(requests) == 1


@pytest.mark.parametrize("mode", ERAS)
def test_nobody_is_asked_by_default(package: Path, mode: str) -> None:
    user = User("decline")
    _, written, requests = asyncio.run(asyncio.wait_for(call(package, mode, user, "--enable-write-tools"), 60))
    assert not written.is_error
    assert len(requests) == 2
    assert user.asked == []


def test_every_argument_is_in_the_question(package: Path) -> None:
    """A long one does not push the others out of sight."""

    async def main() -> list[str]:
        user = User("decline")
        variables = environment(package, MINI_KEY=SECRET, MINI_BASE_URL="http://127.0.0.1:9")
        server = StdioServerParameters(command=sys.executable, args=["-m", "mini_mcp", *ON], env=variables)
        async with Client(server, elicitation_callback=user) as client:
            await client.call_tool("create_thing", {"note": "x" * 5_000, "size": 2.5, "name": "delete all"})
        return user.asked

    asked = asyncio.run(asyncio.wait_for(main(), 60))
    assert '"name": "delete all"' in asked[0]
    assert len(asked[0]) < 2_500


def test_over_http_too(package: Path) -> None:
    async def main() -> None:
        user = User("accept")
        async with (
            Upstream().running() as upstream,
            serving(package, *ON, MINI_BASE_URL=upstream.url) as url,
            Client(url, mode="2026-07-28", elicitation_callback=user) as client,
        ):
            written = await client.call_tool("create_thing", {"name": "n"})
            assert not written.is_error
            assert len(upstream.requests) == len(user.asked) == 1
            async with Client(url, mode="legacy", elicitation_callback=user) as old:
                refused = await old.call_tool("create_thing", {"name": "n"})
                assert refused.is_error  # there is no way back to ask by
                assert "cannot ask" in text_of(refused)
                assert len(upstream.requests) == 1

    asyncio.run(asyncio.wait_for(main(), 60))


def test_an_answer_is_for_what_was_asked(package: Path) -> None:
    """Agreement to one call does not stand for another one."""

    async def main() -> None:
        async with Upstream().running() as upstream:
            variables = environment(package, MINI_KEY=SECRET, MINI_BASE_URL=upstream.url)
            server = StdioServerParameters(command=sys.executable, args=["-m", "mini_mcp", *ON], env=variables)
            async with Client(server, mode="2026-07-28", elicitation_callback=User("accept")) as client:
                asked = await client.session.call_tool("create_thing", {"name": "a"}, allow_input_required=True)
                agreed = {"consent": t.ElicitResult(action="accept")}
                other = await client.session.call_tool(
                    "create_thing",
                    {"name": "b"},
                    input_responses=agreed,
                    request_state=asked.request_state,
                    allow_input_required=True,
                )
                assert isinstance(other, t.InputRequiredResult)
                assert upstream.requests == []

    asyncio.run(asyncio.wait_for(main(), 60))
