"""What the endpoint answers to a request that it cannot serve, in OpenAI's form."""

from __future__ import annotations

from typing import Any


class ChatError(Exception):
    """A request that is refused.

    Attributes:
        status: The HTTP status.
        code: A word for programs, such as "context_length_exceeded".
    """

    def __init__(self, message: str, *, status: int = 400, code: str = "invalid_request") -> None:
        """Store what to answer; ``message`` says what is wrong and the cure."""
        super().__init__(message)
        self.status, self.code = status, code

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body; OpenAI's clients raise an error with its message."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        error = {"message": str(self), "type": kind, "param": None, "code": self.code}
        return {"error": error}
