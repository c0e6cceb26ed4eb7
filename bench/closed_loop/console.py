"""`python -m bench.closed_loop.console PORT`: the console of the home that the environment names.

`mlplat console` shows this repository's catalogue; here it is that of the home.
"""

import sys

import uvicorn

from bench.closed_loop.world import declared
from mlplat_assets.commands.processes import LOOPBACK
from mlplat_assets.console.app import app
from mlplat_assets.console.desk import desk
from mlplat_assets.console.model_views import read_ahead
from resources.registry.registry import utc_now
from resources.settings import from_environment

if __name__ == "__main__":
    settings = from_environment()
    made = desk(settings, declared(settings.home), utc_now)
    read_ahead(made)
    uvicorn.run(app(made), host=LOOPBACK, port=int(sys.argv[1]), log_level="warning")
