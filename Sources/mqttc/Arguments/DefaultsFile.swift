/// Options that hold for every run: `mqttc/config` in XDG_CONFIG_HOME, which is `~/.config` when it is not set.
///
/// A line is an option as on the command line, with its value behind the first space or equals sign; `#` begins a comment line. Lines
/// before the first `[section]` are for all commands that connect, those below `[pub]` for `mqttc pub` alone.
enum DefaultsFile {
    private static let sizeLimit = 1 << 20

    /// Nil when neither variable says where it would be.
    static func path(environment: (String) -> String?) -> String? {
        // The specification: a path that is not absolute is to be ignored.
        if let directory = environment("XDG_CONFIG_HOME"), directory.hasPrefix("/") { return directory + "/mqttc/config" }
        guard let home = environment("HOME"), !home.isEmpty else { return nil }
        return home + "/.config/mqttc/config"
    }

    /// The options for a command. No file is no options; one that cannot be read is an error.
    static func words(for command: String) throws(CommandWords.Failure) -> [String] {
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
        return try words(for: command, in: text, path: path)
    }

    static func words(for command: String, in text: String, path: String) throws(CommandWords.Failure) -> [String] {
        var words: [String] = []
        var section: Substring?
        for (index, full) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            var line = full
            while let last = line.last, last.isWhitespace { line.removeLast() }
            line = line.drop { $0.isWhitespace }
            if line.isEmpty || line.hasPrefix("#") { continue }
            if line.hasPrefix("["), line.hasSuffix("]") {
                section = line.dropFirst().dropLast()
                continue
            }
            guard line.hasPrefix("-") else {
                throw CommandWords.Failure(message: "\(path):\(index + 1): not an option, such as -h or --host with a value")
            }
            guard section == nil || section ?? "" == command else { continue }
            words += Self.words(ofLine: line)
        }
        return words
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
