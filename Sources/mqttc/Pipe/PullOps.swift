import MQTT
import Synchronization

/// `receive: pull`: the op `next`, one at a time.
final class PullOps: Sendable {
    private enum Outcome {
        case delivered
        case timeout
        case failed(PipeFailure)
    }

    private let receiver: PullReceiver
    private let replies: OpenReplies
    private let output: LineWriter
    private let isBusy = Mutex(false)

    init(_ messages: Messages, _ replies: OpenReplies, _ output: LineWriter) {
        receiver = PullReceiver(messages)
        self.replies = replies
        self.output = output
    }

    func next(_ op: Op) {
        let isFree = isBusy.withLock { isBusy in
            defer { isBusy = true }
            return !isBusy
        }
        guard isFree else { return output.write(Reply.failure(op.id, .denied("one next at a time"))) }
        let ticket = replies.open(op.id)
        let task = Task {
            let outcome = op.isExpired ? await acknowledge() : await deliver(ticket)
            // Before the reply: whoever read it may send another one.
            isBusy.withLock { $0 = false }
            switch outcome {
            case .delivered: replies.succeed(ticket)
            case .timeout: replies.fail(ticket, PipeFailure(.timeout, "no message in time"))
            case .failed(let failure): replies.fail(ticket, failure)
            }
        }
        if let timeout = op.timeout, !op.isExpired {
            replies.expire(ticket, after: timeout) { task.cancel() }
        }
    }

    private func deliver(_ ticket: OpenReplies.Ticket) async -> Outcome {
        while true {
            let message: Message
            do {
                guard let next = try await receiver.next() else { return .failed(.closed) }
                message = next
            } catch {
                return error.code == .canceled ? .timeout : .failed(PipeFailure(error))
            }
            guard let line = try? await MessageEvent.line(for: message) else {
                // Broken off within its payload: it was not received, and comes again when its QoS says so.
                if Task.isCancelled { return .timeout }
                continue
            }
            guard replies.isOpen(ticket) else { return .failed(.closed) }
            return await output.writeThrough(line) ? .delivered : .failed(.closed)
        }
    }

    /// A `next` whose time is over when it starts acknowledges the message before, and no more.
    private func acknowledge() async -> Outcome {
        let outcome = await withTaskGroup(of: Result<Message?, MQTTError>.self) { [receiver] group in
            // The task begins as a canceled one.
            group.cancelAll()
            group.addTask {
                do throws(MQTTError) {
                    return .success(try await receiver.next())
                } catch {
                    return .failure(error)
                }
            }
            return await group.next() ?? .success(nil)
        }
        switch outcome {
        case .success(let message?):
            await receiver.giveBack(message)
            return .timeout
        case .success(nil): return .failed(.closed)
        case .failure(let error): return error.code == .canceled ? .timeout : .failed(PipeFailure(error))
        }
    }
}
