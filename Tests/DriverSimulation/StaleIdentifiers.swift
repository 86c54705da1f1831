import MQTTCore
import MQTTPersistence

/// Inbound identifiers that the client may know from a session that the broker has lost. What comes under them is taken for a repetition:
/// Assumptions.md.
///
/// A client does not hear of the loss when its connection breaks ahead of CONNACK. A process that crashes before the loss is on disk
/// leaves them to the next one.
struct StaleIdentifiers {
    /// Those that may be on the disk.
    private var stored: Set<PacketID> = []
    /// By identifier, the broker's session in which it was last used, and the first since it was certainly not on the disk.
    private var last: [PacketID: Int] = [:]
    private var first: [PacketID: Int] = [:]
    /// For the process that runs.
    private var stale: Set<PacketID> = []
    /// Sessions of the broker of whose beginning the client has heard.
    private var seen: Set<Int> = []

    /// Whoever goes on behind CONNACK has read it.
    mutating func see(epoch: Int) { seen.insert(epoch) }

    /// Returns whether the message may be dropped.
    mutating func sent(_ packetID: PacketID, epoch: Int) -> Bool {
        let before = last[packetID, default: epoch]
        last[packetID] = epoch
        if first[packetID] == nil { first[packetID] = epoch }
        return stale.contains(packetID) || before < epoch && !seen.contains(epoch)
    }

    mutating func attempt(_ changes: [StoreChange]) {
        for case .put(.inbound(let packetID), _, _) in changes { stored.insert(packetID) }
    }

    mutating func succeed(_ changes: [StoreChange]) {
        for change in changes {
            switch change {
            case .delete(.inbound(let packetID), lazily: false): remove(packetID)
            case .deleteAllInbound: for packetID in stored { remove(packetID) }
            case .put(.inbound(let packetID), _, _): stored.insert(packetID)
            default: break
            }
        }
    }

    private mutating func remove(_ packetID: PacketID) {
        stored.remove(packetID)
        stale.remove(packetID)
        first[packetID] = last[packetID]
    }

    mutating func processEnded(epoch: Int) { stale = stored.filter { first[$0, default: epoch] < epoch } }
}
