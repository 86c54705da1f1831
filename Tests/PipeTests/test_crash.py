"""The real program, killed at random moments while it publishes through a real Mosquitto that stays up, again and again.

Everything for which `accepted` was reported arrives, in the order of acceptance, at QoS 2 exactly once. MQTT_CRASH_ROUNDS sets the
number of kills for each QoS: 20 by default, 200 in the long form (scripts/crash-test).
"""

import os
import random
import time

from case import Skipped, check, table
from test_mosquitto import Mosquitto, join, text

ROUNDS = int(os.environ.get("MQTT_CRASH_ROUNDS", "20"))


def publish(pipe, source, qos, number):
    """A burst of publishes; the kill comes at any moment of it, or soon after."""
    count = source.choice((1, 5, 50, 300))
    ops = [("publish", {"topic": "crash", "qos": qos, "payload": str(number + n) + " " * source.choice((0, 0, 0, 3_000))})
           for n in range(count)]
    identifiers = pipe.batch(*ops)
    time.sleep(source.random() ** 2 * 0.12)
    return dict(zip(identifiers, range(number, number + count)))


def crash(t, qos):
    """Issue "Durable sessions": kill -9 while it publishes, restart, repeat."""
    if any("reference" in part for part in t.program):
        raise Skipped("the reference client has no store")
    mosquitto, source = Mosquitto(t), random.Random(qos)
    receiver = join(t, mosquitto, "receiver")
    receiver.call("subscribe", filters=[{"filter": "crash", "qos": 2}])
    accepted, number, store = [], 0, t.folder() + "/store"
    for _ in range(ROUNDS):
        sender = join(t, mosquitto, "sender", store=store, session="resume")
        numbers = publish(sender, source, qos, number)
        number += len(numbers)
        sender.crash()
        accepted += [numbers[identifier] for identifier in numbers if identifier in sender.accepted]
        t.pipes.remove(sender)
    last = join(t, mosquitto, "sender", store=store, session="resume")
    last.call("publish", topic="crash", qos=qos, payload="end")
    seen = []
    while not seen or seen[-1] != "end":
        seen.append(text(receiver.event("message", timeout=60)).strip())
    arrived = [int(payload) for payload in seen[:-1]]
    lost = sorted(set(accepted) - set(arrived))
    check(not lost, f"of {len(accepted)} accepted {len(lost)} were lost: {lost[:20]}")
    firsts = list(dict.fromkeys(arrived))
    check(firsts == sorted(firsts), "first arrivals in the order of acceptance")
    if qos == 2:
        check(len(arrived) == len(firsts), f"doubled: {sorted(n for n in firsts if arrived.count(n) > 1)[:20]}")
    print(f"QoS {qos}: {ROUNDS} kills, {number} published, {len(accepted)} accepted, {len(arrived)} arrived, "
          f"{len(arrived) - len(firsts)} of them again, {len(lost)} lost")


table(globals(), "crash", [(f"qos_{qos}", qos) for qos in (1, 2)], crash)
