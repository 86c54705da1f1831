/// Options that hold for every run: `mqttc/config` in XDG_CONFIG_HOME, which is `~/.config` when it is not set.
///
/// A line is an option as on the command line, with its value behind the first space or equals sign; `#` begins a comment line. Lines
/// before the first `[section]` are for all commands that connect and have the option, those below `[pub]` for `mqttc pub` alone.
enum DefaultsFile {
    /// An option with its value.
    struct Line: Equatable {
        /// The option, and its value.
        var words: [String]
        /// The file and the number of the line, for complaints.
        var place: String

        var option: String { words.first ?? "" }
    }

    private static let sizeLimit = 1 << 20

    /// Nil when neither variable says where it would be.
    static func path(environment: (String) -> String?) -> String? {
        // The specification: a path that is not absolute is to be ignored.
        if let directory = environment("XDG_CONFIG_HOME"), directory.hasPrefix("/") { return directory + "/mqttc/config" }
        guard let home = environment("HOME"), !home.isEmpty else { return nil }
        return home + "/.config/mqttc/config"
    }

    /// The options for a command. No file is no options; one that cannot be read is an error.
    static func lines(for command: String) throws(CommandWords.Failure) -> [Line] {
        guard let path = path(environment: { SystemFile.environment($0) }) else { return [] }
        let bytes: [UInt8]
        do {
            bytes = try SystemFile.contents(of: path, limit: sizeLimit)
        } catch {
            if error.isMissing { return [] }
            throw CommandWords.Failure(message: "the defaults file \(path): \(error.message)")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw CommandWords.Failure(message: "the defaults file \(path) is not UTF-8")
        }
        return try lines(for: command, in: text, path: path)
    }

    /// - Parameter command: `pub`, or `bench idle`, which also has what is below `[bench]`.
    static func lines(for command: String, in text: String, path: String) throws(CommandWords.Failure) -> [Line] {
        var lines: [Line] = []
        var section: String?
        for (index, full) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let place = "\(path):\(index + 1)"
            var line = full
            while let last = line.last, last.isWhitespace { line.removeLast() }
            line = line.drop { $0.isWhitespace }
            if line.isEmpty || line.hasPrefix("#") { continue }
            if line.hasPrefix("["), line.hasSuffix("]") {
                section = String(line.dropFirst().dropLast())
                guard Spellings.isCommand(section ?? "") else {
                    throw CommandWords.Failure(message: "\(place): no command that connects is called so")
                }
                continue
            }
            guard line.hasPrefix("-") else {
                throw CommandWords.Failure(message: "\(place): not an option, such as -h or --host with a value")
            }
            let entry = Line(words: Self.words(ofLine: line), place: place)
            try check(entry)
            if let section, section != command, !command.hasPrefix(section + " ") { continue }
            if Spellings.takes(command, entry.option) {
                lines.append(entry)
            } else if let section, !Spellings.takes(section, entry.option) {
                throw CommandWords.Failure(message: "\(place): \(section) has no option \(entry.option)")
            }
        }
        return lines
    }

    private static func check(_ line: Line) throws(CommandWords.Failure) {
        let option = line.option
        guard Spellings.isKnown(option) else { throw CommandWords.Failure(message: "\(line.place): no command has an option \(option)") }
        if Spellings.property.contains(option) { return }
        let hasValue = Spellings.withValue.contains(option)
        guard hasValue == (line.words.count > 1) else {
            throw CommandWords.Failure(message: "\(line.place): \(option) \(hasValue ? "needs a value" : "takes no value")")
        }
    }

    private static func words(ofLine line: Substring) -> [String] {
        guard let end = line.firstIndex(where: { $0.isWhitespace || $0 == "=" }) else { return [String(line)] }
        let option = String(line[..<end])
        let value = line[line.index(after: end)...].drop { $0.isWhitespace }
        // The property has several words; any other value may contain spaces.
        if Spellings.property.contains(option) { return [option] + value.split { $0.isWhitespace }.map(String.init) }
        return [option, String(value)]
    }
}
