"""One HTTPS request to a sink: where it may go, how long it takes, what counts as taken."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from urllib3 import Retry, Timeout
from urllib3.exceptions import HTTPError, LocationParseError, MaxRetryError
from urllib3.util import Url, parse_url

from resources.alerts.reach import Reach, ReachedPool
from resources.alerts.sink import SinkFailed

# Three attempts take 25 s at most, inside the 60 s of a sensor's tick. What a sink asks to wait
# (Retry-After) is not waited here: the outbox tries again.
RETRY = Retry(
    total=2,
    redirect=False,
    status_forcelist=(429, 502, 503, 504),
    allowed_methods=None,
    backoff_factor=0.2,
    respect_retry_after_header=False,
    raise_on_status=False,
)
TIMEOUT = Timeout(connect=3, read=5)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where a sink listens. The URL may hold a secret, as Slack's does, and is never told."""

    url: Url = field(repr=False)
    reach: Reach
    ca_file: Path | None = None
    retry: Retry = RETRY

    def post(self, body: bytes, headers: dict[str, str]) -> None:
        """Send a JSON body; returns when a 2xx came back.

        Raises:
            SinkFailed: Anything else, a redirect included.
        """
        host, port = str(self.url.host).strip("[]"), self.url.port or 443
        context = ssl.create_default_context(cafile=self.ca_file)
        pool = ReachedPool(host, port, reach=self.reach, ssl_context=context, maxsize=1)
        try:
            answer = pool.urlopen(
                "POST",
                self.url.request_uri,
                body=body,
                headers={"content-type": "application/json", "user-agent": "mlplat", **headers},
                retries=self.retry,
                timeout=TIMEOUT,
                redirect=False,
                preload_content=False,
            )
        except HTTPError as error:
            raise SinkFailed(f"{host}: {_why(error)}") from error
        finally:
            pool.close()
        answer.close()
        if 300 <= answer.status < 400:
            raise SinkFailed(f"{host}: answered {answer.status}, and redirects are not followed")
        if not 200 <= answer.status < 300:
            raise SinkFailed(f"{host}: answered {answer.status}")


def https_url(text: str) -> Url:
    """A URL that a message may be sent to.

    Raises:
        ValueError: It is no https URL, or holds a user or password. The message does not tell it.
    """
    try:
        url = parse_url(text.strip())
    except LocationParseError:
        url = Url()
    if url.scheme != "https" or not url.host:
        raise ValueError("is no https:// URL; messages are sent over https only")
    if url.auth:
        raise ValueError("holds a user or password; sign with `secret_file` instead")
    return url


def _why(error: HTTPError) -> str:
    """What went wrong, without the URL that urllib3's own text has in it."""
    reason = error.reason if isinstance(error, MaxRetryError) and error.reason else error
    if isinstance(reason, HTTPError) and type(reason).__module__.startswith("resources."):
        return str(reason)
    cause = reason.__cause__ or (reason.args and reason.args[0])
    told = cause.strerror if isinstance(cause, OSError) and cause.strerror else ""
    return f"{type(reason).__name__}{f': {told}' if told else ''}"
