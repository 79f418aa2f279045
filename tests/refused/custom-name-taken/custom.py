"""A tool with the name of another one."""

from typing import ClassVar

from .._runtime import About, CustomTool


class GetMe(CustomTool):
    """See {tool:get_you} and {tool:get_user}."""

    ABOUT: ClassVar = About("Me", read_only=True, destructive=False, idempotent=True)
