// The words of errors and codes.
import MQTTCore
import Testing

struct VocabularyTests {
    @Test func errorsTellCodeReasonAndRule() {
        let error = MQTTError(
            .connectionRefused, .notSent, "the broker said no", reasonCode: .notAuthorized, citation: "MQTT-3.2.2-4")
        #expect(error.description == "connectionRefused: the broker said no (reason code 0x05) [MQTT-3.2.2-4]")
        #expect(MQTTError(.down, .notSent, "no connection").description == "down: no connection")
    }

    @Test func errorsAreValues() {
        let error = MQTTError(.down, .notSent, "no connection")
        var changed = error
        changed.fate = .unknown
        changed.httpStatus = 502
        #expect(error == MQTTError(.down, .notSent, "no connection") && error.httpStatus == nil)
        #expect(changed != error && changed.fate == .unknown && changed.httpStatus == 502 && changed.message == error.message)
        #expect(Set([error, changed, error]).count == 2)
    }

    @Test func refusalsAreThoseOfTable3_1() {
        let words = (1...5).map { ReasonCode(rawValue: $0).connectionRefusal }
        #expect(
            words == [
                "unacceptable protocol version", "identifier rejected", "server unavailable", "bad user name or password", "not authorized",
            ])
        #expect(ReasonCode(rawValue: 9).connectionRefusal == "return code 9")
    }

    @Test func grantsTellTheirLevelOrFailure() {
        #expect(
            (0...2).map { SubscriptionGrant(filter: "a", reasonCode: ReasonCode(rawValue: $0)).qos } == [
                .atMostOnce, .atLeastOnce, .exactlyOnce,
            ])
        #expect(SubscriptionGrant(filter: "a", reasonCode: .subscriptionFailure).qos == nil)
        #expect(ReasonCode.subscriptionFailure.isFailure)
        #expect(!ReasonCode(rawValue: 0x7F).isFailure)
        #expect(QoS.atMostOnce < .atLeastOnce && QoS.atLeastOnce < .exactlyOnce)
    }

    @Test func errorsNeverShowTheTextThatIsWrong() {
        for text in ["secret/+/x\0", "secret#", "+secret"] {
            let errors = [
                #expect(throws: MQTTError.self) { try TopicName(text) }, #expect(throws: MQTTError.self) { try TopicFilter(text) },
            ]
            for error in errors { #expect(error?.description.contains("secret") == false) }
        }
    }
}
