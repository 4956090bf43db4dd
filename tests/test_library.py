"""The small modules, and what holds for the library as a whole."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from scipy import stats

import mnist_lab as lab
from mnist_lab import plotting, report, statistics
from mnist_lab._utils.messages import progress
from mnist_lab._utils.random_state import seeded
from mnist_lab._utils.files import user_cache, written_whole


def test_importing_the_library_imports_nothing_slow() -> None:
    slow = "torchvision", "matplotlib", "scipy"
    code = f"import sys, mnist_lab; print([name for name in {slow} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


def test_nothing_public_warns_at_import_or_at_work(tmp_path: Path) -> None:
    """Every public function with good arguments, and the drawing of every figure, in a Python that bears no warning."""
    code = """
import mnist_lab as lab
from tests.test_bad_input import TABLE
from matplotlib import pyplot as plt

for name, (function, kinds) in TABLE.items():
    if name not in ("load", "load_dataset"):  # whose good arguments name files that are not there
        function(**{argument: kind.good for argument, kind in kinds.items()})
        for number in plt.get_fignums():
            plt.figure(number).savefig(f"{name}.png", dpi=40)
        plt.close("all")
print("done")
"""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        check=False,  # what it says is asserted below
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent), "MPLBACKEND": "agg"},
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.endswith("done\n")


def test_every_public_name_is_there() -> None:
    for name in lab.__all__:
        assert getattr(lab, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        lab.missing  # noqa: B018


def test_seeded_gives_the_random_state_back_also_after_an_error() -> None:
    state = torch.get_rng_state()
    with pytest.raises(KeyError), seeded(3):
        torch.rand(10)
        raise KeyError
    assert torch.equal(state, torch.get_rng_state())


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "file.txt"
    with written_whole(path) as partial:
        partial.write_text("one")
        assert not path.exists()
    assert path.read_text() == "one"
    with pytest.raises(KeyError), written_whole(path) as partial:
        partial.write_text("two")
        raise KeyError
    assert path.read_text() == "one"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]


def test_a_written_file_is_as_readable_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "usual").write_text("")
    with written_whole(tmp_path / "ours"):
        pass
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_the_cache_is_where_the_variable_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MNIST_LAB_CACHE", str(tmp_path / "größe und mehr"))
    assert user_cache("networks") == tmp_path / "größe und mehr" / "networks"
    monkeypatch.delenv("MNIST_LAB_CACHE")
    assert "mnist_lab" in user_cache("networks").parts


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (10, 10), (9_931, 10_000), (3, 7)])
def test_wilsons_interval_is_wilsons(successes: int, trials: int) -> None:
    interval = statistics.share_interval(successes, trials)
    z, p, n = stats.norm.ppf(0.975), successes / trials, trials
    middle, half = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert interval.low == pytest.approx((middle - half) / (1 + z**2 / n), abs=1e-12)
    assert interval.high == pytest.approx((middle + half) / (1 + z**2 / n), abs=1e-12)


def test_a_share_is_of_something() -> None:
    with pytest.raises(ValueError, match="trials: expected an integer of at least 1"):
        statistics.share_interval(0, 0)
    with pytest.raises(ValueError, match="successes: expected an integer in 0..5, got 6"):
        statistics.share_interval(6, 5)


def test_a_paired_comparison_is_the_t_test_of_the_differences() -> None:
    random = np.random.default_rng(0)
    first = random.normal(0, 1, 12)
    second = first + random.normal(0.3, 0.5, 12)
    comparison = statistics.paired_comparison(list(first), list(second))
    reference = stats.ttest_rel(second, first)
    assert comparison.p_value == pytest.approx(reference.pvalue)
    interval = reference.confidence_interval(0.95)
    assert (comparison.low, comparison.high) == pytest.approx((interval.low, interval.high))
    assert comparison.shown == (reference.pvalue < 0.05)
    assert statistics.paired_comparison([1, 2], [1, 2]).p_value == 1
    assert statistics.paired_comparison([1, 2], [2, 3]).shown


def test_a_comparison_needs_pairs() -> None:
    for first, second in (([1.0], [2.0]), ([1.0, 2.0], [1.0]), ([1.0, float("nan")], [1.0, 1.0])):
        with pytest.raises(ValueError, match="(first|second).*: expected"):
            statistics.paired_comparison(first, second)


def test_an_answer_is_printed_and_kept_for_the_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], bar_dataset: lab.Dataset
) -> None:
    monkeypatch.setenv("MNIST_LAB_ANSWERS", str(tmp_path / "answers"))
    report.answer("3.1.2", "A first line\n   and a second.", dataset=bar_dataset)
    text = "A first line and a second. (Measured on bars digits, not on MNIST.)"
    assert " ".join(capsys.readouterr().out.split()) == f"Answer to 3.1.2: {text}"
    kept = json.loads((tmp_path / "answers" / "3.1.2.json").read_text(encoding="utf-8"))
    assert kept == {"question": "3.1.2", "text": text, "dataset": "bars"}
    for question, words in (("three", "text"), ("1.1", "  "), ("../1.1", "text")):
        with pytest.raises(ValueError, match="question: |text: "):
            report.answer(question, words)


def test_progress_is_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress(3, "counting") as bar:
        for number in range(3):
            bar.step()
            bar.line(f"number {number}")
    assert "counting: number 1\n" in terminal.getvalue()
    assert "counting: 100%" in terminal.getvalue() or "3/3" in terminal.getvalue()


def test_while_a_report_is_built_progress_goes_past_the_page(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import io

    real = io.StringIO()
    monkeypatch.setenv("MNIST_LAB_REPORT", "1")
    monkeypatch.setattr(sys, "__stderr__", real)
    with progress(1, "counting") as bar:
        bar.line("one")
    assert real.getvalue() == "counting: one\n"
    assert capsys.readouterr().err == ""


HISTORY = lab.History(
    train_loss=(0.5, 0.2),
    train_error=(0.1, 0.02),
    validation_loss=(0.6, 0.3),
    validation_error=(0.12, 0.04),
    validation_accuracy=(0.88, 0.96),
    seconds=(1.0, 1.0),
    batch_loss=tuple(np.linspace(2.3, 0.2, 20)),
    batch_error=tuple(np.linspace(0.9, 0.02, 20)),
)


def curves(axes: Axes) -> dict[object, list[float]]:
    return {line.get_label(): np.asarray(line.get_ydata()).tolist() for line in axes.lines}


def test_curves_show_what_was_measured_each_labelled_as_what_it_is() -> None:
    figure = plotting.training_curves(HISTORY)
    panels = {axes.get_title(): axes for axes in figure.axes}
    assert list(panels) == ["Loss", "Error", "Accuracy"]
    drawn = curves(panels["Error"])
    assert drawn["training, end of epoch"] == [0.1, 0.02]
    assert drawn["validation, end of epoch"] == [0.12, 0.04]
    drawn = curves(panels["Accuracy"])
    assert drawn["validation, end of epoch"] == [0.88, 0.96]
    drawn = curves(panels["Loss"])
    assert drawn["each training batch"] == list(HISTORY.batch_loss)
    assert all(axes.get_xlabel() == "epochs of training" and axes.get_ylabel() for axes in figure.axes)
    plt.close(figure)


def test_compared_errors_show_the_mean_and_the_range() -> None:
    runs = [HISTORY, lab.History(**{**vars(HISTORY), "validation_error": (0.2, 0.08)})]
    figure = plotting.compared_errors({"plain": runs, "other": runs[:1]})
    drawn = curves(figure.axes[0])
    assert drawn["plain, mean of 2"] == pytest.approx([0.16, 0.06])
    assert drawn["other, mean of 1"] == pytest.approx([0.12, 0.04])
    band = figure.axes[0].collections[0].get_paths()[0].vertices
    assert {round(float(y), 6) for y in np.asarray(band)[:, 1]} == {0.12, 0.2, 0.04, 0.08}
    plt.close(figure)


def test_paired_differences_show_every_pair_in_its_unit() -> None:
    comparison = statistics.paired_comparison([0.99, 0.98, 0.97], [0.99, 0.99, 0.99])
    axes = plt.figure().add_subplot()
    figure = plotting.paired_differences(comparison, title="Accuracy", unit="points", scale=100, axes=axes)
    assert figure is axes.figure
    pairs = next(line for line in axes.lines if line.get_label() == "a pair")
    assert np.asarray(pairs.get_xdata()).tolist() == pytest.approx([0, 1, 2])
    assert (axes.get_title(), axes.get_xlabel()) == ("Accuracy", "points")
    plt.close(figure)


def test_show_saves_figures_where_there_is_no_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert mpl.get_backend().lower() == "agg"
    plotting.training_curves(HISTORY)
    monkeypatch.setenv("MNIST_LAB_REPORT", "1")
    plotting.show()
    assert not (tmp_path / "figures").exists()
    monkeypatch.delenv("MNIST_LAB_REPORT")
    plotting.show()
    saved = list((tmp_path / "figures").glob("*.png"))
    assert len(saved) == 1
    assert saved[0].name in capsys.readouterr().out
    assert plt.get_fignums() == []
