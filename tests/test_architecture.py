"""Who may import whom, read from the sources with ast, and what `import repro.cli` may load."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LONGEST = 330  # lines: "about 300" with some room

# The rooms of the package and which others each may import. Plain facts without torch are parts of their own, for their
# rooms and others use them alike: `columns` and `frames` (tables of data), `tables` (rows of nets, and the names of
# libraries' nets), `known` (data sets), `minibatches`, `rows` (types of what a run's files hold), `events` (what is
# reported while runs are trained). What a paper's folder has of torch is a part too: the engine loads it by name.
FACTS = {"errors", "files", "columns", "frames", "tables", "known", "minibatches", "rows"}
JUDGING = FACTS | {"claim", "papers", "store", "draw", "questions"}
ENGINE = JUDGING | {"contents", "places", "workers", "nets", "data", "train", "engine", "events"}
MAY_IMPORT = {
    "errors": set(),
    "files": {"errors"},
    "columns": set(),
    "frames": {"files", "columns"},
    "workers": {"errors"},
    "places": FACTS | {"claim"},
    "tables": {"errors"},
    "known": {"errors"},
    "minibatches": set(),
    "rows": {"known"},
    "events": {"rows"},
    "claim": FACTS,
    "papers": FACTS | {"claim"},
    "papers with torch": FACTS | {"claim", "papers", "nets", "data", "train"},
    "store": {"errors", "files", "columns", "frames", "claim", "rows", "known", "minibatches"},
    "draw": {"errors", "store"},
    "questions": JUDGING,
    # A paper's own questions, which `contents` alone may import, and evaluations, which the engine loads by name.
    "paper_questions": JUDGING,
    "paper_evaluations": {"errors", "papers", "nets", "data", "train"},
    "contents": FACTS | {"claim", "papers", "paper_questions", "questions"},
    "pages": JUDGING | {"contents"},
    "documents": {"claim", "questions", "store", "engine"},
    "documented": {"claim", "documents"},
    "nets": {"errors", "tables"},
    "data": {"errors", "files", "workers", "known"},
    "train": FACTS | {"nets", "data"},
    "engine": ENGINE,
    # What has runs and pages of its own, beside those of claims.
    "finetune": ENGINE | {"pages", "flags"},
    "published": ENGINE | {"pages"},
    "doctor": ENGINE | {"pages", "documents"},
    "flags": {"errors", "places", "completion", "values"},
    "values": set(),
    "completion": set(),
    "progress": {"events"},
    # What `import repro` offers to notebooks.
    "notebook": JUDGING | {"asked", "contents", "places", "pages"},
    # What the command line does, verb by verb.
    "asked": JUDGING | {"contents", "places", "pages"},
    "machine": ENGINE | {"asked"},
    "watch": JUDGING | {"documents", "engine", "progress"},
    "reading": JUDGING | {"asked", "completion", "contents", "documents", "flags", "pages", "places"},
    "reporting": JUDGING | {"asked", "contents", "documented", "pages", "places"},
    "verbs": ENGINE | {"asked", "documents", "machine", "pages", "progress", "reporting"},
    "cli": ENGINE
    | {"asked", "doctor", "documents", "finetune", "flags", "pages", "progress", "published", "reading", "reporting"}
    | {"verbs", "watch"},
    "__main__": {"cli"},
    "__init__": {"notebook"},
}
TORCH_FREE = JUDGING | {"paper_questions", "contents", "pages", "notebook", "__init__"}
BRINGS_TORCH = {"torch", "torchvision", "timm"}
FACT_MODULES = {
    "repro.nets.tables": "tables",
    "repro.nets.libraries": "tables",
    "repro.papers.alexnet2012.timm_nets": "papers with torch",
    "repro.data.known": "known",
    "repro.data.layouts": "known",
    "repro.train.minibatches": "minibatches",
    "repro.store.rows": "rows",
    "repro.engine.events": "events",
}
# In a paper's folder.
OWN = {"questions": "paper_questions", "figure3": "paper_questions", "evaluations": "paper_evaluations"}


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


SOURCES = {module_of(file): file for file in sorted((ROOT / "repro").rglob("*.py"))}


def part_of(module: str) -> str:
    _, part, _, own, *_ = [*module.split("."), *["__init__"] * 3]
    if part == "papers" and own in OWN:
        return OWN[own]
    return FACT_MODULES.get(module) or part


def imports_of(source: str, module: str, package: bool = False) -> Iterator[tuple[str, int]]:
    """(module imported, line), at every level, inside functions and under TYPE_CHECKING too."""
    here = module.split(".") if package else module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            name = ".".join([*base, *filter(None, [node.module])])
            modules = [f"{name}.{alias.name}" for alias in node.names]
            # `from repro.nets import tables` imports the module; its package is loaded too: see loaded_with.
            yield from ((inner if inner in SOURCES else name, node.lineno) for inner in modules)
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__")
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield str(node.args[0].value), node.lineno


@cache  # many modules lead to the same ones
def imports(module: str) -> set[tuple[str, int]]:
    file = SOURCES[module]
    return set(imports_of(file.read_text(), module, package=file.name == "__init__.py"))


def loaded_with(module: str) -> set[str]:
    """The project's modules that importing `module`, and calling into it, can load: packages run their __init__."""
    found: set[str] = set()
    left = {module}
    while left:
        name = left.pop()
        if name in SOURCES and name not in found:
            found.add(name)
            left |= {name.rpartition(".")[0]} | {target for target, _ in imports(name)}
    return found


def at(module: str, line: int) -> str:
    return f"{SOURCES[module].relative_to(ROOT)}:{line}"


def test_the_reader_of_imports_sees_every_kind_of_import():
    source = """
import torch.nn as nn
from repro import errors
def inside():
    from .tables import NETS
    from ..errors import ReproError
    importlib.import_module("timm")
"""
    found = {name for name, _ in imports_of(source, "repro.nets.modules")}
    assert {"torch.nn", "repro.errors", "repro.nets.tables", "timm"} <= found


def test_every_part_of_the_package_has_a_rule():
    assert {part_of(module) for module in SOURCES} <= MAY_IMPORT.keys()


def test_parts_import_only_what_lies_below_them():
    wrong = [
        f"{at(module, line)}: {part_of(module)} imports {target}"
        for module in SOURCES
        for target, line in imports(module)
        if target.split(".")[0] == "repro" and target != "repro"
        if part_of(target) not in MAY_IMPORT[part_of(module)] | {part_of(module)}
    ]
    assert not wrong, "\n".join(wrong)


def test_the_package_never_imports_what_no_wheel_has():
    wrong = [
        f"{at(module, line)}: {target}"
        for module in SOURCES
        for target, line in imports(module)
        if target.split(".")[0] in ("benchmarks", "tests")
    ]
    assert not wrong, "\n".join(wrong)


def test_no_modules_import_each_other_in_a_circle():
    """As they are loaded: what is imported inside functions, and for types alone, may lead back."""

    def loaded(module: str) -> set[str]:
        body = ast.parse(SOURCES[module].read_text()).body
        top = ast.Module([n for n in body if isinstance(n, ast.Import | ast.ImportFrom)], [])
        package = SOURCES[module].name == "__init__.py"
        return {name for name, _ in imports_of(ast.unparse(top), module, package) if name in SOURCES}

    graph = {module: loaded(module) - {module} for module in SOURCES}
    while free := [module for module, below in graph.items() if not below & graph.keys()]:
        for module in free:
            del graph[module]
    assert not graph, f"in a circle, or above one: {sorted(graph)}"


def test_nobody_outside_questions_asks_which_question_it_is():
    asks = re.compile(r"\b(measure|rule)\.kind (==|!=|in\b|not in\b)")
    wrong = [
        f"{at(module, i)}: {line.strip()}"
        for module, file in SOURCES.items()
        for i, line in enumerate(file.read_text().splitlines(), start=1)
        if asks.search(line)
    ]
    assert not wrong, "\n".join(wrong)


def test_torch_is_out_of_reach_of_everything_that_judges_and_reports():
    """Whatever they import, however deep, and at whatever level."""
    wrong = {
        f"{at(module, line)}: {target}, within reach of {start}"
        for start in SOURCES
        if part_of(start) in TORCH_FREE
        for module in loaded_with(start)
        for target, line in imports(module)
        if target.split(".")[0] in BRINGS_TORCH or target == "safetensors.torch"
    }
    assert not wrong, "\n".join(sorted(wrong))


def test_models_and_data_know_neither_yaml_nor_the_store():
    wrong = [
        f"{at(module, line)}: {target}"
        for module in SOURCES
        if part_of(module) in {"nets", "data", "tables", "known"}
        for target, line in imports(module)
        if target.split(".")[0] in {"yaml", "pydantic"} or target.startswith(("repro.claim", "repro.store"))
    ]
    assert not wrong, "\n".join(wrong)


def test_only_the_command_line_prints_and_exits():
    wrong = []
    for module, file in SOURCES.items():
        if module in ("repro.cli", "repro.__main__"):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if isinstance(node, ast.Raise) and node.exc is not None:
                called = ast.unparse(node.exc).split("(")[0]
            if called in {"print", "exit", "quit", "SystemExit", "sys.exit", "sys.stdout.write", "sys.stderr.write"}:
                wrong.append(f"{at(module, node.lineno)}: {called}")
        if module != "repro.progress":  # the command line's own display, which nothing else may import
            wrong += [f"{at(module, line)}: rich" for name, line in imports(module) if name.split(".")[0] == "rich"]
    assert not wrong, "\n".join(wrong)


def test_files_stay_short():
    long = {
        module: lines for module, file in SOURCES.items() if (lines := len(file.read_text().splitlines())) >= LONGEST
    }
    assert not long


def test_importing_the_command_line_loads_nothing_heavy():
    program = "import sys, repro.cli; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    heavy = {"torch", "ray", "triton", "torchvision", "timm", "altair", "vl_convert", "scipy", "sklearn", "pandas"}
    assert not heavy & set(done.stdout.split())


@pytest.mark.parametrize("part", sorted(TORCH_FREE))
def test_judging_needs_no_torch_in_the_environment(part):
    """The same by running: each torch-free module is imported where torch cannot be."""
    modules = [module for module in SOURCES if part_of(module) == part]
    program = (
        f"import sys; sys.modules.update(torch=None, torchvision=None, timm=None)\nfor m in {modules}: __import__(m)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
