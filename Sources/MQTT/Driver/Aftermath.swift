/// What a step leaves to be done after the engine's lock has been given back: continuations run, and observers hear.
struct Aftermath {
    enum Change {
        /// Receipts below the first one belong to earlier links.
        case online(sessionPresent: Bool, firstReceipt: Receipt)
        case offline(MQTTError, unsentBytes: Int)
        case attemptFailed(MQTTError)
        /// With the deliveries that end with it, and those whose commits are still under way: the end of the store tells what became of
        /// them.
        case ended(MQTTError?, suspended: [(DeliveryRecord, MQTTError)], unstored: [DeliveryRecord])
    }

    /// A publish that the broker has.
    struct Acknowledged {
        var record: DeliveryRecord
        var code: ReasonCode
    }

    /// A request that has come to its end.
    struct Resolved {
        var request: OpenRequest
        var resolution: Resolution
        /// Of SUBACK.
        var codes: [UInt8]
        var wasSent: Bool
    }

    var stored: [DeliveryRecord] = []
    /// Those that the broker has: nearly all.
    var acknowledged: [Acknowledged] = []
    /// Those that ended otherwise.
    var completions: [(DeliveryRecord, Result<Delivery.Outcome, MQTTError>)] = []
    var interruptions: [(DeliveryRecord, MQTTError)] = []
    var resolutions: [Resolved] = []
    var written: [(Eventual<Void>, Result<Void, MQTTError>)] = []
    /// Some changes are to be told, which wait in the engine's state.
    var hasChanges = false

    var isEmpty: Bool {
        stored.isEmpty && acknowledged.isEmpty && completions.isEmpty && interruptions.isEmpty && resolutions.isEmpty && written.isEmpty
            && !hasChanges
    }

    func run(resolved: (Resolved) -> Void) {
        for record in stored { record.stored() }
        for (record, error) in interruptions { record.interrupted(error) }
        for publish in acknowledged { publish.record.acknowledge(publish.code) }
        for (record, result) in completions { record.resolve(result) }
        for resolution in resolutions {
            resolved(resolution)
            resolution.request.resolve(resolution)
        }
        for (eventual, result) in written { eventual.resolve(result) }
    }
}

/// What a step leaves to the event loop.
struct LoopWork {
    var dial: Link?
    var hangUps: [Link] = []
    var hangUpAfterFlush: Link?

    var isEmpty: Bool { dial == nil && hangUps.isEmpty && hangUpAfterFlush == nil }
}
