#if TLS
    // The TLS handshake of a connection, and what is checked at its end beside what the TLS library checks.
    internal import MQTTCore
    internal import NIOCore
    internal import NIOSSL
    internal import NIOTLS

    /// TLS over a connection.
    struct TLSLayer: ConnectionLayer {
        private let context: NIOSSLContext
        private let peer: TLSPeer

        /// - Parameter host: Where the connection goes; the name to verify, unless the options have another.
        /// - Throws: ``MQTTError/Code/invalidArgument`` for options that cannot be honoured.
        init(_ options: TLSOptions, host: String?) throws(MQTTError) {
            peer = try TLSPeer(options, host: host)
            context = try options.makeContext(verifiesName: peer.hostname != nil && options.verifiesName)
        }

        func add(to pipeline: ChannelPipeline.SynchronousOperations) throws {
            let tls = try NIOSSLClientHandler(context: context, serverHostname: peer.hostname)
            try pipeline.addHandlers([tls, TLSGate(tls, peer)])
        }
    }

    /// Who must be at the other end.
    struct TLSPeer {
        /// Verified by the TLS library, and told to the server (SNI). But that library takes a certificate for the address of the socket
        /// too, whatever the name, and who can lead a connection astray, a proxy for one, has a certificate for its own address.
        private(set) var hostname: String?
        private let verifiesName: Bool
        /// Verified here: the TLS library takes the address from the socket, which may be a proxy's.
        private(set) var address: [UInt8]?
        let pins: [TLSOptions.Pin]

        init(_ options: TLSOptions, host: String?) throws(MQTTError) {
            guard var name = options.serverName ?? host else {
                throw .denied("TLS needs a serverName where the broker has no host")
            }
            if name.hasSuffix(".") { name.removeLast() }
            name = HostName.withoutZone(name)
            pins = options.pins
            verifiesName = options.verifiesName
            guard options.verifiesName || options.roots != .system || !options.pins.isEmpty else {
                throw .denied("a broker whose name is not verified is known by roots of its own, or by pins")
            }
            if let address = IPAddress.bytes(name) {
                if options.verifiesName { self.address = address }
            } else {
                guard 1...255 ~= name.utf8.count, !name.utf8.contains(0) else { throw .denied("the server's name has 1 to 255 bytes") }
                hostname = name
            }
        }

        /// Why the certificate is not the one that is wanted. Chain, dates and host name were verified before.
        func objection(to certificate: NIOSSLCertificate) -> MQTTError? {
            let names = certificate._subjectAlternativeNames()
            if let address {
                guard names.contains(where: { $0.nameType == .ipAddress && $0.contents.elementsEqual(address) }) else {
                    let text = "the broker's certificate is not for the IP address that was asked for"
                    return MQTTError(.certificateNameMismatch, .notSent, text)
                }
            }
            // Without any alternative name it was the subject's name that the library has verified.
            if let hostname, verifiesName, !names.isEmpty {
                guard names.contains(where: { $0.nameType == .dnsName && HostName.matches(hostname, pattern: $0.contents) }) else {
                    return Self.mismatch(hostname)
                }
            }
            guard !pins.isEmpty else { return nil }
            let certificateDigest = (try? certificate.toDERBytes()).map(SHA256.digest)
            let keyDigest = (try? certificate.extractPublicKey().toSPKIBytes()).map(SHA256.digest)
            let isPinned = pins.contains { pin in
                switch pin.subject {
                case .certificate: pin.digest == certificateDigest
                case .publicKey: pin.digest == keyDigest
                }
            }
            return isPinned ? nil : MQTTError(.certificateNotPinned, .notSent, "the broker's certificate is none of those pinned")
        }
    }

    extension TLSPeer {
        static func mismatch(_ hostname: String?) -> MQTTError {
            let text = "the broker's certificate is not for the name \(hostname ?? "that was asked for")"
            return MQTTError(.certificateNameMismatch, .notSent, text)
        }
    }

    /// Stands behind the TLS handler: lets the client know of the connection when the handshake is done, and translates errors.
    final class TLSGate: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let tls: NIOSSLClientHandler
        private let peer: TLSPeer
        private var isDone = false

        init(_ tls: NIOSSLClientHandler, _ peer: TLSPeer) {
            self.tls = tls
            self.peer = peer
        }

        /// TCP is there; the handshake begins.
        func channelActive(context: ChannelHandlerContext) {
            context.fireUserInboundEventTriggered(HandshakeStage(name: "the TLS handshake"))
        }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            guard case .handshakeCompleted? = event as? TLSUserEvent else { return context.fireUserInboundEventTriggered(event) }
            let objection =
                tls.peerCertificate.map(peer.objection) ?? MQTTError(.tlsFailed, .notSent, "the broker has shown no certificate")
            if let objection { return context.fireErrorCaught(objection) }
            isDone = true
            context.fireChannelActive()
        }

        func channelInactive(context: ChannelHandlerContext) { context.fireChannelInactive() }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            let failure = TLSFailure(error)
            context.fireErrorCaught(isDone ? failure.afterHandshake : failure.ofHandshake(tls.peerCertificate, peer.hostname))
        }
    }
#endif
