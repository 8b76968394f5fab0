"""Many machines: a real Ray cluster of several nodes on this one, killed and interrupted."""

import dataclasses
import functools
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
import torch
from conftest import STUBS, same, until
from safetensors.torch import load_file

from ghr import cluster, recipes, runs
from ghr.files import checkpoints
from ghr.recipes import Run

RUN = Run(images="discs", size=8, held_out=6, n=20, width=4, scales=1, images_seen=500 * 8, batch=8, average=0.9)
TINY = dataclasses.replace(RUN, images_seen=20 * 8)
LONG = dataclasses.replace(RUN, images_seen=1900 * 8, width=16)  # at work when a signal arrives

# Ray leaves its servers' handles to the garbage collector, and warns of what a later Ray will do
pytestmark = [
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:unclosed file .*/(session_|ray):ResourceWarning"),
]


def of_ray() -> set[int]:
    """Processes of Ray that these tests have started: a folder in their environment tells them from others."""
    found = set()
    for process in psutil.process_iter(["cmdline"]):
        words = " ".join(process.info["cmdline"] or [])
        if re.search(r"^ray::|/ray/(core|dashboard|_private|autoscaler)/", words):
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if process.environ().get("RAY_TMPDIR") == os.environ["RAY_TMPDIR"]:
                    found.add(process.pid)
    return found


def gone(processes) -> bool:
    """Whether they end within a minute."""
    _, alive = psutil.wait_procs([psutil.Process(p) for p in processes if psutil.pid_exists(p)], timeout=60)
    return not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]


def die(nodes, node) -> None:
    """A node of a cluster ends at once, all its processes with it, as when a machine loses power."""
    children = psutil.Process(node.all_processes["raylet"][0].process.pid).children(recursive=True)
    nodes.remove_node(node, allow_graceful=False)
    for child in children:
        with suppress(psutil.NoSuchProcess):  # it may have followed its node
            child.kill()


@pytest.fixture(scope="module")
def quiet():
    """Ray's files in a short folder of these tests, and no token of the user's."""
    folder = Path(tempfile.mkdtemp(prefix="ghr-"))  # pytest's own are too long for the names of sockets
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", str(folder))
        patch.setenv("PYTHONPATH", f"{Path(cluster.__file__).parents[1]}{os.pathsep}{STUBS}")
        patch.setenv("HOME", str(folder))
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        yield
        assert gone(of_ray())
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def head(quiet):
    """A cluster whose only node takes no runs."""
    from ray.cluster_utils import Cluster

    options = {"num_cpus": 0, "object_store_memory": cluster.STORE, "include_dashboard": False}
    nodes = Cluster(initialize_head=True, head_node_args=options)
    yield nodes
    die(nodes, nodes.head_node)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Checkpoints and cache of this test; states are saved five times a second."""
    monkeypatch.setenv("GHR_CHECKPOINTS", str(tmp_path / "checkpoints"))
    monkeypatch.setenv("GHR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GHR_SAVE_EVERY", "0.2")
    return tmp_path


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Weights of RUN that one process trained without a stop, on one thread."""
    folder = str(tmp_path_factory.mktemp("alone"))
    with pytest.MonkeyPatch.context() as patch, one_thread():
        patch.setenv("GHR_CHECKPOINTS", folder)
        patch.setenv("GHR_CACHE", folder)
        return load_file(runs.fit(RUN))


@contextmanager
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def states(folder) -> list[Path]:
    return [p for p in folder.glob("cache/training/*.safetensors") if not p.name.startswith(".")]


# A real cluster ---------------------------------------------------------------------------------------------------


def test_a_run_whose_node_is_killed_goes_on_elsewhere_to_the_same_weights(head, alone, folders, capsys):
    """The node that trains dies, with its worker, when a state has been saved; the other node finishes."""
    nodes = [head.add_node(num_cpus=1, object_store_memory=cluster.STORE) for _ in range(2)]
    left = list(nodes)

    def kill():
        until(lambda: states(folders))
        trains = [p for p in psutil.process_iter(["name", "pid"]) if p.info["name"].startswith("ray::_train")]
        (worker,) = [p for p in trains if p.pid in of_ray()]
        (node,) = [n for n in nodes if n.all_processes["raylet"][0].process.pid == worker.ppid()]
        left.remove(node)
        die(head, node)

    killer = threading.Thread(target=kill)
    killer.start()
    done = list(cluster.fit([RUN], head.address))
    killer.join()
    (survivor,) = left
    die(head, survivor)
    assert done == [runs.path(RUN)]
    assert same(load_file(runs.path(RUN)), alone)
    told = capsys.readouterr().err
    ((first, begun),) = re.findall(rf"{RUN.name} is trained on (.+), from image (\d+)\n", told)
    ((image, second),) = re.findall(rf"{RUN.name} goes on at image ([\d,]+) on (.+)\n", told)
    assert first != second
    assert int(begun) == 0
    assert int(image.replace(",", "")) >= RUN.batch  # it resumed where a step had been saved
    assert states(folders) == []
    assert not list(folders.rglob(".cluster-*"))


def test_a_non_finite_loss_is_told_at_the_end_and_the_other_runs_are_done(head, folders, monkeypatch):
    """Not tried again: the learning rate would be the same."""
    node = head.add_node(num_cpus=1, object_store_memory=cluster.STORE)
    wild = dataclasses.replace(TINY, lr=1e38, warmup=0)
    trained = cluster.fit([wild, TINY], head.address)
    try:
        assert next(trained) == runs.path(TINY)
        with pytest.raises(
            RuntimeError, match=f"1 of 2 runs failed, the others are done. {wild.name}: Step 1: the loss"
        ):
            next(trained)
    finally:
        trained.close()
        die(head, node)
    assert list(cluster.fit([TINY], "local")) == [runs.path(TINY)]  # done: no cluster is started


def test_a_run_that_no_node_can_take_is_told(head, folders, monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 1)
    with pytest.raises(TimeoutError, match="For 1 s no machine of the cluster had 1 CPU, which a run needs: add one"):
        list(cluster.fit([TINY], head.address))


def test_a_gpu_that_torch_does_not_find_is_told(head, folders):
    node = head.add_node(num_cpus=1, num_gpus=1, object_store_memory=cluster.STORE)
    try:
        with pytest.raises(ValueError, match="Ray counts a GPU on .+, but torch finds none there"):
            list(cluster.fit([TINY], head.address))
    finally:
        die(head, node)


def test_ctrl_c_leaves_what_one_machine_goes_on_with(quiet, folders, monkeypatch):
    """SIGINT to the real command and its process group, as a terminal sends it, in the first minute.

    What was done is saved then, to the bit, and is where one machine goes on; nothing stays behind.
    """
    before = of_ray()
    script = f"""
import signal
from ghr import __main__, cluster, plan, recipes
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what is in its background deaf to it
plan.laptop = lambda: (recipes.{LONG!r},)
cluster.CPUS = 1
__main__.main()
"""
    monkeypatch.delenv("RAY_AUTH_MODE")  # Ray makes a token for a cluster of its own
    monkeypatch.setenv("GHR_SAVE_EVERY", "3600")
    told = folders / "told"
    with told.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", script, "train", "--cluster", "local"], stderr=stderr, start_new_session=True
        )
    try:
        until(lambda: re.search(r"[1-9][\d.]*k?/15\.2k", told.read_text()) or process.poll() is not None)
    finally:  # a test that fails leaves nothing behind either
        os.killpg(process.pid, signal.SIGINT)
    process.wait(timeout=60)
    assert process.returncode == 1
    assert told.read_text().endswith("ghr: interrupted; the same command goes on where it stopped.\n")
    assert gone(of_ray() - before)
    (state,) = states(folders)
    assert not runs.path(LONG).exists()
    left, _ = checkpoints.read(state, LONG)
    done = int(left["step"])
    train, steps = runs.train, []

    def until_step(last):
        def stopped(*arguments, **options):
            for step in train(*arguments, **options):
                steps.append(step.step)
                yield step
                if step.step == last:
                    raise KeyboardInterrupt

        steps.clear()
        monkeypatch.setattr(runs, "train", stopped)
        with one_thread(), pytest.raises(KeyboardInterrupt):
            runs.fit(LONG)
        return list(steps)

    assert until_step(done + 1) == [done + 1]
    monkeypatch.setenv("GHR_CACHE", str(folders / "unstopped" / "cache"))
    monkeypatch.setenv("GHR_SAVE_EVERY", "-1")
    assert until_step(done) == [*range(1, done + 1)]
    (unstopped,) = states(folders / "unstopped")
    assert same(left, checkpoints.read(unstopped, LONG)[0])


# Bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["nowhere", "ray://host:10001", "host:", ":6379", "host:0", "host:99999", ""])
def test_a_bad_address_is_one_sentence(address):
    with pytest.raises(ValueError, match=f'"{address}" is no cluster: expected local, auto or HOST:PORT') as error:
        next(cluster.fit([TINY], address))
    assert "\n" not in str(error.value)


def test_an_address_at_which_nothing_answers_is_one_sentence():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # bound, not listening
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(ConnectionError, match=f"Nothing answers at {address}"):
            next(cluster.fit([TINY], address))


def test_no_cluster_around_is_one_sentence(quiet, folders, monkeypatch):
    """Ray looks for one among all processes of the machine."""
    from ray._private import services

    monkeypatch.setattr(services, "find_gcs_addresses", functools.cache(set))
    monkeypatch.setenv("RAY_TMPDIR", str(folders))  # where it would be noted
    with pytest.raises(ConnectionError, match='The cluster "auto" cannot be used .+ is this machine a node') as error:
        next(cluster.fit([TINY], "auto"))
    assert "\n" not in str(error.value)


def test_without_ray_the_sentence_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"Many machines need Ray .+ pip install -e '\.\[cluster\]'"):
        next(cluster.fit([TINY], "local"))


def test_a_worker_that_does_not_share_the_folders_says_so(tmp_path):
    with pytest.raises(OSError, match=f"does not see the files in {tmp_path}: .+ must be folders that all machines"):
        cluster._train(TINY, None, [str(tmp_path / "marker")], ".", "cpu")


# Cards ------------------------------------------------------------------------------------------------------------


def test_the_memory_of_a_run_is_what_its_layers_keep(monkeypatch):
    """One layer by hand: a convolution keeps its input, the loss its error."""
    monkeypatch.setitem(recipes.NETWORKS, "one", lambda run: torch.nn.Conv2d(1, 1, 3, padding=1, bias=False))
    run = Run(network="one", size=8, batch=5, n=7)
    kept = 4 * 5 * (8 * 8 + 8 * 8)
    assert cluster.memory(run) == cluster.CONTEXT + int(cluster.SPARE * (kept + 5 * 4 * 9 + 4 * 7 * 64))


@pytest.mark.parametrize("network", recipes.NETWORKS)
def test_memory_grows_with_the_batch(network):
    """Twice the batch, twice what the layers keep; the rest as it was."""
    one, two, four = (cluster.memory(Run(network=network, batch=batch, width=4)) for batch in (16, 32, 64))
    assert four - two == pytest.approx(2 * (two - one), rel=1e-6)
    maps = 1 if network.endswith("MLP") else 4  # what is kept of each image at least; a perceptron keeps no more maps
    assert two - one > cluster.SPARE * 16 * 32 * 32 * 4 * maps


def test_as_many_runs_share_a_card_as_its_memory_holds(monkeypatch):
    need = cluster.memory(TINY)
    assert [cluster.share(TINY, int(k * need)) for k in (0.5, 1, 2.9, 3, 100)] == [1, 1, 0.5, 0.3333, 0.125]
