#if TLS
    // From options to what the TLS library wants, with an error for each that cannot be honoured.
    internal import MQTTCore
    internal import NIOCore
    internal import NIOSSL

    extension TLSOptions {
        /// - Parameter verifiesName: Whether the library verifies the host name. The chain is verified in any case.
        func makeContext(verifiesName: Bool) throws(MQTTError) -> NIOSSLContext {
            var configuration = TLSConfiguration.makeClientConfiguration()
            configuration.certificateVerification = verifiesName ? .fullVerification : .noHostnameVerification
            configuration.minimumTLSVersion =
                switch minimumVersion {
                case .v1_2: .tlsv12
                case .v1_3: .tlsv13
                }
            // How long a broker that does not answer to the end of TLS keeps a connection that the client has given up.
            configuration.shutdownTimeout = .seconds(1)
            guard applicationProtocols.allSatisfy({ 1...255 ~= $0.utf8.count }) else {
                throw .denied("an application protocol has 1 to 255 bytes")
            }
            configuration.applicationProtocols = applicationProtocols
            configuration.trustRoots = try trustRoots()
            if let keyLog { configuration.keyLogCallback = { keyLog.write(String(buffer: $0)) } }
            try clientCertificate?.configure(&configuration)
            do {
                return try NIOSSLContext(configuration: configuration)
            } catch {
                let place = if case .file(let path) = roots { " with the trusted roots in \(path)" } else { "" }
                throw .denied("TLS cannot be set up\(place): \(TLSFailure(error).words)")
            }
        }

        private func trustRoots() throws(MQTTError) -> NIOSSLTrustRoots {
            do {
                switch roots {
                case .system: return .default
                case .file(let path):
                    // A directory is read by the library, name by name as it is needed.
                    guard let certificates = try? NIOSSLCertificate.fromPEMFile(path), !certificates.isEmpty else { return .file(path) }
                    return .certificates(certificates)
                case .pem(let text):
                    let certificates = try NIOSSLCertificate.fromPEMBytes(Array(text.utf8))
                    guard !certificates.isEmpty else { throw NIOSSLError.failedToLoadCertificate }
                    return .certificates(certificates)
                }
            } catch {
                throw .denied("there is no certificate in the trusted roots")
            }
        }
    }

    extension TLSOptions.PEM {
        /// For messages.
        fileprivate var place: String {
            switch self {
            case .file(let path): " in \(path)"
            case .text: ""
            }
        }
    }

    extension TLSOptions.ClientCertificate {
        func configure(_ configuration: inout TLSConfiguration) throws(MQTTError) {
            let certificates = try certificates()
            let key = try privateKey()
            configuration.certificateChain = certificates.map { .certificate($0) }
            configuration.privateKey = .privateKey(key)
        }

        private func certificates() throws(MQTTError) -> [NIOSSLCertificate] {
            do {
                let certificates =
                    switch chain {
                    case .file(let path): try NIOSSLCertificate.fromPEMFile(path)
                    case .text(let text): try NIOSSLCertificate.fromPEMBytes(Array(text.utf8))
                    }
                if !certificates.isEmpty { return certificates }
            } catch {
                throw .denied("the client certificate\(chain.place) cannot be read: \(TLSFailure(error).words)")
            }
            throw .denied("there is no client certificate\(chain.place)")
        }

        private func privateKey() throws(MQTTError) -> NIOSSLPrivateKey {
            let secret = Array((passphrase ?? "").utf8)
            guard secret.allSatisfy({ $0 < 0x80 }) else {
                throw MQTTError(.unsupported, .denied, "a passphrase that is not ASCII is not supported")
            }
            // Without it the library would ask for the passphrase on the terminal.
            let answer: NIOSSLPassphraseCallback<[UInt8]> = { setter in setter(secret) }
            do {
                switch key {
                case .file(let path): return try NIOSSLPrivateKey(file: path, format: .pem, passphraseCallback: answer)
                case .text(let text): return try NIOSSLPrivateKey(bytes: Array(text.utf8), format: .pem, passphraseCallback: answer)
                }
            } catch {
                let advice = passphrase == nil ? "; if it is encrypted, it needs its passphrase" : "; is the passphrase right?"
                throw .denied("the client's private key\(key.place) cannot be read: \(TLSFailure(error).words)\(advice)")
            }
        }
    }
#endif
