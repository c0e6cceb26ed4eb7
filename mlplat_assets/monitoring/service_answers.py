"""How a running service answered, by its own counters at `GET /metrics`."""

import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass

_SECONDS = 2.0
_REQUESTS = "mlplat_requests_total"


@dataclass(frozen=True, kw_only=True)
class ServiceAnswers:
    """Requests since the service started, by HTTP status."""

    by_status: dict[int, int]

    @property
    def requests(self) -> int:
        """All of them."""
        return sum(self.by_status.values())

    @property
    def faults(self) -> int:
        """Those that ended by a fault of the service (5xx); a refused one (4xx) is the caller's."""
        return sum(count for status, count in self.by_status.items() if status >= 500)


def service_answers(url: str, model: str) -> ServiceAnswers | str:
    """The counters of a model's service, or in a sentence why there are none."""
    try:
        with urllib.request.urlopen(f"{url}/metrics", timeout=_SECONDS) as response:
            text = response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            asks = ": it asks for a token, which no run holds" if error.code == 401 else ""
            return f"{url}/metrics answers {error.code}{asks}"
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return f"nothing listens at {url}; start it with `mlplat serve {model}`"
    return counted(text, model) or f"{url} serves another model than {model}"


def counted(text: str, model: str) -> ServiceAnswers | None:
    """What an exposition counts of a model's requests; None where it tells of another model."""
    from prometheus_client.parser import text_string_to_metric_families

    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    if not any(sample.labels.get("model") == model for sample in samples):
        return None
    statuses: Counter[int] = Counter()
    for sample in samples:
        if sample.name == _REQUESTS:
            statuses[int(sample.labels["status"])] += int(sample.value)
    return ServiceAnswers(by_status=dict(statuses))
