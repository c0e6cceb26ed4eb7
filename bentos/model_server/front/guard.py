"""Everything around the answers of one process: who is let in, how it ends, what it counts."""

from pathlib import Path

from bentos.model_server.front.access import Access, ClientTokens
from bentos.model_server.front.drain import Drain
from bentos.model_server.front.gate import Gate
from bentos.model_server.front.protocol import GuardedProtocol
from bentos.model_server.meter import Meter
from bentos.model_server.metrics.exposition import exposition
from bentos.model_server.metrics.snapshots import Publisher


class Guard:
    """Made with the service, started with the event loop.

    Raises TokensUnusable where tokens are configured and cannot be read.
    """

    def __init__(self, *, tokens: Path | None, meter: Meter, model: str, metrics: Path) -> None:
        self._tokens = ClientTokens(tokens) if tokens else None
        self._publisher = Publisher(meter, model, metrics)
        GuardedProtocol.meter = meter
        self.drain = Drain(GuardedProtocol.close_after_answers)
        self.gate = Gate(access=Access(self._tokens), meter=meter)

    def start(self) -> None:
        """Watch the tokens, publish the counters and take SIGTERM over."""
        self.drain.start()
        self._publisher.start()
        if self._tokens is not None:
            self._tokens.start()

    def close(self) -> None:
        """Stop watching; publish for the last time."""
        if self._tokens is not None:
            self._tokens.close()
        self._publisher.close()

    def metrics(self) -> str:
        """The counters of all processes of this service, as Prometheus text."""
        return exposition(self._publisher.collected())
