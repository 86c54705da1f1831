// swift-tools-version: 6.3
// A package of its own, so that users of the library never resolve what only measuring needs.
import PackageDescription

let package = Package(
    name: "swift-mqtt-benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "swift-mqtt", path: "..")],
    targets: [
        .executableTarget(
            name: "driver",
            dependencies: [.product(name: "MQTT", package: "swift-mqtt")]
        )
    ]
)
