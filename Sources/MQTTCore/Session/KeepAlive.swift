/// When to say something, and when to give a silent broker up.
struct KeepAlive: Sendable, Equatable {
    /// Zero is off.
    private let pauseTimeout: Int64
    /// Zero is off.
    private let keepAlive: Int64
    private var lastSent = Instant(nanoseconds: 0)
    private var lastReceived = Instant(nanoseconds: 0)
    private var lastWritten = Instant(nanoseconds: 0)
    /// The oldest PINGREQ without an answer went out.
    private var pingedAt = Instant(nanoseconds: 0)
    /// That PINGREQ waits behind other bytes for the operating system to take it.
    private var isPingPending = false
    private var isMidPacket = false
    private var isReading = true
    private var isWriting = false

    init(pauseTimeout: Int64, keepAliveSeconds: UInt16) {
        self.pauseTimeout = pauseTimeout
        keepAlive = Int64(keepAliveSeconds) * 1_000_000_000
    }

    mutating func linkOpened(at now: Instant) {
        lastSent = now
        lastReceived = now
        lastWritten = now
        isMidPacket = false
        isReading = true
        isWriting = false
        isPingPending = false
    }

    mutating func received(midPacket: Bool, at now: Instant) {
        lastReceived = now
        isMidPacket = midPacket
    }

    /// Silence counts only while the client is reading.
    mutating func reading(_ isReading: Bool, at now: Instant) {
        if isReading, !self.isReading { lastReceived = now }
        self.isReading = isReading
    }

    mutating func written(pending: Int, at now: Instant) {
        lastWritten = now
        lastSent = now
        isWriting = pending > 0
        if isPingPending {
            // The answer to a PINGREQ that follows a large payload is not due before the payload is through.
            pingedAt = now
            isPingPending = isWriting
        }
    }

    /// - Parameter awaitsPing: An earlier one has no answer yet; its time counts.
    mutating func pinged(awaitsPing: Bool, at now: Instant) {
        if !awaitsPing {
            pingedAt = now
            isPingPending = true
        }
        lastSent = now
    }

    /// PINGREQ goes out a quarter early, so that it arrives in time [MQTT-3.1.2-23]. It is also sent when nothing came for as
    /// long, although the client sends: a broker that is gone shows by its missing answer. An answer that is still on its way,
    /// behind a long packet or while the client does not read, excuses no silence of the client's own.
    func pingDue(awaitsPing: Bool) -> Instant? {
        guard keepAlive > 0 else { return nil }
        return (awaitsPing ? lastSent : min(lastSent, lastReceived)) + (keepAlive - keepAlive / 4)
    }

    /// Whether a broker has given up a client that was silent for so long [MQTT-3.1.2-24].
    func isOver(after silence: Int64) -> Bool { keepAlive > 0 && silence >= keepAlive + keepAlive / 2 }

    /// When the broker is silent for too long, and what it was waited for.
    func silence(awaitsConnack: Bool, awaitsPing: Bool) -> (Instant, Silence)? {
        // Without pauseTimeout a missing CONNACK or PINGRESP still shows, after one more keep-alive interval.
        let answerTimeout = pauseTimeout > 0 ? pauseTimeout : keepAlive
        var first: (Instant, Silence)?
        func consider(_ due: Instant, _ silence: Silence) {
            guard let known = first, known.0 <= due else { return first = (due, silence) }
        }
        if pauseTimeout > 0 {
            if isWriting { consider(lastWritten + pauseTimeout, .writing) }
            if isReading, isMidPacket { consider(lastReceived + pauseTimeout, .restOfPacket) }
        }
        if awaitsConnack, isReading, answerTimeout > 0 { consider(lastReceived + answerTimeout, .connack) }
        if awaitsPing, isReading, answerTimeout > 0 { consider(max(pingedAt, lastReceived) + answerTimeout, .pingresp) }
        return first
    }
}
