import Synchronization

/// The ops of one client that still owe their one reply. Whoever answers first wins; all others come to nothing.
final class OpenReplies: Sendable {
    struct Ticket: Hashable, Sendable {
        fileprivate let number: UInt64
    }

    private struct Entry {
        let id: Int64
        var timer: Task<Void, Never>?
    }

    private struct State {
        var next: UInt64 = 0
        var entries: [UInt64: Entry] = [:]
        var isClosed = false
    }

    private let output: LineWriter
    private let state = Mutex(State())

    init(_ output: LineWriter) {
        self.output = output
    }

    /// Opens the op's reply. When the client has ended, it is answered `closed` at once.
    func open(_ id: Int64) -> Ticket {
        let (ticket, isClosed) = state.withLock { state in
            let number = state.next
            state.next += 1
            if !state.isClosed { state.entries[number] = Entry(id: id) }
            return (Ticket(number: number), state.isClosed)
        }
        if isClosed { output.write(Reply.failure(id, .closed)) }
        return ticket
    }

    func isOpen(_ ticket: Ticket) -> Bool {
        state.withLock { $0.entries[ticket.number] != nil }
    }

    func succeed(_ ticket: Ticket, _ fill: (inout JSONLine) -> Void = { _ in }) {
        answer(ticket) { Reply.success($0, fill) }
    }

    func fail(_ ticket: Ticket, _ failure: PipeFailure) {
        answer(ticket) { Reply.failure($0, failure) }
    }

    /// An event about an op, which precedes its reply or is not there at all.
    func event(_ name: String, _ ticket: Ticket) {
        state.withLock { state in
            guard let entry = state.entries[ticket.number] else { return }
            var line = JSONLine()
            line.add("event", name)
            line.add("id", entry.id)
            output.write(line.finish())
        }
    }

    /// Fails the op when that much time has passed. The timer ends with the reply.
    func expire(_ ticket: Ticket, after timeout: Duration, _ action: @escaping @Sendable () -> Void) {
        let timer = Task {
            do {
                try await Task.sleep(for: timeout)
                action()
            } catch {
                // Canceled: the reply was given.
            }
        }
        let isOpen = state.withLock { state in
            state.entries[ticket.number]?.timer = timer
            return state.entries[ticket.number] != nil
        }
        if !isOpen { timer.cancel() }
    }

    /// The client has ended: everything pending, and everything to come, is `closed`.
    func close() {
        let entries = state.withLock { state in
            state.isClosed = true
            let entries = state.entries.sorted { $0.key < $1.key }.map(\.value)
            state.entries = [:]
            return entries
        }
        for entry in entries {
            output.write(Reply.failure(entry.id, PipeFailure(.closed, "the client was ended")))
            entry.timer?.cancel()
        }
    }

    private func answer(_ ticket: Ticket, _ line: (Int64) -> [UInt8]) {
        guard let entry = state.withLock({ $0.entries.removeValue(forKey: ticket.number) }) else { return }
        output.write(line(entry.id))
        entry.timer?.cancel()
    }
}
