"""The code location of a loop's home, for the daemon, its runs and the webserver."""

import warnings

import dagster as dg

from bench.closed_loop.world import declared
from mlplat_assets.definitions import assemble
from resources.settings import from_environment


@dg.definitions
def defs() -> dg.Definitions:
    """Every asset, check and sensor of the product, of the small catalogue."""
    warnings.filterwarnings("ignore", category=dg.BetaWarning)
    return assemble(declared(from_environment().home))
