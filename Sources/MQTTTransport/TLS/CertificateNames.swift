#if TLS
    /// Issuer and subject of an X.509 certificate, as their bytes.
    struct CertificateNames {
        let issuer: [UInt8]
        let subject: [UInt8]

        /// From the certificate in DER. Nil when it is none.
        init?(_ certificate: [UInt8]) {
            // Certificate ::= SEQUENCE { TBSCertificate ::= SEQUENCE { [0] version, serialNumber, signature, issuer, validity, subject ...
            var outer = certificate[...]
            guard var body = Self.element(&outer), var fields = Self.element(&body) else { return nil }
            if fields.first == 0xA0 { _ = Self.element(&fields) }
            guard Self.element(&fields) != nil, Self.element(&fields) != nil, let issuer = Self.element(&fields),
                Self.element(&fields) != nil, let subject = Self.element(&fields)
            else { return nil }
            self.issuer = Array(issuer)
            self.subject = Array(subject)
        }

        /// Takes the next element off the front, and returns its content.
        private static func element(_ bytes: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
            guard bytes.popFirst() != nil, let first = bytes.popFirst() else { return nil }
            var length = Int(first)
            if first >= 0x80 {
                guard 0x81...0x83 ~= first else { return nil }
                length = 0
                for _ in 0..<(first & 0x7F) {
                    guard let byte = bytes.popFirst() else { return nil }
                    length = length << 8 | Int(byte)
                }
            }
            guard length <= bytes.count else { return nil }
            defer { bytes = bytes.dropFirst(length) }
            return bytes.prefix(length)
        }
    }
#endif
