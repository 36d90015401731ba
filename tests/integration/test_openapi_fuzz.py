"""Requests that schemathesis makes from /openapi.json: what it describes is what is answered (HT5, ER).

Every operation is asked for what the description allows and for what it does not, half of the time about things that
are there. The requests are the same in every run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from sync.identity import TenantRole
from tests.commands import OPERATOR, Command, treesync
from tests.postgres_servers import PostgresServers
from tests.writers import ROOT, made

EXAMPLES = 12  # of each operation and mode: some 20 s of processor time in all
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
EDIT = "edit_tree"  # what is wrong with an op is said in its result, and the others land (ED12)
MEANT: dict[str, dict[str, Any]] = {  # what is hardly ever met by chance: a moment that is one
    "create_version": {"body": {"name": "Before", "of": {"seq": 1}}},
    "compare_tree": {"query": {"from": "seq:1"}},
    "restore_tree": {"body": {"request": "r1", "to": {"seq": 1}}},
    "revert_tree": {"body": {"request": "r1", "user": "bo"}},
    "list_trees": {"query": {"limit": 5}},
    "search": {"query": {"q": "less"}},
    "import_tree": {"query": {}, "body": {"name": "T"}, "media_type": "application/json"},
    "preview_import": {"query": {}, "body": {"name": "T"}, "media_type": "application/json"},
    "export_tree": {"query": {}},
    "copy_tree": {"body": {}},
}
Cases = st.SearchStrategy[Case[Any]]
Operation = APIOperation[Any, Any, Any, Any]
POSITIVE, NEGATIVE = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
FUZZED = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),  # they judge the speed of the machine
)


@pytest.fixture(scope="module")
async def instance(
    postgres_servers: PostgresServers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Command]:
    dsn = await (await postgres_servers.get("18")).fresh()
    directory = tmp_path_factory.mktemp("serve")
    async with treesync("serve", "--demo", directory=directory, DATABASE_URL=dsn) as command:
        await command.until_ready()
        yield command
        assert await command.stop() == 0, command.said()
        assert "Traceback" not in command.said(), command.said()


async def known_things(instance: Command) -> dict[str, Any]:
    """For the parameters of paths: a tree, a node in its trash, a member, an open conflict record, a version."""
    tree = await made(instance)
    one = f"/api/v1/trees/{tree}"

    async def edit(user: str, mode: str, *ops: dict[str, Any]) -> None:
        body = {"client_id": f"of-{user}", "mode": mode, "ops": ops}
        answer = await instance.ask("POST", f"{one}/edits", body, bearer=instance.token(user))
        assert [one["status"] for one in answer.json()["results"]] == ["applied"] * len(ops), answer.text

    gone = {"base": 0, "node": "gone"}
    await edit("ada", "live", {"n": 1, "op": "insert", "type": "metric", "title": "A", **gone})
    await edit("ada", "live", {"n": 2, "op": "delete", **gone})
    await instance.ask("PUT", f"{one}/members/bo", {"role": "editor"})
    seen = (await instance.ask("GET", one)).json()["position"]["seq"]
    title = {"op": "update", "base": seen, "node": ROOT}
    await edit("bo", "live", {"n": 1, "set": {"title": "Bo's"}, **title})
    await edit("ada", "force", {"n": 3, "set": {"title": "Ada's"}, **title})
    [conflict] = (await instance.ask("GET", f"{one}/conflicts")).json()["conflicts"]
    named = (await instance.ask("POST", f"{one}/versions", {"name": "Start"})).json()["number"]
    known = {"tree": tree, "tenant": "acme", "node": "gone", "user": "bo", "term": "churn"}
    return known | {"conflict": conflict["id"], "version": named}


def role_for(described: dict[str, Any]) -> TenantRole:
    """Some operations are an admin's: those of AI jobs, templates, and what is told of another person."""
    return "admin" if described["tags"][0] in ("ai", "progress") else "member"


def cases_of(operation: Operation, mode: GenerationMode, known: dict[str, Any]) -> Cases:
    taken = {name: value for name, value in known.items() if f"{{{name}}}" in operation.path}
    anything = operation.as_strategy(mode)
    meant = MEANT.get(operation.definition.raw["operationId"], {}) if mode is POSITIVE else {}
    return (
        st.one_of(operation.as_strategy(mode, path_parameters=taken, **meant), anything) if taken or meant else anything
    )


def ask_all(cases: Cases, checks: list[CheckFunction], url: str, bearer: str) -> set[int]:
    """The statuses that were answered."""
    statuses: set[int] = set()

    @FUZZED
    @given(cases)
    def ask(case: Case[Any]) -> None:
        case.body = with_whole_numbers(case.body)
        answer = case.call(base_url=url, session=session, headers={"Authorization": f"Bearer {bearer}"})
        case.validate_response(answer, checks=checks)
        statuses.add(answer.status_code)

    with requests.Session() as session:
        ask()
    return statuses


def with_whole_numbers(value: Any) -> Any:
    """1.0 is an integer to JSON Schema, and none to the protocol."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {name: with_whole_numbers(one) for name, one in value.items()}
        case list():
            return [with_whole_numbers(one) for one in value]
        case _:
            return value


@pytest.mark.timeout(400)  # half a minute on an idle machine
async def test_every_answer_is_one_that_is_described(instance: Command) -> None:
    """[HT5] [ER1] And each operation does what it is for at least once, so that more than refusals is looked at."""
    document = (await instance.ask("GET", "/openapi.json")).json()
    config = SchemathesisConfig()
    # U+0000 is text to JSON Schema; `test_bad_input_http` sends it. Wrong bearers are `test_site`'s
    config.projects.default.generation.update(allow_x00=False, with_security_parameters=False)
    schema = schemathesis.openapi.from_dict(document, config=config)
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        described = document["paths"][operation.path][operation.method]
        bearer = OPERATOR if described["security"] == [{"operator": []}] else instance.token(role=role_for(described))
        checks = CHECKS if described["operationId"] == EDIT else [*CHECKS, negative_data_rejection]
        known = await known_things(instance)  # anew: an operation may use them up
        may_be_wrong = bool(described["parameters"]) or "requestBody" in described
        for mode in (POSITIVE, NEGATIVE) if may_be_wrong else (POSITIVE,):
            cases = cases_of(operation, mode, known)
            statuses = await asyncio.to_thread(ask_all, cases, checks, instance.url, bearer)
            assert mode is NEGATIVE or min(statuses) < 300, (operation.label, statuses)
