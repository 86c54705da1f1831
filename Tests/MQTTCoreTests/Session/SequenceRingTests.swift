// The ring against an array.
import MQTTCore
import Testing

struct SequenceRingTests {
    @Test(arguments: [0, 1, 7, 8, UInt64(UInt32.max) - 3, UInt64.max - 5_000]) func behavesLikeAnArray(base: UInt64) {
        var random = SeededGenerator(seed: base)
        var ring = SequenceRing<UInt64>(base: base)
        var model: [UInt64] = []
        var modelBase = base
        for _ in 0..<3_000 {
            switch Int.random(in: 0..<20, using: &random) {
            case 0..<9:
                let value = random.next()
                ring.append(value)
                model.append(value)
            case 9..<15 where !model.isEmpty:
                ring.removeFirst()
                model.removeFirst()
                modelBase += 1
            case 15..<18 where !model.isEmpty:
                let index = Int.random(in: 0..<model.count, using: &random)
                ring[modelBase + UInt64(index)] &+= 1
                model[index] &+= 1
            case 19 where model.count > 100:
                modelBase += UInt64(model.count)
                ring.removeAll()
                model = []
            default: break
            }
            #expect(ring.base == modelBase && ring.end == modelBase + UInt64(model.count))
            #expect(ring.count == model.count && ring.isEmpty == model.isEmpty)
            #expect((ring.base..<ring.end).map { ring[$0] } == model)
        }
    }

    @Test func containsItsNumbersOnly() {
        var ring = SequenceRing<Int>(base: 10)
        #expect(!ring.contains(10))
        ring.append(1)
        ring.append(2)
        ring.removeFirst()
        #expect(!ring.contains(10) && ring.contains(11) && !ring.contains(12) && !ring.contains(0) && !ring.contains(.max))
    }

    @Test func aLongQueueComesAndGoes() {
        var ring = SequenceRing<Int>(base: 5)
        for round in 0..<3 {
            for value in 0..<5_000 { ring.append(value + round) }
            for value in 0..<5_000 {
                if ring[ring.base] != value + round { Issue.record("\(value) in round \(round)") }
                ring.removeFirst()
            }
            #expect(ring.isEmpty)
        }
        #expect(ring.base == 15_005)
    }

    @Test func equalityIsByNumbersAndElements() {
        var left = SequenceRing<Int>(base: 0)
        var right = SequenceRing<Int>(base: 0)
        for value in 0..<20 { left.append(value) }
        for _ in 0..<10 { left.removeFirst() }
        #expect(left != right)
        right = SequenceRing(base: 10)
        for value in 10..<20 { right.append(value) }
        #expect(left == right, "whatever the storage")
        right[15] = 0
        #expect(left != right)
    }
}
