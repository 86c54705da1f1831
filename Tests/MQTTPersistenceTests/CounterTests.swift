import DiskSimulation
import MQTTCore
import MQTTPersistence
import Testing

/// Numbers that only damage or an enemy writes, under checksums that are right. Found by scripts/fuzz journal.
@Suite struct CounterTests {
    @Test("A record with one of the last sequences that there are counts as damaged", arguments: StoreKind.onDisk, [UInt8(0xFF), 0xFE, 0])
    func lastSequence(_ kind: StoreKind, _ lowest: UInt8) throws {
        let disk = SimulatedDisk()
        let store = kind.store(on: disk)
        _ = try store.open()
        try store.commit([.put(.publish(1), body: [1])])
        try store.commit([.put(.publish(2), body: [2])])
        store.close()
        var files = disk.files
        let path = try #require(files.keys.filter { !$0.hasSuffix("lock") }.max())
        files[path] = kind == .directory ? inValue(files[path] ?? [], lowest) : inJournal(files[path] ?? [], lowest)
        disk.files = files

        let contents = try store.open()
        #expect(contents.map(\.key) == [.publish(1)])
        #expect(contents.damage.count == 1)
        try store.commit([.put(.publish(3), body: [3])])
        store.close()
        #expect(try store.open().map(\.key) == [.publish(1), .publish(3)])
    }

    @Test(
        "A record with the last sequence that is believed: nothing is written behind it, and nothing is lost",
        arguments: StoreKind.onDisk)
    func exhausted(_ kind: StoreKind) throws {
        let disk = SimulatedDisk()
        let store = kind.store(on: disk)
        _ = try store.open()
        try store.commit([.put(.publish(1), body: [1])])
        store.close()
        var files = disk.files
        let path = try #require(files.keys.filter { !$0.hasSuffix("lock") }.max())
        files[path] = kind == .directory ? inValue(files[path] ?? [], 0xFF, 0x7F) : inJournal(files[path] ?? [], 0xFF, 0x7F)
        disk.files = files

        #expect(try store.open().map(\.key) == [.publish(1)])
        let error = try #require(throws: MQTTError.self) { try store.commit([.put(.publish(2), body: [2])]) }
        #expect(error.code == .persistence)
        store.close()
        #expect(try store.open().map(\.key) == [.publish(1)])
    }

    @Test("A segment with one of the last numbers that there are belongs to nobody", arguments: [4_294_967_295, 4_294_967_294])
    func lastSegment(_ number: Int) throws {
        let disk = SimulatedDisk()
        disk.files = ["store/journal-\(number)": [1, 2, 3]]
        let store = StoreKind.journal.store(on: disk)
        #expect(try store.open().isEmpty)
        try store.commit([.put(.publish(3), body: [3])])
        store.close()
        #expect(try store.open().map(\.key) == [.publish(3)])
    }

    /// In the last record of the first segment.
    private func inJournal(_ bytes: [UInt8], _ lowest: UInt8, _ highest: UInt8 = 0xFF) -> [UInt8] {
        var bytes = bytes
        let mark: [UInt8] = [0xF5, 0x52, 0x45, 0x43]
        guard let start = bytes.indices.last(where: { bytes[$0...].starts(with: mark) }) else { return [] }
        bytes.replaceSubrange(start + 32..<start + 40, with: [lowest, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, highest])
        let place = (0..<4).map { UInt8(truncatingIfNeeded: start >> (8 * $0)) } + [1, 0, 0, 0]
        bytes.replaceSubrange(start + 40..<start + 44, with: checksum(Array(bytes[start + 8..<start + 40]) + place))
        return bytes
    }

    private func inValue(_ bytes: [UInt8], _ lowest: UInt8, _ highest: UInt8 = 0xFF) -> [UInt8] {
        var bytes = bytes
        bytes.replaceSubrange(24..<32, with: [lowest, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, highest])
        bytes.replaceSubrange(40..<44, with: checksum(Array(bytes[..<40])))
        return bytes
    }

    /// CRC-32C, little-endian. Bit by bit: not the code under test.
    private func checksum(_ bytes: [UInt8]) -> [UInt8] {
        var crc: UInt32 = ~0
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 0 ? crc >> 1 : (crc >> 1) ^ 0x82F6_3B78 }
        }
        return (0..<4).map { UInt8(truncatingIfNeeded: ~crc >> (8 * $0)) }
    }
}
