"""Which checks say that a model's data is broken: those of what its training set is made from."""

from collections import defaultdict
from collections.abc import Sequence, Set

import dagster as dg

from mlplat_assets.discovery import Declared
from mlplat_assets.keys import key
from mlplat_assets.model_spec import ModelSpec

SOUND = "data_is_sound"


class Upstream:
    """The blocking checks of the tables above each asset, all the way up to the sources."""

    def __init__(self, assets: Sequence[dg.AssetsDefinition]) -> None:
        """Read what the assets depend on, and what is checked of them."""
        self._deps: dict[dg.AssetKey, Set[dg.AssetKey]] = {}
        self._checks: dict[dg.AssetKey, list[dg.AssetCheckKey]] = defaultdict(list)
        for asset in assets:
            for made, deps in asset.asset_deps.items():
                self._deps[made] = {*deps}
            for spec in asset.check_specs:
                if spec.blocking:
                    self._checks[spec.asset_key].append(spec.key)

    def guards(self, model: Declared[ModelSpec]) -> list[dg.AssetCheckKey]:
        """The checks that hold a retraining of a model while they fail.

        Those of the features, labels and sources that it learns from, and `data_is_sound` of what
        was served.
        """
        seen: set[dg.AssetKey] = set()
        todo = [*self._deps.get(key("training_sets", model.team, model.name), ())]
        while todo:
            one = todo.pop()
            if one not in seen:
                seen.add(one)
                todo.extend(self._deps.get(one, ()))
        found = [check for one in sorted(seen) for check in self._checks.get(one, ())]
        return [*found, dg.AssetCheckKey(key("drift", model.team, model.name), SOUND)]
