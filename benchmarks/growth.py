"""Measures a worker as the work grows, and draws it: `python benchmarks/growth.py` (Linux) writes to build/.

The gateway never limits and the web service answers after 20 ms, so that as many jobs are in flight as there are slots.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

from plots import line_plot
from run import BARE, HERE, Figures, Target, fake_scene, measure, process, workers

SLOTS = (10, 100, 1000)
PLOTS = (
    ("jobs_per_second", "Jobs per second", "jobs/s"),
    ("cpu_ms", "CPU per job", "ms"),
    ("peak_mib", "Peak memory", "MiB"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", nargs="*", default=["zeebe-connectors", BARE])
    parser.add_argument("--folder", type=Path, default=HERE.parent / "build")
    options = parser.parse_args()
    chosen = workers(options.worker)
    found: dict[str, dict[int, Figures]] = {name: {} for name in chosen}
    with process([sys.executable, str(HERE / "target.py")], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        target = Target(server.stdout.readline().strip())
        for slots in SLOTS:
            figures: dict[str, list[Figures]] = {name: [] for name in chosen}
            for _ in range(options.rounds):
                for name, start in chosen.items():
                    with fake_scene(target, options.jobs, slots, path="/slow/20") as scene:
                        figures[name].append(measure(start, scene, target))
            for name, each in figures.items():
                middle = Figures(*(statistics.median(column) for column in zip(*map(_row, each), strict=True)))
                found[name][slots] = middle
                print(
                    f"{slots:>5} in flight  {name:<18}{middle.jobs_per_second:>7.0f} jobs/s{middle.cpu_ms:>7.2f} ms CPU"
                    f"{middle.peak_mib:>6.0f} MiB",
                    flush=True,
                )
    options.folder.mkdir(parents=True, exist_ok=True)
    for field, title, unit in PLOTS:
        lines = {name: [(float(n), getattr(one, field)) for n, one in each.items()] for name, each in found.items()}
        file = options.folder / f"growth-{field.replace('_', '-')}.svg"
        file.write_text(line_plot(title, "jobs in flight", unit, lines, log_x=True), encoding="utf-8")
        print(file)


def _row(figures: Figures) -> tuple[float, float, float, float]:
    return figures.jobs_per_second, figures.cpu_ms, figures.peak_mib, figures.first_job


if __name__ == "__main__":
    main()
