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
    var words: [String] { words(defaults) }
    /// Of the defaults file, as far as the command line leaves room for it.
    private(set) var defaults: [DefaultsFile.Line] = []
    /// Whether a password stands on the command line, where other users can read it.
    private(set) var hasPassword = false

    /// Those that name the command.
    private var command: [String] = []
    /// Those behind.
    private var own: [String] = []

    /// - Parameters:
    ///   - program: The name the program was called by, with or without a path.
    ///   - defaults: The options of the defaults file for a command, such as `pub` or `bench idle`.
    init(
        program: String, _ arguments: [String], defaults: (_ command: String) throws(Failure) -> [DefaultsFile.Line]
    ) throws(Failure) {
        var rest = arguments
        let name = program.split(separator: "/").last.map(String.init) ?? program
        if let command = Self.links[name] { rest.insert(command, at: 0) }
        if rest.first == "req" { throw Failure(message: "request and response need MQTT 5.0, which is not there yet") }
        guard let first = rest.first, Self.commands.contains(first) else {
            own = rest
            return
        }
        command = [rest.removeFirst()]
        // The second word of `bench` is a command too.
        if Self.families.contains(first), let second = rest.first, !second.hasPrefix("-") { command.append(rest.removeFirst()) }
        own = try Self.joined(rest)
        var lines = try defaults(command.joined(separator: " "))
        if Self.namesBroker(rest) { lines.removeAll { Spellings.address.contains($0.option) } }
        if Self.namesPlainBroker(rest) { lines.removeAll { Spellings.tls.contains($0.option) } }
        for group in Spellings.exclusive where Self.has(rest, group) { lines.removeAll { group.contains($0.option) } }
        for index in lines.indices {
            do throws(Failure) {
                lines[index].words = try Self.joined(lines[index].words)
            } catch {
                throw Failure(message: "\(lines[index].place): \(error.message)")
            }
        }
        self.defaults = lines
        hasPassword = Self.hasPassword(rest)
    }

    private func words(_ defaults: [DefaultsFile.Line]) -> [String] { command + defaults.flatMap(\.words) + own }

    /// The line of the defaults file that a complaint is about: without it the complaint is not there.
    ///
    /// - Parameter complaint: What the parser has to say of some words.
    func culprit(_ complaint: ([String]) -> String?) -> DefaultsFile.Line? {
        guard !defaults.isEmpty, let whole = complaint(words), complaint(words([])) != whole else { return nil }
        return defaults.indices.first { index in
            var rest = defaults
            rest.remove(at: index)
            return complaint(words(rest)) != whole
        }.map { defaults[$0] }
    }

    private static let links = ["mosquitto_pub": "pub", "mosquitto_sub": "sub", "mosquitto_rr": "req"]
    /// The commands that connect to a broker.
    private static let commands: Set<String> = ["pub", "sub", "test", "bench", "watch"]
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

    private static func contains(_ words: [String], where isMeant: (Token) -> Bool) -> Bool {
        (try? tokens(words))?.contains(where: isMeant) == true
    }

    private static func has(_ words: [String], _ options: Set<String>) -> Bool {
        contains(words) { token in token.option.map { names($0, options) } == true }
    }

    private static func namesBroker(_ words: [String]) -> Bool {
        contains(words) { token in
            guard let option = token.option else { return token.words.first?.contains("://") == true }
            return names(option, Spellings.address)
        }
    }

    /// By a URL whose scheme says that there is no TLS.
    private static func namesPlainBroker(_ words: [String]) -> Bool {
        contains(words) { token in
            let isURL = token.option.map { names($0, Spellings.address) } ?? true
            return isURL && token.words.contains { word in
                ["mqtt://", "ws://", "mqtt+unix://"].contains { word.hasPrefix($0) || word.contains("=" + $0) }
            }
        }
    }

    private static func hasPassword(_ words: [String]) -> Bool {
        contains(words) { token in
            if let option = token.option {
                if names(option, Spellings.password) { return true }
                return names(option, Spellings.withURL) && token.words.contains(where: hasPasswordInURL)
            }
            return token.words.first.map(hasPasswordInURL) == true
        }
    }

    /// Whether a word is one of the options, alone or with its value behind an equals sign.
    private static func names(_ word: String, _ options: Set<String>) -> Bool {
        options.contains { word == $0 || word.hasPrefix($0 + "=") }
    }

    static func hasPasswordInURL(_ word: String) -> Bool { passwordInURL(word) != nil }

    /// In the authority alone: what follows it may have signs of any kind.
    private static func passwordInURL(_ word: String) -> Range<String.Index>? {
        guard let scheme = word.firstRange(of: "://") else { return nil }
        let authority = word[scheme.upperBound...].prefix { $0 != "/" && $0 != "?" }
        guard let at = authority.lastIndex(of: "@"), let colon = authority[..<at].firstIndex(of: ":") else { return nil }
        return word.index(after: colon)..<at
    }

    /// Which bytes of a word are a password: of the whole word behind -P, of a URL what stands between its user and its host.
    static func secret(_ word: String, _ before: String?) -> Range<Int>? {
        let count = word.utf8.count
        if let before, Spellings.password.contains(before) { return 0..<count }
        for option in Spellings.password where word.hasPrefix(option + "=") { return option.utf8.count + 1..<count }
        guard let password = passwordInURL(word) else { return nil }
        let start = word.utf8.distance(from: word.startIndex, to: password.lowerBound)
        return start..<start + word[password].utf8.count
    }
}
