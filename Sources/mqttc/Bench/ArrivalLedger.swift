/// Which numbers have come, and which of them twice: one bit for each.
struct ArrivalLedger {
    private var words: [UInt64] = []
    private(set) var distinct = 0
    private(set) var duplicated = 0
    private(set) var lowest = Int.max
    private(set) var highest = -1

    mutating func arrive(_ number: Int) {
        let (word, bit) = (number >> 6, UInt64(1) << UInt64(number & 63))
        if word >= words.count { words += repeatElement(0, count: max(word + 1 - words.count, words.count)) }
        if words[word] & bit != 0 {
            duplicated += 1
            return
        }
        words[word] |= bit
        distinct += 1
        lowest = min(lowest, number)
        highest = max(highest, number)
    }

    /// Numbers that are missing between the first and the last that came.
    var gaps: Int { distinct == 0 ? 0 : highest - lowest + 1 - distinct }
}
