"""Turns what is wrong with an input into one sentence with its place, because every module reports the same way.

A `Problem` is said, a `Rejected` is raised. A module collects all the problems it can find before it raises, so that
one run shows everything there is to repair.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong.

    `pointer` is a JSON pointer that starts with "#" (RFC 6901), `hint` the way out, `line` and `column` count from 1;
    0 means that the place is unknown. `str()` is what the terminal prints; parts that are empty are left out.
    """

    message: str
    pointer: str = ""
    hint: str = ""
    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        place = self.file
        if self.line:
            place += f":{self.line}:{self.column}" if place else f"line {self.line}, column {self.column}"
        text = f"{place}: {self.message}" if place else self.message
        if self.pointer:
            text += f" (at {self.pointer})"
        if self.hint:
            text += f"\n  {self.hint}"
        return text


class Rejected(Exception):
    """An input that is refused as a whole; `problems` holds every reason, sorted by file, line and column."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(
            sorted(problems, key=lambda p: (p.file, p.line, p.column, p.pointer, p.message))
        )
        super().__init__("\n".join(map(str, self.problems)))
