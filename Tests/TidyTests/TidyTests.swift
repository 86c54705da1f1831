// The rules of the house, held against the tree as it is.
import Testing

@Suite("The tree is tidy")
struct TidyTests {
    private static let files = Result { try Tree.sourceFiles() }

    @Test("Every file keeps", arguments: Rule.all)
    func everyFileKeeps(rule: Rule) throws {
        for finding in try Self.files.get().flatMap(rule.check) {
            Issue.record("\(finding.description)")
        }
    }

    @Test("There are files to look at, in every target")
    func filesAreFound() throws {
        let targets = Set(try Self.files.get().filter { $0.isBelow("Sources") }.map(\.target))
        #expect(targets == libraryAndToolTargets)
    }

    @Test("Targets depend only on what stands left of them")
    func targetsPointLeft() throws {
        for finding in findings(inManifest: try Tree.text("Package.swift")) {
            Issue.record("\(finding.description)")
        }
    }

    @Test("Package.swift declares the targets that have a folder")
    func targetsAreDeclared() throws {
        let names = Set(declaredTargets(in: try Tree.text("Package.swift")).map(\.name))
        #expect(names.isSuperset(of: libraryAndToolTargets))
    }

    @Test("ARCHITECTURE.md names every folder that may hold sources")
    func foldersAreNamed() throws {
        let page = try Tree.text("ARCHITECTURE.md")
        for folder in folders.sorted() {
            let name = "\(folder.split(separator: "/").last ?? "")/"
            #expect(page.contains(name), "ARCHITECTURE.md: \(folder) is not named; describe it there, or take it from Shapes.swift")
        }
    }
}
