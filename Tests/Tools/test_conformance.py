"""Tests of scripts/conformance on made-up trees: python3 -m unittest discover -s Tests/Tools"""
import contextlib
import importlib.machinery
import importlib.util
import io
import os
import tempfile
import unittest

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts", "conformance")


def load():
    loader = importlib.machinery.SourceFileLoader("conformance", SCRIPT)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("conformance", loader))
    loader.exec_module(module)
    return module


conformance = load()

STATEMENTS = """# List
| id | paraphrase | role |
| --- | --- | --- |
| MQTT-1.0.0-1 | First | send |
| MQTT-1.0.0-2 | Second | receive |
| MQTT-3-8.3-4 | Third | server |
"""
UNTESTED = "| id | reason |\n| --- | --- |\n| MQTT-3-8.3-4 | Nobody can see it. |\n"
TESTS = '@Test("MQTT-1.0.0-1, MQTT-1.0.0-2: both")\nfunc both() {}\n'


class Tree(unittest.TestCase):
    """A made-up project in a temporary folder."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        self.write(conformance.STATEMENTS, STATEMENTS)
        self.write(conformance.UNTESTED, UNTESTED)
        self.write("Tests/SomeTests/Some.swift", TESTS)

    def write(self, path, text):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as stream:
            stream.write(text)

    def page(self):
        with open(os.path.join(self.root, "CONFORMANCE.md"), encoding="utf-8") as stream:
            return stream.read()

    def run_script(self, *arguments):
        complaints, output = io.StringIO(), io.StringIO()
        with contextlib.redirect_stderr(complaints), contextlib.redirect_stdout(output):
            status = conformance.main([*arguments, "--root", self.root])
        return status, complaints.getvalue()


class PageTests(Tree):
    def test_writes_links_reasons_and_the_count(self):
        self.assertEqual(self.run_script(), (0, ""))
        link = "[Tests/SomeTests/Some.swift:1](Tests/SomeTests/Some.swift#L1)"
        self.assertIn(f"| MQTT-1.0.0-1 | First | send | {link} |\n| MQTT-1.0.0-2 | Second | receive | {link} |\n", self.page())
        self.assertIn("| MQTT-3-8.3-4 | Third | server | Nobody can see it. |\n", self.page())
        self.assertIn("3 statements concern a client: 2 have tests, 1 cannot be tested at a client, 0 have neither.", self.page())

    def test_two_tests_of_one_statement_are_both_linked(self):
        self.write("Tests/AnyTests/Any.swift", '\n@Test("MQTT-1.0.0-1: again") func again() {}\n')
        self.run_script()
        self.assertIn("Tests/AnyTests/Any.swift#L2)<br>[Tests/SomeTests/Some.swift:1]", self.page())

    def test_check_accepts_what_was_just_written_and_writes_nothing(self):
        self.run_script()
        before = self.page()
        self.assertEqual(self.run_script("--check"), (0, ""))
        self.assertEqual(self.page(), before)

    def test_check_fails_on_a_moved_test(self):
        self.run_script()
        self.write("Tests/SomeTests/Some.swift", "\n" + TESTS)
        status, complaints = self.run_script("--check")
        self.assertEqual(status, 1)
        self.assertIn("CONFORMANCE.md is stale", complaints)

    def test_check_fails_without_a_page(self):
        status, complaints = self.run_script("--check")
        self.assertEqual(status, 1)
        self.assertIn("CONFORMANCE.md is stale", complaints)


class RuleTests(Tree):
    def complaint(self):
        status, complaints = self.run_script()
        self.assertEqual(status, 1)
        return complaints

    def test_neither_tested_nor_excused(self):
        self.write("Tests/SomeTests/Some.swift", '@Test("MQTT-1.0.0-1") func one() {}\n')
        self.assertEqual(self.complaint(), f"MQTT-1.0.0-2: no test names it, and {conformance.UNTESTED} gives no reason\n")
        self.assertIn("| MQTT-1.0.0-2 | Second | receive | **missing** |", self.page())

    def test_tested_and_excused(self):
        self.write(conformance.UNTESTED, UNTESTED + "| MQTT-1.0.0-1 | Too hard. |\n")
        self.assertIn("MQTT-1.0.0-1 has a test at Tests/SomeTests/Some.swift:1; remove its reason", self.complaint())

    def test_unknown_id_in_a_test(self):
        self.write("Tests/SomeTests/More.swift", '\n\n@Test("MQTT-9.9.9-9") func nine() {}\n')
        self.assertIn("Tests/SomeTests/More.swift:3: there is no statement MQTT-9.9.9-9", self.complaint())

    def test_unknown_id_among_the_reasons(self):
        self.write(conformance.UNTESTED, UNTESTED + "| MQTT-9.9.9-9 | Whatever. |\n")
        self.assertIn("there is no statement MQTT-9.9.9-9", self.complaint())

    def test_broken_tables(self):
        for path, row in [
            (conformance.UNTESTED, UNTESTED + "| MQTT-1.0.0-1 |  |\n"),
            (conformance.UNTESTED, UNTESTED + "| MQTT-3-8.3-4 | Twice. |\n"),
            (conformance.STATEMENTS, STATEMENTS + "| MQTT-1.0.0-3 | No role |\n"),
            (conformance.STATEMENTS, STATEMENTS + "| MQTT-1.0.0-3 | Odd role | broker |\n"),
            (conformance.STATEMENTS, "# Nothing\n"),
        ]:
            with self.subTest(row=row.splitlines()[-1]):
                self.setUp()
                self.write(path, row)
                self.assertIn(path, self.complaint())


class SwiftTests(unittest.TestCase):
    def ids(self, source):
        return [(test.line, test.ids) for test in conformance.swift_tests("A.swift", source)]

    def test_display_name_trait_and_raw_name(self):
        self.assertEqual(self.ids('@Test("MQTT-1.0.0-1: (a) b") func a() {}'), [(1, ["MQTT-1.0.0-1"])])
        self.assertEqual(self.ids('\n@Test(\n  .normative("MQTT-1.0.0-1", "MQTT-1.0.0-2")\n)\nfunc a() {}'),
                         [(2, ["MQTT-1.0.0-1", "MQTT-1.0.0-2"])])
        self.assertEqual(self.ids("@Test func `MQTT-1.0.0-1 holds`() {}"), [(1, ["MQTT-1.0.0-1"])])
        self.assertEqual(self.ids('@Test("MQTT-1.0.0-1", arguments: [f(")"), "("]) func a(b: String) {}'), [(1, ["MQTT-1.0.0-1"])])

    def test_the_misprinted_id_may_be_written_with_dots(self):
        self.assertEqual(self.ids('@Test("MQTT-3.8.3-4") func a() {}'), [(1, ["MQTT-3-8.3-4"])])

    def test_an_id_elsewhere_names_no_test(self):
        for source in [
            "// MQTT-1.0.0-1\n@Test func a() {}",
            "@Test func a() { /* MQTT-1.0.0-1 */ check(\"MQTT-1.0.0-1\") }",
            '// @Test("MQTT-1.0.0-1") func a() {}',
            '/* /* */ @Test("MQTT-1.0.0-1") func a() {} */',
            '@Test(/* MQTT-1.0.0-1 */ "name") func a() {}',
            'let sample = #"@Test("MQTT-1.0.0-1") func a() {}"#',
            'let sample = """\n@Test("MQTT-1.0.0-1") func a() {}\n"""',
            r'let sample = "\(f("@Test(MQTT-1.0.0-1)"))"',
            '@Suite("MQTT-1.0.0-1") struct A {}',
            '@Test("MQTT-1.0.0-1", .disabled("later")) func a() {}',
        ]:
            with self.subTest(source=source):
                self.assertEqual(self.ids(source), [])

    def test_masks_keep_length_and_lines(self):
        source = 'a("x\\"y", #"\\"#, """\n "q" \n""") // "z\nb /* c\n */ d /"/ e\nf'
        bare, code = conformance.mask(source)
        for text in (bare, code):
            self.assertEqual(len(text), len(source))
            self.assertEqual(text.count("\n"), source.count("\n"))
        self.assertIn("\nb", code)
        self.assertTrue(code.endswith("\nf"))
        self.assertNotIn("x", code)
        self.assertIn("x", bare)
        self.assertNotIn("z", bare)


class PythonTests(unittest.TestCase):
    def ids(self, source):
        return [(test.line, test.ids) for test in conformance.python_tests("a.py", source)]

    def test_docstring_and_decorator(self):
        self.assertEqual(self.ids('def test_a():\n    """MQTT-1.0.0-1: x"""\n'), [(1, ["MQTT-1.0.0-1"])])
        self.assertEqual(self.ids('@scenario("MQTT-1.0.0-1")\nasync def a(): pass\n'), [(2, ["MQTT-1.0.0-1"])])

    def test_an_id_elsewhere_names_no_test(self):
        self.assertEqual(self.ids('def helper():\n    """MQTT-1.0.0-1"""\n'), [])
        self.assertEqual(self.ids('def test_a():\n    # MQTT-1.0.0-1\n    pass\n'), [])
        self.assertEqual(self.ids('@unittest.skip("no")\ndef test_a():\n    """MQTT-1.0.0-1"""\n'), [])


if __name__ == "__main__":
    unittest.main()
