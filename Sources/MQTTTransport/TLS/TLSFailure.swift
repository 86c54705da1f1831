#if TLS
    // The words of the TLS library, in those of this one: which of the many ways in which TLS fails was it?
    internal import MQTTCore
    internal import NIOCore
    internal import NIOSSL

    #if canImport(Darwin)
        internal import Darwin
    #elseif canImport(Musl)
        internal import Musl
    #else
        internal import Glibc
    #endif

    /// An error of the TLS library.
    struct TLSFailure {
        private let error: any Error
        /// The reasons as BoringSSL names them, such as CERTIFICATE_VERIFY_FAILED. Empty when it is something else.
        private let reasons: [String]

        init(_ error: any Error) {
            self.error = error
            let inner: BoringSSLError? =
                switch error as? NIOSSLError {
                case .handshakeFailed(let inner), .shutdownFailed(let inner): inner
                default: error as? BoringSSLError
                }
            switch inner {
            case .sslError(let stack), .unknownError(let stack): reasons = stack.map { Self.reason($0.description) }
            default: reasons = []
            }
        }

        /// "Error: 268436498 error:10000412:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED at file:line".
        private static func reason(_ text: String) -> String {
            guard let routine = text.firstRange(of: "OPENSSL_internal:") else { return text }
            return String(text[routine.upperBound...].prefix { $0 != " " })
        }

        private func has(_ parts: String...) -> Bool {
            reasons.contains { reason in parts.contains { reason.contains($0) } }
        }

        /// For people.
        var words: String {
            if !reasons.isEmpty { return reasons.joined(separator: ", ") }
            return switch error as? NIOSSLError {
            case .noSuchFilesystemObject: "there is no such file"
            case .failedToLoadCertificate: "no certificate"
            case .failedToLoadPrivateKey: "no private key"
            case .uncleanShutdown: "closed without the end of TLS"
            default: "\(error)"
            }
        }

        /// The handshake is not done, so nothing was sent.
        func ofHandshake(_ certificate: NIOSSLCertificate?, _ hostname: String?) -> MQTTError {
            if let error = error as? MQTTError { return error }
            if error as? NIOSSLExtraError == .failedToValidateHostname {
                return TLSPeer.mismatch(hostname)
            }
            if has("CERTIFICATE_VERIFY_FAILED") { return refusal(of: certificate) }
            if let refusal = clientRefusal { return refusal }
            if has("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "INVALID_OUTER_RECORD_TYPE", "UNEXPECTED_MESSAGE") {
                return MQTTError(.tlsFailed, .notSent, "the answer is not TLS: does the broker expect TLS on this port? (\(words))")
            }
            if has("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL") {
                return MQTTError(.tlsFailed, .notSent, "the broker and the client have no version of TLS in common (\(words))")
            }
            if has("ALERT_HANDSHAKE_FAILURE") {
                // In TLS 1.2 this is all that a broker says to a client without a certificate.
                let causes = "it knows none of the ciphers, or wants a certificate of the client"
                return MQTTError(.tlsFailed, .notSent, "the broker refused the TLS handshake: \(causes) (\(words))")
            }
            if has("NO_APPLICATION_PROTOCOL", "INVALID_ALPN_PROTOCOL") {
                return MQTTError(.tlsFailed, .notSent, "the broker knows none of the application protocols (\(words))")
            }
            if has("EOF during handshake") || (error as? IOError)?.errnoCode == ECONNRESET {
                let text = "the connection was closed in the middle of the TLS handshake: does the broker expect TLS on this port?"
                return MQTTError(.tlsFailed, .notSent, text)
            }
            return MQTTError(.tlsFailed, .notSent, "the TLS handshake failed: \(words)")
        }

        /// In TLS 1.3 the client's part of the handshake is done before the broker has looked at its certificate.
        var afterHandshake: MQTTError {
            if let error = error as? MQTTError { return error }
            return clientRefusal ?? MQTTError(.connectionLost, .unknown, "the TLS connection failed: \(words)")
        }

        private var clientRefusal: MQTTError? {
            let alerts = [
                "ALERT_CERTIFICATE_REQUIRED", "ALERT_BAD_CERTIFICATE", "ALERT_CERTIFICATE_EXPIRED", "ALERT_CERTIFICATE_REVOKED",
                "ALERT_CERTIFICATE_UNKNOWN", "ALERT_UNSUPPORTED_CERTIFICATE", "ALERT_UNKNOWN_CA", "ALERT_ACCESS_DENIED",
                "ALERT_NO_CERTIFICATE", "ALERT_DECRYPT_ERROR",
            ]
            guard reasons.contains(where: { reason in alerts.contains { reason.hasSuffix($0) } }) else { return nil }
            return MQTTError(.clientCertificateRefused, .notSent, "the broker refused the client's certificate, or has got none (\(words))")
        }

        /// Why the chain was not accepted. The library only says that it was not, so its first certificate is looked at: this decides
        /// about the words alone.
        private func refusal(of certificate: NIOSSLCertificate?) -> MQTTError {
            guard let certificate else { return MQTTError(.certificateUntrusted, .notSent, "the broker's certificate is not trusted") }
            let now = time(nil)
            if certificate.notValidAfter < now {
                return MQTTError(.certificateExpired, .notSent, "the broker's certificate has expired")
            }
            if certificate.notValidBefore > now {
                let text = "the broker's certificate is not valid yet: is the clock of this machine right?"
                return MQTTError(.certificateNotYetValid, .notSent, text)
            }
            if let names = (try? certificate.toDERBytes()).flatMap(CertificateNames.init), names.issuer == names.subject {
                let text = "the broker's certificate is self-signed, and none of the trusted roots"
                return MQTTError(.certificateSelfSigned, .notSent, text)
            }
            let others = "a certificate on the way to it is not valid, or not for brokers"
            return MQTTError(.certificateUntrusted, .notSent, "the issuer of the broker's certificate is not trusted, or \(others)")
        }
    }
#endif
