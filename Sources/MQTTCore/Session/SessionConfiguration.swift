/// What a session is asked to do. Times are nanoseconds; zero switches a time off where that is said.
package struct SessionConfiguration: Sendable, Equatable {
    package var version = MQTTVersion.v3_1_1
    /// Ask for an empty session until the first CONNACK that accepts.
    package var cleanSession = false
    /// Ask for an empty session each time: the client has no identifier to continue one by [MQTT-3.1.3-7].
    package var alwaysCleanSession = false
    /// Zero is off.
    package var keepAliveSeconds: UInt16 = 60
    /// The longest silence of a broker that is waited for: a minimum rate of one byte per duration. Zero is off.
    package var pauseTimeout: Int64 = 10_000_000_000
    package var reconnectMinimum: Int64 = 100_000_000
    package var reconnectMaximum: Int64 = 60_000_000_000
    /// A connection that was up for so long is good: the next loss begins with the minimum again.
    package var stableTime: Int64 = 5_000_000_000
    /// Whether a failed first attempt is followed by another.
    package var retriesFirstConnect = true
    /// Whether requests wait while a connect attempt is under way, until one fails.
    package var requestsWait = true
    package var limits = Limits()
    /// Whether there is a store. Without one, what is to be stored counts as stored at once.
    package var isDurable = false

    package init() {}
}
