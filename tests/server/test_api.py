"""The OpenAPI document: complete, and true of what the server does with requests that nobody thought of."""

from __future__ import annotations

import os

import hypothesis
import pytest
import schemathesis
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import positive_data_acceptance

from clew.server.app import make_app, make_state
from clew.server.indexes import Indexes
from clew.server.job_queue import Jobs
from clew.server.library import Library
from clew.server.model_cache import ModelCache
from clew.server.security import access_to
from clew.server.state import ServerState
from tests.graph.random_graphs import random_graph
from tests.index.example_index import make_index
from tests.server.conftest import PAGE

HOST = {"host": "localhost"}
BOUNDED = hypothesis.settings(
    max_examples=12,
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.filter_too_much],
)

REFUSALS = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429"]
"""Answers to what the document does not allow: 413 is that to a body of more than 32 MiB."""
MEAN_MORE = {"POST /api/graphs", "PATCH /api/graphs/{graph}/annotations"}
"""Routes with rules that no JSON schema can express; they refuse most of what their schema allows."""


def graph_with_index():
    return random_graph(n_layers=2, n_positions=2).with_info(model="tiny", dictionary="neurons")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A library of one graph with an index, behind a server whose jobs do nothing."""
    library = Library(tmp_path_factory.mktemp("library"))
    made = make_state(library, ModelCache())
    made.jobs.stop()
    jobs = Jobs(library.database, made.events, lambda request, progress: None)
    indexes = Indexes([make_index(tmp_path_factory.mktemp("index"))])
    service = ServerState(library, made.events, jobs, made.models, dict(PAGE), indexes)
    library.add(graph_with_index())
    yield service
    service.close()


@pytest.fixture(scope="module")
def api(served):
    app = make_app(served, access_to("127.0.0.1", None))
    config = SchemathesisConfig.from_dict(
        {"checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}}}
    )
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", app, config=config, headers=HOST)
    return schema.exclude(path="/api/events")


def check_answers(operation, **path_parameters):
    """Requests of every kind, sensible and not; each answer must be one that the document describes."""
    means_more = operation.label in MEAN_MORE or path_parameters
    excluded = [positive_data_acceptance] if means_more else []

    @BOUNDED
    @hypothesis.given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    def sensible(case):
        case.path_parameters.update(path_parameters)
        case.call_and_validate(headers=HOST, excluded_checks=excluded)

    @BOUNDED
    @hypothesis.given(case=operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def not_sensible(case):
        case.call_and_validate(headers=HOST)

    sensible()
    if operation.path_parameters or operation.query or operation.body:
        not_sensible()


def test_every_answer_is_one_that_the_document_describes(api, subtests):
    for operation in api.get_all_operations():
        with subtests.test(operation.ok().label):
            check_answers(operation.ok())


def test_so_is_every_answer_about_a_graph_that_is_there(api, served, subtests):
    for operation in api.include(path_regex="{graph}").get_all_operations():
        graph = served.library.add(graph_with_index()).id
        with subtests.test(operation.ok().label):
            check_answers(operation.ok(), graph=graph)


def test_everything_is_described(api):
    document = api.raw_schema
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            where = f"{method} {path}"
            assert operation["description"], where
            assert {"401", "403", "413", "421", "422", "500"} <= set(operation["responses"]), where
            assert "404" in operation["responses"] or "{" not in path, where
            for status, answer in operation["responses"].items():
                assert answer["description"], where
                assert status == "204" or answer["content"], where
            for parameter in operation.get("parameters", []):
                assert parameter.get("description"), (where, parameter["name"])
    for name, schema in document["components"]["schemas"].items():
        assert schema["description"], name
