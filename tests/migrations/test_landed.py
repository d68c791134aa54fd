"""What has landed stays: databases in the field were made by it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import migrations
from migrations import functions

LANDED = {
    "0001_pre_ledger": "894d6ee28b2d3b8b298f3ddfb9dd1e6e2219d9135a9584d51f525e3560ffb818",
    "0002_pre_pgqueuer": "79603e8ea365578a7d2c4c229b1208c47fc56f8588149d63548f2694506ee08d",
    "0003_pre_edge": "81e0d8d13f6d46f994edb15af31c911bd8c11e770cdbf1656ed853b712533223",
    "0004_pre_repair": "076e4333f213e7e333415265a36858da4bd698e6e802decc053633ef3664b3a4",
    "0005_pre_relays": "1d7492868aa1fe7d1bbe2fbc3da92216dd52f17200902f5a449a506c1465841b",
    "0006_pre_invites": "9d2c5aaf820f0049a42f98e456f1cd93483e559b683da6b635d9bc254b25bdef",
}
"""SHA-256 of each revision's file. Add a line for a new revision; never change one."""

FUNCTIONS = ("0006", "bdaeb399d508f3964441bc720ed0f1512466f87b4f9e46c928496cd4bfd600c5")
"""The newest revision, and the SHA-256 of all files of migrations/functions at it."""


def digest(*texts: str) -> str:
    """SHA-256 of some texts."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def test_a_landed_revision_is_never_edited() -> None:
    """Each file is what it was when it landed: who has applied it would never get the change."""
    versions = Path(migrations.__file__).parent / "versions"
    found = {path.stem: digest(path.read_text("utf-8")) for path in sorted(versions.glob("*.py"))}
    changed = [name for name, sha in found.items() if LANDED.get(name) not in {sha, None}]
    assert [] == changed, "put the change into a new revision"
    assert found == LANDED, "write the new revision's checksum into LANDED"


def test_a_changed_function_comes_with_a_revision() -> None:
    """A database at the newest revision is not migrated again: it would keep the old body."""
    texts = functions.sources()
    found = (migrations.head(), digest(*(texts[name] for name in sorted(texts))))
    assert found == FUNCTIONS, "functions have changed: add a revision, then write both here"
