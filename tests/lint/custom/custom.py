from typing import Any, ClassVar

from .._runtime import About, Api, CustomTool
from .animals import ListAnimals


class CountAnimals(CustomTool):
    """Count the animals."""

    ABOUT: ClassVar = About("Count", read_only=True, destructive=False, idempotent=True, area="animals")

    kind: str

    async def run(self, api: Api) -> Any:
        return len(await api.call(ListAnimals()))
