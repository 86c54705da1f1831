"""bench and test: the figures they report."""

import json
import re
import unittest

from support import Child, Mosquitto, free_port, mqttc, run

NUMBERS = ["messagesPerSecond", "seconds", "userSeconds", "systemSeconds", "p50Microseconds", "p99Microseconds", "p999Microseconds",
           "maxResidentKiB", "lost", "duplicated"]


class Bench(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Mosquitto()
        cls.port = str(cls.broker.port)

    @classmethod
    def tearDownClass(cls):
        cls.broker.close()

    def bench(self, text, status=0):
        ended, output, errors = run([mqttc(), "bench", *text.split(), "-p", self.port, "--json"])
        self.assertEqual(ended, status, errors)
        self.assertEqual(output.count(b"\n"), 1, "one object on one line")
        report = json.loads(output)
        for name in NUMBERS:
            self.assertIsInstance(report[name], (int, float), name)
        return report

    def test_pub_at_each_level(self):
        for qos in range(3):
            with self.subTest(qos):
                before = self.received(f"bench/{qos}")
                report = self.bench(f"pub --qos {qos} --count 3000 --size 20 --window 100 -t bench/{qos}")
                self.assertEqual((report["count"], report["size"], report["qos"], report["lost"]), (3000, 20, qos, 0))
                self.assertAlmostEqual(report["messagesPerSecond"], 3000 / report["seconds"], delta=3000 / report["seconds"] / 100)
                self.assertGreater(report["p999Microseconds"], 0)
                self.assertLessEqual(report["p50Microseconds"], report["p99Microseconds"])
                self.assertGreater(report["maxResidentKiB"], 1000)
                self.assertEqual(self.received(f"bench/{qos}") - before, 3000)

    def received(self, topic):
        return self.broker.log().count(f"'{topic}', ... (20 bytes)")

    def test_pub_with_several_clients(self):
        report = self.bench("pub --qos 1 --count 1001 --clients 4 --size 20 -t bench/several")
        self.assertEqual((report["count"], report["clients"]), (1001, 4))
        self.assertEqual(self.received("bench/several"), 1001)

    def test_window_bounds_what_is_outstanding(self):
        self.bench("pub --qos 1 --count 500 --window 3 --size 20 -t bench/window -i windowed")
        outstanding, most = 0, 0
        for line in self.broker.log().split("\n"):
            if "Received PUBLISH from windowed" in line:
                outstanding += 1
                most = max(most, outstanding)
            elif "Sending PUBACK to windowed" in line:
                outstanding -= 1
        self.assertTrue(0 < most <= 3, most)

    def test_rate(self):
        report = self.bench("pub --qos 1 --count 200 --rate 400")
        self.assertGreaterEqual(report["seconds"], 199 / 400)

    def test_sub_with_publish_at_each_level(self):
        for qos in range(3):
            with self.subTest(qos):
                report = self.bench(f"sub --publish --qos {qos} --count 2000 -t bench/both/{qos}")
                self.assertEqual((report["count"], report["lost"], report["duplicated"]), (2000, 0, 0))
                self.assertGreater(report["p50Microseconds"], 0)

    def test_sub_whoever_publishes(self):
        for publisher in ([mqttc(), "bench", "pub", "-t", "bench/whoever", "--count", "500", "--qos", "1"],
                          ["mosquitto_pub", "-t", "bench/whoever", "-m", "x", "--repeat", "500", "-q", "1"]):
            with self.subTest(publisher[0]):
                seen = self.broker.log().count("bench/whoever (QoS 1)")
                child = Child([mqttc(), "bench", "sub", "-p", self.port, "-t", "bench/whoever", "--qos", "1", "--count", "500", "--json"])
                self.broker.wait_for("bench/whoever (QoS 1)", seen + 1)
                self.assertEqual(run([*publisher, "-p", self.port])[0], 0)
                status, output, _ = child.end()
                report = json.loads(output)
                self.assertEqual((status, report["count"], report["lost"], report["duplicated"]), (0, 500, 0, 0))

    def test_sub_gives_up_in_time(self):
        self.assertEqual(run([mqttc(), "bench", "sub", "-p", self.port, "-t", "bench/never", "--count", "5", "-W", "0.2"])[0], 75)

    def test_rtt(self):
        report = self.bench("rtt --count 300")
        self.assertEqual((report["count"], report["qos"]), (300, 1))
        self.assertGreater(report["p50Microseconds"], 1)

    def test_idle(self):
        report = self.bench("idle --clients 50 --seconds 0.2 -i idler")
        self.assertEqual((report["clients"], report["lost"]), (50, 0))
        self.assertEqual(len(set(re.findall(r"as (idler\S*) ", self.broker.log()))), 50)

    def test_large_payloads(self):
        report = self.bench("sub --publish --qos 1 --count 20 --size 1000000")
        self.assertEqual((report["count"], report["lost"]), (20, 0))

    def test_usage(self):
        for text in ("pub --count 0", "rtt --qos 0", "pub --window 0", "sub --rate 5", "idle --clients 0", "nosuch"):
            with self.subTest(text):
                self.assertEqual(run([mqttc(), "bench", *text.split()])[0], 64)

    # MARK: test

    def test_probe(self):
        status, output, _ = run([mqttc(), "test", "-p", self.port, "--json"])
        self.assertEqual(status, 0)
        report = json.loads(output)
        for name in ("v31", "v311", "v50", "emptyClientID", "longClientID", "keepsSessions", "ping", "qos0", "qos1", "qos2", "retained",
                     "wildcards", "sharedSubscriptions", "largePayload"):
            self.assertIs(report[name]["ok"], True, name)
        self.assertEqual(report["receiveMaximum"]["value"], 20)         # Mosquitto's max_inflight_messages
        self.assertGreater(report["ping"]["meanMilliseconds"], 0)
        status, table, _ = run([mqttc(), "test", "-p", self.port])
        self.assertRegex(table.decode(), r"MQTT 3\.1\.1 +yes +connected in \d+\.\d\d ms\n")
        left = run(["mosquitto_sub", "-p", self.port, "-t", "mqttc/#", "--retained-only", "-W", "1"])[1]
        self.assertEqual(left, b"", "nothing is left behind")

    def test_probe_of_a_poorer_broker(self):
        poor = Mosquitto("max_qos 1", "retain_available false", "allow_zero_length_clientid false", "message_size_limit 1000")
        self.addCleanup(poor.close)
        status, output, _ = run([mqttc(), "test", "-p", str(poor.port), "--json", "-W", "1"])
        report = json.loads(output)
        self.assertEqual(status, 0)
        for name, expected in (("qos1", True), ("qos2", False), ("retained", False), ("emptyClientID", False), ("largePayload", False)):
            self.assertIs(report[name]["ok"], expected, name)

    def test_probe_of_nothing(self):
        self.assertEqual(run([mqttc(), "test", "-p", str(free_port())])[0], 69)


if __name__ == "__main__":
    unittest.main()
