/// A JSON value, as far as `pipe` needs to tell them apart.
///
/// Foundation is not used: it costs start-up time, and it is lenient where PIPE.md is strict (lone surrogates).
enum JSON: Sendable, Equatable {
    case null
    case bool(Bool)
    /// A number with an integral value that fits, however it was spelled: 5, 5.0, 0.5e1, -0.
    case integer(Int64)
    /// Any other number. Infinite when its magnitude is beyond a `Double`.
    case number(Double)
    case string(String)
    case array([JSON])
    case object(JSONObject)
}

/// The members of a JSON object in the order of the text.
struct JSONObject: Sendable, Equatable {
    struct Member: Sendable, Equatable {
        var name: String
        var value: JSON
    }

    var members: [Member] = []

    /// A name that repeats has its last value, as with every common parser.
    subscript(name: String) -> JSON? {
        for member in members.reversed() where member.name.utf8.elementsEqual(name.utf8) {
            return member.value
        }
        return nil
    }
}
