#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The terminal: its size, its modes, and questions to who sits before it. Structures of the C library are filled in place.
enum Terminal {
    struct Size: Equatable, Sendable {
        var columns: Int
        var rows: Int
    }

    /// Of the terminal at standard output. Nil when there is none.
    static var size: Size? {
        var window = winsize()
        guard unsafe ioctl(Descriptor.output.number, UInt(TIOCGWINSZ), &window) == 0, window.ws_col > 0, window.ws_row > 0 else {
            return nil
        }
        return Size(columns: Int(window.ws_col), rows: Int(window.ws_row))
    }

    /// Asks on the terminal itself, whatever standard input is, without showing the answer. Nil when there is no terminal.
    static func askSecret(_ question: String) -> [UInt8]? {
        let number = unsafe open("/dev/tty", O_RDWR | O_CLOEXEC)
        guard number >= 0 else { return nil }
        defer { _ = close(number) }
        let terminal = Descriptor(number: number)
        var before = termios()
        guard unsafe tcgetattr(number, &before) == 0 else { return nil }
        var silent = before
        silent.c_lflag &= ~tcflag_t(ECHO)
        unsafe tcsetattr(number, TCSAFLUSH, &silent)
        defer { unsafe tcsetattr(number, TCSAFLUSH, &before) }
        _ = terminal.writeAll(Array(question.utf8))
        var answer: [UInt8] = []
        var chunk: [UInt8] = []
        while !answer.contains(UInt8(ascii: "\n")), (try? terminal.read(into: &chunk, atMost: 4096)) == true { answer += chunk }
        _ = terminal.writeAll([UInt8(ascii: "\n")])
        return Array(answer.prefix { $0 != UInt8(ascii: "\n") })
    }

    /// Keys one by one and without echo, until ``restore()``. Nil when standard input is no terminal.
    static func takeKeys() -> Mode? {
        var before = termios()
        guard unsafe tcgetattr(Descriptor.input.number, &before) == 0 else { return nil }
        var raw = before
        raw.c_lflag &= ~tcflag_t(ECHO | ICANON)
        guard unsafe tcsetattr(Descriptor.input.number, TCSANOW, &raw) == 0 else { return nil }
        return Mode(before: before)
    }

    /// What the terminal was like before.
    struct Mode: Sendable {
        fileprivate let before: termios

        func restore() {
            var before = before
            unsafe tcsetattr(Descriptor.input.number, TCSANOW, &before)
        }
    }
}
