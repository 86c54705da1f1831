// A Swift source file as the rules see it, and the tree of them.
import Foundation

/// A word or a single other character of the code outside of comments and literals.
struct Token: Equatable {
    let text: String
    let line: Int
}

/// A source file: its path from the root of the package, its lines as they are, its comments, and its code as tokens.
struct SourceFile {
    let path: String
    let lines: [String]
    let commentLines: [String]
    let codeLines: [String]
    let tokens: [Token]
    /// Where each token stands: some questions are asked hundreds of times of each file.
    private let positions: [String: [Int]]

    init(path: String, text: String) {
        let masking = Masking(text)
        self.path = path
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        commentLines = masking.lines(of: .comment)
        codeLines = masking.lines(of: .code)
        tokens = codeLines.enumerated().flatMap { index, line in Self.tokens(of: line, number: index + 1) }
        positions = Dictionary(grouping: tokens.indices, by: { [tokens] in tokens[$0].text })
    }

    private static func tokens(of line: String, number: Int) -> [Token] {
        var tokens: [Token] = []
        var word = ""
        for character in line + " " {
            if character.isLetter || character.isNumber || character == "_" {
                word.append(character)
                continue
            }
            if !word.isEmpty { tokens.append(Token(text: word, line: number)) }
            word = ""
            if !character.isWhitespace { tokens.append(Token(text: String(character), line: number)) }
        }
        return tokens
    }

    /// The places where these tokens stand in a row.
    func indices(of sequence: [String]) -> [Int] {
        sequence.first.flatMap { positions[$0] }?.filter { index in
            index + sequence.count <= tokens.count
                && zip(tokens[index...], sequence).allSatisfy { $0.text == $1 }
        } ?? []
    }

    /// The name of the target: the folder below Sources or Tests.
    var target: String {
        let folders = path.split(separator: "/")
        return folders.count > 2 ? String(folders[1]) : ""
    }

    func isBelow(_ folder: String) -> Bool {
        path.hasPrefix(folder + "/")
    }
}

/// The package that these tests belong to.
enum Tree {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    /// Every Swift file below Sources, Tests, Snippets and Fuzz, in the order of their paths. Links to folders are not followed.
    static func sourceFiles() throws -> [SourceFile] {
        try ["Sources", "Tests", "Snippets", "Fuzz"].flatMap(paths(below:)).sorted().map { SourceFile(path: $0, text: try text($0)) }
    }

    private static func paths(below folder: String) -> [String] {
        let files = FileManager.default.enumerator(atPath: root.appending(path: folder).path())
        return (files?.compactMap { $0 as? String } ?? [])
            .filter { $0.hasSuffix(".swift") && !$0.split(separator: "/").contains { $0.hasPrefix(".") } }
            .map { "\(folder)/\($0)" }
    }
}
