"""PIPE.md sections 3 and 4, `store` and `session`: what was accepted, and what was received at QoS 2, survives SIGKILL."""

import glob
import os
import subprocess
import time

import mqtt
from case import Skipped, check, table
from test_resend import collect, finish, open_publishes, per_level


def durable(t, pipe=None, broker=None, session_present=False, session="resume", store="store", **fields):
    """A process with a connected client whose session is on disk: (pipe, broker, link)."""
    if any("reference" in part for part in t.program):
        raise Skipped("the reference client has no store")
    pipe, broker = pipe or t.pipe(), broker or t.broker()
    link = t.join(pipe, broker, session_present, store=f"{t.folder()}/{store}", session=session, **fields)
    return pipe, broker, link


def resumed(t, broker, crashed, session_present=True, **fields):
    """The next process with the same store, after the one before was killed."""
    crashed.crash()
    pipe, _, link = durable(t, broker=broker, session_present=session_present, **fields)
    return pipe, link


def files(t):
    return sorted(path for path in glob.glob(t.folder() + "/store/*") if os.path.getsize(path))


# Publishing

def test_publishes_survive_a_kill(t):
    """Section 4: accepted messages go out, in order and with their QoS, when the session is resumed; and once more after that."""
    pipe, broker, link = durable(t)
    open_publishes(pipe, 20)
    first = collect(link, 20)
    for _ in range(3):
        pipe, link = resumed(t, broker, pipe)
        again = collect(link, 20)
        check(all(p.dup for p in again), "DUP on each [MQTT-3.3.1-1]")
        check(per_level(again) == per_level(first), f"order and identifiers: {per_level(again)}")
        check([p.payload for p in again] == [p.payload for p in first], "one order for both levels [MQTT-4.6.0-1]")
    later = pipe.op("publish", topic="a", qos=1, payload="later")
    packet = link.expect(mqtt.PUBLISH, payload=b"later", dup=False)
    finish(pipe, link, [*again, packet], [later])
    # The ops of the others ended with their processes. PINGRESP comes behind the last PUBCOMP.
    ping = pipe.op("ping")
    link.expect(mqtt.PINGREQ)
    link.send(mqtt.pingresp())
    pipe.ok(ping)
    pipe.call("disconnect")
    _, _, link = durable(t, broker=broker, session_present=True)
    link.expect_nothing(0.3)


def test_accepted_offline(t):
    """Section 4: without a connection messages are accepted too, and a SIGKILL later they are sent."""
    pipe, broker, link = durable(t)
    t.offline(pipe, broker, link)
    count = 38      # 19 of QoS 2: as many as go out before the broker has answered one
    open_publishes(pipe, count)
    broker.listen()
    pipe, link = resumed(t, broker, pipe)
    check([p.payload for p in collect(link, count)] == [str(n).encode() for n in range(count)], "all, in order")


def test_added_over_several_runs(t):
    """Section 4: what each of several runs has accepted goes out in the order of acceptance."""
    pipe, broker, link = durable(t)
    for run in range(4):
        ops = [pipe.op("publish", topic="a", qos=1 + n % 2, payload=f"{run}.{n}") for n in range(5)]
        pipe.all_accepted(ops)
        pipe, link = resumed(t, broker, pipe)
    payloads = [p.payload.decode() for p in collect(link, 20)]
    check(payloads == [f"{run}.{n}" for run in range(4) for n in range(5)], str(payloads))


def test_pubrec_survives_a_kill(t):
    """[MQTT-4.3.3-1]: after PUBREC no PUBLISH again, but PUBREL, in the order of the PUBRECs [MQTT-4.6.0-4]."""
    pipe, broker, link = durable(t)
    open_publishes(pipe, 4, qos=2)
    packets = collect(link, 4)
    for packet in (packets[2], packets[0]):
        link.send(mqtt.pubrec(packet.packet_id))
        link.expect(mqtt.PUBREL, packet_id=packet.packet_id)
    pipe, link = resumed(t, broker, pipe)
    for packet in (packets[2], packets[0]):
        link.expect(mqtt.PUBREL, packet_id=packet.packet_id)
    for packet in (packets[1], packets[3]):
        link.expect(mqtt.PUBLISH, packet_id=packet.packet_id, dup=True)
    link.expect_nothing(0.2)


def test_session_lost_while_dead(t):
    """Section 6: the broker has no session any more: everything goes out again, what was past PUBREC as a new message."""
    pipe, broker, link = durable(t)
    open_publishes(pipe, 3, qos=2)
    packets = collect(link, 3)
    link.send(mqtt.pubrec(packets[1].packet_id))
    link.expect(mqtt.PUBREL)
    pipe, link = resumed(t, broker, pipe, session_present=False)
    again = collect(link, 3)
    check([p.payload for p in again] == [b"0", b"1", b"2"], "in order")
    check(not again[1].dup, "a new message has no DUP")


def test_completed_are_gone(t):
    """Section 4: what is complete is not sent again, whether the client was ended or killed."""
    pipe, broker, link = durable(t)
    ops = open_publishes(pipe, 10)
    finish(pipe, link, collect(link, 10), ops)
    time.sleep(0.3)     # completion does not wait for the store: killed in between, it could send them again, with DUP (Assumptions.md)
    pipe, link = resumed(t, broker, pipe)
    link.expect_nothing(0.3)


def test_disconnect_keeps_the_rest(t):
    """Section 4, disconnect: incomplete messages stay in the store; in the same process another connect resumes them."""
    pipe, broker, link = durable(t)
    ops = open_publishes(pipe, 6)
    collect(link, 6)
    pipe.call("disconnect")
    link.expect(mqtt.DISCONNECT)
    for op in ops:
        pipe.error(op, "closed")
    _, _, link = durable(t, pipe=pipe, broker=broker, session_present=True)
    check([p.payload for p in collect(link, 6)] == [str(n).encode() for n in range(6)], "all, in order")
    pipe.call("close")
    _, _, link = durable(t, pipe=pipe, broker=broker, session_present=True)
    collect(link, 6)


def test_new_forgets(t):
    """Section 3: session "new" starts empty, whatever the store held."""
    pipe, broker, link = durable(t)
    open_publishes(pipe, 5)
    collect(link, 5)
    pipe, link = resumed(t, broker, pipe, session="new")
    link.expect_nothing(0.3)


def test_many_large(t):
    """Section 4: 100 messages of 200 kB, more than anybody keeps in memory for long, come back whole."""
    pipe, broker, link = durable(t, atLeastOnceMax=1000)
    t.offline(pipe, broker, link)
    ops = [pipe.op("publish", topic="a", qos=1, payloadSize=200_000 + n) for n in range(100)]
    pipe.all_accepted(ops, timeout=60)
    broker.listen()
    pipe, link = resumed(t, broker, pipe, atLeastOnceMax=1000)
    for n in range(100):
        packet = link.expect(mqtt.PUBLISH, dup=True)
        check(packet.payload == bytes(i % 251 for i in range(200_000 + n)), f"payload {n}")
        link.send(mqtt.puback(packet.packet_id))


def test_retain_and_topic(t):
    """Section 4: retain, topic and payload are those that were given, also when they are unusual."""
    pipe, broker, link = durable(t)
    topic = "ä/\ufeff/" + "x" * 60_000
    op = pipe.op("publish", topic=topic, qos=2, retain=True, payloadSize=0)
    pipe.all_accepted([op])
    pipe, link = resumed(t, broker, pipe)
    link.expect(mqtt.PUBLISH, topic=topic, retain=True, payload=b"", qos=2)


def test_queue_limit_counts_the_resumed(t):
    """Section 4: incomplete messages of an earlier run count for atLeastOnceMax."""
    pipe, broker, link = durable(t)
    open_publishes(pipe, 5, qos=1)
    packets = collect(link, 5)
    pipe, link = resumed(t, broker, pipe, atLeastOnceMax=5)
    packets = collect(link, 5)
    pipe.error(pipe.op("publish", topic="a", qos=1), "tooManyRequests")
    link.send(mqtt.puback(packets[0].packet_id))
    link.send(mqtt.publish("x", b""))
    pipe.event("message")
    pipe.all_accepted([pipe.op("publish", topic="a", qos=1)])


# Receiving

def test_received_once_over_a_kill(t):
    """Section 5: once PUBREC was sent, the message is not delivered again, [MQTT-4.3.3-2]; after PUBREL its identifier is free."""
    pipe, broker, link = durable(t, session_present=True)
    for packet_id in (7, 9):
        link.send(mqtt.publish("a", b"first", 2, packet_id))
        link.expect(mqtt.PUBREC, packet_id=packet_id)
        pipe.event("message")
    link.send(mqtt.pubrel(9))
    link.expect(mqtt.PUBCOMP, packet_id=9)
    pipe, link = resumed(t, broker, pipe)
    link.send(mqtt.publish("a", b"first", 2, 7, dup=True))
    link.expect(mqtt.PUBREC, packet_id=7)
    pipe.no_event("message")
    link.send(mqtt.publish("a", b"new", 2, 9))
    link.expect(mqtt.PUBREC, packet_id=9)
    pipe.event("message", payloadBase64="bmV3")
    link.send(mqtt.pubrel(7))
    link.expect(mqtt.PUBCOMP, packet_id=7)
    link.send(mqtt.publish("a", b"again", 2, 7))
    link.expect(mqtt.PUBREC, packet_id=7)
    pipe.event("message", payloadBase64="YWdhaW4=")


def test_not_taken_comes_again(t):
    """Section 5, pull: without PUBREC the message belongs to the broker, and is delivered after the SIGKILL."""
    pipe, broker, link = durable(t, session_present=True, receive="pull")
    link.send(mqtt.publish("a", b"x", 2, 7))
    pipe.call("next")
    pipe.event("message")
    link.expect_nothing(0.2)
    pipe, link = resumed(t, broker, pipe, receive="pull")
    link.send(mqtt.publish("a", b"x", 2, 7, dup=True))
    pipe.call("next")
    pipe.event("message", payloadBase64="eA==")


def test_lost_session_frees_identifiers(t):
    """Session present 0 after a restart: identifiers of the old session are new messages."""
    pipe, broker, link = durable(t, session_present=True)
    link.send(mqtt.publish("a", b"old", 2, 7))
    link.expect(mqtt.PUBREC, packet_id=7)
    pipe, link = resumed(t, broker, pipe, session_present=False)
    link.send(mqtt.publish("a", b"new", 2, 7))
    link.expect(mqtt.PUBREC, packet_id=7)
    pipe.event("message", payloadBase64="bmV3")


# The store

def test_client_identifier_is_kept(t):
    """Section 3: an empty clientID on resume takes the stored one, with clean session 0."""
    pipe, broker, _ = durable(t, clientID="gateway")
    pipe.crash()
    pipe = t.pipe()
    op = t.dial(pipe, broker, clientID="", store=t.folder() + "/store", session="resume")
    link = broker.accept()
    link.expect(mqtt.CONNECT, client_id="gateway", clean=False)
    link.send(mqtt.connack(True))
    pipe.ok(op)


def test_another_client(t):
    """Section 3: a store of another client identifier is `persistence` with either value, and keeps what it has."""
    pipe, broker, link = durable(t)
    open_publishes(pipe, 3)
    collect(link, 3)
    pipe.crash()
    pipe = t.pipe()
    for session in ("new", "resume"):
        pipe.error(t.dial(pipe, broker, clientID="other", store=t.folder() + "/store", session=session), "persistence")
    broker.expect_no_connection(0.2)
    _, _, link = durable(t, pipe=pipe, broker=broker, session_present=True)
    collect(link, 3)


def test_in_use(t):
    """A store that another process has is `persistence`; when that process is gone, it is free."""
    pipe, broker, _ = durable(t)
    second = t.pipe()
    second.error(t.dial(second, broker, store=t.folder() + "/store", session="resume"), "persistence")
    pipe.crash()
    durable(t, pipe=second, broker=broker, session_present=True)


def test_free_after_a_failed_connect(t):
    """Section 3: after a failure there is no client: the store is free for another process at once."""
    if any("reference" in part for part in t.program):
        raise Skipped("the reference client has no store")
    broker, pipe = t.broker(), t.pipe()
    broker.refuse()
    pipe.error(t.dial(pipe, broker, store=t.folder() + "/store", session="resume"), "down")
    broker.listen()
    durable(t, broker=broker)


def unusable(t, make):
    """A place that cannot be a store is `persistence`, and no connection is attempted."""
    path = make(t.folder())
    broker, pipe = t.broker(), t.pipe()
    if any("reference" in part for part in t.program):
        raise Skipped("the reference client has no store")
    pipe.error(t.dial(pipe, broker, store=path, session="resume"), "persistence")
    broker.expect_no_connection(0.2)
    pipe.alive()


def a_file(folder):
    with open(folder + "/file", "w", encoding="ascii") as file:
        file.write("x")
    return folder + "/file"


table(globals(), "unusable", [
    ("file", a_file),
    ("below_a_file", lambda folder: a_file(folder) + "/store"),
    ("device", lambda folder: "/dev/null"),
    ("proc", lambda folder: "/proc/store"),
    ("too_long", lambda folder: folder + "/" + "x" * 300),
], unusable)


def test_made_with_its_parents(t):
    """Section 3: the directory is created when missing."""
    durable(t, store="a/b/c")
    check(os.path.isdir(t.folder() + "/a/b/c"), "directory")


def damaged(t, damage):
    """Section 6, warning: damage costs at most the damaged message; all others are kept, in order, and are sent."""
    pipe, broker, link = durable(t)
    open_publishes(pipe, 30)
    collect(link, 30)
    pipe.crash()
    path = files(t)[-1]
    with open(path, "rb") as file:
        content = bytearray(file.read())
    damage(content)
    with open(path, "wb") as file:
        file.write(content)
    pipe, _, link = durable(t, broker=broker, session_present=True)
    pipe.event("warning")
    numbers, ended = [], []
    while (packet := link.packet(0.5)) is not None:
        (numbers if packet.type == mqtt.PUBLISH else ended).append(packet)
    payloads = [int(packet.payload) for packet in numbers]
    check(payloads == sorted(payloads) and len(payloads) == 29, f"29 in order: {payloads}")
    check(all(packet.type == mqtt.PUBREL for packet in ended) and len(ended) <= 1, f"nothing else: {ended}")


def flip(place):
    def damage(content):
        content[int(len(content) * place)] ^= 0x10
    return damage


table(globals(), "damaged", [(f"at_{percent}_percent", flip(percent / 100)) for percent in (15, 40, 65, 90)], damaged)


def test_other_version(t):
    """A store of another version is `persistence`, and is left as it is."""
    pipe, broker, _ = durable(t)
    pipe.crash()
    path = files(t)[0]
    with open(path, "rb") as file:
        content = bytearray(file.read())
    check(content[8:12] == b"\x01\0\0\0", "the version of the format is at byte 8")
    content[8] = 2
    content[32:36] = crc32c(content[:32]).to_bytes(4, "little")
    with open(path, "wb") as file:
        file.write(content)
    pipe = t.pipe()
    for session in ("new", "resume"):
        pipe.error(t.dial(pipe, broker, store=t.folder() + "/store", session=session), "persistence")
    with open(path, "rb") as file:
        check(file.read() == content, "unchanged")


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def test_full_disk(t):
    """Section 4: when the store cannot be written: `persistence`, nothing accepted is lost; with space again it goes on."""
    place = t.folder() + "/small"
    os.mkdir(place)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], stderr=subprocess.DEVNULL, check=False).returncode:
        raise Skipped("no tmpfs can be mounted here")
    try:
        pipe, broker, link = durable(t, store="small/store", atLeastOnceMax=1000)
        t.offline(pipe, broker, link)
        with open(place + "/ballast", "wb") as ballast:
            ballast.write(bytes(1 << 20))
        accepted, refused = [], 0
        for _ in range(200):
            op = pipe.op("publish", topic="a", qos=1, payloadSize=20_000 + len(accepted))
            pipe._until(lambda: True if op in pipe.accepted or op in pipe.replies else None, 10, "accepted or a reply")
            if op in pipe.accepted:
                accepted.append(op)
            else:
                pipe.error(op, "persistence")
                refused += 1
                if refused >= 3:
                    break
        check(refused and len(accepted) >= 10, f"the disk is full at some time: {len(accepted)} accepted, {refused} refused")
        os.remove(place + "/ballast")
        later = None
        for _ in range(100):
            later = pipe.op("publish", topic="a", qos=1, payload="later")
            pipe._until(lambda: True if later in pipe.accepted or later in pipe.replies else None, 10, "accepted or a reply")
            if later in pipe.accepted:
                break
            pipe.no_reply(0, 0.1)
        check(later in pipe.accepted, "with space again it goes on")
        broker.listen()
        pipe, link = resumed(t, broker, pipe, store="small/store", atLeastOnceMax=1000)
        sizes = [len(p.payload) for p in collect(link, len(accepted) + 1)]
        check(sizes == [*(20_000 + n for n in range(len(accepted))), 5], f"all that was accepted, in order: {sizes}")
    finally:
        for each in t.pipes:
            if each.process.poll() is None:
                each.crash()
        subprocess.run(["umount", "-l", place], check=False)
