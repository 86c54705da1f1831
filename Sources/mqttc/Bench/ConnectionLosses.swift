import MQTT
import Synchronization

/// Counts the connections that clients lose.
final class ConnectionLosses: Sendable {
    private let losses = Atomic(0)

    init(_ clients: [MQTTClient]) {
        for client in clients {
            Task {
                for await state in client.connectionStates {
                    if case .offline = state { losses.add(1, ordering: .relaxed) }
                }
            }
        }
    }

    var count: Int { losses.load(ordering: .relaxed) }
}
