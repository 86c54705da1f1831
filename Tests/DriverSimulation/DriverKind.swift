package import Simulation

/// What `scripts/simulate --driver` runs.
extension WorldKind {
    /// The real client.
    package static let driver = WorldKind(
        options: " --driver",
        marks: [
            .reconnect, .sessionLoss, .halfOpen, .stall, .dialRefused, .dialTimedOut, .takeOver, .restart, .streamedIn, .streamedInCut,
            .streamedInSkipped, .bigOut, .duplicateInbound, .withdrawn, .canceled, .abandoned, .ping, .refusedPublish, .disconnect, .close,
            .garbage, .payloadLoss, .kill, .powerCut, .crashWhileOpening, .resumed, .storeFailure, .diskFull, .cameBack, .loaded, .endToEnd,
        ]
    ) { DriverWorld.run($0) }
}
