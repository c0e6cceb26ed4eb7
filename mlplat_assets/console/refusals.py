"""What the console does not do, with the status of the answer and the words on the page."""


class Refused(Exception):
    """A request that is not answered as asked.

    Attributes:
        status: Of the HTTP answer.
    """

    def __init__(self, status: int, fact: str) -> None:
        super().__init__(fact)
        self.status = status


def not_found(fact: str) -> Refused:
    """There is no such thing."""
    return Refused(404, fact)
