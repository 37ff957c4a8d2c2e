"""Which names of an inventory a target has: asked of the conditions, with no compiler for it at hand."""

from __future__ import annotations

from collections.abc import Iterable

from patchbot.model import Inventory, JsonObject, Role, Symbol
from patchbot.symbols import cfg
from patchbot.targets import Target


def on_target(inventory: Inventory, target: Target, *, features: bool | None = None) -> tuple[Symbol, ...]:
    """Return the places that a build for ``target`` has.

    ``features`` is what is assumed of all cargo features; None asks for any build.  A place whose condition
    cannot be decided counts.
    """
    options: dict[str, dict[str, cfg.Cfg]] = {}
    for option in inventory.options:
        options.setdefault(option.crate, {})[option.name] = cfg.parse(option.cfg)

    def has(symbol: Symbol) -> bool:
        custom = options.get(symbol.crate, {})
        return cfg.on(cfg.parse(symbol.cfg), target, custom, features=features) is not False

    return tuple(symbol for symbol in inventory.symbols if has(symbol))


def names_by_target(inventory: Inventory, targets: Iterable[Target]) -> JsonObject:
    """Return the names that any build for each target defines and imports, by triple."""
    out: JsonObject = {}
    for target in targets:
        there = on_target(inventory, target)
        out[target.triple] = {
            role.value: sorted({symbol.name for symbol in there if symbol.role is role}) for role in Role
        }
    return out
