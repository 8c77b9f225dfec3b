"""What the age of the lake costs: each part's figures by age, as ratios, and the goals that they are held to.

    python benchmarks/lake_growth.py [PART ...]        # planning, job, reconcile; all of them by default

planning: a plan after 10, 1,000 and 10,000 former runs, a run every quarter of an hour, 350,000 raw objects a day.
job: a run of 50,000 rows beside 0, 1, 10 and 30 million held, on 300 dates and on its own.
reconcile: the whole lake after 1, 10 and 100 days, and again when an hour's objects have landed since.

Each case is a process of its own. Figures are CPU seconds (what a cluster bills) and MiB at the peak. The status is 1
where a goal is missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from benchmarks import lake_growth_job, lake_growth_planning, lake_growth_reconcile
from benchmarks.goals import Goal, print_goals

PARTS: dict[str, Callable[[], list[Goal]]] = {
    "planning": lake_growth_planning.measured,
    "job": lake_growth_job.measured,
    "reconcile": lake_growth_reconcile.measured,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all of them by default")
    parts = parser.parse_args().parts
    if unknown := set(parts) - PARTS.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    return 0 if print_goals([goal for part in parts or PARTS for goal in PARTS[part]()]) else 1


if __name__ == "__main__":
    sys.exit(main())
