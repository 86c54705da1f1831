"""PIPE.md sections 4 and 6: QoS 1 and 2 publishes across losses of connection and session."""

import time

import mqtt
from case import check, table


def open_publishes(pipe, count, qos=None):
    """Ops with payload "0", "1", ... of QoS 1 and 2 in turn, or of one QoS; all accepted."""
    identifiers = [pipe.op("publish", topic="a", qos=qos or 1 + n % 2, payload=str(n)) for n in range(count)]
    pipe.all_accepted(identifiers)
    return identifiers


def collect(link, count):
    return [link.expect(mqtt.PUBLISH) for _ in range(count)]


def finish(pipe, link, packets, identifiers):
    """Completes all; identifiers in the order of the payload numbers."""
    link.send(*[mqtt.puback(p.packet_id) if p.qos == 1 else mqtt.pubrec(p.packet_id) for p in packets])
    for packet in packets:
        if packet.qos == 2:
            link.expect(mqtt.PUBREL, packet_id=packet.packet_id)
            link.send(mqtt.pubcomp(packet.packet_id))
    for identifier in identifiers:
        pipe.ok(identifier)


def per_level(packets):
    return [[(p.payload, p.packet_id) for p in packets if p.qos == qos] for qos in (1, 2)]


def resend_after(t, end):
    """Section 6 [MQTT-4.4.0-1] [MQTT-4.6.0-1]: resent with DUP, their identifiers, in original order; once per connection."""
    pipe, broker, link = t.online(session_present=True)
    identifiers = open_publishes(pipe, 20)
    first = collect(link, 20)
    for _ in range(3):
        getattr(link, end)()
        pipe.event("offline", error="connectionLost")
        link = t.again(pipe, broker)
        again = collect(link, 20)
        check(all(p.dup for p in again), "DUP on each [MQTT-3.3.1-1]")
        check(per_level(again) == per_level(first), f"order and identifiers: {per_level(again)}")
        link.expect_nothing(0.2)
    finish(pipe, link, again, identifiers)


table(globals(), "resend_after", [(end, end) for end in ("close", "reset", "half_close")], resend_after)


def test_no_resend_without_a_loss(t):
    """[MQTT-4.4.0-1]: nothing is sent twice on one connection, however long the broker takes."""
    pipe, _, link = t.online(pauseTimeout=0.5)
    identifiers = open_publishes(pipe, 4)
    packets = collect(link, 4)
    link.expect_nothing(2)
    finish(pipe, link, packets, identifiers)


def test_acknowledged_ones_stay_away(t):
    """Section 6: only incomplete ones go out again, among new ones, all in order."""
    pipe, broker, link = t.online()
    identifiers = open_publishes(pipe, 10, qos=1)
    packets = collect(link, 10)
    for n in (0, 3, 4, 9):
        link.send(mqtt.puback(packets[n].packet_id))
        pipe.ok(identifiers[n])
    t.offline(pipe, broker, link)
    more = pipe.op("publish", topic="a", qos=1, payload="10")
    pipe.all_accepted([more])
    link = t.again(pipe, broker)
    again = collect(link, 7)
    check([p.payload for p in again] == [b"1", b"2", b"5", b"6", b"7", b"8", b"10"], str([p.payload for p in again]))
    check([p.dup for p in again] == [True] * 6 + [False], "DUP on those sent before, none on the new one [MQTT-4.3.2-1]")
    finish(pipe, link, again, identifiers + [more])


def test_pubrel_again(t):
    """[MQTT-4.3.3-1] [MQTT-4.4.0-1]: past PUBREC the PUBREL goes out again with its identifier, never the PUBLISH; in order of PUBREC."""
    pipe, broker, link = t.online(session_present=True)
    identifiers = open_publishes(pipe, 8, qos=2)
    packets = collect(link, 8)
    order = [packets[n].packet_id for n in (2, 0, 5, 1)]
    for packet_id in order:
        link.send(mqtt.pubrec(packet_id))
        link.expect(mqtt.PUBREL, packet_id=packet_id)
    for _ in range(2):
        link.close()
        pipe.event("offline")
        link = t.again(pipe, broker)
        again = [link.packet() for _ in range(8)]
        check(sorted(p.packet_id for p in again if p.type == mqtt.PUBREL) == sorted(order), f"PUBREL of {order}: {again}")
        check([p.payload for p in again if p.type == mqtt.PUBLISH] == [b"3", b"4", b"6", b"7"], f"PUBLISH: {again}")
        check(all(p.dup for p in again if p.type == mqtt.PUBLISH), "DUP")
    link.send(*[mqtt.pubcomp(packet_id) for packet_id in order])
    finish(pipe, link, [p for p in again if p.type == mqtt.PUBLISH], identifiers)


def test_pubrec_lost_on_the_way(t):
    """[MQTT-4.3.3-1]: the broker answers the resent PUBLISH with PUBREC; the exchange goes on from there."""
    pipe, broker, link = t.online(session_present=True)
    identifier = open_publishes(pipe, 1, qos=2)[0]
    packet_id = collect(link, 1)[0].packet_id
    link.close()
    pipe.event("offline")
    link = t.again(pipe, broker)
    link.expect(mqtt.PUBLISH, dup=True, packet_id=packet_id)
    link.send(mqtt.pubrec(packet_id))
    link.expect(mqtt.PUBREL, packet_id=packet_id)
    link.reset()
    pipe.event("offline")
    link = t.again(pipe, broker)
    link.expect(mqtt.PUBREL, packet_id=packet_id)
    pipe.no_reply(identifier, 0.1)
    link.send(mqtt.pubcomp(packet_id))
    pipe.ok(identifier)


def test_session_lost(t):
    """Section 4, FIELD.md 1: session present 0: accepted messages still reach the broker, in order, with distinct identifiers."""
    pipe, broker, link = t.online(session_present=True)
    identifiers = open_publishes(pipe, 20)
    collect(link, 20)
    for _ in range(2):
        link.close()
        pipe.event("offline")
        link = t.again(pipe, broker, session_present=False)
        again = collect(link, 20)
        for qos in (1, 2):
            check([int(p.payload) for p in again if p.qos == qos] == list(range(qos - 1, 20, 2)), "order")
        check(len({p.packet_id for p in again}) == 20, "identifiers")
    finish(pipe, link, again, identifiers)


def test_session_lost_past_pubrec(t):
    """Section 4, FIELD.md 1: past PUBREC a message goes out again as a PUBLISH when the broker has forgotten it:
    PUBREL alone would lose it."""
    pipe, broker, link = t.online(session_present=True)
    identifiers = open_publishes(pipe, 4, qos=2)
    packets = collect(link, 4)
    for packet in packets[:2]:
        link.send(mqtt.pubrec(packet.packet_id))
        link.expect(mqtt.PUBREL)
    link.close()
    pipe.event("offline")
    link = t.again(pipe, broker, session_present=False)
    again = collect(link, 4)
    check([p.payload for p in again] == [b"0", b"1", b"2", b"3"], f"original order: {again}")
    finish(pipe, link, again, identifiers)


def test_session_lost_then_present(t):
    """After session present 0 the new exchange counts: its steps are kept on the connection after that."""
    pipe, broker, link = t.online(session_present=True)
    identifier = open_publishes(pipe, 1, qos=2)[0]
    packet = collect(link, 1)[0]
    link.send(mqtt.pubrec(packet.packet_id))
    link.expect(mqtt.PUBREL)
    link.close()
    pipe.event("offline")
    link = t.again(pipe, broker, session_present=False)
    packet = link.expect(mqtt.PUBLISH)
    link.close()
    pipe.event("offline")
    link = t.again(pipe, broker, session_present=True)
    link.expect(mqtt.PUBLISH, dup=True, packet_id=packet.packet_id)
    link.send(mqtt.pubrec(packet.packet_id))
    link.expect(mqtt.PUBREL, packet_id=packet.packet_id)
    link.send(mqtt.pubcomp(packet.packet_id))
    pipe.ok(identifier)


def test_first_connection_with_session_present(t):
    """Section 3: session new, yet the broker has one (sessionPresent true): nothing is invented, ids of old exchanges do no harm."""
    pipe, broker = t.pipe(), t.broker()
    link = t.join(pipe, broker, session_present=True)
    link.send(mqtt.pubrel(17), mqtt.puback(18), mqtt.pubcomp(19), mqtt.publish("a", b"x", 2, 20, dup=True))
    pipe.event("message", dup=True)
    link.expect(mqtt.PUBCOMP, packet_id=17)
    link.expect(mqtt.PUBREC, packet_id=20)
    pipe.no_event("offline", 0.2)


def cut_at(t, count):
    """Section 4: a cut after any number of bytes loses nothing: whole messages come again with DUP, unsent ones without."""
    pipe, broker, link = t.online(session_present=True)
    identifiers = [pipe.op("publish", topic="a", qos=1 + n % 2, payload=str(n) + "x" * 20) for n in range(12)]
    link.drain(limit=count)
    link.reset()
    pipe.event("offline", error="connectionLost")
    link = t.again(pipe, broker)
    again = collect(link, 12)
    for qos in (1, 2):
        check([int(p.payload.rstrip(b"x")) for p in again if p.qos == qos] == list(range(qos - 1, 12, 2)), "order")
    size = 2 + 2 + 1 + 2 + 21
    check(all(p.dup for p in again[:count // size] if count <= 10 * size), "DUP on what the broker has seen")
    pipe.all_accepted(identifiers)
    finish(pipe, link, again, identifiers)


table(globals(), "cut_at", [(str(n), n) for n in (1, 2, 3, 5, 7, 27, 28, 29, 30, 55, 100, 171, 255, 280)], cut_at)


def cut_big(t, qos, count):
    """Section 4: a cut within a large message: it comes again, whole and alone."""
    pipe, broker, link = t.online(session_present=True, pauseTimeout=30)
    identifier = pipe.op("publish", topic="big", qos=qos, payloadSize=9_000_000)
    small = pipe.op("publish", topic="small", qos=qos)
    link.drain(limit=count)
    link.reset()
    pipe.event("offline", error="connectionLost")
    link = t.again(pipe, broker)
    packets = collect(link, 2)
    check([p.topic for p in packets] == ["big", "small"], "order")
    check(packets[0].payload == bytes(n % 251 for n in range(251)) * (9_000_000 // 251) + bytes(range(9_000_000 % 251)), "content")
    finish(pipe, link, packets, [identifier, small])


table(globals(), "cut_big", [("qos_1", 1, 4_000_000), ("qos_2", 2, 100_000)], cut_big)


def test_qos0_cut_is_interrupted(t):
    """Section 4: when the connection fails midway a QoS 0 publish is submissionInterrupted, and never sent again."""
    pipe, broker, link = t.online(pauseTimeout=30)
    identifier = pipe.op("publish", topic="big", payloadSize=64 << 20)
    link.drain(limit=1_000_000)
    pipe.no_reply(identifier, 0.2)
    link.reset()
    pipe.error(identifier, "submissionInterrupted")
    pipe.event("offline", error="connectionLost")
    t.again(pipe, broker).expect_nothing(0.3)


def test_request_behind_a_stalled_write(t):
    """Section 2: canceled means it has no effect later; abandoned that it may: both are possible for a request in a stalled queue."""
    pipe, _, link = t.online(pauseTimeout=60)
    big = pipe.op("publish", topic="big", payloadSize=32 << 20)
    time.sleep(0.3)
    request = pipe.op("subscribe", filters=[{"filter": "s", "qos": 0}], timeout=0.4)
    reply = pipe.error(request, "canceled", "abandoned")
    link.expect(mqtt.PUBLISH, topic="big")
    pipe.ok(big)
    packet = link.packet(0.5)
    check(packet is None or reply["error"] == "abandoned", f"canceled, but sent: {packet}")


def test_many_losses(t):
    """Section 4: across any number of reconnects: 30 losses, each message of a growing queue stays in place."""
    pipe, broker, link = t.online(session_present=True, reconnectMin=0.01, reconnectMax=0.02)
    identifiers = []
    for n in range(30):
        identifiers.append(pipe.op("publish", topic="a", qos=1 + n % 2, payload=str(n)))
        pipe.all_accepted(identifiers)
        packets = collect(link, n + 1)
        for qos in (1, 2):
            check([int(p.payload) for p in packets if p.qos == qos] == list(range(qos - 1, n + 1, 2)), "order")
        link.close()
        pipe.event("offline")
        link = t.again(pipe, broker, session_present=n % 3 != 0)
    finish(pipe, link, collect(link, 30), identifiers)


def test_refused_reconnects(t):
    """Section 3: it reconnects as often as needed, also when refused; messages accepted meanwhile wait."""
    pipe, broker, link = t.online()
    identifier = open_publishes(pipe, 1, qos=1)[0]
    collect(link, 1)
    link.close()
    pipe.event("offline", error="connectionLost")
    for answer in (mqtt.connack(False, 5), mqtt.connack(False, 3), b"", mqtt.connack(False, 1), b"\x20\x02\x02\x00",
                   b"HTTP/1.1 200 OK\r\n\r\n"):
        link = broker.accept()
        link.expect(mqtt.CONNECT, clean=False)
        if answer:
            link.send(answer)
            link.expect_end()
        else:
            link.reset()
    late = pipe.op("publish", topic="a", qos=2, payload="1")
    pipe.all_accepted([late])
    pipe.error(pipe.op("publish", topic="a"), "down")
    link = t.again(pipe, broker)
    finish(pipe, link, collect(link, 2), [identifier, late])
