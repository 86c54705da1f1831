// FUZZ_TARGET=session fuzz [arguments of libFuzzer], or: FUZZ_TARGET=journal fuzz --seeds DIRECTORY, which writes the inputs that a corpus
// begins with. The target is no argument, because libFuzzer starts the program again with arguments of its own.
import Glibc
import LibFuzzer

guard FuzzTarget.chosen != nil else {
    print("FUZZ_TARGET must be one of \(FuzzTarget.allCases.map(\.rawValue).joined(separator: " "))")
    exit(2)
}
let arguments = CommandLine.arguments
if arguments.count == 3, arguments[1] == "--seeds" { exit(writeSeeds(to: arguments[2]) ? 0 : 1) }

var count = CommandLine.argc
var rest: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = unsafe CommandLine.unsafeArgv
let status = unsafe LLVMFuzzerRunDriver(&count, &rest) { bytes, count in
    unsafe run(Array(UnsafeBufferPointer(start: bytes, count: count)))
    return 0
}
exit(status)
