"""PIPE.md section 5, receive auto: delivery, acknowledgement, QoS 2 once, framing."""

import base64
import hashlib
import time

import mqtt
from case import check, table


def b64(raw):
    return base64.b64encode(raw).decode()


def received(t, packet, expected):
    """Section 5: the event has topic, payload, qos, retain and dup of the PUBLISH, subscribed or not [MQTT-4.5.0-2]."""
    pipe, _, link = t.online()
    link.send(packet)
    event = pipe.event("message", **expected)
    check(event.keys() == {"event", "topic", "payloadBase64", "qos", "retain", "dup"}, str(event))
    if expected["qos"]:
        link.expect(mqtt.PUBACK if expected["qos"] == 1 else mqtt.PUBREC, packet_id=77)
    link.expect_nothing(0.1)


def fields(topic="a/b", payload=b"hello", qos=0, retain=False, dup=False):
    return {"topic": topic, "payloadBase64": b64(payload), "qos": qos, "retain": retain, "dup": dup}


table(globals(), "message", [
    ("qos_0", mqtt.publish("a/b", b"hello"), fields()),
    ("retained", mqtt.publish("a/b", b"hello", retain=True), fields(retain=True)),
    ("empty", mqtt.publish("a/b"), fields(payload=b"")),
    ("qos_1", mqtt.publish("a/b", b"hello", 1, 77), fields(qos=1)),
    ("qos_1_dup_retain", mqtt.publish("a/b", b"hello", 1, 77, True, True), fields(qos=1, retain=True, dup=True)),
    ("qos_2", mqtt.publish("a/b", b"hello", 2, 77), fields(qos=2)),
    ("qos_2_dup_first_seen", mqtt.publish("a/b", b"hello", 2, 77, dup=True), fields(qos=2, dup=True)),
    ("binary", mqtt.publish("a/b", bytes(range(256))), fields(payload=bytes(range(256)))),
    ("topic_65535", mqtt.publish("x" * 65535, b"hello"), fields(topic="x" * 65535)),
    ("topic_slash", mqtt.publish("/", b"hello"), fields(topic="/")),
    ("topic_dollar", mqtt.publish("$SYS/a", b"hello"), fields(topic="$SYS/a")),
    ("topic_feff", mqtt.publish("\ufeffa\ufeff", b"hello"), fields(topic="\ufeffa\ufeff")),
    ("payload_65536", mqtt.publish("a/b", b"z" * 65536, 1, 77), fields(payload=b"z" * 65536, qos=1)),
    ("long_length_field", mqtt.packet(0x30, mqtt.string("a/b") + b"hello" * 30), fields(payload=b"hello" * 30)),
], received)


def sizes(t, size):
    """Section 5: up to 65,536 bytes message, above 1,048,576 bigMessage with size and sha256, in between either."""
    pipe, _, link = t.online()
    payload = hashlib.sha256(str(size).encode()).digest() * (size // 32 + 1)
    payload = payload[:size]
    link.send_aside(mqtt.publish("big", payload, 2, 9, retain=True))
    link.expect(mqtt.PUBREC, packet_id=9)
    big = size > 1 << 20 or (size > 65536 and pipe.first_of("message", "bigMessage") == "bigMessage")
    if big:
        event = pipe.event("bigMessage", topic="big", size=size, sha256=hashlib.sha256(payload).hexdigest(), qos=2, retain=True, dup=False)
        check(event.keys() == {"event", "topic", "size", "sha256", "qos", "retain", "dup"}, str(event))
    else:
        pipe.event("message", **fields("big", payload, 2, True))


table(globals(), "size", [(str(n), n) for n in (65535, 65536, 65537, 131072, 1048576, 1048577, 3_000_000)], sizes)


def test_split_at_every_byte(t):
    """[MQTT-4.2] byte stream: packets split at each byte boundary are the same packets."""
    pipe, _, link = t.online()
    stream = mqtt.publish("topic", b"p" * 130, 1, 300) + mqtt.publish("t", b"", 2, 5) + mqtt.pubrel(5) + mqtt.publish("u", b"end")
    for cut in range(1, len(stream)):
        link.send(stream[:cut])
        time.sleep(0.002)
        link.send(stream[cut:])
        for topic in ("topic", "t", "u"):
            pipe.event("message", topic=topic)
        for kind, packet_id in ((mqtt.PUBACK, 300), (mqtt.PUBREC, 5), (mqtt.PUBCOMP, 5)):
            link.expect(kind, packet_id=packet_id)


def test_one_byte_per_segment(t):
    """Byte stream: one byte at a time."""
    pipe, _, link = t.online()
    link.trickle(mqtt.publish("topic", b"p" * 130, 1, 300) + mqtt.publish("u", b"end"), 0.003)
    pipe.event("message", topic="topic")
    pipe.event("message", topic="u")
    link.expect(mqtt.PUBACK, packet_id=300)


def test_many_in_one_segment(t):
    """Section 5: order is kept, and so is the order of acknowledgements [MQTT-4.6.0-2] [MQTT-4.6.0-3]."""
    pipe, _, link = t.online()
    link.send(*[mqtt.publish(f"t{n % 3}", str(n).encode(), n % 3, n + 1 if n % 3 else 0) for n in range(3000)])
    messages = pipe.messages(3000)
    check([base64.b64decode(m["payloadBase64"]) for m in messages] == [str(n).encode() for n in range(3000)], "order")
    acknowledged = [link.packet() for _ in range(2000)]
    ones, twos = [p.packet_id for p in acknowledged if p.type == mqtt.PUBACK], [p.packet_id for p in acknowledged if p.type == mqtt.PUBREC]
    check(ones == [n + 1 for n in range(3000) if n % 3 == 1] and twos == [n + 1 for n in range(3000) if n % 3 == 2], "order of acks")


def test_qos1_same_identifier_is_new(t):
    """[MQTT-4.3.2-2]: after PUBACK the same identifier is a new message, DUP or not."""
    pipe, _, link = t.online()
    for n in range(4):
        link.send(mqtt.publish("a", str(n).encode(), 1, 5, dup=n % 2 == 1))
        pipe.event("message", payloadBase64=b64(str(n).encode()))
        link.expect(mqtt.PUBACK, packet_id=5)


def test_qos2_delivered_at_publish(t):
    """Section 5: delivered when PUBLISH arrives, not at PUBREL; PUBREL gets PUBCOMP and frees the identifier [MQTT-4.3.3-2]."""
    pipe, _, link = t.online()
    for n in range(3):
        link.send(mqtt.publish("a", str(n).encode(), 2, 5))
        pipe.event("message", payloadBase64=b64(str(n).encode()))
        link.expect(mqtt.PUBREC, packet_id=5)
        link.send(mqtt.pubrel(5))
        link.expect(mqtt.PUBCOMP, packet_id=5)
    pipe.no_event("message", 0.2)


def test_qos2_duplicate(t):
    """Section 5: sent again before PUBREL: PUBREC again, not delivered again, with DUP or without."""
    pipe, _, link = t.online()
    link.send(mqtt.publish("a", b"1", 2, 5))
    pipe.event("message")
    link.expect(mqtt.PUBREC, packet_id=5)
    for dup in (True, False, True):
        link.send(mqtt.publish("a", b"1", 2, 5, dup=dup))
        link.expect(mqtt.PUBREC, packet_id=5)
    link.send(mqtt.pubrel(5), mqtt.pubrel(5))
    link.expect(mqtt.PUBCOMP, packet_id=5)
    link.expect(mqtt.PUBCOMP, packet_id=5)
    pipe.no_event("message")


def test_qos2_duplicate_in_one_segment(t):
    """Section 5: the duplicate right behind the original is none the less a duplicate; so is a large one."""
    pipe, _, link = t.online()
    for payload in (b"1", b"1" * 3_000_000):
        link.send_aside(mqtt.publish("a", payload, 2, 5), mqtt.publish("a", payload, 2, 5, dup=True), mqtt.publish("b", b"end"))
        link.expect(mqtt.PUBREC, packet_id=5)
        link.expect(mqtt.PUBREC, packet_id=5)
        pipe.event("message" if len(payload) == 1 else "bigMessage", topic="a")
        pipe.event("message", topic="b")
        link.send(mqtt.pubrel(5))
        link.expect(mqtt.PUBCOMP)


def test_qos2_over_reconnect(t):
    """Section 5: with the session present, the resend on the next connection is acknowledged and not delivered again."""
    pipe, broker, link = t.online(session_present=True)
    link.send(mqtt.publish("a", b"1", 2, 5))
    pipe.event("message")
    link.expect(mqtt.PUBREC)
    link.close()
    pipe.event("offline")
    link = t.again(pipe, broker, session_present=True)
    link.send(mqtt.publish("a", b"1", 2, 5, dup=True), mqtt.publish("a", b"2", 2, 6))
    link.expect(mqtt.PUBREC, packet_id=5)
    link.expect(mqtt.PUBREC, packet_id=6)
    link.send(mqtt.pubrel(5))
    link.expect(mqtt.PUBCOMP, packet_id=5)
    pipe.event("message", payloadBase64=b64(b"2"))
    pipe.no_event("message", 0.2)


def test_pubrel_after_reconnect(t):
    """[MQTT-4.4.0-1]: PUBREL sent again on the next connection gets PUBCOMP; the identifier is free then."""
    pipe, broker, link = t.online(session_present=True)
    link.send(mqtt.publish("a", b"1", 2, 5))
    link.expect(mqtt.PUBREC)
    link.reset()
    pipe.event("offline")
    link = t.again(pipe, broker, session_present=True)
    link.send(mqtt.pubrel(5))
    link.expect(mqtt.PUBCOMP, packet_id=5)
    link.send(mqtt.publish("a", b"2", 2, 5))
    link.expect(mqtt.PUBREC, packet_id=5)
    check([m["payloadBase64"] for m in pipe.messages(2)] == [b64(b"1"), b64(b"2")], "both delivered")


def test_session_lost_forgets_inbound(t):
    """[MQTT-3.2.2-3] [MQTT-4.1.0-1]: session present 0: inbound identifiers are forgotten, a new message under an old one is delivered."""
    pipe, broker, link = t.online(session_present=True)
    for n in (5, 6, 7):
        link.send(mqtt.publish("a", b"old", 2, n))
        link.expect(mqtt.PUBREC, packet_id=n)
        pipe.event("message")
    link.close()
    pipe.event("offline")
    link = t.again(pipe, broker, session_present=False)
    link.send(*[mqtt.publish("a", b"new%d" % n, 2, n) for n in (5, 6, 7)])
    check([m["payloadBase64"] for m in pipe.messages(3)] == [b64(b"new%d" % n) for n in (5, 6, 7)], "delivered")


def test_both_directions_share_identifiers(t):
    """[MQTT-2.3.1-4]: the broker's identifiers and the client's are two spaces: the same number in both at a time."""
    pipe, _, link = t.online()
    outbound = pipe.op("publish", topic="out", qos=2)
    packet_id = link.expect(mqtt.PUBLISH).packet_id
    link.send(mqtt.publish("in", b"x", 2, packet_id))
    link.expect(mqtt.PUBREC, packet_id=packet_id)
    pipe.event("message", topic="in")
    link.send(mqtt.pubrec(packet_id), mqtt.pubrel(packet_id))
    check({link.packet().type, link.packet().type} == {mqtt.PUBREL, mqtt.PUBCOMP}, "one each")
    link.send(mqtt.pubcomp(packet_id))
    pipe.ok(outbound)
    link.send(mqtt.publish("in", b"y", 1, packet_id))
    link.expect(mqtt.PUBACK, packet_id=packet_id)


def test_acknowledged_after_the_line(t):
    """Section 5: acknowledged right after its line was written to stdout, not before: with a full pipe there is no acknowledgement."""
    pipe, broker = t.pipe(pipe_size=4096), t.broker()
    link = t.join(pipe, broker)
    pipe.reading.clear()
    link.send(mqtt.publish("x", b"z" * 70, 0))      # the reader thread may still take one chunk
    time.sleep(0.3)
    payload = b"x" * 60_000                         # more than the pipe and one read of the test hold
    link.send_aside(*[mqtt.publish("a", payload, 1 + n % 2, n + 1) for n in range(6)])
    time.sleep(0.3)
    early = []
    while packet := link.packet(0.7):
        early.append(packet.packet_id)
    check(len(early) <= 1, f"acknowledged although the line cannot have been written: {early}")
    pipe.reading.set()
    pipe.event("message", topic="x")
    pipe.messages(6)
    while len(early) < 6:
        early.append(link.packet().packet_id)
    check(sorted(early) == [1, 2, 3, 4, 5, 6], str(early))


def test_slow_reader_loses_nothing(t):
    """Section 5: everything received is delivered; with nobody reading stdout, memory stays bounded and the broker slows down."""
    pipe, broker = t.pipe(pipe_size=4096), t.broker()
    link = t.join(pipe, broker)
    before = pipe.memory()
    pipe.reading.clear()
    payload = b"x" * 50_000
    thread = link.send_aside(*[mqtt.publish("a", payload) for _ in range(1600)])     # 80 MB
    thread.join(3)
    grown = pipe.memory("VmHWM") - before
    pipe.reading.set()
    pipe.messages(1600, timeout=60)
    check(grown < 64 << 20, f"{grown >> 20} MiB held for a reader that does not read")


test_slow_reader_loses_nothing.weight = 2


def test_process_pause(t):
    """A stopped process delivers and acknowledges all of it when it goes on; silence of the broker is not its own pause."""
    pipe, _, link = t.online(pauseTimeout=0.5)
    pipe.stop()
    link.send(*[mqtt.publish("a", str(n).encode(), 1 + n % 2, n + 1) for n in range(50)])
    time.sleep(1.2)
    pipe.go_on()
    pipe.messages(50)
    check(sorted(link.packet().packet_id for _ in range(50)) == list(range(1, 51)), "all acknowledged")
    pipe.no_event("offline", 0.3)


def test_half_message_is_no_message(t):
    """Section 5: a message that breaks off is neither delivered nor acknowledged; it comes whole on the next connection."""
    for size in (1000, 5_000_000):
        pipe, broker, link = t.online(session_present=True)
        raw = mqtt.publish("a", b"x" * size, 2, 5)
        link.send_aside(raw[:len(raw) // 2]).join(10)
        time.sleep(0.2)
        link.close()
        pipe.event("offline", error="connectionLost")
        link = t.again(pipe, broker, session_present=True)
        link.expect_nothing(0.2)
        pipe.no_event("message", 0)
        pipe.no_event("bigMessage", 0)
        link.send_aside(mqtt.publish("a", b"x" * size, 2, 5, dup=True))
        pipe.event("message" if size == 1000 else "bigMessage", dup=True)
        link.expect(mqtt.PUBREC, packet_id=5)
