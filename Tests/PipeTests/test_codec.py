"""Self-check: the codec of these tests against bytes written by hand from the standard. Needs no program."""

import mqtt
from broker import Failure, Link
from case import check


def client(text):
    raw = bytes.fromhex(text)
    return mqtt.decode(raw[0], raw[2:])


def refused(text):
    try:
        packet = client(text)
    except mqtt.Malformed:
        return
    raise Failure(f"{text} should be malformed, but is {packet}")


def test_connect_of_the_standard(t):
    """Figure 3.6 and what follows: CONNECT with a will, user name, password, keep alive 10."""
    packet = client("10 26 0004 4d515454 04 ce 000a 0003 616263 0004 77696c6c 0003 627965 0004 75736572 0004 70617373".replace(" ", ""))
    check(packet == mqtt.Packet(mqtt.CONNECT, client_id="abc", clean=True, keep_alive=10, will=("will", b"bye", 1, False),
                                username="user", password=b"pass"), str(packet))


def test_connect_malformed(t):
    """Reserved flag, flags without their fields, trailing bytes, wrong name and level are all found."""
    good = "100d00044d5154540400000000016" + "1"
    check(client(good).client_id == "a", "good one")
    for bad in ["110d00044d51545404000000000161", "100d00044d51545403000000000161", "100d00044d51545a04000000000161",
                "100d00044d51545404010000000161", "100d00044d51545404080000000161", "100d00044d51545404200000000161",
                "100d00044d51545404400000000161", "100d00044d515454041c0000000161", "100e00044d5154540400000000016100",
                "100c00044d515454040000000000", "100d00044d51545404000000000100"]:
        refused(bad)


def test_publish_of_the_standard(t):
    """Figure 3.11: topic a/b, identifier 10, QoS 1."""
    check(client("320700 03612f62 000a".replace(" ", "")) == mqtt.Packet(mqtt.PUBLISH, packet_id=10, topic="a/b", qos=1), "qos 1")
    check(client("3d0900 03612f62 000a 6869".replace(" ", "")) ==
          mqtt.Packet(mqtt.PUBLISH, packet_id=10, topic="a/b", qos=2, dup=True, retain=True, payload=b"hi"), "qos 2")
    for bad in ["360700 03612f62 000a", "38050003612f62", "320700 03612f62 0000", "300500 03612f2b", "300500 03612f23", "30020000",
                "300500 03612f00", "300500 03eda080", "3005000361c080", "3004000361 62"]:
        refused(bad.replace(" ", ""))


def test_requests_of_the_standard(t):
    """Figures 3.23 and 3.31: SUBSCRIBE a/b QoS 1 and c/d QoS 2, UNSUBSCRIBE the same."""
    check(client("820e000a0003612f62010003632f6402") ==
          mqtt.Packet(mqtt.SUBSCRIBE, packet_id=10, filters=[("a/b", 1), ("c/d", 2)]), "subscribe")
    check(client("a20c000a0003612f620003632f64") == mqtt.Packet(mqtt.UNSUBSCRIBE, packet_id=10, filters=["a/b", "c/d"]), "unsubscribe")
    for bad in ["800e000a0003612f62010003632f6402", "8202000a", "8208000a0003612f6203", "82080000 0003612f6201".replace(" ", ""),
                "8208000a0003612f6211", "a202000a", "8205000a000001", "8208000a0003232f6101", "8208000a0003612b6101"]:
        refused(bad)


def test_acknowledgements(t):
    """Sections 3.4 to 3.7, 3.12, 3.14: two bytes of identifier, or nothing at all."""
    for first, kind in [("40", mqtt.PUBACK), ("50", mqtt.PUBREC), ("62", mqtt.PUBREL), ("70", mqtt.PUBCOMP)]:
        check(client(first + "021234") == mqtt.Packet(kind, packet_id=0x1234), first)
        refused(first + "020000")
        refused(first + "0112")
        refused(first + "03123400")
    for bad in ["41021234", "60021234", "63021234", "72021234", "c100", "c00100", "e100", "e00100", "d000", "20020000", "0000", "f000"]:
        refused(bad)
    check(client("c000").type == mqtt.PINGREQ and client("e000").type == mqtt.DISCONNECT, "without a body")


def test_encoder(t):
    """What the broker sends has the bytes of the standard."""
    for value, text in [(0, "00"), (127, "7f"), (128, "8001"), (16383, "ff7f"), (16384, "808001"), (2097151, "ffff7f"),
                        (2097152, "80808001"), (268435455, "ffffff7f")]:
        check(mqtt.length(value).hex() == text, f"{value}: {mqtt.length(value).hex()}")
    for raw, text in [(mqtt.connack(), "20020000"), (mqtt.connack(True), "20020100"), (mqtt.connack(False, 5), "20020005"),
                      (mqtt.publish("a/b", b"hi"), "30070003612f626869"), (mqtt.publish("a/b", b"", 1, 10), "32070003612f62000a"),
                      (mqtt.publish("a/b", b"", 2, 10, True, True), "3d070003612f62000a"), (mqtt.puback(258), "40020102"),
                      (mqtt.pubrec(258), "50020102"), (mqtt.pubrel(258), "62020102"), (mqtt.pubcomp(258), "70020102"),
                      (mqtt.suback(10, [0, 2, 128]), "9005000a000280"), (mqtt.unsuback(10), "b002000a"), (mqtt.pingresp(), "d000"),
                      (mqtt.packet(0x30, b"x", b"\xff\xff\xff\xff\x7f"), "30ffffffff7f78")]:
        check(raw.hex() == text, f"{raw.hex()} should be {text}")


def test_framing(t):
    """A link finds packets in any split, and finds a false remaining length."""
    link = Link.__new__(Link)
    for raw, expected in [("c0", None), ("c000", (2, 0)), ("3080", None), ("308001", (3, 128)), ("30ffffff7f", (5, 268435455))]:
        link.buffer = bytearray.fromhex(raw)
        check(link._header() == expected, f"{raw}: {link._header()}")
    for raw in ["308000", "30ffffffff01"]:
        link.buffer = bytearray.fromhex(raw)
        try:
            link._header()
        except mqtt.Malformed:
            continue
        raise Failure(f"{raw} should be malformed")
