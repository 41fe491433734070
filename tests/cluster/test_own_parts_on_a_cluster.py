"""Parts of one's own go to a cluster's workers with what is trained, and studies whose files have the same names do not mix there."""

from __future__ import annotations

from own_files import HELPERS, written
from test_own_parts_run import manifest, numbers, run

from zoneout_lab import open_results, schema


def test_two_studies_of_the_same_names_on_the_same_workers(cluster, tmp_path):
    """A third run of the first finds nothing to do."""
    first, other = written(tmp_path / "a"), written(tmp_path / "b", helpers=HELPERS.replace("rate / 2", "rate / 4"))
    here = [run(path, tmp_path / "here") for path in (first, other)]
    there = [run(path, tmp_path / "there", workers=None, scheduler=cluster.address) for path in (first, other, first)]
    assert [summary.trained for summary in there] == [6, 4, 0]  # their arms of nothing new agree, and are taken over
    assert numbers(here[0].folder) != numbers(here[1].folder)
    for one, another in zip(here, there, strict=False):
        assert numbers(one.folder) == numbers(another.folder)
    entry = next(iter(manifest(there[0].folder)["runs"].values()))
    record = schema.read_tree(there[0].folder / entry["file"])["provenance"].attrs
    assert '"device": "cpu"' in record["machine"]
    assert record["engine"].startswith('"cpu')
    # how many trained it, and not where they are
    page = (there[0].folder / "report.html").read_text()
    workers = {item["worker"] for item in schema.provenance(open_results(there[0].folder), "cluster")}
    assert (
        f"<h3>Cluster</h3>\n<dl>\n<div><dt>machines</dt><dd>1</dd></div>\n<div><dt>workers</dt><dd>{len(workers)}</dd></div>"
        in page
    )
    assert "<h3>Cluster</h3>" not in (here[0].folder / "report.html").read_text()
    assert "127.0.0.1" not in "".join(map(str, record.values()))


def test_nothing_to_do_needs_no_cluster(tmp_path):
    path = written(tmp_path / "a")
    run(path, tmp_path / "out")
    assert run(path, tmp_path / "out", scheduler="tcp://127.0.0.1:9").trained == 0
