import MQTT

/// A file with a password in it.
enum SecretFile {
    /// Its first line, without the end.
    static func firstLine(of path: String) throws(MQTTError) -> [UInt8] {
        do {
            let bytes = try SystemFile.contents(of: path, limit: 1 << 17)
            let line = bytes.prefix { $0 != UInt8(ascii: "\n") }
            return Array(line.last == UInt8(ascii: "\r") ? line.dropLast() : line)
        } catch {
            throw .denied("the password file \(path): \(error.message)")
        }
    }
}
