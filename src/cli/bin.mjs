#!/usr/bin/env node
// The sources are TypeScript and run as they are. A tsconfig.json of the working directory must not reach them.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 11)) {
  process.stderr.write(`m2se needs Node 20.11 or newer, this is ${process.versions.node}.\n  sudo npx --yes n 22\n`);
  process.exit(1);
}
// What a stream of records leaves behind is otherwise collected so late that a large dataset takes three times the memory it needs.
const { setFlagsFromString } = await import("node:v8");
setFlagsFromString("--heap-growing-percent=30");
const { register } = await import("tsx/esm/api");
register({ tsconfig: false });
await import("./main.ts");
