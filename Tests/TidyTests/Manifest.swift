// The targets of Package.swift and the order among them: MQTTCore <- MQTTPersistence, MQTTTransport <- MQTT <- MQTTTesting <- mqttc.

/// How far right each target below Sources stands. A target may depend only on targets of a smaller rank.
private let ranks = ["MQTTCore": 0, "MQTTPersistence": 1, "MQTTTransport": 1, "MQTT": 2, "MQTTFoundation": 3, "MQTTTesting": 3, "mqttc": 4]

/// A target as Package.swift declares it.
struct DeclaredTarget: Equatable {
    let name: String
    let dependencies: [String]
    let line: Int
}

/// The targets that Package.swift declares, read from its text: a test cannot ask the package tool while it holds its lock.
func declaredTargets(in manifest: String) -> [DeclaredTarget] {
    let lines = manifest.split(separator: "\n", omittingEmptySubsequences: false)
    let starts = lines.indices.filter { index in
        [".target(", ".executableTarget(", ".testTarget("].contains { lines[index].contains($0) }
    }
    return starts.compactMap { start in
        let text = balanced(lines[start...].joined(separator: "\n"), from: "(", to: ")")
        guard let name = quoted(text[...]).first else { return nil }
        guard let position = text.range(ofWord: "dependencies:") else {
            return DeclaredTarget(name: name, dependencies: [], line: start + 1)
        }
        let list = balanced(String(text[position...]), from: "[", to: "]")
        // A product of another package is written `.product(name: "NIOCore", package: "swift-nio")`: only the bare names are ours.
        let own = quoted(withoutParentheses(list)[...])
        return DeclaredTarget(name: name, dependencies: own, line: start + 1)
    }
}

/// What Package.swift says against the order of the targets.
func findings(inManifest manifest: String) -> [Finding] {
    declaredTargets(in: manifest).flatMap { target -> [Finding] in
        guard let rank = ranks[target.name] else { return [] }
        return target.dependencies.filter { dependency in ranks[dependency].map { $0 >= rank } ?? true }.map { dependency in
            let message = "\(target.name) depends on \(dependency), which does not stand left of it; pass the value in from the right"
            return Finding(path: "Package.swift", line: target.line, message: message)
        }
    }
}

/// The text from the first opening character to its closing one.
private func balanced(_ text: String, from opening: Character, to closing: Character) -> String {
    var depth = 0
    var result = ""
    for character in text {
        if character == opening { depth += 1 }
        if depth > 0 { result.append(character) }
        if character == closing {
            depth -= 1
            if depth == 0 { break }
        }
    }
    return result
}

private func withoutParentheses(_ text: String) -> String {
    var depth = 0
    return String(
        text.filter { character in
            if character == "(" { depth += 1 }
            defer { if character == ")" { depth -= 1 } }
            return depth == 0
        })
}

private func quoted(_ text: Substring) -> [String] {
    text.split(separator: "\"", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }.map { String($0.element) }
}

extension String {
    fileprivate func range(ofWord word: String) -> String.Index? {
        indices.first { self[$0...].hasPrefix(word) }
    }
}
