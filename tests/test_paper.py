"""The paper's scale, 80x80 with networks of width 64, on a CPU: the same code, for as long as a test may last."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import dataclasses, json, os, resource, time
import torch
from ghr import jacobian, noise, recipes, runs, sampling, training

def interrupted(*arguments, **options):
    for step in training.train(*arguments, **options):
        yield step
        if step.step == 1:
            raise KeyboardInterrupt

def timed(name, function):
    start = time.monotonic()
    result = function()
    seconds, peak = time.monotonic() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{name} {seconds:.0f} s, peak memory so far {peak:.2f} GiB", flush=True)
    return result

table = recipes.table("paper", "avatars")
run = dataclasses.replace(table[-2], images="discs", pool=16, held_out=4, n=6, batch=1, images_seen=2, warmup=1)
halves = timed("discs of 80x80:", lambda: runs.data(run))
runs.SAVE_EVERY, runs.LOG_SEEDS = 0, range(1)  # a state after every step; one sample in the log

def one():
    runs.train = interrupted
    try:
        runs.fit(run)
    except KeyboardInterrupt:
        runs.train = training.train

timed("a step, interrupted:", one)
state = runs.cache.folder() / "training" / runs.path(run).name
resumed_from = runs.checkpoints.read(state, run)[0]["step"].item()
timed("another step, resumed:", lambda: runs.fit(run))
resumed = runs.load(run)
start = sampling.gaussian_start(halves.held_out, range(1))
sample = timed("a sample in 2 steps:", lambda: sampling.last(sampling.sample(resumed, start, steps=2)))
y = noise.add_noise(halves.held_out[:1], 0.1, torch.Generator().manual_seed(0))
basis = timed("2 leading pairs of the Jacobian:", lambda: jacobian.leading(resumed, y, 2))
print(json.dumps({
    "side": y.shape[-1],
    "parameters": sum(p.numel() for p in resumed.parameters()),
    "resumed_from": resumed_from,
    "steps": runs.log(run)["images_seen"][-1] // run.batch,
    "finite": bool(sample.isfinite().all()),
    "values": basis.eigenvalues.tolist(),
    "residuals": basis.residuals.tolist(),
}))
"""


@pytest.mark.slow
def test_the_paper_scale_trains_resumes_samples_and_is_analyzed(record_property):
    """Two steps on discs, one of them after an interruption; what each part took is printed at the end."""
    result = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    *lines, found = result.stdout.splitlines()
    for line in lines:
        record_property("80x80, width 64", line)
    found = json.loads(found)
    assert (found["side"], found["parameters"]) == (80, 7_659_264)  # paper, Appendix A
    assert (found["resumed_from"], found["steps"]) == (1, 2)
    assert found["finite"]
    values, residuals = found["values"], found["residuals"]
    assert values == sorted(values, reverse=True)
    assert len(values) == 2
    assert max(residuals) < 0.01 * values[0]
