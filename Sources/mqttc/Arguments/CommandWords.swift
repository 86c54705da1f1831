/// The words of a command line, before swift-argument-parser sees them: the pass that makes Mosquitto's command lines ours.
///
/// - Called by the name `mosquitto_pub` or `mosquitto_sub`, as through a link, it is `mqttc pub` or `mqttc sub`.
/// - The options of the defaults file come first, so that those of the command line win.
/// - The three or four words of `-D` become one.
struct CommandWords: Equatable {
    /// What makes no sense before it is even parsed.
    struct Failure: Error, Equatable {
        let message: String
    }

    /// Separates the words of one `-D`. It cannot be in an MQTT string of good manners, nor on a keyboard.
    static let propertySeparator: Character = "\u{1f}"

    /// For swift-argument-parser.
    private(set) var words: [String]
    /// Whether a password stands on the command line, where other users can read it.
    private(set) var hasPassword = false

    /// - Parameters:
    ///   - program: The name the program was called by, with or without a path.
    ///   - defaults: The options of the defaults file for a command.
    init(program: String, _ arguments: [String], defaults: (_ command: String) throws(Failure) -> [String]) throws(Failure) {
        var arguments = arguments
        let name = program.split(separator: "/").last.map(String.init) ?? program
        if let command = Self.links[name] { arguments.insert(command, at: 0) }
        words = arguments
        guard let command = arguments.first, Self.commands.contains(command) else { return }
        let own = Array(arguments.dropFirst())
        var first = try defaults(command)
        if Self.namesBroker(own) { first = Self.withoutBroker(first) }
        words = [command]
        // The second word of `bench` is a command too.
        var rest = own[...]
        if Self.families.contains(command), let second = rest.first, !second.hasPrefix("-") {
            words.append(second)
            rest = rest.dropFirst()
        }
        words += try Self.joined(first) + Self.joined(Array(rest))
        hasPassword = Self.hasPassword(own)
    }

    private static let links = ["mosquitto_pub": "pub", "mosquitto_sub": "sub", "mosquitto_rr": "req"]
    /// The commands that connect to a broker.
    private static let commands: Set<String> = ["pub", "sub", "req", "test", "bench", "watch"]
    private static let families: Set<String> = ["bench"]

    // MARK: -

    /// An option with its value, or any other word.
    private struct Token {
        var option: String?
        var words: ArraySlice<String>
    }

    private static func tokens(_ words: [String]) throws(Failure) -> [Token] {
        var tokens: [Token] = []
        var rest = words[...]
        while let word = rest.first {
            var count = 1
            if Spellings.withValue.contains(word) {
                count = 2
            } else if Spellings.property.contains(word) {
                count = try propertyWordCount(rest)
            }
            // A value that is missing is for the parser to complain about.
            tokens.append(Token(option: word.hasPrefix("-") ? word : nil, words: rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        return tokens
    }

    private static func propertyWordCount(_ words: ArraySlice<String>) throws(Failure) -> Int {
        let identifier = words.dropFirst(2).first
        let count = identifier == "user-property" ? 5 : 4
        guard words.count >= count else {
            let usage = count == 5 ? "a command, user-property, a name and a value" : "a command, an identifier and a value"
            throw Failure(message: "\(words.first ?? "-D") needs \(usage)")
        }
        return count
    }

    private static func joined(_ words: [String]) throws(Failure) -> [String] {
        try tokens(words).flatMap { token in
            guard let option = token.option, Spellings.property.contains(option) else { return Array(token.words) }
            return ["--property", token.words.dropFirst().joined(separator: String(propertySeparator))]
        }
    }

    private static func namesBroker(_ words: [String]) -> Bool {
        guard let tokens = try? tokens(words) else { return false }
        return tokens.contains { token in
            guard let option = token.option else { return token.words.first?.contains("://") == true }
            return Spellings.address.contains { option == $0 || $0.hasPrefix("--") && option.hasPrefix($0 + "=") }
        }
    }

    private static func withoutBroker(_ words: [String]) -> [String] {
        guard let tokens = try? tokens(words) else { return words }
        return tokens.filter { token in
            guard let option = token.option else { return token.words.first?.contains("://") != true }
            return !Spellings.address.contains(option)
        }.flatMap { $0.words }
    }

    private static func hasPassword(_ words: [String]) -> Bool {
        guard let tokens = try? tokens(words) else { return false }
        return tokens.contains { token in
            if let option = token.option {
                return Spellings.password.contains { option == $0 || option.hasPrefix($0 + "=") }
                    || Spellings.address.contains(option) && token.words.last.map(hasPasswordInURL) == true
            }
            return token.words.first.map(hasPasswordInURL) == true
        }
    }

    static func hasPasswordInURL(_ word: String) -> Bool {
        guard let scheme = word.firstRange(of: "://"), let at = word.lastIndex(of: "@"), scheme.upperBound <= at else { return false }
        return word[scheme.upperBound..<at].contains(":")
    }

    /// Which bytes of a word are a password: of the whole word behind -P, of a URL what stands between its user and its host.
    static func secret(_ word: String, _ before: String?) -> Range<Int>? {
        let count = word.utf8.count
        if let before, Spellings.password.contains(before) { return 0..<count }
        for option in Spellings.password where word.hasPrefix(option + "=") { return option.utf8.count + 1..<count }
        guard hasPasswordInURL(word), let scheme = word.firstRange(of: "://"), let at = word.lastIndex(of: "@"),
            let colon = word[scheme.upperBound..<at].firstIndex(of: ":")
        else { return nil }
        return word.utf8.distance(from: word.startIndex, to: colon) + 1..<word.utf8.distance(from: word.startIndex, to: at)
    }
}
