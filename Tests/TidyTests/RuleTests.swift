// Each rule against a made-up file that breaks it and one that does not, so that a rule that finds nothing is found out.
import Testing

/// A made-up file, and the lines where a rule finds something.
private struct Sample: Sendable, CustomTestStringConvertible {
    let rule: String
    var path = "Sources/MQTT/Client/Sample.swift"
    let text: String
    let lines: [Int]

    var testDescription: String { "\(rule): \(text.prefix(60).split(separator: "\n").joined(separator: "; "))" }
}

private let imports = "a target imports only what stands left of it"
private let frameworks = "test frameworks stay in Tests"
private let core = "Sources/MQTTCore/Wire/Sample.swift"
private let test = "Tests/MQTTTests/Sample.swift"

private let importSamples = [
    Sample(rule: imports, path: core, text: "// import A\nimport Synchronization\n", lines: [2]),
    Sample(rule: imports, path: core, text: "struct A {}\n", lines: []),
    Sample(rule: imports, path: "Sources/MQTTPersistence/S.swift", text: "import MQTTCore\nimport Glibc\nimport NIOCore\n", lines: [3]),
    Sample(rule: imports, path: "Sources/MQTTPersistence/S.swift", text: "public import MQTTCore\nimport Synchronization\n", lines: []),
    Sample(
        rule: imports, path: "Sources/MQTTTransport/S.swift", text: "import NIOCore\npublic import MQTT\nimport Logging\n", lines: [2, 3]),
    Sample(rule: imports, path: "Sources/MQTTTransport/S.swift", text: "@preconcurrency import NIOPosix\nimport MQTTCore\n", lines: []),
    Sample(rule: imports, text: "import Foundation\nimport struct FoundationEssentials.Data\nimport MQTTTesting\n", lines: [1, 2, 3]),
    Sample(rule: imports, text: "import Logging\npublic import MQTTCore\nimport NIOPosix\nimport struct NIOCore.ByteBuffer\n", lines: []),
    Sample(rule: imports, path: "Sources/MQTTTesting/S.swift", text: "import MQTT\nimport ArgumentParser\n", lines: [2]),
    Sample(
        rule: imports, path: "Sources/mqttc/S.swift", text: "import MQTTTesting\nimport ArgumentParser\nimport Foundation\n", lines: [3]),
    Sample(rule: imports, path: test, text: "import Foundation\n", lines: []),
    Sample(rule: frameworks, path: "Sources/MQTTTesting/S.swift", text: "import MQTT\nimport Testing\nimport XCTest\n", lines: [2, 3]),
    Sample(rule: frameworks, path: test, text: "import Testing\n", lines: []),
]

private let nameSamples = [
    Sample(rule: "try! is banned", text: "// try! it\nlet a = try! b()\n", lines: [2]),
    Sample(rule: "try! is banned", text: "let a = try b() // try! no\nlet c = \"try! d\"\n", lines: []),
    Sample(rule: "as! is banned", text: "let a = b as! C\n", lines: [1]),
    Sample(rule: "as! is banned", text: "let a = b as? C\nlet bias = !d\n", lines: []),
    Sample(rule: "fatalError( is banned", text: "\nfatalError(\"no\")\n", lines: [2]),
    Sample(rule: "fatalError( is banned", text: "precondition(a)\n", lines: []),
    Sample(rule: "preconditionFailure( is banned", text: "preconditionFailure()\n", lines: [1]),
    Sample(rule: "preconditionFailure( is banned", text: "precondition(a)\n", lines: []),
    Sample(rule: "print( is banned", text: "print(a)\n", lines: [1]),
    Sample(rule: "print( is banned", text: "self.print(a)\nfunc print() {}\nfootprint(a)\n", lines: []),
    Sample(rule: "print( is banned", path: "Sources/mqttc/S.swift", text: "print(a)\n", lines: []),
    Sample(rule: "debugPrint( is banned", text: "debugPrint(a)\n", lines: [1]),
    Sample(rule: "debugPrint( is banned", path: test, text: "debugPrint(a)\n", lines: []),
    Sample(rule: "Task.sleep is banned", path: test, text: "try await Task.sleep(for: a)\n", lines: [1]),
    Sample(rule: "Task.sleep is banned", text: "try await Task.sleep(for: a)\n", lines: []),
    Sample(rule: "Thread.sleep is banned", path: test, text: "Thread.sleep(forTimeInterval: 1)\n", lines: [1]),
    Sample(rule: "Thread.sleep is banned", path: test, text: "thread.sleep()\n", lines: []),
    Sample(rule: "usleep( is banned", path: test, text: "usleep(1)\n", lines: [1]),
    Sample(rule: "usleep( is banned", path: test, text: "// usleep(1)\n", lines: []),
    Sample(rule: "nanosleep( is banned", path: test, text: "nanosleep(&a, nil)\n", lines: [1]),
    Sample(rule: "nanosleep( is banned", text: "nanosleep(&a, nil)\n", lines: []),
    Sample(rule: "sleep( is banned", path: test, text: "sleep(1)\n", lines: [1]),
    Sample(rule: "sleep( is banned", path: test, text: "clock.sleep(a)\nfunc sleep() {}\n", lines: []),
    Sample(rule: "Mutex<(@Sendable is banned", text: "let a = Mutex<(@Sendable () -> Void)?>(nil)\n", lines: [1]),
    Sample(rule: "Mutex<(@Sendable is banned", text: "let a = Mutex<(any Channel)?>(nil)\n", lines: []),
    Sample(rule: "DispatchQueue is banned", text: "let a = DispatchQueue(label: b)\n", lines: [1]),
    Sample(rule: "DispatchQueue is banned", text: "let a = \"DispatchQueue\"\n", lines: []),
    Sample(
        rule: "type names say what they are", text: "struct TopicInfo {}\nfinal class SessionManager {}\nenum FooUtils {}\n",
        lines: [1, 2, 3]),
    Sample(rule: "type names say what they are", text: "let topicInfo = 1\nstruct Information {}\nclass func makeInfo() {}\n", lines: []),
    Sample(rule: "no version in a type name", text: "struct SessionV5 {}\nenum Codec311 {}\nstruct MQTT5 {}\n", lines: [1, 2, 3]),
    Sample(rule: "no version in a type name", text: "struct UInt24 {}\nenum Version {}\nstruct SHA256 {}\n", lines: []),
    Sample(rule: "nothing is left for later", text: "a() // TODO: b\n/* FIXME */\n/// XXX\n", lines: [1, 2, 3]),
    Sample(rule: "nothing is left for later", text: "let todo = \"TODO\"\nlet xxx = XXX\n", lines: []),
]

private let confinementSamples = [
    Sample(rule: "unsafe stays in named files", text: "let a = unsafe b\n", lines: [1]),
    Sample(rule: "unsafe stays in named files", text: "nonisolated(unsafe) var a = 1\n// unsafe\n", lines: []),
    Sample(rule: "@unchecked stays in named files", text: "struct A: @unchecked Sendable {}\n", lines: [1]),
    Sample(rule: "@unchecked stays in named files", text: "struct A: Sendable {}\n", lines: []),
    Sample(rule: "nonisolated(unsafe) stays in named files", text: "nonisolated(unsafe) var a = 1\n", lines: [1]),
    Sample(rule: "nonisolated(unsafe) stays in named files", text: "nonisolated(nonsending) func a() {}\n", lines: []),
]

private let place = "a file stands in a folder of ARCHITECTURE.md"
private let shapeSamples = [
    Sample(rule: "files are short", text: String(repeating: "\n", count: longestFile + 1), lines: [longestFile + 1]),
    Sample(rule: "files are short", text: String(repeating: "\n", count: longestFile), lines: []),
    Sample(rule: "lines are short", text: "a\n" + String(repeating: "é", count: longestLine + 1), lines: [2]),
    Sample(rule: "lines are short", text: String(repeating: "é", count: longestLine), lines: []),
    Sample(rule: "a file says what it is for", text: "import A\n\nstruct A {\n  // a\n}\n", lines: [3]),
    Sample(rule: "a file says what it is for", text: "import A\n", lines: [1]),
    Sample(rule: "a file says what it is for", text: "\n// What for.\nimport A\nstruct A {}\n", lines: []),
    Sample(rule: "a file says what it is for", text: "#if os(Linux)\nimport A\n#endif\n\n/// What for.\nstruct A {}\n", lines: []),
    Sample(rule: place, path: "Sources/MQTTCore/Sample.swift", text: "", lines: [1]),
    Sample(rule: place, path: "Sources/Other/Sample.swift", text: "", lines: [1]),
    Sample(rule: place, path: core, text: "", lines: []),
    Sample(rule: place, path: "Sources/MQTTTesting/Broker/Sample.swift", text: "", lines: []),
]

@Suite("Each rule finds what it is there to find")
struct RuleTests {
    private static let samples = importSamples + nameSamples + confinementSamples + shapeSamples

    @Test("A sample", arguments: samples)
    private func sample(_ sample: Sample) throws {
        let rule = try #require(Rule.all.first { $0.name == sample.rule }, "there is no rule \(sample.rule)")
        let findings = rule.check(SourceFile(path: sample.path, text: sample.text))
        #expect(findings.map(\.line) == sample.lines)
        #expect(findings.allSatisfy { $0.path == sample.path && !$0.message.isEmpty })
    }

    @Test("Every rule has a sample that breaks it and one that does not", arguments: Rule.all)
    func isSampled(rule: Rule) {
        let own = Self.samples.filter { $0.rule == rule.name }
        #expect(own.contains { !$0.lines.isEmpty })
        #expect(own.contains { $0.lines.isEmpty })
    }

    @Test("A finding names the place and the replacement")
    func findingReads() throws {
        let rule = try #require(Rule.all.first { $0.name == "as! is banned" })
        let finding = try #require(rule.check(SourceFile(path: core, text: "\na as! B\n")).first)
        #expect(finding.description == "\(core):2: instead of as!: `as?` with an answer to nil; in a test `try #require(x as? T)`")
    }
}

@Suite("Package.swift is read right")
struct ManifestTests {
    private static func manifest(_ targets: String) -> String {
        "let package = Package(\n    targets: [\n\(targets)\n    ]\n)\n"
    }

    @Test("A target that points right, sideways or into the tests is found")
    func wrongDirection() {
        let text = Self.manifest(
            """
            .target(name: "MQTTCore", dependencies: ["MQTT"]),
            .target(
                name: "MQTTTransport",
                dependencies: [
                    .product(name: "NIOCore", package: "swift-nio"),
                    "MQTTCore", "MQTTPersistence",
                ]
            ),
            .target(name: "MQTT", dependencies: ["MQTTCore", "Simulation"]),
            """
        )
        let found = findings(inManifest: text)
        #expect(found.map(\.line) == [3, 4, 11])
        #expect(found.last?.message.hasPrefix("MQTT depends on Simulation, ") == true)
    }

    @Test("Targets that point left, and tests, are not")
    func rightDirection() {
        let text = Self.manifest(
            """
            .target(name: "MQTTCore", swiftSettings: settings),
            .target(name: "MQTT", dependencies: ["MQTTCore", .product(name: "Logging", package: "swift-log")]),
            .testTarget(name: "MQTTTests", dependencies: ["MQTT", "Simulation"]),
            """
        )
        #expect(findings(inManifest: text) == [])
        #expect(declaredTargets(in: text).map(\.dependencies) == [[], ["MQTTCore"], ["MQTT", "Simulation"]])
    }
}

@Suite("Code, comments and literals are told apart")
struct MaskingTests {
    @Test(
        "Code that remains",
        arguments: [
            ("a // b\nc", ["a     ", "c"]),
            ("a /* b /* c */ d */ e", ["a                   e"]),
            (#"a("b\"c")d"#, ["a(      )d"]),
            (#"a("\(b("c"))")d"#, ["a(           )d"]),
            (##"a(#"b"c\"#)d"##, ["a(        )d"]),
            ("\"\"\"\na \"b\" \n\"\"\" c", ["   ", "        ", "    c"]),
            ("/ \" /\nb", ["/", "b"]),
        ]
    )
    func code(source: String, expected: [String]) {
        let lines = Masking(source).lines(of: .code).map { $0.replacing(#/\s+$/#, with: "") }
        #expect(lines == expected.map { $0.replacing(#/\s+$/#, with: "") })
    }

    @Test("Comments that remain")
    func comments() {
        #expect(Masking("a // b\n\"// c\" /* d */").lines(of: .comment) == ["  // b", "       /* d */"])
    }
}
