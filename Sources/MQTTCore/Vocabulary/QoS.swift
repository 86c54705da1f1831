/// How hard both ends try to deliver a message: the Quality of Service of the standard (section 4.3).
public enum QoS: UInt8, Sendable, Hashable, Comparable, CaseIterable, BitwiseCopyable {
    /// QoS 0: the message is sent once and never again. A lost connection may lose it.
    case atMostOnce = 0
    /// QoS 1: the message is sent until it is acknowledged. It may arrive more than once.
    case atLeastOnce = 1
    /// QoS 2: the message is sent until it is acknowledged, and both ends know what they have seen: it arrives once.
    case exactlyOnce = 2

    public static func < (lhs: QoS, rhs: QoS) -> Bool { lhs.rawValue < rhs.rawValue }
}
