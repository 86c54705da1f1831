import Testing

@testable import mqttc

/// Standard output in whole lines, whoever writes and whoever reads.
@Suite struct LineWriterTests {
    private func line(_ text: String) -> [UInt8] { Array((text + "\n").utf8) }

    @Test func keepsOrderOfAllForms() async {
        let pipe = OutputPipe()
        let writer = LineWriter(pipe.writer)
        for number in 0..<200 {
            switch number % 3 {
            case 0: writer.write(line("\(number)"))
            case 1: #expect(await writer.writeThrough(line("\(number)")))
            default: #expect(await writer.write(line("\(number)"), backlog: 1 << 20))
            }
        }
        await writer.flush()
        pipe.closeWriter()
        #expect(pipe.readLines(.max) == (0..<200).map(String.init))
    }

    @Test func manyWritersNeverInterleave() async {
        let pipe = OutputPipe()
        let writer = LineWriter(pipe.writer)
        let reading = Task { await pipe.nextLines(4000) }
        await withTaskGroup { group in
            for task in 0..<8 {
                group.addTask {
                    for number in 0..<500 {
                        // Some are larger than what is written without the writer's own thread.
                        let text = String(repeating: "\(task)", count: number % 50 == 0 ? 5000 : 20)
                        if number % 2 == 0 { writer.write(line(text)) } else { #expect(await writer.writeThrough(line(text))) }
                    }
                }
            }
        }
        let lines = await reading.value
        #expect(lines.count == 4000)
        for line in lines { #expect(Set(line.utf8).count == 1 && [20, 5000].contains(line.utf8.count)) }
    }

    @Test func waitsForAReaderWhoIsSlow() async {
        let pipe = OutputPipe()
        let writer = LineWriter(pipe.writer)
        // More than a pipe holds: it cannot be written yet, and writing it through is not done.
        let big = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20)
        writer.write(big)
        writer.write(line("behind"))
        let last = Task { await writer.writeThrough(line("last")) }
        let bytes = await pipe.next(big.count + 7 + 5)
        #expect(await last.value)
        let isInOrder = bytes == big + line("behind") + line("last")
        #expect(isInOrder)
    }

    @Test func brokenOutputIsToldToEverybody() async {
        Descriptor.ignoreBrokenPipes()
        let pipe = OutputPipe()
        let writer = LineWriter(pipe.writer)
        pipe.closeReader()
        #expect(await !writer.writeThrough(line("nobody reads")))
        #expect(await !writer.writeThrough(line("nor this")))
        #expect(await !writer.write(line("nor that"), backlog: 0))
        writer.write(line("dropped"))
        await writer.flush()
    }

    @Test func brokenWhileWaiting() async {
        Descriptor.ignoreBrokenPipes()
        let pipe = OutputPipe()
        let writer = LineWriter(pipe.writer)
        let big = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20)
        writer.write(big)
        let behind = Task { await writer.writeThrough(line("behind")) }
        _ = await pipe.next(1000)
        pipe.closeReader()
        #expect(await !behind.value)
    }
}
