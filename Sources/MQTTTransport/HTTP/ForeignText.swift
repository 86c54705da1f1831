/// Text of the other end in messages for people, which may end up on a terminal.
enum ForeignText {
    private static let most = 200

    /// Without control characters, which could drive a terminal, and not endless.
    static func safe(_ text: String) -> String {
        var safe = String.UnicodeScalarView()
        for scalar in text.unicodeScalars.prefix(most) {
            safe.append(scalar.properties.generalCategory == .control ? "\u{FFFD}" : scalar)
        }
        return String(safe)
    }
}
