#!/usr/bin/env python3
"""Measures the library beside other clients, on one machine, in one run, against the same null broker.

    Benchmarks/run.py durable [--rounds N]      publishes of QoS 1 that are on disk before they count, beside one file per message
    Benchmarks/run.py start                     a client with 1,000,000 messages of 100 B in its store
    Benchmarks/run.py memory [--rounds N]       scenarios without a store, beside the clients whose drivers can be built here

Figures of one machine and one hour compare; those of two do not. Each row is a median over the rounds, in which the peers take turns.
"""

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(HERE, ".build", "c")
DRIVER = os.path.join(HERE, ".build", "release", "driver")
LIBRARIES = {"mosq": "-lmosquitto", "pahoc": "-lpaho-mqtt3a"}


def build():
    """The drivers that can be built here, by name."""
    os.makedirs(BUILD, exist_ok=True)
    built = {}
    for name in ("nullbroker", "raw", "files", "mosq", "pahoc"):
        command = ["cc", "-O2", "-w", "-o", f"{BUILD}/{name}", f"{HERE}/C/{name}.c"]
        if name in LIBRARIES:
            command.append(LIBRARIES[name])
        if subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            built[name] = f"{BUILD}/{name}"
        else:
            print(f"left out: {name} does not build here", file=sys.stderr)
    subprocess.run(["swift", "build", "-c", "release", "--package-path", HERE], check=True, stdout=subprocess.DEVNULL)
    built["swift-mqtt"] = DRIVER
    return built


class NullBroker:
    def __init__(self, program):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = subprocess.Popen([program, str(self.port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise SystemExit("the null broker does not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def run(program, scenario, port, count, size, window, environment=None):
    """The fields of the driver's RESULT line, or None when it fails."""
    command = [program, scenario, "127.0.0.1", str(port), str(count), str(size), str(window)]
    try:
        output = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=120, check=False, text=True,
                                env={**os.environ, **(environment or {})}).stdout
    except subprocess.TimeoutExpired:
        return None
    for line in output.splitlines():
        if line.startswith("RESULT "):
            return {key: value for key, value in (field.split("=", 1) for field in line.split()[1:])}
    return None


def median(results, key):
    values = [float(result[key]) for result in results if result and key in result]
    return statistics.median(values) if values else None


def rate(value):
    if value is None:
        return "-"
    return f"{value / 1e6:.2f} M" if value >= 1e6 else f"{value / 1e3:.1f} k" if value >= 1e3 else f"{value:.0f}"


def durable(programs, rounds):
    """Aim of the issue: 100 times one file per message at 1,000 outstanding, its equal at 1; a third of the rate in memory at 10,000."""
    folder = tempfile.mkdtemp(prefix="durable", dir=HERE + "/.build")
    print("| outstanding | swift-mqtt, every commit synced | one file per message (C) | times | append log (C limit) | swift-mqtt in memory |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for window, count, files in ((1, 3_000, 1_500), (100, 50_000, 3_000), (1_000, 200_000, 3_000), (10_000, 300_000, 3_000)):
        ours, theirs, limit, memory = [], [], [], []
        for number in range(rounds):
            with NullBroker(programs["nullbroker"]) as broker:
                def one(name, scenario, messages):
                    store = f"{folder}/{name}-{number}"
                    os.chdir(folder)
                    result = run(programs[name], scenario, broker.port, messages, 256, window, {"STORE": store})
                    shutil.rmtree(store, ignore_errors=True)
                    return result
                ours.append(one("swift-mqtt", "pub1-durable", count))
                theirs.append(one("files", "pub1-durable", files))
                limit.append(one("raw", "pub1-durable", count))
                memory.append(one("swift-mqtt", "pub1", count))
        a, b = median(ours, "rate"), median(theirs, "rate")
        times = f"{a / b:.0f}" if a and b and a >= 10 * b else f"{a / b:.1f}" if a and b else "-"
        print(f"| {window:,} | {rate(a)} | {rate(b)} | {times} | {rate(median(limit, 'rate'))} | {rate(median(memory, 'rate'))} |", flush=True)
    shutil.rmtree(folder, ignore_errors=True)


def start(programs, _):
    folder = tempfile.mkdtemp(prefix="start", dir=HERE + "/.build")
    environment = {"STORE": folder + "/store"}
    fill = run(programs["swift-mqtt"], "fill", 1, 1_000_000, 100, 1, environment)
    print(f"filled: {rate(float(fill['rate']))}/s without a broker" if fill else "the store cannot be filled")
    for _ in range(3):
        result = run(programs["swift-mqtt"], "start", 1, 1_000_000, 100, 1, environment)
        print(f"started in {float(result['secs']):.2f} s with {int(result['hwm_kb']) / 1024:.0f} MiB at most" if result else "failed")
    shutil.rmtree(folder, ignore_errors=True)


def memory(programs, rounds):
    scenarios = [("pub0", 1_000_000, 16, 1), ("pub1", 200_000, 16, 1_000), ("pub2", 100_000, 16, 1_000), ("sub0", 1_000_000, 16, 1_000),
                 ("sub1", 300_000, 16, 1_000), ("sub2", 200_000, 16, 1_000), ("rtt", 10_000, 16, 1)]
    peers = [name for name in ("raw", "swift-mqtt", "mosq", "pahoc") if name in programs]
    print("| scenario | " + " | ".join(peers) + " |\n| --- |" + " ---: |" * len(peers))
    for scenario, count, size, window in scenarios:
        results = {peer: [] for peer in peers}
        for _ in range(rounds):
            with NullBroker(programs["nullbroker"]) as broker:
                for peer in peers:
                    messages = count // 10 if peer in ("mosq", "pahoc") and scenario != "rtt" else count
                    results[peer].append(run(programs[peer], scenario, broker.port, messages, size, window))
        cells = []
        for peer in peers:
            text = rate(median(results[peer], "rate"))
            if scenario == "rtt" and (p50 := median(results[peer], "p50")) is not None:
                text = f"{p50:.0f} / {median(results[peer], 'p99'):.0f} us"
            cells.append(text)
        print(f"| {scenario} | " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("durable", "start", "memory"))
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    {"durable": durable, "start": start, "memory": memory}[options.what](build(), options.rounds)


if __name__ == "__main__":
    main()
