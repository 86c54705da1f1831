// The pages of the DocC catalogue claim what tests show: each test that they name has to exist.
import Foundation
import Testing

@Suite("The documentation names its tests")
struct DocumentationTests {
    private static let catalogue = "Sources/MQTT/MQTT.docc"

    /// The pages that promise something.
    private static func pages() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: Tree.root.appending(path: catalogue).path()).filter { $0.hasSuffix(".md") }
            .sorted()
    }

    /// `Suite/test()` or `test_file.py/test_name` in the list under "Shown by".
    private static func names(in page: String) -> [(suite: String, test: String)] {
        guard let list = page.components(separatedBy: "## Shown by\n").dropFirst().first else { return [] }
        let spans = list.split(separator: "`", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
        return spans.compactMap { span in
            let parts = span.split(separator: "/")
            guard parts.count == 2 else { return nil }
            return (String(parts[0]), String(parts[1].prefix { $0 != "(" }))
        }
    }

    @Test("Each page of a guarantee names tests, and they exist")
    func namedTestsExist() throws {
        let sources = try Tree.sourceFiles().filter { $0.isBelow("Tests") }
        for name in try Self.pages() {
            let page = try Tree.text("\(Self.catalogue)/\(name)")
            guard page.contains("## Shown by") else { continue }
            let tests = Self.names(in: page)
            #expect(!tests.isEmpty, "\(name) names no test")
            for (suite, test) in tests {
                let exists =
                    suite.hasSuffix(".py")
                    ? ["PipeTests", "CommandLineTests"].contains { folder in
                        (try? Tree.text("Tests/\(folder)/\(suite)"))?.contains("def \(test)(") == true
                    }
                    : sources.contains { !$0.indices(of: ["struct", suite]).isEmpty && !$0.indices(of: ["func", test, "("]).isEmpty }
                #expect(exists, "\(name): there is no test \(suite)/\(test)")
            }
        }
    }

    @Test("Every guarantee says by which tests it is shown")
    func guaranteesAreShown() throws {
        let landing = try Tree.text("\(Self.catalogue)/MQTT.md")
        let section = try #require(landing.components(separatedBy: "### Guarantees\n").last?.components(separatedBy: "###").first)
        let guarantees = section.components(separatedBy: "<doc:").dropFirst().map { $0.prefix { $0 != ">" } }
        #expect(guarantees.count > 5)
        for guarantee in guarantees {
            #expect(try Tree.text("\(Self.catalogue)/\(guarantee).md").contains("## Shown by\n"), "\(guarantee) names no tests")
        }
    }
}
