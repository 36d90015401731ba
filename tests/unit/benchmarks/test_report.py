"""RESULTS.md: made of what was measured and of what people wrote, and neither takes the other's place."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import report, results
from benchmarks.machine import CHECKOUT
from benchmarks.results import Chart, Curve, Figure, Measured, Parts, Picture, Point, Results


def found() -> Results:
    known = Results()
    met = Figure(what="B3 statements", values=[0.05], limit=0.1, digits=3)
    missed = Figure(what="B3 rooms", values=[2.0, 2.5, 3.5], unit=" × relay", limit=3, at_most=False, beside="edits 9")
    known.add("B3", Measured([missed, met]), machine="a machine", rounds=3, seconds=2)
    curve = Curve("edits/s", [Point(1, [10.0]), Point(10, [100.0]), Point(100, [1000.0])])
    flat = Curve("flat", [Point(1, [5.0]), Point(100, [5.0])])
    chart = Chart(name="growth-rooms", title="More rooms", x="rooms", y="per second", curves=[curve, flat])
    known.add("growth", Measured(charts=[chart]), machine="a machine", rounds=3, seconds=2)
    split = Parts(name="cost", title="Cost", unit="µs", loads=["one room"], parts={"decode": [1.0], "write": [3.0]})
    graph = Picture("hot-path", "Hot", "<svg/>")
    known.add(
        "costs",
        Measured([Figure(what="CPU", values=[4.0])], parts=[split], pictures=[graph]),
        machine="a machine",
        rounds=3,
        seconds=2,
    )
    return known


def test_a_budget_is_met_by_the_median_and_a_missed_one_is_seen() -> None:
    known = found()
    assert [figure.what for figure in known.missed] == ["B3 rooms"]
    assert known.missed[0].row == "| B3 rooms: edits 9 | 2.5 × relay (2.0-3.5) | ≥ 3 × relay | **no** |"
    written = report.markdown(known, {})
    assert "**1 of 2 budgets are met.** Missed: B3 rooms." in written


def test_readings_stand_under_their_figures_and_none_is_lost() -> None:
    read = report.readings(
        "<!-- for people -->\n\n## Budgets\n\nSlow disk.\n\n## Growth\n\nFlat.\n\n## Elsewhere\n\nKept.\n"
    )
    assert read == {"Budgets": "Slow disk.", "Growth": "Flat.", "Elsewhere": "Kept."}
    written = report.markdown(found(), read)
    places = [
        written.index(one)
        for one in ("## Budgets", "B3 rooms: edits", "Slow disk.", "## Cost", "## Growth", "Flat.", "Kept.")
    ]
    assert places == sorted(places)


def test_a_reading_is_kept_where_its_topic_was_never_measured() -> None:
    assert "Fair words." in report.markdown(found(), {"Peers": "Fair words."})


def test_slopes_are_said_in_words() -> None:
    (chart,) = found().topics["growth"].charts
    said = report.slopes(chart)
    assert "edits/s: slope +1.00 (R² 1.00), 10 at 1 and 1,000 at 100 rooms; ten times as many make it 10 ×." in said
    assert "flat: slope +0.00 (R² 1.00), 5 at 1 and 5 at 100 rooms; it does not depend on it." in said


def test_parts_are_shown_with_their_shares() -> None:
    (parts,) = found().topics["costs"].parts
    assert report.parts_table(parts).splitlines()[2:] == [
        "| decode | 1.0 (25%) |", "| write | 3.0 (75%) |", "| **in all** | **4.0** |",
    ]  # fmt: skip


def test_a_run_of_one_topic_leaves_the_others(tmp_path: Path) -> None:
    results.save(found(), tmp_path / "results.json")
    known = results.load(tmp_path / "results.json")
    known.add(
        "B3",
        Measured([Figure(what="B3 rooms", values=[4.0], limit=3, at_most=False)]),
        machine="another",
        rounds=1,
        seconds=1,
    )
    report.write(known, tmp_path, {})
    written = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    assert "another" in written
    assert "**1 of 1 budgets are met.**" in written
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {"growth-rooms.svg", "cost.svg"}
    assert "plots/hot-path.svg" in written


def test_nothing_is_known_before_the_first_run(tmp_path: Path) -> None:
    assert results.load(tmp_path / "results.json") == Results()


@pytest.mark.parametrize("folder", [CHECKOUT / "benchmarks"])
def test_what_is_committed_is_what_was_measured_and_read(folder: Path) -> None:
    read = report.readings((folder / "readings.md").read_text(encoding="utf-8"))
    written = (folder / "RESULTS.md").read_text(encoding="utf-8")
    assert written == report.markdown(results.load(folder / "results.json"), read)


def test_plots_show_nothing_of_the_machine_they_were_made_on() -> None:
    plots = list((CHECKOUT / "benchmarks" / "plots").glob("*.svg"))
    assert plots
    for plot in plots:
        written = plot.read_text(encoding="utf-8")
        assert not [folder for folder in ("/home", "/root", "/tmp", "/work", "/opt", "/usr") if folder in written]
        assert len(written) < 300_000, f"{plot.name} is too large for a page"


def test_figures_without_a_budget_are_shown_without_its_columns() -> None:
    assert report.table([Figure(what="CPU", values=[4.0])]).splitlines()[-1] == "| CPU | 4.0 (4.0-4.0) |"
    assert (
        report.table([Figure(what="CPU", values=[4.0], limit=5)]).splitlines()[-1]
        == "| CPU | 4.0 (4.0-4.0) | ≤ 5 | yes |"
    )
