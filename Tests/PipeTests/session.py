"""A small broker session with seeded faults, to cut connections at arbitrary moments and see what got through."""

import mqtt
from broker import Ended, Failure


class Session:
    """What the broker knows of the client, across connections. `serve` plays one connection until it is cut."""

    def __init__(self, source, outgoing):
        self.source = source                # random.Random
        self.seen = []                      # (qos, payload) as a broker would pass them on
        self.held = set()                   # QoS 2 identifiers between PUBLISH and PUBREL
        self.waiting = list(outgoing)       # (qos, payload) not yet sent to the client
        self.flight = {}                    # identifier -> [qos, payload, PUBREC seen]
        self.next_id = 1

    def lose(self):
        """The broker forgets the session, messages under way to the client too."""
        self.held.clear()
        self.flight.clear()

    def serve(self, link, packets=None, idle=0.5):
        """Until the client was silent for `idle` seconds (True), or the connection was cut after `packets` packets (False)."""
        for packet_id, (qos, payload, received) in self.flight.items():
            link.send(mqtt.pubrel(packet_id) if received else mqtt.publish("in", payload, qos, packet_id, dup=True))
        quiet = 0.0
        try:
            while packets is None or packets > 0:
                for _ in range(self.source.randrange(4)):
                    self.send_one(link)
                packet = link.packet(0.05)
                quiet = 0.0 if packet or self.waiting else quiet + 0.05
                if packet is not None:
                    packets = None if packets is None else packets - 1
                    self.handle(link, packet, last=packets == 0)
                elif quiet >= idle and not self.flight:
                    return True
                elif quiet >= 20:
                    raise Failure(f"never acknowledged by the client: {list(self.flight.items())[:5]}")
        except Ended:
            raise Failure("the client ended the connection by itself") from None
        link.reset() if self.source.random() < 0.5 else link.close()
        return False

    def send_one(self, link):
        if self.waiting and len(self.flight) < 20:
            qos, payload = self.waiting.pop(0)
            packet_id = self.next_id
            while packet_id in self.flight:
                packet_id = packet_id % 30 + 1
            self.next_id = packet_id % 30 + 1       # few identifiers, so that they are used again soon
            self.flight[packet_id] = [qos, payload, False]
            link.send(mqtt.publish("in", payload, qos, packet_id))

    def handle(self, link, packet, last):
        answer = b""
        if packet.type == mqtt.PUBLISH:
            if packet.qos != 2 or packet.packet_id not in self.held:
                self.seen.append((packet.qos, packet.payload))
            if packet.qos == 2:
                self.held.add(packet.packet_id)
                answer = mqtt.pubrec(packet.packet_id)
            elif packet.qos == 1:
                answer = mqtt.puback(packet.packet_id)
        elif packet.type == mqtt.PUBREL:
            self.held.discard(packet.packet_id)
            answer = mqtt.pubcomp(packet.packet_id)
        elif packet.type in (mqtt.PUBACK, mqtt.PUBCOMP):
            self.flight.pop(packet.packet_id, None)
        elif packet.type == mqtt.PUBREC:
            if packet.packet_id in self.flight:
                self.flight[packet.packet_id][2] = True
            answer = mqtt.pubrel(packet.packet_id)
        else:
            raise Failure(f"unexpected {packet}")
        if last:        # the answer is lost, or a part of it arrives
            answer = answer[:self.source.randrange(len(answer) + 1)]
        if answer:
            link.send(answer)
