internal import MQTTCore

/// The topic that was checked last: most publishes are of the same few.
struct CheckedTopic {
    private let text: String
    private var isRepeated = false
    /// As it goes out. Empty, unless it came again and is of ASCII alone.
    private(set) var encoded = EncodedTopic()

    init(_ text: String = "") { self.text = text }

    /// Whether it is the same to the rules: equal strings of as many bytes are, however they are composed. Those that are of ASCII are the
    /// same to the byte.
    func `is`(_ topic: String) -> Bool { topic == text && topic.utf8.count == text.utf8.count && !topic.isEmpty }

    /// It came again.
    mutating func repeats() {
        if isRepeated { return }
        isRepeated = true
        if text.utf8.allSatisfy({ $0 < 0x80 }) { encoded = EncodedTopic(text) }
    }
}
