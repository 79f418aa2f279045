"""What the tests of promises share: for each module, whose `VENDOR` it is about, one mock and the servers before it.

What a module has as `SWITCHES` its shared servers are started with, beside --enable-write-tools.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .harness import WAYS, Api, Loop, Server, Starter, document_of


@pytest.fixture(scope="session")
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


@pytest.fixture(scope="module")
def mock(request: pytest.FixtureRequest, loop: Loop) -> Iterator[Api]:
    """The mock of the vendor's document."""
    made = Api(document_of(request.module.VENDOR.document))

    async def start() -> None:
        made.url = await made.start()

    loop.run(start())
    yield made
    loop.run(made.stop())


@pytest.fixture
def api(mock: Api) -> Api:
    """The mock as it is at the beginning."""
    mock.reset()
    return mock


@pytest.fixture(scope="module")
def started(request: pytest.FixtureRequest, mock: Api, loop: Loop) -> Iterator[Starter]:
    made = Starter(request.module.VENDOR, mock, loop, *getattr(request.module, "SWITCHES", ()))
    yield made
    made.close()


@pytest.fixture
def start(started: Starter, api: Api) -> Starter:
    """Starts servers of one's own, or shared ones."""
    return started


@pytest.fixture(params=WAYS)
def server(request: pytest.FixtureRequest, start: Starter) -> Server:
    """The generated server with its tools that write, over each transport in each era."""
    return start.shared(request.param)
