"""Publishes that are on disk before they count, and starting with many of them there."""

import os
import shutil
import tempfile

from programs import HERE, OURS, NullBroker, median

WINDOWS = ((1, 3_000, 1_500), (100, 50_000, 3_000), (1_000, 200_000, 3_000), (10_000, 300_000, 3_000))


def durable(programs, rounds, _, note):
    """Beside one file per message in C, an appended log in C as the limit, and the same messages in memory."""
    folder = tempfile.mkdtemp(prefix="durable", dir=HERE + "/.build")
    here, results = os.getcwd(), {}
    os.chdir(folder)  # the C drivers write where they are
    for number in range(rounds):
        for window, count, files in WINDOWS:
            note(f"durable {window}")
            rows = results.setdefault(f"{window:,} outstanding", {})
            with NullBroker(programs) as broker:
                for peer, name, scenario, messages in (
                        (OURS, OURS, "pub1-durable", count), ("files", "files", "pub1-durable", files),
                        ("raw", "raw", "pub1-durable", count), ("memory", OURS, "pub1", count)):
                    if not programs.has(name):
                        continue
                    store = f"{folder}/{peer}-{number}"
                    result = programs.run(name, scenario, broker.port, messages, 256, window, {"STORE": store})
                    shutil.rmtree(store, ignore_errors=True)
                    rows.setdefault(peer, []).append(result)
    os.chdir(here)
    shutil.rmtree(folder, ignore_errors=True)
    return {name: {peer: {"rate": median(found, "rate")} for peer, found in peers.items()} for name, peers in results.items()}


def start(programs, _, quick, note):
    """A client with a million messages of 100 B in its store."""
    note("start")
    folder = tempfile.mkdtemp(prefix="start", dir=HERE + "/.build")
    environment, count = {"STORE": folder + "/store"}, 100_000 if quick else 1_000_000
    filled = programs.run(OURS, "fill", 1, count, 100, 1, environment)
    started = [programs.run(OURS, "start", 1, count, 100, 1, environment) for _ in range(3)]
    shutil.rmtree(folder, ignore_errors=True)
    return {f"{count:,} messages of 100 B": {
        "filled": median([filled], "rate"), "seconds": median(started, "secs"), "peak": median(started, "hwm_kb")}}
