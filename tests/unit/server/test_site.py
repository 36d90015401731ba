"""The HTTP side as a whole: headers, descriptions, the page, and what is not there."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Mount, Route

from server.faults import FAULTS
from server.pages import PAGE_POLICY, WORKER_POLICY, Pages, web_directory
from sync.errors import TreesyncError
from tests.applications import Running, running
from tests.unit.server.test_trees import problem


@pytest.fixture
async def app() -> AsyncIterator[Running]:
    async with running(allowed_origins=("https://app.example",)) as one:
        yield one


async def document(app: Running) -> dict[str, Any]:
    answer = await app.ask("GET", "/openapi.json", user=None)
    found: dict[str, Any] = answer.json()
    return found


async def test_every_route_is_described_and_every_description_is_routed(app: Running) -> None:
    described = {
        (method.upper(), path) for path, methods in (await document(app))["paths"].items() for method in methods
    }
    routed = {
        (method, route.path.replace(":path}", "}"))
        for route in app.app.site.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert described == routed
    assert all(isinstance(route, Route | Mount) for route in app.app.site.routes)


async def test_the_description_is_whole(app: Running) -> None:
    described = await document(app)
    assert described["openapi"].startswith("3.1")
    names = [one["operationId"] for methods in described["paths"].values() for one in methods.values()]
    assert len(set(names)) == len(names)
    text = (await app.ask("GET", "/openapi.json", user=None)).text
    for name in set(re.findall(r"#/components/schemas/([^\"]+)", text)):
        assert name in described["components"]["schemas"]
    for path, methods in described["paths"].items():
        for one in methods.values():
            in_path = {parameter["name"] for parameter in one["parameters"] if parameter["in"] == "path"}
            assert in_path == set(re.findall(r"{(\w+)}", path))
            assert "default" not in one["responses"], "each status that may come is named"
            for status, answer in one["responses"].items():
                reference = answer.get("$ref", "").removeprefix("#/components/responses/")
                assert reference in ("", status)
                assert not reference or reference in described["components"]["responses"]


async def test_what_is_described_as_guarded_is_guarded(app: Running) -> None:
    for path, methods in (await document(app))["paths"].items():
        for method, one in methods.items():
            filled = path.format(
                tree=1, user="u", tenant="t", participant="p", job="j", node="n", conflict=1, version=1, term="x"
            )
            answer = await app.ask(method.upper(), filled, user=None)
            if one["security"]:
                assert problem(answer) == (401, "unauthorised"), path
                assert answer.headers["www-authenticate"] == "Bearer"
                if one["security"] == [{"operator": []}]:
                    assert (await app.ask(method.upper(), filled, role="admin")).status_code == 401
            else:
                assert answer.status_code in (200, 404), path


async def test_the_docs_need_no_script_and_no_other_host(app: Running) -> None:
    answer = await app.ask("GET", "/docs", user=None)
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "<script" not in answer.text
    assert not re.search(r"(src|href)=\"(https?:)?//", answer.text)
    for target in re.findall(r'href="#([^"]+)"', answer.text):
        assert f'id="{target}"' in answer.text
    for kind in FAULTS:
        assert f'id="{kind.code}"' in answer.text, "the `type` of an error leads here"


async def test_the_docs_style_is_allowed_by_its_own_hash(app: Running) -> None:
    answer = await app.ask("GET", "/docs", user=None)
    style = re.search(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in answer.headers["content-security-policy"]


async def test_the_page_is_served_with_a_strict_policy(app: Running) -> None:
    answer = await app.ask("GET", "/", user=None)
    assert (answer.status_code, answer.headers["content-security-policy"]) == (200, PAGE_POLICY)
    assert "unsafe" not in PAGE_POLICY
    page = (web_directory() / "index.html").read_text()
    assert "<style" not in page, "the policy lets no inline style in"
    assert "<script>" not in page
    client = await app.ask("GET", "/client.js", user=None)
    assert client.status_code == 200
    assert "javascript" in client.headers["content-type"]
    assert client.headers["access-control-allow-origin"] == "*"
    again = await app.client.get("/client.js", headers={"If-None-Match": client.headers["etag"]})
    assert again.status_code == 304


async def test_the_page_asks_for_no_more_than_its_header_lets_it_have(app: Running) -> None:
    """The tag holds where the page is kept by another host, or by the service worker."""
    found = re.search(r'Content-Security-Policy"\s+content="([^"]+)"', (web_directory() / "index.html").read_text())
    assert found is not None

    def directives(policy: str) -> dict[str, str]:
        return dict(one.strip().split(" ", 1) for one in policy.split(";") if one.strip())

    assert directives(found[1]) == {
        name: value for name, value in directives(PAGE_POLICY).items() if name != "frame-ancestors"
    }, "a tag may not hold frame-ancestors (CSP 3 §3.3)"


async def test_a_worker_may_fetch_the_page_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "sw.js").write_text("// a worker")
    answer = Pages(tmp_path).file_response(
        tmp_path / "sw.js", (tmp_path / "sw.js").stat(), {"method": "GET", "headers": []}
    )
    assert answer.headers["content-security-policy"] == WORKER_POLICY
    assert answer.headers["cache-control"] == "no-cache", "a browser must see a new one at its next look"
    assert "javascript" in answer.headers["content-type"]
    assert "worker-src 'self'" in PAGE_POLICY


async def test_every_answer_has_the_headers_of_a_careful_server(app: Running) -> None:
    for path in ("/", "/livez", "/nothing", "/api/v1/trees", "/docs"):
        headers = (await app.ask("GET", path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("path", ["/nothing", "/api/v1/nothing", "/../schema.sql", "/%2e%2e/pyproject.toml"])
async def test_what_is_not_there_is_a_problem(app: Running, path: str) -> None:
    assert problem(await app.ask("GET", path)) == (404, "not_found")


async def test_a_wrong_method_is_named(app: Running) -> None:
    answer = await app.ask("PUT", "/api/v1/trees")
    assert problem(answer) == (405, "wrong_method")
    assert "POST" in answer.headers["allow"] or "GET" in answer.headers["allow"]


async def test_only_listed_origins_may_call_from_elsewhere(app: Running) -> None:
    asked = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization,content-type"}
    good = await app.client.options("/api/v1/trees/1", headers={"Origin": "https://app.example"} | asked)
    assert good.headers["access-control-allow-origin"] == "https://app.example"
    bad = await app.client.options("/api/v1/trees/1", headers={"Origin": "https://evil.example"} | asked)
    assert "access-control-allow-origin" not in bad.headers


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "Basic YTpi")],
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer ")],
        [("Authorization", "")],
        [("Authorization", "Bearer {token}"), ("Authorization", "Bearer {token}")],
        [("X-Authorization", "Bearer {token}")],
        [("Cookie", "token={token}")],
    ],
)
async def test_one_bearer_header_is_needed(app: Running, headers: list[tuple[str, str]]) -> None:
    filled = [(name, value.format(token=app.token())) for name, value in headers]
    assert problem(await app.client.get("/api/v1/trees", headers=filled)) == (401, "unauthorised")
    assert problem(await app.client.get(f"/api/v1/trees?token={app.token()}")) == (401, "unauthorised")


async def test_the_scheme_is_read_in_any_case(app: Running) -> None:
    answer = await app.client.get("/api/v1/trees", headers={"authorization": f"bEARER {app.token()}"})
    assert answer.status_code == 200


async def test_a_fault_of_ours_is_logged_and_told_without_details(
    app: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a canary that nobody outside may hear")

    monkeypatch.setattr(app.app.directory, "trees", broken)
    answer = await app.ask("GET", "/api/v1/trees")
    assert problem(answer) == (500, "internal")
    assert "canary" not in answer.text
    assert [event for event, _ in app.logged] == ["request failed"]


def test_every_error_is_in_the_table() -> None:
    def below(kind: type[TreesyncError]) -> set[type[TreesyncError]]:
        return {kind}.union(*(below(child) for child in kind.__subclasses__()))

    for kind in below(TreesyncError):
        nearest = next(FAULTS[ancestor] for ancestor in kind.__mro__ if ancestor in FAULTS)
        assert 400 <= nearest.status <= 599
