/// The topic that was checked last: most publishes are of the same few.
struct CheckedTopic {
    private let text: String

    init(_ text: String = "") { self.text = text }

    /// Equal strings of as many bytes are the same to the rules, however they are composed.
    func `is`(_ topic: String) -> Bool { !topic.isEmpty && topic.utf8.count == text.utf8.count && topic == text }
}
