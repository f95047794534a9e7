"""The notebook of the documentation: its cells run, and what it shows is what they return."""

import json
import re
from importlib.metadata import version
from pathlib import Path

import pytest
from notebook import NOTEBOOK, executed

ROOT = Path(__file__).parent.parent
DRAWN_BY = (ROOT / "tox.ini").read_text().partition("vl-convert-python==")[2].split()[0]


@pytest.fixture(scope="module")
def notebooks() -> tuple[dict, dict]:
    """The notebook as committed, and as its cells make it."""
    committed = json.loads(NOTEBOOK.read_text())
    return committed, executed(committed)


def shown(notebook: dict, kind: str) -> list[str]:
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    return ["".join(output["data"][kind]) for output in outputs if kind in output.get("data", {})]


def test_every_cell_runs_and_returns_the_numbers_that_the_notebook_shows(notebooks):
    committed, made = notebooks
    assert [cell["source"] for cell in made["cells"]] == [cell["source"] for cell in committed["cells"]]
    tables = [[re.split(r"\s+", text) for text in shown(notebook, "text/plain")] for notebook in notebooks]
    assert tables[0] == tables[1], "run: python -m tests.notebook"
    assert len(tables[0]) == 3


def test_its_figures_are_those_that_its_cells_draw(notebooks):
    figures = [shown(notebook, "image/svg+xml") for notebook in notebooks]
    assert len(figures[0]) == len(figures[1]) == 2
    if version("vl-convert-python") == DRAWN_BY:
        assert figures[0] == figures[1], "run: python -m tests.notebook"


def test_it_asks_for_nothing_but_the_package_and_what_the_package_needs(notebooks):
    source = "\n".join("".join(cell["source"]) for cell in notebooks[0]["cells"] if cell["cell_type"] == "code")
    imported = set(re.findall(r"^(?:import|from) (\w+)", source, re.MULTILINE))
    needed = (ROOT / "pyproject.toml").read_text().partition("dependencies = [")[2].partition("\n]")[0]
    declared = {name.replace("-python", "").replace("-", "_") for name in re.findall(r'"([\w-]+)>=', needed)}
    assert imported <= {"repro"} | declared
