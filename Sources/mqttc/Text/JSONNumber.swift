/// Reads one JSON number, and decides exactly whether its value is an integer.
struct JSONNumberScanner {
    private let bytes: [UInt8]
    private(set) var at: Int

    /// The significant digits without leading and trailing zeros, and the power of ten of the last.
    private var digits: [UInt8] = []
    private var exponent = 0

    /// Beyond this no exponent changes the value; it also keeps the arithmetic from overflowing.
    private static let exponentLimit = 1_000_000_000

    init(_ bytes: [UInt8], at: Int) {
        self.bytes = bytes
        self.at = at
    }

    /// The value, or nil when no number is here.
    mutating func scan() -> JSON? {
        let start = at
        let isNegative = take(UInt8(ascii: "-"))
        guard scanIntegerPart() else { return nil }
        if take(UInt8(ascii: ".")), !scanDigits(isFraction: true) { return nil }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")), !scanExponent() { return nil }
        if let integer = integerValue(isNegative: isNegative) { return .integer(integer) }
        // The grammar above is a subset of what Double reads; it gives an infinity for what is too big.
        return Double(String(decoding: bytes[start..<at], as: UTF8.self)).map(JSON.number)
    }

    private mutating func scanIntegerPart() -> Bool {
        if take(UInt8(ascii: "0")) {
            // A leading zero stands alone.
            return !(at < bytes.count && isDigit(bytes[at]))
        }
        return scanDigits(isFraction: false)
    }

    private mutating func scanDigits(isFraction: Bool) -> Bool {
        let start = at
        while at < bytes.count, isDigit(bytes[at]) {
            if !digits.isEmpty || bytes[at] != UInt8(ascii: "0") { digits.append(bytes[at] - UInt8(ascii: "0")) }
            if isFraction { exponent -= 1 }
            at += 1
        }
        return at > start
    }

    private mutating func scanExponent() -> Bool {
        let isNegative = take(UInt8(ascii: "-"))
        if !isNegative { _ = take(UInt8(ascii: "+")) }
        let start = at
        var power = 0
        while at < bytes.count, isDigit(bytes[at]) {
            power = min(power * 10 + Int(bytes[at] - UInt8(ascii: "0")), Self.exponentLimit)
            at += 1
        }
        exponent += isNegative ? -power : power
        return at > start
    }

    private func integerValue(isNegative: Bool) -> Int64? {
        var significant = digits[...]
        var power = exponent
        while power < 0, significant.last == 0 {
            significant.removeLast()
            power += 1
        }
        if significant.isEmpty { return 0 }
        // 19 digits hold every Int64.
        guard power >= 0, power <= 19, significant.count + power <= 19 else { return nil }
        var value: Int64 = 0
        for digit in significant.map(Int64.init) + Array(repeating: 0, count: power) {
            let (shifted, tooBig) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflows) = isNegative ? shifted.subtractingReportingOverflow(digit) : shifted.addingReportingOverflow(digit)
            if tooBig || overflows { return nil }
            value = sum
        }
        return value
    }

    private func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard at < bytes.count, bytes[at] == byte else { return false }
        at += 1
        return true
    }
}
