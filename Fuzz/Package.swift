// swift-tools-version: 6.3
import PackageDescription

// The fuzzers: a package of its own, because every target of ours is compiled with libFuzzer's instrumentation here, which no user
// of the library may get. Library is a link to Sources, DiskSimulation one to Tests, so these are the sources themselves. scripts/fuzz
// builds and runs it.

let features: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("ImmutableWeakCaptures"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// What is fuzzed: instrumented, and open for `@testable import`.
// TLS is left out: a C library that others fuzz, and minutes to build.
let fuzzed = features + [.define("WebSocket"), .unsafeFlags(["-sanitize=fuzzer", "-enable-testing"])]

let package = Package(
    name: "fuzz",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    ],
    targets: [
        .target(name: "MQTTCore", path: "Library/MQTTCore", swiftSettings: fuzzed),
        .target(
            name: "MQTTPersistence", dependencies: ["MQTTCore"], path: "Library/MQTTPersistence", exclude: ["Format.md"],
            swiftSettings: fuzzed
        ),
        .target(
            name: "MQTTTransport",
            dependencies: [
                "MQTTCore",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            path: "Library/MQTTTransport", swiftSettings: fuzzed
        ),
        .target(
            name: "MQTT",
            dependencies: [
                "MQTTCore", "MQTTPersistence", "MQTTTransport",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "Library/MQTT", exclude: ["MQTT.docc"], swiftSettings: fuzzed
        ),
        // The broker of MQTTTesting without its server.
        .target(name: "BrokerModel", path: "Library/MQTTTesting/Broker/Model", swiftSettings: fuzzed),
        // What reads the lines of `mqttc pipe`.
        .target(
            name: "PipeLines",
            dependencies: ["MQTT", .product(name: "NIOCore", package: "swift-nio")],
            path: "Library/mqttc",
            sources: [
                "Text/JSON.swift", "Text/JSONLine.swift", "Text/JSONNumber.swift", "Text/JSONParser.swift",
                "Text/LineSplitter.swift", "Pipe/Op.swift", "Pipe/Fields.swift", "Pipe/ConnectArguments.swift",
                "Pipe/PublishArguments.swift",
                "Pipe/PipeFailure.swift", "Pipe/PatternPayload.swift",
            ],
            swiftSettings: fuzzed
        ),
        .target(name: "DiskSimulation", dependencies: ["MQTTPersistence"], path: "DiskSimulation", swiftSettings: features),
        .target(name: "LibFuzzer", path: "LibFuzzer"),
        .executableTarget(
            name: "fuzz",
            dependencies: [
                "MQTTCore", "MQTTPersistence", "MQTTTransport", "MQTT", "BrokerModel", "PipeLines", "DiskSimulation", "LibFuzzer",
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            path: "Harness", swiftSettings: features
        ),
    ]
)
