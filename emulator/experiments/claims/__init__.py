"""The claims, one module each with an ``EXPERIMENT``; whatever module lies here is found."""

import pkgutil
from importlib import import_module

from emulator.errors import RunError
from emulator.experiments.base import Experiment


def registry() -> dict[str, Experiment]:
    """Return all experiments by name, in alphabetical order."""
    modules = sorted(each.name for each in pkgutil.iter_modules(__path__))
    found = (import_module(f"{__name__}.{name}").EXPERIMENT for name in modules)
    return {each.name: each for each in found}


def named(names: str) -> list[Experiment]:
    """Return the experiments that ``names`` lists, by commas, or ``all``. Raises RunError."""
    known = registry()
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if wanted == ["all"]:
        return list(known.values())
    if unknown := [name for name in wanted if name not in known]:
        raise RunError(f"no experiment {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(wanted)]
