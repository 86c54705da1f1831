import ArgumentParser
import MQTT
import Testing

@testable import mqttc

/// The pass ahead of the parser, the defaults file, and what URL and options become.
@Suite struct CommandWordsTests {
    private func words(_ line: String, program: String = "mqttc", defaults: [[String]] = []) throws -> [String] {
        try CommandWords(program: program, line.split(separator: " ").map(String.init)) { _ in lines(defaults) }.words
    }

    private func lines(_ words: [[String]]) -> [DefaultsFile.Line] {
        words.enumerated().map { DefaultsFile.Line(words: $1, place: "f:\($0 + 1)") }
    }

    @Test func otherCommandsAreLeftAlone() throws {
        #expect(try words("pipe -D x", defaults: [["-h", "h"]]) == ["pipe", "-D", "x"])
        #expect(try words("--help") == ["--help"])
        #expect(try words("") == [])
    }

    @Test func propertiesBecomeOneWord() throws {
        #expect(
            try words("pub -D publish user-property a b -t x") == [
                "pub", "--property", "publish\u{1f}user-property\u{1f}a\u{1f}b", "-t", "x",
            ])
        #expect(try words("sub -D connect receive-maximum 5") == ["sub", "--property", "connect\u{1f}receive-maximum\u{1f}5"])
        #expect(throws: CommandWords.Failure.self) { try words("pub -D publish user-property a") }
    }

    @Test func valuesThatLookLikeOptionsAreValues() throws {
        #expect(try words("pub -m -D -t a") == ["pub", "-m", "-D", "-t", "a"])
        #expect(try words("pub -t -P -m x") == ["pub", "-t", "-P", "-m", "x"])
        #expect(!(try CommandWords(program: "mqttc", ["pub", "-m", "-P", "-t", "a"]) { _ in [] }.hasPassword))
    }

    @Test func defaultsComeFirst() throws {
        #expect(try words("pub -q 1", defaults: [["-q", "2"]]) == ["pub", "-q", "2", "-q", "1"])
        #expect(try words("bench pub --json", defaults: [["-p", "1"]]) == ["bench", "pub", "-p", "1", "--json"])
    }

    @Test(arguments: ["-h other", "--host=other", "-L mqtt://other", "-L=mqtt://other", "mqtt://other", "--unix /x", "-p 2"])
    func anAddressPutsThatOfTheDefaultsAside(line: String) throws {
        let defaults = [["-h", "host"], ["-p", "1"], ["-u", "me"], ["--url", "mqtt://x"]]
        #expect(try words("pub " + line, defaults: defaults) == ["pub", "-u", "me"] + line.split(separator: " ").map(String.init))
    }

    @Test(arguments: ["-m x", "--message=x", "-f x", "-l", "-n", "--stdin-file"])
    func aMessagePutsThatOfTheDefaultsAside(line: String) throws {
        let defaults = [["-m", "other"], ["-r"], ["--lines"]]
        #expect(try words("pub " + line, defaults: defaults) == ["pub", "-r"] + line.split(separator: " ").map(String.init))
    }

    @Test(arguments: ["req", "req -t a", "req --nosuch -V 5"]) func requestsNeedAnotherVersion(line: String) {
        #expect(throws: CommandWords.Failure(message: "request and response need MQTT 5.0, which is not there yet")) { try words(line) }
        let rest = line.split(separator: " ").dropFirst().joined(separator: " ")
        #expect(throws: CommandWords.Failure.self) { try words(rest, program: "/usr/bin/mosquitto_rr") }
    }

    @Test(arguments: ["-P secret", "--pw secret", "--pw=secret", "mqtt://me:secret@host", "-L mqtt://me:secret@host"])
    func findsPasswords(line: String) throws {
        #expect(try CommandWords(program: "mqttc", ["pub"] + line.split(separator: " ").map(String.init)) { _ in [] }.hasPassword)
    }

    @Test func hidesPasswordsAlone() {
        #expect(CommandWords.secret("secret", "-P") == 0..<6)
        #expect(CommandWords.secret("--pw=secret", nil) == 5..<11)
        #expect(CommandWords.secret("mqtt://me:secret@host", nil) == 10..<16)
        for word in ["mqtt://me@host:1883", "secret", "a:b@c", "mqtt://host"] { #expect(CommandWords.secret(word, "-m") == nil) }
    }

    @Test func mosquittosNamesAreCommands() throws {
        #expect(try words("-t a", program: "/usr/bin/mosquitto_pub") == ["pub", "-t", "a"])
        #expect(try words("-t a", program: "mosquitto_sub") == ["sub", "-t", "a"])
    }

    @Test func defaultsFile() throws {
        let text = "# comment\n -h host \n--port=5\n\n-D publish user-property a b\n[pub]\n-r\n-m two words\n[sub]\n-v\n"
        let common = [["-h", "host"], ["--port", "5"], ["-D", "publish", "user-property", "a", "b"]]
        func words(_ command: String) throws -> [[String]] { try DefaultsFile.lines(for: command, in: text, path: "f").map(\.words) }
        #expect(try words("pub") == common + [["-r"], ["-m", "two words"]])
        #expect(try words("sub") == common + [["-v"]])
        #expect(try DefaultsFile.lines(for: "sub", in: text, path: "f").map(\.place) == ["f:2", "f:3", "f:5", "f:10"])
        #expect(DefaultsFile.path { ["XDG_CONFIG_HOME": "/x", "HOME": "/h"][$0] } == "/x/mqttc/config")
        #expect(DefaultsFile.path { ["XDG_CONFIG_HOME": "relative", "HOME": "/h"][$0] } == "/h/.config/mqttc/config")
        #expect(DefaultsFile.path { _ in nil } == nil)
    }

    /// Above any section stands what is meant for whoever has it.
    @Test func defaultsThatDoNotApplyAreDropped() throws {
        let text = "-q 1\n-v\n-W 3\n-u me\n[bench]\n--window 5\n[bench idle]\n--seconds 2\n"
        func words(_ command: String) throws -> [[String]] { try DefaultsFile.lines(for: command, in: text, path: "f").map(\.words) }
        #expect(try words("pub") == [["-q", "1"], ["-W", "3"], ["-u", "me"]])
        #expect(try words("sub") == [["-q", "1"], ["-v"], ["-W", "3"], ["-u", "me"]])
        #expect(try words("test") == [["-W", "3"], ["-u", "me"]])
        #expect(try words("bench pub") == [["-q", "1"], ["-W", "3"], ["-u", "me"], ["--window", "5"]])
        #expect(try words("bench idle") == [["-W", "3"], ["-u", "me"], ["--seconds", "2"]])
        #expect(try words("bench nosuch") == [])
    }

    @Test(arguments: [
        ("-v\nhost x\n", "f:2: not an option, such as -h or --host with a value"), ("--hots x\n", "f:1: no command has an option --hots"),
        ("-v yes\n", "f:1: -v takes no value"), ("\n-q\n-h host\n", "f:2: -q needs a value"),
        ("[sub]\n-m x\n", "f:2: sub has no option -m"), ("[publish]\n-m x\n", "f:1: no command that connects is called so"),
    ])
    func complaintsNameTheLine(text: String, message: String) {
        #expect(throws: CommandWords.Failure(message: message)) { try DefaultsFile.lines(for: "sub", in: text, path: "f") }
    }

    @Test func findsTheLineOfAComplaint() throws {
        func complaint(_ words: [String]) -> String? {
            do {
                _ = try MQTTC.parseAsRoot(words)
                return nil
            } catch {
                return MQTTC.message(for: error)
            }
        }
        let defaults = lines([["-u", "me"], ["-q", "7"], ["-h", "host"]])
        #expect(try CommandWords(program: "mqttc", ["sub", "-t", "a"]) { _ in defaults }.culprit(complaint)?.place == "f:2")
        #expect(try CommandWords(program: "mqttc", ["sub", "-t", "a", "-k", "x"]) { _ in [defaults[0]] }.culprit(complaint) == nil)
        #expect(try CommandWords(program: "mqttc", ["sub", "-t", "a"]) { _ in [defaults[0]] }.culprit(complaint) == nil)
    }

    @Test func urlsWithTopics() {
        #expect(ConnectionURL("mqtt://host/a/b").topic == "a/b")
        #expect(ConnectionURL("mqtt://me:pw@host:1/a").broker == "mqtt://me:pw@host:1")
        #expect(ConnectionURL("mqtt://host/").topic == nil)
        #expect(ConnectionURL("mqtt+unix:///path/socket").broker == "mqtt+unix:///path/socket")
        #expect(ConnectionURL("wss://host/mqtt").broker == "wss://host/mqtt")
        #expect(ConnectionURL("mqtt://me@host").hasUser)
        #expect(!ConnectionURL("mqtt://me@host").hasPassword)
        #expect(ConnectionURL("mqtt://me:pw@host").hasPassword)
    }

    @Test func brokersAreNamedWithoutTheirPasswords() throws {
        let pub = try #require(try Pub.parse(["mqtt://me:pw@host:99/t", "-m", "x"]) as Pub?)
        #expect(pub.connection.brokerName == "mqtt://host:99")
    }

    /// What the pass believes of options is what the commands declare.
    @Test func spellingsAreThoseOfTheCommands() throws {
        let commands = [
            ("pub", Pub._dumpHelp()), ("sub", Sub._dumpHelp()), ("test", TestCommand._dumpHelp()), ("bench pub", BenchPub._dumpHelp()),
            ("bench sub", BenchSub._dumpHelp()), ("bench rtt", BenchRoundTrip._dumpHelp()), ("bench idle", BenchIdle._dumpHelp()),
            ("watch", Watch._dumpHelp()),
        ]
        #expect(Set(commands.map(\.0)) == Set(Spellings.ofCommand.keys))
        for (command, text) in commands {
            // Alone, without `mqttc` around it, a command has -h for its help.
            let (options, flags) = (try names(in: text, "option"), try names(in: text, "flag").subtracting(["-h", "--help", "--version"]))
            #expect(options.subtracting(Spellings.property).subtracting(Spellings.withValue).sorted() == [], "\(command)")
            #expect(flags.intersection(Spellings.withValue).sorted() == [], "\(command)")
            let known = Spellings.ofConnection.union(Spellings.ofCommand[command] ?? [])
            #expect(options.union(flags).symmetricDifference(known).sorted() == [], "\(command)")
        }
    }

    /// The spellings of one kind that a command declares.
    private func names(in dump: String, _ kind: String) throws -> Set<String> {
        var parser = JSONParser(Array(dump.utf8))
        guard case .object(let tool) = try parser.parse(), case .object(let command)? = tool["command"],
            case .array(let arguments)? = command["arguments"]
        else {
            Issue.record("no arguments in the dump")
            return []
        }
        var found: Set<String> = []
        for case .object(let argument) in arguments where argument["kind"] == .string(kind) {
            guard case .array(let names)? = argument["names"] else { continue }
            for case .object(let name) in names {
                guard case .string(let kind)? = name["kind"], case .string(let word)? = name["name"] else { continue }
                found.insert((kind == "long" ? "--" : "-") + word)
            }
        }
        return found
    }

    /// The short way and the usual one understand the same.
    @Test(arguments: [
        "-t a -m x", "-h 127.0.0.1 -p 18 -t a -m -x", "--topic a --message x --qos 2 --retain --id me", "mqtt://h:1 -t a -m x -r",
        "-t a -t b -m 1 -q 1", "-t a -m ü",
    ])
    func quickPublishUnderstandsTheSame(line: String) throws {
        let words = line.split(separator: " ").map(String.init)
        let quick = try #require(QuickPublish(["pub"] + words))
        let usual = try #require(try Pub.parse(words) as Pub?)
        #expect(quick.topic == usual.topic)
        #expect(quick.message.map { [$0] } == usual.message)
        #expect((quick.qos, quick.retain, quick.clientID) == (usual.qos, usual.retain, usual.connection.clientID))
        let (mine, theirs) = (try #require(quick.configuration), try usual.connection.configuration())
        #expect(mine.broker == theirs.broker)
        #expect(mine.keepAlive == theirs.keepAlive)
        #expect(mine.retriesFirstConnect == theirs.retriesFirstConnect)
    }

    @Test(arguments: [
        "pub -t a", "pub -m x", "pub -t a/# -m x", "pub -t a -m x -q 3", "pub -t a -m x -p 0", "pub -t a -m x -u me", "pub -t a -m x -l",
        "pub mqtt://h -h h -t a -m x", "pub mqtt://me@h -t a -m x", "pub mqtt://h/t -m x", "pub -t a -m", "sub -t a -m x",
        "pub -t a -m x --help", "pub -t a -m 1 -m 2", "pub -t a\u{7} -m x",
    ])
    func quickPublishLeavesTheRestAlone(line: String) {
        #expect(QuickPublish(line.split(separator: " ").map(String.init)) == nil)
    }
}
