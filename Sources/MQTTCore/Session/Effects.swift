/// The effects of a step, in their order. One buffer is used again and again.
package struct Effects: Sendable, Equatable {
    package private(set) var list: [Effect] = []

    package init() {}

    package mutating func append(_ effect: Effect) { list.append(effect) }

    package mutating func removeAll() {
        // Most steps have a few, and taking them out is the cheaper way.
        if list.count > 4 { return list.removeAll(keepingCapacity: true) }
        while list.popLast() != nil {}
    }
}
