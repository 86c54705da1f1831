package import Simulation

/// What `scripts/simulate --driver` runs.
extension WorldKind {
    /// The real client.
    package static let driver = WorldKind(options: " --driver") { DriverWorld.run($0) }
}
