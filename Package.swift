// swift-tools-version: 6.3
import PackageDescription

// Set by scripts/test-thread-sanitizer: Mutex is then one that the sanitizer can see into. Tests/SanitizerMutex says why.
let sanitizesThreads = Context.environment["MQTT_THREAD_SANITIZER"] != nil

// Every target is built the same way: Swift 6 mode, every upcoming feature, strict memory safety.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("ImmutableWeakCaptures"),
    // The other Mutex comes into each file by a typealias of its module, which this feature would not let through.
    sanitizesThreads ? .define("TSAN") : .enableUpcomingFeature("MemberImportVisibility"),
]

// An import may only point left: MQTTCore <- MQTTPersistence, MQTTTransport <- MQTT <- MQTTTesting <- mqttc.
let package = Package(
    name: "swift-mqtt",
    platforms: [.macOS(.v15), .iOS(.v18), .tvOS(.v18), .watchOS(.v11), .visionOS(.v2)],
    products: [
        .library(name: "MQTT", targets: ["MQTT"]),
        .library(name: "MQTTFoundation", targets: ["MQTTFoundation"]),
        .library(name: "MQTTTesting", targets: ["MQTTTesting"]),
        .executable(name: "mqttc", targets: ["mqttc"]),
    ],
    // Each is on unless a package that depends on this one says otherwise. scripts/traits builds without.
    traits: [
        .default(enabledTraits: ["TLS", "WebSocket"]),
        .trait(name: "TLS", description: "Connections over TLS (mqtts, wss), by swift-nio-ssl."),
        .trait(name: "WebSocket", description: "Connections over WebSocket (ws, wss)."),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        .target(name: "MQTTCore", swiftSettings: settings),
        .target(name: "MQTTPersistence", dependencies: ["MQTTCore"], exclude: ["Format.md"], swiftSettings: settings),
        .target(
            name: "MQTTTransport",
            dependencies: [
                "MQTTCore",
                .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl", condition: .when(traits: ["TLS"])),
                .product(name: "NIOTLS", package: "swift-nio", condition: .when(traits: ["TLS"])),
            ],
            swiftSettings: settings
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
            swiftSettings: settings
        ),
        .target(name: "MQTTFoundation", dependencies: ["MQTT"], swiftSettings: settings),
        .target(
            name: "MQTTTesting",
            dependencies: [
                "MQTT", "MQTTTransport",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "mqttc",
            dependencies: [
                "MQTT", "MQTTTesting",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: settings
        ),

        // A disk in memory that forgets, tears and fails, for the tests of the stores and for the simulation.
        .target(name: "DiskSimulation", dependencies: ["MQTTPersistence"], path: "Tests/DiskSimulation", swiftSettings: settings),

        // Whole worlds on virtual time. A library, so that the tests run a slice of it and `simulate` runs any number.
        .target(
            name: "Simulation",
            dependencies: ["MQTTCore", "MQTTPersistence", "MQTTTesting", "DiskSimulation"],
            path: "Tests/Simulation",
            swiftSettings: settings
        ),
        // The real client on a simulated event loop, network and executor, all on one thread.
        .target(
            name: "DriverSimulation",
            dependencies: [
                "MQTT", "MQTTCore", "MQTTPersistence", "MQTTTransport", "MQTTTesting", "Simulation", "DiskSimulation",
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            path: "Tests/DriverSimulation",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "simulate",
            dependencies: ["Simulation", "DriverSimulation", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            path: "Tests/simulate",
            swiftSettings: settings
        ),
        // The client against a real broker behind a network that fails.
        .executableTarget(
            name: "soak",
            dependencies: [
                "MQTT", "MQTTCore",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Tests/soak",
            swiftSettings: settings
        ),

        .testTarget(name: "MQTTCoreTests", dependencies: ["MQTTCore"], swiftSettings: settings),
        .testTarget(
            name: "ConformanceTests",
            dependencies: ["MQTTCore", "MQTTTesting"],
            exclude: ["Statements-3.1.1.md", "Untested-3.1.1.md"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "DriverSimulationTests", dependencies: ["DriverSimulation", "Simulation"], swiftSettings: settings),
        .testTarget(name: "SimulationTests", dependencies: ["Simulation", "DiskSimulation"], swiftSettings: settings),
        .testTarget(
            name: "MQTTPersistenceTests", dependencies: ["MQTTCore", "MQTTPersistence", "DiskSimulation"], swiftSettings: settings),
        .testTarget(
            name: "MQTTTransportTests",
            dependencies: [
                "MQTTCore", "MQTTTransport",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "MQTTTests",
            dependencies: [
                "MQTT", "MQTTTesting", "MQTTTransport", "DiskSimulation",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "InteropTests",
            dependencies: [
                "MQTT", "MQTTTesting",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "CommandTests",
            dependencies: [
                "mqttc", "MQTT", "MQTTTesting",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "MQTTFoundationTests",
            dependencies: ["MQTTFoundation", .product(name: "NIOCore", package: "swift-nio")],
            swiftSettings: settings
        ),
        .testTarget(name: "TidyTests", swiftSettings: settings),
    ]
)

// scripts/docs builds the documentation with a plugin. Users of the library need not resolve it.
if Context.environment["MQTT_BUILDS_DOCUMENTATION"] != nil {
    package.dependencies.append(.package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.4.0"))
}

if sanitizesThreads {
    for target in package.targets { target.dependencies.append("SanitizerMutex") }
    package.targets.append(.target(name: "SanitizerMutex", path: "Tests/SanitizerMutex", swiftSettings: settings))
}
