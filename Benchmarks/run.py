#!/usr/bin/env python3
"""Measures the library beside other clients, on one machine, in one run, against the same null broker.

    scripts/bench                               everything that is timed: about ten minutes
    scripts/bench --scenario receive --quick    one group, roughly
    scripts/bench --instructions --allocations  what a message costs in instructions and in calls of the allocator
    scripts/bench --check                       the same of mqttc bench, against Benchmarks/thresholds.txt
    scripts/bench --write                       everything, counts included, and writes the tables of BENCHMARKS.md and its plot

The peers take turns, each row in each round; figures are medians over the rounds. Those of one machine and one hour compare, those of two
do not: look at the ratios.
"""

import argparse
import os
import resource
import sys

import counts
import durable
import tables
import tls
from programs import HERE, OURS, Awake, NullBroker, Programs, median, needs, swift_product
from scenarios import COUNTED, GROUPS

OWN = {"durable": durable.durable, "start": durable.start, "tls": tls.tls}
KEYS = ("rate", "cpu_us_per_msg", "hwm_kb", "p50", "p99", "kb_per_conn", "threads")


def note(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def messages(programs, row, peer, seconds, cache):
    """As many as take so long, by a short run before, which is not counted."""
    if row.count:
        return row.count
    key = (row.name, peer)
    if key not in cache:
        first = 2_000 if row.size < 100_000 else 20
        while True:
            with NullBroker(programs) as broker:
                result = programs.run(peer, row.scenario, broker.port, first, row.size, row.window, row.environment)
            if not result:
                cache[key] = None
                break
            took, rate = float(result["secs"]), float(result["rate"])
            wanted = int(min(max(rate * seconds, first), row.most, 8_000_000_000 // max(row.size, 1)))
            if took > seconds / 10 or first >= wanted:
                cache[key] = wanted
                break
            first = min(first * 10, row.most)
    return cache[key]


def measure(programs, group, rounds, seconds):
    cache, results = {}, {}
    for number in range(rounds):
        for row in group.rows:
            for peer in (peer for peer in row.peers if programs.has(peer)):
                note(f"{number + 1}/{rounds} {row.name}: {peer}")
                count = messages(programs, row, peer, seconds, cache)
                result = None
                if count:
                    with NullBroker(programs) as broker, Awake(row.awake):
                        result = programs.run(peer, row.scenario, broker.port, count, row.size, row.window, row.environment)
                if result and group.kind in ("idle", "growth") and peer != OURS and row.scenario == "idle":
                    # The C drivers count the two seconds of sleep before they look at their memory.
                    result["rate"] = row.count / max(float(result["secs"]) - 2, 0.001)
                results.setdefault(row.name, {}).setdefault(peer, []).append(result)
    return {
        name: {peer: {key: median(found, key) for key in KEYS if median(found, key) is not None} for peer, found in peers.items()}
        for name, peers in results.items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", action="append", choices=[*GROUPS, *OWN], help="one group of rows; can be given again")
    parser.add_argument("--rounds", type=int, default=0, help="5 by default, 1 with --quick")
    parser.add_argument("--quick", action="store_true", help="short runs")
    parser.add_argument("--instructions", action="store_true", help="count instructions with valgrind")
    parser.add_argument("--allocations", action="store_true", help="count calls of the allocator")
    parser.add_argument("--check", action="store_true", help="fail when a count of mqttc bench is above its threshold")
    parser.add_argument("--mqttc", metavar="PATH", help="with --check: this mqttc; without it, it is built")
    parser.add_argument("--write", action="store_true", help="put the tables into BENCHMARKS.md, and draw its plot")
    options = parser.parse_args()
    # Ten thousand connections need as many descriptors.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if options.check:
        needs("valgrind")
        sys.exit(counts.check(options.mqttc or swift_product(os.path.dirname(HERE), "mqttc")))

    everything = not (options.scenario or options.instructions or options.allocations)
    selected = options.scenario or ([*GROUPS, *OWN] if everything else [])
    counted = options.instructions or options.allocations or (everything and options.write)
    if counted:
        needs("valgrind")
    programs = Programs()
    rounds = options.rounds or (1 if options.quick else 5)
    for name in selected:
        if name in OWN:
            results = OWN[name](programs, 1 if options.quick else min(rounds, 3), options.quick, note)
        else:
            results = measure(programs, GROUPS[name], rounds, 0.15 if options.quick else 0.8)
        show(name, results, rounds, options.write)
    if counted:
        both = everything and options.write
        results = counts.count(programs, COUNTED, options.instructions or both, options.allocations or both, note)
        show("counts", results, 1, options.write)
    if options.write:
        tables.write_aims()
    sys.stderr.write("\r\033[K" if sys.stderr.isatty() else "")


def show(name, results, rounds, writes):
    note("")
    tables.keep(name, results, rounds)
    print(tables.table(name, results) + "\n", flush=True)
    if writes:
        tables.write(name)


if __name__ == "__main__":
    main()
