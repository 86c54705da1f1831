/// Everything that a session can want. The driver carries effects out in their order.
package enum Effect: Sendable, Equatable, BitwiseCopyable {
    // The network
    /// Connect, and report `linkOpened` or `linkClosed` with this number.
    case dial(Link)
    case sendConnect(cleanSession: Bool)
    case send(ControlPacket)
    /// Send the publish that is being submitted. It has QoS 0.
    case transmit
    /// Send an accepted publish.
    case sendPublish(Serial, PacketID, isDuplicate: Bool)
    case sendSubscribe(Ticket, PacketID)
    case sendUnsubscribe(Ticket, PacketID)
    /// Give the connection up at once; nothing more is sent on it.
    case hangUp(Link)
    /// Close the connection as soon as everything sent is written.
    case hangUpAfterFlush(Link)

    // The application
    /// The publish that is being submitted is accepted: it will reach the broker.
    case accepted(Serial)
    /// The publish that is being submitted is refused.
    case refused(Refusal)
    /// An accepted publish has come to its end. It is no longer the session's.
    case completed(Serial, Completion)
    /// The broker lost the session that had this publish half done. It goes out again as a new message.
    case sessionLost(Serial)
    /// A request has come to its end.
    case resolved(Ticket, Resolution)
    /// Hand the message of the PUBLISH packet to the application. At QoS 0 the receipt is 0, and is not released.
    case deliver(Receipt)
    /// Drop the message of the PUBLISH packet: it was handed over before.
    case discard
    case online(sessionPresent: Bool)
    /// A connection that was online is lost.
    case offline(LinkLoss)
    /// An attempt to connect failed. The next one follows.
    case attemptFailed(LinkLoss)
    /// The session has ended. Nothing happens any more.
    case ended(LinkLoss)

    // The store
    /// Write as commit number `number`, in order.
    case store(StoreRecord, number: UInt64)
    /// An accepted publish is on disk.
    case stored(Serial)
    /// Let go of the payload of an accepted publish: it is in the store.
    case unload(Serial)
    /// Read the payload of an accepted publish from the store, and report `loaded` or `unreadable`.
    case load(Serial)
}

/// What a durable session writes down.
package enum StoreRecord: Sendable, Equatable, BitwiseCopyable {
    /// A publish with topic and payload.
    case publish(Serial)
    /// PUBREC came for it: from now on PUBREL goes out instead.
    case received(Serial)
    /// The application knows its end already, and it may have been sent: after a crash only its identifier is to be set free.
    case givenUp(Serial)
    /// The broker lost the session: it is a publish again, and PUBREC was never.
    case notReceived(Serial)
    /// It is complete, or nobody's. `isLazy`: when it is there again after a crash, it does no harm.
    case removePublish(Serial, isLazy: Bool)
    /// The identifier of an inbound QoS 2 message that the application owns.
    case inbound(PacketID)
    case removeInbound(PacketID)
    /// The broker knows none of the identifiers any more.
    case removeAllInbound
}

/// Why a publish was not accepted.
package enum Refusal: UInt8, Sendable, Equatable, BitwiseCopyable {
    case closed
    case down
    case disabled
    case tooManyRequests
    /// The store cannot be written.
    case notStored
}

/// How an accepted publish came to its end.
package enum Completion: Sendable, Equatable, BitwiseCopyable {
    case acknowledged(ReasonCode)
    case withdrawn
    /// It was dropped for another. `perhapsSent`: an earlier run of the session may have sent it.
    case evicted(perhapsSent: Bool)
    /// It was in the queue for longer than ``Limits/queuedAge``.
    case expired(perhapsSent: Bool)
    /// It could not be written, and is not accepted any more.
    case notStored
    /// Its record in the store cannot be read.
    case unreadable(perhapsSent: Bool)
}

/// How a request came to its end.
package enum Resolution: UInt8, Sendable, Equatable, BitwiseCopyable {
    /// The broker answered; for SUBSCRIBE the return codes are those of the packet at hand.
    case answered
    case closed
    case down
    case tooManyRequests
    case canceled
    case abandoned
    case connectionLost
    /// DISCONNECT is on its way, or nothing had to be said.
    case done
}

/// Why a connection ended, or did not come to be.
package enum LinkLoss: Sendable, Equatable, BitwiseCopyable {
    /// Closed or reset by the peer or the network, or never opened.
    case closed
    /// The broker was silent for longer than `pauseTimeout` while the client waited for it.
    case silent(Silence)
    case violation(ProtocolViolation)
    /// CONNACK with an error code.
    case refused(ReasonCode)
    /// A publish that was on its way was given up.
    case givenUp
    /// The application ended it.
    case local
}

/// What the client was waiting for when the broker was silent.
package enum Silence: UInt8, Sendable, Equatable, BitwiseCopyable {
    case connack
    case pingresp
    case restOfPacket
    case writing
    /// Anything, while the machine slept.
    case asleep
}
