import Synchronization

/// How far `pub` has got, and a line about it while it takes long and somebody watches.
final class PublishProgress: Sendable {
    /// What the line counts: what the client has taken, or what the broker has.
    enum Counted: Sendable {
        case accepted, completed
    }

    private let counted: Counted
    private let handed = Atomic(0)
    private let accepted = Atomic(0)
    private let completions = Atomic(0)
    private let bytes = Atomic(0)
    /// Of a large payload: how much of it was read to be sent.
    private let position = Atomic(0)
    private let length = Atomic(0)

    init(counting counted: Counted = .accepted) {
        self.counted = counted
    }

    /// What an outbox has got; the disk may not have it yet.
    var handedOverCount: Int { handed.load(ordering: .relaxed) }
    var acceptedCount: Int { accepted.load(ordering: .relaxed) }
    var completedCount: Int { completions.load(ordering: .relaxed) }

    func handedOver() { handed.add(1, ordering: .relaxed) }

    func accepted(_ count: Int) {
        accepted.add(1, ordering: .relaxed)
        bytes.add(count, ordering: .relaxed)
    }

    func completed() { completions.add(1, ordering: .relaxed) }

    func read(upTo position: Int, of length: Int) {
        self.position.store(position, ordering: .relaxed)
        self.length.store(length, ordering: .relaxed)
    }

    /// Draws on standard error until it is canceled. Nil when that is no terminal.
    func display() -> Task<Void, Never>? {
        guard Descriptor.error.isTerminal, !Complaints.isSilenced else { return nil }
        return Task {
            let start = ContinuousClock.now
            var isShown = false
            // Short work needs no progress.
            var pause = Duration.seconds(1)
            while (try? await Task.sleep(for: pause)) != nil {
                pause = .milliseconds(200)
                isShown = true
                StatusLine.show(text(after: ContinuousClock.now - start))
            }
            if isShown { StatusLine.clear() }
        }
    }

    func text(after duration: Duration) -> String {
        let seconds = max(duration / .seconds(1), 0.001)
        let (accepted, completed, length) = (acceptedCount, completedCount, length.load(ordering: .relaxed))
        if length > 0, completed == 0 {
            let position = position.load(ordering: .relaxed)
            return "\(position * 100 / length) % of \(Quantity.bytes(length)), \(Quantity.bytes(Int(Double(position) / seconds)))/s"
        }
        let messages = counted == .accepted ? accepted : completed
        let underWay = messages > completed ? ", \(Quantity.grouped(messages - completed)) of them under way" : ""
        let rate = Quantity.grouped(Int(Double(messages) / seconds))
        return "\(Quantity.grouped(messages)) messages, \(Quantity.bytes(bytes.load(ordering: .relaxed))), \(rate)/s\(underWay)"
    }
}
