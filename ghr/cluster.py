"""Many runs on many machines: a table of runs enters, each becomes a task of a Ray cluster, checkpoints leave.

A task is `runs.fit` and nothing else. Images, training states and checkpoints lie in folders that all machines share,
so that a run whose machine dies goes on elsewhere from its last saved state. On CPUs, weights are those of a single
machine to the bit where software, kind of processor and number of threads are the same. The number of threads counts:
1, 2, 3, 4 and 8 threads gave five sets of weights, since sums are split otherwise. On one GPU a resumed run has the
weights of an unstopped one to the bit when cuDNN is told to be deterministic; of many GPUs we know nothing.
"""

import contextlib
import math
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import torch
from tqdm.auto import tqdm

from ghr import runs
from ghr.costs import training_memory
from ghr.files import cache
from ghr.recipes import Run

#: threads of a run without GPU, where a node has them; own choice: the number decides the last bits of weights
CPUS = 2
RETRIES = 5  #: lost machines that a run survives; the same command begins to count anew
PATIENCE = 60  #: seconds without any machine that could take a run, after which we stop
GRACE = 30  #: seconds in which runs that are interrupted finish a step and save their states
RUNS_PER_CARD = 8  #: at most: each run has a process of its own, and they take turns
#: times what a step holds: two copies, as computed and as recorded for replay, and a quarter of each beside
SPARE = 2.5
CONTEXT = 2**30  #: bytes of a card that a process takes before it has done anything, libraries included
STORE = 80_000_000  #: bytes for Ray's objects, on this machine's own cluster: a few numbers travel, images do not


def fit(chosen: Iterable[Run], address: str = "local") -> Iterator[Path]:
    """Train runs unless their checkpoints exist, many at a time; a generator that yields each checkpoint when done.

    Interrupted at any moment, the same call (or `runs.fit`, on one machine) goes on from the last saved states.
    Image sets are built here first, once. One bar shows all images seen; a line says where a run begins or goes on.
    On a cluster with GPUs each run gets a share of one (`share`) and a CPU, on others CPUS threads.
    A non-finite loss is not tried again; a lost machine or an OSError is.

    Args:
        chosen: what to train.
        address: "local" (a cluster of this machine, for the time of the call), "auto" (the cluster that this machine is
            a node of) or its "HOST:PORT".

    Yields:
        Paths of checkpoints, first those that were there, then the others as they are done.

    Raises:
        ImportError: without Ray.
        ValueError: for a bad address.
        ConnectionError: when there is no such cluster.
        TimeoutError: when for PATIENCE seconds no machine could take a run.
        RuntimeError: at the end, with a sentence for each run that failed.
    """
    connect = _cluster(address)
    missing = []
    for run in chosen:
        if runs.path(run).exists():
            yield runs.fit(run)
        else:
            missing.append(run)
    for run in missing:
        runs.held_out(run)
    if missing:
        with connect() as ray, _markers() as markers:
            yield from _train_all(ray, missing, markers)


def share(run: Run, card: int) -> float:
    """The part of a GPU that a run asks for, such that as many fit on a card as its memory holds, and at least one. ::

        1 / k,   k = min(RUNS_PER_CARD, max(1, floor(card / memory(run))))

    Args:
        run: what to train.
        card: memory of the card, bytes.

    Returns:
        1 / k, rounded down to ten-thousandths.

    Source: own choice.
    """
    k = min(RUNS_PER_CARD, max(1, card // memory(run)))
    return math.floor(1e4 / k) / 1e4  # Ray counts in ten-thousandths: k rounded shares must not exceed one card


def memory(run: Run) -> int:
    """Memory of a GPU that training a run takes, in bytes, from above: an estimate. ::

        CONTEXT + SPARE (what a training step holds, in float32 + training images)

    What a step holds: `ghr.costs.training_memory`; in bf16 it is about as much, since normalization keeps float32.

    Args:
        run: what to train.

    Returns:
        Bytes.

    Source: own choice. On an H200 a run of the laptop's scale took 0.7 GiB of 1.2 reserved.
    """
    image, once = training_memory(runs.network(run), run.size, run.size)
    return CONTEXT + int(SPARE * (run.batch * image + once + 4 * run.n * run.size**2))


def _cluster(address: str):
    """A context manager that connects to a cluster and yields Ray; what can be said of an address is said at once."""
    # Ray reads these when it is imported. It would report its use, and take the cards from a task that asks for none.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise ImportError(f"Many machines need Ray ({error}): pip install -e '.[cluster]'.") from error
    options = {"address": address, "log_to_driver": False, "logging_level": "ERROR"}
    if address == "local":
        options |= {"include_dashboard": False, "object_store_memory": STORE}
    elif address != "auto":
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 2**16 or "/" in host:
            raise ValueError(f'"{address}" is no cluster: expected local, auto or HOST:PORT, e.g. 10.0.0.1:6379.')
        try:  # Ray itself would ask for a minute, then end the process
            socket.create_connection((host, int(port)), timeout=10).close()
        except OSError as error:
            raise ConnectionError(f"Nothing answers at {address} ({error}): is `ray start --head` running?") from error

    @contextlib.contextmanager
    def connect():
        try:
            ray.init(**options)
        except Exception as error:  # Ray raises what it likes, Exception itself included
            ray.shutdown()
            told = str(error).strip().split("\n")[0]
            advice = "is this machine a node of it (`ray start --address=HOST:PORT`)?"
            raise ConnectionError(f'The cluster "{address}" cannot be used ({told}): {advice}') from error
        try:
            yield ray
        except ray.exceptions.RayError as error:
            told = str(error).strip().split("\n")[0]
            raise ConnectionError(
                f"The cluster was lost ({told}): the same command goes on where it stopped."
            ) from error
        finally:
            ray.shutdown()  # ends the tasks too, whose runs go on another time

    return connect


@contextlib.contextmanager
def _markers() -> Iterator[list[str]]:
    """A file in each folder that all machines must share, by which they tell that they do."""
    with contextlib.ExitStack() as stack:
        folders = [cache.writable(folder.resolve()) for folder in (runs.folder(), cache.folder())]
        yield [stack.enter_context(tempfile.NamedTemporaryFile(prefix=".cluster-", dir=f)).name for f in folders]


class Board:
    """What workers tell and the driver reads, by run: where it is trained, images seen when it began there, and now."""

    def __init__(self):
        self.told: dict[str, tuple[str, int, int]] = {}

    def tell(self, name: str, place: str, images_seen: int) -> None:
        """Note how far a run is.

        Args:
            name: of the run.
            place: where it is trained.
            images_seen: now.
        """
        before, begun, _ = self.told.get(name, ("", 0, 0))
        self.told[name] = place, begun if before == place else images_seen, images_seen

    def read(self) -> dict[str, tuple[str, int, int]]:
        """All that was told last.

        Returns:
            By run, where it is trained, images seen when it began there, and now.
        """
        return self.told


@contextlib.contextmanager
def _telling(board, run: Run) -> Iterator[runs.Tell]:
    """The progress of `runs.fit`, told to a board once a second."""
    place, last = f"{socket.gethostname()}, process {os.getpid()}", -math.inf

    def tell(images_seen: int, entries: dict[str, list]) -> None:
        nonlocal last
        if time.monotonic() - last > 1:
            board.tell.remote(run.name, place, images_seen)
            last = time.monotonic()

    yield tell


def _train(run: Run, board, markers: list[str], here: str, device: str) -> None:
    """The task."""
    import ray

    for marker in map(Path, markers):
        if not marker.exists():
            raise OSError(
                f"{socket.gethostname()} does not see the files in {marker.parent}: $GHR_CHECKPOINTS and $GHR_CACHE "
                "must be folders that all machines of the cluster share."
            )
    if run.images.startswith("folder:"):  # it may be a relative one
        os.chdir(here)
    torch.set_num_threads(int(ray.get_runtime_context().get_assigned_resources()["CPU"]))
    runs.fit(run, device, partial(_telling, board))


def _card() -> int:
    """Memory of the GPU that this task was given, in bytes."""
    if not torch.cuda.is_available():
        raise ValueError(
            f"Ray counts a GPU on {socket.gethostname()}, but torch finds none there: install torch for CUDA, or "
            "start the node with --num-gpus=0."
        )
    return torch.cuda.get_device_properties(0).total_memory


def _needs(ray, missing: list[Run]) -> dict[Run, dict[str, float]]:
    """What each run asks of the machine that trains it."""
    nodes = [node for node in ray.nodes() if node["Alive"]]
    with_cards = [node["NodeID"] for node in nodes if node["Resources"].get("GPU", 0)]
    if not with_cards:
        cpus = min(CPUS, max(int(node["Resources"].get("CPU", 0)) for node in nodes))
        return {run: {"num_cpus": max(1, cpus)} for run in missing}
    at = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    ask = ray.remote(num_cpus=0, num_gpus=0.01, max_calls=1)(_card)
    asked = [ask.options(scheduling_strategy=at(node, soft=False)).remote() for node in with_cards]
    try:
        card = min(ray.get(asked, timeout=PATIENCE))
    except ray.exceptions.GetTimeoutError as error:
        raise TimeoutError(f"The GPUs of the cluster were all taken for {PATIENCE} s: try again later.") from error
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    return {run: {"num_cpus": 1, "num_gpus": share(run, card)} for run in missing}


@contextlib.contextmanager
def _stopped_gently(ray, tasks: dict) -> Iterator[None]:
    """Where we are interrupted, each run that has begun is, too, as `runs.fit` is by Ctrl-C: it saves its state."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        for task in tasks:
            ray.cancel(task)
        if tasks:
            ray.wait(list(tasks), num_returns=len(tasks), timeout=GRACE)
        raise


def _train_all(ray, missing: list[Run], markers: list[str]) -> Iterator[Path]:
    needs = _needs(ray, missing)
    least = {  # of all runs: when no machine has it, none will ever begin
        resource: min(need.get(name, 0) for need in needs.values())
        for resource, name in (("CPU", "num_cpus"), ("GPU", "num_gpus"))
    }
    variables = {name: os.environ[name] for name in ("GHR_DATA", "GHR_SAVE_EVERY") if os.environ.get(name)}
    variables |= {"GHR_CHECKPOINTS": str(runs.folder().resolve()), "GHR_CACHE": str(cache.folder().resolve())}
    variables["TORCHINDUCTOR_COMPILE_THREADS"] = str(max(1, int(least["CPU"])))
    at = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    here = ray.get_runtime_context().get_node_id()  # a board on another machine would die with it
    board = ray.remote(num_cpus=0, scheduling_strategy=at(here, soft=False))(Board).remote()
    # one process for one run: what it leaves behind in memory and threads is nobody's
    task = ray.remote(max_calls=1, max_retries=RETRIES, retry_exceptions=[OSError], runtime_env={"env_vars": variables})
    device = "cuda" if least["GPU"] else "cpu"
    tasks = {task(_train).options(**needs[r]).remote(r, board, markers, os.getcwd(), device): r for r in missing}
    seen, places, failed, able = dict.fromkeys(missing, 0), {}, [], time.monotonic()
    bar = tqdm(desc=f"{len(tasks)} runs", total=sum(r.steps * r.batch for r in missing), unit="image", unit_scale=True)
    with bar, _stopped_gently(ray, tasks):
        while tasks:
            ready, _ = ray.wait(list(tasks), timeout=0.5)
            told = ray.get(board.read.remote())
            for run in missing:
                place, begun, seen[run] = told.get(run.name, (None, 0, seen[run]))
                if place != places.get(run, place):
                    bar.write(f"{run.name} goes on at image {begun:,} on {place}", file=sys.stderr)
                elif place and run not in places:
                    bar.write(f"{run.name} is trained on {place}, from image {begun:,}", file=sys.stderr)
                places |= {run: place} if place else {}
            for reference in ready:
                run = tasks.pop(reference)
                try:
                    ray.get(reference)
                except ray.exceptions.RayError as error:
                    reason = getattr(error, "cause", None) or str(error).strip().split("\n")[0]
                    failed.append(f"{run.name}: {reason}")
                else:
                    seen[run] = run.steps * run.batch
                    yield runs.path(run)
            busy = sum(run in places for run in tasks.values())
            bar.set_postfix_str(f"{len(missing) - len(tasks) - len(failed)} done, {busy} begun", refresh=False)
            bar.update(sum(seen.values()) - bar.n)
            nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            if any(all(node.get(name, 0) >= amount for name, amount in least.items()) for node in nodes):
                able = time.monotonic()
            elif time.monotonic() - able > PATIENCE:
                wanted = " and ".join(f"{amount:g} {name}" for name, amount in least.items() if amount)
                raise TimeoutError(
                    f"For {PATIENCE} s no machine of the cluster had {wanted}, which a run needs: add one "
                    "(`ray start --address=HOST:PORT`); the same command goes on where this one stopped."
                )
    if failed:
        raise RuntimeError(f"{len(failed)} of {len(missing)} runs failed, the others are done. {' '.join(failed)}")
