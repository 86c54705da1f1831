import Dispatch
import Synchronization

/// Standard output as a sequence of whole lines, never interleaved, flushed at once.
///
/// ``write(_:)`` never blocks. A thread of its own does the system calls, and everything that became ready while one was under
/// way goes out with the next. Nobody who reads means that lines pile up; so what could pile up without limit, messages, uses
/// ``writeThrough(_:)``, which waits.
final class LineWriter: Sendable {
    private struct State {
        var pending: [UInt8] = []
        /// Someone is writing or is bound to; only they may touch the descriptor.
        var isWriting = false
        /// Why nothing more can be written.
        var failure: SystemFile.Failure?
        var isBroken: Bool { failure != nil }
        /// Both count bytes since the start.
        var accepted: UInt64 = 0
        var written: UInt64 = 0
        var waiters: [(position: UInt64, continuation: CheckedContinuation<Bool, Never>)] = []
    }

    private enum Turn {
        case inline
        case queued(at: UInt64)
        case broken
    }

    private let descriptor: Descriptor
    private let queue = DispatchQueue(label: "mqttc.output")
    private let state = Mutex(State())

    init(_ descriptor: Descriptor = .output) {
        self.descriptor = descriptor
    }

    /// Takes the line for writing as soon as possible.
    func write(_ line: [UInt8]) {
        let mustSchedule = state.withLock { state in
            if state.isBroken { return false }
            return Self.append(line, to: &state)
        }
        if mustSchedule { scheduleDrain() }
    }

    /// Returns when the operating system has the line. False when it never will.
    func writeThrough(_ line: [UInt8]) async -> Bool {
        let turn = state.withLock { state -> Turn in
            if state.isBroken { return .broken }
            if line.count <= Descriptor.atomicWriteSize, !state.isWriting, state.pending.isEmpty {
                state.isWriting = true
                state.accepted += UInt64(line.count)
                return .inline
            }
            let mustSchedule = Self.append(line, to: &state)
            let position = state.accepted
            if mustSchedule { scheduleDrain() }
            return .queued(at: position)
        }
        switch turn {
        case .broken: return false
        case .queued(let position): return await written(upTo: position)
        case .inline: return await writeInline(line)
        }
    }

    /// Like ``write(_:)`` while little is waiting; beyond `backlog` bytes it waits. False when the output is broken.
    func write(_ line: [UInt8], backlog: Int) async -> Bool {
        let position = state.withLock { state -> UInt64? in
            if state.isBroken { return nil }
            if Self.append(line, to: &state) { scheduleDrain() }
            return state.accepted
        }
        guard let position else { return false }
        let excess = UInt64(backlog)
        return position <= excess ? true : await written(upTo: position - excess)
    }

    /// Returns when everything taken so far is written, or why it cannot be.
    @discardableResult func flush() async -> SystemFile.Failure? {
        _ = await written(upTo: state.withLock { $0.accepted })
        return state.withLock { $0.failure }
    }

    /// Returns when nothing more can be written, which may be never.
    func untilBroken() async {
        // So much is never written, and whoever waits hears when it breaks.
        _ = await written(upTo: .max)
    }

    // MARK: -

    /// A small line that has the descriptor to itself and will not block: no other thread is needed.
    private func writeInline(_ line: [UInt8]) async -> Bool {
        guard descriptor.isWritable else {
            let position = state.withLock { state -> UInt64 in
                // Nobody else could write, so this line still comes before whatever was queued meanwhile.
                state.pending.insert(contentsOf: line, at: 0)
                return state.written + UInt64(line.count)
            }
            scheduleDrain()
            return await written(upTo: position)
        }
        let failure = descriptor.failure(writing: line)
        let (mustDrain, ready) = state.withLock { state in
            state.written += UInt64(line.count)
            if let failure { Self.breakOff(&state, failure) }
            let mustDrain = !state.pending.isEmpty
            if !mustDrain { state.isWriting = false }
            return (mustDrain, Self.takeReady(&state))
        }
        if mustDrain { scheduleDrain() }
        for continuation in ready { continuation.resume(returning: failure == nil) }
        return failure == nil
    }

    /// True when the caller must see to it that a drain is scheduled.
    private static func append(_ line: [UInt8], to state: inout State) -> Bool {
        state.pending.append(contentsOf: line)
        state.accepted += UInt64(line.count)
        if state.isWriting { return false }
        state.isWriting = true
        return true
    }

    private func scheduleDrain() {
        queue.async { self.drain() }
    }

    private func drain() {
        while true {
            let chunk = state.withLock { state -> [UInt8]? in
                if state.pending.isEmpty {
                    state.isWriting = false
                    return nil
                }
                let chunk = state.pending
                state.pending = []
                return chunk
            }
            guard let chunk else { return }
            let failure = descriptor.failure(writing: chunk)
            let ready = state.withLock { state in
                state.written += UInt64(chunk.count)
                if let failure { Self.breakOff(&state, failure) }
                return Self.takeReady(&state)
            }
            for continuation in ready { continuation.resume(returning: failure == nil) }
        }
    }

    private func written(upTo position: UInt64) async -> Bool {
        await withCheckedContinuation { continuation in
            let result = state.withLock { state -> Bool? in
                if state.isBroken { return false }
                if state.written >= position { return true }
                state.waiters.append((position, continuation))
                return nil
            }
            if let result { continuation.resume(returning: result) }
        }
    }

    private static func breakOff(_ state: inout State, _ failure: SystemFile.Failure) {
        state.failure = failure
        state.pending = []
        state.written = .max
    }

    private static func takeReady(_ state: inout State) -> [CheckedContinuation<Bool, Never>] {
        if state.waiters.isEmpty { return [] }
        let ready = state.waiters.filter { $0.position <= state.written }.map(\.continuation)
        state.waiters.removeAll { $0.position <= state.written }
        return ready
    }
}
