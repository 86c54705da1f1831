internal import MQTTCore

/// What can be wrong with a store, each with what to do about it.
extension MQTTError {
    private static func persistence(_ message: String) -> MQTTError { MQTTError(.persistence, .notSent, message) }

    static func storeLocked(_ path: String) -> MQTTError {
        persistence("the store at \(path) is in use by another client or process: end that one, or use another place")
    }

    static func otherVersion(_ version: UInt32, at path: String, reads own: UInt32) -> MQTTError {
        persistence(
            "\(path) has format version \(version), and this library reads version \(own): continue with the library that wrote it, "
                + "or use another place. Nothing was changed")
    }

    static func otherClient(stored: String, _ clientID: String) -> MQTTError {
        persistence(
            "the store holds the session of client \"\(stored)\", not of \"\(clientID)\": use that client identifier, or another place. "
                + "Nothing was changed")
    }

    static func cannotOpen(_ path: String, _ fault: FileFault) -> MQTTError {
        persistence("the store at \(path) cannot be opened (\(fault)): its directory must exist or be creatable, readable and writable")
    }

    static func cannotWrite(_ fault: FileFault) -> MQTTError {
        let advice = fault.isFull ? "make space, and it goes on" : "it is tried again elsewhere in the store; look after the disk"
        return persistence("the store cannot be written (\(fault)): \(advice)")
    }

    static func cannotRead(_ fault: FileFault) -> MQTTError {
        persistence("the store cannot be read (\(fault)): look after the disk")
    }

    static func storeNotOpen() -> MQTTError { persistence("the store is not open: open it first") }

    static func storeAlreadyOpen() -> MQTTError {
        persistence("the store is in use by another client of this process: close that one, or use another store")
    }

    static func noRecord() -> MQTTError { persistence("the store has no such record: it was removed, or lost as reported") }

    static func damagedRecord() -> MQTTError {
        persistence("the record is damaged: its checksum does not match. It is lost, everything else is intact")
    }

    static func recordTooLong(_ length: Int, limit: Int) -> MQTTError {
        MQTTError(.persistence, .denied, "a record of \(length) bytes does not fit in the store, its limit is \(limit)")
    }
}
