"""PIPE.md sections 4 to 6 under seeded faults: cuts at arbitrary packets and bytes, in both directions at once."""

import base64
import random

from case import check, table
from session import Session

COUNT = 120


def first_times(payloads):
    return list(dict.fromkeys(payloads))


def faults(t, seed, lossy):
    """Section 4: nothing accepted is lost, QoS 2 is passed on once in order (while the broker keeps the session), both ways."""
    source = random.Random(seed)
    outgoing = [(1 + n % 2, b"in%d" % n) for n in range(COUNT)]
    session = Session(source, outgoing)
    pipe, broker = t.pipe(), t.broker()
    link = t.join(pipe, broker, session_present=True, reconnectMin=0.01, reconnectMax=0.03, atLeastOnceMax=1000, exactlyOnceMax=1000)
    identifiers = []
    for _ in range(14):
        identifiers += [pipe.op("publish", topic="out", qos=1 + n % 2, payload=f"out{n}")
                        for n in range(len(identifiers), min(COUNT, len(identifiers) + source.randrange(20)))]
        if session.serve(link, packets=source.randrange(1, 60), idle=0.2):
            link.close()
        pipe.event("offline", error="connectionLost")
        present = not (lossy and source.random() < 0.4)
        if not present:
            session.lose()
        link = t.again(pipe, broker, session_present=present)
    identifiers += [pipe.op("publish", topic="out", qos=1 + n % 2, payload=f"out{n}") for n in range(len(identifiers), COUNT)]
    session.serve(link, idle=1.0)
    for identifier in identifiers:
        pipe.ok(identifier)
    delivered = [(e["qos"], base64.b64decode(e["payloadBase64"])) for e in pipe.events if e["event"] == "message"]
    for qos in (1, 2):
        expected = [b"out%d" % n for n in range(COUNT) if 1 + n % 2 == qos]
        seen = [payload for q, payload in session.seen if q == qos]
        check(first_times(seen) == expected, f"QoS {qos} at the broker, lost or out of order: {first_times(seen)}")
        if qos == 2 and not lossy:
            check(seen == expected, "QoS 2 doubled at the broker")
        if not lossy:
            expected = [payload for q, payload in outgoing if q == qos]
            got = [payload for q, payload in delivered if q == qos]
            check(first_times(got) == expected, f"QoS {qos} at the client, lost or out of order: {got}")
            check(qos == 1 or got == expected, "QoS 2 doubled at the client")


table(globals(), "seed", [(f"{seed}{'_sessions_lost' if lossy else ''}", seed, lossy) for seed in range(6)
                         for lossy in (False, True)], faults)


def test_cut_at_every_step_of_qos2(t):
    """[MQTT-4.3.3-1]: one QoS 2 exchange out and one in, cut before and after each packet of them; once each, in the end."""
    pipe, broker, link = t.online(session_present=True, reconnectMin=0.01, reconnectMax=0.02)
    for cut in range(1, 7):
        session = Session(random.Random(cut), [(2, b"in%d" % cut)])
        identifier = pipe.op("publish", topic="out", qos=2, payload=f"out{cut}")
        pipe.all_accepted([identifier])
        for _ in range(4):
            if session.serve(link, packets=cut, idle=0.3):
                break
            pipe.event("offline", error="connectionLost")
            link = t.again(pipe, broker)
        else:
            session.serve(link, idle=0.3)
        pipe.ok(identifier)
        check(session.seen == [(2, b"out%d" % cut)], f"{session.seen}")
        pipe.event("message", payloadBase64=base64.b64encode(b"in%d" % cut).decode())
        pipe.no_event("message", 0)


def test_reconnect_storm(t):
    """Section 6: 200 connections cut right after CONNACK: nothing is lost, the program stays small."""
    pipe, broker, link = t.online(session_present=True, reconnectMin=0.001, reconnectMax=0.002)
    identifiers = [pipe.op("publish", topic="a", qos=1 + n % 2, payload=str(n)) for n in range(50)]
    pipe.all_accepted(identifiers)
    before = pipe.memory()
    for n in range(200):
        link.reset()
        pipe.event("offline")
        link = t.again(pipe, broker)
    session = Session(random.Random(1), [])
    session.serve(link)
    for identifier in identifiers:
        pipe.ok(identifier)
    check(sorted(int(p) for _, p in session.seen) == list(range(50)), "each once on the last connection")
    check(pipe.memory("VmHWM") - before < 32 << 20, "memory")
