"""What hides passwords, tokens and cookies from error reports, which contain the locals of each frame."""

from __future__ import annotations

from types import CellType
from typing import Generic, NoReturn, TypeVar

T_co = TypeVar("T_co", covariant=True)


class Secret(Generic[T_co]):
    """A value that shows nothing of itself, neither to ``repr`` nor to what walks containers."""

    __slots__ = ("_cell",)

    def __init__(self, value: T_co) -> None:
        self._cell = CellType(value)

    @property
    def value(self) -> T_co:
        """The value itself. Use it in an expression, and give it no name."""
        return self._cell.cell_contents  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return "<Secret>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and bool(self.value == other.value)

    def __hash__(self) -> int:
        return hash(self.value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("A secret is not copied to where it could be read.")
