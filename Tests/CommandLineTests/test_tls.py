"""TLS by URL and by Mosquitto's options, against a Mosquitto with certificates of the tests' own making."""

import os
import shutil
import subprocess
import tempfile
import unittest

from support import Child, Mosquitto, environment, free_port, mqttc, run


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class TLS(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("openssl"):
            raise unittest.SkipTest("openssl is not installed")
        cls.directory = tempfile.mkdtemp(prefix="mqttc-tls-")
        for name in ("root", "other"):
            openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout", cls.file(f"{name}.key"),
                    "-out", cls.file(f"{name}.pem"))
        for name, names in (("broker", "DNS:localhost,IP:127.0.0.1"), ("client", "DNS:localhost"), ("stranger", "DNS:other.example")):
            with open(cls.file("extensions"), "w") as file:
                file.write(f"subjectAltName={names}\n")
            openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", cls.file(f"{name}.key"),
                    "-out", cls.file(f"{name}.csr"))
            openssl("x509", "-req", "-in", cls.file(f"{name}.csr"), "-CA", cls.file("root.pem"), "-CAkey", cls.file("root.key"), "-CAcreateserial",
                    "-days", "2", "-extfile", cls.file("extensions"), "-out", cls.file(f"{name}.pem"))
        for name in os.listdir(cls.directory):
            os.chmod(cls.file(name), 0o644)
        os.chmod(cls.directory, 0o755)
        cls.tls_port, cls.strict_port, cls.stranger_port = free_port(), free_port(), free_port()

        def certificates(name):
            return f"cafile {cls.file('root.pem')}", f"certfile {cls.file(name)}.pem", f"keyfile {cls.file(name)}.key"

        cls.broker = Mosquitto(f"listener {cls.tls_port} 127.0.0.1", *certificates("broker"),
                               f"listener {cls.stranger_port} 127.0.0.1", *certificates("stranger"),
                               f"listener {cls.strict_port} 127.0.0.1", *certificates("broker"), "require_certificate true")

    @classmethod
    def tearDownClass(cls):
        cls.broker.close()
        shutil.rmtree(cls.directory, ignore_errors=True)

    @classmethod
    def file(cls, name):
        return os.path.join(cls.directory, name)

    def publish(self, *words):
        status, _, errors = run([mqttc(), "pub", "-t", "tls/a", "-m", "x", "-q", "1", *words])
        self.assertEqual(bool(status), bool(errors), errors)
        return status

    def test_by_options_and_by_url(self):
        root = ["--cafile", self.file("root.pem")]
        subscriber = Child(["mosquitto_sub", "-p", str(self.broker.port), "-t", "tls/a", "-C", "2"])
        self.broker.wait_for(" 0 tls/a\n")
        self.assertEqual(self.publish("-h", "localhost", "-p", str(self.tls_port), *root), 0)
        self.assertEqual(self.publish(f"mqtts://127.0.0.1:{self.tls_port}", *root), 0)
        self.assertEqual(subscriber.end()[:2], (0, b"x\nx\n"))

    def test_certificates_that_nobody_vouches_for(self):
        self.assertEqual(self.publish(f"mqtts://localhost:{self.tls_port}"), 69)
        self.assertEqual(self.publish(f"mqtts://localhost:{self.tls_port}", "--cafile", self.file("other.pem")), 69)

    def test_insecure_is_about_the_name_alone(self):
        """As Mosquitto's: somebody still has to vouch for the broker."""
        for host in ("localhost", "127.0.0.1"):
            where = ["-h", host, "-p", str(self.stranger_port)]
            with self.subTest(host):
                self.assertEqual(self.publish(*where, "--cafile", self.file("root.pem")), 69)
                self.assertEqual(self.publish(*where, "--cafile", self.file("root.pem"), "--insecure"), 0)
                self.assertEqual(self.publish(*where, "--cafile", self.file("other.pem"), "--insecure"), 69)
        self.assertEqual(self.publish("-h", "localhost", "-p", str(self.stranger_port), "--insecure"), 64)

    def test_plain_text_is_no_fallback(self):
        self.assertEqual(self.publish(f"mqtts://localhost:{self.broker.port}", "--cafile", self.file("root.pem")), 69)

    def test_client_certificates(self):
        where = [f"mqtts://localhost:{self.strict_port}", "--cafile", self.file("root.pem")]
        self.assertEqual(self.publish(*where, "--cert", self.file("client.pem"), "--key", self.file("client.key")), 0)
        self.assertNotEqual(self.publish(*where), 0)

    def test_encrypted_client_keys(self):
        where = [f"mqtts://localhost:{self.strict_port}", "--cafile", self.file("root.pem"), "--cert", self.file("client.pem")]
        for name, form in (("encrypted.key", ["pkcs8", "-topk8"]), ("older.key", ["rsa", "-aes128", "-traditional"])):
            with self.subTest(name):
                openssl(*form, "-in", self.file("client.key"), "-out", self.file(name), "-passout", "pass:secret")
                for password in ("secret", "wrong"):
                    with open(self.file(password), "w") as file:
                        file.write(f"{password}\nmore\n")
                key = [*where, "--key", self.file(name)]
                self.assertEqual(self.publish(*key, "--key-password-file", self.file("secret")), 0)
                self.assertEqual(self.publish(*key, "--key-password-file", self.file("wrong")), 64)
                self.assertEqual(self.publish(*key, "--key-password-file", "/nonexistent"), 64)
        # Without a terminal nobody can be asked.
        status, _, errors = run(["setsid", "--wait", mqttc(), "pub", "-t", "tls/a", "-m", "x", *key])
        self.assertEqual(status, 64)
        self.assertIn(b"--key-password-file", errors)
        self.assertEqual(self.publish(*where, "--key-password-file", self.file("secret")), 64)

    def test_asks_for_the_password_of_a_key(self):
        import pty
        openssl("pkcs8", "-topk8", "-in", self.file("client.key"), "-out", self.file("asked.key"), "-passout", "pass:secret")
        leader, follower = pty.openpty()
        child = subprocess.Popen(
            ["setsid", "--ctty", "--wait", mqttc(), "pub", f"mqtts://localhost:{self.strict_port}", "--cafile", self.file("root.pem"), "--cert",
             self.file("client.pem"), "--key", self.file("asked.key"), "-t", "tls/a", "-m", "x", "-q", "1"],
            stdin=follower, stdout=follower, stderr=follower, env=environment())
        os.close(follower)
        shown = b""
        while b"Password of the key: " not in shown:
            shown += os.read(leader, 1024)
        os.write(leader, b"secret\n")
        self.assertEqual(child.wait(30), 0)
        os.close(leader)

    def test_files_that_cannot_be_read(self):
        self.assertEqual(self.publish(f"mqtts://localhost:{self.tls_port}", "--cafile", "/nonexistent"), 64)

    def test_test_knows_tls(self):
        status, output, errors = run([mqttc(), "test", f"mqtts://localhost:{self.tls_port}", "--cafile", self.file("root.pem")])
        self.assertEqual(status, 0, errors)
        self.assertRegex(output.decode(), r"MQTT 3\.1\.1 +yes")


if __name__ == "__main__":
    unittest.main()
