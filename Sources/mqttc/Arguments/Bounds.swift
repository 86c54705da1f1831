import ArgumentParser

/// What the numbers on a command line may be. A complaint says it.
enum Bounds {
    static let seconds = 0.0...1_000_000
    /// Of a payload: no packet holds more.
    static let payload = 0...268_435_455
    static let mostMessages = 4_000_000_000
    /// Packet identifiers of publishes.
    static let window = 1...49_152

    static func check(_ value: Int?, in range: ClosedRange<Int>, _ option: String, _ unit: String = "") throws {
        guard let value, !(range ~= value) else { return }
        throw ValidationError("\(option) is \(range.lowerBound) to \(range.upperBound)\(unit.isEmpty ? "" : " " + unit).")
    }

    static func check(_ value: Double?, in range: ClosedRange<Double>, _ option: String, _ unit: String) throws {
        // Not a number is in no range.
        guard let value, !(range ~= value) else { return }
        throw ValidationError("\(option) is \(text(range.lowerBound)) to \(text(range.upperBound)) \(unit).")
    }

    /// `-W`
    static func check(timeout: Double?) throws {
        guard let timeout, !(timeout > 0 && seconds ~= timeout) else { return }
        throw ValidationError("-W is more than 0, and at most \(text(seconds.upperBound)) seconds.")
    }

    private static func text(_ number: Double) -> String { Quantity.decimal(number, 0) }
}
