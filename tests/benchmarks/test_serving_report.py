"""Results become a table and a chart."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.serving import report
from benchmarks.serving.chart import chart


def figures(rate: float, to_fp32: float) -> dict[str, float]:
    same = {"rate": rate, "to_fp32": to_fp32, "ratio": min(to_fp32, 0.95), "p50_ms": 20.0, "p99_ms": 30.0}
    return {**same, "bad": 0, "p50_to_bare": 1.1, "generator_us": 50.0, "bare": 300.0}


def throughput(rate: float, to_fp32: float) -> dict[str, dict[str, float]]:
    return {number: figures(rate, to_fp32) for number in ("1", "8", "32")}


def test_results_are_merged_entry_by_entry_into_the_table(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    report.merged(results, "throughput", {"Graft": throughput(300, 0.95), "mosec|x": throughput(150, 0.5)}, "full")
    told = report.merged(results, "throughput", {"mosec|x": throughput(210, 0.7), "ray": {"failed": "no"}}, "quick")
    assert json.loads(results.read_text()) == told
    assert set(told["rows"]["throughput"]) == {"Graft", "mosec|x", "ray"}
    assert told["rows"]["throughput"]["Graft"]["measured"]["effort"] == "full"
    report.write(told, tmp_path)
    table = (tmp_path / "table.md").read_text()
    assert "| Graft to the best peer (mosec|x) |".replace("mosec|x", "mosec/x") in table
    assert "1.36 × | **no** |" in table
    assert "| Graft | 300 (0.95) |" in table
    assert table.index("| Graft | 300") < table.index("| mosec/x | 210") < table.index("| ray |")
    named = ElementTree.fromstring((tmp_path / "chart.svg").read_text())  # noqa: S314
    assert "Graft" in {text.text for text in named.iter() if text.tag.endswith("text")}


def test_failed_server_fails_its_claim_in_the_report(tmp_path: Path) -> None:
    told = report.merged(tmp_path / "results.json", "throughput", {"Graft": {"failed": "it ended"}}, "full")
    (claim,) = report.claims(told)
    assert not claim.holds
    assert "it ended" in report.table(told)
    assert "<- NO" in report.readable([claim])


def test_chart_escapes_names_and_draws_bars_by_ratio() -> None:
    drawn = ElementTree.fromstring(chart({"a <b> & c": (100.0, 0.5), "Graft": (200.0, 1.0)}, "2 cores"))  # noqa: S314
    bars = [float(bar.attrib["width"]) for bar in drawn.iter() if bar.tag.endswith("rect")]
    assert bars[1] == 2 * bars[0]
    assert "a <b> & c" in {text.text for text in drawn.iter()}


def test_serving_page_shows_the_measured_results() -> None:
    docs = Path(__file__).parents[2] / "docs"
    told = json.loads((docs / "serving" / "results.json").read_text())
    assert (docs / "serving.md").read_text().endswith(report.FIGURES + report.table(told))
