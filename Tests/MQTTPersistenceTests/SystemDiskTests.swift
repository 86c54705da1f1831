import Foundation
import MQTTCore
import MQTTPersistence
import Testing

/// The stores on the disk of this machine.
@Suite struct SystemDiskTests {
    private func withDirectory(_ body: (String) throws -> Void) throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "mqtt-store-\(UUID())")
        defer { try? FileManager.default.removeItem(at: directory) }
        try body(directory.path)
    }

    private func stores(_ path: String) -> [any SessionStore] {
        [JournalSessionStore(at: path + "/a/journal"), DirectorySessionStore(at: path + "/b/files")]
    }

    @Test("Directories are made; what is stored comes back; a second one is kept out")
    func use() throws {
        try withDirectory { path in
            for (store, second) in zip(stores(path), stores(path)) {
                #expect(try store.open().isEmpty)
                let error = try #require(throws: MQTTError.self) { try second.open() }
                #expect(error.code == .persistence && error.message.contains("in use"))
                try store.commit([
                    .put(.client, head: [65]), .put(.publish(1), head: [1], body: [2, 3]), .put(.publish(2)), .put(.received(1)),
                ])
                try store.commit([.delete(.publish(2))])
                store.close()
                let (keys, values, damage) = try second.openAndRead()
                #expect(keys == [.client, .publish(1), .received(1)] && damage.isEmpty)
                #expect(values[.publish(1)] == Value([1], [2, 3]))
                second.close()
            }
        }
    }

    #if os(Linux)
        /// A process that is being started has copies of all descriptors until it runs its program.
        @Test("A store that was closed is free, though a process is being started at the moment")
        func closedWhileAProcessIsStarted() throws {
            try withDirectory { path in
                for (store, second) in zip(stores(path), stores(path)) {
                    _ = try store.open()
                    let locks = (0..<1_024 as Range<Int32>).filter { number in
                        let file = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(number)")
                        return file?.hasPrefix(path) == true && file?.hasSuffix("/lock") == true
                    }
                    #expect(locks.count == 1)
                    let copies = locks.map { dup($0) }
                    store.close()
                    #expect(throws: Never.self) { try second.open() }
                    second.close()
                    for copy in copies { close(copy) }
                }
            }
        }
    #endif

    @Test("A place that cannot be used gives an error that names it")
    func unusable() throws {
        for store in stores("/dev/null") {
            let error = try #require(throws: MQTTError.self) { try store.open() }
            #expect(error.code == .persistence && error.message.contains("cannot be opened") && error.message.contains("/dev/null"))
        }
    }

    @Test("A million queued messages", .enabled(if: ProcessInfo.processInfo.environment["MQTT_BENCHMARKS"] != nil))
    func startUp() throws {
        try withDirectory { path in
            let clock = ContinuousClock()
            let count: UInt64 = 1_000_000
            let head = Array("a/topic/of/some/length".utf8)
            let body = [UInt8](repeating: 7, count: 100)
            let writing = try clock.measure {
                let store = JournalSessionStore(at: path)
                _ = try store.open()
                for start in stride(from: 0, to: count, by: 1000) {
                    try store.commit((start..<start + 1000).map { .put(.publish($0), head: head, body: body) })
                }
                store.close()
            }
            resetPeakMemory()
            let before = peakMemory()
            var found = 0
            let store = JournalSessionStore(at: path)
            let opening = try clock.measure { found = try store.open().count }
            let after = peakMemory()
            #expect(found == Int(count))
            var checksum = 0
            let reading = try clock.measure {
                for number in 0..<UInt64(100_000) { checksum += try store.record(of: .publish(number)).body.count }
            }
            #expect(checksum == 10_000_000)
            print("written in \(writing), opened in \(opening), 100,000 bodies read in \(reading)")
            print("\(after / 1024) MB at most while opening, \(before / 1024) MB before")
            store.close()
        }
    }

    /// Where there is no /proc, the peak is of the whole process.
    private func resetPeakMemory() {
        try? Data("5".utf8).write(to: URL(filePath: "/proc/self/clear_refs"))
    }

    /// In KiB.
    private func peakMemory() -> Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        return line.flatMap { Int($0.filter(\.isNumber)) } ?? 0
    }
}
