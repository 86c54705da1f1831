import MQTT
import NIOCore
import Synchronization

/// The terminal while `watch` runs: takes messages and keys, and draws.
final class WatchScreen: Sendable {
    private struct State {
        var forest = TopicForest()
        var view: WatchView
        /// What is shown while it is paused.
        var frozen: TopicForest?
        var connection = "connected"
        var drawn: [String] = []
        var mode: Terminal.Mode?
        var isOpen = false

        var shown: TopicForest { frozen ?? forest }
    }

    private let state: Mutex<State>
    private let output: LineWriter
    private let count: Int

    private static let frame = Duration.milliseconds(100)
    private static let measuring = 1.0

    init(_ view: WatchView, output: LineWriter, count: Int) {
        state = Mutex(State(view: view))
        self.output = output
        self.count = count
    }

    func run(_ client: MQTTClient) async throws {
        open()
        let signals = StopSignals(stop: { self.close() }, resume: { self.open() })
        defer { signals.restore() }
        let reading = Task { await self.readKeys() }
        let states = Task { await self.follow(client) }
        defer {
            reading.cancel()
            states.cancel()
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.receive(client.messages) }
            group.addTask { try await self.draw() }
            // Either is the end: enough messages, or somebody pressed q.
            try await group.next()
            group.cancelAll()
        }
    }

    // MARK: The terminal

    /// The alternate screen, so that what was there comes back in the end; without a cursor. Again when the process goes on after it was
    /// stopped: whoever had the terminal meanwhile has left his modes.
    private func open() {
        let mode = Terminal.takeKeys()
        state.withLock { state in
            // That of the first time, should it be open.
            state.mode = state.mode ?? mode
            state.isOpen = true
            state.drawn = []
            output.write(Array("\u{1b}[?1049h\u{1b}[?25l\u{1b}[2J".utf8))
        }
    }

    /// Gives the terminal back as it was. Until ``open()`` nothing is drawn. It can be called again.
    func close() {
        let (mode, isOpen) = state.withLock { state in
            defer { (state.mode, state.isOpen) = (nil, false) }
            return (state.mode, state.isOpen)
        }
        mode?.restore()
        // The writer may be waiting for a terminal that is stopped: not through it.
        if isOpen { _ = Descriptor.output.writeAll(Array("\u{1b}[0m\u{1b}[?25h\u{1b}[?1049l".utf8)) }
    }

    private static var seconds: Double { Double(Ticks.now) / 1e9 }

    private func draw() async throws {
        var measured = Self.seconds
        while true {
            let now = Self.seconds
            let size = Terminal.size ?? Terminal.Size(columns: 80, rows: 24)
            let isDue = now - measured >= Self.measuring
            if isDue { measured = now }
            let (text, isEnded) = state.withLock { state -> ([UInt8], Bool) in
                guard state.isOpen else { return ([], state.view.isEnded) }
                if isDue { state.forest.measure(at: now) }
                let lines = state.view.lines(state.shown, size: size, at: now, connection: state.connection)
                return (Self.difference(&state.drawn, lines), state.view.isEnded)
            }
            if isEnded { return }
            // The terminal may be slow: the next frame waits for it.
            if !text.isEmpty, await !output.writeThrough(text) { throw Running.Exit(status: ExitStatus.failure) }
            try await Task.sleep(for: Self.frame)
        }
    }

    /// Only what has changed is drawn: little to send over a slow line, and nothing flickers.
    private static func difference(_ drawn: inout [String], _ lines: [String]) -> [UInt8] {
        var text = ""
        if drawn.count != lines.count {
            text += "\u{1b}[2J"
            drawn = []
        }
        for (row, line) in lines.enumerated() where row >= drawn.count || drawn[row] != line {
            text += "\u{1b}[\(row + 1);1H\(line)\u{1b}[K"
        }
        drawn = lines
        return Array(text.utf8)
    }

    // MARK: What comes in

    private func receive(_ messages: Messages) async throws {
        var remaining = count
        var iterator = messages.makeAsyncIterator()
        while remaining > 0, let message = try await iterator.next() {
            guard let preview = await PayloadPreview(message.payload) else { continue }
            let now = Self.seconds
            state.withLock { state in
                state.forest.record(message.topic, preview: preview.text, size: preview.size, isRetained: message.retain, at: now)
            }
            remaining -= 1
        }
        iterator.acknowledge()
    }

    private func readKeys() async {
        var parser = KeyParser()
        while let chunk = try? await StandardInput.next() {
            let rows = Terminal.size?.rows ?? 24
            state.withLock { state in
                for key in parser.feed(chunk) {
                    state.view.press(key, state.shown, height: rows)
                    if state.view.isPaused != (state.frozen != nil) { state.frozen = state.view.isPaused ? state.forest : nil }
                }
            }
        }
    }

    private func follow(_ client: MQTTClient) async {
        for await change in client.connectionStates {
            let text =
                switch change {
                case .online: "connected"
                case .offline, .attemptFailed: "OFFLINE"
                case .closed: "closed"
                }
            state.withLock { $0.connection = text }
        }
    }
}
