import MQTTTesting

/// Bytes from hexadecimal digits; blanks are ignored, and 'text' stands for its own bytes.
func bytes(_ description: String) -> [UInt8] {
    var result: [UInt8] = []
    for (index, part) in description.split(separator: "'", omittingEmptySubsequences: false).enumerated() {
        if index % 2 == 1 {
            result.append(contentsOf: part.utf8)
        } else {
            result.append(contentsOf: part.split(separator: " ").flatMap { pairs($0) })
        }
    }
    return result
}

private func pairs(_ digits: Substring) -> [UInt8] {
    var result: [UInt8] = []
    var rest = digits
    while !rest.isEmpty {
        result.append(UInt8(rest.prefix(2), radix: 16) ?? 0)
        rest = rest.dropFirst(2)
    }
    return result
}

/// A broker model, what came out of it, and connections by number. All bytes in are written by hand.
final class ModelBench {
    var model: BrokerModel
    var now: Int64 = 0
    var closed: [Int] = []
    var published: [ReceivedPublish] = []
    private var sent: [Int: [UInt8]] = [:]

    init(_ configure: (inout BrokerConfiguration) -> Void = { _ in }) {
        var configuration = BrokerConfiguration()
        configure(&configuration)
        model = BrokerModel(configuration: configuration)
    }

    func open(_ number: Int, _ description: String? = nil, faults: ConnectionFaults = ConnectionFaults()) {
        model.connectionOpened(BrokerModel.ConnectionID(number), faults: faults, at: now)
        if let description { feed(number, description) }
    }

    /// Opens, connects with Clean Session 1 and no keep-alive, and forgets the CONNACK.
    func openClean(_ number: Int, _ letter: String, faults: ConnectionFaults = ConnectionFaults()) {
        open(number, "10 0D 00 04 'MQTT' 04 02 00 00 00 01 '\(letter)'", faults: faults)
        sent[number] = nil
    }

    /// The same with Clean Session 0; tells whether the session was present.
    @discardableResult
    func openPersistent(_ number: Int, _ letter: String, faults: ConnectionFaults = ConnectionFaults()) -> Bool {
        open(number, "10 0D 00 04 'MQTT' 04 00 00 00 00 01 '\(letter)'", faults: faults)
        let answer = take(number)
        if answer.count > 4 { sent[number] = Array(answer.dropFirst(4)) }
        return answer.prefix(4) == [0x20, 2, 1, 0]
    }

    func feed(_ number: Int, _ description: String) {
        model.received(bytes(description), from: BrokerModel.ConnectionID(number), at: now)
        gather()
    }

    func close(_ number: Int) {
        model.connectionClosed(BrokerModel.ConnectionID(number), at: now)
        gather()
    }

    func tick(at time: Int64) {
        now = time
        model.tick(at: time)
        gather()
    }

    func gather() {
        for output in model.takeOutputs() {
            switch output {
            case .send(let id, let bytes): sent[id.number, default: []].append(contentsOf: bytes)
            case .close(let id): closed.append(id.number)
            case .published(let publish): published.append(publish)
            }
        }
    }

    /// What was sent since the last call.
    func take(_ number: Int) -> [UInt8] {
        gather()
        return sent.removeValue(forKey: number) ?? []
    }

    func duplicate(_ clientID: String) -> Bool { model.duplicateLastPublish(to: clientID, at: now) }

    func raw(_ description: String, to clientID: String) -> Bool { model.send(raw: bytes(description), to: clientID, at: now) }

    var statements: [String] { model.violations.map(\.statement) }
    var suspected: [String] { model.suspicions.map(\.statement) }
}
