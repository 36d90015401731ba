"""Fields of an old object, each under any of the names it went by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sync.legacy.notes import Notes, shown


class Fields:
    """Takes fields by their names, the first that says something; `rest` is what nobody took."""

    def __init__(self, raw: Mapping[str, Any], place: str, notes: Notes) -> None:
        self.place = place
        self.notes = notes
        self._left = dict(raw)

    def take(self, *names: str) -> Any:
        """The value of the first name that has one; None: none has. Others that say the same go with it."""
        found = next((self._left[name] for name in names if self._left.get(name) is not None), None)
        for name in names:
            if name in self._left and (self._left[name] is None or self._left[name] == found):
                del self._left[name]
        return found

    def rest(self) -> dict[str, Any]:
        return {name: value for name, value in self._left.items() if value is not None}

    def text(self, *names: str) -> str:
        """A text; numbers and flags are written out, anything else stays in `rest`. Empty: none."""
        found = self.take(*names)
        if found is None or isinstance(found, str):
            return found or ""
        if isinstance(found, int | float):
            self.notes.add("text-made", self.place, f"{names[0]} was {shown(found)}")
            return written(found)
        self.put_back(names[0], found)
        return ""

    def put_back(self, name: str, value: Any) -> None:
        """A value of the wrong kind: it is told, and kept with the rest."""
        self.notes.add("wrong-type", self.place, f"{name} was {shown(value)}")
        self._left[name] = value

    def flag(self, *names: str) -> bool:
        found = self.take(*names)
        if found is None or isinstance(found, bool):
            return bool(found)
        said = str(found).strip().lower()
        if said in _TRUE or said in _FALSE:
            return said in _TRUE
        self.put_back(names[0], found)
        return False


_TRUE, _FALSE = (
    frozenset(("true", "t", "yes", "on", "1", "1.0")),
    frozenset(("false", "f", "no", "off", "0", "0.0", "")),
)


def written(value: float | int) -> str:
    """A number or flag as people write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def number_of(value: Any) -> float | None:
    """A finite number, also one that is text; None: it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if -_LARGEST < number < _LARGEST else None


_LARGEST = 1e15  # canvas units: beyond it a double has no place for a pixel
