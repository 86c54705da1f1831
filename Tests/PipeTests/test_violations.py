"""PIPE.md section 6: a protocol violation by the broker ends the connection, never the program; then the client reconnects."""

import mqtt
from case import check, table


def violation(t, raw):
    """Section 6: offline with protocolViolation, the connection ends, the client reconnects and works."""
    pipe, broker, link = t.online(maximumPacketSize=100_000)
    link.send(mqtt.publish("before", b"1"), raw)
    pipe.event("offline", error="protocolViolation")
    link.expect_end()
    check(len([line for line in pipe.order if line.get("event") == "offline"]) == 1, "once per loss")
    link = t.again(pipe, broker)
    pipe.event("message", topic="before")
    pipe.no_event("message", 0)
    link.send(mqtt.publish("after", b"2", 1, 1))
    pipe.event("message", topic="after")
    link.expect(mqtt.PUBACK, packet_id=1)


def topic(raw):
    return mqtt.publish(raw, b"x")


table(globals(), "publish", [
    ("qos_3", mqtt.packet(0x36, b"\x00\x01a\x00\x01x")),
    ("qos_3_dup", mqtt.packet(0x3e, b"\x00\x01a\x00\x01x")),
    ("qos_0_dup", mqtt.packet(0x38, b"\x00\x01ax")),
    ("identifier_0_qos_1", mqtt.publish("a", b"x", 1, 0)),
    ("identifier_0_qos_2", mqtt.publish("a", b"x", 2, 0)),
    ("identifier_missing", mqtt.packet(0x32, b"\x00\x01a")),
    ("identifier_half", mqtt.packet(0x34, b"\x00\x01a\x00")),
    ("empty_body", mqtt.packet(0x30)),
    ("one_byte", mqtt.packet(0x30, b"\x00")),
    ("topic_beyond_packet", mqtt.packet(0x30, b"\x00\x05abcd")),
    ("topic_beyond_packet_65535", mqtt.packet(0x30, b"\xff\xff" + b"a" * 100)),
    ("topic_beyond_packet_big", mqtt.packet(0x30, b"\xff\xff" + b"a" * 60000)),
    ("topic_empty", topic(b"")),
    ("topic_empty_qos_1", mqtt.publish(b"", b"x", 1, 7)),
    ("topic_plus", topic(b"a/+/b")),
    ("topic_hash", topic(b"a/#")),
    ("topic_plus_within", topic(b"a+b")),
    ("topic_nul", topic(b"a\0b")),
    ("topic_only_nul", topic(b"\0")),
    ("topic_ff", topic(b"a\xff")),
    ("topic_lone_continuation", topic(b"\x80abc")),
    ("topic_overlong_nul", topic(b"\xc0\x80")),
    ("topic_overlong_slash", topic(b"a\xe0\x80\xafb")),
    ("topic_overlong_four", topic(b"\xf0\x80\x80\xaf")),
    ("topic_surrogate_first", topic(b"\xed\xa0\x80")),
    ("topic_surrogate_last", topic(b"x\xed\xbf\xbf")),
    ("topic_surrogate_pair", topic(b"\xed\xa0\xbd\xed\xb8\x80")),
    ("topic_above_10ffff", topic(b"\xf4\x90\x80\x80")),
    ("topic_five_byte_form", topic(b"\xf8\x88\x80\x80\x80")),
    ("topic_cut_two", topic(b"ab\xc3")),
    ("topic_cut_three", topic(b"ab\xe2\x82")),
    ("topic_cut_four", topic(b"ab\xf0\x9f\x98")),
    ("topic_bad_in_the_middle", topic(b"a" * 200 + b"\xc3\x28" + b"b" * 200)),
    ("topic_bad_at_qos_2", mqtt.publish(b"\xff", b"x", 2, 9)),
    ("above_maximum_packet_size", mqtt.publish("a", b"x" * (100_001 - 3 - 4))),
    ("huge_header_only", b"\x30\xff\xff\xff\x7f"),
], violation)

table(globals(), "header", [
    ("type_0", b"\x00\x00"), ("type_15", b"\xf0\x00"), ("type_15_flags", b"\xff\x02\x00\x01"),
    ("length_five_bytes", b"\x30\x80\x80\x80\x80\x01" + b"\0" * 20), ("length_five_bytes_max", b"\x30\xff\xff\xff\xff\x7f"),
    ("length_five_bytes_zero", b"\x40\x82\x80\x80\x80\x00\x00\x01"), ("length_endless", b"\x30" + b"\xff" * 30),
    ("length_five_bytes_pingresp", b"\xd0\x80\x80\x80\x80\x00"),
], violation)

table(globals(), "direction", [
    ("connect", bytes.fromhex("100d00044d51545404000000000161")), ("subscribe", b"\x82\x06\x00\x01\x00\x01a\x00"),
    ("unsubscribe", b"\xa2\x05\x00\x01\x00\x01a"), ("pingreq", b"\xc0\x00"), ("disconnect", b"\xe0\x00"), ("connack_again", mqtt.connack()),
    ("connack_again_refusal", mqtt.connack(False, 5)), ("auth_of_5_0", b"\xf0\x00"), ("disconnect_of_5_0", b"\xe0\x02\x82\x00"),
], violation)


def flags_and_lengths():
    """Each acknowledgement with each single wrong flag, too short and too long."""
    kinds = {"puback": 0x40, "pubrec": 0x50, "pubrel": 0x62, "pubcomp": 0x70, "unsuback": 0xB0}
    for name, first in kinds.items():
        for bit in (1, 2, 4, 8):
            yield f"{name}_flag_{bit}", mqtt.packet(first ^ bit, b"\x00\x01")
        yield f"{name}_flags_all", mqtt.packet(first & 0xF0 | 15, b"\x00\x01")
        yield f"{name}_empty", mqtt.packet(first)
        yield f"{name}_short", mqtt.packet(first, b"\x01")
        yield f"{name}_long", mqtt.packet(first, b"\x00\x01\x00")
    yield "suback_flag", mqtt.packet(0x92, b"\x00\x01\x00")
    yield "suback_empty", mqtt.packet(0x90)
    yield "suback_short", mqtt.packet(0x90, b"\x00")
    yield "pingresp_flag", mqtt.packet(0xD1)
    yield "pingresp_long", mqtt.packet(0xD0, b"\x00")


table(globals(), "malformed", list(flags_and_lengths()), violation)


def zero(t, raw):
    """[MQTT-2.3.1-1]: an acknowledgement of identifier 0 is unknown (ignored) or a violation; it completes nothing and ends nothing."""
    pipe, broker, link = t.online()
    link.send(raw, mqtt.publish("a", b"x"))
    pipe._until(lambda: True if any(line.get("event") in ("message", "offline") for line in pipe.order) else None, 20, "message or offline")
    if any(line.get("event") == "offline" for line in pipe.order):
        pipe.event("offline", error="protocolViolation")
        t.again(pipe, broker)


table(globals(), "identifier_0", [("puback", mqtt.puback(0)), ("pubrec", mqtt.pubrec(0)), ("pubrel", mqtt.pubrel(0)),
                                  ("pubcomp", mqtt.pubcomp(0)), ("suback", mqtt.suback(0, [0])), ("unsuback", mqtt.unsuback(0))], zero)


def test_maximum_packet_size_exact(t):
    """Section 3: largest packet to accept, in bytes from first to last: exactly that many are accepted, one more is not."""
    pipe, broker, link = t.online(maximumPacketSize=1000)
    fits = mqtt.publish("a", b"x" * (1000 - 3 - 3))
    check(len(fits) == 1000, "size of the test's own packet")
    link.send(fits, fits)
    pipe.messages(2)
    link.send(mqtt.publish("a", b"x" * (1001 - 3 - 3)))
    pipe.event("offline", error="protocolViolation")
    t.again(pipe, broker)
    pipe.no_event("message", 0)


def test_too_large_is_found_in_the_header(t):
    """Section 3: a larger packet is a violation as soon as its length is there: nothing of it needs to arrive."""
    pipe, _, link = t.online(maximumPacketSize=1000, pauseTimeout=60)
    link.send(b"\x30\xff\xff\x03")
    pipe.event("offline", error="protocolViolation", timeout=5)
    link.expect_end()


def test_open_exchanges_survive(t):
    """Sections 4 and 6: a violation is a loss like any other: open publishes are sent again, requests are lost."""
    pipe, broker, link = t.online()
    publish, ping = pipe.op("publish", topic="a", qos=1), pipe.op("ping")
    first = link.expect(mqtt.PUBLISH)
    link.expect(mqtt.PINGREQ)
    link.send(b"\xf0\x00")
    pipe.error(ping, "connectionLost", "protocolViolation")
    pipe.event("offline", error="protocolViolation")
    link = t.again(pipe, broker)
    link.expect(mqtt.PUBLISH, dup=True, packet_id=first.packet_id)
    link.send(mqtt.puback(first.packet_id))
    pipe.ok(publish)


def test_violation_on_every_connection(t):
    """Section 6: violations right after each CONNACK neither end the program nor stop the reconnects."""
    pipe, broker, link = t.online()
    for _ in range(6):
        link.send(b"\x00\x00")
        pipe.event("offline", error="protocolViolation")
        link = t.again(pipe, broker)


def test_random_bytes(t):
    """Section 6: no bytes of a broker end the program: 40 connections of noise behind CONNACK."""
    import random
    pipe, broker, link = t.online(pauseTimeout=0.3, reconnectMin=0.02, reconnectMax=0.05)
    for seed in range(40):
        source = random.Random(seed)
        noise = bytearray(source.randbytes(source.randrange(1, 2000)))
        if seed % 2:
            noise[0] = source.choice((0x20, 0x30, 0x32, 0x34, 0x3b, 0x40, 0x50, 0x62, 0x70, 0x90, 0xb0, 0xd0))
            noise[1:2] = bytes([source.randrange(0, 8)])
        link.send(bytes(noise))
        link.half_close()
        pipe.event("offline")
        link = t.again(pipe, broker)
