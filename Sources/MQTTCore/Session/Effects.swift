/// The effects of a step, in their order. One buffer is used again and again.
package struct Effects: Sendable, Equatable {
    /// What is behind the first `count` is of steps before.
    private var buffer: [Effect] = []
    package private(set) var count = 0

    package init() {}

    package var list: ArraySlice<Effect> { buffer[..<count] }

    package subscript(index: Int) -> Effect { buffer[index] }

    package mutating func append(_ effect: Effect) {
        if count < buffer.count { buffer[count] = effect } else { buffer.append(effect) }
        count += 1
    }

    package mutating func removeAll() { count = 0 }

    package static func == (one: Effects, other: Effects) -> Bool { one.list == other.list }
}
