/// A closure to keep in a `Mutex`.
///
/// A bare function type as a generic argument is wrapped each time it is taken out, and again when it is put back. `withLock { $0 }` does
/// both, so that wrappers piled up inside the lock: each call took longer than the one before, and would have ended on a full stack.
struct Callback: Sendable {
    private let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) { self.body = body }

    func callAsFunction() { body() }
}
