"""Tools that cannot be."""

from typing import Any, ClassVar

from .._runtime import About, Api, CustomTool
from . import users
from .users import GetMe


class Silent(CustomTool):
    ABOUT: ClassVar = About("Silent", read_only=True, destructive=False, idempotent=True)


class Harmless(CustomTool):
    """Says that it only reads."""

    ABOUT: ClassVar = About("Harmless", read_only=True, destructive=False, idempotent=True)

    async def run(self, api: Api) -> Any:
        await api.call(GetMe())
        return await remove(api)


async def remove(api: Api) -> Any:
    return await api.call(users.DeleteUser(id="1"))


class Both(CustomTool):
    """Reads and destroys."""

    ABOUT: ClassVar = About("Both", read_only=True, destructive=True, idempotent=True, area="groups", name="a b")
