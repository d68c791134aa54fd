"""Prints what the locked runtime is made of as a CycloneDX bill of materials.

From ops/lock/runtime.txt alone: no index is asked, and the same lock prints the same text.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "ops" / "lock" / "runtime.txt"

_PINNED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:(?P<digest>[0-9a-f]{64})")


def components(lock: str) -> Iterator[Component]:
    """Yield what a lock pins, each with the digests of the files it may be installed from."""
    for block in re.split(r"\n(?=[A-Za-z0-9])", lock):
        pinned = _PINNED.match(block)
        if pinned is None:
            continue
        name, version = pinned["name"].lower(), pinned["version"]
        purl = PackageURL("pypi", name=name, version=version)
        yield Component(
            name=name,
            version=version,
            type=ComponentType.LIBRARY,
            bom_ref=str(purl),
            purl=purl,
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=d) for d in _HASH.findall(block)],
        )


def bill() -> str:
    """Return the bill of materials as JSON."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lock = LOCK.read_text("utf-8")
    bom = Bom(components=components(lock), serial_number=uuid5(NAMESPACE_URL, lock))
    release = Component(
        name=project["name"],
        version=project["version"],
        type=ComponentType.APPLICATION,
        bom_ref=project["name"],
    )
    bom.metadata.component = release
    bom.register_dependency(release, bom.components)
    return JsonV1Dot6(bom).output_as_string(indent=2)


if __name__ == "__main__":
    sys.stdout.write(f"{bill()}\n")
