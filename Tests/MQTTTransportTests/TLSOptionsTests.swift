#if TLS
    import MQTTCore
    import MQTTTransport
    import NIOCore
    import Testing

    /// What cannot be honoured throws when the connection is set up, not when it is made.
    @Suite struct TLSOptionsTests {
        private func error(host: String? = "localhost", _ change: (inout TLSOptions) throws -> Void) throws -> MQTTError? {
            var options = TLSOptions()
            try change(&options)
            do {
                _ = try Layers.tls(options, host: host)
                return nil
            } catch {
                return error
            }
        }

        @Test("Files that are not there, and files that are something else")
        func files() throws {
            let noFile = "/nonexistent/file.pem"
            let text = #filePath
            #expect(try error { $0.roots = .file(noFile) }?.code == .invalidArgument)
            #expect(try error { $0.roots = .file(text) }?.code == .invalidArgument)
            #expect(try error { $0.roots = .pem("") }?.code == .invalidArgument)
            #expect(try error { $0.clientCertificate = .init(chain: .file(noFile), key: .file(noFile)) }?.code == .invalidArgument)
            #expect(try error { $0.clientCertificate = .init(chain: .file(text), key: .file(text)) }?.code == .invalidArgument)
            #expect(try error { $0.clientCertificate = .init(chain: .text(Samples.certificate), key: .file(noFile)) } != nil)
        }

        @Test("A key that is encrypted needs its passphrase, the right one")
        func encryptedKey() throws {
            let certificate = TLSOptions.PEM.text(Samples.certificate)
            let key = TLSOptions.PEM.text(Samples.encryptedKey)
            #expect(try error { $0.clientCertificate = .init(chain: certificate, key: key, passphrase: Samples.passphrase) } == nil)
            let missing = try error { $0.clientCertificate = .init(chain: certificate, key: key) }
            #expect(missing?.code == .invalidArgument)
            #expect(missing?.message.contains("it needs its passphrase") == true)
            let wrong = try error { $0.clientCertificate = .init(chain: certificate, key: key, passphrase: "wrong") }
            #expect(wrong?.code == .invalidArgument)
            #expect(try error { $0.clientCertificate = .init(chain: certificate, key: key, passphrase: "ü") }?.code == .unsupported)
        }

        @Test("A key that belongs to another certificate")
        func otherKey() throws {
            let client = TLSOptions.ClientCertificate(chain: .text(Samples.certificate), key: .text(Samples.otherKey))
            #expect(try error { $0.clientCertificate = client }?.code == .invalidArgument)
        }

        @Test("Names of protocols and servers have a length")
        func names() throws {
            #expect(try error { $0.applicationProtocols = ["x-amzn-mqtt-ca"] } == nil)
            #expect(try error { $0.applicationProtocols = [""] }?.code == .invalidArgument)
            #expect(try error { $0.applicationProtocols = [String(repeating: "x", count: 256)] }?.code == .invalidArgument)
            #expect(try error { $0.serverName = "" }?.code == .invalidArgument)
            #expect(try error { $0.serverName = String(repeating: "x", count: 256) }?.code == .invalidArgument)
            #expect(try error(host: nil) { _ in }?.code == .invalidArgument)
            #expect(try error(host: nil) { $0.serverName = "broker.example" } == nil)
        }

        @Test("A broker without a verified name needs roots of its own, or pins")
        func withoutName() throws {
            let pin = try TLSOptions.Pin.certificate(String(repeating: "0a", count: 32))
            for host in ["localhost", "127.0.0.1"] {
                #expect(try error(host: host) { $0.verifiesName = false }?.code == .invalidArgument)
                let own = try error(host: host) {
                    $0.verifiesName = false
                    $0.roots = .pem(Samples.certificate)
                }
                #expect(own == nil)
                let pinned = try error(host: host) {
                    $0.verifiesName = false
                    $0.pins = [pin]
                }
                #expect(pinned == nil)
            }
        }

        @Test("A pin is a digest of 32 bytes, in hexadecimal or base64")
        func pins() throws {
            let digits = String(repeating: "0aF9", count: 16)
            let colons = Array(repeating: "0A:F9", count: 16).joined(separator: ":")
            let expected = try TLSOptions.Pin.certificate(digits)
            #expect(try TLSOptions.Pin.certificate(colons) == expected)
            #expect(try TLSOptions.Pin.publicKey(digits) != expected)
            let base64 = Base64.encode((0..<16).flatMap { _ in [0x0A, 0xF9] as [UInt8] })
            #expect(try TLSOptions.Pin.certificate(base64) == expected)
            for text in ["", "0a", digits + "00", String(digits.dropLast()) + "g", String(base64.dropLast())] {
                #expect(throws: MQTTError.self) { try TLSOptions.Pin.certificate(text) }
            }
        }
    }

    /// Made by OpenSSL 3.0.
    private enum Samples {
        static let passphrase = "secret"
        static let certificate = """
            -----BEGIN CERTIFICATE-----
            MIIBeDCCAR+gAwIBAgIUd+pnQKsEeLe8osLAcqHBtViYRMUwCgYIKoZIzj0EAwIw
            ETEPMA0GA1UEAwwGY2xpZW50MCAXDTI2MTEyMzAzMTc1NFoYDzIxMjYxMDMwMDMx
            NzU0WjARMQ8wDQYDVQQDDAZjbGllbnQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
            AATV37bEzzjICxnnf2xXfCKmA3v92MDxWEjOEOYPHSj9Jl98i9ImHEi81JhyEGS/
            XFSKLMZNJMfwn70OtxVD3BiGo1MwUTAdBgNVHQ4EFgQUGS96AhSRkykJZoz5SMFg
            NxYl99gwHwYDVR0jBBgwFoAUGS96AhSRkykJZoz5SMFgNxYl99gwDwYDVR0TAQH/
            BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiB5zkR1Tgj9kwtR5x8jfsONXohIRFXb
            2ngbV1Yp1ZLAjAIgRy7AJ7Z7Tb9apb+xYJfy2DxYrW7kyk5f7yvJnPC8SXs=
            -----END CERTIFICATE-----
            """
        static let encryptedKey = """
            -----BEGIN ENCRYPTED PRIVATE KEY-----
            MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgp5dhSOT4zfAICCAAw
            DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEGqSXiraTqj22t1ukNHBNdYEgZBp
            XbyKOa7ivooDm1TX11fD745OGypGsJtdJVrTDsXoyPD51lSlA/45pMmsWrgSBcx9
            vXAoidAAPprZsY+7gq9Q1Z9xvvWVvr47ZmQf8renAMo/LeJ6qw3VdKLNfxAEdixr
            CTAw+CkhvY3F0/rjGkQ4b7ki8ltGm6cvGfMr1Z75G+t+3r0VHz4Kx3olkfMHWM0=
            -----END ENCRYPTED PRIVATE KEY-----
            """
        static let otherKey = """
            -----BEGIN PRIVATE KEY-----
            MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgC8UdONzUsHYEM+b1
            FGjmXqd6Rrlb2kzJ3pNcdt7LalehRANCAATITRVzaUrlXOg1+qIRwdbZFTxYYTKj
            gQlrTaxqw/YR6EaLkHPw1jAjO4qc2Gzuz1CeS6ZM9/ftVyvtcZ2F3FjV
            -----END PRIVATE KEY-----
            """
    }
#endif
