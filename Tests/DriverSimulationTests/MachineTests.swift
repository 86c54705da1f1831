@testable import DriverSimulation
import Testing

/// The machine itself: whose jobs it runs.
@Suite struct MachineTests {
    @Test func smoke() {}
}
