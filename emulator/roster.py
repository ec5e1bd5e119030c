"""The names of a scenario's satellites, looked up without listing them: there may be a million."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any


class Roster:
    """All names of the satellites of ``constellations``, and of ``others`` after them."""

    def __init__(self, constellations: Sequence[Any], others: Sequence[str] = ()) -> None:
        self._constellations, self._others = constellations, others

    def __len__(self) -> int:
        return sum(each.size for each in self._constellations) + len(self._others)

    def __iter__(self) -> Iterator[str]:
        return chain(*(each.node_names() for each in self._constellations), self._others)

    def __contains__(self, name: object) -> bool:
        return self.owner(str(name)) is not None or name in self._others

    def owner(self, name: str | None) -> Any:
        """Return the constellation of a satellite, None where there is none of that name."""
        found = (each for each in self._constellations if name and each.index(name) is not None)
        return next(found, None)

    def repeated(self) -> dict[str, int]:
        """Return names that are used more than once, and how often.

        Those of two Walker patterns are equal only where these have one name, which is told
        elsewhere.
        """
        patterns = [each for each in self._constellations if each.walker]
        listed = [n for e in self._constellations if not e.walker for n in e.node_names()]
        counts = Counter([*listed, *self._others])
        for name in counts:
            counts[name] += sum(each.index(name) is not None for each in patterns)
        return {name: count for name, count in counts.items() if count > 1}
