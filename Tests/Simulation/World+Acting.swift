import MQTTCore

/// What the application does to the client, at random moments.
extension World {
    mutating func act() {
        guard !shell.isEnded else { return }
        if shell.isDown { return after(10 * millisecond, .application) }
        // Without a connection there is little to see: most is refused.
        let pause = plan.applicationPause * (shell.isOnline ? 2 : 20)
        if application.needsSubscription, shell.isOnline { subscribeAgain() }
        guard !isCalm else { return }
        after(1 + dice.below(pause), .application)
        guard !shell.isDown else { return }  // the subscription was its last act
        switch dice.below(100) {
        case 0..<2: request(.ping) { .ping($0) }
        case 2..<4:
            let subscriptions = (0...dice.below(3)).map { Subscription("extra/\($0)", atMost: .atLeastOnce) }
            request(.subscribe(subscriptions)) { .subscribe($0, filters: subscriptions.count) }
        case 4..<6: request(.unsubscribe(["extra/1"])) { .unsubscribe($0) }
        case 6..<10: if settings.faults.contains(.cancels) { withdraw() }
        default:
            for _ in 0..<(1 + dice.below(plan.burst)) {
                publish()
                if shell.wasRefused { break }
            }
        }
    }

    private mutating func publish() {
        let draw = dice.below(100)
        let qos: QoS =
            draw < plan.atLeastOnceShare
            ? .atLeastOnce
            : draw < plan.atLeastOnceShare + plan.exactlyOnceShare ? .exactlyOnce : .atMostOnce
        let size = payloadSize()
        // A driver holds QoS 0 back while its buffer is full.
        if qos == .atMostOnce, shell.outbound.count > 16_384 { return }
        shell.submitting = (qos, size)
        shell.wasRefused = false
        step(.publish(qos: qos, queuedBytes: size))
        if shell.wasRefused, plan.evicts, qos != .atMostOnce { makeRoom(qos, size) }
    }

    /// The oldest gives way, or any.
    private mutating func makeRoom(_ qos: QoS, _ size: Int) {
        shell.isEvicting = true
        step(dice.chance(2, in: 3) ? .evictOldest(qos) : .evict(outbound.someOpen(&dice).map { outbound.publishes[$0].serial } ?? 0))
        shell.isEvicting = false
        shell.submitting = (qos, size)
        step(.publish(qos: qos, queuedBytes: size))
    }

    private mutating func withdraw() {
        guard !outbound.publishes.isEmpty else { return }
        let back = dice.below(min(20, outbound.publishes.count))
        step(.withdraw(outbound.publishes[outbound.publishes.count - 1 - back].serial))
    }

    mutating func request(_ kind: RequestLedger.Kind, _ event: (Ticket) -> Event) {
        let ticket = requests.begin(kind)
        step(event(ticket))
        if settings.faults.contains(.cancels), dice.chance(1, in: 4) { after(dice.below(plan.delay * 4), .cancel(ticket)) }
    }

    private mutating func subscribeAgain() {
        guard application.subscribing == 0 || !requests.isOpen(application.subscribing) else { return }
        let ticket = requests.begin(.subscribe([Subscription("down/#", atMost: plan.subscriptionQoS)]))
        application.subscribing = ticket
        step(.subscribe(ticket, filters: 1))
    }

    /// The subscription is only there when the broker said so.
    mutating func subscriptionEnded(_ ticket: Ticket, _ resolution: Resolution) {
        guard ticket == application.subscribing else { return }
        if resolution == .answered { application.needsSubscription = false }
        application.subscribing = 0
        if isCalm, application.needsSubscription { after(20 * millisecond, .application) }
    }
}
