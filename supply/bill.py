"""The bill of materials: what an installed release consists of, as CycloneDX 1.6 (ECMA-424)."""

from __future__ import annotations

import json
import uuid
from typing import Any

from packaging.utils import NormalizedName, canonicalize_name

from supply.installed import ROOT, Part, asked, installed, project

Component = dict[str, Any]
_PLACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:treesync:bill")  # of serial numbers: the same content has the same one


def bill() -> dict[str, Any]:
    """Packages of Python with the extra `local`, and the modules of others that the page holds."""
    parts, always = installed(asked("local")), installed(asked())
    modules = [_module(line) for line in _vendored()]
    table = project()
    root = {
        "type": "application",
        "bom-ref": table["name"],
        "name": table["name"],
        "version": table["version"],
        "purl": f"pkg:pypi/{table['name']}@{table['version']}",
        "licenses": [{"expression": table["license"]}],
    }
    needs: dict[str, set[str]] = {name: set(part.needs) for name, part in parts.items()}
    needs |= {_ref(module): set() for module in modules}
    needs[_ref(root)] = {canonicalize_name(one.name) for one in asked("local")} & set(parts) | set(map(_ref, modules))
    content = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": root},
        "components": [_component(name, parts[name], name in always) for name in sorted(parts)] + modules,
        "dependencies": [{"ref": ref, "dependsOn": sorted(below)} for ref, below in sorted(needs.items())],
    }
    return content | {"serialNumber": f"urn:uuid:{uuid.uuid5(_PLACE, json.dumps(content, sort_keys=True))}"}


def _component(name: NormalizedName, part: Part, is_required: bool) -> Component:
    version = part.distribution.version
    component: Component = {
        "type": "library",
        "bom-ref": name,
        "name": part.distribution.name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
        "scope": "required" if is_required else "optional",
    }
    licences = _licences(part)
    return component | ({"licenses": licences} if licences else {})


def _licences(part: Part) -> list[dict[str, Any]]:
    """An expression of SPDX where the package gives one (PEP 639), else the names that older metadata has."""
    metadata = part.distribution.metadata
    if "License-Expression" in metadata:
        return [{"expression": metadata["License-Expression"]}]
    classifiers = metadata.get_all("Classifier") or []
    names = [one.rpartition(" :: ")[2] for one in classifiers if one.startswith("License ::")]
    if not names and "License" in metadata:
        names = [metadata["License"].partition("\n")[0]]
    return [{"license": {"name": name}} for name in names]


def _vendored() -> list[list[str]]:
    """package, version, licence, file, sha256 of the module, of the licence, and of the style sheet where it has one"""
    lines = (ROOT / "web" / "vendor" / "VERSIONS").read_text(encoding="utf-8").splitlines()
    return [line.split() for line in lines if line and not line.startswith("#")]


def _module(line: list[str]) -> Component:
    package, version, licence, _, digest, *_ = line
    return {
        "type": "library",
        "bom-ref": f"web/vendor/{package}.js",
        "name": package,
        "version": version,
        "purl": f"pkg:npm/{package}@{version}",
        "scope": "required",
        "licenses": [{"license": {"id": licence}}],
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }


def _ref(component: Component) -> str:
    return str(component["bom-ref"])
