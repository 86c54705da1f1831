/// Rare things. What a run did not hit, it did not test.
package enum Mark: Int, Sendable, CaseIterable {
    case reconnect
    case sessionLoss
    case sessionLossAfterPubrec
    case resend
    case pubrelResend
    case cutInsidePacket
    case halfOpen
    case stall
    case refusal
    case dialRefused
    case dialTimedOut
    case takeOver
    case restart
    case silence
    case identifierWrap
    case streamedIn
    case streamedInCut
    case streamedInSkipped
    case bigOut
    case blockedWrite
    case backPressure
    case duplicateInbound
    case releaseOfEarlierLink
    case strayAcknowledgement
    case repeatedAcknowledgement
    case withdrawn
    case canceled
    case abandoned
    case ping
    case keepAlivePing
    case pubrecWhileStoring
    case linkLostWhileStoring
    case refusedPublish
    case disconnect
    case close
    case garbage
    case payloadLoss
    case sessionLossUnseen
    case suspicion
    case kill
    case powerCut
    case crashWhileOpening
    case resumed
    case storeFailure
    case diskFull
    case notStored
    case evicted
    case expired
    case loaded
    case unloaded
    case unreadable
    case cameBack
    case tornTail
    case pubrecAfterResend
    case withdrawnBetweenStoredAndSent
    case endToEnd

    package var name: String {
        var name = ""
        for character in "\(self)" {
            if character.isUppercase { name += " " }
            name += character.lowercased()
        }
        return name
    }
}

package struct Marks: Sendable {
    package init() {}

    package private(set) var counts = [Int](repeating: 0, count: Mark.allCases.count)

    package mutating func hit(_ mark: Mark) { counts[mark.rawValue] += 1 }

    package mutating func add(_ other: Marks) {
        for index in counts.indices { counts[index] += other.counts[index] }
    }

    package subscript(mark: Mark) -> Int { counts[mark.rawValue] }
}
