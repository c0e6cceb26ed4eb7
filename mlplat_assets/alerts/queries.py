"""The questions to Prometheus that rules and dashboard share, of one model each."""

# What is judged is the last ten minutes, if they had requests enough for a quantile.
WINDOW = "10m"
ENOUGH = 200


def answers(model: str, window: str = WINDOW) -> str:
    """How many requests were answered."""
    return f'sum by (model) (increase(mlplat_requests_total{{model="{model}"}}[{window}]))'


def quantile_seconds(model: str, quantile: float = 0.99, window: str = WINDOW) -> str:
    """How long the slowest answers took, in seconds."""
    buckets = f'rate(mlplat_request_seconds_bucket{{model="{model}"}}[{window}])'
    return f"histogram_quantile({quantile:g}, sum by (le, model) ({buckets}))"


def fault_share(model: str, window: str = WINDOW) -> str:
    """The share of requests that ended by a fault of the service (5xx)."""
    every = f'model="{model}"'
    faults = f'{every},status=~"5.."'
    parts = [f"sum by (model) (rate(mlplat_requests_total{{{of}}}[{window}]))"
             for of in (faults, every)]  # fmt: skip
    return " / ".join(parts)


def routing_problems(model: str) -> str:
    """Why the service cannot follow the registry, counted."""
    return f'max by (model) (mlplat_routing_problems{{model="{model}"}})'
