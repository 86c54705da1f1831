// Which target may import what: ARCHITECTURE.md, "The house". An import may only point left.

/// The modules that a target may import.
private enum Allowance {
    case nothing
    case only(@Sendable (String) -> Bool, described: String)
    case everythingButFoundation
}

private let systemLibraries: Set<String> = ["Glibc", "Musl", "Android", "Darwin"]
private let testFrameworks: Set<String> = ["Testing", "XCTest"]
/// Mutex and Atomic, and the Mutex of scripts/test-thread-sanitizer that no other build has (`#if TSAN`).
private let locks: Set<String> = ["Synchronization", "SanitizerMutex"]
private let belowMQTT = locks.union(["MQTTCore", "MQTTPersistence", "MQTTTransport", "DequeModule", "Logging"])

private let allowances: [String: Allowance] = [
    "MQTTCore": .nothing,
    "MQTTPersistence": .only(
        { $0 == "MQTTCore" || locks.contains($0) || systemLibraries.contains($0) },
        described: "MQTTCore, Synchronization and the system's C library"
    ),
    "MQTTTransport": .only(
        { $0 == "MQTTCore" || $0.hasPrefix("NIO") || systemLibraries.contains($0) }, described: "MQTTCore, NIO and the system's C library"
    ),
    "MQTT": .only(
        { belowMQTT.contains($0) || $0.hasPrefix("NIO") },
        described: "MQTTCore, MQTTPersistence, MQTTTransport, NIO, DequeModule, Logging and Synchronization"
    ),
    "MQTTFoundation": .only(
        { ["MQTT", "Foundation", "FoundationEssentials"].contains($0) }, described: "MQTT and Foundation"
    ),
    "MQTTTesting": .only(
        { $0 == "MQTT" || belowMQTT.contains($0) || $0.hasPrefix("NIO") || systemLibraries.contains($0) },
        described: "MQTT, what MQTT may import, and the system's C library"
    ),
    "mqttc": .everythingButFoundation,
]

/// Files that may import what their target may not.
private let exceptions: [String: String] = [
    "Sources/MQTT/Driver/BusyMutex.swift": "Glibc"  // a pthread mutex, where the one of Synchronization costs ten times as much
]

/// The targets below Sources, so that another rule can tell a folder that is none of them.
let libraryAndToolTargets: Set<String> = Set(allowances.keys)

private struct Import {
    let module: String
    let line: Int
}

private func importsOf(_ file: SourceFile) -> [Import] {
    let kinds: Set<String> = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias", "actor"]
    return file.indices(of: ["import"]).compactMap { index in
        let following = file.tokens[(index + 1)...].drop { kinds.contains($0.text) }
        return following.first.map { Import(module: $0.text, line: file.tokens[index].line) }
    }
}

extension Rule {
    static let imports: [Rule] = [
        Rule("a target imports only what stands left of it") { file in
            guard file.isBelow("Sources"), let allowance = allowances[file.target] else { return [] }
            return importsOf(file).filter { exceptions[file.path] != $0.module }.compactMap { found in
                let finding = { (advice: String) in
                    Finding(path: file.path, line: found.line, message: "\(file.target) imports \(found.module); \(advice)")
                }
                switch allowance {
                case .nothing:
                    return finding("it imports nothing at all: pass in what it needs as a value")
                case .only(let isAllowed, let described):
                    return isAllowed(found.module) ? nil : finding("it may import \(described)")
                case .everythingButFoundation:
                    return found.module.hasPrefix("Foundation") ? finding("use the standard library, NIO or the C library") : nil
                }
            }
        },
        Rule("test frameworks stay in Tests", "a test framework outside of Tests; offer plain values that a user's test can check") {
            file in
            file.isBelow("Tests") ? [] : importsOf(file).filter { testFrameworks.contains($0.module) }.map(\.line)
        },
    ]
}
