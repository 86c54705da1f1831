#!/usr/bin/env python3
"""Acceptance tests of `mqttc pipe`, written from PIPE.md and the standard alone.

    python3 Tests/PipeTests/run.py --mqttc .build/debug/mqttc [--filter NAME] [-j N] [--slow]
    python3 Tests/PipeTests/run.py --reference      checks the tests themselves, with the small client in reference/

Each test runs in a Python process of its own, so that a time limit can end it for certain.
"""

import argparse
import concurrent.futures
import glob
import importlib
import os
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
LIMIT = 120     # seconds a test may take at the very most
SKIPPED, FAILED = 77, 1


def tests(filters, slow):
    """(module, name, weight) of the chosen tests; tests with the attribute `slow` only on demand, heavy ones first."""
    found = []
    for path in sorted(glob.glob(os.path.join(HERE, "test_*.py"))):
        module = os.path.basename(path)[:-3]
        for name, test in vars(importlib.import_module(module)).items():
            if name.startswith("test_") and callable(test) and (slow or not getattr(test, "slow", False)):
                full = f"{module}.{name}"
                if not filters or any(part in full for part in filters):
                    found.append((full, getattr(test, "weight", 0)))
    return [full for full, weight in sorted(found, key=lambda entry: -entry[1])]


def run_one(full, program):
    from case import Case
    module, name = full.split(".")
    test = getattr(importlib.import_module(module), name)
    case = Case(program)
    outcome, text = case.run(test)
    if outcome == "skipped":
        print(text)
    if outcome == "failed":
        print(f"{(test.__doc__ or '').strip()}\n{text}\n{case.report()}")
    return {"passed": 0, "skipped": SKIPPED, "failed": FAILED}[outcome]


def run_apart(full, options):
    began = time.monotonic()
    target = ["--reference"] if options.reference else ["--mqttc", options.mqttc]
    process = subprocess.Popen([sys.executable, os.path.join(HERE, "run.py"), *target, "--one", full], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        output, status, late = process.communicate(timeout=LIMIT)[0], process.returncode, ""
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)      # the session began with this process: whatever it started ends with it
        try:
            output = process.communicate(timeout=5)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output = process.communicate()[0]
        status, late = FAILED, f"not done within {LIMIT} s\n"
    return full, status, late + output.decode("utf-8", "replace"), time.monotonic() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mqttc", help="the program under test")
    parser.add_argument("--reference", action="store_true", help="test the reference client in place of a program")
    parser.add_argument("--filter", action="append", default=[], help="part of module.test; may be repeated")
    parser.add_argument("-j", type=int, default=2, help="tests at a time")
    parser.add_argument("--slow", action="store_true", help="the slow tests too")
    parser.add_argument("--list", action="store_true", help="only list the tests")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.list:
        print("\n".join(tests(options.filter, options.slow)))
        return 0
    if bool(options.mqttc) == options.reference:
        parser.error("either --mqttc or --reference")
    if options.one:
        program = [sys.executable, os.path.join(HERE, "reference", "main.py")] if options.reference else [os.path.abspath(options.mqttc)]
        return run_one(options.one, program)
    if options.mqttc and not os.access(options.mqttc, os.X_OK):
        parser.error(f"no program at {options.mqttc}")
    return run_all(options)


def run_all(options):
    count = {0: 0, FAILED: 0, SKIPPED: 0}
    failed = []
    with concurrent.futures.ThreadPoolExecutor(max(1, options.j)) as pool:
        jobs = [pool.submit(run_apart, full, options) for full in tests(options.filter, options.slow)]
        for job in concurrent.futures.as_completed(jobs):
            full, status, output, seconds = job.result()
            status = status if status in count else FAILED
            count[status] += 1
            word = {0: "passed", SKIPPED: "SKIPPED", FAILED: "FAILED"}[status]
            print(f"{word:7} {seconds:6.2f} s  {full}" + (f": {output.strip()}" if status == SKIPPED else ""), flush=True)
            if status == FAILED:
                failed.append(full)
                print(output, flush=True)
    for full in sorted(failed):
        print(f"FAILED  {full}")
    print(f"{count[0]} passed, {count[FAILED]} failed, {count[SKIPPED]} skipped")
    return 1 if failed or not sum(count.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
