"""PIPE.md sections 1 and 4: disconnect, close, end of file, in every state."""

import time

import mqtt
from case import check, table


def test_disconnect(t):
    """Section 4: sends DISCONNECT [MQTT-3.14.4-1], closes the connection, ends the client, then replies ok; no offline event."""
    pipe, broker, link = t.online()
    identifier = pipe.op("disconnect")
    link.expect(mqtt.DISCONNECT)
    link.expect_end()
    pipe.ok(identifier)
    pipe.error(pipe.op("ping"), "closed")
    broker.expect_no_connection(0.4)
    pipe.no_event("offline", 0)


def test_disconnect_broker_keeps_open(t):
    """Section 4: the client closes; it does not wait for a broker that says nothing."""
    pipe, _, link = t.online(pauseTimeout=30)
    began = time.monotonic()
    pipe.ok(pipe.op("disconnect"), timeout=10)
    check(time.monotonic() - began < 6, "the reply took too long")
    link.expect(mqtt.DISCONNECT)
    link.expect_end()


def test_disconnect_comes_after_everything_started(t):
    """Section 4: DISCONNECT comes after every QoS 0 packet and request started before it, nothing follows it [MQTT-3.14.4-2]."""
    for round_ in range(5):
        pipe, _, link = t.online()
        ops = [("publish", {"topic": "a", "payload": str(n), "payloadSize": 0}) for n in range(20)]
        ops = [(name, {"topic": "a", "payload": fields["payload"]}) for name, fields in ops]
        identifiers = pipe.batch(*ops[:10], ("subscribe", {"filters": [{"filter": "s", "qos": 1}]}), *ops[10:],
                                 ("unsubscribe", {"filters": ["u"]}), ("ping", {}), ("disconnect", {}))
        packets = []
        while not packets or packets[-1].type != mqtt.DISCONNECT:
            packets.append(link.packet())
            check(packets[-1] is not None, "no DISCONNECT")
        link.expect_end()
        kinds = [p.type for p in packets]
        check(kinds.count(mqtt.PUBLISH) == 20 and {mqtt.SUBSCRIBE, mqtt.UNSUBSCRIBE, mqtt.PINGREQ} < set(kinds), str(kinds))
        check([int(p.payload) for p in packets if p.type == mqtt.PUBLISH] == list(range(20)), "order")
        pipe.ok(identifiers[-1])
        for identifier in identifiers[:10] + identifiers[11:21]:
            pipe.ok(identifier)
        for identifier in (identifiers[10], *identifiers[21:23]):
            pipe.error(identifier, "closed")


def test_disconnect_after_accepted(t):
    """Section 4: DISCONNECT comes after every QoS 1 and 2 message whose accepted was reported; it waits for no acknowledgement."""
    pipe, _, link = t.online()
    identifiers = [pipe.op("publish", topic="a", qos=1 + n % 2, payload=str(n)) for n in range(36)]
    pipe.all_accepted(identifiers)
    end = pipe.op("disconnect")
    packets = [link.expect(mqtt.PUBLISH) for _ in range(36)]
    check(sorted(int(p.payload) for p in packets) == list(range(36)), "each message once")
    link.expect(mqtt.DISCONNECT)
    link.expect_end()
    pipe.ok(end)
    for identifier in identifiers:
        pipe.error(identifier, "closed")


def test_disconnect_after_large_publish(t):
    """Section 4: also behind 20 MiB that the broker reads slowly at first."""
    pipe, _, link = t.online()
    first, end = pipe.batch(("publish", {"topic": "a", "payloadSize": 20 << 20}), ("disconnect", {}))
    time.sleep(0.5)
    check(len(link.expect(mqtt.PUBLISH).payload) == 20 << 20, "size")
    link.expect(mqtt.DISCONNECT)
    link.expect_end()
    pipe.ok(first)
    pipe.ok(end)


def test_disconnect_offline(t):
    """Section 4: without a connection it ends the client and replies down; pending ops reply closed; no attempt follows."""
    pipe, broker, link = t.online()
    t.offline(pipe, broker, link)
    pending = pipe.op("publish", topic="a", qos=1)
    pipe.event("accepted")
    pipe.error(pipe.op("disconnect"), "down")
    pipe.error(pending, "closed")
    broker.listen()
    broker.expect_no_connection(0.6)
    pipe.error(pipe.op("ping"), "closed")
    t.join(pipe, broker)


def test_disconnect_timeout_zero(t):
    """Section 4: a timeout of 0 on any op: canceled, nothing is sent; the client stays."""
    pipe, _, link = t.online()
    pipe.error(pipe.op("disconnect", timeout=0), "canceled")
    link.expect_nothing(0.2)
    pipe.call("disconnect")
    link.expect(mqtt.DISCONNECT)


def test_disconnect_stalled(t):
    """Sections 4 and 6: a broker that takes no bytes cannot hold disconnect for ever: pauseTimeout bounds it."""
    pipe, _, link = t.online(pauseTimeout=0.7)
    publish = pipe.op("publish", topic="a", payloadSize=64 << 20)
    time.sleep(0.2)
    end = pipe.op("disconnect")
    reply = pipe.reply(end, 15)
    check(reply["ok"] or reply["error"] in ("down", "submissionInterrupted", "connectionLost"), str(reply))
    pipe.error(publish, "submissionInterrupted", "closed")
    pipe.error(pipe.op("ping"), "closed")


def test_close(t):
    """Section 4: close does the same without a DISCONNECT packet, always ok; pending ops reply closed."""
    pipe, broker, link = t.online()
    pending = pipe.op("publish", topic="a", qos=2)
    link.expect(mqtt.PUBLISH)
    waiting = pipe.op("ping")
    link.expect(mqtt.PINGREQ)
    pipe.call("close")
    link.expect_end()
    pipe.error(pending, "closed")
    pipe.error(waiting, "closed")
    broker.expect_no_connection(0.4)
    pipe.no_event("offline", 0)


def test_close_offline(t):
    """Section 4: close is always ok, also without a connection; no attempt follows."""
    pipe, broker, link = t.online()
    t.offline(pipe, broker, link)
    pipe.call("close")
    broker.listen()
    broker.expect_no_connection(0.6)


def test_close_in_a_large_write(t):
    """Section 4: close does not wait for bytes the broker does not take."""
    pipe, _, link = t.online(pauseTimeout=60)
    publish = pipe.op("publish", topic="a", payloadSize=64 << 20)
    time.sleep(0.3)
    began = time.monotonic()
    pipe.ok(pipe.op("close"), timeout=8)
    check(time.monotonic() - began < 5, "took too long")
    pipe.error(publish, "closed", "submissionInterrupted")
    check(link.drain(timeout=10) < 64 << 20 and link.ended, "the connection is closed")


def test_end_twice(t):
    """Sections 1 and 4: after disconnect there is no client: disconnect replies closed (or is harmless), close stays ok or closed."""
    pipe, _, link = t.online()
    pipe.call("disconnect")
    pipe.error(pipe.op("disconnect"), "closed")
    close = pipe.reply(pipe.op("close"))
    check(close["ok"] or close["error"] == "closed", str(close))


def test_no_events_after_the_end(t):
    """Section 6: no offline (and no message) after disconnect or close, whatever the broker still sends."""
    for name in ("disconnect", "close"):
        pipe, _, link = t.online()
        thread = link.send_aside(*[mqtt.publish("a", b"x" * 100, 1, n) for n in range(1, 2000)])
        pipe.event("message")
        identifier = pipe.op(name)
        pipe.ok(identifier)
        thread.join(10)
        pipe.alive()
        at = next(n for n, line in enumerate(pipe.order) if line.get("id") == identifier and "ok" in line)
        late = [line for line in pipe.order[at:] if "event" in line]
        check(not late, f"events after {name}: {late[:3]}")
        check(not any(line.get("event") == "offline" and line["error"] != "closed" for line in pipe.order), "offline")


def eof_state(t, state):
    """Section 1: end of file closes without DISCONNECT and exits with status 0 within 3 seconds, whatever is pending."""
    pipe, broker = t.pipe(), t.broker()
    link = None
    if state != "idle":
        identifier = t.dial(pipe, broker, pauseTimeout=60, receive="pull" if state == "next" else "auto")
        link = broker.accept()
        link.expect(mqtt.CONNECT)
        if state != "connecting":
            link.send(mqtt.connack())
            pipe.ok(identifier)
    if state == "pending":
        pipe.batch(("publish", {"topic": "a", "qos": 1}), ("publish", {"topic": "a", "qos": 2}), ("ping", {}),
                   ("subscribe", {"filters": [{"filter": "a", "qos": 0}], "timeout": 60}))
        for _ in range(4):
            link.packet()
    if state == "next":
        link.send(mqtt.publish("a", b"1", 1, 1))
        pipe.ok(pipe.op("next"))
        pipe.event("message")
        pipe.op("next", timeout=60)
        link.expect(mqtt.PUBACK)
    if state == "stalled":
        pipe.op("publish", topic="a", payloadSize=64 << 20)
        time.sleep(0.5)
    if state == "reconnecting":
        broker.refuse()
        link.close()
        pipe.event("offline")
    if state == "half_message":
        link.send(mqtt.publish("a", b"x" * 3_000_000)[:2_000_000])
        time.sleep(0.2)
    if state == "half_line":
        pipe.raw(b'{"id":99,"op":"pi')
    began = time.monotonic()
    pipe.eof()
    pipe.exit(3.0 + 2.0)
    if link and state == "stalled":
        check(link.drain(timeout=5) < 64 << 20 and link.ended, "closed")
    elif link and state != "reconnecting":
        link.expect_end(5)
    check(time.monotonic() - began < 8, "too slow")


table(globals(), "eof", [(state, state) for state in
                         ("idle", "connecting", "online", "pending", "next", "stalled", "reconnecting", "half_message",
                          "half_line")], eof_state)


def test_eof_at_once(t):
    """Section 1: end of file before any line: status 0."""
    pipe = t.pipe()
    pipe.eof()
    pipe.exit()


def test_eof_behind_lines(t):
    """Section 1: end of file right behind ops: no DISCONNECT, status 0, each op at most one reply."""
    pipe, _, link = t.online()
    pipe.batch(*[("publish", {"topic": "a", "qos": n % 3}) for n in range(50)], ("ping", {}))
    pipe.eof()
    pipe.exit()
    link.expect_end(ignoring=(mqtt.PUBLISH, mqtt.PINGREQ))


def test_eof_with_blocked_stdout(t):
    """Section 1: exits within 3 seconds whatever is pending, also when nobody reads stdout any more."""
    pipe, broker = t.pipe(pipe_size=4096), t.broker()
    link = t.join(pipe, broker)
    pipe.reading.clear()
    link.send_aside(*[mqtt.publish("a", b"x" * 5000, 1, n) for n in range(1, 200)], timeout=5)
    time.sleep(0.5)
    pipe.eof()
    pipe.exit()
