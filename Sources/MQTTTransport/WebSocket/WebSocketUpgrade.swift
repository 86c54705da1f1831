#if WebSocket
    internal import MQTTCore
    internal import NIOCore

    /// The request that makes a WebSocket of an HTTP connection, and what its answer has to be.
    struct WebSocketUpgrade {
        let request: HTTPRequest
        private let accept: String

        /// - Parameter nonce: 16 random bytes.
        init(_ options: WebSocketOptions, authority: String, nonce: [UInt8]) {
            let key = Base64.encode(nonce)
            accept = Base64.encode(SHA1.digest(of: Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8)))
            let host = options.headers.first { $0.name.lowercased() == "host" } ?? HTTPField("Host", authority)
            var fields = [
                host, HTTPField("Upgrade", "websocket"), HTTPField("Connection", "Upgrade"), HTTPField("Sec-WebSocket-Key", key),
                HTTPField("Sec-WebSocket-Version", "13"),
                HTTPField("Sec-WebSocket-Protocol", "mqtt"),  // [MQTT-6.0.0-3]
            ]
            fields += options.headers.filter { $0.name.lowercased() != "host" }
            request = HTTPRequest(method: "GET", target: options.path, fields: fields)
        }

        /// Why the answer is not the one that makes a WebSocket.
        func objection(to response: HTTPResponse) -> MQTTError? {
            guard response.status == 101 else {
                let place = response.fields.first { $0.name == "location" } == nil ? "" : "; redirections are not followed"
                var error = MQTTError(.webSocketRefused, .notSent, "the WebSocket upgrade was answered with \(response.statusLine)\(place)")
            error.httpStatus = response.status
            return error
            }
            guard response.values("upgrade").contains(where: { $0.lowercased() == "websocket" }),
                response.values("connection").contains(where: { $0.lowercased() == "upgrade" }),
                response.fields.filter({ $0.name == "sec-websocket-accept" }).map(\.value) == [accept]
            else { return Self.failure("the answer to the WebSocket upgrade is not the one to this request") }
            guard response.values("sec-websocket-extensions").isEmpty else {
                return Self.failure("the server chose a WebSocket extension that was not offered")
            }
            guard response.values("sec-websocket-protocol") == ["mqtt"] else {  // [MQTT-6.0.0-4]
                let text = "the server did not choose the WebSocket subprotocol mqtt"
                return MQTTError(.webSocketFailed, .notSent, text, citation: "MQTT-6.0.0-4")
            }
            return nil
        }

        static func failure(_ message: String) -> MQTTError { MQTTError(.webSocketFailed, .notSent, message) }
    }
#endif
