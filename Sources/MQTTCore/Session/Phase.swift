/// Where a session is on its way to, through and away from a connection.
package enum Phase: Sendable, Equatable, BitwiseCopyable {
    /// Not started. Can transition to: `connecting` by `start`; `ended`.
    case idle
    /// The driver dials. Can transition to: `handshaking` when the link opened; `waiting` or `ended` when it did not; `ended`.
    case connecting(Link)
    /// CONNECT was sent. Can transition to: `online` by CONNACK 0; `waiting` or `ended` by anything else; `ended`.
    case handshaking(Link)
    /// CONNACK 0 came. The only phase in which packets flow. Can transition to: `waiting` when the link is lost; `leaving`; `ended`.
    case online(Link)
    /// A pause before the next attempt, which may be without end. Can transition to: `connecting` at that time or when it is asked
    /// for; `ended`.
    case waiting(until: Instant)
    /// DISCONNECT was sent, and is being written. Can transition to: `ended` when the link is closed.
    case leaving(Link)
    /// Nothing happens any more.
    case ended

    /// The link that events may be about.
    package var link: Link? {
        switch self {
        case .connecting(let link), .handshaking(let link), .online(let link), .leaving(let link): link
        case .idle, .waiting, .ended: nil
        }
    }

    /// Whether a publish of QoS 0 passes: the answer of a step to one that goes out is `transmit`, to one that comes in `deliver(0)`,
    /// and nothing else happens. So the driver may look here in place of a step for each.
    package var passesAtMostOnce: Bool { if case .online = self { true } else { false } }
}
