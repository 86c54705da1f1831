import MQTT
import NIOCore
import NIOPosix

/// `mqttc pub` with the options that scripts use, in as little time as it takes.
///
/// swift-argument-parser needs about 4 ms to look at all commands and options, more than the rest of the program, and a second thread
/// its share. A command line of these words alone is read here, and run on the main thread; any other, and any that is wrong, goes the
/// usual way, with the same effect. A test compares the two.
struct QuickPublish: Equatable {
    var broker = "localhost"
    var port: Int?
    var isURL = false
    var topic: String?
    var message: ArgumentBytes?
    var clientID: String?
    var qos = QoS.atMostOnce
    var retain = false

    /// Nil when the command line is not one of the simple ones.
    init?(_ arguments: some Sequence<String>) {
        var words = Array(arguments)[...]
        guard words.popFirst() == "pub" else { return nil }
        var hasHost = false
        while let word = words.popFirst() {
            switch word {
            case "-t", "--topic":
                guard let value = words.popFirst() else { return nil }
                topic = value
            case "-m", "--message":
                guard let value = words.popFirst(), message == nil else { return nil }
                message = ArgumentBytes(argument: value)
            case "-i", "--id":
                guard let value = words.popFirst(), !value.isEmpty else { return nil }
                clientID = value
            case "-h", "--host":
                guard let value = words.popFirst() else { return nil }
                (broker, hasHost) = (value, true)
            case "-p", "--port":
                guard let value = words.popFirst().flatMap({ Int($0) }), 1...65_535 ~= value else { return nil }
                port = value
            case "-q", "--qos":
                guard let value = words.popFirst().flatMap({ UInt8($0) }).flatMap({ QoS(rawValue: $0) }) else { return nil }
                qos = value
            case "-r", "--retain": retain = true
            default:
                // A URL without user and topic.
                guard word.hasPrefix("mqtt://"), !isURL, !word.utf8.contains(UInt8(ascii: "@")),
                    !word.dropFirst(7).utf8.contains(UInt8(ascii: "/"))
                else { return nil }
                (broker, isURL) = (word, true)
            }
        }
        guard let topic, message != nil, !(isURL && (hasHost || port != nil)), (try? TopicName(topic)) != nil,
            TopicName.advice(topic) == nil
        else { return nil }
    }

    /// Options of the defaults file are for the usual way.
    static var isPossible: Bool { DefaultsFile.path(environment: SystemFile.environment).map(SystemFile.isMissing) ?? true }

    var configuration: Configuration? {
        guard let broker = isURL ? try? Broker(broker) : .tcp(host: broker, port: port ?? 1883) else { return nil }
        let id = clientID ?? ConnectionArguments.freshID()
        var configuration = Configuration(broker: broker, session: .volatile(id: id, clean: true))
        configuration.retriesFirstConnect = false
        configuration.keepAlive = .seconds(60)
        return configuration
    }

    /// Publishes, and ends the process. Returns when the configuration is none, which the usual way explains.
    func run() {
        guard let configuration else { return }
        Descriptor.ignoreBrokenPipes()
        MultiThreadedEventLoopGroup.withCurrentThreadAsEventLoop { eventLoop in
            let client: MQTTClient
            do throws(MQTTError) {
                client = try MQTTClient(configuration, eventLoopGroup: eventLoop)
            } catch {
                Complaints.say(error)
                Descriptor.exitNow(ExitStatus.of(error))
            }
            // Nobody can be quicker than this with a signal, and should it be so, there is no will that could fire.
            eventLoop.scheduleTask(in: .milliseconds(20)) { Self.heedSignals(client) }
            Task(executorPreference: EventLoopExecutor(eventLoop)) {
                Descriptor.exitNow(await publish(client))
            }
        }
    }

    private static func heedSignals(_ client: MQTTClient) {
        let signals = Signals()
        Task {
            guard let number = await signals.first() else { return }
            signals.restore()
            try? await client.disconnect()
            Descriptor.exitNow(ExitStatus.signal(number))
        }
    }

    private func publish(_ client: MQTTClient) async -> Int32 {
        let progress = PublishProgress()
        return await withTaskGroup(of: Int32?.self) { group in
            group.addTask { await send(client, progress) }
            if qos > .atMostOnce { group.addTask { await endWhenRejected(client, progress) } }
            while let status = await group.next() {
                if let status { return status }
            }
            return ExitStatus.failure
        }
    }

    /// The group would wait for the other task, which waits for the broker for ever.
    private func endWhenRejected(_ client: MQTTClient, _ progress: PublishProgress) async -> Int32? {
        guard let status = await RejectionMonitor(progress, topic: topic ?? "").watch(client) else { return nil }
        try? await client.disconnect()
        Descriptor.exitNow(status)
    }

    private func send(_ client: MQTTClient, _ progress: PublishProgress) async -> Int32 {
        do {
            return try await client.run { client in try await deliver(client, progress) }
        } catch {
            guard let error = error as? MQTTError else { return ExitStatus.failure }
            Complaints.say(error)
            return ExitStatus.of(error)
        }
    }

    private func deliver(_ client: MQTTClient, _ progress: PublishProgress) async throws(MQTTError) -> Int32 {
        try await client.waitUntilOnline()
        let payload = Payload(bytes: message?.bytes ?? [])
        let delivery = try await client.publish(payload, to: topic ?? "", qos, retain: retain)
        progress.accepted(payload.count)
        let outcome = try await delivery.completed
        progress.completed()
        guard outcome.reasonCode.isFailure else { return 0 }
        Complaints.say("the broker rejects the message (reason code \(outcome.reasonCode))")
        return ExitStatus.publishRejected
    }
}
