"""PIPE.md section 5, receive pull: next."""

import base64
import threading
import time

import mqtt
from case import check, table


def b64(raw):
    return base64.b64encode(raw).decode()


def pulled(pipe, payload, **fields):
    """next, then its event, then its reply, in this order."""
    identifier = pipe.op("next", **fields)
    pipe.ok(identifier)
    event = pipe.event("message", 0.5, payloadBase64=b64(payload))
    check(pipe.order.index(event) < pipe.order.index(pipe.replies[identifier]), "first the event, then the reply")
    return event


def test_nothing_without_next(t):
    """Section 5: nothing is delivered and nothing acknowledged without a next."""
    pipe, _, link = t.online(receive="pull")
    link.send(*[mqtt.publish("a", str(n).encode(), n, n) for n in range(3)])
    link.expect_nothing(0.4)
    pipe.no_event("message", 0)


def test_next_acknowledges_the_one_before(t):
    """Section 5: each next acknowledges the message before, and delivers one more."""
    pipe, _, link = t.online(receive="pull")
    link.send(mqtt.publish("a", b"0", 1, 10), mqtt.publish("a", b"1", 2, 11), mqtt.publish("a", b"2"), mqtt.publish("a", b"3", 1, 12))
    pulled(pipe, b"0")
    link.expect_nothing(0.3)
    pulled(pipe, b"1")
    link.expect(mqtt.PUBACK, packet_id=10)
    link.expect_nothing(0.2)
    pulled(pipe, b"2")
    link.expect(mqtt.PUBREC, packet_id=11)
    pulled(pipe, b"3")
    link.expect_nothing(0.2)
    pipe.error(pipe.op("next", timeout=0.2), "timeout")
    link.expect(mqtt.PUBACK, packet_id=12)


def test_next_waits(t):
    """Section 5: when there is none yet, the reply waits, and other ops do not wait for it."""
    pipe, _, link = t.online(receive="pull")
    identifier = pipe.op("next")
    pipe.no_reply(identifier)
    pipe.call("publish", topic="a")
    link.expect(mqtt.PUBLISH)
    link.send(mqtt.publish("a", b"x", 1, 3))
    pipe.ok(identifier)
    link.expect_nothing(0.2)


def test_next_timeout(t):
    """Section 5: timeout when none came in time; a message that comes later is for the next one."""
    pipe, _, link = t.online(receive="pull")
    pipe.error(pipe.op("next", timeout=0.2), "timeout")
    link.send(mqtt.publish("a", b"x", 1, 3))
    pipe.no_event("message")
    pulled(pipe, b"x")
    pipe.error(pipe.op("next", timeout=0.2), "timeout")
    link.expect(mqtt.PUBACK, packet_id=3)


def test_next_timeout_zero(t):
    """Section 4: next with timeout 0 acknowledges the message before, then replies timeout, also with a message waiting."""
    pipe, _, link = t.online(receive="pull")
    link.send(mqtt.publish("a", b"1", 1, 3), mqtt.publish("a", b"2", 1, 4))
    pulled(pipe, b"1")
    pipe.error(pipe.op("next", timeout=0), "timeout")
    link.expect(mqtt.PUBACK, packet_id=3)
    pipe.no_event("message", 0.2)
    pulled(pipe, b"2")


def test_one_next_at_a_time(t):
    """Section 5: one next at a time: a second one waits for the first, or is denied; each gets its own reply, none gets lost."""
    pipe, _, link = t.online(receive="pull")
    first, second = pipe.batch(("next", {}), ("next", {}))
    link.send(mqtt.publish("a", b"1"), mqtt.publish("a", b"2"))
    pipe.ok(first)
    pipe.event("message", payloadBase64=b64(b"1"))
    if not pipe.reply(second)["ok"]:
        pipe.error(second, "denied")
        pulled(pipe, b"2")
    else:
        pipe.event("message", payloadBase64=b64(b"2"))


def test_next_pending_at_the_end(t):
    """Section 2: closed, when the client was ended while the op was pending."""
    for name in ("close", "disconnect"):
        pipe, _, link = t.online(receive="pull")
        identifier = pipe.op("next")
        pipe.no_reply(identifier, 0.1)
        pipe.call(name)
        pipe.error(identifier, "closed")
        pipe.error(pipe.op("next"), "closed")


def test_next_over_reconnect(t):
    """Section 4 and 6: a waiting next lives through a loss and delivers what the next connection brings."""
    pipe, broker, link = t.online(receive="pull")
    identifier = pipe.op("next")
    link.close()
    pipe.event("offline")
    link = t.again(pipe, broker)
    link.send(mqtt.publish("a", b"x", 1, 3))
    pipe.ok(identifier)
    pipe.event("message", payloadBase64=b64(b"x"))


def test_unacknowledged_qos1_comes_again(t):
    """[MQTT-4.3.2-2]: a QoS 1 message not yet acknowledged at the loss is acknowledged once sent again; none is lost."""
    pipe, broker, link = t.online(receive="pull", session_present=True)
    link.send(mqtt.publish("a", b"1", 1, 3), mqtt.publish("a", b"2", 1, 4))
    pulled(pipe, b"1")
    link.close()
    pipe.event("offline")
    link = t.again(pipe, broker, session_present=True)
    link.send(mqtt.publish("a", b"1", 1, 3, dup=True), mqtt.publish("a", b"2", 1, 4, dup=True))
    seen, acknowledged = [], set()
    while True:
        identifier = pipe.op("next", timeout=0.4)
        if not pipe.reply(identifier)["ok"]:
            pipe.error(identifier, "timeout")
            break
        seen.append(pipe.event("message")["payloadBase64"])
    while packet := link.packet(0.3):
        acknowledged.add(packet.packet_id)
    check(b64(b"2") in seen and len(seen) <= 4, f"delivered {seen}")
    check(acknowledged == {3, 4}, f"acknowledged {acknowledged}")


def test_no_acknowledgement_for_a_lost_session(t):
    """[MQTT-2.3.1-6]: after session present 0 nothing of the old session is acknowledged: the identifier belongs to nobody."""
    for qos in (1, 2):
        pipe, broker, link = t.online(receive="pull")
        link.send(mqtt.publish("a", b"1", qos, 3))
        pulled(pipe, b"1")
        link.close()
        pipe.event("offline")
        link = t.again(pipe, broker, session_present=False)
        pipe.error(pipe.op("next", timeout=0.3), "timeout")
        link.expect_nothing(0.3)
        link.send(mqtt.publish("a", b"new", qos, 3))
        pulled(pipe, b"new")


def qos2_once(t, taken):
    """Section 5: a QoS 2 message is delivered once, also when the connection is lost before its PUBREC."""
    pipe, broker, link = t.online(receive="pull", session_present=True)
    link.send(mqtt.publish("a", b"1", 2, 3))
    if taken:
        pulled(pipe, b"1")
    else:
        time.sleep(0.3)
    link.close()
    pipe.event("offline")
    link = t.again(pipe, broker, session_present=True)
    link.send(mqtt.publish("a", b"1", 2, 3, dup=True))
    if not taken:
        pulled(pipe, b"1")
    pipe.error(pipe.op("next", timeout=0.4), "timeout")
    while packet := link.packet(0.3):
        check(packet.type == mqtt.PUBREC and packet.packet_id == 3, str(packet))
        taken = "acknowledged"
    check(taken == "acknowledged", "PUBREC expected")
    link.send(mqtt.pubrel(3))
    link.expect(mqtt.PUBCOMP)


table(globals(), "qos2_once", [("taken_by_the_application", True), ("not_yet_taken", False)], qos2_once)


def test_flood_without_next(t):
    """Sections 5 and 6: without next memory stays bounded; not reading is no silence of the broker; nothing gets lost."""
    pipe, _, link = t.online(receive="pull", pauseTimeout=0.6)
    before = pipe.memory()
    thread = link.send_aside(*[mqtt.publish("a", str(n).encode().ljust(50_000)) for n in range(1600)])
    time.sleep(2.5)
    grown = pipe.memory("VmHWM") - before
    pipe.no_event("offline", 0)
    for n in range(1600):
        pipe.ok(pipe.op("next"))
        pipe.event("message", 0.5, payloadBase64=b64(str(n).encode().ljust(50_000)))
    thread.join(10)
    check(grown < 64 << 20, f"{grown >> 20} MiB held for nobody")


test_flood_without_next.weight = 2


def test_keep_alive_while_not_reading(t):
    """Section 6: silence counts only while the client is reading: a PINGRESP behind unread messages is no missing one."""
    pipe, _, link = t.online(receive="pull", pauseTimeout=0.8, keepAlive=1)
    stop = threading.Event()

    def answer():
        while not stop.is_set():
            packet = link.packet(0.2)
            if packet is not None:
                link.send_aside(mqtt.pingresp())

    flood = b"".join(mqtt.publish("a", b"x" * 50_000) for _ in range(400))
    link.send_aside(flood)
    time.sleep(0.3)
    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    time.sleep(4)
    pipe.no_event("offline", 0)
    for _ in range(400):
        pipe.ok(pipe.op("next"))
        pipe.event("message", 0.5)
    stop.set()
    thread.join()


def test_big_messages(t):
    """Section 5: bigMessage by next; acknowledged by the following next only."""
    pipe, _, link = t.online(receive="pull")
    link.send_aside(mqtt.publish("a", b"x" * 4_000_000, 1, 1), mqtt.publish("a", b"y" * 2_000_000, 2, 2), mqtt.publish("a", b"z"))
    pipe.ok(pipe.op("next"))
    pipe.event("bigMessage", size=4_000_000)
    link.expect_nothing(0.3)
    pipe.ok(pipe.op("next"))
    pipe.event("bigMessage", size=2_000_000)
    link.expect(mqtt.PUBACK, packet_id=1)
    pulled(pipe, b"z")
    link.expect(mqtt.PUBREC, packet_id=2)
