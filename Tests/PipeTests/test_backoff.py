"""PIPE.md section 6: the pauses between attempts to reconnect. Early is a breach; late gets the slack of a slow machine."""

import time

import mqtt
from case import check

EARLY, LATE = 0.03, 0.8


def gaps(broker, count, began, serve):
    """The pauses before each of the next attempts; `serve(link)` ends each connection."""
    found = []
    for _ in range(count):
        link = broker.accept()
        found.append(time.monotonic() - began)
        serve(link)
        began = time.monotonic()
    return found, began


def refuse(link):
    link.expect(mqtt.CONNECT)
    link.close()


def kick(link):
    link.expect(mqtt.CONNECT)
    link.send(mqtt.connack(True))
    link.close()


def bounded(found, low, high):
    text = " ".join(f"{gap:.2f}" for gap in found)
    check(min(found) >= low - EARLY, f"a pause below reconnectMin {low}: {text}")
    check(max(found) <= high + LATE, f"a pause above reconnectMax {high}: {text}")
    return text


def lose(pipe, link, stable=0.6):
    time.sleep(stable)
    link.close()
    return time.monotonic()


def test_bounds_and_growth(t):
    """Section 6: each pause is within reconnectMin and reconnectMax and grows from the one to the other while attempts fail."""
    pipe, broker, link = t.online(reconnectMin=0.1, reconnectMax=1.2)
    found, _ = gaps(broker, 10, lose(pipe, link), refuse)
    text = bounded(found, 0.1, 1.2)
    check(found[0] <= 0.1 + LATE, f"the first waits reconnectMin: {text}")
    check(min(found[-3:]) >= 0.6 - EARLY, f"the upper half of reconnectMax is reached: {text}")
    check(found[0] < 0.5 and sum(found[:2]) < sum(found[-2:]), f"it grows: {text}")
    t.again(pipe, broker)


def test_nobody_listens(t):
    """Section 6: the same when connections are refused by the system; it comes back by itself."""
    pipe, broker, link = t.online(reconnectMin=0.05, reconnectMax=0.4)
    time.sleep(0.4)
    broker.refuse()
    link.close()
    pipe.event("offline", error="connectionLost")
    time.sleep(2)
    broker.listen()
    began = time.monotonic()
    t.again(pipe, broker)
    check(time.monotonic() - began <= 0.4 + LATE, "reconnectMax is the longest pause")


def test_first_waits_minimum(t):
    """Section 6: the first attempt after a loss waits reconnectMin too."""
    pipe, broker, link = t.online(reconnectMin=0.7, reconnectMax=2)
    found, _ = gaps(broker, 1, lose(pipe, link), lambda link: None)
    text = bounded(found, 0.7, 0.7 + 0.3)
    check(found[0] < 1.4 + LATE, text)


def test_stable_connection_resets(t):
    """Section 6: a connection counts as good once it stayed up for 0.25 s: the next loss waits reconnectMin again."""
    pipe, broker, link = t.online(reconnectMin=0.1, reconnectMax=3)
    found, _ = gaps(broker, 5, lose(pipe, link), refuse)
    pipe.event("offline")
    link = broker.welcome(True)
    pipe.event("online")
    found, _ = gaps(broker, 1, lose(pipe, link, 0.8), lambda link: None)
    check(0.1 - EARLY <= found[0] <= 0.1 + LATE, f"the pause after a good connection: {found[0]:.2f}, after growth to 3 s")


def test_kicked_connections_continue_the_growth(t):
    """Section 6: a loss before 0.25 s continues the growth: connections that are accepted and cut at once."""
    pipe, broker, link = t.online(reconnectMin=0.1, reconnectMax=1.2)
    found, _ = gaps(broker, 9, lose(pipe, link), kick)
    text = bounded(found, 0.1, 1.2)
    check(min(found[-2:]) >= 0.6 - EARLY, f"the upper half of reconnectMax is reached: {text}")


def test_refusals_are_bounded_too(t):
    """Section 6: the same bounds for attempts refused with CONNACK (which may go to the maximum at once)."""
    pipe, broker, link = t.online(reconnectMin=0.1, reconnectMax=0.8)

    def answer(link):
        link.expect(mqtt.CONNECT)
        link.send(mqtt.connack(False, 5))
        link.expect_end()

    found, _ = gaps(broker, 7, lose(pipe, link), answer)
    text = bounded(found, 0.1, 0.8)
    check(min(found[-2:]) >= 0.4 - EARLY, f"the upper half of reconnectMax is reached: {text}")


def test_equal_bounds(t):
    """Section 6: with reconnectMin equal to reconnectMax each pause is that long."""
    pipe, broker, link = t.online(reconnectMin=0.3, reconnectMax=0.3)
    found, _ = gaps(broker, 4, lose(pipe, link), refuse)
    bounded(found, 0.3, 0.3)


def test_pauses_are_random(t):
    """Section 6: the pause is random in the upper half of the current bound: ten pauses at the maximum are not all alike."""
    pipe, broker, link = t.online(reconnectMin=0.02, reconnectMax=0.5)
    found, _ = gaps(broker, 18, lose(pipe, link), refuse)
    text = bounded(found, 0.02, 0.5)
    late = found[-10:]
    check(max(late) - min(late) > 0.04, f"no jitter: {text}")
    check(min(late) >= 0.25 - EARLY, f"the upper half: {text}")


def test_offline_once_per_loss(t):
    """Section 6: online and offline come once per connection and loss; failed attempts may add offline events, never online ones."""
    pipe, broker, link = t.online(reconnectMin=0.02, reconnectMax=0.05)
    for _ in range(5):
        link.close()
        pipe.event("offline", error="connectionLost")
        link = t.again(pipe, broker)
    events = [line["event"] for line in pipe.order if line.get("event") in ("online", "offline")]
    check(events == ["online"] + ["offline", "online"] * 5, str(events))
