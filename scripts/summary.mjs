// The last line of a CI run: `N passed, N failed`, from the test runner's JSON report.
import { readFileSync } from "node:fs"

const [file, status] = process.argv.slice(2)
let passed = 0
let failed = 0
let skipped = 0
try {
  const report = JSON.parse(readFileSync(file, "utf8"))
  passed = report.numPassedTests
  failed = report.numFailedTests + (report.numFailedTestSuites > 0 && report.numFailedTests === 0 ? 1 : 0)
  skipped = report.numPendingTests + report.numTodoTests
} catch (error) {
  console.error(`no test report: ${error.message}`)
  failed = 1
}
if (status !== "0" && failed === 0) failed = 1
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`)
process.exit(failed > 0 || passed === 0 ? 1 : 0)
