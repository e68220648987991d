"""A run may die at any moment, any way: the same command finishes it with the same bytes."""

import errno
import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest
from commands import tree

from evafast import RunError
from evafast.assets.preprocess import AssetConfig
from evafast.dataset.naming import MANIFEST
from evafast.dataset.store import LocalStore
from evafast.writing import GenerateConfig, generate
from evafast.writing.encode import SampleEncoder
from evafast.writing.sink import Sink

ARGUMENTS = ["--placements", "60", "--canvas", "96", "--foreground-size", "60", "--min-foreground",
             "8x8", "--samples-per-shard", "40", "--depth", "none", "--batch-size", "16",
             "--image-format", "png"]  # fmt: skip
KILLS = 20


def command(folders, out, layout, *more):
    return [sys.executable, "-m", "evafast.generate", "--backgrounds", str(folders[0]),
            "--foregrounds", str(folders[1]), "--out", str(out), "--layout", layout,
            *ARGUMENTS, *more]  # fmt: skip


def start(folders, out, layout, *more, **options):
    return subprocess.Popen(
        command(folders, out, layout, *more), stderr=subprocess.PIPE, text=True, **options
    )


def wait_for_writing(process, out):
    """Wait until the run has begun to write: not its imports are to be hit."""
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if (out / ".evafast" / "plan.json").exists():
            return
        time.sleep(0.005)


@pytest.fixture(scope="module")
def undisturbed(folders, tmp_path_factory):
    root = tmp_path_factory.mktemp("undisturbed")
    for layout in ("webdataset", "folder", "zip"):
        process = start(folders, root / layout, layout)
        assert process.wait() == 0, process.stderr.read()
    return {layout: tree(root / layout) for layout in ("webdataset", "folder", "zip")}


@pytest.mark.parametrize("layout", ["webdataset", "folder", "zip"])
def test_kill_9_at_random_moments(folders, undisturbed, tmp_path, layout):
    """Killed over and over, the run still ends with the same bytes."""
    out = tmp_path / "set"
    dice = random.Random(layout)
    kills = 0
    for _ in range(KILLS // 3 + 1):
        process = start(folders, out, layout)
        wait_for_writing(process, out)
        time.sleep(dice.uniform(0, 0.35))
        if process.poll() is None:
            process.kill()
            kills += 1
        process.wait()
        process.stderr.close()
    assert kills >= 3, "the moments were missed: nothing was tested"
    process = start(folders, out, layout)
    assert process.wait() == 0, process.stderr.read()
    assert tree(out) == undisturbed[layout]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_cleanly_and_resumes(folders, undisturbed, tmp_path, number):
    out = tmp_path / "set"
    # A shell's background job ignores Ctrl-C, and so would its children.
    process = start(
        folders, out, "webdataset", preexec_fn=lambda: signal.signal(number, signal.SIG_DFL)
    )
    wait_for_writing(process, out)
    time.sleep(0.15)
    process.send_signal(number)
    code = process.wait()
    error = process.stderr.read()
    assert code == 130, error
    assert "run the same command to resume" in error
    assert "Traceback" not in error
    assert not list((out / ".evafast").glob("*.tmp")), "nothing half-written is left"
    process = start(folders, out, "webdataset")
    assert process.wait() == 0
    assert tree(out) == undisturbed["webdataset"]


@pytest.mark.parametrize("layout", ["webdataset", "folder", "zip"])
def test_a_full_disk_is_one_line_and_resumes(folders, undisturbed, tmp_path, layout):
    """On a small tmpfs where one can be mounted, otherwise by an injected error."""
    small = tmp_path / "disk"
    small.mkdir()
    if os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(small)], capture_output=True
    ).returncode == 0:  # fmt: skip
        try:
            out = small / "set"
            process = start(folders, out, layout)
            assert process.wait() == 1
            error = process.stderr.read().splitlines()
            assert error[-1].startswith("error: out: no space left at ")
            assert "run the same command to resume" in error[-1]
            assert not any("Traceback" in line for line in error)
            subprocess.run(["mount", "-o", "remount,size=200m", str(small)], check=True)
            process = start(folders, out, layout)
            assert process.wait() == 0, process.stderr.read()
            assert tree(out) == undisturbed[layout]
        finally:
            subprocess.run(["umount", str(small)], check=True)
    else:
        _full_by_fault(folders, undisturbed, tmp_path / "set", layout)


def _full_by_fault(folders, undisturbed, out, layout):
    """Make a rename fail as a full disk does, in a process of its own."""
    code = (
        "import errno, os, sys\n"
        "from evafast.generate import main\n"
        "left = [12]\n"
        "real = os.replace\n"
        "def full(*names):\n"
        "    left[0] -= 1\n"
        "    if left[0] < 0: raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "    real(*names)\n"
        "os.replace = full\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    arguments = command(folders, out, layout)[3:]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: out: no space left at ")
    process = start(folders, out, layout)
    assert process.wait() == 0
    assert tree(out) == undisturbed[layout]


def test_two_runs_into_one_place_the_second_is_refused(folders, undisturbed, tmp_path):
    out = tmp_path / "set"
    first = start(folders, out, "webdataset")
    wait_for_writing(first, out)
    os.kill(first.pid, signal.SIGSTOP)
    try:
        second = start(folders, out, "webdataset")
        assert second.wait() == 2
        assert "another run is writing" in second.stderr.read()
    finally:
        os.kill(first.pid, signal.SIGCONT)
    assert first.wait() == 0
    assert tree(out) == undisturbed["webdataset"]


def test_an_unfinished_run_of_other_arguments_is_refused(folders, tmp_path):
    out = tmp_path / "set"
    process = start(folders, out, "webdataset")
    wait_for_writing(process, out)
    process.kill()
    process.wait()
    before = tree(out)
    other = start(folders, out, "webdataset", "--seed", "9")
    assert other.wait() == 2
    assert "was begun with another run: seed: expected 9, got 0" in other.stderr.read()
    after = tree(out)
    assert {k: v for k, v in after.items() if k != ".evafast/lock"} == {
        k: v for k, v in before.items() if k != ".evafast/lock"
    }


def test_a_read_only_place_is_one_line(folders, tmp_path):
    process = start(folders, "/proc/evafast", "webdataset")
    assert process.wait() in (1, 2)
    error = process.stderr.read()
    assert "Traceback" not in error
    assert error.splitlines()[-1].startswith("error: out: ")


@pytest.fixture
def here(folders):
    """Runs the job in this process, into a folder, with the smallest options."""

    def job(out):
        return generate(GenerateConfig(
            backgrounds=folders[0], foregrounds=folders[1], out=str(out), depth="none", limit=20,
            samples_per_shard=10, assets=AssetConfig(canvas=96, foreground_size=60,
                                                     min_foreground=(8, 8)),
        ))  # fmt: skip

    return job


def test_a_run_that_ended_before_the_manifest_but_after_its_copy_resumes(
    here, tmp_path, monkeypatch
):
    here(tmp_path / "whole")
    write = LocalStore.write

    def no_manifest(store, name, data):
        if name == MANIFEST:
            raise OSError(errno.ENOSPC, "full")
        write(store, name, data)

    monkeypatch.setattr(LocalStore, "write", no_manifest)
    with pytest.raises(RunError, match="run the same command to resume"):
        here(tmp_path / "set")
    monkeypatch.undo()
    here(tmp_path / "set")
    assert tree(tmp_path / "set") == tree(tmp_path / "whole")


def test_the_lock_is_released_even_if_the_end_fails(here, tmp_path, monkeypatch):
    def fails(*arguments, **options):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(LocalStore, "clear_working_folder", fails)
    with pytest.raises(RunError, match="broken") as caught:
        here(tmp_path / "set")
    monkeypatch.undo()
    assert here(tmp_path / "set").samples == 0
    assert caught.tb, "its frames kept the run, and the lock with it"


def test_an_interrupt_while_the_last_samples_are_written_stops_every_thread(
    here, tmp_path, monkeypatch
):
    here(tmp_path / "whole")
    encode = SampleEncoder.__call__

    def slowly(encoder, samples):
        time.sleep(0.8)
        return encode(encoder, samples)

    monkeypatch.setattr(SampleEncoder, "__call__", slowly)
    main = threading.main_thread().ident
    shutdown = Sink.__exit__

    def interrupted(sink, *what):
        threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT)).start()
        return shutdown(sink, *what)

    monkeypatch.setattr(Sink, "__exit__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        here(tmp_path / "set")
    assert not [t.name for t in threading.enumerate() if t.name.startswith("evafast-")]
    assert not (tmp_path / "set" / ".evafast" / "journal").exists()
    monkeypatch.undo()
    here(tmp_path / "set")
    assert tree(tmp_path / "set") == tree(tmp_path / "whole")
