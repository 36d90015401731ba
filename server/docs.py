"""The page at /docs: endpoints and error codes, from the OpenAPI document, without a script or a foreign host."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import Any

import orjson

from server.faults import FAULTS

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b }
code, pre { font: 14px/1.5 ui-monospace, monospace } pre { background: #f4f4f4; padding: .75rem; overflow-x: auto }
summary { cursor: pointer; padding: .25rem 0 } table { border-collapse: collapse; width: 100% }
td, th { text-align: left; border-bottom: 1px solid #ddd; padding: .25rem .5rem; vertical-align: top }
b { display: inline-block; min-width: 4.5rem } :target { background: #fff3c4 }
@media (prefers-color-scheme: dark) { body { background: #161616; color: #eee } pre { background: #222 }
  td, th { border-color: #444 } a { color: #9cf } :target { background: #553 } }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page(document: dict[str, Any]) -> bytes:
    """The document as HTML."""
    operations = "".join(
        _operation(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    schemas = "".join(_schema(name, schema) for name, schema in document["components"]["schemas"].items())
    kinds = {kind.code: kind for kind in reversed(FAULTS)}  # of two with one code, the one a client may mend
    codes = "".join(
        f'<tr id="{code}"><td><code>{code}</code><td>{FAULTS[kind].status}<td>{escape(kind.__doc__ or "")}'
        for code, kind in sorted(kinds.items())
    )
    title = f"{document['info']['title']} {document['info']['version']}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}: the HTTP API</title><style>{_STYLE}</style><h1>{escape(title)}</h1>"
        f"<p>{escape(document['info']['description'])}</p>"
        f'<p>Send <code>Authorization: Bearer …</code>. For programs: <a href="/openapi.json">openapi.json</a>.</p>'
        f"<h2>Endpoints</h2>{operations}<h2>Errors</h2><p>RFC 9457; <code>code</code> is one of these, or a rejection "
        f"code of the protocol.</p><table><tr><th>code<th>status<th>meaning{codes}</table><h2>Schemas</h2>{schemas}"
    ).encode()


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parameters = "".join(
        f"<tr><td><code>{escape(one['name'])}</code><td>{one['in']}<td>{escape(one.get('description', ''))}"
        for one in operation["parameters"]
    )
    bodies = [("takes", operation.get("requestBody", {}).get("content", {}))]
    bodies += [(status, response.get("content", {})) for status, response in operation["responses"].items()]
    lines = "".join(
        f"<tr><td>{escape(label)}<td>{escape(media_type)}<td>{_link(content.get('schema', {}))}"
        for label, contents in bodies
        for media_type, content in contents.items()
    )
    access = ", ".join(name for one in operation["security"] for name in one) or "public"
    return (
        f'<details id="{operation["operationId"]}"><summary><b>{method.upper()}</b> <code>{escape(path)}</code> '
        f"{escape(operation['summary'])}</summary><p>Access: {access}</p><table>{parameters}{lines}</table></details>"
    )


def _schema(name: str, schema: dict[str, Any]) -> str:
    shown = orjson.dumps(schema, option=orjson.OPT_INDENT_2).decode()
    return f'<details id="schema-{escape(name)}"><summary>{escape(name)}</summary><pre>{escape(shown)}</pre></details>'


def _link(schema: dict[str, Any]) -> str:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return f'<a href="#schema-{escape(name)}">{escape(name)}</a>' if name else ""
