import Synchronization

/// Decides between a timeout and the submission of a publish, so that `canceled` is never said of one that went out.
final class SubmissionRace: Sendable {
    enum Expiry { case canceled, abandoned, undecided }

    private enum Phase {
        /// In the queue: a timeout withdraws it.
        case waiting
        /// The client has it and waits for room: a timeout asks it to give up.
        case submitting(cancel: (@Sendable () -> Void)?)
        /// In the outbound buffer.
        case submitted
        case expired
    }

    private let phase = Mutex(Phase.waiting)

    /// Its turn has come. False when the timeout has withdrawn it.
    func begin() -> Bool {
        phase.withLock { phase in
            guard case .waiting = phase else { return false }
            phase = .submitting(cancel: nil)
            return true
        }
    }

    /// How to make the client give up.
    func attach(_ cancel: @escaping @Sendable () -> Void) {
        let isExpired = phase.withLock { phase in
            switch phase {
            case .submitting:
                phase = .submitting(cancel: cancel)
                return false
            case .expired: return true
            case .waiting, .submitted: return false
            }
        }
        if isExpired { cancel() }
    }

    /// True when the timeout had passed while the client was submitting.
    func end() -> Bool {
        phase.withLock { phase in
            if case .expired = phase { return true }
            phase = .submitted
            return false
        }
    }

    func expire() -> Expiry {
        let (expiry, cancel) = phase.withLock { phase -> (Expiry, (@Sendable () -> Void)?) in
            switch phase {
            case .waiting:
                phase = .expired
                return (.canceled, nil)
            case .submitting(let cancel):
                phase = .expired
                return (.undecided, cancel)
            case .submitted, .expired:
                return (.abandoned, nil)
            }
        }
        cancel?()
        return expiry
    }
}
