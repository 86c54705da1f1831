import DiskSimulation
import Foundation
import MQTT
import MQTTPersistence
import MQTTTesting
import Testing

/// A disk without space: publishes fail, nothing that was accepted is lost, and delivery goes on when space returns.
@Suite(.timeLimit(.minutes(4))) struct FullDiskTests {
    /// Publishes until the disk is full, makes space, and publishes more. Returns the texts that were accepted.
    private func fill(_ client: MQTTClient, _ qos: QoS, _ start: Int, full: () throws -> Void, free: () throws -> Void) async throws
        -> [String]
    {
        var accepted: [String] = []
        var failures = 0
        func publish(_ number: Int) async throws -> Bool {
            let text = "\(number) " + String(repeating: "x", count: 300)
            do throws(MQTTError) {
                try await client.publish(Payload(text), to: "t", qos)
                accepted.append(text)
                return true
            } catch {
                guard error.code == .persistence else { throw error }
                return false
            }
        }
        var number = start
        for _ in 0..<5 {
            #expect(try await publish(number))
            number += 1
        }
        try full()
        while failures < 20 {
            if try await !publish(number) { failures += 1 }
            number += 1
        }
        try free()
        // It is tried again after a while.
        while try await !publish(number) { await Task.yield() }
        return accepted
    }

    private func store(_ kind: StoreKind, on disk: SimulatedDisk) -> any SessionStore {
        kind == .directory
            ? DirectorySessionStore(at: "store", files: disk) : JournalSessionStore(at: "store", files: disk, segmentLimit: 20_000)
    }

    @Test(arguments: StoreKind.onDisk, [QoS.atLeastOnce, .exactlyOnce])
    func aDiskThatIsFullForAWhile(kind: StoreKind, qos: QoS) async throws {
        let disk = SimulatedDisk()
        let store = store(kind, on: disk)
        try await withBroker { broker in
            var accepted: [String] = []
            for run in 0..<2 {
                let client = try MQTTClient(settings(broker, in: store))
                try await client.run { client in
                    try await client.waitUntilOnline()
                    accepted += try await fill(
                        client, qos, run * 1_000, full: { disk.set(SimulatedDisk.Faults(capacity: disk.size + 1_000)) },
                        free: { disk.set(SimulatedDisk.Faults()) })
                }
            }
            let received = try await broker.received.map(\.text)
            // One that failed may have been stored, and is not sent all the same.
            #expect(received == accepted)
            #expect(try store.keys() == [.client])
        }
    }

    @Test(arguments: StoreKind.onDisk, [QoS.atLeastOnce, .exactlyOnce])
    func aClientThatEndsWhileTheDiskIsFullLosesNothing(kind: StoreKind, qos: QoS) async throws {
        let disk = SimulatedDisk()
        let store = store(kind, on: disk)
        try await withBroker { broker in
            let first = try MQTTClient(settings(broker, in: store))
            for number in 0..<10 { try await first.publish(Publication(number, qos)) }
            disk.set(SimulatedDisk.Faults(capacity: disk.size))
            let error = await failure { try await first.publish(Publication(10, qos)) }
            #expect(error?.code == .persistence)
            await first.close()
            // It can be opened, and delivers, as far as that needs no store.
            let second = try MQTTClient(settings(broker, in: store) { $0.drainTimeout = .zero })
            try await second.run { _ in try await broker.wait { $0.receivedCount == (qos == .atLeastOnce ? 10 : 10) } }
            disk.set(SimulatedDisk.Faults())
            let third = try MQTTClient(settings(broker, in: store))
            try await third.run { _ in }
            var seen: Set<String> = []
            #expect(try await broker.received.map(\.text).filter { seen.insert($0).inserted } == (0..<10).map { "\($0)" })
            if qos == .exactlyOnce { #expect(try await broker.received.count == 10) }
            #expect(try store.keys() == [.client])
        }
    }

    @Test(
        .enabled("a tmpfs cannot be mounted here: this needs root on Linux, and is shown by the simulated disk") { SmallDisk.isPossible },
        arguments: StoreKind.onDisk)
    func aSmallFileSystem(kind: StoreKind) async throws {
        let disk = try SmallDisk()
        defer { disk.unmount() }
        let filler = URL(filePath: disk.path + "/filler")
        let store: any SessionStore =
            kind == .directory ? DirectorySessionStore(at: disk.path + "/store") : JournalSessionStore(at: disk.path + "/store")
        try await withBroker { broker in
            var accepted: [String] = []
            let client = try MQTTClient(settings(broker, in: store))
            try await client.run { client in
                try await client.waitUntilOnline()
                accepted = try await fill(
                    client, .exactlyOnce, 0,
                    full: { try disk.fill(filler) },
                    free: { try FileManager.default.removeItem(at: filler) })
            }
            #expect(try await broker.received.map(\.text) == accepted)
            #expect(try store.keys() == [.client])
        }
    }
}

/// A file system of one MiB in memory.
private struct SmallDisk {
    let path: String

    static var isPossible: Bool {
        guard let disk = try? SmallDisk() else { return false }
        disk.unmount()
        return true
    }

    private struct NotMounted: Error {}

    init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "mqtt-small-disk-\(UUID())").path()
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        do {
            try Self.run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", path)
        } catch {
            try? FileManager.default.removeItem(atPath: path)
            throw error
        }
    }

    func unmount() {
        try? Self.run("umount", "-l", path)
        try? FileManager.default.removeItem(atPath: path)
    }

    /// Writes until there is no space left.
    func fill(_ file: URL) throws {
        try Data().write(to: file)
        let handle = try FileHandle(forWritingTo: file)
        defer { try? handle.close() }
        let block = Data(count: 4_096)
        for _ in 0..<1_000 {
            do { try handle.write(contentsOf: block) } catch { return }
        }
    }

    private static func run(_ arguments: String...) throws {
        #if os(Linux)
            let process = Process()
            process.executableURL = URL(filePath: "/usr/bin/env")
            process.arguments = arguments
            process.standardError = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            guard process.terminationStatus == 0 else { throw NotMounted() }
        #else
            throw NotMounted()
        #endif
    }
}
