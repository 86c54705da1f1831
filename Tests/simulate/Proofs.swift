import ArgumentParser
import Simulation

/// What shows that a run without a violation means something: that rare things happened in it, and that bugs would have been found.
extension Simulate {
    func printMarks(_ report: Campaign.Report, _ marks: [Mark]) throws {
        for mark in marks {
            let count = "\(report.marks[mark])"
            print(String(repeating: " ", count: max(0, 12 - count.count)) + "\(count)  \(mark.name)")
        }
        let missed = marks.filter { report.marks[$0] == 0 }
        guard !missed.isEmpty else { return }
        print("never happened: \(missed.map(\.name).joined(separator: ", "))")
        throw ExitCode.failure
    }

    /// One after the other on one thread, so that the count is the same each time.
    func printCanaries(_ campaign: Campaign) async throws {
        var missed = 0
        print("| deliberate bug | worlds until found | as |\n| --- | ---: | --- |")
        for canary in Canary.allCases {
            var campaign = campaign
            campaign.canary = canary
            campaign.threads = 1
            campaign.failureLimit = 1
            let report = await campaign.run()
            if let finding = report.findings.first {
                print("| \(canary.rawValue) | \(report.worlds) | \(finding.failure.invariant.rawValue) |")
            } else {
                missed += 1
                print("| \(canary.rawValue) | NOT FOUND in \(report.worlds) | |")
            }
        }
        guard missed > 0 else { return }
        throw ExitCode.failure
    }
}
