// Ends a run with the names of what was skipped and with plain counts on standard output, for people and for CI.
module.exports = class PlainSummaryReporter {
  onRunComplete(_contexts, results) {
    const skipped = results.testResults.flatMap(file =>
      file.testResults
        .filter(({ status }) => status === 'pending' || status === 'todo')
        .map(({ fullName }) => fullName),
    );
    // A file that could not run has no failed test of its own, yet is a failure.
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    const counts = `${results.numPassedTests} passed, ${failed} failed`;
    const lines = [
      ...skipped.map(name => `skipped: ${name}`),
      `ratebook: ${counts}, ${skipped.length} skipped`,
      counts,
    ];
    process.stdout.write(`${lines.join('\n')}\n`);
  }
};
