/// QoS 1 and 2 publishes, from acceptance to the broker's last word, in one order for both levels.
///
/// The order of acceptance is the order of sending is the order of resending [MQTT-4.6.0-1], over any number of links and restarts.
/// Here is what it knows; OutboundQueue.swift has what the application does, OutboundSending.swift what goes out,
/// OutboundAnswers.swift what the broker says to it, OutboundStorage.swift what is on disk and in memory.
struct OutboundFlow: Sendable, Equatable {
    enum State: UInt8, Sendable {
        /// Accepted. Can transition to: `queued` when stored; gone when it cannot be stored, or is withdrawn.
        case storing
        /// May be sent. Can transition to: `sent`; gone when withdrawn, evicted or expired.
        case queued
        /// PUBLISH was sent, on this link or an earlier one. Can transition to: gone by PUBACK;
        /// `storingReceived` or `received` by PUBREC.
        case sent
        /// PUBREC came, which is being stored. Can transition to: `received`; `storingAgain` when the broker lost the session.
        case storingReceived
        /// PUBREL goes out. No PUBLISH again [MQTT-4.3.3-1]. Can transition to: gone by PUBCOMP;
        /// `storingAgain` or `queued` when the broker lost the session.
        case received
        /// The broker lost the session; that there was no PUBREC is being stored. Can transition to: `queued`.
        case storingAgain
    }

    struct Marks: OptionSet, Sendable {
        let rawValue: UInt8

        /// It takes one of the places in flight.
        static let counted = Marks(rawValue: 1)
        /// Went out before under this identifier, so the next time has DUP [MQTT-3.3.1-1].
        static let wasSent = Marks(rawValue: 2)
        /// The application has given it up, and knows. Only the exchange is still to be ended, for its identifier's sake.
        static let givenUp = Marks(rawValue: 4)
        /// The payload is in the store alone.
        static let absent = Marks(rawValue: 8)
        /// The payload is being read from the store.
        static let loading = Marks(rawValue: 16)
        /// The payload leaves memory as soon as it is stored.
        static let unloads = Marks(rawValue: 32)
    }

    struct Publish: Sendable, Equatable {
        var state: State
        var qos: QoS
        var marks: Marks = []
        /// Of its payload.
        var bytes: UInt32
        /// In tenths of a second on the session's clock, rounded up.
        var acceptedAt: Int32
        /// When PUBREC came, in the order of PUBRECs: that of PUBRELs [MQTT-4.6.0-4].
        var receivedOrder: UInt32 = 0
    }

    /// What is complete is not there any more.
    var publishes: PagedRing<Publish>
    /// All below went out on this link, as far as they were due.
    var cursor: Serial
    /// All below went out on some link of this run, as far as they were due.
    var sentEnd: Serial
    /// All below were there when the session was resumed: an earlier run may have sent them.
    var resumedEnd: Serial
    /// All below were read from the store ahead of their turn, as far as that was needed.
    var loadCursor: Serial
    /// Where to look for the oldest publish of QoS 1 that may be dropped for another, and of QoS 2.
    var atLeastOnceCursor: Serial
    var exactlyOnceCursor: Serial
    /// Where to look for the oldest that may be dropped for its age.
    var ageCursor: Serial
    var inFlight = 0
    var exactlyOnceInFlight = 0
    var receivedCount: UInt32 = 0
    var atLeastOnceCount = 0
    var exactlyOnceCount = 0
    var queuedBytes = 0
    /// Of the payloads in memory, with what each costs beyond its bytes.
    var memoryBytes = 0

    /// Payloads beyond stay in the store until their turn.
    let memoryLimit: Int

    init(firstSerial: Serial = 0, memoryLimit: Int = .max) {
        self.memoryLimit = memoryLimit
        publishes = PagedRing(base: firstSerial)
        cursor = firstSerial
        sentEnd = firstSerial
        resumedEnd = firstSerial
        loadCursor = firstSerial
        atLeastOnceCursor = firstSerial
        exactlyOnceCursor = firstSerial
        ageCursor = firstSerial
    }

    /// Publishes whose end the application waits for.
    var count: Int { atLeastOnceCount + exactlyOnceCount }
    /// All that may have reached a broker are below.
    var perhapsSentEnd: Serial { max(sentEnd, resumedEnd) }

    /// It has come to its end.
    mutating func complete(_ serial: Serial) {
        guard let publish = publishes.remove(serial) else { return }
        if publish.marks.contains(.counted) {
            inFlight -= 1
            if publish.qos == .exactlyOnce { exactlyOnceInFlight -= 1 }
        }
        if !publish.marks.contains(.givenUp) { leaveQueue(publish) }
        cursor = max(cursor, publishes.base)
    }

    /// It no longer takes a place in the queue.
    mutating func leaveQueue(_ publish: Publish) {
        if publish.qos == .atLeastOnce { atLeastOnceCount -= 1 } else { exactlyOnceCount -= 1 }
        queuedBytes -= Int(publish.bytes)
        if !publish.marks.contains(.absent) || publish.marks.contains(.loading) { memoryBytes -= Self.memory(publish) }
    }

    /// What a publish takes in memory, roughly: its payload, its topic, and what the driver keeps with them.
    static func memory(_ publish: Publish) -> Int { Int(publish.bytes) + 256 }
}
