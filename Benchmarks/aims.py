"""The aims, each with what was measured. All are ratios of one run, but for memory and instructions."""

from programs import OURS

BATCH, LOOP = OURS + "+batch", OURS + "+loop"


def aims_table(groups, rows_of):
    rows = []
    for name, wanted, value, reached in aims(groups):
        rows.append([name, wanted, value or "not measured", "-" if value is None else "yes" if reached else "**no**"])
    return rows_of(["aim", "wanted", "measured", "reached"], rows)


def aims(groups):
    def ratio(group, row, key, ours, theirs):
        found = groups.get(group, {}).get(row, {})
        a, b = (found.get(ours) or {}).get(key), (found.get(theirs) or {}).get(key)
        return a / b if a and b else None

    def at_least(name, group, row, factor, ours=OURS, theirs="mosq", than="libmosquitto"):
        value = ratio(group, row, "rate", ours, theirs)
        return name, f"{factor} times {than}", value and f"{value:.1f} times", value and value >= factor

    def at_most(name, key, factor, ours):
        row = next(iter(groups.get("latency", {"": None})))
        value = ratio("latency", row, key, ours, "mosq")
        return name, f"at most {factor} times libmosquitto", value and f"{value:.2f} times", value and value <= factor

    def below(name, value, limit, unit):
        return name, f"below {limit} {unit}", None if value is None else f"{value:.1f} {unit}", value is not None and value < limit

    counts, idle = groups.get("counts", {}), groups.get("idle", {})
    idle_kib = (idle.get("10,000 clients", {}).get(OURS) or {}).get("kb_per_conn")
    instructions = {name: (found.get(OURS) or {}).get("instructions") for name, found in counts.items()}
    allocations = {name: (found.get(OURS) or {}).get("allocations") for name, found in counts.items()}
    return [
        at_least("QoS 0 publish, 16 B", "publish", "QoS 0, 16 B", 6),
        at_least("QoS 0 publish, 256 B", "publish", "QoS 0, 256 B", 6),
        at_least("QoS 0 publish, 1 MiB", "publish", "QoS 0, 1 MiB", 1),
        at_least("QoS 1 publish, 1,000 outstanding", "publish", "QoS 1, 16 B", 10),
        at_least("QoS 2 publish, 1,000 outstanding", "publish", "QoS 2, 16 B", 10),
        at_most("QoS 1 round trip p50, caller on the event loop", "p50", 1.2, LOOP),
        at_most("QoS 1 round trip p99, caller on the event loop", "p99", 1.2, LOOP),
        at_most("QoS 1 round trip p50, as it comes", "p50", 2, OURS),
        at_most("QoS 1 round trip p99, as it comes", "p99", 2, OURS),
        at_least("receive QoS 0, 16 B, a `for await` step for each message", "receive", "QoS 0, 16 B", 30),
        at_least("receive QoS 0, 16 B, batches", "receive", "QoS 0, 16 B", 60, BATCH),
        at_least("receive QoS 1, 16 B", "receive", "QoS 1, 16 B", 20),
        at_least("receive QoS 2, 16 B", "receive", "QoS 2, 16 B", 12),
        at_least("durable QoS 1, 256 B, 1,000 outstanding", "durable", "1,000 outstanding", 100, OURS, "files", "one file per message"),
        below("10,000 idle clients, each", idle_kib, 10, "KiB"),
        below("publish QoS 0, instructions", instructions.get("pub0"), 300, "instructions"),
        below("receive QoS 0, instructions", instructions.get("sub0"), 400, "instructions"),
        below("publish QoS 0, calls of the allocator", allocations.get("pub0"), 0.1, "calls"),
        below("receive QoS 0, calls of the allocator", allocations.get("sub0"), 0.1, "calls"),
        below("publish QoS 1, calls of the allocator", allocations.get("pub1"), 1.1, "calls"),
        below("receive QoS 1, calls of the allocator", allocations.get("sub1"), 1.1, "calls"),
    ]
