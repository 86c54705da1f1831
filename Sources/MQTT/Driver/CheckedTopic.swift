internal import MQTTCore

/// The topic that was checked last, as it goes out: most publishes are of the same few.
struct CheckedTopic {
    private let text: String
    private let isASCII: Bool
    let encoded: EncodedTopic

    init(_ text: String = "") {
        self.text = text
        isASCII = !text.isEmpty && text.utf8.allSatisfy { $0 < 0x80 }
        encoded = EncodedTopic(text)
    }

    /// Whether it is the same, to the byte.
    ///
    /// Strings are equal however they are composed. Those that are equal to one of ASCII alone, and have as many bytes, are the same.
    func `is`(_ topic: String) -> Bool {
        if isASCII { return topic == text && topic.utf8.count == text.utf8.count }
        // None was checked, as long as it is empty.
        return !topic.isEmpty && topic.utf8.elementsEqual(text.utf8)
    }
}
