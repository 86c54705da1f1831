// What a rule is, and the list of all rules that look at one file at a time.
import Testing

/// A place that breaks a rule, and what belongs there instead.
struct Finding: Equatable, CustomStringConvertible {
    let path: String
    let line: Int
    let message: String

    var description: String { "\(path):\(line): \(message)" }
}

/// A rule about a single source file.
struct Rule: Sendable, CustomTestStringConvertible {
    let name: String
    let check: @Sendable (SourceFile) -> [Finding]

    var testDescription: String { name }

    static let all = imports + bannedNames + confinements + shapes

    /// A rule that finds lines by their number.
    init(_ name: String, _ message: String, lines: @escaping @Sendable (SourceFile) -> [Int]) {
        self.name = name
        check = { file in lines(file).map { Finding(path: file.path, line: $0, message: message) } }
    }

    /// A rule whose message depends on what was found.
    init(_ name: String, check: @escaping @Sendable (SourceFile) -> [Finding]) {
        self.name = name
        self.check = check
    }
}
