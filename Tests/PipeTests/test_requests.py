"""PIPE.md section 4: subscribe, unsubscribe, ping, and the answers a broker should not give."""

import mqtt
from case import check, table


def sub(*filters):
    return {"filters": [{"filter": name, "qos": qos} for name, qos in filters]}


def test_subscribe(t):
    """Section 4: one op is one packet, granted has the codes in order [MQTT-3.9.3-1]; qos defaults do not matter here."""
    pipe, _, link = t.online()
    identifier = pipe.op("subscribe", **sub(("a/#", 1), ("b", 2), ("+/+/c", 0), ("#", 2)), timeout=5)
    packet = link.expect(mqtt.SUBSCRIBE, filters=[("a/#", 1), ("b", 2), ("+/+/c", 0), ("#", 2)])
    link.send(mqtt.suback(packet.packet_id, [1, 0, 0, 2]))
    check(pipe.ok(identifier)["granted"] == [1, 0, 0, 2], "granted")


def test_subscribe_failed(t):
    """Section 4: a code of 128 is subscribeFailed with failed and all codes in granted."""
    pipe, _, link = t.online()
    identifier = pipe.op("subscribe", **sub(("a", 1), ("b", 2), ("c", 0)))
    link.send(mqtt.suback(link.expect(mqtt.SUBSCRIBE).packet_id, [128, 2, 128]))
    reply = pipe.error(identifier, "subscribeFailed")
    check(reply.get("failed") == ["a", "c"] and reply.get("granted") == [128, 2, 128], str(reply))
    link.expect_nothing(0.2)


def test_unsubscribe(t):
    """Section 4: one op is one packet [MQTT-3.10.3-1], ok at UNSUBACK."""
    pipe, _, link = t.online()
    identifier = pipe.op("unsubscribe", filters=["a/#", "b", "+"])
    packet = link.expect(mqtt.UNSUBSCRIBE, filters=["a/#", "b", "+"])
    pipe.no_reply(identifier, 0.2)
    link.send(mqtt.unsuback(packet.packet_id))
    pipe.ok(identifier)


def test_many_filters(t):
    """Section 4: one op is one packet, also with 2,000 filters and the longest ones."""
    pipe, _, link = t.online()
    identifier = pipe.op("subscribe", **sub(*[(f"f/{n}", n % 3) for n in range(2000)]))
    packet = link.expect(mqtt.SUBSCRIBE)
    check(packet.filters == [(f"f/{n}", n % 3) for n in range(2000)], "filters in order")
    link.send(mqtt.suback(packet.packet_id, [n % 3 for n in range(2000)]))
    check(pipe.ok(identifier)["granted"] == [n % 3 for n in range(2000)], "granted")
    identifier = pipe.op("subscribe", **sub(("x" * 65535, 1), ("e\u0301/\ufeff", 0), ("$share/g/t", 0)))
    packet = link.expect(mqtt.SUBSCRIBE, filters=[("x" * 65535, 1), ("e\u0301/\ufeff", 0), ("$share/g/t", 0)])
    link.send(mqtt.suback(packet.packet_id, [1, 0, 0]))
    pipe.ok(identifier)


def request_denied(t, name, fields):
    """Section 4: invalid arguments are denied, nothing is sent."""
    pipe, _, link = t.online()
    pipe.error(pipe.op(name, **fields), "denied")
    link.expect_nothing(0.15)


BAD_FILTERS = [("empty", ""), ("hash_not_last", "#/a"), ("hash_after_letter", "a#"), ("hash_twice", "a/##"), ("hash_then_letter", "a/#b"),
               ("plus_after_letter", "a+"), ("plus_before_letter", "+a/b"), ("plus_twice", "a/++"), ("plus_hash", "+#"), ("nul", "a\0"),
               ("long", "x" * 65536), ("long_in_utf8", "ü" * 32768), ("hash_with_combining_mark", "#\u0301"),
               ("plus_with_combining_mark", "a/+\u0301/b")]
table(globals(), "denied", [
    *[(f"subscribe_{name}", "subscribe", sub((text, 0))) for name, text in BAD_FILTERS],
    *[(f"unsubscribe_{name}", "unsubscribe", {"filters": ["ok", text]}) for name, text in BAD_FILTERS],
    ("subscribe_second_bad", "subscribe", sub(("a", 0), ("#/", 1))),
    ("subscribe_none", "subscribe", {"filters": []}),
    ("subscribe_missing", "subscribe", {}),
    ("subscribe_no_list", "subscribe", {"filters": "a"}),
    ("subscribe_no_filter", "subscribe", {"filters": [{"qos": 1}]}),
    ("subscribe_qos_3", "subscribe", sub(("a", 3))),
    ("subscribe_qos_negative", "subscribe", sub(("a", -1))),
    ("subscribe_qos_128", "subscribe", sub(("a", 128))),
    ("subscribe_qos_text", "subscribe", sub(("a", "1"))),
    ("subscribe_number", "subscribe", {"filters": [7]}),
    ("unsubscribe_none", "unsubscribe", {"filters": []}),
    ("unsubscribe_missing", "unsubscribe", {}),
    ("unsubscribe_number", "unsubscribe", {"filters": [7]}),
], request_denied)

REQUESTS = [("subscribe", "subscribe", sub(("a", 1)), mqtt.SUBSCRIBE), ("unsubscribe", "unsubscribe", {"filters": ["a"]}, mqtt.UNSUBSCRIBE),
            ("ping", "ping", {}, mqtt.PINGREQ)]


def answer(packet):
    return {mqtt.SUBSCRIBE: lambda: mqtt.suback(packet.packet_id, [1] * len(packet.filters)), mqtt.PINGREQ: mqtt.pingresp,
            mqtt.UNSUBSCRIBE: lambda: mqtt.unsuback(packet.packet_id)}[packet.type]()


def request_down(t, name, fields, _):
    """Section 4: down without a connection; nothing is sent later."""
    pipe, broker, link = t.online()
    t.offline(pipe, broker, link)
    pipe.error(pipe.op(name, **fields), "down")
    t.again(pipe, broker).expect_nothing(0.3)


def request_lost(t, name, fields, kind):
    """Section 4: connectionLost when the connection is lost while awaiting the response; the request is not repeated."""
    pipe, broker, link = t.online()
    identifier = pipe.op(name, **fields)
    link.expect(kind)
    link.reset()
    pipe.error(identifier, "connectionLost")
    pipe.event("offline", error="connectionLost")
    link = t.again(pipe, broker)
    link.expect_nothing(0.3)
    identifier = pipe.op(name, **fields)
    link.send(answer(link.expect(kind)))
    pipe.ok(identifier)


def request_abandoned(t, name, fields, kind):
    """Sections 2 and 4: abandoned at the timeout; a response that comes after that is ignored, and completes nothing else."""
    pipe, _, link = t.online()
    identifier = pipe.op(name, **fields, timeout=0.3)
    first = link.expect(kind)
    pipe.error(identifier, "abandoned")
    second = pipe.op(name, **fields)
    if kind == mqtt.PINGREQ:        # all PINGRESP are alike: one may answer either
        link.expect(kind)
        link.send(mqtt.pingresp(), mqtt.pingresp())
    else:
        packet = link.expect(kind)
        check(packet.packet_id != first.packet_id, "the identifier of the abandoned request is still in use [MQTT-2.3.1-3]")
        link.send(answer(first))
        pipe.no_reply(second)
        link.send(answer(packet))
    pipe.ok(second)
    pipe.no_event("offline", 0.1)


def request_canceled(t, name, fields, _):
    """Section 4: a timeout of 0 has already passed: canceled, nothing is sent."""
    pipe, _, link = t.online()
    pipe.error(pipe.op(name, **fields, timeout=0), "canceled")
    link.expect_nothing(0.2)


def request_waits(t, name, fields, kind):
    """Section 6: pauseTimeout is no bound for SUBACK and UNSUBACK; a timeout that has not passed changes nothing."""
    pipe, _, link = t.online(pauseTimeout=0.5)
    identifier = pipe.op(name, **fields, timeout=60)
    packet = link.expect(kind)
    pipe.no_reply(identifier, 1.3)
    link.send(answer(packet))
    pipe.ok(identifier)


def request_closed(t, name, fields, kind):
    """Section 2: closed, when the client was ended while the op was pending."""
    for end in ("close", "disconnect"):
        pipe, _, link = t.online()
        identifier = pipe.op(name, **fields)
        link.expect(kind)
        pipe.call(end)
        pipe.error(identifier, "closed")


for _prefix, _body in [("down", request_down), ("lost", request_lost), ("abandoned", request_abandoned), ("canceled", request_canceled),
                       ("closed", request_closed)]:
    table(globals(), _prefix, REQUESTS, _body)
table(globals(), "waits", REQUESTS[:2], request_waits)


def test_pings_side_by_side(t):
    """Section 4: each ping op gets its reply; none is answered before the first PINGRESP."""
    pipe, _, link = t.online()
    identifiers = [pipe.op("ping") for _ in range(5)]
    link.expect(mqtt.PINGREQ)
    pipe.no_reply(identifiers[0], 0.2)
    link.send(mqtt.pingresp())
    pipe.ok(identifiers[0])
    while packet := link.packet(0.3):
        check(packet.type == mqtt.PINGREQ, str(packet))
        link.send(mqtt.pingresp())
    for identifier in identifiers:
        pipe.ok(identifier)


def test_pingresp_unasked(t):
    """[MQTT-3.12.4-1]: a PINGRESP nobody asked for does no harm to a later ping (or is a violation; the page leaves it open)."""
    pipe, broker, link = t.online()
    link.send(mqtt.pingresp(), mqtt.pingresp())
    identifier = pipe.op("ping")
    after = survivor(t, pipe, broker, link, identifier)
    if after is not link:
        link, identifier = after, pipe.op("ping")
    link.expect(mqtt.PINGREQ)
    link.send(mqtt.pingresp())
    pipe.ok(identifier)


def survivor(t, pipe, broker, link, identifier):
    """The link that is alive after something the client may take either way."""
    try:
        pipe.event("offline", 0.5, error="protocolViolation")
    except AssertionError:
        return link
    pipe.error(identifier, "connectionLost", "protocolViolation", "down")
    return t.again(pipe, broker)


def unknown_ack(t, packets):
    """Section 6: acknowledgements for unknown packet identifiers are ignored: no offline, no harm to open requests."""
    pipe, _, link = t.online()
    request = pipe.op("subscribe", **sub(("a", 1)))
    publish = pipe.op("publish", topic="a", qos=1)
    first, second = link.expect(mqtt.SUBSCRIBE), link.expect(mqtt.PUBLISH)
    for number in (1, 2, 3, 77, 32768, 40000, 65535):
        if number not in (first.packet_id, second.packet_id):
            link.send(packets(number))
    link.send(mqtt.suback(first.packet_id, [0]), mqtt.puback(second.packet_id))
    check(pipe.ok(request)["granted"] == [0], "granted")
    pipe.ok(publish)
    pipe.no_event("offline", 0.2)
    while packet := link.packet(0.2):     # a PUBREL for an unknown PUBREC is permitted
        check(packet.type in (mqtt.PUBREL, mqtt.PUBCOMP), str(packet))


table(globals(), "unknown", [("puback", mqtt.puback), ("pubrec", mqtt.pubrec), ("pubcomp", mqtt.pubcomp), ("unsuback", mqtt.unsuback),
                             ("suback", lambda number: mqtt.suback(number, [1])),
                             ("suback_of_two", lambda number: mqtt.suback(number, [1, 128]))], unknown_ack)


def test_unknown_pubrel(t):
    """[MQTT-4.3.3-2]: PUBREL gets PUBCOMP, also when the message is not known (any more); no offline."""
    pipe, _, link = t.online()
    link.send(mqtt.pubrel(9))
    link.expect(mqtt.PUBCOMP, packet_id=9)
    pipe.no_event("offline", 0.2)


def bad_suback(t, codes):
    """[MQTT-3.8.4-5] [MQTT-3.9.3-2]: a SUBACK that does not fit its SUBSCRIBE is a protocolViolation; never an ok, never a crash."""
    pipe, broker, link = t.online()
    identifier = pipe.op("subscribe", **sub(("a", 1), ("b", 1)))
    link.send(mqtt.suback(link.expect(mqtt.SUBSCRIBE).packet_id, codes))
    pipe.error(identifier, "protocolViolation", "connectionLost")
    pipe.event("offline", error="protocolViolation")
    link.expect_end()
    t.again(pipe, broker)


table(globals(), "suback", [("one_code", [1]), ("three_codes", [1, 1, 1]), ("no_code", []), ("code_3", [1, 3]), ("code_127", [127, 0]),
                            ("code_129", [0, 129]), ("code_255", [255, 255])], bad_suback)


def wrong_type(t, op, fields, steps, wrong, finish):
    """Section 6: an acknowledgement of the wrong type for an open identifier completes nothing (ignored, or a violation), never a crash."""
    pipe, broker, link = t.online()
    identifier = pipe.op(op, **fields)
    packet = link.packet()
    for step in steps:
        link.send(step(packet.packet_id))
        link.packet()
    link.send(wrong(packet.packet_id))
    try:
        pipe.event("offline", 0.5, error="protocolViolation")
        check(op == "publish" or not pipe.reply(identifier)["ok"], "completed by a wrong packet")
        check(op != "publish" or identifier not in pipe.replies, "completed by a wrong packet")
        link = t.again(pipe, broker)
        if op == "publish":
            again = link.packet()
            check(again.packet_id == packet.packet_id, f"resend expected: {again}")
    except AssertionError as problem:
        if "did not come" not in str(problem):
            raise
        check(identifier not in pipe.replies, "completed by a wrong packet")
        while reply := link.packet(0.2):
            check(reply.type == mqtt.PUBREL, str(reply))
    if identifier in pipe.replies:
        return
    for step in finish:
        link.send(step(packet.packet_id))
        link.packet(0.3)
    pipe.ok(identifier)


def suback1(packet_id):
    return mqtt.suback(packet_id, [1])


QOS1, QOS2 = {"topic": "a", "qos": 1}, {"topic": "a", "qos": 2}
table(globals(), "wrong_type", [
    ("pubrec_for_qos1", "publish", QOS1, [], mqtt.pubrec, [mqtt.puback]),
    ("pubcomp_for_qos1", "publish", QOS1, [], mqtt.pubcomp, [mqtt.puback]),
    ("suback_for_qos1", "publish", QOS1, [], suback1, [mqtt.puback]),
    ("unsuback_for_qos1", "publish", QOS1, [], mqtt.unsuback, [mqtt.puback]),
    ("puback_for_qos2", "publish", QOS2, [], mqtt.puback, [mqtt.pubrec, mqtt.pubcomp]),
    ("pubcomp_before_pubrec", "publish", QOS2, [], mqtt.pubcomp, [mqtt.pubrec, mqtt.pubcomp]),
    ("puback_after_pubrec", "publish", QOS2, [mqtt.pubrec], mqtt.puback, [mqtt.pubcomp]),
    ("pubrec_twice", "publish", QOS2, [mqtt.pubrec], mqtt.pubrec, [mqtt.pubcomp]),
    ("puback_for_subscribe", "subscribe", sub(("a", 1)), [], mqtt.puback, [suback1]),
    ("unsuback_for_subscribe", "subscribe", sub(("a", 1)), [], mqtt.unsuback, [suback1]),
    ("pubcomp_for_subscribe", "subscribe", sub(("a", 1)), [], mqtt.pubcomp, [suback1]),
    ("suback_for_unsubscribe", "unsubscribe", {"filters": ["a"]}, [], suback1, [mqtt.unsuback]),
], wrong_type)


def test_puback_twice(t):
    """Section 6: the second of two PUBACK is for an unknown identifier: ignored."""
    pipe, _, link = t.online()
    for _ in range(3):
        identifier = pipe.op("publish", topic="a", qos=1)
        packet = link.expect(mqtt.PUBLISH)
        link.send(mqtt.puback(packet.packet_id), mqtt.puback(packet.packet_id))
        pipe.ok(identifier)
    pipe.no_event("offline", 0.2)


def test_acknowledgements_out_of_order(t):
    """Section 6: out-of-order PUBACK, PUBREC and PUBCOMP each complete their own message and reset nothing."""
    pipe, _, link = t.online()
    ops = {}
    for n in range(12):
        ops[str(n).encode()] = pipe.op("publish", topic="a", qos=1 + n % 2, payload=str(n))
    packets = [link.expect(mqtt.PUBLISH) for _ in range(12)]
    for packet in reversed([p for p in packets if p.qos == 1]):
        link.send(mqtt.puback(packet.packet_id))
        pipe.ok(ops[packet.payload])
    twos = list(reversed([p for p in packets if p.qos == 2]))
    link.send(*[mqtt.pubrec(p.packet_id) for p in twos])
    for packet in twos:
        link.expect(mqtt.PUBREL, packet_id=packet.packet_id)
    for packet in twos[::2] + twos[1::2]:
        link.send(mqtt.pubcomp(packet.packet_id))
        pipe.ok(ops[packet.payload])
    pipe.no_event("offline", 0.1)
