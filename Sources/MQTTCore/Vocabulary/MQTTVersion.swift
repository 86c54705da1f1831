/// The version of the protocol that a connection speaks.
///
/// It is a value, given to codec and session: there is one code base for all versions.
public enum MQTTVersion: UInt8, Sendable, Hashable, BitwiseCopyable {
    /// MQTT 3.1.1, OASIS Standard of 29 October 2014. The raw value is the protocol level of CONNECT.
    case v3_1_1 = 4
    /// MQTT 5.0, OASIS Standard of 7 March 2019. Not there yet: a client refuses it with ``MQTTError/Code/unsupported``.
    case v5_0 = 5
}
