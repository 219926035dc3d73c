/** @file Plain text tables. */

export interface Column {
  readonly title: string;
  /** Numbers stand right. */
  readonly align?: "left" | "right";
}

/** Header, rule and rows; columns as wide as their widest cell, two spaces apart, no spaces at the end of a line. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map(({ title }, index) => Math.max(title.length, ...rows.map((row) => row[index]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    columns
      .map(({ align }, index) => (align === "right" ? (cells[index] ?? "").padStart(widths[index] ?? 0) : (cells[index] ?? "").padEnd(widths[index] ?? 0)))
      .join("  ")
      .trimEnd();
  const rule = widths.map((width) => "-".repeat(width));
  return [line(columns.map(({ title }) => title)), line(rule), ...rows.map(line)].join("\n");
}
