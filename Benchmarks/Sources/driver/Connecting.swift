import MQTT

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Many clients in one process: how fast they come online all at once, and what each costs when nothing happens.
func connect(_ arguments: Arguments) async throws {
    let before = Usage.status("VmRSS")
    let start = Usage()
    let clients = try (0..<arguments.count).map { index in
        var configuration = arguments.configuration("idle\(index)")
        configuration.limits = Limits()
        configuration.keepAlive = .seconds(600)
        return try MQTTClient(configuration)
    }
    await withTaskGroup(of: Void.self) { group in
        for client in clients { group.addTask { try? await client.run() } }
        for client in clients { _ = try? await client.waitUntilOnline() }
        let online = Usage()
        sleep(2)
        let after = Usage.status("VmRSS")
        let seconds = start.time.duration(to: online.time).inSeconds
        var line = "RESULT peer=swift-mqtt scenario=\(arguments.scenario) count=\(arguments.count) rss_base_kb=\(before) rss_kb=\(after)"
        line += " kb_per_conn=\(Double(after - before) / Double(arguments.count)) threads=\(Usage.status("Threads"))"
        line += " secs=\(seconds) rate=\(Int(Double(arguments.count) / seconds))"
        let processor = online.user - start.user + online.system - start.system
        line += " cpu_us_per_msg=\(processor * 1e6 / Double(arguments.count)) hwm_kb=\(Usage.peakKiB)"
        print(line)
        fflush(nil)
        exit(0)
    }
}
