"""Strict YAML: values mean what a reader sees, and every error has its line and column."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from repro.claim.yaml import Document, read
from repro.errors import ReproError

CLAIM = """\
# a comment first
id: relu_speedup
train: {lr: 1e-3,
        epochs: 150}
arms:
  relu: {model.activation: relu}
seeds: [0, 1,
        2]
assumptions:
  - what: net
    ours: the 19pct net
"""


@pytest.fixture
def reading(tmp_path: Path):
    def reading(text: str | bytes) -> Document:
        file = tmp_path / "x.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read(file)

    return reading


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1e-3", 0.001),
        ("1E5", 100000.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.5", -0.5),
        ("6.0", 6.0),
        ("010", 10),
        ("-7", -7),
        ("+7", 7),
        ("0o10", 8),
        ("0x1F", 31),
        ("no", "no"),
        ("Yes", "Yes"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("2012-12-03", "2012-12-03"),
        ("2012-12-03 10:00:00", "2012-12-03 10:00:00"),
        ("true", True),
        ("FALSE", False),
        ("tRUE", "tRUE"),
        ("~", None),
        ("null", None),
        ("", None),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("'1e-3'", "1e-3"),
        ('"true"', "true"),
        ("''", ""),
        ("=", "="),
        ("<<", "<<"),
        ("1/64", "1/64"),
        ("[1, 1.0, one]", [1, 1.0, "one"]),
        ("{}", {}),
    ],
)
def test_a_value_is_what_yaml_1_2_says(reading, written, meant):
    found = reading(f"key: {written}\n").data["key"]
    assert found == meant
    assert type(found) is type(meant)


@pytest.mark.parametrize("written", [".nan", ".NaN", ".NAN"])
def test_nan_is_a_number(reading, written):
    assert math.isnan(reading(f"key: {written}").data["key"])


def test_keys_that_yaml_1_1_takes_for_booleans_are_names(reading):
    assert reading("on: 1\nno: 2\ny: 3\n").data == {"on": 1, "no": 2, "y": 3}


def test_a_document_is_plain_data(reading):
    assert reading(CLAIM).data == {
        "id": "relu_speedup",
        "train": {"lr": 0.001, "epochs": 150},
        "arms": {"relu": {"model.activation": "relu"}},
        "seeds": [0, 1, 2],
        "assumptions": [{"what": "net", "ours": "the 19pct net"}],
    }


@pytest.mark.parametrize(
    ("loc", "value", "key"),
    [
        (("id",), (2, 5), (2, 1)),
        (("train",), (3, 8), (3, 1)),
        (("train", "lr"), (3, 13), (3, 9)),
        (("train", "epochs"), (4, 17), (4, 9)),
        (("arms",), (6, 3), (5, 1)),
        (("arms", "relu", "model.activation"), (6, 28), (6, 10)),
        (("seeds", 1), (7, 12), (7, 12)),
        (("seeds", 2), (8, 9), (8, 9)),
        (("assumptions", 0), (10, 5), (10, 5)),
        (("assumptions", 0, "ours"), (11, 11), (11, 5)),
        ((), (2, 1), (2, 1)),
    ],
)
def test_every_part_has_its_place(reading, loc, value, key):
    document = reading(CLAIM)
    assert document.place(loc) == value
    assert document.place(loc, key=True) == key


def test_what_is_missing_has_the_place_of_its_nearest_parent(reading):
    document = reading(CLAIM)
    assert document.place(("train", "momentum")) == (3, 8)
    assert document.place(("train", "momentum", "kind"), key=True) == (3, 1)
    assert document.place(("assumptions", 3, "what")) == (10, 3)
    assert document.place(("question",)) == (2, 1)


def test_columns_count_characters_not_bytes(reading):
    assert reading("{größe: 1, ä: 2}").place(("ä",), key=True) == (1, 12)


def test_windows_line_ends_and_a_byte_order_mark_change_nothing(reading):
    assert reading(b"\xef\xbb\xbfa: 1\r\nb: x\r\n") == reading(b"a: 1\nb: x\n")


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("a: 1\nb: 2\na: 3\n", "3:1", "a: given twice, first on line 1"),
        ("a: {b: 1,\n    b: 1}\n", "2:5", "b: given twice, first on line 1"),
        ("a: 1\n'a': 1\n", "2:1", "a: given twice"),
        ("a: &x 1\n", "1:4", "&x: anchors are not allowed"),
        ("a: *x\n", "1:4", "*x: aliases are not allowed"),
        ("a: {<<: {b: 1}}\n", "1:5", "<<: merge keys are not allowed"),
        ("a: !!str 1\n", "1:4", "!!str: tags are not allowed"),
        ("a: !!python/object:os.system {}\n", "1:4", "!!python/object:os.system: tags are not allowed"),
        ("a: ! 1\n", "1:4", "!: tags are not allowed"),
        ("!x a: 1\n", "1:1", "!x: tags are not allowed"),
        ("a: 1\n---\nb: 1\n", "2:1", "a second document"),
        ("", "1:1", "it is empty"),
        ("# only a comment\n", "1:1", "it is empty"),
        ("---\n", "", "a single value"),
        ("text\n", "1:1", "a single value"),
        ("\n- a\n", "2:1", "a list"),
        ("a:\n  8: x\n", "2:3", '8: expected a name as a key; put it in quotes: "8"'),
        ("a: {true: x}\n", "1:5", "true: expected a name as a key"),
        ("?\n: x\n", "1:", "an empty key: expected a name"),
        ("? [a, b]\n: x\n", "1:3", "a list or mapping as a key"),
        ("a: 1e999\n", "1:4", "1e999: a number too large to read"),
        ("a: [" + "9" * 5000 + "]\n", "1:5", "a number too large to read"),
        ("a: [1, 2\nb: 3\n", "2:", "not YAML: "),
        ("a: 'x\n", "", "not YAML: "),
        ("a: b: c\n", "1:5", "not YAML: mapping values are not allowed"),
        ("a:\n\tb: 1\n", "2:1", "a tab: indent with spaces"),
        ("a: 1\nb: x\x01y\n", "2:5", "not YAML: "),
        (b"a: 1\nb: x\xff\n", "2:5", "byte 0xff is not UTF-8"),
        ("a: " + "[" * 500, "1:53", "nested more than 50 levels deep"),
        ("a: " + "[" * 5000, "1:", "nest"),  # libyaml itself may refuse it first, further in
    ],
)
def test_what_is_not_plain_data_is_refused_at_its_place(reading, tmp_path, text, place, says):
    with pytest.raises(ReproError) as caught:
        reading(text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'x.yaml'}:{place}")
    assert says in message
    assert "\n" not in message


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path):
    with pytest.raises(ReproError, match=r"absent\.yaml: no such file"):
        read(tmp_path / "absent.yaml")
    with pytest.raises(ReproError, match="cannot be read"):
        read(tmp_path)


def test_other_users_of_pyyaml_keep_their_yaml():
    assert yaml.safe_load("[no, 1e-3, 010]") == [False, "1e-3", 8]


def test_the_pure_python_parser_reads_the_same(tmp_path):
    """Where PyYAML was built without libyaml."""
    file = tmp_path / "x.yaml"
    file.write_text(CLAIM)
    program = (
        "import sys, yaml; del yaml.CSafeLoader; from repro.claim.yaml import read; d = read(sys.argv[1]); "
        "print(d.data, d.place(('seeds', 2)), d.place(('train', 'epochs'), key=True))"
    )
    done = subprocess.run([sys.executable, "-c", program, file], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{read(file).data} (8, 9) (4, 9)"
