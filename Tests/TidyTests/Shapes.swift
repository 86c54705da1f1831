// The size, the place and the first words of a file.

let longestFile = 400
let longestLine = 140

/// The folders of ARCHITECTURE.md that hold source files. A target with named folders inside has no files beside them.
let folders: Set<String> = [
    "Sources/MQTTCore/Vocabulary", "Sources/MQTTCore/Wire", "Sources/MQTTCore/Topic",
    "Sources/MQTTCore/Session",
    "Sources/MQTTPersistence",
    "Sources/MQTTTransport",
    "Sources/MQTT/Client", "Sources/MQTT/Configuration", "Sources/MQTT/Message", "Sources/MQTT/Driver",
    "Sources/MQTTFoundation",
    "Sources/MQTTTesting",
    "Sources/mqttc",
    "Snippets",
    "Fuzz",
]

extension Rule {
    static let shapes: [Rule] = [
        Rule("files are short", "more than \(longestFile) lines; ask which second idea moved in, and give it a file of its own") { file in
            let count = file.lines.last == "" ? file.lines.count - 1 : file.lines.count
            return count > longestFile ? [longestFile + 1] : []
        },
        Rule("lines are short", "more than \(longestLine) characters; break the line") { file in
            file.lines.indices.filter { file.lines[$0].count > longestLine }.map { $0 + 1 }
        },
        Rule("a file says what it is for", "a comment belongs before the first declaration: what is this file for?") { file in
            firstDeclarationWithoutComment(of: file).map { [$0] } ?? []
        },
        Rule(
            "a file stands in a folder of ARCHITECTURE.md",
            "no folder of ARCHITECTURE.md holds this file; move it, or name the folder there and here"
        ) {
            file in
            file.isBelow("Tests") || folders.contains { file.isBelow($0) } ? [] : [1]
        },
    ]
}

/// The line of the first declaration when no comment precedes it. Imports need no comment; a file without declarations has no purpose.
private func firstDeclarationWithoutComment(of file: SourceFile) -> Int? {
    for index in file.lines.indices {
        if !file.commentLines[index].allSatisfy(\.isWhitespace) { return nil }
        let words = file.codeLines[index].split { $0.isWhitespace }
        if !words.isEmpty, !words.contains("import"), words.first?.hasPrefix("#") != true {
            return index + 1
        }
    }
    return 1
}
