/// One line on standard error that is drawn over and over. For a terminal only.
enum StatusLine {
    static func show(_ text: String) {
        _ = Descriptor.error.writeAll(Array("\r\u{1b}[K\(text)".utf8))
    }

    static func clear() {
        _ = Descriptor.error.writeAll(Array("\r\u{1b}[K".utf8))
    }
}
