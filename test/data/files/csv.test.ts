import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openCsv } from "../../../src/data/files/csv.ts";
import { temporaryFolder } from "../../temporary-folder.ts";

async function csvFile(content: string | Uint8Array): Promise<string> {
  const path = join(await temporaryFolder(), "table.csv");
  await writeFile(path, content);
  return path;
}

async function read(content: string | Uint8Array, columns: readonly string[] = ["id", "text"]): Promise<unknown[]> {
  const csv = await openCsv(await csvFile(content), columns);
  const rows: unknown[] = [];
  for await (const row of csv.rows) rows.push(row.kind === "fault" ? `${row.line}: ${row.what}` : [row.line, ...columns.map((column) => row.cell(column))]);
  return rows;
}

test("cells are read by header name with RFC 4180 quoting, CRLF and blank lines", async () => {
  expect(await read('\uFEFFid,other,text\r\n1,x,"a, ""b"""\r\n\r\n2,"",plain\r\n')).toEqual([
    [2, "1", 'a, "b"'],
    [4, "2", "plain"],
  ]);
});

test.each([";", "\t", "|", ", "])("the delimiter %j is found by the header", async (delimiter) => {
  expect(await read([["id", "text"], ["7", "so it is"]].map((row) => row.join(delimiter)).join("\n"))).toEqual([[2, "7", "so it is"]]);
});

test("a quote inside an unquoted cell is a letter, a line break inside quotes belongs to the cell", async () => {
  expect(await read('id,text\n1,the 5" disk\n2,"two\nlines"\n3,x\n')).toEqual([
    [2, "1", 'the 5" disk'],
    [3, "2", "two\nlines"],
    [5, "3", "x"],
  ]);
});

test("a row of another length is a fault with its line, and the rows after it are read", async () => {
  expect(await read("id,text\n1\n2,b\n3,c,d\n4,e,\n")).toEqual(["2: got 1 cells, expected 2 as in the header", [3, "2", "b"], "4: got 3 cells, expected 2 as in the header", [5, "4", "e"]]);
});

test("a quote that is never closed costs its own line, not the rest of the file", async () => {
  expect(await read('id,text\n1,"open\n2,b\n3,c\n')).toEqual(["2: a quote is opened and never closed", [3, "2", "b"], [4, "3", "c"]]);
});

test("text after a closing quote is a fault", async () => {
  expect(await read('id,text\n1,"a"b\n2,c\n')).toEqual(["2: a quoted cell goes on after its closing quote", [3, "2", "c"]]);
});

test("lines may end in CR alone", async () => {
  expect(await read("id,text\r1,a\r2,b")).toEqual([[2, "1", "a"], [3, "2", "b"]]);
});

test("a comma parts decimals where it parts no cells", async () => {
  const numbers = async (content: string): Promise<number[]> => {
    const all: number[] = [];
    for await (const row of (await openCsv(await csvFile(content), ["a", "b"])).rows) if (row.kind === "row") all.push(row.number("a"), row.number("b"));
    return all;
  };

  expect(await numbers("a;b\n-0,5;1.25\n1,2,3;\n")).toEqual([-0.5, 1.25, Number.NaN, Number.NaN]);
  expect(await numbers('a,b\n"0,5",2\n')).toEqual([Number.NaN, 2]);
});

test("UTF-16 and Windows-1252 files are read as such", async () => {
  const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from("id,text\n1,é\n", "utf16le")]);
  const cp1252 = Buffer.from([...Buffer.from("id,text\n1,it"), 0x92, 0x73, 0x0a]);

  expect(await read(utf16)).toEqual([[2, "1", "é"]]);
  expect(await read(cp1252)).toEqual([[2, "1", "it’s"]]);
  expect((await openCsv(await csvFile(cp1252), ["id"])).encoding).toBe("windows-1252");
});

test("a header without a required column says what it has and the nearest name", async () => {
  const path = await csvFile("id,txt\n1,a\n");

  await expect(openCsv(path, ["id", "text"])).rejects.toThrow(`DataError ${path}:1: the header has no column "text", got "id,txt".\n  Known: id, txt. Did you mean "txt"?`);
});

test("an empty file is refused", async () => {
  const path = await csvFile("\n\n");

  await expect(openCsv(path, ["id"])).rejects.toThrow(`DataError ${path}: this file is empty, expected a CSV file with a header row.`);
});
