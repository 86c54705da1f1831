"""PIPE.md section 5 and the issue: large messages both ways, with less than 32 MiB of growth in resident memory."""

import hashlib
import time

import mqtt
from case import check

SIZE = 64 << 20
GROWTH = 32 << 20
BLOCK = bytes(n % 251 for n in range(251 * 4096))


def sha_of_pattern(size):
    digest = hashlib.sha256()
    for at in range(0, size, len(BLOCK)):
        digest.update(BLOCK[:min(len(BLOCK), size - at)])
    return digest.hexdigest()


def settle(pipe):
    """Resident bytes before, with the peak set back."""
    time.sleep(0.3)
    pipe.reset_peak()
    return pipe.memory()


def grown(pipe, before):
    return pipe.memory("VmHWM") - before


def receive(t, mode, size, qos):
    """Section 5: read as a stream: memory use does not grow with the size; size and sha256 are right."""
    pipe, _, link = t.online(receive=mode, pauseTimeout=60)
    link.send_aside(mqtt.publish("warm", b"w" * 2_000_000))
    if mode == "pull":
        pipe.op("next")
    pipe.event("bigMessage")
    before = settle(pipe)
    header = mqtt.packet(0x30 | qos << 1, b"", mqtt.length(5 + 2 + size)) + mqtt.string("big") + mqtt.u16(7)
    parts = [header] + [BLOCK[:min(len(BLOCK), size - at)] for at in range(0, size, len(BLOCK))]
    if mode == "pull":
        pipe.op("next")
    for part in parts:
        link.send(part, timeout=60)
    pipe.event("bigMessage", timeout=100, size=size, sha256=sha_of_pattern(size), topic="big", qos=qos)
    check(grown(pipe, before) < GROWTH, f"{grown(pipe, before) >> 20} MiB more for a message of {size >> 20} MiB")
    if mode == "pull":
        pipe.error(pipe.op("next", timeout=0), "timeout")
    link.expect(mqtt.PUBACK if qos == 1 else mqtt.PUBREC, packet_id=7)


def test_receive_64_mib(t):
    """Section 5: bigMessage of 64 MiB, QoS 1, with bounded memory."""
    receive(t, "auto", SIZE, 1)


def test_receive_64_mib_pull(t):
    """Section 5: the same with next, QoS 2."""
    receive(t, "pull", SIZE, 2)


def test_receive_the_largest(t):
    """Section 5: a remaining length of 268,435,455."""
    receive(t, "auto", 268435455 - 7, 1)


def send(t, size, qos):
    """Section 4: payloadSize of that many bytes, made as it is sent: memory use does not grow with the size."""
    pipe, _, link = t.online(pauseTimeout=60)
    identifier = pipe.op("publish", topic="warm", payloadSize=2_000_000)
    link.expect(mqtt.PUBLISH)
    pipe.ok(identifier)
    before = settle(pipe)
    identifier = pipe.op("publish", topic="big", payloadSize=size, qos=qos)
    packet = link.expect(mqtt.PUBLISH, timeout=100, topic="big", qos=qos)
    check(len(packet.payload) == size and hashlib.sha256(packet.payload).hexdigest() == sha_of_pattern(size), "content")
    if qos:
        link.send(mqtt.puback(packet.packet_id))
    pipe.ok(identifier)
    check(grown(pipe, before) < GROWTH, f"{grown(pipe, before) >> 20} MiB more for a message of {size >> 20} MiB")


def test_send_64_mib(t):
    """Section 4 and the issue: 64 MiB out at QoS 1 with bounded memory."""
    send(t, SIZE, 1)


def test_send_64_mib_qos0(t):
    """Section 4 and the issue: 64 MiB out at QoS 0 with bounded memory."""
    send(t, SIZE, 0)


def test_send_the_largest(t):
    """Section 4: a remaining length of 268,435,455."""
    send(t, 268435455 - 5 - 2, 1)


def test_flood_of_small_messages(t):
    """Section 5: 100,000 small messages both ways leave no growth behind."""
    pipe, _, link = t.online(atLeastOnceMax=1000)
    link.send(mqtt.publish("a", b"x"))
    pipe.event("message")
    before = settle(pipe)
    for _ in range(10):
        link.send_aside(mqtt.publish("a", b"x" * 20) * 10_000)
        pipe.messages(10_000, timeout=60)
    check(grown(pipe, before) < GROWTH, f"{grown(pipe, before) >> 20} MiB more after 100,000 messages")


for _test in (test_receive_64_mib, test_receive_64_mib_pull, test_send_64_mib, test_send_64_mib_qos0, test_flood_of_small_messages):
    _test.weight = 5
for _test in (test_receive_the_largest, test_send_the_largest, test_flood_of_small_messages):
    _test.slow = True
