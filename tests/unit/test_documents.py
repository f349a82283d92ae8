"""The documents of the repository point at things that are there."""

import re
from pathlib import Path

import pytest

from katib.algorithm import early_stoppers, registry

REPOSITORY = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path
    for folder in (".", "docs", "docs/adr", "examples", "changelog.d")
    for path in (REPOSITORY / folder).glob("*.md")
)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_lead_somewhere(document):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text())
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (document.parent / link).exists()] == []


def test_every_decision_is_listed():
    folder = REPOSITORY / "docs" / "adr"
    listed = (folder / "README.md").read_text()
    assert [path.name for path in folder.glob("0*.md") if path.name not in listed] == []


def test_decisions_that_code_refers_to_exist():
    numbers = {path.name[:4] for path in (REPOSITORY / "docs" / "adr").glob("0*.md")}
    named = {
        number
        for package in ("katib", "suggestions")
        for path in (REPOSITORY / package).rglob("*.py")
        for number in re.findall(r"ADR (\d{4})", path.read_text())
    }
    assert named
    assert named <= numbers


def test_readme_shows_a_makefile_target_for_every_command_it_names():
    targets = set(re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)", (REPOSITORY / "README.md").read_text()))
    assert named
    assert named <= targets


def test_readme_names_every_algorithm_there_is():
    said = (REPOSITORY / "README.md").read_text()
    assert [name for name in registry.names() if f"`{name}`" not in said] == []


def test_readme_names_every_early_stopper_there_is():
    said = (REPOSITORY / "README.md").read_text()
    assert [name for name in early_stoppers.names() if f"`{name}`" not in said] == []
