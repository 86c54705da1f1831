import Synchronization

/// What `pipe` does with its input lines: one client at a time, ops started in line order.
final class PipeSession: Sendable {
    /// PIPE.md section 1: lines on stdin may be up to 1 MiB long.
    static let lineLimit = 1 << 20

    private let output: LineWriter
    private let current = Mutex<PipeClient?>(nil)

    init(_ output: LineWriter) {
        self.output = output
    }

    /// Starts the op of one line, and returns without waiting for anything. Called for one line after the other.
    func take(_ line: LineSplitter.Line) {
        let bytes: [UInt8]
        let isTooLong: Bool
        switch line {
        case .whole(let whole): (bytes, isTooLong) = (whole, false)
        case .tooLong(let start): (bytes, isTooLong) = (start, true)
        }
        var parser = JSONParser(bytes)
        do {
            let value = try parser.parse()
            guard case .object(let object) = value else { return refuse(nil, "the line is no JSON object") }
            guard case .integer(let id)? = object["id"] else { return refuse(nil, "the line has no integer id") }
            if isTooLong { return refuse(id, "the line is longer than 1 MiB") }
            if parser.hasInvalidText { return refuse(id, "a text in the line is not valid Unicode") }
            start(id, object)
        } catch {
            switch error {
            case .tooDeep: refuse(identifier(parser), "the line is nested too deeply")
            case .syntax where isTooLong: refuse(identifier(parser), "the line is longer than 1 MiB")
            case .syntax(let position): refuse(nil, "the line is not JSON, see byte \(position)")
            }
        }
    }

    /// Ends the connection without DISCONNECT, and lets out what is ready.
    ///
    /// Returns what went wrong with standard output.
    @discardableResult func endOfInput() async -> SystemFile.Failure? {
        await current.withLock { $0 }?.close()
        return await output.flush()
    }

    private func start(_ id: Int64, _ object: JSONObject) {
        let op: Op
        do {
            op = try Op(id: id, object)
        } catch {
            return output.write(Reply.failure(id, error))
        }
        if let client = current.withLock({ $0 }) {
            // Its end may be under way already; `close` hastens it.
            if case .close = op.kind, !op.isExpired {
                Task { await client.closeAndReply(id) }
            } else if case .connect = op.kind {
                refuse(id, "there is a client already")
            } else {
                client.perform(op)
            }
            return
        }
        startWithoutClient(op)
    }

    private func startWithoutClient(_ op: Op) {
        switch op.kind {
        case .connect(let arguments):
            if op.isExpired { return output.write(Reply.failure(op.id, .canceled)) }
            do {
                let client = try PipeClient(arguments, output) { [weak self] client in self?.release(client) }
                current.withLock { $0 = client }
                client.start(op.id)
            } catch {
                output.write(Reply.failure(op.id, error))
            }
        case .close: output.write(op.isExpired ? Reply.failure(op.id, .canceled) : Reply.success(op.id))
        case .publish, .subscribe, .unsubscribe, .ping, .next, .disconnect: output.write(Reply.failure(op.id, .closed))
        }
    }

    private func release(_ client: PipeClient) {
        current.withLock { current in
            if current === client { current = nil }
        }
    }

    private func refuse(_ id: Int64?, _ message: String) {
        output.write(Reply.failure(id, .denied(message)))
    }

    private func identifier(_ parser: JSONParser) -> Int64? {
        guard case .integer(let id)? = parser.identifier else { return nil }
        return id
    }
}
