"""What is wrong with a request, as its caller is told."""

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bentos.model_server.request.field_check import SHOWN, shown


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing wrong with one field, and what was expected there."""

    error: str
    field: str
    value: object
    expected: Mapping[str, object]

    def document(self) -> dict[str, object]:
        """The problem as JSON, with values that JSON cannot carry or that are long shortened."""
        return {
            "error": self.error,
            "field": self.field[:SHOWN],
            "value": shown(self.value),
            "expected": dict(self.expected),
        }


class RequestMalformed(ValueError):
    """The body is not a JSON object."""


class RequestInvalid(ValueError):
    """The request does not fit the card; `problems` lists everything that is wrong."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(problem.error for problem in problems))
        self.problems = problems


def misnamed(
    prefix: str,
    given: Mapping[str, object],
    expected: Mapping[str, Mapping[str, object]],
    optional: Collection[str],
    ignores_unknown: bool,
) -> list[Problem]:
    """Unknown fields, each with the closest missing name, and the missing fields left over."""
    problems: list[Problem] = []
    missing = [name for name in expected if name not in given]
    for name in () if ignores_unknown else given:
        if name in expected:
            continue
        close = difflib.get_close_matches(name[:SHOWN], missing, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known fields: {', '.join(expected)}"
        schema = expected[close[0]] if close else {"fields": list(expected)}
        error = f"{prefix}{name[:SHOWN]} is not a field of this model; {hint}"
        problems.append(
            Problem(error=error, field=prefix + name, value=given[name], expected=schema)
        )
        missing = [other for other in missing if other not in close]
    for name in missing:
        if name not in optional:
            path = prefix + name
            error = f"{path} is missing"
            problems.append(Problem(error=error, field=path, value=None, expected=expected[name]))
    return problems
