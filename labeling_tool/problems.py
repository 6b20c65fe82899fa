"""What a request can do wrong, as one exception and one shape of answer.

Every refusal is JSON `{"error": word, "message": sentence, …}`: the front end shows the sentence
and acts on the word.
"""

from __future__ import annotations

from typing import Any


class Problem(Exception):  # noqa: N818 - an answer, not an accident
    """A refusal.

    Args:
        status: the HTTP status.
        error: a short word for programs, such as `lease_lost`.
        message: a sentence for people: what is wrong and what to do next.
        more: further facts for the front end.
    """

    def __init__(self, status: int, error: str, message: str, **more: Any):
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message
        self.more = more

    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        return {"error": self.error, "message": self.message, **self.more}


def not_found(what: str) -> Problem:
    """The answer for what is not there, and for what is not yours: so ids cannot be probed."""
    return Problem(404, "not_found", f"There is no such {what}, or it is not yours.")


def forbidden(message: str) -> Problem:
    """The answer for somebody who is logged in but not allowed to do this."""
    return Problem(403, "forbidden", message)
