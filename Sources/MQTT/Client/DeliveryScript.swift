/// A delivery without a client behind it, for the test doubles of MQTTTesting.
package protocol DeliveryScript: AnyObject, Sendable {
    var id: UInt64? { get }
    var completed: Delivery.Outcome { get async throws(MQTTError) }
    var progress: AsyncStream<Delivery.Progress> { get }
    func withdraw() -> Bool
    func abandon() -> Bool
}

extension Delivery {
    package init(script: any DeliveryScript) { storage = .scripted(script) }
}
