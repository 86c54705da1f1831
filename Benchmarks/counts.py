"""What does not depend on the machine's mood: instructions and calls of the allocator for one message.

A run of N messages and one of 2N: the difference is what N messages cost, without the start and the end.
"""

import os

from programs import HERE, OURS, MqttcBench, NullBroker
from scenarios import COUNTED

THRESHOLDS = os.path.join(HERE, "thresholds.txt")
PEERS = (OURS, "mosq", "pahoc", "raw")


def per_message(measure, programs, peer, row, count, runs=2):
    """Of each length the shortest run counts: a thread that looked once more for work makes a run longer, never shorter."""
    with NullBroker(programs) as broker:
        shortest = []
        for messages in (count, 2 * count):
            found = [measure(peer, row.scenario, broker.port, messages, row.size, row.window) for _ in range(runs)]
            if None in found:
                return None
            shortest.append(min(found))
    return (shortest[1] - shortest[0]) / count


def count(programs, rows, instructions, allocations, note):
    results = {}
    for name, row in rows.items():
        for peer in (peer for peer in PEERS if programs.has(peer)):
            if peer != OURS and "-" in row.scenario:
                continue
            found = results.setdefault(name, {}).setdefault(peer, {})
            if instructions:
                note(f"instructions, {row.name}: {peer}")
                found["instructions"] = per_message(programs.instructions, programs, peer, row, 20_000 if peer != "pahoc" else 2_000)
            if allocations:
                note(f"allocations, {row.name}: {peer}")
                found["allocations"] = per_message(programs.allocations, programs, peer, row, 100_000 if peer == OURS else 20_000)
    return results


def thresholds():
    found = {}
    with open(THRESHOLDS, encoding="utf-8") as lines:
        for line in lines:
            words = line.split("#")[0].split()
            if words:
                found[words[0]] = (float(words[1]), float(words[2]))
    return found


def check(mqttc):
    """Prints each count of `mqttc bench` beside its threshold. Returns the exit status."""
    if not thresholds():
        print("0 passed, 1 failed: Benchmarks/thresholds.txt has no thresholds")
        return 1
    programs = MqttcBench(mqttc)
    failed = passed = 0
    print(f"{'per message':12} {'instructions':>12} {'at most':>9} {'allocations':>12} {'at most':>9}")
    for name, most in thresholds().items():
        found = [None, None]
        for runs in (1, 3):  # what is too many is measured again
            found = (per_message(programs.instructions, programs, OURS, COUNTED[name], 20_000, runs),
                     per_message(programs.allocations, programs, OURS, COUNTED[name], 100_000, runs))
            good = all(value is not None and value <= limit for value, limit in zip(found, most))
            if good:
                break
        passed, failed = passed + good, failed + (not good)
        texts = ["-" if value is None else f"{value:.{digits}f}" for value, digits in zip(found, (0, 3))]
        print(f"{name:12} {texts[0]:>12} {most[0]:>9.0f} {texts[1]:>12} {most[1]:>9.3f}{'' if good else '   TOO MANY'}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0
