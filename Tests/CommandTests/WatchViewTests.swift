import Testing

@testable import mqttc

/// What the screen of watch shows, without a screen.
@Suite struct WatchViewTests {
    private var forest: TopicForest {
        var forest = TopicForest()
        for (second, topic) in ["b/x", "a/one", "a/two", "a"].enumerated() {
            forest.record(topic, preview: "v\(second)", size: 2, isRetained: topic == "a", at: Double(second))
        }
        return forest
    }

    private func names(_ view: WatchView, _ forest: TopicForest) -> [String] { view.rows(of: forest).map { forest.topic(of: $0.node) } }

    @Test func countsTopicsAndMessagesAtAllLevels() {
        var forest = forest
        forest.record("a/one", preview: "", size: 0, isRetained: false, at: 5)
        #expect((forest.topicCount, forest.messageCount) == (4, 5))
        #expect(forest.nodes[TopicForest.root].count == 5)
        forest.measure(at: 10)
        #expect(forest.nodes[TopicForest.root].rate == 0.25)
    }

    @Test func opensClosesAndSelects() {
        let forest = forest
        var view = WatchView(broker: "b", order: .name, expandsAll: false)
        #expect(names(view, forest) == ["a", "b"])
        view.press(.enter, forest, height: 20)
        #expect(names(view, forest) == ["a", "a/one", "a/two", "b"])
        view.press(.down, forest, height: 20)
        view.press(.down, forest, height: 20)
        #expect(view.selected == 2)
        view.press(.left, forest, height: 20)
        #expect(view.selected == 0)
        view.press(.character("e"), forest, height: 20)
        #expect(names(view, forest) == ["a", "a/one", "a/two", "b", "b/x"])
        view.press(.left, forest, height: 20)
        #expect(names(view, forest) == ["a", "b", "b/x"])
        view.press(.character("c"), forest, height: 20)
        #expect(names(view, forest) == ["a", "b"])
    }

    @Test func selectionStaysWithItsTopic() {
        var forest = forest
        var view = WatchView(broker: "b", order: .name, expandsAll: false)
        view.press(.end, forest, height: 20)
        forest.record("aa", preview: "", size: 0, isRetained: false, at: 9)
        _ = view.lines(forest, size: Terminal.Size(columns: 80, rows: 24), at: 9, connection: "connected")
        #expect(forest.topic(of: view.rows(of: forest)[view.selected].node) == "b")
    }

    @Test func searchesAndSorts() {
        var forest = forest
        var view = WatchView(broker: "b", order: .name, expandsAll: false)
        for key: Key in [.character("/"), .character("T"), .character("w"), .enter] { view.press(key, forest, height: 20) }
        #expect(names(view, forest) == ["a", "a/two"])
        view.press(.escape, forest, height: 20)
        view.press(.character("s"), forest, height: 20)
        for _ in 0..<10 { forest.record("b/x", preview: "", size: 0, isRetained: false, at: 9) }
        forest.measure(at: 10)
        #expect(names(view, forest) == ["b", "a"])
    }

    @Test(arguments: [(20, 5), (50, 10), (80, 24), (200, 60), (1, 1)])
    func fillsTheTerminalExactly(columns: Int, rows: Int) {
        var view = WatchView(broker: "broker.example.com", order: .name, expandsAll: true)
        let lines = view.lines(forest, size: Terminal.Size(columns: columns, rows: rows), at: 100, connection: "connected")
        #expect(lines.count == rows || rows < 4)
        for line in lines where columns >= 20 {
            var plain = line
            for style in ["0", "1", "2", "7"] { plain = plain.replacing("\u{1b}[\(style)m", with: "") }
            #expect(plain.reduce(0) { $0 + DisplayText.width(of: $1) } == columns)
        }
    }

    @Test func textsOfOthersDriveNoTerminal() {
        #expect(DisplayText.safe("a\u{1b}[2J\n\u{202e}b") == "a·[2J··b")
        #expect(DisplayText.preview([0, 0xff], isCut: false) == "00 ff")
        #expect(DisplayText.preview(Array("aé".utf8).dropLast(), isCut: true) == "a")
        #expect(DisplayText.fit("日本語", 4) == "日… ")
        #expect(DisplayText.fit("abc", 5, toRight: true) == "  abc")
    }

    @Test func keys() {
        var parser = KeyParser()
        #expect(
            parser.feed(Array("\u{1b}[A\u{1b}[6~qé\r\u{7f}".utf8)) == [
                .up, .pageDown, .character("q"), .character("é"), .enter, .backspace,
            ])
        #expect(parser.feed([0x1b]) == [.escape])
        #expect(parser.feed([0xc3]) == [])
        #expect(parser.feed([0xa9]) == [.character("é")])
    }
}
