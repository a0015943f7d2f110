"""What is pinned can be installed with every Python that the workflow names, as far as what is installed here says."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
PYTHONS = WORKFLOW["jobs"]["tests"]["strategy"]["matrix"]["python"]
ALONE = "requirements-embedded.txt"  # installed without what it asks for


def asked_of(python: str) -> dict[str, str]:
    return {"python_version": python, "python_full_version": f"{python}.99", "extra": ""}


def pins(file: Path, python: str) -> Iterator[Requirement]:
    for line in file.read_text(encoding="utf-8").splitlines():
        if written := line.partition("#")[0].strip():
            pin = Requirement(written)
            if pin.marker is None or pin.marker.evaluate(asked_of(python)):
                yield pin


def installed(pin: Requirement) -> metadata.Distribution | None:
    """None where another version is here: the one for another Python."""
    found = next(iter(metadata.distributions(name=pin.name)), None)
    return found if found and pin.specifier.contains(found.version) else None


@pytest.mark.parametrize("file", sorted(ROOT.glob("requirements*.txt")), ids=lambda file: file.name)
@pytest.mark.parametrize("python", PYTHONS)
def test_what_is_pinned_for_a_python_runs_on_it(python: str, file: Path) -> None:
    for pin in pins(file, python):
        if found := installed(pin):
            wants = SpecifierSet(found.metadata.get("Requires-Python") or "")
            assert wants.contains(f"{python}.99"), f"{pin} needs Python {wants}"


@pytest.mark.parametrize("python", PYTHONS)
def test_what_a_pinned_one_needs_is_pinned_in_a_version_that_it_takes(python: str) -> None:
    files = [file for file in ROOT.glob("requirements*.txt") if file.name != ALONE]
    all_pins = [pin for file in files for pin in pins(file, python)]
    versions = {canonicalize_name(pin.name): next(iter(pin.specifier)).version for pin in all_pins}
    for pin in all_pins:
        for line in (found.requires or ()) if (found := installed(pin)) else ():
            need = Requirement(line)
            asked = [{**asked_of(python), "extra": extra} for extra in pin.extras or {""}]
            if need.marker is None or any(map(need.marker.evaluate, asked)):
                assert need.specifier.contains(versions.get(canonicalize_name(need.name), "none")), f"{pin}: {need}"
