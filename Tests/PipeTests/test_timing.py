"""PIPE.md section 6: pauseTimeout in its four places, and keepAlive. Tolerances are wide on the late side only."""

import time

import mqtt
from case import check, table

LATE = 4.0      # seconds a slow machine may add


def lost_after(pipe, began, pause):
    pipe.event("offline", error="connectionLost", timeout=pause + LATE + 5)
    took = time.monotonic() - began
    check(pause * 0.85 <= took <= pause + LATE, f"dropped after {took:.2f} s, pauseTimeout is {pause} s")


def test_pingresp_missing(t):
    """Section 6: from PINGREQ to PINGRESP: dropped as dead after pauseTimeout, the ping is connectionLost, then it reconnects."""
    pipe, broker, link = t.online(pauseTimeout=0.8)
    identifier = pipe.op("ping")
    link.expect(mqtt.PINGREQ)
    lost_after(pipe, time.monotonic(), 0.8)
    pipe.error(identifier, "connectionLost")
    link.expect_end()
    t.again(pipe, broker)


def test_pingresp_missing_among_messages(t):
    """Section 6: the silence is of the broker: while other packets come it is alive, or it is not: but a ping gets its reply."""
    pipe, broker, link = t.online(pauseTimeout=0.8)
    identifier = pipe.op("ping")
    link.expect(mqtt.PINGREQ)
    for n in range(20):
        link.send(mqtt.publish("a", b"x"))
        time.sleep(0.1)
    link.send(mqtt.pingresp())
    reply = pipe.reply(identifier)
    check(reply["ok"] or reply["error"] == "connectionLost", str(reply))


def test_ping_timeout_is_no_loss(t):
    """Section 4: the timeout of a ping op bounds its wait; pauseTimeout goes on to judge the connection."""
    pipe, _, link = t.online(pauseTimeout=5)
    identifier = pipe.op("ping", timeout=0.3)
    link.expect(mqtt.PINGREQ)
    pipe.error(identifier, "abandoned")
    pipe.no_event("offline", 0.3)
    link.send(mqtt.pingresp())


def silent_within(t, part):
    """Section 6: silence between bytes of a packet that has begun to arrive."""
    pipe, broker, link = t.online(pauseTimeout=0.8)
    link.send(part)
    lost_after(pipe, time.monotonic(), 0.8)
    link.expect_end()
    t.again(pipe, broker)
    pipe.no_event("message", 0)


WHOLE = mqtt.publish("topic", b"payload", 1, 5)
table(globals(), "silent_after", [("first_byte", WHOLE[:1]), ("header", WHOLE[:2]), ("topic_length", WHOLE[:3]), ("topic", WHOLE[:9]),
                                  ("all_but_one", WHOLE[:-1]), ("half_length", b"\x30\x80"), ("puback_part", b"\x40\x02\x00"),
                                  ("big_payload_part", mqtt.publish("a", b"x" * 2_000_000)[:1_500_000])], silent_within)


def test_silent_behind_a_whole_packet(t):
    """Section 6: one byte behind a whole packet in the same segment: the packet is delivered, the connection is dropped."""
    pipe, broker, link = t.online(pauseTimeout=0.8)
    link.send(mqtt.publish("a", b"x") + b"\xd0")
    lost_after(pipe, time.monotonic(), 0.8)
    pipe.event("message", topic="a")
    t.again(pipe, broker)


def test_trickled_message(t):
    """Section 6: pauseTimeout bounds each silence, not the whole: one byte per half of it must not time out."""
    pipe, _, link = t.online(pauseTimeout=0.8)
    link.trickle(mqtt.publish("a", b"12345", 1, 3), 0.35)
    pipe.event("message", payloadBase64="MTIzNDU=")
    link.expect(mqtt.PUBACK, packet_id=3)
    pipe.no_event("offline", 0)


def test_trickled_big_message(t):
    """Section 6: the same within a streamed payload: pieces in gaps below pauseTimeout, longer than it as a whole."""
    pipe, _, link = t.online(pauseTimeout=0.8)
    raw = mqtt.publish("a", b"z" * 2_000_000, 2, 3)
    for at in range(0, len(raw), 300_000):
        link.send(raw[at:at + 300_000])
        time.sleep(0.35)
    pipe.event("bigMessage", size=2_000_000)
    link.expect(mqtt.PUBREC, packet_id=3)
    pipe.no_event("offline", 0)


def test_trickled_connack(t):
    """Section 6 and 3: from CONNECT to CONNACK: `connect` waits while bytes keep coming, or replies timeout after pauseTimeout in all."""
    pipe, broker = t.pipe(), t.broker()
    identifier = t.dial(pipe, broker, pauseTimeout=1.0)
    link = broker.accept()
    link.expect(mqtt.CONNECT)
    link.trickle(mqtt.connack(), 0.2)
    pipe.ok(identifier)


def test_silence_between_packets(t):
    """Section 6: silence between packets is fine, also with requests and exchanges open in both directions."""
    pipe, _, link = t.online(pauseTimeout=0.5)
    subscribe, publish = pipe.op("subscribe", filters=[{"filter": "a", "qos": 2}]), pipe.op("publish", topic="a", qos=2)
    packets = {packet.type: packet for packet in (link.packet(), link.packet())}
    link.send(mqtt.publish("a", b"x", 2, 9))
    link.expect(mqtt.PUBREC)
    link.expect_nothing(2)
    link.send(mqtt.suback(packets[mqtt.SUBSCRIBE].packet_id, [2]), mqtt.pubrec(packets[mqtt.PUBLISH].packet_id), mqtt.pubrel(9))
    pipe.ok(subscribe)
    check({link.packet().type, link.packet().type} == {mqtt.PUBREL, mqtt.PUBCOMP}, "goes on")
    link.expect_nothing(1)
    link.send(mqtt.pubcomp(packets[mqtt.PUBLISH].packet_id))
    pipe.ok(publish)
    pipe.no_event("offline", 0)


def stalled_write(t, qos):
    """Section 6: between bytes of a packet being written that the connection does not take: dropped as dead."""
    pipe, broker, link = t.online(pauseTimeout=0.8)
    began = time.monotonic()
    identifier = pipe.op("publish", topic="a", qos=qos, payloadSize=64 << 20)
    pipe.event("offline", error="connectionLost", timeout=30)
    took = time.monotonic() - began
    check(0.7 <= took <= 0.8 + LATE + 4, f"dropped after {took:.2f} s")
    if qos == 0:
        pipe.error(identifier, "submissionInterrupted")
    link.socket.close()
    link = t.again(pipe, broker)
    if qos:
        packet = link.expect(mqtt.PUBLISH)
        link.send(mqtt.puback(packet.packet_id))
        pipe.ok(identifier)


table(globals(), "stalled_write", [("qos_0", 0), ("qos_1", 1)], stalled_write)


def test_trickled_read(t):
    """Section 6: a broker that takes some bytes within each pauseTimeout is alive, however long the packet takes."""
    pipe, _, link = t.online(pauseTimeout=1.5)
    identifier = pipe.op("publish", topic="a", payloadSize=24 << 20)
    total = 24 << 20
    for _ in range(9):
        time.sleep(0.4)
        total -= link.drain(limit=2 << 20)
    pipe.no_event("offline", 0)
    link.drain(limit=total + 2 + 1 + 5)
    pipe.ok(identifier)


def reconnect_times_out(t, part):
    """Section 6: CONNECT to CONNACK on a reconnect: dropped after pauseTimeout, tried again."""
    pipe, broker, link = t.online(pauseTimeout=0.5)
    link.close()
    pipe.event("offline", error="connectionLost")
    for _ in range(2):
        link = broker.accept()
        link.expect(mqtt.CONNECT)
        if part:
            link.send(part)
        began = time.monotonic()
        link.expect_end()
        check(0.4 <= time.monotonic() - began <= 0.5 + LATE, f"dropped after {time.monotonic() - began:.2f} s")
    t.again(pipe, broker)


table(globals(), "reconnect_times_out", [("silence", b""), ("partial_connack", b"\x20\x02\x00")], reconnect_times_out)


def keep_alive(t, traffic):
    """Section 6 [MQTT-3.1.2-23]: PINGREQ is sent in time on its own; what the broker sends does not count, what it takes does."""
    pipe, _, link = t.online(keepAlive=1)
    last, until, pings = time.monotonic(), time.monotonic() + 4.5, 0
    while time.monotonic() < until:
        packet = link.packet(0.2)
        if packet is not None:
            check(packet.type == mqtt.PINGREQ, str(packet))
            gap, last, pings = time.monotonic() - last, time.monotonic(), pings + 1
            check(gap < 1.5, f"silent for {gap:.2f} s with keep alive 1")
            link.send(mqtt.pingresp())
        if traffic:
            link.send(mqtt.publish("a", b"x"))
    check(3 <= pings <= 12, f"{pings} PINGREQ in 4.5 s")
    pipe.no_event("offline", 0)


table(globals(), "keep_alive", [("idle", False), ("receiving", True)], keep_alive)


def test_keep_alive_answer_missing(t):
    """Section 6: an automatic PINGREQ that gets no answer within pauseTimeout: dropped as dead, then it reconnects."""
    pipe, broker, link = t.online(keepAlive=1, pauseTimeout=0.7)
    link.expect(mqtt.PINGREQ, timeout=3)
    lost_after(pipe, time.monotonic(), 0.7)
    link = t.again(pipe, broker)
    link.expect(mqtt.PINGREQ, timeout=3)
    link.send(mqtt.pingresp())


def test_keep_alive_off(t):
    """Section 3: keepAlive 0 is off: no PINGREQ."""
    pipe, _, link = t.online(keepAlive=0, pauseTimeout=0.5)
    link.expect_nothing(3)


def test_keep_alive_with_a_pause_timeout_that_is_longer(t):
    """Section 6: pings do not pile up: while one is unanswered, the connection lives until pauseTimeout."""
    pipe, _, link = t.online(keepAlive=1, pauseTimeout=6)
    link.expect(mqtt.PINGREQ, timeout=3)
    time.sleep(2.5)
    link.send(mqtt.pingresp())
    pipe.no_event("offline", 0.3)


def test_process_pause_within_a_packet(t):
    """Section 6: it is the broker's silence that counts: a process stopped between two parts of a packet does not blame the broker."""
    pipe, _, link = t.online(pauseTimeout=1.0)
    link.send(WHOLE[:5])
    time.sleep(0.2)
    pipe.stop()
    link.send(WHOLE[5:])
    time.sleep(1.5)
    pipe.go_on()
    pipe.event("message", topic="topic")
    link.expect(mqtt.PUBACK, packet_id=5)
    pipe.no_event("offline", 0.2)
