import re
import subprocess
import sys
from pathlib import Path

import pytest

from katib.errors import InvalidInput
from katib.store.query.parse import parse_filter
from katib.store.query.vocabulary import EXPERIMENTS, PROJECTS, RUNS

DOCS = (Path(__file__).parents[4] / "docs/store-queries.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\n(.*?)^```", DOCS, re.DOTALL | re.MULTILINE)


def test_the_examples_are_filters():
    assert [parse_filter(line, RUNS) for line in BLOCKS[0].splitlines()]


def test_the_shown_refusal_is_what_is_said():
    with pytest.raises(InvalidInput) as refused:
        parse_filter("statu = 'FINISHED'", RUNS)
    assert str(refused.value) == BLOCKS[1].rstrip("\n")


@pytest.mark.parametrize(
    ("title", "vocabulary"), [("Runs", RUNS), ("Experiments", EXPERIMENTS), ("Projects", PROJECTS)]
)
def test_every_attribute_is_named(title, vocabulary):
    listed = re.search(rf"^- \*\*{title}\*\* have (.*?)(?=^- |^#)", DOCS, re.DOTALL | re.MULTILINE)[1]
    assert {attribute.name for attribute in vocabulary.attributes} <= set(re.findall(r"`(\w+)`", listed))


def test_the_language_itself_needs_no_database_library():
    code = "import sys, katib.store.query; raise SystemExit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
