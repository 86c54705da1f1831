// `import MQTT` brings the vocabulary along: QoS, MQTTError, TopicFilter, Limits, and the dialers.
@_exported public import MQTTCore
@_exported public import MQTTPersistence
@_exported public import MQTTTransport
