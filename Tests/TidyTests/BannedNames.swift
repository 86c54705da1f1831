// Names that have no place here, each with what belongs there instead.

/// Tokens that must not stand in a row.
private struct Ban: Sendable {
    let tokens: [String]
    let replacement: String
    /// Where the ban holds.
    var scope: @Sendable (SourceFile) -> Bool = { _ in true }
    /// Tokens that, right before, make it something else.
    var unlessAfter: Set<String> = []
}

private func isLibrary(_ file: SourceFile) -> Bool {
    file.isBelow("Sources") && !file.isBelow("Sources/mqttc")
}

private func isTest(_ file: SourceFile) -> Bool {
    // The soak is a program about real time.
    file.isBelow("Tests") && !file.path.hasPrefix("Tests/soak/")
}

/// Files whose `preconditionFailure` guards an invariant of our own that no peer byte can reach.
private let filesWithPreconditionFailure: Set<String> = []

private let filesWithDispatchQueue: Set<String> = [
    "Tests/CommandTests/OutputPipe.swift",
    "Tests/DriverSimulation/SimulatedEventLoop.swift",  // the protocol of event loops names it
]

private let waiting = "wait for the event itself, or move a manual clock: a sleep is too short on one machine and too long on all others"

private let bans: [Ban] = [
    Ban(tokens: ["try", "!"], replacement: "`try`, and an error that says what failed"),
    Ban(tokens: ["as", "!"], replacement: "`as?` with an answer to nil; in a test `try #require(x as? T)`"),
    Ban(tokens: ["fatalError", "("], replacement: "a thrown MQTTError, or `precondition` on an invariant of our own"),
    Ban(
        tokens: ["preconditionFailure", "("],
        replacement: "`precondition` with the invariant as its condition, or name the file in BannedNames.swift",
        scope: { !filesWithPreconditionFailure.contains($0.path) }
    ),
    Ban(
        tokens: ["print", "("], replacement: "the user's Logger; a library owns no standard output", scope: isLibrary,
        unlessAfter: [".", "func"]),
    Ban(
        tokens: ["debugPrint", "("], replacement: "the user's Logger; a library owns no standard output", scope: isLibrary,
        unlessAfter: [".", "func"]),
    Ban(tokens: ["Mutex", "<", "(", "@", "Sendable"], replacement: "`Mutex<Callback?>`: a bare closure is wrapped anew at each look at it"),
    Ban(tokens: ["Task", ".", "sleep"], replacement: waiting, scope: isTest),
    Ban(tokens: ["Thread", ".", "sleep"], replacement: waiting, scope: isTest),
    Ban(tokens: ["usleep", "("], replacement: waiting, scope: isTest),
    Ban(tokens: ["nanosleep", "("], replacement: waiting, scope: isTest),
    Ban(tokens: ["sleep", "("], replacement: waiting, scope: isTest, unlessAfter: [".", "func"]),
    Ban(
        tokens: ["DispatchQueue"], replacement: "`Mutex` from Synchronization for state, a task or an event loop for work",
        // Reading standard input and writing standard output block: each needs a thread of its own.
        scope: { !$0.path.hasPrefix("Sources/mqttc/Streams/") && !filesWithDispatchQueue.contains($0.path) }),
]

private let typeKeywords: Set<String> = ["struct", "class", "enum", "actor", "protocol", "typealias"]

/// Endings of type names that say nothing.
private let emptyEndings = ["Info", "Manager", "Helper", "Helpers", "Util", "Utils"]

extension Rule {
    static let bannedNames: [Rule] =
        bans.map { ban in
            let name = ban.tokens.joined()
            return Rule("\(name) is banned", "instead of \(name): \(ban.replacement)") { file in
                guard ban.scope(file) else { return [] }
                return file.indices(of: ban.tokens).filter { index in
                    index == 0 || !ban.unlessAfter.contains(file.tokens[index - 1].text)
                }.map { file.tokens[$0].line }
            }
        } + [
            Rule("type names say what they are", "a name that says nothing; name the thing by what it is in the standard") { file in
                typeNames(of: file).filter { name in emptyEndings.contains { name.text.hasSuffix($0) } }.map(\.line)
            },
            Rule("no version in a type name", "a version in a name; the version is a value, there is one type for both") { file in
                typeNames(of: file).filter { endsInVersion($0.text) }.map(\.line)
            },
            Rule("nothing is left for later", "do it now, or open an issue and say nothing here") { file in
                let marks: Set<Substring> = ["TODO", "FIXME", "XXX"]
                return file.commentLines.indices.filter { index in
                    file.commentLines[index].split { !$0.isLetter }.contains { marks.contains($0) }
                }.map { $0 + 1 }
            },
        ]
}

private func typeNames(of file: SourceFile) -> [Token] {
    zip(file.tokens, file.tokens.dropFirst()).filter { typeKeywords.contains($0.text) && $1.text.first?.isUppercase == true }.map(\.1)
}

/// `SessionV5`, `CodecV311`, `Packet50`, `MQTT5`.
private func endsInVersion(_ name: String) -> Bool {
    let digits = name.reversed().prefix { $0.isNumber }
    let rest = name.dropLast(digits.count)
    return !digits.isEmpty && (rest.hasSuffix("V") || rest == "MQTT" || ["311", "50"].contains(String(digits.reversed())))
}
