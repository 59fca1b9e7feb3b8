"""Errors of requests as JSON: a sentence for a person, and the HTTP status that says which kind it is."""

from __future__ import annotations

import logging
import sqlite3
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from clew.errors import ClewError
from clew.system_errors import system_sentence

SENTENCES = {
    "unexpected_keyword_argument": "there is no such field",
    "string_unicode": "the text holds half a character (a lone surrogate)",
    404: "There is nothing at this address.",
    405: "This address does not support that method.",
}
"""Sentences for kinds of pydantic's errors, and for statuses of a request that meets no route."""


class RequestError(ClewError):
    """A `ClewError` with an HTTP status; any other `ClewError` is answered with 422."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def no_graph(graph: str) -> RequestError:
    return RequestError(404, f"There is no graph {graph[:40]!r} in this library; it may have been deleted.")


def add_error_handlers(app: FastAPI) -> None:
    """Answer every error of an application with a sentence as JSON."""
    app.add_exception_handler(ClewError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _without_route)
    app.add_exception_handler(OSError, _of_the_machine)
    app.add_exception_handler(sqlite3.Error, _of_the_machine)
    app.add_exception_handler(MemoryError, _of_the_machine)
    app.add_exception_handler(Exception, _unexpected)


def _problem(status: int, sentence: str, headers: Any = None) -> JSONResponse:
    # A file's name may hold bytes that are no text.
    return JSONResponse({"detail": sentence.encode(errors="backslashreplace").decode()}, status, headers)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    return _problem(getattr(error, "status", 422), str(error))


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = error.errors()
    parts = [
        f"{'.'.join(map(str, each['loc']))}: {SENTENCES.get(each['type'], each['msg'])}"
        for each in errors[:3]
    ]
    more = f"; and {len(errors) - 3} more" if len(errors) > 3 else ""
    return _problem(422, f"The request cannot be used: {'; '.join(parts)}{more}.")


async def _without_route(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    sentence = SENTENCES.get(error.status_code, f"{error.detail}")
    return _problem(error.status_code, sentence, error.headers)


async def _of_the_machine(request: Request, error: Exception) -> JSONResponse:
    """An error that the disk or the memory is at fault for; what is not one is clew's."""
    sentence = system_sentence(error)
    if sentence is None:
        raise error
    return _problem(503, sentence)


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    logging.getLogger("clew.server").error("A request failed", exc_info=error)
    reason = f"{type(error).__name__}: {error}".partition("\n")[0]
    return _problem(500, f"Unexpected {reason}; the terminal shows where.")
