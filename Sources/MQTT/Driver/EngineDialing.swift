internal import Logging
internal import MQTTTransport
internal import NIOCore
internal import Synchronization

/// Credentials that an attempt to connect waits for.
struct CredentialRequest {
    let link: Link
    let task: Task<Void, Never>
    let timer: Scheduled<Void>

    func cancel() {
        task.cancel()
        timer.cancel()
    }
}

/// The engine's attempts to connect, on the event loop: where to, with what, and how they end.
extension Engine {
    func dial(_ link: Link) {
        let (choice, failures) = core.state.withLock { state in
            let choice = state.health.choose(at: now)
            return (choice, state.health.failures)
        }
        let route = routes[choice]
        logger?.debug("connecting", metadata: ["link": "\(link)", "broker": "\(route.broker)"])
        guard let provider = settings.credentialProvider else {
            return prepare(link) { () throws(MQTTError) in (route, try route.dialer(afterFailures: failures), route.connect) }
        }
        let broker = route.broker
        let eventLoop = eventLoop
        let task = Task {
            let answer: Result<Credentials, MQTTError>
            do {
                answer = .success(try await provider(broker))
            } catch {
                // The error itself may hold what is secret.
                let text = "the credential provider failed with \(type(of: error))"
                answer = .failure(MQTTError(.credentialsUnavailable, .notSent, text))
            }
            eventLoop.execute { self.provided(answer, link, route, failures) }
        }
        let timer = eventLoop.scheduleTask(in: .nanoseconds(settings.credentialTimeout.nanoseconds)) {
            task.cancel()
            let late = MQTTError(.credentialsUnavailable, .notSent, "no credentials within credentialTimeout")
            self.provided(.failure(late), link, route, failures)
        }
        loop.value.credentialRequest = CredentialRequest(link: link, task: task, timer: timer)
    }

    private func provided(_ answer: Result<Credentials, MQTTError>, _ link: Link, _ route: Route, _ failures: Int) {
        guard let request = loop.value.credentialRequest, request.link == link else { return }
        request.timer.cancel()
        loop.value.credentialRequest = nil
        prepare(link) { () throws(MQTTError) in
            let credentials = try answer.get()
            var connect = route.connect
            connect.username = credentials.username ?? connect.username
            connect.password = credentials.password ?? connect.password
            try connect.check()
            return (route, try route.dialer(afterFailures: failures, with: credentials), connect)
        }
    }

    /// What cannot be had is an attempt that failed.
    private func prepare(_ link: Link, _ attempt: () throws(MQTTError) -> (Route, any Dialer, Connect)) {
        do throws(MQTTError) {
            let (route, dialer, connect) = try attempt()
            dial(link, route, dialer, connect)
        } catch {
            dialFailed(link, error)
        }
    }

    private func dial(_ link: Link, _ route: Route, _ dialer: any Dialer, _ connect: Connect) {
        core.state.withLock { $0.connect = connect }
        let timeout = TimeAmount.nanoseconds(settings.connectTimeout.nanoseconds)
        // What is needed of the route, in place of a copy of it in each closure: thousands of clients may connect at once.
        let broker = route.broker
        let isPlain = broker.tls == nil && broker.webSocket == nil && broker.host != nil
        let isProxied = broker.proxy != nil
        let dialed = dialer.dial(on: eventLoop, timeout: timeout) { channel in
            channel.eventLoop.makeCompletedFuture {
                let handler = ConnectionHandler(engine: self, link: link, isPlain: isPlain)
                try channel.pipeline.syncOperations.addHandler(handler)
            }
        }
        // A dialer that forgets the time must not hold up the next attempt.
        let late = MQTTError(.timeout, .notSent, "no connection within connectTimeout")
        let guardian = eventLoop.scheduleTask(deadline: eventLoop.now + timeout + .seconds(1)) { self.dialFailed(link, late) }
        dialed.hop(to: eventLoop).whenComplete { result in
            guardian.cancel()
            guard case .failure(let error) = result else { return }
            let isLate = if case .connectTimeout = error as? ChannelError { true } else { false }
            let failure = isLate ? late : error as? MQTTError ?? MQTTError(.down, .notSent, Self.text(error, isProxied: isProxied))
            self.dialFailed(link, failure)
        }
    }

    private static func text(_ error: any Error, isProxied: Bool) -> String {
        "cannot connect\(isProxied ? " to the proxy" : ""): \(NetworkFailure.text(error))"
    }

    private func dialFailed(_ link: Link, _ reason: MQTTError) {
        hangUp(link)
        perform { state in
            guard state.session.phase == .connecting(link) else { return }
            state.dialFailure = reason
            state.step(.linkClosed(link), at: now)
        }
    }

    func hangUp(_ link: Link) {
        if let request = loop.value.credentialRequest, request.link == link {
            request.cancel()
            loop.value.credentialRequest = nil
        }
        if loop.value.connection?.link == link { loop.value.connection?.hangUp() }
        for connection in loop.value.opening where connection.link == link { connection.hangUp() }
    }

    /// The channel is there, but not active yet: it may have handshakes to go through.
    func opening(_ connection: ConnectionHandler) { loop.value.opening.append(connection) }

    /// It is active, or gone.
    func notOpening(_ connection: ConnectionHandler) { loop.value.opening.removeAll { $0 === connection } }

    // MARK: The application's wishes

    /// What was learned of brokers while there was no network counts for nothing.
    func connectNow() {
        perform { state in
            state.health.forget()
            state.step(.pace(.now), at: now)
        }
    }

    func pauseConnecting() { perform { $0.step(.pace(.never), at: now) } }
}
