"""Attack what a name begins with, and print the counts."""

from __future__ import annotations

import argparse
import time
import traceback
from collections import Counter

from tests.bad_inputs.attack import ValidCallFailedError, attack
from tests.bad_inputs.public import calls_of, collect, missing_parameters


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bad_inputs", description=__doc__)
    parser.add_argument("names", nargs="*", default=["vqvae_lib"], help="vqvae_lib.metrics, …")
    parser.add_argument("-v", "--verbose", action="store_true", help="with tracebacks")
    parser.add_argument("-q", "--quiet", action="store_true", help="counts only")
    options = parser.parse_args()
    total: Counter[str] = Counter()
    without = []
    for public in collect():
        if not any(f"{public}.".startswith(f"{name}.") for name in options.names):
            continue
        if not calls_of(public):
            without.append(public)
            continue
        start = time.perf_counter()
        outcomes = []
        for call in calls_of(public):
            try:
                outcomes += attack(public.function, call)
            except ValidCallFailedError as error:
                total["valid call fails"] += 1
                print(f"{public}: {error}")
        spent = time.perf_counter() - start
        counts = Counter(outcome.verdict for outcome in outcomes)
        total += counts
        print(f"{public}  ({spent:.1f} s)  {_written(counts)}")
        if missing := missing_parameters(public):
            print(f"{'not in the table':>15}  {', '.join(missing)}")
        if not options.quiet:
            for outcome in outcomes:
                if outcome.failed:
                    print(outcome)
                    if options.verbose and outcome.error:
                        traceback.print_exception(outcome.error)
    for public in without:
        print(f"{public}: no entry in calls/{public.table}.py as {public.name!r}")
    print(f"{sum(total.values())} values: {_written(total)}; {len(without)} without a call")


def _written(counts: Counter[str]) -> str:
    return ", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items()))


main()
