package import MQTTCore

/// How a session takes a store.
package enum StoreUse: Sendable, Hashable {
    /// It starts empty: what the store held is removed.
    case new
    /// It continues what the store holds, which may be nothing.
    case resume
}

extension SessionStore {
    /// Opens the store for the session of this client. To resume, an empty identifier takes the stored one.
    ///
    /// When it throws, the store is closed, and what it held is still there.
    package func open(for clientID: String, _ use: StoreUse) throws(MQTTError) -> StoreContents {
        let contents = try open()
        do throws(MQTTError) {
            let takesStored = clientID.isEmpty && use == .resume
            if let stored = contents.clientID, !takesStored, stored != clientID { throw MQTTError.otherClient(stored: stored, clientID) }
            let client = StoreEntry(.client, head: Array(clientID.utf8), bodyLength: 0)
            switch use {
            case .resume:
                if contents.clientID == nil, !clientID.isEmpty { try commit([.put(.client, head: client.head)]) }
                // The record was just written, or it was there.
                return contents.clientID == nil && !clientID.isEmpty ? contents.led(by: client) : contents
            case .new:
                try commit(contents.map { .delete($0.key) } + (clientID.isEmpty ? [] : [.put(.client, head: client.head)]))
                var empty = StoreContents()
                if !clientID.isEmpty { empty.append(client) }
                return empty
            }
        } catch {
            close()
            throw error
        }
    }
}

extension StoreContents {
    /// The same behind a client record.
    fileprivate func led(by client: StoreEntry) -> StoreContents {
        var contents = StoreContents()
        contents.damage = damage
        contents.append(client)
        for entry in self where entry.key != .client { contents.append(entry) }
        return contents
    }
}
