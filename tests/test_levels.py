"""When a run falls to a level, and when it is given up: every expectation is arithmetic on a formula."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from repro.questions.levels import Goal, Level

FILES = ((10, 10, 5), (10, 10, 5), (10, 10, 5), (10, 10, 5))  # an epoch of 100 images in four files: 12 updates
UPDATES = 12


def rows_of(
    error: Callable[[float], float], epochs: int, recorded: int = 10**6, wrong: dict[int, int] | None = None
) -> list[dict]:
    """Epochs in which update u (1, 2, ...) shows the error of its middle, u - 1/2; those after `recorded` sparsely."""
    sizes, out = [size for file in FILES for size in file], []
    for epoch in range(1, epochs + 1):
        updates, total = [], 0.0
        for i, size in enumerate(sizes):
            update = (epoch - 1) * UPDATES + i + 1
            count = error(update - 0.5) * size if wrong is None else wrong[update]
            total += count
            if update <= recorded:
                updates.append([update, 2.0 * count / size, count])
        means = {"train_error": total / 100, "train_loss": 2.0 * total / 100}
        out.append({"epoch": epoch, "diverged": None, "updates": updates} | means)
    return out


def line(slope: float) -> Callable[[float], float]:
    """An error that falls from chance, 0.9, by `slope` an update."""
    return lambda update: 0.9 - slope * update


def level(value: float, **options: object) -> Level:
    return Level("train_error", value, FILES, 0.9, **options)


@pytest.mark.parametrize("at", ["files", "middle"])
def test_on_a_straight_line_a_mean_at_the_middle_of_its_interval_is_on_it(at: str) -> None:
    # equal updates: a file of three has its middle at its second; weights by images shift it by less than a tenth
    rows = rows_of(line(0.02), 3)
    assert level(0.5, at=at).time(rows) == pytest.approx(20 / UPDATES, abs=0.1 / UPDATES * 3)


def test_read_at_its_end_an_epoch_s_mean_comes_half_an_epoch_late_and_at_its_start_half_an_epoch_early() -> None:
    rows = rows_of(line(0.02), 3)
    middle, end, start = (level(0.5, at=at).time(rows) for at in ("middle", "end", "start"))
    assert end - middle == pytest.approx(0.5)
    assert middle - start == pytest.approx(0.5)


def test_files_are_read_while_every_update_is_recorded_and_epochs_after() -> None:
    rows = rows_of(line(0.01), 4, recorded=2 * UPDATES + 5)
    times = [time for time, _ in level(0.1).points(rows)]
    assert times == pytest.approx([0, *((k + 0.5) / 4 for k in range(8)), 2.5, 3.5])


def test_the_error_of_a_file_is_errors_over_images() -> None:
    wrong = dict(zip(range(1, 13), [9, 8, 1, 5, 5, 5, 2, 2, 0, 0, 0, 0], strict=True))
    values = [value for _, value in level(0.1).points(rows_of(line(0), 1, wrong=wrong))]
    assert values == pytest.approx([0.9, 18 / 25, 15 / 25, 4 / 25, 0])


def test_the_loss_of_a_file_is_a_mean_over_images() -> None:
    wrong = dict(zip(range(1, 13), [9, 8, 1, 5, 5, 5, 2, 2, 0, 0, 0, 0], strict=True))
    loss = Level("train_loss", 0.1, FILES, 2.3)
    values = [value for _, value in loss.points(rows_of(line(0), 1, wrong=wrong))]
    assert values == pytest.approx([2.3, 36 / 25, 30 / 25, 8 / 25, 0])


def test_the_series_is_monotone_and_what_was_reached_stays_reached_when_the_run_goes_on() -> None:
    def bumpy(update: float) -> float:
        return 0.9 - 0.02 * update + (0.2 if 14 < update < 20 else 0.0)

    rows = rows_of(bumpy, 3)
    values = [value for _, value in level(0.4).points(rows)]
    assert values == sorted(values, reverse=True)
    for at in ("files", "middle", "end", "start"):
        read = [level(0.45, at=at).time(rows[:n]) for n in range(4)]
        first = next(time for time in read if time is not None)
        assert [time for time in read if time is not None] == [first] * (3 - read.index(first) + 1)


@pytest.mark.parametrize(("window", "back"), [(4, 2), (5, 2.5)])
def test_the_mean_of_a_window_stands_at_its_middle(window: int, back: float) -> None:
    rows = rows_of(line(0.02), 3)
    found, late = (Level("train_loss", 1.0, FILES, 2.3, at, window).time(rows) for at in ("middle", "end"))
    assert late - found == pytest.approx(back / UPDATES)
    # the loss, 1.8 - 0.04 u, is 1 at update 20: the first window below it has its middle at most one update later
    assert 20 / UPDATES < found <= 21 / UPDATES


def test_a_level_met_at_once_takes_an_update() -> None:
    assert level(0.9).time(rows_of(line(0.02), 1)) == pytest.approx(1 / UPDATES)
    assert level(0.95, at="start").time(rows_of(line(0.02), 1)) == pytest.approx(1 / UPDATES)


def test_a_level_that_is_never_met_has_no_time() -> None:
    assert level(0.1).time(rows_of(line(0.0), 2)) is None
    assert level(0.1).time([]) is None


# What is given up


def losses(*values: float, dead: dict[int, float] | None = None) -> list[dict]:
    rows: list[dict] = [
        {"epoch": n, "diverged": None, "train_loss": v, "updates": []} for n, v in enumerate(values, start=1)
    ]
    for epoch, share in (dead or {}).items():
        rows[epoch - 1]["saturated"] = {"conv1": {"units": 0.1}, "fc6": {"units": share}}
    return rows


def goal(epochs: int, rectified: bool = True) -> Goal:
    return Goal(epochs, None, bar=2.07, rectified=rectified)


def test_a_run_whose_loss_stays_above_its_first_epoch_s_until_half_of_the_horizon_is_not_continued() -> None:
    assert not goal(8).met(losses(2.30, 2.31, 2.32))
    assert goal(8).met(losses(2.30, 2.31, 2.32, 2.33))
    assert goal(8).lost(losses(2.30, 2.31, 2.32, 2.33))
    assert not goal(8).met(losses(2.30, 2.31, 2.29, 2.33)), "it moves"
    assert not goal(10).met(losses(2.30, 2.31, 2.32, 2.33)), "there is time left"


def test_a_run_with_a_layer_of_dead_relus_is_not_continued_and_one_of_tanh_is() -> None:
    dead = losses(6.0, 2.31, 2.303, 2.303, dead={1: 0.2, 4: 1.0})
    assert goal(8).met(dead)
    assert not goal(8, rectified=False).met(dead)
    assert not goal(8).met(losses(6.0, 2.31, 2.303, 2.303, dead={1: 1.0, 4: 0.99})), "it came back"


def test_a_run_that_learned_something_by_half_of_the_horizon_is_continued_whatever_comes() -> None:
    rows = losses(2.05, 2.3, 2.3, 2.3, dead={4: 1.0})
    assert goal(8).started(rows)
    assert not goal(8).met(rows)
    assert not goal(8).started(losses(2.3, 2.3, 2.3, 2.3, 1.0)), "by half of it"
