"""A browser's part of HTTP, without the browser: cookies, and the secret in a form."""

import html
import http.client
import re
from dataclasses import dataclass, field
from urllib.parse import urlencode


@dataclass(kw_only=True)
class Answer:
    """Status, headers and text."""

    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def words(self) -> str:
        """What a reader sees: the text without tags, spaces as one."""
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", self.text)).split())


@dataclass(kw_only=True)
class Client:
    """Asks one console; keeps its cookies."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> Answer:
        """A page."""
        return self.ask("GET", path, None, headers)

    def post(self, path: str, fields: dict[str, str], **headers: str) -> Answer:
        """A form, as a browser sends one from a page of the console."""
        own = {"Origin": f"http://127.0.0.1:{self.port}"}
        own["Content-Type"] = "application/x-www-form-urlencoded"
        return self.ask("POST", path, urlencode(fields), own | headers)

    def ask(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> Answer:
        """One request; a header that is empty is left out."""
        sent = {name.replace("_", "-"): value for name, value in headers.items() if value}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        for cookie in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
        return Answer(status=answer.status, headers=answer.headers, text=text)

    def secret(self, path: str) -> str:
        """The secret in the first form of a page."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.get(path).text)
        assert found is not None, f"{path} has no form"
        return found[1]

    def log_in(self, token: str) -> "Client":
        """This client, logged in."""
        answer = self.post("/login", {"csrf": self.secret("/login"), "token": token})
        assert answer.status == 303, answer.words
        return self
