"""The tools of the notes server that are more than one call."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field

from .._runtime import About, Api, ApiError, CustomTool, Refused
from .notes import GetNote, ListNotes, NotifyAll, PutNote


class Tagged(BaseModel):
    """A note after the change."""

    text: str
    tags: list[str]
    notified: Annotated[bool, Field(description="Whether everybody was told.")]
    problem: str | None = None


class TagNote(CustomTool):
    """Add a tag to a note, and leave all else as it is. Find notes with {tool:list_notes}.

    With `notify` everybody is told; that may fail although the tag is
    there, so do not repeat the call.
    """

    ABOUT: ClassVar = About("Tag a note", read_only=False, destructive=True, idempotent=True, area="notes")

    id: Annotated[str, Field(min_length=1, description="The note.")]
    tag: Literal["todo", "done"]
    notify: bool = False
    because: Annotated[str | None, Field(description="Why, for the author.")] = None

    async def run(self, api: Api) -> Tagged:
        answer = await api.call(GetNote(id=self.id))
        note = answer["note"]
        tags = sorted({*note.get("tags", ()), self.tag})
        await api.call(PutNote(id=self.id, text=note["text"], tags=tags, author=note.get("author")))
        done = Tagged(text=note["text"], tags=tags, notified=False)
        if self.notify:
            try:
                await api.call(NotifyAll(id=self.id))
                done.notified = True
            except ApiError as error:
                done.problem = f"The tag is there, but nobody was told: {error}."
        return done


class CountMine(CustomTool):
    """Count the notes that the caller wrote."""

    ABOUT: ClassVar = About("Count my notes", read_only=True, destructive=False, idempotent=True, name="count_my_notes")

    most: Annotated[int, Field(ge=1, le=1000)] = 1000

    async def run(self, api: Api) -> Any:
        try:
            me = await api.context("me.name")
        except Refused as error:
            raise Refused(f"the key is nobody's ({error})") from None
        found = await api.call(ListNotes(limit=self.most))
        return f"{sum(n.get('author') == me for n in found['items'])} by {me}: {found['note']}"


class Greet(CustomTool):
    """Say good day. No request is sent."""

    ABOUT: ClassVar = About("Greet", read_only=True, destructive=False, idempotent=True, open_world=False)

    async def run(self, api: Api) -> str:
        return "Good day."
