// Numbers as people read them, and tables that can be pasted into a Markdown page.

export const count = (number) => Math.round(number).toLocaleString("en")
export const per = (number) => `${count(number)}/s`
export const share = (number) => `${(number * 100).toFixed(1)}%`
export const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`

export const verdict = (reached) => (reached ? "PASS" : "MISS")

/** The value that the share `q` (0 to 1) of the numbers does not exceed. */
export const quantile = (numbers, q) => {
  const sorted = Float64Array.from(numbers).sort()
  return sorted[Math.max(0, Math.ceil(sorted.length * q) - 1)]
}

export const median = (numbers) => quantile(numbers, 0.5)

/** A Markdown table, columns padded: numbers to the right. */
export const table = (head, rows) => {
  const cells = [head, ...rows].map((row) => row.map(String))
  const widths = head.map((_, column) => Math.max(3, ...cells.map((row) => row[column].length)))
  const isNumber = head.map((_, column) => rows.every((row) => /^[\d.,%× <>-]|^$/.test(String(row[column]))))
  const line = (row) =>
    `| ${row.map((cell, i) => (isNumber[i] ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join(" | ")} |`
  const rule = `|${widths.map((width, i) => `${"-".repeat(width + 1)}${isNumber[i] ? ":" : "-"}`).join("|")}|`
  return [line(cells[0]), rule, ...cells.slice(1).map(line)].join("\n")
}
