package import MQTTPersistence
import Synchronization

/// A disk that forgets what was not synced, reorders and tears it, fills up, fails, and stops at a given operation.
package final class SimulatedDisk: StoreFileSystem {
    package struct Faults: Sendable {
        /// After this many changing operations the machine has stopped.
        package var stopAfter: Int?
        /// The changing operations, by number, that fail.
        package var failing: Set<Int> = []
        /// In bytes, of all files.
        package var capacity: Int?

        /// It says that it has synced, and has not.
        package var ignoresSync = false

        package init(stopAfter: Int? = nil, failing: Set<Int> = [], capacity: Int? = nil, ignoresSync: Bool = false) {
            self.stopAfter = stopAfter
            self.failing = failing
            self.capacity = capacity
            self.ignoresSync = ignoresSync
        }
    }

    /// What of the unsynced a crash leaves.
    package enum Crash: Sendable, CaseIterable {
        case nothing
        case everything
        case anySectors
    }

    fileprivate struct Write: Sendable {
        var offset: Int
        var bytes: [UInt8]
    }

    fileprivate struct Content: Sendable {
        var current: [UInt8] = []
        var durable: [UInt8] = []
        var unsynced: [Write] = []
    }

    fileprivate struct State: Sendable {
        var faults = Faults()
        var operations = 0
        var names: [String: Int] = [:]
        var durableNames: [String: Int] = [:]
        var unsyncedNames: [[String: Int?]] = []
        var contents: [Int: Content] = [:]
        var locks: Set<String> = []

        /// Counts a changing operation, and says whether it goes well. The last before a stop is done, and nobody hears of it.
        mutating func begin() throws(FileFault) -> Bool {
            operations += 1
            if let stopAfter = faults.stopAfter, operations > stopAfter { throw SimulatedDisk.fault }
            return !faults.failing.contains(operations)
        }

        func end() throws(FileFault) {
            if operations == faults.stopAfter { throw SimulatedDisk.fault }
        }

        mutating func name(_ change: [String: Int?]) {
            for (name, file) in change { names[name] = file }
            unsyncedNames.append(change)
        }
    }

    package static let fault = FileFault("simulated", number: 5, text: "failed")
    package static let full = FileFault("simulated", number: 28, text: "full", isFull: true)

    fileprivate let state: Mutex<State>

    package init(_ faults: Faults = Faults()) {
        var state = State()
        state.faults = faults
        self.state = Mutex(state)
    }

    private init(_ state: State) { self.state = Mutex(state) }

    package var operations: Int { state.withLock { $0.operations } }
    package var hasStopped: Bool { state.withLock { state in state.faults.stopAfter.map { state.operations >= $0 } ?? false } }
    package var size: Int { state.withLock { state in state.names.values.reduce(0) { $0 + (state.contents[$1]?.current.count ?? 0) } } }
    /// With what has no name any more: what a capacity counts.
    package var totalSize: Int { state.withLock { state in state.contents.values.reduce(0) { $0 + $1.current.count } } }
    package func set(_ faults: Faults) { state.withLock { $0.faults = faults } }

    /// The files by path, as a program sees them.
    package var files: [String: [UInt8]] {
        get { state.withLock { state in state.names.mapValues { state.contents[$0]?.current ?? [] } } }
        set {
            state.withLock { state in
                state = State()
                for (number, file) in newValue.enumerated() {
                    state.names[file.key] = number
                    state.contents[number] = Content(current: file.value, durable: file.value)
                }
                state.durableNames = state.names
            }
        }
    }

    /// The disk after a power cut.
    package func crashed(_ crash: Crash, _ random: inout some RandomNumberGenerator) -> SimulatedDisk {
        var old = state.withLock { $0 }
        var new = State()
        for change in old.unsyncedNames where crash.keeps(&random) {
            for (name, file) in change { old.durableNames[name] = file }
        }
        new.names = old.durableNames
        new.durableNames = new.names
        let named = Set(new.names.values)
        for (number, content) in old.contents.sorted(by: { $0.key < $1.key }) where named.contains(number) {
            var bytes = content.durable
            for write in content.unsynced { crash.apply(write, to: &bytes, &random) }
            new.contents[number] = Content(current: bytes, durable: bytes)
        }
        return SimulatedDisk(new)
    }

    // MARK: StoreFileSystem

    package func makeDirectory(_ path: String) throws(FileFault) {}

    package func names(in directory: String) throws(FileFault) -> [String] {
        state.withLock { $0.names.keys.filter { $0.hasPrefix(directory + "/") }.map { String($0.dropFirst(directory.count + 1)) } }
    }

    package func create(_ path: String) throws(FileFault) -> any StoreFile {
        try state.withLock { state throws(FileFault) in
            guard try state.begin(), state.names[path] == nil else { throw Self.fault }
            let number = (state.contents.keys.max() ?? 0) + 1
            state.contents[number] = Content()
            state.name([path: number])
            try state.end()
            return SimulatedFile(disk: self, number: number)
        }
    }

    package func open(_ path: String) throws(FileFault) -> any StoreFile {
        guard let number = state.withLock({ $0.names[path] }) else { throw Self.fault }
        return SimulatedFile(disk: self, number: number)
    }

    package func rename(_ path: String, to newPath: String) throws(FileFault) {
        try state.withLock { state throws(FileFault) in
            guard try state.begin(), let number = state.names[path] else { throw Self.fault }
            state.name([path: nil, newPath: number])
            try state.end()
        }
    }

    package func remove(_ path: String) throws(FileFault) {
        try state.withLock { state throws(FileFault) in
            guard try state.begin(), state.names[path] != nil else { throw Self.fault }
            state.name([path: nil])
            try state.end()
        }
    }

    package func syncDirectory(_ path: String) throws(FileFault) {
        try state.withLock { state throws(FileFault) in
            guard try state.begin() else { throw Self.fault }
            if !state.faults.ignoresSync {
                state.durableNames = state.names
                state.unsyncedNames = []
            }
            try state.end()
        }
    }

    package func lock(_ path: String) throws(FileFault) -> (any StoreLock)? {
        state.withLock { $0.locks.insert(path).inserted } ? SimulatedLock(disk: self, path: path) : nil
    }
}

extension SimulatedDisk.Crash {
    private static let sector = 512

    fileprivate func keeps(_ random: inout some RandomNumberGenerator) -> Bool {
        switch self {
        case .nothing: false
        case .everything: true
        case .anySectors: Bool.random(using: &random)
        }
    }

    fileprivate func apply(_ write: SimulatedDisk.Write, to bytes: inout [UInt8], _ random: inout some RandomNumberGenerator) {
        var start = write.offset
        while start < write.offset + write.bytes.count {
            let end = min(start - start % Self.sector + Self.sector, write.offset + write.bytes.count)
            if keeps(&random) { bytes.put(write.bytes[start - write.offset..<end - write.offset], at: start) }
            start = end
        }
    }
}

extension [UInt8] {
    fileprivate mutating func put(_ new: ArraySlice<UInt8>, at offset: Int) {
        if count < offset + new.count { append(contentsOf: repeatElement(0, count: offset + new.count - count)) }
        replaceSubrange(offset..<offset + new.count, with: new)
    }
}

private final class SimulatedFile: StoreFile {
    let disk: SimulatedDisk
    let number: Int

    init(disk: SimulatedDisk, number: Int) {
        self.disk = disk
        self.number = number
    }

    func size() throws(FileFault) -> Int { disk.state.withLock { $0.contents[number]?.current.count ?? 0 } }

    func read(at offset: Int, count: Int) throws(FileFault) -> [UInt8] {
        disk.state.withLock { Array(($0.contents[number]?.current ?? []).dropFirst(offset).prefix(count)) }
    }

    func write(_ bytes: [UInt8], at offset: Int) throws(FileFault) {
        try disk.state.withLock { state throws(FileFault) in
            let succeeds = try state.begin()
            let room = state.faults.capacity.map { max(0, $0 - state.contents.values.reduce(0) { $0 + $1.current.count }) }
            // A part arrives even when it fails.
            let part = succeeds ? bytes.prefix(room ?? bytes.count) : bytes.prefix(bytes.count / 2)
            state.contents[number]?.current.put(part, at: offset)
            state.contents[number]?.unsynced.append(SimulatedDisk.Write(offset: offset, bytes: Array(part)))
            if !succeeds { throw SimulatedDisk.fault }
            if part.count < bytes.count { throw SimulatedDisk.full }
            try state.end()
        }
    }

    /// A failed one forgets what it was to sync, as operating systems do: the next one has nothing to do, and succeeds.
    func sync() throws(FileFault) {
        try disk.state.withLock { state throws(FileFault) in
            let succeeds = try state.begin()
            if state.faults.ignoresSync { return try state.end() }
            if succeeds {
                for write in state.contents[number]?.unsynced ?? [] {
                    state.contents[number]?.durable.put(write.bytes[...], at: write.offset)
                }
            }
            state.contents[number]?.unsynced = []
            if !succeeds { throw SimulatedDisk.fault }
            try state.end()
        }
    }
}

private final class SimulatedLock: StoreLock {
    let disk: SimulatedDisk
    let path: String

    init(disk: SimulatedDisk, path: String) {
        self.disk = disk
        self.path = path
    }

    deinit { disk.state.withLock { _ = $0.locks.remove(path) } }
}
