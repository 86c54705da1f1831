"""What is measured: groups of rows, each row with the peers that take turns at it."""

from dataclasses import dataclass, field

from programs import OURS

ALL = ("raw", OURS, "mosq", "pahoc", "pahopy")
SIZES = ((16, "16 B"), (256, "256 B"), (4_096, "4 KiB"), (1 << 20, "1 MiB"))


@dataclass
class Row:
    name: str
    scenario: str
    size: int = 16
    window: int = 1
    peers: tuple = ALL
    # Fixed, or None: as many as a run of about a second takes.
    count: int = None
    environment: dict = field(default_factory=dict)
    # Whether programs of the least priority keep the processors from sleeping meanwhile.
    awake: bool = False
    # At most so many messages, for the sake of memory and of slow peers.
    most: int = 20_000_000


@dataclass
class Group:
    title: str
    rows: list
    # What is compared: "rate", "latency", "idle" or "growth".
    kind: str = "rate"


def window_for(qos, size):
    return 1 if qos == 0 else 16 if size > 100_000 else 1_000


def publish_rows():
    return [
        Row(f"QoS {qos}, {label}", f"pub{qos}", size, window_for(qos, size)) for qos in (0, 1, 2) for size, label in SIZES]


def window_rows():
    return [
        Row(f"QoS {qos}, {window:,} outstanding", f"pub{qos}", 16, window) for qos in (1, 2) for window in (1, 100, 1_000, 10_000)]


def receive_rows():
    peers = ("raw", OURS, OURS + "+batch", "mosq", "pahoc", "pahopy")
    rows = [Row(f"QoS {qos}, 16 B", f"sub{qos}", 16, 1_000, peers) for qos in (0, 1, 2)]
    return rows + [Row(f"QoS 0, {label}", "sub0", size, 1_000, peers) for size, label in SIZES[1:]]


def many_rows():
    rows = []
    for qos, window in ((0, 1), (1, 1_000)):
        rows.append(Row(f"QoS {qos}, 1 task", f"pub{qos}", 16, window, (OURS,)))
        for tasks in (8, 100):
            rows.append(Row(f"QoS {qos}, {tasks} tasks", f"pub{qos}-many", 16, window, (OURS,), environment={"PUBLISHERS": str(tasks)}))
    return rows


def latency_rows():
    peers = ("raw", OURS, OURS + "+loop", "mosq", "pahoc", "pahopy")
    # A processor that has fallen asleep costs more to wake than all the rest of a round trip, and differently on each kind of machine.
    return [
        Row("cores kept awake", "rtt", 16, 1, peers, most=20_000, awake=True),
        Row("cores that sleep", "rtt", 16, 1, peers, most=5_000),
    ]


def idle_rows():
    return [
        Row("1,000 clients", "idle", 0, 1, (OURS, "mosq", "pahoc"), count=1_000),
        # Paho C takes minutes for so many.
        Row("10,000 clients", "idle", 0, 1, (OURS, "mosq"), count=10_000),
    ]


def growth_rows():
    rows = [Row(f"{window:,} outstanding, QoS 1", "pub1", 16, window, (OURS, "mosq")) for window in (100, 1_000, 10_000)]
    rows += [Row(f"{count:,} queued without a connection, QoS 1", "queue", 16, 1, (OURS,), count=count)
             for count in (10_000, 100_000, 1_000_000)]
    rows += [Row(f"{number:,} sequences, three of which want each message, QoS 0", "tree", 16, 1_000, (OURS,), count=200_000,
                 environment={"SEQUENCES": str(number)}) for number in (100, 1_000, 10_000)]
    rows += [Row(f"{count:,} clients connecting at once", "idle", 0, 1, (OURS,), count=count) for count in (100, 1_000, 10_000)]
    return rows


GROUPS = {
    "publish": Group("Publishing", publish_rows()),
    "windows": Group("Publishing by messages outstanding, 16 B", window_rows()),
    "receive": Group("Receiving", receive_rows()),
    "many": Group("Many tasks publishing on one client, 16 B", many_rows()),
    "latency": Group("Round trips", latency_rows(), "latency"),
    "idle": Group("Idle clients in one process, and how they come online", idle_rows(), "idle"),
    "growth": Group("Growth: what a message costs when there is ten and a hundred times as much", growth_rows(), "growth"),
}

# What is counted rather than timed. In this order in the thresholds.
COUNTED = {
    "pub0": Row("publish QoS 0, 16 B", "pub0", 16, 1),
    "pub1": Row("publish QoS 1, 16 B, 1,000 outstanding", "pub1", 16, 1_000),
    "pub2": Row("publish QoS 2, 16 B, 1,000 outstanding", "pub2", 16, 1_000),
    "sub0": Row("receive QoS 0, 16 B, for await", "sub0", 16, 1_000),
    "sub0-batch": Row("receive QoS 0, 16 B, batches", "sub0-batch", 16, 1_000),
    "sub1": Row("receive QoS 1, 16 B, for await", "sub1", 16, 1_000),
    "sub1-batch": Row("receive QoS 1, 16 B, batches", "sub1-batch", 16, 1_000),
    "sub2": Row("receive QoS 2, 16 B, for await", "sub2", 16, 1_000),
}
