// The harness: session and codec joined as the driver joins them. Bytes in, bytes out, virtual time.
import MQTTCore

/// A client as a broker sees it.
struct WireClient {
    /// A message that was handed to the application.
    struct Delivered: Equatable {
        var receipt: Receipt
        var topic: String
        var payload: [UInt8]
        var qos: QoS
        var retain: Bool
        var isDuplicate: Bool
    }

    private(set) var session: Session
    private var decoder = PacketDecoder()
    private var buffer: [UInt8] = []
    private var publications: [Serial: (topic: String, payload: [UInt8], qos: QoS, retain: Bool)] = [:]
    private var submitting: (topic: String, payload: [UInt8], qos: QoS, retain: Bool)?
    private var subscriptions: [Ticket: Subscribe] = [:]
    private var unsubscriptions: [Ticket: Unsubscribe] = [:]
    private var lastTicket: Ticket = 0

    let connect: Connect
    var now = Instant(nanoseconds: 0)
    /// Whether each message is released as soon as it was handed over.
    var releasesAtOnce = true
    private(set) var link: Link = 0

    // What happened, oldest first.
    private(set) var sent: [[UInt8]] = []
    private(set) var delivered: [Delivered] = []
    private(set) var discarded = 0
    private(set) var effects: [Effect] = []
    private(set) var resolutions: [Ticket: Resolution] = [:]
    private(set) var completed: [Serial] = []
    private(set) var grants: [UInt8] = []
    /// The connection is to be closed by the client.
    private(set) var hangsUp = false

    init(_ connect: Connect = Connect(clientID: "c", cleanSession: false, keepAliveSeconds: 60)) {
        self.connect = connect
        var configuration = SessionConfiguration()
        configuration.cleanSession = connect.cleanSession
        configuration.alwaysCleanSession = connect.clientID.isEmpty
        configuration.keepAliveSeconds = connect.keepAliveSeconds
        session = Session(configuration, seed: 1)
    }

    // MARK: The application

    mutating func publish(_ topic: String, _ qos: QoS) throws(MQTTError) { try publish(topic, [], qos) }

    mutating func publish(_ topic: String, _ payload: [UInt8], _ qos: QoS, retain: Bool = false) throws(MQTTError) {
        try OutboundPublish(topic: topic, qos: qos, retain: retain, payloadLength: payload.count).check()
        submitting = (topic, payload, qos, retain)
        step(.publish(qos: qos, queuedBytes: payload.count))
    }

    @discardableResult
    mutating func subscribe(_ subscriptions: Subscription...) throws(MQTTError) -> Ticket {
        let packet = Subscribe(subscriptions)
        try packet.check()
        lastTicket += 1
        self.subscriptions[lastTicket] = packet
        step(.subscribe(lastTicket, filters: subscriptions.count))
        return lastTicket
    }

    @discardableResult
    mutating func unsubscribe(_ filters: String...) throws(MQTTError) -> Ticket {
        let packet = Unsubscribe(filters)
        try packet.check()
        lastTicket += 1
        unsubscriptions[lastTicket] = packet
        step(.unsubscribe(lastTicket))
        return lastTicket
    }

    @discardableResult
    mutating func ping() -> Ticket {
        lastTicket += 1
        step(.ping(lastTicket))
        return lastTicket
    }

    mutating func release(_ receipt: Receipt) { step(.release(receipt)) }
    mutating func disconnect() { step(.disconnect(999)) }
    mutating func close() { step(.close) }

    // MARK: The network

    /// From the start, or a pause, to an open link.
    mutating func open() {
        if session.phase == .idle { step(.start) }
        if case .waiting(let until) = session.phase {
            now = max(now, until)
            step(.tick)
        }
        buffer = []
        decoder = PacketDecoder()
        hangsUp = false
        step(.linkOpened(link))
    }

    /// The connection is gone.
    mutating func cut() { step(.linkClosed(link)) }

    mutating func receive(_ received: [UInt8]) {
        let bytes = buffer + received
        step(.received(midPacket: false))
        var position = 0
        while !hangsUp, let length = next(bytes, at: position) { position += length }
        buffer = Array(bytes[position...])
        if !buffer.isEmpty { step(.received(midPacket: true)) }
    }

    mutating func advance(by duration: Duration) {
        let end = now + duration.nanoseconds
        while let deadline = session.deadline, deadline <= end {
            now = max(now, deadline)
            step(.tick)
        }
        now = end
    }

    /// What went out since the last call.
    mutating func takeSent() -> [UInt8] {
        defer { sent = [] }
        return sent.flatMap { $0 }
    }

    var isOnline: Bool { if case .online = session.phase { true } else { false } }
    var violation: ProtocolViolation? {
        for case .offline(.violation(let violation)) in effects { return violation }
        for case .attemptFailed(.violation(let violation)) in effects { return violation }
        return nil
    }
}

// MARK: - Inside

extension WireClient {
    /// The length of the packet at `start`, once it is handled.
    private mutating func next(_ bytes: [UInt8], at start: Int) -> Int? {
        do throws(ProtocolViolation) {
            guard let header = try decoder.header(bytes.span, at: start) else { return nil }
            if header.type == .publish {
                guard let head = try decoder.publish(bytes.span, at: start, header), start + header.packetLength <= bytes.count else {
                    return nil
                }
                deliver(head, bytes[start..<start + header.packetLength])
                return header.packetLength
            }
            guard start + header.packetLength <= bytes.count else { return nil }
            let packet = try decoder.control(bytes.span, at: start, header)
            if case .suback = packet { grants = Array(bytes[PacketDecoder.subackCodes(at: start, header)]) }
            step(.packet(packet))
            return header.packetLength
        } catch {
            step(.violation(error))
            return nil
        }
    }

    private mutating func deliver(_ head: PublishHead, _ packet: ArraySlice<UInt8>) {
        let before = effects.count
        step(.packet(.publish(InboundPublish(qos: head.qos, packetID: head.packetID))))
        let topic = packet.dropFirst(head.topicOffset).prefix(head.topicLength)
        for case .deliver(let receipt) in effects[before...] {
            delivered.append(
                Delivered(
                    receipt: receipt, topic: String(decoding: topic, as: UTF8.self), payload: Array(packet.dropFirst(head.payloadOffset)),
                    qos: head.qos, retain: head.retain, isDuplicate: head.isDuplicate))
            if releasesAtOnce, receipt != 0 { step(.release(receipt)) }
        }
    }

    private mutating func step(_ event: Event) {
        var list = Effects()
        session.step(event, at: now, into: &list)
        effects += list.list
        for effect in list.list { carryOut(effect) }
        if list.list.contains(where: { if case .send = $0 { true } else { false } }) {
            var none = Effects()
            session.step(.written(pending: 0), at: now, into: &none)
        }
    }

    private mutating func carryOut(_ effect: Effect) {
        switch effect {
        case .dial(let link): self.link = link
        case .sendConnect(let cleanSession):
            var connect = connect
            connect.cleanSession = cleanSession
            sent.append([UInt8](packetOf: connect.encodedLength) { connect.encode(into: &$0) })
        case .send(let packet): sent.append([UInt8](packetOf: ControlPacket.maximumEncodedLength) { packet.encode(into: &$0) })
        case .transmit: send(submitting, 0, isDuplicate: false)
        case .sendPublish(let serial, let packetID, let isDuplicate): send(publications[serial], packetID, isDuplicate: isDuplicate)
        case .sendSubscribe(let ticket, let packetID):
            guard let packet = subscriptions[ticket] else { return }
            sent.append([UInt8](packetOf: packet.encodedLength) { packet.encode(packetID: packetID, into: &$0) })
        case .sendUnsubscribe(let ticket, let packetID):
            guard let packet = unsubscriptions[ticket] else { return }
            sent.append([UInt8](packetOf: packet.encodedLength) { packet.encode(packetID: packetID, into: &$0) })
        case .accepted(let serial): publications[serial] = submitting
        case .completed(let serial, _): completed.append(serial)
        case .resolved(let ticket, let resolution): resolutions[ticket] = resolution
        case .discard: discarded += 1
        case .hangUp, .hangUpAfterFlush: hangsUp = true
        case .refused, .sessionLost, .deliver, .online, .offline, .attemptFailed, .ended, .store, .stored, .load, .unload: break
        }
    }

    private mutating func send(
        _ publication: (topic: String, payload: [UInt8], qos: QoS, retain: Bool)?, _ packetID: PacketID, isDuplicate: Bool
    ) {
        guard let publication else { return }
        let head = OutboundPublish(
            topic: publication.topic, qos: publication.qos, retain: publication.retain, payloadLength: publication.payload.count)
        sent.append(
            [UInt8](packetOf: head.encodedLength) { head.encode(packetID: packetID, isDuplicate: isDuplicate, into: &$0) }
                + publication.payload)
    }
}
