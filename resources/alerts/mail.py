"""The sink that sends e-mail, over SMTP with STARTTLS."""

import smtplib
import ssl
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

from resources.alerts.records import Delivery
from resources.alerts.sink import SinkFailed
from resources.alerts.wording import lines, title

_SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class Mail:
    """One mail a message. Those of one alert make one thread, and a repetition has the same id."""

    host: str
    port: int
    sender: str
    recipients: tuple[str, ...]
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None

    def deliver(self, delivery: Delivery, at: datetime) -> None:
        """Send the mail. A server without STARTTLS is told nothing."""
        try:
            with smtplib.SMTP(self.host, self.port, timeout=_SECONDS) as server:
                server.starttls(context=ssl.create_default_context(cafile=self.ca_file))
                if self.user is not None and self.password is not None:
                    server.login(self.user, self.password)
                refused = server.send_message(self._mail(delivery, at))
        except (smtplib.SMTPException, OSError) as error:
            raise SinkFailed(f"{self.host}: {_why(error)}") from error
        if refused:
            raise SinkFailed(f"{self.host}: refused {', '.join(sorted(refused))}")

    def _mail(self, delivery: Delivery, at: datetime) -> EmailMessage:
        message, domain = delivery.message, self.sender.rpartition("@")[2]
        mail = EmailMessage()
        mail["Subject"] = title(message)
        mail["From"] = self.sender
        mail["To"] = ", ".join(self.recipients)
        mail["Date"] = format_datetime(at)
        mail["Message-ID"] = f"<delivery-{delivery.id}.mlplat@{domain}>"
        mail["References"] = f"<alert-{message.alert.id}.mlplat@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
        mail.set_content("\n".join(lines(message)) + "\n")
        return mail


def _why(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        # The server's text may repeat what was sent to it, a login included.
        return f"{type(error).__name__}, status {error.smtp_code}"
    told = error.strerror if isinstance(error, OSError) else None
    return f"{type(error).__name__}{f': {told}' if told else ''}"
