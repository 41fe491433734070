"""A Dask cluster that takes only those who hold its certificate."""

from __future__ import annotations

import pytest
from dask_cluster import DaskCluster
from distributed import security
from small_study import arrays, assert_same_bits
from typed import SMALL, process

from zoneout_lab.errors import TryAgainError, UsageError
from zoneout_lab.study.cluster_connection import on_cluster
from zoneout_lab.training.checkpoint import computed_by


def certificate(folder):
    """The files of a certificate that was just made: the authority's, its own and its key."""
    made = security.Security.temporary()
    folder.mkdir()
    files = {}
    for name, content in (("ca", made.tls_ca_file), ("cert", made.tls_client_cert), ("key", made.tls_client_key)):
        files[name] = folder / f"{name}.pem"
        files[name].write_text(content)
    return files


def variables(ca, cert, key):
    """Dask's own variables, as docs/cluster.md has them."""
    found = {"CA_FILE": ca}
    for who in ("SCHEDULER", "WORKER", "CLIENT"):
        found |= {f"{who}__CERT": cert, f"{who}__KEY": key}
    return {f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(value) for name, value in found.items()}


@pytest.mark.slow
def test_a_study_over_tls_and_whom_it_does_not_take(tmp_path):
    ours, theirs = certificate(tmp_path / "ours"), certificate(tmp_path / "theirs")
    (tmp_path / "small.py").write_text(SMALL)

    def run(out, *options, **env):
        done = process(
            "run", str(tmp_path / "small.py"), "--out", str(tmp_path / out), "--no-tracking", *options, **env
        )
        assert done.code == 0, done.errors
        return next((tmp_path / out).glob("small-*"))

    cluster = DaskCluster(tmp_path, protocol="tls", env=variables(**ours))
    try:
        cluster.start_worker("a")
        there = run("there", "--scheduler", str(cluster.file), **variables(**ours))
        for holder in (theirs, theirs | {"ca": ours["ca"]}):
            text = refused(cluster.address, **holder)
            assert text.startswith(
                f"The scheduler at {cluster.address} and this command do not accept each other's certificates"
            )
        with (
            pytest.raises(TryAgainError, match="begins with tls://"),
            on_cluster(cluster.address.replace("tls", "tcp"), "cpu", None, computed_by, print),
        ):
            pass
    finally:
        cluster.close()
    assert_same_bits(arrays(run("here")), arrays(there))


def test_tls_where_there_is_none(cluster, tmp_path):
    refused(cluster.address.replace("tcp", "tls"), error=(UsageError, TryAgainError), **certificate(tmp_path / "ours"))


def refused(address="tls://127.0.0.1:9", *, error=UsageError, **files):
    settings = {
        "comm.tls.ca-file": files.get("ca"),
        "comm.tls.client.cert": files.get("cert"),
        "comm.tls.client.key": files.get("key"),
    }
    with (
        security.dask.config.set({f"distributed.{key}": value and str(value) for key, value in settings.items()}),
        pytest.raises(error) as caught,
        on_cluster(address, "cpu", None, computed_by, print),
    ):
        pass
    return str(caught.value)


def test_no_certificate():
    assert refused() == (
        "--scheduler tls://127.0.0.1:9: Dask has no certificate here. docs/cluster.md says how Dask is set up for TLS, under Who may connect."
    )


def test_a_certificate_that_is_not_there_or_none(tmp_path):
    files = certificate(tmp_path / "ours")
    assert f"cannot be used (FileNotFoundError: [Errno 2] No such file or directory): {tmp_path / 'no.pem'}" in refused(
        **files | {"ca": tmp_path / "no.pem"}
    )
    files["cert"].write_text("junk")
    assert f"{files['ca']}, {files['cert']}, {files['key']}" in refused(**files)
