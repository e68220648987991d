"""The report: ``python -m benchmarks.report``; see `benchmarks.harness.report`."""

import sys

from benchmarks.harness.report import main

if __name__ == "__main__":
    sys.exit(main())
