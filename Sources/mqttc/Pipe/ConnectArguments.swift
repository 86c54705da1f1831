import MQTT

/// The fields of `connect`, checked: whatever PIPE.md section 3 forbids is refused before any connection is attempted.
struct ConnectArguments {
    enum Receive {
        /// Messages come by themselves and are acknowledged when their line was written.
        case auto
        /// Messages come with `next` only.
        case pull
    }

    let configuration: Configuration
    let receive: Receive
    let isDurable: Bool

    init(_ fields: Fields) throws(PipeFailure) {
        try Self.refuseWhatIsMissing(fields)
        let clientID = try fields.text("clientID") ?? ""
        let isClean = try fields.bool("cleanSession") ?? false
        _ = try fields.bool("cleanStart")
        let store = try fields.string("store")
        let start = try Self.start(fields)
        isDurable = store != nil
        // A broker must refuse it anyhow [MQTT-3.1.3-8]. On resume there may be one in the store.
        let mayBeStored = store != nil && start == .resume
        guard isClean || !clientID.isEmpty || mayBeStored else { throw .denied("an empty clientID needs cleanSession") }

        let session = try Self.session(clientID, store, start, clean: isClean)
        var broker = try Self.broker(fields)
        broker.tls = try Self.tls(fields)
        broker.webSocket = try fields.string("websocket").map { WebSocketOptions(path: $0) }
        var configuration = Configuration(broker: broker, session: session)
        configuration.keepAlive = .seconds(try fields.integer("keepAlive", in: 0...65_535) ?? 0)
        configuration.username = try fields.text("username")
        configuration.password = try Self.password(fields)
        // [MQTT-3.1.2-22]
        guard configuration.username != nil || configuration.password == nil else { throw .denied("a password needs a username") }
        configuration.will = try Self.will(fields)
        configuration.limits = try Self.limits(fields)
        configuration.pauseTimeout = try fields.seconds("pauseTimeout") ?? .seconds(10)
        // A handshake ahead of CONNECT is a time in which the client waits for the broker, too.
        if configuration.pauseTimeout > .zero { configuration.connectTimeout = min(.seconds(10), configuration.pauseTimeout) }
        try Self.setReconnect(&configuration.reconnect, fields)
        configuration.resubscribes = false
        configuration.retriesFirstConnect = false
        configuration.requestsWait = false
        // Messages have a taker from the start. When it stops, because nobody reads the output, nothing may be acknowledged.
        configuration.unclaimed.action = .endConnection
        self.configuration = configuration
        receive = try Self.receive(fields)
    }

    /// Known fields that cannot be honoured: not implemented yet, or not part of version 3.1.1.
    private static func refuseWhatIsMissing(_ fields: Fields) throws(PipeFailure) {
        switch try fields.string("version") ?? "3.1.1" {
        case "3.1.1": break
        case "5.0": throw .unsupported("version 5.0 is not there yet")
        default: throw .denied("version must be 3.1.1 or 5.0")
        }
        for name in ["sessionExpiry", "receiveMaximum"] where fields.has(name) {
            throw .denied("\(name) is for version 5.0")
        }
        try fields.refuseProperties()
    }

    private static func start(_ fields: Fields) throws(PipeFailure) -> SessionOptions.Start {
        switch try fields.string("session") ?? "new" {
        case "new": return .new
        case "resume": return .resume
        default: throw .denied("session must be new or resume")
        }
    }

    private static func session(
        _ clientID: String, _ store: String?, _ start: SessionOptions.Start, clean: Bool
    ) throws(PipeFailure) -> SessionOptions {
        guard let store else { return .volatile(id: clientID, clean: clean) }
        guard !store.isEmpty, !store.utf8.contains(0) else { throw .denied("store is empty or contains U+0000") }
        return .durable(id: clientID, at: store, start, clean: clean)
    }

    private static func broker(_ fields: Fields) throws(PipeFailure) -> Broker {
        let host = try fields.string("host")
        let port = try fields.integer("port", in: 1...65_535)
        let path = try fields.string("unix")
        switch (host, path) {
        case (let host?, nil):
            guard !host.isEmpty, !host.utf8.contains(0) else { throw .denied("host is empty or contains U+0000") }
            guard let port else { throw .denied("port is missing") }
            return .tcp(host: host, port: port)
        case (nil, let path?):
            guard port == nil else { throw .denied("unix and port exclude each other") }
            guard !path.isEmpty, !path.utf8.contains(0) else { throw .denied("unix is empty or contains U+0000") }
            return .unix(path: path)
        case (nil, nil): throw .denied("host or unix is missing")
        case (.some, .some): throw .denied("host and unix exclude each other")
        }
    }

    private static func tls(_ fields: Fields) throws(PipeFailure) -> TLSOptions? {
        guard let tls = try fields.fields("tls") else { return nil }
        var options = TLSOptions()
        if let path = try tls.string("ca") { options.roots = .file(path) }
        options.serverName = try tls.string("serverName")
        switch (try tls.string("cert"), try tls.string("key")) {
        case (nil, nil): break
        case (let certificate?, let key?): options.clientCertificate = .init(chain: .file(certificate), key: .file(key))
        case (.some, nil), (nil, .some): throw .denied("tls needs cert and key together")
        }
        return options
    }

    private static func password(_ fields: Fields) throws(PipeFailure) -> [UInt8]? {
        _ = try fields.text("password")
        guard let password = try fields.bytes("password") else { return nil }
        guard password.count <= 65_535 else { throw .denied("the password is longer than 65,535 bytes") }
        return password
    }

    private static func will(_ fields: Fields) throws(PipeFailure) -> Will? {
        guard let will = try fields.fields("will") else { return nil }
        try will.refuseProperties()
        guard !will.has("delay") else { throw .denied("delay is for version 5.0") }
        guard let topic = try will.string("topic") else { throw .denied("the will has no topic") }
        do {
            _ = try TopicName(topic)
        } catch {
            throw PipeFailure(error)
        }
        let payload = try will.bytes("payload") ?? []
        guard payload.count <= 65_535 else { throw .denied("the payload of the will is longer than 65,535 bytes") }
        return Will(payload, to: topic, try will.qos() ?? .atMostOnce, retain: try will.bool("retain") ?? false)
    }

    private static func limits(_ fields: Fields) throws(PipeFailure) -> Limits {
        var limits = Limits()
        limits.atLeastOnce = try fields.integer("atLeastOnceMax", in: 1...10_000) ?? 100
        limits.exactlyOnce = try fields.integer("exactlyOnceMax", in: 1...10_000) ?? 100
        // Messages are counted here, not their bytes; and what is accepted at QoS 1 goes out at once.
        limits.queuedBytes = .max
        limits.inFlight = limits.atLeastOnce + limits.exactlyOnceInFlight
        limits.requests = 16_383
        // From 2 to the largest packet that the standard allows.
        if let size = try fields.integer("maximumPacketSize", in: 1...0xffff_ffff) {
            limits.maximumPacketSize = min(limits.maximumPacketSize, size)
        }
        return limits
    }

    private static func setReconnect(_ reconnect: inout ReconnectPolicy, _ fields: Fields) throws(PipeFailure) {
        let minimum = try fields.seconds("reconnectMin")
        let maximum = try fields.seconds("reconnectMax")
        if let minimum, let maximum, minimum > maximum { throw .denied("reconnectMin is more than reconnectMax") }
        // A bound that was given moves the default of the other.
        reconnect.minimum = minimum ?? min(.milliseconds(100), maximum ?? .seconds(5))
        reconnect.maximum = maximum ?? max(.seconds(5), reconnect.minimum)
        reconnect.stableTime = .milliseconds(250)
    }

    private static func receive(_ fields: Fields) throws(PipeFailure) -> Receive {
        switch try fields.string("receive") ?? "auto" {
        case "auto": return .auto
        case "pull": return .pull
        default: throw .denied("receive must be auto or pull")
        }
    }
}
