"""Training on the fly: mask and depth from (background, composite)."""

import os

# OpenMP threads that wait by spinning take the core from the thread they wait for.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Numba's own OpenMP layer changes the thread count that torch took from OMP_NUM_THREADS; on two
# busy cores that made a training step several times as long.
os.environ.setdefault("NUMBA_THREADING_LAYER", "workqueue")
