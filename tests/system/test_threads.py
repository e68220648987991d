"""Threads and cores: how many are used, and that each encoder keeps to one where that is right."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from evafast.system.threads import Seats, usable_cores
from evafast.writing.config import GenerateConfig
from evafast.writing.sink import Sink

linux = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")


def where_threads_run(count, seats):
    meet = Barrier(count)

    def told(_):
        meet.wait()  # every thread takes one
        return frozenset(os.sched_getaffinity(0))

    with ThreadPoolExecutor(count, initializer=seats.take) as pool:
        return list(pool.map(told, range(count)))


@linux
def test_as_many_threads_as_cores_take_one_each():
    cores = usable_cores()
    where = where_threads_run(len(cores), Seats(len(cores)))
    assert sorted(where) == sorted(frozenset({core}) for core in cores)
    assert usable_cores() == cores, "the main thread stays free"


@linux
@pytest.mark.parametrize("more", [1, 3])
def test_more_threads_than_cores_run_anywhere(more):
    count = usable_cores() + more
    assert set(where_threads_run(count, Seats(count))) == {frozenset(usable_cores())}


@linux
def test_fewer_threads_than_cores_run_anywhere(monkeypatch):
    free = frozenset(usable_cores())
    monkeypatch.setattr("evafast.system.threads.usable_cores", lambda: [0, 1, 2])
    assert set(where_threads_run(2, Seats(2))) == {free}


@linux
def test_where_it_is_forbidden_threads_run_anywhere(monkeypatch):
    def forbidden(*_):
        raise PermissionError(1, "Operation not permitted")

    cores = usable_cores()
    monkeypatch.setattr(os, "sched_setaffinity", forbidden)
    assert set(where_threads_run(len(cores), Seats(len(cores)))) == {frozenset(cores)}


def test_elsewhere_than_on_linux_all_cores_count(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    assert usable_cores() == list(range(os.cpu_count()))
    Seats(os.cpu_count()).take()


def test_encoders_are_as_many_as_cores_that_a_container_leaves(monkeypatch):
    monkeypatch.setattr("evafast.writing.config.usable_cores", lambda: [4, 5, 6])
    assert GenerateConfig(out="x").encoder_threads == 3
    assert GenerateConfig(out="x", workers=2).encoder_threads == 2


@linux
@pytest.mark.parametrize("kept", [True, False])
def test_encoders_keep_to_a_core_only_when_told(kept):
    cores = usable_cores()
    sink = Sink(
        None, None, None, None, None, workers=len(cores), clock=_NoClock(), on_part=None,
        one_a_core=kept,
    )  # fmt: skip
    meet = Barrier(len(cores))
    jobs = [
        sink._pool.submit(lambda: (meet.wait(), len(os.sched_getaffinity(0)))[1]) for _ in cores
    ]
    assert {job.result() for job in jobs} == {1 if kept else len(cores)}
    sink._pool.shutdown()


class _NoClock:
    def workers(self, stage, count):
        pass
