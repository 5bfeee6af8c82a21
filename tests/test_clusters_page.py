"""The page about clusters does what it says, with fewer folds and epochs."""

import re
from pathlib import Path

import torch

PAGE = Path(__file__).parents[1] / "book" / "clusters.md"
STUDY, CALL, CLUSTER, DEVICE = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_the_study_runs_as_it_is_printed(tmp_path, monkeypatch):
    (tmp_path / "study.py").write_text(STUDY.replace("epochs=30", "epochs=1"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(CALL.replace("range(7)", "range(2)"), names)
    comparison = names["comparison"]
    assert comparison.folds == (0, 1)
    assert set(comparison.arms) == {"counts", "squares"}
    assert (tmp_path / "runs.jsonl").read_text().count("\n") == 2 * 2 * (2 + 2)


def test_the_cluster_takes_the_arguments_that_are_printed():
    compile(CLUSTER, PAGE.name, "exec")
    assert "LocalCluster(n_workers=4, threads_per_worker=1)" in CLUSTER
    assert 'parallel_config(backend="dask")' in CLUSTER


def test_the_layer_elsewhere_gives_the_same_features():
    names = {}
    exec(DEVICE, names)
    z = torch.randn(2, 16, generator=torch.Generator().manual_seed(0))
    features, elsewhere = names["layer"](z), names["elsewhere"](z)
    assert torch.allclose(features, elsewhere, atol=1e-5)
    assert names["elsewhere"].weights is names["layer"].weights
