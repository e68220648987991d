"""Cores and OpenMP settings."""

import os

import pytest

from evafast.system.threads import limit_openmp_spinning, usable_cores


def test_usable_cores_are_those_of_the_affinity_mask(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {4, 5, 6}, raising=False)
    assert usable_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    assert usable_cores() == os.cpu_count()


@pytest.mark.parametrize(
    ("given", "policy", "spins"), [(None, "PASSIVE", "2000"), ("ACTIVE", "ACTIVE", None)]
)
def test_idle_openmp_threads_sleep_unless_the_user_decides(monkeypatch, given, policy, spins):
    environment = {} if given is None else {"OMP_WAIT_POLICY": given}
    monkeypatch.setattr(os, "environ", environment)
    limit_openmp_spinning()
    assert environment.get("OMP_WAIT_POLICY") == policy
    assert environment.get("GOMP_SPINCOUNT") == spins
