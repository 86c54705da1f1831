internal import NIOCore

/// The head of an HTTP/1 response, as much of it as a handshake needs.
struct HTTPResponse: Equatable {
    struct Field: Equatable {
        /// In lower case.
        var name: String
        var value: String
    }

    var status: Int
    var reason: String
    var fields: [Field] = []

    /// The values of a field, split at commas, without white space around them.
    func values(_ name: String) -> [Substring] {
        fields.filter { $0.name == name }.flatMap { $0.value.split(separator: ",") }.map { $0.trimmed }
    }

    /// "401 Unauthorized".
    var statusLine: String { reason.isEmpty ? "\(status)" : "\(status) \(ForeignText.safe(reason))" }
}

/// Reads the head of a response from bytes as they arrive, and keeps what is behind it.
struct HTTPResponseReader {
    enum Failure: Error {
        /// It does not begin as a response, or a line of it is none.
        case malformed
        case tooLong
    }

    /// Bytes of a head. Real ones have a few hundred.
    static let longest = 16 << 10

    private static let mostInterim = 10

    private var bytes = ByteBuffer()
    /// So many of them have no end of a head.
    private var scanned = 0
    private var interim = 0

    /// What came behind the head.
    var rest: ByteBuffer { bytes }

    /// The head, once it is complete. Those of interim answers ahead of it mean nothing (RFC 9110 section 15.2), but for 101.
    mutating func read(_ more: inout ByteBuffer) throws(Failure) -> HTTPResponse? {
        while let response = try next(&more) {
            if response.status >= 200 || response.status == 101 { return response }
            guard interim < Self.mostInterim else { throw .tooLong }
            interim += 1
        }
        return nil
    }

    private mutating func next(_ more: inout ByteBuffer) throws(Failure) -> HTTPResponse? {
        bytes.writeBuffer(&more)
        let view = bytes.readableBytesView
        let beginning = "HTTP/1.".utf8
        guard view.prefix(beginning.count).elementsEqual(beginning.prefix(view.count)) else { throw .malformed }
        let end = Array("\r\n\r\n".utf8)
        guard let found = view.dropFirst(scanned).firstRange(of: end) else {
            if view.count > Self.longest { throw .tooLong }
            scanned = max(0, view.count - 3)
            return nil
        }
        let head = view[view.startIndex..<found.lowerBound]
        guard head.count <= Self.longest else { throw .tooLong }
        let response = try Self.parse(head)
        scanned = 0
        bytes.moveReaderIndex(to: found.upperBound)
        return response
    }

    private static func parse(_ head: ByteBufferView) throws(Failure) -> HTTPResponse {
        // Names and values are compared as they are; bytes beyond ASCII have no meaning in either.
        let lines = String(decoding: head, as: UTF8.self).split(separator: "\r\n", omittingEmptySubsequences: false)
        guard let first = lines.first else { throw .malformed }
        let words = first.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard words.count >= 2, words[1].utf8.count == 3, let status = Int(words[1]), 100...599 ~= status else { throw .malformed }
        var response = HTTPResponse(status: status, reason: words.count > 2 ? String(words[2]) : "")
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":"), colon > line.startIndex else { throw .malformed }
            let value = line[line.index(after: colon)...].trimmed
            response.fields.append(.init(name: line[..<colon].lowercased(), value: String(value)))
        }
        return response
    }
}

extension Substring {
    fileprivate var trimmed: Substring {
        var text = self
        while let first = text.first, first == " " || first == "\t" { text.removeFirst() }
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return text
    }
}
