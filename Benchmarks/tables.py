"""Figures as tables of BENCHMARKS.md and as its plot."""

import json
import os
import platform
import re
import subprocess
import time

import plot
from aims import aims_table
from programs import HERE, OURS
from scenarios import COUNTED, GROUPS

RESULTS = os.path.join(HERE, ".build", "results.json")
PAGE = os.path.join(os.path.dirname(HERE), "BENCHMARKS.md")
PLOT = os.path.join(HERE, "benchmarks.svg")
NAMES = {"raw": "raw C, the limit", OURS: "swift-mqtt", OURS + "+batch": "swift-mqtt, batches",
         OURS + "+loop": "swift-mqtt on the event loop", "mosq": "libmosquitto", "pahoc": "Paho C", "pahopy": "paho-mqtt (Python)"}
PEERS = ("mosq", "pahoc", "pahopy")


def count(value):
    if value is None:
        return "-"
    for limit, divisor, unit in ((1e6, 1e6, " M"), (1e3, 1e3, " k")):
        if value >= limit:
            return f"{value / divisor:.{2 if value < 10 * limit else 1 if value < 100 * limit else 0}f}{unit}"
    return f"{value:.0f}"


def times(a, b):
    if not a or not b:
        return "-"
    ratio = a / b
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.1f}" if ratio >= 1 else f"{ratio:.2f}"


def rows_of(header, rows):
    lines = ["| " + " | ".join(header) + " |", "| --- |" + " ---: |" * (len(header) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def get(results, row, peer, key):
    return (results.get(row, {}).get(peer) or {}).get(key)


def best_peer(found, key="rate"):
    peers = [peer for peer in PEERS if (found.get(peer) or {}).get(key)]
    return max(peers, key=lambda peer: found[peer][key]) if peers else None


def best_own(found):
    own = [peer for peer in (OURS, OURS + "+batch") if (found.get(peer) or {}).get("rate")]
    return max(own, key=lambda peer: found[peer]["rate"]) if own else None


# MARK: One table for each kind


def rates(results):
    shown = [peer for peer in NAMES if any(peer in found for found in results.values())]
    header = ["messages a second"] + [NAMES[peer] for peer in shown]
    extra = ["times the best peer", "of the limit", "CPU us: ours / best peer", "peak MiB: ours / best peer"]
    compares = any(peer in shown for peer in PEERS)
    rows = []
    for name, found in results.items():
        row = [name] + [count((found.get(peer) or {}).get("rate")) for peer in shown]
        if compares:
            own, peer = best_own(found), best_peer(found)
            ours, theirs, limit = found.get(own) or {}, found.get(peer) or {}, found.get("raw") or {}
            row += [times(ours.get("rate"), theirs.get("rate")), times(ours.get("rate"), limit.get("rate")),
                    both(ours, theirs, "cpu_us_per_msg", 2), both(ours, theirs, "hwm_kb", 0, 1_024)]
        else:
            row += [one(found.get(OURS), "cpu_us_per_msg", 2), one(found.get(OURS), "hwm_kb", 0, 1_024)]
        rows.append(row)
    return rows_of(header + (extra if compares else ["CPU us", "peak MiB"]), rows)


def one(found, key, digits, divisor=1):
    value = (found or {}).get(key)
    return "-" if value is None else f"{value / divisor:,.{digits}f}"


def both(ours, theirs, key, digits, divisor=1):
    return f"{one(ours, key, digits, divisor)} / {one(theirs, key, digits, divisor)}"


def latencies(results):
    rows = []
    for name, found in results.items():
        base = found.get("mosq") or {}
        for peer in (peer for peer in NAMES if found.get(peer)):
            p50, p99 = found[peer].get("p50"), found[peer].get("p99")
            rows.append([f"{NAMES[peer]}, {name}", f"{p50:.0f}", f"{p99:.0f}", times(p50, base.get("p50")), times(p99, base.get("p99")),
                         one(found[peer], "cpu_us_per_msg", 1)])
    return rows_of(["QoS 1 and its answer, one at a time", "p50 us", "p99 us", "p50 to libmosquitto's", "p99 to libmosquitto's", "CPU us"],
                   rows)


def idle(results):
    rows = [[f"{name}: {NAMES[peer]}", one(value, "kb_per_conn", 1), one(value, "threads", 0), count(value.get("rate"))]
            for name, found in results.items() for peer, value in found.items() if value]
    return rows_of(["in one process", "KiB resident each", "threads", "online a second"], rows)


def growth(results):
    rows = [[name, one(found.get(OURS), "cpu_us_per_msg", 2), one(found.get("mosq"), "cpu_us_per_msg", 2),
             one(found.get(OURS), "hwm_kb", 0, 1_024)] for name, found in results.items()]
    return rows_of(["", "CPU us a message, or a client", "libmosquitto", "peak MiB"], rows)


def durable(results):
    rows = [[name] + [count(get(results, name, peer, "rate")) for peer in (OURS, "files")]
            + [times(get(results, name, OURS, "rate"), get(results, name, "files", "rate"))]
            + [count(get(results, name, peer, "rate")) for peer in ("raw", "memory")] for name in results]
    return rows_of(["QoS 1, 256 B, each on disk before it counts", "swift-mqtt", "one file per message (C)", "times",
                    "an appended log (C), the limit", "swift-mqtt in memory"], rows)


def start(results):
    rows = [[name, count(found["filled"]) + "/s", f"{found['seconds'] or 0:.2f} s", one(found, "peak", 0, 1_024)]
            for name, found in results.items()]
    return rows_of(["in the store", "written without a broker", "a client with them is there in", "peak MiB"], rows)


def over_tls(results):
    rows = []
    for name, found in results.items():
        ours, theirs = found.get(OURS) or {}, found.get("mosq") or {}
        rows.append([name, count(ours.get("rate")), count(theirs.get("rate")), times(ours.get("rate"), theirs.get("rate")),
                     both(ours, theirs, "cpu_us_per_msg", 2), both(ours, theirs, "hwm_kb", 0, 1_024), one(ours, "secs", 2)])
    return rows_of(["messages a second", "swift-mqtt", "libmosquitto", "times", "CPU us: ours / libmosquitto",
                    "peak MiB: ours / libmosquitto", "seconds"], rows)


def counts(results):
    peers = [peer for peer in NAMES if any(peer in found for found in results.values())]
    rows = []
    for name, found in results.items():
        row = [COUNTED[name].name]
        for key, digits in (("instructions", 0), ("allocations", 2)):
            row += [one(found.get(peer), key, digits) for peer in peers if peer != "raw"]
        rows.append(row)
    names = [NAMES[peer] for peer in peers if peer != "raw"]
    return rows_of(["for one message"] + ["instructions: " + name for name in names] + ["allocations: " + name for name in names], rows)


def table(name, results):
    if name in GROUPS:
        kinds = {"rate": rates, "latency": latencies, "idle": idle, "growth": growth}
        return f"**{GROUPS[name].title}**\n\n{kinds[GROUPS[name].kind](results)}"
    title, text = {
        "durable": ("On disk before it counts", durable), "start": ("Starting with many messages in the store", start),
        "tls": ("Over TLS, and 1 GiB in messages of 64 MiB", over_tls), "counts": ("Counted, not timed", counts)}[name]
    return f"**{title}**\n\n{text(results)}"


# MARK: The page


def kept():
    try:
        with open(RESULTS, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def keep(name, results, rounds):
    everything = kept()
    everything[name] = {"results": results, "rounds": rounds, "time": time.strftime("%Y-%m-%d %H:%M", time.gmtime())}
    with open(RESULTS, "w", encoding="utf-8") as file:
        json.dump(everything, file, indent=1)


def replace(name, text):
    with open(PAGE, encoding="utf-8") as file:
        page = file.read()
    begin, end = f"<!-- {name}: written by scripts/bench --write -->", f"<!-- end of {name} -->"
    block = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.S)
    if not block.search(page):
        raise SystemExit(f"BENCHMARKS.md has no place for {name}: {begin} ... {end}")
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(block.sub(lambda _: f"{begin}\n\n{text}\n\n{end}", page))


def write(name):
    group = kept()[name]
    replace(name, f"{table(name, group['results'])}\n\n{group['time']} UTC, medians of {group['rounds']} rounds.")


def write_aims():
    groups = {name: group["results"] for name, group in kept().items()}
    replace("aims", aims_table(groups, rows_of))
    replace("machine", machine())
    if "publish" in groups and "receive" in groups:
        with open(PLOT, "w", encoding="utf-8") as file:
            file.write(plot.svg(groups, NAMES))


def machine():
    processor = "unknown"
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            processor = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    swift = subprocess.run(["swift", "--version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
    found = re.search(r"Swift version (\S+)", swift)
    return (f"{processor}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, Swift {found.group(1) if found else '?'}. "
            "The broker runs on the same machine, behind the loopback interface.")
