import DiskSimulation
import Glibc
import MQTTPersistence

/// Writes what the corpus of a target begins with, where chance would not get by itself: stores as they are written.
func writeSeeds(to directory: String) -> Bool {
    guard FuzzTarget.chosen == .journal else {
        print("only the journal needs seeds that a program makes")
        return false
    }
    for (index, seed) in storeSeeds().enumerated() where !write(seed, to: "\(directory)/store-\(index)") { return false }
    return true
}

private func write(_ bytes: [UInt8], to path: String) -> Bool {
    guard let file = unsafe fopen(path, "wb") else { return false }
    let count = unsafe fwrite(bytes, 1, bytes.count, file)
    return unsafe fclose(file) == 0 && count == bytes.count
}

private func storeSeeds() -> [[UInt8]] {
    // The first byte is that of StoreShape: bit 0 is the directory, bit 1 mends checksums, bit 2 makes small segments.
    [0, 2, 4, 6, 1].map { shape in
        let disk = SimulatedDisk()
        let isDirectory = shape & 1 != 0
        let store: any SessionStore =
            isDirectory
            ? DirectorySessionStore(at: "store", files: disk)
            : JournalSessionStore(at: "store", files: disk, segmentLimit: shape & 4 != 0 ? 200 : 8 << 20)
        for round in 0..<2 as Range<UInt64> {
            guard (try? store.open()) != nil else { return [] }
            try? store.commit([.put(.client, head: [65]), .put(.publish(7 + round), head: [1, 2], body: [3, 4, 5])])
            try? store.commit([.put(.received(7)), .put(.inbound(9)), .delete(.publish(8)), .put(.inbound(10))])
            try? store.commit(round == 0 ? [.deleteAllInbound] : [.put(.inbound(9))])
            store.close()
        }
        let names =
            isDirectory
            ? ["client", "publish-00000000000000000007", "inbound-00009"] : (1...3).map { "journal-000000000\($0)" }
        let files = disk.files
        return [UInt8(shape)]
            + names.flatMap { name -> [UInt8] in
                let bytes = files["store/\(name)"] ?? []
                return [UInt8(bytes.count >> 8), UInt8(bytes.count & 255)] + bytes
            }
    }
}
