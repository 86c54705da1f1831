/// What the operating system answered instead of doing it.
package struct FileFault: Error, Hashable, CustomStringConvertible {
    package var operation: String
    /// The system's error number.
    package var number: Int32
    package var description: String
    package var isFull: Bool

    package init(_ operation: String, number: Int32, text: String, isFull: Bool = false) {
        self.operation = operation
        self.number = number
        self.description = "\(operation): \(text)"
        self.isFull = isFull
    }
}

/// The few things that a store asks of a disk, so that tests can give it one that forgets, tears and fails.
package protocol StoreFileSystem: Sendable {
    /// Makes a directory with all those above it, safely on disk. That it is there already is no error.
    func makeDirectory(_ path: String) throws(FileFault)
    /// The names of the files in it, in no order.
    func names(in directory: String) throws(FileFault) -> [String]
    /// A new file to read and write. That it exists is an error.
    func create(_ path: String) throws(FileFault) -> any StoreFile
    /// An existing file, to read and to sync.
    func open(_ path: String) throws(FileFault) -> any StoreFile
    /// Replaces what has the new name.
    func rename(_ path: String, to newPath: String) throws(FileFault)
    func remove(_ path: String) throws(FileFault)
    /// Brings to disk which files are there under which names.
    func syncDirectory(_ path: String) throws(FileFault)
    /// Takes the file for this open store alone, until the result goes away. Nil when another has it.
    func lock(_ path: String) throws(FileFault) -> (any StoreLock)?
}

/// An open file, until it goes away. Reads may come while another thread writes.
package protocol StoreFile: AnyObject, Sendable {
    func size() throws(FileFault) -> Int
    /// As much as there is, up to `count` bytes.
    func read(at offset: Int, count: Int) throws(FileFault) -> [UInt8]
    func write(_ bytes: [UInt8], at offset: Int) throws(FileFault)
    /// Brings to disk what was written before.
    func sync() throws(FileFault)
}

/// An exclusive lock, held as long as it lives.
package protocol StoreLock: AnyObject, Sendable {}
