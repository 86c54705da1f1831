import Foundation
import MQTT
import MQTTTesting
import Testing

/// Stores that a client cannot have: each a different error, that says what to do; and those that it gets again.
@Suite(.timeLimit(.minutes(4))) struct StoreOpeningTests {
    private func error(_ store: any SessionStore, _ start: SessionOptions.Start = .resume, id: String = "client") -> MQTTError? {
        do throws(MQTTError) {
            _ = try MQTTClient(settings(dialer: nowhere, in: store, start, id: id))
            return nil
        } catch { return error }
    }

    /// All files below a directory with what is in them.
    private func files(_ path: String) throws -> [String: Data] {
        var files: [String: Data] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: path) {
            files[name] = try Data(contentsOf: URL(filePath: path + "/" + name))
        }
        return files
    }

    private func filled(_ store: any SessionStore) async throws {
        let client = try MQTTClient(settings(dialer: nowhere, in: store))
        try await client.publish("x", to: "t", .exactlyOnce)
        await client.close()
    }

    @Test(arguments: StoreKind.allCases, [SessionOptions.Start.resume, .new])
    func theStoreOfAnotherClientIsRefused(kind: StoreKind, start: SessionOptions.Start) async throws {
        try await withDirectory { path in
            let store = kind.maker(at: path + "/store")
            try await filled(store())
            let before = try? files(path + "/store")
            let found = error(store(), start, id: "other")
            #expect(found?.code == .persistence && found?.fate == .notSent)
            #expect(found?.message.contains("client \"client\", not of \"other\"") == true)
            #expect(found?.message.contains("another place") == true)
            #expect((try? files(path + "/store")) == before)
            #expect(try store().keys().count == 2)
        }
    }

    @Test(arguments: StoreKind.allCases)
    func aStoreInUseIsRefused(kind: StoreKind) async throws {
        try await withDirectory { path in
            let store = kind.maker(at: path + "/store")
            let client = try MQTTClient(settings(dialer: nowhere, in: store()))
            let found = error(store())
            #expect(found?.code == .persistence && found?.message.contains("in use by another client") == true)
            // The first one goes on.
            try await client.publish("x", to: "t", .atLeastOnce)
            await client.close()
            #expect(error(store()) == nil)
        }
    }

    @Test(arguments: StoreKind.onDisk)
    func anotherVersionIsRefused(kind: StoreKind) async throws {
        try await withDirectory { path in
            let store = kind.maker(at: path + "/store")
            try await filled(store())
            let name = try #require(files(path + "/store").keys.filter { $0 != "lock" }.min())
            let url = URL(filePath: path + "/store/" + name)
            var bytes = [UInt8](try Data(contentsOf: url))
            bytes[8] = 9
            // The checksum of a header that another version would have written.
            let end = kind == .journal ? 32 : 40
            bytes.replaceSubrange(end..<end + 4, with: checksum(bytes[..<end]))
            try Data(bytes).write(to: url)
            let before = try files(path + "/store")
            for start in [SessionOptions.Start.resume, .new] {
                let found = error(store(), start)
                #expect(found?.code == .persistence && found?.message.contains("format version 9") == true)
                #expect(found?.message.contains("continue with the library that wrote it") == true)
            }
            #expect(try files(path + "/store") == before)
        }
    }

    private func checksum(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        // CRC-32C, bit by bit: not the code under test.
        var checksum: UInt32 = ~0
        for byte in bytes {
            checksum ^= UInt32(byte)
            for _ in 0..<8 { checksum = checksum & 1 == 0 ? checksum >> 1 : (checksum >> 1) ^ 0x82F6_3B78 }
        }
        return (0..<4).map { UInt8(truncatingIfNeeded: ~checksum >> (8 * UInt32($0))) }
    }

    @Test(arguments: StoreKind.onDisk)
    func aPathThatCannotBeUsedIsNamed(kind: StoreKind) async throws {
        try await withDirectory { path in
            // Root may write anywhere, but not below a file.
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            try Data().write(to: URL(filePath: path + "/file"))
            let found = error(kind.maker(at: path + "/file/store")())
            #expect(found?.code == .persistence && found?.message.contains("cannot be opened") == true)
            #expect(found?.message.contains(path + "/file/store") == true)
            #expect(found?.message.contains("must exist or be creatable") == true)
        }
    }

    @Test func anEmptyIdentifierNeedsAStoreThatHasOne() async throws {
        let store = MemorySessionStore()
        let found = error(store, id: "")
        #expect(found?.code == .invalidArgument && found?.message.contains("give the session one") == true)
        #expect(error(store, id: "client") == nil)
    }

    @Test(arguments: [SessionOptions.Start.resume, .new])
    func aConfigurationThatIsWrongChangesNothing(start: SessionOptions.Start) async throws {
        let store = MemorySessionStore()
        try await filled(store)
        for id in ["client", ""] {
            let found = await failure {
                _ = try MQTTClient(settings(dialer: nowhere, in: store, start, id: id) { $0.will = Will("x", to: "not/#/a/topic") })
            }
            #expect(found?.code == .invalidArgument)
            #expect(try store.keys().count == 2)
        }
    }

    @Test func theErrorsOfAUsersStoreArriveAsTheyAre() async throws {
        struct Refusing: SessionStore {
            func open() throws(MQTTError) -> StoreContents {
                throw MQTTError(.persistence, .notSent, "the database is locked: stop its other user")
            }
            func record(of key: RecordKey) throws(MQTTError) -> StoredRecord { throw .closedStore }
            func commit(_ changes: [StoreChange]) throws(MQTTError) { throw .closedStore }
            func close() {}
        }
        #expect(error(Refusing())?.message == "the database is locked: stop its other user")
    }

    @Test(arguments: StoreKind.allCases)
    func oneStoreAfterTheOtherInOneProcess(kind: StoreKind) async throws {
        try await withBroker(kind) { broker, store in
            for run in 0..<10 {
                let client = try MQTTClient(settings(broker, in: store()))
                if run % 3 == 0 {
                    try await client.run { client in _ = try await client.publish(Publication(run, .exactlyOnce)) }
                } else if run % 3 == 1 {
                    try await client.publish(Publication(run, .exactlyOnce))
                    await client.close()
                } else {
                    let running = Task { try await client.run() }
                    try await client.waitUntilOnline()
                    _ = try await client.publish(Publication(run, .exactlyOnce)).completed
                    try await client.disconnect()
                    try await running.value
                }
            }
            #expect(try await broker.received.map(\.text) == (0..<10).map { "\($0)" })
        }
    }

    @Test func twoClientsWithStoresOfTheirOwn() async throws {
        try await withDirectory { path in
            try await withBroker { broker in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for number in 0..<4 {
                        group.addTask {
                            let store: any SessionStore =
                                number % 2 == 0
                                ? JournalSessionStore(at: "\(path)/\(number)") : DirectorySessionStore(at: "\(path)/\(number)")
                            let client = try MQTTClient(settings(broker, in: store, id: "client-\(number)"))
                            try await client.run { client in
                                for count in 0..<25 { try await client.publish(Publication(count, to: "t/\(number)", .atLeastOnce)) }
                            }
                        }
                    }
                    try await group.waitForAll()
                }
                let received = try await broker.received
                for number in 0..<4 {
                    #expect(received.filter { $0.topic == "t/\(number)" }.map(\.text) == (0..<25).map { "\($0)" })
                }
            }
        }
    }

    @Test func aClientThatIsNeverRunSetsItsStoreFree() async throws {
        let store = ScriptedStore()
        do {
            let client = try MQTTClient(settings(dialer: nowhere, in: store))
            try await client.publish("x", to: "t", .atLeastOnce)
            #expect(store.isOpen)
        }
        await store.wait { !$0.isOpen }
        #expect(try store.memory.keys().count == 2)
    }

    @Test func aRunThatThrowsSetsTheStoreFree() async throws {
        struct Mine: Error {}
        try await withBroker(.journal) { broker, store in
            let client = try MQTTClient(settings(broker, in: store()))
            await #expect(throws: Mine.self) {
                try await client.run { client in
                    try await client.publish("x", to: "t", .atLeastOnce)
                    throw Mine()
                }
            }
            #expect(error(store()) == nil)
        }
    }
}

extension MQTTError {
    fileprivate static var closedStore: MQTTError { MQTTError(.persistence, .notSent, "the store is not open") }
}
