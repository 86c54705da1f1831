/// The effects of a step, in their order. One buffer is used again and again.
package struct Effects: Sendable, Equatable {
    package private(set) var list: [Effect] = []

    package init() {}

    package mutating func append(_ effect: Effect) { list.append(effect) }

    package mutating func removeAll() {
        // Most steps have one, and taking it out is the cheaper way.
        if list.count == 1 { list.removeLast() } else { list.removeAll(keepingCapacity: true) }
    }
}
