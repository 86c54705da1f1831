package import MQTTCore

/// The handshakes that this build has. What a trait leaves out throws.
package enum Layers {
    /// - Parameter host: The host that is connected to; the name to verify, unless the options have another.
    /// - Throws: ``MQTTError/Code/invalidArgument`` for options that cannot be honoured, ``MQTTError/Code/unsupported``.
    package static func tls(_ options: TLSOptions, host: String?) throws(MQTTError) -> any ConnectionLayer {
        #if TLS
            return try TLSLayer(options, host: host)
        #else
            throw MQTTError(.unsupported, .denied, "TLS is not part of this build: enable the trait TLS of swift-mqtt")
        #endif
    }
}
