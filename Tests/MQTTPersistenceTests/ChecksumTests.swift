import Testing

@testable import MQTTPersistence

/// CRC-32C against the values of RFC 3720, appendix B.4.
@Suite struct ChecksumTests {
    @Test("The examples of the standard")
    func examples() {
        #expect(Checksum.of([UInt8](repeating: 0, count: 32).span) == 0x8A91_36AA)
        #expect(Checksum.of([UInt8](repeating: 255, count: 32).span) == 0x62A8_AB43)
        #expect(Checksum.of([UInt8](0..<32).span) == 0x46DD_794E)
        #expect(Checksum.of(Array("123456789".utf8).span) == 0xE306_9283)
    }

    @Test("Parts give the same as the whole")
    func parts() {
        let bytes = [UInt8](0..<100)
        for split in 0...100 {
            var checksum = Checksum()
            checksum.update(bytes.span.extracting(0..<split))
            checksum.update(bytes.span.extracting(split..<100))
            #expect(checksum.value == Checksum.of(bytes.span))
        }
    }
}
