"""PIPE.md section 4: publish."""

import base64
import hashlib

import mqtt
from case import check, table

PATTERN = bytes(n % 251 for n in range(251))


def pattern(size):
    return (PATTERN * (size // 251 + 1))[:size]


def exchange(link, packet):
    """The broker's side of one publish, to its end."""
    if packet.qos == 1:
        link.send(mqtt.puback(packet.packet_id))
    elif packet.qos == 2:
        link.send(mqtt.pubrec(packet.packet_id))
        link.expect(mqtt.PUBREL, packet_id=packet.packet_id)
        link.send(mqtt.pubcomp(packet.packet_id))


def published(t, fields, expected):
    """Section 4: the packet holds topic, payload, qos and retain of the op; DUP is 0 on the first send [MQTT-4.3.2-1]."""
    pipe, _, link = t.online()
    identifier = pipe.op("publish", **fields)
    packet = link.expect(mqtt.PUBLISH, dup=False, **expected)
    if packet.qos:
        pipe.event("accepted", id=identifier)
        pipe.no_reply(identifier, 0.05)
    exchange(link, packet)
    pipe.ok(identifier)


table(globals(), "packet", [
    ("defaults", {"topic": "a"}, {"topic": "a", "payload": b"", "qos": 0, "retain": False}),
    ("text", {"topic": "a/b", "payload": "hällo\0"}, {"topic": "a/b", "payload": "hällo\0".encode()}),
    ("text_empty", {"topic": "a/b", "payload": "", "retain": True}, {"payload": b"", "retain": True}),
    ("base64", {"topic": "a", "payloadBase64": base64.b64encode(bytes(range(256))).decode()}, {"payload": bytes(range(256))}),
    ("base64_empty", {"topic": "a", "payloadBase64": ""}, {"payload": b""}),
    ("size_0", {"topic": "a", "payloadSize": 0}, {"payload": b""}),
    ("size_1000", {"topic": "a", "payloadSize": 1000, "qos": 1}, {"payload": pattern(1000), "qos": 1}),
    ("size_of_two_length_bytes", {"topic": "a", "payloadSize": 125}, {"payload": pattern(125)}),
    ("size_of_three_length_bytes", {"topic": "a", "payloadSize": 16381}, {"payload": pattern(16381)}),
    ("size_of_four_length_bytes", {"topic": "a", "payloadSize": 2097149, "qos": 2}, {"payload": pattern(2097149), "qos": 2}),
    ("qos_1", {"topic": "a", "payload": "x", "qos": 1}, {"qos": 1, "retain": False}),
    ("qos_2_retain", {"topic": "a", "payload": "x", "qos": 2, "retain": True}, {"qos": 2, "retain": True}),
    ("topic_65535", {"topic": "t" * 65535, "qos": 1}, {"topic": "t" * 65535}),
    ("topic_spaces_slashes", {"topic": "/ /"}, {"topic": "/ /"}),
    ("topic_dollar", {"topic": "$SYS/x"}, {"topic": "$SYS/x"}),
    ("topic_feff", {"topic": "\ufeffa"}, {"topic": "\ufeffa"}),
    ("topic_decomposed", {"topic": "e\u0301"}, {"topic": "e\u0301"}),
], published)


def publish_denied(t, fields):
    """Section 4: invalid arguments are denied; nothing was sent or stored, online and offline."""
    pipe, broker, link = t.online()
    for qos in ([fields["qos"]] if "qos" in fields else [0, 1, 2]):
        pipe.error(pipe.op("publish", **{**fields, "qos": qos}), "denied")
    link.expect_nothing(0.1)
    t.offline(pipe, broker, link)
    pipe.error(pipe.op("publish", **{"qos": 1, **fields}), "denied")
    t.again(pipe, broker).expect_nothing(0.2)
    pipe.no_event("accepted", 0)


table(globals(), "denied", [
    ("topic_missing", {}),
    ("topic_empty", {"topic": ""}),
    ("topic_hash", {"topic": "a/#"}),
    ("topic_hash_within", {"topic": "a#b"}),
    ("topic_plus", {"topic": "+/a"}),
    ("topic_plus_within", {"topic": "a+b"}),
    ("topic_plus_with_combining_mark", {"topic": "a/+\u0301"}),
    ("topic_nul", {"topic": "a\0"}),
    ("topic_nul_with_combining_mark", {"topic": "a\0\u0301"}),
    ("topic_65536", {"topic": "x" * 65536}),
    ("topic_65536_in_utf8", {"topic": "ü" * 32768}),
    ("topic_number", {"topic": 5}),
    ("qos_3", {"topic": "a", "qos": 3}),
    ("qos_negative", {"topic": "a", "qos": -1}),
    ("qos_text", {"topic": "a", "qos": "1"}),
    ("retain_text", {"topic": "a", "retain": "yes"}),
    ("payload_number", {"topic": "a", "payload": 5}),
    ("base64_bad", {"topic": "a", "payloadBase64": "%%%"}),
    ("base64_number", {"topic": "a", "payloadBase64": 4}),
    ("size_negative", {"topic": "a", "payloadSize": -1}),
    ("size_text", {"topic": "a", "payloadSize": "9"}),
    ("size_above_any_packet", {"topic": "a", "payloadSize": 268435456}),
    ("size_2_63", {"topic": "a", "payloadSize": 2**63 - 1}),
], publish_denied)


def test_remaining_length_limit(t):
    """Section 4: a packet of more than 268,435,455 remaining bytes is denied: 2 for the topic length, 1 for the topic, 2 for the id."""
    pipe, _, link = t.online()
    pipe.error(pipe.op("publish", topic="a", payloadSize=268435455 - 2), "denied")
    pipe.error(pipe.op("publish", topic="a", payloadSize=268435455 - 4, qos=1), "denied")
    link.expect_nothing(0.1)


def test_qos0_offline_is_down(t):
    """Section 4: without a connection the error is down; the message is not sent later."""
    pipe, broker, link = t.online()
    t.offline(pipe, broker, link)
    pipe.error(pipe.op("publish", topic="a"), "down")
    t.again(pipe, broker).expect_nothing(0.3)


def test_accepted_offline_and_sent_in_order(t):
    """Section 4: accepted as soon as stored, be there a connection or not; sent in order after the next connect, DUP 0."""
    pipe, broker, link = t.online()
    t.offline(pipe, broker, link)
    identifiers = [pipe.op("publish", topic="a", qos=1 + n % 2, payload=str(n)) for n in range(36)]
    pipe.all_accepted(identifiers)
    pipe.no_reply(identifiers[0])
    link = t.again(pipe, broker)
    seen = {1: [], 2: []}
    while sum(map(len, seen.values())) < 36:
        packet = link.expect(mqtt.PUBLISH, dup=False)
        seen[packet.qos].append((int(packet.payload), packet.packet_id))
    check([n for n, _ in seen[1]] == list(range(0, 36, 2)) and [n for n, _ in seen[2]] == list(range(1, 36, 2)), "order per QoS")
    link.send(*[mqtt.puback(i) for _, i in seen[1]], *[mqtt.pubrec(i) for _, i in seen[2]])
    for _, packet_id in seen[2]:
        link.expect(mqtt.PUBREL, packet_id=packet_id)       # in the order of PUBREC [MQTT-4.6.0-4]
        link.send(mqtt.pubcomp(packet_id))
    for identifier in identifiers:
        pipe.ok(identifier)


def test_qos2_steps(t):
    """Section 4: the reply comes at PUBCOMP, PUBREL at PUBREC [MQTT-4.3.3-1]."""
    pipe, _, link = t.online()
    identifier = pipe.op("publish", topic="a", qos=2)
    packet = link.expect(mqtt.PUBLISH)
    link.expect_nothing(0.2)
    link.send(mqtt.pubrec(packet.packet_id))
    link.expect(mqtt.PUBREL, packet_id=packet.packet_id)
    pipe.no_reply(identifier)
    link.send(mqtt.pubcomp(packet.packet_id))
    pipe.ok(identifier)
    link.expect_nothing(0.1)


def test_too_many_requests(t):
    """Section 4: beyond the limit tooManyRequests at once, per QoS level, until one completes; nothing is sent or stored."""
    pipe, broker, link = t.online(atLeastOnceMax=2, exactlyOnceMax=1)
    ones = [pipe.op("publish", topic="one", qos=1) for _ in range(2)]
    twos = [pipe.op("publish", topic="two", qos=2)]
    pipe.error(pipe.op("publish", topic="no", qos=1), "tooManyRequests")
    pipe.error(pipe.op("publish", topic="no", qos=2), "tooManyRequests")
    pipe.call("publish", topic="zero")
    packets = [link.expect(mqtt.PUBLISH) for _ in range(4)]
    check(sorted(p.topic for p in packets) == ["one", "one", "two", "zero"], str(packets))
    one, two = next(p for p in packets if p.topic == "one"), next(p for p in packets if p.topic == "two")
    link.send(mqtt.puback(one.packet_id))
    pipe.ok(ones[0])
    ones.append(pipe.op("publish", topic="one", qos=1))
    link.expect(mqtt.PUBLISH, topic="one")
    pipe.error(pipe.op("publish", topic="no", qos=1), "tooManyRequests")
    link.send(mqtt.pubrec(two.packet_id))
    link.expect(mqtt.PUBREL)
    pipe.error(pipe.op("publish", topic="no", qos=2), "tooManyRequests")
    t.offline(pipe, broker, link)
    pipe.error(pipe.op("publish", topic="no", qos=1), "tooManyRequests")
    link = t.again(pipe, broker)
    resent = [link.packet() for _ in range(3)]
    check(all(p.topic != "no" for p in resent), str(resent))
    link.send(*[mqtt.puback(p.packet_id) for p in resent if p.qos == 1], mqtt.pubcomp(two.packet_id))
    for identifier in ones + twos:
        pipe.ok(identifier)


def test_limit_of_10000(t):
    """Section 3: atLeastOnceMax up to 10000; one more is refused; all 10000 are sent in order."""
    pipe, broker, link = t.online(atLeastOnceMax=10000)
    t.offline(pipe, broker, link)
    identifiers = pipe.batch(*[("publish", {"topic": "a", "qos": 1, "payload": str(n)}) for n in range(10000)])
    pipe.error(pipe.op("publish", topic="no", qos=1), "tooManyRequests", timeout=60)
    pipe.all_accepted(identifiers, timeout=60)
    link = t.again(pipe, broker)
    for n in range(10000):
        packet = link.packet(30)
        check(packet is not None and packet.payload == str(n).encode(), f"message {n}: {packet}")
        link.send(mqtt.puback(packet.packet_id))
    for identifier in identifiers:
        pipe.ok(identifier, timeout=60)


test_limit_of_10000.weight = 3


def test_default_limit_is_100(t):
    """Section 3: atLeastOnceMax and exactlyOnceMax are 100 by default."""
    for qos in (1, 2):
        pipe, broker, link = t.online()
        t.offline(pipe, broker, link)
        identifiers = [pipe.op("publish", topic="a", qos=qos) for _ in range(101)]
        pipe.error(identifiers[-1], "tooManyRequests")
        pipe.all_accepted(identifiers[:-1])


def test_timeout_zero(t):
    """Section 4: a timeout of 0 has passed when the op starts: canceled, nothing sent or stored, no accepted event."""
    pipe, broker, link = t.online()
    for qos in (0, 1, 2):
        pipe.error(pipe.op("publish", topic="a", qos=qos, timeout=0), "canceled")
    link.expect_nothing(0.2)
    t.offline(pipe, broker, link)
    pipe.error(pipe.op("publish", topic="a", qos=1, timeout=0), "canceled")
    t.again(pipe, broker).expect_nothing(0.2)
    pipe.no_event("accepted", 0)


def test_timeout_bounds_the_wait_only(t):
    """Section 4: once accepted, the reply is abandoned and the delivery still goes on; it keeps its place in the queue."""
    for qos in (1, 2):
        pipe, broker, link = t.online(atLeastOnceMax=1, exactlyOnceMax=1)
        identifier = pipe.op("publish", topic="a", qos=qos, timeout=0.3)
        pipe.event("accepted", id=identifier)
        packet = link.expect(mqtt.PUBLISH)
        pipe.error(identifier, "abandoned")
        pipe.error(pipe.op("publish", topic="b", qos=qos), "tooManyRequests")
        link.close()
        pipe.event("offline")
        link = t.again(pipe, broker)
        exchange(link, link.expect(mqtt.PUBLISH, dup=True, packet_id=packet.packet_id))
        link = published_again(pipe, link, qos)


def published_again(pipe, link, qos):
    """The place in the queue is free once the client has read the last acknowledgement, which nothing reports."""
    for _ in range(50):
        identifier = pipe.op("publish", topic="next", qos=qos, timeout=30)
        pipe._until(lambda: identifier in pipe.replies or identifier in pipe.accepted or None, 20, "accepted or refused")
        if identifier in pipe.accepted:
            break
        pipe.error(identifier, "tooManyRequests")
    exchange(link, link.expect(mqtt.PUBLISH, topic="next"))
    pipe.ok(identifier)
    return link


def test_timeout_offline(t):
    """Sections 2 and 4: accepted offline, then abandoned at the timeout, then sent nevertheless."""
    pipe, broker, link = t.online()
    t.offline(pipe, broker, link)
    identifier = pipe.op("publish", topic="a", qos=2, timeout=0.2)
    pipe.event("accepted", id=identifier)
    pipe.error(identifier, "abandoned")
    link = t.again(pipe, broker)
    exchange(link, link.expect(mqtt.PUBLISH, topic="a", qos=2))


def test_identifiers_distinct_while_open(t):
    """[MQTT-2.3.1-2]: open QoS 1, QoS 2 and requests never share an identifier, and none is 0."""
    pipe, _, link = t.online()
    pipe.batch(*[("publish", {"topic": "a", "qos": 1 if n % 6 else 2}) for n in range(100)],
               *[("subscribe", {"filters": [{"filter": "a", "qos": 0}]}) for _ in range(30)])
    identifiers = [link.packet().packet_id for _ in range(130)]
    check(len(set(identifiers)) == 130 and 0 not in identifiers, "distinct, not 0")


def test_identifiers_wrap(t):
    """[MQTT-2.3.1-1] [MQTT-2.3.1-2]: 70,000 messages pass with one of them open all the time, whose identifier nobody else gets."""
    pipe, _, link = t.online(atLeastOnceMax=500)
    held = pipe.op("publish", topic="held", qos=1)
    held_id = link.expect(mqtt.PUBLISH, topic="held").packet_id
    done = 0
    while done < 70_000:
        identifiers = pipe.batch(*[("publish", {"topic": "a", "qos": 1}) for _ in range(400)])
        for _ in identifiers:
            packet = link.expect(mqtt.PUBLISH, topic="a")
            check(packet.packet_id != held_id, "identifier in use")
            link.send(mqtt.puback(packet.packet_id))
        for identifier in identifiers:
            pipe.ok(identifier)
        done += 400
    link.send(mqtt.puback(held_id))
    pipe.ok(held)


test_identifiers_wrap.slow = True


def test_sha_of_a_large_payload(t):
    """Section 4: payloadSize: byte number i is i modulo 251."""
    pipe, _, link = t.online()
    identifier = pipe.op("publish", topic="a", payloadSize=5_000_000, qos=1)
    packet = link.expect(mqtt.PUBLISH)
    check(hashlib.sha256(packet.payload).digest() == hashlib.sha256(pattern(5_000_000)).digest(), "content")
    exchange(link, packet)
    pipe.ok(identifier)
