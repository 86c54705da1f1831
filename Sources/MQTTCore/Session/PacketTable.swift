/// Values by packet identifier: looked up without hashing, in pages that take memory only while something is in them.
struct PacketTable<Value> {
    private static var pageLength: Int { 256 }

    fileprivate struct Page {
        var slots = [Value?](repeating: nil, count: pageLength)
        var count = 0
    }

    /// None before the first value.
    private var pages: [Page?] = []
    /// An empty page, so that identifiers that come and go do not ask for memory again and again.
    private var spare: Page?
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    subscript(packetID: PacketID) -> Value? {
        get { pages.isEmpty ? nil : pages[Self.page(packetID)]?.slots[Self.slot(packetID)] }
        set {
            if let newValue { insert(newValue, packetID) } else { remove(packetID) }
        }
    }

    private mutating func insert(_ value: Value, _ packetID: PacketID) {
        if pages.isEmpty { pages = Array(repeating: nil, count: (Int(PacketID.max) + 1) / Self.pageLength) }
        let (page, slot) = (Self.page(packetID), Self.slot(packetID))
        if pages[page] == nil {
            pages[page] = spare ?? Page()
            spare = nil
        }
        if pages[page]?.slots[slot] == nil {
            pages[page]?.count += 1
            count += 1
        }
        pages[page]?.slots[slot] = value
    }

    private mutating func remove(_ packetID: PacketID) {
        guard self[packetID] != nil else { return }
        let page = Self.page(packetID)
        pages[page]?.slots[Self.slot(packetID)] = nil
        pages[page]?.count -= 1
        count -= 1
        guard pages[page]?.count == 0 else { return }
        spare = pages[page]
        pages[page] = nil
    }

    mutating func removeAll() { self = PacketTable() }

    /// Those that have a value, in order.
    var packetIDs: [PacketID] {
        var found: [PacketID] = []
        for (index, page) in pages.enumerated() {
            guard let page else { continue }
            for slot in page.slots.indices where page.slots[slot] != nil {
                found.append(PacketID(truncatingIfNeeded: index * Self.pageLength + slot))
            }
        }
        return found
    }

    private static func page(_ packetID: PacketID) -> Int { Int(packetID) / Self.pageLength }
    private static func slot(_ packetID: PacketID) -> Int { Int(packetID) % Self.pageLength }
}

extension PacketTable: Sendable where Value: Sendable {}
extension PacketTable.Page: Sendable where Value: Sendable {}

extension PacketTable: Equatable where Value: Equatable {
    static func == (lhs: PacketTable, rhs: PacketTable) -> Bool {
        lhs.count == rhs.count && lhs.packetIDs.allSatisfy { lhs[$0] == rhs[$0] }
    }
}
