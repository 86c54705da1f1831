import Synchronization

/// What `test` has found out, in order.
final class ProbeReport: Sendable {
    enum Verdict: String, Sendable {
        case yes, no
        /// It could not be found out.
        case unknown = "?"
    }

    struct Entry: Sendable, Equatable {
        /// The member of the JSON object.
        var name: String
        /// For people.
        var title: String
        var verdict: Verdict?
        var detail: String
        /// Numbers by their names, for programs.
        var numbers: [(String, Double)] = []

        static func == (left: Entry, right: Entry) -> Bool {
            left.name == right.name && left.verdict == right.verdict && left.detail == right.detail
        }
    }

    private let entries = Mutex<[Entry]>([])

    func add(_ name: String, _ title: String, _ verdict: Verdict?, _ detail: String = "", numbers: [(String, Double)] = []) {
        entries.withLock { $0.append(Entry(name: name, title: title, verdict: verdict, detail: detail, numbers: numbers)) }
    }

    func table(_ broker: String) -> [UInt8] {
        let entries = entries.withLock { $0 }
        let width = entries.map(\.title.count).max() ?? 0
        let lines = entries.map { entry in
            var line = "  " + entry.title + String(repeating: " ", count: width - entry.title.count + 2)
            let verdict = entry.verdict?.rawValue ?? ""
            line += verdict + String(repeating: " ", count: 5 - verdict.count) + entry.detail
            while line.last == " " { line.removeLast() }
            return line
        }
        return Array(("\(broker)\n" + lines.joined(separator: "\n") + "\n").utf8)
    }

    func json(_ broker: String) -> [UInt8] {
        var text = Array("{\"broker\":".utf8) + JSONText.quoted(broker)
        for entry in entries.withLock({ $0 }) {
            text += Array(",\"\(entry.name)\":".utf8)
            var members: [[UInt8]] = []
            if let verdict = entry.verdict {
                members.append(Array("\"ok\":\(verdict == .unknown ? "null" : verdict == .yes ? "true" : "false")".utf8))
            }
            for (name, value) in entry.numbers {
                members.append(Array("\"\(name)\":\(Quantity.decimal(value, value == value.rounded() ? 0 : 3))".utf8))
            }
            if !entry.detail.isEmpty { members.append(Array("\"detail\":".utf8) + JSONText.quoted(entry.detail)) }
            text += Array("{".utf8) + members.joined(separator: Array(",".utf8)) + Array("}".utf8)
        }
        return text + Array("}\n".utf8)
    }
}
