public import MQTT

/// Whether a store of your own keeps what ``SessionStore`` demands. It reports plain values, for any test framework:
///
/// ```swift
/// let violations = await SessionStoreContract.check { place in DatabaseSessionStore(at: "\(directory)/\(place)") }
/// #expect(violations.isEmpty, "\(violations)")
/// ```
///
/// Each rule that is broken is in the result; a store that breaks one may fail others for that reason. Not checked, because no call of
/// the protocol can show it: that a commit is on disk when it returns. Kill a process of yours in the middle for that.
public enum SessionStoreContract {
    public enum Rule: String, Sendable, CaseIterable {
        /// A new place is empty, and nothing was lost in it.
        case opensEmpty
        /// Heads and bodies come back as they were put, of any size and with any bytes.
        case keepsValues
        /// The client first, publishes in the order of their numbers, receptions in the order of their puts.
        case keepsOrder
        /// A record that is put again has the new head and body, once, and is the last of its kind.
        case replaces
        /// The changes of a commit apply in their order; removing what is not there does nothing.
        case appliesChangesInOrder
        /// Removing a publish removes the fact that it was received, and nothing else does.
        case removesReceptionsWithTheirPublish
        /// All inbound records are removed, and no others.
        case removesAllInbound
        /// Lazy removals are removals: at once to those who read, and at the next start.
        case removesLazily
        /// Everything that was committed is there when the store is opened again, as often as that happens.
        case survivesReopening
        /// Two sessions cannot have it at a time, and the second one disturbs nothing.
        case servesOneSession
        /// A store that is not open, or was closed, takes nothing and gives nothing.
        case needsToBeOpen
        /// What is not there cannot be read.
        case reportsMissingRecords
        /// Errors have the code ``MQTTError/Code/persistence`` and a message.
        case reportsErrors
        /// Records can be read while a commit is under way: whole, and the old or the new ones.
        case readsDuringCommits
        /// What goes well on any disk that works does not throw.
        case works
    }

    /// A rule that was broken.
    public struct Violation: Sendable, Hashable, CustomStringConvertible {
        public let rule: Rule
        /// What was seen.
        public let detail: String

        public var description: String { "\(rule.rawValue): \(detail)" }
    }

    /// Checks a store against all rules.
    ///
    /// It blocks the thread for as long as the store does, a few hundred commits.
    ///
    /// - Parameter makeStore: Makes a store at the place of this name, such as a directory or a table. The first time that a name comes
    ///   the place is empty; then it holds what the stores before have left there, and a store that lives in memory is the same one.
    public static func check(makeStore: @escaping (_ place: String) throws -> any SessionStore) async -> [Violation] {
        var examination = StoreExamination(makeStore: makeStore)
        examination.examineContents()
        examination.examineChanges()
        examination.examineUse()
        await examination.examineReading()
        return examination.violations
    }
}
