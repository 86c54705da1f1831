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

    /// - Parameters:
    ///   - host: The host of the request, unless the options have another.
    ///   - isEncrypted: Whether it is inside of TLS.
    /// - Throws: ``MQTTError/Code/invalidArgument`` for options that cannot be honoured, ``MQTTError/Code/unsupported``.
    package static func webSocket(
        _ options: WebSocketOptions, host: String, port: Int?, isEncrypted: Bool
    ) throws(MQTTError) -> any ConnectionLayer {
        #if WebSocket
            try options.check()
            // The port that goes without saying.
            let defaultPort = isEncrypted ? 443 : 80
            let authority = HTTPRequest.authority(host, port ?? defaultPort, default: defaultPort)
            return WebSocketLayer(options: options, authority: authority, isEncrypted: isEncrypted)
        #else
            throw MQTTError(.unsupported, .denied, "WebSocket is not part of this build: enable the trait WebSocket of swift-mqtt")
        #endif
    }

    /// - Throws: ``MQTTError/Code/invalidArgument`` for options that cannot be honoured.
    package static func proxy(_ proxy: Proxy, host: String, port: Int) throws(MQTTError) -> any ConnectionLayer {
        try proxy.check()
        guard 1...255 ~= host.utf8.count else { throw .denied("a proxy takes host names of 1 to 255 bytes") }
        return ProxyLayer(proxy: proxy, host: host, port: port)
    }
}
