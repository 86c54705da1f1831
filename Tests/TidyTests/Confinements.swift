// What is allowed only in a few named files. A file enters a list together with the comment there that says why it is safe.

/// Files that may say `unsafe`.
private let unsafeFiles: Set<String> = [
    "Sources/MQTTCore/Wire/PacketWriter.swift",  // the memory is the outbound buffer's own; every write is checked against its end
    "Sources/MQTTCore/Wire/TopicComparison.swift",  // loads integers from spans, checked against their ends
    "Sources/MQTTPersistence/System/SystemCalls.swift",  // paths and buffers go to the C library for the length of a call
    "Sources/MQTTPersistence/System/SystemThread.swift",  // pthread_create takes a retained box, poll an array of one descriptor
    "Sources/MQTTTransport/Socket/AbstractSocket.swift",  // a name is copied into sockaddr_un, which connect(2) reads
    "Sources/MQTTTransport/Socket/NameLookup.swift",  // walks the list of getaddrinfo, and copies each address by its length
    "Sources/MQTTTransport/WebSocket/WebSocketMask.swift",  // masks from one ByteBuffer into another, inside of their calls
    "Sources/MQTT/Driver/Cursor.swift",  // no run-time check for exclusive access: one task has it, and no step of it begins another
    "Sources/MQTT/Driver/OutboundBlock.swift",  // hands PacketWriter the memory of a ByteBuffer that it holds, beyond what was sliced
    "Sources/MQTT/Driver/TaskIdentity.swift",  // reads the hash of the current task, inside of the call that guarantees it
    "Sources/MQTTTesting/Broker/Server/InMemoryDialer.swift",  // socketpair fills an array of two descriptors
    "Sources/mqttc/Streams/Descriptor.swift",  // read(2), write(2) and poll(2) on arrays whose bounds are passed along
    "Fuzz/Harness/main.swift",  // libFuzzer's entry takes the arguments of main, and gives bytes as a pointer, copied at once
    "Fuzz/Harness/FuzzTarget.swift",  // getenv(3), for whether there is such a variable
    "Fuzz/Harness/Seeds.swift",  // fopen(3), fwrite(3) and fclose(3) on an array whose length is passed along
    "Sources/mqttc/System/SystemFile.swift",  // paths and buffers go to the C library for the length of a call; argv is overwritten
    "Sources/mqttc/System/System.swift",  // rusage and rlimit are filled in place
    "Sources/mqttc/System/Terminal.swift",  // termios and winsize are filled in place
    "Sources/mqttc/System/WallTime.swift",  // localtime_r and strftime fill memory of a known size
    "Sources/MQTT/Driver/BusyMutex.swift",  // a pthread mutex and what it protects must not move; both live until deinit
    "Sources/MQTT/Driver/EventLoopExecutor.swift",  // runs a job that the runtime hands over, once
    "Tests/CommandTests/OutputPipe.swift",  // pipe(2) fills an array of two descriptors
    "Tests/DriverSimulation/JobHook.swift",  // the runtime's hook for jobs, and a variable of the thread that holds no reference
    "Tests/DriverSimulation/Machine.swift",  // runs each job that the runtime hands over once
    "Tests/InteropTests/ChildProcess.swift",  // posix_spawn, pipe and waitpid take pointers
    "Tests/MQTTTransportTests/AbstractListener.swift",  // a name is copied into sockaddr_un, which bind(2) reads
    "Tests/SanitizerMutex/SanitizerMutex.swift",  // a pthread mutex and what it protects must not move; both live until deinit
]

/// Files that may say `@unchecked Sendable`.
private let uncheckedFiles: Set<String> = [
    "Sources/MQTT/Driver/BusyMutex.swift",  // it is itself a mutex
    "Sources/MQTT/Driver/OutboundBlock.swift",  // its pointer is into the buffer beside it, and it cannot be copied
    // One thread runs a world, which the machine checks whenever something is handed over.
    "Tests/DriverSimulation/DriverWorld.swift",
    "Tests/DriverSimulation/Machine.swift",
    "Tests/DriverSimulation/SimulatedChannel.swift",
    "Tests/DriverSimulation/SimulatedEventLoop.swift",
    "Tests/DriverSimulation/SimulatedStore.swift",
    "Tests/SanitizerMutex/SanitizerMutex.swift",  // it is itself the Mutex, for the thread sanitizer only
]

/// Files that may say `nonisolated(unsafe)`.
private let nonisolatedUnsafeFiles: Set<String> = []

private let listed = "or name the file in Confinements.swift and say there why it is safe"

extension Rule {
    static let confinements: [Rule] = [
        Rule("unsafe stays in named files", "`unsafe` here; use Span or ByteBuffer, \(listed)") { file in
            guard !unsafeFiles.contains(file.path) else { return [] }
            return file.indices(of: ["unsafe"]).filter { $0 < 2 || file.tokens[$0 - 2].text != "nonisolated" }.map { file.tokens[$0].line }
        },
        Rule("@unchecked stays in named files", "`@unchecked` here; put the state into a Mutex, \(listed)") { file in
            uncheckedFiles.contains(file.path) ? [] : file.indices(of: ["@", "unchecked"]).map { file.tokens[$0].line }
        },
        Rule("nonisolated(unsafe) stays in named files", "`nonisolated(unsafe)` here; put the state into a Mutex, \(listed)") { file in
            guard !nonisolatedUnsafeFiles.contains(file.path) else { return [] }
            return file.indices(of: ["nonisolated", "(", "unsafe"]).map { file.tokens[$0].line }
        },
    ]
}
